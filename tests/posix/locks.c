/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * locks - fcntl (POSIX and OFD) and flock between processes, and leases.
 *
 * A second process (`other`) is asked over a pipe to do something with the file "f", and answers with 0
 * or an errno. Who waits is seen in /proc: the system call that a process is in.
 */
#include "config.h"

#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "posix.h"

#ifndef F_OFD_GETLK
#define F_OFD_GETLK 36
#define F_OFD_SETLK 37
#define F_OFD_SETLKW 38
#endif

static int set(int fd, int cmd, int type, off_t start, off_t len)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };

	return fcntl(fd, cmd, &l) < 0 ? errno : 0;
}

static struct flock get(int fd, int cmd, int type, off_t start, off_t len)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };

	OK(fcntl(fd, cmd, &l));
	return l;
}

static int open_f(void)
{
	int fd = open("f", O_RDWR | O_CREAT, 0644);

	CHECK(fd >= 0);
	return fd;
}

/* ---- another process ---- */

struct request {
	enum { FCNTL, FLOCK, CLOSE } what;
	int cmd, type;
	off_t start, len;
};

struct other {
	pid_t pid;
	int to, from;
};

static void serve(int in, int out)
{
	struct request r;

	/* What was inherited is the same open file: OFD locks and those of flock would stay. */
	for (int i = 3; i < 64; i++)
		if (i != in && i != out)
			close(i);
	int fd = open("f", O_RDWR | O_CREAT, 0644);

	while (read(in, &r, sizeof r) == sizeof r) {
		int ret = 0;

		if (r.what == FCNTL)
			ret = set(fd, r.cmd, r.type, r.start, r.len);
		else if (r.what == FLOCK)
			ret = flock(fd, r.cmd) < 0 ? errno : 0;
		else
			ret = close(fd) < 0 ? errno : 0;
		if (write(out, &ret, sizeof ret) != sizeof ret)
			_exit(1);
	}
	_exit(0);
}

static struct other other_new(void)
{
	int to[2], from[2];
	struct other o = { 0 };

	OK(pipe2(to, O_CLOEXEC));
	OK(pipe2(from, O_CLOEXEC));
	o.pid = fork();
	if (o.pid == 0) {
		close(to[1]);
		close(from[0]);
		serve(to[0], from[1]);
	}
	CHECK(o.pid > 0);
	close(to[0]);
	close(from[1]);
	o.to = to[1];
	o.from = from[0];
	return o;
}

static void tell(struct other *o, struct request r)
{
	CHECK(write(o->to, &r, sizeof r) == sizeof r);
}

static int answer(struct other *o)
{
	int ret = -1;

	CHECK(read(o->from, &ret, sizeof ret) == sizeof ret);
	return ret;
}

static int ask(struct other *o, struct request r)
{
	tell(o, r);
	return answer(o);
}

#define SETLK(t, s, l) ((struct request){ .what = FCNTL, .cmd = F_SETLK, .type = t, .start = s, .len = l })
#define SETLKW(t, s, l) ((struct request){ .what = FCNTL, .cmd = F_SETLKW, .type = t, .start = s, .len = l })
#define OFD_SETLK(t, s, l) ((struct request){ .what = FCNTL, .cmd = F_OFD_SETLK, .type = t, .start = s, .len = l })
#define DO_FLOCK(c) ((struct request){ .what = FLOCK, .cmd = c })

static void other_end(struct other *o)
{
	close(o->to);
	close(o->from);
	CHECK(wait_status(o->pid) == 0);
}

/* The beginning of /proc/PID/NAME. */
static void read_proc(pid_t pid, const char *name, char text[256])
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, 255);
	if (fd >= 0)
		close(fd);
	if (n < 0)
		posix_skip("no %s", path);
	text[n] = '\0';
}

/* Until it sleeps in this system call: it waits for a lock, and whoever gives locks knows. */
static void wait_until_in(pid_t pid, long syscall_nr)
{
	char text[256];

	for (;;) {
		read_proc(pid, "syscall", text);
		if (text[0] != 'r' && strtol(text, NULL, 10) == syscall_nr) {
			read_proc(pid, "stat", text);
			const char *state = strrchr(text, ')');
			if (state && state[1] && state[2] == 'S')
				return;
		}
		sched_yield();
	}
}

/* ---- between processes ---- */

