/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rep-commit.c - telling the bricks which changes all members have executed, so that they can forget them: many at once, after some
 * milliseconds, or at once when somebody waits.
 *
 * A commit is told until the brick has answered, or has another connection: a brick that was away asks for nothing, and what is
 * left there goes by the rules of a change that nobody finished.
 */
#include "rep.h"

enum { COMMIT_MS = 5 };

struct told {
	int child;
	uint32_t epoch, nr;
	struct rep_commit commit[REP_COMMITS];
};

static void put_commits(struct wire *w, const void *arg)
{
	const struct told *t = arg;

	wire_put_u32(w, t->nr);
	for (uint32_t i = 0; i < t->nr; i++) {
		wire_put_u64(w, t->commit[i].txn);
		wire_put_u32(w, t->commit[i].missing);
	}
}

static void arm(struct rep *rep)
{
	if (!rep->stopping && !timer_active(&rep->commit_timer))
		timer_start(&rep->commit_timer, xl_loop(rep->xl), COMMIT_MS, rep_commit_timer);
}

static void told(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	struct rep *rep = f->xl->priv;

	rep->child[child].committing = NULL;
	call_end(f);
	xl_busy(rep->xl, -1);
	if (rep->child[child].nr_commits)
		arm(rep);
}

static void tell(struct rep *rep, int child)
{
	struct rep_child *c = &rep->child[child];
	struct identity id = { .client = rep->xl->graph->client_id, .view = rep->view_name };

	if (!c->nr_commits || c->committing)
		return;
	struct frame *f = call_new(rep->xl, &id, sizeof(struct told));
	if (!f)
		return arm(rep);
	struct told *t = frame_data(f);
	t->child = child;
	t->nr = c->nr_commits;
	memcpy(t->commit, c->commit, t->nr * sizeof t->commit[0]);
	c->nr_commits = 0;
	c->committing = f;
	xl_busy(rep->xl, 1);
	if (!rep_message(f, child, REPL_COMMIT, 4 + t->nr * 12, put_commits, t, told))
		told(f, child, -ENOMEM, NULL);
}

void rep_commit_all(struct rep *rep)
{
	timer_stop(&rep->commit_timer);
	for (int i = 0; i < rep->xl->nr_children; i++)
		tell(rep, i);
}

void rep_commit_timer(struct timer *t)
{
	rep_commit_all((struct rep *)((char *)t - offsetof(struct rep, commit_timer)));
}

void rep_commit_forget(struct rep *rep, int child)
{
	rep->child[child].nr_commits = 0;
}

void rep_commit_add(struct rep *rep, uint64_t children, uint64_t txn, uint32_t missing, bool now)
{
	for (; children; children &= children - 1) {
		struct rep_child *c = &rep->child[rep_lowest(children)];

		/* Full, and a message under way: what does not fit is settled by whoever meets it. */
		if (c->nr_commits == REP_COMMITS)
			tell(rep, rep_lowest(children));
		if (c->nr_commits == REP_COMMITS)
			continue;
		c->commit[c->nr_commits++] = (struct rep_commit){ .txn = txn, .missing = missing };
		now |= c->nr_commits == REP_COMMITS / 2;
	}
	if (now)
		rep_commit_all(rep);
	else
		arm(rep);
}
