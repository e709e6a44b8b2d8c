/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * replica-settle.c - what a settler or healer asks for: keys for itself, doubts opened, imposed on, cleared; and lists.
 *
 *	home     OWN ......... HISTORY ................... CLEAR DISOWN
 *	others         OPEN           (imposes) ADOPT CLEAR
 *
 * What was begun for one view or grant is refused in another (EPERM): the settler begins again.
 */
#include <stdlib.h>

#include "replica.h"

enum { KEYS_AT_ONCE = 1024, ITEMS_AT_ONCE = 256, LIST_AT_ONCE = 1024 };

static struct wire message_of(const struct frame *f)
{
	return repl_reader(((const struct replicate_args *)f->args)->request);
}

static bool in_view(const struct frame *f)
{
	const struct replica *r = f->xl->priv;

	return r->me >= 0 && !r->installing && frame_identity(f)->view == r->view_name;
}

static struct owner *owner_find(const struct replica *r, uint64_t client, uint64_t grant, uint64_t token)
{
	struct owner *o;

	LIST_FOREACH(o, &r->owners, link)
		if (o->client == client && ((grant && o->grant == grant) || (token && o->token == token)))
			return o;
	return NULL;
}

bool settle_owns(const struct replica *r, uint64_t client, uint64_t grant)
{
	return owner_find(r, client, grant, 0) != NULL;
}

static void owner_end(struct replica *r, struct owner *o)
{
	for (uint32_t i = 0; i < o->nr_keys; i++)
		keys_drop(r, &o->ref[i]);
	LIST_REMOVE(o, link);
	free(o->ref);
	free(o);
	keys_wake(r);
}

void settle_owners_end(struct replica *r, uint64_t client)
{
	struct owner *o, *next;

	for (o = LIST_FIRST(&r->owners); o; o = next) {
		next = LIST_NEXT(o, link);
		if (!client || o->client == client)
			owner_end(r, o);
	}
}

/* ---- at home ---- */

/*
 * Who has a key that is wanted alone: somebody who will be done with it.  impatient: what has been executed and is not
 * committed is in doubt now, since its client may be waiting for this settler, or for one that waits for it.
 */
static bool is_busy(struct replica *r, const struct repl_key *key, bool impatient)
{
	bool busy = false;
	struct key_ref *ref = keys_holder(r, key, NULL), *next;

	for (; ref; ref = next) {
		next = keys_holder(r, key, ref);
		if (ref->owner || ref->entry->executing) {
			busy = true;
		} else if (ref->entry->slot->state != SLOT_DOUBT) {
			if (!impatient && client_connected(r, ref->entry->slot->client))
				busy = true;
			else
				journal_doubt(r, ref->entry);
		}
	}
	return busy;
}

void settle_lost(struct replica *r, uint64_t client)
{
	struct waiter *w, *next;

	settle_owners_end(r, client);
	for (w = TAILQ_FIRST(&r->waiters); w; w = next) {
		next = TAILQ_NEXT(w, link);
		if (w->again == settle_own && frame_identity(w->frame)->client == client) {
			frame_on_cancel(w->frame, NULL);
			keys_cancel(w->frame);
		}
	}
}

static struct owner *owner_new(struct replica *r, const struct repl_key *keys, uint32_t nr)
{
	struct owner *o = calloc(1, sizeof *o);

	if (o)
		o->ref = calloc(nr ? nr : 1, sizeof *o->ref);
	if (!o || !o->ref) {
		free(o);
		return NULL;
	}
	o->nr_keys = nr;
	o->grant = journal_grant(r);
	for (uint32_t i = 0; i < nr; i++)
		keys_take(r, &o->ref[i], &keys[i], NULL, o);
	LIST_INSERT_HEAD(&r->owners, o, link);
	return o;
}

void settle_disown(struct frame *f)
{
	struct replica *r = f->xl->priv;
	struct wire w = message_of(f);
	uint64_t token = wire_get_u64(&w);
	struct owner *o = owner_find(r, frame_identity(f)->client, 0, token);

	if (repl_read_end(&w) < 0)
		return fail(f, -EINVAL);
	if (o)
		owner_end(r, o);
	replica_answer_empty(f);
}

/* ---- entries on keys ---- */

struct found {
	struct entry **entry;
	uint32_t nr;
};

