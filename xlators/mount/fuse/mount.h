/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * mount.h - what the files of mount/fuse share.
 *
 *	struct mount    the translator: the session with the kernel, options, counters
 *	struct request  one request of the kernel that waits for the graph; lives in its root frame
 *	struct node     what we keep of an object that the kernel knows; in its inode's slot
 *	struct handle   an open file that the kernel knows; fi->fh, and in its fd's slot
 *
 * libfuse parses requests and writes answers; the loop reads (session.c).  Everything here runs on
 * the loop thread, but for umount(2) (session.c) and the dropping of pages (pages.c), which workers
 * do.
 */
#ifndef MOUNT_FUSE_MOUNT_H
#define MOUNT_FUSE_MOUNT_H

#define FUSE_USE_VERSION 35
#include <limits.h>
#include <fuse_lowlevel.h>
#include <sys/queue.h>

#include "xlator.h"
#include "graph.h"

#ifndef container_of
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))
#endif

enum {
	MOUNT_IO_MAX = 1 << 20, /* bytes of a read or write request */
	MOUNT_DRAIN = 16, /* requests read per wake-up */
	MOUNT_TRICKLE = 512, /* requests without data read in CHECK_MS of a pause */
	MOUNT_STEAL = 16 << 10, /* a write of so many bytes keeps the buffer it was received in */
	MOUNT_PIECES = 1024, /* of listings, kept for the next page */
	MOUNT_LISTING = 32 << 10, /* bytes of a directory asked from the graph at a time */
	MOUNT_NR_RECENT = 1024, /* attributes remembered; a power of two */
};

enum { DIRECT_IO_DISABLE, DIRECT_IO_ENABLE, DIRECT_IO_AUTO };
enum { LOCKS_AUTO, LOCKS_FORWARD, LOCKS_LOCAL };

/* The state of a file's data that somebody has seen. */
struct version {
	uint64_t size;
	int64_t mtime_ns, ctime_ns;
};

/*
 * Kept while the kernel refers to the object (lookups > 0) or a file of it is open. known: the
 * state to which all pages of the kernel belong, and its attributes if it holds no pages.
 */
struct node {
	struct inode *inode;		/* held */
	LIST_ENTRY(node) link;
	fuse_ino_t id;
	struct node *id_next;		/* with the same hash of id */
	LIST_HEAD(, handle) handles;	/* open files of it */
	uint64_t lookups; /* how often the kernel was given the nodeid, minus what it forgot */
	uint64_t changed; /* mount->changes when the last change of ours was answered */
	uint64_t dropped;		/* mount->drops_begun when its pages were dropped last */
	struct version known;
	uint32_t mode;			/* as last seen; 0: not yet */
	uint32_t writing;		/* requests under way */
	struct attr *last;		/* of what is gone: for who has no open file of it */
	uint64_t absent_until_ns;	/* until then ... */
	uint8_t absent; /* ... these xattrs are known not to be there (bits, see xattr.c) */
	bool known_valid;
	bool gone;			/* we have removed its last name */
	bool pages;			/* has been opened: the kernel may hold pages */
};

/* Attributes as of the last answer, for a request that the kernel makes right after it. */
struct recent {
	const struct inode *inode;	/* borrowed: its node clears this before it goes */
	uint64_t until_ns;
	struct attr attr;
};

struct handle {
	struct fd *fd;			/* held while the kernel has it open */
	bool opened;			/* the kernel has it; otherwise a request does */
	LIST_ENTRY(handle) link, in_node;
	/* a directory: what was fetched and not yet given to the kernel */
	struct dirents *piece;
	const struct dirent_entry *at;	/* the next one to give */
	uint64_t at_cookie;		/* the kernel goes on after this */
	uint64_t piece_ns, piece_changes;
	bool piece_plus;
};

