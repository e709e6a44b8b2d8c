/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Connections: how they end, all ways not to begin, listeners, crowds. */
#include "config.h"

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
#include "transport_lab.h"
#include "unit.h"

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

	s.c = conn_connect(transport_find(type), l, &at, timeout_ms, NULL, &lab_handler, &s);
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
		ck_assert_int_eq(listener_new(lab.t, lab.l, &lab.at, lab_accepted, &lab, &lab.s, error), 0);
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

	ck_assert_int_eq(listener_new(transport_find(type), l, &at, lab_accepted, NULL, &s, error), err);
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
	ck_assert_int_eq(listener_new(lab.t, lab.l, &lab.at, lab_accepted, &lab, &lab.s, error), 0);
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
		conn_set_handler(sides[i].c, NULL, &lab_handler, &sides[i]);
		conn_set_handler(servers[i].c, NULL, &lab_handler, &servers[i]);
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

UNIT_MAIN("transport_life", closing, closing_in_a_callback, silent_after_it_was_lost,
	  sending_what_cannot_be_sent, refused_by_the_owner, nobody_there, no_answer,
	  given_up_while_connecting, several_addresses, both_families_on_one_port, cannot_listen,
	  unix_paths, many_connections, half_open_crowd, no_descriptors_left, cut, types)
