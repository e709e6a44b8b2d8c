/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * steady DIR UNTIL - an application that changes things and is offended by every error, and by
 * everything that is done twice: while connections break, none must be seen here.
 *
 * In DIR (new), as long as the file UNTIL is not there: makes and removes directories, creates files
 * exclusively, renames, links, appends numbered lines, locks parts of a file, writes through a mapping.
 * All the time it holds a lock on "held", works in a directory below, and keeps a file open that has no
 * name. Prints the number of rounds. Exit status: 0, or 1 and what was wrong.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static unsigned long nr;

static void is_true(bool ok, int line, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "steady: line %d, round %lu: %s: %s\n", line, nr, what, strerror(errno));
	exit(1);
}

#define MUST(x) (errno = 0, is_true((x), __LINE__, #x))

static int log_fd, held_fd, nameless_fd, ranges_fd;
static char *map;

static int open_new(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	MUST(fd >= 0);
	return fd;
}

static void begin(const char *dir)
{
	MUST(mkdir(dir, 0755) == 0);
	MUST(chdir(dir) == 0);
	held_fd = open_new("held");
	MUST(flock(held_fd, LOCK_EX) == 0);
	ranges_fd = open_new("ranges");
	MUST(ftruncate(ranges_fd, 4096) == 0);
	nameless_fd = open_new("nameless");
	MUST(unlink("nameless") == 0);
	int fd = open_new("mapped");
	MUST(ftruncate(fd, 1 << 20) == 0);
	map = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	MUST(map != MAP_FAILED);
	MUST(close(fd) == 0);
	log_fd = open("log", O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
	MUST(log_fd >= 0);
	MUST(mkdir("work", 0755) == 0);
	MUST(chdir("work") == 0);
}

static void change_names(void)
{
	MUST(mkdir("a", 0755) == 0);
	MUST(rename("a", "b") == 0);
	MUST(close(open_new("f")) == 0);
	MUST(link("f", "b/g") == 0);
	MUST(symlink("f", "s") == 0);
	MUST(rename("f", "h") == 0);
	MUST(unlink("b/g") == 0);
	MUST(unlink("h") == 0);
	MUST(unlink("s") == 0);
	MUST(rmdir("b") == 0);
}

static void change_data(void)
{
	char line[32], back[32];
	int n = snprintf(line, sizeof line, "line %lu\n", nr);
	off_t at = (nr * 4099) % ((1 << 20) - 32);
	struct flock l = { .l_type = F_WRLCK, .l_start = nr % 4000, .l_len = 50 };

	MUST(write(log_fd, line, n) == n);
	MUST(pwrite(nameless_fd, line, n, 4096 * (nr % 10)) == n);
	MUST(pread(nameless_fd, back, n, 4096 * (nr % 10)) == n && memcmp(line, back, n) == 0);
	memcpy(map + at, line, n);
	if (nr % 16 == 0)
		MUST(msync(map, 1 << 20, MS_SYNC) == 0);
	MUST(fcntl(ranges_fd, F_SETLK, &l) == 0);
	l.l_type = F_UNLCK;
	MUST(fcntl(ranges_fd, F_SETLK, &l) == 0);
	MUST(memcmp(map + at, line, n) == 0);
}

/* Each line once, in order. */
static void check_log(void)
{
	char line[64], wanted[64];
	unsigned long i = 0;
	FILE *f = fopen("../log", "r");

	MUST(f != NULL);
	while (fgets(line, sizeof line, f)) {
		snprintf(wanted, sizeof wanted, "line %lu\n", i++);
		MUST(strcmp(line, wanted) == 0);
	}
	fclose(f);
	MUST(i == nr);
}

int main(int argc, char **argv)
{
	struct stat st;

	if (argc != 3) {
		fprintf(stderr, "usage: steady DIR UNTIL\n");
		return 2;
	}
	begin(argv[1]);
	for (nr = 0; access(argv[2], F_OK) < 0; nr++) {
		change_names();
		change_data();
	}
	MUST(fstat(nameless_fd, &st) == 0 && st.st_nlink == 0);
	MUST(flock(held_fd, LOCK_UN) == 0);
	check_log();
	MUST(chdir("..") == 0);
	MUST(rmdir("work") == 0);
	printf("%lu\n", nr);
	return 0;
}
