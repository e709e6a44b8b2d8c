/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * replica-sums.c - what is in a file, told short: a hash of each block, so that a healer compares two bricks without reading what is
 * equal over the network.
 *
 *	open -> where is data? -> (read 1 MiB -> hashes, by a worker) ... -> answer
 *
 * What is before the first data is told in one number: files may be mostly holes.
 */
#include "config.h"

#include <fcntl.h>
#include <stdlib.h>
#include <xxhash.h>

#include "replica.h"

enum { AT_ONCE = ITEM_CHUNK };

struct sums {
	struct frame *f;
	struct repl_range range;
	struct repl_sums answer;
	struct fd *fd;
	struct buf *data;		/* the worker's while it is at work */
	bool over;			/* the end of the file was read */
	struct work work;
};

static struct sums *sums_of(struct frame *f)
{
	return ((struct replica_call *)frame_data(f))->sums;
}

static void put_sums(struct wire *w, const void *arg)
{
	repl_put_sums(w, arg);
}

static void sums_end(struct frame *f, int ret)
{
	struct sums *s = sums_of(f);
	struct buf *b = ret < 0 ? NULL : repl_message(REPL_SUMS_BOUND, put_sums, &s->answer);

	fd_unref(s->fd);
	free(s);
	if (ret < 0)
		return fail(f, ret);
	replica_answer(f, b);
}

/* ---- hashes: a worker ---- */

static struct gfid sum_of(const uint8_t *p, size_t n)
{
	struct gfid sum = gfid_none;
	XXH128_hash_t h;

	if (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0)
		return sum;
	h = XXH3_128bits(p, n);
	memcpy(sum.b, &h, sizeof sum.b);
	sum.b[0] |= gfid_equal(&sum, &gfid_none);
	return sum;
}

static void sums_run(struct work *w)
{
	struct sums *s = (struct sums *)((char *)w - offsetof(struct sums, work));

	for (size_t at = 0; at < s->data->len && s->answer.nr < s->range.most; at += ITEM_BLOCK)
		s->answer.sum[s->answer.nr++] =
			sum_of(s->data->data + at, s->data->len - at < ITEM_BLOCK ? s->data->len - at : ITEM_BLOCK);
}

static void read_next(struct frame *f);

static void sums_done(struct work *w)
{
	struct sums *s = (struct sums *)((char *)w - offsetof(struct sums, work));

	xl_busy(s->f->xl, -1);
	buf_unref(s->data);
	s->data = NULL;
	if (s->over || s->answer.nr == s->range.most)
		return sums_end(s->f, 0);
	read_next(s->f);
}

/* ---- reading ---- */

static void data_read(struct frame *f, int child, int ret, const struct read_reply *reply)
{
	struct sums *s = sums_of(f);

	if (ret <= 0)
		return sums_end(f, ret);
	s->over = ret < AT_ONCE;
	s->data = buf_ref(reply->data);
	s->work = (struct work){ .run = sums_run, .done = sums_done };
	xl_busy(f->xl, 1);
	work_post(f->xl->pool, &s->work);
}

static void read_next(struct frame *f)
{
	struct sums *s = sums_of(f);
	uint64_t at = s->answer.start + (uint64_t)s->answer.nr * ITEM_BLOCK;

	wind_read(f, 0, &(struct read_args){ .fd = s->fd, .offset = at, .size = AT_ONCE }, data_read);
}

static void data_found(struct frame *f, int child, int ret, const struct seek_reply *reply)
{
	struct sums *s = sums_of(f);

	if (ret == -ENXIO) {
		s->answer.start = UINT64_MAX;
		return sums_end(f, 0);
	}
	/* A disk that cannot tell holes has data everywhere. */
	s->answer.start = ret < 0 ? s->range.offset : reply->offset / ITEM_BLOCK * ITEM_BLOCK;
	read_next(f);
}

static void opened(struct frame *f, int child, int ret, const struct open_reply *reply)
{
	struct sums *s = sums_of(f);

	if (ret < 0)
		return sums_end(f, ret);
	wind_seek(f, 0, &(struct seek_args){ .fd = s->fd, .offset = s->range.offset, .whence = SEEK_DATA }, data_found);
}

static bool may_ask(const struct replica *r, const struct identity *id)
{
	if (r->me < 0 || r->installing || id->view != r->view_name)
		return false;
	return !id->impose || r->me != r->home || settle_owns(r, id->client, id->grant);
}

void replica_sums(struct frame *f)
{
	struct wire w = repl_reader(((const struct replicate_args *)f->args)->request);
	struct sums *s = calloc(1, sizeof *s);
	struct inode *inode;

	if (!s)
		return fail(f, -ENOMEM);
	((struct replica_call *)frame_data(f))->sums = s;
	s->f = f;
	repl_get_range(&w, &s->range);
	if (repl_read_end(&w) < 0 || !s->range.most)
		return sums_end(f, -EINVAL);
	if (!may_ask(f->xl->priv, frame_identity(f)))
		return sums_end(f, REPL_OTHER_VIEW);
	inode = inode_get(xl_inodes(f->xl), &s->range.gfid, S_IFREG);
	s->fd = inode ? fd_new(inode, O_RDONLY, false) : NULL;
	if (s->fd)
		wind_open(f, 0, &(struct open_args){ .inode = inode, .fd = s->fd, .flags = O_RDONLY | OPEN_NAMELESS }, opened);
	else
		sums_end(f, -ENOMEM);
	inode_unref(inode);
}
