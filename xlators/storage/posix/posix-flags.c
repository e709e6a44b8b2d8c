/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * posix-flags.c - the flags of chattr(1): immutable, append-only ...
 *
 * The file system of the brick keeps and obeys them.  Of an append-only file the kernel opens for
 * writing only what says O_APPEND; see posix_write_run() for what that means.
 */
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "posix.h"

_Static_assert(FLAG_IMMUTABLE == FS_IMMUTABLE_FL && FLAG_APPEND == FS_APPEND_FL &&
	       FLAG_NOCOW == FS_NOCOW_FL, "as in linux/fs.h");
_Static_assert(FLAG_ALL == (FLAG_SECRM | FLAG_UNRM | FLAG_COMPR | FLAG_SYNC | FLAG_IMMUTABLE |
			    FLAG_APPEND | FLAG_NODUMP | FLAG_NOATIME | FLAG_NOTAIL | FLAG_DIRSYNC |
			    FLAG_TOPDIR | FLAG_NOCOW), "all of them");

/* A descriptor of the object: *ret_own is to be closed by the caller, when it is not -1. */
static int flags_fd(struct posix_op *op, const struct gfid *g, int *ret_own)
{
	static const struct identity root = { 0 };

	*ret_own = -1;
	if (op->pfd)
		return op->pfd->fd;
	/* Who may look at the names of a directory may see its flags: no permission is asked for. */
	*ret_own = posix_obj_open(op->p, &root, 0, g, op->type, O_RDONLY);
	return *ret_own == -EINVAL ? -ENOTTY : *ret_own;
}

static int flags_read(int fd, uint32_t *ret_flags)
{
	int flags = 0;		/* an int whatever the header says */

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
		return errno == EINVAL ? -ENOTTY : -errno;
	*ret_flags = (uint32_t)flags;
	return 0;
}

void posix_getflags_run(struct posix_op *op)
{
	const struct getflags_args *a = op->args;
	uint32_t flags = 0;
	int own, fd = flags_fd(op, &a->inode->gfid, &own);

	op->ret = fd < 0 ? fd : flags_read(fd, &flags);
	op->reply.getflags.flags = flags & FLAG_ALL;
	if (own >= 0)
		close(own);
}

/* What is not in FLAG_ALL stays as it is on this brick. */
static int flags_write(struct posix_op *op, int fd, const struct setflags_args *a)
{
	struct posix_caller c;
	uint32_t old = 0;
	int flags, ret = flags_read(fd, &old);

	if (ret < 0)
		return ret;
	flags = (int)((old & ~a->mask) | (a->flags & a->mask));
	/* What is open for writing could not be opened again. */
	if ((uint32_t)flags & ~old & (FLAG_IMMUTABLE | FLAG_APPEND))
		ret = posix_fds_keep(op->p, &a->inode->gfid);
	if (ret == 0)
		ret = caller_begin(op->id, 0, &c);
	if (ret < 0)
		return ret;
	if (ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0)
		ret = -errno;
	caller_end(&c);
	return ret;
}

void posix_setflags_run(struct posix_op *op)
{
	const struct setflags_args *a = op->args;
	const struct gfid *g = &a->inode->gfid;
	int own, fd;

	if (a->mask & ~(uint32_t)FLAG_ALL) {
		op->ret = -EOPNOTSUPP;
		return;
	}
	fd = flags_fd(op, g, &own);
	op->ret = fd < 0 ? fd : flags_write(op, fd, a);
	if (op->ret == 0)
		op->ret = posix_attr_at(fd, "", AT_EMPTY_PATH, g, &op->reply.setflags.attr);
	if (own >= 0)
		close(own);
}
