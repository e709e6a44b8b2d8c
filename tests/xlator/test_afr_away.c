/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* cluster/afr: members that go away, what they miss, who knows it, how they come back. */
#include "config.h"

#include "afr_rig.h"

/* ---- away ---- */

static const struct write_args *held_write(struct script *s)
{
	return script_held(s, FOP_write)->args;
}

START_TEST(an_append_goes_where_the_law_says)
{
	struct answer a;

	for (int law_fails = 0; law_fails < 2; law_fails++) {
		bricks_new();
		rig_children_up = true;
		up3();
		struct fd *fd = open_file(1);
		_cleanup_buf_ struct buf *data = buf_new(10);
		memset(data->data, 'a', 10);
		for (int i = 0; i < 3; i++) {
			b[i]->hold[FOP_write] = true;
			b[i]->ret[FOP_write] = 10;
			b[i]->reply[FOP_write].write.attr =
				(struct attr){ .mode = S_IFREG, .nlink = 1, .size = 110 };
		}
		struct write_args args = {
			.fd = fd, .data = data, .offset = 7, .flags = WRITE_APPEND
		};
		rig_call(&r, &a, FOP_write, &args);
		ck_assert_uint_eq(b[1]->count[FOP_write] + b[2]->count[FOP_write], 0);
		ck_assert(held_write(b[0])->flags & WRITE_APPEND);
		if (law_fails) {
			script_release(b[0], FOP_write, -EIO);
			ck_assert(held_write(b[1])->flags & WRITE_APPEND);
			script_release(b[1], FOP_write, 10);
		} else {
			script_release(b[0], FOP_write, 10);
			ck_assert_uint_eq(held_write(b[1])->offset, 100);
			ck_assert_uint_eq(held_write(b[1])->flags, 0);
			script_release(b[1], FOP_write, 10);
		}
		ck_assert_uint_eq(held_write(b[2])->offset, 100);
		ck_assert_uint_eq(held_write(b[2])->flags, 0);
		ck_assert(!a.done);
		script_release(b[2], FOP_write, 10);
		ck_assert(a.done && a.ret == 10);
		answer_drop(&a);
		ck_assert(is_member(1) && is_member(2) && is_member(0) != law_fails);
		/* an ordinary error: nobody else is asked */
		rig_call(&r, &a, FOP_write, &args);
		script_release(b[law_fails], FOP_write, -EFBIG);
		ck_assert(a.done && a.ret == -EFBIG && is_member(1) && is_member(2));
		fd_unref(fd);
		rig_down(&r);
	}
}
END_TEST

START_TEST(away_during_a_change)
{
	struct answer a;

	bricks_new();
	up2();
	script_lose(b[1]);
	ck_assert(!is_out(1));
	ck_assert_int_eq(do_stat(), 0);
	b[0]->hold[FOP_setxattr] = true;
	struct unlink_args args = a_change();
	rig_call(&r, &a, FOP_unlink, &args);
	ck_assert(!a.done && b[0]->count[FOP_unlink] == 0);	/* the mark comes first */
	script_release(b[0], FOP_setxattr, 0);
	ck_assert(a.done && a.ret == 0);
	answer_drop(&a);
	ck_assert(mark(0, 1) && is_out(1));
	script_return(b[1]);
	ck_assert(is_out(1));
	ck_assert_int_eq(change(), 0);
	ck_assert_uint_eq(b[1]->count[FOP_unlink], 0);
	ck_assert_uint_eq(b[0]->count[FOP_setxattr], 1);	/* once */
	rig_down(&r);
}
END_TEST

START_TEST(away_without_a_change)
{
	bricks_new();
	up2();
	script_lose(b[1]);
	ck_assert_int_eq(do_stat(), 0);
	script_return(b[1]);
	ck_assert(is_member(1));
	ck_assert_int_eq(change(), 0);
	ck_assert_uint_eq(b[1]->count[FOP_unlink], 1);
	ck_assert_uint_eq(b[0]->count[FOP_setxattr], 0);
	rig_down(&r);
}
END_TEST

/* The connection goes while the change is under way: told first, then the calls fail (as
 * protocol/client does). */
