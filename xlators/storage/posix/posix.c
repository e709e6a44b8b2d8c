/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * storage/posix - a directory as a brick: the end of every server graph.
 *
 * This file is the way of an operation: its row in the table, where it runs, and its answer.
 *
 *	posix_enter   the row says which objects it concerns; begin() makes what only the loop can
 *	posix_blocks  may it block?  then, or when something is ahead on its objects: to a worker
 *	posix_leave   finish() on the loop, the answer, references dropped
 *
 * Invariants: operations on an object take effect in the order in which they came, apart from those
 * that change nothing (posix-order.c).  So run() of an operation on a directory is alone with its
 * names.
 */
#include <stdlib.h>
#include <unistd.h>

#include "posix.h"

#define AT(op, field) (int16_t)offsetof(struct op##_args, field)
#define ON(op, i, i2, f, f2, kind) .inode = i, .inode2 = i2, .fd = f, .fd2 = f2, .turn = kind
#define ON_INODE(op, kind) ON(op, AT(op, inode), -1, -1, -1, kind)
#define ON_EITHER(op, kind) ON(op, AT(op, inode), -1, AT(op, fd), -1, kind)
/* One that, by identity, may be run once more when it has not found the object. */
#define ON_INODE_AGAIN(op, kind) ON_INODE(op, kind), .again = true
#define ON_EITHER_AGAIN(op, kind) ON_EITHER(op, kind), .again = true
#define ON_FD(op, kind) ON(op, -1, -1, AT(op, fd), -1, kind)
#define ON_PARENT(op, kind) ON(op, AT(op, parent), -1, -1, -1, kind)

static const struct posix_fop posix_fops[FOP_COUNT] = {
	[FOP_lookup] = { .run = posix_lookup_run,
			 .finish = posix_lookup_finish,
			 ON_PARENT(lookup, TURN_SHARED) },
	[FOP_stat] = { .run = posix_stat_run, ON_EITHER_AGAIN(stat, TURN_SHARED) },
	[FOP_setattr] = { .run = posix_setattr_run, ON_EITHER_AGAIN(setattr, TURN_ALONE) },
	[FOP_readlink] = { .run = posix_readlink_run,
			   .finish = posix_readlink_finish,
			   ON_INODE_AGAIN(readlink, TURN_SHARED) },
	[FOP_mknod] = { .run = posix_mknod_run, ON_PARENT(mknod, TURN_ALONE) },
	[FOP_mkdir] = { .run = posix_mkdir_run, ON_PARENT(mkdir, TURN_ALONE) },
	[FOP_unlink] = { .run = posix_unlink_run, ON_PARENT(unlink, TURN_ALONE) },
	[FOP_rmdir] = { .run = posix_rmdir_run, ON_PARENT(rmdir, TURN_ALONE) },
	[FOP_symlink] = { .run = posix_symlink_run, ON_PARENT(symlink, TURN_ALONE) },
	[FOP_rename] = { .run = posix_rename_run,
			 .finish = posix_rename_finish,
			 ON(rename, AT(rename, oldparent), AT(rename, newparent), -1, -1,
			    TURN_ALONE) },
	[FOP_link] = { .run = posix_link_run,
		       .begin = posix_use_begin,
		       .finish = posix_use_finish,
		       ON(link, AT(link, parent), AT(link, inode), -1, -1, TURN_ALONE) },
	[FOP_create] = { .begin = posix_use_begin,
			 .run = posix_create_run,
			 .finish = posix_open_finish,
			 ON_PARENT(create, TURN_ALONE) },
	[FOP_tmpfile] = { .begin = posix_use_begin,
			  .run = posix_tmpfile_run,
			  .finish = posix_open_finish,
			  ON_PARENT(tmpfile, TURN_SHARED) },
	[FOP_open] = { .begin = posix_use_begin,
		       .run = posix_open_run,
		       .finish = posix_open_finish,
		       ON_INODE_AGAIN(open, TURN_ALONE) },
	[FOP_opendir] = { .begin = posix_use_begin,
			  .run = posix_opendir_run,
			  .finish = posix_open_finish,
			  ON_INODE_AGAIN(opendir, TURN_SHARED) },
	[FOP_read] = { .begin = posix_read_begin,
		       .quick = posix_read_quick,
		       .run = posix_read_run,
		       .finish = posix_read_finish,
		       ON_FD(read, TURN_SHARED) },
	[FOP_write] = { .run = posix_write_run, ON_FD(write, TURN_ALONE) },
	[FOP_flush] = { .run = posix_flush_run, ON_FD(flush, TURN_SHARED) },
	[FOP_fsync] = { .run = posix_fsync_run, ON_FD(fsync, TURN_AFTER) },
	[FOP_fsyncdir] = { .run = posix_fsyncdir_run, ON_FD(fsyncdir, TURN_AFTER) },
	[FOP_readdir] = { .begin = posix_readdir_begin,
			  .run = posix_readdir_run,
			  .finish = posix_readdir_finish,
			  ON_FD(readdir, TURN_ALONE) },
	[FOP_readdirp] = { .begin = posix_readdir_begin,
			   .run = posix_readdir_run,
			   .finish = posix_readdir_finish,
			   ON_FD(readdirp, TURN_ALONE) },
	[FOP_statfs] = { .run = posix_statfs_run, ON_INODE(statfs, TURN_SHARED) },
	[FOP_access] = { .run = posix_access_run, ON_INODE_AGAIN(access, TURN_SHARED) },
	[FOP_getxattr] = { .run = posix_getxattr_run,
			   .finish = posix_getxattr_finish,
			   ON_EITHER_AGAIN(getxattr, TURN_SHARED) },
	[FOP_setxattr] = { .run = posix_setxattr_run, ON_EITHER(setxattr, TURN_ALONE) },
	[FOP_removexattr] = { .run = posix_removexattr_run, ON_EITHER(removexattr, TURN_ALONE) },
	[FOP_listxattr] = { .run = posix_listxattr_run,
			    .finish = posix_listxattr_finish,
			    ON_EITHER_AGAIN(listxattr, TURN_SHARED) },
	[FOP_getflags] = { .run = posix_getflags_run, ON_EITHER_AGAIN(getflags, TURN_SHARED) },
	[FOP_setflags] = { .run = posix_setflags_run, ON_EITHER(setflags, TURN_ALONE) },
	[FOP_lk] = { .begin = posix_lk_begin, ON_FD(lk, TURN_SHARED) },
	[FOP_fallocate] = { .run = posix_fallocate_run, ON_FD(fallocate, TURN_ALONE) },
	[FOP_seek] = { .run = posix_seek_run, ON_FD(seek, TURN_SHARED) },
	[FOP_copy_file_range] = { .run = posix_copy_file_range_run,
				  ON(copy_file_range, -1, -1, AT(copy_file_range, out),
				     AT(copy_file_range, in), TURN_ALONE) },
	[FOP_find] = { .run = posix_find_run, ON_INODE(find, TURN_SHARED) },
	[FOP_truncate] = { .run = posix_truncate_run, ON_EITHER_AGAIN(truncate, TURN_ALONE) },
};

