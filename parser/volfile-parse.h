/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What lexer (volfile.l), tokens and syntax errors (volfile-syntax.c), grammar (volfile.y) and
 * tree (volfile.c) share. Not for others.
 */
#ifndef GLUSTERFS_VOLFILE_PARSE_H
#define GLUSTERFS_VOLFILE_PARSE_H

#include "volfile.h"

#include <stdalign.h>
#include <stdbool.h>

/* A token, and the value of every symbol of the grammar: a piece of the source. */
struct vf_token {
	int kind;		/* as in the grammar; 0 at the end */
	size_t start, len;	/* in the source text, quotes included */
	struct vf_pos pos;
	bool quoted;		/* "..." */
	bool first;		/* the first of its line */
};

/* One run of the parser. */
struct vf_parse {
	struct volfile *vf;
	struct diag *diag;
	unsigned errors, warnings;	/* told by this run */
	unsigned misfits;	/* tokens that the grammar had no place for */
	bool give_up;		/* too many errors: the lexer says "end" */
	bool lost;		/* in text outside of volumes, which was told */
	bool lost_name;		/* some volume's name is not known */
	bool told_control;	/* a control character was told */
	bool open_quote;	/* the rest of the file is in an open quote */
	bool in_volume;
	bool told_full;		/* that the volume has too many of something */
	size_t told_at;		/* of the last token told as unexpected, +1 */
	size_t cap_volumes, cap_options, cap_subvolumes;
	size_t words_used;	/* of vf->words */

	/* Where the lexer is, at the start of the next token. */
	size_t offset, line_start;
	uint32_t line, last_line;	/* last_line: where the last token ended */

	/* What was read: the token under consideration, the one before it, and of the clause
	 * before it the keyword, the first word and the number of words. */
	struct vf_token token, prev, clause, key;
	unsigned nr_words;
	struct vf_pos long_quote;	/* of the last quoted text of several lines */

	alignas(max_align_t) unsigned char lex_memory[1024];	/* the scanner's */
	size_t lex_used;
};

/* volfile.l: reads the next token into p->token and returns its kind, 0 at the end. */
int vf_lex_next(struct vf_parse *p, void *scanner);
/* Starts a scanner of buf, which ends in two NUL bytes that `size` includes; it writes into buf.
 * Returns it, or NULL when that is not so. It lives in *p. */
void *vf_lex_start(struct vf_parse *p, char *buf, size_t size);
void vf_lex_stop(void *scanner);

/* volfile-syntax.c: adds a problem at a token, unless enough was told. */
void vf_problem(struct vf_parse *p, enum diag_level level, const struct vf_token *at,
		const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* volfile-syntax.c, called by the grammar: reads a token; tells that p->token does not fit;
 * for one that does not fit, the keyword to read it as instead, or 0. */
int vf_next_token(struct vf_parse *p, struct vf_token *token, void *scanner);
void vf_unexpected(struct vf_parse *p);
int vf_misspelt(struct vf_parse *p);

/* volfile.c, called by the grammar for what it has read. */
void vf_volume_begin(struct vf_parse *p, const struct vf_token *keyword,
		     const struct vf_token *name);
void vf_volume_end(struct vf_parse *p, const struct vf_token *keyword);
void vf_volume_unended(struct vf_parse *p);
void vf_volume_type(struct vf_parse *p, const struct vf_token *type);
void vf_volume_option(struct vf_parse *p, const struct vf_token *key,
		      const struct vf_token *value);
void vf_volume_subvolume(struct vf_parse *p, const struct vf_token *name);

/* volfile-check.c: as volfile_check; `errors` were added for this file before, and with
 * `lost_name` some names are not known, so unknown subvolumes are not told. */
unsigned vf_check(const struct volfile *vf, struct diag *d, unsigned errors, bool lost_name);

/* volfile-syntax.c: the keyword nearest to a word, or NULL. */
const char *vf_nearest_keyword(const char *word);

/* volfile_parse, or (doubtful) as volfile_read_doubtful says. */
struct volfile *vf_parse(const char *name, const char *text, size_t len, struct diag *d, bool doubtful);

#endif
