# parser/ - volume files: text -> tree -> text, and lists of problems
noinst_LTLIBRARIES += libparser.la
libparser_la_SOURCES = \
	parser/diag.c parser/diag.h \
	parser/volfile.c parser/volfile.h parser/volfile-parse.h \
	parser/volfile-check.c \
	parser/volfile-file.c \
	parser/volfile-syntax.c
nodist_libparser_la_SOURCES = parser/volfile-gram.c parser/volfile-gram.h parser/volfile-lex.c

# Own rules rather than automake's: those name the results after volfile.c.
PARSER_MADE = parser/volfile-gram.c parser/volfile-gram.h parser/volfile-lex.c
BUILT_SOURCES += $(PARSER_MADE)
CLEANFILES += $(PARSER_MADE)
EXTRA_DIST += parser/volfile.y parser/volfile.l parser/README

parser/volfile-gram.c: parser/volfile.y
	$(AM_V_GEN)$(MKDIR_P) parser && $(YACC) -Wall -Wno-yacc \
		--defines=parser/volfile-gram.h -o $@ $(srcdir)/parser/volfile.y
parser/volfile-gram.h: parser/volfile-gram.c
	@test -f $@ || { rm -f $<; $(MAKE) $(AM_MAKEFLAGS) $<; }
parser/volfile-lex.c: parser/volfile.l
	$(AM_V_GEN)$(MKDIR_P) parser && $(LEX) -o $@ $(srcdir)/parser/volfile.l
# also where BUILT_SOURCES are not made first: make libparser.la
$(libparser_la_OBJECTS): parser/volfile-gram.h
