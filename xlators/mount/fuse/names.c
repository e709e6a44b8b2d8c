/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * names.c - lookups, and the operations that make, move and remove names.
 *
 * What creates an object gives it its identity: the gfid of the request's txn.  A lookup brings one
 * along for an object that has none yet (a directory tree that was there before the brick).
 *
 * A name that is not there is answered as ENOENT, never as a negative entry with a time: the kernel
 * does not cache it, and sees at once what another host creates.
 */
#include "config.h"

#include <stdlib.h>

#include "mount.h"

static void lookup_done(struct frame *f, int child, int ret, const struct lookup_reply *reply)
{
	struct request *r = request_answered(f, &ret);

	if (ret < 0)
		return request_error(r, ret);
	node_seen(r->mount, r->inode, &reply->parent, r->changes);
	request_entry(r, &reply->attr);
}

/* ---- "." and "..", which the kernel asks for when it is given a file handle ---- */

static void self_stat_done(struct frame *f, int child, int ret, const struct stat_reply *reply)
{
	struct request *r = request_answered(f, &ret);

	if (ret >= 0 && reply->attr.nlink == 0)
		ret = -ENOENT;
	if (ret < 0)
		return request_error(r, ret == -ESTALE ? -ENOENT : ret);
	request_entry(r, &reply->attr);
}

static void self_find_done(struct frame *f, int child, int ret, const struct find_reply *reply)
{
	struct request *r = request_answered(f, &ret);

	if (ret < 0)
		return request_error(r, ret == -ESTALE ? -ENOENT : ret);
	request_entry(r, &reply->attr);
}

static void lookup_self(fuse_req_t req, fuse_ino_t ino, bool up)
{
	const struct mount *m = fuse_req_userdata(req);
	bool known = node_inode(m, ino);
	struct request *r = request_new(req, known || up ? ino : FUSE_ROOT_ID);

	if (!r)
		return;
	if (known && !up)
		return wind_stat(r->root, 0, &(struct stat_args){ .inode = r->inode },
				 self_stat_done);
	struct find_args a = {
		.inode = r->inode, .what = up ? FIND_PARENT : FIND_ID, .id = ino
	};
	wind_find(r->root, 0, &a, self_find_done);
}

void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return lookup_self(req, parent, name[1]);

	struct request *r = request_new(req, parent);

	if (!r || !request_name(r, name))
		return;
	struct graph *g = r->mount->xl->graph;
	struct lookup_args a = {
		.parent = r->inode, .name = r->name, .gfid = call_new_gfid(g, call_new_txn(g)),
	};
	wind_lookup(r->root, 0, &a, lookup_done);
}

static void forget(struct mount *m, fuse_ino_t ino, uint64_t nlookup)
{
	struct inode *inode = node_inode(m, ino);

	if (inode && ino != FUSE_ROOT_ID)
		node_forget(m, inode, nlookup);
}

void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup)
{
	forget(fuse_req_userdata(req), ino, nlookup);
	fuse_reply_none(req);
}

void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		forget(fuse_req_userdata(req), forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

static void readlink_done(struct frame *f, int child, int ret, const struct readlink_reply *reply)
{
	struct request *r = request_answered(f, &ret);

	if (ret < 0)
		return request_error(r, ret);
	if (!reply->target)
		return request_error(r, -EIO);
	node_seen(r->mount, r->inode, &reply->attr, r->changes);
	fuse_reply_buf(r->req, (const char *)reply->target->data, reply->target->len);
	request_end(r);
}

void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct request *r = request_new(req, ino);

	if (r)
		wind_readlink(r->root, 0, &(struct readlink_args){ .inode = r->inode },
			      readlink_done);
}

/* ---- making ---- */

/* A request that makes `name` in `parent`; r->other is the object in the making. */
static struct request *make_new(fuse_req_t req, fuse_ino_t parent, const char *name, uint32_t type)
{
	struct request *r = request_new_change(req, parent);

	if (!r || !request_name(r, name))
		return NULL;
	struct gfid gfid = request_gfid(r);
	r->other = inode_get(xl_inodes(r->mount->xl), &gfid, type);
	if (!r->other) {
		request_error(r, -ENOMEM);
		return NULL;
	}
	return r;
}

/* The answer of whatever made r->name. */
static void make_done(struct frame *f, int ret, const struct attr *attr, const struct attr *parent)
{
	struct request *r = request_answered(f, &ret);

	if (ret < 0)
		return request_error(r, ret);
	node_changed(r->mount, r->inode, NULL, parent, r->changes);
	request_entry(r, attr);
}

static void mknod_done(struct frame *f, int child, int ret, const struct mknod_reply *reply)
{
	make_done(f, ret, reply ? &reply->attr : NULL, reply ? &reply->parent : NULL);
}

