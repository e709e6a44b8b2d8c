/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * error-gen.c - operations fail, or are answered late, on purpose: a bad disk for tests.
 *
 * What fails is not executed.  Which ones is drawn from `seed`, so that a run with the same operations in the same order is the same.
 * With `control` the options come from a file, too, which is looked at before each operation: what a test has renamed
 * into its place holds from the next operation on.
 */
#include <fcntl.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "xlator.h"

enum { CONTROL_MAX = 4096 };

struct gen {
	double failure;
	uint32_t error_no, after, seed;
	uint64_t delay_ms;
	char *enable, *control;
	bool on[FOP_COUNT];
	uint64_t random, passed, failed, delayed;
	struct stat read;		/* the control file as it was read last; st_ino 0: none */
	TAILQ_HEAD(gen_frames, gen_frame) late;	/* in the order of their coming, so that none overtakes another */
	struct timer timer;
};

struct gen_frame {
	struct frame *f;
	uint64_t due_ns;
	int ret;			/* -errno: it fails */
	TAILQ_ENTRY(gen_frame) at;
};

static const char *const error_names[] = { "EIO", "ENOSPC", "EROFS", "ESTALE", "ENOENT", "EDQUOT", "EACCES", "EPERM", "ENOMEM",
					   "ENXIO", "ENOTCONN", "ETIMEDOUT", NULL };
static const int errors[] = { EIO, ENOSPC, EROFS, ESTALE, ENOENT, EDQUOT, EACCES, EPERM, ENOMEM, ENXIO, ENOTCONN, ETIMEDOUT };
static_assert(sizeof errors / sizeof *errors == sizeof error_names / sizeof *error_names - 1, "a number for each name");

static const struct option options[] = {
	OPT_PERCENT("failure", struct gen, failure, "0", NULL, NULL, "how many of the operations fail"),
	OPT_ENUM("error-no", struct gen, error_no, "EIO", error_names, "with which error"),
	OPT_LIST("enable", struct gen, enable, NULL, "the operations that are concerned; default: all"),
	OPT_U32("after", struct gen, after, "0", NULL, NULL, "this many of them pass first"),
	OPT_TIME("delay", struct gen, delay_ms, "0", NULL, NULL, "those that come later wait this long"),
	OPT_U32("seed", struct gen, seed, "1", NULL, NULL, "of the random numbers that choose"),
	OPT_PATH("control", struct gen, control, NULL, "a file with lines \"OPTION VALUE\", which hold as soon as it is there"),
	OPT_END
};

/* The bits of on from the list; false: `error` says what is no operation. */
static bool gen_choose(struct gen *g, char error[256])
{
	const char *list = g->enable, *word;
	size_t len;

	for (int op = 0; op < FOP_COUNT; op++)
		g->on[op] = !g->enable || !*g->enable;
	while (option_list_next(&list, &word, &len)) {
		char name[32];
		snprintf(name, sizeof name, "%.*s", (int)(len < 31 ? len : 31), word);
		int op = fop_by_name(name);

		if (op < 0) {
			snprintf(error, 256, "\"%.*s\" is not an operation", (int)(len < 200 ? len : 200), word);
			return false;
		}
		g->on[op] = true;
	}
	return true;
}

static int gen_check(struct xlator *xl)
{
	char error[256];

	if (gen_choose(xl->priv, error))
		return 0;
	xl_error(xl, "enable", "%s", error);
	return -EINVAL;
}

/* ---- the control file ---- */

/* An option of a translator that runs. */
static void gen_set(struct xlator *xl, char *line)
{
	struct gen *g = xl->priv;
	char error[256] = "there is no such option";
	char *value = line + strcspn(line, " \t");

	if (!*line || *line == '#')
		return;
	if (*value)
		*value++ = '\0';
	value += strspn(value, " \t");
	const struct option *row = option_find(options, line);
	if (row && strcmp(line, "control") && option_set(row, g, value, NULL, 0, error) == 0 && gen_choose(g, error))
		log_notice(xl->name, "%s is \"%s\" from now on", line, value);
	else
		log_error(xl->name, "%s: option \"%s\": %s", g->control, line, error);
}

