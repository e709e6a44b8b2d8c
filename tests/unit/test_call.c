/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Calls, frames and legs: a caller, layers of several kinds, scripted children.
 */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>

#include "../xlator/script.h"

/* ---- layers ---- */

static void relay_done(struct frame *f, int child, int ret, const void *reply)
{
	if (ret < 0)
		return fail(f, ret);
	unwind_any(f, ret, reply);
}

static void relay_any(struct frame *f)
{
	uint64_t *data = frame_data(f);

	ck_assert_uint_eq(data[0] | data[1] | data[7], 0);	/* zeroed, also after a pass */
	memset(data, 0xff, 64);
	wind_any(f, 0, relay_done);
}

static const struct xlator_type relay = {
	.abi = XLATOR_ABI,
	.name = "call/relay",
	.help = "winds",
	.min_children = 1,
	.max_children = 1,
	.frame_size = 64,
	.fops = { .any = relay_any },
};

static void passing_any(struct frame *f)
{
	pass(f, 0);
}

static const struct xlator_type passing = {
	.abi = XLATOR_ABI,
	.name = "call/pass",
	.help = "passes",
	.min_children = 1,
	.max_children = XL_MANY,
	.frame_size = 16,
	.fops = { .any = passing_any },
};

static const struct xlator_type idle = {
	.abi = XLATOR_ABI,
	.name = "call/idle",
	.help = "does nothing",
	.min_children = 1,
	.max_children = XL_MANY,
};

static const struct xlator_type nobody = {
	.abi = XLATOR_ABI,
	.name = "call/nobody",
	.help = "handles nothing",
	.max_children = XL_MANY,
};

/* Answers from its own frame, with an object in the answer. */
struct lying {
	struct read_reply reply;
	uint8_t more[200];
};

static void lying_read(struct frame *f, const struct read_args *a)
{
	struct lying *l = frame_data(f);
	_cleanup_buf_ struct buf *b = buf_copy("hello", 5);

	l->reply.data = b;
	unwind_read(f, 5, &l->reply);
}

static void lying_stat(struct frame *f, const struct stat_args *a)
{
	struct stat_reply *r = frame_alloc(f, 64 << 10);	/* in a chunk of its own */

	memset(r, 0, sizeof *r);
	r->attr.mode = S_IFREG | 0644;
	r->attr.size = 4711;
	unwind_stat(f, 0, r);
}

static const struct xlator_type lying = {
	.abi = XLATOR_ABI,
	.name = "call/lying",
	.help = "answers from its frame",
	.frame_size = sizeof(struct lying),
	.fops = { .read = lying_read, .stat = lying_stat },
};

/* Uses its caller's answer after it has used the arena again. */
static void again_stat_done(struct frame *f, int child, int ret, const struct stat_reply *reply)
{
	struct stat_reply *first = frame_data(f);

	if (!first->attr.mode) {
		*first = *reply;
		return wind_stat(f, 0, f->args, again_stat_done);
	}
	ck_assert_uint_eq(reply->attr.size, first->attr.size);
	unwind_stat(f, ret, first);
}

static void again_stat(struct frame *f, const struct stat_args *a)
{
	wind_stat(f, 0, a, again_stat_done);
}

static const struct xlator_type again = {
	.abi = XLATOR_ABI,
	.name = "call/again",
	.help = "asks twice",
	.min_children = 1,
	.max_children = 1,
	.frame_size = sizeof(struct stat_reply),
	.fops = { .stat = again_stat },
};

/* All children at once. */
struct fan {
	int ret, left;
};

static void fan_done(struct frame *f, int child, int ret, const void *reply)
{
	struct fan *fan = frame_data(f);

	if (ret < 0)
		fan->ret = ret;
	if (--fan->left)
		return;
	if (fan->ret < 0)
		return fail(f, fan->ret);
	union fop_reply none;
	memset(&none, 0, sizeof none);
	unwind_any(f, 0, &none);
}

static void fan_any(struct frame *f)
{
	struct fan *fan = frame_data(f);
	int nr = f->xl->nr_children;

	fan->left = nr;
	for (int i = 0; i < nr; i++)
		wind_any(f, i, fan_done);
}

static const struct xlator_type fan = {
	.abi = XLATOR_ABI,
	.name = "call/fan",
	.help = "all children",
	.min_children = 1,
	.max_children = XL_MANY,
	.parallel = true,
	.frame_size = sizeof(struct fan),
	.fops = { .any = fan_any },
};

