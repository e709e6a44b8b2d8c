/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* cluster/afr: reads, open files, syncs, locks, times. */
#include "config.h"

#include "afr_rig.h"

/* ---- reads ---- */

START_TEST(reads_go_to_the_law_and_fail_over)
{
	bricks_new();
	up3();
	ck_assert_int_eq(do_stat(), 0);
	ck_assert_uint_eq(b[0]->count[FOP_stat], 1);
	ck_assert_uint_eq(b[1]->count[FOP_stat] + b[2]->count[FOP_stat], 0);
	b[0]->ret[FOP_stat] = -ENOENT;
	ck_assert_int_eq(do_stat(), -ENOENT);		/* an answer */
	ck_assert_uint_eq(b[1]->count[FOP_stat], 0);
	b[0]->ret[FOP_stat] = -EIO;
	ck_assert_int_eq(do_stat(), 0);
	ck_assert_uint_eq(b[1]->count[FOP_stat], 1);
	b[1]->ret[FOP_stat] = -EIO;
	b[2]->ret[FOP_stat] = -ENOTCONN;
	ck_assert_int_eq(do_stat(), -EIO);		/* not "not connected", when one was */
	ck_assert(is_member(0) && is_member(1) && is_member(2));
	rig_down(&r);
}
END_TEST

START_TEST(lost_while_it_reads)
{
	struct answer a;

	bricks_new();
	up2();
	struct stat_args args = { .inode = inode_root(r.g->inodes) };
	b[0]->hold[FOP_stat] = true;
	rig_call(&r, &a, FOP_stat, &args);
	script_lose(b[0]);
	ck_assert(a.done && a.ret == 0);
	answer_drop(&a);
	ck_assert_uint_eq(b[1]->count[FOP_stat], 1);
	rig_down(&r);
}
END_TEST

START_TEST(data_is_spread_or_where_it_is_said)
{
	struct answer a;
	_cleanup_buf_ struct buf *data = buf_copy("abc", 3);

	bricks_new();
	up2();
	struct fd *fds[32];
	for (uint8_t i = 0; i < 32; i++) {
		fds[i] = open_file(i);
		b[0]->reply[FOP_read].read.data = b[1]->reply[FOP_read].read.data = data;
		for (int twice = 0; twice < 2; twice++) {
			rig_call(&r, &a, FOP_read, &(struct read_args){ .fd = fds[i], .size = 3 });
			ck_assert(a.done && a.reply.read.data == data);
			answer_drop(&a);
		}
		/* always the same one for a file */
		ck_assert_uint_eq(b[0]->count[FOP_read] % 2, 0);
		fd_unref(fds[i]);
	}
	ck_assert_uint_gt(b[0]->count[FOP_read], 8);
	ck_assert_uint_gt(b[1]->count[FOP_read], 8);
	rig_down(&r);

	up_as(BRICKS2 AFR("option read-subvolume b1", "b0 b1"));
	b[0]->reply[FOP_read].read.data = b[1]->reply[FOP_read].read.data = data;
	struct fd *fd = open_file(1);
	rig_call(&r, &a, FOP_read, &(struct read_args){ .fd = fd, .size = 3 });
	ck_assert(a.done && b[1]->count[FOP_read] == 1);
	answer_drop(&a);
	script_lose(b[1]);
	rig_call(&r, &a, FOP_read, &(struct read_args){ .fd = fd, .size = 3 });
	ck_assert(a.done && a.ret == 0 && b[0]->count[FOP_read] == 1);
	answer_drop(&a);
	fd_unref(fd);
	rig_down(&r);
}
END_TEST

START_TEST(adoption)
{
	struct answer a;

	bricks_new();
	up3();
	for (int i = 0; i < 3; i++)
		b[i]->reply[FOP_lookup].lookup.attr =
			(struct attr){ .mode = S_IFREG, .size = (uint64_t)i };
	struct lookup_args args = { .parent = inode_root(r.g->inodes),
				    .name = "x",
				    .gfid = { .b = { 7 } } };
	rig_call(&r, &a, FOP_lookup, &args);
	ck_assert(a.done && a.ret == 0);
	answer_drop(&a);
	ck_assert_uint_eq(b[1]->count[FOP_lookup], 0);
	b[0]->reply[FOP_lookup].lookup.flags = LOOKUP_ADOPTED;
	b[2]->ret[FOP_lookup] = -ENOENT;
	rig_call(&r, &a, FOP_lookup, &args);
	ck_assert(a.done && a.ret == 0);
	ck_assert_uint_eq(a.reply.lookup.attr.size, 0);
	answer_drop(&a);
	ck_assert_uint_eq(b[1]->count[FOP_lookup], 1);
	ck_assert_uint_eq(b[2]->count[FOP_lookup], 1);
	rig_down(&r);
}
END_TEST

