/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* storage/posix: objects, data, attributes, xattrs, names. */
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "brick.h"

/* ---- making and removing ------------------------------------------------------------- */

START_TEST(create_and_unlink)
{
	struct identity user = { .uid = 1234, .gid = 5678, .pid = 1 };
	struct stat st;
	struct gfid g;

	brick_up("");
	as = user;
	struct fd *fd = make_file(root(), "a");
	g = fd->inode->gfid;
	ck_assert(gfid_equal(&R.create.attr.gfid, &g));
	ck_assert_uint_eq(R.create.attr.mode, S_IFREG | 0644);
	ck_assert_uint_eq(R.create.attr.uid, 1234);
	ck_assert_uint_eq(R.create.attr.gid, 5678);
	ck_assert_uint_eq(R.create.attr.nlink, 1);
	ck_assert(R.create.attr.btime.sec != 0);
	ck_assert(gfid_equal(&R.create.parent.gfid, &gfid_root));
	ck_assert(S_ISDIR(R.create.parent.mode));
	ck_assert_int_eq(stat(on_disk("a"), &st), 0);
	ck_assert_uint_eq(st.st_nlink, 2);
	ck_assert(there(handle_of(&g)));

	/* always exclusive */
	struct inode *other = new_inode(S_IFREG);
	struct fd *fd2 = fd_new(other, O_RDWR, false);
	ck_assert_int_eq(
		DO(create, .parent = root(), .name = "a", .inode = other, .fd = fd2, .mode = 0600),
		-EEXIST);
	ck_assert(!there(handle_of(&other->gfid)));

	OK(unlink, .parent = root(), .name = "a");
	ck_assert(gfid_equal(&R.unlink.attr.gfid, &g));
	ck_assert_uint_eq(R.unlink.attr.nlink, 0);
	ck_assert(attr_present(&R.unlink.parent));
	ck_assert(!there(handle_of(&g)) && !there(on_disk("a")));
	ck_assert_int_eq(DO(unlink, .parent = root(), .name = "a"), -ENOENT);
	fd_unref(fd);
	fd_unref(fd2);
	inode_unref(other);
	brick_down();
}
END_TEST

START_TEST(umask_and_setgid_directory)
{
	brick_up("");
	struct inode *d = make_dir(root(), "d"), *n = new_inode(S_IFDIR);

	OK(setattr, .inode = d, .attr = { .mode = 02775, .gid = 77 }, .valid = SET_MODE | SET_GID);
	as = (struct identity){ .uid = 1000, .gid = 1000 };
	OK(mkdir, .parent = d, .name = "sub", .inode = n, .mode = 0777, .umask = 027);
	ck_assert_uint_eq(R.mkdir.attr.mode, S_IFDIR | 02750);
	ck_assert_uint_eq(R.mkdir.attr.uid, 1000);
	ck_assert_uint_eq(R.mkdir.attr.gid, 77);
	inode_unref(n);
	inode_unref(d);
	brick_down();
}
END_TEST

START_TEST(all_kinds_of_objects)
{
	static const struct { uint32_t mode; uint64_t rdev;
	} kinds[] = {
		{ S_IFREG | 0640, 0 },
		{ S_IFIFO | 0600, 0 },
		{ S_IFSOCK | 0700, 0 },
		{ S_IFCHR | 0666, (5 << 8) | 0x12 | (0x345 << 20) },
		{ S_IFBLK | 0600, (0xabc << 8) | 7 },
	};
	char name[] = "k0";

	brick_up("");
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		struct inode *n = new_inode(kinds[i].mode & S_IFMT);

		name[1] = (char)('0' + i);
		OK(mknod, .parent = root(), .name = name, .inode = n, .mode = kinds[i].mode,
		   .rdev = kinds[i].rdev);
		ck_assert_uint_eq(R.mknod.attr.mode, kinds[i].mode);
		ck_assert_uint_eq(R.mknod.attr.rdev, kinds[i].rdev);
		ck_assert_uint_eq(R.mknod.attr.nlink, 1);
		OK(stat, .inode = n);
		ck_assert_uint_eq(R.stat.attr.mode, kinds[i].mode);
		OK(unlink, .parent = root(), .name = name);
		ck_assert_int_eq(DO(stat, .inode = n), -ESTALE);
		inode_unref(n);
	}
	brick_down();
}
END_TEST

START_TEST(symlinks)
{
	brick_up("");
	struct inode *n = new_inode(S_IFLNK), *again;

	as.uid = 42;
	OK(symlink, .parent = root(), .name = "l", .inode = n, .target = "/etc/passwd");
	ck_assert(S_ISLNK(R.symlink.attr.mode));
	ck_assert_uint_eq(R.symlink.attr.uid, 42);
	OK(readlink, .inode = n);
	ck_assert(buf_is(R.readlink.target, "/etc/passwd"));
	again = look(root(), "l");
	ck_assert_ptr_eq(again, n);
	inode_unref(again);
	/* nothing follows it */
	OK(setattr, .inode = n, .attr = { .uid = 43, .mtime = { 1000, 5 } },
	   .valid = SET_UID | SET_MTIME);
	ck_assert_uint_eq(R.setattr.attr.uid, 43);
	ck_assert_int_eq(R.setattr.attr.mtime.sec, 1000);
	ck_assert_int_eq(DO(setattr, .inode = n, .attr = { .mode = 0777 }, .valid = SET_MODE),
			 -EOPNOTSUPP);
	ck_assert_int_eq(DO(truncate, .inode = n, .size = 0), -ELOOP);
	ck_assert_int_lt(set_value(n, NULL, "user.x", "1", 0), 0);
	ck_assert_int_eq(set_value(n, NULL, "trusted.x", "1", 0), 0);
	ck_assert_int_lt(getxattr("/etc/passwd", "trusted.x", NULL, 0), 0);
	struct fd *fd = fd_new(n, O_RDONLY, false);
	ck_assert_int_lt(DO(open, .inode = n, .fd = fd, .flags = O_RDONLY), 0);
	fd_unref(fd);
	OK(unlink, .parent = root(), .name = "l");
	ck_assert_int_eq(DO(readlink, .inode = n), -ESTALE);
	inode_unref(n);
	brick_down();
}
END_TEST

