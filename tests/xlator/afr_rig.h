/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * afr_rig.h - cluster/afr over two or three scripted children: what its test programs share.
 */
#ifndef TESTS_AFR_RIG_H
#define TESTS_AFR_RIG_H

#include "config.h"

#include <fcntl.h>
#include <stdio.h>

#include "script.h"
#include "../../xlators/cluster/afr/afr.h"

extern const struct xlator_export glusterfs_xlator;

static struct rig r;
static struct script *b[3];
static const struct xlator_type *types[2];

#define BRICKS2 "volume b0 type test/child end-volume volume b1 type test/child end-volume "
#define BRICKS3 BRICKS2 "volume b2 type test/child end-volume "
#define AFR(more, kids) "volume m type cluster/afr " more " subvolumes " kids " end-volume"

static inline void up_as(const char *volfile)
{
	types[0] = glusterfs_xlator.type;
	rig_types = types;
	log_threshold = LOG_NONE_;
	rig_up(&r, volfile, 1);
	for (int i = 0; i < 3; i++) {
		char name[] = { 'b', (char)('0' + i), '\0' };

		b[i] = graph_find(r.g, name) ? script_of(&r, name) : NULL;
	}
}

static inline void up2(void)
{
	up_as(BRICKS2 AFR("", "b0 b1"));
}

static inline void up3(void)
{
	up_as(BRICKS3 AFR("", "b0 b1 b2"));
}

/* The mark against brick `out` on brick `at`. */
static inline const char *mark(int at, int out)
{
	char name[96];

	snprintf(name, sizeof name, "trusted.glusterfs.afr.out.b00000000000000000000000000000%02x",
		 out);
	return brick_get(&script_brick[at], name);
}

static inline void put_mark(int at, int out)
{
	char name[96];

	snprintf(name, sizeof name, "trusted.glusterfs.afr.out.b00000000000000000000000000000%02x",
		 out);
	brick_set(&script_brick[at], name, "it missed a change", 18);
}

static inline const char *mark_others(int at)
{
	return brick_get(&script_brick[at], "trusted.glusterfs.afr.out.others");
}

/* What the statedump says of child i. */
static inline const char *state(int i)
{
	static char line[512];
	char *text = NULL, key[32];
	size_t size;
	FILE *out = open_memstream(&text, &size);

	graph_dump(r.g, &(struct dump){ out });
	fclose(out);
	snprintf(key, sizeof key, "\nchild.%d=b%d: ", i, i);
	char *at = strstr(text, key);
	ck_assert_ptr_nonnull(at);
	snprintf(line, sizeof line, "%.*s", (int)strcspn(at + strlen(key), "\n"), at + strlen(key));
	free(text);
	return line;
}
#define is_member(i) (strcmp(state(i), "member") == 0)
#define is_out(i) (strncmp(state(i), "out ", 4) == 0)

static inline struct unlink_args a_change(void)
{
	return (struct unlink_args){ .parent = inode_root(r.g->inodes), .name = "x" };
}

static inline int change(void)
{
	struct unlink_args args = a_change();
	struct answer a;

	rig_call(&r, &a, FOP_unlink, &args);
	rig_wait(&r, &a);
	int ret = a.ret;
	answer_drop(&a);
	return ret;
}

static inline int do_stat(void)
{
	struct stat_args args = { .inode = inode_root(r.g->inodes) };
	struct answer a;

	rig_call(&r, &a, FOP_stat, &args);
	rig_wait(&r, &a);
	int ret = a.ret;
	answer_drop(&a);
	return ret;
}

static inline struct inode *object(uint8_t n)
{
	struct gfid g = { .b = { 1, [15] = n } };

	return inode_get(r.g->inodes, &g, S_IFREG);
}

static inline struct fd *open_file(uint8_t n)
{
	struct inode *inode = object(n);
	struct fd *fd = fd_new(inode, O_RDWR, false);
	struct answer a;

	rig_call(&r, &a, FOP_open,
		 &(struct open_args){ .inode = inode, .fd = fd, .flags = O_RDWR });
	inode_unref(inode);
	rig_wait(&r, &a);
	ck_assert_int_eq(a.ret, 0);
	answer_drop(&a);
	return fd;
}

static inline void start_write(struct answer *a, struct fd *fd, size_t n)
{
	_cleanup_buf_ struct buf *data = buf_new(n);

	memset(data->data, 'w', n);
	rig_call(&r, a, FOP_write, &(struct write_args){ .fd = fd, .data = data });
}

static inline void let_time_pass(uint32_t ms)
{
	loop_run_until(r.loop, &(bool){ false }, ms);
}

#endif
