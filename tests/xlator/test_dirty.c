/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The set of what bricks lack: what is acknowledged is there after every kind of end. */
#include "config.h"

#include <dirent.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "replica-dirty.h"
/* thousands of syncs, on a disk that others use too */
#define UNIT_TIMEOUT_S 240
#include "../unit/unit.h"
#undef fail

enum { WAIT_MS = 60000, BRICKS = 3 };

/* ---- the disk ---- */

static atomic_int nr_syncs, fail_syncs, fail_writes;	/* the next ones fail */

ssize_t __real_pwrite(int fd, const void *p, size_t n, off_t at);
ssize_t __wrap_pwrite(int fd, const void *p, size_t n, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *p, size_t n, off_t at);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

ssize_t __wrap_pwrite(int fd, const void *p, size_t n, off_t at)
{
	if (!fail_writes)
		return __real_pwrite(fd, p, n, at);
	fail_writes--;
	ck_assert_int_eq(__real_pwrite(fd, p, n / 2, at), (ssize_t)n / 2);
	errno = ENOSPC;
	return -1;
}

ssize_t __wrap_pwrite64(int fd, const void *p, size_t n, off_t at)
{
	return __wrap_pwrite(fd, p, n, at);
}

int __wrap_fdatasync(int fd)
{
	nr_syncs++;
	if (!fail_syncs)
		return __real_fdatasync(fd);
	fail_syncs--;
	errno = EIO;
	return -1;
}

/* ---- a set in a directory of its own ---- */

static struct loop *loop;
static struct pool *pool;
static char dir[4096], error[DIRTY_ERROR];
static int dirfd_;
static struct dirty *d;
static uint64_t rewrite_at;		/* 0: the default */

static void open_it(void)
{
	ck_assert_msg(dirty_open(dirfd_, "dirty", loop, pool, &d, error) == 0, "%s", error);
	if (rewrite_at)
		dirty_set_rewrite(d, rewrite_at);
}

static void up(uint64_t seed)
{
	unit_temporary(dir, sizeof dir, "dirty");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY);
	ck_assert_int_ge(dirfd_, 0);
	loop = seed ? loop_new_sim(seed) : loop_new();
	pool = pool_new(loop, "test", 2);
	open_it();
}

static void settle(void)
{
	const bool never = false;

	dirty_stop(d);
	while (!dirty_idle(d))
		loop_run_until(loop, &never, 1);
}

static void reopen(void)
{
	settle();
	dirty_close(d);
	open_it();
}

static void down(void)
{
	DIR *all;

	if (d)
		settle();
	dirty_close(d);
	d = NULL;
	rewrite_at = 0;
	pool_free(pool);
	loop_free(loop);
	buf_trim();
	all = fdopendir(dirfd_);
	for (struct dirent *e; (e = readdir(all)); )
		if (e->d_name[0] != '.')
			unlinkat(dirfd(all), e->d_name, 0);
	closedir(all);
	ck_assert_int_eq(rmdir(dir), 0);
}

#define TEST(name) \
	static void name##_body(uint64_t seed); \
	START_TEST(name) \
	{ \
		for (uint64_t seed = 0; seed < 4; seed++) { \
			up(seed); \
			name##_body(seed); \
			down(); \
		} \
	} \
	END_TEST \
	static void name##_body(uint64_t seed)

/* ---- items ---- */

static struct item name_item(unsigned n)
{
	struct item i = { .kind = ITEM_NAME, .gfid = { .b = { 7, (uint8_t)(n >> 8), (uint8_t)n } } };

	i.name_len = (uint8_t)snprintf(i.name, sizeof i.name, "%.*sfile-%u", (int)(n % 40),
				       "a name that is longer than others are, by far", n);
	return i;
}

static struct item meta_item(unsigned n)
{
	struct item i = { .kind = ITEM_META, .chunk = ITEM_NOT_CUT };

	memcpy(i.gfid.b + 4, &n, sizeof n);
	i.gfid.b[0] = 8;
	return i;
}

