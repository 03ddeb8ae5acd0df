/* fmt.c -- the one canonical form of a file.
 *
 * Works on tokens, so comments and the author's line breaks stay; the rest of
 * the layout is decided here:
 *
 *   - two spaces for each line that left brackets open, and for a line that goes
 *     on with the statement of the line before
 *   - one space between tokens, but for calls, brackets, `,` `:` `.` and signs
 *   - braces that hold more than one line stand at the ends of lines
 *   - `;` only between statements of one line; `} else {` on one line
 *   - at most one blank line, none at the edges of braces
 *   - comments that follow code on neighbouring lines stand in one column
 *
 * Formatting twice gives the same as once, and the tree stays the same.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dsl/parser.h"
#include "dsl/parse.h"

enum { INDENT = 2, COMMENT_GAP = 2 };

typedef struct Line {
	int indent;
	bool blank;             /* an empty line stands before it */
	const char *code;       /* "": a comment alone */
	const char *comment;    /* or NULL */
} Line;

typedef struct Bracket {
	int kind;
	int outside, inside;    /* indent of its line, and of the lines in it */
	bool settings;          /* keys and values stand in it */
	size_t at;              /* index of the token */
} Bracket;

/* What the next token needs to know of the one before. */
typedef struct Prev {
	int kind;
	uint32_t end;           /* of it, or of a comment behind it */
	bool value;             /* ends a value: `(` calls it, `-` subtracts from it */
	bool tight;             /* nothing comes between it and the next */
	bool term;              /* a statement ended behind it */
} Prev;

typedef struct Fmt {
	Parser p;
	bool *many;             /* by token: a `{` or `}` around more than one line */
	VEC(Line) line;
	Line now;               /* the line under way, its code in `code` */
	Text code;
	size_t seen;            /* comments that are out */
	Bracket open[DSL_MAX_DEPTH + 1];        /* open[0]: the file */
	int top;
	Prev prev;
	bool bars;              /* in the bars of |i, j| */
	bool settings_next;
} Fmt;

/* ---- spaces between the tokens of a line -------------------------------------------- */

static bool
has_gap(const Fmt *f, const Token *t)
{
	switch (t->kind) {
	case ')': case ']': case ',': case ':': case '.':
		return false;
	case '(': case '[':
		return !f->prev.tight && !f->prev.value;
	case '|':
		return !f->prev.tight && !f->bars;
	case '}':
		return f->prev.kind != '{';
	}
	return !f->prev.tight;
}

/* Does this token end a value?  A key does not: `size (3, 4)` is no call. */
static bool
ends_value(const Fmt *f, const Token *t)
{
	switch (t->kind) {
	case NAME:
		return !(f->open[f->top].settings && (f->prev.term || f->prev.kind == '{'));
	case INT: case REAL: case STRING: case TRUE: case FALSE: case ANY:
	case ')': case ']': case '}':
		return true;
	}
	return false;
}

/* `-` without a value before it is a sign; `|` opens the names of a lambda */
static bool
is_tight(const Fmt *f, const Token *t)
{
	switch (t->kind) {
	case '(': case '[': case '.':
		return true;
	case '-':
		return !f->prev.value;
	case '|':
		return !f->prev.value && !f->bars;
	}
	return false;
}

/* ---- lines ------------------------------------------------------------------------------ */

static const char *
source_text(const Fmt *f, Span s)
{
	return arena_strn(f->p.a, f->p.src->text + s.begin, s.end - s.begin);
}

/* line ends in the source between two bytes; 2 means two or more */
static int
breaks(const Fmt *f, uint32_t from, uint32_t to)
{
	int n = 0;

	for (uint32_t i = from; i < to && n < 2; i++)
		n += f->p.src->text[i] == '\n';
	return n;
}

static void
end_line(Fmt *f)
{
	if (f->code.n == 0)
		return;
	f->now.code = text_str(&f->code);
	vec_push(f->p.a, &f->line, f->now);
	f->code = (Text){ .a = f->p.a };
}

/* Puts out the comments before t, at this indent if they stand alone; says
 * whether there were any. */
static bool
put_comments(Fmt *f, const Token *t, int indent)
{
	size_t first = f->seen;

	while (f->seen < f->p.comment.n && (f->p.comment.p[f->seen].begin < t->span.begin || t->kind == 0)) {
		Span c = f->p.comment.p[f->seen];
		int apart = breaks(f, f->prev.end, c.begin);

		end_line(f);
		if (apart > 0 || f->line.n == 0)
			vec_push(f->p.a, &f->line, ((Line){
				indent, apart > 1 && !(f->prev.kind == '{' && f->seen == first),
				"", source_text(f, c) }));
		else
			f->line.p[f->line.n - 1].comment = source_text(f, c);
		f->prev.end = c.end;
		f->seen++;
	}
	return f->seen > first;
}

static int
indent_of(const Fmt *f, const Token *t)
{
	const Bracket *b = &f->open[f->top];
	bool fresh = f->prev.term || f->prev.kind == '{' || b->kind != '{' || t->kind == ELSE;

	return fresh ? b->inside : b->inside + INDENT;
}

