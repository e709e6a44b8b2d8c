/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * client.c - protocol/client: a volume of a server, as a volume of this graph.
 *
 * One connection.  Its life:
 *
 *	WAITING --retry--> CONNECTING --connected--> GREETING --HELLO_REPLY--> (REOPENING) --> UP
 *	   ^                                                                                  |
 *	   +------------ closed, refused, silent, garbage: back off and try for ever ---------+
 *
 * What outlives it, and when the parents hear of its loss, is client-session.c's.
 *
 * A server is given up when nothing was heard of it for ping-timeout, although it was asked
 * (PING), or when it lives but none of its pending operations was answered for transport-timeout
 * (its disk hangs).  Time spent asleep (a stopped process, a closed laptop) does not count.
 */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "client.h"
#include "graph.h"

enum {
	BACKOFF_MIN_MS = 100, BACKOFF_MAX_MS = 5000, CONNECT_TIMEOUT_MS = 10000,
	/* while calls wait */
	HOLD_BACKOFF_MAX_MS = 500, HOLD_CONNECT_TIMEOUT_MS = 1000,
};

static void start_connecting(struct client *c);

const char *client_server_name(const struct client *c, char out[300])
{
	if (c->remote_host && !c->connect_path && strchr(c->remote_host, ':'))
		snprintf(out, 300, "[%.255s]:%u", c->remote_host, c->remote_port);
	else if (c->remote_host && !c->connect_path)
		snprintf(out, 300, "%.255s:%u", c->remote_host, c->remote_port);
	else
		snprintf(out, 300, "%.299s", c->connect_path ? c->connect_path : c->xl->name);
	return out;
}

static void notify_up(struct client *c)
{
	if (c->told == TOLD_UP)
		return;
	c->told = TOLD_UP;
	c->reason[0] = '\0';
	xl_notify(c->xl, XL_CHILD_UP, NULL);
}

/* It is told again when the reason of a failure changes. */
void client_notify_down(struct client *c, bool failed, const char *reason)
{
	bool same = strcmp(c->reason, reason) == 0;

	if (c->told == (failed ? TOLD_FAILED : TOLD_DOWN) && (same || !failed)) {
		if (!same) {
			snprintf(c->reason, sizeof c->reason, "%s", reason);
			log_warning(c->xl->name, "%s", reason);
		}
		return;
	}
	c->told = failed ? TOLD_FAILED : TOLD_DOWN;
	snprintf(c->reason, sizeof c->reason, "%s", reason);
	log_error(c->xl->name, "%s%s", reason, c->state == CLIENT_WAITING ? "; trying again" : "");
	xl_notify(c->xl, failed ? XL_CHILD_FAILED : XL_CHILD_DOWN, c->reason);
}

/* ---- losing it ---- */

static void retry_fire(struct timer *t)
{
	start_connecting((struct client *)((char *)t - offsetof(struct client, retry)));
}

static void connection_lost(struct client *c, int err, const char *reason)
{
	bool refused = c->refused;
	uint32_t delay_ms, max_ms = BACKOFF_MAX_MS;

	if (c->state == CLIENT_UP)
		c->nr_losses++;
	c->conn = c->closing = NULL;
	c->refused = false;
	timer_stop(&c->tick);
	if (client_session_lost(c, err, refused, reason))
		max_ms = HOLD_BACKOFF_MAX_MS;
	/* Telling may have stopped us. */
	if (c->state == CLIENT_STOPPED)
		return;
	delay_ms = c->backoff_ms < max_ms ? c->backoff_ms : max_ms;
	timer_start(&c->retry, xl_loop(c->xl), delay_ms, retry_fire);
	c->backoff_ms = delay_ms * 2;
}

