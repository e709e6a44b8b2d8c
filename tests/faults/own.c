/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * own.c - random changes of a tree that belongs to one writer, each against the model.
 *
 * A change that is answered with an error of the surroundings (the mount was killed) has happened or not: what is there
 * is looked at, must be one of the two, and is the model from then on.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "writers.h"

enum { HELD = 2, WRITE_MAX = 16 << 10 };
enum kind { CREATE, MKDIR, SYMLINK, UNLINK, RMDIR, RENAME, EXCHANGE, LINK, WRITE, APPEND, TRUNCATE, SETXATTR, CHMOD, FSYNC, KINDS };
static const char *const kind_names[] = { "create", "mkdir", "symlink", "unlink", "rmdir", "rename", "exchange", "link", "write",
					  "append", "truncate", "setxattr", "chmod", "fsync" };

struct place {			/* a name in the tree */
	struct node *dir;
	int name;
	char path[16];
};

struct change {
	enum kind kind;
	struct place a, b;	/* b: rename, exchange, link */
	struct node *node;	/* what is at a, or of fd; of create, mkdir, symlink: what is made */
	int fd;			/* write, truncate: through this one; else -1 */
	size_t offset, len;
	uint8_t bytes[WRITE_MAX];
	unsigned mode;
	int xattr;
	char value[16];
};

struct node *tree;
static struct { int fd; struct node *node; } held[HELD] = { { -1, NULL }, { -1, NULL } };

static struct node **slot(const struct place *p)
{
	return &p->dir->kid[p->name];
}

static struct place random_place(void)
{
	struct place p = { .dir = tree, .name = below(NAMES) };
	int first = below(NAMES), dir = -1;

	for (int i = 0; i < NAMES && dir < 0 && below(2); i++) {
		int at = (first + i) % NAMES;
		if (tree->kid[at] && tree->kid[at]->type == 'd')
			dir = at;
	}
	if (dir >= 0) {
		p.dir = tree->kid[dir];
		snprintf(p.path, sizeof p.path, "n%d/n%d", dir, p.name);
	} else {
		snprintf(p.path, sizeof p.path, "n%d", p.name);
	}
	return p;
}

/* ---- what must come of it ---- */

static bool is_empty(const struct node *n)
{
	for (int i = 0; i < NAMES; i++)
		if (n->kid[i])
			return false;
	return true;
}

static int rename_error(const struct node *from, const struct node *to)
{
	if (!from)
		return ENOENT;
	if (!to || from == to)
		return 0;
	if (from->type == 'd')
		return to->type != 'd' ? ENOTDIR : is_empty(to) ? 0 : ENOTEMPTY;
	return to->type == 'd' ? EISDIR : 0;
}

static int expected(const struct change *c)
{
	const struct node *a = *slot(&c->a), *b = c->b.dir ? *slot(&c->b) : NULL;

	switch (c->kind) {
	case CREATE: case MKDIR: case SYMLINK:
		return a ? EEXIST : 0;
	case UNLINK:
		return !a ? ENOENT : a->type == 'd' ? EISDIR : 0;
	case RMDIR:
		return !a ? ENOENT : a->type != 'd' ? ENOTDIR : is_empty(a) ? 0 : ENOTEMPTY;
	case RENAME:
		return rename_error(a, b);
	case EXCHANGE:
		return a && b ? 0 : ENOENT;
	case LINK:
		return !a ? ENOENT : b ? EEXIST : a->type == 'd' ? EPERM : 0;
	default:
		return c->node ? 0 : ENOENT;
	}
}

/* Not tried: deeper trees, and a directory with itself. */
static bool is_tried(const struct change *c)
{
	const struct node *a = *slot(&c->a), *b = c->b.dir ? *slot(&c->b) : NULL;

	switch (c->kind) {
	case MKDIR:
		return c->a.dir == tree;
	case RENAME: case EXCHANGE:
		if (c->kind == EXCHANGE && a && b && (!a->ino || !b->ino || (b->type == 'd' && c->a.dir != tree)))
			return false;
		return !(a && a->type == 'd' && c->b.dir != tree) && (!b || b != c->a.dir) && (!a || a != c->b.dir);
	case WRITE: case APPEND: case TRUNCATE: case FSYNC:
		return !c->node || c->node->type == 'f';
	case SETXATTR: case CHMOD:
		return !c->node || c->node->type != 'l';
	default:
		return true;
	}
}

/* ---- doing it ---- */

