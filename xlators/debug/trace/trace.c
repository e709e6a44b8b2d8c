/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * trace.c - log every operation that passes, its arguments and its answer.
 *
 * One handler and one continuation for all operations; what is printed is made from fops.def.  The
 * operations that are not asked for are passed on.
 */
#include <string.h>

#include "xlator.h"

enum { LINE = 1024 };

struct trace {
	char *include, *exclude;
	bool on[FOP_COUNT];
	uint64_t next_id;
};

struct trace_frame {
	uint64_t id, start_ns;
};

static const struct option options[] = {
	OPT_LIST("include", struct trace, include, NULL, "the operations to log; default: all"),
	OPT_LIST("exclude", struct trace, exclude, NULL, "the operations not to log"),
	OPT_ALIAS("include-ops", "include"),
	OPT_ALIAS("exclude-ops", "exclude"),
	OPT_END
};

static int trace_choose(struct xlator *xl, const char *key, const char *list, bool on)
{
	struct trace *priv = xl->priv;
	const char *word;
	size_t len;

	while (option_list_next(&list, &word, &len)) {
		char name[32];

		snprintf(name, sizeof name, "%.*s", (int)(len < 31 ? len : 31), word);
		int op = fop_by_name(name);
		if (op < 0) {
			xl_error(xl, key, "\"%.*s\" is not an operation", (int)(len < 255 ? len : 255), word);
			return -EINVAL;
		}
		priv->on[op] = on;
	}
	return 0;
}

static int trace_check(struct xlator *xl)
{
	struct trace *priv = xl->priv;

	if (priv->include && priv->exclude) {
		xl_error(xl, "exclude", "only one of include and exclude can be given");
		return -EINVAL;
	}
	for (int op = 0; op < FOP_COUNT; op++)
		priv->on[op] = !priv->include;
	return priv->include ? trace_choose(xl, "include", priv->include, true)
			     : trace_choose(xl, "exclude", priv->exclude ? priv->exclude : "", false);
}

static void trace_done(struct frame *f, int child, int ret, const void *reply)
{
	struct trace_frame *tf = frame_data(f);
	uint64_t us = (loop_now_ns(xl_loop(f->xl)) - tf->start_ns) / 1000;
	char line[LINE];

	reply_print(f->op, ret, reply, line, sizeof line);
	log_plain(LOG_TRACE_, f->xl->name, "%llu: %s: %s (%llu us)", (unsigned long long)tf->id, fop_names[f->op], line,
		  (unsigned long long)us);
	if (ret < 0)
		return fail(f, ret);
	unwind_any(f, ret, reply);
}

static void trace_any(struct frame *f)
{
	struct trace *priv = f->xl->priv;
	struct trace_frame *tf = frame_data(f);
	const struct identity *id = frame_identity(f);
	char line[LINE];

	if (!priv->on[f->op])
		return pass(f, 0);
	tf->id = ++priv->next_id;
	tf->start_ns = loop_now_ns(xl_loop(f->xl));
	args_print(f->op, f->args, line, sizeof line);
	log_plain(LOG_TRACE_, f->xl->name, "%llu: %s: %s uid=%u gid=%u pid=%u", (unsigned long long)tf->id,
		  fop_names[f->op], line, id->uid, id->gid, id->pid);
	wind_any(f, 0, trace_done);
}

static const struct xlator_type trace_xlator = {
	.abi = XLATOR_ABI, .name = "debug/trace", .help = "log every operation and its answer",
	.min_children = 1, .max_children = 1,
	.priv_size = sizeof(struct trace), .frame_size = sizeof(struct trace_frame), .options = options,
	.check = trace_check,
	.fops = { .any = trace_any },
};
XLATOR_EXPORT(trace_xlator);
