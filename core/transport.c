/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * transport.c - connections and listeners, whatever they run over.
 *
 * System calls of a turn of the loop, for a connection with traffic: one readv() (another only when it filled
 * everything that was offered), and one sendmsg() at the end for all messages of the turn.  While the
 * socket takes what it is given, which is nearly always, epoll watches for input only and nothing changes
 * there.  An idle connection keeps no receive buffer: there is one for all (loop_scratch).
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "transport-impl.h"

static const struct transport *const transports[] = { &transport_tcp, &transport_unix, &transport_mem };
const char *const transport_names[] = { "tcp", "unix", "mem", NULL };

const struct transport *transport_find(const char *type)
{
	size_t len = strcspn(type, "/");

	for (size_t i = 0; i < sizeof(transports) / sizeof(transports[0]); i++)
		if (strlen(transports[i]->name) == len && strncasecmp(type, transports[i]->name, len) == 0)
			return transports[i];
	return NULL;
}

/* ---- life ------------------------------------------------------------------------------- */

static void limits_set(struct conn_limits *l, const struct conn_limits *wanted)
{
	if (wanted)
		*l = *wanted;
	if (!l->head_max || l->head_max > WIRE_HEAD_MAX)
		l->head_max = WIRE_HEAD_MAX;
	if (!l->payload_max || l->payload_max > WIRE_PAYLOAD_MAX)
		l->payload_max = WIRE_PAYLOAD_MAX;
	if (!l->send_max)
		l->send_max = SEND_MAX;
	if (!l->stall_ms)
		l->stall_ms = STALL_MS;
}

static void conn_flush_task(struct task *t)
{
	struct conn *c = container_of(t, struct conn, flush);

	c->flushing = false;
	if (conn_is_open(c) && !c->out.blocked)
		out_flush(c);
}

static void conn_resume_task(struct task *t)
{
	struct conn *c = container_of(t, struct conn, in.resume);

	c->in.resuming = false;
	if (!conn_is_open(c) || c->in.paused)
		return;
	if (c->in.stash) {
		struct buf *stash = c->in.stash;

		c->in.stash = NULL;
		in_feed(c, stash->data, stash->len);
		buf_unref(stash);
	}
	conn_watch(c);
}

static void conn_last_task(struct task *t)
{
	struct conn *c = container_of(t, struct conn, later);

	if (!c->silent && c->handler)
		c->handler->closed(c, c->err);
	loop_forget(c->loop, &c->flush);
	loop_forget(c->loop, &c->in.resume);
	out_free(c);
	in_free(c);
	free(c);
}

struct conn *conn_new(const struct transport *t, struct loop *l)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->transport = t;
	c->loop = l;
	c->fd = -1;
	c->flush.run = conn_flush_task;
	c->later.run = conn_last_task;
	c->in.resume.run = conn_resume_task;
	c->last_heard_ns = loop_now_ns(l);
	limits_set(&c->limits, NULL);
	return c;
}

/* Everything but the memory goes now; the rest in a task. */
static void conn_end_now(struct conn *c, int err)
{
	assert(c->state != CONN_CLOSED);
	c->state = CONN_CLOSED;
	c->err = err;
	timer_stop(&c->stall);
	timer_stop(&c->lazy);
	c->transport->close(c);
	loop_post(c->loop, &c->later);
}

void conn_fail(struct conn *c, int err, const char *fmt, ...)
{
	va_list ap;

	if (c->state == CONN_CLOSED)
		return;
	va_start(ap, fmt);
	vsnprintf(c->error, sizeof(c->error), fmt, ap);
	va_end(ap);
	conn_end_now(c, err);
}

void conn_established(struct conn *c)
{
	assert(c->state == CONN_CONNECTING);
	c->state = CONN_OPEN;
	c->last_heard_ns = loop_now_ns(c->loop);
	conn_watch(c);
	if (conn_is_open(c) && c->handler->connected)
		c->handler->connected(c);
}