/* Allocates until several chunks are in use, winds, and looks whether it is all still there. */
enum { ALLOCS = 40, ALLOC_SIZE = 1500 };
static uint32_t allocated;

static void alloc_done(struct frame *f, int child, int ret, const void *reply)
{
	uint8_t **kept = *(uint8_t ***)frame_data(f);

	for (int i = 0; i < ALLOCS; i++)
		for (int k = 0; k < ALLOC_SIZE; k++)
			ck_assert_uint_eq(kept[i][k], (uint8_t)(i + k));
	ck_assert_str_eq((char *)kept[ALLOCS], "a name");
	relay_done(f, child, ret, reply);
}

static void alloc_any(struct frame *f)
{
	uint8_t **kept = frame_alloc(f, (ALLOCS + 1) * sizeof *kept);

	*(uint8_t ***)frame_data(f) = kept;
	for (int i = 0; i < ALLOCS; i++) {
		kept[i] = frame_alloc(f, ALLOC_SIZE);
		ck_assert_ptr_nonnull(kept[i]);
		ck_assert_uint_eq((uintptr_t)kept[i] % 16, 0);
		for (int k = 0; k < ALLOC_SIZE; k++)
			kept[i][k] = (uint8_t)(i + k);
	}
	kept[ALLOCS] = (uint8_t *)frame_strdup(f, "a name");
	allocated += ALLOCS;
	ck_assert_ptr_null(frame_alloc(f, SIZE_MAX));
	ck_assert_ptr_null(frame_alloc(f, SIZE_MAX / 2));
	ck_assert_ptr_nonnull(frame_alloc(f, 100000));
	wind_any(f, 0, alloc_done);
}

static const struct xlator_type alloc = {
	.abi = XLATOR_ABI,
	.name = "call/alloc",
	.help = "needs memory",
	.min_children = 1,
	.max_children = 1,
	.frame_size = sizeof(void *),
	.fops = { .any = alloc_any },
};

/* Other arguments than its own, with references that it drops at once. */
static void other_write(struct frame *f, const struct write_args *a)
{
	struct write_args down = *a;
	_cleanup_buf_ struct buf *mine = buf_copy("MINE", 4);

	down.data = mine;
	wind_write(f, 0, &down, forward_write);
}

static const struct xlator_type other = {
	.abi = XLATOR_ABI,
	.name = "call/other",
	.help = "writes something else",
	.min_children = 1,
	.max_children = 1,
	.fops = { .write = other_write },
};

static const struct xlator_type *const types[] = {
	&relay, &passing, &idle, &nobody, &lying, &again, &fan, &alloc, &other, NULL
};

static struct rig r;

static void up(const char *volfile)
{
	rig_types = types;
	bricks_new();
	rig_up(&r, volfile, 1);
}

#define CHILD(name) "volume " name " type test/child end-volume\n"
#define OVER(name, type, kids) "volume " name " type " type " subvolumes " kids " end-volume\n"

static struct stat_args stat_root(void)
{
	return (struct stat_args){ .inode = inode_root(r.g->inodes) };
}

/* ---- tests ---- */

START_TEST(a_call_is_one_page)
{
	ck_assert_uint_le(sizeof(struct call), 4096);
}
END_TEST

START_TEST(at_once_and_later)
{
	struct answer a, b;

	up(CHILD("x") OVER("y", "call/relay", "x"));
	struct script *x = script_of(&r, "x");
	struct stat_args args = stat_root();
	x->reply[FOP_stat].stat.attr = (struct attr){ .mode = S_IFDIR | 0755, .size = 7 };
	rig_call(&r, &a, FOP_stat, &args);
	ck_assert(a.done);
	ck_assert_int_eq(a.ret, 0);
	ck_assert_uint_eq(a.reply.stat.attr.size, 7);
	answer_drop(&a);
	x->hold[FOP_stat] = true;
	rig_call(&r, &a, FOP_stat, &args);
	rig_call(&r, &b, FOP_stat, &args);
	ck_assert(!a.done && !b.done);
	ck_assert_uint_eq(call_count(), 2);
	script_release(x, FOP_stat, -EIO);
	ck_assert(a.done && a.ret == -EIO && !b.done);
	script_release(x, FOP_stat, 3);
	ck_assert(b.done && b.ret == 3);
	answer_drop(&b);
	struct xlator *y = graph_find(r.g, "y");
	ck_assert_uint_eq(y->stats[FOP_stat].calls, 3);
	ck_assert_uint_eq(y->stats[FOP_stat].errors, 1);
	ck_assert_uint_eq(x->xl->stats[FOP_stat].calls, 3);
	ck_assert_uint_eq(x->xl->stats[FOP_stat].errors, 1);
	ck_assert_uint_eq(y->stats[FOP_read].calls, 0);
	rig_down(&r);
}
END_TEST

