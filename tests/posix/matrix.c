/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * matrix DIR [N/M | PATTERN] - every system call on names, on every kind of object, by several users.
 *
 * Prints a line for each: the errno, and what the call has done to the object and its directory. The
 * output on a mount must be that on ext4, line by line (posix.sh compares): there is no list of what is
 * right in here. N/M: each M-th line, from the N-th on; PATTERN: only lines that contain it.
 *
 * Each call meets an object that was made for it; times are set to long ago before, so that a change
 * shows. Whether ctime moves is only told where the kernel has fine timestamps (6.13).
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/xattr.h>
#include <unistd.h>

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#endif

enum { OWNER = 1000, OTHER = 2000, GROUP = 3000 };
static const char *const users[] = { "root", "owner", "other" };

static bool fine_ctime;
static const char *pattern;
static unsigned long every = 1, from, nr_lines;
static int top;

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "matrix: cannot prepare: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* ---- objects: how the name "x" in the directory "d" comes to be ---- */

static void file_of(const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

	must(fd >= 0 && write(fd, "hundred", 7) == 7, path);
	must(fchown(fd, uid, gid) == 0 && fchmod(fd, mode) == 0 && close(fd) == 0, path);
}

static void dir_of(const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	must(mkdir(path, 0700) == 0 && chown(path, uid, gid) == 0 && chmod(path, mode) == 0, path);
}

static void o_none(void) { }
static void o_file(void) { file_of("d/x", 0644, 0, 0); }
static void o_owned(void) { file_of("d/x", 0640, OWNER, OWNER); }
static void o_foreign_group(void) { file_of("d/x", 0664, OWNER, GROUP); }
static void o_suid(void) { file_of("d/x", 06777, OWNER, GROUP); }
static void o_sgid_only(void) { file_of("d/x", 02666, OWNER, GROUP); }
static void o_closed(void) { file_of("d/x", 0, OWNER, OWNER); }
static void o_hard(void) { file_of("d/x", 0644, OWNER, OWNER); must(link("d/x", "d/y") == 0, "link"); }
static void o_dir(void) { dir_of("d/x", 0755, 0, 0); }
static void o_owned_dir(void) { dir_of("d/x", 0750, OWNER, GROUP); }
static void o_full(void) { dir_of("d/x", 0777, OWNER, OWNER); file_of("d/x/f", 0644, 0, 0); }
static void o_setgid_dir(void) { dir_of("d/x", 02777, OWNER, GROUP); }
static void o_symlink(void) { file_of("d/t", 0644, OWNER, OWNER); must(symlink("t", "d/x") == 0, "symlink"); }
static void o_dangling(void) { must(symlink("t", "d/x") == 0 && lchown("d/x", OWNER, OWNER) == 0, "symlink"); }
static void o_dir_link(void) { dir_of("d/t", 0777, OWNER, OWNER); must(symlink("t", "d/x") == 0, "symlink"); }
static void o_loop(void) { must(symlink("x", "d/x") == 0, "symlink"); }
static void o_fifo(void) { must(mknod("d/x", S_IFIFO | 0600, 0) == 0 && chown("d/x", OWNER, OWNER) == 0, "fifo"); }
static void o_chr(void) { must(mknod("d/x", S_IFCHR | 0666, makedev(1, 3)) == 0, "chr"); }

/* The first are tried in all kinds of directories, the others in one that is open to everybody. */
enum { EVERYWHERE = 5 };
static const struct {
	const char *name;
	void (*make)(void);
} objects[] = {
#define O(n) { #n, o_##n }
	O(none), O(file), O(owned), O(owned_dir), O(dangling), O(dir), O(foreign_group), O(suid), O(sgid_only),
	O(closed), O(hard), O(full), O(setgid_dir), O(symlink), O(dir_link), O(loop), O(fifo), O(chr),
#undef O
};

/* What the directory "d" is. */
static const struct {
	const char *name;
	mode_t mode;
	uid_t uid;
	gid_t gid;
} parents[] = {
	{ "open", 0777, 0, 0 },
	/* and, for the first few objects: */
	{ "owned", 0755, OWNER, OWNER }, { "sticky", 01777, 0, 0 },
	{ "sticky-owned", 01777, OWNER, OWNER }, { "closed", 0700, 0, 0 }, { "setgid", 02777, 0, GROUP },
};

/* ---- calls: each works on path; s is a file, sd a directory, beside "d", of the caller ---- */

static int done(int fd)
{
	return fd < 0 ? fd : close(fd);
}

static int set_times(const char *path, long a, long m, int flags)
{
	const struct timespec t[2] = { { .tv_sec = 5, .tv_nsec = a }, { .tv_sec = 6, .tv_nsec = m } };

	return utimensat(AT_FDCWD, path, t, flags);
}

