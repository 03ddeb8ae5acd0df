/* module.c -- a file and the files that it uses.
 *
 *     use std.blocks       blocks.y12 in a library folder
 *     use neck.fast        neck/fast.y12 beside this file, else in a library folder
 *     use "../neck.y12"    that file, seen from this one
 *
 * `std.` never looks beside the using file: a project's own blocks.y12 must not
 * stand in for the library's.  A file is known by its real path, so it is loaded
 * once however many names lead to it, and a circle is found under any name.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dsl/parser.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { MAX_CHAIN = 100 };       /* a uses b uses c ... */

typedef struct Loader {
	Arena *a;
	Diag *d;
	const char *const *dirs;
	size_t ndirs;
	Map *loaded;            /* real path -> Module */
	const Module *chain[MAX_CHAIN]; /* those being loaded, outermost first */
	size_t depth;
} Loader;

Module *
dsl_parse(Arena *a, Diag *d, const Source *src)
{
	Module *m = NEW(a, Module);
	Parser p;

	dsl_run(&p, a, d, src);
	m->name = m->path = src->path;
	m->src = src;
	m->ast = p.file;
	return m;
}

/* "a/b.y12" -> "a/", "b.y12" -> "" */
static const char *
folder_of(Arena *a, const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? arena_strn(a, path, (size_t)(slash - path) + 1) : "";
}

static const char *
real_path(Arena *a, const char *path)
{
	char *r = realpath(path, NULL);
	const char *kept = arena_str(a, r ? r : path);

	free(r);
	return kept;
}

static bool
is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static bool
is_std(const char *name)
{
	return strncmp(name, "std.", 4) == 0;
}

/* "std.blocks" -> "blocks.y12", "neck.fast" -> "neck/fast.y12" */
static const char *
file_of(Arena *a, const char *name)
{
	char *f = arena_printf(a, "%s.y12", is_std(name) ? name + 4 : name);

	for (char *c = f; *c && c[1] && strcmp(c, ".y12") != 0; c++)
		if (*c == '.')
			*c = '/';
	return f;
}

typedef VEC(const char *) Strs;

/* every place where the module could be, in the order of search */
static void
places(Loader *l, const Ast *use, const char *from, Strs *out)
{
	const char *here = folder_of(l->a, from);

	if (use->flag) {
		vec_push(l->a, out, use->name[0] == '/' ? use->name : arena_printf(l->a, "%s%s", here, use->name));
		return;
	}
	const char *file = file_of(l->a, use->name);
	if (!is_std(use->name))
		vec_push(l->a, out, arena_printf(l->a, "%s%s", here, file));
	for (size_t i = 0; i < l->ndirs; i++)
		vec_push(l->a, out, arena_printf(l->a, "%s/%s", l->dirs[i], file));
}

/* "stdlib.blocks" -> "std.blocks": the library has a module of that name, known under another */
static const char *
in_library(Loader *l, const Ast *use)
{
	const char *dot = strrchr(use->name, '.');

	for (size_t i = 0; !use->flag && !is_std(use->name) && dot && i < l->ndirs; i++)
		if (is_file(arena_printf(l->a, "%s/%s.y12", l->dirs[i], dot + 1)))
			return arena_printf(l->a, "std.%s", dot + 1);
	return NULL;
}

