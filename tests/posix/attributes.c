/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * attributes - modes, owners, times and sizes: who may change them, what else changes with them.
 */
#include "config.h"

#include <dirent.h>
#include <linux/falloc.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include "posix.h"

enum { ALICE = 1001, BOB = 1002, TEAM = 2001 };

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool later(struct timespec a, struct timespec b)
{
	return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec);
}

static unsigned mode_of(const char *path)
{
	return stat_of(path).st_mode & 07777;
}

/* Long enough for the file system's clock to tick. */
static void tick(void)
{
	int fd = open(".clock", O_CREAT | O_WRONLY, 0600);
	struct stat first, now;

	OK(futimens(fd, NULL));
	OK(fstat(fd, &first));
	do {
		OK(futimens(fd, NULL));
		OK(fstat(fd, &now));
	} while (!later(now.st_mtim, first.st_mtim));
	OK(close(fd));
}

/* What a change of something does to the times of an object: C ctime, M mtime. */
static struct stat before;
static void was(const char *path)
{
	before = stat_of(path);
	tick();
}

static bool changed(const char *path, const char *which)
{
	struct stat now = stat_of(path);

	return later(now.st_ctim, before.st_ctim) == (strchr(which, 'C') != NULL) &&
	       !same_time(now.st_mtim, before.st_mtim) == (strchr(which, 'M') != NULL);
}

/* ---- what stat says ---- */

static void stat_is_sane(void)
{
	struct stat st, dir = stat_of(".");
	struct statvfs v;
	struct statfs fs;

	put("f", "text");
	int fd = open("f", O_RDWR);
	OK(fstat(fd, &st));
	CHECK(st.st_ino == stat_of("f").st_ino && st.st_ino != dir.st_ino);
	CHECK(st.st_ino > 0 && st.st_ino < (ino_t)1 << 63);
	CHECK(st.st_dev == dir.st_dev && st.st_nlink == 1 && st.st_size == 4);
	CHECK(st.st_blksize >= 512 && st.st_blksize <= 16 << 20);
	CHECK((st.st_blksize & (st.st_blksize - 1)) == 0);
	char block[4096] = "";
	for (int i = 0; i < 256; i++)
		CHECK(pwrite(fd, block, sizeof block, (off_t)i * 4096) == 4096);
	OK(fsync(fd));
	OK(fstat(fd, &st));
	CHECK(st.st_size == 1 << 20 && st.st_blocks >= 2048 && st.st_blocks < 2048 + 64);
	OK(ftruncate(fd, 0));
	OK(ftruncate(fd, 1 << 30));
	OK(fstat(fd, &st));
	CHECK(st.st_blocks < 64);
	OK(close(fd));
	OK(statvfs(".", &v));
	CHECK(v.f_bsize >= 512 && v.f_frsize >= 512 && v.f_blocks > 0 && v.f_namemax == 255);
	CHECK(v.f_bfree <= v.f_blocks && v.f_bavail <= v.f_bfree && v.f_ffree <= v.f_files);
	OK(statfs("f", &fs));
	CHECK(fs.f_blocks == v.f_blocks && fs.f_namelen == 255);
	OK(truncate("f", 0));
	OK(symlink("no/where", "s"));
	CHECK(stat_of("s").st_size == 8 && S_ISLNK(stat_of("s").st_mode));
	CHECK((stat_of("s").st_mode & 07777) == 0777);
}

static void statfs_follows(void)
{
	struct statvfs a, b;
	int fd = open("f", O_CREAT | O_RDWR, 0600);

	OK(statvfs(".", &a));
	OK(fallocate(fd, 0, 0, 32 << 20));
	OK(statvfs(".", &b));
	CHECK(a.f_bavail * a.f_frsize >= b.f_bavail * b.f_frsize + (30 << 20));
	OK(ftruncate(fd, 0));
	OK(statvfs(".", &b));
	CHECK(a.f_bavail * a.f_frsize <= b.f_bavail * b.f_frsize + (1 << 20));
	OK(close(fd));
}