static char scratch[256];

#define CALL(n, e) static int c_##n(const char *p) { return e; }
CALL(open_r, done(open(p, O_RDONLY | O_NONBLOCK)))
CALL(open_w, done(open(p, O_WRONLY | O_NONBLOCK)))
CALL(open_trunc, done(open(p, O_RDWR | O_TRUNC | O_NONBLOCK)))
CALL(open_creat, done(open(p, O_RDWR | O_CREAT | O_NONBLOCK, 06764)))
CALL(open_excl, done(open(p, O_RDWR | O_CREAT | O_EXCL, 02675)))
CALL(open_dir, done(open(p, O_RDONLY | O_DIRECTORY)))
CALL(open_nofollow, done(open(p, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)))
CALL(open_creat_dir, done(open(p, O_RDONLY | O_CREAT | O_DIRECTORY, 0644)))
CALL(open_path, done(open(p, O_PATH | O_NOFOLLOW)))
CALL(open_noatime, done(open(p, O_RDONLY | O_NOATIME | O_NONBLOCK)))
CALL(open_tmpfile, done(open(p, O_RDWR | O_TMPFILE, 0644)))
CALL(open_tmpfile_r, done(open(p, O_RDONLY | O_TMPFILE, 0644)))
CALL(mkdir, mkdir(p, 02755))
CALL(rmdir, rmdir(p))
CALL(unlink, unlink(p))
CALL(mkfifo, mkfifo(p, 06642))
CALL(mknod_chr, mknod(p, S_IFCHR | 0600, makedev(1, 5)))
CALL(mknod_file, mknod(p, S_IFREG | 04755, 0))
CALL(symlink, symlink("somewhere", p))
CALL(readlink, readlink(p, scratch, sizeof scratch) < 0 ? -1 : 0)
CALL(chmod, chmod(p, 0705))
CALL(chmod_suid, chmod(p, 06755))
CALL(chmod_sticky, chmod(p, 01777))
CALL(chown_user, chown(p, OTHER, -1))
CALL(chown_self, chown(p, OWNER, -1))
CALL(chown_group, chown(p, -1, GROUP))
CALL(chown_other_group, chown(p, -1, 4000))
CALL(chown_nothing, chown(p, -1, -1))
CALL(lchown, lchown(p, OWNER, GROUP))
CALL(truncate_0, truncate(p, 0))
CALL(truncate_up, truncate(p, 1000))
CALL(truncate_same, truncate(p, 7))
CALL(truncate_bad, truncate(p, -1))
CALL(times_now, utimensat(AT_FDCWD, p, NULL, 0))
CALL(times_both_now, set_times(p, UTIME_NOW, UTIME_NOW, 0))
CALL(times_set, set_times(p, 7, 123456789, 0))
CALL(times_omit_now, set_times(p, UTIME_OMIT, UTIME_NOW, 0))
CALL(times_omit_set, set_times(p, UTIME_OMIT, 9, 0))
CALL(times_omit_both, set_times(p, UTIME_OMIT, UTIME_OMIT, 0))
CALL(times_bad, set_times(p, 1000000000, 0, 0))
CALL(times_link, set_times(p, 1, 2, AT_SYMLINK_NOFOLLOW))
CALL(access_r, faccessat(AT_FDCWD, p, R_OK, AT_EACCESS))
CALL(access_w, faccessat(AT_FDCWD, p, W_OK, AT_EACCESS))
CALL(access_x, faccessat(AT_FDCWD, p, X_OK, AT_EACCESS))
CALL(chdir, chdir(p) < 0 ? -1 : fchdir(top))
CALL(setxattr, setxattr(p, "user.a", "value", 5, 0))
CALL(setxattr_create, setxattr(p, "user.a", "value", 5, XATTR_CREATE))
CALL(setxattr_replace, setxattr(p, "user.a", "value", 5, XATTR_REPLACE))
CALL(setxattr_trusted, setxattr(p, "trusted.a", "value", 5, 0))
CALL(setxattr_nonsense, setxattr(p, "nonsense.a", "value", 5, 0))
CALL(lsetxattr, lsetxattr(p, "user.a", "value", 5, 0))
CALL(getxattr, getxattr(p, "user.a", scratch, sizeof scratch) < 0 ? -1 : 0)
CALL(getxattr_trusted, getxattr(p, "trusted.a", scratch, sizeof scratch) < 0 ? -1 : 0)
CALL(removexattr, removexattr(p, "user.a"))
CALL(listxattr, listxattr(p, scratch, sizeof scratch) < 0 ? -1 : 0)
CALL(link_from, linkat(AT_FDCWD, p, AT_FDCWD, "n", 0))
CALL(link_from_follow, linkat(AT_FDCWD, p, AT_FDCWD, "n", AT_SYMLINK_FOLLOW))
CALL(link_to, link("s", p))
CALL(link_dir_to, link("sd", p))
CALL(rename_from, rename(p, "n"))
CALL(rename_to, rename("s", p))
CALL(rename_dir_to, rename("sd", p))
CALL(rename_same, rename(p, p))
CALL(rename_into, renameat(AT_FDCWD, "d", AT_FDCWD, p))
CALL(rename_noreplace, renameat2(AT_FDCWD, "s", AT_FDCWD, p, RENAME_NOREPLACE))
CALL(rename_exchange, renameat2(AT_FDCWD, "s", AT_FDCWD, p, RENAME_EXCHANGE))
CALL(rename_exchange_dir, renameat2(AT_FDCWD, "sd", AT_FDCWD, p, RENAME_EXCHANGE))
CALL(rename_bad_flags, renameat2(AT_FDCWD, "s", AT_FDCWD, p, RENAME_EXCHANGE | RENAME_NOREPLACE))
#undef CALL

