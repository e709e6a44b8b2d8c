/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * tree-model - what the tree of tree.c should be like, and whether it is.
 */
#include "config.h"

#include <dirent.h>
#include <inttypes.h>
#include <sys/xattr.h>

#include "tree.h"

struct object objects[OBJECTS], *const root = &objects[0];
struct handle handles[HANDLES];

static const char *name_of(int name)
{
	static char longest[221];
	static const char *const names[NAMES] = {
		"a", "b.c", "with space", "\xff\n\\", "Ünï", longest, "-rf",
	};

	if (!longest[0])
		memset(longest, 'n', sizeof longest - 1);
	return names[name];
}

static void append_path(const struct object *dir, char *path)
{
	if (dir == root)
		return;
	append_path(dir->parent, path);
	for (int i = 0; i < NAMES; i++) {
		if (dir->parent->entries[i] != dir)
			continue;
		size_t n = strlen(path);
		snprintf(path + n, PATH_MAX - n, "%s/", name_of(i));
	}
}

void place_at(struct place *p, struct object *dir, int name)
{
	*p = (struct place){ .dir = dir, .name = name, .o = dir->entries[name] };
	append_path(dir, p->path);
	size_t n = strlen(p->path);
	snprintf(p->path + n, sizeof p->path - n, "%s", name_of(name));
}

static bool is_linked_directory(const struct object *o)
{
	return o->kind == DIRECTORY && o->nlink;
}

struct object *any_directory(void)
{
	struct object *o;

	do
		o = &objects[random_below(OBJECTS)];
	while (!is_linked_directory(o));
	return o;
}

void any_place(struct place *p)
{
	place_at(p, any_directory(), random_below(NAMES));
}

/* A place where there is an object of this kind (NONE: any). Is there one? */
bool any_existing(struct place *p, enum kind kind)
{
	for (int try = 0; try < 50; try++) {
		any_place(p);
		if (p->o && (kind == NONE || p->o->kind == kind))
			return true;
	}
	return false;
}

struct handle *any_handle(enum kind kind)
{
	for (int try = 0; try < 20; try++) {
		struct handle *h = &handles[random_below(HANDLES)];

		if (h->o && h->o->kind == kind)
			return h;
	}
	return NULL;
}

/* NULL when there are as many as we want. */
struct object *object_new(enum kind kind, mode_t mode)
{
	int directories = 0;

	for (int i = 0; i < OBJECTS; i++)
		directories += objects[i].kind == DIRECTORY;
	if (kind == DIRECTORY && directories >= DIRECTORIES)
		return NULL;
	for (int i = 0; i < OBJECTS; i++) {
		if (objects[i].kind != NONE)
			continue;
		uint8_t *data = objects[i].data ? objects[i].data : malloc(MAX);
		if (!data)
			return NULL;
		memset(data, 0, MAX);
		objects[i] = (struct object){ .kind = kind, .mode = mode, .mtime = -1, .data = data };
		return &objects[i];
	}
	return NULL;
}

void object_put(struct object *o)
{
	if (o && !o->nlink && !o->handles)
		o->kind = NONE;
}

void entries_changed(struct object *dir)
{
	dir->mtime = -1;
}

void name_added(struct place *p, struct object *o)
{
	p->dir->entries[p->name] = o;
	o->nlink++;
	o->parent = p->dir;
	entries_changed(p->dir);
}

void name_removed(struct place *p)
{
	p->dir->entries[p->name] = NULL;
	p->o->nlink--;
	entries_changed(p->dir);
	object_put(p->o);
}

bool is_empty(const struct object *dir)
{
	for (int i = 0; i < NAMES; i++)
		if (dir->entries[i])
			return false;
	return true;
}

bool is_same_or_below(const struct object *o, const struct object *above)
{
	for (; o != root; o = o->parent)
		if (o == above)
			return true;
	return above == root;
}

