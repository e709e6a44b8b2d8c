/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include "config.h"

#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "transport_lab.h"
#include "unit.h"

void send_bytes(struct conn *c, const void *head, size_t len, size_t payload, uint8_t fill)
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

void add_up(struct side *s, const struct buf *b)
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

const struct conn_handler lab_handler = { on_message, on_connected, on_closed, on_writable };

bool lab_accepted(struct listener *ls, struct conn *c)
{
	struct lab *lab = listener_ctx(ls);

	lab->nr_accepted++;
	if (lab->refuse)
		return false;
	lab->server.c = c;
	lab->server.lab = lab;
	conn_set_handler(c, &lab->limits, &lab_handler, &lab->server);
	lab->server.up = true;
	return true;
}

void lab_listen(struct lab *lab, struct loop *l, const char *type)
{
	char error[256];
	int ret;

	memset(lab, 0, sizeof(*lab));
	lab->l = l;
	lab->t = transport_find(type);
	ck_assert_ptr_nonnull(lab->t);
	if (strcmp(type, "unix") == 0) {
		unit_temporary(lab->dir, sizeof(lab->dir), "test_transport");
		ck_assert_ptr_nonnull(mkdtemp(lab->dir));
		snprintf(lab->path, sizeof(lab->path), "%s/s", lab->dir);
		lab->at.host = lab->path;
	} else {
		lab->at.host = strcmp(type, "mem") == 0 ? "brick" : "127.0.0.1";
	}
	ret = listener_new(lab->t, l, &lab->at, lab_accepted, lab, &lab->s, error);
	ck_assert_msg(ret == 0, "%s", error);
	lab->at.port = listener_port(lab->s);
}

void lab_connect_only(struct lab *lab)
{
	lab->client.lab = lab;
	lab->client.c = conn_connect(lab->t, lab->l, &lab->at, 5000, &lab->limits, &lab_handler, &lab->client);
	ck_assert_ptr_nonnull(lab->client.c);
	ck_assert_int_eq(lab->client.connected + lab->client.nr_closed, 0);
}

void lab_connect(struct lab *lab)
{
	lab_connect_only(lab);
	ck_assert_int_eq(loop_run_until(lab->l, &lab->client.up, WAIT_MS), 0);
	ck_assert_int_eq(loop_run_until(lab->l, &lab->server.up, WAIT_MS), 0);
}

void lab_end(struct lab *lab)
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

int raw_connect(const struct lab *lab)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(lab->at.port) };
	int fd, ret;

	if (lab->path[0]) {
		snprintf(un.sun_path, sizeof(un.sun_path), "%s", lab->path);
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		ret = connect(fd, (struct sockaddr *)&un, sizeof(un));
	} else {
		in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		fd = socket(AF_INET, SOCK_STREAM, 0);
		ret = connect(fd, (struct sockaddr *)&in, sizeof(in));
	}
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ret, 0);
	return fd;
}

void raw_write(int fd, const void *bytes, size_t len)
{
	ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
}

void settle(struct lab *lab)
{
	const bool never = false;

	for (int i = 0; i < 3; i++)
		loop_run_until(lab->l, &never, 0);
}

void wait_messages(struct lab *lab, struct side *s, int nr)
{
	s->wanted = nr;
	s->got_all = s->nr_messages >= nr;
	ck_assert_int_eq(loop_run_until(lab->l, &s->got_all, WAIT_MS), 0);
	ck_assert_int_eq(s->nr_messages, nr);
}
