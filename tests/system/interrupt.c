/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * interrupt - signals to processes that wait for a brick that does not answer.
 *
 *	interrupt [-w] DIR PID	DIR: on a mount, empty; PID: of the brick
 *				-w: only changes have to wait (the brick is one of a mirror)
 *
 * Each case is a process of its own with a directory of its own.  It prepares while the brick works;
 * the brick is stopped; it begins its operation, and when it waits gets a signal:
 *
 *	INT, KILL, QUIT		it has to be gone soon, whatever it waits for
 *	INT, handled		what changes nothing ends with EINTR; what changes something goes on
 *				(unless it was still at looking up the name, which changes nothing)
 *	ALRM, handled		only a wait for a lock ends; everything else goes on
 *
 * Then the brick goes on, and everything has to work: those who went on succeed, no lock is left.
 * Exit status: 0, 1 (what went wrong is said), 2 trouble.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

enum { SOON_MS = 4000, STAYS_MS = 2500, TROUBLE = 2 };
enum { LOOKS, CHANGES, LOCKS };		/* kinds of operations */

static int fd, dirfd_;			/* of the case's process: "file", "." */
static char page[8192] __attribute__((aligned(4096)));

/* ---- operations; 0 or -1 with errno ---- */

static int do_stat(void)
{
	struct stat st;

	return stat("unseen", &st) < 0 && errno == ENOENT ? 0 : -1;
}

static int do_readdir(void)
{
	return getdents64(dirfd_, page, sizeof page) < 0 ? -1 : 0;
}

static int do_open(void) { return open("other", O_RDONLY) < 0 ? -1 : 0; }
static int do_read(void) { return pread(fd, page, 4096, 0) < 0 ? -1 : 0; }
static int do_opendir(void) { return open("sub", O_RDONLY | O_DIRECTORY) < 0 ? -1 : 0; }
static int do_getxattr(void) { return getxattr("file", "user.a", page, 10) < 0 ? -1 : 0; }
static int do_statfs(void) { struct statvfs v; return statvfs(".", &v); }
static int do_fsync(void) { return fsync(fd); }
static int do_write(void) { return pwrite(fd, page, 4096, 0) < 0 ? -1 : 0; }
static int do_create(void) { return open("new", O_CREAT | O_EXCL | O_RDWR, 0600) < 0 ? -1 : 0; }
static int do_mkdir(void) { return mkdir("newdir", 0700); }
static int do_unlink(void) { return unlink("other"); }
static int do_rename(void) { return rename("other", "moved"); }
static int do_truncate(void) { return ftruncate(fd, 100); }
static int do_chmod(void) { return fchmod(fd, 0640); }
static int do_setxattr(void) { return setxattr("file", "user.b", "1", 1, 0); }
static int do_flock(void) { return flock(fd, LOCK_EX); }

static int do_fcntl(void)
{
	struct flock l = { .l_type = F_WRLCK };

	return fcntl(fd, F_SETLKW, &l);
}

static const struct operation {
	const char *name;
	int kind;
	int (*run)(void);
} operations[] = {
	{ "stat", LOOKS, do_stat }, { "open", LOOKS, do_open }, { "read", LOOKS, do_read },
	{ "readdir", LOOKS, do_readdir }, { "opendir", LOOKS, do_opendir }, { "getxattr", LOOKS, do_getxattr },
	{ "statfs", LOOKS, do_statfs }, { "fsync", LOOKS, do_fsync },
	{ "write", CHANGES, do_write }, { "create", CHANGES, do_create },
	{ "mkdir", CHANGES, do_mkdir }, { "unlink", CHANGES, do_unlink },
	{ "rename", CHANGES, do_rename }, { "truncate", CHANGES, do_truncate },
	{ "chmod", CHANGES, do_chmod }, { "setxattr", CHANGES, do_setxattr },
	{ "flock", LOCKS, do_flock }, { "fcntl", LOCKS, do_fcntl },
};
enum { NR = sizeof operations / sizeof operations[0] };

struct child {
	pid_t pid;
	int go, says;			/* pipes: begin; 'r' ready, 'b' begins, then its errno */
	bool gone;
	int status;
};

static int failures;
static bool only_changes;

static void bad(const char *way, const char *op, const char *what)
{
	printf("%s, %s: %s\n", way, op, what);
	failures++;
}

