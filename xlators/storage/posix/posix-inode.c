/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * posix-inode.c - attributes, sizes, targets and permissions of objects.
 */
#include <limits.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "posix.h"

void posix_stat_run(struct posix_op *op)
{
	const struct stat_args *a = op->args;
	struct posix_obj o;

	op->ret = posix_obj_get(op->p, &a->inode->gfid, op->type, op->pfd, 0, &o);
	if (op->ret < 0)
		return;
	op->ret = posix_obj_attr(&o, &a->inode->gfid, &op->reply.stat.attr);
	posix_obj_put(op->p, &o);
}

/* ---- setattr ------------------------------------------------------------------------- */

static int set_owner(const struct posix_obj *o, const struct attr *a, uint32_t valid)
{
	uid_t uid = valid & SET_UID ? a->uid : (uid_t)-1;
	gid_t gid = valid & SET_GID ? a->gid : (gid_t)-1;

	return fchownat(o->fd, o->path, uid, gid, o->flags);
}

/* o is not a symlink, so nothing is followed but the kernel's own link to a descriptor. */
static int set_mode(const struct posix_obj *o, uint32_t mode)
{
	char proc[POSIX_PROC_MAX];

	if (o->opened)
		return fchmod(o->fd, mode & 07777);
	if (*o->path)
		return fchmodat(o->fd, o->path, mode & 07777, 0);
	posix_obj_proc(o, proc);
	return chmod(proc, mode & 07777);
}

static struct timespec time_to_set(const struct ts *t, bool set, bool now)
{
	if (now)
		return (struct timespec){ .tv_nsec = UTIME_NOW };
	if (!set)
		return (struct timespec){ .tv_nsec = UTIME_OMIT };
	return (struct timespec){ .tv_sec = t->sec, .tv_nsec = t->nsec };
}

static int set_times(const struct posix_obj *o, const struct attr *a, uint32_t valid)
{
	struct timespec ts[2] = {
		time_to_set(&a->atime, valid & SET_ATIME, valid & SET_ATIME_NOW),
		time_to_set(&a->mtime, valid & SET_MTIME, valid & SET_MTIME_NOW),
	};

	return utimensat(o->fd, o->path, ts, o->flags);
}

/* The owner first: changing it takes set-user-id bits away.  So does changing nothing, as
 * chown(2) to the owner that it has: the time of change is set then. */
static int setattr_apply(const struct posix_obj *o, const struct attr *a, uint32_t valid,
			 uint32_t type)
{
	const uint32_t times = SET_ATIME | SET_MTIME | SET_ATIME_NOW | SET_MTIME_NOW;

	if ((!valid || (valid & (SET_UID | SET_GID))) && set_owner(o, a, valid) < 0)
		return -errno;
	if (valid & SET_MODE) {
		if (S_ISLNK(type))
			return -EOPNOTSUPP;
		if (set_mode(o, a->mode) < 0)
			return -errno;
	}
	if ((valid & times) && set_times(o, a, valid) < 0)
		return -errno;
	return 0;
}

/* With a new mode it has been decided already which bits stay. */
static unsigned setattr_how(const struct identity *id, const struct setattr_args *a,
			    const struct attr *before)
{
	bool owner = !a->valid || (a->valid & (SET_UID | SET_GID));

	return owner && !(a->valid & SET_MODE) ? caller_change(id, before) : 0;
}

void posix_setattr_run(struct posix_op *op)
{
	const struct setattr_args *a = op->args;
	struct setattr_reply *r = &op->reply.setattr;
	const struct gfid *g = &a->inode->gfid;
	struct posix_caller c;
	struct posix_obj o;

	if (a->attr.atime.nsec >= 1000000000u || a->attr.mtime.nsec >= 1000000000u) {
		op->ret = -EINVAL;
		return;
	}
	op->ret = posix_obj_get(op->p, g, op->type, op->pfd, op->id->enforce ? OBJ_PATH_FD : 0, &o);
	if (op->ret < 0)
		return;
	op->ret = posix_obj_attr(&o, g, &r->before);
	if (op->ret == 0)
		op->ret = caller_begin(op->id, setattr_how(op->id, a, &r->before), &c);
	if (op->ret == 0) {
		op->ret = setattr_apply(&o, &a->attr, a->valid, r->before.mode);
		caller_end(&c);
	}
	if (op->ret == 0)
		op->ret = posix_obj_attr(&o, g, &r->attr);
	posix_obj_put(op->p, &o);
}

/* ---- the rest ------------------------------------------------------------------------ */

