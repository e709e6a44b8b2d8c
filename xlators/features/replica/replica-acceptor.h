/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * replica-acceptor.h - one acceptor of the view register (CASPaxos) over its durable state, and its messages.
 *
 * For the loop thread.
 */
#ifndef GLUSTERFS_REPLICA_ACCEPTOR_H
#define GLUSTERFS_REPLICA_ACCEPTOR_H

#include "replica-register.h"

/* ret < 0: nothing was promised, p is NULL.  Otherwise p is borrowed for the call. */
typedef void register_answer_fn(void *arg, int ret, const struct repl_promise *p);

/*
 * The two requests of a proposer.  The answer comes when all that it says is on stable storage; that may be before the
 * function returns.  p->ok: it was done, also if it had been done before (a repeated message).  -EINVAL: no ballot or no
 * view, a view of another replica set, or another view than the one accepted under the same ballot.
 */
void register_prepare(struct register_file *r, struct repl_ballot ballot, register_answer_fn *done,
		      void *arg);
void register_accept(struct register_file *r, struct repl_ballot ballot, const struct view *view,
		     register_answer_fn *done, void *arg);
/*
 * Stores a view that the caller knows to be decided as the installed one: done(arg, 0) when it is on stable storage, also
 * if it was there before.  -ESTALE: a later one of its line is installed.  -EEXIST: it is of another line than the
 * installed one: a fork.  -EINVAL: no view, or of another replica set.
 */
void register_install(struct register_file *r, const struct view *view,
		      void (*done)(void *arg, int ret), void *arg);
/* What register_install() would answer now, without doing anything; 1: it is the installed one (or will be). */
int register_may_install(const struct register_file *r, const struct view *view);

/*
 * Answers f if it is one of REPL_PREPARE, REPL_ACCEPT, REPL_INSTALL, later: f->xl is busy (xl_busy) until then.  False:
 * it is not, nothing was done.  Who has something of his own to do before a view is installed handles REPL_INSTALL
 * himself.
 */
bool replicate_register(struct frame *f, const struct replicate_args *a, struct register_file *r);
/* Fills in what the register knows: brick, incarnation, installed. */
void register_status(const struct register_file *r, struct repl_status *s);
/* Answers f, a REPL_STATUS. */
void replicate_status(struct frame *f, const struct repl_status *s);

#endif
