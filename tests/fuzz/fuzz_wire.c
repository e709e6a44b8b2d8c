/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The codec: whatever the bytes, decoding ends with values or an error, and both can be dropped;
 * what was decoded is encoded within its bound, decodes again, and is then encoded to the same bytes
 * (not always to the first: a full attr of zeros, say, has a shorter form).
 *
 *	byte 0		what: 0 a header, 1 arguments, 2 an answer, 3 single values (modulo 4)
 *	byte 1		the operation (modulo FOP_COUNT)
 *	byte 2		length of the payload at the end of the input
 *	...		the encoded part
 */
#include "config.h"

#include "fuzz.h"
#include "wire.h"
#include "xlator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As assert(), also with NDEBUG. */
#define MUST(condition)								\
	do {									\
		if (!(condition)) {						\
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__,	\
				__LINE__, #condition);				\
			abort();						\
		}								\
	} while (0)

/* The server's side of a message: inodes are made, odd handles exist, on the last inode or on the
 * root. */
struct peer {
	struct inode_table *table;
	struct inode *last;
	unsigned nr_fds;
	struct {
		struct fd *fd;
		uint64_t handle;
	} fds[8]; /* the fds of this round, for their handles */
};

static struct fd *remember(struct peer *peer, uint64_t handle, struct inode *inode)
{
	struct fd *fd = fd_new(inode, 0, false);

	MUST(fd != NULL && peer->nr_fds < 8);
	peer->fds[peer->nr_fds].fd = fd;
	peer->fds[peer->nr_fds++].handle = handle;
	return fd;
}

static struct fd *fd_in(struct wire *w, uint64_t handle)
{
	struct peer *peer = w->ctx;

	if (handle % 2 == 0)
		return NULL;
	return remember(peer, handle,
			peer->last != NULL && handle % 4 == 1 ? peer->last
							      : inode_root(peer->table));
}

static struct fd *fd_make(struct wire *w, uint64_t handle, struct inode *inode, enum fop_id op)
{
	(void)op;
	return handle == 2 ? NULL : remember(w->ctx, handle, inode);
}

static uint64_t fd_out(struct wire *w, struct fd *fd)
{
	struct peer *peer = w->ctx;

	for (unsigned i = 0; i < peer->nr_fds; i++)
		if (peer->fds[i].fd == fd)
			return peer->fds[i].handle;
	MUST(!"an fd that nobody made");
	return 0;
}

static struct inode *inode_in(struct wire *w, const struct gfid *g, uint32_t type)
{
	struct peer *peer = w->ctx;

	if (g->b[0] == 0xff && g->b[1] == 0xff)		/* as if there were no memory */
		return NULL;
	return peer->last = inode_get(peer->table, g, type);
}

static struct wire wire_on(struct peer *peer, uint8_t *bytes, size_t len, struct buf *payload)
{
	peer->last = NULL;
	return (struct wire){ .at = bytes,
			      .end = bytes + len,
			      .base = bytes,
			      .payload = payload,
			      .fd_out = fd_out,
			      .fd_in = fd_in,
			      .fd_make = fd_make,
			      .inode_in = inode_in,
			      .ctx = peer };
}

struct encoded {
	uint8_t *bytes;
	size_t len;
	struct buf *payload;
};

static void encoded_free(struct encoded *e)
{
	free(e->bytes);
	buf_unref(e->payload);
}

static struct encoded finish(struct wire *w)
{
	MUST(wire_ok(w));
	return (struct encoded){ w->base, (size_t)(w->at - w->base), w->payload };
}

static void must_be_equal(const struct encoded *a, const struct encoded *b)
{
	MUST(a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0);
	MUST((a->payload == NULL) == (b->payload == NULL));
	MUST(a->payload == NULL ||
	     (a->payload->len == b->payload->len &&
	      memcmp(a->payload->data, b->payload->data, a->payload->len) == 0));
}

static bool is_answer;

