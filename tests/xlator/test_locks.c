/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * features/posix-locks: the rules (locks.c) as tables and against a model with a byte per byte,
 * then the translator in a graph.
 */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>

#include "script.h"
#include "../../xlators/features/posix-locks/locks.h"

extern const struct xlator_export glusterfs_xlator;

#define END UINT64_MAX

static struct lock_account account;	/* without limits but where a test sets some */

static struct held_lock by(uint64_t owner, uint32_t type, uint64_t start, uint64_t end)
{
	return (struct held_lock){
		.client = owner / 100,
		.lock = { .owner = owner, .type = type, .start = start, .end = end }
	};
}

static struct held_lock flock_by(uint64_t owner, uint32_t type)
{
	struct held_lock l = by(owner, type, 0, END);

	l.lock.kind = LK_FLOCK;
	return l;
}

static int set(struct lock_table *t, uint64_t owner, uint32_t type, uint64_t start, uint64_t end)
{
	struct held_lock l = by(owner, type, start, end);

	ck_assert(type == F_UNLCK || !lock_table_conflict(t, &l));
	return lock_table_set(t, &l);
}

/* All that is held: "1R0-9 2W20-end". */
static const char *text(const struct lock_table *t)
{
	static char out[1024];
	const struct held_lock *h;
	size_t n = 0;

	out[0] = '\0';
	TAILQ_FOREACH(h, &t->held, link) {
		n += (size_t)snprintf(out + n, sizeof out - n, "%s%llu%c%llu-", n ? " " : "",
				      (unsigned long long)h->lock.owner,
				      h->lock.type == F_RDLCK ? 'R' : 'W',
				      (unsigned long long)h->lock.start);
		if (h->lock.end == END)
			n += (size_t)snprintf(out + n, sizeof out - n, "end");
		else
			n += (size_t)snprintf(out + n, sizeof out - n, "%llu",
					      (unsigned long long)h->lock.end);
	}
	return out;
}

/* ---- the rules ---- */

enum { R = F_RDLCK, W = F_WRLCK, U = F_UNLCK };
struct rule {
	struct { uint32_t type; uint64_t start, end; } locks[4];
	int nr;
	const char *held;
};

static const struct rule rules[] = {
	{ { { R, 0, 9 } }, 1, "1R0-9" },
	{ { { R, 0, 9 }, { R, 10, 19 } }, 2, "1R0-19" }, /* touching ones are one */
	{ { { R, 10, 19 }, { R, 0, 9 } }, 2, "1R0-19" },
	{ { { R, 0, 9 }, { R, 11, 19 } }, 2, "1R0-9 1R11-19" },
	{ { { R, 0, 9 }, { W, 10, 19 } }, 2, "1R0-9 1W10-19" },
	{ { { R, 0, 9 }, { R, 20, 29 }, { R, 10, 19 } }, 3, "1R0-29" },
	{ { { R, 0, 9 }, { R, 20, 29 }, { R, 5, 25 } }, 3, "1R0-29" },
	{ { { R, 0, 9 }, { W, 0, 9 } }, 2, "1W0-9" }, /* up */
	{ { { W, 0, 9 }, { R, 0, 9 } }, 2, "1R0-9" }, /* down */
	{ { { R, 0, 9 }, { W, 3, 5 } }, 2, "1R0-2 1W3-5 1R6-9" },
	{ { { W, 0, 9 }, { R, 0, 5 } }, 2, "1R0-5 1W6-9" },
	{ { { W, 0, 9 }, { R, 5, 9 } }, 2, "1W0-4 1R5-9" },
	{ { { R, 0, 9 }, { W, 3, 5 }, { R, 3, 5 } }, 3, "1R0-9" },
	{ { { R, 0, 9 }, { U, 3, 5 } }, 2, "1R0-2 1R6-9" },
	{ { { R, 0, 9 }, { U, 0, 5 } }, 2, "1R6-9" },
	{ { { R, 0, 9 }, { U, 5, 9 } }, 2, "1R0-4" },
	{ { { R, 0, 9 }, { U, 0, 9 } }, 2, "" },
	{ { { R, 5, 9 }, { U, 0, END } }, 2, "" },
	{ { { R, 5, 9 }, { U, 20, 30 } }, 2, "1R5-9" },
	{ { { W, 0, END } }, 1, "1W0-end" },
	{ { { W, 0, END }, { U, 10, END } }, 2, "1W0-9" },
	{ { { W, 0, END }, { U, 10, 19 } }, 2, "1W0-9 1W20-end" },
	{ { { W, 0, END }, { U, 10, 19 }, { W, 10, 19 } }, 3, "1W0-end" },
	{ { { R, 100, END }, { W, 50, 100 } }, 2, "1W50-100 1R101-end" },
	{ { { R, END - 1, END }, { R, 0, END - 2 } }, 2, "1R0-end" },
	{ { { R, END, END }, { W, END, END } }, 2, "1Wend" },
	{ { { R, 0, 0 }, { R, 1, 1 }, { R, 2, 2 }, { U, 1, 1 } }, 4, "1R0-0 1R2-2" },
	{ { { R, 0, 30 }, { W, 5, 9 }, { W, 15, 19 }, { U, 0, 30 } }, 4, "" },
	{ { { R, 0, 30 }, { W, 5, 9 }, { W, 15, 19 }, { R, 7, 17 } },
	  4,
	  "1R0-4 1W5-6 1R7-17 1W18-19 1R20-30" },
};

