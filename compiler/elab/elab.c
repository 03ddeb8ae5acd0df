/* elab.c -- modules, the model's parameters, entries.
 *
 *     file names ─▶ names of used files ─▶ built-in names      (each an Env)
 *
 *     key=value ─▶ parameters ─▶ body of the model, once ─▶ each entry: a graph
 *
 * The body of a model runs without a graph: it computes numbers and declares
 * functions and entries.  An entry then runs with a graph of its own; parameters are
 * shared between entries by their path.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "elab/interp.h"

#include <errno.h>
#include <stdlib.h>

/* ---- modules ------------------------------------------------------------------------- */

/* The names that a file declares.  Used files come below its own, above the built-in. */
static Env *
module_env(Interp *I, const Module *m, Map *done)
{
	Env *e = map_get(done, m->path);

	if (e)
		return e;

	Env *used = env_index(I->a, I->builtin);

	e = env_index(I->a, used);
	map_set(done, m->path, e);
	for (size_t i = 0; i < m->nuse; i++) {
		if (!m->use[i])
			continue;

		Env *from = module_env(I, m->use[i], done);

		for (size_t k = 0; k < from->index->var.n; k++) {
			const Var *v = from->index->var.p[k], *had = env_find(used, v->name, v->hash);

			if (had && (had->span.src != v->span.src || had->span.begin != v->span.begin)) {
				fail(I, v->span, "twice", "%s is declared in two of the files that %s uses", v->name, m->name);
				note(I, had->span, "the other is here");
			}
			env_def(I->a, used, v->name, v->v, v->span);
		}
	}
	for (int i = 0; i < m->ast->n; i++) {
		const Ast *s = m->ast->kid[i];
		const Var *had = s->name && (s->kind == AST_fn || s->kind == AST_block || s->kind == AST_let) ? env_find(e, s->name, ast_hash(s->name, strlen(s->name))) : NULL;

		if (had) {
			fail(I, s->at, "twice", "%s is declared twice", s->name);
			note(I, had->span, "the first is here");
		}
		if (s->kind == AST_fn || s->kind == AST_block) {
			Fn *f = NEW(I->a, Fn);

			*f = (Fn){ s, e };
			env_def(I->a, e, s->name, V(FN, .fn = f), s->at);
		} else if (s->kind == AST_let) {
			Value v = eval(I, e, s->kid[1], NULL);

			destructure(I, e, s->kid[0], v, true);
		}
	}
	return e;
}

/* Room for the nodes of a first entry.  What a graph does not use of it is never touched, and a vector that
 * grows leaves its smaller selves behind. */
enum { FIRST_NODES = 4096 };

/* ---- which model ---------------------------------------------------------------------- */

static const Ast *
find_model(Interp *I, const Module *m, const char *name)
{
	VEC(const Ast *) all = { 0 };
	VEC(const char *) names = { 0 };
	Text t = { .a = I->a };
	Span file = { m->src->id, 0, 0 };

	for (int i = 0; i < m->ast->n; i++)
		if (m->ast->kid[i]->kind == AST_model) {
			if (name && !strcmp(m->ast->kid[i]->name, name))
				return m->ast->kid[i];
			text_printf(&t, "%s%s", names.n ? ", " : "", m->ast->kid[i]->name);
			vec_push(I->a, &all, m->ast->kid[i]);
			vec_push(I->a, &names, m->ast->kid[i]->name);
		}
	if (!all.n) {
		fail(I, file, "no-model", "%s declares no model", m->name);
	} else if (name) {
		const char *near = did_you_mean(name, names.p, names.n);

		fail(I, file, "no-model", near ? "%s declares no model %s; did you mean %s?" : "%s declares no model %s, but %s",
		     m->name, name, near ? near : text_str(&t));
	} else if (all.n > 1) {
		fail(I, file, "no-model", "%s declares more than one model; choose one of %s", m->name, text_str(&t));
	} else {
		return all.p[0];
	}
	return NULL;
}

size_t
elab_model_params(Arena *a, const Module *m, const char *model, const char *const **names)
{
	VEC(const char *) v = { 0 };

	for (int i = 0; i < m->ast->n; i++) {
		const Ast *s = m->ast->kid[i];

		if (s->kind != AST_model || (model && strcmp(model, s->name)))
			continue;
		for (int k = 0; k < s->kid[0]->n; k++)
			vec_push(a, &v, s->kid[0]->kid[k]->name);
		break;
	}
	*names = v.p;
	return v.n;
}

