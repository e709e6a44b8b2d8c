/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * attr.c - attributes between the graph and the kernel: conversions, GETATTR, SETATTR, ACCESS,
 * STATFS.
 */
#include "config.h"

#include <stdlib.h>

#include "mount.h"

/* What programs take as the best size of an I/O.  stdio writes so much at a time, which without
 * the kernel's writeback cache is a request each; 128 KiB would make glibc map and unmap a
 * buffer per FILE. */
enum { ATTR_BLKSIZE = 64 << 10 };

static struct timespec timespec_of(const struct ts *t)
{
	return (struct timespec){ .tv_sec = t->sec, .tv_nsec = t->nsec };
}

static struct ts ts_of(const struct timespec *t)
{
	return (struct ts){ .sec = t->tv_sec, .nsec = t->tv_nsec };
}

void attr_to_stat(const struct attr *a, struct stat *st)
{
	*st = (struct stat){
		.st_ino = gfid_ino(&a->gfid),
		.st_mode = a->mode,
		.st_nlink = a->nlink,
		.st_uid = a->uid,
		.st_gid = a->gid,
		.st_rdev = a->rdev,
		.st_size = a->size,
		.st_blocks = a->blocks,
		.st_blksize = a->blksize > ATTR_BLKSIZE ? a->blksize : ATTR_BLKSIZE,
		.st_atim = timespec_of(&a->atime),
		.st_mtim = timespec_of(&a->mtime),
		.st_ctim = timespec_of(&a->ctime),
	};
}

double mount_seconds(uint64_t ns)
{
	return ns / 1e9;
}

int entry_fill(struct mount *m, struct inode *inode, const struct attr *attr,
	       struct fuse_entry_param *e)
{
	if (!node_lookup(m, inode))
		return -ENOMEM;
	*e = (struct fuse_entry_param){
		.ino = node_id(m, inode),
		.generation = node_generation(inode),
		.attr_timeout = m->attr_timeout_ms / 1e3,
		.entry_timeout = m->entry_timeout_ms / 1e3,
	};
	attr_to_stat(attr, &e->attr);
	return 0;
}

void request_entry(struct request *r, const struct attr *attr)
{
	struct mount *m = r->mount;
	struct fuse_entry_param e;

	if (!attr_present(attr) || gfid_is_none(&attr->gfid)) {
		log_error(m->xl->name, "an answer to %s without attributes or identity",
			  fop_names[r->root->op]);
		return request_error(r, -EIO);
	}
	_cleanup_inode_ struct inode *inode = inode_get(xl_inodes(m->xl), &attr->gfid, attr->mode);
	int err = inode ? entry_fill(m, inode, attr, &e) : -ENOMEM;
	if (err)
		return request_error(r, err);
	if (fop_is_change(r->root->op)) {
		node_changed(m, inode, NULL, attr, r->changes);
		if (r->root->op != FOP_link)
			xattr_note_created(m, node_find(m, inode));
	} else {
		node_seen(m, inode, attr, r->changes);
	}
	if (reply_lost(m, fuse_reply_entry(r->req, &e)))
		node_forget(m, inode, 1);	/* interrupted: the kernel does not have it */
	request_end(r);
}

static void reply_attr(fuse_req_t req, bool statx, const struct attr *attr, double valid)
{
	struct stat st;

	if (statx)
		return kernel_statx(req, attr, valid);
	attr_to_stat(attr, &st);
	fuse_reply_attr(req, &st, valid);
}

void request_attr(struct request *r, const struct attr *attr)
{
	reply_attr(r->req, r->statx, attr, r->mount->attr_timeout_ms / 1e3);
	request_end(r);
}

/* ---- getattr ---- */

static void wind_getattr(struct request *r);

static void getattr_done(struct frame *f, int child, int ret, const struct stat_reply *reply)
{
	struct request *r = request_answered(f, &ret);

	if (request_retry(r, ret))
		return wind_getattr(r);
	/* a working directory that was removed, a path descriptor: nothing happens to it any more */
	const struct node *n = node_find(r->mount, r->inode);
	if ((ret == -ESTALE || ret == -ENOENT) && n && n->gone && n->last)
		return request_attr(r, n->last);
	if (ret < 0)
		return request_error(r, ret);
	node_seen(r->mount, r->inode, &reply->attr, r->changes);
	request_attr(r, &reply->attr);
}

static void wind_getattr(struct request *r)
{
	wind_stat(r->root, 0, &(struct stat_args){ .inode = r->inode, .fd = r->fd }, getattr_done);
}

void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct mount *m = fuse_req_userdata(req);
	uint64_t left_ns;
	const struct inode *inode = node_inode(m, ino);
	const struct attr *recent =
		m->said.now || !inode ? NULL : node_recent(m, inode, &left_ns);

	m->stats.requests++;
	if (recent) {
		m->stats.attrs_local++;
		return reply_attr(req, m->said.statx, recent, mount_seconds(left_ns));
	}
	struct request *r = request_new(req, ino);
	if (!r)
		return;
	r->fd = fd_ref(handle_fd(fi));
	r->statx = m->said.statx;
	wind_getattr(r);
}

/* ---- setattr: the size first, then all the rest ---- */

static void setattr_rest(struct request *r);

static void setattr_done(struct frame *f, int child, int ret, const struct setattr_reply *reply)
{
	struct request *r = request_answered(f, &ret);

	if (request_retry(r, ret))
		return setattr_rest(r);
	if (ret < 0) {
		node_recent_drop(r->mount, r->inode);
		return request_error(r, ret);
	}
	node_changed(r->mount, r->inode, &reply->before, &reply->attr, r->changes);
	if (!attr_present(&reply->attr))
		return wind_getattr(r);
	request_attr(r, &reply->attr);
}