/* a module beside the missing one whose name is close to it */
static const char *
near(Loader *l, const Ast *use, const Strs *at)
{
	Strs names = { 0 };

	for (size_t i = 0; i < at->n; i++) {
		const char *folder = folder_of(l->a, at->p[i]);
		DIR *dir = opendir(*folder ? folder : ".");
		if (!dir)
			continue;
		for (struct dirent *e; (e = readdir(dir)); ) {
			size_t n = strlen(e->d_name);
			if (n > 4 && strcmp(e->d_name + n - 4, ".y12") == 0)
				vec_push(l->a, &names, arena_strn(l->a, e->d_name, n - 4));
		}
		closedir(dir);
	}
	const char *dot = use->flag ? NULL : strrchr(use->name, '.');
	const char *slash = use->flag ? strrchr(use->name, '/') : NULL;
	const char *cut = dot ? dot + 1 : slash ? slash + 1 : use->name;
	size_t n = strlen(cut);
	bool ext = use->flag && n > 4 && strcmp(cut + n - 4, ".y12") == 0;
	const char *hit = did_you_mean(arena_strn(l->a, cut, ext ? n - 4 : n), names.p, names.n);

	return hit ? arena_printf(l->a, "%.*s%s%s", (int)(cut - use->name), use->name, hit, ext ? ".y12" : "") : NULL;
}

static void
missing(Loader *l, const Ast *use, const Strs *at)
{
	const char *library = in_library(l, use), *hit = library ? library : near(l, use, at);

	diag_error(l->d, use->at, "use-missing", "there is no module `%s`%s", use->name,
	           hit ? arena_printf(l->a, "; did you mean `%s`?", hit) : "");
	for (size_t i = 0; i < at->n; i++)
		diag_note(l->d, (Span){ 0 }, "looked for %s", at->p[i]);
	if (at->n == 0)
		diag_note(l->d, (Span){ 0 }, "there is no library folder to look in");
}

static void
circle(Loader *l, const Ast *use, const Module *back)
{
	Text t = { .a = l->a };
	size_t i = 0;

	while (l->chain[i] != back)
		i++;
	for (; i < l->depth; i++)
		text_printf(&t, "%s uses ", l->chain[i]->path);
	diag_error(l->d, use->at, "use-circle", "modules use each other in a circle: %s%s", text_str(&t), back->path);
}

static Module *load(Loader *l, const char *name, const char *path, const char **err);

static Module *
load_use(Loader *l, const Ast *use, const char *from)
{
	Strs at = { 0 };
	const char *err = NULL;

	places(l, use, from, &at);
	for (size_t i = 0; i < at.n; i++) {
		if (!is_file(at.p[i]))
			continue;
		Module *m = map_get(l->loaded, real_path(l->a, at.p[i]));
		for (size_t k = 0; m && k < l->depth; k++)
			if (l->chain[k] == m) {
				circle(l, use, m);
				return NULL;
			}
		if (m)
			return m;
		if (l->depth == MAX_CHAIN) {
			diag_error(l->d, use->at, "limit", "more than %d modules use each other in a row", MAX_CHAIN);
			return NULL;
		}
		m = load(l, use->name, at.p[i], &err);
		if (!m)
			diag_error(l->d, use->at, "use-missing", "%s", err);
		return m;
	}
	missing(l, use, &at);
	return NULL;
}

static Module *
load(Loader *l, const char *name, const char *path, const char **err)
{
	size_t len;
	char *text = file_read(l->a, path, &len, err);

	if (!text)
		return NULL;
	Module *m = dsl_parse(l->a, l->d, diag_source(l->d, path, text, len));
	VEC(Module *) use = { 0 };

	m->name = name;
	map_set(l->loaded, real_path(l->a, path), m);
	l->chain[l->depth++] = m;
	for (int i = 0; i < m->ast->n; i++)
		if (m->ast->kid[i]->kind == AST_use)
			vec_push(l->a, &use, load_use(l, m->ast->kid[i], path));
	l->depth--;
	m->use = use.p;
	m->nuse = use.n;
	return m;
}

Module *
dsl_load(Arena *a, Diag *d, const char *path, const char *const *dirs, size_t ndirs)
{
	Loader l = { .a = a, .d = d, .dirs = dirs, .ndirs = ndirs, .loaded = map_new(a) };
	const char *err = NULL;
	Module *m = load(&l, path, path, &err);

	if (!m)
		diag_error(d, (Span){ 0 }, "file", "%s", err);
	return m;
}
