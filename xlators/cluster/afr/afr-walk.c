/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * afr-walk.c - comparing a brick of which nobody knows what it lacks (ITEM_ALL), or a part of it, with home.
 *
 *	directories, breadth first: what is waiting is a list of identities
 *	of each: what home lists, and what only the brick lists -> pages of items (afr-heal.c) -> the directory's attributes
 *	at the end: sync the brick, ITEM_ALL is mended
 *
 * Both listings are in the order of the hashes of the names, so they are merged as they come.  They are read without keys: what changes
 * afterwards reaches the brick by itself, or is noted that it did not.  What is moved from where we have not been to where we have been
 * is noted by home (features/replica, note_moved).  Pages are mended under their keys, like those of a list; what cannot be is put on
 * home's list.  A walk that is interrupted begins anew.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "afr-heal.h"

enum { LISTING = 16 << 10, PART = 64 << 20 };	/* bytes; of a file under its key at once */

struct side {
	int child;
	struct fd *fd;
	struct dirents *page;
	const struct dirent_entry *e;	/* the next one; NULL: the page is used up */
	uint64_t cookie;
	bool end;
};

struct walk {
	/* what goes off the lists at the end */
	uint64_t whole;			/* children that list the whole brick, ... */
	uint64_t whole_generation[VIEW_BRICKS_MAX];
	int source;			/* ... or parts of it that this one lists: */
	struct item item[HEAL_PAGE];
	uint64_t generation[HEAL_PAGE];
	uint32_t nr, at;

	struct gfid *dir;		/* waiting: [first, last) */
	size_t first, last, size;
	struct gfid current;		/* while open */
	struct inode *inode;
	bool open;
	struct side home, target;
	struct gfid file;		/* large: from `file_at` on it is to be compared, page by page */
	uint64_t file_at, file_size;
	int ret;
	uint64_t nr_dirs, nr_objects, bytes;
};

static struct walk *walk_of(struct frame *f)
{
	return heal_of(f)->walk;
}

static void side_close(struct side *s)
{
	fd_unref(s->fd);
	dirents_unref(s->page);
	*s = (struct side){ .child = s->child };
}

static void dir_close(struct walk *w)
{
	side_close(&w->home);
	side_close(&w->target);
	inode_unref(w->inode);
	w->inode = NULL;
	w->open = false;
}

void walk_free(struct walk *w)
{
	if (!w)
		return;
	dir_close(w);
	free(w->dir);
	free(w);
}

void walk_dump(const struct walk *w, struct dump *d)
{
	dump_value(d, "comparing", "%s", w->whole ? "everything" : "what was moved meanwhile");
	dump_u64(d, "comparing.directories-done", w->nr_dirs);
	dump_u64(d, "comparing.directories-known-to-wait", w->last - w->first);
	dump_u64(d, "comparing.objects", w->nr_objects);
	dump_u64(d, "comparing.bytes", w->bytes);
}

/* Reads need no view: they are judged again under the keys. */
static void as_reader(struct frame *f)
{
	heal_as_client(f);
	call_identity(f)->view = 0;
}

static void fill(struct frame *f);

void walk_next(struct frame *f)
{
	heal_of(f)->nr = 0;
	as_reader(f);
	fill(f);
}

static void send_page(struct frame *f)
{
	heal_as_client(f);
	heal_page(f);
}

/* ---- items ---- */

static struct item *add(struct frame *f, enum item_kind kind, const struct gfid *g)
{
	struct heal *h = heal_of(f);
	struct item *i = &h->item[h->nr];

	*i = (struct item){ .kind = kind, .gfid = *g, .chunk = kind == ITEM_META ? ITEM_NOT_CUT : UINT64_MAX };
	h->part[h->nr++] = (struct afr_part){ .end = UINT64_MAX };
	return i;
}

static void add_name(struct frame *f, const char *name)
{
	struct item *i = add(f, ITEM_NAME, &walk_of(f)->current);

	i->chunk = 0;
	i->name_len = (uint8_t)snprintf(i->name, sizeof i->name, "%s", name);
}

/* The next part of the large file. */
static void add_part(struct frame *f)
{
	struct walk *w = walk_of(f);
	struct afr_part *p;

	add(f, ITEM_DATA, &w->file);
	p = &heal_of(f)->part[heal_of(f)->nr - 1];
	p->begin = w->file_at;
	w->file_at += PART;
	if (w->file_at < w->file_size)
		p->end = w->file_at;
}

