/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * wire-fop.c - the codec of operations.
 *
 * For each type of fops.def there are three functions: bound_x (at most how many bytes), enc_x and
 * dec_x; the operations are made from them.  All numbers are little-endian.
 *
 *	u32, u64	4, 8 bytes
 *	gfid		16 bytes
 *	inode		u8 type (S_IFMT >> 12), gfid; 0xff alone: none
 *	fd, newfd	u64 handle; 0: none
 *	name		u8 length, bytes, NUL
 *	str		u16 length, bytes, NUL
 *	attr		u8 form: nothing, all fields, or only type and gfid (plain readdir)
 *	buf		u8 form: none, the payload, u32 length and bytes, empty
 *	dict		u16 pairs + 1 (0: none), then u8 length, key, u32 length, value;
 *			keys ascending
 *	dirents		u32 entries + 1 (0: none), then u64 cookie, u8 length, name, attr
 *
 * Encoding makes room once per message (by the bound) and then writes without looking.  Decoding
 * believes nothing: lengths are compared with what is left before they are used, counts are
 * never used to allocate, and an argument that a handler may take for granted (the inode, the
 * descriptor of a read, the data of a write) is refused when it is missing.  Meanings of values
 * (flags, ranges, lock types) are not looked at: the translators that know them do that.
 */
#include "wire-impl.h"

#include <assert.h>

enum { INODE_NONE = 0xff, NSEC_MAX = 999999999 };
enum { ATTR_NONE, ATTR_FULL, ATTR_BRIEF };
enum { ATTR_FULL_SIZE = 1 + 16 + 3 * 8 + 4 * 12 + 5 * 4, ATTR_BRIEF_SIZE = 1 + 4 + 16 };
enum { BUF_NONE, BUF_PAYLOAD, BUF_INLINE, BUF_EMPTY };
enum { LOCK_SIZE = 3 * 8 + 3 * 4, STATFS_SIZE = 6 * 8 + 4 * 4 };

/* ---- the types of fops.def ------------------------------------------------------------------- */

struct context {			/* of one message */
	enum fop_id op;
	bool reply;
	bool had_buf;			/* bounds: a buf before this one has the payload */
	struct inode *inode;		/* decode: the last one (borrowed from the arguments) */
};

#define SIMPLE_NUMBER(t, size, st, ld) \
static inline size_t bound_##t(struct context *c, const arg_##t *v) \
{ (void)c; (void)v; return size; } \
static inline uint8_t *enc_##t(struct wire *w, uint8_t *p, const arg_##t *v) \
{ (void)w; return st(p, *v); } \
static inline void dec_##t(struct wire *w, struct context *c, arg_##t *v) \
{ const uint8_t *p = take(w, size); (void)c; *v = p == NULL ? 0 : ld(&p); }
SIMPLE_NUMBER(u32, 4, st32, ld32)
SIMPLE_NUMBER(u64, 8, st64, ld64)

static inline size_t bound_gfid(struct context *c, const struct gfid *v)
{
	(void)c; (void)v;
	return sizeof(v->b);
}

static inline uint8_t *enc_gfid(struct wire *w, uint8_t *p, const struct gfid *v)
{
	(void)w;
	return st_bytes(p, v->b, sizeof(v->b));
}

static inline void dec_gfid(struct wire *w, struct context *c, struct gfid *v)
{
	const uint8_t *p = take(w, sizeof(v->b));

	(void)c;
	if (p != NULL)
		memcpy(v->b, p, sizeof(v->b));
}

/* ---- inode, fd */

static inline size_t bound_inode(struct context *c, struct inode *const *v)
{
	(void)c; (void)v;
	return 1 + sizeof(struct gfid);
}

static inline uint8_t *enc_inode(struct wire *w, uint8_t *p, struct inode *const *v)
{
	(void)w;
	if (*v == NULL)
		return st8(p, INODE_NONE);
	p = st8(p, (uint8_t)(((*v)->type & S_IFMT) >> 12));
	return st_bytes(p, (*v)->gfid.b, sizeof((*v)->gfid.b));
}

static bool type_is_known(uint32_t type)
{
	return type == 0 || S_ISREG(type) || S_ISDIR(type) || S_ISLNK(type) || S_ISCHR(type) ||
	       S_ISBLK(type) || S_ISFIFO(type) || S_ISSOCK(type);
}

