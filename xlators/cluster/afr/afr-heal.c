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

#include "afr-heal.h"

enum {
	AGAIN_MS = 200, AGAIN_DOUBLED = 6,	/* up to 13 s while the brick refuses something */
	TURN_MS = 10, TURNS = 200,
};

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

static void put_token(struct wire *w, const void *arg)
{
	wire_put_u64(w, ((const struct heal *)arg)->token);
}

static void put_walk_token(struct wire *w, const void *arg)
{
	wire_put_u64(w, HEAL_WALK_TOKEN);
}

static void given_back(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	heal_end(f, heal_of(f)->over_again);
}

/* Changes, or other healers, may wait for our keys.  true: it is on the way. */
static bool give_all_back(struct frame *f)
{
	struct heal *h = heal_of(f);
	bool owned = h->owned, alone = h->alone;

	h->owned = false;
	if (owned && afr_message(f, h->home, REPL_DISOWN, 8, put_token, h, given_back))
		return true;
	h->alone = false;
	return alone && afr_message(f, h->home, REPL_DISOWN, 8, put_walk_token, h, given_back);
}

void heal_end(struct frame *f, bool again)
{
	struct afr *afr = f->xl->priv;
	bool refused = heal_of(f)->refused;

	heal_of(f)->over_again = again;
	if (give_all_back(f))
		return;
	walk_free(heal_of(f)->walk);
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
	bool between = afr->healing && timer_active(&afr->heal_timer);

	timer_stop(&afr->heal_timer);
	if (between)
		heal_end(afr->healing, false);
}

void afr_heal_dump(const struct afr *afr, struct dump *d)
{
	if (afr->healing && heal_of(afr->healing)->walk)
		walk_dump(heal_of(afr->healing)->walk, d);
}

bool heal_is_current(const struct frame *f)
{
	const struct afr *afr = f->xl->priv;
	const struct heal *h = *(struct heal **)((struct frame *)f)->data;

	return h->view == afr->view_name && !afr->stopping && afr->child[h->target].up && afr->home == h->home &&
	       afr->child[h->home].up;
}

void heal_send(struct frame *f, int child, enum repl_what what, size_t bound,
	       void (*put)(struct wire *w, const void *arg), replicate_done_fn *done)
{
	if (!heal_is_current(f) || !afr_message(f, child, what, bound, put, heal_of(f), done))
		heal_end(f, true);
}

void heal_as_client(struct frame *f)
{
	call_identity(f)->view = heal_of(f)->view;
	call_identity(f)->impose = false;
	call_identity(f)->grant = 0;
}

