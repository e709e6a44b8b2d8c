/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * posix-init.c - checking and opening a brick.
 *
 * Everything that can go wrong with the directory is found here and told to the person who wrote
 * the volume file; what was made on the way is taken away again when a later step fails.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "graph.h"
#include "posix.h"

#define LOCK_PATH POSIX_DIR "/lock"
#define TEST_XATTR POSIX_XATTR_PREFIX "test"
enum { NOFILE_WANTED = 1 << 20, RESERVE = 64, OPEN_MIN = 16, OPEN_MAX = 65536 };

static const struct {
	long magic;
	const char *name;
} file_systems[] = {
	{ 0xEF53, "ext4" }, { 0x58465342, "xfs" }, { 0x9123683E, "btrfs" }, { 0x01021994, "tmpfs" },
	{ 0x6969, "nfs" }, { 0x65735546, "fuse" }, { 0x794c7630, "overlayfs" }, { 0x4d44, "vfat" },
	{ 0x2FC12FC1, "zfs" }, { 0xF2F52010, "f2fs" }, { 0x858458f6, "ramfs" }, { 0x9fa0, "proc" },
	{ 0x01021997, "9p" }, { 0xFF534D42, "cifs" }, { 0x2011BAB0, "exfat" },
};

static const char *file_system_name(int fd, char text[32])
{
	struct statfs s;

	if (fstatfs(fd, &s) < 0)
		return "unknown";
	for (size_t i = 0; i < sizeof file_systems / sizeof file_systems[0]; i++)
		if ((long)s.f_type == file_systems[i].magic)
			return file_systems[i].name;
	snprintf(text, 32, "type 0x%lx", (unsigned long)s.f_type);
	return text;
}

static int init_open_missing(struct posix *p)
{
	if (mkdir(p->directory, 0777) < 0) {
		int err = errno;

		if (err == ENOENT)
			xl_error(p->xl, "directory",
				 "\"%s\" does not exist, nor does the directory it would be in",
				 p->directory);
		else
			xl_error(p->xl, "directory", "\"%s\" does not exist and cannot be made: %s",
				 p->directory, strerror(err));
		return -err;
	}
	p->made_directory = true;
	xl_warning(p->xl, "directory", "\"%s\" did not exist; it was made", p->directory);
	return 0;
}

static int init_open(struct posix *p)
{
	struct stat st;
	int fd, ret;

	if (stat(p->directory, &st) < 0 && errno == ENOENT) {
		ret = init_open_missing(p);
		if (ret < 0)
			return ret;
	}
	fd = open(p->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		ret = -errno;
		if (ret == -ENOTDIR)
			xl_error(p->xl, "directory", "\"%s\" is not a directory", p->directory);
		else
			xl_error(p->xl, "directory", "cannot open \"%s\": %s", p->directory,
				 strerror(-ret));
		return ret;
	}
	p->root_fd = fd + 1;
	return 0;
}

/* A brick needs a writable file system that keeps trusted.* xattrs, and a process that may use
 * them. */
static int init_check(struct posix *p)
{
	int fd = posix_root(p), ret;
	struct statvfs v;
	char text[32];

	if (caller_check_process() < 0) {
		xl_error(p->xl, NULL,
			 "a brick needs root: files get other owners and trusted xattrs here");
		return -EPERM;
	}
	if (fstatvfs(fd, &v) == 0 && (v.f_flag & ST_RDONLY)) {
		xl_error(p->xl, "directory", "\"%s\" is on a read-only file system (%s)",
			 p->directory, file_system_name(fd, text));
		return -EROFS;
	}
	if (fsetxattr(fd, TEST_XATTR, "1", 1, 0) < 0 || fremovexattr(fd, TEST_XATTR) < 0) {
		ret = -errno;
		if (ret == -EOPNOTSUPP)
			xl_error(p->xl, "directory",
				 "\"%s\" is on a file system without extended attributes (%s)",
				 p->directory, file_system_name(fd, text));
		else if (ret == -EPERM)
			xl_error(p->xl, "directory",
				 "trusted extended attributes cannot be set on \"%s\" (%s): "
				 "this process needs CAP_SYS_ADMIN",
				 p->directory, file_system_name(fd, text));
		else
			xl_error(p->xl, "directory",
				 "cannot set extended attributes on \"%s\" (%s): %s", p->directory,
				 file_system_name(fd, text), strerror(-ret));
		return ret;
	}
	return 0;
}

