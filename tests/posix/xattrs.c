/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * xattrs - extended attributes: name spaces, sizes, lists, file capabilities.
 */
#include "config.h"

#include <limits.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#include "posix.h"

static char got[XATTR_SIZE_MAX + 1];

static bool has(const char *path, const char *name, const char *value)
{
	size_t n = strlen(value);

	return lgetxattr(path, name, got, sizeof got) == (ssize_t)n && memcmp(got, value, n) == 0;
}

static void basics(void)
{
	char list[1024];

	put("f", "x");
	FAILS(ENODATA, getxattr("f", "user.a", got, 10));
	OK(setxattr("f", "user.a", "value", 5, XATTR_CREATE));
	FAILS(EEXIST, setxattr("f", "user.a", "value", 5, XATTR_CREATE));
	FAILS(ENODATA, setxattr("f", "user.b", "value", 5, XATTR_REPLACE));
	FAILS(EINVAL, setxattr("f", "user.a", "value", 5, 8));
	CHECK(getxattr("f", "user.a", NULL, 0) == 5);
	CHECK(has("f", "user.a", "value"));
	FAILS(ERANGE, getxattr("f", "user.a", got, 4));
	OK(setxattr("f", "user.a", "longer value", 12, XATTR_REPLACE));
	CHECK(has("f", "user.a", "longer value"));
	OK(setxattr("f", "user.empty", "", 0, 0));
	CHECK(getxattr("f", "user.empty", got, 100) == 0 && getxattr("f", "user.empty", NULL, 0) == 0);
	ssize_t n = listxattr("f", list, sizeof list);
	CHECK(n == 7 + 11 && memmem(list, n, "user.a", 7) && memmem(list, n, "user.empty", 11));
	CHECK(listxattr("f", NULL, 0) == n);
	FAILS(ERANGE, listxattr("f", list, 5));
	OK(removexattr("f", "user.a"));
	FAILS(ENODATA, removexattr("f", "user.a"));
	FAILS(ENOENT, setxattr("none", "user.a", "v", 1, 0));
	FAILS(ENOENT, listxattr("none", list, sizeof list));
	OK(setxattr("f", "user.nul", "a\0b", 3, 0));
	CHECK(getxattr("f", "user.nul", got, 10) == 3 && memcmp(got, "a\0b", 3) == 0);
}

static void ctime_and_fd(void)
{
	struct stat before, after;

	put("f", "x");
	int fd = open("f", O_RDONLY);
	OK(fstat(fd, &before));
	do {	/* the clock of a file system ticks some hundred times a second */
		OK(fsetxattr(fd, "user.a", "v", 1, 0));
		OK(fstat(fd, &after));
	} while (after.st_ctim.tv_sec == before.st_ctim.tv_sec &&
		 after.st_ctim.tv_nsec == before.st_ctim.tv_nsec);
	CHECK(after.st_mtim.tv_nsec == before.st_mtim.tv_nsec);
	CHECK(fgetxattr(fd, "user.a", got, 10) == 1 && flistxattr(fd, got, 100) == 7);
	OK(unlink("f"));
	OK(fsetxattr(fd, "user.b", "w", 1, 0));
	CHECK(fgetxattr(fd, "user.b", got, 10) == 1 && flistxattr(fd, got, 100) == 14);
	OK(fremovexattr(fd, "user.b"));
	FAILS(ENODATA, fgetxattr(fd, "user.b", got, 10));
	OK(close(fd));
	fd = open(".", O_RDONLY | O_DIRECTORY);
	OK(fsetxattr(fd, "user.d", "dir", 3, 0));
	CHECK(has(".", "user.d", "dir"));
	OK(close(fd));
}