static int by_address(const void *a, const void *b)
{
	const struct entry *const *x = a, *const *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* The entries that have one of these keys, each once.  entry: to be freed; nr UINT32_MAX: no memory. */
static struct found entries_on(const struct replica *r, const struct repl_key *keys, uint32_t nr)
{
	struct found o = { .entry = malloc((r->nr_entries * REPL_KEYS_MAX + 1) * sizeof *o.entry) };
	uint32_t all = 0;

	if (!o.entry) {
		o.nr = UINT32_MAX;
		return o;
	}
	for (uint32_t i = 0; i < nr; i++) {
		struct repl_key alone = { .id = keys[i].id };
		const struct key_ref *ref = keys_holder(r, &alone, NULL);

		for (; ref; ref = keys_holder(r, &alone, ref))
			if (ref->entry && all < r->nr_entries * REPL_KEYS_MAX)
				o.entry[all++] = ref->entry;
	}
	qsort(o.entry, all, sizeof *o.entry, by_address);
	for (uint32_t i = 0; i < all; i++)
		if (!i || o.entry[i] != o.entry[i - 1])
			o.entry[o.nr++] = o.entry[i];
	return o;
}

struct keys_message {
	uint64_t grant;
	struct repl_key keys[KEYS_AT_ONCE];
	uint32_t nr;
};

static bool keys_of(struct wire *w, struct keys_message *m)
{
	m->grant = wire_get_u64(w);
	m->nr = repl_get_keys(w, m->keys, KEYS_AT_ONCE);
	return wire_ok(w);
}

static void put_entries(struct wire *w, const void *arg)
{
	const struct found *o = arg;

	wire_put_u32(w, 0);
	uint8_t *count = w->at - 4;
	uint32_t nr = 0;
	for (uint32_t i = 0; i < o->nr; i++) {
		const struct slot *s = o->entry[i]->slot;
		struct repl_entry e = { .client = s->client, .txn = s->txn, .ret = s->ret, .op = s->op,
					.nr_keys = s->nr_keys, .nr_items = s->nr_items,
					.reply_len = s->reply_len };

		if (!s->txn || !s->reply_len)
			continue;	/* it is not known what became of it: it has not happened */
		memcpy(e.key, s->key, sizeof e.key);
		memcpy(e.item, s->item, s->nr_items * sizeof s->item[0]);
		memcpy(e.reply, s->reply, s->reply_len);
		repl_put_entry(w, &e);
		nr++;
	}
	memcpy(count, &nr, sizeof nr);
}

void settle_history(struct frame *f)
{
	struct replica *r = f->xl->priv;
	struct wire w = message_of(f);
	struct keys_message m;

	if (!keys_of(&w, &m) || repl_read_end(&w) < 0)
		return fail(f, -EINVAL);
	if (!in_view(f) || !owner_find(r, frame_identity(f)->client, m.grant, 0))
		return fail(f, -EPERM);
	struct found o = entries_on(r, m.keys, m.nr);
	if (!o.entry)
		return fail(f, -ENOMEM);
	replica_answer(f, repl_message(4 + (size_t)o.nr * REPL_ENTRY_BOUND, put_entries, &o));
	free(o.entry);
}

/* ---- elsewhere: open ---- */

struct items_message {
	uint64_t grant;
	struct item item[ITEMS_AT_ONCE];
	uint32_t nr;
};

static bool items_of(struct wire *w, struct items_message *m)
{
	m->nr = wire_get_u32(w);
	if (m->nr > ITEMS_AT_ONCE)
		return false;
	for (uint32_t i = 0; i < m->nr; i++)
		item_get(w, &m->item[i]);
	return repl_read_end(w) == 0;
}

/* Of what is in doubt now, all that it has changed: for the settler, who may not know of it. */
static void put_items_of(struct wire *w, const void *arg)
{
	const struct found *o = arg;
	uint32_t nr = 0;

	wire_put_u32(w, 0);
	uint8_t *count = w->at - 4;
	for (uint32_t i = 0; i < o->nr; i++)
		for (int k = 0; o->entry[i]->slot->txn && k < o->entry[i]->slot->nr_items; k++, nr++)
			item_put(w, &o->entry[i]->slot->item[k]);
	memcpy(count, &nr, sizeof nr);
}

/* ---- at home: own ---- */

enum { PATIENCE_MS = 20 };

static void patience_over(struct timer *t)
{
	keys_wake((struct replica *)((char *)t - offsetof(struct replica, patience_timer)));
}

struct owned {
	uint64_t grant;
	const struct found *found;
};

static void put_owned(struct wire *w, const void *arg)
{
	const struct owned *o = arg;

	wire_put_u64(w, o->grant);
	put_items_of(w, o->found);
}

/* false: it must wait. */
static bool may_own(struct frame *f, const struct repl_key *keys, uint32_t nr)
{
	struct replica *r = f->xl->priv;
	struct replica_call *call = frame_data(f);
	uint64_t now = loop_now_ns(xl_loop(r->xl));
	bool busy = false;

	if (!call->since_ns)
		call->since_ns = now;
	bool impatient = now - call->since_ns >= PATIENCE_MS * UINT64_C(1000000);
	for (uint32_t i = 0; i < nr; i++)
		busy |= is_busy(r, &keys[i], impatient);
	if (busy && !impatient && !timer_active(&r->patience_timer))
		timer_start(&r->patience_timer, xl_loop(r->xl), PATIENCE_MS + 1, patience_over);
	return !busy;
}

void settle_own(struct frame *f)
{
	struct replica *r = f->xl->priv;
	struct wire w = message_of(f);
	uint64_t token = wire_get_u64(&w), client = frame_identity(f)->client;
	struct repl_key keys[KEYS_AT_ONCE];
	uint32_t nr = repl_get_keys(&w, keys, KEYS_AT_ONCE);

	if (repl_read_end(&w) < 0 || !nr)
		return fail(f, -EINVAL);
	if (!in_view(f) || r->me != r->home)
		return fail(f, REPL_OTHER_VIEW);
	struct owner *o = owner_find(r, client, 0, token);
	/* A joining brick is about to be full: nothing may be noted any more that it lacks. */
	if (!o && r->header->sealed == r->view_name && !r->sealing)
		return replica_view_seal_is_stale(r) ? fail(f, REPL_OTHER_VIEW) : keys_wait(f, settle_own);
	if (!o && !may_own(f, keys, nr))
		return keys_wait(f, settle_own);
	if (!o)
		o = owner_new(r, keys, nr);
	struct found found = entries_on(r, keys, nr);
	if (!o || !found.entry) {
		free(found.entry);
		return fail(f, -ENOMEM);
	}
	o->client = client;
	o->token = token;
	replica_answer(f, repl_message(16 + (size_t)found.nr * ITEMS_MAX * ITEM_SIZE_MAX, put_owned,
				       &(struct owned){ o->grant, &found }));
	free(found.entry);
}

/* ---- elsewhere: open, continued ---- */

static void open_group(struct replica *r, const struct identity *id, uint64_t grant, const struct item *items, int nr)
{
	struct repl_key keys[ITEMS_MAX];

	for (int i = 0; i < nr; i++)
		keys[i] = item_key(&items[i]);
	struct entry *e = journal_begin(r, &(struct begun){ .state = SLOT_DOUBT, .op = FOP_COUNT, .client = id->client,
							    .view = id->view, .grant = grant, .key = keys, .nr_keys = nr },
					NULL, items, nr);
	e->opened_by = id->client;
	e->opened_grant = grant;
}

static bool is_open(const struct found *o, const struct identity *id, uint64_t grant)
{
	for (uint32_t i = 0; i < o->nr; i++)
		if (o->entry[i]->opened_grant == grant && o->entry[i]->opened_by == id->client)
			return true;
	return false;
}

/* All that is under way or done on the keys is in doubt.  false: something is still being executed. */
static bool doubt_all(struct replica *r, const struct found *o)
{
	bool over = true;

	for (uint32_t i = 0; i < o->nr; i++) {
		journal_doubt(r, o->entry[i]);
		over &= !o->entry[i]->executing;
	}
	return over;
}

static bool is_among(const struct repl_key *key, const struct repl_key *keys, uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++)
		if (repl_key_equal(key, &keys[i]))
			return true;
	return false;
}

