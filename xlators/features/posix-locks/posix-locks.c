/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * posix-locks.c - fcntl (POSIX and OFD) and flock locks between processes, mounts and hosts.
 *
 * Each inode has the locks that are held and the requests that wait, in the order they came
 * (locks.c has the rules).  A holder is (client, owner, kind); the owner is what the client's
 * kernel says: a process for fcntl, an open file for OFD and flock.  Locks go with flush (fcntl:
 * any close by the process) and with the last reference to the open file they were taken through,
 * which is also how a lost client's go: protocol/server drops its files.
 *
 * With `mandatory on` reads, writes and truncates of files with set-group-id and without
 * group-execute obey the locks too: they wait, or answer EAGAIN when the file is open with
 * O_NONBLOCK.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "locks.h"

struct pl {
	bool mandatory;
	struct lock_account account;		/* with three options */
	struct waiting all_waiting;		/* of all inodes: for finding deadlocks */
	uint64_t granted, refused, deadlocks;
};

/* Our scratch: the request while it waits. */
struct pl_frame {
	struct lock_request *request;
};

static const struct option options[] = {
	OPT_BOOL("mandatory", struct pl, mandatory, "off",
		 "reads and writes of files with set-group-id and without group-execute obey the locks"),
	OPT_ALIAS("mandatory-locks", "mandatory"),
	OPT_U32("max-locks-per-file", struct pl, account.max_per_file, "65536", "0", "4294967295",
		"locks on one file; one more is ENOLCK; 0: any number"),
	OPT_U32("max-locks-per-client", struct pl, account.max_per_client, "262144", "0",
		"4294967295", "locks of one client (a mount, with all its processes)"),
	OPT_U32("max-locks", struct pl, account.max_in_all, "1000000", "0", "4294967295",
		"locks in all"),
	OPT_END
};

static struct lock_table *table_of(struct xlator *xl, struct inode *inode, bool make)
{
	uint64_t *slot = inode_slot(inode, xl);

	if (!*slot && make)
		*slot = (uintptr_t)lock_table_new(&((struct pl *)xl->priv)->account);
	return (struct lock_table *)(uintptr_t)*slot;
}

/* Answers those whose turn has come; they are in no queue any more. */
static void answer_ready(struct xlator *xl, struct waiting *ready)
{
	struct pl *priv = xl->priv;

	for (struct lock_request *r; (r = TAILQ_FIRST(ready)); ) {
		struct frame *f = r->ctx;
		void (*resume)(struct frame *, int) = r->resume;
		int ret = r->error;

		TAILQ_REMOVE(ready, r, link);
		free(r);
		((struct pl_frame *)frame_data(f))->request = NULL;
		frame_on_cancel(f, NULL);
		priv->granted++;
		resume(f, ret);
	}
}

/* Something was given back.  An answer may come back here with another request: all whose turn it
 * is are taken out of the queue first. */
static void grant(struct xlator *xl, struct lock_table *t)
{
	struct waiting ready = TAILQ_HEAD_INITIALIZER(ready);

	lock_table_grant(t, &((struct pl *)xl->priv)->all_waiting, &ready);
	answer_ready(xl, &ready);
}

static void pl_cancel(struct frame *f)
{
	struct pl *priv = f->xl->priv;
	struct pl_frame *pf = frame_data(f);
	struct lock_table *t = pf->request->table;
	struct xlator *xl = f->xl;
	struct inode *inode = inode_ref(pf->request->want.fd->inode);	/* t is its */

	lock_request_cancel(pf->request, &priv->all_waiting);
	fail(f, -EINTR);
	grant(xl, t);
	inode_unref(inode);
}

/* Queues a request; resume(f, 0 or -errno) when its turn has come.  f may be gone afterwards. */
static void wait_for(struct frame *f, struct lock_table *t, const struct held_lock *want, bool keep,
		     void (*resume)(struct frame *, int))
{
	struct waiting ready = TAILQ_HEAD_INITIALIZER(ready);
	struct xlator *xl = f->xl;
	struct pl *priv = xl->priv;
	struct pl_frame *pf = frame_data(f);
	struct lock_request *r;
	int err = lock_request_new(t, want, keep, &priv->all_waiting, &r);

	if (err) {
		priv->deadlocks += err == -EDEADLK;
		return fail(f, err);
	}
	r->ctx = f;
	r->resume = resume;
	pf->request = r;
	lock_request_hurry(r, &priv->all_waiting, &ready);
	frame_on_cancel(f, pl_cancel);
	answer_ready(xl, &ready);
}

static struct held_lock wanted(const struct frame *f, struct fd *fd, const struct lock *lock)
{
	return (struct held_lock){ .client = frame_identity(f)->client, .fd = fd, .lock = *lock };
}

/* ---- lk ---- */

static void lk_granted(struct frame *f, int ret)
{
	const struct lk_args *a = f->args;

	if (ret < 0)
		return fail(f, ret);
	unwind_lk(f, 0, &(struct lk_reply){ .lock = a->lock });
}

