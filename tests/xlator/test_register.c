/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The view register: what is on the disk after every kind of end, and the rules of an acceptor. */
#include "config.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "replica-acceptor.h"
#include "../unit/unit.h"
#undef fail

enum { WAIT_MS = 30000, SLOT = 4096 };

/* ---- the disk ---- */

static int fail_writes;			/* the next ones fail, after half of the bytes */
static int fail_syncs;
static int nr_syncs;

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
	errno = EIO;
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

/* ---- a register in a directory of its own ---- */

static struct loop *loop;
static struct pool *pool;
static char dir[4096], boot_file[4200];
static int dirfd_;
static struct register_file *r;
static char error[REGISTER_ERROR];

static void boot(unsigned n)
{
	FILE *f = fopen(boot_file, "w");

	ck_assert_ptr_nonnull(f);
	fprintf(f, "%08x-0000-4000-8000-000000000000\n", n);
	fclose(f);
}

static void up(uint64_t seed)
{
	unit_temporary(dir, sizeof dir, "register");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(boot_file, sizeof boot_file, "%s/boot", dir);
	boot(1);
	setenv("GLUSTERFS_BOOT_ID", boot_file, 1);
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY);
	ck_assert_int_ge(dirfd_, 0);
	loop = seed ? loop_new_sim(seed) : loop_new();
	pool = pool_new(loop, "test", 2);
}

static int try_open(void)
{
	return register_open(dirfd_, loop, pool, &r, error);
}

static void reopen(bool clean)
{
	register_close(r, clean);
	ck_assert_msg(try_open() == 0, "%s", error);
}

static void down(void)
{
	DIR *d;

	register_close(r, true);
	r = NULL;
	pool_free(pool);
	loop_free(loop);
	buf_trim();
	d = fdopendir(dirfd_);
	for (struct dirent *e; (e = readdir(d)); )
		if (e->d_name[0] != '.')
			unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
	ck_assert_int_eq(rmdir(dir), 0);
}

static void file_bytes(int slot, uint8_t bytes[SLOT], bool write_it)
{
	int fd = openat(dirfd_, "register", O_RDWR);
	off_t at = (off_t)slot * SLOT;

	ck_assert_int_ge(fd, 0);
	if (write_it)
		ck_assert_int_eq(__real_pwrite(fd, bytes, SLOT, at), SLOT);
	else
		ck_assert_int_eq(pread(fd, bytes, SLOT, at), SLOT);
	close(fd);
}

/* ---- answers ---- */

struct told {
	bool done;
	int ret, order;
	struct repl_promise p;
	struct repl_ballot durable;	/* promised on the disk when the answer came */
};
static int nr_told;

static void on_answer(void *arg, int ret, const struct repl_promise *p)
{
	struct told *t = arg;

	ck_assert(!t->done);
	*t = (struct told){ .done = true, .ret = ret, .order = ++nr_told, .durable = register_get(r)->promised };
	if (p)
		t->p = *p;
}

static void on_put(void *arg, int ret)
{
	on_answer(arg, ret, NULL);
}

static void wait_for(struct told *t)
{
	ck_assert_int_eq(loop_run_until(loop, &t->done, WAIT_MS), 0);
}

static struct told prepare(uint64_t round, uint64_t client)
{
	struct told t = { 0 };

	register_prepare(r, (struct repl_ballot){ round, client }, on_answer, &t);
	wait_for(&t);
	return t;
}

static struct told accept_(uint64_t round, uint64_t client, const struct view *v)
{
	struct told t = { 0 };

	register_accept(r, (struct repl_ballot){ round, client }, v, on_answer, &t);
	wait_for(&t);
	return t;
}

static int install(const struct view *v)
{
	struct told t = { 0 };

	register_install(r, v, on_put, &t);
	wait_for(&t);
	return t.ret;
}

static struct view first_view(void)
{
	struct view v = { .set = { .b = { 9 } }, .number = 1, .id = 77, .nr_bricks = 3 };

	for (int i = 0; i < 3; i++)
		v.brick[i] = (struct view_brick){ .id = { .b = { 1, (uint8_t)i } }, .incarnation = 5, .role = VIEW_FULL };
	return v;
}

static bool same_view(const struct view *a, const struct view *b)
{
	return memcmp(a, b, sizeof *a) == 0;
}

#define BALLOT_IS(b, r_, c_) ck_assert((b).round == (r_) && (b).client == (c_))