void client_drop(struct client *c, int err, const char *fmt, ...)
{
	char why[400], name[300];
	va_list ap;

	if (!c->conn)
		return;			/* it is being closed already */
	va_start(ap, fmt);
	vsnprintf(why, sizeof why, fmt, ap);
	va_end(ap);
	snprintf(c->why, sizeof c->why, "%s: %s", client_server_name(c, name), why);
	c->must_not_hold = true;
	if (err == -EPROTO)
		c->session = 0;
	c->closing = c->conn;
	c->conn = NULL;
	conn_close(c->closing, err, false);
}

void client_tell(struct client *c, enum wire_kind kind, uint64_t xid)
{
	int ret = c->conn ? protocol_send(c->conn, kind, xid) : 0;

	/* Not connected: it has just broken, and we are about to be told why. */
	if (ret < 0 && ret != -ENOTCONN)
		client_drop(c, ret, "%s", strerror(-ret));
}

static void client_closed(struct conn *conn, int err)
{
	struct client *c = conn_ctx(conn);
	char reason[512], name[300];

	if (c->why[0]) {
		snprintf(reason, sizeof reason, "%s", c->why);
	} else {
		const char *error = conn_error(conn), *me = client_server_name(c, name);

		if (!*error)
			error = err ? strerror(-err) : "the server closed the connection";
		/*
		 * The transport says to whom, and which of its addresses; as a rule not by the
		 * name that people know.
		 */
		if (c->state == CLIENT_CONNECTING || strstr(error, me))
			snprintf(reason, sizeof reason, "%s", error);
		else
			snprintf(reason, sizeof reason, "%s: %s", me, error);
	}
	c->why[0] = '\0';
	connection_lost(c, err, reason);
}

/* ---- silence ---- */

static uint32_t tick_ms(const struct client *c)
{
	uint64_t ms = c->ping_timeout_ms / 10;

	return !ms || ms > 5000 ? 5000 : ms < 100 ? 100 : ms;
}

static void tick_fire(struct timer *t)
{
	struct client *c = (struct client *)((char *)t - offsetof(struct client, tick));
	uint64_t heard = c->conn ? conn_last_heard_ns(c->conn) : 0;
	bool silent = heard == c->heard_ns;

	if (!c->conn)
		return;
	timer_start(t, xl_loop(c->xl), tick_ms(c), tick_fire);
	c->heard_ns = heard;
	c->silent_ms = silent ? c->silent_ms + tick_ms(c) : 0;
	c->stuck_ms = c->nr_pending > c->nr_lock_waits ? c->stuck_ms + tick_ms(c) : 0;
	if (c->ping_timeout_ms && c->silent_ms > c->ping_timeout_ms)
		return client_drop(c, -ETIMEDOUT,
				   "nothing was heard of it for %llu ms (ping-timeout)",
				   (unsigned long long)c->ping_timeout_ms);
	if (c->transport_timeout_ms && c->stuck_ms > c->transport_timeout_ms)
		return client_drop(c, -ETIMEDOUT,
				   "it lives, but has answered none of %u operations for %llu s "
				   "(transport-timeout)",
				   c->nr_pending - c->nr_lock_waits,
				   (unsigned long long)c->transport_timeout_ms / 1000);
	if (silent && c->state != CLIENT_GREETING)
		client_tell(c, WIRE_PING, 0);
}

/* ---- connecting ---- */

static void client_connected(struct conn *conn)
{
	struct client *c = conn_ctx(conn);
	struct hello hello = {
		.version_min = PROTOCOL_VERSION_MIN,
		.version_max = PROTOCOL_VERSION_MAX,
		.client_id = c->xl->graph->client_id,
		.session = c->session,
		.payload_max = protocol_payload_max(c->transaction_size),
		.ping_ms = 2 * tick_ms(c),
		.process = program_invocation_short_name,
		.process_version = PACKAGE_VERSION,
		.volume = c->remote_subvolume,
		.username = c->username,
		.password = c->password,
	};

	c->state = CLIENT_GREETING;
	c->heard_ns = conn_last_heard_ns(conn);
	c->silent_ms = c->stuck_ms = 0;
	timer_start(&c->tick, xl_loop(c->xl), tick_ms(c), tick_fire);
	if (hello_send(conn, &hello) < 0)
		client_drop(c, -ENOMEM, "out of memory");
}

