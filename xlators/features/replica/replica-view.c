/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * replica-view.c - which view is installed here: status, install, seal.
 *
 * Installing is for views that the caller knows to be decided.  A member that is full notes, before it serves in the
 * new view, that those which are not full may lack all that is in its journal.  What is in the journal of one that joins is in doubt.
 */
#include "replica.h"

enum { SEAL_MS = 100, LEAVE_MS = 700 };

/* ---- status ---- */

void replica_view_status(struct frame *f)
{
	const struct replica *r = f->xl->priv;
	struct repl_status s = { .sealed = r->header->sealed && r->header->sealed == r->view_name,
				 .nr_doubts = r->nr_doubts, .nr_entries = r->nr_entries };

	register_status(r->reg, &s);
	for (int i = 0; i < VIEW_BRICKS_MAX; i++)
		s.lacked[i] = dirty_count(r->dirty, i);
	replicate_status(f, &s);
}

/* ---- installing ---- */

static void serve(struct replica *r)
{
	char text[256];

	r->installing = false;
	view_print(&r->view, text, sizeof text);
	log_notice(r->xl->name, "in view %s as %d%s", text, r->me, r->me >= 0 && r->me == r->home ? ", home" : "");
	keys_wake(r);
}

static void lacking_noted(void *arg, int ret)
{
	struct replica *r = arg;

	if (ret == -ECANCELED)
		return;			/* we are closed */
	if (ret < 0)
		log_critical(r->xl->name, "it cannot be noted who lacks what: %s", strerror(-ret));
	else if (--r->noting == 0)
		serve(r);
}

static void note_lacking(struct replica *r)
{
	struct entry *e;

	r->noting = 1;
	TAILQ_FOREACH(e, &r->entries, link) {
		if (!e->slot->nr_items || !replica_not_full(r))
			continue;
		int ret = dirty_mark(r->dirty, e->slot->item, e->slot->nr_items, replica_not_full(r), lacking_noted, r);
		if (ret < 0)
			return lacking_noted(r, ret);
		r->noting += ret == 0;
	}
	lacking_noted(r, 0);
}

static void doubt_everything(struct replica *r)
{
	struct entry *e;

	TAILQ_FOREACH(e, &r->entries, link)
		if (e->slot->nr_keys)
			journal_doubt(r, e);
}

static bool is_needed(const struct replica *r);
static void leave_answer(struct replica *r);

void replica_view_adopt(struct replica *r, const struct view *v)
{
	struct entry *e;

	r->view = *v;
	r->view_name = view_name(v);
	r->me = view_find(v, &register_get(r->reg)->brick);
	r->home = view_home(v);
	r->lacking = view_mask(v, VIEW_ABSENT) | view_mask(v, VIEW_JOINING);
	if (r->header->sealed != r->view_name)
		r->header->sealed = 0;
	settle_owners_end(r, 0);
	TAILQ_FOREACH(e, &r->entries, link)
		e->opened_by = e->opened_grant = 0;
	r->installing = true;
	if (r->leaving && !is_needed(r))
		leave_answer(r);
	if (r->me < 0)
		return;
	if (r->view.brick[r->me].role != VIEW_FULL)
		doubt_everything(r);
	note_lacking(r);
}

bool replica_view_names_us(const struct replica *r)
{
	return r->me >= 0 && r->view.brick[r->me].incarnation == register_get(r->reg)->incarnation;
}

static void installed(void *arg, int ret)
{
	struct frame *f = arg;
	struct replica *r = f->xl->priv;

	xl_busy(r->xl, -1);
	if (ret == 0 && view_name(&register_get(r->reg)->installed) != r->view_name)
		replica_view_adopt(r, &register_get(r->reg)->installed);
	if (ret < 0)
		return fail(f, ret);
	replica_answer_empty(f);
}

