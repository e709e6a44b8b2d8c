/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * mem.c - connections within a process, for simulations and tests.
 *
 * A connection is two ends, each with the bytes that are under way to it.  They arrive in order
 * after a while; in the simulation that is a random while, and a random part of them, so
 * that everything that may happen to a stream over a network happens here too, in an order that the seed
 * decides.  The bytes go through the same framing as those of a socket; how
 * many there were is part of the trace (not which: answers carry the real time of real files).
 *
 * Names belong to a loop.  Like a socket an end takes only so much; a sender that goes on is blocked.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "transport-impl.h"

enum { MEM_WINDOW = 1 << 20, DELAY_NS = 500000, LONG_DELAY_NS = 20000000, LONG_DELAY_ONE_IN = 16, SPLIT_ONE_IN = 4 };

struct mem_bytes {			/* under way */
	struct mem_bytes *next;
	size_t at, len;
	uint8_t data[];
};

struct mem_end {			/* conn.impl */
	struct conn *conn;
	struct mem_end *peer;		/* NULL: not connected yet, or gone */
	struct mem_end *next;		/* of all ends of the loop */
	struct mem_bytes *first, **last;
	size_t bytes;			/* in first */
	size_t arrived;			/* of those, what can be read */
	bool ended;			/* the peer is gone: nothing comes after what is under way */
	bool waits;			/* to connect, in vain: mem_part() */
	uint32_t timeout_ms;
	struct timer timer;		/* connects, then delivers */
	char name[];
};

struct mem_name {			/* listener.impl */
	struct mem_name *next;
	struct listener *listener;
	bool apart;			/* mem_part() */
	char name[];
};

struct mem_net {			/* loop.mem */
	struct mem_name *names;
	struct mem_end *ends;
};

static struct mem_net *mem_net(struct loop *l)
{
	if (!l->mem)
		l->mem = calloc(1, sizeof(struct mem_net));
	return l->mem;
}

static void mem_net_release(struct loop *l)
{
	struct mem_net *n = l->mem;

	if (n && !n->names && !n->ends) {
		free(n);
		l->mem = NULL;
	}
}

static uint64_t mem_delay_ns(struct loop *l)
{
	if (!loop_is_sim(l))
		return 0;
	return loop_sim_below(l, loop_sim_below(l, LONG_DELAY_ONE_IN) ? DELAY_NS : LONG_DELAY_NS);
}

static struct mem_end *mem_end_new(struct conn *c, const char *name)
{
	struct mem_net *n = mem_net(c->loop);
	size_t len = strlen(name);
	struct mem_end *e;

	if (!n)
		return NULL;
	e = calloc(1, sizeof(*e) + len + 1);
	if (!e) {
		mem_net_release(c->loop);
		return NULL;
	}
	e->conn = c;
	e->last = &e->first;
	memcpy(e->name, name, len + 1);
	e->next = n->ends;
	n->ends = e;
	c->impl = e;
	snprintf(c->peer, sizeof(c->peer), "mem:%s", name);
	return e;
}

/* ---- delivering ------------------------------------------------------------------------- */

static void mem_deliver(struct timer *t);

/* Something is under way to this end. */
static void mem_arm(struct mem_end *e)
{
	if ((e->bytes || e->ended) && (e->conn->watched & IO_READ) && !timer_active(&e->timer))
		timer_start_ns(&e->timer, e->conn->loop, mem_delay_ns(e->conn->loop), mem_deliver);
}

static void mem_deliver(struct timer *t)
{
	struct mem_end *e = container_of(t, struct mem_end, timer);
	struct conn *c = e->conn;
	struct loop *l = c->loop;

	if (!(c->watched & IO_READ))
		return;
	e->arrived = e->bytes;
	if (e->bytes && loop_is_sim(l) && loop_sim_below(l, SPLIT_ONE_IN) == 0)
		e->arrived = 1 + loop_sim_below(l, e->bytes);
	conn_ready(c, IO_READ);
	if (c->impl != e)
		return;
	mem_arm(e);
	if (e->peer && (e->peer->conn->watched & IO_WRITE) && e->bytes < MEM_WINDOW)
		conn_ready(e->peer->conn, IO_WRITE);
}

/* Takes up to len bytes of what arrived. */
static size_t mem_take(struct mem_end *e, uint8_t *to, size_t len)
{
	size_t taken = 0;

	while (taken < len && e->arrived) {
		struct mem_bytes *b = e->first;
		size_t n = b->len - b->at;

		if (n > len - taken)
			n = len - taken;
		if (n > e->arrived)
			n = e->arrived;
		memcpy(to + taken, b->data + b->at, n);
		b->at += n;
		taken += n;
		e->arrived -= n;
		e->bytes -= n;
		if (b->at == b->len) {
			e->first = b->next;
			if (!e->first)
				e->last = &e->first;
			free(b);
		}
	}
	return taken;
}

static ssize_t mem_readv(struct conn *c, const struct iovec *iov, int nr)
{
	struct mem_end *e = c->impl;
	size_t total = 0;

	if (!e->arrived)
		return e->ended && !e->bytes ? 0 : -EAGAIN;
	for (int i = 0; i < nr && e->arrived; i++) {
		size_t n = mem_take(e, iov[i].iov_base, iov[i].iov_len);

		if (loop_is_sim(c->loop))
			loop_sim_note(c->loop, n);
		total += n;
	}
	return (ssize_t)total;
}

