/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * afr-check.c - a child comes up: may it be a member?
 *
 *	its id -> the marks that it has -> the marks that the others have against it
 *	    -> member, or not
 *
 * What cannot be read is not taken for "no mark": the check is made again (a second later, or when
 * the child comes up again).  Nor is a child taken in that nobody could vouch for: one that this
 * client has never used, while one that it has used is away, which may have marks against it.
 *
 * Members are looked at again every second in which there are operations: another client may have
 * put one out.
 *
 * Two that have marks against each other have been changed apart: neither is used, a person must
 * choose.
 *
 * Limitation of this first form: a client that begins while only an outdated brick is up cannot
 * know; the other brick will then carry a mark against it and it a mark against the other, which is
 * found at first contact.
 */
#include "afr-member.h"

enum { RETRY_MS = 1000, AGAIN_MS = 1000 };

/* What a check learns: of the child that came up, and of each other about it and by it. */
struct check {
	int child, at;			/* at: the other whose mark is being asked for */
	uint32_t epoch;			/* of the child when the check began */
	uint64_t accused_by, accuses;	/* other children, one bit each */
	uint64_t asked, vouched;	/* others that were asked about it, and have no mark */
	bool unsure;			/* something could not be read */
	bool replaced;			/* it is not the brick that was there before */
	/* it is a member: is it still good?  Nobody waits for the answer */
	bool again;
	const char *refused;		/* it cannot be used at all: why */
	char reason[192];
};

/* Is the answer of a getxattr "there is none"?  All else that fails tells nothing. */
static bool is_absent(int ret)
{
	return ret == -ENODATA;
}

/* ---- the end ---- */

static void split_brain(struct afr *afr, uint64_t mask)
{
	for (uint64_t left = mask; left; left &= left - 1)
		afr_put_out(afr, afr_lowest(left),
			    "split-brain: it and another subvolume were changed apart");
	log_critical(afr->xl->name,
		     "split-brain: choose the good brick and remove the marks " AFR_MARK
		     "* from its root directory");
}

/* Those that cannot be asked now but may have a mark against it: used here before, away, and not
 * out themselves. */
static uint64_t not_vouched(const struct afr *afr, const struct check *k)
{
	uint64_t who = afr->ever & ~afr_bit(k->child) & ~k->vouched & ~afr->child[k->child].vouched;

	for (uint64_t left = who; left; left &= left - 1)
		if (afr->child[afr_lowest(left)].out)
			who &= ~(left & -left);
	return who;
}

static void put_out_accused(struct afr *afr, const struct check *k)
{
	for (uint64_t left = k->accuses; left; left &= left - 1) {
		int i = afr_lowest(left);

		afr_put_out(afr, i, "it has missed changes");
		afr->child[i].marked_by |= afr_bit(k->child);
	}
}

static void join(struct afr *afr, const struct check *k)
{
	struct afr_child *c = &afr->child[k->child];

	put_out_accused(afr, k);
	for (uint64_t left = k->vouched; left; left &= left - 1)
		afr->child[afr_lowest(left)].vouched |= afr_bit(k->child);
	c->vouched |= k->vouched;
	afr->members |= afr_bit(k->child);
	afr->ever |= afr_bit(k->child);
	c->reason[0] = '\0';
	c->since_ns = loop_wall_ns(xl_loop(afr->xl));
	log_notice(afr->xl->name, "%s is a member", afr->xl->children[k->child]->name);
}

/* Begins the checks of those that are up, not members, and not known to be out. */
static void check_others(struct afr *afr)
{
	for (int i = 0; i < afr->xl->nr_children; i++) {
		struct afr_child *c = &afr->child[i];

		if (c->up && !c->out && !c->failed && !c->checking && !(afr->members & afr_bit(i)))
			afr_check_begin(afr, i);
	}
}

void afr_retry_checks(struct timer *t)
{
	check_others((struct afr *)((char *)t - offsetof(struct afr, retry_timer)));
}

static void try_later(struct afr *afr)
{
	if (!afr->stopping && !timer_active(&afr->retry_timer))
		timer_start(&afr->retry_timer, xl_loop(afr->xl), RETRY_MS, afr_retry_checks);
}

