# tests/bench: make bench, make rss; BENCH= takes the options of bench.sh: make bench BENCH=--quick
noinst_PROGRAMS += tests/bench/fsbench
tests_bench_fsbench_SOURCES = tests/bench/fsbench.c tests/bench/fsbench.h tests/bench/files.c \
	tests/bench/rows.c
EXTRA_DIST += tests/bench/README tests/bench/bench.sh tests/bench/stacks.sh \
	tests/bench/rss.sh tests/bench/report.awk tests/bench/check-fsbench.sh
TESTS += tests/bench/check-fsbench.sh

# Installed with DESTDIR, since libtool's libraries do not go to another prefix than configure's.
.PHONY: bench rss bench-install
bench-install: all
	rm -rf bench-inst
	$(MAKE) $(AM_MAKEFLAGS) install DESTDIR=$(abs_builddir)/bench-inst >bench-inst.log 2>&1 || \
		{ cat bench-inst.log; exit 1; }

bench: bench-install
	bash $(srcdir)/tests/bench/bench.sh --fsbench $(abs_builddir)/tests/bench/fsbench \
		--prefix $(abs_builddir)/bench-inst$(prefix) $(BENCH); \
		status=$$?; rm -rf bench-inst; exit $$status

rss: bench-install
	bash $(srcdir)/tests/bench/rss.sh --fsbench $(abs_builddir)/tests/bench/fsbench \
		--prefix $(abs_builddir)/bench-inst$(prefix) $(RSS); \
		status=$$?; rm -rf bench-inst; exit $$status

CLEANFILES += bench-inst.log
