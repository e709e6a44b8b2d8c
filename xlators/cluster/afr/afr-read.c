/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * afr-read.c - reads go to one member and fail over to the next.
 *
 * Names and attributes come from the law, the lowest member, for everybody: times differ by some
 * microseconds between bricks, and must not jump.  Data is read from the child that
 * read-subvolume or the identity of the file chooses.  A read fails over when the member failed by
 * itself; an ordinary error (ENOENT, ENODATA) is the answer.
 */
#include "afr.h"

static void read_try(struct frame *f);

static int choose(const struct frame *f, uint64_t mask)
{
	if (f->op == FOP_read) {
		const struct read_args *a = f->args;

		return afr_read_child(f->xl->priv, &a->fd->inode->gfid, mask);
	}
	return afr_lowest(mask);
}

static void read_done(struct frame *f, int child, int ret, const void *reply)
{
	struct afr *afr = f->xl->priv;
	struct afr_local *local = frame_data(f);

	if (ret >= 0) {
		if (f->op == FOP_opendir)
			afr_fd_set_opened(f->xl, ((const struct opendir_args *)f->args)->fd,
					  afr_bit(child));
		return unwind_any(f, ret, reply);
	}
	if (!afr_failed_by_itself(f, ret))
		return fail(f, ret);
	if (!local->first_error || local->first_error == -ENOTCONN)
		local->first_error = ret;
	afr->failovers++;
	read_try(f);
}

static void lookup_done(struct frame *f, int child, int ret, const struct lookup_reply *reply);

static void read_ready(struct frame *f)
{
	struct afr_local *local = frame_data(f);

	if (f->op == FOP_lookup)
		return wind_lookup(f, local->child, f->args, lookup_done);
	wind_any(f, local->child, read_done);
}

static void read_try(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	struct afr_local *local = frame_data(f);
	struct fd *fds[2];

	local->child = choose(f, afr->members & ~local->tried);
	if (local->child < 0)
		return fail(f, local->first_error ? local->first_error : -ENOTCONN);
	local->tried |= afr_bit(local->child);
	for (int i = 0, n = afr_fds_of(f, fds); i < n; i++)
		if (!(afr_fd_opened(f->xl, fds[i]) & afr_bit(local->child)))
			return afr_with_fds(f, afr_bit(local->child), read_ready);
	read_ready(f);
}

void afr_read(struct frame *f)
{
	struct afr *afr = f->xl->priv;

	if (!afr->members && afr_must_wait(afr))
		return afr_wait(f, read_try);
	afr_check_again(afr);
	read_try(f);
}

/* ---- lookup: an object that is given its identity must be given it everywhere ---- */

static void lookup_adopted(struct frame *f)
{
	struct afr_local *local = frame_data(f);
	int law = -1;

	if (!local->answers)
		return fail(f, -ENOMEM);
	for (uint64_t left = local->sent; left; left &= left - 1) {
		int i = afr_lowest(left);

		if (local->answers[i].ret < 0)
			log_warning(f->xl->name,
				    "%s does not have an object that was there before: %s",
				    f->xl->children[i]->name, strerror(-local->answers[i].ret));
		else if (law < 0)
			law = i;
	}
	afr_unwind(f, law < 0 ? afr_lowest(local->sent) : law);
}

static void lookup_done(struct frame *f, int child, int ret, const struct lookup_reply *reply)
{
	struct afr *afr = f->xl->priv;

	if (ret >= 0 && (reply->flags & LOOKUP_ADOPTED) && (afr->members & ~afr_bit(child)))
		return afr_gather(f, afr->members, lookup_adopted);
	read_done(f, child, ret, reply);
}

void afr_lookup(struct frame *f, const struct lookup_args *a)
{
	afr_read(f);
}
