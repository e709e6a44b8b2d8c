/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * file.c - files: create, open, data, close.
 */
#include "config.h"

#include <fcntl.h>
#include <stdlib.h>

#include "mount.h"

/* copy_file_range: bytes a call.  A brick does it in one piece, and others who use the files wait. */
enum { COPY_MAX = 128 << 20 };

/* ---- create and open ---- */

/* What the graph is to open, for what the program asked. */
static uint32_t open_flags(const struct mount *m, int flags)
{
	flags &= ~(O_CREAT | O_EXCL | O_NOCTTY);
	flags |= m->noatime ? O_NOATIME : 0;
	if (m->writeback_cache) {
		/* The kernel reads to complete pages, and knows itself where the end is. */
		if ((flags & O_ACCMODE) == O_WRONLY)
			flags = (flags & ~O_ACCMODE) | O_RDWR;
		flags &= ~O_APPEND;
	}
	return flags;
}

/*
 * An append is one request, so that nothing of another host comes between its bytes: through its pages the
 * kernel sends what goes into a page that it has not read, and the rest after that, on its own.
 * Before DIRECT_IO_ALLOW_MMAP the kernel would not let such a file be mapped, nor drop pages after the write.
 */
static bool opens_direct(const struct mount *m, int flags)
{
	if ((flags & O_ACCMODE) == O_RDONLY)
		return false;
	return m->direct_io_mode == DIRECT_IO_ENABLE ||
	       (flags & O_APPEND && m->maps_direct && !m->writeback_cache);
}

/* r may have been abandoned while pages were dropped. */
static void open_answer(struct request *r)
{
	struct mount *m = r->mount;

	if (!r->req) {
		handle_free(m, r->handle);
		return request_end(r);
	}
	handle_opened(m, r->handle, &r->fi);
	if (reply_lost(m, fuse_reply_open(r->req, &r->fi)))
		handle_free(m, r->handle);	/* interrupted: there will be no RELEASE */
	request_end(r);
}

/*
 * Old pages are gone before the file is open: the kernel would drop them in the process that opens it, when
 * that runs again; somebody else here who opens the file, or gets a lock on it, in the meantime would find
 * it unchanged since this open, and read them.  A truncation empties the pages itself, under locks that the
 * drop would wait for.
 */
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
	const struct node *n = node_find(m, r->inode);
	bool had_pages = n && n->pages;
	bool same = node_opened(m, r->inode, before, &reply->attr, truncated, r->changes);

	r->fi.keep_cache = same || (had_pages && !truncated);
	if (r->fi.keep_cache && !same)
		return pages_drop(m, r->inode, 0, r, open_answer);
	open_answer(r);
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
	const struct node *n = node_find(m, r->inode);
	/* What lost its last name here is known by no name here.  One that comes again may open what has none any
	 * more: through /proc/self/fd it comes for the same file.  The first time it may not, or a name that another
	 * host has given to another file would open the old one, as long as that is kept by somebody. */
	if ((n && n->gone) || r->again)
		a.flags |= OPEN_NAMELESS;
	wind_open(r->root, 0, &a, open_done);
}

/* What a create or a tmpfile made, and opened. */
static void created(struct request *r, int ret, const struct attr *attr, const struct attr *parent)
{
	struct mount *m = r->mount;
	struct fuse_entry_param e;

	if (ret >= 0 && !attr_present(attr))
		ret = -EIO;
	int err = ret < 0 ? ret : entry_fill(m, r->other, attr, &e);
	if (err) {
		handle_free(m, r->handle);
		/* Somebody else made the name after the kernel looked.  Told that what it knows
		 * is stale, the kernel looks again and opens what is there, with its permission
		 * checks. */
		if (err == -EEXIST && !(r->fi.flags & O_EXCL))
			err = -ESTALE;
		return request_error(r, err);
	}
	if (parent)
		node_changed(m, r->inode, NULL, parent, r->changes);
	node_changed(m, r->other, NULL, attr, r->changes);
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

static void create_done(struct frame *f, int child, int ret, const struct create_reply *reply)
{
	struct request *r = request_answered(f, &ret);

	created(r, ret, reply ? &reply->attr : NULL, reply ? &reply->parent : NULL);
}

static void tmpfile_done(struct frame *f, int child, int ret, const struct tmpfile_reply *reply)
{
	struct request *r = request_answered(f, &ret);

	created(r, ret, reply ? &reply->attr : NULL, NULL);
}

void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	       struct fuse_file_info *fi)
{
	struct mount *m = fuse_req_userdata(req);
	struct request *r = request_new_change(req, parent);
	const bool nameless = m->said.tmpfile;

	if (!r || !request_name(r, name))
		return;
	struct gfid gfid = request_gfid(r);
	uint32_t flags = open_flags(m, fi->flags) & ~(O_TRUNC | (nameless ? O_TMPFILE : 0));
	uint32_t mask = fuse_req_ctx(req)->umask;
	r->other = inode_get(xl_inodes(m->xl), &gfid, S_IFREG);
	r->handle = r->other ? handle_new(m, r->other, flags, false) : NULL;
	if (!r->handle)
		return request_error(r, -ENOMEM);
	r->fi = *fi;
	r->fi.direct_io = opens_direct(m, fi->flags);
	if (nameless) {
		struct tmpfile_args a = {
			.parent = r->inode, .inode = r->other, .fd = r->handle->fd,
			.flags = flags, .mode = mode, .umask = mask,
		};
		return wind_tmpfile(r->root, 0, &a, tmpfile_done);
	}
	struct create_args a = {
		.parent = r->inode, .name = r->name, .inode = r->other, .fd = r->handle->fd,
		.flags = flags, .mode = mode, .umask = mask,
	};
	wind_create(r->root, 0, &a, create_done);
}

