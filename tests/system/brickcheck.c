/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * brickcheck.c - is a brick whole?  For the tests, on a brick that nobody is changing meanwhile.
 *
 *	brickcheck DIRECTORY
 *
 * Every object must have its identity (trusted.gfid) and the handle that leads from the identity to it:
 * a hard link, or for a directory a symlink that names its parent and its name.  Every handle must have an
 * object.  Prints what is wrong, then one line with the counts; exit status 1 when something is wrong.
 *
 * Limitations: paths longer than PATH_MAX, file systems mounted on the brick.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { GFID = 16, GFID_TEXT = 37, PROBLEMS_SHOWN = 50 };

static const unsigned char root_gfid[GFID] = { [GFID - 1] = 1 };
static const char *brick;
static unsigned char (*seen)[GFID];
static size_t nr_seen, room_seen, nr_objects, nr_handles, nr_problems;

static void __attribute__((format(printf, 1, 2))) problem(const char *fmt, ...)
{
	va_list ap;

	if (nr_problems++ >= PROBLEMS_SHOWN)
		return;
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

static void gfid_text(const unsigned char *g, char out[GFID_TEXT])
{
	static const int groups[] = { 4, 2, 2, 2, 6 };
	char *o = out;

	for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
		if (i)
			*o++ = '-';
		for (int n = 0; n < groups[i]; n++, g++, o += 2)
			snprintf(o, 3, "%02x", *g);
	}
}

static bool gfid_of(const char *path, unsigned char g[GFID])
{
	ssize_t n = lgetxattr(path, "trusted.gfid", g, GFID);

	if (n == GFID)
		return true;
	problem("%s: no identity (%s)", path, n < 0 ? strerror(errno) : "wrong length");
	return false;
}

static void remember(const unsigned char *g)
{
	if (nr_seen == room_seen) {
		room_seen = room_seen ? 2 * room_seen : 1024;
		seen = realloc(seen, room_seen * sizeof *seen);
		if (!seen) {
			perror("brickcheck");
			exit(2);
		}
	}
	memcpy(seen[nr_seen++], g, GFID);
}

/* The handle of directory g must name parent and name. */
static void check_directory(const char *path, int base, const char *handle)
{
	char parent[PATH_MAX], want[PATH_MAX], is[PATH_MAX], text[GFID_TEXT];
	unsigned char g[GFID];

	snprintf(parent, sizeof parent, "%.*s", base - 1, path);
	if (!gfid_of(parent, g))
		return;
	gfid_text(g, text);
	snprintf(want, sizeof want, "../../%02x/%02x/%s/%.255s", g[0], g[1], text, path + base);
	ssize_t n = readlink(handle, is, sizeof is - 1);
	if (n < 0)
		return problem("%s: no handle %s (%s)", path, handle, strerror(errno));
	is[n] = '\0';
	if (strcmp(is, want) != 0)
		problem("%s: its handle %s leads to %s", path, handle, is);
}

static void check_file(const char *path, const struct stat *st, const char *handle)
{
	struct stat h;

	if (lstat(handle, &h) < 0)
		problem("%s: no handle %s (%s)", path, handle, strerror(errno));
	else if (h.st_ino != st->st_ino || h.st_dev != st->st_dev)
		problem("%s: its handle %s is another object", path, handle);
}

static int check_object(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	char handle[PATH_MAX], text[GFID_TEXT];
	unsigned char g[GFID];

	if (ftw->level == 1 && strcmp(path + ftw->base, ".glusterfs") == 0)
		return FTW_SKIP_SUBTREE;
	if (type == FTW_DNR || type == FTW_NS) {
		problem("%s: cannot be read", path);
		return FTW_CONTINUE;
	}
	if (!gfid_of(path, g))
		return FTW_CONTINUE;
	remember(g);
	bool is_root = strcmp(path, brick) == 0;
	if (is_root != (memcmp(g, root_gfid, GFID) == 0))
		problem("%s: it must %s have the identity of the root", path, is_root ? "" : "not");
	if (is_root)
		return FTW_CONTINUE;
	nr_objects++;
	gfid_text(g, text);
	snprintf(handle, sizeof handle, "%s/.glusterfs/%02x/%02x/%s", brick, g[0], g[1], text);
	if (S_ISDIR(st->st_mode))
		check_directory(path, ftw->base, handle);
	else
		check_file(path, st, handle);
	return FTW_CONTINUE;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, GFID);
}

