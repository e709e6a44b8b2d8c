/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * pages.c - dropping pages of the kernel that are not what the file has.
 *
 * The kernel waits for pages that are being read or written, and the loop answers those requests:
 * so a worker of our own asks it.
 */
#include "config.h"

#include <stdlib.h>

#include "mount.h"

struct drop {
	struct work work;
	struct mount *mount;
	struct inode *inode;		/* held */
	fuse_ino_t id;
	uint64_t offset;
	struct request *request;
	void (*then)(struct request *r);	/* NULL: nobody waits */
};

static void drop_run(struct work *w)
{
	struct drop *d = container_of(w, struct drop, work);

	fuse_lowlevel_notify_inval_inode(d->mount->session, d->id, (off_t)d->offset, 0);
}

static void drop_done(struct work *w)
{
	struct drop *d = container_of(w, struct drop, work);

	d->mount->drops_done++;
	if (d->then)
		d->then(d->request);
	inode_unref(d->inode);
	xl_busy(d->mount->xl, -1);
	free(d);
}

void pages_drop(struct mount *m, struct inode *inode, uint64_t offset, struct request *waiting,
		void (*then)(struct request *waiting))
{
	/* no node: the kernel has forgotten it, and has no pages of it */
	struct node *n = m->connected ? node_find(m, inode) : NULL;
	struct drop *d = n ? malloc(sizeof *d) : NULL;

	if (d && !m->drop_pool)
		m->drop_pool = pool_new(xl_loop(m->xl), "gf-drop", 1);
	if (!d || !m->drop_pool) {
		if (n)
			log_error(m->xl->name, "no memory to drop old pages of a file");
		free(d);
		if (then)
			then(waiting);
		return;
	}
	*d = (struct drop){
		.work = { .run = drop_run, .done = drop_done },
		.mount = m,
		.inode = inode_ref(inode),
		.id = node_id(m, inode),
		.offset = offset,
		.request = waiting,
		.then = then,
	};
	n->dropped = ++m->drops_begun;
	xl_busy(m->xl, 1);
	work_post(m->drop_pool, &d->work);
}
