/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * posix-object.c - objects by identity for the *at system calls, and their attributes.
 *
 * An open file is reached by its descriptor, also without a name; a directory by its cached O_PATH
 * descriptor; anything else by its handle below the root descriptor, never following a symlink (the
 * handle of a symlink is a hard link to it, so it is reached in the same way).
 */
#include <stdio.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "posix.h"

/* ---- attributes ---------------------------------------------------------------------- */

int posix_statx(int fd, const char *path, int flags, struct statx *stx)
{
	return statx(fd, path, flags | AT_STATX_SYNC_AS_STAT, STATX_BASIC_STATS | STATX_BTIME,
		     stx) == 0
		       ? 0
		       : -errno;
}

static struct ts ts_of(const struct statx_timestamp *t)
{
	return (struct ts){ .sec = t->tv_sec, .nsec = t->tv_nsec };
}

/* The handle is not a link that anybody has made, nor is .glusterfs a directory in the root. */
static uint32_t visible_nlink(const struct statx *stx, const struct gfid *g)
{
	uint32_t n = stx->stx_nlink;

	if (S_ISDIR(stx->stx_mode))
		return gfid_equal(g, &gfid_root) && n > 2 ? n - 1 : n;
	return n ? n - 1 : 0;
}

void posix_attr_fill(struct attr *a, const struct statx *stx, const struct gfid *g)
{
	uint32_t major = stx->stx_rdev_major, minor = stx->stx_rdev_minor;

	a->gfid = *g;
	a->size = stx->stx_size;
	a->blocks = stx->stx_blocks;
	a->rdev = (minor & 0xff) | (major << 8) | ((minor & ~0xffu) << 12);
	a->atime = ts_of(&stx->stx_atime);
	a->mtime = ts_of(&stx->stx_mtime);
	a->ctime = ts_of(&stx->stx_ctime);
	a->btime = stx->stx_mask & STATX_BTIME ? ts_of(&stx->stx_btime) : (struct ts){ 0 };
	a->mode = stx->stx_mode;
	a->uid = stx->stx_uid;
	a->gid = stx->stx_gid;
	a->nlink = visible_nlink(stx, g);
	a->blksize = stx->stx_blksize;
}

int posix_attr_at(int fd, const char *path, int flags, const struct gfid *g, struct attr *a)
{
	struct statx stx;
	int ret = posix_statx(fd, path, flags, &stx);

	if (ret == 0)
		posix_attr_fill(a, &stx, g);
	return ret;
}

int posix_attr_dir(const struct posix_dir *d, struct attr *a)
{
	return posix_attr_at(d->fd, "", AT_EMPTY_PATH, &d->gfid, a);
}

int posix_obj_attr(const struct posix_obj *o, const struct gfid *g, struct attr *a)
{
	int ret = posix_attr_at(o->fd, o->path, o->flags, g, a);

	return ret == -ENOENT ? -ESTALE : ret;
}

