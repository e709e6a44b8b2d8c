/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Volume files that are right: the tree, printing it back, limits, files. */
#include "config.h"

#include "unit.h"
#include "volfile.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

/* Parses what must be right; warnings are not. */
static struct volfile *parse_len(const char *text, size_t len)
{
	struct diag *d = diag_new();
	struct volfile *vf = volfile_parse("test.vol", text, len, d);

	ck_assert_msg(vf && diag_count(d) == 0, "%s\n%.200s", diag_message(d, 0, NULL, NULL),
		      text);
	diag_free(d);
	return vf;
}

static struct volfile *parse(const char *text)
{
	return parse_len(text, strlen(text));
}

static char *print(const struct volfile *vf)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	ck_assert_int_eq(volfile_print(vf, out), 0);
	fclose(out);
	return text;
}

/* Parsed and printed it is this; and that again is itself. */
static void expect_printed(const char *source, const char *expected)
{
	struct volfile *vf = parse(source), *again;
	char *text = print(vf), *second;

	ck_assert_str_eq(text, expected);
	again = parse(text);
	second = print(again);
	ck_assert_str_eq(second, text);
	free(second);
	free(text);
	volfile_free(again);
	volfile_free(vf);
}

/* What the value v of `volume b type t option k v end-volume` is read as. */
static void expect_value(const char *value, const char *expected)
{
	struct volfile *vf;
	char *text, *printed;

	ck_assert_int_gt(asprintf(&text, "volume b\n type t\n option k %s\nend-volume", value), 0);
	vf = parse(text);
	ck_assert_str_eq(volfile_option(volfile_top(vf), "k")->value.text, expected);
	free(text);
	printed = print(vf);
	volfile_free(vf);
	vf = parse(printed);
	ck_assert_str_eq(volfile_option(volfile_top(vf), "k")->value.text, expected);
	free(printed);
	volfile_free(vf);
}

START_TEST(tree_is_what_was_written)
{
	struct volfile *vf = parse("# server\nvolume brick\n  type storage/posix # where\n"
				   "  option directory /x\n  option o p\nend-volume\n\n"
				   "volume server\n  subvolumes brick\n  type protocol/server\n"
				   "end-volume\n");
	const struct vf_volume *brick = &vf->volumes[0], *server = &vf->volumes[1];

	ck_assert_uint_eq(vf->nr_volumes, 2);
	ck_assert_str_eq(vf->source.file, "test.vol");
	ck_assert_str_eq(brick->name.text, "brick");
	ck_assert_str_eq(brick->type.text, "storage/posix");
	ck_assert_uint_eq(brick->nr_options, 2);
	ck_assert_str_eq(brick->options[0].key.text, "directory");
	ck_assert_str_eq(brick->options[0].value.text, "/x");
	ck_assert_str_eq(brick->options[1].key.text, "o");
	ck_assert_uint_eq(brick->nr_subvolumes, 0);
	ck_assert_str_eq(server->type.text, "protocol/server");
	ck_assert_uint_eq(server->nr_subvolumes, 1);
	ck_assert_str_eq(server->subvolumes[0].text, "brick");
	ck_assert_ptr_eq(volfile_find(vf, "brick"), brick);
	ck_assert_ptr_null(volfile_find(vf, "bric"));
	ck_assert_ptr_eq(volfile_top(vf), server);
	ck_assert_ptr_null(volfile_option(brick, "nothing"));
	volfile_free(vf);
}
END_TEST

static void expect_pos(struct vf_pos pos, uint32_t line, uint32_t column)
{
	ck_assert_uint_eq(pos.line, line);
	ck_assert_uint_eq(pos.column, column);
}

