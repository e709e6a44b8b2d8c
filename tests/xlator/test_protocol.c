/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* test_protocol.c - protocol/client and protocol/server as they are meant to be used. */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>

#include "protocol_rig.h"
#include "../unit/unit.h"

#define CALL(op, ...) rig_call(FOP_##op, &(struct op##_args){ __VA_ARGS__ })

static const struct identity alice = {
	.uid = 1000, .gid = 100, .pid = 4711, .lk_owner = 99, .txn = 5
};

static int stat_nr(unsigned nr)
{
	_cleanup_inode_ struct inode *inode = rig_inode(nr);

	return CALL(stat, .inode = inode);
}

/* ---- every transport ---- */

static void check_reads_and_writes(void)
{
	struct rig_call c;
	int err;
	struct fd *fd = rig_open(2, O_RDWR | O_TRUNC, &err);
	struct buf *data = buf_new(1 << 20);

	ck_assert_int_eq(err, 0);
	ck_assert_uint_eq(sink.open_flags, O_RDWR | O_TRUNC);
	memset(data->data, 'y', data->len);
	ck_assert_int_eq(CALL(write, .fd = fd, .data = data, .offset = 10), 1 << 20);
	buf_unref(data);
	rig_call_start(&c, FOP_read, &(struct read_args){ .fd = fd, .size = 300000 }, NULL);
	ck_assert_int_eq(rig_call_wait(&c), 300000);
	ck_assert_uint_eq(c.reply.read.data->len, 300000);
	ck_assert_int_eq(c.reply.read.data->data[299999], 'x');
	rig_call_end(&c);
	ck_assert_int_eq(CALL(fsync, .fd = fd), 0);
	fd_unref(fd);
}

static bool released(void)
{
	return sink.releases == 1;
}

static bool no_sessions(void)
{
	return strcmp(rig_dumped(rig.server, "sessions"), "0") == 0;
}

static void work_over(const char *transport)
{
	struct rig_call c;

	rig_up(transport, "", "");
	struct inode *inode = rig_inode(1);
	rig_call_start(&c, FOP_stat, &(struct stat_args){ .inode = inode }, NULL);
	ck_assert_int_eq(rig_call_wait(&c), 0);
	ck_assert_uint_eq(c.reply.stat.attr.size, 42);
	ck_assert(gfid_equal(&c.reply.stat.attr.gfid, &inode->gfid));
	rig_call_end(&c);
	inode_unref(inode);
	check_reads_and_writes();
	ck_assert(rig_until(released, 1000));
	rig_end(&rig.client);
	ck_assert(rig_until(no_sessions, 1000));
	rig_fini();
}

START_TEST(works_over_mem) { work_over("mem"); } END_TEST
START_TEST(works_over_tcp) { work_over("tcp"); } END_TEST
START_TEST(works_over_unix) { work_over("unix"); } END_TEST

/* ---- operations ---- */

START_TEST(absent_parts_of_an_answer_are_empty)
{
	struct rig_call c;

	rig_up("mem", "", "");
	struct inode *inode = rig_inode(1);
	rig_call_start(&c, FOP_getxattr,
		       &(struct getxattr_args){ .inode = inode, .name = "user.a" }, NULL);
	ck_assert_int_eq(rig_call_wait(&c), 0);
	ck_assert_ptr_nonnull(c.reply.getxattr.value);
	ck_assert_uint_eq(c.reply.getxattr.value->len, 0);
	rig_call_end(&c);
	inode_unref(inode);
	rig_fini();
}
END_TEST

START_TEST(errors_come_through)
{
	rig_up("mem", "", "");
	sink.error = -EDQUOT;
	ck_assert_int_eq(stat_nr(1), -EDQUOT);
	rig_fini();
}
END_TEST

START_TEST(a_failed_open_leaves_nothing)
{
	int err;

	rig_up("mem", "", "");
	sink.error = -EACCES;
	ck_assert_ptr_null(rig_open(1, O_RDONLY, &err));
	ck_assert_int_eq(err, -EACCES);
	ck_assert_str_eq(rig_dumped(rig.server, "session.1.open-files"), "0");
	sink.error = 0;
	struct fd *fd = rig_open(1, O_RDONLY, &err);
	ck_assert_int_eq(err, 0);
	ck_assert_str_eq(rig_dumped(rig.server, "session.1.open-files"), "1");
	fd_unref(fd);
	rig_fini();
}
END_TEST

