/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * creation - what comes into being: modes, owners and groups of new objects; special files; files
 * without a name; whiteouts.
 */
#include "config.h"

#include <limits.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "posix.h"

enum { ALICE = 1001, BOB = 1002, TEAM = 2001 };

static unsigned mode_of(const char *path)
{
	return stat_of(path).st_mode & 07777;
}

static int create(const char *path, mode_t mode)
{
	int fd = open(path, O_CREAT | O_EXCL | O_RDWR, mode);

	return fd < 0 ? fd : close(fd);
}

/* ---- modes ---- */

static void umasks(void)
{
	static const mode_t masks[] = { 0, 022, 027, 077, 0777, 0123 };
	char name[16];

	for (size_t i = 0; i < sizeof masks / sizeof masks[0]; i++) {
		mode_t want = ~masks[i] & 0777;

		umask(masks[i]);
		snprintf(name, sizeof name, "f%zu", i);
		OK(create(name, 0777));
		CHECK(mode_of(name) == want);
		snprintf(name, sizeof name, "d%zu", i);
		OK(mkdir(name, 0777));
		CHECK(mode_of(name) == want);
		snprintf(name, sizeof name, "p%zu", i);
		OK(mkfifo(name, 0777));
		CHECK(mode_of(name) == want);
		snprintf(name, sizeof name, "n%zu", i);
		OK(mknod(name, S_IFREG | 0777, 0));
		CHECK(mode_of(name) == want);
		snprintf(name, sizeof name, "s%zu", i);
		OK(symlink("x", name));
		CHECK(mode_of(name) == 0777);
	}
	umask(0);
	OK(create("special", 07777));
	CHECK(mode_of("special") == 07777);
	OK(mkdir("sticky", 07777));
	CHECK(mode_of("sticky") == 01777);	/* mkdir(2) looks at no others */
	int fd = open("none", O_CREAT | O_RDWR, 0);
	CHECK(write(fd, "x", 1) == 1);
	CHECK(mode_of("none") == 0);
	OK(close(fd));
}

static void exclusive(void)
{
	OK(symlink("nowhere", "dangling"));
	OK(symlink("loop", "loop"));
	OK(mkdir("d", 0755));
	OK(create("f", 0644));
	FAILS(EEXIST, create("f", 0644));
	FAILS(EEXIST, create("dangling", 0644));
	FAILS(EEXIST, create("d", 0644));
	FAILS(EEXIST, mkdir("dangling", 0755));
	FAILS(EEXIST, mkfifo("f", 0600));
	FAILS(EEXIST, mknod("d", S_IFCHR | 0600, makedev(1, 3)));
	FAILS(EEXIST, symlink("x", "f"));
	FAILS(EISDIR, open("d", O_CREAT | O_WRONLY, 0644));
	FAILS(EISDIR, open("d", O_CREAT | O_RDONLY, 0644));
	FAILS(ELOOP, open("loop", O_CREAT | O_WRONLY, 0644));
	FAILS(ENOENT, open("no/f", O_CREAT | O_WRONLY, 0644));
	FAILS(ENOTDIR, open("f/f", O_CREAT | O_WRONLY, 0644));
	FAILS(ENOENT, symlink("", "empty"));
	FAILS(EINVAL, mknod("x", S_IFMT | 0600, 0));
	FAILS(EPERM, mknod("x", S_IFDIR | 0755, 0));
	/* without O_EXCL a link is followed */
	OK(close(open("dangling", O_CREAT | O_WRONLY, 0600)));
	CHECK(S_ISREG(stat_of("nowhere").st_mode));
}

/* ---- special files ---- */

