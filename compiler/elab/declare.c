/* declare.c -- train, export, augment and warp: what they say is looked at now.
 *
 *     train coco { epochs 600; batch auto; augment strong }      settings.def has a row for each key
 *     augment strong { mosaic(p: 1.0); barrel(k: 0.1) }          ... and for each step
 *     warp barrel(k ~ uniform(-0.2, 0.2)) at (u, v) { ... }      run on scalars, in a graph of its own
 *
 * Nothing here is carried out yet, so a mistake in it would otherwise show up in the work that
 * carries it out, long after it was written.  A spec that has such declarations is told so in one
 * warning: silence would look like consent.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "elab/interp.h"

#include <fnmatch.h>
#include <math.h>

typedef enum Class { DECL, NEST, STEP, CALL, DIST } Class;
typedef enum Kind { INT, REAL, BOOL, STR, WORD, CALLED, RANGE, UNIT, ANY, AUGMENT, MODEL } Kind;

static const struct { const char *name; Class class; } groups[] = {
#define GROUP(name, class) { #name, class },
#define SETTING(...)
#define HINT(...)
#include "elab/settings.def"
};

typedef struct Setting {
	const char *group, *name;
	Kind kind;
	double from, to;
	int most;
	const char *words;
} Setting;

#define CALL CALLED     /* as a kind: the class of that name is done with */
static const Setting settings[] = {
#define GROUP(name, class)
#define SETTING(group, name, kind, from, to, most, words) { #group, #name, kind, from, to, most, words },
#define HINT(...)
#include "elab/settings.def"
};
#undef CALL

static const struct { const char *group, *name, *says; } hints[] = {
#define GROUP(name, class)
#define SETTING(...)
#define HINT(group, name, says) { #group, #name, says },
#include "elab/settings.def"
};

typedef struct Decl { const Ast *ast; const Module *m; Env *e; } Decl;

typedef struct Check {
	Interp *I;
	VEC(Decl) decl;         /* of the file first, then of those that it uses */
	Env *e;                 /* names of the file at hand */
} Check;

typedef VEC(const char *) Names;

/* ---- the table ------------------------------------------------------------------------ */

static bool
is_group(const char *name, Class class)
{
	for (size_t i = 0; i < COUNT(groups); i++)
		if (groups[i].class == class && !strcmp(groups[i].name, name))
			return true;
	return false;
}

static const Setting *
setting(const char *group, const char *name)
{
	for (size_t i = 0; i < COUNT(settings); i++)
		if (!strcmp(settings[i].group, group) && !strcmp(settings[i].name, name))
			return &settings[i];
	return NULL;
}

static void
setting_names(Arena *a, const char *group, Names *out)
{
	for (size_t i = 0; i < COUNT(settings); i++)
		if (!strcmp(settings[i].group, group))
			vec_push(a, out, settings[i].name);
}

static const char *
hint(const char *group, const char *name)
{
	for (size_t i = 0; i < COUNT(hints); i++)
		if (!strcmp(hints[i].group, group) && !strcmp(hints[i].name, name))
			return hints[i].says;
	return NULL;
}

/* "auto sgd adam" -> three names */
static void
split(Arena *a, const char *words, Names *out)
{
	while (*words) {
		size_t n = strcspn(words, " ");

		vec_push(a, out, arena_strn(a, words, n));
		words += n + (words[n] == ' ');
	}
}

static bool
has(const Names *names, const char *name)
{
	for (size_t i = 0; i < names->n; i++)
		if (!strcmp(names->p[i], name))
			return true;
	return false;
}

/* "a, b or c" */
static const char *
join(Arena *a, const Names *names, const char *word)
{
	Text t = { .a = a };

	for (size_t i = 0; i < names->n; i++) {
		if (i)
			text_put(&t, i + 1 < names->n ? ", " : word);
		text_put(&t, names->p[i]);
	}
	return text_str(&t);
}

static const char *
either(Arena *a, const Names *names)
{
	return join(a, names, " or ");
}

static const char *
all(Arena *a, const Names *names)
{
	return join(a, names, " and ");
}

