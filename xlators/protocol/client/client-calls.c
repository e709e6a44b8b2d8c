/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * client-calls.c - requests and their answers.
 *
 * A request is encoded once, straight into the connection's buffer, and sent at the end of the
 * turn with all others.  What is under way stands in a table; an xid is (sequence number, place in
 * the table), so an answer finds its call without a search and an old xid is recognised.  While
 * the connection has more to send than it should, requests wait in a queue, bounded in bytes.
 *
 * Invariants: a frame is in the table (xid != 0) or in the queue, never both; both are empty
 * whenever the state is not CLIENT_UP and we are not holding, but for re-opens in CLIENT_REOPENING.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>

#include "client.h"
#include "graph.h"

enum {
	SLOTS_MIN = 64,
};

/* ---- the table ---- */

static int slots_grow(struct client *c)
{
	uint32_t nr = c->nr_slots ? c->nr_slots * 2 : SLOTS_MIN;

	if (nr > PROTOCOL_PLACES)
		return -ENOBUFS;
	struct client_slot *slots = realloc(c->slots, nr * sizeof *slots);
	if (!slots)
		return -ENOMEM;
	for (uint32_t i = c->nr_slots; i < nr; i++)
		slots[i] = (struct client_slot){ .next_free = i + 1 < nr ? i + 2 : 0 };
	c->first_free = c->nr_slots + 1;
	c->slots = slots;
	c->nr_slots = nr;
	return 0;
}

/* A place for one more request, or NULL (*ret_error). */
static struct client_slot *slot_get(struct client *c, int *ret_error)
{
	if (!c->first_free && (*ret_error = slots_grow(c)) < 0)
		return NULL;
	uint32_t i = c->first_free - 1;
	struct client_slot *s = &c->slots[i];
	c->first_free = s->next_free;
	s->xid = ++c->next_seq << PROTOCOL_PLACE_BITS | i;
	c->nr_pending++;
	return s;
}

static void slot_put(struct client *c, struct client_slot *s)
{
	s->xid = 0;
	s->frame = NULL;
	s->fd = NULL;
	s->next_free = c->first_free;
	c->first_free = s - c->slots + 1;
	c->nr_pending--;
}

static struct client_slot *slot_find(const struct client *c, uint64_t xid)
{
	uint64_t i = xid & (PROTOCOL_PLACES - 1);

	return xid && i < c->nr_slots && c->slots[i].xid == xid ? &c->slots[i] : NULL;
}

/* ---- sending ---- */

/* Bytes of file data that go with a request. */
static size_t payload_of(enum fop_id op, const void *args)
{
	if (op == FOP_write)
		return ((const struct write_args *)args)->data->len;
	return 0;
}

/* Waits for ever, and that is no sign of a server in trouble. */
static bool is_lock_wait(enum fop_id op, const void *args)
{
	return op == FOP_lk && ((const struct lk_args *)args)->cmd == LK_SETW;
}

static const uint8_t *groups_little_endian(const uint32_t *groups)
{
	_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "convert the groups here");
	return (const uint8_t *)groups;
}

static void put_request(struct client *c, struct wire *w, uint64_t xid, enum fop_id op,
			const struct identity *id)
{
	bool other = id->client && id->client != c->xl->graph->client_id;

	wire_put_header(w, &(struct wire_header){
		.kind = WIRE_REQUEST, .op = op, .xid = xid,
		.flags = (id->enforce ? PROTOCOL_ENFORCE : 0) | (other ? PROTOCOL_CLIENT : 0) |
			 (id->kill_priv ? PROTOCOL_KILL_PRIV : 0) | (id->impose ? PROTOCOL_IMPOSE : 0),
		.session = c->session, .txn = id->txn, .deadline_ms = id->deadline_ms,
		.view = id->view, .grant = id->grant, .stamp_ns = id->stamp_ns,
		.uid = id->uid, .gid = id->gid, .pid = id->pid, .lk_owner = id->lk_owner,
		.nr_groups = id->nr_groups, .groups = groups_little_endian(id->groups),
	});
	if (other)
		wire_put_u64(w, id->client);
}