START_TEST(who_does_nothing_is_linked_past)
{
	struct answer a;

	up(CHILD("x") OVER("i1", "call/idle", "x") OVER("i2", "call/idle", "i1")
		   OVER("o", "call/other", "i2") OVER("i3", "call/idle", "o"));
	struct xlator *o = graph_find(r.g, "o"), *x = graph_find(r.g, "x");
	ck_assert_ptr_eq(r.g->top->next[0][FOP_write], o);
	ck_assert_ptr_eq(r.g->top->next[0][FOP_stat], x);
	ck_assert_ptr_eq(o->next[0][FOP_write], x);
	struct stat_args args = stat_root();
	rig_call(&r, &a, FOP_stat, &args);
	ck_assert(a.done && a.ret == 0);
	answer_drop(&a);
	ck_assert_uint_eq(o->stats[FOP_stat].calls, 0);
	ck_assert_uint_eq(graph_find(r.g, "i1")->stats[FOP_stat].calls, 0);
	rig_down(&r);
}
END_TEST

START_TEST(nobody_handles_it)
{
	struct answer a;

	up(OVER("n", "call/nobody", "l") "volume l type call/lying end-volume\n" OVER(
		"p", "call/pass", "n") OVER("y", "call/relay", "p") OVER("f", "call/fan", "y n"));
	struct unlink_args args = { .parent = inode_root(r.g->inodes), .name = "x" };
	rig_call(&r, &a, FOP_unlink, &args);
	ck_assert(a.done);
	ck_assert_int_eq(a.ret, -ENOSYS);
	rig_down(&r);
}
END_TEST

START_TEST(passing_on)
{
	struct answer a;

	up(CHILD("x") OVER("p1", "call/pass", "x") OVER("p2", "call/pass", "p1")
		   OVER("y", "call/relay", "p2") OVER("p3", "call/pass", "y")
			   OVER("f", "call/fan", "p3 x") OVER("p4", "call/pass", "f"));
	struct script *x = script_of(&r, "x");
	struct stat_args args = stat_root();
	x->hold[FOP_stat] = true;
	rig_call(&r, &a, FOP_stat, &args);
	ck_assert_uint_eq(x->nr_held, 2);
	script_release(x, FOP_stat, 0);
	ck_assert(!a.done);
	script_release(x, FOP_stat, -EACCES);
	ck_assert(a.done && a.ret == -EACCES);
	rig_down(&r);
}
END_TEST

START_TEST(legs_in_parallel)
{
	struct answer a[3];

	up(CHILD("x") CHILD("y") CHILD("z") OVER("f1", "call/fan", "x y z")
		   OVER("f2", "call/fan", "f1 z") OVER("top", "call/relay", "f2"));
	struct script *x = script_of(&r, "x"), *y = script_of(&r, "y"), *z = script_of(&r, "z");
	struct stat_args args = stat_root();
	x->hold[FOP_stat] = y->hold[FOP_stat] = z->hold[FOP_stat] = true;
	for (int i = 0; i < 3; i++)
		rig_call(&r, &a[i], FOP_stat, &args);
	ck_assert_uint_eq(z->nr_held, 6);
	ck_assert_uint_eq(call_count(), 3);
	script_release_all(z, 0);
	script_release(y, FOP_stat, 0);
	ck_assert(!a[0].done);
	script_release(x, FOP_stat, 0);
	ck_assert(a[0].done && !a[1].done && a[0].ret == 0);
	script_release(x, FOP_stat, -EIO);
	script_release(x, FOP_stat, 0);
	ck_assert(!a[1].done && !a[2].done);
	script_release_all(y, 0);
	ck_assert(a[1].ret == -EIO && a[2].ret == 0);
	answer_drop(&a[0]);
	answer_drop(&a[2]);
	rig_down(&r);
}
END_TEST

