/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * inode.h - the objects of a file system as a graph knows them, and its open files.
 *
 * One table per graph, keyed by gfid.  An inode is in the table as long as somebody refers to it; those
 * that nobody refers to wait in an LRU list of at most `lru_limit` (option inode-lru-limit)
 * before they are forgotten.  A translator keeps one 64-bit word per inode and per open file
 * (inode_slot, fd_slot), an array index, not a dictionary; when the object goes, the core calls the
 * translator's .forget or .release if its word is not 0.
 *
 * Everything here is for the loop thread only.
 */
#ifndef GLUSTERFS_INODE_H
#define GLUSTERFS_INODE_H

#include "fop.h"

struct graph;
struct inode_table;
struct xlator;

struct inode {
	struct gfid gfid;
	uint32_t type;			/* S_IFMT bits; 0: not known yet */
	int refs;
	struct inode_table *table;
	struct inode *hash_next;
	struct inode *lru_prev, *lru_next;
	uint64_t slots[];		/* one word per translator of the graph */
};

struct fd {
	struct inode *inode;		/* held */
	int refs;
	uint32_t flags;			/* O_* as opened */
	bool directory;
	struct fd *prev, *next;		/* all of a graph: inode_table->fds */
	uint64_t slots[];
};

extern const struct gfid gfid_none, gfid_root;	/* gfid_root: 0...01 */

bool gfid_equal(const struct gfid *a, const struct gfid *b);
bool gfid_is_none(const struct gfid *g);
uint64_t gfid_hash(const struct gfid *g);	/* of all its bytes, the same everywhere */
/* The inode number that people see: never 0, below 2^63, 1 for the root. */
uint64_t gfid_ino(const struct gfid *g);
/* Its first 8 bytes as a number, the most significant one first. */
uint64_t gfid_prefix(const struct gfid *g);
/* As 8-4-4-4-12 hexadecimal digits. */
enum { GFID_STR = 37 };
const char *gfid_str(const struct gfid *g, char out[GFID_STR]);
/* 0, or -EINVAL. */
int gfid_parse(const char *s, struct gfid *ret_gfid);

/* nr_slots: number of translators.  Returns NULL when there is no memory. */
struct inode_table *inode_table_new(struct graph *graph, uint32_t nr_slots, uint32_t lru_limit);
/* Forgets everything; nobody may hold an inode any more. */
void inode_table_free(struct inode_table *t);
/* Called with the translators to tell about forget and release: table->graph's. */
struct inode *inode_root(struct inode_table *t);			/* borrowed */
/* The inode with this gfid, made when it is not there; type 0 leaves a known type alone.  New reference or NULL. */
struct inode *inode_get(struct inode_table *t, const struct gfid *g, uint32_t type);
/* The inode if the table has it.  New reference or NULL. */
struct inode *inode_find(struct inode_table *t, const struct gfid *g);
struct inode *inode_ref(struct inode *inode);	/* takes NULL */
void inode_unref(struct inode *inode);		/* takes NULL */
void inode_table_set_lru_limit(struct inode_table *t, uint32_t limit);

/* Counts: referenced, in the LRU list, open files. */
struct inode_counts { uint64_t active, lru, fds; };
struct inode_counts inode_table_counts(const struct inode_table *t);

/* A new open file on inode (held), not opened anywhere yet.  New reference or NULL. */
struct fd *fd_new(struct inode *inode, uint32_t flags, bool directory);
struct fd *fd_ref(struct fd *fd);	/* takes NULL */
void fd_unref(struct fd *fd);		/* takes NULL; the last one releases it everywhere */
/* Calls fn for every open file of the table. */
void fd_each(struct inode_table *t, void (*fn)(struct fd *fd, void *arg), void *arg);

static inline void inode_unrefp(struct inode **inode)
{
	inode_unref(*inode);
}
static inline void fd_unrefp(struct fd **fd)
{
	fd_unref(*fd);
}
#define _cleanup_inode_ __attribute__((cleanup(inode_unrefp)))
#define _cleanup_fd_ __attribute__((cleanup(fd_unrefp)))

#endif
