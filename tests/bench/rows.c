/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The rows of the benchmark: what is done, what must be there before, how it is verified.
 *
 * A process's directory holds e/ (empty files), s/ (files of 4 KiB), m/ (directories) and the
 * files seq, rnd, rw and app. A preparation uses what an earlier row left when it is exactly
 * what it needs, and makes it anew otherwise: in the order of the table little is made twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fsbench.h"

/* ---- preparations ---- */

static void no_files(struct worker *w)
{
	mkdir_or_die("e");
	folder_empty(w, "e");
	w->prefix = 'f';
}

static void empty_files(struct worker *w)
{
	mkdir_or_die("e");
	names_read(w, "e");
	w->prefix = names_are(w, 'r') ? 'r' : 'f';
	if (names_are(w, w->prefix))
		return;
	folder_empty(w, "e");
	for (long i = 0; i < w->count; i++)
		close_or_die(open_or_die(name_in("e", 'f', i), O_WRONLY | O_CREAT | O_EXCL), "e/");
}

static void no_folders(struct worker *w)
{
	mkdir_or_die("m");
	folder_empty(w, "m");
}

static void no_small(struct worker *w)
{
	mkdir_or_die("s");
	folder_empty(w, "s");
}

static void small_ready(struct worker *w, long i)
{
	pattern_fill(w->buf, BLOCK, pattern_key(w->number, i, 0), 0);
}

static void small_write(struct worker *w, long i)
{
	const char *name = name_in("s", 'f', i);
	int fd = open_or_die(name, O_WRONLY | O_CREAT | O_EXCL);

	write_or_die(fd, w->buf, BLOCK, name);
	close_or_die(fd, name);
}

static void small_files(struct worker *w)
{
	mkdir_or_die("s");
	names_read(w, "s");
	if (names_are(w, 'f'))
		return;
	folder_empty(w, "s");
	for (long i = 0; i < w->count; i++) {
		small_ready(w, i);
		small_write(w, i);
	}
}

/* ---- rows: names ---- */

static void create_op(struct worker *w, long i)
{
	const char *name = name_in("e", 'f', i);

	close_or_die(open_or_die(name, O_WRONLY | O_CREAT | O_EXCL), name);
}

static void empty_verify(struct worker *w)
{
	names_read(w, "e");
	if (!names_are(w, w->prefix))
		die("WRONG NAMES in e/ afterwards: %ld, made %ld", w->n_names, w->count);
}

static void stat_name(const char *name)
{
	struct stat st;

	if (lstat(name, &st) < 0)
		die("lstat %s: %s", name, strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_size != 0 || st.st_nlink < 1)
		die("WRONG ATTRIBUTES of %s: mode %o size %lld", name, (unsigned)st.st_mode,
		    (long long)st.st_size);
}

static void stat_op(struct worker *w, long i)
{
	stat_name(name_in("e", w->prefix, i));
}

static void missing_op(struct worker *w, long i)
{
	char name[NAME_LEN];
	struct stat st;

	snprintf(name, sizeof(name), "e/no-%" PRIx64 "-%ld", w->salt, i);
	if (lstat(name, &st) == 0 || errno != ENOENT)
		die("lstat %s: expected ENOENT", name);
}

static void ls_begin(struct worker *w)
{
	names_read(w, "e");
	if (w->n_names != w->count)
		die("WRONG NAMES in e/: readdir gave %ld of %ld", w->n_names, w->count);
}

static void ls_op(struct worker *w, long i)
{
	char path[NAME_LEN + 256];

	snprintf(path, sizeof(path), "e/%s", w->names[i]);
	stat_name(path);
}

static void ls_verify(struct worker *w)
{
	if (!names_are(w, w->prefix))
		die("WRONG NAMES in e/: some twice, some not there");
}

static mode_t chmod_mode(const struct worker *w)
{
	return w->salt & 1 ? 0600 : 0755;
}

static void chmod_op(struct worker *w, long i)
{
	const char *name = name_in("e", w->prefix, i);

	if (chmod(name, chmod_mode(w)) < 0)
		die("chmod %s: %s", name, strerror(errno));
}

static void chmod_verify(struct worker *w)
{
	struct stat st;

	for (long i = 0; i < w->count; i++) {
		const char *name = name_in("e", w->prefix, i);

		if (lstat(name, &st) < 0 || (st.st_mode & 07777) != chmod_mode(w))
			die("WRONG MODE of %s: %o", name, (unsigned)st.st_mode);
	}
}

static void rename_op(struct worker *w, long i)
{
	const char *from = name_in("e", w->prefix, i);
	const char *to = name_in("e", w->prefix == 'f' ? 'r' : 'f', i);

	if (rename(from, to) < 0)
		die("rename %s %s: %s", from, to, strerror(errno));
}

