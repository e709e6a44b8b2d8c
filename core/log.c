/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * log.c - the log of a process.
 *
 * A line is put together on the stack and leaves in one write(2) to a descriptor opened for
 * appending, so lines of threads and of processes do not mix.  Control characters (also the C1 set,
 * which some terminals obey) are written as \xHH: a file name cannot forge a line or drive a
 * terminal.  Messages are cut at MESSAGE_MAX bytes.
 *
 * One mutex guards the descriptor and the sites; log lines are rare.  This file reads the clock
 * itself, also under the simulated loop: nothing but the text of the log depends on it.
 */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE_MAX = 4096, LINE_SIZE = MESSAGE_MAX + 1024 };

enum log_level log_threshold = LOG_WARNING_;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = STDERR_FILENO;
static char *log_path;			/* absolute; NULL: standard error */
static bool copy_to_stderr;
static atomic_bool reopen_wanted;

static const char *const level_names[] = {
	[LOG_NONE_] = "NONE", [LOG_CRITICAL_] = "CRITICAL", [LOG_ERROR_] = "ERROR",
	[LOG_WARNING_] = "WARNING", [LOG_NOTICE_] = "NOTICE", [LOG_DEBUG_] = "DEBUG",
	[LOG_TRACE_] = "TRACE",
};

/* What people may write; of several that match a prefix the first is meant, as in 1.3. */
static const struct {
	const char *name;
	enum log_level level;
} level_words[] = {
	{ "DEBUG", LOG_DEBUG_ }, { "WARNING", LOG_WARNING_ }, { "ERROR", LOG_ERROR_ },
	{ "CRITICAL", LOG_CRITICAL_ }, { "NONE", LOG_NONE_ }, { "TRACE", LOG_TRACE_ },
	{ "NOTICE", LOG_NOTICE_ }, { "INFO", LOG_NOTICE_ }, { "NORMAL", LOG_NOTICE_ },
};

const char *log_level_name(enum log_level level)
{
	return level_names[level];
}

int log_level_parse(const char *s, enum log_level *ret_level)
{
	size_t len = strlen(s);

	if (len == 0)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(level_words) / sizeof(level_words[0]); i++) {
		if (strncasecmp(level_words[i].name, s, len) == 0) {
			*ret_level = level_words[i].level;
			return 0;
		}
	}
	return -EINVAL;
}

/* ---- the file ----------------------------------------------------------------------------- */

static int open_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);

	return fd < 0 ? -errno : fd;
}

/* A new string: the path from the root, which stays right after chdir("/").  NULL: errno. */
static char *absolute(const char *path)
{
	char cwd[PATH_MAX], *out;
	size_t size;

	if (path[0] == '/')
		return strdup(path);
	if (getcwd(cwd, sizeof(cwd)) == NULL)
		return NULL;
	size = strlen(cwd) + strlen(path) + 2;
	out = malloc(size);
	if (out != NULL)
		snprintf(out, size, "%s/%s", cwd, path);
	return out;
}

/* Takes path.  Locked. */
static void use_file(int fd, char *path)
{
	if (log_path != NULL)
		close(log_fd);
	free(log_path);
	log_fd = fd;
	log_path = path;
}

int log_open(const char *path)
{
	char *copy = NULL;
	int fd = STDERR_FILENO;

	if (strcmp(path, "-") != 0 && strcmp(path, "/dev/stderr") != 0) {
		copy = absolute(path);
		if (copy == NULL)
			return errno != 0 ? -errno : -ENOMEM;
		fd = open_file(copy);
		if (fd < 0) {
			free(copy);
			return fd;
		}
	}
	pthread_mutex_lock(&lock);
	use_file(fd, copy);
	pthread_mutex_unlock(&lock);
	return 0;
}

void log_reopen(void)
{
	atomic_store(&reopen_wanted, true);
}

void log_close(void)
{
	pthread_mutex_lock(&lock);
	use_file(STDERR_FILENO, NULL);
	pthread_mutex_unlock(&lock);
}

void log_to_stderr(bool on)
{
	pthread_mutex_lock(&lock);
	copy_to_stderr = on;
	pthread_mutex_unlock(&lock);
}

/* ---- lines -------------------------------------------------------------------------------- */

struct line {
	char text[LINE_SIZE];
	size_t len;
};