/* Encodes and hands over to the connection.  0 or -errno: nothing was sent. */
static int send_request(struct client *c, uint64_t xid, enum fop_id op, const void *args,
			const struct identity *id)
{
	if (payload_of(op, args) > c->server_payload_max)
		return -EMSGSIZE;
	size_t groups = (id->nr_groups < WIRE_MAX_GROUPS ? id->nr_groups : WIRE_MAX_GROUPS) *
			sizeof(uint32_t);
	struct wire *w = conn_begin(c->conn,
				    PROTOCOL_HEADER_ROOM + groups + wire_args_bound(op, args));
	if (!w)
		return -ENOMEM;
	w->fd_out = client_fd_out;
	w->ctx = c;
	c->encode_error = 0;
	put_request(c, w, xid, op, id);
	wire_put_args(w, op, args);
	if (c->encode_error) {
		conn_abort(c->conn, w);
		return c->encode_error;
	}
	int ret = conn_end(c->conn, w);
	if (ret < 0)
		return ret;
	c->nr_requests++;
	c->payload_out += payload_of(op, args);
	return 0;
}

/*
 * The clock of transport-timeout starts when the first request that must be answered is under
 * way.
 */
static void count_pending(struct client *c, bool lock_wait)
{
	if (lock_wait)
		c->nr_lock_waits++;
	else if (c->nr_pending - c->nr_lock_waits == 1)
		c->stuck_ms = 0;
}

static void client_cancel(struct frame *f);

static int send_frame(struct client *c, struct frame *f)
{
	struct client_call *call = frame_data(f);
	struct fd *newfd = client_newfd(f->op, f->args);
	int ret = 0;
	struct client_slot *s = slot_get(c, &ret);

	if (!s)
		return ret;
	if (newfd)
		ret = client_fd_begin(c, newfd, frame_identity(f));
	if (ret == 0) {
		ret = send_request(c, s->xid, f->op, f->args, frame_identity(f));
		if (ret < 0 && newfd)
			client_fd_opened(c, newfd, ret);
	}
	if (ret < 0) {
		slot_put(c, s);
		return ret;
	}
	s->frame = f;
	call->xid = s->xid;
	call->cancelled = false;
	count_pending(c, is_lock_wait(f->op, f->args));
	frame_on_cancel(f, client_cancel);
	return 0;
}

int client_send_reopen(struct client *c, enum fop_id op, const void *args,
		       const struct identity *id, struct fd *fd)
{
	int ret = 0;
	struct client_slot *s = slot_get(c, &ret);

	if (!s)
		return ret;
	ret = send_request(c, s->xid, op, args, id);
	if (ret < 0) {
		slot_put(c, s);
		return ret;
	}
	s->fd = fd_ref(fd);
	count_pending(c, false);
	c->nr_reopening++;
	return 0;
}

/* ---- the queue ---- */

/* first: it has waited already, and its turn has come. */
static void enqueue(struct client *c, struct frame *f, bool first)
{
	struct client_call *call = frame_data(f);
	size_t bytes = payload_of(f->op, f->args) + wire_args_bound(f->op, f->args);

	if (c->queued_bytes + bytes > c->max_queued_bytes) {
		c->nr_refused++;
		return fail(f, -ENOBUFS);
	}
	call->frame = f;
	call->xid = 0;
	call->bytes = bytes;
	c->queued_bytes += bytes;
	if (first)
		TAILQ_INSERT_HEAD(&c->queue, call, link);
	else
		TAILQ_INSERT_TAIL(&c->queue, call, link);
	frame_on_cancel(f, client_cancel);
}

static void unqueue(struct client *c, struct client_call *call)
{
	TAILQ_REMOVE(&c->queue, call, link);
	c->queued_bytes -= call->bytes;
	frame_on_cancel(call->frame, NULL);
}

static bool has_place(const struct client *c)
{
	return c->first_free || c->nr_slots < PROTOCOL_PLACES;
}

/* -ENOTCONN: the connection is broken, and we are about to be told so: it waits for what comes then. */
static int send_or_wait(struct client *c, struct frame *f)
{
	int ret = send_frame(c, f);

	if (ret == -ENOTCONN)
		enqueue(c, f, true);
	else if (ret < 0)
		fail(f, ret);
	return ret;
}

void client_send_queued(struct client *c)
{
	struct client_call *call;

	while (c->state == CLIENT_UP && c->conn && !conn_congested(c->conn) && has_place(c) &&
	       (call = TAILQ_FIRST(&c->queue))) {
		unqueue(c, call);
		if (send_or_wait(c, call->frame) == -ENOTCONN)
			return;
	}
}

