/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * actors.c - applications of the simulation: random operations, and a model of what was acknowledged.
 *
 * An actor changes its own directory only, one change of names at a time, as a kernel would let it; its
 * writes to different parts of a file go in parallel.  Every random number comes from the loop's seed.
 */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sim.h"
#include "transport.h"

static void next_operation(struct actor *a);

const struct xlator_type sim_application = {
	.abi = XLATOR_ABI, .name = "sim/application", .help = "applications of the simulation",
	.min_children = 1, .max_children = 1,
};

/* ---- no times: bricks are real directories with real clocks, and nothing may depend on those ---- */

static void forget_attr(struct attr *a)
{
	a->atime = a->mtime = a->ctime = a->btime = (struct ts){ 0, 0 };
}
#define forget_buf(x) ((void)(x))
#define forget_dict forget_buf
#define forget_dirents forget_buf
#define forget_u32 forget_buf
#define forget_u64 forget_buf
#define forget_lock forget_buf
#define forget_statfs forget_buf

static void timeless_done(struct frame *f, int child, int ret, const void *reply)
{
	union fop_reply copy;

	if (ret < 0)
		return fail(f, ret);
	memcpy(&copy, reply, fop_reply_size[f->op]);
	switch ((enum fop_id)f->op) {
#define FOP(n, k) case FOP_##n: { struct n##_reply *r = &copy.n; (void)r;
#define ARG(t, field)
#define RET(t, field) forget_##t(&r->field);
#define END(n) break; }
#include "fops.def"
	case FOP_COUNT: break;
	}
	unwind_any(f, ret, &copy);
}

static void timeless_any(struct frame *f)
{
	wind_any(f, 0, timeless_done);
}

const struct xlator_type sim_timeless = {
	.abi = XLATOR_ABI, .name = "sim/timeless", .help = "answers without times",
	.min_children = 1, .max_children = 1, .fops = { .any = timeless_any },
};

/* ---- actors ---- */

static uint64_t below(struct actor *a, uint64_t limit)
{
	return loop_random(a->cluster->loop) % limit;
}

/* A call of the actor's, its txn and the identity for a new object. */
static struct frame *begin(struct actor *a, struct gfid *ret_gfid)
{
	struct graph *g = a->cluster->client;
	struct identity id = { .pid = 1000 + a->number, .client = g->client_id, .txn = call_new_txn(g) };
	struct frame *f = call_new(a->cluster->app, &id, sizeof a);

	if (!f)
		die("no memory");
	*(struct actor **)frame_data(f) = a;
	if (ret_gfid)
		*ret_gfid = call_new_gfid(g, id.txn);
	a->pending++;
	return f;
}

static struct actor *actor_of(struct frame *f)
{
	return *(struct actor **)frame_data(f);
}

/* Ends the call; true when no other answer is awaited. */
static bool end(struct frame *f, int ret, const char *what)
{
	struct actor *a = actor_of(f);

	if (ret < 0)
		die("actor %d: %s: %s", a->number, what, strerror(-ret));
	call_end(f);
	return --a->pending == 0;
}

static void finished(struct actor *a)
{
	fd_unref(a->fd);
	inode_unref(a->inode);
	a->fd = NULL;
	a->inode = NULL;
	next_operation(a);
}

static struct inode *inode_of(struct actor *a, const struct model_file *file)
{
	struct inode *inode = inode_get(a->cluster->client->inodes, &file->gfid, S_IFREG);

	if (!inode)
		die("no memory");
	return inode;
}

/* ---- write: open or create, up to four writes in parallel, perhaps fsync ---- */

static void write_done(struct frame *f, int child, int ret, const struct write_reply *reply)
{
	struct actor *a = actor_of(f);

	if (end(f, ret, "write"))
		finished(a);
}

static void write_parts(struct actor *a)
{
	uint32_t parts = 1 + below(a, 4);
	struct model_file *file = a->file;

	for (uint32_t i = 0; i < parts; i++) {
		uint64_t offset = FILE_MAX / 4 * i + below(a, 4096);
		uint32_t length = 1 + below(a, 8192);
		struct buf *data = buf_new(length);

		if (!data)
			die("no memory");
		memset(data->data, 'a' + below(a, 26), length);
		if (offset > file->size)
			memset(file->content + file->size, 0, offset - file->size);
		memcpy(file->content + offset, data->data, length);
		if (offset + length > file->size)
			file->size = offset + length;
		wind_write(begin(a, NULL), 0, &(struct write_args){ .fd = a->fd, .data = data, .offset = offset }, write_done);
		buf_unref(data);
	}
}

