/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * tree-steps - single changes, of the tree and of its model.
 */
#include "config.h"

#include <inttypes.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/xattr.h>
#include <time.h>

#include "tree.h"

/* ---- steps: names ---- */

static void made(struct place *p, struct object *o)
{
	struct stat st;

	name_added(p, o);
	must(lstat(p->path, &st), 0, "stat of what was just made");
	check_stat(o, &st, p->path);
}

/* A free handle, or one that is closed for it. */
static struct handle *handle_for(struct object *o, int fd, int flags)
{
	struct handle *h = &handles[random_below(HANDLES)];

	if (h->o) {
		OK(close(h->fd));
		h->o->handles--;
		object_put(h->o);
	}
	*h = (struct handle){ .fd = fd, .flags = flags, .o = o };
	o->handles++;
	return h;
}

static int any_flags(void)
{
	static const int flags[] = { 0, 0, 0, O_DIRECT, O_APPEND, O_SYNC };

	return flags[random_below(sizeof flags / sizeof flags[0])];
}

static void do_create(void)
{
	struct place p;
	int how = random_below(2) ? O_EXCL : random_below(2) ? O_TRUNC : 0, flags = any_flags();
	mode_t mode = random_below(01000) | 0600;

	any_place(&p);
	tell("create %s mode %o flags %o", p.path, mode, how | flags);
	struct object *o = p.o ? NULL : object_new(REGULAR, mode & ~022);
	if (!p.o && !o)
		return;
	if (p.o && p.o->kind == FIFO)
		flags &= ~O_DIRECT;
	int fd = open(p.path, O_RDWR | O_CREAT | O_NOFOLLOW | how | flags, mode);
	if (!p.o) {
		must(fd, 0, "create");
		made(&p, o);
		handle_for(o, fd, flags);
		return;
	}
	int err = how == O_EXCL ? EEXIST : p.o->kind == DIRECTORY ? EISDIR :
		  p.o->kind == SYMLINK ? ELOOP : 0;
	must(fd, err, "open with O_CREAT of what is there");
	if (!err && how == O_TRUNC && p.o->kind == REGULAR) {
		memset(p.o->data, 0, p.o->size);
		p.o->size = 0;
		contents_changed(p.o, 0);
	}
	if (!err && p.o->kind == REGULAR)
		handle_for(p.o, fd, flags);
	else if (!err)
		OK(close(fd));
}

static void do_tmpfile(void)
{
	struct object *o = object_new(REGULAR, 0600);
	struct place p;

	if (!o)
		return;
	place_at(&p, any_directory(), 0);
	char *name = strrchr(p.path, '/');
	memcpy(name ? name + 1 : p.path, ".", 2);
	tell("O_TMPFILE in %s", p.path);
	int fd = open(p.path, O_RDWR | O_TMPFILE, 0600);
	if (fd < 0 && errno == EOPNOTSUPP)
		return object_put(o);
	must(fd, 0, "O_TMPFILE");
	o->linkable = true;
	handle_for(o, fd, 0);
}

static void do_open(void)
{
	struct place p;
	int flags = any_flags();

	if (!any_existing(&p, random_below(4) ? REGULAR : DIRECTORY))
		return;
	tell("open %s, flags %o", p.path, flags);
	if (p.o->kind == DIRECTORY) {
		must(open(p.path, O_RDWR), EISDIR, "open of a directory to write");
		flags = 0;
	}
	int fd = open(p.path, flags | (p.o->kind == DIRECTORY ? O_RDONLY : O_RDWR));
	must(fd, 0, "open");
	handle_for(p.o, fd, flags);
}

static void do_mkdir(void)
{
	struct place p;
	mode_t mode = random_below(01000) | 0700;

	any_place(&p);
	tell("mkdir %s mode %o", p.path, mode);
	struct object *o = p.o ? NULL : object_new(DIRECTORY, mode & ~022);
	if (!p.o && !o)
		return;
	must(mkdir(p.path, mode), p.o ? EEXIST : 0, "mkdir");
	if (o)
		made(&p, o);
}

