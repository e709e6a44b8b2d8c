/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* storage/posix: listings, and from identities to directories. */
#include "brick.h"

/* ---- listings ------------------------------------------------------------------------ */

struct listing {
	uint32_t nr, room;
	struct listed { char name[256]; uint64_t cookie; struct attr attr; } *entries;
};

static void listing_free(struct listing *l)
{
	free(l->entries);
	*l = (struct listing){ 0 };
}

static void listing_add(struct listing *l, const struct dirent_entry *e)
{
	if (l->nr == l->room) {
		l->room = l->room ? l->room * 2 : 64;
		l->entries = realloc(l->entries, l->room * sizeof *l->entries);
	}
	strcpy(l->entries[l->nr].name, e->name);
	l->entries[l->nr].attr = e->attr;
	l->entries[l->nr++].cookie = e->cookie;
}

/* One page: how many entries came.  *at moves on. */
static uint32_t page(struct listing *l, struct fd *fd, uint64_t *at, uint32_t size, bool plus)
{
	const struct dirent_entry *e = NULL;
	struct dirents *d;

	if (plus)
		OK(readdirp, .fd = fd, .offset = *at, .size = size);
	else
		OK(readdir, .fd = fd, .offset = *at, .size = size);
	d = plus ? R.readdirp.entries : R.readdir.entries;
	while ((e = dirents_next(d, e))) {
		ck_assert_uint_gt(e->cookie, *at);
		ck_assert_uint_lt(e->cookie, 1ull << 62);
		*at = e->cookie;
		listing_add(l, e);
	}
	return d->nr;
}

static struct listing list_all(struct fd *fd, uint32_t size, bool plus)
{
	struct listing l = { 0 };
	uint64_t at = 0;

	while (page(&l, fd, &at, size, plus))
		;
	ck_assert_uint_ge(l.nr, 2);
	ck_assert_str_eq(l.entries[0].name, ".");
	ck_assert_str_eq(l.entries[1].name, "..");
	return l;
}

static const struct listed *listing_find(const struct listing *l, const char *name)
{
	for (uint32_t i = 0; i < l->nr; i++)
		if (!strcmp(l->entries[i].name, name))
			return &l->entries[i];
	return NULL;
}

static struct fd *open_dir(struct inode *n)
{
	struct fd *fd = fd_new(n, O_RDONLY, true);

	OK(opendir, .inode = n, .fd = fd);
	return fd;
}

static void touch(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY, 0600);

	ck_assert_int_ge(fd, 0);
	close(fd);
}

START_TEST(list_the_root)
{
	brick_up("");
	struct fd *a = make_file(root(), "a");
	struct inode *d = make_dir(root(), "d");
	struct fd *dir_fd = open_dir(root());
	struct listing l;

	touch(on_disk("foreign"));	/* no identity yet */
	l = list_all(dir_fd, 4096, true);
	ck_assert_uint_eq(l.nr, 5);	/* . .. a d foreign, no .glusterfs */
	ck_assert(gfid_equal(&listing_find(&l, "a")->attr.gfid, &a->inode->gfid));
	ck_assert_uint_eq(listing_find(&l, "a")->attr.nlink, 1);
	ck_assert_uint_eq(listing_find(&l, "d")->attr.mode, S_IFDIR | 0755);
	ck_assert(gfid_is_none(&listing_find(&l, "foreign")->attr.gfid));
	ck_assert_uint_eq(listing_find(&l, "foreign")->attr.mode, S_IFREG);
	ck_assert(gfid_equal(&listing_find(&l, ".")->attr.gfid, &gfid_root));
	listing_free(&l);
	l = list_all(dir_fd, 1, false);	/* a page has one entry at least */
	ck_assert_uint_eq(l.nr, 5);
	ck_assert_uint_eq(listing_find(&l, "d")->attr.mode & S_IFMT, S_IFDIR);
	listing_free(&l);
	struct inode *n = look(root(), "foreign");
	l = list_all(dir_fd, 4096, true);
	ck_assert(gfid_equal(&listing_find(&l, "foreign")->attr.gfid, &n->gfid));
	listing_free(&l);
	inode_unref(n);
	inode_unref(d);
	fd_unref(dir_fd);
	fd_unref(a);
	brick_down();
}
END_TEST