/* Fails with what the callback left in w->error. */
static void fail_as_told(struct wire *w, int otherwise)
{
	wire_fail(w, w->error != 0 ? w->error : otherwise);
}

static inline void dec_inode(struct wire *w, struct context *c, struct inode **v)
{
	uint32_t type = wire_get_u8(w);
	struct gfid gfid = { { 0 } };

	if (w->failed || (type == INODE_NONE && c->reply))
		return;
	dec_gfid(w, c, &gfid);
	if (w->failed)
		return;
	if (type > 0xf || !type_is_known(type << 12) || gfid_is_none(&gfid)) {
		wire_fail(w, -EPROTO);
		return;
	}
	*v = w->inode_in(w, &gfid, type << 12);
	c->inode = *v;
	if (*v == NULL)
		fail_as_told(w, -ENOMEM);
}

static inline size_t bound_fd(struct context *c, struct fd *const *v)
{
	(void)c; (void)v;
	return 8;
}

static inline uint8_t *enc_fd(struct wire *w, uint8_t *p, struct fd *const *v)
{
	return st64(p, *v == NULL ? 0 : w->fd_out(w, *v));
}

/* Optional beside an inode, whose open file it must be then. */
static inline void dec_fd(struct wire *w, struct context *c, struct fd **v)
{
	uint64_t handle = wire_get_u64(w);

	if (w->failed)
		return;
	if (handle == 0) {
		if (c->inode == NULL && !c->reply)
			wire_fail(w, -EPROTO);
		return;
	}
	*v = w->fd_in(w, handle);
	if (*v == NULL)
		fail_as_told(w, -EBADF);
	else if (c->inode != NULL && !gfid_equal(&(*v)->inode->gfid, &c->inode->gfid))
		wire_fail(w, -EBADF);
}

#define bound_newfd bound_fd
#define enc_newfd enc_fd

static inline void dec_newfd(struct wire *w, struct context *c, struct fd **v)
{
	uint64_t handle = wire_get_u64(w);

	if (w->failed)
		return;
	if (handle == 0 || c->inode == NULL) {
		wire_fail(w, -EPROTO);
		return;
	}
	*v = w->fd_make(w, handle, c->inode, c->op);
	if (*v == NULL)
		fail_as_told(w, -ENOMEM);
}

/* ---- name, str */

static inline size_t bound_name(struct context *c, const char *const *v)
{
	(void)c; (void)v;
	return 1 + WIRE_NAME_MAX + 1;
}

static inline uint8_t *enc_name(struct wire *w, uint8_t *p, const char *const *v)
{
	size_t len = *v == NULL ? 0 : strnlen(*v, WIRE_NAME_MAX + 1);

	if (len == 0 || len > WIRE_NAME_MAX) {
		wire_fail(w, len == 0 ? -EINVAL : -ENAMETOOLONG);
		return p;
	}
	p = st8(p, (uint8_t)len);
	return st_bytes(p, *v, len + 1);
}

/* len bytes and a NUL, the first one; NULL: failed. */
static const char *take_text(struct wire *w, size_t len)
{
	const uint8_t *p = take(w, len + 1);

	if (p != NULL && memchr(p, '\0', len + 1) != p + len) {
		wire_fail(w, -EPROTO);
		return NULL;
	}
	return (const char *)p;
}

static inline void dec_name(struct wire *w, struct context *c, const char **v)
{
	size_t len = wire_get_u8(w);
	const char *s = w->failed ? NULL : take_text(w, len);

	(void)c;
	if (s == NULL)
		return;
	if (len == 0 || memchr(s, '/', len) != NULL || strcmp(s, ".") == 0 || strcmp(s, "..") == 0)
		wire_fail(w, -EPROTO);
	else
		*v = s;
}

static inline size_t bound_str(struct context *c, const char *const *v)
{
	(void)c;
	return 3 + (*v == NULL ? 0 : strnlen(*v, WIRE_STR_MAX));
}

static inline uint8_t *enc_str(struct wire *w, uint8_t *p, const char *const *v)
{
	size_t len = *v == NULL ? WIRE_STR_MAX : strnlen(*v, WIRE_STR_MAX);

	if (len == WIRE_STR_MAX) {
		wire_fail(w, *v == NULL ? -EINVAL : -ENAMETOOLONG);
		return p;
	}
	p = st16(p, (uint16_t)len);
	return st_bytes(p, *v, len + 1);
}

