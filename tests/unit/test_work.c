/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Workers: what runs where, order of equal keys, ending, and the same in the simulation. */
#include "config.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include "unit.h"
#include "work.h"

#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

enum { WAIT_MS = 30000, KEYS = 37, ITEMS = 5000 };

struct world;

struct job {
	struct work work;
	struct world *world;
	int nr;
	bool ran, delivered;
};

struct world {
	struct loop *l;
	struct pool *p;
	pthread_t loop_thread;
	struct job jobs[ITEMS];
	/* Not atomic on purpose: if two items of a key ran at the same time, TSan and these would tell. */
	struct key { int running, last_run, last_done; } keys[KEYS];
	atomic_int nr_running, max_running;
	int nr_delivered, repost;
	uint64_t order;			/* a hash of the order of delivery */
	bool all;
};

static int key_of(const struct job *j)
{
	return j->nr % KEYS;
}

static void job_run(struct work *w)
{
	struct job *j = container_of(w, struct job, work);
	struct key *k = &j->world->keys[key_of(j)];
	int running = atomic_fetch_add(&j->world->nr_running, 1) + 1, max = atomic_load(&j->world->max_running);

	while (running > max && !atomic_compare_exchange_weak(&j->world->max_running, &max, running))
		;
	ck_assert(!j->ran);
	j->ran = true;
	if (w->order) {
		ck_assert_int_eq(k->running, 0);
		k->running = 1;
		ck_assert_int_gt(j->nr, k->last_run);
		k->last_run = j->nr;
		for (volatile int i = 0; i < 200; i++)
			;
		k->running = 0;
	}
	atomic_fetch_sub(&j->world->nr_running, 1);
}

static void job_done(struct work *w)
{
	struct job *j = container_of(w, struct job, work);
	struct world *world = j->world;
	struct key *k = &world->keys[key_of(j)];

	ck_assert(pthread_equal(pthread_self(), world->loop_thread));
	ck_assert(j->ran && !j->delivered);
	j->delivered = true;
	if (w->order) {
		ck_assert_int_gt(j->nr, k->last_done);
		k->last_done = j->nr;
	}
	world->order = world->order * 31 + (uint64_t)j->nr;
	world->all = ++world->nr_delivered == ITEMS;
	if (world->repost < ITEMS)
		work_post(world->p, &world->jobs[world->repost++].work);
}

static struct world *world_new(struct loop *l, uint32_t threads, bool ordered)
{
	struct world *w = calloc(1, sizeof(*w));

	w->l = l;
	w->p = pool_new(l, "a name longer than a thread's may be", threads);
	w->loop_thread = pthread_self();
	w->repost = ITEMS;
	for (int i = 0; i < KEYS; i++)
		w->keys[i].last_run = w->keys[i].last_done = -1;
	for (int i = 0; i < ITEMS; i++)
		w->jobs[i] = (struct job){ .work = { .run = job_run, .done = job_done }, .world = w, .nr = i };
	for (int i = 0; ordered && i < ITEMS; i++)
		w->jobs[i].work.order = 1 + (uint64_t)key_of(&w->jobs[i]) * 0x100000001ull;
	return w;
}

static uint64_t world_end(struct world *w)
{
	uint64_t order = w->order;

	pool_free(w->p);
	ck_assert_int_eq(w->nr_delivered, ITEMS);
	loop_free(w->l);
	free(w);
	return order;
}

static uint64_t run_all(struct loop *l, uint32_t threads, bool ordered)
{
	struct world *w = world_new(l, threads, ordered);
	struct pool_stats s = pool_stats(w->p);

	ck_assert(pool_idle(w->p));
	ck_assert_uint_eq(s.threads, 0);
	for (int i = 0; i < ITEMS; i++)
		work_post(w->p, &w->jobs[i].work);
	ck_assert(!pool_idle(w->p));
	ck_assert_int_eq(w->nr_delivered, 0);
	ck_assert_int_eq(loop_run_until(l, &w->all, WAIT_MS), 0);
	ck_assert(pool_idle(w->p));
	s = pool_stats(w->p);
	ck_assert_uint_eq(s.done, ITEMS);
	ck_assert_uint_eq(s.queued, 0);
	ck_assert_uint_eq(s.running, 0);
	ck_assert_uint_ge(s.max_queued, 1);
	ck_assert_uint_le(s.threads, threads);
	ck_assert_int_le(atomic_load(&w->max_running), (int)threads);
	return world_end(w);
}