static const struct option posix_options[] = {
	OPT_PATH_REQUIRED(
		"directory", struct posix, directory,
		"the directory that is the brick; made when it is missing and its parent is not"),
	OPT_BOOL("export-statfs-size", struct posix, export_statfs_size, "on",
		 "off: report no space at all, so that bricks on one disk are not counted twice"),
	OPT_U32("directory-cache", struct posix, directory_cache, "1024", "16", "65536",
		"directories that are kept open"),
	OPT_SIZE("listing-memory", struct posix, listing_memory, "64MB", "1MB", "64GB",
		 "for listings of directories that are under way; more of them are read again"),
	OPT_U32("open-files", struct posix, open_files_max, "0", "0", "1000000",
		"descriptors for open files; more files can be open than that. 0: half of what the "
		"process may have, at most 65536"),
	OPT_END
};

static int policy_write_is_long(const struct posix_op *op, size_t limit)
{
	const struct write_args *a = op->args;

	return a->data->len > limit || (a->flags & WRITE_DSYNC) ||
	       (op->pfd->flags & (O_DIRECT | O_SYNC | O_DSYNC));
}

enum { SLOW_NS = 2000000 };
#define SLOW_FOR_NS 1000000000ull

/* Changes of names and lengths: they write only metadata, to memory, unless the disk is behind. */
static bool is_metadata_change(const struct posix_op *op)
{
	enum fop_id id = op->frame->op;

	return fop_classes[id] == FOP_ENTRY || id == FOP_truncate ||
	       (id == FOP_open && (((const struct open_args *)op->args)->flags & O_TRUNC));
}

/*
 * The policy: may it block for long?  What waits for the disk by its nature does.  A change of
 * metadata does not as long as the disk keeps up, and a change of threads costs several times such
 * an operation; so it stays on the loop, where it is timed: once one took more than SLOW_NS, and
 * performance/io-threads is above us, they go to its workers for SLOW_FOR_NS.  What stays on the
 * loop can still wait for a disk when the brick's metadata are not in memory.
 */
static bool posix_blocks(struct posix_op *op)
{
	bool threads = op->p->xl->pool_owner != NULL;

	if (!op->p->xl->pool)
		return false;
	switch (op->frame->op) {
	case FOP_fsync: case FOP_fsyncdir: case FOP_fallocate: case FOP_copy_file_range:
		return true;
	case FOP_read:			/* quick() has said no */
		return true;
	case FOP_write:
		return policy_write_is_long(op, threads ? 64 << 10 : 128 << 10);
	case FOP_readdir: case FOP_readdirp:
		return posix_readdir_is_long(op);
	default:
		return threads && is_metadata_change(op) &&
		       op->p->slow_until_ns > loop_now_ns(xl_loop(op->p->xl));
	}
}

