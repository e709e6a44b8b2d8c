/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Option rows: every kind, its bounds, its sentences; finding rows; help. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "option.h"
#include "unit.h"

struct priv {
	bool flag;
	uint32_t count, mode;
	uint64_t size, time;
	double share;
	char *text, *path, *list;
	int child;
};

static const char *const modes[] = { "none", "auto", "fixed", NULL };
static const char *const children[] = { "remote1", "remote2" };

static const struct option rows[] = {
	OPT_BOOL("flag", struct priv, flag, "on", "a switch"),
	OPT_U32("count", struct priv, count, "16", "1", "64", "a number"),
	OPT_SIZE("cache-size", struct priv, size, "32MB", "4MB", "6GB", "memory for pages"),
	OPT_TIME("timeout", struct priv, time, "42", NULL, "1h", "how long"),
	OPT_PERCENT("share", struct priv, share, "12.5%", NULL, NULL, "how much"),
	OPT_ENUM("mode", struct priv, mode, "auto", modes, "which way"),
	OPT_STR("text", struct priv, text, "two words", "anything"),
	OPT_PATH_REQUIRED("directory", struct priv, path, "where"),
	OPT_CHILD("read-from", struct priv, child, "*", "who answers"),
	OPT_LIST("names", struct priv, list, NULL, "some"),
	OPT_ALIAS("cachesize", "cache-size"),
	OPT_ALIAS("cache", "cache-size"),
	OPT_PATTERN("auth.ip.*.allow", "who may"),
	OPT_OBSOLETE("lock-node", "no longer needed"),
	OPT_END
};

static struct priv priv;
static char error[256];

/* Sets one option of rows; the value of option_set(). */
static int set(const char *key, const char *text)
{
	return option_set(option_find(rows, key), &priv, text, children, 2, error);
}

static void expect_refused(const char *key, const char *text, int err, const char *sentence)
{
	ck_assert_msg(set(key, text) == err, "%s=%s", key, text);
	ck_assert_str_eq(error, sentence);
}

static void begin(void)
{
	memset(&priv, 0, sizeof(priv));
	ck_assert_int_eq(option_defaults(rows, &priv, children, 2, error), 0);
}

START_TEST(defaults)
{
	begin();
	ck_assert(priv.flag);
	ck_assert_uint_eq(priv.count, 16);
	ck_assert_uint_eq(priv.size, 32 << 20);
	ck_assert_uint_eq(priv.time, 42000);
	ck_assert_double_eq(priv.share, 12.5);
	ck_assert_uint_eq(priv.mode, 1);
	ck_assert_str_eq(priv.text, "two words");
	ck_assert_ptr_null(priv.path);
	ck_assert_ptr_null(priv.list);
	ck_assert_int_eq(priv.child, -1);
	option_free(rows, &priv);
	ck_assert_ptr_null(priv.text);
	ck_assert_int_eq(option_defaults(NULL, NULL, NULL, 0, error), 0);
	option_free(NULL, NULL);
}
END_TEST

START_TEST(values)
{
	begin();
	ck_assert_int_eq(set("flag", "Disable"), 0);
	ck_assert(!priv.flag);
	ck_assert_int_eq(set("count", "0x40"), 0);
	ck_assert_uint_eq(priv.count, 64);
	ck_assert_int_eq(set("cachesize", "6GB"), 0);
	ck_assert_uint_eq(priv.size, UINT64_C(6) << 30);
	ck_assert_int_eq(set("timeout", "1500ms"), 0);
	ck_assert_uint_eq(priv.time, 1500);
	ck_assert_int_eq(set("mode", "FIXED"), 0);
	ck_assert_uint_eq(priv.mode, 2);
	ck_assert_int_eq(set("text", "other"), 0);
	ck_assert_str_eq(priv.text, "other");
	ck_assert_int_eq(set("text", priv.text), 0);	/* its own text */
	ck_assert_str_eq(priv.text, "other");
	ck_assert_int_eq(set("directory", "/a b"), 0);
	ck_assert_int_eq(set("read-from", "remote2"), 0);
	ck_assert_int_eq(priv.child, 1);
	ck_assert_int_eq(set("read-from", "*"), 0);
	ck_assert_int_eq(priv.child, -1);
	ck_assert_int_eq(set("names", "a,b"), 0);
	ck_assert_int_eq(set("auth.ip.brick.allow", "*"), 0);
	ck_assert_int_eq(set("lock-node", "x"), 0);
	option_free(rows, &priv);
}
END_TEST

