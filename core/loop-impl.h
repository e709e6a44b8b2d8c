/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * loop-impl.h - what the two implementations of loop.h share: loop.c (queues, timers, dispatch),
 * loop-uv.c (the kernel's events and time), loop-sim.c (virtual time, order by seed).
 *
 * Private to core/loop*, core/resolve.c, core/work.c and the transports.
 */
#ifndef GLUSTERFS_LOOP_IMPL_H
#define GLUSTERFS_LOOP_IMPL_H

#include <stdatomic.h>
#include <stddef.h>
#include "loop.h"

#ifndef container_of
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))
#endif

struct task_list {		/* first in, first out */
	struct task *first, **last;
};

struct loop_ops {
	bool (*turn)(struct loop *l);	/* one turn; false: nothing is left that could happen */
	void (*update)(struct loop *l);	/* brings now_ns up to date; NULL: not needed */
	void (*wake)(struct loop *l);	/* any thread: end the wait */
	uint64_t (*wall_ns)(const struct loop *l);
	uint64_t (*random)(struct loop *l);
	uint64_t (*timer_order)(struct loop *l);	/* decides among timers of the same time */
	int (*io_start)(struct io *io, int fd);		/* not watching anything yet */
	int (*io_events)(struct io *io, int events);
	void (*io_stop)(struct io *io);
	int (*on_signal)(struct loop *l, int signo, void (*handler)(struct loop *l, int signo, void *arg), void *arg);
	void (*free)(struct loop *l);
};

enum {
	LOOP_SCRATCH = 64 << 10,
	LOOP_TASKS_MAX = 1024,		/* posted, and deferred, in one turn: those that do it again and again leave room for events */
};

struct loop {
	const struct loop_ops *ops;
	uint64_t now_ns;
	struct timer *timers;		/* the earliest: root of a pairing heap */
	struct task_list posted;	/* by the loop thread, and collected from remote */
	struct task_list deferred;
	_Atomic(struct task *) remote;	/* posted by others, last in first */
	atomic_bool awake;		/* the loop looks at remote before it waits: no wake-up needed */
	atomic_bool stop;
	void *mem;			/* mem.c: the names of this loop */
	uint8_t *scratch;		/* loop_scratch() */
};

void loop_init(struct loop *l, const struct loop_ops *ops);
void loop_collect(struct loop *l);		/* moves remote to the end of posted */
bool loop_has_remote(struct loop *l);
/* Each runs what is there and returns whether there was anything. */
bool loop_run_one_posted(struct loop *l);
bool loop_run_one_timer(struct loop *l);	/* the earliest, when its time has come */
bool loop_run_deferred(struct loop *l);

/* Takes a task back that may have been posted or deferred (loop thread).  Linear; for destructors. */
void loop_forget(struct loop *l, struct task *t);

void timer_start_ns(struct timer *t, struct loop *l, uint64_t delay_ns, void (*fire)(struct timer *t));

/* LOOP_SCRATCH bytes for the duration of one callback, or NULL: no memory. */
uint8_t *loop_scratch(struct loop *l);

/* Simulation: a number below `limit` (limit > 0) from the stream that picks, and something to hash into the trace. */
uint64_t loop_sim_below(struct loop *l, uint64_t limit);
void loop_sim_note(struct loop *l, uint64_t what);

/* The libuv loop; NULL in the simulation. */
struct uv_loop_s *loop_uv(struct loop *l);

static inline void task_list_init(struct task_list *q)
{
	q->first = NULL;
	q->last = &q->first;
}

static inline void task_list_add(struct task_list *q, struct task *t)
{
	t->next = NULL;
	*q->last = t;
	q->last = &t->next;
}

static inline struct task *task_list_take(struct task_list *q)
{
	struct task *t = q->first;

	if (!t)
		return NULL;
	q->first = t->next;
	if (!q->first)
		q->last = &q->first;
	return t;
}

#endif
