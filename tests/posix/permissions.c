/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * permissions - who may do what: modes of files and directories, sticky directories, owners, groups.
 */
#include "config.h"

#include <signal.h>
#include <sys/xattr.h>

#include "posix.h"

enum { ALICE = 1001, BOB = 1002, TEAM = 2001 };

static unsigned mode_of(const char *path)
{
	return stat_of(path).st_mode & 07777;
}

static void open_to_all(const char *path)
{
	OK(mkdir(path, 0));
	OK(chmod(path, 0777));
}

/* ---- reading and writing, by all modes ---- */

static unsigned allowed;		/* rwx of the caller */

/* ret is what a system call answered that may succeed or must fail with EACCES. */
static int decided(bool may, int ret, int line)
{
	int err = errno;

	if ((ret >= 0) != may || (ret < 0 && err != EACCES)) {
		errno = err;
		posix_failed(__FILE__, line, may ? "it is allowed" : "it is denied");
	}
	return ret;
}
#define DECIDED(may, call) decided(may, call, __LINE__)

static void closed(int fd)
{
	if (fd >= 0)
		OK(close(fd));
}

static void try_file(void)
{
	const bool reads = allowed & 4, writes = allowed & 2;
	char c;

	closed(DECIDED(reads, open("f", O_RDONLY)));
	closed(DECIDED(writes, open("f", O_WRONLY)));
	closed(DECIDED(reads && writes, open("f", O_RDWR)));
	for (int how = 1; how < 8; how++)
		DECIDED((allowed & how) == (unsigned)how, access("f", how));
	DECIDED(writes, truncate("f", 3));
	DECIDED(reads, getxattr("f", "user.x", &c, 1));
	DECIDED(writes, setxattr("f", "user.x", "2", 1, 0));
}

static void modes_of_files(void)
{
	OK(chmod(".", 0755));
	put("f", "text");
	OK(setxattr("f", "user.x", "1", 1, 0));
	OK(chown("f", ALICE, TEAM));
	for (unsigned mode = 0; mode < 01000; mode += 0145) {
		gid_t team[] = { 77, TEAM };

		OK(chmod("f", mode & 0777));
		allowed = mode >> 6 & 7;
		as_user(ALICE, TEAM, try_file);	/* the owner, whatever the group may */
		allowed = mode >> 3 & 7;
		as_user(BOB, TEAM, try_file);
		as_user_with_groups(BOB, 100, 2, team, try_file);
		allowed = mode & 7;
		as_user(BOB, 100, try_file);
	}
}

static void try_directory(void)
{
	const bool enters = allowed & 1, changes = (allowed & 3) == 3;
	struct stat st;

	closed(DECIDED(allowed & 4, open("d", O_RDONLY | O_DIRECTORY)));
	DECIDED(enters, stat("d/f", &st));
	if (DECIDED(enters, chdir("d")) == 0)
		OK(chdir(".."));
	if (DECIDED(changes, mkdir("d/new", 0755)) == 0)
		OK(rmdir("d/new"));
	if (DECIDED(changes, symlink("x", "d/new")) == 0)
		OK(unlink("d/new"));
	if (DECIDED(changes, rename("d/f", "d/g")) == 0)
		OK(rename("d/g", "d/f"));
	if (DECIDED(changes, link("own", "d/new")) == 0)
		OK(unlink("d/new"));
	closed(DECIDED(changes, open("d/new", O_CREAT | O_EXCL | O_WRONLY, 0600)));
	if (changes)
		OK(unlink("d/new"));
	else
		FAILS(EACCES, unlink("d/f"));
}

static void modes_of_directories(void)
{
	OK(chmod(".", 0755));
	OK(mkdir("d", 0755));
	put("d/f", "");
	put("own", "");
	OK(chown("d", ALICE, TEAM));
	for (unsigned mode = 0; mode < 01000; mode += 0111) {
		OK(chmod("d", mode & 0777));
		allowed = mode & 7;
		OK(chown("own", ALICE, TEAM));
		as_user(ALICE, 100, try_directory);
		OK(chown("own", BOB, TEAM));
		as_user(BOB, TEAM, try_directory);
		as_user(BOB, 100, try_directory);
	}
}