/* ---- open files ---- */

START_TEST(opened_where_it_is_missing)
{
	struct answer a;

	bricks_new();
	up2();
	script_lose(b[1]);
	struct fd *fd = open_file(1);
	ck_assert_uint_eq(b[1]->count[FOP_open], 0);
	script_return(b[1]);
	ck_assert(is_member(1));
	b[0]->ret[FOP_write] = b[1]->ret[FOP_write] = 10;
	start_write(&a, fd, 10);
	ck_assert(a.done && a.ret == 10);
	answer_drop(&a);
	ck_assert_uint_eq(b[0]->count[FOP_open], 1);
	ck_assert_uint_eq(b[1]->count[FOP_open], 1);
	ck_assert_uint_eq(b[1]->count[FOP_write], 1);
	start_write(&a, fd, 10);
	answer_drop(&a);
	ck_assert_uint_eq(b[1]->count[FOP_open], 1);
	fd_unref(fd);
	rig_down(&r);

	/* both files of one operation; the same one twice */
	bricks_new();
	up2();
	script_lose(b[1]);
	struct fd *in = open_file(1), *out = open_file(2);
	script_return(b[1]);
	struct copy_file_range_args args = { .in = in, .out = out, .length = 5 };
	rig_call(&r, &a, FOP_copy_file_range, &args);
	ck_assert(a.done && a.ret == 0);
	answer_drop(&a);
	ck_assert_uint_eq(b[1]->count[FOP_open], 2);
	fd_unref(in);
	script_lose(b[1]);
	in = open_file(3);
	script_return(b[1]);
	args = (struct copy_file_range_args){ .in = in, .out = in, .length = 5 };
	rig_call(&r, &a, FOP_copy_file_range, &args);
	ck_assert(a.done && a.ret == 0);
	answer_drop(&a);
	ck_assert_uint_eq(b[1]->count[FOP_open], 3);
	fd_unref(in);
	fd_unref(out);
	rig_down(&r);
}
END_TEST

START_TEST(cannot_be_opened_again)
{
	struct answer a;

	bricks_new();
	up2();
	script_lose(b[1]);
	struct fd *fd = open_file(1);
	script_return(b[1]);
	b[1]->ret[FOP_open] = -EIO;
	b[1]->ret[FOP_write] = -EBADF;
	b[0]->ret[FOP_write] = 10;
	start_write(&a, fd, 10);
	ck_assert(a.done && a.ret == 10);
	answer_drop(&a);
	ck_assert(is_out(1) && mark(0, 1));
	fd_unref(fd);
	rig_down(&r);
}
END_TEST

/* A temporary file, removed while it is open; its brick was away for a moment and protocol/client
 * could not open it again. */
START_TEST(a_file_without_a_name)
{
	struct answer a;

	for (int lost = 0; lost < 2; lost++) {
		bricks_new();
		rig_children_up = true;
		up2();
		struct fd *fd = open_file(1);
		for (int i = 0; i < 2; i++) {
			b[i]->reply[FOP_write].write.attr = (struct attr){ .mode = S_IFREG };
			b[i]->ret[FOP_write] = i == lost ? -ESTALE : 10;
			b[i]->ret[FOP_stat] = i == lost ? -ESTALE : 0;
		}
		start_write(&a, fd, 10);
		ck_assert(a.done && a.ret == 10);
		answer_drop(&a);
		ck_assert(is_member(0) && is_member(1));
		rig_call(&r, &a, FOP_stat, &(struct stat_args){ .inode = fd->inode, .fd = fd });
		ck_assert(a.done && a.ret == 0);
		answer_drop(&a);
		/* One with a name is another thing: that brick has missed a change. */
		b[!lost]->reply[FOP_write].write.attr.nlink = 1;
		start_write(&a, fd, 10);
		ck_assert(a.done && a.ret == 10);
		answer_drop(&a);
		ck_assert(is_out(lost) && is_member(!lost) && mark(!lost, lost));
		fd_unref(fd);
		rig_down(&r);
	}
}
END_TEST

/* ---- syncs, flushes, statfs ---- */