void client_ready(struct client *c)
{
	char name[300];

	c->state = CLIENT_UP;
	c->backoff_ms = BACKOFF_MIN_MS;
	c->nr_connects++;
	if (c->server_up)
		return notify_up(c);
	char reason[512];
	snprintf(reason, sizeof reason, "%s: volume \"%s\" is down there", client_server_name(c, name),
		 c->remote_subvolume);
	client_notify_down(c, false, reason);
}

static void greeted(struct client *c, const struct hello_reply *r)
{
	if (r->ret < 0) {
		c->refused = true;
		return client_drop(c, r->ret, "%s", *r->error ? r->error : strerror(-r->ret));
	}
	if (r->version < PROTOCOL_VERSION_MIN || r->version > PROTOCOL_VERSION_MAX) {
		c->refused = true;
		return client_drop(c, -EPROTO,
				   "it chose protocol version %u, which this client does not speak",
				   r->version);
	}
	c->server_payload_max = r->payload_max;
	c->server_up = r->up;
	if (r->features & PROTOCOL_WANTS_GROUPS)
		xl_notify(c->xl, XL_WANTS_GROUPS, NULL);
	client_session_greeted(c, r);
}

/* What happens to the volume there. */
static void heard_event(struct client *c, unsigned what, struct wire *w)
{
	char reason[512], name[300];
	struct gfid gfid;

	if (what == PROTOCOL_EVENT_INVALIDATE) {
		const uint8_t *bytes = wire_get_bytes(w, sizeof gfid.b);

		if (!bytes)
			return client_drop(c, -EPROTO, "an event is malformed");
		memcpy(gfid.b, bytes, sizeof gfid.b);
		_cleanup_inode_ struct inode *inode = inode_find(xl_inodes(c->xl), &gfid);
		if (inode)
			xl_notify(c->xl, XL_INVALIDATE, inode);
		return;
	}
	if (what == PROTOCOL_EVENT_LEAVING) {
		log_notice(c->xl->name, "%s is being stopped", client_server_name(c, name));
		return xl_notify(c->xl, XL_LEAVING, NULL);
	}
	const char *text = wire_get_str(w);
	c->server_up = what == PROTOCOL_EVENT_UP;
	if (c->state != CLIENT_UP)
		return;
	if (c->server_up) {
		log_notice(c->xl->name, "%s: volume \"%s\" is up there", client_server_name(c, name),
			   c->remote_subvolume);
		return notify_up(c);
	}
	snprintf(reason, sizeof reason, "%s: volume \"%s\" went down there: %.200s",
		 client_server_name(c, name), c->remote_subvolume, text);
	client_notify_down(c, false, reason);
}

static void client_message(struct conn *conn, struct buf *head, struct buf *payload)
{
	struct client *c = conn_ctx(conn);
	struct wire w = protocol_reader(head, payload);
	struct wire_header h;
	struct hello_reply r;
	_cleanup_dict_ struct dict *d = NULL;

	if (conn != c->conn)
		return;			/* given up, but not closed yet */
	wire_get_header(&w, &h);
	if (!wire_ok(&w) || (h.kind == WIRE_HELLO_REPLY) != (c->state == CLIENT_GREETING))
		return client_drop(c, -EPROTO, "it does not speak our protocol");
	switch (h.kind) {
	case WIRE_HELLO_REPLY:
		if (hello_reply_read(&w, h.ret, &r, &d) < 0)
			return client_drop(c, -EPROTO, "its greeting is malformed");
		return greeted(c, &r);
	case WIRE_REPLY:
		return client_reply(c, &h, &w);
	case WIRE_EVENT:
		return heard_event(c, h.op, &w);
	case WIRE_PING:
		return client_tell(c, WIRE_PONG, h.xid);
	case WIRE_PONG:
		return;
	default:
		client_drop(c, -EPROTO, "it sent a message of kind %u", h.kind);
	}
}