START_TEST(own_locks)
{
	for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
		struct lock_table *t = lock_table_new(&account);

		for (int k = 0; k < rules[i].nr; k++)
			ck_assert_int_eq(set(t, 1, rules[i].locks[k].type, rules[i].locks[k].start,
					     rules[i].locks[k].end),
					 0);
		const char *held = text(t);
		if (strcmp(rules[i].held, "1Wend") == 0)	/* a lock of the last byte only */
			ck_assert(TAILQ_FIRST(&t->held)->lock.start == END &&
				  !TAILQ_NEXT(TAILQ_FIRST(&t->held), link));
		else
			ck_assert_msg(strcmp(held, rules[i].held) == 0, "rule %zu: %s, not %s", i,
				      held, rules[i].held);
		lock_table_free(t);
	}
}
END_TEST

START_TEST(conflicts)
{
	struct lock_table *t = lock_table_new(&account);
	static const struct {
		uint64_t owner;
		uint32_t type;
		uint64_t start, end;
		uint64_t with;
	} cases[] = {
		{ 2, R, 0, 9, 0 },   { 2, W, 0, 9, 1 },	    { 2, W, 10, 14, 0 },
		{ 2, W, 10, 15, 1 }, { 2, R, 15, 15, 1 },   { 2, R, 19, 30, 1 },
		{ 2, R, 20, 30, 0 }, { 2, W, 5, 5, 1 },	    { 1, W, 0, END, 0 },
		{ 2, R, 0, END, 1 }, { 101, R, 15, 15, 1 }, { 101, R, 0, 9, 0 },
	};

	ck_assert_int_eq(set(t, 1, R, 0, 9), 0);
	ck_assert_int_eq(set(t, 1, W, 15, 19), 0);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct held_lock l =
			by(cases[i].owner, cases[i].type, cases[i].start, cases[i].end);
		const struct held_lock *h = lock_table_conflict(t, &l);

		ck_assert_msg((h ? h->lock.owner : 0) == cases[i].with, "case %zu", i);
	}
	/* The two kinds do not see each other; nor is an owner of the same number on another client
	 * the same. */
	struct held_lock f = flock_by(2, W), other = by(1, W, 0, END);
	other.client = 9;
	ck_assert_ptr_null(lock_table_conflict(t, &f));
	ck_assert_ptr_nonnull(lock_table_conflict(t, &other));
	ck_assert_int_eq(lock_table_set(t, &f), 0);
	f = flock_by(3, R);
	ck_assert_ptr_nonnull(lock_table_conflict(t, &f));
	f = flock_by(2, R);
	ck_assert_int_eq(lock_table_set(t, &f), 0);
	f = flock_by(3, R);
	ck_assert_ptr_null(lock_table_conflict(t, &f));
	lock_table_free(t);
}
END_TEST

START_TEST(dropping)
{
	struct lock_table *t = lock_table_new(&account);
	struct fd a, b;
	struct held_lock l = by(1, R, 0, 9);

	l.fd = &a;
	lock_table_set(t, &l);
	l = by(2, R, 5, 9);
	l.fd = &b;
	lock_table_set(t, &l);
	l = flock_by(1, R);
	l.fd = &a;
	lock_table_set(t, &l);
	lock_table_drop_owner(t, 0, 1);			/* not the flock */
	ck_assert_str_eq(text(t), "1R0-end 2R5-9");
	lock_table_drop_owner(t, 7, 2);			/* another client's 2 */
	ck_assert_str_eq(text(t), "1R0-end 2R5-9");
	lock_table_drop_fd(t, &a);
	ck_assert_str_eq(text(t), "2R5-9");
	lock_table_drop_fd(t, &b);
	ck_assert_str_eq(text(t), "");
	lock_table_free(t);
	lock_table_free(NULL);
}
END_TEST

/* ---- waiting ---- */

static struct waiting all = TAILQ_HEAD_INITIALIZER(all);

