/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* afr-heal.h - what afr-heal.c (pages of items, lists) and afr-walk.c (everything) share. */
#ifndef AFR_HEAL_H
#define AFR_HEAL_H

#include "afr.h"

enum { HEAL_PAGE = 64 };
#define HEAL_WALK_TOKEN UINT64_C(1)	/* of a client for the key of ITEM_ALL: one walks at a time */

struct walk;

struct heal {
	uint64_t view, token, grant;
	int home, target, source;	/* children; source: whose list it is */
	uint8_t place;			/* of the target */
	uint64_t sources;		/* not asked yet in this round */
	uint64_t cursor;
	bool progress;			/* something was mended in this round */
	bool failed, left;		/* left: something was listed and could not be mended ... */
	bool attributes, skipped;	/* they are mended by now; there are such */
	bool refused;			/* ... and not because something else is to come first */
	bool again;			/* this page, in a moment */
	struct item item[HEAL_PAGE];
	struct afr_part part[HEAL_PAGE];	/* (a walk) of data */
	uint64_t generation[HEAL_PAGE];
	bool mended[HEAL_PAGE];
	struct repl_key key[HEAL_PAGE];
	uint32_t nr, at, nr_mended, pass;
	uint32_t turns;			/* how often this page was begun */
	uint64_t sealed;		/* children */
	bool owned;			/* home keeps our keys, ... */
	bool alone;			/* ... and that of walks */
	bool over_again;		/* in the end */
	uint32_t lacking;		/* places: the target is to know that they lack everything */
	struct walk *walk;		/* where the page comes from; NULL: from a list */
};

static inline struct heal *heal_of(struct frame *f)
{
	return *(struct heal **)frame_data(f);
}

/* The end of this run, when all that home keeps for us is given back; again: another one begins soon. */
void heal_end(struct frame *f, bool again);
/* Is it still the view, the home and the target with which it began? */
bool heal_is_current(const struct frame *f);
/* As afr_message, with f's struct heal; where it cannot be sent the run ends. */
void heal_send(struct frame *f, int child, enum repl_what what, size_t bound,
	       void (*put)(struct wire *w, const void *arg), replicate_done_fn *done);
/* From here on it is asked as anybody; as who has the grant. */
void heal_as_client(struct frame *f);
void heal_as_healer(struct frame *f);
/* The lists again: all of them. */
void heal_list(struct frame *f);
/* Mends item[0..nr): a list's go off it then, a walk goes on (walk_next). */
void heal_page(struct frame *f);

/* afr-walk.c */
/*
 * Compares what the items of ITEM_ALL on the page name: the whole brick, or objects with all that is below them.  Then they go off
 * the lists, and the lists begin again.
 */
void walk_begin(struct frame *f);
/* The next page. */
void walk_next(struct frame *f);
/* Takes NULL. */
void walk_free(struct walk *w);
/* What is done of it, for dumps. */
void walk_dump(const struct walk *w, struct dump *d);

#endif