static void birth(void)
{
	struct statx first, st;

	tick();
	put("f", "");
	OK(statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS | STATX_BTIME, &first));
	CHECK(first.stx_mask & STATX_BTIME);
	CHECK(first.stx_btime.tv_sec > 1500000000);
	CHECK(first.stx_btime.tv_sec <= first.stx_ctime.tv_sec);
	tick();
	put("f", "more");
	OK(chmod("f", 0600));
	OK(rename("f", "g"));
	OK(utimensat(AT_FDCWD, "g", (struct timespec[2]){ { 5, 5 }, { 6, 6 } }, 0));
	OK(statx(AT_FDCWD, "g", 0, STATX_BASIC_STATS | STATX_BTIME, &st));
	CHECK(st.stx_btime.tv_sec == first.stx_btime.tv_sec &&
	      st.stx_btime.tv_nsec == first.stx_btime.tv_nsec);
	struct stat plain = stat_of("g");
	CHECK(st.stx_ino == plain.st_ino && st.stx_size == 4 && st.stx_nlink == 1);
	CHECK(st.stx_mode == plain.st_mode && st.stx_mtime.tv_nsec == 6 && st.stx_atime.tv_sec == 5);
	CHECK(st.stx_ctime.tv_nsec == plain.st_ctim.tv_nsec);
	int fd = open("g", O_RDONLY);
	OK(unlink("g"));
	OK(statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &st));
	CHECK(st.stx_btime.tv_nsec == first.stx_btime.tv_nsec);
	OK(close(fd));
}

/* ---- times ---- */

static void set_times(void)
{
	const struct timespec t[2] = { { 1234567890, 123456789 }, { 987654321, 987654321 } };
	const struct timespec omit_m[2] = { { -86400, 5 }, { 0, UTIME_OMIT } };
	const struct timespec omit_a[2] = { { 77, UTIME_OMIT }, { 33, 44 } };
	const struct timespec now_a[2] = { { 0, UTIME_NOW }, { 55, 66 } };
	const struct timespec neither[2] = { { 0, UTIME_OMIT }, { 0, UTIME_OMIT } };
	const struct timespec both_now[2] = { { 0, UTIME_NOW }, { 0, UTIME_NOW } };
	const struct timespec far[2] = { { 4294967296 + 1000, 1 }, { 4294967296 * 2, 2 } };

	put("f", "text");
	OK(utimensat(AT_FDCWD, "f", t, 0));
	CHECK(same_time(stat_of("f").st_atim, t[0]) && same_time(stat_of("f").st_mtim, t[1]));
	OK(utimensat(AT_FDCWD, "f", omit_m, 0));
	CHECK(same_time(stat_of("f").st_atim, omit_m[0]) && same_time(stat_of("f").st_mtim, t[1]));
	OK(utimensat(AT_FDCWD, "f", omit_a, 0));
	CHECK(same_time(stat_of("f").st_atim, omit_m[0]));
	CHECK(same_time(stat_of("f").st_mtim, omit_a[1]));
	OK(utimensat(AT_FDCWD, "f", now_a, 0));
	CHECK(stat_of("f").st_atime > 1500000000 && same_time(stat_of("f").st_mtim, now_a[1]));
	was("f");
	OK(utimensat(AT_FDCWD, "f", neither, 0));
	CHECK(changed("f", ""));
	OK(utimensat(AT_FDCWD, "f", both_now, 0));
	CHECK(changed("f", "CM"));
	CHECK(same_time(stat_of("f").st_atim, stat_of("f").st_mtim));
	OK(utimensat(AT_FDCWD, "f", far, 0));
	CHECK(same_time(stat_of("f").st_atim, far[0]) && same_time(stat_of("f").st_mtim, far[1]));
	FAILS(EINVAL, utimensat(AT_FDCWD, "f", (struct timespec[2]){ { 0, 1000000000 }, { 0 } }, 0));
	FAILS(ENOENT, utimensat(AT_FDCWD, "none", t, 0));
	int fd = open("f", O_RDONLY);
	OK(futimens(fd, t));
	CHECK(same_time(stat_of("f").st_mtim, t[1]));
	was("f");
	OK(futimens(fd, NULL));
	CHECK(changed("f", "CM"));
	OK(close(fd));
	OK(symlink("f", "s"));
	OK(utimensat(AT_FDCWD, "s", t, AT_SYMLINK_NOFOLLOW));
	CHECK(same_time(stat_of("s").st_mtim, t[1]) && !same_time(stat_of("f").st_mtim, t[1]));
	OK(utimensat(AT_FDCWD, "s", t, 0));
	CHECK(same_time(stat_of("f").st_mtim, t[1]));
	OK(mkdir("d", 0755));
	OK(utimensat(AT_FDCWD, "d", t, 0));
	CHECK(same_time(stat_of("d").st_atim, t[0]) && same_time(stat_of("d").st_mtim, t[1]));
	OK(mkfifo("p", 0600));
	OK(utimensat(AT_FDCWD, "p", t, 0));
	CHECK(same_time(stat_of("p").st_mtim, t[1]));
}

