/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * dict.h - a small bag of named values: the xattrs that come along with a lookup, events, handshakes.
 *
 * Reference-counted; filled by its maker and immutable once it is wound or answered.  Bounded:
 * DICT_MAX_PAIRS pairs, names of DICT_MAX_KEY bytes, DICT_MAX_BYTES in all.  Loop thread only.
 * Not a function interface: what an operation needs is a typed argument in fops.def.
 */
#ifndef GLUSTERFS_DICT_H
#define GLUSTERFS_DICT_H

#include <stddef.h>
#include <stdint.h>

enum { DICT_MAX_PAIRS = 1024, DICT_MAX_KEY = 255, DICT_MAX_BYTES = 1 << 20 };

struct dict_pair {
	char   *key;
	void   *value;		/* followed by a NUL that len does not count */
	uint32_t len;
};

struct dict {
	int    refs;
	uint32_t nr, room;
	size_t bytes;
	struct dict_pair *pairs;
};

struct dict *dict_new(void);			/* a new reference, or NULL */
struct dict *dict_ref(struct dict *d);		/* takes NULL */
void dict_unref(struct dict *d);		/* takes NULL */
/* Sets or replaces.  0, -ENOMEM, -E2BIG (the bag is full), -EINVAL (empty or too long key). */
int dict_set(struct dict *d, const char *key, const void *value, size_t len);
int dict_set_str(struct dict *d, const char *key, const char *value);
int dict_set_u64(struct dict *d, const char *key, uint64_t value);	/* as decimal text */
/* Borrowed, NULL when it is not there (d may be NULL). */
const struct dict_pair *dict_get(const struct dict *d, const char *key);
const char *dict_get_str(const struct dict *d, const char *key);
int dict_get_u64(const struct dict *d, const char *key, uint64_t *ret_value);	/* 0, -ENOENT, -EINVAL */

static inline void dict_unrefp(struct dict **d)
{
	dict_unref(*d);
}
#define _cleanup_dict_ __attribute__((cleanup(dict_unrefp)))

#endif
