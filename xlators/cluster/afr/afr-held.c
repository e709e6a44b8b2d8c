/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * afr-held.c - the locks that we hold, so as to bring them to a brick that comes back.
 *
 * A brick that was restarted has forgotten its locks, and one that joins has none.  What stands at home nobody else can have got
 * meanwhile, so it is simply taken there too, as soon as the brick is a full member.  A lock that stands on no member any more and
 * that somebody else has got is lost: its file answers EIO from then on, until it is closed (fcntl(2) knows nothing better).
 *
 * POSIX locks belong to an owner and an inode: a new one replaces what it overlaps, closing any descriptor gives up all
 * (fcntl(2), POSIX.1-2017 "close"); those of flock(2) go with their descriptor.
 */
#include <fcntl.h>
#include <stdlib.h>

#include "afr.h"

struct afr_held {
	LIST_ENTRY(afr_held) link;
	struct fd *fd;			/* not held: its release ends this */
	struct lock lock;		/* a read or write lock */
	uint32_t uid, gid;		/* who took it: as whom the file is opened where it is not */
	uint64_t children;		/* where it stands */
};

static bool is_same_holder(const struct afr_held *h, const struct fd *fd, const struct lock *l)
{
	return h->fd->inode == fd->inode && h->lock.kind == l->kind && h->lock.owner == l->owner;
}

static struct afr_held_bucket *bucket_of(struct afr *afr, const struct inode *inode)
{
	return &afr->held[((uintptr_t)inode >> 6) % AFR_HELD_BUCKETS];
}

static void drop(struct afr_held *h)
{
	LIST_REMOVE(h, link);
	free(h);
}

static bool add(struct afr *afr, const struct afr_held *from, uint64_t start, uint64_t end)
{
	struct afr_held *h = malloc(sizeof *h);

	if (!h)
		return false;
	*h = *from;
	h->lock.start = start;
	h->lock.end = end;
	LIST_INSERT_HEAD(bucket_of(afr, h->fd->inode), h, link);
	return true;
}

/* What the holder has in this range is not as it was: what is left of it stays. */
static bool cut_out(struct afr *afr, const struct fd *fd, const struct lock *l)
{
	struct afr_held *h, *next;
	bool ok = true;

	for (h = LIST_FIRST(bucket_of(afr, fd->inode)); h; h = next) {
		next = LIST_NEXT(h, link);
		if (!is_same_holder(h, fd, l) || h->lock.end < l->start || h->lock.start > l->end)
			continue;
		if (h->lock.start < l->start)
			ok &= add(afr, h, h->lock.start, l->start - 1);
		if (h->lock.end > l->end)
			ok &= add(afr, h, l->end + 1, h->lock.end);
		drop(h);
	}
	return ok;
}

bool afr_held_change(struct frame *f, uint64_t children)
{
	struct afr *afr = f->xl->priv;
	const struct lk_args *a = f->args;
	const struct identity *id = frame_identity(f);
	struct afr_held h = { .fd = a->fd, .lock = a->lock, .uid = id->uid, .gid = id->gid, .children = children };
	bool ok = cut_out(afr, a->fd, &a->lock);

	if (a->lock.type == F_UNLCK)
		return ok;
	afr_fd_mark(f->xl, a->fd);
	return add(afr, &h, a->lock.start, a->lock.end) && ok;
}

void afr_held_drop(struct afr *afr, const struct fd *fd, const struct lock *l)
{
	cut_out(afr, fd, l);
}

void afr_release(struct xlator *xl, struct fd *fd, uint64_t slot)
{
	struct afr *afr = xl->priv;
	struct afr_held *h, *next;

	for (h = LIST_FIRST(bucket_of(afr, fd->inode)); h; h = next) {
		next = LIST_NEXT(h, link);
		if (h->fd == fd)
			drop(h);
	}
}

void afr_held_lost(struct afr *afr, int child)
{
	struct afr_held *h;

	for (int i = 0; i < AFR_HELD_BUCKETS; i++)
		LIST_FOREACH(h, &afr->held[i], link) {
			h->children &= ~afr_bit(child);
			/* Its session there may be another one, for which the file is broken until it is opened again. */
			afr_fd_set_closed(afr->xl, h->fd, afr_bit(child));
		}
}

