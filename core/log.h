/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * log.h - the log of a process: one line per event, in the format of 1.3:
 *
 *	2026-11-22 10:15:01 W [afr.c:210:afr_child_out] mirror0: remote2 is out: ...
 *
 * The layer that decides logs, once.  Each call site is rate-limited (LOG_BURST lines, then
 * one line a LOG_INTERVAL_S that says how many were left out), so a log cannot fill a disk.
 * Any thread may log.
 */
#ifndef GLUSTERFS_LOG_H
#define GLUSTERFS_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_NONE_, LOG_CRITICAL_, LOG_ERROR_, LOG_WARNING_, LOG_NOTICE_, LOG_DEBUG_, LOG_TRACE_ };
enum { LOG_BURST = 20, LOG_INTERVAL_S = 10 };

struct log_site {		/* one per call site, static */
	const char *file, *function;
	int line;
	uint64_t window_ns;	/* start of the current window */
	uint32_t in_window, left_out;
};

extern enum log_level log_threshold;	/* what is louder than this is not written; default LOG_WARNING_ */

/* Appends to a file ("-" or "/dev/stderr": standard error; "syslog" is not known).  0 or -errno; the old log stays on failure. */
int log_open(const char *path);
/* Reopens the same path at the next line (SIGHUP: the log was rotated).  Async-signal-safe. */
void log_reopen(void);
void log_close(void);
/* Copies of all lines go to standard error too (foreground, and until the daemon has detached). */
void log_to_stderr(bool on);
/* DEBUG, WARNING, ERROR, CRITICAL, NONE of 1.3, and TRACE, NOTICE, INFO, NORMAL; a prefix in any case is enough.  0 or -EINVAL */
int log_level_parse(const char *s, enum log_level *ret_level);
const char *log_level_name(enum log_level level);

void log_write(struct log_site *site, enum log_level level, const char *domain, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void log_write_plain(const char *file, int line, const char *function, enum log_level level, const char *domain,
		     const char *fmt, ...) __attribute__((format(printf, 6, 7)));

/* Neither rate-limited nor compared with the threshold (except NONE): dumps, and what a person asked for. */
#define log_plain(level, domain, ...) \
	log_write_plain(__FILE__, __LINE__, __func__, level, domain, __VA_ARGS__)

#define log_at(level, domain, ...) do { \
	static struct log_site log_site_ = { __FILE__, __func__, __LINE__, 0, 0, 0 }; \
	if ((level) <= log_threshold) \
		log_write(&log_site_, level, domain, __VA_ARGS__); \
} while (0)

/* domain: the volume's name (xl->name), or the module's for what belongs to none. */
#define log_critical(domain, ...) log_at(LOG_CRITICAL_, domain, __VA_ARGS__)
#define log_error(domain, ...)    log_at(LOG_ERROR_, domain, __VA_ARGS__)
#define log_warning(domain, ...)  log_at(LOG_WARNING_, domain, __VA_ARGS__)
#define log_notice(domain, ...)   log_at(LOG_NOTICE_, domain, __VA_ARGS__)
#define log_debug(domain, ...)    log_at(LOG_DEBUG_, domain, __VA_ARGS__)
#define log_trace(domain, ...)    log_at(LOG_TRACE_, domain, __VA_ARGS__)

#endif
