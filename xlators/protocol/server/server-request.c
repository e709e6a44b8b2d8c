/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * server-request.c - operations: from a message to a call and back.
 *
 * A request is decoded once; its strings and data stay in the message, which is held until the
 * answer.  What there is to remember lies in the data of the call's root frame, so a request
 * allocates nothing but its call.
 *
 * An answer that changed something is encoded into the request's place (server-replay.c), from where
 * it is copied into the connection: the client may not get it, and ask again.
 *
 * Nothing that comes in is believed: names, lengths and that the objects are there is checked by
 * the codec, sizes of what is asked for here.  What no client of ours would send closes the
 * connection; what may be a mistake is answered with an errno.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "server.h"

struct request {			/* data of the root frame */
	LIST_ENTRY(request) link;
	struct session *session;
	struct frame *root;
	struct buf *head;		/* held: the arguments' strings are in it */
	uint64_t xid, newfd;		/* newfd: the handle that this request is to open, or 0 ... */
	const struct fd *fd;		/* ... for this, which its arguments hold */
	uint32_t bytes;
	uint8_t op;
	bool lock_wait;
	bool abandoned;			/* the client does not wait for it: it is not answered */
	bool kept;			/* RESUME: the client does */
};

/* What the codec's callbacks know of the message that is decoded. */
struct decoding {
	struct session *session;
	uint64_t newfd;			/* made, and in the session's table ... */
	const struct fd *fd;		/* ... is this */
};

/* ---- answering ---- */

struct answer {
	enum fop_id op;
	int ret;
	const void *reply;
	uint64_t note;			/* frame_note() */
};

static void put_answer(struct wire *w, uint64_t xid, const struct answer *a)
{
	wire_put_header(w, &(struct wire_header){ .kind = WIRE_REPLY, .op = a->op, .xid = xid, .ret = a->ret,
						  .flags = a->note ? PROTOCOL_NOTE : 0 });
	if (a->note)
		wire_put_u64(w, a->note);
	if (a->ret >= 0)
		wire_put_reply(w, a->op, a->reply);
}

static size_t answer_bound(const struct answer *a)
{
	return PROTOCOL_HEADER_ROOM + (a->ret >= 0 ? wire_reply_bound(a->op, a->reply) : 0);
}

static int put_reply(struct session *s, uint64_t xid, const struct answer *a)
{
	struct wire *w = conn_begin(s->conn, answer_bound(a));

	if (!w)
		return -ENOMEM;
	put_answer(w, xid, a);
	if (w->payload && w->payload->len > s->payload_max) {
		conn_abort(s->conn, w);
		return -EMSGSIZE;
	}
	s->total_out += w->payload ? w->payload->len : 0;
	return conn_end(s->conn, w);
}

static void send_reply(struct session *s, uint64_t xid, const struct answer *a)
{
	if (!s->conn || s->closing || s->resuming)
		return;
	int err = put_reply(s, xid, a);
	/*
	 * What cannot be told is told as an error; what cannot be told at all ends the
	 * connection.
	 */
	if (err < 0 && put_reply(s, xid, &(struct answer){ .op = a->op, .ret = err }) < 0)
		session_close(s, -ENOMEM);
}

/* The answer that is kept in p. */
static void send_kept(struct session *s, const struct place *p)
{
	if (!s->conn || s->closing || s->resuming)
		return;
	struct wire *w = conn_begin(s->conn, p->len);
	if (w)
		wire_put_bytes(w, p->answer, p->len);
	if (!w || conn_end(s->conn, w) < 0)
		session_close(s, -ENOMEM);
}

/* Whether an answer is kept: what only reads can be done again. */
static bool is_kept(enum fop_id op)
{
	return fop_classes[op] != FOP_READ;
}

static void keep_and_send(struct session *s, struct place *p, const struct answer *a)
{
	struct wire w = replay_begin(p, answer_bound(a));

	put_answer(&w, p->xid, a);
	assert(!w.payload);
	if (wire_ok(&w)) {
		replay_kept(p, &w);
		return send_kept(s, p);
	}
	/* It could not be recognised when it comes again: the session must end. */
	session_forget(s);
}

/* As long as a client that is back has not said what it still waits for, it may not know this one: it will ask again. */
static void answer(struct session *s, struct place *p, const struct answer *a)
{
	p->answered_on = s->conn && !s->resuming ? s->connection : 0;
	if (is_kept(a->op))
		keep_and_send(s, p, a);
	else
		send_reply(s, p->xid, a);
}