static struct item data_item(unsigned n, uint16_t blocks)
{
	struct item i = { .kind = ITEM_DATA, .gfid = { .b = { 9, (uint8_t)n } }, .chunk = n / 3, .blocks = blocks };

	return i;
}

static struct item any_item(unsigned n, uint64_t random)
{
	if (n % 3 == 0)
		return name_item(n);
	return n % 3 == 1 ? meta_item(n) : data_item(n, (uint16_t)(1u << random % 16));
}

/* ---- marking ---- */

struct told {
	bool done;
	int ret;
	uint64_t log_bytes;
};

static void on_done(void *arg, int ret)
{
	struct told *t = arg;

	ck_assert(!t->done);
	*t = (struct told){ .done = true, .ret = ret, .log_bytes = ret ? 0 : dirty_stats(d).log_bytes };
}

/* 1, 0: it was waited for; or -errno */
static int mark(const struct item *i, uint32_t mask)
{
	struct told t = { 0 };
	int ret = dirty_mark(d, i, 1, mask, on_done, &t);

	if (ret)
		return ret;
	ck_assert(!t.done);
	ck_assert_int_eq(loop_run_until(loop, &t.done, WAIT_MS), 0);
	return t.ret;
}

struct found {
	uint32_t nr;
	struct item item[64];
	uint64_t generation[64];
};

static void on_item(void *arg, const struct item *i, uint64_t generation)
{
	struct found *f = arg;

	ck_assert_uint_lt(f->nr, 64);
	f->item[f->nr] = *i;
	f->generation[f->nr++] = generation;
}

static struct found list(int brick, uint64_t *cursor, uint32_t most)
{
	struct found f = { 0 };

	ck_assert_uint_eq(dirty_list(d, brick, cursor, most, on_item, &f), f.nr);
	return f;
}

static uint64_t generation_of(int brick, const struct item *i)
{
	struct gfid hash = item_hash(i), h;

	for (uint64_t cursor = 0; ; ) {
		struct found f = list(brick, &cursor, 64);

		for (uint32_t n = 0; n < f.nr; n++) {
			h = item_hash(&f.item[n]);
			if (gfid_equal(&h, &hash))
				return f.generation[n];
		}
		if (!cursor)
			return 0;
	}
}

static uint32_t lacking(const struct item *i)
{
	struct gfid hash = item_hash(i);

	return dirty_lacking(d, &hash);
}

static bool mended(int brick, const struct item *i, uint64_t generation)
{
	struct gfid hash = item_hash(i);

	return dirty_mended(d, brick, &hash, generation);
}

/* ---- tests ---- */

TEST(marks_survive)
{
	struct item n = name_item(5), m = meta_item(6), a = data_item(7, 3), b = data_item(7, 4), cut = m;
	uint64_t cursor = 0;
	struct told t = { 0 };
	struct found f;

	ck_assert_int_eq(mark(&n, 1), 0);
	ck_assert_int_eq(mark(&m, 3), 0);
	ck_assert_int_eq(mark(&a, 2), 0);
	ck_assert_int_eq(mark(&b, 2), 0);
	ck_assert_uint_eq(dirty_count(d, 0), 2);
	ck_assert_uint_eq(dirty_count(d, 1), 2);
	ck_assert_uint_eq(dirty_bytes(d, 1), 3 * ITEM_BLOCK);
	/* known and safe: no system call */
	nr_syncs = 0;
	ck_assert_int_eq(mark(&a, 2), 1);
	ck_assert_int_eq(mark(&n, 1), 1);
	ck_assert_int_eq(mark(&m, 2), 1);
	ck_assert_int_eq(nr_syncs, 0);
	cut.chunk = 17;
	ck_assert_int_eq(mark(&cut, 1), 0);	/* more than that was known */
	ck_assert_int_eq(mark(&cut, 2), 1);
	ck_assert_int_eq(mark(&a, 1), 0);	/* another brick */
	for (int i = 0; i < 2; i++) {
		ck_assert_uint_eq(lacking(&n), 1);
		ck_assert_uint_eq(lacking(&m), 3);
		ck_assert_uint_eq(lacking(&a), 3);
		cursor = 0;
		f = list(1, &cursor, 64);
		ck_assert(f.nr == 2 && !cursor);
		ck_assert(f.item[0].kind == ITEM_META && f.item[0].chunk == 17);
		ck_assert(f.item[1].kind == ITEM_DATA && f.item[1].blocks == 7 && f.item[1].chunk == 2);
		f = list(0, &cursor, 64);
		ck_assert(f.nr == 3 && f.item[0].kind == ITEM_NAME && strcmp(f.item[0].name, n.name) == 0);
		ck_assert_uint_eq(dirty_bytes(d, 1), 3 * ITEM_BLOCK);
		cursor = 0;
		reopen();
	}
	ck_assert_int_eq(mark(&b, 3), 1);
	ck_assert_int_eq(dirty_everything(d, 4, on_done, &t), 0);
	settle();
	ck_assert_uint_eq(dirty_count(d, 2), 1);
}

