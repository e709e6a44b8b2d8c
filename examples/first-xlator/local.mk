firstxlatordir = $(docdir)/examples/first-xlator
dist_firstxlator_DATA = examples/first-xlator/README examples/first-xlator/keep.c \
	examples/first-xlator/Makefile examples/first-xlator/keep.vol
