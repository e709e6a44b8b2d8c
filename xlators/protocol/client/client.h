/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * client.h - the state of one protocol/client volume, shared by its files: client.c (connection and
 * handshake), client-session.c (what outlives a connection), client-calls.c (requests and answers),
 * client-fds.c (open files).
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
	bool cancelled;			/* to be told again when the request is sent again */
	TAILQ_ENTRY(client_call) link;	/* in the queue */
	uint32_t bytes;			/* what it counts for there */
};

enum client_fd_state { FD_OPENING, FD_OPEN, FD_BROKEN };

/* What we know of an open file; the fd's slot points to it. */
struct client_fd {
	uint64_t handle;	/* in the session `generation` */
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
	uint64_t max_queued_bytes;

	struct xlator *xl;
	const struct transport *transport;
	enum client_state state;
	struct conn *conn;			/* NULL: none, or it is being closed ... */
	struct conn *closing;			/* ... by us: closed() is still to come */
	bool refused;				/* the server said no */
	char why[512];				/* we are closing it */
	struct timer retry, tick;
	uint32_t backoff_ms;

	/* the session (client-session.c) */
	uint64_t session;			/* by which the server knows it; 0: none */
	uint64_t generation;			/* counts them */
	uint32_t grace_ms;			/* how long the server keeps it */
	bool spare;				/* somebody above can do without us */
	bool must_not_hold;			/* the connection that is ending: there is nothing to wait for */
	bool holding;				/* the connection is lost, nobody was told: calls wait ... */
	struct timer hold;			/* ... for so long */
	uint64_t held_ns;			/* since when */

	/* what the parents were last told, and why */
	enum { TOLD_NOTHING, TOLD_UP, TOLD_DOWN, TOLD_FAILED } told;
	char reason[512];

	/* the server */
	uint32_t server_payload_max;
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
	uint64_t nr_reopen_failed, nr_refused, nr_resumed, nr_repeated;
	uint64_t payload_out, payload_in;
};

/* client.c */
/*
 * Gives the connection up, in a later turn: there is nothing to wait for.  -EPROTO: nor is there
 * a session to go on with.
 */
void client_drop(struct client *c, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Sends a message that is a header alone, if there is a connection. */
void client_tell(struct client *c, enum wire_kind kind, uint64_t xid);
/* How the server is called in sentences: "002.praized.com:6996", "/run/brick.sock". */
const char *client_server_name(const struct client *c, char out[300]);
/* The server can be used: tells the parents. */
void client_ready(struct client *c);
/* Tells the parents, once; failed: the server refuses us. */
void client_notify_down(struct client *c, bool failed, const char *reason);

/* client-session.c */
void client_session_start(struct client *c);
void client_session_stop(struct client *c);
/*
 * The connection, or an attempt to make one, has failed.  true: calls wait, and it is to be tried
 * again soon.  Otherwise all that was under way is answered, after the parents were told.
 */
bool client_session_lost(struct client *c, int err, bool refused, const char *reason);
/* The server has greeted us: goes on with the session that it knows, or begins the new one. */
void client_session_greeted(struct client *c, const struct hello_reply *r);
/* Requests that open files again were answered: sends more of them, or is ready. */
void client_session_reopened(struct client *c);

/* client-calls.c */
void client_any(struct frame *f);
void client_flush(struct frame *f, const struct flush_args *a);
/* Sends without a frame that waits: the re-open of fd (held until the answer).  0 or -errno. */
int client_send_reopen(struct client *c, enum fop_id op, const void *args,
		       const struct identity *id, struct fd *fd);
void client_reply(struct client *c, const struct wire_header *h, struct wire *w);
void client_send_queued(struct client *c);
/* The connection is gone for too long: all that waits is answered -ENOTCONN. */
void client_fail_pending(struct client *c);
/* Calls f for each request that was sent and not answered, the oldest first.  0 or -ENOMEM. */
int client_each_pending(struct client *c, void (*f)(struct client *c, struct client_slot *s, void *arg),
			void *arg);
/* Sends once more what is in this place, as it was. */
void client_repeat(struct client *c, struct client_slot *s, void *arg);

/* client-fds.c */
/* The open file that an open, create or opendir is about to make; NULL for other operations. */
struct fd *client_newfd(enum fop_id op, const void *args);
/* Gives the fd of an open a handle.  0 or -ENOMEM. */
int client_fd_begin(struct client *c, struct fd *fd, const struct identity *id);
void client_fd_opened(struct client *c, struct fd *fd, int ret);
void client_fd_reopened(struct client *c, struct fd *fd, int ret);
/* Opens what was open in an earlier session, as much as can be asked for at once; how many were sent. */
uint32_t client_fd_reopen_some(struct client *c);
/* The session was lost: open files with locks are broken for good. */
void client_fd_lost(struct client *c);
/* It is not known whether a lock was taken through it: it is broken for good, and closed there. */
void client_fd_doubt(struct client *c, struct fd *fd);
/* The same for all through which this owner locked the object: the server may not know that he has
 * given it up. */
void client_fd_doubt_owner(struct client *c, struct inode *inode, uint64_t owner);
/* Calls f for the handle of each file that is open in this session. */
void client_fd_each(struct client *c, void (*f)(uint64_t handle, void *arg), void *arg);
/* Keeps track of the locks taken through an open file. */
void client_fd_locked(struct client *c, const struct lk_args *a);
/* The codec's: the handle of an open file; sets c->encode_error when it has none. */
uint64_t client_fd_out(struct wire *w, struct fd *fd);
void client_release(struct xlator *xl, struct fd *fd, uint64_t slot);

#endif