START_TEST(many_open_files)
{
	struct fd *fds[500];
	int err;

	rig_up("mem", "", "");
	for (unsigned i = 0; i < 500; i++) {
		fds[i] = rig_open(i, O_RDONLY, &err);
		ck_assert_int_eq(err, 0);
	}
	/* In an order that leaves gaps everywhere in the server's table. */
	for (unsigned i = 0; i < 500; i++) {
		unsigned n = i * 7 % 500;

		fd_unref(fds[n]);
		fds[n] = NULL;
		if (i % 50 == 0)
			for (unsigned k = 0; k < 500; k++)
				ck_assert(!fds[k] || CALL(fsync, .fd = fds[k]) == 0);
	}
	ck_assert_int_eq(stat_nr(1), 0);
	ck_assert_int_eq(sink.releases, 500);
	ck_assert_str_eq(rig_dumped(rig.server, "session.1.open-files"), "0");
	rig_fini();
}
END_TEST

START_TEST(listings_come_through)
{
	struct rig_call c;

	rig_up("mem", "", "");
	struct fd *fd = rig_open(1, O_RDONLY, NULL);
	rig_call_start(&c, FOP_readdir, &(struct readdir_args){ .fd = fd, .size = UINT32_MAX },
		       NULL);
	ck_assert_int_eq(rig_call_wait(&c), 0);
	const struct dirent_entry *e = dirents_next(c.reply.readdir.entries, NULL);
	ck_assert_str_eq(e->name, "file");
	ck_assert_uint_eq(e->cookie, 7);
	rig_call_end(&c);
	fd_unref(fd);
	rig_fini();
}
END_TEST

/* ---- identity ---- */

START_TEST(identity_arrives)
{
	const uint32_t groups[] = { 100, 200, 300 };
	struct identity id = alice;
	struct rig_call c;

	rig_up("mem", "", "");
	id.nr_groups = 3;
	id.groups = groups;
	id.deadline_ms = 1234;
	struct inode *inode = rig_inode(1);
	rig_call_start(&c, FOP_stat, &(struct stat_args){ .inode = inode }, &id);
	rig_call_wait(&c);
	rig_call_end(&c);
	ck_assert_uint_eq(sink.id.uid, 1000);
	ck_assert_uint_eq(sink.id.gid, 100);
	ck_assert_uint_eq(sink.id.pid, 4711);
	ck_assert_uint_eq(sink.id.lk_owner, 99);
	ck_assert_uint_eq(sink.id.txn, 5);
	ck_assert_uint_eq(sink.id.deadline_ms, 1234);
	ck_assert_uint_eq(sink.id.client, rig.client->client_id);
	ck_assert_uint_eq(sink.id.nr_groups, 3);
	ck_assert_uint_eq(sink.groups[2], 300);
	ck_assert(!sink.id.enforce);
	id.client = 12345;			/* a server in between passes on whose call it is */
	id.enforce = true;
	rig_call_start(&c, FOP_stat, &(struct stat_args){ .inode = inode }, &id);
	rig_call_wait(&c);
	rig_call_end(&c);
	ck_assert_uint_eq(sink.id.client, 12345);
	ck_assert(sink.id.enforce);
	inode_unref(inode);
	rig_fini();
}
END_TEST

struct squashed { uint32_t uid, gid, group; bool enforce; uint32_t nr_groups; };

