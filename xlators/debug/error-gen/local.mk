errorgendir = $(xlatordir)/debug
errorgen_LTLIBRARIES = xlators/debug/error-gen/error-gen.la
xlators_debug_error_gen_error_gen_la_SOURCES = xlators/debug/error-gen/error-gen.c
xlators_debug_error_gen_error_gen_la_LIBADD = libglusterfs.la
xlators_debug_error_gen_error_gen_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared
dist_man_MANS += xlators/debug/error-gen/error-gen.8
EXTRA_DIST += xlators/debug/error-gen/README
