/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * replica-change.c - a change at home and at the other members, a read, a commit.
 *
 *	known?  answered from the journal, unless it is in doubt
 *	keys    home: waits for who has them; elsewhere: a change that home has ordered before ours is committed, anything else
 *	        is a conflict
 *	lack    members that do not get this change are noted to lack it, durably, before it is executed
 *	execute between two stores into the journal
 *	answer  with its place in home's order
 *
 * A message may wait for keys (home), for a directory's identity (rmdir, rename), for the note that somebody lacks it; after each
 * wait everything is judged again, since the view may be another one.
 */
#include <fcntl.h>
#include <stdlib.h>

#include "replica.h"

static void change_begin(struct frame *f);

/* After a wait a name may mean something else. */
static void look_again(struct frame *f)
{
	struct replica_call *call = frame_data(f);

	call->nr_keys = repl_keys(f->op, f->args, call->key);
	call->looked = false;
	change_begin(f);
}

static bool view_is_right(const struct replica *r, const struct identity *id)
{
	return id->view && id->view == r->view_name && !r->installing && replica_view_names_us(r) &&
	       (r->view.brick[r->me].role == VIEW_FULL || r->view.brick[r->me].role == VIEW_JOINING);
}

static void refuse(struct frame *f, int why)
{
	struct replica *r = f->xl->priv;

	r->nr_refused++;
	r->nr_conflicts += why == REPL_CONFLICT;
	fail(f, why);
}

/* ---- commits ---- */

static void lacking_noted(void *arg, int ret)
{
}

void replica_note_lacking(struct replica *r, const struct slot *s, uint32_t mask)
{
	if (mask)
		dirty_mark(r->dirty, s->item, s->nr_items, mask, lacking_noted, NULL);
}

struct leaving {
	struct replica *r;
	struct entry *entry;
	uint32_t use;
};

static void leaving_noted(void *arg, int ret)
{
	struct leaving *l = arg;
	struct entry *e = l->entry;

	/* Somebody may have dropped it meanwhile, or have come to doubt it: then it is his. */
	if (ret >= 0 && e->use == l->use && e->slot->state == SLOT_DONE)
		journal_drop(l->r, e);
	else if (ret < 0 && ret != -ECANCELED && e->use == l->use && e->slot->state == SLOT_DONE)
		journal_doubt(l->r, e);
	free(l);
}

/*
 * All members have it, but for those in `lacking`: it leaves the journal when that is on stable storage.  Where it cannot be noted the
 * entry is in doubt, until it can be.
 */
static void leave(struct replica *r, struct entry *e, uint32_t lacking)
{
	struct leaving *l = lacking ? malloc(sizeof *l) : NULL;
	int ret;

	if (!lacking)
		return journal_drop(r, e);
	if (!l)
		return journal_doubt(r, e);
	*l = (struct leaving){ .r = r, .entry = e, .use = e->use };
	ret = dirty_mark(r->dirty, e->slot->item, e->slot->nr_items, lacking, leaving_noted, l);
	if (ret)
		leaving_noted(l, ret);
}

void replica_commit(struct replica *r, uint64_t client, uint64_t txn, uint32_t missing)
{
	struct entry *e = journal_find(r, client, txn);

	if (!e || e->slot->state == SLOT_DOUBT)
		return;			/* whoever settles it will know more */
	if (missing == REPL_GIVEN_UP)
		return journal_doubt(r, e);
	r->nr_commits++;
	if (e->executing) {
		e->commit_then = true;
		e->missing |= missing;
		return;
	}
	leave(r, e, missing & replica_not_full(r));
}

/* ---- the keys ---- */

enum verdict { KEYS_FREE, KEYS_BUSY, KEYS_IN_DOUBT, KEYS_FOREIGN };

/* At home: somebody else's entry, or a settler, has the key. */
static enum verdict judge_at_home(struct replica *r, const struct key_ref *ref, const struct identity *id)
{
	if (ref->owner)
		return KEYS_BUSY;
	const struct slot *s = ref->entry->slot;
	if (s->state == SLOT_DOUBT)
		return KEYS_IN_DOUBT;
	if (s->client == id->client)
		return KEYS_FREE;
	if (!ref->entry->executing && !client_connected(r, s->client)) {
		journal_doubt(r, ref->entry);
		return KEYS_IN_DOUBT;
	}
	return KEYS_BUSY;
}

