# protocol/server: volumes of this graph for clients
protocolserverdir = $(xlatordir)/protocol
protocolserver_LTLIBRARIES = xlators/protocol/server.la
xlators_protocol_server_la_SOURCES = xlators/protocol/server/server.c xlators/protocol/server/server.h \
	xlators/protocol/server/server-auth.c xlators/protocol/server/server-fds.c \
	xlators/protocol/server/server-hello.c xlators/protocol/server/server-request.c \
	xlators/protocol/server/server-session.c xlators/protocol/server/server-replay.c \
	xlators/protocol/protocol.c xlators/protocol/protocol.h
xlators_protocol_server_la_LIBADD = libreplication.la libglusterfs.la
xlators_protocol_server_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared
dist_man_MANS += xlators/protocol/server/server.8
EXTRA_DIST += xlators/protocol/server/README