/* ---- key=value -> the model's parameters ------------------------------------------------- */

static const struct { const char *alias, *name; } aliases[] = {
	{ "nc", "classes" }, { "imgsz", "frame" },
};

static bool
whole_int(const char *s, int64_t *x)
{
	char *end;

	errno = 0;
	*x = strtoll(s, &end, 10);
	return *s && !*end && !errno;
}

/* The value that a text stands for, by what it looks like; fit_type() has the last word. */
static Value
read_arg(Interp *I, const char *s)
{
	char *end;
	int64_t x, y;
	const char *comma = strpbrk(s, ",x");

	if (whole_int(s, &x))
		return V(INT, .i = x);
	if (comma && whole_int(arena_strn(I->a, s, (size_t)(comma - s)), &x) && whole_int(comma + 1, &y))
		return value_items(I->a, V_TUPLE, (Value[]){ V(INT, .i = x), V(INT, .i = y) }, 2);
	errno = 0;

	double r = strtod(s, &end);

	if (*s && !*end && !errno)
		return V(REAL, .r = r);
	if (!strcmp(s, "true") || !strcmp(s, "false"))
		return V(BOOL, .b = *s == 't');
	return V(STR, .s = s);
}

static bool
is_one_of(const Ast *type)
{
	return type && ((type->kind == AST_type_of && !strcmp(type->name, "one_of")) || !strcmp(type->name, "symbol"));
}

static const ElabArg *
given(const ElabOptions *o, const char *name)
{
	for (size_t i = o->narg; i-- > 0; )
		if (!strcmp(o->arg[i].key, name))
			return &o->arg[i];
	return NULL;
}

/* Keys that no parameter has, and aliases resolved. */
static bool
check_keys(Interp *I, const Ast *model, ElabOptions *o)
{
	ElabArg *arg = NEWN(I->a, ElabArg, o->narg + 1);
	const Ast *formals = model->kid[0];
	const char **names = NEWN(I->a, const char *, (size_t)formals->n + 1);
	Text t = { .a = I->a };
	bool ok = true;

	for (int i = 0; i < formals->n; i++) {
		names[i] = formals->kid[i]->name;
		text_printf(&t, "%s%s", i ? ", " : "", names[i]);
	}
	for (size_t i = 0; i < o->narg; i++) {
		bool has = false, alias = false;

		arg[i] = o->arg[i];
		for (int pass = 0; pass < 2 && !has; pass++) {
			for (int k = 0; k < formals->n; k++)
				has |= !strcmp(names[k], arg[i].key);
			for (size_t k = 0; !has && !alias && k < COUNT(aliases); k++)
				if (!strcmp(aliases[k].alias, arg[i].key)) {
					arg[i].key = aliases[k].name;
					alias = true;
				}
		}
		if (!has) {
			const char *near = did_you_mean(o->arg[i].key, names, (size_t)formals->n);

			if (near)
				fail(I, model->at, "model-parameter", "%s has no parameter %s; did you mean %s?", model->name, o->arg[i].key, near);
			else
				fail(I, model->at, "model-parameter", "%s has no parameter %s; it has %s", model->name, o->arg[i].key, text_str(&t));
			ok = false;
		}
	}
	o->arg = arg;
	return ok;
}

