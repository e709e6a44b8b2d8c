/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * posix-unlink.c - names that are added to an object and taken from it, and what becomes of it.
 *
 * The handle of a file goes with its last name, and the handle goes first: after a crash in between
 * there is a name without a handle, which the next lookup mends, and no space is lost.  While
 * somebody uses the object (posix-use.c), it is not removed but moved,
 *
 *	.glusterfs/xx/yy/<gfid>  ->  .glusterfs/unlink/<gfid>
 *
 * so that it can be opened again by identity as long as anybody has it open, through whatever
 * descriptor or connection; nobody can give it a name again.  A file that is made without a name (tmpfile)
 * has its handle there from the beginning; its first link brings the handle to its place.  What is there when a brick starts was
 * open when it ended: it is kept for a minute, for those who come back to it.
 *
 * A loss is an object about to lose a name, by unlink, rmdir or a rename over it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "posix.h"

enum { SWEEP_MS = 1000, LEFT_OVER_SWEEPS = 60 };

static void unlinked_path(const struct gfid *g, char out[POSIX_HANDLE_MAX])
{
	char text[GFID_STR];

	snprintf(out, POSIX_HANDLE_MAX, POSIX_UNLINK_DIR "/%s", gfid_str(g, text));
}

void posix_handle_find(struct posix *p, const struct gfid *g, char out[POSIX_HANDLE_MAX])
{
	if (use_is_unlinked(p->uses, g))
		unlinked_path(g, out);
	else
		posix_handle_path(g, out);
}

/* ---- losing a name ------------------------------------------------------------------- */

static int handle_move(struct posix *p, const struct gfid *g, bool to_unlinked)
{
	char path[POSIX_HANDLE_MAX], unlinked[POSIX_HANDLE_MAX];

	posix_handle_path(g, path);
	unlinked_path(g, unlinked);
	return renameat(posix_root(p), to_unlinked ? path : unlinked, posix_root(p),
			to_unlinked ? unlinked : path) == 0 ? 0 : -errno;
}

/* To where it has never been: its directories may be missing. */
static int handle_bring_back(struct posix *p, const struct gfid *g)
{
	int ret = handle_move(p, g, false);

	if (ret == -ENOENT && posix_handle_make_dirs(p, g) == 0)
		ret = handle_move(p, g, false);
	return ret;
}

