/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Connections: messages through tcp, unix and mem, framing, bad peers, flow control, all ways to fail. */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
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
	for (size_t round = 0; round < (loop_is_sim(l) ? 1 : 2); round++) {
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
	for (uint64_t seed = 0; seed < 3; seed++)
		echo_all(loop_new_sim(seed), "mem");
}
END_TEST


START_TEST(a_simulation_is_replayed)
{
	for (uint64_t seed = 0; seed < 3; seed++) {
		uint64_t traces[3];

		for (uint64_t i = 0; i < 3; i++) {
			struct loop *l = loop_new_sim(seed + (i == 2));
			struct lab lab;

			lab_listen(&lab, l, "mem");
			lab.server.echo = true;
			lab_connect(&lab);
			for (int k = 0; k < 50; k++)
				send_bytes(lab.client.c, "hello", 5, (size_t)k * 300, (uint8_t)k);
			lab.client.wanted = 50;
			ck_assert_int_eq(loop_run_until(l, &lab.client.got_all, WAIT_MS), 0);
			traces[i] = loop_sim_trace(l);
			lab_end(&lab);
		}
		ck_assert_uint_eq(traces[0], traces[1]);
		ck_assert_uint_ne(traces[0], traces[2]);
	}
}
END_TEST

/* ---- system calls ----------------------------------------------------------------------- */

/* These take the place of libc's for the libraries too. */
#define PUBLIC __attribute__((visibility("default")))
static struct { int sendmsg, readv, epoll_ctl, epoll_wait; } calls;

PUBLIC ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	calls.sendmsg++;
	return syscall(SYS_sendmsg, fd, m, flags);
}

PUBLIC ssize_t readv(int fd, const struct iovec *iov, int nr)
{
	calls.readv++;
	return syscall(SYS_readv, fd, iov, nr);
}

PUBLIC int epoll_ctl(int fd, int op, int other, struct epoll_event *e)
{
	calls.epoll_ctl++;
	return (int)syscall(SYS_epoll_ctl, fd, op, other, e);
}

PUBLIC int epoll_pwait(int fd, struct epoll_event *e, int nr, int timeout, const sigset_t *mask)
{
	calls.epoll_wait++;
	return (int)syscall(SYS_epoll_pwait, fd, e, nr, timeout, mask, 8);
}

PUBLIC int epoll_wait(int fd, struct epoll_event *e, int nr, int timeout)
{
	return epoll_pwait(fd, e, nr, timeout, NULL);
}

START_TEST(system_calls_of_a_turn)
{
	struct lab lab;

	lab_listen(&lab, loop_new(), "unix");
	lab.server.echo = true;
	lab_connect(&lab);
	for (int round = 0; round < 3; round++) {
		memset(&calls, 0, sizeof(calls));
		for (int i = 0; i < 40; i++)
			send_bytes(lab.client.c, "0123456789", 10, i % 2 ? 200 : 0, 0);
		lab.client.wanted = lab.client.nr_messages + 40;
		lab.client.got_all = false;
		ck_assert_int_eq(loop_run_until(lab.l, &lab.client.got_all, WAIT_MS), 0);
		if (round == 0)
			continue;		/* epoll still heard of new descriptors */
		/* Turn 1: the client sends.  2: the server receives and answers.  3: the client receives. */
		ck_assert_int_eq(calls.sendmsg, 2);
		ck_assert_int_eq(calls.readv, 2);
		ck_assert_int_eq(calls.epoll_ctl, 0);
		ck_assert_int_eq(calls.epoll_wait, 3);
	}
	lab_end(&lab);
}
END_TEST

/* ---- framing ---------------------------------------------------------------------------- */

static int raw_connect(const struct lab *lab)
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

static void raw_write(int fd, const void *bytes, size_t len)
{
	ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
}

static size_t frame(uint8_t *out, uint32_t head, uint32_t payload)
{
	for (int i = 0; i < 4; i++) {
		out[i] = (uint8_t)(head >> (8 * i));
		out[4 + i] = (uint8_t)(payload >> (8 * i));
	}
	for (size_t i = 0; i < head + payload; i++)
		out[8 + i] = (uint8_t)(i * 3 + 1);
	return 8 + head + payload;
}

/* Runs the loop until the server has looked at everything that was written. */
static void settle(struct lab *lab)
{
	const bool never = false;

	for (int i = 0; i < 3; i++)
		loop_run_until(lab->l, &never, 0);
}