static void line_add(struct line *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void line_add(struct line *l, const char *fmt, ...)
{
	size_t room = sizeof(l->text) - l->len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(l->text + l->len, room, fmt, ap);
	va_end(ap);
	if (n > 0)
		l->len += (size_t)n < room ? (size_t)n : room - 1;
}

/* Is the byte at s a control character, or the second byte of one of the C1 set? */
static bool is_control(const char *start, const char *s)
{
	unsigned char c = (unsigned char)*s;

	if (c < 0x20 || c == 0x7f)
		return true;
	return c >= 0x80 && c < 0xa0 && s > start && (unsigned char)s[-1] == 0xc2;
}

/* Appends text with its control characters made visible; leaves `spare` bytes. */
static void line_add_text(struct line *l, const char *text, size_t spare)
{
	static const char hex[] = "0123456789abcdef";
	const char *s;

	for (s = text; *s != '\0' && l->len + 4 + spare < sizeof(l->text); s++) {
		if (is_control(text, s)) {
			l->text[l->len++] = '\\';
			l->text[l->len++] = 'x';
			l->text[l->len++] = hex[(unsigned char)*s >> 4];
			l->text[l->len++] = hex[(unsigned char)*s & 15];
		} else {
			l->text[l->len++] = *s;
		}
	}
	if (*s != '\0')
		line_add(l, "...");
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static void line_begin(struct line *l, enum log_level level, const char *file, int number,
		       const char *function, const char *domain)
{
	time_t now = time(NULL);
	struct tm tm;

	l->len = 0;
	localtime_r(&now, &tm);
	line_add(l, "%04d-%02d-%02d %02d:%02d:%02d %c [%.100s:%d:%.100s] ", tm.tm_year + 1900,
		 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		 log_level_name(level)[0], base_name(file), number, function);
	line_add_text(l, domain, LINE_SIZE - l->len - 256);
	line_add(l, ": ");
}

static void write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return;		/* a log that cannot be written has nobody to tell */
		p += done;
		n -= (size_t)done;
	}
}

/* Locked. */
static void line_write(struct line *l)
{
	l->text[l->len++] = '\n';
	write_all(log_fd, l->text, l->len);
	if (copy_to_stderr && log_path != NULL)
		write_all(STDERR_FILENO, l->text, l->len);
}

/* Locked.  When the path cannot be opened the old file stays, and says so. */
static void reopen_if_wanted(void)
{
	struct line l;
	int fd;

	if (!atomic_exchange(&reopen_wanted, false) || log_path == NULL)
		return;
	fd = open_file(log_path);
	if (fd >= 0) {
		close(log_fd);
		log_fd = fd;
		return;
	}
	line_begin(&l, LOG_ERROR_, __FILE__, __LINE__, __func__, "log");
	line_add(&l, "the log goes on in the old file: cannot reopen ");
	line_add_text(&l, log_path, 256);
	line_add(&l, ": %s", strerror(-fd));
	line_write(&l);
}

/* Locked.  May this line be written?  *ret_left_out: how many were not since the last that was. */
static bool site_admits(struct log_site *site, uint32_t *ret_left_out)
{
	struct timespec ts;
	uint64_t now;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
	*ret_left_out = 0;
	if (site->window_ns == 0 ||
	    now - site->window_ns >= LOG_INTERVAL_S * UINT64_C(1000000000)) {
		/* a site that was noisy stays at one line an interval until it was quiet for one */
		*ret_left_out = site->left_out;
		site->in_window = site->left_out > 0 ? LOG_BURST : 1;
		site->left_out = 0;
		site->window_ns = now;
		return true;
	}
	if (site->in_window < LOG_BURST) {
		site->in_window++;
		return true;
	}
	site->left_out++;
	return false;
}

static void line_message(struct line *l, const char *fmt, va_list ap)
{
	char message[MESSAGE_MAX];

	if (vsnprintf(message, sizeof(message), fmt, ap) < 0)
		message[0] = '\0';
	line_add_text(l, message, 64);
}

void log_write(struct log_site *site, enum log_level level, const char *domain, const char *fmt,
	       ...)
{
	int saved_errno = errno;
	uint32_t left_out;
	struct line l;
	va_list ap;

	pthread_mutex_lock(&lock);
	if (site_admits(site, &left_out)) {
		reopen_if_wanted();
		line_begin(&l, level, site->file, site->line, site->function, domain);
		errno = saved_errno;		/* for %m */
		va_start(ap, fmt);
		line_message(&l, fmt, ap);
		va_end(ap);
		if (left_out > 0)
			line_add(&l, " (%u more left out)", left_out);
		line_write(&l);
	}
	pthread_mutex_unlock(&lock);
	errno = saved_errno;
}

void log_write_plain(const char *file, int number, const char *function, enum log_level level,
		     const char *domain, const char *fmt, ...)
{
	int saved_errno = errno;
	struct line l;
	va_list ap;

	if (log_threshold == LOG_NONE_)
		return;
	pthread_mutex_lock(&lock);
	reopen_if_wanted();
	line_begin(&l, level, file, number, function, domain);
	errno = saved_errno;
	va_start(ap, fmt);
	line_message(&l, fmt, ap);
	va_end(ap);
	line_write(&l);
	pthread_mutex_unlock(&lock);
	errno = saved_errno;
}
