# cluster/afr: the same files on every subvolume, in one order, healed when one comes back
afrdir = $(xlatordir)/cluster
afr_LTLIBRARIES = xlators/cluster/afr/afr.la
xlators_cluster_afr_afr_la_SOURCES = xlators/cluster/afr/afr.h xlators/cluster/afr/afr.c \
	xlators/cluster/afr/afr-change.c xlators/cluster/afr/afr-commit.c \
	xlators/cluster/afr/afr-data.c xlators/cluster/afr/afr-fd.c xlators/cluster/afr/afr-heal.c xlators/cluster/afr/afr-heal.h xlators/cluster/afr/afr-walk.c xlators/cluster/afr/afr-held.c xlators/cluster/afr/afr-lock.c \
	xlators/cluster/afr/afr-mend.c xlators/cluster/afr/afr-read.c \
	xlators/cluster/afr/afr-register.c xlators/cluster/afr/afr-settle.c \
	xlators/cluster/afr/afr-view.c
xlators_cluster_afr_afr_la_LIBADD = libreplication.la libglusterfs.la
xlators_cluster_afr_afr_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared
dist_man_MANS += xlators/cluster/afr/afr.8
EXTRA_DIST += xlators/cluster/afr/README
