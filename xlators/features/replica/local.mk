# what is durable: compiled into features/replica and features/witness
noinst_LTLIBRARIES += libreplica-store.la
libreplica_store_la_SOURCES = xlators/features/replica/replica-register.c xlators/features/replica/replica-register.h \
	xlators/features/replica/replica-acceptor.c xlators/features/replica/replica-acceptor.h \
	xlators/features/replica/replica-dirty.c xlators/features/replica/replica-dirty.h \
	xlators/features/replica/replica-dirty-log.c xlators/features/replica/replica-dirty-log.h \
	xlators/features/replica/replica-waiters.c xlators/features/replica/replica-waiters.h
libreplica_store_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/xlators/replication
EXTRA_DIST += xlators/features/replica/README

# features/replica: a brick's part of replication
replicadir = $(xlatordir)/features
replica_LTLIBRARIES = xlators/features/replica/replica.la
xlators_features_replica_replica_la_SOURCES = xlators/features/replica/replica.c xlators/features/replica/replica.h \
	xlators/features/replica/replica-journal.c xlators/features/replica/replica-keys.c \
	xlators/features/replica/replica-change.c xlators/features/replica/replica-settle.c \
	xlators/features/replica/replica-view.c xlators/features/replica/replica-client.c \
	xlators/features/replica/replica-sums.c xlators/features/replica/replica-time.c
xlators_features_replica_replica_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/xlators/replication
xlators_features_replica_replica_la_LIBADD = libreplica-store.la libreplication.la libglusterfs.la
xlators_features_replica_replica_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared
dist_man_MANS += xlators/features/replica/replica.8
