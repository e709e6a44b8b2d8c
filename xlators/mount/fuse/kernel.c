/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * kernel.c - what the kernel says and libfuse does not (3.14; newer ones are told nothing of it, so
 * that it is done here for all of them).
 *
 * kernel_request() looks at a request before libfuse does.  One that libfuse does not know becomes the
 * one of which it is a variant, whose beginning is the same: TMPFILE a CREATE, STATX a GETATTR (answered
 * by kernel_statx()), an extended SETXATTR a short one; what else was said is in m->said, for the
 * operation, which libfuse calls before we read the next request.  kernel_answer() adds to the answer to INIT what we want besides.
 *
 * Wanted besides:
 *  - HANDLE_KILLPRIV_V2: whether the caller may keep set-user-id bits comes with the request
 *    (identity->kill_priv), the bricks take them away; the kernel does not ask for security.capability
 *    before each write.
 *  - SETXATTR_EXT: the same for a new ACL.
 *  - DIRECT_IO_ALLOW_MMAP: files that bypass the kernel's pages (direct-io-mode) can be mapped shared,
 *    and the kernel keeps the two coherent.
 */
#include "config.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <sys/stat.h>

#include "mount.h"

/* linux/fuse.h has these since protocol 7.39 (Linux 6.6) */
#define INIT_EXT (1ull << 30)
#define INIT_DIRECT_IO_ALLOW_MMAP (1ull << 36)
#define WANTED ((uint64_t)FUSE_HANDLE_KILLPRIV_V2 | FUSE_SETXATTR_EXT | INIT_DIRECT_IO_ALLOW_MMAP)

enum { OP_TMPFILE = 51, OP_STATX = 52 };

struct statx_in {
	uint32_t getattr_flags, reserved;
	uint64_t fh;
	uint32_t sx_flags, sx_mask;
};
_Static_assert(offsetof(struct statx_in, fh) == offsetof(struct fuse_getattr_in, fh),
	       "a STATX begins as a GETATTR");

struct statx_time {
	int64_t sec;
	uint32_t nsec, reserved;
};

struct statx_out {
	uint64_t attr_valid;
	uint32_t attr_valid_nsec, flags;
	uint64_t spare[2];
	/* struct fuse_statx */
	uint32_t mask, blksize;
	uint64_t attributes;
	uint32_t nlink, uid, gid;
	uint16_t mode, spare0;
	uint64_t ino, size, blocks, attributes_mask;
	struct statx_time atime, btime, ctime, mtime;
	uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
	uint64_t spare2[14];
};
_Static_assert(sizeof(struct statx_out) == 288, "as the kernel has it");

static bool has_body(const struct fuse_in_header *h, size_t size, size_t body)
{
	return size >= sizeof *h + body && h->len <= size;
}

/* What the kernel can do. */
static uint64_t offered(const struct fuse_in_header *h, size_t size)
{
	const struct fuse_init_in *in = (const void *)(h + 1);

	if (!has_body(h, size, offsetof(struct fuse_init_in, flags) + sizeof in->flags))
		return 0;
	if (!has_body(h, size, sizeof *in) || !(in->flags & INIT_EXT))
		return in->flags;
	return in->flags | (uint64_t)in->flags2 << 32;
}

/* The short form is the extended one without its second half: what is before moves up to the name. */
static void shorten_setxattr(char **at, size_t *size)
{
	enum { EXTRA = sizeof(struct fuse_setxattr_in) - FUSE_COMPAT_SETXATTR_IN_SIZE };
	struct fuse_in_header h;

	memmove(*at + EXTRA, *at, sizeof h + FUSE_COMPAT_SETXATTR_IN_SIZE);
	*at += EXTRA;
	*size -= EXTRA;
	memcpy(&h, *at, sizeof h);
	h.len -= EXTRA;
	memcpy(*at, &h, sizeof h);
}

/* What needs no more permission than an open file has, or none. */
static bool is_checked(uint32_t opcode)
{
	switch (opcode) {
	case FUSE_READ: case FUSE_WRITE: case FUSE_FLUSH: case FUSE_RELEASE: case FUSE_FSYNC:
	case FUSE_READDIR: case FUSE_RELEASEDIR: case FUSE_FSYNCDIR: case FUSE_LSEEK:
	case FUSE_FALLOCATE: case FUSE_COPY_FILE_RANGE: case FUSE_GETLK: case FUSE_SETLK:
	case FUSE_SETLKW: case FUSE_GETATTR: case OP_STATX: case FUSE_STATFS:
		return true;
	}
	return false;
}

