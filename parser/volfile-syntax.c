/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Between lexer and grammar: which words are keywords where, and what is told when a token
 * does not fit.
 *
 * What an error is about is found from the clause that was being read (p->clause, key,
 * nr_words), not from the states of the grammar: a person thinks in those terms. Where
 * lines begin means nothing in a correct file, but it says much about a broken one.
 */
#include "config.h"

#include "volfile-parse.h"
#include "volfile-gram.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Words in messages are clipped; the quoted line shows more of them. */
#define WORD_FMT "'%.*s'"
#define WORD_ARGS(p, t) (int)((t)->len > 60 ? 60 : (t)->len), (p)->vf->text_copy + (t)->start

static const struct keyword {
	const char *name;
	int kind;
	unsigned nr_words;	/* that must follow */
} keywords[] = {
	{ "volume", VOLUME, 1 },
	{ "type", TYPE, 1 },
	{ "option", OPTION, 2 },
	{ "subvolumes", SUBVOLUMES, 1 },
	{ "end-volume", END_VOLUME, 0 },
};

enum {
	NR_KEYWORDS = sizeof(keywords) / sizeof(keywords[0]),
	MISFITS_MAX = 10000,	/* tokens without a place, told or not, until this is hopeless */
};

const char *vf_nearest_keyword(const char *word)
{
	const char *names[NR_KEYWORDS];

	for (size_t i = 0; i < NR_KEYWORDS; i++)
		names[i] = keywords[i].name;
	return diag_nearest(word, names, NR_KEYWORDS);
}

static const struct keyword *keyword_of_kind(int kind)
{
	for (size_t i = 0; i < NR_KEYWORDS; i++)
		if (keywords[i].kind == kind)
			return &keywords[i];
	return NULL;
}

/* The keyword that an unquoted word was probably meant to be, or NULL. */
static const struct keyword *token_nearest(const struct vf_parse *p, const struct vf_token *t)
{
	char word[64];
	const char *name;

	if (t->kind != WORD || t->quoted || t->len >= sizeof(word))
		return NULL;
	memcpy(word, p->vf->text_copy + t->start, t->len);
	word[t->len] = '\0';
	name = vf_nearest_keyword(word);
	for (size_t i = 0; name && i < NR_KEYWORDS; i++)
		if (keywords[i].name == name)
			return &keywords[i];
	return NULL;
}

static void give_up(struct vf_parse *p, const char *why)
{
	diag_add(p->diag, DIAG_NOTE, &p->vf->source, (struct vf_pos){ 0, 0 }, 0,
		 "%s: the rest of the file was not looked at", why);
	p->give_up = true;
}

void vf_problem(struct vf_parse *p, enum diag_level level, const struct vf_token *at,
		const char *fmt, ...)
{
	char *text;
	va_list ap;

	if (p->give_up || p->lost)
		return;
	if (level == DIAG_WARNING && p->warnings++ >= VF_MAX_ERRORS)
		return;
	if (level == DIAG_ERROR)
		p->errors++;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	diag_add(p->diag, level, &p->vf->source, at->pos, at->len, "%s",
		 text ? text : "out of memory");
	free(text);
	if (p->errors == VF_MAX_ERRORS)
		give_up(p, "too many errors");
}

/* --- Tokens --- */

/* The token that was read becomes the one before the next. */
static void token_shift(struct vf_parse *p)
{
	p->prev = p->token;
	if (p->token.kind != WORD) {
		p->clause = p->token;
		p->nr_words = 0;
		return;
	}
	if (p->nr_words++ == 0)
		p->key = p->token;
}

