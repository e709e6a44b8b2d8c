# tests/sim/ - a cluster in one process, by seed
check_PROGRAMS += tests/sim/cluster
TESTS += tests/sim/run-sim.sh
EXTRA_DIST += tests/sim/README tests/sim/run-sim.sh
tests_sim_cluster_SOURCES = tests/sim/cluster.c tests/sim/actors.c tests/sim/compare.c tests/sim/sim.h
tests_sim_cluster_CPPFLAGS = $(AM_CPPFLAGS) -DBUILDDIR='"$(abs_builddir)"'
tests_sim_cluster_LDADD = libglusterfs.la