/* Each test on the real loop and on simulated ones. */
#define TEST(name) \
	static void name##_body(void); \
	START_TEST(name) \
	{ \
		for (uint64_t seed = 0; seed < 4; seed++) { \
			up(seed); \
			name##_body(); \
			down(); \
		} \
	} \
	END_TEST \
	static void name##_body(void)

TEST(new_one)
{
	struct register_state s;
	struct register_file *other;

	ck_assert_int_eq(try_open(), 0);
	s = *register_get(r);
	ck_assert(!gfid_is_none(&s.brick) && s.incarnation && !s.clean && !s.promised.round && !s.view.number);
	ck_assert_int_eq(register_open(dirfd_, loop, pool, &other, error), -EBUSY);
	ck_assert_ptr_null(other);
	ck_assert_ptr_nonnull(strstr(error, "in use"));
	reopen(false);
	ck_assert(memcmp(&s, register_get(r), sizeof s) == 0);
	ck_assert_int_eq(faccessat(dirfd_, "register.new", F_OK, 0), -1);
}

TEST(incarnations)
{
	uint64_t first;
	struct gfid brick;

	ck_assert_int_eq(try_open(), 0);
	first = register_get(r)->incarnation;
	brick = register_get(r)->brick;
	reopen(false);				/* the process was killed */
	ck_assert_uint_eq(register_get(r)->incarnation, first);
	register_close(r, true);		/* a planned stop of the host */
	boot(2);
	ck_assert_int_eq(try_open(), 0);
	ck_assert_uint_eq(register_get(r)->incarnation, first);
	ck_assert(!register_get(r)->clean);
	register_close(r, false);		/* a power loss */
	boot(3);
	ck_assert_int_eq(try_open(), 0);
	ck_assert_uint_ne(register_get(r)->incarnation, first);
	ck_assert(gfid_equal(&register_get(r)->brick, &brick));
	/* stopped cleanly, started, killed, power loss: the clean stop does not count any more */
	first = register_get(r)->incarnation;
	reopen(true);
	reopen(false);
	register_close(r, false);
	boot(4);
	ck_assert_int_eq(try_open(), 0);
	ck_assert_uint_ne(register_get(r)->incarnation, first);
}

TEST(no_boot_id)
{
	ck_assert_int_eq(truncate(boot_file, 0), 0);
	ck_assert_int_eq(try_open(), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error, boot_file));
	ck_assert_int_eq(unlink(boot_file), 0);
	ck_assert_int_eq(try_open(), -ENOENT);
	boot(1);
	ck_assert_int_eq(try_open(), 0);
}

TEST(promises)
{
	struct view v = first_view(), w = view_after(&v, 5);
	struct told t;
	uint64_t writes;

	ck_assert_int_eq(try_open(), 0);
	t = prepare(2, 10);
	ck_assert(t.ret == 0 && t.p.ok && !t.p.accepted.round && !t.p.view.number);
	BALLOT_IS(t.durable, 2, 10);
	t = prepare(2, 9);
	ck_assert(t.ret == 0 && !t.p.ok);
	BALLOT_IS(t.p.promised, 2, 10);
	t = prepare(1, 99);
	ck_assert(!t.p.ok);
	writes = register_writes(r);
	t = prepare(2, 10);			/* once more */
	ck_assert(t.p.ok);
	ck_assert_uint_eq(register_writes(r), writes);
	t = accept_(2, 9, &v);
	ck_assert(t.ret == 0 && !t.p.ok && !t.p.view.number);
	t = accept_(2, 10, &v);
	ck_assert(t.p.ok && same_view(&t.p.view, &v));
	writes = register_writes(r);
	t = accept_(2, 10, &v);
	ck_assert(t.p.ok);
	ck_assert_uint_eq(register_writes(r), writes);
	ck_assert_int_eq(accept_(2, 10, &w).ret, -EINVAL);
	t = prepare(3, 1);
	ck_assert(t.p.ok && same_view(&t.p.view, &v));
	BALLOT_IS(t.p.accepted, 2, 10);
	ck_assert(!accept_(2, 10, &v).p.ok);	/* too late, even the same */
	t = accept_(7, 7, &w);			/* an accept without a promise is one too */
	ck_assert(t.p.ok);
	BALLOT_IS(t.p.promised, 7, 7);
	reopen(false);
	t = prepare(7, 6);
	ck_assert(!t.p.ok && same_view(&t.p.view, &w));
	BALLOT_IS(t.p.promised, 7, 7);
	BALLOT_IS(t.p.accepted, 7, 7);
	ck_assert_int_eq(prepare(0, 1).ret, -EINVAL);
	ck_assert_int_eq(accept_(9, 1, &(struct view){ 0 }).ret, -EINVAL);
}

