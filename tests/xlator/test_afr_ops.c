/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* cluster/afr: reads, open files, syncs, locks. */
#include "afr_rig.h"

/* ---- reads ---- */

START_TEST(reads_go_to_home_and_fail_over)
{
	bricks_fresh();
	up3();
	ck_assert_int_eq(do_stat(), 0);
	ck_assert_uint_eq(b[0]->count[FOP_stat], 1);
	ck_assert_uint_eq(b[1]->count[FOP_stat] + b[2]->count[FOP_stat], 0);
	b[0]->ret[FOP_stat] = -ENOENT;
	ck_assert_int_eq(do_stat(), -ENOENT);		/* an answer */
	ck_assert_uint_eq(b[1]->count[FOP_stat], 0);
	b[0]->ret[FOP_stat] = -EIO;
	ck_assert_int_eq(do_stat(), 0);
	ck_assert_uint_eq(b[1]->count[FOP_stat] + b[2]->count[FOP_stat], 1);
	b[1]->ret[FOP_stat] = -EIO;
	b[2]->ret[FOP_stat] = -ENOTCONN;
	ck_assert_int_eq(do_stat(), -EIO);		/* not "not connected", when one was */
	ck_assert(is_full(0) && is_full(1) && is_full(2));
	down();
}
END_TEST

START_TEST(lost_while_it_reads)
{
	struct answer a;

	for (int cut = 0; cut < 2; cut++) {
		bricks_fresh();
		up2();
		struct stat_args args = { .inode = inode_root(r.g->inodes) };
		b[0]->hold[FOP_stat] = true;
		rig_call(&r, &a, FOP_stat, &args);
		if (cut)
			cable_cut(c[0]);
		else
			script_lose(b[0]);
		ck_assert_int_eq(finish(&a), 0);
		ck_assert_uint_eq(b[1]->count[FOP_stat], 1);
		ck_assert_uint_eq(afr->view.number, 1);
		script_release_all(b[0], 0);
		down();
	}
}
END_TEST

START_TEST(data_is_spread_or_where_it_is_said)
{
	struct answer a;
	_cleanup_buf_ struct buf *data = buf_copy("abc", 3);

	bricks_fresh();
	up2();
	struct fd *fds[32];
	for (uint8_t i = 0; i < 32; i++) {
		fds[i] = open_file(i);
		b[0]->reply[FOP_read].read.data = b[1]->reply[FOP_read].read.data = data;
		for (int twice = 0; twice < 2; twice++) {
			rig_call(&r, &a, FOP_read, &(struct read_args){ .fd = fds[i], .size = 3 });
			rig_wait(&r, &a);
			ck_assert(a.reply.read.data == data);
			answer_drop(&a);
		}
		/* always the same one for a file */
		ck_assert_uint_eq(b[0]->count[FOP_read] % 2, 0);
		fd_unref(fds[i]);
	}
	ck_assert_uint_gt(b[0]->count[FOP_read], 8);
	ck_assert_uint_gt(b[1]->count[FOP_read], 8);
	down();

	up_as(2, "option read-subvolume c1", false);
	wait_up();
	int it = c[1] == graph_find(r.g, "c1")->priv;
	b[0]->reply[FOP_read].read.data = b[1]->reply[FOP_read].read.data = data;
	struct fd *fd = open_file(1);
	struct read_args args = { .fd = fd, .size = 3 };
	rig_call(&r, &a, FOP_read, &args);
	finish(&a);
	ck_assert(b[it]->count[FOP_read] == 1 && b[!it]->count[FOP_read] == 0);
	script_lose(b[it]);
	rig_call(&r, &a, FOP_read, &args);
	ck_assert_int_eq(finish(&a), 0);
	ck_assert_uint_eq(b[!it]->count[FOP_read], 1);
	fd_unref(fd);
	down();
}
END_TEST

/* ---- open files ---- */

static int write_10(struct fd *fd)
{
	struct answer a;

	start_write(&a, fd, 10);
	return finish(&a);
}