/* Descriptors for the open files that it concerns.  Any thread.  0 or -errno. */
static int posix_pin(struct posix_op *op)
{
	int ret = op->pfd ? posix_fd_pin(op->p, op->pfd) : 0;

	if (ret < 0 || !op->pfd2)
		return ret;
	ret = posix_fd_pin(op->p, op->pfd2);
	if (ret < 0)
		posix_fd_unpin(op->p, op->pfd);
	return ret;
}

static void posix_unpin(struct posix_op *op)
{
	if (op->pfd)
		posix_fd_unpin(op->p, op->pfd);
	if (op->pfd2)
		posix_fd_unpin(op->p, op->pfd2);
}

/*
 * Another thread may just have been moving the handle (posix-unlink.c): nobody does while we have the
 * lock, so what is not found then is gone.
 */
static void look_again(struct posix_op *op)
{
	free(op->mem);
	op->mem = NULL;
	uses_lock_moving(op->p->uses);
	op->fop->run(op);
	uses_unlock_moving(op->p->uses);
}

static void posix_run(struct posix_op *op)
{
	op->ret = posix_pin(op);
	if (op->ret < 0)
		return;
	op->fop->run(op);
	if (op->ret == -ESTALE && op->fop->again)
		look_again(op);
	posix_unpin(op);
}

static bool posix_try(struct posix_op *op)
{
	if (posix_pin(op) < 0)
		return false;		/* run will say why */
	bool done = op->fop->quick(op);

	posix_unpin(op);
	return done;
}

static void run_on_loop(struct posix_op *op)
{
	struct posix *p = op->p;
	struct loop *loop = xl_loop(p->xl);

	p->on_loop++;
	if (!p->xl->pool_owner || !is_metadata_change(op))
		return posix_run(op);
	uint64_t start_ns = loop_clock_ns(loop);

	posix_run(op);
	uint64_t end_ns = loop_clock_ns(loop);
	if (end_ns - start_ns > SLOW_NS) {
		p->slow++;
		p->slow_until_ns = end_ns + SLOW_FOR_NS;
	}
}

/* ---- the way of an operation --------------------------------------------------------- */

static void posix_leave(struct posix_op *op)
{
	struct frame *f = op->frame;
	enum fop_id id = f->op;
	union fop_reply reply;

	if (op->fop->finish)
		op->fop->finish(op);
	free(op->mem);
	buf_unref(op->buf);
	reply = op->reply;	/* op is gone with f, its references are not */
	int ret = op->ret;

	/* not what was asked for, but the disk: somebody should look at it */
	if (ret == -EIO || ret == -EROFS || ret == -EUCLEAN)
		log_error(f->xl->name, "%s: %s", fop_names[id], strerror(-ret));
	unwind_any(f, ret, ret >= 0 ? &reply : NULL);
	reply_drop(id, &reply);
}

static void posix_work_run(struct work *w)
{
	struct posix_op *op = (struct posix_op *)w;	/* its first member */

	posix_run(op);
}

static void posix_work_done(struct work *w)
{
	struct posix_op *op = (struct posix_op *)w;

	xl_busy(op->p->xl, -1);
	posix_order_leave(op);
	posix_leave(op);
}

void posix_post(struct posix_op *op)
{
	op->work.run = posix_work_run;
	op->work.done = posix_work_done;
	work_post(op->p->xl->pool, &op->work);
}

static struct inode *arg_inode_at(const void *args, int16_t at)
{
	return at < 0 ? NULL : *(struct inode *const *)((const char *)args + at);
}

static struct fd *arg_fd_at(const void *args, int16_t at)
{
	return at < 0 ? NULL : *(struct fd *const *)((const char *)args + at);
}

static struct posix_fd *posix_fd_of(struct xlator *xl, struct fd *fd)
{
	return fd ? (struct posix_fd *)(uintptr_t)*fd_slot(fd, xl) : NULL;
}

static void posix_turn_add(struct posix_op *op, struct inode *inode)
{
	if (!inode || (op->nr_turns == 1 && op->turns[0].inode == inode))
		return;
	op->turns[op->nr_turns].op = op;
	op->turns[op->nr_turns++].inode = inode;
}

