/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * replica-register.c - the register of an acceptor as a file.
 *
 * Two slots of SLOT bytes, each with a magic number, a sequence number, a length, the state and a checksum.  A state
 * is written over the slot that does not have the newest durable one, and is durable when fdatasync() returned: so one
 * slot is good at any time, whatever is torn.  The good one with the highest sequence number counts.
 *
 * After a write that failed nobody knows what the disk has: the same slot is written again the next time, the durable
 * one never.  What failed may so be found after a restart; it is a promise that nobody was told of, which binds us to
 * nothing that could be missed.
 *
 * The file is made under another name and renamed when it is complete: it is never there without a state.  All that is
 * put while a write is under way is written by the next one, at once.
 *
 * Limitation: a slot that the disk damages later is not told from a torn one; the other one counts then.
 */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>
#include <xxhash.h>

#include "replica-register.h"
#include "replica-waiters.h"

enum { SLOT = 4096, BODY = SLOT - 32 };
#define MAGIC 0x3130676572666c67ull	/* "glfreg01" */
#define FILE_NAME "register"
#define NEW_NAME "register.new"

struct register_file {
	struct pool *pool;
	int fd, lock_fd;
	struct register_state durable, newest, writing;
	uint64_t sequence;		/* of the last write, also if it failed */
	int slot;			/* which has `durable` */
	struct waiters now, next;	/* of `writing`; of `newest`, when it is not being written yet */
	bool busy;			/* the work is posted */
	bool again;			/* there is something to write after it */
	bool closed;			/* by its owner while busy: freed when that is over */
	uint64_t writes;
	struct work work;
	int ret;			/* of the work */
	uint8_t bytes[SLOT];		/* the work's while busy */
};

/* ---- a slot --------------------------------------------------------------------------------- */

static void put_state(struct wire *w, const struct register_state *s)
{
	repl_put_gfid(w, &s->brick);
	wire_put_u64(w, s->incarnation);
	wire_put_bytes(w, s->boot_id, sizeof s->boot_id);
	wire_put_u8(w, s->clean);
	repl_put_ballot(w, &s->promised);
	repl_put_ballot(w, &s->accepted);
	view_put(w, &s->view);
	view_put(w, &s->installed);
}

static void get_state(struct wire *w, struct register_state *s)
{
	const uint8_t *p;

	repl_get_gfid(w, &s->brick);
	s->incarnation = wire_get_u64(w);
	p = wire_get_bytes(w, sizeof s->boot_id);
	if (p)
		memcpy(s->boot_id, p, sizeof s->boot_id);
	s->clean = wire_get_u8(w);
	repl_get_ballot(w, &s->promised);
	repl_get_ballot(w, &s->accepted);
	view_get(w, &s->view);
	view_get(w, &s->installed);
}

/* magic, sequence, length, state, zeros; the checksum of all that in the last 8 bytes. */
static void encode(uint8_t bytes[SLOT], uint64_t sequence, const struct register_state *s)
{
	struct wire w = { .base = bytes, .at = bytes, .end = bytes + SLOT - 8 };
	struct wire length = { .base = bytes + 16, .at = bytes + 16, .end = bytes + 24 };

	memset(bytes, 0, SLOT);
	wire_put_u64(&w, MAGIC);
	wire_put_u64(&w, sequence);
	wire_put_u64(&w, 0);
	put_state(&w, s);
	assert(wire_ok(&w));
	wire_put_u64(&length, (uint64_t)(w.at - bytes));
	w.at = bytes + SLOT - 8;
	w.end = bytes + SLOT;
	wire_put_u64(&w, XXH3_64bits(bytes, SLOT - 8));
}

/* Whether the slot is good; *sequence and *s are set then. */
static bool decode(uint8_t bytes[SLOT], uint64_t *sequence, struct register_state *s)
{
	struct wire sum = { .at = bytes + SLOT - 8, .end = bytes + SLOT };
	struct wire w = { .at = bytes, .end = bytes + SLOT - 8 };
	uint64_t length;

	if (wire_get_u64(&sum) != XXH3_64bits(bytes, SLOT - 8) || wire_get_u64(&w) != MAGIC)
		return false;
	*sequence = wire_get_u64(&w);
	length = wire_get_u64(&w);
	get_state(&w, s);
	return wire_ok(&w) && length == (uint64_t)(w.at - bytes);
}

/* Any thread.  0 or -errno. */
static int write_slot(int fd, int slot, const uint8_t bytes[SLOT])
{
	int ret = write_at(fd, bytes, SLOT, (off_t)slot * SLOT);

	return ret ? ret : fdatasync(fd) < 0 ? -errno : 0;
}

/* ---- opening -------------------------------------------------------------------------------- */

