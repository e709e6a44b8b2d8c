/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * posix-xattr.c - xattrs.
 *
 * What belongs to us is out of reach: the identity (trusted.gfid) always, the bookkeeping of
 * replication (trusted.glusterfs.afr.*) only for applications, which mount/fuse sees to, as the
 * translators in between have to reach it.  No list shows any of it.
 */
#include <stdlib.h>
#include <sys/xattr.h>

#include "posix.h"

/* Grows op->mem to what `get` gives.  0 or -errno. */
static int value_read(struct posix_op *op, const struct posix_obj *o, const char *key)
{
	static const size_t sizes[] = { 256, POSIX_VALUE_MAX };
	ssize_t n = -ERANGE;

	for (int i = 0; i < 2 && n == -ERANGE; i++) {
		free(op->mem);
		op->mem = malloc(sizes[i]);
		if (!op->mem)
			return -ENOMEM;
		n = key ? xattr_obj_get(o, key, op->mem, sizes[i])
			: xattr_obj_list(o, op->mem, sizes[i]);
	}
	if (n < 0)
		return n == -ENOENT ? -ESTALE : (int)n;
	op->mem_len = (size_t)n;
	return 0;
}

static unsigned how(const struct posix_op *op)
{
	return op->id->enforce ? OBJ_PATH_FD : 0;
}

void posix_getxattr_run(struct posix_op *op)
{
	const struct getxattr_args *a = op->args;
	struct posix_caller c;
	struct posix_obj o;

	if (xattr_is_ours(a->name) == XATTR_OURS_HIDDEN) {
		op->ret = -ENODATA;
		return;
	}
	op->ret = posix_obj_get(op->p, &a->inode->gfid, op->type, op->pfd, how(op), &o);
	if (op->ret < 0)
		return;
	op->ret = caller_begin(op->id, 0, &c);
	if (op->ret == 0) {
		op->ret = value_read(op, &o, a->name);
		caller_end(&c);
	}
	posix_obj_put(op->p, &o);
}

void posix_getxattr_finish(struct posix_op *op)
{
	if (op->ret < 0)
		return;
	op->reply.getxattr.value = buf_copy(op->mem, op->mem_len);
	if (!op->reply.getxattr.value)
		op->ret = -ENOMEM;
}

/* The common part of setxattr and removexattr; value NULL: remove. */
static int xattr_change(struct posix_op *op, const struct gfid *g, const char *key,
			const struct buf *value, uint32_t flags, struct attr *ret_attr)
{
	struct attr before = { .mode = 0 };
	struct posix_caller c;
	struct posix_obj o;
	int ret;

	if (xattr_is_ours(key))
		return -EPERM;
	ret = posix_obj_get(op->p, g, op->type, op->pfd, how(op), &o);
	if (ret < 0)
		return ret;
	if (op->id->kill_priv)		/* a new ACL */
		ret = posix_obj_attr(&o, g, &before);
	if (ret == 0)
		ret = caller_begin(op->id, caller_change(op->id, &before) | posix_limited(op),
				   &c);
	if (ret == 0) {
		ret = value ? xattr_obj_set(&o, key, value->data, value->len, (int)flags)
			    : xattr_obj_remove(&o, key);
		caller_end(&c);
	}
	if (ret == -ENOENT)
		ret = -ESTALE;
	if (ret == 0)
		ret = posix_obj_attr(&o, g, ret_attr);
	posix_obj_put(op->p, &o);
	return ret;
}

void posix_setxattr_run(struct posix_op *op)
{
	const struct setxattr_args *a = op->args;

	op->ret = a->value ? xattr_change(op, &a->inode->gfid, a->name, a->value, a->flags,
					  &op->reply.setxattr.attr) : -EINVAL;
}

void posix_removexattr_run(struct posix_op *op)
{
	const struct removexattr_args *a = op->args;

	op->ret = xattr_change(op, &a->inode->gfid, a->name, NULL, 0, &op->reply.removexattr.attr);
}

void posix_listxattr_run(struct posix_op *op)
{
	const struct listxattr_args *a = op->args;
	struct posix_obj o;
	size_t kept = 0, len;
	char *names;

	op->ret = posix_obj_get(op->p, &a->inode->gfid, op->type, op->pfd, how(op), &o);
	if (op->ret < 0)
		return;
	op->ret = value_read(op, &o, NULL);
	posix_obj_put(op->p, &o);
	names = op->mem;
	for (size_t at = 0; op->ret == 0 && at < op->mem_len; at += len) {
		len = strlen(names + at) + 1;
		if (xattr_is_ours(names + at) ||
		    !strncmp(names + at, POSIX_XATTR_PREFIX, strlen(POSIX_XATTR_PREFIX)))
			continue;
		memmove(names + kept, names + at, len);
		kept += len;
	}
	op->mem_len = kept;
}

void posix_listxattr_finish(struct posix_op *op)
{
	if (op->ret < 0)
		return;
	op->reply.listxattr.names = buf_copy(op->mem, op->mem_len);
	if (!op->reply.listxattr.names)
		op->ret = -ENOMEM;
}