TEST(installs)
{
	struct view v[40], fork, foreign;
	struct told t;

	v[1] = first_view();
	for (int i = 2; i < 40; i++)
		v[i] = view_after(&v[i - 1], (uint32_t)i * 3);
	ck_assert_int_eq(try_open(), 0);
	ck_assert_int_eq(install(&v[2]), 0);
	ck_assert_int_eq(install(&v[2]), 0);
	ck_assert_int_eq(install(&v[1]), -ESTALE);
	fork = view_after(&v[1], 1234);
	ck_assert_int_eq(install(&fork), -EEXIST);
	fork = view_after(&fork, 1235);
	ck_assert_int_eq(install(&fork), -EEXIST);
	foreign = v[3];
	foreign.set.b[0]++;
	ck_assert_int_eq(install(&foreign), -EINVAL);
	ck_assert_int_eq(accept_(1, 1, &foreign).ret, -EINVAL);
	ck_assert_int_eq(install(&v[5]), 0);
	ck_assert_int_eq(install(&v[3]), -ESTALE);
	ck_assert_int_eq(install(&v[39]), 0);	/* more ancestors than it remembers */
	ck_assert_int_eq(install(&v[6]), -ESTALE);
	/* who knows of a newer view than it accepted says so [R_KNOWS] */
	t = accept_(4, 4, &v[30]);
	ck_assert(t.p.ok && same_view(&t.p.view, &v[39]));
	BALLOT_IS(t.p.accepted, 4, 4);
	fork = view_after(&v[39], 8);
	t = accept_(5, 4, &fork);
	ck_assert(same_view(&t.p.view, &fork));
	reopen(false);
	ck_assert(same_view(&register_get(r)->installed, &v[39]));
	ck_assert(same_view(&register_get(r)->view, &fork));
}

/* What comes while a write is under way goes with the next one, all of it; answers in order, each after its state. */
TEST(many_at_once)
{
	enum { NR = 200 };
	static struct told t[NR];
	struct view v = first_view();
	uint64_t writes;

	memset(t, 0, sizeof t);
	nr_told = 0;
	ck_assert_int_eq(try_open(), 0);
	writes = register_writes(r);
	nr_syncs = 0;
	for (int i = 0; i < NR; i++) {
		if (i == NR / 2)
			register_install(r, &v, on_put, &t[i]);
		else
			register_prepare(r, (struct repl_ballot){ 1 + i % 150, 1 }, on_answer, &t[i]);
		ck_assert(!t[i].done);		/* a refusal waits too */
	}
	ck_assert(!register_idle(r));
	ck_assert_uint_eq(register_get(r)->promised.round, 0);
	ck_assert_uint_eq(register_newest(r)->promised.round, 150);
	wait_for(&t[NR - 1]);
	ck_assert(register_idle(r));
	ck_assert_uint_eq(register_writes(r) - writes, 2);
	ck_assert_int_eq(nr_syncs, 2);
	for (int i = 0; i < NR; i++) {
		ck_assert(t[i].done && t[i].ret == 0 && t[i].order == i + 1);
		if (i != NR / 2) {
			ck_assert(t[i].p.ok == (i < 150));
			ck_assert_uint_ge(t[i].durable.round, t[i].p.promised.round);
		}
	}
	ck_assert(same_view(&register_get(r)->installed, &v));
}