static void special_files(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "sock" };
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	char target[PATH_MAX], got[PATH_MAX];

	OK(mknod("chr", S_IFCHR | 0600, makedev(1, 3)));
	CHECK(S_ISCHR(stat_of("chr").st_mode) && stat_of("chr").st_rdev == makedev(1, 3));
	OK(mknod("blk", S_IFBLK | 0600, makedev(259, 70000)));
	CHECK(S_ISBLK(stat_of("blk").st_mode) && stat_of("blk").st_rdev == makedev(259, 70000));
	OK(mknod("big", S_IFCHR | 0600, makedev(4095, 1048575)));
	CHECK(stat_of("big").st_rdev == makedev(4095, 1048575));
	OK(mknod("fifo", S_IFIFO | 0640, 0));
	CHECK(S_ISFIFO(stat_of("fifo").st_mode) && mode_of("fifo") == 0640);
	OK(mknod("socknode", S_IFSOCK | 0600, 0));
	CHECK(S_ISSOCK(stat_of("socknode").st_mode));
	OK(bind(s, (struct sockaddr *)&a, sizeof a));
	CHECK(S_ISSOCK(stat_of("sock").st_mode));
	OK(close(s));
	FAILS(ENXIO, open("sock", O_RDONLY));
	FAILS(ENXIO, open("fifo", O_WRONLY | O_NONBLOCK));
	OK(rename("fifo", "pipe"));
	OK(link("pipe", "pipe2"));
	CHECK(stat_of("pipe2").st_nlink == 2);
	OK(symlink("no/where", "link"));
	CHECK(readlink("link", got, sizeof got) == 8 && memcmp(got, "no/where", 8) == 0);
	CHECK(stat_of("link").st_size == 8);
	CHECK(readlink("link", got, 3) == 3);
	memset(target, 't', sizeof target);
	target[4095] = '\0';
	OK(symlink(target, "longlink"));
	CHECK(readlink("longlink", got, sizeof got) == 4095 && !memcmp(got, target, 4095));
	CHECK(stat_of("longlink").st_size == 4095);
	FAILS(EINVAL, readlink("pipe", got, sizeof got));
	OK(link("link", "link2"));		/* the link itself */
	CHECK(S_ISLNK(stat_of("link2").st_mode) && stat_of("link2").st_nlink == 2);
	OK(unlink("chr"));
	OK(unlink("sock"));
}

static void fifo_and_device_work(void)
{
	struct statvfs v;
	char c[4];

	OK(mkfifo("fifo", 0600));
	int fd = open("fifo", O_RDWR);
	CHECK(fd >= 0 && write(fd, "abc", 3) == 3 && read(fd, c, 3) == 3 && !memcmp(c, "abc", 3));
	OK(close(fd));
	OK(statvfs(".", &v));
	if (v.f_flag & ST_NODEV)
		posix_skip("mounted with nodev");
	OK(mknod("zero", S_IFCHR | 0600, makedev(1, 5)));
	fd = open("zero", O_RDONLY);
	CHECK(fd >= 0 && read(fd, c, 4) == 4 && !memcmp(c, "\0\0\0\0", 4));
	OK(close(fd));
}

static void socket_connects(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "sock" };
	int s = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);

	OK(bind(s, (struct sockaddr *)&a, sizeof a));
	OK(listen(s, 1));
	OK(connect(c, (struct sockaddr *)&a, sizeof a));
	OK(close(c));
	OK(close(s));
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	FAILS(ECONNREFUSED, connect(c, (struct sockaddr *)&a, sizeof a));
	s = socket(AF_UNIX, SOCK_STREAM, 0);
	FAILS(EADDRINUSE, bind(s, (struct sockaddr *)&a, sizeof a));
	OK(close(c));
	OK(close(s));
}

static void no_devices(void)
{
	FAILS(EPERM, mknod("d/chr", S_IFCHR | 0600, makedev(1, 3)));
	FAILS(EPERM, mknod("d/blk", S_IFBLK | 0600, makedev(1, 3)));
	OK(mknod("d/white", S_IFCHR, makedev(0, 0)));	/* a whiteout may be made */
	OK(mkfifo("d/fifo", 0600));
	OK(mknod("d/reg", S_IFREG | 0600, 0));
}

/* ---- owners and groups ---- */

static void makes_one_of_each(void)
{
	OK(create("f", 0666));
	OK(mkdir("d", 0777));
	OK(symlink("x", "s"));
	OK(mkfifo("p", 0666));
}

static void owned_by(uid_t uid, gid_t gid)
{
	static const char *const names[] = { "f", "d", "s", "p" };

	for (int i = 0; i < 4; i++) {
		struct stat st = stat_of(names[i]);

		CHECK(st.st_uid == uid && st.st_gid == gid);
		OK(remove(names[i]));
	}
}

