/* parser.h -- what the scanner, the layout filter, the grammar and fmt share.
 *
 *     text --scan.l--> tokens, comments --layout.c--> tokens, statements ended --parse.y--> Ast
 *
 * The whole file is scanned before it is parsed, so that layout.c may look ahead
 * and a syntax error may skip to the end of its statement.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_DSL_PARSER_H
#define Y12_DSL_PARSER_H

#include "dsl/ast.h"

typedef struct Token {
	int kind;               /* of parse.h: NAME, '(', TERM, ...; 0 at the end of the file */
	Span span;
	Ast *val;               /* NAME, INT, REAL, STRING: the node */
	const char *doc;        /* the `##` lines right above, or NULL */
	uint16_t depth;         /* braces around it */
	bool bol;               /* first of its line */
	bool fake;              /* stands in for a missing bracket, which was reported */
} Token;

typedef struct Parser {
	Arena *a;
	Diag *d;
	const Source *src;
	VEC(Token) tok;
	VEC(Span) comment;      /* each from `#` to the end of its line */
	size_t cur, next;       /* the token that the grammar looks at, and the one behind */
	bool skip;              /* after a mistake: go on behind its statement */
	bool too_deep;          /* reported once */
	const Ast **name;       /* scan.l: the first of each name, by its hash */
	size_t nname, room;     /* a power of two, at most half full; or 0 */
	Text doc;               /* scan.l: `##` lines seen so far */
	bool doc_open;
	Ast *file;
} Parser;

enum {
	TF_KEY = 1, TF_SOFT = 2, TF_TOP = 4, TF_OP = 8, TF_ENDS = 16, TF_LEADS = 32,
};

typedef struct TokenInfo { int kind; const char *text; unsigned flags; } TokenInfo;

const TokenInfo *token_info(int kind);                  /* NULL: NAME, INT, ... */
int token_keyword(const char *word, unsigned flags);    /* 0: no such keyword */
const char *token_near(const char *word, unsigned flags);       /* did you mean? */

void dsl_scan(Parser *p);       /* scan.l: fills tok and comment */
void dsl_layout(Parser *p);     /* layout.c: ends statements, finds soft keywords, matches brackets */
bool dsl_run(Parser *p, Arena *a, Diag *d, const Source *src);  /* all of it; p->file */

#endif