static const struct call {
	const char *name;
	int (*run)(const char *path);
} calls[] = {
#define C(n) { #n, c_##n }
	C(open_r), C(open_w), C(open_trunc), C(open_creat), C(open_excl), C(open_dir), C(open_nofollow),
	C(open_creat_dir), C(open_path), C(open_noatime), C(open_tmpfile), C(open_tmpfile_r), C(mkdir), C(rmdir),
	C(unlink), C(mkfifo), C(mknod_chr), C(mknod_file), C(symlink), C(readlink), C(chmod), C(chmod_suid),
	C(chmod_sticky), C(chown_user), C(chown_self), C(chown_group), C(chown_other_group), C(chown_nothing),
	C(lchown), C(truncate_0), C(truncate_up), C(truncate_same), C(truncate_bad), C(times_now), C(times_both_now),
	C(times_set), C(times_omit_now), C(times_omit_set), C(times_omit_both), C(times_bad), C(times_link),
	C(access_r), C(access_w), C(access_x), C(chdir), C(setxattr), C(setxattr_create), C(setxattr_replace),
	C(setxattr_trusted), C(setxattr_nonsense), C(lsetxattr), C(getxattr), C(getxattr_trusted), C(removexattr),
	C(listxattr), C(link_from), C(link_from_follow), C(link_to), C(link_dir_to), C(rename_from), C(rename_to),
	C(rename_dir_to), C(rename_same), C(rename_into), C(rename_noreplace), C(rename_exchange),
	C(rename_exchange_dir), C(rename_bad_flags),
#undef C
};

/* ---- before and after ---- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	must(remove(path) == 0, path);
	return 0;
}

static void clean(void)
{
	static const char *const all[] = { "d", "s", "sd", "n" };

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (nftw(all[i], remove_one, 8, FTW_DEPTH | FTW_PHYS) < 0)
			must(errno == ENOENT, all[i]);
	/* "d/.." */
	must(chown(".", 0, 0) == 0 && chmod(".", 0777) == 0, ".");
	removexattr(".", "user.a");
	removexattr(".", "trusted.a");
}

static void age(const char *path)
{
	const struct timespec t[2] = { { .tv_sec = 1000 }, { .tv_sec = 2000 } };

	if (utimensat(AT_FDCWD, path, t, AT_SYMLINK_NOFOLLOW) < 0)
		must(errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG, path);
}

struct seen {
	bool there;
	struct stat st;
};

static struct seen look(const char *path)
{
	struct seen s = { 0 };

	s.there = lstat(path, &s.st) == 0;
	return s;
}

static const char *time_text(const struct timespec *now, long old, char out[32])
{
	if (now->tv_sec == old && now->tv_nsec == 0)
		return "old";
	if (now->tv_sec < 1000)
		snprintf(out, 32, "%ld.%ld", (long)now->tv_sec, now->tv_nsec);
	else
		return "now";
	return out;
}

