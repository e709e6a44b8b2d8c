/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* model.c - what a writer's tree must look like, and the comparison. */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "writers.h"

struct node *new_node(char type, unsigned mode)
{
	struct node *n = calloc(1, sizeof *n);

	if (!n || (type == 'f' && !(n->data = calloc(1, DATA_MAX))))
		abort();
	n->type = type;
	n->mode = mode;
	return n;
}

void put_node(struct node *n)
{
	if (n->names || n->held)
		return;
	free(n->data);
	free(n);
}

ssize_t read_all(int dir, const char *path, uint8_t *bytes)
{
	int fd = openat(dir, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t len = 0, n;

	if (fd < 0)
		return -1;
	while ((n = read(fd, bytes + len, DATA_MAX + 1 - len)) > 0)
		len += n;
	int error = errno;
	close(fd);
	errno = error;
	return n < 0 ? -1 : len;
}

static bool bytes_right(int dir, const char *path, const struct node *n)
{
	static uint8_t bytes[DATA_MAX + 1];
	ssize_t len = read_all(dir, path, bytes);
	size_t at = 0;

	if (len < 0 && surroundings(errno))
		return false;
	if (len < 0)
		wrong("%s cannot be read: %s", path, strerror(errno));
	while (at < (size_t)len && at < n->len && bytes[at] == n->data[at])
		at++;
	if (at < n->len || (size_t)len != n->len)
		wrong("%s has %zd bytes and should have %zu, the same up to %zu (there %02x, should be %02x)", path, len, n->len,
		      at, at < (size_t)len ? bytes[at] : 0, at < n->len ? n->data[at] : 0);
	return true;
}

static bool xattrs_right(int dir, const char *path, const struct node *n)
{
	char value[32], key[16], proc[64];
	int fd = openat(dir, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 && surroundings(errno))
		return false;
	if (fd < 0)
		wrong("%s cannot be opened: %s", path, strerror(errno));
	snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
	for (int i = 0; i < XATTRS; i++) {
		snprintf(key, sizeof key, "user.k%d", i);
		ssize_t len = getxattr(proc, key, value, sizeof value - 1);
		int error = errno;

		if (len < 0 && error != ENODATA) {
			close(fd);
			if (surroundings(error))
				return false;
			wrong("%s: %s cannot be read: %s", path, key, strerror(error));
		}
		value[len < 0 ? 0 : len] = '\0';
		if (strcmp(value, n->xattr[i]))
			wrong("%s: %s is \"%s\" and should be \"%s\"", path, key, value, n->xattr[i]);
	}
	close(fd);
	return true;
}

bool verify_node(int dir, const char *path, const struct node *n, bool brick)
{
	struct stat st;
	char target[64] = "";

	if (fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (surroundings(errno))
			return false;
		wrong("%s: %s", path, strerror(errno));
	}
	char type = S_ISREG(st.st_mode) ? 'f' : S_ISDIR(st.st_mode) ? 'd' : S_ISLNK(st.st_mode) ? 'l' : '?';
	if (type != n->type)
		wrong("%s is a %c and should be a %c", path, type, n->type);
	if (n->type == 'l') {
		if (readlinkat(dir, path, target, sizeof target - 1) < 0 && surroundings(errno))
			return false;
		if (strcmp(target, n->target))
			wrong("%s points to \"%s\" and should point to \"%s\"", path, target, n->target);
		return true;
	}
	if ((st.st_mode & 07777) != n->mode)
		wrong("%s has mode %04o and should have %04o", path, st.st_mode & 07777, n->mode);
	if (!brick && n->type == 'f' && st.st_nlink != n->names)
		wrong("%s has %ju links and should have %u", path, (uintmax_t)st.st_nlink, n->names);
	if (!brick && n->ino && st.st_ino != n->ino)
		wrong("%s has the number %ju and should have %ju", path, (uintmax_t)st.st_ino, (uintmax_t)n->ino);
	return xattrs_right(dir, path, n) && (n->type == 'd' || bytes_right(dir, path, n));
}

/* Exactly the names that it should have. */
static bool names_right(int dir, const char *path, const struct node *n)
{
	int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	bool seen[NAMES] = { false };

	if (!d && surroundings(errno))
		return false;
	if (!d)
		wrong("%s cannot be listed: %s", path, strerror(errno));
	while (errno = 0, (e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		unsigned i = e->d_name[0] == 'n' && e->d_name[1] && !e->d_name[2] ? (unsigned)(e->d_name[1] - '0') : NAMES;
		if (i >= NAMES || !n->kid[i])
			wrong("%s/%s is there and should not", path, e->d_name);
		if (seen[i])
			wrong("%s/%s is listed twice", path, e->d_name);
		seen[i] = true;
	}
	int error = errno;
	closedir(d);
	if (error && surroundings(error))
		return false;
	for (int i = 0; i < NAMES; i++)
		if (n->kid[i] && !seen[i])
			wrong("%s/n%d is missing", path, i);
	return true;
}

bool verify(int dir, const char *path, const struct node *n, bool brick)
{
	char below_it[PATH_MAX];

	if (!verify_node(dir, path, n, brick))
		return false;
	if (n->type != 'd')
		return true;
	if (!names_right(dir, path, n))
		return false;
	for (int i = 0; i < NAMES; i++) {
		snprintf(below_it, sizeof below_it, "%s/n%d", path, i);
		if (n->kid[i] && !verify(dir, below_it, n->kid[i], brick))
			return false;
	}
	return true;
}
