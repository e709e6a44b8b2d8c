/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * afr-change.c - a change: home first, then the other members, then the answer, then (afr-commit.c) the commit.
 *
 *	keys     changes of ours on the same key go one after the other
 *	home     executes it when the key is free there, and says its place in the order
 *	others   all full and joining members at once, in that order
 *	answer   when every full member of the view that we hold now has the same result, in that view
 *
 * Whatever goes wrong - a member that is gone, another view, a doubt - is mended first (afr-view.c, afr-settle.c); then the
 * change begins again with the same txn at home, which answers from its journal.  An error of home ends it: nobody else has seen it.
 */
#include <fcntl.h>
#include <limits.h>

#include "afr.h"

static void change_begin(struct frame *f);

bool afr_is_environment_error(int err)
{
	switch (-err) {
	case ENOTCONN: case EIO: case ENOSPC: case EROFS: case EDQUOT: case ENOMEM: case EMFILE:
	case ENFILE: case ETIMEDOUT: case ECONNRESET: case EBADFD: case EBADF: case ENODEV:
	case ENXIO: case EUCLEAN: case ESHUTDOWN: case ENOSYS: case EPROTO: case EREMOTEIO:
	case ENOLINK: case ENOBUFS:
		return true;
	}
	return false;
}

bool afr_failed_by_itself(const struct frame *f, int err)
{
	struct fd *fds[2];

	return afr_is_environment_error(err) || repl_is_refusal(err) || (err == -ESTALE && afr_fds_of(f, fds) > 0);
}

/* Of home: a disk that fails.  That it is full is told to the caller: nothing has happened anywhere. */
static bool is_broken_disk(int err)
{
	return err == -EIO || err == -EROFS || err == -EUCLEAN || err == -ENODEV || err == -ENXIO;
}

/* ---- as whom ---- */

void afr_identity_begin(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	struct afr_local *local = frame_data(f);

	if (!local->caller) {
		local->id = *frame_identity(f);
		local->caller = frame_set_identity(f, &local->id);
		/* Of those whom a server above us serves the bricks know nothing.  Locks are theirs. */
		if (local->id.client != afr->xl->graph->client_id && f->op != FOP_lk) {
			local->id.client = afr->xl->graph->client_id;
			local->id.txn = 0;
		}
	}
	local->id.view = afr->view_name;
	local->id.grant = 0;
}

static void identity_end(struct frame *f)
{
	struct afr_local *local = frame_data(f);

	if (local->caller)
		frame_set_identity(f, local->caller);
	local->caller = NULL;
}

void afr_fail(struct frame *f, int err)
{
	identity_end(f);
	fail(f, err);
}

void afr_unwind_any(struct frame *f, int ret, const void *reply)
{
	identity_end(f);
	unwind_any(f, ret, reply);
}

bool afr_refused(struct frame *f, int child, int ret)
{
	struct afr *afr = f->xl->priv;

	if (ret == REPL_OTHER_VIEW) {
		afr_view_doubtful(afr, child);
		return true;
	}
	if (ret == REPL_IN_DOUBT || ret == REPL_CONFLICT) {
		afr_settle(afr);
		return true;
	}
	return false;
}

/* ---- keys: ours go one after the other ---- */

static struct afr_key_bucket *bucket_of(struct afr *afr, const struct repl_key *key)
{
	uint64_t h;

	memcpy(&h, key->id.b + 8, sizeof h);
	return &afr->keys[h % (sizeof afr->keys / sizeof afr->keys[0])];
}

static bool is_taken(struct afr *afr, const struct repl_key *key)
{
	const struct afr_key *k;

	LIST_FOREACH(k, bucket_of(afr, key), link)
		if (repl_key_equal(&k->key, key) && !(k->key.shared && key->shared))
			return true;
	return false;
}

static bool take_keys(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	struct afr_local *local = frame_data(f);
	struct repl_key keys[REPL_KEYS_MAX];
	int nr = repl_keys(f->op, f->args, keys);

	for (int i = 0; i < nr; i++)
		if (is_taken(afr, &keys[i]))
			return false;
	for (int i = 0; i < nr; i++) {
		local->key[i].key = keys[i];
		local->key[i].local = local;
		LIST_INSERT_HEAD(bucket_of(afr, &keys[i]), &local->key[i], link);
	}
	local->nr_keys = nr;
	local->has_keys = true;
	return true;
}

