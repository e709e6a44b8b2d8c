/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * loop.h - the event loop of a graph: tasks, timers, descriptors, signals, worker results.
 *
 * One thread runs a loop and everything on it.  There are two implementations: loop_new() waits in the
 * kernel (libuv); loop_new_sim() has virtual time and picks the next of all ready things by a seeded
 * random number, so that a whole cluster in one process can be replayed from its seed.  Nothing
 * outside core/loop*, core/work* and the transports reads a clock, sleeps or starts a thread.
 *
 * One turn: wait; run all timers, descriptors and posted tasks that are ready; then the deferred
 * tasks (loop_defer).  Transports send in a deferred task, so a turn costs one send per connection.
 *
 * Only loop_post() and loop_stop() may be called by other threads.
 */
#ifndef GLUSTERFS_LOOP_H
#define GLUSTERFS_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;

/* Something to run once.  Embedded in its owner (container_of); in one queue at a time. */
struct task {
	struct task *next;
	void (*run)(struct task *t);
};

struct timer {			/* zeroed by its owner before the first use */
	struct loop *loop;
	void (*fire)(struct timer *t);
	uint64_t at_ns, order;	/* private from here on: when, and who is first among equals */
	struct timer *child, *prev, *next;
};

enum { IO_READ = 1, IO_WRITE = 2 };
struct io {			/* zeroed by its owner before the first use */
	struct loop *loop;
	int fd;
	void (*ready)(struct io *io, int events);	/* IO_* bits; errors and hang-up are reported as all that was asked for */
	int events;		/* private from here on */
	void *impl;
};

struct loop *loop_new(void);			/* NULL: no memory or no descriptors */
struct loop *loop_new_sim(uint64_t seed);
void loop_free(struct loop *l);			/* runs what is still posted; nothing else may be registered any more; takes NULL */
bool loop_is_sim(const struct loop *l);

/*
 * Simulation: a hash over everything that was picked until now (what, when, how many bytes).
 * Two runs from the same seed that did the same have the same trace.
 */
uint64_t loop_sim_trace(const struct loop *l);

/* Runs turns until loop_stop().  In the simulation also until nothing is left to happen. */
void loop_run(struct loop *l);
/*
 * Runs turns until *done, or until timeout_ms (of the loop's time) passed: -ETIMEDOUT.  0: *done is set.
 * loop_stop() does not end it, but the next loop_run() then returns at once.
 */
int loop_run_until(struct loop *l, const bool *done, uint32_t timeout_ms);
void loop_stop(struct loop *l);

/* Any thread: run t->run on the loop, in a later turn or later in this one; in order per posting thread. */
void loop_post(struct loop *l, struct task *t);
/* Loop thread: run t->run at the end of this turn. */
void loop_defer(struct loop *l, struct task *t);

/* Monotonic, cached at the start of the turn. */
uint64_t loop_now_ns(const struct loop *l);
/* The same, read now: for measuring how long something took. */
uint64_t loop_clock_ns(struct loop *l);
/* Wall clock, for logs and for stamps on objects (simulated too). */
uint64_t loop_wall_ns(const struct loop *l);
/* Random numbers: seeded in the simulation, from the kernel otherwise. */
uint64_t loop_random(struct loop *l);

/* (Re)arms: t->fire runs once, delay_ms from now.  Stopping is idempotent and safe in any callback. */
void timer_start(struct timer *t, struct loop *l, uint64_t delay_ms, void (*fire)(struct timer *t));
void timer_stop(struct timer *t);
static inline bool timer_active(const struct timer *t)
{
	return t->at_ns != 0;
}

/* Watches io->fd; events 0 pauses.  0 or -errno.  Real loop only: -ENOSYS in the simulation. */
int io_start(struct io *io, struct loop *l, int fd, int events, void (*ready)(struct io *io, int events));
int io_events(struct io *io, int events);
void io_stop(struct io *io);			/* idempotent; does not close the descriptor */

/*
 * Runs handler on the loop when the process gets the signal (one handler per signal and loop, a later one takes its
 * place).  0 or -errno; real loop only: -ENOSYS in the simulation.
 */
int loop_on_signal(struct loop *l, int signo, void (*handler)(struct loop *l, int signo, void *arg), void *arg);

/*
 * Resolves a host name off the loop; done runs on it, not before this returned, with a list of at most RESOLVE_MAX
 * addresses, or -errno as nr.  0, or -errno: done will not run (-ENOSYS in the simulation).
 */
enum { RESOLVE_MAX = 16 };
struct sockaddr_storage;
struct resolve {		/* owned by the caller until done ran */
	void (*done)(struct resolve *r, int nr, const struct sockaddr_storage *addresses);
	char error[128];	/* what getaddrinfo said */
	void *impl;
};
int loop_resolve(struct loop *l, struct resolve *r, const char *host, uint16_t port);
void loop_resolve_cancel(struct resolve *r);	/* done will not run any more */

#endif
