/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * afr-view.c - the view: which brick is a member.  Everything that may change it ends in afr_look(), which does the next thing
 * that is due, one at a time:
 *
 *	ask       who is up and was not asked: which brick is it, and which view has it?
 *	adopt     the newest view that somebody has installed is decided
 *	begin     nobody has one, and all are here: the first view
 *	install   on those that are behind
 *	evict     a member that an operation could not do without, and cannot use
 *	join      one that was evicted is back
 *	promote   one that has joined and is healed (afr-heal.c)
 *	replace   one that is gone by one that is new and empty, which is then healed as a whole
 *
 * With two bricks and no witness only who cannot reach a brick may evict it, and the other one decides alone.
 */
#include <stdio.h>

#include "afr.h"

enum { RETRY_MIN_MS = 10, RETRY_SPREAD_MS = 90 };

/* ---- messages ---- */

bool afr_message(struct frame *f, int child, enum repl_what what, size_t bound,
		 void (*put)(struct wire *w, const void *arg), const void *arg, replicate_done_fn *done)
{
	_cleanup_buf_ struct buf *b = put ? repl_message(bound, put, arg) : buf_new(0);

	if (!b)
		return false;
	wind_replicate(f, child, &(struct replicate_args){ .inode = inode_root(xl_inodes(f->xl)), .what = what,
							   .request = b }, done);
	return true;
}

/* ---- waiting ---- */

static void wake(struct task *t)
{
	struct afr *afr = (struct afr *)((char *)t - offsetof(struct afr, wake_task));
	TAILQ_HEAD(, afr_local) all;
	struct afr_local *l;

	afr->waking = false;
	TAILQ_INIT(&all);
	TAILQ_CONCAT(&all, &afr->waiting, link);
	while ((l = TAILQ_FIRST(&all))) {
		TAILQ_REMOVE(&all, l, link);
		l->again(l->frame);
	}
}

void afr_wake(struct afr *afr)
{
	if (afr->waking || TAILQ_EMPTY(&afr->waiting))
		return;
	afr->waking = true;
	afr->wake_task.run = wake;
	loop_post(xl_loop(afr->xl), &afr->wake_task);
}

void afr_wait(struct frame *f, void (*again)(struct frame *f))
{
	struct afr *afr = f->xl->priv;
	struct afr_local *local = frame_data(f);

	local->frame = f;
	local->again = again;
	TAILQ_INSERT_TAIL(&afr->waiting, local, link);
	if (afr->stopping)		/* nobody else will */
		afr_wake(afr);
}

/* ---- what we know ---- */

uint32_t afr_missing(const struct afr *afr, enum view_role role)
{
	uint32_t mask = view_mask(&afr->view, role), missing = 0;

	for (; mask; mask &= mask - 1) {
		int place = __builtin_ctz(mask), child = afr->at[place];

		if (child < 0 || !afr->child[child].up)
			missing |= 1u << place;
	}
	return missing;
}

static void find_places(struct afr *afr)
{
	afr->full = afr->joining = afr->witnesses = 0;
	afr->home = -1;
	for (int place = 0; place < VIEW_BRICKS_MAX; place++)
		afr->at[place] = -1;
	for (int i = 0; i < afr->xl->nr_children; i++) {
		struct afr_child *c = &afr->child[i];

		if (c->known)
			c->place = view_find(&afr->view, &c->status.brick);
		if (c->place < 0)
			continue;
		afr->at[c->place] = i;
		switch (afr->view.brick[c->place].role) {
		case VIEW_FULL: afr->full |= afr_bit(i); break;
		case VIEW_JOINING: afr->joining |= afr_bit(i); break;
		case VIEW_WITNESS: afr->witnesses |= afr_bit(i); break;
		}
	}
	if (afr->view_name)
		afr->home = afr->at[view_home(&afr->view)];
	afr->members = 0;
	for (int i = 0; i < afr->xl->nr_children; i++)
		if (afr->child[i].up && (afr->full & afr_bit(i)))
			afr->members |= afr_bit(i);
}

