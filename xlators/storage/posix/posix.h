/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * posix.h - what the files of storage/posix share.
 *
 * An operation is a function `run` that makes system calls and fills op->reply; it runs on the loop
 * when it cannot block and nothing is ahead of it, otherwise on a worker (posix.c decides, in one
 * place). What only the loop may do (bufs, dicts, slots) is in `begin` and `finish`.  So in this
 * folder: functions named posix_*_begin and posix_*_finish run on the loop, everything else on any
 * thread.
 */
#ifndef GLUSTERFS_POSIX_H
#define GLUSTERFS_POSIX_H

#ifndef _GNU_SOURCE
#error "compile with -D_GNU_SOURCE"
#endif

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "xlator.h"

#define POSIX_DIR ".glusterfs"			/* in the root of a brick: handles, lock */
#define POSIX_XATTR_GFID "trusted.gfid"
#define POSIX_XATTR_PREFIX "trusted.glusterfs."
#define POSIX_XATTR_BRICK_ID "trusted.glusterfs.brick-id"

enum {
	POSIX_HANDLE_MAX = 64,			/* ".glusterfs/xx/yy/<gfid>" */
	POSIX_LINK_MAX = 320,			/* "../../xx/yy/<gfid>/<name>" */
	POSIX_PROC_MAX = 96,			/* "/proc/self/fd/N[/handle]" */
	POSIX_VALUE_MAX = 65536,		/* an xattr's value or list: the kernel's limit */
	POSIX_IO_MAX = 64 << 20,
	POSIX_COPY_MAX = 1 << 30,
};

/*
 * What is looked at of the flags of open and create.  Not O_APPEND: the kernel would then append
 * whatever the offset, also pages of a mapping that are written back through this open file, and
 * writes after fcntl() took the flag away.  A write says itself that it appends (WRITE_APPEND).
 */
#define POSIX_OPEN_FLAGS (O_ACCMODE | O_DIRECT | O_SYNC | O_DSYNC | O_NOATIME)

struct posix_op;
struct posix_dircache;

/* An open directory, by which its entries are reached.  O_PATH, shared, counted by the cache. */
struct posix_dir {
	struct gfid gfid;
	uint64_t ino;
	uint32_t dev_major, dev_minor;
	int fd;
	uint32_t pins;
	bool cached;
	struct posix_dir *hash_next, *newer, *older;
};

struct posix {					/* priv */
	char *directory;			/* options */
	bool export_statfs_size;
	uint32_t directory_cache;

	struct xlator *xl;
	int root_fd, lock_fd;			/* +1: 0 means "not open" in a zeroed struct */
	struct posix_dir root;
	struct posix_dircache *dirs;
	uint8_t brick_id[16];
	bool made_directory, made_gfid, made_handles, lk_told;
	/* loop only: */
	uint64_t open_files, open_directories, on_loop, on_workers, waited;
	uint64_t slow, slow_until_ns;	/* changes of names that took long on the loop; see posix_blocks */
};

static inline int posix_root(const struct posix *p)
{
	return p->root_fd - 1;
}

/* ---- operations: posix.c ------------------------------------------------------------- */

enum posix_turn_kind {
	TURN_ALONE,		/* nothing else on the object meanwhile */
	TURN_SHARED,		/* together with other SHARED ones */
	TURN_AFTER,		/* waits for what is ahead, then holds up nobody (fsync) */
};

/* A place in the queue of an object (posix-order.c). */
struct posix_turn {
	struct posix_op *op;
	struct inode *inode;
	struct posix_turn *next;
	bool granted;
};

struct posix_fop {
	int  (*begin)(struct posix_op *op);	/* loop: make what run needs; 0 or -errno */
	/* loop: try without blocking; true: done, op->ret is set */
	bool (*quick)(struct posix_op *op);
	void (*run)(struct posix_op *op);
	void (*finish)(struct posix_op *op);	/* loop: also after failures */
	int16_t inode, inode2, fd, fd2;		/* where they are in the arguments; -1: none */
	uint8_t turn;				/* enum posix_turn_kind, if nothing else is found */
};

struct posix_op {				/* frame_data() */
	struct work work;
	struct posix *p;
	struct frame *frame;
	const struct posix_fop *fop;
	const void *args;
	const struct identity *id;
	/* of the open files in the arguments; NULL: none, or not open here */
	struct posix_fd *pfd, *pfd2;
	uint32_t type;				/* S_IFMT of the first inode, 0: not known */
	uint16_t nr_turns, waits;
	uint8_t turn;				/* enum posix_turn_kind */
	struct posix_turn turns[2];
	struct posix_op *next_ready;
	int ret;				/* the answer */
	struct buf *buf;
	struct posix_fd *made;			/* open, create: what finish puts into the slot */
	void *mem;				/* malloc'd by run, freed after finish */
	size_t mem_len;
	union fop_reply reply;			/* its references are ours */
};