static void gen_read(struct xlator *xl, const struct stat *now)
{
	struct gen *g = xl->priv;
	char text[CONTROL_MAX], *rest = text, *line;
	int fd = open(g->control, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

	g->read = *now;
	if (n < 0)
		log_error(xl->name, "%s: %s", g->control, strerror(errno));
	if (fd >= 0)
		close(fd);
	text[n < 0 ? 0 : n] = '\0';
	while ((line = strsep(&rest, "\n")))
		gen_set(xl, line);
	g->random = g->seed;
	g->passed = 0;
}

static void gen_look(struct xlator *xl)
{
	const struct gen *g = xl->priv;
	struct stat now;

	if (g->control && stat(g->control, &now) == 0 &&
	    (now.st_ino != g->read.st_ino || now.st_size != g->read.st_size || now.st_mtim.tv_sec != g->read.st_mtim.tv_sec ||
	     now.st_mtim.tv_nsec != g->read.st_mtim.tv_nsec))
		gen_read(xl, &now);
}

/* ---- operations ---- */

/* True in `percent` of the cases (splitmix64). */
static bool gen_chance(struct gen *g, double percent)
{
	uint64_t z = g->random += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	z ^= z >> 31;
	return (double)(z >> 11) / (double)(1ull << 53) * 100 < percent;
}

static void gen_end(struct frame *f, int ret)
{
	if (ret < 0)
		return fail(f, ret);
	pass(f, 0);
}

static void gen_fire(struct timer *t)
{
	struct gen *g = (struct gen *)((char *)t - offsetof(struct gen, timer));
	struct gen_frame *gf;

	while ((gf = TAILQ_FIRST(&g->late)) && gf->due_ns <= loop_now_ns(t->loop)) {
		TAILQ_REMOVE(&g->late, gf, at);
		frame_on_cancel(gf->f, NULL);
		gen_end(gf->f, gf->ret);
	}
	if (gf && !timer_active(t))
		timer_start(t, t->loop, (gf->due_ns - loop_now_ns(t->loop)) / 1000000 + 1, gen_fire);
}

static void gen_cancel(struct frame *f)
{
	struct gen *g = f->xl->priv;

	TAILQ_REMOVE(&g->late, (struct gen_frame *)frame_data(f), at);
	fail(f, -EINTR);
}

/* ret: how it ends when it has waited */
static void gen_wait(struct frame *f, int ret)
{
	struct gen *g = f->xl->priv;
	struct gen_frame *gf = frame_data(f), *last = TAILQ_LAST(&g->late, gen_frames);

	*gf = (struct gen_frame){ .f = f, .ret = ret, .due_ns = loop_now_ns(xl_loop(f->xl)) + g->delay_ms * 1000000 };
	if (last && gf->due_ns < last->due_ns)
		gf->due_ns = last->due_ns;
	TAILQ_INSERT_TAIL(&g->late, gf, at);
	g->delayed++;
	if (!timer_active(&g->timer))
		timer_start(&g->timer, xl_loop(f->xl), g->delay_ms, gen_fire);
	frame_on_cancel(f, gen_cancel);		/* at once, when it has been cancelled before */
}

static void gen_any(struct frame *f)
{
	struct gen *g = f->xl->priv;
	int ret = 0;

	gen_look(f->xl);
	if (!g->on[f->op])
		return pass(f, 0);
	if (g->passed < g->after) {
		g->passed++;
	} else if (gen_chance(g, g->failure)) {
		g->failed++;
		ret = -errors[g->error_no];
	}
	if (g->delay_ms || !TAILQ_EMPTY(&g->late))
		return gen_wait(f, ret);
	gen_end(f, ret);
}

/* ---- life ---- */

static int gen_init(struct xlator *xl)
{
	struct gen *g = xl->priv;

	TAILQ_INIT(&g->late);
	g->random = g->seed;
	return 0;
}

static void gen_stop(struct xlator *xl)
{
	struct gen *g = xl->priv;
	struct gen_frame *gf;

	timer_stop(&g->timer);
	while ((gf = TAILQ_FIRST(&g->late))) {
		TAILQ_REMOVE(&g->late, gf, at);
		frame_on_cancel(gf->f, NULL);
		gen_end(gf->f, gf->ret);
	}
}

static void gen_dump(struct xlator *xl, struct dump *d)
{
	const struct gen *g = xl->priv;

	dump_value(d, "failure", "%g", g->failure);
	dump_value(d, "error-no", "%s", error_names[g->error_no]);
	dump_u64(d, "failed", g->failed);
	dump_u64(d, "delayed", g->delayed);
}

static const struct xlator_type gen_xlator = {
	.abi = XLATOR_ABI, .name = "debug/error-gen", .help = "operations fail, or are late, on purpose (for tests)",
	.min_children = 1, .max_children = 1,
	.priv_size = sizeof(struct gen), .frame_size = sizeof(struct gen_frame), .options = options,
	.check = gen_check, .init = gen_init, .stop = gen_stop, .dump = gen_dump,
	.fops = { .any = gen_any },
};
XLATOR_EXPORT(gen_xlator);
