/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Connections: messages through tcp, unix and mem, framing, bad peers, flow control, all ways to fail. */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "log.h"
#include "transport.h"
#include "unit.h"

enum { WAIT_MS = 20000 };

/* What happened to one end. */
struct side {
	struct conn *c;
	struct lab *lab;
	int connected, nr_messages, nr_closed, nr_writable, err;
	uint64_t bytes;			/* of heads and payloads */
	uint64_t sum;			/* over all bytes, with their order */
	char error[256];
	bool echo, pause_after_each, close_after_each, close_silently;
	bool up, down;			/* to wait for */
	int wanted;			/* messages */
	bool got_all;
};

struct lab {
	struct loop *l;
	const struct transport *t;
	struct transport_address at;
	struct listener *s;
	struct side client, server;
	struct conn_limits limits;
	int nr_accepted;
	bool refuse;
	char dir[64], path[96];
};

static void send_bytes(struct conn *c, const void *head, size_t len, size_t payload, uint8_t fill)
{
	struct wire *w = conn_begin(c, len);

	ck_assert(wire_ok(w));
	wire_put_bytes(w, head, len);
	if (payload) {
		w->payload = buf_new(payload);
		for (size_t i = 0; i < payload; i++)
			w->payload->data[i] = (uint8_t)(fill + i * 7 + i / 256);
	}
	ck_assert_int_eq(conn_end(c, w), 0);
}

static void add_up(struct side *s, const struct buf *b)
{
	for (size_t i = 0; i < b->len; i++)
		s->sum = s->sum * 31 + b->data[i];
	s->bytes += b->len;
}

static void on_message(struct conn *c, struct buf *head, struct buf *payload)
{
	struct side *s = conn_ctx(c);

	ck_assert_ptr_eq(s->c, c);
	ck_assert_int_eq(s->nr_closed, 0);
	ck_assert_uint_gt(head->len, 0);
	add_up(s, head);
	if (payload) {
		ck_assert_uint_gt(payload->len, 0);
		if (payload->len >= 4096)
			ck_assert_uint_eq((uintptr_t)payload->data % 4096, 0);
		add_up(s, payload);
	}
	s->nr_messages++;
	s->got_all = s->wanted && s->nr_messages >= s->wanted;
	if (s->echo) {
		struct wire *w = conn_begin(c, head->len);

		wire_put_bytes(w, head->data, head->len);
		w->payload = buf_ref(payload);
		ck_assert_int_eq(conn_end(c, w), 0);
	}
	if (s->pause_after_each)
		conn_pause(c, true);
	if (s->close_after_each)
		conn_close(c, 0, s->close_silently);
}

static void on_connected(struct conn *c)
{
	struct side *s = conn_ctx(c);

	s->connected++;
	s->up = true;
}

static void on_closed(struct conn *c, int err)
{
	struct side *s = conn_ctx(c);

	s->nr_closed++;
	ck_assert_int_eq(s->nr_closed, 1);
	s->err = err;
	snprintf(s->error, sizeof(s->error), "%s", conn_error(c));
	s->c = NULL;
	s->down = true;
}

static void on_writable(struct conn *c)
{
	struct side *s = conn_ctx(c);

	s->nr_writable++;
}

static const struct conn_handler handler = { on_message, on_connected, on_closed, on_writable };

static bool on_accepted(struct listener *ls, struct conn *c)
{
	struct lab *lab = listener_ctx(ls);

	lab->nr_accepted++;
	if (lab->refuse)
		return false;
	lab->server.c = c;
	lab->server.lab = lab;
	conn_set_handler(c, &lab->limits, &handler, &lab->server);
	lab->server.up = true;
	return true;
}

