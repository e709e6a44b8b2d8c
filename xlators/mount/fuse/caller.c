/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * caller.c - what a request does not say about the process it comes from: its supplementary groups, and
 * whether it has CAP_FSETID.  /proc/PID/status has both; reading it costs more than most requests, so
 * only who needs to know asks.
 *
 * The process waits for us, so it is there, and its ids do not change meanwhile (a thread's: the pid of
 * a request is the thread's).
 */
#include "config.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "mount.h"

enum { STATUS_ROOM = 4096, STATUS_MAX = 1 << 20 };	/* 65,536 groups of 11 characters */

/* The text of /proc/PID/status, to be freed; NULL: not to be had (another pid namespace). */
static char *read_status(uint32_t pid)
{
	size_t room = STATUS_ROOM, len = 0;
	char path[32], *text = NULL;

	snprintf(path, sizeof path, "/proc/%u/status", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	for (ssize_t n = 1; n > 0; len += n > 0 ? n : 0) {
		if (!text || len + 1 == room) {
			char *more = room <= STATUS_MAX ? realloc(text, room *= 2) : NULL;

			if (!more)
				break;
			text = more;
		}
		n = read(fd, text + len, room - len - 1);
	}
	close(fd);
	if (text)
		text[len] = '\0';
	return text;
}

static void take_groups(struct request *r, const char *status)
{
	struct identity *id = call_identity(r->root);
	const char *at = strstr(status, "\nGroups:");
	uint32_t nr = 0, max = 0;

	if (!at)
		return;
	at += sizeof "\nGroups:" - 1;
	for (const char *c = at; *c && *c != '\n'; c++)
		max += *c == ' ' || *c == '\t';
	uint32_t *groups = frame_alloc(r->root, (max + 1) * sizeof *groups);
	while (groups && nr < max) {
		char *end;
		unsigned long g = strtoul(at, &end, 10);	/* would go on over the end of the line */

		if (end == at || memchr(at, '\n', end - at))
			break;
		groups[nr++] = g;
		at = end;
	}
	id->groups = groups;
	id->nr_groups = nr;
}

void caller_groups(struct request *r)
{
	char *status = read_status(frame_identity(r->root)->pid);

	if (status)
		take_groups(r, status);
	free(status);
}

void caller_kill_priv(struct request *r)
{
	struct identity *id = call_identity(r->root);
	unsigned long long effective = 0;
	char *status = id->uid ? read_status(id->pid) : NULL;
	const char *line = status ? strstr(status, "\nCapEff:") : NULL;

	id->kill_priv = id->uid != 0;
	if (line && sscanf(line, "\nCapEff: %llx", &effective) == 1)
		id->kill_priv = !(effective >> CAP_FSETID & 1);
	if (id->kill_priv && status)
		take_groups(r, status);
	free(status);
}

bool caller_group_decides(const struct request *r)
{
	const struct node *n = node_find(r->mount, r->inode);

	return n && (n->mode & (S_ISGID | S_IXGRP)) == S_ISGID;
}

void caller_lost_capability(const struct request *r)
{
	r->mount->lost_capability.gfid = r->inode->gfid;
	r->mount->lost_capability.pid = frame_identity(r->root)->pid;
}

bool caller_only_lost_capability(struct request *r)
{
	struct mount *m = r->mount;
	const struct identity *id = frame_identity(r->root);
	bool same = gfid_equal(&m->lost_capability.gfid, &r->inode->gfid) &&
		    m->lost_capability.pid == id->pid;

	m->lost_capability.pid = 0;
	return same && id->uid == 0;
}
