/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * data - reading and writing: sizes, vectors, appending, copying within the kernel, large offsets,
 * and random sequences of all of it against a model in memory.
 */
#include "config.h"

#include <limits.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "posix.h"

enum { K = 1024 };
#define M ((off_t)K * K)
#define T (M * M)

static void size(void)
{
	struct stat st;
	char c[8];

	put("f", "0123456789");
	OK(truncate("f", 4));
	CHECK(stat_of("f").st_size == 4 && holds("f", "0123"));
	int fd = open("f", O_RDWR);
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
	FAILS(EINVAL, truncate("f", -1));
	OK(ftruncate(fd, T));
	CHECK(stat_of("f").st_size == T);
	OK(close(fd));
	FAILS(EISDIR, truncate(".", 0));
	FAILS(ENOENT, truncate("none", 0));
	fd = open("f", O_RDONLY | O_TRUNC);
	CHECK(fd >= 0 && stat_of("f").st_size == 0);
	FAILS(EINVAL, ftruncate(fd, 0));
	OK(close(fd));
}

/* What was cut off does not come back when the file grows again. */
static void cut_and_grow(void)
{
	static const off_t sizes[] = { 1, 100, 4095, 4096, 4097, 8192, 10000 };
	char got[20000];
	int fd = open("f", O_RDWR | O_CREAT, 0644);

	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		memset(got, 'x', sizeof got);
		CHECK(pwrite(fd, got, sizeof got, 0) == sizeof got);
		OK(ftruncate(fd, sizes[i]));
		OK(ftruncate(fd, sizeof got));
		CHECK(pread(fd, got, sizeof got, 0) == sizeof got);
		for (size_t j = 0; j < sizeof got; j++)
			if (got[j] != ((off_t)j < sizes[i] ? 'x' : 0))
				return posix_failed(__FILE__, __LINE__, "zeroes behind the cut");
		OK(ftruncate(fd, sizes[i]));
		CHECK(pwrite(fd, "y", 1, sizeof got - 1) == 1);
		CHECK(pread(fd, got, sizeof got, 0) == sizeof got);
		for (size_t j = 0; j < sizeof got - 1; j++)
			if (got[j] != ((off_t)j < sizes[i] ? 'x' : 0))
				return posix_failed(__FILE__, __LINE__, "zeroes in the gap");
	}
	OK(close(fd));
}

enum { LARGE = 5 << 20 };
static uint8_t out[LARGE], in[LARGE];

static void lengths(void)
{
	static const size_t steps[] = { 1,     100,   4095,  4096,   4097,    16383,
					16384, 16385, 65536, 131073, 1 << 20, (1 << 20) + 7 };
	size_t at = 0;
	int fd = open("f", O_RDWR | O_CREAT | O_EXCL, 0600);

	fill(out, LARGE, 1);
	for (size_t i = 0; at < LARGE; i = (i + 1) % (sizeof steps / sizeof steps[0])) {
		size_t n = steps[i] < LARGE - at ? steps[i] : LARGE - at;

		CHECK(pwrite(fd, out + at, n, at) == (ssize_t)n);
		at += n;
	}
	CHECK(stat_of("f").st_size == LARGE);
	CHECK(pread(fd, in, LARGE, 0) == LARGE && memcmp(in, out, LARGE) == 0);
	OK(close(fd));
	fd = open("f", O_RDWR);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	memset(in, 0, LARGE);
	for (at = 0; at < LARGE; ) {
		ssize_t n = read(fd, in + at, 70001);

		if (n <= 0)
			break;
		at += n;
	}
	CHECK(at == LARGE && memcmp(in, out, LARGE) == 0);
	CHECK(pread(fd, in, 10, LARGE) == 0 && pread(fd, in, 10, LARGE + 5) == 0);
	CHECK(pread(fd, in, 10, LARGE - 3) == 3);
	CHECK(write(fd, out, 0) == 0 && read(fd, in, 0) == 0);
	FAILS(EINVAL, pread(fd, in, 1, -1));
	FAILS(EINVAL, pwrite(fd, in, 1, -1));
	void *volatile nowhere = (void *)8;
	FAILS(EFAULT, pread(fd, nowhere, 10, 0));
	FAILS(EFAULT, pwrite(fd, nowhere, 10, 0));
	OK(fsync(fd));
	OK(fdatasync(fd));
	OK(syncfs(fd));
	OK(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };
	CHECK(poll(&p, 1, 0) == 1 && p.revents == (POLLIN | POLLOUT));
	int left = 0;
	CHECK(lseek(fd, LARGE - 10, SEEK_SET) == LARGE - 10);
	CHECK(ioctl(fd, FIONREAD, &left) == 0 && left == 10);
	FAILS(ENOTTY, ioctl(fd, TIOCGWINSZ, in));
	OK(close(fd));
}

