/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * locks.c - the rules: what conflicts, how a holder's own locks are split and joined, whose turn it
 * is, who would wait for himself.
 *
 * Invariants: the held locks of one holder never overlap, and touching ones of the same type are
 * one; a request waits only while something held conflicts or somebody who came before waits for an
 * overlapping range.
 */
#include <fcntl.h>
#include <stdlib.h>

#include "locks.h"

/* ---- counting ---- */

/* The count of a client, made when there is none; the last one asked for is found first.  NULL: no
 * memory. */
static struct lock_client *client_get(struct lock_account *a, uint64_t client)
{
	struct lock_client *c;

	LIST_FOREACH(c, &a->clients, link)
		if (c->client == client)
			break;
	if (c)
		LIST_REMOVE(c, link);
	else if (!(c = calloc(1, sizeof *c)))
		return NULL;
	c->client = client;
	LIST_INSERT_HEAD(&a->clients, c, link);
	return c;
}

static void client_put(struct lock_client *c)
{
	if (c->nr)
		return;
	LIST_REMOVE(c, link);
	free(c);
}

static bool is_over(uint32_t nr, uint32_t limit)
{
	return limit && nr >= limit;
}

static bool may_have_more(const struct lock_table *t, const struct lock_client *c)
{
	const struct lock_account *a = t->account;

	return !is_over(t->nr, a->max_per_file) && !is_over(c->nr, a->max_per_client) &&
	       !is_over(a->nr, a->max_in_all);
}

static void held_count(struct lock_table *t, struct lock_client *c, struct held_lock *h)
{
	h->counted = c;
	c->nr++;
	t->nr++;
	t->account->nr++;
}

/* Out of the table. */
static void held_free(struct lock_table *t, struct held_lock *h)
{
	TAILQ_REMOVE(&t->held, h, link);
	t->nr--;
	t->account->nr--;
	h->counted->nr--;
	client_put(h->counted);
	free(h);
}

/* ---- tables ---- */

struct lock_table *lock_table_new(struct lock_account *a)
{
	struct lock_table *t = malloc(sizeof *t);

	if (!t)
		return NULL;
	t->account = a;
	t->nr = 0;
	TAILQ_INIT(&t->held);
	TAILQ_INIT(&t->waiting);
	LIST_INSERT_HEAD(&a->tables, t, link);
	return t;
}

void lock_table_free(struct lock_table *t)
{
	if (!t)
		return;
	assert(TAILQ_EMPTY(&t->waiting));
	for (struct held_lock *h; (h = TAILQ_FIRST(&t->held)); )
		held_free(t, h);
	LIST_REMOVE(t, link);
	free(t);
}

/* ---- what conflicts ---- */

