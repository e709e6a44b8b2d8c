/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * posix-rename.c - rename, replacing or exchanging.
 *
 * The handle of a directory names its parent and its name, so it changes with them: the new handle
 * is made beside the old one before the rename (no space: nothing has happened yet), and put into
 * place after it. A crash in between leaves a handle that leads nowhere; the next lookup of the
 * name makes it again.
 *
 * A whiteout (RENAME_WHITEOUT) is made by the file system, belongs to the caller, and is given its identity
 * and handle after that; after a crash in between its next lookup gives it another identity.
 */
#include <stdio.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "posix.h"

struct side {			/* one of the two names */
	struct posix_dir *dir;
	const char *name;
	bool there;		/* before the rename */
	struct posix_loss loss;	/* what it is, and what the new name loses when it is replaced */
};

static int side_look(struct posix *p, struct side *s)
{
	int ret = posix_loss_look(p, &s->loss, s->dir->fd, s->name);

	s->there = ret == 0;
	return ret == -ENOENT ? 0 : ret;
}

/* A directory with an identity: its handle names where it is. */
static bool side_has_place(const struct side *s)
{
	return s->there && S_ISDIR(s->loss.stx.stx_mode) && !gfid_is_none(&s->loss.gfid);
}

static bool same_object(const struct side *a, const struct side *b)
{
	return a->there && b->there && a->loss.stx.stx_ino == b->loss.stx.stx_ino &&
	       a->loss.stx.stx_dev_major == b->loss.stx.stx_dev_major &&
	       a->loss.stx.stx_dev_minor == b->loss.stx.stx_dev_minor;
}

static void commit(struct posix *p, const struct side *s)
{
	int ret = posix_handle_commit(p, &s->loss.gfid);

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
		ret = posix_handle_prepare(op->p, &from->loss.gfid, &to->dir->gfid, to->name);
	if (ret == 0 && back) {
		ret = posix_handle_prepare(op->p, &to->loss.gfid, &from->dir->gfid, from->name);
		if (ret < 0 && moves)
			posix_handle_abort(op->p, &from->loss.gfid);
	}
	if (ret < 0)
		return ret;
	ret = caller_begin(op->id, flags & RENAME_WHITEOUT ? CALLER_OWNS : 0, &c);
	if (ret == 0) {
		ret = renameat2(from->dir->fd, from->name, to->dir->fd, to->name, flags) < 0
			      ? -errno
			      : 0;
		caller_end(&c);
	}
	if (moves && ret == 0)
		commit(op->p, from);
	else if (moves)
		posix_handle_abort(op->p, &from->loss.gfid);
	if (back && ret == 0)
		commit(op->p, to);
	else if (back)
		posix_handle_abort(op->p, &to->loss.gfid);
	return ret;
}

/* (A rename from one name of an object to another one does nothing, and leaves no whiteout.) */
static int whiteout(struct posix_op *op, struct side *from)
{
	struct gfid g = txn_gfid(op->id->client, op->id->txn);
	int ret;

	if (!op->id->txn)
		return 0;		/* nobody who repeats it, and nobody else who has it */
	ret = posix_gfid_set(from->dir->fd, from->name, &g, XATTR_CREATE);
	if (ret == -EEXIST)
		return 0;
	if (ret == 0)
		ret = posix_handle_add(op->p, &g, from->dir->fd, &from->dir->gfid, from->name, false);
	return ret;
}

static int rename_answer(struct posix_op *op, struct side *from, struct side *to, unsigned flags)
{
	struct rename_reply *r = &op->reply.rename;
	int ret = 0;

	if (flags & RENAME_EXCHANGE)
		ret = posix_attr_at(from->dir->fd, from->name, AT_SYMLINK_NOFOLLOW, &to->loss.gfid,
				    &r->replaced);
	if (ret == 0)
		ret = posix_attr_at(to->dir->fd, to->name, AT_SYMLINK_NOFOLLOW, &from->loss.gfid,
				    &r->attr);
	if (ret == 0)
		ret = posix_attr_dir(from->dir, &r->oldparent);
	if (ret == 0)
		ret = posix_attr_dir(to->dir, &r->newparent);
	return ret;
}

/* Can the rename replace what is at the new name? */
static bool replaces(const struct side *from, const struct side *to, unsigned flags)
{
	return to->there && !(flags & ~RENAME_WHITEOUT) && !same_object(from, to) &&
	       S_ISDIR(from->loss.stx.stx_mode) == S_ISDIR(to->loss.stx.stx_mode);
}

static int rename_between(struct posix_op *op, struct side *from, struct side *to, unsigned flags)
{
	int ret = side_look(op->p, from);

	if (ret == 0 && !from->there)
		ret = -ENOENT;
	if (ret == 0)
		ret = side_look(op->p, to);
	if (ret < 0)
		return ret;
	if (replaces(from, to, flags)) {
		to->loss.replaced = true;
		ret = posix_loss_begin(op, &to->loss, to->dir->fd, to->name);
		if (ret < 0)
			return ret;
		ret = rename_both(op, from, to, flags);
		posix_loss_end(op, &to->loss, ret, &op->reply.rename.replaced);
	} else {
		ret = rename_both(op, from, to, flags);
	}
	if (ret == 0 && (flags & RENAME_WHITEOUT) && whiteout(op, from) < 0)
		log_warning(op->p->xl->name, "the whiteout \"%s\" has no identity until it is looked up",
			    from->name);
	if (ret == 0)
		ret = rename_answer(op, from, to, flags);
	return ret;
}

void posix_rename_run(struct posix_op *op)
{
	const struct rename_args *a = op->args;
	struct side from = { .name = a->oldname }, to = { .name = a->newname };

	op->ret = a->flags & ~(uint32_t)(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)
			  ? -EINVAL : 0;
	if (op->ret == 0)
		op->ret = posix_name_check(&a->oldparent->gfid, a->oldname, -EPERM);
	if (op->ret == 0)
		op->ret = posix_name_check(&a->newparent->gfid, a->newname, -EPERM);
	if (op->ret < 0)
		return;
	op->ret = posix_dir_get_named(op->p, &a->oldparent->gfid, &from.dir);
	if (op->ret == 0)
		op->ret = posix_dir_get_named(op->p, &a->newparent->gfid, &to.dir);
	if (op->ret == 0)
		op->ret = rename_between(op, &from, &to, a->flags);
	posix_dir_put(op->p, to.dir);
	posix_dir_put(op->p, from.dir);
}

void posix_rename_finish(struct posix_op *op)
{
	posix_use_finish(op);
	posix_sweep_start(op->p);
}
