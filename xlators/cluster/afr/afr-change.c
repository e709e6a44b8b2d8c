/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * afr-change.c - what goes to all members at once: changes, syncs, opens, statfs.
 *
 *	change:  wait for checks and marks -> mark who is away -> open where missing -> all members in parallel
 *	         -> compare -> put out who failed or differs (and wait for the mark) -> answer
 *
 * Comparing.  The *law* is the lowest member with a usable answer.  An answer is not usable when the child failed by
 * itself (lost connection, I/O error, full disk) while another did the same operation; then that child is
 * out.  A member whose usable answer is another than the law's has another state: it is out too.  All
 * clients have the same order of children and so the same law, which is why a race of two clients never
 * leaves both bricks in use with different contents.
 */
#include <fcntl.h>

#include "afr.h"

bool afr_is_environment_error(int err)
{
	switch (-err) {
	case ENOTCONN: case EIO: case ENOSPC: case EROFS: case EDQUOT: case ENOMEM: case EMFILE: case ENFILE:
	case ETIMEDOUT: case ECONNRESET: case EBADFD: case EBADF: case ENODEV: case ENXIO: case EUCLEAN: case ESHUTDOWN:
	case ENOSYS: case EPROTO: case EREMOTEIO: case ENOLINK:
		return true;
	}
	return false;
}

/* ---- gathering ---- */

static void gather_done(struct frame *f, int child, int ret, const void *reply)
{
	struct afr_local *local = frame_data(f);

	local->answers[child].ret = ret;
	reply_copy(&local->answers[child].reply, f->op, reply);
	local->pending &= ~afr_bit(child);
	if (!local->pending)
		local->next(f);
}

void afr_gather(struct frame *f, uint64_t mask, void (*next)(struct frame *f))
{
	struct afr_local *local = frame_data(f);

	local->answers = frame_alloc(f, f->xl->nr_children * sizeof *local->answers);
	if (!local->answers) {
		local->sent = 0;
		return next(f);
	}
	local->sent = local->pending = mask;
	local->next = next;
	/* The last wind may answer f: nothing of f is touched after it. */
	for (uint64_t left = mask; left; ) {
		int i = afr_lowest(left);

		left &= left - 1;
		wind_any(f, i, gather_done);
	}
}

void afr_answers_drop(struct frame *f)
{
	struct afr_local *local = frame_data(f);

	for (uint64_t left = local->sent; left; left &= left - 1) {
		struct afr_answer *a = &local->answers[afr_lowest(left)];

		if (a->ret >= 0)
			reply_drop(f->op, &a->reply);
	}
	local->sent = 0;
}

void afr_unwind(struct frame *f, int law)
{
	struct afr_local *local = frame_data(f);
	struct afr_answer *a = &local->answers[law];
	int ret = a->ret;
	enum fop_id op = f->op;

	if (ret < 0) {
		afr_answers_drop(f);
		return fail(f, ret);
	}
	/* The answer outlives f, in which it lies. */
	union fop_reply reply = a->reply;
	local->sent &= ~afr_bit(law);
	afr_answers_drop(f);
	unwind_any(f, ret, &reply);
	reply_drop(op, &reply);
}

/* ---- changes ---- */

/* The lowest child whose answer counts; -1 when all failed by themselves. */
static int find_law(const struct afr_local *local)
{
	for (uint64_t left = local->sent; left; left &= left - 1) {
		int i = afr_lowest(left);

		if (!afr_is_environment_error(local->answers[i].ret))
			return i;
	}
	return -1;
}

static bool same_answer(const struct afr_answer *a, const struct afr_answer *b)
{
	return a->ret == b->ret;
}

static void change_answer(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	struct afr_local *local = frame_data(f);
	int law = find_law(local);

	afr_times_end(f);
	/* The law itself may have been lost while marks were written; its answer still stands on who is left
	 * only if one of those gave it. */
	for (uint64_t left = local->sent; law >= 0 && left; left &= left - 1) {
		int i = afr_lowest(left);

		if ((afr->members & afr_bit(i)) && same_answer(&local->answers[i], &local->answers[law]))
			return afr_unwind(f, law);
	}
	if (law >= 0 && local->answers[law].ret < 0)
		return afr_unwind(f, law);
	int err = law >= 0 ? -ENOTCONN : local->answers[afr_lowest(local->sent)].ret;
	afr_answers_drop(f);
	fail(f, err);
}

static void change_compare(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	struct afr_local *local = frame_data(f);

	if (!local->answers) {
		afr_times_end(f);
		return fail(f, -ENOMEM);
	}
	afr_note_opened(f);
	int law = find_law(local);
	char why[160];
	for (uint64_t left = local->sent; law >= 0 && left; left &= left - 1) {
		int i = afr_lowest(left);
		struct afr_answer *a = &local->answers[i];

		if (same_answer(a, &local->answers[law]))
			continue;
		if (afr_is_environment_error(a->ret))
			snprintf(why, sizeof why, "%s failed there: %s", fop_names[f->op], strerror(-a->ret));
		else
			snprintf(why, sizeof why, "%s answered %d (%s) there and %d (%s) on %s", fop_names[f->op],
				 a->ret, a->ret < 0 ? strerror(-a->ret) : "success", local->answers[law].ret,
				 local->answers[law].ret < 0 ? strerror(-local->answers[law].ret) : "success",
				 f->xl->children[law]->name);
		if (local->answers[law].ret < 0 && afr_is_environment_error(a->ret))
			continue;	/* an error at the law changes nothing; that child missed nothing */
		afr_evict(afr, afr_bit(i), why);
	}
	afr_wait(f, change_answer);
}