static void do_symlink_or_fifo(void)
{
	struct place p;
	enum kind kind = random_below(2) ? SYMLINK : FIFO;
	char target[64];

	any_place(&p);
	tell("%s %s", kind == SYMLINK ? "symlink" : "mkfifo", p.path);
	struct object *o = p.o ? NULL : object_new(kind, 0644);
	if (!p.o && !o)
		return;
	snprintf(target, sizeof target, "target/%" PRIu32, (uint32_t)tree_step);
	must(kind == SYMLINK ? symlink(target, p.path) : mkfifo(p.path, 0644), p.o ? EEXIST : 0,
	     "symlink or mkfifo");
	if (o) {
		o->seed = (uint32_t)tree_step;
		made(&p, o);
	}
}

static void do_unlink(void)
{
	struct place p;

	any_place(&p);
	tell("unlink %s", p.path);
	must(unlink(p.path), !p.o ? ENOENT : p.o->kind == DIRECTORY ? EISDIR : 0, "unlink");
	if (p.o && p.o->kind != DIRECTORY)
		name_removed(&p);
}

static void do_rmdir(void)
{
	struct place p;

	if (!any_existing(&p, random_below(3) ? DIRECTORY : NONE))
		return;
	tell("rmdir %s", p.path);
	int err = p.o->kind != DIRECTORY ? ENOTDIR : is_empty(p.o) ? 0 : ENOTEMPTY;
	must(rmdir(p.path), err, "rmdir");
	if (!err)
		name_removed(&p);
}

static void do_link(void)
{
	struct place from, to;

	any_place(&from);
	any_place(&to);
	tell("link %s to %s", from.path, to.path);
	int err = !from.o ? ENOENT : to.o ? EEXIST : from.o->kind == DIRECTORY ? EPERM : 0;
	must(link(from.path, to.path), err, "link");
	if (!err)
		name_added(&to, from.o);
}

/* A new name for what is open: possible while it has one, or when it was made with O_TMPFILE. */
static void do_link_handle(void)
{
	struct handle *h = any_handle(REGULAR);
	struct place to;
	char self[64];

	any_place(&to);
	if (!h)
		return;
	tell("link handle %td to %s", h - handles, to.path);
	snprintf(self, sizeof self, "/proc/self/fd/%d", h->fd);
	int err = to.o ? EEXIST : h->o->nlink || h->o->linkable ? 0 : ENOENT;
	must(linkat(AT_FDCWD, self, AT_FDCWD, to.path, AT_SYMLINK_FOLLOW), err, "link of a handle");
	if (!err) {
		name_added(&to, h->o);
		h->o->linkable = false;
	}
}

static int rename_error(const struct place *from, const struct place *to, unsigned int flags)
{
	bool exchange = flags == RENAME_EXCHANGE;

	if (!from->o || (exchange && !to->o))
		return ENOENT;
	if (flags == RENAME_NOREPLACE && to->o)
		return EEXIST;
	if (from->o->kind == DIRECTORY && is_same_or_below(to->dir, from->o))
		return EINVAL;
	if (to->o && to->o->kind == DIRECTORY && is_same_or_below(from->dir, to->o))
		return exchange ? EINVAL : ENOTEMPTY;
	if (!to->o || exchange || from->o == to->o)
		return 0;
	if (from->o->kind == DIRECTORY && to->o->kind != DIRECTORY)
		return ENOTDIR;
	if (from->o->kind != DIRECTORY && to->o->kind == DIRECTORY)
		return EISDIR;
	return to->o->kind == DIRECTORY && !is_empty(to->o) ? ENOTEMPTY : 0;
}

