/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * fop-samples.h - arguments and answers for every operation, made and compared by fops.def: for the
 * tests of what is made from it.  A new type there needs a make_x and an equal_x here.
 */
#ifndef GLUSTERFS_FOP_SAMPLES_H
#define GLUSTERFS_FOP_SAMPLES_H

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "xlator.h"

enum sample_level { SAMPLE_LEAST, SAMPLE_TYPICAL, SAMPLE_MOST, SAMPLE_RANDOM };

struct samples {
	enum sample_level level;
	uint64_t seed;
	struct inode_table *table;
	struct inode *inode;		/* the last one made for this operation (borrowed) */
	bool reply;
	char texts[4][4200];		/* of the strings of one operation */
	unsigned nr_texts;
};

static inline void samples_init(struct samples *s)
{
	memset(s, 0, sizeof(*s));
	s->table = inode_table_new(NULL, 0, 64);
	assert(s->table != NULL);
}

static inline void samples_finish(struct samples *s)
{
	inode_table_free(s->table);
}

/* splitmix64 */
static inline uint64_t sample_random(struct samples *s)
{
	uint64_t z = s->seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* A number for the level, at most `most`. */
static inline uint64_t sample_number(struct samples *s, uint64_t typical, uint64_t most)
{
	uint64_t r;

	switch (s->level) {
	case SAMPLE_LEAST:
		return 0;
	case SAMPLE_TYPICAL:
		return typical;
	case SAMPLE_MOST:
		return most;
	default:
		r = sample_random(s) >> (sample_random(s) & 63);
		return most == UINT64_MAX ? r : r % (most + 1);
	}
}

static inline bool sample_absent(struct samples *s)
{
	return s->level == SAMPLE_LEAST || (s->level == SAMPLE_RANDOM && sample_random(s) % 3 == 0);
}

static inline void make_u32(struct samples *s, uint32_t *v)
{
	*v = (uint32_t)sample_number(s, 4096, UINT32_MAX);
}

static inline void make_u64(struct samples *s, uint64_t *v)
{
	*v = sample_number(s, 1 << 20, UINT64_MAX);
}

static inline void make_gfid(struct samples *s, struct gfid *v)
{
	for (size_t i = 0; i < sizeof(v->b); i++)
		v->b[i] = (uint8_t)sample_number(s, 0x40 + i, 255);
}

static inline void make_inode(struct samples *s, struct inode **v)
{
	static const uint32_t types[] = { 0,	   S_IFREG, S_IFDIR, S_IFLNK,
					  S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK };
	struct gfid g;

	make_gfid(s, &g);
	g.b[15] |= 1;
	g.b[14] = (uint8_t)s->nr_texts;		/* two inodes of an operation differ */
	*v = inode_get(s->table, &g, types[sample_number(s, 1, 7)]);
	assert(*v != NULL);
	s->inode = *v;
}

static inline void make_newfd(struct samples *s, struct fd **v)
{
	struct inode *other = NULL;

	if (s->inode == NULL)
		make_inode(s, &other);
	*v = fd_new(s->inode, 0, false);
	assert(*v != NULL);
	inode_unref(other);
	if (other != NULL)
		s->inode = NULL;
}

static inline void make_fd(struct samples *s, struct fd **v)
{
	*v = NULL;
	if (s->inode == NULL || !sample_absent(s))
		make_newfd(s, v);
}

static inline void make_text(struct samples *s, const char **v, size_t least, const char *typical,
			     size_t most)
{
	char *t = s->texts[s->nr_texts++];
	size_t len = sample_number(s, strlen(typical), most);

	assert(s->nr_texts <= 4);
	if (len < least)
		len = least;
	for (size_t i = 0; i < len; i++)
		t[i] = s->level == SAMPLE_TYPICAL ? typical[i] : s->level == SAMPLE_MOST ? '\xff' :
		       "abc .-_*\n\x80\xc3"[sample_random(s) % 11];
	t[len] = '\0';
	if (strspn(t, ".") == len && len > 0)
		t[0] = 'x';
	*v = t;
}

static inline void make_name(struct samples *s, const char **v)
{
	make_text(s, v, 1, "file.txt", 255);
}

static inline void make_str(struct samples *s, const char **v)
{
	make_text(s, v, 0, "../user.a/b", 4095);
}

static inline void make_buf(struct samples *s, struct buf **v)
{
	size_t len = sample_number(s, 4096, 1 << 20);

	*v = NULL;
	if (s->reply && s->level == SAMPLE_RANDOM && sample_absent(s))
		return;
	*v = buf_new(len);
	assert(*v != NULL);
	memset((*v)->data, (int)(s->seed & 0xff), len);
}

static inline void make_dict(struct samples *s, struct dict **v)
{
	uint32_t nr = (uint32_t)sample_number(s, 3, DICT_MAX_PAIRS);
	char key[DICT_MAX_KEY + 1];
	int err = 0;

	*v = NULL;
	if (sample_absent(s))
		return;
	*v = dict_new();
	assert(*v != NULL);
	for (uint32_t i = 0; i < nr && err == 0; i++) {
		int len = snprintf(key, sizeof(key), "trusted.%u.%llu", i * 7919 % nr,
				   (unsigned long long)s->seed);

		if (s->level == SAMPLE_MOST)
			memset(key + len, 'k', DICT_MAX_KEY - (size_t)len),
				key[DICT_MAX_KEY] = '\0';
		err = dict_set(*v, key, "0123456789abcdef", i % 17);
	}
}

static inline void make_attr(struct samples *s, struct attr *a)
{
	memset(a, 0, sizeof(*a));
	if (sample_absent(s))
		return;
	make_gfid(s, &a->gfid);
	a->size = sample_number(s, 12345, UINT64_MAX);
	a->blocks = sample_number(s, 32, UINT64_MAX);
	a->rdev = sample_number(s, 0, UINT64_MAX);
	a->atime = (struct ts){ (int64_t)sample_number(s, 1790000000, UINT64_MAX),
				(uint32_t)sample_number(s, 1, 999999999) };
	a->mtime = a->ctime = a->btime = a->atime;
	a->mode = S_IFREG | (uint32_t)sample_number(s, 0644, 07777);
	a->uid = a->gid = (uint32_t)sample_number(s, 1000, UINT32_MAX);
	a->nlink = (uint32_t)sample_number(s, 1, UINT32_MAX);
	a->blksize = 4096;
}

static inline void make_dirents(struct samples *s, struct dirents **v)
{
	uint32_t nr = (uint32_t)sample_number(s, 10, 2000);
	struct attr attr;
	char name[256];

	*v = NULL;
	if (sample_absent(s))
		return;
	*v = dirents_new();
	assert(*v != NULL);
	for (uint32_t i = 0; i < nr; i++) {
		int len = snprintf(name, sizeof(name), "entry %u", i);

		make_attr(s, &attr);
		if (i % 3 == 0)		/* as plain readdir does */
			attr = (struct attr){ .gfid = attr.gfid, .mode = S_IFDIR };
		if (s->level == SAMPLE_MOST)
			memset(name + len, 'n', 255 - (size_t)len), len = 255;
		if (dirents_add(*v, name, (size_t)len, i + 1 + (UINT64_C(1) << 62), &attr) != 0)
			abort();
	}
}

static inline void make_lock(struct samples *s, struct lock *k)
{
	*k = (struct lock){ sample_number(s, 7, UINT64_MAX),
			    sample_number(s, 0, UINT64_MAX),
			    sample_number(s, 99, UINT64_MAX),
			    (uint32_t)sample_number(s, 1, 2),
			    (uint32_t)sample_number(s, 4711, UINT32_MAX),
			    (uint32_t)sample_number(s, 0, 1) };
}

static inline void make_statfs(struct samples *s, struct statfs_reply_data *v)
{
	v->blocks = sample_number(s, 1000, UINT64_MAX);
	v->bfree = sample_number(s, 900, UINT64_MAX);
	v->bavail = sample_number(s, 800, UINT64_MAX);
	v->files = sample_number(s, 100, UINT64_MAX);
	v->ffree = sample_number(s, 90, UINT64_MAX);
	v->favail = sample_number(s, 80, UINT64_MAX);
	v->bsize = (uint32_t)sample_number(s, 4096, UINT32_MAX);
	v->frsize = (uint32_t)sample_number(s, 4097, UINT32_MAX);
	v->namemax = (uint32_t)sample_number(s, 255, UINT32_MAX);
	v->flags = (uint32_t)sample_number(s, 1, UINT32_MAX);
}

/* New references in *args: args_drop() them.  Strings live until the next one is made. */
static inline void sample_args(struct samples *s, enum fop_id op, union fop_args *args)
{
	memset(args, 0, sizeof(*args));
	s->inode = NULL;
	s->nr_texts = 0;
	s->reply = false;
	switch (op) {
#define FOP(n, k) case FOP_##n: { struct n##_args *a = &args->n;
#define ARG(t, f) make_##t(s, &a->f);
#define RET(t, f)
#define END(n) break; }
#include "fops.def"
	default: abort();
	}
}

/* New references in *reply: reply_drop() them. */
static inline void sample_reply(struct samples *s, enum fop_id op, union fop_reply *reply)
{
	memset(reply, 0, sizeof(*reply));
	s->inode = NULL;
	s->nr_texts = 0;
	s->reply = true;
	switch (op) {
#define FOP(n, k) case FOP_##n: { struct n##_reply *a = &reply->n; (void)a;
#define ARG(t, f)
#define RET(t, f) make_##t(s, &a->f);
#define END(n) break; }
#include "fops.def"
	default: abort();
	}
}

/* ---- comparing what was decoded with what was encoded ---------------------------------------- */

static inline bool equal_u32(const uint32_t *a, const uint32_t *b) { return *a == *b; }
static inline bool equal_u64(const uint64_t *a, const uint64_t *b) { return *a == *b; }
static inline bool equal_gfid(const struct gfid *a, const struct gfid *b)
{
	return gfid_equal(a, b);
}
static inline bool equal_inode(struct inode *const *a, struct inode *const *b) { return *a == *b; }
static inline bool equal_fd(struct fd *const *a, struct fd *const *b) { return *a == *b; }
#define equal_newfd equal_fd

static inline bool equal_str(const char *const *a, const char *const *b)
{
	return strcmp(*a, *b) == 0;
}
#define equal_name equal_str

static inline bool equal_buf(struct buf *const *a, struct buf *const *b)
{
	if (*a == NULL || *b == NULL)
		return *a == *b;
	return (*a)->len == (*b)->len && memcmp((*a)->data, (*b)->data, (*a)->len) == 0;
}

static inline bool equal_dict(struct dict *const *a, struct dict *const *b)
{
	if (*a == NULL || *b == NULL)
		return *a == *b;
	if ((*a)->nr != (*b)->nr || (*a)->bytes != (*b)->bytes)
		return false;
	for (uint32_t i = 0; i < (*a)->nr; i++) {
		const struct dict_pair *p = &(*a)->pairs[i], *q = dict_get(*b, p->key);

		if (q == NULL || p->len != q->len || memcmp(p->value, q->value, p->len + 1) != 0)
			return false;
	}
	return true;
}

static inline bool equal_ts(const struct ts *a, const struct ts *b)
{
	return a->sec == b->sec && a->nsec == b->nsec;
}

static inline bool equal_attr(const struct attr *a, const struct attr *b)
{
	return gfid_equal(&a->gfid, &b->gfid) && a->size == b->size && a->blocks == b->blocks &&
	       a->rdev == b->rdev && equal_ts(&a->atime, &b->atime) &&
	       equal_ts(&a->mtime, &b->mtime) && equal_ts(&a->ctime, &b->ctime) &&
	       equal_ts(&a->btime, &b->btime) && a->mode == b->mode && a->uid == b->uid &&
	       a->gid == b->gid && a->nlink == b->nlink && a->blksize == b->blksize;
}

static inline bool equal_dirents(struct dirents *const *a, struct dirents *const *b)
{
	const struct dirent_entry *e = NULL, *f = NULL;

	if (*a == NULL || *b == NULL)
		return *a == *b;
	if ((*a)->nr != (*b)->nr)
		return false;
	while ((e = dirents_next(*a, e)) != NULL) {
		f = dirents_next(*b, f);
		if (f == NULL || e->cookie != f->cookie || e->len != f->len ||
		    strcmp(e->name, f->name) != 0 || !equal_attr(&e->attr, &f->attr))
			return false;
	}
	return dirents_next(*b, f) == NULL || f == NULL;
}

static inline bool equal_lock(const struct lock *a, const struct lock *b)
{
	return memcmp(a, b, offsetof(struct lock, kind) + sizeof(a->kind)) == 0;
}

static inline bool equal_statfs(const struct statfs_reply_data *a,
				const struct statfs_reply_data *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* NULL, or the name of the first field that differs. */
static inline const char *args_differ(enum fop_id op, const union fop_args *x,
				      const union fop_args *y)
{
	switch (op) {
#define FOP(n, k) case FOP_##n: { const struct n##_args *a = &x->n, *b = &y->n;
#define ARG(t, f) if (!equal_##t(&a->f, &b->f)) return #f;
#define RET(t, f)
#define END(n) return NULL; }
#include "fops.def"
	default: abort();
	}
}

static inline const char *reply_differs(enum fop_id op, const union fop_reply *x,
					const union fop_reply *y)
{
	switch (op) {
#define FOP(n, k) case FOP_##n: { const struct n##_reply *a = &x->n, *b = &y->n; (void)a; (void)b;
#define ARG(t, f)
#define RET(t, f) if (!equal_##t(&a->f, &b->f)) return #f;
#define END(n) return NULL; }
#include "fops.def"
	default: abort();
	}
}

#endif