static int wait_lock(struct lock_table *t, uint64_t owner, uint32_t type, uint64_t start,
		     uint64_t end)
{
	struct held_lock l = by(owner, type, start, end);
	struct waiting ready = TAILQ_HEAD_INITIALIZER(ready);
	struct lock_request *r;

	ck_assert(lock_table_conflict(t, &l) || lock_table_must_queue(t, &l, &all));
	int err = lock_request_new(t, &l, true, &all, &r);
	if (!err)
		lock_request_hurry(r, &all, &ready);
	while ((r = TAILQ_FIRST(&ready))) {
		TAILQ_REMOVE(&ready, r, link);
		free(r);
	}
	return err;
}

/* Grants; the owners in order, as digits. */
static const char *granted(struct lock_table *t)
{
	static char out[64];
	struct waiting ready = TAILQ_HEAD_INITIALIZER(ready);
	size_t n = 0;

	lock_table_grant(t, &all, &ready);
	for (struct lock_request *r; (r = TAILQ_FIRST(&ready)); ) {
		out[n++] = (char)('0' + r->want.lock.owner);
		ck_assert_int_eq(r->error, 0);
		TAILQ_REMOVE(&ready, r, link);
		free(r);
	}
	out[n] = '\0';
	return out;
}

START_TEST(in_the_order_they_came)
{
	struct lock_table *t = lock_table_new(&account);

	set(t, 1, W, 0, 99);
	wait_lock(t, 2, R, 0, 9);
	wait_lock(t, 3, W, 0, 9);
	wait_lock(t, 4, R, 0, 9);
	wait_lock(t, 5, R, 50, 59);
	ck_assert_str_eq(granted(t), "");
	set(t, 1, U, 0, 99);
	ck_assert_str_eq(granted(t), "25");		/* 4 is behind 3 */
	struct held_lock late = by(6, R, 5, 5);
	ck_assert(lock_table_must_queue(t, &late, &all));	/* readers do not starve a writer */
	late = by(2, R, 5, 20);
	/* who is there already does not wait for those behind him */
	ck_assert(!lock_table_must_queue(t, &late, &all));
	set(t, 2, U, 0, 9);
	ck_assert_str_eq(granted(t), "3");
	set(t, 3, R, 0, 9);				/* weaker: lets 4 in */
	ck_assert_str_eq(granted(t), "4");
	lock_table_free(t);
}
END_TEST

START_TEST(too_many)
{
	account = (struct lock_account){ .max_per_file = 3, .max_per_client = 4, .max_in_all = 6 };
	struct lock_table *t = lock_table_new(&account), *u = lock_table_new(&account);

	set(t, 1, W, 0, 0);				/* of client 0 */
	set(t, 1, W, 2, 2);
	set(t, 2, W, 4, 4);
	ck_assert_int_eq(set(t, 1, W, 6, 6), -ENOLCK);	/* of the file */
	ck_assert_int_eq(set(t, 101, W, 6, 6), -ENOLCK);
	ck_assert_int_eq(set(t, 1, R, 2, 2), 0);	/* not one more */
	ck_assert_int_eq(set(u, 1, W, 0, 0), 0);
	ck_assert_int_eq(set(u, 2, W, 2, 2), -ENOLCK);	/* of the client */
	ck_assert_int_eq(set(u, 101, W, 2, 2), 0);
	ck_assert_int_eq(set(u, 101, W, 10, 19), 0);
	ck_assert_uint_eq(account.nr, 6);
	struct lock_table *v = lock_table_new(&account);
	ck_assert_int_eq(set(v, 201, W, 0, 0), -ENOLCK);	/* of all */
	ck_assert_int_eq(set(u, 101, U, 12, 13), 0);	/* giving back never fails */
	ck_assert_uint_eq(account.nr, 7);
	ck_assert_int_eq(wait_lock(t, 101, W, 0, 0), 0);	/* for its turn: ENOLCK then */
	set(t, 1, U, 0, 0);
	struct waiting ready = TAILQ_HEAD_INITIALIZER(ready);
	lock_table_grant(t, &all, &ready);
	struct lock_request *r = TAILQ_FIRST(&ready);
	ck_assert_int_eq(r->error, -ENOLCK);
	free(r);
	lock_table_drop_owner(u, 1, 101);
	ck_assert_int_eq(set(v, 201, W, 0, 0), 0);
	lock_table_free(t);
	lock_table_free(u);
	lock_table_free(v);
	ck_assert_uint_eq(account.nr, 0);
	ck_assert(LIST_EMPTY(&account.clients));
	account = (struct lock_account){ 0 };
}
END_TEST

