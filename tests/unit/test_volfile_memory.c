/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Volume files without memory: the n-th allocation fails, for every n. Then there is no tree but
 * an error, and nothing leaks (which ASan sees).
 */
#include "config.h"

#include "unit.h"
#include "volfile.h"

#include <stdbool.h>

static long allowed = -1;	/* allocations until all fail; -1: any number */

static bool allocation_fails(void)
{
	if (allowed > 0)
		allowed--;
	return allowed == 0;
}

#include "no_memory.h"

/* Parses with more and more memory until it is enough; returns how much was needed. */
static long parse_with_little(const char *text, bool is_good)
{
	for (long n = 1; n < 1000; n++) {
		struct diag *d = diag_new();
		struct volfile *vf;
		bool enough;

		allowed = n;
		vf = volfile_parse("x.vol", text, strlen(text), d);
		enough = allowed > 0;
		allowed = -1;
		ck_assert(!vf == (diag_errors(d) > 0));
		ck_assert(!vf || is_good);
		ck_assert(!enough || !vf == !is_good);
		volfile_free(vf);
		diag_free(d);
		if (enough)
			return n;
	}
	return 0;
}

START_TEST(a_good_file)
{
	ck_assert_int_gt(parse_with_little("volume a type t option k \"v w\" end-volume\n"
					   "volume b type t subvolumes a option k v option k w "
					   "end-volume", true), 10);
}
END_TEST

START_TEST(a_bad_file)
{
	ck_assert_int_gt(parse_with_little("volume a type t option k end-volume\n"
					   "volume b subvolumes b c d option k \"v w end-volume\n",
					   false), 10);
	ck_assert_int_gt(parse_with_little("volume a type t subvolumes b end-volume\n"
					   "volume b type t subvolumes a x end-volume\n",
					   false), 10);
}
END_TEST

START_TEST(many_of_everything)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (int v = 0; v < 100; v++)
		fprintf(out, "volume v%d type t end-volume\n", v);
	fprintf(out, "volume top type t\n");
	for (int i = 0; i < 100; i++)
		fprintf(out, "option k%d v subvolumes v%d\n", i, i);
	fprintf(out, "end-volume\n");
	fclose(out);
	ck_assert_int_gt(parse_with_little(text, true), 20);
	free(text);
}
END_TEST

UNIT_MAIN("volfile memory", a_good_file, a_bad_file, many_of_everything)
