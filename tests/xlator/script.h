/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A graph between a caller and scripted children, for tests of the core and of translators.
 *
 *	rig_up(&r, "volume a type test/child end-volume ...", 1);	on a simulated loop, seed 1
 *	struct script *a = script_of(&r, "a");
 *	a->ret[FOP_stat] = -EIO;			what it answers from now on; 0: success
 *	a->hold[FOP_write] = true;			... and which answers wait for script_release()
 *	struct answer w;
 *	rig_call(&r, &w, FOP_write, &(struct write_args){ ... });
 *	script_release(a, FOP_write, 0);
 *	ck_assert(w.done && w.ret == 0);
 *	answer_drop(&w);
 *	rig_down(&r);					checks that no call is left
 *
 * A child keeps the xattrs of the root directory (a brick's marks) in a struct brick, which may
 * outlive the graph: script_brick[] by the number that ends its name ("b0").  Types: test/child,
 * and test/top (pushed on top by rig_up; it counts the events that reach it).
 */
#ifndef TESTS_SCRIPT_H
#define TESTS_SCRIPT_H

#include "call.h"
#include "graph.h"
#include "../unit/unit.h"
#undef fail			/* libcheck's old name for ck_abort */

enum { BRICK_XATTRS = 32, SCRIPT_BRICKS = 8, SCRIPT_LOG = 4096 };

struct brick_xattr {
	char name[96], value[256];
	size_t len;
};

struct brick {
	bool has_id;
	struct brick_xattr xattrs[BRICK_XATTRS];
	int nr;
};
extern struct brick script_brick[SCRIPT_BRICKS];

struct script_note {		/* a call that came to a child */
	enum fop_id op;
	uint32_t seq;		/* among those of all children */
	char name[96];		/* of an xattr, or "" */
	struct fd *fd;		/* not held */
	struct lock lock;	/* lk */
	uint32_t cmd;
	struct attr attr;	/* setattr */
};

struct held_call {
	struct frame *f;
	struct held_call *next;
};

struct script {
	struct xlator *xl;
	struct brick *brick;
	bool up;
	int ret[FOP_COUNT];
	bool hold[FOP_COUNT];
	union fop_reply reply[FOP_COUNT];	/* of success; borrowed */
	uint32_t count[FOP_COUNT], nr_held;
	struct held_call *held;
	struct script_note log[SCRIPT_LOG];
	uint32_t nr_log, cancels;
	/* Called when a call is carried out (not when it fails); may be NULL. */
	void (*effect)(struct script *s, struct frame *f);
	/* The same, and it answers: returns what f is answered with, and fills in the reply.  Instead of ret and reply. */
	int (*carry_out)(struct script *s, struct frame *f, union fop_reply *reply);
	void *ctx;
};

struct top {			/* priv of test/top */
	uint32_t ups, downs, faileds, others;
	char reason[512];
};

struct rig {
	struct loop *loop;
	struct diag *diag;
	struct graph *g;
	struct top *top;
};

struct answer {
	bool done;
	int ret;
	enum fop_id op;
	union fop_reply reply;
	uint64_t note;			/* beside it */
	struct frame *root;		/* NULL when done */
	uint32_t order;			/* 1: the first that was answered */
};

extern const struct xlator_type script_child, script_top;
extern struct identity rig_as;		/* on whose behalf rig_call() calls */

/* Builds, initialises and starts; dies when that fails.  children: they tell that they are up at
 * once (`start`). */
void rig_up(struct rig *r, const char *volfile, uint64_t seed);
void rig_down(struct rig *r);
/* Types besides test/child and test/top, NULL-terminated; xlator_path likewise.  Both may stay
 * NULL. */
extern const struct xlator_type *const *rig_types;
extern const char *const *rig_path;
/* default true: children tell XL_CHILD_UP when they start */
extern bool rig_children_up;
extern uint32_t rig_lru_limit;

void rig_call(struct rig *r, struct answer *a, enum fop_id op, const void *args);
/* The same from the middle of the graph: to the first child of `above`. */
void rig_call_below(struct xlator *above, struct answer *a, enum fop_id op, const void *args);
/* Runs the loop until it is answered; dies after an hour of its time. */
void rig_wait(struct rig *r, struct answer *a);
void answer_drop(struct answer *a);

struct script *script_of(struct rig *r, const char *volume);
/* The first held call of this kind; NULL: none. */
struct frame *script_held(struct script *s, enum fop_id op);
/* Answers it: carries it out (0), or fails it. */
void script_release(struct script *s, enum fop_id op, int ret);
void script_release_all(struct script *s, int ret);
/* As a client that loses its connection: tells, then answers what is held with -ENOTCONN; from then
 * on all. */
void script_lose(struct script *s);
void script_fail(struct script *s, const char *reason);		/* XL_CHILD_FAILED */
void script_return(struct script *s);
const char *brick_get(const struct brick *b, const char *name);	/* NULL: not there */
void brick_set(struct brick *b, const char *name, const char *value, size_t len);
void brick_remove(struct brick *b, const char *name);
/* New bricks, with identities. */
void bricks_new(void);

#endif
