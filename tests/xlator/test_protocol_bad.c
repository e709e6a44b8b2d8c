/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* test_protocol_bad.c - wrong, hostile and broken peers; who may do what. */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../xlators/protocol/fetch.h"
#include "../../xlators/protocol/protocol.h"
#include "protocol_rig.h"
#include "../unit/unit.h"

#define CALL(op, ...) rig_call(FOP_##op, &(struct op##_args){ __VA_ARGS__ })

static int stat_nr(unsigned nr)
{
	_cleanup_inode_ struct inode *inode = rig_inode(nr);

	return CALL(stat, .inode = inode);
}

static void rig_again(void)
{
	rig_fini();
	memset(&rig, 0, sizeof rig);
	memset(&sink, 0, sizeof sink);
}

static bool was_told(void)
{
	return rig.ups || rig.failures || rig.downs;
}

/* ---- authentication ---- */

/* why: part of the reason when it is rejected, NULL when it is accepted. */
static void check_auth(const char *server_options, const char *client_options, const char *why)
{
	rig_init("mem");
	ck_assert_msg(rig_serve(server_options) == 0, "%s", rig_problems());
	ck_assert_msg(rig_attach("brick", client_options) == 0, "%s", rig_problems());
	ck_assert(rig_until(was_told, 1000));
	ck_assert_msg(rig.ups == !why, "%s: %s", server_options, rig.reason);
	ck_assert_int_eq(rig.failures, !!why);
	if (why)
		ck_assert_msg(strstr(rig.reason, why) != NULL, "\"%s\" is not in \"%s\"", why,
			      rig.reason);
	rig_again();
}

START_TEST(auth_by_address)
{
	check_auth("", "", "nothing allows it");
	check_auth("option auth.ip.brick.allow *\n", "", NULL);
	check_auth("option auth.addr.brick.allow *\n", "", NULL);
	check_auth("option auth.ip.brick.allow mem\n", "", NULL);
	check_auth("option auth.ip.brick.allow \"10.* m?m\"\n", "", NULL);
	check_auth("option auth.ip.brick.allow 10.*,192.168.*\n", "", "not in auth.ip.allow");
	check_auth("option auth.ip.brick.allow !10.*\n", "", NULL);
	check_auth("option auth.ip.brick.allow !mem\n", "", "not in auth.ip.allow");
	check_auth("option auth.ip.brick.allow 10.*,!192.168.*\n", "", NULL);
	check_auth("option auth.ip.brick.allow *\noption auth.ip.brick.reject mem\n", "",
		   "auth.ip.reject");
	check_auth("option auth.ip.brick.allow *\noption auth.ip.brick.reject 10.*\n", "", NULL);
	check_auth("option auth.ip.brick.allow *\noption auth.ip.brick.reject !10.*\n", "",
		   "auth.ip.reject");
	check_auth("option auth.ip.deep.allow *\n", "", "nothing allows it");
}
END_TEST

START_TEST(auth_by_login)
{
	const char *server =
		"option auth.login.brick.allow alice,b*\noption auth.login.alice.password apple\n"
		"option auth.login.bob.password banana\n";
	const char *and_ip = "option auth.ip.brick.allow *\noption auth.login.brick.allow alice\n"
			     "option auth.login.alice.password apple\n";

	check_auth(server, "option username alice\noption password apple\n", NULL);
	check_auth(server, "option username bob\noption password banana\n", NULL);
	check_auth(server, "option username alice\noption password banana\n",
		   "user or password is wrong");
	check_auth(server, "option username alice\noption password apples\n",
		   "user or password is wrong");
	check_auth(server, "option username alice\noption password app\n",
		   "user or password is wrong");
	check_auth(server, "option username ben\noption password apple\n",
		   "user or password is wrong");
	check_auth(server, "option username carol\noption password apple\n",
		   "not in auth.login.allow");
	check_auth(server, "", "nothing allows it");
	/* One that rejects decides, although the address would do. */
	check_auth(and_ip, "option username alice\noption password wrong\n",
		   "user or password is wrong");
	check_auth(and_ip, "option username carol\noption password wrong\n", NULL);
	check_auth(and_ip, "", NULL);
}
END_TEST

static struct raw raw;

static bool raw_answered(void)
{
	raw_read(&raw);
	return raw.nr_in > WIRE_PREFIX || raw.closed;
}

static bool raw_gone(void)
{
	raw_read(&raw);
	return raw.closed;
}

