/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * xattr.c - extended attributes.
 *
 * What the bricks keep in xattrs for themselves (trusted.gfid, trusted.glusterfs.*, trusted.afr.*)
 * is neither shown nor changed through a mount.
 *
 * The kernel asks for security.capability before every write, and ls -l for ACLs and labels of
 * every file.  That such an xattr is not there is remembered for as long as attributes are valid.
 */
#include "config.h"

#include <stdlib.h>

#include "mount.h"

enum { ABSENT_CAPABILITY = 1, XATTR_NAMES_MAX = 65536 };

static const char *const often_asked[] = {
	"security.capability",		/* bit 0: ABSENT_CAPABILITY */
	"system.posix_acl_access", "system.posix_acl_default", "security.selinux",
};

static uint8_t absent_bit(const char *name)
{
	for (size_t i = 0; i < sizeof often_asked / sizeof often_asked[0]; i++)
		if (strcmp(name, often_asked[i]) == 0)
			return 1u << i;
	return 0;
}

static bool is_absent(const struct mount *m, const struct inode *inode, uint8_t bit)
{
	const struct node *n = node_find(m, inode);

	return n && (n->absent & bit) && loop_now_ns(xl_loop(m->xl)) < n->absent_until_ns;
}

/* Several bits share one time, that of the oldest of them. */
static void note_absent(struct mount *m, struct node *n, uint8_t bit)
{
	uint64_t now = loop_now_ns(xl_loop(m->xl));

	if (now >= n->absent_until_ns) {
		n->absent = 0;
		n->absent_until_ns = now + m->attr_timeout_ms * 1000000;
	}
	n->absent |= bit;
}

void xattr_note_created(struct mount *m, struct node *n)
{
	note_absent(m, n, ABSENT_CAPABILITY);
}

static bool is_hidden(const char *name)
{
	static const char *const prefixes[] = { "trusted.gfid", "trusted.glusterfs.",
						"trusted.afr." };

	for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
		if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

/* A value for a caller that gave room for `size` bytes; 0: it only asks how long it is. */
static void reply_sized(struct request *r, const void *value, size_t len)
{
	if (r->size == 0)
		fuse_reply_xattr(r->req, len);
	else if (len > r->size)
		fuse_reply_err(r->req, ERANGE);
	else
		fuse_reply_buf(r->req, value, len);
	request_end(r);
}

static void wind_get(struct request *r);

static void getxattr_done(struct frame *f, int child, int ret, const struct getxattr_reply *reply)
{
	struct request *r = request_answered(f, &ret);
	struct mount *m = r->mount;
	struct node *n = node_find(m, r->inode);

	if (request_retry(r, ret))
		return wind_get(r);
	if (ret < 0) {
		uint8_t bit = absent_bit(r->name);

		/* (ls does not ask again at all where it is told that ACLs are not supported) */
		if ((ret == -ENODATA || (ret == -EOPNOTSUPP && bit == ABSENT_CAPABILITY)) && bit &&
		    n && n->changed <= r->changes)
			note_absent(m, n, bit);
		return request_error(r, ret);
	}
	reply_sized(r, reply->value ? reply->value->data : NULL,
		    reply->value ? reply->value->len : 0);
}

static void wind_get(struct request *r)
{
	struct getxattr_args a = { .inode = r->inode, .fd = r->fd, .name = r->name };

	wind_getxattr(r->root, 0, &a, getxattr_done);
}

void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct mount *m = fuse_req_userdata(req);

	const struct inode *inode = node_inode(m, ino);

	if (inode && is_absent(m, inode, absent_bit(name))) {
		m->stats.requests++;
		m->stats.xattrs_local++;
		fuse_reply_err(req, ENODATA);
		return;
	}
	struct request *r = request_new(req, ino);
	if (!r || !request_name(r, name))
		return;
	if (is_hidden(name))
		return request_error(r, -ENODATA);
	r->size = size;
	wind_get(r);
}