START_TEST(arguments_are_held)
{
	struct answer a;
	struct gfid g = { .b = { 9 } };

	up(CHILD("x") OVER("r", "call/relay", "x") OVER("o", "call/other", "r")
		   OVER("f", "call/fan", "o x"));
	struct script *x = script_of(&r, "x");
	struct inode *inode = inode_get(r.g->inodes, &g, S_IFREG);
	struct fd *fd = fd_new(inode, O_RDWR, false);
	struct buf *data = buf_copy("theirs", 6);
	inode_unref(inode);
	x->hold[FOP_write] = true;
	rig_call(&r, &a, FOP_write, &(struct write_args){ .fd = fd, .data = data });
	fd_unref(fd);
	buf_unref(data);	/* both live on in the frames */
	const struct write_args *mine = script_held(x, FOP_write)->args;
	ck_assert(mine->fd == fd && mine->data->len == 4 &&
		  memcmp(mine->data->data, "MINE", 4) == 0);
	script_release(x, FOP_write, 4);
	const struct write_args *theirs = script_held(x, FOP_write)->args;
	ck_assert(theirs->data == data && data->refs == 1 && fd->refs == 1);
	script_release(x, FOP_write, 6);
	ck_assert(a.done);
	ck_assert_uint_eq(inode_table_counts(r.g->inodes).fds, 0);
	answer_drop(&a);
	rig_down(&r);
}
END_TEST

START_TEST(memory_of_a_frame)
{
	struct answer a, b;

	up(CHILD("x") OVER("a1", "call/alloc", "x") OVER("r", "call/relay", "a1")
		   OVER("a2", "call/alloc", "r") OVER("f", "call/fan", "a2 a1")
			   OVER("a3", "call/alloc", "f"));
	struct script *x = script_of(&r, "x");
	struct stat_args args = stat_root();
	x->hold[FOP_stat] = true;
	rig_call(&r, &a, FOP_stat, &args);
	rig_call(&r, &b, FOP_stat, &args);
	ck_assert_uint_eq(allocated, 2 * 4 * ALLOCS);
	script_release_all(x, 0);
	ck_assert(a.done && b.done && a.ret == 0 && b.ret == 0);
	answer_drop(&a);
	answer_drop(&b);
	rig_down(&r);
}
END_TEST

START_TEST(answers_that_lie_in_the_arena)
{
	struct answer a;

	up("volume l type call/lying end-volume\n" OVER("g", "call/again", "l")
		   OVER("g2", "call/again", "g") OVER("al", "call/relay", "g2"));
	struct stat_args args = stat_root();
	rig_call(&r, &a, FOP_stat, &args);
	ck_assert(a.done);
	ck_assert_uint_eq(a.reply.stat.attr.size, 4711);
	answer_drop(&a);
	struct fd *fd = fd_new(inode_root(r.g->inodes), 0, false);
	rig_call(&r, &a, FOP_read, &(struct read_args){ .fd = fd, .size = 5 });
	fd_unref(fd);
	ck_assert(a.done && a.ret == 5);
	ck_assert_int_eq(memcmp(a.reply.read.data->data, "hello", 5), 0);
	answer_drop(&a);
	rig_down(&r);
}
END_TEST

enum { DEEP = 200 };

START_TEST(deep_stacks)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct answer a[4];
	struct write_args args = { 0 };

	fprintf(out, CHILD("v0"));
	for (int i = 1; i <= DEEP; i++)
		fprintf(out, "volume v%d type %s subvolumes v%d end-volume\n", i,
			i % 5 == 0    ? "call/pass"
			: i % 50 == 7 ? "call/fan"
			: i % 70 == 3 ? "call/alloc"
				      : "call/relay",
			i - 1);
	fclose(out);
	up(text);
	free(text);
	struct script *x = script_of(&r, "v0");
	args.fd = fd_new(inode_root(r.g->inodes), 0, false);
	args.data = buf_copy("x", 1);
	for (int later = 0; later < 2; later++) {
		x->hold[FOP_write] = later;
		for (int i = 0; i < 4; i++)
			rig_call(&r, &a[i], FOP_write, &args);
		ck_assert(a[3].done == !later);
		script_release_all(x, 1);
		for (int i = 0; i < 4; i++) {
			ck_assert(a[i].done);
			answer_drop(&a[i]);
		}
	}
	fd_unref(args.fd);
	buf_unref(args.data);
	rig_down(&r);
}
END_TEST

