/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * transport-out.c - messages to bytes, sent once per turn.
 *
 * A head is encoded where it is sent from: in the connection's current chunk, behind the head
 * before it, so that any number of small messages is one piece for the system call and costs no
 * allocation.  A small payload is copied behind its head; a large one is a piece of its own, referenced.
 *
 * Invariants: out.bytes is the sum of the pieces' lengths; a chunk lives as long as a piece or out.chunk points to it; a
 * piece that grows is the last one and ends where the chunk's used part ends.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "transport-impl.h"

static struct out_piece *piece_at(struct outq *q, uint32_t i)
{
	return &q->pieces[(q->first + i) & (q->room - 1)];
}

static void chunk_unref(struct out_chunk *k)
{
	if (k && --k->refs == 0)
		free(k);
}

static void piece_drop_first(struct outq *q)
{
	struct out_piece *p = piece_at(q, 0);

	chunk_unref(p->chunk);
	buf_unref(p->buf);
	q->first = (q->first + 1) & (q->room - 1);
	q->nr--;
}

/* Makes room for `more` pieces. */
static int pieces_reserve(struct outq *q, uint32_t more)
{
	uint32_t room = q->room ? q->room : 16;
	struct out_piece *pieces;

	while (room < q->nr + more)
		room *= 2;
	if (room == q->room)
		return 0;
	pieces = malloc(room * sizeof(*pieces));
	if (!pieces)
		return -ENOMEM;
	for (uint32_t i = 0; i < q->nr; i++)
		pieces[i] = *piece_at(q, i);
	free(q->pieces);
	q->pieces = pieces;
	q->room = room;
	q->first = 0;
	return 0;
}

/* Makes out.chunk have `need` free bytes. */
static int chunk_reserve(struct outq *q, size_t need)
{
	size_t size = need > OUT_CHUNK ? need : OUT_CHUNK;
	struct out_chunk *k = q->chunk;

	if (k && k->refs == 1)
		k->used = 0;	/* all of it has been sent */
	if (k && k->size - k->used >= need)
		return 0;
	k = malloc(sizeof(*k) + size);
	if (!k)
		return -ENOMEM;
	k->refs = 1;
	k->used = 0;
	k->size = (uint32_t)size;
	chunk_unref(q->chunk);
	q->chunk = k;
	return 0;
}

/* Appends the next `len` bytes of the chunk.  There is room for a piece. */
static void out_add_chunk(struct outq *q, size_t len)
{
	struct out_chunk *k = q->chunk;
	struct out_piece *last = q->nr ? piece_at(q, q->nr - 1) : NULL;
	uint8_t *at = k->data + k->used;

	if (last && last->chunk == k && last->at + last->len == at) {
		last->len += len;
	} else {
		*piece_at(q, q->nr++) = (struct out_piece){ .at = at, .len = len, .chunk = k };
		k->refs++;
	}
	k->used += (uint32_t)len;
	q->bytes += len;
}

struct wire *conn_begin(struct conn *c, size_t bound)
{
	struct outq *q = &c->out;
	struct wire *w = &c->wire;
	int ret = -ENOTCONN;

	assert(!q->begun);
	q->begun = true;
	memset(w, 0, sizeof(*w));
	if (conn_is_open(c)) {
		ret = bound > WIRE_HEAD_MAX ? -EMSGSIZE : chunk_reserve(q, WIRE_PREFIX + bound);
		if (ret == 0)
			ret = pieces_reserve(q, 2);
	}
	if (ret < 0) {
		w->failed = true;
		w->error = ret;
		return w;
	}
	w->base = w->at = q->chunk->data + q->chunk->used + WIRE_PREFIX;
	w->end = q->chunk->data + q->chunk->size;
	return w;
}

void conn_abort(struct conn *c, struct wire *w)
{
	assert(c->out.begun && w == &c->wire);
	c->out.begun = false;
	buf_unref(w->payload);
	w->payload = NULL;
}

static void put_le32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)(v >> 16);
	p[3] = (uint8_t)(v >> 24);
}

