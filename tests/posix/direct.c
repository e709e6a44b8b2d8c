/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * direct - past the kernel's pages: O_DIRECT at all alignments, AIO, io_uring, and that all ways to
 * a file see the same bytes.
 */
#include "config.h"

#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "posix.h"

enum { K = 1024, N = 64 * K };

/* Room on a page boundary, so that p + 512 is aligned to 512 only. */
static uint8_t *room(size_t n)
{
	uint8_t *p = NULL;

	CHECK(posix_memalign((void **)&p, 4096, n) == 0);
	return p;
}

static int open_direct(const char *path, int flags)
{
	int fd = open(path, O_RDWR | O_DIRECT | flags, 0600);

	if (fd < 0 && errno == EINVAL)
		posix_skip("no O_DIRECT here");
	CHECK(fd >= 0);
	return fd;
}

/* Writes and reads in steps, with buffers `shift` bytes off a page. */
static void in_steps(size_t step, size_t shift)
{
	uint8_t *w = room(N + 4096), *r = room(N + 4096), *same = room(N);
	int fd = open_direct("f", O_CREAT | O_TRUNC), plain = open("f", O_RDONLY);

	fill(w + shift, N, step);
	for (size_t at = 0; at < N; at += step)
		CHECK(pwrite(fd, w + shift + at, step, at) == (ssize_t)step);
	CHECK(stat_of("f").st_size == N);
	for (size_t at = 0; at < N; at += step)
		CHECK(pread(fd, r + shift + at, step, at) == (ssize_t)step);
	CHECK(memcmp(w + shift, r + shift, N) == 0);
	CHECK(pread(plain, same, N, 0) == N && memcmp(w + shift, same, N) == 0);
	/* what was read through pages is not what is there any more */
	fill(w + shift, N, step + 1);
	CHECK(pwrite(fd, w + shift, N, 0) == N);
	CHECK(pread(plain, same, N, 0) == N && memcmp(w + shift, same, N) == 0);
	CHECK(pread(fd, r, 4096, N) == 0 && pread(fd, r, 4096, N - 4096) == 4096);
	OK(close(plain));
	OK(close(fd));
	free(w);
	free(r);
	free(same);
}

static void alignment_4096(void)
{
	in_steps(4096, 0);
	in_steps(16384, 0);
}

static void alignment_512(void)
{
	in_steps(512, 0);
	in_steps(512, 512);
	in_steps(4096, 512);
}

/* The end of a file need not be aligned. */
static void the_end(void)
{
	uint8_t *p = room(8192);
	int fd = open_direct("f", O_CREAT);

	memset(p, 'e', 8192);
	CHECK(pwrite(fd, p, 8192, 0) == 8192);
	OK(ftruncate(fd, 5000));
	memset(p, 0, 8192);
	CHECK(pread(fd, p, 8192, 0) == 5000 && p[4999] == 'e' && p[5000] == 0);
	CHECK(pread(fd, p, 4096, 4096) == 904);
	CHECK(pread(fd, p, 4096, 8192) == 0);
	int append = open_direct("f", O_APPEND);
	OK(ftruncate(fd, 4096));
	memset(p, 'a', 4096);
	CHECK(write(append, p, 4096) == 4096 && stat_of("f").st_size == 8192);
	OK(close(append));
	OK(close(fd));
	free(p);
}

/* Pages of a mapping, pages of the cache and direct I/O of the same bytes. */
static void coherent(void)
{
	uint8_t *p = room(N);
	int direct = open_direct("f", O_CREAT), plain = open("f", O_RDWR);

	memset(p, '1', N);
	CHECK(pwrite(plain, p, N, 0) == N);
	uint8_t *map = mmap(NULL, N, PROT_READ | PROT_WRITE, MAP_SHARED, plain, 0);
	CHECK(map != MAP_FAILED && map[0] == '1' && map[N - 1] == '1');
	if (map == MAP_FAILED)
		return;
	for (int round = 0; round < 20; round++) {
		size_t at = round * 2048 % N & ~(size_t)4095;
		uint8_t a = 'a' + round, b = 'A' + round;

		memset(p, a, 4096);
		CHECK(pwrite(direct, p, 4096, at) == 4096);
		CHECK(map[at] == a && map[at + 4095] == a);
		CHECK(pread(plain, p, 4096, at) == 4096 && p[0] == a && p[4095] == a);
		map[at + 7] = b;
		CHECK(pread(direct, p, 4096, at) == 4096 && p[7] == b && p[8] == a);
		CHECK(pread(plain, p, 4096, at) == 4096 && p[7] == b && p[8] == a);
		CHECK(pwrite(plain, &a, 1, at + 7) == 1);
		CHECK(map[at + 7] == a);
		CHECK(pread(direct, p, 4096, at) == 4096 && p[7] == a);
	}
	OK(munmap(map, N));
	OK(close(plain));
	OK(close(direct));
	free(p);
}

