/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * shared.c - changes where all writers change: counters under locks, and a few names that everybody makes, replaces and removes.
 *
 * A counter is a number and its complement, so that a torn or lost write is seen; how often it was increased is summed
 * up by the script.  A name has the content that its file got before it was given the name, whole.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "writers.h"

enum { SHARED_NAMES = 4, TOKEN = 3000 };

static uint64_t seen[SLOTS];

static bool lock(int fd, int slot, short type)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = slot * 64, .l_len = 64 };

	begin("%s counter %d", type == F_UNLCK ? "unlock" : "lock", slot);
	int ret = fcntl(fd, F_OFD_SETLKW, &l);
	end();
	if (ret < 0 && !surroundings(errno))
		wrong("it was answered with %s", strerror(errno));
	return ret == 0;
}

/* Under its lock. False: an error of the surroundings. */
static bool increase(int fd, int slot)
{
	char text[64] = "";
	uint64_t is, complement;

	begin("read counter %d", slot);
	ssize_t n = pread(fd, text, 33, slot * 64);
	end();
	if (n < 0 && surroundings(errno))
		return false;
	if (n != 33 || sscanf(text, "%16" SCNx64 " %16" SCNx64, &is, &complement) != 2 || is != ~complement)
		wrong("counter %d is \"%s\" (%zd bytes)", slot, text, n);
	if (is < seen[slot])
		wrong("counter %d is %" PRIu64 ", and was %" PRIu64 " when we had the lock before", slot, is, seen[slot]);
	is++;
	snprintf(text, sizeof text, "%016" PRIx64 " %016" PRIx64, is, ~is);
	begin("write counter %d: %" PRIu64, slot, is);
	n = pwrite(fd, text, 33, slot * 64);
	end();
	if (n < 0 && surroundings(errno)) {
		me->unknown[slot]++;
		return false;
	}
	if (n != 33)
		wrong("it was answered with %s", n < 0 ? strerror(errno) : "fewer bytes");
	seen[slot] = is;
	me->acked[slot]++;
	return true;
}

static void count(void)
{
	int slot = below(SLOTS);

	begin("open the counters");
	int fd = openat(base, "../shared/counters", O_RDWR | O_CLOEXEC);
	end();
	if (fd < 0 && !surroundings(errno))
		wrong("it was answered with %s", strerror(errno));
	if (fd < 0)
		return reach();
	bool well = lock(fd, slot, F_WRLCK) && increase(fd, slot) && (below(2) || lock(fd, slot, F_UNLCK));
	begin("close the counters");
	close(fd);
	end();
	if (!well)
		reach();
}

/* The result of an operation whose outcome depends on the others: one of these. */
static void must_be(int ret, int one, int other)
{
	int error = ret < 0 ? errno : 0;

	end();
	if (error == 0 || error == one || error == other)
		return;
	if (!surroundings(error))
		wrong("it was answered with %s", strerror(error));
	reach();
}

/* A file of our own that then gets one of the shared names. */
static void replace(const char *name)
{
	static char token[TOKEN];
	char own[32];

	snprintf(own, sizeof own, "../shared/own%d", writer);
	memset(token, 'a' + writer % 26, sizeof token - 1);
	token[sizeof token - 1] = '\n';
	begin("make %s", own);
	unlinkat(base, own, 0);
	int fd = openat(base, own, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return must_be(fd, 0, 0);
	ssize_t n = write(fd, token, sizeof token);
	int error = n == sizeof token ? 0 : n < 0 ? errno : ENOSPC;
	if (close(fd) < 0 && !error)
		error = errno;
	errno = error;
	if (error)
		return must_be(-1, 0, 0);
	end();
	begin("rename %s to %s", own, name);
	must_be(renameat(base, own, base, name), 0, 0);
}

static void read_shared(const char *name)
{
	static uint8_t bytes[DATA_MAX + 1];

	begin("read %s", name);
	ssize_t n = read_all(base, name, bytes);
	must_be(n < 0 ? -1 : 0, ENOENT, 0);
	if (n > 0 && (n != TOKEN || bytes[0] != bytes[TOKEN - 2] || bytes[TOKEN - 1] != '\n'))
		wrong("%s has %zd bytes, %02x at first and %02x, %02x at last", name, n, bytes[0], bytes[n > 1 ? n - 2 : 0], bytes[n - 1]);
}

static void names(void)
{
	char a[32], b[32];

	snprintf(a, sizeof a, "../shared/x%u", below(SHARED_NAMES));
	snprintf(b, sizeof b, "../shared/x%u", below(SHARED_NAMES));
	switch (below(6)) {
	case 0:
		begin("create %s", a);
		int fd = openat(base, a, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		int error = errno;
		if (fd >= 0)
			close(fd);
		errno = error;
		return must_be(fd, EEXIST, 0);
	case 1:
		begin("unlink %s", a);
		return must_be(unlinkat(base, a, 0), ENOENT, 0);
	case 2:
		begin("rename %s to %s", a, b);
		return must_be(renameat(base, a, base, b), ENOENT, 0);
	case 3:
		begin("link %s to %s", a, b);
		return must_be(linkat(base, a, base, b, 0), ENOENT, EEXIST);
	case 4:
		return read_shared(a);
	default:
		return replace(a);
	}
}

void shared_step(void)
{
	if (below(2))
		count();
	else
		names();
}