static bool raw_says(const char *text)
{
	return memmem(raw.in, raw.nr_in, text, strlen(text)) != NULL;
}

static void say_hello(unsigned version_min, unsigned version_max, const char *volume)
{
	uint8_t hello[1024];
	size_t len = raw_hello(hello, sizeof hello, version_min, version_max, volume, NULL, NULL);

	raw_send(&raw, hello, len);
	ck_assert(rig_until(raw_answered, 2000));
}

START_TEST(auth_by_port)
{
	rig_init("tcp");
	ck_assert_int_eq(rig_serve("option auth.ip.brick.allow 127.*\n"), 0);
	raw_open(&raw, false);
	say_hello(1, 1, "brick");
	ck_assert(raw_says("a port above 1023"));
	ck_assert(rig_until(raw_gone, 2000));
	raw_close(&raw);
	if (geteuid() == 0) {
		raw_open(&raw, true);
		say_hello(1, 1, "brick");
		ck_assert(!raw_says("error") && !raw.closed);
		raw_close(&raw);
	}
	rig_again();
	rig_init("tcp");
	ck_assert_int_eq(
		rig_serve("option auth.ip.brick.allow 127.*\noption auth.allow-insecure on\n"), 0);
	raw_open(&raw, false);
	say_hello(1, 1, "brick");
	ck_assert(!raw_says("error") && !raw.closed);
	raw_close(&raw);
	rig_fini();
}
END_TEST

START_TEST(root_comes_from_a_reserved_port)
{
	if (geteuid() != 0)
		return;
	rig_init("tcp");
	ck_assert_int_eq(rig_serve("option auth.ip.brick.allow 127.*\n"), 0);
	for (int i = 1; i <= 520; i++) { /* more than there are: they can be used again at once */
		ck_assert_int_eq(rig_attach("brick", ""), 0);
		ck_assert(rig_until(was_told, 5000));
		ck_assert_msg(rig.ups == 1, "%d: %s", i, rig.reason);
		rig.ups = 0;
		rig_end(&rig.client);
	}
	rig_fini();
}
END_TEST

START_TEST(a_volume_that_is_not_there)
{
	rig_init("mem");
	ck_assert_int_eq(rig_serve("option auth.ip.brick.allow *\n"), 0);
	ck_assert_int_eq(rig_attach("brik", ""), 0);
	ck_assert(rig_until(was_told, 1000));
	ck_assert_int_eq(rig.failures, 1);
	ck_assert(strstr(rig.reason, "volume \"brik\" is not exported by") != NULL);
	ck_assert(strstr(rig.reason, "(it exports: brick)") !=
		  NULL); /* and not "deep", which it may not use */
	rig_run(60000);
	ck_assert_int_eq(rig.failures, 1);	/* told once, tried again and again */
	ck_assert_int_gt(atoi(rig_dumped(rig.client, "attempts")), 5);
	rig_fini();
}
END_TEST

START_TEST(the_server_itself_is_no_volume)
{
	rig_init("mem");
	ck_assert_int_eq(rig_serve("option auth.ip.server.allow *\n"), 0);
	ck_assert_int_eq(rig_attach("server", ""), 0);
	ck_assert(rig_until(was_told, 1000));
	ck_assert(strstr(rig.reason, "it exports nothing to this client") != NULL);
	rig_fini();
}
END_TEST

START_TEST(another_version)
{
	rig_up("tcp", "", "");
	raw_open(&raw, false);
	say_hello(7, 9, "brick");
	ck_assert(raw_says(
		"version mismatch: the client speaks protocol versions 7 to 9, the server 1 to 1"));
	ck_assert(rig_until(raw_gone, 2000));
	raw_close(&raw);
	raw_open(&raw, false);
	say_hello(1, 9, "brick");
	ck_assert(!raw_says("error") && !raw.closed);
	raw_close(&raw);
	rig_fini();
}
END_TEST

/* ---- hostile clients ---- */

static void check_dropped(const void *bytes, size_t len, bool after_hello)
{
	raw_open(&raw, false);
	if (after_hello)
		say_hello(1, 1, "brick");
	raw_send(&raw, bytes, len);
	ck_assert(rig_until(raw_gone, 2000));
	raw_close(&raw);
	ck_assert_int_eq(stat_nr(1), 0);		/* everybody else goes on */
}