static void wind_set(struct request *r);

static void setxattr_done(struct frame *f, int child, int ret, const struct setxattr_reply *reply)
{
	struct request *r = request_answered(f, &ret);

	if (request_retry(r, ret))
		return wind_set(r);
	if (ret >= 0)
		node_changed(r->mount, r->inode, NULL, &reply->attr, r->changes);
	request_error(r, ret < 0 ? ret : 0);
}

static void wind_remove(struct request *r);

static void removexattr_done(struct frame *f, int child, int ret,
			     const struct removexattr_reply *reply)
{
	struct request *r = request_answered(f, &ret);

	if (request_retry(r, ret))
		return wind_remove(r);
	if (ret >= 0)
		node_changed(r->mount, r->inode, NULL, &reply->attr, r->changes);
	request_error(r, ret < 0 ? ret : 0);
}

static void wind_set(struct request *r)
{
	struct setxattr_args a = {
		.inode = r->inode, .fd = r->fd, .name = r->name, .value = r->buf, .flags = r->valid,
	};

	wind_setxattr(r->root, 0, &a, setxattr_done);
}

static void wind_remove(struct request *r)
{
	struct removexattr_args a = { .inode = r->inode, .fd = r->fd, .name = r->name };

	wind_removexattr(r->root, 0, &a, removexattr_done);
}

/* A request that changes an xattr; NULL: answered. */
static struct request *xattr_change(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	struct request *r = request_new_change(req, ino);

	if (!r || !request_name(r, name))
		return NULL;
	if (is_hidden(name)) {
		request_error(r, -EPERM);
		return NULL;
	}
	struct node *n = node_find(r->mount, r->inode);
	if (n)
		n->absent = 0;
	return r;
}

void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size,
		 int flags)
{
	struct request *r = xattr_change(req, ino, name);

	if (!r)
		return;
	r->buf = buf_copy(value, size);
	if (!r->buf)
		return request_error(r, -ENOMEM);
	r->valid = flags;
	wind_set(r);
}

void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	struct request *r = xattr_change(req, ino, name);

	if (!r)
		return;
	if (absent_bit(name) == ABSENT_CAPABILITY)
		caller_lost_capability(r);
	wind_remove(r);
}

/* trusted.* is for the superuser only; the kernel checks that when one is read, but not in a
 * list. */
static bool is_listed(const struct request *r, const char *name)
{
	if (frame_identity(r->root)->uid != 0 && strncmp(name, "trusted.", 8) == 0)
		return false;
	return !is_hidden(name);
}

static void wind_list(struct request *r);

static void listxattr_done(struct frame *f, int child, int ret, const struct listxattr_reply *reply)
{
	struct request *r = request_answered(f, &ret);
	const char *names = reply && reply->names ? (const char *)reply->names->data : NULL;
	size_t len = names ? reply->names->len : 0, used = 0;

	if (request_retry(r, ret))
		return wind_list(r);
	if (ret < 0)
		return request_error(r, ret);
	if (len && (names[len - 1] || len > XATTR_NAMES_MAX))
		return request_error(r, len > XATTR_NAMES_MAX ? -E2BIG : -EIO);
	char *out = len ? frame_alloc(f, len) : NULL;
	if (len && !out)
		return request_error(r, -ENOMEM);
	for (size_t i = 0; i < len; i += strlen(names + i) + 1) {
		size_t n = strlen(names + i) + 1;

		if (!is_listed(r, names + i))
			continue;
		memcpy(out + used, names + i, n);
		used += n;
	}
	reply_sized(r, out, used);
}

static void wind_list(struct request *r)
{
	wind_listxattr(r->root, 0, &(struct listxattr_args){ .inode = r->inode, .fd = r->fd },
		       listxattr_done);
}

void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct request *r = request_new(req, ino);

	if (!r)
		return;
	r->size = size;
	wind_list(r);
}