static void rename_verify(struct worker *w)
{
	w->prefix = w->prefix == 'f' ? 'r' : 'f';
	empty_verify(w);
}

static void unlink_op(struct worker *w, long i)
{
	const char *name = name_in("e", w->prefix, i);

	if (unlink(name) < 0)
		die("unlink %s: %s", name, strerror(errno));
}

static void unlink_verify(struct worker *w)
{
	names_read(w, "e");
	if (w->n_names != 0)
		die("WRONG NAMES in e/: %ld left after unlink", w->n_names);
}

static void mkdir_op(struct worker *w, long i)
{
	const char *name = name_in("m", 'd', i);

	if (mkdir(name, 0755) < 0)
		die("mkdir %s: %s", name, strerror(errno));
}

static void mkdir_verify(struct worker *w)
{
	names_read(w, "m");
	if (!names_are(w, 'd'))
		die("WRONG NAMES in m/ afterwards: %ld, made %ld", w->n_names, w->count);
	folder_empty(w, "m");
}

/* ---- rows: data ---- */

static void smallwrite_verify(struct worker *w)
{
	for (long i = 0; i < w->count; i++)
		big_verify(w, name_in("s", 'f', i), BLOCK, pattern_key(w->number, i, 0));
}

static void smallread_op(struct worker *w, long i)
{
	const char *name = name_in("s", 'f', i);
	int fd = open_or_die(name, O_RDONLY);

	read_or_die(fd, w->buf, BLOCK, name);
	close_or_die(fd, name);
}

static void smallread_check(struct worker *w, long i)
{
	pattern_check(w->buf, BLOCK, pattern_key(w->number, i, 0), 0, name_in("s", 'f', i));
}

static uint64_t seq_key(const struct worker *w)
{
	return pattern_key(w->number, -1, 0);
}

static void seqwrite_begin(struct worker *w)
{
	w->fd = open_or_die("seq", O_WRONLY | O_CREAT | O_EXCL);
}

static void seqwrite_prepare(struct worker *w)
{
	unlink("seq");
}

static void seqwrite_ready(struct worker *w, long i)
{
	pattern_fill(w->buf, STREAM, seq_key(w), (uint64_t)i * STREAM);
}

static void seqwrite_op(struct worker *w, long i)
{
	write_or_die(w->fd, w->buf, STREAM, "seq");
}

static void fd_end(struct worker *w)
{
	close_or_die(w->fd, "the file");
}

static void seqwrite_verify(struct worker *w)
{
	big_verify(w, "seq", (uint64_t)w->count * STREAM, seq_key(w));
}

static void seqread_prepare(struct worker *w)
{
	big_file(w, "seq", (uint64_t)w->count * STREAM, seq_key(w));
}

static void seqread_begin(struct worker *w)
{
	w->fd = open_or_die("seq", O_RDONLY);
}

static void seqread_op(struct worker *w, long i)
{
	read_or_die(w->fd, w->buf, STREAM, "seq");
}

static void seqread_check(struct worker *w, long i)
{
	pattern_check(w->buf, STREAM, seq_key(w), (uint64_t)i * STREAM, "seq");
}

/* A power of two with an odd factor: every block once, in an order no read-ahead guesses. */
static long rand_block(const struct worker *w, long i)
{
	return (long)(((uint64_t)i * 2654435761u + 12345) & (uint64_t)(w->n_blocks - 1));
}

static uint64_t rand_size(struct worker *w)
{
	for (w->n_blocks = 256; w->n_blocks < w->count;)
		w->n_blocks *= 2;
	return (uint64_t)w->n_blocks * BLOCK;
}

static void randread_prepare(struct worker *w)
{
	big_file(w, "rnd", rand_size(w), pattern_key(w->number, -2, 0));
}

static void randread_begin(struct worker *w)
{
	w->fd = open_or_die("rnd", O_RDONLY);
}

static void randread_op(struct worker *w, long i)
{
	ssize_t n = pread(w->fd, w->buf, BLOCK, (off_t)rand_block(w, i) * BLOCK);

	if (n != BLOCK)
		die("pread: %zd: %s", n, n < 0 ? strerror(errno) : "short");
}

static void randread_check(struct worker *w, long i)
{
	pattern_check(w->buf, BLOCK, pattern_key(w->number, -2, 0),
		      (uint64_t)rand_block(w, i) * BLOCK, "rnd");
}

static void randwrite_prepare(struct worker *w)
{
	big_write(w, "rw", rand_size(w), pattern_key(w->number, -3, 0));
}

