/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * posix-rename.c - rename, replacing or exchanging.
 *
 * The handle of a directory names its parent and its name, so it changes with them: the new handle
 * is made beside the old one before the rename (no space: nothing has happened yet), and put into
 * place after it. A crash in between leaves a handle that leads nowhere; the next lookup of the
 * name makes it again.
 *
 * Limitation: RENAME_WHITEOUT is refused (a whiteout would be an object without an identity).
 */
#include <stdio.h>
#include <unistd.h>

#include "posix.h"

struct side {			/* one of the two names */
	struct posix_dir *dir;
	const char *name;
	bool there;		/* before the rename */
	struct statx stx;
	struct gfid gfid;
};

static int side_look(struct side *s)
{
	int ret = posix_statx(s->dir->fd, s->name, AT_SYMLINK_NOFOLLOW, &s->stx);

	if (ret == -ENOENT)
		return 0;
	if (ret < 0)
		return ret;
	s->there = true;
	ret = posix_gfid_get(s->dir->fd, s->name, &s->gfid);
	return ret == -ENODATA ? 0 : ret;
}

/* A directory with an identity: its handle names where it is. */
static bool side_has_place(const struct side *s)
{
	return s->there && S_ISDIR(s->stx.stx_mode) && !gfid_is_none(&s->gfid);
}

static bool same_object(const struct side *a, const struct side *b)
{
	return a->there && b->there && a->stx.stx_ino == b->stx.stx_ino &&
	       a->stx.stx_dev_major == b->stx.stx_dev_major &&
	       a->stx.stx_dev_minor == b->stx.stx_dev_minor;
}

static void commit(struct posix *p, const struct side *s)
{
	int ret = posix_handle_commit(p, &s->gfid);

	if (ret < 0)
		log_error(p->xl->name, "the handle of \"%s\" stays wrong until it is looked up: %s",
			  s->name, strerror(-ret));
}

/* The rename itself, with the handles of directories. */
static int rename_both(struct posix_op *op, struct side *from, struct side *to, unsigned flags)
{
	bool moves = side_has_place(from), back = (flags & RENAME_EXCHANGE) && side_has_place(to);
	struct posix_caller c;
	int ret = 0;

	if (moves)
		ret = posix_handle_prepare(op->p, &from->gfid, &to->dir->gfid, to->name);
	if (ret == 0 && back) {
		ret = posix_handle_prepare(op->p, &to->gfid, &from->dir->gfid, from->name);
		if (ret < 0 && moves)
			posix_handle_abort(op->p, &from->gfid);
	}
	if (ret < 0)
		return ret;
	ret = caller_begin(op->id, 0, &c);
	if (ret == 0) {
		ret = renameat2(from->dir->fd, from->name, to->dir->fd, to->name, flags) < 0
			      ? -errno
			      : 0;
		caller_end(&c);
	}
	if (moves && ret == 0)
		commit(op->p, from);
	else if (moves)
		posix_handle_abort(op->p, &from->gfid);
	if (back && ret == 0)
		commit(op->p, to);
	else if (back)
		posix_handle_abort(op->p, &to->gfid);
	return ret;
}

/* What the new name was before has lost it. */
static int replaced(struct posix *p, struct side *to, struct attr *ret_attr)
{
	char path[POSIX_HANDLE_MAX];
	int ret = -ENOENT;

	if (S_ISDIR(to->stx.stx_mode)) {
		if (!gfid_is_none(&to->gfid)) {
			posix_handle_remove(p, &to->gfid);
			dircache_drop(p->dirs, &to->gfid);
		}
	} else if (!gfid_is_none(&to->gfid)) {
		posix_handle_path(&to->gfid, path);
		ret = posix_attr_at(posix_root(p), path, AT_SYMLINK_NOFOLLOW, &to->gfid, ret_attr);
		if (ret == 0 && ret_attr->nlink == 0)
			posix_handle_remove(p, &to->gfid);
	}
	if (ret == -ENOENT) {
		posix_attr_fill(ret_attr, &to->stx, &to->gfid);
		ret_attr->nlink = 0;
		ret = 0;
	}
	return ret;
}

static int rename_answer(struct posix_op *op, struct side *from, struct side *to, unsigned flags)
{
	struct rename_reply *r = &op->reply.rename;
	int ret = 0;

	if (flags & RENAME_EXCHANGE)
		ret = posix_attr_at(from->dir->fd, from->name, AT_SYMLINK_NOFOLLOW, &to->gfid,
				    &r->replaced);
	else if (to->there && !same_object(from, to))
		ret = replaced(op->p, to, &r->replaced);
	if (ret == 0)
		ret = posix_attr_at(to->dir->fd, to->name, AT_SYMLINK_NOFOLLOW, &from->gfid,
				    &r->attr);
	if (ret == 0)
		ret = posix_attr_dir(from->dir, &r->oldparent);
	if (ret == 0)
		ret = posix_attr_dir(to->dir, &r->newparent);
	return ret;
}

static int rename_between(struct posix_op *op, struct side *from, struct side *to, unsigned flags)
{
	int ret = side_look(from);

	if (ret == 0 && !from->there)
		ret = -ENOENT;
	if (ret == 0)
		ret = side_look(to);
	if (ret == 0)
		ret = rename_both(op, from, to, flags);
	if (ret == 0)
		ret = rename_answer(op, from, to, flags);
	return ret;
}

void posix_rename_run(struct posix_op *op)
{
	const struct rename_args *a = op->args;
	struct side from = { .name = a->oldname }, to = { .name = a->newname };

	op->ret = a->flags & ~(uint32_t)(RENAME_NOREPLACE | RENAME_EXCHANGE) ? -EINVAL : 0;
	if (op->ret == 0)
		op->ret = posix_name_check(&a->oldparent->gfid, a->oldname, -EPERM);
	if (op->ret == 0)
		op->ret = posix_name_check(&a->newparent->gfid, a->newname, -EPERM);
	if (op->ret < 0)
		return;
	op->ret = posix_dir_get(op->p, &a->oldparent->gfid, &from.dir);
	if (op->ret == 0)
		op->ret = posix_dir_get(op->p, &a->newparent->gfid, &to.dir);
	if (op->ret == 0)
		op->ret = rename_between(op, &from, &to, a->flags);
	posix_dir_put(op->p, to.dir);
	posix_dir_put(op->p, from.dir);
}