/* What the request that is being processed says besides what libfuse tells (kernel.c). */
struct kernel_said {
	uint32_t by_name;		/* the FUSE_* of what may be about a name; 0: of an open file */
	uint64_t directory;		/* a LOOKUP: where */
	const char *name;		/* a LOOKUP: of what */
	bool init;
	bool tmpfile;			/* a CREATE: without a name */
	bool statx, now;		/* a GETATTR: is to be answered by kernel_statx(); nothing
					 * that is remembered will do */
	bool kill_priv;			/* the caller has no CAP_FSETID */
	bool checked;			/* about an open file: permissions were checked by the open */
};

/* Who was told ESTALE, and may come again (request.c). */
struct told {
	uint32_t pid;			/* 0: nobody */
	uint32_t by_name;		/* of kernel_said */
	uint64_t ns;			/* when */
	uint64_t directory;		/* what was looked up first since then; 0: nothing */
	char name[NAME_MAX + 1];
	bool looked_up_twice;
};

enum { STALE_TOLD = 64 };

struct mount {
	/* options */
	char *mount_point, *fsname, *subtype, *mount_options;
	uint64_t attr_timeout_ms, entry_timeout_ms, max_request_bytes;
	uint32_t direct_io_mode, locks, max_background;
	bool noatime;			/* of mount-options */
	bool read_only, allow_other, writeback_cache, send_groups;

	struct xlator *xl;
	struct fuse_session *session;
	int fd;				/* of the session ; /dev/null after mount_disconnect() */
	uint32_t dev_major, dev_minor;	/* of the mounted file system, to recognise it (own_mount()) */
	struct io io;
	struct buf *rx;			/* the buffer requests are received in */
	struct kernel_said said;
	struct {			/* caller_lost_capability() */
		struct gfid gfid;
		uint32_t pid;
	} lost_capability;
	struct told stale[STALE_TOLD];
	unsigned nr_stale;
	uint64_t wanted;		/* FUSE_* of INIT that libfuse does not know of */
	bool maps_direct;		/* the kernel maps files that bypass its pages */
	struct frame *probe;		/* asks whether the graph has locks */
	struct timer probe_timer, check_timer;
	LIST_HEAD(, request) requests;
	LIST_HEAD(, node) nodes;
	struct node **ids;		/* by id: chains */
	size_t nr_ids;			/* a power of two, or 0 */
	LIST_HEAD(, handle) handles;
	struct recent *recent;		/* MOUNT_NR_RECENT, direct-mapped */
	uint64_t changes;		/* changes of ours that have been answered */
	uint64_t forgotten_changed;	/* the latest `changed` of nodes that were freed */
	char *out;			/* listings are put together here */
	size_t out_size;
	struct inode **listed;		/* those that a listing gave to the kernel */
	size_t listed_size;

	bool groups_wanted;		/* by a brick: as with send_groups */
	bool serving;			/* requests are read ... */
	bool paused;			/* ... but not now: too many bytes are under way */
	uint64_t bytes;			/* of reads and writes under way */
	uint32_t nr_pieces;		/* of listings, in handles */
	bool connected;			/* mounted, and the kernel is there */
	bool inited;			/* INIT was answered */
	bool child_up;
	bool local_locks;		/* the kernel keeps locks: the graph has none */
	bool unmounting, unmounted;	/* umount(2) runs, has returned */
	struct work umount_work;
	struct pool *umount_pool;	/* its thread: those of the graph may all wait for a disk */
	int umount_fd, umount_err;	/* the thread's: a copy of `fd`; what came of it, 0 or -errno */
	struct pool *drop_pool;		/* a thread that drops pages (pages.c); NULL until needed */
	uint64_t drops_begun, drops_done;	/* by it, one after the other */

	struct {
		uint64_t requests, wakeups, attrs_local, xattrs_local, listings_local;
		uint64_t writes_stolen, opens_kept, opens_dropped, locks_kept, locks_dropped;
		uint64_t interrupts, abandoned, pauses;
		uint64_t in_flight, max_in_flight, nr_nodes, nr_handles;
	} stats;
};

