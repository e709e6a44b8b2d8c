/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * replica-dirty.c - the items that bricks may lack, in memory: by hash, and for each brick in the order in which they came.
 *
 *	table	open addressing, of pointers; an item has its hash
 *	index	one per brick: (order, item), growing; what left is a hole, and when more than half are holes they go
 *
 * Each change is a record of the log (replica-dirty-log.c) first.  An item knows the batch of its last record: it is durable
 * when that one is.  Generations are not written down: they begin at a random number, so that one from before a restart
 * is never right by chance.
 *
 * Limitation: the table grows and shrinks at once, some ten milliseconds for a million items.
 */
#include "config.h"

#include <stdlib.h>

#include "replica-dirty-log.h"

struct dirty_item {
	struct gfid hash, gfid;
	uint64_t chunk, generation;
	uint64_t order;			/* by which the indices of its bricks have it */
	uint64_t batch;			/* of the log, that has the last of what it says */
	uint32_t mask;			/* bricks that lack it; not 0 */
	uint16_t blocks;
	uint8_t kind, name_len;
	char name[];			/* with its NUL */
};

struct entry {
	uint64_t order;
	struct dirty_item *item;	/* NULL: a hole */
};

struct index {
	struct entry *entry;		/* order grows */
	size_t first, nr, size;		/* the first may be a hole only if all are */
	uint64_t count, bytes;
};

struct dirty {
	struct dlog *log;
	struct dirty_item **table;
	size_t size, nr;		/* size: a power of 2, or 0 */
	struct index index[VIEW_BRICKS_MAX];
	uint64_t order, generation;	/* the last ones given out */
	uint64_t live;			/* bytes of a log with nothing else */
	uint64_t most;
	uint32_t lost;			/* bricks of which something could not be noted: ITEM_ALL is to be marked */
};

enum { SLICE_ITEMS = 4096, TABLE_MIN = 64, EVERYTHING_RECORDS = VIEW_BRICKS_MAX + 1 };
#define EACH_BRICK(b, mask) \
	for (uint32_t left_ = (mask), b; left_ && (b = (uint32_t)__builtin_ctz(left_), 1); left_ &= left_ - 1)

/* ---- items ---------------------------------------------------------------------------------- */

static void item_expand(const struct dirty_item *i, struct item *out)
{
	out->gfid = i->gfid;
	out->chunk = i->chunk;
	out->blocks = i->blocks;
	out->kind = i->kind;
	out->name_len = i->name_len;
	memcpy(out->name, i->name, (size_t)i->name_len + 1);
}

static uint64_t item_bytes(const struct dirty_item *i)
{
	if (i->kind != ITEM_DATA || i->chunk == UINT64_MAX)
		return 0;
	return (uint64_t)__builtin_popcount(i->blocks) * ITEM_BLOCK;
}

static uint64_t live_of(const struct dirty_item *i)
{
	return DLOG_MARK_SIZE + i->name_len;
}

/* ---- the table ------------------------------------------------------------------------------ */

static size_t home_of(const struct dirty *d, const struct gfid *hash)
{
	return gfid_hash(hash) & (d->size - 1);
}

/* Where it is, or would be. */
static size_t table_place(const struct dirty *d, const struct gfid *hash)
{
	size_t i = home_of(d, hash);

	while (d->table[i] && !gfid_equal(&d->table[i]->hash, hash))
		i = (i + 1) & (d->size - 1);
	return i;
}

static struct dirty_item *table_find(const struct dirty *d, const struct gfid *hash)
{
	return d->size ? d->table[table_place(d, hash)] : NULL;
}

static int table_resize(struct dirty *d, size_t size)
{
	struct dirty_item **old = d->table, **table = calloc(size, sizeof table[0]);
	size_t old_size = d->size;

	if (!table)
		return -ENOMEM;
	d->table = table;
	d->size = size;
	for (size_t i = 0; i < old_size; i++)
		if (old[i])
			table[table_place(d, &old[i]->hash)] = old[i];
	free(old);
	return 0;
}

