/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * work.c - worker threads.
 *
 * One lock per pool.  An item is in one of: the ready list (any thread takes the first), the list of
 * those that wait for an item with the same order (hung on that item, which is in `active`, a hash table),
 * a thread, the done list.  The loop is told once for all items that are done when it looks: one
 * loop_post() and one lock for a batch.
 *
 * System calls: one futex wake per item posted while a thread sleeps, none while all are busy.
 */
#include "config.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include "loop-impl.h"
#include "work.h"

enum { ACTIVE_BUCKETS = 256, SIM_WORK_MAX_NS = 500000 };

struct work_list {
	struct work *first, **last;
};

struct pool {
	struct loop *loop;
	const char *name;
	uint32_t max_threads;
	uint64_t in_flight;		/* posted and not delivered; loop thread */
	struct timer sim_timer;		/* simulation: the next item runs */
	struct task deliver;

	pthread_mutex_t lock;		/* all that follows */
	pthread_cond_t more;
	struct work_list ready, done;
	struct work *active[ACTIVE_BUCKETS];	/* ready or running, with an order */
	uint32_t nr_ready, nr_waiting, nr_idle, nr_running, nr_threads;
	uint64_t nr_done, max_queued;
	bool stopping, delivering;	/* delivering: `deliver` is posted */
	pthread_t threads[];
};

static void list_init(struct work_list *q)
{
	q->first = NULL;
	q->last = &q->first;
}

static void list_add(struct work_list *q, struct work *w)
{
	w->next = NULL;
	*q->last = w;
	q->last = &w->next;
}

static struct work *list_take(struct work_list *q, uint32_t skip)
{
	struct work **at = &q->first, *w;

	while (skip--)
		at = &(*at)->next;
	w = *at;
	if (!w)
		return NULL;
	*at = w->next;
	if (!*at)
		q->last = at;
	return w;
}

static struct work **active_bucket(struct pool *p, uint64_t order)
{
	return &p->active[(order * 0x9e3779b97f4a7c15ull) >> 56];
}

/* Queues an item: ready, or behind the one with the same order.  Locked.  Whether it is ready. */
static bool work_queue(struct pool *p, struct work *w)
{
	uint32_t queued;

	w->first = w->last = w->chain = NULL;
	if (w->order) {
		struct work **bucket = active_bucket(p, w->order);
		struct work *a = *bucket;

		while (a && a->order != w->order)
			a = a->chain;
		if (a) {
			w->next = NULL;
			if (a->last)
				a->last->next = w;
			else
				a->first = w;
			a->last = w;
			p->nr_waiting++;
		} else {
			w->chain = *bucket;
			*bucket = w;
		}
		if (a)
			w = NULL;
	}
	if (w) {
		list_add(&p->ready, w);
		p->nr_ready++;
	}
	queued = p->nr_ready + p->nr_waiting;
	if (queued > p->max_queued)
		p->max_queued = queued;
	return w != NULL;
}

/* An item has run: its successor becomes ready, with those that wait.  Locked. */
static void work_finished(struct pool *p, struct work *w)
{
	if (w->order) {
		struct work **at = active_bucket(p, w->order), *n = w->first;

		while (*at != w)
			at = &(*at)->chain;
		*at = w->chain;
		if (n) {
			n->first = n->next;
			n->last = n->next ? w->last : NULL;
			n->chain = *at;
			*at = n;
			p->nr_waiting--;
			p->nr_ready++;
			list_add(&p->ready, n);
		}
	}
	p->nr_done++;
	list_add(&p->done, w);
}

/* Takes the skip-th ready item.  Locked. */
static struct work *work_take(struct pool *p, uint32_t skip)
{
	struct work *w = list_take(&p->ready, skip);

	if (w) {
		p->nr_ready--;
		p->nr_running++;
	}
	return w;
}

/* Runs an item that was taken; locked before and after, not meanwhile. */
static void work_run(struct pool *p, struct work *w)
{
	bool tell;

	pthread_mutex_unlock(&p->lock);
	w->run(w);
	pthread_mutex_lock(&p->lock);
	p->nr_running--;
	work_finished(p, w);
	tell = !p->delivering;
	p->delivering = true;
	if (tell) {
		/* It may write to wake the loop: not while the others wait for the lock. */
		pthread_mutex_unlock(&p->lock);
		loop_post(p->loop, &p->deliver);
		pthread_mutex_lock(&p->lock);
	}
}

