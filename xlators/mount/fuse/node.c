/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * node.c - the objects that the kernel knows, and what of them it has cached.
 *
 * A nodeid is the first half of the object's identity, so it means the same after the kernel has
 * forgotten it, and after another mount: file handles are made of it.  Should two objects that the
 * kernel knows have the same, the second gets another one, and its file handles do not last.
 *
 * Two small memories, both explained in the README:
 *  - known: the state of the file to which the kernel's pages belong (close-to-open);
 *  - recent: attributes of answers of the last second, for the GETATTR that follows a change.
 *
 * Order: answers may overtake each other.  m->changes counts answered changes; a request notes it
 * when it is wound.  If an object has been changed since (node->changed is later), the attributes
 * in the answer may be older than what we have, and are not remembered.  An object that the kernel has
 * forgotten may have been changed as late as any that it has forgotten (forgotten_changed).
 */
#include "config.h"

#include <stdlib.h>

#include "mount.h"

enum { IDS_MIN = 1024 };

/* The bytes of an identity are random, but the first two change slowly. */
static struct node **chain_of(const struct mount *m, fuse_ino_t id)
{
	return &m->ids[id & (m->nr_ids - 1)];
}

static struct node *by_id(const struct mount *m, fuse_ino_t id)
{
	struct node *n = m->nr_ids ? *chain_of(m, id) : NULL;

	while (n && n->id != id)
		n = n->id_next;
	return n;
}

/* No memory: the old table does, slower; -ENOMEM when there is none. */
static int ids_resize(struct mount *m, size_t nr)
{
	struct node **old = m->ids, **fresh = calloc(nr, sizeof *fresh);
	size_t nr_old = m->nr_ids;

	if (!fresh)
		return old ? 0 : -ENOMEM;
	m->ids = fresh;
	m->nr_ids = nr;
	for (size_t i = 0; i < nr_old; i++) {
		for (struct node *n = old[i], *next; n; n = next) {
			struct node **chain = chain_of(m, n->id);

			next = n->id_next;
			n->id_next = *chain;
			*chain = n;
		}
	}
	free(old);
	return 0;
}

static int ids_add(struct mount *m, struct node *n)
{
	bool root = n->inode == inode_root(xl_inodes(m->xl));
	fuse_ino_t id = root ? FUSE_ROOT_ID : gfid_prefix(&n->inode->gfid);

	if (m->stats.nr_nodes >= m->nr_ids &&
	    ids_resize(m, m->nr_ids ? 2 * m->nr_ids : IDS_MIN) < 0)
		return -ENOMEM;
	while (!root && (id <= FUSE_ROOT_ID || by_id(m, id)))
		id = id * 6364136223846793005u + 1442695040888963407u;
	n->id = id;
	n->id_next = *chain_of(m, id);
	*chain_of(m, id) = n;
	return 0;
}

static void ids_remove(struct mount *m, const struct node *n)
{
	struct node **at = chain_of(m, n->id);

	while (*at != n)
		at = &(*at)->id_next;
	*at = n->id_next;
	if (m->nr_ids > IDS_MIN && m->stats.nr_nodes < m->nr_ids / 4)
		ids_resize(m, m->nr_ids / 2);
}

void node_finish(struct mount *m)
{
	assert(!m->stats.nr_nodes);
	free(m->ids);
	m->ids = NULL;
	m->nr_ids = 0;
}

struct inode *node_inode(const struct mount *m, fuse_ino_t ino)
{
	if (ino == FUSE_ROOT_ID)
		return inode_root(xl_inodes(m->xl));
	struct node *n = by_id(m, ino);

	return n ? n->inode : NULL;
}

fuse_ino_t node_id(const struct mount *m, const struct inode *inode)
{
	return node_find(m, inode)->id;
}

/* The next four bytes; the kernel wants 0 of the root. */
uint32_t node_generation(const struct inode *inode)
{
	const uint8_t *b = inode->gfid.b;

	if (gfid_equal(&inode->gfid, &gfid_root))
		return 0;
	return (uint32_t)b[8] << 24 | (uint32_t)b[9] << 16 | (uint32_t)b[10] << 8 | b[11];
}

struct node *node_find(const struct mount *m, const struct inode *inode)
{
	return (struct node *)(uintptr_t)inode->slots[m->xl->index];
}

struct node *node_lookup(struct mount *m, struct inode *inode)
{
	struct node *n = node_find(m, inode);

