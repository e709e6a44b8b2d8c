/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * closetoopen - what was written and closed through one mount is read when it is opened through another, at once.
 *
 *	closetoopen DIR OTHER-DIR ROUNDS
 *
 * The two directories are the same one, mounted on two hosts.  Each round changes a file in one way (below) through
 * one of them and looks through the other, with no time between; the sides take turns.  The reader
 * knows the file from the rounds before: names, attributes and pages of it are in its kernel's caches.
 * The two directories have to be new ones, empty.
 *
 * Exit status: 0, 1 when something old was seen (which is said), 2 trouble.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SIZE_MAX_ = 1 << 18, TROUBLE = 2 };

struct test {
	int dir[2];		/* the writer's side is dir[side] */
	int side;
	unsigned round;
	char *bytes;		/* what the file must have */
	size_t size;
	char *read;
	unsigned failures;
};

struct way {
	const char *name;
	void (*change)(struct test *t, const char *file);
};

__attribute__((format(printf, 2, 3)))
static void stale(struct test *t, const char *format, ...)
{
	va_list ap;

	t->failures++;
	printf("round %u, %s to %s: ", t->round, t->side ? "second" : "first", t->side ? "first" : "second");
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
}

static int writer(const struct test *t)
{
	return t->dir[t->side];
}

static int reader(const struct test *t)
{
	return t->dir[!t->side];
}

/* ---- changes ------------------------------------------------------------------------------------- */

static void fill(struct test *t, size_t from, size_t size)
{
	for (size_t i = from; i < size; i++)
		t->bytes[i] = 'a' + (i * 7 + t->round * 11) % 26;
	t->size = size;
}

static void put(struct test *t, const char *file, int flags, size_t from)
{
	int fd = openat(writer(t), file, O_WRONLY | O_CLOEXEC | flags, 0644);

	if (fd < 0)
		err(TROUBLE, "open to write %s", file);
	for (size_t at = from; at < t->size;) {
		ssize_t n = flags & O_APPEND ? write(fd, t->bytes + at, t->size - at) :
			    pwrite(fd, t->bytes + at, t->size - at, at);

		if (n < 0)
			err(TROUBLE, "write %s", file);
		at += n;
	}
	if (close(fd))
		err(TROUBLE, "close %s", file);
}

static void overwrite(struct test *t, const char *file)
{
	fill(t, 0, t->size);
	put(t, file, O_CREAT, 0);
}

static void replace(struct test *t, const char *file)
{
	fill(t, 0, t->size);
	put(t, file, O_CREAT | O_TRUNC, 0);
}

static void replace_by_other_size(struct test *t, const char *file)
{
	fill(t, 0, t->size > 1000 ? 17 : 40000);
	put(t, file, O_CREAT | O_TRUNC, 0);
}

static void grow(struct test *t, const char *file)
{
	size_t from = t->size;

	fill(t, from, from + 4096 + t->round % 5000 < SIZE_MAX_ ? from + 4096 + t->round % 5000 : SIZE_MAX_);
	put(t, file, O_CREAT | O_APPEND, from);
}

static void shrink(struct test *t, const char *file)
{
	int fd = openat(writer(t), file, O_WRONLY | O_CLOEXEC);

	t->size = t->size / 3 + 1;
	if (fd < 0 || ftruncate(fd, t->size) || close(fd))
		err(TROUBLE, "truncate %s", file);
}

static void rename_over(struct test *t, const char *file)
{
	fill(t, 0, t->size);
	put(t, "new", O_CREAT | O_EXCL, 0);
	if (renameat(writer(t), "new", writer(t), file))
		err(TROUBLE, "rename over %s", file);
}

static void one_byte(struct test *t, const char *file)
{
	int fd = openat(writer(t), file, O_WRONLY | O_CLOEXEC);
	size_t at = t->size / 2;

	t->bytes[at] = t->bytes[at] == 'Z' ? 'Y' : 'Z';
	if (fd < 0 || pwrite(fd, t->bytes + at, 1, at) != 1 || close(fd))
		err(TROUBLE, "write one byte of %s", file);
}

static const struct way ways[] = {
	{ "overwritten, the same size", overwrite },
	{ "truncated and written, the same size", replace },
	{ "truncated and written, another size", replace_by_other_size },
	{ "appended to", grow },
	{ "made shorter", shrink },
	{ "another renamed over it", rename_over },
	{ "one byte changed", one_byte },
};
enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

