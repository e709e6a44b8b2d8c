/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * fuse-calls DIR [TEST] - every family of file system calls, tried in a directory of a mount.
 *
 * Each test works in a directory of its own below DIR and says what was not as POSIX or Linux have
 * it. It is a plain program, so that it can be tried on a local disk as well: what fails there is
 * wrong here. Wants root (devices, other users' files). Exit status: 0, or 1 and a line per
 * failure.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static int failures;
static const char *test_name;

static void failed(int line, const char *what)
{
	fprintf(stderr, "FAILED: %s, line %d: %s (errno now: %s)\n", test_name, line, what,
		strerror(errno));
	failures++;
}

#define CHECK(x) do { errno = 0; if (!(x)) failed(__LINE__, #x); } while (0)
#define OK(x) CHECK((x) >= 0)
#define FAILS(err, x)                                                                              \
	do {                                                                                       \
		errno = 0;                                                                         \
		if ((x) != -1 || errno != (err))                                                   \
			failed(__LINE__, #x " fails with " #err);                                  \
	} while (0)

static struct stat stat_of(const char *path)
{
	struct stat st = { 0 };

	if (lstat(path, &st) < 0)
		failed(0, path);
	return st;
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	CHECK(fd >= 0);
	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	OK(close(fd));
}

static bool holds(const char *path, const char *text)
{
	char got[4096];
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, got, sizeof got);

	if (fd >= 0)
		close(fd);
	return n == (ssize_t)strlen(text) && memcmp(got, text, n) == 0;
}

/* ---- names ---- */

static void test_names(void)
{
	char name[300];

	OK(mkdir("d", 0751));
	CHECK((stat_of("d").st_mode & 07777) == 0751);
	CHECK(stat_of(".").st_nlink == 3);
	FAILS(EEXIST, mkdir("d", 0755));
	put("d/f", "x");
	FAILS(ENOTEMPTY, rmdir("d"));
	FAILS(ENOTDIR, rmdir("d/f"));
	FAILS(EISDIR, unlink("d"));
	FAILS(ENOTDIR, mkdir("d/f/g", 0755));
	FAILS(ENOENT, unlink("d/none"));
	FAILS(ENOENT, access("d/none", F_OK));
	OK(unlink("d/f"));
	OK(rmdir("d"));
	FAILS(ENOENT, access("d", F_OK));
	CHECK(stat_of(".").st_nlink == 2);

	memset(name, 'n', sizeof name);
	name[255] = '\0';
	put(name, "long");
	CHECK(holds(name, "long"));
	OK(unlink(name));
	name[255] = 'n';
	name[256] = '\0';
	FAILS(ENAMETOOLONG, open(name, O_CREAT | O_WRONLY, 0644));
	put("name with \n newline \xff", "y");
	CHECK(holds("name with \n newline \xff", "y"));
}

static void test_special(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "sock" };
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	char target[4096], got[4096];

	OK(mkfifo("fifo", 0600));
	CHECK(S_ISFIFO(stat_of("fifo").st_mode));
	OK(mknod("chr", S_IFCHR | 0600, makedev(1, 3)));
	CHECK(S_ISCHR(stat_of("chr").st_mode) && stat_of("chr").st_rdev == makedev(1, 3));
	OK(mknod("blk", S_IFBLK | 0600, makedev(259, 70000)));
	CHECK(stat_of("blk").st_rdev == makedev(259, 70000));
	OK(mknod("reg", S_IFREG | 0640, 0));
	CHECK(S_ISREG(stat_of("reg").st_mode));
	OK(bind(s, (struct sockaddr *)&a, sizeof a));
	CHECK(S_ISSOCK(stat_of("sock").st_mode));
	close(s);

	OK(symlink("no/where", "link"));
	CHECK(readlink("link", got, sizeof got) == 8 && memcmp(got, "no/where", 8) == 0);
	CHECK(stat_of("link").st_size == 8);
	FAILS(EEXIST, symlink("x", "link"));
	memset(target, 't', sizeof target);
	target[4095] = '\0';
	OK(symlink(target, "longlink"));
	CHECK(readlink("longlink", got, sizeof got) == 4095);
	FAILS(EINVAL, readlink("reg", got, sizeof got));
	OK(unlink("link"));
	OK(symlink("reg", "link"));
	CHECK(access("link", F_OK) == 0);
}

static void test_links(void)
{
	struct stat st;
	int fd;

	put("a", "one");
	fd = open("a", O_RDONLY);
	OK(link("a", "b"));
	CHECK(stat_of("a").st_nlink == 2 && stat_of("a").st_ino == stat_of("b").st_ino);
	OK(fstat(fd, &st));
	CHECK(st.st_nlink == 2);
	FAILS(EEXIST, link("a", "b"));
	OK(unlink("a"));
	OK(fstat(fd, &st));
	CHECK(st.st_nlink == 1 && stat_of("b").st_nlink == 1);
	CHECK(holds("b", "one"));
	OK(unlink("b"));
	OK(fstat(fd, &st));
	CHECK(st.st_nlink == 0);
	close(fd);
}

