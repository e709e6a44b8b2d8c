/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * fop.c - what is made from fops.def besides types: names, classes, references, texts for people.
 *
 * For each type of fops.def there are three small functions here (hold_x, drop_x, print_x); the
 * operations are switches over their fields.  A new type needs these, and three in
 * wire-fop.c.
 */
#include "fop.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "xlator.h"

const char *const fop_names[FOP_COUNT] = {
#define FOP(n, k) [FOP_##n] = #n,
#define ARG(t, f)
#define RET(t, f)
#define END(n)
#include "fops.def"
};

const uint8_t fop_classes[FOP_COUNT] = {
#define FOP(n, k) [FOP_##n] = FOP_##k,
#define ARG(t, f)
#define RET(t, f)
#define END(n)
#include "fops.def"
};

const uint16_t fop_args_size[FOP_COUNT] = {
#define FOP(n, k) [FOP_##n] = sizeof(struct n##_args),
#define ARG(t, f)
#define RET(t, f)
#define END(n)
#include "fops.def"
};

const uint16_t fop_reply_size[FOP_COUNT] = {
#define FOP(n, k) [FOP_##n] = sizeof(struct n##_reply),
#define ARG(t, f)
#define RET(t, f)
#define END(n)
#include "fops.def"
};

int fop_by_name(const char *name)
{
	for (int op = 0; op < FOP_COUNT; op++)
		if (strcmp(fop_names[op], name) == 0)
			return op;
	return -1;
}

/* ---- references ------------------------------------------------------------------------------ */

#define hold_inode(v)   ((void)inode_ref(*(v)))
#define hold_fd(v)      ((void)fd_ref(*(v)))
#define hold_newfd(v)   ((void)fd_ref(*(v)))
#define hold_buf(v)     ((void)buf_ref(*(v)))
#define hold_dict(v)    ((void)dict_ref(*(v)))
#define hold_dirents(v) ((void)dirents_ref(*(v)))
#define hold_str(v)     ((void)(v))	/* lives until the answer anyway */
#define hold_name(v)    ((void)(v))
#define hold_gfid(v)    ((void)(v))
#define hold_attr(v)    ((void)(v))
#define hold_lock(v)    ((void)(v))
#define hold_statfs(v)  ((void)(v))
#define hold_u32(v)     ((void)(v))
#define hold_u64(v)     ((void)(v))

#define drop_inode(v)   inode_unref(*(v))
#define drop_fd(v)      fd_unref(*(v))
#define drop_newfd(v)   fd_unref(*(v))
#define drop_buf(v)     buf_unref(*(v))
#define drop_dict(v)    dict_unref(*(v))
#define drop_dirents(v) dirents_unref(*(v))
#define drop_str(v)     ((void)(v))
#define drop_name(v)    ((void)(v))
#define drop_gfid(v)    ((void)(v))
#define drop_attr(v)    ((void)(v))
#define drop_lock(v)    ((void)(v))
#define drop_statfs(v)  ((void)(v))
#define drop_u32(v)     ((void)(v))
#define drop_u64(v)     ((void)(v))

void args_hold(enum fop_id op, void *args)
{
	union fop_args *a = args;

	switch (op) {
#define FOP(n, k) case FOP_##n: { struct n##_args *s = &a->n; (void)s;
#define ARG(t, f) hold_##t(&s->f);
#define RET(t, f)
#define END(n) break; }
#include "fops.def"
	default: assert(!"no such operation");
	}
}

void args_drop(enum fop_id op, void *args)
{
	union fop_args *a = args;

	switch (op) {
#define FOP(n, k) case FOP_##n: { struct n##_args *s = &a->n; (void)s;
#define ARG(t, f) drop_##t(&s->f);
#define RET(t, f)
#define END(n) break; }
#include "fops.def"
	default: assert(!"no such operation");
	}
}

void reply_copy(union fop_reply *to, enum fop_id op, const void *reply)
{
	assert(op < FOP_COUNT);
	if (reply == NULL) {
		memset(to, 0, fop_reply_size[op]);
		return;
	}
	memcpy(to, reply, fop_reply_size[op]);
	switch (op) {
#define FOP(n, k) case FOP_##n: { struct n##_reply *s = &to->n; (void)s;
#define ARG(t, f)
#define RET(t, f) hold_##t(&s->f);
#define END(n) break; }
#include "fops.def"
	default: break;
	}
}

void reply_drop(enum fop_id op, union fop_reply *r)
{
	switch (op) {
#define FOP(n, k) case FOP_##n: { struct n##_reply *s = &r->n; (void)s;
#define ARG(t, f)
#define RET(t, f) drop_##t(&s->f);
#define END(n) break; }
#include "fops.def"
	default: assert(!"no such operation");
	}
	memset(r, 0, fop_reply_size[op]);
}

/* ---- texts ----------------------------------------------------------------------------------- */

struct line {
	char *at, *end;			/* end: where the NUL may be at the latest */
};