/* What was marked again after the generation was read stays [R_DGEN]. */
TEST(generations)
{
	struct item n = name_item(1), a = data_item(2, 1);
	uint64_t g;

	mark(&n, 3);
	mark(&a, 1);
	g = generation_of(0, &n);
	ck_assert_int_eq(mark(&n, 1), 1);
	ck_assert(!mended(0, &n, g));
	ck_assert_uint_ne(generation_of(0, &n), g);
	ck_assert(!mended(2, &n, generation_of(0, &n)));
	ck_assert(mended(0, &n, generation_of(0, &n)));
	ck_assert_uint_eq(lacking(&n), 2);
	ck_assert(!mended(0, &n, generation_of(1, &n)));
	ck_assert_uint_eq(dirty_count(d, 0), 1);
	g = generation_of(0, &a);
	reopen();				/* generations from before a restart mean nothing */
	ck_assert_uint_eq(lacking(&n), 2);
	ck_assert_uint_ne(generation_of(0, &a), g);
	ck_assert(!mended(0, &a, g));
	ck_assert(mended(1, &n, generation_of(1, &n)));
	ck_assert_uint_eq(dirty_stats(d).items, 1);
	/* mended and marked again: it is news again */
	ck_assert_int_eq(mark(&n, 2), 0);
	mark(&n, 1);
	dirty_forget(d, 1);
	ck_assert_uint_eq(lacking(&n), 1);
	reopen();
	ck_assert_uint_eq(lacking(&n), 1);
	ck_assert_uint_eq(dirty_count(d, 1), 0);
}

TEST(group_commit)
{
	enum { NR = 1000 };
	static struct told t[NR], again;
	struct item item = meta_item(3);

	memset(t, 0, sizeof t);
	memset(&again, 0, sizeof again);
	nr_syncs = 0;
	for (unsigned n = 0; n < NR; n++) {
		item = meta_item(n);
		ck_assert_int_eq(dirty_mark(d, &item, 1, 1, on_done, &t[n]), 0);
	}
	item = meta_item(0);		/* it is under way, and not safe yet */
	ck_assert_int_eq(dirty_mark(d, &item, 1, 1, on_done, &again), 0);
	ck_assert(!t[0].done && !again.done);
	ck_assert_int_eq(loop_run_until(loop, &again.done, WAIT_MS), 0);
	ck_assert_int_eq(loop_run_until(loop, &t[NR - 1].done, WAIT_MS), 0);
	for (unsigned n = 0; n < NR; n++)
		ck_assert(t[n].done && t[n].ret == 0);
	ck_assert_int_eq(nr_syncs, 2);
	ck_assert_uint_eq(dirty_stats(d).batches, 2);
	ck_assert_int_eq(mark(&item, 1), 1);
}

