/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * dump.h - a statedump: what a process holds right now, as text in sections of "key=value".
 *
 *	[mirror0: cluster/afr]
 *	child.0.name=remote1
 */
#ifndef GLUSTERFS_DUMP_H
#define GLUSTERFS_DUMP_H

#include <stdio.h>
#include <stdint.h>

struct dump {
	FILE *out;
};

void dump_section(struct dump *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void dump_value(struct dump *d, const char *key, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static inline void dump_u64(struct dump *d, const char *key, uint64_t value)
{
	dump_value(d, key, "%llu", (unsigned long long)value);
}

#endif
