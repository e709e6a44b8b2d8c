/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * posix.h - what the programs of tests/posix share: a table of cases, and how they say what is wrong.
 *
 * A program is one topic: `const struct posix_case posix_cases[]`, ended by an empty row, and posix.c
 * has main(). Each case runs in a process and an empty directory of its own, with umask 022 and as
 * root, and is killed when it takes longer than a minute; a failed check is told and the case goes on.
 * The same program runs on a local ext4, on one brick and on a mirror, so a case asks for nothing
 * that ext4 does not do, and knows nothing of what it runs on.
 */
#ifndef TESTS_POSIX_H
#define TESTS_POSIX_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

struct posix_case {
	const char *name;		/* NULL: the end */
	void (*run)(void);
	unsigned int limit_s;		/* 0: a minute */
};
extern const struct posix_case posix_cases[];
#define POSIX_CASE(f) { .name = #f, .run = f }

/* Notes a failure, with errno as it is, and returns. */
void posix_failed(const char *file, int line, const char *what);
/* Ends the case: it cannot run here, for this reason. */
void posix_skip(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* Failures of this case until now: a child process that the case forked exits with it. */
int posix_failures(void);

#define CHECK(x) do { errno = 0; if (!(x)) posix_failed(__FILE__, __LINE__, #x); } while (0)
/* A system call that must not fail. */
#define OK(x) CHECK((x) >= 0)
/* A system call that must fail with this errno. */
#define FAILS(err, x)                                                                              \
	do {                                                                                       \
		errno = 0;                                                                         \
		if ((x) != -1 || errno != (err))                                                   \
			posix_failed(__FILE__, __LINE__, #x " fails with " #err);                  \
	} while (0)

/* lstat(2); a failed check and zeroes when there is no such name. */
struct stat stat_of(const char *path);
bool exists(const char *path);
/* Makes a file with this text, or replaces its contents. */
void put(const char *path, const char *text);
/* Has the file this text, and no more? */
bool holds(const char *path, const char *text);
/* Bytes that depend on the seed, so that misplaced data shows. */
void fill(void *p, size_t n, uint32_t seed);
/* Runs f in a child with these ids and no other groups, capabilities gone; checks that it exits 0.
 * In f failed checks count as usual. */
void as_user(uid_t uid, gid_t gid, void (*f)(void));
/* The same with supplementary groups. */
void as_user_with_groups(uid_t uid, gid_t gid, size_t nr, const gid_t *groups, void (*f)(void));
/* Runs f(0) to f(nr - 1), each in a child, all at once; checks that they exit 0.  In f failed checks count. */
void as_processes(int nr, void (*f)(int me));
/* Waits for a child; its exit status, or 128 + signal. */
int wait_status(pid_t pid);

#endif
