/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* cluster/afr and other clients: who waits for whom, what one leaves that does not finish, views that others change. */
#include "afr_rig.h"

static void other_is(uint8_t what)
{
	for (int i = 0; i < BRICKS && b[i]; i++)
		cable_client(c[i], OTHER, what);
}

/* ---- order ---- */

START_TEST(a_change_of_another_is_waited_for)
{
	struct answer change_a, look;

	bricks_fresh();
	up2();
	struct unlink_args args = a_change();
	uint64_t grant = other_change(0, 1, 0);
	rig_call(&r, &change_a, FOP_unlink, &args);
	rig_call(&r, &look, FOP_lookup, &(struct lookup_args){ .parent = inode_root(r.g->inodes), .name = "x" });
	ck_assert_int_eq(do_stat(), 0);			/* not about that name */
	let_time_pass(500);
	ck_assert(!change_a.done && !look.done);
	other_change(1, 1, grant);
	let_time_pass(500);
	ck_assert(!change_a.done && !look.done);
	other_commits(0, 1);				/* b[1] is told later, or never: ours comes after it in home's order */
	ck_assert_int_eq(finish(&change_a), 0);
	ck_assert_int_eq(finish(&look), 0);
	ck_assert(b[0]->count[FOP_unlink] == 2 && b[1]->count[FOP_unlink] == 2);
	ck_assert_uint_eq(afr->nr_settled, 0);
	nothing_is_left();
	down();
}
END_TEST

/* Two append at once: both bricks have both, in one order. */
START_TEST(appends_of_two_clients)
{
	struct answer ours, theirs;

	bricks_fresh();
	up2();
	struct fd *fd = open_file(1);
	_cleanup_buf_ struct buf *data = buf_new(10);
	struct write_args args = { .fd = fd, .data = data, .flags = WRITE_APPEND };
	for (int i = 0; i < 2; i++)
		b[i]->ret[FOP_write] = 10;
	b[0]->hold[FOP_write] = true;
	other_call(&theirs, 0, FOP_write, &args, 1, 0);
	start_write(&ours, fd, 10);		/* (not an append, but of the same file) */
	let_time_pass(100);
	ck_assert_uint_eq(b[0]->nr_held, 1);
	b[0]->hold[FOP_write] = false;
	b[0]->reply[FOP_write].write.attr = (struct attr){ .mode = S_IFREG, .nlink = 1, .size = 110 };
	script_release(b[0], FOP_write, 10);
	ck_assert(theirs.done && theirs.ret == 10);
	let_time_pass(100);
	ck_assert(!ours.done && b[1]->count[FOP_write] == 0);
	uint64_t grant = theirs.note >> 1;
	answer_drop(&theirs);
	args.flags = 0;
	args.offset = 100;
	other_call(&theirs, 1, FOP_write, &args, 1, grant);
	ck_assert_int_eq(finish(&theirs), 10);
	other_commits(0, 1);
	other_commits(1, 1);
	ck_assert_int_eq(finish(&ours), 10);
	ck_assert(b[0]->count[FOP_write] == 2 && b[1]->count[FOP_write] == 2);
	fd_unref(fd);
	nothing_is_left();
	down();
}
END_TEST

/* ---- what is not finished ---- */

START_TEST(lost_after_home_had_it)
{
	for (int ended = 0; ended < 2; ended++) {
		bricks_fresh();
		up2();
		other_is(REPL_CLIENT_BACK);		/* as protocol/server has told */
		uint64_t grant = other_change(0, 1, 0);
		other_is(ended ? REPL_CLIENT_ENDED : REPL_CLIENT_LOST);
		ck_assert_int_eq(change(), 0);
		ck_assert_uint_eq(afr->nr_settled, 1);
		/* It has happened: the other brick is made equal, and then ours is carried out. */
		ck_assert_uint_ge(b[1]->count[FOP_lookup], 1);
		ck_assert(b[0]->count[FOP_unlink] == 2 && b[1]->count[FOP_unlink] == 1);
		ck_assert_uint_eq(replica_number(0, "in-doubt") + replica_number(1, "in-doubt"), 0);
		if (!ended) {
			/* Who comes back is told what became of it. */
			other_is(REPL_CLIENT_BACK);
			ck_assert_uint_eq(other_change(0, 1, 0), grant);
			other_change(1, 1, grant);
			ck_assert(b[0]->count[FOP_unlink] == 2 && b[1]->count[FOP_unlink] == 1);
			other_is(REPL_CLIENT_ENDED);
		}
		nothing_is_left();
		down();
	}
}
END_TEST