START_TEST(cookies_are_of_names)
{
	struct listing one, two;

	brick_up("");
	struct inode *a = make_dir(root(), "a"), *b = make_dir(root(), "b");
	char name[64];

	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof name, "a/n%d", i);
		touch(on_disk(name));
		snprintf(name, sizeof name, "b/n%d", 299 - i);
		touch(on_disk(name));
	}
	struct fd *fa = open_dir(a), *fb = open_dir(b);
	one = list_all(fa, 600, false);
	two = list_all(fb, 65536, false);
	ck_assert_uint_eq(one.nr, 302);
	ck_assert_uint_eq(two.nr, 302);
	for (int i = 0; i < 302; i++) {
		ck_assert_str_eq(one.entries[i].name, two.entries[i].name);
		ck_assert_uint_eq(one.entries[i].cookie, two.entries[i].cookie);
	}
	/* any cookie, any open file, any order */
	for (int i = 300; i > 2; i -= 7) {
		struct listing l = { 0 };
		uint64_t at = one.entries[i].cookie;

		ck_assert_uint_gt(page(&l, fb, &at, 100, false), 0);
		ck_assert_str_eq(l.entries[0].name, one.entries[i + 1].name);
		listing_free(&l);
		at = 1;
		page(&l, fb, &at, 100, false);
		ck_assert_str_eq(l.entries[0].name, "..");
		listing_free(&l);
	}
	listing_free(&one);
	listing_free(&two);
	fd_unref(fa), fd_unref(fb);
	inode_unref(a), inode_unref(b);
	brick_down();
}
END_TEST

START_TEST(twenty_thousand_entries)
{
	enum { N = 20000 };
	static uint8_t seen[N];
	char name[64];

	if (seed)
		return;
	brick_up_large();
	struct inode *d = make_dir(root(), "d");
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof name, "d/entry-%d", i);
		touch(on_disk(name));
	}
	struct fd *fd = open_dir(d);
	for (int plus = 0; plus < 2; plus++) {
		struct listing l = list_all(fd, 32768, plus);

		ck_assert_uint_eq(l.nr, N + 2);
		memset(seen, 0, sizeof seen);
		for (uint32_t i = 2; i < l.nr; i++)
			ck_assert_uint_eq(seen[atoi(l.entries[i].name + 6)]++, 0);
		listing_free(&l);
	}
	fd_unref(fd);
	inode_unref(d);
	brick_down();
}
END_TEST

/* More than a window: it is read again for the rest. */
START_TEST(more_than_a_window)
{
	enum { N = 140000 };
	uint8_t *seen;
	char name[64];

	if (threads || seed)
		return;			/* once is enough */
	seen = calloc(N, 1);
	brick_up_large();
	struct inode *d = make_dir(root(), "d");
	touch(on_disk("d/f0"));
	for (int i = 1; i < N; i++) {
		snprintf(name, sizeof name, "d/f%d", i);
		if (i % 50000 == 0)
			touch(on_disk(name));	/* a file has at most 65000 links on ext4 */
		else {
			char from[64];

			snprintf(from, sizeof from, "d/f%d", i / 50000 * 50000);
			ck_assert_int_eq(link(on_disk(from), on_disk(name)), 0);
		}
	}
	struct fd *fd = open_dir(d);
	struct listing l = list_all(fd, 1 << 20, false);
	ck_assert_uint_eq(l.nr, N + 2);
	for (uint32_t i = 2; i < l.nr; i++)
		ck_assert_uint_eq(seen[atoi(l.entries[i].name + 1)]++, 0);
	listing_free(&l);
	free(seen);
	fd_unref(fd);
	inode_unref(d);
	brick_down();
}
END_TEST