static int table_add(struct dirty *d, struct dirty_item *item)
{
	if (4 * (d->nr + 1) > 3 * d->size && table_resize(d, d->size ? 2 * d->size : TABLE_MIN))
		return -ENOMEM;
	d->table[table_place(d, &item->hash)] = item;
	d->nr++;
	return 0;
}

static void table_remove(struct dirty *d, struct dirty_item *item)
{
	size_t hole = table_place(d, &item->hash), mask = d->size - 1;

	assert(d->table[hole] == item);
	/* what follows moves up, unless the hole is before its home */
	for (size_t i = (hole + 1) & mask; d->table[i]; i = (i + 1) & mask) {
		size_t home = home_of(d, &d->table[i]->hash);

		if (((i - home) & mask) >= ((i - hole) & mask)) {
			d->table[hole] = d->table[i];
			hole = i;
		}
	}
	d->table[hole] = NULL;
	d->nr--;
	if (d->size > TABLE_MIN && 8 * d->nr < d->size)
		table_resize(d, d->size / 4 > TABLE_MIN ? d->size / 4 : TABLE_MIN);	/* or it stays */
}

/* ---- the indices ---------------------------------------------------------------------------- */

static int index_reserve(struct index *x)
{
	size_t size = x->size ? 2 * x->size : 16;
	struct entry *e;

	if (x->nr < x->size)
		return 0;
	e = realloc(x->entry, size * sizeof *e);
	if (!e)
		return -ENOMEM;
	x->entry = e;
	x->size = size;
	return 0;
}

