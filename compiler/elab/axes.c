/* axes.c -- axes by name.
 *
 *     check shape x = [n, c, h, w]
 *     softmax(x, axis: c)              axis 1
 *     mean(exp(x), axes: [h, w])       axes 2 and 3: what is pointwise keeps the names
 *
 * `check shape`, and a parameter with a tensor type, name the axes of that tensor, in the function where
 * they stand: a block that is called names them for itself.  Where an operation wants an axis, a bare
 * word is looked for among the names of its first tensor, before it is looked for among the names
 * of values: there c is how many channels there are.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "elab/interp.h"

static const struct AxisNames *
names_at(const Interp *I, Value v)
{
	const struct AxisNames *n = v.v < I->axes.n ? I->axes.p[v.v] : NULL;

	return n && n->g == v.g ? n : NULL;
}

static void
set_names(Interp *I, Value v, const struct AxisNames *n)
{
	while (I->axes.n <= v.v)
		vec_push(I->a, &I->axes, NULL);
	I->axes.p[v.v] = n;
}

void
name_axes(Interp *I, Env *e, Value v, const Ast *shape)
{
	struct AxisNames n = { .g = v.g, .shape = shape, .older = names_at(I, v) };

	while (e->up && !e->call)
		e = e->up;
	n.env = e;
	set_names(I, v, arena_dup(I->a, &n, sizeof(n)));
}

void
inherit_axes(Interp *I, Value v, const Value *arg, int narg)
{
	FuseClass fuse = op_info[graph_node(v.g, v.v)->op].fuse;

	for (int i = 0; i < narg && I->axes.n && (fuse == FUSE_POINT || fuse == FUSE_REDUCE); i++)
		if (names_at(I, arg[i])) {
			set_names(I, v, names_at(I, arg[i]));
			return;
		}
}

static bool
is_around(const Env *outer, const Env *e)
{
	while (e && e != outer)
		e = e->up;
	return e != NULL;
}

/* -1: no axis has this name here */
static int
axis_named(const struct AxisNames *n, const Env *e, const char *name)
{
	for (; n; n = n->older)
		for (int k = 0; k < n->shape->n && is_around(n->env, e); k++)
			if (n->shape->kid[k]->kind == AST_name && !strcmp(n->shape->kid[k]->name, name))
				return k;
	return -1;
}

static Value
first_tensor(Value v)
{
	while ((v.kind == V_LIST || v.kind == V_TUPLE) && v.items->n)
		v = v.items->p[0];
	return v;
}

Value
axis_word(Interp *I, const Env *e, const Value *arg, size_t narg, const Ast *a)
{
	const struct AxisNames *names = NULL;
	Value list[MAX_RANK];
	bool seen = false;
	int k;

	for (size_t i = 0; i < narg && !seen; i++) {
		Value x = first_tensor(arg[i]);

		seen = x.kind == V_TENSOR;
		names = seen ? names_at(I, x) : NULL;
	}
	if (!names)
		return V(NONE);
	if (a->kind == AST_name)
		return (k = axis_named(names, e, a->name)) < 0 ? V(NONE) : V(INT, .i = k);
	if ((a->kind != AST_list && a->kind != AST_tuple) || a->n > MAX_RANK)
		return V(NONE);
	for (int i = 0; i < a->n; i++) {
		if (a->kid[i]->kind != AST_name || (k = axis_named(names, e, a->kid[i]->name)) < 0)
			return V(NONE);
		list[i] = V(INT, .i = k);
	}
	return value_items(I->a, V_LIST, list, (size_t)a->n);
}