START_TEST(syncs)
{
	struct answer a;

	bricks_new();
	up2();
	struct fd *fd = open_file(1);
	struct fsync_args args = { .fd = fd };
	b[1]->ret[FOP_fsync] = -EIO;
	rig_call(&r, &a, FOP_fsync, &args);
	ck_assert(a.done && a.ret == 0);
	answer_drop(&a);
	ck_assert(is_out(1) && mark(0, 1));
	b[0]->ret[FOP_fsync] = -EIO;
	rig_call(&r, &a, FOP_fsync, &args);
	ck_assert(a.done && a.ret == -EIO);
	ck_assert(is_member(0));
	b[0]->ret[FOP_flush] = -EIO;
	rig_call(&r, &a, FOP_flush, &(struct flush_args){ .fd = fd });
	ck_assert(a.done && a.ret == -EIO);
	fd_unref(fd);
	rig_down(&r);
}
END_TEST

START_TEST(statfs_tells_the_smallest)
{
	struct answer a;

	bricks_new();
	up2();
	b[0]->reply[FOP_statfs].statfs.statfs =
		(struct statfs_reply_data){ .bavail = 100, .frsize = 4096 };
	b[1]->reply[FOP_statfs].statfs.statfs =
		(struct statfs_reply_data){ .bavail = 300, .frsize = 1024 };
	rig_call(&r, &a, FOP_statfs, &(struct statfs_args){ .inode = inode_root(r.g->inodes) });
	ck_assert(a.done && a.reply.statfs.statfs.bavail == 300);
	answer_drop(&a);
	b[1]->ret[FOP_statfs] = -EIO;
	rig_call(&r, &a, FOP_statfs, &(struct statfs_args){ .inode = inode_root(r.g->inodes) });
	ck_assert(a.done && a.reply.statfs.statfs.bavail == 100);
	answer_drop(&a);
	rig_down(&r);
}
END_TEST

/* ---- locks ---- */

static struct lk_args lk(struct fd *fd, uint32_t cmd, uint32_t type, uint32_t kind)
{
	return (struct lk_args){
		.fd = fd,
		.cmd = cmd,
		.lock = { .owner = 1, .end = UINT64_MAX, .type = type, .kind = kind }
	};
}

START_TEST(locks_in_order)
{
	struct answer a;

	bricks_new();
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
	ck_assert(a.done && a.ret == 0);
	answer_drop(&a);
	/* He who has the first one waits for the others, though he would not wait. */
	ck_assert_uint_eq(b[0]->log[b[0]->nr_log - 1].cmd, LK_SET);
	ck_assert_uint_eq(b[1]->log[b[1]->nr_log - 1].cmd, LK_SETW);
	ck_assert_uint_eq(b[2]->log[b[2]->nr_log - 1].cmd, LK_SETW);

	args.lock.type = F_UNLCK;		/* in parallel */
	rig_call(&r, &a, FOP_lk, &args);
	ck_assert(b[0]->nr_held && b[1]->nr_held && b[2]->nr_held);
	for (int i = 0; i < 3; i++)
		script_release(b[i], FOP_lk, 0);
	ck_assert(a.done && a.ret == 0);
	answer_drop(&a);

	args.lock.type = F_RDLCK;		/* refused by the first: nobody else is asked */
	rig_call(&r, &a, FOP_lk, &args);
	script_release(b[0], FOP_lk, -EAGAIN);
	ck_assert(a.done && a.ret == -EAGAIN && !b[1]->nr_held);
	fd_unref(fd);
	rig_down(&r);
}
END_TEST

START_TEST(locks_undone)
{
	struct answer a;

	bricks_new();
	up3();
	struct fd *fd = open_file(1);
	struct lk_args args = lk(fd, LK_SETW, F_WRLCK, LK_POSIX);
	b[2]->ret[FOP_lk] = -EDEADLK;
	rig_call(&r, &a, FOP_lk, &args);
	ck_assert(a.done && a.ret == -EDEADLK);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(b[i]->log[b[i]->nr_log - 1].lock.type, i < 2 ? F_UNLCK : F_WRLCK);
	b[2]->ret[FOP_lk] = 0;
	b[1]->hold[FOP_lk] = true;		/* given up while it waits */
	rig_call(&r, &a, FOP_lk, &args);
	ck_assert(!a.done);
	call_cancel(a.root);
	ck_assert(a.done && a.ret == -EINTR);
	ck_assert_uint_eq(b[0]->log[b[0]->nr_log - 1].lock.type, F_UNLCK);
	b[1]->hold[FOP_lk] = false;
	script_lose(b[1]);			/* away: passed by */
	rig_call(&r, &a, FOP_lk, &args);
	ck_assert(a.done && a.ret == 0);
	answer_drop(&a);
	fd_unref(fd);
	rig_down(&r);
}
END_TEST

