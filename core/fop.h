/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * fop.h - the types of file operations: the values of fops.def, and the ids, argument and
 * answer structs that are made from it.
 */
#ifndef GLUSTERFS_FOP_H
#define GLUSTERFS_FOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct inode;
struct fd;
struct buf;
struct dict;
struct dirents;

/* The identity of an object, for ever and on every replica.  All zero: none. */
struct gfid {
	uint8_t b[16];
};

struct ts {			/* seconds may be negative; nsec < 1e9 */
	int64_t  sec;
	uint32_t nsec;
};

/*
 * Attributes of an object.  mode holds the file type too, so mode == 0 says "absent".
 * blocks in units of 512 bytes; rdev in the kernel's new 32-bit encoding.
 */
struct attr {
	struct gfid gfid;
	uint64_t size, blocks, rdev;
	struct ts atime, mtime, ctime, btime;	/* btime.sec 0: not known */
	uint32_t mode, uid, gid, nlink, blksize;
};

static inline bool attr_present(const struct attr *a)
{
	return a->mode != 0;
}

enum {				/* setattr: which fields of attr are to be set */
	SET_MODE = 1, SET_UID = 2, SET_GID = 4, SET_ATIME = 8, SET_MTIME = 16,
	SET_ATIME_NOW = 32, SET_MTIME_NOW = 64,
};

enum { LOOKUP_ADOPTED = 1 };	/* the object had no identity and was given the caller's */

enum { FIND_ID, FIND_PARENT };

/* In the flags of an open, beside those of open(2): also what has lost its last name may be opened.  Without it
 * that is ESTALE, for who comes by a name that he has known for a while must be told that it means another file now. */
#define OPEN_NAMELESS (1u << 31)

enum {				/* write flags */
	WRITE_APPEND = 1,	/* at the end of the file, whatever the offset */
	WRITE_DSYNC = 2,	/* durable when answered */
};

/*
 * Flags of an object, with the values of FS_*_FL in linux/fs.h: what every file system means the same
 * by, or takes as a hint.  Not what describes how one keeps its data (extents, encryption, ...).
 */
enum {
	FLAG_SECRM = 0x1, FLAG_UNRM = 0x2, FLAG_COMPR = 0x4, FLAG_SYNC = 0x8, FLAG_IMMUTABLE = 0x10,
	FLAG_APPEND = 0x20, FLAG_NODUMP = 0x40, FLAG_NOATIME = 0x80, FLAG_NOTAIL = 0x8000,
	FLAG_DIRSYNC = 0x10000, FLAG_TOPDIR = 0x20000, FLAG_NOCOW = 0x800000,
	FLAG_ALL = 0x8380ff,
};

/* A byte-range (POSIX, OFD) or whole-file (flock) lock; start..end inclusive, end UINT64_MAX: to the end. */
struct lock {
	uint64_t owner;		/* who, for conflicts, within one client */
	uint64_t start, end;
	uint32_t type;		/* F_RDLCK, F_WRLCK, F_UNLCK */
	uint32_t pid;		/* only told to people */
	uint32_t kind;		/* LK_POSIX (and OFD: another owner), LK_FLOCK */
};
enum { LK_GET, LK_SET, LK_SETW };
enum { LK_POSIX, LK_FLOCK };

struct statfs_reply_data {	/* as struct statvfs */
	uint64_t blocks, bfree, bavail, files, ffree, favail;
	uint32_t bsize, frsize, namemax, flags;
};

typedef struct inode   *arg_inode;	/* the names by which fops.def knows the types */
typedef struct fd      *arg_fd;
typedef struct fd      *arg_newfd;	/* an open file in the making, bound to the inode named before it */
typedef struct buf     *arg_buf;
typedef struct dict    *arg_dict;
typedef struct dirents *arg_dirents;
typedef const char     *arg_str;	/* lives until the answer; arguments only, never in an answer */
typedef const char     *arg_name;	/* an arg_str that names an entry: 1 to 255 bytes, no '/', not "." or ".." */
typedef struct gfid     arg_gfid;
typedef struct attr     arg_attr;
typedef struct lock     arg_lock;
typedef struct statfs_reply_data arg_statfs;
typedef uint32_t        arg_u32;
typedef uint64_t        arg_u64;

enum fop_id {
#define FOP(n, k) FOP_##n,
#define ARG(t, f)
#define RET(t, f)
#define END(n)
#include "fops.def"
	FOP_COUNT
};

enum fop_class { FOP_READ, FOP_WRITE, FOP_ENTRY, FOP_SYNC, FOP_HANDLE };

/* `none` keeps a struct without fields from being empty (ISO C). */
#define FOP(n, k) struct n##_args {
#define ARG(t, f) arg_##t f;
#define RET(t, f)
#define END(n) };
#include "fops.def"

#define FOP(n, k) struct n##_reply { char none[0];
#define ARG(t, f)
#define RET(t, f) arg_##t f;
#define END(n) };
#include "fops.def"

union fop_args {
#define FOP(n, k) struct n##_args n;
#define ARG(t, f)
#define RET(t, f)
#define END(n)
#include "fops.def"
};

union fop_reply {
#define FOP(n, k) struct n##_reply n;
#define ARG(t, f)
#define RET(t, f) 
#define END(n)
#include "fops.def"
};

extern const char *const fop_names[FOP_COUNT];
extern const uint8_t fop_classes[FOP_COUNT];		/* enum fop_class */
extern const uint16_t fop_args_size[FOP_COUNT], fop_reply_size[FOP_COUNT];

/* The id of a name ("write"), or -1. */
int fop_by_name(const char *name);

/* Does the operation change the file system (class WRITE or ENTRY)? */
static inline bool fop_is_change(enum fop_id op)
{
	return fop_classes[op] == FOP_WRITE || fop_classes[op] == FOP_ENTRY;
}

#endif
