/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * posix-fds.c - open files without a descriptor each.
 *
 * Clients may have many more files open than a process may have descriptors, so an open file here
 * is what is needed to open it again - identity, flags, which inode it was - and a descriptor only
 * while it is among the `limit` most recently used.  posix_fd_pin() before an operation makes sure
 * that it has one until posix_fd_unpin().  The permission was checked by the first open; opening
 * again is our own business and done as root, without O_TRUNC, and must find the same inode.
 *
 * What could not be opened again is never closed: before a descriptor goes, the handle must lead to
 * the same inode.  What has lost its last name has a handle as long as it is open (posix-unlink.c),
 * but for a directory: one descriptor is kept for each that was removed (posix-use.c).  What must be
 * kept counts; when there are `limit` of them, opening more is ENFILE.
 *
 * Errors of writing back are told by the kernel to descriptors that were open at the time.  A file
 * that was written is asked for them when its descriptor goes, and its next fsync tells.
 *
 * The lock is held for lists, never over a system call.  Called on any thread.
 *
 * Limitation: a file that somebody makes immutable or append-only in the directory itself (not through a
 * mount: posix-flags.c) while it is open for writing cannot be opened again for that: EPERM then, where a
 * descriptor would still do.
 */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "posix.h"

enum { BUCKETS_MIN = 256, CLOSE_AT_ONCE = 8, TRIES = 64 };

struct posix_fds {
	pthread_mutex_t lock;
	uint32_t limit;
	int high_water;			/* a descriptor with this number: the process has few left */
	uint32_t mask, nr;		/* of the table: all open files */
	struct posix_fd **buckets;	/* by identity */
	struct posix_fd *newest, *oldest;	/* those with a descriptor that may go */
	struct fds_stats stats;
};

struct posix_fds *fds_new(uint32_t limit, int high_water)
{
	struct posix_fds *s = calloc(1, sizeof *s);

	if (s)
		s->buckets = calloc(BUCKETS_MIN, sizeof *s->buckets);
	if (!s || !s->buckets) {
		free(s);
		return NULL;
	}
	pthread_mutex_init(&s->lock, NULL);
	s->limit = limit;
	s->high_water = high_water;
	s->mask = BUCKETS_MIN - 1;
	return s;
}

void fds_free(struct posix_fds *s)
{
	if (!s)
		return;
	assert(!s->nr);
	pthread_mutex_destroy(&s->lock);
	free(s->buckets);
	free(s);
}

struct fds_stats fds_stats(struct posix_fds *s)
{
	pthread_mutex_lock(&s->lock);
	struct fds_stats stats = s->stats;

	stats.limit = s->limit;
	pthread_mutex_unlock(&s->lock);
	return stats;
}

/* ---- lists; under the lock ----------------------------------------------------------- */

static void lru_unlink(struct posix_fds *s, struct posix_fd *pfd)
{
	if (!pfd->listed)
		return;
	*(pfd->newer ? &pfd->newer->older : &s->newest) = pfd->older;
	*(pfd->older ? &pfd->older->newer : &s->oldest) = pfd->newer;
	pfd->listed = false;
}

static void lru_link(struct posix_fds *s, struct posix_fd *pfd)
{
	lru_unlink(s, pfd);
	if (pfd->kept || pfd->dead)
		return;
	pfd->newer = NULL;
	pfd->older = s->newest;
	*(s->newest ? &s->newest->newer : &s->oldest) = pfd;
	s->newest = pfd;
	pfd->listed = true;
}

static struct posix_fd **bucket_of(struct posix_fds *s, const struct gfid *g)
{
	return &s->buckets[gfid_hash(g) & s->mask];
}