static size_t message(uint8_t *out, enum wire_kind kind, unsigned op, const void *bytes, size_t len)
{
	struct wire w = { .at = out + WIRE_PREFIX, .base = out + WIRE_PREFIX, .end = out + 4096 };

	wire_put_header(&w, &(struct wire_header){ .kind = kind, .op = op, .xid = 1 });
	wire_put_bytes(&w, bytes, len);
	uint32_t lens[2] = { w.at - w.base, 0 };
	memcpy(out, lens, sizeof lens);
	return WIRE_PREFIX + lens[0];
}

START_TEST(garbage_is_dropped)
{
	uint8_t b[8192], junk[4096];
	const uint32_t big[2] = { 1u << 31, 8 }, none[2] = { 0, 0 },
		       hello_with_payload[2] = { 100, 100 };

	rig_up("tcp", "", "");
	memset(junk, 0xff, sizeof junk);
	check_dropped("GET / HTTP/1.0\r\n\r\n", 18, false);
	check_dropped("Block Start\n0000000000000001\n", 29, false);
	check_dropped(junk, sizeof junk, false);
	check_dropped(big, sizeof big, false);
	check_dropped(none, sizeof none, false);
	check_dropped(hello_with_payload, sizeof hello_with_payload, false);
	check_dropped(b, message(b, WIRE_REQUEST, FOP_stat, junk, 20), false);
	check_dropped(b, message(b, WIRE_PING, 0, NULL, 0), false);
	check_dropped(b, message(b, WIRE_HELLO, 0, junk, 100), false);
	check_dropped(b, raw_hello(b, sizeof b, 1, 1, "brick", NULL, NULL), true);	/* twice */
	check_dropped(b, message(b, WIRE_REQUEST, FOP_stat, junk, 20), true);
	check_dropped(b, message(b, WIRE_REQUEST, FOP_write, junk, 7), true);
	check_dropped(b, message(b, WIRE_REPLY, FOP_stat, junk, 20), true);
	check_dropped(b, message(b, WIRE_EVENT, 1, junk, 20), true);
	check_dropped(b, message(b, WIRE_RELEASE, 0, NULL, 0), true);
	check_dropped(b, message(b, WIRE_REQUEST, 0xee, junk, 20), true);
	check_dropped(big, sizeof big, true);
	rig_fini();
}
END_TEST

START_TEST(random_requests_harm_nobody)
{
	uint8_t b[8192], junk[512];

	rig_up("tcp", "", "");
	srand(7);
	for (int i = 0; i < 150; i++) {
		size_t len = rand() % sizeof junk;

		for (size_t k = 0; k < len; k++)
			junk[k] = rand() % 4 ? rand() % 4 : rand();
		raw_open(&raw, false);
		say_hello(1, 1, "brick");
		raw_send(&raw, b, message(b, WIRE_REQUEST, i % FOP_COUNT, junk, len));
		rig_run(1);
		raw_close(&raw);
	}
	ck_assert_int_eq(stat_nr(1), 0);
	rig_fini();
}
END_TEST

enum { FLOOD = 300 };
static struct raw flood[FLOOD];

static bool flood_thinned_out(void)
{
	int closed = 0;

	for (int i = 0; i < FLOOD; i++) {
		raw_read(&flood[i]);
		closed += flood[i].closed;
	}
	return closed >= FLOOD - 256;
}

START_TEST(half_open_connections_push_each_other_out)
{
	rig_up("tcp", "", "");
	for (int i = 0; i < FLOOD; i++) {
		raw_open(&flood[i], false);
		if (i % 50 == 0)
			rig_run(1);
	}
	ck_assert(rig_until(flood_thinned_out, 5000));
	ck_assert(flood[0].closed);
	ck_assert_int_eq(stat_nr(1), 0);
	raw_open(&raw, false);
	say_hello(1, 1, "brick");		/* one more gets in */
	ck_assert(!raw_says("error") && !raw.closed);
	raw_close(&raw);
	for (int i = 0; i < FLOOD; i++)
		raw_close(&flood[i]);
	rig_fini();
}
END_TEST

/* ---- a peer of our own making, on the simulated loop ---- */

static struct peer {
	struct conn *conn;
	struct listener *listener;
	int messages, closed;
	uint32_t version;
	bool answer_hello, answer_ping;
} peer;

