/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * replica-dirty-log.c - an append-only log of records, in batches.
 *
 *	file	magic (16 bytes), batches
 *	batch	u32 magic | u32 length | u64 safe | u64 checksum of all the rest | records
 *
 * `safe` is how much of the file was on stable storage when the batch was made.  A bad batch at a place below the
 * `safe` of a good one behind it had been acknowledged: the disk has damaged it.  Otherwise it is the torn end of a write
 * that nobody was told of, and is cut off.
 *
 * One job at a time is at work.  All that is appended meanwhile is the next batch (group commit).  The records of a batch
 * that failed are put before the next one: the log has no holes.
 *
 * When more than half of it does not count any more, the log is written anew beside the old one, which goes on meanwhile,
 * slice by slice in turns with the batches.  What was appended to the old log since the last slice goes before the next
 * one: the new log has the order in which things happened.  The last slice ends with the rename.
 *
 * Limitation: while a slice is written and synced (some milliseconds), batches wait.
 */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "replica-dirty-log.h"
#include "replica-waiters.h"

enum {
	FILE_HEADER = 16, HEADER = 24,
	BATCH_MAX = 128 << 20,		/* what is longer is no batch */
	PENDING_MOST = 16 << 20,	/* a log that is so much in arrears takes no more */
	LAZY = 64 << 10,		/* records that nobody waits for are written when they are so many */
	KEEP = 1 << 20,			/* a larger buffer is given back when it is empty */
	REWRITE_MIN = 1 << 20,
	RESERVE = 1 << 20,		/* room that the log has when the disk is full: about 20,000 records */
};
#define BATCH_MAGIC 0x7962fe1du
static const uint8_t file_magic[FILE_HEADER] = "gluster dirty 1\n";

enum job { NO_JOB, BATCH, SLICE, LAST_SLICE };

struct dlog {
	const struct dlog_owner *type;
	void *owner;
	struct pool *pool;
	int dirfd, fd, new_fd;
	char name[48], new_name[56];
	struct bytes pending;		/* the batch that is appended to; its header first, or empty */
	struct bytes writing;		/* (job BATCH) */
	struct bytes tail;		/* rewriting: what was written to the old log since the last slice */
	struct bytes slice;		/* (jobs SLICE, LAST_SLICE) */
	uint64_t end, new_end;		/* of the logs, all of it on stable storage */
	uint64_t reserved;		/* up to here the log has room on the disk */
	uint64_t number, durable;	/* of `pending`; of the last one written */
	struct waiters now, next;	/* of `writing`, of `pending` */
	enum job job;
	int ret;			/* of the job */
	int error;			/* of the last batch */
	bool wanted;			/* somebody waits for `pending` */
	bool broken;			/* records were lost for want of memory: nothing is durable any more */
	bool dir_unsynced;		/* the log was renamed, which may not be on stable storage */
	bool rewriting, after_batch, stopped;
	bool closed;			/* by its owner in the middle of a job */
	uint64_t place[2];		/* rewriting: the owner's */
	uint64_t rewrite_min, retry_at;
	uint64_t batches, syncs, rewrites;
	struct work work;
};

/* ---- bytes ---------------------------------------------------------------------------------- */

static int bytes_reserve(struct bytes *b, size_t more)
{
	size_t size = b->size ? b->size : 4096;
	uint8_t *at;

	if (b->len + more <= b->size)
		return 0;
	while (size < b->len + more)
		size *= 2;
	at = realloc(b->at, size);
	if (!at)
		return -ENOMEM;
	b->at = at;
	b->size = size;
	return 0;
}

static size_t body_of(const struct bytes *b)
{
	return b->len > HEADER ? b->len - HEADER : 0;
}

/* Makes room for records, behind that for a header. */
static int body_reserve(struct bytes *b, size_t more)
{
	int ret = bytes_reserve(b, more + HEADER);

	if (!ret && !b->len)
		b->len = HEADER;
	return ret;
}

/* Adds the records of another one. */
static int body_add(struct bytes *b, const struct bytes *from)
{
	if (!body_of(from))
		return 0;
	if (body_reserve(b, body_of(from)))
		return -ENOMEM;
	memcpy(b->at + b->len, from->at + HEADER, body_of(from));
	b->len += body_of(from);
	return 0;
}

