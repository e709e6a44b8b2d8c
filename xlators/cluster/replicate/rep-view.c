/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rep-view.c - the view: which brick is a member.  Everything that may change it ends in rep_look(), which does the next thing
 * that is due, one at a time:
 *
 *	ask       who is up and was not asked: which brick is it, and which view has it?
 *	adopt     the newest view that somebody has installed is decided
 *	begin     nobody has one, and all are here: the first view
 *	install   on those that are behind
 *	evict     a member that an operation could not do without, and cannot use
 *	join      one that was evicted is back
 *	promote   one that has joined and is healed (rep-heal.c)
 *
 * With two bricks and no witness only who cannot reach a brick may evict it, and the other one decides alone.
 */
#include <stdio.h>

#include "rep.h"

enum { RETRY_MIN_MS = 10, RETRY_SPREAD_MS = 90 };

/* ---- messages ---- */

bool rep_message(struct frame *f, int child, enum repl_what what, size_t bound,
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
	struct rep *rep = (struct rep *)((char *)t - offsetof(struct rep, wake_task));
	TAILQ_HEAD(, rep_local) all;
	struct rep_local *l;

	rep->waking = false;
	TAILQ_INIT(&all);
	TAILQ_CONCAT(&all, &rep->waiting, link);
	while ((l = TAILQ_FIRST(&all))) {
		TAILQ_REMOVE(&all, l, link);
		l->again(l->frame);
	}
}

void rep_wake(struct rep *rep)
{
	if (rep->waking || TAILQ_EMPTY(&rep->waiting))
		return;
	rep->waking = true;
	rep->wake_task.run = wake;
	loop_post(xl_loop(rep->xl), &rep->wake_task);
}

void rep_wait(struct frame *f, void (*again)(struct frame *f))
{
	struct rep *rep = f->xl->priv;
	struct rep_local *local = frame_data(f);

	local->frame = f;
	local->again = again;
	TAILQ_INSERT_TAIL(&rep->waiting, local, link);
}

/* ---- what we know ---- */

uint32_t rep_missing(const struct rep *rep, enum view_role role)
{
	uint32_t mask = view_mask(&rep->view, role), missing = 0;

	for (; mask; mask &= mask - 1) {
		int place = __builtin_ctz(mask), child = rep->at[place];

		if (child < 0 || !rep->child[child].up)
			missing |= 1u << place;
	}
	return missing;
}

static void find_places(struct rep *rep)
{
	rep->full = rep->joining = rep->witnesses = 0;
	rep->home = -1;
	for (int place = 0; place < VIEW_BRICKS_MAX; place++)
		rep->at[place] = -1;
	for (int i = 0; i < rep->xl->nr_children; i++) {
		struct rep_child *c = &rep->child[i];

		if (c->known)
			c->place = view_find(&rep->view, &c->status.brick);
		if (c->place < 0)
			continue;
		rep->at[c->place] = i;
		switch (rep->view.brick[c->place].role) {
		case VIEW_FULL: rep->full |= rep_bit(i); break;
		case VIEW_JOINING: rep->joining |= rep_bit(i); break;
		case VIEW_WITNESS: rep->witnesses |= rep_bit(i); break;
		}
	}
	if (rep->view_name)
		rep->home = rep->at[view_home(&rep->view)];
	rep->members = 0;
	for (int i = 0; i < rep->xl->nr_children; i++)
		if (rep->child[i].up && (rep->full & rep_bit(i)))
			rep->members |= rep_bit(i);
}

void rep_adopt(struct rep *rep, const struct view *v)
{
	char text[256];

	if (rep->view_name == view_name(v))
		return;
	rep->view = *v;
	rep->view_name = view_name(v);
	rep->unwanted = rep->promote = 0;
	rep->stuck = 0;
	rep->nr_views++;
	find_places(rep);
	view_print(v, text, sizeof text);
	log_notice(rep->xl->name, "the view is %s", text);
	if (rep->joining)
		rep_heal_wanted(rep);
	rep_wake(rep);
}

int rep_verdict(const struct rep *rep)
{
	if (rep->stopping)
		return -ENOTCONN;
	if (rep->split)
		return -EIO;
	if (rep->stuck)
		return rep->stuck;
	if (rep->members || rep->looking || rep->proposing)
		return 0;
	/* Somebody who is up may know of a later view, in which he is a member. */
	for (int i = 0; i < rep->xl->nr_children; i++)
		if (rep->child[i].up && !rep->child[i].known && !rep->child[i].failed)
			return 0;
	return rep->view_name ? -ENOTCONN : 0;
}

/* ---- asking ---- */

struct asked {
	uint32_t epoch;
};

