/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* cluster/afr: how it begins, changes, who fails one. */
#include "afr_rig.h"

/* ---- beginning ---- */

START_TEST(all_up)
{
	bricks_fresh();
	up2();
	ck_assert_uint_eq(r.top->ups, 1);
	ck_assert(is_full(0) && is_full(1) && afr->view.number == 1);
	ck_assert_ptr_nonnull(strstr(dumped("m", "view"), "full 0 1"));
	ck_assert_int_eq(change(), 0);
	ck_assert_uint_eq(b[0]->count[FOP_unlink], 1);
	ck_assert_uint_eq(b[1]->count[FOP_unlink], 1);
	down();

	up2();				/* the same view, by another client */
	ck_assert(is_full(0) && is_full(1) && afr->view.number == 1);
	ck_assert_int_eq(change(), 0);
	ck_assert_uint_eq(afr->view.number, 1);
	down();
}
END_TEST

START_TEST(a_new_set_waits_for_all)
{
	bricks_fresh();
	rig_children_up = false;
	up_as(2, "", false);
	script_return(b[0]);
	let_time_pass(2900);
	ck_assert_uint_eq(r.top->ups + r.top->faileds, 0);
	let_time_pass(200);
	ck_assert(r.top->faileds == 1 && strstr(r.top->reason, "when all its subvolumes are there"));
	ck_assert_int_eq(do_stat(), -ENOTCONN);
	ck_assert_int_eq(change(), -ENOTCONN);
	script_return(b[1]);
	wait_up();
	ck_assert(is_full(0) && is_full(1));
	ck_assert_int_eq(change(), 0);
	down();
}
END_TEST

/* A set that is there, and a mount that finds one of its bricks. */
START_TEST(start_timeout)
{
	bricks_fresh();
	up2();
	down();
	rig_children_up = false;
	up_as(2, "", false);
	script_return(b[1]);
	let_time_pass(2900);
	ck_assert_uint_eq(r.top->ups, 0);		/* the other one may still come */
	let_time_pass(200);
	ck_assert_uint_eq(r.top->ups, 1);
	ck_assert_int_eq(do_stat(), 0);
	ck_assert_uint_eq(afr->view.number, 1);		/* nobody is put out for reading */
	ck_assert_int_eq(change(), 0);
	ck_assert_uint_eq(b[1]->count[FOP_unlink], 1);
	ck_assert_uint_eq(afr->view.number, 2);
	down();

	up_as(2, "option self-heal off", false);	/* a later mount is told by the view */
	script_return(b[0]);
	script_return(b[1]);
	wait_up();
	int out = is_absent(0) ? 0 : 1;
	ck_assert(is_absent(out) && is_full(!out));
	ck_assert_int_eq(change(), 0);
	ck_assert_uint_eq(b[out]->count[FOP_unlink], 0);
	down();
}
END_TEST

START_TEST(down_counts_as_heard)
{
	bricks_fresh();
	up2();
	down();
	rig_children_up = false;
	up_as(2, "", false);
	script_return(b[0]);
	script_lose(b[1]);
	until(is_quiet());
	/* both have been heard of: nothing to wait for */
	ck_assert_uint_eq(r.top->ups, 1);
	script_lose(b[0]);
	ck_assert_uint_eq(r.top->downs, 1);
	ck_assert_int_eq(do_stat(), -ENOTCONN);
	ck_assert_int_eq(change(), -ENOTCONN);
	script_return(b[0]);
	until(r.top->ups == 2);
	down();
}
END_TEST

START_TEST(all_failed)
{
	bricks_fresh();
	up2();
	down();
	rig_children_up = false;
	up_as(2, "", false);
	script_fail(b[0], "no such volume");
	ck_assert_uint_eq(r.top->faileds, 0);
	script_fail(b[1], "not allowed");
	ck_assert_uint_eq(r.top->faileds, 1);
	ck_assert_ptr_nonnull(strstr(r.top->reason, "c0: no such volume; c1: not allowed"));
	script_return(b[1]);
	until(r.top->ups == 1);
	down();

	up_as(2, "", false);		/* one that failed is not waited for */
	script_fail(b[0], "not allowed");
	script_return(b[1]);
	until(is_quiet());
	ck_assert(r.top->ups == 1 && r.top->faileds == 0);
	down();
}
END_TEST

