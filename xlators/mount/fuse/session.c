/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * session.c - the connection to the kernel: mounting, reading requests, unmounting.
 *
 * We call mount(2) and read(2) ourselves and leave to libfuse what it is best at, the protocol:
 * that gives exact errors, a descriptor in our own loop, and a receive buffer that a large write
 * simply keeps.
 *
 *	rx->data          RX_SHIFT                     a page
 *	|                 | fuse_in_header, fuse_write_in | data of a write ...
 *
 * so that the data of a write begin on a page boundary, as O_DIRECT on the brick wants them.
 *
 * Answers are written by session_writev(), so that the one to INIT can say more than the libfuse at
 * hand has words for (conn->want has 32 bits, the kernel's flags 64).
 *
 * Unmounting may make the kernel write back pages of mappings, through us: so a worker calls
 * umount(2) while the loop runs on.  If that does not end in time (a brick does not answer), the
 * connection is severed, which ends it for sure: no dead mount point stays behind.
 *
 * Somebody else may unmount at any time, and mount something else there.  So the path is never
 * unmounted: a descriptor is, after it was found to be of our file system (own_mount()).  And when
 * the kernel has told that ours is gone, nothing is.
 */
#include "config.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "mount.h"

enum {
	RX_PAGE = 4096,
	RX_SHIFT = RX_PAGE - sizeof(struct fuse_in_header) - sizeof(struct fuse_write_in),
	RX_ROOM = MOUNT_IO_MAX + RX_PAGE,
	RX_SIZE = MOUNT_IO_MAX + 2 * RX_PAGE,
	READ_AHEAD_KB = 1024,
	UMOUNT_MS = 5000,
};

/* ---- what libfuse calls ---- */

static void session_init(void *userdata, struct fuse_conn_info *conn)
{
	struct mount *m = userdata;
	unsigned want = FUSE_CAP_ASYNC_READ | FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_ATOMIC_O_TRUNC |
			FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_CACHE_SYMLINKS |
			FUSE_CAP_ASYNC_DIO | FUSE_CAP_IOCTL_DIR | FUSE_CAP_POSIX_ACL |
			FUSE_CAP_DONT_MASK | FUSE_CAP_EXPORT_SUPPORT;

	/*
	 * DONT_MASK: the umask comes with the request, as a default ACL may take its place.
	 * More is asked for in kernel.c.
	 * Not wanted: AUTO_INVAL_DATA (node.c decides by what it knows, the kernel would drop pages
	 * after each write of ours), splice (measured: no gain).
	 */
	if (!m->local_locks)
		want |= FUSE_CAP_POSIX_LOCKS | FUSE_CAP_FLOCK_LOCKS;
	if (m->writeback_cache)
		want |= FUSE_CAP_WRITEBACK_CACHE;
	conn->want = want & conn->capable;
	conn->max_write = MOUNT_IO_MAX;
	conn->max_read = MOUNT_IO_MAX;
	conn->max_readahead = MOUNT_IO_MAX;
	conn->max_background = m->max_background;
	conn->congestion_threshold = m->max_background * 3 / 4;
	conn->time_gran = 1;
	m->inited = true;
	log_debug(m->xl->name, "FUSE protocol %u.%u, wanted 0x%x of 0x%x", conn->proto_major,
		  conn->proto_minor, conn->want, conn->capable);
}

static const struct fuse_lowlevel_ops session_ops = {
	.init = session_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.access = op_access,
	.statfs = op_statfs,
	.readlink = op_readlink,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.symlink = op_symlink,
	.link = op_link,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.rename = op_rename,
	.create = op_create,
	.open = op_open,
	.read = op_read,
	.write = op_write,
	.flush = op_flush,
	.release = op_release,
	.fsync = op_fsync,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.releasedir = op_release,
	.fsyncdir = op_fsyncdir,
	.setxattr = op_setxattr,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.removexattr = op_removexattr,
	.getlk = op_getlk,
	.setlk = op_setlk,
	.flock = op_flock,
	.fallocate = op_fallocate,
	.lseek = op_lseek,
	.copy_file_range = op_copy_file_range,
	.ioctl = op_ioctl,
};

static ssize_t session_writev(int fd, struct iovec *iov, int count, void *userdata)
{
	kernel_answer(userdata, iov, count);
	return writev(fd, iov, count);
}

/* libfuse wants one; receive_one() reads. */
static ssize_t session_read(int fd, void *buf, size_t len, void *userdata)
{
	return read(fd, buf, len);
}

static const struct fuse_custom_io session_io = {
	.writev = session_writev, .read = session_read
};

/* libfuse has one place for this in a process, without a context. */
static void session_log(enum fuse_log_level level, const char *fmt, va_list ap)
{
	char line[512];

	vsnprintf(line, sizeof line, fmt, ap);
	line[strcspn(line, "\n")] = '\0';
	if (level <= FUSE_LOG_ERR)
		log_error("fuse", "%s", line);
	else if (level <= FUSE_LOG_WARNING)
		log_warning("fuse", "%s", line);
	else
		log_debug("fuse", "%s", line);
}

/* ---- mounting ---- */

static int check_mount_point(struct mount *m)
{
	struct stat st;

	if (stat(m->mount_point, &st) < 0) {
		int err = -errno;

		if (err == -ENOTCONN || err == -ECONNABORTED)
			xl_error(m->xl, "mount-point",
				 "a mount whose process has died is still at %s; end it with: "
				 "umount %s",
				 m->mount_point, m->mount_point);
		else
			xl_error(m->xl, "mount-point", "%s: %s", m->mount_point,
				 err == -ENOENT ? "there is no such directory" : strerror(-err));
		return err;
	}
	if (!S_ISDIR(st.st_mode)) {
		xl_error(m->xl, "mount-point", "%s is not a directory", m->mount_point);
		return -ENOTDIR;
	}
	return 0;
}

static int open_device(struct mount *m)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK), err = -errno;

	if (fd >= 0)
		return fd;
	if (err == -ENOENT || err == -ENODEV || err == -ENXIO)
		xl_error(m->xl, NULL, "the kernel has no FUSE (/dev/fuse: %s); try: modprobe fuse",
			 strerror(-err));
	else if (err == -EPERM || err == -EACCES)
		xl_error(m->xl, NULL,
			 "not permitted to open /dev/fuse (in a container: --device /dev/fuse)");
	else
		xl_error(m->xl, NULL, "/dev/fuse: %s", strerror(-err));
	return err;
}

