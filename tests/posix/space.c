/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * space - when there is no more of it: full disks, limits of a process, what a file system says of
 * its size.  A disk is filled by fallocate but for some MiB, so it must not be a large one.
 */
#include "config.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

#include "posix.h"

enum { K = 1024 };
#define M (1024 * 1024ull)

static uint64_t free_bytes(void)
{
	struct statvfs s = { 0 };

	OK(statvfs(".", &s));
	return (uint64_t)s.f_bfree * s.f_frsize;
}

/* Leaves so many bytes, with or without what is reserved for root. */
static void fill_but(uint64_t leave)
{
	uint64_t at = 0;

	if (free_bytes() > 4096 * M)
		posix_skip("the disk is too large to be filled: %llu MiB are free",
			   (unsigned long long)(free_bytes() / M));
	int fd = open("filler", O_WRONLY | O_CREAT, 0600);
	for (uint64_t step = 64 * M; step >= 64 * K; ) {
		errno = 0;
		if (fallocate(fd, 0, at, step) == 0) {
			at += step;
			continue;
		}
		if (errno != ENOSPC)
			posix_failed(__FILE__, __LINE__, "ENOSPC");
		step /= 2;
	}
	CHECK(at > leave);
	OK(ftruncate(fd, at - leave));
	OK(fsync(fd));
	OK(close(fd));
}

/* A full disk would fail the cases behind this one. */
static void make_room(void)
{
	OK(unlink("filler"));
	OK(unlink("f"));
}

static void statfs_tells(void)
{
	struct statvfs s, t;

	OK(statvfs(".", &s));
	CHECK(s.f_blocks > 0 && s.f_bfree <= s.f_blocks && s.f_bavail <= s.f_bfree &&
	      s.f_bsize >= 512 && s.f_frsize >= 512 && s.f_namemax == 255 && s.f_files > 0);
	uint64_t before = free_bytes();
	int fd = open("f", O_WRONLY | O_CREAT, 0600);
	OK(fallocate(fd, 0, 0, 16 * M));
	CHECK(before - free_bytes() >= 16 * M && before - free_bytes() < 20 * M);
	OK(fstatvfs(fd, &t));
	CHECK(t.f_blocks == s.f_blocks && t.f_ffree < s.f_ffree);
	OK(close(fd));
}

/* Writes until there is no more, and after some room was made goes on. */
static void full(void)
{
	static char piece[256 * K];
	uint64_t at = 0;
	ssize_t n;

	fill_but(6 * M);
	memset(piece, 'p', sizeof piece);
	int fd = open("f", O_RDWR | O_CREAT, 0600);
	while ((n = pwrite(fd, piece, sizeof piece, at)) > 0)
		at += n;
	FAILS(ENOSPC, pwrite(fd, piece, sizeof piece, at));
	/* what was acknowledged is there, what was not is not */
	CHECK(stat_of("f").st_size == (off_t)at);
	OK(fsync(fd));
	CHECK(pread(fd, piece, 1, at - 1) == 1 && piece[0] == 'p' && pread(fd, piece, 1, at) == 0);
	FAILS(ENOSPC, pwrite(fd, piece, sizeof piece, at + sizeof piece));
	CHECK(pwrite(fd, "over", 4, 0) == 4);
	FAILS(ENOSPC, fallocate(fd, 0, 0, 64 * M));
	int from = open("filler", O_RDONLY);
	off_t in = 0, out = at;
	errno = 0;
	CHECK(copy_file_range(from, &in, fd, &out, 32 * M, 0) < (ssize_t)(32 * M));
	OK(close(from));
	OK(truncate("filler", 0));
	CHECK(pwrite(fd, piece, sizeof piece, stat_of("f").st_size) == sizeof piece);
	OK(fsync(fd));
	OK(close(fd));
	make_room();
}

/* A file of another size than the space that is left: what fits is written. */
static void short_write(void)
{
	const size_t size = 24 * M;
	char *piece = malloc(size);

	CHECK(piece != NULL);
	memset(piece, 's', size);
	fill_but(8 * M);
	int fd = open("f", O_RDWR | O_CREAT, 0600);
	ssize_t n = write(fd, piece, size);
	CHECK(n > 0 && n < (ssize_t)size);
	CHECK(stat_of("f").st_size == n);
	OK(close(fd));
	fd = open("f", O_RDONLY);
	char *back = malloc(size);
	CHECK(read(fd, back, size) == n && memcmp(back, piece, n) == 0);
	OK(close(fd));
	free(back);
	free(piece);
	make_room();
}

