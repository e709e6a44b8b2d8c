/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * afr-settle.c - settling doubts: what a client left that did not finish is made to have happened everywhere or nowhere.
 *
 *	list     what is in doubt on any member, with all that it has changed: one unit
 *	own      the keys at home, so that nothing changes them meanwhile
 *	open     at the others: durably in doubt; what else they know on these keys joins the unit, and it begins again
 *	history  home's, after every open
 *	impose   on full members: home's state, item by item (afr-mend.c), then its history
 *	lack     joining ones are not made to wait for: all of it is noted to be lacking there, and healed later
 *	clear    the doubts, when all members have it; home's last
 *
 * One at a time in a client.  Several clients may settle at once: owning the keys at home puts one behind the other.
 */
#include <stdlib.h>

#include "afr.h"

enum { UNIT_MAX = 256, REST_MS = 20 };

struct settle {
	struct item item[UNIT_MAX];
	uint32_t nr;
	struct repl_key key[UNIT_MAX];
	uint64_t token, grant;
	uint64_t view;
	uint64_t members;		/* children: all */
	uint64_t targets, joining;	/* full ones without home; others */
	int home;
	uint8_t place;			/* of a joining one, whose lack is being noted */
	bool grew, failed;
	const char *step;		/* which failed first, on which child, how; for the log */
	int failed_child, failed_ret;
	int target;			/* being imposed on */
	uint32_t at, left;		/* item; left for another pass */
	uint32_t before, passes;	/* left when this pass began; passes that mended nothing */
	uint64_t todo[UNIT_MAX / 64];	/* items of this target that are not mended */
	struct buf *history;
	struct identity *id;
};

static struct settle *settle_of(struct frame *f)
{
	return *(struct settle **)frame_data(f);
}

static void note(struct frame *f, const char *step, int child, int ret)
{
	struct afr *afr = f->xl->priv;
	struct settle *s = settle_of(f);

	if (ret >= 0)
		return;
	s->failed = true;
	/* One that joins, and cannot even note what it doubts, is not waited for. */
	if (s->joining & afr_bit(child) && ret != -ENOTCONN && afr_is_environment_error(ret) && afr->child[child].place >= 0)
		afr_unwant(afr, afr->child[child].place, "it cannot note what is in doubt there");
	if (s->step)
		return;
	s->step = step;
	s->failed_child = child;
	s->failed_ret = ret;
}

static void rested(struct timer *t)
{
	struct afr *afr = (struct afr *)((char *)t - offsetof(struct afr, settle_timer));

	afr->settling = false;
	afr_wake(afr);
	afr_look(afr);
}

static void end_with(struct frame *f, int ret)
{
	struct afr *afr = f->xl->priv;
	struct settle *s = settle_of(f);

	if (ret < 0)
		log_debug(afr->xl->name, "settling %u items has not succeeded: %s: %s: %s", s->nr,
			  s->step ? afr_name(afr, s->failed_child) : "here", s->step ? s->step : "begin",
			  strerror(s->step ? -s->failed_ret : -ret));
	else if (s->nr)
		afr->nr_settled++;
	buf_unref(s->history);
	free(s);
	call_end(f);
	xl_busy(afr->xl, -1);
	if (ret == 0 || afr->stopping) {
		afr->settling = false;
		return afr_wake(afr);
	}
	/* Somebody else may be at it, or the view has changed: whoever waits tries again, but not at once. */
	timer_start(&afr->settle_timer, xl_loop(afr->xl), REST_MS, rested);
}

void afr_settle_stop(struct afr *afr)
{
	if (timer_active(&afr->settle_timer)) {
		timer_stop(&afr->settle_timer);
		afr->settling = false;
	}
}

/* ---- giving back ---- */

static void put_token(struct wire *w, const void *arg)
{
	wire_put_u64(w, ((const struct settle *)arg)->token);
}

static void disowned(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	end_with(f, settle_of(f)->failed ? -EAGAIN : 0);
}

