/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * buf.c - reference-counted bytes.
 *
 * Small buffers are one malloc: header and bytes together.  Buffers of a page and more have their
 * bytes apart, on a page boundary, and are kept for reuse when they are freed: glibc would give
 * each 1 MiB buffer back to the kernel and fetch 256 zeroed pages again for the next one, which
 * costs more than the I/O in it.  What is kept is bounded per size class (16 MiB in all), is
 * taken last in first out so that it is warm in the cache, and begins empty: a process that has
 * moved no data holds nothing.
 *
 * Invariants: a buf's capacity is that of the class of b->size; a slice has base != NULL and no
 * bytes of its own, its base is never a slice.
 *
 * The kept buffers belong to a thread (there is one loop per thread), so no lock.  Under ASan
 * their bytes are poisoned while they are kept, and so is what lies behind b->size.
 */
#include "buf.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define BUF_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BUF_POISON 1
#endif
#endif
#ifdef BUF_POISON
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

enum { PAGE = 4096, KEEP_MAX = 256, KIB = 1024, MIB = 1024 * KIB };

/* A little more than the round sizes, for a message's head or FUSE's header beside the data. */
static const struct {
	uint32_t capacity, keep;	/* keep: how many at most */
} classes[] = {
	{ 4 * KIB, 256 },		/* 1 MiB */
	{ 16 * KIB, 64 },		/* 1 MiB */
	{ 64 * KIB + 2 * PAGE, 16 },	/* 1 MiB */
	{ 128 * KIB + 2 * PAGE, 24 },	/* 3 MiB */
	{ 512 * KIB + 2 * PAGE, 4 },	/* 2 MiB */
	{ 1 * MIB + 2 * PAGE, 8 },	/* 8 MiB */
};
enum { NR_CLASSES = sizeof(classes) / sizeof(classes[0]) };

static _Thread_local struct {
	uint32_t nr;
	struct buf *bufs[KEEP_MAX];
} kept[NR_CLASSES];

/* The class of a buffer of `size` bytes, or -1: too large to be kept. */
static int class_of(size_t size)
{
	for (int c = 0; c < NR_CLASSES; c++)
		if (size <= classes[c].capacity)
			return c;
	return -1;
}

static size_t capacity_of(size_t size)
{
	int c = class_of(size);

	return c < 0 ? (size + PAGE - 1) & ~(size_t)(PAGE - 1) : classes[c].capacity;
}

static struct buf *take_kept(size_t size)
{
	int c = class_of(size);
	struct buf *b;

	if (c < 0 || kept[c].nr == 0)
		return NULL;
	b = kept[c].bufs[--kept[c].nr];
	ASAN_UNPOISON_MEMORY_REGION(b->data, size);
	return b;
}

static bool keep(struct buf *b)
{
	int c = class_of(b->size);

	if (c < 0 || kept[c].nr == classes[c].keep)
		return false;
	kept[c].bufs[kept[c].nr++] = b;
	ASAN_POISON_MEMORY_REGION(b->data, classes[c].capacity);
	return true;
}

static void free_large(struct buf *b)
{
	ASAN_UNPOISON_MEMORY_REGION(b->data, capacity_of(b->size));
	free(b->data);
	free(b);
}

static struct buf *new_large(size_t size)
{
	struct buf *b = take_kept(size);
	size_t capacity = capacity_of(size);
	void *data;

	if (b == NULL) {
		b = malloc(sizeof(*b));
		if (b == NULL)
			return NULL;
		if (posix_memalign(&data, PAGE, capacity) != 0) {
			free(b);
			return NULL;
		}
		b->data = data;
		ASAN_POISON_MEMORY_REGION(b->data + size, capacity - size);
	}
	return b;
}

struct buf *buf_new(size_t len)
{
	struct buf *b;

	if (len > SIZE_MAX / 2)
		return NULL;
	if (len >= PAGE) {
		b = new_large(len);
	} else {
		b = malloc(sizeof(*b) + len);
		if (b != NULL)
			b->data = (uint8_t *)(b + 1);
	}
	if (b == NULL)
		return NULL;
	b->len = len;
	b->size = len;
	b->refs = 1;
	b->base = NULL;
	return b;
}

struct buf *buf_copy(const void *bytes, size_t len)
{
	struct buf *b = buf_new(len);

	if (b != NULL && len > 0)
		memcpy(b->data, bytes, len);
	return b;
}

struct buf *buf_slice(struct buf *b, size_t offset, size_t len)
{
	struct buf *s;

	assert(offset <= b->len && len <= b->len - offset);
	s = malloc(sizeof(*s));
	if (s == NULL)
		return NULL;
	s->data = b->data + offset;
	s->len = len;
	s->size = len;
	s->refs = 1;
	s->base = buf_ref(b->base != NULL ? b->base : b);
	return s;
}

struct buf *buf_copy_map(const struct buf *b, uint8_t (*map)(uint8_t))
{
	struct buf *copy = buf_new(b->len);

	if (copy != NULL)
		for (size_t i = 0; i < b->len; i++)
			copy->data[i] = map(b->data[i]);
	return copy;
}

struct buf *buf_ref(struct buf *b)
{
	if (b != NULL) {
		assert(b->refs > 0);
		b->refs++;
	}
	return b;
}

void buf_unref(struct buf *b)
{
	if (b == NULL)
		return;
	assert(b->refs > 0);
	assert(b->len <= b->size);
	if (--b->refs > 0)
		return;
	if (b->base != NULL) {
		buf_unref(b->base);
		free(b);
	} else if (b->size < PAGE) {
		free(b);
	} else if (!keep(b)) {
		free_large(b);
	}
}

void buf_trim(void)
{
	for (int c = 0; c < NR_CLASSES; c++)
		while (kept[c].nr > 0)
			free_large(kept[c].bufs[--kept[c].nr]);
}