START_TEST(deadlocks)
{
	struct lock_table *t = lock_table_new(&account), *u = lock_table_new(&account);

	set(t, 1, R, 0, 9);				/* both want more */
	set(t, 2, R, 0, 9);
	ck_assert_int_eq(wait_lock(t, 1, W, 0, 9), 0);
	ck_assert_int_eq(wait_lock(t, 2, W, 0, 9), -EDEADLK);
	set(t, 2, U, 0, 9);
	ck_assert_str_eq(granted(t), "1");
	set(t, 1, U, 0, 9);

	set(t, 1, W, 0, 0);				/* three in a ring, over two files */
	set(t, 2, W, 1, 1);
	set(u, 3, W, 0, 0);
	ck_assert_int_eq(wait_lock(t, 1, W, 1, 1), 0);
	ck_assert_int_eq(wait_lock(u, 2, R, 0, 5), 0);
	ck_assert_int_eq(wait_lock(t, 3, R, 0, 0), -EDEADLK);
	ck_assert_int_eq(wait_lock(t, 4, R, 0, 0), 0);	/* a tail is none */
	set(u, 3, U, 0, 0);
	ck_assert_str_eq(granted(u), "2");
	set(t, 2, U, 0, END);
	ck_assert_str_eq(granted(t), "1");
	set(t, 1, U, 0, END);
	ck_assert_str_eq(granted(t), "4");
	lock_table_free(t);
	lock_table_free(u);
}
END_TEST

/* Nothing is in the way of 3 but the order; 1, whom 4 waits for, waits for 3. */
START_TEST(no_deadlock_by_order)
{
	for (int first = 0; first < 2; first++) {
		struct lock_table *t = lock_table_new(&account), *u = lock_table_new(&account);

		set(t, 1, R, 0, 9);
		set(u, 3, W, 0, 0);
		ck_assert_int_eq(wait_lock(t, 4, W, 0, 9), 0);
		struct held_lock l = by(3, R, 0, 9);
		if (first) {
			ck_assert(lock_table_must_queue(t, &l, &all));
			ck_assert_int_eq(wait_lock(t, 3, R, 0, 9), 0);
			ck_assert_int_eq(wait_lock(u, 1, W, 0, 0), 0);	/* lets 3 past 4 */
		} else {
			ck_assert_int_eq(wait_lock(u, 1, W, 0, 0), 0);
			ck_assert(!lock_table_must_queue(t, &l, &all));
			lock_table_set(t, &l);
		}
		ck_assert_str_eq(text(t), "1R0-9 3R0-9");
		set(u, 3, U, 0, 0);
		ck_assert_str_eq(granted(u), "1");
		set(t, 3, U, 0, 9);
		set(t, 1, U, 0, 9);
		ck_assert_str_eq(granted(t), "4");
		lock_table_free(t);
		lock_table_free(u);
	}
}
END_TEST

/* Many who share, each waiting for many who share: every way through them is not walked. */
START_TEST(looking_for_a_deadlock_is_quick)
{
	enum { LEVELS = 12, WIDTH = 10 };
	struct lock_table *t[LEVELS + 1];

	for (int l = 0; l <= LEVELS; l++)
		t[l] = lock_table_new(&account);
	for (uint64_t l = 0; l <= LEVELS; l++)
		for (uint64_t i = 0; i < WIDTH; i++)
			set(t[l], 1 + l * WIDTH + i, R, 0, 0);
	for (uint64_t l = 0; l < LEVELS; l++)
		for (uint64_t i = 0; i < WIDTH; i++)
			ck_assert_int_eq(wait_lock(t[l + 1], 1 + l * WIDTH + i, W, 0, 0), 0);
	ck_assert_int_eq(wait_lock(t[0], 1 + LEVELS * WIDTH, W, 0, 0), -EDEADLK);
	for (struct lock_request *r; (r = TAILQ_FIRST(&all)); )
		lock_request_cancel(r, &all);
	for (int l = 0; l <= LEVELS; l++)
		lock_table_free(t[l]);
}
END_TEST

/* ---- at random, against a model with a byte per byte ---- */

enum { BYTES = 24, HOLDERS = 6, TABLES = 2 };	/* the last byte stands for all behind it */
static uint8_t model[TABLES][2][HOLDERS][BYTES];	/* 0 none, 1 R, 2 W */
static uint64_t dice;

static uint32_t roll(uint32_t n)
{
	dice = dice * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(dice >> 33) % n;
}

static struct held_lock random_lock(uint32_t holder)
{
	uint64_t a = roll(BYTES), b = roll(BYTES);
	struct held_lock l = by(holder, (uint32_t[]){ F_RDLCK, F_WRLCK, F_UNLCK }[roll(3)],
				a < b ? a : b, a < b ? b : a);

	l.lock.kind = roll(4) ? LK_POSIX : LK_FLOCK;
	if (l.lock.end == BYTES - 1)
		l.lock.end = END;
	l.client = holder % 2;
	return l;
}

static uint64_t last_byte(const struct lock *l)
{
	return l->end == END ? BYTES - 1 : l->end;
}

static bool model_conflict(int t, const struct held_lock *l)
{
	for (uint32_t h = 0; h < HOLDERS; h++)
		for (uint64_t i = l->lock.start; h != l->lock.owner && i <= last_byte(&l->lock);
		     i++)
			if (model[t][l->lock.kind][h][i] == 2 ||
			    (model[t][l->lock.kind][h][i] && l->lock.type == F_WRLCK))
				return true;
	return false;
}