static void vectors(void)
{
	struct iovec v[64];
	int fd = open("f", O_RDWR | O_CREAT, 0600);

	fill(out, LARGE, 2);
	for (int i = 0; i < 64; i++)
		v[i] = (struct iovec){ out + i * 777, i % 8 ? 777 : 0 };
	ssize_t all = 56 * 777;
	CHECK(pwritev(fd, v, 64, 1000) == all);
	for (int i = 0; i < 64; i++)
		v[i].iov_base = in + i * 777;
	memset(in, 0, LARGE);
	CHECK(preadv(fd, v, 64, 1000) == all);
	for (int i = 0; i < 64; i++)
		CHECK(memcmp(in + i * 777, out + i * 777, v[i].iov_len) == 0);
	CHECK(preadv2(fd, v, 64, 1000, RWF_HIPRI) >= 0 || errno == EOPNOTSUPP);
	CHECK(pwritev2(fd, v, 64, 1000, RWF_DSYNC) == all);
	CHECK(stat_of("f").st_size == 1000 + all);
	CHECK(pwritev2(fd, v, 64, 0, RWF_APPEND) == all);
	CHECK(stat_of("f").st_size == 1000 + 2 * all);
	volatile int wrong = -1;
	FAILS(EINVAL, writev(fd, v, wrong));
	OK(close(fd));
}

static void open_flags(void)
{
	char c[16];

	umask(027);
	int fd = open("f", O_WRONLY | O_CREAT, 0666);
	umask(022);
	CHECK((stat_of("f").st_mode & 07777) == 0640);
	FAILS(EBADF, read(fd, c, 1));
	FAILS(EEXIST, open("f", O_WRONLY | O_CREAT | O_EXCL, 0666));
	CHECK(write(fd, "12345", 5) == 5);
	OK(close(fd));
	fd = open("f", O_RDONLY);
	FAILS(EBADF, write(fd, c, 1));
	FAILS(EBADF, fallocate(fd, 0, 0, 1));
	FAILS(EINVAL, ftruncate(fd, 0));
	OK(close(fd));
	fd = open("f", O_WRONLY | O_TRUNC);
	CHECK(stat_of("f").st_size == 0);
	OK(close(fd));
	FAILS(EISDIR, open(".", O_WRONLY));
	FAILS(EISDIR, open(".", O_RDONLY | O_CREAT, 0600));
	FAILS(ENOTDIR, open("f", O_RDONLY | O_DIRECTORY));
	FAILS(ENOENT, open("none", O_RDONLY));
	OK(symlink("f", "s"));
	FAILS(ELOOP, open("s", O_RDONLY | O_NOFOLLOW));
	fd = open("sync", O_RDWR | O_CREAT | O_SYNC, 0600);
	CHECK(write(fd, "durable", 7) == 7);
	OK(close(fd));
	CHECK(holds("sync", "durable"));
	fd = open("sync", O_RDWR | O_DSYNC);
	CHECK(write(fd, "DURABLE", 7) == 7);
	OK(close(fd));
	CHECK(holds("sync", "DURABLE"));
}

/* ---- appending ---- */

