/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * From a volume file to a running graph: what is wrong is told with its place, in what order things begin and end,
 * who is told of events.
 */
#include "config.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../xlator/script.h"

/* ---- types ---- */

struct opts {
	bool b;
	uint32_t n, choice;
	uint64_t size, time;
	double percent;
	char *s, *path, *list;
	int child;
};

static const char *const choices[] = { "red", "green", NULL };
static const struct option all_options[] = {
	OPT_BOOL("flag", struct opts, b, "on", "a flag"),
	OPT_U32("count", struct opts, n, "4", "1", "16", "a count"),
	OPT_ENUM("colour", struct opts, choice, "green", choices, "a colour"),
	OPT_SIZE("size", struct opts, size, "1MB", "4KB", "1GB", "a size"),
	OPT_TIME("time", struct opts, time, "2", "0", "1h", "a time"),
	OPT_PERCENT("share", struct opts, percent, "50%", NULL, NULL, "a share"),
	OPT_STR("text", struct opts, s, "none", "a text"),
	OPT_PATH("path", struct opts, path, NULL, "a path"),
	OPT_LIST("list", struct opts, list, NULL, "a list"),
	OPT_CHILD("child", struct opts, child, "*", "a child"),
	OPT_ALIAS("color", "colour"),
	OPT_OBSOLETE("old", "use flag"),
	OPT_PATTERN("auth.*.allow", "who"),
	OPT_END
};

static const struct option needs_options[] = {
	OPT_PATH_REQUIRED("directory", struct opts, path, "what to export"),
	OPT_ALIAS("dir", "directory"),
	OPT_END
};

static char events[1024];

static void note(const char *what, const struct xlator *xl)
{
	size_t n = strlen(events);

	snprintf(events + n, sizeof events - n, "%s%s %s", n ? ", " : "", what, xl->name);
}

static const char *fail_init, *fail_start;	/* of this volume */

static int noting_init(struct xlator *xl)
{
	note("init", xl);
	return fail_init && strcmp(fail_init, xl->name) == 0 ? -EACCES : 0;
}

static int noting_start(struct xlator *xl)
{
	note("start", xl);
	if (fail_start && strcmp(fail_start, xl->name) == 0) {
		xl_error(xl, "text", "is not good");
		return -EINVAL;
	}
	return 0;
}

static void noting_stop(struct xlator *xl)
{
	note("stop", xl);
}

static void noting_fini(struct xlator *xl)
{
	note("fini", xl);
}

#define NOTING .init = noting_init, .start = noting_start, .stop = noting_stop, .fini = noting_fini

static const struct xlator_type leaf = {
	.abi = XLATOR_ABI, .name = "g/leaf", .help = "no children", .options = all_options, .priv_size = sizeof(struct opts), NOTING
};
static const struct xlator_type one = {
	.abi = XLATOR_ABI, .name = "g/one", .help = "one child", .min_children = 1, .max_children = 1, .options = all_options,
	.priv_size = sizeof(struct opts), NOTING
};
static const struct xlator_type some = {
	.abi = XLATOR_ABI, .name = "g/some", .help = "2 to 3", .min_children = 2, .max_children = 3, NOTING
};
static const struct xlator_type many = {
	.abi = XLATOR_ABI, .name = "g/many", .help = "1 and more", .min_children = 1, .max_children = XL_MANY, NOTING
};
/* Has seen its options, and its parents. */
static int picky_check(struct xlator *xl)
{
	const struct opts *o = xl->priv;

	if (o->list)
		xl_warning(xl, "list", "names nothing that is here");
	if (xl->nr_parents || !o->n)
		return 0;
	xl_error(xl, "count", "is for volumes that have parents");
	return -EINVAL;
}
static const struct xlator_type picky = {
	.abi = XLATOR_ABI, .name = "g/picky", .help = "checks", .max_children = 1, .options = all_options,
	.priv_size = sizeof(struct opts), .check = picky_check, NOTING
};
static const struct xlator_type needs = {
	.abi = XLATOR_ABI, .name = "g/needs", .help = "needs an option", .max_children = 1, .options = needs_options,
	.priv_size = sizeof(struct opts), NOTING
};

static int said_event;

static void listening_event(struct xlator *xl, int child, enum xl_event what, void *data)
{
	char text[64];

	snprintf(text, sizeof text, "%d from %d:%s at", what, child, data ? (char *)data : "");
	note(text, xl);
	said_event++;
}

