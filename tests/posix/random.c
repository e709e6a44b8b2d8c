/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * random - random sequences of changes of one file against a model in memory, through descriptors
 * of all kinds: buffered, O_DIRECT, appending, a mapping, and one that is opened again and again.
 *
 * GF_SEED=NUMBER is another run than that of seed 1; GF_STEPS=NUMBER says how long it is.  A difference is told with the seed
 * and the last steps.
 */
#include "config.h"

#include <inttypes.h>
#include <linux/falloc.h>
#include <stdarg.h>
#include <sys/mman.h>

#include "posix.h"

enum { PAGE = 4096, MAX = 600 * 1024, IO = 200 * 1024, STEPS = 4000, TOLD = 12 };

static uint8_t model[MAX], io[MAX], *aligned;
static size_t model_size;
static uint64_t seed, state, step;
static char told[TOLD][96];
static int fds[3];		/* buffered, direct, appending */
static uint8_t *mapped;

static uint32_t random_below(uint32_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 16) % n;
}

static void tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void tell(const char *fmt, ...)
{
	va_list ap;
	char *line = told[step % TOLD];
	int n = snprintf(line, sizeof told[0], "%" PRIu64 ": ", step);

	va_start(ap, fmt);
	vsnprintf(line + n, sizeof told[0] - n, fmt, ap);
	va_end(ap);
}

static void differs(const char *what, size_t at)
{
	fprintf(stderr, "GF_SEED=%" PRIu64 ": step %" PRIu64 ": %s, at %zu of %zu bytes; errno %d\n",
		seed, step, what, at, model_size, errno);
	for (uint64_t i = step >= TOLD ? step - TOLD + 1 : 0; i <= step; i++)
		fprintf(stderr, "  %s\n", told[i % TOLD]);
	posix_failed(__FILE__, __LINE__, "the file is like the model");
	_exit(1);
}

static void same(const uint8_t *got, size_t at, size_t n, const char *how)
{
	for (size_t i = 0; i < n; i++)
		if (got[i] != model[at + i])
			differs(how, at + i);
}

/* An offset and a length below MAX, now and then on the boundaries of pages. */
static void range(size_t *at, size_t *n, size_t below)
{
	*at = random_below(below);
	*n = 1 + random_below(random_below(4) ? 10000 : IO);
	if (random_below(3) == 0)
		*at &= ~(size_t)(PAGE - 1);
	if (random_below(3) == 0)
		*n = (*n + PAGE - 1) & ~(size_t)(PAGE - 1);
	if (*at + *n > below)
		*n = below - *at;
}

/* What O_DIRECT wants of an ext4. */
static void range_of(int kind, size_t *at, size_t *n)
{
	range(at, n, MAX);
	if (kind != 1)
		return;
	*at &= ~(size_t)(PAGE - 1);
	*n = (*n + PAGE - 1) & ~(size_t)(PAGE - 1);
	if (*at + *n > MAX)
		*n = MAX - *at;
}

static void model_grow(size_t size)
{
	if (size > model_size) {
		memset(model + model_size, 0, size - model_size);
		model_size = size;
	}
}

/* ---- steps ---- */

static void do_write(void)
{
	size_t at, n;
	int kind = random_below(3);

	range_of(kind, &at, &n);
	if (kind == 2 && model_size + n > MAX)
		return;
	at = kind == 2 ? model_size : at;
	tell("write by %d: %zu at %zu", kind, n, at);
	fill(aligned, n, (uint32_t)step);
	if (pwrite(fds[kind], aligned, n, kind == 2 ? 0 : at) != (ssize_t)n)
		differs("write", at);
	model_grow(at + n);
	memcpy(model + at, aligned, n);
}

static void do_read(void)
{
	size_t at, n;
	int kind = random_below(3);

	range_of(kind, &at, &n);
	tell("read by %d: %zu at %zu", kind, n, at);
	size_t there = at >= model_size ? 0 : model_size - at < n ? model_size - at : n;
	ssize_t got = pread(fds[kind], aligned, n, at);
	if (got != (ssize_t)there)
		differs("read: other length", at + (got > 0 ? got : 0));
	same(aligned, at, there, "read");
}