static const Decl *
declared(const Check *c, AstKind kind, const char *name, Names *near)
{
	for (size_t i = 0; i < c->decl.n; i++)
		if (c->decl.p[i].ast->kind == kind) {
			if (name && !strcmp(c->decl.p[i].ast->name, name))
				return &c->decl.p[i];
			if (near)
				vec_push(c->I->a, near, c->decl.p[i].ast->name);
		}
	return NULL;
}

/* ---- values --------------------------------------------------------------------------------- */

/* "an int from 1 to 65536, or auto" */
static const char *
wanted(Arena *a, const Setting *s)
{
	Names words = { 0 };
	Text t = { .a = a };

	split(a, s->words, &words);
	switch (s->kind) {
	case INT: case REAL: case RANGE:
		text_put(&t, s->kind == REAL ? "a number" : "an int");
		if (s->from > MINUS && s->to < ON)
			text_printf(&t, " from %.10g to %.10g", s->from, s->to);
		else if (s->from > MINUS)
			text_printf(&t, " from %.10g on", s->from);
		if (s->kind == RANGE)
			text_put(&t, ", or a range of them: 1 .. 32");
		break;
	case BOOL:
		text_put(&t, "true or false");
		break;
	case STR:
		text_put(&t, "a string");
		if (words.n)
			text_printf(&t, " such as \"%s\"", words.p[0]);
		return text_str(&t);
	case UNIT:
		text_printf(&t, "a number and its unit, which is %s", either(a, &words));
		return text_str(&t);
	case ANY:
		return "a name";
	case AUGMENT:
		text_put(&t, "the name of an augment");
		break;
	case MODEL:
		return "the name of a model";
	case WORD: case CALLED:
		return either(a, &words);
	}
	if (words.n)
		text_printf(&t, ", or %s", either(a, &words));
	return text_str(&t);
}

static const char *
called(const Ast *a)
{
	const Ast *name = a->kind == AST_call ? a->kid[0] : a;

	return name->kind == AST_name ? name->name : NULL;
}

/* as it is written */
static const char *
source_text(const Check *c, const Ast *a)
{
	const Source *src = diag_source_of(c->I->d, a->span);
	uint32_t n = MIN(a->span.end - a->span.begin, 80);

	return src ? arena_strn(c->I->a, src->text + a->span.begin, n) : "";
}

static bool
refuse(Check *c, const Setting *s, const Ast *a, const char *what, const char *got, const Names *near)
{
	const char *name = called(a), *slip = name && near ? did_you_mean(name, near->p, near->n) : NULL;

	fail(c->I, a->span, "setting", slip ? "%s takes %s, not %s; did you mean %s?" : "%s takes %s, not %s",
	     what, wanted(c->I->a, s), got, slip);
	return false;
}

static bool
within(const Setting *s, double x)
{
	return x >= s->from && x <= s->to;
}

static bool
fits(const Setting *s, Value v)
{
	switch (s->kind) {
	case INT:
		return v.kind == V_INT && within(s, (double)v.i);
	case REAL:
		return is_number(v) && within(s, number(v));
	case BOOL:
		return v.kind == V_BOOL;
	case RANGE:
		return (v.kind == V_INT && within(s, (double)v.i)) ||
		       (v.kind == V_RANGE && v.i <= v.hi && within(s, (double)v.i) && within(s, (double)v.hi));
	default:
		return v.kind == V_STR;
	}
}

static bool
fits_pattern(Arena *a, const Setting *s, const char *text)
{
	Names pattern = { 0 };

	split(a, s->words, &pattern);
	for (size_t i = 0; i < pattern.n; i++)
		if (fnmatch(pattern.p[i], text, 0) == 0)
			return true;
	return pattern.n == 0;
}

static bool
is_name_of_value(Env *e, const char *name)
{
	uint32_t hash = ast_hash(name, strlen(name));

	for (; e; e = e->up)
		if (env_find(e, name, hash))
			return true;
	return false;
}

static bool check_args(Check *c, const char *group, const Ast *call);

