/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * afr-heal.c - healing a brick that joins: what the full members say it lacks, a page of items at a time.
 *
 *	list -> own the keys at home -> open at the brick -> mend each (afr-mend.c) -> sync there -> clear -> mended -> give back
 *	nothing left -> seal every member -> promote
 *
 * A page whose items wait for others is tried again after the rest.  What a name needs beyond it (the attributes of what it means) may be
 * on another page, and is refused as long as its key is not ours: that is waited for, too.  Every client that mounts the volume tries; owning the keys puts
 * one behind the other.
 */
#include <stdlib.h>

#include "afr.h"

enum {
	PAGE = 64,
	AGAIN_MS = 200, AGAIN_DOUBLED = 6,	/* up to 13 s while the brick refuses something */
};

struct heal {
	uint64_t view, token, grant;
	int home, target, source;	/* children; source: whose list it is */
	uint8_t place;			/* of the target */
	uint64_t sources;		/* not asked yet in this round */
	uint64_t cursor;
	bool progress;			/* something was mended in this round */
	bool failed, left;		/* left: something was listed and could not be mended ... */
	bool refused;			/* ... and not because something else is to come first */
	struct item item[PAGE];
	uint64_t generation[PAGE];
	bool mended[PAGE];
	struct repl_key key[PAGE];
	uint32_t nr, at, nr_mended, pass;
	uint64_t sealed;		/* children */
	bool owned;			/* home keeps our keys */
};

static struct heal *heal_of(struct frame *f)
{
	return *(struct heal **)frame_data(f);
}

static void heal_begin(struct afr *afr);

static void heal_again(struct timer *t)
{
	struct afr *afr = (struct afr *)((char *)t - offsetof(struct afr, heal_timer));

	if (!afr->joining || afr->healing)
		return;
	/* Another client may have been quicker, and nothing else tells one that is idle. */
	if (afr->heal_failures++)
		for (int i = 0; i < afr->xl->nr_children; i++)
			afr->child[i].known = false;
	afr_look(afr);
	if (!afr->healing)
		heal_begin(afr);
}

static void heal_end(struct frame *f, bool again)
{
	struct afr *afr = f->xl->priv;
	bool refused = heal_of(f)->refused;

	free(heal_of(f));
	call_end(f);
	afr->healing = NULL;
	afr->heal_refused = refused ? afr->heal_refused + 1 : 0;
	if (!again) {
		afr->heal_failures = 0;
		afr->heal_told = false;
	}
	xl_busy(afr->xl, -1);
	if (again && !afr->stopping)
		timer_start(&afr->heal_timer, xl_loop(afr->xl),
			    AGAIN_MS << (afr->heal_refused < AGAIN_DOUBLED ? afr->heal_refused : AGAIN_DOUBLED), heal_again);
}

void afr_heal_stop(struct afr *afr)
{
	timer_stop(&afr->heal_timer);
}

static bool is_current(const struct frame *f)
{
	const struct afr *afr = f->xl->priv;
	const struct heal *h = *(struct heal **)((struct frame *)f)->data;

	return h->view == afr->view_name && !afr->stopping && afr->child[h->target].up && afr->home == h->home &&
	       afr->child[h->home].up;
}

static void list(struct frame *f);

static void put_token(struct wire *w, const void *arg)
{
	wire_put_u64(w, ((const struct heal *)arg)->token);
}

static void abandoned(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	heal_end(f, true);
}

/* It cannot go on now.  Changes may wait for our keys. */
static void abandon(struct frame *f)
{
	struct heal *h = heal_of(f);

	if (!h->owned || !afr_message(f, h->home, REPL_DISOWN, 8, put_token, h, abandoned))
		heal_end(f, true);
}

static void send(struct frame *f, int child, enum repl_what what, size_t bound,
		 void (*put)(struct wire *w, const void *arg), replicate_done_fn *done)
{
	if (!is_current(f) || !afr_message(f, child, what, bound, put, heal_of(f), done))
		abandon(f);
}

/* ---- sealing ---- */

static void put_on(struct wire *w, const void *arg)
{
	wire_put_u8(w, 1);
}
static void put_off(struct wire *w, const void *arg)
{
	wire_put_u8(w, 0);
}

static void lifted(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	if (!f->pending)
		heal_end(f, true);
}

/* We do not propose now, so the seals that were given may go. */
static void lift(struct frame *f)
{
	struct heal *h = heal_of(f);
	uint64_t left = h->sealed;

	f->pending++;
	for (; left; left &= left - 1)
		afr_message(f, afr_lowest(left), REPL_SEAL, 1, put_off, h, lifted);
	if (--f->pending == 0)
		heal_end(f, true);
}