static void model_set(int t, const struct held_lock *l)
{
	uint8_t v = l->lock.type == F_UNLCK ? 0 : l->lock.type == F_RDLCK ? 1 : 2;

	memset(&model[t][l->lock.kind][l->lock.owner][l->lock.start], v,
	       last_byte(&l->lock) - l->lock.start + 1);
}

static void compare(int nr, const struct lock_table *t, uint64_t seed)
{
	uint8_t seen[2][HOLDERS][BYTES] = { 0 };
	const struct held_lock *h, *g;

	TAILQ_FOREACH(h, &t->held, link) {
		for (uint64_t i = h->lock.start; i <= last_byte(&h->lock); i++) {
			/* (ck_assert() writes to a pipe each time) */
			if (seen[h->lock.kind][h->lock.owner][i])
				ck_abort_msg("seed %llu: own locks overlap",
					     (unsigned long long)seed);
			seen[h->lock.kind][h->lock.owner][i] = h->lock.type == F_RDLCK ? 1 : 2;
		}
		TAILQ_FOREACH(g, &t->held, link)	/* touching ones are one */
		if (g != h && g->lock.kind == h->lock.kind && g->lock.owner == h->lock.owner &&
		    g->lock.type == h->lock.type && h->lock.end != END &&
		    h->lock.end + 1 == g->lock.start)
			ck_abort_msg("seed %llu: two that touch", (unsigned long long)seed);
		g = TAILQ_NEXT(h, link);
		if (g && g->lock.start < h->lock.start)
			ck_abort_msg("seed %llu: not in order", (unsigned long long)seed);
	}
	if (memcmp(seen, model[nr], sizeof seen) != 0)
		ck_abort_msg("seed %llu: not as the model", (unsigned long long)seed);
}

static void take_ready(struct lock_table *const *tables, struct waiting *ready, bool *waits)
{
	for (struct lock_request *r; (r = TAILQ_FIRST(ready)); ) {
		int nr = r->table == tables[1];

		ck_assert(!model_conflict(nr, &r->want));
		model_set(nr, &r->want);
		waits[r->want.lock.owner] = false;
		TAILQ_REMOVE(ready, r, link);
		free(r);
	}
}

static void random_request(struct lock_table *const *tables, bool *waits, uint64_t seed)
{
	struct waiting ready = TAILQ_HEAD_INITIALIZER(ready);
	uint32_t holder = roll(HOLDERS), nr = roll(TABLES);
	struct held_lock l = random_lock(holder);
	struct lock_table *t = tables[nr];
	struct lock_request *r;

	if (waits[holder])
		return;
	bool conflict = lock_table_conflict(t, &l);
	ck_assert_msg(l.lock.type == F_UNLCK || conflict == model_conflict((int)nr, &l),
		      "seed %llu: conflict", (unsigned long long)seed);
	if (l.lock.type == F_UNLCK || (!conflict && !lock_table_must_queue(t, &l, &all))) {
		ck_assert_int_eq(lock_table_set(t, &l), 0);
		model_set((int)nr, &l);
		lock_table_grant(t, &all, &ready);
	} else if (l.lock.kind == LK_POSIX && roll(2)) {
		/* (two flocks may wait for each other) */
		int err = lock_request_new(t, &l, true, &all, &r);

		ck_assert(err == 0 || err == -EDEADLK);
		ck_assert(conflict || !err);
		waits[holder] = !err;
		if (!err)
			lock_request_hurry(r, &all, &ready);
	}
	take_ready(tables, &ready, waits);
}

/* Who does not wait gives all back, until nobody waits: else some would have waited for ever. */
static void all_end(struct lock_table *const *tables, bool *waits, uint64_t seed)
{
	for (int round = 0; round <= HOLDERS; round++) {
		for (uint32_t h = 0; h < HOLDERS; h++) {
			for (int nr = 0; nr < TABLES && !waits[h]; nr++) {
				struct waiting ready = TAILQ_HEAD_INITIALIZER(ready);

				for (uint32_t kind = 0; kind < 2; kind++) {
					struct held_lock l = by(h, F_UNLCK, 0, END);

					l.client = h % 2;
					l.lock.kind = kind;
					lock_table_set(tables[nr], &l);
					model_set(nr, &l);
				}
				lock_table_grant(tables[nr], &all, &ready);
				take_ready(tables, &ready, waits);
			}
		}
	}
	ck_assert_msg(TAILQ_EMPTY(&all), "seed %llu: waits for ever", (unsigned long long)seed);
}

