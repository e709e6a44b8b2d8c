/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * afr-lock.c - locks: on every member, one after another in the order of the children.
 *
 * Who has a lock on the first member has won; a conflict on a later one is another client's unlock that is
 * still on its way, so there the lock is waited for, also when the caller would not wait.  The
 * order is the same for all clients: no deadlock between them.  An unlock goes to all in parallel.
 *
 * Limitation of this first form: a brick that was away for a moment has lost the locks of this client; they stand on
 * the other members only.
 */
#include <fcntl.h>

#include "afr.h"

static void lk_next(struct frame *f, int from);

static void undo_done(struct frame *root, int child, int ret, const struct lk_reply *reply)
{
	if (!root->pending)
		call_end(root);
}

/* Gives back what was taken on the children in mask. */
static void lk_undo(struct frame *f, uint64_t mask)
{
	const struct lk_args *a = f->args;
	struct lk_args unlock = { .fd = a->fd, .cmd = LK_SET, .lock = a->lock };
	struct frame *root = mask ? call_new(f->xl, frame_identity(f), 0) : NULL;

	if (!root)
		return;
	unlock.lock.type = F_UNLCK;
	root->pending++;
	for (; mask; mask &= mask - 1)
		wind_lk(root, afr_lowest(mask), &unlock, undo_done);
	if (--root->pending == 0)
		call_end(root);
}

static void lk_done(struct frame *f, int child, int ret, const struct lk_reply *reply)
{
	struct afr_local *local = frame_data(f);

	if (ret >= 0) {
		local->tried |= afr_bit(child);		/* has it */
		return lk_next(f, child + 1);
	}
	if (ret == -ENOTCONN)
		return lk_next(f, child + 1);
	lk_undo(f, local->tried);
	fail(f, ret);
}

static void lk_next(struct frame *f, int from)
{
	struct afr *afr = f->xl->priv;
	struct afr_local *local = frame_data(f);
	const struct lk_args *a = f->args;
	uint64_t open = afr->members & afr_fd_opened(f->xl, a->fd);
	uint64_t left = from < AFR_MAX ? open & ~(afr_bit(from) - 1) : 0;

	if (left) {
		struct lk_args args = *a;

		if (local->tried)
			args.cmd = LK_SETW;
		return wind_lk(f, afr_lowest(left), &args, lk_done);
	}
	if (!local->tried)
		return fail(f, -ENOTCONN);
	unwind_lk(f, 0, &(struct lk_reply){ .lock = a->lock });
}

static void unlock_answer(struct frame *f)
{
	struct afr_local *local = frame_data(f);
	int law = -1;

	if (!local->answers)
		return fail(f, -ENOMEM);
	for (uint64_t left = local->sent; left; left &= left - 1)
		if (law < 0 || local->answers[law].ret == -ENOTCONN)
			law = afr_lowest(left);
	afr_unwind(f, law);
}

void afr_lk(struct frame *f, const struct lk_args *a)
{
	struct afr *afr = f->xl->priv;
	uint64_t open = afr->members & afr_fd_opened(f->xl, a->fd);

	if (a->cmd == LK_GET)
		return afr_read(f);
	if (!open)
		return fail(f, -ENOTCONN);
	if (a->lock.type == F_UNLCK)
		return afr_gather(f, open, unlock_answer);
	lk_next(f, 0);
}
