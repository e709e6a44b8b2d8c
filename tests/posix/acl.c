/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * acl - POSIX ACLs: stored, enforced, inherited, and their ties to the mode.
 *
 * They are written and read as the kernel keeps them, in an extended attribute: a version, then entries of
 * tag, permissions and id. Here they are text: "u::rwx,u:1000:r,g::r,m::rwx,o::-".
 */
#include "config.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "posix.h"

#define ACCESS "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"

enum { USER_OBJ = 1, USER = 2, GROUP_OBJ = 4, GROUP = 8, MASK = 16, OTHER = 32 };
enum { ALICE = 1001, BOB = 1002, CAROL = 1003, TEAM = 2001, CREW = 2002 };

struct acl {
	uint32_t version;
	struct {
		uint16_t tag, perm;
		uint32_t id;
	} entries[16];
};

static uint16_t tag_of(char who, bool named)
{
	switch (who) {
	case 'u': return named ? USER : USER_OBJ;
	case 'g': return named ? GROUP : GROUP_OBJ;
	case 'm': return MASK;
	default: return OTHER;
	}
}

/* The size of its xattr. */
static size_t acl_parse(const char *text, struct acl *acl)
{
	size_t n = 0;

	*acl = (struct acl){ .version = 2 };
	for (; *text; n++) {
		bool named = text[2] != ':';
		char *at = (char *)text + 2;

		acl->entries[n].tag = tag_of(text[0], named);
		acl->entries[n].id = named ? strtoul(at, &at, 10) : UINT32_MAX;
		for (at++; *at && *at != ','; at++)
			acl->entries[n].perm |= *at == 'r' ? 4 : *at == 'w' ? 2 : *at == 'x' ? 1 : 0;
		text = *at ? at + 1 : at;
	}
	return 4 + n * 8;
}

static int set_acl(const char *path, const char *name, const char *text)
{
	struct acl acl;
	size_t size = acl_parse(text, &acl);

	return setxattr(path, name, &acl, size, 0);
}

static bool has_acl(const char *path, const char *name, const char *text)
{
	struct acl want, is;
	size_t size = acl_parse(text, &want);

	memset(&is, 0, sizeof is);
	return getxattr(path, name, &is, sizeof is) == (ssize_t)size && !memcmp(&is, &want, size);
}

static bool no_acl(const char *path, const char *name)
{
	return getxattr(path, name, NULL, 0) == -1 && errno == ENODATA;
}

static unsigned mode_of(const char *path)
{
	return stat_of(path).st_mode & 07777;
}

/* ---- stored, and the mode ---- */

static void mode_and_acl(void)
{
	put("f", "text");
	CHECK(no_acl("f", ACCESS) && no_acl(".", DEFAULT));
	/* a minimal one is only a mode */
	OK(set_acl("f", ACCESS, "u::rwx,g::r,o::-"));
	CHECK(no_acl("f", ACCESS) && mode_of("f") == 0740);
	OK(set_acl("f", ACCESS, "u::rw,u:1001:rw,g::r,m::rw,o::r"));
	CHECK(has_acl("f", ACCESS, "u::rw,u:1001:rw,g::r,m::rw,o::r"));
	CHECK(mode_of("f") == 0664);
	/* chmod changes the mask, not the group */
	OK(chmod("f", 0640));
	CHECK(has_acl("f", ACCESS, "u::rw,u:1001:rw,g::r,m::r,o::-") && mode_of("f") == 0640);
	OK(chmod("f", 04711));
	CHECK(has_acl("f", ACCESS, "u::rwx,u:1001:rw,g::r,m::x,o::x") && mode_of("f") == 04711);
	OK(removexattr("f", ACCESS));
	CHECK(no_acl("f", ACCESS) && mode_of("f") == 04711);
	struct stat before = stat_of("f");
	OK(set_acl("f", ACCESS, "u::rw,g::r,g:2001:rw,m::rw,o::-"));
	struct stat after = stat_of("f");
	CHECK(after.st_mtim.tv_nsec == before.st_mtim.tv_nsec);
	CHECK(after.st_ctim.tv_sec != before.st_ctim.tv_sec ||
	      after.st_ctim.tv_nsec != before.st_ctim.tv_nsec);
	OK(rename("f", "g"));
	CHECK(has_acl("g", ACCESS, "u::rw,g::r,g:2001:rw,m::rw,o::-"));
	OK(link("g", "h"));
	CHECK(has_acl("h", ACCESS, "u::rw,g::r,g:2001:rw,m::rw,o::-"));
	int fd = open("g", O_RDWR);
	OK(fchmod(fd, 0600));
	CHECK(has_acl("h", ACCESS, "u::rw,g::r,g:2001:rw,m::-,o::-"));
	OK(unlink("g"));
	OK(unlink("h"));
	OK(fchmod(fd, 0660));
	char value[256];
	CHECK(fgetxattr(fd, ACCESS, value, sizeof value) == 4 + 5 * 8);
	OK(close(fd));
}

