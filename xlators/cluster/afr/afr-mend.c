/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * afr-mend.c - making one item on a brick what it is at home: what a name means, attributes and xattrs, blocks of data.
 *
 *	name    what has it here and should not goes to the landfill; what should have it is moved or linked here if the brick has it
 *	        anywhere (also in the landfill), else made
 *	meta    size, owner, mode, xattrs, times - in this order, since each may change those before
 *	data    blocks that differ are written (afr-data.c); then the times again
 *
 * Items may be mended in any order: one that needs another first (its directory is not there yet) says -EAGAIN.  Directories go to the
 * landfill as they are, so nothing that is in them is lost, and what is needed elsewhere is found by its identity.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "afr.h"

static const struct gfid gfid_landfill = { .b = { [15] = 2 } };	/* storage/posix has it */

struct mend {
	int from, to, place;
	bool failed;
	struct gfid lacking;		/* note() */
	void (*next)(struct frame *f);
	struct item item;
	void (*done)(void *arg, int ret);
	void *arg;
	struct inode *parent, *inode;	/* held; inode: that the name means, or that the item is about */
	struct attr want, have;		/* of the object, on both sides */
	bool has_want, has_have;
	bool is_other;			/* what has the name there has no identity, and not that of `want` */
	/* the object's place on the brick */
	struct inode *old_parent;
	char old_name[256];
	uint64_t cookie;
	/* xattrs */
	struct buf *names;		/* home's */
	struct buf *others;		/* the brick's */
	size_t at;
	struct fd *fd;			/* the directory that it is in */
	struct afr_part part;
	bool is_part;
};

static struct mend *mend_of(struct frame *f)
{
	return frame_data(f);
}

static void mend_end(struct frame *f, int ret)
{
	struct mend m = *mend_of(f);
	struct afr *afr = f->xl->priv;

	if (ret == 0)
		afr->nr_healed++;
	call_end(f);
	inode_unref(m.parent);
	inode_unref(m.inode);
	inode_unref(m.old_parent);
	buf_unref(m.names);
	buf_unref(m.others);
	fd_unref(m.fd);
	xl_busy(afr->xl, -1);
	m.done(m.arg, ret);
}

static bool is_absent(int ret)
{
	return ret == -ENOENT || ret == -ESTALE;
}

static struct inode *inode_of(struct frame *f, const struct attr *a)
{
	return inode_get(xl_inodes(f->xl), &a->gfid, a->mode & S_IFMT);
}

/* ---- xattrs ---- */

static void meta_times(struct frame *f);
static void xattr_next(struct frame *f);
static void mend_data(struct frame *f);

/* Names that a brick keeps for itself, or that setattr sets. */
static bool is_ours(const char *name)
{
	return strncmp(name, "trusted.gfid", 12) == 0 || strncmp(name, "trusted.glusterfs.", 18) == 0 ||
	       strncmp(name, "trusted.afr.", 12) == 0;
}

static const char *name_in(const struct buf *b, size_t at)
{
	return b && at < b->len && memchr(b->data + at, 0, b->len - at) ? (const char *)b->data + at : NULL;
}

static bool has_name(const struct buf *b, const char *name)
{
	const char *n;

	for (size_t at = 0; (n = name_in(b, at)); at += strlen(n) + 1)
		if (strcmp(n, name) == 0)
			return true;
	return false;
}

static void remove_done(struct frame *f, int child, int ret, const struct removexattr_reply *reply)
{
	if (ret < 0 && ret != -ENODATA)
		return mend_end(f, ret);
	xattr_next(f);
}

static void set_done(struct frame *f, int child, int ret, const struct setxattr_reply *reply)
{
	if (ret < 0)
		return mend_end(f, ret);
	xattr_next(f);
}

static void value_done(struct frame *f, int child, int ret, const struct getxattr_reply *reply)
{
	struct mend *m = mend_of(f);

	if (ret == -ENODATA)
		return xattr_next(f);
	if (ret < 0)
		return mend_end(f, ret);
	const char *name = name_in(m->names, m->at);
	m->at += strlen(name) + 1;
	wind_setxattr(f, m->to, &(struct setxattr_args){ .inode = m->inode, .name = name, .value = reply->value },
		      set_done);
}