static void status_done(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	struct rep *rep = f->xl->priv;
	struct rep_child *c = &rep->child[child];
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
		log_error(rep->xl->name, "%s is not used: %s", rep->xl->children[child]->name, c->reason);
	}
	c->asking = false;
	call_end(f);
	xl_busy(rep->xl, -1);
	rep_look(rep);
}

static void ask(struct rep *rep, int child)
{
	struct identity id = { .client = rep->xl->graph->client_id };
	struct frame *f = call_new(rep->xl, &id, sizeof(struct asked));

	if (!f)
		return;
	((struct asked *)frame_data(f))->epoch = rep->child[child].epoch;
	rep->child[child].asking = true;
	xl_busy(rep->xl, 1);
	if (!rep_message(f, child, REPL_STATUS, 0, NULL, NULL, status_done)) {
		rep->child[child].asking = false;
		call_end(f);
		xl_busy(rep->xl, -1);
	}
}

/* true: somebody has to be waited for. */
static bool ask_all(struct rep *rep)
{
	bool waits = false;

	for (int i = 0; i < rep->xl->nr_children; i++) {
		struct rep_child *c = &rep->child[i];

		if (c->up && !c->known && !c->failed && !c->asking)
			ask(rep, i);
		waits |= c->asking;
	}
	return waits;
}

void rep_view_doubtful(struct rep *rep, int child)
{
	rep->child[child].known = false;
	rep_look(rep);
}

/* ---- installing ---- */

static void put_view(struct wire *w, const void *arg)
{
	view_put(w, arg);
}

static void install_done(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	struct rep *rep = f->xl->priv;

	if (ret >= 0)
		rep->child[child].status.installed = *(const struct view *)frame_data(f);
	else if (ret != -ESTALE && ret != -ENOTCONN)
		log_warning(rep->xl->name, "%s does not take the view: %s", rep->xl->children[child]->name,
			    strerror(-ret));
	if (ret == -EEXIST)
		rep->split = true;
	if (ret < 0)			/* it may have a later one by now */
		rep->child[child].known = false;
	call_end(f);
	xl_busy(rep->xl, -1);
	rep->looking = false;
	rep_wake(rep);
	rep_look(rep);
}

/* true: it is on the way. */
static bool install_one(struct rep *rep)
{
	for (int i = 0; i < rep->xl->nr_children; i++) {
		struct rep_child *c = &rep->child[i];

		if (!c->up || !c->known || c->place < 0 || view_name(&c->status.installed) == rep->view_name)
			continue;
		struct frame *f = call_new(rep->xl, NULL, sizeof(struct view));
		if (!f)
			return false;
		*(struct view *)frame_data(f) = rep->view;
		xl_busy(rep->xl, 1);
		rep->looking = true;
		if (rep_message(f, i, REPL_INSTALL, VIEW_SIZE_MAX, put_view, &rep->view, install_done))
			return true;
		rep->looking = false;
		call_end(f);
		xl_busy(rep->xl, -1);
	}
	return false;
}

/* ---- proposing ---- */

void rep_retry(struct timer *t)
{
	rep_look((struct rep *)((char *)t - offsetof(struct rep, retry_timer)));
}

static void retry_later(struct rep *rep)
{
	uint32_t ms = RETRY_MIN_MS + loop_random(xl_loop(rep->xl)) % RETRY_SPREAD_MS;

	if (!rep->stopping && !timer_active(&rep->retry_timer))
		timer_start(&rep->retry_timer, xl_loop(rep->xl), ms, rep_retry);
}

static void proposed(struct rep *rep, int ret)
{
	rep->proposing = false;
	if (ret == -EAGAIN) {
		/* Somebody else was quicker: what he did is on the bricks. */
		for (int i = 0; i < rep->xl->nr_children; i++)
			rep->child[i].known = false;
		retry_later(rep);
	} else if (ret < 0) {
		log_warning(rep->xl->name, "the view cannot be changed: %s", strerror(-ret));
		/* Who wants a member out has to be told; that somebody cannot join is nobody's loss. */
		rep->stuck = rep->unwanted ? ret : 0;
		retry_later(rep);
	}
	rep_wake(rep);
	if (ret == 0)
		rep_look(rep);
	rep_tell(rep);
}

static void propose(struct rep *rep, const struct view *next)
{
	char text[256];

	view_print(next, text, sizeof text);
	log_debug(rep->xl->name, "proposes %s", text);
	rep->proposing = true;
	rep_propose(rep, &rep->view, next, proposed);
}

static struct view next_view(struct rep *rep)
{
	uint32_t random = (uint32_t)loop_random(xl_loop(rep->xl));

	return view_after(&rep->view, random ? random : 1);
}