/* Once in each view, as soon as it is known which brick a child is. */
static void tell_who_is_out(struct afr *afr)
{
	for (int i = 0; i < afr->xl->nr_children; i++) {
		int place = afr->child[i].place;

		if (place < 0 || afr->child[i].told_view == afr->view_name)
			continue;
		afr->child[i].told_view = afr->view_name;
		if (afr->view.brick[place].role == VIEW_ABSENT)
			log_warning(afr->xl->name, "%s is out: it lacks changes", afr_name(afr, i));
		else if (afr->joining & afr_bit(i))
			log_notice(afr->xl->name, "%s is being healed", afr_name(afr, i));
	}
}

void afr_adopt(struct afr *afr, const struct view *v)
{
	char text[256];

	if (afr->view_name == view_name(v))
		return;
	afr->view = *v;
	afr->view_name = view_name(v);
	afr->unwanted = afr->away = afr->promote = 0;
	afr->stuck = 0;
	afr->nr_views++;
	find_places(afr);
	view_print(v, text, sizeof text);
	log_notice(afr->xl->name, "the view is %s", text);
	if (!afr->told_quorum && v->quorum != afr_quorum(afr->xl)) {
		log_warning(afr->xl->name, "this set has begun with a quorum of %u (0: none), and keeps it: quorum-type asks for %u",
			    v->quorum, afr_quorum(afr->xl));
		afr->told_quorum = true;
	}
	afr_heal_wanted(afr);
	afr_held_bring(afr);
	afr_locks_move(afr);
	afr_wake(afr);
}

int afr_verdict(const struct frame *f)
{
	const struct afr *afr = f->xl->priv;

	if (afr_fd_is_lost(f))
		return -EIO;
	if (afr->stopping)
		return -ENOTCONN;
	if (afr->split)
		return -EIO;
	if (afr->stuck)
		return afr->stuck;
	if (afr->told_failed)
		return -ENOTCONN;
	if (afr->members || afr->looking || afr->proposing)
		return 0;
	/* Somebody who is up may know of a later view, in which he is a member. */
	for (int i = 0; i < afr->xl->nr_children; i++)
		if (afr->child[i].up && !afr->child[i].known && !afr->child[i].failed)
			return 0;
	return afr->view_name ? -ENOTCONN : 0;
}

/* ---- asking ---- */

struct asked {
	uint32_t epoch;
};

static void status_done(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	struct afr *afr = f->xl->priv;
	struct afr_child *c = &afr->child[child];
	bool current = c->epoch == ((struct asked *)frame_data(f))->epoch;

	if (current && ret >= 0) {
		struct wire w = repl_reader(reply->answer);

		repl_get_status(&w, &c->status);
		ret = repl_read_end(&w);
		c->known = ret == 0;
	}
	if (current && ret < 0 && ret != -ENOTCONN) {
		c->failed = true;
		snprintf(c->reason, sizeof c->reason, ret == -ENOSYS ? "it is no brick that can be replicated: there is no features/replica above it"
								      : "it cannot tell its view: %s", strerror(-ret));
		log_error(afr->xl->name, "%s is not used: %s", afr_name(afr, child), c->reason);
	}
	c->asking = false;
	call_end(f);
	xl_busy(afr->xl, -1);
	afr_look(afr);
	if (c->up && (afr->joining & afr_bit(child)))
		afr_heal_wanted(afr);
}

static void ask(struct afr *afr, int child, enum repl_what what, replicate_done_fn *done)
{
	struct identity id = { .client = afr->xl->graph->client_id };
	struct frame *f = call_new(afr->xl, &id, sizeof(struct asked));

	if (!f)
		return;
	((struct asked *)frame_data(f))->epoch = afr->child[child].epoch;
	afr->child[child].asking = true;
	xl_busy(afr->xl, 1);
	if (!afr_message(f, child, what, 0, NULL, NULL, done)) {
		afr->child[child].asking = false;
		call_end(f);
		xl_busy(afr->xl, -1);
	}
}

