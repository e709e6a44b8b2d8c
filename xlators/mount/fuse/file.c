/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * file.c - files: create, open, data, close.
 */
#include "config.h"

#include <fcntl.h>
#include <stdlib.h>

#include "mount.h"

enum { COPY_MAX = 1 << 30 };		/* copy_file_range: bytes a call */

/* ---- create and open ---- */

/* What the graph is to open, for what the program asked. */
static uint32_t open_flags(const struct mount *m, int flags)
{
	flags &= ~(O_CREAT | O_EXCL | O_NOCTTY);
	if (m->writeback_cache) {
		/* The kernel reads to complete pages, and knows itself where the end is. */
		if ((flags & O_ACCMODE) == O_WRONLY)
			flags = (flags & ~O_ACCMODE) | O_RDWR;
		flags &= ~O_APPEND;
	}
	return flags;
}

static bool opens_direct(const struct mount *m, int flags)
{
	return m->direct_io_mode == DIRECT_IO_ENABLE && (flags & O_ACCMODE) != O_RDONLY;
}

static void open_done(struct frame *f, int child, int ret, const struct open_reply *reply)
{
	struct request *r = request_answered(f, &ret);
	struct mount *m = r->mount;

	if (ret < 0) {
		handle_free(m, r->handle);
		return request_error(r, ret);
	}
	bool truncated = r->handle->fd->flags & O_TRUNC;
	const struct attr *before =
		attr_present(&reply->before) || truncated ? &reply->before : &reply->attr;
	r->fi.keep_cache = node_opened(m, r->inode, before, &reply->attr, truncated, r->changes);
	handle_opened(m, r->handle, &r->fi);
	if (reply_lost(m, fuse_reply_open(r->req, &r->fi)))
		handle_free(m, r->handle);	/* interrupted: there will be no RELEASE */
	request_end(r);
}

void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct mount *m = fuse_req_userdata(req);
	struct request *r =
		fi->flags & O_TRUNC ? request_new_change(req, ino) : request_new(req, ino);

	if (!r)
		return;
	uint32_t flags = open_flags(m, fi->flags);
	r->handle = handle_new(m, r->inode, flags, false);
	if (!r->handle)
		return request_error(r, -ENOMEM);
	r->fi = *fi;
	r->fi.direct_io = opens_direct(m, fi->flags);
	struct open_args a = { .inode = r->inode, .fd = r->handle->fd, .flags = flags };
	wind_open(r->root, 0, &a, open_done);
}

static void create_done(struct frame *f, int child, int ret, const struct create_reply *reply)
{
	struct request *r = request_answered(f, &ret);
	struct mount *m = r->mount;
	struct fuse_entry_param e;

	if (ret >= 0 && !attr_present(&reply->attr))
		ret = -EIO;
	int err = ret < 0 ? ret : entry_fill(m, r->other, &reply->attr, &e);
	if (err) {
		handle_free(m, r->handle);
		/* Somebody else made the name after the kernel looked.  Told that what it knows
		 * is stale, the kernel looks again and opens what is there, with its permission
		 * checks. */
		if (err == -EEXIST && !(r->fi.flags & O_EXCL))
			err = -ESTALE;
		return request_error(r, err);
	}
	node_changed(m, r->inode, NULL, &reply->parent, r->changes);
	node_changed(m, r->other, NULL, &reply->attr, r->changes);
	struct node *n = node_find(m, r->other);
	n->pages = true;
	xattr_note_created(m, n);
	r->fi.keep_cache = 1;
	handle_opened(m, r->handle, &r->fi);
	if (reply_lost(m, fuse_reply_create(r->req, &e, &r->fi))) {
		handle_free(m, r->handle);
		node_forget(m, r->other, 1);
	}
	request_end(r);
}

void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	       struct fuse_file_info *fi)
{
	struct mount *m = fuse_req_userdata(req);
	struct request *r = request_new_change(req, parent);

	if (!r || !request_name(r, name))
		return;
	struct gfid gfid = request_gfid(r);
	uint32_t flags = open_flags(m, fi->flags) & ~O_TRUNC;
	r->other = inode_get(xl_inodes(m->xl), &gfid, S_IFREG);
	r->handle = r->other ? handle_new(m, r->other, flags, false) : NULL;
	if (!r->handle)
		return request_error(r, -ENOMEM);
	r->fi = *fi;
	r->fi.direct_io = opens_direct(m, fi->flags);
	struct create_args a = {
		.parent = r->inode, .name = r->name, .inode = r->other, .fd = r->handle->fd,
		.flags = flags, .mode = mode, .umask = fuse_req_ctx(req)->umask,
	};
	wind_create(r->root, 0, &a, create_done);
}

/* ---- data ---- */

static void read_done(struct frame *f, int child, int ret, const struct read_reply *reply)
{
	struct request *r = request_answered(f, &ret);

	if (ret < 0)
		return request_error(r, ret);
	if (reply->data)
		fuse_reply_buf(r->req, (const char *)reply->data->data, reply->data->len);
	else
		fuse_reply_buf(r->req, NULL, 0);
	request_end(r);
}

void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct request *r = request_new(req, ino);

	if (!r)
		return;
	call_identity(r->root)->lk_owner = fi->lock_owner;
	struct read_args a = { .fd = handle_fd(fi), .offset = off, .size = size };
	wind_read(r->root, 0, &a, read_done);
}

static void write_done(struct frame *f, int child, int ret, const struct write_reply *reply)
{
	struct request *r = request_answered(f, &ret);

	if (ret < 0) {
		node_recent_drop(r->mount, r->inode);
		return request_error(r, ret);
	}
	node_changed(r->mount, r->inode, &reply->before, &reply->attr, r->changes);
	fuse_reply_write(r->req, ret);
	request_end(r);
}

