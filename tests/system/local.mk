# tests/system/ - the programs as users run them: mounts, signals, volume files
#
# The directory of translators is compiled in, so the tests run what `make install` puts below inst/, and
# name that directory (functions.sh). One at a time: make check TESTS=tests/system/daemon.sh tests/system/first-xlator.sh
system_tests = tests/system/examples.sh tests/system/daemon.sh tests/system/fuse.sh \
	tests/system/first-xlator.sh tests/system/bad.sh tests/system/memory.sh tests/system/manuals.sh \
	tests/system/style.sh
TESTS += $(system_tests)
EXTRA_DIST += $(system_tests) tests/functions.sh tests/README tests/system/README
check_DATA += inst/stamp

# every family of file system calls, for fuse.sh and others
check_PROGRAMS += tests/system/fuse-calls
tests_system_fuse_calls_SOURCES = tests/system/fuse-calls.c

# is a brick whole? for functions.sh
check_PROGRAMS += tests/system/brickcheck
tests_system_brickcheck_SOURCES = tests/system/brickcheck.c

AM_TESTS_ENVIRONMENT += GF_SRCDIR='$(abs_srcdir)' GF_DESTDIR='$(abs_builddir)/inst' GF_SBINDIR='$(sbindir)' \
	GF_LIBDIR='$(libdir)' GF_SYSCONFDIR='$(sysconfdir)' GF_XLATORDIR='$(xlatordir)' GF_MANDIR='$(mandir)'; \
	export GF_SRCDIR GF_DESTDIR GF_SBINDIR GF_LIBDIR GF_SYSCONFDIR GF_XLATORDIR GF_MANDIR;

system_tests_lab = tests/system/lab.sh
system_programs = tests/system/brickdiff tests/system/closetoopen tests/system/locks
TESTS += $(system_tests_lab)
check_PROGRAMS += $(system_programs)
EXTRA_DIST += $(system_tests_lab) tests/system/lab-work.sh tests/hosts.sh tests/system/README
AM_TESTS_ENVIRONMENT += GF_BUILDDIR='$(abs_builddir)'; export GF_BUILDDIR;

inst/stamp: $(sbin_PROGRAMS) $(LTLIBRARIES) mount.glusterfs Makefile
	$(AM_V_GEN)rm -rf inst && $(MAKE) $(AM_MAKEFLAGS) install DESTDIR=$(abs_builddir)/inst >inst.log 2>&1 || \
		{ cat inst.log; exit 1; }
	@rm -f inst.log; touch $@

clean-local: system-tests-clean
.PHONY: system-tests-clean
system-tests-clean:
	rm -rf inst inst.log