static void append(void)
{
	put("f", "12345");
	int fd = open("f", O_RDWR | O_APPEND), fd2 = open("f", O_WRONLY);

	OK(fcntl(fd2, F_SETFL, O_APPEND));
	CHECK(write(fd, "a", 1) == 1 && write(fd2, "b", 1) == 1 && write(fd, "c", 1) == 1);
	CHECK(lseek(fd, 0, SEEK_CUR) == 8);
	CHECK(holds("f", "12345abc"));
	CHECK(pwrite(fd, "d", 1, 0) == 1);	/* Linux: appends all the same */
	CHECK(holds("f", "12345abcd"));
	OK(fcntl(fd2, F_SETFL, 0));
	CHECK(pwrite(fd2, "X", 1, 0) == 1);
	CHECK(holds("f", "X2345abcd"));
	OK(ftruncate(fd, 2));
	CHECK(write(fd, "e", 1) == 1);
	CHECK(holds("f", "X2e"));
	/* a mapping of an appending descriptor is written where it is */
	char *p = mmap(NULL, 3, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	if (p != MAP_FAILED) {
		p[1] = 'm';
		OK(msync(p, 3, MS_SYNC));
		OK(munmap(p, 3));
	}
	CHECK(holds("f", "Xme"));
	OK(close(fd));
	OK(close(fd2));
}

enum { APPENDERS = 6, RECORDS = 100, RECORD = 217 };

static void append_records(int who)
{
	char record[RECORD];
	int fd = open("log", O_WRONLY | O_CREAT | O_APPEND | (who % 3 == 2 ? O_DSYNC : 0), 0600);

	for (int i = 0; i < RECORDS; i++) {
		memset(record, 'a' + who, RECORD);
		record[0] = '<';
		record[RECORD - 1] = '>';
		CHECK(fd >= 0 && write(fd, record, RECORD) == RECORD);
	}
}

static void append_together(void)
{
	static char all[APPENDERS * RECORDS * RECORD + 1];
	int count[APPENDERS] = { 0 };

	as_processes(APPENDERS, append_records);
	int fd = open("log", O_RDONLY);
	CHECK(read(fd, all, sizeof all) == sizeof all - 1);
	OK(close(fd));
	for (char *r = all; r < all + sizeof all - 1; r += RECORD) {
		char c = r[1];
		bool whole = r[0] == '<' && r[RECORD - 1] == '>' && c >= 'a' && c < 'a' + APPENDERS;

		for (int i = 1; whole && i < RECORD - 1; i++)
			whole = r[i] == c;
		if (!whole)
			return posix_failed(__FILE__, __LINE__, "records are whole");
		count[c - 'a']++;
	}
	for (int i = 0; i < APPENDERS; i++)
		CHECK(count[i] == RECORDS);
}

/* ---- copying within the kernel ---- */

static bool same_range(int a, off_t a_at, int b, off_t b_at, size_t n)
{
	memset(in, 1, n);
	memset(out, 2, n);
	return pread(a, in, n, a_at) == (ssize_t)n && pread(b, out, n, b_at) == (ssize_t)n &&
	       memcmp(in, out, n) == 0;
}

static void copy_range(void)
{
	int from = open("from", O_RDWR | O_CREAT, 0600), to = open("to", O_RDWR | O_CREAT, 0600);
	off_t a = 100, b = 5000;

	fill(out, 2 * M, 3);
	CHECK(write(from, out, 2 * M) == 2 * M);
	CHECK(copy_file_range(from, &a, to, &b, M, 0) == M);
	CHECK(a == 100 + M && b == 5000 + M && stat_of("to").st_size == 5000 + M);
	CHECK(same_range(from, 100, to, 5000, M));
	CHECK(lseek(to, 0, SEEK_CUR) == 0);
	/* with the descriptors' own offsets; only what is there */
	CHECK(lseek(from, 2 * M - 10, SEEK_SET) >= 0 && lseek(to, 0, SEEK_SET) == 0);
	CHECK(copy_file_range(from, NULL, to, NULL, 100, 0) == 10);
	CHECK(lseek(from, 0, SEEK_CUR) == 2 * M && lseek(to, 0, SEEK_CUR) == 10);
	CHECK(same_range(from, 2 * M - 10, to, 0, 10));
	CHECK(copy_file_range(from, NULL, to, NULL, 100, 0) == 0);
	/* within a file */
	a = 0, b = M;
	CHECK(copy_file_range(from, &a, from, &b, 10000, 0) == 10000);
	CHECK(same_range(from, 0, from, M, 10000));
	a = 0, b = 5000;
	FAILS(EINVAL, copy_file_range(from, &a, from, &b, 10000, 0));
	FAILS(EINVAL, copy_file_range(from, &a, to, &b, 10, 1));
	/* what is only in pages of a mapping is copied too, and seen in one */
	char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, from, 0);
	char *q = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, to, 0);
	CHECK(p != MAP_FAILED && q != MAP_FAILED);
	if (p != MAP_FAILED && q != MAP_FAILED) {
		memcpy(p, "mapped", 6);
		q[4096] = 'q';
		a = 0, b = 0;
		CHECK(copy_file_range(from, &a, to, &b, 4096, 0) == 4096);
		CHECK(memcmp(q, "mapped", 6) == 0 && q[4096] == 'q');
		OK(munmap(p, 8192));
		OK(munmap(q, 8192));
	}
	OK(close(to));
	to = open("to", O_RDONLY);
	FAILS(EBADF, copy_file_range(from, NULL, to, NULL, 10, 0));
	OK(close(to));
	to = open("to", O_WRONLY | O_APPEND);
	FAILS(EBADF, copy_file_range(from, NULL, to, NULL, 10, 0));
	OK(close(to));
	to = open(".", O_RDONLY | O_DIRECTORY);
	a = 0;
	FAILS(EISDIR, copy_file_range(to, &a, from, NULL, 10, 0));
	OK(close(to));
	OK(close(from));
}