/* ---- a case's process ---- */

static void on_signal(int sig)
{
}

/* Reading the file through this open file asks the brick. */
static void prepare(const char *dir)
{
	int other;

	if (mkdir(dir, 0700) < 0 || chdir(dir) < 0 || mkdir("sub", 0700) < 0)
		err(TROUBLE, "%s", dir);
	other = open("other", O_CREAT | O_WRONLY, 0600);
	fd = open("file", O_CREAT | O_RDWR | O_DIRECT, 0600);
	dirfd_ = open(".", O_RDONLY | O_DIRECTORY);
	if (other < 0 || fd < 0 || dirfd_ < 0 || pwrite(fd, page, 8192, 0) != 8192 || close(other) < 0)
		err(TROUBLE, "%s", dir);
	if (setxattr("file", "user.a", "1", 1, 0) < 0)
		err(TROUBLE, "%s", dir);
}

static void child_run(const char *dir, const struct operation *o, int go, int says)
{
	unsigned char error;
	char c;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prepare(dir);
	if (write(says, "r", 1) != 1 || read(go, &c, 1) != 1 || write(says, "b", 1) != 1)
		_exit(TROUBLE);
	error = o->run() < 0 ? errno : 0;
	if (write(says, &error, 1) != 1)
		_exit(TROUBLE);
	_exit(0);
}

static void child_start(struct child *c, const char *dir, const struct operation *o, int sig,
			bool handled)
{
	struct sigaction sa = { .sa_handler = handled ? on_signal : SIG_DFL };
	int go[2], says[2];
	char ready;

	if (pipe2(go, O_CLOEXEC) < 0 || pipe2(says, O_CLOEXEC) < 0)
		err(TROUBLE, "pipe");
	*c = (struct child){ .pid = fork(), .go = go[1], .says = says[0] };
	if (c->pid < 0)
		err(TROUBLE, "fork");
	if (c->pid == 0) {
		close(go[1]);
		if (sig != SIGKILL)
			sigaction(sig, &sa, NULL);
		child_run(dir, o, go[0], says[1]);
	}
	close(go[0]);
	close(says[1]);
	if (read(c->says, &ready, 1) != 1)
		errx(TROUBLE, "%s is not ready", dir);
}

/* Is it in a system call that does not return? */
static bool waits(pid_t pid)
{
	char path[64], text[512], *state;
	int stat;
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	stat = open(path, O_RDONLY | O_CLOEXEC);
	n = stat < 0 ? 0 : read(stat, text, sizeof text - 1);
	if (stat >= 0)
		close(stat);
	text[n > 0 ? n : 0] = '\0';
	state = strrchr(text, ')');
	return state && (state[2] == 'S' || state[2] == 'D');
}

static void child_begin(struct child *c, const char *name)
{
	char begins;

	if (write(c->go, "g", 1) != 1 || read(c->says, &begins, 1) != 1 || begins != 'b')
		errx(TROUBLE, "%s does not begin", name);
	while (!waits(c->pid))
		if (waitpid(c->pid, &c->status, WNOHANG) == c->pid) {
			if (!only_changes)
				errx(TROUBLE, "%s did not wait for the brick", name);
			c->gone = true;
			return;
		}
}

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool all_gone(struct child *c, int nr)
{
	bool all = true;

	for (int i = 0; i < nr; i++) {
		if (!c[i].gone && waitpid(c[i].pid, &c[i].status, WNOHANG) == c[i].pid)
			c[i].gone = true;
		all = all && c[i].gone;
	}
	return all;
}

static void wait_gone(struct child *c, int nr, long limit_ms)
{
	long end = now_ms() + limit_ms;

	while (!all_gone(c, nr) && now_ms() < end)
		nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
}

/* What the operation said: its errno, 0, or -1: nothing. */
static int said(const struct child *c)
{
	unsigned char error;

	return read(c->says, &error, 1) == 1 ? error : -1;
}

/* ---- ways ---- */

enum { GOES_ON, ENDS, EITHER };

static int expected(const struct operation *o, int sig, bool handled)
{
	if (!handled || o->kind == LOCKS)
		return ENDS;
	if (sig != SIGINT)
		return GOES_ON;
	return o->kind == LOOKS ? ENDS : EITHER;
}