/* Home never had it (it was another brick then, or has lost it): it has not happened. */
START_TEST(lost_where_home_does_not_know)
{
	bricks_fresh();
	up2();
	other_is(REPL_CLIENT_BACK);
	other_change(1, 1, 1000);
	other_is(REPL_CLIENT_LOST);
	ck_assert_int_eq(change(), 0);
	ck_assert_uint_eq(afr->nr_settled, 1);
	ck_assert_uint_ge(b[0]->count[FOP_lookup], 1);
	ck_assert(b[0]->count[FOP_unlink] == 1 && b[1]->count[FOP_unlink] == 2);
	other_is(REPL_CLIENT_BACK);
	uint64_t grant = other_change(0, 1, 0);			/* as new */
	other_change(1, 1, grant);
	ck_assert(b[0]->count[FOP_unlink] == 2 && b[1]->count[FOP_unlink] == 3);
	other_commits(0, 1);
	other_commits(1, 1);
	other_is(REPL_CLIENT_ENDED);
	nothing_is_left();
	down();
}
END_TEST

/* A read meets it: it is settled before anything is shown. */
START_TEST(a_read_settles)
{
	struct answer a;

	bricks_fresh();
	up2();
	other_change(0, 1, 0);
	other_is(REPL_CLIENT_LOST);
	rig_call(&r, &a, FOP_lookup, &(struct lookup_args){ .parent = inode_root(r.g->inodes), .name = "x" });
	ck_assert_int_eq(finish(&a), 0);
	ck_assert_uint_eq(afr->nr_settled, 1);
	other_is(REPL_CLIENT_ENDED);
	nothing_is_left();
	down();
}
END_TEST

/* One that settles has the keys at home and goes: another one may take over. */
START_TEST(settling_that_is_cut_off)
{
	struct answer a;

	bricks_fresh();
	up2();
	other_change(0, 1, 0);
	other_is(REPL_CLIENT_LOST);
	struct unlink_args args = a_change();
	b[1]->hold[FOP_lookup] = true;
	rig_call(&r, &a, FOP_unlink, &args);
	until(b[1]->nr_held);
	cable_cut(c[0]);
	cable_cut(c[1]);
	b[1]->hold[FOP_lookup] = false;
	script_release_all(b[1], 0);
	ck_assert_int_eq(finish(&a), -ENOTCONN);
	ck_assert_uint_ge(replica_number(0, "in-doubt"), 1);
	cable_join(c[0]);
	cable_join(c[1]);
	ck_assert_int_eq(change(), 0);
	ck_assert_uint_eq(afr->nr_settled, 1);
	other_is(REPL_CLIENT_ENDED);
	nothing_is_left();
	down();
}
END_TEST

START_TEST(a_doubt_while_a_member_is_away)
{
	struct answer a;

	bricks_fresh();
	up2();
	other_change(0, 1, 0);
	other_is(REPL_CLIENT_LOST);
	cable_cut(c[1]);
	struct inode *inode = object(1);
	rig_call(&r, &a, FOP_truncate, &(struct truncate_args){ .inode = inode });
	inode_unref(inode);
	ck_assert_int_eq(finish(&a), 0);
	/* The name, its directory, and the file that we have changed. */
	ck_assert_uint_eq(lacked(1), 3);
	cable_join(c[1]);
	wait_full(1);
	other_is(REPL_CLIENT_ENDED);
	nothing_is_left();
	down();
}
END_TEST

/* What nobody touches keeps nobody from being promoted. */
START_TEST(stopped_before_it_was_committed)
{
	bricks_fresh();
	up2();
	other_change(0, 1, 0);
	down();
	up2();				/* the brick's process began again; 30 s later nobody has claimed it */
	ck_assert_uint_eq(replica_number(0, "journal-entries"), 1);
	ck_assert_int_eq(do_stat(), 0);
	let_time_pass(31000);
	ck_assert_uint_eq(replica_number(0, "in-doubt"), 1);
	ck_assert_int_eq(change(), 0);
	ck_assert_uint_eq(afr->nr_settled, 1);
	nothing_is_left();
	down();
}
END_TEST

/* ---- refusals ---- */

START_TEST(refused_and_begun_again)
{
	static const int codes[] = { REPL_OTHER_VIEW, REPL_IN_DOUBT, REPL_CONFLICT };
	struct answer a;

	for (size_t i = 0; i < 3; i++) {
		for (int who = 0; who < 2; who++) {
			bricks_fresh();
			up2();
			struct unlink_args args = a_change();
			b[who]->hold[FOP_unlink] = true;
			rig_call(&r, &a, FOP_unlink, &args);
			uint64_t txn = frame_identity(script_held(b[who], FOP_unlink))->txn;
			script_release(b[who], FOP_unlink, codes[i]);
			until(b[who]->nr_held);
			ck_assert_uint_eq(frame_identity(script_held(b[who], FOP_unlink))->txn, txn);
			script_release(b[who], FOP_unlink, 0);
			ck_assert_int_eq(finish(&a), 0);
			ck_assert(b[who]->count[FOP_unlink] == 2 && b[!who]->count[FOP_unlink] == 1);
			ck_assert_uint_eq(afr->view.number, 1);
			nothing_is_left();
			down();
		}
	}
}
END_TEST

