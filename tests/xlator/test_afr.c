/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* cluster/afr: who is a member at the start, changes, who fails one. */
#include "config.h"

#include "afr_rig.h"

/* ---- starting ---- */

START_TEST(all_up)
{
	bricks_new();
	up2();
	ck_assert_uint_eq(r.top->ups, 1);
	ck_assert(is_member(0) && is_member(1));
	ck_assert_int_eq(change(), 0);
	ck_assert_uint_eq(b[0]->count[FOP_unlink], 1);
	ck_assert_uint_eq(b[1]->count[FOP_unlink], 1);
	ck_assert_uint_eq(b[0]->count[FOP_setxattr] + b[1]->count[FOP_setxattr], 0);
	rig_down(&r);
}
END_TEST

START_TEST(start_timeout)
{
	bricks_new();
	rig_children_up = false;
	up2();
	script_return(b[1]);
	ck_assert_uint_eq(r.top->ups, 0);		/* the other one may still come */
	let_time_pass(2900);
	ck_assert_uint_eq(r.top->ups, 0);
	let_time_pass(200);
	ck_assert_uint_eq(r.top->ups, 1);
	ck_assert_int_eq(change(), 0);
	/* Nobody knows the id of who was not there: all but b1 are out. */
	ck_assert_str_eq(mark_others(1), "b0000000000000000000000000000001");
	script_return(b[0]);
	ck_assert(is_out(0) && is_member(1));
	rig_down(&r);

	/* A later mount reads the mark. */
	rig_children_up = true;
	up2();
	ck_assert(is_out(0) && is_member(1));
	ck_assert_uint_eq(r.top->ups, 1);
	ck_assert_int_eq(do_stat(), 0);
	ck_assert_uint_eq(b[0]->count[FOP_stat], 0);
	rig_down(&r);
}
END_TEST

START_TEST(down_counts_as_heard)
{
	bricks_new();
	rig_children_up = false;
	up2();
	script_return(b[0]);
	script_lose(b[1]);
	/* both have been heard of: nothing to wait for */
	ck_assert_uint_eq(r.top->ups, 1);
	script_lose(b[0]);
	ck_assert_uint_eq(r.top->downs, 1);
	ck_assert_int_eq(do_stat(), -ENOTCONN);
	ck_assert_int_eq(change(), -ENOTCONN);
	script_return(b[0]);
	ck_assert_uint_eq(r.top->ups, 2);
	rig_down(&r);
}
END_TEST

START_TEST(all_failed)
{
	bricks_new();
	rig_children_up = false;
	up2();
	script_fail(b[0], "no such volume");
	ck_assert_uint_eq(r.top->faileds, 0);
	script_fail(b[1], "not allowed");
	ck_assert_uint_eq(r.top->faileds, 1);
	ck_assert_str_eq(r.top->reason, "b0: no such volume; b1: not allowed");
	script_return(b[1]);
	ck_assert_uint_eq(r.top->ups, 1);
	rig_down(&r);
}
END_TEST

START_TEST(one_failed_one_up)
{
	bricks_new();
	rig_children_up = false;
	up2();
	script_fail(b[0], "not allowed");
	script_return(b[1]);
	ck_assert_uint_eq(r.top->ups, 1);
	ck_assert_uint_eq(r.top->faileds, 0);
	rig_down(&r);
}
END_TEST

START_TEST(bricks_that_cannot_be_used)
{
	bricks_new();
	brick_remove(&script_brick[1], "trusted.glusterfs.brick-id");
	up2();
	ck_assert(is_member(0) && !is_member(1));
	rig_down(&r);

	bricks_new();			/* both are the same one: a mirror of itself */
	brick_set(&script_brick[1], "trusted.glusterfs.brick-id",
		  brick_get(&script_brick[0], "trusted.glusterfs.brick-id"), 16);
	up2();
	ck_assert(is_member(0) && !is_member(1));
	rig_down(&r);

	bricks_new();			/* an empty one took its place */
	up2();
	script_lose(b[1]);
	brick_set(&script_brick[1], "trusted.glusterfs.brick-id", "another brick...", 16);
	script_return(b[1]);
	ck_assert(is_member(0) && is_out(1));
	ck_assert_ptr_nonnull(mark_others(0));
	rig_down(&r);
	up2();
	ck_assert(is_member(0) && is_out(1));
	rig_down(&r);
}
END_TEST

/* ---- changes ---- */

