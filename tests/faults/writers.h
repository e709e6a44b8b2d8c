/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* writers.h - what the files of writers share; see writers.c. */
#ifndef TESTS_WRITERS_H
#define TESTS_WRITERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

enum { NAMES = 7, XATTRS = 2, DATA_MAX = 160 << 10, TEXT = 160, SLOTS = 4, MOUNT_MAX = 200 };

/* What a writer tells its parent; in memory that both have. */
struct report {
	uint64_t begin_ns;		/* of the system call that is under way; 0: none */
	uint64_t longest_ns;
	uint64_t ops, errors;		/* done; answered with an error of the surroundings */
	uint64_t acked[SLOTS], unknown[SLOTS];	/* increments of the shared counters */
	char doing[TEXT], longest[TEXT];
};

/* The model of an object. names: how many it has in the tree; without one it is freed (put_node). */
struct node {
	char type;			/* f, d, l */
	unsigned mode, names, held;
	ino_t ino;
	char xattr[XATTRS][16];		/* "": none */
	char target[32];		/* l */
	uint8_t *data;			/* f */
	size_t len;
	struct node *kid[NAMES];	/* d */
};

/* ---- writers.c ---- */

extern struct report *me;
extern int writer;			/* our number, over all mounts */
extern int base;			/* our directory on the mount */
extern char mount_point[MOUNT_MAX];
extern bool keeps_nameless;		/* files stay open when their last name is removed */

uint32_t below(uint32_t n);		/* a random number */
/* What is about to be done: kept for the report of a failure, and for who watches how long it takes. */
void begin(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void end(void);
/* Ends this writer: what it met is wrong. */
void wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
/* An error that tells of the surroundings (a dead mount, a full disk), not of the operation; wrong() when none is allowed now. */
bool surroundings(int error);
/* Waits until our directory can be used again, after an error of the surroundings. */
void reach(void);

/* ---- model.c ---- */

struct node *new_node(char type, unsigned mode);
void put_node(struct node *n);
/* Compares all of the tree with the model; in a brick link counts are its own business.  False: an error of the surroundings. */
bool verify(int dir, const char *path, const struct node *n, bool brick);
/* One object, without what is below it. */
bool verify_node(int dir, const char *path, const struct node *n, bool brick);
/* All bytes, at most DATA_MAX + 1, or -1. */
ssize_t read_all(int dir, const char *path, uint8_t *bytes);

/* ---- own.c: changes of a tree that belongs to this writer ---- */

extern struct node *tree;
void own_step(void);
void own_forget_open(void);		/* descriptors, after the mount has died */

/* ---- shared.c: changes where all writers change ---- */

void shared_step(void);

#endif