static void client_writable(struct conn *conn)
{
	client_send_queued(conn_ctx(conn));
}

static const struct conn_handler client_handler = {
	.message = client_message,
	.connected = client_connected,
	.closed = client_closed,
	.writable = client_writable,
};

static void start_connecting(struct client *c)
{
	struct transport_address to = {
		.host = c->connect_path ? c->connect_path : c->remote_host, .port = c->remote_port,
		.window_size = c->window_size,
	};
	struct conn_limits limits = {
		.payload_max = protocol_payload_max(c->transaction_size),
	};

	uint32_t timeout_ms = c->ping_timeout_ms ? c->ping_timeout_ms : CONNECT_TIMEOUT_MS;

	if (c->holding && timeout_ms > HOLD_CONNECT_TIMEOUT_MS)
		timeout_ms = HOLD_CONNECT_TIMEOUT_MS;
	c->must_not_hold = false;
	c->nr_attempts++;
	c->state = CLIENT_CONNECTING;
	c->conn = conn_connect(c->transport, xl_loop(c->xl), &to,
			       timeout_ms, &limits, &client_handler, c);
	if (!c->conn)
		connection_lost(c, -ENOMEM, "out of memory");
}

/* ---- the translator ---- */

static int client_check(struct xlator *xl)
{
	struct client *c = xl->priv;

	c->transport = protocol_transport(xl, c->transport_type);
	if (!c->transport)
		return -EINVAL;
	if (strncasecmp(c->transport_type, "unix", 4) == 0) {
		if (!c->connect_path) {
			xl_error(xl, NULL, "transport-type %s needs option connect-path",
				 c->transport_type);
			return -EINVAL;
		}
		return 0;
	}
	if (c->connect_path) {
		xl_error(xl, "connect-path", "is for transport-type unix, not %s",
			 c->transport_type);
		return -EINVAL;
	}
	if (!c->remote_host) {
		xl_error(xl, NULL,
			 "option remote-host is missing: the name or address of the server");
		return -EINVAL;
	}
	return 0;
}

static int client_init(struct xlator *xl)
{
	struct client *c = xl->priv;

	c->xl = xl;
	TAILQ_INIT(&c->queue);
	return 0;
}

static int client_start(struct xlator *xl)
{
	struct client *c = xl->priv;

	c->backoff_ms = BACKOFF_MIN_MS;
	client_session_start(c);
	start_connecting(c);
	return 0;
}

static void client_stop(struct xlator *xl)
{
	struct client *c = xl->priv;

	timer_stop(&c->retry);
	timer_stop(&c->tick);
	client_session_stop(c);
	c->state = CLIENT_STOPPED;
	if (c->conn || c->closing)
		conn_close(c->conn ? c->conn : c->closing, 0, true);
	c->conn = c->closing = NULL;
	client_fail_pending(c);
}

static void client_fini(struct xlator *xl)
{
	struct client *c = xl->priv;

	free(c->slots);
}

