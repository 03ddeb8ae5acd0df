/* layout.c -- what lines and words mean by their place.
 *
 *     x = f(a,            x = f ( a , b ) TERM
 *           b)      =>    x |> Conv ( 8 ) TERM
 *     x                   return x TERM
 *       |> Conv(8)
 *     return x }          }
 *
 * The grammar needs to know where a statement ends; people should not have to
 * write it.  A newline ends one unless
 *   - a ( or [ is open, or
 *   - the token before it cannot end a value (`+`, `,`, `=`), or
 *   - the token after it cannot begin a statement (`|>`, `and`, `else`).
 * token.def has both columns.  The end of a file and `}` end a statement too.
 *
 * Here also:
 *   - `model`, `train`, `param` and other soft keywords become keywords where a
 *     declaration can stand, and stay names everywhere else;
 *   - brackets are matched, once and for all: a bracket that is missing is
 *     reported and made up, so the grammar never sees an unbalanced file and a
 *     forgotten `)` costs one line, not the rest of the file.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dsl/parser.h"
#include "dsl/parse.h"

#define KEY TF_KEY
#define SOFT TF_SOFT
#define TOP TF_TOP
#define OP TF_OP
#define ENDS TF_ENDS
#define LEADS TF_LEADS

static const TokenInfo infos[] = {
#define TOKEN(kind, text, flags) { kind, text, flags },
#include "dsl/token.def"
};

const TokenInfo *
token_info(int kind)
{
	for (size_t i = 0; i < COUNT(infos); i++)
		if (infos[i].kind == kind)
			return &infos[i];
	return NULL;
}

static unsigned
flags_of(int kind)
{
	const TokenInfo *t = token_info(kind);

	return t ? t->flags : ENDS;     /* names and literals */
}

int
token_keyword(const char *word, unsigned flags)
{
	for (size_t i = 0; i < COUNT(infos); i++)
		if ((infos[i].flags & flags) && strcmp(infos[i].text, word) == 0)
			return infos[i].kind;
	return 0;
}

const char *
token_near(const char *word, unsigned flags)
{
	const char *words[COUNT(infos)];
	size_t n = 0;

	for (size_t i = 0; i < COUNT(infos); i++)
		if ((infos[i].flags & flags) && infos[i].text[0] >= 'a')
			words[n++] = infos[i].text;
	return did_you_mean(word, words, n);
}

/* ---- the filter -------------------------------------------------------------- */

typedef struct Bracket {
	int kind;               /* ( [ { */
	Span span;
	bool settings;          /* the braces of train or export: keys, not statements */
	bool formals;           /* of a declaration: `x = 3` may head a line */
	bool arms;              /* of a match: `-1 => x` may head a line */
	int matches;            /* `match` seen in it, the { of which is still to come */
} Bracket;

typedef struct Layout {
	Parser *p;
	VEC(Token) out;
	Bracket open[DSL_MAX_DEPTH + 1];        /* open[0]: the file itself */
	size_t nopen;
	bool quiet;             /* no word about brackets: the file was cut off */
	uint16_t depth;         /* braces among them */
	bool settings_next;     /* the next { belongs to a train or an export */
} Layout;

static Bracket *
top(Layout *l)
{
	return &l->open[l->nopen];
}

static bool
in_braces(Layout *l)
{
	return top(l)->kind == '{';
}

static int
last(const Layout *l)
{
	return l->out.n ? l->out.p[l->out.n - 1].kind : TERM;
}

static bool
at_statement(Layout *l)
{
	return in_braces(l) && (last(l) == TERM || last(l) == '{');
}

static void
emit(Layout *l, Token t)
{
	t.depth = l->depth;
	vec_push(l->p->a, &l->out, t);
}

/* a token of no width, behind the last one */
static void
make_up(Layout *l, int kind, bool fake)
{
	Span s = { l->p->src->id, 0, 0 };

	if (l->out.n)
		s.begin = s.end = l->out.p[l->out.n - 1].span.end;
	emit(l, (Token){ .kind = kind, .span = s, .fake = fake });
}

static void
end_statement(Layout *l)
{
	if (!at_statement(l))
		make_up(l, TERM, false);
}

/* the token under way stands behind `fn NAME`, `block NAME`, `->` */
static bool
declares(const Layout *l)
{
	int before = l->out.n > 1 ? l->out.p[l->out.n - 2].kind : TERM;

	return last(l) == ARROW || (last(l) == NAME && (before == MODEL || before == BLOCK ||
	       before == FN || before == ENTRY || before == WARP));
}

static void
open_bracket(Layout *l, Token t)
{
	Bracket b = {
		.kind = t.kind, .span = t.span,
		.settings = t.kind == '{' && (l->settings_next || top(l)->settings),
		.formals = t.kind == '(' && declares(l),
		.arms = t.kind == '{' && top(l)->matches > 0,
	};

	top(l)->matches -= b.arms;
	emit(l, t);
	l->open[++l->nopen] = b;
	if (t.kind == '{') {
		l->depth++;
		l->settings_next = false;
	}
}

static void
close_bracket(Layout *l, Token t)
{
	if (t.kind == '}') {
		end_statement(l);
		l->depth--;
	}
	l->nopen--;
	emit(l, t);
}

/* Makes up what closes the brackets above open[keep].  One error for all of them,
 * at the innermost: they are missing in the same place. */