static void wait_messages(struct lab *lab, struct side *s, int nr)
{
	s->wanted = nr;
	s->got_all = s->nr_messages >= nr;
	ck_assert_int_eq(loop_run_until(lab->l, &s->got_all, WAIT_MS), 0);
	ck_assert_int_eq(s->nr_messages, nr);
}

static void split_everywhere(uint32_t head, uint32_t payload, size_t step)
{
	static uint8_t bytes[200000];
	size_t len = frame(bytes, head, payload);
	struct side expected = { 0 };
	struct lab lab;
	int fd, nr = 0;

	lab_listen(&lab, loop_new(), "unix");
	fd = raw_connect(&lab);
	ck_assert_int_eq(loop_run_until(lab.l, &lab.server.up, WAIT_MS), 0);
	for (size_t at = 0; at <= len; at += step) {
		raw_write(fd, bytes, at);
		if (at)
			settle(&lab);
		ck_assert_int_eq(lab.server.nr_messages, nr + (at == len));
		raw_write(fd, bytes + at, len - at);
		wait_messages(&lab, &lab.server, ++nr);
		add_up(&expected, &(struct buf){ .data = bytes + 8, .len = head });
		add_up(&expected, &(struct buf){ .data = bytes + 8 + head, .len = payload });
		ck_assert_uint_eq(lab.server.sum, expected.sum);
	}
	close(fd);
	lab_end(&lab);
}

START_TEST(frames_in_two_parts)
{
	split_everywhere(20, 0, 1);
	split_everywhere(20, 50, 1);
	split_everywhere(1, 1, 1);
	split_everywhere(17, 4096, 97);
	split_everywhere(5000, 5000, 331);
	split_everywhere(100, 70000, 4999);
	split_everywhere(3, 150000, 16384 + 11);
}
END_TEST

START_TEST(byte_by_byte)
{
	uint8_t bytes[300];
	size_t len = frame(bytes, 31, 60);
	struct lab lab;
	int fd;

	len += frame(bytes + len, 5, 0);
	lab_listen(&lab, loop_new(), "tcp");
	fd = raw_connect(&lab);
	ck_assert_int_eq(loop_run_until(lab.l, &lab.server.up, WAIT_MS), 0);
	for (size_t i = 0; i < len; i++) {
		raw_write(fd, bytes + i, 1);
		settle(&lab);
	}
	wait_messages(&lab, &lab.server, 2);
	ck_assert_uint_eq(lab.server.bytes, 96);
	close(fd);
	ck_assert_int_eq(loop_run_until(lab.l, &lab.server.down, WAIT_MS), 0);
	ck_assert_int_eq(lab.server.err, 0);
	lab_end(&lab);
}
END_TEST

/* One connection sends this; it is dropped and told why, others do not notice. */
static void offend(const void *bytes, size_t len, int err, const char *words)
{
	struct lab lab;
	int fd;

	lab_listen(&lab, loop_new(), "tcp");
	lab.limits = (struct conn_limits){ .head_max = 1000, .payload_max = 5000 };
	lab_connect(&lab);
	lab.server.up = false;
	lab.server.c = NULL;		/* the good one goes on by itself */
	memset(&lab.server, 0, sizeof(lab.server));
	fd = raw_connect(&lab);
	ck_assert_int_eq(loop_run_until(lab.l, &lab.server.up, WAIT_MS), 0);
	raw_write(fd, bytes, len);
	shutdown(fd, SHUT_WR);
	ck_assert_int_eq(loop_run_until(lab.l, &lab.server.down, WAIT_MS), 0);
	ck_assert_int_eq(lab.server.nr_messages, 0);
	ck_assert_int_eq(lab.server.err, err);
	ck_assert_msg(strstr(lab.server.error, words), "\"%s\" in \"%s\"", words, lab.server.error);
	ck_assert_int_eq(lab.client.nr_closed, 0);
	close(fd);
	/* The client's other end has gone with its context: closing it here ends that one too. */
	conn_close(lab.client.c, 0, true);
	lab.client.c = NULL;
	memset(&lab.server, 0, sizeof(lab.server));
	settle(&lab);
	lab_end(&lab);
}

START_TEST(bad_lengths)
{
	static uint8_t f[20000];

	frame(f, 0, 0);
	offend(f, 8, -EPROTO, "0 and 0 bytes");
	frame(f, 0, 10);
	offend(f, 18, -EPROTO, "not our protocol");
	frame(f, 1001, 0);
	offend(f, 1009, -EPROTO, "1001 and 0 bytes (at most 1000 and 5000)");
	frame(f, 10, 5001);
	offend(f, 8, -EPROTO, "5001");
	memset(f, 0xff, 8);
	offend(f, 8, -EPROTO, "4294967295");
	offend("GET / HTTP/1.1\r\n\r\n", 18, -EPROTO, "not our protocol");
	offend("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03", 10, -EPROTO, "not our protocol");
}
END_TEST