START_TEST(no_features_replica)
{
	bricks_fresh();
	types[0] = glusterfs_xlator.type;
	types[1] = NULL;
	rig_types = types;
	log_threshold = LOG_NONE_;
	rig_children_up = false;
	rig_up(&r, "volume b0 type test/child end-volume volume m type cluster/afr subvolumes b0 end-volume", 1);
	script_of(&r, "b0")->ret[FOP_replicate] = -ENOSYS;
	script_return(script_of(&r, "b0"));
	until(r.top->faileds == 1);
	ck_assert_ptr_nonnull(strstr(r.top->reason, "no features/replica"));
	down();
}
END_TEST

static void copy_file(const char *from, const char *to)
{
	char bytes[65536];
	FILE *in = fopen(from, "r"), *out = fopen(to, "w");

	ck_assert(in && out);
	size_t n = fread(bytes, 1, sizeof bytes, in);
	ck_assert(n && n < sizeof bytes && fwrite(bytes, 1, n, out) == n);
	fclose(in);
	fclose(out);
}

START_TEST(the_same_brick_twice)
{
	char from[256], to[256];

	bricks_fresh();
	rig_children_up = false;
	up_as(2, "", false);
	script_return(b[0]);
	let_time_pass(1000);
	down();
	snprintf(to, sizeof to, "%s/r1", set);
	ck_assert_int_eq(mkdir(to, 0700), 0);
	snprintf(from, sizeof from, "%s/r0/register", set);
	snprintf(to, sizeof to, "%s/r1/register", set);
	copy_file(from, to);
	rig_children_up = true;
	up_as(2, "", false);
	let_time_pass(4000);
	ck_assert(r.top->ups == 0 && r.top->faileds == 1);
	ck_assert_int_eq(change(), -ENOTCONN);
	down();
}
END_TEST

START_TEST(only_one)
{
	bricks_fresh();
	up_as(1, "", false);
	wait_up();
	ck_assert_int_eq(change(), 0);
	b[0]->ret[FOP_unlink] = -EIO;
	ck_assert_int_eq(change(), -EIO);
	ck_assert(is_full(0));
	script_lose(b[0]);
	ck_assert_int_eq(change(), -ENOTCONN);
	ck_assert(is_full(0));
	down();
}
END_TEST

/* ---- changes ---- */

/* As whom a held change is done. */
static const struct identity *held_id(int place)
{
	return frame_identity(script_held(b[place], FOP_unlink));
}

START_TEST(a_change_waits_for_all)
{
	struct answer a;

	bricks_fresh();
	up3();
	struct unlink_args args = a_change();
	b[0]->hold[FOP_unlink] = b[1]->hold[FOP_unlink] = b[2]->hold[FOP_unlink] = true;
	rig_call(&r, &a, FOP_unlink, &args);
	let_time_pass(100);
	ck_assert(b[0]->nr_held && !b[1]->nr_held && !b[2]->nr_held);	/* home is first */
	ck_assert(held_id(0)->client == r.g->client_id && held_id(0)->txn && held_id(0)->view == afr->view_name);
	ck_assert_uint_eq(held_id(0)->grant, 0);
	uint64_t txn = held_id(0)->txn;
	script_release(b[0], FOP_unlink, 0);
	ck_assert(b[1]->nr_held && b[2]->nr_held);
	ck_assert(held_id(1)->txn == txn && held_id(1)->grant && held_id(1)->grant == held_id(2)->grant);
	script_release(b[2], FOP_unlink, 0);
	let_time_pass(100);
	ck_assert(!a.done);
	b[1]->reply[FOP_unlink].unlink.attr = (struct attr){ .mode = S_IFREG, .size = 2 };
	script_release(b[1], FOP_unlink, 0);
	ck_assert(a.done && a.ret == 0);
	ck_assert_uint_eq(a.reply.unlink.attr.mode, 0);			/* home's answer */
	answer_drop(&a);
	down();
}
END_TEST