START_TEST(sentences)
{
	begin();
	expect_refused("flag", "maybe", -EINVAL, "must be on or off, not \"maybe\"");
	expect_refused("count", "0", -ERANGE, "must be 1 to 64, not \"0\"");
	expect_refused("count", "65", -ERANGE, "must be 1 to 64, not \"65\"");
	expect_refused("count", "4294967297", -ERANGE, "must be 1 to 64, not \"4294967297\"");
	expect_refused("count", "-1", -EINVAL, "must be 1 to 64, not \"-1\"");
	expect_refused("cache-size", "1KB", -ERANGE, "must be 4MB to 6GB, not \"1KB\"");
	expect_refused("cache-size", "", -EINVAL, "must be 4MB to 6GB, not \"\"");
	expect_refused("timeout", "61min", -ERANGE, "must be at most 1h, not \"61min\"");
	expect_refused("share", "101", -ERANGE, "must be 0 to 100 (percent), not \"101\"");
	expect_refused("mode", "some\nthing", -EINVAL,
		       "must be one of none, auto, fixed, not \"some?thing\"");
	expect_refused("directory", "brick", -EINVAL,
		       "must be a path from the root (\"/...\"), not \"brick\"");
	expect_refused("read-from", "remote3", -EINVAL,
		       "must be a subvolume of this volume (remote1, remote2), not \"remote3\"");
	ck_assert_int_eq(option_set(option_find(rows, "read-from"), &priv, "x", NULL, 0, error),
			 -EINVAL);
	ck_assert_str_eq(error, "must be a subvolume (there are none), not \"x\"");
	ck_assert_uint_eq(priv.count, 16);		/* what was refused changed nothing */
	option_free(rows, &priv);
}
END_TEST

START_TEST(long_values_fit_into_a_sentence)
{
	char text[2000];

	begin();
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	ck_assert_int_eq(set("mode", text), -EINVAL);
	ck_assert_uint_lt(strlen(error), 256);
	ck_assert_str_eq(error + strlen(error) - 4, "...\"");
	ck_assert_int_eq(set("read-from", text), -EINVAL);
	ck_assert_uint_lt(strlen(error), 256);
	option_free(rows, &priv);
}
END_TEST

START_TEST(rows_by_key)
{
	ck_assert_ptr_eq(option_find(rows, "cache"), &rows[2]);
	ck_assert_int_eq(option_find(rows, "auth.ip.a.b.allow")->kind, OPT_PATTERN_);
	ck_assert_ptr_null(option_find(rows, "auth.ip.allow"));
	ck_assert_ptr_null(option_find(rows, "Flag"));
	ck_assert_ptr_null(option_find(rows, ""));
	ck_assert_ptr_null(option_find(NULL, "flag"));
}
END_TEST

START_TEST(numbers)
{
	static const struct { const char *text; int err; uint64_t value; } cases[] = {
		{ "0", 0, 0 },
		{ "007", 0, 7 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "0xff", 0, 255 },
		{ "0XFFFFFFFFFFFFFFFF", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "0x10000000000000000", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "0x", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "1e3", -EINVAL, 0 },
		{ "f", -EINVAL, 0 },
	};
	uint64_t v;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		v = 0;
		ck_assert_msg(parse_u64(cases[i].text, &v) == cases[i].err, "%s", cases[i].text);
		ck_assert_uint_eq(v, cases[i].value);
	}
}
END_TEST

START_TEST(sizes)
{
	static const struct { const char *text; int err; uint64_t value; } cases[] = {
		{ "512", 0, 512 },
		{ "512B", 0, 512 },
		{ "1KB", 0, 1024 },
		{ "1k", 0, 1024 },
		{ "1KiB", 0, 1024 },
		{ "64 MB", 0, 64 << 20 },
		{ "1gb", 0, 1 << 30 },
		{ "2TB", 0, UINT64_C(2) << 40 },
		{ "0x1000", 0, 4096 },
		{ "16777215TB", 0, UINT64_C(16777215) << 40 },
		{ "16777216TB", -ERANGE, 0 },
		{ "99999999999999999999KB", -ERANGE, 0 },
		{ "MB", -EINVAL, 0 },
		{ "1XB", -EINVAL, 0 },
		{ "1.5MB", -EINVAL, 0 },
		{ "1MB ", -EINVAL, 0 },
		{ "-1MB", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
	};
	uint64_t v;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		v = 0;
		ck_assert_msg(parse_size(cases[i].text, &v) == cases[i].err, "%s", cases[i].text);
		ck_assert_uint_eq(v, cases[i].value);
	}
}
END_TEST

