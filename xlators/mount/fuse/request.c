/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * request.c - a request of the kernel on its way through the graph.
 *
 * It is the scratch of the root frame of a call, so it costs no allocation of its own.  It holds
 * the objects that its continuation needs; the kernel holds them too while it waits, but not once
 * the connection has ended.
 *
 * Signals: once a request has been read the kernel waits for our answer whatever happens to the
 * process, so whether and when it ends is decided here.  The kernel tells of the first signal that
 * comes while it waits (not in direct I/O, nor for a close).  In general operations are not
 * interrupted, as on a disk (a profiler's timer must not make stat fail).  The exceptions:
 *  - A process that is being killed is answered at once when the kernel told of it, else when
 *    the request is OLD_MS old.
 *  - A wait for a lock is cancelled by any signal, as fcntl(2) says; if the brick does not say
 *    that it was within OLD_MS, it is answered here.
 *  - A process that has a signal by which people end things (INT, TERM, HUP, QUIT), and handles
 *    it, is answered if what it waits for is OLD_MS old and changes nothing.  So is one of which
 *    the kernel told, but which we cannot see (another pid namespace): it may be dying.
 * For that a timer looks at the processes of old requests, of which there are none as long as the
 * bricks answer.
 * The call of what was answered with EINTR goes on below: what changes something is not cancelled,
 * because one replica may have done it already; its answer only says that what we remember of the
 * object is old.  What it got is given back: files are closed, locks unlocked (lock.c).
 */
#include "config.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "mount.h"

enum { CHECK_MS = 500, OLD_MS = 1000, PF_EXITING = 4 };

enum fate {
	FATE_NONE,		/* it goes on */
	FATE_ASKED,		/* somebody wants it to end, and it may decide */
	FATE_DYING,		/* it will be dead as soon as we let it */
	FATE_HIDDEN,		/* we cannot see it */
};

#define BIT(sig) (1ull << ((sig) - 1))
/* Their default is to end the process, as SIGKILL, but for SIGKILL not being pending then. */
#define CORE_SIGNALS \
	(BIT(SIGQUIT) | BIT(SIGILL) | BIT(SIGTRAP) | BIT(SIGABRT) | BIT(SIGBUS) | BIT(SIGFPE) | \
	 BIT(SIGSEGV) | BIT(SIGXCPU) | BIT(SIGXFSZ) | BIT(SIGSYS))
#define END_SIGNALS (BIT(SIGINT) | BIT(SIGTERM) | BIT(SIGHUP) | BIT(SIGQUIT))

/* A file of /proc about a thread.  Bytes, or -errno. */
static ssize_t read_proc(uint32_t tid, const char *what, char *text, size_t size)
{
	char path[48];

	snprintf(path, sizeof path, "/proc/%u/%s", tid, what);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n = read(fd, text, size - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n;
}

/* "\nSigPnd:\t0123..." of a status file. */
static unsigned long long signals_of(const char *status, const char *key)
{
	const char *line = strstr(status, key);

	return line ? strtoull(line + strlen(key), NULL, 16) : 0;
}

/* SIGKILL is pending for a thread from the moment on that any signal has decided its end. */
static enum fate fate_of(uint32_t tid)
{
	char text[4096];
	ssize_t n = tid ? read_proc(tid, "status", text, sizeof text) : -ENOENT;

	if (n <= 0)
		return n == -ENOENT || n == -ESRCH ? FATE_HIDDEN : FATE_NONE;
	unsigned long long pending = signals_of(text, "\nSigPnd:") | signals_of(text, "\nShdPnd:");
	if (signals_of(text, "\nSigPnd:") & BIT(SIGKILL))
		return FATE_DYING;
	pending &= ~signals_of(text, "\nSigBlk:") & ~signals_of(text, "\nSigIgn:");
	if (pending & CORE_SIGNALS & ~signals_of(text, "\nSigCgt:"))
		return FATE_DYING;
	return pending & END_SIGNALS ? FATE_ASKED : FATE_NONE;
}

/* The kernel flag of a process that closes its files because it ends. */
static bool is_exiting(uint32_t tid)
{
	char text[1024];
	unsigned flags = 0;
	const char *rest;

	if (read_proc(tid, "stat", text, sizeof text) <= 0 || !(rest = strrchr(text, ')')))
		return false;
	return sscanf(rest, ") %*c %*d %*d %*d %*d %*d %u", &flags) == 1 && (flags & PF_EXITING);
}

/* Nobody waits for r any more; its call ends when it does. */
static void request_abandon(struct request *r)
{
	struct mount *m = r->mount;

	m->stats.abandoned++;
	if (r->handle && r->handle->opened)
		r->handle = NULL;	/* the kernel may release it from now on */
	if (r->inode)
		node_recent_drop(m, r->inode);
	if (r->other)
		node_recent_drop(m, r->other);
	fuse_reply_err(r->req, r->root->op == FOP_flush ? 0 : EINTR);
	r->req = NULL;
	if (!frame_identity(r->root)->txn)
		call_cancel(r->root);	/* r may be gone */
}

/* May the kernel have sent it without telling us of signals?  (Direct I/O, close.) */
static bool is_untold(enum fop_id op)
{
	return op == FOP_read || op == FOP_write || op == FOP_flush;
}

static bool may_abandon(const struct request *r, bool old)
{
	const struct identity *id = frame_identity(r->root);
	bool changes = id->txn || r->root->op == FOP_flush;

	if (!r->interrupted && (!old || !is_untold(r->root->op)))
		return false;
	switch (fate_of(id->pid)) {
	case FATE_DYING:
		return true;
	case FATE_ASKED:
		return old && !changes;
	case FATE_HIDDEN:
		return old && !changes && r->interrupted;
	default:
		return old && ((r->interrupted && r->lock_wait) ||
			       (r->root->op == FOP_flush && is_exiting(id->pid)));
	}
}

static void check_requests(struct timer *t)
{
	struct mount *m = container_of(t, struct mount, check_timer);
	uint64_t now_ns = loop_now_ns(xl_loop(m->xl));
	struct request *r;

	do {	/* from the start again after each: it may have ended others */
		LIST_FOREACH(r, &m->requests, link) {
			bool old = now_ns - r->start_ns >= OLD_MS * 1000000ull;

			if (!r->req)
				continue;
			if (r->interrupted && r->lock_wait && !r->cancelled)
				break;
			if (may_abandon(r, old))
				break;
		}
		if (r && r->lock_wait && !r->cancelled) {
			r->cancelled = true;
			call_cancel(r->root);
		} else if (r) {
			request_abandon(r);
		}
	} while (r);
	if (m->paused && m->connected)
		session_trickle(m);
	if (m->connected && !LIST_EMPTY(&m->requests))
		timer_start(&m->check_timer, xl_loop(m->xl), CHECK_MS, check_requests);
}

static void request_interrupted(fuse_req_t req, void *data)
{
	struct request *r = data;
	struct mount *m = r->mount;

	m->stats.interrupts++;
	r->interrupted = true;
	/* Not now: libfuse holds locks, and the request may not have been wound yet. */
	timer_start(&m->check_timer, xl_loop(m->xl), 0, check_requests);
}

void request_unheard(struct request *r)
{
	if (!frame_identity(r->root)->txn)
		return;
	node_unknown(r->mount, r->inode);
	if (fop_classes[r->root->op] == FOP_WRITE && r->inode->type == S_IFREG)
		pages_drop(r->mount, r->inode, 0, NULL, NULL);
	if (r->other)
		node_unknown(r->mount, r->other);
}

/* ---- what the kernel tries again ---- */

/*
 * A system call that is told ESTALE is tried once more by the kernel, with names that it looks up again
 * (LOOKUP_REVAL): another host, or a process here, has removed or replaced what the name was when it was looked
 * up.  When that happens again, or who comes was led there by the directory that he works in, it is not there:
 * ENOENT, as on a disk.  Without a lookup in between it was about no name, but a file handle or a descriptor.
 *
 * One system call may send several requests, some that check and one that does it, and each of them may be told.
 * The name that was looked up first comes twice when it means something else now (to see that, and to look it up anew);
 * once more, or after a check, it is the next system call.
 */
static bool only_checks(uint32_t by_name)
{
	return by_name == FUSE_GETATTR || by_name == FUSE_ACCESS || by_name == FUSE_GETXATTR;
}

static struct told *told_before(struct request *r, uint32_t by_name)
{
	const uint64_t second_ns = 1000000000;
	uint32_t pid = frame_identity(r->root)->pid;
	struct mount *m = r->mount;

	for (unsigned i = 0; i < STALE_TOLD && i < m->nr_stale; i++) {
		struct told *t = &m->stale[i];

		if (t->pid == pid && (!by_name || t->by_name == by_name) &&
		    loop_now_ns(xl_loop(m->xl)) - t->ns < second_ns)
			return t;
	}
	return NULL;
}

static void note_lookup(struct told *t, const struct kernel_said *said)
{
	if (t->directory == 0) {
		t->directory = said->directory;
		snprintf(t->name, sizeof t->name, "%s", said->name);
	} else if (t->directory == said->directory && strcmp(t->name, said->name) == 0) {
		if (t->looked_up_twice)
			t->pid = 0;
		t->looked_up_twice = true;
	}
}

static void note_by_name(struct request *r)
{
	struct told *t;

	r->by_name = r->mount->said.by_name;
	if (!r->by_name || !r->mount->nr_stale || !(t = told_before(r, 0)))
		return;
	if (r->by_name == FUSE_LOOKUP)
		return note_lookup(t, &r->mount->said);
	/* A create that is told ESTALE because the name is there comes again as an open, and that is another thing; an open whose name
	 * has gone comes again as a create. */
	r->looked_up = t->directory != 0;
	r->again = t->by_name == r->by_name || (t->by_name == FUSE_OPEN && r->by_name == FUSE_CREATE) ||
		   (r->looked_up && (only_checks(t->by_name) || only_checks(r->by_name)));
	/* Whatever it does next: it is not told of that one any more. */
	if (only_checks(r->by_name))
		t->looked_up_twice = true;
	else
		t->pid = 0;
}

static int stale(struct request *r)
{
	struct mount *m = r->mount;

	if (r->again)
		return r->looked_up ? -ENOENT : -ESTALE;
	/* a lookup on the way to what is tried again */
	if (r->by_name == FUSE_LOOKUP && told_before(r, 0))
		return -ENOENT;
	m->stale[m->nr_stale++ % STALE_TOLD] = (struct told){
		.pid = frame_identity(r->root)->pid, .by_name = r->by_name, .ns = loop_now_ns(xl_loop(m->xl)),
	};
	return -ESTALE;
}

/* A lookup: so the open on whose way it is ends there.  (Before a name is made there is nothing, too.) */
static void found_nothing(struct request *r)
{
	struct told *t = told_before(r, FUSE_OPEN);

	if (t)
		t->pid = 0;
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
		.kill_priv = m->said.kill_priv,
	};
	struct inode *inode = node_inode(m, ino);

	if (!inode) {
		fuse_reply_err(req, ESTALE);
		return NULL;
	}
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
	r->inode = inode_ref(inode);
	r->changes = m->changes;
	r->start_ns = loop_now_ns(xl_loop(m->xl));
	note_by_name(r);
	if (!timer_active(&m->check_timer))
		timer_start(&m->check_timer, xl_loop(m->xl), CHECK_MS, check_requests);
	LIST_INSERT_HEAD(&m->requests, r, link);
	m->stats.requests++;
	if (++m->stats.in_flight > m->stats.max_in_flight)
		m->stats.max_in_flight = m->stats.in_flight;
	xl_busy(m->xl, 1);
	if (((m->send_groups || m->groups_wanted) && !m->said.checked) ||
	    (id.kill_priv && caller_group_decides(r)))
		caller_groups(r);
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

void request_bytes(struct request *r, uint32_t bytes)
{
	r->bytes = bytes;
	r->mount->bytes += bytes;
	session_flow(r->mount);
}

void request_end(struct request *r)
{
	struct mount *m = r->mount;

	LIST_REMOVE(r, link);
	if (r->writes)
		node_writes(r, false);
	m->stats.in_flight--;
	fd_unref(r->fd);
	buf_unref(r->buf);
	inode_unref(r->other);
	inode_unref(r->inode);
	m->bytes -= r->bytes;
	call_end(r->root);
	session_flow(m);
	xl_busy(m->xl, -1);
}

void request_error(struct request *r, int err)
{
	assert(err <= 0);
	if (err == -ESTALE && r->req && r->by_name)
		err = stale(r);
	else if (err && r->by_name == FUSE_LOOKUP)
		found_nothing(r);
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
