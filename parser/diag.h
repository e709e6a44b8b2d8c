/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A list of problems, each with its place in a file, as told to a person.
 *
 * Whoever reads something that a person has written (a volume file, an option, a command
 * line) adds what is wrong with it and goes on; whoever asked for it prints the list:
 *
 *	server.vol:3:3: error: unknown word 'options'; did you mean 'option'?
 *	    3 |   options directory /mnt/brick
 *	      |   ^~~~~~~
 *
 * Everything is copied when it is added, the quoted line too, so a list outlives the text
 * that it speaks of. At most DIAG_MAX entries are kept, the rest is counted. One thread at
 * a time.
 */
#ifndef GLUSTERFS_DIAG_H
#define GLUSTERFS_DIAG_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#pragma GCC visibility push(default)	/* part of libglusterfs */

enum { DIAG_MAX = 100 };

enum diag_level { DIAG_ERROR, DIAG_WARNING, DIAG_NOTE };

struct diag;

/* A place in a text. Both count from 1, columns in bytes; 0 = unknown. */
struct vf_pos {
	uint32_t line, column;
};

/* The text that a place is in, so that the line can be quoted; text may be NULL. */
struct diag_source {
	const char *file;
	const char *text;
	size_t len;
};

/* Returns a new, empty list, or NULL without memory. Everything below takes NULL for a list,
 * as one that is always empty. */
struct diag *diag_new(void);
void diag_free(struct diag *d);

/*
 * Adds a problem at `pos` of `src` (both may be unknown: NULL, 0), about `width` bytes from
 * there on. Bytes that a terminal would not print are shown escaped, long messages and lines
 * are clipped. Without memory the entry is counted but not kept.
 */
void diag_add(struct diag *d, enum diag_level level, const struct diag_source *src,
	      struct vf_pos pos, size_t width, const char *fmt, ...)
	__attribute__((format(printf, 6, 7)));

/* How many were added, kept or not. */
unsigned diag_errors(const struct diag *d);
unsigned diag_warnings(const struct diag *d);

/* Prints all that were kept, in the order of adding, and how many were not. */
void diag_print(const struct diag *d, FILE *out);

/* For logs and tests: how many are kept, and the text of number i (borrowed from the list;
 * NULL when there is no such). `level`, `pos` may be NULL. */
size_t diag_count(const struct diag *d);
const char *diag_message(const struct diag *d, size_t i, enum diag_level *level,
			 struct vf_pos *pos);

/*
 * The name nearest to `word` in `candidates` (NULL ones are skipped), or NULL when none is
 * near. Near: at most a third of the length apart in letters added, dropped, changed or
 * swapped with their neighbour; upper and lower case are the same. Borrowed from `candidates`.
 */
const char *diag_nearest(const char *word, const char *const *candidates, size_t n);

#pragma GCC visibility pop

#endif