/* true: somebody has to be waited for. */
static bool ask_all(struct afr *afr)
{
	bool waits = false;

	for (int i = 0; i < afr->xl->nr_children; i++) {
		struct afr_child *c = &afr->child[i];

		if (c->up && !c->known && !c->failed && !c->asking)
			ask(afr, i, REPL_STATUS, status_done);
		waits |= c->asking;
	}
	return waits;
}

void afr_view_doubtful(struct afr *afr, int child)
{
	afr->child[child].known = false;
	afr_look(afr);
}

/* ---- installing ---- */

static void put_view(struct wire *w, const void *arg)
{
	view_put(w, arg);
}

static void install_done(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	struct afr *afr = f->xl->priv;

	if (ret >= 0)
		afr->child[child].status.installed = *(const struct view *)frame_data(f);
	else if (ret != -ESTALE && ret != -ENOTCONN)
		log_warning(afr->xl->name, "%s does not take the view: %s", afr_name(afr, child),
			    strerror(-ret));
	if (ret == -EEXIST)
		afr->split = true;
	if (ret < 0)			/* it may have a later one by now */
		afr->child[child].known = false;
	call_end(f);
	xl_busy(afr->xl, -1);
	afr->looking = false;
	afr_wake(afr);
	afr_look(afr);
}

/* true: it is on the way. */
static bool install_one(struct afr *afr)
{
	for (int i = 0; i < afr->xl->nr_children; i++) {
		struct afr_child *c = &afr->child[i];

		if (!c->up || !c->known || c->place < 0 || view_name(&c->status.installed) == afr->view_name)
			continue;
		struct frame *f = call_new(afr->xl, NULL, sizeof(struct view));
		if (!f)
			return false;
		*(struct view *)frame_data(f) = afr->view;
		xl_busy(afr->xl, 1);
		afr->looking = true;
		if (afr_message(f, i, REPL_INSTALL, VIEW_SIZE_MAX, put_view, &afr->view, install_done))
			return true;
		afr->looking = false;
		call_end(f);
		xl_busy(afr->xl, -1);
	}
	return false;
}

/* ---- proposing ---- */

void afr_retry(struct timer *t)
{
	afr_look((struct afr *)((char *)t - offsetof(struct afr, retry_timer)));
}

static void retry_later(struct afr *afr)
{
	uint32_t ms = RETRY_MIN_MS + loop_random(xl_loop(afr->xl)) % RETRY_SPREAD_MS;

	if (!afr->stopping && !timer_active(&afr->retry_timer))
		timer_start(&afr->retry_timer, xl_loop(afr->xl), ms, afr_retry);
}

/*
 * Who was to become a member has gone in that moment.  The members are sealed, and the view with it may yet be decided by somebody
 * else, so the seal is lifted by a view without it, not by us.
 */
static void give_up_promotion(struct afr *afr)
{
	for (uint32_t left = afr->promote; left; left &= left - 1)
		snprintf(afr->unwanted_why[__builtin_ctz(left)], sizeof afr->unwanted_why[0], "it went away when it was healed");
	afr->unwanted |= afr->promote;
	afr->promote = 0;
}

static void proposed(struct afr *afr, int ret)
{
	bool evicting = afr->evicting, promoting = afr->promoting;

	afr->proposing = afr->evicting = afr->promoting = false;
	if (ret == -EAGAIN) {
		/* Somebody else was quicker: what he did is on the bricks. */
		for (int i = 0; i < afr->xl->nr_children; i++)
			afr->child[i].known = false;
		retry_later(afr);
	} else if (ret < 0) {
		if (!afr->stuck)	/* once, not with every attempt */
			log_warning(afr->xl->name, "the view cannot be changed: %s", strerror(-ret));
		/* Who wants a member out has to be told; that somebody cannot join is nobody's loss. */
		afr->stuck = evicting && (afr->unwanted | afr->away) ? ret : 0;
		if (promoting)
			give_up_promotion(afr);
		retry_later(afr);
	}
	afr_wake(afr);
	if (ret == 0)
		afr_look(afr);
	afr_tell(afr);
}