static int mount_device(struct mount *m, int fd, unsigned long flags)
{
	char type[64], data[256];

	snprintf(type, sizeof type, "fuse%s%s", m->subtype && *m->subtype ? "." : "",
		 m->subtype ? m->subtype : "");
	snprintf(data, sizeof data,
		 "fd=%d,rootmode=40000,user_id=%u,group_id=%u,default_permissions,max_read=%u%s",
		 fd, (unsigned)geteuid(), (unsigned)getegid(), MOUNT_IO_MAX,
		 m->allow_other ? ",allow_other" : "");
	if (mount(m->fsname, m->mount_point, type, flags, data) == 0)
		return 0;
	int err = -errno;
	if (err == -EPERM)
		xl_error(m->xl, "mount-point",
			 "not permitted to mount on %s: this needs root (CAP_SYS_ADMIN)",
			 m->mount_point);
	else
		xl_error(m->xl, "mount-point", "cannot mount on %s: %s", m->mount_point,
			 strerror(-err));
	return err;
}

/*
 * The root of what is mounted at the mount point, as a descriptor (O_PATH) for the caller to close,
 * or -errno.  Does not ask the file system anything, so it cannot wait for us.
 */
static int open_mounted(const struct mount *m, uint32_t *ret_major, uint32_t *ret_minor)
{
	int fd = open(m->mount_point, O_PATH | O_CLOEXEC), err = -errno;
	struct statx st;

	if (fd < 0)
		return err;
	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &st) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	*ret_major = st.stx_dev_major;
	*ret_minor = st.stx_dev_minor;
	return fd;
}