static void test_rename(void)
{
	put("a", "a");
	put("b", "b");
	OK(rename("a", "b"));
	CHECK(holds("b", "a"));
	FAILS(ENOENT, access("a", F_OK));
	put("a", "new");
	FAILS(EEXIST, renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE));
	OK(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_EXCHANGE));
	CHECK(holds("a", "a") && holds("b", "new"));
	OK(renameat2(AT_FDCWD, "a", AT_FDCWD, "c", RENAME_NOREPLACE));
	CHECK(holds("c", "a"));
	OK(mkdir("d", 0755));
	OK(mkdir("e", 0755));
	OK(rename("c", "d/c"));
	CHECK(holds("d/c", "a"));
	FAILS(ENOTEMPTY, rename("e", "d"));
	FAILS(EINVAL, rename("d", "d/x"));
	FAILS(EISDIR, rename("b", "d"));
	OK(rename("d", "e"));
	CHECK(holds("e/c", "a") && stat_of(".").st_nlink == 3);
	/* a directory moves to another parent: link counts of both follow */
	OK(mkdir("f", 0755));
	OK(rename("e", "f/e"));
	CHECK(stat_of(".").st_nlink == 3 && stat_of("f").st_nlink == 3 && holds("f/e/c", "a"));
	/* an open file keeps its name's new content apart */
	int fd = open("b", O_RDWR);
	put("g", "g");
	OK(rename("g", "b"));
	char c[4] = "";
	CHECK(pread(fd, c, 3, 0) == 3 && memcmp(c, "new", 3) == 0);
	close(fd);
	/* two names of one object: nothing happens */
	OK(link("b", "h"));
	OK(rename("b", "h"));
	CHECK(holds("b", "g") && holds("h", "g"));
}

/* ---- attributes ---- */

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static void test_attributes(void)
{
	const struct timespec t[2] = { { 1234567890, 123456789 }, { 987654321, 987654321 } };
	const struct timespec old[2] = { { -86400, 5 }, { 0, UTIME_OMIT } };
	struct stat before, after;

	put("f", "text");
	OK(chmod("f", 0));
	CHECK((stat_of("f").st_mode & 07777) == 0);
	OK(chmod("f", 06755));
	CHECK((stat_of("f").st_mode & 07777) == 06755);
	OK(chmod("f", 0644));
	OK(chown("f", 1234, 5678));
	CHECK(stat_of("f").st_uid == 1234 && stat_of("f").st_gid == 5678);
	OK(chown("f", -1, 42));
	CHECK(stat_of("f").st_uid == 1234 && stat_of("f").st_gid == 42);
	OK(utimensat(AT_FDCWD, "f", t, 0));
	CHECK(same_time(stat_of("f").st_atim, t[0]) && same_time(stat_of("f").st_mtim, t[1]));
	OK(utimensat(AT_FDCWD, "f", old, 0));
	CHECK(same_time(stat_of("f").st_atim, old[0]) && same_time(stat_of("f").st_mtim, t[1]));
	OK(utimensat(AT_FDCWD, "f", NULL, 0));
	CHECK(stat_of("f").st_mtime > 1500000000);

	OK(symlink("f", "s"));
	OK(lchown("s", 7, 8));
	CHECK(stat_of("s").st_uid == 7 && stat_of("f").st_uid == 1234);
	OK(utimensat(AT_FDCWD, "s", t, AT_SYMLINK_NOFOLLOW));
	CHECK(same_time(stat_of("s").st_mtim, t[1]));

	/* a change of names shows in the parent at once */
	OK(utimensat(AT_FDCWD, ".", t, 0));
	before = stat_of(".");
	put("new", "");
	after = stat_of(".");
	CHECK(!same_time(before.st_mtim, after.st_mtim) && after.st_mtime > 1500000000);
	CHECK(stat_of("new").st_ino == stat_of("new").st_ino &&
	      stat_of("new").st_ino != stat_of("f").st_ino);
	CHECK(stat_of("f").st_blksize >= 4096 && stat_of("f").st_dev == stat_of(".").st_dev);
}

