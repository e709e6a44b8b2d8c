/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * mount/fuse - the top of a client's graph: what the kernel asks becomes calls.
 *
 * start() mounts; requests are read once it is known whether the graph keeps locks (the kernel must
 * be told before the first request): when the first child is up, or after PROBE_MS.  stop()
 * unmounts.
 *
 * Invariants: while connected, every node and every opened handle is the kernel's; afterwards there
 * are none.  Each request in `requests` has one call and is answered once.
 */
#include "config.h"

#include <fcntl.h>
#include <stdlib.h>

#include "mount.h"

enum { PROBE_MS = 10000 };

static const char *const direct_io_names[] = { "disable", "enable", "auto", NULL };
static const char *const lock_names[] = { "auto", "forward", "local", NULL };

static const struct option mount_option_rows[] = {
	OPT_PATH_REQUIRED("mount-point", struct mount, mount_point, "directory to mount on"),
	OPT_TIME("attr-timeout", struct mount, attr_timeout_ms, "1", "0", "1h",
		 "how long the kernel may believe attributes; 0: not at all"),
	OPT_TIME("entry-timeout", struct mount, entry_timeout_ms, "1", "0", "1h",
		 "how long the kernel may believe that a name is there; 0: not at all"),
	OPT_ENUM("direct-io-mode", struct mount, direct_io_mode, "disable", direct_io_names,
		 "enable: files opened for writing bypass the kernel's pages, and before Linux 6.6 "
		 "cannot be mapped shared and writable; "
		 "disable and auto: only what is opened with O_DIRECT does"),
	OPT_STR("fsname", struct mount, fsname, "glusterfs", "what df and mount show as device"),
	OPT_STR("subtype", struct mount, subtype, "glusterfs",
		"what mount shows as type, after \"fuse.\""),
	OPT_BOOL("read-only", struct mount, read_only, "off", "mount read-only"),
	OPT_LIST("mount-options", struct mount, mount_options, "",
		 "options of mount(8): ro, nodev, nosuid, noexec, noatime, sync ...; nosuid and "
		 "nodev unless suid, dev"),
	OPT_BOOL("allow-other", struct mount, allow_other, "on",
		 "not only for the user who mounted it"),
	OPT_U32("max-background", struct mount, max_background, "128", "1", "65535",
		"reads ahead and writes back that the kernel has under way at a time"),
	OPT_SIZE("max-request-bytes", struct mount, max_request_bytes, "128MB", "1MB", "64GB",
		 "data of reads and writes under way; the kernel keeps the rest of them"),
	OPT_BOOL("writeback-cache", struct mount, writeback_cache, "off",
		 "the kernel collects small writes; only when no other host uses the files"),
	OPT_ENUM("locks", struct mount, locks, "auto", lock_names,
		 "forward: fcntl and flock locks go to the bricks; local: they hold on this host; "
		 "auto: forward if the graph has them"),
	OPT_BOOL("send-groups", struct mount, send_groups, "off",
		 "read the supplementary groups of the caller for each operation whose permissions a "
		 "brick may check; off: only when one does (root-squash)"),
	OPT_END
};

/* ---- does the graph keep locks? ---- */

struct probe {
	struct fd *fd;
};

static void probe_end(struct mount *m, bool local)
{
	struct frame *root = m->probe;
	struct probe *p = frame_data(root);

	m->probe = NULL;
	fd_unref(p->fd);
	call_end(root);
	xl_busy(m->xl, -1);
	if (m->serving || !m->connected)
		return;
	m->local_locks = local;
	if (local)
		log_warning(m->xl->name,
			    "the bricks keep no locks (they have no features/posix-locks): "
			    "fcntl and flock locks hold between processes of this host only");
	session_serve(m);
}

static void probe_lk_done(struct frame *f, int child, int ret, const struct lk_reply *reply)
{
	probe_end(f->xl->priv, ret == -ENOSYS || ret == -EOPNOTSUPP);
}

static void probe_opendir_done(struct frame *f, int child, int ret,
			       const struct opendir_reply *reply)
{
	struct probe *p = frame_data(f);
	struct lk_args a = {
		.fd = p->fd, .cmd = LK_GET,
		.lock = { .owner = 1, .end = UINT64_MAX, .type = F_WRLCK, .kind = LK_FLOCK },
	};

	if (ret < 0)
		return probe_end(f->xl->priv, false);
	wind_lk(f, 0, &a, probe_lk_done);
}

static void probe_begin(struct mount *m)
{
	struct inode *root = inode_root(xl_inodes(m->xl));

	m->probe = call_new(m->xl, NULL, sizeof(struct probe));
	if (!m->probe) {
		session_serve(m);
		return;
	}
	struct probe *p = frame_data(m->probe);
	xl_busy(m->xl, 1);
	p->fd = fd_new(root, O_RDONLY | O_DIRECTORY, true);
	if (!p->fd)
		return probe_end(m, false);
	wind_opendir(m->probe, 0, &(struct opendir_args){ .inode = root, .fd = p->fd },
		     probe_opendir_done);
}

static void probe_timeout(struct timer *t)
{
	session_serve(container_of(t, struct mount, probe_timer));
}

/* Serves, or finds out first what the kernel must be told. */
static int mount_begin(struct mount *m)
{
	if (!m->connected || m->serving || m->probe)
		return 0;
	if (m->locks != LOCKS_AUTO) {
		m->local_locks = m->locks == LOCKS_LOCAL;
		return session_serve(m);
	}
	if (!timer_active(&m->probe_timer))
		timer_start(&m->probe_timer, xl_loop(m->xl), PROBE_MS, probe_timeout);
	if (m->child_up)
		probe_begin(m);
	return 0;
}

/* ---- life ---- */

