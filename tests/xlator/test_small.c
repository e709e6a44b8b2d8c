/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* encryption/rot-13, debug/trace, debug/error-gen, performance/io-threads: as they are loaded from the build
 * directory. */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "script.h"

static const char *const path[] = { XLATOR_BUILD_DIR "/xlators/encryption/rot-13/.libs",
				    XLATOR_BUILD_DIR "/xlators/debug/trace/.libs",
				    XLATOR_BUILD_DIR "/xlators/debug/error-gen/.libs",
				    XLATOR_BUILD_DIR "/xlators/performance/io-threads/.libs",
				    NULL };

static struct rig r;
static struct script *x;
static struct fd *fd;

static void up(const char *over)
{
	char volfile[1024];

	rig_path = path;
	snprintf(volfile, sizeof volfile, "volume b0 type test/child end-volume %s", over);
	bricks_new();
	rig_up(&r, volfile, 1);
	x = script_of(&r, "b0");
	fd = fd_new(inode_root(r.g->inodes), O_RDWR, false);
}

static void down(void)
{
	fd_unref(fd);
	rig_down(&r);
}

static void start_write(struct answer *a, const void *bytes, size_t n)
{
	_cleanup_buf_ struct buf *data = bytes ? buf_copy(bytes, n) : buf_new(n);

	if (!bytes)
		memset(data->data, 0, n);
	rig_call(&r, a, FOP_write, &(struct write_args){ .fd = fd, .data = data });
}

/* ---- rot-13 ---- */

static struct buf *memory;

static void keep_write(struct script *s, struct frame *f)
{
	if (f->op != FOP_write)
		return;
	buf_unref(memory);
	memory = buf_ref(((const struct write_args *)f->args)->data);
	s->reply[FOP_read].read.data = memory;
	s->ret[FOP_read] = (int)memory->len;
}

static void round_trip(const char *options, const char *kept, const char *read)
{
	char over[256];
	struct answer a;

	snprintf(over, sizeof over, "volume r type encryption/rot-13 %s subvolumes b0 end-volume",
		 options);
	up(over);
	x->effect = keep_write;
	start_write(&a, "Hello, World 13! \xc3\xa4 azAZ", 23);
	ck_assert(a.done && a.ret == 0);
	answer_drop(&a);
	ck_assert_int_eq(memcmp(memory->data, kept, 23), 0);
	rig_call(&r, &a, FOP_read, &(struct read_args){ .fd = fd, .size = 100 });
	ck_assert(a.done && a.ret == 23);
	ck_assert_int_eq(memcmp(a.reply.read.data->data, read, 23), 0);
	ck_assert_int_eq(memcmp(memory->data, kept, 23), 0);	/* the one below is not changed */
	answer_drop(&a);
	buf_unref(memory);
	memory = NULL;
	down();
}

START_TEST(rot13)
{
	const char *plain = "Hello, World 13! \xc3\xa4 azAZ",
		   *secret = "Uryyb, Jbeyq 13! \xc3\xa4 nmNM";

	round_trip("", secret, plain);
	round_trip("option encrypt-write off", plain, secret);
	round_trip("option decrypt-read no", secret, secret);
	round_trip("option encrypt-write off option decrypt-read off", plain, plain);
}
END_TEST

START_TEST(rot13_errors)
{
	struct answer a;

	up("volume r type encryption/rot-13 subvolumes b0 end-volume");
	x->ret[FOP_write] = -ENOSPC;
	x->ret[FOP_read] = -EIO;
	start_write(&a, "x", 1);
	ck_assert(a.done && a.ret == -ENOSPC);
	rig_call(&r, &a, FOP_read, &(struct read_args){ .fd = fd, .size = 100 });
	ck_assert(a.done && a.ret == -EIO);
	start_write(&a, "", 0);
	ck_assert(a.done);
	down();
}
END_TEST

/* ---- trace ---- */

static char log_path[] = "/tmp/glusterfs-test-trace.XXXXXX";

/* What the log says since; how often `what` is in it. */
static int in_log(const char *what)
{
	char line[4096];
	FILE *in = fopen(log_path, "r");
	int n = 0;

	while (fgets(line, sizeof line, in))
		n += strstr(line, what) != NULL;
	fclose(in);
	return n;
}