static bool
is_closer(int kind)
{
	return kind == ')' || kind == ']' || kind == '}';
}

/* Begins a line with t, or goes on with the line under way. */
static void
place(Fmt *f, const Token *t)
{
	const Bracket *b = &f->open[f->top];
	bool closer = is_closer(t->kind);
	int indent = indent_of(f, t);
	bool said = put_comments(f, t, closer || t->kind == 0 ? b->inside : indent);
	size_t i = (size_t)(t - f->p.tok.p);
	bool joins = !said && ((t->kind == ELSE && f->prev.kind == '}') || t->kind == '{');
	bool breaks_here = t->bol || (t->kind == '}' && f->many[i]) ||
	                   (f->prev.kind == '{' && f->many[b->at]);

	if (f->code.n == 0 || (breaks_here && !joins)) {
		end_line(f);
		f->now = (Line){ .indent = closer ? b->outside : indent,
		                 .blank = breaks(f, f->prev.end, t->span.begin) > 1 &&
		                          (f->prev.kind != '{' || said) && !closer };
		return;
	}
	if (f->prev.term && t->kind != '}')
		text_put(&f->code, ";");
	if (has_gap(f, t))
		text_put(&f->code, " ");
}

static void
put_token(Fmt *f, const Token *t)
{
	Prev now = { .kind = t->kind, .end = t->span.end,
	             .value = ends_value(f, t), .tight = is_tight(f, t) };
	size_t i = (size_t)(t - f->p.tok.p);

	text_put(&f->code, t->kind == POW ? "**" : source_text(f, t->span));
	switch (t->kind) {
	case TRAIN: case EXPORT:
		f->settings_next = true;
		break;
	case '(': case '[': case '{':
		f->open[f->top + 1] = (Bracket){ t->kind, f->now.indent, f->now.indent + INDENT,
			t->kind == '{' && (f->settings_next || f->open[f->top].settings), i };
		f->top++;
		f->settings_next &= t->kind != '{';
		break;
	case ')': case ']': case '}':
		f->top--;
		break;
	case '|':
		f->bars = now.tight;
		break;
	}
	f->prev = now;
}

/* ---- the whole file ------------------------------------------------------------------------ */

/* Which braces hold more than one line?  A comment in them makes a line too, even where what
 * stands on the next line is a `;` that nobody needs. */
static void
find_many(Fmt *f)
{
	size_t open[DSL_MAX_DEPTH], n = 0, said = 0;
	size_t *lines = NEWN(f->p.a, size_t, f->p.tok.n + 1);  /* that begin up to here */

	f->many = NEWN(f->p.a, bool, f->p.tok.n);
	for (size_t i = 0; i < f->p.tok.n; i++) {
		const Token *t = &f->p.tok.p[i];
		bool comment = said < f->p.comment.n && f->p.comment.p[said].begin < t->span.begin;

		while (said < f->p.comment.n && f->p.comment.p[said].begin < t->span.begin)
			said++;
		lines[i] = (i ? lines[i - 1] : 0) + (t->bol || comment);
		if (t->kind == '(' || t->kind == '[' || t->kind == '{') {
			open[n++] = i;
		} else if (is_closer(t->kind)) {
			size_t from = open[--n];
			f->many[i] = f->many[from] = lines[i] > lines[from];
		}
	}
}

/* Columns, not bytes: a comment behind `"é"` lines up all the same. */
static int
columns(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static char *
print_lines(Fmt *f)
{
	Text out = { .a = f->p.a };
	size_t run = 0;         /* comments beside code share a column up to here */
	int col = 0;

	text_put(&out, "");
	for (size_t i = 0; i < f->line.n; i++) {
		const Line *l = &f->line.p[i];
		bool beside = l->comment && l->code[0];

		if (beside && i >= run)
			for (run = i, col = 0; run < f->line.n; run++) {
				const Line *r = &f->line.p[run];
				if (!r->comment || !r->code[0] || (run > i && r->blank))
					break;
				col = MAX(col, r->indent + columns(r->code));
			}
		if (l->blank && i > 0)
			text_put(&out, "\n");
		text_printf(&out, "%*s%s", l->indent, "", l->code);
		if (beside)
			text_printf(&out, "%*s", col + COMMENT_GAP - l->indent - columns(l->code), "");
		text_printf(&out, "%s\n", l->comment ? l->comment : "");
	}
	return out.p;
}

char *
dsl_fmt(Arena *a, Diag *d, const Source *src)
{
	Fmt *f = NEW(a, Fmt);

	if (!dsl_run(&f->p, a, d, src))
		return NULL;
	f->code.a = a;
	f->open[0].kind = '{';
	f->prev.term = true;
	find_many(f);
	for (size_t i = 0; i < f->p.tok.n; i++) {
		const Token *t = &f->p.tok.p[i];

		if (t->kind == TERM) {
			f->prev.term = true;
			continue;
		}
		place(f, t);
		if (t->kind != 0)
			put_token(f, t);
	}
	end_line(f);
	return print_lines(f);
}