START_TEST(as_the_model)
{
	for (uint64_t seed = 1; seed <= 300; seed++) {
		struct lock_table *tables[TABLES] = { lock_table_new(&account), lock_table_new(&account) };
		bool waits[HOLDERS] = { false };

		dice = seed;
		memset(model, 0, sizeof model);
		for (int i = 0; i < 300; i++) {
			random_request(tables, waits, seed);
			for (int nr = 0; nr < TABLES; nr++)
				compare(nr, tables[nr], seed);
		}
		all_end(tables, waits, seed);
		lock_table_free(tables[0]);
		lock_table_free(tables[1]);
	}
}
END_TEST

/* ---- the translator ---- */

static struct rig r;
static struct script *x;
static const struct xlator_type *types[2];

static void up(const char *options)
{
	char volfile[512];

	types[0] = glusterfs_xlator.type;
	rig_types = types;
	snprintf(volfile, sizeof volfile, "volume b0 type test/child end-volume "
		 "volume l type features/posix-locks %s subvolumes b0 end-volume", options);
	bricks_new();
	rig_up(&r, volfile, 1);
	x = script_of(&r, "b0");
}

static struct fd *open_fd(uint8_t n, uint32_t flags)
{
	struct gfid g = { .b = { 1, [15] = n } };
	struct inode *inode = inode_get(r.g->inodes, &g, S_IFREG);
	struct fd *fd = fd_new(inode, flags, false);

	inode_unref(inode);
	return fd;
}

static void lk(struct answer *a, struct fd *fd, uint64_t owner, uint32_t cmd, struct lock lock)
{
	lock.owner = owner;
	lock.pid = (uint32_t)owner + 1000;
	rig_as.client = owner / 100;
	rig_as.lk_owner = owner;
	rig_as.pid = lock.pid;
	rig_call(&r, a, FOP_lk, &(struct lk_args){ .fd = fd, .cmd = cmd, .lock = lock });
}

static int lk_now(struct fd *fd, uint64_t owner, uint32_t cmd, uint32_t type, uint64_t start,
		  uint64_t end)
{
	struct answer a;

	lk(&a, fd, owner, cmd, (struct lock){ .type = type, .start = start, .end = end });
	ck_assert(a.done);
	int ret = a.ret;
	if (cmd == LK_GET)
		ret = a.reply.lk.lock.type == F_UNLCK ? 0 : (int)a.reply.lk.lock.owner;
	answer_drop(&a);
	return ret;
}

START_TEST(get_set_unlock)
{
	up("");
	struct fd *fd = open_fd(1, O_RDWR), *fd2 = open_fd(1, O_RDWR);
	ck_assert_int_eq(lk_now(fd, 1, LK_GET, W, 0, END), 0);
	ck_assert_int_eq(lk_now(fd, 1, LK_SET, W, 0, 9), 0);
	ck_assert_int_eq(lk_now(fd2, 2, LK_GET, R, 5, 5), 1);
	ck_assert_int_eq(lk_now(fd2, 2, LK_GET, R, 10, 20), 0);
	ck_assert_int_eq(lk_now(fd2, 1, LK_GET, W, 0, END), 0);
	ck_assert_int_eq(lk_now(fd2, 2, LK_SET, R, 5, 5), -EAGAIN);
	ck_assert_int_eq(lk_now(fd2, 2, LK_SET, R, 10, 20), 0);
	ck_assert_int_eq(lk_now(fd, 1, LK_SET, U, 0, 5), 0);
	ck_assert_int_eq(lk_now(fd2, 2, LK_SETW, W, 0, 5), 0);
	ck_assert_int_eq(lk_now(fd, 1, LK_SET, W, 9, 3), -EINVAL);
	ck_assert_int_eq(lk_now(fd, 1, 7, W, 0, 3), -EINVAL);
	ck_assert_int_eq(lk_now(fd, 1, LK_SET, 77, 0, 3), -EINVAL);
	ck_assert_uint_eq(x->count[FOP_lk], 0);
	fd_unref(fd);
	fd_unref(fd2);
	rig_down(&r);
}
END_TEST

START_TEST(waiting_and_cancelling)
{
	struct answer a, b, c;

	up("");
	struct fd *fd = open_fd(1, O_RDWR);
	struct lock w = { .type = W, .end = 9 }, any = { .type = R, .end = 9 };
	ck_assert_int_eq(lk_now(fd, 1, LK_SET, W, 0, 9), 0);
	lk(&a, fd, 2, LK_SETW, w);
	lk(&b, fd, 3, LK_SETW, any);
	lk(&c, fd, 4, LK_SETW, any);
	ck_assert(!a.done && !b.done && !c.done);
	ck_assert_int_eq(lk_now(fd, 1, LK_SET, U, 0, 9), 0);
	ck_assert(a.done && a.ret == 0 && !b.done);
	answer_drop(&a);
	call_cancel(b.root);
	ck_assert(b.done && b.ret == -EINTR && !c.done);
	ck_assert_int_eq(lk_now(fd, 2, LK_SET, R, 0, 9), 0);
	ck_assert(c.done && c.ret == 0);
	answer_drop(&c);
	/* Who was behind the one that gives up goes on. */
	lk(&a, fd, 5, LK_SETW, w);
	lk(&b, fd, 6, LK_SETW, any);
	ck_assert(!a.done && !b.done);
	call_cancel(a.root);
	ck_assert(a.ret == -EINTR && b.done && b.ret == 0);
	answer_drop(&b);
	lk(&a, fd, 5, LK_SETW, w);
	fd_unref(fd);			/* held by who waits */
	ck_assert(!a.done);
	call_cancel(a.root);
	ck_assert(a.done && a.ret == -EINTR);
	rig_down(&r);
}
END_TEST