/* A child that is out keeps locks, for which a client that still uses it would wait. */
START_TEST(locks_on_who_is_out)
{
	struct answer a;

	bricks_new();
	rig_children_up = true;
	up2();
	struct fd *fd = open_file(1);
	struct lk_args args = lk(fd, LK_SETW, F_WRLCK, LK_POSIX);
	rig_call(&r, &a, FOP_lk, &args);
	ck_assert(a.done && a.ret == 0);
	answer_drop(&a);
	b[1]->ret[FOP_unlink] = -EIO;
	ck_assert_int_eq(change(), 0);
	ck_assert(is_out(1));
	b[1]->hold[FOP_lk] = b[1]->hold[FOP_flush] = true;	/* nobody waits for it */
	args.lock.type = F_UNLCK;
	rig_call(&r, &a, FOP_lk, &args);
	ck_assert(a.done && a.ret == 0);
	answer_drop(&a);
	ck_assert_ptr_nonnull(script_held(b[1], FOP_lk));
	ck_assert_uint_eq(b[1]->log[b[1]->nr_log - 1].lock.type, F_UNLCK);
	rig_call(&r, &a, FOP_flush, &(struct flush_args){ .fd = fd });
	ck_assert(a.done && a.ret == 0);
	answer_drop(&a);
	script_release_all(b[1], -EIO);
	ck_assert_uint_eq(b[1]->count[FOP_flush], 1);
	script_lose(b[1]);
	rig_call(&r, &a, FOP_lk, &args);
	ck_assert(a.done && a.ret == 0);
	answer_drop(&a);
	/* Also one that is away is told: what stands for it must know that a lock was given up. */
	ck_assert_uint_eq(b[1]->count[FOP_lk], 3);
	fd_unref(fd);
	rig_down(&r);
}
END_TEST

START_TEST(locks_on_who_came_later)
{
	struct answer a;

	bricks_new();
	up2();
	script_lose(b[0]);
	struct fd *fd = open_file(1);
	script_return(b[0]);
	struct lk_args args = lk(fd, LK_SET, F_WRLCK, LK_POSIX);
	rig_call(&r, &a, FOP_lk, &args);
	ck_assert(a.done && a.ret == 0);
	answer_drop(&a);
	ck_assert_uint_eq(b[0]->count[FOP_open], 1);
	ck_assert_uint_eq(b[0]->count[FOP_lk], 1);
	fd_unref(fd);
	rig_down(&r);
}
END_TEST

START_TEST(a_flock_that_waits_holds_nothing)
{
	struct answer a;

	bricks_new();
	up2();
	struct fd *fd = open_file(1);
	struct lk_args args = lk(fd, LK_SETW, F_WRLCK, LK_FLOCK);
	rig_call(&r, &a, FOP_lk, &args);
	ck_assert(a.done && a.ret == 0);		/* free: nothing more than needed */
	answer_drop(&a);
	ck_assert_uint_eq(b[0]->count[FOP_lk] + b[1]->count[FOP_lk], 2);
	b[0]->hold[FOP_lk] = true;
	rig_call(&r, &a, FOP_lk, &args);
	ck_assert_uint_eq(((const struct lk_args *)script_held(b[0], FOP_lk)->args)->cmd, LK_SET);
	script_release(b[0], FOP_lk, -EAGAIN);
	ck_assert_uint_eq(b[1]->log[b[1]->nr_log - 1].lock.type, F_UNLCK);
	ck_assert_uint_eq(((const struct lk_args *)script_held(b[0], FOP_lk)->args)->lock.type,
			  F_UNLCK);
	script_release(b[0], FOP_lk, 0);
	ck_assert_uint_eq(((const struct lk_args *)script_held(b[0], FOP_lk)->args)->cmd, LK_SETW);
	script_release(b[0], FOP_lk, 0);
	ck_assert(a.done && a.ret == 0);
	answer_drop(&a);
	fd_unref(fd);
	rig_down(&r);
}
END_TEST

/* ---- times ---- */

static void stamp(int child, enum fop_id op, struct inode *inode, int64_t sec)
{
	struct attr at = { .gfid = inode->gfid, .mode = S_IFREG, .mtime = { .sec = sec } };

	if (op == FOP_write)
		b[child]->reply[op].write.attr = at;
	else
		b[child]->reply[op].stat.attr = at;
}