/* First those that are too many there, then home's. */
static void xattr_next(struct frame *f)
{
	struct mend *m = mend_of(f);
	const char *name;

	while (m->others && (name = name_in(m->others, m->at))) {
		m->at += strlen(name) + 1;
		if (!is_ours(name) && !has_name(m->names, name))
			return wind_removexattr(f, m->to,
						&(struct removexattr_args){ .inode = m->inode, .name = name }, remove_done);
	}
	if (m->others) {
		buf_unref(m->others);
		m->others = NULL;
		m->at = 0;
	}
	while ((name = name_in(m->names, m->at)) && is_ours(name))
		m->at += strlen(name) + 1;
	if (!name)
		return meta_times(f);
	wind_getxattr(f, m->from, &(struct getxattr_args){ .inode = m->inode, .name = name }, value_done);
}

static void others_listed(struct frame *f, int child, int ret, const struct listxattr_reply *reply)
{
	struct mend *m = mend_of(f);

	if (ret < 0 && ret != -EOPNOTSUPP)
		return mend_end(f, ret);
	m->others = ret < 0 ? buf_new(0) : buf_ref(reply->names);
	m->at = 0;
	xattr_next(f);
}

static void names_listed(struct frame *f, int child, int ret, const struct listxattr_reply *reply)
{
	struct mend *m = mend_of(f);

	if (ret < 0 && ret != -EOPNOTSUPP)
		return mend_end(f, ret);
	m->names = ret < 0 ? buf_new(0) : buf_ref(reply->names);
	wind_listxattr(f, m->to, &(struct listxattr_args){ .inode = m->inode }, others_listed);
}

/* ---- attributes ---- */

static void times_done(struct frame *f, int child, int ret, const struct setattr_reply *reply)
{
	mend_end(f, ret < 0 ? ret : 0);
}

static void meta_times(struct frame *f)
{
	struct mend *m = mend_of(f);

	wind_setattr(f, m->to, &(struct setattr_args){ .inode = m->inode, .attr = m->want,
						       .valid = SET_ATIME | SET_MTIME }, times_done);
}

static void mode_done(struct frame *f, int child, int ret, const struct setattr_reply *reply)
{
	struct mend *m = mend_of(f);

	if (ret < 0)
		return mend_end(f, ret);
	wind_listxattr(f, m->from, &(struct listxattr_args){ .inode = m->inode }, names_listed);
}

static void owner_done(struct frame *f, int child, int ret, const struct setattr_reply *reply)
{
	struct mend *m = mend_of(f);

	if (ret < 0)
		return mend_end(f, ret);
	if (S_ISLNK(m->want.mode))
		return mode_done(f, child, 0, reply);
	wind_setattr(f, m->to, &(struct setattr_args){ .inode = m->inode, .attr = m->want, .valid = SET_MODE },
		     mode_done);
}

static void meta_owner(struct frame *f)
{
	struct mend *m = mend_of(f);

	if (m->want.uid == m->have.uid && m->want.gid == m->have.gid)
		return owner_done(f, m->to, 0, NULL);
	wind_setattr(f, m->to, &(struct setattr_args){ .inode = m->inode, .attr = m->want,
						       .valid = SET_UID | SET_GID }, owner_done);
}

/*
 * It was cut to item.chunk meanwhile: what lies beyond is not what it was, and may have been written since, also by changes that this
 * brick has executed.  So it is compared with home, never cut here.
 */
static void meta_tail(struct frame *f)
{
	struct mend *m = mend_of(f);

	if (!S_ISREG(m->want.mode) || m->item.kind != ITEM_META || m->item.chunk >= m->want.size)
		return meta_owner(f);
	m->part = (struct afr_part){ .begin = m->item.chunk / ITEM_BLOCK * ITEM_BLOCK, .end = UINT64_MAX };
	m->is_part = true;
	m->item.chunk = ITEM_NOT_CUT;
	mend_data(f);
}

static void sized(struct frame *f, int child, int ret, const struct truncate_reply *reply)
{
	if (ret < 0)
		return mend_end(f, ret);
	meta_tail(f);
}

static void meta_size(struct frame *f)
{
	struct mend *m = mend_of(f);

	if (!S_ISREG(m->want.mode) || m->have.size == m->want.size)
		return meta_tail(f);
	wind_truncate(f, m->to, &(struct truncate_args){ .inode = m->inode, .size = m->want.size }, sized);
}

