/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * server.c - protocol/server: volumes of this graph for clients.
 *
 * A connection belongs to a session (server-session.c).  It may say HELLO and nothing else until it is attached to a volume;
 * what does not greet within HELLO_MS is dropped, and of those that have not yet greeted only
 * GREETING_MAX are kept: one more pushes the oldest out, so a flood of half-open connections costs
 * the flooder's own.
 *
 * Flow control: of a session that has max-requests (or their bytes) under way, or some that it has
 * given up, or does not take its answers, no more is read.  Requests that wait for a lock do not count, or the unlock could
 * not come through; and a session that is not being read hears a PONG now and then, so that it
 * does not take us for dead.
 */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "server.h"
#include "graph.h"

enum { GREETING_MAX = 256 };

/* ---- what connections tell ---- */

static void server_message(struct conn *conn, struct buf *head, struct buf *payload)
{
	struct session *s = conn_ctx(conn);
	struct wire w = protocol_reader(head, payload);
	struct wire_header h;

	if (s->closing || s->server->stopping)
		return;
	wire_get_header(&w, &h);
	if (!wire_ok(&w))
		return session_offend(s, "it sent something that is no message");
	if ((h.kind == WIRE_HELLO) != !s->port)
		return session_offend(s, s->port ? "it greeted twice" : "it did not greet");
	switch (h.kind) {
	case WIRE_HELLO:
		return server_hello(s, &w);
	case WIRE_REQUEST:
		server_request(s, &h, &w, head);
		return session_flow(s);
	case WIRE_CANCEL:
		return server_cancel(s, h.xid);
	case WIRE_RELEASE:
		if (!fd_map_remove(&s->fds, h.xid, NULL))
			session_offend(s, "it closed a file that is not open");
		return;
	case WIRE_PING:
		if (protocol_send(conn, WIRE_PONG, h.xid) < 0)
			session_close(s, -ENOMEM);
		return session_flow(s);
	case WIRE_PONG:
		return;
	case WIRE_RESUME:
		return session_resume(s, &h, &w);
	case WIRE_BYE:
		return session_end(s);
	default:
		session_offend(s, "it sent a message of kind %u", h.kind);
	}
}

static void server_closed(struct conn *conn, int err)
{
	struct session *s = conn_ctx(conn);
	const char *error = conn_error(conn);	/* says who */

	if (!*error)
		error = s->peer;
	if (!s->port && err && !s->closing)
		log_warning(s->server->xl->name, "dropped: %s", error);
	session_lost(s, error);
}

static void server_writable(struct conn *conn)
{
	session_flow(conn_ctx(conn));
}

const struct conn_handler server_handler = {
	.message = server_message, .closed = server_closed, .writable = server_writable,
};

/* ---- accepting ---- */

static bool server_accepted(struct listener *l, struct conn *conn)
{
	static const struct conn_limits limits = { .head_max = PROTOCOL_HELLO_MAX,
						   .payload_max = 1 };
	struct server *sv = listener_ctx(l);
	struct session *s = sv->stopping ? NULL : calloc(1, sizeof *s);

	if (!s)
		return false;
	sv->nr_accepted++;
	if (sv->nr_greeting >= GREETING_MAX) {
		struct session *oldest = TAILQ_FIRST(&sv->greeting);

		sv->nr_turned_away++;
		log_warning(sv->xl->name,
			    "dropped: %s: %d connections have not greeted yet, it is the oldest of "
			    "them",
			    oldest->peer, GREETING_MAX);
		session_free(oldest);
	}
	s->server = sv;
	s->conn = conn;
	s->since_ns = loop_now_ns(xl_loop(sv->xl));
	snprintf(s->peer, sizeof s->peer, "%s", conn_peer(conn));
	LIST_INIT(&s->requests);
	TAILQ_INSERT_TAIL(&sv->greeting, s, waiting);
	sv->nr_greeting++;
	xl_busy(sv->xl, 1);
	conn_set_handler(conn, &limits, &server_handler, s);
	session_tick_begin(sv);
	return true;
}

/* ---- events of the volumes below ---- */

