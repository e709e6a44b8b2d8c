/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * replica-waiters.h - who waits for a write to be on stable storage: a queue, and how files are written for them.
 */
#ifndef GLUSTERFS_REPLICA_WAITERS_H
#define GLUSTERFS_REPLICA_WAITERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

struct waiter {
	struct waiter *next;
	void (*done)(void *arg, int ret);
	void *arg;
};

struct waiters {
	struct waiter *first, **last;
};

void waiters_init(struct waiters *w);
/* False: no memory. */
bool waiters_add(struct waiters *w, void (*done)(void *arg, int ret), void *arg);
/* All of `from` go to `to`, which is empty; `from` is empty then. */
void waiters_move(struct waiters *to, struct waiters *from);
/* Empties the queue, then calls all that were in it, in order: they may come back with more. */
void waiters_tell(struct waiters *w, int ret);

/* All of it.  Any thread.  0 or -errno. */
int write_at(int fd, const void *bytes, size_t n, off_t at);

#endif
