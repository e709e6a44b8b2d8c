/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The event loop: order of tasks, timers, descriptors, threads that post, and that the simulation can be replayed. */
#include "config.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include "loop.h"
#include "unit.h"

#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

enum { WAIT_MS = 20000, LOG_MAX = 4096 };

/* What ran, in order. */
static int ran[LOG_MAX], nr_ran;

struct item {
	struct task task;
	struct timer timer;
	struct loop *l;
	int id;
	struct item *then_post, *then_defer, *then_stop;
	bool done;
};

static void note(int id)
{
	ck_assert_int_lt(nr_ran, LOG_MAX);
	ran[nr_ran++] = id;
}

static void item_ran(struct item *i)
{
	note(i->id);
	i->done = true;
	if (i->then_post)
		loop_post(i->l, &i->then_post->task);
	if (i->then_defer)
		loop_defer(i->l, &i->then_defer->task);
	if (i->then_stop)
		timer_stop(&i->then_stop->timer);
}

static void item_run(struct task *t)
{
	item_ran(container_of(t, struct item, task));
}

static void item_fire(struct timer *t)
{
	struct item *i = container_of(t, struct item, timer);

	ck_assert(!timer_active(t));
	item_ran(i);
}

static void items_init(struct item *items, int nr, struct loop *l)
{
	memset(items, 0, sizeof(*items) * (size_t)nr);
	nr_ran = 0;
	for (int i = 0; i < nr; i++) {
		items[i].task.run = item_run;
		items[i].l = l;
		items[i].id = i;
	}
}

static void expect_ran(int nr, ...)
{
	va_list ap;

	ck_assert_int_eq(nr_ran, nr);
	va_start(ap, nr);
	for (int i = 0; i < nr; i++)
		ck_assert_int_eq(ran[i], va_arg(ap, int));
	va_end(ap);
}

/* ---- tasks ------------------------------------------------------------------------------ */

static void posts_in_order(struct loop *l)
{
	struct item items[6];

	items_init(items, 6, l);
	items[0].then_post = &items[3];
	items[3].then_post = &items[5];
	for (int i = 0; i < 3; i++)
		loop_post(l, &items[i].task);
	loop_post(l, &items[4].task);
	ck_assert_int_eq(loop_run_until(l, &items[5].done, WAIT_MS), 0);
	expect_ran(6, 0, 1, 2, 4, 3, 5);
	loop_free(l);
}

START_TEST(posts_run_in_order)
{
	posts_in_order(loop_new());
	posts_in_order(loop_new_sim(1));
}
END_TEST

START_TEST(deferred_run_at_the_end_of_the_turn)
{
	struct loop *l = loop_new();
	struct item items[6];

	items_init(items, 6, l);
	items[0].then_defer = &items[3];
	items[3].then_defer = &items[4];	/* still in this turn */
	items[4].then_post = &items[5];		/* in the next */
	for (int i = 0; i < 3; i++)
		loop_post(l, &items[i].task);
	ck_assert_int_eq(loop_run_until(l, &items[5].done, WAIT_MS), 0);
	expect_ran(6, 0, 1, 2, 3, 4, 5);
	loop_free(l);
}
END_TEST

START_TEST(posts_outside_and_inside_keep_order)
{
	struct loop *l = loop_new();
	struct item items[4];

	items_init(items, 4, l);
	items[0].then_post = &items[1];
	loop_post(l, &items[0].task);
	loop_stop(l);
	loop_run(l);			/* stopped before it ran anything */
	ck_assert_int_eq(nr_ran, 0);
	loop_post(l, &items[2].task);
	loop_post(l, &items[3].task);
	ck_assert_int_eq(loop_run_until(l, &items[1].done, WAIT_MS), 0);
	expect_ran(4, 0, 2, 3, 1);
	loop_free(l);
}
END_TEST

START_TEST(freeing_runs_what_is_posted)
{
	struct loop *l = loop_new();
	struct item items[2];

	items_init(items, 2, l);
	items[0].then_post = &items[1];
	loop_post(l, &items[0].task);
	loop_free(l);
	expect_ran(2, 0, 1);
	loop_free(NULL);
}
END_TEST

/* ---- threads ---------------------------------------------------------------------------- */

enum { POSTERS = 4, POSTS = 20000 };

