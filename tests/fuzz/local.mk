# tests/fuzz/ - one program per target. With --enable-fuzzing (CC=clang) each is built with
# libFuzzer; always, it is built with run-corpus.c, which gives it the files of its corpus.
FUZZ_CORPUS_TESTS = tests/fuzz/corpus-volfile tests/fuzz/corpus-wire
check_PROGRAMS += $(FUZZ_CORPUS_TESTS)
TESTS += $(FUZZ_CORPUS_TESTS)
EXTRA_DIST += tests/fuzz/README tests/fuzz/volfile.dict tests/fuzz/corpus

tests_fuzz_corpus_volfile_SOURCES = tests/fuzz/fuzz_volfile.c tests/fuzz/fuzz.h \
	tests/fuzz/run-corpus.c
tests_fuzz_corpus_volfile_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS='"tests/fuzz/corpus/volfile"'
tests_fuzz_corpus_volfile_LDADD = libparser.la

if FUZZING
FUZZ_TARGETS += tests/fuzz/fuzz-volfile
noinst_PROGRAMS += tests/fuzz/fuzz-volfile
tests_fuzz_fuzz_volfile_SOURCES = tests/fuzz/fuzz_volfile.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_volfile_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_volfile_LDADD = libparser.la
endif

# the codec

tests_fuzz_corpus_wire_SOURCES = tests/fuzz/fuzz_wire.c tests/fuzz/fuzz.h tests/fuzz/run-corpus.c
tests_fuzz_corpus_wire_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS='"tests/fuzz/corpus/wire"'
tests_fuzz_corpus_wire_LDADD = libglusterfs.la

if FUZZING
FUZZ_TARGETS += tests/fuzz/fuzz-wire
noinst_PROGRAMS += tests/fuzz/fuzz-wire
tests_fuzz_fuzz_wire_SOURCES = tests/fuzz/fuzz_wire.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_wire_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_wire_LDADD = libglusterfs.la
endif
