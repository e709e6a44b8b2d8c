/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Without memory: the n-th allocation fails, for every n, while a graph is built and while
 * operations go through cluster/afr.  Nothing is lost, nothing leaks (ASan), everything is
 * answered.  Parts of the core are compiled into this program for that (../unit/no_memory.h).
 */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>

#include "script.h"
#include "../../xlators/cluster/afr/afr.h"

extern const struct xlator_export glusterfs_xlator;

static long until = -1;		/* allocations until one fails; -1: none does */

const char *__asan_default_options(void);

/* Constants of the core are here and in the library. */
const char *__asan_default_options(void)
{
	return "detect_odr_violation=0";
}

static bool allocation_fails(void)
{
	return until >= 0 && until-- == 0;
}

#include "../unit/no_memory.h"

#define VOLFILE "volume b0 type test/child end-volume volume b1 type test/child end-volume " \
	"volume m type cluster/afr subvolumes b0 b1 option read-subvolume b1 end-volume"

static const struct xlator_type *types[4];

START_TEST(building_a_graph)
{
	const char *const options[] = { NULL };

	types[0] = glusterfs_xlator.type;
	types[1] = &script_child;
	types[2] = &script_top;
	graph_builtin_types = types;
	log_threshold = LOG_NONE_;
	bricks_new();
	for (long n = 0; n < 1000; n++) {
		struct loop *l = loop_new_sim(1);
		struct diag *d = diag_new();
		struct graph_options o = { .loop = l };
		struct volfile *vf = volfile_parse("t.vol", VOLFILE, strlen(VOLFILE), d);
		int err = 0;

		until = n;
		struct graph *g = graph_new(vf, &o, d);
		if (!g)
			ck_assert_uint_gt(diag_errors(d), 0);
		else if (!(err = graph_push(g, "test/top", "top", options)))
			if (!(err = graph_init(g)))
				err = graph_start(g);
		bool enough = until >= 0;
		until = -1;
		ck_assert(!enough || (g && !err));
		/* also when memory was short for the checks: tried again */
		if (g && !err) {
			struct afr *afr = graph_find(g, "m")->priv;

			loop_run_until(l, &(bool){ false }, 10000);
			ck_assert_uint_eq(afr->members, 3);
		}
		graph_free(g);
		diag_free(d);
		loop_free(l);
		call_trim();
		buf_trim();
		if (enough)
			return;
	}
	ck_abort_msg("never enough");
}
END_TEST

/* ---- operations ---- */

static struct rig r;
static struct script *b[2];
static struct fd *fd;
static bool done_on[2];		/* the change that is tried now */

static void remember(struct script *s, struct frame *f)
{
	if (fop_is_change(f->op) && f->op != FOP_setxattr)
		done_on[s->brick - script_brick] = true;
}

static void up(void)
{
	types[0] = glusterfs_xlator.type;
	types[1] = NULL;
	rig_types = types;
	bricks_new();
	rig_up(&r, VOLFILE, 1);
	for (int i = 0; i < 2; i++) {
		b[i] = script_of(&r, i ? "b1" : "b0");
		b[i]->effect = remember;
	}
	struct gfid g = { .b = { 1 } };
	struct inode *inode = inode_get(r.g->inodes, &g, S_IFREG);
	fd = fd_new(inode, O_RDWR, false);
	inode_unref(inode);
}

enum { WRITE, CREATE, LOOKUP, LOCK, FLOCK, STATFS, OPEN, FSYNC, RENAME, NR_KINDS };

static void start(struct answer *a, int kind, struct buf *data, struct inode *new, struct fd *newfd)
{
	struct inode *root = inode_root(r.g->inodes);
	struct lk_args lk = { .fd = fd, .cmd = LK_SETW, .lock = { .type = F_WRLCK, .end = 9 } };

	switch (kind) {
	case WRITE: return rig_call(&r, a, FOP_write, &(struct write_args){ .fd = fd, .data = data });
	case CREATE: return rig_call(&r, a, FOP_create, &(struct create_args){ .parent = root, .name = "x", .inode = new, .fd = newfd });
	case LOOKUP: return rig_call(&r, a, FOP_lookup, &(struct lookup_args){ .parent = root, .name = "x" });
	case FLOCK: lk.lock.kind = LK_FLOCK;	/* fall through */
	case LOCK: return rig_call(&r, a, FOP_lk, &lk);
	case STATFS: return rig_call(&r, a, FOP_statfs, &(struct statfs_args){ .inode = root });
	case OPEN: return rig_call(&r, a, FOP_open, &(struct open_args){ .inode = fd->inode, .fd = newfd });
	case FSYNC: return rig_call(&r, a, FOP_fsync, &(struct fsync_args){ .fd = fd });
	case RENAME: return rig_call(&r, a, FOP_rename, &(struct rename_args){ .oldparent = root, .oldname = "a", .newparent = root,
				     .newname = "b" });
	}
}

static bool marked(int at, int out)
{
	char name[96];

	snprintf(name, sizeof name, "trusted.glusterfs.afr.out.b00000000000000000000000000000%02x",
		 out);
	return brick_get(&script_brick[at], name);
}

/* One operation; with `away` b1 is away and a mark is needed too.  Whether memory was enough. */
static bool try(int kind, bool away, long n)
{
	struct answer a;

	up();
	struct gfid g = { .b = { 2 } };
	struct inode *new = inode_get(r.g->inodes, &g, S_IFREG);
	struct fd *newfd = fd_new(new, O_RDWR, false);
	struct buf *data = buf_copy("x", 1);
	if (away)
		script_lose(b[1]);
	b[0]->reply[FOP_lookup].lookup.flags = LOOKUP_ADOPTED;
	b[0]->reply[FOP_write].write.attr =
		(struct attr){ .gfid = fd->inode->gfid, .mode = S_IFREG, .mtime.sec = 5 };
	b[1]->reply[FOP_write].write.attr =
		(struct attr){ .gfid = fd->inode->gfid, .mode = S_IFREG, .mtime.sec = 6 };
	done_on[0] = done_on[1] = false;
	call_trim();				/* no spare ones */
	buf_trim();
	until = n;
	start(&a, kind, data, new, newfd);
	bool enough = until >= 0;
	until = -1;
	buf_unref(data);
	inode_unref(new);
	fd_unref(newfd);
	rig_wait(&r, &a);
	ck_assert(!enough || a.ret >= 0);
	ck_assert_msg(a.ret >= 0 || a.ret == -ENOMEM || a.ret == -ENOTCONN || a.ret == -EIO ||
			      a.ret == -EBADF,
		      "%d", a.ret);
	if (a.ret >= 0 && kind != LOOKUP && fop_is_change(a.op)) {
		struct afr *afr = graph_find(r.g, "m")->priv;

		for (int i = 0; i < 2; i++) {
			ck_assert_msg(done_on[i] || !(afr->members & afr_bit(i)),
				      "%d, %ld: not on b%d", kind, n, i);
			ck_assert_msg(done_on[i] || marked(!i, i), "%d, %ld: no mark against b%d",
				      kind, n, i);
		}
	}
	answer_drop(&a);
	fd_unref(fd);
	rig_down(&r);
	return enough;
}

START_TEST(operations)
{
	log_threshold = LOG_NONE_;
	for (int kind = 0; kind < NR_KINDS; kind++) {
		for (int away = 0; away < 2; away++) {
			long n = 0;

			while (!try(kind, away, n))
				ck_assert_int_lt(n++, 200);
			ck_assert_int_gt(n, 0);
		}
	}
}
END_TEST

UNIT_MAIN("no memory", building_a_graph, operations)