static void nothing_below(void)
{
	struct stat st;

	FAILS(EACCES, stat("a/b/c", &st));
	FAILS(EACCES, open("a/b/c", O_RDONLY));
	FAILS(EACCES, unlink("a/b/c"));
	FAILS(EACCES, mkdir("a/b/d", 0755));
	FAILS(EACCES, rename("a/b/c", "x"));
	FAILS(EACCES, link("a/b/c", "own/x"));
	FAILS(EACCES, chmod("a/b/c", 0777));
	FAILS(EACCES, chown("a/b/c", BOB, -1));
	FAILS(EACCES, truncate("a/b/c", 0));
	FAILS(EACCES, utimensat(AT_FDCWD, "a/b/c", NULL, 0));
	FAILS(EACCES, symlink("x", "a/b/s"));
	FAILS(EACCES, mkfifo("a/b/p", 0600));
	FAILS(EACCES, rmdir("a/b/c"));
	char c[8];
	FAILS(EACCES, readlink("a/b/c", c, sizeof c));
	FAILS(EACCES, getxattr("a/b/c", "user.x", c, sizeof c));
}

static void path_that_is_closed(void)
{
	OK(chmod(".", 0755));
	OK(mkdir("a", 0755));
	OK(mkdir("a/b", 0755));
	put("a/b/c", "");
	OK(chown("a/b/c", BOB, BOB));
	OK(mkdir("own", 0755));
	OK(chown("own", BOB, BOB));
	OK(chmod("a/b", 0644));
	as_user(BOB, BOB, nothing_below);
	OK(chmod("a/b", 0755));
	OK(chmod("a", 0700));
	as_user(BOB, BOB, nothing_below);
	OK(chown("a", BOB, BOB));
	OK(chmod("a", 0677));
	as_user(BOB, BOB, nothing_below);
}

/* ---- what only the owner may, and root ---- */

static void not_the_owner(void)
{
	const struct timespec t[2] = { { 1, 2 }, { 3, 4 } };

	FAILS(EPERM, chmod("f", 0600));
	FAILS(EPERM, chmod("d", 0700));
	FAILS(EPERM, chown("f", BOB, -1));
	FAILS(EPERM, chown("f", -1, BOB));
	FAILS(EPERM, lchown("s", BOB, BOB));
	FAILS(EPERM, utimensat(AT_FDCWD, "f", t, 0));
	FAILS(EPERM, chown("d", BOB, BOB));
	int fd = open("f", O_RDWR);
	FAILS(EPERM, fchmod(fd, 0600));
	FAILS(EPERM, fchown(fd, BOB, -1));
	FAILS(EPERM, futimens(fd, t));
	OK(futimens(fd, NULL));
	OK(close(fd));
	FAILS(EPERM, setxattr("f", "trusted.x", "1", 1, 0));
	char c[8];
	CHECK(getxattr("f", "trusted.mine", c, sizeof c) == -1);
	CHECK(listxattr("f", NULL, 0) == 0);
	FAILS(EPERM, open("f", O_RDONLY | O_NOATIME));
}

static void the_owner(void)
{
	OK(chmod("f", 0600));
	OK(chmod("f", 0666));
	OK(chown("f", ALICE, -1));
	OK(chown("f", -1, 100));
	OK(chown("f", ALICE, 100));
	FAILS(EPERM, chown("f", BOB, -1));
	FAILS(EPERM, chown("f", 0, 100));
	FAILS(EPERM, chown("f", -1, TEAM));
	OK(close(open("f", O_RDONLY | O_NOATIME)));
	OK(chmod("f", 01666));
	CHECK(mode_of("f") == 01666);	/* Linux lets sticky be on files */
}

static void owners_only(void)
{
	OK(chmod(".", 0755));
	put("f", "text");
	OK(mkdir("d", 0777));
	OK(symlink("f", "s"));
	OK(setxattr("f", "trusted.mine", "t", 1, 0));
	OK(chown("f", ALICE, 100));
	OK(chmod("f", 0666));
	as_user(BOB, 100, not_the_owner);
	as_user(ALICE, 100, the_owner);
	CHECK(stat_of("f").st_uid == ALICE && stat_of("f").st_gid == 100);
}

static void root_may_all(void)
{
	OK(mkdir("d", 0));
	OK(chown("d", ALICE, ALICE));
	int fd = open("d/f", O_CREAT | O_RDWR, 0);
	CHECK(fd >= 0);
	OK(close(fd));
	OK(chown("d/f", BOB, BOB));
	fd = open("d/f", O_RDWR);
	CHECK(fd >= 0 && write(fd, "x", 1) == 1);
	OK(close(fd));
	CHECK(holds("d/f", "x"));
	OK(access("d/f", R_OK | W_OK));
	FAILS(EACCES, access("d/f", X_OK));	/* nobody may execute it */
	OK(chmod("d/f", 0010));
	OK(access("d/f", X_OK));
	OK(access("d", R_OK | W_OK | X_OK));
	OK(utimensat(AT_FDCWD, "d/f", (struct timespec[2]){ { 1, 1 }, { 2, 2 } }, 0));
	OK(setxattr("d/f", "trusted.x", "1", 1, 0));
}