START_TEST(times)
{
	static const struct { const char *text; int err; uint64_t value; } cases[] = {
		{ "1", 0, 1000 },
		{ "0", 0, 0 },
		{ "250ms", 0, 250 },
		{ "1.5s", 0, 1500 },
		{ "0.25", 0, 250 },
		{ "10 sec", 0, 10000 },
		{ "2min", 0, 120000 },
		{ "1h", 0, 3600000 },
		{ "1.5d", 0, 129600000 },
		{ "0.0001", 0, 0 },
		{ "1.", -EINVAL, 0 },
		{ ".5", -EINVAL, 0 },
		{ "1m", -EINVAL, 0 },
		{ "1.2.3", -EINVAL, 0 },
		{ "18446744073709551615", -ERANGE, 0 },
		{ "213503982335d", -ERANGE, 0 },
		{ "1.00000000000000000001", 0, 1000 },
	};
	uint64_t v;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		v = 0;
		ck_assert_msg(parse_time_ms(cases[i].text, &v) == cases[i].err, "%s",
			      cases[i].text);
		ck_assert_uint_eq(v, cases[i].value);
	}
}
END_TEST

START_TEST(words)
{
	bool b;
	double d;

	ck_assert(parse_bool("ON", &b) == 0 && b);
	ck_assert(parse_bool("no", &b) == 0 && !b);
	ck_assert(parse_bool("1", &b) == 0 && b);
	ck_assert_int_eq(parse_bool("", &b), -EINVAL);
	ck_assert_int_eq(parse_bool("2", &b), -EINVAL);
	ck_assert(parse_percent("100%", &d) == 0 && d == 100);
	ck_assert(parse_percent("0.5", &d) == 0 && d == 0.5);
	ck_assert_int_eq(parse_percent("100.1", &d), -ERANGE);
	ck_assert_int_eq(parse_percent("%", &d), -EINVAL);
	ck_assert_int_eq(parse_percent("nan", &d), -EINVAL);
}
END_TEST

START_TEST(lists)
{
	const char *at = " a,, bc\t,d ", *word;
	char got[32] = "";
	size_t len;

	while (option_list_next(&at, &word, &len)) {
		strncat(got, word, len);
		strcat(got, "|");
	}
	ck_assert_str_eq(got, "a|bc|d|");
	at = NULL;
	ck_assert(!option_list_next(&at, &word, &len));
	at = ",";
	ck_assert(!option_list_next(&at, &word, &len));
}
END_TEST

static char *help(bool man)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	option_print_help(rows, out, man);
	option_print_help(NULL, out, man);
	fclose(out);
	return text;
}

START_TEST(help_for_people)
{
	char *text = help(false);

	ck_assert_ptr_nonnull(strstr(text, "    cache-size\n        memory for pages\n"
					   "        4MB to 6GB; default: 32MB\n        also "
					   "spelled: cachesize, cache\n"));
	ck_assert_ptr_nonnull(strstr(text, "one of none, auto, fixed; default: auto\n"));
	ck_assert_ptr_nonnull(strstr(text, "    directory\n        where\n        a path from the "
					   "root (\"/...\"); must be given\n"));
	free(text);
	text = help(true);
	ck_assert_ptr_nonnull(strstr(text, ".TP\n.B option cache\\-size\nmemory for pages.\n.br\n"
					   "Values: 4MB to 6GB; default: 32MB.\n.br\nAlso spelled: "
					   "cachesize, cache.\n"));
	free(text);
}
END_TEST

START_TEST(descriptions_are_cut)
{
	char out[8];

	option_describe(&rows[5], out, sizeof(out));
	ck_assert_str_eq(out, "one of ");
	option_describe(&rows[5], out, 1);
	ck_assert_str_eq(out, "");
}
END_TEST

UNIT_MAIN("option", defaults, values, sentences, long_values_fit_into_a_sentence, rows_by_key,
	  numbers, sizes, times, words, lists, help_for_people, descriptions_are_cut)