START_TEST(opened_where_it_is_missing)
{
	struct answer a;

	bricks_fresh();
	up2();
	script_lose(b[1]);
	struct fd *fd = open_file(1);
	ck_assert_uint_eq(b[1]->count[FOP_open], 0);
	script_return(b[1]);
	until(is_quiet());
	b[0]->ret[FOP_write] = b[1]->ret[FOP_write] = 10;
	ck_assert_int_eq(write_10(fd), 10);
	ck_assert(b[0]->count[FOP_open] == 1 && b[1]->count[FOP_open] == 1 && b[1]->count[FOP_write] == 1);
	ck_assert_int_eq(write_10(fd), 10);
	ck_assert_uint_eq(b[1]->count[FOP_open], 1);
	fd_unref(fd);
	down();

	/* both files of one operation; the same one twice */
	bricks_fresh();
	up2();
	script_lose(b[1]);
	struct fd *in = open_file(1), *out = open_file(2);
	script_return(b[1]);
	until(is_quiet());
	struct copy_file_range_args args = { .in = in, .out = out, .length = 5 };
	rig_call(&r, &a, FOP_copy_file_range, &args);
	ck_assert_int_eq(finish(&a), 0);
	ck_assert_uint_eq(b[1]->count[FOP_open], 2);
	fd_unref(in);
	script_lose(b[1]);
	in = open_file(3);
	script_return(b[1]);
	until(is_quiet());
	args = (struct copy_file_range_args){ .in = in, .out = in, .length = 5 };
	rig_call(&r, &a, FOP_copy_file_range, &args);
	ck_assert_int_eq(finish(&a), 0);
	ck_assert_uint_eq(b[1]->count[FOP_open], 3);
	fd_unref(in);
	fd_unref(out);
	down();
}
END_TEST

START_TEST(cannot_be_opened_again)
{
	bricks_fresh();
	up_as(2, "option self-heal off", false);
	wait_up();
	script_lose(b[1]);
	struct fd *fd = open_file(1);
	script_return(b[1]);
	until(is_quiet());
	b[1]->ret[FOP_open] = -EIO;
	b[1]->ret[FOP_write] = -EBADF;
	b[0]->ret[FOP_write] = 10;
	ck_assert_int_eq(write_10(fd), 10);
	ck_assert(is_absent(1) && is_full(0));
	fd_unref(fd);
	down();
}
END_TEST

/* A temporary file, removed while it is open; its brick was away for a moment and could not open it again. */
START_TEST(a_file_without_a_name)
{
	struct answer a;

	bricks_fresh();
	up_as(2, "option self-heal off", false);
	wait_up();
	struct fd *fd = open_file(1);
	for (int i = 0; i < 2; i++) {
		b[i]->reply[FOP_write].write.attr = (struct attr){ .gfid = fd->inode->gfid, .mode = S_IFREG };
		b[i]->ret[FOP_write] = i ? -ESTALE : 10;
	}
	b[0]->ret[FOP_stat] = -ESTALE;
	ck_assert_int_eq(write_10(fd), 10);
	ck_assert(is_full(0) && is_full(1) && afr->view.number == 1);
	rig_call(&r, &a, FOP_stat, &(struct stat_args){ .inode = fd->inode, .fd = fd });
	ck_assert_int_eq(finish(&a), 0);
	/* One with a name is another thing: that brick misses a change. */
	b[0]->reply[FOP_write].write.attr.nlink = 1;
	ck_assert_int_eq(write_10(fd), 10);
	ck_assert(is_absent(1) && is_full(0));
	fd_unref(fd);
	down();
}
END_TEST

/* A create is repeated after its answer was lost: the file is open on both, and was made once. */
START_TEST(a_create_is_repeated)
{
	struct answer a;

	for (int who = 0; who < 2; who++) {
		bricks_fresh();
		up2();
		struct inode *inode = object(1);
		struct fd *fd = fd_new(inode, O_RDWR, false);
		b[who]->hold[FOP_create] = true;
		rig_call(&r, &a, FOP_create, &(struct create_args){ .parent = inode_root(r.g->inodes), .name = "n", .inode = inode,
								    .fd = fd, .flags = O_RDWR, .mode = 0600 });
		cable_cut(c[who]);
		script_release(b[who], FOP_create, 0);
		cable_join(c[who]);
		ck_assert_int_eq(finish(&a), 0);
		ck_assert(b[0]->count[FOP_create] == 1 && b[1]->count[FOP_create] == 1 && afr->view.number == 1);
		ck_assert_uint_eq(b[who]->count[FOP_open], 1);		/* in the new session */
		ck_assert_uint_eq(afr_fd_opened(afr->xl, fd), 3);
		fd_unref(fd);
		inode_unref(inode);
		nothing_is_left();
		down();
	}
}
END_TEST

/* ---- syncs, flushes, statfs ---- */

