/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* test_protocol_session.c - what outlives a connection: requests, open files, locks; and what does not. */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>

#include "protocol_rig.h"
#include "../../xlators/protocol/protocol.h"
#include "../unit/unit.h"

#define CALL(op, ...) rig_call(FOP_##op, &(struct op##_args){ __VA_ARGS__ })

static uint32_t wanted;

static bool so_many_held(void)
{
	return sink.nr_held == (int)wanted;
}

static bool written(void)
{
	return sink.calls[FOP_write] == wanted;
}

static bool resumed(void)
{
	return strtoul(rig_dumped(rig.client, "session-resumed"), NULL, 10) >= wanted;
}

static bool released(void)
{
	return sink.releases == (int)wanted;
}

static bool cancelled(void)
{
	return sink.cancels == (int)wanted;
}

static bool went_down(void)
{
	return rig.downs == 1;
}

static bool up_again(void)
{
	return rig.ups == 2;
}

#define UNTIL(cond, nr, ms) (wanted = (nr), rig_until(cond, ms))

static void start_write(struct rig_call *c, struct fd *fd)
{
	struct buf *data = buf_copy("some data", 9);

	rig_call_start(c, FOP_write, &(struct write_args){ .fd = fd, .data = data }, NULL);
	buf_unref(data);
}

static void start_lock(struct rig_call *c, struct fd *fd)
{
	rig_call_start(c, FOP_lk,
		       &(struct lk_args){ .fd = fd,
					  .cmd = LK_SETW,
					  .lock = { .type = F_WRLCK, .end = UINT64_MAX } },
		       NULL);
}

static int end_call(struct rig_call *c)
{
	int ret = rig_call_wait(c);

	rig_call_end(c);
	return ret;
}

/* ---- requests ---- */

START_TEST(what_is_under_way_goes_on)
{
	struct rig_call c[3];

	rig_up("mem", "", "");
	struct fd *fd = rig_open(1, O_RDWR, NULL);
	sink.hold = true;
	for (int i = 0; i < 3; i++)
		start_write(&c[i], fd);
	ck_assert(UNTIL(so_many_held, 3, 1000));
	mem_cut(rig.loop, "brick1");
	ck_assert(UNTIL(resumed, 1, 1000));
	sink_let_go();
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(end_call(&c[i]), 9);
	ck_assert_uint_eq(sink.calls[FOP_write], 3);
	ck_assert_uint_eq(sink.calls[FOP_open], 1);
	ck_assert_int_eq(rig.downs, 0);
	ck_assert_int_eq(sink.cancels, 0);
	sink.hold = false;
	fd_unref(fd);
	rig_fini();
}
END_TEST

/* The change was made, and the connection cut before its answer could come. */
START_TEST(a_change_is_made_once)
{
	struct rig_call c;
	uint32_t repeated = 0;

	for (uint64_t seed = 1; seed <= 20; seed++) {
		rig.seed = seed;
		rig_up("mem", "", "");
		struct fd *fd = rig_open(1, O_RDWR, NULL);
		start_write(&c, fd);
		ck_assert(UNTIL(written, 1, 1000));
		mem_cut(rig.loop, "brick1");
		ck_assert_int_eq(end_call(&c), 9);
		ck_assert_uint_eq(sink.calls[FOP_write], 1);
		repeated += strtoul(rig_dumped(rig.server, "session.1.requests-repeated"), NULL, 10);
		fd_unref(fd);
		rig_fini();
		memset(&rig, 0, sizeof rig);
		memset(&sink, 0, sizeof sink);
	}
	ck_assert_uint_gt(repeated, 0);
}
END_TEST

START_TEST(a_failed_change_is_answered_once_more_too)
{
	struct rig_call c;

	rig_up("mem", "", "");
	struct fd *fd = rig_open(1, O_RDWR, NULL);
	sink.error = -ENOSPC;
	start_write(&c, fd);
	ck_assert(UNTIL(written, 1, 1000));
	sink.error = 0;
	mem_cut(rig.loop, "brick1");
	ck_assert_int_eq(end_call(&c), -ENOSPC);
	fd_unref(fd);
	rig_fini();
}
END_TEST

