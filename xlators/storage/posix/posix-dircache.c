/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * posix-dircache.c - the directories that are kept open.
 *
 * Keyed by identity, least recently used goes first.  An entry that somebody uses is pinned: it
 * leaves the table when it must, its descriptor is closed with the last pin.
 *
 * With posix-use.c this is the one file of storage/posix with a lock: workers find directories here
 * by themselves while they walk up from one to the next, and the loop would otherwise have to resolve for them,
 * blocking.  It is held for a table lookup, never over a system call that waits.
 *
 * A directory that was opened before it was removed must not be put in after it: `generation`
 * counts the removals, and dircache_add() keeps nothing when one came in between.
 */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "posix.h"

struct posix_dircache {
	pthread_mutex_t lock;
	uint32_t limit, nr, mask;
	uint64_t generation;
	struct dircache_stats stats;
	struct posix_dir *newest, *oldest;
	struct posix_dir *buckets[];
};

struct posix_dircache *dircache_new(uint32_t limit)
{
	uint32_t n = 64;

	while (n < limit)
		n *= 2;
	struct posix_dircache *c = calloc(1, sizeof *c + n * sizeof c->buckets[0]);

	if (!c)
		return NULL;
	pthread_mutex_init(&c->lock, NULL);
	c->limit = limit;
	c->mask = n - 1;
	return c;
}

static struct posix_dir **bucket_of(struct posix_dircache *c, const struct gfid *g)
{
	return &c->buckets[gfid_hash(g) & c->mask];
}

static struct posix_dir *bucket_find(struct posix_dircache *c, const struct gfid *g)
{
	struct posix_dir *d = *bucket_of(c, g);

	while (d && !gfid_equal(&d->gfid, g))
		d = d->hash_next;
	return d;
}

static void lru_unlink(struct posix_dircache *c, struct posix_dir *d)
{
	*(d->newer ? &d->newer->older : &c->newest) = d->older;
	*(d->older ? &d->older->newer : &c->oldest) = d->newer;
}

static void lru_link(struct posix_dircache *c, struct posix_dir *d)
{
	d->newer = NULL;
	d->older = c->newest;
	*(c->newest ? &c->newest->newer : &c->oldest) = d;
	c->newest = d;
}

/* Returns d when it is to be freed (outside the lock). */
static struct posix_dir *entry_remove(struct posix_dircache *c, struct posix_dir *d)
{
	struct posix_dir **link = bucket_of(c, &d->gfid);

	while (*link != d)
		link = &(*link)->hash_next;
	*link = d->hash_next;
	lru_unlink(c, d);
	d->cached = false;
	c->nr--;
	return d->pins ? NULL : d;
}

static void entry_free(struct posix_dir *d)
{
	if (!d)
		return;
	close(d->fd);
	free(d);
}

struct posix_dir *dircache_find(struct posix_dircache *c, const struct gfid *g,
				uint64_t *ret_generation)
{
	pthread_mutex_lock(&c->lock);
	struct posix_dir *d = bucket_find(c, g);

	if (d) {
		d->pins++;
		lru_unlink(c, d);
		lru_link(c, d);
		c->stats.hits++;
	} else {
		c->stats.misses++;
	}
	*ret_generation = c->generation;
	pthread_mutex_unlock(&c->lock);
	return d;
}

void dircache_add(struct posix_dircache *c, struct posix_dir *d, uint64_t generation)
{
	struct posix_dir *old = NULL;

	pthread_mutex_lock(&c->lock);
	if (generation == c->generation && !bucket_find(c, &d->gfid)) {
		struct posix_dir **bucket = bucket_of(c, &d->gfid);

		if (c->nr >= c->limit)
			old = entry_remove(c, c->oldest);
		d->hash_next = *bucket;
		*bucket = d;
		lru_link(c, d);
		d->cached = true;
		c->nr++;
	}
	pthread_mutex_unlock(&c->lock);
	entry_free(old);
}

void dircache_drop(struct posix_dircache *c, const struct gfid *g)
{
	struct posix_dir *d;

	pthread_mutex_lock(&c->lock);
	c->generation++;
	c->stats.drops++;
	d = bucket_find(c, g);
	if (d)
		d = entry_remove(c, d);
	pthread_mutex_unlock(&c->lock);
	entry_free(d);
}

void dircache_pin(struct posix_dircache *c, struct posix_dir *d)
{
	pthread_mutex_lock(&c->lock);
	d->pins++;
	pthread_mutex_unlock(&c->lock);
}

void dircache_unpin(struct posix_dircache *c, struct posix_dir *d)
{
	pthread_mutex_lock(&c->lock);
	assert(d->pins > 0);
	bool unused = --d->pins == 0 && !d->cached;
	pthread_mutex_unlock(&c->lock);
	if (unused)
		entry_free(d);
}

struct dircache_stats dircache_stats(struct posix_dircache *c)
{
	pthread_mutex_lock(&c->lock);
	struct dircache_stats s = c->stats;

	s.nr = c->nr;
	pthread_mutex_unlock(&c->lock);
	return s;
}

void dircache_free(struct posix_dircache *c)
{
	if (!c)
		return;
	while (c->oldest) {
		assert(c->oldest->pins == 0);
		entry_free(entry_remove(c, c->oldest));
	}
	pthread_mutex_destroy(&c->lock);
	free(c);
}