static void give_back(struct frame *f, bool failed)
{
	struct settle *s = settle_of(f);

	s->failed = failed;
	if (!afr_message(f, s->home, REPL_DISOWN, 8, put_token, s, disowned))
		end_with(f, -ENOMEM);
}

/*
 * Runs a message on all children of a mask; each answer: done.  Its last one finds nothing pending, unless all have answered before
 * we return: who calls then goes on itself.
 */
static void to_all(struct frame *f, uint64_t mask, enum repl_what what, size_t bound,
		   void (*put)(struct wire *w, const void *arg), replicate_done_fn *done)
{
	struct settle *s = settle_of(f);

	f->pending++;
	for (; mask; mask &= mask - 1)
		if (!afr_message(f, afr_lowest(mask), what, bound, put, s, done))
			s->failed = true;
	f->pending--;
}

/* ---- clear ---- */

static void put_keys(struct wire *w, const void *arg)
{
	const struct settle *s = arg;

	wire_put_u64(w, s->grant);
	repl_put_keys(w, s->key, s->nr);
}
static size_t keys_bound(const struct settle *s)
{
	return 16 + (size_t)s->nr * 17;
}

static void home_cleared(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	note(f, "clear", child, ret);
	give_back(f, ret < 0);
}

static void clear_home(struct frame *f)
{
	struct settle *s = settle_of(f);

	if (s->failed)
		return give_back(f, true);
	if (!afr_message(f, s->home, REPL_CLEAR, keys_bound(s), put_keys, s, home_cleared))
		give_back(f, true);
}

static void cleared(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	note(f, "clear", child, ret);
	if (!f->pending)
		clear_home(f);
}

/* ---- adopt ---- */

static void put_adopt(struct wire *w, const void *arg)
{
	const struct settle *s = arg;

	put_keys(w, s);
	wire_put_bytes(w, s->history->data, s->history->len);
}

static void adopted_all(struct frame *f)
{
	struct settle *s = settle_of(f);

	if (s->failed)
		return give_back(f, true);
	to_all(f, s->targets | s->joining, REPL_CLEAR, keys_bound(s), put_keys, cleared);
	if (!f->pending)
		clear_home(f);
}

static void adopted(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	note(f, "adopt", child, ret);
	if (!f->pending)
		adopted_all(f);
}

static void adopt(struct frame *f)
{
	struct settle *s = settle_of(f);

	to_all(f, s->targets | s->joining, REPL_ADOPT, keys_bound(s) + s->history->len, put_adopt, adopted);
	if (!f->pending)
		adopted_all(f);
}

/* ---- lack ---- */

static void put_lacks(struct wire *w, const void *arg)
{
	const struct settle *s = arg;

	wire_put_u8(w, s->place);
	items_put(w, s->item, s->nr);
}

static void lacks_all(struct frame *f)
{
	if (settle_of(f)->failed)
		return give_back(f, true);
	adopt(f);
}

static void lacks_noted(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	note(f, "lack", child, ret);
	if (!f->pending)
		lacks_all(f);
}

static void lack(struct frame *f)
{
	const struct afr *afr = f->xl->priv;
	struct settle *s = settle_of(f);

	f->pending++;
	for (uint64_t left = s->joining; left; left &= left - 1) {
		if (afr->child[afr_lowest(left)].place < 0) {
			s->failed = true;
			break;
		}
		s->place = (uint8_t)afr->child[afr_lowest(left)].place;
		to_all(f, s->targets | afr_bit(s->home), REPL_LACKS, 8 + (size_t)s->nr * ITEM_SIZE_MAX, put_lacks, lacks_noted);
	}
	if (--f->pending == 0)
		lacks_all(f);
}

/* ---- impose ---- */

static void impose_next(struct frame *f);

