/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* message.c - messages of the replication protocol: what is in the bufs of the operation `replicate`. */
#include "replication.h"

struct buf *repl_message(size_t bound, void (*put)(struct wire *w, const void *arg), const void *arg)
{
	struct buf *b = buf_new(bound);

	if (!b)
		return NULL;
	struct wire w = { .base = b->data, .at = b->data, .end = b->data + bound };
	put(&w, arg);
	if (!wire_ok(&w)) {
		buf_unref(b);
		return NULL;
	}
	b->len = w.at - w.base;
	return b;
}

struct wire repl_reader(const struct buf *b)
{
	if (!b)				/* nothing was sent: what is read of it fails */
		return (struct wire){ 0 };
	return (struct wire){ .base = b->data, .at = b->data, .end = b->data + b->len };
}

int repl_read_end(const struct wire *w)
{
	return wire_finished(w) ? 0 : -EPROTO;
}

void repl_put_gfid(struct wire *w, const struct gfid *g)
{
	wire_put_bytes(w, g->b, sizeof g->b);
}

void repl_get_gfid(struct wire *w, struct gfid *g)
{
	const uint8_t *p = wire_get_bytes(w, sizeof g->b);

	*g = gfid_none;
	if (p)
		memcpy(g->b, p, sizeof g->b);
}

void repl_put_ballot(struct wire *w, const struct repl_ballot *b)
{
	wire_put_u64(w, b->round);
	wire_put_u64(w, b->client);
}

void repl_get_ballot(struct wire *w, struct repl_ballot *b)
{
	b->round = wire_get_u64(w);
	b->client = wire_get_u64(w);
}

void repl_put_promise(struct wire *w, const struct repl_promise *p)
{
	wire_put_u8(w, p->ok);
	repl_put_ballot(w, &p->promised);
	repl_put_ballot(w, &p->accepted);
	view_put(w, &p->view);
}

void repl_get_promise(struct wire *w, struct repl_promise *p)
{
	p->ok = wire_get_u8(w);
	repl_get_ballot(w, &p->promised);
	repl_get_ballot(w, &p->accepted);
	view_get(w, &p->view);
}

void repl_put_status(struct wire *w, const struct repl_status *s)
{
	repl_put_gfid(w, &s->brick);
	wire_put_u64(w, s->incarnation);
	wire_put_u8(w, s->witness | s->sealed << 1);
	wire_put_u32(w, s->everything);
	view_put(w, &s->installed);
	for (int i = 0; i < VIEW_BRICKS_MAX; i++)
		wire_put_u64(w, s->lacked[i]);
	wire_put_u64(w, s->nr_doubts);
	wire_put_u64(w, s->nr_entries);
}

void repl_get_status(struct wire *w, struct repl_status *s)
{
	repl_get_gfid(w, &s->brick);
	s->incarnation = wire_get_u64(w);
	uint8_t flags = wire_get_u8(w);
	s->witness = flags & 1;
	s->sealed = flags & 2;
	s->everything = wire_get_u32(w);
	view_get(w, &s->installed);
	for (int i = 0; i < VIEW_BRICKS_MAX; i++)
		s->lacked[i] = wire_get_u64(w);
	s->nr_doubts = wire_get_u64(w);
	s->nr_entries = wire_get_u64(w);
}

void repl_put_range(struct wire *w, const struct repl_range *r)
{
	repl_put_gfid(w, &r->gfid);
	wire_put_u64(w, r->offset);
	wire_put_u32(w, r->most);
}

void repl_get_range(struct wire *w, struct repl_range *r)
{
	repl_get_gfid(w, &r->gfid);
	r->offset = wire_get_u64(w);
	r->most = wire_get_u32(w);
	w->failed |= r->most > REPL_SUMS_MOST || r->offset % ITEM_BLOCK;
}

void repl_put_sums(struct wire *w, const struct repl_sums *s)
{
	wire_put_u64(w, s->start);
	wire_put_u32(w, s->nr);
	for (uint32_t i = 0; i < s->nr; i++)
		repl_put_gfid(w, &s->sum[i]);
}

void repl_get_sums(struct wire *w, struct repl_sums *s)
{
	s->start = wire_get_u64(w);
	s->nr = wire_get_u32(w);
	w->failed |= s->nr > REPL_SUMS_MOST || (s->start == UINT64_MAX ? s->nr > 0 : s->start % ITEM_BLOCK);
	if (w->failed)
		s->nr = 0;
	for (uint32_t i = 0; i < s->nr; i++)
		repl_get_gfid(w, &s->sum[i]);
}

void repl_put_keys(struct wire *w, const struct repl_key *keys, uint32_t nr)
{
	wire_put_u32(w, nr);
	for (uint32_t i = 0; i < nr; i++) {
		repl_put_gfid(w, &keys[i].id);
		wire_put_u8(w, keys[i].shared);
	}
}

uint32_t repl_get_keys(struct wire *w, struct repl_key *keys, uint32_t most)
{
	uint32_t nr = wire_get_u32(w);

	if (nr > most) {
		w->failed = true;
		w->error = -EPROTO;
		nr = 0;
	}
	for (uint32_t i = 0; i < nr; i++) {
		repl_get_gfid(w, &keys[i].id);
		keys[i].shared = wire_get_u8(w);
	}
	return wire_ok(w) ? nr : 0;
}

void repl_put_entry(struct wire *w, const struct repl_entry *e)
{
	wire_put_u64(w, e->client);
	wire_put_u64(w, e->txn);
	wire_put_u32(w, (uint32_t)e->ret);
	wire_put_u8(w, e->op);
	repl_put_keys(w, e->key, e->nr_keys);
	wire_put_u8(w, e->nr_items);
	for (int i = 0; i < e->nr_items; i++)
		item_put(w, &e->item[i]);
	wire_put_u32(w, e->reply_len);
	wire_put_bytes(w, e->reply, e->reply_len);
}

void repl_get_entry(struct wire *w, struct repl_entry *e)
{
	const uint8_t *reply;

	e->client = wire_get_u64(w);
	e->txn = wire_get_u64(w);
	e->ret = (int32_t)wire_get_u32(w);
	e->op = wire_get_u8(w);
	e->nr_keys = repl_get_keys(w, e->key, REPL_KEYS_MAX);
	e->nr_items = wire_get_u8(w);
	if (e->op >= FOP_COUNT || e->nr_items > ITEMS_MAX) {
		w->failed = true;
		e->nr_items = 0;
	}
	for (int i = 0; i < e->nr_items; i++)
		item_get(w, &e->item[i]);
	e->reply_len = wire_get_u32(w);
	reply = e->reply_len <= sizeof e->reply ? wire_get_bytes(w, e->reply_len) : NULL;
	if (reply)
		memcpy(e->reply, reply, e->reply_len);
	else
		w->failed = true;
	if (w->failed)
		*e = (struct repl_entry){ 0 };
}
