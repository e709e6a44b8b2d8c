/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rep.h - what the files of cluster/replicate share.  README has the idea; ../../replication/replication.h the
 * messages and the words.
 *
 * Bricks are counted in two ways: a *child* is one of our subvolumes, in the order of the volume file; a *place* is
 * the brick's in the view, the same for all clients.  Masks here are of children.
 */
#ifndef REP_H
#define REP_H

#include <sys/queue.h>

#include "graph.h"
#include "../../replication/replication.h"

enum { REP_COMMITS = 256 };	/* of a child, told at once */

struct rep_commit {
	uint64_t txn;
	uint32_t missing;		/* places that join and did not execute it */
};

struct rep_child {
	bool up;			/* it serves */
	bool heard;			/* it has been up, down or failed since the start */
	bool failed;			/* it will not come up by itself */
	bool asking, known;		/* its status: on the way; there */
	uint32_t epoch;			/* counts its ups and downs */
	struct repl_status status;
	int place;			/* in the view; -1: it has none */
	char reason[192];		/* of being down, refused or evicted */
	uint32_t nr_commits;
	struct rep_commit commit[REP_COMMITS];
	struct frame *committing;	/* a message is on the way */
};

struct rep {
	struct xlator *xl;
	/* options */
	int read_child;			/* read-subvolume; -1: by identity */
	uint64_t wait_ms;
	bool self_heal;
	uint32_t quorum_type, quorum_count;

	struct rep_child *child;
	struct view view;		/* number 0: not known yet */
	uint64_t view_name;
	int at[VIEW_BRICKS_MAX];	/* the child at a place; -1: none that we know */
	uint64_t full, joining, witnesses;	/* children by their role in the view */
	int home;			/* child; -1 */

	/* changing the view: one proposal at a time */
	bool looking;			/* the views of the children are being asked for or installed */
	bool look_again;
	bool proposing;
	uint32_t unwanted;		/* places that an operation could not do without, and could not use */
	char unwanted_why[VIEW_BRICKS_MAX][96];
	bool split;			/* two views that do not come from each other */
	int stuck;			/* why the last proposal could not be decided, until something happens; 0 */
	uint32_t promote;		/* places that are healed and sealed */
	uint64_t round;			/* of our ballots */

	TAILQ_HEAD(, rep_local) waiting;	/* calls, for another view or for a settler */
	struct task wake_task;
	bool waking;
	bool settling;
	uint32_t settle_failures;

	struct frame *healing;
	uint32_t heal_failures;
	struct timer start_timer, retry_timer, commit_timer, heal_timer;
	bool told_up, told_failed, waited, stopping;

	LIST_HEAD(rep_key_bucket, rep_key) keys[1024];

	uint64_t nr_changes, nr_again, nr_settled, nr_views, nr_failovers, nr_healed, nr_heal_bytes, time_fixes;
	uint64_t members;		/* full and up: for files shared in form with others */
};

/* A key that a change of ours has; the next ones wait in order. */
struct rep_key {
	LIST_ENTRY(rep_key) link;
	struct repl_key key;
	struct rep_local *local;
};

struct rep_answer {
	int ret;
	union fop_reply reply;		/* held while ret >= 0 */
};

/* Our scratch in each call. */
struct rep_local {
	TAILQ_ENTRY(rep_local) link;	/* in rep->waiting */
	struct frame *frame;
	void (*again)(struct frame *f);	/* after waiting */
	void (*next)(struct frame *f);	/* when all that was sent is answered */
	struct identity id;		/* as whom we ask */
	const struct identity *caller;	/* and who asked us */
	struct rep_key key[REPL_KEYS_MAX];
	uint8_t nr_keys;
	bool has_keys, changing, timed, waits;
	uint64_t sent, pending;		/* children, a bit each */
	uint64_t tried;
	struct rep_answer *answers;	/* one per child; gather */
	uint64_t view;			/* in which home has answered */
	int home;			/* child */
	struct rep_answer law;		/* home's */
	bool has_law;
	int child;			/* read, lk: the one being asked */
	int first_error;
	uint64_t locked;		/* lk: children that have it */
	uint32_t turns;			/* how often it was begun */
	bool settle_failed;
};

static inline uint64_t rep_bit(int child)
{
	return (uint64_t)1 << child;
}
static inline int rep_lowest(uint64_t mask)
{
	return mask ? __builtin_ctzll(mask) : -1;
}
static inline uint64_t rep_all(const struct rep *rep)
{
	return UINT64_MAX >> (64 - rep->xl->nr_children);
}