/* An open file or directory: the word in the fd's slot. */
struct posix_fd {
	int fd;
	int flags;				/* O_* it was opened with */
	bool directory, no_nowait;
	/* the same file without O_DIRECT, -1: not opened yet */
	_Atomic int buffered;
	struct posix_window *window;		/* directories: posix-dir.c */
	uint64_t dir_size;			/* st_size when it was opened */
};

/* Takes fd, also when it fails (NULL: no memory). */
struct posix_fd *posix_fd_new(int fd, int flags, bool directory);
void posix_fd_free(struct posix_fd *pfd);	/* takes NULL */

void posix_enter(struct frame *f);		/* the handler of every operation */

/* ---- posix-order.c ------------------------------------------------------------------- */

/* May op run right now, on the loop? */
bool posix_order_is_free(const struct posix_op *op);
/* Sends op to a worker, behind what is ahead of it.  0 or -ENOMEM. */
int  posix_order_enter(struct posix_op *op);
/* op has run: lets those behind it go. */
void posix_order_leave(struct posix_op *op);
void posix_post(struct posix_op *op);		/* posix.c: to the pool */

/* ---- posix-caller.c ------------------------------------------------------------------ */

enum { CALLER_OWNS = 1,		/* what is created belongs to the caller */
       CALLER_KILLS_PRIV = 2,	/* a write takes set-user-id bits away */
       CALLER_CHECKED = 4 };	/* check permissions even when nobody asked for it: access(2) */

struct posix_caller {
	uint8_t did;
};

/*
 * From begin to end this thread is the caller as far as the file system is concerned: with
 * id->enforce in every respect (ids, groups, no capabilities), else only in what `how` says.
 * Short: one system call in between. begin: 0 or -errno (nothing changed then).
 */
int  caller_begin(const struct identity *id, unsigned how, struct posix_caller *ret_c);
void caller_end(struct posix_caller *c);
/* -1: not possible in this process, errno says why. */
int  caller_check_process(void);

/* ---- posix-handle.c: identity -------------------------------------------------------- */

void posix_handle_path(const struct gfid *g, char out[POSIX_HANDLE_MAX]);
/* Makes the handle of dirfd/name; a directory's is a symlink.  0, -EEXIST, -errno. */
int  posix_handle_add(struct posix *p, const struct gfid *g, int dirfd, const struct gfid *parent,
		      const char *name, bool directory);
void posix_handle_remove(struct posix *p, const struct gfid *g);
/* Makes the handle of a directory that moves, beside the present one; then puts it in place, or
 * forgets it. */
int posix_handle_prepare(struct posix *p, const struct gfid *g, const struct gfid *parent,
			 const char *name);
int  posix_handle_commit(struct posix *p, const struct gfid *g);
void posix_handle_abort(struct posix *p, const struct gfid *g);
/* The identity of dirfd/name: 0, -ENODATA (none), -errno. */
int  posix_gfid_get(int dirfd, const char *name, struct gfid *ret_gfid);
int  posix_gfid_set(int dirfd, const char *name, const struct gfid *g, int flags);
/* Is the handle of dirfd/name right?  Repairs it.  0; -EEXIST: the identity belongs to another
 * object; -errno */
int  posix_handle_check(struct posix *p, const struct gfid *g, int dirfd, const struct gfid *parent,
			const char *name, const struct statx *stx);

/* A directory by identity.  *ret is pinned until posix_dir_put().  0, -ESTALE, -ENOTDIR, -errno. */
int  posix_dir_get(struct posix *p, const struct gfid *g, struct posix_dir **ret);
void posix_dir_put(struct posix *p, struct posix_dir *d);		/* takes NULL */

/* ---- posix-dircache.c ---------------------------------------------------------------- */

struct posix_dircache *dircache_new(uint32_t limit);
void dircache_free(struct posix_dircache *c);				/* takes NULL */
/* Pinned, or NULL.  *ret_generation: for dircache_add(). */
struct posix_dir *dircache_find(struct posix_dircache *c, const struct gfid *g,
				uint64_t *ret_generation);
/* Takes d (one pin, the caller's); keeps it unless something was dropped since `generation`. */
void dircache_add(struct posix_dircache *c, struct posix_dir *d, uint64_t generation);
void dircache_drop(struct posix_dircache *c, const struct gfid *g);
void dircache_unpin(struct posix_dircache *c, struct posix_dir *d);
struct dircache_stats { uint64_t hits, misses, drops; uint32_t nr; };
struct dircache_stats dircache_stats(struct posix_dircache *c);

/* ---- posix-object.c: objects and attributes ------------------------------------------ */

/* How to reach an object in *at calls: (fd, path, flags). */
struct posix_obj {
	int fd, flags;
	const char *path;
	bool opened;			/* fd is a real descriptor, not O_PATH */
	int own;			/* to be closed, -1: none */
	struct posix_dir *dir;
	char handle[POSIX_HANDLE_MAX];
};

