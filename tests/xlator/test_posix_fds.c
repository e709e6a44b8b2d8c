/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* storage/posix: more open files than descriptors. */
#include <dirent.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "brick.h"

enum { MANY = 200, FEW = 4 };
#define FEW_OPTION " option open-files 4\n"

/* Descriptors of this process that are something in the brick, beside its own. */
static int descriptors(void)
{
	char target[512], name[300];
	struct dirent *e;
	int nr = 0;
	DIR *d = opendir("/proc/self/fd");

	while ((e = readdir(d))) {
		ssize_t n = readlinkat(dirfd(d), e->d_name, target, sizeof target - 1);

		target[n > 0 ? n : 0] = '\0';
		snprintf(name, sizeof name, "%s/", dir);
		nr += !strncmp(target, name, strlen(name)) && !strstr(target, "/.glusterfs/lock");
	}
	closedir(d);
	return nr;
}

static const char *name_of(int i)
{
	static char name[32];

	snprintf(name, sizeof name, "file-%d", i);
	return name;
}

static bool content_is(struct fd *fd, const char *text)
{
	return DO(read, .fd = fd, .size = 4096) == (int)strlen(text) && buf_is(R.read.data, text);
}

START_TEST(more_files_than_descriptors)
{
	struct fd *fd[MANY];

	brick_up(FEW_OPTION);
	for (int i = 0; i < MANY; i++) {
		fd[i] = make_file(root(), name_of(i));
		ck_assert_int_gt(write_text(fd[i], 0, name_of(i), 0), 0);
	}
	ck_assert_int_le(descriptors(), FEW + 1);
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < MANY; i++)
			ck_assert(content_is(fd[i * 7 % MANY], name_of(i * 7 % MANY)));
	for (int i = 0; i < MANY; i++) {
		OK(stat, .inode = fd[i]->inode, .fd = fd[i]);
		OK(fsync, .fd = fd[i]);
		OK(truncate, .inode = fd[i]->inode, .fd = fd[i], .size = 1);
		ck_assert_int_eq(write_text(fd[i], 1, "!", WRITE_APPEND), 1);
		ck_assert(content_is(fd[i], "f!"));
	}
	ck_assert_int_le(descriptors(), FEW + 1);
	for (int i = 0; i < MANY; i++)
		fd_unref(fd[i]);
	ck_assert_int_eq(descriptors(), 0);
	brick_down();
}
END_TEST

/* What the first open was allowed, and no more; nothing of it is done twice. */
START_TEST(opened_again_in_the_same_way)
{
	struct fd *more[2 * FEW];

	brick_up(FEW_OPTION);
	struct fd *fd = make_file(root(), "f"), *ro = fd_new(fd->inode, O_RDONLY, false),
		  *cut = fd_new(fd->inode, O_RDWR, false), *wo = fd_new(fd->inode, O_WRONLY, false);
	OK(open, .inode = fd->inode, .fd = ro, .flags = O_RDONLY);
	OK(open, .inode = fd->inode, .fd = wo, .flags = O_WRONLY);
	OK(open, .inode = fd->inode, .fd = cut, .flags = O_RDWR | O_TRUNC);
	ck_assert_int_eq(write_text(fd, 0, "stays", 0), 5);
	OK(setattr, .inode = fd->inode, .attr = { .mode = 0 }, .valid = SET_MODE);
	for (int i = 0; i < 2 * FEW; i++)
		more[i] = make_file(root(), name_of(i));
	ck_assert_int_eq(write_text(ro, 0, "x", 0), -EBADF);
	ck_assert_int_eq(DO(read, .fd = wo, .size = 10), -EBADF);
	ck_assert(content_is(cut, "stays"));
	ck_assert(content_is(ro, "stays"));
	for (int i = 0; i < 2 * FEW; i++)
		fd_unref(more[i]);
	fd_unref(fd);
	fd_unref(ro);
	fd_unref(wo);
	fd_unref(cut);
	brick_down();
}
END_TEST

/* As many as one likes: they have handles. */
START_TEST(what_lost_its_name)
{
	struct fd *fd[MANY];

	brick_up(FEW_OPTION);
	struct fd *more = NULL;

	for (int i = 0; i < MANY; i++) {
		fd[i] = make_file(root(), name_of(i));
		write_text(fd[i], 0, name_of(i), 0);
	}
	for (int i = 0; i < 2 * FEW - 1; i++)
		OK(unlink, .parent = root(), .name = name_of(i));
	more = make_file(root(), "more");
	OK(rename, .oldparent = root(), .oldname = "more", .newparent = root(),
	   .newname = name_of(2 * FEW - 1));
	ck_assert(descriptors() <= FEW);
	for (int i = MANY - 1; i >= 0; i--) {
		ck_assert(content_is(fd[i], name_of(i)));
		OK(stat, .inode = fd[i]->inode, .fd = fd[i]);
		ck_assert_uint_eq(R.stat.attr.nlink, i < 2 * FEW ? 0 : 1);
	}
	for (int i = 0; i < MANY; i++)
		fd_unref(fd[i]);
	fd_unref(more);
	brick_stop();
	ck_assert(nothing_in_unlink());
	brick_down();
}
END_TEST