static void wrong_ones(void)
{
	struct acl acl;

	put("f", "");
	OK(symlink("f", "s"));
	FAILS(EINVAL, set_acl("f", ACCESS, "u::rw,u:1001:rw,g::r,o::r"));	/* no mask */
	FAILS(EINVAL, set_acl("f", ACCESS, "g::r,o::r"));
	FAILS(EINVAL, set_acl("f", ACCESS, "o::r,u::rw,g::r"));
	FAILS(EACCES, set_acl("f", DEFAULT, "u::rw,g::r,o::r"));
	size_t size = acl_parse("u::rw,g::r,o::r", &acl);
	FAILS(EINVAL, setxattr("f", ACCESS, &acl, size - 1, 0));
	acl.version = 1;
	FAILS(EOPNOTSUPP, setxattr("f", ACCESS, &acl, size, 0));
	OK(setxattr("f", ACCESS, NULL, 0, 0));
	FAILS(EOPNOTSUPP, lsetxattr("s", ACCESS, &acl, size, 0));
	FAILS(EOPNOTSUPP, lgetxattr("s", ACCESS, NULL, 0));
	OK(removexattr("f", ACCESS));
	CHECK(mode_of("f") == 0644);
	char c[8];
	OK(set_acl("f", ACCESS, "u::rw,u:1001:r,g::r,m::r,o::-"));
	FAILS(ERANGE, getxattr("f", ACCESS, c, sizeof c));
	CHECK(getxattr("f", ACCESS, NULL, 0) == 4 + 5 * 8);
}

static void large(void)
{
	struct { uint16_t tag, perm; uint32_t id; } e[300];
	struct { uint32_t version; char entries[sizeof e]; } acl = { .version = 2 }, is;
	int n = 0;

	put("f", "");
	e[n].tag = USER_OBJ, e[n].perm = 6, e[n++].id = UINT32_MAX;
	for (; n < 200; n++)
		e[n].tag = USER, e[n].perm = 4, e[n].id = 3000 + n;
	e[n].tag = GROUP_OBJ, e[n].perm = 4, e[n++].id = UINT32_MAX;
	e[n].tag = MASK, e[n].perm = 6, e[n++].id = UINT32_MAX;
	e[n].tag = OTHER, e[n].perm = 0, e[n++].id = UINT32_MAX;
	memcpy(acl.entries, e, n * sizeof *e);
	OK(setxattr("f", ACCESS, &acl, 4 + n * 8, 0));
	CHECK(getxattr("f", ACCESS, &is, sizeof is) == 4 + n * 8 && !memcmp(&acl, &is, 4 + n * 8));
}

/* ---- enforced ---- */

static void read_not_write(void)
{
	OK(access("f", R_OK));
	int fd = open("f", O_RDONLY);
	CHECK(fd >= 0);
	OK(close(fd));
	FAILS(EACCES, open("f", O_WRONLY));
	FAILS(EACCES, truncate("f", 0));
}

static void read_and_write(void)
{
	int fd = open("f", O_RDWR);

	CHECK(fd >= 0 && write(fd, "w", 1) == 1);
	OK(close(fd));
}

static void neither(void)
{
	FAILS(EACCES, open("f", O_RDONLY));
	FAILS(EACCES, open("f", O_WRONLY));
	FAILS(EACCES, access("f", R_OK));
}

static void makes_a_name(void)
{
	put("d/mine", "x");
	OK(unlink("d/mine"));
}

static void makes_no_name(void)
{
	FAILS(EACCES, open("d/mine", O_CREAT | O_WRONLY, 0644));
	FAILS(EACCES, mkdir("d/mine", 0755));
	FAILS(EACCES, symlink("x", "d/mine"));
}