/* Nobody has a view: all bricks are members, if all are there. */
static bool begin(struct rep *rep)
{
	struct view v = next_view(rep);

	for (int i = 0; i < rep->xl->nr_children; i++) {
		const struct rep_child *c = &rep->child[i];

		if (!c->up || !c->known)
			return false;
		if (view_find(&v, &c->status.brick) >= 0) {
			log_error(rep->xl->name, "%s is the same brick as another subvolume",
				  rep->xl->children[i]->name);
			return false;
		}
		v.brick[v.nr_bricks++] = (struct view_brick){ .id = c->status.brick,
							      .incarnation = c->status.incarnation,
							      .role = c->status.witness ? VIEW_WITNESS : VIEW_FULL };
	}
	/* Every client finds the same order, however its subvolumes are ordered. */
	for (uint32_t i = 0; i < v.nr_bricks; i++)
		for (uint32_t k = i + 1; k < v.nr_bricks; k++)
			if (memcmp(&v.brick[k].id, &v.brick[i].id, sizeof v.brick[i].id) < 0) {
				struct view_brick b = v.brick[i];

				v.brick[i] = v.brick[k];
				v.brick[k] = b;
			}
	v.set = v.brick[0].id;
	propose(rep, &v);
	return true;
}

static bool is_reborn(const struct rep *rep, int place)
{
	const struct rep_child *c = rep->at[place] >= 0 ? &rep->child[rep->at[place]] : NULL;

	return c && c->up && c->known && c->status.incarnation != rep->view.brick[place].incarnation;
}

/* The hosts of all members have been down: what they have is all there is. */
static bool begin_anew(struct rep *rep)
{
	struct view v = next_view(rep);
	uint32_t full = view_mask(&rep->view, VIEW_FULL);

	for (uint32_t left = full; left; left &= left - 1)
		if (!is_reborn(rep, __builtin_ctz(left)))
			return false;
	for (uint32_t left = full; left; left &= left - 1)
		v.brick[__builtin_ctz(left)].incarnation =
			rep->child[rep->at[__builtin_ctz(left)]].status.incarnation;
	propose(rep, &v);
	return full != 0;
}

static bool evict(struct rep *rep)
{
	uint32_t in = view_mask(&rep->view, VIEW_FULL) | view_mask(&rep->view, VIEW_JOINING), out;
	struct view v = next_view(rep);

	for (uint32_t i = 0; i < rep->view.nr_bricks; i++)
		if ((in & 1u << i) && is_reborn(rep, i))
			rep_unwant(rep, i, "its host was restarted");
	out = rep->unwanted & in;
	if (!out || !(view_mask(&rep->view, VIEW_FULL) & ~out & ~rep_missing(rep, VIEW_FULL)))
		return false;
	for (uint32_t left = out; left; left &= left - 1) {
		int place = __builtin_ctz(left);

		v.brick[place].role = VIEW_ABSENT;
		log_warning(rep->xl->name, "brick %d (%s) is out: %s", place,
			    rep->at[place] >= 0 ? rep->xl->children[rep->at[place]]->name : "not here",
			    rep->unwanted_why[place]);
	}
	propose(rep, &v);
	return true;
}

static bool join(struct rep *rep)
{
	uint32_t absent = view_mask(&rep->view, VIEW_ABSENT);
	struct view v = next_view(rep);

	if (!rep->self_heal || rep_missing(rep, VIEW_FULL))
		return false;
	for (; absent; absent &= absent - 1) {
		int place = __builtin_ctz(absent), child = rep->at[place];

		if (child < 0 || !rep->child[child].up || !rep->child[child].known)
			continue;
		v.brick[place].role = VIEW_JOINING;
		v.brick[place].incarnation = rep->child[child].status.incarnation;
		propose(rep, &v);
		return true;
	}
	return false;
}

static bool promote(struct rep *rep)
{
	struct view v = next_view(rep);
	uint32_t places = rep->promote & view_mask(&rep->view, VIEW_JOINING);

	if (!places)
		return false;
	for (; places; places &= places - 1)
		v.brick[__builtin_ctz(places)].role = VIEW_FULL;
	propose(rep, &v);
	return true;
}

void rep_promote(struct rep *rep, uint32_t places)
{
	rep->promote = places;
	rep_look(rep);
}

void rep_unwant(struct rep *rep, int place, const char *why)
{
	if (!(rep->unwanted & 1u << place))
		snprintf(rep->unwanted_why[place], sizeof rep->unwanted_why[place], "%s", why);
	rep->unwanted |= 1u << place;
}

/* ---- looking ---- */