static void exclusion(void)
{
	int fd = open_f();
	struct other o = other_new();

	CHECK(set(fd, F_SETLK, F_WRLCK, 0, 10) == 0);
	CHECK(ask(&o, SETLK(F_WRLCK, 5, 1)) == EAGAIN);
	CHECK(ask(&o, SETLK(F_RDLCK, 9, 1)) == EAGAIN);
	CHECK(ask(&o, SETLK(F_WRLCK, 10, 10)) == 0);
	CHECK(set(fd, F_SETLK, F_RDLCK, 0, 10) == 0);
	CHECK(ask(&o, SETLK(F_RDLCK, 0, 5)) == 0);
	CHECK(ask(&o, SETLK(F_WRLCK, 0, 5)) == EAGAIN);
	CHECK(set(fd, F_SETLK, F_WRLCK, 2, 1) == EAGAIN);
	CHECK(set(fd, F_SETLK, F_UNLCK, 0, 0) == 0);
	CHECK(ask(&o, SETLK(F_WRLCK, 0, 0)) == 0);
	CHECK(set(fd, F_SETLK, F_RDLCK, 1000000, 1) == EAGAIN);
	other_end(&o);
	/* its locks went with it */
	CHECK(set(fd, F_SETLK, F_WRLCK, 0, 0) == 0);
	OK(close(fd));
}

static void first_conflict(void)
{
	int fd = open_f();
	struct other o = other_new();

	CHECK(ask(&o, SETLK(F_WRLCK, 50, 10)) == 0);
	CHECK(ask(&o, SETLK(F_RDLCK, 20, 10)) == 0);
	struct flock l = get(fd, F_GETLK, F_WRLCK, 0, 0);
	CHECK(l.l_type == F_RDLCK && l.l_start == 20 && l.l_len == 10 && l.l_whence == SEEK_SET);
	CHECK(l.l_pid == o.pid);
	l = get(fd, F_GETLK, F_RDLCK, 0, 0);
	CHECK(l.l_type == F_WRLCK && l.l_start == 50 && l.l_len == 10);
	l = get(fd, F_GETLK, F_WRLCK, 30, 20);
	CHECK(l.l_type == F_UNLCK);
	CHECK(ask(&o, SETLK(F_WRLCK, 100, 0)) == 0);
	l = get(fd, F_GETLK, F_WRLCK, 1L << 40, 1);
	CHECK(l.l_type == F_WRLCK && l.l_start == 100 && l.l_len == 0);
	other_end(&o);
	OK(close(fd));
}

/* A range is split, joined and changed; what is left is seen by others. */
static void ranges(void)
{
	int fd = open_f();
	struct other o = other_new();

	CHECK(set(fd, F_SETLK, F_WRLCK, 0, 100) == 0);
	CHECK(set(fd, F_SETLK, F_UNLCK, 40, 20) == 0);
	CHECK(ask(&o, SETLK(F_WRLCK, 40, 20)) == 0);
	CHECK(ask(&o, SETLK(F_WRLCK, 39, 1)) == EAGAIN);
	CHECK(ask(&o, SETLK(F_WRLCK, 60, 1)) == EAGAIN);
	CHECK(set(fd, F_SETLK, F_RDLCK, 0, 20) == 0);
	CHECK(ask(&o, SETLK(F_RDLCK, 0, 20)) == 0);
	CHECK(ask(&o, SETLK(F_RDLCK, 0, 21)) == EAGAIN);
	CHECK(ask(&o, SETLK(F_UNLCK, 0, 0)) == 0);
	CHECK(set(fd, F_SETLK, F_WRLCK, 0, 0) == 0);
	CHECK(ask(&o, SETLK(F_WRLCK, 1L << 50, 1)) == EAGAIN);
	other_end(&o);
	OK(close(fd));
}

static void places_of_a_range(void)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = -10, .l_len = 5 };
	struct other o;
	int fd;

	put("f", "twenty bytes of text");
	fd = open_f();
	o = other_new();
	OK(fcntl(fd, F_SETLK, &l));
	CHECK(ask(&o, SETLK(F_WRLCK, 10, 5)) == EAGAIN);
	CHECK(ask(&o, SETLK(F_WRLCK, 15, 1)) == 0);
	l = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 8, .l_len = -4 };
	OK(fcntl(fd, F_SETLK, &l));
	CHECK(ask(&o, SETLK(F_WRLCK, 7, 1)) == EAGAIN);
	CHECK(ask(&o, SETLK(F_WRLCK, 3, 1)) == 0);
	CHECK(lseek(fd, 2, SEEK_SET) == 2);
	l = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_start = -2, .l_len = 1 };
	OK(fcntl(fd, F_SETLK, &l));
	CHECK(ask(&o, SETLK(F_WRLCK, 0, 1)) == EAGAIN);
	l = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = -1, .l_len = 1 };
	FAILS(EINVAL, fcntl(fd, F_SETLK, &l));
	l = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 3, .l_len = -4 };
	FAILS(EINVAL, fcntl(fd, F_SETLK, &l));
	l = (struct flock){ .l_type = 77, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1 };
	FAILS(EINVAL, fcntl(fd, F_SETLK, &l));
	other_end(&o);
	OK(close(fd));
}