static const struct timespec some[2] = { { 1, 2 }, { 3, 4 } };

static void times_of_a_writer(void)
{
	const struct timespec mixed[2] = { { 0, UTIME_NOW }, { 0, UTIME_OMIT } };
	const struct timespec none[2] = { { 0, UTIME_OMIT }, { 0, UTIME_OMIT } };

	OK(utimensat(AT_FDCWD, "writable", NULL, 0));
	FAILS(EPERM, utimensat(AT_FDCWD, "writable", some, 0));
	FAILS(EPERM, utimensat(AT_FDCWD, "writable", mixed, 0));
	OK(utimensat(AT_FDCWD, "writable", none, 0));
	FAILS(EACCES, utimensat(AT_FDCWD, "readable", NULL, 0));
	FAILS(EPERM, utimensat(AT_FDCWD, "readable", some, 0));
	OK(utimensat(AT_FDCWD, "readable", none, 0));
	int fd = open("writable", O_RDONLY);
	FAILS(EPERM, futimens(fd, some));
	OK(futimens(fd, NULL));
	OK(close(fd));
	OK(utimensat(AT_FDCWD, "own", some, 0));	/* which he may not write */
	OK(utimensat(AT_FDCWD, "own", NULL, 0));
}

static void who_sets_times(void)
{
	OK(chmod(".", 0755));
	put("writable", "");
	put("readable", "");
	put("own", "");
	OK(chmod("writable", 0666));
	OK(chmod("own", 0));
	OK(chown("own", BOB, BOB));
	as_user(BOB, BOB, times_of_a_writer);
	CHECK(stat_of("own").st_mtime > 1500000000);
}

/* What each operation does to the times of the object and of its directory. */
static void times_of_objects(void)
{
	char c[8];

	put("f", "text");
	int fd = open("f", O_RDWR);
	was("f");
	CHECK(read(fd, c, 4) == 4);
	CHECK(changed("f", ""));
	CHECK(pwrite(fd, "T", 1, 0) == 1);
	CHECK(changed("f", "CM"));
	was("f");
	CHECK(pwrite(fd, "T", 0, 0) == 0);
	CHECK(changed("f", ""));
	OK(fchmod(fd, 0644));
	CHECK(changed("f", "C"));
	was("f");
	OK(fchown(fd, 0, 0));
	CHECK(changed("f", "C"));
	was("f");
	OK(chown("f", -1, -1));
	CHECK(changed("f", "C"));
	was("f");
	OK(link("f", "g"));
	CHECK(changed("f", "C"));
	was("f");
	OK(rename("g", "h"));
	CHECK(changed("f", "C"));
	was("f");
	OK(unlink("h"));
	CHECK(changed("f", "C"));
	was("f");
	OK(setxattr("f", "user.x", "1", 1, 0));
	CHECK(changed("f", "C"));
	was("f");
	OK(removexattr("f", "user.x"));
	CHECK(changed("f", "C"));
	was("f");
	OK(fallocate(fd, 0, 0, 8192));
	CHECK(changed("f", "CM"));
	was("f");
	OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
	CHECK(changed("f", "CM"));
	OK(close(fd));
}

static void times_of_truncate(void)
{
	put("f", "text");
	int fd = open("f", O_RDWR);

	was("f");
	OK(truncate("f", 4));		/* the size that it has */
	CHECK(changed("f", "CM"));
	was("f");
	OK(ftruncate(fd, 4));
	CHECK(changed("f", "CM"));
	was("f");
	OK(truncate("f", 3));
	CHECK(changed("f", "CM"));
	was("f");
	OK(truncate("f", 30));
	CHECK(changed("f", "CM"));
	OK(truncate("f", 0));
	was("f");
	OK(close(open("f", O_WRONLY | O_TRUNC)));
	CHECK(changed("f", "CM"));
	was("f");
	OK(close(open("f", O_WRONLY | O_CREAT | O_APPEND, 0600)));
	CHECK(changed("f", ""));
	OK(close(fd));
}

