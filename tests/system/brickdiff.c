/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * brickdiff - prints in what two bricks differ; says nothing and ends with 0 when they are replicas.
 *
 *	brickdiff [--] DIR DIR
 *
 * Both trees are walked at once, in the order of names.  Compared are names, types, modes, owners, device numbers, sizes,
 * contents, symlink targets, modification times to the second, which names are links of one object,
 * and all extended attributes, trusted.gfid among them: an object is the same one on both bricks.
 * What belongs to one brick alone is passed over: .glusterfs in the root, and trusted.glusterfs.*.
 *
 * Exit status: 0 equal, 1 different, 2 trouble (which is said).
 * Limitation: nobody may change the bricks meanwhile.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>
#include <uthash.h>

enum { SIDES = 2, BLOCK = 1 << 16, XATTRS_MAX = 1 << 16, TROUBLE = 2 };

/* An object with several names: what it is called first, on each side. */
struct linked {
	struct { dev_t dev; ino_t ino; } key;
	char *first;
	UT_hash_handle hh;
};

static struct linked *linked[SIDES];
static unsigned long differences, objects;

static const char *type_name(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG: return "file";
	case S_IFDIR: return "directory";
	case S_IFLNK: return "symlink";
	case S_IFIFO: return "fifo";
	case S_IFSOCK: return "socket";
	case S_IFCHR: return "character device";
	case S_IFBLK: return "block device";
	}
	return "thing of unknown type";
}

__attribute__((format(printf, 2, 3)))
static void differ(const char *path, const char *format, ...)
{
	va_list ap;

	differences++;
	printf("%s: ", path);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
}

/* The bytes of a value, readable. Caller frees. */
static char *show(const char *value, size_t len)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		err(TROUBLE, "memory");
	for (size_t i = 0; i < len && i < 64; i++)
		fprintf(f, value[i] >= ' ' && value[i] <= '~' && value[i] != '\\' ? "%c" : "\\x%02x",
			(unsigned char)value[i]);
	fprintf(f, "%s (%zu bytes)", len > 64 ? "..." : "", len);
	fclose(f);
	return text;
}

/* ---- extended attributes ----------------------------------------------------------------------- */

