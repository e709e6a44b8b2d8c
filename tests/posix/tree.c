/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * tree - random changes of a tree of files, directories, symlinks and fifos against a model in memory:
 * names, hard links, renames of all kinds, files and directories that are used after their last name
 * has gone, contents through several descriptors (buffered, O_DIRECT, appending, mapped), modes, times,
 * extended attributes; each operation that the model says must fail is tried too, for its errno.
 *
 * GF_SEED=NUMBER another run than that of seed 1; GF_STEPS=NUMBER or GF_SECONDS=NUMBER how long;
 * GF_PROCESSES=NUMBER so many at once in the case `processes`, each with its own tree, and one that they
 * share (shared.c).  A difference is told with the seed and the last steps.
 *
 * Limitations: it runs as root (permissions are the matter of attributes.c and acl.c), and a time that
 * nobody has set is not looked at.
 */
#include "config.h"

#include <inttypes.h>
#include <stdarg.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

#include "tree.h"

enum { TOLD = 16, STEPS = 4000, CHECK_EVERY = 400 };

static uint64_t seed, state;
static char told[TOLD][160];

int tree_process, tree_processes = 1;
uint64_t tree_step;
uint8_t *tree_io;

/* ---- chance, and the history ---- */

uint32_t random_below(uint32_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state >> 16) % n);
}

void tell(const char *fmt, ...)
{
	va_list ap;
	char text[2 * PATH_MAX], *line = told[tree_step % TOLD];
	size_t n = snprintf(line, sizeof told[0], "%" PRIu64 ": ", tree_step);

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	/* on one line, the longest name short */
	for (const char *c = text; *c && n < sizeof told[0] - 1; c++)
		if (c == text || *c != 'n' || c[-1] != 'n')
			line[n++] = *c == '\n' ? ' ' : *c;
	line[n] = '\0';
}

void differs(const char *fmt, ...)
{
	va_list ap;
	int err = errno;

	fprintf(stderr, "GF_SEED=%" PRIu64 ", process %d, step %" PRIu64 ": ", seed, tree_process,
		tree_step);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, " (errno: %s)\n", err ? strerror(err) : "0");
	for (uint64_t i = tree_step >= TOLD ? tree_step - TOLD + 1 : 0; i <= tree_step; i++)
		fprintf(stderr, "  %s\n", told[i % TOLD]);
	_exit(1);
}

void must(int result, int err, const char *what)
{
	if (err ? result >= 0 || errno != err : result < 0)
		differs("%s should end with: %s", what, err ? strerror(err) : "success");
}

/* ---- runs ---- */

static uint64_t number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static uint64_t now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

/* In the current directory, which is empty. */
static void run(void)
{
	uint64_t seconds = number("GF_SECONDS", 0);
	uint64_t steps = number("GF_STEPS", seconds ? UINT64_MAX : STEPS), end = now_s() + seconds;

	seed = number("GF_SEED", 1);
	state = (seed + 1000003 * (uint64_t)tree_process) * 0x9e3779b97f4a7c15u | 1;
	if (posix_memalign((void **)&tree_io, PAGE, MAX) != 0)
		differs("no memory");
	*root = (struct object){ .kind = DIRECTORY, .nlink = 1, .mode = 0755, .mtime = -1 };
	for (tree_step = 0; tree_step < steps && (!seconds || now_s() < end); tree_step++) {
		tree_one_step();
		if (tree_step % CHECK_EVERY == CHECK_EVERY - 1)
			check_all();
	}
	tell("the end");
	check_all();
	for (int i = 0; i < HANDLES; i++)
		if (handles[i].o)
			OK(close(handles[i].fd));
}

static void alone(void)
{
	run();
}

/* Several, each in its own directory, and in one that they share. */
static void processes(void)
{
	pid_t pids[64];
	char name[16];

	tree_processes = (int)number("GF_PROCESSES", 4);
	CHECK(tree_processes > 0 && tree_processes <= 64);
	shared_begin();
	fflush(stdout);
	for (int i = 0; i < tree_processes; i++) {
		snprintf(name, sizeof name, "%d", i);
		OK(mkdir(name, 0755));
		pids[i] = fork();
		if (pids[i] != 0)
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		tree_process = i;
		OK(chdir(name));
		run();
		_exit(posix_failures() ? 1 : 0);
	}
	for (int i = 0; i < tree_processes; i++)
		CHECK(wait_status(pids[i]) == 0);
	shared_check();
}

const struct posix_case posix_cases[] = {
	{ .name = "alone", .run = alone, .limit_s = 24 * 3600 },
	{ .name = "processes", .run = processes, .limit_s = 24 * 3600 },
	{ 0 },
};