void replica_view_install(struct frame *f)
{
	struct replica *r = f->xl->priv;
	struct wire w = repl_reader(((const struct replicate_args *)f->args)->request);
	struct view v;

	view_get(&w, &v);
	if (repl_read_end(&w) < 0 || view_find(&v, &register_get(r->reg)->brick) < 0)
		return fail(f, -EINVAL);
	if (view_name(&v) == r->view_name)
		return replica_answer_empty(f);
	int may = register_may_install(r->reg, &v);
	if (may == -EEXIST)
		log_critical(r->xl->name, "split-brain: view %u (%08x) does not come from ours, %u (%08x)", v.number, v.id,
			     r->view.number, r->view.id);
	if (may < 0)
		return fail(f, may);
	xl_busy(r->xl, 1);
	register_install(r->reg, &v, installed, f);
}

/* ---- sealing ---- */

static bool is_drained(const struct replica *r)
{
	for (int i = 0; i < VIEW_BRICKS_MAX; i++)
		if (r->view.brick[r->me].role == VIEW_FULL && (view_mask(&r->view, VIEW_JOINING) & 1u << i) &&
		    dirty_count(r->dirty, i))
			return false;
	return r->nr_entries == r->nr_settled && LIST_EMPTY(&r->owners);
}

static void seal_answer(struct replica *r, int ret)
{
	struct frame *f = r->sealing;

	r->sealing = NULL;
	timer_stop(&r->seal_timer);
	if (ret == 0)
		return replica_answer_empty(f);
	r->header->sealed = 0;
	keys_wake(r);
	fail(f, ret);
}

static void seal_over(struct timer *t)
{
	seal_answer((struct replica *)((char *)t - offsetof(struct replica, seal_timer)), -EBUSY);
}

void replica_view_drained(struct replica *r)
{
	if (r->sealing && is_drained(r))
		seal_answer(r, 0);
}

void replica_view_seal(struct frame *f)
{
	struct replica *r = f->xl->priv;

	struct wire w = repl_reader(((const struct replicate_args *)f->args)->request);
	bool on = wire_get_u8(&w);

	if (repl_read_end(&w) < 0)
		return fail(f, -EINVAL);
	if (r->me < 0 || r->installing || frame_identity(f)->view != r->view_name)
		return fail(f, REPL_OTHER_VIEW);
	if (!on) {			/* who sealed it has not proposed anything */
		r->header->sealed = 0;
		keys_wake(r);
		return replica_answer_empty(f);
	}
	if (r->sealing)
		return fail(f, -EBUSY);
	r->header->sealed = r->view_name;
	if (is_drained(r))
		return replica_answer_empty(f);
	r->sealing = f;
	timer_start(&r->seal_timer, xl_loop(r->xl), SEAL_MS, seal_over);
}

/* ---- leaving ---- */

static bool is_needed(const struct replica *r)
{
	uint32_t in = view_mask(&r->view, VIEW_FULL) | view_mask(&r->view, VIEW_JOINING);

	return r->me >= 0 && (in & 1u << r->me) && (view_mask(&r->view, VIEW_FULL) & ~(1u << r->me));
}

static void leave_answer(struct replica *r)
{
	struct frame *f = r->leaving;

	r->leaving = NULL;
	timer_stop(&r->leave_timer);
	replica_answer_empty(f);
}

static void leave_over(struct timer *t)
{
	leave_answer((struct replica *)((char *)t - offsetof(struct replica, leave_timer)));
}

/* The last full member has nobody to leave to. */
void replica_view_leave(struct frame *f)
{
	struct replica *r = f->xl->priv;

	if (r->leaving || !is_needed(r) || !client_any_connected(r))
		return replica_answer_empty(f);
	r->leaving = f;
	timer_start(&r->leave_timer, xl_loop(r->xl), LEAVE_MS, leave_over);
}

void replica_view_stop(struct replica *r)
{
	if (r->leaving)
		leave_answer(r);
	if (r->sealing)
		seal_answer(r, -EBUSY);
}
