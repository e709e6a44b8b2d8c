/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * tcp.c - connections over TCP, IPv4 and IPv6.
 *
 * All addresses of a name are tried in the order of the resolver; the time for connecting is shared out among
 * those that are left, so that one that does not answer cannot use up all of it.
 *
 * Servers of this kind trust a client by its address and a source port below 1024 (auth.ip), so a client
 * that may does as 1.3 did and counts down from 1023, but stops at 512: the ports below belong to
 * services that may be started later.
 *
 * Keepalive finds peers that went away without a word while nothing is sent; what is sent is watched by
 * the transport's stall timer and by the protocols' own timeouts.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "transport-impl.h"

enum { PORT_FIRST = 1023, PORT_LAST = 512, KEEP_IDLE_S = 20, KEEP_INTERVAL_S = 5, KEEP_PROBES = 4 };

struct tcp_connecting {			/* conn.impl while CONNECTING */
	struct conn *conn;
	struct resolve resolve;
	struct sockaddr_storage addresses[RESOLVE_MAX];
	int nr, next;
	uint64_t deadline_ns;
	struct timer timer;		/* of the current attempt */
	uint32_t window_size;
	uint32_t timeout_ms;
	int err;			/* why the last attempt failed */
	char peer[64];			/* whom it tried */
	char target[128];
};

static void tcp_next(struct tcp_connecting *t);

/* ---- addresses -------------------------------------------------------------------------- */

/* An IPv4 address that came through an IPv6 socket is an IPv4 address, also to access rules. */
static void address_text(const struct sockaddr_storage *a, char *ip, size_t size, uint16_t *ret_port)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)a;
	const struct sockaddr_in *in = (const struct sockaddr_in *)a;

	if (a->ss_family == AF_INET6) {
		*ret_port = ntohs(in6->sin6_port);
		if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
			inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], ip, (socklen_t)size);
		else
			inet_ntop(AF_INET6, &in6->sin6_addr, ip, (socklen_t)size);
	} else {
		*ret_port = ntohs(in->sin_port);
		inet_ntop(AF_INET, &in->sin_addr, ip, (socklen_t)size);
	}
}

static void peer_text(const char *ip, uint16_t port, char *out, size_t size)
{
	snprintf(out, size, strchr(ip, ':') ? "[%s]:%u" : "%s:%u", ip, port);
}

static void conn_set_peer(struct conn *c, const struct sockaddr_storage *peer)
{
	address_text(peer, c->peer_ip, sizeof(c->peer_ip), &c->peer_port);
	peer_text(c->peer_ip, c->peer_port, c->peer, sizeof(c->peer));
}