START_TEST(reads_are_done_again)
{
	struct rig_call c;

	rig_up("mem", "", "");
	struct fd *fd = rig_open(1, O_RDWR, NULL);
	rig_call_start(&c, FOP_read, &(struct read_args){ .fd = fd, .size = 300000 }, NULL);
	while (!sink.calls[FOP_read])
		rig_run(1);
	mem_cut(rig.loop, "brick1");
	ck_assert_int_eq(rig_call_wait(&c), 300000);
	ck_assert_uint_eq(c.reply.read.data->len, 300000);
	rig_call_end(&c);
	fd_unref(fd);
	rig_fini();
}
END_TEST

START_TEST(calls_wait_while_there_is_no_connection)
{
	struct rig_call c[2];

	rig_up("mem", "", "");
	struct fd *fd = rig_open(1, O_RDWR, NULL);
	mem_part(rig.loop, "brick1", true);
	rig_run(100);
	start_write(&c[0], fd);
	start_write(&c[1], fd);
	rig_run(3000);
	ck_assert(!c[0].done && !c[1].done);
	call_cancel(c[1].root);
	ck_assert_int_eq(end_call(&c[1]), -EINTR);
	mem_part(rig.loop, "brick1", false);
	ck_assert_int_eq(end_call(&c[0]), 9);
	ck_assert_uint_eq(sink.calls[FOP_write], 1);
	ck_assert_int_eq(rig.downs, 0);
	fd_unref(fd);
	rig_fini();
}
END_TEST

START_TEST(not_for_longer_than_ping_timeout)
{
	struct rig_call c;

	rig_up("mem", "", "  option ping-timeout 2s\n");
	struct fd *fd = rig_open(1, O_RDWR, NULL);
	sink.hold = true;
	start_write(&c, fd);
	ck_assert(UNTIL(so_many_held, 1, 1000));
	mem_part(rig.loop, "brick1", true);
	ck_assert(!rig_until(went_down, 1500));
	ck_assert(rig_until(went_down, 1000));
	ck_assert_int_eq(end_call(&c), -ENOTCONN);
	mem_part(rig.loop, "brick1", false);
	/* The session is still there: what is open needs not be opened again. */
	ck_assert(rig_until(up_again, 10000));
	ck_assert_uint_eq(sink.calls[FOP_open], 1);
	ck_assert(UNTIL(cancelled, 1, 1000));	/* the write that nobody waits for */
	sink.hold = false;
	ck_assert_int_eq(CALL(fsync, .fd = fd), 0);
	fd_unref(fd);
	rig_fini();
}
END_TEST

/*
 * A write that was answered ENOTCONN may still be carried out.  It must not come after what the client
 * does when it is back: that may be a mirror's repair of the same place.
 */
START_TEST(what_was_given_up_is_over_before_anything_new)
{
	struct rig_call c, next;

	rig_up("mem", "", "  option ping-timeout 1s\n");
	struct fd *fd = rig_open(1, O_RDWR, NULL);
	sink.hold = sink.stubborn = true;
	start_write(&c, fd);
	ck_assert(UNTIL(so_many_held, 1, 1000));
	mem_part(rig.loop, "brick1", true);
	ck_assert_int_eq(end_call(&c), -ENOTCONN);
	mem_part(rig.loop, "brick1", false);
	ck_assert(rig_until(up_again, 10000));
	sink.hold = false;
	rig_call_start(&next, FOP_fsync, &(struct fsync_args){ .fd = fd }, NULL);
	rig_run(5000);			/* neither takes the other for dead meanwhile */
	ck_assert_uint_eq(sink.calls[FOP_fsync], 0);
	ck_assert_int_eq(rig.downs, 1);
	sink_let_go();
	ck_assert_int_eq(end_call(&next), 0);
	fd_unref(fd);
	rig_fini();
}
END_TEST