static void peer_message(struct conn *c, struct buf *head, struct buf *payload)
{
	struct wire w = { .at = head->data, .base = head->data, .end = head->data + head->len };
	struct wire_header h;

	peer.messages++;
	wire_get_header(&w, &h);
	if (h.kind == WIRE_HELLO && peer.answer_hello) {
		_cleanup_dict_ struct dict *d = dict_new();
		struct wire *out = conn_begin(c, 512);

		dict_set_u64(d, "version", peer.version);
		dict_set_u64(d, "up", 1);
		wire_put_header(out, &(struct wire_header){ .kind = WIRE_HELLO_REPLY });
		wire_put_dict(out, d);
		conn_end(c, out);
	} else if (h.kind == WIRE_PING && peer.answer_ping) {
		struct wire *out = conn_begin(c, 64);

		wire_put_header(out, &(struct wire_header){ .kind = WIRE_PONG });
		conn_end(c, out);
	}
}

static void peer_connected(struct conn *c)
{
}

static void peer_closed(struct conn *c, int err)
{
	peer.closed++;
	peer.conn = NULL;
}

static const struct conn_handler peer_handler = {
	.message = peer_message, .connected = peer_connected, .closed = peer_closed,
};

static bool peer_accepted(struct listener *l, struct conn *c)
{
	conn_set_handler(c, NULL, &peer_handler, NULL);
	peer.conn = c;
	return true;
}

static void peer_serve(void)
{
	char error[256];

	rig_init("mem");
	ck_assert_int_eq(listener_new(transport_find("mem"), rig.loop,
				      &(struct transport_address){ .host = "brick1" },
				      peer_accepted, NULL, &peer.listener, error),
			 0);
}

static void peer_end(void)
{
	rig_end(&rig.client);
	if (peer.conn)
		conn_close(peer.conn, 0, true);
	listener_free(peer.listener);
	rig_fini();
}

START_TEST(a_server_that_never_greets)
{
	peer_serve();
	ck_assert_int_eq(rig_attach("brick", "option ping-timeout 5s\n"), 0);
	rig_run(4000);
	ck_assert_int_eq(rig.downs, 0);
	rig_run(4000);
	ck_assert_int_eq(rig.downs, 1);
	ck_assert(strstr(rig.reason, "ping-timeout") != NULL);
	peer_end();
}
END_TEST

START_TEST(a_server_that_chose_another_version)
{
	peer.answer_hello = true;
	peer.version = 9;
	peer_serve();
	ck_assert_int_eq(rig_attach("brick", ""), 0);
	ck_assert(rig_until(was_told, 1000));
	ck_assert_int_eq(rig.failures, 1);
	ck_assert(strstr(rig.reason, "version 9") != NULL);
	peer_end();
}
END_TEST

static void call_into_silence(bool pongs, uint32_t before_ms, uint32_t after_ms, const char *why)
{
	struct rig_call c;

	peer.answer_hello = true;
	peer.answer_ping = pongs;
	peer.version = 1;
	peer_serve();
	ck_assert_int_eq(rig_attach("brick", ""), 0);
	ck_assert(rig_until(was_told, 1000));
	ck_assert_int_eq(rig.ups, 1);
	struct inode *inode = rig_inode(1);
	rig_call_start(&c, FOP_stat, &(struct stat_args){ .inode = inode }, NULL);
	rig_run(before_ms);
	ck_assert(!c.done && rig.downs == 0);
	rig_run(after_ms);
	ck_assert(c.done && rig.downs == 1);
	ck_assert_int_eq(c.ret, -ENOTCONN);
	ck_assert_msg(strstr(rig.reason, why) != NULL, "%s", rig.reason);
	inode_unref(inode);
	peer_end();
}

START_TEST(a_silent_server_is_given_up)
{
	call_into_silence(false, 8000, 6000, "ping-timeout");
}
END_TEST
START_TEST(a_stuck_server_is_given_up)
{
	call_into_silence(true, 40000, 6000, "transport-timeout");
}
END_TEST

START_TEST(a_server_that_talks_nonsense)
{
	peer.answer_hello = true;
	peer.version = 1;
	peer_serve();
	ck_assert_int_eq(rig_attach("brick", ""), 0);
	ck_assert(rig_until(was_told, 1000));
	struct wire *out = conn_begin(peer.conn, 64);
	wire_put_header(out,
			&(struct wire_header){ .kind = WIRE_REPLY, .op = FOP_stat, .xid = 12345 });
	conn_end(peer.conn, out);
	rig_run(100);
	ck_assert_int_eq(rig.downs, 1);
	ck_assert(strstr(rig.reason, "not asked") != NULL);
	peer_end();
}
END_TEST

