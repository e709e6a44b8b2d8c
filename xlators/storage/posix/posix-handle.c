/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * posix-handle.c - identities, and the way from an identity to its object.
 *
 * Each object has its gfid in the xattr trusted.gfid and a handle .glusterfs/xx/yy/<gfid> (xx, yy:
 * its first two bytes): a hard link, or for a directory a symlink ../../pp/qq/<gfid of its
 * parent>/<name>, the layout of today's GlusterFS.  The kernel never follows those symlinks: it
 * would give up after 40 of them, and follow one that somebody else had put there.  We read them,
 * up to the root or to a directory that is open, and open the names downwards, one component at a
 * time without following anything; what is found in the end must bear the identity that was asked
 * for.
 *
 * A rename in between can lead such a walk astray: then it is walked again.
 *
 * Limitation: a handle that is lost is made again when its name is looked up, not before.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "posix.h"

enum { WALK_TRIES = 3, WALK_DEPTH_MAX = 1 << 20 };

void posix_handle_path(const struct gfid *g, char out[POSIX_HANDLE_MAX])
{
	char text[GFID_STR];

	snprintf(out, POSIX_HANDLE_MAX, POSIX_DIR "/%02x/%02x/%s", g->b[0], g->b[1],
		 gfid_str(g, text));
}

static void handle_target(const struct gfid *parent, const char *name, char out[POSIX_LINK_MAX])
{
	char text[GFID_STR];

	snprintf(out, POSIX_LINK_MAX, "../../%02x/%02x/%s/%s", parent->b[0], parent->b[1],
		 gfid_str(parent, text), name);
}

/* The name that the next handle of a moving directory has until it is in place. */
static void handle_next_path(const struct gfid *g, char out[POSIX_HANDLE_MAX])
{
	char text[GFID_STR];

	snprintf(out, POSIX_HANDLE_MAX, POSIX_DIR "/%02x/%02x/%s.next", g->b[0], g->b[1],
		 gfid_str(g, text));
}