void op_write(fuse_req_t req, fuse_ino_t ino, const char *bytes, size_t size, off_t off,
	      struct fuse_file_info *fi)
{
	struct request *r = request_new_change(req, ino);

	if (!r)
		return;
	r->buf = session_take(r->mount, bytes, size);
	if (!r->buf)
		return request_error(r, -ENOMEM);
	call_identity(r->root)->lk_owner = fi->lock_owner;
	struct write_args a = { .fd = handle_fd(fi), .data = r->buf, .offset = off };
	/*
	 * The offset of an append is where the kernel believes the end to be; another host may have
	 * moved it. Not for pages that are written back: their place is known.  fi->flags are those
	 * of now (fcntl(F_SETFL) may have changed them since the open).
	 */
	if ((fi->flags & O_APPEND) && !fi->writepage && !r->mount->writeback_cache)
		a.flags |= WRITE_APPEND;
	/* After a buffered O_SYNC write the kernel sends an FSYNC; after a direct one it does
	 * not. */
	if ((fi->flags & O_DSYNC) && (fi->flags & O_DIRECT) && !fi->writepage)
		a.flags |= WRITE_DSYNC;
	wind_write(r->root, 0, &a, write_done);
}

static void fsync_done(struct frame *f, int child, int ret, const struct fsync_reply *reply)
{
	struct request *r = request_answered(f, &ret);

	if (ret >= 0)
		node_seen(r->mount, r->inode, &reply->attr, r->changes);
	request_error(r, ret < 0 ? ret : 0);
}

void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	struct request *r = request_new(req, ino);

	if (r)
		wind_fsync(r->root, 0,
			   &(struct fsync_args){ .fd = handle_fd(fi), .datasync = datasync != 0 },
			   fsync_done);
}

/* ---- close ---- */

static void flush_done(struct frame *f, int child, int ret, const struct flush_reply *reply)
{
	request_error(request_of(f), ret < 0 ? ret : 0);
}

void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct request *r = request_new(req, ino);

	if (!r)
		return;
	call_identity(r->root)->lk_owner = fi->lock_owner;
	wind_flush(r->root, 0, &(struct flush_args){ .fd = handle_fd(fi), .owner = fi->lock_owner },
		   flush_done);
}

/* Nobody waits for it: the translators are told by the core, when the last operation on the file
 * has ended. */
void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct mount *m = fuse_req_userdata(req);
	struct handle *h = handle_of(fi);

	m->stats.requests++;
	fuse_reply_err(req, 0);
	if (fi->flock_release)
		lock_release_flock(m, h, fi->lock_owner);
	handle_free(m, h);
}

/* ---- space, holes, copies ---- */

static void fallocate_done(struct frame *f, int child, int ret, const struct fallocate_reply *reply)
{
	struct request *r = request_answered(f, &ret);

	if (ret < 0)
		node_recent_drop(r->mount, r->inode);
	else
		node_changed(r->mount, r->inode, &reply->before, &reply->attr, r->changes);
	request_error(r, ret < 0 ? ret : 0);
}

void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length,
		  struct fuse_file_info *fi)
{
	struct request *r = request_new_change(req, ino);

	if (!r)
		return;
	struct fallocate_args a = {
		.fd = handle_fd(fi), .mode = mode, .offset = offset, .length = length
	};
	wind_fallocate(r->root, 0, &a, fallocate_done);
}

static void seek_done(struct frame *f, int child, int ret, const struct seek_reply *reply)
{
	struct request *r = request_answered(f, &ret);

	if (ret < 0)
		return request_error(r, ret);
	fuse_reply_lseek(r->req, reply->offset);
	request_end(r);
}

void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence, struct fuse_file_info *fi)
{
	struct request *r = request_new(req, ino);

	if (!r)
		return;
	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return request_error(r, -EINVAL);
	/* Pages that only the kernel has are no holes, but the brick would say so: the kernel
	 * does without us then. */
	if (r->mount->writeback_cache)
		return request_error(r, -ENOSYS);
	struct seek_args a = { .fd = handle_fd(fi), .offset = off, .whence = whence };
	wind_seek(r->root, 0, &a, seek_done);
}

static void copy_done(struct frame *f, int child, int ret,
		      const struct copy_file_range_reply *reply)
{
	struct request *r = request_answered(f, &ret);

	if (ret < 0) {
		node_recent_drop(r->mount, r->inode);
		return request_error(r, ret);
	}
	node_changed(r->mount, r->inode, &reply->before, &reply->attr, r->changes);
	fuse_reply_write(r->req, ret);
	request_end(r);
}

void op_copy_file_range(fuse_req_t req, fuse_ino_t ino_in, off_t off_in,
			struct fuse_file_info *fi_in, fuse_ino_t ino_out, off_t off_out,
			struct fuse_file_info *fi_out, size_t len, int flags)
{
	struct request *r = request_new_change(req, ino_out);

	if (!r)
		return;
	struct copy_file_range_args a = {
		.in = handle_fd(fi_in),
		.in_offset = off_in,
		.out = handle_fd(fi_out),
		.out_offset = off_out,
		.length = len < COPY_MAX ? len : COPY_MAX,
		.flags = flags,
	};
	wind_copy_file_range(r->root, 0, &a, copy_done);
}

/* No operation of ours; said in the way that programs expect of a file system without any. */
void op_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned int cmd, void *arg,
	      struct fuse_file_info *fi, unsigned flags, const void *in_buf, size_t in_size,
	      size_t out_size)
{
	fuse_reply_err(req, ENOTTY);
}
