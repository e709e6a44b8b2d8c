/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * mmap - mappings: shared, private, executable; with writes beside them, over the end of a file,
 * between processes, and of files that have lost their name.
 */
#include "config.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "posix.h"

enum { PAGE = 4096, N = 3 * PAGE + 100 };

static void *map(int fd, size_t n, int prot, int flags)
{
	void *p = mmap(NULL, n, prot, flags, fd, 0);

	CHECK(p != MAP_FAILED);
	if (p == MAP_FAILED)
		_exit(1);
	return p;
}

static void shared(void)
{
	int fd = open("f", O_RDWR | O_CREAT, 0600);
	char c[8];

	OK(ftruncate(fd, N));
	char *p = map(fd, N, PROT_READ | PROT_WRITE, MAP_SHARED);
	struct stat before = stat_of("f");
	memset(p, 'm', N);
	OK(msync(p, N, MS_SYNC));
	CHECK(stat_of("f").st_mtim.tv_sec >= before.st_mtim.tv_sec);
	CHECK(pread(fd, c, 8, 8190) == 8 && memcmp(c, "mmmmmmmm", 8) == 0);
	CHECK(pwrite(fd, "WRITTEN", 7, 4090) == 7);
	CHECK(memcmp(p + 4090, "WRITTENm", 8) == 0);
	p[0] = 'X';
	char *q = map(fd, N, PROT_READ, MAP_PRIVATE);
	CHECK(q[0] == 'X');
	OK(munmap(q, N));
	OK(munmap(p, N));
	OK(close(fd));
	fd = open("f", O_RDONLY);
	CHECK(pread(fd, c, 1, 0) == 1 && c[0] == 'X');
	CHECK(mmap(NULL, N, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED &&
	      errno == EACCES);
	OK(close(fd));
	CHECK(stat_of("f").st_size == N);
}

static void private(void)
{
	put("f", "private");
	int fd = open("f", O_RDONLY);
	char *p = map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	CHECK(memcmp(p, "private\0", 8) == 0);
	p[0] = 'P';
	CHECK(holds("f", "private"));
	OK(munmap(p, PAGE));
	OK(close(fd));
}

/* What a mapping has behind the end is never in the file. */
static void behind_the_end(void)
{
	int fd = open("f", O_RDWR | O_CREAT, 0600);
	char got[2 * PAGE];

	CHECK(write(fd, "12345", 5) == 5);
	char *p = map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	memset(p + 5, 'z', PAGE - 5);
	OK(msync(p, PAGE, MS_SYNC));
	CHECK(stat_of("f").st_size == 5);
	OK(ftruncate(fd, 2 * PAGE));
	CHECK(pread(fd, got, sizeof got, 0) == sizeof got && memcmp(got, "12345", 5) == 0);
	bool zeroes = true;
	for (int i = 5; i < 2 * PAGE; i++)
		zeroes = zeroes && got[i] == 0;
	CHECK(zeroes);
	/* a file that grows under a mapping is seen in it */
	CHECK(pwrite(fd, "grown", 5, 100) == 5);
	CHECK(memcmp(p + 100, "grown", 5) == 0);
	OK(munmap(p, PAGE));
	OK(close(fd));
}

static sigjmp_buf back;

static void on_bus(int signo)
{
	siglongjmp(back, signo);
}

static void cut_off(void)
{
	int fd = open("f", O_RDWR | O_CREAT, 0600);

	OK(ftruncate(fd, 2 * PAGE));
	volatile char *p = map(fd, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	p[0] = p[PAGE] = 'x';
	OK(ftruncate(fd, 10));
	signal(SIGBUS, on_bus);
	int signo = sigsetjmp(back, 1);
	if (signo == 0) {
		p[PAGE] = 'y';
		posix_failed(__FILE__, __LINE__, "SIGBUS behind the end");
	}
	CHECK(p[0] == 'x' && p[10] == 0);
	OK(ftruncate(fd, 2 * PAGE));
	CHECK(p[PAGE] == 0);
	OK(munmap((void *)p, 2 * PAGE));
	OK(close(fd));
}

/* Two processes with a mapping each, a third one reads. */
static void processes(void)
{
	int fd = open("f", O_RDWR | O_CREAT, 0600);
	char c[4];

	OK(ftruncate(fd, PAGE));
	volatile char *p = map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		int own = open("f", O_RDWR);
		volatile char *q = map(own, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);

		q[1] = 'q';
		while (q[2] != 'p')
			;
		_exit(0);
	}
	while (p[1] != 'q')
		;
	CHECK(pread(fd, c, 2, 0) == 2 && c[1] == 'q');
	p[2] = 'p';
	CHECK(wait_status(pid) == 0);
	OK(munmap((void *)p, PAGE));
	OK(close(fd));
}

static void unlinked(void)
{
	int fd = open("f", O_RDWR | O_CREAT, 0600);

	OK(ftruncate(fd, N));
	char *p = map(fd, N, PROT_READ | PROT_WRITE, MAP_SHARED);
	OK(unlink("f"));
	memset(p, 'u', N);
	OK(msync(p, N, MS_SYNC));
	char c = 0;
	CHECK(pread(fd, &c, 1, PAGE) == 1 && c == 'u');
	OK(close(fd));
	/* the mapping alone keeps it */
	p[5] = 'v';
	OK(msync(p, N, MS_SYNC));
	OK(madvise(p, N, MADV_DONTNEED));
	CHECK(p[5] == 'v' && p[N - 1] == 'u');
	OK(munmap(p, N));
}

static void holes_and_large(void)
{
	int fd = open("f", O_RDWR | O_CREAT, 0600);
	const size_t size = (size_t)64 << 20;

	OK(ftruncate(fd, size));
	uint8_t *p = map(fd, size, PROT_READ | PROT_WRITE, MAP_SHARED);
	for (size_t at = 0; at < size; at += size / 64)
		p[at] = at >> 20 | 1;
	OK(msync(p, size, MS_ASYNC));
	OK(munmap(p, size));
	OK(fsync(fd));
	CHECK(stat_of("f").st_blocks < 64 * 1024);
	OK(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	p = map(fd, size, PROT_READ, MAP_SHARED | MAP_POPULATE);
	for (size_t at = 0; at < size; at += size / 64)
		CHECK(p[at] == (at >> 20 | 1) && p[at + 1] == 0);
	OK(munmap(p, size));
	OK(close(fd));
}

/* What has been written into a hole is data, and copied by who looks for data. */
static void in_a_hole(void)
{
	const size_t size = 1 << 20, at = size / 2 + 5;
	int fd = open("f", O_RDWR | O_CREAT, 0600);
	char c = 0;

	OK(ftruncate(fd, size));
	char *p = map(fd, size, PROT_READ | PROT_WRITE, MAP_SHARED);
	p[at] = 'x';
	off_t data = lseek(fd, 0, SEEK_DATA);
	CHECK(data >= 0 && (size_t)data <= at && lseek(fd, data, SEEK_HOLE) > (off_t)at);
	OK(close(fd));
	p[at] = 'y';
	p[10] = 'z';
	fd = open("f", O_RDONLY);
	CHECK(lseek(fd, 0, SEEK_DATA) == 0);
	CHECK(pread(fd, &c, 1, at) == 1 && c == 'y' && p[at] == 'y');
	OK(munmap(p, size));
	OK(close(fd));
}

static void executable(void)
{
	CHECK(system("cp /bin/sh program && ./program -c 'exit 7'") >> 8 == 7);
	int fd = open("script", O_WRONLY | O_CREAT, 0755);
	CHECK(write(fd, "#!/bin/sh\nexit 5\n", 17) == 17);
	OK(close(fd));
	CHECK(system("./script") >> 8 == 5);
	fd = open("program", O_RDONLY);
	volatile const char *p = map(fd, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE);
	CHECK(p[0] == 0x7f && p[1] == 'E');
	OK(munmap((void *)p, PAGE));
	OK(close(fd));
	/* a program that runs is not written to */
	fflush(stdout);
	int ready[2];
	OK(pipe(ready));
	pid_t pid = fork();
	if (pid == 0) {
		dup2(ready[1], 1);
		execl("./program", "program", "-c", "echo; exec ./program -c 'echo; kill -STOP $$'", NULL);
		_exit(1);
	}
	char c;
	CHECK(read(ready[0], &c, 1) == 1);
	FAILS(ETXTBSY, open("program", O_WRONLY));
	OK(kill(pid, SIGKILL));
	wait_status(pid);
}

/* A file mapped by many and written by one, read back through all of them. */
static void msync_flavours(void)
{
	int fd = open("f", O_RDWR | O_CREAT, 0600);

	OK(ftruncate(fd, 4 * PAGE));
	char *p = map(fd, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	p[0] = 'a';
	OK(msync(p, PAGE, MS_ASYNC));
	p[PAGE] = 'b';
	OK(msync(p, 4 * PAGE, MS_SYNC | MS_INVALIDATE));
	FAILS(EINVAL, msync(p + 1, PAGE, MS_SYNC));
	p[2 * PAGE] = 'c';
	OK(fdatasync(fd));
	OK(mprotect(p, 4 * PAGE, PROT_READ));
	CHECK(p[0] == 'a' && p[PAGE] == 'b' && p[2 * PAGE] == 'c');
	char *q = mremap(p, 4 * PAGE, 2 * PAGE, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED && q[PAGE] == 'b');
	OK(munmap(q, 2 * PAGE));
	OK(close(fd));
}

const struct posix_case posix_cases[] = {
	POSIX_CASE(shared),   POSIX_CASE(private),	   POSIX_CASE(behind_the_end),
	POSIX_CASE(cut_off),  POSIX_CASE(processes),	   POSIX_CASE(unlinked),
	POSIX_CASE(executable), POSIX_CASE(in_a_hole), POSIX_CASE(holes_and_large), POSIX_CASE(msync_flavours),
	{ 0 },
};