/* What settlers have left here that gave up: this one has all of it. */
static void replace_opened(struct replica *r, const struct found *o, const struct repl_key *keys, uint32_t nr)
{
	for (uint32_t i = 0; i < o->nr; i++) {
		const struct slot *s = o->entry[i]->slot;
		bool all = !s->txn;

		for (int k = 0; all && k < s->nr_keys; k++)
			all = is_among(&s->key[k], keys, nr);
		if (all)
			journal_drop(r, o->entry[i]);
	}
}

static uint32_t slots_needed(const struct items_message *m)
{
	return (m->nr + ITEMS_MAX - 1) / ITEMS_MAX;
}

static uint32_t slots_unused(const struct replica *r)
{
	return JOURNAL_SLOTS - r->nr_entries;
}

void settle_open(struct frame *f)
{
	struct replica *r = f->xl->priv;
	const struct identity *id = frame_identity(f);
	struct wire w = message_of(f);
	struct items_message *m = malloc(sizeof *m);
	struct repl_key keys[ITEMS_AT_ONCE];
	struct found o = { 0 };

	if (!m)
		return fail(f, -ENOMEM);
	m->grant = wire_get_u64(&w);
	int ret = !items_of(&w, m) ? -EINVAL : !in_view(f) || r->me == r->home ? -EPERM : 0;

	for (uint32_t i = 0; ret == 0 && i < m->nr; i++)
		keys[i] = item_key(&m->item[i]);
	if (ret == 0) {
		o = entries_on(r, keys, m->nr);
		ret = !o.entry ? -ENOMEM : slots_unused(r) < slots_needed(m) ? -ENOSPC : 0;
	}
	bool wait = ret == 0 && !doubt_all(r, &o);
	struct buf *answer = ret < 0 || wait ? NULL :
		repl_message(4 + (size_t)o.nr * ITEMS_MAX * ITEM_SIZE_MAX, put_items_of, &o);
	if (answer && !is_open(&o, id, m->grant)) {
		for (uint32_t i = 0; i < m->nr; i += ITEMS_MAX)
			open_group(r, id, m->grant, &m->item[i], m->nr - i < ITEMS_MAX ? m->nr - i : ITEMS_MAX);
		replace_opened(r, &o, keys, m->nr);
	}
	free(o.entry);
	free(m);
	if (wait)
		return keys_wait(f, settle_open);
	if (ret < 0)
		return fail(f, ret);
	replica_answer(f, answer);
}

