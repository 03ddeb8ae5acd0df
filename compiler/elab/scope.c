/* scope.c -- paths in the model, and the parameters that live there.
 *
 *     cv1 = Conv(x, c)                    model.2.cv1.conv.weight, ...
 *     for i in 0 .. n { m = C3k(m, c) }   model.2.m.0.cv1..., model.2.m.1.cv1...
 *     mlp = x |> Conv(h) |> Conv(c)       mlp.0, mlp.1
 *
 * A name in the spec is a piece of a path, so that published files load by name
 * with no table anywhere.  The tree keeps what a block made in the order of its
 * making, unless the block says order(cv1, cv2, m): files list what the authors'
 * constructors made, and that is not always the order of computation.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "elab/interp.h"

/* A few kids are looked through; more have an index.  The one after the last that was asked for
 * comes first: entries of a model ask for the same ones in the same order. */
enum { FEW = 8 };

static Scope *
find_kid(Scope *from, const char *leaf, size_t n)
{
	size_t many = from->kid.n, k = from->asked + 1 < many ? from->asked + 1 : 0;
	char name[64];

	for (size_t tries = many <= FEW ? many : 1; tries > 0; tries--, k = k + 1 < many ? k + 1 : 0) {
		Scope *s = from->kid.p[k];

		if (!strncmp(s->leaf, leaf, n) && !s->leaf[n]) {
			from->asked = k;
			return s;
		}
	}
	if (many <= FEW)
		return NULL;
	if (n < sizeof(name)) {
		memcpy(name, leaf, n);
		name[n] = '\0';
		return map_get(from->by_leaf, name);
	}
	for (k = 0; k < many; k++)
		if (!strncmp(from->kid.p[k]->leaf, leaf, n) && !from->kid.p[k]->leaf[n])
			return from->kid.p[k];
	return NULL;
}

/* The child of `from` with this name, [leaf, leaf + n), made if it is new. */
static Scope *
child(Interp *I, Scope *from, const char *leaf, size_t n)
{
	Scope *s = find_kid(from, leaf, n);

	if (s)
		return s;

	size_t up = strlen(from->path), all = up + (up > 0) + n;
	char *path = arena_alloc(I->a, all + 1);

	memcpy(path, from->path, up);
	if (up)
		path[up] = '.';
	memcpy(path + all - n, leaf, n);
	s = NEW(I->a, Scope);
	*s = (Scope){ .path = path, .leaf = path + all - n, .up = from, .next = -1 };
	from->asked = from->kid.n;
	vec_push(I->a, &from->kid, s);
	if (from->kid.n == FEW + 1) {
		from->by_leaf = map_new(I->a);
		for (size_t k = 0; k < from->kid.n; k++)
			map_set(from->by_leaf, from->kid.p[k]->leaf, from->kid.p[k]);
	} else if (from->by_leaf) {
		map_set(from->by_leaf, s->leaf, s);
	}
	return s;
}

Scope *
scope_at(Interp *I, Scope *from, const char *path)
{
	while (*path) {
		size_t n = strcspn(path, ".");

		from = child(I, from, path, n);
		path += n + (path[n] == '.');
	}
	return from;
}

static const char *
number_text(Interp *I, int64_t i)
{
	static const char digits[] = "0\0001\0002\0003\0004\0005\0006\0007\0008\0009";
	Text t = { .a = I->a };

	if (i >= 0 && i < 10)
		return &digits[2 * i];
	put_int(&t, i);
	return text_str(&t);
}

/* A name begins with '=' when its numbers are in it already. */
static const char *
name_with_loops(Interp *I, const char *name)
{
	Text t = { .a = I->a };

	if (*name == '=')
		return name + 1;
	if (!I->loop.n)
		return name;
	if (I->loop.n == 1 && !*name)
		return number_text(I, I->loop.p[0]);
	text_put(&t, name);
	for (size_t i = 0; i < I->loop.n; i++) {
		if (t.n)
			text_put(&t, ".");
		put_int(&t, I->loop.p[i]);
	}
	return text_str(&t);
}

const char *
name_item(Interp *I, const char *name, size_t i)
{
	Text t = { .a = I->a };

	name = name_with_loops(I, name ? name : "");
	text_put(&t, "=");
	text_put(&t, name);
	if (*name)
		text_put(&t, ".");
	put_int(&t, (int64_t)i);
	return text_str(&t);
}