struct conn *conn_connect(const struct transport *t, struct loop *l, const struct transport_address *to,
			  uint32_t timeout_ms, const struct conn_limits *limits,
			  const struct conn_handler *handler, void *ctx)
{
	struct conn *c = conn_new(t, l);
	int ret;

	if (!c)
		return NULL;
	conn_set_handler(c, limits, handler, ctx);
	ret = t->connect(c, to, timeout_ms ? timeout_ms : CONNECT_MS);
	if (ret < 0)
		conn_fail(c, ret, "cannot connect to %s: %s", to->host ? to->host : "nobody", strerror(-ret));
	return c;
}

void conn_accepted(struct listener *s, struct conn *c)
{
	c->state = CONN_OPEN;
	c->incoming = true;
	if (!s->accepted(s, c)) {
		if (c->state != CONN_CLOSED)
			conn_close(c, 0, true);
		c->silent = true;
		return;
	}
	assert(c->handler);
	if (conn_is_open(c))
		conn_watch(c);
}

void conn_close(struct conn *c, int err, bool silent)
{
	if (silent)
		c->silent = true;
	if (c->state == CONN_CLOSED)
		return;
	c->out.congested = false;	/* nobody waits for room any more */
	if (conn_is_open(c) && !c->out.blocked)
		out_flush(c);
	conn_fail(c, err, "closed by us%s%s", err ? ": " : "", err ? strerror(-err) : "");
}

void conn_set_handler(struct conn *c, const struct conn_limits *limits, const struct conn_handler *handler, void *ctx)
{
	limits_set(&c->limits, limits);
	c->handler = handler;
	c->ctx = ctx;
}

/* ---- events ----------------------------------------------------------------------------- */

void conn_watch(struct conn *c)
{
	int events = 0;

	if (!conn_is_open(c))
		return;
	if (!c->in.paused && !c->in.stash)
		events |= IO_READ;
	if (c->out.blocked)
		events |= IO_WRITE;
	if (events != c->watched) {
		c->watched = events;
		c->transport->watch(c, events);
	}
}

void conn_ready(struct conn *c, int events)
{
	if ((events & IO_READ) && conn_is_open(c) && !c->in.paused)
		in_readable(c);
	if ((events & IO_WRITE) && conn_is_open(c))
		out_flush(c);
}

void conn_pause(struct conn *c, bool pause)
{
	if (c->in.paused == pause)
		return;
	c->in.paused = pause;
	if (!pause && c->in.stash) {
		/* Not from within the caller: messages come from the loop. */
		if (!c->in.resuming)
			loop_post(c->loop, &c->in.resume);
		c->in.resuming = true;
		return;
	}
	conn_watch(c);
}

/* ---- questions -------------------------------------------------------------------------- */

void *conn_ctx(const struct conn *c)
{
	return c->ctx;
}

const char *conn_peer(const struct conn *c)
{
	return c->peer;
}

const char *conn_peer_ip(const struct conn *c, uint16_t *ret_port)
{
	if (ret_port)
		*ret_port = c->peer_port;
	return c->peer_ip;
}

const char *conn_error(const struct conn *c)
{
	return c->error;
}

uint64_t conn_last_heard_ns(const struct conn *c)
{
	return c->last_heard_ns;
}

/* ---- listeners -------------------------------------------------------------------------- */

int listener_new(const struct transport *t, struct loop *l, const struct transport_address *at,
		 bool (*accepted)(struct listener *s, struct conn *c), void *ctx,
		 struct listener **ret_listener, char error[256])
{
	struct listener *s = calloc(1, sizeof(*s));
	int ret;

	if (!s) {
		snprintf(error, 256, "out of memory");
		return -ENOMEM;
	}
	s->transport = t;
	s->loop = l;
	s->accepted = accepted;
	s->ctx = ctx;
	s->window_size = at->window_size;
	s->reserve = -1;
	error[0] = '\0';
	ret = t->listen(s, at, error);
	if (ret < 0) {
		listener_free(s);
		return ret;
	}
	*ret_listener = s;
	return 0;
}

void listener_free(struct listener *s)
{
	if (!s)
		return;
	timer_stop(&s->rest);
	s->transport->unlisten(s);
	free(s);
}

uint16_t listener_port(const struct listener *s)
{
	return s->port;
}

void *listener_ctx(const struct listener *s)
{
	return s->ctx;
}