static int mount_init(struct xlator *xl)
{
	struct mount *m = xl->priv;
	unsigned long flags = 0;

	m->xl = xl;
	m->fd = -1;
	LIST_INIT(&m->requests);
	LIST_INIT(&m->nodes);
	LIST_INIT(&m->handles);
	if (loop_is_sim(xl_loop(xl))) {
		xl_error(xl, NULL, "there is no kernel to mount with in a simulation");
		return -EINVAL;
	}
	m->recent = calloc(MOUNT_NR_RECENT, sizeof *m->recent);
	m->umount_pool = pool_new(xl_loop(xl), "gf-umount", 1);
	if (!m->recent || !m->umount_pool)
		return -ENOMEM;
	return mountopt_parse(xl, m->mount_options, &flags);
}

static int mount_start(struct xlator *xl)
{
	struct mount *m = xl->priv;
	int err = session_open(m);

	if (!err && !node_lookup(m, inode_root(xl_inodes(xl))))
		err = -ENOMEM;
	if (!err)
		err = mount_begin(m);
	if (err)
		session_unmount(m);
	return err;
}

static void mount_stop(struct xlator *xl)
{
	session_unmount(xl->priv);
}

static void mount_fini(struct xlator *xl)
{
	struct mount *m = xl->priv;

	pool_free(m->drop_pool);
	pool_free(m->umount_pool);
	session_close(m);
	node_finish(m);
	free(m->recent);
	free(m->out);
	free(m->listed);
}

static void cancel_all(struct mount *m)
{
	struct request *r;

	if (m->probe)
		call_cancel(m->probe);
	do {
		/* cancelling one may end others, so the list is looked through anew */
		LIST_FOREACH(r, &m->requests, link)
			if (!r->cancelled)
				break;
		if (r) {
			r->cancelled = true;
			call_cancel(r->root);
		}
	} while (r);
}

void mount_disconnect(struct mount *m)
{
	struct handle *h, *next_handle;
	struct request *r;

	if (!m->connected)
		return;
	m->connected = m->serving = false;
	timer_stop(&m->probe_timer);
	timer_stop(&m->check_timer);
	session_sever(m);
	LIST_FOREACH(r, &m->requests, link)
		if (r->handle && r->handle->opened)
			r->handle = NULL;
	for (h = LIST_FIRST(&m->handles); h; h = next_handle) {
		next_handle = LIST_NEXT(h, link);
		if (h->opened)
			handle_free(m, h);
	}
	while (!LIST_EMPTY(&m->nodes))
		node_free(m, LIST_FIRST(&m->nodes));
	cancel_all(m);
	if (m->unmounting)
		return;
	log_plain(LOG_NOTICE_, m->xl->name, "%s was unmounted", m->mount_point);
	xl_notify(m->xl, XL_UNMOUNTED, NULL);
}

static void mount_event(struct xlator *xl, int child, enum xl_event what, void *data)
{
	struct mount *m = xl->priv;

	switch (what) {
	case XL_CHILD_UP:
		m->child_up = true;
		mount_begin(m);
		break;
	case XL_CHILD_DOWN:
		m->child_up = false;
		break;
	case XL_CHILD_FAILED:
		m->child_up = false;
		if (!m->probe)
			session_serve(m); /* it answers errors; waiting would not make it better */
		break;
	case XL_INVALIDATE:
		node_invalidate(m, data);
		break;
	case XL_WANTS_GROUPS:
		m->groups_wanted = true;
		break;
	default:
		break;
	}
	xl_notify(xl, what, data);
}

static void mount_dump(struct xlator *xl, struct dump *d)
{
	const struct mount *m = xl->priv;

	dump_value(d, "mount-point", "%s", m->mount_point);
	const char *state = m->connected ? "mounted, waiting for the graph" : "unmounted";

	dump_value(d, "state", "%s", m->serving ? "serving" : state);
	dump_value(d, "locks", "%s", m->local_locks ? "on this host only" : "forwarded");
	dump_u64(d, "requests", m->stats.requests);
	dump_u64(d, "wakeups", m->stats.wakeups);
	dump_u64(d, "requests.in-flight", m->stats.in_flight);
	dump_u64(d, "requests.bytes", m->bytes);
	dump_u64(d, "requests.pauses", m->stats.pauses);
	dump_u64(d, "requests.in-flight.max", m->stats.max_in_flight);
	dump_u64(d, "interrupts", m->stats.interrupts);
	dump_u64(d, "abandoned", m->stats.abandoned);
	dump_u64(d, "answered-here.attributes", m->stats.attrs_local);
	dump_u64(d, "answered-here.xattrs", m->stats.xattrs_local);
	dump_u64(d, "answered-here.listings", m->stats.listings_local);
	dump_u64(d, "writes.uncopied", m->stats.writes_stolen);
	dump_u64(d, "opens.pages-kept", m->stats.opens_kept);
	dump_u64(d, "opens.pages-dropped", m->stats.opens_dropped);
	dump_u64(d, "locks.pages-kept", m->stats.locks_kept);
	dump_u64(d, "locks.pages-dropped", m->stats.locks_dropped);
	dump_u64(d, "inodes", m->stats.nr_nodes);
	dump_u64(d, "open-files", m->stats.nr_handles);
}

static const struct xlator_type mount_xlator = {
	.abi = XLATOR_ABI, .name = "mount/fuse", .help = "a mount point: the top of a client",
	.min_children = 1, .max_children = 1,
	.priv_size = sizeof(struct mount), .options = mount_option_rows,
	.init = mount_init, .start = mount_start, .stop = mount_stop, .fini = mount_fini,
	.event = mount_event, .dump = mount_dump,
};
XLATOR_EXPORT(mount_xlator);