/* ---- sticky directories ---- */

static void in_sticky(void)
{
	FAILS(EPERM, unlink("t/alice"));
	FAILS(EPERM, rmdir("t/alice-dir"));
	FAILS(EPERM, rename("t/alice", "t/x"));
	FAILS(EPERM, rename("t/alice-dir", "t/x"));
	FAILS(EPERM, rename("t/bob", "t/alice"));
	FAILS(EPERM, rename("mine", "t/alice"));
	FAILS(EPERM, renameat2(AT_FDCWD, "t/bob", AT_FDCWD, "t/alice", RENAME_EXCHANGE));
	OK(rename("t/bob", "t/bobs"));
	OK(rename("t/bobs", "u/bobs"));
	OK(rename("u/bobs", "t/bob"));
	OK(unlink("t/bob"));
	OK(rmdir("t/bob-dir"));
	put("t/new", "");
	OK(unlink("t/new"));
}

static void owner_of_sticky(void)
{
	OK(rename("t/alice", "t/x"));
	OK(unlink("t/x"));
	OK(rmdir("t/alice-dir"));
}

static void sticky_directories(void)
{
	OK(chmod(".", 0777));
	open_to_all("t");
	open_to_all("u");
	OK(chmod("t", 01777));
	put("t/alice", "");
	put("t/bob", "");
	put("mine", "");
	OK(mkdir("t/alice-dir", 0777));
	OK(mkdir("t/bob-dir", 0777));
	OK(chown("t/alice", ALICE, ALICE));
	OK(chown("t/alice-dir", ALICE, ALICE));
	OK(chown("t/bob", BOB, BOB));
	OK(chown("t/bob-dir", BOB, BOB));
	OK(chown("mine", BOB, BOB));
	as_user(BOB, BOB, in_sticky);
	OK(chown("t", 1003, 1003));
	as_user(1003, 1003, owner_of_sticky);
}

static void moves_directories(void)
{
	/* a directory that moves is written to (its ".."), so that must be allowed */
	FAILS(EACCES, rename("from/closed", "to/closed"));
	OK(rename("from/closed", "from/renamed"));
	OK(rename("from/open", "to/open"));
	FAILS(EACCES, rename("from/renamed", "readonly/x"));
	FAILS(EACCES, rename("readonly/f", "to/f"));
}

static void moving_directories(void)
{
	OK(chmod(".", 0755));
	open_to_all("from");
	open_to_all("to");
	OK(mkdir("readonly", 0755));
	put("readonly/f", "");
	OK(mkdir("from/closed", 0755));
	open_to_all("from/open");
	as_user(BOB, BOB, moves_directories);
}

/* ---- executing ---- */

static void runs(void)
{
	fflush(NULL);
	pid_t pid = fork();

	if (pid == 0) {
		execl("true", "true", NULL);
		_exit(errno == EACCES ? 13 : 99);
	}
	CHECK(wait_status(pid) == (allowed & 1 ? 0 : 13));
}

static void executing(void)
{
	OK(chmod(".", 0755));
	CHECK(system("cp /bin/true true") == 0);
	OK(chown("true", ALICE, TEAM));
	for (unsigned mode = 0; mode < 8; mode++) {
		OK(chmod("true", 0666 | (mode & 1) | (mode & 2) << 2 | (mode & 4) << 4));
		allowed = mode >> 2;
		as_user(ALICE, TEAM, runs);
		allowed = mode >> 1;
		as_user(BOB, TEAM, runs);
		allowed = mode;
		as_user(BOB, 100, runs);
		allowed = mode != 0;
		runs();
	}
	/* one that runs is not written to */
	OK(chmod("true", 0755));
	CHECK(system("cp /bin/sleep sleep") == 0);
	fflush(NULL);
	int gate[2];
	OK(pipe2(gate, O_CLOEXEC));
	pid_t pid = fork();
	if (pid == 0) {
		execl("sleep", "sleep", "60", NULL);
		_exit(99);
	}
	close(gate[1]);
	char c;
	CHECK(read(gate[0], &c, 1) == 0);	/* closed by the exec */
	close(gate[0]);
	FAILS(ETXTBSY, open("sleep", O_WRONLY));
	FAILS(ETXTBSY, truncate("sleep", 0));
	kill(pid, SIGKILL);
	CHECK(wait_status(pid) == 128 + SIGKILL);
	OK(close(open("sleep", O_WRONLY)));
}