static void request_done(struct frame *root, int child, int ret, const void *reply)
{
	struct request *r = frame_data(root);
	struct session *s = r->session;

	if (r->newfd) {
		if (ret >= 0)
			fd_map_opened(&s->fds, r->newfd, r->fd);
		else
			fd_map_remove(&s->fds, r->newfd, r->fd);
	}
	if (!r->abandoned) {
		int err;
		struct place *p = replay_place(&s->replay, r->xid, &err);	/* it is there */

		p->request = NULL;
		answer(s, p, &(struct answer){ .op = r->op, .ret = ret, .reply = reply, .note = frame_note(root) });
	}
	LIST_REMOVE(r, link);
	s->nr_abandoned -= r->abandoned;
	if (r->lock_wait)
		s->nr_lock_waits--;
	else
		s->nr_requests--;
	session_sub_bytes(s, r->bytes);
	buf_unref(r->head);
	call_end(root);
	session_settle(s);
}

/* ---- decoding ---- */

static struct inode *inode_in(struct wire *w, const struct gfid *g, uint32_t type)
{
	struct decoding *d = w->ctx;

	return inode_get(xl_inodes(d->session->server->xl), g, type);
}

static struct fd *fd_in(struct wire *w, uint64_t handle)
{
	struct decoding *d = w->ctx;

	return fd_ref(fd_map_find(&d->session->fds, handle));
}

static struct fd *fd_make(struct wire *w, uint64_t handle, struct inode *inode, enum fop_id op)
{
	struct decoding *d = w->ctx;
	int ret = -EPROTO;

	if (!handle || !inode || d->newfd) {
		w->error = ret;
		return NULL;
	}
	struct fd *fd = fd_new(inode, 0, op == FOP_opendir);
	if (!fd)
		return NULL;
	ret = fd_map_add(&d->session->fds, handle, fd, d->session->server->max_open_files);
	if (ret < 0) {
		w->error = ret == -EEXIST ? -EPROTO : ret;
		fd_unref(fd);
		return NULL;
	}
	d->newfd = handle;
	d->fd = fd;
	return fd;
}

/* ---- checking what the codec does not know ---- */

/* Sizes that a client may ask for, and the flags of an open file.  0 or -errno. */
static int check_values(const struct session *s, enum fop_id op, union fop_args *a)
{
	switch (op) {
	case FOP_read:
		return a->read.size > s->payload_max ? -EMSGSIZE : 0;
	case FOP_readdir:
		if (a->readdir.size > PROTOCOL_LIST_MAX)
			a->readdir.size = PROTOCOL_LIST_MAX;
		return 0;
	case FOP_readdirp:
		if (a->readdirp.size > PROTOCOL_LIST_MAX)
			a->readdirp.size = PROTOCOL_LIST_MAX;
		return 0;
	case FOP_open:
		a->open.fd->flags = a->open.flags & ~OPEN_NAMELESS;
		return 0;
	case FOP_create:
		a->create.fd->flags = a->create.flags;
		return 0;
	case FOP_tmpfile:
		a->tmpfile.fd->flags = a->tmpfile.flags;
		return 0;
	case FOP_copy_file_range:
		if (a->copy_file_range.length > 1 << 30)
			a->copy_file_range.length = 1 << 30;
		return 0;
	case FOP_replicate:		/* who comes and goes we say ourselves */
		return a->replicate.what == REPL_CLIENT || a->replicate.what == REPL_LEAVE ? -EPERM : 0;
	case FOP_lk:
		return a->lk.cmd == LK_SETW && s->nr_lock_waits >= PROTOCOL_LOCK_WAITS ? -ENOLCK : 0;
	default:
		return 0;
	}
}

static int check_read_only(enum fop_id op, const union fop_args *a)
{
	if (fop_is_change(op))
		return -EROFS;
	if (op == FOP_open &&
	    ((a->open.flags & O_ACCMODE) != O_RDONLY || (a->open.flags & O_TRUNC)))
		return -EROFS;
	if (op == FOP_access && (a->access.mask & W_OK))
		return -EROFS;
	return 0;
}

/* ---- identity ---- */

/*
 * The marks by which cluster/afr remembers who is out are kept by the client's translators, whoever the
 * caller is that they serve: squashing does not concern them.
 */
