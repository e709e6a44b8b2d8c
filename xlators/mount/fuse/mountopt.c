/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * mountopt.c - the options of mount(8) that are the kernel's, as a list of words (ro,noatime,...).
 */
#include "config.h"

#include <stdlib.h>
#include <sys/mount.h>

#include "mount.h"

static const struct {
	const char *name;
	unsigned long set, clear;
} flag_options[] = {
	{ "ro", MS_RDONLY, 0 },
	{ "rw", 0, MS_RDONLY },
	{ "nosuid", MS_NOSUID, 0 },
	{ "suid", 0, MS_NOSUID },
	{ "nodev", MS_NODEV, 0 },
	{ "dev", 0, MS_NODEV },
	{ "noexec", MS_NOEXEC, 0 },
	{ "exec", 0, MS_NOEXEC },
	{ "sync", MS_SYNCHRONOUS, 0 },
	{ "async", 0, MS_SYNCHRONOUS },
	{ "dirsync", MS_DIRSYNC, 0 },
	{ "noatime", MS_NOATIME, 0 },
	{ "atime", 0, MS_NOATIME },
	{ "nodiratime", MS_NODIRATIME, 0 },
	{ "diratime", 0, MS_NODIRATIME },
	{ "relatime", MS_RELATIME, 0 },
	{ "norelatime", 0, MS_RELATIME },
	{ "strictatime", MS_STRICTATIME, 0 },
	{ "nostrictatime", 0, MS_STRICTATIME },
	{ "defaults", 0, 0 },
	{ "nonempty", 0, 0 },
	/* of fstab: for mount(8), systemd and others that read it */
	{ "auto", 0, 0 },
	{ "noauto", 0, 0 },
	{ "nofail", 0, 0 },
	{ "_netdev", 0, 0 },
	{ "user", MS_NOEXEC | MS_NOSUID | MS_NODEV, 0 },
	{ "users", MS_NOEXEC | MS_NOSUID | MS_NODEV, 0 },
	{ "nouser", 0, 0 },
	/* always so */
	{ "allow_other", 0, 0 },
	{ "default_permissions", 0, 0 },
};
enum { NR_FLAG_OPTIONS = sizeof flag_options / sizeof flag_options[0] };

static bool for_others(const char *word, size_t len)
{
	return (len >= 2 && strncmp(word, "x-", 2) == 0) ||
	       (len >= 8 && strncmp(word, "comment=", 8) == 0);
}

int mountopt_parse(struct xlator *xl, const char *list, unsigned long *flags)
{
	const char *at = list, *word;
	size_t len, i;

	while (list && option_list_next(&at, &word, &len)) {
		for (i = 0; i < NR_FLAG_OPTIONS; i++)
			if (strlen(flag_options[i].name) == len &&
			    strncmp(flag_options[i].name, word, len) == 0)
				break;
		if (i < NR_FLAG_OPTIONS) {
			*flags = (*flags & ~flag_options[i].clear) | flag_options[i].set;
		} else if (!for_others(word, len)) {
			xl_error(xl, "mount-options", "there is no mount option \"%.*s\"", (int)len,
				 word);
			return -EINVAL;
		}
	}
	return 0;
}
