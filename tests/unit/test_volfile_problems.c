/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What a person is told about volume files that are wrong: each file with all that is told of
 * it, a line each, "line:column level: message". That is the interface; a change here
 * should read better than what it replaces.
 */
#include "config.h"

#include "unit.h"
#include "volfile.h"

#include <stdbool.h>

struct problem_case {
	const char *name, *text, *expected;
};

static const struct problem_case bad_files[] = {
	{ "empty file",
	  "",
	  "0:0 error: the file defines no volume\n" },
	{ "only white space",
	  " \t\r\n\n",
	  "0:0 error: the file defines no volume\n" },
	{ "only comments",
	  "# nothing\n  # here",
	  "0:0 error: the file defines no volume\n" },
	{ "only a byte order mark",
	  "\xef\xbb\xbf",
	  "0:0 error: the file defines no volume\n" },
	{ "text outside",
	  "hello world\n",
	  "1:1 error: 'hello' is outside of any volume; a volume begins with: volume NAME\n" },
	{ "text outside, told once for all of it",
	  "hello world\nhow are \\ you \"x\"y\ntype z\n",
	  "1:1 error: 'hello' is outside of any volume; a volume begins with: volume NAME\n" },
	{ "text behind a volume",
	  "volume b type t end-volume\njunk junk\nvolume c type t end-volume more\n",
	  "2:1 error: 'junk' is outside of any volume; a volume begins with: volume NAME\n"
	  "3:28 error: 'more' is outside of any volume; a volume begins with: volume NAME\n" },
	{ "clause outside",
	  "option directory /x\n",
	  "1:1 error: 'option' is outside of any volume; a volume begins with: volume NAME\n" },
	{ "end outside",
	  "end-volume\n",
	  "1:1 error: no volume is open that could end here\n" },
	{ "end twice",
	  "volume b\n type t\nend-volume\nend-volume\n",
	  "4:1 error: no volume is open that could end here\n" },
	{ "volume misspelt",
	  "volum brick\n  type t\nend-volume\n",
	  "1:1 error: unknown word 'volum'; did you mean 'volume'?\n" },
	{ "volume in capitals",
	  "VOLUME brick\n  Type t\nEND-VOLUME\n",
	  "1:1 error: unknown word 'VOLUME'; did you mean 'volume'?\n"
	  "2:3 error: unknown word 'Type'; did you mean 'type'?\n"
	  "3:1 error: unknown word 'END-VOLUME'; did you mean 'end-volume'?\n" },
	{ "end-volume misspelt",
	  "volume brick\n  type t\nend-volum\nvolume c\n  type t\nendvolume\n",
	  "3:1 error: unknown word 'end-volum'; did you mean 'end-volume'?\n"
	  "6:1 error: unknown word 'endvolume'; did you mean 'end-volume'?\n" },
	{ "end-volume misspelt behind subvolumes",
	  "volume a\n type t\nend-volume\nvolume b\n type t\n subvolumes a\nend_volume\n"
	  "volume c\n type t\nend-volume\n",
	  "7:1 error: unknown word 'end_volume'; did you mean 'end-volume'?\n" },
	{ "end-volume misspelt at the end of the file",
	  "volume a\n type t\nend-volume\nvolume b\n type t\n subvolumes a\nend-volumes\n",
	  "7:1 error: unknown word 'end-volumes'; did you mean 'end-volume'?\n" },
	{ "type misspelt",
	  "volume b\n  tpye t\nend-volume\n",
	  "2:3 error: unknown word 'tpye'; did you mean 'type'?\n" },
	{ "option misspelt",
	  "volume b\n  type t\n  options directory /x\n  optoin a b\nend-volume\n",
	  "3:3 error: unknown word 'options'; did you mean 'option'?\n"
	  "4:3 error: unknown word 'optoin'; did you mean 'option'?\n" },
	{ "option misspelt behind subvolumes",
	  "volume a\n type t\nend-volume\nvolume b\n type t\n subvolumes a\n optin x y\n"
	  "end-volume\n",
	  "7:2 error: unknown word 'optin'; did you mean 'option'?\n" },
	{ "subvolumes misspelt",
	  "volume a\n type t\nend-volume\nvolume b\n  type t\n  subvolume a a2\n"
	  "end-volume\n",
	  "6:3 error: unknown word 'subvolume'; did you mean 'subvolumes'?\n"
	  "6:15 error: subvolume 'a2' is not defined; did you mean 'a'?\n" },
	{ "misspelt in a file of one line",
	  "volume a typ t optin k v end-volume\n",
	  "1:10 error: unknown word 'typ'; did you mean 'type'?\n"
	  "1:16 error: unknown word 'optin'; did you mean 'option'?\n" },
	{ "unknown words",
	  "volume b\n  type t\n  foo bar\n  baz\n  option a b\nend-volume\n",
	  "3:3 error: unknown word 'foo'; expected 'type', 'option', 'subvolumes' or "
	  "'end-volume'\n"
	  "4:3 error: unknown word 'baz'; expected 'type', 'option', 'subvolumes' or "
	  "'end-volume'\n" },
	{ "volume without a name",
	  "volume\n  type t\nend-volume\n",
	  "1:1 error: the volume has no name\n" },
	{ "volume without a name at the end",
	  "volume",
	  "1:1 error: the volume has no name\n" },
	{ "keyword as name",
	  "volume type\n  type t\nend-volume\n",
	  "1:8 error: 'type' is a keyword: to use it as a name, put it in quotes\n" },
	{ "two names",
	  "volume a b\n  type t\nend-volume\n",
	  "1:10 error: 'volume' takes one word: 'b' is too much\n" },
	{ "type without a value",
	  "volume b\n  type\nend-volume\n",
	  "2:3 error: the type is missing\n" },
	{ "two words in type",
	  "volume b\n  type storage posix\nend-volume\n",
	  "2:16 error: 'type' takes one word: 'posix' is too much\n" },
	{ "two types",
	  "volume b\n  type storage/posix\n  type storage/bdb\nend-volume\n",
	  "3:8 error: a second type for volume 'b': it has one on line 2\n" },
	{ "no type",
	  "volume b\n  option directory /x\nend-volume\n",
	  "1:1 error: volume 'b' has no type\n" },
	{ "nothing in it",
	  "volume b\nend-volume\n",
	  "1:1 error: volume 'b' has no type\n" },
	{ "option without anything",
	  "volume b\n  type t\n  option\nend-volume\n",
	  "3:3 error: the option has no name\n" },
	{ "option without a value",
	  "volume b\n  type t\n  option directory\nend-volume\n",
	  "3:10 error: option 'directory' has no value\n" },
	{ "option without a value before another",
	  "volume b\n  type t\n  option directory\n  option k v\nend-volume\n",
	  "3:10 error: option 'directory' has no value\n" },
	{ "end-volume as a value",
	  "volume b type t option k end-volume\n",
	  "1:24 error: option 'k' has no value\n" },
	{ "option with two values",
	  "volume b\n  type t\n  option k a value\nend-volume\n",
	  "3:14 error: option 'k' has a value already: 'value' is too much (a value with "
	  "spaces must be quoted)\n" },
	{ "option with a quoted and another value",
	  "volume b\n  type t\n  option k \"a\" \"b\"\nend-volume\n",
	  "3:16 error: option 'k' has a value already: '\"b\"' is too much (a value with "
	  "spaces must be quoted)\n" },
	{ "subvolumes without names",
	  "volume b\n  type t\n  subvolumes\nend-volume\n",
	  "3:3 error: no volume is named after 'subvolumes'\n" },
	{ "keyword as option key",
	  "volume b\n  type t\n  option type x\nend-volume\n",
	  "3:10 error: 'type' is a keyword: to use it as a name, put it in quotes\n" },
	{ "not ended",
	  "volume b\n  type t\n",
	  "1:1 error: volume 'b' is not ended: there is no 'end-volume' before the end of the "
	  "file\n" },
	{ "not ended before the next",
	  "volume a\n  type t\nvolume b\n  type t\nend-volume\n",
	  "1:1 error: volume 'a' is not ended: there is no 'end-volume' before the 'volume' on "
	  "line 3\n" },
	{ "name defined twice",
	  "volume server\n type t\nend-volume\nvolume server\n type t\nend-volume\n"
	  "volume server\n type t\nend-volume\n",
	  "4:8 error: volume 'server' is defined already, on line 1\n"
	  "7:8 error: volume 'server' is defined already, on line 1\n" },
	{ "unknown subvolume",
	  "volume b\n  type t\n  subvolumes x\nend-volume\n",
	  "3:14 error: subvolume 'x' is not defined\n" },
	{ "unknown subvolume, one is near",
	  "volume brick\n type t\nend-volume\nvolume s\n  type t\n  subvolumes brik\n"
	  "end-volume\n",
	  "6:14 error: subvolume 'brik' is not defined; did you mean 'brick'?\n" },
	{ "its own subvolume",
	  "volume b\n  type t\n  subvolumes b b\nend-volume\n",
	  "3:14 error: volume 'b' is its own subvolume\n"
	  "3:16 error: subvolume 'b' is named already, on line 3\n" },
	{ "subvolume named twice",
	  "volume a\n type t\nend-volume\nvolume b\n  type t\n  subvolumes a\n"
	  "  subvolumes a\nend-volume\n",
	  "7:14 error: subvolume 'a' is named already, on line 6\n" },
	{ "loop of two",
	  "volume a\n type t\n subvolumes b\nend-volume\nvolume b\n type t\n subvolumes a\n"
	  "end-volume\n",
	  "7:13 error: the subvolumes loop: a -> b -> a\n" },
	{ "two loops",
	  "volume a\n type t\n subvolumes b\nend-volume\nvolume b\n type t\n subvolumes c\n"
	  "end-volume\nvolume c\n type t\n subvolumes a b\nend-volume\n",
	  "11:13 error: the subvolumes loop: a -> b -> c -> a\n"
	  "11:15 error: the subvolumes loop: b -> c -> b\n" },
	{ "quote not closed",
	  "volume b\n  type t\n  option k \"v\nend-volume\nvolume c\n  type t\n"
	  "  subvolumes b\nend-volume\n",
	  "3:12 error: the quote is not closed\n" },
	{ "quote not closed, seen at the next",
	  "volume b\n  type t\n  option k \"v\n  option l \"w\"\nend-volume\n",
	  "3:12 error: this quote ends on line 4 in the middle of a word: is its end missing "
	  "in an earlier line?\n"
	  "4:14 error: the quote is not closed\n" },
	{ "quote not closed after a backslash",
	  "volume b type t option k \"v\\",
	  "1:26 error: the quote is not closed\n" },
	{ "quote in a word",
	  "volume b\n  type t\n  option k /a\"b c\"\nend-volume\n",
	  "3:14 error: a quote inside a word: put the whole word in quotes\n" },
	{ "word behind a quote",
	  "volume b\n  type t\n  option k \"a\"b\nend-volume\n",
	  "3:15 error: a quote inside a word: put the whole word in quotes\n" },
	{ "backslash in a word",
	  "volume b\n  type t\n  option k c:\\dir\nend-volume\n",
	  "3:12 error: a word with a '\\' must be quoted, each '\\' in it doubled\n" },
	{ "escaped space",
	  "volume b\n  type t\n  option k /my\\ dir\nend-volume\n",
	  "3:12 error: a word with a '\\' must be quoted, each '\\' in it doubled\n" },
	{ "line continuation",
	  "volume a\n type t\nend-volume\nvolume b\n  type t\n  subvolumes \\\n   a\n"
	  "end-volume\n",
	  "6:14 error: no '\\' is needed to go on in the next line: newlines mean nothing\n" },
	{ "backslash at the end",
	  "volume b type t end-volume \\",
	  "1:28 error: a word with a '\\' must be quoted, each '\\' in it doubled\n"
	  "1:28 error: '\\' is outside of any volume; a volume begins with: volume NAME\n" },
	{ "control character",
	  "volume b\n  type t\n  option k a\x01\" \"\x02z\nend-volume\n",
	  "3:13 error: a control character in an unquoted word\n"
	  "3:14 error: a quote inside a word: put the whole word in quotes\n"
	  "3:17 error: a quote inside a word: put the whole word in quotes\n" },
	{ "empty name",
	  "volume \"\"\n  type \"\"\n  option \"\" v\nend-volume\n",
	  "1:8 error: the name of a volume is empty\n"
	  "2:8 error: the type of volume '' is no name\n"
	  "3:10 error: the name of an option is empty\n" },
	{ "newline in a name",
	  "volume \"a\nb\"\n  type t\nend-volume\n",
	  "1:8 error: a control character in the name of a volume\n" },
	{ "lines end in CR LF",
	  "volume b\r\n  type t\r\n  options a b\r\nend-volume\r\n",
	  "3:3 error: unknown word 'options'; did you mean 'option'?\n" },
	{ "behind a byte order mark",
	  "\xef\xbb\xbfvolum b\n  type t\nend-volume\n",
	  "1:1 error: unknown word 'volum'; did you mean 'volume'?\n" },
	{ "escape sequences are not passed on",
	  "volume b\n  type \"t\"\n  \x1b[2Jx y\nend-volume\n",
	  "3:3 error: a control character in an unquoted word\n"
	  "3:3 error: unknown word '\\x1b[2Jx'; expected 'type', 'option', 'subvolumes' or "
	  "'end-volume'\n" },
	{ "all kinds at once",
	  "volum a\n  type t u\n  option k\nend-volume\nvolume b\n  option x y z\n"
	  "  subvolumes a c\nend-volume\n",
	  "1:1 error: unknown word 'volum'; did you mean 'volume'?\n"
	  "2:10 error: 'type' takes one word: 'u' is too much\n"
	  "3:10 error: option 'k' has no value\n"
	  "6:14 error: option 'x' has a value already: 'z' is too much (a value with spaces "
	  "must be quoted)\n"
	  "5:1 error: volume 'b' has no type\n"
	  "7:16 error: subvolume 'c' is not defined\n" },
};