static int send_event(struct session *s, unsigned what, const char *text, const struct gfid *gfid)
{
	struct wire *w = conn_begin(s->conn,
				    PROTOCOL_HEADER_ROOM + (text ? strlen(text) : sizeof *gfid));

	if (!w)
		return -ENOMEM;
	wire_put_header(w, &(struct wire_header){ .kind = WIRE_EVENT, .op = what });
	if (gfid)
		wire_put_bytes(w, gfid->b, sizeof gfid->b);
	else
		wire_put_str(w, text);
	return conn_end(s->conn, w);
}

static void server_event(struct xlator *xl, int child, enum xl_event what, void *data)
{
	struct server *sv = xl->priv;
	struct session *s;
	int ret = 0;

	LIST_FOREACH(s, &sv->sessions, link) {
		const struct xlator *target = s->port->target;

		if (!s->conn || s->closing)
			continue;
		if (what == XL_INVALIDATE) {
			ret = send_event(s, PROTOCOL_EVENT_INVALIDATE, NULL,
					 &((struct inode *)data)->gfid);
		} else if (target->up != s->told_up) {
			/*
			 * Not only for our own child: one attached to something deeper hears
			 * of it too.
			 */
			s->told_up = target->up;
			ret = send_event(s, target->up ? PROTOCOL_EVENT_UP : PROTOCOL_EVENT_DOWN,
					 data && !target->up ? data : "", NULL);
		}
		if (ret < 0)
			session_close(s, -ENOMEM);
	}
}

/* ---- the end that was planned ---- */

static void left(struct frame *root, int child, int ret, const struct replicate_reply *reply)
{
	struct server *sv = *(struct server **)frame_data(root);

	call_end(root);
	sv->xl->leaving = --sv->nr_leaving > 0;
	xl_busy(sv->xl, -1);
}

/* Those who replicate the brick do without it from now on, before it is gone: it then knows that it is behind (features/replica). */
static void server_leave(struct xlator *xl)
{
	struct server *sv = xl->priv;
	struct session *s;
	struct port *p;

	LIST_FOREACH(s, &sv->sessions, link)
		if (s->conn && !s->closing && send_event(s, PROTOCOL_EVENT_LEAVING, "", NULL) < 0)
			session_close(s, -ENOMEM);
	sv->nr_leaving++;		/* an answer at once is not the last one */
	SLIST_FOREACH(p, &sv->ports, link) {
		struct frame *root = call_new(&p->xl, NULL, sizeof(struct server *));
		_cleanup_buf_ struct buf *none = buf_new(0);

		if (!root || !none) {
			if (root)
				call_end(root);
			continue;
		}
		*(struct server **)frame_data(root) = sv;
		sv->nr_leaving++;
		xl_busy(xl, 1);
		wind_replicate(root, 0, &(struct replicate_args){ .inode = inode_root(xl_inodes(xl)), .what = REPL_LEAVE,
								  .request = none }, left);
	}
	xl->leaving = --sv->nr_leaving > 0;
}

/* ---- the translator ---- */

static int server_check(struct xlator *xl)
{
	struct server *sv = xl->priv;

	sv->xl = xl;
	sv->transport = protocol_transport(xl, sv->transport_type);
	if (!sv->transport)
		return -EINVAL;
	if (strncasecmp(sv->transport_type, "unix", 4) == 0 && !sv->listen_path) {
		xl_error(xl, NULL, "transport-type %s needs option listen-path",
			 sv->transport_type);
		return -EINVAL;
	}
	return auth_check_options(sv);
}

static int server_init(struct xlator *xl)
{
	struct server *sv = xl->priv;

	SLIST_INIT(&sv->ports);
	LIST_INIT(&sv->sessions);
	TAILQ_INIT(&sv->greeting);
	return 0;
}

static int server_start(struct xlator *xl)
{
	struct server *sv = xl->priv;
	struct transport_address at = {
		.host = sv->listen_path ? sv->listen_path : sv->bind_address,
		.port = sv->listen_port,
		.window_size = sv->window_size,
	};
	char error[256];

	if (sv->inode_lru_limit)
		inode_table_set_lru_limit(xl_inodes(xl), sv->inode_lru_limit);
	int ret = listener_new(sv->transport, xl_loop(xl), &at, server_accepted, sv, &sv->listener,
			       error);
	if (ret < 0) {
		xl_error(xl, sv->listen_path ? "listen-path" : "listen-port", "%s", error);
		return ret;
	}
	xl_notify(xl, XL_CHILD_UP, NULL);
	return 0;
}