struct numbered {
	struct task task;
	struct poster *poster;
	int nr;
};

struct poster {
	pthread_t thread;
	struct loop *l;
	struct numbered *tasks;
	int next;
	int *left;
	bool *all;
};

static void numbered_run(struct task *t)
{
	struct numbered *n = container_of(t, struct numbered, task);

	ck_assert_int_eq(n->nr, n->poster->next);
	n->poster->next++;
	if (--*n->poster->left == 0)
		*n->poster->all = true;
}

static void *poster_main(void *arg)
{
	struct poster *p = arg;

	for (int i = 0; i < POSTS; i++)
		loop_post(p->l, &p->tasks[i].task);
	return NULL;
}

START_TEST(threads_post_in_their_order)
{
	struct loop *l = loop_new();
	struct poster posters[POSTERS];
	int left = POSTERS * POSTS;
	bool all = false;

	for (int i = 0; i < POSTERS; i++) {
		struct poster *p = &posters[i];

		*p = (struct poster){ .l = l, .left = &left, .all = &all };
		p->tasks = calloc(POSTS, sizeof(*p->tasks));
		for (int k = 0; k < POSTS; k++)
			p->tasks[k] = (struct numbered){ .task.run = numbered_run, .poster = p, .nr = k };
		ck_assert_int_eq(pthread_create(&p->thread, NULL, poster_main, p), 0);
	}
	ck_assert_int_eq(loop_run_until(l, &all, WAIT_MS), 0);
	for (int i = 0; i < POSTERS; i++) {
		pthread_join(posters[i].thread, NULL);
		free(posters[i].tasks);
	}
	loop_free(l);
}
END_TEST

/* One task goes back and forth: every post meets a loop that is about to wait or waits. */
struct ping {
	struct task task;
	struct loop *l;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	int sent, received;
	bool all;
};

static void ping_run(struct task *t)
{
	struct ping *p = container_of(t, struct ping, task);

	pthread_mutex_lock(&p->lock);
	p->received++;
	p->all = p->received == 20000;
	pthread_cond_signal(&p->cond);
	pthread_mutex_unlock(&p->lock);
}

static void *ping_main(void *arg)
{
	struct ping *p = arg;

	for (int i = 0; i < 20000; i++) {
		loop_post(p->l, &p->task);
		pthread_mutex_lock(&p->lock);
		while (p->received <= i)
			pthread_cond_wait(&p->cond, &p->lock);
		pthread_mutex_unlock(&p->lock);
	}
	return NULL;
}

START_TEST(no_wake_up_is_lost)
{
	struct ping p = { .task.run = ping_run, .l = loop_new(), .lock = PTHREAD_MUTEX_INITIALIZER,
			  .cond = PTHREAD_COND_INITIALIZER };
	pthread_t t;

	pthread_create(&t, NULL, ping_main, &p);
	ck_assert_int_eq(loop_run_until(p.l, &p.all, WAIT_MS), 0);
	pthread_join(t, NULL);
	loop_free(p.l);
}
END_TEST

static void *stopper_main(void *arg)
{
	loop_stop(arg);
	return NULL;
}

START_TEST(a_thread_stops_the_loop)
{
	struct loop *l = loop_new();
	struct item far;
	pthread_t t;

	items_init(&far, 1, l);
	timer_start(&far.timer, l, 3600 * 1000, item_fire);
	for (int i = 0; i < 100; i++) {
		pthread_create(&t, NULL, stopper_main, l);
		loop_run(l);
		pthread_join(t, NULL);
	}
	timer_stop(&far.timer);
	ck_assert_int_eq(nr_ran, 0);
	loop_free(l);
}
END_TEST

/* ---- timers ----------------------------------------------------------------------------- */

static void timers_in_order(struct loop *l)
{
	struct item items[7];

	items_init(items, 7, l);
	timer_start(&items[6].timer, l, 30, item_fire);
	timer_start(&items[0].timer, l, 0, item_fire);
	timer_start(&items[2].timer, l, 20, item_fire);
	timer_start(&items[1].timer, l, 10, item_fire);
	timer_start(&items[3].timer, l, 15, item_fire);
	timer_start(&items[4].timer, l, 5000000, item_fire);
	timer_start(&items[4].timer, l, 25, item_fire);		/* again, nearer */
	timer_start(&items[5].timer, l, 1, item_fire);
	items[1].then_stop = &items[3];				/* stopped by another */
	timer_stop(&items[5].timer);
	timer_stop(&items[5].timer);
	ck_assert(!timer_active(&items[5].timer) && timer_active(&items[6].timer));
	ck_assert_int_eq(loop_run_until(l, &items[6].done, WAIT_MS), 0);
	expect_ran(5, 0, 1, 2, 4, 6);
	loop_free(l);
}