static void drop_keys(struct frame *f)
{
	struct afr_local *local = frame_data(f);

	for (int i = 0; i < local->nr_keys; i++)
		LIST_REMOVE(&local->key[i], link);
	if (local->nr_keys)
		afr_wake(f->xl->priv);
	local->nr_keys = 0;
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

static bool gather_begin(struct frame *f, uint64_t mask, void (*next)(struct frame *f))
{
	struct afr_local *local = frame_data(f);

	if (!local->answers)
		local->answers = frame_alloc(f, f->xl->nr_children * sizeof *local->answers);
	local->sent = local->pending = local->answers ? mask : 0;
	local->next = next;
	return local->answers != NULL;
}

void afr_gather(struct frame *f, uint64_t mask, void (*next)(struct frame *f))
{
	if (!gather_begin(f, mask, next))
		return next(f);
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
		return afr_fail(f, ret);
	}
	/* The answer outlives f, in which it lies. */
	union fop_reply reply = a->reply;
	local->sent &= ~afr_bit(law);
	afr_answers_drop(f);
	afr_unwind_any(f, ret, &reply);
	reply_drop(op, &reply);
}

/* ---- the end of a change ---- */

static void law_drop(struct frame *f)
{
	struct afr_local *local = frame_data(f);

	if (local->has_law && local->law.ret >= 0)
		reply_drop(f->op, &local->law.reply);
	local->has_law = false;
}

static void change_fail(struct frame *f, int err)
{
	struct afr *afr = f->xl->priv;
	struct afr_local *local = frame_data(f);

	/* It may be on some members and not on others: whoever meets it next settles it. */
	if (local->begun)
		afr_commit_add(afr, afr->full | afr->joining, local->id.txn, REPL_GIVEN_UP, true);
	law_drop(f);
	drop_keys(f);
	afr_fail(f, err);
}

static void change_wait(struct frame *f)
{
	struct afr *afr = f->xl->priv;

	law_drop(f);
	((struct afr_local *)frame_data(f))->begun = true;
	afr->nr_again++;
	afr_wait(f, change_begin);
}

/* Was it done to the same objects?  A name that is not healed yet may mean another one there. */
static bool is_same_object(enum fop_id op, const union fop_reply *a, const union fop_reply *b)
{
	const struct attr *one[REPL_ATTRS_MAX], *other[REPL_ATTRS_MAX];
	int nr = repl_attrs(op, a, one);

	if (repl_attrs(op, b, other) != nr)
		return false;
	for (int i = 0; i < nr; i++)
		if (!gfid_equal(&one[i]->gfid, &other[i]->gfid))
			return false;
	return true;
}

/* Places that join and have not executed it. */
static uint32_t missing_joiners(const struct frame *f)
{
	const struct afr *afr = f->xl->priv;
	const struct afr_local *local = frame_data((struct frame *)f);
	uint32_t missing = view_mask(&afr->view, VIEW_JOINING);

	for (uint64_t left = afr->joining & local->sent; left; left &= left - 1) {
		int i = afr_lowest(left);

		if (local->answers[i].ret == local->law.ret &&
		    (local->law.ret < 0 || is_same_object(f->op, &local->law.reply, &local->answers[i].reply)))
			missing &= ~(1u << afr->child[i].place);
	}
	return missing;
}

static void change_answer(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	struct afr_local *local = frame_data(f);
	union fop_reply reply = local->law.reply;
	int ret = local->law.ret;
	enum fop_id op = f->op;

	afr_commit_add(afr, afr->full | afr->joining, local->id.txn, missing_joiners(f), local->waits);
	if (local->sent)
		afr_note_opened(f);
	afr_answers_drop(f);
	local->has_law = false;
	drop_keys(f);
	afr_unwind_any(f, ret, &reply);
	reply_drop(op, &reply);
}

/* ---- the others ---- */

/*
 * A member that was away when an object was opened does not have it any more after its last name is gone.  What is done to it is
 * seen by nobody but through what is open, and vanishes with it.
 */
