/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* afr.h - what the files of cluster/afr share.  README has the idea. */
#ifndef AFR_H
#define AFR_H

#include "xlator.h"

enum { AFR_MAX = 63 };		/* children: a bit each, one bit to spare */

/* A child is a *member* when it is up, its marks have been read and it has missed nothing. */
struct afr_child {
	bool up;		/* it serves */
	bool checking;		/* its marks are being read */
	bool heard;		/* it has been up, down or failed since the start */
	bool failed;		/* it will not come up by itself */
	bool out;		/* it has missed a change: stays out */
	uint32_t epoch;		/* counts its ups and downs */
	uint64_t marked_by;	/* children that have the mark against it ... */
	uint64_t marking;	/* ... and that are being given it */
	uint64_t vouched;	/* children that were asked about it when both were good, and that nobody has
				 * used without it since */
	char id[33];		/* of the brick, hexadecimal; "" when the child has none */
	char reason[192];	/* of being down or out */
	uint64_t since_ns;	/* wall clock of the last change of state */
};

struct afr {
	struct xlator *xl;
	bool self_heal;
	int read_child;			/* option read-subvolume; -1: by identity */
	uint64_t wait_ms;
	struct afr_child *child;
	uint64_t members;		/* bit i: child i is a member */
	uint64_t ever;			/* has been one since we began */
	uint64_t check_again_ns;	/* when the members' marks are to be read again */
	int mark_error;			/* why the last member could not be given a mark; 0 */
	uint32_t checks, marks;		/* under way: changes wait */
	struct frame *waiting, **waiting_tail;
	struct timer start_timer, retry_timer;
	bool waited;			/* start-timeout is over */
	bool told_up, told_failed;
	bool stopping;			/* children go one by one: that is no failure of theirs */
	uint64_t failovers, time_fixes;
};

struct afr_answer {
	int ret;
	union fop_reply reply;		/* held while ret >= 0 */
};

/* Our scratch in each call. */
struct afr_local {
	/* when all that was sent is answered, or the wait is over */
	void (*next)(struct frame *f);
	struct frame *waiting_next;
	struct afr_answer *answers;		/* one per child; gather */
	uint64_t sent, pending;			/* children, one bit each */
	/* read: children that were asked; else: where a file could not be opened */
	uint64_t tried;
	int child;				/* read, lk: the one being asked */
	int first_error;
	uint64_t good;				/* change: children that answered like the law */
	uint64_t locked;			/* lk: children that have it */
	bool waits;				/* lk: what was held before has been given up */
	bool timed;				/* counted by afr_times_begin */
	bool marking;				/* has asked for marks */
};

static inline uint64_t afr_all(const struct afr *afr)
{
	return UINT64_MAX >> (64 - afr->xl->nr_children);
}

static inline uint64_t afr_bit(int child)
{
	return (uint64_t)1 << child;
}

/* afr.c */
/* The child that the data of this object is read from, of those in mask; -1: none. */
int afr_read_child(const struct afr *afr, const struct gfid *of, uint64_t mask);
/* The lowest child of a mask, -1: none.  Of the members: the *law*, whose attributes and names are
 * told to everybody. */
static inline int afr_lowest(uint64_t mask)
{
	return mask ? __builtin_ctzll(mask) : -1;
}

/* afr-member.c */
void afr_event(struct xlator *xl, int child, enum xl_event what, void *data);
void afr_start_timeout(struct timer *t);
void afr_retry_checks(struct timer *t);
/* Reads the marks of the members again, in the background, when it is time. */
void afr_check_again(struct afr *afr);
/*
 * Takes the children in mask out, because of `why`, also when they are no members any more; the
 * caller then waits (afr_wait) for the marks to be written.  Never the last member, and nobody when
 * we stop: false, nothing is done.
 */
bool afr_evict(struct afr *afr, uint64_t mask, const char *why);
/* Does every member have the mark against each child in mask? */
bool afr_is_marked(const struct afr *afr, uint64_t mask);
/* Writes the marks that are missing for that; the children in mask are out from now on. */
void afr_mark(struct afr *afr, uint64_t mask);
static inline bool afr_must_wait(const struct afr *afr)
{
	return afr->checks || afr->marks;
}
/* Runs next(f) when no check and no mark is under way. */
void afr_wait(struct frame *f, void (*next)(struct frame *f));

/* afr-change.c */
/* Runs the operation of f on all children in mask (not 0), then next(f), with local->answers. */
void afr_gather(struct frame *f, uint64_t mask, void (*next)(struct frame *f));
void afr_answers_drop(struct frame *f);
/* Answers f with what child `law` answered. */
void afr_unwind(struct frame *f, int law);
void afr_change(struct frame *f);
void afr_sync(struct frame *f);
void afr_open(struct frame *f, const struct open_args *a);
void afr_flush(struct frame *f, const struct flush_args *a);
void afr_statfs(struct frame *f, const struct statfs_args *a);
bool afr_is_environment_error(int err);
/* Could the child that answered `err` not do the operation of f, for a reason of its own? */
bool afr_failed_by_itself(const struct frame *f, int err);

/* afr-fd.c */
/* The open files and objects that the arguments of f name, at most two each. */
int afr_fds_of(const struct frame *f, struct fd *fds[2]);
int afr_inodes_of(const struct frame *f, struct inode *inodes[4]);
/* Opens the files of f on those children in mask where they are not open, then next(f). */
void afr_with_fds(struct frame *f, uint64_t mask, void (*next)(struct frame *f));
uint64_t afr_fd_opened(struct xlator *xl, struct fd *fd);
void afr_fd_set_opened(struct xlator *xl, struct fd *fd, uint64_t mask);
/* After a gather of create or open: remembers where the new file is open. */
void afr_note_opened(struct frame *f);

/* afr-read.c */
void afr_read(struct frame *f);
void afr_lookup(struct frame *f, const struct lookup_args *a);

/* afr-lock.c */
void afr_lk(struct frame *f, const struct lk_args *a);
/* Drops the locks on children that are out.  Nobody waits for it. */
void afr_flush_left_behind(struct frame *f, const struct flush_args *a);

/* afr-time.c */
void afr_times_begin(struct frame *f);		/* a change of f's objects starts */
/* it is answered: compare, and mend when nothing else is under way */
void afr_times_end(struct frame *f);

#endif
