/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The table of a graph's objects, and its open files. */
#include "config.h"

#include <stdio.h>

#include "../xlator/script.h"

static uint32_t forgotten, released;
static uint64_t last_slot;
static struct inode *drop_in_forget;

static void keeper_forget(struct xlator *xl, struct inode *inode, uint64_t slot)
{
	ck_assert_uint_eq(slot, *inode_slot(inode, xl));
	forgotten++;
	last_slot = slot;
	struct inode *also = drop_in_forget;
	drop_in_forget = NULL;
	inode_unref(also);
}

static void keeper_release(struct xlator *xl, struct fd *fd, uint64_t slot)
{
	ck_assert_uint_eq(slot, *fd_slot(fd, xl));
	ck_assert_int_gt(fd->inode->refs, 0);
	released++;
	last_slot = slot;
}

static const struct xlator_type keeper = {
	.abi = XLATOR_ABI,
	.name = "inode/keeper",
	.help = "keeps words",
	.min_children = 1,
	.max_children = 1,
	.forget = keeper_forget,
	.release = keeper_release,
};
static const struct xlator_type *const types[] = { &keeper, NULL };

static struct rig r;
static struct inode_table *t;
static struct xlator *k;

static void up(uint32_t lru_limit)
{
	rig_types = types;
	rig_lru_limit = lru_limit;
	rig_up(&r,
	       "volume x type test/child end-volume volume k type inode/keeper subvolumes x end-volume",
	       1);
	t = r.g->inodes;
	k = graph_find(r.g, "k");
}

static struct gfid number(uint32_t n)
{
	struct gfid g = { .b = { [12] = 0xaa } };

	memcpy(g.b, &n, sizeof n);
	return g;
}

static struct inode *get(uint32_t n)
{
	struct gfid g = number(n);
	struct inode *inode = inode_get(t, &g, S_IFREG);

	ck_assert_ptr_nonnull(inode);
	return inode;
}

static bool known(uint32_t n)
{
	struct gfid g = number(n);
	struct inode *inode = inode_find(t, &g);

	inode_unref(inode);
	return inode != NULL;
}

START_TEST(gfids)
{
	char text[GFID_STR];
	struct gfid g, h;

	ck_assert_str_eq(gfid_str(&gfid_root, text), "00000000-0000-0000-0000-000000000001");
	ck_assert_uint_eq(gfid_ino(&gfid_root), 1);
	ck_assert(gfid_is_none(&gfid_none) && !gfid_is_none(&gfid_root));
	ck_assert_int_eq(gfid_parse("01234567-89ab-cDEf-0123-456789abcdef", &g), 0);
	ck_assert_str_eq(gfid_str(&g, text), "01234567-89ab-cdef-0123-456789abcdef");
	ck_assert(gfid_equal(&g, &g) && !gfid_equal(&g, &gfid_root));
	static const char *const bad[] = {
		"", "0", "01234567-89ab-cdef-0123-456789abcde", "01234567-89ab-cdef-0123-456789abcdef0",
		"0123456789abcdef0123456789abcdef", "0123456g-89ab-cdef-0123-456789abcdef",
		"01234567-89ab-cdef-0123-456789abcde-", "01234567_89ab-cdef-0123-456789abcdef",
	};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ck_assert_int_eq(gfid_parse(bad[i], &h), -EINVAL);
	for (uint32_t i = 0; i < 10000; i++) {
		g = number(i);
		ck_assert(gfid_ino(&g) > 1 && gfid_ino(&g) < UINT64_C(1) << 63);
	}
}
END_TEST

START_TEST(one_object_per_identity)
{
	up(10);
	struct inode *a = get(1), *b = get(1), *c = get(2);
	ck_assert(a == b && a != c);
	ck_assert_int_eq(a->refs, 2);
	ck_assert_uint_eq(a->type, S_IFREG);
	ck_assert_uint_eq(inode_table_counts(t).active, 3);	/* and the root */
	struct gfid g = number(1);
	struct inode *d = inode_get(t, &g, 0);
	ck_assert_uint_eq(d->type, S_IFREG);
	inode_unref(d);
	inode_unref(a);
	inode_unref(b);
	inode_unref(c);
	inode_unref(NULL);
	ck_assert_ptr_null(inode_ref(NULL));
	g = number(3);
	d = inode_get(t, &g, 0);
	ck_assert_uint_eq(d->type, 0);
	inode_unref(inode_get(t, &g, S_IFDIR | 0755));
	ck_assert_uint_eq(d->type, S_IFDIR);
	inode_unref(d);
	ck_assert_uint_eq(inode_root(t)->type, S_IFDIR);
	rig_down(&r);
}
END_TEST

START_TEST(blank_ones_go_at_once)
{
	up(10);
	inode_unref(get(1));
	ck_assert(!known(1));
	ck_assert_uint_eq(inode_table_counts(t).lru, 0);
	struct inode *a = get(1);
	*inode_slot(a, k) = 17;
	inode_unref(a);
	ck_assert(known(1));
	ck_assert_uint_eq(inode_table_counts(t).lru, 1);
	a = get(1);
	ck_assert_uint_eq(*inode_slot(a, k), 17);
	ck_assert_uint_eq(inode_table_counts(t).lru, 0);
	*inode_slot(a, k) = 0;
	inode_unref(a);
	ck_assert(!known(1));
	ck_assert_uint_eq(forgotten, 0);
	rig_down(&r);
}
END_TEST