START_TEST(directories)
{
	brick_up("");
	struct inode *d = make_dir(root(), "d"), *e = make_dir(d, "e");

	ck_assert(there(on_disk("d/e")));
	ck_assert(there(handle_of(&e->gfid)));
	OK(stat, .inode = d);
	ck_assert_uint_eq(R.stat.attr.nlink, 3);
	OK(stat, .inode = root());
	ck_assert_uint_eq(R.stat.attr.nlink, 3);	/* without .glusterfs */
	ck_assert_int_eq(DO(rmdir, .parent = root(), .name = "d"), -ENOTEMPTY);
	ck_assert_int_eq(DO(unlink, .parent = root(), .name = "d"), -EISDIR);
	OK(rmdir, .parent = d, .name = "e");
	ck_assert(!there(handle_of(&e->gfid)));
	ck_assert_int_eq(DO(stat, .inode = e), -ESTALE);
	ck_assert_int_eq(DO(lookup, .parent = e, .name = "x"), -ESTALE);
	OK(rmdir, .parent = root(), .name = "d");
	ck_assert_int_eq(DO(rmdir, .parent = root(), .name = "d"), -ENOENT);
	inode_unref(d);
	inode_unref(e);
	fd_unref(make_file(root(), "f"));
	ck_assert_int_eq(DO(rmdir, .parent = root(), .name = "f"), -ENOTDIR);
	struct inode *f = look(root(), "f");
	ck_assert_int_eq(DO(lookup, .parent = f, .name = "x"), -ENOTDIR);
	inode_unref(f);
	brick_down();
}
END_TEST

START_TEST(hard_links)
{
	brick_up("");
	struct fd *fd = make_file(root(), "a");
	struct inode *d = make_dir(root(), "d"), *n = fd->inode;

	OK(link, .inode = n, .parent = d, .name = "b");
	ck_assert_uint_eq(R.link.attr.nlink, 2);
	ck_assert(gfid_equal(&R.link.attr.gfid, &n->gfid));
	ck_assert(gfid_equal(&R.link.parent.gfid, &d->gfid));
	ck_assert_int_eq(DO(link, .inode = n, .parent = d, .name = "b"), -EEXIST);
	ck_assert_int_eq(DO(link, .inode = d, .parent = d, .name = "c"), -EPERM);
	OK(unlink, .parent = root(), .name = "a");
	ck_assert_uint_eq(R.unlink.attr.nlink, 1);
	ck_assert(there(handle_of(&n->gfid)));
	OK(stat, .inode = n);
	OK(unlink, .parent = d, .name = "b");
	ck_assert_uint_eq(R.unlink.attr.nlink, 0);
	ck_assert(!there(handle_of(&n->gfid)));
	ck_assert_int_eq(DO(link, .inode = n, .parent = d, .name = "c"), -ENOENT);
	fd_unref(fd);
	ck_assert_int_eq(DO(link, .inode = d, .parent = d, .name = "c"), -EPERM);
	inode_unref(d);
	brick_down();
}
END_TEST

START_TEST(names)
{
	char name[300];

	brick_up("");
	memset(name, 'n', sizeof name);
	name[255] = 0;
	struct inode *d = make_dir(root(), name), *e = make_dir(d, name);
	struct gfid g = new_gfid(), eg = e->gfid;

	inode_unref(d);
	inode_unref(e);
	brick_again();			/* only the handles know of them now */
	struct inode *again = inode_get(G->inodes, &eg, S_IFDIR);
	OK(stat, .inode = again);
	fd_unref(make_file(again, name));
	inode_unref(again);
	name[255] = 'n';
	name[256] = 0;
	ck_assert_int_eq(DO(lookup, .parent = root(), .name = name, .gfid = g), -ENAMETOOLONG);
	static const char *const bad[] = { "", ".", "..", "a/b", "/" };
	for (int i = 0; i < 5; i++) {
		struct inode *n = new_inode(S_IFDIR);

		ck_assert_int_eq(DO(lookup, .parent = root(), .name = bad[i], .gfid = g), -EINVAL);
		ck_assert_int_eq(DO(mkdir, .parent = root(), .name = bad[i], .inode = n), -EINVAL);
		ck_assert_int_eq(DO(rename, .oldparent = root(), .oldname = bad[i],
				    .newparent = root(), .newname = "x"),
				 -EINVAL);
		inode_unref(n);
	}
	/* our own directory does not exist */
	struct inode *n = new_inode(S_IFDIR);
	ck_assert_int_eq(DO(lookup, .parent = root(), .name = ".glusterfs", .gfid = g), -ENOENT);
	ck_assert_int_eq(DO(mkdir, .parent = root(), .name = ".glusterfs", .inode = n), -EPERM);
	ck_assert_int_eq(DO(rmdir, .parent = root(), .name = ".glusterfs"), -ENOENT);
	ck_assert_int_eq(DO(rename, .oldparent = root(), .oldname = ".glusterfs",
			    .newparent = root(), .newname = "x"),
			 -EPERM);
	ck_assert_int_eq(DO(rename, .oldparent = root(), .oldname = "x", .newparent = root(),
			    .newname = ".glusterfs"),
			 -EPERM);
	/* elsewhere it is a name as any other */
	struct inode *f = make_dir(root(), "f"), *dot = make_dir(f, ".glusterfs");
	inode_unref(dot);
	inode_unref(f);
	inode_unref(n);
	brick_down();
}
END_TEST

