/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * afr-register.c - the register of views: a proposer of CASPaxos (Rystsov, 2018); acceptors are the bricks and the
 * witnesses.
 *
 *	PREPARE  to all that are up: nobody with a lower ballot may change it any more; what was accepted?
 *	ACCEPT   the next view, if what was accepted last is the one that we come from; otherwise that one, again, so that
 *	         it is decided before anything else is proposed
 *	INSTALL  it is decided: by as many as the set has for its quorum, or (none: two bricks) by all full members of the new view
 *
 * One proposal at a time; who loses tries again after a random time (afr-view.c).
 */
#include "afr.h"

struct proposal {
	struct view from, next;
	struct repl_ballot ballot;
	uint64_t promised, accepted;	/* children */
	uint64_t outbid;		/* highest round of somebody else that we met */
	struct repl_ballot best;	/* of what was accepted ... */
	struct view best_view;		/* ... this; number 0: nothing was */
	struct view newest;		/* that a brick knows of, by its number */
	bool refused;			/* somebody has promised a higher ballot */
	bool other;			/* it is somebody else's that we finish */
	void (*done)(struct afr *afr, int ret);
};

static void end(struct frame *f, int ret)
{
	struct afr *afr = f->xl->priv;
	struct proposal *p = frame_data(f);
	void (*done)(struct afr *afr, int ret) = p->done;
	struct view next = p->next;
	bool other = p->other;

	if (p->outbid > afr->round)
		afr->round = p->outbid;
	call_end(f);
	xl_busy(afr->xl, -1);
	if (ret == 0)
		afr_adopt(afr, &next);
	done(afr, ret == 0 && other ? -EAGAIN : ret);
}

/* ---- it is decided ---- */

static void put_view(struct wire *w, const void *arg)
{
	view_put(w, arg);
}

static void installed(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	struct afr *afr = f->xl->priv;

	if (ret >= 0)
		afr->child[child].status.installed = ((struct proposal *)frame_data(f))->next;
	if (!f->pending)
		end(f, 0);
}

static void install(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	struct proposal *p = frame_data(f);

	f->pending++;
	for (int i = 0; i < f->xl->nr_children; i++)
		if (afr->child[i].up && afr->child[i].known && view_find(&p->next, &afr->child[i].status.brick) >= 0)
			afr_message(f, i, REPL_INSTALL, VIEW_SIZE_MAX, put_view, &p->next, installed);
	if (--f->pending == 0)
		end(f, 0);
}

/* Has a quorum of the acceptors of v done it?  One that is new in v may have the place of somebody who had promised something. */
static bool is_quorum(const struct afr *afr, const struct view *from, const struct view *v, uint64_t children)
{
	uint32_t nr = 0, full = view_mask(v, VIEW_FULL);

	for (int i = 0; i < afr->xl->nr_children; i++) {
		int place = children & afr_bit(i) ? view_find(v, &afr->child[i].status.brick) : -1;

		if (place < 0 || (from->number && view_find(from, &v->brick[place].id) < 0))
			continue;
		nr++;
		full &= ~(1u << place);
	}
	return v->quorum ? nr >= v->quorum : full == 0;
}

/* ---- accept ---- */

static void put_accept(struct wire *w, const void *arg)
{
	const struct proposal *p = arg;

	repl_put_ballot(w, &p->ballot);
	view_put(w, &p->next);
}

static bool read_promise(const struct replicate_reply *reply, int ret, struct repl_promise *promise)
{
	if (ret < 0)
		return false;
	struct wire w = repl_reader(reply->answer);
	repl_get_promise(&w, promise);
	return repl_read_end(&w) == 0;
}

static void note_outbid(struct proposal *p, const struct repl_promise *promise)
{
	if (promise->promised.round > p->outbid)
		p->outbid = promise->promised.round;
	p->refused |= !promise->ok;
}

static void accepted(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	struct afr *afr = f->xl->priv;
	struct proposal *p = frame_data(f);
	struct repl_promise promise;

	if (read_promise(reply, ret, &promise)) {
		note_outbid(p, &promise);
		if (promise.ok)
			p->accepted |= afr_bit(child);
	}
	if (f->pending)
		return;
	if (is_quorum(afr, &p->from, &p->next, p->accepted))
		return install(f);
	end(f, p->refused ? -EAGAIN : -ENOTCONN);
}