/* The first entry with at least this order. */
static size_t index_find(const struct index *x, uint64_t order)
{
	size_t low = x->first, high = x->nr;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (x->entry[middle].order < order)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void index_compact(struct index *x)
{
	size_t nr = 0, size;
	struct entry *e;

	for (size_t i = x->first; i < x->nr; i++)
		if (x->entry[i].item)
			x->entry[nr++] = x->entry[i];
	x->first = 0;
	x->nr = nr;
	size = 2 * nr > 16 ? 2 * nr : 16;
	if (size * 2 > x->size)
		return;
	e = realloc(x->entry, size * sizeof *e);
	if (e) {
		x->entry = e;
		x->size = size;
	}
}

/* There is room. */
static void index_add(struct index *x, struct dirty_item *item)
{
	assert(x->nr < x->size);
	x->entry[x->nr++] = (struct entry){ item->order, item };
	x->count++;
	x->bytes += item_bytes(item);
}

static void index_remove(struct index *x, const struct dirty_item *item)
{
	size_t i = index_find(x, item->order);

	assert(i < x->nr && x->entry[i].item == item);
	x->entry[i].item = NULL;
	x->count--;
	x->bytes -= item_bytes(item);
	while (x->first < x->nr && !x->entry[x->first].item)
		x->first++;
	if (x->nr > 2 * x->count + 64)
		index_compact(x);
}

/* ---- changes in memory ---------------------------------------------------------------------- */

/* More bricks lack it, for which there is room.  It goes to the end of the indices: it has one place in all of them. */
static void item_widen(struct dirty *d, struct dirty_item *i, uint32_t mask)
{
	EACH_BRICK(b, i->mask)
		index_remove(&d->index[b], i);
	d->live += live_of(i) * (uint64_t)__builtin_popcount(mask & ~i->mask);
	i->order = ++d->order;
	i->mask |= mask;
	EACH_BRICK(b, i->mask)
		index_add(&d->index[b], i);
}

/* No brick lacks it yet. */
static struct dirty_item *item_new(struct dirty *d, const struct item *from, const struct gfid *hash)
{
	struct dirty_item *i = malloc(sizeof *i + from->name_len + 1);

	if (!i)
		return NULL;
	*i = (struct dirty_item){
		.hash = *hash, .gfid = from->gfid, .chunk = from->chunk, .blocks = from->blocks,
		.kind = from->kind, .name_len = from->name_len,
	};
	memcpy(i->name, from->name, from->name_len);
	i->name[from->name_len] = 0;
	if (table_add(d, i) == 0)
		return i;
	free(i);
	return NULL;
}

/* Brick b does not lack it any more. */
static void item_narrow(struct dirty *d, struct dirty_item *i, uint32_t b)
{
	index_remove(&d->index[b], i);
	i->mask &= ~(1u << b);
	d->live -= live_of(i);
	if (i->mask)
		return;
	table_remove(d, i);
	free(i);
}

/* Takes in what another item with the same hash says.  Whether that was news. */
static bool item_take(struct dirty *d, struct dirty_item *i, const struct item *from)
{
	struct item all;
	uint64_t before = item_bytes(i);

	item_expand(i, &all);
	if (!item_join(&all, from))
		return false;
	i->chunk = all.chunk;
	i->blocks = all.blocks;
	EACH_BRICK(b, i->mask)
		d->index[b].bytes += item_bytes(i) - before;
	return true;
}

/* Marks it in memory: 1 if the log has to say so, 0 if it does, -errno.  *ret is the item. */
static int mark_one(struct dirty *d, const struct item *from, uint32_t mask, struct dirty_item **ret)
{
	struct gfid hash = item_hash(from);
	struct dirty_item *i = table_find(d, &hash);
	bool news = false;

	EACH_BRICK(b, mask | (i ? i->mask : 0))
		if (index_reserve(&d->index[b]))
			return -ENOMEM;
	if (i)
		news = item_take(d, i, from);
	else
		i = item_new(d, from, &hash);
	if (!i)
		return -ENOMEM;
	if (mask & ~i->mask) {
		item_widen(d, i, mask);
		news = true;
	}
	i->generation = ++d->generation;
	*ret = i;
	return news;
}

static void forget_all(struct dirty *d, uint32_t b)
{
	struct index *x = &d->index[b];

	while (x->count) {
		assert(x->first < x->nr);
		item_narrow(d, x->entry[x->first].item, b);
	}
}

/* ---- the log -------------------------------------------------------------------------------- */

static int dirty_apply(void *owner, const struct dlog_record *r)
{
	struct dirty *d = owner;
	struct dirty_item *i;
	int ret = 0;

	switch ((enum dlog_kind)r->kind) {
	case DLOG_MARK:
		ret = r->mask ? mark_one(d, r->item, r->mask, &i) : 0;
		break;
	case DLOG_MENDED:
		i = table_find(d, &r->hash);
		if (i && i->mask & 1u << r->brick)
			item_narrow(d, i, r->brick);
		break;
	case DLOG_FORGET:
		forget_all(d, r->brick);
	}
	return ret < 0 ? ret : 0;
}

/* place[0]: brick, place[1]: the last order there.  An item is told for each brick by itself: bricks may be added to it and
 * taken from it between two slices. */
static int dirty_more(void *owner, uint64_t place[2], struct bytes *out)
{
	const struct dirty *d = owner;

	for (int nr = 0; place[0] < VIEW_BRICKS_MAX; place[0]++, place[1] = 0) {
		const struct index *x = &d->index[place[0]];

		for (size_t e = index_find(x, place[1] + 1); e < x->nr; e++) {
			struct item item;
			struct dlog_record r = { .kind = DLOG_MARK, .mask = 1u << place[0], .item = &item };

			if (!x->entry[e].item)
				continue;
			if (nr++ == SLICE_ITEMS)
				return 1;
			item_expand(x->entry[e].item, &item);
			if (dlog_encode(out, &r))
				return -ENOMEM;
			place[1] = x->entry[e].order;
		}
	}
	return 0;
}

static uint64_t dirty_live(const void *owner)
{
	return ((const struct dirty *)owner)->live;
}

static const struct dlog_owner owner_type = { .apply = dirty_apply, .more = dirty_more, .live = dirty_live };

/* ---- opening -------------------------------------------------------------------------------- */

static void dirty_free(struct dirty *d)
{
	for (size_t i = 0; i < d->size; i++)
		free(d->table[i]);
	for (int b = 0; b < VIEW_BRICKS_MAX; b++)
		free(d->index[b].entry);
	free(d->table);
	free(d);
}

int dirty_open(int dirfd, const char *name, struct loop *l, struct pool *pool, struct dirty **ret,
	       char error[DIRTY_ERROR])
{
	struct dirty *d = calloc(1, sizeof *d);
	int err;

	*ret = NULL;
	if (!d) {
		snprintf(error, DIRTY_ERROR, "no memory for \"%s\"", name);
		return -ENOMEM;
	}
	d->most = DIRTY_ITEMS_MOST;
	d->generation = loop_random(l) >> 1;
	err = dlog_open(dirfd, name, pool, &owner_type, d, &d->log, error);
	if (err < 0) {
		dirty_free(d);
		return err;
	}
	if (err == 1)
		log_error("replica", "\"%s\" is damaged: it is not known any more what other bricks lack, so those that "
			  "are away are compared as a whole", name);
	*ret = d;
	return 0;
}

void dirty_close(struct dirty *d)
{
	if (!d)
		return;
	dlog_close(d->log);
	dirty_free(d);
}

void dirty_stop(struct dirty *d)
{
	dlog_stop(d->log);
}

bool dirty_idle(const struct dirty *d)
{
	return dlog_idle(d->log);
}

void dirty_set_most(struct dirty *d, uint64_t items)
{
	d->most = items;
}

void dirty_set_rewrite(struct dirty *d, uint64_t bytes)
{
	dlog_set_rewrite(d->log, bytes);
}

struct dirty_stats dirty_stats(const struct dirty *d)
{
	struct dirty_stats s = { .items = d->nr };

	dlog_stats(d->log, &s);
	return s;
}

/* ---- marks ---------------------------------------------------------------------------------- */

/* Brick b lacks `item`: all else that it lacks is part of that. */
static void forget_others(struct dirty *d, uint32_t b, struct dirty_item *item)
{
	struct index *x = &d->index[b];

	index_remove(x, item);
	forget_all(d, b);
	x->first = x->nr = 0;
	index_add(x, item);
}

/* Marks ITEM_ALL, in memory and for the log, which has room for a record for each brick and one more.  0 or -errno. */
static int mark_everything(struct dirty *d, uint32_t mask, struct dirty_item **ret)
{
	static const struct item all = { .kind = ITEM_ALL };
	int news = mark_one(d, &all, mask, ret);

	if (news < 0)
		return news;
	EACH_BRICK(b, mask) {
		if (d->index[b].count == 1)
			continue;
		dlog_append(d->log, &(struct dlog_record){ .kind = DLOG_FORGET, .brick = (uint8_t)b });
		forget_others(d, b, *ret);
		news = 1;
	}
	if (news)
		(*ret)->batch = dlog_append(d->log, &(struct dlog_record){ .kind = DLOG_MARK, .mask = mask, .item = &all });
	return 0;
}

static void lost_noted(void *arg, int ret)
{
}

/* What could not be noted is noted now, if that is possible by now.  Nobody waits for it: he was told that it is not. */
static void note_lost(struct dirty *d)
{
	struct dirty_item *i;

	if (!d->lost || dlog_reserve(d->log, EVERYTHING_RECORDS) || mark_everything(d, d->lost, &i))
		return;
	log_error("replica", "it is not known any more what some of the other bricks lack: they are compared as a whole");
	d->lost = 0;
	dlog_wait(d->log, i->batch, lost_noted, NULL);
}

/* Marks it, in memory and for the log.  0 or -errno; *batch: the last one that somebody who marked it must wait for. */
static int mark(struct dirty *d, const struct item *item, uint32_t mask, uint64_t *batch)
{
	struct dirty_item *i;
	struct gfid hash = item_hash(item);
	int ret;

	if (item_is_everything(item) || (d->nr >= d->most && !table_find(d, &hash))) {
		ret = mark_everything(d, mask, &i);
	} else {
		ret = mark_one(d, item, mask, &i);
		if (ret > 0)
			i->batch = dlog_append(d->log,
					       &(struct dlog_record){ .kind = DLOG_MARK, .mask = mask, .item = item });
	}
	if (ret < 0)
		return ret;
	if (i->batch > *batch)
		*batch = i->batch;
	return 0;
}

int dirty_mark(struct dirty *d, const struct item *items, int nr, uint32_t mask,
	       void (*done)(void *arg, int ret), void *arg)
{
	uint64_t batch = 0;
	int ret;

	assert(mask && !(mask >> VIEW_BRICKS_MAX));
	note_lost(d);
	ret = dlog_reserve(d->log, nr + EVERYTHING_RECORDS);
	for (int i = 0; i < nr && !ret; i++)
		ret = mark(d, &items[i], mask, &batch);
	if (ret)
		d->lost |= mask;
	if (ret)
		return ret;
	if (dlog_is_durable(d->log, batch))
		return 1;
	return dlog_wait(d->log, batch, done, arg);
}

int dirty_everything(struct dirty *d, uint32_t mask, void (*done)(void *arg, int ret), void *arg)
{
	struct item all = { .kind = ITEM_ALL };

	return dirty_mark(d, &all, 1, mask, done, arg);
}

bool dirty_mended(struct dirty *d, int brick, const struct gfid *hash, uint64_t generation)
{
	struct dirty_item *i = table_find(d, hash);

	assert(brick >= 0 && brick < VIEW_BRICKS_MAX);
	if (!i || i->generation != generation || !(i->mask & 1u << brick) || dlog_reserve(d->log, 1))
		return false;
	dlog_append(d->log, &(struct dlog_record){ .kind = DLOG_MENDED, .brick = (uint8_t)brick, .hash = *hash });
	item_narrow(d, i, (uint32_t)brick);
	dlog_lazily(d->log);
	return true;
}

void dirty_forget(struct dirty *d, int brick)
{
	assert(brick >= 0 && brick < VIEW_BRICKS_MAX);
	/* without room in the log: they are there again after a restart */
	d->lost &= ~(1u << brick);
	if (d->index[brick].count && !dlog_reserve(d->log, 1))
		dlog_append(d->log, &(struct dlog_record){ .kind = DLOG_FORGET, .brick = (uint8_t)brick });
	forget_all(d, (uint32_t)brick);
	dlog_lazily(d->log);
}

/* ---- questions ------------------------------------------------------------------------------ */

uint64_t dirty_count(const struct dirty *d, int brick)
{
	return d->index[brick].count + (d->lost >> brick & 1);
}

uint64_t dirty_bytes(const struct dirty *d, int brick)
{
	return d->index[brick].bytes;
}

uint32_t dirty_lacking(const struct dirty *d, const struct gfid *hash)
{
	const struct dirty_item *i = table_find(d, hash);

	return i ? i->mask : 0;
}

uint32_t dirty_list(struct dirty *d, int brick, uint64_t *cursor, uint32_t most,
		    void (*tell)(void *arg, const struct item *i, uint64_t generation), void *arg)
{
	const struct index *x = &d->index[brick];
	uint64_t from = *cursor;
	uint32_t nr = 0;

	note_lost(d);
	*cursor = 0;
	for (size_t e = index_find(x, from + 1); e < x->nr; e++) {
		const struct dirty_item *i = x->entry[e].item;
		struct item item;

		if (!i)
			continue;
		if (nr == most) {
			*cursor = from;
			break;
		}
		item_expand(i, &item);
		tell(arg, &item, i->generation);
		from = x->entry[e].order;
		nr++;
	}
	return nr;
}