START_TEST(committed_after_some_milliseconds)
{
	bricks_fresh();
	up2();
	ck_assert_int_eq(change(), 0);
	ck_assert(replica_number(0, "journal-entries") == 1 && replica_number(1, "journal-entries") == 1);
	let_time_pass(10);
	ck_assert(replica_number(0, "journal-entries") == 0 && replica_number(1, "journal-entries") == 0);
	/* Many at once are told with one message. */
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(change(), 0);
	let_time_pass(20);
	ck_assert(replica_number(0, "journal-entries") == 0 && replica_number(0, "commits") == 51);
	ck_assert_int_eq(change(), 0);
	down();				/* and when we stop */
	up2();
	ck_assert_uint_eq(replica_number(0, "journal-entries") + replica_number(1, "journal-entries"), 0);
	down();
}
END_TEST

START_TEST(one_key_after_the_other)
{
	struct answer a[3];

	bricks_fresh();
	up2();
	struct inode *one = object(1), *two = object(2);
	struct truncate_args first = { .inode = one, .size = 1 }, second = { .inode = two, .size = 2 };
	b[1]->hold[FOP_truncate] = true;
	rig_call(&r, &a[0], FOP_truncate, &first);
	rig_call(&r, &a[1], FOP_truncate, &first);
	rig_call(&r, &a[2], FOP_truncate, &second);
	let_time_pass(100);
	ck_assert_uint_eq(b[0]->count[FOP_truncate], 2);	/* not the second one of the first file */
	ck_assert_uint_eq(b[1]->nr_held, 2);
	script_release(b[1], FOP_truncate, 0);
	until(b[1]->nr_held == 2);
	ck_assert(a[0].done && !a[1].done && !a[2].done);
	script_release(b[1], FOP_truncate, 0);
	ck_assert(a[2].done && !a[1].done);
	script_release(b[1], FOP_truncate, 0);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(finish(&a[i]), 0);
	inode_unref(one);
	inode_unref(two);
	down();
}
END_TEST

/* ---- who fails one ---- */

START_TEST(who_fails_is_out_before_the_answer)
{
	static const int errors[] = { -EIO, -ENOSPC, -ENOENT, -EEXIST };

	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
		struct answer a;

		bricks_fresh();
		up_as(3, "option self-heal off", false);
		wait_up();
		struct unlink_args args = a_change();
		b[1]->ret[FOP_unlink] = errors[i];
		rig_call(&r, &a, FOP_unlink, &args);
		ck_assert(!a.done);				/* the view is changed first */
		ck_assert_int_eq(finish(&a), 0);
		ck_assert(is_absent(1) && is_full(0) && is_full(2));
		ck_assert_uint_eq(b[0]->count[FOP_unlink], 1);	/* answered from its journal */
		ck_assert_uint_eq(b[2]->count[FOP_unlink], 1);
		ck_assert_int_eq(change(), 0);
		ck_assert_uint_eq(b[1]->count[FOP_unlink], 1);	/* not asked any more */
		down();
		up_as(3, "option self-heal off", false);
		wait_up();
		ck_assert(is_absent(1) && is_full(0) && is_full(2));
		down();
	}
}
END_TEST

START_TEST(home_fails)
{
	struct answer a;

	bricks_fresh();
	up_as(3, "option self-heal off", false);
	wait_up();
	struct unlink_args args = a_change();
	b[0]->hold[FOP_unlink] = b[1]->hold[FOP_unlink] = true;
	rig_call(&r, &a, FOP_unlink, &args);
	uint64_t txn = held_id(0)->txn;
	script_release(b[0], FOP_unlink, -EIO);
	until(b[1]->nr_held);
	ck_assert(is_absent(0));
	ck_assert(held_id(1)->txn == txn && !held_id(1)->grant);	/* the same change, at the next home */
	ck_assert_uint_eq(b[2]->count[FOP_unlink], 0);
	script_release(b[1], FOP_unlink, 0);
	ck_assert_int_eq(finish(&a), 0);
	ck_assert_uint_eq(b[2]->count[FOP_unlink], 1);
	down();
}
END_TEST

