/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * afr-commit.c - telling the bricks which changes all members have executed, so that they can forget them: many at once, after some
 * milliseconds, or at once when somebody waits.
 *
 * A commit is told until the brick has answered, over however many connections: what it has executed, and is not told about, is
 * in the way of others, and of its promotion.
 */
#include "afr.h"

enum { COMMIT_MS = 5 };

struct told {
	int child;
	uint32_t epoch, nr;
	struct afr_commit commit[AFR_COMMITS];
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

static void arm(struct afr *afr)
{
	if (!afr->stopping && !timer_active(&afr->commit_timer))
		timer_start(&afr->commit_timer, xl_loop(afr->xl), COMMIT_MS, afr_commit_timer);
}

static void told(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	struct afr *afr = f->xl->priv;
	struct afr_child *c = &afr->child[child];
	const struct told *t = frame_data(f);

	c->committing = NULL;
	for (uint32_t i = 0; (ret == -ENOTCONN || ret == -ENOMEM) && i < t->nr && c->nr_commits < AFR_COMMITS; i++)
		c->commit[c->nr_commits++] = t->commit[i];
	call_end(f);
	xl_busy(afr->xl, -1);
	if (c->nr_commits && c->up)
		arm(afr);
}

static void tell(struct afr *afr, int child)
{
	struct afr_child *c = &afr->child[child];
	struct identity id = { .client = afr->xl->graph->client_id, .view = afr->view_name };

	if (!c->nr_commits || c->committing || !c->up)
		return;
	struct frame *f = call_new(afr->xl, &id, sizeof(struct told));
	if (!f)
		return arm(afr);
	struct told *t = frame_data(f);
	t->child = child;
	t->nr = c->nr_commits;
	memcpy(t->commit, c->commit, t->nr * sizeof t->commit[0]);
	c->nr_commits = 0;
	c->committing = f;
	xl_busy(afr->xl, 1);
	if (!afr_message(f, child, REPL_COMMIT, 4 + t->nr * 12, put_commits, t, told))
		told(f, child, -ENOMEM, NULL);
}

void afr_commit_all(struct afr *afr)
{
	timer_stop(&afr->commit_timer);
	for (int i = 0; i < afr->xl->nr_children; i++)
		tell(afr, i);
}

void afr_commit_timer(struct timer *t)
{
	afr_commit_all((struct afr *)((char *)t - offsetof(struct afr, commit_timer)));
}

void afr_commit_again(struct afr *afr)
{
	arm(afr);
}

void afr_commit_add(struct afr *afr, uint64_t children, uint64_t txn, uint32_t missing, bool now)
{
	for (; children; children &= children - 1) {
		struct afr_child *c = &afr->child[afr_lowest(children)];

		/* Full, and a message under way: what does not fit is settled by whoever meets it. */
		if (c->nr_commits == AFR_COMMITS)
			tell(afr, afr_lowest(children));
		if (c->nr_commits == AFR_COMMITS)
			continue;
		c->commit[c->nr_commits++] = (struct afr_commit){ .txn = txn, .missing = missing };
		now |= c->nr_commits == AFR_COMMITS / 2;
	}
	if (now)
		afr_commit_all(afr);
	else
		arm(afr);
}
