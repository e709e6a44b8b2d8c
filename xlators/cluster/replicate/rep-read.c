/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rep-read.c - what changes nothing: reads, syncs, opens, statfs, flush.
 *
 * Names and attributes come from home, for everybody: times differ by some microseconds between bricks, and must not
 * jump.  Data is read from the full member that read-subvolume or the identity of the file chooses.  A read fails over
 * when the member is gone or failed by itself; an ordinary error is the answer.  A member does not show what another
 * client has begun and not finished.
 */
#include <fcntl.h>

#include "rep.h"

static void read_begin(struct frame *f);

static int choose(const struct frame *f, uint64_t mask)
{
	const struct rep *rep = f->xl->priv;

	if (f->op == FOP_read) {
		const struct read_args *a = f->args;

		return rep_read_child(rep, &a->fd->inode->gfid, mask);
	}
	return rep->home >= 0 && (mask & rep_bit(rep->home)) ? rep->home : rep_lowest(mask);
}

static void read_done(struct frame *f, int child, int ret, const void *reply)
{
	struct rep *rep = f->xl->priv;
	struct rep_local *local = frame_data(f);

	if (ret >= 0) {
		if (f->op == FOP_opendir)
			rep_fd_set_opened(f->xl, ((const struct opendir_args *)f->args)->fd, rep_bit(child));
		return rep_unwind_any(f, ret, reply);
	}
	if (rep_refused(f, child, ret)) {
		local->tried = 0;
		rep_wait(f, read_begin);
		return rep_look(rep);
	}
	if (!rep_failed_by_itself(f, ret))
		return rep_fail(f, ret);
	if (!local->first_error || local->first_error == -ENOTCONN)
		local->first_error = ret;
	local->tried |= rep_bit(child);
	rep->nr_failovers++;
	read_begin(f);
}

static void read_send(struct frame *f)
{
	wind_any(f, ((struct rep_local *)frame_data(f))->child, read_done);
}

static void read_begin(struct frame *f)
{
	struct rep *rep = f->xl->priv;
	struct rep_local *local = frame_data(f);
	struct fd *fds[2];
	int err = rep_verdict(rep);

	if (err)
		return rep_fail(f, err);
	if (!rep->members || rep->settling)
		return rep_wait(f, read_begin);
	local->child = choose(f, rep->members & ~local->tried);
	if (local->child < 0)
		return rep_fail(f, local->first_error ? local->first_error : -ENOTCONN);
	rep_identity_begin(f);
	for (int i = 0, n = rep_fds_of(f, fds); i < n; i++)
		if (!(rep_fd_opened(f->xl, fds[i]) & rep_bit(local->child)))
			return rep_with_fds(f, rep_bit(local->child), read_send);
	read_send(f);
}

void rep_read(struct frame *f)
{
	read_begin(f);
}

/* ---- to all members: syncs, opens ---- */

static void all_begin(struct frame *f);

/* One whose answer is home's, or else any that did it. */
static int find_law(const struct frame *f)
{
	const struct rep *rep = f->xl->priv;
	const struct rep_local *local = frame_data((struct frame *)f);
	int law = -1;

	if (rep->home >= 0 && (local->sent & rep_bit(rep->home)) &&
	    !rep_failed_by_itself(f, local->answers[rep->home].ret))
		return rep->home;
	for (uint64_t left = local->sent; left; left &= left - 1)
		if (law < 0 || local->answers[law].ret < local->answers[rep_lowest(left)].ret)
			law = rep_lowest(left);
	return law;
}

