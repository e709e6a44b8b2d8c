/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * transport.h - connections that carry messages (wire.h): tcp, unix, and mem (within one process, for the simulation).
 *
 * A connection collects what is sent during a turn of the loop and sends it with one system call at
 * the end of the turn; what does not fit into the socket waits, and conn_congested() tells the sender
 * to stop making more.  Received heads and payloads are bufs of their own; a payload of a page or more is received
 * straight into a page-aligned buffer.  A frame with lengths beyond the limits closes the connection.
 * Loop thread only.
 */
#ifndef GLUSTERFS_TRANSPORT_H
#define GLUSTERFS_TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>
#include "buf.h"
#include "loop.h"
#include "wire.h"

struct conn;
struct listener;
struct transport;

struct conn_handler {
	/* A message came: head (decode with wire.h; borrowed) and payload (borrowed, NULL if empty). */
	void (*message)(struct conn *c, struct buf *head, struct buf *payload);
	/* An outgoing connection stands. */
	void (*connected)(struct conn *c);
	/* It is gone, for this reason (-errno; 0: the peer closed in good order), in a turn of its own.  Last call; c is
	 * freed after it.  Until then c may be used; sending answers -ENOTCONN. */
	void (*closed)(struct conn *c, int err);
	/* What was congested has room again. */
	void (*writable)(struct conn *c);
};

struct conn_limits {
	uint32_t head_max, payload_max;		/* 0: WIRE_*_MAX */
	uint32_t send_max;			/* bytes waiting to be sent before conn_congested(); 0: 16 MiB */
	uint32_t stall_ms;			/* a peer that takes nothing for so long is dropped; 0: 30 s */
};

/* "tcp", "unix", "mem" (case-insensitive; a suffix like "/client" is ignored).  NULL: unknown. */
const struct transport *transport_find(const char *type);
extern const char *const transport_names[];	/* NULL-terminated */

struct transport_address {
	const char *host;	/* tcp: name or address, NULL: any; unix and mem: path or name */
	uint16_t port;
	uint32_t window_size;	/* socket buffers, 0: the kernel's choice */
};

/*
 * Starts to connect; resolves the name, tries all its addresses in turn (IPv6 and IPv4).  handler->connected
 * or handler->closed will be called, not before this returned.  NULL: no memory.
 */
struct conn *conn_connect(const struct transport *t, struct loop *l, const struct transport_address *to,
			  uint32_t timeout_ms, const struct conn_limits *limits,
			  const struct conn_handler *handler, void *ctx);
/* 0 and a listener, or -errno with a sentence in error.  accepted: a new connection; return false to refuse it;
 * otherwise set its handler with conn_set_handler().  It must not free the listener. */
int listener_new(const struct transport *t, struct loop *l, const struct transport_address *at,
		 bool (*accepted)(struct listener *s, struct conn *c), void *ctx,
		 struct listener **ret_listener, char error[256]);
void listener_free(struct listener *s);
uint16_t listener_port(const struct listener *s);	/* the real one, when asked for port 0 */
void *listener_ctx(const struct listener *s);

void conn_set_handler(struct conn *c, const struct conn_limits *limits, const struct conn_handler *handler, void *ctx);
void *conn_ctx(const struct conn *c);
const char *conn_peer(const struct conn *c);		/* "192.0.2.7:1021", "unix:/path" */
/* The peer's IP address as text without port ("" for unix and mem), and its port. */
const char *conn_peer_ip(const struct conn *c, uint16_t *ret_port);
const char *conn_error(const struct conn *c);		/* why it was closed, as a sentence */

/*
 * Sends a message: begin gives a wire with room for at least `bound` bytes of head (or failed, -ENOMEM), end
 * completes it, with the wire's payload.  Nothing else may be done with the connection in between.
 */
struct wire *conn_begin(struct conn *c, size_t bound);
int conn_end(struct conn *c, struct wire *w);		/* 0, or -errno: nothing was sent */
/* As conn_end, for what nobody waits for: it goes with the next message, or by itself after some milliseconds. */
int conn_end_lazily(struct conn *c, struct wire *w);
void conn_abort(struct conn *c, struct wire *w);	/* forgets the message that was begun */
bool conn_congested(const struct conn *c);
/* Stop and go on reading (flow control). */
void conn_pause(struct conn *c, bool pause);
uint64_t conn_last_heard_ns(const struct conn *c);	/* loop time of the last byte received */
/* Closes (after sending what waits, if it goes at once); closed() is called in a later turn unless `silent`.  Also
 * for a connection that is closed already: silent then means that closed() is not called any more. */
void conn_close(struct conn *c, int err, bool silent);

/* Tests and the simulation: every connection made by this name of the mem transport is lost, on both sides, and
 * with it what was under way. */
void mem_cut(struct loop *l, const char *name);
/* The same, and until it is undone nobody can connect by this name, which somebody listens on: attempts time out. */
void mem_part(struct loop *l, const char *name, bool apart);

#endif
