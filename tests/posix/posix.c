/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * PROGRAM DIR [CASE...] - runs the cases of a topic in DIR (posix.h).
 *
 * Prints a line for each case that was skipped or failed, above it what was wrong.
 * Exit status: 0, 1 when a case failed, 2 for wrong usage.
 */
#include "config.h"

#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "posix.h"

enum { LIMIT_S = 60, SKIPPED = 77 };

static int failures;
static const char *case_name = "?";

void posix_failed(const char *file, int line, const char *what)
{
	const char *base = strrchr(file, '/');

	fprintf(stderr, "%s:%d: %s: not true: %s (errno: %s)\n", base ? base + 1 : file, line,
		case_name, what, errno ? strerror(errno) : "0");
	failures++;
}

int posix_failures(void)
{
	return failures;
}

void posix_skip(const char *fmt, ...)
{
	va_list ap;

	printf("skipped: %s: ", case_name);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	_exit(failures ? 1 : SKIPPED);
}

struct stat stat_of(const char *path)
{
	struct stat st = { 0 };

	errno = 0;
	if (lstat(path, &st) < 0)
		posix_failed("stat_of", 0, path);
	return st;
}

bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	CHECK(fd >= 0);
	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	OK(close(fd));
}

bool holds(const char *path, const char *text)
{
	size_t n = strlen(text);
	char *got = malloc(n + 1);
	int fd = open(path, O_RDONLY);
	bool same = got && fd >= 0 && read(fd, got, n + 1) == (ssize_t)n && memcmp(got, text, n) == 0;

	if (fd >= 0)
		close(fd);
	free(got);
	return same;
}

void fill(void *p, size_t n, uint32_t seed)
{
	uint8_t *bytes = p;
	uint32_t x = seed * 2654435761u | 1;

	for (size_t i = 0; i < n; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		bytes[i] = x;
	}
}

int wait_status(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 255;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void as_user_with_groups(uid_t uid, gid_t gid, size_t nr, const gid_t *groups, void (*f)(void))
{
	fflush(stdout);
	pid_t pid = fork();

	if (pid == 0) {
		failures = 0;
		if (setgroups(nr, groups) < 0 || setresgid(gid, gid, gid) < 0 ||
		    setresuid(uid, uid, uid) < 0)
			posix_failed(__FILE__, __LINE__, "becomes another user");
		else
			f();
		fflush(stdout);
		_exit(failures ? 1 : 0);
	}
	CHECK(pid > 0 && wait_status(pid) == 0);
}

void as_user(uid_t uid, gid_t gid, void (*f)(void))
{
	as_user_with_groups(uid, gid, 0, NULL, f);
}

void as_processes(int nr, void (*f)(int me))
{
	pid_t pids[64];

	CHECK(nr <= 64);
	fflush(stdout);
	for (int i = 0; i < nr; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			f(i);
			_exit(failures ? 1 : 0);
		}
	}
	for (int i = 0; i < nr; i++)
		CHECK(pids[i] > 0 && wait_status(pids[i]) == 0);
}

/* In a process of its own, which is killed with all it started when its time is over. */
static int run_case(const struct posix_case *c, int top)
{
	fflush(stdout);
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setpgid(0, 0);
		alarm(c->limit_s ? c->limit_s : LIMIT_S);
		umask(022);
		if (fchdir(top) < 0 || mkdir(c->name, 0755) < 0 || chdir(c->name) < 0)
			posix_failed(__FILE__, __LINE__, "has a directory of its own");
		else
			c->run();
		fflush(stdout);
		_exit(failures ? 1 : 0);
	}
	int status = pid < 0 ? 255 : wait_status(pid);
	if (pid > 0)
		kill(-pid, SIGKILL);
	return status;
}

static bool wanted(const char *name, int argc, char **argv)
{
	for (int i = 2; i < argc; i++)
		if (strcmp(argv[i], name) == 0)
			return true;
	return argc <= 2;
}

int main(int argc, char **argv)
{
	int top = argc > 1 ? open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1, bad = 0, nr = 0;

	if (top < 0) {
		fprintf(stderr, "usage: %s DIR [CASE...]\n", argv[0]);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	for (const struct posix_case *c = posix_cases; c->name; c++) {
		if (!wanted(c->name, argc, argv))
			continue;
		case_name = c->name;
		nr++;
		int status = run_case(c, top);
		if (status == 0 || status == SKIPPED)
			continue;
		bad++;
		if (status == 128 + SIGALRM)
			printf("FAILED: %s: it did not end in time\n", c->name);
		else
			printf("FAILED: %s: exit status %d\n", c->name, status);
	}
	if (!nr)
		printf("FAILED: there is no such case\n");
	return bad || !nr ? 1 : 0;
}
