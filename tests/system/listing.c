/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * listing DIR N AT - lists DIR, which has the files 0 to N - 1 and perhaps others, and waits in the middle.
 *
 * When it has AT of them it says "waiting" and waits for a line.  Then: every one of them must be listed once,
 * with the number that stat tells, and each of some positions that were told (telldir) must lead to the name
 * that came there, also from a new start.  Exit status: 0, or 1 and what was wrong.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { EVERY = 100 };

struct place {
	long at;
	char name[32];
};

static int wrong;
static DIR *dir;
static long n;
static char *seen;
static struct place *places;
static size_t nr_places;

static void complain(const char *what, const char *name)
{
	if (wrong++ < 10)
		printf("%s: %s (%s)\n", name, what, strerror(errno));
}

/* The number that is a name; -1: another name. */
static long number(const char *name)
{
	char *end;
	long i = strtol(name, &end, 10);

	return *name == '.' || *end || i < 0 || i >= n ? -1 : i;
}

static void wait_for_line(void)
{
	char line[16];

	printf("waiting\n");
	fflush(stdout);
	if (!fgets(line, sizeof line, stdin))
		complain("nobody told to go on", "stdin");
}

static void note_place(long at, const char *name)
{
	snprintf(places[nr_places].name, sizeof places[0].name, "%s", name);
	places[nr_places++].at = at;
}

static void list(long wait_at)
{
	struct dirent *e;
	struct stat st;
	long nr = 0, i;

	for (long at = telldir(dir); errno = 0, (e = readdir(dir)); at = telldir(dir)) {
		i = number(e->d_name);
		if (i < 0)
			continue;
		if (seen[i]++)
			complain("is listed twice", e->d_name);
		if (fstatat(dirfd(dir), e->d_name, &st, 0) < 0 || st.st_ino != e->d_ino)
			complain("has another number than in the listing", e->d_name);
		if (nr % EVERY == 0)
			note_place(at, e->d_name);
		if (++nr == wait_at)
			wait_for_line();
	}
	if (errno)
		complain("the listing fails", ".");
	for (i = 0; i < n; i++)
		if (!seen[i])
			complain("is missing", "a name");
}

/* Names come and go: what is not ours is passed over. */
static void check_places(void)
{
	for (size_t i = 0; i < nr_places; i++) {
		struct dirent *e;

		seekdir(dir, places[i].at);
		while ((e = readdir(dir)) && number(e->d_name) < 0)
			;
		if (!e || strcmp(e->d_name, places[i].name) != 0)
			complain("is not where it was", places[i].name);
	}
}

int main(int argc, char **argv)
{
	n = argc == 4 ? strtol(argv[2], NULL, 10) : 0;
	dir = n > 0 ? opendir(argv[1]) : NULL;
	seen = n > 0 ? calloc(n, 1) : NULL;
	places = n > 0 ? calloc(n / EVERY + 1, sizeof *places) : NULL;
	if (!dir || !seen || !places) {
		fprintf(stderr, "usage: listing DIR N AT\n");
		return 1;
	}
	list(strtol(argv[3], NULL, 10));
	check_places();
	rewinddir(dir);
	check_places();
	closedir(dir);
	free(seen);
	free(places);
	return wrong ? 1 : 0;
}