/* The inode may be forgotten with the call that is cancelled. */
START_TEST(cancelled_last_of_its_file)
{
	struct answer a;

	rig_lru_limit = 1;
	up("");
	struct fd *fd = open_fd(1, O_RDWR), *fd2 = open_fd(1, O_RDWR);
	ck_assert_int_eq(lk_now(fd, 1, LK_SET, W, 0, 9), 0);
	lk(&a, fd2, 2, LK_SETW, (struct lock){ .type = W, .end = 9 });
	struct fd *keep = open_fd(2, O_RDWR), *keep2 = open_fd(3, O_RDWR);
	ck_assert_int_eq(lk_now(keep, 1, LK_SET, W, 0, 9), 0);
	ck_assert_int_eq(lk_now(keep2, 1, LK_SET, W, 0, 9), 0);
	fd_unref(fd2);
	inode_table_set_lru_limit(r.g->inodes, 0);
	call_cancel(a.root);
	ck_assert(a.done);
	fd_unref(fd);
	fd_unref(keep);
	fd_unref(keep2);
	rig_down(&r);
}
END_TEST

START_TEST(closing)
{
	struct answer a;

	up("");
	struct fd *fd = open_fd(1, O_RDWR), *fd2 = open_fd(1, O_RDWR);
	ck_assert_int_eq(lk_now(fd, 1, LK_SET, W, 0, 9), 0);
	lk(&a, fd2, 2, LK_SETW, (struct lock){ .type = W, .end = 9 });
	struct answer f;
	rig_as.client = 0;
	x->hold[FOP_flush] = true;
	rig_call(&r, &f, FOP_flush, &(struct flush_args){ .fd = fd, .owner = 1 });
	ck_assert(a.done && a.ret == 0);
	answer_drop(&a);
	script_release(x, FOP_flush, 0);
	answer_drop(&f);
	/* A lost client: its files are dropped, with all locks of any kind. */
	lk(&a, fd, 1, LK_SETW, (struct lock){ .type = W, .end = 9 });
	ck_assert(!a.done);
	ck_assert_int_eq(lk_now(fd2, 2, LK_SET, R, 100, 200), 0);
	fd_unref(fd2);
	ck_assert(a.done && a.ret == 0);
	answer_drop(&a);
	ck_assert_int_eq(lk_now(fd, 1, LK_GET, W, 0, END), 0);
	fd_unref(fd);
	rig_down(&r);
}
END_TEST

START_TEST(flocks)
{
	struct answer a, b;
	struct lock rd = { .type = R, .end = END, .kind = LK_FLOCK },
		    wr = { .type = W, .end = END, .kind = LK_FLOCK };

	up("");
	struct fd *fd = open_fd(1, O_RDWR), *fd2 = open_fd(1, O_RDWR);
	lk(&a, fd, 1, LK_SET, rd);
	answer_drop(&a);
	lk(&a, fd2, 2, LK_SET, rd);
	answer_drop(&a);
	ck_assert_int_eq(lk_now(fd2, 2, LK_SET, W, 0, END), 0);		/* fcntl: another world */
	lk(&a, fd, 1, LK_SET, wr);
	ck_assert(a.done && a.ret == -EAGAIN);
	/* Both want to write: the first gives its read lock up and waits, the second then has
	 * it. */
	lk(&a, fd, 1, LK_SETW, wr);
	ck_assert(!a.done);
	lk(&b, fd2, 2, LK_SETW, wr);
	ck_assert(b.done && !a.done && b.ret == 0);
	answer_drop(&b);
	rig_as.client = 0;
	/* a flock stays */
	rig_call(&r, &b, FOP_flush, &(struct flush_args){ .fd = fd2, .owner = 2 });
	answer_drop(&b);
	ck_assert(!a.done);
	fd_unref(fd2);
	ck_assert(a.done && a.ret == 0);
	answer_drop(&a);
	fd_unref(fd);
	rig_down(&r);
}
END_TEST