/* ---- bringing ---- */

struct bring {
	struct fd *fd;			/* held */
	struct lock lock;
	int child;
};

static struct afr_held *find(struct afr *afr, const struct bring *b)
{
	struct afr_held *h;

	LIST_FOREACH(h, bucket_of(afr, b->fd->inode), link)
		if (h->fd == b->fd && is_same_holder(h, b->fd, &b->lock) && h->lock.start == b->lock.start &&
		    h->lock.end == b->lock.end && h->lock.type == b->lock.type)
			return h;
	return NULL;
}

static void bring_end(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	struct fd *fd = ((struct bring *)frame_data(f))->fd;

	call_end(f);
	fd_unref(fd);
	xl_busy(afr->xl, -1);
}

static void lose(struct afr *afr, struct afr_held *h)
{
	char id[GFID_STR];

	log_error(afr->xl->name, "a lock on file %s is lost: the bricks that had it are gone, and another client has it now; "
		  "operations on the file fail until it is closed", gfid_str(&h->fd->inode->gfid, id));
	afr_fd_set_lost(afr->xl, h->fd);
	drop(h);
}

static void locked(struct frame *f, int child, int ret, const struct lk_reply *reply)
{
	struct afr *afr = f->xl->priv;
	struct afr_held *h = find(afr, frame_data(f));

	if (h && ret >= 0)
		h->children |= afr_bit(child);
	else if (h && (ret == -EAGAIN || ret == -EACCES) && !(h->children & afr->members))
		lose(afr, h);
	else if (h && ret != -ENOTCONN && !repl_is_refusal(ret))
		log_warning(afr->xl->name, "a lock cannot be brought to %s: %s", afr_name(afr, child), strerror(-ret));
	bring_end(f);
}

static void bring_lock(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	const struct bring *b = frame_data(f);

	/* Given up meanwhile: its unlock was not told to this child. */
	if (!find(afr, b) || !(afr->members & afr_bit(b->child)))
		return bring_end(f);
	wind_lk(f, b->child, &(struct lk_args){ .fd = b->fd, .cmd = LK_SET, .lock = b->lock }, locked);
}

static void opened(struct frame *f, int child, int ret, const struct open_reply *reply)
{
	const struct bring *b = frame_data(f);

	if (ret < 0)
		return bring_end(f);
	afr_fd_set_opened(f->xl, b->fd, afr_bit(child));
	bring_lock(f);
}

static void bring(struct afr *afr, const struct afr_held *h, int child)
{
	struct identity id = { .client = afr->xl->graph->client_id, .view = afr->view_name, .uid = h->uid, .gid = h->gid,
			       .lk_owner = h->lock.owner };
	struct frame *f = call_new(afr->xl, &id, sizeof(struct bring));

	if (!f)
		return;
	*(struct bring *)frame_data(f) = (struct bring){ .fd = fd_ref(h->fd), .lock = h->lock, .child = child };
	xl_busy(afr->xl, 1);
	if (afr_fd_opened(afr->xl, h->fd) & afr_bit(child))
		return bring_lock(f);
	afr_fd_reopen(f, child, h->fd, opened);
}

void afr_held_bring(struct afr *afr)
{
	struct afr_held *h, *next;

	for (int i = 0; i < AFR_HELD_BUCKETS; i++)
		for (h = LIST_FIRST(&afr->held[i]); h; h = next) {
			struct afr_held copy = *h;	/* an answer at once may be the end of it */

			next = LIST_NEXT(h, link);
			for (uint64_t left = afr->members & ~copy.children; left; left &= left - 1)
				bring(afr, &copy, afr_lowest(left));
		}
}

void afr_held_free(struct afr *afr)
{
	struct afr_held *h;

	for (int i = 0; i < AFR_HELD_BUCKETS; i++)
		while ((h = LIST_FIRST(&afr->held[i])))
			drop(h);
}