static bool misses_nothing(const struct frame *f, int err)
{
	const struct afr_local *local = frame_data((struct frame *)f);
	const struct attr *attrs[REPL_ATTRS_MAX];
	int nr = repl_attrs(f->op, &local->law.reply, attrs);

	return (err == -ESTALE || err == -EBADFD || err == -EBADF || err == -ENOENT) && nr && attrs[nr - 1]->nlink == 0 &&
	       fop_classes[f->op] == FOP_WRITE;
}

static void unwant_for(struct frame *f, int child, int ret)
{
	struct afr *afr = f->xl->priv;
	struct afr_local *local = frame_data(f);
	char why[96];

	if (ret < 0)
		snprintf(why, sizeof why, "%s failed there: %s", fop_names[f->op], strerror(-ret));
	else
		snprintf(why, sizeof why, "%s answered %d there and %d at home", fop_names[f->op], ret, local->law.ret);
	afr_unwant(afr, afr->child[child].place, why);
}

/* Looks at the answer of a full member: true when the change must begin again. */
static bool must_begin_again(struct frame *f, int child)
{
	struct afr *afr = f->xl->priv;
	struct afr_local *local = frame_data(f);
	int ret = local->answers[child].ret;

	if (ret == local->law.ret || misses_nothing(f, ret))
		return false;
	if (afr_refused(f, child, ret))
		return true;
	/* Not connected: seen by change_begin() if it still is so. */
	if (ret != -ENOTCONN && afr->child[child].place >= 0)
		unwant_for(f, child, ret);
	return true;
}

static void others_done(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	struct afr_local *local = frame_data(f);
	bool again = local->view != afr->view_name || !local->answers;

	for (uint64_t left = local->sent & afr->full; left && local->answers; left &= left - 1)
		again |= must_begin_again(f, afr_lowest(left));
	if (!again)
		return change_answer(f);
	if (local->sent)
		afr_note_opened(f);
	afr_answers_drop(f);
	change_wait(f);
	afr_look(afr);
}

/* The others write where home has appended. */
static bool is_append(const struct frame *f)
{
	return f->op == FOP_write && (((const struct write_args *)f->args)->flags & WRITE_APPEND);
}

static void others_append(struct frame *f, uint64_t mask)
{
	struct afr_local *local = frame_data(f);
	struct write_args *a = frame_alloc(f, sizeof *a);
	const struct attr *attr = &local->law.reply.write.attr;

	if (!a || !gather_begin(f, mask, others_done))
		return change_fail(f, -ENOMEM);
	*a = *(const struct write_args *)f->args;
	if (attr_present(attr) && attr->size >= (uint64_t)local->law.ret) {
		a->offset = attr->size - (uint64_t)local->law.ret;
		a->flags &= ~(uint32_t)WRITE_APPEND;
	}
	for (uint64_t left = mask; left; ) {
		int i = afr_lowest(left);

		left &= left - 1;
		wind_any_args(f, i, a, gather_done);
	}
}

static void others(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	struct afr_local *local = frame_data(f);
	uint64_t to = (afr->full | afr->joining) & ~afr_bit(local->home);

	for (uint64_t left = to; left; left &= left - 1)
		if (!afr->child[afr_lowest(left)].up)
			to &= ~(left & -left);
	if (local->view != afr->view_name || afr_missing(afr, VIEW_FULL))
		return change_wait(f), afr_look(afr);
	if (!to) {
		local->sent = 0;
		return change_answer(f);
	}
	if (is_append(f))
		return others_append(f, to);
	afr_gather(f, to, others_done);
}

static void others_open(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	struct afr_local *local = frame_data(f);
	uint64_t to = (afr->full | afr->joining) & ~afr_bit(local->home);
	struct fd *fds[2];

	for (int i = 0, n = afr_fds_of(f, fds); i < n; i++)
		if (to & ~afr_fd_opened(f->xl, fds[i]) & ~local->tried)
			return afr_with_fds(f, to & ~local->tried, others);
	others(f);
}

/* ---- home ---- */

/*
 * When home has done it, by the mtime of the first object that it has changed.  (Not the ctime, which the handle of a new object
 * moves.)  REPL_STAMP_NEXT: the others, which are parents, were changed in the next second.
 */