/* ---- rename -------------------------------------------------------------------------- */

#define MOVE(p1, n1, p2, n2, fl) \
	DO(rename, .oldparent = p1, .oldname = n1, .newparent = p2, .newname = n2, .flags = fl)

START_TEST(rename_files)
{
	brick_up("");
	struct inode *d = make_dir(root(), "d");
	struct fd *a = make_file(root(), "a"), *b = make_file(d, "b");

	ck_assert_int_eq(MOVE(root(), "a", d, "b", RENAME_NOREPLACE), -EEXIST);
	ck_assert_int_eq(MOVE(root(), "zz", d, "b", 0), -ENOENT);
	ck_assert_int_eq(MOVE(root(), "a", d, "b", 8), -EINVAL);
	ck_assert_int_eq(MOVE(root(), "a", d, "b", 0), 0);
	ck_assert(gfid_equal(&R.rename.attr.gfid, &a->inode->gfid));
	ck_assert(gfid_equal(&R.rename.replaced.gfid, &b->inode->gfid));
	ck_assert_uint_eq(R.rename.replaced.nlink, 0);
	ck_assert(gfid_equal(&R.rename.oldparent.gfid, &gfid_root));
	ck_assert(gfid_equal(&R.rename.newparent.gfid, &d->gfid));
	ck_assert(!there(handle_of(&b->inode->gfid)) && there(handle_of(&a->inode->gfid)));
	ck_assert_int_eq(MOVE(d, "b", d, "c", 0), 0);
	ck_assert(!attr_present(&R.rename.replaced));

	/* two names of one file: nothing happens, both stay */
	OK(link, .inode = a->inode, .parent = d, .name = "c2");
	ck_assert_int_eq(MOVE(d, "c", d, "c2", 0), 0);
	ck_assert(!attr_present(&R.rename.replaced));
	ck_assert_uint_eq(R.rename.attr.nlink, 2);
	ck_assert(there(on_disk("d/c")) && there(on_disk("d/c2")));

	/* what is replaced has another name left */
	struct fd *x = make_file(d, "x");
	ck_assert_int_eq(MOVE(d, "x", d, "c2", 0), 0);
	ck_assert_uint_eq(R.rename.replaced.nlink, 1);
	ck_assert(there(handle_of(&a->inode->gfid)));

	ck_assert_int_eq(MOVE(d, "c", d, "c2", RENAME_EXCHANGE), 0);
	ck_assert(gfid_equal(&R.rename.attr.gfid, &a->inode->gfid));
	ck_assert(gfid_equal(&R.rename.replaced.gfid, &x->inode->gfid));
	ck_assert_uint_eq(R.rename.replaced.nlink, 1);
	fd_unref(a);
	fd_unref(b);
	fd_unref(x);
	inode_unref(d);
	brick_down();
}
END_TEST

START_TEST(rename_directories)
{
	brick_up("");
	struct inode *a = make_dir(root(), "a"), *b = make_dir(root(), "b"), *s = make_dir(a, "s");
	struct inode *deep = make_dir(s, "deep");
	struct gfid dg = deep->gfid, sg = s->gfid;

	ck_assert_int_eq(MOVE(root(), "a", s, "x", 0), -EINVAL);	/* into itself */
	ck_assert_int_eq(MOVE(a, "s", b, "moved", 0), 0);
	fd_unref(make_file(deep, "f"));
	ck_assert(there(on_disk("b/moved/deep/f")));
	/* a directory may replace an empty one, which is gone then */
	struct inode *e = make_dir(root(), "e");
	ck_assert_int_eq(MOVE(b, "moved", root(), "e", 0), 0);
	ck_assert(gfid_equal(&R.rename.replaced.gfid, &e->gfid));
	ck_assert_int_eq(DO(stat, .inode = e), -ESTALE);
	ck_assert_int_eq(MOVE(root(), "b", root(), "e", 0), -ENOTEMPTY);
	ck_assert(!there(strcat((char *)handle_of(&b->gfid), ".next")));
	ck_assert_int_eq(MOVE(root(), "a", root(), "e", RENAME_EXCHANGE), 0);
	inode_unref(a), inode_unref(b), inode_unref(s), inode_unref(deep), inode_unref(e);

	brick_again();			/* from the handles alone */
	struct inode *s2 = inode_get(G->inodes, &sg, S_IFDIR),
		     *deep2 = inode_get(G->inodes, &dg, S_IFDIR);
	OK(stat, .inode = s2);
	OK(lookup, .parent = deep2, .name = "f");
	struct inode *n = look(root(), "a");
	ck_assert_ptr_eq(n, s2);
	inode_unref(n), inode_unref(s2), inode_unref(deep2);
	brick_down();
}
END_TEST

