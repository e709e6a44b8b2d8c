/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * locks.h - the locks of one inode: held ones, and requests that wait in the order they came.
 *
 * No file system here: only the rules of fcntl(2) and flock(2).
 */
#ifndef LOCKS_H
#define LOCKS_H

#include <stdbool.h>
#include <sys/queue.h>

#include "xlator.h"

struct held_lock {
	TAILQ_ENTRY(held_lock) link;
	uint64_t client;
	struct fd *fd;			/* taken through; not held: it goes before the file does */
	struct lock lock;
	struct lock_client *counted;	/* where; held ones only */
};
TAILQ_HEAD(held_locks, held_lock);

/* How many locks there may be, and are: of all tables together.  0 as a limit: any number. */
struct lock_client {
	LIST_ENTRY(lock_client) link;
	uint64_t client;
	uint32_t nr;
};
struct lock_account {			/* zeroed is a good one */
	uint32_t max_per_file, max_per_client, max_in_all;
	uint32_t nr;
	LIST_HEAD(, lock_client) clients;	/* those that have some */
	LIST_HEAD(, lock_table) tables;		/* all */
};

struct lock_table;
struct lock_request {
	TAILQ_ENTRY(lock_request) link;		/* of the table, in order */
	TAILQ_ENTRY(lock_request) all_link;	/* of all tables */
	struct lock_table *table;
	struct held_lock want;
	struct lock_request *search_next;	/* while a deadlock is looked for */
	bool seen;
	bool keep;			/* becomes a held lock; else only waits until it could */
	int error;			/* when granted: 0, -ENOLCK or -ENOMEM */
	void *ctx;
	void (*resume)(struct frame *f, int ret);
};
TAILQ_HEAD(waiting, lock_request);

struct lock_table {
	struct lock_account *account;
	LIST_ENTRY(lock_table) link;
	struct held_locks held;		/* sorted by start */
	uint32_t nr;			/* of them */
	struct waiting waiting;
};

struct lock_table *lock_table_new(struct lock_account *a);	/* NULL: no memory; a outlives it */
void lock_table_free(struct lock_table *t);	/* nobody waits; takes NULL */
/* The first held lock that keeps `want` from being taken, or NULL. */
const struct held_lock *lock_table_conflict(const struct lock_table *t,
					    const struct held_lock *want);
/* The same for a read or write, whose lock owner the kernel does not always tell: the same process
 * counts as the holder. */
const struct held_lock *lock_table_conflict_io(const struct lock_table *t,
					       const struct held_lock *want);
/* Must `want` wait for its turn behind somebody who came before?  Not when it already has a lock
 * there, or somebody waits for a lock that it has. */
bool lock_table_must_queue(const struct lock_table *t, const struct held_lock *want,
			   const struct waiting *all);
/* Takes, changes or (F_UNLCK) gives back; nothing may conflict.  0, -ENOLCK (there are too many),
 * -ENOMEM (nothing changed then). */
int lock_table_set(struct lock_table *t, const struct held_lock *want);
/* close(2) by a process: its POSIX locks go. */
void lock_table_drop_owner(struct lock_table *t, uint64_t client, uint64_t owner);
/* The open file is gone: everything taken through it goes. */
void lock_table_drop_fd(struct lock_table *t, const struct fd *fd);
/* A request that waits.  0, -ENOMEM, or -EDEADLK: the holder would wait for itself. */
int lock_request_new(struct lock_table *t, const struct held_lock *want, bool keep,
		     struct waiting *all, struct lock_request **ret_request);
/* After a new request: those it waits for are let past others from now on.  As
 * lock_table_grant(). */
void lock_request_hurry(struct lock_request *r, struct waiting *all, struct waiting *ready);
void lock_request_cancel(struct lock_request *r, struct waiting *all);	/* frees it */
/* Moves the requests whose turn has come to `ready`, their locks taken. */
void lock_table_grant(struct lock_table *t, struct waiting *all, struct waiting *ready);

#endif
