tracedir = $(xlatordir)/debug
trace_LTLIBRARIES = xlators/debug/trace/trace.la
xlators_debug_trace_trace_la_SOURCES = xlators/debug/trace/trace.c
xlators_debug_trace_trace_la_LIBADD = libglusterfs.la
xlators_debug_trace_trace_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared
dist_man_MANS += xlators/debug/trace/trace.8
EXTRA_DIST += xlators/debug/trace/README
