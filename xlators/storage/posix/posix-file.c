/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * posix-file.c - open files: everything goes to the descriptor, so a file that lost its last name
 * stays usable.
 *
 * O_DIRECT is passed on to the kernel; a request that is not aligned as the disk wants it goes
 * through a second descriptor without O_DIRECT (the kernel keeps the two coherent).
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "posix.h"

enum { QUICK_READ_MAX = 128 << 10 };

static int attr_of(const struct posix_fd *pfd, const struct fd *fd, struct attr *a)
{
	return posix_attr_at(pfd->fd, "", AT_EMPTY_PATH, &fd->inode->gfid, a);
}

/* The caller for a change of data that may take space. */
static int change_begin(struct posix_op *op, const struct attr *before, struct posix_caller *c)
{
	return caller_begin(op->id, caller_change(op->id, before) | posix_limited(op), c);
}

/* ---- open ---------------------------------------------------------------------------- */

static int open_file(struct posix_op *op, const struct open_args *a)
{
	int flags = a->flags & (POSIX_OPEN_FLAGS | O_TRUNC);
	struct open_reply *r = &op->reply.open;
	const struct gfid *g = &a->inode->gfid;
	unsigned how = 0;
	struct posix_obj o;
	int fd, ret;

	if (posix_fds_full(op->p))
		return -ENFILE;
	if (!(a->flags & OPEN_NAMELESS) && use_is_unlinked(op->p->uses, g))
		return -ESTALE;
	if (op->id->enforce)
		flags &= ~O_NOATIME;	/* the owner's to ask for; a mount without access times asks too */
	if (flags & O_TRUNC) {
		ret = posix_obj_get(op->p, g, op->type, NULL, 0, &o);
		if (ret < 0)
			return ret;
		ret = posix_obj_attr(&o, g, &r->before);
		posix_obj_put(op->p, &o);
		if (ret < 0)
			return ret;
		how = caller_change(op->id, &r->before);
	}
	fd = posix_obj_open(op->p, op->id, how, g, op->type, flags);
	if (fd == -EPERM && (a->flags & O_APPEND)) {
		flags |= O_APPEND;	/* an append-only file? */
		fd = posix_obj_open(op->p, op->id, how, g, op->type, flags);
	}
	if (fd < 0)
		return fd;
	ret = posix_attr_at(fd, "", AT_EMPTY_PATH, g, &r->attr);
	if (ret == 0 && !S_ISREG(r->attr.mode))
		ret = S_ISDIR(r->attr.mode) ? -EISDIR : -EINVAL;
	if (ret < 0) {
		close(fd);
		return ret;
	}
	if (!(flags & O_TRUNC))
		r->before = r->attr;
	return posix_fd_new(op->p, fd, g, flags & ~O_TRUNC, false, &op->made);
}

void posix_open_run(struct posix_op *op)
{
	op->ret = open_file(op, op->args);
}

void posix_opendir_run(struct posix_op *op)
{
	const struct opendir_args *a = op->args;
	const struct gfid *g = &a->inode->gfid;
	struct attr *attr = &op->reply.opendir.attr;
	int fd = posix_fds_full(op->p) ? -ENFILE
		 : posix_obj_open(op->p, op->id, 0, g, op->type, O_RDONLY | O_DIRECTORY);

	op->ret = fd < 0 ? fd : posix_attr_at(fd, "", AT_EMPTY_PATH, g, attr);
	if (op->ret == 0) {
		op->ret = posix_fd_new(op->p, fd, g, O_RDONLY, true, &op->made);
		if (op->made)
			op->made->dir_size = attr->size;
	} else if (fd >= 0) {
		close(fd);
	}
}

/* create, open, opendir: what was opened goes into the slot. */
void posix_open_finish(struct posix_op *op)
{
	struct posix_fd *made = op->made;
	struct fd *fd;

	if (!made)
		return posix_use_finish(op);
	if (op->frame->op == FOP_create)
		fd = ((const struct create_args *)op->args)->fd;
	else if (op->frame->op == FOP_tmpfile)
		fd = ((const struct tmpfile_args *)op->args)->fd;
	else if (op->frame->op == FOP_open)
		fd = ((const struct open_args *)op->args)->fd;
	else
		fd = ((const struct opendir_args *)op->args)->fd;
	op->made = NULL;
	if (*fd_slot(fd, op->p->xl)) {		/* opened twice: the first one stays */
		posix_fd_free(op->p, made);
		return posix_use_finish(op);
	}
	made->use = op->use;
	op->use = NULL;
	*fd_slot(fd, op->p->xl) = (uint64_t)(uintptr_t)made;
	if (made->directory)
		op->p->open_directories++;
	else
		op->p->open_files++;
}

/* ---- O_DIRECT ------------------------------------------------------------------------ */

/* The descriptor without O_DIRECT.  Two workers may come at once: one of their descriptors
 * stays. */
