/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * afr.h - what the files of cluster/afr share.  README has the idea; ../../replication/replication.h the
 * messages and the words.
 *
 * Bricks are counted in two ways: a *child* is one of our subvolumes, in the order of the volume file; a *place* is
 * the brick's in the view, the same for all clients.  Masks here are of children.
 */
#ifndef AFR_H
#define AFR_H

#include <sys/queue.h>

#include "graph.h"
#include "../../replication/replication.h"

enum {
	AFR_COMMITS = 256,		/* of a child, told at once */
	AFR_HELD_BUCKETS = 256,
};

struct afr_commit {
	uint64_t txn;
	uint32_t missing;		/* places that join and did not execute it; REPL_GIVEN_UP */
};

struct afr_child {
	bool up;			/* it serves */
	bool heard;			/* it has been up, down or failed since the start */
	bool failed;			/* it will not come up by itself */
	bool leaving;			/* its process is being stopped */
	bool asking, known;		/* its status: on the way; there */
	uint32_t epoch;			/* counts its ups and downs */
	struct repl_status status;
	bool asked_empty, empty;	/* (without a view) it has said whether there is anything in it */
	int place;			/* in the view; -1: it has none */
	uint64_t told_view;		/* in which it was told that it is out */
	char reason[256];		/* of being down, refused or evicted */
	uint32_t nr_commits;
	struct afr_commit commit[AFR_COMMITS];
	struct frame *committing;	/* a message is on the way */
};

struct afr {
	struct xlator *xl;
	/* options */
	int read_child;			/* read-subvolume; -1: by identity */
	uint64_t wait_ms;
	bool self_heal;
	uint32_t quorum_type, quorum_count;
	bool told_quorum;		/* that the set has another one */

	struct afr_child *child;
	struct view view;		/* number 0: not known yet */
	uint64_t view_name;
	int at[VIEW_BRICKS_MAX];	/* the child at a place; -1: none that we know */
	uint64_t full, joining, witnesses;	/* children by their role in the view */
	int home;			/* child; -1 */

	/* changing the view: one proposal at a time */
	bool looking;			/* the views of the children are being asked for or installed */
	bool look_again;
	bool proposing;
	bool promoting;			/* the proposal is to promote somebody, all are sealed */
	bool evicting;			/* the proposal puts somebody out: another one may fail only because he is gone */
	/* places that an operation could not do without, and could not use: something failed there; it was not here */
	uint32_t unwanted, away;
	char unwanted_why[VIEW_BRICKS_MAX][96];
	bool split;			/* two views that do not come from each other */
	int stuck;			/* why the last proposal could not be decided, until something happens; 0 */
	uint32_t promote;		/* places that are healed and sealed */
	uint64_t round;			/* of our ballots */

	TAILQ_HEAD(, afr_local) waiting;	/* calls, for another view or for a settler */
	struct task wake_task;
	bool waking;
	bool settling;			/* or resting after an attempt in vain */
	struct timer settle_timer;
	uint32_t settle_failures;

	struct frame *healing;
	uint32_t heal_failures;
	uint32_t heal_refused;		/* attempts, one after the other, in which the brick refused something */
	bool heal_told;
	int heal_last;			/* child */
	struct timer start_timer, retry_timer, commit_timer, heal_timer;
	bool told_up, told_failed, waited, stopping;

	LIST_HEAD(afr_key_bucket, afr_key) keys[1024];

	uint64_t nr_changes, nr_again, nr_settled, nr_views, nr_failovers, nr_healed, nr_heal_bytes;
	uint64_t nr_walks, nr_walk_dirs, nr_walk_objects, nr_walk_bytes;
	uint64_t members;		/* full and up */
	LIST_HEAD(afr_held_bucket, afr_held) held[AFR_HELD_BUCKETS];	/* locks, by inode */
	LIST_HEAD(, afr_local) lock_waits;
	struct timer lock_timer;	/* while there is one */
};

/* A key that a change of ours has; the next ones wait in order. */
struct afr_key {
	LIST_ENTRY(afr_key) link;
	struct repl_key key;
	struct afr_local *local;
};

struct afr_answer {
	int ret;
	union fop_reply reply;		/* held while ret >= 0 */
};

