# tests/posix/ - what applications rely on: a program per topic, on ext4, on a brick and on a mirror
#
#	make check TESTS=tests/posix/posix.sh		all of it
#	make posix TOPIC="names depth"			one topic, or one case of it
posix_topics =
posix_main = tests/posix/posix.c tests/posix/posix.h

posix_topics += names
check_PROGRAMS += tests/posix/names
tests_posix_names_SOURCES = tests/posix/names.c $(posix_main)

posix_topics += data
check_PROGRAMS += tests/posix/data
tests_posix_data_SOURCES = tests/posix/data.c $(posix_main)

posix_topics += fallocate
check_PROGRAMS += tests/posix/fallocate
tests_posix_fallocate_SOURCES = tests/posix/fallocate.c $(posix_main)

posix_topics += direct
check_PROGRAMS += tests/posix/direct
tests_posix_direct_SOURCES = tests/posix/direct.c $(posix_main)

posix_topics += mmap
check_PROGRAMS += tests/posix/mmap
tests_posix_mmap_SOURCES = tests/posix/mmap.c $(posix_main)

posix_topics += space
check_PROGRAMS += tests/posix/space
tests_posix_space_SOURCES = tests/posix/space.c $(posix_main)

posix_topics += xattrs
check_PROGRAMS += tests/posix/xattrs
tests_posix_xattrs_SOURCES = tests/posix/xattrs.c $(posix_main)
posix_topics += acl
check_PROGRAMS += tests/posix/acl
tests_posix_acl_SOURCES = tests/posix/acl.c $(posix_main)
posix_topics += unlinked
check_PROGRAMS += tests/posix/unlinked
tests_posix_unlinked_SOURCES = tests/posix/unlinked.c $(posix_main)

posix_topics += links
check_PROGRAMS += tests/posix/links
tests_posix_links_SOURCES = tests/posix/links.c $(posix_main)

posix_topics += handles
check_PROGRAMS += tests/posix/handles
tests_posix_handles_SOURCES = tests/posix/handles.c $(posix_main)

posix_topics += directories
check_PROGRAMS += tests/posix/directories
tests_posix_directories_SOURCES = tests/posix/directories.c $(posix_main)

posix_topics += rename
check_PROGRAMS += tests/posix/rename
tests_posix_rename_SOURCES = tests/posix/rename.c $(posix_main)

posix_topics += attributes
check_PROGRAMS += tests/posix/attributes
tests_posix_attributes_SOURCES = tests/posix/attributes.c $(posix_main)
posix_topics += flags
check_PROGRAMS += tests/posix/flags
tests_posix_flags_SOURCES = tests/posix/flags.c $(posix_main)

posix_topics += random
check_PROGRAMS += tests/posix/random
tests_posix_random_SOURCES = tests/posix/random.c $(posix_main)

posix_topics += creation
check_PROGRAMS += tests/posix/creation
tests_posix_creation_SOURCES = tests/posix/creation.c $(posix_main)
posix_topics += tree
check_PROGRAMS += tests/posix/tree
tests_posix_tree_SOURCES = tests/posix/tree.c tests/posix/tree.h tests/posix/tree-model.c \
	tests/posix/tree-steps.c tests/posix/shared.c $(posix_main)

posix_topics += permissions
check_PROGRAMS += tests/posix/permissions
tests_posix_permissions_SOURCES = tests/posix/permissions.c $(posix_main)

TESTS += tests/posix/posix.sh
EXTRA_DIST += tests/posix/posix.sh tests/posix/README
AM_TESTS_ENVIRONMENT += GF_POSIX_TOPICS='$(posix_topics)'; export GF_POSIX_TOPICS;

.PHONY: posix
posix: inst/stamp $(check_PROGRAMS)
	$(AM_TESTS_ENVIRONMENT) $(srcdir)/tests/posix/posix.sh $(TOPIC)

posix_topics += locks
check_PROGRAMS += tests/posix/locks
tests_posix_locks_SOURCES = tests/posix/locks.c $(posix_main)

# not a table of cases: its output is compared (make posix TOPIC="matrix 1/1")
posix_topics += matrix
check_PROGRAMS += tests/posix/matrix
tests_posix_matrix_SOURCES = tests/posix/matrix.c