void kernel_request(struct mount *m, char **at, size_t *size)
{
	struct fuse_in_header *h = (struct fuse_in_header *)*at;
	const void *body = h + 1;

	m->said = (struct kernel_said){
		.init = h->opcode == FUSE_INIT, .checked = is_checked(h->opcode),
		.by_name = is_checked(h->opcode) ? 0 : h->opcode, .directory = h->nodeid,
	};
	switch (h->opcode) {
	case FUSE_LOOKUP:
		m->said.name = body;
		break;
	case FUSE_GETATTR:
		if (!has_body(h, *size, sizeof(struct fuse_getattr_in)) ||
		    !(((const struct fuse_getattr_in *)body)->getattr_flags & FUSE_GETATTR_FH))
			m->said.by_name = FUSE_GETATTR;
		break;
	case FUSE_INIT:
		m->wanted = offered(h, *size) & WANTED;
		break;
	case OP_TMPFILE:
		m->said.tmpfile = true;
		h->opcode = FUSE_CREATE;
		break;
	case OP_STATX:
		if (!has_body(h, *size, sizeof(struct statx_in)))
			break;		/* ENOSYS, which libfuse answers */
		m->said.by_name = FUSE_GETATTR;
		m->said.statx = true;
		m->said.now = ((const struct statx_in *)body)->sx_flags & AT_STATX_FORCE_SYNC;
		h->opcode = FUSE_GETATTR;
		break;
	case FUSE_OPEN:
		if (has_body(h, *size, sizeof(struct fuse_open_in)))
			m->said.kill_priv = ((const struct fuse_open_in *)body)->open_flags &
					    FUSE_OPEN_KILL_SUIDGID;
		break;
	case FUSE_WRITE:
		if (has_body(h, *size, sizeof(struct fuse_write_in)))
			m->said.kill_priv = ((const struct fuse_write_in *)body)->write_flags &
					    FUSE_WRITE_KILL_SUIDGID;
		break;
	case FUSE_SETATTR:
		if (has_body(h, *size, sizeof(struct fuse_setattr_in)))
			m->said.kill_priv = ((const struct fuse_setattr_in *)body)->valid &
					    FATTR_KILL_SUIDGID;
		break;
	case FUSE_SETXATTR:
		if (!(m->wanted & FUSE_SETXATTR_EXT) ||
		    !has_body(h, *size, sizeof(struct fuse_setxattr_in)))
			break;
		m->said.kill_priv = ((const struct fuse_setxattr_in *)body)->setxattr_flags &
				    FUSE_SETXATTR_ACL_KILL_SGID;
		shorten_setxattr(at, size);
		break;
	}
}

static struct statx_time time_of(const struct ts *t)
{
	return (struct statx_time){ .sec = t->sec, .nsec = t->nsec };
}

void kernel_statx(fuse_req_t req, const struct attr *a, double valid)
{
	struct stat st;

	attr_to_stat(a, &st);
	struct statx_out out = {
		.attr_valid = (uint64_t)valid,
		.attr_valid_nsec = (valid - (double)(uint64_t)valid) * 1e9,
		.mask = STATX_BASIC_STATS | (a->btime.sec ? STATX_BTIME : 0),
		.blksize = st.st_blksize, .nlink = st.st_nlink, .uid = st.st_uid, .gid = st.st_gid,
		.mode = st.st_mode, .ino = st.st_ino, .size = st.st_size, .blocks = st.st_blocks,
		.atime = time_of(&a->atime), .btime = time_of(&a->btime),
		.ctime = time_of(&a->ctime), .mtime = time_of(&a->mtime),
		.rdev_major = (a->rdev & 0xfff00) >> 8,
		.rdev_minor = (a->rdev & 0xff) | ((a->rdev >> 12) & 0xfff00),
	};

	fuse_reply_buf(req, (const char *)&out, sizeof out);
}

void kernel_answer(struct mount *m, struct iovec *iov, int count)
{
	struct fuse_init_out *out = count == 2 ? iov[1].iov_base : NULL;

	if (!m->said.init)
		return;
	m->said.init = false;
	if (!out || iov[1].iov_len < sizeof *out)
		m->wanted = 0;		/* an error, or a kernel of before all that */
	m->maps_direct = m->wanted & INIT_DIRECT_IO_ALLOW_MMAP;
	if (!m->wanted)
		return;
	out->flags |= (uint32_t)m->wanted;
	if (m->wanted >> 32) {
		out->flags |= INIT_EXT;
		out->flags2 |= m->wanted >> 32;
	}
}
