/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Dicts: setting, finding, replacing, bounds. */
#include "config.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>

#include "dict.h"
#include "unit.h"

START_TEST(set_and_get)
{
	struct dict *d = dict_new();
	const struct dict_pair *p;

	ck_assert_int_eq(dict_set(d, "b", "1\0002", 3), 0);
	ck_assert_int_eq(dict_set_str(d, "a", "text"), 0);
	ck_assert_int_eq(dict_set(d, "c", NULL, 0), 0);
	ck_assert_uint_eq(d->nr, 3);
	ck_assert_str_eq(dict_get_str(d, "a"), "text");
	p = dict_get(d, "b");
	ck_assert_uint_eq(p->len, 3);
	ck_assert_mem_eq(p->value, "1\0002\0", 4);
	ck_assert_uint_eq((uintptr_t)p->value % 8, 0);
	ck_assert_uint_eq(dict_get(d, "c")->len, 0);
	ck_assert_str_eq(dict_get_str(d, "c"), "");
	ck_assert_ptr_null(dict_get(d, "d"));
	ck_assert_ptr_null(dict_get(d, ""));
	ck_assert_ptr_null(dict_get(NULL, "a"));
	ck_assert_ptr_null(dict_get_str(NULL, "a"));
	dict_unref(d);
}
END_TEST

START_TEST(replaced_also_by_itself)
{
	struct dict *d = dict_new();

	dict_set_str(d, "key", "a long value");
	dict_set(d, "key", dict_get_str(d, "key") + 2, 4);
	ck_assert_str_eq(dict_get_str(d, "key"), "long");
	ck_assert_uint_eq(d->nr, 1);
	ck_assert_uint_eq(d->bytes, 3 + 4 + 2);
	dict_unref(d);
}
END_TEST

START_TEST(pairs_are_in_order_of_keys)
{
	struct dict *d = dict_new();
	char key[16];

	for (int i = 0; i < 500; i++) {
		snprintf(key, sizeof(key), "%d", i * 77 % 500);
		ck_assert_int_eq(dict_set_u64(d, key, (uint64_t)i), 0);
	}
	ck_assert_uint_eq(d->nr, 500);
	for (uint32_t i = 1; i < d->nr; i++)
		ck_assert_int_lt(strcmp(d->pairs[i - 1].key, d->pairs[i].key), 0);
	dict_unref(d);
}
END_TEST

START_TEST(bounds)
{
	struct dict *d = dict_new();
	char key[DICT_MAX_KEY + 2], *value = calloc(1, DICT_MAX_BYTES);
	size_t bytes;

	memset(key, 'k', sizeof(key));
	key[DICT_MAX_KEY + 1] = '\0';
	ck_assert_int_eq(dict_set_str(d, key, ""), -EINVAL);
	ck_assert_int_eq(dict_set_str(d, "", ""), -EINVAL);
	key[DICT_MAX_KEY] = '\0';
	ck_assert_int_eq(dict_set_str(d, key, ""), 0);
	ck_assert_int_eq(dict_set(d, "k", value, DICT_MAX_BYTES), -E2BIG);
	ck_assert_int_eq(dict_set(d, "k", value, SIZE_MAX), -E2BIG);
	ck_assert_int_eq(dict_set(d, "k", value, DICT_MAX_BYTES - DICT_MAX_KEY - 2 - 3), 0);
	ck_assert_uint_eq(d->bytes, DICT_MAX_BYTES);
	ck_assert_int_eq(dict_set(d, "l", "", 0), -E2BIG);
	ck_assert_int_eq(dict_set(d, "k", value, 10), 0);	/* replaced: there is room again */
	bytes = d->bytes;
	for (unsigned i = d->nr; i < DICT_MAX_PAIRS; i++) {
		snprintf(key, sizeof(key), "%u", i);
		ck_assert_int_eq(dict_set_str(d, key, "v"), 0);
	}
	ck_assert_uint_gt(d->bytes, bytes);
	ck_assert_int_eq(dict_set_str(d, "one more", ""), -E2BIG);
	ck_assert_int_eq(dict_set_str(d, "k", "old"), 0);
	free(value);
	dict_unref(d);
}
END_TEST

static int number(const char *text, uint64_t *ret)
{
	struct dict *d = dict_new();
	int err;

	dict_set_str(d, "n", text);
	err = dict_get_u64(d, "n", ret);
	dict_unref(d);
	return err;
}

START_TEST(numbers)
{
	struct dict *d = dict_new();
	uint64_t v;

	dict_set_u64(d, "n", UINT64_MAX);
	ck_assert_str_eq(dict_get_str(d, "n"), "18446744073709551615");
	ck_assert_int_eq(dict_get_u64(d, "n", &v), 0);
	ck_assert_uint_eq(v, UINT64_MAX);
	ck_assert_int_eq(dict_get_u64(d, "m", &v), -ENOENT);
	dict_unref(d);
	ck_assert_int_eq(number("0", &v), 0);
	ck_assert_uint_eq(v, 0);
	ck_assert_int_eq(number("", &v), -EINVAL);
	ck_assert_int_eq(number("-1", &v), -EINVAL);
	ck_assert_int_eq(number("1 ", &v), -EINVAL);
	ck_assert_int_eq(number("0x1", &v), -EINVAL);
	ck_assert_int_eq(number("18446744073709551616", &v), -EINVAL);
}
END_TEST

START_TEST(references)
{
	struct dict *d = dict_new();

	ck_assert_ptr_eq(dict_ref(d), d);
	dict_unref(d);
	dict_unref(d);
	ck_assert_ptr_null(dict_ref(NULL));
	dict_unref(NULL);
}
END_TEST

UNIT_MAIN("dict", set_and_get, replaced_also_by_itself, pairs_are_in_order_of_keys, bounds, numbers,
	  references)