/* Pages, while items go and come. */
TEST(pages)
{
	enum { NR = 1000 };
	static bool seen[2 * NR];
	struct item item;
	uint64_t cursor = 0;
	unsigned nr_pages = 0, nr = 0;

	memset(seen, 0, sizeof seen);
	for (unsigned n = 0; n < NR; n++) {
		item = meta_item(n);
		dirty_mark(d, &item, 1, n % 2 ? 2 : 3, on_done, &(struct told){ 0 });
		settle();
	}
	do {
		struct found f = list(0, &cursor, 16);

		nr_pages++;
		nr += f.nr;
		for (uint32_t i = 0; i < f.nr; i++) {
			unsigned n;

			memcpy(&n, f.item[i].gfid.b + 4, sizeof n);
			ck_assert_uint_lt(n, 2 * NR);
			ck_assert(n >= NR || n % 2 == 0);
			seen[n] = true;
			if (n % 4 == 0)
				ck_assert(mended(0, &f.item[i], f.generation[i]));
		}
		if (nr_pages < 20) {
			item = meta_item(NR + nr_pages);
			ck_assert_int_eq(mark(&item, 1), 0);
			item = meta_item(NR - 2 * nr_pages);	/* gone before it is seen */
			mended(0, &item, generation_of(0, &item));
		}
	} while (cursor);
	for (unsigned n = 0; n < NR; n += 2)
		ck_assert(seen[n] == (n < NR - 38));
	for (unsigned n = 1; n < 20; n++)
		ck_assert(seen[NR + n]);
	ck_assert_uint_eq(dirty_count(d, 1), NR);
	ck_assert_uint_eq(nr, NR / 2 - 19 + 19);
}

/* At random against a model; the log is written anew all the time, the disk fails now and then. */
enum { MODEL = 120 };
struct model {
	uint32_t mask;
	uint16_t blocks;
};

static void compare(const struct model *m)
{
	for (int b = 0; b < BRICKS; b++) {
		uint64_t cursor = 0, nr = 0, bytes = 0;

		for (unsigned n = 0; n < MODEL; n++) {
			nr += m[n].mask >> b & 1;
			bytes += m[n].mask >> b & 1 ? (uint64_t)__builtin_popcount(m[n].blocks) * ITEM_BLOCK : 0;
		}
		ck_assert_uint_eq(dirty_count(d, b), nr);
		ck_assert_uint_eq(dirty_bytes(d, b), bytes);
		do
			nr -= list(b, &cursor, 50).nr;
		while (cursor);
		ck_assert_uint_eq(nr, 0);
	}
	for (unsigned n = 0; n < MODEL; n++) {
		struct item i = any_item(n, 0);

		ck_assert_uint_eq(lacking(&i), m[n].mask);
	}
}

TEST(at_random)
{
	enum { STEPS = 6000 };
	static struct told t[STEPS];
	struct model m[MODEL] = { 0 };
	uint64_t x = seed * 77 + 1, rewrites = 0, failed = 0;

	memset(t, 0, sizeof t);
	log_threshold = LOG_NONE_;
	rewrite_at = 4000;
	dirty_set_rewrite(d, rewrite_at);
	for (int s = 0; s < STEPS; s++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		unsigned n = (x >> 33) % MODEL;
		int b = (int)((x >> 20) % BRICKS);
		struct item i = any_item(n, x >> 40);

		switch ((x >> 55) % 16) {
		case 0: case 1: case 2: case 3: case 4: case 5: {
			int ret = dirty_mark(d, &i, 1, 1u << b, on_done, &t[s]);

			ck_assert(ret != 1 || (m[n].mask & 1u << b && (m[n].blocks & i.blocks) == i.blocks));
			m[n].mask |= 1u << b;
			m[n].blocks |= i.blocks;
			break;
		}
		case 6: case 7: case 8: case 9: case 10: case 11:
			ck_assert(mended(b, &i, generation_of(b, &i)) == (m[n].mask >> b & 1));
			m[n].mask &= ~(1u << b);
			break;
		case 12:
			if (s % 40 == 0) {
				dirty_forget(d, b);
				for (unsigned k = 0; k < MODEL; k++)
					m[k].mask &= ~(1u << b);
			}
			break;
		case 13:
			ck_assert_int_eq(loop_run_until(loop, &(bool){ false }, 1), -ETIMEDOUT);
			break;
		case 14:
			if (s % 10 == 0)
				*((x >> 60) % 2 ? &fail_syncs : &fail_writes) = 1;
			break;
		case 15:
			if (s % 20)
				break;
			compare(m);
			rewrites += dirty_stats(d).rewrites;
			settle();
			fail_syncs = fail_writes = 0;
			reopen();
			compare(m);
		}
		for (unsigned k = 0; k < MODEL; k++)
			if (!m[k].mask)
				m[k].blocks = 0;
	}
	settle();
	for (int s = 0; s < STEPS; s++)
		failed += t[s].done && t[s].ret < 0;
	fail_syncs = fail_writes = 0;
	if (seed) {			/* otherwise it depends on how fast the disk is */
		ck_assert_uint_gt(rewrites, 5);
		ck_assert_uint_gt(failed, 0);
	}
	compare(m);
}

