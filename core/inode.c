/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * inode.c - the table of a graph's objects.
 *
 * A chained hash table with intrusive links (a ready-made one would double the size of a table of a
 * million inodes), and a list of those that nobody refers to, oldest first.  An unreferenced inode
 * in which no translator keeps anything is freed at once: there is nothing to remember.
 */
#include <malloc.h>
#include <stdlib.h>
#include <xxhash.h>

#include "graph.h"
#include "inode-impl.h"

enum {
	BUCKETS_MIN = 1024,
	GIVE_BACK_MIN = 1 << 14,	/* tables that were never larger stay as they are */
};

const struct gfid gfid_none;
const struct gfid gfid_root = { .b = { [15] = 1 } };

bool gfid_equal(const struct gfid *a, const struct gfid *b)
{
	return memcmp(a, b, sizeof *a) == 0;
}

bool gfid_is_none(const struct gfid *g)
{
	return gfid_equal(g, &gfid_none);
}

uint64_t gfid_hash(const struct gfid *g)
{
	return XXH3_64bits(g->b, sizeof g->b);
}

uint64_t gfid_ino(const struct gfid *g)
{
	if (gfid_equal(g, &gfid_root))
		return 1;
	uint64_t ino = gfid_hash(g) >> 1;
	return ino > 1 ? ino : ino + 2;
}

uint64_t gfid_prefix(const struct gfid *g)
{
	uint64_t prefix = 0;

	for (int i = 0; i < 8; i++)
		prefix = prefix << 8 | g->b[i];
	return prefix;
}

const char *gfid_str(const struct gfid *g, char out[GFID_STR])
{
	static const char hex[] = "0123456789abcdef";
	char *o = out;

	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*o++ = '-';
		*o++ = hex[g->b[i] >> 4];
		*o++ = hex[g->b[i] & 15];
	}
	*o = '\0';
	return out;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int gfid_parse(const char *s, struct gfid *ret_gfid)
{
	for (int i = 0; i < 16; i++) {
		if ((i == 4 || i == 6 || i == 8 || i == 10) && *s++ != '-')
			return -EINVAL;
		int hi = hex_value(s[0]), lo = hi < 0 ? -1 : hex_value(s[1]);
		if (lo < 0)
			return -EINVAL;
		ret_gfid->b[i] = hi << 4 | lo;
		s += 2;
	}
	return *s ? -EINVAL : 0;
}

/* ---- the table ---- */

static struct inode **bucket_of(const struct inode_table *t, const struct gfid *g)
{
	return &t->buckets[gfid_hash(g) & (t->nr_buckets - 1)];
}

static void resize(struct inode_table *t, size_t nr)
{
	struct inode **old = t->buckets, **fresh = calloc(nr, sizeof *fresh);

	if (!fresh)
		return;			/* longer chains or more memory, nothing worse */
	size_t nr_old = t->nr_buckets;
	t->buckets = fresh;
	t->nr_buckets = nr;
	for (size_t i = 0; i < nr_old; i++) {
		for (struct inode *n = old[i], *next; n; n = next) {
			struct inode **b = bucket_of(t, &n->gfid);

			next = n->hash_next;
			n->hash_next = *b;
			*b = n;
		}
	}
	free(old);
}

struct inode_table *inode_table_new(struct graph *graph, uint32_t nr_slots, uint32_t lru_limit)
{
	struct inode_table *t = calloc(1, sizeof *t);

	if (!t)
		return NULL;
	t->graph = graph;
	t->nr_slots = nr_slots;
	t->lru_limit = lru_limit;
	t->nr_buckets = BUCKETS_MIN;
	t->buckets = calloc(t->nr_buckets, sizeof *t->buckets);
	t->lru.lru_next = t->lru.lru_prev = &t->lru;
	t->root = t->buckets ? inode_get(t, &gfid_root, S_IFDIR) : NULL;
	if (!t->root) {
		free(t->buckets);
		free(t);
		return NULL;
	}
	return t;
}