static bool is_mark(enum fop_id op, const union fop_args *a)
{
	static const char prefix[] = "trusted.glusterfs.";
	const struct inode *inode;
	const char *name;

	switch (op) {
	case FOP_replicate:
		return true;
	case FOP_getxattr:
		inode = a->getxattr.inode, name = a->getxattr.name;
		break;
	case FOP_setxattr:
		inode = a->setxattr.inode, name = a->setxattr.name;
		break;
	case FOP_removexattr:
		inode = a->removexattr.inode, name = a->removexattr.name;
		break;
	default:
		return false;
	}
	return gfid_equal(&inode->gfid, &gfid_root) && strncmp(name, prefix, sizeof prefix - 1) == 0;
}

/*
 * With squashed users the storage checks permissions for everybody: whether a client has done so is
 * nothing to be taken on trust then.
 */
static struct identity identity_of(const struct session *s, const struct wire_header *h,
				   uint64_t client, bool squash)
{
	const struct server *sv = s->server;
	struct identity id = {
		.uid = h->uid, .gid = h->gid, .pid = h->pid, .lk_owner = h->lk_owner,
		.client = client, .txn = h->txn, .deadline_ms = h->deadline_ms,
		.enforce = h->flags & PROTOCOL_ENFORCE,
		.kill_priv = h->flags & PROTOCOL_KILL_PRIV,
		.view = h->view, .grant = h->grant, .stamp_ns = h->stamp_ns,
		.impose = h->flags & PROTOCOL_IMPOSE,
	};

	if (!squash)
		return id;
	if (sv->all_squash || (sv->root_squash && h->uid == 0)) {
		id.uid = sv->anon_uid;
		id.gid = sv->anon_gid;
		id.enforce = true;
	} else {
		id.nr_groups = h->nr_groups;
		id.enforce |= sv->root_squash;
		if (sv->root_squash && h->gid == 0)
			id.gid = sv->anon_gid;
	}
	return id;
}

/* The supplementary groups, copied into the call.  0 or -ENOMEM. */
static int copy_groups(const struct server *sv, struct frame *root, const struct wire_header *h)
{
	struct identity *id = call_identity(root);

	if (!id->nr_groups)
		return 0;
	uint32_t *groups = frame_alloc(root, id->nr_groups * sizeof *groups);
	if (!groups)
		return -ENOMEM;
	for (uint32_t i = 0; i < id->nr_groups; i++) {
		const uint8_t *g = h->groups + 4 * i;

		groups[i] = g[0] | g[1] << 8 | g[2] << 16 | (uint32_t)g[3] << 24;
		if (sv->root_squash && groups[i] == 0)
			groups[i] = sv->anon_gid;
	}
	id->groups = groups;
	return 0;
}

/* ---- a request ---- */

static void give_up_newfd(struct session *s, const struct decoding *d)
{
	if (d->newfd)
		fd_map_remove(&s->fds, d->newfd, d->fd);
}

/* Decodes and checks.  0; -errno to be answered; -EPROTO: the peer is to go. */
static int read_args(struct session *s, enum fop_id op, struct wire *w, struct decoding *d,
		     union fop_args *args)
{
	w->inode_in = inode_in;
	w->fd_in = fd_in;
	w->fd_make = fd_make;
	w->ctx = d;
	int ret = wire_get_args(w, op, args);
	if (ret < 0)
		return ret;
	ret = check_values(s, op, args);
	if (ret == 0 && s->server->read_only)
		ret = check_read_only(op, args);
	return ret;
}

/* Memory that the answer takes. */
static uint32_t bytes_asked_for(enum fop_id op, const union fop_args *a)
{
	switch (op) {
	case FOP_read:
		return a->read.size;
	case FOP_readdir:
		return a->readdir.size;
	case FOP_readdirp:
		return a->readdirp.size;
	default:
		return 0;
	}
}

static void start_call(struct session *s, struct frame *root, const struct wire_header *h,
		       struct buf *head, struct wire *w, const struct decoding *d,
		       const union fop_args *args, struct place *p)
{
	struct request *r = frame_data(root);

	r->session = s;
	r->root = root;
	r->head = buf_ref(head);
	r->xid = h->xid;
	r->newfd = d->newfd;
	r->fd = d->fd;
	r->bytes = head->len + (w->payload ? w->payload->len : 0) + bytes_asked_for(h->op, args);
	r->op = h->op;
	r->lock_wait = h->op == FOP_lk && args->lk.cmd == LK_SETW;
	p->request = r;
	LIST_INSERT_HEAD(&s->requests, r, link);
	if (r->lock_wait)
		s->nr_lock_waits++;
	else
		s->nr_requests++;
	session_add_bytes(s, r->bytes);
	s->total_requests++;
	s->total_in += w->payload ? w->payload->len : 0;
	/* May be answered, and r gone, before this returns. */
	frame_wind(root, 0, h->op, args, (union fop_done){ .any = request_done }, true);
}

