/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* view.c - views: who has the files of a replica set; how one follows another, and how they are written down. */
#include <stdio.h>

#include "replication.h"

uint32_t view_mask(const struct view *v, enum view_role role)
{
	uint32_t mask = 0;

	for (uint32_t i = 0; i < v->nr_bricks; i++)
		if (v->brick[i].role == role)
			mask |= 1u << i;
	return mask;
}

int view_home(const struct view *v)
{
	uint32_t full = view_mask(v, VIEW_FULL);

	return full ? __builtin_ctz(full) : -1;
}

int view_find(const struct view *v, const struct gfid *id)
{
	for (uint32_t i = 0; i < v->nr_bricks; i++)
		if (gfid_equal(&v->brick[i].id, id))
			return (int)i;
	return -1;
}

struct view view_after(const struct view *v, uint32_t random)
{
	struct view next = *v;
	uint32_t kept = v->nr_ancestors < VIEW_ANCESTORS_MAX ? v->nr_ancestors : VIEW_ANCESTORS_MAX - 1;

	if (v->number) {
		memcpy(&next.ancestor[1], v->ancestor, kept * sizeof v->ancestor[0]);
		next.ancestor[0] = view_name(v);
		next.nr_ancestors = kept + 1;
	}
	next.number = v->number + 1;
	next.id = random;
	return next;
}

bool view_descends(const struct view *v, uint64_t name)
{
	if (view_name(v) == name)
		return true;
	for (uint32_t i = 0; i < v->nr_ancestors; i++)
		if (v->ancestor[i] == name)
			return true;
	return false;
}

void view_put(struct wire *w, const struct view *v)
{
	repl_put_gfid(w, &v->set);
	wire_put_u32(w, v->number);
	wire_put_u32(w, v->id);
	wire_put_u8(w, v->nr_bricks);
	wire_put_u8(w, v->nr_ancestors);
	wire_put_u8(w, v->quorum);
	for (uint32_t i = 0; i < v->nr_bricks; i++) {
		repl_put_gfid(w, &v->brick[i].id);
		wire_put_u64(w, v->brick[i].incarnation);
		wire_put_u8(w, v->brick[i].role);
	}
	for (uint32_t i = 0; i < v->nr_ancestors; i++)
		wire_put_u64(w, v->ancestor[i]);
}

static bool is_sound(const struct view *v)
{
	if (v->nr_bricks > VIEW_BRICKS_MAX || v->nr_ancestors > VIEW_ANCESTORS_MAX)
		return false;
	if (v->quorum && (v->quorum <= v->nr_bricks / 2 || v->quorum > v->nr_bricks))
		return false;
	if (!v->number)
		return !v->nr_bricks && !v->nr_ancestors;
	for (uint32_t i = 0; i < v->nr_bricks; i++)
		if (v->brick[i].role > VIEW_WITNESS || view_find(v, &v->brick[i].id) != (int)i)
			return false;
	return view_home(v) >= 0;
}

void view_get(struct wire *w, struct view *v)
{
	*v = (struct view){ 0 };
	repl_get_gfid(w, &v->set);
	v->number = wire_get_u32(w);
	v->id = wire_get_u32(w);
	v->nr_bricks = wire_get_u8(w);
	v->nr_ancestors = wire_get_u8(w);
	v->quorum = wire_get_u8(w);
	for (uint32_t i = 0; i < v->nr_bricks && i < VIEW_BRICKS_MAX; i++) {
		repl_get_gfid(w, &v->brick[i].id);
		v->brick[i].incarnation = wire_get_u64(w);
		v->brick[i].role = wire_get_u8(w);
	}
	for (uint32_t i = 0; i < v->nr_ancestors && i < VIEW_ANCESTORS_MAX; i++)
		v->ancestor[i] = wire_get_u64(w);
	if (wire_ok(w) && is_sound(v))
		return;
	*v = (struct view){ 0 };
	w->failed = true;
	w->error = -EPROTO;
}

static size_t print_role(const struct view *v, enum view_role role, const char *word, char *out, size_t size)
{
	uint32_t mask = view_mask(v, role);
	size_t n = 0;

	if (mask)
		n = snprintf(out, size, ", %s", word);
	for (uint32_t i = 0; i < v->nr_bricks && n < size; i++)
		if (mask & 1u << i)
			n += snprintf(out + n, size - n, " %u", i);
	return n < size ? n : size - 1;
}

void view_print(const struct view *v, char *out, size_t size)
{
	static const char *const words[] = { "absent", "joining", "full", "witness" };
	size_t n = snprintf(out, size, "v%u (%08x)", v->number, v->id);

	for (int role = VIEW_WITNESS; role >= 0 && n < size; role--)
		n += print_role(v, role, words[role], out + n, size - n);
}
