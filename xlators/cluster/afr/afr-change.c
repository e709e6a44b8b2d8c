/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * afr-change.c - what goes to all members at once: changes, syncs, opens, statfs.
 *
 *	change:  wait for checks and marks -> mark who is away -> open where missing
 *	         -> all members in parallel -> compare -> put out who failed or differs (and wait for the mark) -> answer
 *
 * Comparing.  The *law* is the lowest member with a usable answer.  An answer is not usable when
 * the child failed by itself (lost connection, I/O error, full disk, fewer bytes) while another did
 * the same operation; then that child is out.  A member whose usable answer is another than the
 * law's has another state: it is out too.  All clients have the same order of children and so the
 * same law, which is why a race of two clients never leaves both bricks in use with different
 * contents.
 */
#include <fcntl.h>
#include <limits.h>

#include "afr.h"

bool afr_is_environment_error(int err)
{
	switch (-err) {
	case ENOTCONN: case EIO: case ENOSPC: case EROFS: case EDQUOT: case ENOMEM: case EMFILE:
	case ENFILE: case ETIMEDOUT: case ECONNRESET: case EBADFD: case EBADF: case ENODEV:
	case ENXIO: case EUCLEAN: case ESHUTDOWN: case ENOSYS: case EPROTO: case EREMOTEIO:
	case ENOLINK:
		return true;
	}
	return false;
}

