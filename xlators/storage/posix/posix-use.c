/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * posix-use.c - who uses an object: it may lose its last name meanwhile.
 *
 * A use is an open file or directory, or a link in the making.  An object that loses its last name
 * while it is used keeps its handle, in .glusterfs/unlink (posix-unlink.c), until the last use ends;
 * a directory has no other name to be moved to, so its open descriptor is kept here.
 *
 * Who removes the last name of an object that nobody uses claims it: until the claim ends, whoever
 * comes to use it is told that it is gone.  Links that were made since a moment show in the counter
 * uses_links().
 *
 * Some objects without name and user are waited for: what was open when the brick ended, and, for a
 * moment, what a rename replaced: somebody may have looked up the name just before it, and on a
 * local disk an open never fails because a file is replaced.  Such a rename claims nothing, it is
 * itself a user, so that there is no moment in which others cannot be.  Their space is bounded.
 *
 * Workers and the loop come here by themselves, so there are two locks: `lock`, held for a table
 * lookup; and `moving`, held over system calls that neither wait nor free space: linkat(), and the
 * moving of a handle that is in use: who has `moving` finds it where it is said to be.  Nobody takes
 * the second while it has the first.
 */
#include <pthread.h>
#include <stdlib.h>

#include "posix.h"

enum {
	BUCKETS = 4096,			/* ten thousand open files: two or three steps */
	LINGER = 2,			/* sweeps */
	LINGER_NR = 4096,		/* objects */
	LINGER_ONE = 16 << 20, LINGER_BYTES = 64 << 20,
};

struct posix_uses {
	pthread_mutex_t lock, moving;
	_Atomic uint64_t links;
	_Atomic uint32_t nr_unlinked;
	/* under lock: */
	uint32_t sweeps, nr_awaited;
	uint64_t bytes_awaited;
	struct posix_use *buckets[BUCKETS];
};

struct posix_uses *uses_new(void)
{
	struct posix_uses *u = calloc(1, sizeof *u);

	if (!u)
		return NULL;
	pthread_mutex_init(&u->lock, NULL);
	pthread_mutex_init(&u->moving, NULL);
	return u;
}

static struct posix_use **place_of(struct posix_uses *u, const struct gfid *g)
{
	struct posix_use **at = &u->buckets[gfid_hash(g) % BUCKETS];

	while (*at && !gfid_equal(&(*at)->gfid, g))
		at = &(*at)->next;
	return at;
}

/* Out of the table; not freed. */
static void use_remove(struct posix_uses *u, struct posix_use *use)
{
	*place_of(u, &use->gfid) = use->next;
	if (use->unlinked)
		u->nr_unlinked--;
	if (use->awaited) {
		u->nr_awaited--;
		u->bytes_awaited -= use->bytes;
	}
}

static void use_free(struct posix *p, struct posix_use *use)
{
	if (use->dir)
		posix_fds_count_kept(p, -1);
	posix_dir_put(p, use->dir);
	free(use);
}

void uses_free(struct posix *p)
{
	struct posix_uses *u = p->uses;

	for (int i = 0; u && i < BUCKETS; i++) {
		for (struct posix_use *use; (use = u->buckets[i]); ) {
			assert(!use->users);
			use_remove(u, use);
			if (use->awaited && use->due <= u->sweeps + LINGER)
				posix_unlinked_remove(p, &use->gfid);
			use_free(p, use);
		}
	}
	if (u) {
		pthread_mutex_destroy(&u->lock);
		pthread_mutex_destroy(&u->moving);
	}
	free(u);
	p->uses = NULL;
}

static struct posix_use *use_new(struct posix_use **at, const struct gfid *g)
{
	struct posix_use *use = calloc(1, sizeof *use);

	if (use) {
		use->gfid = *g;
		*at = use;
	}
	return use;
}

int use_begin(struct posix_uses *u, const struct gfid *g, struct posix_use **ret_use)
{
	struct posix_use *use, **at;
	int ret = 0;

	pthread_mutex_lock(&u->lock);
	at = place_of(u, g);
	use = *at ? *at : use_new(at, g);
	if (!use)
		ret = -ENOMEM;
	else if (use->claimed)
		ret = -ESTALE;
	else
		use->users++;
	pthread_mutex_unlock(&u->lock);
	*ret_use = ret == 0 ? use : NULL;
	return ret;
}

bool use_end(struct posix_uses *u, struct posix_use *use)
{
	bool last, left_over;

	pthread_mutex_lock(&u->lock);
	assert(use->users > 0);
	last = --use->users == 0;
	bool lingers = use->awaited && use->due > u->sweeps && use->due <= u->sweeps + LINGER;
	if (last && lingers)
		last = false;		/* the sweep sees to it: there may be more who come */
	left_over = last && (use->unlinked || use->dir);
	if (left_over)
		use->claimed = true;
	else if (last)
		use_remove(u, use);
	pthread_mutex_unlock(&u->lock);
	if (last && !left_over)
		free(use);
	return left_over;
}

void use_drop(struct posix *p, struct posix_use *use)
{
	pthread_mutex_lock(&p->uses->lock);
	assert(use->claimed && !use->users);
	use_remove(p->uses, use);
	pthread_mutex_unlock(&p->uses->lock);
	use_free(p, use);
}

/* ---- losing the last name ------------------------------------------------------------ */

int use_claim(struct posix_uses *u, const struct gfid *g, struct posix_use *claim)
{
	int ret = 0;

	*claim = (struct posix_use){ .gfid = *g, .claimed = true };
	pthread_mutex_lock(&u->lock);
	struct posix_use **at = place_of(u, g);

	if (*at)
		ret = (*at)->claimed ? -EALREADY : -EBUSY;
	else
		*at = claim;
	pthread_mutex_unlock(&u->lock);
	return ret;
}