/* When there is no memory for more buckets the old ones do, slower. */
static void table_grow(struct posix_fds *s)
{
	struct posix_fd **old = s->buckets, **more = calloc(2 * (s->mask + 1), sizeof *more);
	uint32_t nr = s->mask + 1;

	if (!more)
		return;
	s->buckets = more;
	s->mask = 2 * nr - 1;
	for (uint32_t i = 0; i < nr; i++) {
		for (struct posix_fd *pfd = old[i], *next; pfd; pfd = next) {
			struct posix_fd **to = bucket_of(s, &pfd->gfid);

			next = pfd->hash_next;
			pfd->hash_next = *to;
			*to = pfd;
		}
	}
	free(old);
}

static void table_add(struct posix_fds *s, struct posix_fd *pfd)
{
	if (s->nr > s->mask)
		table_grow(s);
	struct posix_fd **to = bucket_of(s, &pfd->gfid);

	pfd->hash_next = *to;
	*to = pfd;
	s->nr++;
}

static void table_remove(struct posix_fds *s, struct posix_fd *pfd)
{
	struct posix_fd **link = bucket_of(s, &pfd->gfid);

	while (*link != pfd)
		link = &(*link)->hash_next;
	*link = pfd->hash_next;
	s->nr--;
}

static struct posix_fd *table_next(struct posix_fd *pfd, const struct gfid *g)
{
	while (pfd && !gfid_equal(&pfd->gfid, g))
		pfd = pfd->hash_next;
	return pfd;
}

static void mark_kept(struct posix_fds *s, struct posix_fd *pfd, bool kept)
{
	if (pfd->kept == kept)
		return;
	pfd->kept = kept;
	s->stats.kept += kept ? 1 : -1;
	if (kept)
		lru_unlink(s, pfd);
	else if (pfd->fd >= 0)
		lru_link(s, pfd);
}

/* ---- closing ------------------------------------------------------------------------- */

struct closing {
	int fd, buffered;
};
static const struct closing NOTHING = { -1, -1 };

/* Under the lock: what is to be closed outside of it. */
static struct closing fd_take(struct posix_fds *s, struct posix_fd *pfd)
{
	struct closing c = { pfd->fd, atomic_exchange(&pfd->buffered, -1) };

	lru_unlink(s, pfd);
	if (pfd->fd >= 0)
		s->stats.open--;
	pfd->fd = -1;
	return c;
}

static void close_both(const struct closing *c)
{
	if (c->fd >= 0)
		close(c->fd);
	if (c->buffered >= 0)
		close(c->buffered);
}

static bool is_inode(const struct posix_fd *pfd, const struct statx *stx)
{
	return stx->stx_ino == pfd->ino && stx->stx_dev_major == pfd->dev_major &&
	       stx->stx_dev_minor == pfd->dev_minor;
}

/* Does its identity still lead to it?  1, 0, -errno: not known. */
static int can_reopen(struct posix *p, const struct posix_fd *pfd)
{
	struct statx stx;
	struct posix_obj o;
	int ret = posix_obj_get(p, &pfd->gfid, pfd->directory ? S_IFDIR : S_IFREG, NULL, 0, &o);

	if (ret == 0) {
		ret = posix_statx(o.fd, o.path, o.flags, &stx);
		posix_obj_put(p, &o);
	}
	if (ret == -EMFILE || ret == -ENFILE || ret == -ENOMEM)
		return ret;
	return ret == 0 && is_inode(pfd, &stx);
}

/* Errors that happened while pages of it were written back: none waits, the range is empty. */
static void note_late_error(struct posix_fd *pfd)
{
	if ((pfd->flags & O_ACCMODE) != O_RDONLY &&
	    sync_file_range(pfd->fd, INT64_MAX - 1, 1, SYNC_FILE_RANGE_WAIT_BEFORE) < 0)
		atomic_store(&pfd->late_error, -errno);
}

/* Under the lock.  Returns pfd when it is to be freed, with *c closed, outside of it. */
static struct posix_fd *unpin(struct posix_fds *s, struct posix_fd *pfd, struct closing *c)
{
	assert(pfd->pins > 0);
	if (--pfd->pins || !pfd->dead)
		return NULL;
	*c = fd_take(s, pfd);
	return pfd;
}