START_TEST(deadlock_over_files)
{
	struct answer a;

	up("");
	struct fd *fd = open_fd(1, O_RDWR), *fd2 = open_fd(2, O_RDWR);
	ck_assert_int_eq(lk_now(fd, 1, LK_SET, W, 0, 9), 0);
	ck_assert_int_eq(lk_now(fd2, 2, LK_SET, W, 0, 9), 0);
	lk(&a, fd2, 1, LK_SETW, (struct lock){ .type = W, .end = 9 });
	ck_assert_int_eq(lk_now(fd, 2, LK_SETW, W, 0, 9), -EDEADLK);
	fd_unref(fd2);
	ck_assert(!a.done);
	ck_assert_int_eq(lk_now(fd, 2, LK_SETW, R, 100, 100), 0);
	call_cancel(a.root);
	fd_unref(fd);
	rig_down(&r);
}
END_TEST

static void start_write(struct answer *a, struct fd *fd, uint64_t owner, uint64_t offset,
			uint32_t flags)
{
	_cleanup_buf_ struct buf *data = buf_copy("0123456789", 10);

	rig_as.client = 0;
	rig_as.lk_owner = owner;
	rig_as.pid = (uint32_t)owner + 1000;
	rig_call(&r, a, FOP_write,
		 &(struct write_args){ .fd = fd, .data = data, .offset = offset, .flags = flags });
}

START_TEST(mandatory)
{
	struct answer a;

	up("option mandatory on");
	x->reply[FOP_stat].stat.attr = (struct attr){ .mode = S_IFREG | S_ISGID | 0644 };
	x->ret[FOP_write] = 10;
	struct fd *fd = open_fd(1, O_RDWR), *fd2 = open_fd(1, O_RDWR | O_NONBLOCK);
	ck_assert_int_eq(lk_now(fd, 1, LK_SET, R, 0, 9), 0);
	start_write(&a, fd, 1, 0, 0);			/* one's own */
	ck_assert(a.done && a.ret == 10);
	answer_drop(&a);
	start_write(&a, fd, 2, 10, 0);
	ck_assert(a.done && a.ret == 10);
	answer_drop(&a);
	start_write(&a, fd2, 2, 5, 0);
	ck_assert(a.done && a.ret == -EAGAIN);
	start_write(&a, fd2, 2, 500, WRITE_APPEND);
	ck_assert(a.done && a.ret == -EAGAIN);
	start_write(&a, fd, 2, 5, 0);
	ck_assert(!a.done);
	ck_assert_int_eq(lk_now(fd, 1, LK_SET, U, 0, 9), 0);
	ck_assert(a.done && a.ret == 10);
	answer_drop(&a);
	ck_assert_int_eq(lk_now(fd, 1, LK_SET, W, 20, 29), 0);
	rig_call(&r, &a, FOP_truncate, &(struct truncate_args){ .inode = fd->inode, .size = 25 });
	ck_assert(a.done && a.ret == 0);		/* by 1 */
	answer_drop(&a);
	rig_as.lk_owner = 2;
	rig_as.pid = 1002;
	rig_call(&r, &a, FOP_truncate, &(struct truncate_args){ .inode = fd->inode, .size = 25 });
	ck_assert(a.done && a.ret == -EAGAIN);
	rig_call(&r, &a, FOP_truncate, &(struct truncate_args){ .inode = fd->inode, .size = 30 });
	ck_assert(a.done && a.ret == 0);
	answer_drop(&a);
	/* Not such a file: not asked. */
	x->reply[FOP_stat].stat.attr.mode = S_IFREG | 0644;
	start_write(&a, fd, 2, 20, 0);
	ck_assert(a.done && a.ret == 10);
	answer_drop(&a);
	fd_unref(fd);
	fd_unref(fd2);
	rig_down(&r);
}
END_TEST

START_TEST(who_has_what_is_in_the_statedump)
{
	struct answer a;
	char *text = NULL;
	size_t size;

	up("");
	struct fd *fd = open_fd(1, O_RDWR);
	ck_assert_int_eq(lk_now(fd, 1, LK_SET, W, 0, 9), 0);
	lk(&a, fd, 2, LK_SETW, (struct lock){ .type = R, .start = 5, .end = END });
	struct dump d = { .out = open_memstream(&text, &size) };
	graph_dump(r.g, &d);
	fclose(d.out);
	ck_assert_ptr_nonnull(strstr(text, "held, fcntl write, bytes 0 to 9,"));
	ck_assert_ptr_nonnull(strstr(text, "wanted, fcntl read, bytes 5 to the end,"));
	free(text);
	call_cancel(a.root);
	fd_unref(fd);
	rig_down(&r);
}
END_TEST

UNIT_MAIN("locks", own_locks, conflicts, dropping, in_the_order_they_came, too_many, deadlocks,
	  no_deadlock_by_order, looking_for_a_deadlock_is_quick, as_the_model, get_set_unlock,
	  waiting_and_cancelling, cancelled_last_of_its_file, closing, flocks, deadlock_over_files,
	  mandatory, who_has_what_is_in_the_statedump)
