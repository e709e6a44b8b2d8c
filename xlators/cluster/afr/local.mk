afrdir = $(xlatordir)/cluster
afr_LTLIBRARIES = xlators/cluster/afr/afr.la
xlators_cluster_afr_afr_la_SOURCES = xlators/cluster/afr/afr.c xlators/cluster/afr/afr.h \
	xlators/cluster/afr/afr-change.c xlators/cluster/afr/afr-fd.c xlators/cluster/afr/afr-lock.c \
	xlators/cluster/afr/afr-member.c xlators/cluster/afr/afr-member.h xlators/cluster/afr/afr-check.c \
	xlators/cluster/afr/afr-read.c xlators/cluster/afr/afr-time.c
xlators_cluster_afr_afr_la_LIBADD = libglusterfs.la
xlators_cluster_afr_afr_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared
dist_man_MANS += xlators/cluster/afr/afr.8
EXTRA_DIST += xlators/cluster/afr/README