static void lru_remove(struct inode *n)
{
	n->lru_prev->lru_next = n->lru_next;
	n->lru_next->lru_prev = n->lru_prev;
	n->lru_prev = n->lru_next = NULL;
	n->table->counts.lru--;
}

/*
 * Most of a large table is gone: what malloc keeps of it goes back to the system.  malloc would
 * keep it for ever, for there is always something in use at the end of the heap.
 */
static void give_back(struct inode_table *t)
{
	size_t nr = t->nr_buckets;

	while (nr > BUCKETS_MIN && nr / 2 > t->nr)
		nr /= 2;
	if (nr < t->nr_buckets)
		resize(t, nr);
	t->peak = t->nr;
	malloc_trim(0);
}

/* Nobody refers to n, it is in no list but the hash table. */
static void inode_free(struct inode *n)
{
	struct inode_table *t = n->table;
	struct inode **at = bucket_of(t, &n->gfid);

	while (*at != n)
		at = &(*at)->hash_next;
	*at = n->hash_next;
	t->nr--;
	for (uint32_t i = 0; i < t->nr_slots; i++) {
		struct xlator *xl = n->slots[i] ? t->graph->xlators[i] : NULL;

		if (xl && xl->type->forget)
			xl->type->forget(xl, n, n->slots[i]);
	}
	free(n);
	if (t->peak > GIVE_BACK_MIN && t->nr < t->peak / 2)
		give_back(t);
}

static void lru_shrink(struct inode_table *t, uint32_t limit)
{
	while (t->counts.lru > limit) {
		struct inode *n = t->lru.lru_next;

		lru_remove(n);
		inode_free(n);
	}
}

void inode_table_free(struct inode_table *t)
{
	if (!t)
		return;
	inode_unref(t->root);
	lru_shrink(t, 0);
	assert(t->nr == 0 && !t->fds);
	free(t->buckets);
	free(t);
}

struct inode *inode_root(struct inode_table *t)
{
	return t->root;
}

struct inode *inode_find(struct inode_table *t, const struct gfid *g)
{
	for (struct inode *n = *bucket_of(t, g); n; n = n->hash_next)
		if (gfid_equal(&n->gfid, g))
			return inode_ref(n);
	return NULL;
}

struct inode *inode_get(struct inode_table *t, const struct gfid *g, uint32_t type)
{
	struct inode *n = inode_find(t, g);

	if (n) {
		if (!n->type)
			n->type = type & S_IFMT;
		return n;
	}
	n = calloc(1, sizeof *n + t->nr_slots * sizeof n->slots[0]);
	if (!n)
		return NULL;
	n->gfid = *g;
	n->type = type & S_IFMT;
	n->table = t;
	n->refs = 1;
	t->counts.active++;
	if (t->nr >= t->nr_buckets)
		resize(t, t->nr_buckets * 2);
	struct inode **b = bucket_of(t, g);
	n->hash_next = *b;
	*b = n;
	t->nr++;
	if (t->nr > t->peak)
		t->peak = t->nr;
	return n;
}

struct inode *inode_ref(struct inode *n)
{
	if (!n)
		return NULL;
	if (n->refs++ == 0) {
		lru_remove(n);
		n->table->counts.active++;
	}
	return n;
}

static bool is_blank(const struct inode *n)
{
	for (uint32_t i = 0; i < n->table->nr_slots; i++)
		if (n->slots[i])
			return false;
	return true;
}

void inode_unref(struct inode *n)
{
	if (!n)
		return;
	assert(n->refs > 0);
	if (--n->refs)
		return;
	struct inode_table *t = n->table;
	t->counts.active--;
	if (is_blank(n))
		return inode_free(n);
	n->lru_prev = t->lru.lru_prev;
	n->lru_next = &t->lru;
	n->lru_prev->lru_next = n->lru_next->lru_prev = n;
	t->counts.lru++;
	lru_shrink(t, t->lru_limit);
}

void inode_table_set_lru_limit(struct inode_table *t, uint32_t limit)
{
	t->lru_limit = limit;
	lru_shrink(t, limit);
}

struct inode_counts inode_table_counts(const struct inode_table *t)
{
	return t->counts;
}
