/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * afr-member.c - who is a member, and who is out.
 *
 * A child that a change has passed by is *out*.  Before that change is acknowledged every member has been given
 * a mark, the xattr trusted.glusterfs.afr.out.<brick id> on its root directory, so that a client that
 * comes later, or this one after a restart, does not take the old copy for a good one.  A child that comes up
 * becomes a member when nobody up has a mark against it.  Two that have marks against each other have been
 * changed apart: neither is used, a person must choose.
 *
 * While marks are read or written, changes wait (afr_wait).
 *
 * Limitation of this first form: a client that begins while only an outdated brick is up cannot know; the other
 * brick will then carry a mark against it and it a mark against the other, which is found at first contact.
 */
#include <fcntl.h>
#include <stdio.h>

#include "afr.h"

#define MARK "trusted.glusterfs.afr.out."
enum { MARK_NAME = sizeof MARK + 32 };

/* What a check learns: of the child that came up, and of each other about it and by it. */
struct check {
	int child;
	uint32_t epoch;			/* of the child when the check began */
	uint32_t pending;
	uint64_t accused_by, accuses;	/* other children, one bit each */
	char reason[128];
};

static void tell(struct afr *afr)
{
	struct xlator *xl = afr->xl;
	bool all_heard = true, all_failed = true;

	for (int i = 0; i < xl->nr_children; i++) {
		struct afr_child *c = &afr->child[i];

		all_heard &= c->heard && !c->checking;
		all_failed &= c->failed || (c->out && c->up);
	}
	if (afr->told_up && !afr->members) {
		afr->told_up = false;
		xl_notify(xl, XL_CHILD_DOWN, (void *)"no subvolume is left");
	} else if (!afr->told_up && afr->members && (all_heard || afr->waited)) {
		afr->told_up = true;
		timer_stop(&afr->start_timer);
		xl_notify(xl, XL_CHILD_UP, NULL);
	} else if (!afr->told_failed && !afr->members && all_heard && all_failed) {
		char text[512] = "";
		size_t n = 0;

		for (int i = 0; i < xl->nr_children && n < sizeof text; i++)
			n += snprintf(text + n, sizeof text - n, "%s%s: %s", i ? "; " : "", xl->children[i]->name,
				      afr->child[i].reason);
		afr->told_failed = true;
		xl_notify(xl, XL_CHILD_FAILED, text);
	}
}

void afr_start_timeout(struct timer *t)
{
	struct afr *afr = (struct afr *)((char *)t - offsetof(struct afr, start_timer));

	afr->waited = true;
	for (int i = 0; i < afr->xl->nr_children; i++)
		if (!(afr->members & afr_bit(i)))
			log_warning(afr->xl->name, "beginning without %s: %s", afr->xl->children[i]->name,
				    afr->child[i].reason[0] ? afr->child[i].reason : "no answer yet");
	tell(afr);
}

/* ---- waiting ---- */

void afr_wait(struct frame *f, void (*next)(struct frame *f))
{
	struct afr *afr = f->xl->priv;
	struct afr_local *local = frame_data(f);

	if (!afr_must_wait(afr))
		return next(f);
	local->next = next;
	local->waiting_next = NULL;
	*afr->waiting_tail = f;
	afr->waiting_tail = &local->waiting_next;
}

static void wake(struct afr *afr)
{
	while (afr->waiting && !afr_must_wait(afr)) {
		struct frame *f = afr->waiting;
		struct afr_local *local = frame_data(f);

		afr->waiting = local->waiting_next;
		if (!afr->waiting)
			afr->waiting_tail = &afr->waiting;
		local->next(f);
	}
}

/* ---- marks ---- */

static void set_reason(struct afr *afr, int i, const char *reason)
{
	snprintf(afr->child[i].reason, sizeof afr->child[i].reason, "%s", reason);
	afr->child[i].since_ns = loop_wall_ns(xl_loop(afr->xl));
}

static void mark_done(struct frame *f, int child, int ret, const struct setxattr_reply *reply)
{
	struct afr *afr = f->xl->priv;

	if (ret < 0) {
		log_error(f->xl->name, "cannot note on %s who is out: %s", f->xl->children[child]->name, strerror(-ret));
		/* It could not keep the record: it must not be the one that is believed later. */
		if (afr_is_environment_error(ret) && (afr->members & ~afr_bit(child)))
			afr_evict(afr, afr_bit(child), strerror(-ret));
	}
	if (f->pending)
		return;
	call_end(f);
	afr->marks--;
	wake(afr);
}

