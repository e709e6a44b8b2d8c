/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * ioctl.c - the ioctls of chattr(1) and lsattr(1).
 *
 * The kernel passes those of files and directories, in two forms: the flags of ext2
 * (FS_IOC_[GS]ETFLAGS) and those of XFS (FS_IOC_FS[GS]ETXATTR), and has checked that the caller owns the
 * object and who may change which.  All others are answered in the way that programs expect of a file
 * system without any.  (FIEMAP, FICLONE, FIDEDUPERANGE are not passed: EOPNOTSUPP.)
 */
#include "config.h"

#include <linux/fs.h>
#include <stdlib.h>

#include "mount.h"

static const struct {
	uint32_t flag, xflag;
} pairs[] = {
	{ FLAG_SYNC, FS_XFLAG_SYNC },	    { FLAG_IMMUTABLE, FS_XFLAG_IMMUTABLE },
	{ FLAG_APPEND, FS_XFLAG_APPEND },   { FLAG_NODUMP, FS_XFLAG_NODUMP },
	{ FLAG_NOATIME, FS_XFLAG_NOATIME },
};

static uint32_t xflags_of(uint32_t flags)
{
	uint32_t xflags = 0;

	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
		if (flags & pairs[i].flag)
			xflags |= pairs[i].xflag;
	return xflags;
}

/* *ret_mask: the flags that have such a form.  Returns the xflags that are none of ours. */
static uint32_t flags_of(uint32_t xflags, uint32_t *ret_flags, uint32_t *ret_mask)
{
	*ret_flags = *ret_mask = 0;
	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		*ret_mask |= pairs[i].flag;
		if (xflags & pairs[i].xflag)
			*ret_flags |= pairs[i].flag;
		xflags &= ~pairs[i].xflag;
	}
	return xflags;
}

static void getflags_done(struct frame *f, int child, int ret, const struct getflags_reply *reply)
{
	struct request *r = request_answered(f, &ret);

	if (ret < 0)
		return request_error(r, ret);
	if (r->valid == FS_IOC_FSGETXATTR) {
		struct fsxattr x = { .fsx_xflags = xflags_of(reply->flags) };

		fuse_reply_ioctl(r->req, 0, &x, sizeof x);
	} else {
		fuse_reply_ioctl(r->req, 0, &reply->flags, sizeof reply->flags);
	}
	request_end(r);
}

static void setflags_done(struct frame *f, int child, int ret, const struct setflags_reply *reply)
{
	struct request *r = request_answered(f, &ret);
	struct mount *m = r->mount;

	if (ret < 0)
		return request_error(r, ret);
	node_changed(m, r->inode, NULL, &reply->attr, r->changes);
	/* The kernel does not know that it changes the change time. */
	if (m->connected)
		fuse_lowlevel_notify_inval_inode(m->session, node_id(m, r->inode), -1, 0);
	fuse_reply_ioctl(r->req, 0, NULL, 0);
	request_end(r);
}

static void wind_flags(struct request *r, uint32_t flags, uint32_t mask)
{
	struct setflags_args a = { .inode = r->inode, .fd = r->fd, .flags = flags, .mask = mask };

	wind_setflags(r->root, 0, &a, setflags_done);
}

static void set_flags(struct request *r, const void *in, size_t size)
{
	uint32_t flags;

	if (size < sizeof flags)
		return request_error(r, -EINVAL);
	memcpy(&flags, in, sizeof flags);
	if (flags & ~(uint32_t)FLAG_ALL)
		return request_error(r, -EOPNOTSUPP);
	wind_flags(r, flags, FLAG_ALL);
}

static void set_xflags(struct request *r, const void *in, size_t size)
{
	struct fsxattr x;
	uint32_t flags, mask;

	if (size < sizeof x)
		return request_error(r, -EINVAL);
	memcpy(&x, in, sizeof x);
	if (flags_of(x.fsx_xflags, &flags, &mask) || x.fsx_extsize || x.fsx_projid || x.fsx_cowextsize)
		return request_error(r, -EOPNOTSUPP);
	wind_flags(r, flags, mask);
}

/* What tells an object from one that had its inode number before: never the case with us. */
static void reply_version(fuse_req_t req, const struct fuse_file_info *fi, size_t room)
{
	struct mount *m = fuse_req_userdata(req);
	const struct fd *fd = handle_fd(fi);
	uint32_t version = fd ? (uint32_t)gfid_hash(&fd->inode->gfid) : 0;

	m->stats.requests++;
	if (!fd || room < sizeof version)
		fuse_reply_err(req, EINVAL);
	else
		fuse_reply_ioctl(req, 0, &version, sizeof version);
}

void op_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned int cmd, void *arg,
	      struct fuse_file_info *fi, unsigned flags, const void *in_buf, size_t in_size,
	      size_t out_size)
{
	bool get = cmd == FS_IOC_GETFLAGS || cmd == FS_IOC_FSGETXATTR;
	bool set = cmd == FS_IOC_SETFLAGS || cmd == FS_IOC_FSSETXATTR;

	if (cmd == FS_IOC_GETVERSION)
		return reply_version(req, fi, out_size);
	if (!get && !set) {
		fuse_reply_err(req, ENOTTY);
		return;
	}
	struct request *r = get ? request_new(req, ino) : request_new_change(req, ino);
	if (!r)
		return;
	r->fd = fd_ref(handle_fd(fi));
	r->valid = cmd;
	if (get)
		wind_getflags(r->root, 0, &(struct getflags_args){ .inode = r->inode, .fd = r->fd },
			      getflags_done);
	else if (cmd == FS_IOC_SETFLAGS)
		set_flags(r, in_buf, in_size);
	else
		set_xflags(r, in_buf, in_size);
}