static int init_own_directory(struct posix *p)
{
	struct stat st;

	if (mkdirat(posix_root(p), POSIX_DIR, 0700) == 0) {
		p->made_handles = true;
		return 0;
	}
	if (errno == EEXIST && fstatat(posix_root(p), POSIX_DIR, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (S_ISDIR(st.st_mode))
			return 0;
		errno = ENOTDIR;
	}

	int ret = -errno;

	xl_error(p->xl, "directory", "cannot make \"%s/" POSIX_DIR "\": %s", p->directory,
		 strerror(-ret));
	return ret;
}

/* A directory of ours that is an object too: it has an identity, and the handle by which that leads to it. */
static int own_object(struct posix *p, const char *path, const struct gfid *g, const struct gfid *parent, const char *name)
{
	char handle[POSIX_HANDLE_MAX], target[64 + 256], text[GFID_STR];
	int ret = mkdirat(posix_root(p), path, 0700);

	if (ret < 0 && errno != EEXIST)
		return -errno;
	ret = posix_gfid_set(posix_root(p), path, g, 0);
	if (ret < 0)
		return ret;
	posix_handle_path(g, handle);
	snprintf(target, sizeof target, "../../%02x/%02x/%s/%s", parent->b[0], parent->b[1], gfid_str(parent, text), name);
	return symlinkat(target, posix_root(p), handle) == 0 || errno == EEXIST ? 0 : -errno;
}

/* What a heal takes away goes to the landfill, which has an identity so that this is done by ordinary operations. */
static int init_landfill(struct posix *p)
{
	static const struct gfid landfill = { .b = { [15] = 2 } }, own = { .b = { [15] = 3 } };
	int ret = own_object(p, POSIX_DIR, &own, &gfid_root, POSIX_DIR);

	if (ret == 0)
		ret = own_object(p, POSIX_DIR "/landfill", &landfill, &own, "landfill");
	if (ret < 0)
		xl_error(p->xl, "directory", "cannot make \"%s/" POSIX_DIR "/landfill\": %s", p->directory, strerror(-ret));
	return ret;
}

static void lock_write_pid(struct posix *p)
{
	char text[16];
	int n = snprintf(text, sizeof text, "%d\n", (int)getpid());
	int fd = openat(posix_root(p), LOCK_PATH, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || pwrite(fd, text, (size_t)n, 0) != n)
		log_debug(p->xl->name, "cannot write %s: %s", LOCK_PATH, strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* For reading only: a descriptor for writing would keep the administrator from mounting the disk
 * read-only. */
static int init_lock(struct posix *p)
{
	char owner[16] = "";
	int fd = openat(posix_root(p), LOCK_PATH, O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
			0600),
	    ret;

	if (fd < 0) {
		ret = -errno;
		xl_error(p->xl, "directory", "cannot make \"%s/" LOCK_PATH "\": %s", p->directory,
			 strerror(-ret));
		return ret;
	}
	p->lock_fd = fd + 1;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		lock_write_pid(p);
		return 0;
	}
	ret = -errno;
	if (ret != -EWOULDBLOCK) {
		xl_error(p->xl, "directory", "cannot lock \"%s\": %s", p->directory,
			 strerror(-ret));
		return ret;
	}
	if (pread(fd, owner, sizeof owner - 1, 0) < 0 || !owner[0])
		memcpy(owner, "unknown", 8);
	owner[strcspn(owner, "\n")] = 0;
	xl_error(p->xl, "directory", "\"%s\" is in use by pid %s", p->directory, owner);
	return -EBUSY;
}

static int init_root_gfid(struct posix *p)
{
	struct gfid g;
	char text[GFID_STR];
	int fd = posix_root(p);
	ssize_t n = fgetxattr(fd, POSIX_XATTR_GFID, &g, sizeof g);

	if (n == (ssize_t)sizeof g && gfid_equal(&g, &gfid_root))
		return 0;
	if (n >= 0 || errno == ERANGE) {
		xl_error(p->xl, "directory",
			 "\"%s\" is a directory inside another brick (it has the identity %s)",
			 p->directory,
			 n == (ssize_t)sizeof g ? gfid_str(&g, text) : "of something else");
		return -EINVAL;
	}
	if (errno == ENODATA &&
	    fsetxattr(fd, POSIX_XATTR_GFID, &gfid_root, sizeof gfid_root, XATTR_CREATE) == 0) {
		p->made_gfid = true;
		return 0;
	}

	int ret = -errno;

	xl_error(p->xl, "directory", "cannot give \"%s\" its identity: %s", p->directory,
		 strerror(-ret));
	return ret;
}

static int init_brick_id(struct posix *p)
{
	int fd = posix_root(p), ret;
	uint64_t id[2];

	if (fgetxattr(fd, POSIX_XATTR_BRICK_ID, p->brick_id, sizeof p->brick_id) ==
	    (ssize_t)sizeof p->brick_id)
		return 0;
	id[0] = loop_random(xl_loop(p->xl));
	id[1] = loop_random(xl_loop(p->xl));
	memcpy(p->brick_id, id, sizeof id);
	if (fsetxattr(fd, POSIX_XATTR_BRICK_ID, id, sizeof id, 0) == 0)
		return 0;
	ret = -errno;
	xl_error(p->xl, "directory", "cannot give \"%s\" a brick id: %s", p->directory,
		 strerror(-ret));
	return ret;
}

/*
 * Room for the marks of cluster/afr on the root: on a disk that is full a new xattr finds none, and a
 * mirror that cannot note who is out may change nothing, not even remove a file.  What does not fit into
 * the inode has a block of its own, and there is room in that.  Its content is this brick's only, since
 * ext4 shares equal blocks, and copies them when one changes.
 */
static int init_reserve(struct posix *p)
{
	uint8_t bytes[512];
	int fd = posix_root(p);

	if (fgetxattr(fd, POSIX_XATTR_RESERVE, NULL, 0) > 0)
		return 0;
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = p->brick_id[i % sizeof p->brick_id];
	if (fsetxattr(fd, POSIX_XATTR_RESERVE, bytes, sizeof bytes, 0) < 0)
		log_warning(p->xl->name, "\"%s\": no room is reserved for notes: %s", p->directory,
			    strerror(errno));
	return 0;
}

/* The root's own handle, for tools that know today's layout; we never use it. */
static int init_root_handle(struct posix *p)
{
	char path[POSIX_HANDLE_MAX];
	int ret = 0;

	posix_handle_path(&gfid_root, path);
	if ((mkdirat(posix_root(p), POSIX_DIR "/00", 0700) < 0 && errno != EEXIST) ||
	    (mkdirat(posix_root(p), POSIX_DIR "/00/00", 0700) < 0 && errno != EEXIST) ||
	    (symlinkat("../../..", posix_root(p), path) < 0 && errno != EEXIST))
		ret = -errno;
	if (ret < 0)
		xl_error(p->xl, "directory", "cannot make handles in \"%s\": %s", p->directory,
			 strerror(-ret));
	return ret;
}

static uint32_t at_most(uint64_t value, uint64_t limit)
{
	return (uint32_t)(value < limit ? value : limit);
}

/*
 * The descriptors that the process may have: a quarter, and not less than RESERVE, is for
 * connections, logs and what operations need for a moment; of the rest this brick gets its part,
 * for open files and for directories.
 */
static int init_descriptors(struct posix *p)
{
	const struct graph *g = p->xl->graph;
	struct rlimit r;
	uint64_t all = NOFILE_WANTED, bricks = 0;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
		all = at_most(r.rlim_cur, NOFILE_WANTED);
	}
	for (uint32_t i = 0; i < g->nr_xlators; i++)
		bricks += g->xlators[i]->type == p->xl->type;
	uint64_t reserve = all / 4 > RESERVE ? all / 4 : RESERVE;
	uint64_t ours = all > reserve + 4 * OPEN_MIN ? (all - reserve) / bricks : 2 * OPEN_MIN;
	uint32_t files = at_most(p->open_files_max ? p->open_files_max : OPEN_MAX, ours / 2);

	if (files < p->open_files_max)
		xl_warning(p->xl, "open-files",
			   "this process may have %llu descriptors (ulimit -n); %u of them are for "
			   "open files",
			   (unsigned long long)all, files);
	p->fds = fds_new(files, (int)(all - reserve / 4));
	p->dirs = dircache_new(at_most(p->directory_cache, ours / 4));
	return p->fds && p->dirs ? 0 : -ENOMEM;
}

static int init_memory(struct posix *p)
{
	struct statx stx;
	int ret = posix_statx(posix_root(p), "", AT_EMPTY_PATH, &stx);

	if (ret < 0)
		return ret;
	p->root = (struct posix_dir){
		.gfid = gfid_root, .fd = posix_root(p), .ino = stx.stx_ino,
		.dev_major = stx.stx_dev_major, .dev_minor = stx.stx_dev_minor,
	};
	p->uses = uses_new();
	return p->uses ? init_descriptors(p) : -ENOMEM;
}

static int init_left_over(struct posix *p)
{
	int ret = posix_left_over_init(p);

	if (ret < 0)
		xl_error(p->xl, "directory", "cannot use \"%s/" POSIX_UNLINK_DIR "\": %s",
			 p->directory, strerror(-ret));
	return ret;
}

/* Takes away what this init has made. */
static void init_undo(struct posix *p)
{
	char path[POSIX_HANDLE_MAX];
	int fd = posix_root(p);

	if (p->made_handles) {
		posix_handle_path(&gfid_root, path);
		unlinkat(fd, path, 0);
		unlinkat(fd, POSIX_DIR "/00/00", AT_REMOVEDIR);
		unlinkat(fd, POSIX_DIR "/00", AT_REMOVEDIR);
		unlinkat(fd, POSIX_UNLINK_DIR, AT_REMOVEDIR);
		unlinkat(fd, LOCK_PATH, 0);
		unlinkat(fd, POSIX_DIR, AT_REMOVEDIR);
		fremovexattr(fd, POSIX_XATTR_BRICK_ID);
		fremovexattr(fd, POSIX_XATTR_RESERVE);
	}
	if (p->made_gfid)
		fremovexattr(fd, POSIX_XATTR_GFID);
	if (p->made_directory)
		rmdir(p->directory);
}

int posix_init(struct xlator *xl)
{
	static int (*const steps[])(struct posix *p) = {
		init_open, init_check, init_root_gfid, init_own_directory, init_lock, init_brick_id,
		init_reserve, init_root_handle, init_landfill, init_memory, init_left_over,
	};
	struct posix *p = xl->priv;
	int ret = 0;

	p->xl = xl;
	TAILQ_INIT(&p->windows);
	for (size_t i = 0; i < sizeof steps / sizeof steps[0] && ret == 0; i++)
		ret = steps[i](p);
	if (ret < 0) {
		init_undo(p);
		return ret;
	}
	snprintf(p->own_directory, sizeof p->own_directory, "%s/" POSIX_DIR, p->directory);
	xattr_sys_detect(posix_root(p));
	return 0;
}

const char *posix_own_directory(const struct xlator *xl)
{
	return ((const struct posix *)xl->priv)->own_directory;
}

int posix_start(struct xlator *xl)
{
	lock_write_pid(xl->priv);	/* the process may have forked since init */
	posix_sweep_start(xl->priv);
	xl_notify(xl, XL_CHILD_UP, NULL);
	return 0;
}

void posix_stop(struct xlator *xl)
{
	struct posix *p = xl->priv;

	timer_stop(&p->sweep_timer);
}

void posix_fini(struct xlator *xl)
{
	struct posix *p = xl->priv;

	uses_free(p);
	dircache_free(p->dirs);
	fds_free(p->fds);
	if (p->lock_fd)
		close(p->lock_fd - 1);
	if (p->root_fd)
		close(p->root_fd - 1);
}
