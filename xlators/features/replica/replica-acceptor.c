/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * replica-acceptor.c - one acceptor of the view register.  tests/model/register.pml has the rules, [R_X].
 *
 *	PREPARE b	promised = b, if b is not below `promised`		[R_PROMISE]
 *	ACCEPT b, v	promised = accepted = b, view = v, likewise
 *	INSTALL v	installed = v, if v descends from `installed`		[R_ANCESTRY, R_INSTALL]
 *
 * Decisions are made on the newest state, also when it is not written yet: requests take effect in the order in which
 * they came.  Each answer waits until the state that it was made from is on stable storage [R_STORE], refusals too.
 * A brick that knows of a newer decided view than it accepted answers with that one [R_KNOWS].
 */
#include "config.h"

#include <stdlib.h>

#include "replica-acceptor.h"

struct request {
	register_answer_fn *done;
	void *arg;
	struct repl_promise promise;
};

static void request_done(void *arg, int ret)
{
	struct request *q = arg;

	q->done(q->arg, ret, ret < 0 ? NULL : &q->promise);
	free(q);
}

static struct request *request_new(register_answer_fn *done, void *arg)
{
	struct request *q = malloc(sizeof *q);

	if (!q) {
		done(arg, -ENOMEM, NULL);
		return NULL;
	}
	*q = (struct request){ .done = done, .arg = arg };
	return q;
}

/* What is told of a state. */
static struct repl_promise promise_of(const struct register_state *s, bool ok)
{
	bool knows_newer = s->installed.number &&
			   (!s->view.number || !view_descends(&s->view, view_name(&s->installed)));

	return (struct repl_promise){
		.ok = ok, .promised = s->promised, .accepted = s->accepted,
		.view = knows_newer ? s->installed : s->view,
	};
}

void register_prepare(struct register_file *r, struct repl_ballot ballot, register_answer_fn *done,
		      void *arg)
{
	struct register_state s = *register_newest(r);
	int cmp = repl_ballot_cmp(&ballot, &s.promised);
	struct request *q;

	if (!ballot.round)
		return done(arg, -EINVAL, NULL);
	q = request_new(done, arg);
	if (!q)
		return;
	s.promised = cmp > 0 ? ballot : s.promised;
	q->promise = promise_of(&s, cmp >= 0);
	if (cmp > 0)
		register_put(r, &s, request_done, q);
	else
		register_wait(r, request_done, q);
}

/* Of the replica set that we are of, if that was decided. */
static bool is_ours(const struct register_state *s, const struct view *v)
{
	return v->number && (!s->installed.number || gfid_equal(&s->installed.set, &v->set));
}

void register_accept(struct register_file *r, struct repl_ballot ballot, const struct view *view,
		     register_answer_fn *done, void *arg)
{
	struct register_state s = *register_newest(r);
	bool repeated = repl_ballot_cmp(&ballot, &s.accepted) == 0;
	bool ok = repl_ballot_cmp(&ballot, &s.promised) >= 0;
	struct request *q;

	if (!ballot.round || !is_ours(&s, view) || (repeated && view_name(&s.view) != view_name(view)))
		return done(arg, -EINVAL, NULL);
	q = request_new(done, arg);
	if (!q)
		return;
	if (ok && !repeated) {
		s.promised = s.accepted = ballot;
		s.view = *view;
	}
	q->promise = promise_of(&s, ok);
	if (ok && !repeated)
		register_put(r, &s, request_done, q);
	else
		register_wait(r, request_done, q);
}

/* Does v follow `before`?  As far as it remembers its ancestors; a line has one view of each number. */
static bool follows(const struct view *v, const struct view *before)
{
	if (v->number <= before->number)
		return false;
	return view_descends(v, view_name(before)) ||
	       (v->nr_ancestors == VIEW_ANCESTORS_MAX && v->number - before->number > VIEW_ANCESTORS_MAX);
}

int register_may_install(const struct register_file *r, const struct view *view)
{
	const struct register_state *s = register_newest(r);
	const struct view *old = &s->installed;

	if (!is_ours(s, view))
		return -EINVAL;
	if (!old->number || follows(view, old))
		return 0;
	if (view_name(view) == view_name(old))
		return 1;
	return follows(old, view) ? -ESTALE : -EEXIST;
}

void register_install(struct register_file *r, const struct view *view,
		      void (*done)(void *arg, int ret), void *arg)
{
	struct register_state s = *register_newest(r);
	int ret = register_may_install(r, view);

	if (ret < 0)
		return done(arg, ret);
	if (ret == 1)
		return register_wait(r, done, arg);
	s.installed = *view;
	register_put(r, &s, done, arg);
}

/* ---- messages ------------------------------------------------------------------------------- */

enum { PROMISE_BOUND = 64 + VIEW_SIZE_MAX, STATUS_BOUND = 64 + VIEW_SIZE_MAX + VIEW_BRICKS_MAX * 8 };

static void put_promise(struct wire *w, const void *arg)
{
	repl_put_promise(w, arg);
}

static void put_status(struct wire *w, const void *arg)
{
	repl_put_status(w, arg);
}

static void answer(struct frame *f, size_t bound, void (*put)(struct wire *w, const void *arg), const void *arg)
{
	struct buf *b = repl_message(bound, put, arg);

	if (!b)
		return fail(f, -ENOMEM);
	unwind_replicate(f, 0, &(struct replicate_reply){ .answer = b });
	buf_unref(b);
}

static void promised(void *arg, int ret, const struct repl_promise *p)
{
	struct frame *f = arg;
	struct xlator *xl = f->xl;

	if (ret == -ECANCELED)
		return;			/* the graph is being freed, with all that is under way */
	if (ret < 0)
		fail(f, ret);
	else
		answer(f, PROMISE_BOUND, put_promise, p);
	xl_busy(xl, -1);
}

static void installed(void *arg, int ret)
{
	struct frame *f = arg;
	struct xlator *xl = f->xl;

	if (ret == -ECANCELED)
		return;
	if (ret < 0)
		fail(f, ret);
	else
		unwind_replicate(f, 0, &(struct replicate_reply){});
	xl_busy(xl, -1);
}

bool replicate_register(struct frame *f, const struct replicate_args *a, struct register_file *r)
{
	struct wire w = repl_reader(a->request);
	struct repl_ballot ballot = { 0 };
	struct view view = { 0 };

	if (a->what != REPL_PREPARE && a->what != REPL_ACCEPT && a->what != REPL_INSTALL)
		return false;
	if (a->what != REPL_INSTALL)
		repl_get_ballot(&w, &ballot);
	if (a->what != REPL_PREPARE)
		view_get(&w, &view);
	if (repl_read_end(&w)) {
		fail(f, -EPROTO);
		return true;
	}
	xl_busy(f->xl, 1);
	if (a->what == REPL_PREPARE)
		register_prepare(r, ballot, promised, f);
	else if (a->what == REPL_ACCEPT)
		register_accept(r, ballot, &view, promised, f);
	else
		register_install(r, &view, installed, f);
	return true;
}

void register_status(const struct register_file *r, struct repl_status *s)
{
	const struct register_state *state = register_get(r);

	s->brick = state->brick;
	s->incarnation = state->incarnation;
	s->installed = state->installed;
}

void replicate_status(struct frame *f, const struct repl_status *s)
{
	answer(f, STATUS_BOUND, put_status, s);
}