static int complain(char error[REGISTER_ERROR], int ret, const char *what)
{
	snprintf(error, REGISTER_ERROR, "cannot %s: %s", what, strerror(-ret));
	return ret;
}

/* A descriptor of our own is locked: it covers the making of the file too. */
static int lock_directory(struct register_file *r, int dirfd, char error[REGISTER_ERROR])
{
	int ret;

	r->lock_fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->lock_fd < 0)
		return complain(error, -errno, "open the directory of the view register");
	if (flock(r->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	ret = -errno;
	if (ret != -EWOULDBLOCK)
		return complain(error, ret, "lock the view register");
	snprintf(error, REGISTER_ERROR, "the view register is in use by another process");
	return -EBUSY;
}

static int nibble(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* 32 hexadecimal digits; whatever else there is between them does not matter. */
static int read_boot_id(uint8_t id[16], char error[REGISTER_ERROR])
{
	const char *path = secure_getenv("GLUSTERFS_BOOT_ID");
	char text[64];
	int fd, nr = 0;
	ssize_t n;

	path = path ? path : "/proc/sys/kernel/random/boot_id";
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof text);
	if (n < 0) {
		int ret = -errno;

		if (fd >= 0)
			close(fd);
		snprintf(error, REGISTER_ERROR, "cannot read \"%s\": %s", path, strerror(-ret));
		return ret;
	}
	close(fd);
	memset(id, 0, 16);
	for (ssize_t i = 0; i < n && nr < 32; i++)
		if (nibble(text[i]) >= 0) {
			id[nr / 2] = (uint8_t)(id[nr / 2] << 4 | nibble(text[i]));
			nr++;
		}
	if (nr == 32)
		return 0;
	snprintf(error, REGISTER_ERROR, "\"%s\" is no boot id", path);
	return -EINVAL;
}

static uint64_t random_not_0(struct loop *l)
{
	uint64_t n;

	do
		n = loop_random(l);
	while (!n);
	return n;
}

/* -ENOENT: there is no file. */
static int read_file(struct register_file *r, int dirfd, char error[REGISTER_ERROR])
{
	bool good = false;

	r->fd = openat(dirfd, FILE_NAME, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (r->fd < 0)
		return errno == ENOENT ? -ENOENT : complain(error, -errno, "open the view register");
	for (int slot = 0; slot < 2; slot++) {
		struct register_state s = { 0 };
		uint64_t sequence;
		ssize_t n = pread(r->fd, r->bytes, SLOT, (off_t)slot * SLOT);

		if (n < 0)
			return complain(error, -errno, "read the view register");
		if (n != SLOT || !decode(r->bytes, &sequence, &s) || (good && sequence < r->sequence))
			continue;
		good = true;
		r->sequence = sequence;
		r->durable = s;
		r->slot = slot;
	}
	if (good)
		return 0;
	snprintf(error, REGISTER_ERROR,
		 "the view register (\"" FILE_NAME "\") is damaged: neither of its two copies can be read. Whoever "
		 "begins with a new one forgets what this brick has promised: remove it only together with "
		 "the files of the brick");
	return -EUCLEAN;
}

static void first_state(struct register_file *r, struct loop *l)
{
	uint64_t id[2] = { random_not_0(l), random_not_0(l) };

	r->durable = (struct register_state){ .incarnation = random_not_0(l) };
	memcpy(r->durable.brick.b, id, sizeof id);
	r->sequence = 0;
	r->slot = 1;
}

/* Complete under another name, then renamed; both slots are there. */
static int make_file(struct register_file *r, int dirfd, char error[REGISTER_ERROR])
{
	int ret = 0;

	r->fd = openat(dirfd, NEW_NAME, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (r->fd < 0)
		return complain(error, -errno, "make the view register");
	for (int slot = 1; slot >= 0 && !ret; slot--) {
		encode(r->bytes, (uint64_t)(2 - slot), &r->durable);
		ret = write_slot(r->fd, slot, r->bytes);
	}
	if (!ret && (fsync(r->fd) < 0 || renameat(dirfd, NEW_NAME, dirfd, FILE_NAME) < 0 ||
		     fsync(r->lock_fd) < 0))
		ret = -errno;
	r->sequence = 2;
	r->slot = 0;
	return ret ? complain(error, ret, "write the view register") : 0;
}

/* At work from now on; and if the host has stopped meanwhile, and we had not, we may have lost something. */
static int begin(struct register_file *r, struct loop *l, const uint8_t boot_id[16],
		 char error[REGISTER_ERROR])
{
	bool same_boot = memcmp(r->durable.boot_id, boot_id, 16) == 0;
	int ret;

	if (same_boot && !r->durable.clean)
		return 0;
	if (!same_boot && !r->durable.clean)
		r->durable.incarnation = random_not_0(l);
	memcpy(r->durable.boot_id, boot_id, 16);
	r->durable.clean = false;
	encode(r->bytes, ++r->sequence, &r->durable);
	ret = write_slot(r->fd, !r->slot, r->bytes);
	if (ret)
		return complain(error, ret, "write the view register");
	r->slot = !r->slot;
	return 0;
}

static int open_or_make(struct register_file *r, int dirfd, struct loop *l, char error[REGISTER_ERROR])
{
	uint8_t boot_id[16];
	int ret = read_boot_id(boot_id, error);

	if (ret)
		return ret;
	ret = lock_directory(r, dirfd, error);
	if (ret)
		return ret;
	ret = read_file(r, dirfd, error);
	if (ret == 0)
		return begin(r, l, boot_id, error);
	if (ret != -ENOENT)
		return ret;
	first_state(r, l);
	memcpy(r->durable.boot_id, boot_id, sizeof boot_id);
	return make_file(r, dirfd, error);
}

static void register_free(struct register_file *r)
{
	if (r->fd >= 0)
		close(r->fd);
	if (r->lock_fd >= 0)
		close(r->lock_fd);
	free(r);
}

int register_open(int dirfd, struct loop *l, struct pool *pool, struct register_file **ret,
		  char error[REGISTER_ERROR])
{
	struct register_file *r = calloc(1, sizeof *r);
	int err;

	*ret = NULL;
	if (!r)
		return complain(error, -ENOMEM, "open the view register");
	r->pool = pool;
	r->fd = r->lock_fd = -1;
	waiters_init(&r->now);
	waiters_init(&r->next);
	err = open_or_make(r, dirfd, l, error);
	if (err) {
		register_free(r);
		return err;
	}
	r->newest = r->durable;
	*ret = r;
	return 0;
}

void register_close(struct register_file *r, bool clean)
{
	int ret;

	if (!r)
		return;
	waiters_tell(&r->now, -ECANCELED);
	waiters_tell(&r->next, -ECANCELED);
	if (r->busy) {
		r->closed = true;
		return;
	}
	if (clean) {
		r->newest.clean = true;
		encode(r->bytes, ++r->sequence, &r->newest);
		ret = write_slot(r->fd, !r->slot, r->bytes);
		if (ret)
			log_warning("replica", "the view register cannot be written, so this will not count as a "
				    "clean stop: %s", strerror(-ret));
	}
	register_free(r);
}

/* ---- writing -------------------------------------------------------------------------------- */

static void register_run(struct work *w)
{
	struct register_file *r = container_of(w, struct register_file, work);

	r->ret = write_slot(r->fd, !r->slot, r->bytes);
}

static void register_done(struct work *w);

static void register_begin(struct register_file *r)
{
	r->busy = true;
	r->again = false;
	r->writing = r->newest;
	waiters_move(&r->now, &r->next);
	encode(r->bytes, ++r->sequence, &r->writing);
	r->writes++;
	r->work = (struct work){ .run = register_run, .done = register_done };
	work_post(r->pool, &r->work);
}

static void register_done(struct work *w)
{
	struct register_file *r = container_of(w, struct register_file, work);
	struct waiters told;
	int ret = r->ret;

	if (r->closed)
		return register_free(r);
	if (ret == 0) {
		r->durable = r->writing;
		r->slot = !r->slot;
	} else {
		log_error("replica", "cannot write the view register: %s", strerror(-ret));
		if (!r->again)
			r->newest = r->durable;
	}
	waiters_move(&told, &r->now);
	r->busy = false;
	if (r->again)
		register_begin(r);
	/* the last use of r: one of them may close it */
	waiters_tell(&told, ret);
}

void register_put(struct register_file *r, const struct register_state *next,
		  void (*done)(void *arg, int ret), void *arg)
{
	if (!waiters_add(&r->next, done, arg))
		return done(arg, -ENOMEM);
	r->newest = *next;
	r->again = true;
	if (!r->busy)
		register_begin(r);
}

void register_wait(struct register_file *r, void (*done)(void *arg, int ret), void *arg)
{
	if (!r->busy)
		return done(arg, 0);
	if (!waiters_add(r->again ? &r->next : &r->now, done, arg))
		done(arg, -ENOMEM);
}

const struct register_state *register_get(const struct register_file *r)
{
	return &r->durable;
}

const struct register_state *register_newest(const struct register_file *r)
{
	return &r->newest;
}

bool register_idle(const struct register_file *r)
{
	return !r->busy;
}

uint64_t register_writes(const struct register_file *r)
{
	return r->writes;
}