static void propose(struct afr *afr, const struct view *next)
{
	char text[256];

	view_print(next, text, sizeof text);
	log_debug(afr->xl->name, "proposes %s", text);
	afr->proposing = true;
	afr_propose(afr, &afr->view, next, proposed);
}

static struct view next_view(struct afr *afr)
{
	uint32_t random = (uint32_t)loop_random(xl_loop(afr->xl));

	return view_after(&afr->view, random ? random : 1);
}

/* Nobody has a view: all bricks are members, if all are there. */
static bool begin(struct afr *afr)
{
	struct view v = next_view(afr);

	for (int i = 0; i < afr->xl->nr_children; i++) {
		const struct afr_child *c = &afr->child[i];

		if (!c->up || !c->known)
			return false;
		if (view_find(&v, &c->status.brick) >= 0) {
			log_error(afr->xl->name, "%s is the same brick as another subvolume",
				  afr_name(afr, i));
			return false;
		}
		v.brick[v.nr_bricks++] = (struct view_brick){ .id = c->status.brick,
							      .incarnation = c->status.incarnation,
							      .role = c->status.witness ? VIEW_WITNESS : VIEW_FULL };
	}
	/* The order is ours, and everybody's from now on; who proposes another one at the same moment loses. */
	v.set = v.brick[0].id;
	v.quorum = afr_quorum(afr->xl);
	propose(afr, &v);
	return true;
}

static bool is_reborn(const struct afr *afr, int place)
{
	const struct afr_child *c = afr->at[place] >= 0 ? &afr->child[afr->at[place]] : NULL;

	return c && c->up && c->known && c->status.incarnation != afr->view.brick[place].incarnation;
}

/* The hosts of all members have been down: what they have is all there is. */
static bool begin_anew(struct afr *afr)
{
	struct view v = next_view(afr);
	uint32_t full = view_mask(&afr->view, VIEW_FULL);

	for (uint32_t left = full; left; left &= left - 1)
		if (!is_reborn(afr, __builtin_ctz(left)))
			return false;
	for (uint32_t left = full; left; left &= left - 1)
		v.brick[__builtin_ctz(left)].incarnation =
			afr->child[afr->at[__builtin_ctz(left)]].status.incarnation;
	propose(afr, &v);
	return full != 0;
}

static bool evict(struct afr *afr)
{
	uint32_t in = view_mask(&afr->view, VIEW_FULL) | view_mask(&afr->view, VIEW_JOINING), out;
	uint32_t missing = afr_missing(afr, VIEW_FULL), here = view_mask(&afr->view, VIEW_FULL) & ~missing;
	struct view v = next_view(afr);

	for (uint32_t i = 0; i < afr->view.nr_bricks; i++)
		if ((in & 1u << i) && is_reborn(afr, i))
			afr_unwant(afr, i, "its host was restarted");
	/* Who is back is not away; and of the last two that one goes which is not here. */
	out = (afr->unwanted | (afr->away & missing)) & in;
	if (!(here & ~out))
		out = afr->away & missing;
	if (!out || !(here & ~out))
		return false;
	for (uint32_t left = out; left; left &= left - 1) {
		int place = __builtin_ctz(left);

		v.brick[place].role = VIEW_ABSENT;
		if (afr->stuck)
			continue;
		log_warning(afr->xl->name, "%s is out: %s",
			    afr->at[place] >= 0 ? afr_name(afr, afr->at[place]) : "a brick that is not here",
			    afr->unwanted_why[place]);
	}
	afr->evicting = true;
	propose(afr, &v);
	return true;
}

static bool join(struct afr *afr)
{
	uint32_t absent = view_mask(&afr->view, VIEW_ABSENT);
	struct view v = next_view(afr);

	if (!afr->self_heal || afr_missing(afr, VIEW_FULL))
		return false;
	for (; absent; absent &= absent - 1) {
		int place = __builtin_ctz(absent), child = afr->at[place];

		if (child < 0 || !afr->child[child].up || !afr->child[child].known || afr->child[child].leaving)
			continue;
		v.brick[place].role = VIEW_JOINING;
		v.brick[place].incarnation = afr->child[child].status.incarnation;
		propose(afr, &v);
		return true;
	}
	return false;
}

