/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * replica.c - features/replica: a brick's part of replication, directly above the volume that is exported.
 *
 * Clients (cluster/afr) drive; a brick keeps order, a journal, who lacks what, and its vote in the register of views.
 * README has the idea and what stays true.  This file says which operation goes where.
 */
#include "config.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "replica.h"

enum { ORPHANS_MS = 30000 };

void replica_answer(struct frame *f, struct buf *b)
{
	if (!b)
		return fail(f, -ENOMEM);
	unwind_replicate(f, 0, &(struct replicate_reply){ .answer = b });
	buf_unref(b);
}

void replica_answer_empty(struct frame *f)
{
	replica_answer(f, buf_new(0));
}

static void commits(struct frame *f)
{
	struct replica *r = f->xl->priv;
	struct wire w = repl_reader(((const struct replicate_args *)f->args)->request);
	uint32_t nr = wire_get_u32(&w);

	for (uint32_t i = 0; i < nr && wire_ok(&w); i++) {
		uint64_t txn = wire_get_u64(&w);
		uint32_t missing = wire_get_u32(&w);

		if (wire_ok(&w))
			replica_commit(r, frame_identity(f)->client, txn, missing);
	}
	if (repl_read_end(&w) < 0)
		return fail(f, -EINVAL);
	replica_answer_empty(f);
}

/* ---- everything to stable storage ---- */

static void sync_run(struct work *w)
{
	struct replica_call *call = (struct replica_call *)((char *)w - offsetof(struct replica_call, work));
	const struct replica *r = call->waiter.frame->xl->priv;

	call->ret = syncfs(r->dirfd) < 0 ? -errno : 0;
}

static void sync_done(struct work *w)
{
	struct replica_call *call = (struct replica_call *)((char *)w - offsetof(struct replica_call, work));
	struct frame *f = call->waiter.frame;

	xl_busy(f->xl, -1);
	if (call->ret < 0)
		return fail(f, call->ret);
	replica_answer_empty(f);
}

static void sync_all(struct frame *f)
{
	struct replica_call *call = frame_data(f);

	call->waiter.frame = f;
	call->work = (struct work){ .run = sync_run, .done = sync_done };
	xl_busy(f->xl, 1);
	work_post(f->xl->pool, &call->work);
}

static int replica_begin(struct replica *r);

static void replica_replicate(struct frame *f, const struct replicate_args *a)
{
	static void (*const handlers[REPL_WHAT_COUNT])(struct frame *f) = {
		[REPL_STATUS] = replica_view_status, [REPL_INSTALL] = replica_view_install,
		[REPL_COMMIT] = commits, [REPL_OWN] = settle_own, [REPL_DISOWN] = settle_disown,
		[REPL_OPEN] = settle_open, [REPL_HISTORY] = settle_history, [REPL_ADOPT] = settle_adopt,
		[REPL_CLEAR] = settle_clear, [REPL_YIELD] = settle_yield, [REPL_LIST] = settle_list,
		[REPL_MENDED] = settle_mended, [REPL_LACKS] = settle_lacks, [REPL_SEAL] = replica_view_seal,
		[REPL_CLIENT] = replica_client, [REPL_SYNC] = sync_all, [REPL_LEAVE] = replica_view_leave,
		[REPL_SUMS] = replica_sums, [REPL_EMPTY] = replica_view_empty,
	};
	struct replica *r = f->xl->priv;

	if (r->passive)
		return fail(f, -ENOSYS);
	if (!r->open && (a->what == REPL_CLIENT || a->what == REPL_LEAVE))
		return replica_answer_empty(f);
	int ret = r->open ? 0 : replica_begin(r);
	if (ret < 0)
		return fail(f, ret);
	if (a->what != REPL_INSTALL && replicate_register(f, a, r->reg))
		return;
	if (a->what >= REPL_WHAT_COUNT || !handlers[a->what])
		return fail(f, -ENOSYS);
	handlers[a->what](f);
}