static void check_squash(const char *options, uint32_t uid, uint32_t gid, struct squashed want)
{
	const uint32_t groups[] = { 0 };
	struct identity id = { .uid = uid, .gid = gid, .nr_groups = 1, .groups = groups };
	struct rig_call c;

	rig_up("mem", options, "");
	struct inode *inode = rig_inode(1);
	rig_call_start(&c, FOP_stat, &(struct stat_args){ .inode = inode }, &id);
	ck_assert_int_eq(rig_call_wait(&c), 0);
	rig_call_end(&c);
	inode_unref(inode);
	ck_assert_uint_eq(sink.id.uid, want.uid);
	ck_assert_uint_eq(sink.id.gid, want.gid);
	ck_assert_uint_eq(sink.id.nr_groups, want.nr_groups);
	if (want.nr_groups)
		ck_assert_uint_eq(sink.groups[0], want.group);
	ck_assert_int_eq(sink.id.enforce, want.enforce);
	rig_fini();
	memset(&rig, 0, sizeof rig);
	memset(&sink, 0, sizeof sink);
}

START_TEST(squashing)
{
	const char *root = "option root-squash on\n",
		   *all = "option all-squash yes\noption anon-uid 99\noption anon-gid 98\n";

	check_squash("", 0, 0, (struct squashed){ .uid = 0, .gid = 0, .nr_groups = 1 });
	check_squash(root, 0, 0, (struct squashed){ .uid = 65534, .gid = 65534, .enforce = true });
	check_squash(root, 1000, 100,
		     (struct squashed){ .uid = 1000, .gid = 100, .enforce = true, .nr_groups = 1,
					.group = 65534 });
	check_squash(
		root, 1000, 0,
		(struct squashed){ .uid = 1000, .gid = 65534, .enforce = true, .nr_groups = 1,
				   .group = 65534 });
	check_squash(all, 1000, 100, (struct squashed){ .uid = 99, .gid = 98, .enforce = true });
	check_squash(all, 0, 0, (struct squashed){ .uid = 99, .gid = 98, .enforce = true });
}
END_TEST

START_TEST(read_only)
{
	int err;

	rig_up("mem", "option read-only on\n", "");
	struct inode *inode = rig_inode(1), *new_inode = rig_inode(2);
	ck_assert_int_eq(stat_nr(1), 0);
	ck_assert_int_eq(CALL(truncate, .inode = inode, .size = 1), -EROFS);
	ck_assert_int_eq(CALL(mkdir, .parent = inode, .name = "d", .inode = new_inode), -EROFS);
	ck_assert_int_eq(CALL(access, .inode = inode, .mask = 2), -EROFS);
	ck_assert_int_eq(CALL(access, .inode = inode, .mask = 4), 0);
	ck_assert_ptr_null(rig_open(1, O_RDWR, &err));
	ck_assert_int_eq(err, -EROFS);
	ck_assert_ptr_null(rig_open(1, O_RDONLY | O_TRUNC, &err));
	ck_assert_int_eq(err, -EROFS);
	struct fd *fd = rig_open(1, O_RDONLY, &err);
	ck_assert_int_eq(err, 0);
	ck_assert_uint_eq(sink.calls[FOP_truncate] + sink.calls[FOP_mkdir], 0);
	fd_unref(fd);
	inode_unref(inode);
	inode_unref(new_inode);
	rig_fini();
}
END_TEST

/* ---- locks, cancelling ---- */

static int lock_file(struct fd *fd, uint32_t cmd, uint32_t type, uint64_t owner)
{
	return CALL(lk, .fd = fd, .cmd = cmd,
		    .lock = { .owner = owner, .start = 0, .end = UINT64_MAX, .type = type });
}

START_TEST(flush_is_local_until_something_was_locked)
{
	rig_up("mem", "", "");
	struct fd *fd = rig_open(1, O_RDWR, NULL);
	ck_assert_int_eq(CALL(flush, .fd = fd, .owner = 1), 0);
	ck_assert_int_eq(lock_file(fd, LK_GET, F_WRLCK, 1), 0);
	ck_assert_int_eq(CALL(flush, .fd = fd, .owner = 1), 0);
	ck_assert_uint_eq(sink.calls[FOP_flush], 0);
	ck_assert_int_eq(lock_file(fd, LK_SET, F_WRLCK, 1), 0);
	ck_assert_int_eq(CALL(flush, .fd = fd, .owner = 1), 0);
	ck_assert_uint_eq(sink.calls[FOP_flush], 1);
	fd_unref(fd);
	rig_fini();
}
END_TEST

static bool one_is_held(void)
{
	return sink.nr_held == 1;
}