/* ---- looking --------------------------------------------------------------------------------------- */

static void look_at_bytes(struct test *t, int fd, const char *what, bool map)
{
	ssize_t n = 0, now;
	void *mapped = MAP_FAILED;
	const char *seen = t->read;

	if (map) {
		mapped = mmap(NULL, t->size, PROT_READ, MAP_SHARED, fd, 0);
		if (mapped == MAP_FAILED)
			return stale(t, "%s: mmap: %s", what, strerror(errno));
		seen = mapped;
		n = t->size;
	} else {
		while (n < SIZE_MAX_ && (now = read(fd, t->read + n, SIZE_MAX_ - n)) > 0)
			n += now;
		if (n < SIZE_MAX_ && now < 0)
			return stale(t, "%s: read: %s", what, strerror(errno));
	}
	if ((size_t)n != t->size)
		stale(t, "%s: %zd bytes are read, not %zu", what, n, t->size);
	else if (memcmp(seen, t->bytes, n))
		stale(t, "%s: old bytes are %s", what, map ? "mapped" : "read");
	if (mapped != MAP_FAILED)
		munmap(mapped, t->size);
}

/* Opens and looks; mapped pages in every third round. */
static void look(struct test *t, const char *file, const char *what)
{
	struct stat st;
	int fd = openat(reader(t), file, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return stale(t, "%s: open: %s", what, strerror(errno));
	if (fstat(fd, &st))
		stale(t, "%s: fstat: %s", what, strerror(errno));
	else if ((size_t)st.st_size != t->size)
		stale(t, "%s: the size is %jd, not %zu", what, (intmax_t)st.st_size, t->size);
	else
		look_at_bytes(t, fd, what, t->round % 3 == 0);
	close(fd);
}

static void check_listed(struct test *t, const char *name)
{
	int fd = openat(reader(t), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	bool found = false;

	if (!d)
		err(TROUBLE, "cannot list");
	for (struct dirent *e; (e = readdir(d));)
		found |= !strcmp(e->d_name, name);
	closedir(d);
	if (!found)
		stale(t, "%s was made, but a listing that began later has it not", name);
}

/* A name that the reader has just looked for in vain is there as soon as it is made. */
static void check_new_name(struct test *t)
{
	char name[64];
	struct stat st;

	snprintf(name, sizeof(name), "name.%u", t->round);
	if (!fstatat(reader(t), name, &st, 0) || errno != ENOENT || !faccessat(reader(t), name, F_OK, 0))
		stale(t, "%s is there too early", name);
	switch (t->round % 3) {
	case 0:
		if (mkdirat(writer(t), name, 0755))
			err(TROUBLE, "mkdir");
		break;
	case 1:
		if (symlinkat("file", writer(t), name))
			err(TROUBLE, "symlink");
		break;
	default:
		put(t, name, O_CREAT | O_EXCL, 0);
		look(t, name, "a new file");
	}
	if (fstatat(reader(t), name, &st, AT_SYMLINK_NOFOLLOW))
		stale(t, "%s was made: %s", name, strerror(errno));
	check_listed(t, name);
	if (unlinkat(writer(t), name, t->round % 3 ? 0 : AT_REMOVEDIR))
		err(TROUBLE, "unlink %s", name);
}

int main(int argc, char **argv)
{
	struct test t = { .size = 5000 };
	unsigned rounds;

	if (argc != 4)
		errx(TROUBLE, "usage: closetoopen DIR OTHER-DIR ROUNDS");
	rounds = strtoul(argv[3], NULL, 10);
	t.bytes = calloc(1, SIZE_MAX_ + 1);
	t.read = calloc(1, SIZE_MAX_ + 1);
	for (int i = 0; i < 2; i++) {
		t.dir[i] = open(argv[i + 1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (t.dir[i] < 0)
			err(TROUBLE, "%s", argv[i + 1]);
	}
	if (!t.bytes || !t.read)
		err(TROUBLE, "memory");
	for (; t.round < rounds && t.failures < 20; t.round++) {
		const struct way *way = &ways[t.round ? (t.round / 2) % WAYS : 0];

		t.side = t.round & 1;
		way->change(&t, "file");
		look(&t, "file", way->name);
		check_new_name(&t);
	}
	free(t.bytes);
	free(t.read);
	printf("%u rounds, %u times something old\n", t.round, t.failures);
	return t.failures != 0;
}
