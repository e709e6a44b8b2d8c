/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * afr.c - cluster/afr: the same files on every subvolume.
 *
 * First form (README): every change goes to all members in parallel and is answered when all have
 * answered; reads go to one and fail over to the next; a child that failed or missed a change is
 * out and stays out.  This file has the options, the choice of the child to read from, and the
 * dump.
 */
#include <stdlib.h>

#include "afr.h"

static const struct option options[] = {
	OPT_CHILD("read-subvolume", struct afr, read_child, "*",
		  "subvolume that data is read from while it is a member; *: spread by the identity of the file"),
	OPT_BOOL("self-heal", struct afr, self_heal, "on",
		 "accepted; a child that missed a change stays out until healing exists"),
	OPT_TIME("start-timeout", struct afr, wait_ms, "3", "0", "1h",
		 "how long a mount waits for all its subvolumes before it begins without the missing ones"),
	OPT_OBSOLETE("debug", "use --log-level DEBUG"),
	OPT_OBSOLETE("replicate", "every subvolume has every file"),
	OPT_OBSOLETE("lock-node", "there is no lock subvolume"),
	OPT_OBSOLETE("read-schedule", "use read-subvolume"),
	OPT_END
};

int afr_read_child(const struct afr *afr, const struct gfid *of, uint64_t mask)
{
	int nr = afr->xl->nr_children;

	if (!mask)
		return -1;
	if (afr->read_child >= 0 && (mask & afr_bit(afr->read_child)))
		return afr->read_child;
	/* Over all children, not over the members: nothing moves for the files of those that stay
	 * when another one goes. */
	int child = gfid_hash(of) % nr;
	while (!(mask & afr_bit(child)))
		child = (child + 1) % nr;
	return child;
}

static int afr_init(struct xlator *xl)
{
	struct afr *afr = xl->priv;

	afr->xl = xl;
	afr->child = calloc(xl->nr_children, sizeof *afr->child);
	if (!afr->child)
		return -ENOMEM;
	afr->waiting_tail = &afr->waiting;
	if (xl->nr_children == 1)
		xl_warning(xl, NULL, "one subvolume only: nothing is mirrored");
	return 0;
}

static int afr_start(struct xlator *xl)
{
	struct afr *afr = xl->priv;

	if (!afr->told_up)
		timer_start(&afr->start_timer, xl_loop(xl), afr->wait_ms, afr_start_timeout);
	return 0;
}

static void afr_stop(struct xlator *xl)
{
	struct afr *afr = xl->priv;

	afr->stopping = true;
	timer_stop(&afr->start_timer);
	timer_stop(&afr->retry_timer);
}

static void afr_fini(struct xlator *xl)
{
	free(((struct afr *)xl->priv)->child);
}

static void afr_any(struct frame *f)
{
	switch ((enum fop_class)fop_classes[f->op]) {
	case FOP_WRITE:
	case FOP_ENTRY:
		return afr_change(f);
	case FOP_SYNC:
		return afr_sync(f);
	case FOP_READ:
	case FOP_HANDLE:
		return afr_read(f);
	}
}

static uint32_t afr_tolerates(const struct xlator *xl)
{
	return xl->nr_children - 1;
}

static const char *child_state(const struct afr *afr, int i)
{
	const struct afr_child *c = &afr->child[i];

	if (afr->members & afr_bit(i))
		return "member";
	if (c->out)
		return c->up ? "out (up, but it missed changes)" : "out (it missed changes)";
	return c->checking ? "joining" : c->up ? "up" : "down";
}

static void afr_dump(struct xlator *xl, struct dump *d)
{
	struct afr *afr = xl->priv;
	char key[64];

	for (int i = 0; i < xl->nr_children; i++) {
		struct afr_child *c = &afr->child[i];

		snprintf(key, sizeof key, "child.%d", i);
		dump_value(d, key, "%s: %s", xl->children[i]->name, child_state(afr, i));
		if (c->id[0]) {
			snprintf(key, sizeof key, "child.%d.brick-id", i);
			dump_value(d, key, "%s", c->id);
		}
		if (c->reason[0] && !(afr->members & afr_bit(i))) {
			snprintf(key, sizeof key, "child.%d.reason", i);
			dump_value(d, key, "%s", c->reason);
		}
	}
	dump_u64(d, "read-failovers", afr->failovers);
	dump_u64(d, "times-made-equal", afr->time_fixes);
}

static const struct xlator_type afr_xlator = {
	.abi = XLATOR_ABI, .name = "cluster/afr",
	.help = "keep the same files on every subvolume (automatic file replication)",
	.min_children = 1, .max_children = AFR_MAX,
	.parallel = true,
	.priv_size = sizeof(struct afr), .frame_size = sizeof(struct afr_local),
	.options = options,
	.init = afr_init, .start = afr_start, .stop = afr_stop, .fini = afr_fini,
	.event = afr_event, .dump = afr_dump, .tolerates = afr_tolerates,
	.fops = {
		.lookup = afr_lookup, .open = afr_open, .flush = afr_flush,
		.statfs = afr_statfs, .lk = afr_lk, .any = afr_any,
	},
};
XLATOR_EXPORT(afr_xlator);
