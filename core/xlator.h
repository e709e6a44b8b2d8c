/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * xlator.h - the translator API.  This file is the manual for translator authors; the tutorial is
 * examples/first-xlator/.
 *
 * A translator is one struct xlator_type, exported from a shared object by XLATOR_EXPORT:
 *
 *	static void readonly_write(struct frame *f, const struct write_args *a)
 *	{
 *		fail(f, -EROFS);
 *	}
 *
 *	static const struct xlator_type readonly_xlator = {
 *		.abi = XLATOR_ABI, .name = "features/readonly", .help = "refuse every change",
 *		.min_children = 1, .max_children = 1,
 *		.fops = { .write = readonly_write },
 *	};
 *	XLATOR_EXPORT(readonly_xlator);
 *
 * A handler is given a frame: this call in this layer.  It ends in exactly one of
 *
 *	unwind_x(f, ret, &reply)	answer (ret >= 0); f is gone
 *	fail(f, -errno)			answer an error; f is gone
 *	pass(f, child)			let a child answer in our place; f is no longer ours
 *	wind_x(f, child, &args, x_done)	run an operation on a child: x_done(f, child, ret, reply) comes later (or
 *					at once), and must again end in one of these
 *
 * or keeps f, to go on from a timer, a task or an event.  Ready-made continuations: forward_x answers what the
 * child answered.  With .parallel, several winds may be out at the same time; all must have been
 * answered before f is.
 *
 * Ownership: arguments are borrowed until f is answered.  Arguments that you wind are copied, the
 * objects in them held until that child answered: drop your own references at once; strings must live until
 * then (frame_strdup).  A reply is borrowed for the duration of the callback, and NULL when ret < 0;
 * reply_copy() keeps one.
 *
 * Threads: everything runs on the one loop thread of the graph.  No locks, no blocking.
 */
#ifndef GLUSTERFS_XLATOR_H
#define GLUSTERFS_XLATOR_H

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "buf.h"
#include "dict.h"
#include "dirents.h"
#include "dump.h"
#include "fop.h"
#include "inode.h"
#include "log.h"
#include "loop.h"
#include "option.h"
#include "work.h"

#define XLATOR_ABI 1

struct call;
struct frame;
struct graph;
struct xlator;

/* ---- calls ------------------------------------------------------------------------------ */

/* On whose behalf, and which change it is.  Shared by a call and its legs. */
struct identity {
	uint32_t uid, gid, pid;
	uint32_t nr_groups;		/* supplementary groups */
	const uint32_t *groups;		/* live as long as the call */
	uint64_t lk_owner;
	uint64_t client;		/* txn: who started it (graph->client_id there) ... */
	uint64_t txn;			/* ... and its number, to recognise a repetition; 0: none */
	uint32_t deadline_ms;		/* 0: none */
	/* of the replication protocol (xlators/replication), 0: none of it */
	uint64_t view;			/* the view of the replica set that the caller works in */
	uint64_t grant;			/* the place that home gave this change in its order; 0: it is home that is asked */
	uint64_t stamp_ns;		/* when home has done it, since the epoch; 0: it is not told */
	bool impose;			/* what it does replaces the state here by that of home, under `grant` */
	bool enforce;			/* the storage checks permissions for uid, gid, groups (squashed, or not checked by a kernel) */
	/* It has no CAP_FSETID: its changes of data and its ACLs take set-user-id and set-group-id away, by the
	 * rules for uid, gid, groups. */
	bool kill_priv;
};

/* Continuations.  ret is >= 0 or -errno; reply is borrowed, NULL when ret < 0. */
#define FOP(n, k) typedef void n##_done_fn(struct frame *f, int child, int ret, const struct n##_reply *reply);
#define ARG(t, f)
#define RET(t, f)
#define END(n)
#include "fops.def"
typedef void any_done_fn(struct frame *f, int child, int ret, const void *reply);

union fop_done {
#define FOP(n, k) n##_done_fn *n;
#define ARG(t, f)
#define RET(t, f)
#define END(n)
#include "fops.def"
	any_done_fn *any;
};

