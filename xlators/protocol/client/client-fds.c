/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * client-fds.c - open files as they are known to the server: handles, re-opening, locks.
 *
 * A handle is a number that we choose when the open is sent, good for one session.  When that
 * is lost, each open file is opened again by identity, under a new handle and without O_TRUNC and
 * the like, before the parents hear that the server is back.  That is possible because no state of
 * an open file matters but its locks: what was locked is broken for good (EIO), for the server has
 * released the locks and somebody else may have changed the file under them.
 *
 * Limitations: a file without a name survives a lost session only when the brick ended with it
 * (storage/posix keeps it for a minute), else ESTALE; files are opened again for the user who opened
 * them first, without supplementary groups.
 */
#include <fcntl.h>
#include <stdlib.h>

#include "client.h"

static struct client_fd *fd_of(const struct client *c, struct fd *fd)
{
	return (struct client_fd *)(uintptr_t)*fd_slot(fd, c->xl);
}

static bool is_here(const struct client *c, const struct client_fd *cf)
{
	return cf->generation == c->generation && cf->state != FD_BROKEN;
}

/* Which field of which operation is a newfd is known to fops.def alone. */
#define NEWFD_inode(f)
#define NEWFD_fd(f)
#define NEWFD_buf(f)
#define NEWFD_dict(f)
#define NEWFD_str(f)
#define NEWFD_name(f)
#define NEWFD_gfid(f)
#define NEWFD_attr(f)
#define NEWFD_lock(f)
#define NEWFD_u32(f)
#define NEWFD_u64(f)
#define NEWFD_newfd(f) fd = a->f;
struct fd *client_newfd(enum fop_id op, const void *args)
{
	struct fd *fd = NULL;

	switch (op) {
#define FOP(n, k) case FOP_##n: { const struct n##_args *a = args; (void)a;
#define ARG(t, f) NEWFD_##t(f)
#define RET(t, f)
#define END(n) break; }
#include "fops.def"
	case FOP_COUNT: break;
	}
	return fd;
}

static void tell_released(struct client *c, const struct client_fd *cf)
{
	/* While there is no connection nothing is told: a session that goes on begins with what is open. */
	if (cf->generation == c->generation && cf->state == FD_OPEN && c->state >= CLIENT_REOPENING)
		client_tell(c, WIRE_RELEASE, cf->handle);
}

int client_fd_begin(struct client *c, struct fd *fd, const struct identity *id)
{
	struct client_fd *cf = fd_of(c, fd);

	if (!cf) {
		cf = calloc(1, sizeof *cf);
		if (!cf)
			return -ENOMEM;
		*fd_slot(fd, c->xl) = (uintptr_t)cf;
	} else {
		tell_released(c, cf);	/* opened once more: the old one goes */
	}
	cf->handle = ++c->next_handle;
	cf->generation = c->generation;
	cf->state = FD_OPENING;
	cf->lost_locks = cf->locked = cf->many_owners = false;
	cf->uid = id->uid;
	cf->gid = id->gid;
	return 0;
}

void client_fd_opened(struct client *c, struct fd *fd, int ret)
{
	struct client_fd *cf = fd_of(c, fd);

	if (ret >= 0) {
		cf->state = FD_OPEN;
		return;
	}
	*fd_slot(fd, c->xl) = 0;
	free(cf);
}

static void mark_broken(struct client_fd *cf, int error)
{
	cf->state = FD_BROKEN;
	cf->error = error;
}

void client_fd_reopened(struct client *c, struct fd *fd, int ret)
{
	struct client_fd *cf = fd_of(c, fd);
	char id[GFID_STR];

	if (ret >= 0) {
		cf->state = FD_OPEN;
		c->nr_reopened++;
		return;
	}
	mark_broken(cf, ret == -ENOENT || ret == -ESTALE ? -ESTALE : -EBADFD);
	c->nr_reopen_failed++;
	log_warning(c->xl->name,
		    "file %s could not be opened again after the session was lost: %s",
		    gfid_str(&fd->inode->gfid, id), strerror(-ret));
}

static int reopen_send(struct client *c, struct fd *fd, const struct client_fd *cf)
{
	struct identity id = { .uid = cf->uid, .gid = cf->gid };

	if (fd->directory)
		return client_send_reopen(c, FOP_opendir,
					  &(struct opendir_args){ .inode = fd->inode, .fd = fd },
					  &id, fd);
	uint32_t flags = (fd->flags & ~(uint32_t)(O_TRUNC | O_CREAT | O_EXCL)) | OPEN_NAMELESS;
	return client_send_reopen(
		c, FOP_open, &(struct open_args){ .inode = fd->inode, .fd = fd, .flags = flags },
		&id, fd);
}