static void put(struct line *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(struct line *l, const char *fmt, ...)
{
	size_t room = (size_t)(l->end - l->at) + 1;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(l->at, room, fmt, ap);
	va_end(ap);
	if (n > 0)
		l->at += (size_t)n < room ? (size_t)n : room - 1;
}

static void print_u32(struct line *l, const uint32_t *v)
{
	put(l, "%" PRIu32, *v);
}

static void print_u64(struct line *l, const uint64_t *v)
{
	put(l, "%" PRIu64, *v);
}

static void print_gfid(struct line *l, const struct gfid *g)
{
	char text[GFID_STR];

	if (gfid_is_none(g))
		put(l, "none");
	else
		put(l, "%s", gfid_str(g, text));
}

static void print_inode(struct line *l, struct inode *const *v)
{
	if (*v == NULL)
		put(l, "none");
	else
		print_gfid(l, &(*v)->gfid);
}

static void print_fd(struct line *l, struct fd *const *v)
{
	if (*v == NULL) {
		put(l, "none");
		return;
	}
	put(l, "%p:", (void *)*v);
	print_inode(l, &(*v)->inode);
}
#define print_newfd print_fd

static void print_str(struct line *l, const char *const *v)
{
	if (*v == NULL) {
		put(l, "none");
		return;
	}
	put(l, "\"");
	for (const char *s = *v; *s != '\0' && l->at < l->end; s++) {
		unsigned char c = (unsigned char)*s;

		if (c < 0x20 || c == 0x7f || c == '"' || c == '\\')
			put(l, "\\x%02x", c);
		else
			put(l, "%c", c);
	}
	put(l, "\"");
}
#define print_name print_str

static void print_buf(struct line *l, struct buf *const *v)
{
	if (*v == NULL)
		put(l, "none");
	else
		put(l, "%zu bytes", (*v)->len);
}

static void print_dict(struct line *l, struct dict *const *v)
{
	put(l, "{");
	for (uint32_t i = 0; *v != NULL && i < (*v)->nr; i++) {
		const char *key = (*v)->pairs[i].key;

		put(l, "%s", i > 0 ? ", " : "");
		print_str(l, &key);
		put(l, ": %" PRIu32 " bytes", (*v)->pairs[i].len);
	}
	put(l, "}");
}

static void print_dirents(struct line *l, struct dirents *const *v)
{
	put(l, "%" PRIu32 " entries", *v == NULL ? 0 : (*v)->nr);
}

static void print_attr(struct line *l, const struct attr *a)
{
	if (!attr_present(a)) {
		put(l, "none");
		return;
	}
	put(l, "{");
	print_gfid(l, &a->gfid);
	put(l,
	    " mode=%06o nlink=%" PRIu32 " uid=%" PRIu32 " gid=%" PRIu32 " size=%" PRIu64
	    " blocks=%" PRIu64,
	    a->mode, a->nlink, a->uid, a->gid, a->size, a->blocks);
	if (a->rdev != 0)
		put(l, " rdev=0x%" PRIx64, a->rdev);
	put(l,
	    " atime=%" PRId64 ".%09" PRIu32 " mtime=%" PRId64 ".%09" PRIu32 " ctime=%" PRId64
	    ".%09" PRIu32 "}",
	    a->atime.sec, a->atime.nsec, a->mtime.sec, a->mtime.nsec, a->ctime.sec, a->ctime.nsec);
}

static void print_lock(struct line *l, const struct lock *k)
{
	const char *type = k->type == F_RDLCK ? "read" : k->type == F_WRLCK ? "write" : "unlock";

	put(l, "{%s %s %" PRIu64 "-", k->kind == LK_FLOCK ? "flock" : "posix", type, k->start);
	if (k->end == UINT64_MAX)
		put(l, "end");
	else
		put(l, "%" PRIu64, k->end);
	put(l, " owner=%" PRIx64 " pid=%" PRIu32 "}", k->owner, k->pid);
}

static void print_statfs(struct line *l, const struct statfs_reply_data *s)
{
	put(l,
	    "{blocks=%" PRIu64 " free=%" PRIu64 " available=%" PRIu64 " of %" PRIu32
	    " bytes, files=%" PRIu64 " free=%" PRIu64 "}",
	    s->blocks, s->bfree, s->bavail, s->frsize, s->files, s->ffree);
}

/* The name of a field, a blank before it unless it is the first of the line. */
static void print_field(struct line *l, const char *start, const char *name)
{
	put(l, "%s%s=", l->at > start ? " " : "", name);
}

void args_print(enum fop_id op, const void *args, char *out, size_t size)
{
	const union fop_args *a = args;
	struct line l = { out, out + size - 1 };

	assert(size > 0);
	*out = '\0';
	switch (op) {
#define FOP(n, k) case FOP_##n: { const struct n##_args *s = &a->n; (void)s;
#define ARG(t, f) print_field(&l, out, #f); print_##t(&l, &s->f);
#define RET(t, f)
#define END(n) break; }
#include "fops.def"
	default: assert(!"no such operation");
	}
}

void reply_print(enum fop_id op, int ret, const void *reply, char *out, size_t size)
{
	const union fop_reply *r = reply;
	struct line l = { out, out + size - 1 };

	assert(size > 0);
	*out = '\0';
	if (ret < 0) {
		put(&l, "%d (%s)", ret, strerror(-ret));
		return;
	}
	put(&l, "%d", ret);
	if (reply == NULL)
		return;
	switch (op) {
#define FOP(n, k) case FOP_##n: { const struct n##_reply *s = &r->n; (void)s;
#define ARG(t, f)
#define RET(t, f) print_field(&l, out, #f); print_##t(&l, &s->f);
#define END(n) break; }
#include "fops.def"
	default: assert(!"no such operation");
	}
}