static void times_of_directories(void)
{
	OK(mkdir("d", 0755));
	OK(mkdir("e", 0755));
	put("f", "");
#define CHANGES(what)                                                                              \
	do {                                                                                       \
		was("d");                                                                          \
		OK(what);                                                                          \
		CHECK(changed("d", "CM"));                                                         \
	} while (0)
	CHANGES(close(open("d/f", O_CREAT | O_WRONLY, 0600)));
	CHANGES(mkdir("d/d", 0755));
	CHANGES(symlink("x", "d/s"));
	CHANGES(mkfifo("d/p", 0600));
	CHANGES(link("f", "d/l"));
	CHANGES(rename("d/f", "d/g"));
	CHANGES(rename("d/g", "e/g"));
	CHANGES(rename("e/g", "d/g"));
	CHANGES(unlink("d/g"));
	CHANGES(rmdir("d/d"));
	was("d");
	put("d/p2", "");
	CHECK(changed("d", "CM"));
	was("d");
	put("d/p2", "more");
	OK(chmod("d/p2", 0600));
	OK(setxattr("d/p2", "user.x", "1", 1, 0));
	CHECK(changed("d", ""));
	OK(chmod("d", 0700));
	CHECK(changed("d", "C"));
	was("d");
	OK(rename("d", "e/d"));
	CHECK(same_time(stat_of("e/d").st_mtim, before.st_mtim));
	OK(close(open("e/d/f", O_CREAT | O_WRONLY, 0600)));
	was("e/d");
	FAILS(EEXIST, mkdir("e/d/f", 0700));
	FAILS(ENOENT, unlink("e/d/none"));
	FAILS(ENOTDIR, rmdir("e/d/f"));
	CHECK(changed("e/d", ""));
}

/* Nothing changes by what fails, or by looking. */
static void times_stay(void)
{
	struct stat st;

	put("f", "text");
	OK(symlink("f", "s"));
	was("f");
	CHECK(holds("f", "text"));
	OK(access("f", R_OK | W_OK));
	OK(stat("s", &st));
	FAILS(EEXIST, link("s", "f"));
	FAILS(EINVAL, truncate("f", -1));
	FAILS(ENOTDIR, chmod("f/x", 0));
	CHECK(changed("f", ""));
}

/* ---- the time of the last access ---- */

static unsigned long mount_flags(void)
{
	struct statvfs v;

	OK(statvfs(".", &v));
	return v.f_flag;
}

static void access_time_of_a_directory(void)
{
	const struct timespec old[2] = { { 1000000, 0 }, { 2000000, 0 } };

	if (mount_flags() & ST_NOATIME)
		posix_skip("mounted with noatime");
	OK(mkdir("d", 0755));
	put("d/f", "");
	OK(utimensat(AT_FDCWD, "d", old, 0));
	tick();
	DIR *d = opendir("d");
	int n = 0;
	while (d && readdir(d))
		n++;
	CHECK(n == 3);
	closedir(d);
	CHECK(later(stat_of("d").st_atim, old[1]));
}

/* ---- modes and owners ---- */

static void mode_bits(void)
{
	put("f", "");
	OK(mkdir("d", 0755));
	for (unsigned mode = 0; mode < 010000; mode += 0111 * 3 + 01) {
		OK(chmod("f", mode & 07777));
		CHECK(mode_of("f") == (mode & 07777));
		OK(chmod("d", mode & 07777));
		CHECK(mode_of("d") == (mode & 07777));
	}
	OK(chmod("f", S_IFDIR | 0644));	/* no type is changed */
	CHECK(stat_of("f").st_mode == (S_IFREG | 0644));
	OK(symlink("f", "s"));
	OK(chmod("s", 0600));
	CHECK(mode_of("f") == 0600);
	FAILS(EOPNOTSUPP, fchmodat(AT_FDCWD, "s", 0777, AT_SYMLINK_NOFOLLOW));
	FAILS(ENOENT, chmod("none", 0600));
	FAILS(ENOTDIR, chmod("f/none", 0600));
}