static const struct xlator_type listening = {
	.abi = XLATOR_ABI, .name = "g/listening", .help = "hears events", .min_children = 1, .max_children = XL_MANY,
	.event = listening_event,
};

static int owning_init(struct xlator *xl)
{
	xl->pool = pool_new(xl_loop(xl), xl->name, 1);
	xl->pool_owner = xl;
	return 0;
}

static void owning_fini(struct xlator *xl)
{
	pool_free(xl->pool);
}

static const struct xlator_type owning = {
	.abi = XLATOR_ABI, .name = "g/owning", .help = "has a pool", .min_children = 1, .max_children = 1,
	.init = owning_init, .fini = owning_fini,
};
static const struct xlator_type *const types[] = {
	&leaf, &one, &some, &many, &picky, &needs, &listening, &owning, &script_top, NULL
};

/* ---- errors ---- */

static char dir[] = "/tmp/glusterfs-test-graph.XXXXXX";

static void add_file(const char *name)
{
	char path[256];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fputs("not a shared object", f);
	fclose(f);
}

/* Every problem of a volume file: "line:column E text\n" each. */
static const char *problems(const char *volfile, const char *top, bool strict)
{
	static char out[8192];
	const char *path[] = { dir, NULL };
	struct loop *l = loop_new_sim(1);
	struct diag *d = diag_new();
	struct graph_options o = { .loop = l, .top = top, .strict = strict, .xlator_path = path };
	size_t n = 0;

	graph_builtin_types = types;
	out[0] = '\0';
	struct volfile *vf = volfile_parse_doubtful("t.vol", volfile, strlen(volfile), d);
	struct graph *g = vf ? graph_new(vf, &o, d) : NULL;
	ck_assert(!g == (diag_errors(d) > 0));
	for (size_t i = 0; i < diag_count(d); i++) {
		enum diag_level level;
		struct vf_pos pos;
		const char *text = diag_message(d, i, &level, &pos);

		n += (size_t)snprintf(out + n, sizeof out - n, "%u:%u %c %s\n", pos.line, pos.column,
				      level == DIAG_ERROR ? 'E' : level == DIAG_WARNING ? 'W' : 'N', text);
	}
	graph_free(g);
	diag_free(d);
	loop_free(l);
	return out;
}

#define LEAF "volume x\n type g/leaf\nend-volume\n"