START_TEST(the_oldest_are_forgotten)
{
	up(5);
	for (uint32_t i = 0; i < 5; i++) {
		struct inode *n = get(i);

		*inode_slot(n, k) = 100 + i;
		inode_unref(n);
	}
	ck_assert_uint_eq(forgotten, 0);
	inode_unref(get(0));			/* used again: the youngest */
	struct inode *n = get(5);
	*inode_slot(n, k) = 105;
	inode_unref(n);
	ck_assert_uint_eq(forgotten, 1);
	ck_assert_uint_eq(last_slot, 101);
	ck_assert(known(0) && !known(1) && known(2));
	/* A held one is not counted. */
	n = get(2);
	for (uint32_t i = 10; i < 20; i++) {
		struct inode *m = get(i);

		*inode_slot(m, k) = 1;
		inode_unref(m);
	}
	ck_assert(known(2) && !known(3));
	ck_assert_uint_eq(inode_table_counts(t).lru, 5);
	inode_unref(n);
	inode_table_set_lru_limit(t, 1);
	ck_assert_uint_eq(inode_table_counts(t).lru, 1);
	ck_assert(known(2));
	inode_table_set_lru_limit(t, 0);
	ck_assert(!known(2));
	rig_down(&r);
}
END_TEST

START_TEST(forgetting_may_forget_more)
{
	up(3);
	for (uint32_t i = 0; i < 3; i++) {
		struct inode *n = get(i);

		*inode_slot(n, k) = 1;
		inode_unref(n);
	}
	struct inode *held = get(7), *n = get(8);
	*inode_slot(held, k) = 1;
	*inode_slot(n, k) = 1;
	/* unreferenced while another one is being forgotten */
	drop_in_forget = held;
	inode_unref(n);
	ck_assert_uint_eq(inode_table_counts(t).lru, 3);
	ck_assert_uint_eq(forgotten, 2);
	rig_down(&r);
	ck_assert_uint_eq(forgotten, 5);	/* the rest at the end */
}
END_TEST

START_TEST(growing)
{
	enum { MANY = 100000 };
	struct inode **all = calloc(MANY, sizeof *all);

	up(MANY / 2);
	for (uint32_t i = 0; i < MANY; i++) {
		all[i] = get(i);
		*inode_slot(all[i], k) = i + 1;
	}
	ck_assert_uint_eq(inode_table_counts(t).active, MANY + 1);
	for (uint32_t i = 0; i < MANY; i++) {
		struct gfid g = number(i);
		struct inode *n = inode_find(t, &g);

		ck_assert(n == all[i] && *inode_slot(n, k) == i + 1);
		inode_unref(n);
	}
	ck_assert(!known(MANY));
	for (uint32_t i = 0; i < MANY; i++)
		inode_unref(all[i]);
	free(all);
	ck_assert_uint_eq(forgotten, MANY / 2);
	ck_assert_uint_eq(inode_table_counts(t).lru, MANY / 2);
	ck_assert(!known(0) && known(MANY - 1));
	rig_down(&r);
	ck_assert_uint_eq(forgotten, MANY);
}
END_TEST

static uint32_t seen;

static void see(struct fd *fd, void *arg)
{
	ck_assert_ptr_eq(arg, &seen);
	seen += fd->flags;
}

START_TEST(open_files)
{
	up(10);
	struct inode *n = get(1);
	struct fd *a = fd_new(n, 1, false), *b = fd_new(n, 2, true), *c = fd_new(n, 4, false);
	inode_unref(n);
	ck_assert_int_eq(n->refs, 3);
	ck_assert(b->directory && !a->directory);
	*fd_slot(a, k) = 41;
	fd_each(t, see, &seen);
	ck_assert_uint_eq(seen, 7);
	ck_assert_uint_eq(inode_table_counts(t).fds, 3);
	ck_assert_ptr_eq(fd_ref(a), a);
	fd_unref(b);				/* in the middle of the list */
	ck_assert_uint_eq(released, 0);		/* nothing was kept in it */
	seen = 0;
	fd_each(t, see, &seen);
	ck_assert_uint_eq(seen, 5);
	fd_unref(a);
	ck_assert_uint_eq(released, 0);
	fd_unref(a);
	ck_assert_uint_eq(released, 1);
	ck_assert_uint_eq(last_slot, 41);
	ck_assert(known(1));
	fd_unref(c);
	ck_assert(!known(1));			/* it was held by the files only */
	fd_unref(NULL);
	ck_assert_ptr_null(fd_ref(NULL));
	rig_down(&r);
}
END_TEST

UNIT_MAIN("inode", gfids, one_object_per_identity, blank_ones_go_at_once, the_oldest_are_forgotten,
	  forgetting_may_forget_more, growing, open_files)
