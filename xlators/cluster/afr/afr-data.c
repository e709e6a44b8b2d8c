/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * afr-data.c - a range of a file made on a brick what it is at home: hashes of blocks from both (REPL_SUMS), and those that differ are
 * read and written.  What is equal does not travel, and what is a hole on both is not even looked at.  Zeros are not written over a hole.
 */
#include <fcntl.h>
#include <stdlib.h>

#include "afr.h"

struct side {
	int child;
	uint64_t from;			/* told: zeros from here to sums.start, then the blocks, then nothing is known */
	uint32_t most;			/* blocks that were asked for */
	struct repl_sums sums;
};

struct copy {
	struct side home, target;
	struct inode *inode;
	struct fd *fd;			/* open on both */
	uint64_t at, end;
	size_t len;			/* of what is being written */
	uint16_t blocks;		/* of a chunk; 0: all */
	int ret;
	void (*done)(void *arg, int ret);
	void *arg;
};

static struct copy *copy_of(struct frame *f)
{
	return *(struct copy **)frame_data(f);
}

static void copy_end(struct frame *f, int ret)
{
	struct copy *c = copy_of(f);
	struct xlator *xl = f->xl;

	call_end(f);
	inode_unref(c->inode);
	fd_unref(c->fd);
	void (*done)(void *arg, int ret) = c->done;
	void *arg = c->arg;
	free(c);
	xl_busy(xl, -1);
	done(arg, ret);
}

static void copy_next(struct frame *f);

/* ---- a block that differs ---- */

static void written(struct frame *f, int child, int ret, const struct write_reply *reply)
{
	if (ret < 0 || (size_t)ret != copy_of(f)->len)
		return copy_end(f, ret < 0 ? ret : -ENOSPC);
	((struct afr *)f->xl->priv)->nr_heal_bytes += ret;
	copy_of(f)->at += ITEM_BLOCK;
	copy_next(f);
}

static void block_read(struct frame *f, int child, int ret, const struct read_reply *reply)
{
	struct copy *c = copy_of(f);

	if (ret < 0)
		return copy_end(f, ret);
	if (ret == 0) {			/* home's end: the attributes say where that is */
		c->at = UINT64_MAX;
		return copy_next(f);
	}
	c->len = reply->data->len;
	wind_write(f, c->target.child, &(struct write_args){ .fd = c->fd, .data = reply->data, .offset = c->at }, written);
}

/* ---- hashes ---- */

static void put_range(struct wire *w, const void *arg)
{
	repl_put_range(w, arg);
}

static void all_told(struct frame *f)
{
	if (copy_of(f)->ret < 0)
		return copy_end(f, copy_of(f)->ret);
	copy_next(f);
}

static void told(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	struct copy *c = copy_of(f);
	struct side *s = child == c->home.child ? &c->home : &c->target;

	if (ret >= 0) {
		struct wire w = repl_reader(reply->answer);

		repl_get_sums(&w, &s->sums);
		s->from = c->at;
		ret = repl_read_end(&w);
	}
	if (ret < 0)
		c->ret = ret;
	if (!f->pending)
		all_told(f);
}

static void ask(struct frame *f, struct side *s)
{
	struct copy *c = copy_of(f);
	uint64_t blocks = (c->end - c->at - 1) / ITEM_BLOCK + 1;
	struct repl_range r = { .gfid = c->inode->gfid, .offset = c->at,
				.most = blocks < REPL_SUMS_MOST ? (uint32_t)blocks : REPL_SUMS_MOST };

	s->most = r.most;
	if (!afr_message(f, s->child, REPL_SUMS, 32, put_range, &r, told))
		c->ret = -ENOMEM;
}

/* What the side has at this place: a hash, or (gfid_none) zeros.  false: it has to be asked. */
static bool sum_at(const struct side *s, uint64_t at, struct gfid *sum)
{
	uint64_t nth;

	*sum = gfid_none;
	if (s->from == UINT64_MAX || at < s->from)
		return false;
	if (at < s->sums.start)
		return true;
	nth = (at - s->sums.start) / ITEM_BLOCK;
	if (nth < s->sums.nr) {
		*sum = s->sums.sum[nth];
		return true;
	}
	return s->sums.nr < s->most;	/* behind its end */
}