static inline void dec_str(struct wire *w, struct context *c, const char **v)
{
	size_t len = wire_get_u16(w);

	(void)c;
	if (len >= WIRE_STR_MAX)
		wire_fail(w, -EPROTO);
	if (!w->failed)
		*v = take_text(w, len);
}

void wire_put_str(struct wire *w, const char *s)
{
	uint8_t *p = room(w, bound_str(NULL, &s));

	if (p != NULL)
		p = enc_str(w, p, &s);
	if (!w->failed)
		w->at = p;
}

const char *wire_get_str(struct wire *w)
{
	const char *s = NULL;

	dec_str(w, NULL, &s);
	return s != NULL ? s : "";
}

/* ---- attr, lock, statfs */

static inline size_t bound_attr(struct context *c, const struct attr *v)
{
	(void)c; (void)v;
	return ATTR_FULL_SIZE;
}

static inline uint8_t *enc_ts(uint8_t *p, const struct ts *t)
{
	return st32(st64(p, (uint64_t)t->sec), t->nsec);
}

static inline uint64_t ts_bits(const struct ts *t)
{
	return (uint64_t)t->sec | t->nsec;
}

/* The shortest form that says all of it.  What came from a file system has a link count: one look
 * then. */
static inline uint8_t attr_form(const struct attr *a)
{
	if (a->nlink != 0 || a->blksize != 0)
		return ATTR_FULL;
	if ((a->size | a->blocks | a->rdev | a->uid | a->gid | ts_bits(&a->atime) |
	     ts_bits(&a->mtime) | ts_bits(&a->ctime) | ts_bits(&a->btime)) != 0)
		return ATTR_FULL;
	return a->mode == 0 && gfid_is_none(&a->gfid) ? ATTR_NONE : ATTR_BRIEF;
}

static inline uint8_t *enc_attr(struct wire *w, uint8_t *p, const struct attr *a)
{
	uint8_t form = attr_form(a);

	p = st8(p, form);
	if (form == ATTR_NONE)
		return p;
	p = st32(p, a->mode);
	p = enc_gfid(w, p, &a->gfid);
	if (form == ATTR_BRIEF)
		return p;
	p = st64(p, a->size);
	p = st64(p, a->blocks);
	p = st64(p, a->rdev);
	p = enc_ts(p, &a->atime);
	p = enc_ts(p, &a->mtime);
	p = enc_ts(p, &a->ctime);
	p = enc_ts(p, &a->btime);
	p = st32(p, a->uid);
	p = st32(p, a->gid);
	p = st32(p, a->nlink);
	return st32(p, a->blksize);
}

static inline struct ts ld_ts(const uint8_t **p)
{
	struct ts t;

	t.sec = (int64_t)ld64(p);
	t.nsec = ld32(p);
	return t;
}

/* False: a time that is none. */
static bool ld_attr_rest(const uint8_t *p, struct attr *a)
{
	a->size = ld64(&p);
	a->blocks = ld64(&p);
	a->rdev = ld64(&p);
	a->atime = ld_ts(&p);
	a->mtime = ld_ts(&p);
	a->ctime = ld_ts(&p);
	a->btime = ld_ts(&p);
	a->uid = ld32(&p);
	a->gid = ld32(&p);
	a->nlink = ld32(&p);
	a->blksize = ld32(&p);
	return a->atime.nsec <= NSEC_MAX && a->mtime.nsec <= NSEC_MAX &&
	       a->ctime.nsec <= NSEC_MAX && a->btime.nsec <= NSEC_MAX;
}

static void dec_attr(struct wire *w, struct context *c, struct attr *a)
{
	uint8_t form = wire_get_u8(w);
	const uint8_t *p;

	(void)c;
	memset(a, 0, sizeof(*a));
	if (w->failed || form == ATTR_NONE)
		return;
	p = form > ATTR_BRIEF ? NULL
			      : take(w, (form == ATTR_FULL ? ATTR_FULL_SIZE : ATTR_BRIEF_SIZE) - 1);
	if (p == NULL) {
		wire_fail(w, -EPROTO);
		return;
	}
	a->mode = ld32(&p);
	memcpy(a->gfid.b, p, sizeof(a->gfid.b));
	if (form == ATTR_FULL && !ld_attr_rest(p + sizeof(a->gfid.b), a)) {
		memset(a, 0, sizeof(*a));
		wire_fail(w, -EPROTO);
	}
}

static inline size_t bound_lock(struct context *c, const struct lock *v)
{
	(void)c; (void)v;
	return LOCK_SIZE;
}

