/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * afr-read.c - what changes nothing: reads, syncs, opens, statfs, flush.
 *
 * Names and attributes come from home, for everybody: times differ by some microseconds between bricks, and must not
 * jump.  Data is read from the full member that read-subvolume or the identity of the file chooses.  A read fails over
 * when the member is gone or failed by itself; an ordinary error is the answer.  A member does not show what another
 * client has begun and not finished.
 */
#include <fcntl.h>

#include "afr.h"

static void read_begin(struct frame *f);

static int choose(const struct frame *f, uint64_t mask)
{
	const struct afr *afr = f->xl->priv;

	if (f->op == FOP_read) {
		const struct read_args *a = f->args;

		return afr_read_child(afr, &a->fd->inode->gfid, mask);
	}
	return afr->home >= 0 && (mask & afr_bit(afr->home)) ? afr->home : afr_lowest(mask);
}

static void read_done(struct frame *f, int child, int ret, const void *reply)
{
	struct afr *afr = f->xl->priv;
	struct afr_local *local = frame_data(f);

	if (ret >= 0) {
		if (f->op == FOP_opendir)
			afr_fd_set_opened(f->xl, ((const struct opendir_args *)f->args)->fd, afr_bit(child));
		return afr_unwind_any(f, ret, reply);
	}
	if (afr_refused(f, child, ret)) {
		local->tried = 0;
		afr_wait(f, read_begin);
		return afr_look(afr);
	}
	if (!afr_failed_by_itself(f, ret))
		return afr_fail(f, ret);
	if (!local->first_error || local->first_error == -ENOTCONN)
		local->first_error = ret;
	local->tried |= afr_bit(child);
	afr->nr_failovers++;
	read_begin(f);
}

static void read_send(struct frame *f)
{
	wind_any(f, ((struct afr_local *)frame_data(f))->child, read_done);
}

bool afr_begin(struct frame *f, void (*again)(struct frame *f))
{
	const struct afr *afr = f->xl->priv;
	int err = afr_verdict(f);

	if (!err && afr->members && !afr->settling) {
		afr_identity_begin(f);
		return true;
	}
	if (err)
		afr_fail(f, err);
	else
		afr_wait(f, again);
	return false;
}

static void read_begin(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	struct afr_local *local = frame_data(f);
	struct fd *fds[2];

	if (!afr_begin(f, read_begin))
		return;
	local->child = choose(f, afr->members & ~local->tried);
	if (local->child < 0)
		return afr_fail(f, local->first_error ? local->first_error : -ENOTCONN);
	for (int i = 0, n = afr_fds_of(f, fds); i < n; i++)
		if (!(afr_fd_opened(f->xl, fds[i]) & afr_bit(local->child)))
			return afr_with_fds(f, afr_bit(local->child), read_send);
	read_send(f);
}

void afr_read(struct frame *f)
{
	read_begin(f);
}

/* ---- to all members: syncs, opens ---- */

static void all_begin(struct frame *f);

/* One whose answer is home's, or else any that did it. */
static int find_law(const struct frame *f)
{
	const struct afr *afr = f->xl->priv;
	const struct afr_local *local = frame_data((struct frame *)f);
	int law = -1;

	if (afr->home >= 0 && (local->sent & afr_bit(afr->home)) &&
	    !afr_failed_by_itself(f, local->answers[afr->home].ret))
		return afr->home;
	for (uint64_t left = local->sent; left; left &= left - 1)
		if (law < 0 || local->answers[law].ret < local->answers[afr_lowest(left)].ret)
			law = afr_lowest(left);
	return law;
}

/*
 * What one member cannot make durable is lost there, and the kernel has told it once: nothing is acknowledged before that member is out,
 * and the others have noted that it lacks the file.
 */
static uint64_t failed_syncs(const struct frame *f, int law)
{
	const struct afr *afr = f->xl->priv;
	const struct afr_local *local = frame_data((struct frame *)f);
	uint64_t failing = 0;

	if (fop_classes[f->op] != FOP_SYNC || local->answers[law].ret < 0)
		return 0;
	for (uint64_t left = local->sent; left; left &= left - 1) {
		int i = afr_lowest(left), ret = local->answers[i].ret;

		if (ret != -ENOTCONN && afr_is_environment_error(ret) && afr->child[i].place >= 0)
			failing |= afr_bit(i);
	}
	return failing;
}

static void put_lacks(struct wire *w, const void *arg)
{
	const struct frame *f = arg;
	const struct afr *afr = f->xl->priv;
	const struct afr_local *local = frame_data((struct frame *)f);
	struct fd *fds[2];
	struct item item = { .kind = ITEM_DATA, .chunk = UINT64_MAX };

	afr_fds_of(f, fds);
	item.gfid = fds[0]->inode->gfid;
	if (f->op == FOP_fsyncdir)
		item = (struct item){ .kind = ITEM_ALL };
	wire_put_u8(w, afr->child[local->child].place);
	items_put(w, &item, 1);
}

