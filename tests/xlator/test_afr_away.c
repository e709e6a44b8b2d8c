/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* cluster/afr: members that go away, what they miss, how they come back; views that come apart; a witness. */
#include "afr_rig.h"

/* ---- away ---- */

START_TEST(away_without_a_change)
{
	bricks_fresh();
	up2();
	script_lose(b[1]);
	ck_assert_int_eq(do_stat(), 0);
	let_time_pass(5000);
	script_return(b[1]);
	until(is_quiet());
	ck_assert_uint_eq(afr->view.number, 1);
	ck_assert_int_eq(change(), 0);
	ck_assert_uint_eq(b[1]->count[FOP_unlink], 1);
	ck_assert_uint_eq(afr->view.number, 1);
	down();
}
END_TEST

START_TEST(away_during_a_change)
{
	struct answer a;

	for (int who = 0; who < 2; who++) {
		bricks_fresh();
		up2();
		script_lose(b[who]);
		struct unlink_args args = a_change();
		rig_call(&r, &a, FOP_unlink, &args);
		ck_assert(!a.done && b[!who]->count[FOP_unlink] == 0);	/* the view comes first */
		ck_assert_int_eq(finish(&a), 0);
		ck_assert(is_absent(who) && is_full(!who) && afr->view.number == 2);
		ck_assert_uint_eq(lacked(who), 2);		/* the name, and the times of its directory */
		ck_assert_int_eq(change(), 0);
		ck_assert_uint_eq(lacked(who), 2);
		ck_assert_uint_eq(b[who]->count[FOP_unlink], 0);
		script_return(b[who]);
		wait_full(who);
		ck_assert_uint_eq(afr->view.number, 4);		/* joins, is healed, is full */
		ck_assert_uint_ge(b[who]->count[FOP_lookup], 1);
		ck_assert_uint_ge(b[!who]->count[FOP_lookup], 1);
		nothing_is_left();
		ck_assert_int_eq(change(), 0);
		ck_assert_uint_eq(b[who]->count[FOP_unlink], 1);
		down();
	}
}
END_TEST

/* The brick fails the change because its storage goes away (told first, then the calls fail). */
START_TEST(lost_in_the_middle_of_a_change)
{
	struct answer a;

	for (int order = 0; order < 2; order++) {
		bricks_fresh();
		up2();
		struct unlink_args args = a_change();
		b[0]->hold[FOP_unlink] = b[1]->hold[FOP_unlink] = true;
		rig_call(&r, &a, FOP_unlink, &args);
		if (order)
			script_release(b[0], FOP_unlink, 0);
		script_lose(b[1]);
		if (!order)
			script_release(b[0], FOP_unlink, 0);
		ck_assert_int_eq(finish(&a), 0);
		ck_assert(is_absent(1) && is_full(0));
		ck_assert_uint_eq(b[0]->count[FOP_unlink], 1);
		script_return(b[1]);
		wait_full(1);
		nothing_is_left();
		down();
	}
}
END_TEST

/* The connection is cut: the brick carries it out, or not, and nobody hears of it. */
START_TEST(cut_in_the_middle_of_a_change)
{
	struct answer a;

	for (int who = 0; who < 2; who++) {
		for (int executed = 0; executed < 3; executed++) {
			bricks_fresh();
			up2();
			struct unlink_args args = a_change();
			b[who]->hold[FOP_unlink] = true;
			c[who]->loses = executed == 2;		/* it never came there */
			rig_call(&r, &a, FOP_unlink, &args);
			let_time_pass(10);
			ck_assert(!a.done);
			cable_cut(c[who]);
			ck_assert_int_eq(finish(&a), 0);
			ck_assert(is_absent(who) && is_full(!who));
			ck_assert_uint_eq(b[!who]->count[FOP_unlink], 1);
			b[who]->hold[FOP_unlink] = false;
			if (executed < 2)
				script_release(b[who], FOP_unlink, executed ? 0 : -EIO);
			cable_join(c[who]);
			wait_full(who);
			nothing_is_left();
			ck_assert_int_eq(change(), 0);
			down();
		}
	}
}
END_TEST

START_TEST(cut_and_back_before_it_is_done)
{
	struct answer a;

	for (int who = 0; who < 2; who++) {
		bricks_fresh();
		up2();
		struct unlink_args args = a_change();
		b[who]->hold[FOP_unlink] = true;
		rig_call(&r, &a, FOP_unlink, &args);
		cable_cut(c[who]);
		cable_join(c[who]);
		let_time_pass(100);
		ck_assert(!a.done);
		script_release(b[who], FOP_unlink, 0);
		ck_assert_int_eq(finish(&a), 0);
		ck_assert_uint_eq(afr->view.number, 1);		/* a pause, and nothing else */
		ck_assert(b[0]->count[FOP_unlink] == 1 && b[1]->count[FOP_unlink] == 1);
		nothing_is_left();
		down();
	}
}
END_TEST