START_TEST(a_change_waits_for_all)
{
	struct answer a;

	bricks_new();
	up3();
	struct unlink_args args = a_change();
	b[0]->hold[FOP_unlink] = b[1]->hold[FOP_unlink] = b[2]->hold[FOP_unlink] = true;
	rig_call(&r, &a, FOP_unlink, &args);
	ck_assert(b[0]->nr_held && b[1]->nr_held && b[2]->nr_held);
	script_release(b[1], FOP_unlink, 0);
	script_release(b[0], FOP_unlink, 0);
	ck_assert(!a.done);
	b[2]->reply[FOP_unlink].unlink.attr = (struct attr){ .mode = S_IFREG, .size = 2 };
	script_release(b[2], FOP_unlink, 0);
	ck_assert(a.done && a.ret == 0);
	ck_assert_uint_eq(a.reply.unlink.attr.mode, 0);		/* the law's answer */
	answer_drop(&a);
	rig_down(&r);
}
END_TEST

START_TEST(who_fails_is_out_before_the_answer)
{
	struct answer a;

	bricks_new();
	up3();
	struct unlink_args args = a_change();
	b[0]->hold[FOP_setxattr] = b[2]->hold[FOP_setxattr] = true;
	b[1]->ret[FOP_unlink] = -EIO;
	rig_call(&r, &a, FOP_unlink, &args);
	ck_assert(!a.done);
	ck_assert(is_out(1));
	ck_assert_uint_eq(b[0]->nr_held + b[2]->nr_held, 2);
	script_release(b[0], FOP_setxattr, 0);
	ck_assert(!a.done);
	script_release(b[2], FOP_setxattr, 0);
	ck_assert(a.done && a.ret == 0);
	answer_drop(&a);
	ck_assert(mark(0, 1) && mark(2, 1) && !mark(1, 1));
	ck_assert_int_eq(change(), 0);
	ck_assert_uint_eq(b[1]->count[FOP_unlink], 1);		/* not asked any more */
	rig_down(&r);
	up3();
	ck_assert(is_out(1) && is_member(0) && is_member(2));
	rig_down(&r);
}
END_TEST

START_TEST(the_law_fails)
{
	bricks_new();
	up2();
	b[0]->ret[FOP_unlink] = -ENOSPC;
	ck_assert_int_eq(change(), 0);
	ck_assert(is_out(0) && is_member(1));
	ck_assert(mark(1, 0) && !mark(0, 1));
	rig_down(&r);
}
END_TEST

START_TEST(other_answers_than_the_law)
{
	static const struct { int law, other, answer; bool out;
	} cases[] = {
		{ 0, -ENOENT, 0, true },
		{ -ENOENT, 0, -ENOENT, true },
		{ -ENOENT, -ENOENT, -ENOENT, false },
		{ -EEXIST, -ENOENT, -EEXIST, true },
		{ -ENOENT, -EIO, -ENOENT, false },
		{ -EIO, -ENOENT, -ENOENT, false },
		{ -EIO, -EIO, -EIO, false },
		{ -ENOSPC, -EIO, -ENOSPC, false },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		bricks_new();
		up2();
		b[0]->ret[FOP_unlink] = cases[i].law;
		b[1]->ret[FOP_unlink] = cases[i].other;
		ck_assert_int_eq(change(), cases[i].answer);
		ck_assert_msg(is_out(1) == cases[i].out, "case %zu", i);
		ck_assert_msg(!!mark(0, 1) == cases[i].out, "case %zu", i);
		ck_assert(is_member(0));
		rig_down(&r);
	}
}
END_TEST

START_TEST(never_the_last)
{
	bricks_new();
	up2();
	script_lose(b[1]);
	b[0]->ret[FOP_unlink] = -EIO;
	ck_assert_int_eq(change(), -EIO);
	ck_assert(is_member(0));
	b[0]->ret[FOP_unlink] = 0;
	ck_assert_int_eq(change(), 0);
	rig_down(&r);
}
END_TEST

START_TEST(short_writes)
{
	struct answer a;

	bricks_new();
	up2();
	struct fd *fd = open_file(1);
	b[0]->ret[FOP_write] = b[1]->ret[FOP_write] = 50;
	start_write(&a, fd, 100);
	ck_assert(a.done && a.ret == 50);
	answer_drop(&a);
	ck_assert(is_member(0) && is_member(1));
	b[1]->ret[FOP_write] = 100;	/* the law's disk is full */
	start_write(&a, fd, 100);
	ck_assert(a.done && a.ret == 100);
	answer_drop(&a);
	ck_assert(is_out(0) && is_member(1));
	fd_unref(fd);
	rig_down(&r);
}
END_TEST

UNIT_MAIN("afr", all_up, start_timeout, down_counts_as_heard, all_failed, one_failed_one_up,
	  bricks_that_cannot_be_used, a_change_waits_for_all, who_fails_is_out_before_the_answer,
	  the_law_fails, other_answers_than_the_law, never_the_last, short_writes)