START_TEST(every_word_has_its_place)
{
	struct volfile *vf = parse("\xef\xbb\xbf" "volume a type\tx\r\n  option k \"two\nlines\" "
				   "option l v\nend-volume\n"
				   "volume b type t\n\n subvolumes\n  a end-volume");
	const struct vf_volume *a = &vf->volumes[0], *b = &vf->volumes[1];

	expect_pos(a->pos, 1, 1);
	expect_pos(a->name.pos, 1, 8);
	expect_pos(a->type.pos, 1, 15);
	expect_pos(a->options[0].key.pos, 2, 10);
	expect_pos(a->options[0].value.pos, 2, 12);
	expect_pos(a->options[1].key.pos, 3, 15);
	expect_pos(a->end_pos, 4, 1);
	expect_pos(b->pos, 5, 1);
	expect_pos(b->subvolumes[0].pos, 8, 3);
	expect_pos(b->end_pos, 8, 5);
	volfile_free(vf);
}
END_TEST

START_TEST(values)
{
	expect_value("v", "v");
	expect_value("/tmp/p#p", "/tmp/p#p");
	expect_value("5%#%", "5%#%");
	expect_value("*:1MB,*.html:2", "*:1MB,*.html:2");
	expect_value("`cmd` # comment", "`cmd`");
	expect_value("v #comment \"not a quote", "v");
	expect_value("\"\"", "");
	expect_value("\"a b\"", "a b");
	expect_value("\"#a\"", "#a");
	expect_value("\"a\nb\"", "a\nb");
	expect_value("\"a\r\n\tb\"", "a\r\n\tb");
	expect_value("\"\\\"\\\\\\n\"", "\"\\n");
	expect_value("\"a\\\nb\"", "a\nb");
	expect_value("\"end-volume\"", "end-volume");
	expect_value("\x22\x01\x7f\x22", "\x01\x7f");
	expect_value("gr\u00fc\u00df", "gr\u00fc\u00df");
	expect_value("\xff\xfe", "\xff\xfe");
	expect_value("volume2", "volume2");
	expect_value("Option", "Option");
	expect_value("\n\n  v", "v");
}
END_TEST

/* Each keyword but end-volume may be a value without quotes, in the line of its option. */
START_TEST(keywords_as_values)
{
	expect_value("type", "type");
	expect_value("volume", "volume");
	expect_value("option", "option");
	expect_value("subvolumes", "subvolumes");
	expect_value("subvolumeS", "subvolumeS");
	expect_value("type option l type", "type");
}
END_TEST

/* 1.3 put the second quoted text of a file behind the first. */
START_TEST(quoted_texts_are_each_their_own)
{
	struct volfile *vf = parse("volume \"b\" type \"t\" option \"k\" \"v w\" end-volume "
				   "volume \"c\" type \"t\" subvolumes \"b\" end-volume");

	ck_assert_str_eq(vf->volumes[0].options[0].value.text, "v w");
	ck_assert_str_eq(vf->volumes[1].name.text, "c");
	ck_assert_str_eq(vf->volumes[1].subvolumes[0].text, "b");
	volfile_free(vf);
}
END_TEST

START_TEST(printing)
{
	expect_printed("volume a option k \"v w\" type t end-volume volume b type t "
		       "subvolumes a option \"type\" \"\" end-volume",
		       "volume a\n  type t\n  option k \"v w\"\nend-volume\n\n"
		       "volume b\n  type t\n  option \"type\" \"\"\n  subvolumes a\nend-volume\n");
	expect_printed("volume \"volume\" type t option \"#\" \"\\\"\\\\\" end-volume",
		       "volume \"volume\"\n  type t\n  option \"#\" \"\\\"\\\\\"\nend-volume\n");
	expect_printed("volume a# type t end-volume", "volume a#\n  type t\nend-volume\n");
}
END_TEST

START_TEST(printing_to_a_full_disk)
{
	struct volfile *vf = parse("volume a type t end-volume");
	FILE *out = fopen("/dev/full", "w");

	if (out) {
		ck_assert_int_eq(volfile_print(vf, out), -ENOSPC);
		fclose(out);
	}
	volfile_free(vf);
}
END_TEST