static void sealed_all(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	struct heal *h = heal_of(f);

	if (h->failed || !is_current(f))
		return lift(f);
	uint32_t places = 1u << h->place;
	heal_end(f, false);
	afr_promote(afr, places);
}

static void sealed(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	struct heal *h = heal_of(f);

	if (ret >= 0)
		h->sealed |= afr_bit(child);
	else
		h->failed = true;
	if (!f->pending)
		sealed_all(f);
}

static void seal(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	struct heal *h = heal_of(f);
	uint64_t to = afr->members | afr_bit(h->target);

	afr_commit_all(afr);
	f->pending++;
	for (; to; to &= to - 1)
		if (!afr_message(f, afr_lowest(to), REPL_SEAL, 1, put_on, h, sealed))
			h->failed = true;
	if (--f->pending == 0)
		sealed_all(f);
}

/* ---- the end of a page ---- */

static void disowned(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	struct heal *h = heal_of(f);

	h->owned = false;
	if (h->failed)
		return heal_end(f, true);
	list(f);
}

static void give_back(struct frame *f, bool failed)
{
	heal_of(f)->failed = failed;
	send(f, heal_of(f)->home, REPL_DISOWN, 8, put_token, disowned);
}

static void put_mended(struct wire *w, const void *arg)
{
	const struct heal *h = arg;

	wire_put_u8(w, h->place);
	wire_put_u32(w, h->nr_mended);
	for (uint32_t i = 0; i < h->nr; i++) {
		struct gfid hash = item_hash(&h->item[i]);

		if (!h->mended[i])
			continue;
		repl_put_gfid(w, &hash);
		wire_put_u64(w, h->generation[i]);
	}
}

static void noted(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	struct heal *h = heal_of(f);

	h->progress |= ret >= 0 && h->nr_mended;
	h->left |= h->nr_mended < h->nr;
	/* What was mended is not listed any more. */
	if (h->nr_mended == h->nr)
		h->cursor = 0;
	else if (!h->cursor)
		h->sources &= ~afr_bit(h->source);
	give_back(f, ret < 0);
}

static void put_keys(struct wire *w, const void *arg)
{
	const struct heal *h = arg;

	wire_put_u64(w, h->grant);
	repl_put_keys(w, h->key, h->nr);
}

static void cleared(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	if (ret < 0)
		return give_back(f, true);
	send(f, heal_of(f)->source, REPL_MENDED, 8 + PAGE * 24, put_mended, noted);
}

static void synced(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	if (ret < 0)
		return give_back(f, true);
	send(f, heal_of(f)->target, REPL_CLEAR, 16 + PAGE * 17, put_keys, cleared);
}

/* ---- mending ---- */

static void mend_next(struct frame *f);

static void mended(void *arg, int ret)
{
	struct frame *f = arg;
	struct heal *h = heal_of(f);
	struct afr *afr = f->xl->priv;
	char text[400];

	if (ret == 0) {
		h->mended[h->at] = true;
		h->nr_mended++;
	} else if (ret != -EAGAIN && ret != REPL_CONFLICT) {
		item_print(&h->item[h->at], text, sizeof text);
		/* The first of many is told, not each with every attempt. */
		log_at(afr->heal_told ? LOG_DEBUG_ : LOG_WARNING_, afr->xl->name, "not healed yet on %s: %s: %s",
		       afr_name(afr, h->target), text, strerror(-ret));
		afr->heal_told = h->refused = true;
	}
	h->at++;
	mend_next(f);
}

static void mend_next(struct frame *f)
{
	struct heal *h = heal_of(f);

	while (h->at < h->nr && h->mended[h->at])
		h->at++;
	if (h->at == h->nr && h->nr_mended < h->nr && h->pass++ < 2) {
		h->at = 0;
		return mend_next(f);
	}
	if (!is_current(f))
		return abandon(f);
	if (h->at < h->nr)
		return afr_mend(f->xl->priv, h->home, h->target, call_identity(f), &h->item[h->at], mended, f);
	send(f, h->target, REPL_SYNC, 0, NULL, synced);
}

/* ---- keys ---- */

static void put_open(struct wire *w, const void *arg)
{
	const struct heal *h = arg;

	wire_put_u64(w, h->grant);
	wire_put_u32(w, h->nr);
	for (uint32_t i = 0; i < h->nr; i++)
		item_put(w, &h->item[i]);
}