START_TEST(others_change_it_meanwhile)
{
	enum { N = 400 };
	uint8_t seen[N] = { 0 };
	struct listing l = { 0 };
	char name[64];
	uint64_t at = 0;
	int made = 0;

	brick_up("");
	struct inode *d = make_dir(root(), "d");
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof name, "stays%d", i);
		fd_unref(make_file(d, name));
		snprintf(name, sizeof name, "goes%d", i);
		fd_unref(make_file(d, name));
	}
	struct fd *fd = open_dir(d);
	while (page(&l, fd, &at, 700, made % 40)) {
		for (int i = 0; i < 20; i++, made++) {
			snprintf(name, sizeof name, "goes%d", made % N);
			DO(unlink, .parent = d, .name = name);
			snprintf(name, sizeof name, "new%d", made);
			fd_unref(make_file(d, name));
		}
		if (made % 100 == 0) {		/* another open file goes on in its place */
			fd_unref(fd);
			fd = open_dir(d);
		}
	}
	for (uint32_t i = 0; i < l.nr; i++)
		if (!strncmp(l.entries[i].name, "stays", 5))
			seen[atoi(l.entries[i].name + 5)]++;
	for (int i = 0; i < N; i++)
		ck_assert_uint_eq(seen[i], 1);
	listing_free(&l);
	/* removing what is listed, as rm -r does */
	at = 0;
	while (page(&l, fd, &at, 2000, true)) {
		for (uint32_t i = 0; i < l.nr; i++)
			if (l.entries[i].name[0] != '.')
				DO(unlink, .parent = d, .name = l.entries[i].name);
		listing_free(&l);
	}
	OK(rmdir, .parent = root(), .name = "d");
	/* gone, but open: an empty directory, not an error */
	at = 0;
	ck_assert_uint_eq(page(&l, fd, &at, 2000, false), 0);
	fd_unref(fd);
	inode_unref(d);
	brick_down();
}
END_TEST

/* ---- identities ---------------------------------------------------------------------- */

START_TEST(a_thousand_levels)
{
	enum { DEEP = 1000 };
	struct gfid gfids[DEEP];

	brick_up("");
	struct inode *at = inode_ref(root());
	for (int i = 0; i < DEEP; i++) {
		struct inode *n = make_dir(at, "level");

		gfids[i] = n->gfid;
		inode_unref(at);
		at = n;
	}
	fd_unref(make_file(at, "bottom"));
	inode_unref(at);
	brick_stop();
	brick_start(" option directory-cache 16\n");
	at = inode_get(G->inodes, &gfids[DEEP - 1], S_IFDIR);
	struct inode *f = look(at, "bottom");
	OK(stat, .inode = f);
	inode_unref(f);
	inode_unref(at);
	for (int i = 0; i < DEEP; i += 97) {	/* more than the cache holds */
		at = inode_get(G->inodes, &gfids[i], 0);
		OK(stat, .inode = at);
		ck_assert(S_ISDIR(R.stat.attr.mode));
		inode_unref(at);
	}
	/* a directory in the middle moves: all below stay reachable */
	struct inode *mid = inode_get(G->inodes, &gfids[499], S_IFDIR);
	OK(rename, .oldparent = mid, .oldname = "level", .newparent = root(), .newname = "half");
	inode_unref(mid);
	at = inode_get(G->inodes, &gfids[DEEP - 2], S_IFDIR);
	OK(lookup, .parent = at, .name = "level");
	inode_unref(at);
	/* from the bottom up, or remove_tree has too long paths; all of them are cached first */
	brick_again();
	for (int i = 0; i < DEEP; i++) {
		at = inode_get(G->inodes, &gfids[i], S_IFDIR);
		OK(stat, .inode = at);
		inode_unref(at);
	}
	for (int i = DEEP - 1; i >= 0; i--) {
		struct inode *p = i == 0 || i == 500 ? inode_ref(root())
						     : inode_get(G->inodes, &gfids[i - 1], S_IFDIR);

		if (i == DEEP - 1) {
			at = inode_get(G->inodes, &gfids[i], S_IFDIR);
			OK(unlink, .parent = at, .name = "bottom");
			inode_unref(at);
		}
		OK(rmdir, .parent = p, .name = i == 500 ? "half" : "level");
		inode_unref(p);
	}
	brick_down();
}
END_TEST