static void show(const char *what, const char *path, const struct seen *before)
{
	struct seen s = look(path);
	char m[32], a[32];

	if (!s.there) {
		if (before->there)
			printf(" %s:gone", what);
		return;
	}
	printf(" %s:%o,%u,%u,%u", what, s.st.st_mode, (unsigned)s.st.st_nlink, s.st.st_uid, s.st.st_gid);
	if (!S_ISDIR(s.st.st_mode))
		printf(",%lld", (long long)s.st.st_size);
	printf(",m=%s", time_text(&s.st.st_mtim, 2000, m));
	/* Kernels keep what a symbolic link says, and do not ask again: its atime need not move. */
	if (!S_ISDIR(s.st.st_mode) && !S_ISLNK(s.st.st_mode))
		printf(",a=%s", time_text(&s.st.st_atim, 1000, a));
	if (fine_ctime && before->there && before->st.st_ino == s.st.st_ino)
		printf(",c%s", before->st.st_ctim.tv_sec == s.st.st_ctim.tv_sec &&
					       before->st.st_ctim.tv_nsec == s.st.st_ctim.tv_nsec
				       ? "="
				       : "!");
	if (before->there && before->st.st_ino != s.st.st_ino)
		printf(",another");
}

static void become(int user)
{
	static const gid_t groups[] = { GROUP };
	static const uid_t ids[] = { 0, OWNER, OTHER };

	must(setgroups(user == 2, groups) == 0, "setgroups");
	must(setresgid(ids[user], ids[user], 0) == 0 && setresuid(ids[user], ids[user], 0) == 0, "setresuid");
}

static void become_root(void)
{
	must(setresuid(0, 0, 0) == 0 && setresgid(0, 0, 0) == 0 && setgroups(0, NULL) == 0, "setresuid");
}

static void try(size_t parent, size_t object, const struct call *c, int user, const char *path)
{
	static const char *const shown[] = { "d/x", "d/y", "d/t", "d", "s", "sd", "n" };
	enum { NR = sizeof shown / sizeof shown[0] };
	static const uid_t ids[] = { 0, OWNER, OTHER };
	struct seen before[NR];
	char title[256];

	snprintf(title, sizeof title, "%s %s %s %s %s", c->name, objects[object].name, parents[parent].name,
		 users[user], path);
	if (nr_lines++ % every != from || (pattern && !strstr(title, pattern)))
		return;
	dir_of("d", 0700, 0, 0);
	objects[object].make();
	must(chown("d", parents[parent].uid, parents[parent].gid) == 0 && chmod("d", parents[parent].mode) == 0, "d");
	file_of("s", 0644, ids[user], ids[user]);
	dir_of("sd", 0755, ids[user], ids[user]);
	for (int i = NR - 1; i >= 0; i--)
		age(shown[i]);
	for (int i = 0; i < NR; i++)
		before[i] = look(shown[i]);
	become(user);
	errno = 0;
	int ret = c->run(path), err = ret < 0 ? errno : 0;
	become_root();
	printf("%s: %s", title, err ? strerrorname_np(err) : "ok");
	for (int i = 0; i < NR; i++)
		show(shown[i], shown[i], &before[i]);
	printf("\n");
	clean();
}

/* Names that go wrong on the way, whatever is there. */
static void try_paths(const struct call *c)
{
	static char too_long[300], longest[256];
	const char *const paths[] = { "d/x/", "d/x/.", "d/x/..", "d/none/x", "d/x/none", "", "d/..", "d/.", too_long,
				      longest };

	memset(too_long, 'l', 256);
	memset(longest, 'l', 255);
	static void (*const kinds[])(void) = { o_none, o_file, o_dir, o_dir_link, o_symlink };
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
		for (size_t o = 0; o < sizeof objects / sizeof objects[0]; o++)
			for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
				if (objects[o].make != kinds[k])
					continue;
				try(0, o, c, 0, paths[i]);
				if (unlink(longest) < 0)
					rmdir(longest);
			}
}

int main(int argc, char **argv)
{
	struct utsname u;
	int major = 0, minor = 0;

	if (argc < 2 || chdir(argv[1]) < 0) {
		fprintf(stderr, "usage: matrix DIR [PATTERN]\n");
		return 2;
	}
	if (argc > 2 && sscanf(argv[2], "%lu/%lu", &from, &every) == 2)
		from = every ? (from + every - 1) % every : (every = 1, 0);
	else
		pattern = argc > 2 ? argv[2] : NULL;
	must((top = open(".", O_RDONLY | O_DIRECTORY)) >= 0 && chmod(".", 0777) == 0, argv[1]);
	umask(022);
	if (uname(&u) == 0 && sscanf(u.release, "%d.%d", &major, &minor) == 2)
		fine_ctime = major > 6 || (major == 6 && minor >= 13);
	for (size_t c = 0; c < sizeof calls / sizeof calls[0]; c++) {
		for (size_t o = 0; o < sizeof objects / sizeof objects[0]; o++)
			for (size_t p = 0; p < (o < EVERYWHERE ? sizeof parents / sizeof parents[0] : 1); p++)
				for (int user = p ? 1 : 0; user < 3; user++)
					try(p, o, &calls[c], user, "d/x");
		try_paths(&calls[c]);
	}
	return 0;
}