static void client_cancel(struct frame *f)
{
	struct client *c = f->xl->priv;
	struct client_call *call = frame_data(f);

	if (!call->xid) {
		unqueue(c, call);
		return fail(f, -EINTR);
	}
	/* The server answers it; if the connection goes for good, client_fail_pending() does. */
	call->cancelled = true;
	if (c->state == CLIENT_UP)
		client_tell(c, WIRE_CANCEL, call->xid);
}

/* ---- locks that may not be what they seem ---- */

/*
 * The answer to this is not known.  sent: whether it came to pass is not known either; otherwise it
 * did not.
 */
static void doubt_locks(struct client *c, const struct frame *f, bool sent)
{
	const union fop_args *a = f->args;

	if (f->op == FOP_flush)
		client_fd_doubt_owner(c, a->flush.fd->inode, a->flush.owner);
	else if (f->op == FOP_lk && a->lk.cmd != LK_GET && a->lk.lock.type == F_UNLCK)
		client_fd_doubt_owner(c, a->lk.fd->inode, a->lk.lock.owner);
	else if (f->op == FOP_lk && a->lk.cmd != LK_GET && sent)
		client_fd_doubt(c, a->lk.fd);
}

static void fail_unsent(struct client *c, struct frame *f)
{
	/* A lock that was not given up would keep others out, while nobody here knows of it. */
	doubt_locks(c, f, false);
	fail(f, -ENOTCONN);
}

void client_any(struct frame *f)
{
	struct client *c = f->xl->priv;

	/* Up without a connection: it is ending, and what becomes of those that wait will be seen. */
	if (c->state != CLIENT_UP && !c->holding)
		return fail_unsent(c, f);
	if (c->state != CLIENT_UP || !c->conn || !TAILQ_EMPTY(&c->queue) ||
	    conn_congested(c->conn) || !has_place(c))
		return enqueue(c, f, false);
	send_or_wait(c, f);
}

/*
 * Writes have been answered by the server when we answer them, so closing has only locks to do
 * away with.
 */
void client_flush(struct frame *f, const struct flush_args *a)
{
	if (*inode_slot(a->fd->inode, f->xl))
		return client_any(f);
	unwind_flush(f, 0, &(struct flush_reply){});
}

/* ---- answers ---- */

static int need_buf(struct buf **b)
{
	if (!*b)
		*b = buf_new(0);
	return *b ? 0 : -ENOMEM;
}

static int need_dirents(struct dirents **d)
{
	if (!*d)
		*d = dirents_new();
	return *d ? 0 : -ENOMEM;
}

/* What is absent from an answer is made empty, so that nobody above us needs to ask. */
#define NEED_attr(f)
#define NEED_dict(f)
#define NEED_lock(f)
#define NEED_u32(f)
#define NEED_u64(f)
#define NEED_statfs(f)
#define NEED_buf(f) ret = ret ? ret : need_buf(&r->f);
#define NEED_dirents(f) ret = ret ? ret : need_dirents(&r->f);
static int complete_reply(enum fop_id op, union fop_reply *reply)
{
	int ret = 0;

	switch (op) {
#define FOP(n, k) case FOP_##n: { struct n##_reply *r = &reply->n; (void)r;
#define ARG(t, f)
#define RET(t, f) NEED_##t(f)
#define END(n) break; }
#include "fops.def"
	case FOP_COUNT: break;
	}
	return ret;
}

/* A count that does not fit the data would make somebody above read beyond it. */
static int check_reply(enum fop_id op, const void *args, int ret, union fop_reply *reply)
{
	if (op == FOP_read)
		return (size_t)ret == reply->read.data->len &&
				       (uint32_t)ret <= ((const struct read_args *)args)->size
			       ? 0
			       : -EPROTO;
	if (op == FOP_write)
		return (size_t)ret <= ((const struct write_args *)args)->data->len ? 0 : -EPROTO;
	if (op == FOP_copy_file_range)
		return (uint64_t)ret <= ((const struct copy_file_range_args *)args)->length
			       ? 0
			       : -EPROTO;
	return 0;
}

/* The answer of a request of somebody above us. */
static void answer_frame(struct client *c, struct frame *f, int ret, union fop_reply *reply)
{
	struct fd *newfd = client_newfd(f->op, f->args);

	frame_on_cancel(f, NULL);
	if (newfd)
		client_fd_opened(c, newfd, ret);
	if (f->op == FOP_lk && ret >= 0)
		client_fd_locked(c, f->args);
	unwind_any(f, ret, ret >= 0 ? reply : NULL);
}