/* The two directories that a handle is in. */
int posix_handle_make_dirs(struct posix *p, const struct gfid *g)
{
	char path[POSIX_HANDLE_MAX];

	snprintf(path, sizeof path, POSIX_DIR "/%02x", g->b[0]);
	if (mkdirat(posix_root(p), path, 0700) < 0 && errno != EEXIST)
		return -errno;
	snprintf(path, sizeof path, POSIX_DIR "/%02x/%02x", g->b[0], g->b[1]);
	if (mkdirat(posix_root(p), path, 0700) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

/* target: of a symlink to make, else a hard link to dirfd/name is made. */
static int handle_make(struct posix *p, const struct gfid *g, const char *path, const char *target,
		       int dirfd, const char *name)
{
	for (bool again = false; ; again = true) {
		int ret = target ? symlinkat(target, posix_root(p), path)
				 : linkat(dirfd, name, posix_root(p), path, 0);
		if (ret == 0)
			return 0;
		if (errno != ENOENT || again)
			return -errno;
		ret = posix_handle_make_dirs(p, g);
		if (ret < 0)
			return ret;
	}
}

int posix_handle_add(struct posix *p, const struct gfid *g, int dirfd, const struct gfid *parent,
		     const char *name, bool directory)
{
	char path[POSIX_HANDLE_MAX], target[POSIX_LINK_MAX];
	int ret;

	posix_handle_path(g, path);
	if (!directory)
		return handle_make(p, g, path, NULL, dirfd, name);

	handle_target(parent, name, target);
	ret = handle_make(p, g, path, target, -1, NULL);
	if (ret != -EEXIST)
		return ret;
	/* left over from a directory that is gone (a crash between two system calls), or in use? */
	struct posix_dir *d;

	ret = posix_dir_get(p, g, &d);
	if (ret == 0) {
		posix_dir_put(p, d);
		return -EEXIST;
	}
	if (ret != -ESTALE)
		return ret == -ENOTDIR ? -EEXIST : ret;
	if (unlinkat(posix_root(p), path, 0) < 0)
		return -errno;
	return handle_make(p, g, path, target, -1, NULL);
}

void posix_handle_remove(struct posix *p, const struct gfid *g)
{
	char path[POSIX_HANDLE_MAX];

	posix_handle_path(g, path);
	if (unlinkat(posix_root(p), path, 0) < 0 && errno != ENOENT)
		log_warning(p->xl->name, "cannot remove the handle %s: %s", path, strerror(errno));
}

int posix_handle_prepare(struct posix *p, const struct gfid *g, const struct gfid *parent,
			 const char *name)
{
	char path[POSIX_HANDLE_MAX], target[POSIX_LINK_MAX];
	int ret;

	handle_next_path(g, path);
	handle_target(parent, name, target);
	ret = handle_make(p, g, path, target, -1, NULL);
	if (ret == -EEXIST && unlinkat(posix_root(p), path, 0) == 0)
		ret = handle_make(p, g, path, target, -1, NULL);
	return ret;
}

int posix_handle_commit(struct posix *p, const struct gfid *g)
{
	char next[POSIX_HANDLE_MAX], path[POSIX_HANDLE_MAX];

	handle_next_path(g, next);
	posix_handle_path(g, path);
	return renameat(posix_root(p), next, posix_root(p), path) == 0 ? 0 : -errno;
}

void posix_handle_abort(struct posix *p, const struct gfid *g)
{
	char next[POSIX_HANDLE_MAX];

	handle_next_path(g, next);
	unlinkat(posix_root(p), next, 0);
}

/* ---- identities ---------------------------------------------------------------------- */

int posix_gfid_get(int dirfd, const char *name, struct gfid *g)
{
	ssize_t n = xattr_at_get(dirfd, name, POSIX_XATTR_GFID, g, sizeof *g);

	if (n == (ssize_t)sizeof *g && !gfid_is_none(g))
		return 0;
	*g = gfid_none;
	if (n >= 0 || n == -ERANGE)
		return -ENODATA;	/* not something that we wrote */
	return (int)n;
}

int posix_gfid_set(int dirfd, const char *name, const struct gfid *g, int flags)
{
	return xattr_at_set(dirfd, name, POSIX_XATTR_GFID, g, sizeof *g, flags);
}

static bool same_inode(const struct statx *a, const struct statx *b)
{
	return a->stx_ino == b->stx_ino && a->stx_dev_major == b->stx_dev_major &&
	       a->stx_dev_minor == b->stx_dev_minor;
}

static int handle_check_directory(struct posix *p, const struct gfid *g, const struct gfid *parent,
				  const char *name, const struct statx *stx)
{
	char path[POSIX_HANDLE_MAX], target[POSIX_LINK_MAX], is[POSIX_LINK_MAX];
	struct posix_dir *d;
	ssize_t n;
	int ret;

	posix_handle_path(g, path);
	handle_target(parent, name, target);
	n = readlinkat(posix_root(p), path, is, sizeof is);
	if (n == (ssize_t)strlen(target) && !memcmp(is, target, (size_t)n))
		return 0;
	if (n < 0 && errno == ENOENT)
		return handle_make(p, g, path, target, -1, NULL);
	/* it names another place: is a directory with this identity there? */
	ret = posix_dir_get(p, g, &d);
	if (ret == 0) {
		bool same = d->ino == stx->stx_ino && d->dev_major == stx->stx_dev_major &&
			    d->dev_minor == stx->stx_dev_minor;

		posix_dir_put(p, d);
		if (!same)
			return -EEXIST;
	} else if (ret != -ESTALE) {
		return ret == -ENOTDIR ? -EEXIST : ret;
	}
	log_warning(p->xl->name,
		    "directory \"%s\" was moved behind our back; its handle is made again", name);
	ret = posix_handle_prepare(p, g, parent, name);
	return ret < 0 ? ret : posix_handle_commit(p, g);
}

int posix_handle_check(struct posix *p, const struct gfid *g, int dirfd, const struct gfid *parent,
		       const char *name, const struct statx *stx)
{
	char path[POSIX_HANDLE_MAX];
	struct statx handle;
	int ret;

	if (gfid_equal(g, &gfid_root))
		return -EEXIST;
	if (S_ISDIR(stx->stx_mode))
		return handle_check_directory(p, g, parent, name, stx);
	posix_handle_path(g, path);
	ret = posix_statx(posix_root(p), path, AT_SYMLINK_NOFOLLOW, &handle);
	if (ret == 0)
		return same_inode(stx, &handle) ? 0 : -EEXIST;
	if (ret != -ENOENT)
		return ret;
	ret = handle_make(p, g, path, NULL, dirfd, name);
	return ret == -EEXIST ? 0 : ret;
}

/* ---- directories by identity --------------------------------------------------------- */

struct step {			/* on the way down */
	struct step *next;
	char name[256];
};

static void steps_free(struct step *s)
{
	while (s) {
		struct step *next = s->next;

		free(s);
		s = next;
	}
}

/* Reads the handle of a directory.  0, -ESTALE (there is none), -ENOTDIR (it is something else),
 * -errno. */
static int handle_read(struct posix *p, const struct gfid *g, struct gfid *ret_parent,
		       char name[256])
{
	char path[POSIX_HANDLE_MAX], target[POSIX_LINK_MAX], text[GFID_STR];
	enum { FIXED = 6 + 6 + GFID_STR };	/* "../../" "xx/yy/" gfid "/" */
	ssize_t n;

	posix_handle_path(g, path);
	n = readlinkat(posix_root(p), path, target, sizeof target - 1);
	if (n < 0)
		return errno == ENOENT ? -ESTALE : errno == EINVAL ? -ENOTDIR : -errno;
	target[n] = 0;
	if (n <= FIXED || n > FIXED + 255 || memcmp(target, "../../", 6) ||
	    target[FIXED - 1] != '/')
		return -ENOTDIR;	/* the object is a symlink, or not ours */
	memcpy(text, target + 12, GFID_STR - 1);
	text[GFID_STR - 1] = 0;
	memcpy(name, target + FIXED, (size_t)n - FIXED + 1);
	if (gfid_parse(text, ret_parent) < 0 || strchr(name, '/') || !strcmp(name, ".") ||
	    !strcmp(name, ".."))
		return -ENOTDIR;
	return 0;
}

int posix_handle_parent(struct posix *p, const struct gfid *g, struct gfid *ret_parent)
{
	char name[256];

	*ret_parent = gfid_root;
	return gfid_equal(g, &gfid_root) ? 0 : handle_read(p, g, ret_parent, name);
}

/* Opens the names one below the other, from `base`.  A descriptor, -EAGAIN (something moved),
 * -errno. */
static int walk_down(const struct step *s, int base)
{
	int fd = -1;

	for (; s; s = s->next) {
		int next = openat(fd < 0 ? base : fd, s->name,
				  O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		int err = errno;

		if (fd >= 0)
			close(fd);
		if (next < 0)
			return err == ENOENT || err == ENOTDIR || err == ELOOP ? -EAGAIN : -err;
		fd = next;
	}
	return fd;
}

/* A descriptor of directory g, which is not the root; not checked yet. */
static int walk(struct posix *p, const struct gfid *g)
{
	struct posix_dir *base = NULL;
	struct step *steps = NULL;
	struct gfid at = *g;
	uint64_t ignored;
	int ret = 0;

	for (int depth = 0; ret == 0 && !gfid_equal(&at, &gfid_root); depth++) {
		if (depth && (base = dircache_find(p->dirs, &at, &ignored)))
			break;
		struct step *s = depth < WALK_DEPTH_MAX ? malloc(sizeof *s) : NULL;

		if (!s) {
			ret = depth < WALK_DEPTH_MAX ? -ENOMEM : -ELOOP;
			break;
		}
		s->next = steps;
		steps = s;
		ret = handle_read(p, &at, &at, s->name);
		if (ret == -ENOTDIR && depth)
			ret = -ESTALE;
	}
	if (ret == 0)
		ret = walk_down(steps, base ? base->fd : posix_root(p));
	posix_dir_put(p, base);
	steps_free(steps);
	return ret;
}

/* Is it the directory that was looked for?  Fills d.  0, -EAGAIN, -errno. */
static int walk_verify(struct posix_dir *d, int fd, const struct gfid *g)
{
	struct statx stx;
	struct gfid is;
	int ret = posix_gfid_get(fd, ".", &is);

	if (ret == -ENODATA || (ret == 0 && !gfid_equal(&is, g)))
		return -EAGAIN;
	if (ret == 0)
		ret = posix_statx(fd, "", AT_EMPTY_PATH, &stx);
	if (ret < 0)
		return ret;
	d->gfid = *g;
	d->fd = fd;
	d->ino = stx.stx_ino;
	d->dev_major = stx.stx_dev_major;
	d->dev_minor = stx.stx_dev_minor;
	d->pins = 1;
	return 0;
}

int posix_dir_get_named(struct posix *p, const struct gfid *g, struct posix_dir **ret_dir)
{
	struct posix_dir *d;
	uint64_t generation;
	int ret = -EAGAIN;

	if (gfid_equal(g, &gfid_root)) {
		*ret_dir = &p->root;
		return 0;
	}
	*ret_dir = dircache_find(p->dirs, g, &generation);
	if (*ret_dir)
		return 0;
	d = calloc(1, sizeof *d);
	if (!d)
		return -ENOMEM;
	for (int tries = 0; tries < WALK_TRIES && ret == -EAGAIN; tries++) {
		int fd = walk(p, g);

		ret = fd < 0 ? fd : walk_verify(d, fd, g);
		if (ret < 0 && fd >= 0)
			close(fd);
	}
	if (ret < 0) {
		free(d);
		return ret == -EAGAIN ? -ESTALE : ret;
	}
	dircache_add(p->dirs, d, generation);
	*ret_dir = d;
	return 0;
}

int posix_dir_get(struct posix *p, const struct gfid *g, struct posix_dir **ret_dir)
{
	int ret = posix_dir_get_named(p, g, ret_dir);

	if (ret < 0)
		*ret_dir = use_dir(p, g);
	return *ret_dir ? 0 : ret;
}

void posix_dir_put(struct posix *p, struct posix_dir *d)
{
	if (d && d != &p->root)
		dircache_unpin(p->dirs, d);
}
