/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * tree.h - what the files of the program tree share: chance and the history of steps (tree.c), the model
 * and the comparison with it (tree-model.c), the steps (tree-steps.c, shared.c).
 */
#ifndef TESTS_POSIX_TREE_H
#define TESTS_POSIX_TREE_H

#include <limits.h>

#include "posix.h"

/* ---- tree.c ---- */

extern int tree_process, tree_processes;	/* which of how many we are */
extern uint64_t tree_step;
extern uint8_t *tree_io;			/* MAX bytes for any use, aligned */

uint32_t random_below(uint32_t n);
/* What the current step does, for the history that differs() prints. */
void tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The end of the process: something is not like the model. Tells seed and history, with errno as it is. */
void differs(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* A call must end as the model says: with err, or well when that is 0. */
void must(int result, int err, const char *what);

/* ---- tree-model.c ---- */

enum {
	NAMES = 7, OBJECTS = 40, HANDLES = 8, XATTRS = 4, DIRECTORIES = 12, MAX = 192 * 1024, PAGE = 4096,
};

enum kind { NONE, REGULAR, DIRECTORY, SYMLINK, FIFO };

struct object {
	enum kind kind;
	unsigned int nlink;		/* names; of a directory 1 or 0 */
	unsigned int handles;		/* with no name and no handle it is gone */
	bool linkable;			/* O_TMPFILE, and never linked */
	bool mapped;			/* pages that nobody has synced may change the mtime later */
	mode_t mode;
	ino_t ino;
	int64_t mtime;			/* ns; -1: anything */
	uint32_t seed;			/* of the target of a symlink */
	uint32_t xattrs[XATTRS];	/* seeds of the values, 0: not there */
	size_t size;
	uint8_t *data;			/* MAX bytes, zeroes from size on */
	struct object *parent, *entries[NAMES];
};

struct handle {
	int fd;
	int flags;
	struct object *o;
};

/* A place where there is, or could be, a name. */
struct place {
	struct object *dir, *o;
	int name;
	char path[PATH_MAX];
};

extern struct object objects[OBJECTS], *const root;
extern struct handle handles[HANDLES];

void place_at(struct place *p, struct object *dir, int name);
void any_place(struct place *p);
/* A place where there is an object of this kind (NONE: any). Is there one? */
bool any_existing(struct place *p, enum kind kind);
struct object *any_directory(void);
/* NULL: chance finds none. */
struct handle *any_handle(enum kind kind);

/* NULL when there are as many as we want. */
struct object *object_new(enum kind kind, mode_t mode);
/* It may have lost its last name or handle. */
void object_put(struct object *o);
void entries_changed(struct object *dir);
void name_added(struct place *p, struct object *o);
void name_removed(struct place *p);
bool is_empty(const struct object *dir);
bool is_same_or_below(const struct object *o, const struct object *above);
/* A write to before end; 0: the size stays. */
void contents_changed(struct object *o, size_t end);
/* The i-th attribute, and the value that belongs to a seed, of at most 4096 bytes; its length. */
const char *xattr_name(int i);
size_t xattr_value(uint32_t value_seed, uint8_t *value);

void check_stat(struct object *o, const struct stat *st, const char *what);
void check_bytes(const struct object *o, const uint8_t *got, size_t at, size_t n, const char *what);
void check_object(struct object *o, const char *path);
void check_handle(const struct handle *h);
void check_all(void);

/* ---- tree-steps.c ---- */

void tree_one_step(void);

/* ---- shared.c: steps in a directory that all processes change at the same time, which is next to ours ---- */

void shared_begin(void);			/* once, before there are processes */
void shared_step(void);
void shared_check(void);			/* once, after their end */

#endif