static void replica_any(struct frame *f)
{
	struct replica *r = f->xl->priv;
	const struct identity *id = frame_identity(f);

	if (r->passive || (!r->view_name && !id->view))
		return pass(f, 0);
	if (id->impose)
		return replica_imposed(f);
	if (fop_is_change(f->op))
		return replica_change(f);
	replica_read(f);
}

static void replica_open(struct frame *f, const struct open_args *a)
{
	const struct replica *r = f->xl->priv;

	if ((a->flags & O_TRUNC) && !r->passive && (r->view_name || frame_identity(f)->view))
		return replica_change(f);
	replica_any(f);
}

/* ---- life ---- */

/* make: it is needed now.  -ENOENT: it is not there. */
static int open_directory(struct replica *r, bool make)
{
	if (make && mkdir(r->path, 0700) < 0 && errno != EEXIST)
		return -errno;
	r->dirfd = open(r->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return r->dirfd < 0 ? -errno : 0;
}

/* Reads what is kept, and keeps it from now on. */
static int open_state(struct replica *r)
{
	struct xlator *xl = r->xl;
	char error[256] = "";
	int ret = register_open(r->dirfd, xl_loop(xl), xl->pool, &r->reg, error);

	if (ret == 0)
		ret = dirty_open(r->dirfd, "dirty", xl_loop(xl), xl->pool, &r->dirty, error);
	if (ret < 0) {
		log_error(xl->name, "what this brick knows of its replicas cannot be used: %s", error);
		return ret;
	}
	ret = journal_open(r);
	if (ret < 0)
		return ret;
	r->open = true;
	if (register_get(r->reg)->installed.number)
		replica_view_adopt(r, &register_get(r->reg)->installed);
	timer_start(&r->orphan_timer, xl_loop(xl), ORPHANS_MS, client_orphans);
	return 0;
}

static int replica_init(struct xlator *xl)
{
	struct replica *r = xl->priv;
	const char *below = xl_directory(xl);

	r->xl = xl;
	r->dirfd = r->journal_fd = r->me = r->home = -1;
	TAILQ_INIT(&r->entries);
	TAILQ_INIT(&r->unused);
	TAILQ_INIT(&r->waiters);
	r->passive = !r->directory && !below;
	if (r->directory)
		snprintf(r->path, sizeof r->path, "%s", r->directory);
	else if (below)
		snprintf(r->path, sizeof r->path, "%s/replica", below);
	return 0;
}

/*
 * A brick that nobody has replicated has nothing of this: no files, and none open that would keep its disk from being
 * remounted.  Not in init: pools are handed down after it.
 */
static int replica_start(struct xlator *xl)
{
	struct replica *r = xl->priv;

	/* What is below has been started before us, and those above may have asked already. */
	if (r->open)
		return 0;
	int ret = r->passive ? -ENOENT : open_directory(r, false);
	if (ret == 0)
		ret = open_state(r);
	if (ret == -ENOENT)
		return 0;
	if (ret < 0)
		xl_error(xl, "directory", "%s: %s", r->path, strerror(-ret));
	return ret;
}

/* Somebody replicates this brick: it begins. */
static int replica_begin(struct replica *r)
{
	int ret = r->dirfd < 0 ? open_directory(r, true) : 0;

	if (ret == 0)
		ret = open_state(r);
	if (ret < 0)
		log_error(r->xl->name, "%s: %s", r->path, strerror(-ret));
	return ret;
}

static void replica_stop(struct xlator *xl)
{
	struct replica *r = xl->priv;

	timer_stop(&r->orphan_timer);
	timer_stop(&r->patience_timer);
	if (!r->open)
		return;
	replica_view_stop(r);
	settle_owners_end(r, 0);
	dirty_stop(r->dirty);
}

static void replica_fini(struct xlator *xl)
{
	struct replica *r = xl->priv;

	clients_free(r);
	journal_close(r);
	dirty_close(r->dirty);
	register_close(r->reg, r->dirfd >= 0 && syncfs(r->dirfd) == 0);
	if (r->dirfd >= 0)
		close(r->dirfd);
}

/* What somebody who waits for ever waits for. */
static void dump_keys(const struct replica *r, struct dump *d)
{
	uint64_t now = loop_now_ns(xl_loop(r->xl));
	const struct waiter *w;
	const struct owner *o;
	const struct entry *e;
	char gfid[GFID_STR], name[32];
	int nr = 0;

	LIST_FOREACH(o, &r->owners, link) {
		snprintf(name, sizeof name, "owner.%d", nr++);
		dump_value(d, name, "client=%016llx grant=%llu keys=%u first=%s", (unsigned long long)o->client,
			   (unsigned long long)o->grant, o->nr_keys, gfid_str(&o->ref[0].key.id, gfid));
	}
	nr = 0;
	TAILQ_FOREACH(e, &r->entries, link) {
		if (nr == 64)
			break;
		snprintf(name, sizeof name, "entry.%d", nr++);
		dump_value(d, name, "state=%u client=%016llx txn=%llx op=%s executing=%d first=%s", e->slot->state,
			   (unsigned long long)e->slot->client, (unsigned long long)e->slot->txn,
			   e->slot->op < FOP_COUNT ? fop_names[e->slot->op] : "settler", e->executing,
			   e->slot->nr_keys ? gfid_str(&e->slot->key[0].id, gfid) : "none");
	}
	nr = 0;
	TAILQ_FOREACH(w, &r->waiters, link) {
		const struct replica_call *call = frame_data(w->frame);

		snprintf(name, sizeof name, "waiter.%d", nr++);
		dump_value(d, name, "client=%016llx op=%s ms=%llu first=%s",
			   (unsigned long long)frame_identity(w->frame)->client, fop_names[w->frame->op],
			   (unsigned long long)(call->since_ns ? (now - call->since_ns) / 1000000 : 0),
			   call->nr_keys ? gfid_str(&call->key[0].id, gfid) : "none");
	}
	if (r->header->sealed)
		dump_value(d, "sealed", "%llx", (unsigned long long)r->header->sealed);
}

static void replica_dump(struct xlator *xl, struct dump *d)
{
	const struct replica *r = xl->priv;
	char text[256];

	if (!r->open)
		return;
	view_print(&r->view, text, sizeof text);
	dump_value(d, "view", "%s", r->view_name ? text : "none");
	dump_u64(d, "journal-entries", r->nr_entries);
	dump_u64(d, "in-doubt", r->nr_doubts);
	dump_u64(d, "changes", r->nr_changes);
	dump_u64(d, "answered-from-the-journal", r->nr_replayed);
	dump_u64(d, "waited-for-a-key", r->nr_waited);
	dump_u64(d, "refused", r->nr_refused);
	dump_u64(d, "conflicts", r->nr_conflicts);
	dump_u64(d, "commits", r->nr_commits);
	dump_keys(r, d);
}

#define R struct replica
static const struct option options[] = {
	OPT_PATH("directory", R, directory, NULL, "where to keep the journal and the register; by default in the brick, .glusterfs/replica"),
	OPT_END
};

static const struct xlator_type replica_xlator = {
	.abi = XLATOR_ABI, .name = "features/replica",
	.help = "a brick's part of replication: order, journal, views (put in by itself where it is needed)",
	.min_children = 1, .max_children = 1,
	.priv_size = sizeof(struct replica), .frame_size = sizeof(struct replica_call),
	.options = options,
	.init = replica_init, .start = replica_start, .stop = replica_stop, .fini = replica_fini,
	.dump = replica_dump,
	.fops = { .replicate = replica_replicate, .open = replica_open, .any = replica_any },
};
XLATOR_EXPORT(replica_xlator);
