# compiled into the translators of replication
noinst_LTLIBRARIES += libreplication.la
libreplication_la_SOURCES = xlators/replication/replication.h xlators/replication/view.c \
	xlators/replication/keys.c xlators/replication/attrs.c xlators/replication/message.c
EXTRA_DIST += xlators/replication/README