START_TEST(syncs)
{
	struct answer a;

	bricks_fresh();
	up_as(2, "option self-heal off", false);
	wait_up();
	struct fd *fd = open_file(1);
	struct fsync_args args = { .fd = fd };
	rig_call(&r, &a, FOP_fsync, &args);
	ck_assert_int_eq(finish(&a), 0);
	ck_assert(b[0]->count[FOP_fsync] == 1 && b[1]->count[FOP_fsync] == 1);
	b[1]->ret[FOP_fsync] = -EIO;
	rig_call(&r, &a, FOP_fsync, &args);
	ck_assert_int_eq(finish(&a), 0);
	until(is_quiet());
	ck_assert(is_absent(1) && is_full(0));
	b[0]->ret[FOP_fsync] = -EIO;
	rig_call(&r, &a, FOP_fsync, &args);
	ck_assert_int_eq(finish(&a), -EIO);
	ck_assert(is_full(0));
	b[0]->ret[FOP_flush] = -EIO;
	rig_call(&r, &a, FOP_flush, &(struct flush_args){ .fd = fd });
	ck_assert_int_eq(finish(&a), -EIO);
	fd_unref(fd);
	down();
}
END_TEST

START_TEST(statfs_tells_the_smallest)
{
	struct answer a;
	struct statfs_args args;

	bricks_fresh();
	up2();
	args = (struct statfs_args){ .inode = inode_root(r.g->inodes) };
	b[0]->reply[FOP_statfs].statfs.statfs = (struct statfs_reply_data){ .bavail = 100, .frsize = 4096 };
	b[1]->reply[FOP_statfs].statfs.statfs = (struct statfs_reply_data){ .bavail = 300, .frsize = 1024 };
	rig_call(&r, &a, FOP_statfs, &args);
	rig_wait(&r, &a);
	ck_assert_uint_eq(a.reply.statfs.statfs.bavail, 300);
	answer_drop(&a);
	b[1]->ret[FOP_statfs] = -EIO;
	rig_call(&r, &a, FOP_statfs, &args);
	rig_wait(&r, &a);
	ck_assert_uint_eq(a.reply.statfs.statfs.bavail, 100);
	answer_drop(&a);
	b[0]->ret[FOP_statfs] = -ENOTCONN;
	rig_call(&r, &a, FOP_statfs, &args);
	rig_wait(&r, &a);
	ck_assert_int_lt(a.ret, 0);
	answer_drop(&a);
	down();
}
END_TEST

/* ---- locks ---- */

static struct lk_args lk(struct fd *fd, uint32_t cmd, uint32_t type, uint32_t kind)
{
	return (struct lk_args){ .fd = fd, .cmd = cmd,
				 .lock = { .owner = 1, .end = UINT64_MAX, .type = type, .kind = kind } };
}

static const struct script_note *last(int place)
{
	return &b[place]->log[b[place]->nr_log - 1];
}

START_TEST(locks_in_order)
{
	struct answer a;

	bricks_fresh();
	up3();
	struct fd *fd = open_file(1);
	struct lk_args args = lk(fd, LK_SET, F_WRLCK, LK_POSIX);
	for (int i = 0; i < 3; i++)
		b[i]->hold[FOP_lk] = true;
	rig_call(&r, &a, FOP_lk, &args);
	ck_assert(b[0]->nr_held == 1 && !b[1]->nr_held && !b[2]->nr_held);
	script_release(b[0], FOP_lk, 0);
	ck_assert(b[1]->nr_held == 1 && !b[2]->nr_held);
	script_release(b[1], FOP_lk, 0);
	script_release(b[2], FOP_lk, 0);
	ck_assert_int_eq(finish(&a), 0);
	/* He who has the first one waits for the others, though he would not wait. */
	ck_assert_uint_eq(last(0)->cmd, LK_SET);
	ck_assert(last(1)->cmd == LK_SETW && last(2)->cmd == LK_SETW);

	args.lock.type = F_UNLCK;		/* in parallel */
	rig_call(&r, &a, FOP_lk, &args);
	ck_assert(b[0]->nr_held && b[1]->nr_held && b[2]->nr_held);
	for (int i = 0; i < 3; i++)
		script_release(b[i], FOP_lk, 0);
	ck_assert_int_eq(finish(&a), 0);

	args.lock.type = F_RDLCK;		/* refused by the first: nobody else is asked */
	rig_call(&r, &a, FOP_lk, &args);
	script_release(b[0], FOP_lk, -EAGAIN);
	ck_assert_int_eq(finish(&a), -EAGAIN);
	ck_assert(!b[1]->nr_held);
	fd_unref(fd);
	down();
}
END_TEST