/* ---- data ---------------------------------------------------------------------------- */

START_TEST(read_and_write)
{
	brick_up("");
	struct fd *fd = make_file(root(), "f");

	ck_assert_int_eq(write_text(fd, 0, "hello world", 0), 11);
	ck_assert_uint_eq(R.write.before.size, 0);
	ck_assert_uint_eq(R.write.attr.size, 11);
	ck_assert_int_eq(DO(read, .fd = fd, .offset = 6, .size = 100), 5);
	ck_assert(buf_is(R.read.data, "world"));
	ck_assert_int_eq(DO(read, .fd = fd, .offset = 11, .size = 100), 0);
	ck_assert_int_eq(DO(read, .fd = fd, .offset = 0, .size = 0), 0);
	ck_assert_int_eq(DO(read, .fd = fd, .offset = UINT64_MAX, .size = 1), -EINVAL);
	ck_assert_int_eq(write_text(fd, UINT64_MAX - 3, "hello", 0), -EFBIG);
	ck_assert_int_eq(write_text(fd, 3, "LO", 0), 2);
	ck_assert_int_eq(write_text(fd, 0, "!", WRITE_APPEND), 1);
	ck_assert_uint_eq(R.write.attr.size, 12);
	ck_assert_int_eq(write_text(fd, 20, "end", WRITE_DSYNC), 3);
	ck_assert_int_eq(DO(read, .fd = fd, .offset = 0, .size = 4096), 23);
	ck_assert_int_eq(memcmp(R.read.data->data, "helLO world!\0\0\0\0\0\0\0\0end", 23), 0);
	OK(fsync, .fd = fd);
	ck_assert_uint_eq(R.fsync.attr.size, 23);
	OK(fsync, .fd = fd, .datasync = 1);
	OK(flush, .fd = fd);
	fd_unref(fd);

	/* large ones go to a worker */
	struct fd *big = make_file(root(), "big");
	struct buf *b = buf_new(1 << 20);
	for (size_t i = 0; i < b->len; i++)
		b->data[i] = (uint8_t)(i * 7 + i / 4096);
	ck_assert_int_eq(DO(write, .fd = big, .data = b, .offset = 5), 1 << 20);
	ck_assert_int_eq(DO(read, .fd = big, .offset = 5, .size = 2 << 20), 1 << 20);
	ck_assert_int_eq(memcmp(R.read.data->data, b->data, b->len), 0);
	buf_unref(b);
	fd_unref(big);
	brick_down();
}
END_TEST

START_TEST(cold_read)
{
	brick_up("");
	struct fd *fd = make_file(root(), "f");

	write_text(fd, 0, "not in memory", 0);
	OK(fsync, .fd = fd);
	int raw = open(on_disk("f"), O_RDONLY);
	posix_fadvise(raw, 0, 0, POSIX_FADV_DONTNEED);
	close(raw);
	ck_assert_int_eq(DO(read, .fd = fd, .offset = 0, .size = 4096), 13);
	ck_assert(buf_is(R.read.data, "not in memory"));
	fd_unref(fd);
	brick_down();
}
END_TEST

START_TEST(without_a_name)
{
	brick_up("");
	struct inode *n = new_inode(S_IFREG), *gone = new_inode(S_IFREG);
	struct fd *fd = fd_new(n, O_RDWR, false), *other = fd_new(gone, O_RDWR, false);
	char left[4500];

	OK(tmpfile, .parent = root(), .inode = n, .fd = fd, .flags = O_RDWR, .mode = 0666, .umask = 022);
	ck_assert_uint_eq(R.tmpfile.attr.nlink, 0);
	ck_assert_uint_eq(R.tmpfile.attr.mode, S_IFREG | 0644);
	ck_assert_int_eq(write_text(fd, 0, "text", 0), 4);
	OK(stat, .inode = n);			/* by identity too */
	ck_assert_uint_eq(R.stat.attr.size, 4);
	OK(link, .inode = n, .parent = root(), .name = "f");
	ck_assert_uint_eq(R.link.attr.nlink, 1);
	OK(link, .inode = n, .parent = root(), .name = "g");
	ck_assert_uint_eq(R.link.attr.nlink, 2);
	fd_unref(fd);
	OK(lookup, .parent = root(), .name = "f");
	ck_assert(gfid_equal(&R.lookup.attr.gfid, &n->gfid));
	ck_assert_uint_eq(R.lookup.attr.nlink, 2);

	OK(tmpfile, .parent = root(), .inode = gone, .fd = other, .flags = O_RDWR, .mode = 0600);
	snprintf(left, sizeof left, "%s", unlinked_of(&gone->gfid));
	ck_assert(there(left));
	fd_unref(other);
	ck_assert_int_eq(DO(link, .inode = gone, .parent = root(), .name = "h"), -ESTALE);
	inode_unref(n);
	inode_unref(gone);
	brick_again();
	ck_assert(!there(left));
	brick_down();
}
END_TEST