/* rep.c */
int rep_read_child(const struct rep *rep, const struct gfid *of, uint64_t mask);

/* rep-view.c: who is a member */
void rep_event(struct xlator *xl, int child, enum xl_event what, void *data);
void rep_start_timeout(struct timer *t);
/* What is known may be old: asks, installs, adopts, and proposes what is due. */
void rep_look(struct rep *rep);
/* The child's view is not ours: ask it. */
void rep_view_doubtful(struct rep *rep, int child);
/* An operation needs the brick at this place to be out of the view. */
void rep_unwant(struct rep *rep, int place, const char *why);
/* Places with this role at which no child is up. */
uint32_t rep_missing(const struct rep *rep, enum view_role role);
/* f waits for another view, or for the end of settling; then again(f). */
void rep_wait(struct frame *f, void (*again)(struct frame *f));
void rep_wake(struct rep *rep);
/* Why nothing can be done now: 0, or -errno. */
int rep_verdict(const struct rep *rep);
void rep_adopt(struct rep *rep, const struct view *v);
/* These places are healed, and all members sealed: makes them full.  done as of rep_propose. */
void rep_promote(struct rep *rep, uint32_t places);
void rep_tell(struct rep *rep);
void rep_retry(struct timer *t);

/* rep-register.c */
/*
 * Makes `next` the view after `from` (as the register has it: what is decided else is adopted in its place).  done:
 * 0: it is decided; -EAGAIN: another one is, or may be: look; -errno.
 */
void rep_propose(struct rep *rep, const struct view *from, const struct view *next,
		 void (*done)(struct rep *rep, int ret));

/* rep-change.c */
void rep_gather(struct frame *f, uint64_t mask, void (*next)(struct frame *f));
void rep_answers_drop(struct frame *f);
void rep_unwind(struct frame *f, int law);
void rep_change(struct frame *f);
void rep_sync(struct frame *f);
void rep_open(struct frame *f, const struct open_args *a);
void rep_flush(struct frame *f, const struct flush_args *a);
void rep_statfs(struct frame *f, const struct statfs_args *a);
bool rep_is_environment_error(int err);
bool rep_failed_by_itself(const struct frame *f, int err);
/* From here on f asks in our view; and back again, before its answer. */
void rep_identity_begin(struct frame *f);
void rep_fail(struct frame *f, int err);
void rep_unwind_any(struct frame *f, int ret, const void *reply);
/* Looks at the answer of a child that refused: true when f is to wait (rep_wait) and begin again. */
bool rep_refused(struct frame *f, int child, int ret);

/* rep-commit.c */
void rep_commit_add(struct rep *rep, uint64_t children, uint64_t txn, uint32_t missing, bool now);
void rep_commit_all(struct rep *rep);
void rep_commit_timer(struct timer *t);
void rep_commit_forget(struct rep *rep, int child);

/* rep-fd.c */
int rep_fds_of(const struct frame *f, struct fd *fds[2]);
int rep_inodes_of(const struct frame *f, struct inode *inodes[4]);
void rep_with_fds(struct frame *f, uint64_t mask, void (*next)(struct frame *f));
uint64_t rep_fd_opened(struct xlator *xl, struct fd *fd);
void rep_fd_set_opened(struct xlator *xl, struct fd *fd, uint64_t mask);
void rep_note_opened(struct frame *f);
struct fd *rep_newfd(const struct frame *f);

/* rep-read.c */
void rep_read(struct frame *f);

/* rep-lock.c */
void rep_lk(struct frame *f, const struct lk_args *a);
void rep_flush_left_behind(struct frame *f, const struct flush_args *a);

/* rep-settle.c */
/* Something is in doubt: settles all that is, then wakes who waits. */
void rep_settle(struct rep *rep);

/* rep-heal.c */
void rep_heal_wanted(struct rep *rep);
void rep_heal_stop(struct rep *rep);

/* rep-mend.c */
/*
 * Makes what `item` names on child `to` what it is on child `from`, as `id` (view, grant, impose).  done(arg, ret): 0;
 * -EAGAIN: something else must be mended first; -errno.  Runs in a call of its own.
 */
void rep_mend(struct rep *rep, int from, int to, const struct identity *id, const struct item *item,
	      void (*done)(void *arg, int ret), void *arg);

/* A message: `put` writes it.  done as of wind_replicate.  false: no memory, done is not called. */
bool rep_message(struct frame *f, int child, enum repl_what what, size_t bound,
		 void (*put)(struct wire *w, const void *arg), const void *arg, replicate_done_fn *done);

#endif
