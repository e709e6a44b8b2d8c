/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * protocol.h - what protocol/client and protocol/server have in common: the handshake, and the few
 * messages that are not operations.  core/wire.h has the framing, the header and the codec of
 * operations.
 *
 *	HELLO        header | dict      the first message of a client; nothing may come before it
 *	HELLO_REPLY  header(ret) | dict ret < 0: refused, "error" says why; the server closes
 *	REQUEST      header(op, xid) | [u64 client, with PROTOCOL_CLIENT] | arguments
 *	REPLY        header(op, xid, ret) | [u64 note, with PROTOCOL_NOTE] | answer, when ret >= 0
 *	CANCEL       header(xid)        give up that request; it is still answered
 *	RELEASE      header(xid)        an open file, by handle: one way
 *	PING, PONG   header             a PONG also comes unasked: a server that does not read lives
 *	EVENT        header(op: PROTOCOL_EVENT_*) | text or gfid   from the server
 *	RESUME       header(flags) | u32 n | u64 handle * n | u32 m | u64 xid * m
 *	BYE          header             the client is done: its session ends
 *
 * A header's unused fields are 0.  Handles of open files are chosen by the client, never 0, never
 * used twice within a session.  The keys of the two dicts are named in protocol.c, and there
 * only.
 *
 * A *session* outlives its connection: the server keeps its open files, its locks and the answers
 * that it may not have been able to deliver for `grace`.  A client that connects again names its
 * session in HELLO; when the server still has it ("resumed"), the client says in RESUME which files
 * it still has open and which requests it still waits for (the server closes the other files and
 * cancels the other requests), then sends those requests again, in the old order and unchanged.
 *
 * So that a request is executed once, its xid is (sequence number, place): a place has one request
 * at a time, and the server keeps the last answer of each.  What is sent again is answered from
 * there; a higher sequence number in the place says that the client has the answer (NFSv4.1, RFC
 * 8881, 2.10.6).  Answers that change nothing (class READ) are not kept: such a request is executed
 * again.
 */
#ifndef GLUSTERFS_PROTOCOL_H
#define GLUSTERFS_PROTOCOL_H

#include "transport.h"
#include "xlator.h"

enum {
	PROTOCOL_VERSION_MIN = 1, PROTOCOL_VERSION_MAX = 1,	/* what this program speaks */
	PROTOCOL_HEADER_ROOM = 256,	/* an encoded header without groups, and what we add */
	PROTOCOL_HELLO_MAX = 64 << 10,	/* a head before the handshake is done */
	PROTOCOL_VOLFILE_MAX = 512 << 10,
	PROTOCOL_LIST_MAX = 1 << 20,	/* bytes asked of one readdir: more is made less */
	PROTOCOL_PLACE_BITS = 13,	/* of an xid */
	PROTOCOL_PLACES = 1 << PROTOCOL_PLACE_BITS,	/* requests of a session under way */
	PROTOCOL_LOCK_WAITS = PROTOCOL_PLACES / 2,	/* of them; so that an unlock finds a place */
	PROTOCOL_RESUME_MAX = 64 << 10,	/* handles or xids in one message */
};

enum {				/* flags of a request's header */
	PROTOCOL_ENFORCE = 1,	/* identity.enforce: nobody has checked permissions yet */
	PROTOCOL_CLIENT = 2,	/* a server in between: whose call it is follows the header */
	PROTOCOL_KILL_PRIV = 4,	/* identity.kill_priv */
	PROTOCOL_MORE = 8,	/* RESUME: another one follows */
	PROTOCOL_IMPOSE = 16,		/* identity.impose */
	PROTOCOL_NOTE = 32,		/* REPLY: a u64 follows the header, frame_note() */
};

enum {				/* features of a server */
	PROTOCOL_WANTS_GROUPS = 1,	/* permissions are checked there: who calls, with all his groups? */
};

enum { PROTOCOL_EVENT_UP = 1, PROTOCOL_EVENT_DOWN, PROTOCOL_EVENT_INVALIDATE, PROTOCOL_EVENT_LEAVING };

/* What a client says of itself.  Strings are never NULL after hello_read(); "" is "not given". */
struct hello {
	uint32_t version_min, version_max;
	uint64_t features;		/* bits; none are defined yet for a client */
	uint64_t client_id;		/* struct graph's */
	uint64_t session;		/* to go on with; 0: none */
	uint32_t payload_max;		/* of a message to it */
	uint32_t ping_ms;		/* it will be silent no longer than this; 0: not said */
	const char *process, *process_version;
	const char *volume;		/* to attach to; "" with want_volfile */
	const char *username, *password;	/* in clear */
	bool want_volfile;		/* only the client volume file (`glusterfs -s`) */
};

struct hello_reply {
	int ret;			/* 0 or -errno */
	uint32_t version;		/* the negotiated one */
	uint64_t features, session;
	bool resumed;			/* it is the session that the client named */
	uint32_t grace_ms;		/* how long it is kept without a connection */
	uint32_t payload_max;		/* of a message to the server */
	bool up;			/* the volume serves; otherwise an EVENT will say when */
	const char *process, *process_version, *volume;
	const char *error;		/* a sentence for people, when ret < 0 */
	const char *volfile;		/* the text, or "" */
};

/* Sends; 0 or -errno.  NULL strings are not sent. */
int hello_send(struct conn *c, const struct hello *h);
int hello_reply_send(struct conn *c, const struct hello_reply *r);
/*
 * Reads what follows the header.  *ret_dict: a new reference that the strings point into.  0
 * or -EPROTO.
 */
int hello_read(struct wire *w, struct hello *h, struct dict **ret_dict);
int hello_reply_read(struct wire *w, int ret, struct hello_reply *r, struct dict **ret_dict);

/* A message that is a header alone.  0 or -errno. */
int protocol_send(struct conn *c, enum wire_kind kind, uint64_t xid);

/* A wire for decoding a message. */
struct wire protocol_reader(struct buf *head, struct buf *payload);

/* The transport of option transport-type, or NULL after xl_error(). */
const struct transport *protocol_transport(struct xlator *xl, const char *type);

/* Bytes of data accepted in a message, from option limits.transaction-size. */
static inline uint32_t protocol_payload_max(uint64_t transaction_size)
{
	return transaction_size < WIRE_PAYLOAD_MAX ? transaction_size : WIRE_PAYLOAD_MAX;
}

/* Whether a password is the right one; takes as long for a nearly right one as for any other. */
bool protocol_same_secret(const char *a, const char *b);

#endif