static void test_size(void)
{
	struct stat st;
	char c[8];
	int fd;

	put("f", "0123456789");
	OK(truncate("f", 4));
	CHECK(stat_of("f").st_size == 4 && holds("f", "0123"));
	fd = open("f", O_RDWR);
	OK(ftruncate(fd, 6));
	CHECK(pread(fd, c, 8, 0) == 6 && memcmp(c, "0123\0\0", 6) == 0);
	OK(fstat(fd, &st));
	CHECK(st.st_size == 6);
	CHECK(pwrite(fd, "end", 3, 100000) == 3);
	OK(fstat(fd, &st));
	CHECK(st.st_size == 100003);
	CHECK(lseek(fd, 0, SEEK_END) == 100003);
	OK(ftruncate(fd, 0));
	OK(fstat(fd, &st));
	CHECK(st.st_size == 0 && read(fd, c, 8) == 0);
	FAILS(EINVAL, ftruncate(fd, -1));
	OK(ftruncate(fd, (off_t)1 << 40));
	CHECK(stat_of("f").st_size == (off_t)1 << 40);
	close(fd);
	FAILS(EISDIR, truncate(".", 0));
	fd = open("f", O_RDONLY | O_TRUNC);
	CHECK(fd >= 0 && stat_of("f").st_size == 0);
	close(fd);
}

/* ---- data ---- */

static void fill(uint8_t *p, size_t n, uint32_t seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1664525 + 1013904223;
		p[i] = seed >> 24;
	}
}

static void test_data(void)
{
	enum { SIZE = 5 << 20 };
	static uint8_t out[SIZE], in[SIZE];
	const size_t steps[] = { 1,	100,   4095,  4096,   4097,    16383,
				 16384, 16385, 65536, 131073, 1 << 20, (1 << 20) + 7 };
	size_t at = 0;
	int fd = open("f", O_RDWR | O_CREAT | O_EXCL, 0600);

	fill(out, SIZE, 1);
	for (size_t i = 0; at < SIZE; i = (i + 1) % (sizeof steps / sizeof steps[0])) {
		size_t n = steps[i] < SIZE - at ? steps[i] : SIZE - at;

		CHECK(pwrite(fd, out + at, n, at) == (ssize_t)n);
		at += n;
	}
	CHECK(stat_of("f").st_size == SIZE);
	CHECK(pread(fd, in, SIZE, 0) == SIZE && memcmp(in, out, SIZE) == 0);
	OK(close(fd));
	fd = open("f", O_RDWR);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	memset(in, 0, SIZE);
	for (at = 0; at < SIZE; ) {
		ssize_t n = read(fd, in + at, 70001);

		if (n <= 0)
			break;
		at += n;
	}
	CHECK(at == SIZE && memcmp(in, out, SIZE) == 0);
	struct iovec v[3] = { { out, 10 }, { out + 10, 5000 }, { out + 5010, 1 } };
	CHECK(pwritev(fd, v, 3, 1000) == 5011);
	memcpy(out + 1000 + 5010, out + 5010, 1);
	memmove(out + 1000, out, 5010);
	CHECK(pread(fd, in, 10000, 0) == 10000);
	fill(out, SIZE, 1);
	CHECK(memcmp(in + 1000, out, 5011) == 0 && memcmp(in + 6011, out + 6011, 3989) == 0);
	OK(fsync(fd));
	OK(fdatasync(fd));
	OK(syncfs(fd));
	OK(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };
	CHECK(poll(&p, 1, 0) == 1 && p.revents == (POLLIN | POLLOUT));
	int ignored = 0;
	FAILS(ENOTTY, ioctl(fd, FS_IOC_GETFLAGS, &ignored));
	close(fd);
}

static void test_open_flags(void)
{
	char c[16];
	int fd, fd2;

	umask(027);
	fd = open("f", O_WRONLY | O_CREAT, 0666);
	umask(022);
	CHECK((stat_of("f").st_mode & 07777) == 0640);
	FAILS(EBADF, read(fd, c, 1));
	FAILS(EEXIST, open("f", O_WRONLY | O_CREAT | O_EXCL, 0666));
	CHECK(write(fd, "12345", 5) == 5);
	close(fd);
	fd = open("f", O_RDONLY);
	FAILS(EBADF, write(fd, c, 1));
	close(fd);
	/* two appenders; one becomes one by fcntl */
	fd = open("f", O_WRONLY | O_APPEND);
	fd2 = open("f", O_WRONLY);
	OK(fcntl(fd2, F_SETFL, O_APPEND));
	CHECK(write(fd, "a", 1) == 1 && write(fd2, "b", 1) == 1 && write(fd, "c", 1) == 1);
	CHECK(lseek(fd, 0, SEEK_CUR) == 8);
	CHECK(holds("f", "12345abc"));
	close(fd);
	close(fd2);
	fd = open("f", O_WRONLY | O_TRUNC);
	CHECK(stat_of("f").st_size == 0);
	close(fd);
	FAILS(EISDIR, open(".", O_WRONLY));
	FAILS(ENOTDIR, open("f", O_RDONLY | O_DIRECTORY));
	FAILS(ENOENT, open("none", O_RDONLY));
	OK(symlink("f", "s"));
	FAILS(ELOOP, open("s", O_RDONLY | O_NOFOLLOW));
	FAILS(EOPNOTSUPP, open(".", O_TMPFILE | O_RDWR, 0600));
	fd = open("sync", O_RDWR | O_CREAT | O_SYNC, 0600);
	CHECK(write(fd, "durable", 7) == 7);
	close(fd);
	CHECK(holds("sync", "durable"));
}