static inline uint8_t *enc_lock(struct wire *w, uint8_t *p, const struct lock *v)
{
	(void)w;
	p = st64(p, v->owner);
	p = st64(p, v->start);
	p = st64(p, v->end);
	p = st32(p, v->type);
	p = st32(p, v->pid);
	return st32(p, v->kind);
}

static inline void dec_lock(struct wire *w, struct context *c, struct lock *v)
{
	const uint8_t *p = take(w, LOCK_SIZE);

	(void)c;
	if (p == NULL)
		return;
	v->owner = ld64(&p);
	v->start = ld64(&p);
	v->end = ld64(&p);
	v->type = ld32(&p);
	v->pid = ld32(&p);
	v->kind = ld32(&p);
}

static inline size_t bound_statfs(struct context *c, const arg_statfs *v)
{
	(void)c; (void)v;
	return STATFS_SIZE;
}

static inline uint8_t *enc_statfs(struct wire *w, uint8_t *p, const arg_statfs *v)
{
	(void)w;
	p = st64(p, v->blocks);
	p = st64(p, v->bfree);
	p = st64(p, v->bavail);
	p = st64(p, v->files);
	p = st64(p, v->ffree);
	p = st64(p, v->favail);
	p = st32(p, v->bsize);
	p = st32(p, v->frsize);
	p = st32(p, v->namemax);
	return st32(p, v->flags);
}

static inline void dec_statfs(struct wire *w, struct context *c, arg_statfs *v)
{
	const uint8_t *p = take(w, STATFS_SIZE);

	(void)c;
	if (p == NULL)
		return;
	v->blocks = ld64(&p);
	v->bfree = ld64(&p);
	v->bavail = ld64(&p);
	v->files = ld64(&p);
	v->ffree = ld64(&p);
	v->favail = ld64(&p);
	v->bsize = ld32(&p);
	v->frsize = ld32(&p);
	v->namemax = ld32(&p);
	v->flags = ld32(&p);
}

/* ---- buf */

static inline size_t bound_buf(struct context *c, struct buf *const *v)
{
	size_t n = 1;

	if (*v != NULL && (*v)->len > 0) {
		if (c->had_buf)
			n += 4 + (*v)->len;
		c->had_buf = true;
	}
	return n;
}

static inline uint8_t *enc_buf(struct wire *w, uint8_t *p, struct buf *const *v)
{
	if (*v == NULL)
		return st8(p, BUF_NONE);
	if ((*v)->len == 0)
		return st8(p, BUF_EMPTY);
	if ((*v)->len > WIRE_PAYLOAD_MAX) {
		wire_fail(w, -EMSGSIZE);
		return p;
	}
	if (!w->payload_used) {
		w->payload_used = true;
		w->payload = buf_ref(*v);
		return st8(p, BUF_PAYLOAD);
	}
	p = st8(p, BUF_INLINE);
	p = st32(p, (uint32_t)(*v)->len);
	return st_bytes(p, (*v)->data, (*v)->len);
}

static struct buf *get_inline_buf(struct wire *w)
{
	uint32_t len = wire_get_u32(w);
	const uint8_t *p = w->failed ? NULL : take(w, len);
	struct buf *b;

	if (p == NULL)
		return NULL;
	b = buf_copy(p, len);
	if (b == NULL)
		wire_fail(w, -ENOMEM);
	return b;
}

static inline void dec_buf(struct wire *w, struct context *c, struct buf **v)
{
	uint8_t form = wire_get_u8(w);

	if (w->failed || (form == BUF_NONE && c->reply))
		return;
	if (form == BUF_PAYLOAD && w->payload != NULL && !w->payload_used) {
		w->payload_used = true;
		*v = buf_ref(w->payload);
	} else if (form == BUF_INLINE) {
		*v = get_inline_buf(w);
	} else if (form == BUF_EMPTY) {
		*v = buf_new(0);
		if (*v == NULL)
			wire_fail(w, -ENOMEM);
	} else {
		wire_fail(w, -EPROTO);
	}
}

/* ---- dict */

static inline size_t bound_dict(struct context *c, struct dict *const *v)
{
	(void)c;	/* dict->bytes counts two NULs a pair; the lengths take 5 */
	return 2 + (*v == NULL ? 0 : (*v)->bytes + (size_t)(*v)->nr * 3);
}