START_TEST(cut_within_a_message)
{
	static uint8_t f[6000];

	frame(f, 100, 4500);
	offend(f, 3, -ECONNRESET, "within a message");
	offend(f, 8, -ECONNRESET, "within a message");
	offend(f, 50, -ECONNRESET, "within a message");
	offend(f, 108, -ECONNRESET, "within a message");
	offend(f, 4607, -ECONNRESET, "within a message");
	offend(f, 0, 0, "closed the connection");
}
END_TEST

/* Random bytes with lengths that are often good. */
START_TEST(noise)
{
	struct loop *sim = loop_new_sim(42);

	for (int round = 0; round < 200; round++) {
		uint8_t bytes[2000];
		size_t len = loop_random(sim) % sizeof(bytes);
		struct lab lab;
		int fd;

		lab_listen(&lab, loop_new(), "unix");
		lab.limits = (struct conn_limits){ .head_max = 300, .payload_max = 300 };
		fd = raw_connect(&lab);
		for (size_t i = 0; i < len; i++)
			bytes[i] = loop_random(sim) % 3 ? 0 : (uint8_t)loop_random(sim);
		raw_write(fd, bytes, len);
		shutdown(fd, SHUT_WR);
		ck_assert_int_eq(loop_run_until(lab.l, &lab.server.down, WAIT_MS), 0);
		close(fd);
		lab_end(&lab);
	}
	loop_free(sim);
}
END_TEST

/* ---- flow ------------------------------------------------------------------------------- */

static void congestion(struct loop *l, const char *type)
{
	struct lab lab;
	int nr = 0;

	lab_listen(&lab, l, type);
	lab.limits.send_max = 1 << 20;
	lab_connect(&lab);
	conn_pause(lab.server.c, true);
	while (!conn_congested(lab.client.c)) {
		send_bytes(lab.client.c, "x", 1, 100000, 1);
		nr++;
	}
	ck_assert_int_ge(nr, 10);
	/* What the socket takes does not wait any more. */
	while (nr < 200) {
		send_bytes(lab.client.c, "x", 1, 100000, 1);
		nr++;
	}
	settle(&lab);
	ck_assert(conn_congested(lab.client.c));
	ck_assert_int_eq(lab.client.nr_writable, 0);
	ck_assert_int_eq(lab.server.nr_messages, 0);
	conn_pause(lab.server.c, false);
	wait_messages(&lab, &lab.server, nr);
	ck_assert(!conn_congested(lab.client.c));
	ck_assert_int_eq(lab.client.nr_writable, 1);
	lab_end(&lab);
}

START_TEST(congested_and_free_again)
{
	congestion(loop_new(), "unix");
	congestion(loop_new(), "tcp");
	congestion(loop_new(), "mem");
	congestion(loop_new_sim(9), "mem");
}
END_TEST

static void stall(struct loop *l, const char *type)
{
	struct lab lab;

	lab_listen(&lab, l, type);
	lab.limits.stall_ms = 300;
	lab_connect(&lab);
	conn_pause(lab.server.c, true);
	for (int i = 0; i < 500; i++)
		send_bytes(lab.client.c, "x", 1, 100000, 1);
	ck_assert_int_eq(loop_run_until(l, &lab.client.down, WAIT_MS), 0);
	ck_assert_int_eq(lab.client.err, -ETIMEDOUT);
	ck_assert_msg(strstr(lab.client.error, "takes no data") != NULL, "%s", lab.client.error);
	lab_end(&lab);
}

START_TEST(a_peer_that_does_not_read_is_dropped)
{
	stall(loop_new(), "unix");
	stall(loop_new(), "tcp");
	stall(loop_new_sim(4), "mem");
}
END_TEST

/* A slow peer is no dead peer: it takes longer than the stall time, but never stops. */
START_TEST(a_slow_reader_is_kept)
{
	struct loop *l = loop_new_sim(11);
	const bool never = false;
	struct lab lab;

	lab_listen(&lab, l, "mem");
	lab.limits.stall_ms = 100;
	lab.server.pause_after_each = true;
	lab_connect(&lab);
	for (int i = 0; i < 60; i++)
		send_bytes(lab.client.c, "x", 1, 500000, 1);
	for (int i = 0; i < 60; i++) {
		wait_messages(&lab, &lab.server, i + 1);
		loop_run_until(l, &never, 20);
		conn_pause(lab.server.c, false);
	}
	ck_assert_int_eq(lab.client.nr_closed, 0);
	lab_end(&lab);
}
END_TEST