static struct fd *open_dir(struct inode *n)
{
	struct fd *fd = fd_new(n, O_RDONLY, true);
	int ret = DO(opendir, .inode = n, .fd = fd);

	if (ret == 0)
		return fd;
	ck_assert_int_eq(ret, -ENFILE);
	fd_unref(fd);
	return NULL;
}

/* A removed directory cannot be opened again; nor may they use up all descriptors. */
START_TEST(removed_directories_are_bounded)
{
	struct inode *n[FEW + 1];
	struct fd *fd[FEW];

	brick_up(FEW_OPTION);
	for (int i = 0; i <= FEW; i++)
		n[i] = make_dir(root(), name_of(i));
	for (int i = 0; i < FEW; i++)
		fd[i] = open_dir(n[i]);
	for (int i = 0; i < FEW; i++)
		OK(rmdir, .parent = root(), .name = name_of(i));
	ck_assert_ptr_null(open_dir(n[FEW]));
	for (int i = 0; i < FEW; i++) {
		OK(stat, .inode = n[i], .fd = fd[i]);
		OK(readdir, .fd = fd[i], .size = 4096);
		ck_assert_uint_eq(R.readdir.entries->nr, 0);
	}
	fd_unref(fd[0]);
	fd[0] = open_dir(n[FEW]);
	ck_assert_ptr_nonnull(fd[0]);
	/* an attempt that fails leaves no trace */
	struct inode *below = make_dir(n[FEW], "below");

	ck_assert_int_eq(DO(rmdir, .parent = root(), .name = name_of(FEW)), -ENOTEMPTY);
	struct fd *again = open_dir(n[FEW]);

	ck_assert_ptr_nonnull(again);
	fd_unref(again);
	inode_unref(below);
	for (int i = 0; i < FEW; i++)
		fd_unref(fd[i]);
	for (int i = 0; i <= FEW; i++)
		inode_unref(n[i]);
	ck_assert_int_eq(descriptors(), 1);	/* the directory n[FEW], cached */
	brick_down();
}
END_TEST

START_TEST(listings_go_on)
{
	struct inode *n[3 * FEW];
	struct fd *fd[3 * FEW];
	uint64_t at[3 * FEW] = { 0 };
	int seen[3 * FEW] = { 0 };

	brick_up(FEW_OPTION);
	for (int i = 0; i < 3 * FEW; i++) {
		n[i] = make_dir(root(), name_of(i));
		for (int j = 0; j < 20; j++) {
			char name[32];

			snprintf(name, sizeof name, "%d", j);
			fd_unref(make_file(n[i], name));
		}
		fd[i] = open_dir(n[i]);
	}
	for (int page = 0; page < 22; page++) {
		for (int i = 0; i < 3 * FEW; i++) {
			OK(readdirp, .fd = fd[i], .offset = at[i], .size = 32);
			const struct dirents *d = R.readdirp.entries;

			for (const struct dirent_entry *e = NULL; (e = dirents_next(d, e)); seen[i]++)
				at[i] = e->cookie;
		}
	}
	for (int i = 0; i < 3 * FEW; i++) {
		ck_assert_int_eq(seen[i], 22);
		fd_unref(fd[i]);
		inode_unref(n[i]);
	}
	brick_down();
}
END_TEST

/* A number of the statedump. */
static uint64_t dumped(const char *key)
{
	char *text = NULL, line[64];
	size_t size;
	struct dump d = { .out = open_memstream(&text, &size) };

	graph_dump(G, &d);
	fclose(d.out);
	snprintf(line, sizeof line, "\n%s=", key);
	const char *at = strstr(text, line);
	ck_assert_ptr_nonnull(at);
	uint64_t value = strtoull(at + strlen(line), NULL, 10);
	free(text);
	return value;
}

