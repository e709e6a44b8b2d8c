/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * unlinked - objects that have lost their last name, by unlink, rmdir or a rename over it, while
 * somebody has them open, works in them or maps them: everything goes on.
 */
#include "config.h"

#include <dirent.h>
#include <sys/mman.h>
#include <sys/xattr.h>
#include <time.h>

#include "posix.h"

enum { K = 1024 };

static struct stat stat_fd(int fd)
{
	struct stat st = { 0 };

	OK(fstat(fd, &st));
	return st;
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static int open_again(int fd, int flags)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return open(path, flags);
}

/* Everything that can be done to an open file. */
static void everything(int fd)
{
	const struct timespec t[2] = { { 1, 2 }, { 3, 4 } };
	char c[64];

	CHECK(stat_fd(fd).st_nlink == 0);
	CHECK(pwrite(fd, "after", 5, 6) == 5);
	CHECK(pread(fd, c, 16, 0) == 11 && memcmp(c, "beforeafter", 11) == 0);
	OK(ftruncate(fd, 3));
	OK(fchmod(fd, 0640));
	OK(fchown(fd, 5, 6));
	OK(futimens(fd, t));
	struct stat st = stat_fd(fd);
	CHECK(st.st_size == 3 && (st.st_mode & 07777) == 0640 && st.st_uid == 5 && st.st_gid == 6);
	CHECK(st.st_nlink == 0 && same_time(st.st_atim, t[0]) && same_time(st.st_mtim, t[1]));
	OK(fsetxattr(fd, "user.k", "value", 5, XATTR_CREATE));
	CHECK(fgetxattr(fd, "user.k", c, sizeof c) == 5 && memcmp(c, "value", 5) == 0);
	CHECK(flistxattr(fd, c, sizeof c) == 7 && memcmp(c, "user.k", 7) == 0);
	OK(fremovexattr(fd, "user.k"));
	FAILS(ENODATA, fgetxattr(fd, "user.k", c, sizeof c));
	OK(fallocate(fd, 0, 0, 8 * K));
	CHECK(lseek(fd, 0, SEEK_END) == 8 * K);
	OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4 * K));
	CHECK(pread(fd, c, 3, 0) == 3 && memcmp(c, "\0\0\0", 3) == 0);
	OK(fsync(fd));
	OK(fdatasync(fd));
	CHECK(stat_fd(fd).st_size == 8 * K && stat_fd(fd).st_nlink == 0);
}

static int make_open(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);

	CHECK(fd >= 0 && write(fd, "before", 6) == 6);
	return fd;
}

static void unlinked(void)
{
	int fd = make_open("f");

	OK(unlink("f"));
	everything(fd);
	put("f", "another");
	CHECK(stat_of("f").st_ino != stat_fd(fd).st_ino);
	CHECK(pwrite(fd, "mine", 4, 0) == 4);
	CHECK(holds("f", "another"));
	OK(close(fd));
	CHECK(holds("f", "another"));
}

static void replaced(void)
{
	int fd = make_open("f");

	put("g", "another");
	OK(rename("g", "f"));
	everything(fd);
	CHECK(holds("f", "another"));
	OK(close(fd));
	CHECK(holds("f", "another"));
}

/* Through a file system's own door: reopened by what is open. */
static void opened_again(void)
{
	char c[16];
	int fd = make_open("f");

	OK(unlink("f"));
	int again = open_again(fd, O_RDWR), reader = open_again(fd, O_RDONLY);
	CHECK(again >= 0 && reader >= 0);
	CHECK(stat_fd(again).st_ino == stat_fd(fd).st_ino && stat_fd(again).st_nlink == 0);
	OK(close(fd));
	CHECK(pwrite(again, "again!", 6, 0) == 6);
	CHECK(pread(reader, c, sizeof c, 0) == 6 && memcmp(c, "again!", 6) == 0);
	int third = open_again(reader, O_WRONLY | O_TRUNC);
	CHECK(third >= 0 && stat_fd(reader).st_size == 0);
	OK(close(again));
	OK(close(reader));
	CHECK(write(third, "x", 1) == 1 && stat_fd(third).st_size == 1);
	OK(close(third));
}