static uint8_t *enc_dict(struct wire *w, uint8_t *p, struct dict *const *v)
{
	const struct dict *d = *v;

	(void)w;
	if (d == NULL)
		return st16(p, 0);
	p = st16(p, (uint16_t)(d->nr + 1));
	for (uint32_t i = 0; i < d->nr; i++) {
		size_t key_len = strlen(d->pairs[i].key);

		p = st8(p, (uint8_t)key_len);
		p = st_bytes(p, d->pairs[i].key, key_len);
		p = st32(p, d->pairs[i].len);
		p = st_bytes(p, d->pairs[i].value, d->pairs[i].len);
	}
	return p;
}

/* Adds the next pair, whose key must come after the last one's. */
static void get_pair(struct wire *w, struct dict *d)
{
	size_t key_len = wire_get_u8(w);
	const uint8_t *key_bytes = take(w, key_len);
	uint32_t len = wire_get_u32(w);
	const uint8_t *value = take(w, len);
	char key[DICT_MAX_KEY + 1];
	int err;

	if (value == NULL)
		return;
	memcpy(key, key_bytes, key_len);
	key[key_len] = '\0';
	if (strlen(key) != key_len || (d->nr > 0 && strcmp(key, d->pairs[d->nr - 1].key) <= 0)) {
		wire_fail(w, -EPROTO);
		return;
	}
	err = dict_set(d, key, value, len);
	if (err < 0)
		wire_fail(w, err == -ENOMEM ? err : -EPROTO);
}

static void dec_dict(struct wire *w, struct context *c, struct dict **v)
{
	uint32_t nr = wire_get_u16(w);
	struct dict *d;

	(void)c;
	if (nr == 0)			/* also when it failed */
		return;
	d = dict_new();
	if (d == NULL)
		wire_fail(w, -ENOMEM);
	for (uint32_t i = 1; i < nr && !w->failed; i++)
		get_pair(w, d);
	if (w->failed)
		dict_unref(d);
	else
		*v = d;
}

void wire_put_dict(struct wire *w, const struct dict *d)
{
	struct dict *borrowed = (struct dict *)d;	/* only read */
	uint8_t *p = room(w, bound_dict(NULL, &borrowed));

	if (p != NULL)
		w->at = enc_dict(w, p, &borrowed);
}

struct dict *wire_get_dict(struct wire *w)
{
	struct dict *d = NULL;

	dec_dict(w, NULL, &d);
	return d;
}

/* ---- dirents */

static inline size_t bound_dirents(struct context *c, struct dirents *const *v)
{
	_Static_assert(offsetof(struct dirent_entry, name) >= 8 + 1 + ATTR_FULL_SIZE,
		       "an entry must take no more room encoded than in memory");
	(void)c;
	return 4 + (*v == NULL ? 0 : (*v)->used);
}

static uint8_t *enc_dirents(struct wire *w, uint8_t *p, struct dirents *const *v)
{
	const struct dirent_entry *e = NULL;

	if (*v == NULL)
		return st32(p, 0);
	p = st32(p, (*v)->nr + 1);
	while ((e = dirents_next(*v, e)) != NULL) {
		p = st64(p, e->cookie);
		p = st8(p, (uint8_t)e->len);
		p = st_bytes(p, e->name, e->len);
		p = enc_attr(w, p, &e->attr);
	}
	return p;
}

static void get_entry(struct wire *w, struct dirents *d)
{
	uint64_t cookie = wire_get_u64(w);
	size_t len = wire_get_u8(w);
	const uint8_t *name = take(w, len);
	struct attr attr;
	int err;

	dec_attr(w, NULL, &attr);
	if (w->failed)
		return;
	err = cookie == 0 || cookie > INT64_MAX
		      ? -EPROTO
		      : dirents_add(d, (const char *)name, len, cookie, &attr);
	if (err < 0)
		wire_fail(w, err == -ENOMEM ? err : -EPROTO);
}

static void dec_dirents(struct wire *w, struct context *c, struct dirents **v)
{
	uint32_t nr = wire_get_u32(w);
	struct dirents *d;

	(void)c;
	if (nr == 0)			/* also when it failed */
		return;
	d = dirents_new();
	if (d == NULL)
		wire_fail(w, -ENOMEM);
	for (uint32_t i = 1; i < nr && !w->failed; i++)
		get_entry(w, d);
	if (w->failed)
		dirents_unref(d);
	else
		*v = d;
}

/* ---- operations ------------------------------------------------------------------------------ */