static void test_direct(void)
{
	enum { N = 1 << 16 };
	uint8_t *p = NULL;
	int fd = open("f", O_RDWR | O_CREAT | O_DIRECT, 0600);

	if (fd < 0) {
		int why = errno;

		CHECK(why == EINVAL);		/* the brick's disk has no direct I/O */
		return;
	}
	CHECK(posix_memalign((void **)&p, 4096, 2 * N) == 0);
	fill(p, N, 2);
	memset(p + N, 0, N);
	CHECK(pwrite(fd, p, N, 4096) == N);
	CHECK(pread(fd, p + N, N, 4096) == N && memcmp(p, p + N, N) == 0);
	CHECK(stat_of("f").st_size == N + 4096);
	/* what goes past the pages is seen by who reads through them */
	int fd2 = open("f", O_RDONLY);
	CHECK(pread(fd2, p + N, N, 4096) == N && memcmp(p, p + N, N) == 0);
	fill(p, N, 3);
	CHECK(pwrite(fd, p, N, 4096) == N);
	CHECK(pread(fd2, p + N, N, 4096) == N && memcmp(p, p + N, N) == 0);
	close(fd2);
	close(fd);
	free(p);
}

static void test_mmap(void)
{
	enum { N = 3 * 4096 + 100 };
	int fd = open("f", O_RDWR | O_CREAT, 0600);
	char *p, *q;

	OK(ftruncate(fd, N));
	p = mmap(NULL, N, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	if (p == MAP_FAILED)
		return;
	memset(p, 'm', N);
	OK(msync(p, N, MS_SYNC));
	char c[8];
	CHECK(pread(fd, c, 8, 8190) == 8 && memcmp(c, "mmmmmmmm", 8) == 0);
	CHECK(pwrite(fd, "WRITTEN", 7, 4090) == 7);
	CHECK(memcmp(p + 4090, "WRITTENm", 8) == 0);
	p[0] = 'X';
	q = mmap(NULL, N, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(q != MAP_FAILED && q[0] == 'X');
	munmap(q, N);
	munmap(p, N);
	OK(close(fd));
	fd = open("f", O_RDONLY);
	CHECK(pread(fd, c, 1, 0) == 1 && c[0] == 'X');
	close(fd);
	CHECK(stat_of("f").st_size == N);
}

/* Everything on a file that has lost its last name. */
static void test_unlinked(void)
{
	const struct timespec t[2] = { { 1, 2 }, { 3, 4 } };
	struct stat st;
	char c[16];
	int fd = open("f", O_RDWR | O_CREAT, 0600), dir;

	CHECK(write(fd, "before", 6) == 6);
	OK(unlink("f"));
	CHECK(pwrite(fd, "after", 5, 6) == 5);
	CHECK(pread(fd, c, 16, 0) == 11 && memcmp(c, "beforeafter", 11) == 0);
	OK(ftruncate(fd, 3));
	OK(fchmod(fd, 0640));
	OK(fchown(fd, 5, 6));
	OK(futimens(fd, t));
	OK(fsync(fd));
	OK(fstat(fd, &st));
	CHECK(st.st_size == 3 && (st.st_mode & 07777) == 0640 && st.st_uid == 5 && st.st_gid == 6);
	CHECK(st.st_nlink == 0 && same_time(st.st_mtim, t[1]));
	OK(fsetxattr(fd, "user.k", "v", 1, 0));
	CHECK(fgetxattr(fd, "user.k", c, 16) == 1);
	OK(fremovexattr(fd, "user.k"));
	OK(fallocate(fd, 0, 0, 8192));
	CHECK(lseek(fd, 0, SEEK_END) == 8192);
	put("f", "another");
	CHECK(pread(fd, c, 3, 0) == 3 && memcmp(c, "bef", 3) == 0);
	close(fd);
	CHECK(holds("f", "another"));

	OK(mkdir("d", 0755));
	dir = open("d", O_RDONLY | O_DIRECTORY);
	OK(rmdir("d"));
	OK(fstat(dir, &st));
	FAILS(ENOENT, openat(dir, "x", O_CREAT | O_WRONLY, 0600));
	close(dir);
}

static void test_space(void)
{
	enum { K = 1024 };
	struct stat st;
	char c[4];
	int fd = open("f", O_RDWR | O_CREAT, 0600), to;

	OK(fallocate(fd, 0, 0, 64 * K));
	OK(fstat(fd, &st));
	CHECK(st.st_size == 64 * K);
	OK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 64 * K, 64 * K));
	OK(fstat(fd, &st));
	CHECK(st.st_size == 64 * K);
	CHECK(pwrite(fd, "data", 4, 32 * K) == 4);
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 32 * K, 4 * K) == 0)
		CHECK(pread(fd, c, 4, 32 * K) == 4 && memcmp(c, "\0\0\0\0", 4) == 0);
	OK(ftruncate(fd, 0));
	OK(ftruncate(fd, 1024 * K));
	CHECK(pwrite(fd, "data", 4, 512 * K) == 4);
	off_t data = lseek(fd, 0, SEEK_DATA), hole = lseek(fd, 512 * K, SEEK_HOLE);
	bool no_holes = data == 0 && hole == 1024 * K;	/* as a file system without lseek has it */
	CHECK(no_holes || (data > 0 && data <= 512 * K && hole > 512 * K && hole <= 1024 * K));
	FAILS(ENXIO, lseek(fd, 2048 * K, SEEK_DATA));

	to = open("copy", O_RDWR | O_CREAT, 0600);
	off_t from = 512 * K;
	CHECK(copy_file_range(fd, &from, to, NULL, 4, 0) == 4);
	CHECK(pread(to, c, 4, 0) == 4 && memcmp(c, "data", 4) == 0);
	OK(fstat(to, &st));
	CHECK(st.st_size == 4 && from == 512 * K + 4);
	from = 512 * K;
	CHECK(sendfile(to, fd, &from, 100) == 100);
	OK(fstat(to, &st));
	CHECK(st.st_size == 104);
	close(to);
	close(fd);

	struct statvfs s;
	OK(statvfs(".", &s));
	CHECK(s.f_blocks > 0 && s.f_bfree <= s.f_blocks && s.f_bsize >= 512 && s.f_namemax == 255 &&
	      s.f_files > 0);
}

