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

/* ---- a lock that nobody waits for ---- */

static void released_done(struct frame *f, int child, int ret, const struct lk_reply *reply)
{
	struct mount *m = f->xl->priv;

	call_end(f);
	xl_busy(m->xl, -1);
}

/* Unlocks, without anybody waiting. */
static void give_back(struct mount *m, struct fd *fd, const struct lock *lock)
{
	struct identity id = { .lk_owner = lock->owner, .client = m->xl->graph->client_id };
	struct lock l = *lock;
	struct frame *root = call_new(m->xl, &id, 0);

	if (!root)
		return; /* the translators drop the locks of a file with its release as well */
	l.type = F_UNLCK;
	xl_busy(m->xl, 1);
	wind_lk(root, 0, &(struct lk_args){ .fd = fd, .cmd = LK_SET, .lock = l }, released_done);
}

/* A process that was told EINTR meanwhile does not know of its lock: it is given back (and a
 * weaker one with it that the process had there; as NFS does). */
void lock_granted(struct request *r)
{
	if (!r->req && r->lock->type != F_UNLCK && r->mount->connected)
		give_back(r->mount, r->fd, r->lock);
	request_error(r, 0);
}

/* ---- what the kernel has cached, when a lock is granted ---- */

/* Whatever the answer is, the lock is granted. */
static void checked_done(struct frame *f, int child, int ret, const struct stat_reply *reply)
{
	struct request *r = request_of(f);
	struct mount *m = r->mount;

	if (node_checked(m, r->inode, ret < 0 ? NULL : &reply->attr, r->changes))
		return lock_granted(r);
	pages_drop(m, r->inode, 0, r, lock_granted);
}

/* A lock that is granted shows what others have written under theirs, also in a file that has
 * been open all the time. */
static void lk_done(struct frame *f, int child, int ret, const struct lk_reply *reply)
{
	struct request *r = request_of(f);
	struct node *n = node_find(r->mount, r->inode);

	if (ret < 0)
		return request_error(r, ret);
	if (!r->req || r->lock->type == F_UNLCK || !n || !n->pages)
		return lock_granted(r);
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
	struct lock *copy = frame_alloc(r->root, sizeof *copy);

	if (!copy)
		return request_error(r, -ENOMEM);
	*copy = *lock;
	r->lock = copy;
	r->lock_wait = cmd == LK_SETW;
	r->fd = fd_ref(fd);
	call_identity(r->root)->lk_owner = lock->owner;
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

void lock_release_flock(struct mount *m, struct handle *h, uint64_t owner)
{
	give_back(m, h->fd, &(struct lock){ .owner = owner, .end = UINT64_MAX, .kind = LK_FLOCK });
}
