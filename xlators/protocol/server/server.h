/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * server.h - the state of one protocol/server volume, shared by its files: server.c (listening,
 * sessions), server-hello.c (handshake), server-auth.c (who may), server-request.c (operations),
 * server-fds.c (open files).
 */
#ifndef GLUSTERFS_SERVER_H
#define GLUSTERFS_SERVER_H

#include <sys/queue.h>

#include "../protocol.h"

/*
 * Where calls for one exported volume start: a translator with that volume as its only child.  It
 * lives outside of the graph, so that any volume can be exported, also one that is not a child of
 * ours (1.3 allowed it).
 */
struct port {
	struct xlator xl;
	struct xlator *target;
	SLIST_ENTRY(port) link;
};

/* The open files of a session by handle: open addressing, linear probing. */
struct fd_entry {
	uint64_t handle;	/* 0: free */
	struct fd *fd;
	bool opening;		/* its open has not been answered */
};
struct fd_map {
	struct fd_entry *entries;
	uint32_t size, nr;	/* size: 0 or a power of two */
};

struct session {
	LIST_ENTRY(session) link;		/* server->sessions, or ... */
	TAILQ_ENTRY(session) waiting;		/* ... server->greeting, before the handshake */
	struct server *server;
	struct conn *conn;			/* NULL: gone */
	struct port *port;			/* NULL: before the handshake */
	uint64_t id, client_id;
	uint64_t since_ns, heard_ns;
	uint32_t payload_max, silence_max_ms, silent_ms;
	char peer[128], process[64];
	bool closing;				/* no message is taken any more */
	bool paused;				/* not reading: limits */
	bool told_up;				/* what the client knows of its volume */
	LIST_HEAD(request_list, request) requests;
	uint32_t nr_requests;			/* under way, without ... */
	uint32_t nr_lock_waits;			/* ... those that wait for a lock */
	uint64_t bytes;				/* data of them */
	struct fd_map fds;
	uint64_t total_requests, total_in, total_out;
};

struct server {
	/* options */
	char *transport_type, *bind_address, *listen_path, *client_volume_filename;
	uint32_t listen_port, inode_lru_limit, max_connections, max_requests, anon_uid, anon_gid;
	uint64_t transaction_size, window_size, max_request_bytes, client_timeout_ms;
	bool root_squash, all_squash, read_only, allow_insecure;

	struct xlator *xl;
	const struct transport *transport;
	struct listener *listener;
	bool stopping;
	SLIST_HEAD(, port) ports;
	LIST_HEAD(, session) sessions;		/* attached, and those that are ending */
	TAILQ_HEAD(, session) greeting;		/* oldest first */
	uint32_t nr_sessions, nr_greeting;
	struct timer tick;
	uint64_t next_session;
	/* statistics */
	uint64_t nr_accepted, nr_attached, nr_rejected, nr_malformed, nr_turned_away;
};

/* server.c */
/* The peer broke the rules: closes, with one line in the log. */
void session_offend(struct session *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Reads on or stops reading, as the limits say. */
void session_flow(struct session *s);
/* After a request ended: a session without connection goes with its last request. */
void session_settle(struct session *s);
void session_close(struct session *s, int err);
/* From "greeting" to "sessions". */
void session_attached(struct session *s);

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
void server_cancel_all(struct session *s, bool lock_waits_only);

/* server-fds.c */
/* Borrowed; NULL: no such file, or its open has not been answered. */
struct fd *fd_map_find(const struct fd_map *m, uint64_t handle);
/* Takes a reference.  0, -EEXIST, -ENFILE (limit), -ENOMEM. */
int fd_map_add(struct fd_map *m, uint64_t handle, struct fd *fd);
void fd_map_opened(struct fd_map *m, uint64_t handle);
/* Takes it out and drops it; false: there is none. */
bool fd_map_remove(struct fd_map *m, uint64_t handle);
void fd_map_clear(struct fd_map *m);

#endif