static ssize_t mem_writev(struct conn *c, const struct iovec *iov, int nr)
{
	struct mem_end *e = c->impl, *to = e->peer;
	struct mem_bytes *b;
	size_t room, len = 0;

	if (!to)
		return -EPIPE;
	if (to->bytes >= MEM_WINDOW)
		return -EAGAIN;
	room = MEM_WINDOW - to->bytes;
	for (int i = 0; i < nr; i++)
		len += iov[i].iov_len;
	if (len > room)
		len = room;
	b = malloc(sizeof(*b) + len);
	if (!b)
		return -ENOMEM;
	b->next = NULL;
	b->at = b->len = 0;
	for (int i = 0; i < nr && b->len < len; i++) {
		size_t n = iov[i].iov_len < len - b->len ? iov[i].iov_len : len - b->len;

		memcpy(b->data + b->len, iov[i].iov_base, n);
		b->len += n;
	}
	*to->last = b;
	to->last = &b->next;
	to->bytes += len;
	mem_arm(to);
	return (ssize_t)len;
}

static void mem_watch(struct conn *c, int events)
{
	(void)events;		/* c->watched has them */
	mem_arm(c->impl);
}

/* ---- life ------------------------------------------------------------------------------- */

static void mem_connect_now(struct timer *t)
{
	struct mem_end *e = container_of(t, struct mem_end, timer), *s;
	struct conn *c = e->conn, *sc;
	struct mem_name *n = mem_net(c->loop)->names;

	while (n && strcmp(n->name, e->name) != 0)
		n = n->next;
	if (!n) {
		conn_fail(c, -ECONNREFUSED, "cannot connect to %s: nobody listens", c->peer);
		return;
	}
	if (n->apart) {
		if (e->waits)
			return conn_fail(c, -ETIMEDOUT, "cannot connect to %s: no answer", c->peer);
		e->waits = true;
		timer_start(&e->timer, c->loop, e->timeout_ms, mem_connect_now);
		return;
	}
	sc = conn_new(c->transport, c->loop);
	s = sc ? mem_end_new(sc, e->name) : NULL;
	if (!s) {
		if (sc)
			conn_close(sc, -ENOMEM, true);
		conn_fail(c, -ENOMEM, "cannot connect to %s: out of memory", c->peer);
		return;
	}
	s->peer = e;
	e->peer = s;
	conn_accepted(n->listener, sc);
	if (c->state == CONN_CONNECTING)
		conn_established(c);
}

static int mem_connect(struct conn *c, const struct transport_address *to, uint32_t timeout_ms)
{
	struct mem_end *e;

	if (!to->host)
		return -EINVAL;
	e = mem_end_new(c, to->host);
	if (!e)
		return -ENOMEM;
	e->timeout_ms = timeout_ms;
	timer_start_ns(&e->timer, c->loop, mem_delay_ns(c->loop), mem_connect_now);
	return 0;
}

static void mem_close(struct conn *c)
{
	struct mem_end *e = c->impl, **at;

	if (!e)
		return;
	timer_stop(&e->timer);
	if (e->peer) {
		e->peer->peer = NULL;
		e->peer->ended = true;
		mem_arm(e->peer);
	}
	while (e->first) {
		struct mem_bytes *b = e->first;

		e->first = b->next;
		free(b);
	}
	for (at = &mem_net(c->loop)->ends; *at != e; at = &(*at)->next)
		;
	*at = e->next;
	c->impl = NULL;
	free(e);
	mem_net_release(c->loop);
}

void mem_cut(struct loop *l, const char *name)
{
	struct mem_net *n;

	while ((n = l->mem)) {
		struct mem_end *e = n->ends;

		while (e && strcmp(e->name, name) != 0)
			e = e->next;
		if (!e)
			return;
		conn_fail(e->conn, -ECONNRESET, "the connection to mem:%s was cut", name);
	}
}

void mem_part(struct loop *l, const char *name, bool apart)
{
	struct mem_net *net = l->mem;

	for (struct mem_name *n = net ? net->names : NULL; n; n = n->next)
		if (strcmp(n->name, name) == 0)
			n->apart = apart;
	if (apart)
		mem_cut(l, name);
}

static int mem_listen(struct listener *s, const struct transport_address *at, char error[256])
{
	struct mem_net *n = mem_net(s->loop);
	size_t len = at->host ? strlen(at->host) : 0;
	struct mem_name *m;

	if (!n || !len) {
		snprintf(error, 256, n ? "no name to listen on" : "out of memory");
		return n ? -EINVAL : -ENOMEM;
	}
	for (m = n->names; m; m = m->next) {
		if (strcmp(m->name, at->host) != 0)
			continue;
		snprintf(error, 256, "cannot listen on mem:%s: %s", at->host, strerror(EADDRINUSE));
		return -EADDRINUSE;
	}
	m = calloc(1, sizeof(*m) + len + 1);
	if (!m) {
		snprintf(error, 256, "out of memory");
		return -ENOMEM;
	}
	memcpy(m->name, at->host, len + 1);
	m->listener = s;
	m->next = n->names;
	n->names = m;
	s->impl = m;
	return 0;
}

static void mem_unlisten(struct listener *s)
{
	struct mem_name *m = s->impl, **at;

	if (m) {
		for (at = &mem_net(s->loop)->names; *at != m; at = &(*at)->next)
			;
		*at = m->next;
		free(m);
		s->impl = NULL;
	}
	mem_net_release(s->loop);
}

const struct transport transport_mem = {
	.name = "mem",
	.connect = mem_connect,
	.readv = mem_readv,
	.writev = mem_writev,
	.watch = mem_watch,
	.close = mem_close,
	.listen = mem_listen,
	.unlisten = mem_unlisten,
};