static void bytes_empty(struct bytes *b)
{
	b->len = 0;
	if (b->size > KEEP) {
		free(b->at);
		*b = (struct bytes){ 0 };
	}
}

static void bytes_free(struct bytes *b)
{
	free(b->at);
	*b = (struct bytes){ 0 };
}

static uint64_t batch_sum(const uint8_t header[HEADER], const uint8_t *body, size_t length)
{
	return XXH3_64bits_withSeed(body, length, XXH3_64bits(header, 16));
}

/* Fills in the header. */
static void seal(struct bytes *b, uint64_t safe)
{
	struct wire w = { .base = b->at, .at = b->at, .end = b->at + HEADER };

	wire_put_u32(&w, BATCH_MAGIC);
	wire_put_u32(&w, (uint32_t)body_of(b));
	wire_put_u64(&w, safe);
	wire_put_u64(&w, batch_sum(b->at, b->at + HEADER, body_of(b)));
}

static void put_record(struct wire *w, const struct dlog_record *r)
{
	wire_put_u8(w, r->kind);
	switch ((enum dlog_kind)r->kind) {
	case DLOG_MARK:
		wire_put_u32(w, r->mask);
		item_put(w, r->item);
		break;
	case DLOG_MENDED:
		wire_put_u8(w, r->brick);
		repl_put_gfid(w, &r->hash);
		break;
	case DLOG_FORGET:
		wire_put_u8(w, r->brick);
	}
}

int dlog_encode(struct bytes *out, const struct dlog_record *r)
{
	int ret = body_reserve(out, DLOG_RECORD_MAX);

	if (ret)
		return ret;
	struct wire w = { .base = out->at, .at = out->at + out->len, .end = out->at + out->size };
	put_record(&w, r);
	assert(wire_ok(&w));
	out->len = (size_t)(w.at - out->at);
	return 0;
}

/* ---- replay --------------------------------------------------------------------------------- */

/* 1, 0 at the end of the file, or -errno. */
static int read_at(int fd, void *p, size_t n, uint64_t at)
{
	ssize_t got = pread(fd, p, n, (off_t)at);

	return got < 0 ? -errno : (size_t)got == n;
}

/* Reads a batch into b.  1, 0: there is none, or -errno. */
static int read_batch(int fd, uint64_t at, uint64_t size, struct bytes *b, uint64_t *safe)
{
	uint8_t header[HEADER];
	struct wire w = { .base = header, .at = header, .end = header + HEADER };
	uint32_t length;
	int ret = read_at(fd, header, HEADER, at);

	if (ret <= 0)
		return ret;
	if (wire_get_u32(&w) != BATCH_MAGIC)
		return 0;
	length = wire_get_u32(&w);
	*safe = wire_get_u64(&w);
	if (length > BATCH_MAX || at + HEADER + length > size || *safe > at)
		return 0;
	b->len = 0;
	if (bytes_reserve(b, HEADER + length))
		return -ENOMEM;
	b->len = HEADER + length;
	memcpy(b->at, header, HEADER);
	ret = read_at(fd, b->at + HEADER, length, at + HEADER);
	if (ret <= 0)
		return ret;
	return wire_get_u64(&w) == batch_sum(header, b->at + HEADER, length);
}

static int apply_batch(struct dlog *l, struct bytes *b)
{
	struct wire w = { .base = b->at, .at = b->at + HEADER, .end = b->at + b->len };
	int ret = 0;

	while (!ret && wire_ok(&w) && w.at < w.end) {
		struct item item;
		struct dlog_record r = { .kind = wire_get_u8(&w), .item = &item };

		if (r.kind == DLOG_MARK) {
			r.mask = wire_get_u32(&w);
			item_get(&w, &item);
		} else {
			r.brick = wire_get_u8(&w);
			if (r.kind == DLOG_MENDED)
				repl_get_gfid(&w, &r.hash);
		}
		if (!wire_ok(&w) || r.kind < DLOG_MARK || r.kind > DLOG_FORGET || r.brick >= VIEW_BRICKS_MAX ||
		    r.mask >> VIEW_BRICKS_MAX)
			return -EUCLEAN;
		ret = l->type->apply(l->owner, &r);
	}
	return ret ? ret : wire_ok(&w) ? 0 : -EUCLEAN;
}