static void lengths(void)
{
	static const size_t lengths[] = { 1, 255, 256, 257, 1000, 3000, 4096, 16384, 60000, 65536 };
	static char big[XATTR_SIZE_MAX + 1];
	char name[300] = "user.";
	size_t reached = 0;

	put("f", "x");
	fill(big, sizeof big, 9);
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		size_t n = lengths[i];

		if (setxattr("f", "user.big", big, n, 0) < 0) {
			int why = errno;		/* ext4 without ea_inode */

			CHECK(why == ENOSPC || why == E2BIG);
			break;
		}
		CHECK(getxattr("f", "user.big", NULL, 0) == (ssize_t)n);
		CHECK(getxattr("f", "user.big", got, sizeof got) == (ssize_t)n);
		CHECK(memcmp(big, got, n) == 0);
		if (n > 1)
			FAILS(ERANGE, getxattr("f", "user.big", got, n - 1));
		reached = n;
	}
	CHECK(reached >= 3000);
	FAILS(E2BIG, setxattr("f", "user.big", big, XATTR_SIZE_MAX + 1, 0));
	memset(name + 5, 'n', 250);
	OK(setxattr("f", name, "v", 1, 0));
	CHECK(has("f", name, "v"));
	name[255] = 'n';
	FAILS(ERANGE, setxattr("f", name, "v", 1, 0));
	FAILS(ERANGE, getxattr("f", name, got, 10));
	FAILS(ERANGE, setxattr("f", "", "v", 1, 0));
}

static void many(void)
{
	char name[64], value[16];
	int nr = 0;

	put("f", "x");
	for (; nr < 60; nr++) {
		snprintf(name, sizeof name, "user.name number %d", nr);
		snprintf(value, sizeof value, "value %d", nr);
		OK(setxattr("f", name, value, strlen(value), 0));
	}
	ssize_t n = listxattr("f", got, sizeof got);
	int found = 0;
	for (ssize_t i = 0; i < n; i += strlen(got + i) + 1)
		found += strncmp(got + i, "user.name number ", 17) == 0;
	CHECK(found == nr && listxattr("f", NULL, 0) == n);
	for (int i = 0; i < nr; i++) {
		snprintf(name, sizeof name, "user.name number %d", i);
		snprintf(value, sizeof value, "value %d", i);
		CHECK(has("f", name, value));
		OK(removexattr("f", name));
	}
	CHECK(listxattr("f", got, sizeof got) == 0);
}

/* ---- name spaces ---- */

static void without_privileges(void)
{
	FAILS(EPERM, setxattr("f", "trusted.mine", "v", 1, 0));
	FAILS(ENODATA, getxattr("f", "trusted.mine", got, 10));
	CHECK(listxattr("f", got, sizeof got) == 7 && strcmp(got, "user.a") == 0);
	CHECK(getxattr("f", "user.a", got, 10) == 1);
	FAILS(EACCES, setxattr("f", "user.a", "w", 1, 0));
	FAILS(EACCES, removexattr("f", "user.a"));
	FAILS(EPERM, setxattr("f", "security.mine", "v", 1, 0));
	CHECK(getxattr("f", "security.mine", got, 10) == 1 || errno == ENODATA);
	FAILS(EACCES, getxattr("secret", "user.a", got, 10));
	FAILS(EPERM, setxattr("sticky", "user.a", "v", 1, 0));
}

static void name_spaces(void)
{
	put("f", "x");
	OK(setxattr("f", "trusted.mine", "t", 1, 0));
	CHECK(has("f", "trusted.mine", "t"));
	OK(setxattr("f", "user.a", "v", 1, 0));
	CHECK(listxattr("f", got, sizeof got) == 13 + 7);
	put("secret", "x");
	OK(setxattr("secret", "user.a", "v", 1, 0));
	OK(chmod("secret", 0600));
	OK(mkdir("sticky", 01777));
	OK(chmod("sticky", 01777));
	OK(chmod(".", 0755));
	as_user(1000, 1000, without_privileges);
	FAILS(EOPNOTSUPP, setxattr("f", "unknown.a", "v", 1, 0));
	FAILS(EOPNOTSUPP, getxattr("f", "unknown.a", got, 10));
	FAILS(EOPNOTSUPP, setxattr("f", "noprefix", "v", 1, 0));
	FAILS(EOPNOTSUPP, setxattr("f", "system.mine", "v", 1, 0));
	FAILS(EOPNOTSUPP, getxattr("f", "system.mine", got, 10));
	FAILS(EINVAL, setxattr("f", "user.", "v", 1, 0));
	FAILS(EINVAL, setxattr("f", "trusted.", "v", 1, 0));
}