/* ---- elsewhere: adopt ---- */

static bool adopts(const struct repl_entry *all, uint32_t nr, const struct slot *s)
{
	for (uint32_t i = 0; i < nr; i++)
		if (all[i].client == s->client && all[i].txn == s->txn)
			return true;
	return false;
}

/* A txn that home knows: known here too, in doubt until the settler says that all have it. */
static int adopt_one(struct replica *r, const struct repl_entry *a, const struct identity *id)
{
	if (journal_find(r, a->client, a->txn))
		return 0;
	struct entry *e = journal_begin(r, &(struct begun){ .state = SLOT_DOUBT, .op = a->op, .client = a->client,
							    .txn = a->txn, .view = id->view, .key = a->key,
							    .nr_keys = a->nr_keys }, NULL, a->item, a->nr_items);
	if (!e)
		return -ENOSPC;
	e->slot->ret = a->ret;
	e->slot->reply_len = a->reply_len;
	memcpy(e->slot->reply, a->reply, a->reply_len);
	return 0;
}

static int adopt(struct replica *r, const struct identity *id, const struct keys_message *m,
		 const struct repl_entry *all, uint32_t nr)
{
	struct found o = entries_on(r, m->keys, m->nr);
	int ret = !o.entry ? -ENOMEM : is_open(&o, id, m->grant) ? 0 : -EPERM;

	for (uint32_t i = 0; ret == 0 && i < o.nr; i++)
		if (o.entry[i]->slot->txn && !adopts(all, nr, o.entry[i]->slot))
			journal_drop(r, o.entry[i]);
	for (uint32_t i = 0; ret == 0 && i < nr; i++)
		ret = adopt_one(r, &all[i], id);
	free(o.entry);
	return ret;
}