static const struct { const char *text, *problems; } bad[] = {
	{ LEAF "volume y\n type g/one\n subvolumes x\nend-volume\n", "" },
	{ "volume y\n type g/one\nend-volume\n", "1:8 E volume \"y\": g/one takes exactly 1 subvolume, not 0\n" },
	{ LEAF "volume y\n type g/leaf\n subvolumes x\nend-volume\n", "6:13 E volume \"y\": g/leaf takes no subvolumes, not 1\n" },
	{ LEAF "volume y\n type g/some\n subvolumes x\nend-volume\n",
	  "6:13 E volume \"y\": g/some takes 2 to 3 subvolumes, not 1\n" },
	{ "volume y\n type g/many\nend-volume\n", "1:8 E volume \"y\": g/many takes at least 1 subvolume, not 0\n" },
	/* options */
	{ "volume x\n type g/leaf\n option flag maybe\nend-volume\n",
	  "3:14 E volume \"x\": option \"flag\": must be on or off, not \"maybe\"\n" },
	{ "volume x\n type g/leaf\n option count 17\nend-volume\n",
	  "3:15 E volume \"x\": option \"count\": must be 1 to 16, not \"17\"\n" },
	{ "volume x\n type g/leaf\n option count many\nend-volume\n",
	  "3:15 E volume \"x\": option \"count\": must be 1 to 16, not \"many\"\n" },
	{ "volume x\n type g/leaf\n option colour blue\nend-volume\n",
	  "3:16 E volume \"x\": option \"colour\": must be one of red, green, not \"blue\"\n" },
	{ "volume x\n type g/leaf\n option color blue\nend-volume\n",
	  "3:15 E volume \"x\": option \"color\": must be one of red, green, not \"blue\"\n" },
	{ "volume x\n type g/leaf\n option size 3KB\nend-volume\n",
	  "3:14 E volume \"x\": option \"size\": must be 4KB to 1GB, not \"3KB\"\n" },
	{ "volume x\n type g/leaf\n option time 2weeks\nend-volume\n",
	  "3:14 E volume \"x\": option \"time\": must be 0 to 1h, not \"2weeks\"\n" },
	{ "volume x\n type g/leaf\n option share 101%\nend-volume\n",
	  "3:15 E volume \"x\": option \"share\": must be 0 to 100 (percent), not \"101%\"\n" },
	{ "volume x\n type g/leaf\n option path some/where\nend-volume\n",
	  "3:14 E volume \"x\": option \"path\": must be a path from the root (\"/...\"), not \"some/where\"\n" },
	{ "volume x\n type g/leaf\n option child y\nend-volume\n",
	  "3:15 E volume \"x\": option \"child\": must be a subvolume (there are none), not \"y\"\n" },
	{ LEAF "volume y\n type g/one\n subvolumes x\n option child z\nend-volume\n",
	  "7:15 E volume \"y\": option \"child\": must be a subvolume of this volume (x), not \"z\"\n" },
	{ "volume x\n type g/needs\nend-volume\n",
	  "1:8 E volume \"x\": option \"directory\" is missing (what to export)\n" },
	{ "volume x\n type g/needs\n option dir /a\nend-volume\n", "" },
	{ "volume x\n type g/leaf\n option old 1\nend-volume\n",
	  "3:9 W volume \"x\": option \"old\" has no effect: use flag\n" },
	{ "volume x\n type g/leaf\n option auth.ip.allow *\nend-volume\n", "" },
	{ "volume x\n type g/leaf\n option cuont 3\nend-volume\n",
	  "3:9 W volume \"x\": option \"cuont\": g/leaf has no such option; did you mean \"count\"? (ignored)\n" },
	{ "volume x\n type g/leaf\n option quite-another 3\nend-volume\n",
	  "3:9 W volume \"x\": option \"quite-another\": g/leaf has no such option (ignored)\n" },
	/* all of them, of all volumes; a child that is missing brings no other errors */
	{ "volume x\n type g/laef\n option count 99\nend-volume\nvolume y\n type g/one\n subvolumes x\n option child x\n"
	  " option count 0\nend-volume\nvolume y2\n type g/leaf\n option flag 7\nend-volume\n"
	  "volume z\n type g/some\n subvolumes y y2\nend-volume\n",
	  "2:7 E volume \"x\": type \"g/laef\": there is no translator \"g/laef\"; did you mean \"g/leaf\"? "
	  "(looked for " XLATORDIR "/g/laef.so)\n"
	  "9:15 E volume \"y\": option \"count\": must be 1 to 16, not \"0\"\n"
	  "13:14 E volume \"y2\": option \"flag\": must be on or off, not \"7\"\n" },
};

START_TEST(what_is_wrong)
{
	char sub[256];

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(sub, sizeof sub, "%s/g", dir);
	ck_assert_int_eq(mkdir(sub, 0700), 0);
	add_file("g/leaf.so");		/* only for the list of names: the built-in one is taken */
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ck_assert_str_eq(problems(bad[i].text, NULL, false), bad[i].problems);
	ck_assert_str_eq(problems("volume x\n type g/leaf\n option cuont 3\nend-volume\n", NULL, true),
			 "3:9 E volume \"x\": option \"cuont\": g/leaf has no such option; did you mean \"count\"?\n");
	ck_assert_str_eq(problems("volume x\n type g/picky\n option count 3\nend-volume\n", NULL, false),
			 "3:15 E volume \"x\": option \"count\": is for volumes that have parents\n");
	ck_assert_str_eq(problems("volume x\n type g/picky\n option count 3\nend-volume\n"
				  "volume y\n type g/one\n subvolumes x\nend-volume\n", NULL, false), "");
	/* What options together make wrong is told along with everything else ... */
	ck_assert_str_eq(problems("volume x\n type g/picky\n option count 3\n option list a\nend-volume\n"
				  "volume y\n type g/leaf\n option flag 7\nend-volume\n"
				  "volume z\n type g/picky\n option count 4\n option size 7\nend-volume\n", "o", false),
			 "8:14 E volume \"y\": option \"flag\": must be on or off, not \"7\"\n"
			 "13:14 E volume \"z\": option \"size\": must be 4KB to 1GB, not \"7\"\n"
			 "0:0 E there is no volume \"o\" (--volume-name)\n"
			 "4:14 W volume \"x\": option \"list\": names nothing that is here\n"
			 "3:15 E volume \"x\": option \"count\": is for volumes that have parents\n");
	/* ... also when a volume is missing: but no warnings then. */
	ck_assert_str_eq(problems("volume x\n type g/picky\n option count 3\n option list a\n"
				  " subvolumes nobody\nend-volume\n", NULL, false),
			 "5:13 E subvolume 'nobody' is not defined\n"
			 "3:15 E volume \"x\": option \"count\": is for volumes that have parents\n");
	ck_assert_str_eq(problems(LEAF, "y", false), "0:0 E there is no volume \"y\" (--volume-name)\n");
	ck_assert_str_eq(problems(LEAF "volume y\n type g/one\n subvolumes x\nend-volume\n", "x", false), "");
	add_file("junk.so");
	const char *text = problems("volume x\n type other/junk\nend-volume\n", NULL, false);
	ck_assert_msg(strncmp(text, "2:7 E volume \"x\": type \"other/junk\": cannot load: ", 50) == 0, "%s", text);
	snprintf(sub, sizeof sub, "rm -rf %s", dir);
	ck_assert_int_eq(system(sub), 0);
}
END_TEST

