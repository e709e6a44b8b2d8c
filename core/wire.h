/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * wire.h - the codec: little-endian, made from fops.def.
 *
 * A message is a head (header, encoded arguments or answer) and a payload (the one `buf` of a
 * write, the data of a read), which travels outside the encoded part so that it is never copied:
 *
 *	u32 head_len | u32 payload_len | head ... | payload ...
 *
 * Nothing is believed before it is checked: a struct wire that ran over its end or met a bad value has
 * failed for good (wire_ok), and everything decoded after that is zero.
 */
#ifndef GLUSTERFS_WIRE_H
#define GLUSTERFS_WIRE_H

#include "buf.h"
#include "dict.h"
#include "dirents.h"
#include "fop.h"
#include "inode.h"

enum {
	WIRE_PREFIX = 8,		/* the two lengths */
	WIRE_HEAD_MAX = 2 << 20,	/* an encoded head: a listing, xattrs of 64 KiB, a dict */
	WIRE_PAYLOAD_MAX = 8 << 20,
	WIRE_NAME_MAX = 255, WIRE_STR_MAX = 4096,
};

enum wire_kind { WIRE_HELLO = 1, WIRE_HELLO_REPLY, WIRE_REQUEST, WIRE_REPLY, WIRE_CANCEL, WIRE_RELEASE, WIRE_PING, WIRE_PONG, WIRE_EVENT,
	WIRE_RESUME, WIRE_BYE, WIRE_KIND_LAST = WIRE_BYE };

/*
 * The header of every message.  session, txn, view, grant and stamp_ns belong to the replication
 * protocol; they are carried from the first version on, also where nobody reads them yet.
 */
struct wire_header {
	uint8_t  kind;			/* enum wire_kind */
	uint8_t  op;			/* request: enum fop_id (of the negotiated protocol version) */
	uint16_t flags;
	int32_t  ret;			/* reply: the answer */
	uint64_t xid;			/* of a request, repeated by its reply; unique within a connection */
	/* requests only: */
	uint64_t session, txn, view, grant, stamp_ns;
	uint32_t uid, gid, pid, deadline_ms;	/* 0: none */
	uint64_t lk_owner;
	uint32_t nr_groups;
	const uint8_t *groups;		/* little-endian u32 each; points into the message */
};
enum { WIRE_MAX_GROUPS = 65536 };

struct wire {
	uint8_t *at, *end;
	uint8_t *base;
	struct buf *payload;		/* encode: set by the first buf that is not empty, a new reference for the
					 * caller, also when it failed; decode: the message's, borrowed; NULL: none */
	bool failed, payload_used;
	/* what stands for an open file on this connection */
	uint64_t (*fd_out)(struct wire *w, struct fd *fd);		/* encode: its handle, chosen by the client; not 0 */
	struct fd *(*fd_in)(struct wire *w, uint64_t handle);		/* decode: new reference; NULL fails with -EBADF */
	struct inode *(*inode_in)(struct wire *w, const struct gfid *g, uint32_t type);	/* decode: new reference */
	/* decode a newfd, on the inode named before it: new reference; NULL fails with w->error or -ENOMEM.
	 * The arguments after it may still be bad: the handle is not to be used before wire_get_args() succeeded. */
	struct fd *(*fd_make)(struct wire *w, uint64_t handle, struct inode *inode, enum fop_id op);
	void *ctx;
	/* decode: -EPROTO (close the connection); -EBADF, -ENOMEM or what a callback left here (answer that).
	 * encode: -EMSGSIZE (no room, too large), -ENAMETOOLONG, -EINVAL */
	int error;
};

static inline bool wire_ok(const struct wire *w)
{
	return !w->failed;
}

/* Decode: all of the message was read, its payload too. */
static inline bool wire_finished(const struct wire *w)
{
	return !w->failed && w->at == w->end && (w->payload == NULL || w->payload_used);
}

void wire_put_u8(struct wire *w, uint8_t v);
void wire_put_u16(struct wire *w, uint16_t v);
void wire_put_u32(struct wire *w, uint32_t v);
void wire_put_u64(struct wire *w, uint64_t v);
void wire_put_bytes(struct wire *w, const void *p, size_t n);
void wire_put_str(struct wire *w, const char *s);
void wire_put_dict(struct wire *w, const struct dict *d);
uint8_t wire_get_u8(struct wire *w);
uint16_t wire_get_u16(struct wire *w);
uint32_t wire_get_u32(struct wire *w);
uint64_t wire_get_u64(struct wire *w);
const uint8_t *wire_get_bytes(struct wire *w, size_t n);	/* points into the message; NULL when short */
const char *wire_get_str(struct wire *w);			/* points into the message; "" when bad */
struct dict *wire_get_dict(struct wire *w);			/* new reference or NULL */

/* Upper bound of the encoded header. */
size_t wire_header_bound(const struct wire_header *h);
void wire_put_header(struct wire *w, const struct wire_header *h);
/* An unknown kind or operation fails; *h is all zero then. */
void wire_get_header(struct wire *w, struct wire_header *h);

/* Upper bound of the encoded size (without payload), for making room. */
size_t wire_args_bound(enum fop_id op, const void *args);
size_t wire_reply_bound(enum fop_id op, const void *reply);
void wire_put_args(struct wire *w, enum fop_id op, const void *args);
void wire_put_reply(struct wire *w, enum fop_id op, const void *reply);
/*
 * Decode into *args, which then holds new references (args_drop()) even when it failed.  0 or w->error.
 * Strings and names point into the message.  Arguments are never NULL, except a `dict` and an `fd` beside
 * an inode (which is the fd's inode then); answers may be.  A failure may come after fd_make was called.
 */
int wire_get_args(struct wire *w, enum fop_id op, union fop_args *args);
int wire_get_reply(struct wire *w, enum fop_id op, union fop_reply *reply);

#endif