START_TEST(lost_in_the_middle_of_a_change)
{
	struct answer a;

	bricks_new();
	for (int order = 0; order < 2; order++) {
		bricks_new();
		up2();
		struct unlink_args args = a_change();
		b[0]->hold[FOP_unlink] = b[1]->hold[FOP_unlink] = true;
		rig_call(&r, &a, FOP_unlink, &args);
		if (order)
			script_release(b[0], FOP_unlink, 0);
		script_lose(b[1]);
		if (!order)
			script_release(b[0], FOP_unlink, 0);
		ck_assert(a.done && a.ret == 0);
		answer_drop(&a);
		ck_assert(is_out(1));
		ck_assert_ptr_nonnull(mark(0, 1));	/* acknowledged: so it is written */
		script_return(b[1]);
		ck_assert(is_out(1) && is_member(0));
		rig_down(&r);
	}
}
END_TEST

START_TEST(lost_and_back_before_the_others_answer)
{
	struct answer a;

	bricks_new();
	up2();
	struct unlink_args args = a_change();
	b[0]->hold[FOP_unlink] = b[1]->hold[FOP_unlink] = true;
	rig_call(&r, &a, FOP_unlink, &args);
	script_lose(b[1]);
	script_return(b[1]);
	script_release(b[0], FOP_unlink, 0);
	ck_assert(a.done && a.ret == 0);
	answer_drop(&a);
	ck_assert(is_out(1) && mark(0, 1));
	rig_down(&r);
}
END_TEST

START_TEST(who_has_it_goes_before_it_is_settled)
{
	struct answer a;

	bricks_new();
	up2();
	struct unlink_args args = a_change();
	b[0]->hold[FOP_unlink] = b[1]->hold[FOP_unlink] = true;
	rig_call(&r, &a, FOP_unlink, &args);
	script_release(b[0], FOP_unlink, 0);
	script_lose(b[0]);
	script_release(b[1], FOP_unlink, -EIO);
	ck_assert(a.done && a.ret == -ENOTCONN);	/* not acknowledged, nobody put out */
	ck_assert(is_member(1));
	rig_down(&r);
}
END_TEST

START_TEST(lost_while_the_mark_is_written)
{
	struct answer a;

	/* The change failed on b1; b0, which has it, goes before it has noted that. */
	bricks_new();
	up2();
	struct unlink_args args = a_change();
	b[0]->hold[FOP_setxattr] = true;
	b[1]->ret[FOP_unlink] = -EIO;
	rig_call(&r, &a, FOP_unlink, &args);
	ck_assert(!a.done);
	script_lose(b[0]);
	ck_assert(a.done && a.ret < 0);
	ck_assert_ptr_null(mark(0, 1));
	b[0]->hold[FOP_setxattr] = false;
	script_return(b[0]);
	ck_assert(is_member(0));
	ck_assert_int_eq(change(), 0);
	ck_assert_ptr_nonnull(mark(0, 1));	/* before the next one is acknowledged */
	rig_down(&r);
}
END_TEST

START_TEST(marks_on_who_joins_later)
{
	bricks_new();
	rig_children_up = false;
	up3();
	script_return(b[0]);
	script_return(b[2]);
	script_lose(b[1]);
	script_lose(b[2]);
	ck_assert(is_member(0));
	b[0]->ret[FOP_unlink] = 0;
	script_return(b[2]);
	script_return(b[1]);
	ck_assert(is_member(0) && is_member(1) && is_member(2));
	b[1]->ret[FOP_unlink] = -EIO;
	ck_assert_int_eq(change(), 0);
	ck_assert(mark(0, 1) && mark(2, 1));
	/* One of those that have the mark goes and comes, its disk exchanged for an older state of
	 * it: told again. */
	script_lose(b[2]);
	brick_remove(&script_brick[2],
		     "trusted.glusterfs.afr.out.b0000000000000000000000000000001");
	script_return(b[2]);
	ck_assert(is_member(2));
	ck_assert_int_eq(change(), 0);
	ck_assert(mark(2, 1));
	rig_down(&r);
}
END_TEST

