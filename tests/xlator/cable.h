/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * cable.h - type test/cable: what lies between a client's translator and a brick, and can be cut.
 *
 * What is under way when it is cut is answered with -ENOTCONN at once; the brick goes on with it, and nobody hears its
 * answer.  While `loses` is set, what is sent does not reach the brick (nor is it answered) until the cable is cut.  The
 * brick's features/replica is told about its client's connection, as protocol/server does.
 */
#ifndef TESTS_CABLE_H
#define TESTS_CABLE_H

#include <sys/queue.h>

#include "script.h"
#include "../../xlators/replication/replication.h"

struct cable_call {
	LIST_ENTRY(cable_call) link;
	struct frame *f;		/* of who asks; NULL: it was cut */
	struct frame *root;		/* on the brick; NULL: it never came there */
	bool cancelled;
};

struct cable {
	struct xlator *xl;
	LIST_HEAD(, cable_call) calls;
	bool cut, loses, below;		/* below: the brick serves */
};

/* The arguments of f, which outlive it: strings are the only thing that is not held by a call. */
#define COPY_str(field) if (a->field) a->field = frame_strdup(root, a->field);
#define COPY_name COPY_str
#define COPY_inode(field)
#define COPY_fd COPY_inode
#define COPY_newfd COPY_inode
#define COPY_buf COPY_inode
#define COPY_dict COPY_inode
#define COPY_gfid COPY_inode
#define COPY_attr COPY_inode
#define COPY_lock COPY_inode
#define COPY_u32 COPY_inode
#define COPY_u64 COPY_inode
static union fop_args *cable_args(struct frame *root, const struct frame *f)
{
	union fop_args *args = frame_alloc(root, sizeof *args);

	switch ((enum fop_id)f->op) {
#define FOP(n, k) case FOP_##n: { struct n##_args *a = &args->n; *a = *(const struct n##_args *)f->args;
#define ARG(t, field) COPY_##t(field)
#define RET(t, field)
#define END(n) break; }
#include "fops.def"
	case FOP_COUNT: break;
	}
	return args;
}

static void cable_end(struct cable_call *c)
{
	LIST_REMOVE(c, link);
	free(c);
}

static void cable_done(struct frame *root, int child, int ret, const void *reply)
{
	struct cable_call *c = *(struct cable_call **)frame_data(root);
	struct frame *f = c->f;
	uint64_t note = frame_note(root);

	cable_end(c);
	if (f) {
		frame_on_cancel(f, NULL);
		frame_set_note(f, note);
		if (ret < 0)
			fail(f, ret);
		else
			unwind_any(f, ret, reply);
	}
	call_end(root);
}

static void cable_cancel(struct frame *f)
{
	call_cancel((*(struct cable_call **)frame_data(f))->root);
}

static void cable_any(struct frame *f)
{
	struct cable *cable = f->xl->priv;

	if (cable->cut)
		return fail(f, -ENOTCONN);
	struct cable_call *c = calloc(1, sizeof *c);
	assert(c);
	c->f = f;
	*(struct cable_call **)frame_data(f) = c;
	LIST_INSERT_HEAD(&cable->calls, c, link);
	if (cable->loses)
		return;
	c->root = call_new(f->xl, frame_identity(f), sizeof c);
	assert(c->root);
	*(struct cable_call **)frame_data(c->root) = c;
	frame_on_cancel(f, cable_cancel);
	frame_wind(c->root, 0, f->op, cable_args(c->root, f), (union fop_done){ .any = cable_done }, true);
}

static void cable_told(struct frame *root, int child, int ret, const struct replicate_reply *reply)
{
	call_end(root);
}

struct cable_tell {
	uint64_t client;
	uint8_t what;
};

static void cable_put(struct wire *w, const void *arg)
{
	const struct cable_tell *t = arg;

	wire_put_u64(w, t->client);
	wire_put_u8(w, t->what);
}

/* What protocol/server tells a brick about a client. */
static inline void cable_client(struct cable *cable, uint64_t client, uint8_t what)
{
	_cleanup_buf_ struct buf *b = repl_message(9, cable_put, &(struct cable_tell){ client, what });
	struct frame *root = call_new(cable->xl, NULL, 0);

	wind_replicate(root, 0, &(struct replicate_args){ .inode = inode_root(xl_inodes(cable->xl)), .what = REPL_CLIENT,
							  .request = b }, cable_told);
}

static inline void cable_cut(struct cable *cable)
{
	struct cable_call *c;
	bool more = true;

	if (cable->cut)
		return;
	cable->cut = true;
	cable->loses = false;
	if (cable->below)
		xl_notify(cable->xl, XL_CHILD_DOWN, (void *)"cut");
	while (more) {
		more = false;
		LIST_FOREACH(c, &cable->calls, link) {
			struct frame *f = c->f;

			if (!f)
				continue;
			c->f = NULL;
			if (!c->root)
				cable_end(c);
			frame_on_cancel(f, NULL);
			fail(f, -ENOTCONN);
			more = true;
			break;
		}
	}
	cable_client(cable, cable->xl->graph->client_id, REPL_CLIENT_LOST);
}

static inline void cable_join(struct cable *cable)
{
	if (!cable->cut)
		return;
	cable->cut = false;
	cable_client(cable, cable->xl->graph->client_id, REPL_CLIENT_BACK);
	if (cable->below)
		xl_notify(cable->xl, XL_CHILD_UP, NULL);
}

static void cable_event(struct xlator *xl, int child, enum xl_event what, void *data)
{
	struct cable *cable = xl->priv;

	if (what == XL_CHILD_UP || what == XL_CHILD_DOWN || what == XL_CHILD_FAILED)
		cable->below = what == XL_CHILD_UP;
	if (!cable->cut)
		xl_notify(xl, what, data);
}

/* As protocol/server: who waits on the brick gives up. */
static void cable_stop(struct xlator *xl)
{
	struct cable *cable = xl->priv;
	struct cable_call *c = LIST_FIRST(&cable->calls);

	while (c) {
		if (c->root && !c->cancelled) {
			c->cancelled = true;
			call_cancel(c->root);
			c = LIST_FIRST(&cable->calls);
		} else {
			c = LIST_NEXT(c, link);
		}
	}
}

static int cable_init(struct xlator *xl)
{
	((struct cable *)xl->priv)->xl = xl;
	return 0;
}

static const struct xlator_type cable_type = {
	.abi = XLATOR_ABI, .name = "test/cable", .help = "can be cut",
	.min_children = 1, .max_children = 1, .priv_size = sizeof(struct cable), .frame_size = sizeof(struct cable_call *),
	.init = cable_init, .stop = cable_stop, .event = cable_event, .fops = { .any = cable_any },
};

#endif