/* Writes to every member that child `out` is out. */
static void mark_write(struct afr *afr, int out)
{
	struct afr_child *c = &afr->child[out];
	uint64_t to = afr->members;
	char name[MARK_NAME], text[320];

	c->marked = true;
	if (!c->id[0] || !to)
		return;
	struct frame *f = call_new(afr->xl, NULL, 0);
	int len = snprintf(text, sizeof text, "%s: %s", afr->xl->children[out]->name, c->reason);
	_cleanup_buf_ struct buf *value = buf_copy(text, len);
	char *kept = NULL;
	if (f) {
		snprintf(name, sizeof name, MARK "%s", c->id);
		kept = frame_strdup(f, name);
	}
	if (!value || !kept) {
		log_error(afr->xl->name, "no memory to note that %s is out", afr->xl->children[out]->name);
		if (f)
			call_end(f);
		return;
	}
	afr->marks++;
	struct setxattr_args a = { .inode = inode_root(xl_inodes(afr->xl)), .name = kept, .value = value };
	f->pending++;			/* so that an answer at once does not end the call under us */
	for (int i = 0; i < afr->xl->nr_children; i++)
		if (to & afr_bit(i))
			wind_setxattr(f, i, &a, mark_done);
	if (--f->pending == 0) {
		call_end(f);
		afr->marks--;
		wake(afr);
	}
}

static void put_out(struct afr *afr, int i, const char *why)
{
	struct afr_child *c = &afr->child[i];

	afr->members &= ~afr_bit(i);
	if (c->out)
		return;
	c->out = true;
	set_reason(afr, i, why);
	log_critical(afr->xl->name, "%s is out: %s; its copy is old from now on and is not used", afr->xl->children[i]->name,
		     why);
}

void afr_evict(struct afr *afr, uint64_t mask, const char *why)
{
	mask &= afr->members;
	if (!(afr->members & ~mask))
		return;			/* never the last one */
	for (int i = 0; i < afr->xl->nr_children; i++)
		if (mask & afr_bit(i))
			put_out(afr, i, why);
	for (int i = 0; i < afr->xl->nr_children; i++)
		if (mask & afr_bit(i))
			mark_write(afr, i);
}

void afr_mark_absent(struct afr *afr)
{
	for (int i = 0; i < afr->xl->nr_children; i++) {
		struct afr_child *c = &afr->child[i];

		if ((afr->members & afr_bit(i)) || c->marked)
			continue;
		char why[224];
		snprintf(why, sizeof why, "it was away during a change (%s)", c->reason[0] ? c->reason : "not connected");
		put_out(afr, i, why);
		mark_write(afr, i);
	}
}

/* ---- a child comes up ---- */

static void check_begin(struct afr *afr, int child);

static void check_end(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	struct check *k = frame_data(f);
	struct afr_child *c = &afr->child[k->child];
	const char *name = f->xl->children[k->child]->name;
	uint64_t both = k->accused_by & k->accuses;

	c->checking = false;
	afr->checks--;
	if (c->epoch != k->epoch) {	/* it went and came meanwhile: what was read may be no answer at all */
		int child = k->child;

		call_end(f);
		if (c->up)
			check_begin(afr, child);
		tell(afr);
		return wake(afr);
	}
	if (both) {
		put_out(afr, k->child, "split-brain: it and another subvolume were changed apart");
		for (int i = 0; i < f->xl->nr_children; i++)
			if (both & afr_bit(i))
				put_out(afr, i, "split-brain: it and another subvolume were changed apart");
		log_critical(f->xl->name, "split-brain: choose the good brick and remove the marks %s* from its root directory",
			     MARK);
	} else if (k->accused_by) {
		put_out(afr, k->child, k->reason);
		c->marked = true;
	} else if (c->up && !c->out) {
		for (int i = 0; i < f->xl->nr_children; i++) {
			if (!(k->accuses & afr_bit(i)))
				continue;
			put_out(afr, i, "it has missed changes");
			afr->child[i].marked = true;
		}
		afr->members |= afr_bit(k->child);
		c->reason[0] = '\0';
		c->since_ns = loop_wall_ns(xl_loop(f->xl));
		log_notice(f->xl->name, "%s is a member", name);
	}
	call_end(f);
	tell(afr);
	wake(afr);
}