START_TEST(open_files)
{
	brick_up("");
	struct fd *fd = make_file(root(), "f"), *ro, *ap;
	struct inode *n = fd->inode;

	write_text(fd, 0, "0123456789", 0);
	ro = fd_new(n, O_RDONLY, false);
	OK(open, .inode = n, .fd = ro, .flags = O_RDONLY);
	ck_assert_uint_eq(R.open.attr.size, 10);
	ck_assert_int_eq(write_text(ro, 0, "x", 0), -EBADF);
	ck_assert_int_eq(DO(read, .fd = ro, .offset = 8, .size = 10), 2);
	fd_unref(ro);

	ap = fd_new(n, O_WRONLY | O_APPEND, false);
	OK(open, .inode = n, .fd = ap, .flags = O_WRONLY | O_APPEND);
	ck_assert_int_eq(write_text(ap, 0, "ab", WRITE_APPEND), 2);
	ck_assert_uint_eq(R.write.attr.size, 12);
	/* A page that the kernel writes back through this file has its place. */
	ck_assert_int_eq(write_text(ap, 3, "XY", 0), 2);
	ck_assert_uint_eq(R.write.attr.size, 12);
	ck_assert_int_eq(DO(read, .fd = fd, .offset = 0, .size = 20), 12);
	ck_assert(buf_is(R.read.data, "012XY56789ab"));
	fd_unref(ap);

	struct fd *tr = fd_new(n, O_RDWR, false);
	OK(open, .inode = n, .fd = tr, .flags = O_RDWR | O_TRUNC);
	ck_assert_uint_eq(R.open.before.size, 12);
	ck_assert_uint_eq(R.open.attr.size, 0);
	fd_unref(tr);

	struct inode *d = make_dir(root(), "d");
	struct fd *dfd = fd_new(d, O_RDONLY, false);
	ck_assert_int_eq(DO(open, .inode = d, .fd = dfd, .flags = O_RDONLY), -EISDIR);
	ck_assert_int_eq(DO(open, .inode = d, .fd = dfd, .flags = O_WRONLY), -EISDIR);
	ck_assert_int_eq(DO(read, .fd = dfd, .size = 1), -EBADF);
	fd_unref(dfd);
	struct fd *wrong = fd_new(n, O_RDONLY, true);
	ck_assert_int_eq(DO(opendir, .inode = n, .fd = wrong), -ENOTDIR);
	fd_unref(wrong);
	struct inode *fifo = new_inode(S_IFIFO), *lie;
	OK(mknod, .parent = root(), .name = "p", .inode = fifo, .mode = S_IFIFO | 0600);
	lie = inode_get(G->inodes, &fifo->gfid, S_IFREG);
	lie->type = S_IFREG;		/* as a client could claim */
	struct fd *pfd = fd_new(lie, O_RDONLY, false);
	ck_assert_int_eq(DO(open, .inode = lie, .fd = pfd, .flags = O_RDONLY), -EINVAL);
	fd_unref(pfd);
	inode_unref(lie);
	inode_unref(fifo);
	inode_unref(d);
	fd_unref(fd);
	brick_down();
}
END_TEST

START_TEST(unlinked_but_open)
{
	brick_up("");
	struct fd *fd = make_file(root(), "f");
	struct inode *n = fd->inode;

	write_text(fd, 0, "still here", 0);
	OK(unlink, .parent = root(), .name = "f");
	OK(stat, .inode = n, .fd = fd);
	ck_assert_uint_eq(R.stat.attr.nlink, 0);
	ck_assert_int_eq(DO(read, .fd = fd, .size = 100), 10);
	ck_assert_int_eq(write_text(fd, 10, "!", 0), 1);
	OK(truncate, .inode = n, .fd = fd, .size = 5);
	ck_assert_uint_eq(R.truncate.before.size, 11);
	OK(setattr, .inode = n, .fd = fd,
	   .attr = { .mode = 0600, .uid = 9, .gid = 8, .atime = { 3, 4 } },
	   .valid = SET_MODE | SET_UID | SET_GID | SET_ATIME | SET_MTIME_NOW);
	ck_assert_uint_eq(R.setattr.attr.mode, S_IFREG | 0600);
	ck_assert_uint_eq(R.setattr.attr.uid, 9);
	ck_assert_int_eq(R.setattr.attr.atime.sec, 3);
	ck_assert_uint_eq(R.setattr.attr.atime.nsec, 4);
	ck_assert_int_eq(set_value(n, fd, "user.k", "v", 0), 0);
	OK(getxattr, .inode = n, .fd = fd, .name = "user.k");
	ck_assert(buf_is(R.getxattr.value, "v"));
	OK(listxattr, .inode = n, .fd = fd);
	ck_assert_uint_eq(R.listxattr.names->len, 7);
	OK(removexattr, .inode = n, .fd = fd, .name = "user.k");
	OK(fallocate, .fd = fd, .mode = 0, .offset = 0, .length = 8192);
	ck_assert_uint_eq(R.fallocate.attr.size, 8192);
	OK(fsync, .fd = fd);
	/* also by identity, as long as somebody has it open */
	OK(stat, .inode = n);
	ck_assert_uint_eq(R.stat.attr.nlink, 0);
	struct fd *again = fd_new(n, O_RDWR, false);
	ck_assert_int_eq(DO(open, .inode = n, .fd = again, .flags = O_RDWR), -ESTALE);
	OK(open, .inode = n, .fd = again, .flags = O_RDWR | OPEN_NAMELESS);
	inode_ref(n);
	fd_unref(fd);
	ck_assert_int_eq(DO(read, .fd = again, .size = 5), 5);
	OK(stat, .inode = n);
	fd_unref(again);
	ck_assert_int_eq(DO(stat, .inode = n), -ESTALE);
	again = fd_new(n, O_RDWR, false);
	ck_assert_int_eq(DO(open, .inode = n, .fd = again, .flags = O_RDWR), -ESTALE);
	fd_unref(again);
	inode_unref(n);
	brick_stop();
	ck_assert(nothing_in_unlink());
	brick_down();
}
END_TEST