static void modes(void)
{
	put("f", "x");
	int r = open("f", O_RDONLY), w = open("f", O_WRONLY);

	CHECK(set(r, F_SETLK, F_WRLCK, 0, 1) == EBADF);
	CHECK(set(w, F_SETLK, F_RDLCK, 0, 1) == EBADF);
	CHECK(set(r, F_SETLK, F_RDLCK, 0, 1) == 0);
	CHECK(set(w, F_SETLK, F_WRLCK, 1, 1) == 0);
	/* flock does not look at the mode */
	OK(flock(r, LOCK_EX | LOCK_NB));
	OK(close(r));
	OK(close(w));
}

/* Any descriptor of the file that the process closes gives all of its POSIX locks away. */
static void close_gives_away(void)
{
	int fd = open_f(), again;
	struct other o = other_new();

	CHECK(set(fd, F_SETLK, F_WRLCK, 0, 0) == 0);
	CHECK(ask(&o, SETLK(F_WRLCK, 0, 0)) == EAGAIN);
	again = open("f", O_RDONLY);
	OK(close(again));
	CHECK(ask(&o, SETLK(F_WRLCK, 0, 0)) == 0);
	CHECK(ask(&o, (struct request){ .what = CLOSE }) == 0);
	CHECK(set(fd, F_SETLK, F_WRLCK, 0, 0) == 0);
	other_end(&o);
	OK(close(fd));
}

static void not_inherited(void)
{
	int fd = open_f();

	CHECK(set(fd, F_SETLK, F_WRLCK, 0, 0) == 0);
	pid_t pid = fork();
	if (pid == 0)
		_exit(set(fd, F_SETLK, F_WRLCK, 0, 0) == EAGAIN ? 0 : 1);
	CHECK(wait_status(pid) == 0);
	OK(close(fd));
}

/* ---- waiting ---- */

static void waits_its_turn(void)
{
	int fd = open_f();
	struct other o = other_new();

	CHECK(set(fd, F_SETLK, F_WRLCK, 0, 10) == 0);
	tell(&o, SETLKW(F_WRLCK, 5, 10));
	wait_until_in(o.pid, SYS_fcntl);
	CHECK(set(fd, F_SETLK, F_UNLCK, 0, 6) == 0);
	CHECK(set(fd, F_SETLK, F_UNLCK, 6, 4) == 0);
	CHECK(answer(&o) == 0);
	CHECK(set(fd, F_SETLK, F_WRLCK, 5, 1) == EAGAIN);
	other_end(&o);
	OK(close(fd));
}

static void nothing(int sig)
{
}

static void interrupted(void)
{
	struct sigaction a = { .sa_handler = nothing };
	struct other o;
	int fd = open_f();

	OK(sigaction(SIGUSR1, &a, NULL));
	o = other_new();
	CHECK(set(fd, F_SETLK, F_WRLCK, 0, 10) == 0);
	tell(&o, SETLKW(F_WRLCK, 0, 10));
	wait_until_in(o.pid, SYS_fcntl);
	OK(kill(o.pid, SIGUSR1));
	CHECK(answer(&o) == EINTR);
	OK(flock(fd, LOCK_EX));
	tell(&o, DO_FLOCK(LOCK_EX));
	wait_until_in(o.pid, SYS_flock);
	OK(kill(o.pid, SIGUSR1));
	CHECK(answer(&o) == EINTR);
	/* and it left nothing behind */
	CHECK(set(fd, F_SETLK, F_UNLCK, 0, 10) == 0);
	CHECK(get(fd, F_GETLK, F_WRLCK, 0, 0).l_type == F_UNLCK);
	OK(close(fd));
	other_end(&o);
}

