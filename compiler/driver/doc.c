/* doc.c -- `yolo12c doc`: what the `##` comments of specs and of the library say.
 *
 *     yolo12c doc                    all declarations of the library and the models, a line each
 *     yolo12c doc Conv               those of this name, in full
 *     yolo12c doc std.blocks         those of a module, or of a file, in full
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#include "driver/inner.h"
#include "driver/verb.h"
#include "dsl/ast.h"
#include "elab/elab.h"

typedef VEC(const char *) Files;

static int
by_text(const void *x, const void *y)
{
	return strcmp(*(const char *const *)x, *(const char *const *)y);
}

/* The .y12 files of the first library folder that has such a folder. */
static void
list_folder(Arena *a, const char *name, Files *out)
{
	size_t n, first = out->n;
	const char *const *dirs = library_roots(a, &n);

	for (size_t i = 0; i < n && out->n == first; i++) {
		const char *path = arena_printf(a, "%s/%s", dirs[i], name);
		DIR *dir = opendir(path);

		for (const struct dirent *e; dir && (e = readdir(dir));)
			if (ends_with(e->d_name, ".y12"))
				vec_push(a, out, arena_printf(a, "%s/%s", path, e->d_name));
		if (dir)
			closedir(dir);
	}
	if (out->n > first)
		qsort(out->p + first, out->n - first, sizeof *out->p, by_text);
}

/* "std.blocks" for stdlib/blocks.y12, "yolov12" for models/yolov12.y12, else the path */
static const char *
module_name(Arena *a, const char *path)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	int len = (int)strlen(base) - 4;

	if (slash && slash - path >= 6 && strncmp(slash - 6, "stdlib", 6) == 0)
		return arena_printf(a, "std.%.*s", len, base);
	if (slash && slash - path >= 6 && strncmp(slash - 6, "models", 6) == 0)
		return arena_printf(a, "%.*s", len, base);
	return path;
}

/* The declaration's own words up to its body, in one line: "block Conv(x: tensor, out: int, k: int = 1)". */
static const char *
signature(Arena *a, const Source *src, const Ast *x)
{
	const Ast *body = x->n ? x->kid[x->n - 1] : NULL;
	size_t end = body && x->kind != AST_let ? body->span.begin : x->span.end;
	Text t = { .a = a };
	bool gap = false;

	for (size_t i = x->span.begin; i < end; i++) {
		char c = src->text[i];

		if (c == '#') {                 /* a remark beside a parameter */
			while (i + 1 < end && src->text[i + 1] != '\n')
				i++;
			continue;
		}
		if (c == ' ' || c == '\n' || c == '\t') {
			gap = t.n > 0;
			continue;
		}
		if (gap && c != ')' && t.p[t.n - 1] != '(')
			text_put(&t, " ");
		gap = false;
		text_putn(&t, &c, 1);
	}
	/* what led to the body */
	while (t.n && (t.p[t.n - 1] == '{' || t.p[t.n - 1] == ' ' || (t.p[t.n - 1] == '=' && x->kind == AST_fn)))
		t.p[--t.n] = 0;
	return text_str(&t);
}

static bool
is_declaration(const Ast *x)
{
	return x->kind == AST_model || x->kind == AST_block || x->kind == AST_fn || x->kind == AST_entry || x->kind == AST_warp;
}

typedef struct Docs {
	const Options *o;
	const char *want;       /* NULL: all, a line each */
	bool whole;             /* of a module that was asked for */
	size_t shown;
	VEC(const char *) name; /* for did-you-mean */
} Docs;

/* Its first line, and whether that is a sentence. */
static void
show_line(const Ast *x)
{
	int n = (int)strcspn(x->doc, "\n");

	printf("  %-6s %-16s %.*s%s\n", ast_kind_name(x->kind), x->name, n, x->doc,
	       x->doc[n] && !strchr(".:", x->doc[n - 1]) ? " …" : "");
}