void settle_adopt(struct frame *f)
{
	struct replica *r = f->xl->priv;
	struct wire w = message_of(f);
	struct keys_message m;
	bool ok = keys_of(&w, &m);
	uint32_t nr = wire_get_u32(&w);
	struct repl_entry *all = ok && nr <= JOURNAL_SLOTS ? calloc(nr + 1, sizeof *all) : NULL;

	if (!all)
		return fail(f, ok && nr <= JOURNAL_SLOTS ? -ENOMEM : -EINVAL);
	for (uint32_t i = 0; i < nr; i++)
		repl_get_entry(&w, &all[i]);
	int ret = repl_read_end(&w) < 0 ? -EINVAL : !in_view(f) ? -EPERM :
		  adopt(r, frame_identity(f), &m, all, nr);
	free(all);
	if (ret < 0)
		return fail(f, ret);
	replica_answer_empty(f);
}

/* ---- the end of a doubt ---- */

/* All members have it: it is known as long as its client may ask, and has no keys any more. */
static void settled(struct replica *r, struct entry *e)
{
	struct slot *s = e->slot;

	if (s->state != SLOT_DOUBT)
		return;
	if (!s->txn || !s->reply_len || !client_known(r, s->client))
		return journal_drop(r, e);
	for (int i = 0; i < s->nr_keys; i++)
		keys_drop(r, &e->ref[i]);
	s->nr_keys = s->nr_items = 0;
	s->state = SLOT_DONE;
	r->nr_doubts--;
	r->nr_settled++;
	keys_wake(r);
	replica_view_drained(r);
}

static void clear_marked(void *arg, int ret)
{
	struct frame *f = arg;
	struct replica_call *call = frame_data(f);

	call->ret = ret < 0 ? ret : call->ret;
	if (--call->marking)
		return;
	xl_busy(f->xl, -1);
	call->marked = true;
	if (call->ret < 0)
		return fail(f, call->ret);
	settle_clear(f);
}

/* Those who are not full when a doubt is settled lack what came of it, or may. */
static bool must_mark(struct frame *f, const struct found *o)
{
	struct replica *r = f->xl->priv;
	struct replica_call *call = frame_data(f);
	uint32_t lacking = replica_not_full(r);

	if (call->marked || !lacking)
		return false;
	call->marking = 1;
	xl_busy(f->xl, 1);
	for (uint32_t i = 0; i < o->nr; i++) {
		const struct slot *s = o->entry[i]->slot;

		if (s->state != SLOT_DOUBT || !s->nr_items)
			continue;
		call->marking++;
		int ret = dirty_mark(r->dirty, s->item, s->nr_items, lacking, clear_marked, f);
		if (ret) {
			call->marking--;
			call->ret = ret < 0 ? ret : call->ret;
		}
	}
	clear_marked(f, 0);
	return true;
}

void settle_clear(struct frame *f)
{
	struct replica *r = f->xl->priv;
	struct wire w = message_of(f);
	struct keys_message m;
	uint64_t client = frame_identity(f)->client;

	if (!keys_of(&w, &m) || repl_read_end(&w) < 0)
		return fail(f, -EINVAL);
	if (!in_view(f) || (r->me == r->home && !owner_find(r, client, m.grant, 0)))
		return fail(f, -EPERM);
	struct found o = entries_on(r, m.keys, m.nr);
	if (!o.entry)
		return fail(f, -ENOMEM);
	if (must_mark(f, &o)) {
		free(o.entry);
		return;
	}
	bool mine = r->me == r->home || !o.nr || is_open(&o, frame_identity(f), m.grant);
	for (uint32_t i = 0; mine && i < o.nr; i++)
		settled(r, o.entry[i]);
	free(o.entry);
	if (!mine)
		return fail(f, -EPERM);
	replica_answer_empty(f);
}

void settle_yield(struct frame *f)
{
	struct replica *r = f->xl->priv;
	struct wire w = message_of(f);
	uint64_t txn = wire_get_u64(&w);

	if (repl_read_end(&w) < 0 || !txn)
		return fail(f, -EINVAL);
	struct entry *e = journal_find(r, frame_identity(f)->client, txn);
	if (e)
		journal_doubt(r, e);
	if (e && e->executing)
		return keys_wait(f, settle_yield);
	replica_answer_empty(f);
}

/* ---- lists ---- */

struct listing {
	struct wire *w;
	uint32_t nr;
	uint64_t cursor, left;
	uint8_t *count;
};

static void list_item(void *arg, const struct item *i, uint64_t generation)
{
	struct listing *l = arg;

	item_put(l->w, i);
	wire_put_u64(l->w, generation);
	l->nr++;
}