/* By a brick that has another view already. */
START_TEST(an_unlock_that_is_refused_is_repeated)
{
	struct answer a;

	for (int who = 0; who < 2; who++) {
		bricks_fresh();
		up2();
		struct fd *fd = open_file(1);
		struct lk_args args = lk(fd, LK_SET, F_WRLCK, LK_POSIX);
		rig_call(&r, &a, FOP_lk, &args);
		ck_assert_int_eq(finish(&a), 0);
		args.lock.type = F_UNLCK;
		b[who]->hold[FOP_lk] = true;
		rig_call(&r, &a, FOP_lk, &args);
		script_release(b[who], FOP_lk, REPL_OTHER_VIEW);
		until(a.done || b[who]->nr_held);
		ck_assert(!a.done);
		script_release(b[who], FOP_lk, 0);
		ck_assert_int_eq(finish(&a), 0);
		ck_assert_uint_eq(last(who)->lock.type, F_UNLCK);
		ck_assert_uint_eq(afr->view.number, 1);
		fd_unref(fd);
		down();
	}
}
END_TEST

START_TEST(locks_undone)
{
	struct answer a;

	bricks_fresh();
	up3();
	struct fd *fd = open_file(1);
	struct lk_args args = lk(fd, LK_SETW, F_WRLCK, LK_POSIX);
	b[2]->ret[FOP_lk] = -EDEADLK;
	rig_call(&r, &a, FOP_lk, &args);
	ck_assert_int_eq(finish(&a), -EDEADLK);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(last(i)->lock.type, i < 2 ? F_UNLCK : F_WRLCK);
	b[2]->ret[FOP_lk] = 0;
	b[1]->hold[FOP_lk] = true;		/* given up while it waits */
	rig_call(&r, &a, FOP_lk, &args);
	ck_assert(!a.done);
	call_cancel(a.root);
	ck_assert_int_eq(finish(&a), -EINTR);
	ck_assert_uint_eq(last(0)->lock.type, F_UNLCK);
	b[1]->hold[FOP_lk] = false;
	script_lose(b[1]);			/* away: passed by */
	rig_call(&r, &a, FOP_lk, &args);
	ck_assert_int_eq(finish(&a), 0);
	fd_unref(fd);
	down();
}
END_TEST

/* A member that was away in between, restarted or not, has our locks again when it is back. */
START_TEST(locks_are_brought_to_who_is_back)
{
	struct answer a;

	for (int changed = 0; changed < 2; changed++) {
		bricks_fresh();
		up2();
		struct fd *fd = open_file(1);
		struct lk_args args = lk(fd, LK_SET, F_WRLCK, LK_POSIX);
		script_lose(b[1]);
		rig_call(&r, &a, FOP_lk, &args);
		ck_assert_int_eq(finish(&a), 0);
		ck_assert_uint_eq(b[1]->count[FOP_lk], 0);
		if (changed)
			ck_assert_int_eq(change(), 0);
		script_return(b[1]);
		wait_full(1);
		until(b[1]->count[FOP_lk] == 1);
		ck_assert(last(1)->lock.type == F_WRLCK && last(1)->cmd == LK_SET && last(1)->lock.owner == 1);
		script_lose(b[1]);
		script_return(b[1]);
		until(b[1]->count[FOP_lk] == 2);
		args.lock.type = F_UNLCK;
		rig_call(&r, &a, FOP_lk, &args);
		ck_assert_int_eq(finish(&a), 0);
		script_lose(b[1]);
		script_return(b[1]);
		let_time_pass(500);
		ck_assert_uint_eq(b[1]->count[FOP_lk], 3);	/* no more than the unlock */
		fd_unref(fd);
		down();
	}
}
END_TEST

/* What another one has got meanwhile, on all members, is lost: the file says so. */
START_TEST(a_lock_that_is_lost)
{
	struct answer a;

	bricks_fresh();
	up2();
	struct fd *fd = open_file(1);
	struct lk_args args = lk(fd, LK_SET, F_WRLCK, LK_POSIX);
	rig_call(&r, &a, FOP_lk, &args);
	ck_assert_int_eq(finish(&a), 0);
	b[0]->ret[FOP_lk] = b[1]->ret[FOP_lk] = -EAGAIN;
	script_lose(b[0]);
	script_lose(b[1]);
	script_return(b[0]);
	script_return(b[1]);
	until(is_quiet());
	let_time_pass(100);
	b[0]->ret[FOP_write] = b[1]->ret[FOP_write] = 10;
	ck_assert_int_eq(write_10(fd), -EIO);
	fd_unref(fd);
	fd = open_file(1);
	ck_assert_int_eq(write_10(fd), 10);
	fd_unref(fd);
	down();
}
END_TEST