static bool is_behind_end(const struct side *s, uint64_t at)
{
	return s->sums.start != UINT64_MAX && s->sums.nr < s->most && at >= s->sums.start &&
	       (at - s->sums.start) / ITEM_BLOCK >= s->sums.nr;
}

static bool is_wanted(const struct copy *c)
{
	return !c->blocks || (c->blocks & 1u << c->at % ITEM_CHUNK / ITEM_BLOCK);
}

/* From `at` on, where sum_at() knows the side: the first block that may be something else than zeros; UINT64_MAX: none. */
static uint64_t next_data(const struct side *s, uint64_t at)
{
	if (at < s->sums.start)
		return s->sums.start;
	return (at - s->sums.start) / ITEM_BLOCK < s->sums.nr ? at : UINT64_MAX;
}

/* Zeros on both: on to where one of them has something. */
static bool skip_zeros(struct copy *c)
{
	uint64_t home = next_data(&c->home, c->at), target = next_data(&c->target, c->at), next = home < target ? home : target;

	if (c->at >= next)
		return false;
	c->at = next;
	return true;
}

static void copy_next(struct frame *f)
{
	struct copy *c = copy_of(f);
	struct gfid want, have;

	while (c->at < c->end) {
		bool home = sum_at(&c->home, c->at, &want), target = sum_at(&c->target, c->at, &have);

		if (!home || !target) {
			f->pending++;
			if (!home)
				ask(f, &c->home);
			if (!target && c->ret == 0)
				ask(f, &c->target);
			if (--f->pending == 0)
				all_told(f);
			return;
		}
		if (is_behind_end(&c->home, c->at))
			break;
		if (skip_zeros(c))
			continue;
		if (is_wanted(c) && !gfid_equal(&want, &have))
			return wind_read(f, c->home.child,
					 &(struct read_args){ .fd = c->fd, .offset = c->at, .size = ITEM_BLOCK }, block_read);
		c->at += ITEM_BLOCK;
	}
	copy_end(f, 0);
}

/* ---- */

static void target_opened(struct frame *f, int child, int ret, const struct open_reply *reply)
{
	if (ret < 0)
		return copy_end(f, ret == -ENOENT || ret == -ESTALE ? -EAGAIN : ret);
	copy_next(f);
}

static void home_opened(struct frame *f, int child, int ret, const struct open_reply *reply)
{
	struct copy *c = copy_of(f);

	if (ret < 0)
		return copy_end(f, ret == -ENOENT || ret == -ESTALE ? 0 : ret);
	wind_open(f, c->target.child, &(struct open_args){ .inode = c->inode, .fd = c->fd, .flags = O_RDWR | OPEN_NAMELESS },
		  target_opened);
}

void afr_copy(struct afr *afr, int from, int to, const struct identity *id, struct inode *inode, const struct afr_part *part,
	      void (*done)(void *arg, int ret), void *arg)
{
	struct frame *f = call_new(afr->xl, id, sizeof(struct copy *));
	struct copy *c = f ? calloc(1, sizeof *c) : NULL;

	if (c)
		c->fd = fd_new(inode, O_RDWR, false);
	if (!c || !c->fd) {
		free(c);
		if (f)
			call_end(f);
		return done(arg, -ENOMEM);
	}
	*(struct copy **)frame_data(f) = c;
	c->home = (struct side){ .child = from, .from = UINT64_MAX };
	c->target = (struct side){ .child = to, .from = UINT64_MAX };
	c->inode = inode_ref(inode);
	c->at = part->begin;
	c->end = part->end;
	c->blocks = part->blocks;
	c->done = done;
	c->arg = arg;
	xl_busy(afr->xl, 1);
	wind_open(f, from, &(struct open_args){ .inode = inode, .fd = c->fd, .flags = O_RDWR | OPEN_NAMELESS }, home_opened);
}
