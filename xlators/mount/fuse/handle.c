/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * handle.c - open files.  The kernel's fi->fh is the address of a handle, which holds one reference
 * of the fd; RELEASE drops it, and the core tells the translators below (.release) when the last is
 * gone.
 */
#include "config.h"

#include <stdlib.h>

#include "mount.h"

struct handle *handle_new(struct mount *m, struct inode *inode, uint32_t flags, bool directory)
{
	struct handle *h = calloc(1, sizeof *h);

	if (!h)
		return NULL;
	h->fd = fd_new(inode, flags, directory);
	if (!h->fd) {
		free(h);
		return NULL;
	}
	LIST_INSERT_HEAD(&m->handles, h, link);
	m->stats.nr_handles++;
	return h;
}

void handle_opened(struct mount *m, struct handle *h, struct fuse_file_info *fi)
{
	struct node *n = node_find(m, h->fd->inode);

	if (n) {
		LIST_INSERT_HEAD(&n->handles, h, in_node);
		h->opened = true;
	}
	fi->fh = (uintptr_t)h;
}

void handle_free(struct mount *m, struct handle *h)
{
	if (!h)
		return;
	LIST_REMOVE(h, link);
	if (h->opened)
		LIST_REMOVE(h, in_node);
	m->stats.nr_handles--;
	piece_drop(m, h);
	fd_unref(h->fd);
	free(h);
}
