/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * dir.c - directories: open, list, sync.
 *
 * The kernel (before 6.14) asks for a page of entries at a time.  We fetch larger pieces and keep
 * the rest of one in the handle.  What is kept gets old, so attributes from it are given only
 *  - while they are younger than the timeouts, of which the kernel gets what is left;
 *  - if we have changed nothing in this directory since (the kernel would believe in a name again
 *    that it has just removed);
 *  - if we have not changed the object since.
 * Otherwise the entry is a name and a type: nodeid 0, as for entries that came without attributes.
 */
#include "config.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "mount.h"

void piece_drop(struct mount *m, struct handle *h)
{
	m->nr_pieces -= h->piece != NULL;
	dirents_unref(h->piece);
	h->piece = NULL;
	h->at = NULL;
}

static void opendir_done(struct frame *f, int child, int ret, const struct opendir_reply *reply)
{
	struct request *r = request_answered(f, &ret);
	struct mount *m = r->mount;

	if (ret < 0) {
		handle_free(m, r->handle);
		return request_error(r, ret);
	}
	node_seen(m, r->inode, &reply->attr, r->changes);
	handle_opened(m, r->handle, &r->fi);
	if (reply_lost(m, fuse_reply_open(r->req, &r->fi)))
		handle_free(m, r->handle);
	request_end(r);
}

void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct request *r = request_new(req, ino);

	if (!r)
		return;
	r->handle = handle_new(r->mount, r->inode, fi->flags, true);
	if (!r->handle)
		return request_error(r, -ENOMEM);
	r->fi = *fi;
	wind_opendir(r->root, 0, &(struct opendir_args){ .inode = r->inode, .fd = r->handle->fd },
		     opendir_done);
}

/* ---- filling the kernel's buffer ---- */

static bool make_room(struct mount *m, size_t size)
{
	/* struct fuse_direntplus is more than 128 bytes, so there are fewer of them in a buffer */
	size_t nr = size / 128 + 1;

	if (m->listed_size < nr) {
		struct inode **listed = realloc(m->listed, nr * sizeof *listed);

		if (!listed)
			return false;
		m->listed = listed;
		m->listed_size = nr;
	}
	if (m->out_size < size) {
		char *out = realloc(m->out, size);

		if (!out)
			return false;
		m->out = out;
		m->out_size = size;
	}
	return true;
}

static bool is_dot(const struct dirent_entry *e)
{
	return e->name[0] == '.' && (e->len == 1 || (e->len == 2 && e->name[1] == '.'));
}

/* The object of an entry whose attributes may be given: a new reference, or NULL. */
static struct inode *fresh_inode(struct mount *m, const struct handle *h,
				 const struct dirent_entry *e)
{
	const struct node *dir = node_find(m, h->fd->inode);

	/* "." and "..": the kernel takes neither a reference nor attributes */
	if (is_dot(e) || e->attr.nlink == 0 || gfid_is_none(&e->attr.gfid))
		return NULL;
	if (!dir || dir->changed > h->piece_changes)
		return NULL;
	struct inode *inode = inode_get(xl_inodes(m->xl), &e->attr.gfid, e->attr.mode);
	if (!inode)
		return NULL;
	const struct node *n = node_find(m, inode);
	if ((n ? n->changed : m->forgotten_changed) > h->piece_changes) {
		inode_unref(inode);
		return NULL;
	}
	return inode;
}

static double time_left(uint64_t timeout_ms, uint64_t age_ns)
{
	return timeout_ms * 1000000 > age_ns ? mount_seconds(timeout_ms * 1000000 - age_ns) : 0;
}

/* Adds an entry with what may be said about it.  The size it takes; more than there is room for:
 * it was not added. */
static size_t add_plus(struct request *r, struct handle *h, const struct dirent_entry *e,
		       size_t used, size_t *nr)
{
	struct mount *m = r->mount;
	uint64_t age_ns = loop_now_ns(xl_loop(m->xl)) - h->piece_ns;
	struct fuse_entry_param p = { .attr = { .st_mode = e->attr.mode } };
	_cleanup_inode_ struct inode *inode = fresh_inode(m, h, e);

	p.attr.st_ino = gfid_is_none(&e->attr.gfid) ? 0xffffffff : gfid_ino(&e->attr.gfid);
	if (inode && entry_fill(m, inode, &e->attr, &p) == 0) {
		p.attr_timeout = time_left(m->attr_timeout_ms, age_ns);
		p.entry_timeout = time_left(m->entry_timeout_ms, age_ns);
	}
	size_t need = fuse_add_direntry_plus(r->req, m->out + used, r->size - used, e->name, &p,
					     e->cookie);
	if (!p.ino)
		return need;
	if (need > r->size - used) {
		node_forget(m, inode, 1);
	} else {
		node_seen(m, inode, &e->attr, h->piece_changes);
		m->listed[(*nr)++] = inode;
	}
	return need;
}