START_TEST(a_cancel_comes_through)
{
	struct rig_call c;

	rig_up("mem", "", "");
	struct fd *fd = rig_open(1, O_RDWR, NULL);
	sink.hold = true;
	start_lock(&c, fd);
	ck_assert(UNTIL(so_many_held, 1, 1000));
	mem_part(rig.loop, "brick1", true);
	rig_run(100);
	call_cancel(c.root);
	rig_run(100);
	ck_assert(!c.done);		/* it may have been granted */
	mem_part(rig.loop, "brick1", false);
	ck_assert_int_eq(end_call(&c), -EINTR);
	ck_assert_int_eq(sink.cancels, 1);
	sink.hold = false;
	fd_unref(fd);
	rig_fini();
}
END_TEST

/* More than there are places. */
START_TEST(a_crowd)
{
	enum { NR = PROTOCOL_PLACES + 1000 };
	struct rig_call *c = calloc(NR, sizeof *c);
	struct fd *fd;

	rig_up("mem", "", "");
	fd = rig_open(1, O_RDWR, NULL);
	for (int i = 0; i < NR; i++)
		start_write(&c[i], fd);
	for (int i = 0; i < 10; i++) {
		rig_run(3);
		mem_cut(rig.loop, "brick1");
	}
	for (int i = 0; i < NR; i++)
		ck_assert_int_eq(end_call(&c[i]), 9);
	ck_assert_uint_eq(sink.calls[FOP_write], NR);
	fd_unref(fd);
	free(c);
	rig_fini();
}
END_TEST

/* ---- open files and locks ---- */

START_TEST(files_closed_meanwhile_are_closed)
{
	struct fd *fds[50];

	rig_up("mem", "", "");
	for (unsigned i = 0; i < 50; i++)
		fds[i] = rig_open(i, O_RDWR, NULL);
	mem_part(rig.loop, "brick1", true);
	rig_run(100);
	for (unsigned i = 0; i < 50; i += 2)
		fd_unref(fds[i]);
	rig_run(1000);
	ck_assert_int_eq(sink.releases, 0);
	mem_part(rig.loop, "brick1", false);
	ck_assert(UNTIL(released, 25, 3000));
	for (unsigned i = 1; i < 50; i += 2) {
		ck_assert_int_eq(CALL(fsync, .fd = fds[i]), 0);
		fd_unref(fds[i]);
	}
	ck_assert(UNTIL(released, 50, 1000));
	ck_assert_uint_eq(sink.calls[FOP_open], 50);
	rig_fini();
}
END_TEST

START_TEST(locked_files_stay_locked)
{
	struct rig_call c;

	rig_up("mem", "", "");
	struct fd *fd = rig_open(1, O_RDWR, NULL);
	start_lock(&c, fd);
	ck_assert_int_eq(end_call(&c), 0);
	mem_part(rig.loop, "brick1", true);
	rig_run(8000);
	mem_part(rig.loop, "brick1", false);
	ck_assert_int_eq(CALL(fsync, .fd = fd), 0);
	ck_assert_int_eq(sink.releases, 0);
	fd_unref(fd);
	rig_fini();
}
END_TEST

START_TEST(a_lock_in_doubt_breaks_the_file)
{
	struct rig_call c;

	rig_up("mem", "", "  option ping-timeout 1s\n");
	struct fd *fd = rig_open(1, O_RDWR, NULL);
	sink.hold = true;
	start_lock(&c, fd);
	ck_assert(UNTIL(so_many_held, 1, 1000));
	mem_part(rig.loop, "brick1", true);
	ck_assert_int_eq(end_call(&c), -ENOTCONN);
	mem_part(rig.loop, "brick1", false);
	ck_assert(rig_until(up_again, 10000));
	/* The server is told: nobody waits, and the file is closed, with whatever was locked. */
	ck_assert(UNTIL(cancelled, 1, 1000));
	ck_assert(UNTIL(released, 1, 1000));
	ck_assert_int_eq(CALL(fsync, .fd = fd), -EIO);
	sink.hold = false;
	fd_unref(fd);
	rig_fini();
}
END_TEST