/* ---- bricks that are not in the view ---- */

static bool is_new(const struct afr_child *c)
{
	return c->up && c->known && !c->failed && c->place < 0 && !c->status.installed.number && !c->status.witness;
}

static void refuse(struct afr *afr, int child, const char *why)
{
	struct afr_child *c = &afr->child[child];

	c->failed = true;
	snprintf(c->reason, sizeof c->reason, "%s: to have it take the place of one that is gone, stop it, empty its directory (with .glusterfs) "
		 "and start it", why);
	log_error(afr->xl->name, "%s is not used: %s", afr_name(afr, child), c->reason);
}

static void empty_done(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	struct afr *afr = f->xl->priv;
	struct afr_child *c = &afr->child[child];

	if (c->epoch == ((struct asked *)frame_data(f))->epoch) {
		c->asked_empty = true;
		c->empty = false;
	}
	if (c->asked_empty && ret >= 0) {
		struct wire w = repl_reader(reply->answer);

		c->empty = wire_get_u8(&w) && repl_read_end(&w) == 0;
	}
	c->asking = false;
	call_end(f);
	xl_busy(afr->xl, -1);
	afr_look(afr);
}

/* true: it is being asked for. */
static bool ask_empty(struct afr *afr)
{
	for (int i = 0; i < afr->xl->nr_children; i++)
		if (is_new(&afr->child[i]) && !afr->child[i].asked_empty) {
			ask(afr, i, REPL_EMPTY, empty_done);
			return true;
		}
	return false;
}

static void refuse_strangers(struct afr *afr)
{
	for (int i = 0; i < afr->xl->nr_children; i++) {
		const struct afr_child *c = &afr->child[i];

		if (!c->up || !c->known || c->failed || c->place >= 0 || c->status.witness)
			continue;
		if (!c->status.installed.number && !c->empty)
			refuse(afr, i, "it is no member of this replica set, and not empty");
		else if (c->status.installed.number && !gfid_equal(&c->status.installed.set, &afr->view.set))
			refuse(afr, i, "it belongs to another replica set");
		else if (c->status.installed.number)
			refuse(afr, i, "another brick has its place by now");
	}
}

/* Exactly one place has nobody, and exactly one is new here: all others are known, so that it cannot be one who is only away. */
static bool replace(struct afr *afr)
{
	struct view v = next_view(afr);
	int place = -1, child = -1;

	if (!afr->self_heal || afr_missing(afr, VIEW_FULL))
		return false;
	for (int i = 0; i < afr->xl->nr_children; i++) {
		if (afr->child[i].place >= 0)
			continue;
		if (child >= 0 || !is_new(&afr->child[i]) || !afr->child[i].empty)
			return false;
		child = i;
	}
	for (uint32_t i = 0; i < v.nr_bricks; i++) {
		if (afr->at[i] >= 0)
			continue;
		if (place >= 0 || v.brick[i].role != VIEW_ABSENT)
			return false;
		place = (int)i;
	}
	if (place < 0 || child < 0)
		return false;
	log_warning(afr->xl->name, "%s is new and empty: it takes the place of brick %d, which is gone", afr_name(afr, child), place);
	v.brick[place] = (struct view_brick){ .id = afr->child[child].status.brick,
					      .incarnation = afr->child[child].status.incarnation, .role = VIEW_JOINING };
	propose(afr, &v);
	return true;
}

static bool promote(struct afr *afr)
{
	struct view v = next_view(afr);
	uint32_t places = afr->promote & view_mask(&afr->view, VIEW_JOINING);

	if (!places)
		return false;
	for (; places; places &= places - 1)
		v.brick[__builtin_ctz(places)].role = VIEW_FULL;
	afr->promoting = true;
	propose(afr, &v);
	return true;
}

void afr_promote(struct afr *afr, uint32_t places)
{
	afr->promote = places;
	afr_look(afr);
}