static int other_unlink(int place, uint64_t view, uint64_t txn, uint64_t grant)
{
	struct unlink_args args = a_change();
	struct answer a;

	rig_as = (struct identity){ .client = OTHER, .view = view, .txn = txn, .grant = grant };
	rig_call_below(c[place]->xl, &a, FOP_unlink, &args);
	rig_as = (struct identity){ 0 };
	return finish(&a);
}

START_TEST(what_a_brick_refuses)
{
	bricks_fresh();
	up2();
	ck_assert_int_eq(other_unlink(0, 0, 1, 0), -EROFS);		/* somebody without cluster/afr */
	ck_assert_int_eq(other_unlink(0, afr->view_name, 0, 0), -EINVAL);
	ck_assert_int_eq(other_unlink(0, afr->view_name + 1, 1, 0), REPL_OTHER_VIEW);
	ck_assert_int_eq(other_unlink(1, afr->view_name, 1, 0), REPL_OTHER_VIEW);	/* it is not home */
	ck_assert_uint_eq(b[0]->count[FOP_unlink] + b[1]->count[FOP_unlink], 0);
	nothing_is_left();
	down();
}
END_TEST

/* ---- views that others change ---- */

static void put_view(struct wire *w, const void *arg)
{
	view_put(w, arg);
}

/* Another client has taken one out, and told the other. */
static void put_out(int i)
{
	struct view v = view_after(&afr->view, 4711);
	struct answer a;

	v.brick[place_of[i]].role = VIEW_ABSENT;
	_cleanup_buf_ struct buf *request = repl_message(VIEW_SIZE_MAX, put_view, &v);
	other_call(&a, !i, FOP_replicate, &(struct replicate_args){ .inode = inode_root(r.g->inodes), .what = REPL_INSTALL,
								   .request = request }, 0, 0);
	ck_assert_int_eq(finish(&a), 0);
}

static void put_out_by_another(void)
{
	put_out(1);
}

START_TEST(put_out_by_another_client)
{
	for (int reads = 0; reads < 2; reads++) {
		bricks_fresh();
		up_as(2, "option self-heal off", false);
		wait_up();
		put_out_by_another();
		ck_assert(is_full(1));		/* nobody looks while nothing is done */
		ck_assert_int_eq(reads ? do_stat() : change(), 0);
		until(is_quiet());
		ck_assert(is_absent(1) && is_full(0) && afr->view.number == 2);
		ck_assert_uint_eq(b[1]->count[FOP_unlink] + b[1]->count[FOP_stat], 0);
		down();
	}
}
END_TEST

static void put_on(struct wire *w, const void *arg)
{
	wire_put_u8(w, 1);
}

static void put_own(struct wire *w, const void *arg)
{
	wire_put_u64(w, 1);
	repl_put_keys(w, arg, 1);
}

/* Home has said that nobody lacks anything.  A settler that came then would note that one does, and it would be full without that. */
START_TEST(nobody_owns_keys_under_a_seal)
{
	struct repl_key key = repl_key_inode(&gfid_root);
	struct answer a;

	bricks_fresh();
	up2();
	_cleanup_buf_ struct buf *seal = repl_message(1, put_on, NULL);
	_cleanup_buf_ struct buf *own = repl_message(64, put_own, &key);
	struct replicate_args args = { .inode = inode_root(r.g->inodes), .what = REPL_SEAL, .request = seal };
	other_call(&a, 0, FOP_replicate, &args, 0, 0);
	ck_assert_int_eq(finish(&a), 0);
	args.what = REPL_OWN;
	args.request = own;
	other_call(&a, 0, FOP_replicate, &args, 0, 0);
	let_time_pass(100);
	ck_assert(!a.done);
	ck_assert_int_eq(finish(&a), REPL_OTHER_VIEW);		/* whoever sealed it has given up */
	ck_assert_int_eq(change(), 0);
	down();
}
END_TEST

/* At b[0]. */
static struct fd *wait_for_a_lock(struct answer *a)
{
	struct fd *fd = open_file(1);
	b[0]->hold[FOP_lk] = true;
	rig_call(&r, a, FOP_lk, &(struct lk_args){ .fd = fd, .cmd = LK_SETW, .lock = { .owner = 1, .end = UINT64_MAX,
										       .type = F_WRLCK, .kind = LK_POSIX } });
	return fd;
}

