/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * replica-time.c - the same modification time on every brick, to the second.
 *
 * Each brick stamps a change with its own clock.  A change comes to the others with the time at which home has done it; where
 * the second is another one, the brick sets home's before it answers.  An operation that did nothing (a write of no bytes) has
 * stamped nothing, which is seen by a time that does not lie between its begin and end.
 *
 * Cost: nothing while the clocks agree and the second does not change in between; else a setattr on the brick's own storage.
 * Limitation: when two clients change one directory at the same moment, and its second changes between them, the directory may
 * have the time of either.
 */
#include <time.h>

#include "replica.h"

static struct ts now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (struct ts){ .sec = t.tv_sec, .nsec = (uint32_t)t.tv_nsec };
}

static bool is_before(const struct ts *a, const struct ts *b)
{
	return a->sec != b->sec ? a->sec < b->sec : a->nsec < b->nsec;
}

void replica_time_begin(struct frame *f)
{
	/* The clock of file systems: it may be a tick behind the exact one. */
	((struct replica_call *)frame_data(f))->begun = now(CLOCK_REALTIME_COARSE);
}

static void answered(struct frame *f)
{
	struct replica_call *call = frame_data(f);
	union fop_reply reply = call->reply;
	enum fop_id op = f->op;

	frame_set_identity(f, call->caller);
	replica_change_end(f, call->ret, &reply);
	reply_drop(op, &reply);
}

static void set_next(struct frame *f);

static void time_set(struct frame *f, int child, int ret, const struct setattr_reply *reply)
{
	/* Whatever became of it: the change itself has been made. */
	set_next(f);
}

/* What home has stamped the first object with, or a later one. */
static struct ts stamp_of(const struct frame *f, bool first)
{
	uint64_t stamp = frame_identity(f)->stamp_ns, ns = stamp & ~REPL_STAMP_NEXT;
	struct ts t = { .sec = (int64_t)(ns / 1000000000), .nsec = (uint32_t)(ns % 1000000000) };

	return first || !(stamp & REPL_STAMP_NEXT) ? t : (struct ts){ .sec = t.sec + 1 };
}

static void set_next(struct frame *f)
{
	struct replica_call *call = frame_data(f);

	if (!call->nr_late)
		return answered(f);
	const struct attr *late = &call->late[--call->nr_late];
	struct inode *inode = inode_get(xl_inodes(f->xl), &late->gfid, late->mode & S_IFMT);
	if (!inode)
		return answered(f);
	wind_setattr(f, 0, &(struct setattr_args){ .inode = inode, .attr = { .mtime = late->mtime }, .valid = SET_MTIME },
		     time_set);
	inode_unref(inode);
}

/* The objects that the operation has stamped in another second, with home's time; the state before it is no such thing. */
static void find_late(struct frame *f, const void *reply)
{
	struct replica_call *call = frame_data(f);
	const struct attr *attrs[REPL_ATTRS_MAX];
	int nr = repl_attrs(f->op, reply, attrs), nr_stamped = 0;
	struct ts end = now(CLOCK_REALTIME);

	call->nr_late = 0;
	for (int i = 0; i < nr; i++) {
		const struct ts *t = &attrs[i]->mtime;

		if ((i + 1 < nr && gfid_equal(&attrs[i]->gfid, &attrs[i + 1]->gfid)) || !repl_stamps(f->op, f->args, attrs[i]))
			continue;
		struct ts stamp = stamp_of(f, nr_stamped++ == 0);
		if (t->sec == stamp.sec || is_before(t, &call->begun) || is_before(&end, t))
			continue;
		call->late[call->nr_late] = *attrs[i];
		call->late[call->nr_late++].mtime = stamp;
	}
}

bool replica_time_mend(struct frame *f, int ret, const void *reply)
{
	struct replica_call *call = frame_data(f);
	const struct identity *id = frame_identity(f);

	if (!id->grant || !id->stamp_ns)
		return false;
	find_late(f, reply);
	if (!call->nr_late)
		return false;
	call->ret = ret;
	reply_copy(&call->reply, f->op, reply);
	/* As the brick itself: who may write to a file need not be allowed to set its times. */
	call->own = *id;
	call->own.enforce = call->own.kill_priv = false;
	call->caller = frame_set_identity(f, &call->own);
	set_next(f);
	return true;
}