/* This call in this layer.  Owned by one thread at a time (the loop's). */
struct frame {
	struct call   *call;
	struct frame  *parent;		/* who waits for our answer */
	struct xlator *xl;		/* us */
	const void    *args;		/* struct x_args of op, borrowed */
	void          *data;		/* frame_data() */
	union fop_done done;		/* the parent's continuation */
	void         (*cancel)(struct frame *f);	/* see frame_on_cancel() */
	uint32_t       mark;		/* where the call's arena was before us */
	uint16_t       pending;		/* winds not answered yet */
	uint16_t       child;		/* which child of parent->xl we are */
	uint8_t        op;		/* enum fop_id */
	bool           done_any, holds_args, parallel;
};

/* ---- translators ------------------------------------------------------------------------ */

enum xl_event {			/* upwards unless said otherwise */
	XL_CHILD_UP,		/* the child serves; data: NULL */
	XL_CHILD_DOWN,		/* it does not; data: const char *reason or NULL */
	XL_CHILD_FAILED,	/* it will not, until somebody changes something (auth rejected, no such volume); data: const char *reason */
	XL_INVALIDATE,		/* data: struct inode *, what was cached about it is no longer valid */
	XL_WANTS_GROUPS,	/* a storage below checks permissions: calls are to bring the supplementary groups */
	XL_LEAVING,		/* the child will be stopped in a moment: who can do without it should begin to */
	XL_UNMOUNTED,		/* somebody ended the mount (umount): the process has nothing left to do */
};

struct xlator_type {
	uint32_t    abi;		/* XLATOR_ABI */
	const char *name;		/* as in `type`: "features/readonly" */
	const char *help;		/* one line */
	uint16_t    min_children, max_children;	/* XL_MANY: no upper limit */
	bool        parallel;		/* may have several children busy at once for one call */
	size_t      priv_size;		/* zeroed; options are stored into it before init */
	size_t      frame_size;		/* zeroed scratch for each call of ours: frame_data() */
	const struct option *options;

	/* Children are initialised first.  Checks everything that can be checked, opens, allocates;
	 * does not begin to work.  0 or -errno after xl_error(). */
	int  (*init)(struct xlator *xl);
	/* Begin: connect, listen, tell XL_CHILD_UP.  Children were started before.  0 or -errno after xl_error(). */
	int  (*start)(struct xlator *xl);
	/* The process is about to end in good order: tells those outside who are to know first; xl->leaving until they do.
	 * Nobody waits for long. */
	void (*leave)(struct xlator *xl);
	/* Stop taking work, close; parents were stopped before.  Pending calls are answered.
	 * The graph waits (bounded) for xl_busy() users to finish. */
	void (*stop)(struct xlator *xl);
	/* Free everything; parents first.  Also after a failed init. */
	void (*fini)(struct xlator *xl);
	/* Something happened at a child.  NULL: told on to the parents. */
	void (*event)(struct xlator *xl, int child, enum xl_event what, void *data);
	/* Lines for the statedump, in the section of this volume. */
	void (*dump)(struct xlator *xl, struct dump *d);
	/* The object goes; slot is our word in it (not 0). */
	void (*forget)(struct xlator *xl, struct inode *inode, uint64_t slot);
	void (*release)(struct xlator *xl, struct fd *fd, uint64_t slot);

	/* Handlers.  One left NULL costs nothing: parents are linked to our first child. */
	struct {
#define FOP(n, k) void (*n)(struct frame *f, const struct n##_args *a);
#define ARG(t, f)
#define RET(t, f)
#define END(n)
#include "fops.def"
		void (*any)(struct frame *f);	/* for every operation without a handler of its own */
	} fops;

	/*
	 * A directory of the file system in which this volume keeps its files, for what translators above must keep as
	 * safe as these; valid after init.  NULL: none.  Asked of the storage by xl_directory().
	 */
	const char *(*directory)(const struct xlator *xl);
	/* The type of a translator that is to be put above each subvolume that has such a directory below it, when the
	 * volume file has not done so.  NULL: none. */
	const char *needs_above;