static void types(void)
{
	OK(symlink("f", "link"));
	OK(mkfifo("fifo", 0600));
	OK(mknod("device", S_IFCHR | 0600, 0x103));
	OK(mkdir("dir", 0755));
	for (int i = 0; i < 3; i++) {
		const char *path = i == 0 ? "link" : i == 1 ? "fifo" : "device";

		FAILS(EPERM, lsetxattr(path, "user.a", "v", 1, 0));
		FAILS(ENODATA, lgetxattr(path, "user.a", got, 10));
		FAILS(EPERM, lremovexattr(path, "user.a"));
		OK(lsetxattr(path, "trusted.a", "v", 1, 0));
		CHECK(has(path, "trusted.a", "v"));
		CHECK(llistxattr(path, got, sizeof got) == 10);
		OK(lremovexattr(path, "trusted.a"));
		CHECK(llistxattr(path, got, sizeof got) == 0);
	}
	OK(setxattr("dir", "user.a", "v", 1, 0));
	OK(setxattr("dir", "trusted.a", "v", 1, 0));
	CHECK(listxattr("dir", got, sizeof got) == 17);
	FAILS(ENOENT, setxattr("link", "user.a", "v", 1, 0));
	put("f", "x");
	OK(setxattr("link", "user.a", "v", 1, 0));
	CHECK(has("f", "user.a", "v"));
}

/* ---- file capabilities ---- */

static const uint8_t capability[20] = { 1, 0, 0, 2, 0, 4 };

static void give(void)
{
	OK(setxattr("f", "security.capability", capability, sizeof capability, 0));
	CHECK(getxattr("f", "security.capability", got, 100) == sizeof capability &&
	      memcmp(got, capability, sizeof capability) == 0);
}

static bool is_gone(void)
{
	return getxattr("f", "security.capability", got, 100) < 0 && errno == ENODATA;
}

static void capabilities(void)
{
	put("f", "some text");
	CHECK(is_gone());
	give();
	/* kept by what changes no data */
	OK(chmod("f", 0755));
	OK(utimensat(AT_FDCWD, "f", NULL, 0));
	OK(rename("f", "g"));
	OK(rename("g", "f"));
	CHECK(!is_gone());
	int fd = open("f", O_RDWR);
	CHECK(write(fd, "changed", 7) == 7);
	CHECK(is_gone());
	give();
	OK(ftruncate(fd, 3));
	CHECK(is_gone());
	give();
	OK(chown("f", 1000, 1000));
	CHECK(is_gone());
	OK(chown("f", 0, 0));
	give();
	OK(fallocate(fd, 0, 0, 8192));
	CHECK(is_gone());
	give();
	int from = open("from", O_RDWR | O_CREAT, 0600);
	CHECK(write(from, "0123456789", 10) == 10);
	OK(lseek(from, 0, SEEK_SET));
	CHECK(copy_file_range(from, NULL, fd, NULL, 10, 0) == 10);
	CHECK(is_gone());
	OK(close(from));
	give();
	OK(close(open("f", O_WRONLY | O_TRUNC)));
	CHECK(is_gone());
	FAILS(ENODATA, removexattr("f", "security.capability"));
	OK(close(fd));
	FAILS(EINVAL, setxattr("f", "security.capability", "short", 5, 0));
}

/* A program gets what its file has. */
static void capability_counts(void)
{
	struct statvfs v;

	OK(statvfs(".", &v));
	if (v.f_flag & ST_NOSUID)
		posix_skip("this file system is mounted nosuid");
	CHECK(system("cp /bin/grep f && chmod 755 f") == 0);
	give();
	fflush(stdout);
	FILE *p = popen("setpriv --reuid 1000 --regid 1000 --clear-groups --inh-caps=-all ./f CapEff /proc/self/status",
			"r");
	unsigned long long caps = 0;
	CHECK(p && fscanf(p, "CapEff: %llx", &caps) == 1);
	CHECK(caps == 0x400);
	CHECK(p && pclose(p) == 0);
}

/* ---- what a file system may keep for itself ---- */

static void not_ours(void)
{
	put("f", "x");
	CHECK(listxattr("f", got, sizeof got) == 0);
	CHECK(listxattr(".", got, sizeof got) == 0);
	FAILS(ENODATA, getxattr("f", "trusted.gfid", got, 100));
	FAILS(ENODATA, getxattr("f", "trusted.glusterfs.version", got, 100));
	FAILS(ENODATA, getxattr(".", "trusted.glusterfs.brick-id", got, 100));
}

const struct posix_case posix_cases[] = {
	POSIX_CASE(basics),	POSIX_CASE(ctime_and_fd), POSIX_CASE(lengths),
	POSIX_CASE(many),	POSIX_CASE(name_spaces),  POSIX_CASE(types),
	POSIX_CASE(capabilities), POSIX_CASE(capability_counts), POSIX_CASE(not_ours), { 0 },
};
