/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * replica-client.c - clients that come and go.  What a client that has ended left in the journal is in doubt; what one whose
 * connection is lost has there becomes so when somebody else wants it.
 */
#include <stdlib.h>

#include "replica.h"

static struct client *find(const struct replica *r, uint64_t id)
{
	struct client *c;

	LIST_FOREACH(c, &r->clients, link)
		if (c->id == id)
			return c;
	return NULL;
}

bool client_connected(struct replica *r, uint64_t id)
{
	const struct client *c = find(r, id);

	return c && c->connected;
}

bool client_any_connected(const struct replica *r)
{
	const struct client *c;

	LIST_FOREACH(c, &r->clients, link)
		if (c->connected && c->heard)
			return true;
	return false;
}

bool client_known(struct replica *r, uint64_t id)
{
	return find(r, id) != NULL;
}

void client_seen(struct replica *r, uint64_t id)
{
	struct client *c = find(r, id);

	if (!c) {
		c = calloc(1, sizeof *c);
		if (!c)
			return;		/* what it leaves behind will be in doubt sooner */
		c->id = id;
		LIST_INSERT_HEAD(&r->clients, c, link);
	}
	c->connected = c->heard = true;
}

void client_recovered(struct replica *r, uint64_t id)
{
	client_seen(r, id);
	struct client *c = find(r, id);
	if (c)
		c->heard = false;
}

static void ended(struct replica *r, uint64_t id)
{
	struct client *c = find(r, id);
	struct entry *e, *next;

	if (c) {
		LIST_REMOVE(c, link);
		free(c);
	}
	for (e = TAILQ_FIRST(&r->entries); e; e = next) {
		next = TAILQ_NEXT(e, link);
		if (e->slot->client != id || !e->slot->txn)
			continue;
		if (e->slot->nr_keys || e->executing)
			journal_doubt(r, e);
		else
			journal_drop(r, e);
	}
	settle_owners_end(r, id);
}

void client_orphans(struct timer *t)
{
	struct replica *r = (struct replica *)((char *)t - offsetof(struct replica, orphan_timer));
	struct client *c, *next;

	for (c = LIST_FIRST(&r->clients); c; c = next) {
		next = LIST_NEXT(c, link);
		if (!c->heard)
			ended(r, c->id);
	}
}

void clients_free(struct replica *r)
{
	struct client *c;

	while ((c = LIST_FIRST(&r->clients))) {
		LIST_REMOVE(c, link);
		free(c);
	}
}

void replica_client(struct frame *f)
{
	struct replica *r = f->xl->priv;
	struct wire w = repl_reader(((const struct replicate_args *)f->args)->request);
	uint64_t id = wire_get_u64(&w);
	uint8_t what = wire_get_u8(&w);
	struct client *c = find(r, id);

	if (repl_read_end(&w) < 0)
		return fail(f, -EINVAL);
	if (what == REPL_CLIENT_BACK) {
		client_seen(r, id);
	} else if (what == REPL_CLIENT_LOST) {
		if (c)
			c->connected = false;
		/* Its heals are taken over by somebody else. */
		settle_lost(r, id);
		keys_wake(r);
	} else {
		ended(r, id);
	}
	replica_answer_empty(f);
}