START_TEST(cancel_while_it_waits)
{
	struct answer a;

	up(CHILD("x") OVER("r", "call/relay", "x") OVER("p", "call/pass", "r"));
	struct script *x = script_of(&r, "x");
	struct stat_args args = stat_root();
	x->hold[FOP_stat] = true;
	rig_call(&r, &a, FOP_stat, &args);
	call_cancel(a.root);
	ck_assert(a.done && a.ret == -EINTR);
	ck_assert_uint_eq(x->cancels, 1);
	rig_down(&r);
}
END_TEST

static bool cancel_first;

static void late_any(struct frame *f)
{
	if (cancel_first) {		/* the caller gives up before anybody waits */
		struct frame *root = f;

		while (root->parent)
			root = root->parent;
		call_cancel(root);
	}
	wind_any(f, 0, relay_done);
}

static const struct xlator_type late = {
	.abi = XLATOR_ABI,
	.name = "call/late",
	.help = "cancels on the way",
	.min_children = 1,
	.max_children = 1,
	.fops = { .any = late_any },
};

START_TEST(cancel_before_anybody_waits)
{
	static const struct xlator_type *const more[] = { &relay, &late, &fan, NULL };
	struct answer a;

	rig_types = more;
	rig_up(&r, CHILD("x") CHILD("y") OVER("f", "call/fan", "x y") OVER("l", "call/late", "f")
	       OVER("r", "call/relay", "l"), 1);
	struct script *x = script_of(&r, "x"), *y = script_of(&r, "y");
	struct stat_args args = stat_root();
	cancel_first = true;
	x->hold[FOP_stat] = y->hold[FOP_stat] = true;
	rig_call(&r, &a, FOP_stat, &args);
	ck_assert(a.done && a.ret == -EINTR);
	ck_assert_uint_eq(x->cancels + y->cancels, 2);
	/* What does not wait is not disturbed. */
	x->hold[FOP_stat] = y->hold[FOP_stat] = false;
	rig_call(&r, &a, FOP_stat, &args);
	ck_assert(a.done && a.ret == 0);
	answer_drop(&a);
	rig_down(&r);
}
END_TEST

START_TEST(cancel_several_legs)
{
	struct answer a, b;

	up(CHILD("x") CHILD("y") CHILD("z") OVER("f1", "call/fan", "x y")
		   OVER("f2", "call/fan", "f1 z x") OVER("r", "call/relay", "f2"));
	struct script *x = script_of(&r, "x"), *y = script_of(&r, "y"), *z = script_of(&r, "z");
	struct stat_args args = stat_root();
	x->hold[FOP_stat] = y->hold[FOP_stat] = z->hold[FOP_stat] = true;
	rig_call(&r, &a, FOP_stat, &args);
	rig_call(&r, &b, FOP_stat, &args);
	script_release(y, FOP_stat, 0);
	call_cancel(a.root);
	ck_assert(a.done && a.ret == -EINTR && !b.done);
	ck_assert_uint_eq(x->cancels, 2);
	ck_assert_uint_eq(y->cancels, 0);
	ck_assert_uint_eq(z->cancels, 1);
	script_release_all(x, 0);
	script_release_all(y, 0);
	ck_assert(!b.done);
	script_release_all(z, 0);
	ck_assert(b.done && b.ret == 0);
	answer_drop(&b);
	rig_down(&r);
}
END_TEST

/* A cancelled waiter lets another one of the same call go: a lock given up is granted to the
 * next. */
static struct frame *chain[128];
static int nr_chain;

static void chain_cancel(struct frame *f)
{
	int i = 0;

	while (chain[i] != f)
		i++;
	chain[i] = NULL;
	fail(f, -EINTR);
	for (i = 0; i < nr_chain; i++) {
		struct frame *next = chain[i];

		if (!next)
			continue;
		chain[i] = NULL;
		frame_on_cancel(next, NULL);
		return fail(next, -EAGAIN);
	}
}

static void chain_any(struct frame *f)
{
	chain[nr_chain++] = f;
	frame_on_cancel(f, chain_cancel);
}

static const struct xlator_type chained = {
	.abi = XLATOR_ABI, .name = "call/chained", .help = "waits", .fops = { .any = chain_any },
};

