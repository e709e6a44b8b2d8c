# protocol/client: a volume of a server, as a volume of this graph
protocolclientdir = $(xlatordir)/protocol
protocolclient_LTLIBRARIES = xlators/protocol/client.la
xlators_protocol_client_la_SOURCES = xlators/protocol/client/client.c xlators/protocol/client/client.h \
	xlators/protocol/client/client-calls.c xlators/protocol/client/client-fds.c \
	xlators/protocol/client/client-session.c \
	xlators/protocol/protocol.c xlators/protocol/protocol.h
xlators_protocol_client_la_LIBADD = libglusterfs.la
xlators_protocol_client_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared
dist_man_MANS += xlators/protocol/client/client.8

# asking a server for its client volume file, for daemons/
noinst_LTLIBRARIES += libfetch.la
libfetch_la_SOURCES = xlators/protocol/fetch.c xlators/protocol/fetch.h \
	xlators/protocol/protocol.c xlators/protocol/protocol.h

EXTRA_DIST += xlators/protocol/client/README xlators/protocol/README
