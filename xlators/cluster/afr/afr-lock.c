/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * afr-lock.c - locks: on every full member, one after another in the order of their places, so home is the first.
 *
 * Who has a lock at home has won; a conflict on a later one is another client's unlock that is still on its way, so there the lock
 * is waited for, also when the caller would not wait.  The order is the same for all clients: no deadlock between them.  An
 * unlock goes to all in parallel; without waiting also to those that are no members: a client that still uses one would wait there
 * for ever.
 *
 * What was granted is remembered (afr-held.c) and brought to a brick that comes back.
 */
#include <fcntl.h>

#include "afr.h"

enum { LOCK_LOOK_MS = 1000 };

static void lk_next(struct frame *f, int from);
static void give_back(struct frame *f);

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
	call_identity(root)->view = 0;		/* one that is out lets it through, too */
	root->pending++;
	for (; mask; mask &= mask - 1)
		wind_lk(root, afr_lowest(mask), &unlock, undo_done);
	if (--root->pending == 0)
		call_end(root);
}

/*
 * Children that are out, where the file is open: other clients may still use them.  Also those that are
 * not there: protocol/client then knows that a lock was given up in vain, and closes the file when its
 * session goes on, or the lock would stay.
 */
static uint64_t left_behind(const struct afr *afr, struct fd *fd)
{
	return afr_fd_opened(afr->xl, fd) & ~afr->members;
}

static void late_flush_done(struct frame *root, int child, int ret, const struct flush_reply *reply)
{
	if (!root->pending)
		call_end(root);
}

void afr_flush_left_behind(struct frame *f, const struct flush_args *a)
{
	uint64_t mask = left_behind(f->xl->priv, a->fd);
	struct frame *root = mask ? call_new(f->xl, frame_identity(f), 0) : NULL;

	if (!root)
		return;
	root->pending++;
	for (; mask; mask &= mask - 1)
		wind_flush(root, afr_lowest(mask), a, late_flush_done);
	if (--root->pending == 0)
		call_end(root);
}

static void lk_begin(struct frame *f);

/*
 * What others have at a brick that is out may stay there for as long as it keeps their sessions, and need not be waited for.
 */
void afr_locks_move(struct afr *afr)
{
	struct afr_local *local = LIST_FIRST(&afr->lock_waits);

	while (local) {
		bool stays = local->moved || (afr->members & afr_bit(local->child));

		if (!stays) {
			local->moved = true;
			frame_cancel_below(local->frame);
		}
		/* Giving up may let others go. */
		local = stays ? LIST_NEXT(local, lock_link) : LIST_FIRST(&afr->lock_waits);
	}
}

/*
 * Who waits for a lock at one brick does not hear of a view that the others are in by now: of a client that cannot reach that brick,
 * and has left its locks there.
 */
static void lock_look(struct timer *t)
{
	struct afr *afr = (struct afr *)((char *)t - offsetof(struct afr, lock_timer));

	if (LIST_EMPTY(&afr->lock_waits))
		return;
	for (uint64_t left = afr->members; left; left &= left - 1)
		afr->child[afr_lowest(left)].known = false;
	timer_start(t, xl_loop(afr->xl), LOCK_LOOK_MS, lock_look);
	afr_look(afr);
}

static void lk_done(struct frame *f, int child, int ret, const struct lk_reply *reply)
{
	struct afr *afr = f->xl->priv;
	struct afr_local *local = frame_data(f);
	const struct lk_args *a = f->args;
	int place = afr->child[child].place;

	LIST_REMOVE(local, lock_link);
	if (ret >= 0) {
		local->locked |= afr_bit(child);
		return lk_next(f, place + 1);
	}
	if (ret == -EINTR && local->moved) {
		/* There is another view, and nothing to look for: this may be in the middle of looking. */
		afr_wait(f, lk_begin);
		return afr_wake(afr);
	}
	if (afr_refused(f, child, ret)) {
		afr_wait(f, lk_begin);	/* what is held is asked for once more */
		return afr_look(afr);
	}
	if (ret == -ENOTCONN)
		return lk_next(f, place + 1);
	if (ret == -EAGAIN && a->cmd == LK_SETW && !local->waits)
		return give_back(f);
	lk_undo(f, local->locked);
	afr_fail(f, ret);
}

