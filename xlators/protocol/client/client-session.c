/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * client-session.c - what outlives a connection (protocol.h has the idea).
 *
 * When a connection is lost the calls wait (`holding`), and nobody is told: if another connection
 * stands soon, and the server still has our session, all that was not answered is sent again, and it
 * was nothing but slow.  The wait ends, the parents are told DOWN, and the calls fail with ENOTCONN
 *
 *  - when nothing was heard of the server for ping-timeout (or its grace is over),
 *  - when its disk hangs, or it talks nonsense: waiting would not help,
 *  - when it has greeted us and has no such session: it was started anew,
 *  - when nobody listens there and somebody above can do without us: then the process has died, and
 *    a mirror goes on at once.
 *
 * They are told before the calls are answered, so that who fails over does not choose us again. A
 * session is tried to be resumed after that, too: open files and locks are still there.  It is not
 * known then what became of locks that were asked for, and those that were given up are still held
 * there: such a file is broken, and closed there.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "client.h"

enum { HOLD_BACKOFF_MIN_MS = 10 };

/* ---- holding ---- */

static bool can_be_spared(const struct xlator *xl)
{
	for (int i = 0; i < xl->nr_parents; i++) {
		const struct xlator *p = xl->parents[i];

		if ((p->type->tolerates && p->type->tolerates(p)) || can_be_spared(p))
			return true;
	}
	return false;
}

static void go_down(struct client *c, bool refused, const char *reason)
{
	c->holding = false;
	timer_stop(&c->hold);
	client_notify_down(c, refused, reason);
	client_fail_pending(c);
}

static void hold_over(struct timer *t)
{
	struct client *c = (struct client *)((char *)t - offsetof(struct client, hold));
	char reason[512], name[300];

	snprintf(reason, sizeof reason, "%s: there was no connection for %llu ms",
		 client_server_name(c, name),
		 (unsigned long long)(loop_now_ns(xl_loop(c->xl)) - c->held_ns) / 1000000);
	go_down(c, false, reason);
}

/* How much longer calls may wait, beginning now; 0: not at all. */
static uint32_t patience_ms(const struct client *c)
{
	uint64_t limit_ms = c->grace_ms;

	if (c->ping_timeout_ms && c->ping_timeout_ms < limit_ms)
		limit_ms = c->ping_timeout_ms;
	return limit_ms > c->silent_ms ? limit_ms - c->silent_ms : 0;
}

static bool nobody_listens(int err)
{
	return err == -ECONNREFUSED || err == -ENOENT;
}

/* The state is that of the connection that was lost. */
static bool is_worth_waiting(const struct client *c, int err, bool refused)
{
	if (refused || c->must_not_hold || !c->session)
		return false;
	if (c->holding)
		return !(c->spare && nobody_listens(err));
	return c->state == CLIENT_UP && patience_ms(c) > 0;
}

bool client_session_lost(struct client *c, int err, bool refused, const char *reason)
{
	bool wait = is_worth_waiting(c, err, refused);

	if (c->state == CLIENT_REOPENING)
		c->session = 0;		/* half of it is not there */
	if (wait && !c->holding) {
		c->holding = true;
		c->held_ns = loop_now_ns(xl_loop(c->xl));
		c->backoff_ms = HOLD_BACKOFF_MIN_MS;
		timer_start(&c->hold, xl_loop(c->xl), patience_ms(c), hold_over);
		log_warning(c->xl->name, "%s; %u operations wait for another connection", reason,
			    c->nr_pending);
	}
	c->state = CLIENT_WAITING;
	if (!wait)
		go_down(c, refused, reason);
	return wait;
}

void client_session_start(struct client *c)
{
	c->spare = can_be_spared(c->xl);
}

void client_session_stop(struct client *c)
{
	c->holding = false;
	timer_stop(&c->hold);
	/* Without this the server would keep files and locks for a while. */
	if (c->state >= CLIENT_REOPENING)
		client_tell(c, WIRE_BYE, 0);
}

/* ---- the session is still there ---- */

struct list {			/* handles, or xids */
	uint64_t *v;
	uint32_t nr, room;
	bool failed;
};

