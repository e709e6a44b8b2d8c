/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * keys.c - what an operation needs for itself (keys), and what it changes (items), told from its arguments.  Clients and
 * bricks must find the same, so it is here once.
 */
#include <fcntl.h>
#include <stdio.h>
#include <xxhash.h>

#include "replication.h"

/* ---- keys ---- */

static struct repl_key hashed(const void *p, size_t len, uint64_t seed)
{
	struct repl_key k = { .shared = false };
	XXH128_hash_t h = XXH3_128bits_withSeed(p, len, seed);

	memcpy(k.id.b, &h, sizeof k.id.b);
	return k;
}

enum { SEED_NAME = 1, SEED_DIR, SEED_DATA, SEED_ALL };

struct repl_key repl_key_inode(const struct gfid *g)
{
	return (struct repl_key){ .id = *g };
}

struct repl_key repl_key_name(const struct gfid *parent, const char *name)
{
	uint8_t bytes[sizeof *parent + WIRE_NAME_MAX];
	size_t len = strnlen(name, WIRE_NAME_MAX);

	memcpy(bytes, parent, sizeof *parent);
	memcpy(bytes + sizeof *parent, name, len);
	return hashed(bytes, sizeof *parent + len, SEED_NAME);
}

struct repl_key repl_key_dir(const struct gfid *g, bool shared)
{
	struct repl_key k = hashed(g, sizeof *g, SEED_DIR);

	k.shared = shared;
	return k;
}

struct keys {
	struct repl_key *key;
	int nr;
};

static void add(struct keys *k, struct repl_key key)
{
	for (int i = 0; i < k->nr; i++)
		if (repl_key_equal(&k->key[i], &key)) {
			k->key[i].shared &= key.shared;
			return;
		}
	assert(k->nr < REPL_KEYS_MAX);
	k->key[k->nr++] = key;
}

static void add_inode(struct keys *k, const struct inode *inode, bool shared)
{
	struct repl_key key = repl_key_inode(&inode->gfid);

	key.shared = shared;
	add(k, key);
}

static void add_entry(struct keys *k, const struct inode *parent, const char *name)
{
	add(k, repl_key_name(&parent->gfid, name));
	add(k, repl_key_dir(&parent->gfid, true));
}

/* An operation that changes names. */
static void entry_keys(struct keys *k, enum fop_id op, const union fop_args *a)
{
	switch (op) {
	case FOP_mknod:
		add_entry(k, a->mknod.parent, a->mknod.name);
		return add_inode(k, a->mknod.inode, false);
	case FOP_mkdir:
		add_entry(k, a->mkdir.parent, a->mkdir.name);
		return add_inode(k, a->mkdir.inode, false);
	case FOP_symlink:
		add_entry(k, a->symlink.parent, a->symlink.name);
		return add_inode(k, a->symlink.inode, false);
	case FOP_create:
		add_entry(k, a->create.parent, a->create.name);
		return add_inode(k, a->create.inode, false);
	case FOP_link:
		add_entry(k, a->link.parent, a->link.name);
		return add_inode(k, a->link.inode, false);
	case FOP_tmpfile:
		return add_inode(k, a->tmpfile.inode, false);
	case FOP_unlink:
		return add_entry(k, a->unlink.parent, a->unlink.name);
	case FOP_rmdir:
		return add_entry(k, a->rmdir.parent, a->rmdir.name);
	case FOP_rename:
		add_entry(k, a->rename.oldparent, a->rename.oldname);
		return add_entry(k, a->rename.newparent, a->rename.newname);
	default:
		return;
	}
}

/* Others: what they are about is the first inode or file of their arguments. */
static const struct inode *subject(enum fop_id op, const union fop_args *a)
{
	switch (op) {
	case FOP_setattr: return a->setattr.inode;
	case FOP_setxattr: return a->setxattr.inode;
	case FOP_removexattr: return a->removexattr.inode;
	case FOP_setflags: return a->setflags.inode;
	case FOP_truncate: return a->truncate.inode;
	case FOP_open: return a->open.inode;
	case FOP_stat: return a->stat.inode;
	case FOP_readlink: return a->readlink.inode;
	case FOP_access: return a->access.inode;
	case FOP_getxattr: return a->getxattr.inode;
	case FOP_listxattr: return a->listxattr.inode;
	case FOP_getflags: return a->getflags.inode;
	case FOP_write: return a->write.fd->inode;
	case FOP_fallocate: return a->fallocate.fd->inode;
	case FOP_read: return a->read.fd->inode;
	case FOP_seek: return a->seek.fd->inode;
	default: return NULL;
	}
}

