/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * replica-register.h - what an acceptor of the view register must never forget: one small file.
 *
 * For the loop thread; the writing itself is done by workers of the pool.
 */
#ifndef GLUSTERFS_REPLICA_REGISTER_H
#define GLUSTERFS_REPLICA_REGISTER_H

#include "replication.h"

enum { REGISTER_ERROR = 256 };

struct register_state {
	struct gfid brick;		/* who we are: random, for ever */
	uint64_t incarnation;		/* random, another one after each unclean stop of the host */
	uint8_t boot_id[16];		/* of the host when this was written */
	bool clean;			/* stopped, and nothing was left to be written by the kernel */
	struct repl_ballot promised, accepted;
	struct view view;		/* that was accepted under `accepted` */
	struct view installed;		/* that is known to be decided */
};

struct register_file;			/* an open register */

/*
 * Opens the file `register` in a directory (borrowed, not needed afterwards), or makes it; blocks.  It is ours alone
 * until register_close(): -EBUSY when somebody else has it.  The state is stored as that of a brick at work before this
 * returns.  0, or -errno with a sentence in error.  A file that is there and cannot be understood is -EUCLEAN, for an
 * acceptor that starts anew would break its promises.
 *
 * The boot id is that of the kernel, or the content of the file that GLUSTERFS_BOOT_ID in the environment names (for
 * tests that play a power loss).
 */
int register_open(int dirfd, struct loop *l, struct pool *pool, struct register_file **ret,
		  char error[REGISTER_ERROR]);
/*
 * Closes and frees; blocks, and takes NULL.  clean: everything that the brick wrote, the whole file system, is on stable
 * storage, so that a power loss from now on loses nothing.  Who still waits for a write is told
 * -ECANCELED, to free what he has.
 */
void register_close(struct register_file *r, bool clean);

/* What is on stable storage.  Valid until the loop runs again. */
const struct register_state *register_get(const struct register_file *r);
/* The same with all that was put and is not written yet: what the next register_put() must be made from. */
const struct register_state *register_newest(const struct register_file *r);
/*
 * Stores *next: done(arg, 0) comes when it, or a later one, is on stable storage, in the order of the puts.  -errno: it
 * is not, but it may be later, when another one is.  done may be called before this returns (no memory).
 */
void register_put(struct register_file *r, const struct register_state *next,
		  void (*done)(void *arg, int ret), void *arg);
/* done(arg, 0) comes when all that was put until now is on stable storage; at once if it is. */
void register_wait(struct register_file *r, void (*done)(void *arg, int ret), void *arg);
/* Nothing is under way. */
bool register_idle(const struct register_file *r);
/* How often it was written since it was opened. */
uint64_t register_writes(const struct register_file *r);

#endif