START_TEST(a_client_that_never_greets)
{
	rig_init("mem");
	ck_assert_int_eq(rig_serve("option auth.ip.brick.allow *\n"), 0);
	peer.conn = conn_connect(transport_find("mem"), rig.loop,
				 &(struct transport_address){ .host = "brick1" }, 0, NULL,
				 &peer_handler, NULL);
	rig_run(9000);
	ck_assert_int_eq(peer.closed, 0);
	rig_run(3000);
	ck_assert_int_eq(peer.closed, 1);
	rig_fini();
}
END_TEST

/* ---- a client that takes no answers ---- */

static uint64_t peer_fd_out(struct wire *w, struct fd *fd)
{
	return 1;
}

/* The nr-th request, in a place of its own. */
static void peer_request(uint64_t nr, enum fop_id op, const void *args)
{
	uint64_t xid = nr << PROTOCOL_PLACE_BITS | nr;

	struct wire *w = conn_begin(peer.conn, 1024);

	w->fd_out = peer_fd_out;
	wire_put_header(w, &(struct wire_header){ .kind = WIRE_REQUEST, .op = op, .xid = xid });
	wire_put_args(w, op, args);
	ck_assert_int_eq(conn_end(peer.conn, w), 0);
}

static void peer_hello(void)
{
	_cleanup_dict_ struct dict *d = dict_new();
	struct wire *w = conn_begin(peer.conn, 512);

	dict_set_u64(d, "version-min", 1);
	dict_set_u64(d, "version-max", 1);
	dict_set_u64(d, "client-id", 77);
	dict_set_str(d, "volume", "brick");
	wire_put_header(w, &(struct wire_header){ .kind = WIRE_HELLO });
	wire_put_dict(w, d);
	ck_assert_int_eq(conn_end(peer.conn, w), 0);
}

START_TEST(a_client_that_takes_no_answers)
{
	enum { READS = 200, SIZE = 1 << 20 };

	rig_up("mem", "", "");
	struct inode *inode = rig_inode(1);
	struct fd *fd = fd_new(inode, O_RDONLY, false);
	peer.conn = conn_connect(transport_find("mem"), rig.loop,
				 &(struct transport_address){ .host = "brick1" }, 0, NULL,
				 &peer_handler, NULL);
	rig_run(100);
	peer_hello();
	peer_request(1, FOP_open,
		     &(struct open_args){ .inode = inode, .fd = fd, .flags = O_RDONLY });
	rig_run(100);
	ck_assert_int_eq(peer.messages, 2);
	conn_pause(peer.conn, true);
	for (int i = 0; i < READS; i++)
		peer_request(2 + i, FOP_read, &(struct read_args){ .fd = fd, .size = SIZE });
	rig_run(5000);
	/* It is not read any more, long before all of its answers fill our memory ... */
	ck_assert_uint_lt(sink.calls[FOP_read], 100);
	ck_assert_int_eq(stat_nr(1), 0);
	/* ... and dropped in the end. */
	rig_run(80000);
	ck_assert_str_eq(rig_dumped(rig.server, "sessions"), "1");
	ck_assert_int_eq(stat_nr(1), 0);
	ck_assert_int_eq(sink.releases, 1);
	if (peer.conn)
		conn_close(peer.conn, 0, true);
	fd_unref(fd);
	inode_unref(inode);
	rig_fini();
}
END_TEST

/* ---- a client that goes on with its session ---- */

static uint64_t peer_handle = 1, peer_session;

static uint64_t peer_handle_out(struct wire *w, struct fd *fd)
{
	return peer_handle;
}

/* A request in the place `nr`, for the open file peer_handle. */
static void peer_request_for(uint64_t handle, uint64_t nr, enum fop_id op, const void *args)
{
	struct wire *w = conn_begin(peer.conn, 1024);

	peer_handle = handle;
	w->fd_out = peer_handle_out;
	wire_put_header(w, &(struct wire_header){ .kind = WIRE_REQUEST,
						  .op = op,
						  .xid = 1 << PROTOCOL_PLACE_BITS | nr });
	wire_put_args(w, op, args);
	ck_assert_int_eq(conn_end(peer.conn, w), 0);
}