static const struct problem_case dubious_files[] = {
	{ "option twice",
	  "volume b\n  type t\n  option k v\n  option l v\n  option k w\nend-volume\n",
	  "5:10 warning: option 'k' is given again: this value counts, the one on line 3 does "
	  "not\n" },
	{ "the top has a parent",
	  "volume s\n  type t\n  subvolumes b\nend-volume\nvolume b\n  type t\nend-volume\n",
	  "5:8 warning: volume 'b' is the last one and so the top of the graph, but it is a "
	  "subvolume of 's' on line 1\n" },
	{ "typographic quotes",
	  "volume b\n  type t\n  option k \xe2\x80\x9cv\xe2\x80\x9d\nend-volume\n",
	  "3:12 warning: this is a typographic quote, an ordinary letter here: is \" meant?\n" },
};

/* Everything in the list, as in the tables; freed by the caller. */
static char *told(const struct diag *d)
{
	static const char *const levels[] = { "error", "warning", "note" };
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	ck_assert_ptr_nonnull(out);
	for (size_t i = 0; i < diag_count(d); i++) {
		enum diag_level level;
		struct vf_pos pos;
		const char *message = diag_message(d, i, &level, &pos);

		fprintf(out, "%u:%u %s: %s\n", pos.line, pos.column, levels[level], message);
	}
	fclose(out);
	return text;
}

