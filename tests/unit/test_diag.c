/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Lists of problems: what is printed, byte for byte, and which names are near. */
#include "config.h"

#include "diag.h"
#include "unit.h"

/* What diag_print writes; freed by the caller. */
static char *printed(const struct diag *d)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	ck_assert_ptr_nonnull(out);
	diag_print(d, out);
	fclose(out);
	return text;
}

/* What is printed for one problem at line:column, width bytes wide. */
static void expect_print(const char *source, uint32_t line, uint32_t column, size_t width,
			 const char *expected)
{
	struct diag_source src = { "f.vol", source, source ? strlen(source) : 0 };
	struct diag *d = diag_new();
	char *text;

	diag_add(d, DIAG_ERROR, &src, (struct vf_pos){ line, column }, width, "bad");
	text = printed(d);
	ck_assert_str_eq(text, expected);
	free(text);
	diag_free(d);
}

START_TEST(quotes_the_line)
{
	expect_print("one\ntwo three\nfour\n", 2, 5, 5,
		     "f.vol:2:5: error: bad\n    2 | two three\n      |     ^~~~~\n");
	expect_print("last", 1, 1, 4, "f.vol:1:1: error: bad\n    1 | last\n      | ^~~~\n");
	expect_print("ab", 1, 2, 1, "f.vol:1:2: error: bad\n    1 | ab\n      |  ^\n");
	expect_print("ab", 1, 1, 0, "f.vol:1:1: error: bad\n    1 | ab\n      | ^\n");
	expect_print("ab\r\ncd\r\n", 1, 1, 2, "f.vol:1:1: error: bad\n    1 | ab\n      | ^~\n");
}
END_TEST

START_TEST(knows_as_much_as_it_is_told)
{
	expect_print(NULL, 7, 3, 1, "f.vol:7:3: error: bad\n");
	expect_print(NULL, 7, 0, 1, "f.vol:7: error: bad\n");
	expect_print(NULL, 0, 0, 1, "f.vol: error: bad\n");
	expect_print("ab", 1, 0, 0, "f.vol:1: error: bad\n    1 | ab\n      | \n");
	expect_print("ab", 9, 1, 1, "f.vol:9:1: error: bad\n");
}
END_TEST

START_TEST(places_beyond_the_line)
{
	expect_print("ab\ncd", 1, 3, 5, "f.vol:1:3: error: bad\n    1 | ab\n      |   ^\n");
	expect_print("ab\ncd", 1, 99, 5, "f.vol:1:99: error: bad\n    1 | ab\n      |   ^\n");
	expect_print("abcd\nef", 1, 3, SIZE_MAX,
		     "f.vol:1:3: error: bad\n    1 | abcd\n      |   ^~\n");
	expect_print("", 1, 1, 1, "f.vol:1:1: error: bad\n    1 | \n      | ^\n");
	expect_print("ab", UINT32_MAX, UINT32_MAX, 1,
		     "f.vol:4294967295:4294967295: error: bad\n");
}
END_TEST

START_TEST(tabs_and_letters_of_several_bytes)
{
	expect_print("\ta\tb", 1, 4, 1,
		     "f.vol:1:4: error: bad\n    1 |         a       b\n"
		     "      |                 ^\n");
	expect_print("\u00e4\u20ac x", 1, 7, 1,
		     "f.vol:1:7: error: bad\n    1 | \u00e4\u20ac x\n      |    ^\n");
}
END_TEST

START_TEST(nothing_reaches_the_terminal_raw)
{
	/* control, half a letter, overlong, surrogate, C1 control, right-to-left override */
	expect_print("\x1b[m x", 1, 5, 1,
		     "f.vol:1:5: error: bad\n    1 | \\x1b[m x\n      |        ^\n");
	expect_print("\xc3 x", 1, 3, 1,
		     "f.vol:1:3: error: bad\n    1 | \\xc3 x\n      |      ^\n");
	expect_print("\xc0\xaf", 1, 1, 2,
		     "f.vol:1:1: error: bad\n    1 | \\xc0\\xaf\n      | ^~~~~~~~\n");
	expect_print("\xed\xa0\x80", 1, 1, 1,
		     "f.vol:1:1: error: bad\n    1 | \\xed\\xa0\\x80\n      | ^~~~\n");
	expect_print("\xc2\x9b", 1, 1, 1,
		     "f.vol:1:1: error: bad\n    1 | \\xc2\\x9b\n      | ^~~~\n");
	expect_print("\u202e", 1, 1, 1,
		     "f.vol:1:1: error: bad\n    1 | \\xe2\\x80\\xae\n      | ^~~~\n");
}
END_TEST

START_TEST(message_and_file_are_escaped_too)
{
	struct diag_source src = { "a\nb", NULL, 0 };
	struct diag *d = diag_new();
	char *text;

	diag_add(d, DIAG_WARNING, &src, (struct vf_pos){ 0, 0 }, 0, "x%sy", "\x07\n");
	text = printed(d);
	ck_assert_str_eq(text, "a\\x0ab: warning: x\\x07\\x0ay\n");
	free(text);
	diag_free(d);
}
END_TEST

