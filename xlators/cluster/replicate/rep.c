/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rep.c - cluster/replicate: the same files on every subvolume, in one order, healed when one comes back.
 *
 * This file has the options, the table of operations and the dump.
 */
#include <stdlib.h>

#include "rep.h"

#define R struct rep
static const struct option options[] = {
	OPT_CHILD("read-subvolume", R, read_child, "*",
		  "subvolume that data is read from while it is a member; *: spread by the identity of the file"),
	OPT_BOOL("self-heal", R, self_heal, "on", "heal a subvolume that comes back"),
	OPT_TIME("start-timeout", R, wait_ms, "3", "0", "1h",
		 "how long a mount waits for all its subvolumes before it begins without the missing ones"),
	OPT_OBSOLETE("debug", "use --log-level DEBUG"),
	OPT_OBSOLETE("replicate", "every subvolume has every file"),
	OPT_OBSOLETE("lock-node", "there is no lock subvolume"),
	OPT_OBSOLETE("read-schedule", "use read-subvolume"),
	OPT_END
};

int rep_read_child(const struct rep *rep, const struct gfid *of, uint64_t mask)
{
	int nr = rep->xl->nr_children;

	if (!mask)
		return -1;
	if (rep->read_child >= 0 && (mask & rep_bit(rep->read_child)))
		return rep->read_child;
	int child = gfid_hash(of) % nr;
	while (!(mask & rep_bit(child)))
		child = (child + 1) % nr;
	return child;
}

static int rep_init(struct xlator *xl)
{
	struct rep *rep = xl->priv;

	rep->xl = xl;
	rep->home = -1;
	rep->child = calloc(xl->nr_children, sizeof *rep->child);
	if (!rep->child)
		return -ENOMEM;
	TAILQ_INIT(&rep->waiting);
	for (int i = 0; i < xl->nr_children; i++)
		rep->child[i].place = -1;
	if (xl->nr_children == 1)
		xl_warning(xl, NULL, "one subvolume only: nothing is mirrored");
	return 0;
}

static int rep_start(struct xlator *xl)
{
	struct rep *rep = xl->priv;

	if (!rep->told_up)
		timer_start(&rep->start_timer, xl_loop(xl), rep->wait_ms, rep_start_timeout);
	return 0;
}

static void rep_stop(struct xlator *xl)
{
	struct rep *rep = xl->priv;

	rep->stopping = true;
	timer_stop(&rep->start_timer);
	timer_stop(&rep->retry_timer);
	timer_stop(&rep->commit_timer);
	rep_heal_stop(rep);
	rep_commit_all(rep);
	rep_wake(rep);
}

static void rep_fini(struct xlator *xl)
{
	free(((struct rep *)xl->priv)->child);
}

static void rep_any(struct frame *f)
{
	switch ((enum fop_class)fop_classes[f->op]) {
	case FOP_WRITE:
	case FOP_ENTRY:
		return rep_change(f);
	case FOP_SYNC:
		return rep_sync(f);
	case FOP_READ:
	case FOP_HANDLE:
		return rep_read(f);
	}
}

static void rep_replicate(struct frame *f, const struct replicate_args *a)
{
	fail(f, -ENOSYS);		/* those below are ours */
}

static uint32_t rep_tolerates(const struct xlator *xl)
{
	return xl->nr_children - 1;
}

static const char *child_state(const struct rep *rep, int i)
{
	const struct rep_child *c = &rep->child[i];
	uint64_t bit = rep_bit(i);

	if (rep->full & bit)
		return c->up ? i == rep->home ? "member, home" : "member" : "member, down";
	if (rep->joining & bit)
		return c->up ? "joining" : "joining, down";
	if (rep->witnesses & bit)
		return c->up ? "witness" : "witness, down";
	return c->up ? "up, not in the view" : "down";
}

static void rep_dump(struct xlator *xl, struct dump *d)
{
	struct rep *rep = xl->priv;
	char key[64], text[256];

	view_print(&rep->view, text, sizeof text);
	dump_value(d, "view", "%s", rep->view_name ? text : "none");
	for (int i = 0; i < xl->nr_children; i++) {
		struct rep_child *c = &rep->child[i];

		snprintf(key, sizeof key, "child.%d", i);
		dump_value(d, key, "%s: %s", xl->children[i]->name, child_state(rep, i));
		if (c->reason[0] && !(c->up && (rep->full & rep_bit(i)))) {
			snprintf(key, sizeof key, "child.%d.reason", i);
			dump_value(d, key, "%s", c->reason);
		}
	}
	dump_u64(d, "changes", rep->nr_changes);
	dump_u64(d, "changes-begun-again", rep->nr_again);
	dump_u64(d, "views", rep->nr_views);
	dump_u64(d, "settled", rep->nr_settled);
	dump_u64(d, "read-failovers", rep->nr_failovers);
	dump_u64(d, "items-healed", rep->nr_healed);
	dump_u64(d, "bytes-healed", rep->nr_heal_bytes);
	dump_u64(d, "times-made-equal", rep->time_fixes);
}

static const struct xlator_type rep_xlator = {
	.abi = XLATOR_ABI, .name = "cluster/replicate",
	.help = "keep the same files on every subvolume, in one order, and heal one that comes back",
	.min_children = 1, .max_children = VIEW_BRICKS_MAX,
	.parallel = true,
	.priv_size = sizeof(struct rep), .frame_size = sizeof(struct rep_local),
	.options = options, .needs_above = "features/replica",
	.init = rep_init, .start = rep_start, .stop = rep_stop, .fini = rep_fini,
	.event = rep_event, .dump = rep_dump, .tolerates = rep_tolerates,
	.fops = {
		.open = rep_open, .flush = rep_flush, .replicate = rep_replicate,
		.statfs = rep_statfs, .lk = rep_lk, .any = rep_any,
	},
};
XLATOR_EXPORT(rep_xlator);
