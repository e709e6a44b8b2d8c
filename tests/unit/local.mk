# tests/unit/ - one program for each file or module of core and parser, with libcheck.
# For a new one add its name to UNIT_TESTS and say its sources; see tests/unit/unit.h.
UNIT_TESTS = \
	tests/unit/test_diag \
	tests/unit/test_volfile \
	tests/unit/test_volfile_memory \
	tests/unit/test_volfile_problems

EXTRA_DIST += tests/unit/README

UNIT_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)

tests_unit_test_diag_SOURCES = tests/unit/test_diag.c tests/unit/unit.h
tests_unit_test_diag_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_diag_LDADD = libparser.la $(CHECK_LIBS)

tests_unit_test_volfile_SOURCES = tests/unit/test_volfile.c tests/unit/unit.h
tests_unit_test_volfile_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_volfile_LDADD = libparser.la $(CHECK_LIBS)

tests_unit_test_volfile_problems_SOURCES = tests/unit/test_volfile_problems.c tests/unit/unit.h
tests_unit_test_volfile_problems_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_volfile_problems_LDADD = libparser.la $(CHECK_LIBS)

tests_unit_test_volfile_memory_SOURCES = tests/unit/test_volfile_memory.c tests/unit/unit.h
tests_unit_test_volfile_memory_CFLAGS = $(UNIT_CFLAGS) -Wno-missing-prototypes
tests_unit_test_volfile_memory_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc,--wrap=calloc \
	-Wl,--wrap=realloc,--wrap=reallocarray,--wrap=strdup,--wrap=vasprintf
tests_unit_test_volfile_memory_LDADD = libparser.la $(CHECK_LIBS)

# the loop, workers, connections
UNIT_TESTS += tests/unit/test_loop tests/unit/test_work tests/unit/test_transport

tests_unit_test_loop_SOURCES = tests/unit/test_loop.c tests/unit/unit.h
tests_unit_test_loop_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_loop_LDADD = libglusterfs.la $(CHECK_LIBS)

tests_unit_test_work_SOURCES = tests/unit/test_work.c tests/unit/unit.h
tests_unit_test_work_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_work_LDADD = libglusterfs.la $(CHECK_LIBS)

tests_unit_test_transport_SOURCES = tests/unit/test_transport.c tests/unit/unit.h
tests_unit_test_transport_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_transport_LDADD = libglusterfs.la $(CHECK_LIBS)

THREADED_TESTS += tests/unit/test_loop tests/unit/test_work tests/unit/test_transport