START_TEST(removed_but_open)
{
	brick_up("");
	struct inode *d = make_dir(root(), "d");
	struct fd *fd = fd_new(d, O_RDONLY, true), *again = fd_new(d, O_RDONLY, true);

	OK(opendir, .inode = d, .fd = fd);
	OK(rmdir, .parent = root(), .name = "d");
	ck_assert_uint_eq(R.rmdir.attr.nlink, 0);
	OK(stat, .inode = d, .fd = fd);
	ck_assert_uint_eq(R.stat.attr.nlink, 0);
	OK(stat, .inode = d);
	ck_assert_uint_eq(R.stat.attr.nlink, 0);
	OK(opendir, .inode = d, .fd = again);
	OK(readdir, .fd = again, .size = 4096);
	ck_assert_uint_eq(R.readdir.entries->nr, 0);
	ck_assert_int_eq(DO(lookup, .parent = d, .name = "x"), -ENOENT);
	struct inode *n = inode_get(G->inodes, &(struct gfid){ { 77, 1 } }, S_IFDIR);
	ck_assert_int_eq(DO(mkdir, .parent = d, .name = "x", .inode = n, .mode = 0755), -ESTALE);
	inode_unref(n);
	fd_unref(fd);
	OK(stat, .inode = d);
	fd_unref(again);
	ck_assert_int_eq(DO(stat, .inode = d), -ESTALE);
	inode_unref(d);
	brick_down();
}
END_TEST

/* A rename takes the last name of something that is open. */
START_TEST(replaced_but_open)
{
	brick_up("");
	struct fd *a = make_file(root(), "a"), *b = make_file(root(), "b");

	write_text(b, 0, "replaced", 0);
	OK(rename, .oldparent = root(), .oldname = "a", .newparent = root(), .newname = "b");
	ck_assert(gfid_equal(&R.rename.replaced.gfid, &b->inode->gfid));
	ck_assert_uint_eq(R.rename.replaced.nlink, 0);
	OK(stat, .inode = b->inode);
	ck_assert_int_eq(DO(read, .fd = b, .size = 100), 8);
	/* the other one has two names, of which one goes */
	OK(link, .inode = a->inode, .parent = root(), .name = "c");
	struct fd *x = make_file(root(), "x");
	OK(rename, .oldparent = root(), .oldname = "x", .newparent = root(), .newname = "b");
	ck_assert_uint_eq(R.rename.replaced.nlink, 1);
	OK(stat, .inode = a->inode);
	ck_assert_uint_eq(R.stat.attr.nlink, 1);
	fd_unref(a), fd_unref(b), fd_unref(x);
	/* nothing is lost by one that fails */
	inode_unref(make_dir(root(), "d"));
	ck_assert_int_eq(DO(rename, .oldparent = root(), .oldname = "d", .newparent = root(),
			    .newname = "b"), -ENOTDIR);
	ck_assert_int_eq(DO(rename, .oldparent = root(), .oldname = "c", .newparent = root(),
			    .newname = "b", .flags = RENAME_NOREPLACE), -EEXIST);
	OK(lookup, .parent = root(), .name = "b");
	ck_assert(there(handle_of(&R.lookup.attr.gfid)));
	brick_stop();
	ck_assert(nothing_in_unlink());
	brick_down();
}
END_TEST

/* What a brick left that ended while files without a name were open. */
static void leave_over(struct gfid *open_one, struct gfid *named)
{
	char to[512];

	for (int i = 0; i < 2; i++) {
		struct fd *fd = make_file(root(), i ? "named" : "open");

		*(i ? named : open_one) = fd->inode->gfid;
		write_text(fd, 0, "left over", 0);
		fd_unref(fd);
	}
	brick_stop();
	ck_assert_int_eq(unlink(on_disk("open")), 0);
	snprintf(to, sizeof to, "%s", unlinked_of(open_one));
	ck_assert_int_eq(rename(handle_of(open_one), to), 0);
	snprintf(to, sizeof to, "%s", unlinked_of(named));
	ck_assert_int_eq(rename(handle_of(named), to), 0);
}

START_TEST(open_over_a_restart)
{
	struct gfid open_one, named;

	seed = 7;			/* virtual time */
	brick_up("");
	leave_over(&open_one, &named);
	brick_start("");
	ck_assert(there(handle_of(&named)) && !there(unlinked_of(&named)));
	struct inode *n = inode_get(G->inodes, &open_one, S_IFREG);
	struct fd *fd = fd_new(n, O_RDWR, false);
	OK(open, .inode = n, .fd = fd, .flags = O_RDWR | OPEN_NAMELESS);
	ck_assert_int_eq(DO(read, .fd = fd, .size = 100), 9);
	bool never = false;
	loop_run_until(L, &never, 70000);
	ck_assert_int_eq(DO(read, .fd = fd, .size = 100), 9);
	fd_unref(fd);
	inode_unref(n);
	brick_stop();
	ck_assert(nothing_in_unlink());
	/* nobody comes back to it */
	brick_start("");
	OK(unlink, .parent = root(), .name = "named");
	leave_over(&open_one, &named);
	brick_start("");
	loop_run_until(L, &never, 50000);
	ck_assert(there(unlinked_of(&open_one)));
	loop_run_until(L, &never, 20000);
	ck_assert(!there(unlinked_of(&open_one)));
	brick_down();
	seed = 0;
}
END_TEST

