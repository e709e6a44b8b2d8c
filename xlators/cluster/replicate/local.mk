# cluster/replicate: the same files on every subvolume, in one order, healed when one comes back
replicatedir = $(xlatordir)/cluster
replicate_LTLIBRARIES = xlators/cluster/replicate/replicate.la
xlators_cluster_replicate_replicate_la_SOURCES = xlators/cluster/replicate/rep.h xlators/cluster/replicate/rep.c \
	xlators/cluster/replicate/rep-change.c xlators/cluster/replicate/rep-commit.c \
	xlators/cluster/replicate/rep-fd.c xlators/cluster/replicate/rep-heal.c xlators/cluster/replicate/rep-lock.c \
	xlators/cluster/replicate/rep-mend.c xlators/cluster/replicate/rep-read.c \
	xlators/cluster/replicate/rep-register.c xlators/cluster/replicate/rep-settle.c \
	xlators/cluster/replicate/rep-view.c
xlators_cluster_replicate_replicate_la_LIBADD = libreplication.la libglusterfs.la
xlators_cluster_replicate_replicate_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared
dist_man_MANS += xlators/cluster/replicate/replicate.8
EXTRA_DIST += xlators/cluster/replicate/README
