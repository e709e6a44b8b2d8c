witnessdir = $(xlatordir)/features
witness_LTLIBRARIES = xlators/features/witness/witness.la
xlators_features_witness_witness_la_SOURCES = xlators/features/witness/witness.c
xlators_features_witness_witness_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/xlators/replication -I$(srcdir)/xlators/features/replica
xlators_features_witness_witness_la_LIBADD = libreplica-store.la libreplication.la libglusterfs.la $(XXHASH_LIBS)
xlators_features_witness_witness_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared
dist_man_MANS += xlators/features/witness/witness.8
EXTRA_DIST += xlators/features/witness/README
