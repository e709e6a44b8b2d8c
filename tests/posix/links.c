/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * links - hard links: how many there may be, their counts and times through every name, what can be
 * linked and how it is named.
 */
#include "config.h"

#include <sys/wait.h>
#include <time.h>

#include "posix.h"

static bool later(struct timespec a, struct timespec b)
{
	return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec);
}

/* Until the clock of the file system has moved on. */
static void tick(void)
{
	struct timespec t = { .tv_nsec = 20000000 };

	nanosleep(&t, NULL);
}

static void counts(void)
{
	struct stat st;

	put("a", "one");
	int fd = open("a", O_RDONLY);
	OK(link("a", "b"));
	CHECK(stat_of("a").st_nlink == 2 && stat_of("a").st_ino == stat_of("b").st_ino);
	OK(fstat(fd, &st));
	CHECK(st.st_nlink == 2);
	FAILS(EEXIST, link("a", "b"));
	FAILS(EEXIST, link("a", "a"));
	OK(unlink("a"));
	OK(fstat(fd, &st));
	CHECK(st.st_nlink == 1 && stat_of("b").st_nlink == 1);
	CHECK(holds("b", "one"));
	OK(unlink("b"));
	OK(fstat(fd, &st));
	CHECK(st.st_nlink == 0);
	OK(close(fd));
}

/* What happens to one name shows through the others at once. */
static void through_other_names(void)
{
	struct stat before, now;

	put("a", "text");
	OK(mkdir("d", 0755));
	OK(link("a", "b"));
	OK(link("a", "d/c"));
	before = stat_of("b");
	CHECK(before.st_nlink == 3);
	tick();
	OK(unlink("a"));
	now = stat_of("b");
	CHECK(now.st_nlink == 2 && later(now.st_ctim, before.st_ctim));
	CHECK(now.st_mtim.tv_nsec == before.st_mtim.tv_nsec);
	tick();
	put("other", "x");
	OK(rename("other", "d/c"));
	before = now;
	now = stat_of("b");
	CHECK(now.st_nlink == 1 && later(now.st_ctim, before.st_ctim));
	tick();
	OK(link("b", "e"));
	before = now;
	now = stat_of("b");
	CHECK(now.st_nlink == 2 && later(now.st_ctim, before.st_ctim));
	CHECK(later(stat_of(".").st_mtim, before.st_ctim));
	OK(chmod("e", 0600));
	CHECK((stat_of("b").st_mode & 07777) == 0600);
	put("e", "through e");
	CHECK(holds("b", "through e") && stat_of("b").st_size == 9);
	tick();
	before = stat_of("b");
	OK(rename("b", "f"));
	now = stat_of("e");
	CHECK(now.st_nlink == 2 && later(now.st_ctim, before.st_ctim));
	/* a file over its own other name: nothing happens, both stay */
	OK(rename("f", "e"));
	CHECK(exists("f") && stat_of("e").st_nlink == 2);
}

static void kinds(void)
{
	char target[16];

	OK(mkdir("d", 0755));
	FAILS(EPERM, link("d", "d2"));
	OK(mkfifo("fifo", 0600));
	OK(link("fifo", "fifo2"));
	CHECK(S_ISFIFO(stat_of("fifo2").st_mode) && stat_of("fifo").st_nlink == 2);
	/* link() does not follow a symlink, linkat() when it is told to */
	put("f", "text");
	OK(symlink("f", "s"));
	OK(link("s", "s2"));
	CHECK(S_ISLNK(stat_of("s2").st_mode) && stat_of("s").st_nlink == 2);
	CHECK(readlink("s2", target, sizeof target) == 1 && target[0] == 'f');
	OK(linkat(AT_FDCWD, "s", AT_FDCWD, "f2", AT_SYMLINK_FOLLOW));
	CHECK(S_ISREG(stat_of("f2").st_mode) && stat_of("f").st_nlink == 2);
	OK(symlink("no where", "dangling"));
	OK(link("dangling", "dangling2"));
	FAILS(ENOENT, linkat(AT_FDCWD, "dangling", AT_FDCWD, "x", AT_SYMLINK_FOLLOW));
	OK(unlink("s"));
	CHECK(readlink("s2", target, sizeof target) == 1 && stat_of("s2").st_nlink == 1);
	OK(mknod("null", S_IFCHR | 0600, 0x103));
	OK(link("null", "null2"));
	CHECK(stat_of("null2").st_rdev == 0x103 && stat_of("null").st_nlink == 2);
}