/* The one that has it goes, and the other one has failed: it is the last, so it is asked again. */
START_TEST(home_goes_and_the_other_fails)
{
	struct answer a;

	for (int fails_again = 0; fails_again < 2; fails_again++) {
		bricks_fresh();
		up2();
		struct unlink_args args = a_change();
		b[0]->hold[FOP_unlink] = b[1]->hold[FOP_unlink] = true;
		rig_call(&r, &a, FOP_unlink, &args);
		script_release(b[0], FOP_unlink, 0);
		cable_cut(c[0]);
		b[1]->hold[FOP_unlink] = false;
		b[1]->ret[FOP_unlink] = fails_again ? -EIO : 0;
		script_release(b[1], FOP_unlink, -EIO);
		ck_assert_int_eq(finish(&a), fails_again ? -EIO : 0);
		ck_assert(is_full(1) && is_absent(0));
		b[1]->ret[FOP_unlink] = 0;
		b[0]->hold[FOP_unlink] = false;
		cable_join(c[0]);
		wait_full(0);
		nothing_is_left();
		down();
	}
}
END_TEST

/* What was home, and a member, have it; who is home now has no room.  The error counts when nobody has it any more. */
START_TEST(an_error_after_others_had_done_it)
{
	struct answer a;

	bricks_fresh();
	up3();
	struct unlink_args args = a_change();
	c[1]->loses = true;
	rig_call(&r, &a, FOP_unlink, &args);
	let_time_pass(10);
	ck_assert(!a.done && b[0]->count[FOP_unlink] == 1 && b[2]->count[FOP_unlink] == 1);
	ck_assert_uint_eq(b[1]->count[FOP_unlink], 0);
	b[1]->ret[FOP_unlink] = -ENOSPC;
	cable_cut(c[0]);
	cable_cut(c[1]);
	c[1]->loses = false;
	cable_join(c[1]);
	ck_assert_int_eq(finish(&a), -ENOSPC);
	ck_assert(is_absent(0) && is_full(1) && is_full(2));
	ck_assert_uint_ge(afr->nr_settled, 1);
	ck_assert_uint_eq(b[2]->count[FOP_unlink], 1);
	b[1]->ret[FOP_unlink] = 0;
	cable_join(c[0]);
	wait_full(0);
	nothing_is_left();
	down();
}
END_TEST

START_TEST(many_changes_at_once)
{
	struct answer a[20];

	bricks_fresh();
	up2();
	b[0]->hold[FOP_truncate] = b[1]->hold[FOP_truncate] = true;
	for (int i = 0; i < 20; i++) {
		struct inode *inode = object((uint8_t)i);

		rig_call(&r, &a[i], FOP_truncate, &(struct truncate_args){ .inode = inode });
		inode_unref(inode);
		if (i == 9) {
			for (int k = 0; k < 5; k++)
				script_release(b[0], FOP_truncate, 0);
			cable_cut(c[1]);
		}
	}
	for (int i = 0; i < 20; i++)
		ck_assert(!a[i].done);
	b[0]->hold[FOP_truncate] = b[1]->hold[FOP_truncate] = false;
	script_release_all(b[0], 0);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(finish(&a[i]), 0);
	ck_assert_uint_eq(afr->view.number, 2);
	ck_assert_uint_eq(b[0]->count[FOP_truncate], 20);
	ck_assert_uint_eq(lacked(1), 20);
	script_release_all(b[1], 0);
	cable_join(c[1]);
	wait_full(1);
	nothing_is_left();
	down();
}
END_TEST

/* ---- coming back ---- */

/* b[1] is away, misses a change, and is held in the middle of its healing. */
static void begin_to_join(void)
{
	script_lose(b[1]);
	ck_assert_int_eq(change(), 0);
	b[1]->hold[FOP_lookup] = true;
	script_return(b[1]);
	until(is_joining(1) && b[1]->nr_held);
}

static int truncate_one(uint8_t n)
{
	struct inode *inode = object(n);
	struct answer a;

	rig_call(&r, &a, FOP_truncate, &(struct truncate_args){ .inode = inode, .size = 5 });
	inode_unref(inode);
	return finish(&a);
}