void heal_as_healer(struct frame *f)
{
	call_identity(f)->impose = true;
	call_identity(f)->grant = heal_of(f)->grant;
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

static void all_sealed(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	struct heal *h = heal_of(f);
	uint32_t places = 1u << h->place;

	if (h->failed || !heal_is_current(f))
		return lift(f);
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
		all_sealed(f);
}

static void seal(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	struct heal *h = heal_of(f);
	uint64_t to = afr->members | afr_bit(h->target);

	/* One that nobody has missed yet may know of something more. */
	if (afr_missing(afr, VIEW_FULL))
		return heal_end(f, true);
	afr_commit_all(afr);
	f->pending++;
	for (; to; to &= to - 1)
		if (!afr_message(f, afr_lowest(to), REPL_SEAL, 1, put_on, h, sealed))
			h->failed = true;
	if (--f->pending == 0)
		all_sealed(f);
}

/* ---- what the new member must know of others ---- */

static void put_everything(struct wire *w, const void *arg)
{
	wire_put_u8(w, (uint8_t)__builtin_ctz(((const struct heal *)arg)->lacking));
	items_put(w, &(struct item){ .kind = ITEM_ALL }, 1);
}

static void everything_told(struct frame *f, int child, int ret, const struct replicate_reply *reply);

static void tell_everything(struct frame *f)
{
	if (!heal_of(f)->lacking)
		return seal(f);
	heal_send(f, heal_of(f)->target, REPL_LACKS, 5 + ITEM_SIZE_MAX, put_everything, everything_told);
}

static void everything_told(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	if (ret < 0)
		return heal_end(f, true);
	heal_of(f)->lacking &= heal_of(f)->lacking - 1;
	tell_everything(f);
}

static void all_asked(struct frame *f)
{
	const struct afr *afr = f->xl->priv;
	struct heal *h = heal_of(f);

	h->lacking &= (view_mask(&afr->view, VIEW_ABSENT) | view_mask(&afr->view, VIEW_JOINING)) & ~(1u << h->place);
	if (h->failed)
		return heal_end(f, true);
	tell_everything(f);
}

static void asked(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	struct heal *h = heal_of(f);
	struct repl_status status = { 0 };

	if (ret >= 0) {
		struct wire w = repl_reader(reply->answer);

		repl_get_status(&w, &status);
		ret = repl_read_end(&w);
	}
	h->failed |= ret < 0;
	h->lacking |= status.everything;
	if (!f->pending)
		all_asked(f);
}

/*
 * What others lack is noted by those who are members when it comes to be.  That somebody lacks everything was noted once, perhaps before
 * this one was back, and it may be the only one that is left some day.
 */
static void inherit(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	struct heal *h = heal_of(f);

	h->lacking = 0;
	f->pending++;
	for (uint64_t to = afr->members; to; to &= to - 1)
		if (!afr_message(f, afr_lowest(to), REPL_STATUS, 0, NULL, NULL, asked))
			h->failed = true;
	if (--f->pending == 0)
		all_asked(f);
}

/* ---- the end of a page ---- */

static void own(struct frame *f);
static void leave_next(struct frame *f);

static void turn(struct timer *t)
{
	own(((struct afr *)((char *)t - offsetof(struct afr, heal_timer)))->healing);
}

static void disowned(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	struct afr *afr = f->xl->priv;
	struct heal *h = heal_of(f);

	h->owned = false;
	if (h->failed)
		return heal_end(f, true);
	if (h->again && !afr->stopping)
		return timer_start(&afr->heal_timer, xl_loop(afr->xl), TURN_MS, turn);
	heal_as_client(f);
	if (h->walk)
		return walk_next(f);
	heal_list(f);
}

static void give_back(struct frame *f, bool failed)
{
	heal_of(f)->failed = failed;
	heal_send(f, heal_of(f)->home, REPL_DISOWN, 8, put_token, disowned);
}

/* Something else is under way on these keys: it is settled first.  A list begins again then; a walk, which is long, with this page. */
static void page_later(struct frame *f)
{
	struct heal *h = heal_of(f);

	afr_settle(f->xl->priv);
	if (!h->walk)
		return give_back(f, true);
	if (h->turns++ < TURNS) {
		h->again = true;
		return give_back(f, false);
	}
	h->at = h->nr_mended = 0;
	memset(h->mended, 0, sizeof h->mended);
	leave_next(f);
}

/* ---- (a walk) what could not be mended is put on home's list ---- */

static void put_lacks(struct wire *w, const void *arg)
{
	const struct heal *h = arg;

	wire_put_u8(w, h->place);
	items_put(w, &h->item[h->at], 1);
}

/* The directory has another time when the name has been mended. */
static void put_lacks_parent(struct wire *w, const void *arg)
{
	const struct heal *h = arg;

	wire_put_u8(w, h->place);
	items_put(w, &(struct item){ .kind = ITEM_META, .gfid = h->item[h->at].gfid, .chunk = ITEM_NOT_CUT }, 1);
}

static void left_parent(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	if (ret < 0)
		return give_back(f, true);
	heal_of(f)->at++;
	leave_next(f);
}

static void left(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	const struct heal *h = heal_of(f);

	if (ret >= 0 && h->item[h->at].kind == ITEM_NAME)
		return heal_send(f, h->home, REPL_LACKS, 5 + ITEM_SIZE_MAX, put_lacks_parent, left_parent);
	left_parent(f, child, ret, reply);
}

static void leave_next(struct frame *f)
{
	struct heal *h = heal_of(f);

	while (h->at < h->nr && h->mended[h->at])
		h->at++;
	if (h->at == h->nr)
		return give_back(f, false);
	heal_send(f, h->home, REPL_LACKS, 5 + ITEM_SIZE_MAX, put_lacks, left);
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
	if (!h->cursor)
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
	if (ret < 0 || heal_of(f)->failed)
		return give_back(f, true);
	if (heal_of(f)->walk) {
		heal_of(f)->at = 0;
		return leave_next(f);
	}
	heal_send(f, heal_of(f)->source, REPL_MENDED, 8 + HEAL_PAGE * 24, put_mended, noted);
}

static void synced(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	if (ret < 0)
		return give_back(f, true);
	heal_send(f, heal_of(f)->target, REPL_CLEAR, 16 + HEAL_PAGE * 17, put_keys, cleared);
}

/* ---- mending ---- */

static void mend_next(struct frame *f);

/* A name that could be mended only now has changed the time of its directory. */
static void time_again(struct heal *h, const struct item *name)
{
	for (uint32_t i = 0; i < h->nr && name->kind == ITEM_NAME; i++)
		if (h->mended[i] && h->item[i].kind == ITEM_META && gfid_equal(&h->item[i].gfid, &name->gfid)) {
			h->mended[i] = false;
			h->nr_mended--;
		}
}

static void mended(void *arg, int ret)
{
	struct frame *f = arg;
	struct heal *h = heal_of(f);
	struct afr *afr = f->xl->priv;
	char text[400];

	if (ret == 0) {
		h->mended[h->at] = true;
		h->nr_mended++;
		time_again(h, &h->item[h->at]);
	} else if (ret != -EAGAIN && ret != REPL_CONFLICT) {
		item_print(&h->item[h->at], text, sizeof text);
		/* The first of many is told, not each with every attempt. */
		log_at(afr->heal_told ? LOG_DEBUG_ : LOG_WARNING_, afr->xl->name, "not healed yet on %s: %s: %s",
		       afr_name(afr, h->target), text, strerror(-ret));
		afr->heal_told = h->refused = true;
	}
	/* Nor would anything else be: a walk does not go on. */
	if (h->walk && (ret == -ENOSPC || ret == -EDQUOT || ret == -EROFS || ret == -ENOTCONN || ret == REPL_OTHER_VIEW))
		h->failed = true;
	h->at++;
	mend_next(f);
}

static void mend_next(struct frame *f)
{
	struct heal *h = heal_of(f);

	while (h->at < h->nr && h->mended[h->at])
		h->at++;
	if (h->at == h->nr && h->nr_mended < h->nr && !h->failed && h->pass++ < 2) {
		h->at = 0;
		return mend_next(f);
	}
	if (!heal_is_current(f))
		return heal_end(f, true);
	if (h->at < h->nr && !h->failed)
		return afr_mend(f->xl->priv, h->home, h->target, h->walk ? -1 : h->place, call_identity(f),
				&h->item[h->at], h->walk ? &h->part[h->at] : NULL, mended, f);
	if (h->walk)			/* it syncs at its end */
		return synced(f, h->target, 0, NULL);
	heal_send(f, h->target, REPL_SYNC, 0, NULL, synced);
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
	if (wire_get_u32(&w))		/* the same */
		return page_later(f);
	h->at = h->nr_mended = h->pass = 0;
	memset(h->mended, 0, sizeof h->mended);
	heal_as_healer(f);
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
	if (wire_get_u32(&w))
		return page_later(f);
	heal_send(f, h->target, REPL_OPEN, 16 + HEAL_PAGE * ITEM_SIZE_MAX, put_open, opened);
}

static void put_own(struct wire *w, const void *arg)
{
	const struct heal *h = arg;

	wire_put_u64(w, h->token);
	repl_put_keys(w, h->key, h->nr);
}

static void own(struct frame *f)
{
	struct heal *h = heal_of(f);

	heal_as_client(f);
	h->again = false;
	h->token = loop_random(xl_loop(f->xl));
	for (uint32_t i = 0; i < h->nr; i++)
		h->key[i] = item_key(&h->item[i]);
	heal_send(f, h->home, REPL_OWN, 16 + HEAL_PAGE * 17, put_own, owned);
}

void heal_page(struct frame *f)
{
	heal_of(f)->turns = 0;
	own(f);
}

/* ---- lists ---- */

static void put_list(struct wire *w, const void *arg)
{
	const struct heal *h = arg;

	wire_put_u8(w, REPL_LIST_LACKED);
	wire_put_u8(w, h->place);
	wire_put_u64(w, h->cursor);
	wire_put_u32(w, HEAL_PAGE);
}

static bool read_page(struct heal *h, const struct buf *b)
{
	struct wire w = repl_reader(b);

	h->cursor = wire_get_u64(&w);
	wire_get_u64(&w);
	uint32_t nr = wire_get_u32(&w);

	if (nr > HEAL_PAGE)
		return false;
	h->nr = 0;
	for (uint32_t i = 0; i < nr; i++) {
		item_get(&w, &h->item[h->nr]);
		h->generation[h->nr] = wire_get_u64(&w);
		if (h->item[h->nr].kind == ITEM_META && !h->attributes)
			h->skipped = true;
		else
			h->nr++;
	}
	return repl_read_end(&w) == 0;
}

static void listed(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	struct heal *h = heal_of(f);

	if (ret < 0 || !read_page(h, reply->answer))
		return heal_end(f, true);
	if (!h->nr) {
		if (!h->cursor)
			h->sources &= ~afr_bit(child);
		return heal_list(f);
	}
	for (uint32_t i = 0; i < h->nr; i++)
		if (h->item[i].kind == ITEM_ALL)
			return walk_begin(f);
	heal_page(f);
}

/* The next page of this list, or the next list; when all were empty or nothing can be done any more: the end. */
void heal_list(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	struct heal *h = heal_of(f);

	heal_as_client(f);
	/* Attributes when there are no names any more: each of those changes the time of its directory. */
	bool attributes = !h->sources && !h->progress && h->skipped && !h->attributes;

	if (!h->sources && (h->progress || attributes)) {
		h->attributes |= attributes;
		h->progress = h->left = false;
		h->sources = afr->members;
		h->cursor = 0;
	}
	if (!h->sources)
		return h->left ? heal_end(f, true) : inherit(f);
	h->source = afr_lowest(h->sources);
	heal_send(f, h->source, REPL_LIST, 16, put_list, listed);
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
	heal_list(f);
}

void afr_heal_wanted(struct afr *afr)
{
	if (!timer_active(&afr->heal_timer) && find_target(afr) >= 0)
		timer_start(&afr->heal_timer, xl_loop(afr->xl), 0, heal_again);
}