/* The scratch of the root frame of a request. */
struct request {
	struct mount *mount;
	struct frame *root;
	fuse_req_t req;			/* NULL: nobody waits any more (request_answered()) */
	LIST_ENTRY(request) link;
	uint64_t changes;		/* mount->changes when it was wound */
	struct inode *inode, *other;	/* held */
	struct fd *fd;			/* held: about to be opened, or operated on */
	struct handle *handle;		/* about to be opened: ours; otherwise the kernel's */
	struct buf *buf;		/* held */
	const char *name;		/* in the arena of the call */
	struct attr attr;		/* setattr: what is left to set */
	struct fuse_file_info fi;
	uint64_t offset;
	uint32_t size, valid, bytes;
	uint32_t done;			/* write: bytes of a page that were written before */
	uint64_t id;
	const struct lock *lock;	/* in the arena of the call */
	uint64_t start_ns;
	uint32_t by_name;		/* of kernel_said */
	bool again, looked_up;		/* the kernel comes with it again: it was told ESTALE; after a lookup */
	bool writes;			/* it is counted in its node */
	bool appends;			/* write: to the end, wherever that is */
	bool plus, cancelled, interrupted, lock_wait, statx;
};

/* ---- fuse.c */

/* The kernel is gone or is to be sent away: nothing is read any more, everything it held is
 * dropped, what waits is cancelled.  Idempotent. */
void mount_disconnect(struct mount *m);

/* ---- session.c */

/* Creates the session and mounts.  0, or -errno after xl_error(). */
int session_open(struct mount *m);
/* Begins to answer the kernel.  0 or -errno. */
int session_serve(struct mount *m);
/* The data of requests under way have become more or less: reads on, or stops reading. */
void session_flow(struct mount *m);
/* Now and then while nothing is read: reads a few requests, and at most one with data, for one of
 * them may be what the others wait for (an unlock). */
void session_trickle(struct mount *m);
/* Unmounts and waits until that is done (bounded).  Runs the loop. */
void session_unmount(struct mount *m);
void session_close(struct mount *m);
/* Takes the descriptor away from the kernel, which ends the connection; the number stays taken. */
void session_sever(struct mount *m);
/* Bytes that lie in the request being processed, as a new reference: the receive buffer itself when
 * they are many.  NULL: no memory. */
struct buf *session_take(struct mount *m, const char *bytes, size_t size);

/* ---- kernel.c */

/* Before libfuse sees a request of *size bytes: m->said.  May move its beginning. */
void kernel_request(struct mount *m, char **at, size_t *size);
/* Answers a STATX. */
void kernel_statx(fuse_req_t req, const struct attr *a, double valid);
/* Before an answer is written. */
void kernel_answer(struct mount *m, struct iovec *iov, int count);

/* ---- options of mount(8): mountopt.c */

/* The MS_* flags of a list of mount options, on top of *flags.  0, or -EINVAL after xl_error(). */
int mountopt_parse(struct xlator *xl, const char *list, unsigned long *flags);

/* ---- request.c */

/* A request on `ino`; NULL: req was answered with an error.  request_end() frees it. */
struct request *request_new(fuse_req_t req, fuse_ino_t ino);
/* The same for an operation that changes something: it gets a txn. */
struct request *request_new_change(fuse_req_t req, fuse_ino_t ino);
/* It carries, or asks for, so much data. */
void request_bytes(struct request *r, uint32_t bytes);
void request_end(struct request *r);
/* After an answer that gave the kernel a reference: did it not get it (interrupted, gone)? */
static inline bool reply_lost(const struct mount *m, int reply_ret)
{
	return reply_ret < 0 || !m->connected;
}
/* Answers 0 or -errno, and ends.  (-ESTALE of something that the kernel comes with again is -ENOENT.) */
void request_error(struct request *r, int err);
/* An operation on the object failed: is there an open file of it, r->fd from now on, to try
 * again with?  For objects that have lost their last name; the kernel does not say which file
 * fchmod(2) and others came from. */
