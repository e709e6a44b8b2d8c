/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * unix.c - connections over a socket in the file system, for a server on the same host.
 *
 * The socket can be used by its owner only (mode 0600): there is no address to check a peer by.  A socket that
 * a dead server left behind is replaced; one that somebody listens on, or that is no socket, is not touched.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "transport-impl.h"

enum { RETRY_MS = 10 };

struct unix_connecting {		/* conn.impl while CONNECTING */
	struct conn *conn;
	struct sockaddr_un to;
	struct timer timer;		/* tries now, or again when the server's queue was full */
	uint64_t deadline_ns;
};

struct unix_listening {			/* listener.impl */
	dev_t dev;
	ino_t ino;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

static int unix_address(struct sockaddr_un *a, const char *path)
{
	if (!path || !path[0])
		return -EINVAL;
	if (strlen(path) >= sizeof(a->sun_path))
		return -ENAMETOOLONG;
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	memcpy(a->sun_path, path, strlen(path));
	return 0;
}

/* ---- connecting ------------------------------------------------------------------------- */

static void unix_try(struct timer *timer)
{
	struct unix_connecting *u = container_of(timer, struct unix_connecting, timer);
	struct conn *c = u->conn;

	if (connect(c->fd, (struct sockaddr *)&u->to, sizeof(u->to)) == 0) {
		c->impl = NULL;
		free(u);
		conn_established(c);
		return;
	}
	if (errno == EAGAIN && loop_now_ns(c->loop) < u->deadline_ns) {
		timer_start(&u->timer, c->loop, RETRY_MS, unix_try);
		return;
	}
	conn_fail(c, errno == EAGAIN ? -ETIMEDOUT : -errno, "cannot connect to %s: %s", c->peer,
		  errno == EAGAIN ? "the server does not accept" : strerror(errno));
}

static int unix_connect(struct conn *c, const struct transport_address *to, uint32_t timeout_ms)
{
	struct unix_connecting *u = calloc(1, sizeof(*u));
	int fd, ret;

	if (!u)
		return -ENOMEM;
	c->impl = u;
	u->conn = c;
	ret = unix_address(&u->to, to->host);
	if (ret < 0)
		return ret;
	snprintf(c->peer, sizeof(c->peer), "unix:%s", to->host);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	socket_window(fd, to->window_size);
	ret = socket_open(c, fd);
	if (ret < 0)
		return ret;
	u->deadline_ns = loop_now_ns(c->loop) + (uint64_t)timeout_ms * 1000000;
	timer_start(&u->timer, c->loop, 0, unix_try);
	return 0;
}

static void unix_close(struct conn *c)
{
	struct unix_connecting *u = c->impl;

	if (u) {
		timer_stop(&u->timer);
		free(u);
		c->impl = NULL;
	}
	socket_close(c);
}

/* ---- listening -------------------------------------------------------------------------- */

static void unix_accepted(struct conn *c, const struct listener *s, const struct sockaddr_storage *peer)
{
	const struct unix_listening *u = s->impl;

	snprintf(c->peer, sizeof(c->peer), "unix:%s", u->path);
	socket_window(c->fd, s->window_size);
}

/* Something has this name.  0: it was a dead socket and is gone. */
static int remove_stale(const struct sockaddr_un *a)
{
	struct stat st;
	int fd, ret = -EADDRINUSE;

	if (lstat(a->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)a, sizeof(*a)) < 0 && errno == ECONNREFUSED)
		ret = unlink(a->sun_path) < 0 && errno != ENOENT ? -errno : 0;
	close(fd);
	return ret;
}

static int unix_bind(int fd, const struct sockaddr_un *a)
{
	int ret;

	if (bind(fd, (const struct sockaddr *)a, sizeof(*a)) < 0) {
		if (errno != EADDRINUSE)
			return -errno;
		ret = remove_stale(a);
		if (ret < 0)
			return ret;
		if (bind(fd, (const struct sockaddr *)a, sizeof(*a)) < 0)
			return -errno;
	}
	/* Nobody can connect before listen(). */
	return chmod(a->sun_path, 0600) < 0 ? -errno : 0;
}

static int unix_listen(struct listener *s, const struct transport_address *at, char error[256])
{
	struct unix_listening *u;
	struct sockaddr_un a;
	struct stat st;
	int fd = -1, ret = unix_address(&a, at->host);

	if (ret == 0) {
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		ret = fd < 0 ? -errno : unix_bind(fd, &a);
	}
	if (ret < 0) {
		snprintf(error, 256, "cannot listen on %s: %s", at->host ? at->host : "(no path)",
			 ret == -EEXIST ? "there is a file of that name, which is no socket" : strerror(-ret));
		if (fd >= 0)
			close(fd);
		return ret;
	}
	u = calloc(1, sizeof(*u));
	if (!u || lstat(a.sun_path, &st) < 0) {
		ret = u ? -errno : -ENOMEM;
		snprintf(error, 256, "cannot listen on %s: %s", a.sun_path, strerror(-ret));
		free(u);
		close(fd);
		unlink(a.sun_path);
		return ret;
	}
	memcpy(u->path, a.sun_path, sizeof(u->path));
	u->dev = st.st_dev;
	u->ino = st.st_ino;
	s->impl = u;
	return socket_accept_on(s, fd, error);
}

static void unix_unlisten(struct listener *s)
{
	struct unix_listening *u = s->impl;
	struct stat st;

	socket_unlisten(s);
	if (!u)
		return;
	/* Not that of a server that took our place. */
	if (lstat(u->path, &st) == 0 && st.st_dev == u->dev && st.st_ino == u->ino)
		unlink(u->path);
	free(u);
	s->impl = NULL;
}

const struct transport transport_unix = {
	.name = "unix",
	.connect = unix_connect,
	.readv = socket_readv,
	.writev = socket_writev,
	.watch = socket_watch,
	.close = unix_close,
	.accepted = unix_accepted,
	.listen = unix_listen,
	.unlisten = unix_unlisten,
};
