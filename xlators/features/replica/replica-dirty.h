/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * replica-dirty.h - the durable set of items that each brick of a replica set may lack.
 *
 * A brick is its place in the view, 0 to 15; several are a mask, a bit each.  For the loop thread; what blocks is done
 * by workers of the pool.
 */
#ifndef GLUSTERFS_REPLICA_DIRTY_H
#define GLUSTERFS_REPLICA_DIRTY_H

#include "replication.h"

enum { DIRTY_ERROR = 256, DIRTY_ITEMS_MOST = 4 << 20 };

struct dirty;

struct dirty_stats {
	uint64_t items;			/* in memory */
	uint64_t log_bytes, live_bytes;	/* the log, and what it would be without what does not count any more */
	uint64_t batches, syncs;	/* written since it was opened; calls of fdatasync and fsync for them */
	uint64_t rewrites;
};

/*
 * Opens the set in the file `name` of a directory, or makes it; blocks.  0, or -errno with a sentence in error.  A log
 * that lost what was acknowledged (not: a torn end) is not an error: every brick then lacks ITEM_ALL.  The caller sees
 * to it that nobody else opens it.
 */
int dirty_open(int dirfd, const char *name, struct loop *l, struct pool *pool, struct dirty **ret,
	       char error[DIRTY_ERROR]);
/* Writes what is left and frees; blocks, and takes NULL.  Who still waits is told
 * -ECANCELED, to free what he has. */
void dirty_close(struct dirty *d);
/* From now on only what somebody waits for is written, so that it becomes idle soon. */
void dirty_stop(struct dirty *d);
bool dirty_idle(const struct dirty *d);

/*
 * The bricks in mask (not 0) may lack these items.  Each gets a new generation.
 * 1: that was known and is on stable storage; done is not called.  0: done(arg, ret) comes when it is, ret 0, or -errno:
 * it may not be.  -errno: likewise, and done is not called.  After an error these bricks lack them, or ITEM_ALL, nevertheless, though
 * perhaps only until the process ends.
 */
int dirty_mark(struct dirty *d, const struct item *items, int nr, uint32_t mask,
	       void (*done)(void *arg, int ret), void *arg);
/*
 * The same with ITEM_ALL: nobody knows what they lack.  It takes the place of all other items of these bricks, which takes time by
 * their number; what is marked later is there beside it.
 */
int dirty_everything(struct dirty *d, uint32_t mask, void (*done)(void *arg, int ret), void *arg);
/*
 * The brick has it, as it was after `generation` was read: nothing happens (false) if it was marked again since then.
 * Written some time; a loss of it means that it is mended once more.
 */
bool dirty_mended(struct dirty *d, int brick, const struct gfid *hash, uint64_t generation);
/* All of one brick; written some time.  Takes time by their number. */
void dirty_forget(struct dirty *d, int brick);

/* How many items the brick lacks; the bytes of those of which that is known. */
uint64_t dirty_count(const struct dirty *d, int brick);
uint64_t dirty_bytes(const struct dirty *d, int brick);
/* The bricks that lack the item with this hash. */
uint32_t dirty_lacking(const struct dirty *d, const struct gfid *hash);
/*
 * The next items of a brick, at most `most`, in the order in which they came; *cursor: 0 to begin, 0 at the end.  Each
 * that stays in the set between the first page and the last is told at least once (twice: when another brick lacks it
 * too, now).  A cursor means nothing after a restart, but does no harm.  The callback must not change the set.  Takes
 * time by their number and not by that of all.  Returns how many it told.
 */
uint32_t dirty_list(struct dirty *d, int brick, uint64_t *cursor, uint32_t most,
		    void (*tell)(void *arg, const struct item *i, uint64_t generation), void *arg);

/* When this many are known, what comes is ITEM_ALL: about 120 bytes of memory each. */
void dirty_set_most(struct dirty *d, uint64_t items);
/* A log below this size is not rewritten, however much of it does not count any more.  Default: 1 MiB. */
void dirty_set_rewrite(struct dirty *d, uint64_t bytes);
struct dirty_stats dirty_stats(const struct dirty *d);

#endif