/* A word, which may have arguments: auto, sgd(lr: 0.01).  -1: this is none. */
static int
check_word(Check *c, const Setting *s, const Ast *a, const char *what)
{
	bool words_only = s->kind == WORD || s->kind == CALLED || s->kind == ANY || s->kind == AUGMENT || s->kind == MODEL;
	bool bare = a->kind == AST_name;
	const char *name = called(a);
	Names words = { 0 };

	if (s->kind != STR)
		split(c->I->a, s->words, &words);
	if (name && has(&words, name)) {
		if (bare)
			return 1;
		if (s->kind == CALLED)
			return check_args(c, name, a);
	}
	if (bare && s->kind == ANY)
		return 1;
	if (bare && (s->kind == AUGMENT || s->kind == MODEL) &&
	    declared(c, s->kind == MODEL ? AST_model : AST_augment, name, &words))
		return 1;
	if (!words_only && !(bare && words.n && !is_name_of_value(c->e, name)))
		return -1;
	return refuse(c, s, a, what, source_text(c, a), &words);
}

static bool
check_value(Check *c, const Setting *s, const Ast *a, const char *what)
{
	Interp *I = c->I;
	Names units = { 0 };

	if (a->kind == AST_error)
		return false;
	if (a->kind == AST_quantity) {
		split(I->a, s->kind == UNIT ? s->words : "", &units);
		if (s->kind == UNIT && has(&units, a->name) && within(s, a->r))
			return true;
		return refuse(c, s, a, what, arena_printf(I->a, "%.10g %s", a->r, a->name), NULL);
	}

	int word = check_word(c, s, a, what);

	if (word >= 0)
		return word;

	Value v = eval(I, c->e, a, NULL);

	if (v.kind == V_ERROR)
		return false;
	if (s->kind == UNIT || !fits(s, v))
		return refuse(c, s, a, what, show(I, v), NULL);
	if (s->kind == STR && !fits_pattern(I->a, s, v.s))
		return refuse(c, s, a, what, show(I, v), NULL);
	return true;
}

/* ---- braces of settings ------------------------------------------------------------------------ */

static void
unknown_setting(Check *c, const char *group, const char *what, const Ast *key)
{
	const char *says = hint(group, key->name), *near;
	Names names = { 0 };

	setting_names(c->I->a, group, &names);
	for (size_t i = 0; i < COUNT(groups) && !strcmp(group, "train"); i++)
		if (groups[i].class == NEST)
			vec_push(c->I->a, &names, groups[i].name);
	near = did_you_mean(key->name, names.p, names.n);
	if (says)
		fail(c->I, key->at, "setting-name", "%s has no setting %s: %s", what, key->name, says);
	else if (near)
		fail(c->I, key->at, "setting-name", "%s has no setting %s; did you mean %s?", what, key->name, near);
	else
		fail(c->I, key->at, "setting-name", "%s has no setting %s; it has %s", what, key->name, all(c->I->a, &names));
}

static void
check_settings(Check *c, const char *group, const char *what, const Ast *a)
{
	Map *seen = map_new(c->I->a);

	for (int i = 0; i < a->n; i++) {
		const Ast *key = a->kid[i], *first;
		const Setting *s;

		if (key->kind != AST_setting)
			continue;
		if ((first = map_get(seen, key->name))) {
			fail(c->I, key->at, "twice", "%s: %s is set twice", what, key->name);
			note(c->I, first->at, "the first is here");
			continue;
		}
		map_set(seen, key->name, (void *)(uintptr_t)key);
		if (key->flag && !strcmp(group, "train") && is_group(key->name, NEST)) {
			check_settings(c, key->name, key->name, key);
			continue;
		}
		if (!(s = setting(group, key->name))) {
			if (is_group(key->name, NEST) && !strcmp(group, "train"))
				fail(c->I, key->at, "setting", "%s: %s has settings of its own, in braces", what, key->name);
			else
				unknown_setting(c, group, what, key);
			continue;
		}
		if (key->flag) {
			fail(c->I, key->at, "setting", "%s: %s takes %s, not braces", what, s->name, wanted(c->I->a, s));
			continue;
		}
		if (key->n > s->most) {
			fail(c->I, key->kid[s->most]->span, "setting", "%s: %s takes %s%d value%s, but %d are given", what, s->name,
			     s->most == 1 ? "" : "up to ", s->most, s->most == 1 ? "" : "s", key->n);
			continue;
		}
		for (int k = 0; k < key->n; k++)
			check_value(c, s, key->kid[k], arena_printf(c->I->a, "%s: %s", what, s->name));
	}
}

/* ---- calls: steps, optimizers, targets, distributions --------------------------------------------- */

