/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * posix-dir.c - listing directories.
 *
 * A listing is sorted by the hash of the names, and the hash is the cookie: so it can be continued
 * after any cookie, on another descriptor, after a restart, and on another replica, and an entry
 * that stays is given exactly once whatever is made and removed meanwhile.  (The kernel's own
 * offsets are none of that.)
 *
 * As a file system gives names in an order of its own, the directory is read as a whole and the
 * WINDOW smallest hashes after the cookie are kept, sorted, in the open file; a directory with more
 * entries is read again for the next window.  A listing from the start always reads it anew.
 *
 * Two names may have the same hash: a page or a window never ends between them.
 *
 * A window of a large directory is about 3 MB, and it is of use only while a listing goes on: it
 * goes with the end of the listing, and when all of them are more than listing-memory, the one
 * that was not used for the longest time goes and is read again when it is wanted.  For that the
 * loop keeps them in a list (begin and finish; run() is on a worker while listings > 0).
 *
 * Limitation: n / WINDOW scans for n entries.
 */
#include <dirent.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <xxhash.h>

#include "posix.h"

enum {
	WINDOW = 65536, SCAN_BYTES = 256 << 10,
	COOKIE_DOT = 1, COOKIE_DOTDOT = 2,		/* those of names are larger */
	LONG_DIRECTORY = 32 << 10,			/* st_size: more than a few hundred names */
	/* entries with attributes; about their bytes on disk, too */
	LONG_PAGE = 64,
	LONG_PAGE_PLAIN = 256,				/* entries without */
	/* bytes of an answer, whatever was asked for */
	PAGE_MAX = 1 << 20,
};

struct entry {
	uint64_t cookie;
	uint32_t name;			/* where in names */
	uint8_t type;			/* DT_* */
};

struct posix_window {			/* all entries with from < cookie <= the last one's */
	uint64_t from;
	bool complete;			/* there are none after the last */
	bool gone;			/* the directory was removed: not even "." is there */
	size_t nr, room;
	struct entry *entries;
	char *names;
	size_t names_used, names_room;
	/* loop only: */
	TAILQ_ENTRY(posix_window) link;	/* p->windows, most recently used last */
	struct posix_fd *pfd;
	size_t counted;			/* bytes of it in p->window_bytes */
};

struct kernel_dirent {			/* struct linux_dirent64 */
	uint64_t ino, off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

static uint64_t name_cookie(const char *name, size_t len)
{
	uint64_t h = XXH3_64bits(name, len) >> 2;

	return h > COOKIE_DOTDOT ? h : h + COOKIE_DOTDOT + 1;
}

/* ---- windows ------------------------------------------------------------------------- */

static void window_uncount(struct posix *p, struct posix_window *w)
{
	if (!w->counted)
		return;
	p->window_bytes -= w->counted;
	w->counted = 0;
	TAILQ_REMOVE(&p->windows, w, link);
}

void posix_window_free(struct posix *p, struct posix_fd *pfd)
{
	struct posix_window *w = pfd->window;

	if (!w)
		return;
	window_uncount(p, w);
	free(w->entries);
	free(w->names);
	free(w);
	pfd->window = NULL;
}

/* Back to listing-memory, as far as windows are not in use. */
static void windows_shrink(struct posix *p)
{
	struct posix_window *w, *next;

	for (w = TAILQ_FIRST(&p->windows); w && p->window_bytes > p->listing_memory; w = next) {
		next = TAILQ_NEXT(w, link);
		if (!w->pfd->listings) {
			posix_window_free(p, w->pfd);
			p->windows_dropped++;
		}
	}
}

static int window_add(struct posix_window *w, uint64_t cookie, uint8_t type, const char *name,
		      size_t len)
{
	if (w->nr == w->room) {
		size_t room = w->room ? w->room * 2 : 128;
		struct entry *e = realloc(w->entries, room * sizeof *e);

		if (!e)
			return -ENOMEM;
		w->entries = e;
		w->room = room;
	}
	if (w->names_room - w->names_used < len + 1) {
		size_t room = w->names_room ? w->names_room * 2 : 4096;
		char *names = realloc(w->names, room);

		if (!names)
			return -ENOMEM;
		w->names = names;
		w->names_room = room;
	}
	w->entries[w->nr++] = (struct entry){ cookie, (uint32_t)w->names_used, type };
	memcpy(w->names + w->names_used, name, len + 1);
	w->names_used += len + 1;
	return 0;
}

static int entry_compare(const void *a, const void *b, void *names)
{
	const struct entry *x = a, *y = b;

	if (x->cookie != y->cookie)
		return x->cookie < y->cookie ? -1 : 1;
	return strcmp((char *)names + x->name, (char *)names + y->name);
}

static void window_sort(struct posix_window *w)
{
	if (w->nr)
		qsort_r(w->entries, w->nr, sizeof w->entries[0], entry_compare, w->names);
}

/* Keeps the WINDOW smallest (and those with the hash of the last of them).  0 or -ENOMEM. */
static int window_cut(struct posix_window *w)
{
	size_t nr = WINDOW, used = 0;

	window_sort(w);
	if (w->nr <= nr)
		return 0;
	while (nr < w->nr && w->entries[nr].cookie == w->entries[nr - 1].cookie)
		nr++;
	if (nr == w->nr)
		return 0;
	w->nr = nr;
	w->complete = false;

	char *names = malloc(w->names_room);

	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++) {
		size_t len = strlen(w->names + w->entries[i].name) + 1;

		memcpy(names + used, w->names + w->entries[i].name, len);
		w->entries[i].name = (uint32_t)used;
		used += len;
	}
	free(w->names);
	w->names = names;
	w->names_used = used;
	return 0;
}