int repl_keys(enum fop_id op, const void *args, struct repl_key keys[REPL_KEYS_MAX])
{
	const union fop_args *a = args;
	struct keys k = { .key = keys };
	bool change = fop_is_change(op) || (op == FOP_open && (a->open.flags & O_TRUNC));
	const struct inode *inode = subject(op, a);

	if (inode) {
		add_inode(&k, inode, !change);
	} else if (op == FOP_lookup) {
		struct repl_key key = repl_key_name(&a->lookup.parent->gfid, a->lookup.name);

		key.shared = true;
		add(&k, key);
	} else if (op == FOP_copy_file_range) {
		add_inode(&k, a->copy_file_range.in->inode, true);
		add_inode(&k, a->copy_file_range.out->inode, false);
	} else {
		entry_keys(&k, op, a);
	}
	return k.nr;
}

/* ---- items ---- */

struct gfid item_hash(const struct item *i)
{
	struct { struct gfid g; uint64_t chunk; } data = { i->gfid, i->chunk };

	switch ((enum item_kind)i->kind) {
	case ITEM_NAME:
		return repl_key_name(&i->gfid, i->name).id;
	case ITEM_META:
		return i->gfid;
	case ITEM_DATA:
		return hashed(&data, sizeof data, SEED_DATA).id;
	case ITEM_ALL:
		if (!item_is_everything(i))
			return hashed(&i->gfid, sizeof i->gfid, SEED_ALL).id;
	}
	return gfid_none;
}

struct repl_key item_key(const struct item *i)
{
	if (i->kind == ITEM_ALL)
		return (struct repl_key){ .id = item_hash(i) };
	return i->kind == ITEM_NAME ? repl_key_name(&i->gfid, i->name) : repl_key_inode(&i->gfid);
}

bool item_join(struct item *to, const struct item *from)
{
	uint16_t blocks = to->blocks;
	uint64_t chunk = to->chunk;

	to->blocks |= from->blocks;
	if (to->kind == ITEM_META && from->chunk < to->chunk)
		to->chunk = from->chunk;
	return to->blocks != blocks || to->chunk != chunk;
}

struct items {
	struct item *item;
	int nr;
};

static void add_meta(struct items *o, const struct gfid *g, uint64_t low)
{
	struct item item = { .kind = ITEM_META, .gfid = *g, .chunk = low };

	for (int i = 0; i < o->nr; i++)
		if (o->item[i].kind == ITEM_META && gfid_equal(&o->item[i].gfid, g)) {
			item_join(&o->item[i], &item);
			return;
		}
	assert(o->nr < ITEMS_MAX);
	o->item[o->nr++] = item;
}

static void add_name(struct items *o, const struct inode *parent, const char *name)
{
	struct item *i = &o->item[o->nr++];

	assert(o->nr <= ITEMS_MAX);
	*i = (struct item){ .kind = ITEM_NAME, .gfid = parent->gfid };
	i->name_len = strnlen(name, WIRE_NAME_MAX);
	memcpy(i->name, name, i->name_len);
	add_meta(o, &parent->gfid, ITEM_NOT_CUT);
}

/* Bits of the blocks of a chunk that [from, to) touches. */
static uint16_t blocks_of(uint64_t chunk, uint64_t from, uint64_t to)
{
	uint64_t base = chunk * ITEM_CHUNK;
	uint32_t first = from > base ? (from - base) / ITEM_BLOCK : 0;
	uint32_t last = to - base < ITEM_CHUNK ? (to - base - 1) / ITEM_BLOCK : ITEM_CHUNK / ITEM_BLOCK - 1;

	return (uint16_t)((0xffffu >> (15 - last)) & (0xffffu << first));
}

static void add_data(struct items *o, const struct gfid *g, uint64_t from, uint64_t len)
{
	uint64_t first = from / ITEM_CHUNK, last;

	add_meta(o, g, ITEM_NOT_CUT);
	if (!len)
		return;
	last = (from + len - 1) / ITEM_CHUNK;
	if (last - first >= (uint64_t)(ITEMS_MAX - o->nr)) {
		o->item[o->nr++] = (struct item){ .kind = ITEM_DATA, .gfid = *g, .chunk = UINT64_MAX };
		return;
	}
	for (uint64_t c = first; c <= last; c++)
		o->item[o->nr++] = (struct item){ .kind = ITEM_DATA, .gfid = *g, .chunk = c,
						  .blocks = blocks_of(c, from, from + len) };
}

static const struct attr *present(const struct attr *a)
{
	return a && attr_present(a) ? a : NULL;
}