/* ---- options arrive ---- */

static struct loop *L;
static struct diag *D;

static struct graph *graph(const char *volfile)
{
	struct graph_options o;

	L = loop_new_sim(1);
	D = diag_new();
	o = (struct graph_options){ .loop = L };
	graph_builtin_types = types;
	events[0] = '\0';
	struct graph *g = graph_new(volfile_parse("t.vol", volfile, strlen(volfile), D), &o, D);
	if (!g)
		diag_print(D, stderr);
	ck_assert_ptr_nonnull(g);
	return g;
}

static void graph_end(struct graph *g)
{
	graph_free(g);
	diag_free(D);
	loop_free(L);
}

START_TEST(options_arrive)
{
	struct graph *g = graph("volume x type g/leaf end-volume volume y type g/one subvolumes x option flag off option count 0x10 "
				"option color RED option size 64KB option time 500ms option share 12.5% option text \"a b\" "
				"option path /x option list \"a, b\" option child x option auth.ip.allow 1.2.3.4 end-volume");
	const struct opts *x = graph_find(g, "x")->priv, *y = graph_find(g, "y")->priv;
	ck_assert(x->b && x->n == 4 && x->choice == 1 && x->size == 1 << 20 && x->time == 2000 && x->percent == 50);
	ck_assert_str_eq(x->s, "none");
	ck_assert(!x->path && !x->list && x->child == -1);
	ck_assert(!y->b && y->n == 16 && y->choice == 0 && y->size == 65536 && y->time == 500 && y->percent == 12.5);
	ck_assert_str_eq(y->s, "a b");
	ck_assert_str_eq(y->path, "/x");
	ck_assert(y->child == 0);
	const char *key, *value;
	ck_assert(xl_option_match(graph_find(g, "y"), "auth.*.allow", 0, &key, &value));
	ck_assert_str_eq(value, "1.2.3.4");
	ck_assert(!xl_option_match(graph_find(g, "y"), "auth.*.allow", 1, &key, &value));
	ck_assert_ptr_null(graph_find(g, "z"));
	graph_end(g);
}
END_TEST

/* ---- order ---- */

#define DIAMOND "volume top type g/some subvolumes l r end-volume volume l type g/one subvolumes b end-volume " \
	"volume r type g/one subvolumes b end-volume volume b type g/leaf end-volume "

START_TEST(order)
{
	struct graph *g = graph(DIAMOND "volume last type g/one subvolumes top end-volume");
	ck_assert_str_eq(g->top->name, "last");
	ck_assert_str_eq(events, "");
	ck_assert_int_eq(graph_init(g), 0);
	ck_assert_int_eq(graph_start(g), 0);
	ck_assert_str_eq(events, "init b, init l, init r, init top, init last, start b, start l, start r, start top, start last");
	events[0] = '\0';
	graph_stop(g);
	graph_stop(g);
	ck_assert(graph_idle(g));
	xl_busy(graph_find(g, "l"), 1);
	ck_assert(!graph_idle(g));
	xl_busy(graph_find(g, "l"), -1);
	graph_end(g);
	ck_assert_str_eq(events, "stop last, stop top, stop r, stop l, stop b, fini last, fini top, fini r, fini l, fini b");
	graph_free(NULL);
}
END_TEST

