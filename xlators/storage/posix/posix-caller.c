/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * posix-caller.c - being the caller for the length of one system call.
 *
 * The ids of a thread are its own in Linux (glibc's wrappers change all threads, so the raw calls
 * are used); the file system looks at fsuid, fsgid, the groups and the effective capabilities.
 *
 * Normally a kernel has checked permissions already, at the client, with groups that we do not
 * know: then only the ids change, so that what is created belongs to the caller, and the
 * capabilities stay (SECBIT_NO_SETUID_FIXUP: else the kernel would drop them with the uid).
 * identity->enforce says that nobody has checked: then the groups change too and every capability
 * that the file system asks for goes.  identity->kill_priv says that the caller cannot keep
 * set-user-id bits (CAP_FSETID): where there are any, ids and groups change too, as it depends on them
 * which bits go.
 *
 * The umask is a thread's own too once it has its own file system state (CLONE_FS): where a default ACL
 * takes its place only the file system knows.
 *
 * Limitation: the thread's own supplementary groups are not restored but emptied, as root needs
 * none.
 */
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "posix.h"

#define BIT(cap) (1ull << (cap))

enum { DID_IDS = 1, DID_GROUPS = 2, DID_CAPS = 4 };

/* What lets a process pass by permissions, or do to files what only root may. */
static const uint64_t file_caps =
	BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_FOWNER) |
	BIT(CAP_FSETID) | BIT(CAP_LINUX_IMMUTABLE) | BIT(CAP_MKNOD) | BIT(CAP_MAC_OVERRIDE) |
	BIT(CAP_SYS_ADMIN) | BIT(CAP_SYS_RESOURCE) | BIT(CAP_SETFCAP) | BIT(CAP_LEASE);

/*
 * initial-exec: 32 bytes of the room that the C library keeps for this; faster, and sanitizers of
 * today misread the blocks that a loaded object gets otherwise.
 */
static _Thread_local __attribute__((tls_model("initial-exec"))) struct {
	bool known, keeps;	/* keeps: changing the uid leaves the capabilities alone */
	bool asked_umask, own_umask;
	uint64_t effective, permitted, inheritable;
} self;

static void caller_learn(void)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2] = { { 0 } };
	int bits = prctl(PR_GET_SECUREBITS);

	self.keeps = bits >= 0 && prctl(PR_SET_SECUREBITS, bits | SECBIT_NO_SETUID_FIXUP) == 0;
	if (syscall(SYS_capget, &h, d) == 0) {
		self.effective = d[0].effective | (uint64_t)d[1].effective << 32;
		self.permitted = d[0].permitted | (uint64_t)d[1].permitted << 32;
		self.inheritable = d[0].inheritable | (uint64_t)d[1].inheritable << 32;
	}
	self.known = true;
}

static int caller_set_caps(uint64_t effective)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2] = {
		{ (uint32_t)effective, (uint32_t)self.permitted, (uint32_t)self.inheritable },
		{ effective >> 32, self.permitted >> 32, self.inheritable >> 32 },
	};

	return syscall(SYS_capset, &h, d) == 0 ? 0 : -errno;
}

static void caller_set_ids(uint32_t uid, uint32_t gid)
{
	syscall(SYS_setfsgid, gid);
	syscall(SYS_setfsuid, uid);
}

int caller_begin(const struct identity *id, unsigned how, struct posix_caller *c)
{
	bool whole = id->enforce || (how & CALLER_CHECKED);
	uint64_t caps;
	int ret = 0;

	c->did = 0;
	if (!whole && !(how & (CALLER_KILLS_PRIV | CALLER_LIMITED)) &&
	    (!(how & CALLER_OWNS) || (id->uid == 0 && id->gid == 0)))
		return 0;
	if (!self.known)
		caller_learn();
	caps = self.effective;
	if ((whole && id->uid != 0) || (how & CALLER_KILLS_PRIV)) {
		if (syscall(SYS_setgroups, (size_t)id->nr_groups, id->groups) < 0)
			return -errno;
		c->did |= DID_GROUPS;
	}
	if (whole && id->uid != 0)
		caps &= ~file_caps;
	if (how & CALLER_KILLS_PRIV)
		caps &= ~BIT(CAP_FSETID);
	if (how & CALLER_LIMITED)
		caps &= ~BIT(CAP_SYS_RESOURCE);
	if ((whole || (how & (CALLER_OWNS | CALLER_KILLS_PRIV | CALLER_LIMITED))) &&
	    (id->uid || id->gid)) {
		caller_set_ids(id->uid, id->gid);
		c->did |= DID_IDS;
	}
	if (caps != self.effective || (!self.keeps && (c->did & DID_IDS))) {
		ret = caller_set_caps(caps);
		c->did |= DID_CAPS;
	}
	if (ret < 0)
		caller_end(c);
	return ret;
}

void caller_end(struct posix_caller *c)
{
	int saved = errno;

	if (c->did & DID_IDS)
		caller_set_ids(0, 0);
	if (c->did & DID_CAPS)
		caller_set_caps(self.effective);
	if (c->did & DID_GROUPS)
		syscall(SYS_setgroups, (size_t)0, NULL);
	c->did = 0;
	errno = saved;
}

int umask_begin(uint32_t mask)
{
	if (!self.asked_umask)
		self.own_umask = unshare(CLONE_FS) == 0;
	self.asked_umask = true;
	return self.own_umask ? (int)umask(mask & 0777) : -1;
}

void umask_end(int before)
{
	if (before >= 0)
		umask(before);
}

int caller_check_process(void)
{
	const uint64_t needed = BIT(CAP_SYS_ADMIN) | BIT(CAP_SETUID) | BIT(CAP_SETGID) |
				BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_DAC_READ_SEARCH) |
				BIT(CAP_FOWNER);

	caller_learn();
	if (geteuid() != 0 || (self.effective & needed) != needed) {
		errno = EPERM;
		return -1;
	}
	return 0;
}
