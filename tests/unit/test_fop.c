/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What is made from fops.def: names, references, texts; and that there is no second list of
 * operations. */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>

#include "fop-samples.h"
#include "unit.h"

START_TEST(names_and_classes)
{
	for (int op = 0; op < FOP_COUNT; op++) {
		ck_assert_int_eq(fop_by_name(fop_names[op]), op);
		ck_assert_uint_le(fop_classes[op], FOP_HANDLE);
		ck_assert_uint_le(fop_args_size[op], sizeof(union fop_args));
	}
	ck_assert_int_eq(fop_by_name(""), -1);
	ck_assert_int_eq(fop_by_name("WRITE"), -1);
	ck_assert_int_eq(fop_by_name("writev"), -1);
	ck_assert(fop_is_change(FOP_write));
	ck_assert(fop_is_change(FOP_mkdir));
	ck_assert(!fop_is_change(FOP_read));
	ck_assert(!fop_is_change(FOP_fsync));
}
END_TEST

/* ---- references ------------------------------------------------------------------------------ */

/* The references of all objects of a message, added up. */
static long refs;
#define refs_inode(v)   refs += (v) ? (v)->refs : 0
#define refs_fd         refs_inode
#define refs_newfd      refs_inode
#define refs_buf        refs_inode
#define refs_dict       refs_inode
#define refs_dirents    refs_inode
#define refs_name(v)    (void)(v)
#define refs_str        refs_name
#define refs_gfid       refs_name
#define refs_attr       refs_name
#define refs_lock       refs_name
#define refs_statfs     refs_name
#define refs_u32        refs_name
#define refs_u64        refs_name

static long args_refs(enum fop_id op, const union fop_args *args)
{
	refs = 0;
	switch (op) {
#define FOP(n, k) case FOP_##n: { const struct n##_args *a = &args->n;
#define ARG(t, f) refs_##t(a->f);
#define RET(t, f)
#define END(n) break; }
#include "fops.def"
	default: abort();
	}
	return refs;
}

static long reply_refs(enum fop_id op, const union fop_reply *reply)
{
	refs = 0;
	switch (op) {
#define FOP(n, k) case FOP_##n: { const struct n##_reply *a = &reply->n; (void)a;
#define ARG(t, f)
#define RET(t, f) refs_##t(a->f);
#define END(n) break; }
#include "fops.def"
	default: abort();
	}
	return refs;
}

/* Under ASan a reference too many is a leak, one too few a use after free. */
START_TEST(held_and_dropped)
{
	struct samples samples;
	union fop_args args, copy;
	union fop_reply reply, kept;

	samples_init(&samples);
	samples.level = SAMPLE_TYPICAL;
	for (int op = 0; op < FOP_COUNT; op++) {
		long before;

		sample_args(&samples, op, &args);
		before = args_refs(op, &args);
		memcpy(&copy, &args, fop_args_size[op]);
		args_hold(op, &copy);
		ck_assert_msg(before == 0 || args_refs(op, &args) > before, "%s", fop_names[op]);
		args_drop(op, &args);
		ck_assert_msg(args_differ(op, &copy, &copy) == NULL, "%s", fop_names[op]);
		ck_assert_int_eq(args_refs(op, &copy), before);
		args_drop(op, &copy);

		sample_reply(&samples, op, &reply);
		before = reply_refs(op, &reply);
		reply_copy(&kept, op, &reply);
		ck_assert_ptr_null(reply_differs(op, &reply, &kept));
		reply_drop(op, &reply);
		ck_assert_int_eq(reply_refs(op, &reply), 0);
		ck_assert_int_eq(reply_refs(op, &kept), before);
		reply_drop(op, &kept);
		reply_copy(&kept, op, NULL);
		reply_drop(op, &kept);
	}
	samples_finish(&samples);
	buf_trim();
}
END_TEST

/* ---- texts ----------------------------------------------------------------------------------- */

/* Does a line name all the fields? */
static bool names_args(enum fop_id op, const char *line)
{
	switch (op) {
#define FOP(n, k) case FOP_##n: return true
#define ARG(t, f) && strstr(line, #f "=") != NULL
#define RET(t, f)
#define END(n) ;
#include "fops.def"
	default: abort();
	}
}

static bool names_reply(enum fop_id op, const char *line)
{
	switch (op) {
#define FOP(n, k) case FOP_##n: return true
#define ARG(t, f)
#define RET(t, f) && strstr(line, #f "=") != NULL
#define END(n) ;
#include "fops.def"
	default: abort();
	}
}

static void check_cuts(enum fop_id op, const union fop_args *args, const union fop_reply *reply)
{
	for (size_t size = 1; size < 300; size += 7) {
		char *out = malloc(size);

		args_print(op, args, out, size);
		ck_assert_uint_lt(strlen(out), size);
		reply_print(op, 0, reply, out, size);
		ck_assert_uint_lt(strlen(out), size);
		free(out);
	}
}