static void client_dump(struct xlator *xl, struct dump *d)
{
	static const char *const states[] = {
		"stopped", "waiting", "connecting", "greeting", "reopening", "up",
	};
	struct client *c = xl->priv;
	char name[300];

	dump_value(d, "server", "%s", client_server_name(c, name));
	dump_value(d, "remote-subvolume", "%s", c->remote_subvolume);
	dump_value(d, "state", "%s", states[c->state]);
	dump_value(d, "up", "%s", xl->up ? "yes" : "no");
	if (c->conn && c->state > CLIENT_CONNECTING)
		dump_value(d, "peer", "%s", conn_peer(c->conn));
	if (c->reason[0])
		dump_value(d, "reason", "%s", c->reason);
	dump_value(d, "session", "%016llx", (unsigned long long)c->session);
	dump_value(d, "calls-wait", "%s", c->holding ? "yes" : "no");
	dump_u64(d, "pending", c->nr_pending);
	dump_u64(d, "lock-waits", c->nr_lock_waits);
	dump_u64(d, "queued-bytes", c->queued_bytes);
	dump_u64(d, "attempts", c->nr_attempts);
	dump_u64(d, "connects", c->nr_connects);
	dump_u64(d, "losses", c->nr_losses);
	dump_u64(d, "requests", c->nr_requests);
	dump_u64(d, "replies", c->nr_replies);
	dump_u64(d, "refused-queue-full", c->nr_refused);
	dump_u64(d, "payload-sent", c->payload_out);
	dump_u64(d, "payload-received", c->payload_in);
	dump_u64(d, "session-resumed", c->nr_resumed);
	dump_u64(d, "requests-repeated", c->nr_repeated);
	dump_u64(d, "files-reopened", c->nr_reopened);
	dump_u64(d, "files-not-reopened", c->nr_reopen_failed);
}

#define S struct client
static const struct option client_options[] = {
	OPT_STR("transport-type", S, transport_type, "tcp/client",
		"how the server is reached: tcp/client or unix/client"),
	OPT_ALIAS("transport.type", "transport-type"),
	OPT_STR("remote-host", S, remote_host, NULL,
		"name or address of the server; all its addresses are tried"),
	OPT_ALIAS("transport.remote-host", "remote-host"),
	OPT_U32("remote-port", S, remote_port, "6996", "1", "65535", "port of the server"),
	OPT_ALIAS("transport.socket.remote-port", "remote-port"),
	OPT_STR_REQUIRED("remote-subvolume", S, remote_subvolume,
			 "the volume of the server to attach to"),
	OPT_PATH("connect-path", S, connect_path, NULL, "unix/client: the socket of the server"),
	OPT_ALIAS("transport.socket.connect-path", "connect-path"),
	OPT_TIME("ping-timeout", S, ping_timeout_ms, "10s", "0", "1h",
		 "a server that was silent for so long is given up; 0: never"),
	OPT_ALIAS("network.ping-timeout", "ping-timeout"),
	OPT_TIME("transport-timeout", S, transport_timeout_ms, "42s", "0", "24h",
		 "a server that has answered none of the pending operations for so long is given "
		 "up; 0: never"),
	OPT_STR("username", S, username, NULL, "for auth.login of the server"),
	OPT_STR("password", S, password, NULL, "for auth.login of the server; sent in clear"),
	OPT_SIZE("max-queued-bytes", S, max_queued_bytes, "256MB", "1MB", "64GB",
		 "operations that wait until the connection takes them; more are answered with ENOBUFS"),
	OPT_SIZE("limits.transaction-size", S, transaction_size, "256MB", "128KB", "1GB",
		 "longest data accepted in a message; never more than 8MB"),
	OPT_SIZE("window-size", S, window_size, "0", "0", "1GB",
		 "socket buffers; 0: the kernel's choice"),
	OPT_ALIAS("transport.tcp-window-size", "window-size"),
	OPT_OBSOLETE("non-blocking-connect", "connecting never blocks"),
	OPT_OBSOLETE("background-retry", "a lost server is always tried again"),
	OPT_OBSOLETE("disable-handshake", "there is always a handshake"),
	OPT_END
};

static const struct xlator_type client_xlator = {
	.abi = XLATOR_ABI, .name = "protocol/client", .help = "a volume of a server",
	.min_children = 0, .max_children = 0,
	.priv_size = sizeof(struct client), .frame_size = sizeof(struct client_call),
	.options = client_options,
	.check = client_check, .init = client_init, .start = client_start, .stop = client_stop, .fini = client_fini,
	.dump = client_dump, .release = client_release,
	.fops = { .any = client_any, .flush = client_flush },
};
XLATOR_EXPORT(client_xlator);
