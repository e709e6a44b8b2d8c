/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * afr-fd.c - on which children a file is open.
 *
 * Our word in an fd has a bit per child where it was opened.  On a child that became a member later it is opened when the first
 * operation needs it there.  Two more bits: locks were taken through it (afr-held.c), one of them was lost.
 */
#include <fcntl.h>

#include "afr.h"

#define FD_LOCKED (UINT64_C(1) << 62)
#define FD_LOST   (UINT64_C(1) << 63)

uint64_t afr_fd_opened(struct xlator *xl, struct fd *fd)
{
	return *fd_slot(fd, xl) & ~(FD_LOCKED | FD_LOST);
}

void afr_fd_set_opened(struct xlator *xl, struct fd *fd, uint64_t mask)
{
	*fd_slot(fd, xl) |= mask;
}

void afr_fd_set_closed(struct xlator *xl, struct fd *fd, uint64_t mask)
{
	*fd_slot(fd, xl) &= ~mask;
}

void afr_fd_mark(struct xlator *xl, struct fd *fd)
{
	*fd_slot(fd, xl) |= FD_LOCKED;
}

void afr_fd_set_lost(struct xlator *xl, struct fd *fd)
{
	*fd_slot(fd, xl) |= FD_LOST;
}

bool afr_fd_is_lost(const struct frame *f)
{
	struct fd *fds[2];

	for (int i = 0, n = afr_fds_of(f, fds); i < n; i++)
		if (*fd_slot(fds[i], f->xl) & FD_LOST)
			return true;
	return false;
}

/* The arguments, field by field, made from fops.def. */
struct found {
	struct fd *fds[2];
	struct fd *newfd;
	int nr_fds;
};

static void found_fd(struct found *o, struct fd *fd)
{
	if (fd && o->nr_fds < 2 && (!o->nr_fds || o->fds[0] != fd))
		o->fds[o->nr_fds++] = fd;
}

#define find_fd(o, v) found_fd(o, v)
#define find_newfd(o, v) ((o)->newfd = (v))
#define find_nothing(o, v) ((void)(v))
#define find_inode find_nothing
#define find_buf find_nothing
#define find_dict find_nothing
#define find_str find_nothing
#define find_name find_nothing
#define find_gfid find_nothing
#define find_attr find_nothing
#define find_lock find_nothing
#define find_u32 find_nothing
#define find_u64 find_nothing

static void find(const struct frame *f, struct found *o)
{
	switch ((enum fop_id)f->op) {
#define FOP(n, k) case FOP_##n: { const struct n##_args *a = f->args;
#define ARG(t, field) find_##t(o, a->field);
#define RET(t, field)
#define END(n) break; }
#include "fops.def"
	case FOP_COUNT: break;
	}
}

int afr_fds_of(const struct frame *f, struct fd *fds[2])
{
	struct found o = { 0 };

	find(f, &o);
	memcpy(fds, o.fds, sizeof o.fds);
	return o.nr_fds;
}

struct fd *afr_newfd(const struct frame *f)
{
	struct found o = { 0 };

	find(f, &o);
	return o.newfd;
}

void afr_note_opened(struct frame *f)
{
	struct afr_local *local = frame_data(f);
	struct found o = { 0 };

	find(f, &o);
	for (uint64_t left = o.newfd ? local->sent : 0; left; left &= left - 1)
		if (local->answers[afr_lowest(left)].ret >= 0)
			afr_fd_set_opened(f->xl, o.newfd, left & -left);
}

/* ---- opening where it is missing ---- */

struct reopen {
	struct frame *f;
	void (*next)(struct frame *f);
	uint64_t failed;
};

static void reopen_end(struct frame *root)
{
	struct reopen r = *(struct reopen *)frame_data(root);

	call_end(root);
	/* Asked once: where it could not be opened the operation itself will say so (EBADF). */
	((struct afr_local *)frame_data(r.f))->tried |= r.failed;
	r.next(r.f);
}

static void reopen_result(struct frame *root, struct fd *fd, int child, int ret)
{
	if (ret >= 0) {
		afr_fd_set_opened(root->xl, fd, afr_bit(child));
		return;
	}
	((struct reopen *)frame_data(root))->failed |= afr_bit(child);
	/* One that joins may not have the file yet; one that has another view says so to the operation too. */
	if ((((struct afr *)root->xl->priv)->full & afr_bit(child)) && !repl_is_refusal(ret))
		log_warning(root->xl->name, "cannot open a file again on %s: %s", afr_name(root->xl->priv, child),
			    strerror(-ret));
}

/* Which of the two files an answer is about is told by which continuation it has. */
static void reopen_done(struct frame *root, int child, int ret, struct fd *fd)
{
	reopen_result(root, fd, child, ret);
	if (!root->pending)
		reopen_end(root);
}

static struct fd *reopen_fd(struct frame *root, int nth)
{
	struct fd *fds[2];

	afr_fds_of(((struct reopen *)frame_data(root))->f, fds);
	return fds[nth];
}

static void reopen_first_done(struct frame *root, int child, int ret,
			      const struct open_reply *reply)
{
	reopen_done(root, child, ret, reopen_fd(root, 0));
}

static void reopen_second_done(struct frame *root, int child, int ret,
			       const struct open_reply *reply)
{
	reopen_done(root, child, ret, reopen_fd(root, 1));
}

static void reopen_dir_done(struct frame *root, int child, int ret,
			    const struct opendir_reply *reply)
{
	reopen_done(root, child, ret, reopen_fd(root, 0));
}

void afr_fd_reopen(struct frame *f, int child, struct fd *fd, open_done_fn *done)
{
	uint32_t flags = (fd->flags & ~(uint32_t)(O_CREAT | O_EXCL | O_TRUNC)) | OPEN_NAMELESS;

	wind_open(f, child, &(struct open_args){ .inode = fd->inode, .fd = fd, .flags = flags }, done);
}

static void reopen_wind(struct frame *root, int child, struct fd *fd, int nth)
{
	if (fd->directory)
		return wind_opendir(root, child,
				    &(struct opendir_args){ .inode = fd->inode, .fd = fd },
				    reopen_dir_done);
	afr_fd_reopen(root, child, fd, nth ? reopen_second_done : reopen_first_done);
}

void afr_with_fds(struct frame *f, uint64_t mask, void (*next)(struct frame *f))
{
	struct fd *fds[2];
	int nr = afr_fds_of(f, fds);
	struct frame *root = call_new(f->xl, frame_identity(f), sizeof(struct reopen));

	if (!root) {
		((struct afr_local *)frame_data(f))->tried |= mask;
		return next(f);
	}
	*(struct reopen *)frame_data(root) = (struct reopen){ .f = f, .next = next };
	root->pending++;		/* an answer at once does not end the call under us */
	for (int n = 0; n < nr; n++) {
		uint64_t missing = mask & ~afr_fd_opened(f->xl, fds[n]);

		for (; missing; missing &= missing - 1)
			reopen_wind(root, afr_lowest(missing), fds[n], n);
	}
	if (--root->pending == 0)
		reopen_end(root);
}