/* One who waits is killed: nobody waits for him. */
static void killed(void)
{
	int fd = open_f();
	struct other o = other_new(), p = other_new();

	CHECK(set(fd, F_SETLK, F_WRLCK, 0, 10) == 0);
	tell(&o, SETLKW(F_WRLCK, 0, 10));
	wait_until_in(o.pid, SYS_fcntl);
	OK(kill(o.pid, SIGKILL));
	CHECK(wait_status(o.pid) == 128 + SIGKILL);
	CHECK(set(fd, F_SETLK, F_UNLCK, 0, 10) == 0);
	CHECK(ask(&p, SETLKW(F_WRLCK, 0, 10)) == 0);
	OK(kill(p.pid, SIGKILL));
	CHECK(wait_status(p.pid) == 128 + SIGKILL);
	CHECK(set(fd, F_SETLKW, F_WRLCK, 0, 10) == 0);
	OK(close(fd));
}

static void deadlock(void)
{
	int fd = open_f();
	struct other o = other_new(), p = other_new();

	CHECK(set(fd, F_SETLK, F_WRLCK, 0, 1) == 0);
	CHECK(ask(&o, SETLK(F_WRLCK, 1, 1)) == 0);
	CHECK(ask(&p, SETLK(F_WRLCK, 2, 1)) == 0);
	tell(&o, SETLKW(F_WRLCK, 2, 1));
	wait_until_in(o.pid, SYS_fcntl);
	tell(&p, SETLKW(F_WRLCK, 0, 1));
	wait_until_in(p.pid, SYS_fcntl);
	CHECK(set(fd, F_SETLKW, F_WRLCK, 1, 1) == EDEADLK);
	CHECK(set(fd, F_SETLK, F_UNLCK, 0, 1) == 0);
	CHECK(answer(&p) == 0);
	CHECK(ask(&p, SETLK(F_UNLCK, 0, 0)) == 0);
	CHECK(answer(&o) == 0);
	other_end(&o);
	other_end(&p);
	OK(close(fd));
}

/* ---- OFD and flock ---- */

static void ofd(void)
{
	int a = open_f(), b = open_f(), dupped;
	struct other o = other_new();

	CHECK(set(a, F_OFD_SETLK, F_WRLCK, 0, 10) == 0);
	CHECK(set(b, F_OFD_SETLK, F_WRLCK, 5, 1) == EAGAIN);
	CHECK(get(b, F_OFD_GETLK, F_WRLCK, 0, 0).l_pid == -1);
	/* POSIX locks of the same process conflict with them */
	CHECK(set(a, F_SETLK, F_WRLCK, 0, 1) == EAGAIN);
	CHECK(ask(&o, OFD_SETLK(F_RDLCK, 0, 1)) == EAGAIN);
	/* they go with the last descriptor of the open file, not with the first */
	dupped = dup(a);
	OK(close(a));
	CHECK(set(b, F_OFD_SETLK, F_WRLCK, 5, 1) == EAGAIN);
	OK(close(dupped));
	CHECK(set(b, F_OFD_SETLK, F_WRLCK, 5, 1) == 0);
	/* and not with another one of the file */
	OK(close(open_f()));
	CHECK(ask(&o, OFD_SETLK(F_WRLCK, 5, 1)) == EAGAIN);
	OK(close(b));
	CHECK(ask(&o, OFD_SETLK(F_WRLCK, 5, 1)) == 0);
	other_end(&o);
}

static void whole_files(void)
{
	int a = open_f(), b = open_f();
	struct other o = other_new();

	OK(flock(a, LOCK_SH));
	OK(flock(b, LOCK_SH));
	FAILS(EWOULDBLOCK, flock(b, LOCK_EX | LOCK_NB));
	OK(flock(a, LOCK_UN));
	OK(flock(b, LOCK_EX | LOCK_NB));
	FAILS(EWOULDBLOCK, flock(a, LOCK_SH | LOCK_NB));
	CHECK(ask(&o, DO_FLOCK(LOCK_SH | LOCK_NB)) == EWOULDBLOCK);
	tell(&o, DO_FLOCK(LOCK_EX));
	wait_until_in(o.pid, SYS_flock);
	/* a copy of the descriptor is the same open file */
	int c = dup(b);
	OK(flock(c, LOCK_UN));
	CHECK(answer(&o) == 0);
	FAILS(EWOULDBLOCK, flock(b, LOCK_SH | LOCK_NB));
	/* fcntl and flock do not see each other */
	CHECK(set(a, F_SETLK, F_WRLCK, 0, 0) == 0);
	CHECK(ask(&o, (struct request){ .what = CLOSE }) == 0);
	OK(flock(b, LOCK_EX | LOCK_NB));
	other_end(&o);
	OK(close(a));
	OK(close(b));
	OK(close(c));
}