bool afr_failed_by_itself(const struct frame *f, int err)
{
	struct fd *fds[2];

	/* An open file that could not be opened again after a lost connection: it has no name any
	 * more. */
	return afr_is_environment_error(err) || (err == -ESTALE && afr_fds_of(f, fds) > 0);
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

/* The attributes after the operation are the last ones in an answer. */
#define LAST_attr(field) last = &r->field;
#define LAST_buf(field)
#define LAST_dict LAST_buf
#define LAST_dirents LAST_buf
#define LAST_u32 LAST_buf
#define LAST_u64 LAST_buf
#define LAST_lock LAST_buf
#define LAST_statfs LAST_buf
static const struct attr *attr_after(enum fop_id op, const union fop_reply *reply)
{
	const struct attr *last = NULL;

	switch (op) {
#define FOP(n, k) case FOP_##n: { const struct n##_reply *r = &reply->n; (void)r;
#define ARG(t, f)
#define RET(t, f) LAST_##t(f)
#define END(n) break; }
#include "fops.def"
	case FOP_COUNT: break;
	}
	return last;
}

/* Did one of them do it to an object that has no name? */
static bool was_nameless(const struct frame *f, const struct afr_local *local)
{
	for (uint64_t left = local->sent; left; left &= left - 1) {
		const struct afr_answer *a = &local->answers[afr_lowest(left)];
		const struct attr *attr = a->ret >= 0 ? attr_after(f->op, &a->reply) : NULL;

		if (attr && attr_present(attr) && attr->nlink == 0)
			return true;
		/* says nothing; but a directory that cannot be opened there has nothing to sync */
		if (f->op == FOP_fsyncdir && a->ret >= 0)
			return true;
	}
	return false;
}

/*
 * A child that was away when an object was opened, or was not asked (a directory is opened on one
 * of them), does not have it any more after its last name is gone. What is done to it is seen by
 * nobody but through what is open, and vanishes with it, so that child misses nothing.
 */
static bool misses_nothing(const struct frame *f, const struct afr_local *local, int err)
{
	if (fop_classes[f->op] != FOP_WRITE && fop_classes[f->op] != FOP_SYNC)
		return false;
	return (err == -ESTALE || err == -EBADFD || err == -EBADF) && was_nameless(f, local);
}

/* Did the child not do what another one did, for a reason of its own?  best: the highest answer. */
static bool did_less(const struct frame *f, int ret, int best)
{
	if (f->op == FOP_write || f->op == FOP_copy_file_range)	/* a full disk: not all of it */
		if (ret >= 0 && ret < best)
			return true;
	return afr_failed_by_itself(f, ret);
}

/* The lowest child whose answer counts; -1 when all failed by themselves. */
static int find_law(const struct frame *f, const struct afr_local *local)
{
	int best = INT_MIN;

	for (uint64_t left = local->sent; left; left &= left - 1)
		if (local->answers[afr_lowest(left)].ret > best)
			best = local->answers[afr_lowest(left)].ret;
	for (uint64_t left = local->sent; left; left &= left - 1)
		if (!did_less(f, local->answers[afr_lowest(left)].ret, best) &&
		    !misses_nothing(f, local, local->answers[afr_lowest(left)].ret))
			return afr_lowest(left);
	return -1;
}

static uint64_t same_answers(const struct afr_local *local, int law)
{
	uint64_t same = 0;

	for (uint64_t left = local->sent; left; left &= left - 1)
		if (local->answers[afr_lowest(left)].ret == local->answers[law].ret)
			same |= left & -left;
	return same;
}

/*
 * A success is acknowledged when a member has it and every member has the marks against all who
 * have not. Who has it and is away now needs none.
 */
static void change_answer(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	struct afr_local *local = frame_data(f);
	int err = 0;

	afr_times_end(f);
	if (local->child < 0)
		err = local->answers[afr_lowest(local->sent)].ret;
	else if (local->answers[local->child].ret < 0)
		err = local->answers[local->child].ret;
	else if (!(afr->members & local->good))
		err = -ENOTCONN;	/* whether it will have been made nobody knows */
	else if (afr->stopping &&
		 ((afr->members & ~local->good) || !afr_is_marked(afr, ~local->good)))
		err = -ENOTCONN;	/* nor now: who has not answered is not to blame */
	else if (afr->members & ~local->good) {	/* those who have it came back only now */
		afr_evict(afr, afr->members & ~local->good, "a change was not made there");
		return afr_wait(f, change_answer);
	}
	else if (!afr_is_marked(afr, ~local->good)) {
		if (!local->marking || !afr->mark_error) {
			local->marking = true;
			afr_mark(afr, ~local->good);
			return afr_wait(f, change_answer);
		}
		err = afr->mark_error;
	}
	if (!err)
		return afr_unwind(f, local->child);
	afr_answers_drop(f);
	fail(f, err);
}

static void change_evict(struct frame *f, int child, const struct afr_answer *a, int law)
{
	struct afr_local *local = frame_data(f);
	int right = local->answers[law].ret;
	char why[160];

	if (afr_is_environment_error(a->ret))
		snprintf(why, sizeof why, "%s failed there: %s", fop_names[f->op],
			 strerror(-a->ret));
	else
		snprintf(why, sizeof why, "%s answered %d (%s) there and %d (%s) on %s",
			 fop_names[f->op], a->ret, a->ret < 0 ? strerror(-a->ret) : "success",
			 right, right < 0 ? strerror(-right) : "success",
			 f->xl->children[law]->name);
	afr_evict(f->xl->priv, afr_bit(child), why);
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
	int law = find_law(f, local);
	local->child = law;
	local->good = law >= 0 ? same_answers(local, law) : 0;
	local->marking = false;
	for (uint64_t left = law >= 0 ? local->sent & ~local->good : 0; left; left &= left - 1)
		if (misses_nothing(f, local, local->answers[afr_lowest(left)].ret))
			local->good |= left & -left;
	uint64_t bad = law >= 0 ? local->sent & ~local->good : 0;
	if (bad && !(afr->members & local->good)) {
		log_critical(
			f->xl->name,
			"%s: the subvolumes that did it are gone, and others failed: they differ now",
			fop_names[f->op]);
		bad = 0;
	}
	for (; bad; bad &= bad - 1) {
		const struct afr_answer *a = &local->answers[afr_lowest(bad)];

		/* An error at the law changes nothing; who failed by himself has missed nothing
		 * then.  A sync changes nothing anyway: who could do it is not worse than the
		 * law. */
		if (local->answers[law].ret >= 0 ||
		    (!afr_failed_by_itself(f, a->ret) && fop_is_change(f->op)))
			change_evict(f, afr_lowest(bad), a, law);
	}
	afr_wait(f, change_answer);
}

/* ---- appends: the law says where, the others write there ---- */

static bool is_append(const struct frame *f)
{
	return f->op == FOP_write && (((const struct write_args *)f->args)->flags & WRITE_APPEND);
}

static void append_done(struct frame *f, int child, int ret, const void *reply)
{
	struct afr_local *local = frame_data(f);
	const struct write_reply *r = reply;
	struct write_args a = *(const struct write_args *)f->args;

	local->answers[child].ret = ret;
	reply_copy(&local->answers[child].reply, f->op, reply);
	local->sent |= afr_bit(child);
	local->pending &= ~afr_bit(child);
	if (!local->pending || (ret < 0 && !afr_failed_by_itself(f, ret)))
		return change_compare(f);
	if (ret < 0)
		return wind_any(f, afr_lowest(local->pending), append_done);
	if (attr_present(&r->attr) && r->attr.size >= (uint64_t)ret) {
		a.offset = r->attr.size - (uint64_t)ret;
		a.flags &= ~(uint32_t)WRITE_APPEND;
	}
	local->sent |= local->pending;
	local->next = change_compare;
	for (uint64_t left = local->pending; left; ) {
		int i = afr_lowest(left);

		left &= left - 1;
		wind_any_args(f, i, &a, gather_done);
	}
}

/* Two clients that append at the same moment would have the members end in different orders.  A
 * round more. */
static void append_send(struct frame *f, uint64_t to)
{
	struct afr_local *local = frame_data(f);

	local->sent = 0;
	local->pending = to;
	local->answers = frame_alloc(f, f->xl->nr_children * sizeof *local->answers);
	if (!local->answers)
		return change_compare(f);
	wind_any(f, afr_lowest(to), append_done);
}

static void change_fail(struct frame *f, int err)
{
	afr_times_end(f);
	fail(f, err);
}

static void change_send(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	struct afr_local *local = frame_data(f);

	if (afr_must_wait(afr))
		return afr_wait(f, change_send);
	afr_check_again(afr);
	uint64_t to = afr->stopping ? 0 : afr->members;
	if (!to)
		return change_fail(f, -ENOTCONN);
	if (!afr_is_marked(afr, ~to)) {
		if (local->marking && afr->mark_error)
			return change_fail(f, afr->mark_error);
		local->marking = true;
		afr_mark(afr, ~to);
		return afr_wait(f, change_send);
	}
	struct fd *fds[2];
	for (int i = 0, n = afr_fds_of(f, fds); i < n; i++)
		if (to & ~afr_fd_opened(f->xl, fds[i]) & ~local->tried)
			return afr_with_fds(f, to, change_send);
	if (is_append(f) && (to & (to - 1)))
		return append_send(f, to);
	afr_gather(f, to, change_compare);
}

void afr_change(struct frame *f)
{
	afr_times_begin(f);
	change_send(f);
}

/* What is durable is so on every member, so a sync passes nobody by either. */
void afr_sync(struct frame *f)
{
	change_send(f);
}

/* ---- open, flush: succeed where they can; a change that follows settles who is good ---- */

static void open_answer(struct frame *f)
{
	struct afr_local *local = frame_data(f);

	if (!local->answers)
		return fail(f, -ENOMEM);
	afr_note_opened(f);
	int law = find_law(f, local);
	if (law < 0)
		law = afr_lowest(local->sent);
	afr_unwind(f, law);
}

static void open_send(struct frame *f)
{
	struct afr *afr = f->xl->priv;

	if (!afr->members)
		return afr_must_wait(afr) ? afr_wait(f, open_send) : fail(f, -ENOTCONN);
	afr_gather(f, afr->members, open_answer);
}

void afr_open(struct frame *f, const struct open_args *a)
{
	if (a->flags & O_TRUNC)
		return afr_change(f);
	open_send(f);
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

	afr_flush_left_behind(f, a);
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
		} else if (smallest < 0 ||
			   a->reply.statfs.statfs.bavail * a->reply.statfs.statfs.frsize < least) {
			smallest = i;
			least = a->reply.statfs.statfs.bavail * a->reply.statfs.statfs.frsize;
		}
	}
	if (smallest >= 0)
		return afr_unwind(f, smallest);
	afr_answers_drop(f);
	fail(f, error);
}

static void statfs_send(struct frame *f)
{
	struct afr *afr = f->xl->priv;

	if (!afr->members)
		return afr_must_wait(afr) ? afr_wait(f, statfs_send) : fail(f, -ENOTCONN);
	afr_gather(f, afr->members, statfs_answer);
}

void afr_statfs(struct frame *f, const struct statfs_args *a)
{
	statfs_send(f);
}
