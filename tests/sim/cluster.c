/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * cluster.c - a client with cluster/afr, two servers with storage/posix, and applications, in one process on a simulated
 * loop: delays and order come from a seed, and the same seed gives the same run.
 *
 *	cluster [--seed N] [--count N] [--operations N] [--cut]
 *
 * After each run: what was acknowledged is on every member, and the bricks are equal.  --cut breaks the connection
 * to one brick on the way; then the other must have everything.  Each seed runs twice, and the two
 * runs must have picked the same events in the same order.
 */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "call.h"
#include "sim.h"

static const char *const path[] = {
	BUILDDIR "/xlators/storage/posix/.libs", BUILDDIR "/xlators/features/posix-locks/.libs",
	BUILDDIR "/xlators/performance/io-threads/.libs", BUILDDIR "/xlators/protocol/.libs",
	BUILDDIR "/xlators/cluster/afr/.libs",
	BUILDDIR "/xlators/features/replica/.libs", NULL
};
static const struct xlator_type *const builtin[] = { &sim_application, &sim_timeless, NULL };

static const char server_text[] =
	"volume brick type storage/posix option directory %s/brick%d end-volume\n"
	"volume locks type features/posix-locks subvolumes brick end-volume\n"
	"volume iot type performance/io-threads subvolumes locks end-volume\n"
	"volume server type protocol/server option transport-type mem/server option bind-address brick%d\n"
	"option auth.ip.iot.allow * subvolumes iot end-volume\n";
static const char client_text[] =
	"volume r0 type protocol/client option transport-type mem/client option remote-host brick0\n"
	"option remote-subvolume iot end-volume\n"
	"volume r1 type protocol/client option transport-type mem/client option remote-host brick1\n"
	"option remote-subvolume iot end-volume\n"
	"volume t0 type sim/timeless subvolumes r0 end-volume\n"
	"volume t1 type sim/timeless subvolumes r1 end-volume\n"
	"volume mirror type cluster/afr subvolumes t0 t1 end-volume\n";

static uint64_t current_seed;

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "seed %llu: ", (unsigned long long)current_seed);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

static struct graph *build(struct cluster *c, const char *text, const char *push)
{
	struct diag *diag = diag_new();
	struct volfile *file = volfile_parse("sim.vol", text, strlen(text), diag);
	struct graph_options o = { .loop = c->loop, .xlator_path = path };
	struct graph *g = file ? graph_new(file, &o, diag) : NULL;

	if (!g || (push && graph_push(g, push, "app", NULL) != 0) || graph_init(g) != 0 || graph_start(g) != 0) {
		diag_print(diag, stderr);
		die("the graph does not start");
	}
	g->diag = NULL;
	diag_free(diag);
	return g;
}

static void on_event(struct graph *g, enum xl_event what, void *data)
{
	if (what == XL_CHILD_UP)
		((struct cluster *)g->ctx)->up = true;
}

static void stop(struct cluster *c, struct graph *g)
{
	bool never = false;

	graph_stop(g);
	for (int i = 0; !graph_idle(g) && i < 100; i++)
		loop_run_until(c->loop, &never, 100);
	if (!graph_idle(g))
		die("a graph does not come to rest");
}

static void remove_tree(const char *dir)
{
	char command[128];

	snprintf(command, sizeof command, "rm -rf '%s'", dir);
	if (system(command) != 0)
		die("cannot remove %s", dir);
}

/* The template of a directory's name; not in /tmp, which may not have trusted extended attributes. */
static char *temporary(char *dir, size_t size)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(dir, size, "%s/glusterfs-sim.XXXXXX", tmp ? tmp : "/var/tmp");
	return dir;
}

/* One run; returns the trace of what was picked. */
static uint64_t run(uint64_t seed, uint32_t operations, bool cut)
{
	struct cluster c = { .loop = loop_new_sim(seed) };
	char text[1024], brick0[80], brick1[80];

	if (!c.loop || !mkdtemp(temporary(c.dir, sizeof c.dir)))
		die("cannot begin: %s", strerror(errno));
	snprintf(brick0, sizeof brick0, "%s/brick0", c.dir);
	snprintf(brick1, sizeof brick1, "%s/brick1", c.dir);
	for (int i = 0; i < SIM_BRICKS; i++) {
		snprintf(text, sizeof text, server_text, c.dir, i, i);
		c.servers[i] = build(&c, text, NULL);
	}
	c.client = build(&c, client_text, "sim/application");
	c.app = c.client->top;
	c.client->ctx = &c;
	c.client->on_event = on_event;
	if (!c.up && loop_run_until(c.loop, &c.up, 10000) != 0 && !c.app->children[0]->up)
		die("the mirror does not come up");
	if (cut)
		c.cut_at = 1 + loop_random(c.loop) % (operations * SIM_ACTORS);
	actors_start(&c, operations);
	if (loop_run_until(c.loop, &c.all_done, 3600 * 1000) != 0)
		die("an operation is never answered");
	uint64_t trace = loop_sim_trace(c.loop);
	stop(&c, c.client);
	for (int i = 0; i < SIM_BRICKS; i++)
		stop(&c, c.servers[i]);
	int wrong = actors_verify(&c, brick0);
	if (!cut)
		wrong += actors_verify(&c, brick1) + bricks_compare(brick0, brick1);
	if (wrong)
		die("%d differences; the bricks are in %s", wrong, c.dir);
	actors_free(&c);
	graph_free(c.client);
	for (int i = 0; i < SIM_BRICKS; i++)
		graph_free(c.servers[i]);
	loop_free(c.loop);
	remove_tree(c.dir);
	return trace;
}

static bool xattrs_possible(void)
{
	char dir[64];

	if (!mkdtemp(temporary(dir, sizeof dir)))
		return false;
	bool ok = setxattr(dir, "trusted.glusterfs.test", "1", 1, 0) == 0;
	rmdir(dir);
	return ok;
}

int main(int argc, char **argv)
{
	uint64_t seed = 1, count = 20;
	uint32_t operations = 40;
	bool cut = false;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--cut") == 0)
			cut = true;
		else if (i + 1 < argc && strcmp(argv[i], "--seed") == 0)
			seed = strtoull(argv[++i], NULL, 0);
		else if (i + 1 < argc && strcmp(argv[i], "--count") == 0)
			count = strtoull(argv[++i], NULL, 0);
		else if (i + 1 < argc && strcmp(argv[i], "--operations") == 0)
			operations = strtoul(argv[++i], NULL, 0);
		else
			return fprintf(stderr, "usage: %s [--seed N] [--count N] [--operations N] [--cut]\n", argv[0]), 2;
	}
	if (geteuid() != 0 || !xattrs_possible())
		return printf("skipped: needs root and trusted xattrs in /var/tmp\n"), 77;
	graph_builtin_types = builtin;
	log_open("/dev/null");
	umask(0);
	for (uint64_t i = 0; i < count; i++) {
		current_seed = seed + i;
		uint64_t first = run(current_seed, operations, cut), again = run(current_seed, operations, cut);

		if (first != again)
			die("two runs of the same seed differ");
	}
	printf("%llu seeds from %llu, %u operations each by %d applications%s: all acknowledged changes are there\n",
	       (unsigned long long)count, (unsigned long long)seed, operations, SIM_ACTORS,
	       cut ? ", a connection cut on the way" : ", bricks equal");
	call_trim();
	buf_trim();
	return 0;
}