/* ---- kills ---- */

static uint8_t *read_log(size_t *size)
{
	struct stat st;
	int fd = openat(dirfd_, "dirty", O_RDONLY);
	uint8_t *p;

	ck_assert_int_eq(fstat(fd, &st), 0);
	*size = (size_t)st.st_size;
	p = malloc(*size);
	ck_assert_int_eq(pread(fd, p, *size, 0), st.st_size);
	close(fd);
	return p;
}

static void write_log(const uint8_t *p, size_t size)
{
	int fd = openat(dirfd_, "dirty", O_WRONLY | O_TRUNC);

	ck_assert_int_eq(write(fd, p, size), (ssize_t)size);
	close(fd);
}

/* The log ends at each of its bytes, or there is garbage from there on: what was acknowledged before is there. */
START_TEST(killed_at_every_byte)
{
	enum { NR = 30 };
	struct told t[NR] = { 0 };
	size_t size;
	uint8_t *log, *torn;

	up(1);
	for (unsigned n = 0; n < NR; n++) {
		struct item i = any_item(n, n);

		ck_assert_int_eq(dirty_mark(d, &i, 1, 1u << n % BRICKS, on_done, &t[n]), 0);
		if (n % 4 == 0)
			ck_assert_int_eq(loop_run_until(loop, &t[n].done, WAIT_MS), 0);
	}
	settle();
	dirty_close(d);
	log = read_log(&size);
	torn = malloc(size);
	for (size_t at = 0; at <= size; at++)
		for (int garbage = 0; garbage < 2; garbage++) {
			memcpy(torn, log, size);
			memset(torn + at, 0x5a, size - at);
			write_log(torn, garbage ? size : at);
			log_threshold = LOG_NONE_;	/* before 16 bytes there is no log: it was made with them */
			open_it();
			for (unsigned n = 0; n < NR; n++) {
				struct item i = any_item(n, n);

				if (t[n].log_bytes <= at)
					ck_assert_uint_eq(lacking(&i), 1u << n % BRICKS);
			}
			ck_assert_uint_eq(dirty_stats(d).log_bytes <= size, 1);
			ck_assert(dirty_lacking(d, &gfid_none) == (at < 16 ? 0xffffu : 0));
			/* and it goes on from there */
			struct item i = meta_item(99);
			if (at % 5 == 0) {
				ck_assert_int_eq(mark(&i, 1), 0);
				reopen();
				ck_assert_uint_eq(lacking(&i), 1);
			}
			settle();
			dirty_close(d);
		}
	free(torn);
	free(log);
	d = NULL;
	down();
}
END_TEST

