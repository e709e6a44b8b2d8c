/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The grammar of volume files.
 *
 * It says what a correct file looks like; actions only hand words to the tree builder
 * (volfile.c). Newlines mean nothing, words and quoted texts are the same.
 *
 * Errors: `stray` takes the token that does not fit, vf_unexpected() has told it. If it is a
 * keyword with a slip of the pen, it is read again as that keyword; otherwise tokens are
 * dropped until one fits. Each keyword ends the recovery (yyerrok), so that the next
 * problem is told too. A state decides without looking ahead only where there is one thing
 * to do (lr.default-reduction): an error is found at the token that it is in, and `end` is
 * empty just before `volume` and the end of the file.
 */
%code top {
	#include "config.h"
}

%code requires {
	#include "volfile-parse.h"
}

%code {
	#include "volfile-gram.h"

	static int vf_gram_lex(struct vf_token *token, struct vf_parse *p, void *scanner)
	{
		return vf_next_token(p, token, scanner);
	}

	/* Bison's text says less than what we know. */
	static void vf_gram_error(struct vf_parse *p, void *scanner, const char *text)
	{
		(void)scanner;
		(void)text;
		vf_unexpected(p);
	}
}

%define api.pure full
%define api.prefix {vf_gram_}
%define api.value.type {struct vf_token}
%define lr.default-reduction consistent
%param {struct vf_parse *p} {void *scanner}
%expect 0

%token VOLUME "volume"
%token END_VOLUME "end-volume"
%token TYPE "type"
%token OPTION "option"
%token SUBVOLUMES "subvolumes"
%token WORD "word"

/* An error behind the clauses of a volume belongs to the volume: it does not end it. */
%precedence UNENDED
%precedence error

%%

file
	: %empty
	| file volume
	| file stray
	;

volume
	: begin clauses end
	;

begin
	: volume_keyword WORD		{ vf_volume_begin(p, &$1, &$2); }
	| volume_keyword error		{ vf_volume_begin(p, &$1, NULL); }
	;

clauses
	: %empty
	| clauses clause
	| clauses stray
	;

clause
	: type_keyword WORD		{ vf_volume_type(p, &$2); }
	| option_keyword WORD WORD	{ vf_volume_option(p, &$2, &$3); }
	| subvolumes
	;

subvolumes
	: subvolumes_keyword WORD	{ vf_volume_subvolume(p, &$2); }
	| subvolumes WORD		{ vf_volume_subvolume(p, &$2); }
	;

end
	: END_VOLUME			{ yyerrok; vf_volume_end(p, &$1); }
	| %empty %prec UNENDED		{ vf_volume_unended(p); }
	;

volume_keyword: VOLUME			{ yyerrok; $$ = $1; };
type_keyword: TYPE			{ yyerrok; $$ = $1; };
option_keyword: OPTION			{ yyerrok; $$ = $1; };
subvolumes_keyword: SUBVOLUMES		{ yyerrok; $$ = $1; };

stray
	: error
	{
		int keyword = vf_misspelt(p);

		if (keyword != 0) {
			yyerrok;
			yyclearin;
			YYBACKUP(keyword, p->token);
		}
	}
	;

%%
