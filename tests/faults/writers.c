/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * writers - applications on one mount, for faults.sh: random changes, each checked against a model of what was acknowledged.
 *
 *	writers MOUNT FIRST COUNT SEED CONTROL BRICK...
 *
 * COUNT processes, numbered from FIRST, change each its own tree MOUNT/wNUMBER, which is there and empty, and MOUNT/shared.
 * The script and they tell each other things by files in CONTROL:
 *	errors-allowed	while it is there operations may fail with errors of the surroundings: EIO, ENOSPC, a dead mount
 *	nameless	(from the beginning) files stay open when their last name is removed
 *	slowly		while it is there: 50 operations a second, so that healing keeps pace on any machine
 *	stop		make no more changes, look at everything through the mount, and make stopped.NUMBER
 *	bricks		compare the bricks, which nobody uses any more, with the models, and end
 *	failed		somebody has met something wrong, which is on standard error
 *	ops.FIRST	how many operations each of them has done until now
 *	history.NUMBER	what it has done, and when (seconds)
 *	counters.FIRST	at the end: a line for each counter, acknowledged and unknown increments
 *
 * The parent tells of an operation that takes longer than a minute: nothing may hang.  Exit status: 0, or 1.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "writers.h"

enum { COUNT_MAX = 64, HISTORY = 24, FROZEN_S = 60 };

struct report *me;
int writer, base = -1;
char mount_point[MOUNT_MAX];
bool keeps_nameless;

static struct report *reports;
static char control[MOUNT_MAX], history[HISTORY][TEXT];
static FILE *all;		/* all of it */
static uint64_t state, nr_begun;
static bool allowed;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
}

uint32_t below(uint32_t n)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (z ^ z >> 31) % n;
}

/* A file of CONTROL; with a number when it is >= 0. */
static const char *control_path(const char *name, int number)
{
	static char path[MOUNT_MAX + 64];

	snprintf(path, sizeof path, number < 0 ? "%s/%s" : "%s/%s.%d", control, name, number);
	return path;
}

static bool is_told(const char *name)
{
	return access(control_path(name, -1), F_OK) == 0;
}

static void tell(const char *name, int number, const char *text)
{
	int fd = open(control_path(name, number), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0 || pwrite(fd, text, strlen(text), 0) < 0)
		perror(control_path(name, number));
	if (fd >= 0)
		close(fd);
}

void begin(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(me->doing, sizeof me->doing, fmt, ap);
	va_end(ap);
	memcpy(history[nr_begun++ % HISTORY], me->doing, TEXT);
	if (all) {
		struct timespec t;
		clock_gettime(CLOCK_REALTIME, &t);
		fprintf(all, "%02ld.%06ld %s\n", t.tv_sec % 60, t.tv_nsec / 1000, me->doing);
	}
	allowed = is_told("errors-allowed");
	me->begin_ns = now_ns();
}

void end(void)
{
	int error = errno;
	uint64_t took = now_ns() - me->begin_ns;

	if (took > me->longest_ns) {
		me->longest_ns = took;
		memcpy(me->longest, me->doing, TEXT);
	}
	me->begin_ns = 0;
	me->ops++;
	errno = error;
}

void wrong(const char *fmt, ...)
{
	char text[512], out[8192];
	va_list ap;
	struct timespec t;
	char at[32];

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	me->begin_ns = 0;
	clock_gettime(CLOCK_REALTIME, &t);
	strftime(at, sizeof at, "%T", gmtime(&t.tv_sec));
	int n = snprintf(out, sizeof out, "WRONG: writer %d, operation %" PRIu64 ", %s.%03ld, \"%s\": %s\nbefore that:\n", writer,
			 me->ops, at, t.tv_nsec / 1000000, me->doing, text);
	for (uint64_t i = nr_begun > HISTORY ? nr_begun - HISTORY : 0; i < nr_begun && n < (int)sizeof out; i++)
		n += snprintf(out + n, sizeof out - n, "    %s\n", history[i % HISTORY]);
	fputs(out, stderr);
	if (all)
		fclose(all);
	tell("failed", -1, text);
	_exit(1);
}

bool surroundings(int error)
{
	switch (error) {
	case ENOTCONN: case ECONNABORTED: case EIO: case ENOSPC: case EDQUOT: case EROFS: case ENODEV: case ETIMEDOUT:
		break;
	default:
		return false;
	}
	if (!allowed && !is_told("errors-allowed"))
		wrong("an application sees: %s", strerror(error));
	me->errors++;
	return true;
}

void reach(void)
{
	char path[MOUNT_MAX + 16];
	struct stat new, old;

	snprintf(path, sizeof path, "%s/w%d", mount_point, writer);
	for (;; nap()) {
		int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (fd < 0)
			continue;
		if (fstat(fd, &new) == 0) {
			bool same = base >= 0 && fstat(base, &old) == 0 && old.st_dev == new.st_dev;

			if (!same) {
				own_forget_open();
				if (base >= 0)
					close(base);
				base = fd;
			} else {
				close(fd);
			}
			return;
		}
		close(fd);
	}
}