static void opened(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	struct heal *h = heal_of(f);

	if (ret < 0)
		return give_back(f, true);
	struct wire w = repl_reader(reply->answer);
	if (wire_get_u32(&w)) {		/* the same */
		afr_settle(f->xl->priv);
		return give_back(f, true);
	}
	h->at = h->nr_mended = h->pass = 0;
	memset(h->mended, 0, sizeof h->mended);
	call_identity(f)->impose = true;
	call_identity(f)->grant = h->grant;
	mend_next(f);
}

static void owned(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	struct heal *h = heal_of(f);

	if (ret < 0)
		return heal_end(f, true);
	struct wire w = repl_reader(reply->answer);
	h->grant = wire_get_u64(&w);
	h->owned = true;
	/* A change that nobody finished is there: it is a unit of its own. */
	if (wire_get_u32(&w)) {
		afr_settle(f->xl->priv);
		return give_back(f, true);
	}
	send(f, h->target, REPL_OPEN, 16 + PAGE * ITEM_SIZE_MAX, put_open, opened);
}

static void put_own(struct wire *w, const void *arg)
{
	const struct heal *h = arg;

	wire_put_u64(w, h->token);
	repl_put_keys(w, h->key, h->nr);
}

/* ---- lists ---- */

static void put_list(struct wire *w, const void *arg)
{
	const struct heal *h = arg;

	wire_put_u8(w, REPL_LIST_LACKED);
	wire_put_u8(w, h->place);
	wire_put_u64(w, h->cursor);
	wire_put_u32(w, PAGE);
}

static bool read_page(struct heal *h, const struct buf *b)
{
	struct wire w = repl_reader(b);

	h->cursor = wire_get_u64(&w);
	wire_get_u64(&w);
	h->nr = wire_get_u32(&w);
	if (h->nr > PAGE)
		return false;
	for (uint32_t i = 0; i < h->nr; i++) {
		item_get(&w, &h->item[i]);
		h->generation[i] = wire_get_u64(&w);
		h->key[i] = item_key(&h->item[i]);
	}
	return repl_read_end(&w) == 0;
}

static void listed(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	struct afr *afr = f->xl->priv;
	struct heal *h = heal_of(f);

	if (ret < 0 || !read_page(h, reply->answer))
		return heal_end(f, true);
	call_identity(f)->impose = false;
	call_identity(f)->grant = 0;
	if (!h->nr) {
		h->sources &= ~afr_bit(child);
		h->cursor = 0;
		return list(f);
	}
	h->token = loop_random(xl_loop(afr->xl));
	send(f, h->home, REPL_OWN, 16 + PAGE * 17, put_own, owned);
}

/* The next page of this list, or the next list; when all were empty or nothing can be done any more: the end. */
static void list(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	struct heal *h = heal_of(f);

	if (!h->sources && h->progress) {
		h->progress = h->left = false;
		h->sources = afr->members;
	}
	if (!h->sources)
		return h->left ? heal_end(f, true) : seal(f);
	h->source = afr_lowest(h->sources);
	send(f, h->source, REPL_LIST, 16, put_list, listed);
}

/* Who can be healed now; -1: nobody. */
static int find_target(const struct afr *afr)
{
	uint64_t up = 0;

	for (int i = 0; i < afr->xl->nr_children; i++)
		if (afr->child[i].up && (afr->joining & afr_bit(i)))
			up |= afr_bit(i);
	if (afr->home < 0 || afr->healing || afr->stopping || !afr->self_heal)
		return -1;
	/* In turn: home seals only when none of them lacks anything. */
	uint64_t next = up & ~(afr_bit(afr->heal_last) | (afr_bit(afr->heal_last) - 1));
	return afr_lowest(next ? next : up);
}

static void heal_begin(struct afr *afr)
{
	struct identity id = { .client = afr->xl->graph->client_id, .view = afr->view_name };
	int target = find_target(afr);

	if (target < 0)
		return;
	struct frame *f = call_new(afr->xl, &id, sizeof(struct heal *));
	struct heal *h = f ? calloc(1, sizeof *h) : NULL;
	if (!h) {
		if (f)
			call_end(f);
		return;
	}
	*(struct heal **)frame_data(f) = h;
	afr->healing = f;
	xl_busy(afr->xl, 1);
	h->view = afr->view_name;
	h->home = afr->home;
	h->target = afr->heal_last = target;
	h->place = afr->child[h->target].place;
	h->sources = afr->members;
	afr_settle(afr);
	list(f);
}

void afr_heal_wanted(struct afr *afr)
{
	if (!timer_active(&afr->heal_timer) && find_target(afr) >= 0)
		timer_start(&afr->heal_timer, xl_loop(afr->xl), 0, heal_again);
}