START_TEST(adoption)
{
	brick_up("");
	ck_assert_int_eq(mkdir(on_disk("old"), 0750), 0);
	touch(on_disk("old/f"));
	ck_assert_int_eq(link(on_disk("old/f"), on_disk("old/g")), 0);
	ck_assert_int_eq(symlink("f", on_disk("old/l")), 0);

	struct gfid g = new_gfid();
	/* nothing to give it */
	ck_assert_int_eq(DO(lookup, .parent = root(), .name = "old"), -ENODATA);
	OK(lookup, .parent = root(), .name = "old", .gfid = g);
	ck_assert_uint_eq(R.lookup.flags, LOOKUP_ADOPTED);
	ck_assert(gfid_equal(&R.lookup.attr.gfid, &g));
	ck_assert_uint_eq(R.lookup.attr.mode, S_IFDIR | 0750);
	ck_assert(there(handle_of(&g)));
	struct inode *d = look(root(), "old"), *f = look(d, "f");
	ck_assert(gfid_equal(&d->gfid, &g));
	ck_assert_uint_eq(R.lookup.flags, LOOKUP_ADOPTED);
	ck_assert_uint_eq(R.lookup.attr.nlink, 2);
	struct inode *f2 = look(d, "g"), *l = look(d, "l");
	ck_assert_ptr_eq(f, f2);
	OK(readlink, .inode = l);
	ck_assert(buf_is(R.readlink.target, "f"));
	OK(stat, .inode = f);
	inode_unref(d), inode_unref(f), inode_unref(f2), inode_unref(l);
	brick_down();
}
END_TEST

START_TEST(lost_handles)
{
	brick_up("");
	struct fd *fd = make_file(root(), "f");
	struct inode *d = make_dir(root(), "d"), *n;
	struct gfid dg = d->gfid, fg = fd->inode->gfid;

	OK(link, .inode = fd->inode, .parent = d, .name = "f2");
	fd_unref(fd);
	inode_unref(d);
	brick_stop();
	ck_assert_int_eq(unlink(handle_of(&fg)), 0);
	ck_assert_int_eq(unlink(handle_of(&dg)), 0);
	brick_start("");
	n = inode_get(G->inodes, &dg, S_IFDIR);
	ck_assert_int_eq(DO(stat, .inode = n), -ESTALE);
	inode_unref(n);
	n = look(root(), "d");
	ck_assert(gfid_equal(&n->gfid, &dg));
	OK(stat, .inode = n);
	inode_unref(n);
	n = look(root(), "f");
	ck_assert(gfid_equal(&n->gfid, &fg));
	ck_assert_uint_eq(R.lookup.flags, 0);
	OK(stat, .inode = n);
	ck_assert_uint_eq(R.stat.attr.nlink, 2);
	inode_unref(n);

	/* moved behind our back */
	brick_stop();
	ck_assert_int_eq(rename(on_disk("d"), on_disk("e")), 0);
	brick_start("");
	n = look(root(), "e");
	ck_assert(gfid_equal(&n->gfid, &dg));
	OK(stat, .inode = n);
	inode_unref(n);
	brick_down();
}
END_TEST

