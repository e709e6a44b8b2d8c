/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * server-session.c - sessions: what a client has here, whether it is connected or not.
 *
 *	greeting --HELLO--> attached <--HELLO, RESUME-- lost --grace is over--> ended
 *	                       |                                                 ^
 *	                       +------------- BYE, an offence ------------------+
 *
 * A connection that is lost takes nothing with it: open files and locks stay, requests go on, and
 * their answers are kept (server-replay.c), until the client comes back on another connection or
 * `grace` is over.  When a session has ended its requests are cancelled, so that nothing waits for a
 * lock that nobody wants any more; with the last of them its files are closed, and with these go
 * its locks.
 *
 * That a connection is closed in good order says nothing: proxies and firewalls do that too, when they
 * give up.  A client that is done says BYE.
 *
 * Of a client that is back nothing is read until what it has given up meanwhile is over: a write that
 * was stuck must not come after what repairs the same place.
 *
 * Time is counted in ticks, so that a server that was stopped for a while does not drop everybody.
 */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "server.h"

enum { TICK_MS = 500, HELLO_MS = 10000 };

/* ---- telling features/replica who comes and goes ---- */

struct news {
	uint64_t client;
	uint8_t what;
};

static void put_news(struct wire *w, const void *arg)
{
	const struct news *n = arg;

	wire_put_u64(w, n->client);
	wire_put_u8(w, n->what);
}

static void told(struct frame *root, int child, int ret, const struct replicate_reply *reply)
{
	struct server *sv = *(struct server **)frame_data(root);

	call_end(root);
	xl_busy(sv->xl, -1);
}

static bool has_another(const struct session *s)
{
	const struct session *o;

	LIST_FOREACH(o, &s->server->sessions, link)
		if (o != s && o->client_id == s->client_id && o->port == s->port && !o->ended)
			return true;
	return false;
}

static void tell_below(const struct session *s, uint8_t what)
{
	struct news news = { s->client_id, what };
	_cleanup_buf_ struct buf *b = repl_message(16, put_news, &news);
	struct frame *root = b && s->port ? call_new(&s->port->xl, NULL, sizeof(struct server *)) : NULL;

	if (!root)
		return;			/* features/replica then waits until somebody wants what that client has */
	*(struct server **)frame_data(root) = s->server;
	xl_busy(s->server->xl, 1);
	wind_replicate(root, 0, &(struct replicate_args){ .inode = inode_root(xl_inodes(s->server->xl)),
							  .what = REPL_CLIENT, .request = b }, told);
}

/* ---- beginning and end ---- */

void session_free(struct session *s)
{
	struct server *sv = s->server;

	if (s->conn)
		conn_close(s->conn, 0, true);
	s->conn = NULL;
	fd_map_clear(&s->fds);		/* may let others go on, which look at all sessions */
	replay_free(&s->replay);
	if (s->port) {
		if (!sv->stopping && !has_another(s))
			tell_below(s, REPL_CLIENT_ENDED);
		LIST_REMOVE(s, link);
		sv->nr_sessions--;
	} else {
		TAILQ_REMOVE(&sv->greeting, s, waiting);
		sv->nr_greeting--;
	}
	if (!sv->nr_sessions && !sv->nr_greeting)
		timer_stop(&sv->tick);
	xl_busy(sv->xl, -1);
	free(s);
}

static void take_connection(struct session *s)
{
	struct conn_limits limits = {
		.payload_max = protocol_payload_max(s->server->transaction_size),
	};

	s->silent_ms = 0;
	s->connection++;
	conn_set_handler(s->conn, &limits, &server_handler, s);
}

void session_attached(struct session *s)
{
	struct server *sv = s->server;

	TAILQ_REMOVE(&sv->greeting, s, waiting);
	sv->nr_greeting--;
	LIST_INSERT_HEAD(&sv->sessions, s, link);
	sv->nr_sessions++;
	sv->nr_attached++;
	s->nr = ++sv->next_session;
	s->id = loop_random(xl_loop(sv->xl)) | 1;
	take_connection(s);
	tell_below(s, REPL_CLIENT_BACK);
}

void session_close(struct session *s, int err)
{
	if (!s->conn || s->closing)
		return;
	s->closing = true;
	conn_close(s->conn, err, false);
}

void session_settle(struct session *s)
{
	if (!s->nr_requests && !s->nr_lock_waits && (s->server->stopping || (s->ended && !s->conn)))
		return session_free(s);
	session_flow(s);
}

void session_end(struct session *s)
{
	s->ended = true;
	if (s->conn)
		return session_close(s, 0);
	server_cancel_all(s, CANCEL_ALL);
	session_settle(s);
}

void session_forget(struct session *s)
{
	s->id = 0;			/* nobody's */
	if (s->conn)
		s->ended = true;
	session_close(s, -ENOMEM);
}