bool request_retry(struct request *r, int ret);
/* Copies a name into the call.  False: there was no memory, r was answered. */
bool request_name(struct request *r, const char *name);
/* The gfid for what a change creates. */
struct gfid request_gfid(const struct request *r);
static inline struct request *request_of(struct frame *root)
{
	return frame_data(root);
}
/* Nobody waits for the answer of r any more: what we remember of its objects is old. */
void request_unheard(struct request *r);
/* The request that was answered with *ret, which becomes -EINTR when nobody waits for it any
 * more. */
static inline struct request *request_answered(struct frame *root, int *ret)
{
	struct request *r = frame_data(root);

	if (!r->req) {
		request_unheard(r);
		*ret = -EINTR;
	}
	return r;
}

/* ---- caller.c */

/* Reads the supplementary groups of the caller: identity->groups. */
void caller_groups(struct request *r);
/* Reads whether the caller keeps set-user-id bits, and by which groups: identity->kill_priv. */
void caller_kill_priv(struct request *r);
/* The request removes file capabilities. */
void caller_lost_capability(const struct request *r);
/* Is r, a SETATTR of nothing, what the kernel lets follow to that, before a write of somebody who keeps
 * set-user-id bits? */
bool caller_only_lost_capability(struct request *r);
/* Is the object one whose set-group-id bit only those may keep who are in the group (S_ISGID without
 * S_IXGRP)? */
bool caller_group_decides(const struct request *r);

/* ---- node.c */

/* Borrowed; NULL: an id that the kernel does not hold (of a file handle). */
struct inode *node_inode(const struct mount *m, fuse_ino_t ino);
fuse_ino_t node_id(const struct mount *m, const struct inode *inode);
/* What the kernel puts into a file handle beside the id. */
uint32_t node_generation(const struct inode *inode);
struct node *node_find(const struct mount *m, const struct inode *inode);	/* NULL: none */
/* One more reference of the kernel.  NULL: no memory. */
struct node *node_lookup(struct mount *m, struct inode *inode);
void node_forget(struct mount *m, struct inode *inode, uint64_t n);
void node_free(struct mount *m, struct node *n);
void node_finish(struct mount *m);		/* when none is left */
/* An answer of a request that changes nothing, wound when m->changes was `since`. */
void node_seen(struct mount *m, struct inode *inode, const struct attr *attr, uint64_t since);
/* The answer of a change of ours to the object: data_before NULL: not of its data. */
void node_changed(struct mount *m, struct inode *inode, const struct attr *data_before,
		  const struct attr *attr, uint64_t since);
/* The same for an object of which only the attributes are at hand. */
void node_changed_attr(struct mount *m, const struct attr *attr, uint64_t since);
/* Remembered attributes and how long they are good, or NULL. */
const struct attr *node_recent(const struct mount *m, const struct inode *inode,
			       uint64_t *ret_left_ns);
void node_recent_drop(struct mount *m, const struct inode *inode);
/* What r has read is about to be in the kernel's pages. */
void node_read(struct request *r);
/* r begins to write, or ends. */
void node_writes(struct request *r, bool begin);
/* It was read: what is remembered is not good when the brick has set the access time by that (relatime). */
void node_accessed(struct mount *m, const struct inode *inode);
/* The answer of an open, `before` it and after (they differ when it truncated: changed).  Are
 * the kernel's pages those of the file as it was?  If not, the kernel's attributes are
 * invalidated; the pages are the caller's, who drops them before the file is used. */
bool node_opened(struct mount *m, struct inode *inode, const struct attr *before,
		 const struct attr *attr, bool changed, uint64_t since);
/* The same when a lock was granted, attr NULL: not to be had.  False: pages and attributes must
 * be dropped, by the caller. */
