# features/replica and features/witness: their durable parts by themselves, and the witness.
REPLICA_TESTS = tests/xlator/test_register tests/xlator/test_dirty tests/xlator/test_witness
check_PROGRAMS += $(REPLICA_TESTS)
TESTS += $(REPLICA_TESTS)
REPLICA_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/xlators/replication -I$(srcdir)/xlators/features/replica
REPLICA_LDADD = libreplica-store.la libreplication.la libglusterfs.la $(CHECK_LIBS) $(XXHASH_LIBS)

tests_xlator_test_register_SOURCES = tests/xlator/test_register.c tests/unit/unit.h
tests_xlator_test_register_CPPFLAGS = $(REPLICA_CPPFLAGS)
tests_xlator_test_register_CFLAGS = $(UNIT_CFLAGS)
tests_xlator_test_register_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=pwrite,--wrap=pwrite64,--wrap=fdatasync
tests_xlator_test_register_LDADD = $(REPLICA_LDADD)

tests_xlator_test_dirty_SOURCES = tests/xlator/test_dirty.c tests/unit/unit.h
tests_xlator_test_dirty_CPPFLAGS = $(REPLICA_CPPFLAGS)
tests_xlator_test_dirty_CFLAGS = $(UNIT_CFLAGS)
tests_xlator_test_dirty_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=pwrite,--wrap=pwrite64,--wrap=fdatasync
tests_xlator_test_dirty_LDADD = $(REPLICA_LDADD)

# loads what is built
tests_xlator_test_witness_SOURCES = tests/xlator/test_witness.c $(SCRIPT)
tests_xlator_test_witness_CPPFLAGS = $(REPLICA_CPPFLAGS)
tests_xlator_test_witness_CFLAGS = $(SCRIPT_CFLAGS)
tests_xlator_test_witness_LDADD = libreplication.la libglusterfs.la $(CHECK_LIBS) $(XXHASH_LIBS)

THREADED_TESTS += tests/xlator/test_register tests/xlator/test_dirty