struct xattrs {
	char names[XATTRS_MAX];
	const char *name[XATTRS_MAX / 4];
	size_t n;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A path that system calls take: one through a descriptor, so that it is not resolved again. */
static void proc_path(char *buf, size_t size, int dir, const char *name)
{
	if ((size_t)snprintf(buf, size, "/proc/self/fd/%d/%s", dir, name) >= size)
		errx(TROUBLE, "%s: name too long", name);
}

static bool read_xattr_names(int dir, const char *name, struct xattrs *x)
{
	char path[NAME_MAX + 64];
	ssize_t len;

	proc_path(path, sizeof(path), dir, name);
	x->n = 0;
	len = llistxattr(path, x->names, sizeof(x->names));
	if (len < 0 && errno == ENOTSUP)
		return true;
	if (len < 0)
		return false;
	for (const char *p = x->names; p < x->names + len; p += strlen(p) + 1)
		if (strncmp(p, "trusted.glusterfs.", strlen("trusted.glusterfs.")))
			x->name[x->n++] = p;
	qsort(x->name, x->n, sizeof(*x->name), by_name);
	return true;
}

static ssize_t read_xattr(int dir, const char *name, const char *key, char *value, size_t size)
{
	char path[NAME_MAX + 64];

	proc_path(path, sizeof(path), dir, name);
	return lgetxattr(path, key, value, size);
}

static void compare_xattr(const int dir[SIDES], const char *name, const char *path, const char *key)
{
	static char value[SIDES][XATTRS_MAX];
	ssize_t len[SIDES];

	for (int i = 0; i < SIDES; i++) {
		len[i] = read_xattr(dir[i], name, key, value[i], sizeof(value[i]));
		if (len[i] < 0)
			return differ(path, "xattr %s: %s", key, strerror(errno));
	}
	if (len[0] == len[1] && !memcmp(value[0], value[1], len[0]))
		return;
	char *a = show(value[0], len[0]), *b = show(value[1], len[1]);
	differ(path, "xattr %s: %s / %s", key, a, b);
	free(a);
	free(b);
}

static void compare_xattrs(const int dir[SIDES], const char *name, const char *path)
{
	static struct xattrs x[SIDES];
	size_t at[SIDES] = { 0 };

	for (int i = 0; i < SIDES; i++)
		if (!read_xattr_names(dir[i], name, &x[i]))
			return differ(path, "xattrs: %s", strerror(errno));
	while (at[0] < x[0].n || at[1] < x[1].n) {
		int order = at[0] == x[0].n ? 1 : at[1] == x[1].n ? -1 : strcmp(x[0].name[at[0]], x[1].name[at[1]]);

		if (!order)
			compare_xattr(dir, name, path, x[0].name[at[0]]);
		else
			differ(path, "xattr %s: only on the %s", x[order > 0].name[at[order > 0]], order < 0 ? "left" : "right");
		at[0] += order <= 0;
		at[1] += order >= 0;
	}
}

/* ---- contents ------------------------------------------------------------------------------------- */

static ssize_t read_block(int fd, char *block)
{
	size_t n = 0;

	while (n < BLOCK) {
		ssize_t now = read(fd, block + n, BLOCK - n);

		if (now < 0)
			return -1;
		if (!now)
			break;
		n += now;
	}
	return n;
}

static void compare_bytes(const int fd[SIDES], const char *path)
{
	static char block[SIDES][BLOCK];
	off_t offset = 0;
	ssize_t n[SIDES];

	do {
		for (int i = 0; i < SIDES; i++) {
			n[i] = read_block(fd[i], block[i]);
			if (n[i] < 0)
				return differ(path, "cannot read: %s", strerror(errno));
		}
		for (ssize_t i = 0; i < n[0] && i < n[1]; i++)
			if (block[0][i] != block[1][i])
				return differ(path, "contents differ from byte %jd on", (intmax_t)(offset + i));
		offset += n[0];
	} while (n[0] == BLOCK && n[1] == BLOCK);
}

static void compare_contents(const int dir[SIDES], const char *name, const char *path)
{
	int fd[SIDES] = { openat(dir[0], name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC),
			  openat(dir[1], name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) };

	if (fd[0] < 0 || fd[1] < 0)
		differ(path, "cannot open: %s", strerror(errno));
	else
		compare_bytes(fd, path);
	for (int i = 0; i < SIDES; i++)
		if (fd[i] >= 0)
			close(fd[i]);
}

static void compare_targets(const int dir[SIDES], const char *name, const char *path)
{
	char target[SIDES][PATH_MAX + 1];

	for (int i = 0; i < SIDES; i++) {
		ssize_t n = readlinkat(dir[i], name, target[i], PATH_MAX);

		if (n < 0)
			return differ(path, "cannot read the link: %s", strerror(errno));
		target[i][n] = '\0';
	}
	if (strcmp(target[0], target[1]))
		differ(path, "points to %s / %s", target[0], target[1]);
}

/* ---- one object ----------------------------------------------------------------------------------- */

/* The first name under which we met an object with several; this one when it is new. */
static const char *first_name(int side, const struct stat *st, const char *path)
{
	struct linked *l, probe;

	memset(&probe, 0, sizeof(probe));
	probe.key.dev = st->st_dev;
	probe.key.ino = st->st_ino;
	HASH_FIND(hh, linked[side], &probe.key, sizeof(probe.key), l);
	if (l)
		return l->first;
	l = calloc(1, sizeof(*l));
	if (!l || !(l->first = strdup(path)))
		err(TROUBLE, "memory");
	l->key.dev = st->st_dev;
	l->key.ino = st->st_ino;
	HASH_ADD(hh, linked[side], key, sizeof(l->key), l);
	return l->first;
}

static void compare_links(const struct stat st[SIDES], const char *path)
{
	const char *first[SIDES];

	if (st[0].st_nlink != st[1].st_nlink)
		differ(path, "links %ju / %ju", (uintmax_t)st[0].st_nlink, (uintmax_t)st[1].st_nlink);
	if (st[0].st_nlink == 1 && st[1].st_nlink == 1)
		return;
	for (int i = 0; i < SIDES; i++)
		first[i] = first_name(i, &st[i], path);
	if (strcmp(first[0], first[1]))
		differ(path, "the same object as %s / %s", first[0], first[1]);
}

static void compare_mtimes(const struct stat st[SIDES], const char *path)
{
	char text[SIDES][32];
	struct tm tm;

	if (st[0].st_mtim.tv_sec == st[1].st_mtim.tv_sec)
		return;
	for (int i = 0; i < SIDES; i++)
		strftime(text[i], sizeof(text[i]), "%F %T", localtime_r(&st[i].st_mtim.tv_sec, &tm));
	differ(path, "mtime %s.%09ld / %s.%09ld (%s)", text[0], st[0].st_mtim.tv_nsec, text[1], st[1].st_mtim.tv_nsec,
	       type_name(st[0].st_mode));
}

/* False when there is nothing more to compare: they are of different types. */
static bool compare_stats(const struct stat st[SIDES], const char *path)
{
	if ((st[0].st_mode & S_IFMT) != (st[1].st_mode & S_IFMT)) {
		differ(path, "%s / %s", type_name(st[0].st_mode), type_name(st[1].st_mode));
		return false;
	}
	if (st[0].st_mode != st[1].st_mode)
		differ(path, "mode %04o / %04o", st[0].st_mode & 07777, st[1].st_mode & 07777);
	if (st[0].st_uid != st[1].st_uid || st[0].st_gid != st[1].st_gid)
		differ(path, "owner %u:%u / %u:%u", st[0].st_uid, st[0].st_gid, st[1].st_uid, st[1].st_gid);
	if (st[0].st_rdev != st[1].st_rdev)
		differ(path, "device %u:%u / %u:%u", major(st[0].st_rdev), minor(st[0].st_rdev), major(st[1].st_rdev),
		       minor(st[1].st_rdev));
	if (S_ISREG(st[0].st_mode) && st[0].st_size != st[1].st_size)
		differ(path, "size %jd / %jd", (intmax_t)st[0].st_size, (intmax_t)st[1].st_size);
	if (!S_ISDIR(st[0].st_mode))
		compare_links(st, path);
	compare_mtimes(st, path);
	return true;
}

/* ---- directories ---------------------------------------------------------------------------------- */

static void compare_directories(const int dir[SIDES], const char *path);

static void compare_subdirectory(const int dir[SIDES], const char *name, const char *path)
{
	int sub[SIDES];

	for (int i = 0; i < SIDES; i++) {
		sub[i] = openat(dir[i], name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub[i] < 0)
			err(TROUBLE, "%s", path);
	}
	compare_directories(sub, path);
	for (int i = 0; i < SIDES; i++)
		close(sub[i]);
}

static void compare_objects(const int dir[SIDES], const char *name, const char *path)
{
	struct stat st[SIDES];

	objects++;
	for (int i = 0; i < SIDES; i++)
		if (fstatat(dir[i], name, &st[i], AT_SYMLINK_NOFOLLOW))
			return differ(path, "%s", strerror(errno));
	if (!compare_stats(st, path))
		return;
	compare_xattrs(dir, name, path);
	if (S_ISREG(st[0].st_mode) && st[0].st_size == st[1].st_size)
		compare_contents(dir, name, path);
	else if (S_ISLNK(st[0].st_mode))
		compare_targets(dir, name, path);
	else if (S_ISDIR(st[0].st_mode) && strcmp(name, "."))
		compare_subdirectory(dir, name, path);
}

static int is_an_entry(const struct dirent *d)
{
	return strcmp(d->d_name, ".") && strcmp(d->d_name, "..");
}

/* by bytes, whatever the locale */
static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* One of a pair of lists in order: compared if both have it. */
static void compare_entry(const int dir[SIDES], const char *parent, const char *name, int order)
{
	char *path;

	if (!strcmp(parent, ".") && !strcmp(name, ".glusterfs"))
		return;
	if (asprintf(&path, "%s/%s", parent, name) < 0)
		err(TROUBLE, "memory");
	if (!order)
		compare_objects(dir, name, path);
	else
		differ(path, "only on the %s", order < 0 ? "left" : "right");
	free(path);
}

static void compare_directories(const int dir[SIDES], const char *path)
{
	struct dirent **list[SIDES];
	int n[SIDES], at[SIDES] = { 0 };

	for (int i = 0; i < SIDES; i++) {
		n[i] = scandirat(dir[i], ".", &list[i], is_an_entry, by_bytes);
		if (n[i] < 0)
			err(TROUBLE, "%s", path);
	}
	while (at[0] < n[0] || at[1] < n[1]) {
		int order = at[0] == n[0] ? 1 : at[1] == n[1] ? -1 :
			    strcmp(list[0][at[0]]->d_name, list[1][at[1]]->d_name);

		compare_entry(dir, path, list[order > 0][at[order > 0]]->d_name, order);
		if (order <= 0)
			free(list[0][at[0]++]);
		if (order >= 0)
			free(list[1][at[1]++]);
	}
	free(list[0]);
	free(list[1]);
}

static void forget_links(void)
{
	for (int i = 0; i < SIDES; i++) {
		struct linked *l, *next;

		HASH_ITER(hh, linked[i], l, next) {
			HASH_DEL(linked[i], l);
			free(l->first);
			free(l);
		}
	}
}

int main(int argc, char **argv)
{
	int dir[SIDES];

	if (argc > 1 && !strcmp(argv[1], "--"))
		argc--, argv++;
	if (argc != 3)
		errx(TROUBLE, "usage: brickdiff DIR DIR");
	for (int i = 0; i < SIDES; i++) {
		dir[i] = open(argv[i + 1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir[i] < 0)
			err(TROUBLE, "%s", argv[i + 1]);
	}
	compare_objects(dir, ".", ".");
	compare_directories(dir, ".");
	forget_links();
	if (differences)
		printf("%lu differences in %lu objects\n", differences, objects);
	return differences != 0;
}