static unsigned int wanted_nlink(const struct object *o)
{
	if (o->kind != DIRECTORY)
		return o->nlink;
	unsigned int n = o->nlink ? 2 : 0;
	for (int i = 0; i < NAMES; i++)
		n += o->entries[i] && o->entries[i]->kind == DIRECTORY;
	return n;
}

void contents_changed(struct object *o, size_t end)
{
	if (end > o->size)
		o->size = end;
	o->mtime = -1;
}

/* ---- is it like the model? ---- */

void check_stat(struct object *o, const struct stat *st, const char *what)
{
	static const mode_t types[] = { 0, S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO };

	errno = 0;
	if ((st->st_mode & S_IFMT) != types[o->kind])
		differs("%s: type %o", what, st->st_mode & S_IFMT);
	if (o->kind != SYMLINK && (st->st_mode & 07777) != o->mode)
		differs("%s: mode %o, not %o", what, st->st_mode & 07777, o->mode);
	if (st->st_nlink != wanted_nlink(o))
		differs("%s: link count %ju, not %u", what, (uintmax_t)st->st_nlink, wanted_nlink(o));
	if (o->ino && st->st_ino != o->ino)
		differs("%s: number %ju, not %ju", what, (uintmax_t)st->st_ino, (uintmax_t)o->ino);
	o->ino = st->st_ino;
	if (o->kind == REGULAR && (size_t)st->st_size != o->size)
		differs("%s: size %jd, not %zu", what, (intmax_t)st->st_size, o->size);
	int64_t mtime = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
	if (o->mtime >= 0 && mtime != o->mtime)
		differs("%s: mtime %jd, not %jd", what, (intmax_t)mtime, (intmax_t)o->mtime);
}

void check_bytes(const struct object *o, const uint8_t *got, size_t at, size_t n,
			const char *what)
{
	if (memcmp(got, o->data + at, n) == 0)
		return;
	while (*got == o->data[at]) {
		got++;
		at++;
	}
	errno = 0;
	differs("%s: byte %zu of %zu is %02x, not %02x", what, at, o->size, *got, o->data[at]);
}

static void check_contents(const struct object *o, int fd, const char *what)
{
	ssize_t n = pread(fd, tree_io, MAX, 0);

	if (n != (ssize_t)o->size)
		differs("%s: %zd bytes of %zu were read", what, n, o->size);
	check_bytes(o, tree_io, 0, n, what);
}

size_t xattr_value(uint32_t value_seed, uint8_t *value)
{
	size_t n = value_seed % 10 ? value_seed % 300 : 1500 + value_seed % 1000;

	fill(value, n, value_seed);
	return n;
}

const char *xattr_name(int i)
{
	static const char *const names[XATTRS] = { "user.a", "user.b.c", "trusted.test", "user.\xfe" };

	return names[i];
}

/* fd: of what is open, or -1 for a path. */
static void check_xattrs(const struct object *o, int fd, const char *path)
{
	static uint8_t got[4096], value[4096];
	char list[1024];
	size_t wanted_length = 0;

	for (int i = 0; i < XATTRS; i++) {
		ssize_t n = fd >= 0 ? fgetxattr(fd, xattr_name(i), got, sizeof got)
				    : lgetxattr(path, xattr_name(i), got, sizeof got);

		if (!o->xattrs[i]) {
			must((int)n, ENODATA, "getxattr of what is not there");
			continue;
		}
		wanted_length += strlen(xattr_name(i)) + 1;
		size_t wanted = xattr_value(o->xattrs[i], value);
		if (n != (ssize_t)wanted || memcmp(got, value, wanted) != 0)
			differs("%s of %s: %zd bytes", xattr_name(i), path, n);
	}
	ssize_t n = fd >= 0 ? flistxattr(fd, list, sizeof list) : llistxattr(path, list, sizeof list);
	if (n != (ssize_t)wanted_length)
		differs("the list of attributes of %s: %zd bytes, not %zu", path, n, wanted_length);
	for (char *name = list; name < list + n; name += strlen(name) + 1) {
		int i = 0;

		while (i < XATTRS && (!o->xattrs[i] || strcmp(name, xattr_name(i)) != 0))
			i++;
		if (i == XATTRS)
			differs("%s is in the list of attributes of %s", name, path);
	}
}