static void open_done(struct frame *f, int child, int ret, const struct open_reply *reply)
{
	struct actor *a = actor_of(f);

	end(f, ret, "open");
	write_parts(a);
}

static void create_done(struct frame *f, int child, int ret, const struct create_reply *reply)
{
	struct actor *a = actor_of(f);

	end(f, ret, "create");
	a->file->exists = true;
	a->file->size = 0;
	a->file->mode = 0640;
	write_parts(a);
}

static void op_write(struct actor *a)
{
	if (a->file->exists) {
		a->inode = inode_of(a, a->file);
		a->fd = fd_new(a->inode, O_RDWR, false);
		return wind_open(begin(a, NULL), 0, &(struct open_args){ .inode = a->inode, .fd = a->fd, .flags = O_RDWR },
				 open_done);
	}
	struct frame *f = begin(a, &a->file->gfid);
	a->inode = inode_of(a, a->file);
	a->fd = fd_new(a->inode, O_RDWR, false);
	wind_create(f, 0, &(struct create_args){ .parent = a->dir, .name = a->file->name, .inode = a->inode, .fd = a->fd,
		    .flags = O_RDWR, .mode = 0640 }, create_done);
}

/* ---- the others ---- */

static void unlink_done(struct frame *f, int child, int ret, const struct unlink_reply *reply)
{
	struct actor *a = actor_of(f);

	end(f, ret, "unlink");
	a->file->exists = false;
	finished(a);
}

static void truncate_done(struct frame *f, int child, int ret, const struct truncate_reply *reply)
{
	struct actor *a = actor_of(f);

	end(f, ret, "truncate");
	if (a->offset > a->file->size)
		memset(a->file->content + a->file->size, 0, a->offset - a->file->size);
	a->file->size = a->offset;
	finished(a);
}

static void setattr_done(struct frame *f, int child, int ret, const struct setattr_reply *reply)
{
	struct actor *a = actor_of(f);

	end(f, ret, "setattr");
	a->file->mode = a->length;
	finished(a);
}

static void rename_done(struct frame *f, int child, int ret, const struct rename_reply *reply)
{
	struct actor *a = actor_of(f);
	struct model_file *from = a->file, *to = a->other;
	char name[16];

	end(f, ret, "rename");
	memcpy(name, to->name, sizeof name);	/* each keeps its name, the content moves */
	char own[16];
	memcpy(own, from->name, sizeof own);
	*to = *from;
	memcpy(to->name, name, sizeof name);
	memcpy(from->name, own, sizeof own);
	from->exists = false;
	finished(a);
}

static void read_done(struct frame *f, int child, int ret, const struct read_reply *reply)
{
	struct actor *a = actor_of(f);

	if (ret >= 0) {
		if (reply->data->len != a->file->size)
			die("actor %d: %s has %zu bytes, not %zu", a->number, a->file->name, reply->data->len, a->file->size);
		if (memcmp(reply->data->data, a->file->content, a->file->size) != 0)
			die("actor %d: %s has other contents than were written", a->number, a->file->name);
	}
	end(f, ret, "read");
	finished(a);
}

static void read_open_done(struct frame *f, int child, int ret, const struct open_reply *reply)
{
	struct actor *a = actor_of(f);

	end(f, ret, "open to read");
	wind_read(begin(a, NULL), 0, &(struct read_args){ .fd = a->fd, .size = FILE_MAX }, read_done);
}