static void by_proc(void)
{
	char path[64], c[8];
	struct stat st;
	int fd = make_open("f");

	OK(unlink("f"));
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	OK(stat(path, &st));
	CHECK(st.st_nlink == 0 && st.st_size == 6);
	OK(chmod(path, 0604));
	OK(truncate(path, 2));
	OK(setxattr(path, "user.p", "1", 1, 0));
	CHECK(getxattr(path, "user.p", c, sizeof c) == 1);
	OK(access(path, R_OK | W_OK));
	st = stat_fd(fd);
	CHECK((st.st_mode & 07777) == 0604 && st.st_size == 2);
	/* nobody gives it a name again */
	FAILS(ENOENT, linkat(AT_FDCWD, path, AT_FDCWD, "back", AT_SYMLINK_FOLLOW));
	FAILS(ENOENT, linkat(fd, "", AT_FDCWD, "back", AT_EMPTY_PATH));
	CHECK(!exists("back"));
	OK(close(fd));
}

static void path_descriptor(void)
{
	struct stat st;

	put("f", "path");
	int fd = open("f", O_PATH);
	OK(unlink("f"));
	OK(fstat(fd, &st));
	CHECK(st.st_nlink == 0 && st.st_size == 4 && S_ISREG(st.st_mode));
	OK(close(fd));
}

/* All names but one go, then that one. */
static void one_of_many(void)
{
	int fd = make_open("a");

	OK(link("a", "b"));
	OK(link("a", "c"));
	OK(unlink("a"));
	CHECK(stat_fd(fd).st_nlink == 2 && stat_of("b").st_nlink == 2);
	put("other", "x");
	OK(rename("other", "b"));
	CHECK(stat_fd(fd).st_nlink == 1 && stat_of("c").st_nlink == 1);
	OK(link("c", "d"));
	OK(unlink("c"));
	OK(rename("d", "e"));
	CHECK(stat_of("e").st_ino == stat_fd(fd).st_ino && stat_fd(fd).st_nlink == 1);
	OK(unlink("e"));
	everything(fd);
	OK(close(fd));
}

static void mapped(void)
{
	int fd = open("f", O_RDWR | O_CREAT, 0600);

	OK(ftruncate(fd, 64 * K));
	char *p = mmap(NULL, 64 * K, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	if (p == MAP_FAILED)
		return;
	fill(p, 64 * K, 1);
	OK(close(fd));
	OK(unlink("f"));
	char want[64 * K];
	fill(want, sizeof want, 1);
	CHECK(memcmp(p, want, sizeof want) == 0);
	fill(p, 64 * K, 2);
	OK(msync(p, 64 * K, MS_SYNC));
	fill(want, sizeof want, 2);
	CHECK(memcmp(p, want, sizeof want) == 0);
	OK(munmap(p, 64 * K));
}

/* The space of what is big comes back, if not at once. */
static void space_comes_back(void)
{
	struct stat st;
	int fd = open("big", O_RDWR | O_CREAT, 0600);

	OK(fallocate(fd, 0, 0, 64 << 20));
	OK(unlink("big"));
	OK(fstat(fd, &st));
	CHECK(st.st_blocks >= 64 << 11 && st.st_nlink == 0);
	OK(close(fd));
	/* more than the disk has, in all */
	for (int i = 0; i < 30; i++) {
		fd = open("big", O_RDWR | O_CREAT | O_EXCL, 0600);
		CHECK(fd >= 0);
		for (int tries = 0; fallocate(fd, 0, 0, 64 << 20) < 0; tries++) {
			if (errno != ENOSPC || tries == 1000)
				return posix_failed(__FILE__, __LINE__, "there is space");
			struct timespec t = { .tv_nsec = 5000000 };	/* close is not waited for */

			nanosleep(&t, NULL);
		}
		OK(unlink("big"));
		OK(close(fd));
	}
}

static int entries(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY), nr = 0;
	DIR *d = fdopendir(copy);

	if (!d)
		return -1;
	while (readdir(d))
		nr++;
	closedir(d);
	return nr;
}