int posix_unlinked_add(struct posix *p, const struct gfid *g, int fd)
{
	char path[POSIX_HANDLE_MAX], proc[32];

	unlinked_path(g, path);
	snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, proc, posix_root(p), path, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

/*
 * A file that was made immutable or append-only when it had no name any more: on a local disk that does
 * not keep it, and here it is only our name that is in the way.
 */
static int remove_protected(int root, const char *path)
{
	int fd = openat(root, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), flags;

	if (fd < 0)
		return -errno;
	int ret = ioctl(fd, FS_IOC_GETFLAGS, &flags);
	flags &= ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
	if (ret == 0)
		ret = ioctl(fd, FS_IOC_SETFLAGS, &flags);
	if (ret == 0)
		ret = unlinkat(root, path, 0);
	ret = ret < 0 ? -errno : 0;
	close(fd);
	return ret;
}

void posix_unlinked_remove(struct posix *p, const struct gfid *g)
{
	char path[POSIX_HANDLE_MAX];
	int ret;

	unlinked_path(g, path);
	ret = unlinkat(posix_root(p), path, 0) < 0 ? -errno : 0;
	if (ret == -EPERM)
		ret = remove_protected(posix_root(p), path);
	if (ret < 0 && ret != -ENOENT)
		log_warning(p->xl->name, "cannot remove %s: %s", path, strerror(-ret));
}

/* Is the name the only link beside the handle? */
static bool is_last(const struct statx *stx)
{
	return stx->stx_nlink == 2;
}

/* Nobody uses it: the handle goes. */
static int loss_claimed(struct posix_op *op, struct posix_loss *l)
{
	char path[POSIX_HANDLE_MAX];
	int ret = 0;

	/* a link that was made since we looked? */
	if (uses_links(op->p->uses) != l->links)
		ret = posix_statx(l->dirfd, l->name, AT_SYMLINK_NOFOLLOW, &l->stx);
	if (ret == 0 && is_last(&l->stx)) {
		/* if the caller may not, it is put back */
		enum loss_how how = op->id->enforce ? LOSS_MOVED : LOSS_REMOVED;

		posix_handle_path(&l->gfid, path);
		if (how != LOSS_REMOVED)
			ret = handle_move(op->p, &l->gfid, true);
		else if (unlinkat(posix_root(op->p), path, 0) < 0)
			ret = -errno;
		if (ret == 0)
			l->how = how;
		if (ret == -ENOENT)
			ret = 0;
	}
	l->claimed = ret == 0;
	if (ret < 0)
		use_unclaim(op->p->uses, &l->claim);
	return ret;
}

/* Somebody uses it: the handle is moved.  With `moving` held until the end. */
static int loss_used(struct posix_op *op, struct posix_loss *l)
{
	struct posix_uses *u = op->p->uses;
	int ret;

	uses_lock_moving(u);
	l->locked = true;
	ret = posix_statx(l->dirfd, l->name, AT_SYMLINK_NOFOLLOW, &l->stx);
	if (ret == 0 && is_last(&l->stx)) {
		bool used = use_set_unlinked(u, &l->gfid, true);

		ret = handle_move(op->p, &l->gfid, true);
		if (ret == 0)
			l->how = used ? LOSS_KEPT : LOSS_MOVED;
		else if (used)
			use_set_unlinked(u, &l->gfid, false);
		if (ret == -ENOENT)
			ret = 0;
	}
	if (ret < 0)
		uses_unlock_moving(u);
	return ret;
}

int posix_loss_begin(struct posix_op *op, struct posix_loss *l, int dirfd, const char *name)
{
	int ret;

	l->dirfd = dirfd;
	l->name = name;
	if (gfid_is_none(&l->gfid))
		return 0;
	if (S_ISDIR(l->stx.stx_mode)) {
		if (use_is_used(op->p->uses, &l->gfid) &&
		    posix_dir_get(op->p, &l->gfid, &l->dir) < 0)
			l->dir = NULL;
		return 0;
	}
	if (!is_last(&l->stx))
		return 0;
	if (l->replaced && use_may_linger(op->p->uses, l->stx.stx_blocks * 512)) {
		ret = use_begin(op->p->uses, &l->gfid, &op->use);
		if (ret == 0)
			return loss_used(op, l);
	}
	ret = use_claim(op->p->uses, &l->gfid, &l->claim);
	if (ret == -EALREADY)
		return 0;
	return ret == 0 ? loss_claimed(op, l) : loss_used(op, l);
}

/* Two names went at the same time, and each believed that the other stays. */
static void handle_left_alone(struct posix *p, const struct gfid *g)
{
	struct posix_use claim;
	char path[POSIX_HANDLE_MAX];
	struct statx stx;
	int ret = use_claim(p->uses, g, &claim);

	if (ret == 0) {
		posix_handle_remove(p, g);
		use_unclaim(p->uses, &claim);
	} else if (ret == -EBUSY) {
		uses_lock_moving(p->uses);
		posix_handle_path(g, path);
		ret = posix_statx(posix_root(p), path, AT_SYMLINK_NOFOLLOW, &stx);
		if (ret == 0 && stx.stx_nlink == 1) {
			bool used = use_set_unlinked(p->uses, g, true);

			ret = handle_move(p, g, true);
			if (!used)
				posix_unlinked_remove(p, g);
		}
		uses_unlock_moving(p->uses);
	}
}

static void loss_let_go(struct posix *p, struct posix_loss *l)
{
	if (l->claimed)
		use_unclaim(p->uses, &l->claim);
	if (l->locked)
		uses_unlock_moving(p->uses);
	l->claimed = l->locked = false;
}

static void loss_done(struct posix *p, struct posix_loss *l, struct attr *a)
{
	char path[POSIX_HANDLE_MAX];

	posix_attr_fill(a, &l->stx, &l->gfid);
	if (S_ISDIR(l->stx.stx_mode)) {
		if (!gfid_is_none(&l->gfid)) {
			posix_handle_remove(p, &l->gfid);
			dircache_drop(p->dirs, &l->gfid);
		}
		if (l->dir)
			use_keep_dir(p, l->dir);
		l->dir = NULL;
		a->nlink = 0;
		return;
	}
	if (l->how != LOSS_NONE)
		a->nlink = 0;
	if (l->how == LOSS_MOVED) {
		posix_unlinked_remove(p, &l->gfid);
	} else if (l->how != LOSS_REMOVED && !gfid_is_none(&l->gfid)) {
		posix_handle_find(p, &l->gfid, path);
		posix_attr_at(posix_root(p), path, AT_SYMLINK_NOFOLLOW, &l->gfid, a);
		if (l->how == LOSS_NONE && a->nlink == 0) {
			loss_let_go(p, l);
			handle_left_alone(p, &l->gfid);
		}
	}
}

static void loss_undo(struct posix *p, struct posix_loss *l)
{
	char path[POSIX_HANDLE_MAX];
	int ret = 0;

	posix_handle_path(&l->gfid, path);
	if (l->how == LOSS_REMOVED)
		ret = linkat(l->dirfd, l->name, posix_root(p), path, 0) < 0 ? -errno : 0;
	else if (l->how != LOSS_NONE)
		ret = handle_move(p, &l->gfid, false);
	if (l->how == LOSS_KEPT)
		use_set_unlinked(p->uses, &l->gfid, false);
	if (ret < 0)
		log_error(p->xl->name, "the handle of \"%s\" is missing until it is looked up: %s",
			  l->name, strerror(-ret));
}

void posix_loss_end(struct posix_op *op, struct posix_loss *l, int ret, struct attr *ret_attr)
{
	struct posix *p = op->p;

	if (ret == 0)
		loss_done(p, l, ret_attr);
	else
		loss_undo(p, l);
	if (ret == 0 && op->use && l->how == LOSS_KEPT) {
		use_linger(p->uses, op->use, l->stx.stx_blocks * 512);
		op->use = NULL;
	}
	loss_let_go(p, l);
	posix_dir_put(p, l->dir);
}

int posix_loss_look(struct posix *p, struct posix_loss *l, int dirfd, const char *name)
{
	l->links = uses_links(p->uses);

	int ret = posix_statx(dirfd, name, AT_SYMLINK_NOFOLLOW, &l->stx);

	if (ret == 0)
		ret = posix_gfid_get(dirfd, name, &l->gfid);
	return ret == -ENODATA ? 0 : ret;
}

/* ---- unlink, rmdir ------------------------------------------------------------------- */

static int remove_name(struct posix_op *op, int dirfd, const char *name, int flags)
{
	struct posix_caller c;
	int ret = caller_begin(op->id, 0, &c);

	if (ret < 0)
		return ret;
	ret = unlinkat(dirfd, name, flags) < 0 ? -errno : 0;
	caller_end(&c);
	return ret;
}

static int remove_in(struct posix_op *op, struct posix_dir *d, const char *name, bool directory,
		     struct attr *ret_attr)
{
	struct posix_loss l = { 0 };
	int ret = posix_loss_look(op->p, &l, d->fd, name);

	if (ret == 0 && S_ISDIR(l.stx.stx_mode) != directory)
		ret = directory ? -ENOTDIR : -EISDIR;
	if (ret == 0)
		ret = posix_loss_begin(op, &l, d->fd, name);
	if (ret < 0)
		return ret;
	ret = remove_name(op, d->fd, name, directory ? AT_REMOVEDIR : 0);
	posix_loss_end(op, &l, ret, ret_attr);
	return ret;
}

static int remove_run(struct posix_op *op, struct inode *parent, const char *name, bool directory,
		      struct attr *ret_attr, struct attr *ret_parent)
{
	struct posix_dir *d;
	int ret = posix_name_check(&parent->gfid, name, -ENOENT);

	if (ret == 0)
		ret = posix_dir_get_named(op->p, &parent->gfid, &d);
	if (ret < 0)
		return ret;
	ret = remove_in(op, d, name, directory, ret_attr);
	if (ret == 0)
		ret = posix_attr_dir(d, ret_parent);
	posix_dir_put(op->p, d);
	return ret;
}

void posix_unlink_run(struct posix_op *op)
{
	const struct unlink_args *a = op->args;
	struct unlink_reply *r = &op->reply.unlink;

	op->ret = remove_run(op, a->parent, a->name, false, &r->attr, &r->parent);
}

void posix_rmdir_run(struct posix_op *op)
{
	const struct rmdir_args *a = op->args;
	struct rmdir_reply *r = &op->reply.rmdir;

	op->ret = remove_run(op, a->parent, a->name, true, &r->attr, &r->parent);
}

/* ---- link ---------------------------------------------------------------------------- */

/* `moving` keeps the object from losing its last name while it gets another one. */
static int link_at(struct posix_op *op, const struct posix_obj *o, int dirfd, const char *name)
{
	const struct link_args *a = op->args;
	struct posix_uses *u = op->p->uses;
	char proc[POSIX_PROC_MAX];
	struct posix_caller c;
	int ret = caller_begin(op->id, 0, &c);

	if (ret < 0)
		return ret;
	uses_lock_moving(u);
	bool nameless = use_is_nameless(u, &a->inode->gfid);

	if (!nameless && use_is_unlinked(u, &a->inode->gfid)) {
		ret = -ENOENT;
	} else if (*o->path) {
		ret = linkat(o->fd, o->path, dirfd, name, 0) < 0 ? -errno : 0;
	} else {
		posix_obj_proc(o, proc);
		ret = linkat(AT_FDCWD, proc, dirfd, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
	}
	uses_link_made(u);
	caller_end(&c);
	/* When only this fails, or the brick ends before it: the next lookup, the next start mend it. */
	if (ret == 0 && nameless && handle_bring_back(op->p, &a->inode->gfid) == 0)
		use_set_unlinked(u, &a->inode->gfid, false);
	uses_unlock_moving(u);
	return ret;
}

void posix_link_run(struct posix_op *op)
{
	const struct link_args *a = op->args;
	struct link_reply *r = &op->reply.link;
	const struct gfid *g = &a->inode->gfid;
	struct posix_obj o;
	struct posix_dir *d;

	op->ret = posix_name_check(&a->parent->gfid, a->name, -EPERM);
	if (op->ret == 0)
		op->ret = posix_dir_get_named(op->p, &a->parent->gfid, &d);
	if (op->ret < 0)
		return;
	/* op->type is the parent's; the handle shows whether it is a directory */
	op->ret = posix_obj_get(op->p, g, 0, NULL, op->id->enforce ? OBJ_PATH_FD : 0, &o);
	if (op->ret == 0) {
		op->ret = o.dir ? -EPERM : link_at(op, &o, d->fd, a->name);
		posix_obj_put(op->p, &o);
	}
	if (op->ret == 0)
		op->ret = posix_attr_at(d->fd, a->name, AT_SYMLINK_NOFOLLOW, g, &r->attr);
	if (op->ret == 0)
		op->ret = posix_attr_dir(d, &r->parent);
	posix_dir_put(op->p, d);
}

/* ---- uses of operations -------------------------------------------------------------- */

/* create, tmpfile, open, opendir, link. */
int posix_use_begin(struct posix_op *op)
{
	const struct gfid *g;

	switch (op->frame->op) {
	case FOP_create:
		g = &((const struct create_args *)op->args)->inode->gfid;
		break;
	case FOP_tmpfile:
		g = &((const struct tmpfile_args *)op->args)->inode->gfid;
		break;
	case FOP_open:
		g = &((const struct open_args *)op->args)->inode->gfid;
		break;
	case FOP_opendir:
		g = &((const struct opendir_args *)op->args)->inode->gfid;
		break;
	default:
		g = &((const struct link_args *)op->args)->inode->gfid;
	}
	return use_begin(op->p->uses, g, &op->use);
}

void posix_use_finish(struct posix_op *op)
{
	if (op->use)
		posix_use_end(op->p, op->use, NULL);
	op->use = NULL;
}

/* What was left of an object when its last use ended. */
struct disposal {
	struct work work;
	struct posix *p;
	struct posix_use *use;
	struct posix_fd *pfd;
};

static void dispose_run(struct work *w)
{
	struct disposal *d = (struct disposal *)w;	/* its first member */

	/* who moved it there, or puts it back, has done so */
	uses_lock_moving(d->p->uses);
	uses_unlock_moving(d->p->uses);
	if (!d->use->dir)
		posix_unlinked_remove(d->p, &d->use->gfid);
	posix_fd_free(d->p, d->pfd);			/* frees its space */
}

static void dispose_done(struct work *w)
{
	struct disposal *d = (struct disposal *)w;

	use_drop(d->p, d->use);
	xl_busy(d->p->xl, -1);
	free(d);
}

static void dispose(struct posix *p, struct posix_use *use, struct posix_fd *pfd)
{
	/* a directory is empty: nothing that takes time */
	struct disposal *d = use->dir ? NULL : malloc(sizeof *d), here;

	*(d ? d : &here) = (struct disposal){
		.work = { .run = dispose_run, .done = dispose_done },
		.p = p, .use = use, .pfd = pfd,
	};
	if (d && p->xl->pool && p->xl->started) {
		xl_busy(p->xl, 1);
		return work_post(p->xl->pool, &d->work);
	}
	dispose_run(d ? &d->work : &here.work);
	use_drop(p, use);
	free(d);
}

void posix_use_end(struct posix *p, struct posix_use *use, struct posix_fd *pfd)
{
	if (use_end(p->uses, use))
		dispose(p, use, pfd);
	else
		posix_fd_free(p, pfd);
}

/* ---- what was open when the brick ended ---------------------------------------------- */

static void sweep(struct timer *t)
{
	struct posix *p = (struct posix *)((char *)t - offsetof(struct posix, sweep_timer));
	bool more;
	struct posix_use *use = uses_sweep(p->uses, &more);

	while (use) {
		struct posix_use *next = use->next_due;

		dispose(p, use, NULL);
		use = next;
	}
	if (more)
		timer_start(&p->sweep_timer, xl_loop(p->xl), SWEEP_MS, sweep);
}

void posix_sweep_start(struct posix *p)
{
	if (uses_awaited(p->uses) && !timer_active(&p->sweep_timer))
		timer_start(&p->sweep_timer, xl_loop(p->xl), SWEEP_MS, sweep);
}

/* One that has a name still: the brick ended just before it would have gone. */
static int left_over_found(struct posix *p, const char *name)
{
	char path[POSIX_HANDLE_MAX];
	struct statx stx;
	struct gfid g;
	int ret;

	if (gfid_parse(name, &g) < 0)
		return 0;
	unlinked_path(&g, path);
	ret = posix_statx(posix_root(p), path, AT_SYMLINK_NOFOLLOW, &stx);
	if (ret < 0)
		return ret;
	if (stx.stx_nlink > 1)
		return handle_move(p, &g, false);
	return use_add_left_over(p->uses, &g, LEFT_OVER_SWEEPS);
}

int posix_left_over_init(struct posix *p)
{
	int fd, ret = 0;
	struct dirent *e;
	DIR *d;

	if (mkdirat(posix_root(p), POSIX_UNLINK_DIR, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(posix_root(p), POSIX_UNLINK_DIR,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		ret = -errno;
		if (fd >= 0)
			close(fd);
		return ret;
	}
	while (ret == 0 && (e = readdir(d)))
		ret = left_over_found(p, e->d_name);
	closedir(d);
	return ret;
}
