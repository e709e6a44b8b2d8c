/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A client and a server over any transport, in one loop, for the tests of connections. */
#ifndef TRANSPORT_LAB_H
#define TRANSPORT_LAB_H

#include "transport.h"

enum { WAIT_MS = 20000 };

/* What happened to one end. */
struct side {
	struct conn *c;
	struct lab *lab;
	int connected, nr_messages, nr_closed, nr_writable, err;
	uint64_t bytes;			/* of heads and payloads */
	uint64_t sum;			/* over all bytes, with their order */
	char error[256];
	bool echo, pause_after_each, close_after_each, close_silently;
	bool up, down;			/* to wait for */
	int wanted;			/* messages */
	bool got_all;
};

struct lab {
	struct loop *l;
	const struct transport *t;
	struct transport_address at;
	struct listener *s;
	struct side client, server;
	struct conn_limits limits;
	int nr_accepted;
	bool refuse;
	char dir[64], path[96];
};

extern const struct conn_handler lab_handler;	/* for a connection whose ctx is a struct side */

/* Sends a head and so many bytes of payload that begin with fill. */
void send_bytes(struct conn *c, const void *head, size_t len, size_t payload, uint8_t fill);
void add_up(struct side *s, const struct buf *b);
bool lab_accepted(struct listener *ls, struct conn *c);
void lab_listen(struct lab *lab, struct loop *l, const char *type);
void lab_connect_only(struct lab *lab);		/* does not wait */
void lab_connect(struct lab *lab);
void lab_end(struct lab *lab);
/* A socket connected to the listener, without our transport. */
int raw_connect(const struct lab *lab);
void raw_write(int fd, const void *bytes, size_t len);
/* Runs a few turns, until the server has looked at everything that was written. */
void settle(struct lab *lab);
/* Runs until that side has got exactly so many messages. */
void wait_messages(struct lab *lab, struct side *s, int nr);

#endif