static void shows_ids(void)
{
	fflush(NULL);
	pid_t pid = fork();

	if (pid == 0) {
		execl("id", "id", "-u", NULL);
		_exit(99);
	}
	CHECK(wait_status(pid) == 0);
}

static void set_user_id_programs(void)
{
	char line[64] = "";

	OK(chmod(".", 0755));
	CHECK(system("cp /usr/bin/id id") == 0);
	OK(chown("id", ALICE, TEAM));
	OK(chmod("id", 06755));
	int out = open("out", O_CREAT | O_RDWR, 0666), saved = dup(1);
	OK(dup2(out, 1));
	as_user(BOB, 100, shows_ids);
	OK(dup2(saved, 1));
	CHECK(pread(out, line, sizeof line - 1, 0) > 0);
	CHECK(strcmp(line, "1001\n") == 0);
	OK(close(out));
	OK(close(saved));
}

/* ---- descriptors keep what they were opened with ---- */

static void uses_open_files(void)
{
	char c[8];

	CHECK(pread(10, c, 4, 0) == 4);
	CHECK(pwrite(11, "x", 1, 0) == 1);
	FAILS(EACCES, open("f", O_RDONLY));
	struct stat st;
	OK(fstat(10, &st));
	OK(fsync(11));
	OK(ftruncate(11, 2));
	FAILS(EINVAL, ftruncate(10, 1));	/* not open for writing */
	CHECK(pread(10, c, 4, 0) == 2);
}

static void descriptors_keep_permissions(void)
{
	OK(chmod(".", 0755));
	put("f", "text");
	OK(dup2(open("f", O_RDONLY), 10));
	OK(dup2(open("f", O_WRONLY), 11));
	OK(chmod("f", 0));
	OK(chmod(".", 0700));
	OK(chmod(".", 0755));
	as_user(BOB, BOB, uses_open_files);
}

static void writes_own(void)
{
	int fd = open("d/f", O_CREAT | O_EXCL | O_RDWR, 0444);

	CHECK(fd >= 0 && write(fd, "x", 1) == 1);	/* what is made is open, whatever its mode */
	FAILS(EACCES, open("d/f", O_WRONLY));
	OK(close(fd));
	fd = open("d/g", O_CREAT | O_EXCL | O_RDWR, 0);
	CHECK(fd >= 0 && write(fd, "x", 1) == 1);
	char c;
	CHECK(pread(fd, &c, 1, 0) == 1);
	OK(close(fd));
	FAILS(EACCES, open("d/g", O_RDONLY));
	fd = open("d", O_TMPFILE | O_RDWR, 0);
	CHECK(fd >= 0 && write(fd, "x", 1) == 1);
	OK(close(fd));
}

static void created_closed(void)
{
	OK(chmod(".", 0755));
	open_to_all("d");
	as_user(BOB, BOB, writes_own);
}

/* A change of permissions is seen at once, by those who have used the object before. */
static void reads_it(void)
{
	struct stat st;

	if (allowed) {
		OK(stat("d/f", &st));
		CHECK(holds("d/f", "text"));
	} else {
		FAILS(EACCES, stat("d/f", &st));
		FAILS(EACCES, open("d/f", O_RDONLY));
	}
}

static void changes_are_seen(void)
{
	OK(chmod(".", 0755));
	OK(mkdir("d", 0755));
	put("d/f", "text");
	for (int i = 0; i < 10; i++) {	/* ends its first half with 0700 */
		allowed = i % 2 == 0;
		OK(i < 6 ? chmod("d", allowed ? 0755 : 0700) : chown("d", allowed ? BOB : 0, -1));
		as_user(BOB, BOB, reads_it);
	}
}

const struct posix_case posix_cases[] = {
	POSIX_CASE(modes_of_files),	   POSIX_CASE(modes_of_directories),
	POSIX_CASE(path_that_is_closed),   POSIX_CASE(owners_only),
	POSIX_CASE(root_may_all),	   POSIX_CASE(sticky_directories),
	POSIX_CASE(moving_directories),	   POSIX_CASE(executing),
	POSIX_CASE(set_user_id_programs),  POSIX_CASE(descriptors_keep_permissions),
	POSIX_CASE(created_closed),	   POSIX_CASE(changes_are_seen),
	{ 0 },
};
