/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * locks.c - the rules: what conflicts, how a holder's own locks are split and joined, whose turn it is, who
 * would wait for himself.
 *
 * Invariants: the held locks of one holder never overlap, and touching ones of the same type are one; a request waits
 * only while something held conflicts or somebody who came before waits for an overlapping range.
 */
#include <fcntl.h>
#include <stdlib.h>

#include "locks.h"

enum { DEADLOCK_DEPTH = 128 };

struct lock_table *lock_table_new(void)
{
	struct lock_table *t = malloc(sizeof *t);

	if (!t)
		return NULL;
	TAILQ_INIT(&t->held);
	TAILQ_INIT(&t->waiting);
	return t;
}

void lock_table_free(struct lock_table *t)
{
	if (!t)
		return;
	assert(TAILQ_EMPTY(&t->waiting));
	for (struct held_lock *h; (h = TAILQ_FIRST(&t->held)); ) {
		TAILQ_REMOVE(&t->held, h, link);
		free(h);
	}
	free(t);
}

/* ---- what conflicts ---- */

static bool same_holder(const struct held_lock *a, const struct held_lock *b)
{
	return a->client == b->client && a->lock.owner == b->lock.owner && a->lock.kind == b->lock.kind;
}

static bool overlap(const struct lock *a, const struct lock *b)
{
	return a->start <= b->end && b->start <= a->end;
}

/* Locks of two kinds do not see each other (flock(2), as on a local file system). */
static bool exclude(const struct held_lock *a, const struct held_lock *b)
{
	return a->lock.kind == b->lock.kind && overlap(&a->lock, &b->lock) &&
	       (a->lock.type == F_WRLCK || b->lock.type == F_WRLCK);
}

const struct held_lock *lock_table_conflict(const struct lock_table *t, const struct held_lock *want)
{
	const struct held_lock *h;

	TAILQ_FOREACH(h, &t->held, link)
		if (exclude(h, want) && !same_holder(h, want))
			return h;
	return NULL;
}

static bool same_process(const struct held_lock *a, const struct held_lock *b)
{
	return a->client == b->client && (a->lock.owner == b->lock.owner || a->lock.pid == b->lock.pid);
}

const struct held_lock *lock_table_conflict_io(const struct lock_table *t, const struct held_lock *want)
{
	const struct held_lock *h;

	TAILQ_FOREACH(h, &t->held, link)
		if (exclude(h, want) && !same_process(h, want))
			return h;
	return NULL;
}

static bool holds_there(const struct lock_table *t, const struct held_lock *want)
{
	const struct held_lock *h;

	TAILQ_FOREACH(h, &t->held, link)
		if (same_holder(h, want) && overlap(&h->lock, &want->lock))
			return true;
	return false;
}

/* Somebody who waits before `until` (NULL: anybody) for something that excludes `want`. */
static bool behind_somebody(const struct lock_table *t, const struct held_lock *want, const struct lock_request *until)
{
	const struct lock_request *r;

	/* Whoever already holds a lock there is let past: the others wait for him. */
	if (holds_there(t, want))
		return false;
	TAILQ_FOREACH(r, &t->waiting, link) {
		if (r == until)
			break;
		if (exclude(&r->want, want) && !same_holder(&r->want, want))
			return true;
	}
	return false;
}

bool lock_table_must_queue(const struct lock_table *t, const struct held_lock *want)
{
	return behind_somebody(t, want, NULL);
}

/* ---- taking and giving back ---- */

static void insert_sorted(struct lock_table *t, struct held_lock *new)
{
	struct held_lock *h;

	TAILQ_FOREACH(h, &t->held, link) {
		if (h->lock.start > new->lock.start) {
			TAILQ_INSERT_BEFORE(h, new, link);
			return;
		}
	}
	TAILQ_INSERT_TAIL(&t->held, new, link);
}

static bool touch(const struct lock *a, const struct lock *b)
{
	return overlap(a, b) || (a->end != UINT64_MAX && a->end + 1 == b->start) ||
	       (b->end != UINT64_MAX && b->end + 1 == a->start);
}

/* Takes the range of `new` out of the holder's lock h; `spare` becomes the part behind it, if there is one. */
static void cut_out(struct lock_table *t, struct held_lock *h, const struct lock *new, struct held_lock **spare)
{
	bool before = h->lock.start < new->start, behind = h->lock.end > new->end;

	if (before && behind) {
		struct held_lock *tail = *spare;

		*spare = NULL;
		*tail = *h;
		tail->lock.start = new->end + 1;
		h->lock.end = new->start - 1;
		insert_sorted(t, tail);
	} else if (before) {
		h->lock.end = new->start - 1;
	} else if (behind) {
		TAILQ_REMOVE(&t->held, h, link);
		h->lock.start = new->end + 1;
		insert_sorted(t, h);
	} else {
		TAILQ_REMOVE(&t->held, h, link);
		free(h);
	}
}