void session_offend(struct session *s, const char *fmt, ...)
{
	char what[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	s->server->nr_malformed++;
	log_warning(s->server->xl->name, "dropped: %s: %s", s->peer, what);
	s->ended = true;
	session_close(s, -EPROTO);
}

/* ---- a connection is lost, another one comes ---- */

void session_lost(struct session *s, const char *why)
{
	const struct server *sv = s->server;

	s->conn = NULL;
	s->closing = s->paused = false;
	s->silent_ms = 0;
	if (!s->port || !sv->grace_ms || sv->stopping)
		s->ended = true;
	if (s->port && s->ended)
		log_notice(sv->xl->name, "gone: %s", why);
	else if (s->port)
		log_notice(sv->xl->name, "lost: %s; what it has is kept for %llu s", why,
			   (unsigned long long)sv->grace_ms / 1000);
	if (s->ended)
		session_end(s);
	else if (!has_another(s))
		tell_below(s, REPL_CLIENT_LOST);
}

struct session *session_find(const struct server *sv, const struct port *port, const struct hello *h)
{
	struct session *s;

	if (!h->session)
		return NULL;
	LIST_FOREACH(s, &sv->sessions, link)
		if (s->id == h->session && s->client_id == h->client_id && s->port == port &&
		    !s->ended)
			return s;
	return NULL;
}

void session_adopt(struct session *s, struct session *from)
{
	/* The old one is dead, though nobody has told us. */
	if (s->conn)
		conn_close(s->conn, 0, true);
	s->conn = from->conn;
	from->conn = NULL;
	s->closing = s->paused = s->listing = false;
	s->resuming = true;
	snprintf(s->peer, sizeof s->peer, "%s", from->peer);
	session_free(from);
	s->nr_resumed++;
	take_connection(s);
	tell_below(s, REPL_CLIENT_BACK);
}

static bool each_u64(struct session *s, struct wire *w, void (*f)(struct session *s, uint64_t v))
{
	uint32_t nr = wire_get_u32(w);

	if (nr > PROTOCOL_RESUME_MAX)
		return false;
	for (uint32_t i = 0; i < nr && wire_ok(w); i++) {
		uint64_t v = wire_get_u64(w);

		if (wire_ok(w))
			f(s, v);
	}
	return wire_ok(w);
}

static void keep_fd(struct session *s, uint64_t handle)
{
	fd_map_keep(&s->fds, handle);
}

void session_resume(struct session *s, const struct wire_header *h, struct wire *w)
{
	if (!s->listing) {
		s->listing = true;
		fd_map_keep_none(&s->fds);
		server_requests_keep(s, true);
	}
	if (!each_u64(s, w, keep_fd) || !each_u64(s, w, server_request_kept) || !wire_finished(w))
		return session_offend(s, "it sent a malformed list of its files");
	if (h->flags & PROTOCOL_MORE)
		return;
	s->resuming = s->listing = false;
	fd_map_sweep(&s->fds);
	server_requests_keep(s, false);
	session_flow(s);
}

/* ---- flow control ---- */

void session_add_bytes(struct session *s, uint32_t bytes)
{
	s->bytes += bytes;
	s->server->bytes += bytes;
}

void session_sub_bytes(struct session *s, uint32_t bytes)
{
	struct server *sv = s->server;
	bool was_full = sv->bytes >= sv->max_bytes_in_all;
	struct session *other;

	s->bytes -= bytes;
	sv->bytes -= bytes;
	if (was_full && sv->bytes < sv->max_bytes_in_all)
		LIST_FOREACH(other, &sv->sessions, link)
			session_flow(other);
}

void session_flow(struct session *s)
{
	const struct server *sv = s->server;

	if (!s->conn || s->closing)
		return;
	bool pause = sv->stopping || s->nr_abandoned || s->nr_requests >= sv->max_requests ||
		     s->bytes >= sv->max_request_bytes || conn_congested(s->conn) ||
		     (s->nr_requests && sv->bytes >= sv->max_bytes_in_all);
	if (pause == s->paused)
		return;
	s->paused = pause;
	conn_pause(s->conn, pause);
}

/* ---- time ---- */

static bool is_silent(struct session *s, uint32_t limit_ms)
{
	uint64_t heard = conn_last_heard_ns(s->conn);

	s->silent_ms = heard == s->heard_ns || !s->port ? s->silent_ms + TICK_MS : 0;
	s->heard_ns = heard;
	return limit_ms && s->silent_ms > limit_ms;
}

static void tick_attached(struct session *s)
{
	if (!s->conn) {
		s->silent_ms += TICK_MS;
	} else if (s->closing) {
		return;
	} else if (s->paused) {
		/* It may ping, but we do not read it. */
		if (!conn_congested(s->conn) && protocol_send(s->conn, WIRE_PONG, 0) < 0)
			session_close(s, -ENOMEM);
	} else if (is_silent(s, s->silence_max_ms)) {
		log_warning(s->server->xl->name,
			    "dropped: %s: nothing was heard of it for %u ms (client-timeout)", s->peer,
			    s->silence_max_ms);
		session_close(s, -ETIMEDOUT);
	}
}

static struct session *find_expired(const struct server *sv)
{
	struct session *s;

	LIST_FOREACH(s, &sv->sessions, link)
		if (!s->conn && !s->ended && (!s->id || s->silent_ms > sv->grace_ms))
			return s;
	return NULL;
}

static void tick_fire(struct timer *t)
{
	struct server *sv = (struct server *)((char *)t - offsetof(struct server, tick));
	struct session *s;

	timer_start(t, xl_loop(sv->xl), TICK_MS, tick_fire);
	TAILQ_FOREACH(s, &sv->greeting, waiting)
		if (s->conn && !s->closing && is_silent(s, HELLO_MS))
			session_offend(s, "it did not greet within %d s", HELLO_MS / 1000);
	LIST_FOREACH(s, &sv->sessions, link)
		tick_attached(s);
	/* One that ends may let others end: the list is searched anew each time. */
	while ((s = find_expired(sv))) {
		log_notice(sv->xl->name, "ended: %s has not come back for %llu s (grace)", s->peer,
			   (unsigned long long)sv->grace_ms / 1000);
		session_end(s);
	}
}

void session_tick_begin(struct server *sv)
{
	if (!timer_active(&sv->tick))
		timer_start(&sv->tick, xl_loop(sv->xl), TICK_MS, tick_fire);
}