static void server_stop(struct xlator *xl)
{
	struct server *sv = xl->priv;
	struct session *s, *next;

	sv->stopping = true;
	listener_free(sv->listener);
	sv->listener = NULL;
	while ((s = TAILQ_FIRST(&sv->greeting)))
		session_free(s);
	/*
	 * One that goes drops its locks, which may let go the last request of any other: nobody
	 * goes before his turn.
	 */
	LIST_FOREACH(s, &sv->sessions, link)
		s->nr_requests++;
	for (s = LIST_FIRST(&sv->sessions); s; s = next) {
		next = LIST_NEXT(s, link);
		session_flow(s);
		server_cancel_all(s, CANCEL_LOCK_WAITS);
		s->nr_requests--;
		session_settle(s);
	}
	if (sv->nr_sessions)
		log_notice(xl->name, "%u clients have operations under way: waiting for them",
			   sv->nr_sessions);
	timer_stop(&sv->tick);
}

static void server_fini(struct xlator *xl)
{
	struct server *sv = xl->priv;
	struct port *p;

	while ((p = SLIST_FIRST(&sv->ports))) {
		SLIST_REMOVE_HEAD(&sv->ports, link);
		free(p);
	}
}

static void dump_session(const struct session *s, struct dump *d, uint64_t now_ns)
{
	char key[64];

#define KEY(what) (snprintf(key, sizeof key, "session.%llu." what, (unsigned long long)s->nr), key)
	dump_value(d, KEY("id"), "%016llx", (unsigned long long)s->id);
	dump_value(d, KEY("peer"), "%s", s->peer);
	dump_value(d, KEY("process"), "%s", s->process);
	dump_value(d, KEY("client-id"), "%016llx", (unsigned long long)s->client_id);
	dump_value(d, KEY("volume"), "%s", s->port->name);
	dump_value(d, KEY("state"), "%s",
		   s->ended	? "ending"
		   : !s->conn	? "waiting for its client to come back"
		   : s->closing ? "closing"
		   : s->paused	? "paused"
				: "up");
	dump_u64(d, KEY("seconds"), (now_ns - s->since_ns) / 1000000000);
	dump_u64(d, KEY("times-resumed"), s->nr_resumed);
	dump_u64(d, KEY("requests-repeated"), s->nr_repeated);
	dump_u64(d, KEY("answers-kept-bytes"), replay_bytes(&s->replay));
	dump_u64(d, KEY("open-files"), s->fds.nr);
	dump_u64(d, KEY("requests-under-way"), s->nr_requests);
	dump_u64(d, KEY("lock-waits"), s->nr_lock_waits);
	dump_u64(d, KEY("bytes-under-way"), s->bytes);
	dump_u64(d, KEY("requests"), s->total_requests);
	dump_u64(d, KEY("payload-received"), s->total_in);
	dump_u64(d, KEY("payload-sent"), s->total_out);
#undef KEY
}

static void server_dump(struct xlator *xl, struct dump *d)
{
	struct server *sv = xl->priv;
	const struct port *p;
	const struct session *s;

	if (sv->listener)
		dump_u64(d, "port", listener_port(sv->listener));
	dump_u64(d, "sessions", sv->nr_sessions);
	dump_u64(d, "bytes-under-way", sv->bytes);
	dump_u64(d, "not-greeted", sv->nr_greeting);
	dump_u64(d, "accepted", sv->nr_accepted);
	dump_u64(d, "attached", sv->nr_attached);
	dump_u64(d, "rejected", sv->nr_rejected);
	dump_u64(d, "malformed", sv->nr_malformed);
	dump_u64(d, "pushed-out", sv->nr_turned_away);
	SLIST_FOREACH(p, &sv->ports, link)
		dump_value(d, "used-volume", "%s", p->name);
	LIST_FOREACH(s, &sv->sessions, link)
		dump_session(s, d, loop_now_ns(xl_loop(xl)));
}

