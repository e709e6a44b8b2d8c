/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* storage/posix: bricks that cannot be, callers that may not, failures half way, order. */
#include <sys/wait.h>

#include "brick.h"

/* ---- init ---------------------------------------------------------------------------- */

/* init fails, and says this. */
static void refused(const char *sentence)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	ck_assert_int_ne(brick_try(""), 0);
	diag_print(D, out);
	fclose(out);
	if (!strstr(text, sentence))
		ck_abort_msg("expected \"%s\", got:\n%s", sentence, text);
	free(text);
	graph_free(G);
	G = NULL;
	brick_stop();
}

static bool empty(const char *path)
{
	return rmdir(path) == 0 && mkdir(path, 0755) == 0;
}

START_TEST(bad_directories)
{
	char file[200];

	snprintf(dir, sizeof dir, "%s/no/such/dir", base);
	refused("nor does the directory it would be in");
	snprintf(file, sizeof file, "%s/file", base);
	close(open(file, O_CREAT | O_WRONLY, 0600));
	snprintf(dir, sizeof dir, "%s", file);
	refused("is not a directory");
	unlink(file);
	snprintf(dir, sizeof dir, "/proc");
	refused("without extended attributes (proc)");
}
END_TEST

START_TEST(made_when_missing)
{
	umask(0);
	snprintf(dir, sizeof dir, "%s/made", base);
	brick_start("");
	ck_assert(there(on_disk(".glusterfs")));
	OK(stat, .inode = root());
	ck_assert_uint_eq(R.stat.attr.mode, S_IFDIR | 0777);
	brick_down();
}
END_TEST

START_TEST(one_process_at_a_time)
{
	struct loop *l;
	struct graph *g;
	struct diag *d;
	char pid[64], id[16], id2[16];

	brick_up("");
	ck_assert_int_eq(getxattr(dir, "trusted.glusterfs.brick-id", id, 16), 16);
	l = L, g = G, d = D;
	snprintf(pid, sizeof pid, "is in use by pid %d", (int)getpid());
	refused(pid);
	L = l, G = g, D = d;
	fd_unref(make_file(root(), "still works"));
	brick_again();
	ck_assert_int_eq(getxattr(dir, "trusted.glusterfs.brick-id", id2, 16), 16);
	ck_assert_mem_eq(id, id2, 16);
	/* a directory in a brick is no brick */
	struct inode *n = make_dir(root(), "sub");
	inode_unref(n);
	brick_stop();
	strcat(dir, "/sub");
	refused("is a directory inside another brick");
	ck_assert(!there(on_disk(".glusterfs")));
	*strrchr(dir, '/') = 0;
	remove_tree(dir);
}
END_TEST

START_TEST(read_only_file_system)
{
	snprintf(dir, sizeof dir, "%s/ro", base);
	mkdir(dir, 0755);
	if (mount_tmpfs("size=1m", MS_RDONLY)) {
		refused("is on a read-only file system (tmpfs)");
		umount(dir);
	}
	ck_assert(empty(dir));
	rmdir(dir);
}
END_TEST

START_TEST(nothing_is_left_of_a_failed_init)
{
	snprintf(dir, sizeof dir, "%s/x", base);
	mkdir(dir, 0755);
	int fd = open(on_disk(".glusterfs"), O_CREAT | O_WRONLY, 0600);	/* in the way */
	close(fd);
	refused("cannot make");
	ck_assert_int_lt(getxattr(dir, "trusted.gfid", NULL, 0), 0);
	unlink(on_disk(".glusterfs"));
	if (mount_tmpfs("size=1m,nr_inodes=4", 0)) {	/* root, .glusterfs, lock, 00 */
		refused("cannot make");
		ck_assert(!there(on_disk(".glusterfs")));
		ck_assert_int_lt(getxattr(dir, "trusted.gfid", NULL, 0), 0);
		ck_assert_int_lt(getxattr(dir, "trusted.glusterfs.brick-id", NULL, 0), 0);
		umount(dir);
	}
	rmdir(dir);
}
END_TEST

/* ---- failures half way --------------------------------------------------------------- */