static void owner_and_group(void)
{
	put("f", "");
	OK(symlink("f", "s"));
	OK(mkdir("d", 0755));
	OK(chown("f", 1234, 5678));
	CHECK(stat_of("f").st_uid == 1234 && stat_of("f").st_gid == 5678);
	OK(chown("f", -1, 42));
	CHECK(stat_of("f").st_uid == 1234 && stat_of("f").st_gid == 42);
	OK(chown("f", 4000000000, -1));
	CHECK(stat_of("f").st_uid == 4000000000 && stat_of("f").st_gid == 42);
	OK(lchown("s", 7, 8));
	CHECK(stat_of("s").st_uid == 7 && stat_of("f").st_uid == 4000000000);
	OK(chown("s", 9, 10));
	CHECK(stat_of("s").st_uid == 7 && stat_of("f").st_uid == 9);
	OK(chown("d", 65534, 65534));
	CHECK(stat_of("d").st_uid == 65534);
}

static void member_changes_group(void)
{
	FAILS(EPERM, chown("f", BOB, -1));
	FAILS(EPERM, chown("f", -1, 2999));
	OK(chown("f", -1, TEAM));
	CHECK(stat_of("f").st_gid == TEAM);
	OK(chown("f", ALICE, ALICE));
	OK(chown("f", -1, 2100));		/* the 101st of his groups */
	CHECK(stat_of("f").st_gid == 2100);
	OK(chmod("f", 02750));
	CHECK(mode_of("f") == 02750);
	OK(chown("f", -1, TEAM));
	CHECK(mode_of("f") == 0750);
	FAILS(EPERM, chmod("other", 0600));
	FAILS(EPERM, chown("other", -1, TEAM));
	FAILS(EPERM, chown("other", ALICE, -1));
}

static void owner_without_group(void)
{
	OK(chmod("g", 06755));
	CHECK(mode_of("g") == 04755);		/* he is not in it */
	OK(chmod("gd", 02755));
	CHECK(mode_of("gd") == 0755);
}

static void who_changes_owners(void)
{
	gid_t groups[300];

	for (int i = 0; i < 300; i++)
		groups[i] = 2000 + i;
	OK(chmod(".", 0755));
	put("f", "");
	put("other", "");
	put("g", "");
	OK(mkdir("gd", 0755));
	OK(chmod("other", 0666));
	OK(chown("f", ALICE, ALICE));
	OK(chown("g", ALICE, 3000));
	OK(chown("gd", ALICE, 3000));
	as_user_with_groups(ALICE, ALICE, 300, groups, member_changes_group);
	as_user_with_groups(ALICE, ALICE, 300, groups, owner_without_group);
}

/* ---- set-user-id, set-group-id, and file capabilities ---- */

static void writes(void)
{
	int fd = open("f", O_RDWR);

	CHECK(pwrite(fd, "x", 1, 0) == 1);
	OK(close(fd));
}

static void writes_nothing(void)
{
	int fd = open("f", O_RDWR);

	CHECK(pwrite(fd, "", 0, 0) == 0);
	OK(close(fd));
}

static void writes_direct(void)
{
	static char block[8192];
	char *at = (char *)(((uintptr_t)block + 4095) & ~(uintptr_t)4095);
	int fd = open("f", O_RDWR | O_DIRECT);

	CHECK(pwrite(fd, at, 4096, 0) == 4096);
	OK(close(fd));
}

static void truncates(void)
{
	OK(truncate("f", 2));
}

static void ftruncates(void)
{
	int fd = open("f", O_RDWR);

	OK(ftruncate(fd, 3));
	OK(close(fd));
}

static void opens_with_truncation(void)
{
	OK(close(open("f", O_WRONLY | O_TRUNC)));
}

static void allocates(void)
{
	int fd = open("f", O_RDWR);

	OK(fallocate(fd, 0, 0, 65536));
	OK(close(fd));
}

static void copies(void)
{
	int in = open("source", O_RDONLY), fd = open("f", O_RDWR);

	CHECK(copy_file_range(in, NULL, fd, NULL, 4, 0) == 4);
	OK(close(in));
	OK(close(fd));
}

static void only_looks(void)
{
	int fd = open("f", O_RDWR);
	char c;

	CHECK(pread(fd, &c, 1, 0) <= 1);
	OK(fsync(fd));
	OK(utimensat(AT_FDCWD, "f", NULL, 0));
	OK(setxattr("f", "user.x", "1", 1, 0));
	OK(close(fd));
}

static const struct {
	void (*run)(void);
	bool kills;
} ways[] = {
	{ writes, true },    { writes_nothing, false },	     { writes_direct, true },
	{ truncates, true }, { ftruncates, true },	     { opens_with_truncation, true },
	{ allocates, true }, { copies, true },		     { only_looks, false },
};