/* Applies all good batches; *end is behind them. */
static int replay(struct dlog *l, uint64_t size, uint64_t *end)
{
	struct bytes b = { 0 };
	uint64_t safe;
	int ret;

	while ((ret = read_batch(l->fd, *end, size, &b, &safe)) == 1) {
		ret = apply_batch(l, &b);
		if (ret)
			break;
		*end += b.len;
	}
	bytes_free(&b);
	return ret;
}

/* Behind a bad place: is there a good batch that was made when that place was safe?  1, 0 or -errno. */
static int was_safe(struct dlog *l, uint64_t bad, uint64_t size)
{
	enum { WINDOW = 64 << 10 };
	const uint32_t magic = htole32(BATCH_MAGIC);
	uint8_t *window = malloc(WINDOW);
	struct bytes b = { 0 };
	int ret = window ? 0 : -ENOMEM;

	for (uint64_t at = bad + 1; !ret && at + HEADER <= size; at += WINDOW - 3) {
		ssize_t n = pread(l->fd, window, WINDOW, (off_t)at);

		if (n < 0)
			ret = -errno;
		for (ssize_t i = 0; !ret && i + 4 <= n; i++) {
			uint64_t safe = 0;

			if (memcmp(window + i, &magic, 4) == 0)
				ret = read_batch(l->fd, at + (uint64_t)i, size, &b, &safe);
			if (ret == 1 && safe <= bad)
				ret = 0;
		}
	}
	bytes_free(&b);
	free(window);
	return ret;
}

/* ---- opening -------------------------------------------------------------------------------- */

static int complain(char error[DIRTY_ERROR], int ret, const char *what, const char *name)
{
	snprintf(error, DIRTY_ERROR, "cannot %s \"%s\": %s", what, name, strerror(-ret));
	return ret;
}

