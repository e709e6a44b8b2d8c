/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* inode-impl.h - the table behind inode.h, shared by inode.c and fd.c. */
#ifndef GLUSTERFS_INODE_IMPL_H
#define GLUSTERFS_INODE_IMPL_H

#include "inode.h"

struct inode_table {
	struct graph *graph;		/* whose translators own the slots */
	uint32_t nr_slots, lru_limit;
	struct inode **buckets;
	size_t nr_buckets, nr, peak;	/* peak: most inodes since memory was given back */
	struct inode lru;		/* head of the list: lru_next is the oldest */
	struct inode *root;		/* held */
	struct fd *fds;			/* all open files */
	struct inode_counts counts;
};

#endif
