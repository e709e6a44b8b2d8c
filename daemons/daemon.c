/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The process around a graph: pidfile, becoming a daemon, limits.
 *
 * The fork comes first of all, before the volume file is read: a libuv loop does not survive a
 * fork, and nothing needs to be done twice. The child stays attached to the terminal until it is
 * ready, so that all its errors are seen there, and the parent waits for it on a pipe: one byte
 * means "ready"; end of file means that the child ended, and its exit status becomes ours.
 */
#include "config.h"
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

bool log_is_stderr;

static int status_pipe = -1;		/* the child's end, until it is ready */
static volatile sig_atomic_t waited_for;	/* the parent's child */
static volatile sig_atomic_t interrupted;

void complain(enum log_level level, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!log_is_stderr)
		fprintf(stderr, "%s: %s\n", program_invocation_short_name, text);
	log_plain(level, "glusterfs", "%s", text);
}

char *path_absolute(const char *path)
{
	char *cwd, *ret = NULL;

	if (path[0] == '/' || !strcmp(path, "-"))
		return strdup(path);
	while (path[0] == '.' && path[1] == '/')
		path += 2;
	cwd = getcwd(NULL, 0);
	if (!cwd || asprintf(&ret, "%s/%s", strcmp(cwd, "/") ? cwd : "", path) < 0)
		ret = NULL;
	free(cwd);
	return ret;
}

char *command_line(const struct settings *s)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+./:,@%";
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	for (int i = 0; i < s->argc; i++) {
		const char *a = s->argv[i];
		bool quote = !a[0] || a[strspn(a, plain)];

		fprintf(f, quote ? "%s'%s'" : "%s%s", i ? " " : "", a);
	}
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}

/* ---- pidfile -------------------------------------------------------------------------------- */

static long pidfile_read(int fd)
{
	char text[32];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	return strtol(text, NULL, 10);
}

static bool same_file(int fd, const char *path)
{
	struct stat a, b;

	return !fstat(fd, &a) && !stat(path, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

int pidfile_open(struct pidfile *p, const char *path)
{
	long pid;
	int err;

	for (;;) {
		p->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
		if (p->fd < 0) {
			err = -errno;
			complain(LOG_ERROR_, "%s: cannot open the pidfile: %s", path,
				 strerror(-err));
			return err;
		}
		if (flock(p->fd, LOCK_EX | LOCK_NB)) {
			err = errno == EWOULDBLOCK ? -EEXIST : -errno;
			pid = pidfile_read(p->fd);
			if (err != -EEXIST)
				complain(LOG_ERROR_, "%s: cannot lock the pidfile: %s", path,
					 strerror(-err));
			else if (pid)
				complain(LOG_ERROR_, "already running as PID %ld (%s)", pid, path);
			else
				complain(LOG_ERROR_, "already running, just starting (%s)", path);
			close(p->fd);
			p->fd = -1;
			return err;
		}
		/* whoever held the lock before us may have removed the file we wait at */
		if (same_file(p->fd, path))
			break;
		close(p->fd);
	}
	pid = pidfile_read(p->fd);
	if (pid)
		complain(LOG_WARNING_, "ignoring the stale pidfile %s of PID %ld", path, pid);
	p->path = path;
	return 0;
}

int pidfile_write(struct pidfile *p)
{
	if (!p->path)
		return 0;
	if (ftruncate(p->fd, 0) || lseek(p->fd, 0, SEEK_SET) < 0 ||
	    dprintf(p->fd, "%ld\n", (long)getpid()) < 0)
		return -errno;
	return 0;
}

void pidfile_remove(struct pidfile *p)
{
	if (!p->path)
		return;
	if (same_file(p->fd, p->path))
		unlink(p->path);
	close(p->fd);
	p->path = NULL;
	p->fd = -1;
}

/* ---- becoming a daemon ---------------------------------------------------------------------- */

static void tell_child(int signo)
{
	interrupted = signo;
	if (waited_for > 0)
		kill((pid_t)waited_for, SIGTERM);
}

/* The child is in another session and does not see the ^C that a person types: tell it. */
static void parent_signals(void)
{
	struct sigaction sa = { .sa_handler = tell_child };
	const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &sa, NULL);
}

_Noreturn static void parent_wait(pid_t child, int fd)
{
	char byte;
	ssize_t n;
	int status = 0;

	do
		n = read(fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		_exit(EXIT_OK);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status)) {
		fprintf(stderr, "%s: died of signal %d (%s) while starting; the log says more\n",
			program_invocation_short_name, WTERMSIG(status),
			strsignal(WTERMSIG(status)));
		_exit(EXIT_USAGE);
	}
	if (interrupted)
		_exit(128 + interrupted);
	_exit(WEXITSTATUS(status) ? WEXITSTATUS(status) : EXIT_USAGE);
}

int daemon_fork(void)
{
	int fds[2];
	sigset_t all, old;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	fflush(NULL);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	pid = fork();
	if (pid < 0) {
		int err = -errno;

		sigprocmask(SIG_SETMASK, &old, NULL);
		close(fds[0]);
		close(fds[1]);
		return err;
	}
	if (pid > 0) {
		close(fds[1]);
		waited_for = pid;
		parent_signals();
		sigprocmask(SIG_SETMASK, &old, NULL);
		parent_wait(pid, fds[0]);
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	close(fds[0]);
	status_pipe = fds[1];
	setsid();
	return 0;
}

void daemon_ready(void)
{
	ssize_t n;
	int null;

	if (status_pipe < 0)
		return;
	fflush(NULL);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		if (!log_is_stderr)
			dup2(null, STDERR_FILENO);
		if (null > STDERR_FILENO)
			close(null);
	}
	do
		n = write(status_pipe, "", 1);
	while (n < 0 && errno == EINTR);
	close(status_pipe);
	status_pipe = -1;
}

/* ---- limits --------------------------------------------------------------------------------- */

static void raise_limit(int what, rlim_t wanted)
{
	struct rlimit l = { wanted, wanted };

	if (!setrlimit(what, &l) || getrlimit(what, &l))
		return;
	l.rlim_cur = l.rlim_max;
	setrlimit(what, &l);
}

/* A brick can do with few descriptors (storage/posix), so what the administrator set is respected. */
static rlim_t hard_limit(int what)
{
	struct rlimit l;

	return getrlimit(what, &l) == 0 ? l.rlim_max : 1024;
}

void process_setup(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	umask(0);
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGXFSZ, &ignore, NULL);	/* a limit of whoever started us: EFBIG will do */
	raise_limit(RLIMIT_CORE, RLIM_INFINITY);
	raise_limit(RLIMIT_NOFILE, hard_limit(RLIMIT_NOFILE));
	/* one loop thread does nearly all allocation: an arena per worker would only spread it */
	mallopt(M_ARENA_MAX, 2);
}