/* false: no memory. */
static bool wait_for(struct walk *w, const struct gfid *dir)
{
	size_t nr = w->last - w->first;

	if (w->last == w->size && w->first > w->size / 2) {
		memmove(w->dir, w->dir + w->first, nr * sizeof *w->dir);
		w->first = 0;
		w->last = nr;
	}
	if (w->last == w->size) {
		size_t size = w->size ? 2 * w->size : 256;
		struct gfid *d = realloc(w->dir, size * sizeof *d);

		if (!d)
			return false;
		w->dir = d;
		w->size = size;
	}
	w->dir[w->last++] = *dir;
	return true;
}

/* An object of home; named: the brick has it under this name.  false: no memory. */
static bool add_object(struct frame *f, const struct attr *a, bool named)
{
	struct afr *afr = f->xl->priv;
	struct walk *w = walk_of(f);

	w->nr_objects++;
	afr->nr_walk_objects++;
	if (S_ISREG(a->mode) && a->size) {
		w->bytes += a->size;
		afr->nr_walk_bytes += a->size;
		w->file = a->gfid;
		w->file_at = 0;
		w->file_size = a->size;
		add_part(f);
		return true;
	}
	/* A directory has its own after its names; its keys are needed when it is made. */
	if (!S_ISDIR(a->mode) || !named)
		add(f, ITEM_META, &a->gfid);
	return !S_ISDIR(a->mode) || wait_for(w, &a->gfid);
}

/* ---- merging two listings ---- */

static bool is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* On to the next entry of the page. */
static void advance(struct side *s)
{
	do {
		s->e = dirents_next(s->page, s->e);
		if (s->e)
			s->cookie = s->e->cookie;
	} while (s->e && is_dot(s->e->name));
	if (s->e)
		return;
	dirents_unref(s->page);
	s->page = NULL;
}

static void object_looked(struct frame *f, int child, int ret, const struct lookup_reply *reply)
{
	struct walk *w = walk_of(f);

	if (ret < 0 && ret != -ENOENT && ret != -ESTALE)
		return heal_end(f, true);
	if (ret >= 0) {
		add_name(f, w->home.e->name);
		if (!add_object(f, &reply->attr, false))
			return heal_end(f, true);
	}
	advance(&w->home);
	fill(f);
}

/* The next name, of both or of one of them.  false: it is being asked for. */
static bool merge(struct frame *f)
{
	struct walk *w = walk_of(f);
	const struct dirent_entry *h = w->home.e, *t = w->target.e;
	bool same, named;

	if (!h || (t && t->cookie < h->cookie)) {
		add_name(f, t->name);
		advance(&w->target);
		return true;
	}
	same = t && t->cookie == h->cookie && strcmp(t->name, h->name) == 0;
	named = same && gfid_equal(&t->attr.gfid, &h->attr.gfid) && (t->attr.mode & S_IFMT) == (h->attr.mode & S_IFMT);
	if (same)
		advance(&w->target);
	/* What was put on the disk by other means gets its identity now. */
	if (!h->attr.nlink || gfid_equal(&h->attr.gfid, &gfid_none)) {
		struct gfid g = call_new_gfid(f->xl->graph, call_new_txn(f->xl->graph));

		wind_lookup(f, w->home.child, &(struct lookup_args){ .parent = w->inode, .name = h->name, .gfid = g },
			    object_looked);
		return false;
	}
	if (!named)
		add_name(f, h->name);
	if (!add_object(f, &h->attr, named)) {
		heal_end(f, true);
		return false;
	}
	advance(&w->home);
	return true;
}

/* ---- listing ---- */

static void listed(struct frame *f, struct side *s, int ret, struct dirents *entries)
{
	if (ret < 0)
		return heal_end(f, true);
	s->end = !entries->nr;
	if (!s->end) {
		s->page = dirents_ref(entries);
		s->e = NULL;
		advance(s);
	}
	fill(f);
}

static void home_listed(struct frame *f, int child, int ret, const struct readdirp_reply *reply)
{
	listed(f, &walk_of(f)->home, ret, ret < 0 ? NULL : reply->entries);
}

static void target_listed(struct frame *f, int child, int ret, const struct readdir_reply *reply)
{
	listed(f, &walk_of(f)->target, ret, ret < 0 ? NULL : reply->entries);
}

/* true: a listing is being read on. */
static bool read_on(struct frame *f)
{
	struct walk *w = walk_of(f);

	if (!w->home.page && !w->home.end) {
		wind_readdirp(f, w->home.child, &(struct readdirp_args){ .fd = w->home.fd, .offset = w->home.cookie,
									 .size = LISTING }, home_listed);
		return true;
	}
	if (!w->target.page && !w->target.end) {
		wind_readdir(f, w->target.child, &(struct readdir_args){ .fd = w->target.fd, .offset = w->target.cookie,
									 .size = LISTING }, target_listed);
		return true;
	}
	return false;
}

/* ---- directories ---- */

static bool is_absent(int ret)
{
	return ret == -ENOENT || ret == -ESTALE || ret == -ENOTDIR;
}