/* Completes the message that was begun; it waits to be sent.  0 or -errno. */
static int out_finish(struct conn *c, struct wire *w)
{
	struct outq *q = &c->out;
	size_t head_len, payload_len = w->payload ? w->payload->len : 0;
	int ret = 0;

	if (!wire_ok(w))
		ret = w->error ? w->error : -ENOMEM;
	else if (!conn_is_open(c))
		ret = -ENOTCONN;
	else if (w->at == w->base || (size_t)(w->at - w->base) > WIRE_HEAD_MAX || payload_len > WIRE_PAYLOAD_MAX)
		ret = -EMSGSIZE;
	if (ret < 0) {
		conn_abort(c, w);
		return ret;
	}
	head_len = (size_t)(w->at - w->base);
	put_le32(w->base - WIRE_PREFIX, (uint32_t)head_len);
	put_le32(w->base - WIRE_PREFIX + 4, (uint32_t)payload_len);
	if (payload_len && payload_len < OUT_REFERENCE && (size_t)(w->end - w->at) >= payload_len) {
		memcpy(w->at, w->payload->data, payload_len);
		out_add_chunk(q, WIRE_PREFIX + head_len + payload_len);
	} else {
		out_add_chunk(q, WIRE_PREFIX + head_len);
		if (payload_len) {
			*piece_at(q, q->nr++) = (struct out_piece){
				.at = w->payload->data, .len = payload_len, .buf = buf_ref(w->payload),
			};
			q->bytes += payload_len;
		}
	}
	conn_abort(c, w);	/* the wire's own reference */
	if (q->bytes >= c->limits.send_max)
		q->congested = true;
	return 0;
}

static void send_soon(struct conn *c)
{
	if (c->flushing || c->out.blocked)
		return;
	c->flushing = true;
	loop_defer(c->loop, &c->flush);
}

int conn_end(struct conn *c, struct wire *w)
{
	int ret = out_finish(c, w);

	if (ret == 0)
		send_soon(c);
	return ret;
}

static void out_lazy(struct timer *t)
{
	send_soon(container_of(t, struct conn, lazy));
}

int conn_end_lazily(struct conn *c, struct wire *w)
{
	int ret = out_finish(c, w);

	if (ret == 0 && !c->flushing && !c->out.blocked && !timer_active(&c->lazy))
		timer_start(&c->lazy, c->loop, OUT_LAZY_MS, out_lazy);
	return ret;
}

bool conn_congested(const struct conn *c)
{
	return c->out.bytes >= c->limits.send_max;
}

/* ---- sending ---------------------------------------------------------------------------- */

static void out_stalled(struct timer *t)
{
	struct conn *c = container_of(t, struct conn, stall);

	conn_fail(c, -ETIMEDOUT, "%s takes no data: nothing went out for %u ms", c->peer, c->limits.stall_ms);
}

static void out_sent(struct outq *q, size_t n)
{
	q->bytes -= n;
	while (n) {
		struct out_piece *p = piece_at(q, 0);
		size_t part = n < p->len ? n : p->len;

		p->at += part;
		p->len -= part;
		n -= part;
		if (!p->len)
			piece_drop_first(q);
	}
}

/* Offers up to OUT_IOV pieces.  Bytes taken or -errno; *ret_asked is what was offered. */
static ssize_t out_write(struct conn *c, size_t *ret_asked)
{
	struct outq *q = &c->out;
	struct iovec iov[OUT_IOV];
	int nr = 0;

	*ret_asked = 0;
	while (nr < OUT_IOV && (uint32_t)nr < q->nr) {
		const struct out_piece *p = piece_at(q, (uint32_t)nr);

		iov[nr].iov_base = p->at;
		iov[nr].iov_len = p->len;
		*ret_asked += p->len;
		nr++;
	}
	return c->transport->writev(c, iov, nr);
}

void out_flush(struct conn *c)
{
	struct outq *q = &c->out;
	bool was_blocked = q->blocked, progress = false;

	timer_stop(&c->lazy);
	q->blocked = false;
	while (q->nr && !q->blocked) {
		size_t asked;
		ssize_t n = out_write(c, &asked);

		if (n < 0 && n != -EAGAIN) {
			conn_fail(c, (int)n, "sending to %s: %s", c->peer, strerror((int)-n));
			return;
		}
		if (n > 0) {
			progress = true;
			out_sent(q, (size_t)n);
		}
		q->blocked = n < (ssize_t)asked;
	}
	if (q->blocked && (progress || !was_blocked))
		timer_start(&c->stall, c->loop, c->limits.stall_ms, out_stalled);
	else if (!q->blocked)
		timer_stop(&c->stall);
	if (!q->nr && q->chunk && q->chunk->size > OUT_CHUNK) {
		chunk_unref(q->chunk);
		q->chunk = NULL;
	}
	conn_watch(c);
	if (q->congested && q->bytes <= c->limits.send_max / 2) {
		q->congested = false;
		if (c->handler->writable)
			c->handler->writable(c);
	}
}

void out_free(struct conn *c)
{
	struct outq *q = &c->out;

	timer_stop(&c->lazy);
	while (q->nr)
		piece_drop_first(q);
	chunk_unref(q->chunk);
	free(q->pieces);
}
