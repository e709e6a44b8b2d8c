/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * server-fds.c - the open files of a session, by the handle that the client chose.
 *
 * A hash table and not an array: the handles come from outside and may be any number.  Removing
 * moves the entries behind back into the gap, so there are no tombstones and a table never has to
 * be cleaned.
 */
#include <stdlib.h>

#include "server.h"

enum { FDS_MIN = 64 };

static uint32_t place(const struct fd_map *m, uint64_t handle)
{
	return (uint32_t)(handle * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (m->size - 1);
}

static struct fd_entry *find(const struct fd_map *m, uint64_t handle)
{
	if (!m->nr || !handle)
		return NULL;
	for (uint32_t i = place(m, handle); m->entries[i].handle; i = (i + 1) & (m->size - 1))
		if (m->entries[i].handle == handle)
			return &m->entries[i];
	return NULL;
}

static void insert(struct fd_map *m, const struct fd_entry *e)
{
	uint32_t i = place(m, e->handle);

	while (m->entries[i].handle)
		i = (i + 1) & (m->size - 1);
	m->entries[i] = *e;
	m->nr++;
}

static int grow(struct fd_map *m)
{
	struct fd_map bigger = { .size = m->size ? m->size * 2 : FDS_MIN };

	bigger.entries = calloc(bigger.size, sizeof *bigger.entries);
	if (!bigger.entries)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->size; i++)
		if (m->entries[i].handle)
			insert(&bigger, &m->entries[i]);
	free(m->entries);
	*m = bigger;
	return 0;
}

struct fd *fd_map_find(const struct fd_map *m, uint64_t handle)
{
	const struct fd_entry *e = find(m, handle);

	return e && !e->opening ? e->fd : NULL;
}

int fd_map_add(struct fd_map *m, uint64_t handle, struct fd *fd, uint32_t limit)
{
	if (find(m, handle))
		return -EEXIST;
	if (m->nr >= limit)
		return -ENFILE;
	if (m->nr >= m->size / 2) {
		int ret = grow(m);

		if (ret < 0)
			return ret;
	}
	insert(m, &(struct fd_entry){ .handle = handle, .fd = fd_ref(fd), .opening = true });
	return 0;
}

void fd_map_opened(struct fd_map *m, uint64_t handle, const struct fd *fd)
{
	struct fd_entry *e = find(m, handle);

	if (e && e->fd == fd)
		e->opening = false;
}

bool fd_map_remove(struct fd_map *m, uint64_t handle, const struct fd *only)
{
	struct fd_entry *e = find(m, handle);

	if (!e || (only && e->fd != only))
		return false;
	struct fd *fd = e->fd;
	uint32_t gap = e - m->entries, mask = m->size - 1;
	for (uint32_t i = (gap + 1) & mask; m->entries[i].handle; i = (i + 1) & mask) {
		uint32_t home = place(m, m->entries[i].handle);

		/* An entry whose home lies cyclically in (gap, i] stays where it is. */
		if (((i - home) & mask) < ((i - gap) & mask))
			continue;
		m->entries[gap] = m->entries[i];
		gap = i;
	}
	m->entries[gap] = (struct fd_entry){ 0 };
	m->nr--;
	fd_unref(fd);
	return true;
}

void fd_map_clear(struct fd_map *m)
{
	for (uint32_t i = 0; i < m->size; i++)
		fd_unref(m->entries[i].fd);
	free(m->entries);
	*m = (struct fd_map){ 0 };
}

void fd_map_keep_none(struct fd_map *m)
{
	for (uint32_t i = 0; i < m->size; i++)
		m->entries[i].kept = false;
}

void fd_map_keep(struct fd_map *m, uint64_t handle)
{
	struct fd_entry *e = find(m, handle);

	if (e)
		e->kept = true;
}

void fd_map_sweep(struct fd_map *m)
{
	for (uint32_t i = 0; i < m->size; ) {
		/* Another one may come to this place. */
		if (m->entries[i].handle && !m->entries[i].kept)
			fd_map_remove(m, m->entries[i].handle, NULL);
		else
			i++;
	}
}
