storageposixdir = $(xlatordir)/storage
storageposix_LTLIBRARIES = xlators/storage/posix/posix.la
xlators_storage_posix_posix_la_SOURCES = xlators/storage/posix/posix.c xlators/storage/posix/posix.h \
	xlators/storage/posix/posix-caller.c xlators/storage/posix/posix-dir.c \
	xlators/storage/posix/posix-dircache.c xlators/storage/posix/posix-entry.c \
	xlators/storage/posix/posix-fds.c xlators/storage/posix/posix-flags.c xlators/storage/posix/posix-space.c xlators/storage/posix/posix-file.c xlators/storage/posix/posix-handle.c \
	xlators/storage/posix/posix-init.c xlators/storage/posix/posix-inode.c \
	xlators/storage/posix/posix-object.c xlators/storage/posix/posix-order.c \
	xlators/storage/posix/posix-rename.c xlators/storage/posix/posix-unlink.c \
	xlators/storage/posix/posix-use.c xlators/storage/posix/posix-find.c xlators/storage/posix/posix-xattr.c \
	xlators/storage/posix/posix-xattr-sys.c
xlators_storage_posix_posix_la_LIBADD = libglusterfs.la $(XXHASH_LIBS)
xlators_storage_posix_posix_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared
dist_man_MANS += xlators/storage/posix/posix.8
EXTRA_DIST += xlators/storage/posix/README
xlators_storage_posix_posix_la_CPPFLAGS = $(AM_CPPFLAGS) -D_GNU_SOURCE