static void pausing(struct loop *l, const char *type)
{
	struct lab lab;

	lab_listen(&lab, l, type);
	lab.server.pause_after_each = true;
	lab_connect(&lab);
	for (int i = 0; i < 20; i++)
		send_bytes(lab.client.c, "hello", 5, i % 3 ? (size_t)i * 1000 : 0, 1);
	for (int i = 0; i < 20; i++) {
		wait_messages(&lab, &lab.server, i + 1);
		settle(&lab);
		ck_assert_int_eq(lab.server.nr_messages, i + 1);
		conn_pause(lab.server.c, false);
		conn_pause(lab.server.c, true);
		conn_pause(lab.server.c, false);
		ck_assert_int_eq(lab.server.nr_messages, i + 1);	/* not from within the call */
	}
	settle(&lab);
	ck_assert_int_eq(lab.server.nr_closed, 0);
	lab_end(&lab);
}

START_TEST(paused_between_messages)
{
	pausing(loop_new(), "unix");
	pausing(loop_new(), "mem");
	pausing(loop_new_sim(2), "mem");
}
END_TEST

/* ---- closing ---------------------------------------------------------------------------- */

START_TEST(closing)
{
	static const char *const types[] = { "tcp", "unix", "mem" };

	for (int i = 0; i < 3; i++) {
		struct lab lab;

		lab_listen(&lab, loop_new(), types[i]);
		lab_connect(&lab);
		send_bytes(lab.client.c, "the last words", 14, 10000, 1);
		conn_close(lab.client.c, -ECANCELED, false);
		ck_assert_int_eq(lab.client.nr_closed, 0);
		ck_assert_int_eq(loop_run_until(lab.l, &lab.server.down, WAIT_MS), 0);
		ck_assert_int_eq(loop_run_until(lab.l, &lab.client.down, WAIT_MS), 0);
		ck_assert_int_eq(lab.client.err, -ECANCELED);
		ck_assert_int_eq(lab.server.err, 0);
		ck_assert_int_eq(lab.server.nr_messages, 1);
		ck_assert_uint_eq(lab.server.bytes, 10014);
		lab_end(&lab);
	}
}
END_TEST

START_TEST(closing_in_a_callback)
{
	static const char *const types[] = { "tcp", "unix", "mem" };

	for (int i = 0; i < 6; i++) {
		struct lab lab;

		lab_listen(&lab, loop_new(), types[i % 3]);
		lab.server.close_after_each = true;
		lab.server.close_silently = i >= 3;
		lab_connect(&lab);
		for (int k = 0; k < 10; k++)
			send_bytes(lab.client.c, "x", 1, 100000, 1);
		ck_assert_int_eq(loop_run_until(lab.l, &lab.client.down, WAIT_MS), 0);
		settle(&lab);
		ck_assert_int_eq(lab.server.nr_messages, 1);
		ck_assert_int_eq(lab.server.nr_closed, i < 3);
		if (i >= 3)
			lab.server.c = NULL;
		lab_end(&lab);
	}
}
END_TEST

START_TEST(silent_after_it_was_lost)
{
	struct lab lab;

	lab_listen(&lab, loop_new(), "mem");
	lab_connect(&lab);
	mem_cut(lab.l, "brick");
	conn_close(lab.client.c, 0, true);
	lab.client.c = NULL;
	ck_assert_int_eq(loop_run_until(lab.l, &lab.server.down, WAIT_MS), 0);
	settle(&lab);
	ck_assert_int_eq(lab.client.nr_closed, 0);
	lab_end(&lab);
}
END_TEST

