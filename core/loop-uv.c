/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * loop-uv.c - the loop of a running process, on libuv: descriptors, the wait, signals.
 *
 * libuv's own timers, tasks and phases are used only to wait (one uv_timer, armed for the earliest of
 * our timers when that changed): a turn is one uv_run() followed by our timers, posted and deferred
 * tasks, so their order is ours to define.
 *
 * System calls of a turn: one epoll_wait; one read of an eventfd when another thread had to wake us;
 * one epoll_ctl per descriptor whose events changed; the clock is read once, in the vdso.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <uv.h>
#include "loop-impl.h"

struct uv_signal {
	uv_signal_t handle;
	struct uv_signal *next;
	struct loop *loop;
	void (*handler)(struct loop *l, int signo, void *arg);
	void *arg;
};

struct loop_real {
	struct loop base;
	uv_loop_t uv;
	uv_async_t async;
	uv_timer_t timer;
	uint64_t armed_ns;		/* the time the uv_timer is set to, 0: not */
	uint64_t next_order;
	bool woke;			/* in this turn: the clock has been read */
	struct uv_signal *signals;
	uint64_t random[32];
	unsigned nr_random;
};

struct uv_io {
	uv_poll_t poll;
	struct io *io;			/* NULL: stopped */
};

static struct loop_real *real(const struct loop *l)
{
	return container_of(l, struct loop_real, base);
}

/* The first thing after the wait: what happens from here on has the new time, and others need not wake us. */
static void real_woke(struct loop_real *r)
{
	if (r->woke)
		return;
	r->woke = true;
	r->base.now_ns = uv_hrtime();
	atomic_store(&r->base.awake, true);
}

static void real_async(uv_async_t *a)
{
	real_woke(container_of(a, struct loop_real, async));
}

static void real_timeout(uv_timer_t *t)
{
	(void)t;	/* it was there to end the wait */
}

/*
 * It repeats, each millisecond, until something else is wanted: uv_run() looks at timers before it waits too, and
 * would then wait for nothing.
 */
static void real_arm(struct loop_real *r)
{
	const struct timer *t = r->base.timers;
	uint64_t now;

	if (!t) {
		if (r->armed_ns)
			uv_timer_stop(&r->timer);
		r->armed_ns = 0;
		return;
	}
	if (t->at_ns == r->armed_ns)
		return;
	r->armed_ns = t->at_ns;
	uv_update_time(&r->uv);
	now = uv_hrtime();
	uv_timer_start(&r->timer, real_timeout, t->at_ns > now ? (t->at_ns - now + 999999) / 1000000 : 0, 1);
}

static bool real_turn(struct loop *l)
{
	struct loop_real *r = real(l);
	bool busy;

	real_arm(r);
	r->woke = false;
	atomic_store(&l->awake, false);
	busy = l->posted.first || l->deferred.first || loop_has_remote(l) || atomic_load(&l->stop) ||
	       (l->timers && l->timers->at_ns <= l->now_ns + 1);
	uv_run(&r->uv, busy ? UV_RUN_NOWAIT : UV_RUN_ONCE);
	real_woke(r);

	while (loop_run_one_timer(l))
		;
	loop_collect(l);
	for (int i = 0; i < LOOP_TASKS_MAX && loop_run_one_posted(l); i++)
		if (!l->posted.first)
			loop_collect(l);
	loop_run_deferred(l);
	return true;
}

static void real_update(struct loop *l)
{
	l->now_ns = uv_hrtime();
}

static void real_wake(struct loop *l)
{
	uv_async_send(&real(l)->async);
}

