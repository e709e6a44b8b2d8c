/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * afr.c - cluster/afr: the same files on every subvolume, in one order, healed when one comes back.
 *
 * This file has the options, the table of operations and the dump.
 */
#include <stdlib.h>

#include "afr.h"

#define R struct afr
enum { QUORUM_DEFAULT, QUORUM_NONE, QUORUM_AUTO, QUORUM_FIXED };
static const char *const quorum_types[] = { "default", "none", "auto", "fixed", NULL };
static const struct option options[] = {
	OPT_CHILD("read-subvolume", R, read_child, "*",
		  "subvolume that data is read from while it is a member; *: spread by the identity of the file"),
	OPT_BOOL("self-heal", R, self_heal, "on", "heal a subvolume that comes back"),
	OPT_TIME("start-timeout", R, wait_ms, "3", "0", "1h",
		 "how long a mount waits for all its subvolumes before it begins without the missing ones"),
	OPT_ENUM("quorum-type", R, quorum_type, "default", quorum_types,
		 "how many subvolumes decide who is a member, when a set begins: none: those that are there; auto: more than half; "
		 "fixed: quorum-count; default: auto with three or more, none with two"),
	OPT_U32("quorum-count", R, quorum_count, "0", "0", "16", "with quorum-type fixed: how many; more than half"),
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
	int child = gfid_hash(of) % nr;
	while (!(mask & afr_bit(child)))
		child = (child + 1) % nr;
	return child;
}

const char *afr_name(const struct afr *afr, int child)
{
	const struct xlator *xl = afr->xl->children[child];

	while (xl->volume && !xl->volume->pos.line && xl->nr_children == 1)
		xl = xl->children[0];
	return xl->name;
}

uint32_t afr_quorum(const struct xlator *xl)
{
	const struct afr *afr = xl->priv;

	if (afr->quorum_type == QUORUM_FIXED)
		return afr->quorum_count;
	if (afr->quorum_type == QUORUM_NONE || (afr->quorum_type == QUORUM_DEFAULT && xl->nr_children < 3))
		return 0;
	return xl->nr_children / 2 + 1;
}

static int afr_check(struct xlator *xl)
{
	const struct afr *afr = xl->priv;
	uint32_t nr = xl->nr_children;

	if (afr->quorum_type != QUORUM_FIXED) {
		if (!afr->quorum_count)
			return 0;
		xl_error(xl, "quorum-count", "is for quorum-type fixed only");
		return -EINVAL;
	}
	if (afr->quorum_count > nr / 2 && afr->quorum_count <= nr)
		return 0;
	xl_error(xl, "quorum-count", "must be more than half of the %u subvolumes, and not more than all: two groups of fewer could "
		 "decide differently", nr);
	return -EINVAL;
}

static int afr_init(struct xlator *xl)
{
	struct afr *afr = xl->priv;

	afr->xl = xl;
	afr->home = -1;
	afr->child = calloc(xl->nr_children, sizeof *afr->child);
	if (!afr->child)
		return -ENOMEM;
	TAILQ_INIT(&afr->waiting);
	for (int i = 0; i < xl->nr_children; i++)
		afr->child[i].place = -1;
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
	timer_stop(&afr->commit_timer);
	timer_stop(&afr->lock_timer);
	afr_heal_stop(afr);
	afr_settle_stop(afr);
	afr_commit_all(afr);
	afr_wake(afr);
}

static void afr_fini(struct xlator *xl)
{
	afr_held_free(xl->priv);
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

static void afr_replicate(struct frame *f, const struct replicate_args *a)
{
	fail(f, -ENOSYS);		/* those below are ours */
}

static uint32_t afr_tolerates(const struct xlator *xl)
{
	uint32_t nr = xl->nr_children, quorum = afr_quorum(xl);

	return nr - (quorum ? quorum : 1);
}

static const char *child_state(const struct afr *afr, int i)
{
	const struct afr_child *c = &afr->child[i];
	uint64_t bit = afr_bit(i);

	if (afr->full & bit)
		return c->up ? i == afr->home ? "member, home" : "member" : "member, down";
	if (afr->joining & bit)
		return c->up ? "joining" : "joining, down";
	if (afr->witnesses & bit)
		return c->up ? "witness" : "witness, down";
	return c->up ? "up, not in the view" : "down";
}

static void afr_dump(struct xlator *xl, struct dump *d)
{
	struct afr *afr = xl->priv;
	char key[64], text[256];

	view_print(&afr->view, text, sizeof text);
	dump_value(d, "view", "%s", afr->view_name ? text : "none");
	dump_u64(d, "quorum", afr->view.quorum);
	for (int i = 0; i < xl->nr_children; i++) {
		struct afr_child *c = &afr->child[i];

		snprintf(key, sizeof key, "child.%d", i);
		dump_value(d, key, "%s: %s", afr_name(afr, i), child_state(afr, i));
		if (c->reason[0] && !(c->up && (afr->full & afr_bit(i)))) {
			snprintf(key, sizeof key, "child.%d.reason", i);
			dump_value(d, key, "%s", c->reason);
		}
	}
	dump_u64(d, "changes", afr->nr_changes);
	dump_u64(d, "changes-begun-again", afr->nr_again);
	dump_u64(d, "views", afr->nr_views);
	dump_u64(d, "settled", afr->nr_settled);
	dump_u64(d, "read-failovers", afr->nr_failovers);
	dump_u64(d, "items-healed", afr->nr_healed);
	dump_u64(d, "bytes-healed", afr->nr_heal_bytes);
	dump_u64(d, "bricks-compared", afr->nr_walks);
	dump_u64(d, "directories-compared", afr->nr_walk_dirs);
	dump_u64(d, "objects-compared", afr->nr_walk_objects);
	dump_u64(d, "bytes-compared", afr->nr_walk_bytes);
	afr_heal_dump(afr, d);
}

static const struct xlator_type afr_xlator = {
	.abi = XLATOR_ABI, .name = "cluster/afr",
	.help = "keep the same files on every subvolume, in one order, and heal one that comes back",
	.min_children = 1, .max_children = VIEW_BRICKS_MAX,
	.parallel = true,
	.priv_size = sizeof(struct afr), .frame_size = sizeof(struct afr_local),
	.options = options, .needs_above = "features/replica",
	.check = afr_check, .init = afr_init, .start = afr_start, .stop = afr_stop, .fini = afr_fini,
	.event = afr_event, .release = afr_release,
	.dump = afr_dump, .tolerates = afr_tolerates,
	.fops = {
		.open = afr_open, .flush = afr_flush, .replicate = afr_replicate,
		.statfs = afr_statfs, .lk = afr_lk, .any = afr_any,
	},
};
XLATOR_EXPORT(afr_xlator);
