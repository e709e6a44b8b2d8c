/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The log: format, levels, what must not get into a line, rate limit, rotation, threads. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "unit.h"

static char directory[64], path[80], rotated[80];

static void begin(void)
{
	ck_assert_ptr_nonnull(mkdtemp(unit_temporary(directory, sizeof(directory), "test_log")));
	snprintf(path, sizeof(path), "%s/log", directory);
	snprintf(rotated, sizeof(rotated), "%s/log.1", directory);
	ck_assert_int_eq(log_open(path), 0);
}

static void end(void)
{
	log_close();
	unlink(path);
	unlink(rotated);
	rmdir(directory);
}

/* Runs only what follows it in this process; the directory goes also when a check fails. */
#define WITH_LOG() do { begin(); atexit(end); } while (0)

/* The file's text; freed by the caller. */
static char *contents(const char *file)
{
	int fd = open(file, O_RDONLY);
	char *text = calloc(1, 1 << 20);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_ge(read(fd, text, (1 << 20) - 1), 0);
	close(fd);
	return text;
}

static unsigned count_lines(const char *text)
{
	unsigned nr = 0;

	for (; *text != '\0'; text++)
		nr += *text == '\n';
	return nr;
}

static void expect_match(const char *text, const char *pattern)
{
	regex_t re;

	ck_assert_int_eq(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
	ck_assert_msg(regexec(&re, text, 0, NULL, 0) == 0, "\"%s\" is not like %s", text, pattern);
	regfree(&re);
}

START_TEST(a_line_as_in_1_3)
{
	struct stat st;
	char *text;

	WITH_LOG();
	log_warning("mirror0", "remote%d is out", 2);
	text = contents(path);
	expect_match(text, "^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} W "
		     "\\[test_log\\.c:[0-9]+:[a-z0-9_]+\\] mirror0: remote2 is out\n$");
	free(text);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 077, 0);
}
END_TEST

START_TEST(levels)
{
	char *text;

	WITH_LOG();
	log_critical("d", "m");
	log_error("d", "m");
	log_warning("d", "m");
	log_notice("d", "not written");
	log_threshold = LOG_TRACE_;
	log_notice("d", "m");
	log_debug("d", "m");
	log_trace("d", "m");
	log_threshold = LOG_CRITICAL_;
	log_plain(LOG_NOTICE_, "d", "plain, whatever the threshold");
	log_threshold = LOG_NONE_;
	log_plain(LOG_CRITICAL_, "d", "not written");
	log_critical("d", "not written");
	text = contents(path);
	expect_match(text, "^[^\n]* C \\[[^\n]*\n[^\n]* E \\[[^\n]*\n[^\n]* W \\[[^\n]*\n[^\n]* N "
			   "\\[[^\n]*\n[^\n]* D \\["
			   "[^\n]*\n[^\n]* T \\[[^\n]*\n[^\n]* N \\[[^\n]*plain[^\n]*\n$");
	free(text);
}
END_TEST

START_TEST(names_of_levels)
{
	static const struct { const char *text; enum log_level level; } cases[] = {
		{ "DEBUG", LOG_DEBUG_ }, { "d", LOG_DEBUG_ },	    { "Warn", LOG_WARNING_ },
		{ "ERROR", LOG_ERROR_ }, { "crit", LOG_CRITICAL_ }, { "none", LOG_NONE_ },
		{ "n", LOG_NONE_ },	 { "TRACE", LOG_TRACE_ },   { "not", LOG_NOTICE_ },
		{ "info", LOG_NOTICE_ }, { "NORMAL", LOG_NOTICE_ },
	};
	enum log_level level;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert_msg(log_level_parse(cases[i].text, &level) == 0, "%s", cases[i].text);
		ck_assert_msg(level == cases[i].level, "%s", cases[i].text);
	}
	ck_assert_int_eq(log_level_parse("", &level), -EINVAL);
	ck_assert_int_eq(log_level_parse("loud", &level), -EINVAL);
	ck_assert_int_eq(log_level_parse("errors", &level), -EINVAL);
	ck_assert_str_eq(log_level_name(LOG_WARNING_), "WARNING");
}
END_TEST

START_TEST(a_name_cannot_forge_a_line)
{
	char *text, *longest = malloc(100000);

	WITH_LOG();
	log_warning("d", "file \"%s\"",
		    "x\n2026-01-01 00:00:00 C \x1b[2J\x7f\xc2\x9b"
		    "ok \xc3\xa9");
	log_warning("do\nmain", "m");
	memset(longest, '\n', 99999);
	longest[99999] = '\0';
	log_warning("d", "%s", longest);
	log_warning(longest, "m");
	text = contents(path);
	ck_assert_uint_eq(count_lines(text), 4);
	ck_assert_ptr_nonnull(strstr(
		text, "file \"x\\x0a2026-01-01 00:00:00 C \\x1b[2J\\x7f\xc2\\x9bok \xc3\xa9\"\n"));
	ck_assert_ptr_nonnull(strstr(text, "] do\\x0amain: m\n"));
	ck_assert_ptr_nonnull(strstr(text, "...\n"));
	free(text);
	free(longest);
}
END_TEST

