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

# for programs with no_memory.h
NO_MEMORY_LINK = $(AM_LDFLAGS) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=reallocarray \
	-Wl,--wrap=strdup,--wrap=posix_memalign,--wrap=vasprintf

tests_unit_test_volfile_memory_SOURCES = tests/unit/test_volfile_memory.c tests/unit/no_memory.h tests/unit/unit.h
tests_unit_test_volfile_memory_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_volfile_memory_LDFLAGS = $(NO_MEMORY_LINK)
tests_unit_test_volfile_memory_LDADD = libparser.la $(CHECK_LIBS)

# the loop, workers, connections
UNIT_TESTS += tests/unit/test_loop tests/unit/test_work tests/unit/test_transport tests/unit/test_transport_life

tests_unit_test_loop_SOURCES = tests/unit/test_loop.c tests/unit/unit.h
tests_unit_test_loop_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_loop_LDADD = libglusterfs.la $(CHECK_LIBS)

tests_unit_test_work_SOURCES = tests/unit/test_work.c tests/unit/unit.h
tests_unit_test_work_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_work_LDADD = libglusterfs.la $(CHECK_LIBS)

tests_unit_test_transport_SOURCES = tests/unit/test_transport.c \
	tests/unit/transport_lab.c tests/unit/transport_lab.h tests/unit/unit.h
tests_unit_test_transport_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_transport_LDADD = libglusterfs.la $(CHECK_LIBS)

tests_unit_test_transport_life_SOURCES = tests/unit/test_transport_life.c \
	tests/unit/transport_lab.c tests/unit/transport_lab.h tests/unit/unit.h
tests_unit_test_transport_life_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_transport_life_LDADD = libglusterfs.la $(CHECK_LIBS)

THREADED_TESTS += tests/unit/test_loop tests/unit/test_work tests/unit/test_transport \
	tests/unit/test_transport_life

# buffers, dicts, listings, log, options, operations, the codec
UNIT_TESTS += tests/unit/test_buf tests/unit/test_dict tests/unit/test_dirents tests/unit/test_fop \
	tests/unit/test_log tests/unit/test_option tests/unit/test_wire

tests_unit_test_buf_SOURCES = tests/unit/test_buf.c tests/unit/unit.h
tests_unit_test_buf_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_buf_LDADD = libglusterfs.la $(CHECK_LIBS)

tests_unit_test_dict_SOURCES = tests/unit/test_dict.c tests/unit/unit.h
tests_unit_test_dict_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_dict_LDADD = libglusterfs.la $(CHECK_LIBS)

tests_unit_test_dirents_SOURCES = tests/unit/test_dirents.c tests/unit/unit.h
tests_unit_test_dirents_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_dirents_LDADD = libglusterfs.la $(CHECK_LIBS)

tests_unit_test_fop_SOURCES = tests/unit/test_fop.c tests/unit/unit.h tests/unit/fop-samples.h
tests_unit_test_fop_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_fop_LDADD = libglusterfs.la $(CHECK_LIBS)

tests_unit_test_log_SOURCES = tests/unit/test_log.c tests/unit/unit.h
tests_unit_test_log_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_log_LDADD = libglusterfs.la $(CHECK_LIBS)

tests_unit_test_option_SOURCES = tests/unit/test_option.c tests/unit/unit.h
tests_unit_test_option_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_option_LDADD = libglusterfs.la $(CHECK_LIBS)

tests_unit_test_wire_SOURCES = tests/unit/test_wire.c tests/unit/unit.h tests/unit/fop-samples.h
tests_unit_test_wire_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_wire_LDADD = libglusterfs.la $(CHECK_LIBS)

UNIT_TESTS += tests/unit/test_memory
tests_unit_test_memory_SOURCES = tests/unit/test_memory.c tests/unit/no_memory.h tests/unit/unit.h tests/unit/fop-samples.h \
	core/buf.c core/dict.c core/dirents.c core/fop.c core/inode.c core/fd.c core/option.c core/wire.c core/wire-fop.c
tests_unit_test_memory_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_memory_LDFLAGS = $(NO_MEMORY_LINK)
tests_unit_test_memory_LDADD = $(CHECK_LIBS) $(XXHASH_LIBS)
