/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * transport-in.c - bytes to messages.
 *
 * Bytes are read into the loop's scratch buffer, and messages are taken out of it: heads and
 * small payloads are copied into bufs of their own (a slice would keep 64 KiB for a request that waits
 * for a lock), so between two reads a connection owns at most one incomplete message.  What
 * is missing of that one, when large, is read straight into its place, and the scratch buffer takes
 * what follows, in the same system call.
 *
 * Lengths are checked before anything is allocated for them, and a payload is allocated only
 * when its head is complete.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include "transport-impl.h"

/* Reads per turn from a connection that keeps filling everything: others want their turn too. */
enum { IN_READS_MAX = 16 };

static uint32_t get_le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void in_reset(struct inq *q)
{
	buf_unref(q->head);
	buf_unref(q->payload);
	q->head = q->payload = NULL;
	q->have = 0;
	q->head_done = false;
}

/* Where the next bytes of the current message belong, and how many of them are missing. */
static uint8_t *in_place(struct inq *q, size_t *ret_missing)
{
	if (!q->head) {
		*ret_missing = WIRE_PREFIX - q->have;
		return q->prefix + q->have;
	}
	if (!q->head_done) {
		*ret_missing = q->head_len - q->have;
		return q->head->data + q->have;
	}
	*ret_missing = q->payload_len - q->have;
	return q->payload->data + q->have;
}

/* The lengths are there: checks them.  0 or -errno, closed. */
static int in_begin(struct conn *c)
{
	struct inq *q = &c->in;

	q->head_len = get_le32(q->prefix);
	q->payload_len = get_le32(q->prefix + 4);
	if (!q->head_len || q->head_len > c->limits.head_max || q->payload_len > c->limits.payload_max) {
		conn_fail(c, -EPROTO, "%s sent a message of %u and %u bytes (at most %u and %u): not our protocol",
			  c->peer, q->head_len, q->payload_len, c->limits.head_max, c->limits.payload_max);
		return -EPROTO;
	}
	q->head = buf_new(q->head_len);
	if (!q->head) {
		conn_fail(c, -ENOMEM, "no memory to receive from %s", c->peer);
		return -ENOMEM;
	}
	q->have = 0;
	return 0;
}

static void in_deliver(struct conn *c)
{
	struct inq *q = &c->in;
	struct buf *head = q->head, *payload = q->payload;

	q->head = q->payload = NULL;
	in_reset(q);
	c->handler->message(c, head, payload);
	buf_unref(head);
	buf_unref(payload);
}

/* Goes on when the current part is complete, and delivers when it was the last.  0 or -errno, closed. */
static int in_advance(struct conn *c)
{
	struct inq *q = &c->in;

	if (!q->head)
		return q->have == WIRE_PREFIX ? in_begin(c) : 0;
	if (!q->head_done) {
		if (q->have < q->head_len)
			return 0;
		q->head_done = true;
		q->have = 0;
		if (q->payload_len) {
			q->payload = buf_new(q->payload_len);
			if (!q->payload) {
				conn_fail(c, -ENOMEM, "no memory to receive from %s", c->peer);
				return -ENOMEM;
			}
			return 0;
		}
	}
	if (q->have == q->payload_len)
		in_deliver(c);
	return 0;
}

/* Paused between two messages: the rest waits.  Looked at again by conn_pause(). */
static void in_stash(struct conn *c, const uint8_t *bytes, size_t len)
{
	assert(!c->in.stash);
	c->in.stash = buf_copy(bytes, len);
	if (!c->in.stash)
		conn_fail(c, -ENOMEM, "no memory to receive from %s", c->peer);
}

void in_feed(struct conn *c, const uint8_t *bytes, size_t len)
{
	struct inq *q = &c->in;

	while (len && conn_is_open(c)) {
		size_t missing;
		uint8_t *to = in_place(q, &missing);
		size_t n = len < missing ? len : missing;

		if (q->paused) {
			in_stash(c, bytes, len);
			return;
		}
		memcpy(to, bytes, n);
		q->have += (uint32_t)n;
		bytes += n;
		len -= n;
		if (in_advance(c) < 0)
			return;
	}
}

/* One system call.  Whether it filled everything, so that there may be more. */
static bool in_read(struct conn *c, uint8_t *scratch)
{
	struct inq *q = &c->in;
	struct iovec iov[2];
	size_t direct;
	ssize_t n;
	int nr = 0;

	iov[0].iov_base = in_place(q, &direct);
	if (!q->head || direct < IN_DIRECT)
		direct = 0;
	if (direct)
		iov[nr++].iov_len = direct;
	iov[nr].iov_base = scratch;
	iov[nr++].iov_len = LOOP_SCRATCH;
	n = c->transport->readv(c, iov, nr);
	if (n == -EAGAIN)
		return false;
	if (n < 0) {
		conn_fail(c, (int)n, "receiving from %s: %s", c->peer, strerror((int)-n));
		return false;
	}
	if (n == 0) {
		bool cut = q->have || q->head;

		conn_fail(c, cut ? -ECONNRESET : 0, "%s closed the connection%s", c->peer,
			  cut ? " within a message" : "");
		return false;
	}
	c->last_heard_ns = loop_now_ns(c->loop);
	if (direct) {
		size_t got = (size_t)n < direct ? (size_t)n : direct;

		q->have += (uint32_t)got;
		if (got < direct || in_advance(c) < 0)
			return false;
	}
	in_feed(c, scratch, (size_t)n - direct);
	return (size_t)n == direct + LOOP_SCRATCH;
}

void in_readable(struct conn *c)
{
	uint8_t *scratch = loop_scratch(c->loop);

	if (!scratch) {
		conn_fail(c, -ENOMEM, "no memory to receive from %s", c->peer);
		return;
	}
	for (int i = 0; i < IN_READS_MAX; i++)
		if (!in_read(c, scratch) || !conn_is_open(c) || c->in.paused)
			break;
	conn_watch(c);
}

void in_free(struct conn *c)
{
	in_reset(&c->in);
	buf_unref(c->in.stash);
	c->in.stash = NULL;
}