#define FOP(n, k) \
static inline size_t args_bound_##n(const struct n##_args *a, bool had_buf) \
{ struct context c = { .had_buf = had_buf }; size_t size = 0; (void)a; (void)c;
#define ARG(t, f) size += bound_##t(&c, &a->f);
#define RET(t, f)
#define END(n) return size; }
#include "fops.def"

#define FOP(n, k) \
static inline size_t reply_bound_##n(const struct n##_reply *a, bool had_buf) \
{ struct context c = { .had_buf = had_buf }; size_t size = 0; (void)a; (void)c;
#define ARG(t, f)
#define RET(t, f) size += bound_##t(&c, &a->f);
#define END(n) return size; }
#include "fops.def"

#define FOP(n, k) \
static void put_args_##n(struct wire *w, const struct n##_args *a) \
{ uint8_t *p = room(w, args_bound_##n(a, w->payload_used)); if (p == NULL) return;
#define ARG(t, f) p = enc_##t(w, p, &a->f);
#define RET(t, f)
#define END(n) if (!w->failed) w->at = p; }
#include "fops.def"

#define FOP(n, k) \
static void put_reply_##n(struct wire *w, const struct n##_reply *a) \
{ uint8_t *p = room(w, reply_bound_##n(a, w->payload_used)); if (p == NULL) return;
#define ARG(t, f)
#define RET(t, f) p = enc_##t(w, p, &a->f);
#define END(n) if (!w->failed) w->at = p; }
#include "fops.def"

/* A field is zero before it is decoded, so that what a failure leaves can be dropped. */
#define FOP(n, k) \
static void get_args_##n(struct wire *w, struct n##_args *a) \
{ struct context c = { .op = FOP_##n }; memset(a, 0, sizeof(*a));
#define ARG(t, f) if (!w->failed) dec_##t(w, &c, &a->f);
#define RET(t, f)
#define END(n) }
#include "fops.def"

#define FOP(n, k) \
static void get_reply_##n(struct wire *w, struct n##_reply *a) \
{ struct context c = { .op = FOP_##n, .reply = true }; memset(a, 0, sizeof(*a)); (void)w; (void)c;
#define ARG(t, f)
#define RET(t, f) if (!w->failed) dec_##t(w, &c, &a->f);
#define END(n) }
#include "fops.def"

#define ARG(t, f)
#define RET(t, f)
#define END(n)
size_t wire_args_bound(enum fop_id op, const void *args)
{
	switch (op) {
#define FOP(n, k) case FOP_##n: return args_bound_##n(args, false);
#include "fops.def"
	default: assert(!"no such operation"); return 0;
	}
}

#define ARG(t, f)
#define RET(t, f)
#define END(n)
size_t wire_reply_bound(enum fop_id op, const void *reply)
{
	switch (op) {
#define FOP(n, k) case FOP_##n: return reply_bound_##n(reply, false);
#include "fops.def"
	default: assert(!"no such operation"); return 0;
	}
}

#define ARG(t, f)
#define RET(t, f)
#define END(n)
void wire_put_args(struct wire *w, enum fop_id op, const void *args)
{
	switch (op) {
#define FOP(n, k) case FOP_##n: put_args_##n(w, args); break;
#include "fops.def"
	default: assert(!"no such operation");
	}
}

#define ARG(t, f)
#define RET(t, f)
#define END(n)
void wire_put_reply(struct wire *w, enum fop_id op, const void *reply)
{
	switch (op) {
#define FOP(n, k) case FOP_##n: put_reply_##n(w, reply); break;
#include "fops.def"
	default: assert(!"no such operation");
	}
}

#define ARG(t, f)
#define RET(t, f)
#define END(n)
int wire_get_args(struct wire *w, enum fop_id op, union fop_args *args)
{
	switch (op) {
#define FOP(n, k) case FOP_##n: get_args_##n(w, &args->n); break;
#include "fops.def"
	default: wire_fail(w, -EPROTO);
	}
	return w->failed ? w->error : 0;
}

#define ARG(t, f)
#define RET(t, f)
#define END(n)
int wire_get_reply(struct wire *w, enum fop_id op, union fop_reply *reply)
{
	switch (op) {
#define FOP(n, k) case FOP_##n: get_reply_##n(w, &reply->n); break;
#include "fops.def"
	default: wire_fail(w, -EPROTO);
	}
	return w->failed ? w->error : 0;
}