START_TEST(creation_is_undone)
{
	brick_up("");
	struct inode *n = new_inode(S_IFREG), *d = new_inode(S_IFDIR), *l = new_inode(S_IFLNK),
		     *p = new_inode(S_IFIFO);
	struct fd *fd = fd_new(n, O_RDWR, false);

	/* no handle can be made */
	close(open(on_disk(".glusterfs/aa"), O_CREAT | O_WRONLY, 0600));
	ck_assert_int_eq(
		DO(create, .parent = root(), .name = "f", .inode = n, .fd = fd, .mode = 0600),
		-ENOTDIR);
	ck_assert_int_eq(DO(mkdir, .parent = root(), .name = "f", .inode = d, .mode = 0700),
			 -ENOTDIR);
	ck_assert_int_eq(DO(symlink, .parent = root(), .name = "f", .inode = l, .target = "t"),
			 -ENOTDIR);
	ck_assert_int_eq(
		DO(mknod, .parent = root(), .name = "f", .inode = p, .mode = S_IFIFO | 0600),
		-ENOTDIR);
	ck_assert(!there(on_disk("f")));
	unlink(on_disk(".glusterfs/aa"));

	/* an identity that is taken */
	struct fd *one = make_file(root(), "one");
	struct fd *two = fd_new(one->inode, O_RDWR, false);
	ck_assert_int_eq(DO(create, .parent = root(), .name = "two", .inode = one->inode, .fd = two,
			    .mode = 0600),
			 -EEXIST);
	ck_assert(!there(on_disk("two")));
	OK(stat, .inode = one->inode);
	ck_assert_uint_eq(R.stat.attr.nlink, 1);
	fd_unref(one), fd_unref(two), fd_unref(fd);
	inode_unref(n), inode_unref(d), inode_unref(l), inode_unref(p);
	brick_down();
}
END_TEST

START_TEST(full_disk)
{
	snprintf(dir, sizeof dir, "%s/full", base);
	mkdir(dir, 0755);
	if (mount_tmpfs("size=256k,nr_inodes=16", 0)) {
		brick_start("");
		char name[16];
		int ret = 0;

		for (int i = 0; i < 20 && ret == 0; i++) {
			struct inode *n = new_inode(i % 2 ? S_IFDIR : S_IFIFO);

			snprintf(name, sizeof name, "n%d", i);
			ret = i % 2 ? DO(mkdir, .parent = root(), .name = name, .inode = n,
					 .mode = 0700)
				    : DO(mknod, .parent = root(), .name = name, .inode = n,
					 .mode = S_IFIFO | 0600);
			if (ret) {
				ck_assert_int_eq(ret, -ENOSPC);
				ck_assert(!there(on_disk(name)) && !there(handle_of(&n->gfid)));
			}
			inode_unref(n);
		}
		ck_assert_int_eq(ret, -ENOSPC);
		OK(unlink, .parent = root(), .name = "n0");
		struct fd *fd = make_file(root(), "f");
		struct buf *b = buf_new(300 << 10);
		memset(b->data, 'x', b->len);
		ret = DO(write, .fd = fd, .data = b);
		ck_assert_int_gt(ret, 0);
		ck_assert_int_lt(ret, 300 << 10);
		ck_assert_uint_eq(R.write.attr.size, (uint64_t)ret);
		ck_assert_int_eq(DO(write, .fd = fd, .data = b, .offset = (uint64_t)ret), -ENOSPC);
		buf_unref(b);
		fd_unref(fd);
		brick_stop();
		umount(dir);
	}
	rmdir(dir);
}
END_TEST

/* ---- callers ------------------------------------------------------------------------- */