/* A byte in the middle is another one: what is behind it was acknowledged, so everybody may lack everything. */
TEST(damaged)
{
	size_t size;
	uint8_t *log;
	struct item i;
	unsigned nr_everything = 0;

	for (unsigned n = 0; n < 40; n++) {
		i = name_item(n);
		ck_assert_int_eq(mark(&i, 1), 0);
	}
	log_threshold = LOG_NONE_;
	settle();
	dirty_close(d);
	log = read_log(&size);
	for (size_t at = 0; at < size; at += 13) {
		log[at] ^= 0x10;
		write_log(log, size);
		log[at] ^= 0x10;
		for (int again = 0; again < 2; again++) {	/* and it stays so */
			open_it();
			bool everything = dirty_lacking(d, &gfid_none) != 0, all = dirty_count(d, 0) - everything == 40;
			nr_everything += everything;
			/* only the last batch may be a torn one */
			ck_assert_msg(everything || all || (at > size - 100 && dirty_count(d, 0) == 39),
				      "byte %zu of %zu", at, size);
			settle();
			dirty_close(d);
		}
	}
	ck_assert_uint_gt(nr_everything, 100);
	free(log);
	open_it();
}

/* A kill while the log is written anew: the old one counts, what is left of the new one goes. */
TEST(killed_while_rewriting)
{
	struct item i;
	int nr = 0;

	rewrite_at = 2000;
	dirty_set_rewrite(d, rewrite_at);
	for (unsigned n = 0; n < 200; n++) {
		i = name_item(n);
		ck_assert_int_ge(mark(&i, 1), 0);
		if (n >= 5)
			mended(0, &i, generation_of(0, &i));
		/* what a kill now would leave */
		size_t size;
		uint8_t *log = read_log(&size);
		int fd = openat(dirfd_, "copy", O_WRONLY | O_CREAT | O_TRUNC, 0600);
		struct dirty *copy;

		ck_assert_int_eq(write(fd, log, size), (ssize_t)size);
		close(fd);
		free(log);
		if (faccessat(dirfd_, "dirty.new", F_OK, 0) == 0) {
			fd = openat(dirfd_, "copy.new", O_WRONLY | O_CREAT | O_TRUNC, 0600);
			ck_assert_int_eq(write(fd, "half", 4), 4);
			close(fd);
			nr++;
		}
		ck_assert_int_eq(dirty_open(dirfd_, "copy", loop, pool, &copy, error), 0);
		ck_assert_int_eq(faccessat(dirfd_, "copy.new", F_OK, 0), -1);
		for (unsigned k = 0; k < 5 && k <= n; k++) {
			struct item kept = name_item(k);
			struct gfid hash = item_hash(&kept);

			ck_assert_uint_eq(dirty_lacking(copy, &hash), 1);
		}
		dirty_close(copy);
	}
	ck_assert_uint_gt(dirty_stats(d).rewrites, 2);
	settle();
	ck_assert_uint_eq(dirty_count(d, 0), 5);
}

TEST(failing_disk)
{
	struct item a = meta_item(1), b = meta_item(2);

	log_threshold = LOG_NONE_;
	for (int sync = 0; sync < 2; sync++) {
		*(sync ? &fail_syncs : &fail_writes) = 2;
		ck_assert_int_eq(mark(&a, 1u << sync), sync ? -EIO : -ENOSPC);
		/* it is known, and not safe: nobody is told that it is */
		ck_assert_int_eq(mark(&a, 1u << sync), sync ? -EIO : -ENOSPC);
		/* the next one writes both */
		ck_assert_int_eq(mark(&b, 1u << sync), 0);
		ck_assert_int_eq(mark(&a, 1u << sync), 1);
		reopen();
		ck_assert_uint_eq(lacking(&a), sync ? 3 : 1);
		ck_assert_uint_eq(lacking(&b), sync ? 3 : 1);
	}
}