START_TEST(who_joins_gets_changes_and_does_not_count)
{
	bricks_fresh();
	up2();
	begin_to_join();
	ck_assert_ptr_nonnull(strstr(dumped("m", "view"), "full 0, joining 1"));
	ck_assert_ptr_nonnull(strstr(dumped("m", afr->at[1] ? "child.1" : "child.0"), "joining"));
	ck_assert_int_eq(truncate_one(1), 0);
	ck_assert_uint_eq(b[1]->count[FOP_truncate], 1);
	uint32_t before = b[1]->count[FOP_stat];
	b[1]->ret[FOP_truncate] = -EIO;
	ck_assert_int_eq(truncate_one(2), 0);
	ck_assert_uint_eq(b[1]->count[FOP_truncate], 2);
	ck_assert(is_joining(1));
	let_time_pass(20);
	ck_assert_uint_eq(lacked(1), 3);	/* what it failed is noted with the commit */
	b[1]->ret[FOP_truncate] = 0;
	b[1]->hold[FOP_lookup] = false;
	script_release_all(b[1], 0);
	wait_full(1);
	ck_assert_uint_gt(b[1]->count[FOP_stat], before);
	nothing_is_left();
	down();
}
END_TEST

START_TEST(lost_while_it_is_healed)
{
	for (int cut = 0; cut < 2; cut++) {
		bricks_fresh();
		up2();
		begin_to_join();
		b[1]->hold[FOP_lookup] = false;
		if (cut)
			cable_cut(c[1]);
		else
			script_lose(b[1]);
		ck_assert_int_eq(change(), 0);		/* it is not waited for */
		script_release_all(b[1], 0);
		if (cut)
			cable_join(c[1]);
		else
			script_return(b[1]);
		wait_full(1);
		nothing_is_left();
		down();
	}
}
END_TEST

START_TEST(home_goes_while_the_other_is_healed)
{
	bricks_fresh();
	up2();
	begin_to_join();
	b[1]->hold[FOP_lookup] = false;
	cable_cut(c[0]);
	script_release_all(b[1], 0);
	/* It lacks something: nobody is left who may say what is true. */
	let_time_pass(3000);
	ck_assert_int_eq(do_stat(), -ENOTCONN);
	ck_assert_int_eq(change(), -ENOTCONN);
	ck_assert(is_full(0) && is_joining(1));
	cable_join(c[0]);
	wait_full(1);
	ck_assert_int_eq(change(), 0);
	nothing_is_left();
	down();
}
END_TEST

START_TEST(healing_can_be_off)
{
	bricks_fresh();
	up_as(2, "option self-heal off", false);
	wait_up();
	script_lose(b[1]);
	ck_assert_int_eq(change(), 0);
	script_return(b[1]);
	let_time_pass(5000);
	ck_assert(is_absent(1));
	ck_assert_ptr_nonnull(strstr(dumped("m", afr->at[1] ? "child.1" : "child.0"), "not in the view"));
	down();
	up2();				/* by a client with it on */
	wait_full(1);
	nothing_is_left();
	down();
}
END_TEST

/* What cannot be mended keeps it from being full, and is tried again. */
START_TEST(mending_that_fails)
{
	bricks_fresh();
	up2();
	script_lose(b[1]);
	ck_assert_int_eq(change(), 0);
	b[1]->ret[FOP_lookup] = -EIO;
	script_return(b[1]);
	let_time_pass(3000);
	ck_assert(is_joining(1) && is_full(0));
	ck_assert_int_eq(change(), 0);
	b[1]->ret[FOP_lookup] = 0;
	wait_full(1);
	nothing_is_left();
	down();
}
END_TEST

START_TEST(stopping_blames_nobody)
{
	struct answer a;

	bricks_fresh();
	up2();
	struct unlink_args args = a_change();
	b[1]->hold[FOP_unlink] = true;
	rig_call(&r, &a, FOP_unlink, &args);
	graph_stop(r.g);		/* the held one is cancelled */
	ck_assert_int_eq(finish(&a), -ENOTCONN);
	down();
	up2();
	ck_assert(is_full(0) && is_full(1) && afr->view.number == 1);
	ck_assert_int_eq(change(), 0);
	down();
}
END_TEST

/* ---- hosts that lost their memory ---- */

static void boot_id(int n)
{
	char path[256];
	snprintf(path, sizeof path, "%s/boot-id", set);
	FILE *f = fopen(path, "w");

	fprintf(f, "%032x\n", n);
	fclose(f);
	setenv("GLUSTERFS_BOOT_ID", path, 1);
}

static void copy_register(int n, const char *from, const char *to)
{
	char command[600];

	snprintf(command, sizeof command, "cp %s/r%d/%s %s/r%d/%s", set, n, from, set, n, to);
	ck_assert_int_eq(system(command), 0);
}