START_TEST(a_mark_that_cannot_be_written)
{
	bricks_new();
	up3();
	b[2]->ret[FOP_unlink] = -EIO;
	b[1]->ret[FOP_setxattr] = -ENOSPC;
	ck_assert_int_eq(change(), 0);
	ck_assert(is_out(1) && is_out(2) && is_member(0));
	ck_assert(mark(0, 1) && mark(0, 2));
	rig_down(&r);

	bricks_new();
	up2();
	b[1]->ret[FOP_unlink] = -EIO;
	b[0]->ret[FOP_setxattr] = -ENOSPC;
	/* the last one: then it is not acknowledged */
	ck_assert_int_eq(change(), -ENOSPC);
	ck_assert_ptr_null(mark(0, 1));
	ck_assert_uint_eq(b[0]->count[FOP_unlink], 1);
	ck_assert_int_eq(change(), -ENOSPC);
	ck_assert_uint_eq(b[0]->count[FOP_unlink], 1);	/* nor sent */
	b[0]->ret[FOP_setxattr] = 0;
	ck_assert_int_eq(change(), 0);
	ck_assert_ptr_nonnull(mark(0, 1));
	rig_down(&r);
}
END_TEST

START_TEST(many_changes_at_once)
{
	struct answer a[20];

	bricks_new();
	up2();
	struct unlink_args args = a_change();
	b[0]->hold[FOP_unlink] = b[1]->hold[FOP_unlink] = true;
	b[0]->hold[FOP_setxattr] = true;
	for (int i = 0; i < 10; i++)
		rig_call(&r, &a[i], FOP_unlink, &args);
	for (int i = 0; i < 5; i++)
		script_release(b[0], FOP_unlink, 0);
	script_lose(b[1]);
	for (int i = 10; i < 20; i++)
		rig_call(&r, &a[i], FOP_unlink, &args);
	for (int i = 0; i < 20; i++)
		ck_assert(!a[i].done);
	ck_assert_uint_eq(b[0]->count[FOP_setxattr], 1);
	script_release(b[0], FOP_setxattr, 0);
	for (int i = 0; i < 20; i++)
		ck_assert(a[i].done == (i < 5));
	script_release_all(b[0], 0);
	for (int i = 0; i < 20; i++) {
		ck_assert(a[i].done && a[i].ret == 0);
		answer_drop(&a[i]);
	}
	ck_assert_uint_eq(b[0]->count[FOP_setxattr], 1);
	rig_down(&r);
}
END_TEST

/* ---- coming back ---- */

START_TEST(changes_wait_for_a_check)
{
	struct answer a;

	bricks_new();
	up2();
	script_lose(b[1]);
	b[1]->hold[FOP_getxattr] = true;
	script_return(b[1]);
	struct unlink_args args = a_change();
	rig_call(&r, &a, FOP_unlink, &args);
	ck_assert(!a.done);
	ck_assert_int_eq(do_stat(), 0);			/* reads do not */
	b[1]->hold[FOP_getxattr] = false;
	script_release_all(b[1], 0);
	ck_assert(a.done && a.ret == 0);
	answer_drop(&a);
	ck_assert_uint_eq(b[1]->count[FOP_unlink], 1);	/* and go to it too */
	rig_down(&r);
}
END_TEST

START_TEST(gone_during_its_check)
{
	struct answer a;

	bricks_new();
	up2();
	script_lose(b[1]);
	b[1]->hold[FOP_getxattr] = true;
	script_return(b[1]);
	struct unlink_args args = a_change();
	rig_call(&r, &a, FOP_unlink, &args);
	script_lose(b[1]);
	ck_assert(a.done && a.ret == 0 && mark(0, 1) && is_out(1));
	answer_drop(&a);
	rig_down(&r);

	bricks_new();			/* and back: what was read before is worth nothing */
	up2();
	script_lose(b[1]);
	b[0]->hold[FOP_getxattr] = true;
	script_return(b[1]);
	ck_assert(!is_member(1));
	script_lose(b[1]);
	put_mark(0, 1);			/* by another client */
	script_return(b[1]);
	b[0]->hold[FOP_getxattr] = false;
	script_release_all(b[0], 0);
	ck_assert(!is_member(1) && is_out(1));
	rig_down(&r);
}
END_TEST

