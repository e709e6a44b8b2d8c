/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * afr-member.c - who is a member, and who is out.
 *
 * A child that a change has passed by is *out*.  Before that change is acknowledged every member
 * has been given a mark on its root directory, so that a client that comes later, or this one after
 * a restart, does not take the old copy for a good one:
 *
 *	trusted.glusterfs.afr.out.<brick id>	that brick is out
 *	trusted.glusterfs.afr.out.others	all are out but those whose ids are the value: for a
 *						brick that was not there yet, whose id nobody knew
 *
 * A child that comes up becomes a member when nobody up has a mark against it (afr-check.c).
 *
 * While marks are read or written, changes wait (afr_wait).  A mark that cannot be written on one
 * of several members ends with that one out; on the last one, with the change failed.
 */
#include <stdio.h>

#include "afr-member.h"

void afr_tell(struct afr *afr)
{
	struct xlator *xl = afr->xl;
	bool all_heard = !timer_active(&afr->retry_timer), all_failed = true;

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
		afr->told_failed = false;
		timer_stop(&afr->start_timer);
		xl_notify(xl, XL_CHILD_UP, NULL);
	} else if (!afr->told_failed && !afr->members && all_heard && all_failed) {
		char text[512] = "";
		size_t n = 0;

		for (int i = 0; i < xl->nr_children && n < sizeof text; i++)
			n += snprintf(text + n, sizeof text - n, "%s%s: %s", i ? "; " : "",
				      xl->children[i]->name, afr->child[i].reason);
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
			log_warning(afr->xl->name, "beginning without %s: %s",
				    afr->xl->children[i]->name,
				    afr->child[i].reason[0] ? afr->child[i].reason
							    : "no answer yet");
	afr_tell(afr);
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

void afr_wake(struct afr *afr)
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

void afr_set_reason(struct afr *afr, int i, const char *reason)
{
	snprintf(afr->child[i].reason, sizeof afr->child[i].reason, "%s", reason);
	afr->child[i].since_ns = loop_wall_ns(xl_loop(afr->xl));
}

void afr_put_out(struct afr *afr, int i, const char *why)
{
	struct afr_child *c = &afr->child[i];

	afr->members &= ~afr_bit(i);
	if (c->out)
		return;
	c->out = true;
	afr_set_reason(afr, i, why);
	log_critical(afr->xl->name, "%s is out: %s; its copy is old from now on and is not used",
		     afr->xl->children[i]->name, why);
}

struct mark {
	int out;			/* who is being marked */
};

static void mark_end(struct frame *f)
{
	struct afr *afr = f->xl->priv;

	call_end(f);
	afr->marks--;
	afr_wake(afr);
}

static void mark_done(struct frame *f, int child, int ret, const struct setxattr_reply *reply)
{
	struct afr *afr = f->xl->priv;
	struct afr_child *c = &afr->child[((struct mark *)frame_data(f))->out];
	uint64_t bit = afr_bit(child);

	c->marking &= ~bit;
	if (ret >= 0) {
		c->marked_by |= afr->members & bit;
	} else {
		log_error(f->xl->name, "cannot note on %s who is out: %s",
			  f->xl->children[child]->name, strerror(-ret));
		/* It could not keep the record: it must not be the one that is believed later. */
		if ((afr->members & bit) && !afr_evict(afr, bit, "it could not note who is out"))
			afr->mark_error = ret;
	}
	if (!f->pending)
		mark_end(f);
}

/* The ids of all members, for the mark against a brick whose own is not known. */
static size_t member_ids(const struct afr *afr, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (uint64_t left = afr->members; left && n < size; left &= left - 1)
		n += snprintf(out + n, size - n, "%s%s", n ? " " : "",
			      afr->child[afr_lowest(left)].id);
	return n < size ? n : size - 1;
}

/* Writes to the children in `to` that child `out` is out. */
static void mark_write(struct afr *afr, int out, uint64_t to)
{
	struct afr_child *c = &afr->child[out];
	char name[AFR_MARK_NAME], text[AFR_MAX * sizeof c->id + 1];
	size_t len;

	to &= ~c->marked_by & ~c->marking;
	if (!to)
		return;
	struct frame *f = call_new(afr->xl, NULL, sizeof(struct mark));
	afr_mark_name(name, c->id[0] ? c->id : AFR_OTHERS);
	if (c->id[0])
		len = snprintf(text, sizeof text, "%s: %s", afr->xl->children[out]->name,
			       c->reason);
	else
		len = member_ids(afr, text, sizeof text);
	_cleanup_buf_ struct buf *value = buf_copy(text, len);
	char *kept = f ? frame_strdup(f, name) : NULL;
	if (!value || !kept) {
		log_error(afr->xl->name, "no memory to note that %s is out",
			  afr->xl->children[out]->name);
		if (f)
			call_end(f);
		afr->mark_error = -ENOMEM;
		return;
	}
	((struct mark *)frame_data(f))->out = out;
	afr->marks++;
	c->marking |= to;
	/* so that an answer at once does not end the call under us */
	f->pending++;
	struct setxattr_args a = { .inode = inode_root(xl_inodes(afr->xl)),
				   .name = kept,
				   .value = value };
	for (uint64_t left = to; left; left &= left - 1)
		wind_setxattr(f, afr_lowest(left), &a, mark_done);
	if (--f->pending == 0)
		mark_end(f);
}

bool afr_evict(struct afr *afr, uint64_t mask, const char *why)
{
	if (afr->stopping || !(afr->members & ~mask))
		return false;		/* never the last one */
	for (uint64_t left = mask; left; left &= left - 1)
		afr_put_out(afr, afr_lowest(left), why);
	for (uint64_t left = mask; left; left &= left - 1)
		mark_write(afr, afr_lowest(left), afr->members);
	return true;
}

bool afr_is_marked(const struct afr *afr, uint64_t mask)
{
	for (uint64_t left = mask & afr_all(afr); left; left &= left - 1)
		if (afr->members & ~afr->child[afr_lowest(left)].marked_by)
			return false;
	return true;
}

void afr_mark(struct afr *afr, uint64_t mask)
{
	char why[224];

	afr->mark_error = 0;
	mask &= afr_all(afr) & ~afr->members;
	for (uint64_t left = mask; left; left &= left - 1) {
		int i = afr_lowest(left);
		const char *reason = afr->child[i].reason;

		snprintf(why, sizeof why, "it was away during a change (%s)",
			 reason[0] ? reason : "not connected");
		afr_put_out(afr, i, why);
		mark_write(afr, i, afr->members);
	}
}

/* ---- events ---- */

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
		/* it may be given marks against those */
		for (int i = 0; i < xl->nr_children; i++)
			if (!afr->child[i].up)
				afr->child[i].vouched &= ~afr_bit(child);
		if (c->out)
			log_warning(xl->name, "%s is back, and stays out: %s", name, c->reason);
		if (!c->checking)
			afr_check_begin(afr, child);
		break;
	case XL_CHILD_DOWN:
	case XL_CHILD_FAILED:
		c->heard = true;
		c->up = false;
		c->epoch++;
		/* who knows what is there when it comes back */
		for (int i = 0; i < xl->nr_children; i++) {
			afr->child[i].marked_by &= ~afr_bit(child);
			/* other clients may go on with that one */
			if (afr->child[i].up)
				c->vouched &= ~afr_bit(i);
		}
		c->failed = what == XL_CHILD_FAILED;
		if (!c->out)
			afr_set_reason(afr, child, data ? data : "down");
		if (afr->members & afr_bit(child)) {
			afr->members &= ~afr_bit(child);
			log_warning(xl->name, "%s is down: %s", name, c->reason);
		}
		break;
	default:
		return xl_notify(xl, what, data);
	}
	afr_tell(afr);
}