START_TEST(printed_in_one_line)
{
	static char line[1 << 20];
	struct samples samples;
	union fop_args args;
	union fop_reply reply;

	samples_init(&samples);
	for (int op = 0; op < FOP_COUNT; op++) {
		for (int round = 0; round < 20; round++) {
			samples.level = round < 3 ? round : SAMPLE_RANDOM;
			samples.seed = (uint64_t)round;
			sample_args(&samples, op, &args);
			args_print(op, &args, line, sizeof(line));
			ck_assert_msg(names_args(op, line), "%s: %s", fop_names[op], line);
			ck_assert_ptr_null(strchr(line, '\n'));
			sample_reply(&samples, op, &reply);
			reply_print(op, 0, &reply, line, sizeof(line));
			ck_assert_msg(names_reply(op, line), "%s: %s", fop_names[op], line);
			ck_assert_ptr_null(strchr(line, '\n'));
			check_cuts(op, &args, &reply);
			args_drop(op, &args);
			reply_drop(op, &reply);
		}
	}
	samples_finish(&samples);
	buf_trim();
}
END_TEST

START_TEST(printed_for_people)
{
	struct unlink_args u = { .name = "a\"b\\\n" };
	struct seek_reply s = { .offset = 7 };
	char line[200];

	args_print(FOP_unlink, &u, line, sizeof(line));
	ck_assert_str_eq(line, "parent=none name=\"a\\x22b\\x5c\\x0a\"");
	reply_print(FOP_seek, 0, &s, line, sizeof(line));
	ck_assert_str_eq(line, "0 offset=7");
	reply_print(FOP_seek, -ENOENT, NULL, line, sizeof(line));
	ck_assert_str_eq(line, "-2 (No such file or directory)");
	reply_print(FOP_seek, 3, NULL, line, sizeof(line));
	ck_assert_str_eq(line, "3");
}
END_TEST

/* ---- one list -------------------------------------------------------------------------------- */

enum { RUN_MAX = 10 };			/* as many names one behind the other are a list */

/* The operation that a word names, also as FOP_name; -1: none; -2: a word that does not end a run.
 */
static int word_names(const char *word, size_t len)
{
	char text[64];

	if (len >= sizeof(text))
		return -1;
	memcpy(text, word, len);
	text[len] = '\0';
	if (strcmp(text, "case") == 0 || strcmp(text, "break") == 0)
		return -2;
	return fop_by_name(strncmp(text, "FOP_", 4) == 0 ? text + 4 : text);
}

/* The longest run of different operations named one after the other, with nothing but signs between
 * them. */
static unsigned longest_run(const char *text)
{
	unsigned longest = 0, run = 0;
	bool seen[FOP_COUNT] = { false };

	while (*text != '\0') {
		size_t len = 0;
		int op;

		while (isalnum((unsigned char)text[len]) || text[len] == '_')
			len++;
		if (len == 0) {
			text++;
			continue;
		}
		op = word_names(text, len);
		if (op >= 0 && !seen[op]) {
			seen[op] = true;
			run++;
		} else if (op == -1) {
			memset(seen, 0, sizeof(seen));
			run = 0;
		}
		longest = run > longest ? run : longest;
		text += len;
	}
	return longest;
}

static unsigned nr_files;

static int check_file(const char *path, const struct stat *st, int type, struct FTW *where)
{
	const char *dot = strrchr(path, '.');
	FILE *in;
	char *text;
	size_t len;

	(void)where;
	if (type == FTW_D || type != FTW_F || dot == NULL || st->st_size > 1 << 20)
		return 0;
	if (strcmp(dot, ".c") != 0 && strcmp(dot, ".h") != 0 && strcmp(dot, ".def") != 0 &&
	    strcmp(dot, ".sh") != 0 && strcmp(dot, ".in") != 0 && strcmp(dot, ".y") != 0 &&
	    strcmp(dot, ".l") != 0)
		return 0;
	in = fopen(path, "r");
	ck_assert_msg(in != NULL, "%s", path);
	text = malloc((size_t)st->st_size + 1);
	len = fread(text, 1, (size_t)st->st_size, in);
	text[len] = '\0';
	fclose(in);
	ck_assert_msg(longest_run(text) < RUN_MAX,
		      "%s lists %u operations one after the other: make it from core/fops.def",
		      path, longest_run(text));
	free(text);
	nr_files++;
	return 0;
}

START_TEST(there_is_one_list_of_operations)
{
	const char *source = getenv("srcdir");

	source = source != NULL ? source : ".";
	for (const char *const *folder =
		     (const char *const[]){ "core", "parser", "xlators", "daemons", "tests",
					    "examples", NULL };
	     *folder != NULL; folder++) {
		char path[4096];

		snprintf(path, sizeof(path), "%s/%s", source, *folder);
		nftw(path, check_file, 16, FTW_PHYS);
	}
	ck_assert_msg(nr_files > 20, "only %u files below %s: set srcdir", nr_files, source);
}
END_TEST

START_TEST(a_list_would_be_found)
{
	char text[4096] = "";

	for (int op = 0; op < FOP_COUNT; op++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "[FOP_%s] = \"%s\",\n",
			 fop_names[op], fop_names[op]);
	ck_assert_uint_eq(longest_run(text), FOP_COUNT);
	text[0] = '\0';
	for (int op = 0; op < FOP_COUNT; op++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "case FOP_%s: break;\n",
			 fop_names[op]);
	ck_assert_uint_eq(longest_run(text), FOP_COUNT);
	/* a table of handlers is not one */
	text[0] = '\0';
	for (int op = 0; op < FOP_COUNT; op++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), ".%s = posix_%s,\n",
			 fop_names[op], fop_names[op]);
	ck_assert_uint_eq(longest_run(text), 1);
}
END_TEST

UNIT_MAIN("fop", names_and_classes, held_and_dropped, printed_in_one_line, printed_for_people,
	  there_is_one_list_of_operations, a_list_would_be_found)