static size_t add_plain(struct request *r, const struct dirent_entry *e, size_t used)
{
	struct stat st = { .st_mode = e->attr.mode };

	st.st_ino = gfid_is_none(&e->attr.gfid) ? 0xffffffff : gfid_ino(&e->attr.gfid);
	return fuse_add_direntry(r->req, r->mount->out + used, r->size - used, e->name, &st,
				 e->cookie);
}

/* Answers from the piece of the handle (an empty one is the end of the directory), and ends. */
static void reply_listing(struct request *r, struct handle *h)
{
	struct mount *m = r->mount;
	size_t used = 0, nr = 0;

	if (!make_room(m, r->size))
		return request_error(r, -ENOMEM);
	while (h->at) {
		size_t need = r->plus ? add_plus(r, h, h->at, used, &nr)
				      : add_plain(r, h->at, used);

		if (need > r->size - used)
			break;
		used += need;
		h->at_cookie = h->at->cookie;
		h->at = dirents_next(h->piece, h->at);
	}
	if (used == 0 && h->at) {
		piece_drop(m, h);
		/* no room for a single one; an empty answer would be the end */
		return request_error(r, -EINVAL);
	}
	if (!h->at || m->nr_pieces > MOUNT_PIECES)
		piece_drop(m, h);
	if (reply_lost(m, fuse_reply_buf(r->req, m->out, used))) {
		for (size_t i = 0; i < nr; i++)
			node_forget(m, m->listed[i], 1);
		piece_drop(m, h);
	}
	request_end(r);
}

/* ---- fetching ---- */

static void listing_done(struct request *r, int ret, struct dirents *entries)
{
	struct handle *h = r->handle;
	struct mount *m = r->mount;

	if (!h)
		return request_error(r, -ENOTCONN);	/* the kernel has gone meanwhile */
	piece_drop(m, h);
	if (ret < 0)
		return request_error(r, ret);
	h->piece = dirents_ref(entries);
	m->nr_pieces += h->piece != NULL;
	h->at = entries ? dirents_next(entries, NULL) : NULL;
	h->piece_plus = r->root->op == FOP_readdirp;
	h->piece_changes = r->changes;
	h->piece_ns = loop_now_ns(xl_loop(m->xl));
	node_accessed(m, r->inode);
	reply_listing(r, h);
}

static void readdir_done(struct frame *f, int child, int ret, const struct readdir_reply *reply)
{
	listing_done(request_of(f), ret, reply ? reply->entries : NULL);
}

static void readdirp_done(struct frame *f, int child, int ret, const struct readdirp_reply *reply)
{
	listing_done(request_of(f), ret, reply ? reply->entries : NULL);
}

static void list(fuse_req_t req, fuse_ino_t ino, size_t size, uint64_t off,
		 struct fuse_file_info *fi, bool plus)
{
	struct request *r = request_new(req, ino);
	struct handle *h = handle_of(fi);

	if (!r)
		return;
	struct mount *m = r->mount;
	uint32_t want = size > MOUNT_LISTING ? size : MOUNT_LISTING;
	r->handle = h;
	r->fd = fd_ref(h->fd);
	r->size = size < MOUNT_IO_MAX ? size : MOUNT_IO_MAX;
	r->plus = plus;
	uint64_t age_ns = loop_now_ns(xl_loop(m->xl)) - h->piece_ns;
	if (h->at && h->at_cookie == off &&
	    (!plus || (h->piece_plus && age_ns < m->attr_timeout_ms * 1000000))) {
		m->stats.listings_local++;
		return reply_listing(r, h);
	}
	if (plus)
		wind_readdirp(r->root, 0,
			      &(struct readdirp_args){ .fd = r->fd, .offset = off, .size = want },
			      readdirp_done);
	else
		wind_readdir(r->root, 0,
			     &(struct readdir_args){ .fd = r->fd, .offset = off, .size = want },
			     readdir_done);
}

void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	list(req, ino, size, off, fi, false);
}

void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	list(req, ino, size, off, fi, true);
}

static void fsyncdir_done(struct frame *f, int child, int ret, const struct fsyncdir_reply *reply)
{
	request_error(request_of(f), ret < 0 ? ret : 0);
}

void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	struct request *r = request_new(req, ino);

	if (r)
		wind_fsyncdir(r->root, 0, &(struct fsyncdir_args){
			.fd = handle_fd(fi), .datasync = datasync != 0 }, fsyncdir_done);
}
