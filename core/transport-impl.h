/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * transport-impl.h - what lies between transport.c and the kinds of transport.
 *
 *	transport.c      connections' and listeners' life, the public functions
 *	transport-out.c  messages to bytes: the output queue
 *	transport-in.c   bytes to messages
 *	socket.c         what tcp and unix have in common
 *	tcp.c unix.c mem.c
 *
 * A connection goes CONNECTING -> OPEN -> CLOSED.  Its memory is freed in a task of its own, so no function
 * here has to fear that `c` is gone when a callback returns; each checks the state instead.
 */
#ifndef GLUSTERFS_TRANSPORT_IMPL_H
#define GLUSTERFS_TRANSPORT_IMPL_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include "loop-impl.h"
#include "transport.h"

enum {
	OUT_CHUNK = 32 << 10,		/* heads are encoded into chunks of this size, or one of their own */
	OUT_REFERENCE = 4096,		/* payloads from this size on are sent from where they are */
	OUT_IOV = 256,			/* pieces per system call */
	IN_DIRECT = 4096,		/* payloads from this size on are received into place */
	LISTEN_MAX = 4,			/* addresses of a listener */
	OUT_LAZY_MS = 2,		/* conn_end_lazily: nobody waits for it */
	STALL_MS = 30000, CONNECT_MS = 30000, SEND_MAX = 16 << 20,
};

struct transport {
	const char *name;
	/* Starts; ends in conn_established() or conn_fail(), not before it returned.  0 or -errno. */
	int (*connect)(struct conn *c, const struct transport_address *to, uint32_t timeout_ms);
	/* Bytes or -errno (-EAGAIN: nothing now); read: 0 is the end. */
	ssize_t (*readv)(struct conn *c, const struct iovec *iov, int nr);
	ssize_t (*writev)(struct conn *c, const struct iovec *iov, int nr);
	/* IO_* bits to call conn_readable() and conn_writable() for. */
	void (*watch)(struct conn *c, int events);
	/* Ends and frees what the transport keeps, in any state.  Called once. */
	void (*close)(struct conn *c);
	/* Sockets: an accepted connection's peer and options. */
	void (*accepted)(struct conn *c, const struct listener *s, const struct sockaddr_storage *peer);
	int (*listen)(struct listener *s, const struct transport_address *at, char error[256]);
	void (*unlisten)(struct listener *s);
};
extern const struct transport transport_tcp, transport_unix, transport_mem;

enum conn_state { CONN_CONNECTING, CONN_OPEN, CONN_CLOSED };

struct out_chunk {
	uint32_t refs, used, size;	/* refs: pieces, and the connection while it fills it */
	uint8_t data[];
};

struct out_piece {
	uint8_t *at;
	size_t len;
	struct out_chunk *chunk;	/* one of the two is set */
	struct buf *buf;
};

struct outq {
	struct out_piece *pieces;	/* a ring */
	uint32_t first, nr, room;	/* room: a power of two */
	struct out_chunk *chunk;	/* being filled */
	size_t bytes;			/* waiting */
	bool blocked;			/* the socket was full: wait until it is writable */
	bool congested;			/* the handler has to be told when there is room */
	bool begun;			/* between conn_begin and conn_end */
};

struct inq {			/* the message that is being received */
	uint8_t prefix[WIRE_PREFIX];
	uint32_t have;			/* bytes of the current part: prefix, head or payload */
	uint32_t head_len, payload_len;
	struct buf *head, *payload;	/* the part being received is the last that is not NULL */
	bool head_done;
	struct buf *stash;		/* received and not looked at, because of a pause */
	struct task resume;
	bool resuming, paused;
};

struct conn {
	const struct transport *transport;
	struct loop *loop;
	enum conn_state state;
	const struct conn_handler *handler;
	void *ctx;
	struct conn_limits limits;
	struct wire wire;
	struct outq out;
	struct inq in;
	uint64_t last_heard_ns;
	struct timer stall;
	struct timer lazy;		/* sends what could wait */
	struct task flush;		/* deferred: sends */
	struct task later;		/* posted: tells `closed` and frees */
	bool flushing, silent, incoming;
	int watched;			/* what transport->watch was told */
	int err;
	uint16_t peer_port;
	char peer_ip[INET6_ADDRSTRLEN];
	char peer[128], error[256];
	/* the transport's: */
	int fd;
	struct io io;
	void *impl;
};

struct listener {
	const struct transport *transport;
	struct loop *loop;
	bool (*accepted)(struct listener *s, struct conn *c);
	void *ctx;
	uint16_t port;
	uint32_t window_size;
	/* the transport's: */
	struct listener_io { struct io io; struct listener *listener; } ios[LISTEN_MAX];
	uint32_t nr_ios;
	int reserve;			/* a descriptor to be given up when there are no others */
	struct timer rest;		/* until accepting is tried again */
	void *impl;
};

/* transport.c; a new connection, not yet watched, or NULL */
struct conn *conn_new(const struct transport *t, struct loop *l);
/* Offers an accepted connection, whose transport part and peer are set up, to the listener's owner; takes it. */
void conn_accepted(struct listener *s, struct conn *c);
void conn_established(struct conn *c);
/* It is gone: closes, tells the handler later.  The first reason given stays. */
void conn_fail(struct conn *c, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void conn_ready(struct conn *c, int events);
void conn_watch(struct conn *c);		/* tells the transport what to wait for, when that changed */

/* transport-out.c */
void out_flush(struct conn *c);
void out_free(struct conn *c);

/* transport-in.c */
void in_readable(struct conn *c);
/* Takes received bytes apart and delivers what is complete (not looking at conn_pause, except by keeping the rest). */
void in_feed(struct conn *c, const uint8_t *bytes, size_t len);
void in_free(struct conn *c);

/* socket.c */
ssize_t socket_readv(struct conn *c, const struct iovec *iov, int nr);
ssize_t socket_writev(struct conn *c, const struct iovec *iov, int nr);
void socket_watch(struct conn *c, int events);
void socket_close(struct conn *c);
void socket_ready(struct io *io, int events);
int socket_open(struct conn *c, int fd);	/* c has this socket now, also when -errno is returned */
void socket_window(int fd, uint32_t window_size);
/* Accepts on fd from now on; takes it, also when it fails. */
int socket_accept_on(struct listener *s, int fd, char error[256]);
void socket_unlisten(struct listener *s);

static inline bool conn_is_open(const struct conn *c)
{
	return c->state == CONN_OPEN;
}

#endif