static void op_other(struct actor *a, uint64_t which)
{
	struct model_file *file = a->file;

	a->inode = inode_of(a, file);
	switch (which) {
	case 0:
		return wind_unlink(begin(a, NULL), 0, &(struct unlink_args){ .parent = a->dir, .name = file->name }, unlink_done);
	case 1:
		a->offset = below(a, FILE_MAX);
		return wind_truncate(begin(a, NULL), 0, &(struct truncate_args){ .inode = a->inode, .size = a->offset },
				     truncate_done);
	case 2:
		a->length = 0400 | below(a, 0400);
		return wind_setattr(begin(a, NULL), 0, &(struct setattr_args){ .inode = a->inode, .valid = SET_MODE,
				    .attr.mode = a->length }, setattr_done);
	case 3:
		a->other = &a->files[below(a, ACTOR_FILES)];
		if (a->other == file)
			return finished(a);
		return wind_rename(begin(a, NULL), 0, &(struct rename_args){ .oldparent = a->dir, .oldname = file->name,
				   .newparent = a->dir, .newname = a->other->name }, rename_done);
	default:
		a->fd = fd_new(a->inode, O_RDONLY, false);
		return wind_open(begin(a, NULL), 0, &(struct open_args){ .inode = a->inode, .fd = a->fd, .flags = O_RDONLY },
				 read_open_done);
	}
}

static void next_operation(struct actor *a)
{
	struct cluster *c = a->cluster;

	if (a->left-- == 0) {
		if (--c->actors_busy == 0)
			c->all_done = true;
		return;
	}
	if (++c->operations == c->cut_at)
		c->cut_at = 0, mem_cut(c->loop, "brick1");
	a->file = &a->files[below(a, ACTOR_FILES)];
	if (!a->file->exists || below(a, 3) == 0)
		return op_write(a);
	op_other(a, below(a, 5));
}

static void mkdir_done(struct frame *f, int child, int ret, const struct mkdir_reply *reply)
{
	struct actor *a = actor_of(f);

	end(f, ret, "mkdir");
	next_operation(a);
}

void actors_start(struct cluster *c, uint32_t operations)
{
	c->actors = calloc(SIM_ACTORS, sizeof *c->actors);
	if (!c->actors)
		die("no memory");
	c->actors_busy = SIM_ACTORS;
	for (int i = 0; i < SIM_ACTORS; i++) {
		struct actor *a = &c->actors[i];
		struct gfid gfid;

		a->cluster = c;
		a->number = i;
		a->left = operations;
		snprintf(a->dir_name, sizeof a->dir_name, "actor%d", i);
		for (int k = 0; k < ACTOR_FILES; k++)
			snprintf(a->files[k].name, sizeof a->files[k].name, "file%d", k);
		struct frame *f = begin(a, &gfid);
		a->dir = inode_get(c->client->inodes, &gfid, S_IFDIR);
		wind_mkdir(f, 0, &(struct mkdir_args){ .parent = inode_root(c->client->inodes), .name = a->dir_name,
			   .inode = a->dir, .mode = 0755 }, mkdir_done);
	}
}

void actors_free(struct cluster *c)
{
	for (int i = 0; c->actors && i < SIM_ACTORS; i++)
		inode_unref(c->actors[i].dir);
	free(c->actors);
	c->actors = NULL;
}

static int verify_file(const char *brick, const struct actor *a, const struct model_file *file)
{
	static uint8_t content[FILE_MAX + 1];
	char path[256];
	struct stat st;

	snprintf(path, sizeof path, "%s/%s/%s", brick, a->dir_name, file->name);
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		if (!file->exists)
			return 0;
		printf("%s is lost\n", path);
		return 1;
	}
	ssize_t n = read(fd, content, sizeof content);
	int wrong = 0;
	if (!file->exists)
		wrong = printf("%s was deleted and is there\n", path) > 0;
	else if (n != (ssize_t)file->size || memcmp(content, file->content, file->size) != 0)
		wrong = printf("%s does not have what was written: %zd bytes, not %zu\n", path, n, file->size) > 0;
	else if (fstat(fd, &st) != 0 || (st.st_mode & 07777) != file->mode)
		wrong = printf("%s has mode %o, not %o\n", path, st.st_mode & 07777, file->mode) > 0;
	close(fd);
	return wrong;
}

int actors_verify(struct cluster *c, const char *brick)
{
	int wrong = 0;

	for (int i = 0; i < SIM_ACTORS; i++)
		for (int k = 0; k < ACTOR_FILES; k++)
			wrong += verify_file(brick, &c->actors[i], &c->actors[i].files[k]);
	return wrong;
}