START_TEST(permissions_are_enforced)
{
	static const uint32_t groups[] = { 300, 400 };
	struct identity user = { .uid = 1000, .gid = 1000, .enforce = true }, grouped = user,
			super = { .enforce = true };

	brick_up("");
	struct inode *d = make_dir(root(), "d"), *n = new_inode(S_IFREG);
	struct fd *f = make_file(d, "f"), *fd = fd_new(n, O_RDWR, false),
		  *dfd = fd_new(d, O_RDONLY, true);

	grouped.groups = groups;
	grouped.nr_groups = 2;
	OK(setattr, .inode = d, .attr = { .mode = 0770, .gid = 400 }, .valid = SET_MODE | SET_GID);
	as = user;
	ck_assert_int_eq(DO(lookup, .parent = d, .name = "f"), -EACCES);
	ck_assert_int_eq(DO(create, .parent = d, .name = "x", .inode = n, .fd = fd, .mode = 0600),
			 -EACCES);
	ck_assert_int_eq(DO(unlink, .parent = d, .name = "f"), -EACCES);
	ck_assert_int_eq(DO(opendir, .inode = d, .fd = dfd), -EACCES);
	ck_assert_int_eq(DO(link, .inode = f->inode, .parent = d, .name = "y"), -EACCES);
	ck_assert_int_eq(DO(rename, .oldparent = d, .oldname = "f", .newparent = d, .newname = "y"),
			 -EACCES);
	ck_assert_int_eq(
		DO(setattr, .inode = f->inode, .attr = { .mode = 0777 }, .valid = SET_MODE),
		-EPERM);
	ck_assert_int_eq(DO(setattr, .inode = f->inode, .attr = { .uid = 1000 }, .valid = SET_UID),
			 -EPERM);
	ck_assert_int_eq(DO(truncate, .inode = f->inode, .size = 0), -EACCES);
	ck_assert_int_eq(set_value(f->inode, NULL, "user.a", "1", 0), -EACCES);
	ck_assert_int_eq(set_value(f->inode, NULL, "trusted.a", "1", 0), -EPERM);
	ck_assert_int_eq(DO(access, .inode = d, .mask = X_OK), -EACCES);
	struct fd *w = fd_new(f->inode, O_RDWR, false);
	ck_assert_int_eq(DO(open, .inode = f->inode, .fd = w, .flags = O_RDWR), -EACCES);
	/* 0644, and by identity no directory is in the way */
	OK(open, .inode = f->inode, .fd = w, .flags = O_RDONLY);
	fd_unref(w);

	as = grouped;
	OK(lookup, .parent = d, .name = "f");
	OK(access, .inode = d, .mask = R_OK | W_OK | X_OK);
	OK(opendir, .inode = d, .fd = dfd);
	OK(create, .parent = d, .name = "x", .inode = n, .fd = fd, .mode = 0600);
	ck_assert_uint_eq(R.create.attr.uid, 1000);
	OK(setattr, .inode = n, .attr = { .mode = 0 }, .valid = SET_MODE);
	OK(setattr, .inode = n, .attr = { .mode = 0600, .gid = 300 }, .valid = SET_MODE | SET_GID);
	ck_assert_int_eq(DO(setattr, .inode = n, .attr = { .gid = 500 }, .valid = SET_GID), -EPERM);
	struct inode *dev = new_inode(S_IFCHR);
	ck_assert_int_eq(DO(mknod, .parent = d, .name = "null", .inode = dev,
			    .mode = S_IFCHR | 0666, .rdev = 0x103),
			 -EPERM);
	inode_unref(dev);
	/* a sticky directory */
	as = (struct identity){ 0 };
	OK(setattr, .inode = d, .attr = { .mode = 01777 }, .valid = SET_MODE);
	as = user;
	ck_assert_int_eq(DO(unlink, .parent = d, .name = "f"), -EPERM);
	OK(unlink, .parent = d, .name = "x");
	as = super;
	OK(unlink, .parent = d, .name = "f");
	fd_unref(f), fd_unref(fd), fd_unref(dfd);
	inode_unref(d), inode_unref(n);
	brick_down();
}
END_TEST

/* A kernel has checked already, with groups that we do not know. */
START_TEST(permissions_are_not_checked_twice)
{
	brick_up("");
	struct inode *d = make_dir(root(), "d");

	OK(setattr, .inode = d, .attr = { .mode = 0700 }, .valid = SET_MODE);
	as = (struct identity){ .uid = 1000, .gid = 1000 };
	struct fd *f = make_file(d, "f");
	ck_assert_uint_eq(R.create.attr.uid, 1000);
	ck_assert_int_eq(write_text(f, 0, "x", 0), 1);
	OK(setattr, .inode = f->inode, .attr = { .mode = 0 }, .valid = SET_MODE);
	struct fd *again = fd_new(f->inode, O_RDWR, false);
	OK(open, .inode = f->inode, .fd = again, .flags = O_RDWR);
	/* but this is a question */
	ck_assert_int_eq(DO(access, .inode = f->inode, .mask = R_OK), -EACCES);
	OK(access, .inode = f->inode, .mask = F_OK);
	OK(unlink, .parent = d, .name = "f");
	fd_unref(f), fd_unref(again);
	inode_unref(d);
	brick_down();
}
END_TEST