static void lacks_noted(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	struct afr *afr = f->xl->priv;
	struct afr_local *local = frame_data(f);

	local->failed |= ret < 0;
	if (f->pending)
		return;
	if (local->failed)
		return afr_fail(f, -EIO);
	if (afr->child[local->child].place >= 0)
		afr_unwant(afr, afr->child[local->child].place, "a sync failed there");
	afr_wait(f, all_begin);
	afr_look(afr);
}

/* The first of them; what is left fails again. */
static void note_failing(struct frame *f, uint64_t failing)
{
	struct afr *afr = f->xl->priv;
	struct afr_local *local = frame_data(f);
	uint64_t to = afr->members & ~failing;

	afr_answers_drop(f);
	local->child = afr_lowest(failing);
	local->failed = false;
	f->pending++;
	for (; to; to &= to - 1)
		if (!afr_message(f, afr_lowest(to), REPL_LACKS, 5 + ITEM_SIZE_MAX, put_lacks, f, lacks_noted))
			local->failed = true;
	if (--f->pending == 0)
		lacks_noted(f, -1, 0, NULL);
}

static void all_done(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	struct afr_local *local = frame_data(f);
	bool again = false;

	if (!local->answers)
		return afr_fail(f, -ENOMEM);
	for (uint64_t left = local->sent; left; left &= left - 1)
		again |= afr_refused(f, afr_lowest(left), local->answers[afr_lowest(left)].ret);
	afr_note_opened(f);
	if (again) {
		afr_answers_drop(f);
		afr_wait(f, all_begin);
		return afr_look(afr);
	}
	int law = find_law(f);
	uint64_t failing = failed_syncs(f, law);
	if (failing)
		return note_failing(f, failing);
	afr_unwind(f, law);
}

static void all_send(struct frame *f)
{
	struct afr *afr = f->xl->priv;

	if (!afr->members)
		return afr_fail(f, -ENOTCONN);
	afr_gather(f, afr->members, all_done);
}

static void all_begin(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	struct afr_local *local = frame_data(f);
	struct fd *fds[2];

	if (!afr_begin(f, all_begin))
		return;
	for (int i = 0, n = afr_fds_of(f, fds); i < n; i++)
		if (afr->members & ~afr_fd_opened(f->xl, fds[i]) & ~local->tried)
			return afr_with_fds(f, afr->members, all_send);
	all_send(f);
}

void afr_sync(struct frame *f)
{
	all_begin(f);
}

void afr_open(struct frame *f, const struct open_args *a)
{
	if (a->flags & O_TRUNC)
		return afr_change(f);
	all_begin(f);
}

/* ---- flush: locks go on all members; nobody else has anything to do ---- */

static void flush_done(struct frame *f)
{
	struct afr_local *local = frame_data(f);
	int ret = 0;

	if (!local->answers)
		return afr_fail(f, -ENOMEM);
	for (uint64_t left = local->sent; left; left &= left - 1) {
		int r = local->answers[afr_lowest(left)].ret;

		if (r < 0 && r != -ENOTCONN && !ret)
			ret = r;
	}
	afr_answers_drop(f);
	if (ret < 0)
		return afr_fail(f, ret);
	afr_unwind_any(f, 0, &(struct flush_reply){ });
}

void afr_flush(struct frame *f, const struct flush_args *a)
{
	struct afr *afr = f->xl->priv;
	uint64_t to = afr->members & afr_fd_opened(f->xl, a->fd);

	afr_held_drop(afr, a->fd, &(struct lock){ .owner = a->owner, .kind = LK_POSIX, .end = UINT64_MAX });
	afr_flush_left_behind(f, a);
	if (!to)
		return unwind_flush(f, 0, &(struct flush_reply){ });
	afr_gather(f, to, flush_done);
}

/* ---- statfs: the smallest ---- */

static void statfs_done(struct frame *f)
{
	struct afr_local *local = frame_data(f);
	int smallest = -1, error = -ENOTCONN;
	uint64_t least = UINT64_MAX;

	if (!local->answers)
		return afr_fail(f, -ENOMEM);
	for (uint64_t left = local->sent; left; left &= left - 1) {
		int i = afr_lowest(left);
		const struct afr_answer *a = &local->answers[i];
		uint64_t room = a->ret < 0 ? 0 : a->reply.statfs.statfs.bavail * a->reply.statfs.statfs.frsize;

		if (a->ret < 0) {
			error = a->ret;
		} else if (smallest < 0 || room < least) {
			smallest = i;
			least = room;
		}
	}
	if (smallest >= 0)
		return afr_unwind(f, smallest);
	afr_answers_drop(f);
	afr_fail(f, error);
}

static void statfs_begin(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	int err = afr_verdict(f);

	if (err)
		return afr_fail(f, err);
	if (!afr->members)
		return afr_wait(f, statfs_begin);
	/* In no view: how much room there is does not depend on it. */
	afr_gather(f, afr->members, statfs_done);
}

void afr_statfs(struct frame *f, const struct statfs_args *a)
{
	statfs_begin(f);
}
