/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * dirents.c - a piece of a directory listing, in one block of memory.
 *
 * An entry takes what its name needs, rounded up so that the next one is aligned; the rest of
 * name[256] is not there.  The first block is made with the first entry and doubles from there.
 */
#include "dirents.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 4096 };

static size_t entry_size(size_t name_len)
{
	size_t size = offsetof(struct dirent_entry, name) + name_len + 1;

	return (size + _Alignof(struct dirent_entry) - 1) & ~(_Alignof(struct dirent_entry) - 1);
}

struct dirents *dirents_new(void)
{
	struct dirents *d = calloc(1, sizeof(*d));

	if (d != NULL)
		d->refs = 1;
	return d;
}

struct dirents *dirents_ref(struct dirents *d)
{
	if (d != NULL) {
		assert(d->refs > 0);
		d->refs++;
	}
	return d;
}

void dirents_unref(struct dirents *d)
{
	if (d == NULL)
		return;
	assert(d->refs > 0);
	if (--d->refs > 0)
		return;
	free(d->bytes);
	free(d);
}

static int dirents_grow(struct dirents *d, size_t more)
{
	size_t room = d->room == 0 ? FIRST_ROOM : d->room * 2;
	uint8_t *bytes;

	if (d->room - d->used >= more)
		return 0;
	bytes = realloc(d->bytes, room);
	if (bytes == NULL)
		return -ENOMEM;
	d->bytes = bytes;
	d->room = room;
	return 0;
}

int dirents_add(struct dirents *d, const char *name, size_t len, uint64_t cookie,
		const struct attr *attr)
{
	uint8_t *p;
	uint16_t len16 = (uint16_t)len;

	assert(d->refs == 1);		/* not shared yet */
	if (len == 0 || len > 255 || memchr(name, '/', len) != NULL ||
	    memchr(name, '\0', len) != NULL)
		return -EINVAL;
	if (dirents_grow(d, entry_size(len)) < 0)
		return -ENOMEM;
	/* by offsets: the block may end before the end of a whole struct dirent_entry */
	p = d->bytes + d->used;
	memcpy(p + offsetof(struct dirent_entry, cookie), &cookie, sizeof(cookie));
	memcpy(p + offsetof(struct dirent_entry, attr), attr, sizeof(*attr));
	memcpy(p + offsetof(struct dirent_entry, len), &len16, sizeof(len16));
	memcpy(p + offsetof(struct dirent_entry, name), name, len);
	p[offsetof(struct dirent_entry, name) + len] = '\0';
	d->used += entry_size(len);
	d->nr++;
	return 0;
}

const struct dirent_entry *dirents_next(const struct dirents *d, const struct dirent_entry *e)
{
	size_t at = 0;

	if (e != NULL)
		at = (size_t)((const uint8_t *)e - d->bytes) + entry_size(e->len);
	if (at >= d->used)
		return NULL;
	return (const struct dirent_entry *)(const void *)(d->bytes + at);
}
