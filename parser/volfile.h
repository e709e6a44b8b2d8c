/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A volume file: text -> tree -> text.
 *
 * The tree is what was written, in its order, each word with its place. Nothing here knows
 * a translator or an option: what they mean is the business of who builds the graph. What
 * can be checked without that is checked here (volfile_check), so in a tree that
 * volfile_parse returned every volume has one name and one type, names are unique, every
 * subvolume is defined somewhere in the file, and nothing loops.
 *
 * No globals: any number of parsers may run at once, each in its thread. A tree does not
 * change after it was made.
 */
#ifndef GLUSTERFS_VOLFILE_H
#define GLUSTERFS_VOLFILE_H

#include "diag.h"

#include <stddef.h>
#include <stdio.h>

#pragma GCC visibility push(default)	/* part of libglusterfs */

enum {
	VF_MAX_FILE = 16 * 1024 * 1024,	/* bytes */
	VF_MAX_WORD = 4095,		/* bytes of one word: a path fits (PATH_MAX) */
	VF_MAX_VOLUMES = 4096,		/* in a file */
	VF_MAX_OPTIONS = 1024,		/* of a volume */
	VF_MAX_SUBVOLUMES = 1024,	/* of a volume */
	VF_MAX_DEPTH = 256,		/* volumes on top of each other */
	VF_MAX_ERRORS = 20,		/* told of one file, and as many warnings */
};

/* A word without its quotes; never NULL in a tree that volfile_parse returned. */
struct vf_word {
	const char *text;
	struct vf_pos pos;
};

struct vf_option {
	struct vf_word key, value;
};

struct vf_volume {
	struct vf_word name, type;
	struct vf_option *options;	/* as written: of a repeated key the last one counts */
	size_t nr_options;
	struct vf_word *subvolumes;
	size_t nr_subvolumes;
	struct vf_pos pos;		/* of the word volume */
	struct vf_pos end_pos;		/* of the word end-volume */
};

struct volfile {
	struct diag_source source;	/* to quote it in later problems */
	struct vf_volume *volumes;	/* in the order of the file */
	size_t nr_volumes;
	char *name_copy, *text_copy, *words;	/* private: what the above points into */
};

/*
 * Parses `len` bytes of text and checks the tree. `name` is the file's name for messages.
 * Returns a new tree that keeps nothing of the arguments, or NULL after at least one error
 * was added to `d`: all errors of the file are, up to VF_MAX_ERRORS. Warnings may be added
 * in either case.
 */
struct volfile *volfile_parse(const char *name, const char *text, size_t len, struct diag *d);

/* The same for a file, which may also be a FIFO or /dev/stdin. Blocks while it reads. */
struct volfile *volfile_read(const char *path, struct diag *d);

/*
 * These two for who can tell more of what is wrong with a file (unknown types, wrong options): they return a tree
 * also when volfile_check has added errors, as long as the text was understood. In such a tree a type may
 * be NULL, a subvolume may not be there, names may be double, and volumes may loop.
 */
struct volfile *volfile_parse_doubtful(const char *name, const char *text, size_t len,
				       struct diag *d);
struct volfile *volfile_read_doubtful(const char *path, struct diag *d);

void volfile_free(struct volfile *vf);

/*
 * Adds what is wrong with the tree to `d`: a missing name or type, a name given twice,
 * subvolumes that are unknown, repeated or loop, too many of something; as a warning, an
 * option given twice and a top volume that has a parent. Returns the number of errors.
 * volfile_parse has called it; for trees that were made otherwise.
 */
unsigned volfile_check(const struct volfile *vf, struct diag *d);

/* Writes a text that parses back to an equal tree, with quotes only where needed. Returns 0
 * or -errno. */
int volfile_print(const struct volfile *vf, FILE *out);

/* The volume of that name or NULL; the last one should there be several. Borrowed. */
const struct vf_volume *volfile_find(const struct volfile *vf, const char *name);

/* The top of the graph: the volume defined last, NULL when there is none. Borrowed. */
const struct vf_volume *volfile_top(const struct volfile *vf);

/* That option of the volume (the last of that name), NULL when it is not given. Borrowed. */
const struct vf_option *volfile_option(const struct vf_volume *vol, const char *key);

#pragma GCC visibility pop

#endif
