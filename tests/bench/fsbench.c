/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * fsbench - run one row of the benchmark in one directory, once.
 *
 * Idea: a row is a table entry of small functions. Every process works in its own directory
 * DIR/p<number>: it prepares what the row needs (reusing what an earlier row left, when that is
 * exactly right), waits for the others, goes cold when the row asks for it, and then runs
 * `op` COUNT times. Only begin, op and end are on the clock; making the data to be written
 * and checking what was read are not, so a fast disk is not measured against our checksum.
 *
 * Invariants: nothing that is read is believed. Data carries a pattern made from process,
 * file, offset and generation; attributes and names are compared with what was made; writes
 * are read back after the clock has stopped. The first difference ends the run with status 1.
 *
 * Limitations: cold rows need root (drop_caches), and drop the caches of the whole machine.
 * COUNT is per process. The rate is all operations divided by the slowest process's time.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fsbench.h"

#define PROCS_MAX	64
#define COUNT_MAX	10000000L
#define DAEMONS_MAX	8

struct usage {
	uint64_t cpu_ns;
	uint64_t switches;
};

struct result {
	uint64_t elapsed_ns;
	uint64_t latency_ns[];	/* count of them */
};

struct shared {
	pthread_barrier_t barrier;
	struct usage before, after;
};

/* What a process needs besides its worker. */
struct run {
	const struct row *row;
	const char *dir;
	struct shared *shared;
	struct result *result;
};

static long daemons[DAEMONS_MAX];
static int n_daemons;
static const char *row_name = "fsbench";

__attribute__((noreturn, format(printf, 1, 2)))
void die(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "fsbench: %s: ", row_name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	_exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* ---- what the daemons used: processor time and context switches of all their threads ---- */

static void usage_add_thread(const char *folder, struct usage *usage)
{
	char path[NAME_LEN + 300], line[256];
	uint64_t n;
	FILE *file;

	snprintf(path, sizeof(path), "%s/schedstat", folder);
	if ((file = fopen(path, "re")) != NULL) {
		if (fscanf(file, "%" SCNu64, &n) == 1)
			usage->cpu_ns += n;
		fclose(file);
	}
	snprintf(path, sizeof(path), "%s/status", folder);
	if ((file = fopen(path, "re")) == NULL)
		return;
	while (fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "voluntary_ctxt_switches: %" SCNu64, &n) == 1 ||
		    sscanf(line, "nonvoluntary_ctxt_switches: %" SCNu64, &n) == 1)
			usage->switches += n;
	}
	fclose(file);
}

static void usage_read(struct usage *usage)
{
	*usage = (struct usage){ 0 };
	for (int i = 0; i < n_daemons; i++) {
		char path[NAME_LEN], thread[NAME_LEN + 280];
		struct dirent *entry;
		DIR *dir;

		snprintf(path, sizeof(path), "/proc/%ld/task", daemons[i]);
		dir = opendir(path);
		if (dir == NULL)
			die("process %ld is gone", daemons[i]);
		while ((entry = readdir(dir)) != NULL) {
			if (entry->d_name[0] == '.')
				continue;
			snprintf(thread, sizeof(thread), "%s/%s", path, entry->d_name);
			usage_add_thread(thread, usage);
		}
		closedir(dir);
	}
}

/* ---- running ---- */

/* After sync: dirty pages are not dropped. */
static void go_cold(enum cold cold)
{
	const char what = (char)('0' + cold);
	int fd;

	fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, &what, 1) != 1)
		die("drop_caches: %s (this row needs root)", strerror(errno));
	close(fd);
}

static uint64_t timed(void (*step)(struct worker *w), struct worker *w)
{
	uint64_t start = now_ns();

	if (step != NULL)
		step(w);
	return step != NULL ? now_ns() - start : 0;
}

static void worker_measure(struct worker *w, const struct run *run)
{
	uint64_t elapsed = timed(run->row->begin, w);

	for (long i = 0; i < w->count; i++) {
		uint64_t start;

		if (run->row->ready != NULL)
			run->row->ready(w, i);
		start = now_ns();
		run->row->op(w, i);
		run->result->latency_ns[i] = now_ns() - start;
		elapsed += run->result->latency_ns[i];
		if (run->row->check != NULL)
			run->row->check(w, i);
	}
	run->result->elapsed_ns = elapsed + timed(run->row->end, w);
}

__attribute__((noreturn))
static void worker_run(struct worker *w, const struct run *run)
{
	pthread_barrier_t *barrier = &run->shared->barrier;
	char path[NAME_LEN];

	snprintf(path, sizeof(path), "p%d", w->number);
	if (chdir(run->dir) < 0)
		die("%s: %s", run->dir, strerror(errno));
	mkdir_or_die(path);
	if (chdir(path) < 0)
		die("%s/%s: %s", run->dir, path, strerror(errno));
	w->names = calloc((size_t)w->count, sizeof(*w->names));
	w->buf = aligned_alloc(BLOCK, STREAM);
	if (w->names == NULL || w->buf == NULL)
		die("out of memory");
	memset(w->buf, 0, STREAM);
	run->row->prepare(w);
	pthread_barrier_wait(barrier);
	if (w->number == 0) {
		/* What others left to be written back is not to be written on our clock. */
		sync();
		if (run->row->cold != WARM)
			go_cold(run->row->cold);
		usage_read(&run->shared->before);
	}
	pthread_barrier_wait(barrier);
	worker_measure(w, run);
	pthread_barrier_wait(barrier);
	if (w->number == 0)
		usage_read(&run->shared->after);
	pthread_barrier_wait(barrier);
	if (run->row->verify != NULL)
		run->row->verify(w);
	_exit(0);
}

