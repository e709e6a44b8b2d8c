/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * work.h - worker threads, for what may block: a storage translator's system calls, nothing else.
 *
 *	loop thread:    work_post          done
 *	                   |                 ^
 *	                 queue           loop_post
 *	                   v                 |
 *	worker thread:    run  --------------+
 *
 * The struct work and what it points to belong to the worker from work_post until done runs: no locks.
 * Items with the same non-zero `order` run one after another, in the order they were posted; others in parallel.
 * On a simulated loop `run` runs on the loop at a time picked by the seed; no thread exists.
 */
#ifndef GLUSTERFS_WORK_H
#define GLUSTERFS_WORK_H

#include <stdint.h>
#include "loop.h"

struct pool;

struct work {
	void (*run)(struct work *w);	/* worker thread */
	void (*done)(struct work *w);	/* loop thread; w may be freed or reused in it */
	uint64_t order;			/* key of things that must stay in order (an inode's hash); 0: none */
	/* private: */
	struct work *next;		/* in the ready, waiting or done list */
	struct work *chain;		/* of the same hash bucket, while ready or running with an order */
	struct work *first, *last;	/* who waits for us because of the same order */
};

struct pool_stats { uint64_t done, queued, running, max_queued; uint32_t threads; };	/* queued: not running yet */

/* Threads start when first needed and stay.  name is borrowed (thread names, at most 15 bytes shown). */
struct pool *pool_new(struct loop *l, const char *name, uint32_t threads);
/*
 * Finishes what was posted: waits for the threads, then runs the done callbacks that the loop has not delivered
 * yet.  It blocks the loop meanwhile; to avoid that run the loop until pool_idle() first.  Takes NULL.
 */
void pool_free(struct pool *p);
/* Loop thread: everything posted is done and delivered. */
bool pool_idle(const struct pool *p);
void work_post(struct pool *p, struct work *w);		/* loop thread */
struct pool_stats pool_stats(struct pool *p);

#endif