/* A log with nothing in it, complete under another name and then renamed.  0 or -errno. */
static int make_log(struct dlog *l)
{
	int ret;

	l->fd = openat(l->dirfd, l->new_name, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (l->fd < 0)
		return -errno;
	ret = write_at(l->fd, file_magic, FILE_HEADER, 0);
	if (!ret && (fsync(l->fd) < 0 || renameat(l->dirfd, l->new_name, l->dirfd, l->name) < 0 ||
		     fsync(l->dirfd) < 0))
		ret = -errno;
	return ret;
}

/* In the place of what is lost: every brick lacks everything.  What follows it is cut off afterwards, so that a kill in
 * between is found again. */
static int write_everything(struct dlog *l)
{
	struct item all = { .kind = ITEM_ALL };
	struct dlog_record r = { .kind = DLOG_MARK, .mask = (1u << VIEW_BRICKS_MAX) - 1, .item = &all };
	struct bytes b = { 0 };
	int ret = dlog_encode(&b, &r);

	if (!ret) {
		seal(&b, l->end);
		ret = write_at(l->fd, b.at, b.len, (off_t)l->end);
	}
	if (!ret && fdatasync(l->fd) < 0)
		ret = -errno;
	if (!ret)
		ret = write_at(l->fd, file_magic, FILE_HEADER, 0);
	if (!ret) {
		l->end += b.len;
		ret = l->type->apply(l->owner, &r);
	}
	bytes_free(&b);
	return ret;
}

/* 0, 1 (something is lost) or -errno */
static int read_log(struct dlog *l)
{
	uint8_t magic[FILE_HEADER];
	struct stat st;
	int lost = 0, ret = read_at(l->fd, magic, FILE_HEADER, 0);

	if (ret < 0 || fstat(l->fd, &st) < 0)
		return ret < 0 ? ret : -errno;
	l->end = FILE_HEADER;
	if (ret == 0 || memcmp(magic, file_magic, FILE_HEADER) != 0) {
		lost = 1;		/* it was made with one */
	} else {
		ret = replay(l, (uint64_t)st.st_size, &l->end);
		if (ret < 0 || l->end == (uint64_t)st.st_size)
			return ret;
		lost = was_safe(l, l->end, (uint64_t)st.st_size);
	}
	if (lost == 1)
		ret = write_everything(l);
	if (lost < 0 || ret < 0)
		return lost < 0 ? lost : ret;
	if (ftruncate(l->fd, (off_t)l->end) < 0 || fdatasync(l->fd) < 0)
		return -errno;
	return lost;
}

static int open_or_make(struct dlog *l, int dirfd, char error[DIRTY_ERROR])
{
	int ret;

	l->dirfd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l->dirfd < 0)
		return complain(error, -errno, "open the directory of", l->name);
	if (unlinkat(l->dirfd, l->new_name, 0) < 0 && errno != ENOENT)
		return complain(error, -errno, "remove", l->new_name);
	l->fd = openat(l->dirfd, l->name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (l->fd < 0 && errno != ENOENT)
		return complain(error, -errno, "open", l->name);
	if (l->fd < 0) {
		ret = make_log(l);
		l->end = FILE_HEADER;
		return ret < 0 ? complain(error, ret, "make", l->name) : 0;
	}
	ret = read_log(l);
	return ret < 0 ? complain(error, ret, "read", l->name) : ret;
}

static void dlog_free(struct dlog *l)
{
	if (l->fd >= 0)
		close(l->fd);
	if (l->new_fd >= 0) {
		close(l->new_fd);
		unlinkat(l->dirfd, l->new_name, 0);
	}
	if (l->dirfd >= 0)
		close(l->dirfd);
	bytes_free(&l->pending);
	bytes_free(&l->writing);
	bytes_free(&l->tail);
	bytes_free(&l->slice);
	free(l);
}

/* What is changed on a full disk - things are removed there - must be noted too.  Without room the write itself will say so. */
static void reserve(struct dlog *l, size_t more)
{
	uint64_t end = l->end + more;

	if (end + RESERVE / 2 > l->reserved &&
	    fallocate(l->fd, FALLOC_FL_KEEP_SIZE, (off_t)l->end, (off_t)more + RESERVE) == 0)
		l->reserved = end + RESERVE;
}

int dlog_open(int dirfd, const char *name, struct pool *pool, const struct dlog_owner *type, void *owner,
	      struct dlog **ret, char error[DIRTY_ERROR])
{
	struct dlog *l = calloc(1, sizeof *l);
	int err;

	*ret = NULL;
	if (!l)
		return complain(error, -ENOMEM, "open", name);
	l->type = type;
	l->owner = owner;
	l->pool = pool;
	l->dirfd = l->fd = l->new_fd = -1;
	l->number = 1;
	l->rewrite_min = REWRITE_MIN;
	waiters_init(&l->now);
	waiters_init(&l->next);
	snprintf(l->name, sizeof l->name, "%s", name);
	snprintf(l->new_name, sizeof l->new_name, "%s.new", l->name);
	err = open_or_make(l, dirfd, error);
	if (err < 0) {
		dlog_free(l);
		return err;
	}
	reserve(l, 0);
	*ret = l;
	return err;
}

void dlog_close(struct dlog *l)
{
	int ret = 0;

	if (!l)
		return;
	waiters_tell(&l->now, -ECANCELED);
	waiters_tell(&l->next, -ECANCELED);
	if (l->job) {
		l->closed = true;
		return;
	}
	if (body_of(&l->pending) && !l->broken) {
		seal(&l->pending, l->end);
		ret = write_at(l->fd, l->pending.at, l->pending.len, (off_t)l->end);
		if (!ret && fdatasync(l->fd) < 0)
			ret = -errno;
	}
	if (ret)
		log_warning("replica", "what was mended cannot be written to \"%s\" and will be mended again: %s",
			    l->name, strerror(-ret));
	dlog_free(l);
}

/* ---- batches -------------------------------------------------------------------------------- */

static void dlog_kick(struct dlog *l);

static void batch_run(struct work *w)
{
	struct dlog *l = container_of(w, struct dlog, work);

	reserve(l, l->writing.len);
	l->ret = write_at(l->fd, l->writing.at, l->writing.len, (off_t)l->end);
	if (!l->ret && (fdatasync(l->fd) < 0 || (l->dir_unsynced && fsync(l->dirfd) < 0)))
		l->ret = -errno;
	if (!l->ret)
		return;
	/* If that fails, too: it is written again at the same place, and is longer then. */
	if (ftruncate(l->fd, (off_t)l->end) == 0)
		l->reserved = 0;
}

static void rewrite_give_up(struct dlog *l)
{
	if (l->new_fd >= 0) {
		close(l->new_fd);
		unlinkat(l->dirfd, l->new_name, 0);
	}
	l->new_fd = -1;
	l->rewriting = false;
	l->retry_at = 2 * l->end;
	bytes_empty(&l->tail);
	bytes_empty(&l->slice);
}

/* What failed goes before what came since. */
static void batch_failed(struct dlog *l)
{
	struct bytes b = l->writing;

	log_error("replica", "cannot write \"%s\": %s", l->name, strerror(-l->ret));
	if (body_add(&b, &l->pending) < 0)
		l->broken = true;
	bytes_free(&l->pending);
	l->writing = (struct bytes){ 0 };
	l->pending = b;
}

static void batch_written(struct dlog *l)
{
	l->end += l->writing.len;
	l->durable = l->number - 1;
	l->dir_unsynced = false;
	if (l->rewriting && body_add(&l->tail, &l->writing) < 0)
		rewrite_give_up(l);
	bytes_empty(&l->writing);
}

static void batch_done(struct work *w)
{
	struct dlog *l = container_of(w, struct dlog, work);
	struct waiters told, lost;
	int ret = l->ret;

	l->job = NO_JOB;
	if (l->closed)
		return dlog_free(l);
	l->error = ret;
	l->after_batch = true;
	waiters_move(&told, &l->now);
	if (ret)
		batch_failed(l);
	else
		batch_written(l);
	waiters_init(&lost);
	if (l->broken)
		waiters_move(&lost, &l->next);
	dlog_kick(l);
	/* the last use of l: one of them may close it */
	waiters_tell(&told, ret);
	waiters_tell(&lost, -EIO);
}

/* It may be without records: then it is there to sync what failed to be. */
static void batch_begin(struct dlog *l)
{
	assert(!l->writing.len);
	l->job = BATCH;
	l->wanted = false;
	waiters_move(&l->now, &l->next);
	struct bytes b = l->writing;
	l->writing = l->pending;
	l->pending = b;
	l->number++;
	if (body_of(&l->writing))
		seal(&l->writing, l->end);
	else
		l->writing.len = 0;
	l->batches++;
	l->syncs += 1 + l->dir_unsynced;
	l->work = (struct work){ .run = batch_run, .done = batch_done };
	work_post(l->pool, &l->work);
}

/* ---- writing it anew ------------------------------------------------------------------------ */

static int slice_write(struct dlog *l)
{
	int ret = 0;

	if (l->new_fd < 0) {
		l->new_fd = openat(l->dirfd, l->new_name, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (l->new_fd < 0)
			return -errno;
		ret = write_at(l->new_fd, file_magic, FILE_HEADER, 0);
	}
	if (!ret)
		ret = write_at(l->new_fd, l->slice.at, l->slice.len, (off_t)l->new_end);
	if (!ret && fdatasync(l->new_fd) < 0)
		ret = -errno;
	return ret;
}

static void slice_run(struct work *w)
{
	struct dlog *l = container_of(w, struct dlog, work);

	l->ret = slice_write(l);
	if (l->ret || l->job == SLICE)
		return;
	if (fsync(l->new_fd) < 0 || renameat(l->dirfd, l->new_name, l->dirfd, l->name) < 0) {
		l->ret = -errno;
		return;
	}
	/* From here on it is the log; who is told of anything in it is told after this was synced too. */
	l->dir_unsynced = fsync(l->dirfd) < 0;
	close(l->fd);
	l->fd = l->new_fd;
	l->new_fd = -1;
	l->reserved = 0;
}

static void slice_done(struct work *w)
{
	struct dlog *l = container_of(w, struct dlog, work);
	bool last = l->job == LAST_SLICE;

	l->job = NO_JOB;
	if (l->closed)
		return dlog_free(l);
	l->after_batch = false;
	if (l->ret < 0) {
		log_warning("replica", "cannot write \"%s\" anew, it stays longer than need be: %s", l->name,
			    strerror(-l->ret));
		rewrite_give_up(l);
	} else {
		l->new_end += l->slice.len;
		bytes_empty(&l->slice);
	}
	if (l->ret == 0 && last) {
		l->end = l->new_end;
		l->rewriting = false;
		l->retry_at = 0;
		l->rewrites++;
	}
	dlog_kick(l);
}

static void slice_begin(struct dlog *l)
{
	int ret = body_add(&l->slice, &l->tail);

	bytes_empty(&l->tail);
	if (!ret)
		ret = l->type->more(l->owner, l->place, &l->slice);
	if (ret < 0) {
		rewrite_give_up(l);
		return;
	}
	if (body_of(&l->slice))
		seal(&l->slice, l->new_end);
	l->job = ret ? SLICE : LAST_SLICE;
	l->syncs += l->job == SLICE ? 1 : 3;
	l->work = (struct work){ .run = slice_run, .done = slice_done };
	work_post(l->pool, &l->work);
}

static bool is_worth_rewriting(const struct dlog *l)
{
	return !l->stopped && !l->error && l->end > l->rewrite_min && l->end > l->retry_at &&
	       l->end > 2 * (FILE_HEADER + l->type->live(l->owner));
}

/* Begins the next job. */
static void dlog_kick(struct dlog *l)
{
	bool batch = l->wanted || (body_of(&l->pending) > LAZY && !l->stopped && !l->error);

	if (l->job || l->broken)
		return;
	if (l->rewriting && l->stopped)
		rewrite_give_up(l);
	if (!l->rewriting && is_worth_rewriting(l)) {
		l->rewriting = true;
		l->new_end = FILE_HEADER;
		l->place[0] = l->place[1] = 0;
	}
	if (l->rewriting && !(batch && !l->after_batch))
		slice_begin(l);
	if (!l->job && batch)
		batch_begin(l);
}

void dlog_stop(struct dlog *l)
{
	l->stopped = true;
	dlog_kick(l);
}

bool dlog_idle(const struct dlog *l)
{
	return !l->job;
}

/* ---- appending ------------------------------------------------------------------------------ */

int dlog_reserve(struct dlog *l, int nr)
{
	if (l->broken)
		return -EIO;
	if (body_of(&l->pending) > PENDING_MOST) {
		l->wanted = true;	/* nobody else will ask for it */
		dlog_kick(l);
		return l->error ? l->error : -ENOBUFS;
	}
	return body_reserve(&l->pending, (size_t)nr * DLOG_RECORD_MAX);
}

uint64_t dlog_append(struct dlog *l, const struct dlog_record *r)
{
	int ret = dlog_encode(&l->pending, r);

	assert(!ret);
	return l->number;
}

uint64_t dlog_batch(const struct dlog *l)
{
	return l->number;
}

bool dlog_is_durable(const struct dlog *l, uint64_t batch)
{
	return batch <= l->durable;
}

int dlog_wait(struct dlog *l, uint64_t batch, void (*done)(void *arg, int ret), void *arg)
{
	bool under_way = l->job == BATCH && batch < l->number;

	if (l->broken)
		return -EIO;
	if (!waiters_add(under_way ? &l->now : &l->next, done, arg))
		return -ENOMEM;
	if (!under_way) {
		l->wanted = true;
		dlog_kick(l);
	}
	return 0;
}

void dlog_lazily(struct dlog *l)
{
	dlog_kick(l);
}

void dlog_set_rewrite(struct dlog *l, uint64_t bytes)
{
	l->rewrite_min = bytes;
}

void dlog_stats(const struct dlog *l, struct dirty_stats *s)
{
	s->log_bytes = l->end;
	s->live_bytes = l->type->live(l->owner);
	s->batches = l->batches;
	s->syncs = l->syncs;
	s->rewrites = l->rewrites;
}