	/* How many of its subvolumes may be away while it still serves; asked before init, options are stored
	 * (--explain).  NULL: none. */
	uint32_t (*tolerates)(const struct xlator *xl);
	/* What one row cannot say: options that need or exclude each other, or name other volumes.  Asked when the
	 * options of all volumes are stored and those of this one are right, also by --check; touches nothing outside
	 * of the graph and allocates nothing.  Other volumes may be wrong (all problems of a file are told at once):
	 * nr_children is 0 when one of ours is, and warnings are not shown.  0 or -errno after xl_error(). */
	int  (*check)(struct xlator *xl);
};
enum { XL_MANY = 0xffff };

struct xl_op_stats {
	uint64_t calls, errors;
};

struct xlator {
	const struct xlator_type *type;
	const char *name;		/* the volume's */
	const char *type_name;		/* as written in the volume file */
	void *priv;
	struct graph *graph;
	uint32_t index;			/* of our slots */
	int nr_children, nr_parents;
	struct xlator **children, **parents;
	uint16_t *parent_child;		/* [i]: which child of parents[i] we are */
	struct xlator *(*next)[FOP_COUNT];	/* [child][fop]: the first below that handles it */
	struct pool *pool;		/* where we run what may block: io-threads' above us, or the graph's */
	struct xlator *pool_owner;	/* the io-threads translator, or NULL */
	struct xl_op_stats stats[FOP_COUNT];	/* calls that came to us */
	const struct vf_volume *volume;	/* its text; of an implicit one without a position */
	void *handle;			/* of dlopen */
	bool up;			/* the last XL_CHILD_UP or DOWN that it told */
	bool inited, started;
	bool leaving;			/* type->leave has something to wait for */
	bool well_set;			/* each option by itself was right */
	uint32_t busy;			/* xl_busy */
};

struct xlator_export {
	char     magic[8];		/* "gf-xlatr" */
	uint32_t abi, nr_fops;		/* of the headers it was compiled with */
	size_t   type_size;
	const struct xlator_type *type;
};
/* Once per shared object. */
#define XLATOR_EXPORT(t) \
	__attribute__((visibility("default"), used)) \
	const struct xlator_export glusterfs_xlator = { \
		{ 'g', 'f', '-', 'x', 'l', 'a', 't', 'r' }, XLATOR_ABI, FOP_COUNT, sizeof(struct xlator_type), &(t) }

/* ---- calling ------------------------------------------------------------------------------ */

#define GF_API __attribute__((visibility("default")))
#pragma GCC visibility push(default)

void frame_wind(struct frame *f, int child, enum fop_id op, const void *args, union fop_done done, bool any);
void frame_reply(struct frame *f, int ret, const void *reply);
/* Answers an error; err < 0. */
void fail(struct frame *f, int err);
/* The child answers in our place. */
void pass(struct frame *f, int child);
/* Runs the operation of f on a child; handler and continuation for every operation (.any). */
void wind_any(struct frame *f, int child, any_done_fn *done);
/* Runs the operation of f, with other arguments (struct x_args of f->op). */
void wind_any_args(struct frame *f, int child, const void *args, any_done_fn *done);
void unwind_any(struct frame *f, int ret, const void *reply);

static inline void *frame_data(struct frame *f)
{
	return f->data;
}
/* Memory that lives until f's call ends; NULL when there is none.  Aligned to 16. */
void *frame_alloc(struct frame *f, size_t size);
char *frame_strdup(struct frame *f, const char *s);
const struct identity *frame_identity(const struct frame *f);
/*
 * What f winds from now on is done as `id`, which must live until f is answered.  Returns the identity until now;
 * whoever changed it puts it back before f is answered.
 */
const struct identity *frame_set_identity(struct frame *f, const struct identity *id);
/*
 * A word beside an answer, for protocols between translators: set below before an answer, read in the continuation;
 * 0: there was none.
 */