	if (!n) {
		n = calloc(1, sizeof *n);
		if (!n)
			return NULL;
		n->inode = inode;
		n->changed = m->forgotten_changed;
		if (ids_add(m, n) < 0) {
			free(n);
			return NULL;
		}
		inode_ref(inode);
		LIST_INIT(&n->handles);
		*inode_slot(inode, m->xl) = (uintptr_t)n;
		LIST_INSERT_HEAD(&m->nodes, n, link);
		m->stats.nr_nodes++;
	}
	n->lookups++;
	return n;
}

void node_free(struct mount *m, struct node *n)
{
	struct inode *inode = n->inode;

	assert(LIST_EMPTY(&n->handles));
	node_recent_drop(m, inode);
	if (n->changed > m->forgotten_changed)
		m->forgotten_changed = n->changed;
	LIST_REMOVE(n, link);
	m->stats.nr_nodes--;
	ids_remove(m, n);
	*inode_slot(inode, m->xl) = 0;
	free(n->last);
	free(n);
	inode_unref(inode);
}

void node_forget(struct mount *m, struct inode *inode, uint64_t n)
{
	struct node *node = node_find(m, inode);

	if (!node || inode == inode_root(xl_inodes(m->xl)))
		return;
	assert(node->lookups >= n);
	node->lookups -= n;
	if (node->lookups == 0)
		node_free(m, node);
}

/* ---- recent attributes ---- */

static struct recent *recent_of(const struct mount *m, const struct inode *inode)
{
	uint64_t h = (uintptr_t)inode * 0x9e3779b97f4a7c15u;

	return &m->recent[h >> 32 & (MOUNT_NR_RECENT - 1)];
}

const struct attr *node_recent(const struct mount *m, const struct inode *inode,
			       uint64_t *ret_left_ns)
{
	const struct recent *r = recent_of(m, inode);
	uint64_t now = loop_now_ns(xl_loop(m->xl));

	if (r->inode != inode || now >= r->until_ns)
		return NULL;
	*ret_left_ns = r->until_ns - now;
	return &r->attr;
}

void node_recent_drop(struct mount *m, const struct inode *inode)
{
	struct recent *r = recent_of(m, inode);

	if (r->inode == inode)
		r->inode = NULL;
}

static bool is_later(const struct ts *a, const struct ts *b)
{
	return a->sec > b->sec || (a->sec == b->sec && a->nsec > b->nsec);
}

void node_accessed(struct mount *m, const struct inode *inode)
{
	struct recent *r = recent_of(m, inode);
	const struct attr *a = &r->attr;

	if (r->inode == inode &&
	    (!is_later(&a->atime, &a->mtime) || !is_later(&a->atime, &a->ctime)))
		r->inode = NULL;
}

static void recent_set(struct mount *m, const struct node *n, const struct attr *attr)
{
	struct recent *r = recent_of(m, n->inode);

	if (m->attr_timeout_ms == 0)
		return;
	r->inode = n->inode;
	r->attr = *attr;
	r->until_ns = loop_now_ns(xl_loop(m->xl)) + m->attr_timeout_ms * 1000000;
}

/* ---- versions ---- */

static struct version version_of(const struct attr *a)
{
	return (struct version){
		.size = a->size,
		.mtime_ns = (int64_t)((uint64_t)a->mtime.sec * 1000000000u + a->mtime.nsec),
		.ctime_ns = (int64_t)((uint64_t)a->ctime.sec * 1000000000u + a->ctime.nsec),
	};
}

static bool same_data(const struct version *a, const struct version *b)
{
	return a->size == b->size && a->mtime_ns == b->mtime_ns;
}

static bool same_version(const struct version *a, const struct version *b)
{
	return same_data(a, b) && a->ctime_ns == b->ctime_ns;
}

void node_seen(struct mount *m, struct inode *inode, const struct attr *attr, uint64_t since)
{
	struct node *n = node_find(m, inode);

	if (!n || !attr_present(attr) || n->changed > since)
		return;
	n->mode = attr->mode;
	if (!n->pages) {
		n->known = version_of(attr);
		n->known_valid = true;
	}
	struct recent *r = recent_of(m, inode);
	if (r->inode == inode)
		recent_set(m, n,
			   attr); /* what is there must not be older than what the kernel gets */
}