static void
show_all(const Docs *docs, const Source *src, const Ast *x, const char *module)
{
	printf("%s%s", docs->shown ? "\n" : "", signature(docs->o->a, src, x));
	if (!docs->whole)
		printf("   [%s]", module);
	putchar('\n');
	for (const char *s = x->doc; s && *s; s += strcspn(s, "\n"), s += *s == '\n')
		printf("    %.*s\n", (int)strcspn(s, "\n"), s);
}

static void
show(Docs *docs, const Source *src, const Ast *x, const char *module)
{
	const Ast *body = x->kind == AST_model && x->n ? x->kid[x->n - 1] : NULL;

	vec_push(docs->o->a, &docs->name, x->name);
	if (docs->want && (docs->whole ? x->doc != NULL : strcmp(x->name, docs->want) == 0)) {
		show_all(docs, src, x, module);
		docs->shown++;
	} else if (!docs->want && x->doc && x->doc[0]) {
		show_line(x);
		docs->shown++;
	}
	for (int i = 0; body && i < body->n; i++)
		if (body->kid[i]->kind == AST_entry)
			show(docs, src, body->kid[i], module);
}

static void
file(Docs *docs, Diag *d, const char *path)
{
	const char *err = NULL, *module = module_name(docs->o->a, path);
	size_t len;
	char *text = file_read(docs->o->a, path, &len, &err);
	Module *m;

	if (!text) {
		diag_error(d, (Span){ 0 }, "file", "%s", err);
		return;
	}
	m = dsl_parse(docs->o->a, d, diag_source(d, path, text, len));
	if (!docs->want)
		printf("%s%s\n", docs->shown ? "\n" : "", module);
	for (int i = 0; i < m->ast->n; i++)
		if (is_declaration(m->ast->kid[i]))
			show(docs, m->src, m->ast->kid[i], module);
}

/* Where the library says more of what is built in. */
static const struct { const char *builtin, *see; } wrapped[] = {
	{ "nms", "suppress of std.post" }, { "conv2d", "Conv2d of std.blocks" }, { "batch_norm", "BatchNorm of std.blocks" },
	{ "attention", "AAttn of std.blocks" }, { "fit", "letterbox of std.picture" }, { "warp", "letterbox of std.picture" },
	{ "resize", "Upsample of std.blocks" }, { "concat", "Concat of std.blocks" },
};

int
verb_doc(const Options *o)
{
	Docs docs = { .o = o, .want = o->noperand ? o->operand[0] : NULL };
	Diag *d = diag_new(o->a);
	Files files = { 0 };

	list_folder(o->a, "stdlib", &files);
	list_folder(o->a, "models", &files);
	for (size_t i = 0; docs.want && i < files.n && !docs.whole; i++)
		if (strcmp(module_name(o->a, files.p[i]), docs.want) == 0) {
			docs.whole = true;
			files.p[0] = files.p[i];
		}
	if (docs.want && !docs.whole && ends_with(docs.want, ".y12")) {
		docs.whole = true;
		vec_push(o->a, &files, docs.want);
		files.p[0] = docs.want;
	}
	for (size_t i = 0; i < (docs.whole ? 1 : files.n); i++)
		file(&docs, d, files.p[i]);
	if (docs.want && !docs.shown && !diag_errors(d)) {
		const char *builtin = elab_builtin(o->a, docs.want), *line = builtin;

		for (; line && *line; line += strcspn(line, "\n"), line += *line == '\n')
			printf("%s%.*s%s\n", line == builtin ? "" : "    ", (int)strcspn(line, "\n"), line, line == builtin ? "   [built in]" : "");
		for (size_t i = 0; builtin && i < COUNT(wrapped); i++)
			if (strcmp(docs.want, wrapped[i].builtin) == 0)
				printf("    See %s, which is made of it.\n", wrapped[i].see);
		if (builtin)
			return verb_end(d);

		const char *near = did_you_mean(docs.want, docs.name.p, docs.name.n);

		return verb_usage(o, near ? "nothing is called %s; did you mean %s?" : "nothing is called %s", docs.want, near);
	}
	return verb_end(d);
}