START_TEST(a_wait_can_be_cancelled)
{
	struct rig_call c;

	rig_up("mem", "", "");
	struct fd *fd = rig_open(1, O_RDWR, NULL);
	sink.hold = true;
	rig_call_start(&c, FOP_lk,
		       &(struct lk_args){ .fd = fd, .cmd = LK_SETW, .lock = { .type = F_WRLCK } },
		       NULL);
	ck_assert(rig_until(one_is_held, 1000));
	call_cancel(c.root);
	ck_assert_int_eq(rig_call_wait(&c), -EINTR);
	ck_assert_int_eq(sink.cancels, 1);
	sink.hold = false;
	ck_assert_int_eq(stat_nr(1), 0);
	fd_unref(fd);
	rig_fini();
}
END_TEST

/* ---- a lost connection ---- */

static bool went_down(void)
{
	return rig.downs == 1;
}

static bool up_again(void)
{
	return rig.ups == 2;
}

/* The server graph ends and another one begins, which knows nothing of the first. */
static void restart_server(void)
{
	rig_end(&rig.server);
	ck_assert_int_eq(rig_serve("option auth.ip.brick.allow *\n"), 0);
	ck_assert(rig_until(went_down, 2000));
}

START_TEST(pending_calls_are_answered_when_the_server_dies)
{
	struct rig_call c[3];

	rig_up("mem", "  option grace 0\n", "");
	struct inode *inode = rig_inode(1);
	sink.hold = true;
	for (int i = 0; i < 3; i++)
		rig_call_start(&c[i], FOP_stat, &(struct stat_args){ .inode = inode }, NULL);
	ck_assert(rig_until(one_is_held, 1000) || sink.nr_held == 3);
	mem_cut(rig.loop, "brick1");
	ck_assert(rig_until(went_down, 1000));
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(rig_call_wait(&c[i]), -ENOTCONN);
		rig_call_end(&c[i]);
	}
	ck_assert_int_eq(rig_call(FOP_stat, &(struct stat_args){ .inode = inode }), -ENOTCONN);
	ck_assert(strstr(rig.reason, "cut") != NULL);
	sink.hold = false;
	ck_assert(rig_until(up_again, 1000));
	ck_assert_int_eq(sink.cancels, 3); /* by the server, for the session was gone */
	ck_assert_int_eq(stat_nr(1), 0);
	inode_unref(inode);
	rig_fini();
}
END_TEST

START_TEST(open_files_are_opened_again)
{
	rig_up("mem", "", "");
	struct fd *fd = rig_open(1, O_RDWR | O_TRUNC | O_APPEND, NULL);
	restart_server();
	ck_assert(rig_until(up_again, 1000));
	ck_assert_int_eq(sink.releases, 1);
	ck_assert_uint_eq(sink.calls[FOP_open], 2);
	ck_assert_uint_eq(sink.open_flags, O_RDWR | O_APPEND | OPEN_NAMELESS);
	ck_assert_int_eq(CALL(fsync, .fd = fd), 0);
	ck_assert_str_eq(rig_dumped(rig.client, "files-reopened"), "1");
	fd_unref(fd);
	ck_assert_int_eq(stat_nr(1), 0);
	ck_assert_int_eq(sink.releases, 2);
	rig_fini();
}
END_TEST

START_TEST(a_file_that_is_gone_is_stale)
{
	rig_up("mem", "", "");
	struct fd *fd = rig_open(1, O_RDWR, NULL);
	sink.error = -ENOENT;
	restart_server();
	ck_assert(rig_until(up_again, 1000));
	sink.error = 0;
	ck_assert_int_eq(CALL(fsync, .fd = fd), -ESTALE);
	ck_assert_int_eq(CALL(flush, .fd = fd), 0);
	fd_unref(fd);
	rig_fini();
}
END_TEST