START_TEST(an_init_fails)
{
	static const char *const names[] = { "b", "l", "r", "top" };
	static const char *const ends[] = { "fini b", "fini l, fini b", "fini r, fini l, fini b", "fini top, fini r, fini l, fini b" };

	for (int i = 0; i < 4; i++) {
		struct graph *g = graph("volume b type g/leaf end-volume volume l type g/one subvolumes b end-volume "
					"volume r type g/one subvolumes b end-volume volume top type g/some subvolumes l r end-volume");
		enum diag_level level;

		fail_init = names[i];
		ck_assert_int_eq(graph_init(g), -EACCES);
		ck_assert_uint_eq(diag_errors(D), 1);
		ck_assert_ptr_nonnull(strstr(diag_message(D, 0, &level, NULL), "cannot start: Permission denied"));
		events[0] = '\0';
		graph_end(g);
		ck_assert_str_eq(events, ends[i]);
	}
}
END_TEST

START_TEST(a_start_fails)
{
	struct graph *g = graph("volume b type g/leaf end-volume\nvolume l type g/one subvolumes b option flag on\n"
				"option text hello\nend-volume");
	struct vf_pos pos;

	fail_start = "l";
	ck_assert_int_eq(graph_init(g), 0);
	ck_assert_int_eq(graph_start(g), -EINVAL);
	ck_assert_uint_eq(diag_errors(D), 1);
	ck_assert_str_eq(diag_message(D, 0, NULL, &pos), "volume \"l\": option \"text\": is not good");
	ck_assert(pos.line == 3 && pos.column == 13);
	events[0] = '\0';
	graph_end(g);
	ck_assert_str_eq(events, "stop b, fini l, fini b");
}
END_TEST

START_TEST(without_a_place)
{
	struct graph *g = graph(LEAF);
	struct vf_pos pos;

	xl_warning(g->top, NULL, "something");
	ck_assert_str_eq(diag_message(D, 0, NULL, &pos), "volume \"x\": something");
	ck_assert(pos.line == 1 && pos.column == 8);
	xl_error(g->top, "flag", "not given");
	ck_assert_str_eq(diag_message(D, 1, NULL, &pos), "volume \"x\": option \"flag\": not given");
	ck_assert(pos.line == 1);
	graph_end(g);
}
END_TEST

/* ---- pools, a volume on top, events ---- */

START_TEST(pools)
{
	struct graph *g = graph("volume b type g/leaf end-volume volume o1 type g/owning subvolumes b end-volume "
				"volume m type g/one subvolumes o1 end-volume volume o2 type g/owning subvolumes m end-volume "
				"volume c type g/leaf end-volume volume t type g/some subvolumes c o2 end-volume");
	ck_assert_int_eq(graph_init(g), 0);
	struct xlator *o1 = graph_find(g, "o1"), *o2 = graph_find(g, "o2");
	ck_assert(o1->pool != o2->pool && o1->pool != g->pool);
	ck_assert_ptr_eq(graph_find(g, "b")->pool, o1->pool);
	ck_assert_ptr_eq(graph_find(g, "m")->pool, o2->pool);
	ck_assert_ptr_eq(graph_find(g, "c")->pool, g->pool);
	ck_assert_ptr_eq(graph_find(g, "t")->pool, g->pool);
	graph_end(g);
}
END_TEST

START_TEST(pushing)
{
	struct graph *g = graph("volume x type g/leaf end-volume volume y type g/one subvolumes x end-volume");
	const char *const good[] = { "flag", "off", "child", "y", NULL };
	ck_assert_int_eq(graph_push(g, "g/one", "fuse", good), 0);
	ck_assert_str_eq(g->top->name, "fuse");
	ck_assert_str_eq(g->top->children[0]->name, "y");
	const struct opts *o = g->top->priv;
	ck_assert(!o->b && o->child == 0);
	ck_assert_int_eq(graph_init(g), 0);
	ck_assert_str_eq(events, "init x, init y, init fuse");
	graph_end(g);

	const char *const wrong[] = { "count", "99", NULL };
	g = graph("volume x type g/leaf end-volume");
	ck_assert_int_eq(graph_push(g, "g/one", "fuse", wrong), -EINVAL);
	ck_assert_str_eq(diag_message(D, 0, NULL, NULL), "volume \"fuse\": option \"count\": must be 1 to 16, not \"99\"");
	graph_end(g);

	g = graph("volume x type g/leaf end-volume");
	ck_assert_int_eq(graph_push(g, "g/nothing", "fuse", NULL), -EINVAL);
	ck_assert_uint_eq(diag_errors(D), 1);
	graph_end(g);

	g = graph("volume x type g/leaf end-volume");
	ck_assert_int_eq(graph_push(g, "g/needs", "fuse", NULL), -EINVAL);
	ck_assert_str_eq(diag_message(D, 0, NULL, NULL), "volume \"fuse\": option \"directory\" is missing (what to export)");
	graph_end(g);
}
END_TEST