struct list_request {
	struct replica *r;
	uint8_t which, brick;
	uint64_t cursor;
	uint32_t most;
};

static void list_doubts(const struct list_request *q, struct listing *l)
{
	struct entry *e;

	TAILQ_FOREACH(e, &q->r->entries, link)
		if (e->slot->state == SLOT_DOUBT)
			for (int i = 0; i < e->slot->nr_items && l->nr < q->most; i++)
				list_item(l, &e->slot->item[i], 0);
	l->left = q->r->nr_doubts;
}

static void put_list(struct wire *w, const void *arg)
{
	const struct list_request *q = arg;
	struct listing l = { .w = w, .cursor = q->cursor };
	uint8_t *head = w->at;

	wire_put_u64(w, 0);
	wire_put_u64(w, 0);
	wire_put_u32(w, 0);
	if (q->which == REPL_LIST_DOUBTS) {
		list_doubts(q, &l);
		l.cursor = 0;
	} else {
		dirty_list(q->r->dirty, q->brick, &l.cursor, q->most, list_item, &l);
		l.left = dirty_count(q->r->dirty, q->brick);
	}
	struct wire first = { .base = head, .at = head, .end = head + 20 };
	wire_put_u64(&first, l.cursor);
	wire_put_u64(&first, l.left);
	wire_put_u32(&first, l.nr);
}

void settle_list(struct frame *f)
{
	struct wire w = message_of(f);
	struct list_request q = { .r = f->xl->priv };

	q.which = wire_get_u8(&w);
	q.brick = wire_get_u8(&w);
	q.cursor = wire_get_u64(&w);
	q.most = wire_get_u32(&w);
	if (repl_read_end(&w) < 0 || q.brick >= VIEW_BRICKS_MAX)
		return fail(f, -EINVAL);
	if (q.most > LIST_AT_ONCE)
		q.most = LIST_AT_ONCE;
	replica_answer(f, repl_message(20 + (size_t)q.most * (ITEM_SIZE_MAX + 8), put_list, &q));
}

/* What it moves is noted when it is done (note_moved): before the whole goes off the list, or never. */
static bool something_moves(const struct replica *r)
{
	const struct entry *e;

	TAILQ_FOREACH(e, &r->entries, link)
		if (e->executing && (e->slot->op == FOP_rename || e->slot->op == FOP_link))
			return true;
	return false;
}

void settle_mended(struct frame *f)
{
	struct replica *r = f->xl->priv;
	struct wire w = message_of(f);
	uint8_t brick = wire_get_u8(&w);
	uint32_t nr = wire_get_u32(&w);

	if (brick >= VIEW_BRICKS_MAX || !in_view(f))
		return fail(f, -EPERM);
	if ((dirty_lacking(r->dirty, &gfid_none) & 1u << brick) && something_moves(r))
		return keys_wait(f, settle_mended);
	for (uint32_t i = 0; i < nr && wire_ok(&w); i++) {
		struct gfid hash;

		repl_get_gfid(&w, &hash);
		uint64_t generation = wire_get_u64(&w);
		if (wire_ok(&w))
			dirty_mended(r->dirty, brick, &hash, generation);
	}
	if (repl_read_end(&w) < 0)
		return fail(f, -EINVAL);
	replica_view_drained(r);
	replica_answer_empty(f);
}

/* ---- what somebody lacks, told by a client ---- */

static void lacks_noted(void *arg, int ret)
{
	struct frame *f = arg;

	xl_busy(f->xl, -1);
	if (ret < 0)
		return fail(f, ret);
	replica_answer_empty(f);
}

void settle_lacks(struct frame *f)
{
	struct replica *r = f->xl->priv;
	struct wire w = message_of(f);
	uint8_t brick = wire_get_u8(&w);
	struct items_message *m = malloc(sizeof *m);

	if (!m || !items_of(&w, m) || brick >= VIEW_BRICKS_MAX) {
		int err = m ? -EINVAL : -ENOMEM;

		free(m);
		return fail(f, err);
	}
	xl_busy(f->xl, 1);
	int ret = dirty_mark(r->dirty, m->item, (int)m->nr, 1u << brick, lacks_noted, f);
	free(m);
	if (ret)
		lacks_noted(f, ret < 0 ? ret : 0);
}
