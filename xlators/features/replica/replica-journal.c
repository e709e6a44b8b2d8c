/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * replica-journal.c - the journal: a slot for each change that not every member is known to have, and for each doubt.
 *
 * The file is mapped, so that an operation writes its slot with stores into memory, without a system call; the pages
 * outlive the process.  What a power loss does to them is the business of the incarnation: a brick whose host went
 * down is healed as one that may lack everything.
 *
 * A slot is BEGUN before the storage is asked and DONE when it has answered.  What is found BEGUN when the file is opened may
 * have been executed or not: it is in doubt.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "replica.h"

static const char journal_magic[8] = { 'g', 'f', 'j', 'r', 'n', 'l', '0', '1' };

/* ---- the file ---- */

static struct slot *slot_at(const struct replica *r, uint32_t i)
{
	return (struct slot *)(r->map + (size_t)(i + 1) * JOURNAL_SLOT_SIZE);
}

static bool slot_is_sound(const struct slot *s)
{
	return s->state <= SLOT_DOUBT && s->op <= FOP_COUNT && s->nr_keys <= REPL_KEYS_MAX &&
	       s->nr_items <= ITEMS_MAX && s->reply_len <= REPLY_MAX;
}

static struct txn_bucket *txn_bucket(struct replica *r, uint64_t client, uint64_t txn)
{
	return &r->by_txn[(txn ^ client) % TXN_BUCKETS];
}

static void use(struct replica *r, struct entry *e)
{
	TAILQ_REMOVE(&r->unused, e, link);
	TAILQ_INSERT_TAIL(&r->entries, e, link);
	LIST_INSERT_HEAD(txn_bucket(r, e->slot->client, e->slot->txn), e, by_txn);
	r->nr_entries++;
	e->use++;
	for (int i = 0; i < e->slot->nr_keys; i++)
		keys_take(r, &e->ref[i], &e->slot->key[i], e, NULL);
}

/* All members have it; it is kept for its client, which may ask. */
static bool is_settled(const struct slot *s)
{
	return s->state == SLOT_DONE && !s->nr_keys;
}

/* What an earlier life of this process has left. */
static void recover(struct replica *r, struct entry *e)
{
	struct slot *s = e->slot;

	if (s->state != SLOT_FREE && !slot_is_sound(s)) {
		log_error(r->xl->name, "a damaged entry of the journal is dropped");
		s->state = SLOT_FREE;
	}
	if (s->state == SLOT_FREE)
		return;
	if (s->state == SLOT_BEGUN)
		s->state = SLOT_DOUBT;
	use(r, e);
	if (s->state == SLOT_DOUBT)
		r->nr_doubts++;
	else
		client_recovered(r, s->client);
	r->nr_settled += is_settled(s);
}

static int map_file(struct replica *r)
{
	size_t size = (size_t)(JOURNAL_SLOTS + 1) * JOURNAL_SLOT_SIZE;

	r->journal_fd = openat(r->dirfd, "journal", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (r->journal_fd < 0)
		return -errno;
	/* With its room on the disk: a store into a page that has none is a SIGBUS when the disk is full. */
	int err = posix_fallocate(r->journal_fd, 0, (off_t)size);
	if (err)
		return -err;
	r->map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, r->journal_fd, 0);
	if (r->map == MAP_FAILED) {
		r->map = NULL;
		return -errno;
	}
	r->header = (struct journal_header *)r->map;
	return 0;
}

int journal_open(struct replica *r)
{
	static const char none[8];
	int ret = map_file(r);

	r->all = calloc(JOURNAL_SLOTS, sizeof *r->all);
	if (ret == 0 && !r->all)
		ret = -ENOMEM;
	if (ret < 0) {
		xl_error(r->xl, "directory", "the journal cannot be used: %s", strerror(-ret));
		return ret;
	}
	if (memcmp(r->header->magic, none, sizeof none) == 0)
		memcpy(r->header->magic, journal_magic, sizeof journal_magic);
	if (memcmp(r->header->magic, journal_magic, sizeof journal_magic) != 0) {
		xl_error(r->xl, "directory", "the file \"journal\" there is not a journal of this version");
		return -EINVAL;
	}
	for (uint32_t i = 0; i < JOURNAL_SLOTS; i++) {
		r->all[i].slot = slot_at(r, i);
		TAILQ_INSERT_TAIL(&r->unused, &r->all[i], link);
	}
	for (uint32_t i = 0; i < JOURNAL_SLOTS; i++)
		recover(r, &r->all[i]);
	return 0;
}