static int buffered_fd(struct posix_fd *pfd)
{
	char proc[32];
	int fd = atomic_load(&pfd->buffered), none = -1;

	if (fd >= 0)
		return fd;
	snprintf(proc, sizeof proc, "/proc/self/fd/%d", pfd->fd);
	fd = open(proc, (pfd->flags & ~O_DIRECT) | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!atomic_compare_exchange_strong(&pfd->buffered, &none, fd)) {
		close(fd);
		fd = none;
	}
	return fd;
}

static ssize_t read_some(struct posix_fd *pfd, void *to, size_t size, uint64_t offset)
{
	ssize_t n = pread(pfd->fd, to, size, (off_t)offset);

	if (n < 0 && errno == EINVAL && (pfd->flags & O_DIRECT)) {
		int fd = buffered_fd(pfd);

		if (fd < 0)
			return fd;
		n = pread(fd, to, size, (off_t)offset);
	}
	return n < 0 ? -errno : n;
}

static ssize_t write_some(struct posix_fd *pfd, const void *from, size_t size, uint64_t offset,
			  int rwf)
{
	struct iovec v = { (void *)from, size };
	ssize_t n = pwritev2(pfd->fd, &v, 1, (off_t)offset, rwf);

	if (n < 0 && errno == EINVAL && (pfd->flags & O_DIRECT)) {
		int fd = buffered_fd(pfd);

		if (fd < 0)
			return fd;
		n = pwritev2(fd, &v, 1, (off_t)offset, rwf);
	}
	return n < 0 ? -errno : n;
}

/* ---- read ---------------------------------------------------------------------------- */

int posix_read_begin(struct posix_op *op)
{
	const struct read_args *a = op->args;

	if (a->size > POSIX_IO_MAX || a->offset > (uint64_t)INT64_MAX - a->size)
		return -EINVAL;
	if (op->pfd->directory)
		return -EISDIR;
	op->buf = buf_new(a->size);
	return op->buf ? 0 : -ENOMEM;
}

/* From the page cache, all of it or not at all. */
bool posix_read_quick(struct posix_op *op)
{
	const struct read_args *a = op->args;
	size_t done = 0;

	if (a->size > QUICK_READ_MAX || op->pfd->no_nowait || (op->pfd->flags & O_DIRECT))
		return false;
	if (loop_is_sim(xl_loop(op->p->xl)))
		return false;		/* what is in memory is not in the seed */
	while (done < a->size) {
		struct iovec v = { op->buf->data + done, a->size - done };
		ssize_t n = preadv2(op->pfd->fd, &v, 1, (off_t)(a->offset + done), RWF_NOWAIT);

		if (n < 0) {
			op->pfd->no_nowait = errno == EOPNOTSUPP;
			return false;	/* real errors are met again by run */
		}
		if (n == 0)
			break;		/* the end of the file */
		done += (size_t)n;
	}
	op->ret = (int)done;
	return true;
}

void posix_read_run(struct posix_op *op)
{
	const struct read_args *a = op->args;
	size_t done = 0;

	while (done < a->size) {
		ssize_t n =
			read_some(op->pfd, op->buf->data + done, a->size - done, a->offset + done);

		if (n == -EINTR)
			continue;
		if (n < 0) {
			op->ret = (int)n;
			return;
		}
		if (n == 0)
			break;
		done += (size_t)n;
	}
	op->ret = (int)done;
}

void posix_read_finish(struct posix_op *op)
{
	if (op->ret < 0)
		return;
	op->buf->len = (size_t)op->ret;
	op->reply.read.data = op->buf;
	op->buf = NULL;
}

/* ---- write --------------------------------------------------------------------------- */