START_TEST(a_file_that_was_locked_is_lost)
{
	rig_up("mem", "", "");
	struct fd *locked = rig_open(1, O_RDWR, NULL), *unlocked = rig_open(2, O_RDWR, NULL);
	ck_assert_int_eq(lock_file(locked, LK_SET, F_WRLCK, 1), 0);
	ck_assert_int_eq(lock_file(unlocked, LK_SET, F_WRLCK, 1), 0);
	ck_assert_int_eq(lock_file(unlocked, LK_SET, F_UNLCK, 1), 0);
	restart_server();
	ck_assert(rig_until(up_again, 1000));
	ck_assert_int_eq(CALL(fsync, .fd = locked), -EIO);
	ck_assert_int_eq(CALL(flush, .fd = locked), -EIO);
	ck_assert_int_eq(CALL(fsync, .fd = unlocked), 0);
	fd_unref(locked);
	fd_unref(unlocked);
	locked = rig_open(1, O_RDWR, NULL);
	ck_assert_int_eq(CALL(fsync, .fd = locked), 0);
	fd_unref(locked);
	rig_fini();
}
END_TEST

START_TEST(an_open_that_never_came_is_no_open_file)
{
	rig_up("mem", "", "");
	struct inode *inode = rig_inode(1);
	struct fd *fd = fd_new(inode, O_RDWR, false);
	ck_assert_int_eq(CALL(fsync, .fd = fd), -EBADFD);
	ck_assert_int_eq(stat_nr(1), 0);
	fd_unref(fd);
	inode_unref(inode);
	rig_fini();
}
END_TEST

/* ---- events ---- */

START_TEST(the_volume_there_goes_down_and_up)
{
	rig_up("mem", "", "");
	xl_notify(sink.xl, XL_CHILD_DOWN, "its disk is on fire");
	ck_assert(rig_until(went_down, 1000));
	ck_assert(strstr(rig.reason, "its disk is on fire") != NULL);
	xl_notify(sink.xl, XL_CHILD_UP, NULL);
	ck_assert(rig_until(up_again, 1000));
	rig_fini();
}
END_TEST

static bool invalidated(void)
{
	return rig.invalidations == 1;
}

START_TEST(invalidations_reach_the_client)
{
	rig_up("mem", "", "");
	struct inode *inode = rig_inode(1), *there = inode_get(rig.server->inodes, &inode->gfid, 0);
	xl_notify(sink.xl, XL_INVALIDATE, there);
	ck_assert(rig_until(invalidated, 1000));
	inode_unref(there);
	inode_unref(inode);
	rig_fini();
}
END_TEST

START_TEST(a_server_that_comes_later)
{
	rig_init("mem");
	ck_assert_int_eq(rig_attach("brick", ""), 0);
	ck_assert(rig_until(went_down, 1000));
	ck_assert(strstr(rig.reason, "nobody listens") != NULL);
	rig_run(20000);
	ck_assert_int_eq(rig.downs, 1);			/* told once */
	ck_assert_int_eq(rig_serve("option auth.ip.brick.allow *\n"), 0);
	rig_run(6000);
	ck_assert_int_eq(rig.ups, 1);
	rig_fini();
}
END_TEST

START_TEST(a_volume_deeper_down_can_be_used)
{
	rig_init("mem");
	ck_assert_int_eq(rig_serve("option auth.ip.deep.allow *\n"), 0);
	ck_assert_int_eq(rig_attach("deep", ""), 0);
	rig_run(1000);
	ck_assert_int_eq(rig.ups, 1);
	ck_assert_int_eq(stat_nr(1), 0);
	ck_assert_uint_eq(sink.calls[FOP_stat], 1);
	rig_fini();
}
END_TEST

START_TEST(stopping_waits_for_calls)
{
	struct rig_call c;

	rig_up("mem", "", "");
	struct inode *inode = rig_inode(1);
	sink.hold = true;
	rig_call_start(&c, FOP_stat, &(struct stat_args){ .inode = inode }, NULL);
	ck_assert(rig_until(one_is_held, 1000));
	graph_stop(rig.server);
	rig_run(1000);
	ck_assert(!graph_idle(rig.server));
	ck_assert(!c.done);
	sink_let_go();
	ck_assert_int_eq(rig_call_wait(&c), 0);
	rig_call_end(&c);
	inode_unref(inode);
	ck_assert(graph_idle(rig.server));
	rig_fini();
}
END_TEST

