/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * cluster/afr over a long life at random; AFR_SEED=n replays one of them, with AFR_LOG=1 it tells what it does.
 *
 * The bricks keep a tiny model of a file system: some files that each have a value (an xattr), some names that mean a file or
 * nothing.  A client sets values, makes and removes names, several at once, while connections are cut, requests and answers get
 * lost, storages go, fail and are slow; now and then it dies (and the bricks' processes with it), and another one begins.
 *
 * Each operation has a number, and a time from its start to its answer.  What somebody has set may be there unless something
 * that was acknowledged began after it had been answered.  That is so at any time on every full member, for every read, and in
 * the end; and in the end all bricks are full members, and equal.
 */
#include "afr_rig.h"

enum { FILES = 3, NAMES = 3, KEYS = FILES + NAMES, OPS = 2048, PENDING = 6, OBJECTS = 512, ENTRIES = 512 };

/* ---- what a brick has ---- */

struct object {
	struct gfid gfid;
	uint32_t nlink, value;
};
struct entry {
	struct gfid parent, gfid;
	char name[40];
};
struct store {
	struct object object[OBJECTS];
	struct entry entry[ENTRIES];
	uint32_t nr_objects, nr_entries;
	struct buf *answer;		/* of the last read */
};
static struct store stores[BRICKS];

static struct gfid file_gfid(uint32_t n)
{
	return (struct gfid){ .b = { 1, [15] = (uint8_t)n } };
}

/* What operation n makes. */
static struct gfid made_gfid(uint32_t n)
{
	return (struct gfid){ .b = { 2, [14] = (uint8_t)(n >> 8), [15] = (uint8_t)n } };
}

static struct object *object_of(struct store *s, const struct gfid *g)
{
	for (uint32_t i = 0; i < s->nr_objects; i++)
		if (s->object[i].nlink && gfid_equal(&s->object[i].gfid, g))
			return &s->object[i];
	return NULL;
}

static struct object *object_add(struct store *s, const struct gfid *g)
{
	struct object *o = s->object;

	while (o < s->object + s->nr_objects && o->nlink)
		o++;
	ck_assert(o < s->object + OBJECTS);
	s->nr_objects += o == s->object + s->nr_objects;
	*o = (struct object){ .gfid = *g };
	return o;
}

static struct entry *entry_of(struct store *s, const struct gfid *parent, const char *name)
{
	for (uint32_t i = 0; i < s->nr_entries; i++)
		if (gfid_equal(&s->entry[i].parent, parent) && strcmp(s->entry[i].name, name) == 0)
			return &s->entry[i];
	return NULL;
}

static int entry_add(struct store *s, const struct inode *parent, const char *name, struct object *o)
{
	ck_assert(s->nr_entries < ENTRIES);
	struct entry *e = &s->entry[s->nr_entries++];

	*e = (struct entry){ .parent = parent->gfid, .gfid = o->gfid };
	snprintf(e->name, sizeof e->name, "%s", name);
	o->nlink++;
	return 0;
}

static struct attr attr_of(const struct gfid *g, const struct object *o)
{
	return (struct attr){ .gfid = *g, .mode = (o ? S_IFREG : S_IFDIR) | 0600, .nlink = o ? o->nlink : 2 };
}

static int answer_bytes(struct store *s, struct buf **ret, const char *bytes)
{
	buf_unref(s->answer);
	s->answer = *ret = buf_copy(bytes, bytes[0] ? strlen(bytes) + 1 : 0);
	return (int)s->answer->len;
}

static int names_of(struct store *s, const union fop_args *a, enum fop_id op, union fop_reply *reply)
{
	struct entry *e;
	struct object *o;

	switch (op) {
	case FOP_lookup:
		e = entry_of(s, &a->lookup.parent->gfid, a->lookup.name);
		o = e ? object_of(s, &e->gfid) : NULL;
		if (o)
			reply->lookup.attr = attr_of(&o->gfid, o);
		return o ? 0 : -ENOENT;
	case FOP_mknod:
		if (entry_of(s, &a->mknod.parent->gfid, a->mknod.name))
			return -EEXIST;
		o = object_add(s, &a->mknod.inode->gfid);
		entry_add(s, a->mknod.parent, a->mknod.name, o);
		reply->mknod.attr = attr_of(&o->gfid, o);
		return 0;
	case FOP_link:
		o = object_of(s, &a->link.inode->gfid);
		if (!o)
			return -ESTALE;
		if (entry_of(s, &a->link.parent->gfid, a->link.name))
			return -EEXIST;
		entry_add(s, a->link.parent, a->link.name, o);
		reply->link.attr = attr_of(&o->gfid, o);
		return 0;
	default:
		e = entry_of(s, &a->unlink.parent->gfid, a->unlink.name);
		if (!e)
			return -ENOENT;
		o = object_of(s, &e->gfid);
		o->nlink--;
		reply->unlink.attr = attr_of(&o->gfid, o);
		*e = s->entry[--s->nr_entries];
		return 0;
	}
}

static int values_of(struct store *s, const union fop_args *a, enum fop_id op, union fop_reply *reply)
{
	const struct inode *inode = op == FOP_stat ? a->stat.inode : op == FOP_setattr ? a->setattr.inode :
				    op == FOP_setxattr ? a->setxattr.inode : op == FOP_getxattr ? a->getxattr.inode :
				    op == FOP_removexattr ? a->removexattr.inode : a->listxattr.inode;
	struct object *o = object_of(s, &inode->gfid);
	bool dir = inode->gfid.b[0] == 0;
	char text[16];

	if (!o && !dir)
		return -ESTALE;
	switch (op) {
	case FOP_stat:
		reply->stat.attr = attr_of(&inode->gfid, o);
		return 0;
	case FOP_setxattr:
		o->value = (uint32_t)strtoul((const char *)a->setxattr.value->data, NULL, 10);
		return 0;
	case FOP_removexattr:
		o->value = 0;
		return 0;
	case FOP_getxattr:
		if (!o->value)
			return -ENODATA;
		snprintf(text, sizeof text, "%u", o->value);
		return answer_bytes(s, &reply->getxattr.value, text);
	case FOP_listxattr:
		return answer_bytes(s, &reply->listxattr.names, o && o->value ? "user.v" : "");
	default:
		return 0;
	}
}

static int carry_out(struct script *s, struct frame *f, union fop_reply *reply)
{
	struct store *store = &stores[s->brick - script_brick];

	switch ((enum fop_id)f->op) {
	case FOP_lookup: case FOP_mknod: case FOP_link: case FOP_unlink:
		return names_of(store, f->args, f->op, reply);
	case FOP_stat: case FOP_setattr: case FOP_setxattr: case FOP_getxattr: case FOP_removexattr: case FOP_listxattr:
		return values_of(store, f->args, f->op, reply);
	default:
		ck_abort_msg("%s is not in the model", fop_names[f->op]);
	}
}

/* Which operation has set it: of a file its value, of a name what it means; 0: nothing is there. */
static uint32_t value_at(struct store *s, int key)
{
	static const struct gfid root = { .b = { [15] = 1 } };
	char name[8];

	if (key < FILES) {
		struct gfid g = file_gfid((uint32_t)key);

		return object_of(s, &g)->value;
	}
	snprintf(name, sizeof name, "x%d", key);
	const struct entry *e = entry_of(s, &root, name);
	return e ? (uint32_t)e->gfid.b[14] << 8 | e->gfid.b[15] : 0;
}

/* ---- what has been done ---- */

struct op {
	int key;
	bool removes, acknowledged;
	uint32_t begun, ended;		/* in the order of events; 0: not yet */
};
static struct op ops[OPS];		/* 0: as it was */
static uint32_t nr_ops, now;
static uint64_t seed;

/* Has something that was acknowledged, before `before`, begun after op n had been answered? */
static bool is_overwritten(uint32_t n, uint32_t before)
{
	for (uint32_t i = 1; n < nr_ops && i < nr_ops; i++)
		if (ops[i].acknowledged && ops[i].key == ops[n].key && ops[n].ended && ops[i].begun > ops[n].ended &&
		    ops[i].ended < before)
			return true;
	return false;
}

/* May `value` be there for who began to look at `since`? */
static bool is_allowed(int key, uint32_t value, uint32_t since)
{
	bool any = false;

	if (value)
		return value < nr_ops && ops[value].key == key && !ops[value].removes && !is_overwritten(value, since);
	/* Nothing: as at the beginning, or somebody has removed it. */
	for (uint32_t i = 1; i < nr_ops; i++)
		any |= ops[i].key == key && ops[i].acknowledged && ops[i].ended < since;
	for (uint32_t i = 1; any && i < nr_ops; i++)
		if (ops[i].key == key && ops[i].removes && !is_overwritten(i, since))
			any = false;
	return !any;
}

static void check_members(void)
{
	for (int i = 0; i < BRICKS && b[i]; i++)
		for (int key = 0; is_full(i) && key < KEYS; key++) {
			uint32_t v = value_at(&stores[b[i]->brick - script_brick], key);

			ck_assert_msg(is_allowed(key, v, now + 1), "seed %llu: key %d is %u on %s, a full member",
				      (unsigned long long)seed, key, v, b[i]->xl->name);
		}
}

struct running {
	struct answer a;
	uint32_t number;		/* 0: it reads */
	int key;
	uint32_t begun;
	bool busy;
};
static struct running running[PENDING];

static void collect_read(struct running *p)
{
	uint32_t v = 0;

	if (p->a.ret < 0 && p->a.ret != -ENODATA && p->a.ret != -ENOENT)
		return;
	if (p->a.ret >= 0)
		v = p->a.op == FOP_getxattr ? (uint32_t)strtoul((const char *)p->a.reply.getxattr.value->data, NULL, 10) :
			(uint32_t)p->a.reply.lookup.attr.gfid.b[14] << 8 | p->a.reply.lookup.attr.gfid.b[15];
	ck_assert_msg(is_allowed(p->key, v, p->begun), "seed %llu: %u was read of key %d", (unsigned long long)seed, v, p->key);
}

static void collect(void)
{
	for (int i = 0; i < PENDING; i++) {
		struct running *p = &running[i];

		if (!p->busy || !p->a.done)
			continue;
		p->busy = false;
		if (!p->number) {
			collect_read(p);
		} else {
			ops[p->number].ended = ++now;
			/* Refused by the state: nothing was changed. */
			ops[p->number].acknowledged = p->a.ret >= 0;
			if (getenv("AFR_LOG"))
				fprintf(stderr, "op %u on key %d: %d\n", p->number, p->key, p->a.ret);
			ck_assert_msg(p->a.ret >= 0 || p->a.ret == -EEXIST || p->a.ret == -ENOENT || p->a.ret == -EIO ||
				      p->a.ret == -ENOTCONN, "seed %llu: answered %d", (unsigned long long)seed, p->a.ret);
		}
		answer_drop(&p->a);
	}
	check_members();
}

/* ---- what happens ---- */

static uint64_t dice;

static uint32_t roll(uint32_t n)
{
	dice = dice * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(dice >> 33) % n;
}

static void set_value(struct running *p)
{
	struct gfid g = file_gfid((uint32_t)p->key);
	struct inode *inode = inode_get(r.g->inodes, &g, S_IFREG);
	char text[16];

	snprintf(text, sizeof text, "%u", p->number);
	_cleanup_buf_ struct buf *value = buf_copy(text, strlen(text) + 1);
	if (p->number)
		rig_call(&r, &p->a, FOP_setxattr, &(struct setxattr_args){ .inode = inode, .name = "user.v", .value = value });
	else
		rig_call(&r, &p->a, FOP_getxattr, &(struct getxattr_args){ .inode = inode, .name = "user.v" });
	inode_unref(inode);
}

static void set_name(struct running *p)
{
	static char names[KEYS][8];
	char *name = names[p->key];
	struct inode *root = inode_root(r.g->inodes);
	struct gfid g = made_gfid(p->number);
	struct inode *inode = inode_get(r.g->inodes, &g, S_IFREG);

	snprintf(name, sizeof names[0], "x%d", p->key);
	if (!p->number)
		rig_call(&r, &p->a, FOP_lookup, &(struct lookup_args){ .parent = root, .name = name });
	else if (ops[p->number].removes)
		rig_call(&r, &p->a, FOP_unlink, &(struct unlink_args){ .parent = root, .name = name });
	else
		rig_call(&r, &p->a, FOP_mknod, &(struct mknod_args){ .parent = root, .name = name, .inode = inode,
								     .mode = S_IFREG | 0600 });
	inode_unref(inode);
}

static void begin(int key, bool reads)
{
	struct running *p = running;

	while (p < running + PENDING && p->busy)
		p++;
	if (p == running + PENDING || nr_ops == OPS)
		return;
	*p = (struct running){ .key = key, .busy = true, .begun = ++now };
	if (!reads) {
		p->number = nr_ops++;
		ops[p->number] = (struct op){ .key = key, .removes = key >= FILES && roll(2), .begun = now };
	}
	if (key < FILES)
		set_value(p);
	else
		set_name(p);
}

static const enum fop_id held_ops[] = { FOP_setxattr, FOP_mknod, FOP_unlink, FOP_lookup, FOP_stat, FOP_getxattr };

static void random_failure(void)
{
	int i = (int)roll(BRICKS);
	struct script *s = b[i];
	enum fop_id op = held_ops[roll(6)];

	if (!s)
		return;
	switch (roll(8)) {
	case 0:
		cable_cut(c[i]);
		break;
	case 1: case 2:
		cable_join(c[i]);
		break;
	case 3:
		c[i]->loses |= !c[i]->cut && roll(2);	/* until it is cut */
		break;
	case 4:
		s->hold[op] = !s->hold[op];
		break;
	case 5:
		s->ret[op] = roll(6) ? 0 : -EIO;
		break;
	case 6:
		if (s->up && !roll(3))
			script_lose(s);
		break;
	case 7:
		if (!s->up)
			script_return(s);
		break;
	}
}

static void random_step(void)
{
	struct script *s = b[roll(BRICKS)];

	switch (roll(10)) {
	case 0: case 1:
		return random_failure();
	case 2: case 3: case 4:
		return begin((int)roll(KEYS), !roll(4));
	case 5: case 6:
		return let_time_pass(roll(8) ? roll(20) : roll(1500));
	default:
		if (s && s->held)
			script_release(s, s->held->f->op, roll(20) ? 0 : -EIO);
		else
			let_time_pass(1);
	}
}

static void calm(void)
{
	for (int i = 0; i < BRICKS && b[i]; i++) {
		memset(b[i]->hold, 0, sizeof b[i]->hold);
		memset(b[i]->ret, 0, sizeof b[i]->ret);
		/* What was lost on the way is noticed some time. */
		if (c[i]->loses)
			cable_cut(c[i]);
		script_release_all(b[i], 0);
		cable_join(c[i]);
		if (!b[i]->up)
			script_return(b[i]);
	}
}

/* All operations are answered. */
static void wait_answers(void)
{
	for (int i = 0; i < PENDING; i++) {
		until(!running[i].busy || running[i].a.done);
		collect();
	}
}

static bool all_full(void)
{
	return __builtin_popcount(view_mask(&afr->view, VIEW_FULL)) == __builtin_popcountll(afr->full) &&
	       !view_mask(&afr->view, VIEW_ABSENT) && !view_mask(&afr->view, VIEW_JOINING) && is_quiet();
}

/* The client dies in the middle of it, and the bricks' processes. */
static void die(void)
{
	for (int i = 0; i < BRICKS && b[i]; i++)
		cable_cut(c[i]);
	for (int i = 0; i < BRICKS && b[i]; i++) {
		memset(b[i]->hold, 0, sizeof b[i]->hold);
		script_release_all(b[i], roll(2) ? 0 : -EIO);
	}
	wait_answers();
	down();
}

static void start_life(int kind)
{
	up_as(kind == 1 ? 3 : 2, "", kind == 2);
	for (int i = 0; i < BRICKS && b[i]; i++)
		b[i]->carry_out = carry_out;
	wait_up();
}

static void the_end(void)
{
	calm();
	wait_answers();
	until(all_full());
	/* Whoever looks settles what nobody has finished. */
	for (int key = 0; key < KEYS; key++) {
		begin(key, true);
		wait_answers();
	}
	until(all_full());
	check_members();
	for (int i = 1; i < BRICKS && b[i]; i++)
		for (int key = 0; key < KEYS; key++)
			ck_assert_msg(value_at(&stores[b[0]->brick - script_brick], key) ==
				      value_at(&stores[b[i]->brick - script_brick], key),
				      "seed %llu: key %d differs in the end", (unsigned long long)seed, key);
	down();
}

static void random_life(int kind)
{
	dice = seed * 77777 + 1;
	starts = seed * 1000;
	memset(ops, 0, sizeof ops);
	nr_ops = 1;
	now = 1;
	bricks_fresh();
	for (int i = 0; i < BRICKS; i++) {
		struct buf *answer = stores[i].answer;

		memset(&stores[i], 0, sizeof stores[i]);
		stores[i].answer = answer;
		for (uint32_t n = 0; n < FILES; n++) {
			struct gfid g = file_gfid(n);

			object_add(&stores[i], &g)->nlink = 1;
		}
	}
	for (int left = 1 + (int)roll(3); left; left--) {
		start_life(kind);
		for (int steps = (int)roll(200); steps; steps--) {
			random_step();
			collect();
		}
		if (left > 1)
			die();
	}
	the_end();
}

static void lives(int kind)
{
	const char *from = getenv("AFR_SEED");
	uint64_t first = from ? strtoull(from, NULL, 0) : 1, nr = getenv("AFR_COUNT") ? strtoull(getenv("AFR_COUNT"), NULL, 0) : from ? 1 : 40;

	for (seed = first; seed < first + nr; seed++) {
		if (getenv("AFR_LOG"))
			fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
		random_life(kind);
	}
	for (int i = 0; i < BRICKS; i++)
		buf_unref(stores[i].answer);
}

START_TEST(two_bricks)
{
	lives(0);
}
END_TEST

START_TEST(three_bricks)
{
	lives(1);
}
END_TEST

START_TEST(two_bricks_and_a_witness)
{
	lives(2);
}
END_TEST

AFR_MAIN("afr-random", two_bricks, three_bricks, two_bricks_and_a_witness)
