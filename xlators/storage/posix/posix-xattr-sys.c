/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * posix-xattr-sys.c - xattrs of objects that are reached without a path.
 *
 * Linux 6.13 has getxattrat(2) and setxattrat(2); before it the way to "this name below that
 * descriptor, not following it" leads through /proc/self/fd, which costs a few path components
 * more.  glibc has no wrappers yet.
 */
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "posix.h"

#ifndef SYS_setxattrat
#define SYS_setxattrat 463
#define SYS_getxattrat 464
#endif

struct xattrat_args {
	uint64_t value;
	uint32_t size, flags;
};

enum { NAME_PROC_MAX = 32 + 256 };

static atomic_bool have_at;	/* the same for the whole process, whoever asks */

void xattr_sys_detect(int root_fd)
{
	uint8_t value[16];
	struct xattrat_args a = { (uintptr_t)value, sizeof value, 0 };
	long n = syscall(SYS_getxattrat, root_fd, ".", 0, POSIX_XATTR_GFID, &a, sizeof a);

	have_at = n >= 0 || errno == ENODATA || errno == ERANGE;
}

static void proc_name(int dirfd, const char *name, char out[NAME_PROC_MAX])
{
	snprintf(out, NAME_PROC_MAX, "/proc/self/fd/%d/%s", dirfd, name);
}

ssize_t xattr_at_get(int dirfd, const char *name, const char *key, void *value, size_t size)
{
	char path[NAME_PROC_MAX];
	ssize_t n;

	if (have_at) {
		struct xattrat_args a = { (uintptr_t)value, (uint32_t)size, 0 };

		n = syscall(SYS_getxattrat, dirfd, name, AT_SYMLINK_NOFOLLOW, key, &a, sizeof a);
	} else {
		proc_name(dirfd, name, path);
		n = lgetxattr(path, key, value, size);
	}
	return n < 0 ? -errno : n;
}

int xattr_at_set(int dirfd, const char *name, const char *key, const void *value, size_t size,
		 int flags)
{
	char path[NAME_PROC_MAX];
	long ret;

	if (have_at) {
		struct xattrat_args a = { (uintptr_t)value, (uint32_t)size, (uint32_t)flags };

		ret = syscall(SYS_setxattrat, dirfd, name, AT_SYMLINK_NOFOLLOW, key, &a, sizeof a);
	} else {
		proc_name(dirfd, name, path);
		ret = lsetxattr(path, key, value, size, flags);
	}
	return ret < 0 ? -errno : 0;
}

ssize_t xattr_obj_get(const struct posix_obj *o, const char *key, void *value, size_t size)
{
	char path[POSIX_PROC_MAX];
	ssize_t n;

	if (o->opened)
		n = fgetxattr(o->fd, key, value, size);
	else if (*o->path)
		return xattr_at_get(o->fd, o->path, key, value, size);
	else
		n = posix_obj_proc(o, path) ? getxattr(path, key, value, size) : -1;
	return n < 0 ? -errno : n;
}

ssize_t xattr_obj_list(const struct posix_obj *o, char *list, size_t size)
{
	char path[POSIX_PROC_MAX];
	ssize_t n;

	if (o->opened)
		n = flistxattr(o->fd, list, size);
	else if (posix_obj_proc(o, path))
		n = listxattr(path, list, size);
	else
		n = llistxattr(path, list, size);
	return n < 0 ? -errno : n;
}

int xattr_obj_set(const struct posix_obj *o, const char *key, const void *value, size_t size,
		  int flags)
{
	char path[POSIX_PROC_MAX];
	int ret;

	if (o->opened)
		ret = fsetxattr(o->fd, key, value, size, flags);
	else if (*o->path)
		return xattr_at_set(o->fd, o->path, key, value, size, flags);
	else
		ret = posix_obj_proc(o, path) ? setxattr(path, key, value, size, flags) : -1;
	return ret < 0 ? -errno : 0;
}

int xattr_obj_remove(const struct posix_obj *o, const char *key)
{
	char path[POSIX_PROC_MAX];
	int ret;

	if (o->opened)
		ret = fremovexattr(o->fd, key);
	else if (posix_obj_proc(o, path))
		ret = removexattr(path, key);
	else
		ret = lremovexattr(path, key);
	return ret < 0 ? -errno : 0;
}

int xattr_is_ours(const char *key)
{
	if (!strcmp(key, POSIX_XATTR_BRICK_ID))
		return XATTR_OURS_READ_ONLY;
	if (!strncmp(key, "trusted.glusterfs.afr.", 22))
		return 0;
	if (!strcmp(key, POSIX_XATTR_GFID) ||
	    !strncmp(key, POSIX_XATTR_PREFIX, strlen(POSIX_XATTR_PREFIX)) ||
	    !strncmp(key, "trusted.afr.", 12))
		return XATTR_OURS_HIDDEN;
	return 0;
}