static void landfill_looked(struct frame *f, int child, int ret, const struct lookup_reply *reply)
{
	const struct mend *m = mend_of(f);
	bool only = ret >= 0 && gfid_equal(&reply->attr.gfid, &m->want.gfid) && (S_ISDIR(m->want.mode) || m->want.nlink == 1);

	mend_end(f, only ? 0 : ret < 0 && !is_absent(ret) ? ret : -EAGAIN);
}

/* The brick does not have the object.  What home keeps in its landfill only will not get a name there; else that is to be mended first. */
static void meta_of_absent(struct frame *f)
{
	struct mend *m = mend_of(f);
	struct inode *landfill = inode_get(xl_inodes(f->xl), &gfid_landfill, S_IFDIR);
	char *name = frame_alloc(f, GFID_STR);

	if (landfill && name) {
		gfid_str(&m->want.gfid, name);
		wind_lookup(f, m->from, &(struct lookup_args){ .parent = landfill, .name = name }, landfill_looked);
	} else {
		mend_end(f, -ENOMEM);
	}
	inode_unref(landfill);
}

static void have_stat(struct frame *f, int child, int ret, const struct stat_reply *reply)
{
	struct mend *m = mend_of(f);

	if (is_absent(ret) && m->want.nlink)
		return meta_of_absent(f);
	if (ret < 0)		/* without a name at home it will not get one */
		return mend_end(f, is_absent(ret) ? 0 : ret);
	m->have = reply->attr;
	meta_size(f);
}

static void want_stat(struct frame *f, int child, int ret, const struct stat_reply *reply)
{
	struct mend *m = mend_of(f);

	if (ret < 0)
		return mend_end(f, is_absent(ret) ? 0 : ret);
	m->want = reply->attr;
	wind_stat(f, m->to, &(struct stat_args){ .inode = m->inode }, have_stat);
}

static void mend_meta(struct frame *f)
{
	struct mend *m = mend_of(f);

	wind_stat(f, m->from, &(struct stat_args){ .inode = m->inode }, want_stat);
}

/* ---- data ---- */

static void copied(void *arg, int ret)
{
	if (ret < 0)
		return mend_end(arg, ret);
	mend_meta(arg);
}

static void mend_data(struct frame *f)
{
	struct mend *m = mend_of(f);
	struct afr_part part = { .end = UINT64_MAX };

	if (m->is_part)
		part = m->part;
	else if (m->item.kind == ITEM_DATA && m->item.chunk != UINT64_MAX)
		part = (struct afr_part){ .begin = m->item.chunk * ITEM_CHUNK, .end = (m->item.chunk + 1) * ITEM_CHUNK,
					  .blocks = m->item.blocks };
	afr_copy(f->xl->priv, m->from, m->to, call_identity(f), m->inode, &part, copied, f);
}

/* ---- what a brick that joins will lack after a name was mended ---- */

static void put_lacking(struct wire *w, const void *arg)
{
	const struct mend *m = arg;
	struct item all = { .kind = m->item.kind, .gfid = m->lacking, .chunk = UINT64_MAX };

	wire_put_u8(w, m->place);
	items_put(w, &all, 1);
}

static void noted(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	struct mend *m = mend_of(f);

	m->failed |= ret < 0;
	if (f->pending)
		return;
	m->item.kind = ITEM_NAME;
	if (m->failed)
		return mend_end(f, -EAGAIN);
	m->next(f);
}

/* Every member notes that it lacks the attributes of an object (last: ITEM_META), or its data too (ITEM_DATA); then `next` goes on. */
static void note(struct frame *f, const struct gfid *gfid, enum item_kind last, void (*next)(struct frame *f))
{
	struct mend *m = mend_of(f);
	const struct afr *afr = f->xl->priv;

	if (m->place < 0)
		return next(f);
	m->lacking = *gfid;
	m->next = next;
	f->pending++;
	for (int kind = ITEM_META; kind <= (int)last; kind++) {
		m->item.kind = kind;
		for (uint64_t to = afr->members; to; to &= to - 1)
			if (!afr_message(f, afr_lowest(to), REPL_LACKS, 5 + ITEM_SIZE_MAX, put_lacking, m, noted))
				m->failed = true;
	}
	if (--f->pending == 0)
		noted(f, -1, 0, NULL);
}

/* ---- a name: the object is not on the brick ---- */

