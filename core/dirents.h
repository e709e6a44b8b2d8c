/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * dirents.h - a piece of a directory listing: the answer of readdir and readdirp.
 *
 * Filled by its maker, immutable once answered.  Entries lie one behind the other in one block.
 * Made on the loop or by a worker that owns it; references on the loop thread only.
 */
#ifndef GLUSTERFS_DIRENTS_H
#define GLUSTERFS_DIRENTS_H

#include "fop.h"

struct dirent_entry {
	uint64_t cookie;	/* offset to go on after this entry; > 0, < 2^63 */
	struct attr attr;	/* readdirp: complete.  readdir: mode's type, and gfid when known */
	uint16_t len;		/* of the name */
	char name[256];		/* NUL-terminated; the entry ends after it (see dirents_next) */
};

struct dirents {
	int refs;
	uint32_t nr;
	size_t used, room;
	uint8_t *bytes;
};

struct dirents *dirents_new(void);			/* a new reference, or NULL */
struct dirents *dirents_ref(struct dirents *d);		/* takes NULL */
void dirents_unref(struct dirents *d);			/* takes NULL */
/* Appends a copy; 0, -ENOMEM, -EINVAL (name of no or more than 255 bytes, or with '/' or NUL). */
int dirents_add(struct dirents *d, const char *name, size_t len, uint64_t cookie, const struct attr *attr);
/* The entry after `e` (NULL: the first), or NULL.  for (e = NULL; (e = dirents_next(d, e)); ) */
const struct dirent_entry *dirents_next(const struct dirents *d, const struct dirent_entry *e);

#endif
