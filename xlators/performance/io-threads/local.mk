iothreadsdir = $(xlatordir)/performance
iothreads_LTLIBRARIES = xlators/performance/io-threads/io-threads.la
xlators_performance_io_threads_io_threads_la_SOURCES = xlators/performance/io-threads/io-threads.c
xlators_performance_io_threads_io_threads_la_LIBADD = libglusterfs.la
xlators_performance_io_threads_io_threads_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared
dist_man_MANS += xlators/performance/io-threads/io-threads.8
EXTRA_DIST += xlators/performance/io-threads/README
