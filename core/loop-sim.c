/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * loop-sim.c - the loop of a simulation: virtual time, and the order of events from a seed.
 *
 * There are two sources: posted tasks, first in first out, and timers whose time has come.  A turn
 * picks one to four times among what is ready, then runs the deferred tasks.  Every turn takes a
 * few random microseconds, so timers may or may not become due between two tasks; when nothing is
 * ready, time jumps to the next timer.  Work items (work.c) and deliveries between connections (mem.c)
 * are timers with random delays, so the seed decides their order too; each connection's direction
 * stays in order.
 *
 * Everything here is a function of the seed and of what the program does.  A program that is to be
 * replayed must not let addresses, real time or real randomness decide anything.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include "loop-impl.h"

enum { TURN_MAX_NS = 20000, TURN_MAX_PICKS = 4 };
#define SIM_START_NS 1000000000ull		/* not 0: a stopped timer's time */
#define SIM_WALL_NS 1200000000000000000ull	/* January 2008 */

enum pick { PICK_TASK = 1, PICK_TIMER, PICK_DEFERRED, PICK_NOTE };

struct loop_sim {
	struct loop base;
	uint64_t picks;			/* state of the stream that decides the order */
	uint64_t numbers;		/* state of the stream that loop_random() gives */
	uint64_t trace;
};

static const struct loop_ops sim_ops;

static struct loop_sim *sim(const struct loop *l)
{
	assert(l->ops == &sim_ops);
	return container_of(l, struct loop_sim, base);
}

/* A well-mixed function of 64 bits (the finaliser of splitmix64). */
static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

static uint64_t next_random(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15ull;
	return mix(*state);
}

uint64_t loop_sim_below(struct loop *l, uint64_t limit)
{
	/* The bias of the remainder does not matter for picking. */
	return next_random(&sim(l)->picks) % limit;
}

static void sim_trace(struct loop_sim *s, enum pick what, uint64_t which)
{
	s->trace = mix(s->trace ^ mix(which + what)) + s->base.now_ns;
}

void loop_sim_note(struct loop *l, uint64_t what)
{
	sim_trace(sim(l), PICK_NOTE, what);
}

uint64_t loop_sim_trace(const struct loop *l)
{
	return sim(l)->trace;
}

/* Runs one ready thing.  may_jump: when there is none, time may go on to the next timer. */
static bool sim_pick(struct loop_sim *s, bool may_jump)
{
	struct loop *l = &s->base;
	const struct timer *t = l->timers;
	bool posted, due;

	loop_collect(l);
	posted = l->posted.first != NULL;
	due = t && t->at_ns <= l->now_ns;
	if (!posted && !due) {
		if (!t || !may_jump)
			return false;
		l->now_ns = t->at_ns;
		due = true;
	}
	if (posted && due)
		due = loop_sim_below(l, 2);
	if (due) {
		sim_trace(s, PICK_TIMER, t->order);
		return loop_run_one_timer(l);
	}
	sim_trace(s, PICK_TASK, 0);
	return loop_run_one_posted(l);
}

static bool sim_turn(struct loop *l)
{
	struct loop_sim *s = sim(l);
	uint64_t picks = 1 + loop_sim_below(l, TURN_MAX_PICKS);
	bool any = false;

	l->now_ns += loop_sim_below(l, TURN_MAX_NS);
	while (picks-- && sim_pick(s, !any && !l->deferred.first))
		any = true;
	if (l->deferred.first) {
		sim_trace(s, PICK_DEFERRED, 0);
		loop_run_deferred(l);
		any = true;
	}
	return any;
}

static void sim_wake(struct loop *l)
{
	(void)l;		/* it never waits */
}

static uint64_t sim_wall_ns(const struct loop *l)
{
	return SIM_WALL_NS + l->now_ns;
}

static uint64_t sim_random(struct loop *l)
{
	return next_random(&sim(l)->numbers);
}

/* Timers of the same time fire in any order. */
static uint64_t sim_timer_order(struct loop *l)
{
	return next_random(&sim(l)->picks);
}

static int sim_io_start(struct io *io, int fd)
{
	(void)io;
	(void)fd;
	return -ENOSYS;
}

static int sim_on_signal(struct loop *l, int signo, void (*handler)(struct loop *l, int signo, void *arg), void *arg)
{
	(void)l;
	(void)signo;
	(void)handler;
	(void)arg;
	return -ENOSYS;
}

static void sim_free(struct loop *l)
{
	free(sim(l));
}

static const struct loop_ops sim_ops = {
	.turn = sim_turn,
	.wake = sim_wake,
	.wall_ns = sim_wall_ns,
	.random = sim_random,
	.timer_order = sim_timer_order,
	.io_start = sim_io_start,
	.on_signal = sim_on_signal,
	.free = sim_free,
};

bool loop_is_sim(const struct loop *l)
{
	return l->ops == &sim_ops;
}

struct loop *loop_new_sim(uint64_t seed)
{
	struct loop_sim *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	loop_init(&s->base, &sim_ops);
	s->base.now_ns = SIM_START_NS;
	s->picks = mix(seed + 1);
	s->numbers = mix(~seed);
	s->trace = mix(seed);
	return &s->base;
}