static struct lk_args lock_of(struct fd *fd, uint32_t type, uint64_t owner)
{
	return (struct lk_args){
		.fd = fd, .cmd = LK_SET, .lock = { .owner = owner, .type = type, .end = UINT64_MAX },
	};
}

/*
 * Two files that are locked; while there is no connection one is unlocked, in vain: by what, and
 * through which open file, is the caller's.
 */
static void check_unlock_in_vain(enum fop_id op, bool through_another)
{
	struct lk_args lock, unlock;
	struct flush_args flush;

	rig_up("mem", "", "  option ping-timeout 1s\n");
	struct fd *mine = rig_open(1, O_RDWR, NULL), *again = rig_open(1, O_RDWR, NULL);
	struct fd *other = rig_open(1, O_RDWR, NULL);
	lock = lock_of(mine, F_WRLCK, 7);
	ck_assert_int_eq(rig_call(FOP_lk, &lock), 0);
	lock = lock_of(other, F_WRLCK, 8);
	ck_assert_int_eq(rig_call(FOP_lk, &lock), 0);
	mem_part(rig.loop, "brick1", true);
	ck_assert(rig_until(went_down, 3000));
	unlock = lock_of(through_another ? again : mine, F_UNLCK, 7);
	flush = (struct flush_args){ .fd = unlock.fd, .owner = 7 };
	ck_assert_int_eq(rig_call(op, op == FOP_lk ? (void *)&unlock : &flush), -ENOTCONN);
	mem_part(rig.loop, "brick1", false);
	ck_assert(rig_until(up_again, 10000));
	/* The server has let the lock go, and who believes to have it is told. */
	ck_assert(UNTIL(released, 1, 1000));
	ck_assert_int_eq(CALL(fsync, .fd = mine), -EIO);
	ck_assert_int_eq(CALL(fsync, .fd = other), 0);
	ck_assert_int_eq(CALL(fsync, .fd = again), 0);
	fd_unref(mine);
	fd_unref(again);
	fd_unref(other);
	rig_fini();
	memset(&rig, 0, sizeof rig);
	memset(&sink, 0, sizeof sink);
}

START_TEST(an_unlock_in_vain_breaks_the_file)
{
	check_unlock_in_vain(FOP_lk, false);
	check_unlock_in_vain(FOP_lk, true);
	check_unlock_in_vain(FOP_flush, false);
	check_unlock_in_vain(FOP_flush, true);
}
END_TEST

START_TEST(the_session_ends_when_its_client_does_not_come_back)
{
	struct rig_call c;

	rig_up("mem", "  option grace 5s\n", "");
	struct fd *fd = rig_open(1, O_RDWR, NULL);
	sink.hold = true;
	start_lock(&c, fd);
	ck_assert(UNTIL(so_many_held, 1, 1000));
	mem_part(rig.loop, "brick1", true);
	rig_run(4000);
	ck_assert_int_eq(sink.cancels, 0);
	ck_assert(UNTIL(released, 1, 3000));
	ck_assert_int_eq(sink.cancels, 1);
	ck_assert_str_eq(rig_dumped(rig.server, "sessions"), "0");
	sink.hold = false;
	mem_part(rig.loop, "brick1", false);
	ck_assert(rig_until(up_again, 10000));
	ck_assert_int_eq(end_call(&c), -ENOTCONN);
	ck_assert_uint_eq(strtoul(rig_dumped(rig.client, "session-resumed"), NULL, 10), 0);
	fd_unref(fd);
	rig_fini();
}
END_TEST