static void check_entry(const struct object *dir, const struct dirent *d, bool *found)
{
	static const unsigned char types[] = { 0, DT_REG, DT_DIR, DT_LNK, DT_FIFO };

	for (int i = 0; i < NAMES; i++) {
		const struct object *o = dir->entries[i];

		if (strcmp(d->d_name, name_of(i)) != 0)
			continue;
		if (!o || found[i])
			differs("readdir: %s should not be there (again)", d->d_name);
		if (d->d_type != types[o->kind] || (o->ino && d->d_ino != o->ino))
			differs("readdir: %s has type %u and number %ju", d->d_name, d->d_type,
				(uintmax_t)d->d_ino);
		found[i] = true;
		return;
	}
	if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
		differs("readdir: nobody made %s", d->d_name);
}

/* takes the descriptor */
static void check_entries(const struct object *dir, int fd, const char *what)
{
	bool found[NAMES] = { false };
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!d)
		differs("%s cannot be opened", what);
	while (errno = 0, entry = readdir(d))
		check_entry(dir, entry, found);
	if (errno)
		differs("readdir of %s", what);
	for (int i = 0; i < NAMES; i++)
		if (dir->entries[i] && !found[i])
			differs("readdir of %s: %s is missing", what, name_of(i));
	OK(closedir(d));
}

static void check_target(const struct object *o, const char *path)
{
	char got[64], wanted[64];
	ssize_t n = readlink(path, got, sizeof got);

	snprintf(wanted, sizeof wanted, "target/%" PRIu32, o->seed);
	if (n != (ssize_t)strlen(wanted) || memcmp(got, wanted, n) != 0)
		differs("readlink of %s: %zd bytes", path, n);
}

void check_object(struct object *o, const char *path)
{
	struct stat st;

	must(lstat(path, &st), 0, "stat");
	check_stat(o, &st, path);
	if (o->kind == SYMLINK) {
		check_target(o, path);
	} else if (o->kind == DIRECTORY) {
		check_xattrs(o, -1, path);
		check_entries(o, open(path, O_RDONLY | O_DIRECTORY), path);
	} else if (o->kind == REGULAR) {
		int fd = open(path, O_RDONLY | O_NOFOLLOW);

		check_xattrs(o, -1, path);
		must(fd, 0, "open to read");
		check_contents(o, fd, path);
		OK(close(fd));
	}
}

void check_handle(const struct handle *h)
{
	struct stat st;
	char self[64];

	snprintf(self, sizeof self, "/proc/self/fd/%d", h->fd);
	must(fstat(h->fd, &st), 0, "fstat");
	check_stat(h->o, &st, "an open file");
	check_xattrs(h->o, h->fd, "an open file");
	if (h->o->kind == DIRECTORY && h->o->nlink)
		return check_entries(h->o, openat(h->fd, ".", O_RDONLY | O_DIRECTORY), "a handle");
	if (h->o->kind != REGULAR)
		return;
	check_contents(h->o, h->fd, "an open file");
	int fd = open(self, O_RDONLY);
	must(fd, 0, "open again through /proc/self/fd");
	check_contents(h->o, fd, "what was opened again");
	OK(close(fd));
}

void check_all(void)
{
	struct place p;
	struct stat st;

	check_object(root, ".");
	for (int i = 0; i < OBJECTS; i++) {
		for (int name = 0; is_linked_directory(&objects[i]) && name < NAMES; name++) {
			place_at(&p, &objects[i], name);
			if (p.o)
				check_object(p.o, p.path);
			else
				must(lstat(p.path, &st), ENOENT, "stat of what is not there");
		}
	}
	for (int i = 0; i < HANDLES; i++)
		if (handles[i].o)
			check_handle(&handles[i]);
}
