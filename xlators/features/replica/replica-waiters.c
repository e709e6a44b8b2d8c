/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* replica-waiters.c - who waits for a write to be on stable storage. */
#include "config.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "replica-waiters.h"

void waiters_init(struct waiters *w)
{
	w->first = NULL;
	w->last = &w->first;
}

bool waiters_add(struct waiters *w, void (*done)(void *arg, int ret), void *arg)
{
	struct waiter *n = malloc(sizeof *n);

	if (!n)
		return false;
	*n = (struct waiter){ .done = done, .arg = arg };
	*w->last = n;
	w->last = &n->next;
	return true;
}

void waiters_move(struct waiters *to, struct waiters *from)
{
	waiters_init(to);
	if (from->first)
		*to = *from;
	waiters_init(from);
}

void waiters_tell(struct waiters *w, int ret)
{
	struct waiter *n = w->first;

	waiters_init(w);
	while (n) {
		struct waiter *next = n->next;

		n->done(n->arg, ret);
		free(n);
		n = next;
	}
}

int write_at(int fd, const void *bytes, size_t n, off_t at)
{
	for (size_t done = 0; done < n; ) {
		ssize_t w = pwrite(fd, (const uint8_t *)bytes + done, n - done, at + (off_t)done);

		if (w < 0 && errno != EINTR)
			return -errno;
		if (w > 0)
			done += (size_t)w;
	}
	return 0;
}