static void owners(void)
{
	gid_t groups[] = { 2500, TEAM };

	OK(mkdir("d", 0));
	OK(chmod("d", 0777));
	as_user(ALICE, 100, no_devices);
	CHECK(stat_of("d/white").st_uid == ALICE);
	OK(mkdir("here", 0));
	OK(chmod("here", 0777));
	OK(chdir("here"));
	as_user(ALICE, 100, makes_one_of_each);
	owned_by(ALICE, 100);
	as_user_with_groups(4000000000, 4000000001, 2, groups, makes_one_of_each);
	owned_by(4000000000, 4000000001);
	makes_one_of_each();
	owned_by(0, 0);
}

static void makes_set_group_id(void)
{
	umask(0);
	OK(create("t/exec", 02775));
	OK(create("t/plain", 02664));
	OK(mkdir("t/dir", 0775));
	int fd = open("t/chmodded", O_CREAT | O_RDWR, 0775);
	OK(fchmod(fd, 02775));
	OK(close(fd));
}

static void gone(void)
{
	OK(unlink("t/exec"));
	OK(unlink("t/plain"));
	OK(unlink("t/chmodded"));
	OK(rmdir("t/dir"));
}

/* A set-group-id directory gives its group; to files the bit itself only if who makes them is in it. */
static void set_group_id_directories(void)
{
	gid_t team[] = { 2500, 2501, TEAM, 2502 };

	OK(chmod(".", 0755));
	OK(mkdir("t", 0));
	OK(chown("t", BOB, TEAM));
	OK(chmod("t", 02777));
	for (int who = 0; who < 4; who++) {
		if (who == 0)
			makes_set_group_id();
		else if (who == 1)
			as_user(ALICE, TEAM, makes_set_group_id);
		else if (who == 2)
			as_user_with_groups(ALICE, 100, 4, team, makes_set_group_id);
		else
			as_user(ALICE, 100, makes_set_group_id);
		CHECK(stat_of("t/exec").st_gid == TEAM && stat_of("t/plain").st_gid == TEAM);
		CHECK(stat_of("t/dir").st_gid == TEAM && mode_of("t/dir") == 02775);
		CHECK(mode_of("t/exec") == (who < 3 ? 02775 : 0775));
		CHECK(mode_of("t/plain") == 02664);
		CHECK(mode_of("t/chmodded") == (who < 3 ? 02775 : 0775));
		gone();
	}
	OK(mkdir("t/a", 0755));
	OK(mkdir("t/a/b", 0755));
	OK(symlink("x", "t/a/b/s"));
	OK(mkfifo("t/a/b/p", 0600));
	CHECK(stat_of("t/a/b").st_gid == TEAM && mode_of("t/a/b") == 02755);
	CHECK(stat_of("t/a/b/s").st_gid == TEAM && stat_of("t/a/b/p").st_gid == TEAM);
	/* what moves in keeps its own */
	OK(create("f", 0644));
	OK(rename("f", "t/f"));
	CHECK(stat_of("t/f").st_gid == 0);
}

static void uses_a_late_group(void)
{
	OK(create("shared/f", 0640));
	OK(chown("shared/f", -1, 2299));
	OK(chmod("shared/f", 02750));
	CHECK(mode_of("shared/f") == 02750);
	CHECK(holds("secret", "text"));
}

static void hundreds_of_groups(void)
{
	gid_t groups[300];

	for (int i = 0; i < 300; i++)
		groups[i] = 2000 + i;
	OK(chmod(".", 0755));
	put("secret", "text");
	OK(chmod("secret", 0040));
	OK(chown("secret", BOB, 2288));
	OK(mkdir("shared", 0770));
	OK(chown("shared", BOB, 2299));
	OK(chmod("shared", 0770));
	as_user_with_groups(ALICE, 100, 300, groups, uses_a_late_group);
	CHECK(stat_of("shared/f").st_gid == 2299 && stat_of("shared/f").st_uid == ALICE);
}

/* ---- without a name ---- */

