/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Listings and statedumps: what goes in comes out, nothing that is not a name goes in. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "dirents.h"
#include "dump.h"
#include "unit.h"

START_TEST(entries_in_order)
{
	struct attr attr = { .mode = S_IFREG | 0644, .size = 77 };
	const struct dirent_entry *e = NULL;
	struct dirents *d = dirents_new();
	char name[256];
	unsigned nr = 0;

	ck_assert_ptr_null(dirents_next(d, NULL));
	memset(name, 'n', sizeof(name));
	for (unsigned i = 1; i <= 255; i++) {
		attr.size = i;
		ck_assert_int_eq(dirents_add(d, name, i, i, &attr), 0);
	}
	ck_assert_uint_eq(d->nr, 255);
	while ((e = dirents_next(d, e)) != NULL) {
		nr++;
		ck_assert_uint_eq(e->cookie, nr);
		ck_assert_uint_eq(e->attr.size, nr);
		ck_assert_uint_eq(e->len, nr);
		ck_assert_uint_eq(strlen(e->name), nr);
	}
	ck_assert_uint_eq(nr, 255);
	ck_assert_ptr_eq(dirents_ref(d), d);
	dirents_unref(d);
	dirents_unref(d);
	dirents_unref(NULL);
	ck_assert_ptr_null(dirents_ref(NULL));
}
END_TEST

START_TEST(names_that_are_none)
{
	struct attr attr = { .mode = S_IFREG };
	struct dirents *d = dirents_new();
	char name[300];

	memset(name, 'n', sizeof(name));
	ck_assert_int_eq(dirents_add(d, name, 0, 1, &attr), -EINVAL);
	ck_assert_int_eq(dirents_add(d, name, 256, 1, &attr), -EINVAL);
	ck_assert_int_eq(dirents_add(d, name, 65537, 1, &attr), -EINVAL);
	ck_assert_int_eq(dirents_add(d, "a/b", 3, 1, &attr), -EINVAL);
	ck_assert_int_eq(dirents_add(d, "a\0b", 3, 1, &attr), -EINVAL);
	ck_assert_int_eq(dirents_add(d, ".", 1, 1, &attr), 0);
	ck_assert_int_eq(dirents_add(d, "..", 2, 2, &attr), 0);
	ck_assert_uint_eq(d->nr, 2);
	dirents_unref(d);
}
END_TEST

START_TEST(a_dump_cannot_be_forged)
{
	char *text = NULL;
	size_t size;
	struct dump d = { open_memstream(&text, &size) };

	dump_section(&d, "%s: %s", "mirror0", "cluster/afr");
	dump_value(&d, "child.0", "%s", "x\n[forged]\ny=\x1b[1m");
	dump_u64(&d, "n", UINT64_MAX);
	fclose(d.out);
	ck_assert_str_eq(
		text,
		"\n[mirror0: "
		"cluster/afr]\nchild.0=x\\x0a[forged]\\x0ay=\\x1b[1m\nn=18446744073709551615\n");
	free(text);
}
END_TEST

UNIT_MAIN("dirents", entries_in_order, names_that_are_none, a_dump_cannot_be_forged)