static bool no_session(void)
{
	return strcmp(rig_dumped(rig.server, "sessions"), "0") == 0;
}

START_TEST(a_client_that_ends_is_not_waited_for)
{
	rig_up("mem", "", "");
	struct fd *fd = rig_open(1, O_RDWR, NULL);
	fd_unref(fd);
	rig_end(&rig.client);
	ck_assert(rig_until(no_session, 1000));
	ck_assert_int_eq(sink.releases, 1);
	rig_fini();
}
END_TEST

START_TEST(nor_one_that_ends_while_it_opens_files_again)
{
	rig_up("mem", "", "");
	struct fd *fd = rig_open(1, O_RDWR, NULL);
	rig_end(&rig.server);
	sink.hold = true;
	ck_assert_int_eq(rig_serve("option auth.ip.brick.allow *\n"), 0);
	ck_assert(UNTIL(so_many_held, 1, 10000));
	fd_unref(fd);
	rig_end(&rig.client);
	ck_assert(rig_until(no_session, 1000));
	rig_fini();
}
END_TEST

/* ---- more files than requests ---- */

START_TEST(many_files_are_opened_again)
{
	enum { NR = PROTOCOL_PLACES * 2 + 100 };
	struct fd **fds = calloc(NR, sizeof(struct fd *));

	rig_up("mem", "  option grace 0\n", "");
	for (unsigned i = 0; i < NR; i++)
		fds[i] = rig_open(i, O_RDWR, NULL);
	mem_cut(rig.loop, "brick1");
	ck_assert(rig_until(went_down, 1000));
	ck_assert(rig_until(up_again, 10000));
	ck_assert_uint_eq(sink.calls[FOP_open], 2 * NR);
	for (unsigned i = 0; i < NR; i++) {
		ck_assert_int_eq(CALL(flush, .fd = fds[i]), 0);
		fd_unref(fds[i]);
	}
	free(fds);
	rig_fini();
}
END_TEST

/* More than a RESUME has room for. */
START_TEST(many_files_stay_open)
{
	enum { NR = PROTOCOL_RESUME_MAX + 1000 };
	struct fd **fds = calloc(NR, sizeof(struct fd *));

	rig_up("mem", "", "");
	for (unsigned i = 0; i < NR; i++)
		fds[i] = rig_open(i % 100, O_RDWR, NULL);
	mem_part(rig.loop, "brick1", true);
	rig_run(100);
	fd_unref(fds[0]);
	fd_unref(fds[NR - 1]);
	mem_part(rig.loop, "brick1", false);
	ck_assert(UNTIL(resumed, 1, 3000));
	ck_assert(UNTIL(released, 2, 3000));
	for (unsigned i = 1; i < NR - 1; i++) {
		if (i % 1000 == 1)
			ck_assert_int_eq(CALL(fsync, .fd = fds[i]), 0);
		fd_unref(fds[i]);
	}
	ck_assert_uint_eq(sink.calls[FOP_open], NR);
	ck_assert_int_eq(rig.downs, 0);
	free(fds);
	rig_fini();
}
END_TEST

UNIT_MAIN("protocol-session", what_is_under_way_goes_on, a_change_is_made_once,
	  a_failed_change_is_answered_once_more_too, reads_are_done_again,
	  calls_wait_while_there_is_no_connection, not_for_longer_than_ping_timeout,
	  what_was_given_up_is_over_before_anything_new,
	  a_cancel_comes_through, a_crowd, files_closed_meanwhile_are_closed,
	  locked_files_stay_locked, a_lock_in_doubt_breaks_the_file, an_unlock_in_vain_breaks_the_file,
	  the_session_ends_when_its_client_does_not_come_back,
	  a_client_that_ends_is_not_waited_for,
	  nor_one_that_ends_while_it_opens_files_again, many_files_are_opened_again,
	  many_files_stay_open)