static void token_check(struct vf_parse *p)
{
	const char *s = p->vf->text_copy + p->token.start;
	struct vf_token at = p->token;
	size_t len = p->token.len - (p->token.quoted && p->token.len > 1 ? 2 : 0);

	if (len > VF_MAX_WORD) {
		vf_problem(p, DIAG_ERROR, &p->token, "a word of %zu bytes: %d is the longest",
			   len, VF_MAX_WORD);
		return;
	}
	for (size_t i = 0; !p->token.quoted && !p->told_control && i < p->token.len; i++) {
		if ((unsigned char)s[i] >= 0x20 && s[i] != 0x7f)
			continue;
		at.pos.column += (uint32_t)i;
		at.len = 1;
		p->told_control = true;
		vf_problem(p, DIAG_ERROR, &at, "a control character in an unquoted word");
		return;
	}
	if (p->token.len > 3 && (memcmp(s, "\u201c", 3) == 0 || memcmp(s, "\u201d", 3) == 0))
		vf_problem(p, DIAG_WARNING, &p->token,
			   "this is a typographic quote, an ordinary letter here: is \" meant?");
}

/* Quotes are only around whole words. */
static bool token_is_glued(const struct vf_parse *p)
{
	return p->token.kind == WORD && p->prev.kind == WORD &&
	       p->token.start == p->prev.start + p->prev.len &&
	       (p->token.quoted || p->prev.quoted);
}

static void tell_glued(struct vf_parse *p)
{
	bool several_lines = p->prev.quoted && p->prev.pos.line != p->token.pos.line;

	if (p->open_quote)
		return;
	if (!several_lines) {
		vf_problem(p, DIAG_ERROR, &p->token,
			   "a quote inside a word: put the whole word in quotes");
		return;
	}
	vf_problem(p, DIAG_ERROR, &p->prev, "this quote ends on line %u in the middle of a "
		   "word: is its end missing in an earlier line?", p->token.pos.line);
	p->long_quote.line = 0;
}

/*
 * A keyword that stands where the value of an option must, in the line of the option, is a
 * value (in 1.3 it was an error). So it is where another word must stand, but that is told:
 * there it is often a slip. Not end-volume, lest a missing word swallow the end of a volume.
 */
static void keyword_as_word(struct vf_parse *p)
{
	const struct keyword *clause = keyword_of_kind(p->clause.kind);

	if (p->token.kind == END_VOLUME || p->token.first || !clause ||
	    p->nr_words >= clause->nr_words)
		return;
	if (p->nr_words == 0 && !p->clause.first)
		return;
	if (p->nr_words == 0)
		vf_problem(p, DIAG_ERROR, &p->token,
			   WORD_FMT " is a keyword: to use it as a name, put it in quotes",
			   WORD_ARGS(p, &p->token));
	p->token.kind = WORD;
}

/* The next token for the grammar. */
int vf_next_token(struct vf_parse *p, struct vf_token *token, void *scanner)
{
	token_shift(p);
	p->token.kind = 0;
	if (!p->give_up)
		vf_lex_next(p, scanner);
	while (token_is_glued(p)) {
		tell_glued(p);
		p->prev = p->token;
		vf_lex_next(p, scanner);
	}
	p->last_line = p->line;
	if (p->token.kind == VOLUME)
		p->lost = false;
	if (p->token.kind == WORD)
		token_check(p);
	else if (p->token.kind != 0)
		keyword_as_word(p);
	if (p->give_up)
		p->token.kind = 0;
	*token = p->token;
	return token->kind;
}

/* --- Syntax errors --- */

/* The clause before the unexpected token lacks words. */
static void tell_missing_word(struct vf_parse *p)
{
	const char *hint = p->token.kind == END_VOLUME && !p->token.first && p->clause.first ?
			   "; a keyword that is meant as a word must be quoted" : "";

	switch (p->clause.kind) {
	case VOLUME:
		vf_problem(p, DIAG_ERROR, &p->prev, "the volume has no name%s", hint);
		break;
	case TYPE:
		vf_problem(p, DIAG_ERROR, &p->prev, "the type is missing%s", hint);
		break;
	case SUBVOLUMES:
		vf_problem(p, DIAG_ERROR, &p->prev, "no volume is named after 'subvolumes'%s",
			   hint);
		break;
	default:
		if (p->nr_words == 0)
			vf_problem(p, DIAG_ERROR, &p->prev, "the option has no name%s", hint);
		else
			vf_problem(p, DIAG_ERROR, &p->prev, "option " WORD_FMT " has no value%s",
				   WORD_ARGS(p, &p->key), hint);
	}
}