static bool
bind_params(Interp *I, Env *e, const Ast *model, const ElabOptions *o)
{
	const Ast *formals = model->kid[0];
	bool ok = true;

	for (int i = 0; i < formals->n; i++) {
		const Ast *f = formals->kid[i], *type = f->kid[0], *def = f->kid[1];
		const char *what = arena_printf(I->a, "%s: %s", model->name, f->name);
		const ElabArg *arg = given(o, f->name);
		Value v;

		if (arg) {
			v = read_arg(I, arg->value);
			/* n is a word even where it looks like a number or a truth value */
			if (is_one_of(type) && v.kind != V_STR && v.kind != V_INT)
				v = V(STR, .s = arg->value);
		} else if (!strcmp(f->name, "classes") && o->nnames) {
			v = V(INT, .i = (int64_t)o->nnames);
		} else if (!def) {
			fail(I, f->span, "argument", "%s is missing: give %s=...", what, f->name);
			ok = false;
			continue;
		} else if (is_one_of(type) && def->kind == AST_name) {
			v = V(STR, .s = def->name);
		} else {
			v = eval(I, e, def, NULL);
		}
		bool none = v.kind == V_NONE && def && def->kind == AST_name && !strcmp(def->name, "none");

		if (v.kind == V_ERROR || (type && !none && !fit_type(I, e, type, &v, f->span, what))) {
			ok = false;
			v = V(ERROR);
		}
		if (!strcmp(f->name, "classes") && v.kind == V_INT) {
			I->out->classes = v.i;
			if (o->nnames && (int64_t)o->nnames != v.i) {
				fail(I, f->span, "classes", "%zu class names are given for %lld classes", o->nnames, (long long)v.i);
				ok = false;
			}
		}
		env_def(I->a, e, f->name, v, f->span);
		map_set(I->out->arg, f->name, arena_str(I->a, v.kind == V_STR ? v.s : show(I, v)));
	}
	return ok;
}

/* ---- entries -------------------------------------------------------------------------------- */

static bool
fill_default(Interp *I, Node *n, Value v, Span at)
{
	int64_t count = type_count(&n->type);
	bool one = is_number(v) || v.kind == V_BOOL;

	if (count < 0 || count > ELAB_MAX_ITEMS || (!one && ((v.kind != V_LIST && v.kind != V_TUPLE) || value_len(v) != count))) {
		fail(I, at, "default", "%s: the default is one number or %lld of them, not %s", n->name, (long long)count, show(I, v));
		return false;
	}
	char *p = arena_alloc(I->g->a, (size_t)type_bytes(&n->type) + 1);

	for (int64_t i = 0; i < count; i++) {
		Value x = one ? v : v.items->p[i];

		if (!is_number(x) && x.kind != V_BOOL) {
			fail(I, at, "default", "%s: %s is no number", n->name, show(I, x));
			return false;
		}
		dtype_set(n->type.dt, p, (size_t)i, x.kind == V_BOOL ? x.b : number(x));
	}
	n->data = p;
	return true;
}

static Value
make_input(Interp *I, const char *name, Type t, Span at)
{
	const char *err;
	Type same = t;

	if (!infer_type(I->a, OP_input, NULL, 0, NULL, 0, &same, &err))
		return fail(I, at, "input", "%s: %s", name, err);

	Val v = graph_add(I->g, OP_input, t, NULL, 0);

	graph_node(I->g, v)->name = name;
	vec_push(I->g->a, &I->g->input, v);
	return node_done(I, v, at);
}

/* image: list(u8[.., .., 3], batch) -- inputs image0, image1, ... and a list of them */
static Value
make_inputs(Interp *I, Env *e, const Ast *f)
{
	const Ast *type = f->kid[0], *ix = type->n ? type->kid[0] : NULL;
	VEC(Value) all = { 0 };
	Ast each;
	Type t;

	if (strcmp(type->name, "list") || type->n != 2 || ix->kind != AST_index || ix->kid[0]->kind != AST_name)
		return fail(I, type->span, "type", "an input is a tensor, f32[1, 3, h, w], or several: list(u8[.., .., 3], n)");
	each = *ix;
	each.name = ix->kid[0]->name;
	each.kid = ix->kid + 1;
	each.n = ix->n - 1;

	Value n = eval(I, e, type->kid[1], NULL);

	if (n.kind == V_ERROR || !eval_type(I, e, &each, &t))
		return V(ERROR);
	if (n.kind != V_INT || n.i < 1 || n.i > 4096)
		return fail(I, type->kid[1]->span, "type", "%s: a list of 1 to 4096 inputs, not %s", f->name, show(I, n));
	for (int64_t i = 0; i < n.i; i++) {
		Value v = make_input(I, arena_printf(I->a, "%s%lld", f->name, (long long)i), t, f->span);

		if (v.kind == V_ERROR)
			return v;
		vec_push(I->a, &all, v);
	}
	return value_items(I->a, V_LIST, all.p, all.n);
}