/* ---- directories ---- */

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void test_listing(void)
{
	enum { N = 2500 };
	char *names[N + 3];
	int nr = 0, dots = 0;
	struct dirent *e;
	DIR *d;
	char name[64];

	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof name, "%s%d", i % 2 ? "file-with-a-rather-long-name-" : "f",
			 i);
		int fd = open(name, O_CREAT | O_WRONLY, 0600);
		CHECK(fd >= 0);
		close(fd);
	}
	d = opendir(".");
	long half = -1;
	char at_half[256] = "";
	while (errno = 0, (e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) {
			dots++;
			CHECK(e->d_type == DT_DIR);
			continue;
		}
		CHECK(e->d_type == DT_REG);
		if (half >= 0 && !*at_half)
			snprintf(at_half, sizeof at_half, "%s", e->d_name);
		if (nr < N + 3)
			names[nr++] = strdup(e->d_name);
		if (nr == N / 2)
			half = telldir(d);
	}
	CHECK(errno == 0 && nr == N && dots == 2);
	qsort(names, nr, sizeof *names, compare_strings);
	for (int i = 1; i < nr; i++)
		CHECK(strcmp(names[i - 1], names[i]) != 0);
	seekdir(d, half);
	e = readdir(d);
	CHECK(e && strcmp(e->d_name, at_half) == 0);
	rewinddir(d);
	CHECK(readdir(d) && readdir(d) && readdir(d));
	/* removed while it is listed: whatever is said after that is not there */
	for (int i = 0; i < nr; i++)
		OK(unlink(names[i]));
	while ((e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		FAILS(ENOENT, access(e->d_name, F_OK));
	}
	rewinddir(d);
	for (nr = 0; (e = readdir(d)); nr++)
		;
	CHECK(nr == 2);
	closedir(d);
	for (int i = 0; i < N; i++)
		free(names[i]);
	FAILS(ENOTDIR, open("/dev/null/x", O_RDONLY));
	int fd = open(".", O_RDONLY | O_DIRECTORY);
	OK(fsync(fd));
	OK(fdatasync(fd));
	close(fd);
	OK(rmdir("../test_listing"));		/* empty again, and the current directory can go */
}

/* An object that is changed between two pieces of a listing is not shown as it was. */
static void test_listing_fresh(void)
{
	enum { N = 600 };
	struct dirent *e;
	struct stat st;
	char name[32];
	DIR *d;
	int wrong = 0;

	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof name, "file%d", i);
		put(name, "");
	}
	d = opendir(".");
	CHECK(readdir(d) != NULL);
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof name, "file%d", i);
		OK(chmod(name, 0600));
	}
	while ((e = readdir(d)))
		if (e->d_name[0] != '.' &&
		    (stat(e->d_name, &st) != 0 || (st.st_mode & 07777) != 0600))
			wrong++;
	CHECK(wrong == 0);
	closedir(d);
}

/* ---- xattrs ---- */

