/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * graph.h - from the tree of a volume file to loaded, checked, linked, running translators.
 *
 *	graph_new      load every type, check options and children of ALL volumes, link  (no init ran yet)
 *	graph_init     children before parents
 *	graph_start    children before parents; the mount or the server is up after it
 *	graph_stop     parents before children; run the loop until graph_idle()
 *	graph_free     parents before children
 */
#ifndef GLUSTERFS_GRAPH_H
#define GLUSTERFS_GRAPH_H

#include "xlator.h"
#include "diag.h"
#include "volfile.h"

struct graph {
	struct loop *loop;
	struct pool *pool;		/* default workers */
	struct inode_table *inodes;
	struct volfile *file;		/* owned */
	struct diag *diag;		/* where xl_error() goes until the graph has started; borrowed */
	struct xlator **xlators;	/* children before parents */
	uint32_t nr_xlators;
	struct xlator *top;		/* the last volume, or the one asked for; under mount/fuse when there is one */
	struct vf_volume **implicit;	/* descriptions of volumes that the file does not name ... */
	uint32_t nr_implicit;		/* ... put in by xlator_type.needs_above, and by graph_push */
	uint64_t client_id;		/* random, not 0: who we are in txns */
	uint64_t next_txn;
	void (*on_event)(struct graph *g, enum xl_event what, void *data);	/* what reaches the top */
	/* What any translator tells its parents, after they have been told: for who waits for a graph to be up. */
	void (*on_notify)(struct graph *g, struct xlator *xl, enum xl_event what, void *data);
	void *ctx;			/* the owner's */
	const char *const *xlator_path;	/* borrowed from the options */
	uint32_t lru_limit;
	bool strict;
	bool incomplete;		/* while the file is judged: a volume could not be loaded or linked */
};

struct graph_options {
	struct loop *loop;
	const char *const *xlator_path;	/* more directories, NULL-terminated; may be NULL */
	const char *top;		/* volume name; NULL: the last */
	uint32_t inode_lru_limit;	/* 0: 16384 */
	uint32_t workers;		/* default pool; 0: 4 */
	bool strict;			/* unknown options are errors */
};

/*
 * Takes `file`.  All problems of all volumes go to diag.  NULL when there were errors.
 * A type "a/b" is XLATORDIR/a/b.so, or DIR/a/b.so or DIR/b.so for a DIR of xlator_path; a type that
 * begins with '/' or "./" is the path of the shared object itself.
 */
struct graph *graph_new(struct volfile *file, const struct graph_options *o, struct diag *diag);
/* Puts a translator that the file does not name on top of the graph (mount/fuse).  options: key, value, ..., NULL.  0 or -errno. */
int graph_push(struct graph *g, const char *type, const char *name, const char *const *options);
int graph_init(struct graph *g);
/* The name of the volume whose init runs now, or NULL: for reports of crashes. */
extern const char *volatile graph_initialising;
int graph_start(struct graph *g);
/* The process will end: whoever outside is to know it first is told; the loop goes on until graph_leaving() is false, or patience ends. */
void graph_leave(struct graph *g);
bool graph_leaving(const struct graph *g);
void graph_stop(struct graph *g);
bool graph_idle(const struct graph *g);
void graph_free(struct graph *g);		/* takes NULL */
struct xlator *graph_find(const struct graph *g, const char *name);
void graph_dump(struct graph *g, struct dump *d);

/* Tests: types that need no shared object.  NULL-terminated, looked at before the file system. */
extern const struct xlator_type *const *graph_builtin_types;
/* Loads a type alone (--help-xlator).  Borrowed for the life of the process; NULL with a sentence in error. */
const struct xlator_type *xlator_load(const char *type, const char *const *xlator_path, void **ret_handle, char error[512]);

#endif
