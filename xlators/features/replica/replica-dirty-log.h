/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* replica-dirty-log.h - the log of replica-dirty.c: records that are appended, replayed, and written anew. */
#ifndef GLUSTERFS_REPLICA_DIRTY_LOG_H
#define GLUSTERFS_REPLICA_DIRTY_LOG_H

#include "replica-dirty.h"

enum dlog_kind { DLOG_MARK = 1, DLOG_MENDED, DLOG_FORGET };
enum { DLOG_RECORD_MAX = 8 + ITEM_SIZE_MAX, DLOG_MARK_SIZE = 1 + 4 + 1 + 16 + 8 + 2 + 1 };

struct dlog_record {
	uint8_t kind;
	uint8_t brick;			/* MENDED, FORGET */
	uint32_t mask;			/* MARK */
	const struct item *item;	/* MARK */
	struct gfid hash;		/* MENDED */
};

/* Bytes that grow. */
struct bytes {
	uint8_t *at;
	size_t len, size;
};

struct dlog;

struct dlog_owner {
	/* Replay: a record.  0 or -errno. */
	int (*apply)(void *owner, const struct dlog_record *r);
	/* Writing anew: appends records (dlog_encode) of some more of what counts, in any order; *place is the owner's, 0
	 * first.  1: there is more, 0: not, or -errno. */
	int (*more)(void *owner, uint64_t place[2], struct bytes *out);
	/* The bytes of what counts. */
	uint64_t (*live)(const void *owner);
};

/* As dirty_open(); 1: what was acknowledged is lost, and a mark of ITEM_ALL for all bricks was written in its place. */
int dlog_open(int dirfd, const char *name, struct pool *pool, const struct dlog_owner *type, void *owner,
	      struct dlog **ret, char error[DIRTY_ERROR]);
void dlog_close(struct dlog *l);
void dlog_stop(struct dlog *l);
bool dlog_idle(const struct dlog *l);

/* Makes room for nr records.  0 or -errno: the log is in arrears (the error of the last write, if it failed). */
int dlog_reserve(struct dlog *l, int nr);
/* Appends to the next batch, for which there is room; its number. */
uint64_t dlog_append(struct dlog *l, const struct dlog_record *r);
/* The batch that is appended to. */
uint64_t dlog_batch(const struct dlog *l);
/* The batch, and all before it, are on stable storage. */
bool dlog_is_durable(const struct dlog *l, uint64_t batch);
/* Writes as soon as possible; done when the batch is on stable storage or failed.  0 or -ENOMEM. */
int dlog_wait(struct dlog *l, uint64_t batch, void (*done)(void *arg, int ret), void *arg);
/* Writes if there is much. */
void dlog_lazily(struct dlog *l);
int dlog_encode(struct bytes *out, const struct dlog_record *r);
void dlog_set_rewrite(struct dlog *l, uint64_t bytes);
void dlog_stats(const struct dlog *l, struct dirty_stats *s);

#endif