static void do_map_write(void)
{
	size_t at, n;

	if (model_size == 0)
		return;
	range(&at, &n, model_size);
	tell("write by the mapping: %zu at %zu", n, at);
	fill(mapped + at, n, (uint32_t)step);
	memcpy(model + at, mapped + at, n);
}

static void do_map_read(void)
{
	size_t at, n;

	if (model_size == 0)
		return;
	range(&at, &n, model_size);
	tell("read by the mapping: %zu at %zu", n, at);
	same(mapped + at, at, n, "mapping");
}

static void do_truncate(void)
{
	size_t size = random_below(MAX);

	tell("truncate to %zu", size);
	if (random_below(2) ? ftruncate(fds[0], size) : truncate("f", size))
		differs("truncate", size);
	model_grow(size);
	model_size = size;
}

static void do_fallocate(void)
{
	static const int modes[] = {
		0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_ZERO_RANGE, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
	};
	int mode = modes[random_below(sizeof modes / sizeof modes[0])];
	size_t at, n;

	range(&at, &n, MAX);
	tell("fallocate mode %d: %zu at %zu", mode, n, at);
	if (fallocate(fds[0], mode, at, n) < 0)
		differs("fallocate", at);
	if (!(mode & FALLOC_FL_KEEP_SIZE))
		model_grow(at + n);
	if ((mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) && at < model_size)
		memset(model + at, 0, model_size - at < n ? model_size - at : n);
}

static void do_copy(void)
{
	size_t from, to, n, unused;

	range(&from, &n, MAX);
	range(&to, &unused, MAX);
	if (to + n > MAX || from >= model_size || (from < to + n && to < from + n))
		return;
	if (from + n > model_size)
		n = model_size - from;
	tell("copy %zu from %zu to %zu", n, from, to);
	off_t in = from, out = to;
	size_t left = n;
	while (left) {
		ssize_t m = copy_file_range(fds[0], &in, fds[0], &out, left, 0);

		if (m <= 0)
			differs("copy_file_range", to);
		left -= m;
	}
	model_grow(to + n);
	memmove(model + to, model + from, n);
}

static void open_again(void)
{
	static const int flags[] = { O_RDWR, O_RDWR | O_DIRECT, O_RDWR | O_APPEND };
	int i = random_below(3);

	tell("open %d again", i);
	OK(close(fds[i]));
	fds[i] = open("f", flags[i]);
	if (fds[i] < 0)
		differs("open", 0);
}

static void map_again(void)
{
	tell("map again");
	if (mapped)
		OK(munmap(mapped, MAX));
	mapped = mmap(NULL, MAX, PROT_READ | PROT_WRITE, MAP_SHARED, fds[random_below(2)], 0);
	if (mapped == MAP_FAILED)
		differs("mmap", 0);
}

static void sync_some(void)
{
	tell("sync");
	switch (random_below(4)) {
	case 0: OK(fsync(fds[0])); break;
	case 1: OK(fdatasync(fds[2])); break;
	case 2: OK(msync(mapped, MAX, MS_SYNC)); break;
	case 3: OK(posix_fadvise(fds[0], 0, 0, POSIX_FADV_DONTNEED)); break;
	}
}

static void check_holes(void)
{
	tell("holes");
	size_t from = random_below(MAX);
	off_t data = lseek(fds[0], from, SEEK_DATA);
	size_t end = data < 0 ? model_size : (size_t)data;

	/* What is before the next data is zeroes. */
	if (data < 0 && errno != ENXIO)
		differs("SEEK_DATA", from);
	for (size_t i = from; i < end; i++)
		if (model[i])
			differs("SEEK_DATA passes data by", i);
}

static void check_all(void)
{
	struct stat st;

	tell("check all");
	OK(fstat(fds[0], &st));
	if (st.st_size != (off_t)model_size)
		differs("the size", st.st_size);
	if (pread(fds[0], io, MAX, 0) != (ssize_t)model_size)
		differs("all: other length", 0);
	same(io, 0, model_size, "all");
	if (pread(fds[1], aligned, MAX, 0) != (ssize_t)model_size)
		differs("all, direct: other length", 0);
	same(aligned, 0, model_size, "all, direct");
}