START_TEST(what_cannot_be_read_is_not_no)
{
	for (int who = 0; who < 2; who++) {
		static const int errors[] = { -EIO, -ENOMEM, -ETIMEDOUT, -EACCES };

		for (size_t e = 0; e < 4; e++) {
			if (who && errors[e] == -EACCES)
				continue;		/* its id: refused for good */
			bricks_new();
			put_mark(0, 1);
			rig_children_up = false;
			up2();
			script_return(b[0]);
			b[who]->ret[FOP_getxattr] = errors[e];
			script_return(b[1]);
			ck_assert_msg(!is_member(1), "b%d answers %d", who, errors[e]);
			let_time_pass(5000);
			ck_assert(!is_member(1) && !is_out(1));
			b[who]->ret[FOP_getxattr] = 0;
			let_time_pass(2000);
			ck_assert(is_out(1));
			rig_down(&r);
		}
	}
}
END_TEST

START_TEST(nobody_to_vouch)
{
	bricks_new();
	rig_children_up = false;
	put_mark(0, 1);
	up2();
	script_return(b[0]);
	let_time_pass(4000);
	ck_assert_int_eq(do_stat(), 0);
	b[0]->hold[FOP_getxattr] = true;
	script_return(b[1]);
	script_lose(b[0]);		/* while it is asked about b1 */
	b[0]->hold[FOP_getxattr] = false;
	ck_assert(!is_member(1));
	ck_assert_int_eq(do_stat(), -ENOTCONN);
	script_return(b[0]);
	ck_assert(is_member(0) && is_out(1));
	rig_down(&r);

	/* without the mark it is taken in when the other one is back */
	bricks_new();
	up2();
	script_return(b[0]);
	script_lose(b[0]);
	script_return(b[1]);
	ck_assert(!is_member(1));
	script_return(b[0]);
	ck_assert(is_member(0) && is_member(1));
	script_lose(b[0]);		/* and known to be good from then on */
	script_lose(b[1]);
	script_return(b[1]);
	ck_assert(is_member(1));
	rig_down(&r);
}
END_TEST

START_TEST(vouched_for_no_longer)
{
	for (int way = 0; way < 2; way++) {
		bricks_new();
		rig_children_up = true;
		up2();
		ck_assert(is_member(0) && is_member(1));
		if (way) {
			script_lose(b[0]);
			script_lose(b[1]);
			script_return(b[0]);	/* both ways b0 was there while b1 was not */
		} else {
			script_lose(b[1]);
		}
		put_mark(0, 1);		/* another client goes on with it */
		script_lose(b[0]);
		script_return(b[1]);
		ck_assert(!is_member(1));
		ck_assert_int_eq(do_stat(), -ENOTCONN);
		script_return(b[0]);
		ck_assert(is_member(0) && is_out(1));
		rig_down(&r);
	}
}
END_TEST

START_TEST(stopping_blames_nobody)
{
	struct answer a;

	bricks_new();
	rig_children_up = true;
	up2();
	struct unlink_args args = a_change();
	b[1]->hold[FOP_unlink] = true;
	rig_call(&r, &a, FOP_unlink, &args);
	/* children are stopped one after the other: b0 still is there */
	graph_stop(r.g);
	script_release(b[1], FOP_unlink, -ENOTCONN);
	ck_assert(a.done && a.ret == -ENOTCONN);
	ck_assert(!mark(0, 1));
	rig_down(&r);

	up3();				/* nor who could not take a mark */
	args = a_change();
	script_lose(b[2]);
	b[1]->hold[FOP_setxattr] = true;
	rig_call(&r, &a, FOP_unlink, &args);
	graph_stop(r.g);
	script_release(b[1], FOP_setxattr, -ENOTCONN);
	ck_assert(a.done && a.ret == -ENOTCONN);
	ck_assert(!mark(0, 1));
	rig_down(&r);
}
END_TEST

START_TEST(stopping_during_a_check)
{
	bricks_new();
	rig_children_up = false;
	up2();
	b[0]->hold[FOP_getxattr] = true;
	script_return(b[0]);
	struct afr *afr = graph_find(r.g, "m")->priv;
	graph_stop(r.g);
	script_release(b[0], FOP_getxattr, -ENOTCONN);
	ck_assert(!timer_active(&afr->retry_timer) && !timer_active(&afr->start_timer));
	rig_down(&r);
}
END_TEST