static bool
check_arg(Check *c, const Setting *s, const Ast *value, const char *group)
{
	const char *what = arena_printf(c->I->a, "%s: %s", group, s->name);
	bool several = s->most > 1 && (value->kind == AST_tuple || value->kind == AST_list) && value->n <= s->most;
	bool ok = true;

	if (!several)
		return check_value(c, s, value, what);
	for (int i = 0; i < value->n; i++)
		ok &= check_value(c, s, value->kid[i], what);
	return ok;
}

/* The argument's name, by place or as it says; NULL: reported. */
static const char *
arg_name(Check *c, const char *what, const Names *names, const Ast *arg, Map *seen, size_t place)
{
	bool named = arg->kind == AST_arg;
	const char *name = named ? arg->name : place < names->n ? names->p[place] : NULL, *near;

	if (!name) {
		fail(c->I, arg->span, "argument", "%s takes %zu argument%s", what, names->n, names->n == 1 ? "" : "s");
		return NULL;
	}
	if (!has(names, name)) {
		near = did_you_mean(name, names->p, names->n);
		fail(c->I, arg->at, "argument", near ? "%s has no argument %s; did you mean %s?" : "%s has no argument %s; it has %s",
		     what, name, near ? near : names->n ? all(c->I->a, names) : "none");
		return NULL;
	}
	if (map_has(seen, name)) {
		fail(c->I, arg->at, "argument", "%s: %s is given twice", what, name);
		return NULL;
	}
	map_set(seen, name, (void *)(uintptr_t)arg);
	return name;
}

static bool
check_args(Check *c, const char *group, const Ast *call)
{
	Map *seen = map_new(c->I->a);
	Names names = { 0 };
	bool ok = true;

	setting_names(c->I->a, group, &names);
	for (int i = 1; i < call->n; i++) {
		const Ast *arg = call->kid[i];
		const char *name = arg_name(c, group, &names, arg, seen, (size_t)i - 1);

		ok &= name && check_arg(c, setting(group, name), arg->kind == AST_arg ? arg->kid[0] : arg, group);
	}
	return ok;
}

/* uniform(-0.2, 0.2): all of its arguments, the low end below the high one */
static bool
check_distribution(Check *c, const Ast *a)
{
	const char *name = a->kind == AST_call ? called(a) : NULL, *near;
	Names known = { 0 }, need = { 0 };
	Interp *I = c->I;
	double end[2];

	for (size_t i = 0; i < COUNT(groups); i++)
		if (groups[i].class == DIST)
			vec_push(I->a, &known, groups[i].name);
	if (!name || !is_group(name, DIST)) {
		near = called(a) ? did_you_mean(called(a), known.p, known.n) : NULL;
		fail(I, a->span, "distribution", near ? "a distribution is wanted here, not %s; did you mean %s?" :
		     "a distribution is wanted here, not %s; there are %s", source_text(c, a), near ? near : all(I->a, &known));
		return false;
	}
	if (!check_args(c, name, a))
		return false;
	setting_names(I->a, name, &need);
	if ((size_t)a->n - 1 != need.n) {
		fail(I, a->span, "distribution", "%s needs %s", name, all(I->a, &need));
		return false;
	}
	if (strcmp(need.p[0], "low"))
		return true;
	for (int i = 1; i < a->n; i++) {
		bool named = a->kid[i]->kind == AST_arg;
		int at = named ? strcmp(a->kid[i]->name, "low") != 0 : i - 1;

		end[at] = number(eval(I, c->e, named ? a->kid[i]->kid[0] : a->kid[i], NULL));
	}
	if (end[0] < end[1])
		return true;
	fail(I, a->span, "distribution", "%s: low is %.10g, which is not below high, %.10g", name, end[0], end[1]);
	return false;
}

static bool
is_distribution(const Ast *a)
{
	return a->kind == AST_call && called(a) && is_group(called(a), DIST);
}

/* ---- warps --------------------------------------------------------------------------------------------- */

static Value
scalar_input(Interp *I, const char *name, Span at)
{
	Val v = graph_add(I->g, OP_input, (Type){ .dt = DT_F32 }, NULL, 0);

	graph_node(I->g, v)->name = name;
	return node_done(I, v, at);
}

static bool
is_scalar(Interp *I, Value v)
{
	return is_number(v) || (v.kind == V_TENSOR && type_at(I, v)->rank == 0 && type_at(I, v)->dt == DT_F32);
}