static void imposed(void *arg, int ret)
{
	struct frame *f = arg;
	struct settle *s = settle_of(f);
	struct afr *afr = f->xl->priv;

	if (ret == 0) {
		s->todo[s->at / 64] &= ~(UINT64_C(1) << s->at % 64);
		s->left--;
	} else if (ret != -EAGAIN) {
		log_warning(afr->xl->name, "%s cannot be made equal to home: %s", afr_name(afr, s->target),
			    strerror(-ret));
		if (!repl_is_refusal(ret) && ret != -ENOTCONN && afr->child[s->target].place >= 0)
			afr_unwant(afr, afr->child[s->target].place, "a change that nobody finished cannot be settled there");
		note(f, "impose", s->target, ret);
		return give_back(f, true);
	}
	if (s->at < s->nr)
		s->at++;
	impose_next(f);
}

/* The passes that are left for this target; each mends something, or it is in vain. */
static bool next_pass(struct settle *s)
{
	bool more = s->left < s->before || s->passes++ < 2;

	s->at = 0;
	s->before = s->left;
	return more;
}

static void target_begin(struct frame *f)
{
	struct settle *s = settle_of(f);

	s->at = 0;
	s->left = s->before = s->nr;
	s->passes = 0;
	memset(s->todo, 0, sizeof s->todo);
	for (uint32_t i = 0; i < s->nr; i++)
		s->todo[i / 64] |= UINT64_C(1) << i % 64;
	impose_next(f);
}

static void impose_next(struct frame *f)
{
	struct settle *s = settle_of(f);
	struct afr *afr = f->xl->priv;

	while (s->left && s->at < s->nr && !(s->todo[s->at / 64] >> s->at % 64 & 1))
		s->at++;
	if (s->left && s->at < s->nr)
		return afr_mend(afr, s->home, s->target, -1, call_identity(f), &s->item[s->at], NULL, imposed, f);
	if (s->left && next_pass(s))
		return impose_next(f);
	if (s->left) {
		note(f, "impose", s->target, -EAGAIN);
		return give_back(f, true);
	}
	uint64_t rest = s->targets & ~(afr_bit(s->target) | (afr_bit(s->target) - 1));
	if (!rest)
		return lack(f);
	s->target = afr_lowest(rest);
	target_begin(f);
}

static void history_done(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	struct settle *s = settle_of(f);

	note(f, "history", child, ret);
	if (ret < 0)
		return give_back(f, true);
	s->history = buf_ref(reply->answer);
	call_identity(f)->impose = true;
	call_identity(f)->grant = s->grant;
	if (!s->targets)
		return s->joining ? lack(f) : clear_home(f);
	s->target = afr_lowest(s->targets);
	target_begin(f);
}

/* ---- open ---- */

static int item_order(const void *a, const void *b)
{
	static const uint8_t order[] = { [ITEM_NAME] = 0, [ITEM_DATA] = 1, [ITEM_META] = 2, [ITEM_ALL] = 3 };
	const struct item *x = a, *y = b;

	return order[x->kind] - order[y->kind];
}

static void add_item(struct settle *s, const struct item *i)
{
	struct gfid hash = item_hash(i);

	for (uint32_t k = 0; k < s->nr; k++) {
		struct gfid other = item_hash(&s->item[k]);

		if (gfid_equal(&hash, &other) && s->item[k].kind == i->kind) {
			item_join(&s->item[k], i);
			return;
		}
	}
	if (s->nr == UNIT_MAX) {
		log_debug("afr", "more than %u items are in doubt at once", UNIT_MAX);
		s->failed = true;
		return;
	}
	s->item[s->nr++] = *i;
	s->grew = true;
}

static void read_items(struct settle *s, struct wire *w, bool generations)
{
	uint32_t nr = wire_get_u32(w);

	for (uint32_t i = 0; i < nr && wire_ok(w); i++) {
		struct item item;

		item_get(w, &item);
		if (generations)
			wire_get_u64(w);
		if (wire_ok(w))
			add_item(s, &item);
	}
	s->failed |= repl_read_end(w) < 0;
}

static void put_open(struct wire *w, const void *arg)
{
	const struct settle *s = arg;

	wire_put_u64(w, s->grant);
	items_put(w, s->item, s->nr);
}

static void own(struct frame *f);

static void own_again(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	own(f);
}

