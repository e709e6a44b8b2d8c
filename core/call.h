/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* call.h - what a call is made of; for core/ only (xlator.h has what translators need). */
#ifndef GLUSTERFS_CALL_H
#define GLUSTERFS_CALL_H

#include "xlator.h"

enum { CALL_ARENA = 4096 - 192 };	/* so that a call is one page */

struct call_chunk {			/* for calls that need more than a page */
	struct call_chunk *prev;
	uint32_t first_mark;		/* arena position at which this chunk starts */
	uint32_t size;
	_Alignas(16) uint8_t bytes[];
};

/*
 * A call: identity and an arena of frames.  Going down pushes a frame, answering pops it: no malloc, no lock.
 * A leg is a call of its own, with the identity of the call it belongs to.
 */
struct call {
	struct call *next_free;
	const struct identity *id;	/* our own, or (leg) the root call's */
	struct identity own;
	struct call *leg_next, **leg_link;	/* (leg) in the legs of the parent frame's call; (root) in the thread's list of calls, oldest first */
	struct call *legs;
	struct frame *top;		/* the frame that is being worked on: for cancel and dumps */
	uint64_t begun_ns;		/* (root) on the clock of the graph's loop; 0: it has none */
	struct call_chunk *chunk;	/* NULL: still in arena */
	uint32_t used;
	uint64_t note;			/* beside the answer that comes next */
	bool cancelled;
	bool *ended;			/* set by call_end(), for a call_cancel() on the stack; NULL: none */
	_Alignas(16) uint8_t arena[CALL_ARENA];
};

/* Does the type have a handler for op? */
bool xlator_handles(const struct xlator_type *t, enum fop_id op);
/* Calls of this thread that were begun and not ended: how many, and the oldest; ->leg_next is the next. */
uint32_t call_count(void);
const struct call *call_oldest(void);
/* Tells what the calls of a graph wait for, a line for each, oldest first; of the first CALLS_TOLD and
 * how many more there are. */
enum { CALLS_TOLD = 1000 };
void calls_tell(const struct graph *g, void (*tell)(void *arg, const char *line), void *arg);
/* Frees what the allocator of calls kept (tests, exit). */
void call_trim(void);

#endif