static void dir_opened(struct frame *f, int child, int ret, const struct opendir_reply *reply)
{
	struct walk *w = walk_of(f);

	if (child == w->target.child && is_absent(ret))
		w->target.end = true;		/* it is made, or nothing below it can be */
	else if (ret < 0 && (!w->ret || !is_absent(ret)))
		w->ret = ret;
	if (f->pending)
		return;
	if (w->ret < 0 && !is_absent(w->ret))
		return heal_end(f, true);
	if (w->ret < 0)
		dir_close(w);			/* removed meanwhile */
	fill(f);
}

static void dir_open(struct frame *f)
{
	struct heal *h = heal_of(f);
	struct walk *w = h->walk;

	w->current = w->dir[w->first++];
	w->ret = 0;
	w->open = true;
	w->home.child = h->home;
	w->target.child = h->target;
	w->inode = inode_get(xl_inodes(f->xl), &w->current, S_IFDIR);
	if (w->inode) {
		w->home.fd = fd_new(w->inode, O_RDONLY | O_DIRECTORY, true);
		w->target.fd = fd_new(w->inode, O_RDONLY | O_DIRECTORY, true);
	}
	if (!w->home.fd || !w->target.fd)
		return heal_end(f, true);
	f->pending++;
	wind_opendir(f, h->home, &(struct opendir_args){ .inode = w->inode, .fd = w->home.fd }, dir_opened);
	f->pending--;
	wind_opendir(f, h->target, &(struct opendir_args){ .inode = w->inode, .fd = w->target.fd }, dir_opened);
}

static void dir_done(struct frame *f)
{
	struct walk *w = walk_of(f);

	add(f, ITEM_META, &w->current);
	w->nr_dirs++;
	((struct afr *)f->xl->priv)->nr_walk_dirs++;
	dir_close(w);
}

/* ---- objects that were moved ---- */

static void part_stat(struct frame *f, int child, int ret, const struct stat_reply *reply)
{
	if (ret < 0 && !is_absent(ret))
		return heal_end(f, true);
	if (ret >= 0 && reply->attr.nlink && !add_object(f, &reply->attr, false))
		return heal_end(f, true);
	fill(f);
}

static void part_begin(struct frame *f)
{
	struct walk *w = walk_of(f);
	_cleanup_inode_ struct inode *inode = inode_get(xl_inodes(f->xl), &w->item[w->at++].gfid, 0);

	if (!inode)
		return heal_end(f, true);
	wind_stat(f, heal_of(f)->home, &(struct stat_args){ .inode = inode }, part_stat);
}

/* ---- the end ---- */

static void walk_over(struct frame *f);

static void put_walk_token(struct wire *w, const void *arg)
{
	wire_put_u64(w, HEAL_WALK_TOKEN);
}

static void given_back(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	heal_of(f)->alone = false;
	if (ret < 0)
		return heal_end(f, true);
	walk_over(f);
}

/* Another healer may begin; it finds nothing on the lists. */
static void give_back(struct frame *f)
{
	heal_send(f, heal_of(f)->home, REPL_DISOWN, 8, put_walk_token, given_back);
}

static void walk_over(struct frame *f)
{
	struct afr *afr = f->xl->priv;
	struct heal *h = heal_of(f);

	log_notice(afr->xl->name, "%s is compared: %llu directories, %llu objects, %llu bytes", afr_name(afr, h->target),
		   (unsigned long long)h->walk->nr_dirs, (unsigned long long)h->walk->nr_objects,
		   (unsigned long long)h->walk->bytes);
	afr->nr_walks++;
	walk_free(h->walk);
	h->walk = NULL;
	h->sources = afr->members;
	h->cursor = 0;
	heal_list(f);
}

static void put_whole(struct wire *w, const void *arg)
{
	const struct heal *h = arg;

	wire_put_u8(w, h->place);
	wire_put_u32(w, 1);
	repl_put_gfid(w, &gfid_none);
	wire_put_u64(w, h->walk->whole_generation[afr_lowest(h->walk->whole)]);
}

static void put_parts(struct wire *w, const void *arg)
{
	const struct heal *h = arg;

	wire_put_u8(w, h->place);
	wire_put_u32(w, h->walk->nr);
	for (uint32_t i = 0; i < h->walk->nr; i++) {
		struct gfid hash = item_hash(&h->walk->item[i]);

		repl_put_gfid(w, &hash);
		wire_put_u64(w, h->walk->generation[i]);
	}
}

static void parts_noted(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	if (ret < 0)
		return heal_end(f, true);
	give_back(f);
}

static void whole_noted(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	struct walk *w = walk_of(f);

	if (ret < 0)
		return heal_end(f, true);
	w->whole &= w->whole - 1;
	if (!w->whole)
		return give_back(f);
	heal_send(f, afr_lowest(w->whole), REPL_MENDED, 5 + 24, put_whole, whole_noted);
}