static void tmpfile_lives(void)
{
	struct stat st, dir;
	char c[16], proc[64];
	int fd = open(".", O_TMPFILE | O_RDWR, 0640);

	CHECK(fd >= 0);
	OK(fstat(fd, &st));
	CHECK(S_ISREG(st.st_mode) && (st.st_mode & 07777) == 0640);
	CHECK(st.st_nlink == 0 && st.st_size == 0 && st.st_uid == 0);
	dir = stat_of(".");
	CHECK(st.st_dev == dir.st_dev && st.st_ino != dir.st_ino);
	CHECK(write(fd, "nameless", 8) == 8);
	CHECK(pread(fd, c, 16, 0) == 8 && !memcmp(c, "nameless", 8));
	OK(ftruncate(fd, 4));
	OK(fchmod(fd, 0600));
	OK(fchown(fd, 5, 6));
	OK(futimens(fd, (struct timespec[2]){ { 1, 2 }, { 3, 4 } }));
	OK(fsetxattr(fd, "user.x", "1", 1, 0));
	OK(fsync(fd));
	OK(fstat(fd, &st));
	CHECK(st.st_size == 4 && st.st_uid == 5 && st.st_mtim.tv_nsec == 4 && st.st_nlink == 0);
	snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
	int again = open(proc, O_RDONLY);
	CHECK(again >= 0 && read(again, c, 16) == 4);
	OK(close(fd));
	OK(fstat(again, &st));
	CHECK(st.st_nlink == 0 && pread(again, c, 16, 0) == 4);
	OK(close(again));
	FAILS(EINVAL, open(".", O_TMPFILE | O_RDONLY, 0600));
	FAILS(ENOENT, open("none", O_TMPFILE | O_RDWR, 0600));
	put("f", "");
	FAILS(ENOTDIR, open("f", O_TMPFILE | O_RDWR, 0600));
	OK(unlink("f"));
	CHECK(dir.st_nlink == 2);
}

static void tmpfile_gets_a_name(void)
{
	struct stat st;
	char proc[64];
	int fd = open(".", O_TMPFILE | O_WRONLY, 0666);

	CHECK(write(fd, "content", 7) == 7);
	snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
	put("taken", "");
	FAILS(EEXIST, linkat(AT_FDCWD, proc, AT_FDCWD, "taken", AT_SYMLINK_FOLLOW));
	FAILS(ENOENT, linkat(AT_FDCWD, proc, AT_FDCWD, "no/name", AT_SYMLINK_FOLLOW));
	OK(linkat(AT_FDCWD, proc, AT_FDCWD, "name", AT_SYMLINK_FOLLOW));
	CHECK(holds("name", "content") && mode_of("name") == 0644);
	OK(fstat(fd, &st));
	CHECK(st.st_nlink == 1 && st.st_ino == stat_of("name").st_ino);
	CHECK(write(fd, " more", 5) == 5);
	OK(linkat(fd, "", AT_FDCWD, "second", AT_EMPTY_PATH));
	CHECK(stat_of("name").st_nlink == 2);
	OK(close(fd));
	CHECK(holds("second", "content more"));
	OK(unlink("name"));
	CHECK(holds("second", "content more"));
	OK(unlink("second"));

	/* given a name, and losing it: it is as any other then */
	fd = open(".", O_TMPFILE | O_RDWR, 0600);
	OK(linkat(fd, "", AT_FDCWD, "third", AT_EMPTY_PATH));
	OK(unlink("third"));
	FAILS(ENOENT, linkat(fd, "", AT_FDCWD, "fourth", AT_EMPTY_PATH));
	OK(fstat(fd, &st));
	CHECK(st.st_nlink == 0);
	OK(close(fd));

	fd = open(".", O_TMPFILE | O_EXCL | O_RDWR, 0600);
	CHECK(fd >= 0);
	FAILS(ENOENT, linkat(fd, "", AT_FDCWD, "excl", AT_EMPTY_PATH));
	OK(close(fd));
	CHECK(!exists("third") && !exists("excl"));
}

static void tmpfile_of_a_user(void)
{
	umask(007);
	int fd = open("t", O_TMPFILE | O_RDWR, 02777);
	char proc[64];
	snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
	OK(linkat(AT_FDCWD, proc, AT_FDCWD, "t/x", AT_SYMLINK_FOLLOW));
	OK(close(fd));
	FAILS(EACCES, open("closed", O_TMPFILE | O_RDWR, 0600));
}