/* What the check has found.  Whether a member was won. */
static bool conclude(struct afr *afr, struct check *k)
{
	struct afr_child *c = &afr->child[k->child];
	const char *name = afr->xl->children[k->child]->name;
	uint64_t both = 0;

	/* Seen in this check, or one half of it in an earlier one. */
	for (uint64_t left = k->accused_by; left; left &= left - 1)
		if ((k->accuses & left & -left) ||
		    (afr->child[afr_lowest(left)].marked_by & afr_bit(k->child)))
			both |= left & -left;
	c->marked_by |= k->accused_by;
	if (k->replaced) {
		/* No mark is against the id of the new one: all but the members are out. */
		c->id[0] = '\0';
		c->marked_by = 0;
		afr_put_out(afr, k->child, "another brick is there now");
		afr_evict(afr, afr_bit(k->child), "another brick is there now");
	} else if (k->refused) {
		c->failed = true;
		afr_set_reason(afr, k->child, k->refused);
		log_error(afr->xl->name, "%s is not used: %s", name, k->refused);
	} else if (both) {
		split_brain(afr, both | afr_bit(k->child));
	} else if (k->accused_by) {
		afr_put_out(afr, k->child, k->reason);
	} else if (c->out) {
		/* it was away during a change, and there was another one on it alone */
		if (k->accuses & afr->members)
			split_brain(afr, k->accuses | afr_bit(k->child));
	} else if (k->again) {
		put_out_accused(afr, k);
	} else if (k->unsure) {
		afr_set_reason(afr, k->child, "it is not known yet whether it has missed changes");
		try_later(afr);
	} else if (c->up && !c->out && not_vouched(afr, k)) {
		afr_set_reason(afr, k->child,
			       "only a subvolume that is away knows whether it has missed changes");
		log_warning(afr->xl->name, "%s is not used: %s", name, c->reason);
	} else if (c->up && !c->out) {
		join(afr, k);
		return true;
	}
	return false;
}

static void check_end(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	struct check k = *(struct check *)frame_data(f);
	struct afr_child *c = &afr->child[k.child];

	call_end(f);
	if (k.again) {
		if (c->epoch == k.epoch && !afr->stopping)
			conclude(afr, &k);
		xl_busy(afr->xl, -1);
		afr_tell(afr);
		return;
	}
	c->checking = false;
	/* it went and came meanwhile: what was read may be no answer at all */
	if (c->epoch != k.epoch) {
		if (c->up && !c->out)
			afr_check_begin(afr, k.child);
	} else if (conclude(afr, &k)) {
		check_others(afr);
	}
	afr->checks--;			/* last: no change gets in between */
	afr_tell(afr);
	afr_wake(afr);
}

/* ---- the marks of the others against it ---- */

static void check_answered(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	struct check *k = frame_data(f);

	if (f->pending)
		return;
	/* gone while it was asked: it has told nothing */
	for (uint64_t left = k->asked; left; left &= left - 1)
		if (!afr->child[afr_lowest(left)].up)
			k->vouched &= ~(left & -left);
	check_end(f);
}

/* `child` could not tell.  Nothing to wait for when it has gone. */
static void not_told(struct frame *f, int child)
{
	struct afr *afr = f->xl->priv;
	struct check *k = frame_data(f);

	k->vouched &= ~afr_bit(child);
	if (afr->child[child].up)
		k->unsure = true;
}

static void check_mark_done(struct frame *f, int child, int ret, const struct getxattr_reply *reply)
{
	struct check *k = frame_data(f);

	if (ret >= 0) {
		k->accused_by |= afr_bit(child);
		snprintf(k->reason, sizeof k->reason, "%.*s",
			 (int)(reply->value->len < 180 ? reply->value->len : 180),
			 (const char *)reply->value->data);
	} else if (!is_absent(ret)) {
		not_told(f, child);
	}
	check_answered(f);
}

/* Is the id one of the words of an `others` mark? */
static bool is_named(const struct buf *value, const char *id)
{
	size_t n = strlen(id);

	for (size_t at = 0; n && at + n <= value->len; at++)
		if (memcmp(value->data + at, id, n) == 0)
			return true;
	return false;
}

static void check_others_mark_done(struct frame *f, int child, int ret,
				   const struct getxattr_reply *reply)
{
	struct afr *afr = f->xl->priv;
	struct check *k = frame_data(f);

	if (ret >= 0 && !is_named(reply->value, afr->child[k->child].id)) {
		k->accused_by |= afr_bit(child);
		if (!k->reason[0])
			snprintf(k->reason, sizeof k->reason,
				 "it was away during a change (%s was there)",
				 f->xl->children[child]->name);
	} else if (ret < 0 && !is_absent(ret)) {
		not_told(f, child);
	}
	check_answered(f);
}

static bool mark_args(struct frame *f, const char *id, struct getxattr_args *ret_args)
{
	char name[AFR_MARK_NAME];

	afr_mark_name(name, id);
	*ret_args = (struct getxattr_args){ .inode = inode_root(xl_inodes(f->xl)), .name = frame_strdup(f, name) };
	return ret_args->name != NULL;
}

static void check_accused(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	struct check *k = frame_data(f);
	struct getxattr_args mine, others;

	f->pending++;
	if (!mark_args(f, afr->child[k->child].id, &mine) || !mark_args(f, AFR_OTHERS, &others)) {
		k->unsure = true;
	} else {
		for (int i = 0; i < f->xl->nr_children; i++)
			if (i != k->child && afr->child[i].up)
				k->asked |= afr_bit(i);
		k->vouched = k->asked;
		for (uint64_t left = k->asked; left; left &= left - 1) {
			wind_getxattr(f, afr_lowest(left), &mine, check_mark_done);
			wind_getxattr(f, afr_lowest(left), &others, check_others_mark_done);
		}
	}
	f->pending--;
	check_answered(f);
}

