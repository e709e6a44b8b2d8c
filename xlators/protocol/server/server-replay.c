/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * server-replay.c - the last answer in each place of a session, for a client that did not get it
 * (protocol.h).
 *
 * Only answers of what changes something are kept.  These have no payload and are some hundred bytes
 * long; clients use the lowest places again and again, so a session has as many as it ever had
 * requests under way at a time.
 */
#include <stdlib.h>

#include "server.h"

enum { PLACES_MIN = 16 };

static int grow(struct replay *r, uint32_t at_least)
{
	uint32_t nr = r->nr ? r->nr : PLACES_MIN;

	while (nr < at_least)
		nr *= 2;
	struct place *places = realloc(r->places, nr * sizeof *places);
	if (!places)
		return -ENOMEM;
	memset(places + r->nr, 0, (nr - r->nr) * sizeof *places);
	r->places = places;
	r->nr = nr;
	return 0;
}

struct place *replay_place(struct replay *r, uint64_t xid, int *ret_error)
{
	uint32_t i = xid & (PROTOCOL_PLACES - 1);

	*ret_error = 0;
	if (!(xid >> PROTOCOL_PLACE_BITS))
		*ret_error = -EPROTO;
	else if (i >= r->nr)
		*ret_error = grow(r, i + 1);
	return *ret_error ? NULL : &r->places[i];
}

struct wire replay_begin(struct place *p, size_t bound)
{
	if (p->room < bound) {
		free(p->answer);
		p->answer = malloc(bound);
		p->room = p->answer ? bound : 0;
	}
	p->len = 0;
	return (struct wire){ .base = p->answer, .at = p->answer, .end = p->answer + p->room,
			      .failed = !p->answer };
}

void replay_kept(struct place *p, const struct wire *w)
{
	p->len = w->at - w->base;
}

uint64_t replay_bytes(const struct replay *r)
{
	uint64_t n = r->nr * sizeof *r->places;

	for (uint32_t i = 0; i < r->nr; i++)
		n += r->places[i].room;
	return n;
}

void replay_free(struct replay *r)
{
	for (uint32_t i = 0; i < r->nr; i++)
		free(r->places[i].answer);
	free(r->places);
	*r = (struct replay){ 0 };
}
