/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What every unit test program needs: libcheck, and a main that runs one test case.
 *
 *	START_TEST(adds_up)
 *	{
 *		ck_assert_int_eq(1 + 1, 2);
 *	}
 *	END_TEST
 *
 *	UNIT_MAIN("sum", adds_up)
 *
 * Each test runs in a process of its own (CK_FORK=no in the environment: in one, for a
 * debugger); it is killed after UNIT_TIMEOUT_S.
 * UNIT_ONLY=adds_up in the environment runs that test alone.
 */
#ifndef GLUSTERFS_UNIT_H
#define GLUSTERFS_UNIT_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef UNIT_TIMEOUT_S
#define UNIT_TIMEOUT_S 60
#endif

/* Writes "TMPDIR/NAME.XXXXXX" to path, for mkdtemp and mkstemp. Returns path. */
static inline char *unit_temporary(char *path, size_t size, const char *name)
{
	const char *dir = getenv("TMPDIR");
	int n = snprintf(path, size, "%s/%s.XXXXXX", dir && *dir ? dir : "/tmp", name);

	ck_assert_msg(n > 0 && (size_t)n < size, "TMPDIR is too long for a test: %s", path);
	return path;
}

static inline int unit_run(const char *name, const TTest *const *tests, size_t nr)
{
	const char *only = getenv("UNIT_ONLY");
	Suite *suite = suite_create(name);
	TCase *tc = tcase_create(name);
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, UNIT_TIMEOUT_S);
	for (size_t i = 0; i < nr; i++)
		if (!only || strcmp(only, tests[i]->name) == 0)
			tcase_add_test(tc, tests[i]);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#define UNIT_MAIN(name, ...)							\
	int main(void)								\
	{									\
		const TTest *const unit_tests[] = { __VA_ARGS__ };		\
										\
		return unit_run(name, unit_tests,				\
				sizeof(unit_tests) / sizeof(unit_tests[0]));	\
	}

#endif