/* Letters, digits and _, in pieces with dots between: what a name may be in a weights file. */
static bool
is_path(const char *s)
{
	for (;; s++) {
		const char *from = s;

		while ((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') || *s == '_')
			s++;
		if (s == from)
			return false;
		if (*s != '.')
			return !*s;
	}
}

bool
path_ok(Interp *I, const char *name, Span at)
{
	if (strlen(I->scope->path) + strlen(name) > 1000)
		fail(I, at, "limit", "a path has at most 1000 characters");
	else if (!is_path(name))
		fail(I, at, "path", "\"%.40s\" is no piece of a path: letters, digits and _, with dots between", name);
	else
		return true;
	return false;
}

Scope *
scope_for(Interp *I, const char *name, Span at, const char *what)
{
	Scope *s;

	if (what && I->scope->next >= 0)
		name = number_text(I, I->scope->next++);
	else if (name)
		name = name_with_loops(I, name);
	if (!name || !*name) {
		fail(I, at, "unnamed", "%s needs a name, for the path of its parameters: "
		     "`name = ...`, or `as name` behind it", what ? what : "a parameter");
		return NULL;
	}
	if (!path_ok(I, name, at))
		return NULL;
	s = scope_at(I, I->scope, name);
	if (s->run == I->run) {
		fail(I, at, "twice", "%s is made twice: two blocks or parameters have this name", s->path);
		note(I, s->span, "the first is made here");
		return NULL;
	}
	s->run = I->run;
	s->span = at;
	return s;
}

/* What the name in `init: ones` may be; a number fills. */
static const char *const inits[] = { "zeros", "ones", "fan_in", "iota" };

static bool
param_option(Interp *I, Env *e, ElabParam *p, const Ast *a)
{
	const Ast *x = a->kind == AST_arg ? a->kid[0] : a;

	if (a->kind == AST_arg && !strcmp(a->name, "frozen")) {
		Value v = eval(I, e, x, NULL);

		if (v.kind == V_ERROR)
			return false;
		p->frozen = v.kind == V_BOOL && v.b;
		if (v.kind == V_BOOL)
			return true;
		fail(I, x->span, "type", "frozen takes a bool, but %s is %s", show(I, v), value_kind(v));
		return false;
	}
	if (a->kind == AST_arg && strcmp(a->name, "init")) {
		fail(I, a->at, "argument", "a parameter has init and frozen, no %s", a->name);
		return false;
	}
	if (x->kind == AST_name) {
		for (size_t i = 0; i < COUNT(inits); i++)
			if (!strcmp(x->name, inits[i])) {
				p->init = inits[i];
				return true;
			}
	}

	Value v = eval(I, e, x, NULL);

	if (is_number(v)) {
		p->init = "fill";
		p->fill = number(v);
	} else if (v.kind != V_ERROR) {
		fail(I, x->span, "type", "init takes a number, zeros, ones, fan_in or iota, not %s", show(I, v));
	}
	return is_number(v);
}

Value
make_param(Interp *I, Env *e, const Ast *a, const char *name)
{
	ElabParam p = { .buffer = a->kind == AST_buffer, .init = a->kind == AST_buffer ? "zeros" : "fan_in",
	                .layer = I->layer, .span = a->span };
	Scope *s;

	if (!I->g || I->warp || I->body)
		return fail(I, a->span, "place", "a %s is made inside an entry, by a block", ast_kind_name(a->kind));
	if (!eval_type(I, e, a->kid[0], &p.type))
		return V(ERROR);
	for (int i = 0; i < p.type.rank; i++)
		if (p.type.dim[i] < 0)
			return fail(I, a->kid[0]->span, "shape", "every dimension of a %s is known", ast_kind_name(a->kind));
	for (int i = 1; i < a->n; i++)
		if (!param_option(I, e, &p, a->kid[i]))
			return V(ERROR);
	if (!(s = scope_for(I, name, a->span, NULL)))
		return V(ERROR);
	p.name = s->path;
	if (!s->param) {
		s->param = arena_dup(I->a, &p, sizeof(p));
	} else if (!type_eq(&s->param->type, &p.type)) {
		fail(I, a->span, "param-type", "%s is %s here, but %s in another entry", p.name,
		     type_text(I->a, &p.type), type_text(I->a, &s->param->type));
		return V(ERROR);
	}
	s->val = graph_add(I->g, OP_param, p.type, NULL, 0);
	graph_node(I->g, s->val)->name = s->path;
	return node_done(I, s->val, a->span);
}

/* ---- the list, in the order of files -------------------------------------------------- */

static void
collect(Interp *I, Scope *s)
{
	bool few[32] = { 0 }, *done = s->kid.n <= COUNT(few) ? few : NEWN(I->a, bool, s->kid.n);

	if (s->param)
		vec_push(I->a, &I->out->param, *s->param);
	for (int i = 0; s->order && i < s->order->n; i++)
		for (size_t k = 0; k < s->kid.n; k++)
			if (!done[k] && same(s->kid.p[k]->leaf, s->order->kid[i]->name)) {
				collect(I, s->kid.p[k]);
				done[k] = true;
			}
	for (size_t k = 0; k < s->kid.n; k++)
		if (!done[k])
			collect(I, s->kid.p[k]);
}

void
collect_params(Interp *I)
{
	collect(I, I->root);
}
