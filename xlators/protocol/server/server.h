/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * server.h - the state of one protocol/server volume, shared by its files: server.c (listening,
 * messages), server-session.c (sessions), server-hello.c (handshake), server-auth.c (who may),
 * server-request.c (operations), server-replay.c (their last answers), server-fds.c (open files).
 */
#ifndef GLUSTERFS_SERVER_H
#define GLUSTERFS_SERVER_H

#include <sys/queue.h>

#include "../protocol.h"
#include "../../replication/replication.h"

/*
 * Where calls for one exported volume start: a translator with that volume as its only child.  It
 * lives outside of the graph, so that any volume can be exported, also one that is not a child of
 * ours (1.3 allowed it).
 */
struct port {
	struct xlator xl;
	struct xlator *target;
	const char *name;
	SLIST_ENTRY(port) link;
};

/* The open files of a session by handle: open addressing, linear probing. */
struct fd_entry {
	uint64_t handle;	/* 0: free */
	struct fd *fd;
	bool opening;		/* its open has not been answered */
	bool kept;		/* the client still has it: between two RESUME messages */
};
struct fd_map {
	struct fd_entry *entries;
	uint32_t size, nr;	/* size: 0 or a power of two */
};

/* What became of the last request in each place of a session. */
struct place {
	uint64_t xid;			/* 0: there was none */
	struct request *request;	/* it is under way, and the client waits for it; else NULL */
	uint32_t len, room;		/* of the answer; len 0: not kept, it may be executed again */
	uint32_t answered_on;		/* the connection (session.connection) it was answered on */
	uint8_t *answer;		/* encoded */
};
struct replay {
	struct place *places;
	uint32_t nr;
};

struct session {
	LIST_ENTRY(session) link;		/* server->sessions, or ... */
	TAILQ_ENTRY(session) waiting;		/* ... server->greeting, before the handshake */
	struct server *server;
	struct conn *conn;			/* NULL: lost; the session is kept for a while, unless ... */
	uint32_t connection;			/* counts them, from 1 */
	bool ended;				/* ... it has ended: it goes with its last request */
	struct port *port;			/* NULL: before the handshake */
	uint64_t id, client_id;			/* id: a secret, by which the client resumes it */
	uint64_t nr;				/* for people */
	uint64_t since_ns, heard_ns;
	uint32_t payload_max, silence_max_ms, silent_ms;
	char peer[128], process[64];
	bool closing;				/* no message is taken any more */
	bool paused;				/* not reading: limits */
	bool told_up;				/* what the client knows of its volume */
	bool resuming;				/* another connection goes on with it, and has not said what it still waits for */
	bool listing;				/* between the first RESUME and the last */
	LIST_HEAD(request_list, request) requests;
	uint32_t nr_requests;			/* under way, without ... */
	uint32_t nr_lock_waits;			/* ... those that wait for a lock */
	uint32_t nr_abandoned;			/* of both: their client has given them up */
	uint64_t bytes;				/* data of them */
	struct fd_map fds;
	struct replay replay;
	uint64_t nr_resumed, nr_repeated;
	uint64_t total_requests, total_in, total_out;
};

struct server {
	/* options */
	char *transport_type, *bind_address, *listen_path, *client_volume_filename;
	uint32_t listen_port, inode_lru_limit, max_connections, max_requests, anon_uid, anon_gid;
	uint32_t max_open_files;
	uint64_t transaction_size, window_size, max_request_bytes, client_timeout_ms, grace_ms;
	uint64_t max_bytes_in_all;
	bool root_squash, all_squash, read_only, allow_insecure;

	struct xlator *xl;
	const struct transport *transport;
	struct listener *listener;
	bool stopping;
	SLIST_HEAD(, port) ports;
	LIST_HEAD(, session) sessions;		/* attached, and those that are ending */
	TAILQ_HEAD(, session) greeting;		/* oldest first */
	uint32_t nr_leaving;		/* answers of bricks that are awaited before the end */
	uint32_t nr_sessions, nr_greeting;
	struct timer tick;
	uint64_t bytes;				/* of all sessions */
	uint64_t next_session;
	/* statistics */
	uint64_t nr_accepted, nr_attached, nr_rejected, nr_malformed, nr_turned_away;
};

/* server.c */
extern const struct conn_handler server_handler;	/* of attached connections too */

