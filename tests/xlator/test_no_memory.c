/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Without memory: the n-th allocation fails, for every n, while a graph with cluster/afr is built.  Nothing leaks (ASan), and what
 * is wrong is told.  Parts of the core are compiled into this program for that (../unit/no_memory.h).
 */
#include "config.h"

#include "script.h"

extern const struct xlator_export glusterfs_xlator;

static long until = -1;		/* allocations until one fails; -1: none does */

const char *__asan_default_options(void);

/* Constants of the core are here and in the library. */
const char *__asan_default_options(void)
{
	return "detect_odr_violation=0";
}

static bool allocation_fails(void)
{
	return until >= 0 && until-- == 0;
}

#include "../unit/no_memory.h"

#define VOLFILE "volume b0 type test/child end-volume volume b1 type test/child end-volume " \
	"volume m type cluster/afr subvolumes b0 b1 option read-subvolume b1 end-volume"

static const struct xlator_type *types[4];

START_TEST(building_a_graph)
{
	const char *const options[] = { NULL };

	types[0] = glusterfs_xlator.type;
	types[1] = &script_child;
	types[2] = &script_top;
	graph_builtin_types = types;
	log_threshold = LOG_NONE_;
	bricks_new();
	for (long n = 0; n < 1000; n++) {
		struct loop *l = loop_new_sim(1);
		struct diag *d = diag_new();
		struct graph_options o = { .loop = l };
		struct volfile *vf = volfile_parse("t.vol", VOLFILE, strlen(VOLFILE), d);
		int err = 0;

		until = n;
		struct graph *g = graph_new(vf, &o, d);
		if (!g)
			ck_assert_uint_gt(diag_errors(d), 0);
		else if (!(err = graph_push(g, "test/top", "top", options)))
			if (!(err = graph_init(g)))
				err = graph_start(g);
		bool enough = until >= 0;
		until = -1;
		ck_assert(!enough || (g && !err));
		if (g && !err)
			loop_run_until(l, &(bool){ false }, 10000);
		graph_free(g);
		diag_free(d);
		loop_free(l);
		call_trim();
		buf_trim();
		if (enough)
			return;
	}
	ck_abort_msg("never enough");
}
END_TEST

UNIT_MAIN("no memory", building_a_graph)