static void made(struct frame *f, int ret)
{
	struct mend *m = mend_of(f);

	if (ret == -ESTALE || ret == -ENOENT)
		return mend_end(f, -EAGAIN);
	if (ret < 0 || m->place >= 0)
		return mend_end(f, ret < 0 ? ret : 0);
	/* All of it is new, also what was there before the brick went away. */
	if (S_ISREG(m->want.mode) && m->want.size && !m->is_part)
		return mend_data(f);
	mend_meta(f);
}

static void mkdir_done(struct frame *f, int child, int ret, const struct mkdir_reply *reply)
{
	made(f, ret);
}

static void mknod_done(struct frame *f, int child, int ret, const struct mknod_reply *reply)
{
	made(f, ret);
}

static void symlink_done(struct frame *f, int child, int ret, const struct symlink_reply *reply)
{
	made(f, ret);
}

static void target_read(struct frame *f, int child, int ret, const struct readlink_reply *reply)
{
	struct mend *m = mend_of(f);

	if (ret < 0)
		return mend_end(f, ret);
	char *target = frame_alloc(f, reply->target->len + 1);
	if (!target)
		return mend_end(f, -ENOMEM);
	memcpy(target, reply->target->data, reply->target->len);
	target[reply->target->len] = '\0';
	wind_symlink(f, m->to, &(struct symlink_args){ .parent = m->parent, .name = m->item.name, .inode = m->inode,
						       .target = target }, symlink_done);
}

static void make_now(struct frame *f)
{
	struct mend *m = mend_of(f);
	uint32_t mode = m->want.mode;

	if (S_ISDIR(mode))
		return wind_mkdir(f, m->to, &(struct mkdir_args){ .parent = m->parent, .name = m->item.name,
								  .inode = m->inode, .mode = mode & 07777 }, mkdir_done);
	if (S_ISLNK(mode))
		return wind_readlink(f, m->from, &(struct readlink_args){ .inode = m->inode }, target_read);
	wind_mknod(f, m->to, &(struct mknod_args){ .parent = m->parent, .name = m->item.name, .inode = m->inode,
						   .mode = mode, .rdev = m->want.rdev }, mknod_done);
}

/*
 * On a brick that joins all of it will be missing, also what was there before the brick went away.  It is mended as an item of its
 * own, with its own key.
 */
static void make(struct frame *f)
{
	const struct attr *want = &mend_of(f)->want;

	note(f, &want->gfid, S_ISREG(want->mode) && want->size ? ITEM_DATA : ITEM_META, make_now);
}

/* ---- a name: the brick has the object somewhere ---- */

/* It was in the landfill, or not. */
static void taken_out(struct frame *f, int child, int ret, const struct unlink_reply *reply)
{
	if (ret < 0 && !is_absent(ret))
		return mend_end(f, ret);
	mend_meta(f);
}

static void take_out(struct frame *f, unlink_done_fn *done)
{
	struct mend *m = mend_of(f);
	struct inode *landfill = inode_get(xl_inodes(f->xl), &gfid_landfill, S_IFDIR);
	char *name = frame_alloc(f, GFID_STR);

	if (landfill && name) {
		gfid_str(&m->inode->gfid, name);
		wind_unlink(f, m->to, &(struct unlink_args){ .parent = landfill, .name = name }, done);
	} else {
		mend_end(f, -ENOMEM);
	}
	inode_unref(landfill);
}

static void linked(struct frame *f, int child, int ret, const struct link_reply *reply)
{
	if (ret < 0 && ret != -EEXIST)
		return mend_end(f, is_absent(ret) ? -EAGAIN : ret);
	take_out(f, taken_out);
}

static void moved(struct frame *f, int child, int ret, const struct rename_reply *reply)
{
	/* Into what is below it: that is to be moved first. */
	if (ret < 0)
		return mend_end(f, is_absent(ret) || ret == -EINVAL ? -EAGAIN : ret);
	mend_meta(f);
}

static void move_dir(struct frame *f)
{
	struct mend *m = mend_of(f);

	wind_rename(f, m->to, &(struct rename_args){ .oldparent = m->old_parent, .oldname = m->old_name,
						     .newparent = m->parent, .newname = m->item.name }, moved);
}