/* What is on disk when the host of r<n> loses power: not that it was stopped. */
static void lose_power(int n)
{
	copy_register(n, "register.unclean", "register");
}

START_TEST(all_hosts_were_down)
{
	bricks_fresh();
	boot_id(1);
	up2();
	ck_assert_int_eq(change(), 0);
	let_time_pass(50);
	for (int i = 0; i < 2; i++)
		copy_register(i, "register", "register.unclean");
	down();
	boot_id(2);
	up2();				/* stopped, and started again: nothing was lost */
	ck_assert_uint_eq(afr->view.number, 1);
	down();
	lose_power(0);
	lose_power(1);
	boot_id(3);
	up2();
	ck_assert(is_full(0) && is_full(1));
	ck_assert_uint_eq(afr->view.number, 2);		/* the same members, with what they have now */
	ck_assert_int_eq(change(), 0);
	nothing_is_left();
	down();
}
END_TEST

/* ---- views that come apart ---- */

/* A client that finds only the brick at this place changes something. */
static void alone(int place)
{
	rig_children_up = false;
	up_as(2, "", false);
	/* by place: the view is known only when one is up */
	script_return(b[place]);
	until(r.top->ups);
	ck_assert_int_eq(change(), 0);
	down();
}

START_TEST(views_that_came_apart)
{
	bricks_fresh();
	up2();
	down();
	alone(0);
	alone(1);
	for (int first = 0; first < 2; first++) {
		up_as(2, "", false);
		script_return(b[first]);
		let_time_pass(100);
		script_return(b[!first]);
		let_time_pass(5000);
		ck_assert_int_eq(do_stat(), -EIO);
		ck_assert_int_eq(change(), -EIO);
		ck_assert_uint_eq(b[0]->count[FOP_unlink] + b[1]->count[FOP_unlink], 0);
		down();
	}
}
END_TEST

/* One client does not go back to what it knows to be old. */
START_TEST(a_alone_then_b_alone)
{
	bricks_fresh();
	up2();
	script_lose(b[1]);
	ck_assert_int_eq(change(), 0);
	script_lose(b[0]);
	script_return(b[1]);
	let_time_pass(3000);
	ck_assert_int_eq(do_stat(), -ENOTCONN);
	ck_assert_int_eq(change(), -ENOTCONN);
	ck_assert_uint_eq(b[1]->count[FOP_stat] + b[1]->count[FOP_unlink], 0);
	ck_assert_uint_eq(r.top->downs, 1);
	script_return(b[0]);
	wait_full(1);
	ck_assert_int_eq(change(), 0);
	nothing_is_left();
	down();
}
END_TEST

/* ---- a witness ---- */

START_TEST(two_of_three_go_on)
{
	bricks_fresh();
	up2w();
	ck_assert_uint_eq(afr->view.nr_bricks, 3);
	ck_assert(is_quiet() && afr->witnesses);
	script_lose(b[0]);
	ck_assert_int_eq(change(), 0);
	script_return(b[0]);
	until(!afr->joining && __builtin_popcountll(afr->full) == 2 && is_quiet());
	ck_assert_int_eq(change(), 0);
	down();
}
END_TEST

/* Two full bricks, of which one is away, and the witness too: one of three decides nothing. */
START_TEST(one_of_three_does_not)
{
	bricks_fresh();
	up2w();
	down();
	rig_children_up = false;
	up_as(2, "", false);		/* the witness is not in this volume file: it is away */
	script_return(b[0]);
	let_time_pass(4000);
	ck_assert_int_eq(change(), -ENOTCONN);
	ck_assert_uint_eq(b[0]->count[FOP_unlink], 0);
	ck_assert_uint_eq(afr->view.number, 1);
	script_return(b[1]);
	until(is_quiet());
	ck_assert_int_eq(change(), 0);
	ck_assert_uint_eq(afr->view.number, 1);
	down();
}
END_TEST

AFR_MAIN("afr-away", away_without_a_change, away_during_a_change, lost_in_the_middle_of_a_change,
	 cut_in_the_middle_of_a_change, cut_and_back_before_it_is_done, home_goes_and_the_other_fails,
	 an_error_after_others_had_done_it, many_changes_at_once,
	 who_joins_gets_changes_and_does_not_count, lost_while_it_is_healed, home_goes_while_the_other_is_healed,
	 healing_can_be_off, mending_that_fails, stopping_blames_nobody, all_hosts_were_down, views_that_came_apart,
	 a_alone_then_b_alone, two_of_three_go_on, one_of_three_does_not)
