/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * socket.c - what tcp and unix have in common: a stream socket in the loop, accepting.
 *
 * Accepting survives the limit of descriptors: one is kept in reserve, and given up for as long as it takes to
 * accept and close the connection that cannot be served, which would otherwise be reported again and again.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "log.h"
#include "transport-impl.h"

enum { ACCEPTS_PER_TURN = 64, ACCEPT_REST_MS = 200 };

ssize_t socket_readv(struct conn *c, const struct iovec *iov, int nr)
{
	ssize_t n;

	do
		n = readv(c->fd, iov, nr);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

ssize_t socket_writev(struct conn *c, const struct iovec *iov, int nr)
{
	struct msghdr m = { .msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)nr };
	ssize_t n;

	do
		n = sendmsg(c->fd, &m, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

void socket_ready(struct io *io, int events)
{
	conn_ready(container_of(io, struct conn, io), events);
}

int socket_open(struct conn *c, int fd)
{
	c->fd = fd;
	return io_start(&c->io, c->loop, fd, 0, socket_ready);
}

void socket_watch(struct conn *c, int events)
{
	int ret = io_events(&c->io, events);

	if (ret < 0)
		conn_fail(c, ret, "watching the connection to %s: %s", c->peer, strerror(-ret));
}

void socket_close(struct conn *c)
{
	io_stop(&c->io);
	if (c->fd < 0)
		return;
	/*
	 * A socket that is closed with unread input is reset, and the peer may lose our last message, which
	 * often says why: read away what is there.
	 */
	shutdown(c->fd, SHUT_WR);
	if (c->err == 0 || c->incoming) {
		uint8_t *scratch = loop_scratch(c->loop);

		for (int i = 0; scratch && i < 4 && recv(c->fd, scratch, LOOP_SCRATCH, MSG_DONTWAIT) > 0; i++)
			;
	}
	close(c->fd);
	c->fd = -1;
}

void socket_window(int fd, uint32_t window_size)
{
	int size = window_size > INT32_MAX ? INT32_MAX : (int)window_size;

	if (!size)
		return;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

/* ---- accepting -------------------------------------------------------------------------- */

static int reserve_open(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void accept_again(struct timer *t)
{
	struct listener *s = container_of(t, struct listener, rest);

	for (uint32_t i = 0; i < s->nr_ios; i++)
		io_events(&s->ios[i].io, IO_READ);
}

/* accept() failed: what now.  Whether to try again at once. */
static bool accept_failed(struct listener *s, int fd, int err)
{
	int c;

	if (err == EAGAIN)
		return false;
	if (err == EINTR || err == ECONNABORTED || err == EPROTO || err == EPERM || err == ENETDOWN ||
	    err == EHOSTUNREACH || err == ENETUNREACH)
		return true;		/* that connection is gone already, others may be there */
	log_warning("transport", "cannot accept a connection: %s", strerror(err));
	if ((err == EMFILE || err == ENFILE) && s->reserve >= 0) {
		close(s->reserve);
		c = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (c >= 0)
			close(c);
		s->reserve = reserve_open();
		if (c >= 0 && s->reserve >= 0)
			return true;
	}
	for (uint32_t i = 0; i < s->nr_ios; i++)
		io_events(&s->ios[i].io, 0);
	timer_start(&s->rest, s->loop, ACCEPT_REST_MS, accept_again);
	if (s->reserve < 0)
		s->reserve = reserve_open();
	return false;
}

static void accept_one(struct listener *s, int fd, const struct sockaddr_storage *peer)
{
	struct conn *c = conn_new(s->transport, s->loop);
	int ret;

	if (!c) {
		close(fd);
		return;
	}
	ret = socket_open(c, fd);
	s->transport->accepted(c, s, peer);
	if (ret < 0) {
		log_warning("transport", "cannot serve %s: %s", c->peer, strerror(-ret));
		conn_close(c, ret, true);
		return;
	}
	conn_accepted(s, c);
}

static void accept_ready(struct io *io, int events)
{
	struct listener_io *li = container_of(io, struct listener_io, io);
	struct listener *s = li->listener;

	for (int i = 0; i < ACCEPTS_PER_TURN && io->events; i++) {
		struct sockaddr_storage peer = { 0 };
		socklen_t len = sizeof(peer);
		int fd = accept4(io->fd, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0)
			accept_one(s, fd, &peer);
		else if (!accept_failed(s, io->fd, errno))
			break;
	}
}

int socket_accept_on(struct listener *s, int fd, char error[256])
{
	struct listener_io *li = &s->ios[s->nr_ios];
	int ret = 0;

	if (s->reserve < 0)
		s->reserve = reserve_open();
	if (listen(fd, SOMAXCONN) < 0)
		ret = -errno;
	if (ret == 0) {
		li->listener = s;
		ret = io_start(&li->io, s->loop, fd, IO_READ, accept_ready);
	}
	if (ret < 0) {
		snprintf(error, 256, "cannot listen: %s", strerror(-ret));
		close(fd);
		return ret;
	}
	s->nr_ios++;
	return 0;
}

void socket_unlisten(struct listener *s)
{
	for (uint32_t i = 0; i < s->nr_ios; i++) {
		io_stop(&s->ios[i].io);
		close(s->ios[i].io.fd);
	}
	s->nr_ios = 0;
	if (s->reserve >= 0)
		close(s->reserve);
	s->reserve = -1;
}