START_TEST(timers_fire_in_order)
{
	timers_in_order(loop_new());
	timers_in_order(loop_new_sim(3));
}
END_TEST

START_TEST(timers_are_not_early)
{
	struct loop *l = loop_new();
	struct item i;

	items_init(&i, 1, l);
	for (unsigned ms = 0; ms < 12; ms++) {
		uint64_t start = loop_now_ns(l), now;

		i.done = false;
		timer_start(&i.timer, l, ms, item_fire);
		ck_assert_int_eq(loop_run_until(l, &i.done, WAIT_MS), 0);
		now = loop_now_ns(l);
		ck_assert_uint_ge(now - start, ms * 1000000ull);
	}
	loop_free(l);
}
END_TEST

/* Thousands of timers started, stopped and started again at random fire in the order of their times. */
static uint64_t last_at;
static int nr_fired;

struct timed {
	struct timer timer;
	uint64_t due;
};

static void timed_fire(struct timer *t)
{
	struct timed *d = container_of(t, struct timed, timer);

	ck_assert_uint_ge(d->due, last_at);
	ck_assert_uint_ge(loop_now_ns(t->loop), d->due);
	last_at = d->due;
	nr_fired++;
}

START_TEST(many_timers)
{
	enum { NR = 3000 };
	struct loop *l = loop_new_sim(7);
	struct timed *timers = calloc(NR, sizeof(*timers));
	int nr_active = 0;

	for (int round = 0; round < 5 * NR; round++) {
		struct timed *d = &timers[loop_random(l) % NR];

		if (loop_random(l) % 3 == 0) {
			timer_stop(&d->timer);
		} else {
			uint64_t ms = loop_random(l) % 1000;

			d->due = loop_now_ns(l) + ms * 1000000;
			timer_start(&d->timer, l, ms, timed_fire);
		}
	}
	for (int i = 0; i < NR; i++)
		nr_active += timer_active(&timers[i].timer);
	ck_assert_int_gt(nr_active, NR / 3);
	loop_run(l);
	ck_assert_int_eq(nr_fired, nr_active);
	free(timers);
	loop_free(l);
}
END_TEST

START_TEST(waiting_has_an_end)
{
	struct loop *real = loop_new(), *sim = loop_new_sim(1);
	const bool never = false;
	uint64_t before = loop_now_ns(sim);

	ck_assert_int_eq(loop_run_until(real, &never, 5), -ETIMEDOUT);
	ck_assert_int_eq(loop_run_until(sim, &never, 3600 * 1000), -ETIMEDOUT);
	ck_assert_uint_ge(loop_now_ns(sim) - before, 3600 * 1000000000ull);
	loop_run(sim);			/* returns: nothing is left to happen */
	loop_free(real);
	loop_free(sim);
}
END_TEST

/* ---- descriptors, signals, names -------------------------------------------------------- */

struct watched {
	struct io io;
	int seen, calls;
	bool done;
};

static void watched_ready(struct io *io, int events)
{
	struct watched *w = container_of(io, struct watched, io);
	char c[16];

	w->seen |= events;
	w->calls++;
	if ((events & IO_READ) && read(io->fd, c, sizeof(c)) <= 0)
		io_stop(io);
	else if (events & IO_WRITE)
		io_events(io, IO_READ);
	w->done = true;
}

