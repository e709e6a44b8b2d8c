/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * request.c - a request of the kernel on its way through the graph.
 *
 * It is the scratch of the root frame of a call, so it costs no allocation of its own.  It holds
 * the objects that its continuation needs; the kernel holds them too while it waits, but not once
 * the connection has ended.
 *
 * Signals: the kernel tells of any signal to the process that waits, also of one that it handles.
 * A wait for a lock ends with every signal, as fcntl(2) says.  Other operations are not interrupted
 * by signals, as on a disk (a profiler's timer must not make stat fail), unless the process is
 * being killed: the kernel then has SIGKILL pending for it.  Its call is cancelled, and the kernel
 * answered at once: a brick that hangs does not make it immortal.
 */
#include "config.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "mount.h"

enum { KILL_CHECK_MS = 1000 };

/* Is SIGKILL pending for the thread?  That is so from the moment on that any signal has decided
 * its end. */
static bool is_being_killed(uint32_t tid)
{
	char path[32], status[4096];
	unsigned long long pending = 0;

	snprintf(path, sizeof path, "/proc/%u/status", tid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, status, sizeof status - 1);
	close(fd);
	status[n > 0 ? n : 0] = '\0';
	const char *line = strstr(status, "\nSigPnd:");
	return line && sscanf(line, "\nSigPnd: %llx", &pending) == 1 &&
	       (pending >> (SIGKILL - 1) & 1);
}

/* Nobody waits for r any more; its call ends when it does. */
static void request_abandon(struct request *r)
{
	struct mount *m = r->mount;
	const uint64_t id = r->id;
	struct request *left;

	r->interrupted = false;
	if (r->inode)
		node_recent_drop(m, r->inode);
	if (r->other)
		node_recent_drop(m, r->other);
	call_cancel(r->root);
	LIST_FOREACH(left, &m->requests, link) {
		if (left->id != id)
			continue;
		fuse_reply_err(left->req, EINTR);
		left->req = NULL;
		return;
	}
}

static void check_killed(struct timer *t)
{
	struct mount *m = container_of(t, struct mount, kill_timer);
	struct request *r;
	bool waiting;

	do {
		waiting = false;
		LIST_FOREACH(r, &m->requests, link) {
			if (!r->interrupted)
				continue;
			if (is_being_killed(frame_identity(r->root)->pid))
				break;
			waiting = true;
		}
		if (r)
			request_abandon(r);	/* which may end others */
	} while (r);
	/* The kernel tells of the first signal only; a later one may be deadly. */
	if (waiting)
		timer_start(&m->kill_timer, xl_loop(m->xl), KILL_CHECK_MS, check_killed);
}

static void request_interrupted(fuse_req_t req, void *data)
{
	struct request *r = data;
	struct mount *m = r->mount;

	m->stats.interrupts++;
	if (r->root->op == FOP_lk) {
		call_cancel(r->root);
		return;
	}
	r->interrupted = true;
	/* Not now: libfuse holds locks, and the request may not have been wound yet. */
	timer_start(&m->kill_timer, xl_loop(m->xl), 0, check_killed);
}

/* Supplementary groups: a read of /proc, so only when asked for. */
static void add_groups(struct request *r)
{
	enum { ROOM = 64 };
	struct identity *id = call_identity(r->root);
	gid_t *groups = frame_alloc(r->root, ROOM * sizeof *groups);

	_Static_assert(sizeof(gid_t) == sizeof(uint32_t), "groups are handed on as they are");
	if (!groups)
		return;
	int nr = fuse_req_getgroups(r->req, ROOM, groups);
	if (nr > ROOM) {
		int room = nr;

		groups = frame_alloc(r->root, room * sizeof *groups);
		nr = groups ? fuse_req_getgroups(r->req, room, groups) : 0;
		nr = nr > room ? room : nr;
	}
	if (nr > 0) {
		id->groups = groups;
		id->nr_groups = nr;
	}
}

struct request *request_new(fuse_req_t req, fuse_ino_t ino)
{
	struct mount *m = fuse_req_userdata(req);
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct identity id = {
		.uid = ctx->uid,
		.gid = ctx->gid,
		.pid = ctx->pid,
		.client = m->xl->graph->client_id,
	};
	struct frame *root = call_new(m->xl, &id, sizeof(struct request));

	if (!root) {
		fuse_reply_err(req, ENOMEM);
		return NULL;
	}
	struct request *r = request_of(root);
	r->mount = m;
	r->root = root;
	r->req = req;
	r->id = m->stats.requests;
	r->inode = inode_ref(node_inode(m, ino));
	r->changes = m->changes;
	LIST_INSERT_HEAD(&m->requests, r, link);
	m->stats.requests++;
	if (++m->stats.in_flight > m->stats.max_in_flight)
		m->stats.max_in_flight = m->stats.in_flight;
	xl_busy(m->xl, 1);
	if (m->send_groups)
		add_groups(r);
	fuse_req_interrupt_func(req, request_interrupted, r);
	return r;
}

struct request *request_new_change(fuse_req_t req, fuse_ino_t ino)
{
	struct request *r = request_new(req, ino);

	if (r)
		call_identity(r->root)->txn = call_new_txn(r->mount->xl->graph);
	return r;
}

void request_end(struct request *r)
{
	struct mount *m = r->mount;

	LIST_REMOVE(r, link);
	m->stats.in_flight--;
	fd_unref(r->fd);
	buf_unref(r->buf);
	inode_unref(r->other);
	inode_unref(r->inode);
	call_end(r->root);
	xl_busy(m->xl, -1);
}

void request_error(struct request *r, int err)
{
	assert(err <= 0);
	if (r->req)
		fuse_reply_err(r->req, -err);
	request_end(r);
}

bool request_retry(struct request *r, int ret)
{
	const struct node *n = node_find(r->mount, r->inode);

	if ((ret != -ESTALE && ret != -ENOENT) || r->fd || !n || LIST_EMPTY(&n->handles))
		return false;
	r->fd = fd_ref(LIST_FIRST(&n->handles)->fd);
	return true;
}

bool request_name(struct request *r, const char *name)
{
	r->name = frame_strdup(r->root, name);
	if (!r->name)
		request_error(r, -ENOMEM);
	return r->name != NULL;
}

struct gfid request_gfid(const struct request *r)
{
	return call_new_gfid(r->mount->xl->graph, frame_identity(r->root)->txn);
}