/* Pages of a mapping without room on the disk: an error, at a page or at the sync; never silence. */
static void mapped(void)
{
	const size_t size = 64 * M;

	fill_but(4 * M);
	int fd = open("f", O_RDWR | O_CREAT, 0600);
	OK(ftruncate(fd, size));
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

		signal(SIGBUS, SIG_DFL);
		memset(p, 'm', size);
		/* told once, not again */
		if (msync(p, size, MS_SYNC) == 0 || (errno != ENOSPC && errno != EIO))
			_exit(1);
		_exit(fsync(fd) == 0 ? 0 : 2);
	}
	int status = wait_status(pid);
	CHECK(status == 0 || status == 128 + SIGBUS);
	OK(close(fd));
	make_room();
}

/* What an ext4 keeps back is for root. */
static void write_as_user(void)
{
	char c[8192] = { 0 };
	int fd = open("his", O_RDWR);
	ssize_t n;

	CHECK(fd >= 0);
	for (int i = 0; i < 1000 && (n = write(fd, c, sizeof c)) > 0; i++)
		;
	FAILS(ENOSPC, write(fd, c, sizeof c));
	FAILS(ENOSPC, fallocate(fd, 0, 16 * M, 8 * M));
	OK(close(fd));
}

static void reserved(void)
{
	struct statvfs s;
	char c[8192] = { 0 };

	OK(statvfs(".", &s));
	if ((uint64_t)(s.f_bfree - s.f_bavail) * s.f_frsize < 30 * M)
		posix_skip("nothing is kept back for root here");
	fill_but(8 * M);
	put("his", "");
	put("f", "");
	OK(chown("his", 1000, 1000));
	as_user(1000, 1000, write_as_user);
	int fd = open("his", O_WRONLY | O_APPEND);
	for (int i = 0; i < 100; i++)
		CHECK(write(fd, c, sizeof c) == sizeof c);
	OK(close(fd));
	make_room();
}

/* ---- limits of a process ---- */

static volatile int signals;

static void on_xfsz(int signo)
{
	signals++;
}

static void rlimit_fsize(void)
{
	struct rlimit old, limit;
	char c[100];

	memset(c, 'c', sizeof c);
	signal(SIGXFSZ, on_xfsz);
	OK(getrlimit(RLIMIT_FSIZE, &old));
	limit = (struct rlimit){ 10000, old.rlim_max };
	int fd = open("f", O_RDWR | O_CREAT, 0600);
	OK(setrlimit(RLIMIT_FSIZE, &limit));
	CHECK(pwrite(fd, c, 100, 9950) == 50 && signals == 0);
	FAILS(EFBIG, pwrite(fd, c, 100, 10000));
	CHECK(signals == 1);
	FAILS(EFBIG, ftruncate(fd, 10001));
	CHECK(signals == 2);
	FAILS(EFBIG, truncate("f", 20000));
	CHECK(signals == 3);
	FAILS(EFBIG, fallocate(fd, 0, 0, 10001));
	CHECK(signals == 4);
	OK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 20000));
	OK(setrlimit(RLIMIT_FSIZE, &old));
	CHECK(pwrite(fd, c, 100, 20000) == 100);
	OK(setrlimit(RLIMIT_FSIZE, &limit));
	/* what is there can be written over only below the limit */
	FAILS(EFBIG, pwrite(fd, c, 1, 15000));
	CHECK(pwrite(fd, c, 1, 5000) == 1);
	int fd2 = open("f", O_WRONLY | O_APPEND);
	FAILS(EFBIG, write(fd2, c, 1));
	OK(close(fd2));
	OK(setrlimit(RLIMIT_FSIZE, &old));
	OK(close(fd));
	CHECK(stat_of("f").st_size == 20100);
}

const struct posix_case posix_cases[] = {
	POSIX_CASE(statfs_tells), POSIX_CASE(rlimit_fsize), POSIX_CASE(full),
	POSIX_CASE(short_write),  POSIX_CASE(mapped), POSIX_CASE(reserved),	     { 0 },
};