/* One that is out keeps locks, for which a client that still uses it would wait. */
START_TEST(locks_on_who_is_out)
{
	struct answer a;

	bricks_fresh();
	up_as(2, "option self-heal off", false);
	wait_up();
	struct fd *fd = open_file(1);
	struct lk_args args = lk(fd, LK_SETW, F_WRLCK, LK_POSIX);
	rig_call(&r, &a, FOP_lk, &args);
	ck_assert_int_eq(finish(&a), 0);
	b[1]->ret[FOP_unlink] = -EIO;
	ck_assert_int_eq(change(), 0);
	ck_assert(is_absent(1));
	uint32_t before = b[1]->count[FOP_lk];
	b[1]->hold[FOP_lk] = true;	/* nobody waits for it */
	args.lock.type = F_UNLCK;
	rig_call(&r, &a, FOP_lk, &args);
	ck_assert_int_eq(finish(&a), 0);
	/* Its features/replica lets it through, though we are in another view. */
	ck_assert_uint_eq(b[1]->count[FOP_lk], before + 1);
	ck_assert_uint_eq(last(1)->lock.type, F_UNLCK);
	script_release_all(b[1], 0);
	fd_unref(fd);
	down();
}
END_TEST

/* Whose holder may never give it up, since he cannot reach that brick. */
START_TEST(a_lock_is_not_waited_for_where_it_does_not_count)
{
	struct answer a;

	bricks_fresh();
	up_as(2, "option self-heal off", false);
	wait_up();
	struct fd *fd = open_file(1);
	struct lk_args args = lk(fd, LK_SETW, F_WRLCK, LK_POSIX);
	b[1]->hold[FOP_lk] = true;
	rig_call(&r, &a, FOP_lk, &args);
	ck_assert(!a.done && b[1]->nr_held == 1);
	b[1]->ret[FOP_unlink] = -EIO;
	ck_assert_int_eq(change(), 0);
	ck_assert(is_absent(1));
	ck_assert_uint_eq(b[1]->cancels, 1);
	ck_assert_int_eq(finish(&a), 0);
	ck_assert_uint_eq(last(0)->lock.type, F_WRLCK);
	fd_unref(fd);
	down();
}
END_TEST

START_TEST(a_flock_that_waits_holds_nothing)
{
	struct answer a;

	bricks_fresh();
	up2();
	struct fd *fd = open_file(1);
	struct lk_args args = lk(fd, LK_SETW, F_WRLCK, LK_FLOCK);
	rig_call(&r, &a, FOP_lk, &args);
	ck_assert_int_eq(finish(&a), 0);		/* free: nothing more than needed */
	ck_assert_uint_eq(b[0]->count[FOP_lk] + b[1]->count[FOP_lk], 2);
	b[0]->hold[FOP_lk] = true;
	rig_call(&r, &a, FOP_lk, &args);
	ck_assert_uint_eq(((const struct lk_args *)script_held(b[0], FOP_lk)->args)->cmd, LK_SET);
	script_release(b[0], FOP_lk, -EAGAIN);
	ck_assert_uint_eq(last(1)->lock.type, F_UNLCK);
	ck_assert_uint_eq(((const struct lk_args *)script_held(b[0], FOP_lk)->args)->lock.type, F_UNLCK);
	script_release(b[0], FOP_lk, 0);
	ck_assert_uint_eq(((const struct lk_args *)script_held(b[0], FOP_lk)->args)->cmd, LK_SETW);
	script_release(b[0], FOP_lk, 0);
	ck_assert_int_eq(finish(&a), 0);
	fd_unref(fd);
	down();
}
END_TEST

AFR_MAIN("afr operations", reads_go_to_home_and_fail_over, lost_while_it_reads, data_is_spread_or_where_it_is_said,
	 opened_where_it_is_missing, cannot_be_opened_again, a_file_without_a_name, a_create_is_repeated, syncs,
	 statfs_tells_the_smallest, locks_in_order, an_unlock_that_is_refused_is_repeated, locks_undone, locks_are_brought_to_who_is_back,
	 a_lock_that_is_lost, locks_on_who_is_out,
	 a_lock_is_not_waited_for_where_it_does_not_count, a_flock_that_waits_holds_nothing)