static void lk_get(struct frame *f, const struct lk_args *a)
{
	struct lock_table *t = table_of(f->xl, a->fd->inode, false);
	struct held_lock want = wanted(f, a->fd, &a->lock);
	const struct held_lock *other = t ? lock_table_conflict(t, &want) : NULL;
	struct lk_reply reply = { .lock = other ? other->lock : a->lock };

	if (!other)
		reply.lock.type = F_UNLCK;
	unwind_lk(f, 0, &reply);
}

static bool lk_is_sane(const struct lk_args *a)
{
	const struct lock *l = &a->lock;

	return l->start <= l->end && l->kind <= LK_FLOCK && a->cmd <= LK_SETW &&
	       (l->type == F_RDLCK || l->type == F_WRLCK || l->type == F_UNLCK);
}

/*
 * A flock that must wait gives up what its holder has first, as flock(2) does: two that go from a
 * read to a write lock would wait for each other.
 */
static void lk_wait(struct frame *f, struct lock_table *t, const struct held_lock *want)
{
	struct held_lock none = *want;
	struct xlator *xl = f->xl;

	if (want->lock.kind != LK_FLOCK)
		return wait_for(f, t, want, true, lk_granted);
	none.lock.type = F_UNLCK;
	int err = lock_table_set(t, &none);
	if (err)
		return fail(f, err);
	struct inode *inode = inode_ref(want->fd->inode);	/* t is its */
	wait_for(f, t, want, true, lk_granted);
	grant(xl, t);
	inode_unref(inode);
}

static void pl_lk(struct frame *f, const struct lk_args *a)
{
	struct pl *priv = f->xl->priv;

	if (!lk_is_sane(a))
		return fail(f, -EINVAL);
	if (a->cmd == LK_GET)
		return lk_get(f, a);
	struct xlator *xl = f->xl;
	struct lock_table *t = table_of(xl, a->fd->inode, true);
	struct held_lock want = wanted(f, a->fd, &a->lock);
	if (!t)
		return fail(f, -ENOMEM);
	*fd_slot(a->fd, xl) = 1;
	if (a->lock.type != F_UNLCK &&
	    (lock_table_conflict(t, &want) ||
	     (a->cmd == LK_SETW && lock_table_must_queue(t, &want, &priv->all_waiting)))) {
		if (a->cmd == LK_SETW)
			return lk_wait(f, t, &want);
		priv->refused++;
		return fail(f, -EAGAIN);
	}
	int err = lock_table_set(t, &want);
	if (err)
		return fail(f, err);
	struct inode *inode = inode_ref(a->fd->inode);
	lk_granted(f, 0);
	/* a lock that was made smaller or weaker may let others in */
	grant(xl, t);
	inode_unref(inode);
}

static void pl_flush(struct frame *f, const struct flush_args *a)
{
	struct xlator *xl = f->xl;
	struct inode *inode = a->fd->inode;
	struct lock_table *t = table_of(xl, inode, false);

	if (t) {
		lock_table_drop_owner(t, frame_identity(f)->client, a->owner);
		inode_ref(inode);
		pass(f, 0);
		grant(xl, t);
		inode_unref(inode);
		return;
	}
	pass(f, 0);
}

static void pl_release(struct xlator *xl, struct fd *fd, uint64_t slot)
{
	struct lock_table *t = table_of(xl, fd->inode, false);

	if (!t)
		return;
	lock_table_drop_fd(t, fd);
	grant(xl, t);
}

static void pl_forget(struct xlator *xl, struct inode *inode, uint64_t slot)
{
	lock_table_free((struct lock_table *)(uintptr_t)slot);
}

/* ---- mandatory locks ---- */

static void mandatory_go(struct frame *f, int ret)
{
	if (ret < 0)
		return fail(f, ret);
	pass(f, 0);
}

/* What an operation does to the file, as a lock that it would need. */
static bool as_lock(const struct frame *f, struct held_lock *want, struct inode **inode)
{
	const struct identity *id = frame_identity(f);

	*want = (struct held_lock){
		.client = id->client,
		.lock = { .owner = id->lk_owner, .pid = id->pid, .kind = LK_POSIX, .type = F_WRLCK }
	};
	switch (f->op) {
	case FOP_read: {
		const struct read_args *a = f->args;

		want->fd = a->fd;
		*inode = a->fd->inode;
		want->lock.type = F_RDLCK;
		want->lock.start = a->offset;
		want->lock.end = a->offset + (a->size ? a->size - 1 : 0);
		return a->size > 0;
	}
	case FOP_write: {
		const struct write_args *a = f->args;

		want->fd = a->fd;
		*inode = a->fd->inode;
		want->lock.start = a->offset;
		want->lock.end = a->offset + (a->data->len ? a->data->len - 1 : 0);
		if (a->flags & WRITE_APPEND) {		/* wherever the end is */
			want->lock.start = 0;
			want->lock.end = UINT64_MAX;
		}
		return a->data->len > 0;
	}
	case FOP_truncate: {
		const struct truncate_args *a = f->args;

		want->fd = a->fd;
		*inode = a->inode;
		want->lock.start = a->size;
		want->lock.end = UINT64_MAX;
		return true;
	}
	}
	return false;
}

