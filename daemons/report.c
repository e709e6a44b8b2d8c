/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What a process tells about itself when asked (SIGUSR1, SIGUSR2), and when it crashes.
 *
 * The crash handler uses only what is async-signal-safe, and backtrace_symbols_fd(), which is once
 * its library is loaded. It writes to a descriptor of its own, opened on the log's path beforehand,
 * because the log's may be in any state.
 */
#include "config.h"
#include "call.h"
#include "daemon.h"

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define STATEDUMP_DIR LOCALSTATEDIR "/run/glusterfs"

enum { CRASH_STACK = 65536, CRASH_FRAMES = 64 };

static int crash_fd = -1;

static void dump_process(struct dump *d, const struct settings *s)
{
	struct mallinfo2 m = mallinfo2();
	struct rusage ru;
	char *line = command_line(s), when[64];
	time_t now = time(NULL);
	struct tm tm;

	strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", localtime_r(&now, &tm));
	dump_section(d, "process");
	dump_value(d, "version", "%s", PACKAGE_VERSION);
	dump_value(d, "pid", "%ld", (long)getpid());
	dump_value(d, "time", "%s", when);
	dump_value(d, "command", "%s", line ? line : "");
	free(line);
	dump_u64(d, "malloc.used", m.uordblks + m.hblkhd);
	dump_u64(d, "malloc.from-system", m.arena + m.hblkhd);
	if (getrusage(RUSAGE_SELF, &ru))
		return;
	dump_value(d, "cpu.user", "%ld.%06ld", (long)ru.ru_utime.tv_sec, (long)ru.ru_utime.tv_usec);
	dump_value(d, "cpu.system", "%ld.%06ld", (long)ru.ru_stime.tv_sec,
		   (long)ru.ru_stime.tv_usec);
	dump_u64(d, "rss-max-kb", ru.ru_maxrss);
}

/* Opens the file of a statedump; ret_path is a new string. -errno: nowhere. */
static int open_statedump(char **ret_path)
{
	static const char *const dirs[] = { STATEDUMP_DIR, "/tmp" };
	int fd = -ENOENT;

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		/* O_EXCL: nobody's symlink in /tmp is followed */
		for (unsigned long n = (unsigned long)time(NULL);; n++) {
			if (asprintf(ret_path, "%s/glusterdump.%ld.dump.%lu", dirs[i],
				     (long)getpid(), n) < 0)
				return -ENOMEM;
			fd = open(*ret_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
				  0600);
			if (fd >= 0)
				return fd;
			fd = -errno;
			free(*ret_path);
			if (fd != -EEXIST)
				break;
		}
	}
	*ret_path = NULL;
	return fd;
}

void report_statedump(struct graph *g, const struct settings *s)
{
	char *path;
	int fd = open_statedump(&path);
	struct dump d = { NULL };

	if (fd >= 0)
		d.out = fdopen(fd, "w");
	if (!d.out) {
		log_plain(LOG_ERROR_, "glusterfs", "cannot write a statedump to %s or /tmp: %s",
			  STATEDUMP_DIR, strerror(fd < 0 ? -fd : ENOMEM));
		if (fd >= 0)
			close(fd);
		free(path);
		return;
	}
	dump_process(&d, s);
	if (g)
		graph_dump(g, &d);
	if (fclose(d.out))
		log_plain(LOG_ERROR_, "glusterfs", "%s: the statedump is not complete: %s", path,
			  strerror(errno));
	else
		log_plain(LOG_NOTICE_, "glusterfs", "statedump: %s", path);
	free(path);
}

static void log_lines(char *text)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		log_plain(LOG_NOTICE_, "glusterfs", "%s", line);
}

static void log_call(void *arg, const char *line)
{
	(void)arg;
	log_plain(LOG_NOTICE_, "glusterfs", "  %s", line);
}

void report_to_log(struct graph *g, const struct settings *s)
{
	char *line = command_line(s), *text = NULL;
	size_t size;
	FILE *f;

	log_plain(LOG_NOTICE_, "glusterfs", "report of glusterfs %s, PID %ld", PACKAGE_VERSION,
		  (long)getpid());
	log_plain(LOG_NOTICE_, "glusterfs", "command line: %s", line ? line : "");
	free(line);
	if (!g)
		return;
	f = open_memstream(&text, &size);
	if (!f)
		return;
	fprintf(f, "volume file %s:\n", g->file->source.file);
	volfile_print(g->file, f);
	if (!fclose(f))
		log_lines(text);
	free(text);
	log_plain(LOG_NOTICE_, "glusterfs", "operations under way: %u", call_count());
	calls_tell(g, log_call, NULL);
}

/* ---- crashes -------------------------------------------------------------------------------- */

#ifndef __SANITIZE_ADDRESS__
static char crash_header[160];

static void crash_write(const char *text)
{
	ssize_t n = write(crash_fd, text, strlen(text));

	(void)n;
}

/* Whose init it was: to the log and to the terminal, which it still has then. */
static void crash_in_init(const char *volume)
{
	static const char *const words[] = { "volume \"", NULL, "\" crashed in its init\n" };

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		const char *word = words[i] ? words[i] : volume;

		crash_write(word);
		if (crash_fd != STDERR_FILENO) {
			ssize_t n = write(STDERR_FILENO, word, strlen(word));

			(void)n;
		}
	}
}

static void on_crash(int signo)
{
	void *frames[CRASH_FRAMES];
	int n;

	crash_write(crash_header);
	crash_write(signo == SIGSEGV ? "SIGSEGV\n" : signo == SIGABRT ? "SIGABRT\n" :
		    signo == SIGBUS ? "SIGBUS\n" : signo == SIGFPE ? "SIGFPE\n" : "SIGILL\n");
	if (graph_initialising)
		crash_in_init(graph_initialising);
	n = backtrace(frames, CRASH_FRAMES);
	backtrace_symbols_fd(frames, n, crash_fd);
	/* SA_RESETHAND: now with the default action, for the core file */
	raise(signo);
}
#endif

void report_crashes_reopen(const struct settings *s)
{
	int fd = STDERR_FILENO;

	if (!log_is_stderr)
		fd = open(s->log_file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	if (crash_fd > STDERR_FILENO)
		close(crash_fd);
	crash_fd = fd;
}

void report_crashes(const struct settings *s)
{
	report_crashes_reopen(s);
#ifndef __SANITIZE_ADDRESS__	/* whose own report is the better one */
	static const int signals[] = { SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL };
	static char stack[CRASH_STACK];
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction sa = {
		.sa_handler = on_crash, .sa_flags = SA_RESETHAND | SA_ONSTACK | SA_NODEFER,
	};
	void *one[1];

	snprintf(crash_header, sizeof(crash_header),
		 "glusterfs %s, PID %ld, crashed: ", PACKAGE_VERSION, (long)getpid());
	backtrace(one, 1);	/* loads libgcc_s now */
	sigaltstack(&ss, NULL);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &sa, NULL);
#endif
}