void frame_set_note(struct frame *f, uint64_t note);
uint64_t frame_note(const struct frame *f);
/*
 * f waits for something that may take for ever (a lock, a peer): when the caller gives up, cancel(f) runs; it
 * answers f (-EINTR), or starts what will.  NULL: not any more.
 */
void frame_on_cancel(struct frame *f, void (*cancel)(struct frame *f));

#define FOP(n, k) \
static inline void wind_##n(struct frame *f, int child, const struct n##_args *a, n##_done_fn *done) \
{ frame_wind(f, child, FOP_##n, a, (union fop_done){ .n = done }, false); } \
static inline void unwind_##n(struct frame *f, int ret, const struct n##_reply *r) \
{ assert(f->op == FOP_##n); frame_reply(f, ret, r); } \
static inline void forward_##n(struct frame *f, int child, int ret, const struct n##_reply *r) \
{ (void)child; unwind_##n(f, ret, r); }
#define ARG(t, f)
#define RET(t, f)
#define END(n)
#include "fops.def"

/* Keeps an answer beyond the callback it was given to: holds what is in it.  reply may be NULL. */
void reply_copy(union fop_reply *to, enum fop_id op, const void *reply);
void reply_drop(enum fop_id op, union fop_reply *r);
void args_hold(enum fop_id op, void *args);
void args_drop(enum fop_id op, void *args);
/* One line for a person, truncated to size. */
void args_print(enum fop_id op, const void *args, char *out, size_t size);
void reply_print(enum fop_id op, int ret, const void *reply, char *out, size_t size);

/*
 * A call of our own: a root frame in xl, on which operations on xl's children are wound; its `done` handlers see
 * that frame, whose op is the one wound (several may follow one another).  as: copied, NULL: root, no txn.
 * frame_size bytes of data, zeroed.  NULL: no memory.  Ends with call_end().
 */
struct frame *call_new(struct xlator *xl, const struct identity *as, size_t frame_size);
void call_end(struct frame *root);		/* nothing may be pending */
void call_cancel(struct frame *root);		/* asks whoever waits below to give up */
/* f, of a parallel translator, has wound to one child: who waits there is asked to give up.  Its answer (-EINTR, or the one that was on
 * its way) comes as any other, and may have come, and f have ended, when this returns. */
void frame_cancel_below(struct frame *f);
/* The identity of a call we made, to change before the first wind. */
struct identity *call_identity(struct frame *root);
/* A number for a change, and the gfid that it gives to what it creates. */
uint64_t call_new_txn(struct graph *g);
struct gfid call_new_gfid(struct graph *g, uint64_t txn);
/* The same below a server: of identity->client and identity->txn. */
struct gfid txn_gfid(uint64_t client, uint64_t txn);

/* ---- for translators ---------------------------------------------------------------------- */

static inline uint64_t *inode_slot(struct inode *inode, const struct xlator *xl)
{
	return &inode->slots[xl->index];
}
static inline uint64_t *fd_slot(struct fd *fd, const struct xlator *xl)
{
	return &fd->slots[xl->index];
}
struct inode_table *xl_inodes(const struct xlator *xl);
struct loop *xl_loop(const struct xlator *xl);
/* Tells the parents (all of them). */
void xl_notify(struct xlator *xl, enum xl_event what, void *data);
/* What is wrong, for the person who wrote the volume file: printed with its file and line ("volume "x": ...").
 * key: the option it is about, or NULL. */
void xl_error(struct xlator *xl, const char *key, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void xl_warning(struct xlator *xl, const char *key, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The n-th option of the volume whose key matches a pattern (fnmatch): its key and value, or false. */
bool xl_option_match(const struct xlator *xl, const char *pattern, size_t n, const char **key, const char **value);
/* What the storage below xl answers, if each volume on the way has one subvolume; or NULL. */
const char *xl_directory(const struct xlator *xl);
/* +1 while something must finish before the graph may be freed. */
void xl_busy(struct xlator *xl, int plus_or_minus);

#pragma GCC visibility pop
#endif