int lock_table_set(struct lock_table *t, const struct held_lock *want)
{
	/* Both before anything is changed: the new lock, and the tail when one of ours is cut in two. */
	struct held_lock *new = malloc(sizeof *new), *spare = malloc(sizeof *spare);

	if (!new || !spare) {
		free(new);
		free(spare);
		return -ENOMEM;
	}
	*new = *want;
	for (struct held_lock *h = TAILQ_FIRST(&t->held), *next; h; h = next) {
		next = TAILQ_NEXT(h, link);
		if (!same_holder(h, want))
			continue;
		if (h->lock.type == want->lock.type && touch(&h->lock, &new->lock)) {
			if (h->lock.start < new->lock.start)
				new->lock.start = h->lock.start;
			if (h->lock.end > new->lock.end)
				new->lock.end = h->lock.end;
			TAILQ_REMOVE(&t->held, h, link);
			free(h);
		} else if (overlap(&h->lock, &want->lock)) {
			cut_out(t, h, &want->lock, &spare);
		}
	}
	free(spare);
	if (want->lock.type == F_UNLCK)
		free(new);
	else
		insert_sorted(t, new);
	return 0;
}

void lock_table_drop_owner(struct lock_table *t, uint64_t client, uint64_t owner)
{
	for (struct held_lock *h = TAILQ_FIRST(&t->held), *next; h; h = next) {
		next = TAILQ_NEXT(h, link);
		if (h->client != client || h->lock.owner != owner || h->lock.kind != LK_POSIX)
			continue;
		TAILQ_REMOVE(&t->held, h, link);
		free(h);
	}
}

void lock_table_drop_fd(struct lock_table *t, const struct fd *fd)
{
	for (struct held_lock *h = TAILQ_FIRST(&t->held), *next; h; h = next) {
		next = TAILQ_NEXT(h, link);
		if (h->fd != fd)
			continue;
		TAILQ_REMOVE(&t->held, h, link);
		free(h);
	}
}

/* ---- waiting ---- */

/*
 * Would `holder`, directly or through others, be waited for by whoever keeps `want` from being taken?  Depth
 * first over holders: those that hold something in the way, what each of them waits for, and so on.
 */
static bool waits_for(const struct lock_table *t, const struct held_lock *want, const struct held_lock *holder,
		      const struct waiting *all, int depth)
{
	const struct held_lock *h;
	const struct lock_request *r;

	if (depth > DEADLOCK_DEPTH)
		return false;
	TAILQ_FOREACH(h, &t->held, link) {
		if (!exclude(h, want) || same_holder(h, want))
			continue;
		if (depth > 0 && same_holder(h, holder))
			return true;
		TAILQ_FOREACH(r, all, all_link)
			if (same_holder(&r->want, h) && waits_for(r->table, &r->want, holder, all, depth + 1))
				return true;
	}
	return false;
}

int lock_request_new(struct lock_table *t, const struct held_lock *want, bool keep, struct waiting *all,
		     struct lock_request **ret_request)
{
	if (want->lock.kind == LK_POSIX && waits_for(t, want, want, all, 0))
		return -EDEADLK;
	struct lock_request *r = calloc(1, sizeof *r);
	if (!r)
		return -ENOMEM;
	r->table = t;
	r->want = *want;
	r->keep = keep;
	TAILQ_INSERT_TAIL(&t->waiting, r, link);
	TAILQ_INSERT_TAIL(all, r, all_link);
	*ret_request = r;
	return 0;
}

void lock_request_cancel(struct lock_request *r, struct waiting *all)
{
	TAILQ_REMOVE(&r->table->waiting, r, link);
	TAILQ_REMOVE(all, r, all_link);
	free(r);
}

void lock_table_grant(struct lock_table *t, struct waiting *all, struct waiting *ready)
{
	for (struct lock_request *r = TAILQ_FIRST(&t->waiting), *next; r; r = next) {
		next = TAILQ_NEXT(r, link);
		const struct held_lock *other = r->keep ? lock_table_conflict(t, &r->want)
							: lock_table_conflict_io(t, &r->want);
		if (other || behind_somebody(t, &r->want, r))
			continue;
		TAILQ_REMOVE(&t->waiting, r, link);
		TAILQ_REMOVE(all, r, all_link);
		r->error = r->keep ? lock_table_set(t, &r->want) : 0;
		TAILQ_INSERT_TAIL(ready, r, link);
	}
}
