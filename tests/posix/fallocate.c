/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * fallocate - space and holes: every mode of fallocate(2), SEEK_DATA and SEEK_HOLE.
 *
 * The kernel's FUSE module itself refuses to collapse, insert and unshare (6.18), with EOPNOTSUPP:
 * then these cases check that nothing has changed.
 */
#include "config.h"

#include <linux/falloc.h>
#include <sys/mman.h>

#include "posix.h"

enum { K = 1024, SIZE = 256 * K };

static uint8_t was[2 * SIZE], is[2 * SIZE];

/* A file of SIZE bytes, which are in `was`. */
static int filled(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	fill(was, SIZE, 5);
	memset(was + SIZE, 0, SIZE);
	CHECK(write(fd, was, SIZE) == SIZE);
	return fd;
}

/* Has the file these bytes of `was`, also for who opens it now? */
static bool is_now(const char *path, int fd, size_t size)
{
	int fd2 = open(path, O_RDONLY);
	bool same = pread(fd, is, sizeof is, 0) == (ssize_t)size && memcmp(is, was, size) == 0 &&
		    pread(fd2, is, sizeof is, 0) == (ssize_t)size && memcmp(is, was, size) == 0;

	close(fd2);
	return same && stat_of(path).st_size == (off_t)size;
}

static void preallocate(void)
{
	int fd = open("f", O_RDWR | O_CREAT, 0600);

	OK(fallocate(fd, 0, 0, 64 * K));
	CHECK(stat_of("f").st_size == 64 * K && stat_of("f").st_blocks >= 128);
	CHECK(is_now("f", fd, 64 * K));
	CHECK(pwrite(fd, "data", 4, 60 * K) == 4);
	memcpy(was + 60 * K, "data", 4);
	OK(fallocate(fd, 0, 32 * K, 64 * K));
	CHECK(is_now("f", fd, 96 * K));
	OK(fallocate(fd, 0, 0, 1));
	CHECK(is_now("f", fd, 96 * K));
	OK(fallocate(fd, 0, 100000, 1));
	CHECK(is_now("f", fd, 100001));
	OK(posix_fallocate(fd, 0, 110000));
	CHECK(is_now("f", fd, 110000));
	OK(close(fd));
}

static void keep_size(void)
{
	int fd = open("f", O_RDWR | O_CREAT, 0600);

	OK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 64 * K));
	CHECK(stat_of("f").st_size == 0 && stat_of("f").st_blocks >= 128);
	CHECK(pread(fd, is, 10, 0) == 0);
	CHECK(pwrite(fd, "x", 1, 10) == 1);
	OK(fallocate(fd, FALLOC_FL_KEEP_SIZE, SIZE, 64 * K));
	CHECK(stat_of("f").st_size == 11);
	/* and it is given back */
	OK(ftruncate(fd, 11));
	CHECK(stat_of("f").st_blocks <= 128);
	OK(close(fd));
}

static void wrong(void)
{
	int fd = filled("f"), dir = open(".", O_RDONLY | O_DIRECTORY);

	FAILS(EINVAL, fallocate(fd, 0, -1, 10));
	FAILS(EINVAL, fallocate(fd, 0, 0, 0));
	FAILS(EINVAL, fallocate(fd, 0, 0, -1));
	FAILS(EOPNOTSUPP, fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 10));
	FAILS(EOPNOTSUPP, fallocate(fd, 0x4000, 0, 10));
	FAILS(EBADF, fallocate(dir, 0, 0, 10));
	CHECK(is_now("f", fd, SIZE));
	OK(close(dir));
	OK(close(fd));
}

/* zeroes in place of [from, from + n); what is around it stays. */
static void zeroing(int mode)
{
	static const struct { size_t from, n; } ranges[] = {
		{ 4096, 4096 }, { 100, 50 }, { 4000, 200 }, { 20000, 50000 }, { 131072, 65536 },
		{ SIZE - 10, 10 },
	};
	int fd = filled("f");
	blkcnt_t blocks = stat_of("f").st_blocks;

	for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
		CHECK(pread(fd, is, SIZE, 0) == SIZE);	/* the kernel has the pages */
		OK(fallocate(fd, mode, ranges[i].from, ranges[i].n));
		memset(was + ranges[i].from, 0, ranges[i].n);
		CHECK(is_now("f", fd, SIZE));
	}
	if (mode & FALLOC_FL_PUNCH_HOLE)
		CHECK(stat_of("f").st_blocks < blocks);
	/* over the end, and behind it */
	OK(fallocate(fd, mode, SIZE - 5000, 10000));
	memset(was + SIZE - 5000, 0, 5000);
	CHECK(is_now("f", fd, mode & FALLOC_FL_KEEP_SIZE ? SIZE : SIZE + 5000));
	OK(fallocate(fd, mode, SIZE + 20000, 10000));
	CHECK(is_now("f", fd, mode & FALLOC_FL_KEEP_SIZE ? SIZE : SIZE + 30000));
	OK(close(fd));
}

