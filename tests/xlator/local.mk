# tests/xlator/ - translators driven directly: a script above, the real thing or a sink below.
# tests/xlator/brick.h drives storage/posix.
XLATOR_TESTS = tests/xlator/test_posix
check_PROGRAMS += $(XLATOR_TESTS)
TESTS += $(XLATOR_TESTS)
XLATOR_TEST_CFLAGS = $(UNIT_CFLAGS) -Wno-unused-function -Wno-unused-variable -D_GNU_SOURCE \
	-DXLATOR_BUILD_DIR='"$(abs_builddir)"'

tests_xlator_test_posix_SOURCES = tests/xlator/test_posix.c tests/xlator/brick.h
tests_xlator_test_posix_CFLAGS = $(XLATOR_TEST_CFLAGS)
tests_xlator_test_posix_LDADD = libglusterfs.la $(CHECK_LIBS)
