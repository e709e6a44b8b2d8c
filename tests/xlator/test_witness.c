/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* features/witness, as it is loaded from the build directory: votes by messages, and what it has no answer for. */
#include "config.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "replication.h"
#include "script.h"

static const char *const path[] = { XLATOR_BUILD_DIR "/xlators/features/witness/.libs", NULL };
static struct rig r;
static char dir[4096];

static void start(uint64_t seed)
{
	char volfile[4200];

	rig_path = path;
	snprintf(volfile, sizeof volfile, "volume w type features/witness option directory %s end-volume", dir);
	rig_up(&r, volfile, seed);
	ck_assert_uint_eq(r.top->ups, 1);
}

static void up(void)
{
	unit_temporary(dir, sizeof dir, "witness");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	start(1);
}

static void down(void)
{
	DIR *d;

	rig_down(&r);
	d = opendir(dir);
	for (struct dirent *e; (e = readdir(d)); )
		if (e->d_name[0] != '.')
			unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
	ck_assert_int_eq(rmdir(dir), 0);
}

struct message {
	struct repl_ballot ballot;
	const struct view *view;
};

static void put_message(struct wire *w, const void *arg)
{
	const struct message *m = arg;

	if (m->ballot.round)
		repl_put_ballot(w, &m->ballot);
	if (m->view)
		view_put(w, m->view);
}

static void ask(struct answer *a, uint32_t what, struct message m)
{
	_cleanup_buf_ struct buf *request = repl_message(2048, put_message, &m);

	rig_call(&r, a, FOP_replicate, &(struct replicate_args){
		.inode = inode_root(r.g->inodes), .what = what, .request = request });
}

static struct repl_promise promise(uint32_t what, struct message m)
{
	struct repl_promise p;
	struct answer a;

	ask(&a, what, m);
	rig_wait(&r, &a);
	ck_assert_int_eq(a.ret, 0);
	struct wire w = repl_reader(a.reply.replicate.answer);
	repl_get_promise(&w, &p);
	ck_assert_int_eq(repl_read_end(&w), 0);
	answer_drop(&a);
	return p;
}

static int ret_of(uint32_t what, struct message m)
{
	struct answer a;
	int ret;

	ask(&a, what, m);
	rig_wait(&r, &a);
	ret = a.ret;
	answer_drop(&a);
	return ret;
}

static struct repl_status status(void)
{
	struct repl_status s;
	struct answer a;

	ask(&a, REPL_STATUS, (struct message){ .view = NULL });
	rig_wait(&r, &a);
	ck_assert_int_eq(a.ret, 0);
	struct wire w = repl_reader(a.reply.replicate.answer);
	repl_get_status(&w, &s);
	ck_assert_int_eq(repl_read_end(&w), 0);
	answer_drop(&a);
	return s;
}

static struct view a_view(void)
{
	struct view v = { .set = { .b = { 9 } }, .number = 1, .id = 77, .nr_bricks = 3 };

	for (int i = 0; i < 3; i++)
		v.brick[i] = (struct view_brick){ .id = { .b = { 1, (uint8_t)i } },
						  .role = i < 2 ? VIEW_FULL : VIEW_WITNESS };
	return v;
}

START_TEST(votes)
{
	struct view v = a_view(), next = view_after(&v, 5);
	struct repl_promise p;
	struct repl_status before, after;

	up();
	before = status();
	ck_assert(before.witness && !before.installed.number && !gfid_is_none(&before.brick));
	p = promise(REPL_PREPARE, (struct message){ { 1, 5 }, NULL });
	ck_assert(p.ok && !p.view.number);
	p = promise(REPL_ACCEPT, (struct message){ { 1, 5 }, &v });
	ck_assert(p.ok && p.accepted.client == 5);
	ck_assert_int_eq(ret_of(REPL_INSTALL, (struct message){ .view = &v }), 0);
	p = promise(REPL_PREPARE, (struct message){ { 1, 4 }, NULL });
	ck_assert(!p.ok && p.promised.client == 5);
	ck_assert_uint_eq(view_name(&p.view), view_name(&v));
	rig_down(&r);
	start(2);
	after = status();
	ck_assert(gfid_equal(&before.brick, &after.brick) && before.incarnation == after.incarnation);
	ck_assert_uint_eq(view_name(&after.installed), view_name(&v));
	ck_assert_int_eq(ret_of(REPL_INSTALL, (struct message){ .view = &next }), 0);
	ck_assert_int_eq(ret_of(REPL_INSTALL, (struct message){ .view = &v }), -ESTALE);
	down();
}
END_TEST

START_TEST(nothing_else)
{
	struct view v = a_view();
	struct answer a;

	up();
	rig_call(&r, &a, FOP_statfs, &(struct statfs_args){ .inode = inode_root(r.g->inodes) });
	ck_assert(a.done && a.ret == -ENOSYS);
	rig_call(&r, &a, FOP_stat, &(struct stat_args){ .inode = inode_root(r.g->inodes) });
	ck_assert(a.done && a.ret == -ENOSYS);
	for (uint32_t what = 0; what <= REPL_WHAT_COUNT; what++)
		if (what < REPL_STATUS || what > REPL_INSTALL)
			ck_assert_int_eq(ret_of(what, (struct message){ .view = NULL }), -ENOSYS);
	/* too short, too long, no view */
	ck_assert_int_eq(ret_of(REPL_PREPARE, (struct message){ .view = NULL }), -EPROTO);
	ck_assert_int_eq(ret_of(REPL_PREPARE, (struct message){ .ballot = { 1, 1 }, .view = &v }), -EPROTO);
	ck_assert_int_eq(ret_of(REPL_ACCEPT, (struct message){ .ballot = { 1, 1 } }), -EPROTO);
	ck_assert_int_eq(ret_of(REPL_INSTALL, (struct message){ .view = NULL }), -EPROTO);
	ck_assert_int_eq(ret_of(REPL_ACCEPT, (struct message){ .ballot = { 1, 1 }, .view = &(struct view){ .number = 0 } }), -EINVAL);
	down();
}
END_TEST

UNIT_MAIN("witness", votes, nothing_else)
