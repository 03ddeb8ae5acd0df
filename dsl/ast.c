/* ast.c -- nodes, and their text form.
 *
 *     (let depth
 *       (name depth)
 *       (match (name scale) (arm (name n) (real 0.5)) ...))
 *
 * A node is (kind, its name or number, :doc text, kids); a kid that is missing is
 * `-`.  It stands on one line if that line is short.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dsl/ast.h"

enum { LINE = 90 };

const char *
ast_kind_name(AstKind k)
{
	static const char *const names[] = {
#define AST(kind, where, name, kids) #kind,
#define OPERATOR(name, text)
#include "dsl/ast.def"
	};

	return names[k];
}

const char *
ast_op_text(AstOp op)
{
	static const char *const texts[] = {
		"",
#define AST(kind, where, name, kids)
#define OPERATOR(name, text) text,
#include "dsl/ast.def"
	};

	return texts[op];
}

uint32_t
ast_hash(const char *name, size_t n)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)name[i]) * 16777619u;
	return h;
}

Ast *
ast_new(Arena *ar, AstKind k, Span s)
{
	Ast *a = NEW(ar, Ast);

	a->kind = k;
	a->span = a->at = s;
	a->height = 1;
	return a;
}

/* The room for kids doubles: it is full when n is a power of two. */
void
ast_add(Arena *ar, Ast *a, Ast *kid)
{
	if ((a->n & (a->n - 1)) == 0) {
		Ast **more = NEWN(ar, Ast *, a->n ? 2 * (size_t)a->n : 1);

		if (a->n)
			memcpy(more, a->kid, (size_t)a->n * sizeof *more);
		a->kid = more;
	}
	a->kid[a->n++] = kid;
	if (kid)
		a->height = MAX(a->height, kid->height + 1);
}

static void
quoted(Text *t, const char *s)
{
	text_put(t, "\"");
	for (; *s; s++)
		switch (*s) {
		case '\n': text_put(t, "\\n"); break;
		case '\t': text_put(t, "\\t"); break;
		case '"':  text_put(t, "\\\""); break;
		case '\\': text_put(t, "\\\\"); break;
		default:   text_putn(t, s, 1);
		}
	text_put(t, "\"");
}

/* everything but the kids */
static void
head(Text *t, const Ast *a)
{
	char buf[40];

	text_put(t, ast_kind_name(a->kind));
	switch (a->kind) {
	case AST_int:
		text_printf(t, " %lld", (long long)a->i);
		break;
	case AST_real:
		text_printf(t, " %s", fmt_real(buf, a->r, false));
		break;
	case AST_bool:
		text_put(t, a->flag ? " true" : " false");
		break;
	case AST_unary:
	case AST_binary:
		text_printf(t, " %s", ast_op_text(a->op));
		break;
	case AST_string:
	case AST_layers:
	case AST_as:
		text_put(t, " ");
		if (a->name)
			quoted(t, a->name);
		else
			text_put(t, "-");
		break;
	case AST_let:
	case AST_bind:
	case AST_for:
	case AST_file:
		break;          /* the first kid says it; a path is none of the tree's business */
	default:
		if (a->name)
			text_printf(t, " %s", a->name);
		if (a->flag)
			text_put(t, a->kind == AST_formal ? " ~" : a->kind == AST_setting ? " {}" :
			         a->kind == AST_use ? " file" : " []");
	}
	if (a->doc) {
		text_put(t, " :doc ");
		quoted(t, a->doc);
	}
}

/* Appends a as one line; gives up, and says so, when t grows past `limit`. */
static bool
flat(Text *t, const Ast *a, size_t limit)
{
	if (!a) {
		text_put(t, "-");
		return t->n <= limit;
	}
	text_put(t, "(");
	head(t, a);
	for (int i = 0; i < a->n; i++) {
		text_put(t, " ");
		if (t->n > limit || !flat(t, a->kid[i], limit))
			return false;
	}
	text_put(t, ")");
	return t->n <= limit;
}

static void
dump(Text *t, const Ast *a, int indent)
{
	size_t start = t->n;

	text_printf(t, "%*s", indent, "");
	if (flat(t, a, start + (size_t)MAX(LINE, indent + LINE / 2)))
		return;
	t->n = start;
	text_printf(t, "%*s(", indent, "");
	head(t, a);
	for (int i = 0; i < a->n; i++) {
		text_put(t, "\n");
		dump(t, a->kid[i], indent + 2);
	}
	text_put(t, ")");
}

void
ast_dump(FILE *f, const Ast *a)
{
	Arena *tmp = arena_new();
	Text t = { .a = tmp };

	dump(&t, a, 0);
	text_put(&t, "\n");
	fwrite(text_str(&t), 1, t.n, f);
	arena_free(tmp);
}