static const unsigned char capability[20] = { 0, 0, 0, 2, 0, 0x20 };

/* Mode after each way to change the data of f, as a user with a group of f, or not. */
static void kill_by(unsigned mode, unsigned left, uid_t uid, gid_t gid)
{
	for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
		put("f", "some text");
		OK(chown("f", ALICE, TEAM));
		OK(chmod("f", mode));
		OK(setxattr("f", "security.capability", capability, sizeof capability, 0));
		as_user(uid, gid, ways[i].run);
		if (mode_of("f") != (ways[i].kills ? left : mode)) {
			fprintf(stderr, "way %zu by %u.%u: %o is %o\n", i, uid, gid, mode, mode_of("f"));
			posix_failed(__FILE__, __LINE__, "mode after a change of data");
		}
		CHECK((getxattr("f", "security.capability", NULL, 0) < 0) == ways[i].kills);
		OK(unlink("f"));
	}
}

static void data_takes_set_id_away(void)
{
	OK(chmod(".", 0755));
	put("source", "text");
	kill_by(06777, 0777, BOB, BOB);
	kill_by(06777, 0777, ALICE, TEAM);	/* the owner too */
	kill_by(06766, 0766, BOB, BOB);		/* not to be executed by the group */
	kill_by(06766, 02766, BOB, TEAM);
	kill_by(06777, 06777, 0, 0);
}

/* The same through a supplementary group. */
static void data_by_a_member(void)
{
	gid_t groups[] = { 3000, 3001, TEAM, 3002 };

	OK(chmod(".", 0755));
	put("source", "text");
	for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
		put("f", "some text");
		OK(chown("f", ALICE, TEAM));
		OK(chmod("f", 06766));
		as_user_with_groups(BOB, BOB, 4, groups, ways[i].run);
		CHECK(mode_of("f") == (ways[i].kills ? 02766 : 06766));
	}
}

static void owner_chowns(void)
{
	OK(chown("f", ALICE, -1));
}

static void owner_chowns_nothing(void)
{
	OK(chown("f", -1, -1));
}

/* chown(2) takes them away from files, whoever calls it, and from no directory. */
static void owner_takes_set_id_away(void)
{
	OK(chmod(".", 0755));
	put("f", "");
	OK(mkdir("d", 0755));
	OK(chown("f", ALICE, TEAM));
	OK(chmod("f", 06755));
	as_user(ALICE, TEAM, owner_chowns);
	CHECK(mode_of("f") == 0755);
	OK(chmod("f", 06755));
	as_user(ALICE, TEAM, owner_chowns_nothing);
	CHECK(mode_of("f") == 0755);
	OK(chmod("f", 06755));
	OK(setxattr("f", "security.capability", capability, sizeof capability, 0));
	OK(chown("f", BOB, TEAM));
	CHECK(mode_of("f") == 0755);
	CHECK(getxattr("f", "security.capability", NULL, 0) < 0);
	OK(chmod("f", 06644));
	OK(chown("f", ALICE, -1));
	CHECK(mode_of("f") == 02644);
	as_user(ALICE, TEAM, owner_chowns);
	CHECK(mode_of("f") == 02644);
	as_user(ALICE, BOB, owner_chowns);
	CHECK(mode_of("f") == 0644);
	OK(chmod("d", 07755));
	OK(chown("d", BOB, TEAM));
	CHECK(mode_of("d") == 07755);
	OK(rename("d", "e"));
	CHECK(mode_of("e") == 07755);
	OK(chmod("f", 07755));
	OK(link("f", "g"));
	OK(rename("g", "h"));
	CHECK(mode_of("h") == 07755);
}

const struct posix_case posix_cases[] = {
	POSIX_CASE(stat_is_sane),	   POSIX_CASE(statfs_follows),
	POSIX_CASE(birth),		   POSIX_CASE(set_times),
	POSIX_CASE(who_sets_times),	   POSIX_CASE(times_of_objects),
	POSIX_CASE(times_of_truncate),	   POSIX_CASE(times_of_directories),
	POSIX_CASE(times_stay),		   POSIX_CASE(access_time_of_a_directory),
	POSIX_CASE(mode_bits),		   POSIX_CASE(owner_and_group),
	POSIX_CASE(who_changes_owners),	   POSIX_CASE(data_takes_set_id_away),
	POSIX_CASE(data_by_a_member),	   POSIX_CASE(owner_takes_set_id_away),
	{ 0 },
};
