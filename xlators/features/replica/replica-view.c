/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * replica-view.c - which view is installed here: status, install, seal.
 *
 * Installing is for views that the caller knows to be decided.  A member that is full notes, before it serves in the
 * new view, that those which are not full may lack all that is in its journal - and anything, if their host went down since the view
 * that was installed before, or if they are other bricks.  What is in the journal of one that joins is in doubt.
 */
#include <fcntl.h>

#include "replica.h"

enum { SEAL_MS = 100, STALE_MS = 1000, LEAVE_MS = 700 };

/* ---- status ---- */

bool replica_view_seal_is_stale(const struct replica *r)
{
	return r->header->sealed && r->header->sealed == r->view_name && !r->sealing &&
	       loop_now_ns(xl_loop(r->xl)) - r->sealed_ns >= STALE_MS * UINT64_C(1000000);
}

void replica_view_status(struct frame *f)
{
	const struct replica *r = f->xl->priv;
	struct repl_status s = { .sealed = replica_view_seal_is_stale(r),
				 .nr_doubts = r->nr_doubts, .nr_entries = r->nr_entries };

	register_status(r->reg, &s);
	s.everything = dirty_lacking(r->dirty, &gfid_none);
	for (int i = 0; i < VIEW_BRICKS_MAX; i++)
		s.lacked[i] = dirty_count(r->dirty, i);
	replicate_status(f, &s);
}

/* ---- is there anything in it? ---- */

static void put_empty(struct wire *w, const void *arg)
{
	wire_put_u8(w, *(const bool *)arg);
}

static void tell_empty(struct frame *f, bool empty)
{
	const struct replica *r = f->xl->priv;

	empty &= !r->view_name;
	fd_unref(((struct replica_call *)frame_data(f))->fd);
	replica_answer(f, repl_message(1, put_empty, &empty));
}

static void root_listed(struct frame *f, int child, int ret, const struct readdir_reply *reply)
{
	const struct dirent_entry *e = NULL;
	bool empty = ret >= 0;

	while (empty && (e = dirents_next(reply->entries, e)))
		empty = strcmp(e->name, ".") == 0 || strcmp(e->name, "..") == 0;
	tell_empty(f, empty);
}

static void root_opened(struct frame *f, int child, int ret, const struct opendir_reply *reply)
{
	struct replica_call *call = frame_data(f);

	if (ret < 0)
		return tell_empty(f, false);
	wind_readdir(f, 0, &(struct readdir_args){ .fd = call->fd, .size = 4096 }, root_listed);
}

/* Only one that is may take the place of another. */
void replica_view_empty(struct frame *f)
{
	struct replica_call *call = frame_data(f);
	struct inode *root = inode_root(xl_inodes(f->xl));

	call->fd = fd_new(root, O_RDONLY | O_DIRECTORY, true);
	if (!call->fd)
		return fail(f, -ENOMEM);
	wind_opendir(f, 0, &(struct opendir_args){ .inode = root, .fd = call->fd }, root_opened);
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
	/* All that a member lacked when it became full has been mended; what else is noted is a log that was damaged. */
	for (uint32_t i = 0; i < v->nr_bricks; i++)
		if (v->brick[i].role == VIEW_FULL && dirty_count(r->dirty, (int)i))
			dirty_forget(r->dirty, (int)i);
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

/*
 * Places of others that are not full in v, and are not what they were in the view that is installed here, of which this brick may
 * have missed any number: their host went down, or it is another brick.  What was not synced there is not in our set.
 */
static uint32_t unknown(const struct replica *r, const struct view *v)
{
	uint32_t left = view_mask(v, VIEW_ABSENT) | view_mask(v, VIEW_JOINING), mask = 0;

	for (; left; left &= left - 1) {
		uint32_t i = (uint32_t)__builtin_ctz(left);
		const struct view_brick *now = &v->brick[i], *before = &r->view.brick[i];

		if (gfid_equal(&now->id, &register_get(r->reg)->brick))
			continue;
		if (!r->view_name || i >= r->view.nr_bricks || !gfid_equal(&now->id, &before->id) ||
		    now->incarnation != before->incarnation)
			mask |= 1u << i;
	}
	return mask;
}

static void unknown_noted(void *arg, int ret)
{
	struct frame *f = arg;

	xl_busy(f->xl, -1);
	if (ret < 0)
		return fail(f, ret);
	((struct replica_call *)frame_data(f))->marked = true;
	replica_view_install(f);
}

/* Before the view is stored: afterwards nobody could tell any more what has changed. */
static bool must_mark_unknown(struct frame *f, const struct view *v)
{
	struct replica *r = f->xl->priv;
	uint32_t mask = unknown(r, v);

	if (!mask || ((struct replica_call *)frame_data(f))->marked)
		return false;
	log_notice(r->xl->name, "not known what these bricks lack, they are compared as a whole: places %#x", mask);
	xl_busy(r->xl, 1);
	int ret = dirty_everything(r->dirty, mask, unknown_noted, f);
	if (ret)
		xl_busy(r->xl, -1);
	if (ret < 0)
		fail(f, ret);
	return ret <= 0;
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
	if (must_mark_unknown(f, &v))
		return;
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

/* Who has waited long enough: his client is to look whether anybody still cares for this seal. */
static void seal_stale(struct timer *t)
{
	keys_wake((struct replica *)((char *)t - offsetof(struct replica, seal_timer)));
}

static void seal_given(struct replica *r, struct frame *f)
{
	r->sealed_ns = loop_now_ns(xl_loop(r->xl));
	timer_stop(&r->seal_timer);
	timer_start(&r->seal_timer, xl_loop(r->xl), STALE_MS + 1, seal_stale);
	replica_answer_empty(f);
}

static void seal_answer(struct replica *r, int ret)
{
	struct frame *f = r->sealing;

	r->sealing = NULL;
	timer_stop(&r->seal_timer);
	if (ret == 0)
		return seal_given(r, f);
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
		return seal_given(r, f);
	r->sealing = f;
	timer_stop(&r->seal_timer);
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
	timer_stop(&r->seal_timer);
}