static void session_message(struct conn *c, struct buf *head, struct buf *payload)
{
	struct wire w = { .at = head->data, .base = head->data, .end = head->data + head->len };
	struct wire_header h;

	wire_get_header(&w, &h);
	peer.messages++;
	if (h.kind != WIRE_HELLO_REPLY)
		return;
	_cleanup_dict_ struct dict *d = wire_get_dict(&w);
	ck_assert_int_eq(dict_get_u64(d, "session", &peer_session), 0);
}

static const struct conn_handler session_handler = {
	.message = session_message, .connected = peer_connected, .closed = peer_closed,
};

/* Connects, and goes on with peer_session. */
static void peer_attach(void)
{
	peer.conn = conn_connect(transport_find("mem"), rig.loop,
				 &(struct transport_address){ .host = "brick1" }, 0, NULL,
				 &session_handler, NULL);
	rig_run(100);
	_cleanup_dict_ struct dict *d = dict_new();
	struct wire *w = conn_begin(peer.conn, 512);

	dict_set_u64(d, "version-min", 1);
	dict_set_u64(d, "version-max", 1);
	dict_set_u64(d, "client-id", 77);
	dict_set_u64(d, "session", peer_session);
	dict_set_str(d, "volume", "brick");
	wire_put_header(w, &(struct wire_header){ .kind = WIRE_HELLO });
	wire_put_dict(w, d);
	ck_assert_int_eq(conn_end(peer.conn, w), 0);
	rig_run(100);
}

static void peer_fsync(uint64_t handle, uint64_t nr)
{
	_cleanup_inode_ struct inode *inode = rig_inode(1);
	struct fd *fd = fd_new(inode, O_RDWR, false);

	peer_request_for(handle, nr, FOP_fsync, &(struct fsync_args){ .fd = fd });
	rig_run(100);
	fd_unref(fd);
}

static void peer_open(uint64_t handle, uint64_t nr)
{
	_cleanup_inode_ struct inode *inode = rig_inode(1);
	struct fd *fd = fd_new(inode, O_RDWR, false);

	peer_request_for(handle, nr, FOP_open,
			 &(struct open_args){ .inode = inode, .fd = fd, .flags = O_RDWR });
	rig_run(100);
	fd_unref(fd);
}

/* RESUME: the files 1 to nr. */
static void peer_resume(uint32_t nr, bool more)
{
	struct wire *w = conn_begin(peer.conn, 512);

	wire_put_header(w, &(struct wire_header){ .kind = WIRE_RESUME,
						  .flags = more ? PROTOCOL_MORE : 0 });
	wire_put_u32(w, nr);
	for (uint32_t i = 1; i <= nr; i++)
		wire_put_u64(w, i);
	wire_put_u32(w, 0);
	ck_assert_int_eq(conn_end(peer.conn, w), 0);
	rig_run(100);
}

static void peer_leave(void)
{
	conn_close(peer.conn, 0, true);
	peer.conn = NULL;
	rig_run(100);
}

/* What was said before a connection broke counts no more. */
START_TEST(half_a_resumption_is_forgotten)
{
	rig_up("mem", "", "");
	peer_attach();
	peer_open(1, 1);
	peer_open(2, 2);
	peer_leave();
	peer_attach();
	peer_resume(2, true);
	peer_leave();
	peer_attach();
	peer_resume(1, false);
	ck_assert_str_eq(rig_dumped(rig.server, "session.2.times-resumed"), "2");
	ck_assert_int_eq(sink.releases, 1);
	peer_leave();
	rig_fini();
}
END_TEST

static void let_go_first(void)
{
	struct frame *f = sink.held[0];
	struct open_reply reply;

	memset(&reply, 0, sizeof reply);
	sink.held[0] = sink.held[--sink.nr_held];
	frame_on_cancel(f, NULL);
	unwind_open(f, 0, &reply);
}

/* A handle that is used twice: a file whose open was not answered is not there for others. */
START_TEST(a_handle_that_is_used_twice)
{
	rig_up("mem", "", "");
	peer_attach();
	sink.hold = true;
	peer_open(1, 1);
	struct wire *w = conn_begin(peer.conn, 64);
	wire_put_header(w, &(struct wire_header){ .kind = WIRE_RELEASE, .xid = 1 });
	conn_end(peer.conn, w);
	peer_open(1, 2);
	ck_assert_int_eq(sink.nr_held, 2);
	let_go_first();
	peer_fsync(1, 3);
	ck_assert_uint_eq(sink.calls[FOP_fsync], 0);
	sink_let_go();
	peer_fsync(1, 4);
	ck_assert_uint_eq(sink.calls[FOP_fsync], 1);
	peer_leave();
	rig_fini();
}
END_TEST