START_TEST(a_cancel_that_answers_others)
{
	static const struct xlator_type *const more[] = { &relay, &fan, &chained, NULL };
	struct answer a;

	rig_types = more;
	rig_up(&r,
	       "volume c type call/chained end-volume " OVER("r1", "call/relay", "c")
		       OVER("r2", "call/relay", "c") OVER("r3", "call/relay", "c")
			       OVER("r4", "call/relay", "c") OVER("r5", "call/relay", "c")
				       OVER("f", "call/fan", "r1 r2 r3 r4 r5"),
	       1);
	struct stat_args args = stat_root();
	rig_call(&r, &a, FOP_stat, &args);
	ck_assert_int_eq(nr_chain, 5);
	call_cancel(a.root);
	ck_assert(a.done && a.ret < 0);
	rig_down(&r);
}
END_TEST

START_TEST(cancel_more_than_a_few)
{
	struct answer a;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	fprintf(out, CHILD("x"));
	for (int i = 0; i < 100; i++)
		fprintf(out, OVER("v%d", "call/relay", "x"), i);
	fprintf(out, "volume f type call/fan subvolumes");
	for (int i = 0; i < 100; i++)
		fprintf(out, " v%d", i);
	fprintf(out, " end-volume\n");
	fclose(out);
	up(text);
	free(text);
	struct script *x = script_of(&r, "x");
	struct stat_args args = stat_root();
	x->hold[FOP_stat] = true;
	rig_call(&r, &a, FOP_stat, &args);
	ck_assert_uint_eq(x->nr_held, 100);
	call_cancel(a.root);
	ck_assert(a.done && a.ret == -EINTR);
	rig_down(&r);
}
END_TEST

START_TEST(identity)
{
	struct answer a;
	const uint32_t groups[] = { 5, 6 };

	up(CHILD("x") OVER("f", "call/fan", "x x2") CHILD("x2") OVER("r", "call/relay", "f"));
	struct script *x = script_of(&r, "x"), *x2 = script_of(&r, "x2");
	struct stat_args args = stat_root();
	x->hold[FOP_stat] = x2->hold[FOP_stat] = true;
	rig_as = (struct identity){ .uid = 7,
				    .gid = 8,
				    .pid = 9,
				    .nr_groups = 2,
				    .groups = groups,
				    .txn = 11,
				    .lk_owner = 12 };
	rig_call(&r, &a, FOP_stat, &args);
	rig_as.uid = 99;			/* copied */
	ck_assert_uint_eq(frame_identity(script_held(x, FOP_stat))->uid, 7);
	ck_assert_uint_eq(frame_identity(script_held(x2, FOP_stat))->groups[1], 6);
	ck_assert_ptr_eq(frame_identity(script_held(x2, FOP_stat)), call_identity(a.root));
	script_release_all(x, 0);
	script_release_all(x2, 0);
	answer_drop(&a);
	rig_down(&r);
}
END_TEST

struct told {
	char *text;
	size_t size;
	FILE *out;
	uint32_t nr;
};

static void tell(void *arg, const char *line)
{
	struct told *t = arg;

	t->nr++;
	fprintf(t->out, "%s\n", line);
}

/* What is told about the calls under way; the caller frees ->text. */
static struct told told(void)
{
	struct told t = { 0 };

	t.out = open_memstream(&t.text, &t.size);
	calls_tell(r.g, tell, &t);
	fclose(t.out);
	return t;
}

START_TEST(who_waits_where)
{
	struct answer a, b;
	const bool never = false;
	struct told t;

	up(CHILD("x") CHILD("y") OVER("r", "call/relay", "x") OVER("f", "call/fan", "r y"));
	struct script *x = script_of(&r, "x"), *y = script_of(&r, "y");
	struct stat_args args = stat_root();
	x->hold[FOP_stat] = y->hold[FOP_stat] = true;
	rig_as = (struct identity){ .uid = 7, .gid = 8, .pid = 9 };
	rig_call(&r, &a, FOP_stat, &args);
	ck_assert_int_eq(loop_run_until(r.loop, &never, 12345), -ETIMEDOUT);
	rig_as = (struct identity){ .uid = 17, .gid = 18, .pid = 19 };
	rig_call(&r, &b, FOP_stat, &args);
	t = told();
	ck_assert_str_eq(t.text,
			 "stat for uid 7, gid 8, pid 9, 12.345 s, in y < f < test-top, x < r < f < test-top: "
			 "inode=00000000-0000-0000-0000-000000000001 fd=none\n"
			 "stat for uid 17, gid 18, pid 19, 0.000 s, in y < f < test-top, x < r < f < test-top: "
			 "inode=00000000-0000-0000-0000-000000000001 fd=none\n");
	free(t.text);
	script_release(y, FOP_stat, 0);
	script_release(x, FOP_stat, 0);
	ck_assert(a.done && !b.done);
	script_release(y, FOP_stat, 0);
	t = told();
	ck_assert_str_eq(t.text,
			 "stat for uid 17, gid 18, pid 19, 0.000 s, in x < r < f < test-top: "
			 "inode=00000000-0000-0000-0000-000000000001 fd=none\n");
	free(t.text);
	script_release_all(x, 0);
	t = told();
	ck_assert_uint_eq(t.nr, 0);
	free(t.text);
	answer_drop(&a);
	answer_drop(&b);
	rig_down(&r);
}
END_TEST

