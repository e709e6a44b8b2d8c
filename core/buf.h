/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * buf.h - reference-counted bytes: file data, xattr values, messages.
 *
 * A buf is written by whoever made it and read-only from the moment it is shared (wound down,
 * answered, sliced).  A slice keeps its base alive.  Buffers of a page and more begin on a page
 * boundary, so that O_DIRECT can use them.  References are taken and dropped on the loop thread
 * only; a worker may fill or read the bytes of a buf that the loop keeps alive for it.  A thread that
 * ran a loop calls buf_trim() before it ends.
 */
#ifndef GLUSTERFS_BUF_H
#define GLUSTERFS_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *data;
	size_t   len;		/* bytes in use; may be made smaller by the maker */
	size_t   size;		/* bytes there are; never changed */
	int      refs;
	struct buf *base;	/* of a slice */
};

/* Returns a new reference to `len` bytes (not cleared), or NULL.  len may be 0. */
struct buf *buf_new(size_t len);
/* Returns a new reference to a copy of the bytes, or NULL. */
struct buf *buf_copy(const void *bytes, size_t len);
/* Returns a new reference to part of `b` (which it keeps alive), or NULL. */
struct buf *buf_slice(struct buf *b, size_t offset, size_t len);
/* Returns a new reference to `b`, changed byte by byte. */
struct buf *buf_copy_map(const struct buf *b, uint8_t (*map)(uint8_t));
struct buf *buf_ref(struct buf *b);		/* takes NULL */
void buf_unref(struct buf *b);			/* takes NULL */
/* Frees what the allocator of this thread kept for reuse (tests, exit). */
void buf_trim(void);

static inline void buf_unrefp(struct buf **b)
{
	buf_unref(*b);
}
#define _cleanup_buf_ __attribute__((cleanup(buf_unrefp)))

#endif