/* ---- AIO ---- */

enum { DEPTH = 16 };

static long aio_all(aio_context_t ctx, struct iocb *cbs, int nr)
{
	struct iocb *list[DEPTH];
	struct io_event events[DEPTH];
	long good = 0;

	for (int i = 0; i < nr; i++)
		list[i] = &cbs[i];
	if (syscall(SYS_io_submit, ctx, nr, list) != nr)
		return -1;
	if (syscall(SYS_io_getevents, ctx, nr, nr, events, NULL) != nr)
		return -1;
	for (int i = 0; i < nr; i++)
		good += events[i].res == (long)((struct iocb *)(uintptr_t)events[i].obj)->aio_nbytes;
	return good;
}

static void aio_with(int fd)
{
	enum { PIECE = 8192 };
	uint8_t *w = room(DEPTH * PIECE), *r = room(DEPTH * PIECE);
	struct iocb cbs[DEPTH] = { 0 };
	aio_context_t ctx = 0;

	if (syscall(SYS_io_setup, DEPTH, &ctx) < 0)
		posix_skip("no AIO here: %s", strerror(errno));
	fill(w, DEPTH * PIECE, 7);
	for (int i = 0; i < DEPTH; i++)
		cbs[i] = (struct iocb){
			.aio_fildes = fd, .aio_lio_opcode = IOCB_CMD_PWRITE,
			.aio_buf = (uintptr_t)(w + i * PIECE), .aio_nbytes = PIECE,
			/* backwards, so that most of them leave a hole */
			.aio_offset = (int64_t)i * PIECE,
		};
	CHECK(aio_all(ctx, cbs, DEPTH) == DEPTH);
	for (int i = 0; i < DEPTH; i++) {
		cbs[i].aio_lio_opcode = IOCB_CMD_PREAD;
		cbs[i].aio_buf = (uintptr_t)(r + i * PIECE);
	}
	CHECK(aio_all(ctx, cbs, DEPTH) == DEPTH);
	CHECK(memcmp(w, r, DEPTH * PIECE) == 0);
	cbs[0] = (struct iocb){ .aio_fildes = fd, .aio_lio_opcode = IOCB_CMD_FSYNC };
	CHECK(aio_all(ctx, cbs, 1) == 1);
	OK(syscall(SYS_io_destroy, ctx));
	free(w);
	free(r);
}

static void aio(void)
{
	int fd = open_direct("f", O_CREAT);

	aio_with(fd);
	CHECK(stat_of("f").st_size == DEPTH * 8192);
	OK(close(fd));
	fd = open("g", O_RDWR | O_CREAT, 0600);
	aio_with(fd);
	OK(close(fd));
}

/* ---- io_uring ---- */

struct ring {
	int fd;
	struct io_uring_params p;
	uint8_t *sq, *cq;
	struct io_uring_sqe *sqes;
};

static struct ring ring_new(void)
{
	struct ring r = { 0 };