static bool
bind_inputs(Interp *I, Env *e, const Ast *formals)
{
	bool ok = true;

	for (int i = 0; i < formals->n; i++) {
		const Ast *f = formals->kid[i], *type = f->kid[0], *def = f->kid[1];
		Value v = V(ERROR);
		Type t;

		if (!type)
			fail(I, f->span, "type", "%s: an input needs a type, such as f32[1, 3, 640, 640]", f->name);
		else if (type->kind == AST_type_of)
			v = make_inputs(I, e, f);
		else if (eval_type(I, e, type, &t))
			v = make_input(I, f->name, t, f->span);
		if (v.kind == V_TENSOR && def) {
			Value d = eval(I, e, def, NULL);

			ok &= d.kind != V_ERROR && fill_default(I, graph_node(I->g, v.v), d, def->span);
		}
		ok &= v.kind != V_ERROR;
		env_def(I->a, e, f->name, v, f->span);
	}
	return ok;
}

static void
add_output(Interp *I, Env *e, const char *name, Value v, const Ast *want, Span at)
{
	Output o = { .name = name };

	if (v.kind == V_LIST) {         /* map -> map0, map1, ... */
		for (size_t i = 0; i < v.items->n; i++)
			add_output(I, e, arena_printf(I->a, "%s%zu", name, i), v.items->p[i], want, at);
		return;
	}
	if (v.kind != V_TENSOR) {
		if (v.kind != V_ERROR)
			fail(I, at, "output", "%s is %s, but an entry returns tensors", name, value_kind(v));
		return;
	}
	if (want && want->kid[0] && !fit_type(I, e, want->kid[0], &v, at, name))
		return;
	for (size_t i = 0; i < I->g->output.n; i++)
		if (!strcmp(I->g->output.p[i].name, name)) {
			fail(I, at, "output", "two outputs are named %s", name);
			return;
		}
	o.v = v.v;
	vec_push(I->g->a, &I->g->output, o);
}

/* What an entry returns: `return a: x, b: y`, or values for the declared names in turn. */
static void
bind_outputs(Interp *I, Env *e, const Ast *entry, Value v)
{
	const Ast *results = entry->kid[1];
	bool many = v.kind == V_TUPLE;
	size_t n = many ? v.items->n : 1;

	if (v.kind == V_ERROR)
		return;
	if (results && (size_t)results->n != n) {
		fail(I, entry->at, "output", "%s declares %d result%s, but returns %zu", entry->name, results->n, results->n == 1 ? "" : "s", n);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		Value x = many ? v.items->p[i] : v;
		const Ast *want = results ? results->kid[i] : NULL;
		const char *name = many && v.items->name && v.items->name[i] ? v.items->name[i] : NULL;

		for (int k = 0; name && results && k < results->n; k++)
			if (!strcmp(results->kid[k]->name, name))
				want = results->kid[k];
		if (name && want && strcmp(want->name, name)) {
			fail(I, entry->at, "output", "%s returns %s, which its results do not name", entry->name, name);
			continue;
		}
		if (!name)
			name = want ? want->name : arena_printf(I->a, "output%zu", i);
		add_output(I, e, name, x, want, want ? want->span : entry->at);
	}
	if (!I->g->output.n && !diag_errors(I->d))
		fail(I, entry->at, "output", "%s returns nothing", entry->name);
}

static void
run_entry(Interp *I, Env *model, const Ast *entry)
{
	Env *e = env_new(I->a, model, true);
	int before = diag_errors(I->d);

	I->g = graph_new(I->a, entry->name);
	vec_reserve(I->g->a, &I->g->node, I->nodes);    /* entries of a model are much alike */
	I->run++;
	I->scope = I->root;
	I->layer = -1;
	I->loop.n = 0;
	I->returned = false;
	I->frame = NULL;
	if (bind_inputs(I, e, entry->kid[0])) {
		Value v = run_body(I, e, entry->kid[2], NULL);

		if (I->returned)
			v = I->ret;
		I->returned = false;
		if (!I->stop)
			bind_outputs(I, e, entry, v);
	}
	I->nodes = I->g->node.n;
	if (diag_errors(I->d) == before) {
		graph_order(I->g);
		vec_push(I->a, &I->out->module->graph, I->g);
	}
	I->g = NULL;
}

static const Ast *
find_entry(Interp *I, const Ast *model, const char *name)
{
	VEC(const char *) names = { 0 };
	Text t = { .a = I->a };

	for (size_t i = 0; i < I->nentry; i++) {
		if (!strcmp(I->entry[i]->name, name))
			return I->entry[i];
		text_printf(&t, "%s%s", i ? ", " : "", I->entry[i]->name);
		vec_push(I->a, &names, I->entry[i]->name);
	}

	const char *near = did_you_mean(name, names.p, names.n);

	fail(I, model->at, "no-entry", near ? "%s has no entry %s; did you mean %s?" : "%s has no entry %s, but %s",
	     model->name, name, near ? near : text_str(&t));
	return NULL;
}