static void do_rename(void)
{
	struct place from, to;
	unsigned int flags = random_below(2) ? 0 : 1 + random_below(2);

	any_place(&from);
	any_place(&to);
	tell("rename %s to %s, flags %u", from.path, to.path, flags);
	int err = rename_error(&from, &to, flags);
	must(renameat2(AT_FDCWD, from.path, AT_FDCWD, to.path, flags), err, "rename");
	if (err || from.o == to.o)
		return;
	from.dir->entries[from.name] = flags == RENAME_EXCHANGE ? to.o : NULL;
	to.dir->entries[to.name] = from.o;
	from.o->parent = to.dir;
	if (flags == RENAME_EXCHANGE) {
		to.o->parent = from.dir;
	} else if (to.o) {
		to.o->nlink--;
		object_put(to.o);
	}
	entries_changed(from.dir);
	entries_changed(to.dir);
}

/* In a directory that is gone nothing can be made, and it is empty. */
static void do_in_removed(void)
{
	struct handle *h = any_handle(DIRECTORY);

	if (!h || h->o->nlink)
		return;
	tell("use the removed directory %td", h - handles);
	must(openat(h->fd, "new", O_CREAT | O_RDWR, 0600), ENOENT, "create in a removed directory");
	must(mkdirat(h->fd, "new", 0700), ENOENT, "mkdir in a removed directory");
	must(fchmod(h->fd, 0701), 0, "fchmod of a removed directory");
	h->o->mode = 0701;
}

/* ---- steps: contents ---- */

/* The handle of a file and a range; aligned for O_DIRECT, and now and then for others. */
static struct handle *any_range(size_t *at, size_t *n)
{
	struct handle *h = any_handle(REGULAR);

	*at = random_below(MAX);
	*n = 1 + random_below(random_below(4) ? 10000 : MAX);
	if ((h && h->flags & O_DIRECT) || random_below(3) == 0) {
		*at &= ~(size_t)(PAGE - 1);
		*n = (*n + PAGE - 1) & ~(size_t)(PAGE - 1);
	}
	if (*at + *n > MAX)
		*n = MAX - *at;
	return h;
}

static void do_write(void)
{
	size_t at, n;
	struct handle *h = any_range(&at, &n);

	if (!h)
		return;
	if (h->flags & O_APPEND)
		at = h->o->size;
	if (at + n > MAX)
		return;
	tell("write handle %td (flags %o): %zu at %zu", h - handles, h->flags, n, at);
	fill(tree_io, n, (uint32_t)tree_step);
	ssize_t done = h->flags & O_APPEND ? write(h->fd, tree_io, n) : pwrite(h->fd, tree_io, n, at);
	if (done != (ssize_t)n)
		differs("write: %zd of %zu", done, n);
	memcpy(h->o->data + at, tree_io, n);
	contents_changed(h->o, at + n);
}

static void do_read(void)
{
	size_t at, n;
	struct handle *h = any_range(&at, &n);

	if (!h)
		return;
	tell("read handle %td (flags %o): %zu at %zu", h - handles, h->flags, n, at);
	size_t there = at >= h->o->size ? 0 : h->o->size - at < n ? h->o->size - at : n;
	ssize_t got = pread(h->fd, tree_io, n, at);
	if (got != (ssize_t)there)
		differs("read: %zd bytes, not %zu", got, there);
	check_bytes(h->o, tree_io, at, there, "read");
}

static void do_map(void)
{
	size_t at, n;
	struct handle *h = any_range(&at, &n);

	if (!h || at >= h->o->size)
		return;
	if (at + n > h->o->size)
		n = h->o->size - at;
	bool sync = random_below(2);
	tell("map handle %td: %zu at %zu, %s", h - handles, n, at, sync ? "synced" : "not synced");
	uint8_t *p = mmap(NULL, MAX, PROT_READ | PROT_WRITE, MAP_SHARED, h->fd, 0);
	if (p == MAP_FAILED)
		differs("mmap");
	check_bytes(h->o, p + at, at, n, "mapping");
	fill(p + at, n, (uint32_t)tree_step);
	memcpy(h->o->data + at, p + at, n);
	contents_changed(h->o, 0);
	h->o->mapped = true;
	if (sync)
		OK(msync(p, MAX, MS_SYNC));
	OK(munmap(p, MAX));
}