static void dir_listed(struct frame *f, int child, int ret, const struct readdir_reply *reply)
{
	struct mend *m = mend_of(f);
	const struct dirent_entry *e = NULL;

	if (ret < 0)
		return mend_end(f, ret);
	for (e = dirents_next(reply->entries, NULL); e; e = dirents_next(reply->entries, e)) {
		m->cookie = e->cookie;
		if (gfid_equal(&e->attr.gfid, &m->inode->gfid) && strcmp(e->name, ".") != 0) {
			memcpy(m->old_name, e->name, e->len);
			m->old_name[e->len] = '\0';
			return move_dir(f);
		}
	}
	if (!reply->entries->nr)
		return mend_end(f, -EAGAIN);	/* it was moved meanwhile */
	wind_readdir(f, m->to, &(struct readdir_args){ .fd = m->fd, .offset = m->cookie, .size = 65536 }, dir_listed);
}

static void dir_opened(struct frame *f, int child, int ret, const struct opendir_reply *reply)
{
	struct mend *m = mend_of(f);

	if (ret < 0)
		return mend_end(f, ret);
	wind_readdir(f, m->to, &(struct readdir_args){ .fd = m->fd, .offset = 0, .size = 65536 }, dir_listed);
}

static void parent_found(struct frame *f, int child, int ret, const struct find_reply *reply)
{
	struct mend *m = mend_of(f);

	if (ret < 0)
		return mend_end(f, is_absent(ret) ? -EAGAIN : ret);
	inode_unref(m->old_parent);
	m->old_parent = inode_of(f, &reply->attr);
	m->fd = m->old_parent ? fd_new(m->old_parent, O_RDONLY | O_DIRECTORY, true) : NULL;
	if (!m->fd)
		return mend_end(f, -ENOMEM);
	wind_opendir(f, m->to, &(struct opendir_args){ .inode = m->old_parent, .fd = m->fd }, dir_opened);
}

static void there_stat(struct frame *f, int child, int ret, const struct stat_reply *reply)
{
	struct mend *m = mend_of(f);

	if (is_absent(ret))
		return make(f);
	if (ret < 0)
		return mend_end(f, ret);
	if (S_ISDIR(reply->attr.mode))
		return wind_find(f, m->to, &(struct find_args){ .inode = m->inode, .what = FIND_PARENT }, parent_found);
	wind_link(f, m->to, &(struct link_args){ .inode = m->inode, .parent = m->parent, .name = m->item.name }, linked);
}

static void name_place(struct frame *f)
{
	struct mend *m = mend_of(f);

	if (!m->has_want)
		return mend_end(f, 0);
	m->inode = inode_of(f, &m->want);
	if (!m->inode)
		return mend_end(f, -ENOMEM);
	wind_stat(f, m->to, &(struct stat_args){ .inode = m->inode }, there_stat);
}

/* ---- a name: what has it and should not ---- */

static void away_unlinked(struct frame *f, int child, int ret, const struct unlink_reply *reply)
{
	if (ret < 0 && !is_absent(ret))
		return mend_end(f, ret);
	name_place(f);
}

static void away_linked(struct frame *f, int child, int ret, const struct link_reply *reply)
{
	struct mend *m = mend_of(f);

	if (ret < 0 && ret != -EEXIST && ret != -EMLINK)
		return mend_end(f, ret);
	wind_unlink(f, m->to, &(struct unlink_args){ .parent = m->parent, .name = m->item.name }, away_unlinked);
}

static void away_moved(struct frame *f, int child, int ret, const struct rename_reply *reply)
{
	if (ret < 0 && !is_absent(ret))
		return mend_end(f, ret);
	name_place(f);
}

static void put_away(struct frame *f)
{
	struct mend *m = mend_of(f);
	struct inode *inode = inode_of(f, &m->have);
	char *name = frame_alloc(f, GFID_STR);

	m->old_parent = inode_get(xl_inodes(f->xl), &gfid_landfill, S_IFDIR);
	if (!inode || !name || !m->old_parent) {
		inode_unref(inode);
		return mend_end(f, -ENOMEM);
	}
	gfid_str(&m->have.gfid, name);
	/* What has another name there is not lost: one in the landfill would be a link too many. */
	if (!S_ISDIR(m->have.mode) && m->have.nlink > 1)
		wind_unlink(f, m->to, &(struct unlink_args){ .parent = m->parent, .name = m->item.name }, away_unlinked);
	else if (S_ISDIR(m->have.mode))
		wind_rename(f, m->to, &(struct rename_args){ .oldparent = m->parent, .oldname = m->item.name,
							     .newparent = m->old_parent, .newname = name }, away_moved);
	else
		wind_link(f, m->to, &(struct link_args){ .inode = inode, .parent = m->old_parent, .name = name },
			  away_linked);
	inode_unref(inode);
}

