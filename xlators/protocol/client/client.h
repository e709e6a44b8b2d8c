/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * client.h - the state of one protocol/client volume, shared by its three files: client.c
 * (connection and handshake), client-calls.c (requests and answers), client-fds.c (open files).
 */
#ifndef GLUSTERFS_CLIENT_H
#define GLUSTERFS_CLIENT_H

#include <sys/queue.h>

#include "../protocol.h"

enum client_state {
	CLIENT_STOPPED,
	CLIENT_WAITING,		/* for the next attempt: timer retry */
	CLIENT_CONNECTING,
	CLIENT_GREETING,	/* HELLO sent */
	CLIENT_REOPENING,	/* open files of the last connection */
	CLIENT_UP,
};

/* A request under way, in a table where its xid says the place: no search, no allocation. */
struct client_slot {
	uint64_t xid;		/* 0: free */
	struct frame *frame;	/* who waits; NULL: we do, for the re-open of fd */
	struct fd *fd;		/* a re-open: held */
	uint32_t next_free;	/* free: index + 1 of the next free one, 0: none */
};

/* Our data of a call. */
struct client_call {
	struct frame *frame;
	uint64_t xid;			/* 0: waits in the queue */
	TAILQ_ENTRY(client_call) link;	/* in the queue */
	uint32_t bytes;			/* what it counts for there */
};

enum client_fd_state { FD_OPENING, FD_OPEN, FD_BROKEN };

/* What we know of an open file; the fd's slot points to it. */
struct client_fd {
	uint64_t handle;	/* on the connection `generation` */
	uint64_t generation;
	enum client_fd_state state;
	int error;		/* FD_BROKEN: what its operations answer */
	bool lost_locks;	/* FD_BROKEN for good */
	uint32_t uid, gid;	/* who opened it, for opening it again */
	bool locked;		/* locks were taken through it ... */
	bool many_owners;	/* ... by several owners: who knows when the last one goes? */
	uint64_t lock_owner;
};

struct client {
	/* options */
	char *transport_type, *remote_host, *remote_subvolume, *connect_path, *username, *password;
	uint32_t remote_port;
	uint64_t transport_timeout_ms, ping_timeout_ms, transaction_size, window_size;

	struct xlator *xl;
	const struct transport *transport;
	enum client_state state;
	struct conn *conn;			/* NULL: none, or it is being closed ... */
	struct conn *closing;			/* ... by us: closed() is still to come */
	bool refused;				/* the server said no */
	char why[512];				/* we are closing it */
	uint64_t generation;			/* counts the connections */
	struct timer retry, tick;
	uint32_t backoff_ms;

	/* what the parents were last told, and why */
	enum { TOLD_NOTHING, TOLD_UP, TOLD_DOWN, TOLD_FAILED } told;
	char reason[512];

	/* the server */
	uint32_t server_payload_max;
	uint64_t session;
	bool server_up;				/* the volume there serves */

	/* requests */
	struct client_slot *slots;
	uint32_t nr_slots, first_free, nr_pending, nr_lock_waits, nr_reopening;
	uint64_t next_seq, next_handle;
	TAILQ_HEAD(client_queue, client_call) queue;
	uint64_t queued_bytes;
	int encode_error;		/* while encoding: what is wrong with an fd */

	/*
	 * silence: in time that we spent awake, so that a stopped process does not drop its
	 * servers
	 */
	uint64_t heard_ns;
	uint32_t silent_ms, stuck_ms;

	/* statistics */
	uint64_t nr_connects, nr_losses, nr_attempts, nr_requests, nr_replies, nr_reopened;
	uint64_t nr_reopen_failed, nr_refused;
	uint64_t payload_out, payload_in;
};

/* client.c */
/* Gives the connection up: everything pending is answered when it is closed, in a later turn. */
void client_drop(struct client *c, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Sends a message that is a header alone, if there is a connection. */
void client_tell(struct client *c, enum wire_kind kind, uint64_t xid);
/* All open files are open again: tells the parents. */
void client_ready(struct client *c);

/* client-calls.c */
void client_any(struct frame *f);
void client_flush(struct frame *f, const struct flush_args *a);
/* Sends without a frame that waits: the re-open of fd (held until the answer).  0 or -errno. */
int client_send_reopen(struct client *c, enum fop_id op, const void *args,
		       const struct identity *id, struct fd *fd);
void client_reply(struct client *c, const struct wire_header *h, struct wire *w);
void client_send_queued(struct client *c);
/* The connection is gone: all that waits is answered -ENOTCONN. */
void client_fail_pending(struct client *c);

/* client-fds.c */
/* The open file that an open, create or opendir is about to make; NULL for other operations. */
struct fd *client_newfd(enum fop_id op, const void *args);
/* Gives the fd of an open a handle.  0 or -ENOMEM. */
int client_fd_begin(struct client *c, struct fd *fd, const struct identity *id);
void client_fd_opened(struct client *c, struct fd *fd, int ret);
void client_fd_reopened(struct client *c, struct fd *fd, int ret);
/* Opens all that was open on an earlier connection; how many were sent. */
uint32_t client_fd_reopen_all(struct client *c);
/* The connection was lost: open files with locks are broken for good. */
void client_fd_lost(struct client *c);
/* Keeps track of the locks taken through an open file. */
void client_fd_locked(struct client *c, const struct lk_args *a);
/* The codec's: the handle of an open file; sets c->encode_error when it has none. */
uint64_t client_fd_out(struct wire *w, struct fd *fd);
void client_release(struct xlator *xl, struct fd *fd, uint64_t slot);

#endif