static void do_truncate(void)
{
	struct handle *h = any_handle(REGULAR);
	struct place p;
	size_t size = random_below(3) ? random_below(MAX) : 0;
	struct object *o = h ? h->o : NULL;

	if (random_below(2) && any_existing(&p, REGULAR)) {
		tell("truncate %s to %zu", p.path, size);
		must(truncate(p.path, size), 0, "truncate");
		o = p.o;
	} else if (h) {
		tell("ftruncate handle %td to %zu", h - handles, size);
		must(ftruncate(h->fd, size), 0, "ftruncate");
	} else {
		return;
	}
	if (size < o->size)
		memset(o->data + size, 0, o->size - size);
	o->size = size;
	contents_changed(o, 0);
}

static void do_fallocate(void)
{
	static const int modes[] = {
		0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_ZERO_RANGE, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
	};
	int mode = modes[random_below(sizeof modes / sizeof modes[0])];
	size_t at, n;
	struct handle *h = any_range(&at, &n);

	if (!h)
		return;
	tell("fallocate handle %td, mode %d: %zu at %zu", h - handles, mode, n, at);
	must(fallocate(h->fd, mode, at, n), 0, "fallocate");
	struct object *o = h->o;
	if ((mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) && at < o->size)
		memset(o->data + at, 0, o->size - at < n ? o->size - at : n);
	contents_changed(o, mode & FALLOC_FL_KEEP_SIZE ? 0 : at + n);
}

static void do_copy(void)
{
	size_t from, to, n, unused;
	struct handle *in = any_range(&from, &n), *out = any_range(&to, &unused);

	/* (an unaligned copy between O_DIRECT files is EINVAL on ext4) */
	if (!in || !out || in->o == out->o || out->flags & O_APPEND || from >= in->o->size ||
	    to + n > MAX || (in->flags | out->flags) & O_DIRECT)
		return;
	if (from + n > in->o->size)
		n = in->o->size - from;
	tell("copy %zu from handle %td at %zu to handle %td at %zu", n, in - handles, from,
	     out - handles, to);
	off_t in_at = from, out_at = to;
	for (size_t left = n; left;) {
		ssize_t done = copy_file_range(in->fd, &in_at, out->fd, &out_at, left, 0);

		if (done <= 0)
			differs("copy_file_range: %zd, %zu left", done, left);
		left -= done;
	}
	memcpy(out->o->data + to, in->o->data + from, n);
	contents_changed(out->o, to + n);
}

static void do_sync(void)
{
	struct handle *h = any_handle(REGULAR);

	if (!h)
		return;
	tell("sync handle %td", h - handles);
	switch (random_below(3)) {
	case 0: must(fdatasync(h->fd), 0, "fdatasync"); break;
	case 1: OK(posix_fadvise(h->fd, 0, 0, POSIX_FADV_DONTNEED)); break;
	case 2:
		must(fsync(h->fd), 0, "fsync");
		h->o->mapped = false;
		break;
	}
}

/* ---- steps: attributes ---- */

static void do_chmod(void)
{
	struct handle *h = &handles[random_below(HANDLES)];
	struct place p;
	mode_t mode = random_below(01000) | 0700;

	if (random_below(2) && h->o) {
		tell("fchmod handle %td to %o", h - handles, mode);
		must(fchmod(h->fd, mode), 0, "fchmod");
		h->o->mode = mode;
	} else if (any_existing(&p, random_below(2) ? REGULAR : DIRECTORY)) {
		tell("chmod %s to %o", p.path, mode);
		must(chmod(p.path, mode), 0, "chmod");
		p.o->mode = mode;
	}
}