static void synced(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	struct walk *w = walk_of(f);

	if (ret < 0)
		return heal_end(f, true);
	if (w->whole)
		heal_send(f, afr_lowest(w->whole), REPL_MENDED, 5 + 24, put_whole, whole_noted);
	else
		heal_send(f, w->source, REPL_MENDED, 5 + HEAL_PAGE * 24, put_parts, parts_noted);
}

/* ---- the way of a walk ---- */

/* The next page; each step that has to ask comes back here. */
static void fill(struct frame *f)
{
	struct heal *h = heal_of(f);
	struct walk *w = h->walk;

	if (!heal_is_current(f))
		return heal_end(f, true);
	for (;;) {
		bool more = w->file_at < w->file_size;

		if (h->nr && (more || h->nr + 3 > HEAL_PAGE))
			return send_page(f);
		if (more) {
			add_part(f);
			return send_page(f);
		}
		if (!w->open && w->first < w->last)
			return dir_open(f);
		if (!w->open && w->at < w->nr)
			return part_begin(f);
		if (!w->open)
			break;
		if (read_on(f))
			return;
		if (w->home.end && w->target.end)
			dir_done(f);
		else if (!merge(f))
			return;
	}
	if (h->nr)
		return send_page(f);
	heal_as_client(f);
	heal_send(f, h->target, REPL_SYNC, 0, NULL, synced);
}

/* ---- the begin ---- */

static void put_first(struct wire *w, const void *arg)
{
	const struct heal *h = arg;

	wire_put_u8(w, REPL_LIST_LACKED);
	wire_put_u8(w, h->place);
	wire_put_u64(w, 0);
	wire_put_u32(w, HEAL_PAGE);
}

static void all_asked(struct frame *f)
{
	struct heal *h = heal_of(f);

	if (h->walk->ret == 0 && !h->walk->whole)
		return give_back(f);
	if (h->walk->ret < 0 || !wait_for(h->walk, &gfid_root))
		return heal_end(f, true);
	log_notice(f->xl->name, "%s is compared as a whole with %s: nobody knows what it lacks", afr_name(f->xl->priv, h->target),
		   afr_name(f->xl->priv, h->home));
	walk_next(f);
}

/* Everything is the first of its list: nothing else was left beside it when it was marked. */
static void asked(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	struct walk *w = walk_of(f);
	struct wire m;
	uint32_t nr = 0;

	if (ret < 0) {
		w->ret = ret;
	} else {
		m = repl_reader(reply->answer);
		wire_get_u64(&m);
		wire_get_u64(&m);
		nr = wire_get_u32(&m);
	}
	for (uint32_t i = 0; i < nr && wire_ok(&m); i++) {
		struct item item;

		item_get(&m, &item);
		uint64_t generation = wire_get_u64(&m);
		if (wire_ok(&m) && item_is_everything(&item)) {
			w->whole |= afr_bit(child);
			w->whole_generation[child] = generation;
		}
	}
	if (!f->pending)
		all_asked(f);
}

/* Whose generations count is asked for when nobody else walks any more: he may have done it. */
static void owned(struct frame *f, int child, int ret, const struct replicate_reply *reply)
{
	struct afr *afr = f->xl->priv;
	struct heal *h = heal_of(f);
	struct walk *w = h->walk;

	if (ret < 0)
		return heal_end(f, true);
	h->alone = true;
	if (w->nr)
		return walk_next(f);
	f->pending++;
	for (uint64_t to = afr->members; to; to &= to - 1)
		if (!afr_message(f, afr_lowest(to), REPL_LIST, 16, put_first, h, asked))
			w->ret = -ENOMEM;
	if (--f->pending == 0)
		all_asked(f);
}

static void put_own(struct wire *w, const void *arg)
{
	struct repl_key key = item_key(&(struct item){ .kind = ITEM_ALL });

	wire_put_u64(w, HEAL_WALK_TOKEN);
	repl_put_keys(w, &key, 1);
}

void walk_begin(struct frame *f)
{
	struct heal *h = heal_of(f);
	struct walk *w = calloc(1, sizeof *w);
	bool whole = false;

	if (!w)
		return heal_end(f, true);
	h->walk = w;
	w->source = h->source;
	for (uint32_t i = 0; i < h->nr; i++) {
		if (h->item[i].kind != ITEM_ALL)
			continue;
		whole |= item_is_everything(&h->item[i]);
		w->item[w->nr] = h->item[i];
		w->generation[w->nr++] = h->generation[i];
	}
	if (whole)
		w->nr = 0;
	heal_send(f, h->home, REPL_OWN, 32, put_own, owned);
}