static void have_look(struct frame *f);

static void change_name(struct frame *f)
{
	if (mend_of(f)->has_have)
		return put_away(f);
	name_place(f);
}

static void name_is_right(struct frame *f, int child, int ret, const struct unlink_reply *reply)
{
	mend_end(f, is_absent(ret) ? 0 : ret);
}

/* Who mended it before may have failed to take it out of the landfill. */
static void same_object(struct frame *f)
{
	struct mend *m = mend_of(f);

	if (S_ISDIR(m->have.mode) || m->have.nlink <= m->want.nlink)
		return mend_end(f, 0);
	m->inode = inode_of(f, &m->want);
	if (!m->inode)
		return mend_end(f, -ENOMEM);
	take_out(f, name_is_right);
}

static void have_looked(struct frame *f, int child, int ret, const struct lookup_reply *reply)
{
	struct mend *m = mend_of(f);

	if (ret == -EEXIST && !m->is_other) {
		m->is_other = true;
		return have_look(f);
	}
	if (ret == -ESTALE)		/* the directory is not there: yet, or any more */
		return mend_end(f, m->has_want ? -EAGAIN : 0);
	if (ret < 0 && ret != -ENOENT)
		return mend_end(f, ret);
	m->has_have = ret >= 0;
	if (m->has_have)
		m->have = reply->attr;
	if (m->has_have && m->has_want && gfid_equal(&m->have.gfid, &m->want.gfid))
		return same_object(f);
	/* The change of a name changes the time of its directory. */
	if (m->has_have || m->has_want)
		return note(f, &m->item.gfid, ITEM_META, change_name);
	mend_end(f, 0);
}

static struct gfid new_gfid(struct frame *f)
{
	return call_new_gfid(f->xl->graph, call_new_txn(f->xl->graph));
}

/* An object that a brick was killed over has no identity yet: it is the one, or (the brick has that elsewhere) one that goes. */
static void have_look(struct frame *f)
{
	struct mend *m = mend_of(f);
	bool may_be = m->has_want && !m->is_other;

	wind_lookup(f, m->to, &(struct lookup_args){ .parent = m->parent, .name = m->item.name,
						     .gfid = may_be ? m->want.gfid : new_gfid(f) }, have_looked);
}

static void want_looked(struct frame *f, int child, int ret, const struct lookup_reply *reply)
{
	struct mend *m = mend_of(f);

	if (ret < 0 && !is_absent(ret))
		return mend_end(f, ret);
	m->has_want = ret >= 0;
	if (m->has_want)
		m->want = reply->attr;
	have_look(f);
}

/* ---- */

void afr_mend(struct afr *afr, int from, int to, int place, const struct identity *id, const struct item *item,
	      const struct afr_part *part, void (*done)(void *arg, int ret), void *arg)
{
	struct frame *f = call_new(afr->xl, id, sizeof(struct mend));
	struct inode *inode = f ? inode_get(xl_inodes(afr->xl), &item->gfid, 0) : NULL;

	if (!inode) {
		if (f)
			call_end(f);
		return done(arg, -ENOMEM);
	}
	xl_busy(afr->xl, 1);
	struct mend *m = mend_of(f);
	*m = (struct mend){ .from = from, .to = to, .place = place, .item = *item, .done = done, .arg = arg, .is_part = part };
	if (part)
		m->part = *part;
	switch ((enum item_kind)item->kind) {
	case ITEM_NAME:
		m->parent = inode;
		return wind_lookup(f, from, &(struct lookup_args){ .parent = inode, .name = m->item.name,
								   .gfid = new_gfid(f) }, want_looked);
	case ITEM_META:
		m->inode = inode;
		return mend_meta(f);
	case ITEM_DATA:
		m->inode = inode;
		return mend_data(f);
	case ITEM_ALL:
		break;
	}
	inode_unref(inode);
	mend_end(f, -EOPNOTSUPP);
}