/* What one client had locked is what another waits for: both go at once when the server stops. */
START_TEST(stopping_drops_locks_that_others_wait_for)
{
	struct rig_call c;

	rig_up("mem", "", "");
	struct graph *first = rig.client;
	struct fd *waits = rig_open(1, O_RDWR, NULL);
	sink.hold = true;
	rig_call_start(&c, FOP_lk,
		       &(struct lk_args){ .fd = waits, .cmd = LK_SETW, .lock = { .type = F_WRLCK } },
		       NULL);
	ck_assert(rig_until(one_is_held, 1000));
	sink.hold = false;
	ck_assert_int_eq(rig_attach("brick", ""), 0);
	rig_run(100);
	struct fd *has = rig_open(1, O_RDWR, NULL);
	sink.release_lets_go = true;
	graph_stop(rig.server);
	rig_call_wait(&c);
	rig_call_end(&c);
	ck_assert_int_eq(sink.releases, 2);
	sink.release_lets_go = false;
	fd_unref(waits);
	fd_unref(has);
	rig_end(&first);
	rig_fini();
}
END_TEST

/* ---- chance ---- */

enum { CHAOS_CALLS = 24, CHAOS_FILES = 6, CHAOS_STEPS = 400 };

struct chaos {
	struct rig_call calls[CHAOS_CALLS];
	bool busy[CHAOS_CALLS];
	struct fd *files[CHAOS_FILES], *opening[CHAOS_CALLS];
	int open_as[CHAOS_CALLS];		/* index in files */
	struct buf *data;
	uint32_t writes, not_written;		/* that were answered, and how */
	bool parts, apart;			/* connections are also lost for longer than calls wait */
};

static unsigned chance(unsigned n)
{
	return loop_random(rig.loop) % n;
}

static void chaos_start(struct chaos *x, int i)
{
	struct rig_call *c = &x->calls[i];
	struct fd *fd = x->files[chance(CHAOS_FILES)];
	unsigned what = chance(6);

	x->busy[i] = true;
	x->opening[i] = NULL;
	if (!fd || what == 0) {
		_cleanup_inode_ struct inode *inode = rig_inode(chance(4));

		x->open_as[i] = chance(CHAOS_FILES);
		x->opening[i] = fd_new(inode, O_RDWR, false);
		rig_call_start(c, FOP_open,
			       &(struct open_args){ inode, x->opening[i], O_RDWR | O_TRUNC }, NULL);
	} else if (what == 1) {
		rig_call_start(c, FOP_write, &(struct write_args){ .fd = fd, .data = x->data },
			       NULL);
	} else if (what == 2) {
		rig_call_start(c, FOP_read, &(struct read_args){ .fd = fd, .size = chance(100000) },
			       NULL);
	} else if (what == 3) {
		rig_call_start(
			c, FOP_lk,
			&(struct lk_args){ .fd = fd,
					   .cmd = chance(2) ? LK_SETW : LK_SET,
					   .lock = { .owner = chance(3),
						     .end = UINT64_MAX,
						     .type = chance(2) ? F_WRLCK : F_UNLCK } },
			NULL);
	} else {
		rig_call_start(c, FOP_flush, &(struct flush_args){ .fd = fd }, NULL);
	}
}

static void chaos_collect(struct chaos *x, int i)
{
	if (!x->busy[i] || !x->calls[i].done)
		return;
	x->busy[i] = false;
	/* Whatever is cut, nothing fails for that; but what was cancelled may never have begun. */
	ck_assert(x->parts || x->calls[i].ret != -ENOTCONN);
	x->writes += x->calls[i].op == FOP_write && x->calls[i].ret >= 0;
	x->not_written += x->calls[i].op == FOP_write && x->calls[i].ret < 0;
	if (x->opening[i] && x->calls[i].ret >= 0) {
		fd_unref(x->files[x->open_as[i]]);
		x->files[x->open_as[i]] = x->opening[i];
	} else {
		fd_unref(x->opening[i]);
	}
	rig_call_end(&x->calls[i]);
}