/* cp -a of files with their xattrs: two objects must not have one identity. */
START_TEST(copied_identities)
{
	brick_up("");
	struct fd *fd = make_file(root(), "f");
	struct inode *d = make_dir(root(), "d"), *n;
	struct gfid dg = d->gfid, fg = fd->inode->gfid;

	touch(on_disk("f-copy"));
	setxattr(on_disk("f-copy"), "trusted.gfid", &fg, 16, 0);
	mkdir(on_disk("d-copy"), 0700);
	setxattr(on_disk("d-copy"), "trusted.gfid", &dg, 16, 0);
	touch(on_disk("junk"));
	setxattr(on_disk("junk"), "trusted.gfid", "junk", 4, 0);
	touch(on_disk("root"));
	setxattr(on_disk("root"), "trusted.gfid", &gfid_root, 16, 0);
	static const char *const copies[] = { "f-copy", "d-copy", "junk", "root" };
	for (int i = 0; i < 4; i++) {
		n = look(root(), copies[i]);
		ck_assert_uint_eq(R.lookup.flags, LOOKUP_ADOPTED);
		ck_assert(!gfid_equal(&n->gfid, &fg) && !gfid_equal(&n->gfid, &dg));
		OK(stat, .inode = n);
		inode_unref(n);
	}
	n = look(root(), "f");
	ck_assert(gfid_equal(&n->gfid, &fg));
	inode_unref(n);
	n = look(root(), "d");
	ck_assert(gfid_equal(&n->gfid, &dg));
	inode_unref(n);
	fd_unref(fd);
	inode_unref(d);
	brick_down();
}
END_TEST

START_TEST(nothing_escapes)
{
	brick_up("");
	struct inode *d = make_dir(root(), "d"), *e = make_dir(d, "e");
	struct gfid eg = e->gfid, dg = d->gfid;
	char outside[200];

	inode_unref(e);
	inode_unref(d);
	brick_stop();
	/* what was a directory leads out of the brick now */
	snprintf(outside, sizeof outside, "%s/outside", base);
	mkdir(outside, 0700);
	ck_assert_int_eq(rename(on_disk("d/e"), on_disk("e-was")), 0);
	ck_assert_int_eq(symlink(outside, on_disk("d/e")), 0);
	brick_start("");
	e = inode_get(G->inodes, &eg, S_IFDIR);
	ck_assert_int_eq(DO(lookup, .parent = e, .name = "x"), -ESTALE);
	struct inode *n = new_inode(S_IFDIR);
	ck_assert_int_eq(DO(mkdir, .parent = e, .name = "x", .inode = n), -ESTALE);
	inode_unref(n);
	/* and a handle that leads out */
	ck_assert_int_eq(unlink(handle_of(&eg)), 0);
	ck_assert_int_eq(symlink(outside, handle_of(&eg)), 0);
	ck_assert_int_lt(DO(lookup, .parent = e, .name = "x"), 0);
	ck_assert_int_eq(unlink(handle_of(&eg)), 0);
	ck_assert_int_eq(
		symlink("../../aa/bb/00000000-0000-0000-0000-000000000001/..", handle_of(&eg)), 0);
	ck_assert_int_lt(DO(lookup, .parent = e, .name = "x"), 0);
	/* a client that claims that a directory is a file */
	struct inode *lie = inode_get(G->inodes, &dg, S_IFREG);
	lie->type = S_IFREG;
	struct fd *fd = fd_new(lie, O_RDWR, false);
	ck_assert_int_lt(DO(open, .inode = lie, .fd = fd, .flags = O_RDWR | O_TRUNC), 0);
	ck_assert_int_lt(DO(open, .inode = lie, .fd = fd, .flags = O_RDWR), 0);
	ck_assert_int_lt(DO(truncate, .inode = lie, .size = 0), 0);
	fd_unref(fd);
	inode_unref(lie);
	inode_unref(e);
	rmdir(outside);
	brick_down();
}
END_TEST

BRICK_MAIN("storage/posix directories", list_the_root, cookies_are_of_names,
	   twenty_thousand_entries, more_than_a_window, others_change_it_meanwhile,
	   a_thousand_levels, adoption, lost_handles, copied_identities, nothing_escapes)
