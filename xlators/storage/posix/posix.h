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
#include <sys/queue.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "xlator.h"

#define POSIX_DIR ".glusterfs"			/* in the root of a brick: handles, lock */
#define POSIX_UNLINK_DIR POSIX_DIR "/unlink"	/* handles of what has no name and is open */
#define POSIX_XATTR_GFID "trusted.gfid"
#define POSIX_XATTR_PREFIX "trusted.glusterfs."
#define POSIX_XATTR_BRICK_ID "trusted.glusterfs.brick-id"
#define POSIX_XATTR_RESERVE "trusted.glusterfs.reserve"

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
 * An append-only file is opened with O_APPEND all the same: it cannot be opened otherwise.
 */
#define POSIX_OPEN_FLAGS (O_ACCMODE | O_DIRECT | O_SYNC | O_DSYNC | O_NOATIME)

struct posix_op;
struct posix_dircache;
struct posix_fds;
struct posix_uses;
struct posix_use;

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
	char own_directory[4200];		/* ... and what we keep for ourselves there */
	bool export_statfs_size;
	uint32_t directory_cache, open_files_max;

	struct xlator *xl;
	int root_fd, lock_fd;			/* +1: 0 means "not open" in a zeroed struct */
	struct posix_dir root;
	struct posix_dircache *dirs;
	struct posix_fds *fds;
	struct posix_uses *uses;
	struct timer sweep_timer;
	uint8_t brick_id[16];
	bool made_directory, made_gfid, made_handles, lk_told;
	_Atomic uint64_t look_again_ns;		/* posix-space.c */
	_Atomic bool limited;
	uint64_t listing_memory;		/* an option */
	/* loop only: */
	TAILQ_HEAD(, posix_window) windows;
	uint64_t window_bytes, windows_dropped;
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
	bool again;				/* ESTALE: it may be run once more */
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
	bool lists;				/* counted in pfd->listings */
	uint8_t turn;				/* enum posix_turn_kind */
	struct posix_turn turns[2];
	struct posix_op *next_ready;
	int ret;				/* the answer */
	uint64_t now_ns;			/* loop_now_ns() when it came */
	struct buf *buf;
	struct posix_fd *made;			/* open, create: what finish puts into the slot */
	struct posix_use *use;			/* open, create, link, rename: of the object */
	void *mem;				/* malloc'd by run, freed after finish */
	size_t mem_len;
	union fop_reply reply;			/* its references are ours */
};

/* An open file or directory: the word in the fd's slot.  The lists are posix-fds.c's. */
struct posix_fd {
	int fd;					/* -1: closed meanwhile; there as long as it is pinned */
	int flags;				/* O_* it was opened with */
	bool directory, no_nowait;
	bool listed;				/* may be closed: among the recently used ones */
	bool kept;				/* may not: it could not be opened again */
	bool dead;				/* released; the last pin frees it */
	uint32_t pins;
	struct gfid gfid;
	uint64_t ino;
	uint32_t dev_major, dev_minor;
	struct posix_fd *hash_next, *newer, *older;
	_Atomic int late_error;			/* of writing back; -errno, for the next fsync */
	/* the same file without O_DIRECT, -1: not opened yet */
	_Atomic int buffered;
	struct posix_window *window;		/* directories: posix-dir.c */
	uint32_t listings;			/* under way or waiting; loop only */
	uint64_t dir_size;			/* st_size when it was opened */
	struct posix_use *use;			/* ends with it */
};

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
       CALLER_KILLS_PRIV = 2,	/* a change takes set-user-id bits away */
       CALLER_CHECKED = 4,	/* check permissions even when nobody asked for it: access(2) */
       CALLER_LIMITED = 8 };	/* not above quotas and what is kept back for root */

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
/* `how` for a change of the data, the owner or the ACLs of an object that was like this before. */
static inline unsigned caller_change(const struct identity *id, const struct attr *before)
{
	return id->kill_priv && (before->mode & (S_ISUID | S_ISGID)) ? CALLER_KILLS_PRIV : 0;
}
/*
 * What this thread makes until umask_end() gets this umask, or the default ACL of its directory
 * instead of it, as the file system decides.  Returns what must be passed to umask_end(), or a
 * negative number: this thread has no umask of its own, the caller takes the bits away himself.
 */
int  umask_begin(uint32_t umask);
void umask_end(int before);
/* -1: not possible in this process, errno says why. */
int  caller_check_process(void);

/* ---- posix-space.c ------------------------------------------------------------------- */

/* `how` for what takes space: CALLER_LIMITED, or 0 when there is no limit for the caller of op. */
unsigned posix_limited(struct posix_op *op);

/* ---- posix-handle.c: identity -------------------------------------------------------- */

void posix_handle_path(const struct gfid *g, char out[POSIX_HANDLE_MAX]);
/* Makes the handle of dirfd/name; a directory's is a symlink.  0, -EEXIST, -errno. */
int  posix_handle_add(struct posix *p, const struct gfid *g, int dirfd, const struct gfid *parent,
		      const char *name, bool directory);