/* Our scratch in each call. */
struct afr_local {
	TAILQ_ENTRY(afr_local) link;	/* in afr->waiting */
	struct frame *frame;
	void (*again)(struct frame *f);	/* after waiting */
	void (*next)(struct frame *f);	/* when all that was sent is answered */
	struct identity id;		/* as whom we ask */
	const struct identity *caller;	/* and who asked us */
	struct afr_key key[REPL_KEYS_MAX];
	uint8_t nr_keys;
	bool has_keys, waits;
	uint64_t sent, pending;		/* children, a bit each */
	uint64_t tried;
	struct afr_answer *answers;	/* one per child; gather */
	uint64_t view;			/* in which home has answered */
	int home;			/* child */
	struct afr_answer law;		/* home's */
	bool has_law, was_done;		/* some home has done it, in any view */
	uint64_t yielded;		/* the view in which it was put in doubt */
	int child;			/* read, lk: the one being asked */
	int first_error;
	LIST_ENTRY(afr_local) lock_link;	/* lk: in afr->lock_waits, while it may wait at `child` */
	uint64_t locked;		/* lk: children that have it */
	bool moved;			/* lk: it has given up waiting there */
	bool failed;			/* sync: the others could not note who failed */
	bool begun;			/* a change that some brick may have executed */
};

static inline uint64_t afr_bit(int child)
{
	return (uint64_t)1 << child;
}
static inline int afr_lowest(uint64_t mask)
{
	return mask ? __builtin_ctzll(mask) : -1;
}
static inline uint64_t afr_all(const struct afr *afr)
{
	return UINT64_MAX >> (64 - afr->xl->nr_children);
}

/* afr.c */
/* How many bricks decide, by the options: 0: none. */
uint32_t afr_quorum(const struct xlator *xl);
/* As people know it: by the volume of their file, also when something was put in above it. */
const char *afr_name(const struct afr *afr, int child);
int afr_read_child(const struct afr *afr, const struct gfid *of, uint64_t mask);

/* afr-view.c: who is a member */
void afr_event(struct xlator *xl, int child, enum xl_event what, void *data);
void afr_start_timeout(struct timer *t);
/* What is known may be old: asks, installs, adopts, and proposes what is due. */
void afr_look(struct afr *afr);
/* The child's view is not ours: ask it. */
void afr_view_doubtful(struct afr *afr, int child);
/* An operation needs the brick at this place to be out of the view. */
void afr_unwant(struct afr *afr, int place, const char *why);
/* Full members that are not there keep changes from being done: out with them (afr_look), if it is false. */
bool afr_members_are_here(struct afr *afr);
/* Places with this role at which no child is up. */
uint32_t afr_missing(const struct afr *afr, enum view_role role);
/* f waits for another view, or for the end of settling; then again(f). */
void afr_wait(struct frame *f, void (*again)(struct frame *f));
void afr_wake(struct afr *afr);
/* Why f cannot be done now: 0, or -errno. */
int afr_verdict(const struct frame *f);
void afr_adopt(struct afr *afr, const struct view *v);
/* These places are healed, and all members sealed: makes them full.  done as of afr_propose. */
void afr_promote(struct afr *afr, uint32_t places);
void afr_tell(struct afr *afr);
void afr_retry(struct timer *t);

/* afr-register.c */
/*
 * Makes `next` the view after `from` (as the register has it: what is decided else is adopted in its place).  done:
 * 0: it is decided; -EAGAIN: another one is, or may be: look; -errno.
 */
void afr_propose(struct afr *afr, const struct view *from, const struct view *next,
		 void (*done)(struct afr *afr, int ret));

/* afr-change.c */
void afr_gather(struct frame *f, uint64_t mask, void (*next)(struct frame *f));
void afr_answers_drop(struct frame *f);
void afr_unwind(struct frame *f, int law);
void afr_change(struct frame *f);
void afr_sync(struct frame *f);
void afr_open(struct frame *f, const struct open_args *a);
void afr_flush(struct frame *f, const struct flush_args *a);
void afr_statfs(struct frame *f, const struct statfs_args *a);
bool afr_is_environment_error(int err);
bool afr_failed_by_itself(const struct frame *f, int err);
/* From here on f asks in our view; and back again, before its answer. */
void afr_identity_begin(struct frame *f);
void afr_fail(struct frame *f, int err);
void afr_unwind_any(struct frame *f, int ret, const void *reply);
/* Looks at the answer of a child that refused: true when f is to wait (afr_wait) and begin again. */
bool afr_refused(struct frame *f, int child, int ret);