START_TEST(layout_means_nothing)
{
	static const char *const files[] = {
		"volume b type t option k v end-volume volume s type t subvolumes b end-volume",
		"volume\nb\ntype\nt\noption\nk\nv\nend-volume\nvolume\ns\ntype\nt\nsubvolumes\nb\n"
		"end-volume",
		"volume b\r\n\ttype t\r\n\toption k v\r\nend-volume\r\n\r\nvolume s\r\n\ttype t\r\n"
		"\tsubvolumes b\r\nend-volume\r\n",
		"volume b # one\n # two\n type t #\n option k #\"\n#\nv end-volume #\n#\n"
		"volume s type t subvolumes #\n b end-volume #",
	};
	struct volfile *first = parse(files[0]);
	char *expected = print(first);

	expect_printed(files[1], expected);
	expect_printed(files[2], expected);
	expect_printed(files[3], expected);
	free(expected);
	volfile_free(first);
}
END_TEST

START_TEST(subvolumes_from_anywhere)
{
	struct volfile *vf = parse("volume b type t subvolumes a end-volume\n"
				   "volume a type t end-volume\n"
				   "volume top type t subvolumes b\n subvolumes a end-volume");

	ck_assert_uint_eq(volfile_top(vf)->nr_subvolumes, 2);
	ck_assert_str_eq(volfile_top(vf)->subvolumes[1].text, "a");
	volfile_free(vf);
}
END_TEST

/* A growing text. */
struct buffer {
	char *text;
	size_t size;
	FILE *out;
};

static void buffer_open(struct buffer *b)
{
	b->out = open_memstream(&b->text, &b->size);
	ck_assert_ptr_nonnull(b->out);
}

/* Parses what was written; expects that message, or a tree when it is NULL. */
static void buffer_expect(struct buffer *b, const char *message)
{
	struct diag *d = diag_new();
	struct volfile *vf;

	fclose(b->out);
	vf = volfile_parse("test.vol", b->text, b->size, d);
	if (message)
		ck_assert_str_eq(diag_message(d, 0, NULL, NULL), message);
	else
		ck_assert_msg(!!vf, "%s", diag_message(d, 0, NULL, NULL));
	ck_assert_uint_le(diag_errors(d), 1);
	volfile_free(vf);
	diag_free(d);
	free(b->text);
}

static void expect_word_limit(int len, bool quoted, const char *message)
{
	const char *quote = quoted ? "\"" : "";
	struct buffer b;

	buffer_open(&b);
	fprintf(b.out, "volume b type t option k %s%0*d%s end-volume", quote, len, 0, quote);
	buffer_expect(&b, message);
}

START_TEST(limit_of_a_word)
{
	expect_word_limit(VF_MAX_WORD, false, NULL);
	expect_word_limit(VF_MAX_WORD, true, NULL);
	expect_word_limit(VF_MAX_WORD + 1, false, "a word of 4096 bytes: 4095 is the longest");
	expect_word_limit(VF_MAX_WORD + 1, true, "a word of 4096 bytes: 4095 is the longest");
}
END_TEST

/* A volume with nr clauses, numbered. */
static void expect_clause_limit(const char *clause, int nr, const char *message)
{
	struct buffer b;

	buffer_open(&b);
	for (int i = 0; i < nr; i++)
		fprintf(b.out, "volume v%d type t end-volume\n", i);
	fprintf(b.out, "volume b type t\n");
	for (int i = 0; i < nr; i++) {
		fprintf(b.out, clause[0] == 'o' ? "option k%d v\n" : "subvolumes v%d\n", i);
	}
	fprintf(b.out, "end-volume\n");
	buffer_expect(&b, message);
}

START_TEST(limits_of_a_volume)
{
	expect_clause_limit("option", VF_MAX_OPTIONS, NULL);
	expect_clause_limit("option", VF_MAX_OPTIONS + 9, "more than 1024 options in one volume");
	expect_clause_limit("subvolumes", VF_MAX_SUBVOLUMES, NULL);
	expect_clause_limit("subvolumes", VF_MAX_SUBVOLUMES + 9,
			    "more than 1024 subvolumes in one volume");
}
END_TEST

static void expect_volume_limit(int nr, const char *message)
{
	struct buffer b;

	buffer_open(&b);
	for (int i = 0; i < nr; i++)
		fprintf(b.out, "volume v%d type t end-volume\n", i);
	buffer_expect(&b, message);
}

