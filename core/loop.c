/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * loop.c - the part of the event loop that does not depend on where time and events come from:
 * queues of tasks, timers, running turns.
 *
 * Posting takes no lock and allocates nothing.  The loop thread posts to a plain list.  Other
 * threads push onto a stack (one compare-and-swap) that the loop takes as a whole and turns around,
 * which keeps the order of each of them; they wake the loop only when it waits or is about to.
 *
 * Timers are an intrusive pairing heap: starting one is a comparison, stopping and firing cost
 * O(log n) amortised, nothing is allocated and a million timers are fine.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include "loop-impl.h"

static _Thread_local struct loop *loop_running;	/* the loop that this thread is in */

void loop_init(struct loop *l, const struct loop_ops *ops)
{
	l->ops = ops;
	task_list_init(&l->posted);
	task_list_init(&l->deferred);
	atomic_init(&l->remote, NULL);
	atomic_init(&l->awake, false);
	atomic_init(&l->stop, false);
}

/* This thread runs the loop from here on. */
static struct loop *loop_enter(struct loop *l)
{
	struct loop *outer = loop_running;

	loop_running = l;
	if (l->ops->update)
		l->ops->update(l);
	/* What this thread posted while it was not in the loop comes before what it posts from now on. */
	loop_collect(l);
	return outer;
}

void loop_free(struct loop *l)
{
	struct loop *outer;

	if (!l)
		return;
	outer = loop_enter(l);
	while (loop_run_one_posted(l) || loop_run_deferred(l))
		loop_collect(l);
	loop_running = outer;
	assert(!l->timers && !l->deferred.first && !l->mem);
	free(l->scratch);
	l->ops->free(l);
}

uint8_t *loop_scratch(struct loop *l)
{
	if (!l->scratch)
		l->scratch = malloc(LOOP_SCRATCH);
	return l->scratch;
}

/* ---- tasks ------------------------------------------------------------------------------ */

void loop_post(struct loop *l, struct task *t)
{
	struct task *old;

	if (loop_running == l) {
		task_list_add(&l->posted, t);
		return;
	}
	old = atomic_load_explicit(&l->remote, memory_order_relaxed);
	do
		t->next = old;
	while (!atomic_compare_exchange_weak(&l->remote, &old, t));
	/* The loop clears `awake` before it looks at remote for the last time: one of us sees the other. */
	if (!atomic_load(&l->awake))
		l->ops->wake(l);
}

bool loop_has_remote(struct loop *l)
{
	return atomic_load(&l->remote) != NULL;
}

void loop_collect(struct loop *l)
{
	struct task *t, *turned = NULL;

	if (!atomic_load_explicit(&l->remote, memory_order_relaxed))
		return;
	t = atomic_exchange(&l->remote, NULL);
	while (t) {
		struct task *next = t->next;

		t->next = turned;
		turned = t;
		t = next;
	}
	while (turned) {
		struct task *next = turned->next;

		task_list_add(&l->posted, turned);
		turned = next;
	}
}

void loop_defer(struct loop *l, struct task *t)
{
	task_list_add(&l->deferred, t);
}

static void list_remove(struct task_list *q, struct task *t)
{
	for (struct task **at = &q->first; *at; at = &(*at)->next) {
		if (*at != t)
			continue;
		*at = t->next;
		if (!*at)
			q->last = at;
		return;
	}
}

void loop_forget(struct loop *l, struct task *t)
{
	loop_collect(l);
	list_remove(&l->posted, t);
	list_remove(&l->deferred, t);
}

bool loop_run_one_posted(struct loop *l)
{
	struct task *t = task_list_take(&l->posted);

	if (!t)
		return false;
	t->run(t);
	return true;
}

bool loop_run_deferred(struct loop *l)
{
	struct task *t;
	int nr = 0;

	while (nr < LOOP_TASKS_MAX && (t = task_list_take(&l->deferred))) {
		t->run(t);
		nr++;
	}
	return nr > 0;
}

/* ---- running ---------------------------------------------------------------------------- */

void loop_run(struct loop *l)
{
	struct loop *outer = loop_enter(l);

	while (!atomic_exchange(&l->stop, false))
		if (!l->ops->turn(l))
			break;
	loop_running = outer;
}

struct deadline {
	struct timer timer;
	bool passed;
};

static void deadline_fire(struct timer *t)
{
	container_of(t, struct deadline, timer)->passed = true;
}

int loop_run_until(struct loop *l, const bool *done, uint32_t timeout_ms)
{
	struct loop *outer = loop_enter(l);
	struct deadline deadline = { 0 };

	timer_start(&deadline.timer, l, timeout_ms, deadline_fire);
	while (!*done && !deadline.passed)
		l->ops->turn(l);
	timer_stop(&deadline.timer);
	loop_running = outer;
	return *done ? 0 : -ETIMEDOUT;
}