/* What a parameter is while the body runs: a scalar of the graph if it is drawn for each picture,
 * else its value. */
static bool
bind_warp_param(Check *c, Env *e, const Ast *warp, const Ast *formal, const Ast *given)
{
	const Ast *x = given ? given : formal->kid[1], *type = formal->kid[0];
	const char *what = arena_printf(c->I->a, "%s: %s", warp->name, formal->name);
	Value v;

	if (!x) {
		fail(c->I, formal->span, "warp-body", "%s needs a default, `%s = 0.1`, or a distribution, `%s ~ uniform(-0.1, 0.1)`",
		     what, formal->name, formal->name);
		return false;
	}
	if ((formal->flag && !given) || is_distribution(x)) {
		if (!check_distribution(c, x))
			return false;
		v = scalar_input(c->I, formal->name, formal->span);
	} else {
		v = eval(c->I, c->e, x, NULL);
		if (formal->flag && v.kind != V_ERROR && !is_number(v)) {
			fail(c->I, x->span, "warp-body", "%s takes a number or a distribution, not %s", what, show(c->I, v));
			return false;
		}
		if (v.kind == V_ERROR || (type && !fit_type(c->I, e, type, &v, x->span, what)))
			return false;
	}
	env_def(c->I->a, e, formal->name, v, formal->span);
	return true;
}

/* Runs the body on scalars; the graph is thrown away.  call: a step of an augment, or NULL. */
static void
check_warp(Check *c, const Decl *d, const Ast *call)
{
	const Ast *warp = d->ast, *formals = warp->kid[0], *at = warp->kid[1];
	Interp *I = c->I;
	Env *e = env_new(I->a, d->e, true);
	Map *given = map_new(I->a);
	Names names = { 0 };
	bool ok = true;

	for (int i = 0; i < formals->n; i++)
		vec_push(I->a, &names, formals->kid[i]->name);
	vec_push(I->a, &names, "p");
	for (int i = 1; call && i < call->n; i++) {
		const Ast *arg = call->kid[i];
		const char *name = arg_name(c, warp->name, &names, arg, given, (size_t)i - 1);

		if (name && !strcmp(name, "p"))
			ok &= check_value(c, setting("affine", "p"), arg->kind == AST_arg ? arg->kid[0] : arg,
			                  arena_printf(I->a, "%s: p", warp->name));
		ok &= name != NULL;
	}
	if (at->n != 2) {
		if (!call)
			fail(I, at->span, "warp-body", "a warp moves points of a plane: it has two coordinates, not %d", at->n);
		return;
	}
	I->g = graph_new(I->a, warp->name);
	I->warp = warp;
	for (int i = 0; i < formals->n; i++) {
		const Ast *arg = map_get(given, formals->kid[i]->name);

		ok &= bind_warp_param(c, e, warp, formals->kid[i], arg && arg->kind == AST_arg ? arg->kid[0] : arg);
	}
	for (int i = 0; i < 2; i++)
		if (at->kid[i]->kind == AST_name)
			env_def(I->a, e, at->kid[i]->name, scalar_input(I, at->kid[i]->name, at->kid[i]->span), at->kid[i]->span);
	if (ok) {
		Value v = run_body(I, e, warp->kid[2], NULL);

		if (I->returned)
			v = I->ret;
		I->returned = false;
		if (v.kind != V_ERROR &&
		    !(v.kind == V_TUPLE && v.items->n == 2 && is_scalar(I, v.items->p[0]) && is_scalar(I, v.items->p[1])))
			fail(I, warp->at, "warp-body", "%s returns %s, but a warp returns where a point comes from: `return (u, v)`",
			     warp->name, show(I, v));
	}
	I->warp = NULL;
	I->g = NULL;
}

/* ---- augments -------------------------------------------------------------------------------------------- */

static void
unknown_step(Check *c, const Ast *a)
{
	const char *name = called(a), *says = hint("augment", name), *near;
	Names names = { 0 };

	for (size_t i = 0; i < COUNT(groups); i++)
		if (groups[i].class == STEP)
			vec_push(c->I->a, &names, groups[i].name);
	declared(c, AST_warp, NULL, &names);
	near = did_you_mean(name, names.p, names.n);
	if (says)
		fail(c->I, a->kid[0]->span, "step", "there is no step %s: %s", name, says);
	else if (near)
		fail(c->I, a->kid[0]->span, "step", "there is no step %s; did you mean %s?", name, near);
	else
		fail(c->I, a->kid[0]->span, "step", "there is no step and no warp named %s; there are %s", name, all(c->I->a, &names));
}

