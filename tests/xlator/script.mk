# What is tested between script.[ch] and its children: translators, and the core (tests/unit).
SCRIPT = tests/xlator/script.c tests/xlator/script.h tests/unit/unit.h
SCRIPT_CFLAGS = $(UNIT_CFLAGS) -Wno-unused-parameter -DXLATOR_BUILD_DIR='"$(abs_builddir)"'

SCRIPT_TESTS = tests/unit/test_call tests/unit/test_inode tests/unit/test_graph tests/unit/test_xlator \
	tests/xlator/test_locks tests/xlator/test_small tests/xlator/test_no_memory
AFR_TESTS = tests/xlator/test_afr tests/xlator/test_afr_away tests/xlator/test_afr_doubt tests/xlator/test_afr_ops \
	tests/xlator/test_afr_random
check_PROGRAMS += $(SCRIPT_TESTS) $(AFR_TESTS)
TESTS += $(SCRIPT_TESTS) $(AFR_TESTS)

tests_unit_test_call_SOURCES = tests/unit/test_call.c $(SCRIPT)
tests_unit_test_call_CFLAGS = $(SCRIPT_CFLAGS)
tests_unit_test_call_LDADD = libglusterfs.la $(CHECK_LIBS)

tests_unit_test_inode_SOURCES = tests/unit/test_inode.c $(SCRIPT)
tests_unit_test_inode_CFLAGS = $(SCRIPT_CFLAGS)
tests_unit_test_inode_LDADD = libglusterfs.la $(CHECK_LIBS)

tests_unit_test_graph_SOURCES = tests/unit/test_graph.c $(SCRIPT)
tests_unit_test_graph_CFLAGS = $(SCRIPT_CFLAGS)
tests_unit_test_graph_LDADD = libglusterfs.la $(CHECK_LIBS)

# loads what is built
tests_unit_test_xlator_SOURCES = tests/unit/test_xlator.c $(SCRIPT)
tests_unit_test_xlator_CFLAGS = $(SCRIPT_CFLAGS) -D_GNU_SOURCE
tests_unit_test_xlator_LDADD = libglusterfs.la $(CHECK_LIBS)

# cluster/afr over features/replica as it is built
AFR_RIG = tests/xlator/afr_rig.h tests/xlator/cable.h tests/unit/tree.h $(SCRIPT) $(xlators_cluster_afr_afr_la_SOURCES)
AFR_RIG_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/xlators/replication
AFR_RIG_CFLAGS = $(SCRIPT_CFLAGS) -D_GNU_SOURCE -Wno-unused-function -Wno-unused-variable
AFR_RIG_LDADD = libreplication.la libglusterfs.la $(CHECK_LIBS) $(XXHASH_LIBS)

tests_xlator_test_afr_SOURCES = tests/xlator/test_afr.c $(AFR_RIG)
tests_xlator_test_afr_CPPFLAGS = $(AFR_RIG_CPPFLAGS)
tests_xlator_test_afr_CFLAGS = $(AFR_RIG_CFLAGS)
tests_xlator_test_afr_LDADD = $(AFR_RIG_LDADD)

tests_xlator_test_afr_away_SOURCES = tests/xlator/test_afr_away.c $(AFR_RIG)
tests_xlator_test_afr_away_CPPFLAGS = $(AFR_RIG_CPPFLAGS)
tests_xlator_test_afr_away_CFLAGS = $(AFR_RIG_CFLAGS)
tests_xlator_test_afr_away_LDADD = $(AFR_RIG_LDADD)

tests_xlator_test_afr_doubt_SOURCES = tests/xlator/test_afr_doubt.c $(AFR_RIG)
tests_xlator_test_afr_doubt_CPPFLAGS = $(AFR_RIG_CPPFLAGS)
tests_xlator_test_afr_doubt_CFLAGS = $(AFR_RIG_CFLAGS)
tests_xlator_test_afr_doubt_LDADD = $(AFR_RIG_LDADD)

tests_xlator_test_afr_random_SOURCES = tests/xlator/test_afr_random.c $(AFR_RIG)
tests_xlator_test_afr_random_CPPFLAGS = $(AFR_RIG_CPPFLAGS)
tests_xlator_test_afr_random_CFLAGS = $(AFR_RIG_CFLAGS)
tests_xlator_test_afr_random_LDADD = $(AFR_RIG_LDADD)

tests_xlator_test_afr_ops_SOURCES = tests/xlator/test_afr_ops.c $(AFR_RIG)
tests_xlator_test_afr_ops_CPPFLAGS = $(AFR_RIG_CPPFLAGS)
tests_xlator_test_afr_ops_CFLAGS = $(AFR_RIG_CFLAGS)
tests_xlator_test_afr_ops_LDADD = $(AFR_RIG_LDADD)

tests_xlator_test_locks_SOURCES = tests/xlator/test_locks.c $(SCRIPT) $(xlators_features_posix_locks_posix_locks_la_SOURCES)
tests_xlator_test_locks_CFLAGS = $(SCRIPT_CFLAGS)
tests_xlator_test_locks_LDADD = libglusterfs.la $(CHECK_LIBS)

# loads what is built
tests_xlator_test_small_SOURCES = tests/xlator/test_small.c $(SCRIPT)
tests_xlator_test_small_CFLAGS = $(SCRIPT_CFLAGS)
tests_xlator_test_small_LDADD = libglusterfs.la $(CHECK_LIBS)

tests_xlator_test_no_memory_SOURCES = tests/xlator/test_no_memory.c tests/unit/no_memory.h $(SCRIPT) $(xlators_cluster_afr_afr_la_SOURCES) \
	core/call.c core/graph.c core/xlator.c core/inode.c core/fd.c core/buf.c core/option.c
tests_xlator_test_no_memory_CFLAGS = $(SCRIPT_CFLAGS) -fvisibility=default
tests_xlator_test_no_memory_LDFLAGS = $(NO_MEMORY_LINK)
tests_xlator_test_no_memory_LDADD = libreplication.la libglusterfs.la $(CHECK_LIBS) $(XXHASH_LIBS)