static void do_utimens(void)
{
	struct handle *h = &handles[random_below(HANDLES)];
	struct place p;
	struct timespec times[2] = {
		{ .tv_nsec = UTIME_OMIT },
		{ .tv_sec = random_below(2000000000), .tv_nsec = random_below(1000000000) },
	};
	struct object *o = h->o;

	if (random_below(2) && o) {
		tell("futimens handle %td", h - handles);
		must(futimens(h->fd, times), 0, "futimens");
	} else if (any_existing(&p, NONE)) {
		tell("utimensat %s", p.path);
		must(utimensat(AT_FDCWD, p.path, times, AT_SYMLINK_NOFOLLOW), 0, "utimensat");
		o = p.o;
	} else {
		return;
	}
	o->mtime = o->mapped ? -1 : (int64_t)times[1].tv_sec * 1000000000 + times[1].tv_nsec;
}

static void do_xattr(void)
{
	static uint8_t value[4096];
	struct handle *h = &handles[random_below(HANDLES)];
	struct place p = { .path = "" };
	int i = random_below(XATTRS), fd = -1;
	struct object *o = h->o;

	if (random_below(2) && o)
		fd = h->fd;
	else if (any_existing(&p, random_below(3) ? REGULAR : DIRECTORY))
		o = p.o;
	else
		return;
	if (random_below(4) == 0) {
		tell("removexattr %s of %s (%d)", xattr_name(i), p.path, fd);
		must(fd >= 0 ? fremovexattr(fd, xattr_name(i)) : removexattr(p.path, xattr_name(i)),
		     o->xattrs[i] ? 0 : ENODATA, "removexattr");
		o->xattrs[i] = 0;
		return;
	}
	uint32_t value_seed = 1 + random_below(1u << 30);
	/* one long one, so that all of them fit in a block */
	if (i && value_seed % 10 == 0)
		value_seed++;
	size_t n = xattr_value(value_seed, value);
	int flags = random_below(2) ? 0 : random_below(2) ? XATTR_CREATE : XATTR_REPLACE;
	int err = flags == XATTR_CREATE && o->xattrs[i] ? EEXIST :
		  flags == XATTR_REPLACE && !o->xattrs[i] ? ENODATA : 0;
	tell("setxattr %s of %s (%d): %zu bytes, flags %d", xattr_name(i), p.path, fd, n, flags);
	must(fd >= 0 ? fsetxattr(fd, xattr_name(i), value, n, flags)
		     : setxattr(p.path, xattr_name(i), value, n, flags), err, "setxattr");
	if (!err)
		o->xattrs[i] = value_seed;
}

/* ---- steps that only look ---- */

static void do_check_one(void)
{
	struct place p;
	struct stat st;

	any_place(&p);
	tell("check %s", p.path);
	if (p.o)
		check_object(p.o, p.path);
	else
		must(lstat(p.path, &st), ENOENT, "stat of what is not there");
}

static void do_check_handle(void)
{
	struct handle *h = &handles[random_below(HANDLES)];

	tell("check handle %td", h - handles);
	if (h->o)
		check_handle(h);
}

void tree_one_step(void)
{
	static void (*const steps[])(void) = {
		do_create,  do_create,	 do_create, do_tmpfile,	    do_open,	  do_open,	do_mkdir,
		do_mkdir,   do_symlink_or_fifo,	    do_unlink,	    do_unlink,	  do_rmdir,	do_link,
		do_link,    do_link_handle, do_rename, do_rename,   do_rename,	  do_in_removed,
		do_write,   do_write,	 do_write,  do_write,	    do_read,	  do_read,	do_map,
		do_truncate, do_fallocate, do_copy, do_sync,	    do_chmod,	  do_utimens,	do_xattr,
		do_xattr,   do_check_one, do_check_one, do_check_handle,
	};

	tell("nothing");
	if (tree_processes > 1 && random_below(4) == 0)
		shared_step();
	else
		steps[random_below(sizeof steps / sizeof steps[0])]();
}
