# mount/fuse - the top of a client's graph
mountfusedir = $(xlatordir)/mount
mountfuse_LTLIBRARIES = xlators/mount/fuse/fuse.la
xlators_mount_fuse_fuse_la_SOURCES = \
	xlators/mount/fuse/attr.c \
	xlators/mount/fuse/caller.c \
	xlators/mount/fuse/dir.c \
	xlators/mount/fuse/file.c \
	xlators/mount/fuse/fuse.c \
	xlators/mount/fuse/handle.c \
	xlators/mount/fuse/kernel.c \
	xlators/mount/fuse/ioctl.c \
	xlators/mount/fuse/lock.c \
	xlators/mount/fuse/mount.h \
	xlators/mount/fuse/mountopt.c \
	xlators/mount/fuse/names.c \
	xlators/mount/fuse/node.c \
	xlators/mount/fuse/pages.c \
	xlators/mount/fuse/request.c \
	xlators/mount/fuse/session.c \
	xlators/mount/fuse/xattr.c
xlators_mount_fuse_fuse_la_CFLAGS = $(AM_CFLAGS) $(FUSE_CFLAGS)
xlators_mount_fuse_fuse_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared
xlators_mount_fuse_fuse_la_LIBADD = libglusterfs.la $(FUSE_LIBS)
dist_man_MANS += xlators/mount/fuse/fuse.8
EXTRA_DIST += xlators/mount/fuse/README