static socklen_t address_len(const struct sockaddr_storage *a)
{
	return a->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

static void tcp_options(int fd)
{
	const int on = 1, idle = KEEP_IDLE_S, interval = KEEP_INTERVAL_S, probes = KEEP_PROBES;

	/* We send once per turn, all that there is: waiting for more could only be wrong. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
}

/* ---- connecting ------------------------------------------------------------------------- */

/* Binds to the first free port from `port` down; which, or 0: none is free or we may not.  With SO_REUSEADDR a port
 * is free for this when nobody listens there: what must not be there twice is the pair of addresses. */
static uint16_t bind_reserved(int fd, int family, uint16_t port)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in in = { .sin_family = AF_INET };
	const int on = 1;

	if (geteuid() != 0)
		return 0;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	for (; port >= PORT_LAST; port--) {
		int ret;

		in6.sin6_port = in.sin_port = htons(port);
		if (family == AF_INET6)
			ret = bind(fd, (struct sockaddr *)&in6, sizeof(in6));
		else
			ret = bind(fd, (struct sockaddr *)&in, sizeof(in));
		if (ret == 0)
			return port;
		if (errno != EADDRINUSE)
			return 0;
	}
	return 0;
}

static void tcp_connecting_free(struct conn *c)
{
	struct tcp_connecting *t = c->impl;

	if (!t)
		return;
	loop_resolve_cancel(&t->resolve);
	timer_stop(&t->timer);
	c->impl = NULL;
	free(t);
}

/* This attempt is over. */
static void tcp_attempt_failed(struct tcp_connecting *t, int err)
{
	struct conn *c = t->conn;

	t->err = err;
	timer_stop(&t->timer);
	io_stop(&c->io);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	tcp_next(t);
}

static void tcp_attempt_timeout(struct timer *timer)
{
	tcp_attempt_failed(container_of(timer, struct tcp_connecting, timer), -ETIMEDOUT);
}

static void tcp_attempt_ready(struct io *io, int events)
{
	struct conn *c = container_of(io, struct conn, io);
	struct tcp_connecting *t = c->impl;
	int err = 0;
	socklen_t len = sizeof(err);

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		err = errno;
	if (err) {
		tcp_attempt_failed(t, -err);
		return;
	}
	conn_set_peer(c, &t->addresses[t->next - 1]);
	tcp_connecting_free(c);
	io->ready = socket_ready;
	c->watched = IO_WRITE;
	conn_established(c);
}

/* A socket that connects to a; or -errno.  *port: the source port to begin with, and which it was; 0: any. */
static int connecting_socket(const struct sockaddr_storage *a, uint32_t window_size, uint16_t *port)
{
	int fd = socket(a->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err;

	if (fd < 0)
		return -errno;
	tcp_options(fd);
	socket_window(fd, window_size);
	if (*port)
		*port = bind_reserved(fd, a->ss_family, *port);
	if (connect(fd, (const struct sockaddr *)a, address_len(a)) == 0 || errno == EINPROGRESS)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* Starts to connect to one address.  0 or -errno. */
static int tcp_attempt(struct tcp_connecting *t, const struct sockaddr_storage *a)
{
	struct conn *c = t->conn;
	uint16_t port = PORT_FIRST;

	for (;;) {
		c->fd = connecting_socket(a, t->window_size, &port);
		/* Between this port and that server there is a connection, or was until a minute ago. */
		if ((c->fd != -EADDRNOTAVAIL && c->fd != -EADDRINUSE) || !port)
			break;
		port = port > PORT_LAST ? port - 1 : 0;
	}
	if (c->fd < 0) {
		int err = c->fd;

		c->fd = -1;
		return err;
	}
	return io_start(&c->io, c->loop, c->fd, IO_WRITE, tcp_attempt_ready);
}

/* Tries the next address, or gives up. */
static void tcp_next(struct tcp_connecting *t)
{
	uint64_t now = loop_now_ns(t->conn->loop);

	while (t->next < t->nr && now < t->deadline_ns) {
		const struct sockaddr_storage *a = &t->addresses[t->next++];
		uint64_t left_ms = (t->deadline_ns - now) / 1000000 / (uint64_t)(t->nr - t->next + 1);
		char ip[INET6_ADDRSTRLEN];
		uint16_t port;

		address_text(a, ip, sizeof(ip), &port);
		peer_text(ip, port, t->peer, sizeof(t->peer));
		t->err = tcp_attempt(t, a);
		if (t->err == 0) {
			timer_start(&t->timer, t->conn->loop, left_ms + 1, tcp_attempt_timeout);
			return;
		}
		io_stop(&t->conn->io);
		if (t->conn->fd >= 0)
			close(t->conn->fd);
		t->conn->fd = -1;
	}
	conn_fail(t->conn, t->err, "cannot connect to %s (%s): %s", t->target, t->peer, strerror(-t->err));
}

static void tcp_resolved(struct resolve *r, int nr, const struct sockaddr_storage *addresses)
{
	struct tcp_connecting *t = container_of(r, struct tcp_connecting, resolve);

	timer_stop(&t->timer);
	if (nr < 0) {
		conn_fail(t->conn, nr, "cannot find the address of %s: %s", t->target, r->error);
		return;
	}
	for (int i = 0; i < nr; i++)
		if (addresses[i].ss_family == AF_INET || addresses[i].ss_family == AF_INET6)
			t->addresses[t->nr++] = addresses[i];
	t->err = -EADDRNOTAVAIL;
	tcp_next(t);
}

static void tcp_resolve_timeout(struct timer *timer)
{
	struct tcp_connecting *t = container_of(timer, struct tcp_connecting, timer);

	conn_fail(t->conn, -ETIMEDOUT, "cannot find the address of %s: no answer within %u ms", t->target,
		  t->timeout_ms);
}

static int tcp_connect(struct conn *c, const struct transport_address *to, uint32_t timeout_ms)
{
	struct tcp_connecting *t;

	if (!to->host)
		return -EINVAL;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->conn = c;
	t->window_size = to->window_size;
	t->timeout_ms = timeout_ms;
	t->deadline_ns = loop_now_ns(c->loop) + (uint64_t)timeout_ms * 1000000;
	snprintf(t->target, sizeof(t->target), "%s", to->host);
	snprintf(c->peer, sizeof(c->peer), "%.100s:%u", t->target, to->port);
	c->impl = t;
	t->resolve.done = tcp_resolved;
	timer_start(&t->timer, c->loop, timeout_ms, tcp_resolve_timeout);
	return loop_resolve(c->loop, &t->resolve, to->host, to->port);
}

static void tcp_close(struct conn *c)
{
	tcp_connecting_free(c);
	socket_close(c);
}

/* ---- listening -------------------------------------------------------------------------- */

static void tcp_accepted(struct conn *c, const struct listener *s, const struct sockaddr_storage *peer)
{
	conn_set_peer(c, peer);
	tcp_options(c->fd);
	socket_window(c->fd, s->window_size);
}

/* A socket bound to this address, or -errno. */
static int bound_socket(const struct sockaddr_storage *a, bool dual_stack, uint32_t window_size)
{
	const int on = 1, v6only = !dual_stack;
	int fd = socket(a->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	socket_window(fd, window_size);
	if (a->ss_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)) < 0)
		goto fail;
	if (bind(fd, (const struct sockaddr *)a, address_len(a)) < 0)
		goto fail;
	return fd;
fail:
	err = -errno;
	close(fd);
	return err;
}

static int tcp_listen_on(struct listener *s, int fd, char error[256])
{
	struct sockaddr_storage a = { 0 };
	socklen_t len = sizeof(a);
	char ip[INET6_ADDRSTRLEN];

	if (getsockname(fd, (struct sockaddr *)&a, &len) == 0)
		address_text(&a, ip, sizeof(ip), &s->port);
	return socket_accept_on(s, fd, error);
}

static int tcp_listen_any(struct listener *s, const struct transport_address *at, char error[256])
{
	struct sockaddr_storage a = { 0 };
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a;
	struct sockaddr_in *in = (struct sockaddr_in *)&a;
	int fd;

	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(at->port);
	fd = bound_socket(&a, true, at->window_size);
	if (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL || fd == -ENOPROTOOPT) {	/* IPv6 is switched off */
		memset(&a, 0, sizeof(a));
		in->sin_family = AF_INET;
		in->sin_port = htons(at->port);
		fd = bound_socket(&a, false, at->window_size);
	}
	if (fd < 0) {
		snprintf(error, 256, "cannot listen on port %u: %s", at->port, strerror(-fd));
		return fd;
	}
	return tcp_listen_on(s, fd, error);
}

static int tcp_listen(struct listener *s, const struct transport_address *at, char error[256])
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	struct addrinfo *list;
	char service[8];
	int ret = -EADDRNOTAVAIL;

	if (!at->host)
		return tcp_listen_any(s, at, error);
	snprintf(service, sizeof(service), "%u", at->port);
	/* Blocks while it asks the name server; a server listens once, before it serves. */
	ret = getaddrinfo(at->host, service, &hints, &list);
	if (ret) {
		snprintf(error, 256, "cannot find the address of %s: %s", at->host, gai_strerror(ret));
		return -EADDRNOTAVAIL;
	}
	for (struct addrinfo *i = list; i && s->nr_ios < LISTEN_MAX; i = i->ai_next) {
		struct sockaddr_storage a = { 0 };

		memcpy(&a, i->ai_addr, i->ai_addrlen);
		ret = bound_socket(&a, false, at->window_size);
		if (ret < 0)
			snprintf(error, 256, "cannot listen on %s port %u: %s", at->host, at->port, strerror(-ret));
		else
			ret = tcp_listen_on(s, ret, error);
		/* Another address would get another port. */
		if (ret == 0 && at->port == 0)
			break;
		if (ret < 0 && ret != -EADDRNOTAVAIL && ret != -EAFNOSUPPORT)
			break;
	}
	freeaddrinfo(list);
	if (ret == -EADDRINUSE || !s->nr_ios)
		return ret;
	return 0;
}

const struct transport transport_tcp = {
	.name = "tcp",
	.connect = tcp_connect,
	.readv = socket_readv,
	.writev = socket_writev,
	.watch = socket_watch,
	.close = tcp_close,
	.accepted = tcp_accepted,
	.listen = tcp_listen,
	.unlisten = socket_unlisten,
};
