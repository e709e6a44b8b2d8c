/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * lock.c - byte-range locks (fcntl, OFD) and flock, handed to the graph.
 *
 * An OFD lock is a POSIX lock with another owner, as the kernel tells it.  Waiting is the business
 * of whoever keeps the locks; a signal cancels the call (request.c).
 *
 * Programs on several hosts that change a file under locks keep it open (databases do), so
 * close-to-open is not enough for them: when a lock is granted, the file's attributes are compared
 * with those to which the kernel's pages belong, and what is old is dropped before the kernel hears
 * of the lock.  A round more, as in NFS.
 */
#include "config.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>

#include "mount.h"

/* ---- what the kernel has cached, when a lock is granted ---- */

struct drop {
	struct work work;
	struct request *request;
	fuse_ino_t ino;
};

/* On a worker: it waits for pages that are being read, and the loop answers those reads. */
static void drop_run(struct work *w)
{
	struct drop *d = container_of(w, struct drop, work);

	fuse_lowlevel_notify_inval_inode(d->request->mount->session, d->ino, 0, 0);
}

static void drop_done(struct work *w)
{
	request_error(container_of(w, struct drop, work)->request, 0);
}

/* Whatever the answer is, the lock is granted. */
static void checked_done(struct frame *f, int child, int ret, const struct stat_reply *reply)
{
	struct request *r = request_of(f);
	struct mount *m = r->mount;

	if (node_checked(m, r->inode, ret < 0 ? NULL : &reply->attr, r->changes) || !m->connected)
		return request_error(r, 0);
	struct drop *d = frame_alloc(r->root, sizeof *d);
	if (!m->drop_pool)
		m->drop_pool = pool_new(xl_loop(m->xl), "gf-drop", 1);
	if (!d || !m->drop_pool) {
		log_error(m->xl->name, "no memory to drop the pages of a file that was locked");
		return request_error(r, 0);
	}
	*d = (struct drop){ .work = { .run = drop_run, .done = drop_done },
			    .request = r,
			    .ino = node_id(m, r->inode) };
	work_post(m->drop_pool, &d->work);
}

/* A lock that is granted shows what others have written under theirs, also in a file that has
 * been open all the time. */
static void lk_done(struct frame *f, int child, int ret, const struct lk_reply *reply)
{
	struct request *r = request_of(f);
	struct node *n = node_find(r->mount, r->inode);

	if (ret < 0 || r->lock_type == F_UNLCK || !n || !n->pages)
		return request_error(r, ret < 0 ? ret : 0);
	r->changes = r->mount->changes;
	wind_stat(f, 0, &(struct stat_args){ .inode = r->inode }, checked_done);
}

static void getlk_done(struct frame *f, int child, int ret, const struct lk_reply *reply)
{
	struct request *r = request_answered(f, &ret);

	if (ret < 0)
		return request_error(r, ret);
	const struct lock *l = &reply->lock;
	struct flock lock = {
		.l_type = l->type, .l_whence = SEEK_SET, .l_start = l->start, .l_pid = l->pid,
		.l_len = l->end >= INT64_MAX ? 0 : l->end - l->start + 1,
	};
	fuse_reply_lock(r->req, &lock);
	request_end(r);
}

static struct lock lock_of(const struct flock *l, uint64_t owner)
{
	return (struct lock){
		.owner = owner,
		.start = l->l_start,
		.type = l->l_type,
		.pid = l->l_pid,
		.kind = LK_POSIX,
		.end = l->l_len == 0 ? UINT64_MAX : (uint64_t)(l->l_start + l->l_len - 1),
	};
}

static void lock_wind(struct request *r, struct fd *fd, uint32_t cmd, const struct lock *lock,
		      lk_done_fn *done)
{
	call_identity(r->root)->lk_owner = lock->owner;
	r->lock_type = lock->type;
	wind_lk(r->root, 0, &(struct lk_args){ .fd = fd, .cmd = cmd, .lock = *lock }, done);
}

void op_getlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *lock)
{
	struct request *r = request_new(req, ino);
	struct lock l = lock_of(lock, fi->lock_owner);

	if (r)
		lock_wind(r, handle_fd(fi), LK_GET, &l, getlk_done);
}

void op_setlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *lock,
	      int sleep)
{
	struct request *r = request_new(req, ino);
	struct lock l = lock_of(lock, fi->lock_owner);

	if (r)
		lock_wind(r, handle_fd(fi), sleep ? LK_SETW : LK_SET, &l, lk_done);
}

void op_flock(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, int op)
{
	struct request *r = request_new(req, ino);

	if (!r)
		return;
	struct lock l = {
		.owner = fi->lock_owner,
		.end = UINT64_MAX,
		.kind = LK_FLOCK,
		.pid = fuse_req_ctx(req)->pid,
	};
	switch (op & ~LOCK_NB) {
	case LOCK_SH: l.type = F_RDLCK; break;
	case LOCK_EX: l.type = F_WRLCK; break;
	case LOCK_UN: l.type = F_UNLCK; break;
	default: return request_error(r, -EINVAL);
	}
	lock_wind(r, handle_fd(fi), op & LOCK_NB || l.type == F_UNLCK ? LK_SET : LK_SETW, &l,
		  lk_done);
}

static void released_done(struct frame *f, int child, int ret, const struct lk_reply *reply)
{
	struct mount *m = f->xl->priv;

	call_end(f);
	xl_busy(m->xl, -1);
}

void lock_release_flock(struct mount *m, struct handle *h, uint64_t owner)
{
	struct identity id = { .lk_owner = owner, .client = m->xl->graph->client_id };
	struct lock l = { .owner = owner, .end = UINT64_MAX, .kind = LK_FLOCK, .type = F_UNLCK };
	struct frame *root = call_new(m->xl, &id, 0);

	if (!root)
		return; /* the translators drop the locks of a file with its release as well */
	xl_busy(m->xl, 1);
	wind_lk(root, 0, &(struct lk_args){ .fd = h->fd, .cmd = LK_SET, .lock = l }, released_done);
}