START_TEST(equal_keys_keep_their_order)
{
	run_all(loop_new(), 4, true);
	run_all(loop_new(), 1, true);
}
END_TEST

START_TEST(no_key_no_order)
{
	run_all(loop_new(), 4, false);
}
END_TEST

/* Each answer posts the next: the loop and the workers meet at every step. */
START_TEST(answers_post_again)
{
	struct world *w = world_new(loop_new(), 3, true);

	w->repost = 5;
	for (int i = 0; i < 5; i++)
		work_post(w->p, &w->jobs[i].work);
	ck_assert_int_eq(loop_run_until(w->l, &w->all, WAIT_MS), 0);
	world_end(w);
}
END_TEST

START_TEST(freeing_finishes_everything)
{
	struct world *w = world_new(loop_new(), 3, true);

	w->repost = 100;		/* and what the answers post */
	for (int i = 0; i < 100; i++)
		work_post(w->p, &w->jobs[i].work);
	world_end(w);
	pool_free(NULL);
}
END_TEST

/* As many as there are threads run at the same time, if they have different keys; the next waits. */
struct gate {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	int arrived, wanted;
};
static struct gate gate = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 4 };

static void gate_run(struct work *w)
{
	pthread_mutex_lock(&gate.lock);
	gate.arrived++;
	pthread_cond_broadcast(&gate.cond);
	while (gate.arrived < gate.wanted)
		pthread_cond_wait(&gate.cond, &gate.lock);
	pthread_mutex_unlock(&gate.lock);
}

static int nr_gates_done;
static bool all_gates_done;

static void gate_done(struct work *w)
{
	all_gates_done = ++nr_gates_done == 4;
}

START_TEST(different_keys_run_together)
{
	struct loop *l = loop_new();
	struct pool *p = pool_new(l, "gate", 4);
	struct work works[4] = { 0 };

	for (uint64_t i = 0; i < 4; i++) {
		works[i] = (struct work){ .run = gate_run, .done = gate_done, .order = i };
		work_post(p, &works[i]);
	}
	ck_assert_int_eq(loop_run_until(l, &all_gates_done, WAIT_MS), 0);
	ck_assert_uint_eq(pool_stats(p).threads, 4);
	pool_free(p);
	loop_free(l);
}
END_TEST

static sigset_t mask_seen;

static void mask_run(struct work *w)
{
	pthread_sigmask(SIG_SETMASK, NULL, &mask_seen);
}

static bool mask_delivered;

static void mask_done(struct work *w)
{
	mask_delivered = true;
}

START_TEST(signals_are_not_for_workers)
{
	struct loop *l = loop_new();
	struct pool *p = pool_new(l, "mask", 1);
	struct work w = { .run = mask_run, .done = mask_done };

	work_post(p, &w);
	ck_assert_int_eq(loop_run_until(l, &mask_delivered, WAIT_MS), 0);
	ck_assert_int_eq(sigismember(&mask_seen, SIGTERM), 1);
	pool_free(p);
	loop_free(l);
}
END_TEST

START_TEST(simulated)
{
	uint64_t orders[10];
	int nr_different = 0;

	for (uint64_t seed = 0; seed < 10; seed++) {
		orders[seed] = run_all(loop_new_sim(seed), 4, false);
		ck_assert_uint_eq(run_all(loop_new_sim(seed), 4, false), orders[seed]);
		if (seed)
			nr_different += orders[seed] != orders[seed - 1];
		run_all(loop_new_sim(seed), 4, true);
	}
	ck_assert_int_eq(nr_different, 9);
}
END_TEST

START_TEST(simulated_freeing)
{
	struct world *w = world_new(loop_new_sim(1), 2, true);

	for (int i = 0; i < ITEMS; i++)
		work_post(w->p, &w->jobs[i].work);
	world_end(w);
}
END_TEST

UNIT_MAIN("work", equal_keys_keep_their_order, no_key_no_order, answers_post_again, freeing_finishes_everything,
	  different_keys_run_together, signals_are_not_for_workers, simulated, simulated_freeing)