/* server-session.c */
/* The peer broke the rules: its session ends, with one line in the log. */
void session_offend(struct session *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Reads on or stops reading, as the limits say. */
void session_flow(struct session *s);
/* Data of its requests, and of what they ask for: came, went.  The latter may let others go on. */
void session_add_bytes(struct session *s, uint32_t bytes);
void session_sub_bytes(struct session *s, uint32_t bytes);
/* After a request ended: a session that has ended goes with its last request. */
void session_settle(struct session *s);
/* Closes the connection; the session goes on if its client comes back. */
void session_close(struct session *s, int err);
/* No client will come back: files and locks go when what is under way is answered.  May free s. */
void session_end(struct session *s);
/* Nobody may go on with it: it ends in a later turn. */
void session_forget(struct session *s);
/* The connection is gone.  May free s. */
void session_lost(struct session *s, const char *why);
/* From "greeting" to "sessions". */
void session_attached(struct session *s);
/* The session that this greeting wants to go on with, or NULL. */
struct session *session_find(const struct server *sv, const struct port *port, const struct hello *h);
/* Gives the connection of `from`, which has not greeted, to s; frees `from`. */
void session_adopt(struct session *s, struct session *from);
/* RESUME: what the client still has. */
void session_resume(struct session *s, const struct wire_header *h, struct wire *w);
void session_free(struct session *s);
/* Begins to look after silence, if it was not done. */
void session_tick_begin(struct server *sv);

/* server-hello.c */
void server_hello(struct session *s, struct wire *w);

/* server-auth.c */
/* Checks the auth.* options of the volume: 0 or -EINVAL after xl_error(). */
int auth_check_options(struct server *sv);
/* May this client use the volume?  0, or -EACCES with a sentence in error. */
int auth_check(const struct server *sv, const struct session *s, const struct hello *h,
	       const char *volume, char error[256]);
/* Volumes that this client may use, as "a, b"; "" when there are none. */
void auth_list(const struct server *sv, const struct session *s, const struct hello *h, char *out,
	       size_t size);
/* The volume of our graph with this name, if it can be exported. */
struct xlator *server_volume(const struct server *sv, const char *name);

/* server-request.c */
void server_request(struct session *s, const struct wire_header *h, struct wire *w,
		    struct buf *head);
void server_cancel(struct session *s, uint64_t xid);
/* Asks what is under way to give up; session_settle() is the caller's. */
enum cancel_what { CANCEL_ALL, CANCEL_LOCK_WAITS, CANCEL_ABANDONED };
void server_cancel_all(struct session *s, enum cancel_what what);
/* Its answer is not wanted: the client has given it up, or its place is the next one's. */
void request_abandon(struct request *r);
/* RESUME begins, ends: those of which server_request_kept() was not called in between are abandoned. */
void server_requests_keep(struct session *s, bool begin);
void server_request_kept(struct session *s, uint64_t xid);

/* server-replay.c */
/* The place that an xid names, or NULL (out of range: *ret_error is -EPROTO; or -ENOMEM). */
struct place *replay_place(struct replay *r, uint64_t xid, int *ret_error);
/* Keeps an encoded answer of at most `bound` bytes: encode into the wire that this gives (failed: no
 * memory), then replay_kept(). */
struct wire replay_begin(struct place *p, size_t bound);
void replay_kept(struct place *p, const struct wire *w);
uint64_t replay_bytes(const struct replay *r);
void replay_free(struct replay *r);

/* server-fds.c */
/* Borrowed; NULL: no such file, or its open has not been answered. */
struct fd *fd_map_find(const struct fd_map *m, uint64_t handle);
/* Takes a reference.  0, -EEXIST, -ENFILE (there are `limit`), -ENOMEM. */
int fd_map_add(struct fd_map *m, uint64_t handle, struct fd *fd, uint32_t limit);
/* Its open was answered.  Nothing, when the client has closed it meanwhile and uses the handle again. */
void fd_map_opened(struct fd_map *m, uint64_t handle, const struct fd *fd);
/* Takes it out and drops it; false: there is none, or it is another one than `only` (NULL: any). */
bool fd_map_remove(struct fd_map *m, uint64_t handle, const struct fd *only);
void fd_map_clear(struct fd_map *m);
/* Notes that the client has this one; fd_map_sweep() drops all others.  keep_none begins. */
void fd_map_keep_none(struct fd_map *m);
void fd_map_keep(struct fd_map *m, uint64_t handle);
void fd_map_sweep(struct fd_map *m);

#endif