/* A line of 1,000 letters is clipped around the word, wherever that is. */
START_TEST(long_lines_are_clipped)
{
	char source[1001], *text, *line, *caret;
	struct diag_source src = { "f", source, sizeof(source) - 1 };

	memset(source, 'a', sizeof(source) - 1);
	source[1000] = '\0';
	for (uint32_t column = 1; column <= 1001; column += 50) {
		struct diag *d = diag_new();

		if (column <= 1000)
			source[column - 1] = 'X';
		diag_add(d, DIAG_NOTE, &src, (struct vf_pos){ 1, column }, 1, "long");
		text = printed(d);
		line = strchr(text, '\n') + 1;
		caret = strchr(line, '\n') + 1;
		ck_assert_uint_lt((size_t)(caret - line), 110);
		if (column <= 1000)
			ck_assert_int_eq(line[strchr(caret, '^') - caret], 'X');
		free(text);
		diag_free(d);
		if (column <= 1000)
			source[column - 1] = 'a';
	}
}
END_TEST

START_TEST(long_words_are_clipped)
{
	char source[5000], *text;
	struct diag_source src = { "f", source, sizeof(source) - 1 };
	struct diag *d = diag_new();

	memset(source, '\x01', sizeof(source) - 1);
	source[sizeof(source) - 1] = '\0';
	diag_add(d, DIAG_ERROR, &src, (struct vf_pos){ 1, 2000 }, 5000, "'%s'", source);
	ck_assert_uint_lt(strlen(diag_message(d, 0, NULL, NULL)), 1100);
	text = printed(d);
	ck_assert_uint_lt(strlen(text), 1500);
	free(text);
	diag_free(d);
}
END_TEST

START_TEST(keeps_a_hundred_and_counts_the_rest)
{
	struct diag *d = diag_new();
	enum diag_level level;
	struct vf_pos pos;
	char *text;

	for (uint32_t i = 1; i <= DIAG_MAX + 20; i++)
		diag_add(d, i % 2 ? DIAG_ERROR : DIAG_WARNING, NULL, (struct vf_pos){ i, 1 }, 0,
			 "number %u", i);
	ck_assert_uint_eq(diag_count(d), DIAG_MAX);
	ck_assert_uint_eq(diag_errors(d), DIAG_MAX / 2 + 10);
	ck_assert_uint_eq(diag_warnings(d), DIAG_MAX / 2 + 10);
	ck_assert_str_eq(diag_message(d, 1, &level, &pos), "number 2");
	ck_assert_int_eq(level, DIAG_WARNING);
	ck_assert_uint_eq(pos.line, 2);
	ck_assert_ptr_null(diag_message(d, DIAG_MAX, &level, &pos));
	text = printed(d);
	ck_assert_ptr_nonnull(strstr(text, "\nand 20 more that are not shown\n"));
	free(text);
	diag_free(d);
}
END_TEST

START_TEST(no_list_is_an_empty_list)
{
	diag_add(NULL, DIAG_ERROR, NULL, (struct vf_pos){ 1, 1 }, 0, "lost");
	ck_assert_uint_eq(diag_errors(NULL), 0);
	ck_assert_uint_eq(diag_warnings(NULL), 0);
	ck_assert_uint_eq(diag_count(NULL), 0);
	ck_assert_ptr_null(diag_message(NULL, 0, NULL, NULL));
	diag_print(NULL, stdout);
	diag_free(NULL);
}
END_TEST

static const struct {
	const char *word, *nearest;
} near_words[] = {
	{ "volum", "volume" },
	{ "vloume", "volume" },
	{ "VOLUME", "volume" },
	{ "volumee", "volume" },
	{ "opton", "option" },
	{ "optoin", "option" },
	{ "subvolume", "subvolumes" },
	{ "sub-volumes", "subvolumes" },
	{ "end_volume", "end-volume" },
	{ "tpye", "type" },
	{ "typ", "type" },
	{ "brick", NULL },
	{ "a", NULL },
	{ "", NULL },
	{ "endv", NULL },
	{ "a-word-that-is-much-longer-than-any-name-that-a-person-would-think-of-writing", NULL },
};

START_TEST(names_that_are_near)
{
	static const char *const names[] = {
		"volume", NULL, "end-volume", "type", "option", "subvolumes", "",
		"a-word-that-is-much-longer-than-any-name-that-a-person-would-think-of-writin",
	};

	for (size_t i = 0; i < sizeof(near_words) / sizeof(near_words[0]); i++) {
		const char *got = diag_nearest(near_words[i].word, names,
					       sizeof(names) / sizeof(names[0]));

		if (near_words[i].nearest)
			ck_assert_msg(got && strcmp(got, near_words[i].nearest) == 0,
				      "%s: %s", near_words[i].word, got ? got : "nothing");
		else
			ck_assert_msg(!got, "%s: %s", near_words[i].word, got);
	}
	ck_assert_ptr_null(diag_nearest("volume", NULL, 0));
}
END_TEST

UNIT_MAIN("diag", quotes_the_line, knows_as_much_as_it_is_told, places_beyond_the_line,
	  tabs_and_letters_of_several_bytes, nothing_reaches_the_terminal_raw,
	  message_and_file_are_escaped_too, long_lines_are_clipped, long_words_are_clipped,
	  keeps_a_hundred_and_counts_the_rest, no_list_is_an_empty_list, names_that_are_near)