static void not_the_owner(void)
{
	FAILS(EPERM, set_acl("f", ACCESS, "u::rw,u:1002:rw,g::r,m::rw,o::-"));
	FAILS(EPERM, removexattr("f", ACCESS));
	FAILS(EPERM, set_acl("d", DEFAULT, "u::rw,g::r,o::-"));
}

static void enforced(void)
{
	gid_t crew[] = { 2500, CREW };

	OK(chmod(".", 0755));
	OK(mkdir("d", 0755));
	put("f", "text");
	OK(chown("f", ALICE, TEAM));
	OK(set_acl("f", ACCESS, "u::r,u:1002:rw,u:1003:r,g::rw,g:2002:-,m::rw,o::-"));
	as_user(ALICE, 100, read_not_write);
	as_user(BOB, 100, read_and_write);
	as_user(CAROL, 100, read_not_write);
	as_user(CAROL, TEAM, read_not_write);	/* her own entry counts */
	as_user(1004, TEAM, read_and_write);
	as_user(1004, 100, neither);
	as_user_with_groups(1004, 100, 2, crew, neither);
	as_user(BOB, 100, not_the_owner);
	OK(chmod("f", 0440));			/* the mask */
	as_user(BOB, 100, read_not_write);
	OK(chmod("f", 0400));
	as_user(BOB, 100, neither);
	OK(set_acl("f", ACCESS, "u::rw,g::-,g:2002:rw,m::rw,o::r"));
	as_user_with_groups(1004, 100, 2, crew, read_and_write);
	as_user(1004, TEAM, neither);
	as_user(1004, 100, read_not_write);

	as_user(BOB, 100, makes_no_name);
	OK(set_acl("d", ACCESS, "u::rwx,u:1002:rwx,g::rx,m::rwx,o::rx"));
	as_user(BOB, 100, makes_a_name);
	as_user(CAROL, 100, makes_no_name);
	OK(removexattr("d", ACCESS));
	as_user(BOB, 100, makes_no_name);
}

/* ---- inherited ---- */

static void make_some(const char *name)
{
	char path[64];
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM, 0), fd;

	snprintf(path, sizeof path, "%s/file", name);
	fd = open(path, O_CREAT | O_EXCL | O_RDWR, 0666);
	OK(close(fd));
	snprintf(path, sizeof path, "%s/dir", name);
	OK(mkdir(path, 0777));
	snprintf(path, sizeof path, "%s/fifo", name);
	OK(mkfifo(path, 0666));
	snprintf(a.sun_path, sizeof a.sun_path, "%s/sock", name);
	OK(bind(s, (struct sockaddr *)&a, sizeof a));
	OK(close(s));
	snprintf(path, sizeof path, "%s/link", name);
	OK(symlink("file", path));
}

static void inherited(void)
{
	OK(mkdir("plain", 0755));
	make_some("plain");
	CHECK(mode_of("plain/file") == 0644 && mode_of("plain/dir") == 0755);

	/* a default ACL takes the place of the umask */
	OK(mkdir("d", 0755));
	OK(set_acl("d", DEFAULT, "u::rwx,g::rwx,o::rwx"));
	CHECK(no_acl("d", ACCESS) && mode_of("d") == 0755);
	make_some("d");
	CHECK(mode_of("d/file") == 0666 && mode_of("d/dir") == 0777 && mode_of("d/fifo") == 0666);
	CHECK(mode_of("d/sock") == 0755);	/* bind() has applied the umask itself */
	CHECK(no_acl("d/file", ACCESS) && no_acl("d/dir", ACCESS));
	CHECK(has_acl("d/dir", DEFAULT, "u::rwx,g::rwx,o::rwx") && no_acl("d/file", DEFAULT));

	OK(mkdir("e", 0700));
	OK(set_acl("e", DEFAULT, "u::rwx,u:1002:rwx,g::rx,m::rwx,o::-"));
	umask(0);
	make_some("e");
	umask(022);
	CHECK(has_acl("e/file", ACCESS, "u::rw,u:1002:rwx,g::rx,m::rw,o::-"));
	CHECK(mode_of("e/file") == 0660 && mode_of("e/dir") == 0770);
	CHECK(has_acl("e/dir", ACCESS, "u::rwx,u:1002:rwx,g::rx,m::rwx,o::-"));
	CHECK(has_acl("e/dir", DEFAULT, "u::rwx,u:1002:rwx,g::rx,m::rwx,o::-"));
	CHECK(has_acl("e/fifo", ACCESS, "u::rw,u:1002:rwx,g::rx,m::rw,o::-"));
	OK(mkdir("e/dir/deeper", 0700));
	CHECK(has_acl("e/dir/deeper", ACCESS, "u::rwx,u:1002:rwx,g::rx,m::-,o::-"));
	CHECK(has_acl("e/dir/deeper", DEFAULT, "u::rwx,u:1002:rwx,g::rx,m::rwx,o::-"));
	/* what moves in or is linked keeps its own */
	put("f", "");
	OK(rename("f", "e/f"));
	CHECK(no_acl("e/f", ACCESS) && mode_of("e/f") == 0644);
	OK(removexattr("e", DEFAULT));
	put("e/after", "");
	CHECK(no_acl("e/after", ACCESS) && mode_of("e/after") == 0644);
}