static void mandatory_stat_done(struct frame *f, int child, int ret, const struct stat_reply *reply)
{
	struct held_lock want;
	struct inode *inode = NULL;

	if (ret < 0)
		return fail(f, ret);
	bool is_mandatory = S_ISREG(reply->attr.mode) && (reply->attr.mode & S_ISGID) &&
			    !(reply->attr.mode & S_IXGRP);
	if (!is_mandatory || !as_lock(f, &want, &inode))
		return pass(f, 0);
	struct lock_table *t = table_of(f->xl, inode, false);
	if (!t || !lock_table_conflict_io(t, &want))
		return pass(f, 0);
	if (!want.fd || (want.fd->flags & O_NONBLOCK))
		return fail(f, -EAGAIN);
	wait_for(f, t, &want, false, mandatory_go);
}

/* Files without locks, and all without the option, pass at once. */
static void pl_io(struct frame *f)
{
	struct pl *priv = f->xl->priv;
	struct held_lock want;
	struct inode *inode = NULL;

	if (!priv->mandatory || !as_lock(f, &want, &inode))
		return pass(f, 0);
	struct lock_table *t = table_of(f->xl, inode, false);
	if (!t || !lock_table_conflict_io(t, &want))
		return pass(f, 0);
	wind_stat(f, 0, &(struct stat_args){ .inode = inode, .fd = want.fd }, mandatory_stat_done);
}

static void pl_read(struct frame *f, const struct read_args *a)
{
	pl_io(f);
}

static void pl_write(struct frame *f, const struct write_args *a)
{
	pl_io(f);
}

static void pl_truncate(struct frame *f, const struct truncate_args *a)
{
	pl_io(f);
}

static int pl_init(struct xlator *xl)
{
	struct pl *priv = xl->priv;

	TAILQ_INIT(&priv->all_waiting);
	return 0;
}

enum { DUMP_MAX = 1000 };

/* The next line of the list of locks, until it is long enough. */
static void dump_lock(struct dump *d, unsigned *nr, const char *what, const struct held_lock *h)
{
	static const char *const kinds[] = { [LK_POSIX] = "fcntl", [LK_FLOCK] = "flock" };
	char key[32], id[GFID_STR], end[24] = "the end";

	if (++*nr > DUMP_MAX)
		return;
	if (h->lock.end != UINT64_MAX)
		snprintf(end, sizeof end, "%llu", (unsigned long long)h->lock.end);
	snprintf(key, sizeof key, "lock.%u", *nr);
	dump_value(d, key, "%s: %s, %s %s, bytes %llu to %s, client %016llx, pid %u, owner %llx",
		   gfid_str(&h->fd->inode->gfid, id), what, kinds[h->lock.kind],
		   h->lock.type == F_WRLCK ? "write" : "read", (unsigned long long)h->lock.start, end,
		   (unsigned long long)h->client, h->lock.pid, (unsigned long long)h->lock.owner);
}

static void pl_dump(struct xlator *xl, struct dump *d)
{
	struct pl *priv = xl->priv;
	const struct lock_table *t;
	const struct held_lock *h;
	const struct lock_request *r;
	uint64_t waiting = 0;
	unsigned nr = 0;

	TAILQ_FOREACH(r, &priv->all_waiting, all_link)
		waiting++;
	dump_u64(d, "held", priv->account.nr);
	dump_u64(d, "waiting", waiting);
	dump_u64(d, "granted-after-waiting", priv->granted);
	dump_u64(d, "refused", priv->refused);
	dump_u64(d, "deadlocks", priv->deadlocks);
	LIST_FOREACH(t, &priv->account.tables, link) {
		TAILQ_FOREACH(h, &t->held, link)
			dump_lock(d, &nr, "held", h);
		/* A read that waits has no open file that is sure to stay. */
		TAILQ_FOREACH(r, &t->waiting, link)
			if (r->want.fd)
				dump_lock(d, &nr, "wanted", &r->want);
	}
	if (nr > DUMP_MAX)
		dump_u64(d, "locks-not-listed", nr - DUMP_MAX);
}

static const struct xlator_type posix_locks_xlator = {
	.abi = XLATOR_ABI, .name = "features/posix-locks",
	.help = "fcntl, OFD and flock locks between all clients",
	.min_children = 1, .max_children = 1,
	.priv_size = sizeof(struct pl), .frame_size = sizeof(struct pl_frame), .options = options,
	.init = pl_init, .dump = pl_dump, .forget = pl_forget, .release = pl_release,
	.fops = {
		.lk = pl_lk, .flush = pl_flush,
		.read = pl_read, .write = pl_write, .truncate = pl_truncate,
	},
};
XLATOR_EXPORT(posix_locks_xlator);
