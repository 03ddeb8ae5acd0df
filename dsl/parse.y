/* parse.y -- the grammar of .y12 files.
 *
 * Read it from `file` down: a file is statements, each ended by TERM, which
 * layout.c makes from newlines.  Expressions are one ambiguous rule made exact
 * by the precedence table.  What the grammar lets through and the language does
 * not (a model inside braces, `f(x) = 3`) is checked in the actions below, where
 * the message can say why.
 *
 * After a mistake the parser goes on behind the statement that holds it; see
 * dslyylex() for how a statement with braces is left as a whole.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
%code requires {
#include "dsl/parser.h"
}

%define api.pure full
%define api.prefix {dslyy}
%define api.value.type {Ast *}
%define api.location.type {Span}
%define parse.error custom
%define parse.lac full
%locations
%param { Parser *p }
%expect 0

%code {
#define YYLLOC_DEFAULT(cur, rhs, n)                                             \
	((cur) = (n) ? (Span){ YYRHSLOC(rhs, 1).src, YYRHSLOC(rhs, 1).begin,    \
	                       YYRHSLOC(rhs, n).end }                           \
	             : (Span){ YYRHSLOC(rhs, 0).src, YYRHSLOC(rhs, 0).end,      \
	                       YYRHSLOC(rhs, 0).end })

static int dslyylex(Ast **val, Span *at, Parser *p);
static void dslyyerror(Span *at, Parser *p, const char *msg);
static Ast *bounded(Parser *p, Ast *a);

static Ast *node(Parser *p, AstKind k, Span s, Ast **kid, size_t n);
static Ast *named(Ast *a, Ast *name);
static Ast *more(Parser *p, Ast *list, Ast *kid, Span s);
static Ast *list_as(Parser *p, Ast *list, AstKind k, Span s, Ast *first);
static Ast *declared(Parser *p, Ast *a, Ast *name);
static Ast *binds(Parser *p, AstKind k, Span s, Ast *to, Ast *value);
static Ast *flagged(Ast *a);
static Ast *with_op(Ast *a, AstOp op, Span at);
static Ast *open_range(Parser *p, Span s, Ast *low, Ast *high);
static Ast *checks(Parser *p, Span s, Ast *what, Ast *x, Ast *want);

/* a node with these kids, which may be none */
#define N(kind, s, ...)                                                         \
	node(p, AST_##kind, s, (Ast *[]){ NULL, ##__VA_ARGS__ } + 1,            \
	     sizeof((Ast *[]){ NULL, ##__VA_ARGS__ }) / sizeof(Ast *) - 1)
#define UNARY(op, s, at, x) with_op(N(unary, s, x), AOP_##op, at)
#define BINARY(op, s, at, x, y) with_op(N(binary, s, x, y), AOP_##op, at)
}

%token NAME INT REAL STRING TERM
%token LET FN IF ELSE FOR MATCH RETURN ASSERT TRUE FALSE
%token USE MODEL EXPORT TRAIN AUGMENT WARP BLOCK ENTRY LAYERS CHECK PARAM BUFFER AT
%token EQ NE LE GE ARROW GIVES ANY
%token BAD              /* no rule takes it: the scanner has reported it */

/* loosest first */
%precedence LAMBDA
%left PIPE
%precedence AS
%left OR
%left AND
%precedence NOT
%nonassoc EQ NE '<' '>' LE GE IN
%nonassoc DOTS
%left '+' '-'
%left '*' '/' IDIV '%'
%precedence NEG
%right POW

%initial-action { @$ = (Span){ p->src->id, 0, 0 }; }

%%

/* ---- statements ---------------------------------------------------------------- */

file: statements                { p->file = $1; }
    ;

statements: %empty              { $$ = N(body, @$); }
    | statements statement TERM { $$ = more(p, $1, $2, @2); }
    | statements error TERM     { $$ = more(p, $1, N(error, @2), @2); yyerrok; }
    ;

body: '{' statements '}'        { $$ = $2; $$->span = @$; }
    ;

statement: declaration
    | LET names '=' expr        { $$ = binds(p, AST_let, @$, $2, $4); }
    | expr '=' expr             { $$ = binds(p, AST_bind, @$, $1, $3); }
    | FOR names IN expr body    { $$ = binds(p, AST_for, @$, $2, $4); ast_add(p->a, $$, $5); }
    | RETURN values             { $$ = list_as(p, $2, AST_return, @$, NULL); }
    | ASSERT expr               { $$ = N(assert, @$, $2, NULL); }
    | ASSERT expr ',' expr      { $$ = N(assert, @$, $2, $4); }
    | CHECK NAME expr '=' shape { $$ = checks(p, @$, $2, $3, $5); }
    | LAYERS STRING body        { $$ = named(N(layers, @$, $3), $2); }
    | LAYERS body               { $$ = N(layers, @$, $2); $$->at = @1; }
    | expr
    ;

/* [n, 3, .., w]: an axis of `..` can have any size */
shape: '[' ']'                  { $$ = N(list, @$); }
    | '[' subscripts comma ']'  { $$ = $2; $$->span = @$; }
    ;

/* `x`, `(a, b)`: what `let` and `for` bind */
names: name_or_any
    | '(' name_list ')'         { $$ = list_as(p, $2, AST_tuple, @$, NULL); }
    ;
name_list: name_or_any          { $$ = N(list, @$, $1); }
    | name_list ',' name_or_any { $$ = more(p, $1, $3, @$); }
    ;
name_or_any: NAME
    | ANY                       { $$ = N(any, @$); }
    ;

/* ---- declarations -------------------------------------------------------------- */

declaration:
      USE dotted                { $$ = declared(p, N(use, @$), $2); }
    | USE STRING                { $$ = flagged(declared(p, N(use, @$), $2)); }
    | MODEL NAME formals body   { $$ = declared(p, N(model, @$, $3, $4), $2); }
    | BLOCK NAME formals body   { $$ = declared(p, N(block, @$, $3, $4), $2); }
    | FN NAME formals result '=' expr
                                { $$ = declared(p, N(fn, @$, $3, $4, $6), $2); }
    | FN NAME formals result body
                                { $$ = declared(p, N(fn, @$, $3, $4, $5), $2); }
    | ENTRY NAME formals results body
                                { $$ = declared(p, N(entry, @$, $3, $4, $5), $2); }
    | EXPORT NAME settings      { $$ = declared(p, list_as(p, $3, AST_export, @$, NULL), $2); }
    | TRAIN NAME settings       { $$ = declared(p, list_as(p, $3, AST_train, @$, NULL), $2); }
    | AUGMENT NAME body         { $$ = declared(p, N(augment, @$, $3), $2); }
    | WARP NAME formals AT '(' name_list comma ')' body
                                { $$ = declared(p, N(warp, @$, $3, list_as(p, $6, AST_tuple, @6, NULL), $9), $2); }
    ;

dotted: NAME
    | dotted '.' NAME           { $$ = N(name, @$);
                                  $$->name = arena_printf(p->a, "%s.%s", $1->name, $3->name); }
    ;

/* (c: int, act: one_of(none, silu) = silu, k ~ uniform(0, 1)) */
formals: '(' ')'                { $$ = N(formals, @$); }
    | '(' formal_list comma ')' { $$ = $2; $$->span = @$; }
    ;
formal_list: formal             { $$ = N(formals, @$, $1); }
    | formal_list ',' formal    { $$ = more(p, $1, $3, @$); }
    ;
formal: NAME                    { $$ = named(N(formal, @$, NULL, NULL), $1); }
    | NAME '=' expr             { $$ = named(N(formal, @$, NULL, $3), $1); }
    | NAME ':' type             { $$ = named(N(formal, @$, $3, NULL), $1); }
    | NAME ':' type '=' expr    { $$ = named(N(formal, @$, $3, $5), $1); }
    | NAME '~' expr             { $$ = flagged(named(N(formal, @$, NULL, $3), $1)); }
    ;
result: %empty                  { $$ = NULL; }
    | ARROW type                { $$ = $2; }
    ;
results: %empty                 { $$ = NULL; }
    | ARROW formals             { $$ = $2; }
    ;

/* int   f32[n, 3, .., w]   one_of(n, s, m, l, x) */
type: tensor_type
    | NAME '(' values comma ')' { $$ = named(list_as(p, $3, AST_type_of, @$, NULL), $1); }
    ;
tensor_type: NAME               { $$ = named(N(type, @$), $1); }
    | NAME '[' ']'              { $$ = flagged(named(N(type, @$), $1)); }
    | NAME '[' subscripts comma ']'
                                { $$ = flagged(named(list_as(p, $3, AST_type, @$, NULL), $1)); }
    ;

/* { target cuda("sm_90"); size 320, 320; deadline 30 ms; loss { box 7.5 } } */
settings: '{' setting_list '}'  { $$ = $2; $$->span = @$; }
    ;
setting_list: %empty            { $$ = N(list, @$); }
    | setting_list setting TERM { $$ = more(p, $1, $2, @2); }
    | setting_list error TERM   { $$ = more(p, $1, N(error, @2), @2); yyerrok; }
    ;
setting: NAME setting_values    { $$ = named(list_as(p, $2, AST_setting, @$, NULL), $1); }
    | NAME settings             { $$ = flagged(named(list_as(p, $2, AST_setting, @$, NULL), $1)); }
    ;
setting_values: setting_value   { $$ = N(list, @$, $1); }
    | setting_values ',' setting_value
                                { $$ = more(p, $1, $3, @$); }
    ;
setting_value: expr
    | number NAME               { $$ = named(N(quantity, @$, $1), $2); $$->r = $1->r; }
    ;
number: INT | REAL
    ;

/* ---- expressions --------------------------------------------------------------- */

expr: postfix
    | expr PIPE expr            { $$ = $1->kind == AST_pipe ? more(p, $1, $3, @$) : with_op(N(pipe, @$, $1, $3), AOP_none, @2); }
    | expr AS NAME              { $$ = named(N(as, @$, $1), $3); }
    | expr AS STRING            { $$ = named(N(as, @$, $1), $3); }
    | expr OR expr              { $$ = BINARY(or, @$, @2, $1, $3); }
    | expr AND expr             { $$ = BINARY(and, @$, @2, $1, $3); }
    | NOT expr                  { $$ = UNARY(not, @$, @1, $2); }
    | expr EQ expr              { $$ = BINARY(eq, @$, @2, $1, $3); }
    | expr NE expr              { $$ = BINARY(ne, @$, @2, $1, $3); }
    | expr '<' expr             { $$ = BINARY(lt, @$, @2, $1, $3); }
    | expr LE expr              { $$ = BINARY(le, @$, @2, $1, $3); }
    | expr '>' expr             { $$ = BINARY(gt, @$, @2, $1, $3); }
    | expr GE expr              { $$ = BINARY(ge, @$, @2, $1, $3); }
    | expr IN expr              { $$ = BINARY(in, @$, @2, $1, $3); }
    | expr DOTS expr            { $$ = N(range, @$, $1, $3); $$->at = @2; }
    | expr '+' expr             { $$ = BINARY(add, @$, @2, $1, $3); }
    | expr '-' expr             { $$ = BINARY(sub, @$, @2, $1, $3); }
    | expr '*' expr             { $$ = BINARY(mul, @$, @2, $1, $3); }
    | expr '/' expr             { $$ = BINARY(div, @$, @2, $1, $3); }
    | expr IDIV expr            { $$ = BINARY(idiv, @$, @2, $1, $3); }
    | expr '%' expr             { $$ = BINARY(mod, @$, @2, $1, $3); }
    | '-' expr %prec NEG        { $$ = UNARY(neg, @$, @1, $2); }
    | expr POW expr             { $$ = BINARY(pow, @$, @2, $1, $3); }
    | '|' lambda_names '|' expr %prec LAMBDA
                                { $$ = N(lambda, @$, $2, $4); }
    | '|' lambda_names '|' body { $$ = N(lambda, @$, $2, $4); }
    | PARAM tensor_type         { $$ = N(param, @$, $2); }
    | BUFFER tensor_type        { $$ = N(buffer, @$, $2); }
    | PARAM tensor_type '(' values comma ')'
                                { $$ = list_as(p, $4, AST_param, @$, $2); }
    | BUFFER tensor_type '(' values comma ')'
                                { $$ = list_as(p, $4, AST_buffer, @$, $2); }
    ;

lambda_names: lambda_name       { $$ = N(formals, @$, $1); }
    | lambda_names ',' lambda_name
                                { $$ = more(p, $1, $3, @$); }
    ;
lambda_name: NAME               { $$ = named(N(formal, @$, NULL, NULL), $1); }
    ;

postfix: primary
    | postfix '(' ')'           { $$ = N(call, @$, $1); }
    | postfix '(' values comma ')'
                                { $$ = list_as(p, $3, AST_call, @$, $1); }
    | postfix '[' subscripts comma ']'
                                { $$ = list_as(p, $3, AST_index, @$, $1); }
    | postfix '.' NAME          { $$ = named(N(field, @$, $1), $3); }
    ;

/* a, k: 3 */
values: value                   { $$ = N(list, @$, $1); }
    | values ',' value          { $$ = more(p, $1, $3, @$); }
    ;
value: expr
    | NAME ':' expr             { $$ = named(N(arg, @$, $3), $1); }
    ;

/* 1, 0 .. c, .. */
subscripts: subscript           { $$ = N(list, @$, $1); }
    | subscripts ',' subscript  { $$ = more(p, $1, $3, @$); }
    ;
subscript: expr
    | DOTS                      { $$ = N(range, @$, NULL, NULL); }
    | expr DOTS                 { $$ = open_range(p, @$, $1, NULL); }
    | DOTS expr                 { $$ = open_range(p, @$, NULL, $2); }
    ;

primary: NAME
    | literal
    | '(' ')'                   { $$ = N(tuple, @$); }
    | '(' expr ')'              { $$ = $2; $$->span = @$; }
    | '(' expr ',' ')'          { $$ = N(tuple, @$, $2); }
    | '(' expr ',' exprs comma ')'
                                { $$ = list_as(p, $4, AST_tuple, @$, $2); }
    | '[' ']'                   { $$ = N(list, @$); }
    | '[' exprs comma ']'       { $$ = $2; $$->span = @$; }
    | '[' expr FOR names IN expr ']'
                                { $$ = N(comp, @$, $2, $4, $6, NULL); }
    | '[' expr FOR names IN expr IF expr ']'
                                { $$ = N(comp, @$, $2, $4, $6, $8); }
    | if
    | MATCH expr '{' arms '}'   { $$ = list_as(p, $4, AST_match, @$, $2); }
    ;
literal: INT | REAL | STRING
    | TRUE                      { $$ = flagged(N(bool, @$)); }
    | FALSE                     { $$ = N(bool, @$); }
    ;
exprs: expr                     { $$ = N(list, @$, $1); }
    | exprs ',' expr            { $$ = more(p, $1, $3, @$); }
    ;
comma: %empty                   { $$ = NULL; }
    | ','                       { $$ = NULL; }
    ;

if: IF expr body                { $$ = N(if, @$, $2, $3, NULL); }
    | IF expr body ELSE body    { $$ = N(if, @$, $2, $3, $5); }
    | IF expr body ELSE if      { $$ = N(if, @$, $2, $3, $5); }
    ;

/* ---- match --------------------------------------------------------------------- */

arms: %empty                    { $$ = N(list, @$); }
    | arms arm TERM             { $$ = more(p, $1, $2, @2); }
    | arms error TERM           { $$ = more(p, $1, N(error, @2), @2); yyerrok; }
    ;
arm: pattern GIVES expr         { $$ = N(arm, @$, $1, $3); }
    | pattern GIVES body        { $$ = N(arm, @$, $1, $3); }
    ;

pattern: pattern1
    | alternatives
    ;
alternatives: pattern1 '|' pattern1
                                { $$ = N(alt, @$, $1, $3); }
    | alternatives '|' pattern1 { $$ = more(p, $1, $3, @$); }
    ;
pattern1: NAME
    | ANY                       { $$ = N(any, @$); }
    | STRING
    | TRUE                      { $$ = flagged(N(bool, @$)); }
    | FALSE                     { $$ = N(bool, @$); }
    | bound
    | bound DOTS bound          { $$ = N(range, @$, $1, $3); }
    | '(' patterns comma ')'    { $$ = list_as(p, $2, AST_tuple, @$, NULL); }
    ;
patterns: pattern               { $$ = N(list, @$, $1); }
    | patterns ',' pattern      { $$ = more(p, $1, $3, @$); }
    ;
bound: number
    | '-' number                { $$ = UNARY(neg, @$, @1, $2); }
    ;

%%

/* ---- making nodes -------------------------------------------------------------- */

static Ast *
bounded(Parser *p, Ast *a)
{
	if (a->height <= DSL_MAX_HEIGHT)
		return a;
	if (!p->too_deep)
		diag_error(p->d, a->span, "syntax-limit", "this is nested more than %d deep", DSL_MAX_HEIGHT);
	p->too_deep = true;
	return ast_new(p->a, AST_error, a->span);
}

static Ast *
node(Parser *p, AstKind k, Span s, Ast **kid, size_t n)
{
	Ast *a = ast_new(p->a, k, s);

	for (size_t i = 0; i < n; i++)
		ast_add(p->a, a, kid[i]);
	return bounded(p, a);
}

static Ast *
named(Ast *a, Ast *name)
{
	a->name = name->name;
	a->hash = name->hash;
	a->at = name->span;
	return a;
}

static Ast *
flagged(Ast *a)
{
	a->flag = true;
	return a;
}

static Ast *
with_op(Ast *a, AstOp op, Span at)
{
	a->op = op;
	a->at = at;
	return a;
}

static Ast *
more(Parser *p, Ast *list, Ast *kid, Span s)
{
	ast_add(p->a, list, bounded(p, kid));
	list->span = span_join(list->span, s);
	return list;
}

/* a finished list under its own kind, behind `first` if there is one */
static Ast *
list_as(Parser *p, Ast *list, AstKind k, Span s, Ast *first)
{
	Ast *a = ast_new(p->a, k, s);

	if (first)
		ast_add(p->a, a, first);
	for (int i = 0; i < list->n; i++)
		ast_add(p->a, a, list->kid[i]);
	return bounded(p, a);
}

/* ---- what only an action can check --------------------------------------------- */

static Ast *
declared(Parser *p, Ast *a, Ast *name)
{
	size_t lo = 0, hi = p->tok.n;

	named(a, name);
	while (lo < hi) {       /* its first token has the doc comment */
		size_t mid = (lo + hi) / 2;

		if (p->tok.p[mid].span.begin < a->span.begin)
			lo = mid + 1;
		else
			hi = mid;
	}
	while (lo < p->tok.n && p->tok.p[lo].kind == TERM)
		lo++;
	if (lo < p->tok.n)
		a->doc = p->tok.p[lo].doc;
	return a;
}

static bool
is_name(const Ast *a)
{
	return a->kind == AST_name || a->kind == AST_any;
}

static Ast *
binds(Parser *p, AstKind k, Span s, Ast *to, Ast *value)
{
	bool ok = is_name(to) || to->kind == AST_error;

	if (to->kind == AST_tuple && to->n > 0) {
		ok = true;
		for (int i = 0; i < to->n; i++)
			ok &= is_name(to->kid[i]);
	}
	if (!ok) {
		diag_error(p->d, to->span, "syntax-bind", "only a name, or names in parentheses, can stand before `=`");
		if (to->kind == AST_call && to->kid[0]->kind == AST_name)
			diag_note(p->d, s, "a function is declared with `fn %s(...) = ...`", to->kid[0]->name);
	}
	Ast *a = node(p, k, s, (Ast *[]){ to, value }, 2);
	a->at = to->span;
	if (to->kind == AST_name)
		a->name = to->name;
	return a;
}

static Ast *
open_range(Parser *p, Span s, Ast *low, Ast *high)
{
	Ast *a = N(range, s, low, high), *end = low ? low : high;

	if (end->kind == AST_range)
		diag_error(p->d, s, "syntax-chain", "a range has two ends: one `..` stands between them");
	return a;
}

static Ast *
checks(Parser *p, Span s, Ast *what, Ast *x, Ast *want)
{
	static const char *const can[] = { "shape" };

	if (strcmp(what->name, "shape") != 0) {
		diag_error(p->d, what->span, "syntax-check", "`check` looks at a shape: `check shape x = [n, c, h, w]`");
		if (did_you_mean(what->name, can, COUNT(can)))
			diag_note(p->d, what->span, "did you mean `shape`?");
	}
	return named(N(check, s, x, want), what);
}

/* Where a statement may stand is a column of ast.def; walked once at the end. */
typedef enum { TOP, BODY, BOTH, PART, EXPR } Where;
static const Where place_of[AST_COUNT] = {
#define AST(kind, where, name, kids) where,
#define OPERATOR(name, text)
#include "dsl/ast.def"
};

/* `fn f(x, x)` */
static void
check_formals(Parser *p, const Ast *formals)
{
	Map *seen = formals->n > 1 ? map_new(p->a) : NULL;

	for (int i = 0; seen && i < formals->n; i++) {
		const Ast *f = formals->kid[i], *first;

		if (f->kind != AST_formal)
			continue;
		if ((first = map_get(seen, f->name))) {
			diag_error(p->d, f->at, "twice", "two parameters have the name %s", f->name);
			diag_note(p->d, first->at, "the first is here");
		}
		map_set(seen, f->name, (void *)(uintptr_t)f);
	}
}

static void
check_places(Parser *p, const Ast *a)
{
	if (a->kind == AST_formals)
		check_formals(p, a);
	if (a->kind == AST_file || a->kind == AST_body)
		for (int i = 0; i < a->n; i++) {
			const Ast *s = a->kid[i];
			Where w = place_of[s->kind];

			if (s->kind == AST_error)
				continue;
			if (a->kind == AST_file && w != TOP && w != BOTH)
				diag_error(p->d, s->span, "syntax-place",
				           "a file holds declarations; %s belongs in a model, block, fn or entry",
				           w == EXPR ? "an expression" : s->kind == AST_bind ?
				           "`name = value` (without `let`)" : arena_printf(p->a, "`%s`", ast_kind_name(s->kind)));
			if (a->kind == AST_body && w == TOP)
				diag_error(p->d, s->span, "syntax-place",
				           "`%s` stands in a file, not inside braces", ast_kind_name(s->kind));
		}
	for (int i = 0; i < a->n; i++) {
		const Ast *k = a->kid[i];

		for (int f = 0; k && k->kind == AST_formals && a->kind != AST_warp && f < k->n; f++)
			if (k->kid[f]->kind == AST_formal && k->kid[f]->flag)
				diag_error(p->d, k->kid[f]->span, "syntax-place",
				           "only a warp draws its parameters; here a default is written `%s = ...`", k->kid[f]->name);
		if (k)
			check_places(p, k);
	}
}

/* ---- between bison and layout.c -------------------------------------------------- */

/* Hands out the tokens that layout.c left.  After a mistake it jumps to the end of
 * the statement around it, over any braces that the statement opens: what stands
 * in the body of a misspelt declaration would only give errors that mean nothing. */
static int
dslyylex(Ast **val, Span *at, Parser *p)
{
	if (p->skip) {
		uint16_t depth = p->tok.p[p->cur].depth;

		while (p->next + 1 < p->tok.n &&
		       !(p->tok.p[p->next].kind == TERM && p->tok.p[p->next].depth <= depth))
			p->next++;
		p->skip = false;
	}
	const Token *t = &p->tok.p[p->next];

	p->cur = p->next;
	if (p->next + 1 < p->tok.n)
		p->next++;
	*val = t->val;
	*at = t->span;
	return t->kind;
}

/* bison's own: "memory exhausted", when its stack is full */
static void
dslyyerror(Span *at, Parser *p, const char *msg)
{
	(void)msg;
	if (!p->too_deep)
		diag_error(p->d, *at, "syntax-limit", "this is nested too deep");
	p->too_deep = true;
}

/* ---- syntax errors ---------------------------------------------------------------- */

/* "`)`", "the name `x`", "end of the line" */
static const char *
describe(Parser *p, const Token *t)
{
	const TokenInfo *info = token_info(t->kind);

	if (info)
		return arena_printf(p->a, info->flags & TF_KEY ? "keyword `%s`" : "`%s`", info->text);
	if (t->kind == 0 || (t->kind == TERM && t[1].kind == 0))
		return "end of the file";
	if (t->kind == TERM)
		return t[1].kind == '}' && !t[1].bol ? "`}`" :
		       p->src->text[t->span.begin] == ';' ? "`;`" : "end of the line";
	return arena_printf(p->a, "%s `%.*s`", t->kind == NAME ? "name" : t->kind == STRING ? "string" : "number",
	                    (int)MIN(40, t->span.end - t->span.begin), p->src->text + t->span.begin);
}

/* What could stand here, in words.  Anything that begins a value is "a value";
 * operators go unsaid after a value, for they can follow any. */
static const char *
wanted(Parser *p, const bool *can)
{
#define CAN(kind) can[YYTRANSLATE(kind)]
	const char *word[8];
	size_t n = 0;
	bool value = CAN(INT) && CAN('('), after_value = CAN('+');

	if (CAN(LET))
		return "a statement";
	if (value)
		word[n++] = "a value";
	else if (CAN(INT))
		word[n++] = "a number";
	if (!value && CAN(NAME))
		word[n++] = "a name";
	if (!value && CAN(STRING))
		word[n++] = "a string";
	if (CAN(TERM))
		word[n++] = "the end of the statement";
	for (const unsigned char *c = (const unsigned char *)"()[]{}=:,."; *c; c++)
		if (CAN(*c) && !(value && strchr("([", *c)) && !(after_value && strchr("([.", *c)) && n < COUNT(word))
			word[n++] = token_info(*c)->text;
	static const int kinds[] = { GIVES, ARROW, IN, ELSE, FOR, AT };
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (CAN(kinds[i]) && !(kinds[i] == IN && after_value) && n < COUNT(word))
			word[n++] = token_info(kinds[i])->text;
#undef CAN
	Text t = { .a = p->a };
	for (size_t i = 0; i < n; i++) {
		bool word_like = strchr(word[i], ' ') != NULL;

		text_printf(&t, word_like ? "%s%s" : "%s`%s`", i == 0 ? "" : i + 1 < n ? ", " : " or ", word[i]);
	}
	return n ? text_str(&t) : NULL;
}

/* words of other languages, and what they are here */
static const char *
foreign(const char *word)
{
	static const struct { const char *word, *here; } table[] = {
		{ "def", "fn" }, { "func", "fn" }, { "function", "fn" }, { "class", "block" },
		{ "module", "block" }, { "import", "use" }, { "include", "use" }, { "from", "use" },
		{ "var", "let" }, { "const", "let" }, { "val", "let" }, { "auto", "let" },
		{ "switch", "match" }, { "case", "match" }, { "while", "for" }, { "elif", "else if" },
		{ "elseif", "else if" }, { "network", "model" }, { "layer", "block" },
	};

	for (size_t i = 0; i < COUNT(table); i++)
		if (strcmp(table[i].word, word) == 0)
			return table[i].here;
	return NULL;
}

/* `modle x(`: two words side by side, the first of which was meant as a keyword.
 * Also `} els {`. */
static bool
misspelt(Parser *p, const Token *prev, const Token *t)
{
	const Token *first = p->tok.p, *w = prev;

	if (prev && prev->kind == '}' && t->kind == NAME)
		w = t;
	else if (!prev || prev->kind != NAME || t->kind == TERM ||
	         (prev > first && prev[-1].kind != TERM && prev[-1].kind != '{'))
		return false;
	const char *word = w->val->name, *near = foreign(word);
	if (!near)
		near = token_near(word, TF_KEY | TF_SOFT);
	if (!near || strcmp(near, word) == 0)
		return false;
	diag_error(p->d, w->span, "syntax-keyword", "`%s` is no keyword; did you mean `%s`?", word, near);
	return true;
}

/* When the line goes on with the one before, which may not have been meant, say so. */
static bool
line_before(Parser *p, const Token *t)
{
	const Token *first = p->tok.p;

	while (t > first && !t->bol)
		t--;
	const TokenInfo *info = t > first ? token_info((--t)->kind) : NULL;
	bool open = info && !(info->flags & TF_ENDS) && !strchr("([{,", info->text[0]);

	if (open)
		diag_note(p->d, t->span, "the line goes on with this one, which ends in `%s`", info->text);
	return open;
}

static int
yyreport_syntax_error(const yypcontext_t *ctx, Parser *p)
{
	const Token *t = &p->tok.p[p->cur], *prev = p->cur ? t - 1 : NULL;
	const TokenInfo *info = token_info(t->kind);
	yysymbol_kind_t sym[YYNTOKENS];
	bool can[YYNTOKENS] = { false };
	int n = yypcontext_expected_tokens(ctx, sym, YYNTOKENS);

	p->skip = t->kind != TERM;
	if (t->kind == BAD || t->fake)
		return 0;               /* told already */
	for (int i = 0; i < n; i++)
		can[sym[i]] = true;
	if (misspelt(p, prev, t))
		return 0;

	bool after_value = can[YYTRANSLATE('+')];
	const char *want = wanted(p, can), *what = describe(p, t);

	if (info && (info->flags & TF_KEY) && can[YYSYMBOL_NAME] && !can[YYSYMBOL_INT])
		diag_error(p->d, t->span, "syntax-keyword", "`%s` is a keyword and cannot be a name", info->text);
	else if (after_value && (t->kind == EQ || t->kind == NE || t->kind == '<' || t->kind == LE ||
	                         t->kind == '>' || t->kind == GE || t->kind == IN))
		diag_error(p->d, t->span, "syntax-chain", "comparisons do not chain: write `a %s b and b %s c`",
		           info->text, info->text);
	else if (after_value && t->kind == DOTS)
		diag_error(p->d, t->span, "syntax-chain", "a range has two ends: one `..` stands between them");
	else if (want)
		diag_error(p->d, t->span, "syntax-token", "unexpected %s; expected %s", what, want);
	else
		diag_error(p->d, t->span, "syntax-token", "unexpected %s", what);
	if (!line_before(p, t) && after_value && t->kind == '=')
		diag_note(p->d, t->span, "`=` binds a name, at the head of a statement; to compare, write `==`");
	if (prev && prev->kind == NAME && t->kind == '{' && token_keyword(prev->val->name, TF_SOFT))
		diag_note(p->d, prev->span, "as a keyword it needs a name: `%s NAME { ... }`", prev->val->name);
	return 0;
}

/* ---- all of it -------------------------------------------------------------------- */

bool
dsl_run(Parser *p, Arena *a, Diag *d, const Source *src)
{
	int errors = diag_errors(d);

	*p = (Parser){ .a = a, .d = d, .src = src };
	if (src->len > DSL_MAX_BYTES)
		diag_error(d, (Span){ src->id, 0, 0 }, "syntax-limit", "the file has %zu bytes; %d are allowed",
		           src->len, DSL_MAX_BYTES);
	else
		dsl_scan(p);
	dsl_layout(p);
	dslyyparse(p);
	if (!p->file)
		p->file = ast_new(a, AST_body, (Span){ src->id, 0, 0 });
	p->file->kind = AST_file;
	p->file->name = src->path;
	p->file->span = (Span){ src->id, 0, (uint32_t)src->len };
	check_places(p, p->file);
	return diag_errors(d) == errors;
}