	r.fd = syscall(SYS_io_uring_setup, DEPTH, &r.p);
	if (r.fd < 0)
		posix_skip("no io_uring here: %s", strerror(errno));
	r.sq = mmap(NULL, r.p.sq_off.array + r.p.sq_entries * sizeof(uint32_t),
		    PROT_READ | PROT_WRITE, MAP_SHARED, r.fd, IORING_OFF_SQ_RING);
	r.cq = mmap(NULL, r.p.cq_off.cqes + r.p.cq_entries * sizeof(struct io_uring_cqe),
		    PROT_READ | PROT_WRITE, MAP_SHARED, r.fd, IORING_OFF_CQ_RING);
	r.sqes = mmap(NULL, r.p.sq_entries * sizeof *r.sqes, PROT_READ | PROT_WRITE, MAP_SHARED,
		      r.fd, IORING_OFF_SQES);
	CHECK(r.sq != MAP_FAILED && r.cq != MAP_FAILED && r.sqes != MAP_FAILED);
	return r;
}

static uint32_t *at(uint8_t *ring, uint32_t offset)
{
	return (uint32_t *)(void *)(ring + offset);
}

/* Submits the first nr entries and waits for them; how many moved all their bytes. */
static int ring_all(struct ring *r, int nr)
{
	uint32_t tail = *at(r->sq, r->p.sq_off.tail), mask = *at(r->sq, r->p.sq_off.ring_mask);
	const struct io_uring_cqe *cqes = (const void *)(r->cq + r->p.cq_off.cqes);
	int good = 0;

	for (int i = 0; i < nr; i++, tail++)
		at(r->sq, r->p.sq_off.array)[tail & mask] = i;
	atomic_store((_Atomic uint32_t *)at(r->sq, r->p.sq_off.tail), tail);
	if (syscall(SYS_io_uring_enter, r->fd, nr, nr, IORING_ENTER_GETEVENTS, NULL, 0) != nr)
		return -1;
	uint32_t head = *at(r->cq, r->p.cq_off.head);
	uint32_t end = atomic_load((_Atomic uint32_t *)at(r->cq, r->p.cq_off.tail));
	for (; head != end; head++) {
		const struct io_uring_cqe *c = &cqes[head & *at(r->cq, r->p.cq_off.ring_mask)];

		good += c->res >= 0 && (uint32_t)c->res == c->user_data;
	}
	atomic_store((_Atomic uint32_t *)at(r->cq, r->p.cq_off.head), head);
	return good;
}

static void ring_with(struct ring *r, int fd)
{
	enum { PIECE = 8192 };
	uint8_t *w = room(DEPTH * PIECE), *got = room(DEPTH * PIECE);

	fill(w, DEPTH * PIECE, 8);
	for (int i = 0; i < DEPTH; i++)
		r->sqes[i] = (struct io_uring_sqe){
			.opcode = IORING_OP_WRITE, .fd = fd, .addr = (uintptr_t)(w + i * PIECE),
			.len = PIECE, .off = (uint64_t)i * PIECE, .user_data = PIECE,
		};
	CHECK(ring_all(r, DEPTH) == DEPTH);
	for (int i = 0; i < DEPTH; i++) {
		r->sqes[i].opcode = IORING_OP_READ;
		r->sqes[i].addr = (uintptr_t)(got + i * PIECE);
	}
	CHECK(ring_all(r, DEPTH) == DEPTH);
	CHECK(memcmp(w, got, DEPTH * PIECE) == 0);
	r->sqes[0] = (struct io_uring_sqe){ .opcode = IORING_OP_FSYNC, .fd = fd };
	r->sqes[1] = (struct io_uring_sqe){ .opcode = IORING_OP_FALLOCATE, .fd = fd,
					    .addr = 4096, .off = DEPTH * PIECE };
	CHECK(ring_all(r, 2) == 2);
	CHECK(lseek(fd, 0, SEEK_END) == DEPTH * PIECE + 4096);
	free(w);
	free(got);
}

static void uring(void)
{
	struct ring r = ring_new();
	int fd = open_direct("f", O_CREAT);

	ring_with(&r, fd);
	OK(close(fd));
	fd = open("g", O_RDWR | O_CREAT, 0600);
	ring_with(&r, fd);
	OK(close(fd));
	OK(close(r.fd));
}

const struct posix_case posix_cases[] = {
	POSIX_CASE(alignment_4096), POSIX_CASE(alignment_512), POSIX_CASE(the_end),
	POSIX_CASE(coherent),	    POSIX_CASE(aio),	       POSIX_CASE(uring),
	{ 0 },
};