START_TEST(sending_what_cannot_be_sent)
{
	struct lab lab;
	struct wire *w;
	uint8_t *big = calloc(1, WIRE_HEAD_MAX + 1);

	lab_listen(&lab, loop_new(), "unix");
	lab_connect_only(&lab);
	w = conn_begin(lab.client.c, 10);		/* not connected yet */
	ck_assert(!wire_ok(w));
	wire_put_u32(w, 1);
	ck_assert_int_eq(conn_end(lab.client.c, w), -ENOTCONN);
	ck_assert_int_eq(loop_run_until(lab.l, &lab.client.up, WAIT_MS), 0);

	w = conn_begin(lab.client.c, 10);		/* without a head */
	ck_assert_int_eq(conn_end(lab.client.c, w), -EMSGSIZE);
	w = conn_begin(lab.client.c, WIRE_HEAD_MAX + 1);
	ck_assert(!wire_ok(w));
	ck_assert_int_eq(conn_end(lab.client.c, w), -EMSGSIZE);
	w = conn_begin(lab.client.c, 1);
	wire_put_u8(w, 1);
	w->payload = buf_new(WIRE_PAYLOAD_MAX + 1);
	ck_assert_int_eq(conn_end(lab.client.c, w), -EMSGSIZE);
	w = conn_begin(lab.client.c, 10);
	wire_put_u64(w, 1);
	w->payload = buf_new(10);
	conn_abort(lab.client.c, w);

	w = conn_begin(lab.client.c, WIRE_HEAD_MAX);	/* just fits */
	wire_put_bytes(w, big, WIRE_HEAD_MAX);
	ck_assert_int_eq(conn_end(lab.client.c, w), 0);
	send_bytes(lab.client.c, "x", 1, 0, 0);
	ck_assert_int_eq(loop_run_until(lab.l, &lab.server.up, WAIT_MS), 0);
	wait_messages(&lab, &lab.server, 2);
	ck_assert_uint_eq(lab.server.bytes, WIRE_HEAD_MAX + 1);
	free(big);

	conn_close(lab.client.c, 0, false);
	w = conn_begin(lab.client.c, 10);
	ck_assert_int_eq(conn_end(lab.client.c, w), -ENOTCONN);
	lab_end(&lab);
}
END_TEST

START_TEST(refused_by_the_owner)
{
	static const char *const types[] = { "tcp", "unix", "mem" };

	for (int i = 0; i < 3; i++) {
		struct lab lab;

		lab_listen(&lab, loop_new(), types[i]);
		lab.refuse = true;
		lab_connect_only(&lab);
		ck_assert_int_eq(loop_run_until(lab.l, &lab.client.down, WAIT_MS), 0);
		ck_assert_int_eq(lab.nr_accepted, 1);
		lab_end(&lab);
	}
}
END_TEST

/* ---- connecting ------------------------------------------------------------------------- */

static void connect_fails(const char *type, const char *host, uint16_t port, uint32_t timeout_ms, int err,
			  const char *words)
{
	struct side s = { 0 };
	struct transport_address at = { .host = host, .port = port };
	struct loop *l = loop_new();

	s.c = conn_connect(transport_find(type), l, &at, timeout_ms, NULL, &handler, &s);
	ck_assert_ptr_nonnull(s.c);
	ck_assert_int_eq(loop_run_until(l, &s.down, WAIT_MS), 0);
	ck_assert_int_eq(s.connected, 0);
	if (err)
		ck_assert_int_eq(s.err, err);
	ck_assert_int_lt(s.err, 0);
	ck_assert_msg(strstr(s.error, words), "\"%s\" in \"%s\"", words, s.error);
	loop_free(l);
}

/* A port of 127.0.0.1 that nobody listens on: bound, so that nobody else gets it. */
static int closed_port(uint16_t *ret_port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	*ret_port = ntohs(in.sin_port);
	return fd;
}

START_TEST(nobody_there)
{
	uint16_t port;
	int fd = closed_port(&port);

	connect_fails("tcp", "127.0.0.1", port, 5000, -ECONNREFUSED, "refused");
	connect_fails("tcp", "no such host", port, 5000, 0, "cannot find the address of no such host");
	connect_fails("tcp", NULL, port, 5000, -EINVAL, "nobody");
	connect_fails("unix", "/nonexistent/socket", 0, 5000, -ENOENT, "/nonexistent/socket");
	connect_fails("unix", NULL, 0, 5000, -EINVAL, "cannot connect");
	connect_fails("mem", "nobody", 0, 5000, -ECONNREFUSED, "nobody listens");
	close(fd);
}
END_TEST

/* A listener whose queue is full does not answer. */
START_TEST(no_answer)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	uint16_t port;
	int fd = closed_port(&port), fds[8];

	ck_assert_int_eq(listen(fd, 0), 0);
	in.sin_port = htons(port);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (int i = 0; i < 8; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		ck_assert(connect(fds[i], (struct sockaddr *)&in, sizeof(in)) == 0 || errno == EINPROGRESS);
	}
	connect_fails("tcp", "127.0.0.1", port, 200, -ETIMEDOUT, "127.0.0.1");
	for (int i = 0; i < 8; i++)
		close(fds[i]);
	close(fd);
}
END_TEST

