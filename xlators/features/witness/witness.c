/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * witness.c - a brick without files: one more vote on who has the files of a replica set.
 *
 * It is an acceptor of the view register and nothing else (../replica/replica-acceptor.c); every operation but
 * `replicate` is ENOSYS, as the core answers for a leaf.  It tells nobody anything by itself.
 */
#include "config.h"

#include <fcntl.h>
#include <unistd.h>

#include "graph.h"
#include "replica-acceptor.h"

struct witness {
	char *directory;
	struct register_file *file;
};

static const struct option options[] = {
	OPT_PATH_REQUIRED("directory", struct witness, directory,
			  "where it keeps its votes, some kilobytes: a directory for each replica set"),
	OPT_END
};

static void witness_replicate(struct frame *f, const struct replicate_args *a)
{
	struct witness *priv = f->xl->priv;
	struct repl_status s = { .witness = true };

	if (replicate_register(f, a, priv->file))
		return;
	if (a->what != REPL_STATUS)
		return fail(f, -ENOSYS);
	register_status(priv->file, &s);
	replicate_status(f, &s);
}

static int witness_init(struct xlator *xl)
{
	struct witness *priv = xl->priv;
	char error[REGISTER_ERROR];
	int ret, fd = open(priv->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) {
		ret = -errno;
		xl_error(xl, "directory", "cannot open \"%s\": %s", priv->directory, strerror(-ret));
		return ret;
	}
	ret = register_open(fd, xl_loop(xl), xl->graph->pool, &priv->file, error);
	close(fd);
	if (ret)
		xl_error(xl, "directory", "\"%s\": %s", priv->directory, error);
	return ret;
}

static int witness_start(struct xlator *xl)
{
	xl_notify(xl, XL_CHILD_UP, NULL);
	return 0;
}

static void witness_fini(struct xlator *xl)
{
	struct witness *priv = xl->priv;

	/* what it has written was synced before it was answered: every end is a clean one */
	register_close(priv->file, true);
	priv->file = NULL;
}

static void witness_dump(struct xlator *xl, struct dump *d)
{
	const struct witness *priv = xl->priv;
	const struct register_state *s = register_get(priv->file);
	char text[256], id[GFID_STR];

	dump_value(d, "brick", "%s", gfid_str(&s->brick, id));
	dump_value(d, "promised", "round %llu of client %016llx", (unsigned long long)s->promised.round,
		   (unsigned long long)s->promised.client);
	view_print(&s->view, text, sizeof text);
	dump_value(d, "accepted", "%s, in round %llu", text, (unsigned long long)s->accepted.round);
	view_print(&s->installed, text, sizeof text);
	dump_value(d, "installed", "%s", text);
	dump_u64(d, "writes", register_writes(priv->file));
}

static const struct xlator_type witness_xlator = {
	.abi = XLATOR_ABI, .name = "features/witness",
	.help = "a brick without files: a third vote for a mirror of two",
	.priv_size = sizeof(struct witness), .options = options,
	.init = witness_init, .start = witness_start, .fini = witness_fini, .dump = witness_dump,
	.fops = { .replicate = witness_replicate },
};
XLATOR_EXPORT(witness_xlator);