static int session_new(struct mount *m)
{
	/* max_read: libfuse wants to know what the kernel was told */
	char name[] = "glusterfs", option[] = "-o", max_read[32];
	char *argv[] = { name, option, max_read, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(3, argv);

	snprintf(max_read, sizeof max_read, "max_read=%u", MOUNT_IO_MAX);
	fuse_set_log_func(session_log);
	m->session = fuse_session_new(&args, &session_ops, sizeof session_ops, m);
	fuse_opt_free_args(&args);
	m->rx = buf_new(RX_SIZE);
	if (!m->session || !m->rx) {
		xl_error(m->xl, NULL, "cannot set up a FUSE session: out of memory");
		return -ENOMEM;
	}
	return 0;
}

int session_open(struct mount *m)
{
	unsigned long flags = MS_NOSUID | MS_NODEV;
	int fd, err;

	err = mountopt_parse(m->xl, m->mount_options, &flags);
	if (m->read_only)
		flags |= MS_RDONLY;
	m->noatime = flags & MS_NOATIME;
	if (!err)
		err = check_mount_point(m);
	if (!err)
		err = session_new(m);
	if (err)
		return err;
	fd = open_device(m);
	if (fd < 0)
		return fd;
	if (fuse_session_custom_io(m->session, &session_io, fd) != 0) {
		close(fd);
		xl_error(m->xl, NULL, "libfuse does not take the descriptor: out of memory");
		return -ENOMEM;
	}
	m->fd = fd;			/* the session closes it */
	err = mount_device(m, fd, flags);
	if (err)
		return err;
	m->connected = true;
	fd = open_mounted(m, &m->dev_major, &m->dev_minor);
	if (fd < 0) {
		xl_error(m->xl, "mount-point", "%s cannot be opened now that it is mounted: %s; end it with: umount %s",
			 m->mount_point, strerror(-fd), m->mount_point);
		return fd;
	}
	close(fd);
	return 0;
}

/* ---- reading ---- */

/* The kernel reads ahead no more than 128 KiB on a new mount, whatever INIT says; this is where
 * it is told. */
static void set_read_ahead(const struct mount *m)
{
	char path[96], text[16];
	int fd, len;

	snprintf(path, sizeof path, "/sys/class/bdi/%u:%u/read_ahead_kb", m->dev_major,
		 m->dev_minor);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	len = snprintf(text, sizeof text, "%d", READ_AHEAD_KB);
	if (fd < 0 || write(fd, text, len) != len)
		log_debug(m->xl->name, "%s: %s; reads ahead stay small", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* One request.  False: there is none, or nobody to ask. */
static bool receive_one(struct mount *m)
{
	uint8_t *at = m->rx->data + RX_SHIFT;
	bool inited = m->inited;
	ssize_t n = read(m->fd, at, RX_ROOM);

	if (n < 0) {
		/* ENOENT: the request was interrupted before we got it */
		if (errno == EINTR || errno == ENOENT)
			return true;
		if (errno == EAGAIN)
			return false;
		if (errno != ENODEV)
			log_error(m->xl->name, "/dev/fuse: %s", strerror(errno));
		mount_disconnect(m);
		return false;
	}
	if (n < (ssize_t)sizeof(struct fuse_in_header)) {
		log_error(m->xl->name, "/dev/fuse: a request of %zd bytes", n);
		return true;
	}
	char *request = (char *)at;
	size_t size = n;
	kernel_request(m, &request, &size);
	fuse_session_process_buf(m->session, &(struct fuse_buf){ .mem = request, .size = size });
	if (m->inited != inited)
		set_read_ahead(m);
	return m->connected;
}

static void session_readable(struct io *io, int events)
{
	struct mount *m = container_of(io, struct mount, io);

	m->stats.wakeups++;
	for (int i = 0; i < MOUNT_DRAIN && !m->paused; i++)
		if (!receive_one(m))
			return;
}

static int watch(struct mount *m)
{
	return io_start(&m->io, xl_loop(m->xl), m->fd, IO_READ, session_readable);
}

void session_flow(struct mount *m)
{
	bool pause = m->bytes >= m->max_request_bytes;

	if (pause == m->paused || !m->serving)
		return;
	if (pause)
		io_stop(&m->io);
	else if (watch(m) < 0)
		return;			/* no memory: session_trickle() tries again */
	m->paused = pause;
	m->stats.pauses += pause;
}

void session_trickle(struct mount *m)
{
	uint64_t bytes = m->bytes;

	session_flow(m);
	for (int i = 0; i < MOUNT_TRICKLE && m->paused && m->bytes <= bytes; i++)
		if (!receive_one(m))
			return;
}

int session_serve(struct mount *m)
{
	int err = 0;

	timer_stop(&m->probe_timer);
	if (m->connected && !m->serving)
		err = watch(m);
	m->serving = !err && m->connected;
	return err;
}

struct buf *session_take(struct mount *m, const char *bytes, size_t size)
{
	size_t offset = (const uint8_t *)bytes - m->rx->data;

	if (size >= MOUNT_STEAL) {
		struct buf *fresh = buf_new(RX_SIZE);
		struct buf *slice = fresh ? buf_slice(m->rx, offset, size) : NULL;

		if (slice) {
			buf_unref(m->rx);	/* the slice keeps it */
			m->rx = fresh;
			m->stats.writes_stolen++;
			return slice;
		}
		buf_unref(fresh);
	}
	return buf_copy(bytes, size);
}

/* ---- the end ---- */

void session_sever(struct mount *m)
{
	int null;

	io_stop(&m->io);
	fuse_session_exit(m->session);		/* no complaints about answers that nobody wants */
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		/* The number must not become another file's while answers are still written to
		 * it. */
		dup3(null, m->fd, O_CLOEXEC);
		close(null);
	}
}

static void tell_not_unmounted(const struct mount *m, int err)
{
	log_error(m->xl->name, "%s stays mounted: %s; end it with: umount %s", m->mount_point, strerror(-err),
		  m->mount_point);
}

/*
 * Our mount as a descriptor (O_PATH) for the caller to close, or -errno; -ENODEV, -ENOENT: it is
 * not at the mount point, because it is gone or below another mount.
 *
 * The kernel gives a device number to the next file system as soon as the one before is gone.  But
 * ours keeps its number at least as long as its connection, and the file system of a descriptor as
 * long as that is open: if both have the same at one moment, they are the same.
 */
static int own_mount(const struct mount *m)
{
	struct pollfd connection = { .fd = m->umount_fd };	/* tells POLLERR when it has ended */
	uint32_t dev_major, dev_minor;
	int fd = open_mounted(m, &dev_major, &dev_minor);

	if (fd < 0)
		return fd;
	if (dev_major == m->dev_major && dev_minor == m->dev_minor && poll(&connection, 1, 0) == 0)
		return fd;
	close(fd);
	return -ENODEV;
}

/* Unmounts that file system and no other, wherever it is mounted by now, and if it still is.  0 or -errno. */
static int unmount_descriptor(int root)
{
	char path[32];
	int fd;

	snprintf(path, sizeof path, "/proc/self/fd/%d", root);
	/* Mappings of those who keep files open do not come back from a lazy unmount. */
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		syncfs(fd);
		close(fd);
	}
	/* Lazily, as it is busy: we have it open.  When nobody else has, it ends when we close it. */
	return umount2(path, MNT_DETACH) < 0 && errno != EINVAL ? -errno : 0;
}

/* Worker thread.  Touches nothing of m but what does not change, umount_fd and umount_err. */
static void umount_run(struct work *w)
{
	struct mount *m = container_of(w, struct mount, umount_work);
	int root = own_mount(m);

	close(m->umount_fd);		/* from now on the connection can be severed */
	if (root >= 0) {
		m->umount_err = unmount_descriptor(root);
		close(root);
	} else if (root != -ENODEV && root != -ENOENT) {
		m->umount_err = root;
	}
}

static void umount_done(struct work *w)
{
	struct mount *m = container_of(w, struct mount, umount_work);

	m->unmounted = true;
	if (m->umount_err)
		tell_not_unmounted(m, m->umount_err);
	xl_busy(m->xl, -1);
}

void session_unmount(struct mount *m)
{
	struct loop *l = xl_loop(m->xl);

	if (!m->connected)
		return;
	m->unmounting = true;
	m->umount_fd = fcntl(m->fd, F_DUPFD_CLOEXEC, 0);
	if (m->umount_fd < 0) {
		tell_not_unmounted(m, -errno);
		mount_disconnect(m);
		return;
	}
	session_serve(m);
	xl_busy(m->xl, 1);
	m->umount_work.run = umount_run;
	m->umount_work.done = umount_done;
	work_post(m->umount_pool, &m->umount_work);
	if (loop_run_until(l, &m->unmounted, UMOUNT_MS) < 0)
		log_warning(m->xl->name, "%s: operations do not end; unmounting without them",
			    m->mount_point);
	mount_disconnect(m);
	if (!m->unmounted)
		loop_run_until(l, &m->unmounted, UMOUNT_MS);
}

void session_close(struct mount *m)
{
	if (m->session)
		fuse_session_destroy(m->session);
	m->session = NULL;
	buf_unref(m->rx);
	m->rx = NULL;
}