/* What ends before a client that is back has said what it still waits for is not told to one that has given it up. */
START_TEST(an_answer_between_coming_back_and_resuming)
{
	rig_up("mem", "", "");
	peer_attach();
	sink.hold = true;
	peer_open(1, 1);
	peer_leave();
	peer_attach();
	int before = peer.messages;
	let_go_first();
	rig_run(100);
	ck_assert_int_eq(peer.messages, before);
	peer_resume(0, false);
	ck_assert_int_eq(peer.messages, before);
	sink.hold = false;
	peer_open(2, 2);
	ck_assert_int_eq(peer.messages, before + 1);
	peer_leave();
	rig_fini();
}
END_TEST

/* ---- limits ---- */

START_TEST(a_lock_wait_may_last)
{
	struct rig_call c;

	rig_up("mem", "", "");
	struct inode *inode = rig_inode(1);
	struct fd *fd = fd_new(inode, O_RDWR, false);
	ck_assert_int_eq(CALL(open, .inode = inode, .fd = fd, .flags = O_RDWR), 0);
	sink.hold = true;
	rig_call_start(&c, FOP_lk,
		       &(struct lk_args){ .fd = fd, .cmd = LK_SETW, .lock = { .type = F_WRLCK } },
		       NULL);
	rig_run(300000);
	ck_assert(!c.done && rig.downs == 0);
	sink_let_go();
	ck_assert_int_eq(rig_call_wait(&c), 0);
	rig_call_end(&c);
	fd_unref(fd);
	inode_unref(inode);
	rig_fini();
}
END_TEST

START_TEST(messages_that_are_too_long)
{
	rig_up("mem", "option limits.transaction-size 256KB\n",
	       "option limits.transaction-size 128KB\n");
	struct fd *fd = rig_open(1, O_RDWR, NULL);
	struct buf *small = buf_new(256 << 10), *large = buf_new((256 << 10) + 1);
	memset(small->data, 1, small->len);
	memset(large->data, 1, large->len);
	ck_assert_int_eq(CALL(write, .fd = fd, .data = small), 256 << 10);
	ck_assert_int_eq(CALL(write, .fd = fd, .data = large), -EMSGSIZE);
	ck_assert_int_eq(CALL(read, .fd = fd, .size = 128 << 10), 128 << 10);
	ck_assert_int_eq(CALL(read, .fd = fd, .size = (128 << 10) + 1), -EMSGSIZE);
	ck_assert_int_eq(CALL(read, .fd = fd, .size = UINT32_MAX), -EMSGSIZE);
	ck_assert_int_eq(rig.downs, 0);
	buf_unref(small);
	buf_unref(large);
	fd_unref(fd);
	rig_fini();
}
END_TEST

START_TEST(a_flood_of_writes_waits_its_turn)
{
	enum { NR = 60, SIZE = 1 << 20 };
	static struct rig_call c[NR];

	rig_up("mem", "", "");
	struct fd *fd = rig_open(1, O_RDWR, NULL);
	struct buf *data = buf_new(SIZE);
	memset(data->data, 1, SIZE);
	for (int i = 0; i < NR; i++)		/* more than the connection takes at once */
		rig_call_start(&c[i], FOP_write, &(struct write_args){ .fd = fd, .data = data },
			       NULL);
	ck_assert_int_gt(atoi(rig_dumped(rig.client, "queued-bytes")), 0);
	call_cancel(c[NR - 1].root);
	ck_assert_int_eq(rig_call_wait(&c[NR - 1]), -EINTR);
	for (int i = 0; i < NR - 1; i++) {
		ck_assert_int_eq(rig_call_wait(&c[i]), SIZE);
		rig_call_end(&c[i]);
	}
	ck_assert_uint_eq(sink.calls[FOP_write], NR - 1);
	buf_unref(data);
	fd_unref(fd);
	rig_fini();
}
END_TEST

START_TEST(too_many_clients)
{
	rig_init("tcp");
	ck_assert_int_eq(rig_serve("option auth.ip.brick.allow *\noption auth.allow-insecure "
				   "on\noption max-connections 1\n"),
			 0);
	ck_assert_int_eq(rig_attach("brick", ""), 0);
	ck_assert(rig_until(was_told, 5000));
	raw_open(&raw, false);
	say_hello(1, 1, "brick");
	ck_assert(raw_says("max-connections"));
	raw_close(&raw);
	rig_fini();
}
END_TEST