static void expect_told(const struct problem_case *c, bool is_bad)
{
	struct diag *d = diag_new();
	struct volfile *vf = volfile_parse("test.vol", c->text, strlen(c->text), d);
	char *text = told(d);

	ck_assert_msg(strcmp(text, c->expected) == 0, "%s\nexpected:\n%sgot:\n%s", c->name,
		      c->expected, text);
	ck_assert_msg(!vf == is_bad, "%s: %s", c->name, vf ? "a tree" : "no tree");
	ck_assert_msg((diag_errors(d) > 0) == is_bad, "%s: %u errors", c->name, diag_errors(d));
	free(text);
	diag_free(d);
	volfile_free(vf);
}

START_TEST(bad_files_are_told)
{
	for (size_t i = 0; i < sizeof(bad_files) / sizeof(bad_files[0]); i++)
		expect_told(&bad_files[i], true);
}
END_TEST

START_TEST(dubious_files_are_told_and_accepted)
{
	for (size_t i = 0; i < sizeof(dubious_files) / sizeof(dubious_files[0]); i++)
		expect_told(&dubious_files[i], false);
}
END_TEST

/* Parses the text and expects the first message to be this one. */
static void expect_first(const char *text, size_t len, const char *expected)
{
	struct diag *d = diag_new();

	ck_assert_ptr_null(volfile_parse("test.vol", text, len, d));
	ck_assert_str_eq(diag_message(d, 0, NULL, NULL), expected);
	diag_free(d);
}