/* ---- order --------------------------------------------------------------------------- */

START_TEST(operations_stay_in_order)
{
	enum { N = 60 };
	static struct pending p[N], st[N], sy;
	struct buf *big = buf_new(200 << 10), *small = buf_new(10);

	memset(big->data, 'b', big->len);
	memset(small->data, 's', small->len);
	brick_up("");
	struct fd *fd = make_file(root(), "f");
	uint64_t size = 0;

	/* large ones go to workers, small ones and stats could overtake them */
	for (int i = 0; i < N; i++) {
		struct buf *b = i % 3 ? small : big;

		START(&p[i], write, .fd = fd, .data = b, .flags = WRITE_APPEND);
		START(&st[i], stat, .inode = fd->inode, .fd = fd);
		if (i == N / 2)
			START(&sy, fsync, .fd = fd);
	}
	for (int i = 0; i < N; i++) {
		struct buf *b = i % 3 ? small : big;

		ck_assert_int_eq(finish(&p[i]), (int)b->len);
		ck_assert_uint_eq(p[i].reply.write.before.size, size);
		size += b->len;
		ck_assert_uint_eq(p[i].reply.write.attr.size, size);
		ck_assert_int_eq(finish(&st[i]), 0);
		ck_assert_uint_eq(st[i].reply.stat.attr.size, size);
		ck_assert_uint_lt(p[i].seq, st[i].seq);
		reply_drop(FOP_write, &p[i].reply);
	}
	ck_assert_int_eq(finish(&sy), 0);
	buf_unref(big);
	buf_unref(small);
	fd_unref(fd);
	brick_down();
}
END_TEST

START_TEST(names_stay_in_order)
{
	enum { N = 50 };
	static struct pending mk[N], mv[N], lo[N], rm[N];
	static char names[N][16];

	brick_up("");
	struct inode *a = make_dir(root(), "a"), *b = make_dir(root(), "b"), *nodes[N];
	for (int i = 0; i < N; i++) {
		struct inode *from = i % 2 ? a : b, *to = i % 2 ? b : a;

		nodes[i] = new_inode(S_IFDIR);
		snprintf(names[i], sizeof names[i], "n%d", i);
		START(&mk[i], mkdir, .parent = from, .name = names[i], .inode = nodes[i],
		      .mode = 0700);
		START(&mv[i], rename, .oldparent = from, .oldname = names[i], .newparent = to,
		      .newname = names[i]);
		START(&lo[i], lookup, .parent = to, .name = names[i]);
		START(&rm[i], rmdir, .parent = to, .name = names[i]);
	}
	for (int i = 0; i < N; i++) {
		ck_assert_int_eq(finish(&mk[i]), 0);
		ck_assert_int_eq(finish(&mv[i]), 0);
		ck_assert_int_eq(finish(&lo[i]), 0);
		ck_assert(gfid_equal(&lo[i].reply.lookup.attr.gfid, &nodes[i]->gfid));
		ck_assert_int_eq(finish(&rm[i]), 0);
		ck_assert(!there(handle_of(&nodes[i]->gfid)));
		inode_unref(nodes[i]);
	}
	inode_unref(a);
	inode_unref(b);
	brick_down();
}
END_TEST

START_TEST(statedump)
{
	char *text = NULL;
	size_t size;

	brick_up("");
	struct fd *fd = make_file(root(), "f");
	struct dump d = { .out = open_memstream(&text, &size) };
	graph_dump(G, &d);
	fclose(d.out);
	ck_assert_ptr_nonnull(strstr(text, dir));
	ck_assert_ptr_nonnull(strstr(text, "open-files=1"));
	free(text);
	fd_unref(fd);
	brick_down();
}
END_TEST

BRICK_MAIN("storage/posix bricks", bad_directories, made_when_missing, one_process_at_a_time,
	   read_only_file_system, nothing_is_left_of_a_failed_init, creation_is_undone, full_disk,
	   permissions_are_enforced, permissions_are_not_checked_twice, operations_stay_in_order,
	   names_stay_in_order, statedump)