static uint64_t stamp_of(const struct frame *f, const void *reply)
{
	const struct attr *attrs[REPL_ATTRS_MAX];
	const struct ts *first = NULL;
	uint64_t stamp = 0;

	for (int i = 0, n = repl_attrs(f->op, reply, attrs); i < n; i++) {
		const struct ts *t = &attrs[i]->mtime;

		if (!repl_stamps(f->op, f->args, attrs[i]) || (i + 1 < n && gfid_equal(&attrs[i]->gfid, &attrs[i + 1]->gfid)))
			continue;
		if (first && t->sec > first->sec)
			stamp |= REPL_STAMP_NEXT;
		else if (!first)
			stamp = (uint64_t)t->sec * 1000000000 + t->nsec;
		first = first ? first : t;
	}
	return stamp;
}

static void put_txn(struct wire *w, const void *arg)
{
	wire_put_u64(w, *(const uint64_t *)arg);
}

static void yielded(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	struct afr *afr = f->xl->priv;

	if (f->pending)
		return;
	change_wait(f);
	afr_settle(afr);
	afr_look(afr);
}

/*
 * Home has no room or is broken, but an earlier home had done it, so that others may have it too: it is put in doubt everywhere
 * and settled before the error counts (R_ERRYIELD).
 */
static bool must_yield(struct frame *f, int ret)
{
	struct afr *afr = f->xl->priv;
	struct afr_local *local = frame_data(f);

	if (!local->was_done || local->yielded == local->id.view || !afr_is_environment_error(ret))
		return false;
	local->yielded = local->id.view;
	f->pending++;
	for (uint64_t to = afr->members; to; to &= to - 1)
		if (!afr_message(f, afr_lowest(to), REPL_YIELD, 8, put_txn, &local->id.txn, yielded))
			break;
	if (--f->pending == 0)
		yielded(f, -1, 0, NULL);
	return true;
}

static void home_done(struct frame *f, int child, int ret, const void *reply)
{
	struct afr *afr = f->xl->priv;
	struct afr_local *local = frame_data(f);
	uint64_t note = frame_note(f);

	if (ret >= 0 && afr_newfd(f))
		afr_fd_set_opened(f->xl, afr_newfd(f), afr_bit(child));
	if (ret >= 0) {
		local->law.ret = ret;
		reply_copy(&local->law.reply, f->op, reply);
		local->has_law = local->was_done = local->begun = true;
		local->view = local->id.view;
		local->id.grant = note >> 1;
		local->id.stamp_ns = stamp_of(f, reply);
		local->waits |= note & REPL_NOTE_WANTED;
		return others_open(f);
	}
	if (afr_refused(f, child, ret) || ret == -ENOTCONN)
		return change_wait(f), afr_look(afr);
	if (is_broken_disk(ret) && (afr->members & ~afr_bit(child)) && afr->child[child].place >= 0) {
		unwant_for(f, child, ret);
		return change_wait(f), afr_look(afr);
	}
	if (!must_yield(f, ret))
		change_fail(f, ret);
}

static void home_send(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	struct afr_local *local = frame_data(f);

	if (afr->home < 0 || local->home != afr->home || !afr->child[afr->home].up)
		return change_begin(f);
	wind_any(f, local->home, home_done);
}

static void change_begin(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	struct afr_local *local = frame_data(f);
	struct fd *fds[2];
	int err = afr_verdict(f);

	if (err)
		return change_fail(f, err);
	if (!local->has_keys && !take_keys(f))
		return afr_wait(f, change_begin);
	if (afr->looking || afr->proposing || afr->settling || !afr->view_name)
		return afr_wait(f, change_begin);
	if (!afr_members_are_here(afr)) {
		afr_wait(f, change_begin);
		return afr_look(afr);
	}
	afr_identity_begin(f);
	if (!local->id.txn)
		local->id.txn = call_new_txn(afr->xl->graph);
	local->home = afr->home;
	local->tried = 0;
	for (int i = 0, n = afr_fds_of(f, fds); i < n; i++)
		if (!(afr_fd_opened(f->xl, fds[i]) & afr_bit(afr->home)))
			return afr_with_fds(f, afr_bit(afr->home), home_send);
	home_send(f);
}

void afr_change(struct frame *f)
{
	struct afr *afr = f->xl->priv;

	afr->nr_changes++;
	change_begin(f);
}
