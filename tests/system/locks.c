/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * locks - a file that is locked through one mount is locked for another.
 *
 *	locks DIR OTHER-DIR
 *
 * The two directories are the same one, mounted on two hosts.  Tried are fcntl's record locks, those of open files, and
 * flock: exclusion, shared locks, ranges, who holds one, waiting, and that close lets go.
 *
 * Exit status: 0, 1 when something was not as it should be (which is said), 2 trouble.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TROUBLE = 2, PATIENCE_S = 20 };

static const char *kind;
static int failures, dir[2];

static void check(int is, int should_be, const char *what)
{
	if (is == should_be)
		return;
	failures++;
	printf("%s: %s: %s, not %s\n", kind, what, is ? strerror(is) : "success", should_be ? strerror(should_be) : "success");
}

static int open_at(int side)
{
	int fd = openat(dir[side], "locked", O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0)
		err(TROUBLE, "open");
	return fd;
}

/* 0 or errno */
static int set(int fd, int cmd, short type, off_t start, off_t len)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };
	int error = fcntl(fd, cmd, &lock) ? errno : 0;

	return error == EACCES ? EAGAIN : error;
}

/* The type of lock that is in the way. */
static short in_the_way(int fd, int cmd, short type, off_t start, off_t len)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };

	if (fcntl(fd, cmd, &lock))
		err(TROUBLE, "%s: F_GETLK", kind);
	return lock.l_type;
}

/*
 * A child that waits for a lock through the second mount, and ends with 0 when it got it. What it inherits,
 * fd, would keep the lock alive.
 */
static pid_t wait_in_child(int (*lock)(int fd), int fd)
{
	pid_t pid = fork();

	if (pid < 0)
		err(TROUBLE, "fork");
	if (pid)
		return pid;
	alarm(PATIENCE_S);
	close(fd);
	_exit(lock(open_at(1)) != 0);
}

static void check_child(pid_t pid, const char *what)
{
	int status;

	if (waitpid(pid, &status, 0) < 0)
		err(TROUBLE, "waitpid");
	if (status) {
		failures++;
		printf("%s: %s: %s\n", kind, what, WIFSIGNALED(status) ? "it waited in vain" : "it failed");
	}
}

/*
 * What closing lets go is let go soon: the kernel does not wait for the answer when locks of open files and flocks end
 * with their file.
 */
static int soon(int fd, int setlk)
{
	int error = EAGAIN;

	for (int i = 0; i < PATIENCE_S * 100 && error == EAGAIN; i++) {
		error = setlk ? set(fd, setlk, F_WRLCK, 0, 1) : flock(fd, LOCK_EX | LOCK_NB) ? errno : 0;
		if (error == EAGAIN)
			usleep(10000);
	}
	return error;
}

static void check_ranges(int setlk, int getlk)
{
	int a = open_at(0), b = open_at(1);

	check(set(a, setlk, F_WRLCK, 0, 10), 0, "a first lock");
	check(set(b, setlk, F_WRLCK, 5, 10), EAGAIN, "one that overlaps, from the other host");
	check(set(b, setlk, F_RDLCK, 0, 0), EAGAIN, "a shared one over all");
	check(set(b, setlk, F_WRLCK, 10, 10), 0, "one beside it");
	check(in_the_way(b, getlk, F_WRLCK, 0, 5) == F_WRLCK, 1, "F_GETLK tells that somebody holds it");
	check(in_the_way(b, getlk, F_WRLCK, 20, 5) == F_UNLCK, 1, "F_GETLK tells that nobody holds it");
	check(set(a, setlk, F_UNLCK, 0, 10), 0, "unlocking");
	check(set(b, setlk, F_WRLCK, 5, 10), 0, "the same after unlocking");
	check(set(b, setlk, F_UNLCK, 0, 0), 0, "unlocking all");
	check(set(a, setlk, F_RDLCK, 0, 0), 0, "a shared one");
	check(set(b, setlk, F_RDLCK, 0, 0), 0, "a second shared one");
	check(set(b, setlk, F_WRLCK, 0, 1), EAGAIN, "an exclusive one over two shared");
	close(a);
	check(soon(b, setlk), 0, "an exclusive one after the other was closed");
	close(b);
}

static int wait_for_record(int fd)
{
	return set(fd, F_SETLKW, F_WRLCK, 100, 1);
}

static int wait_for_open_file(int fd)
{
	return set(fd, F_OFD_SETLKW, F_WRLCK, 100, 1);
}

static int wait_for_flock(int fd)
{
	return flock(fd, LOCK_EX);
}

