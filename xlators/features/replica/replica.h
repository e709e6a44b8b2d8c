/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * replica.h - the state of one features/replica volume, shared by its files: replica.c (options, which operation goes
 * where), replica-journal.c (the journal file), replica-keys.c (who has which key; who waits), replica-change.c
 * (changes at home and elsewhere), replica-settle.c (doubts), replica-view.c (views), replica-client.c (clients that
 * come and go), replica-sums.c (files told short).
 */
#ifndef GLUSTERFS_REPLICA_H
#define GLUSTERFS_REPLICA_H

#include <sys/queue.h>

#include "replica-acceptor.h"
#include "replica-dirty.h"

enum {
	JOURNAL_SLOTS = 2048,		/* changes that are not committed, and doubts */
	JOURNAL_SLOT_SIZE = 4096,
	REPLY_MAX = 1024,		/* of an answer that is kept, encoded */
	KEY_BUCKETS = 4096, TXN_BUCKETS = 1024,
};

/* One slot of the journal file: a change that not every member is known to have, or a doubt. */
struct slot {
	uint32_t state;			/* enum slot_state; written last when it is begun, first when it is dropped */
	uint8_t op, nr_keys, nr_items, spare;
	uint64_t client, txn;		/* txn 0: a doubt that a settler has put here */
	uint64_t view, grant;
	int32_t ret;
	uint32_t reply_len;
	struct repl_key key[REPL_KEYS_MAX];
	struct item item[ITEMS_MAX];
	uint8_t reply[REPLY_MAX];
};
_Static_assert(sizeof(struct slot) <= JOURNAL_SLOT_SIZE, "a slot is a page");
enum slot_state { SLOT_FREE, SLOT_BEGUN, SLOT_DONE, SLOT_DOUBT };

struct replica;

/* Who has a key: an entry of the journal, or (entry NULL) a settler that owns it. */
struct key_ref {
	LIST_ENTRY(key_ref) link;	/* in its bucket */
	struct repl_key key;
	struct entry *entry;
	struct owner *owner;
};

/* A slot that is in use, in memory. */
struct entry {
	TAILQ_ENTRY(entry) link;	/* in replica->entries, oldest first, or ->unused */
	LIST_ENTRY(entry) by_txn;
	struct slot *slot;
	struct key_ref ref[REPL_KEYS_MAX];
	uint64_t opened_by, opened_grant;	/* by a settler, who may impose under this grant; 0: none */
	bool executing;
	uint32_t use;			/* counts: the slot is another entry by now */
	bool commit_then, doubt_then;	/* when it has been executed */
	uint32_t missing;		/* commit_then: joining bricks that did not execute it */
};

/* A settler or healer that has keys for itself. */
struct owner {
	LIST_ENTRY(owner) link;
	uint64_t client, token, grant;
	uint32_t nr_keys;
	struct key_ref *ref;
};

/* What is known of a client that has entries, or that protocol/server told us about. */
struct client {
	LIST_ENTRY(client) link;
	uint64_t id;
	bool connected;
	bool heard;			/* since this process began */
};

struct journal_header {
	char magic[8];
	uint64_t next_grant;
	uint64_t sealed;		/* name of the view that is sealed; 0: none */
};

struct replica {
	/* options */
	char *directory;

	struct xlator *xl;
	char path[4224];		/* of what is kept ... */
	int dirfd;
	bool passive;			/* there is nowhere to keep it: all operations pass */
	bool open;			/* it is there, and in use */
	struct register_file *reg;
	struct dirty *dirty;

	/* the journal */
	int journal_fd;
	uint8_t *map;
	struct journal_header *header;
	struct entry *all;		/* one per slot */
	TAILQ_HEAD(entry_list, entry) entries;	/* in use */
	TAILQ_HEAD(, entry) unused;
	uint32_t nr_entries, nr_doubts, nr_settled;	/* settled: known, without keys */
	LIST_HEAD(txn_bucket, entry) by_txn[TXN_BUCKETS];

	/* the view */
	struct view view;		/* installed */
	uint64_t view_name;
	int me, home;			/* places in it; -1: not in it */
	uint32_t lacking;		/* members that are not full: a bit each */
	bool installing;		/* it is being noted who lacks what: nothing is served */
	uint32_t noting;

	LIST_HEAD(key_bucket, key_ref) bucket[KEY_BUCKETS];
	LIST_HEAD(, owner) owners;
	LIST_HEAD(, client) clients;
	TAILQ_HEAD(waiters, waiter) waiters;
	struct task wake_task;
	bool waking;
	struct frame *leaving;		/* answered when we are out of the view; NULL */
	uint64_t sealed_ns;		/* when the seal was given, in this life */
	struct frame *sealing;		/* whose answer waits until nothing is under way any more */
	struct timer leave_timer, seal_timer, orphan_timer, patience_timer;
	bool orphans_over;		/* clients of an earlier life that did not come back will not */

	uint64_t nr_changes, nr_replayed, nr_waited, nr_refused, nr_conflicts, nr_commits;
};

struct waiter {
	TAILQ_ENTRY(waiter) link;
	struct frame *frame;
	void (*again)(struct frame *f);
};

/* Our data of a call. */
struct replica_call {
	struct waiter waiter;
	struct entry *entry;		/* the change that is being executed */
	struct repl_key key[REPL_KEYS_MAX];
	uint8_t nr_keys;
	bool marked;			/* durable: that absent members lack it */
	bool looked;			/* the name's object is known */
	uint64_t since_ns;		/* a settler waits for keys */
	uint32_t marking;		/* marks on the way */
	uint32_t everything;		/* a change of names: joining bricks that lacked ITEM_ALL when it began */
	struct fd *fd;			/* empty: the root */
	struct sums *sums;
	struct work work;
	int ret;
	/* replica-time.c */
	struct ts begun;		/* when the storage was asked */
	struct attr late[REPL_ATTRS_MAX];	/* whose times are to be set */
	int nr_late;
	union fop_reply reply;		/* that waits for the times to be set; held */
	struct identity own;
	const struct identity *caller;
};