START_TEST(descriptors)
{
	struct loop *l = loop_new();
	struct watched w = { 0 };
	const bool never = false;
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	ck_assert_int_eq(io_start(&w.io, l, fds[0], IO_READ | IO_WRITE, watched_ready), 0);
	ck_assert_int_eq(loop_run_until(l, &w.done, WAIT_MS), 0);
	ck_assert_int_eq(w.seen, IO_WRITE);

	w.seen = 0;
	ck_assert_int_eq(loop_run_until(l, &never, 5), -ETIMEDOUT);
	ck_assert_int_eq(w.seen, 0);		/* it asked for input only */

	io_events(&w.io, 0);
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	ck_assert_int_eq(loop_run_until(l, &never, 5), -ETIMEDOUT);
	ck_assert_int_eq(w.seen, 0);		/* paused */
	w.done = false;
	io_events(&w.io, IO_READ);
	ck_assert_int_eq(loop_run_until(l, &w.done, WAIT_MS), 0);
	ck_assert_int_eq(w.seen, IO_READ);

	w.done = false;
	close(fds[1]);
	ck_assert_int_eq(loop_run_until(l, &w.done, WAIT_MS), 0);
	ck_assert_ptr_null(w.io.impl);		/* stopped itself within its callback */
	io_stop(&w.io);
	close(fds[0]);
	loop_free(l);
}
END_TEST

START_TEST(bad_descriptors)
{
	struct loop *l = loop_new(), *sim = loop_new_sim(0);
	struct watched w = { 0 };

	ck_assert_int_lt(io_start(&w.io, l, 12345, IO_READ, watched_ready), 0);
	ck_assert_ptr_null(w.io.impl);
	ck_assert_int_eq(io_start(&w.io, sim, 0, IO_READ, watched_ready), -ENOSYS);
	loop_free(l);
	loop_free(sim);
}
END_TEST

static void on_signal(struct loop *l, int signo, void *arg)
{
	*(int *)arg = signo;
	loop_stop(l);
}

START_TEST(signals)
{
	struct loop *l = loop_new(), *sim = loop_new_sim(0);
	int got = 0, other = 0;

	ck_assert_int_eq(loop_on_signal(l, SIGUSR1, on_signal, &other), 0);
	ck_assert_int_eq(loop_on_signal(l, SIGUSR2, on_signal, &got), 0);
	ck_assert_int_eq(loop_on_signal(l, SIGUSR1, on_signal, &got), 0);	/* in its place */
	raise(SIGUSR1);
	loop_run(l);
	ck_assert_int_eq(got, SIGUSR1);
	raise(SIGUSR2);
	loop_run(l);
	ck_assert_int_eq(got, SIGUSR2);
	ck_assert_int_eq(other, 0);
	ck_assert_int_lt(loop_on_signal(l, SIGKILL, on_signal, &got), 0);
	ck_assert_int_eq(loop_on_signal(sim, SIGUSR1, on_signal, &got), -ENOSYS);
	loop_free(l);
	loop_free(sim);
}
END_TEST

struct asked {
	struct resolve r;
	int nr;
	bool done;
	struct sockaddr_storage first;
};

static void resolved(struct resolve *r, int nr, const struct sockaddr_storage *addresses)
{
	struct asked *a = container_of(r, struct asked, r);

	a->nr = nr;
	a->done = true;
	if (nr > 0)
		a->first = addresses[0];
}

START_TEST(names)
{
	struct loop *l = loop_new();
	struct asked a = { .r.done = resolved }, bad = a, gone = a;
	const struct sockaddr_in *in = (const struct sockaddr_in *)&a.first;

	ck_assert_int_eq(loop_resolve(l, &a.r, "127.0.0.7", 6996), 0);
	ck_assert_int_eq(loop_resolve(l, &gone.r, "127.0.0.8", 6996), 0);
	ck_assert(!a.done);
	loop_resolve_cancel(&gone.r);
	loop_resolve_cancel(&gone.r);
	ck_assert_int_eq(loop_run_until(l, &a.done, WAIT_MS), 0);
	ck_assert_int_ge(a.nr, 1);
	ck_assert_int_eq(in->sin_family, AF_INET);
	ck_assert_uint_eq(ntohs(in->sin_port), 6996);
	ck_assert_uint_eq(ntohl(in->sin_addr.s_addr), 0x7f000007);

	ck_assert_int_eq(loop_resolve(l, &bad.r, "not a name", 1), 0);
	ck_assert_int_eq(loop_run_until(l, &bad.done, WAIT_MS), 0);
	ck_assert_int_lt(bad.nr, 0);
	ck_assert_str_ne(bad.r.error, "");
	ck_assert(!gone.done);

	ck_assert_int_eq(loop_resolve(l, &gone.r, "127.0.0.8", 6996), 0);
	loop_resolve_cancel(&gone.r);
	loop_free(l);
}
END_TEST