static void chaos_step(struct chaos *x)
{
	unsigned i = chance(CHAOS_CALLS), what = chance(60);

	if (x->parts && chance(40) == 0) {
		x->apart = !x->apart;
		mem_part(rig.loop, "brick1", x->apart);
		rig_run(chance(3000));
	} else if (what == 0) {
		mem_cut(rig.loop, "brick1");
	} else if (what < 4 && x->busy[i] && !x->calls[i].done) {
		call_cancel(x->calls[i].root);
	} else if (what < 6) {
		sink_let_go();
		sink.hold = chance(3) == 0;
	} else if (what < 10) {
		fd_unref(x->files[i % CHAOS_FILES]);
		x->files[i % CHAOS_FILES] = NULL;
	} else if (!x->busy[i]) {
		chaos_start(x, i);
	}
	if (chance(3) == 0)
		rig_run(chance(20));
	for (int k = 0; k < CHAOS_CALLS; k++)
		chaos_collect(x, k);
}

/* How often the parents were told DOWN. */
static int chaos_run(uint64_t seed, bool parts)
{
	struct chaos x = { .data = buf_copy("some data", 9), .parts = parts };

	rig.seed = seed;
	rig_up("mem", parts ? "option grace 4s\n" : "", parts ? "option ping-timeout 1s\n" : "");
	for (int step = 0; step < CHAOS_STEPS; step++)
		chaos_step(&x);
	mem_part(rig.loop, "brick1", false);
	sink_let_go();
	rig_run(20000);
	for (int i = 0; i < CHAOS_CALLS; i++) {
		ck_assert_msg(!x.busy[i] || x.calls[i].done, "seed %lu: call %d was not answered",
			      seed, i);
		chaos_collect(&x, i);
	}
	ck_assert_msg(sink.calls[FOP_write] >= x.writes &&
			      sink.calls[FOP_write] <= x.writes + x.not_written,
		      "seed %lu: %u writes were done, %u carried out", seed, x.writes,
		      sink.calls[FOP_write]);
	ck_assert_msg(graph_find(rig.client, "remote")->up, "seed %lu: not up again: %s", seed,
		      rig.reason);
	ck_assert_int_eq(stat_nr(1), 0);
	for (int i = 0; i < CHAOS_FILES; i++)
		fd_unref(x.files[i]);
	rig_run(1000);
	ck_assert_str_eq(rig_dumped(rig.server, "open-files"), "0");
	ck_assert_str_eq(rig_dumped(rig.client, "pending"), "0");
	buf_unref(x.data);
	rig_fini();
	int downs = rig.downs;
	memset(&rig, 0, sizeof rig);
	memset(&sink, 0, sizeof sink);
	return downs;
}

START_TEST(every_call_is_answered_whatever_happens)
{
	log_threshold = LOG_CRITICAL_;
	for (uint64_t seed = 1; seed <= 40; seed++)
		ck_assert_int_eq(chaos_run(seed, false), 0);
}
END_TEST

START_TEST(every_call_is_answered_however_long_it_takes)
{
	int downs = 0;

	log_threshold = LOG_CRITICAL_;
	for (uint64_t seed = 1; seed <= 40; seed++)
		downs += chaos_run(seed, true);
	ck_assert_int_gt(downs, 0);
}
END_TEST

UNIT_MAIN("protocol", works_over_mem, works_over_tcp, works_over_unix,
	  absent_parts_of_an_answer_are_empty, errors_come_through, a_failed_open_leaves_nothing,
	  many_open_files, listings_come_through, identity_arrives, squashing, read_only,
	  flush_is_local_until_something_was_locked, a_wait_can_be_cancelled,
	  pending_calls_are_answered_when_the_server_dies, open_files_are_opened_again,
	  a_file_that_is_gone_is_stale, a_file_that_was_locked_is_lost,
	  an_open_that_never_came_is_no_open_file, the_volume_there_goes_down_and_up,
	  invalidations_reach_the_client, a_server_that_comes_later,
	  a_volume_deeper_down_can_be_used, stopping_waits_for_calls,
	  stopping_drops_locks_that_others_wait_for,
	  every_call_is_answered_whatever_happens, every_call_is_answered_however_long_it_takes)
