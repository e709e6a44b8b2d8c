/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * dict.c - a small bag of named values.
 *
 * Pairs are kept sorted by key: lookups are binary searches, and a dict has one encoding, whatever
 * the order in which it was filled.  A pair is one allocation, the value first (so that it is
 * aligned for any type), its NUL, then the key.
 */
#include "dict.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct dict *dict_new(void)
{
	struct dict *d = calloc(1, sizeof(*d));

	if (d != NULL)
		d->refs = 1;
	return d;
}

struct dict *dict_ref(struct dict *d)
{
	if (d != NULL) {
		assert(d->refs > 0);
		d->refs++;
	}
	return d;
}

void dict_unref(struct dict *d)
{
	if (d == NULL)
		return;
	assert(d->refs > 0);
	if (--d->refs > 0)
		return;
	for (uint32_t i = 0; i < d->nr; i++)
		free(d->pairs[i].value);
	free(d->pairs);
	free(d);
}

/* Where key is, or (*found false) where it belongs. */
static uint32_t dict_position(const struct dict *d, const char *key, bool *found)
{
	uint32_t low = 0, high = d->nr;

	*found = false;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = strcmp(d->pairs[middle].key, key);

		if (order == 0) {
			*found = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static size_t pair_bytes(const struct dict_pair *p)
{
	return strlen(p->key) + p->len + 2;
}

static int pair_make(struct dict_pair *p, const char *key, size_t key_len, const void *value,
		     size_t len)
{
	uint8_t *block = malloc(len + key_len + 2);

	if (block == NULL)
		return -ENOMEM;
	if (len > 0)
		memcpy(block, value, len);
	block[len] = 0;
	memcpy(block + len + 1, key, key_len + 1);
	p->value = block;
	p->key = (char *)block + len + 1;
	p->len = (uint32_t)len;
	return 0;
}

static int dict_grow(struct dict *d)
{
	uint32_t room = d->room == 0 ? 4 : d->room * 2;
	struct dict_pair *pairs;

	if (d->nr < d->room)
		return 0;
	pairs = reallocarray(d->pairs, room, sizeof(*pairs));
	if (pairs == NULL)
		return -ENOMEM;
	d->pairs = pairs;
	d->room = room;
	return 0;
}

int dict_set(struct dict *d, const char *key, const void *value, size_t len)
{
	size_t key_len = strlen(key), old_bytes = 0;
	struct dict_pair pair;
	uint32_t at;
	bool found;
	int ret;

	assert(d->refs == 1);		/* not shared yet */
	if (key_len == 0 || key_len > DICT_MAX_KEY)
		return -EINVAL;
	at = dict_position(d, key, &found);
	if (found)
		old_bytes = pair_bytes(&d->pairs[at]);
	else if (d->nr == DICT_MAX_PAIRS)
		return -E2BIG;
	if (len > DICT_MAX_BYTES || d->bytes - old_bytes + key_len + len + 2 > DICT_MAX_BYTES)
		return -E2BIG;
	ret = found ? 0 : dict_grow(d);
	if (ret == 0)
		ret = pair_make(&pair, key, key_len, value, len);
	if (ret < 0)
		return ret;
	if (found) {
		free(d->pairs[at].value);
	} else {
		memmove(&d->pairs[at + 1], &d->pairs[at], (d->nr - at) * sizeof(pair));
		d->nr++;
	}
	d->pairs[at] = pair;
	d->bytes += key_len + len + 2 - old_bytes;
	return 0;
}

int dict_set_str(struct dict *d, const char *key, const char *value)
{
	return dict_set(d, key, value, strlen(value));
}

int dict_set_u64(struct dict *d, const char *key, uint64_t value)
{
	char text[24];
	int len = snprintf(text, sizeof(text), "%" PRIu64, value);

	return dict_set(d, key, text, (size_t)len);
}

const struct dict_pair *dict_get(const struct dict *d, const char *key)
{
	bool found;
	uint32_t at;

	if (d == NULL)
		return NULL;
	at = dict_position(d, key, &found);
	return found ? &d->pairs[at] : NULL;
}

const char *dict_get_str(const struct dict *d, const char *key)
{
	const struct dict_pair *p = dict_get(d, key);

	return p == NULL ? NULL : p->value;
}

int dict_get_u64(const struct dict *d, const char *key, uint64_t *ret_value)
{
	const struct dict_pair *p = dict_get(d, key);
	const char *s;
	uint64_t v = 0;

	if (p == NULL)
		return -ENOENT;
	s = p->value;
	if (p->len == 0)
		return -EINVAL;
	for (uint32_t i = 0; i < p->len; i++) {
		if (s[i] < '0' || s[i] > '9' || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(s[i] - '0'), &v))
			return -EINVAL;
	}
	*ret_value = v;
	return 0;
}