/* Elsewhere: home has executed ours, so it has seen the end of what it ordered before. */
static enum verdict judge_elsewhere(struct replica *r, struct key_ref *ref, const struct identity *id)
{
	struct slot *s = ref->entry ? ref->entry->slot : NULL;

	if (!s || s->state == SLOT_DOUBT)
		return KEYS_FOREIGN;
	if (s->client == id->client && (s->view != id->view || s->grant < id->grant))
		return KEYS_FREE;
	if (s->view != id->view || s->grant > id->grant) {
		/* Nobody will repeat it: it is to be settled. */
		if (!client_connected(r, s->client))
			journal_doubt(r, ref->entry);
		return KEYS_FOREIGN;
	}
	if (ref->entry->executing) {
		ref->entry->commit_then = true;
		return KEYS_BUSY;
	}
	/* Its commit would say who has missed it, and will not find it. */
	replica_note_lacking(r, s, view_mask(&r->view, VIEW_JOINING) & replica_not_full(r));
	journal_drop(r, ref->entry);
	return KEYS_FREE;
}

static enum verdict judge(struct replica *r, const struct replica_call *call, const struct identity *id)
{
	enum verdict worst = KEYS_FREE;

	for (int i = 0; i < call->nr_keys; i++) {
		struct key_ref *ref = keys_holder(r, &call->key[i], NULL), *next;

		for (; ref; ref = next) {
			next = keys_holder(r, &call->key[i], ref);
			enum verdict v = id->grant ? judge_elsewhere(r, ref, id) : judge_at_home(r, ref, id);

			worst = v > worst ? v : worst;
		}
	}
	return worst;
}

/* ---- executing ---- */

static void answer_known(struct frame *f, const struct entry *e)
{
	struct replica *r = f->xl->priv;

	r->nr_replayed++;
	frame_set_note(f, repl_note(e->slot->grant, false));
	journal_answer(f, e->slot);
}

static void opened_again(struct frame *f, int child, int ret, const struct open_reply *reply)
{
	const struct entry *e = ((struct replica_call *)frame_data(f))->entry;

	if (ret < 0)
		return fail(f, ret);
	frame_set_note(f, repl_note(e->slot->grant, false));
	journal_answer(f, e->slot);
}

/* The file that it has opened is open in another session, or for another time. */
static bool must_open(struct frame *f, struct entry *e)
{
	const union fop_args *a = f->args;
	struct open_args o = { .flags = O_RDWR };

	if (f->op == FOP_create)
		o = (struct open_args){ .inode = a->create.inode, .fd = a->create.fd, .flags = a->create.flags };
	else if (f->op == FOP_tmpfile)
		o = (struct open_args){ .inode = a->tmpfile.inode, .fd = a->tmpfile.fd, .flags = a->tmpfile.flags };
	else if (f->op == FOP_open)
		o = a->open;
	else
		return false;
	((struct replica_call *)frame_data(f))->entry = e;
	o.flags = (o.flags & ~(uint32_t)(O_CREAT | O_EXCL | O_TRUNC)) | OPEN_NAMELESS;
	wind_open(f, 0, &o, opened_again);
	return true;
}

/* Joining bricks that are compared as a whole. */
static uint32_t compared(const struct replica *r)
{
	return dirty_lacking(r->dirty, &gfid_none) & view_mask(&r->view, VIEW_JOINING) & replica_not_full(r);
}

/*
 * What gets another name while a brick is compared as a whole may go from where the healer has not been yet to where it has been: it is
 * looked at by itself then.  Not awaited: as long as this is not on stable storage the whole is not off the list (settle_mended).
 */
