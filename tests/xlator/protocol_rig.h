/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * protocol_rig.h - a client graph and a server graph on one loop, between a script and a sink.
 *
 *	test: rig_call() -> source -> protocol/client  ~connection~  protocol/server -> sink
 *
 * The loop is simulated (mem; time is virtual, so waiting a minute takes none) or real (tcp,
 * unix).  The sink records what comes to it and answers what its switches say.  One rig per
 * process: libcheck forks for each test.
 */
#ifndef GLUSTERFS_PROTOCOL_RIG_H
#define GLUSTERFS_PROTOCOL_RIG_H

#include "graph.h"
#include "transport.h"

enum { SINK_HELD_MAX = 256 };

struct sink {				/* what the last volume of the server graph saw, and does */
	uint32_t calls[FOP_COUNT];
	struct identity id;		/* of the last call; groups in `groups` */
	uint32_t groups[8];
	uint32_t open_flags;		/* of the last open */
	uint64_t size;			/* of the last truncate */
	int releases, cancels;
	bool hold;			/* calls wait until sink_let_go() or a cancel ... */
	bool stubborn;			/* ... which is not listened to */
	bool release_lets_go;		/* ... or a release: it was a lock that they waited for */
	int error;			/* < 0: the answer of everything */
	struct frame *held[SINK_HELD_MAX];
	int nr_held;
	struct xlator *xl;
};
extern struct sink sink;
void sink_let_go(void);

struct rig {
	struct loop *loop;
	struct graph *server, *client;
	struct xlator *source;
	struct diag *diag;
	const char *transport;		/* "mem", "tcp", "unix" */
	uint64_t seed;			/* of a simulated loop, 0: 1; set before rig_init() */
	char dir[64], host[128];	/* host: mem name or socket path */
	uint16_t port;
	int ups, downs, failures, invalidations;	/* what the source was told */
	char reason[512];		/* of the last DOWN or FAILED */
};
extern struct rig rig;

/* The loop, and what `transport` needs. */
void rig_init(const char *transport);
/*
 * Starts a server graph with these lines for its protocol/server.  0 or -errno of the step
 * that failed.
 */
int rig_serve(const char *options);
/* Starts a client graph attached to `volume`, with these lines for its protocol/client. */
int rig_attach(const char *volume, const char *options);
/* Both, with "auth.ip.*.allow *" for all volumes; waits for UP. */
void rig_up(const char *transport, const char *server_options, const char *client_options);
/* Ends a graph in good order (takes NULL): the loop runs until it is idle. */
void rig_end(struct graph **g);
/* Ends everything and checks that nothing is left. */
void rig_fini(void);
/* Runs the loop until cond() or for at most ms; true: cond(). */
bool rig_until(bool (*cond)(void), uint32_t ms);
void rig_run(uint32_t ms);
/* All that was found wrong with a volume file, as one text. */
const char *rig_problems(void);
/* "key=" of the statedump of that graph, the first one; "" when it is not there. */
const char *rig_dumped(struct graph *g, const char *key);

struct rig_call {
	bool done;
	int ret;
	enum fop_id op;
	union fop_reply reply;		/* rig_call_end() drops it */
	struct frame *root;
};
void rig_call_start(struct rig_call *c, enum fop_id op, const void *args,
		    const struct identity *id);
/* Runs the loop until it is answered. */
int rig_call_wait(struct rig_call *c);
void rig_call_end(struct rig_call *c);
/* Start, wait, end: the answer's ret. */
int rig_call(enum fop_id op, const void *args);
/* An object of the client graph; a new reference. */
struct inode *rig_inode(unsigned nr);
/* An open file there; a new reference, or NULL with *ret_error. */
struct fd *rig_open(unsigned nr, uint32_t flags, int *ret_error);

/* A plain socket to the server of a tcp rig, and what it gets. */
struct raw {
	int fd;
	uint8_t in[65536];
	size_t nr_in;
	bool closed;
};
void raw_open(struct raw *r, bool privileged);
void raw_send(struct raw *r, const void *bytes, size_t len);
void raw_read(struct raw *r);		/* what is there */
void raw_close(struct raw *r);
/* Encodes a HELLO into out; its length. */
size_t raw_hello(uint8_t *out, size_t size, unsigned version_min, unsigned version_max,
		 const char *volume, const char *username, const char *password);

#endif