/* Takes the slot's request out of the table and answers it. */
static void answer_slot(struct client *c, struct client_slot *s, int ret, union fop_reply *reply)
{
	struct frame *f = s->frame;
	struct fd *fd = s->fd;

	if (f && is_lock_wait(f->op, f->args))
		c->nr_lock_waits--;
	slot_put(c, s);
	if (f)
		return answer_frame(c, f, ret, reply);
	client_fd_reopened(c, fd, ret);
	fd_unref(fd);
	c->nr_reopening--;
}

static enum fop_id op_of(const struct client_slot *s)
{
	if (s->frame)
		return s->frame->op;
	return s->fd->directory ? FOP_opendir : FOP_open;
}

void client_reply(struct client *c, const struct wire_header *h, struct wire *w)
{
	struct client_slot *s = slot_find(c, h->xid);
	union fop_reply reply;
	int err = 0;

	if (!s || h->op != op_of(s))
		return client_drop(c, -EPROTO, "it answered something that was not asked");
	enum fop_id op = h->op;
	uint64_t note = h->flags & PROTOCOL_NOTE ? wire_get_u64(w) : 0;
	c->nr_replies++;
	c->stuck_ms = 0;
	if (w->payload)
		c->payload_in += w->payload->len;
	if (h->ret >= 0) {
		err = wire_get_reply(w, op, &reply);
		if (!err)
			err = complete_reply(op, &reply);
		if (!err && s->frame)
			err = check_reply(op, s->frame->args, h->ret, &reply);
	}
	if (err == -EPROTO)
		client_drop(c, err, "an answer to %s is malformed", fop_names[op]);
	int ret = h->ret < -4095 ? -EIO : h->ret;	/* not an errno */
	if (err) {
		ret = err == -ENOMEM ? err : -EIO;
		if (s->frame)
			doubt_locks(c, s->frame, true);
	}
	if (s->frame)
		frame_set_note(s->frame, note);
	answer_slot(c, s, ret, &reply);
	if (h->ret >= 0)
		reply_drop(op, &reply);
	if (c->state == CLIENT_REOPENING && !c->nr_reopening && c->conn)
		client_session_reopened(c);
	if (!TAILQ_EMPTY(&c->queue))
		client_send_queued(c);
}

/* ---- the connection is lost ---- */

static int by_age(const void *a, const void *b)
{
	const struct client_slot *const *x = a, *const *y = b;

	return (*x)->xid < (*y)->xid ? -1 : 1;
}

int client_each_pending(struct client *c, void (*f)(struct client *c, struct client_slot *s, void *arg),
			void *arg)
{
	struct client_slot **all = malloc((c->nr_pending + 1) * sizeof *all);
	uint32_t nr = 0;

	if (!all)
		return -ENOMEM;
	for (uint32_t i = 0; i < c->nr_slots; i++)
		if (c->slots[i].xid)
			all[nr++] = &c->slots[i];
	assert(nr == c->nr_pending);
	qsort(all, nr, sizeof *all, by_age);
	for (uint32_t i = 0; i < nr; i++)
		f(c, all[i], arg);
	free(all);
	return 0;
}

void client_repeat(struct client *c, struct client_slot *s, void *arg)
{
	struct frame *f = s->frame;
	const struct client_call *call = frame_data(f);

	if (!c->conn)
		return;
	int ret = send_request(c, s->xid, f->op, f->args, frame_identity(f));
	if (ret == -ENOTCONN)
		return;			/* it has broken again */
	if (ret < 0)
		return client_drop(c, ret, "%s cannot be sent again: %s", fop_names[f->op], strerror(-ret));
	c->nr_repeated++;
	if (call->cancelled)
		client_tell(c, WIRE_CANCEL, call->xid);
}


void client_fail_pending(struct client *c)
{
	struct client_call *call;

	for (uint32_t i = 0; i < c->nr_slots; i++)
		if (c->slots[i].xid) {
			if (c->slots[i].frame)
				doubt_locks(c, c->slots[i].frame, true);
			answer_slot(c, &c->slots[i], -ENOTCONN, NULL);
		}
	while ((call = TAILQ_FIRST(&c->queue))) {
		struct frame *f = call->frame;

		unqueue(c, call);
		fail_unsent(c, f);
	}
}
