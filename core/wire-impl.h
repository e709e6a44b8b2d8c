/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* wire-impl.h - what the halves of the codec share: numbers in memory, and room in a message. */
#ifndef GLUSTERFS_WIRE_IMPL_H
#define GLUSTERFS_WIRE_IMPL_H

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "wire.h"

/* The first error is the one that is told; what follows finds no room and no bytes. */
static inline void wire_fail(struct wire *w, int error)
{
	if (!w->failed) {
		w->failed = true;
		w->error = error;
	}
	w->at = w->end;
}

/* ---- little-endian numbers in memory --------------------------------------------------------- */

static inline uint8_t *st8(uint8_t *p, uint8_t v)
{
	*p = v;
	return p + 1;
}

static inline uint8_t *st16(uint8_t *p, uint16_t v)
{
	v = htole16(v);
	memcpy(p, &v, sizeof(v));
	return p + sizeof(v);
}

static inline uint8_t *st32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
	return p + sizeof(v);
}

static inline uint8_t *st64(uint8_t *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof(v));
	return p + sizeof(v);
}

static inline uint8_t *st_bytes(uint8_t *p, const void *bytes, size_t n)
{
	if (n > 0)
		memcpy(p, bytes, n);
	return p + n;
}

static inline uint16_t ld16(const uint8_t **p)
{
	uint16_t v;

	memcpy(&v, *p, sizeof(v));
	*p += sizeof(v);
	return le16toh(v);
}

static inline uint32_t ld32(const uint8_t **p)
{
	uint32_t v;

	memcpy(&v, *p, sizeof(v));
	*p += sizeof(v);
	return le32toh(v);
}

static inline uint64_t ld64(const uint8_t **p)
{
	uint64_t v;

	memcpy(&v, *p, sizeof(v));
	*p += sizeof(v);
	return le64toh(v);
}

/* Room for n bytes, or NULL (failed). */
static inline uint8_t *room(struct wire *w, size_t n)
{
	if (w->failed)
		return NULL;
	if ((size_t)(w->end - w->at) < n) {
		wire_fail(w, -EMSGSIZE);
		return NULL;
	}
	return w->at;
}

/* The next n bytes, which are used up then; NULL (failed) when there are not so many. */
static inline const uint8_t *take(struct wire *w, size_t n)
{
	const uint8_t *p = w->at;

	if (w->failed || (size_t)(w->end - w->at) < n) {
		wire_fail(w, -EPROTO);
		return NULL;
	}
	w->at += n;
	return p;
}

#endif
