/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The pattern in the data, and files and folders for fsbench.
 *
 * Idea: each 8-byte word is a function of process, file, generation and offset, so a block
 * that went to the wrong place, is old, or is another file's is found, not only a torn one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fsbench.h"

uint64_t pattern_key(int number, long file, uint64_t gen)
{
	uint64_t k = ((uint64_t)(unsigned)number << 48) ^ ((uint64_t)file << 8) ^ gen;

	k = (k ^ (k >> 31)) * 0xbf58476d1ce4e5b9u;
	return k ^ (k >> 29);
}

void pattern_fill(char *buf, size_t len, uint64_t key, uint64_t offset)
{
	uint64_t *word = (uint64_t *)buf;

	for (size_t i = 0; i < len / 8; i++)
		word[i] = (key + offset / 8 + i) * 0x9e3779b97f4a7c15u;
}

void pattern_check(const char *buf, size_t len, uint64_t key, uint64_t offset,
			  const char *name)
{
	const uint64_t *word = (const uint64_t *)buf;

	for (size_t i = 0; i < len / 8; i++) {
		uint64_t want = (key + offset / 8 + i) * 0x9e3779b97f4a7c15u;

		if (word[i] != want)
			die("WRONG DATA in %s at offset %" PRIu64 ": %016" PRIx64 ", not %016" PRIx64,
			    name, offset + i * 8, word[i], want);
	}
}

int open_or_die(const char *name, int flags)
{
	int fd = open(name, flags | O_CLOEXEC, 0644);

	if (fd < 0)
		die("open %s: %s", name, strerror(errno));
	return fd;
}

void close_or_die(int fd, const char *name)
{
	if (close(fd) < 0)
		die("close %s: %s", name, strerror(errno));
}

void write_or_die(int fd, const char *buf, size_t len, const char *name)
{
	ssize_t n = write(fd, buf, len);

	if (n != (ssize_t)len)
		die("write %s: %zd of %zu: %s", name, n, len, n < 0 ? strerror(errno) : "short");
}

void read_or_die(int fd, char *buf, size_t len, const char *name)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = read(fd, buf + done, len - done);

		if (n <= 0)
			die("read %s: %zu of %zu: %s", name, done, len,
			    n < 0 ? strerror(errno) : "end of file");
		done += (size_t)n;
	}
}

void mkdir_or_die(const char *name)
{
	if (mkdir(name, 0755) < 0 && errno != EEXIST)
		die("mkdir %s: %s", name, strerror(errno));
}

const char *name_in(const char *folder, char prefix, long i)
{
	static char name[2][NAME_LEN];	/* two: rename needs both at once */
	static int turn;

	turn = !turn;
	snprintf(name[turn], NAME_LEN, "%s/%c%ld", folder, prefix, i);
	return name[turn];
}

/* Calls each(name) for every entry of a folder; returns how many there were. */
static long folder_each(const char *folder, void (*each)(const char *name, void *arg), void *arg)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	long n = 0;

	if (dir == NULL)
		die("opendir %s: %s", folder, strerror(errno));
	errno = 0;
	while ((entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
			each(entry->d_name, arg);
			n++;
		}
		errno = 0;
	}
	if (errno != 0)
		die("readdir %s: %s", folder, strerror(errno));
	closedir(dir);
	return n;
}

static void names_add(const char *name, void *arg)
{
	struct worker *w = arg;

	/* More names than we made is found out by whoever looks at n_names. */
	if (w->n_names < w->count && (w->names[w->n_names] = strdup(name)) == NULL)
		die("out of memory");
	w->n_names++;
}

void names_read(struct worker *w, const char *folder)
{
	for (long i = 0; i < w->n_names && i < w->count; i++)
		free(w->names[i]);
	w->n_names = 0;
	folder_each(folder, names_add, w);
}

/* Are the names exactly prefix0 .. prefix<count-1>, each once? */
bool names_are(const struct worker *w, char prefix)
{
	bool *seen = calloc((size_t)w->count, sizeof(*seen));
	bool right = seen != NULL && w->n_names == w->count;

	for (long i = 0; right && i < w->count; i++) {
		char *end;
		long n = strtol(w->names[i] + 1, &end, 10);

		right = w->names[i][0] == prefix && *end == '\0' && n >= 0 && n < w->count &&
			!seen[n];
		if (right)
			seen[n] = true;
	}
	free(seen);
	return right;
}

void folder_empty(struct worker *w, const char *folder)
{
	do {
		char path[NAME_LEN + 256];

		names_read(w, folder);
		for (long i = 0; i < w->n_names && i < w->count; i++) {
			snprintf(path, sizeof(path), "%s/%s", folder, w->names[i]);
			if (unlink(path) < 0 && (errno != EISDIR || rmdir(path) < 0))
				die("remove %s: %s", path, strerror(errno));
		}
	} while (w->n_names > w->count);
}

void big_write(struct worker *w, const char *name, uint64_t size, uint64_t key)
{
	int fd = open_or_die(name, O_WRONLY | O_CREAT | O_TRUNC);

	for (uint64_t at = 0; at < size; at += STREAM) {
		size_t len = size - at < STREAM ? (size_t)(size - at) : STREAM;

		pattern_fill(w->buf, len, key, at);
		write_or_die(fd, w->buf, len, name);
	}
	close_or_die(fd, name);
}

/* Reads from below us, not from the pages we have just written: drop those first. */
int open_to_verify(const char *name, uint64_t size)
{
	int fd = open_or_die(name, O_RDONLY);
	struct stat st;

	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size != size)
		die("%s is %" PRIu64 " bytes long, not %" PRIu64, name, (uint64_t)st.st_size, size);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	return fd;
}

void big_verify(struct worker *w, const char *name, uint64_t size, uint64_t key)
{
	int fd = open_to_verify(name, size);

	for (uint64_t at = 0; at < size; at += STREAM) {
		size_t len = size - at < STREAM ? (size_t)(size - at) : STREAM;

		read_or_die(fd, w->buf, len, name);
		pattern_check(w->buf, len, key, at, name);
	}
	close_or_die(fd, name);
}

void big_file(struct worker *w, const char *name, uint64_t size, uint64_t key)
{
	struct stat st;

	if (stat(name, &st) < 0 || (uint64_t)st.st_size != size)
		big_write(w, name, size, key);
}