static void lab_listen(struct lab *lab, struct loop *l, const char *type)
{
	char error[256];
	int ret;

	memset(lab, 0, sizeof(*lab));
	lab->l = l;
	lab->t = transport_find(type);
	ck_assert_ptr_nonnull(lab->t);
	if (strcmp(type, "unix") == 0) {
		snprintf(lab->dir, sizeof(lab->dir), "/tmp/test_transport.XXXXXX");
		ck_assert_ptr_nonnull(mkdtemp(lab->dir));
		snprintf(lab->path, sizeof(lab->path), "%s/s", lab->dir);
		lab->at.host = lab->path;
	} else {
		lab->at.host = strcmp(type, "mem") == 0 ? "brick" : "127.0.0.1";
	}
	ret = listener_new(lab->t, l, &lab->at, on_accepted, lab, &lab->s, error);
	ck_assert_msg(ret == 0, "%s", error);
	lab->at.port = listener_port(lab->s);
}

static void lab_connect_only(struct lab *lab)
{
	lab->client.lab = lab;
	lab->client.c = conn_connect(lab->t, lab->l, &lab->at, 5000, &lab->limits, &handler, &lab->client);
	ck_assert_ptr_nonnull(lab->client.c);
	ck_assert_int_eq(lab->client.connected + lab->client.nr_closed, 0);
}

static void lab_connect(struct lab *lab)
{
	lab_connect_only(lab);
	ck_assert_int_eq(loop_run_until(lab->l, &lab->client.up, WAIT_MS), 0);
	ck_assert_int_eq(loop_run_until(lab->l, &lab->server.up, WAIT_MS), 0);
}

static void lab_end(struct lab *lab)
{
	if (lab->client.c)
		conn_close(lab->client.c, 0, true);
	if (lab->server.c)
		conn_close(lab->server.c, 0, true);
	listener_free(lab->s);
	if (lab->dir[0]) {
		unlink(lab->path);
		rmdir(lab->dir);
	}
	loop_free(lab->l);
	buf_trim();
}

/* Many messages of all sizes there and back; what comes back is what was sent, in order. */
static void echo_all(struct loop *l, const char *type)
{
	static const size_t payloads[] = { 0, 1, 100, 4095, 4096, 4097, 65536, 65527, 100000, 1 << 20, 0, 8 << 20 };
	struct side expected = { 0 };
	struct lab lab;
	uint8_t head[3000];
	int nr = 0;

	lab_listen(&lab, l, type);
	lab.server.echo = true;
	lab_connect(&lab);
	for (size_t i = 0; i < sizeof(head); i++)
		head[i] = (uint8_t)(i * 13);
	for (size_t round = 0; round < 3; round++) {
		for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
			size_t len = 1 + (i * 277 + round * 1000) % sizeof(head);
			struct buf h = { .data = head, .len = len };

			send_bytes(lab.client.c, head, len, payloads[i], (uint8_t)i);
			add_up(&expected, &h);
			if (payloads[i]) {
				struct buf *p = buf_new(payloads[i]);

				for (size_t k = 0; k < payloads[i]; k++)
					p->data[k] = (uint8_t)(i + k * 7 + k / 256);
				add_up(&expected, p);
				buf_unref(p);
			}
			nr++;
		}
	}
	lab.client.wanted = nr;
	ck_assert_int_eq(loop_run_until(l, &lab.client.got_all, WAIT_MS), 0);
	ck_assert_int_eq(lab.server.nr_messages, nr);
	ck_assert_uint_eq(lab.client.bytes, expected.bytes);
	ck_assert_uint_eq(lab.client.sum, expected.sum);
	lab_end(&lab);
}

START_TEST(echo_tcp)
{
	echo_all(loop_new(), "tcp");
}
END_TEST

START_TEST(echo_unix)
{
	echo_all(loop_new(), "unix");
}
END_TEST

START_TEST(echo_mem)
{
	echo_all(loop_new(), "mem");
}
END_TEST

START_TEST(echo_simulated)
{
	for (uint64_t seed = 0; seed < 5; seed++)
		echo_all(loop_new_sim(seed), "mem");
}
END_TEST

UNIT_MAIN("transport", echo_tcp, echo_unix, echo_mem, echo_simulated)