START_TEST(truncate_fallocate_seek_copy)
{
	brick_up("");
	struct fd *a = make_file(root(), "a"), *b = make_file(root(), "b");
	struct inode *d = make_dir(root(), "d");

	write_text(a, 0, "0123456789", 0);
	OK(truncate, .inode = a->inode, .size = 1 << 20);
	ck_assert_uint_eq(R.truncate.before.size, 10);
	ck_assert_uint_eq(R.truncate.attr.size, 1 << 20);
	ck_assert_int_eq(DO(truncate, .inode = a->inode, .size = UINT64_MAX), -EFBIG);
	ck_assert_int_lt(DO(truncate, .inode = d, .size = 1), 0);
	OK(seek, .fd = a, .offset = 0, .whence = SEEK_HOLE);
	ck_assert_uint_eq(R.seek.offset, 4096);
	ck_assert_int_eq(DO(seek, .fd = a, .offset = 8192, .whence = SEEK_DATA), -ENXIO);
	ck_assert_int_eq(DO(seek, .fd = a, .offset = 0, .whence = SEEK_END), -EINVAL);
	OK(fallocate, .fd = a, .mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, .offset = 0,
	   .length = 4096);
	ck_assert_int_eq(DO(read, .fd = a, .size = 4), 4);
	ck_assert_int_eq(memcmp(R.read.data->data, "\0\0\0\0", 4), 0);
	ck_assert_int_lt(DO(fallocate, .fd = a, .mode = 0x4000, .length = 1), 0);

	write_text(a, 0, "copy me", 0);
	ck_assert_int_eq(DO(copy_file_range, .in = a, .in_offset = 5, .out = b, .out_offset = 1,
			    .length = 2),
			 2);
	ck_assert_uint_eq(R.copy_file_range.before.size, 0);
	ck_assert_uint_eq(R.copy_file_range.attr.size, 3);
	ck_assert_int_eq(DO(read, .fd = b, .size = 10), 3);
	ck_assert_int_eq(memcmp(R.read.data->data, "\0me", 3), 0);
	ck_assert_int_eq(DO(copy_file_range, .in = a, .in_offset = 1 << 20, .out = b, .length = 5),
			 0);
	fd_unref(a);
	fd_unref(b);
	inode_unref(d);
	brick_down();
}
END_TEST

START_TEST(direct_io)
{
	brick_up("");
	struct inode *n = new_inode(S_IFREG);
	struct fd *fd = fd_new(n, O_RDWR | O_DIRECT, false);
	int ret = DO(create, .parent = root(), .name = "f", .inode = n, .fd = fd,
		     .flags = O_RDWR | O_DIRECT, .mode = 0600);

	if (ret != -EINVAL) {		/* else the file system has no O_DIRECT */
		ck_assert_int_eq(ret, 0);
		struct buf *page = buf_new(8192);
		memset(page->data, 'p', 8192);
		ck_assert_int_eq(DO(write, .fd = fd, .data = page), 8192);
		ck_assert_int_eq(write_text(fd, 3, "unaligned", 0), 9);
		ck_assert_int_eq(DO(read, .fd = fd, .offset = 1, .size = 13), 13);
		ck_assert(buf_is(R.read.data, "ppunalignedpp"));
		ck_assert_int_eq(DO(read, .fd = fd, .offset = 0, .size = 8192), 8192);
		ck_assert_int_eq(memcmp(R.read.data->data, "pppunaligned", 12), 0);
		ck_assert_int_eq(DO(read, .fd = fd, .offset = 4096, .size = 8192), 4096);
		buf_unref(page);
	}
	fd_unref(fd);
	inode_unref(n);
	brick_down();
}
END_TEST

START_TEST(writes_take_set_user_id_away)
{
	brick_up("");
	struct fd *fd = make_file(root(), "f");

	OK(setattr, .inode = fd->inode, .attr = { .mode = 06755 }, .valid = SET_MODE);
	ck_assert_int_eq(write_text(fd, 0, "x", 0), 1);
	ck_assert_uint_eq(R.write.attr.mode, S_IFREG | 06755);
	as = (struct identity){ .uid = 1000, .gid = 1000, .kill_priv = true };
	ck_assert_int_eq(write_text(fd, 0, "x", 0), 1);
	ck_assert_uint_eq(R.write.attr.mode, S_IFREG | 0755);
	/* without permission to execute only those who are not in the group take it away */
	uint32_t groups[] = { 7, 0 };
	as.groups = groups;
	as.nr_groups = 2;
	OK(setattr, .inode = fd->inode, .attr = { .mode = 02666 }, .valid = SET_MODE);
	ck_assert_int_eq(write_text(fd, 0, "x", 0), 1);
	ck_assert_uint_eq(R.write.attr.mode, S_IFREG | 02666);
	as.nr_groups = 1;
	OK(truncate, .inode = fd->inode, .size = 0);
	ck_assert_uint_eq(R.truncate.attr.mode, S_IFREG | 0666);
	as = (struct identity){ 0 };
	/* the owner is changed before the mode */
	OK(setattr, .inode = fd->inode, .attr = { .mode = 04755, .uid = 5 },
	   .valid = SET_MODE | SET_UID);
	ck_assert_uint_eq(R.setattr.attr.mode, S_IFREG | 04755);
	ck_assert_int_eq(DO(setattr, .inode = fd->inode, .attr = { .mtime = { 1, 1000000000 } },
			    .valid = SET_MTIME),
			 -EINVAL);
	fd_unref(fd);
	brick_down();
}
END_TEST