static void test_xattrs(void)
{
	static char big[60000], got[65536];
	char list[1024];
	ssize_t n;

	put("f", "x");
	FAILS(ENODATA, getxattr("f", "user.a", got, 10));
	OK(setxattr("f", "user.a", "value", 5, XATTR_CREATE));
	FAILS(EEXIST, setxattr("f", "user.a", "value", 5, XATTR_CREATE));
	FAILS(ENODATA, setxattr("f", "user.b", "value", 5, XATTR_REPLACE));
	CHECK(getxattr("f", "user.a", NULL, 0) == 5);
	CHECK(getxattr("f", "user.a", got, 100) == 5 && memcmp(got, "value", 5) == 0);
	FAILS(ERANGE, getxattr("f", "user.a", got, 4));
	OK(setxattr("f", "user.a", "longer value", 12, XATTR_REPLACE));
	CHECK(getxattr("f", "user.a", got, 100) == 12);
	OK(setxattr("f", "user.empty", "", 0, 0));
	CHECK(getxattr("f", "user.empty", got, 100) == 0);
	n = listxattr("f", list, sizeof list);
	CHECK(n == 7 + 11 && memmem(list, n, "user.a", 7) && memmem(list, n, "user.empty", 11));
	CHECK(listxattr("f", NULL, 0) == n);
	FAILS(ERANGE, listxattr("f", list, 5));
	OK(removexattr("f", "user.a"));
	FAILS(ENODATA, removexattr("f", "user.a"));
	fill((uint8_t *)big, sizeof big, 9);
	if (setxattr("f", "user.big", big, sizeof big, 0) == 0) {
		CHECK(getxattr("f", "user.big", got, sizeof got) == sizeof big &&
		      memcmp(big, got, sizeof big) == 0);
	} else {
		int why = errno;		/* the brick's disk cannot */

		CHECK(why == ENOSPC || why == E2BIG);
	}

	OK(mkdir("d", 0755));
	OK(setxattr("d", "trusted.mine", "t", 1, 0));
	CHECK(getxattr("d", "trusted.mine", got, 10) == 1);
	n = listxattr("d", list, sizeof list);
	CHECK(n == 13 && memcmp(list, "trusted.mine", 13) == 0);
	FAILS(ENODATA, getxattr("f", "trusted.gfid", got, 100));
	FAILS(EPERM, setxattr("f", "trusted.gfid", got, 16, 0));
	FAILS(EPERM, removexattr("f", "trusted.gfid"));
	FAILS(EPERM, setxattr("f", "trusted.afr.x", got, 16, 0));
	FAILS(ENODATA, getxattr("f", "trusted.glusterfs.version", got, 100));
	OK(symlink("f", "s"));
	FAILS(EPERM, lsetxattr("s", "user.a", "v", 1, 0));

	/* file capabilities: not there is remembered, so setting them must be seen, and a write
	 * clears them */
	const uint8_t cap[20] = { 1, 0, 0, 2, 0, 4 };
	FAILS(ENODATA, getxattr("f", "security.capability", got, 100));
	OK(setxattr("f", "security.capability", cap, sizeof cap, 0));
	CHECK(getxattr("f", "security.capability", got, 100) == sizeof cap);
	int fd = open("f", O_WRONLY);
	CHECK(write(fd, "changed", 7) == 7);
	close(fd);
	FAILS(ENODATA, getxattr("f", "security.capability", got, 100));
}

/* ---- locks ---- */

/* What the child's function answers, 0 to 255. */
static int in_child(int (*fn)(void))
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn());
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static int fcntl_lock(int fd, int cmd, short type, off_t start, off_t len)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };

	return fcntl(fd, cmd, &l);
}

static int child_sees_lock(void)
{
	int fd = open("f", O_RDWR);
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_GETLK, &l) != 0 || l.l_type != F_WRLCK || l.l_start != 100 || l.l_len != 50)
		return 1;
	if (l.l_pid != getppid())
		return 2;
	if (fcntl_lock(fd, F_SETLK, F_RDLCK, 120, 1) != -1 || (errno != EAGAIN && errno != EACCES))
		return 3;
	if (fcntl_lock(fd, F_SETLK, F_WRLCK, 0, 100) != 0 ||
	    fcntl_lock(fd, F_SETLK, F_WRLCK, 150, 0) != 0)
		return 4;
	return 0;
}

static int child_locks_all(void)
{
	int fd = open("f", O_RDWR);

	return fcntl_lock(fd, F_SETLK, F_WRLCK, 0, 0) == 0 ? 0 : 1;
}

static void on_alarm(int signo)
{
}

static int child_waits_interrupted(void)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	int fd = open("f", O_RDWR);

	sigaction(SIGALRM, &sa, NULL);
	alarm(1);
	int ret = fcntl_lock(fd, F_SETLKW, F_WRLCK, 0, 0);
	return ret == -1 && errno == EINTR ? 0 : 1;
}