static void check_mark_done(struct frame *f, int child, int ret, const struct getxattr_reply *reply)
{
	struct check *k = frame_data(f);

	if (ret >= 0) {			/* `child` has a mark against our child */
		k->accused_by |= afr_bit(child);
		snprintf(k->reason, sizeof k->reason, "%.*s", (int)(reply->value->len < 120 ? reply->value->len : 120),
			 (const char *)reply->value->data);
	}
	if (!f->pending)
		check_end(f);
}

/* Which of the others our child has a mark against: answered one by one, so that the child's answers tell which. */
static void check_accuses_next(struct frame *f, int from);

static void check_accuses_done(struct frame *f, int child, int ret, const struct getxattr_reply *reply)
{
	struct check *k = frame_data(f);

	if (ret >= 0)
		k->accuses |= afr_bit(k->pending);
	check_accuses_next(f, k->pending + 1);
}

static bool mark_args(struct frame *f, const char *id, struct getxattr_args *ret_args)
{
	char name[MARK_NAME];

	snprintf(name, sizeof name, MARK "%s", id);
	*ret_args = (struct getxattr_args){ .inode = inode_root(xl_inodes(f->xl)), .name = frame_strdup(f, name) };
	return ret_args->name != NULL;
}

static void check_accused(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	struct check *k = frame_data(f);
	struct getxattr_args a;

	f->pending++;
	for (int i = 0; i < f->xl->nr_children; i++) {
		if (i == k->child || !afr->child[i].up || !afr->child[k->child].id[0])
			continue;
		if (mark_args(f, afr->child[k->child].id, &a))
			wind_getxattr(f, i, &a, check_mark_done);
	}
	if (--f->pending == 0)
		check_end(f);
}

static void check_accuses_next(struct frame *f, int from)
{
	struct afr *afr = f->xl->priv;
	struct check *k = frame_data(f);
	struct getxattr_args a;

	for (int i = from; i < f->xl->nr_children; i++) {
		if (i == k->child || !afr->child[i].id[0] || !mark_args(f, afr->child[i].id, &a))
			continue;
		k->pending = i;
		return wind_getxattr(f, k->child, &a, check_accuses_done);
	}
	check_accused(f);
}

static void check_id_done(struct frame *f, int child, int ret, const struct getxattr_reply *reply)
{
	struct afr *afr = f->xl->priv;
	struct afr_child *c = &afr->child[child];

	c->id[0] = '\0';
	if (ret < 0)
		log_debug(f->xl->name, "%s has no brick id: %s", f->xl->children[child]->name, strerror(-ret));
	else if (reply->value->len == 16)
		for (size_t i = 0; i < 16; i++)
			snprintf(c->id + 2 * i, 3, "%02x", reply->value->data[i]);
	check_accuses_next(f, 0);
}

static void check_begin(struct afr *afr, int child)
{
	struct frame *f = call_new(afr->xl, NULL, sizeof(struct check));

	if (!f) {
		log_error(afr->xl->name, "no memory to take in %s", afr->xl->children[child]->name);
		return;
	}
	struct check *k = frame_data(f);
	k->child = child;
	k->epoch = afr->child[child].epoch;
	afr->child[child].checking = true;
	afr->checks++;
	struct getxattr_args a = { .inode = inode_root(xl_inodes(afr->xl)), .name = "trusted.glusterfs.brick-id" };
	wind_getxattr(f, child, &a, check_id_done);
}

void afr_event(struct xlator *xl, int child, enum xl_event what, void *data)
{
	struct afr *afr = xl->priv;
	struct afr_child *c = &afr->child[child];
	const char *name = xl->children[child]->name;

	switch (what) {
	case XL_CHILD_UP:
		c->heard = c->up = true;
		c->epoch++;
		c->failed = false;
		if (c->out)
			log_warning(xl->name, "%s is back, and stays out: %s", name, c->reason);
		else if (!c->checking)
			check_begin(afr, child);
		break;
	case XL_CHILD_DOWN:
	case XL_CHILD_FAILED:
		c->heard = true;
		c->up = false;
		c->epoch++;
		c->failed = what == XL_CHILD_FAILED;
		if (!c->out)
			set_reason(afr, child, data ? data : "down");
		if (afr->members & afr_bit(child)) {
			afr->members &= ~afr_bit(child);
			log_warning(xl->name, "%s is down: %s", name, c->reason);
		}
		break;
	default:
		return xl_notify(xl, what, data);
	}
	tell(afr);
}