struct reopening {
	struct client *c;
	uint32_t nr;
	bool full;
};

static void reopen_one(struct fd *fd, void *arg)
{
	struct reopening *all = arg;
	struct client *c = all->c;
	struct client_fd *cf = fd_of(c, fd);

	/* An OPENING one belongs to a call that has been answered by now. */
	if (!cf || cf->lost_locks || all->full || cf->generation == c->generation)
		return;
	uint64_t old = cf->generation;
	cf->handle = ++c->next_handle;
	cf->generation = c->generation;
	cf->state = FD_OPENING;
	int ret = reopen_send(c, fd, cf);
	if (ret == -ENOBUFS) {
		all->full = true;
		cf->generation = old;
	} else if (ret < 0) {
		client_fd_reopened(c, fd, ret);
	} else {
		all->nr++;
	}
}

uint32_t client_fd_reopen_some(struct client *c)
{
	struct reopening all = { .c = c };

	fd_each(xl_inodes(c->xl), reopen_one, &all);
	return all.nr;
}

static void lose_locks(struct client *c, struct fd *fd, struct client_fd *cf)
{
	char id[GFID_STR];

	mark_broken(cf, -EIO);
	cf->lost_locks = true;
	log_error(c->xl->name,
		  "file %s was locked when the connection was lost, and its locks could not be kept: "
		  "operations on it fail until it is closed",
		  gfid_str(&fd->inode->gfid, id));
}

static void lose_one(struct fd *fd, void *arg)
{
	struct client *c = arg;
	struct client_fd *cf = fd_of(c, fd);

	if (cf && cf->locked && !cf->lost_locks)
		lose_locks(c, fd, cf);
}

void client_fd_lost(struct client *c)
{
	fd_each(xl_inodes(c->xl), lose_one, c);
}

void client_fd_doubt(struct client *c, struct fd *fd)
{
	struct client_fd *cf = fd_of(c, fd);

	if (!cf || cf->lost_locks)
		return;
	tell_released(c, cf);
	lose_locks(c, fd, cf);
}

struct owner {
	struct client *c;
	const struct inode *inode;
	uint64_t owner;
};

static void doubt_one(struct fd *fd, void *arg)
{
	const struct owner *o = arg;
	const struct client_fd *cf = fd->inode == o->inode ? fd_of(o->c, fd) : NULL;

	if (cf && cf->locked && (cf->many_owners || cf->lock_owner == o->owner))
		client_fd_doubt(o->c, fd);
}

void client_fd_doubt_owner(struct client *c, struct inode *inode, uint64_t owner)
{
	struct owner o = { .c = c, .inode = inode, .owner = owner };

	if (*inode_slot(inode, c->xl))
		fd_each(xl_inodes(c->xl), doubt_one, &o);
}

struct each_handle {
	struct client *c;
	void (*f)(uint64_t handle, void *arg);
	void *arg;
};

static void each_one(struct fd *fd, void *arg)
{
	struct each_handle *each = arg;
	const struct client_fd *cf = fd_of(each->c, fd);

	if (cf && is_here(each->c, cf))
		each->f(cf->handle, each->arg);
}

void client_fd_each(struct client *c, void (*f)(uint64_t handle, void *arg), void *arg)
{
	struct each_handle each = { .c = c, .f = f, .arg = arg };

	fd_each(xl_inodes(c->xl), each_one, &each);
}

void client_fd_locked(struct client *c, const struct lk_args *a)
{
	struct client_fd *cf = fd_of(c, a->fd);

	if (!cf || a->cmd == LK_GET)
		return;
	if (a->lock.type == F_UNLCK) {
		if (a->lock.start == 0 && a->lock.end == UINT64_MAX &&
		    a->lock.owner == cf->lock_owner && !cf->many_owners)
			cf->locked = false;
		return;
	}
	*inode_slot(a->fd->inode, c->xl) = 1;	/* from now on a flush has something to do */
	if (cf->locked && cf->lock_owner != a->lock.owner)
		cf->many_owners = true;
	cf->locked = true;
	cf->lock_owner = a->lock.owner;
}

uint64_t client_fd_out(struct wire *w, struct fd *fd)
{
	struct client *c = w->ctx;
	struct client_fd *cf = fd_of(c, fd);

	if (cf && is_here(c, cf))
		return cf->handle;
	c->encode_error = cf && cf->state == FD_BROKEN ? cf->error : -EBADFD;
	return UINT64_MAX;			/* nobody's; the message is not sent */
}

void client_release(struct xlator *xl, struct fd *fd, uint64_t slot)
{
	struct client *c = xl->priv;
	struct client_fd *cf = (struct client_fd *)(uintptr_t)slot;

	tell_released(c, cf);
	free(cf);
}
