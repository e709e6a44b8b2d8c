# tests/xlator/ - translators driven directly: a script above, the real thing or a sink below.
# tests/xlator/brick.h drives storage/posix, protocol_rig.h a client and a server.
XLATOR_TESTS = tests/xlator/test_posix tests/xlator/test_posix_dir tests/xlator/test_posix_brick tests/xlator/test_posix_fds \
	tests/xlator/test_protocol tests/xlator/test_protocol_bad tests/xlator/test_protocol_session \
	tests/xlator/test_protocol_limits
check_PROGRAMS += $(XLATOR_TESTS)
TESTS += $(XLATOR_TESTS)
XLATOR_TEST_CFLAGS = $(UNIT_CFLAGS) -Wno-unused-function -Wno-unused-variable -D_GNU_SOURCE \
	-DXLATOR_BUILD_DIR='"$(abs_builddir)"'
EXTRA_DIST += tests/xlator/README

tests_xlator_test_posix_SOURCES = tests/xlator/test_posix.c tests/xlator/brick.h tests/unit/tree.h
tests_xlator_test_posix_CFLAGS = $(XLATOR_TEST_CFLAGS)
tests_xlator_test_posix_LDADD = libglusterfs.la $(CHECK_LIBS)

tests_xlator_test_posix_fds_SOURCES = tests/xlator/test_posix_fds.c tests/xlator/brick.h tests/unit/tree.h
tests_xlator_test_posix_fds_CFLAGS = $(XLATOR_TEST_CFLAGS)
tests_xlator_test_posix_fds_LDADD = libglusterfs.la $(CHECK_LIBS)

tests_xlator_test_protocol_SOURCES = tests/xlator/test_protocol.c \
	tests/xlator/protocol_rig.c tests/xlator/protocol_rig.h
tests_xlator_test_protocol_CFLAGS = $(XLATOR_TEST_CFLAGS)
tests_xlator_test_protocol_LDADD = libglusterfs.la $(CHECK_LIBS)

tests_xlator_test_protocol_session_SOURCES = tests/xlator/test_protocol_session.c \
	tests/xlator/protocol_rig.c tests/xlator/protocol_rig.h
tests_xlator_test_protocol_session_CFLAGS = $(XLATOR_TEST_CFLAGS)
tests_xlator_test_protocol_session_LDADD = libglusterfs.la $(CHECK_LIBS)

tests_xlator_test_protocol_limits_SOURCES = tests/xlator/test_protocol_limits.c \
	tests/xlator/protocol_rig.c tests/xlator/protocol_rig.h
tests_xlator_test_protocol_limits_CFLAGS = $(XLATOR_TEST_CFLAGS)
tests_xlator_test_protocol_limits_LDADD = libglusterfs.la $(CHECK_LIBS)

tests_xlator_test_protocol_bad_SOURCES = tests/xlator/test_protocol_bad.c \
	tests/xlator/protocol_rig.c tests/xlator/protocol_rig.h
tests_xlator_test_protocol_bad_CFLAGS = $(XLATOR_TEST_CFLAGS)
tests_xlator_test_protocol_bad_LDADD = libfetch.la libglusterfs.la $(CHECK_LIBS)

tests_xlator_test_posix_dir_SOURCES = tests/xlator/test_posix_dir.c tests/xlator/brick.h tests/unit/tree.h
tests_xlator_test_posix_dir_CFLAGS = $(XLATOR_TEST_CFLAGS)
tests_xlator_test_posix_dir_LDADD = libglusterfs.la $(CHECK_LIBS)

tests_xlator_test_posix_brick_SOURCES = tests/xlator/test_posix_brick.c tests/xlator/brick.h tests/unit/tree.h
tests_xlator_test_posix_brick_CFLAGS = $(XLATOR_TEST_CFLAGS)
tests_xlator_test_posix_brick_LDADD = libglusterfs.la $(CHECK_LIBS)

THREADED_TESTS += tests/xlator/test_posix tests/xlator/test_posix_dir tests/xlator/test_posix_brick \
	tests/xlator/test_posix_fds tests/xlator/test_protocol tests/xlator/test_small