/* A kill in the middle of a write, at every byte: the state is the one before or the one after. */
TEST(torn)
{
	static uint8_t before[2][SLOT], after[2][SLOT], mixed[SLOT];
	int changed = -1, nr_old = 0, nr_new = 0;

	ck_assert_int_eq(try_open(), 0);
	prepare(1, 1);
	prepare(2, 1);
	for (int i = 0; i < 2; i++)
		file_bytes(i, before[i], false);
	prepare(3, 1);
	register_close(r, false);
	for (int i = 0; i < 2; i++) {
		file_bytes(i, after[i], false);
		if (memcmp(before[i], after[i], SLOT) != 0) {
			ck_assert_int_eq(changed, -1);
			changed = i;
		}
	}
	ck_assert_int_ge(changed, 0);
	for (size_t n = 0; n <= SLOT; n += n < 160 || n >= SLOT - 64 ? 1 : 32) {
		memcpy(mixed, after[changed], n);
		memcpy(mixed + n, before[changed] + n, SLOT - n);
		file_bytes(changed, mixed, true);
		ck_assert_msg(try_open() == 0, "%zu bytes: %s", n, error);
		uint64_t round = register_get(r)->promised.round;
		ck_assert(round == 2 || round == 3);
		nr_old += round == 2;
		nr_new += round == 3;
		ck_assert(n < SLOT || round == 3);
		/* and it can go on from there */
		ck_assert(prepare(4, 1).p.ok);
		reopen(false);
		ck_assert_uint_eq(register_get(r)->promised.round, 4);
		register_close(r, false);
		for (int i = 0; i < 2; i++)
			file_bytes(i, before[i], true);
	}
	ck_assert(nr_old > 100 && nr_new >= 1);
	ck_assert_int_eq(try_open(), 0);
}

TEST(damaged)
{
	uint8_t zeros[SLOT] = { 0 };
	int fd;

	ck_assert_int_eq(try_open(), 0);
	prepare(1, 1);
	register_close(r, false);
	file_bytes(0, zeros, true);
	ck_assert_int_eq(try_open(), 0);
	register_close(r, false);
	file_bytes(1, zeros, true);
	ck_assert_int_eq(try_open(), -EUCLEAN);
	ck_assert_ptr_null(r);
	ck_assert_ptr_nonnull(strstr(error, "damaged"));
	fd = openat(dirfd_, "register", O_RDWR | O_TRUNC);
	close(fd);
	ck_assert_int_eq(try_open(), -EUCLEAN);
	/* not there: a new one; a making that was interrupted does not matter */
	ck_assert_int_eq(unlinkat(dirfd_, "register", 0), 0);
	fd = openat(dirfd_, "register.new", O_RDWR | O_CREAT, 0600);
	ck_assert_int_eq(write(fd, zeros, 100), 100);
	close(fd);
	ck_assert_int_eq(try_open(), 0);
	ck_assert_uint_eq(register_get(r)->promised.round, 0);
}

/* A disk that fails: nothing is promised, the old state stays, and it goes on when the disk does. */
TEST(failing_disk)
{
	struct told a = { 0 }, b = { 0 }, t;

	log_threshold = LOG_NONE_;
	ck_assert_int_eq(try_open(), 0);
	prepare(1, 1);
	for (int sync = 0; sync < 2; sync++) {
		if (sync)
			fail_syncs = 3;
		else
			fail_writes = 3;
		for (int i = 0; i < 3; i++) {
			ck_assert_int_eq(prepare(5, 5).ret, -EIO);
			ck_assert_uint_eq(register_get(r)->promised.round, 1);
			ck_assert_uint_eq(register_newest(r)->promised.round, 1);
		}
		reopen(false);		/* what was written and not synced may be there */
		ck_assert_uint_eq(register_get(r)->promised.round, sync ? 5 : 1);
	}
	t = prepare(6, 1);
	ck_assert(t.ret == 0 && t.p.ok);
	/* the one under way fails, the next one has both */
	fail_syncs = 1;
	register_prepare(r, (struct repl_ballot){ 7, 1 }, on_answer, &a);
	register_prepare(r, (struct repl_ballot){ 8, 1 }, on_answer, &b);
	wait_for(&a);
	wait_for(&b);
	ck_assert(a.ret == -EIO && b.ret == 0 && b.p.ok);
	reopen(false);
	ck_assert_uint_eq(register_get(r)->promised.round, 8);
}

/* The owner goes while a write is under way: who waits hears of it at once, and nothing is touched that is gone. */
TEST(closed_while_busy)
{
	struct told a = { 0 }, b = { 0 };

	ck_assert_int_eq(try_open(), 0);
	register_prepare(r, (struct repl_ballot){ 7, 1 }, on_answer, &a);
	register_prepare(r, (struct repl_ballot){ 8, 1 }, on_answer, &b);
	register_close(r, true);
	pool_free(pool);
	ck_assert(a.ret == -ECANCELED && b.ret == -ECANCELED);
	pool = pool_new(loop, "test", 2);
	ck_assert_int_eq(try_open(), 0);
	ck_assert_uint_eq(register_get(r)->promised.round, 7);
	register_close(NULL, true);
}

UNIT_MAIN("register", new_one, incarnations, no_boot_id, promises, installs, many_at_once, torn, damaged,
	  failing_disk, closed_while_busy)