/* An error of home is the answer: nobody else has seen the change.  Also that its disk is full. */
START_TEST(an_error_of_home_ends_it)
{
	static const int errors[] = { -ENOENT, -EEXIST, -ENOSPC, -EDQUOT, -ENOMEM };

	bricks_fresh();
	up2();
	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
		b[0]->ret[FOP_unlink] = errors[i];
		ck_assert_int_eq(change(), errors[i]);
	}
	ck_assert_uint_eq(b[1]->count[FOP_unlink], 0);
	ck_assert(is_full(0) && is_full(1) && afr->view.number == 1);
	b[0]->ret[FOP_unlink] = 0;
	ck_assert_int_eq(change(), 0);			/* nothing of them is left in the journal */
	ck_assert_uint_eq(b[1]->count[FOP_unlink], 1);
	down();
}
END_TEST

START_TEST(never_the_last)
{
	bricks_fresh();
	up_as(2, "option self-heal off", false);
	wait_up();
	b[0]->ret[FOP_unlink] = b[1]->ret[FOP_unlink] = -EIO;
	ck_assert_int_eq(change(), -EIO);
	ck_assert(is_absent(0) && is_full(1));
	ck_assert_int_eq(change(), -EIO);
	ck_assert(is_full(1));
	b[1]->ret[FOP_unlink] = 0;
	ck_assert_int_eq(change(), 0);
	down();
}
END_TEST

START_TEST(short_writes)
{
	struct answer a;

	bricks_fresh();
	up_as(2, "option self-heal off", false);
	wait_up();
	struct fd *fd = open_file(1);
	b[0]->ret[FOP_write] = b[1]->ret[FOP_write] = 50;
	start_write(&a, fd, 100);
	ck_assert_int_eq(finish(&a), 50);
	ck_assert(is_full(0) && is_full(1));
	b[1]->ret[FOP_write] = 100;	/* home's disk is full */
	start_write(&a, fd, 100);
	ck_assert_int_eq(finish(&a), 50);
	ck_assert(is_full(0) && is_absent(1));
	fd_unref(fd);
	down();
}
END_TEST

static const struct write_args *held_write(int place)
{
	return script_held(b[place], FOP_write)->args;
}

START_TEST(an_append_goes_where_home_says)
{
	struct answer a;

	for (int home = 0; home < 2; home++) {

		bricks_fresh();
		up_as(3, "option self-heal off", false);
		wait_up();
		struct fd *fd = open_file(1);
		_cleanup_buf_ struct buf *data = buf_new(10);
		memset(data->data, 'a', 10);
		for (int i = 0; i < 3; i++) {
			b[i]->hold[FOP_write] = true;
			b[i]->reply[FOP_write].write.attr = (struct attr){ .mode = S_IFREG, .nlink = 1, .size = 110 };
		}
		struct write_args args = { .fd = fd, .data = data, .offset = 7, .flags = WRITE_APPEND };
		rig_call(&r, &a, FOP_write, &args);
		ck_assert_uint_eq(b[1]->count[FOP_write] + b[2]->count[FOP_write], 0);
		if (home) {
			script_release(b[0], FOP_write, -EIO);
			until(b[1]->nr_held);
		}
		ck_assert(held_write(home)->flags & WRITE_APPEND);
		script_release(b[home], FOP_write, 10);
		for (int i = home + 1; i < 3; i++) {
			until(b[i]->nr_held);
			ck_assert_uint_eq(held_write(i)->offset, 100);
			ck_assert_uint_eq(held_write(i)->flags, 0);
			ck_assert(!a.done);
			script_release(b[i], FOP_write, 10);
		}
		ck_assert_int_eq(finish(&a), 10);
		ck_assert(is_full(1) && is_full(2) && is_absent(0) == (home == 1));
		/* an ordinary error: nobody else is asked */
		rig_call(&r, &a, FOP_write, &args);
		script_release(b[home], FOP_write, -EFBIG);
		ck_assert_int_eq(finish(&a), -EFBIG);
		fd_unref(fd);
		down();
	}
}
END_TEST

AFR_MAIN("afr", all_up, a_new_set_waits_for_all, start_timeout, down_counts_as_heard, all_failed, no_features_replica,
	 the_same_brick_twice, only_one, a_change_waits_for_all, committed_after_some_milliseconds, one_key_after_the_other,
	 who_fails_is_out_before_the_answer, home_fails, an_error_of_home_ends_it, never_the_last, short_writes,
	 an_append_goes_where_home_says)