static void removed_directory(void)
{
	struct stat st;

	OK(mkdir("d", 0755));
	int dir = open("d", O_RDONLY | O_DIRECTORY);
	CHECK(entries(dir) == 2);
	OK(rmdir("d"));
	CHECK(stat_fd(dir).st_nlink == 0 && S_ISDIR(stat_fd(dir).st_mode));
	FAILS(ENOENT, openat(dir, "x", O_CREAT | O_WRONLY, 0600));
	FAILS(ENOENT, mkdirat(dir, "x", 0700));
	FAILS(ENOENT, symlinkat("x", dir, "y"));
	FAILS(ENOENT, mknodat(dir, "x", S_IFIFO | 0600, 0));
	FAILS(ENOENT, fstatat(dir, "x", &st, 0));
	put("f", "x");
	FAILS(ENOENT, linkat(AT_FDCWD, "f", dir, "x", 0));
	FAILS(ENOENT, renameat(AT_FDCWD, "f", dir, "x"));
	CHECK(entries(dir) == 0);
	OK(fchmod(dir, 0700));
	OK(fchown(dir, 3, 4));
	OK(futimens(dir, NULL));
	OK(fsetxattr(dir, "user.k", "v", 1, 0));
	OK(fsync(dir));
	st = stat_fd(dir);
	CHECK(st.st_nlink == 0 && (st.st_mode & 07777) == 0700 && st.st_uid == 3 && st.st_gid == 4);
	int again = open_again(dir, O_RDONLY | O_DIRECTORY);
	CHECK(again >= 0 && stat_fd(again).st_ino == st.st_ino);
	OK(close(dir));
	CHECK(stat_fd(again).st_nlink == 0);
	OK(mkdir("d", 0755));
	CHECK(stat_of("d").st_ino != st.st_ino);
	OK(close(again));
}

static void replaced_directory(void)
{
	OK(mkdir("d", 0755));
	OK(mkdir("e", 0755));
	put("e/f", "x");
	int dir = open("d", O_RDONLY | O_DIRECTORY);
	ino_t ino = stat_of("d").st_ino;
	OK(rename("e", "d"));
	CHECK(stat_fd(dir).st_nlink == 0 && stat_fd(dir).st_ino == ino);
	FAILS(ENOENT, openat(dir, "x", O_CREAT | O_WRONLY, 0600));
	FAILS(ENOENT, openat(dir, "f", O_RDONLY));
	CHECK(entries(dir) == 0 && holds("d/f", "x"));
	OK(close(dir));
}

static void removed_working_directory(void)
{
	char cwd[4096];
	struct stat st;

	OK(mkdir("d", 0755));
	int top = open(".", O_RDONLY | O_DIRECTORY);
	OK(chdir("d"));
	OK(unlinkat(top, "d", AT_REMOVEDIR));
	OK(stat(".", &st));
	CHECK(st.st_nlink == 0);
	FAILS(ENOENT, open("x", O_CREAT | O_WRONLY, 0600));
	FAILS(ENOENT, mkdir("x", 0700));
	errno = 0;
	CHECK(!getcwd(cwd, sizeof cwd) && errno == ENOENT);
	OK(stat("..", &st));
	OK(chdir(".."));
	CHECK(stat_of(".").st_ino == stat_fd(top).st_ino);
	OK(close(top));
}

