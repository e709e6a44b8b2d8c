/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * flags - what chattr(1) sets: immutable, append-only and hints; FIEMAP.
 */
#include "config.h"

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/xattr.h>

#include "posix.h"

/* Extents, an index and the like are the file system's own. */
enum { OURS = FS_SYNC_FL | FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL | FS_NOATIME_FL |
	      FS_DIRSYNC_FL | FS_TOPDIR_FL };

static int flags_of(const char *path)
{
	int flags = 0, fd = open(path, O_RDONLY | O_NONBLOCK);

	OK(ioctl(fd, FS_IOC_GETFLAGS, &flags));
	OK(close(fd));
	return flags & OURS;
}

static int change_flags(const char *path, int set, int clear)
{
	int flags = 0, fd = open(path, O_RDONLY | O_NONBLOCK);

	OK(ioctl(fd, FS_IOC_GETFLAGS, &flags));
	flags = (flags | set) & ~clear;
	int ret = ioctl(fd, FS_IOC_SETFLAGS, &flags), why = errno;
	close(fd);
	errno = why;
	return ret;
}

static void hints(void)
{
	put("f", "text");
	OK(mkdir("d", 0755));
	CHECK(flags_of("f") == 0 && flags_of("d") == 0);
	struct stat before = stat_of("f"), after;
	do {
		OK(change_flags("f", FS_NODUMP_FL, 0));
		after = stat_of("f");
	} while (after.st_ctim.tv_sec == before.st_ctim.tv_sec &&
		 after.st_ctim.tv_nsec == before.st_ctim.tv_nsec);
	CHECK(flags_of("f") == FS_NODUMP_FL);
	OK(change_flags("f", FS_NOATIME_FL | FS_SYNC_FL, FS_NODUMP_FL));
	CHECK(flags_of("f") == (FS_NOATIME_FL | FS_SYNC_FL));
	OK(change_flags("f", 0, FS_NOATIME_FL | FS_SYNC_FL));
	OK(change_flags("d", FS_DIRSYNC_FL, 0));
	CHECK(flags_of("d") == FS_DIRSYNC_FL);
	/* a new file has those of its directory that are meant for it */
	OK(change_flags("d", FS_NODUMP_FL | FS_SYNC_FL, 0));
	put("d/new", "x");
	CHECK(flags_of("d/new") == (FS_NODUMP_FL | FS_SYNC_FL));
	FAILS(EOPNOTSUPP, change_flags("f", FS_VERITY_FL | FS_ENCRYPT_FL | 0x40000000, 0));
	CHECK(system("chattr +d f && lsattr f | grep -q '^[^ ]*d' && lsattr -d d >list") == 0);
	CHECK(flags_of("f") == FS_NODUMP_FL);
}

static void xflags(void)
{
	struct fsxattr x = { 0 };

	put("f", "text");
	int fd = open("f", O_RDONLY);
	OK(ioctl(fd, FS_IOC_FSGETXATTR, &x));
	CHECK(x.fsx_xflags == 0 && x.fsx_projid == 0);
	x.fsx_xflags = FS_XFLAG_NODUMP | FS_XFLAG_NOATIME;
	OK(ioctl(fd, FS_IOC_FSSETXATTR, &x));
	CHECK(flags_of("f") == (FS_NODUMP_FL | FS_NOATIME_FL));
	memset(&x, 0, sizeof x);
	OK(ioctl(fd, FS_IOC_FSGETXATTR, &x));
	CHECK(x.fsx_xflags == (FS_XFLAG_NODUMP | FS_XFLAG_NOATIME));
	x.fsx_xflags = 0;
	OK(ioctl(fd, FS_IOC_FSSETXATTR, &x));
	CHECK(flags_of("f") == 0);
	OK(close(fd));
}

static void immutable(void)
{
	put("f", "text");
	OK(setxattr("f", "user.a", "v", 1, 0));
	int open_before = open("f", O_RDWR);
	OK(change_flags("f", FS_IMMUTABLE_FL, 0));
	CHECK(flags_of("f") == FS_IMMUTABLE_FL);
	CHECK(holds("f", "text"));
	FAILS(EPERM, open("f", O_WRONLY));
	FAILS(EPERM, open("f", O_WRONLY | O_TRUNC));
	FAILS(EPERM, truncate("f", 0));
	FAILS(EPERM, unlink("f"));
	FAILS(EPERM, rename("f", "g"));
	FAILS(EPERM, link("f", "g"));
	FAILS(EPERM, chmod("f", 0600));
	FAILS(EPERM, chown("f", 1, 1));
	FAILS(EPERM, setxattr("f", "user.a", "w", 1, 0));
	FAILS(EPERM, removexattr("f", "user.a"));
	FAILS(EPERM, pwrite(open_before, "x", 1, 0));
	FAILS(EPERM, fallocate(open_before, 0, 0, 8192));
	put("other", "x");
	FAILS(EPERM, rename("other", "f"));
	CHECK(holds("f", "text"));
	OK(change_flags("f", 0, FS_IMMUTABLE_FL));
	CHECK(pwrite(open_before, "x", 1, 0) == 1);
	OK(close(open_before));
	OK(rename("f", "g"));
	OK(unlink("g"));
}

