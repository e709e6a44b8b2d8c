/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * posix-entry.c - names: lookup, and what makes new objects (posix-unlink.c has the rest).
 *
 * A new object gets its name first, then its identity, then its handle; when something fails on the
 * way all of it is taken back.  After a crash in between, an object without identity or handle is
 * adopted or repaired by the next lookup of its name.
 */
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "posix.h"

/* ---- lookup -------------------------------------------------------------------------- */

/* Gives dirfd/name the identity g and a handle. */
static int adopt(struct posix *p, const struct gfid *g, struct posix_dir *d, const char *name,
		 bool directory, int flags)
{
	int ret;

	if (gfid_is_none(g) || gfid_equal(g, &gfid_root))
		return -ENODATA;
	ret = posix_gfid_set(d->fd, name, g, flags);
	if (ret == 0)
		ret = posix_handle_add(p, g, d->fd, &d->gfid, name, directory);
	return ret;
}

/* The identity of a name, which it has afterwards; *ret_flags gets LOOKUP_ADOPTED.  -EEXIST: `mine`, which it was to get, is another's. */
static int identify(struct posix *p, const struct gfid *mine, struct posix_dir *d, const char *name,
		    struct statx *stx, struct gfid *g, uint32_t *ret_flags)
{
	bool directory = S_ISDIR(stx->stx_mode);
	int ret = posix_gfid_get(d->fd, name, g), flags = XATTR_CREATE;

	if (ret == 0) {
		ret = posix_handle_check(p, g, d->fd, &d->gfid, name, stx);
		if (ret != -EEXIST)
			return ret;
		/* a copy that was made behind our back, identity and all */
		log_warning(p->xl->name,
			    "\"%s\" bears the identity of another object; it is given a new one",
			    name);
		flags = XATTR_REPLACE;
	} else if (ret != -ENODATA) {
		return ret;
	}
	ret = adopt(p, mine, d, name, directory, flags);
	if (ret == -EEXIST && flags == XATTR_CREATE) {
		/* another lookup was faster, or it is not an identity */
		ret = posix_gfid_get(d->fd, name, g);
		if (ret == 0)
			return posix_handle_check(p, g, d->fd, &d->gfid, name, stx);
		ret = adopt(p, mine, d, name, directory, XATTR_REPLACE);
	}
	if (ret < 0)
		return ret;
	*g = *mine;
	*ret_flags |= LOOKUP_ADOPTED;
	/* again: the handle is a link more */
	return posix_statx(d->fd, name, AT_SYMLINK_NOFOLLOW, stx);
}

/* What lookup_wanted leaves in op->mem, one behind the other. */
struct wanted {
	uint32_t pair, len;
	uint8_t value[];
};

static size_t wanted_size(size_t len)
{
	return (sizeof(struct wanted) + len + 7) & ~(size_t)7;
}

static int lookup_wanted(struct posix_op *op, int dirfd, const char *name, const struct dict *want)
{
	for (uint32_t i = 0; want && i < want->nr; i++) {
		if (xattr_is_ours(want->pairs[i].key) == XATTR_OURS_HIDDEN)
			continue;
		void *mem = realloc(op->mem, op->mem_len + wanted_size(POSIX_VALUE_MAX));

		if (!mem)
			return -ENOMEM;
		op->mem = mem;
		struct wanted *w = (struct wanted *)((char *)mem + op->mem_len);
		ssize_t n = xattr_at_get(dirfd, name, want->pairs[i].key, w->value,
					 POSIX_VALUE_MAX);

		if (n == -ENODATA || n == -EOPNOTSUPP || n == -EPERM)
			continue;
		if (n < 0)
			return (int)n;
		w->pair = i;
		w->len = (uint32_t)n;
		op->mem_len += wanted_size(w->len);
	}
	return 0;
}

void posix_lookup_run(struct posix_op *op)
{
	const struct lookup_args *a = op->args;
	struct lookup_reply *r = &op->reply.lookup;
	struct posix_caller c;
	struct posix_dir *d;
	struct statx stx;
	struct gfid g;

	op->ret = posix_name_check(&a->parent->gfid, a->name, -ENOENT);
	if (op->ret < 0)
		return;
	op->ret = posix_dir_get(op->p, &a->parent->gfid, &d);
	if (op->ret < 0)
		return;
	op->ret = caller_begin(op->id, 0, &c);
	if (op->ret == 0) {
		op->ret = posix_statx(d->fd, a->name, AT_SYMLINK_NOFOLLOW, &stx);
		caller_end(&c);
	}
	if (op->ret == 0)
		op->ret = identify(op->p, &a->gfid, d, a->name, &stx, &g, &r->flags);
	if (op->ret == 0) {
		posix_attr_fill(&r->attr, &stx, &g);
		op->ret = lookup_wanted(op, d->fd, a->name, a->want);
	}
	posix_dir_put(op->p, d);
}