START_TEST(times_are_made_equal)
{
	struct answer a;

	bricks_new();
	up2();
	struct fd *fd = open_file(1);
	b[0]->ret[FOP_write] = b[1]->ret[FOP_write] = 10;
	stamp(0, FOP_write, fd->inode, 100);
	stamp(1, FOP_write, fd->inode, 100);
	start_write(&a, fd, 10);
	answer_drop(&a);
	ck_assert_uint_eq(b[1]->count[FOP_setattr], 0);
	ck_assert_uint_eq(*inode_slot(fd->inode, graph_find(r.g, "m")), 0);
	stamp(1, FOP_write, fd->inode, 101);
	stamp(0, FOP_stat, fd->inode, 100);
	start_write(&a, fd, 10);
	answer_drop(&a);
	ck_assert_uint_eq(b[0]->count[FOP_stat], 1);
	ck_assert_uint_eq(b[0]->count[FOP_setattr], 0);
	ck_assert_uint_eq(b[1]->count[FOP_setattr], 1);
	ck_assert_int_eq(b[1]->log[b[1]->nr_log - 1].attr.mtime.sec, 100);
	ck_assert_uint_eq(*inode_slot(fd->inode, graph_find(r.g, "m")), 0);
	fd_unref(fd);
	rig_down(&r);
}
END_TEST

START_TEST(a_change_overtakes_the_mending)
{
	struct answer a, c;

	bricks_new();
	up2();
	struct fd *fd = open_file(1);
	b[0]->ret[FOP_write] = b[1]->ret[FOP_write] = 10;
	stamp(0, FOP_write, fd->inode, 100);
	stamp(1, FOP_write, fd->inode, 101);
	stamp(0, FOP_stat, fd->inode, 100);
	b[1]->hold[FOP_write] = true;		/* two at once: mended after the last one only */
	start_write(&a, fd, 10);
	start_write(&c, fd, 10);
	script_release(b[1], FOP_write, 10);
	ck_assert_uint_eq(b[0]->count[FOP_stat], 0);
	b[1]->hold[FOP_setattr] = true;
	script_release(b[1], FOP_write, 10);
	answer_drop(&a);
	answer_drop(&c);
	ck_assert_uint_eq(b[0]->count[FOP_stat], 1);
	/* The law's time has been read, the other one's is being set: another write. */
	b[1]->hold[FOP_write] = false;
	stamp(0, FOP_write, fd->inode, 105);
	stamp(1, FOP_write, fd->inode, 105);
	stamp(0, FOP_stat, fd->inode, 105);
	start_write(&a, fd, 10);
	answer_drop(&a);
	ck_assert_uint_eq(b[0]->count[FOP_stat], 1);
	b[1]->hold[FOP_setattr] = false;
	script_release(b[1], FOP_setattr, 0);
	ck_assert_uint_eq(b[0]->count[FOP_stat], 2);
	ck_assert_int_eq(b[1]->log[b[1]->nr_log - 1].attr.mtime.sec, 105);
	fd_unref(fd);
	rig_down(&r);
}
END_TEST

START_TEST(mending_fails)
{
	struct answer a;

	bricks_new();
	up2();
	struct fd *fd = open_file(1);
	b[0]->ret[FOP_write] = b[1]->ret[FOP_write] = 10;
	stamp(0, FOP_write, fd->inode, 100);
	stamp(1, FOP_write, fd->inode, 101);
	b[0]->ret[FOP_stat] = -ENOENT;
	start_write(&a, fd, 10);
	answer_drop(&a);
	b[0]->ret[FOP_stat] = 0;
	b[0]->hold[FOP_stat] = true;		/* the law goes while it is asked */
	start_write(&a, fd, 10);
	answer_drop(&a);
	script_lose(b[0]);
	ck_assert(is_member(1));
	fd_unref(fd);
	rig_down(&r);
}
END_TEST

UNIT_MAIN("afr operations", reads_go_to_the_law_and_fail_over, lost_while_it_reads,
	  data_is_spread_or_where_it_is_said, adoption, opened_where_it_is_missing,
	  cannot_be_opened_again, a_file_without_a_name, syncs, statfs_tells_the_smallest,
	  locks_in_order, locks_undone, locks_on_who_is_out, locks_on_who_came_later,
	  a_flock_that_waits_holds_nothing, times_are_made_equal, a_change_overtakes_the_mending,
	  mending_fails)
