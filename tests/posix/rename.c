/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rename - one name for another: replacing, exchanging, directories and their parents, what is
 * refused; and several processes that do it at once.
 */
#include "config.h"

#include <linux/fs.h>
#include <time.h>

#include "posix.h"

static int exchange(const char *a, const char *b)
{
	return renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
}

static int no_replace(const char *a, const char *b)
{
	return renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_NOREPLACE);
}

static void files(void)
{
	put("a", "a");
	put("b", "b");
	ino_t ino = stat_of("a").st_ino;
	OK(rename("a", "b"));
	CHECK(holds("b", "a") && stat_of("b").st_ino == ino);
	FAILS(ENOENT, access("a", F_OK));
	OK(mkdir("d", 0755));
	OK(rename("b", "d/c"));
	CHECK(holds("d/c", "a") && stat_of("d/c").st_ino == ino);
	/* an open file keeps its contents apart from the one that took its name */
	put("new", "new");
	int fd = open("d/c", O_RDWR);
	char c[4] = "";
	OK(rename("new", "d/c"));
	CHECK(pread(fd, c, 3, 0) == 1 && c[0] == 'a');
	CHECK(holds("d/c", "new"));
	OK(close(fd));
	/* two names of one object: nothing happens */
	OK(link("d/c", "h"));
	OK(rename("d/c", "h"));
	CHECK(holds("d/c", "new") && holds("h", "new") && stat_of("h").st_nlink == 2);
	OK(rename("h", "h"));
	CHECK(holds("h", "new"));
}

static void no_replacing(void)
{
	put("a", "a");
	put("b", "b");
	OK(mkdir("d", 0755));
	FAILS(EEXIST, no_replace("a", "b"));
	FAILS(EEXIST, no_replace("a", "d"));
	FAILS(EEXIST, no_replace("d", "a"));
	FAILS(EEXIST, no_replace("a", "a"));
	OK(symlink("no where", "s"));
	FAILS(EEXIST, no_replace("a", "s"));
	FAILS(ENOENT, no_replace("none", "x"));
	OK(no_replace("a", "c"));
	CHECK(holds("c", "a") && !exists("a"));
	OK(no_replace("d", "e"));
	CHECK(exists("e") && !exists("d"));
	FAILS(EINVAL, renameat2(AT_FDCWD, "c", AT_FDCWD, "b", RENAME_NOREPLACE | RENAME_EXCHANGE));
	FAILS(EINVAL, renameat2(AT_FDCWD, "c", AT_FDCWD, "b", 1u << 20));
}

static void exchanging(void)
{
	put("a", "a");
	put("b", "b");
	ino_t a = stat_of("a").st_ino, b = stat_of("b").st_ino;
	OK(exchange("a", "b"));
	CHECK(holds("a", "b") && holds("b", "a"));
	CHECK(stat_of("a").st_ino == b && stat_of("b").st_ino == a);
	FAILS(ENOENT, exchange("a", "none"));
	FAILS(ENOENT, exchange("none", "a"));
	/* directories, and across directories */
	OK(mkdir("x", 0755));
	OK(mkdir("x/d", 0755));
	put("x/d/in d", "d");
	OK(mkdir("y", 0755));
	OK(mkdir("y/e", 0755));
	OK(mkdir("y/e/sub", 0755));
	OK(exchange("x/d", "y/e"));
	CHECK(holds("y/e/in d", "d") && exists("x/d/sub"));
	CHECK(stat_of("x").st_nlink == 3 && stat_of("y").st_nlink == 3);
	put("x/d/sub/f", "below");
	CHECK(holds("x/d/sub/f", "below"));
	/* a directory and a file: link counts of the parents follow */
	put("y/f", "file");
	OK(exchange("x/d", "y/f"));
	CHECK(holds("x/d", "file") && holds("y/f/sub/f", "below"));
	CHECK(stat_of("x").st_nlink == 2 && stat_of("y").st_nlink == 4);
	OK(exchange("x/d", "y/f"));
	CHECK(holds("y/f", "file") && stat_of("x").st_nlink == 3 && stat_of("y").st_nlink == 3);
	/* a symlink and a file; one name of a file and another */
	OK(symlink("target", "s"));
	OK(exchange("a", "s"));
	CHECK(S_ISLNK(stat_of("a").st_mode) && holds("s", "b"));
	OK(link("b", "b2"));
	OK(exchange("b", "b2"));
	CHECK(stat_of("b").st_nlink == 2 && holds("b", "a") && holds("b2", "a"));
	/* into itself */
	OK(mkdir("x/d/deep", 0755));
	FAILS(EINVAL, exchange("x/d", "x/d/deep"));
	FAILS(EINVAL, exchange("x/d/deep", "x/d"));
}