/* All of it, or what there was room for.  Bytes, or -errno. */
static ssize_t write_all(struct posix_fd *pfd, const struct buf *b, uint64_t offset, int rwf)
{
	size_t done = 0;

	while (done < b->len) {
		ssize_t n = write_some(pfd, b->data + done, b->len - done, offset + done, rwf);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			return done ? (ssize_t)done : n;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

void posix_write_run(struct posix_op *op)
{
	const struct write_args *a = op->args;
	struct write_reply *r = &op->reply.write;
	bool append = a->flags & WRITE_APPEND;
	int rwf = (append ? RWF_APPEND : 0) | (a->flags & WRITE_DSYNC ? RWF_DSYNC : 0);
	struct posix_caller c;
	ssize_t n;

	if (!append && a->offset > (uint64_t)INT64_MAX - a->data->len) {
		op->ret = -EFBIG;
		return;
	}
	op->ret = attr_of(op->pfd, a->fd, &r->before);
	/* An append-only file: at the end (on the second brick of a mirror the place is given), or not at
	 * all (a page that is written back). */
	if (op->ret == 0 && (op->pfd->flags & O_APPEND) && !append && a->offset != r->before.size)
		op->ret = -EPERM;
	if (op->ret == 0)
		op->ret = change_begin(op, &r->before, &c);
	if (op->ret < 0)
		return;
	n = write_all(op->pfd, a->data, append ? 0 : a->offset, rwf);
	caller_end(&c);
	op->ret = n < 0 ? (int)n : attr_of(op->pfd, a->fd, &r->attr);
	if (op->ret == 0)
		op->ret = (int)n;
}

/* ---- durability ---------------------------------------------------------------------- */

void posix_flush_run(struct posix_op *op)
{
	/* nothing is held back here, so there are no late errors; locks are posix-locks' */
	op->ret = 0;
}

static int sync_fd(int fd, bool datasync)
{
	return (datasync ? fdatasync(fd) : fsync(fd)) < 0 ? -errno : 0;
}

void posix_fsync_run(struct posix_op *op)
{
	const struct fsync_args *a = op->args;

	op->ret = sync_fd(op->pfd->fd, a->datasync);
	if (op->ret == 0)
		op->ret = atomic_exchange(&op->pfd->late_error, 0);
	if (op->ret == 0)
		op->ret = attr_of(op->pfd, a->fd, &op->reply.fsync.attr);
}

void posix_fsyncdir_run(struct posix_op *op)
{
	const struct fsyncdir_args *a = op->args;

	op->ret = sync_fd(op->pfd->fd, a->datasync);
}

/* ---- the rest ------------------------------------------------------------------------ */

/* A full disk leaves a file as far as it got; the members of a mirror would get to different sizes. */
static int fallocate_fd(int fd, const struct fallocate_args *a, const struct attr *before)
{
	struct attr now;
	int ret;

	do {
		ret = fallocate(fd, (int)a->mode, (off_t)a->offset, (off_t)a->length) < 0 ? -errno : 0;
	} while (ret == -EINTR);
	if (ret < 0 && posix_attr_at(fd, "", AT_EMPTY_PATH, &before->gfid, &now) == 0 &&
	    now.size != before->size && ftruncate(fd, (off_t)before->size) < 0)
		return -errno;
	return ret;
}

void posix_fallocate_run(struct posix_op *op)
{
	const struct fallocate_args *a = op->args;
	struct fallocate_reply *r = &op->reply.fallocate;
	struct posix_caller c;

	if (a->offset > INT64_MAX || a->length > INT64_MAX) {
		op->ret = -EFBIG;
		return;
	}
	op->ret = attr_of(op->pfd, a->fd, &r->before);
	if (op->ret == 0)
		op->ret = change_begin(op, &r->before, &c);
	if (op->ret < 0)
		return;
	op->ret = fallocate_fd(op->pfd->fd, a, &r->before);
	caller_end(&c);
	if (op->ret == 0)
		op->ret = attr_of(op->pfd, a->fd, &r->attr);
}

/* The descriptor's own offset is used for nothing else. */
void posix_seek_run(struct posix_op *op)
{
	const struct seek_args *a = op->args;
	off_t at;

	if (a->offset > INT64_MAX || (a->whence != SEEK_DATA && a->whence != SEEK_HOLE)) {
		op->ret = -EINVAL;
		return;
	}
	at = lseek(op->pfd->fd, (off_t)a->offset, (int)a->whence);
	if (at < 0)
		op->ret = -errno;
	else
		op->reply.seek.offset = (uint64_t)at;
}

/* op->pfd is the target, op->pfd2 the source. */
void posix_copy_file_range_run(struct posix_op *op)
{
	const struct copy_file_range_args *a = op->args;
	struct copy_file_range_reply *r = &op->reply.copy_file_range;
	off_t from = (off_t)a->in_offset, to = (off_t)a->out_offset;
	size_t left = a->length < POSIX_COPY_MAX ? a->length : POSIX_COPY_MAX, done = 0;
	struct posix_caller c;

	if (from < 0 || to < 0 || a->flags) {
		op->ret = -EINVAL;
		return;
	}
	op->ret = attr_of(op->pfd, a->out, &r->before);
	if (op->ret == 0)
		op->ret = change_begin(op, &r->before, &c);
	if (op->ret < 0)
		return;
	while (left) {
		ssize_t n = copy_file_range(op->pfd2->fd, &from, op->pfd->fd, &to, left, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && !done)
			op->ret = -errno;
		if (n <= 0)
			break;
		done += (size_t)n;
		left -= (size_t)n;
	}
	caller_end(&c);
	if (op->ret == 0)
		op->ret = attr_of(op->pfd, a->out, &r->attr);
	if (op->ret == 0)
		op->ret = (int)done;
}

int posix_lk_begin(struct posix_op *op)
{
	if (!op->p->lk_told)
		log_debug(op->p->xl->name,	/* each mount asks once, and tells what it means */
			  "a lock was asked for: load features/posix-locks above this volume");
	op->p->lk_told = true;
	return -ENOSYS;
}
