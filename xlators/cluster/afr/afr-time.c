/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * afr-time.c - the same modification time on every member.
 *
 * Each brick stamps a change with its own clock, so a change near the end of a second can be in one
 * second here and in the next there.  The answers show it: when the seconds of an object's mtime
 * differ, and no other change of the object is under way here, the law's time is set on the others,
 * in the background.
 *
 * Our word in an inode: changes under way, whether times were seen to differ, whether they are
 * being mended.
 */
#include "afr.h"

union times {
	uint64_t word;
	struct {
		uint32_t busy;		/* changes under way */
		uint16_t changes;	/* counts them, for the mender */
		uint8_t differ, mending;
	};
};
_Static_assert(sizeof(union times) == sizeof(uint64_t), "one word in an inode");

static union times *times_of(struct xlator *xl, struct inode *inode)
{
	return (union times *)inode_slot(inode, xl);
}

static void mend_begin(struct xlator *xl, struct inode *inode);

static void quiet(struct xlator *xl, struct inode *inode)
{
	union times *t = times_of(xl, inode);

	if (t->busy || t->mending)
		return;
	if (t->differ)
		return mend_begin(xl, inode);
	t->word = 0;			/* nothing to remember */
}

/* ---- mending ---- */

struct mend {
	struct inode *inode;		/* held */
	uint16_t changes;		/* that had been made when the time was read */
	uint64_t others;
};

static void mend_end(struct frame *root)
{
	struct mend m = *(struct mend *)frame_data(root);
	struct xlator *xl = root->xl;
	union times *t = times_of(xl, m.inode);

	t->mending = false;
	if (t->changes != m.changes)
		t->differ = true;	/* a change overtook the time that we set: look again */
	call_end(root);
	quiet(xl, m.inode);
	inode_unref(m.inode);
	xl_busy(xl, -1);
}

static void mend_set_done(struct frame *root, int child, int ret, const struct setattr_reply *reply)
{
	if (!root->pending)
		mend_end(root);
}

static void mend_read_done(struct frame *root, int child, int ret, const struct stat_reply *reply)
{
	struct afr *afr = root->xl->priv;
	struct mend *m = frame_data(root);
	struct setattr_args a = { .inode = m->inode, .valid = SET_MTIME };

	if (ret < 0)
		return mend_end(root);	/* it is gone */
	a.attr = reply->attr;
	root->pending++;
	for (uint64_t left = m->others & afr->members; left; left &= left - 1)
		wind_setattr(root, afr_lowest(left), &a, mend_set_done);
	afr->time_fixes++;
	if (--root->pending == 0)
		mend_end(root);
}

static void mend_begin(struct xlator *xl, struct inode *inode)
{
	struct afr *afr = xl->priv;
	union times *t = times_of(xl, inode);
	int law = afr_lowest(afr->members);
	struct frame *root = law >= 0 ? call_new(xl, NULL, sizeof(struct mend)) : NULL;

	t->differ = false;
	if (!root)
		return;
	t->mending = true;
	xl_busy(xl, 1);
	*(struct mend *)frame_data(root) = (struct mend){
		.inode = inode_ref(inode),
		.changes = t->changes,
		.others = afr->members & ~afr_bit(law),
	};
	wind_stat(root, law, &(struct stat_args){ .inode = inode }, mend_read_done);
}

/* ---- noticing ---- */

void afr_times_begin(struct frame *f)
{
	struct inode *inodes[4];

	((struct afr_local *)frame_data(f))->timed = true;
	for (int i = 0, n = afr_inodes_of(f, inodes); i < n; i++) {
		union times *t = times_of(f->xl, inodes[i]);

		t->busy++;
		t->changes++;
	}
}

/* The attr `at` bytes into the answer: do all successful answers have the same second? */
static void compare_attr(struct frame *f, size_t at, struct inode **inodes, int nr)
{
	struct afr_local *local = frame_data(f);
	const struct attr *first = NULL;

	for (uint64_t left = local->sent; left; left &= left - 1) {
		struct afr_answer *a = &local->answers[afr_lowest(left)];
		const struct attr *attr = (const struct attr *)((char *)&a->reply + at);

		if (a->ret < 0 || !attr_present(attr))
			continue;
		if (!first) {
			first = attr;
			continue;
		}
		for (int i = 0; attr->mtime.sec != first->mtime.sec && i < nr; i++)
			if (gfid_equal(&inodes[i]->gfid, &attr->gfid))
				times_of(f->xl, inodes[i])->differ = true;
	}
}
#define compare_buf(f, at, inodes, nr) ((void)0)
#define compare_dict compare_buf
#define compare_dirents compare_buf
#define compare_u32 compare_buf
#define compare_u64 compare_buf
#define compare_lock compare_buf
#define compare_statfs compare_buf

static void compare(struct frame *f, struct inode **inodes, int nr)
{
	switch ((enum fop_id)f->op) {
#define FOP(n, k) case FOP_##n: { typedef struct n##_reply reply_type __attribute__((unused));
#define ARG(t, field)
#define RET(t, field) compare_##t(f, offsetof(reply_type, field), inodes, nr);
#define END(n) break; }
#include "fops.def"
	case FOP_COUNT: break;
	}
}

void afr_times_end(struct frame *f)
{
	struct afr_local *local = frame_data(f);
	struct inode *inodes[4];

	if (!local->timed)
		return;
	local->timed = false;
	int nr = afr_inodes_of(f, inodes);
	if (local->answers && (local->sent & (local->sent - 1)))
		compare(f, inodes, nr);
	for (int i = 0; i < nr; i++) {
		times_of(f->xl, inodes[i])->busy--;
		quiet(f->xl, inodes[i]);
	}
}
