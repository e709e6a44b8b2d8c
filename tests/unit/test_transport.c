/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Connections: messages through tcp, unix and mem, framing, bad peers, flow control. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include "transport_lab.h"
#include "unit.h"

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

UNIT_MAIN("transport", echo_tcp, echo_unix, echo_mem, echo_simulated, a_simulation_is_replayed,
	  system_calls_of_a_turn, frames_in_two_parts, byte_by_byte, bad_lengths,
	  cut_within_a_message, noise, congested_and_free_again,
	  a_peer_that_does_not_read_is_dropped, a_slow_reader_is_kept, paused_between_messages)