/* When the brick goes on they come to their end, and well. */
static void finish(const char *way, struct child *c, int sig, bool handled)
{
	wait_gone(c, NR, 20000);
	for (int i = 0; i < NR; i++) {
		const char *op = operations[i].name;

		if (!c[i].gone) {
			bad(way, op, "never ends");
			kill(c[i].pid, SIGKILL);
			waitpid(c[i].pid, &c[i].status, 0);
		} else if (only_changes && WIFEXITED(c[i].status)) {
			if (said(&c[i]) != 0)
				bad(way, op, "went wrong");
		} else if (!handled) {
			if (!WIFSIGNALED(c[i].status) || WTERMSIG(c[i].status) != sig)
				bad(way, op, "was not ended by the signal");
		} else {
			int what = said(&c[i]), wanted = expected(&operations[i], sig, handled);

			if (what != 0 && (what != EINTR || wanted == GOES_ON))
				bad(way, op, "did not go on");
			else if (what == 0 && wanted == ENDS)
				bad(way, op, "did not say EINTR");
		}
		close(c[i].go);
		close(c[i].says);
	}
}

/* Nobody is left who has a lock, and the files can be used. */
static void check_after(const char *way, const char *dir)
{
	char path[4096];

	for (int i = 0; i < NR; i++) {
		struct flock l = { .l_type = F_WRLCK };
		int f;

		snprintf(path, sizeof path, "%s/%s/file", dir, operations[i].name);
		f = open(path, O_RDWR);
		if (f < 0 || pread(f, page, 100, 0) != 100)
			bad(way, operations[i].name, "the file cannot be used afterwards");
		for (int n = 0; f >= 0 && fcntl(f, F_SETLK, &l) < 0; n++) {
			if (n == 500) {
				bad(way, operations[i].name, "a lock is left behind");
				break;
			}
			nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
		}
		if (f >= 0 && flock(f, LOCK_EX | LOCK_NB) < 0)
			bad(way, operations[i].name, "a flock is left behind");
		if (f >= 0)
			close(f);
	}
}

static void run_way(const char *top, const char *way, pid_t brick, int sig, bool handled)
{
	struct child c[NR];
	char dir[4096];

	snprintf(dir, sizeof dir, "%s/%s", top, way);
	if (mkdir(dir, 0700) < 0)
		err(TROUBLE, "%s", dir);
	for (int i = 0; i < NR; i++) {
		char path[4200];

		snprintf(path, sizeof path, "%s/%s", dir, operations[i].name);
		child_start(&c[i], path, &operations[i], sig, handled);
	}
	/* what the kernel remembers of names and attributes is old after a second */
	nanosleep(&(struct timespec){ .tv_sec = 1, .tv_nsec = 200000000 }, NULL);
	if (kill(brick, SIGSTOP) < 0)
		err(TROUBLE, "SIGSTOP");
	for (int i = 0; i < NR; i++)
		child_begin(&c[i], operations[i].name);
	for (int i = 0; i < NR; i++)
		if (!c[i].gone)
			kill(c[i].pid, sig);
	wait_gone(c, NR, handled ? STAYS_MS : SOON_MS);
	for (int i = 0; i < NR; i++) {
		int wanted = expected(&operations[i], sig, handled);

		if (wanted != EITHER && c[i].gone != (wanted == ENDS))
			bad(way, operations[i].name,
			    c[i].gone ? "ended while its outcome was not known" : "does not end");
	}
	kill(brick, SIGCONT);
	finish(way, c, sig, handled);
	check_after(way, dir);
}

int main(int argc, char **argv)
{
	only_changes = argc == 4 && strcmp(argv[1], "-w") == 0;
	argv += only_changes;
	argc -= only_changes;
	pid_t brick = argc == 3 ? (pid_t)strtol(argv[2], NULL, 10) : 0;

	if (brick <= 0)
		errx(TROUBLE, "usage: interrupt [-w] DIR PID");
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	run_way(argv[1], "KILL", brick, SIGKILL, false);
	run_way(argv[1], "INT", brick, SIGINT, false);
	run_way(argv[1], "QUIT", brick, SIGQUIT, false);
	if (only_changes)
		return failures ? 1 : 0;
	run_way(argv[1], "INT-handled", brick, SIGINT, true);
	run_way(argv[1], "ALRM-handled", brick, SIGALRM, true);
	return failures ? 1 : 0;
}