static void change_send(struct frame *f)
{
	struct afr *afr = f->xl->priv;

	if (afr_must_wait(afr))
		return afr_wait(f, change_send);
	if (!afr->members) {
		afr_times_end(f);
		return fail(f, -ENOTCONN);
	}
	afr_mark_absent(afr);
	if (afr_must_wait(afr))
		return afr_wait(f, change_send);
	struct afr_local *local = frame_data(f);
	uint64_t to = afr->members;
	struct fd *fds[2];
	for (int i = 0, n = afr_fds_of(f, fds); i < n; i++)
		if (to & ~afr_fd_opened(f->xl, fds[i]) & ~local->tried)
			return afr_with_fds(f, to, change_send);
	afr_gather(f, to, change_compare);
}

void afr_change(struct frame *f)
{
	afr_times_begin(f);
	change_send(f);
}

/* ---- syncs: a member that cannot make durable what it acknowledged is out ---- */

static void everywhere_compare(struct frame *f)
{
	struct afr_local *local = frame_data(f);

	if (!local->answers)
		return fail(f, -ENOMEM);
	int law = find_law(local);
	for (uint64_t left = local->sent; law >= 0 && left; left &= left - 1) {
		int i = afr_lowest(left);

		if (local->answers[i].ret < 0 && local->answers[law].ret >= 0) {
			char why[160];

			snprintf(why, sizeof why, "%s failed there: %s", fop_names[f->op], strerror(-local->answers[i].ret));
			afr_evict(f->xl->priv, afr_bit(i), why);
		}
	}
	afr_wait(f, change_answer);
}

static void everywhere_send(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	struct afr_local *local = frame_data(f);
	struct fd *fds[2];
	uint64_t to = afr->members;

	if (!to)
		return fail(f, -ENOTCONN);
	for (int i = 0, n = afr_fds_of(f, fds); i < n; i++)
		if (to & ~afr_fd_opened(f->xl, fds[i]) & ~local->tried)
			return afr_with_fds(f, to, everywhere_send);
	afr_gather(f, to, everywhere_compare);
}

void afr_everywhere(struct frame *f)
{
	everywhere_send(f);
}

/* ---- open, flush: succeed where they can; a change that follows settles who is good ---- */

static void open_answer(struct frame *f)
{
	struct afr_local *local = frame_data(f);

	if (!local->answers)
		return fail(f, -ENOMEM);
	afr_note_opened(f);
	int law = find_law(local);
	if (law < 0)
		law = afr_lowest(local->sent);
	afr_unwind(f, law);
}

void afr_open(struct frame *f, const struct open_args *a)
{
	struct afr *afr = f->xl->priv;

	if (a->flags & O_TRUNC)
		return afr_change(f);
	if (!afr->members)
		return fail(f, -ENOTCONN);
	afr_gather(f, afr->members, open_answer);
}

static void flush_answer(struct frame *f)
{
	struct afr_local *local = frame_data(f);
	int ret = 0;

	if (!local->answers)
		return fail(f, -ENOMEM);
	for (uint64_t left = local->sent; left; left &= left - 1) {
		int r = local->answers[afr_lowest(left)].ret;

		if (r < 0 && r != -ENOTCONN && !ret)
			ret = r;
	}
	afr_answers_drop(f);
	if (ret < 0)
		return fail(f, ret);
	unwind_flush(f, 0, &(struct flush_reply){ });
}

void afr_flush(struct frame *f, const struct flush_args *a)
{
	struct afr *afr = f->xl->priv;
	uint64_t to = afr->members & afr_fd_opened(f->xl, a->fd);

	if (!to)
		return unwind_flush(f, 0, &(struct flush_reply){ });
	afr_gather(f, to, flush_answer);
}

/* ---- statfs: the smallest ---- */

static void statfs_answer(struct frame *f)
{
	struct afr_local *local = frame_data(f);
	int smallest = -1, error = -ENOTCONN;
	uint64_t least = UINT64_MAX;

	if (!local->answers)
		return fail(f, -ENOMEM);
	for (uint64_t left = local->sent; left; left &= left - 1) {
		int i = afr_lowest(left);
		const struct afr_answer *a = &local->answers[i];

		if (a->ret < 0) {
			error = a->ret;
		} else if (smallest < 0 || a->reply.statfs.statfs.bavail * a->reply.statfs.statfs.frsize < least) {
			smallest = i;
			least = a->reply.statfs.statfs.bavail * a->reply.statfs.statfs.frsize;
		}
	}
	if (smallest >= 0)
		return afr_unwind(f, smallest);
	afr_answers_drop(f);
	fail(f, error);
}

void afr_statfs(struct frame *f, const struct statfs_args *a)
{
	struct afr *afr = f->xl->priv;

	if (!afr->members)
		return fail(f, -ENOTCONN);
	afr_gather(f, afr->members, statfs_answer);
}
