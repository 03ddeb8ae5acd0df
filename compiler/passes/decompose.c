/* decompose.c -- compound ops become arithmetic.
 *
 *     batch_norm x, scale, bias, mean, var   =>   x * s + t,   s = scale / sqrt(var + eps)
 *                                                              t = bias - mean * s
 *     pow x, 2                               =>   x * x
 *
 * A batch norm that fold_bn left is pointwise work like any other once its factors are
 * constants, and joins whatever kernel is beside it.  Under f16 it is computed in f32 and
 * rounded once, as the op is.
 *
 * needs: order.   breaks: users.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "passes/build.h"

static Val
decompose_batch_norm(Graph *g, Val v)
{
	Val x = graph_node(g, v)->arg[0], s, t;
	Type type = graph_node(g, x)->type;
	int64_t dim[MAX_RANK] = { 1, type.dim[1], 1, 1, 1, 1 };

	bn_factors(g, v, &s, &t);
	s = build_reshape(g, v, s, type.rank, dim);
	t = build_reshape(g, v, t, type.rank, dim);
	x = build2(g, v, OP_add, build2(g, v, OP_mul, build_cast(g, v, x, DT_F32), s), t);
	return x ? build_cast(g, v, x, type.dt) : 0;
}

static Val
decompose_pow(Graph *g, Val v)
{
	const Node *n = graph_node(g, v);
	Val x = n->arg[0];

	if (!is_filled(graph_node(g, n->arg[1]), 2) || !type_eq(&n->type, &graph_node(g, x)->type))
		return 0;
	return build2(g, v, OP_mul, x, x);
}

static const struct { OpKind op; Val (*into)(Graph *g, Val v); } rule[] = {
	{ OP_batch_norm, decompose_batch_norm },
	{ OP_pow,        decompose_pow },
};

bool
pass_decompose(Graph *g, PassCtx *cx)
{
	bool changed = false;

	graph_foreach(g, v)
		for (size_t i = 0; i < COUNT(rule); i++) {
			Val to = graph_node(g, v)->op == rule[i].op ? rule[i].into(g, v) : 0;

			if (!to)
				continue;
			pass_log(cx, "%%%u (%s) becomes %%%u", v, op_info[rule[i].op].name, to);
			take_over(g, v, to);
			changed = true;
		}
	return changed;
}