/* Long listings, in turns: more than there is memory for, and yet each name once. */
START_TEST(memory_of_listings)
{
	enum { DIRS = 8, ENTRIES = 1000 };
	struct fd *fd[DIRS];
	uint64_t at[DIRS] = { 0 };
	int seen[DIRS] = { 0 };
	char name[256];

	brick_up(" option listing-memory 1MB\n");
	for (int i = 0; i < DIRS; i++) {
		snprintf(name, sizeof name, "%s/dir-%d", dir, i);
		ck_assert_int_eq(mkdir(name, 0755), 0);
		int d = open(name, O_RDONLY | O_DIRECTORY);

		for (int j = 0; j < ENTRIES; j++) {
			snprintf(name, sizeof name, "%0200d", j);
			close(openat(d, name, O_CREAT | O_WRONLY, 0644));
		}
		close(d);
		snprintf(name, sizeof name, "dir-%d", i);
		struct inode *n = look(root(), name);

		fd[i] = open_dir(n);
		inode_unref(n);
	}
	for (int page = 0, more = 1; more; page++) {
		more = 0;
		for (int i = 0; i < DIRS; i++) {
			OK(readdir, .fd = fd[i], .offset = at[i], .size = 16 << 10);
			const struct dirents *d = R.readdir.entries;

			for (const struct dirent_entry *e = NULL; (e = dirents_next(d, e)); seen[i]++)
				at[i] = e->cookie;
			more += d->nr;
			ck_assert_uint_le(dumped("listing-bytes"), 1 << 20);
		}
	}
	ck_assert_uint_gt(dumped("listings-dropped"), 0);
	ck_assert_uint_eq(dumped("listing-bytes"), 0);	/* they have ended */
	for (int i = 0; i < DIRS; i++) {
		ck_assert_int_eq(seen[i], ENTRIES + 2);
		fd_unref(fd[i]);
	}
	brick_down();
}
END_TEST

/* Something else lies where it was: that is not what was open. */
START_TEST(another_object_is_not_taken_for_it)
{
	struct fd *more[2 * FEW];

	brick_up(FEW_OPTION);
	struct fd *fd = make_file(root(), "f");
	struct gfid g = fd->inode->gfid;

	write_text(fd, 0, "mine", 0);
	for (int i = 0; i < 2 * FEW; i++)
		more[i] = make_file(root(), name_of(i));
	ck_assert_int_eq(unlink(handle_of(&g)), 0);
	ck_assert_int_eq(DO(read, .fd = fd, .size = 10), -ESTALE);
	ck_assert_int_eq(link(on_disk(name_of(0)), handle_of(&g)), 0);
	ck_assert_int_eq(DO(read, .fd = fd, .size = 10), -ESTALE);
	ck_assert_int_eq(unlink(handle_of(&g)), 0);
	ck_assert_int_eq(link(on_disk("f"), handle_of(&g)), 0);
	ck_assert(content_is(fd, "mine"));
	for (int i = 0; i < 2 * FEW; i++)
		fd_unref(more[i]);
	fd_unref(fd);
	brick_down();
}
END_TEST

/* On workers, which open and close what others use. */
START_TEST(at_the_same_time)
{
	enum { FILES = 24, CALLS = 48 };
	struct pending p[CALLS];
	struct fd *fd[FILES];

	brick_up(FEW_OPTION);
	for (int i = 0; i < FILES; i++) {
		fd[i] = make_file(root(), name_of(i));
		write_text(fd[i], 0, name_of(i), 0);
	}
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < CALLS; i++) {
			struct fd *one = fd[i % 4 ? i * 5 % FILES : 0];

			if (i % 3)
				START(&p[i], read, .fd = one, .size = 256 << 10);
			else
				START(&p[i], fsync, .fd = one);
		}
		for (int i = 0; i < CALLS; i++) {
			const char *text = name_of(i % 4 ? i * 5 % FILES : 0);

			finish(&p[i]);
			if (i % 3)
				ck_assert(buf_is(p[i].reply.read.data, text));
			else
				ck_assert_int_eq(p[i].ret, 0);
			reply_drop(p[i].op, &p[i].reply);
		}
	}
	for (int i = 0; i < FILES; i++)
		fd_unref(fd[i]);
	ck_assert_int_eq(descriptors(), 0);
	brick_down();
}
END_TEST

/* The process has few descriptors, and somebody else takes most of them. */
START_TEST(few_descriptors_in_all)
{
	struct rlimit few = { 200, 200 };
	struct fd *fd[MANY];
	int other[200], nr = 0;

	setrlimit(RLIMIT_NOFILE, &few);
	brick_up("");
	for (int i = 0; i < MANY; i++)
		fd[i] = make_file(root(), name_of(i));
	while (nr < 200 && (other[nr] = dup(0)) >= 0)
		nr++;
	for (int i = 0; i < 4; i++)
		close(other[--nr]);
	for (int i = 0; i < MANY; i++) {
		write_text(fd[i], 0, name_of(i), 0);
		ck_assert(content_is(fd[i], name_of(i)));
	}
	while (nr > 0)
		close(other[--nr]);
	for (int i = 0; i < MANY; i++)
		fd_unref(fd[i]);
	brick_down();
}
END_TEST

BRICK_MAIN("storage/posix descriptors", more_files_than_descriptors, opened_again_in_the_same_way,
	   what_lost_its_name, removed_directories_are_bounded, listings_go_on, memory_of_listings,
	   another_object_is_not_taken_for_it, at_the_same_time, few_descriptors_in_all)