START_TEST(old_marks)
{
	for (int first = 0; first < 2; first++) {
		bricks_new();
		put_mark(1, 0);
		rig_children_up = false;
		up2();
		script_return(b[first]);
		script_return(b[!first]);
		ck_assert(is_out(0) && is_member(1));
		ck_assert_uint_eq(r.top->ups, 1);
		ck_assert_int_eq(change(), 0);
		ck_assert_uint_eq(b[0]->count[FOP_unlink], 0);
		rig_down(&r);
	}
}
END_TEST

START_TEST(split_brain)
{
	for (int how = 0; how < 5; how++) {
		bricks_new();
		put_mark(1, 0);
		if (how < 4)
			put_mark(0, 1);
		else
			brick_set(&script_brick[0], "trusted.glusterfs.afr.out.others",
				  "b0000000000000000000000000000000", 32);
		rig_children_up = how == 2;
		up2();
		if (how == 3) {			/* both checks at once */
			b[0]->hold[FOP_getxattr] = b[1]->hold[FOP_getxattr] = true;
			script_return(b[0]);
			script_return(b[1]);
			while (b[0]->nr_held || b[1]->nr_held) {
				if (b[0]->nr_held)
					script_release(b[0], FOP_getxattr, 0);
				if (b[1]->nr_held)
					script_release(b[1], FOP_getxattr, 0);
			}
		} else if (how != 2) {
			script_return(b[how & 1]);
			script_return(b[!(how & 1)]);
		}
		ck_assert_msg(is_out(0) && is_out(1), "way %d", how);
		ck_assert_int_eq(do_stat(), -ENOTCONN);
		ck_assert_int_eq(change(), -ENOTCONN);
		ck_assert_uint_eq(r.top->faileds, 1);
		rig_down(&r);
	}
}
END_TEST

/* Each side of a cut network has gone on with its own brick. */
START_TEST(changed_apart_while_away)
{
	bricks_new();
	up2();
	script_lose(b[1]);
	ck_assert_int_eq(change(), 0);
	put_mark(1, 0);			/* by the other side */
	script_return(b[1]);
	ck_assert(is_out(0) && is_out(1));
	ck_assert_int_eq(change(), -ENOTCONN);
	ck_assert_uint_eq(r.top->downs, 1);
	rig_down(&r);
}
END_TEST

START_TEST(put_out_by_another_client)
{
	for (int out = 0; out < 2; out++) {
		bricks_new();
		up2();
		ck_assert_int_eq(do_stat(), 0);
		put_mark(!out, out);
		let_time_pass(1100);
		ck_assert(is_member(out));	/* nobody looks while nothing is done */
		ck_assert_int_eq(do_stat(), 0);
		ck_assert(is_out(out) && is_member(!out));
		ck_assert_int_eq(change(), 0);
		ck_assert_uint_eq(b[out]->count[FOP_unlink], 0);
		rig_down(&r);
	}
	bricks_new();			/* what cannot be read now changes nothing */
	up2();
	let_time_pass(1100);
	b[0]->ret[FOP_getxattr] = -EIO;
	b[1]->hold[FOP_getxattr] = true;
	ck_assert_int_eq(change(), 0);	/* nor does anybody wait for it */
	script_release_all(b[1], -EIO);
	ck_assert(is_member(0) && is_member(1));
	b[1]->hold[FOP_getxattr] = false;
	rig_down(&r);
}
END_TEST

UNIT_MAIN("afr-away", an_append_goes_where_the_law_says, away_during_a_change,
	  away_without_a_change, lost_in_the_middle_of_a_change,
	  lost_and_back_before_the_others_answer, who_has_it_goes_before_it_is_settled,
	  lost_while_the_mark_is_written, marks_on_who_joins_later, a_mark_that_cannot_be_written,
	  many_changes_at_once, changes_wait_for_a_check, gone_during_its_check,
	  what_cannot_be_read_is_not_no, nobody_to_vouch, vouched_for_no_longer,
	  stopping_blames_nobody, stopping_during_a_check, old_marks, split_brain,
	  changed_apart_while_away, put_out_by_another_client)