/* ---- simulation ------------------------------------------------------------------------- */

enum { ACTORS = 8, STEPS = 200 };

/* Some that post and start timers as their random numbers say. */
struct actor {
	struct task task;
	struct timer timer;
	struct loop *l;
	int id, left;
};

static void actor_step(struct actor *a);

static void actor_task(struct task *t)
{
	actor_step(container_of(t, struct actor, task));
}

static void actor_timer(struct timer *t)
{
	actor_step(container_of(t, struct actor, timer));
}

static void actor_step(struct actor *a)
{
	note(a->id);
	if (--a->left == 0)
		return;
	if (loop_random(a->l) % 2)
		loop_post(a->l, &a->task);
	else
		timer_start(&a->timer, a->l, loop_random(a->l) % 3, actor_timer);
}

static uint64_t simulate(uint64_t seed)
{
	struct loop *l = loop_new_sim(seed);
	struct actor actors[ACTORS];
	uint64_t trace;

	nr_ran = 0;
	for (int i = 0; i < ACTORS; i++) {
		actors[i] = (struct actor){ .task.run = actor_task, .l = l, .id = i, .left = STEPS };
		loop_post(l, &actors[i].task);
	}
	loop_run(l);
	ck_assert_int_eq(nr_ran, ACTORS * STEPS);
	trace = loop_sim_trace(l);
	loop_free(l);
	return trace;
}

START_TEST(a_seed_replays)
{
	int first[LOG_MAX], nr_different = 0;

	for (uint64_t seed = 0; seed < 20; seed++) {
		uint64_t trace = simulate(seed);

		memcpy(first, ran, sizeof(ran));
		ck_assert_uint_eq(simulate(seed), trace);
		ck_assert_int_eq(memcmp(first, ran, sizeof(first[0]) * (size_t)nr_ran), 0);
		ck_assert_uint_ne(simulate(seed + 1), trace);
		nr_different += memcmp(first, ran, sizeof(first[0]) * (size_t)nr_ran) != 0;
	}
	ck_assert_int_eq(nr_different, 20);
}
END_TEST

/* A posted task and a due timer, and timers of the same time: both orders are found. */
START_TEST(seeds_find_both_orders)
{
	int task_first = 0, second_timer_first = 0;

	for (uint64_t seed = 0; seed < 200; seed++) {
		struct loop *l = loop_new_sim(seed);
		struct item items[3];

		items_init(items, 3, l);
		timer_start(&items[1].timer, l, 0, item_fire);
		timer_start(&items[2].timer, l, 0, item_fire);
		loop_post(l, &items[0].task);
		loop_run(l);
		ck_assert_int_eq(nr_ran, 3);
		task_first += ran[0] == 0;
		second_timer_first += ran[0] == 2 || (ran[0] == 0 && ran[1] == 2);
		loop_free(l);
	}
	ck_assert_int_gt(task_first, 20);
	ck_assert_int_lt(task_first, 180);
	ck_assert_int_gt(second_timer_first, 20);
	ck_assert_int_lt(second_timer_first, 180);
}
END_TEST

START_TEST(clocks_and_numbers)
{
	struct loop *a = loop_new_sim(5), *b = loop_new_sim(5), *real = loop_new();

	ck_assert(loop_is_sim(a) && !loop_is_sim(real));
	ck_assert_uint_eq(loop_wall_ns(a), loop_wall_ns(b));
	ck_assert_uint_gt(loop_wall_ns(real), 1700000000ull * 1000000000);
	for (int i = 0; i < 100; i++) {
		uint64_t r = loop_random(real);

		ck_assert_uint_eq(loop_random(a), loop_random(b));
		ck_assert_uint_ne(r, loop_random(real));
	}
	loop_free(a);
	loop_free(b);
	loop_free(real);
}
END_TEST

UNIT_MAIN("loop", posts_run_in_order, deferred_run_at_the_end_of_the_turn, posts_outside_and_inside_keep_order,
	  freeing_runs_what_is_posted, threads_post_in_their_order, no_wake_up_is_lost, a_thread_stops_the_loop,
	  timers_fire_in_order, timers_are_not_early, many_timers, waiting_has_an_end, descriptors, bad_descriptors,
	  signals, names, a_seed_replays, seeds_find_both_orders, clocks_and_numbers)
