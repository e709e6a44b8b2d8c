/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Finding and loading translators.  Shared objects that are wrong are made from a right one,
 * rot-13, by changing what it exports.
 */
#include "config.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../xlator/script.h"
#include "xlator-impl.h"

#define ROT13 XLATOR_BUILD_DIR "/xlators/encryption/rot-13/.libs/rot-13.so"

static char dir[] = "/tmp/glusterfs-test-xlator.XXXXXX";
static const char *path[2];

static void make_dir(void)
{
	char sub[256];

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(sub, sizeof sub, "%s/encryption", dir);
	ck_assert_int_eq(mkdir(sub, 0700), 0);
	path[0] = dir;
}

static void remove_dir(void)
{
	char command[256];

	snprintf(command, sizeof command, "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

/* A copy of rot-13 as dir/name, with `size` bytes at `at` of its struct xlator_export exchanged. */
static void copy(const char *name, size_t at, const void *bytes, size_t size)
{
	static char all[8 << 20];
	char to[256];
	FILE *in = fopen(ROT13, "r");

	ck_assert_ptr_nonnull(in);
	size_t n = fread(all, 1, sizeof all, in);
	fclose(in);
	ck_assert_uint_lt(n, sizeof all);
	char *export = memmem(all, n, "gf-xlatr", 8);
	ck_assert_ptr_nonnull(export);
	if (size)
		memcpy(export + at, bytes, size);
	snprintf(to, sizeof to, "%s/%s", dir, name);
	FILE *out = fopen(to, "w");
	ck_assert_ptr_nonnull(out);
	ck_assert_uint_eq(fwrite(all, 1, n, out), n);
	fclose(out);
}

static char error[512];

static const struct xlator_type *load(const char *type)
{
	void *handle;
	const struct xlator_type *t = xlator_load(type, path, &handle, error);

	ck_assert(!t == !handle);
	return t;
}

START_TEST(found)
{
	char full[256];

	make_dir();
	copy("encryption/rot-13.so", 0, NULL, 0);
	copy("short.so", 0, NULL, 0);
	const struct xlator_type *t = load("encryption/rot-13");	/* DIR/a/b.so */
	ck_assert_ptr_nonnull(t);
	ck_assert_str_eq(t->name, "encryption/rot-13");
	ck_assert_ptr_nonnull(load("any/short"));			/* DIR/b.so */
	ck_assert_ptr_nonnull(load("short"));
	ck_assert_ptr_nonnull(load(ROT13));				/* the object itself */
	ck_assert_int_eq(chdir(dir), 0);
	ck_assert_ptr_nonnull(load("./short.so"));
	ck_assert_int_eq(chdir("encryption"), 0);
	ck_assert_ptr_nonnull(load("../short.so"));
	ck_assert_int_eq(chdir("/"), 0);

	ck_assert_ptr_null(load("encryption/rot-14"));
	snprintf(
		full, sizeof full,
		"there is no translator \"encryption/rot-14\"; did you mean \"encryption/rot-13\"? "
		"(looked for %s/encryption/rot-14.so)",
		XLATORDIR);
	ck_assert_str_eq(error, full);
	ck_assert_ptr_null(load("./none.so"));
	ck_assert_ptr_null(load("/"));
	remove_dir();
}
END_TEST

START_TEST(built_in)
{
	static const struct xlator_type *const types[] = { &script_child, &script_top, NULL };
	void *handle;

	graph_builtin_types = types;
	ck_assert_ptr_eq(xlator_load("test/top", NULL, &handle, error), &script_top);
	ck_assert_ptr_null(handle);
}
END_TEST

START_TEST(wrong)
{
	static const struct {
		size_t at;
		uint64_t value;
		size_t size;
		const char *says;
	} cases[] = {
		{ 0, 0, 8, "is not a glusterfs translator: glusterfs_xlator is something else" },
		{ offsetof(struct xlator_export, abi), XLATOR_ABI + 1, 4,
		  "was built for another version of glusterfs" },
		{ offsetof(struct xlator_export, nr_fops), FOP_COUNT - 1, 4,
		  "was built for another version of glusterfs" },
		{ offsetof(struct xlator_export, type_size), 8, 8, "compile it again" },
	};

	make_dir();
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char name[32];

		snprintf(name, sizeof name, "wrong%zu.so", i);
		copy(name, cases[i].at, &cases[i].value, cases[i].size);
		snprintf(name, sizeof name, "wrong%zu", i);
		ck_assert_ptr_null(load(name));
		ck_assert_msg(strstr(error, cases[i].says), "%s", error);
		ck_assert_ptr_nonnull(strstr(error, name));
	}
	/* a library, no translator */
	ck_assert_ptr_null(load(XLATOR_BUILD_DIR "/.libs/libglusterfs.so"));
	ck_assert_msg(strstr(error, "it has no symbol glusterfs_xlator (XLATOR_EXPORT)"), "%s",
		      error);
	char text[256];
	snprintf(text, sizeof text, "%s/text.so", dir);
	FILE *out = fopen(text, "w");
	fputs("hello", out);
	fclose(out);
	ck_assert_ptr_null(load("text"));
	ck_assert_int_eq(strncmp(error, "cannot load: ", 13), 0);
	remove_dir();
}
END_TEST

START_TEST(listed)
{
	static char names[256][128];
	size_t nr, found_it = 0;

	make_dir();
	copy("encryption/rot-13.so", 0, NULL, 0);
	copy("b.so", 0, NULL, 0);
	copy("a.so", 0, NULL, 0);
	copy(".hidden.so", 0, NULL, 0);
	copy("encryption/README", 0, NULL, 0);
	nr = xlator_list_types(path, names, 256);
	ck_assert_uint_ge(nr, 3);
	for (size_t i = 0; i < nr; i++) {
		ck_assert(i == 0 || strcmp(names[i - 1], names[i]) <= 0);
		found_it += !strcmp(names[i], "a") || !strcmp(names[i], "b") ||
			    !strcmp(names[i], "encryption/rot-13");
		ck_assert(!strstr(names[i], "hidden") && !strstr(names[i], "README"));
	}
	ck_assert_uint_ge(found_it, 3);
	ck_assert_uint_eq(xlator_list_types(path, names, 2), 2);
	ck_assert_str_eq(xlator_nearest_type("encryption/rot13", path), "encryption/rot-13");
	ck_assert_ptr_null(xlator_nearest_type("something/else-altogether", path));
	remove_dir();
}
END_TEST

UNIT_MAIN("xlator", found, built_in, wrong, listed)