static void directories(void)
{
	OK(mkdir("d", 0755));
	OK(mkdir("e", 0755));
	put("d/c", "a");
	FAILS(ENOTEMPTY, rename("e", "d"));
	FAILS(EINVAL, rename("d", "d/x"));
	OK(mkdir("d/sub", 0755));
	FAILS(EINVAL, rename("d", "d/sub/x"));
	FAILS(EINVAL, rename("d", "d/sub"));
	FAILS(ENOTEMPTY, rename("d/sub", "d"));
	put("f", "f");
	FAILS(EISDIR, rename("f", "e"));
	FAILS(ENOTDIR, rename("e", "f"));
	OK(rename("d", "e"));		/* over an empty one */
	CHECK(holds("e/c", "a") && !exists("d") && stat_of(".").st_nlink == 3);
	/* to another parent: link counts of both follow */
	OK(mkdir("g", 0755));
	OK(rename("e", "g/e"));
	CHECK(stat_of(".").st_nlink == 3 && stat_of("g").st_nlink == 3 && holds("g/e/c", "a"));
	CHECK(stat_of("g/e").st_nlink == 3);
	/* over an empty one in another parent */
	OK(mkdir("h", 0755));
	OK(mkdir("h/e", 0755));
	OK(rename("g/e", "h/e"));
	CHECK(stat_of("g").st_nlink == 2 && stat_of("h").st_nlink == 3 && holds("h/e/c", "a"));
	struct stat up = stat_of("h/e/sub/..");
	CHECK(up.st_ino == stat_of("h/e").st_ino);
	CHECK(stat_of("h/e/..").st_ino == stat_of("h").st_ino);
}

static void errors(void)
{
	char name[300];

	put("f", "x");
	OK(mkdir("d", 0755));
	FAILS(ENOENT, rename("none", "x"));
	FAILS(ENOENT, rename("f", "none/x"));
	FAILS(ENOTDIR, rename("f", "f/x"));
	FAILS(ENOTDIR, rename("f/x", "y"));
	FAILS(EBUSY, rename("d/.", "x"));
	FAILS(EBUSY, rename("d/..", "x"));
	FAILS(EBUSY, rename("d", "d/../d/."));
	FAILS(ENOENT, rename("", "x"));
	FAILS(ENOENT, rename("f", ""));
	FAILS(ENOTDIR, rename("f", "g/"));
	FAILS(ENOTDIR, rename("f/", "g"));
	FAILS(EXDEV, rename("f", "/dev/shm/posix-rename"));
	memset(name, 'n', sizeof name);
	name[256] = '\0';
	FAILS(ENAMETOOLONG, rename("f", name));
	FAILS(ENAMETOOLONG, rename(name, "f"));
	OK(symlink("loop", "loop"));
	FAILS(ELOOP, rename("loop/x", "y"));
	FAILS(ELOOP, rename("f", "loop/x"));
	CHECK(holds("f", "x") && exists("d"));
	/* slashes behind a directory's name do not matter */
	OK(rename("d/", "e//"));
	CHECK(exists("e") && !exists("d"));
	OK(rename("loop", "loop2"));	/* the symlink itself */
	CHECK(S_ISLNK(stat_of("loop2").st_mode));
	OK(symlink("e", "to e"));
	FAILS(ENOTDIR, rename("to e/", "x"));
	CHECK(S_ISLNK(stat_of("to e").st_mode));
}

static void kinds(void)
{
	char target[16];

	OK(mkfifo("fifo", 0600));
	OK(rename("fifo", "fifo2"));
	CHECK(S_ISFIFO(stat_of("fifo2").st_mode));
	put("f", "x");
	OK(rename("fifo2", "f"));
	CHECK(S_ISFIFO(stat_of("f").st_mode));
	OK(symlink("where", "s"));
	OK(rename("s", "f"));
	CHECK(readlink("f", target, sizeof target) == 5);
	OK(mknod("null", S_IFCHR | 0600, 0x103));
	OK(rename("null", "f"));
	CHECK(stat_of("f").st_rdev == 0x103);
}

static void others_in_sticky(void)
{
	FAILS(EPERM, rename("sticky/root's", "sticky/x"));
	FAILS(EPERM, rename("sticky/mine", "sticky/root's"));
	FAILS(EPERM, exchange("sticky/mine", "sticky/root's"));
	FAILS(EPERM, rename("sticky/root's dir", "sticky/x"));
	OK(rename("sticky/mine", "sticky/still mine"));
	FAILS(EACCES, rename("sticky/still mine", "closed/x"));
	FAILS(EACCES, rename("closed/f", "sticky/x"));
	/* a directory of somebody else's cannot move to another parent: its ".." is written */
	FAILS(EACCES, rename("open/root's dir", "sticky/dir"));
}

static void sticky(void)
{
	OK(chmod(".", 0755));
	OK(mkdir("sticky", 0755));
	OK(chmod("sticky", 01777));
	put("sticky/root's", "x");
	OK(mkdir("sticky/root's dir", 0755));
	put("sticky/mine", "mine");
	OK(chown("sticky/mine", 1000, 1000));
	OK(mkdir("closed", 0755));
	put("closed/f", "x");
	OK(mkdir("open", 0755));
	OK(chmod("open", 0777));
	OK(mkdir("open/root's dir", 0755));
	as_user(1000, 1000, others_in_sticky);
	CHECK(holds("sticky/still mine", "mine") && holds("sticky/root's", "x"));
}