static void give_back_done(struct frame *f, int child, int ret, const struct lk_reply *reply)
{
	struct afr_local *local = frame_data(f);

	local->pending &= ~afr_bit(child);
	if (!local->pending)
		lk_next(f, 0);
}

/*
 * A flock that would have to wait.  What its holder has is given up first, as on a local file
 * system, and on all members: two that go from a read to a write lock would wait for each other,
 * each on another member.
 */
static void give_back(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	struct afr_local *local = frame_data(f);
	const struct lk_args *a = f->args;
	struct lk_args unlock = { .fd = a->fd, .cmd = LK_SET, .lock = a->lock };
	uint64_t mask = afr->members & afr_fd_opened(f->xl, a->fd);

	local->waits = true;
	local->locked = 0;
	afr_held_drop(afr, a->fd, &a->lock);
	unlock.lock.type = F_UNLCK;
	if (!mask)
		return afr_fail(f, -ENOTCONN);
	local->pending = mask;
	for (uint64_t left = mask; left; ) {
		int i = afr_lowest(left);

		left &= left - 1;
		wind_lk(f, i, &unlock, give_back_done);
	}
}

/* The member at the lowest place from `from` on where the file is open; -1: none. */
static int lk_member(const struct afr *afr, const struct fd *fd, int from)
{
	uint64_t open = afr->members & afr_fd_opened(afr->xl, (struct fd *)fd);

	for (; from < VIEW_BRICKS_MAX; from++)
		if (afr->at[from] >= 0 && (open & afr_bit(afr->at[from])))
			return afr->at[from];
	return -1;
}

static void lk_next(struct frame *f, int from)
{
	struct afr *afr = f->xl->priv;
	struct afr_local *local = frame_data(f);
	const struct lk_args *a = f->args;
	int child = lk_member(afr, a->fd, from);

	if (child >= 0) {
		struct lk_args args = *a;

		if (local->locked)
			args.cmd = LK_SETW;
		else if (a->lock.kind == LK_FLOCK && !local->waits)
			args.cmd = LK_SET;
		local->frame = f;
		local->child = child;
		local->moved = false;
		LIST_INSERT_HEAD(&afr->lock_waits, local, lock_link);
		if (!afr->stopping && !timer_active(&afr->lock_timer))
			timer_start(&afr->lock_timer, xl_loop(afr->xl), LOCK_LOOK_MS, lock_look);
		return wind_lk(f, child, &args, lk_done);
	}
	if (!local->locked)
		return afr_fail(f, -ENOTCONN);
	if (!afr_held_change(f, local->locked)) {
		lk_undo(f, local->locked);
		return afr_fail(f, -ENOLCK);
	}
	afr_unwind_any(f, 0, &(struct lk_reply){ .lock = a->lock });
}

/* Of a member that has refused it the lock is not given up: it is asked once more, in the right view. */
static void unlock_answer(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	struct afr_local *local = frame_data(f);
	bool again = false;
	int law = -1;

	if (!local->answers)
		return afr_fail(f, -ENOMEM);
	for (uint64_t left = local->sent; left; left &= left - 1) {
		int i = afr_lowest(left);

		again |= afr_refused(f, i, local->answers[i].ret);
		if (law < 0 || local->answers[law].ret == -ENOTCONN)
			law = i;
	}
	if (!again)
		return afr_unwind(f, law);
	afr_answers_drop(f);
	afr_wait(f, lk_begin);
	afr_look(afr);
}

static void lk_begin(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	struct afr_local *local = frame_data(f);
	const struct lk_args *a = f->args;
	uint64_t open = afr->members & afr_fd_opened(f->xl, a->fd);

	if (!afr_begin(f, lk_begin))
		return;
	if (a->lock.type == F_UNLCK) {
		if (!afr_held_change(f, 0))
			return afr_fail(f, -ENOLCK);
		lk_undo(f, left_behind(afr, a->fd));
		return open ? afr_gather(f, open, unlock_answer) : afr_fail(f, -ENOTCONN);
	}
	if (afr->members & ~open & ~local->tried)
		return afr_with_fds(f, afr->members, lk_begin);
	local->locked = 0;
	lk_next(f, 0);
}

void afr_lk(struct frame *f, const struct lk_args *a)
{
	if (a->cmd == LK_GET)
		return afr_read(f);
	lk_begin(f);
}