void posix_readlink_run(struct posix_op *op)
{
	const struct readlink_args *a = op->args;
	const struct gfid *g = &a->inode->gfid;
	struct posix_obj o;
	ssize_t n;

	op->ret = posix_obj_get(op->p, g, op->type, NULL, 0, &o);
	if (op->ret < 0)
		return;
	op->ret = posix_obj_attr(&o, g, &op->reply.readlink.attr);
	if (op->ret == 0 && !S_ISLNK(op->reply.readlink.attr.mode))
		op->ret = -EINVAL;
	op->mem = op->ret == 0 ? malloc(PATH_MAX) : NULL;
	if (op->mem) {
		n = readlinkat(o.fd, o.path, op->mem, PATH_MAX);
		op->ret = n < 0 ? -errno : 0;
		op->mem_len = n < 0 ? 0 : (size_t)n;
	} else if (op->ret == 0) {
		op->ret = -ENOMEM;
	}
	posix_obj_put(op->p, &o);
}

void posix_readlink_finish(struct posix_op *op)
{
	if (op->ret < 0)
		return;
	op->reply.readlink.target = buf_copy(op->mem, op->mem_len);
	if (!op->reply.readlink.target)
		op->ret = -ENOMEM;
}

/*
 * As truncate(2) and ftruncate(2) differ: the times of a file whose size stays the same change only by
 * the latter.
 */
static int truncate_obj(const struct posix_obj *o, uint64_t size)
{
	char proc[POSIX_PROC_MAX];

	if (o->opened)
		return ftruncate(o->fd, (off_t)size);
	posix_obj_proc(o, proc);
	return truncate(proc, (off_t)size);
}

void posix_truncate_run(struct posix_op *op)
{
	const struct truncate_args *a = op->args;
	const struct gfid *g = &a->inode->gfid;
	struct truncate_reply *r = &op->reply.truncate;
	struct posix_caller c;
	struct posix_obj o;

	op->ret = a->size > INT64_MAX ? -EFBIG : 0;
	if (op->ret == 0)
		op->ret = posix_obj_get(op->p, g, op->type, op->pfd, OBJ_PATH_FD, &o);
	if (op->ret < 0)
		return;
	op->ret = posix_obj_attr(&o, g, &r->before);
	if (op->ret == 0 && !S_ISREG(r->before.mode))
		op->ret = S_ISDIR(r->before.mode) ? -EISDIR
			  : S_ISLNK(r->before.mode) ? -ELOOP : -EINVAL;
	if (op->ret == 0)
		op->ret = caller_begin(op->id, caller_change(op->id, &r->before), &c);
	if (op->ret == 0) {
		op->ret = truncate_obj(&o, a->size) < 0 ? -errno : 0;
		caller_end(&c);
	}
	if (op->ret == 0)
		op->ret = posix_obj_attr(&o, g, &r->attr);
	posix_obj_put(op->p, &o);
}

/* As the caller, whoever checked before: to ask that is the operation.  (glibc's faccessat()
 * looks at other ids.) */
void posix_access_run(struct posix_op *op)
{
	const struct access_args *a = op->args;
	struct posix_caller c;
	struct posix_obj o;

	op->ret = posix_obj_get(op->p, &a->inode->gfid, op->type, NULL, OBJ_PATH_FD, &o);
	if (op->ret < 0)
		return;
	op->ret = caller_begin(op->id, CALLER_CHECKED, &c);
	if (op->ret == 0) {
		if (syscall(SYS_faccessat2, o.fd, "", a->mask & (R_OK | W_OK | X_OK),
			    AT_EACCESS | AT_EMPTY_PATH) < 0)
			op->ret = -errno;
		caller_end(&c);
	}
	posix_obj_put(op->p, &o);
}

void posix_statfs_run(struct posix_op *op)
{
	struct statfs_reply_data *s = &op->reply.statfs.statfs;
	struct statvfs v;

	if (fstatvfs(posix_root(op->p), &v) < 0) {
		op->ret = -errno;
		return;
	}
	*s = (struct statfs_reply_data){
		.blocks = v.f_blocks, .bfree = v.f_bfree, .bavail = v.f_bavail,
		.files = v.f_files, .ffree = v.f_ffree, .favail = v.f_favail,
		.bsize = (uint32_t)v.f_bsize, .frsize = (uint32_t)v.f_frsize,
		.namemax = (uint32_t)v.f_namemax, .flags = (uint32_t)v.f_flag,
	};
	if (!op->p->export_statfs_size)
		s->blocks = s->bfree = s->bavail = 0;
}