/* A running program, removed; a fifo and a symlink, too. */
static void other_kinds(void)
{
	char c[8];

	OK(mkfifo("fifo", 0600));
	int fd = open("fifo", O_RDWR);
	OK(unlink("fifo"));
	CHECK(write(fd, "fifo", 4) == 4 && read(fd, c, 8) == 4 && memcmp(c, "fifo", 4) == 0);
	CHECK(stat_fd(fd).st_nlink == 0);
	OK(close(fd));
	OK(symlink("target", "link"));
	fd = open("link", O_PATH | O_NOFOLLOW);
	OK(unlink("link"));
	CHECK(stat_fd(fd).st_nlink == 0 && S_ISLNK(stat_fd(fd).st_mode));
	OK(close(fd));
	OK(mkdir("d", 0755));
	/* a program that runs: not before it does */
	CHECK(system("cp /bin/sleep d/program && { d/program 60 & } && "
		     "while kill -0 $! && ! readlink /proc/$!/exe | grep -q d/program; do :; done && "
		     "rm d/program && rmdir d && kill $!") == 0);
}

/* Many, at once open and gone. */
static void many(void)
{
	enum { N = 500 };
	int fds[N];
	char name[32], c[16];

	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof name, "f%d", i);
		fds[i] = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
		CHECK(fds[i] >= 0 && write(fds[i], name, strlen(name) + 1) > 0);
		OK(unlink(name));
	}
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof name, "f%d", i);
		CHECK(pread(fds[i], c, sizeof c, 0) == (ssize_t)strlen(name) + 1 &&
		      strcmp(name, c) == 0);
		CHECK(stat_fd(fds[i]).st_nlink == 0);
	}
	for (int i = 0; i < N; i++)
		OK(close(fds[i]));
}

/* ---- names that others make and remove all the time: they are there or not, and nothing else ---- */

enum { WHO_REMOVE = 3, WHO_USE = 2, ROUNDS = 200 };

static const char *const uses[] = {
	"open to read", "open to write", "chmod", "truncate", "setxattr", "getxattr", "listxattr", "chown", "utimensat", "access",
	"link",
};

/* how: of uses. */
static int use_by_name(int how, const char *own)
{
	char c[8];
	int ret;

	switch (how) {
	case 0: ret = open("name", O_RDONLY); break;
	case 1: ret = open("name", O_RDWR); break;
	case 2: return chmod("name", 0600);
	case 3: return truncate("name", 3);
	case 4: return setxattr("name", "user.a", "b", 1, 0);
	case 5: ret = getxattr("name", "user.a", c, sizeof c); return ret < 0 && errno == ENODATA ? 0 : ret;
	case 6: return listxattr("name", c, sizeof c);
	case 7: return chown("name", 1, 1);
	case 8: return utimensat(AT_FDCWD, "name", NULL, 0);
	case 9: return access("name", X_OK) < 0 && errno != EACCES ? -1 : 0;
	default: ret = link("name", own); return ret < 0 ? ret : unlink(own);
	}
	return ret < 0 ? ret : close(ret);
}

static void come_or_go(int me)
{
	char own[16];

	snprintf(own, sizeof own, "own%d", me);
	for (int i = 0; me < WHO_USE && i < (int)(sizeof uses / sizeof *uses) * ROUNDS; i++)
		if (use_by_name(i / ROUNDS, own) < 0 && errno != ENOENT)
			return posix_failed(__FILE__, __LINE__, uses[i / ROUNDS]);
	if (me < WHO_USE)
		put("enough", "");
	while (me >= WHO_USE && !exists("enough")) {
		put(own, "x");
		OK(rename(own, "name"));
		CHECK(unlink("name") == 0 || errno == ENOENT);
	}
}

static void coming_and_going(void)
{
	as_processes(WHO_USE + WHO_REMOVE, come_or_go);
}

const struct posix_case posix_cases[] = {
	POSIX_CASE(unlinked),	  POSIX_CASE(replaced),	       POSIX_CASE(opened_again),
	POSIX_CASE(by_proc),	  POSIX_CASE(path_descriptor), POSIX_CASE(one_of_many),
	POSIX_CASE(mapped),	  POSIX_CASE(space_comes_back), POSIX_CASE(removed_directory),
	POSIX_CASE(replaced_directory), POSIX_CASE(removed_working_directory),
	POSIX_CASE(other_kinds),  POSIX_CASE(many),
	{ .name = "coming_and_going", .run = coming_and_going, .limit_s = 300 },
	{ 0 },
};