void afr_unwant(struct afr *afr, int place, const char *why)
{
	uint32_t bit = 1u << place, *which = afr->at[place] >= 0 && afr->child[afr->at[place]].up ? &afr->unwanted : &afr->away;

	if (!(*which & bit))
		snprintf(afr->unwanted_why[place], sizeof afr->unwanted_why[place], "%s", why);
	*which |= bit;
}

bool afr_members_are_here(struct afr *afr)
{
	uint32_t missing = afr_missing(afr, VIEW_FULL);

	for (uint32_t left = missing; left; left &= left - 1) {
		int place = __builtin_ctz(left), child = afr->at[place];

		afr_unwant(afr, place, child >= 0 && afr->child[child].reason[0] ? afr->child[child].reason : "not connected");
	}
	return !missing;
}

/* ---- looking ---- */

/* The view that the child has, if it is of this set; NULL. */
static const struct view *view_of(const struct afr *afr, int child, const struct gfid *set)
{
	const struct afr_child *c = &afr->child[child];

	return c->known && c->status.installed.number && gfid_equal(&c->status.installed.set, set) ? &c->status.installed : NULL;
}

/* The replica set that we are of: the one of most children.  -1: it is not clear. */
static int find_set(const struct afr *afr, struct gfid *set)
{
	int most = 0, others = 0;

	*set = afr->view.set;
	for (int i = 0; i < afr->xl->nr_children && !afr->view.number; i++) {
		const struct view *v = afr->child[i].known ? &afr->child[i].status.installed : NULL;
		int nr = 0;

		if (!v || !v->number || gfid_equal(&v->set, set))
			continue;
		for (int k = 0; k < afr->xl->nr_children; k++)
			nr += view_of(afr, k, &v->set) != NULL;
		others = nr >= most ? most : nr;
		if (nr > most) {
			most = nr;
			*set = v->set;
		}
	}
	return most && most == others ? -1 : 0;
}

/* The newest view that somebody has; two that came apart: -1. */
static int newest(struct afr *afr, const struct view **ret_view)
{
	const struct view *best = &afr->view;
	struct gfid set;

	if (find_set(afr, &set) < 0)
		return -1;
	for (int i = 0; i < afr->xl->nr_children; i++)
		if (view_of(afr, i, &set) && afr->child[i].status.installed.number > best->number)
			best = &afr->child[i].status.installed;
	for (int i = 0; i < afr->xl->nr_children; i++) {
		const struct view *v = view_of(afr, i, &set);

		if (!v || v->number + VIEW_ANCESTORS_MAX < best->number)
			continue;
		if (!view_descends(best, view_name(v)))
			return -1;
	}
	/* Nor do we go by anything that does not come from what we know (R_REMEMBER). */
	if (afr->view_name && afr->view.number + VIEW_ANCESTORS_MAX >= best->number &&
	    !view_descends(best, afr->view_name))
		return -1;
	*ret_view = best;
	return 0;
}

/* Somebody has sealed the members and is gone: the same members in another view, which lifts it. */
static bool lift_seal(struct afr *afr)
{
	struct view v = next_view(afr);
	uint32_t joining = view_mask(&afr->view, VIEW_JOINING) & afr_missing(afr, VIEW_JOINING);
	bool sealed = false;

	for (int i = 0; i < afr->xl->nr_children; i++)
		sealed |= afr->child[i].up && afr->child[i].known && afr->child[i].status.sealed;
	if (!sealed || afr->promote)
		return false;
	for (; joining; joining &= joining - 1)
		v.brick[__builtin_ctz(joining)].role = VIEW_ABSENT;
	propose(afr, &v);
	return true;
}

static void look(struct afr *afr)
{
	const struct view *best;

	if (ask_all(afr))
		return;
	if (newest(afr, &best) < 0) {
		if (!afr->split)
			log_critical(afr->xl->name, "split-brain: the subvolumes have views that do not come from each other (of one that "
				     "belongs elsewhere, the directory is to be emptied, with .glusterfs)");
		afr->split = true;
		return afr_wake(afr);
	}
	afr->split = false;
	if (best->number > afr->view.number) {
		struct view v = *best;

		afr_adopt(afr, &v);
	}
	find_places(afr);
	tell_who_is_out(afr);
	if (!afr->view.number)
		return (void)begin(afr);
	if (ask_empty(afr))
		return;
	refuse_strangers(afr);
	if (install_one(afr) || begin_anew(afr) || evict(afr) || promote(afr) || join(afr) || replace(afr))
		return;
	if (lift_seal(afr))
		return;
	afr_heal_wanted(afr);		/* who joins may have been away */
	afr->stuck = 0;			/* what could not be decided need not be any more */
	afr_wake(afr);
}