/* Which objects and open files it concerns, and how.  0, -EBADF, -EINVAL. */
static int posix_bind(struct posix_op *op, struct xlator *xl)
{
	const struct posix_fop *fop = op->fop;
	struct inode *inode = arg_inode_at(op->args, fop->inode);
	struct fd *fd = arg_fd_at(op->args, fop->fd), *fd2 = arg_fd_at(op->args, fop->fd2);

	op->pfd = posix_fd_of(xl, fd);
	op->pfd2 = posix_fd_of(xl, fd2);
	if (fop->inode < 0 && !op->pfd)
		return -EBADF;		/* an operation on an open file that is not open here */
	if (fop->fd2 >= 0 && !op->pfd2)
		return -EBADF;
	if (!inode && fd)
		inode = fd->inode;
	if (!inode)
		return -EINVAL;
	op->type = inode->type;
	op->turn = fop->turn;
	if (op->frame->op == FOP_open && !(((const struct open_args *)op->args)->flags & O_TRUNC))
		op->turn = TURN_SHARED;
	posix_turn_add(op, inode);
	posix_turn_add(op, arg_inode_at(op->args, fop->inode2));
	posix_turn_add(op, fd2 ? fd2->inode : NULL);
	return 0;
}

static int posix_to_worker(struct posix_op *op)
{
	struct posix *p = op->p;
	int ret = posix_order_enter(op);

	if (ret == 0) {
		xl_busy(p->xl, 1);
		p->on_workers++;
	}
	return ret;
}

void posix_enter(struct frame *f)
{
	struct posix_op *op = frame_data(f);
	struct xlator *xl = f->xl;

	op->p = xl->priv;
	op->frame = f;
	op->fop = &posix_fops[f->op];
	op->args = f->args;
	op->id = frame_identity(f);
	op->now_ns = loop_now_ns(xl_loop(xl));
	if (!op->fop->run && !op->fop->begin)
		return fail(f, -ENOSYS);
	op->ret = posix_bind(op, xl);
	if (op->ret == 0 && op->fop->begin)
		op->ret = op->fop->begin(op);
	if (op->ret < 0)
		return posix_leave(op);

	bool is_free = posix_order_is_free(op);

	if (is_free && op->fop->quick && posix_try(op)) {
		op->p->on_loop++;
		return posix_leave(op);
	}
	if (xl->pool && (!is_free || posix_blocks(op))) {
		int ret = posix_to_worker(op);

		if (ret == 0)
			return;		/* op is the worker's now */
		op->ret = ret;
	} else {
		run_on_loop(op);
	}
	posix_leave(op);
}

/* ---- open files ---------------------------------------------------------------------- */

static void posix_release(struct xlator *xl, struct fd *fd, uint64_t slot)
{
	struct posix *p = xl->priv;
	struct posix_fd *pfd = (struct posix_fd *)(uintptr_t)slot;

	if (pfd->directory)
		p->open_directories--;
	else
		p->open_files--;
	posix_window_free(p, pfd);
	posix_use_end(p, pfd->use, pfd);
}

static void posix_dump(struct xlator *xl, struct dump *d)
{
	const struct posix *p = xl->priv;
	struct gfid id;
	char text[GFID_STR];

	memcpy(&id, p->brick_id, sizeof id);
	dump_value(d, "directory", "%s", p->directory);
	dump_value(d, "brick-id", "%s", gfid_str(&id, text));
	dump_u64(d, "open-files", p->open_files);
	dump_u64(d, "open-directories", p->open_directories);
	dump_u64(d, "listing-bytes", p->window_bytes);
	dump_u64(d, "listings-dropped", p->windows_dropped);
	if (p->fds) {
		struct fds_stats s = fds_stats(p->fds);

		dump_u64(d, "descriptors-max", s.limit);
		dump_u64(d, "descriptors", s.open);
		dump_u64(d, "descriptors-kept", s.kept);
		dump_u64(d, "descriptors-closed", s.closed);
		dump_u64(d, "descriptors-reopened", s.reopened);
	}
	if (p->dirs) {
		struct dircache_stats s = dircache_stats(p->dirs);

		dump_u64(d, "cached-directories", s.nr);
		dump_u64(d, "directory-cache-hits", s.hits);
		dump_u64(d, "directory-cache-misses", s.misses);
	}
	dump_u64(d, "operations-on-loop", p->on_loop);
	dump_u64(d, "operations-on-workers", p->on_workers);
	dump_u64(d, "slow-on-loop", p->slow);
	dump_u64(d, "operations-queued-behind-others", p->waited);
}

static const struct xlator_type posix_xlator = {
	.abi = XLATOR_ABI, .name = "storage/posix", .help = "a local directory as a brick",
	.min_children = 0, .max_children = 0,
	.priv_size = sizeof(struct posix), .frame_size = sizeof(struct posix_op),
	.options = posix_options,
	.init = posix_init, .start = posix_start, .stop = posix_stop, .fini = posix_fini,
	.dump = posix_dump, .release = posix_release, .directory = posix_own_directory,
	.fops = { .any = posix_enter },
};
XLATOR_EXPORT(posix_xlator);