static void errors(void)
{
	put("f", "x");
	OK(mkdir("d", 0755));
	FAILS(ENOENT, link("none", "x"));
	FAILS(ENOENT, link("f", "none/x"));
	FAILS(ENOTDIR, link("f", "f/x"));
	FAILS(ENOTDIR, link("f/x", "y"));
	FAILS(EEXIST, link("f", "d"));
	FAILS(EEXIST, link("f", "."));
	FAILS(ENOENT, link("f", "x/"));
	FAILS(EXDEV, link("f", "/dev/shm/posix-links"));
	FAILS(EINVAL, linkat(AT_FDCWD, "f", AT_FDCWD, "x", 0x40000000));
	CHECK(stat_of("f").st_nlink == 1);
}

/* By a descriptor: AT_EMPTY_PATH, and what /proc has of it. */
static void by_descriptor(void)
{
	char path[64];

	put("f", "text");
	int fd = open("f", O_RDONLY);
	OK(linkat(fd, "", AT_FDCWD, "g", AT_EMPTY_PATH));
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	OK(linkat(AT_FDCWD, path, AT_FDCWD, "h", AT_SYMLINK_FOLLOW));
	CHECK(stat_of("h").st_nlink == 3 && holds("g", "text") && holds("h", "text"));
	OK(unlink("f"));
	OK(unlink("g"));
	OK(linkat(fd, "", AT_FDCWD, "again", AT_EMPTY_PATH));
	CHECK(stat_of("again").st_nlink == 2);
	OK(close(fd));
}

/* As many as there may be: ext4 has 65,000. */
static void as_many_as_may_be(void)
{
	char name[32];
	int n = 1, err = 0;

	put("f", "linked");
	OK(mkdir("d", 0755));
	for (; n < 70000; n++) {
		snprintf(name, sizeof name, "d/%d", n);
		if (link("f", name) < 0) {
			err = errno;
			break;
		}
	}
	CHECK(err == EMLINK && n >= 64990);
	CHECK(stat_of("f").st_nlink == (nlink_t)n);
	FAILS(EMLINK, link("d/1", "one more"));
	OK(unlink("d/1"));
	OK(link("f", "one more"));
	CHECK(holds("one more", "linked"));
	for (int i = 2; i < n; i++) {
		snprintf(name, sizeof name, "d/%d", i);
		if (unlink(name) < 0)
			return posix_failed(__FILE__, __LINE__, name);
	}
	CHECK(stat_of("f").st_nlink == 2);
	OK(rmdir("d"));
}

static void of_directories(void)
{
	enum { N = 300 };
	char name[32];

	CHECK(stat_of(".").st_nlink == 2);
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof name, "d%d", i);
		OK(mkdir(name, 0755));
	}
	put("f", "no matter");
	CHECK(stat_of(".").st_nlink == 2 + N && stat_of("d7").st_nlink == 2);
	OK(mkdir("d7/sub", 0755));
	CHECK(stat_of("d7").st_nlink == 3);
	OK(rename("d7/sub", "d8/sub"));
	CHECK(stat_of("d7").st_nlink == 2 && stat_of("d8").st_nlink == 3);
	OK(rmdir("d8/sub"));
	CHECK(stat_of("d8").st_nlink == 2);
	OK(rmdir("d7"));
	CHECK(stat_of(".").st_nlink == 2 + N - 1);
}

/*
 * Links that are made while the last name is taken away: what was linked is whole, what was not
 * said so.
 */
static void against_unlink(void)
{
	enum { ROUNDS = 400 };
	char from[32], to[32];

	OK(mkdir("d", 0755));
	for (int i = 0; i < ROUNDS; i++) {
		snprintf(from, sizeof from, "f%d", i);
		put(from, "raced for");
	}
	pid_t pid = fork();
	if (pid == 0) {
		for (int i = 0; i < ROUNDS; i++) {
			snprintf(from, sizeof from, "f%d", i);
			if (unlink(from) < 0)
				_exit(1);
		}
		_exit(0);
	}
	bool made[ROUNDS];
	for (int i = 0; i < ROUNDS; i++) {
		snprintf(from, sizeof from, "f%d", i);
		snprintf(to, sizeof to, "d/%d", i);
		made[i] = link(from, to) == 0;
		if (!made[i] && errno != ENOENT)
			posix_failed(__FILE__, __LINE__, "linked, or it is gone");
	}
	CHECK(wait_status(pid) == 0);
	for (int i = 0; i < ROUNDS; i++) {
		snprintf(to, sizeof to, "d/%d", i);
		CHECK(exists(to) == made[i]);
		if (made[i])
			CHECK(stat_of(to).st_nlink == 1 && holds(to, "raced for"));
	}
}

const struct posix_case posix_cases[] = {
	POSIX_CASE(counts), POSIX_CASE(through_other_names), POSIX_CASE(kinds), POSIX_CASE(errors),
	POSIX_CASE(by_descriptor),
	{ .name = "as_many_as_may_be", .run = as_many_as_may_be, .limit_s = 300 },
	POSIX_CASE(of_directories), POSIX_CASE(against_unlink),
	{ 0 },
};