/* The unexpected word goes on a clause that is complete, rather than to begin one. */
static bool word_is_surplus(const struct vf_parse *p)
{
	if (p->token.kind != WORD || p->token.first)
		return false;
	if (p->clause.kind != OPTION && token_nearest(p, &p->token))
		return false;
	return p->clause.first || p->token.quoted;
}

static void tell_surplus_word(struct vf_parse *p)
{
	if (p->clause.kind == OPTION)
		vf_problem(p, DIAG_ERROR, &p->token, "option " WORD_FMT " has a value already: "
			   WORD_FMT " is too much (a value with spaces must be quoted)",
			   WORD_ARGS(p, &p->key), WORD_ARGS(p, &p->token));
	else
		vf_problem(p, DIAG_ERROR, &p->token, "'%s' takes one word: " WORD_FMT
			   " is too much", p->clause.kind == TYPE ? "type" : "volume",
			   WORD_ARGS(p, &p->token));
}

static void tell_unknown_word(struct vf_parse *p)
{
	const struct keyword *near = token_nearest(p, &p->token);

	if (near && (p->in_volume || near->kind == VOLUME))
		vf_problem(p, DIAG_ERROR, &p->token, "unknown word " WORD_FMT
			   "; did you mean '%s'?", WORD_ARGS(p, &p->token), near->name);
	else if (p->in_volume)
		vf_problem(p, DIAG_ERROR, &p->token, "unknown word " WORD_FMT "; expected 'type', "
			   "'option', 'subvolumes' or 'end-volume'", WORD_ARGS(p, &p->token));
	else
		vf_problem(p, DIAG_ERROR, &p->token, WORD_FMT " is outside of any volume; a volume "
			   "begins with: volume NAME", WORD_ARGS(p, &p->token));
}

void vf_unexpected(struct vf_parse *p)
{
	const struct keyword *clause = keyword_of_kind(p->clause.kind);

	p->told_at = p->token.start + 1;
	if (clause && p->nr_words < clause->nr_words && p->token.kind != WORD &&
	    (p->in_volume || clause->kind == VOLUME)) {
		tell_missing_word(p);
		if (p->in_volume && clause->kind == TYPE)	/* so that it is told once */
			vf_volume_type(p, &p->clause);
	} else if (p->token.kind == END_VOLUME) {
		vf_problem(p, DIAG_ERROR, &p->token, "no volume is open that could end here");
	} else if (p->in_volume && word_is_surplus(p)) {
		tell_surplus_word(p);
	} else {
		tell_unknown_word(p);
		p->lost = !p->in_volume;
	}
}

/*
 * For a token that the grammar has no place for: the keyword to read it as instead, or 0.
 * Called for each such token; of several in a row the grammar tells only the first, so what
 * begins another line is told here.
 */
int vf_misspelt(struct vf_parse *p)
{
	const struct keyword *near = token_nearest(p, &p->token);

	if (!p->give_up && ++p->misfits > MISFITS_MAX)
		give_up(p, "too much that has no place in a volume file");
	if (p->token.kind != WORD || (p->in_volume && word_is_surplus(p)))
		return 0;
	if (near && !p->in_volume && near->kind != VOLUME)
		near = NULL;
	if (p->told_at != p->token.start + 1 && (near || (p->in_volume && p->token.first)))
		vf_unexpected(p);
	if (!near || p->give_up)
		return 0;
	p->lost = false;
	p->token.kind = near->kind;
	return near->kind;
}