/* What is there now, through the mount and then on each brick. */
static void compare(char **bricks)
{
	bool seen;

	own_forget_open();
	do {
		begin("look at everything at the end");
		seen = verify(base, ".", tree, false);
		end();
		if (!seen)
			reach();
	} while (!seen);
	close(base);
	tell("stopped", writer, "");
	while (!is_told("bricks"))
		nap();
	for (; *bricks; bricks++) {
		char path[MOUNT_MAX + 16];

		begin("look at brick %s", *bricks);
		snprintf(path, sizeof path, "%s/w%d", *bricks, writer);
		base = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (base < 0)
			wrong("%s: %s", path, strerror(errno));
		verify(base, ".", tree, true);
		close(base);
		end();
	}
}

static void work(uint64_t seed, char **bricks)
{
	struct stat st;

	state = seed * 1000003 + writer;
	all = fopen(control_path("history", writer), "we");
	tree = new_node('d', 0755);
	tree->names = 1;
	reach();
	if (fstat(base, &st) == 0)
		tree->ino = st.st_ino;
	while (!is_told("stop")) {
		if (is_told("slowly"))
			nap();
		if (below(8))
			own_step();
		else
			shared_step();
	}
	compare(bricks);
	exit(0);
}

/* ---- the parent ---- */

static void tell_ops(int first, int count)
{
	char text[COUNT_MAX * 21 + 2];
	size_t n = 0;

	for (int i = 0; i < count; i++)
		n += snprintf(text + n, sizeof text - n, "%" PRIu64 " ", reports[i].ops);
	snprintf(text + n, sizeof text - n, "\n");
	tell("ops", first, text);
}

/* True when one of them is in an operation for too long; told once. */
static bool frozen(int first, int count)
{
	for (int i = 0; i < count; i++) {
		uint64_t begun = reports[i].begin_ns;

		if (!begun || now_ns() - begun < FROZEN_S * 1000000000ull)
			continue;
		fprintf(stderr, "WRONG: writer %d: \"%s\" takes longer than %d s\n", first + i, reports[i].doing, FROZEN_S);
		tell("failed", -1, "frozen");
		return true;
	}
	return false;
}

static void tell_end(int first, int count)
{
	char text[1024] = "";
	const struct report *longest = reports;
	uint64_t ops = 0, errors = 0;
	size_t n = 0;

	for (int s = 0; s < SLOTS; s++) {
		uint64_t acked = 0, unknown = 0;

		for (int i = 0; i < count; i++) {
			acked += reports[i].acked[s];
			unknown += reports[i].unknown[s];
		}
		n += snprintf(text + n, sizeof text - n, "%d %" PRIu64 " %" PRIu64 "\n", s, acked, unknown);
	}
	tell("counters", first, text);
	for (int i = 0; i < count; i++) {
		ops += reports[i].ops;
		errors += reports[i].errors;
		if (reports[i].longest_ns > longest->longest_ns)
			longest = &reports[i];
	}
	printf("writers %d to %d: %" PRIu64 " operations, %" PRIu64 " errors that were allowed; the longest took %.1f s: %s\n", first,
	       first + count - 1, ops, errors, longest->longest_ns / 1e9, longest->longest);
}

int main(int argc, char **argv)
{
	int first = argc > 6 ? (int)strtol(argv[2], NULL, 10) : 0, count = argc > 6 ? (int)strtol(argv[3], NULL, 10) : 0;
	int left = count, status, bad = 0;
	bool told = false;

	if (count < 1 || count > COUNT_MAX) {
		fprintf(stderr, "usage: writers MOUNT FIRST COUNT SEED CONTROL BRICK...\n");
		return 1;
	}
	snprintf(mount_point, sizeof mount_point, "%s", argv[1]);
	snprintf(control, sizeof control, "%s", argv[5]);
	keeps_nameless = is_told("nameless");
	reports = mmap(NULL, sizeof *reports * COUNT_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (reports == MAP_FAILED)
		return 1;
	for (int i = 0; i < count; i++) {
		pid_t pid = fork();

		if (pid < 0)
			return 1;
		if (pid)
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		me = &reports[i];
		writer = first + i;
		work(strtoull(argv[4], NULL, 10), argv + 6);
	}
	while (left) {
		pid_t pid = waitpid(-1, &status, WNOHANG);

		tell_ops(first, count);
		if (!told && frozen(first, count))
			bad = told = true;
		if (pid > 0) {
			left--;
			bad |= status != 0;
		} else {
			nap();
		}
	}
	tell_end(first, count);
	return bad;
}
