/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * request.c - a request of the kernel on its way through the graph.
 *
 * It is the scratch of the root frame of a call, so it costs no allocation of its own.  It holds the objects that
 * its continuation needs; the kernel holds them too while it waits, but not once the
 * connection has ended.  A signal to the waiting process cancels the call: whoever waits below answers.
 */
#include "config.h"

#include <stdlib.h>

#include "mount.h"

static void request_interrupted(fuse_req_t req, void *data)
{
	struct request *r = data;

	r->mount->stats.interrupts++;
	call_cancel(r->root);
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
		.uid = ctx->uid, .gid = ctx->gid, .pid = ctx->pid, .client = m->xl->graph->client_id,
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
