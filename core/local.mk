# core/ - the mechanism: libglusterfs, which the daemons and every translator use
lib_LTLIBRARIES += libglusterfs.la
libglusterfs_la_SOURCES = \
	core/buf.c core/buf.h \
	core/call.c core/call.h core/call-tell.c \
	core/dict.c core/dict.h \
	core/dirents.c core/dirents.h \
	core/dump.c core/dump.h \
	core/fop.c core/fop.h core/fops.def \
	core/graph.c core/graph.h \
	core/inode.c core/inode.h core/inode-impl.h core/fd.c \
	core/log.c core/log.h \
	core/loop.c core/loop.h core/loop-uv.c core/loop-sim.c core/loop-impl.h core/resolve.c \
	core/transport.c core/transport.h core/transport-impl.h core/transport-in.c core/transport-out.c \
	core/socket.c core/tcp.c core/unix.c core/mem.c \
	core/option.c core/option.h \
	core/wire.c core/wire-fop.c core/wire.h core/wire-impl.h \
	core/work.c core/work.h \
	core/xlator.c core/xlator.h core/xlator-impl.h
libglusterfs_la_CFLAGS = $(AM_CFLAGS) -fvisibility=default
libglusterfs_la_LIBADD = libparser.la $(UV_LIBS) $(XXHASH_LIBS)
libglusterfs_la_LDFLAGS = $(AM_LDFLAGS) -release 1.3 -version-info 0:0:0

# what a translator author needs, in PREFIX/include/glusterfs
pkginclude_HEADERS = core/buf.h core/dict.h core/dirents.h core/dump.h core/fop.h core/fops.def \
	core/inode.h core/log.h core/loop.h core/option.h core/work.h core/xlator.h
pkgconfigdir = $(libdir)/pkgconfig
pkgconfig_DATA = core/glusterfs.pc
EXTRA_DIST += core/README core/glusterfs.pc.in
