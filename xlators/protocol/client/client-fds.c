/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * client-fds.c - open files as they are known to the server: handles, re-opening, locks.
 *
 * A handle is a number that we choose when the open is sent, good for one connection.  When that
 * is lost, each open file is opened again by identity, under a new handle and without O_TRUNC and
 * the like, before the parents hear that the server is back.  That is possible because no state of
 * an open file matters but its locks: what was locked is broken for good (EIO), for the server has
 * released the locks and somebody else may have changed the file under them.
 *
 * Limitations: a file without a name does not survive a lost connection (ESTALE); it is opened
 * again for the user who opened it first, without supplementary groups.
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
	if (cf->generation == c->generation && cf->state == FD_OPEN)
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
		    "file %s could not be opened again after the connection was lost: %s",
		    gfid_str(&fd->inode->gfid, id), strerror(-ret));
}

static int reopen_send(struct client *c, struct fd *fd, const struct client_fd *cf)
{
	struct identity id = { .uid = cf->uid, .gid = cf->gid };

	if (fd->directory)
		return client_send_reopen(c, FOP_opendir,
					  &(struct opendir_args){ .inode = fd->inode, .fd = fd },
					  &id, fd);
	uint32_t flags = fd->flags & ~(uint32_t)(O_TRUNC | O_CREAT | O_EXCL);
	return client_send_reopen(
		c, FOP_open, &(struct open_args){ .inode = fd->inode, .fd = fd, .flags = flags },
		&id, fd);
}

struct reopen_all {
	struct client *c;
	uint32_t nr;
};

static void reopen_one(struct fd *fd, void *arg)
{
	struct reopen_all *all = arg;
	struct client *c = all->c;
	struct client_fd *cf = fd_of(c, fd);

	/* An OPENING one belongs to a call that has been answered by now. */
	if (!cf || cf->lost_locks)
		return;
	cf->handle = ++c->next_handle;
	cf->generation = c->generation;
	cf->state = FD_OPENING;
	int ret = reopen_send(c, fd, cf);
	if (ret < 0)
		client_fd_reopened(c, fd, ret);
	else
		all->nr++;
}

uint32_t client_fd_reopen_all(struct client *c)
{
	struct reopen_all all = { .c = c };

	fd_each(xl_inodes(c->xl), reopen_one, &all);
	return all.nr;
}

static void lose_one(struct fd *fd, void *arg)
{
	struct client *c = arg;
	struct client_fd *cf = fd_of(c, fd);
	char id[GFID_STR];

	if (!cf || !cf->locked || cf->lost_locks)
		return;
	mark_broken(cf, -EIO);
	cf->lost_locks = true;
	log_error(c->xl->name,
		  "file %s was locked when the connection was lost: its locks are gone, operations "
		  "on it "
		  "fail until it is closed",
		  gfid_str(&fd->inode->gfid, id));
}

void client_fd_lost(struct client *c)
{
	fd_each(xl_inodes(c->xl), lose_one, c);
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