/* The pin of whoever closes: nobody else does, and it is not freed.  True: it is closed. */
static bool close_pinned(struct posix *p, struct posix_fd *pfd)
{
	struct posix_fds *s = p->fds;
	struct closing c = NOTHING;
	int can = can_reopen(p, pfd);

	if (can > 0)
		note_late_error(pfd);
	pthread_mutex_lock(&s->lock);
	if (can == 0 && !pfd->dead)
		mark_kept(s, pfd, true);
	struct posix_fd *dead = unpin(s, pfd, &c);
	if (!dead && can > 0 && !pfd->pins && !pfd->kept) {
		c = fd_take(s, pfd);
		s->stats.closed++;
	} else if (!dead) {
		lru_link(s, pfd);
	}
	pthread_mutex_unlock(&s->lock);
	close_both(&c);
	free(dead);
	return c.fd >= 0;
}

/* Closes the least recently used one.  False: there is none that may go. */
static bool close_oldest(struct posix *p)
{
	struct posix_fds *s = p->fds;

	for (int i = 0; i < TRIES; i++) {
		pthread_mutex_lock(&s->lock);
		struct posix_fd *pfd = s->oldest;

		while (pfd && pfd->pins)
			pfd = pfd->newer;
		if (pfd)
			pfd->pins++;
		pthread_mutex_unlock(&s->lock);
		if (!pfd)
			return false;
		if (close_pinned(p, pfd))
			return true;
	}
	return false;
}

bool posix_fds_relieve(struct posix *p)
{
	int n = 0;

	while (n < CLOSE_AT_ONCE && close_oldest(p))
		n++;
	return n > 0;
}

/* After `fd` was opened: back to the limit. */
static void back_to_limit(struct posix *p, int fd)
{
	struct posix_fds *s = p->fds;

	pthread_mutex_lock(&s->lock);
	bool over = s->stats.open > s->limit;
	pthread_mutex_unlock(&s->lock);
	if (over)
		close_oldest(p);
	if (fd >= s->high_water)
		posix_fds_relieve(p);
}

/* ---- opening ------------------------------------------------------------------------- */

bool posix_fds_full(struct posix *p)
{
	struct posix_fds *s = p->fds;

	pthread_mutex_lock(&s->lock);
	bool full = s->stats.kept >= s->limit;
	pthread_mutex_unlock(&s->lock);
	return full;
}

int posix_fd_new(struct posix *p, int fd, const struct gfid *g, int flags, bool directory,
		 struct posix_fd **ret_pfd)
{
	struct posix_fds *s = p->fds;
	struct statx stx;
	int ret = posix_statx(fd, "", AT_EMPTY_PATH, &stx);
	struct posix_fd *pfd = ret == 0 ? calloc(1, sizeof *pfd) : NULL;

	if (!pfd) {
		close(fd);
		return ret < 0 ? ret : -ENOMEM;
	}
	*pfd = (struct posix_fd){
		.fd = fd, .flags = flags, .directory = directory, .gfid = *g, .ino = stx.stx_ino,
		.dev_major = stx.stx_dev_major, .dev_minor = stx.stx_dev_minor, .pins = 1,
	};
	atomic_init(&pfd->buffered, -1);
	pthread_mutex_lock(&s->lock);
	table_add(s, pfd);
	lru_link(s, pfd);
	s->stats.open++;
	pthread_mutex_unlock(&s->lock);
	back_to_limit(p, fd);
	posix_fd_unpin(p, pfd);
	*ret_pfd = pfd;
	return 0;
}

void posix_fd_free(struct posix *p, struct posix_fd *pfd)
{
	struct posix_fds *s = p->fds;

	if (!pfd)
		return;
	assert(!pfd->window);
	pthread_mutex_lock(&s->lock);
	table_remove(s, pfd);
	mark_kept(s, pfd, false);
	lru_unlink(s, pfd);
	pfd->dead = true;
	pfd->pins++;	/* somebody may be about to close it, or to open it again: the last one frees it */
	struct closing c = NOTHING;
	struct posix_fd *dead = unpin(s, pfd, &c);
	pthread_mutex_unlock(&s->lock);
	close_both(&c);
	free(dead);
}