START_TEST(given_up_while_connecting)
{
	static const char *const types[] = { "tcp", "unix", "mem" };

	for (int i = 0; i < 3; i++) {
		struct lab lab;

		lab_listen(&lab, loop_new(), types[i]);
		lab_connect_only(&lab);
		conn_close(lab.client.c, 0, true);
		lab.client.c = NULL;
		settle(&lab);
		ck_assert_int_eq(lab.client.connected, 0);
		lab_end(&lab);
	}
}
END_TEST

/* "localhost" may be two addresses of which one serves. */
START_TEST(several_addresses)
{
	struct lab lab;

	lab_listen(&lab, loop_new(), "tcp");
	lab.at.host = "localhost";
	lab_connect(&lab);
	lab_end(&lab);
}
END_TEST

static bool have_ipv6(void)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	bool have = fd >= 0 && bind(fd, (struct sockaddr *)&in6, sizeof(in6)) == 0;

	if (fd >= 0)
		close(fd);
	return have;
}

/* Root may be without the capability. */
static bool may_use_low_ports(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(599) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool may = geteuid() == 0 && (bind(fd, (struct sockaddr *)&in, sizeof(in)) == 0 || errno != EACCES);

	close(fd);
	return may;
}

START_TEST(both_families_on_one_port)
{
	static const char *const hosts[] = { "127.0.0.1", "::1" };
	struct lab lab;
	char error[256], text[64];

	for (int i = 0; i < (have_ipv6() ? 2 : 1); i++) {
		uint16_t port;

		memset(&lab, 0, sizeof(lab));
		lab.l = loop_new();
		lab.t = transport_find("tcp/server");
		ck_assert_int_eq(listener_new(lab.t, lab.l, &lab.at, on_accepted, &lab, &lab.s, error), 0);
		lab.at.host = hosts[i];
		lab.at.port = listener_port(lab.s);
		lab_connect(&lab);
		ck_assert_str_eq(conn_peer_ip(lab.server.c, &port), hosts[i]);
		snprintf(text, sizeof(text), i ? "[%s]:%u" : "%s:%u", hosts[i], port);
		ck_assert_str_eq(conn_peer(lab.server.c), text);
		/* A server believes who comes from such a port. */
		ck_assert(port < 1024 || !may_use_low_ports());
		ck_assert_str_eq(conn_peer_ip(lab.client.c, &port), hosts[i]);
		ck_assert_uint_eq(port, lab.at.port);
		lab_end(&lab);
	}
}
END_TEST

static void listen_fails(struct loop *l, const char *type, const char *host, uint16_t port, int err, const char *words)
{
	struct transport_address at = { .host = host, .port = port };
	struct listener *s = NULL;
	char error[256];

	ck_assert_int_eq(listener_new(transport_find(type), l, &at, on_accepted, NULL, &s, error), err);
	ck_assert_msg(strstr(error, words), "\"%s\" in \"%s\"", words, error);
	ck_assert_ptr_null(s);
}

START_TEST(cannot_listen)
{
	struct lab lab;
	char name[200];

	lab_listen(&lab, loop_new(), "tcp");
	listen_fails(lab.l, "tcp", "127.0.0.1", lab.at.port, -EADDRINUSE, "in use");
	listen_fails(lab.l, "tcp", NULL, lab.at.port, -EADDRINUSE, "in use");
	listen_fails(lab.l, "tcp", "192.0.2.77", 0, -EADDRNOTAVAIL, "192.0.2.77");
	listen_fails(lab.l, "tcp", "no such host", 0, -EADDRNOTAVAIL, "no such host");
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	listen_fails(lab.l, "unix", name, 0, -ENAMETOOLONG, "xxx");
	listen_fails(lab.l, "unix", "/nonexistent/s", 0, -ENOENT, "/nonexistent/s");
	listen_fails(lab.l, "unix", NULL, 0, -EINVAL, "no path");
	listen_fails(lab.l, "mem", NULL, 0, -EINVAL, "no name");
	lab_end(&lab);
	lab_listen(&lab, loop_new(), "mem");
	listen_fails(lab.l, "mem", "brick", 0, -EADDRINUSE, "in use");
	lab_end(&lab);
}
END_TEST

