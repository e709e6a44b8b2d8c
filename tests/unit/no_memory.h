/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * no_memory.h - allocation functions of our own, which fail when the program wants them to.
 *
 *	static bool allocation_fails(void);	to be defined by the program
 *	#include "no_memory.h"
 *
 * The linker puts them in between (NO_MEMORY_LINK), for what is compiled into the program: not
 * for shared libraries, so libcheck's own allocations do not count outside of its macros.
 */
#ifndef TESTS_NO_MEMORY_H
#define TESTS_NO_MEMORY_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t nr, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t nr, size_t size);
char *__real_strdup(const char *s);
int __real_posix_memalign(void **ret, size_t align, size_t size);
int __real_vasprintf(char **ret, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t nr, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t nr, size_t size);
char *__wrap_strdup(const char *s);
int __wrap_posix_memalign(void **ret, size_t align, size_t size);
int __wrap_vasprintf(char **ret, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

void *__wrap_malloc(size_t size)
{
	return allocation_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t nr, size_t size)
{
	return allocation_fails() ? NULL : __real_calloc(nr, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return allocation_fails() ? NULL : __real_realloc(p, size);
}

void *__wrap_reallocarray(void *p, size_t nr, size_t size)
{
	return allocation_fails() ? NULL : __real_reallocarray(p, nr, size);
}

char *__wrap_strdup(const char *s)
{
	return allocation_fails() ? NULL : __real_strdup(s);
}

int __wrap_posix_memalign(void **ret, size_t align, size_t size)
{
	return allocation_fails() ? ENOMEM : __real_posix_memalign(ret, align, size);
}

int __wrap_vasprintf(char **ret, const char *fmt, va_list ap)
{
	return allocation_fails() ? -1 : __real_vasprintf(ret, fmt, ap);
}

#endif
