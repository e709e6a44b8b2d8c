/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A brick for tests: storage/posix over a directory of its own, driven directly.
 *
 *	brick_up("");				a fresh directory, a graph on it
 *	ck_assert_int_eq(DO(lookup, .parent = root(), .name = "x"), -ENOENT);
 *	... R.lookup.attr ...			the last answer
 *	brick_down();
 *
 * DO() makes a call and runs the loop until it is answered.  START() only makes it: struct pending,
 * finish(). With `threads` the graph has performance/io-threads above the storage. Everything is
 * below `base`, which main removes also when a test has died.
 */
#ifndef TESTS_XLATOR_BRICK_H
#define TESTS_XLATOR_BRICK_H

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define UNIT_TIMEOUT_S 300
#include "call.h"
#include "graph.h"
#include "../unit/tree.h"
#include "../unit/unit.h"
#undef fail			/* libcheck's old name for ck_abort */

static char base[64], dir[160];
static bool threads;		/* with io-threads */
static uint64_t seed;		/* on a simulated loop; 0: a real one */
static struct loop *L;
static struct graph *G;
static struct diag *D;
static union fop_reply R;
static enum fop_id R_op;
static struct identity as;		/* on whose behalf DO() calls */
static uint32_t gfid_counter;

/* ---- the top of the graph ------------------------------------------------------------ */

static const struct xlator_type driver = {
	.abi = XLATOR_ABI,
	.name = "test/driver",
	.help = "makes calls",
	.min_children = 1,
	.max_children = 1,
	.parallel = true,
};
static const struct xlator_type *const builtins[] = { &driver, NULL };

struct pending {
	bool done;
	int ret;
	uint32_t seq;			/* in which order they were answered */
	enum fop_id op;
	union fop_reply reply;
	struct frame *f;
};
static uint32_t answers;

struct driven {
	struct pending *p;
};

static void driven_done(struct frame *f, int child, int ret, const void *reply)
{
	struct pending *p = ((struct driven *)frame_data(f))->p;

	p->ret = ret;
	p->seq = ++answers;
	reply_copy(&p->reply, p->op, reply);
	call_end(f);
	p->done = true;
}

static inline void start(struct pending *p, enum fop_id op, const void *args)
{
	memset(p, 0, sizeof *p);
	p->op = op;
	struct frame *f = call_new(G->top, &as, sizeof(struct driven));

	ck_assert_ptr_nonnull(f);
	((struct driven *)frame_data(f))->p = p;
	frame_wind(f, 0, op, args, (union fop_done){ .any = driven_done }, true);
}

static inline int finish(struct pending *p)
{
	ck_assert_int_eq(loop_run_until(L, &p->done, 30000), 0);
	return p->ret;
}

static inline int run(enum fop_id op, const void *args)
{
	struct pending p;

	reply_drop(R_op, &R);
	start(&p, op, args);
	finish(&p);
	R = p.reply;
	R_op = op;
	return p.ret;
}

#define DO(name, ...) run(FOP_##name, &(struct name##_args){ __VA_ARGS__ })
#define START(p, name, ...) start(p, FOP_##name, &(struct name##_args){ __VA_ARGS__ })
#define OK(name, ...) ck_assert_int_eq(DO(name, __VA_ARGS__), 0)

/* ---- graphs -------------------------------------------------------------------------- */

static inline void complain(void)
{
	if (D)
		diag_print(D, stderr);
}

/* 0 or what init said.  more: option lines. */
static inline int brick_try(const char *more)
{
	const char *path[] = { XLATOR_BUILD_DIR "/xlators/performance/io-threads/.libs",
			       XLATOR_BUILD_DIR "/xlators/storage/posix/.libs", NULL };
	struct graph_options o = { .xlator_path = path };
	char text[1024];
	int n = snprintf(text, sizeof text,
			 "volume brick\n type storage/posix\n option directory %s\n%send-volume\n"
			 "%s volume top\n type test/driver\n subvolumes %s\nend-volume\n",
			 dir, more,
			 threads ? "volume iot\n type performance/io-threads\n subvolumes "
				   "brick\nend-volume\n"
				 : "",
			 threads ? "iot" : "brick");

	L = o.loop = seed ? loop_new_sim(seed) : loop_new();
	D = diag_new();
	graph_builtin_types = builtins;
	struct volfile *f = volfile_parse("test.vol", text, (size_t)n, D);

	ck_assert_ptr_nonnull(f);
	G = graph_new(f, &o, D);
	if (!G)
		return -1;
	int ret = graph_init(G);

	if (ret == 0)
		ret = graph_start(G);
	return ret;
}

static inline void brick_stop(void)
{
	bool never = false;

	reply_drop(R_op, &R);
	memset(&R, 0, sizeof R);
	if (G) {
		graph_stop(G);
		for (int i = 0; i < 1000 && !graph_idle(G); i++)
			loop_run_until(L, &never, 10);
		ck_assert(graph_idle(G));
		graph_free(G);
	}
	G = NULL;
	loop_free(L);
	L = NULL;
	diag_free(D);
	D = NULL;
	buf_trim();
	call_trim();
}

static inline void brick_start(const char *more)
{
	int ret = brick_try(more);

	if (ret < 0)
		complain();
	ck_assert_int_eq(ret, 0);
}

static inline void brick_dir(void)
{
	umask(0);
	snprintf(dir, sizeof dir, "%s/brick.XXXXXX", base);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chmod(dir, 0755), 0);
}

static inline void brick_up(const char *more)
{
	brick_dir();
	brick_start(more);
}

