/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * posix-find.c - objects without a name at hand, for the file handles of a mount (NFS export,
 * open_by_handle_at): by the first half of their identity, and the parent of a directory.
 *
 * The handles of identities that begin with the same two bytes are in one directory, so what begins
 * with the same eight is found by listing it: some thousand names on a brick of a hundred million
 * objects.  An object that has lost its name is not found.
 */
#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#include "posix.h"

enum { PREFIX_TEXT = 18 };		/* "xxxxxxxx-xxxx-xxxx" */

/* The identity that begins like g, of those that have handles.  0, -ESTALE, -errno. */
static int find_handle(struct posix *p, struct gfid *g)
{
	char path[POSIX_HANDLE_MAX], text[GFID_STR];
	int ret = -ESTALE, fd;
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof path, POSIX_DIR "/%02x/%02x", g->b[0], g->b[1]);
	fd = openat(posix_root(p), path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESTALE : -errno;
	d = fdopendir(fd);
	if (!d) {
		close(fd);
		return -ENOMEM;
	}
	gfid_str(g, text);
	while (ret == -ESTALE && (e = readdir(d)))
		if (!strncmp(e->d_name, text, PREFIX_TEXT) && gfid_parse(e->d_name, g) == 0)
			ret = 0;
	closedir(d);
	return ret;
}

static int find_id(struct posix *p, uint64_t id, struct attr *ret_attr)
{
	struct gfid g = gfid_none;
	struct posix_obj o;
	int ret;

	for (int i = 7; i >= 0; i--, id >>= 8)
		g.b[i] = (uint8_t)id;
	ret = find_handle(p, &g);
	if (ret == 0)
		ret = posix_obj_get(p, &g, 0, NULL, 0, &o);
	if (ret < 0)
		return ret;
	ret = posix_obj_attr(&o, &g, ret_attr);
	posix_obj_put(p, &o);
	return ret == 0 && ret_attr->nlink == 0 ? -ESTALE : ret;
}

/* The handle is right: else the directory would not be found by it. */
static int find_parent(struct posix *p, const struct gfid *g, struct attr *ret_attr)
{
	struct posix_dir *d;
	struct gfid parent;
	int ret = posix_dir_get(p, g, &d);

	if (ret < 0)
		return ret;
	posix_dir_put(p, d);
	ret = posix_handle_parent(p, g, &parent);
	if (ret == 0)
		ret = posix_dir_get(p, &parent, &d);
	if (ret < 0)
		return ret;
	ret = posix_attr_dir(d, ret_attr);
	posix_dir_put(p, d);
	return ret;
}

void posix_find_run(struct posix_op *op)
{
	const struct find_args *a = op->args;

	if (a->what == FIND_ID)
		op->ret = find_id(op->p, a->id, &op->reply.find.attr);
	else if (a->what == FIND_PARENT)
		op->ret = find_parent(op->p, &a->inode->gfid, &op->reply.find.attr);
	else
		op->ret = -EINVAL;
}
