/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * replication.h - what cluster/afr, features/replica and features/witness have in common: views, keys, items and
 * the messages that travel as the operation `replicate`.  ../cluster/afr/README has the protocol.
 *
 * Nothing here keeps state or knows a clock; all of it is for the loop thread.
 */
#ifndef GLUSTERFS_REPLICATION_H
#define GLUSTERFS_REPLICATION_H

#include "wire.h"
#include "xlator.h"

/* ---- views ---------------------------------------------------------------------------------- */

enum {
	VIEW_BRICKS_MAX = 16,		/* members of a replica set, with witnesses */
	VIEW_ANCESTORS_MAX = 16,
	VIEW_SIZE_MAX = 1024,		/* encoded */
};

enum view_role {
	VIEW_ABSENT,			/* evicted: it lacks what was changed since */
	VIEW_JOINING,			/* gets every change, and is being healed; its answers do not count */
	VIEW_FULL,
	VIEW_WITNESS,			/* votes, and has no files */
};

struct view_brick {
	struct gfid id;
	uint64_t incarnation;		/* of the host's memory: another one after a power loss */
	uint8_t role;			/* enum view_role */
};

/*
 * Who has the files of a replica set.  Views follow one another in one line: `number` counts them, `id` is random, so
 * that two that came apart are recognised.  The order of the bricks is the same for everybody and for ever.
 */
struct view {
	struct gfid set;		/* of the replica set */
	uint32_t number, id;		/* number 0: there is no view yet */
	uint32_t nr_bricks, nr_ancestors;
	/* How many bricks, with witnesses, decide the next view: more than half; 0: all that are full in it.  The same for ever,
	 * since two clients that count otherwise would decide two views. */
	uint32_t quorum;
	struct view_brick brick[VIEW_BRICKS_MAX];
	uint64_t ancestor[VIEW_ANCESTORS_MAX];	/* names of the views before it, the newest first */
};

/* What an operation calls a view: number and id in one word; 0: none. */
static inline uint64_t view_name(const struct view *v)
{
	return (uint64_t)v->number << 32 | v->id;
}

/* Bricks with this role, a bit each. */
uint32_t view_mask(const struct view *v, enum view_role role);
/* The member whose order and whose state is law: the first full one; -1: there is no view. */
int view_home(const struct view *v);
/* The place of a brick, or -1. */
int view_find(const struct view *v, const struct gfid *id);
/* The view after v, with the bricks as they are in it: number, id (random) and ancestors are set. */
struct view view_after(const struct view *v, uint32_t random);
/* Is the view with this name an ancestor of v, as far back as v remembers, or v itself? */
bool view_descends(const struct view *v, uint64_t name);
void view_put(struct wire *w, const struct view *v);
/* Checks what it reads; a view that is not one fails w. */
void view_get(struct wire *w, struct view *v);
/* "v7 (a1b2c3d4): full 0 1, joining 2" */
void view_print(const struct view *v, char *out, size_t size);

/* ---- keys: what an operation must have for itself ------------------------------------------- */

/*
 * An inode (data, attributes, xattrs), one name in a directory, or what is in a directory as a whole.  Names in it share
 * the last kind; who removes the directory has it alone.
 */
struct repl_key {
	struct gfid id;
	bool shared;
};
enum { REPL_KEYS_MAX = 8 };

struct repl_key repl_key_inode(const struct gfid *g);
struct repl_key repl_key_name(const struct gfid *parent, const char *name);
struct repl_key repl_key_dir(const struct gfid *g, bool shared);
/* The keys of an operation, as far as its arguments tell; their number. */
int repl_keys(enum fop_id op, const void *args, struct repl_key keys[REPL_KEYS_MAX]);
static inline bool repl_key_equal(const struct repl_key *a, const struct repl_key *b)
{
	return gfid_equal(&a->id, &b->id);
}

/* ---- items: what of a brick may differ ------------------------------------------------------ */

enum item_kind {
	ITEM_NAME = 1,			/* the name `name` in directory `gfid`: what it means */
	ITEM_META,			/* attributes, xattrs and size of `gfid` */
	ITEM_DATA,			/* part of its data: the blocks in `blocks` of chunk `chunk` */
	ITEM_ALL,			/* nobody knows: `gfid` and all that is below it; gfid none: the whole brick */
};
enum {
	ITEM_CHUNK = 1 << 20, ITEM_BLOCK = 1 << 16,	/* bytes; 16 blocks a chunk */
	ITEMS_MAX = 8,			/* of one operation; a change of more data than fits has several */
};

#define ITEM_NOT_CUT UINT64_MAX

struct item {
	struct gfid gfid;
	/* ITEM_DATA: offset / ITEM_CHUNK; UINT64_MAX: the whole file.  ITEM_META: the least size that the file was
	 * cut to meanwhile; ITEM_NOT_CUT: it was not. */
	uint64_t chunk;
	uint16_t blocks;		/* ITEM_DATA: a bit for each */
	uint8_t kind;			/* enum item_kind */
	uint8_t name_len;
	char name[256];			/* ITEM_NAME; with its NUL */
};