START_TEST(limit_of_volumes)
{
	expect_volume_limit(VF_MAX_VOLUMES, NULL);
	expect_volume_limit(VF_MAX_VOLUMES + 1, "more than 4096 volumes");
}
END_TEST

/* nr volumes, each on top of the one before it; written from the bottom or from the top. */
static void expect_depth(int nr, bool top_first, const char *message)
{
	struct buffer b;

	buffer_open(&b);
	for (int i = 0; i < nr; i++) {
		int v = top_first ? nr - 1 - i : i;

		fprintf(b.out, "volume v%d\n  type t\n", v);
		if (v > 0)
			fprintf(b.out, "  subvolumes v%d\n", v - 1);
		fprintf(b.out, "end-volume\n");
	}
	buffer_expect(&b, message);
}

START_TEST(limit_of_depth)
{
	expect_depth(VF_MAX_DEPTH, false, NULL);
	expect_depth(VF_MAX_DEPTH, true, NULL);
	expect_depth(VF_MAX_DEPTH + 1, false, "more than 256 volumes on top of each other");
	expect_depth(VF_MAX_DEPTH + 1, true, "more than 256 volumes on top of each other");
	expect_depth(VF_MAX_VOLUMES, false, "more than 256 volumes on top of each other");
	expect_depth(VF_MAX_VOLUMES, true, "more than 256 volumes on top of each other");
}
END_TEST

/* As many edges as a file can hold, and as many paths as that makes. */
START_TEST(wide_and_deep)
{
	struct buffer b;

	buffer_open(&b);
	for (int layer = 0; layer < VF_MAX_DEPTH; layer++)
		for (int i = 0; i < 16; i++) {
			fprintf(b.out, "volume v%d.%d type t ", layer, i);
			for (int j = 0; layer > 0 && j < 16; j++)
				fprintf(b.out, "subvolumes v%d.%d ", layer - 1, j);
			fprintf(b.out, "end-volume\n");
		}
	buffer_expect(&b, NULL);
}
END_TEST

START_TEST(long_loops_are_shortened)
{
	struct buffer b;

	buffer_open(&b);
	for (int i = 0; i < 200; i++)
		fprintf(b.out, "volume v%d type t subvolumes v%d end-volume\n", i, (i + 1) % 200);
	buffer_expect(&b, "the subvolumes loop: v0 -> v1 -> v2 -> v3 -> v4 -> v5 -> v6 -> v7 -> "
			  "... -> v0");
}
END_TEST

/* --- Trees made by hand --- */

START_TEST(check_without_a_parser)
{
	struct vf_word sub = { .text = "b" };
	struct vf_volume volumes[] = {
		{ .name.text = "a", .type.text = "t", .subvolumes = &sub, .nr_subvolumes = 1 },
		{ .name.text = "b", .type.text = "t" },
		{ .name.text = NULL, .type.text = NULL },
	};
	struct volfile vf = { .volumes = volumes, .nr_volumes = 3 };
	struct diag *d = diag_new();

	ck_assert_uint_eq(volfile_check(&vf, d), 2);
	ck_assert_str_eq(diag_message(d, 0, NULL, NULL), "a volume without a name");
	ck_assert_str_eq(diag_message(d, 1, NULL, NULL), "volume '' has no type");
	volumes[2] = (struct vf_volume){ .name.text = "c", .type.text = "t", .subvolumes = &sub,
					 .nr_subvolumes = 1 };
	ck_assert_uint_eq(volfile_check(&vf, d), 0);
	diag_free(d);
}
END_TEST

/* --- Files --- */

static void expect_unreadable(const char *path, const char *message)
{
	struct diag *d = diag_new();

	ck_assert_ptr_null(volfile_read(path, d));
	ck_assert_uint_eq(diag_count(d), 1);
	ck_assert_str_eq(diag_message(d, 0, NULL, NULL), message);
	diag_free(d);
}

START_TEST(what_cannot_be_read)
{
	expect_unreadable("/no/such/file", "cannot be opened: No such file or directory");
	expect_unreadable("/", "is a directory, not a volume file");
	expect_unreadable("/dev/null", "the file defines no volume");
	expect_unreadable("/dev/zero", "not a volume file but binary data: byte 1 is NUL");
}
END_TEST