bool node_checked(struct mount *m, struct inode *inode, const struct attr *attr, uint64_t since);
/* A change of ours has happened, or not. */
void node_unknown(struct mount *m, struct inode *inode);
/* Somebody else changed it. */
void node_invalidate(struct mount *m, struct inode *inode);

/* ---- pages.c */

/* Makes the kernel drop its pages of the object from `offset` on, after those that are dirty were written.
 * then(waiting): when that is done (or cannot be); NULL: nobody waits. */
void pages_drop(struct mount *m, struct inode *inode, uint64_t offset, struct request *waiting,
		void (*then)(struct request *waiting));
/* Old pages may still be there: whoever needs those of the file as it is must have them dropped, too. */
static inline bool pages_dropping(const struct mount *m, const struct node *n)
{
	return n->dropped > m->drops_done;
}

/* ---- attr.c */

void attr_to_stat(const struct attr *a, struct stat *st);
/* Fills what the kernel is told of an object, and counts its lookup.  0 or -errno. */
int entry_fill(struct mount *m, struct inode *inode, const struct attr *attr,
	       struct fuse_entry_param *e);
/* Answers with an entry for attr->gfid, and ends. */
void request_entry(struct request *r, const struct attr *attr);
void request_attr(struct request *r, const struct attr *attr);
double mount_seconds(uint64_t ns);

/* ---- operations: names.c attr.c file.c dir.c xattr.c lock.c ioctl.c */

void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup);
void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets);
void op_readlink(fuse_req_t req, fuse_ino_t ino);
void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev);
void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name);
void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent,
	       const char *newname, unsigned int flags);
void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t newparent, const char *newname);

void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int to_set,
		struct fuse_file_info *fi);
void op_access(fuse_req_t req, fuse_ino_t ino, int mask);
void op_statfs(fuse_req_t req, fuse_ino_t ino);

void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	       struct fuse_file_info *fi);
void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void op_write(fuse_req_t req, fuse_ino_t ino, const char *bytes, size_t size, off_t off,
	      struct fuse_file_info *fi);
void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);
void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length,
		  struct fuse_file_info *fi);
void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence, struct fuse_file_info *fi);
void op_copy_file_range(fuse_req_t req, fuse_ino_t ino_in, off_t off_in,
			struct fuse_file_info *fi_in, fuse_ino_t ino_out, off_t off_out,
			struct fuse_file_info *fi_out, size_t len, int flags);
void op_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned int cmd, void *arg,
	      struct fuse_file_info *fi, unsigned flags, const void *in_buf, size_t in_size,
	      size_t out_size);

void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi);
void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);
void piece_drop(struct mount *m, struct handle *h);

void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size,
		 int flags);
void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size);
void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size);
void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name);
/* An object that we have just created has no file capabilities. */
void xattr_note_created(struct mount *m, struct node *n);

void op_getlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *lock);
void op_setlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *lock,
	      int sleep);
void op_flock(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, int op);
/* The lock of r is there: answers, and ends. */
void lock_granted(struct request *r);
/* The last descriptor of an open file that took a flock is gone: unlocks it, without anybody
 * waiting. */
void lock_release_flock(struct mount *m, struct handle *h, uint64_t owner);

/* ---- handles: handle.c */

/* A new handle for inode with an open file in the making; belongs to the request until
 * handle_opened(). */
struct handle *handle_new(struct mount *m, struct inode *inode, uint32_t flags, bool directory);
/* To be called before fi is answered: fi->fh. */
void handle_opened(struct mount *m, struct handle *h, struct fuse_file_info *fi);
void handle_free(struct mount *m, struct handle *h);		/* takes NULL */
static inline struct handle *handle_of(const struct fuse_file_info *fi)
{
	return fi ? (struct handle *)(uintptr_t)fi->fh : NULL;
}
static inline struct fd *handle_fd(const struct fuse_file_info *fi)
{
	return fi && fi->fh ? handle_of(fi)->fd : NULL;
}

#endif