static bool later(struct timespec a, struct timespec b)
{
	return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec);
}

static void times(void)
{
	struct timespec t = { .tv_nsec = 20000000 };

	OK(mkdir("a", 0755));
	OK(mkdir("b", 0755));
	put("a/f", "x");
	struct stat f = stat_of("a/f"), a = stat_of("a"), b = stat_of("b");
	nanosleep(&t, NULL);		/* the clock of the file system moves on */
	OK(rename("a/f", "b/f"));
	CHECK(later(stat_of("b/f").st_ctim, f.st_ctim));
	CHECK(stat_of("b/f").st_mtim.tv_nsec == f.st_mtim.tv_nsec);
	CHECK(later(stat_of("a").st_mtim, a.st_mtim) && later(stat_of("b").st_mtim, b.st_mtim));
	CHECK(later(stat_of("a").st_ctim, a.st_ctim) && later(stat_of("b").st_ctim, b.st_ctim));
}

enum { PROCS = 4, ROUNDS = 150 };

/* Writers that replace one file as editors do, and a reader who never sees it missing or torn. */
static void replace_one(int me)
{
	char name[32], text[65], got[80];

	for (int i = 0; i < ROUNDS; i++) {
		if (me == 0) {
			int fd = open("shared", O_RDONLY);
			ssize_t n = fd < 0 ? -1 : read(fd, got, sizeof got);

			if (fd < 0)
				posix_failed(__FILE__, __LINE__, "it is always there");
			CHECK(n == 64 && memchr(got, got[0] == 'a' ? 'b' : 'a', 64) == NULL);
			OK(close(fd));
			continue;
		}
		memset(text, me == 1 ? 'a' : 'b', 64);
		text[64] = '\0';
		snprintf(name, sizeof name, "new%d", me);
		put(name, text);
		OK(rename(name, "shared"));
	}
}

static void replaced_by_many(void)
{
	put("shared", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	as_processes(PROCS, replace_one);
	CHECK(stat_of("shared").st_nlink == 1 && stat_of("shared").st_size == 64);
}

static void make_and_move(int me)
{
	char from[64], to[64];

	for (int i = 0; i < ROUNDS; i++) {
		snprintf(from, sizeof from, "a/%d-%d", me, i);
		snprintf(to, sizeof to, "b/%d-%d", me, i);
		OK(mkdir(from, 0755));
		OK(rename(from, to));
		OK(rename(to, from));
		OK(exchange(from, me % 2 ? "a/x" : "a/y"));
		if (i % 2)
			OK(rmdir(from));
		else
			OK(rename(from, to));
	}
}

static void parallel(void)
{
	OK(mkdir("a", 0755));
	OK(mkdir("b", 0755));
	OK(mkdir("a/x", 0755));
	OK(mkdir("a/y", 0755));
	as_processes(PROCS, make_and_move);
	CHECK(stat_of("a").st_nlink == 4);
	CHECK(stat_of("b").st_nlink == 2 + PROCS * ROUNDS / 2);
}

/* Several processes at once, on one log, directories of their own and one name. */
static void work(int me)
{
	enum { LINE = 64 };
	char line[LINE], path[64];
	int log = open("log", O_WRONLY | O_CREAT | O_APPEND, 0600);

	for (int i = 0; i < ROUNDS; i++) {
		memset(line, 'a' + me, LINE);
		line[LINE - 1] = '\n';
		CHECK(write(log, line, LINE) == LINE);
		snprintf(path, sizeof path, "d%d-%d", me, i);
		OK(mkdir(path, 0755));
		snprintf(path, sizeof path, "d%d-%d/f", me, i);
		put(path, path);
		OK(rename(path, "shared"));
		snprintf(path, sizeof path, "d%d-%d", me, i);
		if (i % 2)
			OK(rmdir(path));
	}
	OK(close(log));
}

static void at_work(void)
{
	char line[66];
	int lines = 0;

	as_processes(PROCS, work);
	FILE *f = fopen("log", "r");
	CHECK(f != NULL);
	while (f && fgets(line, sizeof line, f)) {
		lines++;
		CHECK(strlen(line) == 64 && line[0] == line[62]);
	}
	if (f)
		fclose(f);
	CHECK(lines == PROCS * ROUNDS);
	CHECK(stat_of(".").st_nlink == 2 + PROCS * ROUNDS / 2);
}

const struct posix_case posix_cases[] = {
	POSIX_CASE(files),   POSIX_CASE(no_replacing), POSIX_CASE(exchanging),
	POSIX_CASE(directories), POSIX_CASE(errors),   POSIX_CASE(kinds),
	POSIX_CASE(sticky),  POSIX_CASE(times),	       POSIX_CASE(replaced_by_many),
	POSIX_CASE(parallel), POSIX_CASE(at_work),
	{ 0 },
};