static void inherited_by_fork(void)
{
	int fd = open_f(), other;

	OK(flock(fd, LOCK_EX));
	pid_t pid = fork();
	if (pid == 0)
		_exit(flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : 1);
	CHECK(wait_status(pid) == 0);
	/* the child's end took nothing away */
	other = open_f();
	FAILS(EWOULDBLOCK, flock(other, LOCK_EX | LOCK_NB));
	OK(close(fd));
	OK(flock(other, LOCK_EX | LOCK_NB));
	OK(close(other));
}

/* ---- and the rest ---- */

static void many(void)
{
	enum { NR = 3000 };
	int fd = open_f();
	struct other o = other_new();

	for (int i = 0; i < NR; i++)
		if (set(fd, F_SETLK, i % 3 ? F_WRLCK : F_RDLCK, 10L * i, 5) != 0)
			return posix_failed(__FILE__, __LINE__, "takes one more");
	CHECK(ask(&o, SETLK(F_WRLCK, 10L * (NR - 1) + 4, 1)) == EAGAIN);
	CHECK(ask(&o, SETLK(F_WRLCK, 10L * (NR - 1) + 5, 1)) == 0);
	CHECK(set(fd, F_SETLK, F_UNLCK, 0, 0) == 0);
	CHECK(ask(&o, SETLK(F_WRLCK, 0, 0)) == 0);
	other_end(&o);
	OK(close(fd));
}

/* On a file without a name, and after it was renamed. */
static void without_a_name(void)
{
	int fd = open_f();
	struct other o = other_new();

	CHECK(ask(&o, SETLK(F_WRLCK, 0, 1)) == 0);
	OK(rename("f", "g"));
	CHECK(set(fd, F_SETLK, F_WRLCK, 0, 1) == EAGAIN);
	OK(unlink("g"));
	CHECK(set(fd, F_SETLK, F_WRLCK, 0, 1) == EAGAIN);
	CHECK(ask(&o, SETLK(F_UNLCK, 0, 1)) == 0);
	CHECK(set(fd, F_SETLKW, F_WRLCK, 0, 1) == 0);
	put("f", "another one");
	other_end(&o);
	OK(close(fd));
}

/* Many add to a number under a lock: nothing is lost. */
static void counting(void)
{
	enum { PROCS = 4, ROUNDS = 50 };
	pid_t pids[PROCS];
	char text[16] = "0";

	put("f", text);
	for (int p = 0; p < PROCS; p++) {
		pids[p] = fork();
		if (pids[p] != 0)
			continue;
		int fd = open("f", O_RDWR);
		for (int i = 0; i < ROUNDS; i++) {
			if (p % 2 ? flock(fd, LOCK_EX) : set(fd, F_SETLKW, F_WRLCK, 0, 0))
				_exit(1);
			/* both kinds, or they would not exclude each other */
			if (p % 2 ? set(fd, F_SETLKW, F_WRLCK, 0, 0) : flock(fd, LOCK_EX | LOCK_NB)) {
				/* a deadlock is possible here: give way */
				flock(fd, LOCK_UN);
				set(fd, F_SETLK, F_UNLCK, 0, 0);
				i--;
				continue;
			}
			memset(text, 0, sizeof text);
			if (pread(fd, text, sizeof text - 1, 0) < 1)
				_exit(2);
			int n = snprintf(text, sizeof text, "%ld", strtol(text, NULL, 10) + 1);
			if (pwrite(fd, text, n, 0) != n)
				_exit(3);
			set(fd, F_SETLK, F_UNLCK, 0, 0);
			flock(fd, LOCK_UN);
		}
		_exit(0);
	}
	for (int p = 0; p < PROCS; p++)
		CHECK(wait_status(pids[p]) == 0);
	snprintf(text, sizeof text, "%d", PROCS * ROUNDS);
	CHECK(holds("f", text));
}

const struct posix_case posix_cases[] = {
	POSIX_CASE(exclusion),	   POSIX_CASE(first_conflict),	 POSIX_CASE(ranges),
	POSIX_CASE(places_of_a_range), POSIX_CASE(modes),	 POSIX_CASE(close_gives_away),
	POSIX_CASE(not_inherited), POSIX_CASE(waits_its_turn),	 POSIX_CASE(interrupted),
	POSIX_CASE(killed),	   POSIX_CASE(deadlock),	 POSIX_CASE(ofd),
	POSIX_CASE(whole_files),   POSIX_CASE(inherited_by_fork), POSIX_CASE(many),
	POSIX_CASE(without_a_name), POSIX_CASE(counting),
	{ 0 },
};