void afr_look(struct afr *afr)
{
	afr->look_again = true;
	while (afr->look_again && !afr->looking && !afr->proposing && !afr->stopping) {
		afr->look_again = false;
		look(afr);
	}
	afr_tell(afr);
}

/* ---- telling the parents ---- */

void afr_tell(struct afr *afr)
{
	struct xlator *xl = afr->xl;
	bool all_heard = true, all_failed = true;

	for (int i = 0; i < xl->nr_children; i++) {
		struct afr_child *c = &afr->child[i];

		all_heard &= c->heard && !c->asking;
		all_failed &= c->failed;
	}
	bool serves = afr->view_name && afr->members && !afr->split;
	if (afr->told_up && !afr->members) {
		afr->told_up = false;
		xl_notify(xl, XL_CHILD_DOWN, (void *)"no subvolume is left");
	} else if (!afr->told_up && serves && (all_heard || afr->waited)) {
		afr->told_up = true;
		afr->told_failed = false;
		timer_stop(&afr->start_timer);
		xl_notify(xl, XL_CHILD_UP, NULL);
	} else if (!afr->told_failed && !serves && ((all_heard && all_failed) || (afr->waited && !afr->view_name))) {
		char text[512] = "";
		size_t n = 0;

		if (!afr->view_name && !all_failed)
			n = snprintf(text, sizeof text, "a new replica set begins when all its subvolumes are there: ");
		const char *between = "";
		for (int i = 0; i < xl->nr_children && n < sizeof text; i++)
			if (!afr->child[i].up || afr->child[i].failed) {
				n += snprintf(text + n, sizeof text - n, "%s%s: %s", between, afr_name(afr, i),
					      afr->child[i].reason);
				between = "; ";
			}
		afr->told_failed = true;
		afr_wake(afr);
		xl_notify(xl, XL_CHILD_FAILED, text);
	}
}

void afr_start_timeout(struct timer *t)
{
	struct afr *afr = (struct afr *)((char *)t - offsetof(struct afr, start_timer));

	afr->waited = true;
	afr_tell(afr);
}

void afr_event(struct xlator *xl, int child, enum xl_event what, void *data)
{
	struct afr *afr = xl->priv;
	struct afr_child *c = &afr->child[child];

	switch (what) {
	case XL_CHILD_UP:
		c->heard = c->up = true;
		c->failed = c->known = c->leaving = c->asked_empty = false;
		c->epoch++;
		c->reason[0] = '\0';
		afr_held_lost(afr, child);
		afr_commit_again(afr);
		break;
	case XL_LEAVING:
		c->leaving = true;
		if (c->place >= 0 && ((afr->full | afr->joining) & afr_bit(child)))
			afr_unwant(afr, c->place, "it is being stopped");
		break;
	case XL_CHILD_DOWN:
	case XL_CHILD_FAILED:
		c->heard = true;
		c->up = c->known = false;
		c->failed = what == XL_CHILD_FAILED;
		c->epoch++;
		snprintf(c->reason, sizeof c->reason, "%s", data ? (const char *)data : "down");
		if (afr->full & afr_bit(child))
			log_warning(xl->name, "%s is down: %s", afr_name(afr, child), c->reason);
		/* Who is idle may have missed that others are members by now. */
		for (int i = 0; i < xl->nr_children; i++)
			afr->child[i].known = false;
		break;
	default:
		return xl_notify(xl, what, data);
	}
	afr->stuck = 0;
	find_places(afr);
	afr_held_bring(afr);
	afr_wake(afr);
	afr_look(afr);
}