static void randwrite_begin(struct worker *w)
{
	w->fd = open_or_die("rw", O_WRONLY);
}

static void randwrite_ready(struct worker *w, long i)
{
	pattern_fill(w->buf, BLOCK, pattern_key(w->number, -3, 1),
		     (uint64_t)rand_block(w, i) * BLOCK);
}

static void randwrite_op(struct worker *w, long i)
{
	ssize_t n = pwrite(w->fd, w->buf, BLOCK, (off_t)rand_block(w, i) * BLOCK);

	if (n != BLOCK)
		die("pwrite: %zd: %s", n, n < 0 ? strerror(errno) : "short");
}

/* The blocks we wrote are of generation 1, the others still of generation 0. */
static void randwrite_verify(struct worker *w)
{
	bool *written = calloc((size_t)w->n_blocks, sizeof(*written));
	int fd = open_to_verify("rw", rand_size(w));

	if (written == NULL)
		die("out of memory");
	for (long i = 0; i < w->count; i++)
		written[rand_block(w, i)] = true;
	for (long b = 0; b < w->n_blocks; b++) {
		read_or_die(fd, w->buf, BLOCK, "rw");
		pattern_check(w->buf, BLOCK, pattern_key(w->number, -3, written[b]),
			      (uint64_t)b * BLOCK, "rw");
	}
	close_or_die(fd, "rw");
	free(written);
}

static void append_prepare(struct worker *w)
{
	w->fd = open_or_die("app", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND);
}

static void append_ready(struct worker *w, long i)
{
	pattern_fill(w->buf, BLOCK, pattern_key(w->number, -4, 0), (uint64_t)i * BLOCK);
}

static void append_op(struct worker *w, long i)
{
	write_or_die(w->fd, w->buf, BLOCK, "app");
	if (fdatasync(w->fd) < 0)
		die("fdatasync: %s", strerror(errno));
}

static void append_verify(struct worker *w)
{
	big_verify(w, "app", (uint64_t)w->count * BLOCK, pattern_key(w->number, -4, 0));
}

const struct row rows[] = {
	{ "create", "open(O_CREAT|O_EXCL) and close", .prepare = no_files,
	  .op = create_op, .verify = empty_verify },
	{ "stat", "lstat, cold", COLD_NAMES, .prepare = empty_files, .op = stat_op },
	{ "missing", "lstat of names that do not exist", .prepare = empty_files,
	  .op = missing_op },
	{ "ls", "readdir and lstat of each (ls -l), cold; per entry", COLD_NAMES,
	  .prepare = empty_files, .begin = ls_begin, .op = ls_op, .verify = ls_verify },
	{ "chmod", "chmod", .prepare = empty_files, .op = chmod_op, .verify = chmod_verify },
	{ "rename", "rename within a directory", .prepare = empty_files, .op = rename_op,
	  .verify = rename_verify },
	{ "unlink", "unlink", .prepare = empty_files, .op = unlink_op,
	  .verify = unlink_verify },
	{ "mkdir", "mkdir", .prepare = no_folders, .op = mkdir_op, .verify = mkdir_verify },
	{ "smallwrite", "create, write 4 KiB, close", .prepare = no_small,
	  .ready = small_ready, .op = small_write, .verify = smallwrite_verify },
	{ "smallread", "open, read 4 KiB, close, cold", COLD_DATA, .prepare = small_files,
	  .op = smallread_op, .check = smallread_check },
	{ "seqwrite", "write of 1 MiB, one after the other", .stream = true,
	  .prepare = seqwrite_prepare, .begin = seqwrite_begin, .ready = seqwrite_ready,
	  .op = seqwrite_op, .end = fd_end, .verify = seqwrite_verify },
	{ "seqread", "read of 1 MiB, one after the other, cold", COLD_DATA, .stream = true,
	  .prepare = seqread_prepare, .begin = seqread_begin, .op = seqread_op,
	  .check = seqread_check, .end = fd_end },
	{ "randwrite", "pwrite of 4 KiB, random", .prepare = randwrite_prepare,
	  .begin = randwrite_begin, .ready = randwrite_ready, .op = randwrite_op,
	  .end = fd_end, .verify = randwrite_verify },
	{ "randread", "pread of 4 KiB, random, cold", COLD_DATA, .prepare = randread_prepare,
	  .begin = randread_begin, .op = randread_op, .check = randread_check, .end = fd_end },
	{ "append", "write 4 KiB at the end and fdatasync", .prepare = append_prepare,
	  .ready = append_ready, .op = append_op, .end = fd_end, .verify = append_verify },
	{ NULL },
};