static void list_add(uint64_t v, void *arg)
{
	struct list *l = arg;

	if (l->nr == l->room) {
		uint32_t room = l->room ? l->room * 2 : 64;
		uint64_t *more = realloc(l->v, room * sizeof *more);

		l->failed |= !more;
		if (!more)
			return;
		l->v = more;
		l->room = room;
	}
	l->v[l->nr++] = v;
}

static void list_add_xid(struct client *c, struct client_slot *s, void *arg)
{
	list_add(s->xid, arg);
}

/* Takes up to PROTOCOL_RESUME_MAX from `at` on. */
static void put_part(struct wire *w, const struct list *l, uint32_t at)
{
	uint32_t nr = at < l->nr ? l->nr - at : 0;

	if (nr > PROTOCOL_RESUME_MAX)
		nr = PROTOCOL_RESUME_MAX;
	wire_put_u32(w, nr);
	for (uint32_t i = 0; i < nr; i++)
		wire_put_u64(w, l->v[at + i]);
}

static int send_resume(struct client *c, const struct list *fds, const struct list *xids)
{
	uint32_t most = fds->nr > xids->nr ? fds->nr : xids->nr, at = 0;

	do {
		bool more = at + PROTOCOL_RESUME_MAX < most;
		struct wire *w = conn_begin(c->conn, PROTOCOL_HEADER_ROOM +
							     2 * sizeof(uint64_t) * PROTOCOL_RESUME_MAX);

		if (!w)
			return -ENOMEM;
		wire_put_header(w, &(struct wire_header){ .kind = WIRE_RESUME,
							  .flags = more ? PROTOCOL_MORE : 0 });
		put_part(w, fds, at);
		put_part(w, xids, at);
		int ret = conn_end(c->conn, w);
		if (ret < 0)
			return ret;
		at += PROTOCOL_RESUME_MAX;
	} while (at < most);
	return 0;
}

static int tell_what_we_have(struct client *c)
{
	struct list fds = { 0 }, xids = { 0 };

	client_fd_each(c, list_add, &fds);
	int ret = client_each_pending(c, list_add_xid, &xids);
	if (ret == 0)
		ret = fds.failed || xids.failed ? -ENOMEM : send_resume(c, &fds, &xids);
	free(fds.v);
	free(xids.v);
	return ret;
}

static void resume(struct client *c)
{
	char name[300];
	uint32_t nr = c->nr_pending;
	int ret = tell_what_we_have(c);

	if (ret == 0)
		ret = client_each_pending(c, client_repeat, NULL);
	if (ret == -ENOTCONN || !c->conn)
		return;			/* it has broken again */
	if (ret < 0)
		return client_drop(c, ret, "the session cannot be resumed: %s", strerror(-ret));
	c->nr_resumed++;
	log_notice(c->xl->name, "connected to %s again, the session goes on; %u operations were sent again",
		   client_server_name(c, name), nr);
	c->holding = false;
	timer_stop(&c->hold);
	client_ready(c);
	client_send_queued(c);
}

/* ---- it is not ---- */

void client_session_reopened(struct client *c)
{
	char name[300];

	if (client_fd_reopen_some(c) || !c->conn)
		return;
	log_notice(c->xl->name, "connected to %s, attached to volume \"%s\"",
		   client_server_name(c, name), c->remote_subvolume);
	client_ready(c);
}

static void begin(struct client *c, uint64_t session)
{
	char reason[512], name[300];

	if (c->holding) {
		snprintf(reason, sizeof reason, "%s: the server was started anew",
			 client_server_name(c, name));
		go_down(c, false, reason);
		if (c->state == CLIENT_STOPPED)	/* by who was told */
			return;
	}
	if (c->generation)
		client_fd_lost(c);
	c->session = session;
	c->generation++;
	c->state = CLIENT_REOPENING;
	client_session_reopened(c);
}

void client_session_greeted(struct client *c, const struct hello_reply *r)
{
	c->grace_ms = r->grace_ms;
	if (r->resumed && r->session == c->session)
		resume(c);
	else
		begin(c, r->session);
}