static void all_done(struct frame *f)
{
	struct rep *rep = f->xl->priv;
	struct rep_local *local = frame_data(f);
	bool again = false;

	if (!local->answers)
		return rep_fail(f, -ENOMEM);
	for (uint64_t left = local->sent; left; left &= left - 1)
		again |= rep_refused(f, rep_lowest(left), local->answers[rep_lowest(left)].ret);
	rep_note_opened(f);
	if (again) {
		rep_answers_drop(f);
		rep_wait(f, all_begin);
		return rep_look(rep);
	}
	int law = find_law(f);
	/* What one member cannot make durable is not durable there: it must not count as a member. */
	for (uint64_t left = local->sent; left && fop_classes[f->op] == FOP_SYNC; left &= left - 1) {
		int i = rep_lowest(left), ret = local->answers[i].ret;

		if (local->answers[law].ret >= 0 && ret == -EIO && rep->child[i].place >= 0) {
			rep_unwant(rep, rep->child[i].place, "a sync failed there");
			rep_look(rep);
		}
	}
	rep_unwind(f, law);
}

static void all_send(struct frame *f)
{
	struct rep *rep = f->xl->priv;

	if (!rep->members)
		return rep_fail(f, -ENOTCONN);
	rep_gather(f, rep->members, all_done);
}

static void all_begin(struct frame *f)
{
	struct rep *rep = f->xl->priv;
	struct rep_local *local = frame_data(f);
	struct fd *fds[2];
	int err = rep_verdict(rep);

	if (err)
		return rep_fail(f, err);
	if (!rep->members || rep->settling)
		return rep_wait(f, all_begin);
	rep_identity_begin(f);
	for (int i = 0, n = rep_fds_of(f, fds); i < n; i++)
		if (rep->members & ~rep_fd_opened(f->xl, fds[i]) & ~local->tried)
			return rep_with_fds(f, rep->members, all_send);
	all_send(f);
}

void rep_sync(struct frame *f)
{
	all_begin(f);
}

void rep_open(struct frame *f, const struct open_args *a)
{
	if (a->flags & O_TRUNC)
		return rep_change(f);
	all_begin(f);
}

/* ---- flush: locks go on all members; nobody else has anything to do ---- */

static void flush_done(struct frame *f)
{
	struct rep_local *local = frame_data(f);
	int ret = 0;

	if (!local->answers)
		return rep_fail(f, -ENOMEM);
	for (uint64_t left = local->sent; left; left &= left - 1) {
		int r = local->answers[rep_lowest(left)].ret;

		if (r < 0 && r != -ENOTCONN && !ret)
			ret = r;
	}
	rep_answers_drop(f);
	if (ret < 0)
		return rep_fail(f, ret);
	rep_unwind_any(f, 0, &(struct flush_reply){ });
}

void rep_flush(struct frame *f, const struct flush_args *a)
{
	struct rep *rep = f->xl->priv;
	uint64_t to = rep->members & rep_fd_opened(f->xl, a->fd);

	rep_flush_left_behind(f, a);
	if (!to)
		return unwind_flush(f, 0, &(struct flush_reply){ });
	rep_gather(f, to, flush_done);
}

/* ---- statfs: the smallest ---- */

static void statfs_done(struct frame *f)
{
	struct rep_local *local = frame_data(f);
	int smallest = -1, error = -ENOTCONN;
	uint64_t least = UINT64_MAX;

	if (!local->answers)
		return rep_fail(f, -ENOMEM);
	for (uint64_t left = local->sent; left; left &= left - 1) {
		int i = rep_lowest(left);
		const struct rep_answer *a = &local->answers[i];
		uint64_t room = a->ret < 0 ? 0 : a->reply.statfs.statfs.bavail * a->reply.statfs.statfs.frsize;

		if (a->ret < 0) {
			error = a->ret;
		} else if (smallest < 0 || room < least) {
			smallest = i;
			least = room;
		}
	}
	if (smallest >= 0)
		return rep_unwind(f, smallest);
	rep_answers_drop(f);
	rep_fail(f, error);
}

static void statfs_begin(struct frame *f)
{
	struct rep *rep = f->xl->priv;
	int err = rep_verdict(rep);

	if (err)
		return rep_fail(f, err);
	if (!rep->members)
		return rep_wait(f, statfs_begin);
	rep_gather(f, rep->members, statfs_done);
}

void rep_statfs(struct frame *f, const struct statfs_args *a)
{
	statfs_begin(f);
}