static void tmpfile_inherits(void)
{
	OK(chmod(".", 0755));
	OK(mkdir("closed", 0755));
	OK(mkdir("t", 0));
	OK(chown("t", BOB, TEAM));
	OK(chmod("t", 02777));
	as_user(ALICE, 100, tmpfile_of_a_user);
	CHECK(stat_of("t/x").st_uid == ALICE && stat_of("t/x").st_gid == TEAM);
	CHECK(mode_of("t/x") == 0770);
}

static void many_tmpfiles(void)
{
	enum { N = 200 };
	int fds[N];
	char name[16];

	for (int i = 0; i < N; i++) {
		fds[i] = open(".", O_TMPFILE | O_RDWR, 0600);
		CHECK(fds[i] >= 0 && write(fds[i], &i, sizeof i) == sizeof i);
	}
	for (int i = 0; i < N; i += 2) {
		snprintf(name, sizeof name, "f%d", i);
		OK(linkat(fds[i], "", AT_FDCWD, name, AT_EMPTY_PATH));
	}
	for (int i = 0; i < N; i++) {
		int is = -1;

		CHECK(pread(fds[i], &is, sizeof is, 0) == sizeof is && is == i);
		OK(close(fds[i]));
	}
	for (int i = 0; i < N; i += 2) {
		snprintf(name, sizeof name, "f%d", i);
		CHECK(stat_of(name).st_size == sizeof i);
		OK(unlink(name));
	}
}

/* ---- whiteouts ---- */

static bool is_whiteout(const char *path)
{
	struct stat st = stat_of(path);

	return S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0) && st.st_nlink == 1;
}

static int leave_whiteout(const char *from, const char *to, unsigned more)
{
	return renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_WHITEOUT | more);
}

static void whiteout(void)
{
	put("a", "text");
	ino_t ino = stat_of("a").st_ino;
	OK(leave_whiteout("a", "b", 0));
	CHECK(holds("b", "text") && stat_of("b").st_ino == ino);
	CHECK(is_whiteout("a") && stat_of("a").st_ino != ino && stat_of("a").st_uid == 0);
	put("c", "old");
	OK(leave_whiteout("b", "c", 0));
	CHECK(holds("c", "text") && is_whiteout("b"));
	FAILS(EEXIST, leave_whiteout("c", "b", RENAME_NOREPLACE));
	OK(leave_whiteout("c", "d", RENAME_NOREPLACE));
	CHECK(is_whiteout("c"));
	FAILS(EINVAL, leave_whiteout("c", "d", RENAME_EXCHANGE));
	FAILS(ENOENT, leave_whiteout("none", "x", 0));
	CHECK(!exists("none"));
	OK(rename("d", "a"));		/* over a whiteout */
	CHECK(holds("a", "text"));
	OK(unlink("b"));
	OK(rename("c", "moved"));
	CHECK(is_whiteout("moved"));
	OK(unlink("moved"));
}

static void user_leaves_whiteout(void)
{
	put("d/mine", "");
	OK(leave_whiteout("d/mine", "d/moved", 0));
}

static void whiteout_of_a_directory(void)
{
	OK(mkdir("d", 0755));
	OK(mkdir("e", 0755));
	put("d/f", "below");
	OK(leave_whiteout("d", "e/d", 0));
	CHECK(is_whiteout("d") && holds("e/d/f", "below"));
	CHECK(stat_of(".").st_nlink == 3 && stat_of("e").st_nlink == 3);
	OK(unlink("d"));
	OK(mkdir("d", 0));
	OK(chmod("d", 0777));
	OK(chmod(".", 0755));
	as_user(ALICE, 100, user_leaves_whiteout);
	CHECK(is_whiteout("d/mine") && stat_of("d/mine").st_uid == ALICE);
}

const struct posix_case posix_cases[] = {
	POSIX_CASE(umasks),		POSIX_CASE(exclusive),
	POSIX_CASE(special_files),	POSIX_CASE(fifo_and_device_work),
	POSIX_CASE(socket_connects),	POSIX_CASE(owners),
	POSIX_CASE(set_group_id_directories), POSIX_CASE(hundreds_of_groups),
	POSIX_CASE(tmpfile_lives),	POSIX_CASE(tmpfile_gets_a_name),
	POSIX_CASE(tmpfile_inherits),	POSIX_CASE(many_tmpfiles),
	POSIX_CASE(whiteout),		POSIX_CASE(whiteout_of_a_directory),
	{ 0 },
};
