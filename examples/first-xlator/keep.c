/* keep.c - a first translator: files whose name matches a pattern cannot be removed. */
#include <fnmatch.h>
#include <xlator.h>

struct keep {
	char *pattern;
};

static const struct option options[] = {
	OPT_STR("pattern", struct keep, pattern, "*.keep", "names that cannot be removed"),
	OPT_END
};

static void keep_unlink(struct frame *f, const struct unlink_args *a)
{
	struct keep *priv = f->xl->priv;

	if (fnmatch(priv->pattern, a->name, 0) == 0)
		return fail(f, -EPERM);
	pass(f, 0);
}

static const struct xlator_type keep_xlator = {
	.abi = XLATOR_ABI, .name = "keep", .help = "files with certain names cannot be removed",
	.min_children = 1, .max_children = 1,
	.priv_size = sizeof(struct keep), .options = options,
	.fops = { .unlink = keep_unlink },
};
XLATOR_EXPORT(keep_xlator);