static void punch(void)
{
	zeroing(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
}

static void zero(void)
{
	zeroing(FALLOC_FL_ZERO_RANGE);
}

static void zero_keep_size(void)
{
	zeroing(FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE);
}

/* A page of a mapping that nobody has written back yet. */
static void punch_mapped(void)
{
	int fd = filled("f");
	uint8_t *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	CHECK(p != MAP_FAILED);
	if (p == MAP_FAILED)
		return;
	memset(p, 'm', 64 * K);
	memset(was, 'm', 64 * K);
	OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 5000, 20000));
	memset(was + 5000, 0, 20000);
	CHECK(memcmp(p, was, SIZE) == 0);
	CHECK(is_now("f", fd, SIZE));
	p[6000] = was[6000] = 'n';
	OK(msync(p, SIZE, MS_SYNC));
	CHECK(is_now("f", fd, SIZE));
	OK(munmap(p, SIZE));
	OK(close(fd));
}

/* False: not supported, and nothing has changed. */
static bool shifts(int fd, int mode, off_t at, off_t n)
{
	if (fallocate(fd, mode, at, n) == 0)
		return true;
	int why = errno;
	CHECK(why == EOPNOTSUPP);
	CHECK(is_now("f", fd, SIZE));
	return false;
}

static void collapse(void)
{
	int fd = filled("f");

	if (!shifts(fd, FALLOC_FL_COLLAPSE_RANGE, 8192, 16384))
		posix_skip("FALLOC_FL_COLLAPSE_RANGE is refused (EOPNOTSUPP)");
	memmove(was + 8192, was + 8192 + 16384, SIZE - 8192 - 16384);
	CHECK(is_now("f", fd, SIZE - 16384));
	FAILS(EINVAL, fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 100, 4096));
	FAILS(EINVAL, fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, SIZE - 32768, 32768));
	OK(close(fd));
}

static void insert(void)
{
	int fd = filled("f");

	if (!shifts(fd, FALLOC_FL_INSERT_RANGE, 8192, 16384))
		posix_skip("FALLOC_FL_INSERT_RANGE is refused (EOPNOTSUPP)");
	memmove(was + 8192 + 16384, was + 8192, SIZE - 8192);
	memset(was + 8192, 0, 16384);
	CHECK(is_now("f", fd, SIZE + 16384));
	FAILS(EINVAL, fallocate(fd, FALLOC_FL_INSERT_RANGE, SIZE + 16384, 4096));
	OK(close(fd));
}

/* ext4 shares nothing, and says that it cannot. */
static void unshare(void)
{
	int fd = filled("f");

	FAILS(EOPNOTSUPP, fallocate(fd, FALLOC_FL_UNSHARE_RANGE, 0, SIZE));
	CHECK(is_now("f", fd, SIZE));
	OK(close(fd));
}

/* ---- where data and holes are ---- */

static void seek(void)
{
	int fd = open("f", O_RDWR | O_CREAT, 0600);

	FAILS(ENXIO, lseek(fd, 0, SEEK_DATA));
	FAILS(ENXIO, lseek(fd, 0, SEEK_HOLE));
	OK(ftruncate(fd, 1024 * K));
	FAILS(ENXIO, lseek(fd, 0, SEEK_DATA));
	CHECK(lseek(fd, 5, SEEK_HOLE) == 5);
	CHECK(pwrite(fd, was, 64 * K, 512 * K) == 64 * K);
	CHECK(lseek(fd, 0, SEEK_DATA) == 512 * K);
	CHECK(lseek(fd, 0, SEEK_CUR) == 512 * K);
	CHECK(lseek(fd, 513 * K, SEEK_DATA) == 513 * K);
	CHECK(lseek(fd, 513 * K, SEEK_HOLE) == 576 * K);
	FAILS(ENXIO, lseek(fd, 576 * K, SEEK_DATA));
	CHECK(lseek(fd, 600 * K, SEEK_HOLE) == 600 * K);
	FAILS(ENXIO, lseek(fd, 1024 * K, SEEK_DATA));
	FAILS(ENXIO, lseek(fd, 1024 * K, SEEK_HOLE));
	FAILS(ENXIO, lseek(fd, -1, SEEK_DATA));
	FAILS(EINVAL, lseek(fd, 0, 9));
	FAILS(EINVAL, lseek(fd, -1, SEEK_SET));
	CHECK(pwrite(fd, was, 4 * K, 1020 * K) == 4 * K);
	CHECK(lseek(fd, 1020 * K, SEEK_HOLE) == 1024 * K);
	OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 520 * K, 8 * K));
	CHECK(lseek(fd, 512 * K, SEEK_HOLE) == 520 * K);
	CHECK(lseek(fd, 520 * K, SEEK_DATA) == 528 * K);
	OK(close(fd));
}

const struct posix_case posix_cases[] = {
	POSIX_CASE(preallocate), POSIX_CASE(keep_size),	     POSIX_CASE(wrong),
	POSIX_CASE(punch),	 POSIX_CASE(zero),	     POSIX_CASE(zero_keep_size),
	POSIX_CASE(punch_mapped), POSIX_CASE(collapse),	     POSIX_CASE(insert),
	POSIX_CASE(unshare),	 POSIX_CASE(seek),	     { 0 },
};