START_TEST(a_file_of_100_mb)
{
	char path[128];
	int fd = mkstemp(unit_temporary(path, sizeof(path), "test_volfile"));

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, 100000000), 0);
	close(fd);
	expect_unreadable(path, "too large for a volume file: 100000000 bytes, 16 MiB is the most");
	unlink(path);
}
END_TEST

struct writer {
	int fd;
	size_t len;		/* bytes of 'x' to write, or 0: a volume */
};

static void *write_all(void *arg)
{
	static const char volume[] = "volume b\n  type t\nend-volume\n";
	struct writer *w = arg;
	char block[4096];

	memset(block, 'x', sizeof(block));
	if (w->len == 0)
		for (size_t i = 0; i < sizeof(volume) - 1; i++)	/* in small pieces */
			ck_assert_int_eq(write(w->fd, volume + i, 1), 1);
	while (w->len > 0 && write(w->fd, block, sizeof(block)) > 0)
		w->len -= sizeof(block);
	close(w->fd);
	return NULL;
}

/* Reads a pipe through /dev/fd, as `glusterfs -f /dev/stdin` does. */
static struct volfile *read_pipe(size_t len, struct diag *d)
{
	struct writer w = { .len = len };
	struct volfile *vf;
	pthread_t thread;
	char path[32];
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	w.fd = fds[1];
	ck_assert_int_eq(pthread_create(&thread, NULL, write_all, &w), 0);
	snprintf(path, sizeof(path), "/dev/fd/%d", fds[0]);
	vf = volfile_read(path, d);
	close(fds[0]);
	pthread_join(thread, NULL);
	return vf;
}

START_TEST(a_pipe)
{
	struct diag *d = diag_new();
	struct volfile *vf = read_pipe(0, d);

	ck_assert_msg(!!vf, "%s", diag_message(d, 0, NULL, NULL));
	ck_assert_str_eq(volfile_top(vf)->name.text, "b");
	volfile_free(vf);
	diag_free(d);
}
END_TEST

START_TEST(a_pipe_without_end)
{
	struct diag *d = diag_new();

	signal(SIGPIPE, SIG_IGN);
	ck_assert_ptr_null(read_pipe((size_t)1 << 40, d));
	ck_assert_str_eq(diag_message(d, 0, NULL, NULL),
			 "too large for a volume file: more than 16 MiB");
	diag_free(d);
}
END_TEST

/* --- Several at once --- */

static void *parse_often(void *arg)
{
	for (int i = 0; i < 200; i++) {
		struct diag *d = diag_new();
		struct volfile *vf = volfile_parse("x", arg, strlen(arg), d);

		if (!vf || strcmp(volfile_top(vf)->name.text, "b") != 0)
			arg = NULL;
		volfile_free(vf);
		diag_free(d);
		if (!arg)
			return arg;
	}
	return arg;
}

START_TEST(parsers_in_threads)
{
	pthread_t threads[4];
	char text[] = "volume a type t option k \"v w\" end-volume volume b type t end-volume";
	void *ret;

	for (size_t i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, parse_often, text), 0);
	for (size_t i = 0; i < 4; i++) {
		pthread_join(threads[i], &ret);
		ck_assert_ptr_nonnull(ret);
	}
}
END_TEST

START_TEST(freeing_nothing)
{
	volfile_free(NULL);
	ck_assert_ptr_null(volfile_parse("x", NULL, 0, NULL));
}
END_TEST

UNIT_MAIN("volfile", tree_is_what_was_written, every_word_has_its_place, values,
	  keywords_as_values, quoted_texts_are_each_their_own, printing, printing_to_a_full_disk,
	  layout_means_nothing, subvolumes_from_anywhere, limit_of_a_word, limits_of_a_volume,
	  limit_of_volumes, limit_of_depth, wide_and_deep, long_loops_are_shortened,
	  check_without_a_parser, what_cannot_be_read, a_file_of_100_mb, a_pipe,
	  a_pipe_without_end, parsers_in_threads, freeing_nothing)