void posix_lookup_finish(struct posix_op *op)
{
	const struct lookup_args *a = op->args;
	struct dict *d;
	int ret = 0;

	if (op->ret < 0 || !a->want)
		return;
	d = op->reply.lookup.xattr = dict_new();
	if (!d)
		ret = -ENOMEM;
	for (size_t at = 0; ret == 0 && at < op->mem_len; ) {
		const struct wanted *w = (const struct wanted *)((const char *)op->mem + at);

		ret = dict_set(d, a->want->pairs[w->pair].key, w->value, w->len);
		at += wanted_size(w->len);
	}
	if (ret < 0)
		op->ret = ret;
}

/* ---- making names -------------------------------------------------------------------- */

/* A new object: what the five operations that make one have in common. */
struct making {
	struct inode *parent, *inode;
	const char *name;
	struct attr *ret_attr, *ret_parent;
	bool directory;
	int fd;				/* create: of the new file; else -1 */
	uint32_t mode, umask;
	int flags;			/* create */
	dev_t rdev;			/* mknod */
	const char *target;		/* symlink */
	int (*make)(struct making *m, int dirfd);	/* 0 or -1 with errno */
};

static int making_identity(struct posix *p, struct making *m, struct posix_dir *d)
{
	const struct gfid *g = &m->inode->gfid;
	int ret;

	if (m->fd >= 0)
		ret = fsetxattr(m->fd, POSIX_XATTR_GFID, g, sizeof *g, XATTR_CREATE) == 0
			? 0 : -errno;
	else
		ret = posix_gfid_set(d->fd, m->name, g, XATTR_CREATE);
	if (ret < 0)
		return ret;
	ret = posix_handle_add(p, g, d->fd, &d->gfid, m->name, m->directory);
	if (ret < 0)
		return ret;
	ret = m->fd >= 0 ? posix_attr_at(m->fd, "", AT_EMPTY_PATH, g, m->ret_attr)
			 : posix_attr_at(d->fd, m->name, AT_SYMLINK_NOFOLLOW, g, m->ret_attr);
	if (ret == 0)
		ret = posix_attr_dir(d, m->ret_parent);
	if (ret < 0)
		posix_handle_remove(p, g);
	return ret;
}

/* As the caller, with its umask.  0 or -errno. */
static int making_make(struct posix_op *op, struct making *m, int dirfd)
{
	struct posix_caller c;
	int ret = caller_begin(op->id, CALLER_OWNS | posix_limited(op), &c), before;

	if (ret < 0)
		return ret;
	before = m->target ? -1 : umask_begin(m->umask);
	if (before < 0)
		m->mode &= ~m->umask;
	ret = m->make(m, dirfd) < 0 ? -errno : 0;
	umask_end(before);
	caller_end(&c);
	return ret;
}

static int making_run(struct posix_op *op, struct making *m)
{
	struct posix *p = op->p;
	struct posix_dir *d;
	int ret = posix_name_check(&m->parent->gfid, m->name, -EPERM);

	m->fd = -1;
	if (ret == 0 && (gfid_is_none(&m->inode->gfid) || gfid_equal(&m->inode->gfid, &gfid_root)))
		ret = -EINVAL;
	if (ret == 0)
		ret = posix_dir_get_named(p, &m->parent->gfid, &d);
	if (ret < 0)
		return ret;
	do
		ret = making_make(op, m, d->fd);
	while (ret == -EMFILE && posix_fds_relieve(p));
	if (ret == 0) {
		ret = making_identity(p, m, d);
		if (ret < 0 && unlinkat(d->fd, m->name, m->directory ? AT_REMOVEDIR : 0) < 0)
			log_error(p->xl->name, "\"%s\" stays behind after a failure (%s): %s",
				  m->name, strerror(-ret), strerror(errno));
	}
	if (ret < 0 && m->fd >= 0)
		close(m->fd);
	posix_dir_put(p, d);
	return ret;
}

static int make_node(struct making *m, int dirfd)
{
	return mknodat(dirfd, m->name, m->mode, m->rdev);
}