/* Does the process sleep in a system call that locks? */
static int sleeps_in_lock(pid_t pid)
{
	char path[64], text[256] = "";
	long nr = -1;		/* "running" is no number */
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/syscall", (int)pid);
	f = fopen(path, "r");
	if (!f || !fgets(text, sizeof(text), f))
		err(TROUBLE, "%s", path);
	fclose(f);
	if (text[0] >= '0' && text[0] <= '9')
		nr = strtol(text, NULL, 10);
	return nr == SYS_fcntl || nr == SYS_flock;
}

/*
 * Until the child waits for the lock that the first mount holds.  It sleeps in the system call: the kernel has given
 * its request to the mount.  What is asked through the same mount after that is answered after it, if it is answered
 * at all, so a lock that was granted though it should not be has woken the child by then.
 */
static void until_it_waits(pid_t pid, int setlk)
{
	int fd = open_at(1);

	for (int ms = 0; !sleeps_in_lock(pid) && ms < PATIENCE_S * 1000; ms++)
		usleep(1000);
	if (setlk)
		check(set(fd, setlk, F_WRLCK, 100, 1), EAGAIN, "a second one, not to wait for");
	else
		check(flock(fd, LOCK_EX | LOCK_NB) ? errno : 0, EAGAIN, "a second one, not to wait for");
	check(sleeps_in_lock(pid), 1, "the other waits");
	close(fd);
}

static void check_waiting(int (*lock)(int fd), int setlk)
{
	int fd = open_at(0);
	pid_t pid;

	check(lock(fd) ? errno : 0, 0, "a lock to wait for");
	pid = wait_in_child(lock, fd);
	until_it_waits(pid, setlk);
	if (setlk)
		check(set(fd, setlk, F_UNLCK, 0, 0), 0, "letting go");
	else
		check(flock(fd, LOCK_UN) ? errno : 0, 0, "letting go");
	check_child(pid, "waiting until the first lets go");
	check(lock(fd) ? errno : 0, 0, "the lock again, after the other process has ended");
	pid = wait_in_child(lock, fd);
	until_it_waits(pid, setlk);
	close(fd);
	check_child(pid, "waiting until the first closes");
}

static int try_flock(int fd, int how)
{
	return flock(fd, how | LOCK_NB) ? errno : 0;
}

static void check_flock(void)
{
	int a = open_at(0), b = open_at(1), c = open_at(0);

	check(try_flock(a, LOCK_EX), 0, "a first lock");
	check(try_flock(b, LOCK_EX), EAGAIN, "a second, from the other host");
	check(try_flock(b, LOCK_SH), EAGAIN, "a shared one, from the other host");
	check(try_flock(c, LOCK_SH), EAGAIN, "a shared one, from the same host");
	check(try_flock(a, LOCK_SH), 0, "to shared");
	check(try_flock(b, LOCK_SH), 0, "two shared ones");
	check(try_flock(c, LOCK_EX), EAGAIN, "an exclusive one over two shared");
	check(try_flock(a, LOCK_UN), 0, "unlocking");
	close(b);
	check(soon(c, 0), 0, "after the other was closed");
	close(a);
	close(c);
}

/* Two that keep a file open and change it in turns see each other's bytes when they have the lock. */
static void check_data(int setlk, off_t at)
{
	int fd[2] = { open_at(0), open_at(1) };
	unsigned n = 0;

	for (unsigned i = 0; i < 50; i++) {
		int side = i & 1;

		check(set(fd[side], setlk, F_WRLCK, 0, 0), 0, "a lock for a change");
		if (i && pread(fd[side], &n, sizeof(n), at) != sizeof(n))
			err(TROUBLE, "read");
		if (n != i) {
			failures++;
			printf("%s: %u is read under a lock, the other host has written %u\n", kind, n, i);
			break;
		}
		n++;
		if (pwrite(fd[side], &n, sizeof(n), at) != sizeof(n))
			err(TROUBLE, "write");
		check(set(fd[side], setlk, F_UNLCK, 0, 0), 0, "unlocking");
	}
	close(fd[0]);
	close(fd[1]);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		errx(TROUBLE, "usage: locks DIR OTHER-DIR");
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 0; i < 2; i++) {
		dir[i] = open(argv[i + 1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir[i] < 0)
			err(TROUBLE, "%s", argv[i + 1]);
	}
	kind = "fcntl";
	check_ranges(F_SETLK, F_GETLK);
	check_waiting(wait_for_record, F_SETLK);
	check_data(F_SETLK, 0);
	kind = "locks of open files";
	check_ranges(F_OFD_SETLK, F_OFD_GETLK);
	check_waiting(wait_for_open_file, F_OFD_SETLK);
	check_data(F_OFD_SETLK, 5000);
	kind = "flock";
	check_flock();
	check_waiting(wait_for_flock, 0);
	printf("%d failures\n", failures);
	return failures != 0;
}