static void traced(const char *options)
{
	char over[256];
	struct answer a;
	int tmp = mkstemp(log_path);

	ck_assert_int_ge(tmp, 0);
	close(tmp);
	ck_assert_int_eq(log_open(log_path), 0);
	snprintf(over, sizeof over, "volume tr type debug/trace %s subvolumes b0 end-volume",
		 options);
	up(over);
	rig_as = (struct identity){ .uid = 12, .gid = 34, .pid = 56 };
	x->ret[FOP_unlink] = -ENOENT;
	rig_call(&r, &a, FOP_unlink,
		 &(struct unlink_args){ .parent = inode_root(r.g->inodes), .name = "a\"\nname" });
	ck_assert(a.done && a.ret == -ENOENT);
	x->reply[FOP_stat].stat.attr = (struct attr){ .mode = S_IFREG | 0640, .size = 4711 };
	x->hold[FOP_stat] = true;
	rig_call(&r, &a, FOP_stat, &(struct stat_args){ .inode = inode_root(r.g->inodes) });
	script_release(x, FOP_stat, 0);
	ck_assert(a.done && a.reply.stat.attr.size == 4711);
	answer_drop(&a);
	start_write(&a, "hello", 5);
	answer_drop(&a);
	down();
	log_close();
}

START_TEST(trace_all)
{
	traced("");
	ck_assert_int_eq(in_log("tr: "), 6);
	ck_assert_int_eq(
		in_log("unlink: parent=00000000-0000-0000-0000-000000000001 name=\"a\\x22\\x0aname\" uid=12 gid=34 pid=56"),
		1);
	ck_assert_int_eq(in_log("unlink: -2 (No such file or directory)"), 1);
	ck_assert_int_eq(in_log("stat: 0 attr={"), 1);
	ck_assert_int_eq(in_log("size=4711"), 1);
	ck_assert_int_eq(in_log("data=5 bytes"), 1);
	unlink(log_path);
}
END_TEST

START_TEST(trace_some)
{
	traced("option include \"stat, write\"");
	ck_assert_int_eq(in_log("tr: "), 4);
	ck_assert_int_eq(in_log("unlink"), 0);
	unlink(log_path);
}
END_TEST

START_TEST(trace_but_some)
{
	traced("option exclude-ops stat");
	ck_assert_int_eq(in_log("tr: "), 4);
	ck_assert_int_eq(in_log("stat:"), 0);
	unlink(log_path);
}
END_TEST

/* The errors of a graph that does not begin. */
static const char *init_error(const char *volfile)
{
	static char out[1024];
	struct loop *l = loop_new_sim(1);
	struct diag *d = diag_new();
	static const struct xlator_type *const types[] = { &script_child, NULL };
	struct graph_options o = { .loop = l, .xlator_path = path };

	graph_builtin_types = types;
	struct graph *g = graph_new(volfile_parse("t.vol", volfile, strlen(volfile), d), &o, d);
	int err = g ? graph_init(g) : -EINVAL;
	ck_assert_int_lt(err, 0);
	struct vf_pos pos;
	const char *text = diag_message(d, 0, NULL, &pos);
	snprintf(out, sizeof out, "%u:%u: %s", pos.line, pos.column, text ? text : "");
	graph_free(g);
	diag_free(d);
	loop_free(l);
	return out;
}

START_TEST(trace_errors)
{
	ck_assert_str_eq(
		init_error(
			"volume b0 type test/child end-volume\nvolume t type debug/trace subvolumes b0\n"
			"  option include stat,wriite\nend-volume"),
		"3:18: volume \"t\": option \"include\": \"wriite\" is not an operation");
	ck_assert_str_eq(
		init_error(
			"volume b0 type test/child end-volume\nvolume t type debug/trace subvolumes b0\n"
			"  option exclude-ops a_very_long_name_of_no_operation_at_all\nend-volume"),
		"3:22: volume \"t\": option \"exclude-ops\": \"a_very_long_name_of_no_operation_at_all\" is not an operation");
	ck_assert_str_eq(
		init_error(
			"volume b0 type test/child end-volume\nvolume t type debug/trace subvolumes b0\n"
			"  option include stat\n  option exclude write\nend-volume"),
		"4:18: volume \"t\": option \"exclude\": only one of include and exclude can be given");
}
END_TEST