static void note_moved(struct frame *f, const struct slot *s, const void *reply)
{
	struct replica *r = f->xl->priv;
	uint32_t mask = (((struct replica_call *)frame_data(f))->everything | compared(r)) & replica_not_full(r);
	const union fop_reply *answer = reply;
	const struct attr *moved[2] = { 0 };

	if (!mask || (f->op != FOP_rename && f->op != FOP_link))
		return;
	moved[0] = f->op == FOP_link ? &answer->link.attr : &answer->rename.attr;
	moved[1] = f->op == FOP_link ? NULL : &answer->rename.replaced;
	replica_note_lacking(r, s, mask);
	for (int i = 0; i < 2; i++)
		if (moved[i] && attr_present(moved[i]) && moved[i]->nlink)
			dirty_mark(r->dirty, &(struct item){ .kind = ITEM_ALL, .gfid = moved[i]->gfid }, 1, mask,
				   lacking_noted, NULL);
}

static bool somebody_waits_for(const struct replica *r, const struct entry *e)
{
	return !TAILQ_EMPTY(&r->waiters) && e->slot->nr_keys;
}

void replica_change_end(struct frame *f, int ret, const void *reply)
{
	struct replica *r = f->xl->priv;
	struct entry *e = ((struct replica_call *)frame_data(f))->entry;
	uint64_t grant = e->slot->grant;

	journal_done(e, f->op, f->args, ret, reply);
	note_moved(f, e->slot, reply);
	keys_wake(r);			/* its client may have come back, and wait for it */
	frame_set_note(f, repl_note(grant, somebody_waits_for(r, e)));
	if (e->doubt_then) {
		journal_doubt(r, e);
	} else if (e->commit_then) {
		leave(r, e, e->missing & replica_not_full(r));
	}
	unwind_any(f, ret, reply);
}

static void change_done(struct frame *f, int child, int ret, const void *reply)
{
	struct entry *e = ((struct replica_call *)frame_data(f))->entry;

	if (ret < 0) {
		e->executing = false;
		journal_drop(f->xl->priv, e);
		fail(f, ret);
	} else if (!replica_time_mend(f, ret, reply)) {
		replica_change_end(f, ret, reply);
	}
}

static void execute(struct frame *f)
{
	struct replica *r = f->xl->priv;
	struct replica_call *call = frame_data(f);
	const struct identity *id = frame_identity(f);
	struct begun b = { .state = SLOT_BEGUN, .op = f->op, .client = id->client, .txn = id->txn, .view = id->view,
			   .key = call->key, .nr_keys = call->nr_keys };

	if (TAILQ_EMPTY(&r->unused))
		return keys_wait(f, look_again);
	b.grant = id->grant ? id->grant : journal_grant(r);
	call->entry = journal_begin(r, &b, f->args, NULL, 0);
	client_seen(r, id->client);
	call->everything = compared(r);
	r->nr_changes++;
	replica_time_begin(f);
	wind_any(f, 0, change_done);
}

static void marked(void *arg, int ret)
{
	struct frame *f = arg;

	xl_busy(f->xl, -1);
	if (ret < 0)
		return fail(f, ret);
	((struct replica_call *)frame_data(f))->marked = true;
	look_again(f);
}

/*
 * Bricks that will not get it lack it from the moment on in which it is executed.  Joining ones do get it: a commit says
 * when they did not.  Joining ones note it too: they may be the only ones left some day (R_DMARK).
 */
static bool must_mark(struct frame *f, void (*done)(void *arg, int ret))
{
	struct replica *r = f->xl->priv;
	struct replica_call *call = frame_data(f);
	uint32_t absent = view_mask(&r->view, VIEW_ABSENT);
	struct item items[ITEMS_MAX];
	int nr;

	if (call->marked || !absent)
		return false;
	nr = repl_items(f->op, f->args, NULL, items);
	xl_busy(f->xl, 1);
	int ret = dirty_mark(r->dirty, items, nr, absent, done, f);
	if (ret)
		xl_busy(f->xl, -1);
	if (ret < 0)
		fail(f, ret);
	return ret <= 0;
}

/* ---- what the arguments do not tell: which object loses a name ---- */