/* Too many: what comes is "everything", which takes the place of what the brick lacked before. */
TEST(a_full_set)
{
	struct item i, all = { .kind = ITEM_ALL };
	uint64_t g;

	dirty_set_most(d, 10);
	for (unsigned n = 0; n < 20; n++) {
		i = meta_item(n);
		ck_assert_int_ge(mark(&i, 1 + n % 2), 0);
	}
	for (int again = 0; again < 2; again++) {
		ck_assert_uint_eq(dirty_stats(d).items, 7);
		ck_assert_uint_eq(dirty_count(d, 0), 5);
		ck_assert_uint_eq(dirty_count(d, 1), 3);
		ck_assert_uint_eq(dirty_lacking(d, &gfid_none), 3);
		reopen();
	}
	g = generation_of(0, &all);
	ck_assert_int_ge(mark(&all, 1), 0);	/* again, and the rest is part of it */
	ck_assert(!mended(0, &all, g));
	for (int again = 0; again < 2; again++) {
		ck_assert_uint_eq(dirty_count(d, 0), 1);
		ck_assert_uint_eq(dirty_count(d, 1), 3);
		reopen();
	}
	i = meta_item(40);
	ck_assert_int_eq(mark(&i, 1), 0);	/* it comes later, so it is beside it */
	ck_assert_uint_eq(dirty_count(d, 0), 2);
	ck_assert(mended(0, &all, generation_of(0, &all)));
	reopen();
	ck_assert_uint_eq(dirty_lacking(d, &gfid_none), 2);
	ck_assert_uint_eq(lacking(&i), 1);
	/* below a directory only: an item like others */
	i = (struct item){ .kind = ITEM_ALL, .gfid = { .b = { 3 } } };
	ck_assert_int_eq(mark(&i, 4), 0);
	ck_assert_uint_eq(dirty_lacking(d, &gfid_none), 2);
	ck_assert_uint_eq(lacking(&i), 4);
}

static void on_any(void *arg, int ret)
{
}

/* What cannot be noted because the disk fails for too long is part of "everything", as soon as that can be noted. */
TEST(too_much_in_arrears)
{
	struct item i = name_item(1);
	int ret = 0;

	log_threshold = LOG_NONE_;
	fail_writes = 1 << 30;
	for (unsigned n = 0; ret >= 0 && n < 4000000; n++) {
		i.gfid.b[12] = (uint8_t)n;
		i.gfid.b[13] = (uint8_t)(n >> 8);
		i.gfid.b[14] = (uint8_t)(n >> 16);
		ret = dirty_mark(d, &i, 1, 1, on_any, NULL);
	}
	ck_assert_int_lt(ret, 0);
	ck_assert_int_lt(dirty_mark(d, &i, 1, 2, on_any, NULL), 0);
	ck_assert_uint_eq(dirty_count(d, 1), 1);
	fail_writes = 0;
	do
		ck_assert_int_eq(loop_run_until(loop, &(bool){ false }, 1), -ETIMEDOUT);
	while ((ret = dirty_mark(d, &i, 1, 4, on_any, NULL)) < 0);
	ck_assert_uint_eq(dirty_lacking(d, &gfid_none) & 3, 3);
	reopen();
	ck_assert_uint_eq(dirty_lacking(d, &gfid_none) & 3, 3);
	ck_assert_uint_eq(dirty_count(d, 0), 1);
}

TEST(closed_while_busy)
{
	struct item i = meta_item(1);
	struct told t = { 0 };

	ck_assert_int_eq(dirty_mark(d, &i, 1, 1, on_done, &t), 0);
	dirty_close(d);
	d = NULL;
	pool_free(pool);
	ck_assert(t.ret == -ECANCELED);
	pool = pool_new(loop, "test", 2);
	open_it();
	ck_assert_uint_eq(lacking(&i), 1);
	dirty_close(NULL);
}

/* ---- a million ---- */

enum { MILLION = 1000000, GROUP = 1000 };
static uint64_t nr_listed, nr_acknowledged;
static struct gfid *hashes;
static uint64_t *generation_list;
static bool all_acknowledged;

static void on_listed(void *arg, const struct item *i, uint64_t generation)
{
	ck_assert_uint_lt(nr_listed, MILLION);
	hashes[nr_listed] = item_hash(i);
	generation_list[nr_listed++] = generation;
}

static void on_acknowledged(void *arg, int ret)
{
	ck_assert_int_eq(ret, 0);
	all_acknowledged = ++nr_acknowledged == MILLION / 4;
}