/* Asks for something else on its own account. */
static void asks_stat_done(struct frame *f, int child, int ret, const struct stat_reply *reply)
{
	pass(f, 0);
}

static void asks_open(struct frame *f, const struct open_args *a)
{
	wind_stat(f, 0, &(struct stat_args){ .inode = inode_root(f->xl->graph->inodes) },
		  asks_stat_done);
}

static const struct xlator_type asks = {
	.abi = XLATOR_ABI,
	.name = "call/asks",
	.help = "asks for attributes before an open",
	.min_children = 1,
	.max_children = 1,
	.fops = { .open = asks_open },
};

START_TEST(what_a_translator_asks_itself)
{
	static const struct xlator_type *const more[] = { &asks, NULL };
	struct inode *root;
	struct answer a;
	struct told t;

	rig_types = more;
	rig_up(&r, CHILD("x") OVER("q", "call/asks", "x"), 1);
	struct script *x = script_of(&r, "x");
	root = inode_root(r.g->inodes);
	struct fd *fd = fd_new(root, 0, false);
	x->hold[FOP_stat] = x->hold[FOP_open] = true;
	rig_call(&r, &a, FOP_open, &(struct open_args){ .inode = root, .fd = fd });
	t = told();
	ck_assert_ptr_nonnull(strstr(t.text, "open for uid"));
	ck_assert_ptr_nonnull(strstr(t.text, " in x (stat) < q < test-top: inode=00000000-"));
	free(t.text);
	script_release(x, FOP_stat, 0);
	t = told();
	ck_assert_ptr_nonnull(strstr(t.text, " in x < test-top: inode=00000000-"));
	free(t.text);
	script_release(x, FOP_open, 0);
	ck_assert(a.done);
	answer_drop(&a);
	fd_unref(fd);
	struct frame *own = call_new(r.g->top, NULL, 0);
	t = told();
	ck_assert_str_eq(t.text, "nothing for uid 0, gid 0, pid 0, 0.000 s, in test-top\n");
	free(t.text);
	call_end(own);
	rig_down(&r);
}
END_TEST

START_TEST(more_calls_than_are_told)
{
	static struct answer a[CALLS_TOLD + 5];
	struct told t;

	up(CHILD("x"));
	struct script *x = script_of(&r, "x");
	struct stat_args args = stat_root();
	x->hold[FOP_stat] = true;
	for (int i = 0; i < CALLS_TOLD; i++)
		rig_call(&r, &a[i], FOP_stat, &args);
	t = told();
	ck_assert_uint_eq(t.nr, CALLS_TOLD);
	ck_assert_ptr_null(strstr(t.text, "more"));
	free(t.text);
	for (int i = 0; i < 5; i++)
		rig_call(&r, &a[CALLS_TOLD + i], FOP_stat, &args);
	t = told();
	ck_assert_uint_eq(t.nr, CALLS_TOLD + 1);
	ck_assert_ptr_nonnull(strstr(t.text, "\nand 5 more\n"));
	free(t.text);
	script_release_all(x, 0);
	for (int i = 0; i < CALLS_TOLD + 5; i++)
		answer_drop(&a[i]);
	rig_down(&r);
}
END_TEST

UNIT_MAIN("call", a_call_is_one_page, at_once_and_later, who_does_nothing_is_linked_past,
	  nobody_handles_it, passing_on, legs_in_parallel, arguments_are_held, memory_of_a_frame,
	  answers_that_lie_in_the_arena, deep_stacks, cancel_while_it_waits,
	  cancel_before_anybody_waits, cancel_several_legs, a_cancel_that_answers_others,
	  cancel_more_than_a_few, identity, who_waits_where, what_a_translator_asks_itself,
	  more_calls_than_are_told)