static void
close_missing(Layout *l, size_t keep, Span where, const char *before)
{
	bool first = !l->quiet;

	for (; l->nopen > keep; first = false) {
		Bracket b = *top(l);
		int want = b.kind == '(' ? ')' : b.kind == '[' ? ']' : '}';

		if (first) {
			diag_error(l->p->d, b.span, "syntax-bracket", "`%c` is not closed before %s", b.kind, before);
			if (where.end)
				diag_note(l->p->d, where, "a `%c` is missing here or before", want);
		} else if (!l->quiet) {
			diag_note(l->p->d, b.span, "nor is this `%c`", b.kind);
		}
		make_up(l, want, true);
		Token t = l->out.p[--l->out.n];
		close_bracket(l, t);
	}
}

static size_t
brace_around(const Layout *l)
{
	size_t i = l->nopen;

	while (l->open[i].kind != '{')
		i--;
	return i;
}

static void
close_through(Layout *l, const Token *t)
{
	int open = t->kind == ')' ? '(' : t->kind == ']' ? '[' : '{';
	size_t i = l->nopen;
	const char before[] = { '`', (char)t->kind, '`', 0 };

	while (i > 0 && l->open[i].kind != open)
		i--;
	if (i == 0) {
		diag_error(l->p->d, t->span, "syntax-bracket", "`%c` closes nothing", t->kind);
		return;
	}
	close_missing(l, i, t->span, before);
	close_bracket(l, *t);
}

/* `return` or `x =` at the head of a line cannot stand inside parens */
static bool
heads_statement(Layout *l, const Token *t, const Token *after)
{
	switch (t->bol ? t->kind : TERM) {
	case LET: case RETURN: case FN: case ASSERT:
		return true;
	case NAME:
		return after->kind == '=' && !in_braces(l) && !top(l)->formals;
	}
	return false;
}

/* A soft keyword is one at the head of a statement, before a name:
 * `model yolo(`, but not `model = 3`, `model(x)` or the key `augment coco_n`. */
static int
soft_keyword(Layout *l, const Token *t, const Token *after)
{
	int k = t->kind == NAME ? token_keyword(t->val->name, TF_SOFT) : 0;
	bool joined = !after->bol;

	switch (k) {
	case 0:
		return 0;
	case AT:
		return last(l) == ')' && after->kind == '(' ? k : 0;
	case PARAM:
	case BUFFER:
		return joined && after->kind == NAME && !(top(l)->settings && at_statement(l)) ? k : 0;
	}
	if (!joined || top(l)->settings)
		return 0;
	if (k == LAYERS)
		return at_statement(l) && (after->kind == STRING || after->kind == '{') ? k : 0;
	if (k == USE && at_statement(l) && after->kind == STRING)
		return k;
	return at_statement(l) && after->kind == NAME ? k : 0;
}

/* `model b(` at the left edge, though a brace is open: the brace is at fault.  These
 * declarations never stand in braces, but their words may be keys of a train or
 * export; three tokens tell. */
static bool
heads_declaration(const Parser *p, const Token *t, size_t left)
{
	bool edge = t->span.begin == 0 || p->src->text[t->span.begin - 1] == '\n';

	if (!edge || left < 3 || t[0].kind != NAME || t[1].kind != NAME || t[1].bol)
		return false;
	return token_keyword(t->val->name, TF_TOP) && (t[2].kind == '(' || t[2].kind == '{') && !t[2].bol;
}

/* Does the newline before t end the statement?  A line that begins with `-` could
 * be a statement of its own, and silently would be: none is meant that way. */
static bool
line_ends(Layout *l, const Token *t)
{
	unsigned f = flags_of(t->kind);

	if (!(flags_of(last(l)) & TF_ENDS) || last(l) == TERM || (f & TF_LEADS))
		return false;
	if ((f & TF_OP) && !top(l)->arms) {
		diag_error(l->p->d, t->span, "syntax-line",
		           "a line that begins with `%s` does not go on with the line before; end that line with `%s`",
		           token_info(t->kind)->text, token_info(t->kind)->text);
		return false;
	}
	return true;
}

void
dsl_layout(Parser *p)
{
	Layout l = { .p = p, .open[0].kind = '{', .quiet = p->tok.n == DSL_MAX_TOKENS };
	Token end = { .span = { p->src->id, (uint32_t)p->src->len, (uint32_t)p->src->len }, .bol = true };

	for (size_t i = 0; i < p->tok.n; i++) {
		Token t = p->tok.p[i];
		const Token *after = i + 1 < p->tok.n ? &p->tok.p[i + 1] : &end;

		if (heads_declaration(p, &p->tok.p[i], p->tok.n - i))
			close_missing(&l, 0, t.span, "this declaration");
		else if (!in_braces(&l) && (t.kind == TERM || heads_statement(&l, &t, after)))
			close_missing(&l, brace_around(&l), t.span, t.kind == TERM ? "`;`" : "this statement");

		if (t.bol && in_braces(&l) && line_ends(&l, &t))
			end_statement(&l);
		if (t.kind == TERM) {
			end_statement(&l);
			continue;
		}
		int soft = soft_keyword(&l, &t, after);

		if (soft)
			t.kind = soft;
		if (soft == TRAIN || soft == EXPORT)
			l.settings_next = true;
		top(&l)->matches += t.kind == MATCH;

		switch (t.kind) {
		case ')': case ']': case '}':
			close_through(&l, &t);
			continue;
		case '(': case '[': case '{':
			if (l.nopen == DSL_MAX_DEPTH) {
				diag_error(p->d, t.span, "syntax-limit", "brackets stand more than %d deep", DSL_MAX_DEPTH);
				l.quiet = true;
				i = p->tok.n;   /* the rest is left out */
			} else {
				open_bracket(&l, t);
			}
			continue;
		}
		emit(&l, t);
	}
	close_missing(&l, 0, (Span){ 0 }, "the end of the file");
	end_statement(&l);
	emit(&l, end);
	p->tok.p = l.out.p;
	p->tok.n = l.out.n;
	p->tok.cap = l.out.cap;
}