static int result(int ret)
{
	return ret < 0 ? errno : 0;
}

static int close_after(int fd, int error)
{
	int closed = result(close(fd));

	return error ? error : closed;
}

static int do_create(const struct change *c)
{
	int fd = openat(base, c->a.path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct stat st = { .st_ino = 0 };

	if (fd < 0)
		return errno;
	int error = result(fstat(fd, &st));
	c->node->ino = st.st_ino;
	return close_after(fd, error);
}

static int do_data(const struct change *c)
{
	int flags = c->kind == APPEND ? O_APPEND : 0, error;
	int fd = c->fd >= 0 ? c->fd : openat(base, c->a.path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | flags);

	if (fd < 0)
		return errno;
	if (c->kind == TRUNCATE) {
		error = result(ftruncate(fd, c->offset));
	} else if (c->kind == FSYNC) {
		error = result(fsync(fd));
	} else {
		ssize_t n = c->kind == APPEND ? write(fd, c->bytes, c->len) : pwrite(fd, c->bytes, c->len, c->offset);

		error = n < 0 ? errno : (size_t)n == c->len ? 0 : ENOSPC;
	}
	return c->fd >= 0 ? error : close_after(fd, error);
}

static int do_it(const struct change *c)
{
	char path[64];

	switch (c->kind) {
	case CREATE:
		return do_create(c);
	case MKDIR:
		return result(mkdirat(base, c->a.path, 0755));
	case SYMLINK:
		return result(symlinkat(c->node->target, base, c->a.path));
	case UNLINK:
		return result(unlinkat(base, c->a.path, 0));
	case RMDIR:
		return result(unlinkat(base, c->a.path, AT_REMOVEDIR));
	case RENAME:
		return result(renameat(base, c->a.path, base, c->b.path));
	case EXCHANGE:
		return result(renameat2(base, c->a.path, base, c->b.path, RENAME_EXCHANGE));
	case LINK:
		return result(linkat(base, c->a.path, base, c->b.path, 0));
	case CHMOD:
		return result(fchmodat(base, c->a.path, c->mode, 0));
	case SETXATTR:
		snprintf(path, sizeof path, "/proc/self/fd/%d/%s", base, c->a.path);
		return result(setxattr(path, c->xattr ? "user.k1" : "user.k0", c->value, strlen(c->value), 0));
	default:
		return do_data(c);
	}
}

/* ---- what has come of it ---- */

static void put_at(const struct place *p, struct node *n)
{
	struct node *old = *slot(p);

	*slot(p) = n;
	if (n)
		n->names++;
	if (old && --old->names == 0)
		put_node(old);
}

static void apply(const struct change *c)
{
	struct node *n = c->node, *b = c->b.dir ? *slot(&c->b) : NULL;
	size_t offset = c->kind == APPEND ? n->len : c->offset;

	switch (c->kind) {
	case CREATE: case MKDIR: case SYMLINK:
		return put_at(&c->a, n);
	case UNLINK: case RMDIR:
		return put_at(&c->a, NULL);
	case RENAME:
		if (n == b)
			return;
		put_at(&c->b, n);
		return put_at(&c->a, NULL);
	case EXCHANGE:
		*slot(&c->a) = b;
		*slot(&c->b) = n;
		return;
	case LINK:
		return put_at(&c->b, n);
	case WRITE: case APPEND:
		memcpy(n->data + offset, c->bytes, c->len);
		n->len = n->len > offset + c->len ? n->len : offset + c->len;
		return;
	case TRUNCATE:
		if (offset < n->len)
			memset(n->data + offset, 0, n->len - offset);
		n->len = offset;
		return;
	case SETXATTR:
		snprintf(n->xattr[c->xattr], sizeof n->xattr[0], "%s", c->value);
		return;
	case CHMOD:
		n->mode = c->mode;
		return;
	default:
		return;
	}
}

/* ---- after an error of the surroundings ---- */

/* The number of what has this name; 0: nothing. False: an error of the surroundings. */
static bool number_at(const struct place *p, ino_t *ret_ino)
{
	struct stat st;

	*ret_ino = 0;
	if (fstatat(base, p->path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		*ret_ino = st.st_ino;
	else if (surroundings(errno))
		return false;
	else if (errno != ENOENT)
		wrong("%s: %s", p->path, strerror(errno));
	return true;
}

/* Names: 1 they are changed, 0 not, -1 it cannot be seen now. */
static int names_changed(struct change *c)
{
	ino_t a, b = 0;

	if (!number_at(&c->a, &a) || (c->b.dir && !number_at(&c->b, &b)))
		return -1;
	switch (c->kind) {
	case CREATE: case MKDIR: case SYMLINK:
		if (a && c->node->ino && a != c->node->ino)
			wrong("%s is number %ju, and %ju was created", c->a.path, (uintmax_t)a, (uintmax_t)c->node->ino);
		c->node->ino = a;
		return a != 0;
	case UNLINK: case RMDIR:
		return a == 0;
	case EXCHANGE:
		return b == c->node->ino;
	case LINK:
		return b != 0;
	default:
		return a == 0;
	}
}

/* Each byte is the one before the change or the one after it; so is the size, or between. */
static int data_settled(const struct change *c)
{
	static uint8_t is[DATA_MAX + 1], before[DATA_MAX];
	struct node *n = c->node;
	size_t old = n->len;
	ssize_t len = read_all(base, c->a.path, is);

	if (len < 0 && surroundings(errno))
		return -1;
	if (len < 0)
		wrong("%s cannot be read: %s", c->a.path, strerror(errno));
	memcpy(before, n->data, DATA_MAX);
	apply(c);
	if ((size_t)len < (old < n->len ? old : n->len) || (size_t)len > (old > n->len ? old : n->len) ||
	    (c->kind == TRUNCATE && (size_t)len != old && (size_t)len != n->len))
		wrong("%s has %zd bytes; before it had %zu, after it should have %zu", c->a.path, len, old, n->len);
	for (ssize_t i = 0; i < len; i++)
		if (is[i] != before[i] && is[i] != n->data[i])
			wrong("%s has %02x at %zd; before there was %02x, after there should be %02x", c->a.path, is[i], i,
			      before[i], n->data[i]);
	memset(n->data, 0, DATA_MAX);
	memcpy(n->data, is, len);
	n->len = len;
	return 0;
}

static int attributes_settled(const struct change *c)
{
	char path[64], value[32] = "";
	struct stat st;

	snprintf(path, sizeof path, "/proc/self/fd/%d/%s", base, c->a.path);
	if (fstatat(base, c->a.path, &st, 0) < 0)
		return surroundings(errno) ? -1 : (wrong("%s: %s", c->a.path, strerror(errno)), 0);
	if (c->kind == CHMOD)
		return (st.st_mode & 07777) == c->mode;
	if (getxattr(path, c->xattr ? "user.k1" : "user.k0", value, sizeof value - 1) < 0 && errno != ENODATA)
		return surroundings(errno) ? -1 : (wrong("%s: %s", c->a.path, strerror(errno)), 0);
	return strcmp(value, c->value) == 0;
}

/* A path of a node that was changed through a descriptor; false: it has none. */
static bool find(const struct node *n, const struct node *dir, const char *prefix, char path[16])
{
	for (int i = 0; i < NAMES; i++) {
		if (!dir->kid[i])
			continue;
		snprintf(path, 16, "%.8sn%d", prefix, i);
		if (dir->kid[i] == n)
			return true;
		char deeper[16];
		snprintf(deeper, sizeof deeper, "n%d/", i);
		if (dir == tree && dir->kid[i]->type == 'd' && find(n, dir->kid[i], deeper, path))
			return true;
	}
	return false;
}

static bool settle(struct change *c)
{
	int happened;

	if (c->fd >= 0 && !find(c->node, tree, "", c->a.path))
		return false;
	do {
		reach();
		begin("%s %s: has it happened?", kind_names[c->kind], c->a.path);
		happened = c->kind == FSYNC ? 0 : c->kind >= SETXATTR ? attributes_settled(c) :
			   c->kind >= WRITE ? data_settled(c) : names_changed(c);
		end();
	} while (happened < 0);
	if (happened)
		apply(c);
	return happened;
}

/* ---- a step ---- */

void own_forget_open(void)
{
	for (int i = 0; i < HELD; i++) {
		if (held[i].fd < 0)
			continue;
		close(held[i].fd);
		held[i].node->held--;
		put_node(held[i].node);
		held[i].fd = -1;
	}
}

/* Another file stays open from now on. */
static void hold(void)
{
	struct place p = random_place();
	struct node *n = *slot(&p);
	int i = below(HELD);

	if (!n || n->type != 'f')
		return;
	if (held[i].fd >= 0) {
		begin("close");
		int error = result(close(held[i].fd));
		end();
		held[i].node->held--;
		put_node(held[i].node);
		held[i].fd = -1;
		if (error && !surroundings(error))
			wrong("close: %s", strerror(error));
		n = *slot(&p);
	}
	begin("open %s", p.path);
	int fd = openat(base, p.path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	end();
	if (fd < 0 && !surroundings(errno))
		wrong("open: %s", strerror(errno));
	if (fd < 0)
		return reach();
	held[i].fd = fd;
	held[i].node = n;
	n->held++;
}

static void look(void)
{
	struct place p = random_place();

	begin("look at %s", below(8) ? p.path : ".");
	bool seen = !strcmp(me->doing + strlen("look at "), ".") ? verify(base, ".", tree, false) :
		    !*slot(&p) || verify_node(base, p.path, *slot(&p), false);
	end();
	if (!seen)
		reach();
}

static void fill(struct change *c)
{
	int i = below(2 * HELD);
	bool makes = c->kind <= SYMLINK;
	uint8_t start = below(256);

	c->a = random_place();
	c->fd = -1;
	if (c->kind == RENAME || c->kind == EXCHANGE || c->kind == LINK)
		c->b = random_place();
	c->node = *slot(&c->a);
	if ((c->kind == WRITE || c->kind == TRUNCATE) && i < HELD && held[i].fd >= 0) {
		c->fd = held[i].fd;
		c->node = held[i].node;
		snprintf(c->a.path, sizeof c->a.path, "(held)");
	}
	if (makes) {
		c->node = new_node(c->kind == CREATE ? 'f' : c->kind == MKDIR ? 'd' : 'l', c->kind == CREATE ? 0600 : 0755);
		snprintf(c->node->target, sizeof c->node->target, "to-%u", below(1000));
	}
	c->offset = below(4) ? below(20000) : below(DATA_MAX - WRITE_MAX);
	c->len = 1 + (below(4) ? below(600) : below(WRITE_MAX - 1));
	if (c->kind == APPEND && c->node && c->node->type == 'f' && c->node->len + c->len > DATA_MAX)
		c->kind = TRUNCATE;
	for (size_t at = 0; at < c->len; at++)
		c->bytes[at] = start + at * 7;
	c->mode = 0600 | below(0200);
	c->xattr = below(XATTRS);
	snprintf(c->value, sizeof c->value, "%x", below(1u << 30));
}

static void change(void)
{
	static const uint8_t weights[KINDS] = { [CREATE] = 10, [MKDIR] = 4, [SYMLINK] = 3, [UNLINK] = 6, [RMDIR] = 3, [RENAME] = 10,
		[EXCHANGE] = 2, [LINK] = 5, [WRITE] = 14, [APPEND] = 8, [TRUNCATE] = 5, [SETXATTR] = 5, [CHMOD] = 4, [FSYNC] = 3 };
	static struct change c;
	int dice = below(82);

	memset(&c, 0, offsetof(struct change, bytes));
	while (dice >= weights[c.kind])
		dice -= weights[c.kind++];
	fill(&c);
	bool makes = c.kind <= SYMLINK, is_done = false;
	if (is_tried(&c)) {
		int want = expected(&c);
		begin("%s %s%s%s offset %zu len %zu", kind_names[c.kind], c.a.path, c.b.dir ? " to " : "", c.b.path, c.offset, c.len);
		int got = do_it(&c);
		end();
		if (got == want) {
			is_done = !got;
			if (is_done)
				apply(&c);
		} else if (surroundings(got)) {
			if (c.fd >= 0)
				c.node->held++;
			own_forget_open();
			if (!want)
				is_done = settle(&c);
			if (c.fd >= 0) {
				c.node->held--;
				put_node(c.node);
			}
		} else {
			wrong("it was answered with %s, and should be with %s", strerror(got), strerror(want));
		}
	}
	if (makes && !is_done)
		put_node(c.node);
	else if (makes && !c.node->ino && c.kind != CREATE)
		(void)number_at(&c.a, &c.node->ino);
}

/* A brick that comes back does not have files without a name that are open: an error where it is home (cluster/afr). */
static void drop_nameless(void)
{
	for (int i = 0; i < HELD; i++)
		if (held[i].fd >= 0 && !held[i].node->names)
			return own_forget_open();
}

void own_step(void)
{
	int dice = below(100);

	if (dice < 4)
		hold();
	else if (dice < 20)
		look();
	else
		change();
	if (!keeps_nameless)
		drop_nameless();
}
