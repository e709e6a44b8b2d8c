posixlocksdir = $(xlatordir)/features
posixlocks_LTLIBRARIES = xlators/features/posix-locks/posix-locks.la
xlators_features_posix_locks_posix_locks_la_SOURCES = xlators/features/posix-locks/posix-locks.c \
	xlators/features/posix-locks/locks.c xlators/features/posix-locks/locks.h
xlators_features_posix_locks_posix_locks_la_LIBADD = libglusterfs.la
xlators_features_posix_locks_posix_locks_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared
dist_man_MANS += xlators/features/posix-locks/posix-locks.8
EXTRA_DIST += xlators/features/posix-locks/README