/* Our own change: the pages stay good if nobody else has changed the file since they were. */
static void known_advance(struct node *n, const struct attr *data_before, const struct attr *attr)
{
	struct version after = version_of(attr);

	n->mode = attr->mode;
	if (!n->pages) {
		n->known = after;
		n->known_valid = true;
	} else if (data_before) {
		struct version before = version_of(data_before);

		n->known_valid = n->known_valid && attr_present(data_before) &&
				 same_data(&n->known, &before);
		n->known = after;
	} else if (same_data(&n->known, &after)) {
		n->known.ctime_ns = after.ctime_ns;
	}
}

void node_changed(struct mount *m, struct inode *inode, const struct attr *data_before,
		  const struct attr *attr, uint64_t since)
{
	struct node *n = node_find(m, inode);

	m->changes++;
	if (!n)
		return;
	bool overtaken = n->changed > since;
	n->changed = m->changes;
	if (attr_present(attr))
		known_advance(n, data_before, attr);
	else
		n->known_valid = n->known_valid && !data_before;
	if (attr_present(attr) && !overtaken)
		recent_set(m, n, attr);
	else
		node_recent_drop(m, inode);
}

void node_changed_attr(struct mount *m, const struct attr *attr, uint64_t since)
{
	if (!attr_present(attr))
		return;
	_cleanup_inode_ struct inode *inode = inode_find(xl_inodes(m->xl), &attr->gfid);
	if (!inode)
		return;
	node_changed(m, inode, NULL, attr, since);
	struct node *n = node_find(m, inode);
	if (!n)
		return;
	n->gone = attr->nlink == 0;
	if (n->gone && !n->last)
		n->last = malloc(sizeof *n->last);
	if (n->gone && n->last)
		*n->last = *attr;
}

void node_writes(struct request *r, bool begin)
{
	struct node *n = node_find(r->mount, r->inode);

	r->writes = begin && n;
	if (n)
		n->writing += begin ? 1 : -1;
}

/*
 * A read beside a write of ours may have found what was there before it, and become a page after the kernel had the new bytes in one
 * that was dropped meanwhile.  The answer of the write must not make that page good: it is dropped when it is checked next.
 */
void node_read(struct request *r)
{
	struct node *n = node_find(r->mount, r->inode);

	if (n && (n->writing || n->changed > r->changes))
		n->known_valid = false;
}

bool node_opened(struct mount *m, struct inode *inode, const struct attr *before,
		 const struct attr *attr, bool changed, uint64_t since)
{
	struct node *n = node_find(m, inode);
	bool keep = false;

	m->changes += changed;
	if (!n)
		return false;
	if (n->known_valid && attr_present(before)) {
		struct version v = version_of(before);

		keep = same_version(&n->known, &v) && !pages_dropping(m, n);
	}
	bool overtaken = n->changed > since;
	n->pages = true;
	n->known_valid = attr_present(attr);
	if (n->known_valid) {
		n->known = version_of(attr);
		n->mode = attr->mode;
	}
	if (changed)
		n->changed = m->changes;
	if (n->known_valid && !overtaken)
		recent_set(m, n, attr);
	else
		node_recent_drop(m, inode);
	if (keep) {
		m->stats.opens_kept++;
		return true;
	}
	m->stats.opens_dropped++;
	/* Attributes only (offset -1): that does not wait for pages, so it cannot wait for us. */
	fuse_lowlevel_notify_inval_inode(m->session, node_id(m, inode), -1, 0);
	return false;
}

bool node_checked(struct mount *m, struct inode *inode, const struct attr *attr, uint64_t since)
{
	struct node *n = node_find(m, inode);

	if (!n)
		return true;
	bool known = attr && attr_present(attr) && n->changed <= since;
	struct version v = known ? version_of(attr) : (struct version){ 0 };
	bool same = known && n->known_valid && same_data(&n->known, &v) && !pages_dropping(m, n);
	n->known_valid = known;
	n->known = v;
	if (known)
		recent_set(m, n, attr);
	else
		node_recent_drop(m, inode);
	if (same)
		m->stats.locks_kept++;
	else
		m->stats.locks_dropped++;
	return same;
}

void node_unknown(struct mount *m, struct inode *inode)
{
	struct node *n = node_find(m, inode);

	m->changes++;
	if (n)
		n->changed = m->changes;
	node_invalidate(m, inode);
}

void node_invalidate(struct mount *m, struct inode *inode)
{
	struct node *n = node_find(m, inode);

	if (!n)
		return;
	n->known_valid = false;
	n->absent = 0;
	node_recent_drop(m, inode);
	if (m->inited && m->connected)
		fuse_lowlevel_notify_inval_inode(m->session, node_id(m, inode), -1, 0);
}
