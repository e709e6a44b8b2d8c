/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* attrs.c - the attributes that an answer has, found by fops.def. */
#include "replication.h"

struct found {
	const struct attr **attrs;
	int nr;
};

static void found_attr(struct found *o, const struct attr *a)
{
	if (attr_present(a) && o->nr < REPL_ATTRS_MAX)
		o->attrs[o->nr++] = a;
}

#define find_attr(o, v) found_attr(o, &(v))
#define find_nothing(o, v) ((void)(v))
#define find_buf find_nothing
#define find_dict find_nothing
#define find_dirents find_nothing
#define find_u32 find_nothing
#define find_u64 find_nothing
#define find_lock find_nothing
#define find_statfs find_nothing

int repl_attrs(enum fop_id op, const void *reply, const struct attr *attrs[REPL_ATTRS_MAX])
{
	struct found o = { .attrs = attrs };

	switch (op) {
#define FOP(n, k) case FOP_##n: { const struct n##_reply *r = reply; (void)r;
#define ARG(t, f)
#define RET(t, f) find_##t(&o, r->f);
#define END(n) break; }
#include "fops.def"
	case FOP_COUNT: break;
	}
	return o.nr;
}

static bool is_parent(const struct attr *a, const struct inode *parent)
{
	return gfid_equal(&a->gfid, &parent->gfid);
}

bool repl_stamps(enum fop_id op, const void *op_args, const struct attr *a)
{
	const union fop_args *args = op_args;

	switch (op) {
	case FOP_setattr:
		return args->setattr.valid & SET_MTIME_NOW;
	case FOP_setxattr:
	case FOP_removexattr:
	case FOP_setflags:
		return false;
	case FOP_link:
		return is_parent(a, args->link.parent);
	case FOP_unlink:
		return is_parent(a, args->unlink.parent);
	case FOP_rmdir:
		return is_parent(a, args->rmdir.parent);
	case FOP_rename:
		return is_parent(a, args->rename.oldparent) || is_parent(a, args->rename.newparent);
	default:
		return true;
	}
}
