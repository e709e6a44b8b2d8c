/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Buffers: alignment, slices, references, and what is kept for reuse. */
#include "config.h"

#include <malloc.h>
#include <stdint.h>

#include "buf.h"
#include "unit.h"

static const size_t sizes[] = {
	0, 1, 100, 4095, 4096, 4097, 16384, 16385, 65536, 131072, 131072 + 8192, 262144, 1 << 20,
	(1 << 20) + 8192, (1 << 20) + 8193, 5 << 20,
};
enum { NR_SIZES = sizeof(sizes) / sizeof(sizes[0]) };

START_TEST(pages_are_aligned)
{
	for (int round = 0; round < 3; round++) {	/* new, then from what was kept */
		for (size_t i = 0; i < NR_SIZES; i++) {
			struct buf *b = buf_new(sizes[i]);

			ck_assert_ptr_nonnull(b);
			ck_assert_uint_eq(b->len, sizes[i]);
			ck_assert_uint_eq(b->size, sizes[i]);
			ck_assert_ptr_nonnull(b->data);
			if (sizes[i] >= 4096)
				ck_assert_uint_eq((uintptr_t)b->data % 4096, 0);
			memset(b->data, 0xa5, b->size);
			b->len /= 2;			/* the maker may */
			buf_unref(b);
		}
	}
	buf_trim();
}
END_TEST

START_TEST(a_freed_buffer_is_the_next_one)
{
	struct buf *b = buf_new(128 * 1024), *c;
	uint8_t *data = b->data;

	buf_unref(b);
	c = buf_new(127 * 1024);
	ck_assert_ptr_eq(c->data, data);
	ck_assert_uint_eq(c->size, 127 * 1024);
	b = buf_new(128 * 1024);
	ck_assert_ptr_ne(b->data, data);
	buf_unref(b);
	buf_unref(c);
	buf_trim();
}
END_TEST

START_TEST(what_is_kept_is_bounded)
{
	enum { NR = 400 };
	static struct buf *b[NR];
	size_t in_use = mallinfo2().uordblks + mallinfo2().hblkhd, after;

	for (size_t i = 0; i < NR_SIZES; i++) {
		size_t nr = sizes[i] > 65536 ? 40 : NR;

		for (size_t j = 0; j < nr; j++)
			ck_assert_ptr_nonnull(b[j] = buf_new(sizes[i]));
		for (size_t j = 0; j < nr; j++)
			buf_unref(b[j]);
	}
	after = mallinfo2().uordblks + mallinfo2().hblkhd;
	ck_assert_uint_le(after, in_use + (18 << 20));
	buf_trim();
	after = mallinfo2().uordblks + mallinfo2().hblkhd;
	ck_assert_uint_le(after, in_use + 65536);
}
END_TEST

START_TEST(a_slice_keeps_its_base)
{
	struct buf *b = buf_copy("0123456789", 10), *s, *t;

	s = buf_slice(b, 2, 6);
	t = buf_slice(s, 1, 3);
	ck_assert_ptr_eq(t->base, b);
	buf_unref(b);
	buf_unref(s);
	ck_assert_uint_eq(t->len, 3);
	ck_assert_mem_eq(t->data, "345", 3);
	buf_unref(t);
	b = buf_new(8192);
	s = buf_slice(b, 8192, 0);
	ck_assert_uint_eq(s->len, 0);
	buf_unref(b);
	buf_unref(s);
	buf_trim();
}
END_TEST

static uint8_t plus_13(uint8_t c)
{
	return (uint8_t)(c + 13);
}

START_TEST(copies)
{
	struct buf *b = buf_copy("abc", 3), *c = buf_copy_map(b, plus_13), *e = buf_copy(NULL, 0);

	ck_assert_mem_eq(b->data, "abc", 3);
	ck_assert_mem_eq(c->data, "nop", 3);
	ck_assert_uint_eq(e->len, 0);
	ck_assert_ptr_eq(buf_ref(b), b);
	ck_assert_int_eq(b->refs, 2);
	buf_unref(b);
	buf_unref(b);
	buf_unref(c);
	buf_unref(e);
	ck_assert_ptr_null(buf_ref(NULL));
	buf_unref(NULL);
}
END_TEST

START_TEST(sizes_that_nobody_has)
{
	ck_assert_ptr_null(buf_new(SIZE_MAX));
	ck_assert_ptr_null(buf_new(SIZE_MAX / 2 + 1));
}
END_TEST

UNIT_MAIN("buf", pages_are_aligned, a_freed_buffer_is_the_next_one, what_is_kept_is_bounded,
	  a_slice_keeps_its_base, copies, sizes_that_nobody_has)
