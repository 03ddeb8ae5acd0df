/* build.c -- how passes make nodes, and questions that many passes ask.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "passes/build.h"

Val
build(Graph *g, Val like, OpKind op, const Val *arg, int narg, const Attr *attr, int nattr)
{
	const char *err;

	for (int i = 0; i < narg; i++)
		if (!arg[i])
			return 0;

	Val v = graph_make(g, op, arg, narg, attr, nattr, &err);

	if (v) {
		graph_node(g, v)->span = graph_node(g, like)->span;
		graph_node(g, v)->chain = graph_node(g, like)->chain;
	}
	return v;
}

Val
build1(Graph *g, Val like, OpKind op, Val x)
{
	return build(g, like, op, &x, 1, NULL, 0);
}

Val
build2(Graph *g, Val like, OpKind op, Val x, Val y)
{
	return build(g, like, op, (const Val[]){ x, y }, 2, NULL, 0);
}

Val
build_cast(Graph *g, Val like, Val x, DType dt)
{
	Val v = graph_cast(g, x, dt);

	if (v != x) {
		graph_node(g, v)->span = graph_node(g, like)->span;
		graph_node(g, v)->chain = graph_node(g, like)->chain;
	}
	return v;
}

Val
build_reshape(Graph *g, Val like, Val x, int rank, const int64_t *dim)
{
	Attr shape = attr_of_ints(g->a, A_shape, dim, rank);

	return build(g, like, OP_reshape, &x, 1, &shape, 1);
}

Val
build_permute(Graph *g, Val like, Val x, const int64_t *axes)
{
	Attr a = attr_of_ints(g->a, A_axes, axes, graph_node(g, x)->type.rank);

	return build(g, like, OP_permute, &x, 1, &a, 1);
}

Val
build_slice(Graph *g, Val like, Val x, int64_t axis, int64_t begin, int64_t end, int64_t step)
{
	const Attr a[] = {
		attr_of_int(A_axis, axis), attr_of_int(A_begin, begin), attr_of_int(A_end, end),
		attr_of_int(A_step, step),
	};

	return build(g, like, OP_slice, &x, 1, a, step == 1 ? 3 : 4);
}

Val
build_concat(Graph *g, Val like, const Val *x, int n, int64_t axis)
{
	Attr a = attr_of_int(A_axis, axis);

	return build(g, like, OP_concat, x, n, &a, 1);
}

void
take_over(Graph *g, Val old, Val new_)
{
	Node *n = graph_node(g, new_);

	if (!n->name && !is_source(n))
		n->name = graph_node(g, old)->name;
	graph_replace(g, old, new_);
}

void
bn_factors(Graph *g, Val bn, Val *scale, Val *shift)
{
	const Node *n = graph_node(g, bn);
	Val arg[5];
	double eps = attr_real(n, A_eps, 0);

	memcpy(arg, n->arg, sizeof arg);
	for (int i = 1; i < 5; i++)
		arg[i] = build_cast(g, bn, arg[i], DT_F32);

	Val var = build2(g, bn, OP_add, arg[4], graph_scalar(g, DT_F32, 1, eps));

	*scale = build2(g, bn, OP_div, arg[1], build1(g, bn, OP_sqrt, var));
	*shift = build2(g, bn, OP_sub, arg[2], build2(g, bn, OP_mul, arg[3], *scale));
}

bool
is_source(const Node *n)
{
	return op_info[n->op].effect == EFFECT_SOURCE;
}

bool
is_constant(const Node *n)
{
	return n->op == OP_const || n->op == OP_param;
}

bool
is_filled(const Node *n, double x)
{
	if (n->op != OP_const || !n->data)
		return false;
	for (int64_t i = 0, count = type_count(&n->type); i < count; i++)
		if (dtype_get(n->type.dt, n->data, (size_t)i) != x)
			return false;
	return true;
}

bool
is_output(const Graph *g, Val v)
{
	for (size_t i = 0; i < g->output.n; i++)
		if (g->output.p[i].v == v)
			return true;
	return false;
}

bool
is_identity(const int64_t *axes, int rank)
{
	for (int i = 0; i < rank; i++)
		if (axes[i] != i)
			return false;
	return true;
}

bool
same_dims(const Type *a, const Type *b)
{
	if (a->rank != b->rank)
		return false;
	for (int i = 0; i < a->rank; i++)
		if (a->dim[i] != b->dim[i])
			return false;
	return true;
}

const int64_t *
permute_axes(const Node *n)
{
	return attr_find(n, A_axes)->v;
}

void
permute_inverse(const int64_t *axes, int rank, int64_t inverse[MAX_RANK])
{
	for (int i = 0; i < rank; i++)
		inverse[axes[i]] = i;
}