enum { OBJ_PATH_FD = 1 };		/* as a descriptor, even if a path would do */

/* pfd: the open file, or NULL.  0, -ESTALE, -errno; put after success only. */
int  posix_obj_get(struct posix *p, const struct gfid *g, uint32_t type, struct posix_fd *pfd,
		   unsigned how, struct posix_obj *ret_o);
void posix_obj_put(struct posix *p, struct posix_obj *o);
/* "/proc/self/fd/..." of it; returns whether a final symlink is to be followed (it is the
 * kernel's own). */
bool posix_obj_proc(const struct posix_obj *o, char out[POSIX_PROC_MAX]);
int  posix_obj_attr(const struct posix_obj *o, const struct gfid *g, struct attr *ret_attr);
/* Opens for reading or writing as the caller.  A descriptor, or -errno; -EINVAL: not a regular
 * file or directory. */
int posix_obj_open(struct posix *p, const struct identity *id, const struct gfid *g, uint32_t type,
		   int flags);

int  posix_statx(int fd, const char *path, int flags, struct statx *ret_stx);
void posix_attr_fill(struct attr *a, const struct statx *stx, const struct gfid *g);
/* Attributes of dirfd/name, identity given. */
int posix_attr_at(int fd, const char *path, int flags, const struct gfid *g, struct attr *ret_attr);
int  posix_attr_dir(const struct posix_dir *d, struct attr *ret_attr);
/* 0, -EINVAL, -ENAMETOOLONG; and `hidden` for ".glusterfs" in the root. */
int  posix_name_check(const struct gfid *parent, const char *name, int hidden);

/* ---- posix-xattr-sys.c: the system calls --------------------------------------------- */

void    xattr_sys_detect(int root_fd);
ssize_t xattr_at_get(int dirfd, const char *name, const char *key, void *value, size_t size);
int xattr_at_set(int dirfd, const char *name, const char *key, const void *value, size_t size,
		 int flags);
ssize_t xattr_obj_get(const struct posix_obj *o, const char *key, void *value, size_t size);
ssize_t xattr_obj_list(const struct posix_obj *o, char *list, size_t size);
int xattr_obj_set(const struct posix_obj *o, const char *key, const void *value, size_t size,
		  int flags);
int     xattr_obj_remove(const struct posix_obj *o, const char *key);
enum { XATTR_OURS_HIDDEN = 1, XATTR_OURS_READ_ONLY };
int     xattr_is_ours(const char *key);			/* 0: anybody's */

/* ---- the operations ------------------------------------------------------------------ */

void posix_lookup_run(struct posix_op *op);
void posix_lookup_finish(struct posix_op *op);
void posix_mknod_run(struct posix_op *op);
void posix_mkdir_run(struct posix_op *op);
void posix_symlink_run(struct posix_op *op);
void posix_create_run(struct posix_op *op);
void posix_link_run(struct posix_op *op);
void posix_unlink_run(struct posix_op *op);
void posix_rmdir_run(struct posix_op *op);
void posix_rename_run(struct posix_op *op);

void posix_stat_run(struct posix_op *op);
void posix_setattr_run(struct posix_op *op);
void posix_readlink_run(struct posix_op *op);
void posix_readlink_finish(struct posix_op *op);
void posix_truncate_run(struct posix_op *op);
void posix_access_run(struct posix_op *op);
void posix_statfs_run(struct posix_op *op);

void posix_open_run(struct posix_op *op);
void posix_opendir_run(struct posix_op *op);
void posix_open_finish(struct posix_op *op);
int  posix_read_begin(struct posix_op *op);
bool posix_read_quick(struct posix_op *op);
void posix_read_run(struct posix_op *op);
void posix_read_finish(struct posix_op *op);
void posix_write_run(struct posix_op *op);
void posix_flush_run(struct posix_op *op);
void posix_fsync_run(struct posix_op *op);
void posix_fsyncdir_run(struct posix_op *op);
void posix_fallocate_run(struct posix_op *op);
void posix_seek_run(struct posix_op *op);
void posix_copy_file_range_run(struct posix_op *op);
int  posix_lk_begin(struct posix_op *op);

void posix_readdir_run(struct posix_op *op);
/* Will it have to read the directory, or look at many entries? */
bool posix_readdir_is_long(struct posix_op *op);
void posix_window_free(struct posix_window *w);		/* takes NULL */

void posix_getxattr_run(struct posix_op *op);
void posix_getxattr_finish(struct posix_op *op);
void posix_setxattr_run(struct posix_op *op);
void posix_removexattr_run(struct posix_op *op);
void posix_listxattr_run(struct posix_op *op);
void posix_listxattr_finish(struct posix_op *op);

/* ---- posix-init.c -------------------------------------------------------------------- */

int  posix_init(struct xlator *xl);
int  posix_start(struct xlator *xl);
void posix_fini(struct xlator *xl);

#endif
