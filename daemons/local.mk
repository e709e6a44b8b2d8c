# daemons/ - the programs: one binary under two names, the mount helper, their manuals
sbin_PROGRAMS += glusterfs
glusterfs_SOURCES = daemons/main.c daemons/daemon.c daemons/daemon.h daemons/load.c daemons/run.c daemons/report.c \
	daemons/explain.c daemons/help.c
glusterfs_LDADD = libfetch.la libglusterfs.la
# -rdynamic: backtraces of a crash name functions; -rpath: our library, whatever else the machine has
glusterfs_LDFLAGS = $(AM_LDFLAGS) -rdynamic -Wl,-rpath,$(libdir)
EXTRA_DIST += daemons/README daemons/mount.glusterfs.in daemons/glusterfs.bash-completion
dist_man_MANS += daemons/glusterfs.8 daemons/glusterfsd.8 daemons/mount.glusterfs.8 daemons/glusterfs-volfile.5

nodist_mounthelper_SCRIPTS = mount.glusterfs
CLEANFILES += mount.glusterfs
mount.glusterfs: $(srcdir)/daemons/mount.glusterfs.in Makefile
	$(AM_V_GEN)$(SED) -e 's|@sbindir[@]|$(sbindir)|g' $(srcdir)/daemons/mount.glusterfs.in >$@.tmp && \
		chmod +x $@.tmp && mv $@.tmp $@

bashcompletiondir = $(datadir)/bash-completion/completions
glusterfssysconfdir = $(sysconfdir)/glusterfs
dist_glusterfssysconf_DATA = examples/glusterfs-server.vol.sample examples/glusterfs-client.vol.sample
exampledocdir = $(docdir)/examples
dist_exampledoc_DATA = examples/README examples/afr-local.vol examples/afr.vol examples/io-threads.vol \
	examples/lab-client.vol examples/lab-server-locks-threads.vol examples/lab-server.vol examples/local.vol \
	examples/login-client.vol examples/login-server.vol examples/posix-locks.vol examples/protocol-client.vol \
	examples/protocol-server.vol examples/rot-13.vol examples/error-gen.vol examples/trace.vol examples/unix-client.vol \
	examples/unix-server.vol examples/witness.vol examples/afr-witness.vol examples/replica.vol
dist_exampledoc_SCRIPTS = examples/lab.sh
onemachinedir = $(exampledocdir)/one-machine
dist_onemachine_DATA = examples/one-machine/server1.vol examples/one-machine/server2.vol examples/one-machine/client.vol
glusterfslogdir = $(localstatedir)/log/glusterfs
glusterfsrundir = $(localstatedir)/run/glusterfs

install-exec-hook: daemons-install-exec
install-data-hook: daemons-install-data
uninstall-hook: daemons-uninstall

.PHONY: daemons-install-exec daemons-install-data daemons-uninstall
daemons-install-exec:
	cd $(DESTDIR)$(sbindir) && rm -f glusterfsd && $(LN_S) glusterfs glusterfsd
daemons-install-data:
	$(MKDIR_P) $(DESTDIR)$(glusterfslogdir) $(DESTDIR)$(glusterfsrundir) $(DESTDIR)$(bashcompletiondir)
	for name in glusterfs glusterfsd; do \
		$(INSTALL_DATA) $(srcdir)/daemons/glusterfs.bash-completion $(DESTDIR)$(bashcompletiondir)/$$name || exit 1; \
	done
# the installed one has nothing to build
	$(SED) -i -e 's|^INSTALLED=.*|INSTALLED=$(sbindir)|' $(DESTDIR)$(exampledocdir)/lab.sh
# The directories that are only ours go, when nothing else is in them: logs stay.
daemons-uninstall:
	rm -f $(DESTDIR)$(sbindir)/glusterfsd
	rm -f $(DESTDIR)$(bashcompletiondir)/glusterfs $(DESTDIR)$(bashcompletiondir)/glusterfsd
	-for dir in $(glusterfslogdir) $(glusterfsrundir) $(glusterfssysconfdir) $(bashcompletiondir) $(docdir) \
			$(libdir)/glusterfs $(pkgincludedir); do \
		test ! -d $(DESTDIR)$$dir || find $(DESTDIR)$$dir -depth -type d -exec rmdir {} + 2>/dev/null || :; \
	done