/* The newest view that somebody has; two that came apart: -1. */
static int newest(struct rep *rep, const struct view **ret_view)
{
	const struct view *best = &rep->view;

	for (int i = 0; i < rep->xl->nr_children; i++)
		if (rep->child[i].known && rep->child[i].status.installed.number > best->number)
			best = &rep->child[i].status.installed;
	for (int i = 0; i < rep->xl->nr_children; i++) {
		const struct view *v = &rep->child[i].status.installed;

		if (!rep->child[i].known || !v->number || v->number + VIEW_ANCESTORS_MAX < best->number)
			continue;
		if (!view_descends(best, view_name(v)))
			return -1;
	}
	/* Nor do we go by anything that does not come from what we know (R_REMEMBER). */
	if (rep->view_name && rep->view.number + VIEW_ANCESTORS_MAX >= best->number &&
	    !view_descends(best, rep->view_name))
		return -1;
	*ret_view = best;
	return 0;
}

static void look(struct rep *rep)
{
	const struct view *best;

	if (ask_all(rep))
		return;
	if (newest(rep, &best) < 0) {
		if (!rep->split)
			log_critical(rep->xl->name, "split-brain: the subvolumes have views that do not come from each other");
		rep->split = true;
		return rep_wake(rep);
	}
	rep->split = false;
	if (best->number > rep->view.number) {
		struct view v = *best;

		rep_adopt(rep, &v);
	}
	find_places(rep);
	if (!rep->view.number)
		return (void)begin(rep);
	if (install_one(rep) || begin_anew(rep) || evict(rep) || promote(rep) || join(rep))
		return;
	rep_wake(rep);
}

void rep_look(struct rep *rep)
{
	rep->look_again = true;
	while (rep->look_again && !rep->looking && !rep->proposing && !rep->stopping) {
		rep->look_again = false;
		look(rep);
	}
	rep_tell(rep);
}

/* ---- telling the parents ---- */

void rep_tell(struct rep *rep)
{
	struct xlator *xl = rep->xl;
	bool all_heard = true, all_failed = true;

	for (int i = 0; i < xl->nr_children; i++) {
		struct rep_child *c = &rep->child[i];

		all_heard &= c->heard && !c->asking;
		all_failed &= c->failed;
	}
	bool serves = rep->view_name && rep->members && !rep->split;
	if (rep->told_up && !rep->members) {
		rep->told_up = false;
		xl_notify(xl, XL_CHILD_DOWN, (void *)"no subvolume is left");
	} else if (!rep->told_up && serves && (all_heard || rep->waited)) {
		rep->told_up = true;
		rep->told_failed = false;
		timer_stop(&rep->start_timer);
		xl_notify(xl, XL_CHILD_UP, NULL);
	} else if (!rep->told_failed && !serves && ((all_heard && all_failed) || (rep->waited && !rep->view_name))) {
		char text[512] = "";
		size_t n = 0;

		if (!rep->view_name && !all_failed)
			n = snprintf(text, sizeof text, "a new replica set begins when all its subvolumes are there: ");
		for (int i = 0; i < xl->nr_children && n < sizeof text; i++)
			if (!rep->child[i].up || rep->child[i].failed)
				n += snprintf(text + n, sizeof text - n, "%s: %s; ", xl->children[i]->name,
					      rep->child[i].reason);
		rep->told_failed = true;
		xl_notify(xl, XL_CHILD_FAILED, text);
	}
}

void rep_start_timeout(struct timer *t)
{
	struct rep *rep = (struct rep *)((char *)t - offsetof(struct rep, start_timer));

	rep->waited = true;
	rep_tell(rep);
}

void rep_event(struct xlator *xl, int child, enum xl_event what, void *data)
{
	struct rep *rep = xl->priv;
	struct rep_child *c = &rep->child[child];

	switch (what) {
	case XL_CHILD_UP:
		c->heard = c->up = true;
		c->failed = c->known = false;
		c->epoch++;
		c->reason[0] = '\0';
		break;
	case XL_CHILD_DOWN:
	case XL_CHILD_FAILED:
		c->heard = true;
		c->up = c->known = false;
		c->failed = what == XL_CHILD_FAILED;
		c->epoch++;
		snprintf(c->reason, sizeof c->reason, "%s", data ? (const char *)data : "down");
		if (rep->full & rep_bit(child))
			log_warning(xl->name, "%s is down: %s", xl->children[child]->name, c->reason);
		/* Who is idle may have missed that others are members by now. */
		for (int i = 0; i < xl->nr_children; i++)
			rep->child[i].known = false;
		break;
	default:
		return xl_notify(xl, what, data);
	}
	rep->stuck = 0;
	find_places(rep);
	rep_wake(rep);
	rep_look(rep);
}
