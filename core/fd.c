/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * fd.c - open files.  The last reference releases the file in every translator that kept something:
 * one way for close, for a failed open and for a lost client, after the last operation on it ended.
 */
#include <stdlib.h>

#include "graph.h"
#include "inode-impl.h"

struct fd *fd_new(struct inode *inode, uint32_t flags, bool directory)
{
	struct inode_table *t = inode->table;
	struct fd *fd = calloc(1, sizeof *fd + t->nr_slots * sizeof fd->slots[0]);

	if (!fd)
		return NULL;
	fd->inode = inode_ref(inode);
	fd->refs = 1;
	fd->flags = flags;
	fd->directory = directory;
	fd->next = t->fds;
	if (t->fds)
		t->fds->prev = fd;
	t->fds = fd;
	t->counts.fds++;
	return fd;
}

struct fd *fd_ref(struct fd *fd)
{
	if (fd)
		fd->refs++;
	return fd;
}

void fd_unref(struct fd *fd)
{
	if (!fd)
		return;
	assert(fd->refs > 0);
	if (--fd->refs)
		return;
	struct inode_table *t = fd->inode->table;
	for (uint32_t i = 0; i < t->nr_slots; i++) {
		struct xlator *xl = fd->slots[i] ? t->graph->xlators[i] : NULL;

		if (xl && xl->type->release)
			xl->type->release(xl, fd, fd->slots[i]);
	}
	if (fd->prev)
		fd->prev->next = fd->next;
	else
		t->fds = fd->next;
	if (fd->next)
		fd->next->prev = fd->prev;
	t->counts.fds--;
	inode_unref(fd->inode);
	free(fd);
}

void fd_each(struct inode_table *t, void (*fn)(struct fd *fd, void *arg), void *arg)
{
	for (struct fd *fd = t->fds, *next; fd; fd = next) {
		next = fd->next;
		fn(fd, arg);
	}
}