static void accept(struct frame *f)
{
	struct proposal *p = frame_data(f);
	uint64_t to = p->promised;

	f->pending++;
	for (; to; to &= to - 1)
		if (!afr_message(f, afr_lowest(to), REPL_ACCEPT, 16 + VIEW_SIZE_MAX, put_accept, p, accepted))
			break;
	if (--f->pending == 0)
		accepted(f, 0, -ENOMEM, NULL);
}

/* ---- prepare ---- */

static void put_ballot(struct wire *w, const void *arg)
{
	repl_put_ballot(w, arg);
}

/*
 * Two bricks: what somebody else began cannot be finished because one of its members is away.  It is followed by a view
 * without that one (R_CANCEL), if all that remain were full before it (R_KEEP).
 */
static void follow_without(struct afr *afr, struct proposal *p)
{
	uint32_t random = (uint32_t)loop_random(xl_loop(afr->xl));
	struct view v = view_after(&p->best_view, random ? random : 1);
	uint32_t there = 0, was_full = view_mask(&p->from, VIEW_FULL);

	for (uint64_t left = p->promised; left; left &= left - 1) {
		int place = view_find(&v, &afr->child[afr_lowest(left)].status.brick);

		there |= place >= 0 ? 1u << place : 0;
	}
	for (uint32_t i = 0; i < v.nr_bricks; i++)
		if (!(there & 1u << i) && v.brick[i].role != VIEW_WITNESS)
			v.brick[i].role = VIEW_ABSENT;
	uint32_t full = view_mask(&v, VIEW_FULL);
	if (full && !(full & ~was_full))
		p->next = v;
}

static void all_prepared(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	struct proposal *p = frame_data(f);

	if (p->refused)
		return end(f, -EAGAIN);
	/* A brick has installed a later one: it is decided (R_KNOWS). */
	if (p->newest.number > p->from.number && view_name(&p->newest) != view_name(&p->best_view))
		return end(f, -EAGAIN);
	/* What we come from is decided, and newer than an ancestor of it that is left on a brick that was away. */
	if (p->best_view.number && !view_descends(&p->from, view_name(&p->best_view))) {
		p->next = p->best_view;
		p->other = true;
		if (!is_quorum(afr, &p->from, &p->next, p->promised) && !p->next.quorum)
			follow_without(afr, p);
	}
	if (!is_quorum(afr, &p->from, &p->next, p->promised))
		return end(f, -ENOTCONN);
	accept(f);
}

static void prepared(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	struct proposal *p = frame_data(f);
	struct repl_promise promise;

	if (read_promise(reply, ret, &promise)) {
		note_outbid(p, &promise);
		if (promise.ok)
			p->promised |= afr_bit(child);
		if (promise.view.number > p->newest.number)
			p->newest = promise.view;
		if (promise.ok && promise.accepted.round && repl_ballot_cmp(&promise.accepted, &p->best) > 0) {
			p->best = promise.accepted;
			p->best_view = promise.view;
		}
	}
	if (!f->pending)
		all_prepared(f);
}

void afr_propose(struct afr *afr, const struct view *from, const struct view *next,
		 void (*done)(struct afr *afr, int ret))
{
	struct identity id = { .client = afr->xl->graph->client_id };
	struct frame *f = call_new(afr->xl, &id, sizeof(struct proposal));

	if (!f)
		return done(afr, -ENOMEM);
	struct proposal *p = frame_data(f);
	p->from = *from;
	p->next = *next;
	p->done = done;
	p->ballot = (struct repl_ballot){ .round = ++afr->round, .client = id.client };
	xl_busy(afr->xl, 1);
	f->pending++;
	for (int i = 0; i < afr->xl->nr_children; i++)
		if (afr->child[i].up && afr->child[i].known &&
		    view_find(next, &afr->child[i].status.brick) >= 0)
			afr_message(f, i, REPL_PREPARE, 16, put_ballot, &p->ballot, prepared);
	if (--f->pending == 0)
		all_prepared(f);
}