static void sendfile_and_splice(void)
{
	int from = open("from", O_RDWR | O_CREAT, 0600), to = open("to", O_RDWR | O_CREAT, 0600);
	int pipes[2];
	off_t at = 5;

	fill(out, M, 4);
	CHECK(write(from, out, M) == M);
	CHECK(sendfile(to, from, &at, 300 * K) == 300 * K && at == 300 * K + 5);
	CHECK(same_range(from, 5, to, 0, 300 * K));
	OK(pipe(pipes));
	off_t from_at = 1000, to_at = 7;
	for (int i = 0; i < 20; i++) {
		ssize_t n = splice(from, &from_at, pipes[1], NULL, 16 * K, 0);

		CHECK(n > 0);
		for (ssize_t left = n, m; left > 0; left -= m) {
			m = splice(pipes[0], NULL, to, &to_at, left, SPLICE_F_MOVE);
			if (m <= 0)
				return posix_failed(__FILE__, __LINE__, "splice to a file");
		}
	}
	CHECK(to_at - 7 == from_at - 1000);
	CHECK(same_range(from, 1000, to, 7, to_at - 7));
	OK(close(from));
	OK(close(to));
}

/* ---- large offsets ---- */

static void beyond_8_tib(void)
{
	char c[4];
	int fd = open("f", O_RDWR | O_CREAT, 0600);
	const off_t at = 9 * T + 4093;

	CHECK(pwrite(fd, "far", 3, at) == 3);
	struct stat st = stat_of("f");
	CHECK(st.st_size == at + 3 && st.st_blocks < 1000);
	CHECK(pread(fd, c, 4, at) == 3 && memcmp(c, "far", 3) == 0);
	CHECK(pread(fd, c, 4, 8 * T) == 4 && memcmp(c, "\0\0\0\0", 4) == 0);
	CHECK(lseek(fd, 0, SEEK_DATA) == 9 * T && lseek(fd, 9 * T, SEEK_HOLE) == at + 3);
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 9 * T);
	CHECK(p != MAP_FAILED);
	if (p != MAP_FAILED) {
		CHECK(memcmp(p + 4093, "far", 3) == 0);
		p[0] = 'm';
		OK(munmap(p, 4096));
	}
	CHECK(pread(fd, c, 1, 9 * T) == 1 && c[0] == 'm');
	OK(ftruncate(fd, 15 * T));
	CHECK(pwrite(fd, "end", 3, 15 * T) == 3);
	CHECK(stat_of("f").st_size == 15 * T + 3);
	OK(close(fd));
}

/* The largest file of ext4 with blocks of 4 KiB: 16 TiB less a block. */
static void largest(void)
{
	const off_t end = 16 * T - 4096;
	char c[8];
	int fd = open("f", O_RDWR | O_CREAT, 0600);

	FAILS(EFBIG, ftruncate(fd, end + 1));
	FAILS(EFBIG, truncate("f", end + 4096));
	OK(ftruncate(fd, end));
	CHECK(pwrite(fd, "12345678", 8, end - 4) == 4);
	CHECK(pread(fd, c, 8, end - 4) == 4 && memcmp(c, "1234", 4) == 0);
	FAILS(EFBIG, pwrite(fd, "1", 1, end));
	FAILS(EFBIG, pwrite(fd, "1", 1, INT64_MAX - 10));
	FAILS(EFBIG, fallocate(fd, 0, end, 4096));
	FAILS(EFBIG, fallocate(fd, 0, INT64_MAX - 4096, 8192));
	CHECK(stat_of("f").st_size == end);
	int fd2 = open("f", O_WRONLY | O_APPEND);
	FAILS(EFBIG, write(fd2, "1", 1));
	OK(close(fd2));
	OK(close(fd));
}

const struct posix_case posix_cases[] = {
	POSIX_CASE(size),	    POSIX_CASE(cut_and_grow), POSIX_CASE(lengths),
	POSIX_CASE(vectors),	    POSIX_CASE(open_flags),   POSIX_CASE(append),
	POSIX_CASE(append_together), POSIX_CASE(copy_range),  POSIX_CASE(sendfile_and_splice),
	POSIX_CASE(beyond_8_tib),   POSIX_CASE(largest),      { 0 },
};
