# tests/unit/ - one program for each file or module of core and parser, with libcheck.
# For a new one add its name to UNIT_TESTS and say its sources; see tests/unit/unit.h.
UNIT_TESTS = \
	tests/unit/test_diag \
	tests/unit/test_volfile \
	tests/unit/test_volfile_problems

UNIT_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) -Wno-missing-prototypes
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