/* replica-journal.c: 0 or -errno after xl_error() */
int journal_open(struct replica *r);
void journal_close(struct replica *r);
struct begun {				/* what a slot begins with */
	enum slot_state state;
	enum fop_id op;			/* FOP_COUNT: of a settler, who brings items */
	uint64_t client, txn, view, grant;
	const struct repl_key *key;
	int nr_keys;
};
/*
 * A slot for a change that is about to be executed, or for a doubt; NULL: none is free.  Its items are those of the
 * arguments, or (args NULL) the given ones.
 */
struct entry *journal_begin(struct replica *r, const struct begun *b, const void *args, const struct item *items,
			    int nr_items);
void journal_done(struct entry *e, enum fop_id op, const void *args, int ret, const void *reply);
void journal_doubt(struct replica *r, struct entry *e);
/* The entry is not needed any more. */
void journal_drop(struct replica *r, struct entry *e);
struct entry *journal_find(struct replica *r, uint64_t client, uint64_t txn);
/* Answers f, whose op it is, with what is in the slot. */
void journal_answer(struct frame *f, const struct slot *s);
uint64_t journal_grant(struct replica *r);

/* replica-keys.c */
void keys_take(struct replica *r, struct key_ref *ref, const struct repl_key *key, struct entry *e, struct owner *o);
void keys_drop(struct replica *r, struct key_ref *ref);
/* Who has this key in a way that excludes `key`: the first one, or the one after `after`; NULL: nobody (more). */
struct key_ref *keys_holder(const struct replica *r, const struct repl_key *key, const struct key_ref *after);
/* f waits until keys came free; then again(f). */
void keys_wait(struct frame *f, void (*again)(struct frame *f));
/* Keys came free, or the view changed: those who wait try again, in a later part of this turn. */
void keys_wake(struct replica *r);
/* Removes f from those who wait; for cancelling. */
void keys_cancel(struct frame *f);

/* replica-change.c */
void replica_change(struct frame *f);
void replica_read(struct frame *f);
void replica_imposed(struct frame *f);
/* The txn of the client has been executed by all members, but for the joining ones in `missing`; or REPL_GIVEN_UP. */
void replica_commit(struct replica *r, uint64_t client, uint64_t txn, uint32_t missing);
/* Notes that those which are not full, but us, lack the items of an entry.  Nobody waits for it. */
void replica_note_lacking(struct replica *r, const struct slot *s, uint32_t mask);
static inline uint32_t replica_not_full(const struct replica *r)
{
	return r->me < 0 ? r->lacking : r->lacking & ~(1u << r->me);
}

/* The storage has answered (not with an error), and the times are right: into the journal, and up. */
void replica_change_end(struct frame *f, int ret, const void *reply);

/* replica-time.c */
/* A change is about to be executed. */
void replica_time_begin(struct frame *f);
/* It has been: true when times have to be made home's first; then it ends with replica_change_end(). */
bool replica_time_mend(struct frame *f, int ret, const void *reply);

/* replica-settle.c: messages */
void settle_own(struct frame *f);
void settle_disown(struct frame *f);
void settle_open(struct frame *f);
void settle_history(struct frame *f);
void settle_adopt(struct frame *f);
void settle_clear(struct frame *f);
void settle_yield(struct frame *f);
void settle_list(struct frame *f);
void settle_mended(struct frame *f);
void settle_lacks(struct frame *f);
bool settle_owns(const struct replica *r, uint64_t client, uint64_t grant);
/* All that this client owns is free; 0: of all clients. */
void settle_owners_end(struct replica *r, uint64_t client);
/* Its connection is: also what it waits for it will not have, since nobody would hear of it. */
void settle_lost(struct replica *r, uint64_t client);

/* replica-view.c */
void replica_view_status(struct frame *f);
void replica_view_empty(struct frame *f);
void replica_view_install(struct frame *f);
void replica_view_seal(struct frame *f);
void replica_view_leave(struct frame *f);
/* It was given a while ago, and no view has followed: who gave up, or is gone? */
bool replica_view_seal_is_stale(const struct replica *r);
/* Takes over what is in the register. */
void replica_view_adopt(struct replica *r, const struct view *v);
/* We are in the view, with this incarnation. */
bool replica_view_names_us(const struct replica *r);
/* A seal that waits is not given. */
void replica_view_stop(struct replica *r);
/* An entry went: perhaps the seal can be given now. */
void replica_view_drained(struct replica *r);

/* replica-sums.c */
void replica_sums(struct frame *f);

/* replica-client.c */
void replica_client(struct frame *f);
bool client_connected(struct replica *r, uint64_t id);
bool client_any_connected(const struct replica *r);
/* The client has been heard of. */
void client_seen(struct replica *r, uint64_t id);
/* It has left entries in the journal, and we have not heard of it yet. */
void client_recovered(struct replica *r, uint64_t id);
/* It may come back and ask what became of what it sent. */
bool client_known(struct replica *r, uint64_t id);
void clients_free(struct replica *r);
void client_orphans(struct timer *t);

/* Answers a message: nothing, or a buf (takes it; NULL: no memory). */
void replica_answer_empty(struct frame *f);
void replica_answer(struct frame *f, struct buf *b);

#endif