/* Adds what one getdents64 gave.  *cutoff: cookies above it need not be kept. */
static int window_take(struct posix_window *w, const char *bytes, size_t size, bool root,
		       uint64_t *cutoff)
{
	for (size_t at = 0; at < size; ) {
		const struct kernel_dirent *k = (const struct kernel_dirent *)(bytes + at);
		size_t len = strlen(k->name);
		uint64_t cookie = name_cookie(k->name, len);
		int ret = 0;

		at += k->reclen;
		if (!strcmp(k->name, ".") || !strcmp(k->name, "..") ||
		    (root && !strcmp(k->name, POSIX_DIR)))
			continue;
		if (cookie <= w->from)
			continue;
		if (cookie > *cutoff) {
			w->complete = false;
			continue;
		}
		ret = window_add(w, cookie, k->type, k->name, len);
		if (ret == 0 && w->nr >= 2 * WINDOW) {
			ret = window_cut(w);
			*cutoff = w->entries[w->nr - 1].cookie;
		}
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* Reads the directory for the entries after `from`.  0 or -errno; the window is empty then. */
static int window_scan(struct posix_fd *pfd, uint64_t from, bool root)
{
	struct posix_window *w = pfd->window;
	uint64_t cutoff = UINT64_MAX;
	char *bytes = malloc(SCAN_BYTES);
	int ret = bytes ? 0 : -ENOMEM;

	w->nr = w->names_used = 0;
	w->from = from;
	w->complete = true;
	w->gone = false;
	if (ret == 0 && lseek(pfd->fd, 0, SEEK_SET) < 0)
		ret = -errno;
	while (ret == 0) {
		long n = syscall(SYS_getdents64, pfd->fd, bytes, (size_t)SCAN_BYTES);

		w->gone = n < 0 && errno == ENOENT;
		if (n == 0 || w->gone)
			break;
		ret = n < 0 ? -errno : window_take(w, bytes, (size_t)n, root, &cutoff);
	}
	free(bytes);
	if (ret == 0)
		ret = window_cut(w);
	if (ret < 0) {
		w->nr = 0;
		w->complete = false;
	}
	return ret;
}

static bool window_serves(const struct posix_window *w, uint64_t offset)
{
	if (!w || offset == 0)
		return false;
	if (offset < w->from)
		return offset >= COOKIE_DOT && w->from == COOKIE_DOTDOT && (w->complete || w->nr);
	return w->complete || (w->nr && offset < w->entries[w->nr - 1].cookie);
}

/* The first entry after `offset`, or nr. */
static size_t window_find(const struct posix_window *w, uint64_t offset)
{
	size_t low = 0, high = w->nr;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (w->entries[mid].cookie <= offset)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* ---- pages --------------------------------------------------------------------------- */

struct page {
	struct posix_op *op;
	struct fd *fd;
	struct dirents *out;
	uint64_t at;			/* cookie of the last entry that was dealt with */
	size_t used, size;
	bool plus;
};

/* Bytes of a struct linux_dirent64, by which the size of a page is told. */
static size_t entry_size(size_t name_len)
{
	return (offsetof(struct kernel_dirent, name) + name_len + 1 + 7) & ~(size_t)7;
}

/* 0: filled; -ENOENT: it is gone; -errno */
static int entry_attr(const struct page *pg, const char *name, uint8_t type, struct attr *a)
{
	struct statx stx;
	struct gfid g;
	int ret;

	*a = (struct attr){ .mode = DTTOIF(type) };
	if (!pg->plus && type != DT_UNKNOWN) {
		/* the number of the entry comes from its identity */
		ret = posix_gfid_get(pg->op->pfd->fd, name, &a->gfid);
		return ret == -ENODATA ? 0 : ret;
	}
	ret = posix_statx(pg->op->pfd->fd, name, AT_SYMLINK_NOFOLLOW, &stx);
	if (ret < 0)
		return ret;
	a->mode = stx.stx_mode & S_IFMT;
	ret = posix_gfid_get(pg->op->pfd->fd, name, &g);
	if (ret == 0)
		a->gfid = g;
	/* without a handle yet: a lookup makes it */
	if (ret == 0 && pg->plus && (stx.stx_nlink > 1 || S_ISDIR(stx.stx_mode)))
		posix_attr_fill(a, &stx, &g);
	return ret == -ENODATA ? 0 : ret;
}

static int page_add(struct page *pg, const char *name, uint64_t cookie, const struct attr *a)
{
	size_t len = strlen(name);

	pg->used += entry_size(len);
	pg->at = cookie;
	return dirents_add(pg->out, name, len, cookie, a);
}

static int page_dots(struct page *pg)
{
	const struct gfid *g = &pg->fd->inode->gfid;
	struct attr a = { .mode = S_IFDIR, .gfid = *g };
	int ret = 0;

	if (pg->at < COOKIE_DOT) {
		if (pg->plus)
			ret = posix_attr_at(pg->op->pfd->fd, "", AT_EMPTY_PATH,
					    g, &a);
		if (ret == 0)
			ret = page_add(pg, ".", COOKIE_DOT, &a);
	}
	if (ret == 0 && pg->at < COOKIE_DOTDOT) {
		a = (struct attr){ .mode = S_IFDIR };
		if (posix_handle_parent(pg->op->p, g, &a.gfid) < 0)
			a.gfid = gfid_none;
		ret = page_add(pg, "..", COOKIE_DOTDOT, &a);
	}
	return ret;
}

/* Fills the page from the window.  1: the page is full, 0: the window has no more, -errno. */
static int page_fill(struct page *pg)
{
	const struct posix_window *w = pg->op->pfd->window;

	for (size_t i = window_find(w, pg->at); i < w->nr; i++) {
		const struct entry *e = &w->entries[i];
		const char *name = w->names + e->name;
		struct attr a;
		int ret;

		if (pg->out->nr && e->cookie != pg->at &&
		    (pg->used + entry_size(strlen(name)) > pg->size || pg->out->used > PAGE_MAX))
			return 1;
		ret = entry_attr(pg, name, e->type, &a);
		if (ret == 0)
			ret = page_add(pg, name, e->cookie, &a);
		else if (ret == -ENOENT)
			ret = 0;
		if (ret < 0)
			return ret;
		pg->at = e->cookie;
	}
	return 0;
}

static int page_run(struct page *pg)
{
	struct posix_fd *pfd = pg->op->pfd;
	bool root = gfid_equal(&pg->fd->inode->gfid, &gfid_root);
	int ret = 0;

	if (!pfd->window && !(pfd->window = calloc(1, sizeof *pfd->window)))
		return -ENOMEM;
	if (!window_serves(pfd->window, pg->at))
		ret = window_scan(pfd, pg->at < COOKIE_DOTDOT ? COOKIE_DOTDOT : pg->at, root);
	if (ret == 0 && !pfd->window->gone)
		ret = page_dots(pg);
	while (ret == 0) {
		ret = page_fill(pg);
		if (ret || pfd->window->complete || pg->out->nr)
			break;
		/* all that the window had is gone, and there is more */
		ret = window_scan(pfd, pg->at, root);
	}
	return ret < 0 ? ret : 0;
}

void posix_readdir_run(struct posix_op *op)
{
	/* readdir and readdirp have the same arguments and answers */
	const struct readdir_args *a = op->args;
	struct page pg = { .op = op, .fd = a->fd, .at = a->offset, .size = a->size,
			   .plus = op->frame->op == FOP_readdirp };

	_Static_assert(sizeof(struct readdir_args) == sizeof(struct readdirp_args), "");
	if (!op->pfd->directory) {
		op->ret = -ENOTDIR;
		return;
	}
	pg.out = op->reply.readdir.entries = dirents_new();
	op->ret = pg.out ? page_run(&pg) : -ENOMEM;
}

int posix_readdir_begin(struct posix_op *op)
{
	op->lists = true;
	op->pfd->listings++;
	return 0;
}

void posix_readdir_finish(struct posix_op *op)
{
	struct posix_fd *pfd = op->pfd;
	struct posix *p = op->p;

	if (!op->lists)
		return;			/* it was not even begun */
	pfd->listings--;
	struct posix_window *w = pfd->window;
	if (!w)
		return;
	if (pfd->listings == 0 && op->ret >= 0 && op->reply.readdir.entries->nr == 0)
		return posix_window_free(p, pfd);
	window_uncount(p, w);
	w->pfd = pfd;
	w->counted = sizeof *w + w->room * sizeof *w->entries + w->names_room;
	p->window_bytes += w->counted;
	TAILQ_INSERT_TAIL(&p->windows, w, link);
	windows_shrink(p);
}

bool posix_readdir_is_long(struct posix_op *op)
{
	const struct readdir_args *a = op->args;
	const struct posix_window *w = op->pfd->window;
	bool scan = !window_serves(w, a->offset);
	size_t nr = a->size / entry_size(8), there;

	if (scan && op->pfd->dir_size > LONG_DIRECTORY)
		return true;
	there = scan ? op->pfd->dir_size / LONG_PAGE : w->nr - window_find(w, a->offset);
	return (nr < there ? nr : there) >
	       (op->frame->op == FOP_readdir ? LONG_PAGE_PLAIN : LONG_PAGE);
}