static void looked(struct frame *f, int child, int ret, const struct lookup_reply *reply)
{
	struct replica_call *call = frame_data(f);

	call->looked = true;
	if (ret >= 0 && call->nr_keys < REPL_KEYS_MAX)
		call->key[call->nr_keys++] = S_ISDIR(reply->attr.mode) ? repl_key_dir(&reply->attr.gfid, false) :
							repl_key_inode(&reply->attr.gfid);
	change_begin(f);
}

/*
 * An object must not lose its last name on one brick before it gets another one there, and on another brick after it: what removes
 * a name excludes what links it, so that home's order counts.
 */
static bool must_look(struct frame *f)
{
	struct replica_call *call = frame_data(f);
	const union fop_args *a = f->args;
	struct lookup_args look = { 0 };

	if (call->looked)
		return false;
	switch (f->op) {
	case FOP_rmdir:
		look.parent = a->rmdir.parent, look.name = a->rmdir.name;
		break;
	case FOP_unlink:
		look.parent = a->unlink.parent, look.name = a->unlink.name;
		break;
	case FOP_rename:
		look.parent = a->rename.newparent, look.name = a->rename.newname;
		break;
	default:
		return false;
	}
	wind_lookup(f, 0, &look, looked);
	return true;
}

/* ---- the way of a change ---- */

/* It has been executed, or is being. */
static void change_known(struct frame *f, struct entry *e)
{
	struct replica *r = f->xl->priv;
	const struct identity *id = frame_identity(f);

	if (e->slot->state == SLOT_DOUBT)
		return refuse(f, REPL_IN_DOUBT);
	if (e->executing)
		return keys_wait(f, look_again);
	if (id->grant) {
		e->slot->grant = id->grant;
	} else if (e->slot->view != id->view) {
		e->slot->grant = journal_grant(r);
	}
	e->slot->view = id->view;
	if (!must_open(f, e))
		answer_known(f, e);
}

static void change_begin(struct frame *f)
{
	struct replica *r = f->xl->priv;
	struct replica_call *call = frame_data(f);
	const struct identity *id = frame_identity(f);

	if (!view_is_right(r, id))
		return refuse(f, REPL_OTHER_VIEW);
	if (!id->grant && r->me != r->home)
		return refuse(f, REPL_OTHER_VIEW);
	if (r->header->sealed == r->view_name)
		return replica_view_seal_is_stale(r) ? refuse(f, REPL_OTHER_VIEW) : keys_wait(f, change_begin);
	struct entry *e = journal_find(r, id->client, id->txn);
	if (e)
		return must_mark(f, marked) ? (void)0 : change_known(f, e);
	if (must_look(f))
		return;
	switch (judge(r, call, id)) {
	case KEYS_BUSY:
		return keys_wait(f, look_again);
	case KEYS_IN_DOUBT:
		return refuse(f, REPL_IN_DOUBT);
	case KEYS_FOREIGN:
		return refuse(f, REPL_CONFLICT);
	case KEYS_FREE:
		break;
	}
	if (!must_mark(f, marked))
		execute(f);
}

/* Writes to a brick of a set by who does not take part would be undone, or fork it. */
static void change_outside(struct frame *f)
{
	log_warning(f->xl->name, "refused: a client without cluster/afr tries to change a brick of a replica set");
	fail(f, -EROFS);
}

void replica_change(struct frame *f)
{
	const struct identity *id = frame_identity(f);

	if (!id->view)
		return change_outside(f);
	if (!id->txn)
		return fail(f, -EINVAL);
	look_again(f);
}

/* ---- an impose ---- */

/* Has the settler with this grant opened the key here? */
static bool is_opened(const struct replica *r, const struct repl_key *key, const struct identity *id)
{
	const struct key_ref *ref = keys_holder(r, key, NULL);

	for (; ref; ref = keys_holder(r, key, ref))
		if (ref->entry && ref->entry->opened_grant == id->grant && ref->entry->opened_by == id->client)
			return true;
	return false;
}