/* ---- data ---- */

static void read_done(struct frame *f, int child, int ret, const struct read_reply *reply)
{
	struct request *r = request_answered(f, &ret);

	if (ret < 0)
		return request_error(r, ret);
	node_accessed(r->mount, r->inode);
	node_read(r);
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
	request_bytes(r, size);
	call_identity(r->root)->lk_owner = fi->lock_owner;
	struct read_args a = { .fd = handle_fd(fi), .offset = off, .size = size };
	wind_read(r->root, 0, &a, read_done);
}

/* The answer to a change of data that tells how many bytes it was.  Ends r. */
static void reply_bytes(struct request *r, int ret, const struct attr *before,
			const struct attr *attr)
{
	if (ret < 0) {
		node_recent_drop(r->mount, r->inode);
		return request_error(r, ret);
	}
	node_changed(r->mount, r->inode, before, attr, r->changes);
	fuse_reply_write(r->req, ret);
	request_end(r);
}

static void wind_rest(struct request *r);

static void write_done(struct frame *f, int child, int ret, const struct write_reply *reply)
{
	struct request *r = request_answered(f, &ret);
	struct mount *m = r->mount;

	if (ret < 0)
		return reply_bytes(r, ret, NULL, NULL);
	/* The kernel does not look at how much of its pages was written back. */
	if (r->fi.writepage && ret > 0 && (size_t)ret < r->buf->len - r->done) {
		node_changed(m, r->inode, &reply->before, &reply->attr, r->changes);
		r->done += ret;
		return wind_rest(r);
	}
	if (r->appends && attr_present(&reply->attr) &&
	    reply->attr.size != r->offset + (uint64_t)ret) {
		_cleanup_inode_ struct inode *inode = inode_ref(r->inode);
		uint64_t from = r->offset;

		/* The kernel has put them into its pages where it believed the end to be. */
		reply_bytes(r, ret, &reply->before, &reply->attr);
		return pages_drop(m, inode, from, NULL, NULL);
	}
	reply_bytes(r, (int)r->done + ret, &reply->before, &reply->attr);
}

static void wind_rest(struct request *r)
{
	struct buf *rest = buf_slice(r->buf, r->done, r->buf->len - r->done);
	struct write_args a = {
		.fd = r->fd, .data = rest, .offset = r->offset + r->done
	};

	if (!rest)
		return request_error(r, -ENOMEM);
	r->changes = r->mount->changes;
	call_identity(r->root)->txn = call_new_txn(r->mount->xl->graph);
	wind_write(r->root, 0, &a, write_done);
	buf_unref(rest);
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
	request_bytes(r, size);
	node_writes(r, true);
	call_identity(r->root)->lk_owner = fi->lock_owner;
	r->fi = *fi;
	r->offset = off;
	if (fi->writepage)
		r->fd = fd_ref(handle_fd(fi));	/* for the rest, if it is written in parts */
	struct write_args a = { .fd = handle_fd(fi), .data = r->buf, .offset = off };
	/*
	 * The offset of an append is where the kernel believes the end to be; another host may have
	 * moved it. Not for pages that are written back: their place is known.  fi->flags are those
	 * of now (fcntl(F_SETFL) may have changed them since the open).
	 */
	r->appends = (fi->flags & O_APPEND) && !fi->writepage && !r->mount->writeback_cache;
	if (r->appends)
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

static void wind_lseek(struct request *r)
{
	struct seek_args a = { .fd = r->fd, .offset = r->offset, .whence = r->valid };

	wind_seek(r->root, 0, &a, seek_done);
}

/* A mapping that can be written to keeps its file open, and had to be opened for both.  With
 * writeback-cache any write may be in the kernel only. */
static bool can_be_dirty(const struct request *r)
{
	const struct node *n = node_find(r->mount, r->inode);
	const struct handle *h = NULL;

	if (n)
		LIST_FOREACH(h, &n->handles, in_node)
			if ((h->fd->flags & O_ACCMODE) != O_RDONLY &&
			    (r->mount->writeback_cache || (h->fd->flags & O_ACCMODE) == O_RDWR))
				break;
	return h != NULL;
}

void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence, struct fuse_file_info *fi)
{
	struct request *r = request_new(req, ino);

	if (!r)
		return;
	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return request_error(r, -EINVAL);
	if (off < 0)
		return request_error(r, -ENXIO);
	r->fd = fd_ref(handle_fd(fi));
	r->offset = off;
	r->valid = whence;
	/* What only the kernel has is no hole, but the brick would say so. */
	if (can_be_dirty(r))
		return pages_drop(r->mount, r->inode, 0, r, wind_lseek);
	wind_lseek(r);
}

static void copy_done(struct frame *f, int child, int ret,
		      const struct copy_file_range_reply *reply)
{
	struct request *r = request_answered(f, &ret);

	reply_bytes(r, ret, reply ? &reply->before : NULL, reply ? &reply->attr : NULL);
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