static void *worker_main(void *arg)
{
	struct pool *p = arg;
	struct work *w;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (!(w = work_take(p, 0)) && !p->stopping) {
			p->nr_idle++;
			pthread_cond_wait(&p->more, &p->lock);
			p->nr_idle--;
		}
		if (!w)
			break;
		work_run(p, w);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* Starts one more thread; signals are the main thread's.  Locked. */
static void worker_start(struct pool *p)
{
	char name[16];
	sigset_t all, old;
	pthread_t *t = &p->threads[p->nr_threads];

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (pthread_create(t, NULL, worker_main, p) == 0) {
		p->nr_threads++;
		snprintf(name, sizeof(name), "%s", p->name);
		pthread_setname_np(*t, name);
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void pool_deliver(struct task *t)
{
	struct pool *p = container_of(t, struct pool, deliver);
	struct work *w;

	pthread_mutex_lock(&p->lock);
	w = p->done.first;
	list_init(&p->done);
	p->delivering = false;
	pthread_mutex_unlock(&p->lock);
	while (w) {
		struct work *next = w->next;

		p->in_flight--;
		w->done(w);
		w = next;
	}
}

/* Simulation: one of the items that could run now, whichever the seed says, as if the other threads were slower. */
static void pool_sim_run(struct timer *t)
{
	struct pool *p = container_of(t, struct pool, sim_timer);
	struct work *w;

	pthread_mutex_lock(&p->lock);
	w = work_take(p, (uint32_t)loop_sim_below(p->loop, p->nr_ready));
	work_run(p, w);
	if (p->nr_ready)
		timer_start_ns(&p->sim_timer, p->loop, loop_sim_below(p->loop, SIM_WORK_MAX_NS), pool_sim_run);
	pthread_mutex_unlock(&p->lock);
}

void work_post(struct pool *p, struct work *w)
{
	pthread_mutex_lock(&p->lock);
	p->in_flight++;
	if (work_queue(p, w) && !p->stopping) {
		if (loop_is_sim(p->loop)) {
			if (!timer_active(&p->sim_timer))
				timer_start_ns(&p->sim_timer, p->loop, loop_sim_below(p->loop, SIM_WORK_MAX_NS),
					       pool_sim_run);
		} else if (p->nr_ready > p->nr_idle && p->nr_threads < p->max_threads) {
			worker_start(p);
		}
		if (p->nr_idle)
			pthread_cond_signal(&p->more);
	}
	/* Not one thread could be started: slow is better than never. */
	if (!p->nr_threads && !loop_is_sim(p->loop) && (w = work_take(p, 0)))
		work_run(p, w);
	pthread_mutex_unlock(&p->lock);
}

bool pool_idle(const struct pool *p)
{
	return p->in_flight == 0;
}

struct pool_stats pool_stats(struct pool *p)
{
	struct pool_stats s;

	pthread_mutex_lock(&p->lock);
	s = (struct pool_stats){
		.done = p->nr_done,
		.queued = p->nr_ready + p->nr_waiting,
		.running = p->nr_running,
		.max_queued = p->max_queued,
		.threads = p->nr_threads,
	};
	pthread_mutex_unlock(&p->lock);
	return s;
}

struct pool *pool_new(struct loop *l, const char *name, uint32_t threads)
{
	struct pool *p;

	assert(threads > 0);
	p = calloc(1, sizeof(*p) + threads * sizeof(p->threads[0]));
	if (!p)
		return NULL;
	p->loop = l;
	p->name = name;
	p->max_threads = threads;
	p->deliver.run = pool_deliver;
	list_init(&p->ready);
	list_init(&p->done);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->more, NULL);
	return p;
}

void pool_free(struct pool *p)
{
	struct work *w;

	if (!p)
		return;
	timer_stop(&p->sim_timer);
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_broadcast(&p->more);
	pthread_mutex_unlock(&p->lock);
	for (uint32_t i = 0; i < p->nr_threads; i++)
		pthread_join(p->threads[i], NULL);
	p->nr_threads = 0;
	/* Callbacks may post again; without threads that runs at once, here. */
	while (p->in_flight) {
		pthread_mutex_lock(&p->lock);
		while ((w = work_take(p, 0)))
			work_run(p, w);
		pthread_mutex_unlock(&p->lock);
		loop_forget(p->loop, &p->deliver);
		pool_deliver(&p->deliver);
	}
	pthread_cond_destroy(&p->more);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