static uint64_t real_wall_ns(const struct loop *l)
{
	struct timespec ts;

	(void)l;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static uint64_t real_random(struct loop *l)
{
	struct loop_real *r = real(l);

	if (!r->nr_random) {
		/* At most 256 bytes: never interrupted, never short. */
		while (getrandom(r->random, sizeof(r->random), 0) != sizeof(r->random))
			;
		r->nr_random = sizeof(r->random) / sizeof(r->random[0]);
	}
	return r->random[--r->nr_random];
}

static uint64_t real_timer_order(struct loop *l)
{
	return real(l)->next_order++;
}

/* ---- descriptors ------------------------------------------------------------------------ */

static int uv_events(int events)
{
	return (events & IO_READ ? UV_READABLE : 0) | (events & IO_WRITE ? UV_WRITABLE : 0);
}

static void real_ready(uv_poll_t *poll, int status, int events)
{
	struct uv_io *ui = poll->data;
	struct io *io = ui->io;
	int ready = 0;

	if (!io)
		return;
	real_woke(real(io->loop));
	if (status < 0)
		ready = io->events;
	else
		ready = (events & UV_READABLE ? IO_READ : 0) | (events & UV_WRITABLE ? IO_WRITE : 0);
	ready &= io->events;
	if (ready)
		io->ready(io, ready);
	/* libuv stops watching after an error; our users go on until they have read what it was. */
	if (status < 0 && ui->io && ui->io->events && !uv_is_closing((uv_handle_t *)poll))
		uv_poll_start(poll, uv_events(ui->io->events), real_ready);
}

static int real_io_start(struct io *io, int fd)
{
	struct uv_io *ui = calloc(1, sizeof(*ui));
	int ret;

	if (!ui)
		return -ENOMEM;
	ret = uv_poll_init(&real(io->loop)->uv, &ui->poll, fd);
	if (ret < 0) {
		free(ui);
		return ret;
	}
	ui->poll.data = ui;
	ui->io = io;
	io->impl = ui;
	return 0;
}

static int real_io_events(struct io *io, int events)
{
	struct uv_io *ui = io->impl;

	if (!events)
		return uv_poll_stop(&ui->poll);
	return uv_poll_start(&ui->poll, uv_events(events), real_ready);
}

static void uv_io_closed(uv_handle_t *h)
{
	free(h->data);
}

static void real_io_stop(struct io *io)
{
	struct uv_io *ui = io->impl;

	ui->io = NULL;
	uv_close((uv_handle_t *)&ui->poll, uv_io_closed);
}

/* ---- signals ---------------------------------------------------------------------------- */

static void real_signal(uv_signal_t *h, int signo)
{
	struct uv_signal *s = container_of(h, struct uv_signal, handle);

	real_woke(real(s->loop));
	s->handler(s->loop, signo, s->arg);
}

static int real_on_signal(struct loop *l, int signo, void (*handler)(struct loop *l, int signo, void *arg), void *arg)
{
	struct loop_real *r = real(l);
	struct uv_signal *s;
	int ret;

	for (s = r->signals; s; s = s->next)
		if (s->handle.signum == signo)
			break;
	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			return -ENOMEM;
		ret = uv_signal_init(&r->uv, &s->handle);
		if (ret < 0) {
			free(s);
			return ret;
		}
		s->loop = l;
		s->next = r->signals;
		r->signals = s;
		ret = uv_signal_start(&s->handle, real_signal, signo);
		if (ret < 0)
			return ret;	/* stays in the list, without a signal, until the loop is freed */
	}
	s->handler = handler;
	s->arg = arg;
	return 0;
}

/* ---- life ------------------------------------------------------------------------------- */

static void uv_signal_closed(uv_handle_t *h)
{
	free(container_of((uv_signal_t *)h, struct uv_signal, handle));
}

static void real_free(struct loop *l)
{
	struct loop_real *r = real(l);

	while (r->signals) {
		struct uv_signal *s = r->signals;

		r->signals = s->next;
		uv_close((uv_handle_t *)&s->handle, uv_signal_closed);
	}
	uv_close((uv_handle_t *)&r->async, NULL);
	uv_close((uv_handle_t *)&r->timer, NULL);
	uv_run(&r->uv, UV_RUN_NOWAIT);
	uv_run(&r->uv, UV_RUN_NOWAIT);
	/*
	 * Busy: a resolver thread is still inside getaddrinfo() for somebody who no longer wants to know and
	 * will report to this memory, in up to a minute.  Leaving it there is better than waiting, but where leaks are
	 * looked for.
	 */
#ifdef __SANITIZE_ADDRESS__
	uv_run(&r->uv, UV_RUN_DEFAULT);
#endif
	if (uv_loop_close(&r->uv) == 0)
		free(r);
}

static const struct loop_ops real_ops = {
	.turn = real_turn,
	.update = real_update,
	.wake = real_wake,
	.wall_ns = real_wall_ns,
	.random = real_random,
	.timer_order = real_timer_order,
	.io_start = real_io_start,
	.io_events = real_io_events,
	.io_stop = real_io_stop,
	.on_signal = real_on_signal,
	.free = real_free,
};

struct uv_loop_s *loop_uv(struct loop *l)
{
	return l->ops == &real_ops ? &real(l)->uv : NULL;
}

struct loop *loop_new(void)
{
	struct loop_real *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	loop_init(&r->base, &real_ops);
	if (uv_loop_init(&r->uv) < 0) {
		free(r);
		return NULL;
	}
	if (uv_async_init(&r->uv, &r->async, real_async) < 0) {
		uv_loop_close(&r->uv);
		free(r);
		return NULL;
	}
	uv_timer_init(&r->uv, &r->timer);
	r->base.now_ns = uv_hrtime();
	return &r->base;
}