/* ---- error-gen ---- */

/* How many of n stats fail with ret. */
static int failing(int n, int ret)
{
	int failed = 0;

	for (int i = 0; i < n; i++) {
		struct answer a;
		rig_call(&r, &a, FOP_stat, &(struct stat_args){ .inode = inode_root(r.g->inodes) });
		ck_assert(a.done && (a.ret == 0 || a.ret == ret));
		failed += a.ret == ret;
		answer_drop(&a);
	}
	return failed;
}

START_TEST(nothing_fails_by_default)
{
	up("volume g type debug/error-gen subvolumes b0 end-volume");
	ck_assert_int_eq(failing(100, -EIO), 0);
	down();
}
END_TEST

START_TEST(some_fail)
{
	struct answer a;
	int once = 0;

	for (int i = 0; i < 2; i++) {
		up("volume g type debug/error-gen option failure 25 option error-no ENOSPC option enable stat,fsync subvolumes b0 end-volume");
		int failed = failing(400, -ENOSPC);
		ck_assert(failed > 50 && failed < 150);
		ck_assert_uint_eq(x->count[FOP_stat], 400 - failed);	/* what fails is not executed */
		for (int k = 0; k < 50; k++) {
			start_write(&a, "x", 1);
			ck_assert(a.done && a.ret >= 0);
			answer_drop(&a);
		}
		ck_assert(i == 0 || failed == once);
		once = failed;
		down();
	}
}
END_TEST

START_TEST(the_first_pass)
{
	up("volume g type debug/error-gen option failure 100 option after 7 subvolumes b0 end-volume");
	ck_assert_int_eq(failing(20, -EIO), 13);
	down();
}
END_TEST

static void control(const char *at, const char *text)
{
	char new[64];

	snprintf(new, sizeof new, "%s.new", at);
	FILE *out = fopen(new, "w");
	ck_assert_ptr_nonnull(out);
	fputs(text, out);
	fclose(out);
	ck_assert_int_eq(rename(new, at), 0);
}

START_TEST(a_file_controls_it)
{
	char file[] = "/tmp/glusterfs-test-control.XXXXXX", over[256];

	close(mkstemp(file));
	snprintf(over, sizeof over, "volume g type debug/error-gen option failure 100 option enable stat option control %s "
		 "subvolumes b0 end-volume", file);
	up(over);
	ck_assert_int_eq(failing(5, -EIO), 5);
	control(file, "# nothing\nfailure 0\n");
	ck_assert_int_eq(failing(5, -EIO), 0);
	control(file, "failure 100%\nerror-no EROFS\nafter 2");
	ck_assert_int_eq(failing(5, -EROFS), 3);
	control(file, "nonsense 1\nerror-no EWHAT\ncontrol /x\nenable nothing\n");	/* told in the log */
	ck_assert_int_eq(failing(5, -EROFS), 0);
	control(file, "enable\n");
	ck_assert_int_eq(failing(5, -EROFS), 3);
	unlink(file);
	ck_assert_int_eq(failing(5, -EROFS), 5);
	down();
}
END_TEST

START_TEST(late_ones_keep_their_order)
{
	struct answer a[3], w;

	up("volume g type debug/error-gen option delay 200ms option enable stat subvolumes b0 end-volume");
	for (int i = 0; i < 3; i++)
		rig_call(&r, &a[i], FOP_stat, &(struct stat_args){ .inode = inode_root(r.g->inodes) });
	start_write(&w, "x", 1);
	ck_assert(w.done && !a[0].done);
	answer_drop(&w);
	call_cancel(a[1].root);
	ck_assert(a[1].done && a[1].ret == -EINTR);
	uint64_t begin = loop_now_ns(r.loop);
	rig_wait(&r, &a[2]);
	ck_assert_uint_eq((loop_now_ns(r.loop) - begin) / 1000000, 200);
	ck_assert(a[0].done && a[0].order < a[2].order);
	answer_drop(&a[0]);
	answer_drop(&a[2]);
	down();
}
END_TEST

