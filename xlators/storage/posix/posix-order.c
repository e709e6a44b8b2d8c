/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * posix-order.c - operations on an object stay in the order in which they came.
 *
 * An operation that goes to a worker takes a place in the queue of each object it concerns (two for
 * a rename between directories).  It is posted when it has been granted all its places: ALONE at
 * the head of the queue, SHARED when only SHARED ones are ahead.  One that could run on the loop
 * must join the queue too when it would overtake somebody.  (work.order knows one key per item and
 * no sharing: it would let a rename overtake in one of its directories and make parallel cold reads
 * of a file wait for each other.)
 *
 * The queue hangs in the inode's slot as long as it is not empty: an idle object costs nothing.
 * No deadlock: places in all queues are taken at once, in one turn of the loop.  Loop thread only.
 */
#include <stdlib.h>

#include "posix.h"

struct posix_queue {
	struct posix_turn *first, **last;
};

static struct posix_queue *queue_of(const struct posix_op *op, struct inode *inode)
{
	return (struct posix_queue *)(uintptr_t)*inode_slot(inode, op->p->xl);
}

bool posix_order_is_free(const struct posix_op *op)
{
	for (int i = 0; i < op->nr_turns; i++) {
		struct posix_queue *q = queue_of(op, op->turns[i].inode);

		if (!q)
			continue;
		if (op->turn == TURN_ALONE)
			return false;
		for (struct posix_turn *t = q->first; t; t = t->next)
			if (t->op->turn == TURN_ALONE)
				return false;
	}
	return true;
}

/* Grants places at the head of a queue; operations that have all of theirs are put on *ready. */
static void queue_grant(struct posix_queue *q, struct posix_op ***ready)
{
	for (struct posix_turn *t = q->first; t; t = t->next) {
		bool alone = t->op->turn == TURN_ALONE;

		if (alone && t != q->first)
			break;
		if (!t->granted) {
			t->granted = true;
			if (--t->op->waits == 0) {
				**ready = t->op;
				*ready = &t->op->next_ready;
				t->op->next_ready = NULL;
			}
		}
		if (alone)
			break;
	}
}

static void queue_remove(struct posix_turn *turn, struct posix_op ***ready)
{
	uint64_t *slot = inode_slot(turn->inode, turn->op->p->xl);
	struct posix_queue *q = (struct posix_queue *)(uintptr_t)*slot;
	struct posix_turn **link = &q->first;

	while (*link != turn) {
		assert(*link);
		link = &(*link)->next;
	}
	*link = turn->next;
	if (q->last == &turn->next)
		q->last = link;
	if (!q->first) {
		*slot = 0;
		free(q);
	} else {
		queue_grant(q, ready);
	}
}

static int queue_make(const struct posix_op *op, struct inode *inode)
{
	uint64_t *slot = inode_slot(inode, op->p->xl);

	if (*slot)
		return 0;
	struct posix_queue *q = malloc(sizeof *q);

	if (!q)
		return -ENOMEM;
	q->first = NULL;
	q->last = &q->first;
	*slot = (uint64_t)(uintptr_t)q;
	return 0;
}

static void queue_unmake(const struct posix_op *op, struct inode *inode)
{
	uint64_t *slot = inode_slot(inode, op->p->xl);
	struct posix_queue *q = (struct posix_queue *)(uintptr_t)*slot;

	if (q && !q->first) {
		*slot = 0;
		free(q);
	}
}

/* Takes op out of its queues and posts who can go now. */
static void order_remove(struct posix_op *op, bool post_it)
{
	struct posix_op *list = NULL, **ready = &list;
	int n = op->nr_turns;

	op->nr_turns = 0;
	for (int i = 0; i < n; i++)
		queue_remove(&op->turns[i], &ready);
	if (post_it)
		posix_post(op);
	while (list) {
		struct posix_op *next = list->next_ready;

		if (list->turn == TURN_AFTER)
			order_remove(list, true);
		else
			posix_post(list);
		list = next;
	}
}

int posix_order_enter(struct posix_op *op)
{
	int ret = 0;

	for (int i = 0; i < op->nr_turns && ret == 0; i++)
		ret = queue_make(op, op->turns[i].inode);
	if (ret < 0) {
		for (int i = 0; i < op->nr_turns; i++)
			queue_unmake(op, op->turns[i].inode);
		return ret;
	}

	struct posix_op *list = NULL, **ready = &list;

	op->waits = op->nr_turns;
	for (int i = 0; i < op->nr_turns; i++) {
		struct posix_queue *q = queue_of(op, op->turns[i].inode);

		*q->last = &op->turns[i];
		q->last = &op->turns[i].next;
		queue_grant(q, &ready);
	}
	/* only op itself can have become ready */
	assert(!list || list == op);
	if (!list)
		op->p->waited++;
	else if (op->turn == TURN_AFTER)
		order_remove(op, true);
	else
		posix_post(op);
	return 0;
}

void posix_order_leave(struct posix_op *op)
{
	order_remove(op, false);
}
