/* fold_bn.c -- a batch norm after a convolution becomes its weights and bias.
 *
 *     %6 = conv2d %1, w                       s = scale / sqrt(var + eps)
 *     %7 = batch_norm %6, scale, bias,   =>   %7 = conv2d %1, w * s, bias - mean * s
 *                     mean, var
 *
 * Saves a multiply and an add for each element.  The new weights are graph arithmetic on
 * the parameters, done in f32 and rounded once: fold computes them when they are bound,
 * and a plan can be made when they are not.
 *
 * A convolution that somebody else reads too keeps its batch norm apart: folding would run
 * it twice.
 *
 * needs: order, inference.   breaks: users.   Dead convolutions are left for dce.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "passes/build.h"

/* x * factor[C], stretched along dim 0 of x; in f32, then in the dtype of x */
static Val
times_rows(Graph *g, Val like, Val x, Val factor)
{
	Type t = graph_node(g, x)->type;
	int64_t dim[MAX_RANK] = { t.dim[0], 1, 1, 1, 1, 1 };

	factor = build_reshape(g, like, factor, t.rank, dim);
	return build_cast(g, like, build2(g, like, OP_mul, build_cast(g, like, x, DT_F32), factor), t.dt);
}

static bool
fold_into(Graph *g, Val bn, Val conv)
{
	Node n = *graph_node(g, conv);
	Val scale, shift, arg[3];

	bn_factors(g, bn, &scale, &shift);
	if (n.narg > 2) {
		Val b = build2(g, bn, OP_mul, build_cast(g, bn, n.arg[2], DT_F32), scale);

		shift = build2(g, bn, OP_add, b, shift);
	}
	arg[0] = n.arg[0];
	arg[1] = times_rows(g, conv, n.arg[1], scale);
	arg[2] = shift;

	Val v = build(g, conv, OP_conv2d, arg, 3, n.attr, n.nattr);

	if (!v)
		return false;
	graph_node(g, v)->name = n.name;
	take_over(g, bn, v);
	return true;
}

bool
pass_fold_bn(Graph *g, PassCtx *cx)
{
	Arena *tmp = arena_new();
	uint32_t *users = graph_users(tmp, g);
	size_t folded = 0;

	graph_foreach(g, v) {
		const Node *n = graph_node(g, v);

		if (n->op != OP_batch_norm)
			continue;

		const Node *x = graph_node(g, n->arg[0]);

		if (x->op == OP_conv2d && users[n->arg[0]] == 1 && !node_nhwc(x) && !attr_find(x, A_pack))
			folded += fold_into(g, v, n->arg[0]);
	}
	if (folded)
		pass_log(cx, "%zu batch norms became weights", folded);
	arena_free(tmp);
	return folded > 0;
}