static void immutable_directory(void)
{
	OK(mkdir("d", 0755));
	put("d/f", "text");
	OK(mkdir("d/sub", 0755));
	OK(change_flags("d", FS_IMMUTABLE_FL, 0));
	FAILS(EPERM, open("d/new", O_CREAT | O_WRONLY, 0600));
	FAILS(EPERM, mkdir("d/new", 0755));
	FAILS(EPERM, symlink("x", "d/new"));
	FAILS(EPERM, mkfifo("d/new", 0600));
	FAILS(EPERM, unlink("d/f"));
	FAILS(EPERM, rmdir("d/sub"));
	FAILS(EPERM, rename("d/f", "f"));
	put("outside", "x");
	FAILS(EPERM, rename("outside", "d/f"));
	FAILS(EPERM, link("outside", "d/new"));
	FAILS(EPERM, rmdir("d"));
	put("d/f", "changed");
	CHECK(holds("d/f", "changed"));
	OK(change_flags("d", 0, FS_IMMUTABLE_FL));
	OK(unlink("d/f"));
	OK(rmdir("d/sub"));
	OK(rmdir("d"));
}

static void append_only(void)
{
	put("log", "one\n");
	OK(change_flags("log", FS_APPEND_FL, 0));
	FAILS(EPERM, open("log", O_WRONLY));
	FAILS(EPERM, open("log", O_WRONLY | O_APPEND | O_TRUNC));
	FAILS(EPERM, truncate("log", 0));
	FAILS(EPERM, unlink("log"));
	FAILS(EPERM, rename("log", "other"));
	FAILS(EPERM, chmod("log", 0600));
	int fd = open("log", O_RDWR | O_APPEND);
	CHECK(write(fd, "two\n", 4) == 4);
	FAILS(EPERM, ftruncate(fd, 0));
	CHECK(system("echo three >>log") == 0);
	CHECK(write(fd, "four\n", 5) == 5);
	CHECK(holds("log", "one\ntwo\nthree\nfour\n"));
	OK(close(fd));
	OK(change_flags("log", 0, FS_APPEND_FL));
	/* a directory takes new names and loses none */
	OK(mkdir("d", 0755));
	OK(change_flags("d", FS_APPEND_FL, 0));
	put("d/new", "x");
	FAILS(EPERM, unlink("d/new"));
	FAILS(EPERM, rename("d/new", "new"));
	OK(change_flags("d", 0, FS_APPEND_FL));
	OK(unlink("d/new"));
}

static void somebody(void)
{
	OK(change_flags("his", FS_NODUMP_FL, 0));
	FAILS(EPERM, change_flags("his", FS_IMMUTABLE_FL, 0));
	FAILS(EPERM, change_flags("his", FS_APPEND_FL, 0));
	FAILS(EPERM, change_flags("f", FS_NODUMP_FL, 0));
	CHECK(flags_of("f") == 0 && flags_of("his") == FS_NODUMP_FL);
}

static void who_may(void)
{
	put("f", "text");
	put("his", "text");
	OK(chown("his", 1000, 1000));
	as_user(1000, 1000, somebody);
}

static void version(void)
{
	int one = 0, again = 1;

	put("f", "text");
	int fd = open("f", O_RDONLY);
	OK(ioctl(fd, FS_IOC_GETVERSION, &one));
	OK(close(fd));
	fd = open("f", O_RDONLY);
	OK(ioctl(fd, FS_IOC_GETVERSION, &again));
	CHECK(one == again);
	OK(close(fd));
}

static void not_for_these(void)
{
	int flags = 0;

	OK(mkfifo("fifo", 0600));
	int fd = open("fifo", O_RDWR);
	FAILS(ENOTTY, ioctl(fd, FS_IOC_GETFLAGS, &flags));
	OK(close(fd));
	put("f", "x");
	fd = open("f", O_RDWR);
	FAILS(ENOTTY, ioctl(fd, _IOR('f', 99, int), &flags));
	OK(close(fd));
}

static void fiemap(void)
{
	union {
		struct fiemap map;
		char room[sizeof(struct fiemap) + 8 * sizeof(struct fiemap_extent)];
	} f = { .map = { .fm_length = ~0ull, .fm_flags = FIEMAP_FLAG_SYNC, .fm_extent_count = 8 } };

	put("f", "text");
	int fd = open("f", O_RDWR);
	if (ioctl(fd, FS_IOC_FIEMAP, &f.map) < 0 && errno == EOPNOTSUPP)
		posix_skip("FIEMAP is refused (EOPNOTSUPP)");
	CHECK(f.map.fm_mapped_extents >= 1);
	OK(close(fd));
}

/* What is made immutable when it has no name any more goes like any other (posix.sh looks at the bricks). */
static void immutable_without_a_name(void)
{
	struct stat st;
	int flags;

	for (int i = 0; i < 2; i++) {
		put("f", "text");
		int fd = open("f", O_RDWR);
		OK(unlink("f"));
		OK(ioctl(fd, FS_IOC_GETFLAGS, &flags));
		flags |= i ? FS_APPEND_FL : FS_IMMUTABLE_FL;
		OK(ioctl(fd, FS_IOC_SETFLAGS, &flags));
		FAILS(EPERM, ftruncate(fd, 0));
		CHECK(fstat(fd, &st) == 0 && st.st_nlink == 0 && st.st_size == 4);
		OK(close(fd));
	}
}

const struct posix_case posix_cases[] = {
	POSIX_CASE(immutable_without_a_name), POSIX_CASE(hints),	 POSIX_CASE(xflags),  POSIX_CASE(immutable),
	POSIX_CASE(immutable_directory), POSIX_CASE(append_only), POSIX_CASE(who_may), POSIX_CASE(version),
	POSIX_CASE(not_for_these), POSIX_CASE(fiemap), { 0 },
};