static bool gfid_read(const char *text, unsigned char g[GFID])
{
	char again[GFID_TEXT];
	int at = 0;

	for (int i = 0; i < GFID; i++) {
		int len = 0;

		at += i == 4 || i == 6 || i == 8 || i == 10;
		if (strlen(text) < (size_t)at + 2 || sscanf(text + at, "%2hhx%n", &g[i], &len) != 1 || len != 2)
			return false;
		at += 2;
	}
	gfid_text(g, again);
	return strcmp(again, text) == 0;
}

/*
 * .glusterfs has a lock, two levels of directories below which are the handles, and a directory `unlink` for those of
 * objects that have no name.
 */
static int check_handle(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	unsigned char g[GFID];
	char place[8];

	if (ftw->level == 2 && strncmp(path + ftw->base - 7, "unlink/", 7) == 0) {
		if (type == FTW_D || st->st_nlink != 1 || !gfid_read(path + ftw->base, g))
			problem("%s: not an object that was open when it lost its last name", path);
		return FTW_CONTINUE;
	}
	/* What features/replica keeps, and what a heal has taken away. */
	if (ftw->level == 1 && (strcmp(path + ftw->base, "replica") == 0 || strcmp(path + ftw->base, "landfill") == 0))
		return FTW_SKIP_SUBTREE;
	/* .glusterfs itself, and the landfill. */
	if (ftw->level == 3 && strncmp(path + ftw->base, "00000000-0000-0000-0000-00000000000", 35) == 0 &&
	    strchr("23", path[ftw->base + 35]))
		return FTW_CONTINUE;
	if (ftw->level < 3) {
		if (type != FTW_D && strcmp(path + ftw->base, "lock") != 0)
			problem("%s: not a handle", path);
		return FTW_CONTINUE;
	}
	nr_handles++;
	if (ftw->level > 3 || type == FTW_D || !gfid_read(path + ftw->base, g)) {
		problem("%s: not a handle", path);
		return FTW_CONTINUE;
	}
	snprintf(place, sizeof place, "%02x/%02x/", g[0], g[1]);
	if (strncmp(path + ftw->base - 6, place, 6) != 0)
		problem("%s: a handle in the wrong place", path);
	if (!bsearch(g, seen, nr_seen, sizeof *seen, compare))
		problem("%s: a handle of nothing (%ld links)", path, (long)st->st_nlink);
	return FTW_CONTINUE;
}

int main(int argc, char **argv)
{
	char own[PATH_MAX];

	if (argc != 2) {
		fprintf(stderr, "usage: brickcheck DIRECTORY\n");
		return 2;
	}
	brick = argv[1];
	snprintf(own, sizeof own, "%s/.glusterfs/landfill", brick);
	nftw(own, check_object, 64, FTW_PHYS | FTW_ACTIONRETVAL);
	snprintf(own, sizeof own, "%s/.glusterfs", brick);
	if (nftw(brick, check_object, 64, FTW_PHYS | FTW_ACTIONRETVAL) < 0) {
		perror(brick);
		return 2;
	}
	qsort(seen, nr_seen, sizeof *seen, compare);
	if (nftw(own, check_handle, 64, FTW_PHYS | FTW_ACTIONRETVAL) < 0)
		problem("%s: %s", own, strerror(errno));
	if (nr_problems > PROBLEMS_SHOWN)
		printf("... and %zu more\n", nr_problems - PROBLEMS_SHOWN);
	printf("%s: %zu names, %zu handles, %zu problems\n", brick, nr_objects, nr_handles, nr_problems);
	free(seen);
	return nr_problems ? 1 : 0;
}