static void tmpfile_inherits(void)
{
	OK(mkdir("d", 0755));
	OK(set_acl("d", DEFAULT, "u::rwx,u:1002:r,g::r,m::rwx,o::-"));
	int fd = open("d", O_TMPFILE | O_RDWR, 0666);
	CHECK(fd >= 0);
	OK(linkat(fd, "", AT_FDCWD, "d/f", AT_EMPTY_PATH));
	CHECK(has_acl("d/f", ACCESS, "u::rw,u:1002:r,g::r,m::rw,o::-"));
	OK(close(fd));
}

static void bob_uses_it(void)
{
	CHECK(holds("d/sub/file", "text"));
	put("d/sub/file", "by bob");
	OK(chdir("d/sub"));
	put("new", "");
	OK(unlink("new"));
}

static void inherited_and_enforced(void)
{
	OK(chmod(".", 0755));
	OK(mkdir("d", 0755));
	OK(set_acl("d", DEFAULT, "u::rwx,u:1002:rwx,g::rx,m::rwx,o::-"));
	OK(set_acl("d", ACCESS, "u::rwx,u:1002:rwx,g::rx,m::rwx,o::-"));
	umask(077);
	OK(mkdir("d/sub", 0770));
	int fd = open("d/sub/file", O_CREAT | O_WRONLY, 0660);
	CHECK(write(fd, "text", 4) == 4);
	OK(close(fd));
	as_user(BOB, 100, bob_uses_it);
}

/* ---- set-group-id ---- */

static void owner_sets_acl(void)
{
	OK(set_acl("f", ACCESS, "u::rwx,u:1002:rx,g::rx,m::rx,o::-"));
	OK(set_acl("d", ACCESS, "u::rwx,u:1002:rx,g::rx,m::rx,o::-"));
}

/* As with chmod, an owner outside of the group loses the bit. */
static void set_group_id(void)
{
	gid_t team[] = { 2500, TEAM };

	OK(chmod(".", 0755));
	put("f", "");
	OK(mkdir("d", 0755));
	for (int member = 0; member < 2; member++) {
		OK(chown("f", ALICE, TEAM));
		OK(chown("d", ALICE, TEAM));
		OK(chmod("f", 02750));
		OK(chmod("d", 02750));
		if (member)
			as_user_with_groups(ALICE, 100, 2, team, owner_sets_acl);
		else
			as_user(ALICE, 100, owner_sets_acl);
		CHECK(mode_of("f") == (member ? 02750 : 0750));
		CHECK(mode_of("d") == (member ? 02750 : 0750));
	}
	OK(chmod("f", 02750));
	OK(set_acl("f", ACCESS, "u::rwx,u:1002:rx,g::rx,m::rwx,o::-"));
	CHECK(mode_of("f") == 02770);
}

const struct posix_case posix_cases[] = {
	POSIX_CASE(mode_and_acl), POSIX_CASE(wrong_ones),	POSIX_CASE(large),
	POSIX_CASE(enforced),	  POSIX_CASE(inherited),	POSIX_CASE(tmpfile_inherits),
	POSIX_CASE(inherited_and_enforced), POSIX_CASE(set_group_id),
	{ 0 },
};