/* ---- the rest ------------------------------------------------------------------------ */

START_TEST(xattrs)
{
	char big[40000];
	static const char *const ours[] = { "trusted.gfid", "trusted.glusterfs.x",
					    "trusted.afr.dirty" };

	brick_up("");
	struct fd *fd = make_file(root(), "f");
	struct inode *d = make_dir(root(), "d"), *n = fd->inode, *both[] = { n, d, root() };

	for (int i = 0; i < 3; i++) {
		struct inode *x = both[i];

		ck_assert_int_eq(DO(getxattr, .inode = x, .name = "user.a"), -ENODATA);
		ck_assert_int_eq(set_value(x, NULL, "user.a", "value", XATTR_REPLACE), -ENODATA);
		ck_assert_int_eq(set_value(x, NULL, "user.a", "value", XATTR_CREATE), 0);
		ck_assert(attr_present(&R.setxattr.attr));
		ck_assert_int_eq(set_value(x, NULL, "user.a", "value", XATTR_CREATE), -EEXIST);
		OK(getxattr, .inode = x, .name = "user.a");
		ck_assert(buf_is(R.getxattr.value, "value"));
		ck_assert_int_eq(set_value(x, NULL, "trusted.glusterfs.afr.x", "1", 0), 0);
		OK(getxattr, .inode = x, .name = "trusted.glusterfs.afr.x");
		OK(listxattr, .inode = x);
		ck_assert_uint_eq(R.listxattr.names->len, 7);
		ck_assert_str_eq((char *)R.listxattr.names->data, "user.a");
		for (int k = 0; k < 3; k++) {
			ck_assert_int_eq(set_value(x, NULL, ours[k], "0123456789012345", 0),
					 -EPERM);
			ck_assert_int_eq(DO(getxattr, .inode = x, .name = ours[k]), -ENODATA);
			ck_assert_int_eq(DO(removexattr, .inode = x, .name = ours[k]), -EPERM);
		}
		OK(removexattr, .inode = x, .name = "user.a");
		ck_assert_int_eq(DO(removexattr, .inode = x, .name = "user.a"), -ENODATA);
		OK(removexattr, .inode = x, .name = "trusted.glusterfs.afr.x");
	}
	ck_assert_int_eq(DO(getxattr, .inode = n, .name = "nonsense.a"), -EOPNOTSUPP);
	OK(getxattr, .inode = root(), .name = "trusted.glusterfs.brick-id");
	ck_assert_uint_eq(R.getxattr.value->len, 16);
	ck_assert_int_eq(
		set_value(root(), NULL, "trusted.glusterfs.brick-id", "0123456789012345", 0),
		-EPERM);
	memset(big, 'b', sizeof big);
	/* larger than the first try; ext4 takes no more than a block */
	big[2000] = 0;
	ck_assert_int_eq(set_value(n, NULL, "trusted.big", big, 0), 0);
	OK(getxattr, .inode = n, .name = "trusted.big");
	ck_assert(buf_is(R.getxattr.value, big));

	struct dict *want = dict_new();
	dict_set_str(want, "trusted.big", "");
	dict_set_str(want, "user.none", "");
	dict_set_str(want, "trusted.gfid", "");
	OK(lookup, .parent = root(), .name = "f", .want = want);
	ck_assert_uint_eq(R.lookup.xattr->nr, 1);
	ck_assert_str_eq(dict_get_str(R.lookup.xattr, "trusted.big"), big);
	dict_unref(want);
	fd_unref(fd);
	inode_unref(d);
	brick_down();
}
END_TEST

START_TEST(statfs_and_locks)
{
	struct statvfs v;

	brick_up("");
	struct fd *fd = make_file(root(), "f");
	OK(statfs, .inode = root());
	statvfs(dir, &v);
	ck_assert_uint_eq(R.statfs.statfs.blocks, v.f_blocks);
	ck_assert_uint_eq(R.statfs.statfs.namemax, 255);
	ck_assert_int_eq(DO(lk, .fd = fd, .cmd = LK_SET, .lock = { .type = F_WRLCK }), -ENOSYS);
	ck_assert_int_eq(DO(fsyncdir, .fd = fd), 0);
	fd_unref(fd);
	brick_stop();
	brick_start(" option export-statfs-size off\n");
	OK(statfs, .inode = root());
	ck_assert_uint_eq(R.statfs.statfs.blocks, 0);
	ck_assert_uint_eq(R.statfs.statfs.bavail, 0);
	brick_down();
}
END_TEST

BRICK_MAIN("storage/posix", create_and_unlink, umask_and_setgid_directory, without_a_name, all_kinds_of_objects,
	   symlinks, directories, hard_links, names, rename_files, rename_directories,
	   read_and_write, cold_read, open_files, unlinked_but_open, removed_but_open,
	   replaced_but_open, open_over_a_restart, truncate_fallocate_seek_copy,
	   direct_io, writes_take_set_user_id_away, xattrs, statfs_and_locks)
