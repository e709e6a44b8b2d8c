/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * call.c - calls, frames and legs: how an operation travels down a graph and its answer up.
 *
 * A call is one page: identity, then an arena in which frames lie one on the other.  Winding pushes
 * a frame (header, own arguments if they differ from the caller's, scratch of the translator),
 * answering pops it and runs the caller's continuation.  Nothing is allocated, locked or
 * searched.  A translator with several children busy at once (.parallel) starts a leg for each
 * wind: a call of its own with the same identity, so that every arena stays a stack.
 *
 * Invariants, asserted: a frame is answered once, with no wind pending; only a parallel translator
 * has more than one wind pending; frame_alloc() only while nothing is above the frame.
 */
#include <stdlib.h>

#include "call.h"
#include "graph.h"

enum { CALL_FREE_MAX = 64, CHUNK_MIN = 8192 };

static _Thread_local struct call *free_calls;
static _Thread_local int nr_free_calls;
static _Thread_local uint32_t nr_calls;		/* not ended */
static _Thread_local struct call *calls, **calls_end;	/* these, oldest first; where the next one goes */

bool xlator_handles(const struct xlator_type *t, enum fop_id op)
{
	switch (op) {
#define FOP(n, k) case FOP_##n: if (t->fops.n) return true; break;
#define ARG(t, f)
#define RET(t, f)
#define END(n)
#include "fops.def"
	case FOP_COUNT: break;
	}
	return t->fops.any != NULL;
}

static void dispatch(struct frame *f)
{
	const struct xlator_type *t = f->xl->type;

	f->xl->stats[f->op].calls++;
	switch ((enum fop_id)f->op) {
#define FOP(n, k) case FOP_##n: if (t->fops.n) { t->fops.n(f, f->args); return; } break;
#define ARG(t, f)
#define RET(t, f)
#define END(n)
#include "fops.def"
	case FOP_COUNT: break;
	}
	t->fops.any(f);
}

static void run_done(struct frame *p, union fop_done done, bool any, enum fop_id op, int child,
		     int ret, const void *reply)
{
	if (any)
		return done.any(p, child, ret, reply);
	switch (op) {
#define FOP(n, k) case FOP_##n: done.n(p, child, ret, reply); return;
#define ARG(t, f)
#define RET(t, f)
#define END(n)
#include "fops.def"
	case FOP_COUNT: break;
	}
}

/* ---- the arena ---- */

static void *arena_alloc(struct call *c, size_t size)
{
	if (size > UINT32_MAX / 4 || c->used > UINT32_MAX / 4)
		return NULL;
	size = (size + 15) & ~(size_t)15;
	if (!c->chunk) {
		if (c->used + size <= sizeof c->arena) {
			void *p = c->arena + c->used;
			c->used += size;
			return p;
		}
	} else if (c->used - c->chunk->first_mark + size <= c->chunk->size) {
		void *p = c->chunk->bytes + (c->used - c->chunk->first_mark);
		c->used += size;
		return p;
	}
	size_t room = size > CHUNK_MIN ? size : CHUNK_MIN;
	struct call_chunk *k = malloc(sizeof *k + room);
	if (!k)
		return NULL;
	k->prev = c->chunk;
	k->first_mark = c->used;
	k->size = room;
	c->chunk = k;
	c->used += size;
	return k->bytes;
}

static void arena_release(struct call *c, uint32_t mark)
{
	while (c->chunk && mark <= c->chunk->first_mark) {
		struct call_chunk *k = c->chunk;

		c->chunk = k->prev;
		free(k);
	}
	c->used = mark;
}

/* Is p in the arena of c?  (An answer that lies there would be overwritten by the caller's next
 * wind.) */
static bool arena_has(const struct call *c, const void *p)
{
	const uint8_t *b = p;

	if (b >= c->arena && b < c->arena + sizeof c->arena)
		return true;
	for (const struct call_chunk *k = c->chunk; k; k = k->prev)
		if (b >= k->bytes && b < k->bytes + k->size)
			return true;
	return false;
}

static struct call *call_get(void)
{
	struct call *c = free_calls;

	if (c) {
		free_calls = c->next_free;
		nr_free_calls--;
	} else {
		c = malloc(sizeof *c);
		if (!c)
			return NULL;
	}
	c->legs = c->leg_next = NULL;
	c->leg_link = NULL;
	c->top = NULL;
	c->chunk = NULL;
	c->used = 0;
	c->cancelled = false;
	c->ended = NULL;
	return c;
}

static void call_put(struct call *c)
{
	assert(!c->legs);
	arena_release(c, 0);
	if (nr_free_calls >= CALL_FREE_MAX) {
		free(c);
		return;
	}
	c->next_free = free_calls;
	free_calls = c;
	nr_free_calls++;
}

void call_trim(void)
{
	while (free_calls) {
		struct call *c = free_calls;

		free_calls = c->next_free;
		free(c);
	}
	nr_free_calls = 0;
}

/* ---- frames ---- */

static struct frame *frame_push(struct call *c, size_t args_size, size_t data_size)
{
	uint32_t mark = c->used;
	size_t head = (sizeof(struct frame) + 15) & ~(size_t)15;
	size_t args = (args_size + 15) & ~(size_t)15;
	uint8_t *p = arena_alloc(c, head + args + data_size);

	if (!p)
		return NULL;
	struct frame *f = (struct frame *)p;
	memset(f, 0, sizeof *f);
	f->call = c;
	f->mark = mark;
	f->args = args_size ? p + head : NULL;
	f->data = p + head + args;
	memset(f->data, 0, data_size);
	c->top = f;
	return f;
}

static void frame_pop(struct frame *f)
{
	struct call *c = f->call;
	struct frame *p = f->parent;

	assert(c->top == f);		/* answered once, and by whoever has it */
	c->top = p && p->call == c ? p : NULL;
	arena_release(c, f->mark);
}

/* A leg for one wind of a parallel translator's frame. */
static struct call *leg_new(struct call *of)
{
	struct call *leg = call_get();

	if (!leg)
		return NULL;
	leg->id = of->id;
	leg->note = 0;
	leg->cancelled = of->cancelled;
	leg->leg_next = of->legs;
	leg->leg_link = &of->legs;
	if (of->legs)
		of->legs->leg_link = &leg->leg_next;
	of->legs = leg;
	return leg;
}

static void leg_free(struct call *leg)
{
	*leg->leg_link = leg->leg_next;
	if (leg->leg_next)
		leg->leg_next->leg_link = leg->leg_link;
	call_put(leg);
}

void frame_wind(struct frame *f, int child, enum fop_id op, const void *args, union fop_done done,
		bool any)
{
	assert(child >= 0 && child < f->xl->nr_children);
	assert(f->pending == 0 || f->parallel);
	assert(f->parallel || f->call->top == f);

	struct xlator *to = f->xl->next[child][op];
	if (!f->parent)
		f->op = op;
	f->call->note = 0;
	if (!to)
		return run_done(f, done, any, op, child, -ENOSYS, NULL);

	bool own_args = args != f->args;
	struct call *c = f->parallel ? leg_new(f->call) : f->call;
	struct frame *n =
		c ? frame_push(c, own_args ? fop_args_size[op] : 0, to->type->frame_size) : NULL;
	if (!n) {
		if (c && c != f->call)
			leg_free(c);
		return run_done(f, done, any, op, child, -ENOMEM, NULL);
	}
	n->parent = f;
	n->xl = to;
	n->op = op;
	n->child = child;
	n->done = done;
	n->done_any = any;
	n->parallel = to->type->parallel;
	if (own_args) {
		memcpy((void *)n->args, args, fop_args_size[op]);
		args_hold(op, (void *)n->args);
		n->holds_args = true;
	} else {
		n->args = args;
	}
	f->pending++;
	dispatch(n);
}

void frame_reply(struct frame *f, int ret, const void *reply)
{
	struct frame *p = f->parent;
	struct call *c = f->call;
	union fop_done done = f->done;
	bool any = f->done_any;
	enum fop_id op = f->op;
	int child = f->child;
	union fop_reply kept;

	assert(p && f->pending == 0);
	assert(ret < 0 || reply);
	if (ret < 0) {
		f->xl->stats[op].errors++;
		reply = NULL;
	} else if (arena_has(c, reply)) {
		memcpy(&kept, reply, fop_reply_size[op]);
		reply = &kept;
	}
	if (f->holds_args)
		args_drop(op, (void *)f->args);
	frame_pop(f);
	if (c != p->call) {
		p->call->note = c->note;
		leg_free(c);
	}
	p->pending--;
	run_done(p, done, any, op, child, ret, reply);
}

void fail(struct frame *f, int err)
{
	assert(err < 0);
	frame_reply(f, err, NULL);
}

void pass(struct frame *f, int child)
{
	assert(f->pending == 0 && child >= 0 && child < f->xl->nr_children);
	struct xlator *to = f->xl->next[child][f->op];
	if (!to)
		return fail(f, -ENOSYS);
	if (to->type->frame_size) {
		f->data = arena_alloc(f->call, to->type->frame_size);
		if (!f->data)
			return fail(f, -ENOMEM);
		memset(f->data, 0, to->type->frame_size);
	}
	f->cancel = NULL;
	f->xl = to;
	f->parallel = to->type->parallel;
	dispatch(f);
}

void wind_any(struct frame *f, int child, any_done_fn *done)
{
	frame_wind(f, child, f->op, f->args, (union fop_done){ .any = done }, true);
}

void wind_any_args(struct frame *f, int child, const void *args, any_done_fn *done)
{
	frame_wind(f, child, f->op, args, (union fop_done){ .any = done }, true);
}

void unwind_any(struct frame *f, int ret, const void *reply)
{
	frame_reply(f, ret, reply);
}

void *frame_alloc(struct frame *f, size_t size)
{
	assert(f->call->top == f);
	return arena_alloc(f->call, size);
}

char *frame_strdup(struct frame *f, const char *s)
{
	size_t n = strlen(s) + 1;
	char *copy = frame_alloc(f, n);

	return copy ? memcpy(copy, s, n) : NULL;
}

const struct identity *frame_identity(const struct frame *f)
{
	return f->call->id;
}

const struct identity *frame_set_identity(struct frame *f, const struct identity *id)
{
	const struct identity *old = f->call->id;

	f->call->id = id;
	return old;
}

void frame_set_note(struct frame *f, uint64_t note)
{
	f->call->note = note;
}

uint64_t frame_note(const struct frame *f)
{
	return f->call->note;
}

/* ---- cancelling ---- */

void frame_on_cancel(struct frame *f, void (*cancel)(struct frame *f))
{
	if (cancel && f->call->cancelled)
		return cancel(f);
	f->cancel = cancel;
}

static void mark_cancelled(struct call *c)
{
	c->cancelled = true;
	for (struct call *leg = c->legs; leg; leg = leg->leg_next)
		mark_cancelled(leg);
}

/* Who waits somewhere in c or its legs, or NULL. */
static struct frame *find_waiting(struct call *c)
{
	struct frame *f = c->top && c->top->cancel ? c->top : NULL;

	for (struct call *leg = c->legs; leg && !f; leg = leg->leg_next)
		f = find_waiting(leg);
	return f;
}

/*
 * Looked for again each time: who gives up may let another of the same call go (a lock is granted
 * to the next in turn), and with the last answer the call itself is gone.  It ends, since nobody
 * can begin to wait in a cancelled call.
 */
void call_cancel(struct frame *root)
{
	struct call *c = root->call;
	bool ended = false, *outer = c->ended;
	struct frame *f;

	c->ended = &ended;
	mark_cancelled(c);
	while (!ended && (f = find_waiting(c))) {
		void (*cancel)(struct frame *) = f->cancel;

		f->cancel = NULL;
		cancel(f);
	}
	if (!ended)
		c->ended = outer;
	else if (outer)
		*outer = true;
}

void frame_cancel_below(struct frame *f)
{
	struct call *leg = f->call->legs;

	assert(f->parallel && leg && !leg->leg_next);
	mark_cancelled(leg);
	struct frame *waits = find_waiting(leg);
	if (!waits)
		return;			/* it is on its way, and cannot begin to wait any more */
	void (*cancel)(struct frame *) = waits->cancel;
	waits->cancel = NULL;
	cancel(waits);
}

/* ---- calls of our own ---- */

static void calls_add(struct call *c)
{
	if (!calls_end)
		calls_end = &calls;	/* no constant, so no initialiser */
	c->leg_link = calls_end;
	*calls_end = c;
	calls_end = &c->leg_next;
	nr_calls++;
}

static void calls_remove(struct call *c)
{
	*c->leg_link = c->leg_next;
	if (c->leg_next)
		c->leg_next->leg_link = c->leg_link;
	else
		calls_end = c->leg_link;
	nr_calls--;
}

struct frame *call_new(struct xlator *xl, const struct identity *as, size_t frame_size)
{
	struct call *c = call_get();

	if (!c)
		return NULL;
	if (as)
		c->own = *as;
	else
		memset(&c->own, 0, sizeof c->own);
	c->id = &c->own;
	c->note = 0;
	struct frame *f = frame_push(c, 0, frame_size);
	if (!f) {
		call_put(c);
		return NULL;
	}
	f->xl = xl;
	f->parallel = xl->type->parallel;
	c->begun_ns = xl->graph->loop ? loop_now_ns(xl->graph->loop) : 0;
	calls_add(c);
	return f;
}

void call_end(struct frame *root)
{
	struct call *c = root->call;

	assert(!root->parent && root->pending == 0);
	frame_pop(root);
	if (c->ended)
		*c->ended = true;
	calls_remove(c);
	call_put(c);
}

uint32_t call_count(void)
{
	return nr_calls;
}

const struct call *call_oldest(void)
{
	return calls;
}

struct identity *call_identity(struct frame *root)
{
	assert(!root->parent);
	return &root->call->own;
}