static void start_request(struct session *s, const struct wire_header *h, struct wire *w,
			  struct buf *head, struct place *p)
{
	uint64_t client = h->flags & PROTOCOL_CLIENT ? wire_get_u64(w) : s->client_id;
	struct decoding d = { .session = s };
	union fop_args args;

	if (!wire_ok(w))
		return session_offend(s, "it sent a request that is malformed");
	enum fop_id op = h->op;
	int ret = read_args(s, op, w, &d, &args);
	struct frame *root = NULL;
	if (ret == 0) {
		struct identity id = identity_of(s, h, client, !is_mark(op, &args));

		root = call_new(&s->port->xl, &id, sizeof(struct request));
		ret = root ? copy_groups(s->server, root, h) : -ENOMEM;
	}
	if (ret == 0) {
		start_call(s, root, h, head, w, &d, &args, p);
		args_drop(op, &args);
		return;
	}
	if (root)
		call_end(root);
	give_up_newfd(s, &d);
	args_drop(op, &args);
	if (ret == -EPROTO)
		return session_offend(s, "it sent a malformed %s", fop_names[op]);
	answer(s, p, &(struct answer){ .op = op, .ret = ret });
}

void server_request(struct session *s, const struct wire_header *h, struct wire *w,
		    struct buf *head)
{
	int err;

	if (h->op >= FOP_COUNT)
		return session_offend(s, "it sent a request that is malformed");
	struct place *p = replay_place(&s->replay, h->xid, &err);
	if (err == -ENOMEM)
		return session_close(s, err);
	if (!p || p->xid > h->xid)
		return session_offend(s, "it sent a request with a number that was used before");
	if (p->xid == h->xid) {		/* once more */
		s->nr_repeated++;
		/* It is under way, or was answered between the resumption and now. */
		if (p->request || p->answered_on == s->connection)
			return;
		if (p->len) {
			p->answered_on = s->connection;
			return send_kept(s, p);
		}
	} else if (p->request) {
		request_abandon(p->request);
	}
	p->xid = h->xid;
	p->len = p->answered_on = 0;
	start_request(s, h, w, head, p);
}

/* ---- giving up ---- */

void server_cancel(struct session *s, uint64_t xid)
{
	int err;
	struct place *p = replay_place(&s->replay, xid, &err);

	/* Otherwise it has been answered meanwhile. */
	if (p && p->xid == xid && p->request)
		call_cancel(p->request->root);
}

void request_abandon(struct request *r)
{
	int err;

	replay_place(&r->session->replay, r->xid, &err)->request = NULL;
	r->abandoned = true;
	r->session->nr_abandoned++;
}

static bool is_meant(const struct request *r, enum cancel_what what)
{
	switch (what) {
	case CANCEL_LOCK_WAITS:
		return r->lock_wait;
	case CANCEL_ABANDONED:
		return r->abandoned;
	case CANCEL_ALL:
		break;
	}
	return true;
}

void server_cancel_all(struct session *s, enum cancel_what what)
{
	struct request_list all = s->requests;
	struct request *r;

	/*
	 * Cancelling may answer any of them at once, which takes it out of whichever list it
	 * is in.
	 */
	if (LIST_FIRST(&all))
		LIST_FIRST(&all)->link.le_prev = &LIST_FIRST(&all);
	LIST_INIT(&s->requests);
	s->nr_requests++;		/* or s might go with the last one */
	while ((r = LIST_FIRST(&all))) {
		LIST_REMOVE(r, link);
		LIST_INSERT_HEAD(&s->requests, r, link);
		if (is_meant(r, what))
			call_cancel(r->root);
	}
	s->nr_requests--;
}

void server_requests_keep(struct session *s, bool begin)
{
	struct request *r;

	LIST_FOREACH(r, &s->requests, link) {
		if (begin)
			r->kept = false;
		else if (!r->kept && !r->abandoned)
			request_abandon(r);
	}
	if (!begin)
		server_cancel_all(s, CANCEL_ABANDONED);
}

void server_request_kept(struct session *s, uint64_t xid)
{
	int err;
	struct place *p = replay_place(&s->replay, xid, &err);

	if (p && p->xid == xid && p->request)
		p->request->kept = true;
}