static bool same_holder(const struct held_lock *a, const struct held_lock *b)
{
	return a->client == b->client && a->lock.owner == b->lock.owner &&
	       a->lock.kind == b->lock.kind;
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

const struct held_lock *lock_table_conflict(const struct lock_table *t,
					    const struct held_lock *want)
{
	const struct held_lock *h;

	TAILQ_FOREACH(h, &t->held, link)
		if (exclude(h, want) && !same_holder(h, want))
			return h;
	return NULL;
}

static bool same_process(const struct held_lock *a, const struct held_lock *b)
{
	return a->client == b->client &&
	       (a->lock.owner == b->lock.owner || a->lock.pid == b->lock.pid);
}

const struct held_lock *lock_table_conflict_io(const struct lock_table *t,
					       const struct held_lock *want)
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

/* Does anybody, on any inode, wait for something that the holder of `want` has? */
static bool is_waited_for(const struct held_lock *want, const struct waiting *all)
{
	const struct lock_request *r;
	const struct held_lock *h;

	TAILQ_FOREACH(r, all, all_link)
		TAILQ_FOREACH(h, &r->table->held, link)
		if (same_holder(h, want) && exclude(h, &r->want) && !same_holder(&r->want, want))
			return true;
		return false;
}

/*
 * Must `want` wait for its turn behind somebody who came before `until` (NULL: at all)?  Not a
 * holder for whom others wait, here or on another inode: he would wait for them, and they for him,
 * where no lock is in his way.
 */
static bool behind_somebody(const struct lock_table *t, const struct held_lock *want,
			    const struct lock_request *until, const struct waiting *all)
{
	const struct lock_request *r;

	TAILQ_FOREACH(r, &t->waiting, link) {
		if (r == until)
			break;
		if (exclude(&r->want, want) && !same_holder(&r->want, want))
			return !holds_there(t, want) && !is_waited_for(want, all);
	}
	return false;
}

bool lock_table_must_queue(const struct lock_table *t, const struct held_lock *want,
			   const struct waiting *all)
{
	return behind_somebody(t, want, NULL, all);
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

/* Takes the range of `new` out of the holder's lock h; `spare` becomes the part behind it, if there
 * is one. */
static void cut_out(struct lock_table *t, struct held_lock *h, const struct lock *new,
		    struct held_lock **spare)
{
	bool before = h->lock.start < new->start, behind = h->lock.end > new->end;

	if (before && behind) {
		struct held_lock *tail = *spare;

		*spare = NULL;
		*tail = *h;
		held_count(t, h->counted, tail);
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
		held_free(t, h);
	}
}

/* Does the holder have a lock of just this range?  Then it does not become one more. */
static bool replaces(const struct lock_table *t, const struct held_lock *want)
{
	const struct held_lock *h;

	TAILQ_FOREACH(h, &t->held, link)
		if (same_holder(h, want) && h->lock.start == want->lock.start &&
		    h->lock.end == want->lock.end)
			return true;
	return false;
}

int lock_table_set(struct lock_table *t, const struct held_lock *want)
{
	/* All before anything is changed: the new lock (for a moment also when it is none), and
	 * the tail when one of ours is cut in two. */
	struct held_lock *new = malloc(sizeof *new), *spare = malloc(sizeof *spare);
	struct lock_client *c = client_get(t->account, want->client);
	int ret = !new || !spare || !c ? -ENOMEM : 0;

	if (ret == 0 && want->lock.type != F_UNLCK && !may_have_more(t, c) && !replaces(t, want))
		ret = -ENOLCK;
	if (ret < 0) {
		free(new);
		free(spare);
		if (c)
			client_put(c);
		return ret;
	}
	*new = *want;
	held_count(t, c, new);
	for (struct held_lock *h = TAILQ_FIRST(&t->held), *next; h; h = next) {
		next = TAILQ_NEXT(h, link);
		if (!same_holder(h, want))
			continue;
		if (h->lock.type == want->lock.type && touch(&h->lock, &new->lock)) {
			if (h->lock.start < new->lock.start)
				new->lock.start = h->lock.start;
			if (h->lock.end > new->lock.end)
				new->lock.end = h->lock.end;
			held_free(t, h);
		} else if (overlap(&h->lock, &want->lock)) {
			cut_out(t, h, &want->lock, &spare);
		}
	}
	free(spare);
	insert_sorted(t, new);
	if (want->lock.type == F_UNLCK)
		held_free(t, new);
	return 0;
}

void lock_table_drop_owner(struct lock_table *t, uint64_t client, uint64_t owner)
{
	for (struct held_lock *h = TAILQ_FIRST(&t->held), *next; h; h = next) {
		next = TAILQ_NEXT(h, link);
		if (h->client != client || h->lock.owner != owner || h->lock.kind != LK_POSIX)
			continue;
		held_free(t, h);
	}
}

void lock_table_drop_fd(struct lock_table *t, const struct fd *fd)
{
	for (struct held_lock *h = TAILQ_FIRST(&t->held), *next; h; h = next) {
		next = TAILQ_NEXT(h, link);
		if (h->fd != fd)
			continue;
		held_free(t, h);
	}
}

/* ---- waiting ---- */

/* Appends the requests of those who hold something in the way of `want`.  Whether `holder` is one
 * of these. */
static bool search(const struct lock_table *t, const struct held_lock *want,
		   const struct held_lock *holder, const struct waiting *all,
		   struct lock_request ***tail)
{
	const struct held_lock *h;
	struct lock_request *r;

	TAILQ_FOREACH(h, &t->held, link) {
		if (!exclude(h, want) || same_holder(h, want))
			continue;
		if (same_holder(h, holder))
			return true;
		TAILQ_FOREACH(r, all, all_link) {
			if (r->seen || !same_holder(&r->want, h))
				continue;
			r->seen = true;
			r->search_next = NULL;
			**tail = r;
			*tail = &r->search_next;
		}
	}
	return false;
}

/* Would the holder of `want` wait for himself?  Breadth first over requests, each looked at
 * once. */
static bool is_deadlock(const struct lock_table *t, const struct held_lock *want,
			const struct waiting *all)
{
	struct lock_request *first = NULL, **tail = &first, *r;

	TAILQ_FOREACH(r, all, all_link)
		r->seen = false;
	if (search(t, want, want, all, &tail))
		return true;
	for (r = first; r; r = r->search_next)
		if (search(r->table, &r->want, want, all, &tail))
			return true;
	return false;
}

int lock_request_new(struct lock_table *t, const struct held_lock *want, bool keep,
		     struct waiting *all, struct lock_request **ret_request)
{
	if (want->lock.kind == LK_POSIX && is_deadlock(t, want, all))
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

/* Moves r to `ready` when its turn has come.  Whether it has. */
static bool try_grant(struct lock_request *r, struct waiting *all, struct waiting *ready)
{
	struct lock_table *t = r->table;

	if (r->keep ? lock_table_conflict(t, &r->want) : lock_table_conflict_io(t, &r->want))
		return false;
	if (behind_somebody(t, &r->want, r, all))
		return false;
	TAILQ_REMOVE(&t->waiting, r, link);
	TAILQ_REMOVE(all, r, all_link);
	r->error = r->keep ? lock_table_set(t, &r->want) : 0;
	TAILQ_INSERT_TAIL(ready, r, link);
	return true;
}

void lock_table_grant(struct lock_table *t, struct waiting *all, struct waiting *ready)
{
	for (struct lock_request *r = TAILQ_FIRST(&t->waiting), *next; r; r = next) {
		next = TAILQ_NEXT(r, link);
		try_grant(r, all, ready);
	}
}

void lock_request_hurry(struct lock_request *r, struct waiting *all, struct waiting *ready)
{
	const struct held_lock *h;
	struct lock_request *q;

again:
	TAILQ_FOREACH(h, &r->table->held, link) {
		if (!exclude(h, &r->want) || same_holder(h, &r->want))
			continue;
		TAILQ_FOREACH(q, all, all_link)
			if (same_holder(&q->want, h) && try_grant(q, all, ready))
				goto again;	/* the lists have changed */
	}
}