static void noise(struct log_site *site, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		log_write(site, LOG_ERROR_, "d", "noise");
}

START_TEST(a_site_cannot_fill_the_disk)
{
	struct log_site site = { "a.c", "f", 1, 0, 0, 0 };
	char *text;

	WITH_LOG();
	noise(&site, LOG_BURST + 500);
	text = contents(path);
	ck_assert_uint_eq(count_lines(text), LOG_BURST);
	free(text);
	/* the interval passes: one line that says how many, and again nothing */
	site.window_ns -= LOG_INTERVAL_S * UINT64_C(1000000000);
	noise(&site, 500);
	text = contents(path);
	ck_assert_uint_eq(count_lines(text), LOG_BURST + 1);
	ck_assert_ptr_nonnull(strstr(text, "noise (500 more left out)\n"));
	free(text);
	site.window_ns -= LOG_INTERVAL_S * UINT64_C(1000000000);
	noise(&site, 1);
	text = contents(path);
	ck_assert_ptr_nonnull(strstr(text, "noise (499 more left out)\n"));
	free(text);
	/* quiet for an interval: as new */
	site.window_ns -= LOG_INTERVAL_S * UINT64_C(1000000000);
	noise(&site, LOG_BURST + 1);
	text = contents(path);
	ck_assert_uint_eq(count_lines(text), LOG_BURST + 2 + LOG_BURST);
	free(text);
}
END_TEST

START_TEST(rotation)
{
	char *text;

	WITH_LOG();
	log_error("d", "one");
	ck_assert_int_eq(rename(path, rotated), 0);
	log_error("d", "two");
	log_reopen();
	log_error("d", "three");
	text = contents(rotated);
	ck_assert_ptr_nonnull(strstr(text, "two"));
	ck_assert_ptr_null(strstr(text, "three"));
	free(text);
	text = contents(path);
	ck_assert_uint_eq(count_lines(text), 1);
	ck_assert_ptr_nonnull(strstr(text, "three"));
	free(text);
}
END_TEST

START_TEST(a_log_that_cannot_be_reopened)
{
	char *text;

	WITH_LOG();
	log_error("d", "one");
	ck_assert_int_eq(rename(path, rotated), 0);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	log_reopen();
	log_error("d", "two");
	rmdir(path);
	text = contents(rotated);
	ck_assert_ptr_nonnull(strstr(text, "the log goes on in the old file: cannot reopen"));
	ck_assert_ptr_nonnull(strstr(text, "two"));
	free(text);
	ck_assert_int_eq(log_open("/nonexistent/log"), -ENOENT);
	log_error("d", "three");
	text = contents(rotated);
	ck_assert_ptr_nonnull(strstr(text, "three"));
	free(text);
}
END_TEST

START_TEST(relative_paths_stay_where_they_were)
{
	char *text;

	WITH_LOG();
	log_close();
	ck_assert_int_eq(chdir(directory), 0);
	ck_assert_int_eq(log_open("log"), 0);
	ck_assert_int_eq(chdir("/"), 0);
	log_reopen();
	log_error("d", "one");
	text = contents(path);
	ck_assert_uint_eq(count_lines(text), 1);
	free(text);
}
END_TEST

enum { THREADS = 4, LINES = 500 };

static void *writer(void *arg)
{
	for (int i = 0; i < LINES; i++) {
		log_plain(LOG_ERROR_, "d", "%s %d end", (const char *)arg, i);
		if (i % 50 == 0)
			log_reopen();
	}
	return NULL;
}

START_TEST(lines_of_threads_do_not_mix)
{
	static const char *const names[THREADS] = { "aaaaaaaa", "bbbbbbbb", "cccccccc",
						    "dddddddd" };
	pthread_t threads[THREADS];
	char *text, *line, *rest = NULL;

	WITH_LOG();
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, writer, (void *)names[i]), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	text = contents(path);
	ck_assert_uint_eq(count_lines(text), THREADS * LINES);
	for (line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
		const char *message = strstr(line, "d: ");

		ck_assert_ptr_nonnull(message);
		ck_assert_uint_eq(strspn(message + 3, (char[]){ message[3], '\0' }), 8);
		ck_assert_str_eq(line + strlen(line) - 4, " end");
	}
	free(text);
}
END_TEST

UNIT_MAIN("log", a_line_as_in_1_3, levels, names_of_levels, a_name_cannot_forge_a_line,
	  a_site_cannot_fill_the_disk, rotation, a_log_that_cannot_be_reopened,
	  relative_paths_stay_where_they_were, lines_of_threads_do_not_mix)