START_TEST(binary_data_is_one_message)
{
	struct diag *d = diag_new();

	ck_assert_ptr_null(volfile_parse("x", "volume\0\0junk", 12, d));
	ck_assert_uint_eq(diag_count(d), 1);
	ck_assert_str_eq(diag_message(d, 0, NULL, NULL),
			 "not a volume file but binary data: byte 7 is NUL");
	diag_free(d);
}
END_TEST

START_TEST(too_large_is_one_message)
{
	char *text = malloc(VF_MAX_FILE + 1);

	memset(text, '\n', VF_MAX_FILE + 1);
	expect_first(text, VF_MAX_FILE, "the file defines no volume");
	expect_first(text, VF_MAX_FILE + 1, "too large for a volume file: more than 16 MiB");
	free(text);
}
END_TEST

/* 16 MiB of the worst that was thought of, each told in few words and in short time. */
START_TEST(large_junk)
{
	static const char *const junk[] = {
		"a", "a ", "\"", "\"\" ", "\\", "volume ", "option ", "\"a\"b ", "# \n#", "type a ",
		"volum x\n", "volume a end-volume ", "volume a subvolumes b c d\n", "\x01 ",
		"x\ny\n", "\xff",
	};
	char *text = malloc(VF_MAX_FILE);

	for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++) {
		struct diag *d = diag_new();
		size_t len = strlen(junk[i]);

		for (size_t at = 0; at < VF_MAX_FILE; at++)
			text[at] = junk[i][at % len];
		ck_assert_ptr_null(volfile_parse("junk", text, VF_MAX_FILE, d));
		ck_assert_uint_ge(diag_errors(d), 1);
		ck_assert_uint_le(diag_count(d), 2 * VF_MAX_ERRORS + 1);
		diag_free(d);
	}
	free(text);
}
END_TEST