static void setattr_rest(struct request *r)
{
	struct setattr_args a = {
		.inode = r->inode, .fd = r->fd, .attr = r->attr, .valid = r->valid
	};

	wind_setattr(r->root, 0, &a, setattr_done);
}

static void setattr_truncate_done(struct frame *f, int child, int ret,
				  const struct truncate_reply *reply)
{
	struct request *r = request_answered(f, &ret);

	if (ret < 0) {
		node_recent_drop(r->mount, r->inode);
		return request_error(r, ret);
	}
	node_changed(r->mount, r->inode, &reply->before, &reply->attr, r->changes);
	if (r->valid) {
		r->changes = r->mount->changes;
		call_identity(f)->txn = call_new_txn(r->mount->xl->graph);
		return setattr_rest(r);
	}
	if (!attr_present(&reply->attr))
		return wind_getattr(r);
	request_attr(r, &reply->attr);
}

/* A truncate sets the modification time by itself, so "now" beside a size says nothing more. */
static uint32_t valid_bits(int to_set)
{
	const bool sized = to_set & FUSE_SET_ATTR_SIZE;
	uint32_t valid = 0;

	valid |= to_set & FUSE_SET_ATTR_MODE ? SET_MODE : 0;
	valid |= to_set & FUSE_SET_ATTR_UID ? SET_UID : 0;
	valid |= to_set & FUSE_SET_ATTR_GID ? SET_GID : 0;
	if (to_set & FUSE_SET_ATTR_ATIME_NOW)
		valid |= SET_ATIME_NOW;
	else if (to_set & FUSE_SET_ATTR_ATIME)
		valid |= SET_ATIME;
	if (to_set & FUSE_SET_ATTR_MTIME_NOW)
		valid |= sized ? 0 : SET_MTIME_NOW;
	else if (to_set & FUSE_SET_ATTR_MTIME)
		valid |= SET_MTIME;
	return valid;
}

/* A kernel with a writeback cache brings the times of written files later, also of those that
 * are removed by then. */
static bool flushes_times(const struct request *r, int to_set)
{
	const struct node *n = node_find(r->mount, r->inode);
	const int times = FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_CTIME;

	return r->mount->writeback_cache && n && n->gone && LIST_EMPTY(&n->handles) &&
	       !(to_set & ~times);
}

/*
 * A change of owner, or of nothing: chown(2) without an owner, and what the kernel makes of an fallocate
 * that takes set-user-id bits away.  The brick's chown does so for everybody; whether the caller could keep
 * set-group-id the kernel tells only with a size.
 */
static void note_kill_priv(struct request *r)
{
	const bool owner = !r->valid || (r->valid & (SET_UID | SET_GID));

	if (!owner)
		return;
	call_identity(r->root)->kill_priv = false;
	if (caller_group_decides(r))
		caller_kill_priv(r);
}

void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int to_set,
		struct fuse_file_info *fi)
{
	struct request *r = request_new_change(req, ino);

	if (!r)
		return;
	r->fd = fd_ref(handle_fd(fi));
	r->valid = valid_bits(to_set);
	r->attr = (struct attr){
		/* with the type, because an attr whose mode is 0 stands for none */
		.mode = (st->st_mode & 07777) | (r->inode->type ? r->inode->type : S_IFREG),
		.uid = st->st_uid, .gid = st->st_gid,
		.atime = ts_of(&st->st_atim), .mtime = ts_of(&st->st_mtim),
	};
	if (to_set & FUSE_SET_ATTR_SIZE) {
		struct truncate_args a = { .inode = r->inode, .fd = r->fd, .size = st->st_size };

		wind_truncate(r->root, 0, &a, setattr_truncate_done);
	} else if (flushes_times(r, to_set)) {
		request_attr(r, &r->attr);
	} else if (!r->valid && caller_only_lost_capability(r)) {
		wind_getattr(r);
	} else {
		note_kill_priv(r);
		setattr_rest(r);
	}
}

/* ---- access, statfs ---- */

static void access_done(struct frame *f, int child, int ret, const struct access_reply *reply)
{
	request_error(request_of(f), ret < 0 ? ret : 0);
}

/* Not asked by a kernel that checks permissions itself (default_permissions). */
void op_access(fuse_req_t req, fuse_ino_t ino, int mask)
{
	struct request *r = request_new(req, ino);

	if (!r)
		return;
	wind_access(r->root, 0, &(struct access_args){ .inode = r->inode, .mask = mask },
		    access_done);
}

static void statfs_done(struct frame *f, int child, int ret, const struct statfs_reply *reply)
{
	struct request *r = request_answered(f, &ret);

	if (ret < 0)
		return request_error(r, ret);
	const struct statfs_reply_data *s = &reply->statfs;
	struct statvfs st = {
		.f_bsize = s->bsize, .f_frsize = s->frsize ? s->frsize : s->bsize,
		.f_blocks = s->blocks, .f_bfree = s->bfree, .f_bavail = s->bavail,
		.f_files = s->files, .f_ffree = s->ffree, .f_favail = s->favail,
		.f_namemax = s->namemax ? s->namemax : 255, .f_flag = s->flags,
	};
	fuse_reply_statfs(r->req, &st);
	request_end(r);
}

void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct request *r = request_new(req, ino ? ino : FUSE_ROOT_ID);

	if (!r)
		return;
	wind_statfs(r->root, 0, &(struct statfs_args){ .inode = r->inode }, statfs_done);
}