static int child_flocks(void)
{
	int fd = open("f", O_RDWR);

	if (flock(fd, LOCK_SH | LOCK_NB) != -1 || errno != EWOULDBLOCK)
		return 1;
	return 0;
}

static int child_gets_flock(void)
{
	return flock(open("f", O_RDWR), LOCK_EX | LOCK_NB) == 0 ? 0 : 1;
}

static int child_waits_flock(void)
{
	return flock(open("f", O_RDWR), LOCK_EX) == 0 ? 0 : 1;
}

static void test_locks(void)
{
	int fd, fd2, status;
	pid_t pid;

	put("f", "locks");
	fd = open("f", O_RDWR);
	OK(fcntl_lock(fd, F_SETLK, F_WRLCK, 100, 50));
	CHECK(in_child(child_sees_lock) == 0);
	CHECK(in_child(child_locks_all) == 1);
	CHECK(in_child(child_waits_interrupted) == 0);
	OK(fcntl_lock(fd, F_SETLK, F_UNLCK, 0, 0));
	CHECK(in_child(child_locks_all) == 0);
	/* closing any descriptor of the file drops the locks of the process */
	OK(fcntl_lock(fd, F_SETLK, F_WRLCK, 0, 0));
	CHECK(in_child(child_locks_all) == 1);
	close(open("f", O_RDONLY));
	CHECK(in_child(child_locks_all) == 0);
	/* a waiter gets it when it is let go */
	OK(fcntl_lock(fd, F_SETLK, F_WRLCK, 0, 0));
	pid = fork();
	if (pid == 0)
		_exit(fcntl_lock(open("f", O_RDWR), F_SETLKW, F_WRLCK, 0, 0) == 0 ? 0 : 1);
	usleep(50000);
	OK(fcntl_lock(fd, F_SETLK, F_UNLCK, 0, 0));
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	/* open file description locks: of two opens by one process, and until the last close */
	fd2 = open("f", O_RDWR);
	OK(fcntl_lock(fd, F_OFD_SETLK, F_WRLCK, 0, 10));
	FAILS(EAGAIN, fcntl_lock(fd2, F_OFD_SETLK, F_RDLCK, 5, 1));
	OK(fcntl_lock(fd2, F_OFD_SETLK, F_WRLCK, 10, 10));
	close(fd);
	for (int i = 0; i < 200 && fcntl_lock(fd2, F_OFD_SETLK, F_WRLCK, 0, 10) != 0; i++)
		usleep(10000);		/* RELEASE is not waited for */
	OK(fcntl_lock(fd2, F_OFD_SETLK, F_WRLCK, 0, 10));
	close(fd2);
}