void journal_close(struct replica *r)
{
	if (r->map)
		munmap(r->map, (size_t)(JOURNAL_SLOTS + 1) * JOURNAL_SLOT_SIZE);
	if (r->journal_fd >= 0)
		close(r->journal_fd);
	free(r->all);
	r->map = NULL;
	r->journal_fd = -1;
}

/* ---- entries ---- */

uint64_t journal_grant(struct replica *r)
{
	return ++r->header->next_grant;
}

struct entry *journal_begin(struct replica *r, const struct begun *b, const void *args, const struct item *items,
			    int nr_items)
{
	struct entry *e = TAILQ_FIRST(&r->unused);

	if (!e)
		return NULL;
	struct slot *s = e->slot;
	s->op = b->op;
	s->client = b->client;
	s->txn = b->txn;
	s->view = b->view;
	s->grant = b->grant;
	s->ret = 0;
	s->reply_len = 0;
	s->nr_keys = b->nr_keys;
	memcpy(s->key, b->key, b->nr_keys * sizeof b->key[0]);
	if (args) {
		s->nr_items = repl_items(b->op, args, NULL, s->item);
	} else {
		s->nr_items = nr_items;
		memcpy(s->item, items, nr_items * sizeof *items);
	}
	__atomic_store_n(&s->state, b->state, __ATOMIC_RELEASE);
	e->opened_by = e->opened_grant = 0;
	e->executing = b->state == SLOT_BEGUN;
	e->commit_then = e->doubt_then = false;
	e->missing = 0;
	use(r, e);
	if (b->state == SLOT_DOUBT)
		r->nr_doubts++;
	return e;
}

void journal_done(struct entry *e, enum fop_id op, const void *args, int ret, const void *reply)
{
	struct slot *s = e->slot;
	struct wire w = { .base = s->reply, .at = s->reply, .end = s->reply + REPLY_MAX };

	e->executing = false;
	wire_put_reply(&w, op, reply);
	assert(wire_ok(&w) && !w.payload);
	s->reply_len = w.at - w.base;
	s->ret = ret;
	s->nr_items = repl_items(op, args, reply, s->item);
	__atomic_store_n(&s->state, SLOT_DONE, __ATOMIC_RELEASE);
}

void journal_doubt(struct replica *r, struct entry *e)
{
	if (e->executing) {
		e->doubt_then = true;
		return;
	}
	if (e->slot->state == SLOT_DOUBT || is_settled(e->slot))
		return;
	e->slot->state = SLOT_DOUBT;
	r->nr_doubts++;
	keys_wake(r);
}

void journal_drop(struct replica *r, struct entry *e)
{
	assert(!e->executing);
	if (e->slot->state == SLOT_DOUBT)
		r->nr_doubts--;
	r->nr_settled -= is_settled(e->slot);
	__atomic_store_n(&e->slot->state, SLOT_FREE, __ATOMIC_RELEASE);
	for (int i = 0; i < e->slot->nr_keys; i++)
		keys_drop(r, &e->ref[i]);
	TAILQ_REMOVE(&r->entries, e, link);
	LIST_REMOVE(e, by_txn);
	/* The same few are used again and again. */
	TAILQ_INSERT_HEAD(&r->unused, e, link);
	r->nr_entries--;
	keys_wake(r);
	replica_view_drained(r);
}

struct entry *journal_find(struct replica *r, uint64_t client, uint64_t txn)
{
	struct entry *e;

	LIST_FOREACH(e, txn_bucket(r, client, txn), by_txn)
		if (e->slot->txn == txn && e->slot->client == client)
			return e;
	return NULL;
}

void journal_answer(struct frame *f, const struct slot *s)
{
	uint8_t bytes[REPLY_MAX];
	union fop_reply reply;

	memcpy(bytes, s->reply, s->reply_len);
	struct wire w = { .base = bytes, .at = bytes, .end = bytes + s->reply_len };
	int ret = wire_get_reply(&w, f->op, &reply);
	if (ret < 0)
		return fail(f, -EIO);
	unwind_any(f, s->ret, &reply);
	reply_drop(f->op, &reply);
}