static void one_step(void)
{
	static void (*const steps[])(void) = {
		do_write,    do_write,	   do_write,	do_write,     do_read,	 do_read,
		do_read,     do_map_write, do_map_write, do_map_read, do_truncate, do_fallocate,
		do_fallocate, do_copy,	   open_again,	map_again,    sync_some, check_holes,
		check_all,
	};

	steps[random_below(sizeof steps / sizeof steps[0])]();
}

static uint64_t number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static void one_file(void)
{
	uint64_t steps = number("GF_STEPS", STEPS);

	seed = number("GF_SEED", 1);
	state = seed * 0x9e3779b97f4a7c15u | 1;
	CHECK(posix_memalign((void **)&aligned, PAGE, MAX) == 0);
	fds[0] = open("f", O_RDWR | O_CREAT, 0600);
	fds[1] = open("f", O_RDWR | O_DIRECT);
	fds[2] = open("f", O_RDWR | O_APPEND);
	CHECK(fds[0] >= 0 && fds[2] >= 0);
	if (fds[1] < 0)
		posix_skip("no O_DIRECT here");
	map_again();
	for (step = 0; step < steps; step++)
		one_step();
	check_all();
}

/* ---- several processes in one file, each with records of its own between those of the others ---- */

enum { PROCESSES = 4, RECORD = 1500, RECORDS = 60, ROUNDS = 600 };

static size_t record_at(int who, int i)
{
	return (size_t)(i * PROCESSES + who) * RECORD;
}

static void put_record(size_t at, const uint8_t *bytes)
{
	if (random_below(2))
		memcpy(mapped + at, bytes, RECORD);
	else if (pwrite(fds[0], bytes, RECORD, at) != RECORD)
		differs("write of a record", at);
}

/* Through the page cache, past it, or in the mapping: into *ret_bytes. */
static void get_record(size_t at, const uint8_t **ret_bytes)
{
	size_t page = at & ~(size_t)(PAGE - 1);

	*ret_bytes = io;
	switch (random_below(3)) {
	case 0:
		*ret_bytes = mapped + at;
		break;
	case 1:
		if (pread(fds[0], io, RECORD, at) != RECORD)
			differs("read of a record", at);
		break;
	case 2:
		if (pread(fds[1], aligned, 2 * PAGE, page) < (ssize_t)(at - page + RECORD))
			differs("direct read of a record", at);
		*ret_bytes = aligned + (at - page);
		break;
	}
}

static void one_process(int who)
{
	uint32_t written[RECORDS] = { 0 };

	state = (seed + who) * 0x9e3779b97f4a7c15u | 1;
	for (step = 1; step <= ROUNDS; step++) {
		int i = random_below(RECORDS);
		size_t at = record_at(who, i);
		const uint8_t *got;

		tell("record %d, written in step %u", i, written[i]);
		if (written[i]) {
			fill(model, RECORD, written[i] * PROCESSES + who);
			get_record(at, &got);
			if (memcmp(got, model, RECORD) != 0)
				differs("a record", at);
		}
		written[i] = step;
		fill(model, RECORD, step * PROCESSES + who);
		put_record(at, model);
		if (random_below(50) == 0)
			OK(msync(mapped, MAX, MS_SYNC));
	}
	for (int i = 0; i < RECORDS; i++) {
		fill(model, RECORD, written[i] * PROCESSES + who);
		if (written[i] && (pread(fds[0], io, RECORD, record_at(who, i)) != RECORD ||
				   memcmp(io, model, RECORD) != 0))
			differs("a record in the end", record_at(who, i));
	}
}

static void one_file_for_many(void)
{
	seed = number("GF_SEED", 1);
	CHECK(posix_memalign((void **)&aligned, PAGE, MAX) == 0);
	fds[0] = open("f", O_RDWR | O_CREAT, 0600);
	fds[1] = open("f", O_RDWR | O_DIRECT);
	CHECK(fds[0] >= 0);
	if (fds[1] < 0)
		posix_skip("no O_DIRECT here");
	OK(ftruncate(fds[0], MAX));
	mapped = mmap(NULL, MAX, PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0);
	CHECK(mapped != MAP_FAILED);
	as_processes(PROCESSES, one_process);
}

const struct posix_case posix_cases[] = {
	{ .name = "one_file", .run = one_file, .limit_s = 24 * 3600 },
	POSIX_CASE(one_file_for_many), { 0 },
};