int posix_name_check(const struct gfid *parent, const char *name, int hidden)
{
	size_t n = strnlen(name, 256);

	if (n > 255)
		return -ENAMETOOLONG;
	if (n == 0 || strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
		return -EINVAL;
	if (!strcmp(name, POSIX_DIR) && gfid_equal(parent, &gfid_root))
		return hidden;
	return 0;
}

/* ---- objects ------------------------------------------------------------------------- */

static int obj_by_dir(struct posix *p, const struct gfid *g, struct posix_obj *o)
{
	int ret = posix_dir_get(p, g, &o->dir);

	if (ret < 0)
		return ret;
	o->fd = o->dir->fd;
	o->path = "";
	o->flags = AT_EMPTY_PATH;
	return 0;
}

/* A handle that is a symlink is a directory's, or a symlink which bears that identity. */
static int obj_probe(struct posix *p, const struct gfid *g, uint32_t *ret_type)
{
	char path[POSIX_HANDLE_MAX];
	struct statx stx;
	struct gfid is;
	int ret;

	posix_handle_find(p, g, path);
	ret = posix_statx(posix_root(p), path, AT_SYMLINK_NOFOLLOW, &stx);
	if (ret == -ENOENT && use_is_unlinked(p->uses, g)) {
		*ret_type = S_IFDIR;		/* a removed directory has no handle */
		return 0;
	}
	if (ret < 0)
		return ret == -ENOENT ? -ESTALE : ret;
	*ret_type = stx.stx_mode & S_IFMT;
	if (S_ISLNK(stx.stx_mode)) {
		ret = posix_gfid_get(posix_root(p), path, &is);
		if (ret == -ENODATA || !gfid_equal(&is, g))
			*ret_type = S_IFDIR;
	}
	return 0;
}

static int obj_open_path(struct posix *p, struct posix_obj *o)
{
	o->own = openat(posix_root(p), o->handle, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (o->own < 0)
		return errno == ENOENT ? -ESTALE : -errno;
	o->fd = o->own;
	o->path = "";
	o->flags = AT_EMPTY_PATH;
	return 0;
}

int posix_obj_get(struct posix *p, const struct gfid *g, uint32_t type, struct posix_fd *pfd,
		  unsigned how, struct posix_obj *o)
{
	int ret = 0;

	*o = (struct posix_obj){ .own = -1 };
	if (pfd) {
		o->fd = pfd->fd;
		o->path = "";
		o->flags = AT_EMPTY_PATH;
		o->opened = true;
		return 0;
	}
	if (gfid_is_none(g))
		return -ESTALE;
	if (!type && !gfid_equal(g, &gfid_root))
		ret = obj_probe(p, g, &type);
	if (ret < 0)
		return ret;
	if (S_ISDIR(type) || gfid_equal(g, &gfid_root))
		return obj_by_dir(p, g, o);
	posix_handle_find(p, g, o->handle);
	if (how & OBJ_PATH_FD)
		return obj_open_path(p, o);
	o->fd = posix_root(p);
	o->path = o->handle;
	o->flags = AT_SYMLINK_NOFOLLOW;
	return 0;
}

void posix_obj_put(struct posix *p, struct posix_obj *o)
{
	posix_dir_put(p, o->dir);
	if (o->own >= 0)
		close(o->own);
}

bool posix_obj_proc(const struct posix_obj *o, char out[POSIX_PROC_MAX])
{
	snprintf(out, POSIX_PROC_MAX, "/proc/self/fd/%d%s%s", o->fd, *o->path ? "/" : "", o->path);
	return !*o->path;
}

/* Only what has data can be opened: a device or a pipe of the brick is none of our business. */
static int check_openable(int fd)
{
	struct statx stx;
	int ret = posix_statx(fd, "", AT_EMPTY_PATH, &stx);

	if (ret == 0 && !S_ISREG(stx.stx_mode) && !S_ISDIR(stx.stx_mode))
		ret = S_ISLNK(stx.stx_mode) ? -ELOOP : -EINVAL;
	return ret;
}

static int open_checked(const struct identity *id, unsigned how, const struct posix_obj *o, int flags)
{
	char proc[POSIX_PROC_MAX];
	struct posix_caller c;
	int ret = check_openable(o->fd), fd;

	if (ret == 0)
		ret = caller_begin(id, how, &c);
	if (ret < 0)
		return ret;
	posix_obj_proc(o, proc);
	fd = open(proc, (flags & ~O_NOFOLLOW) | O_CLOEXEC);
	ret = fd < 0 ? -errno : fd;
	caller_end(&c);
	return ret;
}

/*
 * When nobody has to be asked a regular file is opened by its handle directly.  O_NONBLOCK, in case
 * it is a pipe after all: the type came from a client.
 */
static int obj_open(struct posix *p, const struct identity *id, unsigned how, const struct gfid *g,
		    uint32_t type, int flags)
{
	bool direct = !id->enforce && S_ISREG(type) && !(flags & O_TRUNC);
	struct posix_obj o;
	int fd, ret = posix_obj_get(p, g, type, NULL, direct ? 0 : OBJ_PATH_FD, &o);

	if (ret < 0)
		return ret;
	if (o.dir && !id->enforce) {
		fd = openat(o.fd, ".", flags | O_CLOEXEC);
		ret = fd < 0 ? -errno : fd;
	} else if (direct) {
		fd = openat(o.fd, o.path, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		ret = fd < 0 ? (errno == ENOENT || errno == ELOOP ? -ESTALE : -errno) : fd;
	} else {
		ret = open_checked(id, how, &o, flags | O_NOCTTY);
	}
	posix_obj_put(p, &o);
	return ret;
}

int posix_obj_open(struct posix *p, const struct identity *id, unsigned how, const struct gfid *g,
		   uint32_t type, int flags)
{
	int ret;

	do
		ret = obj_open(p, id, how, g, type, flags);
	while (ret == -EMFILE && posix_fds_relieve(p));
	return ret;
}