/* One process that fails would leave the others at the barrier: end them too. */
static int workers_wait(const pid_t *pids, int procs)
{
	bool gone[PROCS_MAX] = { false };
	int failed = 0;

	for (int left = procs; left > 0; left--) {
		int status;
		pid_t pid = wait(&status);

		for (int i = 0; i < procs; i++)
			gone[i] = gone[i] || pids[i] == pid;
		if (status == 0 || failed)
			continue;
		failed = 1;
		for (int i = 0; i < procs; i++)
			if (!gone[i])
				kill(pids[i], SIGKILL);
	}
	return failed;
}

static void *shared_alloc(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("out of memory");
	return p;
}

static int compare_ns(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void report(const struct row *row, struct result **results, int procs, long count,
		   const struct shared *shared)
{
	size_t n = (size_t)procs * (size_t)count;
	uint64_t *all = malloc(n * sizeof(*all)), slowest = 1;
	double rate;

	if (all == NULL)
		die("out of memory");
	for (int i = 0; i < procs; i++) {
		memcpy(all + i * count, results[i]->latency_ns, (size_t)count * sizeof(*all));
		if (results[i]->elapsed_ns > slowest)
			slowest = results[i]->elapsed_ns;
	}
	qsort(all, n, sizeof(*all), compare_ns);
	rate = (double)n * 1e9 / (double)slowest;
	if (row->stream)
		rate = rate * STREAM / 1e6;
	printf("%s\t%d\t%zu\t%.1f\t%s\t%.1f\t%.1f\t%.1f\t%.1f\n", row->name, procs, n, rate,
	       row->stream ? "MB/s" : "ops/s", (double)all[n / 2] / 1e3,
	       (double)all[n - 1 - n / 100] / 1e3,
	       (double)(shared->after.cpu_ns - shared->before.cpu_ns) / 1e3 / (double)n,
	       (double)(shared->after.switches - shared->before.switches) / (double)n);
	free(all);
}

static int row_run(const struct row *row, const char *dir, int procs, long count)
{
	struct shared *shared = shared_alloc(sizeof(*shared));
	struct result *results[PROCS_MAX];
	pthread_barrierattr_t attr;
	pid_t pids[PROCS_MAX];
	uint64_t salt = now_ns();

	pthread_barrierattr_init(&attr);
	pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&shared->barrier, &attr, (unsigned)procs);
	for (int i = 0; i < procs; i++)
		results[i] = shared_alloc(sizeof(struct result) + (size_t)count * sizeof(uint64_t));
	for (int i = 0; i < procs; i++) {
		struct run run = { row, dir, shared, results[i] };
		struct worker w = { .number = i, .count = count, .fd = -1, .salt = salt };

		pids[i] = fork();
		if (pids[i] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			worker_run(&w, &run);
		}
		if (pids[i] < 0) {
			while (i-- > 0)
				kill(pids[i], SIGKILL);
			die("fork: %s", strerror(errno));
		}
	}
	if (workers_wait(pids, procs))
		return 1;
	report(row, results, procs, count, shared);
	return 0;
}

static long number_or_die(const char *text, long max)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || n < 1 || n > max)
		die("'%s' is not a number from 1 to %ld", text, max);
	return n;
}

static void usage(FILE *to)
{
	fprintf(to, "usage: fsbench [-P PID]... DIR ROW PROCS COUNT\n"
		"PROCS processes run COUNT operations each, each process in a directory of its own\n"
		"below DIR. -P counts what that process used meanwhile (a daemon of the mount).\n"
		"prints: row procs operations rate unit p50-us p99-us cpu-us/op switches/op\n\n");
	for (size_t i = 0; rows[i].name != NULL; i++)
		fprintf(to, "  %-11s %s\n", rows[i].name, rows[i].help);
}

int main(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "hP:")) != -1) {
		if (c == 'h') {
			usage(stdout);
			return 0;
		}
		if (c != 'P' || n_daemons == DAEMONS_MAX) {
			usage(stderr);
			return 2;
		}
		daemons[n_daemons++] = number_or_die(optarg, INT32_MAX);
	}
	if (argc - optind != 4) {
		usage(stderr);
		return 2;
	}
	argv += optind;
	for (size_t i = 0; rows[i].name != NULL; i++) {
		if (strcmp(argv[1], rows[i].name) == 0) {
			row_name = rows[i].name;
			return row_run(&rows[i], argv[0], (int)number_or_die(argv[2], PROCS_MAX),
				       number_or_die(argv[3], COUNT_MAX));
		}
	}
	die("no row '%s' (fsbench -h lists them)", argv[1]);
}