static void test_flock(void)
{
	int fd, status;
	pid_t pid;

	put("f", "locks");
	fd = open("f", O_RDWR);
	OK(flock(fd, LOCK_EX));
	CHECK(in_child(child_flocks) == 0);
	OK(flock(fd, LOCK_SH));
	CHECK(in_child(child_gets_flock) == 1);
	OK(flock(fd, LOCK_UN));
	CHECK(in_child(child_gets_flock) == 0);
	OK(flock(fd, LOCK_EX));
	pid = fork();
	if (pid == 0) {
		close(fd);
		_exit(child_waits_flock());
	}
	usleep(50000);
	close(fd);			/* the last close of it lets it go */
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

/* ---- other users ---- */

static int child_as_nobody(void)
{
	if (setgid(65534) != 0 || setuid(65534) != 0)
		return 1;
	if (open("private", O_RDONLY) != -1 || errno != EACCES)
		return 2;
	if (access("private", R_OK) != -1 || errno != EACCES)
		return 3;
	if (unlink("sticky/root") != -1 || errno != EPERM)
		return 4;
	if (open("sticky/mine", O_CREAT | O_WRONLY, 0600) < 0)
		return 5;
	if (mkdir("no", 0755) != -1 || errno != EACCES)
		return 6;
	if (chmod("private", 0777) != -1 || errno != EPERM)
		return 7;
	int fd = open("suid", O_WRONLY);
	if (fd < 0 || write(fd, "x", 1) != 1)
		return 8;
	char value[16];
	if (getxattr("sticky", "trusted.mine", value, 16) != -1)
		return 9;
	char list[256];
	if (listxattr("sticky", list, sizeof list) != 0)
		return 10;
	return 0;
}

static void test_users(void)
{
	put("private", "secret");
	OK(chmod("private", 0600));
	OK(mkdir("sticky", 0));
	OK(chmod("sticky", 01777));
	OK(setxattr("sticky", "trusted.mine", "t", 1, 0));
	put("sticky/root", "x");
	put("suid", "program");
	OK(chmod("suid", 06777));
	OK(chmod(".", 0755));
	CHECK(in_child(child_as_nobody) == 0);
	CHECK(stat_of("sticky/mine").st_uid == 65534 && stat_of("sticky/mine").st_gid == 65534);
	CHECK((stat_of("suid").st_mode & 06000) == 0);
	/* a set-group-id directory gives its group */
	OK(mkdir("team", 0755));
	OK(chown("team", 0, 77));
	OK(chmod("team", 02775));
	put("team/f", "x");
	OK(mkdir("team/d", 0755));
	CHECK(stat_of("team/f").st_gid == 77 && stat_of("team/d").st_gid == 77);
	CHECK((stat_of("team/d").st_mode & 02000) != 0);
}

static int child_execs(void)
{
	execl("./program", "program", "-c", "exit 7", NULL);
	return 99;
}

static void test_exec(void)
{
	CHECK(system("cp /bin/sh program") == 0);
	CHECK(in_child(child_execs) == 7);
	int fd = open("script", O_WRONLY | O_CREAT, 0755);
	CHECK(write(fd, "#!/bin/sh\nexit 5\n", 17) == 17);
	close(fd);
	CHECK(WEXITSTATUS(system("./script")) == 5);
}

static void test_handles(void)
{
	union {
		struct file_handle h;
		char room[sizeof(struct file_handle) + 128];
	} h = { .h.handle_bytes = 128 };
	int id, fd, mount_fd = open(".", O_RDONLY | O_DIRECTORY);
	char c[8];

	put("f", "handle");
	fd = open("f", O_RDONLY);
	OK(name_to_handle_at(AT_FDCWD, "f", &h.h, &id, 0));
	int fd2 = open_by_handle_at(mount_fd, &h.h, O_RDONLY);
	CHECK(fd2 >= 0 && read(fd2, c, 8) == 6);
	close(fd2);
	close(fd);
	close(mount_fd);
}

/* Several processes at once, on one directory, one file, and names of their own. */
static void test_parallel(void)
{
	enum { PROCS = 6, ROUNDS = 60, LINE = 64 };
	pid_t pids[PROCS];
	int status, lines = 0;
	char line[LINE + 1], path[64];

	for (int p = 0; p < PROCS; p++) {
		pids[p] = fork();
		if (pids[p])
			continue;
		int log = open("log", O_WRONLY | O_CREAT | O_APPEND, 0600);
		for (int i = 0; i < ROUNDS; i++) {
			memset(line, 'a' + p, LINE);
			line[LINE - 1] = '\n';
			if (log < 0 || write(log, line, LINE) != LINE)
				_exit(1);
			snprintf(path, sizeof path, "d%d-%d", p, i);
			if (mkdir(path, 0755) != 0)
				_exit(2);
			snprintf(path, sizeof path, "d%d-%d/f", p, i);
			int fd = open(path, O_CREAT | O_EXCL | O_RDWR, 0600);
			if (fd < 0 || write(fd, path, 10) != 10 || close(fd) != 0 ||
			    rename(path, "shared") != 0)
				_exit(3);
			snprintf(path, sizeof path, "d%d-%d", p, i);
			if (i % 2 && rmdir(path) != 0)
				_exit(4);
		}
		_exit(0);
	}
	for (int p = 0; p < PROCS; p++)
		CHECK(waitpid(pids[p], &status, 0) == pids[p] && status == 0);
	FILE *f = fopen("log", "r");
	CHECK(f != NULL);
	while (f && fgets(line, sizeof line, f)) {
		lines++;
		CHECK(strlen(line) == LINE && line[0] == line[LINE - 2]);
	}
	if (f)
		fclose(f);
	CHECK(lines == PROCS * ROUNDS);
	CHECK(stat_of(".").st_nlink == 2 + PROCS * ROUNDS / 2);
}

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
#define T(f) { #f, f }
	T(test_names),	    T(test_special),	   T(test_links),    T(test_rename),
	T(test_attributes), T(test_size),	   T(test_data),     T(test_open_flags),
	T(test_direct),	    T(test_mmap),	   T(test_unlinked), T(test_space),
	T(test_listing),    T(test_listing_fresh), T(test_xattrs),   T(test_locks),
	T(test_flock),	    T(test_users),	   T(test_exec),     T(test_handles),
	T(test_parallel),
#undef T
};

int main(int argc, char **argv)
{
	int top;

	if (argc < 2 || chdir(argv[1]) != 0 || (top = open(".", O_RDONLY | O_DIRECTORY)) < 0) {
		fprintf(stderr, "usage: fuse-calls DIR [TEST]\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	umask(022);
	alarm(0);
	for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
		test_name = tests[i].name;
		if (argc > 2 && strcmp(argv[2], test_name) != 0)
			continue;
		CHECK(mkdir(test_name, 0755) == 0 && chdir(test_name) == 0);
		tests[i].run();
		CHECK(fchdir(top) == 0);
	}
	close(top);
	return failures ? 1 : 0;
}