/* By which an item is recognised: equal for items that can be joined (the blocks of a chunk). */
struct gfid item_hash(const struct item *i);
/* Makes `to` say what `from`, with the same hash, says too.  Whether it changed. */
bool item_join(struct item *to, const struct item *from);
/* The key that must be owned to mend it.  ITEM_ALL is mended as other items, which have keys: its own is nobody's. */
struct repl_key item_key(const struct item *i);
static inline bool item_is_everything(const struct item *i)
{
	return i->kind == ITEM_ALL && gfid_equal(&i->gfid, &gfid_none);
}
/*
 * What an operation that took place has changed, in no order; attr: of the object that it made, moved or removed as
 * its answer has it, or NULL.  The times of parents are changes too.  Their number, at most ITEMS_MAX: data beyond
 * what fits becomes ITEM_DATA of the whole file.
 */
int repl_items(enum fop_id op, const void *args, const void *reply, struct item items[ITEMS_MAX]);
void item_put(struct wire *w, const struct item *i);
/* As many messages have them: u32 n, n items. */
void items_put(struct wire *w, const struct item *items, uint32_t nr);
void item_get(struct wire *w, struct item *i);
enum { ITEM_SIZE_MAX = 16 + 8 + 2 + 1 + 2 + 256 };
void item_print(const struct item *i, char *out, size_t size);

/* ---- attributes that an answer has ----------------------------------------------------------- */

enum { REPL_ATTRS_MAX = 4 };
/*
 * Those that are there, in the order of fops.def: for an operation on one object the state after it is the last.  They lie in the
 * reply.  Their number.
 */
int repl_attrs(enum fop_id op, const void *reply, const struct attr *attrs[REPL_ATTRS_MAX]);
/* In identity.stamp_ns: what comes after the first object that is stamped was stamped in the second after it. */
#define REPL_STAMP_NEXT (UINT64_C(1) << 63)
/* Does the operation, if it does something, change the mtime of this object? (POSIX.1-2017, each function) */
bool repl_stamps(enum fop_id op, const void *args, const struct attr *a);

/* ---- messages ------------------------------------------------------------------------------- */

/*
 * `what` of the operation `replicate`: what the two bufs have, as the functions below put it.  Idempotent.
 *
 * For everybody:
 */
enum repl_what {
	/* - / struct repl_status */
	REPL_STATUS = 1,
	/* The view register, one acceptor of CASPaxos: struct repl_ballot / struct repl_promise. */
	REPL_PREPARE,
	/* struct repl_ballot, struct view / struct repl_promise (accepted: the ballot asked for) */
	REPL_ACCEPT,
	/* struct view, which the caller knows to be decided / - */
	REPL_INSTALL,
	/* u32 n, n times: u64 txn of the caller, u32 mask of joining bricks that did not execute it, or REPL_GIVEN_UP: the
	 * caller has given it up, and it is in doubt / - */
	REPL_COMMIT,

	/* Settling and healing; keys: u32 n, n keys; owner: identity.client with u64 token. */
	/* token, keys / u64 grant, u32 n, n items: the keys are the caller's; the items are of what is in doubt on them here.
	 * Waits for who has them, not for ever.  At home. */
	REPL_OWN,
	/* token / -: gives all of them back */
	REPL_DISOWN,
	/* grant, u32 n, n items / u32 n, n items: their keys are, durably, in doubt here, and an impose under `grant` is allowed;
	 * the answer has the items of what else is in doubt on them.  Not at home. */
	REPL_OPEN,
	/* grant, keys / u32 n, n struct repl_entry: txns on them that home knows.  EPERM: the grant is not current. */
	REPL_HISTORY,
	/* grant, keys, entries / -: these are the txns on the keys that are known here. */
	REPL_ADOPT,
	/* grant, keys / -: they are not in doubt any more */
	REPL_CLEAR,
	/* u64 txn of the caller / -: its entry, if it is here, is in doubt */
	REPL_YIELD,

	/* u8 which (REPL_LIST_*), u8 brick, u64 cursor, u32 most / u64 cursor (0: the end), u64 left, u32 n, items with
	 * their u64 generation */
	REPL_LIST,
	/* u8 brick, u32 n, n times: item hash, u64 generation / -: mended, and safe there */
	REPL_MENDED,
	/* u8 brick, u32 n, n items / -: that brick may lack them */
	REPL_LACKS,
	/* u8 on / - (EBUSY: something is under way or not healed): admits nothing in this view any more */
	REPL_SEAL,
	/* - / -: all that was answered before this was asked is on stable storage */
	REPL_SYNC,
	/* - / u8: there is nothing in it, and it has no view */
	REPL_EMPTY,
	/* struct repl_range / struct repl_sums: what is in a file, told short.  Of a healer: under its grant at home. */
	REPL_SUMS,