void loop_stop(struct loop *l)
{
	atomic_store(&l->stop, true);
	if (loop_running != l)
		l->ops->wake(l);
}

uint64_t loop_now_ns(const struct loop *l)
{
	return l->now_ns;
}

uint64_t loop_clock_ns(struct loop *l)
{
	if (l->ops->update)
		l->ops->update(l);
	return l->now_ns;
}

uint64_t loop_wall_ns(const struct loop *l)
{
	return l->ops->wall_ns(l);
}

uint64_t loop_random(struct loop *l)
{
	return l->ops->random(l);
}

int loop_on_signal(struct loop *l, int signo, void (*handler)(struct loop *l, int signo, void *arg), void *arg)
{
	return l->ops->on_signal(l, signo, handler, arg);
}

/* ---- descriptors ------------------------------------------------------------------------ */

int io_start(struct io *io, struct loop *l, int fd, int events, void (*ready)(struct io *io, int events))
{
	int ret;

	assert(!io->impl);
	io->loop = l;
	io->fd = fd;
	io->ready = ready;
	io->events = 0;
	ret = l->ops->io_start(io, fd);
	if (ret < 0)
		return ret;
	ret = io_events(io, events);
	if (ret < 0)
		io_stop(io);
	return ret;
}

int io_events(struct io *io, int events)
{
	int ret;

	assert(io->impl);
	if (io->events == events)
		return 0;
	ret = io->loop->ops->io_events(io, events);
	if (ret == 0)
		io->events = events;
	return ret;
}

void io_stop(struct io *io)
{
	if (!io->impl)
		return;
	io->loop->ops->io_stop(io);
	io->impl = NULL;
	io->events = 0;
}

/* ---- timers ----------------------------------------------------------------------------- */

static bool timer_before(const struct timer *a, const struct timer *b)
{
	return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

/* Either may be NULL; neither has siblings. */
static struct timer *heap_merge(struct timer *a, struct timer *b)
{
	if (!a || !b)
		return a ? a : b;
	if (timer_before(b, a)) {
		struct timer *t = a;

		a = b;
		b = t;
	}
	b->prev = a;		/* a first child points to its parent, the others to the one before */
	b->next = a->child;
	if (b->next)
		b->next->prev = b;
	a->child = b;
	return a;
}

/* Makes one heap of a list of siblings: pairs from the left, then all from the right. */
static struct timer *heap_merge_siblings(struct timer *list)
{
	struct timer *pairs = NULL, *heap = NULL;

	while (list) {
		struct timer *a = list, *b = a->next;

		list = b ? b->next : NULL;
		a->prev = a->next = NULL;
		if (b)
			b->prev = b->next = NULL;
		a = heap_merge(a, b);
		a->next = pairs;
		pairs = a;
	}
	while (pairs) {
		struct timer *a = pairs;

		pairs = a->next;
		a->next = NULL;
		heap = heap_merge(heap, a);
	}
	return heap;
}

void timer_stop(struct timer *t)
{
	struct loop *l = t->loop;
	struct timer *rest;

	if (!timer_active(t))
		return;
	rest = heap_merge_siblings(t->child);
	if (t == l->timers) {
		l->timers = rest;
	} else {
		if (t->prev->child == t)
			t->prev->child = t->next;
		else
			t->prev->next = t->next;
		if (t->next)
			t->next->prev = t->prev;
		l->timers = heap_merge(l->timers, rest);
	}
	t->child = t->prev = t->next = NULL;
	t->at_ns = 0;
}

void timer_start_ns(struct timer *t, struct loop *l, uint64_t delay_ns, void (*fire)(struct timer *t))
{
	timer_stop(t);
	t->loop = l;
	t->fire = fire;
	if (loop_running != l && l->ops->update)
		l->ops->update(l);
	/* Never at once: a timer that starts itself again with no delay leaves room for events. */
	t->at_ns = l->now_ns + (delay_ns ? delay_ns : 1);
	t->order = l->ops->timer_order(l);
	t->child = t->prev = t->next = NULL;
	l->timers = heap_merge(l->timers, t);
}

void timer_start(struct timer *t, struct loop *l, uint64_t delay_ms, void (*fire)(struct timer *t))
{
	timer_start_ns(t, l, delay_ms * 1000000, fire);
}

bool loop_run_one_timer(struct loop *l)
{
	struct timer *t = l->timers;

	if (!t || t->at_ns > l->now_ns)
		return false;
	timer_stop(t);
	t->fire(t);
	return true;
}