static void opened_all(struct frame *f)
{
	struct settle *s = settle_of(f);

	if (s->failed)
		return give_back(f, true);
	if (s->grew) {
		if (!afr_message(f, s->home, REPL_DISOWN, 8, put_token, s, own_again))
			give_back(f, true);
	} else if (!afr_message(f, s->home, REPL_HISTORY, keys_bound(s), put_keys, s, history_done)) {
		give_back(f, true);
	}
}

static void opened(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	note(f, "open", child, ret);
	if (ret >= 0) {
		struct wire w = repl_reader(reply->answer);

		read_items(settle_of(f), &w, false);
	}
	if (!f->pending)
		opened_all(f);
}

/* ---- own ---- */

static void put_own(struct wire *w, const void *arg)
{
	const struct settle *s = arg;

	wire_put_u64(w, s->token);
	repl_put_keys(w, s->key, s->nr);
}

static void owned(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	struct settle *s = settle_of(f);

	note(f, "own", child, ret);
	if (ret < 0)
		return end_with(f, ret);
	struct wire w = repl_reader(reply->answer);
	s->grant = wire_get_u64(&w);
	s->grew = false;
	read_items(s, &w, false);
	if (s->grew || s->failed)
		return opened_all(f);
	to_all(f, s->targets | s->joining, REPL_OPEN, 16 + (size_t)s->nr * ITEM_SIZE_MAX, put_open, opened);
	if (!f->pending)
		opened_all(f);
}

static void own(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	struct settle *s = settle_of(f);

	if (s->view != afr->view_name || !s->nr)
		return end_with(f, s->nr ? -EAGAIN : 0);
	qsort(s->item, s->nr, sizeof s->item[0], item_order);
	for (uint32_t i = 0; i < s->nr; i++)
		s->key[i] = item_key(&s->item[i]);
	s->token = loop_random(xl_loop(afr->xl));
	if (!afr_message(f, s->home, REPL_OWN, keys_bound(s), put_own, s, owned))
		end_with(f, -ENOMEM);
}

/* ---- list ---- */

static void put_list(struct wire *w, const void *arg)
{
	wire_put_u8(w, REPL_LIST_DOUBTS);
	wire_put_u8(w, 0);
	wire_put_u64(w, 0);
	wire_put_u32(w, UNIT_MAX / 2);
}

static void listed_all(struct frame *f)
{
	const struct settle *s = settle_of(f);

	if (s->failed || !s->members)
		return end_with(f, -EAGAIN);
	own(f);
}

static void listed(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	struct settle *s = settle_of(f);

	if (ret >= 0) {
		struct wire w = repl_reader(reply->answer);

		wire_get_u64(&w);
		wire_get_u64(&w);
		read_items(s, &w, true);
	}
	note(f, "list", child, ret);
	if (!f->pending)
		listed_all(f);
}

void afr_settle(struct afr *afr)
{
	struct identity id = { .client = afr->xl->graph->client_id, .view = afr->view_name };

	if (afr->settling || afr->stopping || afr->home < 0)
		return;
	/* A doubt ends when all full members have it (R_SPREAD), not only those that are here. */
	if (!afr_members_are_here(afr)) {
		if (!timer_active(&afr->retry_timer))
			timer_start(&afr->retry_timer, xl_loop(afr->xl), 0, afr_retry);
		return;
	}
	struct frame *f = call_new(afr->xl, &id, sizeof(struct settle *));
	struct settle *s = f ? calloc(1, sizeof *s) : NULL;
	if (!s) {
		if (f)
			call_end(f);
		return;
	}
	*(struct settle **)frame_data(f) = s;
	afr->settling = true;
	xl_busy(afr->xl, 1);
	s->view = afr->view_name;
	s->home = afr->home;
	for (int i = 0; i < afr->xl->nr_children; i++)
		if (afr->child[i].up && ((afr->full | afr->joining) & afr_bit(i)))
			s->members |= afr_bit(i);
	s->targets = s->members & afr->full & ~afr_bit(s->home);
	s->joining = s->members & afr->joining;
	to_all(f, s->members, REPL_LIST, 16, put_list, listed);
	if (!f->pending)
		listed_all(f);
}
