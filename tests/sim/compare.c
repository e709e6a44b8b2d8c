/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* compare.c - are two bricks equal?  Every difference is printed. */
#include "config.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sim.h"

static int differ(const char *a, const char *what, long long x, long long y)
{
	printf("%s: %s is %lld on one brick and %lld on the other\n", a, what, x, y);
	return 1;
}

static int compare_content(const char *a, const char *b)
{
	int wrong = 0;
	FILE *fa = fopen(a, "r"), *fb = fopen(b, "r");

	for (int x = 0, y; fa && fb && x != EOF; ) {
		x = getc(fa);
		y = getc(fb);
		if (x != y) {
			printf("%s: contents differ\n", a);
			wrong = 1;
			break;
		}
	}
	if (!fa || !fb)
		wrong = printf("%s: cannot be read\n", a) > 0;
	if (fa)
		fclose(fa);
	if (fb)
		fclose(fb);
	return wrong;
}

static int compare_one(const char *a, const char *b)
{
	struct stat sa, sb;
	int wrong = 0;

	if (lstat(a, &sa) != 0 || lstat(b, &sb) != 0)
		return printf("%s is on one brick only\n", a) > 0;
	if (sa.st_mode != sb.st_mode)
		wrong += differ(a, "mode", sa.st_mode, sb.st_mode);
	if (sa.st_uid != sb.st_uid)
		wrong += differ(a, "owner", sa.st_uid, sb.st_uid);
	if (sa.st_nlink != sb.st_nlink)
		wrong += differ(a, "number of links", sa.st_nlink, sb.st_nlink);
	if (S_ISREG(sa.st_mode) && sa.st_size != sb.st_size)
		wrong += differ(a, "size", sa.st_size, sb.st_size);
	if (S_ISREG(sa.st_mode))
		wrong += compare_content(a, b);
	return wrong;
}

static int count_entries(const char *dir)
{
	int n = 0;
	DIR *d = opendir(dir);

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

int bricks_compare(const char *a, const char *b)
{
	int wrong = 0;
	DIR *d = opendir(a);

	if (!d)
		return printf("%s cannot be listed\n", a) > 0;
	for (struct dirent *e; (e = readdir(d)); ) {
		char pa[512], pb[512];

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || strcmp(e->d_name, ".glusterfs") == 0)
			continue;
		snprintf(pa, sizeof pa, "%s/%s", a, e->d_name);
		snprintf(pb, sizeof pb, "%s/%s", b, e->d_name);
		wrong += compare_one(pa, pb);
		if (e->d_type == DT_DIR)
			wrong += bricks_compare(pa, pb);
	}
	closedir(d);
	if (count_entries(a) != count_entries(b))
		wrong += differ(a, "number of entries", count_entries(a), count_entries(b));
	return wrong;
}