/* afr-commit.c */
void afr_commit_add(struct afr *afr, uint64_t children, uint64_t txn, uint32_t missing, bool now);
void afr_commit_all(struct afr *afr);
void afr_commit_timer(struct timer *t);
/* A child is back: what it was not told is told now. */
void afr_commit_again(struct afr *afr);

/* afr-fd.c */
int afr_fds_of(const struct frame *f, struct fd *fds[2]);
void afr_with_fds(struct frame *f, uint64_t mask, void (*next)(struct frame *f));
uint64_t afr_fd_opened(struct xlator *xl, struct fd *fd);
void afr_fd_set_opened(struct xlator *xl, struct fd *fd, uint64_t mask);
void afr_fd_set_closed(struct xlator *xl, struct fd *fd, uint64_t mask);
/* Opens it there as it was opened, whatever we knew. */
void afr_fd_reopen(struct frame *f, int child, struct fd *fd, open_done_fn *done);
/* Its release will be told. */
void afr_fd_mark(struct xlator *xl, struct fd *fd);
/* Somebody else has got a lock of it: its operations fail until it is closed. */
void afr_fd_set_lost(struct xlator *xl, struct fd *fd);
bool afr_fd_is_lost(const struct frame *f);
void afr_note_opened(struct frame *f);
struct fd *afr_newfd(const struct frame *f);

/* afr-read.c */
/* For what needs no home: f asks in our view from now on.  false: it has failed, or waits for a member or for settling; then again(f). */
bool afr_begin(struct frame *f, void (*again)(struct frame *f));
void afr_read(struct frame *f);

/* afr-lock.c */
void afr_lk(struct frame *f, const struct lk_args *a);
void afr_flush_left_behind(struct frame *f, const struct flush_args *a);
/* There is another view: who waits for a lock at a child that is no member begins again. */
void afr_locks_move(struct afr *afr);

/* afr-held.c: the locks of our own */
/* The lk operation f has been done on these children (or, an unlock, is about to be).  false: no memory to remember it. */
bool afr_held_change(struct frame *f, uint64_t children);
/* What the owner of l has in its range is given up. */
void afr_held_drop(struct afr *afr, const struct fd *fd, const struct lock *l);
/* This child may have forgotten them. */
void afr_held_lost(struct afr *afr, int child);
/* Takes them on the members where they do not stand. */
void afr_held_bring(struct afr *afr);
void afr_held_free(struct afr *afr);
void afr_release(struct xlator *xl, struct fd *fd, uint64_t slot);

/* afr-settle.c */
/* Something is in doubt: settles all that is, then wakes who waits. */
void afr_settle(struct afr *afr);
void afr_settle_stop(struct afr *afr);

/* afr-heal.c */
void afr_heal_wanted(struct afr *afr);
void afr_heal_stop(struct afr *afr);
void afr_heal_dump(const struct afr *afr, struct dump *d);

/* Of a file's data: bytes [begin, end), both of blocks; blocks: of one chunk those with a bit, 0: all. */
struct afr_part {
	uint64_t begin, end;
	uint16_t blocks;
};

/* afr-data.c */
/* The part of a regular file on child `to` becomes what it is on child `from`; the rest as afr_mend. */
void afr_copy(struct afr *afr, int from, int to, const struct identity *id, struct inode *inode, const struct afr_part *part,
	      void (*done)(void *arg, int ret), void *arg);

/* afr-mend.c */
/*
 * Makes what `item` names on child `to` what it is on child `from`, as `id` (view, grant, impose).  place: of `to`, which joins, and
 * is noted to lack objects that are made there; -1: it does not join, they are mended at once.  done(arg, ret): 0;
 * -EAGAIN: something else must be mended first; -errno.  Runs in a call of its own.
 * part: NULL, or (a walk) the part of the data that an item of data is about; an item of a name then has none, which come by themselves.
 */
void afr_mend(struct afr *afr, int from, int to, int place, const struct identity *id, const struct item *item,
	      const struct afr_part *part, void (*done)(void *arg, int ret), void *arg);

/* A message: `put` writes it.  done as of wind_replicate.  false: no memory, done is not called. */
bool afr_message(struct frame *f, int child, enum repl_what what, size_t bound,
		 void (*put)(struct wire *w, const void *arg), const void *arg, replicate_done_fn *done);

#endif