/* He who has had it may have been in another view by then: nothing of what was known before counts. */
START_TEST(a_lock_that_was_waited_for_in_an_old_view)
{
	struct answer a;

	bricks_fresh();
	up_as(2, "option self-heal off", false);
	wait_up();
	struct fd *fd = wait_for_a_lock(&a);
	put_out_by_another();
	script_release(b[0], FOP_lk, 0);
	ck_assert(!a.done);
	until(b[0]->nr_held);
	ck_assert_uint_eq(afr->view.number, 2);
	script_release(b[0], FOP_lk, 0);
	ck_assert_int_eq(finish(&a), 0);
	ck_assert_uint_eq(b[1]->count[FOP_lk], 0);
	fd_unref(fd);
	down();
}
END_TEST

/* Who waits for a lock at a brick that others have put out hears of it. */
START_TEST(a_lock_at_who_is_out)
{
	struct answer a;

	bricks_fresh();
	up_as(2, "option self-heal off", false);
	wait_up();
	struct fd *fd = wait_for_a_lock(&a);
	put_out(0);
	ck_assert_int_eq(finish(&a), 0);
	ck_assert(afr->view.number == 2 && is_absent(0));
	ck_assert(b[0]->cancels == 1 && b[1]->count[FOP_lk] == 1);
	fd_unref(fd);
	down();
}
END_TEST

/* What removes a name waits for who gives its object another one, or it would be gone where the order is another. */
START_TEST(a_name_goes_after_its_object_was_linked)
{
	struct answer a;

	bricks_fresh();
	up2();
	struct inode *x = object(9);
	struct link_args link = { .inode = x, .parent = inode_root(r.g->inodes), .name = "y" };
	struct unlink_args args = a_change();
	for (int i = 0; i < 2; i++)
		b[i]->reply[FOP_lookup].lookup.attr = (struct attr){ .gfid = x->gfid, .mode = S_IFREG | 0644, .nlink = 1 };
	other_call(&a, 0, FOP_link, &link, 5, 0);
	rig_wait(&r, &a);
	uint64_t grant = a.note >> 1;
	ck_assert_int_eq(finish(&a), 0);
	struct answer ours;
	rig_call(&r, &ours, FOP_unlink, &args);
	let_time_pass(1);
	ck_assert(!ours.done && b[0]->count[FOP_unlink] == 0);
	other_call(&a, 1, FOP_link, &link, 5, grant);
	ck_assert_int_eq(finish(&a), 0);
	other_commits(0, 5);
	ck_assert_int_eq(finish(&ours), 0);
	other_commits(1, 5);
	ck_assert_uint_eq(b[1]->count[FOP_unlink], 1);
	nothing_is_left();
	inode_unref(x);
	down();
}
END_TEST

START_TEST(put_out_in_the_middle)
{
	struct answer a;

	bricks_fresh();
	up_as(2, "option self-heal off", false);
	wait_up();
	struct unlink_args args = a_change();
	b[1]->hold[FOP_unlink] = true;
	rig_call(&r, &a, FOP_unlink, &args);
	put_out_by_another();
	/* Home has executed it in the old view.  No answer of that one counts any more, if we know. */
	do_stat();
	until(afr->view.number == 2);
	script_release(b[1], FOP_unlink, 0);
	ck_assert_int_eq(finish(&a), 0);
	ck_assert_uint_eq(b[0]->count[FOP_unlink], 1);
	ck_assert_uint_eq(lacked(1), 2);
	down();
}
END_TEST

/* ---- below a server ---- */

/* The clients of protocol/server above us have names of their own: to the bricks it is we who change. */
START_TEST(for_clients_of_a_server)
{
	bricks_fresh();
	up2();
	for (uint64_t i = 0; i < 3000; i++) {
		rig_as = (struct identity){ .client = 1000 + i % 3, .txn = 1 + i / 3 };
		ck_assert_int_eq(change(), 0);
		rig_as = (struct identity){ 0 };
	}
	ck_assert_uint_eq(b[1]->count[FOP_unlink], 3000);
	nothing_is_left();
	down();
}
END_TEST

AFR_MAIN("afr-doubt", a_change_of_another_is_waited_for, appends_of_two_clients, lost_after_home_had_it,
	 lost_where_home_does_not_know, a_read_settles, settling_that_is_cut_off, a_doubt_while_a_member_is_away,
	 stopped_before_it_was_committed, refused_and_begun_again, what_a_brick_refuses, put_out_by_another_client,
	 a_lock_that_was_waited_for_in_an_old_view, a_lock_at_who_is_out, nobody_owns_keys_under_a_seal,
	 a_name_goes_after_its_object_was_linked, put_out_in_the_middle,
	 for_clients_of_a_server)