void posix_handle_remove(struct posix *p, const struct gfid *g);
int  posix_handle_make_dirs(struct posix *p, const struct gfid *g);	/* that it is in */
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
/* The same, and -ESTALE for one that is only open still: nothing can be made or removed there, and a brick
 * where nobody has it open says the same. */
int  posix_dir_get_named(struct posix *p, const struct gfid *g, struct posix_dir **ret);
void posix_dir_put(struct posix *p, struct posix_dir *d);		/* takes NULL */
/* The directory that directory g is in, as the handle has it.  0, -ESTALE, -ENOTDIR, -errno. */
int  posix_handle_parent(struct posix *p, const struct gfid *g, struct gfid *ret_parent);

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
void dircache_pin(struct posix_dircache *c, struct posix_dir *d);	/* once more */
struct dircache_stats { uint64_t hits, misses, drops; uint32_t nr; };
struct dircache_stats dircache_stats(struct posix_dircache *c);

/* ---- posix-fds.c: open files --------------------------------------------------------- */

/* At most `limit` descriptors of open files, fewer when one has a number from high_water on. */
struct posix_fds *fds_new(uint32_t limit, int high_water);
void fds_free(struct posix_fds *s);					/* takes NULL */
struct fds_stats { uint64_t limit, open, kept, closed, reopened; };
struct fds_stats fds_stats(struct posix_fds *s);

/* The open file of descriptor fd; takes fd, also when it fails.  0 or -errno. */
int  posix_fd_new(struct posix *p, int fd, const struct gfid *g, int flags, bool directory,
		  struct posix_fd **ret_pfd);
void posix_fd_free(struct posix *p, struct posix_fd *pfd);		/* takes NULL */
/* Between the two pfd->fd is a descriptor.  0; -ESTALE, -errno: it could not be opened again. */
int  posix_fd_pin(struct posix *p, struct posix_fd *pfd);
void posix_fd_unpin(struct posix *p, struct posix_fd *pfd);
/* All that may be open is, and cannot be closed: ENFILE. */
bool posix_fds_full(struct posix *p);
/* There was no descriptor left: closes some.  False: none could be closed. */
bool posix_fds_relieve(struct posix *p);
/* The open files of g could not be opened again soon: they get their descriptors for good.  0 or
 * -errno (nothing has changed). */
int  posix_fds_keep(struct posix *p, const struct gfid *g);
/* A descriptor that cannot be closed is kept elsewhere, or no longer. */
void posix_fds_count_kept(struct posix *p, int plus_or_minus);

/* ---- posix-use.c: who uses an object ------------------------------------------------- */

/* Any thread. */
struct posix_use {
	struct gfid gfid;
	uint32_t users;
	bool claimed;			/* it goes: nobody can begin to use it */
	bool unlinked;			/* it has lost its last name */
	bool nameless;			/* no: it has had none yet, and may be given one */
	bool awaited;			/* its first user is waited for ... */
	uint32_t due;			/* ... until so many sweeps */
	uint64_t bytes;			/* it occupies meanwhile */
	struct posix_use *next_due;
	struct posix_dir *dir;		/* a removed directory: pinned */
	struct posix_use *next;
};

struct posix_uses *uses_new(void);
void uses_free(struct posix *p);		/* of p->uses; nobody uses anything any more */
/* 0, -ESTALE: it is going away; -ENOMEM. */
int  use_begin(struct posix_uses *u, const struct gfid *g, struct posix_use **ret_use);
/* True: it was the last one, something is left of the object, and `use` is the caller's, for
 * use_drop() when that is gone. */
bool use_end(struct posix_uses *u, struct posix_use *use);
void use_drop(struct posix *p, struct posix_use *use);
/* Nobody uses g: nobody can until use_unclaim(); *claim is in the table until then.  0; -EBUSY: it
 * is used; -EALREADY: somebody else has claimed it. */