static void mkdir_done(struct frame *f, int child, int ret, const struct mkdir_reply *reply)
{
	make_done(f, ret, reply ? &reply->attr : NULL, reply ? &reply->parent : NULL);
}

static void symlink_done(struct frame *f, int child, int ret, const struct symlink_reply *reply)
{
	make_done(f, ret, reply ? &reply->attr : NULL, reply ? &reply->parent : NULL);
}

void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	struct request *r = make_new(req, parent, name, mode & S_IFMT ? mode & S_IFMT : S_IFREG);

	if (!r)
		return;
	struct mknod_args a = {
		.parent = r->inode, .name = r->name, .inode = r->other,
		.mode = mode, .umask = fuse_req_ctx(req)->umask, .rdev = rdev,
	};
	wind_mknod(r->root, 0, &a, mknod_done);
}

void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct request *r = make_new(req, parent, name, S_IFDIR);

	if (!r)
		return;
	struct mkdir_args a = {
		.parent = r->inode, .name = r->name, .inode = r->other,
		.mode = mode, .umask = fuse_req_ctx(req)->umask,
	};
	wind_mkdir(r->root, 0, &a, mkdir_done);
}

void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	struct request *r = make_new(req, parent, name, S_IFLNK);

	if (!r)
		return;
	char *copy = frame_strdup(r->root, target);
	if (!copy)
		return request_error(r, -ENOMEM);
	struct symlink_args a = {
		.parent = r->inode, .name = r->name, .inode = r->other, .target = copy
	};
	wind_symlink(r->root, 0, &a, symlink_done);
}

static void link_done(struct frame *f, int child, int ret, const struct link_reply *reply)
{
	struct request *r = request_answered(f, &ret);

	if (ret < 0)
		return request_error(r, ret);
	node_changed(r->mount, r->other, NULL, &reply->parent, r->changes);
	request_entry(r, &reply->attr);
}

void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t newparent, const char *newname)
{
	struct request *r = request_new_change(req, ino);

	if (!r || !request_name(r, newname))
		return;
	r->other = inode_ref(node_inode(r->mount, newparent));
	struct link_args a = { .inode = r->inode, .parent = r->other, .name = r->name };
	wind_link(r->root, 0, &a, link_done);
}

/* ---- removing and moving ---- */

static void remove_done(struct frame *f, int ret, const struct attr *attr,
			const struct attr *parent)
{
	struct request *r = request_answered(f, &ret);

	if (ret < 0)
		return request_error(r, ret);
	node_changed(r->mount, r->inode, NULL, parent, r->changes);
	node_changed_attr(r->mount, attr, r->changes);
	request_error(r, 0);
}

static void unlink_done(struct frame *f, int child, int ret, const struct unlink_reply *reply)
{
	remove_done(f, ret, reply ? &reply->attr : NULL, reply ? &reply->parent : NULL);
}

static void rmdir_done(struct frame *f, int child, int ret, const struct rmdir_reply *reply)
{
	remove_done(f, ret, reply ? &reply->attr : NULL, reply ? &reply->parent : NULL);
}

void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct request *r = request_new_change(req, parent);

	if (r && request_name(r, name))
		wind_unlink(r->root, 0,
			    &(struct unlink_args){ .parent = r->inode, .name = r->name },
			    unlink_done);
}

void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct request *r = request_new_change(req, parent);

	if (r && request_name(r, name))
		wind_rmdir(r->root, 0, &(struct rmdir_args){ .parent = r->inode, .name = r->name },
			   rmdir_done);
}

static void rename_done(struct frame *f, int child, int ret, const struct rename_reply *reply)
{
	struct request *r = request_answered(f, &ret);

	if (ret < 0)
		return request_error(r, ret);
	node_changed(r->mount, r->inode, NULL, &reply->oldparent, r->changes);
	if (r->other != r->inode)
		node_changed(r->mount, r->other, NULL, &reply->newparent, r->changes);
	node_changed_attr(r->mount, &reply->attr, r->changes);
	/* two names of one object: rename(2) does nothing */
	if (!gfid_equal(&reply->replaced.gfid, &reply->attr.gfid))
		node_changed_attr(r->mount, &reply->replaced, r->changes);
	request_error(r, 0);
}

void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent,
	       const char *newname, unsigned int flags)
{
	struct request *r = request_new_change(req, parent);

	if (!r || !request_name(r, name))
		return;
	char *to = frame_strdup(r->root, newname);
	if (!to)
		return request_error(r, -ENOMEM);
	r->other = inode_ref(node_inode(r->mount, newparent));
	struct rename_args a = {
		.oldparent = r->inode,
		.oldname = r->name,
		.newparent = r->other,
		.newname = to,
		.flags = flags,
	};
	wind_rename(r->root, 0, &a, rename_done);
}