/* ---- starting ---- */

START_TEST(a_port_that_is_taken)
{
	char options[64];

	rig_up("tcp", "", "");
	struct graph *first = rig.server;
	snprintf(options, sizeof options, "option listen-port %u\n", rig.port);
	ck_assert_int_eq(rig_serve(options), -EADDRINUSE);
	ck_assert(strstr(rig_problems(), "Address already in use") != NULL);
	rig.server = first;
	ck_assert_int_eq(stat_nr(1), 0);
	rig_fini();
}
END_TEST

static void check_problem(const char *volume_lines, const char *problem)
{
	rig_init("mem");
	ck_assert_int_lt(rig_attach("brick", volume_lines), 0);
	ck_assert_msg(strstr(rig_problems(), problem) != NULL, "%s", rig_problems());
	rig_again();
}

START_TEST(options_that_are_wrong)
{
	check_problem("option transport-type ib-verbs/client\n", "InfiniBand");
	check_problem("option transport-type pigeon\n", "there is no transport \"pigeon\"");
	check_problem("option transport-type unix/client\n", "connect-path");
	check_problem("option connect-path /tmp/socket\n", "connect-path");
	check_problem("option remote-port 70000\n", "remote-port");
}
END_TEST

/*
 * The server has to run meanwhile, so the client is another process.  The first bytes of the
 * text or error.
 */
static int fetch(char out[512])
{
	int pipes[2], status;
	char *text = NULL;
	uint16_t port = rig.port;

	ck_assert_int_eq(pipe(pipes), 0);
	pid_t pid = fork();
	if (pid == 0) {
		char error[512] = "";
		int ret = protocol_fetch_volfile("tcp", "localhost", port, 5000, &text, error);

		dprintf(pipes[1], "%s", ret < 0 ? error : text);
		_exit(ret < 0 ? 1 : 0);
	}
	while (waitpid(pid, &status, WNOHANG) == 0)
		rig_run(5);
	ssize_t n = read(pipes[0], out, 511);
	out[n > 0 ? n : 0] = '\0';
	close(pipes[0]);
	close(pipes[1]);
	return WEXITSTATUS(status);
}

START_TEST(the_volume_file_is_given)
{
	char dir[64], path[80], options[256];

	ck_assert_ptr_nonnull(mkdtemp(unit_temporary(dir, sizeof dir, "test_protocol")));
	snprintf(path, sizeof path, "%s/client.vol", dir);
	FILE *f = fopen(path, "w");
	fputs("volume from-the-server\n", f);
	fclose(f);
	snprintf(options, sizeof options, "option client-volume-filename %s\n", path);
	rig_up("tcp", options, "");
	char text[512];
	ck_assert_int_eq(fetch(text), 0);
	ck_assert_str_eq(text, "volume from-the-server\n");
	unlink(path);
	ck_assert_int_eq(fetch(text), 1);
	ck_assert(strstr(text, "No such file or directory") != NULL);
	rmdir(dir);
	rig_again();
	rig_init("tcp");
	ck_assert_int_eq(rig_serve(""), 0);
	ck_assert_int_eq(fetch(text), 1);
	ck_assert(strstr(text, "may use no volume here") != NULL);
	rig_end(&rig.server);
	ck_assert_int_eq(fetch(text), 1);
	ck_assert(strstr(text, "Connection refused") != NULL);
	rig_fini();
}
END_TEST

UNIT_MAIN("protocol-bad", auth_by_address, auth_by_login, auth_by_port,
	  root_comes_from_a_reserved_port, a_volume_that_is_not_there,
	  the_server_itself_is_no_volume, another_version, garbage_is_dropped,
	  random_requests_harm_nobody, half_open_connections_push_each_other_out,
	  a_server_that_never_greets, a_server_that_chose_another_version,
	  a_silent_server_is_given_up, a_stuck_server_is_given_up, a_server_that_talks_nonsense,
	  a_client_that_never_greets, a_lock_wait_may_last, a_client_that_takes_no_answers,
	  half_a_resumption_is_forgotten, a_handle_that_is_used_twice, an_answer_between_coming_back_and_resuming,
	  messages_that_are_too_long,
	  a_flood_of_writes_waits_its_turn, too_many_clients, a_port_that_is_taken,
	  options_that_are_wrong, the_volume_file_is_given)
