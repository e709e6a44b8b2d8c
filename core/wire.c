/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * wire.c - the codec: single values and the header (operations: wire-fop.c).
 *
 * The header has a fixed layout, so that it costs a few nanoseconds:
 *
 *	all		u8 kind (bit 7: groups follow) | u8 op | u16 flags | u64 xid
 *	requests	u64 session, txn, view, grant, stamp | u32 uid, gid, pid, deadline
 *			| u64 lk_owner, and when bit 7 is set: u32 number (not 0), u32 each
 *	others		i32 ret
 */
#include "wire-impl.h"

#include <assert.h>

/* ---- single values -------------------------------------------------------------------------- */

void wire_put_u8(struct wire *w, uint8_t v)
{
	uint8_t *p = room(w, 1);

	if (p != NULL)
		w->at = st8(p, v);
}

void wire_put_u16(struct wire *w, uint16_t v)
{
	uint8_t *p = room(w, 2);

	if (p != NULL)
		w->at = st16(p, v);
}

void wire_put_u32(struct wire *w, uint32_t v)
{
	uint8_t *p = room(w, 4);

	if (p != NULL)
		w->at = st32(p, v);
}

void wire_put_u64(struct wire *w, uint64_t v)
{
	uint8_t *p = room(w, 8);

	if (p != NULL)
		w->at = st64(p, v);
}

void wire_put_bytes(struct wire *w, const void *bytes, size_t n)
{
	uint8_t *p = room(w, n);

	if (p != NULL)
		w->at = st_bytes(p, bytes, n);
}

uint8_t wire_get_u8(struct wire *w)
{
	const uint8_t *p = take(w, 1);

	return p == NULL ? 0 : *p;
}

uint16_t wire_get_u16(struct wire *w)
{
	const uint8_t *p = take(w, 2);

	return p == NULL ? 0 : ld16(&p);
}

uint32_t wire_get_u32(struct wire *w)
{
	const uint8_t *p = take(w, 4);

	return p == NULL ? 0 : ld32(&p);
}

uint64_t wire_get_u64(struct wire *w)
{
	const uint8_t *p = take(w, 8);

	return p == NULL ? 0 : ld64(&p);
}

const uint8_t *wire_get_bytes(struct wire *w, size_t n)
{
	return take(w, n);
}

/* ---- header --------------------------------------------------------------------------------- */

enum {
	HEADER_GROUPS = 0x80,		/* in the byte of the kind: groups follow */
	HEADER_COMMON_SIZE = 4 + 8,
	HEADER_REQUEST_SIZE = HEADER_COMMON_SIZE + 5 * 8 + 4 * 4 + 8,
	HEADER_OTHER_SIZE = HEADER_COMMON_SIZE + 4,
};

size_t wire_header_bound(const struct wire_header *h)
{
	return HEADER_REQUEST_SIZE + 4 + (size_t)h->nr_groups * 4;
}

static uint8_t *put_request_fields(uint8_t *p, const struct wire_header *h)
{
	p = st64(p, h->session);
	p = st64(p, h->txn);
	p = st64(p, h->view);
	p = st64(p, h->grant);
	p = st64(p, h->stamp_ns);
	p = st32(p, h->uid);
	p = st32(p, h->gid);
	p = st32(p, h->pid);
	p = st32(p, h->deadline_ms);
	p = st64(p, h->lk_owner);
	if (h->nr_groups > 0) {
		p = st32(p, h->nr_groups);
		p = st_bytes(p, h->groups, (size_t)h->nr_groups * 4);
	}
	return p;
}

void wire_put_header(struct wire *w, const struct wire_header *h)
{
	bool request = h->kind == WIRE_REQUEST;
	bool groups = request && h->nr_groups > 0;
	uint8_t *p;

	assert(h->kind >= WIRE_HELLO && h->kind <= WIRE_KIND_LAST);
	if (groups && h->nr_groups > WIRE_MAX_GROUPS) {
		wire_fail(w, -EMSGSIZE);
		return;
	}
	p = room(w, request ? wire_header_bound(h) : HEADER_OTHER_SIZE);
	if (p == NULL)
		return;
	p = st8(p, groups ? h->kind | HEADER_GROUPS : h->kind);
	p = st8(p, h->op);
	p = st16(p, h->flags);
	p = st64(p, h->xid);
	w->at = request ? put_request_fields(p, h) : st32(p, (uint32_t)h->ret);
}

static void get_groups(struct wire *w, struct wire_header *h)
{
	uint32_t nr = wire_get_u32(w);
	const uint8_t *groups;

	if (nr == 0 || nr > WIRE_MAX_GROUPS) {
		wire_fail(w, -EPROTO);
		return;
	}
	groups = take(w, (size_t)nr * 4);
	if (groups != NULL) {
		h->groups = groups;
		h->nr_groups = nr;
	}
}

static void get_request_fields(struct wire *w, struct wire_header *h, bool groups)
{
	const uint8_t *p = take(w, HEADER_REQUEST_SIZE - HEADER_COMMON_SIZE);

	if (p == NULL)
		return;
	h->session = ld64(&p);
	h->txn = ld64(&p);
	h->view = ld64(&p);
	h->grant = ld64(&p);
	h->stamp_ns = ld64(&p);
	h->uid = ld32(&p);
	h->gid = ld32(&p);
	h->pid = ld32(&p);
	h->deadline_ms = ld32(&p);
	h->lk_owner = ld64(&p);
	if (groups)
		get_groups(w, h);
}

void wire_get_header(struct wire *w, struct wire_header *h)
{
	const uint8_t *p = take(w, HEADER_COMMON_SIZE);
	bool groups;

	memset(h, 0, sizeof(*h));
	if (p == NULL)
		return;
	h->kind = *p & (uint8_t)~HEADER_GROUPS;
	groups = *p++ & HEADER_GROUPS;
	h->op = *p++;
	h->flags = ld16(&p);
	h->xid = ld64(&p);
	if (h->kind < WIRE_HELLO || h->kind > WIRE_KIND_LAST || (groups && h->kind != WIRE_REQUEST) ||
	    ((h->kind == WIRE_REQUEST || h->kind == WIRE_REPLY) && h->op >= FOP_COUNT))
		wire_fail(w, -EPROTO);
	else if (h->kind == WIRE_REQUEST)
		get_request_fields(w, h, groups);
	else
		h->ret = (int32_t)wire_get_u32(w);
	if (w->failed)
		memset(h, 0, sizeof(*h));
}
