/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* protocol/server: what one client, and all of them, may have under way. */
#include "config.h"

#include <fcntl.h>
#include <stdlib.h>

#include "protocol_rig.h"
#include "../unit/unit.h"

START_TEST(requests_beyond_the_limit_wait)
{
	struct rig_call c[20];

	rig_up("mem", "option max-requests 4\n", "option transport-timeout 0\n");
	struct inode *inode = rig_inode(1);
	sink.hold = sink.stubborn = true;
	for (int i = 0; i < 20; i++) {
		rig_call_start(&c[i], FOP_stat, &(struct stat_args){ .inode = inode }, NULL);
		rig_run(100);
	}
	ck_assert_int_le(sink.nr_held, 5);
	rig_run(120000);			/* neither takes the other for dead meanwhile */
	ck_assert_int_eq(rig.downs, 0);
	sink_let_go();
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(rig_call_wait(&c[i]), 0);
		rig_call_end(&c[i]);
	}
	inode_unref(inode);
	rig_fini();
}
END_TEST

static void check_data_waits(const char *option)
{
	struct rig_call c[16];

	rig_up("mem", option, "");
	struct fd *fd = rig_open(1, O_RDWR, NULL);
	struct buf *data = buf_new(512 << 10);
	memset(data->data, 1, data->len);
	sink.hold = true;
	for (int i = 0; i < 16; i++)
		rig_call_start(&c[i], FOP_write, &(struct write_args){ .fd = fd, .data = data },
			       NULL);
	rig_run(5000);
	ck_assert_int_ge(sink.nr_held, 2);
	ck_assert_int_le(sink.nr_held, 4);
	sink_let_go();
	for (int i = 0; i < 16; i++) {
		ck_assert_int_eq(rig_call_wait(&c[i]), 512 << 10);
		rig_call_end(&c[i]);
	}
	buf_unref(data);
	fd_unref(fd);
	rig_fini();
}

START_TEST(data_beyond_the_limit_waits)
{
	check_data_waits("option max-request-bytes 1MB\n");
}
END_TEST

START_TEST(data_beyond_the_limit_of_all_waits)
{
	check_data_waits("option max-bytes-in-all 1MB\n");
}
END_TEST

/* The answer of a read is memory too. */
START_TEST(reads_beyond_the_limit_wait)
{
	struct rig_call c[16];

	rig_up("mem", "option max-request-bytes 1MB\n", "");
	struct fd *fd = rig_open(1, O_RDWR, NULL);
	sink.hold = true;
	for (int i = 0; i < 16; i++) {
		rig_call_start(&c[i], FOP_read,
			       &(struct read_args){ .fd = fd, .size = 512 << 10 }, NULL);
		rig_run(100);
	}
	ck_assert_int_eq(sink.nr_held, 2);
	sink_let_go();
	for (int i = 0; i < 16; i++) {
		ck_assert_int_eq(rig_call_wait(&c[i]), 512 << 10);
		rig_call_end(&c[i]);
	}
	fd_unref(fd);
	rig_fini();
}
END_TEST

START_TEST(open_files_beyond_the_limit)
{
	struct fd *fd[8];
	int ret = 0;

	rig_up("mem", "option max-open-files 8\n", "");
	for (int i = 0; i < 8; i++)
		fd[i] = rig_open(1 + i, O_RDWR, NULL);
	ck_assert(!rig_open(9, O_RDWR, &ret));
	ck_assert_int_eq(ret, -ENFILE);
	fd_unref(fd[3]);
	rig_run(100);
	fd[3] = rig_open(9, O_RDWR, NULL);
	for (int i = 0; i < 8; i++)
		fd_unref(fd[i]);
	ck_assert_int_eq(rig.downs, 0);
	rig_fini();
}
END_TEST

UNIT_MAIN("protocol-limits", requests_beyond_the_limit_wait, data_beyond_the_limit_waits,
	  data_beyond_the_limit_of_all_waits, reads_beyond_the_limit_wait,
	  open_files_beyond_the_limit)