static void name_items(struct items *o, enum fop_id op, const union fop_args *a, const union fop_reply *r)
{
	const struct attr *moved = NULL, *other = NULL;

	switch (op) {
	case FOP_mknod: add_name(o, a->mknod.parent, a->mknod.name); break;
	case FOP_mkdir: add_name(o, a->mkdir.parent, a->mkdir.name); break;
	case FOP_symlink: add_name(o, a->symlink.parent, a->symlink.name); break;
	case FOP_create: add_name(o, a->create.parent, a->create.name); break;
	case FOP_link: add_name(o, a->link.parent, a->link.name); break;
	case FOP_unlink:
		add_name(o, a->unlink.parent, a->unlink.name);
		moved = r ? present(&r->unlink.attr) : NULL;
		break;
	case FOP_rmdir: add_name(o, a->rmdir.parent, a->rmdir.name); break;
	case FOP_rename:
		add_name(o, a->rename.oldparent, a->rename.oldname);
		add_name(o, a->rename.newparent, a->rename.newname);
		moved = r ? present(&r->rename.attr) : NULL;
		other = r ? present(&r->rename.replaced) : NULL;
		break;
	default: break;
	}
	if (moved && moved->nlink)
		add_meta(o, &moved->gfid, ITEM_NOT_CUT);
	if (other && other->nlink)
		add_meta(o, &other->gfid, ITEM_NOT_CUT);
}

/* The object that is made. */
static const struct inode *made(enum fop_id op, const union fop_args *a)
{
	switch (op) {
	case FOP_mknod: return a->mknod.inode;
	case FOP_mkdir: return a->mkdir.inode;
	case FOP_symlink: return a->symlink.inode;
	case FOP_create: return a->create.inode;
	case FOP_link: return a->link.inode;
	case FOP_tmpfile: return a->tmpfile.inode;
	default: return NULL;
	}
}

/* Where a write went: at the end, if it was told so and its answer is there. */
static uint64_t write_offset(const struct write_args *a, const struct write_reply *r)
{
	if ((a->flags & WRITE_APPEND) && r && attr_present(&r->before))
		return r->before.size;
	return a->offset;
}

int repl_items(enum fop_id op, const void *args, const void *reply, struct item items[ITEMS_MAX])
{
	const union fop_args *a = args;
	const union fop_reply *r = reply;
	struct items o = { .item = items };
	const struct inode *new = made(op, a), *inode = subject(op, a);

	if (op == FOP_write)
		add_data(&o, &inode->gfid, write_offset(&a->write, r ? &r->write : NULL), a->write.data->len);
	else if (op == FOP_fallocate)
		add_data(&o, &inode->gfid, a->fallocate.offset, a->fallocate.length);
	else if (op == FOP_copy_file_range)
		add_data(&o, &a->copy_file_range.out->inode->gfid, a->copy_file_range.out_offset,
			 a->copy_file_range.length);
	else if (op == FOP_truncate)
		add_meta(&o, &inode->gfid, a->truncate.size);
	else if (op == FOP_open)
		add_meta(&o, &inode->gfid, 0);
	else if (inode)
		add_meta(&o, &inode->gfid, ITEM_NOT_CUT);
	else
		name_items(&o, op, a, r);
	if (new)
		add_meta(&o, &new->gfid, ITEM_NOT_CUT);
	return o.nr;
}

void item_put(struct wire *w, const struct item *i)
{
	wire_put_u8(w, i->kind);
	repl_put_gfid(w, &i->gfid);
	wire_put_u64(w, i->chunk);
	wire_put_u16(w, i->blocks);
	wire_put_u8(w, i->name_len);
	wire_put_bytes(w, i->name, i->name_len);
}

void items_put(struct wire *w, const struct item *items, uint32_t nr)
{
	wire_put_u32(w, nr);
	for (uint32_t i = 0; i < nr; i++)
		item_put(w, &items[i]);
}

void item_get(struct wire *w, struct item *i)
{
	const uint8_t *name;

	*i = (struct item){ .kind = wire_get_u8(w) };
	repl_get_gfid(w, &i->gfid);
	i->chunk = wire_get_u64(w);
	i->blocks = wire_get_u16(w);
	i->name_len = wire_get_u8(w);
	name = wire_get_bytes(w, i->name_len);
	if (name)
		memcpy(i->name, name, i->name_len);
	bool named = i->kind == ITEM_NAME;
	if (wire_ok(w) && i->kind >= ITEM_NAME && i->kind <= ITEM_ALL && named == (i->name_len > 0) &&
	    !memchr(i->name, '/', i->name_len) && strnlen(i->name, sizeof i->name) == i->name_len)
		return;
	*i = (struct item){ 0 };
	w->failed = true;
	w->error = -EPROTO;
}

void item_print(const struct item *i, char *out, size_t size)
{
	char id[GFID_STR];

	gfid_str(&i->gfid, id);
	switch ((enum item_kind)i->kind) {
	case ITEM_NAME:
		snprintf(out, size, "name \"%s\" in %s", i->name, id);
		return;
	case ITEM_META:
		snprintf(out, size, "attributes of %s", id);
		return;
	case ITEM_DATA:
		if (i->chunk == UINT64_MAX)
			snprintf(out, size, "data of %s", id);
		else
			snprintf(out, size, "data of %s at %llu MiB, blocks %04x", id,
				 (unsigned long long)i->chunk, i->blocks);
		return;
	case ITEM_ALL:
		if (!item_is_everything(i)) {
			snprintf(out, size, "%s and all that is below it", id);
			return;
		}
	}
	snprintf(out, size, "everything");
}