/* ---- the marks that it has: asked for one by one ---- */

static void check_accuses_others_done(struct frame *f, int child, int ret,
				      const struct getxattr_reply *reply)
{
	struct afr *afr = f->xl->priv;
	struct check *k = frame_data(f);

	for (int i = 0; ret >= 0 && i < f->xl->nr_children; i++)
		if (i != child && afr->child[i].id[0] && !is_named(reply->value, afr->child[i].id))
			k->accuses |= afr_bit(i);
	if (ret < 0 && !is_absent(ret))
		k->unsure = true;
	check_accused(f);
}

static void check_accuses_next(struct frame *f, int from);

static void check_accuses_done(struct frame *f, int child, int ret,
			       const struct getxattr_reply *reply)
{
	struct check *k = frame_data(f);

	if (ret >= 0)
		k->accuses |= afr_bit(k->at);
	else if (!is_absent(ret))
		k->unsure = true;
	check_accuses_next(f, k->at + 1);
}

/* An id that is not known is asked for when its brick comes up. */
static void check_accuses_next(struct frame *f, int from)
{
	struct afr *afr = f->xl->priv;
	struct check *k = frame_data(f);
	struct getxattr_args a;

	while (from < f->xl->nr_children && (from == k->child || !afr->child[from].id[0]))
		from++;
	k->at = from;
	if (!mark_args(f, from < f->xl->nr_children ? afr->child[from].id : AFR_OTHERS, &a)) {
		k->unsure = true;
		return check_end(f);
	}
	wind_getxattr(f, k->child, &a,
		      from < f->xl->nr_children ? check_accuses_done : check_accuses_others_done);
}

/* ---- its id ---- */

static const char *learn_id(struct afr *afr, struct check *k, const struct buf *value)
{
	int child = k->child;
	struct afr_child *c = &afr->child[child];
	char id[sizeof c->id];

	if (value->len != 16)
		return "its brick id is not one";
	for (size_t i = 0; i < 16; i++)
		snprintf(id + 2 * i, 3, "%02x", value->data[i]);
	k->replaced = c->id[0] && strcmp(c->id, id) != 0;
	if (k->replaced)
		return NULL;
	for (int i = 0; i < afr->xl->nr_children; i++)
		if (i != child && strcmp(afr->child[i].id, id) == 0)
			return "it is the same brick as another subvolume";
	memcpy(c->id, id, sizeof id);
	return NULL;
}

static void check_id_done(struct frame *f, int child, int ret, const struct getxattr_reply *reply)
{
	struct check *k = frame_data(f);

	if (ret >= 0)
		k->refused = learn_id(f->xl->priv, k, reply->value);
	else if (afr_is_environment_error(ret) && ret != -ENOSYS)
		k->unsure = true;
	else
		k->refused = "it has no brick id";
	if (k->refused || k->replaced || k->unsure)
		return check_end(f);
	check_accuses_next(f, 0);
}

static struct frame *check_new(struct afr *afr, int child)
{
	struct frame *f = call_new(afr->xl, NULL, sizeof(struct check));

	if (f)
		*(struct check *)frame_data(f) = (struct check){ .child = child, .epoch = afr->child[child].epoch };
	return f;
}

void afr_check_begin(struct afr *afr, int child)
{
	struct frame *f = check_new(afr, child);

	if (!f) {
		log_error(afr->xl->name, "no memory to take in %s", afr->xl->children[child]->name);
		return try_later(afr);
	}
	afr->child[child].checking = true;
	afr->checks++;
	struct getxattr_args a = { .inode = inode_root(xl_inodes(afr->xl)),
				   .name = "trusted.glusterfs.brick-id" };
	wind_getxattr(f, child, &a, check_id_done);
}

/*
 * Another client may have put a member out that we still reach.  All pairs are asked about when all
 * but the first member are looked at.  Driven by operations, not by a timer: a mount that is not
 * used asks nobody.
 */
void afr_check_again(struct afr *afr)
{
	uint64_t now = loop_now_ns(xl_loop(afr->xl)), rest = afr->members & (afr->members - 1);

	if (!rest || afr->stopping || now < afr->check_again_ns || afr_must_wait(afr))
		return;
	afr->check_again_ns = now + AGAIN_MS * UINT64_C(1000000);
	for (uint64_t left = rest; left; left &= left - 1) {
		struct frame *f = check_new(afr, afr_lowest(left));

		if (!f)
			return;		/* in a second */
		((struct check *)frame_data(f))->again = true;
		xl_busy(afr->xl, 1);
		check_accuses_next(f, 0);
	}
}