/* What is in the way goes to the landfill under its identity: that is nobody's key. */
static bool concerns_landfill(const struct replica *r, const struct frame *f)
{
	static const struct gfid landfill = { .b = { [15] = 2 } };
	const struct identity *id = frame_identity(f);
	const union fop_args *a = f->args;
	const struct inode *to = f->op == FOP_link ? a->link.parent : f->op == FOP_rename ? a->rename.newparent :
				 f->op == FOP_unlink ? a->unlink.parent : NULL;
	const struct entry *e;

	if (!to || !gfid_equal(&to->gfid, &landfill))
		return false;
	TAILQ_FOREACH(e, &r->entries, link)
		if (e->opened_grant == id->grant && e->opened_by == id->client)
			return true;
	return false;
}

static void imposed_marked(void *arg, int ret)
{
	struct frame *f = arg;

	xl_busy(f->xl, -1);
	if (ret < 0)
		return fail(f, ret);
	((struct replica_call *)frame_data(f))->marked = true;
	replica_imposed(f);
}

void replica_imposed(struct frame *f)
{
	struct replica *r = f->xl->priv;
	const struct identity *id = frame_identity(f);
	struct repl_key key[REPL_KEYS_MAX];
	int nr = repl_keys(f->op, f->args, key);
	bool reads = !fop_is_change(f->op) && f->op != FOP_open;

	/* Home is read under the grant, as long as that is the current one (R_READOWN). */
	if (reads || (f->op == FOP_open && r->me == r->home))
		return id->view == r->view_name && (r->me != r->home || settle_owns(r, id->client, id->grant)) ?
			       pass(f, 0) : refuse(f, REPL_OTHER_VIEW);
	if (!view_is_right(r, id) || r->me == r->home)
		return refuse(f, REPL_OTHER_VIEW);
	if (concerns_landfill(r, f))
		return pass(f, 0);
	/* What a name is made to mean may be new here, or come from another name. */
	for (int i = 0; i < nr; i++)
		if (is_opened(r, &key[i], id)) {
			/* An impose is a change, for those who do not get it (R_IMPDIRTY). */
			if (!fop_is_change(f->op) || !must_mark(f, imposed_marked))
				pass(f, 0);
			return;
		}
	refuse(f, REPL_CONFLICT);
}

/* ---- reads ---- */

static void lk_done(struct frame *f, int child, int ret, const struct lk_reply *reply)
{
	/* The lock is kept: it is asked for once more, in the right view. */
	if (ret >= 0 && !view_is_right(f->xl->priv, frame_identity(f)))
		return refuse(f, REPL_OTHER_VIEW);
	unwind_lk(f, ret, reply);
}

/*
 * Who has waited for a lock may have it from somebody who is in another view by now, in which he has changed what bricks
 * that are out of it do not know of.
 */
static void read_on(struct frame *f)
{
	const struct lk_args *a = f->args;

	if (f->op == FOP_lk && a->cmd != LK_GET && a->lock.type != F_UNLCK)
		return wind_lk(f, 0, a, lk_done);
	pass(f, 0);
}

void replica_read(struct frame *f)
{
	struct replica *r = f->xl->priv;
	struct replica_call *call = frame_data(f);
	const struct identity *id = frame_identity(f);

	if (!id->view)
		return pass(f, 0);
	/* One that joins shows nothing, but files are opened there for the changes that it gets. */
	bool shows = f->op == FOP_open || f->op == FOP_opendir || (r->me >= 0 && r->view.brick[r->me].role == VIEW_FULL);
	if (!view_is_right(r, id) || !shows)
		return refuse(f, REPL_OTHER_VIEW);
	call->nr_keys = repl_keys(f->op, f->args, call->key);
	for (int i = 0; i < call->nr_keys; i++) {
		struct key_ref *ref = keys_holder(r, &call->key[i], NULL), *next;

		for (; ref; ref = next) {
			next = keys_holder(r, &call->key[i], ref);
			enum verdict v = judge_at_home(r, ref, id);

			/* What a settler has, and nobody doubts, is as it will be. */
			if (v == KEYS_IN_DOUBT)
				return refuse(f, REPL_IN_DOUBT);
			if (v == KEYS_BUSY && !ref->owner)
				return keys_wait(f, replica_read);
		}
	}
	read_on(f);
}