void posix_mknod_run(struct posix_op *op)
{
	const struct mknod_args *a = op->args;
	uint32_t rdev = (uint32_t)a->rdev;
	struct making m = {
		.parent = a->parent, .inode = a->inode, .name = a->name,
		.make = make_node,
		.mode = a->mode & (S_IFMT | 07777), .umask = a->umask & 0777,
		.rdev = makedev((rdev & 0xfff00) >> 8, (rdev & 0xff) | ((rdev >> 12) & 0xfff00)),
		.ret_attr = &op->reply.mknod.attr, .ret_parent = &op->reply.mknod.parent,
	};

	op->ret = making_run(op, &m);
}

static int make_directory(struct making *m, int dirfd)
{
	return mkdirat(dirfd, m->name, m->mode);
}

void posix_mkdir_run(struct posix_op *op)
{
	const struct mkdir_args *a = op->args;
	struct making m = {
		.parent = a->parent, .inode = a->inode, .name = a->name,
		.make = make_directory, .directory = true, .mode = a->mode & 07777, .umask = a->umask & 0777,
		.ret_attr = &op->reply.mkdir.attr, .ret_parent = &op->reply.mkdir.parent,
	};

	op->ret = making_run(op, &m);
}

static int make_symlink(struct making *m, int dirfd)
{
	return symlinkat(m->target, dirfd, m->name);
}

void posix_symlink_run(struct posix_op *op)
{
	const struct symlink_args *a = op->args;
	struct making m = {
		.parent = a->parent, .inode = a->inode, .name = a->name,
		.make = make_symlink,
		.target = a->target,
		.ret_attr = &op->reply.symlink.attr, .ret_parent = &op->reply.symlink.parent,
	};

	op->ret = making_run(op, &m);
}

static int make_file(struct making *m, int dirfd)
{
	m->fd = openat(dirfd, m->name, m->flags | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		       m->mode);
	return m->fd;
}

void posix_create_run(struct posix_op *op)
{
	const struct create_args *a = op->args;
	struct making m = {
		.parent = a->parent, .inode = a->inode, .name = a->name,
		.make = make_file,
		.mode = a->mode & 07777, .umask = a->umask & 0777,
		.flags = a->flags & POSIX_OPEN_FLAGS,
		.ret_attr = &op->reply.create.attr, .ret_parent = &op->reply.create.parent,
	};

	op->ret = posix_fds_full(op->p) ? -ENFILE : making_run(op, &m);
	if (op->ret < 0)
		return;
	/* the file stays when this fails: the answer to a create that was done, and not opened */
	op->ret = posix_fd_new(op->p, m.fd, &a->inode->gfid, m.flags, false, &op->made);
}

/* ---- without a name ------------------------------------------------------------------ */

static int make_nameless(struct making *m, int dirfd)
{
	m->fd = openat(dirfd, ".", m->flags | O_TMPFILE | O_CLOEXEC, m->mode);
	return m->fd;
}

/* op->use keeps it until its open file does. */
static int tmpfile_identity(struct posix_op *op, struct making *m)
{
	const struct gfid *g = &m->inode->gfid;
	int ret = fsetxattr(m->fd, POSIX_XATTR_GFID, g, sizeof *g, XATTR_CREATE) < 0 ? -errno : 0;

	if (ret == 0)
		ret = posix_unlinked_add(op->p, g, m->fd);
	if (ret < 0)
		return ret;
	use_set_nameless(op->p->uses, op->use);
	return posix_attr_at(m->fd, "", AT_EMPTY_PATH, g, m->ret_attr);
}

void posix_tmpfile_run(struct posix_op *op)
{
	const struct tmpfile_args *a = op->args;
	struct making m = {
		.parent = a->parent, .inode = a->inode,
		.make = make_nameless, .fd = -1,
		.mode = a->mode & 07777, .umask = a->umask & 0777,
		.flags = a->flags & POSIX_OPEN_FLAGS,
		.ret_attr = &op->reply.tmpfile.attr,
	};
	struct posix_dir *d;

	op->ret = posix_fds_full(op->p) ? -ENFILE : 0;
	if (op->ret == 0 && (gfid_is_none(&a->inode->gfid) || gfid_equal(&a->inode->gfid, &gfid_root)))
		op->ret = -EINVAL;
	if (op->ret == 0)
		op->ret = posix_dir_get_named(op->p, &a->parent->gfid, &d);
	if (op->ret < 0)
		return;
	do
		op->ret = making_make(op, &m, d->fd);
	while (op->ret == -EMFILE && posix_fds_relieve(op->p));
	if (op->ret == 0)
		op->ret = tmpfile_identity(op, &m);
	posix_dir_put(op->p, d);
	if (op->ret == 0)
		op->ret = posix_fd_new(op->p, m.fd, &a->inode->gfid, m.flags, false, &op->made);
	else if (m.fd >= 0)
		close(m.fd);
}