int  use_claim(struct posix_uses *u, const struct gfid *g, struct posix_use *claim);
void use_unclaim(struct posix_uses *u, struct posix_use *claim);
/* False: nobody uses it (any more), nothing was noted. */
bool use_set_unlinked(struct posix_uses *u, const struct gfid *g, bool unlinked);
bool use_is_unlinked(struct posix_uses *u, const struct gfid *g);
/* The same for one that has not had a name yet: unlinked until use_set_unlinked() says otherwise. */
void use_set_nameless(struct posix_uses *u, struct posix_use *use);
bool use_is_nameless(struct posix_uses *u, const struct gfid *g);
/* When the brick starts: an object without name and user, waited for so many sweeps.  0, -ENOMEM. */
int  use_add_left_over(struct posix_uses *u, const struct gfid *g, uint32_t sweeps);
/* Is there room for one more that is waited for? */
bool use_may_linger(struct posix_uses *u, uint64_t bytes);
/* Ends a use of an object whose handle was moved: it is waited for. */
void use_linger(struct posix_uses *u, struct posix_use *use, uint64_t bytes);
/* Claims those that were waited for long enough, for use_drop(): a list by next_due. */
struct posix_use *uses_sweep(struct posix_uses *u, bool *ret_more);
bool uses_awaited(struct posix_uses *u);
bool use_is_used(struct posix_uses *u, const struct gfid *g);
/* Takes d, a directory that was removed; kept while it is used. */
void use_keep_dir(struct posix *p, struct posix_dir *d);
/* A removed directory that is used, pinned; or NULL. */
struct posix_dir *use_dir(struct posix *p, const struct gfid *g);
uint64_t uses_links(struct posix_uses *u);	/* how many links were made */
void uses_link_made(struct posix_uses *u);
/* Meanwhile no handle of what is used is moved: one who did not find a handle looks again. */
void uses_lock_moving(struct posix_uses *u);
void uses_unlock_moving(struct posix_uses *u);

/* ---- posix-unlink.c: losing names ---------------------------------------------------- */

/* An object that is about to lose a name. Zeroed; look, begin, (the system call), end. */
struct posix_loss {
	struct gfid gfid;			/* gfid_none: it has none */
	struct statx stx;
	uint64_t links;				/* uses_links() before that */
	int dirfd;
	const char *name;
	enum loss_how {
	       LOSS_NONE,			/* the handle is where it was */
	       LOSS_REMOVED,			/* it is gone */
	       LOSS_MOVED,			/* it is in POSIX_UNLINK_DIR, and goes in the end */
	       LOSS_KEPT } how;			/* it is there, and is used */
	bool replaced;				/* by a rename */
	bool claimed, locked;
	struct posix_use claim;
	struct posix_dir *dir;
};

/* Fills gfid and stx.  0 or -errno. */
int  posix_loss_look(struct posix *p, struct posix_loss *l, int dirfd, const char *name);
/* 0: end must follow; -errno. */
int  posix_loss_begin(struct posix_op *op, struct posix_loss *l, int dirfd, const char *name);
/* ret: of the system call; 0 fills the attributes of what has lost its name. */
void posix_loss_end(struct posix_op *op, struct posix_loss *l, int ret, struct attr *ret_attr);
/* The handle, wherever it is. */
void posix_handle_find(struct posix *p, const struct gfid *g, char out[POSIX_HANDLE_MAX]);
/* begin and finish of link; begin of open, create and opendir. */
int  posix_use_begin(struct posix_op *op);
void posix_use_finish(struct posix_op *op);
/* Loop.  Takes pfd (which may be NULL): closed, and the object freed when this was its last use. */
void posix_use_end(struct posix *p, struct posix_use *use, struct posix_fd *pfd);
/* What was open when the brick ended is found; later it goes. */
int  posix_left_over_init(struct posix *p);
/* Loop: sees to it that what is waited for goes. */
void posix_sweep_start(struct posix *p);
void posix_unlinked_remove(struct posix *p, const struct gfid *g);
/* The handle, there, of an open file without any name.  0 or -errno. */
int  posix_unlinked_add(struct posix *p, const struct gfid *g, int fd);
void posix_rename_finish(struct posix_op *op);

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
/* Opens for reading or writing as the caller (`how`: of caller_begin()).  A descriptor, or -errno;
 * -EINVAL: not a regular file or directory. */
int posix_obj_open(struct posix *p, const struct identity *id, unsigned how, const struct gfid *g,
		   uint32_t type, int flags);

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
void posix_tmpfile_run(struct posix_op *op);
void posix_link_run(struct posix_op *op);
void posix_unlink_run(struct posix_op *op);
void posix_rmdir_run(struct posix_op *op);
void posix_rename_run(struct posix_op *op);

void posix_find_run(struct posix_op *op);
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

int  posix_readdir_begin(struct posix_op *op);
void posix_readdir_run(struct posix_op *op);
void posix_readdir_finish(struct posix_op *op);
/* Will it have to read the directory, or look at many entries? */
bool posix_readdir_is_long(struct posix_op *op);
void posix_window_free(struct posix *p, struct posix_fd *pfd);	/* loop */

void posix_getxattr_run(struct posix_op *op);
void posix_getxattr_finish(struct posix_op *op);
void posix_setxattr_run(struct posix_op *op);
void posix_removexattr_run(struct posix_op *op);
void posix_listxattr_run(struct posix_op *op);
void posix_listxattr_finish(struct posix_op *op);

void posix_getflags_run(struct posix_op *op);
void posix_setflags_run(struct posix_op *op);

/* ---- posix-init.c -------------------------------------------------------------------- */

int  posix_init(struct xlator *xl);
/* xlator_type.directory */
const char *posix_own_directory(const struct xlator *xl);
int  posix_start(struct xlator *xl);
void posix_stop(struct xlator *xl);
void posix_fini(struct xlator *xl);

#endif