/* Decodes; when that works gives it back encoded again. */
static bool round_trip(struct peer *peer, enum fop_id op, uint8_t *bytes, size_t len,
		       struct buf *payload, struct encoded *ret)
{
	union { union fop_args args; union fop_reply reply; } value;
	struct wire w = wire_on(peer, bytes, len, payload);
	char line[300];
	size_t bound;
	int err = is_answer ? wire_get_reply(&w, op, &value.reply)
			    : wire_get_args(&w, op, &value.args);

	MUST((err == 0) == wire_ok(&w) && err <= 0);
	MUST(w.at <= w.end);
	if (err == 0) {
		bound = is_answer ? wire_reply_bound(op, &value) : wire_args_bound(op, &value);
		w = wire_on(peer, malloc(bound + 1), bound, NULL);
		if (is_answer)
			wire_put_reply(&w, op, &value.reply);
		else
			wire_put_args(&w, op, &value.args);
		*ret = finish(&w);
	}
	if (is_answer) {
		reply_print(op, 0, &value.reply, line, sizeof(line));
		reply_drop(op, &value.reply);
	} else {
		args_print(op, &value.args, line, sizeof(line));
		args_drop(op, &value.args);
	}
	peer->last = NULL;
	return err == 0;
}

static void operation(enum fop_id op, uint8_t *bytes, size_t len, struct buf *payload)
{
	struct peer peer = { .table = inode_table_new(NULL, 0, 16) };
	struct encoded first, second;

	MUST(peer.table != NULL);
	if (round_trip(&peer, op, bytes, len, payload, &first)) {
		peer.nr_fds = 0;
		MUST(round_trip(&peer, op, first.bytes, first.len, first.payload, &second));
		must_be_equal(&first, &second);
		encoded_free(&first);
		encoded_free(&second);
	}
	inode_table_free(peer.table);
}

static void header(uint8_t *bytes, size_t len)
{
	struct peer peer = { .table = NULL };
	struct wire w = wire_on(&peer, bytes, len, NULL);
	struct wire_header h;
	struct encoded again;
	size_t bound;

	wire_get_header(&w, &h);
	if (!wire_ok(&w)) {
		MUST(h.kind == 0 && h.nr_groups == 0);
		return;
	}
	bound = wire_header_bound(&h);
	MUST(bound < len + 100);
	again = (struct encoded){ NULL, (size_t)(w.at - w.base), NULL };
	w = wire_on(&peer, malloc(bound), bound, NULL);
	wire_put_header(&w, &h);
	again.bytes = bytes;
	must_be_equal(&again, &(struct encoded){ w.base, (size_t)(w.at - w.base), NULL });
	free(w.base);
}

static void values(uint8_t *bytes, size_t len)
{
	struct peer peer = { .table = NULL };
	struct wire w = wire_on(&peer, bytes, len, NULL);

	while (wire_ok(&w) && w.at < w.end) {
		struct dict *d = NULL;
		const char *s;

		switch (wire_get_u8(&w) % 6) {
		case 0: wire_get_u16(&w); break;
		case 1: wire_get_u32(&w); break;
		case 2: wire_get_u64(&w); break;
		case 3: wire_get_bytes(&w, wire_get_u32(&w)); break;
		case 4:
			s = wire_get_str(&w);
			MUST(strlen(s) < WIRE_STR_MAX);
			break;
		default:
			d = wire_get_dict(&w);
			MUST(d == NULL || d->bytes <= len * 3);
			dict_unref(d);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct buf *payload = NULL;
	uint8_t *bytes;
	size_t payload_len;

	if (len < 3)
		return 0;
	payload_len = data[2] < len - 3 ? data[2] : len - 3;
	if (payload_len > 0)
		payload = buf_copy(data + len - payload_len, payload_len);
	len -= 3 + payload_len;
	bytes = malloc(len > 0 ? len : 1);
	MUST(bytes != NULL);
	memcpy(bytes, data + 3, len);
	is_answer = data[0] % 4 == 2;
	if (data[0] % 4 == 0)
		header(bytes, len);
	else if (data[0] % 4 == 3)
		values(bytes, len);
	else
		operation(data[1] % FOP_COUNT, bytes, len, payload);
	free(bytes);
	buf_unref(payload);
	return 0;
}