#define S struct server
static const struct option server_options[] = {
	OPT_STR_REQUIRED("transport-type", S, transport_type,
			 "how clients reach us: tcp/server or unix/server"),
	OPT_ALIAS("transport.type", "transport-type"),
	OPT_STR("bind-address", S, bind_address, NULL,
		"tcp/server: the address to listen on; none: all, IPv4 and IPv6"),
	OPT_ALIAS("transport.socket.bind-address", "bind-address"),
	OPT_U32("listen-port", S, listen_port, "6996", "0", "65535",
		"tcp/server: the port; 0: any (the statedump says which)"),
	OPT_ALIAS("transport.socket.listen-port", "listen-port"),
	OPT_PATH("listen-path", S, listen_path, NULL, "unix/server: the socket"),
	OPT_ALIAS("transport.socket.listen-path", "listen-path"),
	OPT_PATTERN("auth.ip.*.allow",
		    "addresses (patterns, !pattern) whose clients may use that volume"),
	OPT_PATTERN("auth.ip.*.reject",
		    "addresses (patterns, !pattern) whose clients may not use that volume"),
	OPT_PATTERN("auth.addr.*.allow", "another spelling of auth.ip.VOLUME.allow"),
	OPT_PATTERN("auth.addr.*.reject", "another spelling of auth.ip.VOLUME.reject"),
	OPT_PATTERN("auth.login.*.allow",
		    "users (patterns) who may use that volume with their password"),
	OPT_PATTERN("auth.login.*.password",
		    "the password of that user; it comes over the network in clear"),
	OPT_BOOL("auth.allow-insecure", S, allow_insecure, "off",
		 "accept clients from ports above 1023 (without root)"),
	OPT_ALIAS("rpc-auth-allow-insecure", "auth.allow-insecure"),
	OPT_BOOL("root-squash", S, root_squash, "off", "user 0 of a client is anon-uid here"),
	OPT_BOOL("all-squash", S, all_squash, "off", "all users of clients are anon-uid here"),
	OPT_U32("anon-uid", S, anon_uid, "65534", "0", "4294967294",
		"the user that squashed users are"),
	OPT_U32("anon-gid", S, anon_gid, "65534", "0", "4294967294",
		"the group that squashed users have"),
	OPT_BOOL("read-only", S, read_only, "off", "refuse every change (EROFS)"),
	OPT_U32("max-connections", S, max_connections, "4096", "1", "1000000", "clients at a time"),
	OPT_U32("max-requests", S, max_requests, "1024", "1", "1000000",
		"operations of one client at a time; no more is read while it has so many"),
	OPT_SIZE("max-request-bytes", S, max_request_bytes, "64MB", "1MB", "64GB",
		 "data of one client's operations and of the answers that they ask for"),
	OPT_SIZE("max-bytes-in-all", S, max_bytes_in_all, "1GB", "1MB", "1TB",
		 "the same for all clients together; each may always have one operation"),
	OPT_U32("max-open-files", S, max_open_files, "262144", "1", "16777216",
		"files and directories that one client may have open; one more is ENFILE"),
	OPT_TIME(
		"client-timeout", S, client_timeout_ms, "60s", "0", "24h",
		"the connection of a client that was silent for so long is closed; 0: never"),
	OPT_TIME("grace", S, grace_ms, "30s", "0", "24h",
		 "how long open files and locks of a client are kept whose connection was lost"),
	OPT_U32("inode-lru-limit", S, inode_lru_limit, "0", "0", "100000000",
		"objects remembered that nobody uses; 0: the limit of the graph"),
	OPT_SIZE("limits.transaction-size", S, transaction_size, "4MB", "128KB", "1GB",
		 "longest data accepted in a message; never more than 8MB"),
	OPT_SIZE("window-size", S, window_size, "0", "0", "1GB",
		 "socket buffers; 0: the kernel's choice"),
	OPT_ALIAS("transport.tcp-window-size", "window-size"),
	OPT_PATH("client-volume-filename", S, client_volume_filename,
		 SYSCONFDIR "/glusterfs/glusterfs-client.vol",
		 "the volume file that `glusterfs -s` fetches; FILE.ADDRESS of the client is tried "
		 "first"),
	OPT_END
};

static const struct xlator_type server_xlator = {
	.abi = XLATOR_ABI, .name = "protocol/server", .help = "volumes for clients",
	.min_children = 1, .max_children = XL_MANY,
	.priv_size = sizeof(struct server),
	.options = server_options, .needs_above = "features/replica",
	.check = server_check, .init = server_init, .start = server_start, .leave = server_leave, .stop = server_stop, .fini = server_fini,
	.event = server_event, .dump = server_dump,
};
XLATOR_EXPORT(server_xlator);