START_TEST(twenty_errors_are_told)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct diag *d = diag_new();

	fprintf(out, "volume b\n  type t\n");
	for (int i = 0; i < 50; i++)
		fprintf(out, "  optoin a b\n");
	fprintf(out, "end-volume\n");
	fclose(out);
	ck_assert_ptr_null(volfile_parse("x", text, size, d));
	ck_assert_uint_eq(diag_errors(d), VF_MAX_ERRORS);
	ck_assert_uint_eq(diag_count(d), VF_MAX_ERRORS + 1);
	ck_assert_str_eq(diag_message(d, VF_MAX_ERRORS, NULL, NULL),
			 "too many errors: the rest of the file was not looked at");
	diag_free(d);
	free(text);
}
END_TEST

/* One error of a file, as it is printed. */
START_TEST(the_whole_message)
{
	static const char source[] = "volume brick\n\ttype storage/posix\n"
				     "\toptions directory /mnt/brick\nend-volume\n";
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct diag *d = diag_new();

	ck_assert_ptr_null(volfile_parse("server.vol", source, sizeof(source) - 1, d));
	diag_print(d, out);
	fclose(out);
	ck_assert_str_eq(text, "server.vol:3:2: error: unknown word 'options'; did you mean "
			       "'option'?\n"
			       "    3 |         options directory /mnt/brick\n"
			       "      |         ^~~~~~~\n");
	free(text);
	diag_free(d);
}
END_TEST

UNIT_MAIN("volfile problems", bad_files_are_told, dubious_files_are_told_and_accepted,
	  binary_data_is_one_message, too_large_is_one_message, large_junk,
	  twenty_errors_are_told, the_whole_message)