START_TEST(late_ones_are_answered_at_the_end)
{
	struct answer a;

	up("volume g type debug/error-gen option delay 1h option failure 100 subvolumes b0 end-volume");
	rig_call(&r, &a, FOP_stat, &(struct stat_args){ .inode = inode_root(r.g->inodes) });
	ck_assert(!a.done);
	down();
	ck_assert(a.done && a.ret == -EIO);
}
END_TEST

/* ---- io-threads ---- */

START_TEST(writes_wait_for_room)
{
	struct answer a[6], s;

	up("volume t type performance/io-threads option cache-size 1MB subvolumes b0 end-volume");
	x->hold[FOP_write] = true;
	for (int i = 0; i < 6; i++)
		start_write(&a[i], NULL, 400000);
	ck_assert_uint_eq(x->nr_held, 3);	/* the third begins below the limit */
	rig_call(&r, &s, FOP_stat, &(struct stat_args){ .inode = inode_root(r.g->inodes) });
	ck_assert(s.done);			/* nothing else is held up */
	answer_drop(&s);
	script_release(x, FOP_write, 0);
	ck_assert(a[0].done && !a[1].done);
	ck_assert_uint_eq(x->nr_held, 3);
	script_release(x, FOP_write, -EIO);	/* failed ones give their room back too */
	ck_assert(a[1].ret == -EIO);
	ck_assert_uint_eq(x->nr_held, 3);
	script_release_all(x, 0);
	script_release_all(x, 0);
	for (int i = 0; i < 6; i++) {
		ck_assert(a[i].done);
		ck_assert(i == 0 || a[i].order > a[i - 1].order);
		answer_drop(&a[i]);
	}
	start_write(&a[0], NULL, 8 << 20);	/* one that is larger than all room */
	ck_assert_uint_eq(x->nr_held, 1);
	script_release_all(x, 0);
	answer_drop(&a[0]);
	down();
}
END_TEST

START_TEST(a_waiting_write_is_cancelled)
{
	struct answer a, b;

	up("volume t type performance/io-threads option cache-size 1MB subvolumes b0 end-volume");
	x->hold[FOP_write] = true;
	start_write(&a, NULL, 2 << 20);
	start_write(&b, NULL, 1);
	ck_assert_uint_eq(x->nr_held, 1);
	call_cancel(a.root);
	ck_assert(a.done && a.ret == -EINTR);
	ck_assert_uint_eq(x->nr_held, 1);
	script_release_all(x, 1);
	ck_assert(b.done && b.ret == 1);
	answer_drop(&b);
	down();
}
END_TEST

START_TEST(the_pool_is_handed_down)
{
	up("volume a type encryption/rot-13 subvolumes b0 end-volume "
	   "volume t type performance/io-threads option thread-count 7 subvolumes a end-volume "
	   "volume b type encryption/rot-13 subvolumes t end-volume "
	   "volume c1 type test/child end-volume volume top type debug/trace subvolumes b end-volume");
	struct xlator *t = graph_find(r.g, "t");
	ck_assert_ptr_eq(t->pool_owner, t);
	ck_assert(t->pool != r.g->pool);
	ck_assert_ptr_eq(graph_find(r.g, "a")->pool, t->pool);
	ck_assert_ptr_eq(graph_find(r.g, "b0")->pool, t->pool);
	ck_assert_ptr_eq(graph_find(r.g, "b0")->pool_owner, t);
	ck_assert_ptr_eq(graph_find(r.g, "b")->pool, r.g->pool);
	ck_assert_ptr_null(graph_find(r.g, "b")->pool_owner);
	ck_assert_ptr_eq(graph_find(r.g, "c1")->pool, r.g->pool);
	down();
}
END_TEST

UNIT_MAIN("small", rot13, rot13_errors, trace_all, trace_some, trace_but_some, trace_errors,
	  nothing_fails_by_default, some_fail, the_first_pass, a_file_controls_it, late_ones_keep_their_order,
	  late_ones_are_answered_at_the_end,
	  writes_wait_for_room, a_waiting_write_is_cancelled, the_pool_is_handed_down)
