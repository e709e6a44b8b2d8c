# tests/system/ - the programs as users run them: mounts, signals, volume files
#
# The directory of translators is compiled in, so the tests run what `make install` puts below inst/, and
# name that directory (functions.sh). One at a time: make check TESTS=tests/system/daemon.sh tests/system/first-xlator.sh
# (a line each: merging them takes the lines of both sides)
system_tests = tests/system/examples.sh
system_tests += tests/system/daemon.sh
system_tests += tests/system/fuse.sh
system_tests += tests/system/first-xlator.sh
system_tests += tests/system/bad.sh
system_tests += tests/system/memory.sh
system_tests += tests/system/manuals.sh
system_tests += tests/system/style.sh
system_tests += tests/system/signals.sh
system_tests += tests/system/full.sh
system_tests += tests/system/openfiles.sh
system_tests += tests/system/bounds.sh
system_tests += tests/system/unlinked.sh
system_tests += tests/system/stable.sh
system_tests += tests/system/together.sh
system_tests += tests/system/disks.sh
system_tests += tests/system/nfs.sh
system_tests += tests/system/afr.sh
system_tests += tests/system/heal.sh
TESTS += $(system_tests)
EXTRA_DIST += $(system_tests) tests/functions.sh tests/mirror.sh tests/README tests/system/README
check_DATA += inst/stamp

# what programs on two hosts do, for together.sh
EXTRA_DIST += tests/system/together.py

# an NFS client, for nfs.sh
EXTRA_DIST += tests/system/nfs3.py

# signals to those who wait for a stopped brick, for signals.sh
check_PROGRAMS += tests/system/interrupt
tests_system_interrupt_SOURCES = tests/system/interrupt.c

# many open files, for openfiles.sh
check_PROGRAMS += tests/system/openfiles
tests_system_openfiles_SOURCES = tests/system/openfiles.c

# is a brick whole? for functions.sh
check_PROGRAMS += tests/system/brickcheck
tests_system_brickcheck_SOURCES = tests/system/brickcheck.c

# a listing that waits in the middle, for stable.sh
check_PROGRAMS += tests/system/listing
tests_system_listing_SOURCES = tests/system/listing.c

AM_TESTS_ENVIRONMENT += GF_SRCDIR='$(abs_srcdir)' GF_DESTDIR='$(abs_builddir)/inst' GF_SBINDIR='$(sbindir)' \
	GF_LIBDIR='$(libdir)' GF_SYSCONFDIR='$(sysconfdir)' GF_XLATORDIR='$(xlatordir)' GF_MANDIR='$(mandir)'; \
	export GF_SRCDIR GF_DESTDIR GF_SBINDIR GF_LIBDIR GF_SYSCONFDIR GF_XLATORDIR GF_MANDIR;

system_tests_lab = tests/system/lab.sh tests/system/cuts.sh
system_programs = tests/system/steady tests/system/brickdiff tests/system/closetoopen tests/system/locks
TESTS += $(system_tests_lab)
check_PROGRAMS += $(system_programs)
EXTRA_DIST += $(system_tests_lab) tests/system/lab-work.sh tests/system/proxy.py tests/hosts.sh tests/system/README
AM_TESTS_ENVIRONMENT += GF_BUILDDIR='$(abs_builddir)'; export GF_BUILDDIR;

inst/stamp: $(sbin_PROGRAMS) $(LTLIBRARIES) mount.glusterfs Makefile
	$(AM_V_GEN)rm -rf inst && $(MAKE) $(AM_MAKEFLAGS) install DESTDIR=$(abs_builddir)/inst >inst.log 2>&1 || \
		{ cat inst.log; exit 1; }
	@rm -f inst.log; touch $@

clean-local: system-tests-clean
.PHONY: system-tests-clean
system-tests-clean:
	rm -rf inst inst.log
