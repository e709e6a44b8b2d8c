rot13dir = $(xlatordir)/encryption
rot13_LTLIBRARIES = xlators/encryption/rot-13/rot-13.la
xlators_encryption_rot_13_rot_13_la_SOURCES = xlators/encryption/rot-13/rot-13.c
xlators_encryption_rot_13_rot_13_la_LIBADD = libglusterfs.la
xlators_encryption_rot_13_rot_13_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared
dist_man_MANS += xlators/encryption/rot-13/rot-13.8
EXTRA_DIST += xlators/encryption/rot-13/README