/* Of the processor, workers too: others may be busy with theirs. */
static uint64_t clock_us(void)
{
	return (uint64_t)clock() * 1000000 / CLOCKS_PER_SEC;
}

/* A new file with a name: its name, its attributes, its data; and another object. */
static void file_items(unsigned n, struct item items[4])
{
	items[0] = (struct item){ .kind = ITEM_NAME, .gfid = { .b = { 3 } } };
	items[0].name_len = (uint8_t)snprintf(items[0].name, sizeof items[0].name, "file-%08u.txt", n);
	items[1] = meta_item(2 * n);
	items[2] = items[1];
	items[2].kind = ITEM_DATA;
	items[2].chunk = 0;
	items[2].blocks = 1;
	items[3] = meta_item(2 * n + 1);
}

static void mark_million(uint64_t *slowest)
{
	for (unsigned n = 0; n < MILLION / 4; n++) {
		struct item items[4];
		uint64_t t = clock_us();

		file_items(n, items);
		ck_assert_int_eq(dirty_mark(d, items, 4, 1, on_acknowledged, NULL), 0);
		t = clock_us() - t;
		*slowest = t > *slowest ? t : *slowest;
		if (n % GROUP == 0)
			loop_run_until(loop, &all_acknowledged, 0);
	}
	ck_assert_int_eq(loop_run_until(loop, &all_acknowledged, WAIT_MS), 0);
}

START_TEST(a_million)
{
	uint64_t t, cursor = 0, slowest = 0;
	size_t memory;

	up(0);
	memory = mallinfo2().uordblks + mallinfo2().hblkhd;
	t = clock_us();
	mark_million(&slowest);
	printf("a million items: marked in %llu ms of CPU (the slowest call %llu us), %llu syncs, ",
	       (unsigned long long)(clock_us() - t) / 1000, (unsigned long long)slowest,
	       (unsigned long long)dirty_stats(d).syncs);
	memory = mallinfo2().uordblks + mallinfo2().hblkhd - memory;
	printf("%zu bytes of memory and %llu of the log each\n", memory / MILLION,
	       (unsigned long long)dirty_stats(d).log_bytes / MILLION);
	ck_assert_uint_eq(dirty_count(d, 0), MILLION);
	t = clock_us();
	reopen();
	printf("opened again in %llu ms; ", (unsigned long long)(clock_us() - t) / 1000);
	hashes = calloc(MILLION, sizeof *hashes);
	generation_list = calloc(MILLION, sizeof *generation_list);
	t = clock_us();
	do
		dirty_list(d, 0, &cursor, 256, on_listed, NULL);
	while (cursor);
	printf("listed in %llu ms; ", (unsigned long long)(clock_us() - t) / 1000);
	ck_assert_uint_eq(nr_listed, MILLION);
	t = clock_us();
	slowest = 0;
	for (size_t n = 0; n < MILLION; n++) {
		uint64_t u = clock_us();

		ck_assert(dirty_mended(d, 0, &hashes[n], generation_list[n]));
		u = clock_us() - u;
		slowest = u > slowest ? u : slowest;
		if (n % GROUP == 0)
			loop_run_until(loop, &(bool){ false }, 0);
	}
	printf("mended in %llu ms (the slowest call %llu us), %llu times written anew\n",
	       (unsigned long long)(clock_us() - t) / 1000, (unsigned long long)slowest,
	       (unsigned long long)dirty_stats(d).rewrites);
	ck_assert_uint_eq(dirty_stats(d).items, 0);
	reopen();
	ck_assert_uint_eq(dirty_stats(d).items, 0);
	free(hashes);
	free(generation_list);
	down();
}
END_TEST

UNIT_MAIN("dirty", marks_survive, generations, group_commit, pages, at_random, killed_at_every_byte, damaged,
	  killed_while_rewriting, failing_disk, a_full_set, too_much_in_arrears, closed_while_busy, a_million)