static void
check_augment(Check *c, const Ast *augment)
{
	const Ast *body = augment->kid[0];
	const Decl *warp;

	for (int i = 0; i < body->n; i++) {
		const Ast *a = body->kid[i];

		if (a->kind == AST_error)
			continue;
		if (a->kind != AST_call || !called(a))
			fail(c->I, a->span, "step", "an augment is a list of steps, such as `flip_lr(p: 0.5)`; this is a %s",
			     ast_kind_name(a->kind));
		else if ((warp = declared(c, AST_warp, called(a), NULL)))
			check_warp(c, warp, a);
		else if (is_group(called(a), STEP))
			check_args(c, called(a), a);
		else
			unknown_step(c, a);
	}
}

/* ---- all of them ------------------------------------------------------------------------------------------ */

static bool
is_settings(AstKind k)
{
	return k == AST_train || k == AST_export || k == AST_augment || k == AST_warp;
}

static void
collect_decls(Check *c, const Module *m, Map *envs, Map *seen)
{
	if (!m || map_has(seen, m->path))
		return;
	map_set(seen, m->path, c);
	for (int i = 0; i < m->ast->n; i++) {
		const Ast *a = m->ast->kid[i];

		if (is_settings(a->kind) || a->kind == AST_model)
			vec_push(c->I->a, &c->decl, ((Decl){ a, m, map_get(envs, m->path) }));
	}
	for (size_t i = 0; i < m->nuse; i++)
		collect_decls(c, m->use[i], envs, seen);
}

/* Two of one kind and name in a file; a warp with the name of a step. */
static void
check_names(Check *c, size_t at)
{
	const Decl *d = &c->decl.p[at];

	if (d->ast->kind == AST_warp && is_group(d->ast->name, STEP))
		fail(c->I, d->ast->at, "twice", "%s is the name of a step: a warp needs another", d->ast->name);
	for (size_t i = 0; i < at; i++)
		if (c->decl.p[i].m == d->m && c->decl.p[i].ast->kind == d->ast->kind &&
		    !strcmp(c->decl.p[i].ast->name, d->ast->name)) {
			fail(c->I, d->ast->at, "twice", "%s %s is declared twice", ast_kind_name(d->ast->kind), d->ast->name);
			note(c->I, c->decl.p[i].ast->at, "the first is here");
			return;
		}
}

/* What is checked and does nothing, in one warning at the first of them. */
static void
say_later(Check *c, const Module *m)
{
	Names names = { 0 };
	const Ast *first = NULL;

	for (size_t i = 0; i < c->decl.n; i++) {
		const Ast *a = c->decl.p[i].ast;

		if (c->decl.p[i].m != m || a->kind == AST_model)
			continue;
		first = first ? first : a;
		vec_push(c->I->a, &names, arena_printf(c->I->a, "%s %s", ast_kind_name(a->kind), a->name));
	}
	if (first)
		diag_warning(c->I->d, first->at, "later", "checked, but not carried out yet: %s; training, augmentation and "
		             "export by declaration arrive in later work", all(c->I->a, &names));
}

void
check_declarations(Interp *I, const Module *m, Map *envs)
{
	Check c = { .I = I };
	int before = diag_errors(I->d);

	collect_decls(&c, m, envs, map_new(I->a));
	for (size_t i = 0; i < c.decl.n && !I->stop; i++) {
		const Decl *d = &c.decl.p[i];

		c.e = d->e;
		check_names(&c, i);
		switch (d->ast->kind) {
		case AST_train: case AST_export:
			check_settings(&c, ast_kind_name(d->ast->kind), arena_printf(I->a, "%s %s", ast_kind_name(d->ast->kind),
			               d->ast->name), d->ast);
			break;
		case AST_augment:
			check_augment(&c, d->ast);
			break;
		case AST_warp:
			check_warp(&c, d, NULL);
			break;
		default:
			break;
		}
	}
	if (diag_errors(I->d) == before)
		say_later(&c, m);
}