static void on_event(struct graph *g, enum xl_event what, void *data)
{
	char text[64];

	snprintf(text, sizeof text, "%d:%s to the owner of", what, data ? (char *)data : "");
	note(text, g->top);
}

static void on_notify(struct graph *g, struct xlator *xl, enum xl_event what, void *data)
{
	if (xl->nr_children == 0)
		note("notified", xl);
}

START_TEST(events_go_up)
{
	struct graph *g = graph("volume b type g/leaf end-volume volume l type g/one subvolumes b end-volume "
				"volume r type g/one subvolumes b end-volume volume t type g/listening subvolumes l r b end-volume "
				"volume top type g/one subvolumes t end-volume");
	ck_assert_int_eq(graph_init(g), 0);
	g->on_event = on_event;
	g->on_notify = on_notify;
	events[0] = '\0';
	struct xlator *b = graph_find(g, "b"), *t = graph_find(g, "t");
	xl_notify(b, XL_CHILD_UP, NULL);
	ck_assert_str_eq(events, "0 from 0: at t, 0 from 1: at t, 0 from 2: at t, notified b");
	ck_assert(b->up && graph_find(g, "l")->up && !t->up);
	events[0] = '\0';
	xl_notify(t, XL_CHILD_DOWN, (void *)"because");
	ck_assert_str_eq(events, "1:because to the owner of top");
	xl_notify(b, XL_CHILD_FAILED, (void *)"x");
	ck_assert(!b->up);
	graph_end(g);
}
END_TEST

START_TEST(dumping)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct graph *g = graph("volume x type g/leaf end-volume volume y type g/one subvolumes x end-volume");

	ck_assert_int_eq(graph_init(g), 0);
	graph_find(g, "x")->stats[FOP_stat] = (struct xl_op_stats){ 5, 2 };
	graph_dump(g, &(struct dump){ out });
	fclose(out);
	ck_assert_ptr_nonnull(strstr(text, "\n[graph]\nvolume-file=t.vol\n"));
	ck_assert_ptr_nonnull(strstr(text, "\ninodes.active=1\n"));
	ck_assert_ptr_nonnull(strstr(text, "\n[x: g/leaf]\ncalls.stat=5, 2 failed\n"));
	ck_assert_ptr_nonnull(strstr(text, "\n[y: g/one]\nsubvolume.0=x\n"));
	free(text);
	graph_end(g);
}
END_TEST

START_TEST(new_identities)
{
	struct graph *g = graph("volume x type g/leaf end-volume"), other = { .client_id = g->client_id + 2 };
	enum { MANY = 20000 };
	struct gfid first = call_new_gfid(g, 1), *all = calloc(MANY, sizeof *all);
	int prefixes = 0;

	ck_assert_uint_eq(call_new_txn(g), 1);
	ck_assert_uint_eq(call_new_txn(g), 2);
	struct gfid again = call_new_gfid(g, 1), theirs = call_new_gfid(&other, 1);
	ck_assert(gfid_equal(&first, &again) && !gfid_equal(&first, &theirs));
	for (uint32_t i = 0; i < MANY; i++) {
		all[i] = call_new_gfid(g, i + 1);
		if (gfid_is_none(&all[i]) || gfid_equal(&all[i], &gfid_root) || (i && gfid_equal(&all[i], &all[i - 1])))
			ck_abort_msg("%u", i);
		prefixes += i && memcmp(all[i].b, all[i - 1].b, 2) != 0;
	}
	ck_assert_int_le(prefixes, MANY / 4096 + 1);	/* bursts stay in one directory of handles */
	free(all);
	graph_end(g);
}
END_TEST

UNIT_MAIN("graph", what_is_wrong, options_arrive, order, an_init_fails, a_start_fails, without_a_place, pools, pushing,
	  events_go_up, dumping, new_identities)