static int open_again(struct posix *p, const struct posix_fd *pfd)
{
	static const struct identity root = { 0 };
	uint32_t type = pfd->directory ? S_IFDIR : S_IFREG;
	int flags = pfd->flags | (pfd->directory ? O_DIRECTORY : 0);
	int fd = posix_obj_open(p, &root, 0, &pfd->gfid, type, flags);
	struct statx stx;

	if (fd == -ESTALE) {	/* somebody may just be moving its handle */
		uses_lock_moving(p->uses);
		fd = posix_obj_open(p, &root, 0, &pfd->gfid, type, flags);
		uses_unlock_moving(p->uses);
	}
	int ret = fd < 0 ? fd : posix_statx(fd, "", AT_EMPTY_PATH, &stx);

	if (ret == 0 && !is_inode(pfd, &stx))
		ret = -ESTALE;
	if (ret == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return ret;
}

/* Several threads may come at once: the descriptor of one of them stays. */
static int fd_bring_back(struct posix *p, struct posix_fd *pfd)
{
	struct posix_fds *s = p->fds;
	int fd = open_again(p, pfd);

	if (fd < 0)
		return fd;
	pthread_mutex_lock(&s->lock);
	bool mine = pfd->fd < 0;
	if (mine) {
		pfd->fd = fd;
		s->stats.open++;
		s->stats.reopened++;
		lru_link(s, pfd);
	}
	pthread_mutex_unlock(&s->lock);
	if (!mine)
		close(fd);
	else
		back_to_limit(p, fd);
	return 0;
}

int posix_fd_pin(struct posix *p, struct posix_fd *pfd)
{
	struct posix_fds *s = p->fds;
	int ret = 0;

	pthread_mutex_lock(&s->lock);
	pfd->pins++;
	bool there = pfd->fd >= 0;
	if (there && s->newest != pfd)
		lru_link(s, pfd);
	pthread_mutex_unlock(&s->lock);
	if (!there)
		ret = fd_bring_back(p, pfd);
	if (ret < 0)
		posix_fd_unpin(p, pfd);
	return ret;
}

void posix_fd_unpin(struct posix *p, struct posix_fd *pfd)
{
	struct closing c = NOTHING;

	pthread_mutex_lock(&p->fds->lock);
	struct posix_fd *dead = unpin(p->fds, pfd, &c);
	pthread_mutex_unlock(&p->fds->lock);
	if (dead) {
		close_both(&c);
		free(dead);
	}
}

void posix_fds_count_kept(struct posix *p, int plus_or_minus)
{
	pthread_mutex_lock(&p->fds->lock);
	p->fds->stats.kept += plus_or_minus;
	pthread_mutex_unlock(&p->fds->lock);
}

/* Marks all of them; one that has no descriptor is pinned, NULL: all have one. */
static struct posix_fd *keep_next(struct posix_fds *s, const struct gfid *g, bool keep)
{
	struct posix_fd *closed = NULL;

	pthread_mutex_lock(&s->lock);
	for (struct posix_fd *pfd = *bucket_of(s, g); (pfd = table_next(pfd, g));
	     pfd = pfd->hash_next) {
		mark_kept(s, pfd, keep);
		if (pfd->fd < 0 && !closed)
			closed = pfd;
	}
	if (closed && keep)
		closed->pins++;
	pthread_mutex_unlock(&s->lock);
	return keep ? closed : NULL;
}

int posix_fds_keep(struct posix *p, const struct gfid *g)
{
	struct posix_fd *pfd;

	while ((pfd = keep_next(p->fds, g, true))) {
		int ret = fd_bring_back(p, pfd);

		posix_fd_unpin(p, pfd);
		if (ret < 0) {
			keep_next(p->fds, g, false);
			return ret;
		}
	}
	return 0;
}
