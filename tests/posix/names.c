/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * names - names and paths: their lengths and bytes, deep trees, directories that are renamed while
 * things below them are in use.
 */
#include <limits.h>

#include "posix.h"

static void errors(void)
{
	OK(mkdir("d", 0751));
	CHECK((stat_of("d").st_mode & 07777) == 0751);
	CHECK(stat_of(".").st_nlink == 3);
	FAILS(EEXIST, mkdir("d", 0755));
	put("d/f", "x");
	FAILS(ENOTEMPTY, rmdir("d"));
	FAILS(ENOTDIR, rmdir("d/f"));
	FAILS(EISDIR, unlink("d"));
	FAILS(ENOTDIR, mkdir("d/f/g", 0755));
	FAILS(ENOENT, unlink("d/none"));
	FAILS(ENOENT, access("d/none", F_OK));
	FAILS(EINVAL, rmdir("d/."));
	FAILS(ENOTEMPTY, rmdir("d/.."));
	OK(unlink("d/f"));
	OK(rmdir("d"));
	FAILS(ENOENT, access("d", F_OK));
	CHECK(stat_of(".").st_nlink == 2);
}

static void length_of_a_name(void)
{
	char name[300];

	memset(name, 'n', sizeof name);
	name[255] = '\0';
	put(name, "long");
	CHECK(holds(name, "long"));
	OK(rename(name, "short"));
	OK(rename("short", name));
	OK(unlink(name));
	OK(mkdir(name, 0755));
	OK(rmdir(name));
	name[255] = 'n';
	name[256] = '\0';
	FAILS(ENAMETOOLONG, open(name, O_CREAT | O_WRONLY, 0644));
	FAILS(ENAMETOOLONG, mkdir(name, 0755));
	FAILS(ENAMETOOLONG, access(name, F_OK));
}

/* Every byte but '/' and NUL may be in a name. */
static void bytes_of_a_name(void)
{
	char name[256];
	int n = 0;

	for (int c = 1; c < 256; c++)
		if (c != '/')
			name[n++] = c;
	name[n] = '\0';
	put(name, "all");
	CHECK(holds(name, "all"));
	for (int c = 1; c < 256; c++) {
		char one[3] = { c, c, '\0' };

		if (c == '/' || c == '.')
			continue;
		put(one, "one");
		CHECK(holds(one, "one"));
		OK(unlink(one));
	}
	put("...", "dots");
	CHECK(holds("...", "dots"));
}

static void length_of_a_path(void)
{
	char path[PATH_MAX + 16] = "", part[251];
	int n = 0;

	memset(part, 'p', 250);
	part[250] = '\0';
	while (n + 251 < PATH_MAX - 1) {
		n += snprintf(path + n, sizeof path - n, "%s/", part);
		OK(mkdir(path, 0755));
	}
	memset(path + n, 'f', PATH_MAX - 1 - n);
	path[PATH_MAX - 1] = '\0';
	put(path, "4,095 bytes");
	CHECK(holds(path, "4,095 bytes"));
	CHECK(stat_of(path).st_size == 11);
	OK(unlink(path));
	put(path, "4,095 bytes");
	path[PATH_MAX - 1] = 'f';
	path[PATH_MAX] = '\0';
	FAILS(ENAMETOOLONG, open(path, O_RDONLY));
}

enum { DEPTH = 1000 };

static void depth(void)
{
	char up[3 * 30 + 1] = "";
	int top = open(".", O_RDONLY | O_DIRECTORY);

	for (int i = 0; i < DEPTH; i++) {
		if (mkdir("a directory", 0755) < 0 || chdir("a directory") < 0)
			return posix_failed(__FILE__, __LINE__, "goes deeper");
	}
	put("bottom", "deep");
	CHECK(holds("bottom", "deep"));
	int fd = open("bottom", O_RDWR);
	CHECK(renameat(top, "a directory", top, "renamed") == 0);
	CHECK(pwrite(fd, "DEEP", 4, 0) == 4);
	CHECK(holds("bottom", "DEEP"));
	OK(close(fd));
	for (int i = 0; i < 30; i++)
		strcat(up, "../");
	ino_t here = stat_of(".").st_ino;
	OK(chdir(up));
	for (int i = 0; i < 30; i++)
		OK(chdir("a directory"));
	CHECK(stat_of(".").st_ino == here);
	OK(unlink("bottom"));
	for (int i = 0; i < DEPTH - 1; i++) {
		if (chdir("..") < 0 || rmdir("a directory") < 0)
			return posix_failed(__FILE__, __LINE__, "comes up again");
	}
	OK(fchdir(top));
	OK(rmdir("renamed"));
	OK(close(top));
}

/* Open files and working directories follow a directory that is renamed. */
static void rename_above(void)
{
	char cwd[PATH_MAX];

	OK(mkdir("a", 0755));
	OK(mkdir("a/b", 0755));
	OK(mkdir("a/b/c", 0755));
	OK(mkdir("x", 0755));
	put("a/b/c/f", "before");
	int fd = open("a/b/c/f", O_RDWR), top = open(".", O_RDONLY | O_DIRECTORY);
	OK(chdir("a/b/c"));
	OK(renameat(top, "a/b", top, "x/y"));
	CHECK(pwrite(fd, "after!", 6, 0) == 6);
	CHECK(holds("f", "after!"));
	CHECK(getcwd(cwd, sizeof cwd) && strstr(cwd, "/x/y/c"));
	put("g", "new");
	OK(fchdir(top));
	CHECK(holds("x/y/c/g", "new"));
	CHECK(stat_of("a").st_nlink == 2 && stat_of("x").st_nlink == 3);
	CHECK(!exists("a/b"));
	OK(close(fd));
	OK(close(top));
}

const struct posix_case posix_cases[] = {
	POSIX_CASE(errors),	  POSIX_CASE(length_of_a_name), POSIX_CASE(bytes_of_a_name),
	POSIX_CASE(length_of_a_path), POSIX_CASE(depth),	POSIX_CASE(rename_above),
	{ 0 },
};