	/* From protocol/server of this process only: u64 client, u8 REPL_CLIENT_* / - */
	REPL_CLIENT,
	/* Likewise: - / -, when the brick is out of the view, or nobody is there to take it out */
	REPL_LEAVE,
	REPL_WHAT_COUNT
};
#define REPL_GIVEN_UP UINT32_MAX
enum { REPL_LIST_LACKED, REPL_LIST_DOUBTS };
enum { REPL_CLIENT_LOST, REPL_CLIENT_BACK, REPL_CLIENT_ENDED };

/*
 * Answers of a change or read that is not executed, beside those of file systems, which never have these errnos.
 */
#define REPL_OTHER_VIEW (-EUNATCH)	/* the brick is in another view than the caller, or in none */
#define REPL_IN_DOUBT   (-EL3HLT)	/* a key is in doubt here: settle it first */
#define REPL_CONFLICT   (-EL2NSYNC)	/* another change is on a key here that home does not know: settle it */
static inline bool repl_is_refusal(int ret)
{
	return ret == REPL_OTHER_VIEW || ret == REPL_IN_DOUBT || ret == REPL_CONFLICT;
}

/* The note of an answer of home to a change: its place in home's order; with REPL_NOTE_WANTED somebody waits for its commit. */
enum { REPL_NOTE_WANTED = 1 };
static inline uint64_t repl_note(uint64_t grant, bool wanted)
{
	return grant << 1 | wanted;
}

struct repl_ballot {
	uint64_t round, client;
};
static inline int repl_ballot_cmp(const struct repl_ballot *a, const struct repl_ballot *b)
{
	if (a->round != b->round)
		return a->round < b->round ? -1 : 1;
	return a->client < b->client ? -1 : a->client > b->client;
}

struct repl_promise {
	bool ok;			/* it was done; otherwise `promised` is higher */
	struct repl_ballot promised, accepted;	/* accepted.round 0: nothing was */
	struct view view;		/* that was accepted */
};

struct repl_status {
	struct gfid brick;
	uint64_t incarnation;
	bool witness;
	bool sealed;			/* and no view has followed for a while */
	uint32_t everything;		/* places that lack ITEM_ALL of the whole brick, as known here */
	struct view installed;		/* number 0: none */
	uint64_t lacked[VIEW_BRICKS_MAX];	/* items that these may lack, as known here */
	uint64_t nr_doubts, nr_entries;
};

/* A txn that a brick knows. */
struct repl_entry {
	uint64_t client, txn;
	int32_t ret;
	uint8_t op, nr_keys, nr_items;
	struct repl_key key[REPL_KEYS_MAX];
	struct item item[ITEMS_MAX];
	uint32_t reply_len;		/* encoded; in `reply` */
	uint8_t reply[1024];
};

struct repl_range {
	struct gfid gfid;
	uint64_t offset;		/* of a block */
	uint32_t most;			/* blocks, at most REPL_SUMS_MOST */
};

/* Blocks of ITEM_BLOCK bytes; the last one of a file may be short, and none is told that begins behind its end. */
enum { REPL_SUMS_MOST = 256 };
struct repl_sums {
	uint64_t start;			/* of the first block that is told: what is between it and the offset that was asked for is zero;
					 * UINT64_MAX: all to the end is */
	uint32_t nr;
	struct gfid sum[REPL_SUMS_MOST];	/* 128 bits of XXH3; gfid_none: zeros */
};

/* Makes the buf of a message: what `put` writes of arg, at most `bound` bytes.  New reference or NULL. */
struct buf *repl_message(size_t bound, void (*put)(struct wire *w, const void *arg), const void *arg);
/* Reads a message; finish with repl_read_end(). */
struct wire repl_reader(const struct buf *b);
/* 0, or -EPROTO: too short, too long, or bad. */
int repl_read_end(const struct wire *w);

void repl_put_ballot(struct wire *w, const struct repl_ballot *b);
void repl_get_ballot(struct wire *w, struct repl_ballot *b);
void repl_put_promise(struct wire *w, const struct repl_promise *p);
void repl_get_promise(struct wire *w, struct repl_promise *p);
void repl_put_status(struct wire *w, const struct repl_status *s);
void repl_get_status(struct wire *w, struct repl_status *s);
void repl_put_range(struct wire *w, const struct repl_range *r);
void repl_get_range(struct wire *w, struct repl_range *r);
void repl_put_sums(struct wire *w, const struct repl_sums *s);
void repl_get_sums(struct wire *w, struct repl_sums *s);
enum { REPL_SUMS_BOUND = 16 + REPL_SUMS_MOST * 16 };
void repl_put_gfid(struct wire *w, const struct gfid *g);
void repl_get_gfid(struct wire *w, struct gfid *g);
void repl_put_keys(struct wire *w, const struct repl_key *keys, uint32_t nr);
/* At most `most`; more fail w.  Their number. */
uint32_t repl_get_keys(struct wire *w, struct repl_key *keys, uint32_t most);
void repl_put_entry(struct wire *w, const struct repl_entry *e);
void repl_get_entry(struct wire *w, struct repl_entry *e);
enum { REPL_ENTRY_BOUND = 64 + REPL_KEYS_MAX * 17 + ITEMS_MAX * ITEM_SIZE_MAX + 1024 };

#endif