/* What every graph of the module says about its model. */
static void
write_meta(Interp *I, const Graph *g)
{
	const Elab *o = I->out;
	Text names = { .a = I->a };

	map_set(g->meta, "model", (void *)(uintptr_t)o->model);
	for (size_t i = 0; i < map_count(o->arg); i++)
		map_set(g->meta, map_key(o->arg, i), map_value(o->arg, i));
	if (o->classes)
		map_set(g->meta, "nc", arena_printf(I->a, "%lld", (long long)o->classes));
	for (size_t i = 0; i < map_count(I->meta); i++)
		map_set(g->meta, map_key(I->meta, i), map_value(I->meta, i));
	for (size_t i = 0; i < o->nnames; i++)
		text_printf(&names, "%s%s", i ? "\n" : "", o->names[i]);
	if (o->nnames)
		map_set(g->meta, "names", (void *)(uintptr_t)text_str(&names));
}

/* m: a model's body, then its entries */
static void
run_model(Interp *I, const Module *m, Env *file, ElabOptions *opt)
{
	const Ast *model = find_model(I, m, opt->model);
	int before = diag_errors(I->d);

	if (!model || !check_keys(I, model, opt))
		return;
	I->out->model = model->name;

	Env *e = env_new(I->a, file, true);

	if (!bind_params(I, e, model, opt))
		return;
	run_body(I, e, model->kid[1], NULL);
	if (diag_errors(I->d) > before || I->stop)
		return;
	if (!I->nentry)
		fail(I, model->at, "no-entry", "%s declares no entry", model->name);
	for (size_t i = 0; i < (opt->entry ? opt->nentry : I->nentry) && !I->stop; i++) {
		const Ast *entry = opt->entry ? find_entry(I, model, opt->entry[i]) : I->entry[i];

		if (entry)
			run_entry(I, e, entry);
	}
}

/* said: messages so far.  first: look at the declarations.  model: run one. */
static Elab *
elaborate_one(Arena *a, Diag *d, const Module *m, ElabOptions opt, Map *said, bool first, bool model)
{
	Interp I = { .a = a, .d = d, .opt = &opt, .layer = -1, .said = said, .nodes = FIRST_NODES };
	int before = diag_errors(d);
	Map *envs = map_new(a);

	I.out = NEW(a, Elab);
	I.out->module = NEW(a, GraphModule);
	I.out->module->a = a;
	I.out->arg = map_new(a);
	I.out->names = opt.names;
	I.out->nnames = opt.nnames;
	I.builtin = prims_env(a);
	I.meta = map_new(a);
	I.root = I.scope = NEW(a, Scope);
	*I.root = (Scope){ .path = "", .next = -1 };

	Env *file = module_env(&I, m, envs);

	if (first)
		check_declarations(&I, m, envs);
	if (model)
		run_model(&I, m, file, &opt);
	if (diag_errors(d) > before || I.stop)
		return NULL;
	collect_params(&I);
	for (size_t i = 0; i < I.out->module->graph.n; i++)
		write_meta(&I, I.out->module->graph.p[i]);
	return I.out;
}

Elab *
elaborate(Arena *a, Diag *d, const Module *m, const ElabOptions *options)
{
	return elaborate_one(a, d, m, options ? *options : (ElabOptions){ 0 }, map_new(a), true, true);
}

bool
elab_check(Arena *a, Diag *d, const Module *m, const ElabOptions *options)
{
	ElabOptions opt = options ? *options : (ElabOptions){ 0 };
	Map *said = map_new(a);
	int before = diag_errors(d);
	bool first = true;

	for (int i = 0; i < m->ast->n && !opt.model; i++)
		if (m->ast->kid[i]->kind == AST_model) {
			ElabOptions one = opt;

			one.model = m->ast->kid[i]->name;
			elaborate_one(a, d, m, one, said, first, true);
			first = false;
		}
	if (first)
		elaborate_one(a, d, m, opt, said, true, opt.model != NULL);
	return diag_errors(d) == before;
}