/* A file system of our own on dir, which is gone with this process.  False: not possible here. */
static inline bool mount_tmpfs(const char *options, unsigned long flags)
{
	return unshare(CLONE_NEWNS) == 0 &&
	       mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("none", dir, "tmpfs", flags, options) == 0;
}

/* For tests that make very many files: in memory when that is possible. */
static inline void brick_up_large(void)
{
	brick_dir();
	mount_tmpfs("mode=755", 0);
	brick_start("");
}

/* The same directory with a new graph: nothing is cached. */
static inline void brick_again(void)
{
	brick_stop();
	brick_start("");
}

static inline void brick_down(void)
{
	brick_stop();
	remove_tree(dir);
	umount2(dir, MNT_DETACH);
	rmdir(dir);
}

/* Does this machine have what a brick needs?  Else the reason. */
static inline const char *brick_possible(void)
{
	const char *why = NULL;

	const char *tmp = getenv("TMPDIR");

	snprintf(base, sizeof base, "%s/gf-posix.XXXXXX",
		 tmp ? tmp : access("/var/tmp", W_OK) == 0 ? "/var/tmp" : "/tmp");
	if (!mkdtemp(base))
		return "no directory for bricks in TMPDIR, /var/tmp or /tmp";
	chmod(base, 0755);
	if (geteuid() != 0)
		why = "a brick needs root";
	else if (setxattr(base, "trusted.test", "1", 1, 0) < 0)
		why = "no trusted extended attributes here";
	if (why)
		rmdir(base);
	return why;
}

/* ---- objects ------------------------------------------------------------------------- */

static inline struct inode *root(void)
{
	return inode_root(G->inodes);
}

static inline struct gfid new_gfid(void)
{
	struct gfid g = { .b = { 0xaa, 0xbb } };

	gfid_counter++;
	memcpy(g.b + 4, &gfid_counter, sizeof gfid_counter);
	return g;
}

static inline struct inode *new_inode(uint32_t type)
{
	struct gfid g = new_gfid();

	return inode_get(G->inodes, &g, type);
}

/* All return new references. */
static inline struct inode *make_dir(struct inode *parent, const char *name)
{
	struct inode *n = new_inode(S_IFDIR);

	OK(mkdir, .parent = parent, .name = name, .inode = n, .mode = 0755);
	return n;
}

static inline struct fd *make_file(struct inode *parent, const char *name)
{
	struct inode *n = new_inode(S_IFREG);
	struct fd *fd = fd_new(n, O_RDWR, false);

	OK(create, .parent = parent, .name = name, .inode = n, .fd = fd, .flags = O_RDWR,
	   .mode = 0644);
	inode_unref(n);
	return fd;
}

static inline struct inode *look(struct inode *parent, const char *name)
{
	struct gfid g = new_gfid();

	OK(lookup, .parent = parent, .name = name, .gfid = g);
	return inode_get(G->inodes, &R.lookup.attr.gfid, R.lookup.attr.mode & S_IFMT);
}

static inline int write_text(struct fd *fd, uint64_t offset, const char *text, uint32_t flags)
{
	struct buf *b = buf_copy(text, strlen(text));
	int ret = DO(write, .fd = fd, .data = b, .offset = offset, .flags = flags);

	buf_unref(b);
	return ret;
}

static inline int set_value(struct inode *n, struct fd *fd, const char *name, const char *value,
			    uint32_t flags)
{
	struct buf *b = buf_copy(value, strlen(value));
	int ret = DO(setxattr, .inode = n, .fd = fd, .name = name, .value = b, .flags = flags);

	buf_unref(b);
	return ret;
}

static inline bool buf_is(const struct buf *b, const char *text)
{
	return b && b->len == strlen(text) && memcmp(b->data, text, b->len) == 0;
}

/* On the disk, below the brick. */
static inline const char *on_disk(const char *name)
{
	static char path[4][4500];
	static int i;

	i = (i + 1) % 4;
	snprintf(path[i], sizeof path[i], "%s/%s", dir, name);
	return path[i];
}

static inline const char *handle_of(const struct gfid *g)
{
	char name[80], text[GFID_STR];

	snprintf(name, sizeof name, ".glusterfs/%02x/%02x/%s", g->b[0], g->b[1], gfid_str(g, text));
	return on_disk(name);
}

/* Where the handle of an object is that has no name. */
static inline const char *unlinked_of(const struct gfid *g)
{
	static char name[256];
	char text[GFID_STR];

	snprintf(name, sizeof name, "%s/.glusterfs/unlink/%s", dir, gfid_str(g, text));
	return name;
}

static inline bool nothing_in_unlink(void)
{
	char name[256];

	snprintf(name, sizeof name, "%s/.glusterfs/unlink", dir);
	/* it cannot be removed with something in it; the next start makes it again */
	return rmdir(name) == 0;
}

static inline bool there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* Runs the tests without and with io-threads, and on simulated loops; main's status. */
static inline int brick_main(const char *name, const TTest *const *tests, size_t nr)
{
	const char *why = brick_possible();
	int failed = 0;

	if (why) {
		fprintf(stderr, "skipped: %s\n", why);
		return 77;
	}
	for (int i = 0; i < 4; i++) {
		threads = i % 2;
		seed = i < 2 ? 0 : (uint64_t)i;
		failed |= unit_run(name, tests, nr);
	}
	remove_tree(base);
	return failed;
}

#define BRICK_MAIN(name, ...)							\
	int main(void)								\
	{									\
		const TTest *const all[] = { __VA_ARGS__ };			\
										\
		return brick_main(name, all, sizeof all / sizeof all[0]);	\
	}

#endif