void use_unclaim(struct posix_uses *u, struct posix_use *claim)
{
	pthread_mutex_lock(&u->lock);
	use_remove(u, claim);
	pthread_mutex_unlock(&u->lock);
}

bool use_set_unlinked(struct posix_uses *u, const struct gfid *g, bool unlinked)
{
	pthread_mutex_lock(&u->lock);
	struct posix_use *use = *place_of(u, g);

	if (use && use->unlinked != unlinked) {
		use->unlinked = unlinked;
		use->nameless = false;
		u->nr_unlinked += unlinked ? 1 : -1;
	}
	pthread_mutex_unlock(&u->lock);
	return use;
}

void use_set_nameless(struct posix_uses *u, struct posix_use *use)
{
	pthread_mutex_lock(&u->lock);
	assert(!use->unlinked && use->users);
	use->unlinked = use->nameless = true;
	u->nr_unlinked++;
	pthread_mutex_unlock(&u->lock);
}

bool use_is_nameless(struct posix_uses *u, const struct gfid *g)
{
	pthread_mutex_lock(&u->lock);
	const struct posix_use *use = *place_of(u, g);
	bool nameless = use && use->nameless && !use->claimed;

	pthread_mutex_unlock(&u->lock);
	return nameless;
}

static void await(struct posix_uses *u, struct posix_use *use, uint64_t bytes, uint32_t sweeps)
{
	use->awaited = true;
	use->bytes = bytes;
	use->due = u->sweeps + sweeps;
	u->nr_awaited++;
	u->bytes_awaited += bytes;
	if (!use->unlinked)
		u->nr_unlinked++;
	use->unlinked = true;
}

int use_add_left_over(struct posix_uses *u, const struct gfid *g, uint32_t sweeps)
{
	struct posix_use **at = place_of(u, g), *use = *at ? *at : use_new(at, g);

	if (!use)
		return -ENOMEM;
	await(u, use, 0, sweeps);
	return 0;
}

bool use_may_linger(struct posix_uses *u, uint64_t bytes)
{
	pthread_mutex_lock(&u->lock);
	bool may = bytes <= LINGER_ONE && u->bytes_awaited + bytes <= LINGER_BYTES &&
		   u->nr_awaited < LINGER_NR;
	pthread_mutex_unlock(&u->lock);
	return may;
}

void use_linger(struct posix_uses *u, struct posix_use *use, uint64_t bytes)
{
	pthread_mutex_lock(&u->lock);
	assert(use->users > 0 && use->unlinked && !use->awaited);
	await(u, use, bytes, LINGER);
	use->users--;
	pthread_mutex_unlock(&u->lock);
}

struct posix_use *uses_sweep(struct posix_uses *u, bool *ret_more)
{
	struct posix_use *list = NULL;

	pthread_mutex_lock(&u->lock);
	u->sweeps++;
	for (int i = 0; u->nr_awaited && i < BUCKETS; i++) {
		for (struct posix_use *use = u->buckets[i]; use; use = use->next) {
			if (!use->awaited || use->users || use->claimed || use->due > u->sweeps)
				continue;
			use->claimed = true;
			use->next_due = list;
			list = use;
		}
	}
	*ret_more = u->nr_awaited;
	pthread_mutex_unlock(&u->lock);
	return list;
}

bool uses_awaited(struct posix_uses *u)
{
	pthread_mutex_lock(&u->lock);
	bool any = u->nr_awaited;

	pthread_mutex_unlock(&u->lock);
	return any;
}

bool use_is_unlinked(struct posix_uses *u, const struct gfid *g)
{
	if (!u->nr_unlinked)
		return false;
	pthread_mutex_lock(&u->lock);
	const struct posix_use *use = *place_of(u, g);
	bool unlinked = use && use->unlinked && !use->claimed;

	pthread_mutex_unlock(&u->lock);
	return unlinked;
}

/* ---- directories --------------------------------------------------------------------- */

bool use_is_used(struct posix_uses *u, const struct gfid *g)
{
	pthread_mutex_lock(&u->lock);
	bool used = *place_of(u, g);

	pthread_mutex_unlock(&u->lock);
	return used;
}

void use_keep_dir(struct posix *p, struct posix_dir *d)
{
	pthread_mutex_lock(&p->uses->lock);
	struct posix_use *use = *place_of(p->uses, &d->gfid);
	bool taken = false;

	if (use && !use->dir && !use->claimed) {
		use->dir = d;
		use->unlinked = true;
		p->uses->nr_unlinked++;
		taken = true;
	}
	pthread_mutex_unlock(&p->uses->lock);
	if (taken)
		posix_fds_count_kept(p, 1);
	else
		posix_dir_put(p, d);
}

struct posix_dir *use_dir(struct posix *p, const struct gfid *g)
{
	struct posix_dir *d = NULL;

	if (!p->uses->nr_unlinked)
		return NULL;
	pthread_mutex_lock(&p->uses->lock);
	struct posix_use *use = *place_of(p->uses, g);

	if (use && use->dir && !use->claimed) {
		d = use->dir;
		dircache_pin(p->dirs, d);
	}
	pthread_mutex_unlock(&p->uses->lock);
	return d;
}

/* ---- links --------------------------------------------------------------------------- */

uint64_t uses_links(struct posix_uses *u)
{
	return u->links;
}

void uses_link_made(struct posix_uses *u)
{
	u->links++;
}

void uses_lock_moving(struct posix_uses *u)
{
	pthread_mutex_lock(&u->moving);
}

void uses_unlock_moving(struct posix_uses *u)
{
	pthread_mutex_unlock(&u->moving);
}
