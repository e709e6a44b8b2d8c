/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* sim.h - a cluster in one process: a client, its bricks, and applications, on one simulated loop. */
#ifndef SIM_H
#define SIM_H

#include "graph.h"

enum { SIM_BRICKS = 2, SIM_ACTORS = 4, ACTOR_FILES = 6, FILE_MAX = 64 << 10 };

/* A file as its application believes it to be: only what was acknowledged. */
struct model_file {
	bool exists;
	char name[16];
	struct gfid gfid;
	uint32_t mode;
	size_t size;
	uint8_t content[FILE_MAX];
};

/* An application: works in a directory of its own, one operation after another, or writes in parallel. */
struct actor {
	struct cluster *cluster;
	int number;
	char dir_name[16];
	struct inode *dir;
	struct model_file files[ACTOR_FILES];
	uint32_t left;			/* operations to do */
	uint32_t pending;		/* answers to wait for */
	/* the operation under way: */
	struct model_file *file, *other;
	struct fd *fd;
	struct inode *inode;
	uint64_t offset;
	uint32_t length;
	char new_name[16];
};

struct cluster {
	struct loop *loop;
	struct graph *client, *servers[SIM_BRICKS];
	struct xlator *app;		/* what applications call: on top of the client */
	char dir[64];			/* bricks are dir/brick0, dir/brick1 */
	struct actor *actors;
	uint32_t actors_busy;
	bool up, all_done, idle;
	uint64_t operations;
	uint64_t cut_at;		/* operations after which the connection to brick 1 is cut; 0: never */
};

extern const struct xlator_type sim_application, sim_timeless;

/* Starts all actors; cluster->all_done when each has done `operations`.  Exits the process on a wrong answer. */
void actors_start(struct cluster *c, uint32_t operations);
void actors_free(struct cluster *c);
/* Is what was acknowledged on the brick in this directory?  Prints what is not; the number of differences. */
int actors_verify(struct cluster *c, const char *brick);
/* Are two bricks equal (names, types, modes, links, sizes, contents)?  The number of differences. */
int bricks_compare(const char *a, const char *b);
void die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

#endif
