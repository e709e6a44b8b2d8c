/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * posix-space.c - limits that a file system has for others than root: quotas, and the blocks that it
 * keeps back.
 *
 * The kernel looks at who writes, and that is us: root with CAP_SYS_RESOURCE, for whom there are no
 * limits.  Being the caller for each write costs four system calls, so it is looked up now and then
 * whether it matters: quotas are on, or there is so little left that the rest may soon be the part
 * kept back.
 *
 * Limitations: what a kernel writes back for somebody later (a mapping, fuse's writeback-cache) comes
 * without his name: it may use what is kept back, and has the quotas of the file's owner.
 */
#include <sys/quota.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "posix.h"

#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443
#endif

enum { LOOK_NS = 100000000, NEAR_BYTES = 256 << 20 };

static bool has_quotas(int fd)
{
	uint32_t format;

	return syscall(SYS_quotactl_fd, fd, QCMD((unsigned int)Q_GETFMT, USRQUOTA), 0, &format) == 0 ||
	       syscall(SYS_quotactl_fd, fd, QCMD((unsigned int)Q_GETFMT, GRPQUOTA), 0, &format) == 0;
}

static bool is_reserve_near(int fd)
{
	struct statvfs v;

	return fstatvfs(fd, &v) == 0 && v.f_bavail < v.f_bfree &&
	       (uint64_t)v.f_bavail * v.f_frsize < NEAR_BYTES;
}

unsigned posix_limited(struct posix_op *op)
{
	struct posix *p = op->p;
	int fd = posix_root(p);

	if (op->id->uid == 0)
		return 0;
	if (op->now_ns >= atomic_load(&p->look_again_ns)) {
		atomic_store(&p->look_again_ns, op->now_ns + LOOK_NS);
		atomic_store(&p->limited, is_reserve_near(fd) || has_quotas(fd));
	}
	return atomic_load(&p->limited) ? CALLER_LIMITED : 0;
}
