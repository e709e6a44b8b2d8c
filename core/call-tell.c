/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * call-tell.c - what the calls under way wait for, as text: for a statedump and for SIGUSR2.
 *
 *	stat for uid 7, gid 8, pid 9, 12.345 s, in x < mirror < top, y < mirror < top: inode=...
 *
 * Behind "in" are the translators that have not answered, the deepest first; a call that waits in
 * several children at once has a list for each.  An operation in brackets is one that a
 * translator asks on its own account.  Between two turns of the loop a call is in no handler, so
 * what is read here is whole.  What workers do with its arguments meanwhile only reads them.
 */
#include <stdarg.h>

#include "call.h"
#include "graph.h"

enum { LINE_SIZE = 2048 };

struct text {
	char *at, *end;		/* end: where the NUL may be at the latest */
};

static void put(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(struct text *t, const char *fmt, ...)
{
	size_t room = (size_t)(t->end - t->at) + 1;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->at, room, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->at += (size_t)n < room ? (size_t)n : room - 1;
}

/* Where c and its legs wait. */
static void put_stacks(struct text *t, const struct call *c, enum fop_id op, bool *first)
{
	for (const struct call *leg = c->legs; leg; leg = leg->leg_next)
		put_stacks(t, leg, op, first);
	if (c->legs)
		return;
	if (!*first)
		put(t, ", ");
	*first = false;
	for (const struct frame *f = c->top; f; f = f->parent) {
		put(t, "%s%s", f == c->top ? "" : " < ", f->xl->name);
		if (f->parent && f->op != op)
			put(t, " (%s)", fop_names[f->op]);
	}
}

/* The operation that the call was begun for: that of the frame below its root.  NULL: it is between
 * two operations. */
static const struct frame *asked(const struct call *c)
{
	const struct frame *f;

	while (c->legs)
		c = c->legs;
	for (f = c->top; f->parent && f->parent->parent; f = f->parent)
		;
	return f->parent ? f : NULL;
}

static void call_line(const struct graph *g, const struct call *c, char *line)
{
	struct text t = { line, line + LINE_SIZE - 1 };
	const struct frame *f = asked(c);
	uint64_t age_ms = c->begun_ns ? (loop_now_ns(g->loop) - c->begun_ns) / 1000000 : 0;
	bool first = true;

	put(&t, "%s for uid %u, gid %u, pid %u, %llu.%03u s, in ", f ? fop_names[f->op] : "nothing",
	    c->id->uid, c->id->gid, c->id->pid, (unsigned long long)age_ms / 1000,
	    (unsigned)(age_ms % 1000));
	put_stacks(&t, c, f ? f->op : FOP_COUNT, &first);
	if (!f)
		return;
	put(&t, ": ");
	args_print(f->op, f->args, t.at, (size_t)(t.end - t.at) + 1);
}

static const struct graph *graph_of(const struct call *c)
{
	const struct frame *f = c->top;

	while (f->parent)
		f = f->parent;
	return f->xl->graph;
}

void calls_tell(const struct graph *g, void (*tell)(void *arg, const char *line), void *arg)
{
	char line[LINE_SIZE];
	uint32_t nr = 0;

	for (const struct call *c = call_oldest(); c; c = c->leg_next) {
		if (graph_of(c) != g || nr++ >= CALLS_TOLD)
			continue;
		call_line(g, c, line);
		tell(arg, line);
	}
	if (nr <= CALLS_TOLD)
		return;
	snprintf(line, sizeof line, "and %u more", nr - CALLS_TOLD);
	tell(arg, line);
}