START_TEST(unix_paths)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	char error[256];
	struct stat st;
	struct lab lab;
	int fd;

	lab_listen(&lab, loop_new(), "unix");
	ck_assert_int_eq(stat(lab.path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	listen_fails(lab.l, "unix", lab.path, 0, -EADDRINUSE, "in use");
	lab_connect(&lab);		/* the live one still works */
	snprintf(error, sizeof(error), "unix:%s", lab.path);
	ck_assert_str_eq(conn_peer(lab.server.c), error);
	ck_assert_str_eq(conn_peer_ip(lab.server.c, NULL), "");
	listener_free(lab.s);
	ck_assert_int_lt(stat(lab.path, &st), 0);

	/* One that a dead server left. */
	snprintf(un.sun_path, sizeof(un.sun_path), "%s", lab.path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	close(fd);
	ck_assert_int_eq(listener_new(lab.t, lab.l, &lab.at, on_accepted, &lab, &lab.s, error), 0);
	listener_free(lab.s);
	lab.s = NULL;

	/* A file of the user. */
	fd = open(lab.path, O_CREAT | O_WRONLY, 0644);
	ck_assert_int_ge(fd, 0);
	close(fd);
	listen_fails(lab.l, "unix", lab.path, 0, -EEXIST, "no socket");
	ck_assert_int_eq(stat(lab.path, &st), 0);
	lab_end(&lab);
}
END_TEST

/* ---- crowds ----------------------------------------------------------------------------- */

START_TEST(many_connections)
{
	enum { NR = 200 };
	struct loop *l = loop_new();
	struct side *sides = calloc(NR, sizeof(*sides)), *servers = calloc(NR, sizeof(*servers));
	const bool low = may_use_low_ports();
	struct lab lab;
	uint16_t port;

	lab_listen(&lab, l, "tcp");
	for (int i = 0; i < NR; i++) {
		lab_connect(&lab);
		sides[i] = lab.client;
		servers[i] = lab.server;
		conn_set_handler(sides[i].c, NULL, &handler, &sides[i]);
		conn_set_handler(servers[i].c, NULL, &handler, &servers[i]);
		servers[i].echo = true;
		conn_peer_ip(servers[i].c, &port);
		ck_assert(port < 1024 || !low);
		memset(&lab.client, 0, sizeof(lab.client));
		memset(&lab.server, 0, sizeof(lab.server));
	}
	for (int k = 0; k < 5; k++)
		for (int i = 0; i < NR; i++)
			send_bytes(sides[i].c, "hello", 5, (size_t)i * 100, (uint8_t)i);
	for (int i = 0; i < NR; i++)
		wait_messages(&lab, &sides[i], 5);
	for (int i = 0; i < NR; i++)
		conn_close(sides[i].c, 0, true);
	for (int i = 0; i < NR; i++)
		ck_assert_int_eq(loop_run_until(l, &servers[i].down, WAIT_MS), 0);
	free(sides);
	free(servers);
	lab_end(&lab);
}
END_TEST

/* Connections that say nothing, or not enough, by the hundred: others are served. */
static struct conn *idle[512];
static int nr_idle;

static void idle_message(struct conn *c, struct buf *head, struct buf *payload)
{
	ck_abort_msg("a message from an idle connection");
}

static void idle_closed(struct conn *c, int err)
{
	nr_idle--;
}

static bool idle_accepted(struct listener *s, struct conn *c)
{
	static const struct conn_handler idle_handler = { .message = idle_message, .closed = idle_closed };

	conn_set_handler(c, NULL, &idle_handler, NULL);
	idle[nr_idle++] = c;
	return true;
}

START_TEST(half_open_crowd)
{
	enum { NR = 400 };
	struct lab lab, crowd;
	char error[256];
	int fds[NR];

	lab_listen(&lab, loop_new(), "tcp");
	lab.server.echo = true;
	lab_connect(&lab);
	memset(&crowd, 0, sizeof(crowd));
	crowd.at.host = "127.0.0.1";
	ck_assert_int_eq(listener_new(lab.t, lab.l, &crowd.at, idle_accepted, NULL, &crowd.s, error), 0);
	crowd.at.port = listener_port(crowd.s);
	for (int i = 0; i < NR; i++) {
		fds[i] = raw_connect(&crowd);
		raw_write(fds[i], "\5\0\0\0\0", (size_t)(i % 6 > 5 ? 5 : i % 6));
		if (i % 50 == 0) {
			send_bytes(lab.client.c, "hello", 5, 100, 1);
			wait_messages(&lab, &lab.client, lab.client.nr_messages + 1);
		}
	}
	while (nr_idle < NR)
		settle(&lab);
	send_bytes(lab.client.c, "hello", 5, 100, 1);
	wait_messages(&lab, &lab.client, lab.client.nr_messages + 1);
	for (int i = 0; i < NR; i++)
		close(fds[i]);
	while (nr_idle > 0)
		settle(&lab);
	listener_free(crowd.s);
	lab_end(&lab);
}
END_TEST

START_TEST(no_descriptors_left)
{
	struct rlimit old, low;
	int fds[64], nr = 0, first;
	struct lab lab;
	char c;

	lab_listen(&lab, loop_new(), "unix");
	lab.server.echo = true;
	lab_connect(&lab);
	first = raw_connect(&lab);	/* waits to be accepted */
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = (rlim_t)first + 2;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
	while (nr < 64 && (fds[nr] = open("/dev/null", O_RDONLY)) >= 0)
		nr++;
	log_threshold = LOG_NONE_;

	/* It is turned away, not left waiting, and those who are in are served. */
	ck_assert_int_eq(fcntl(first, F_SETFL, O_NONBLOCK), 0);
	for (int i = 0; i < 100 && read(first, &c, 1) < 0; i++)
		settle(&lab);
	ck_assert_int_eq(read(first, &c, 1), 0);
	ck_assert_int_eq(lab.nr_accepted, 1);
	send_bytes(lab.client.c, "hello", 5, 0, 0);
	wait_messages(&lab, &lab.client, 1);

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	while (nr)
		close(fds[--nr]);
	close(first);
	conn_close(lab.client.c, 0, true);
	ck_assert_int_eq(loop_run_until(lab.l, &lab.server.down, WAIT_MS), 0);
	memset(&lab.client, 0, sizeof(lab.client));
	memset(&lab.server, 0, sizeof(lab.server));
	lab_connect(&lab);
	ck_assert_int_eq(lab.nr_accepted, 2);
	lab_end(&lab);
}
END_TEST

START_TEST(cut)
{
	for (uint64_t seed = 0; seed < 20; seed++) {
		struct lab lab;
		const bool never = false;

		lab_listen(&lab, loop_new_sim(seed), "mem");
		lab.server.echo = true;
		lab_connect(&lab);
		for (int i = 0; i < 100; i++)
			send_bytes(lab.client.c, "hello", 5, (size_t)i * 100, 1);
		loop_run_until(lab.l, &never, (uint32_t)seed);
		mem_cut(lab.l, "another");
		mem_cut(lab.l, "brick");
		ck_assert_int_eq(loop_run_until(lab.l, &lab.client.down, WAIT_MS), 0);
		ck_assert_int_eq(loop_run_until(lab.l, &lab.server.down, WAIT_MS), 0);
		ck_assert_int_eq(lab.client.err, -ECONNRESET);
		ck_assert_int_eq(lab.server.err, -ECONNRESET);
		memset(&lab.client, 0, sizeof(lab.client));
		memset(&lab.server, 0, sizeof(lab.server));
		lab.server.echo = true;
		lab_connect(&lab);		/* and comes back */
		send_bytes(lab.client.c, "hello", 5, 0, 1);
		wait_messages(&lab, &lab.client, 1);
		lab_end(&lab);
	}
}
END_TEST

START_TEST(types)
{
	ck_assert_ptr_nonnull(transport_find("tcp"));
	ck_assert_ptr_eq(transport_find("tcp"), transport_find("TCP/client"));
	ck_assert_ptr_eq(transport_find("unix/server"), transport_find("Unix"));
	ck_assert_ptr_null(transport_find("ib-verbs/client"));
	ck_assert_ptr_null(transport_find("tc"));
	ck_assert_ptr_null(transport_find("tcpx"));
	ck_assert_ptr_null(transport_find(""));
	for (int i = 0; transport_names[i]; i++)
		ck_assert_ptr_nonnull(transport_find(transport_names[i]));
}
END_TEST

UNIT_MAIN("transport", echo_tcp, echo_unix, echo_mem, echo_simulated, a_simulation_is_replayed, system_calls_of_a_turn,
	  frames_in_two_parts, byte_by_byte, bad_lengths, cut_within_a_message, noise, congested_and_free_again,
	  a_peer_that_does_not_read_is_dropped, a_slow_reader_is_kept, paused_between_messages, closing,
	  closing_in_a_callback, silent_after_it_was_lost, sending_what_cannot_be_sent, refused_by_the_owner,
	  nobody_there, no_answer, given_up_while_connecting, several_addresses, both_families_on_one_port,
	  cannot_listen, unix_paths, many_connections, half_open_crowd, no_descriptors_left, cut, types)
