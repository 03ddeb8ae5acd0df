/* fold_scale.c -- a factor on a convolution's input becomes part of its weights.
 *
 *     %2 = div %1, 255
 *     %3 = conv2d %2, w          =>    %3 = conv2d %1, w / 255
 *
 * Pictures come as bytes and networks want 0 .. 1, so each element would be divided before
 * the first convolution reads it.  The weights are fewer, and fold divides them once; then
 * the convolution can read the bytes itself.  Padding is zeros either way.
 *
 * The factor is one known number, and the product must be exact enough: not with weights
 * in f16, where a 255th of a small weight has lost half its digits.
 *
 * needs: order.   breaks: users.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "passes/build.h"

/* The operand of a mul or div that is one known element; -1: none is. */
static int
factor_of(const Graph *g, const Node *n)
{
	for (int i = 1; i >= (n->op == OP_div); i--) {
		const Node *f = graph_node(g, n->arg[i]);

		if (f->op == OP_const && f->data && type_count(&f->type) == 1 &&
		    type_eq(&graph_node(g, n->arg[!i])->type, &n->type))
			return i;
	}
	return -1;
}

static Val
scale_weights(Graph *g, Val conv)
{
	static const int64_t ones[] = { 1, 1, 1, 1 };
	Node n = *graph_node(g, conv);
	const Node *x = graph_node(g, n.arg[0]);
	Val arg[3], w;
	int i = factor_of(g, x);

	if (i < 0 || graph_node(g, n.arg[1])->type.dt == DT_F16 || attr_find(&n, A_pack))
		return 0;
	w = build2(g, conv, x->op, n.arg[1], build_reshape(g, conv, x->arg[i], 4, ones));
	memcpy(arg, n.arg, sizeof *arg * (size_t)n.narg);
	arg[0] = graph_node(g, n.arg[0])->arg[!i];
	arg[1] = w;

	Val made = build(g, conv, OP_conv2d, arg, n.narg, n.attr, n.nattr);

	if (made)
		graph_node(g, made)->name = n.name;
	return made;
}

bool
pass_fold_scale(Graph *g, PassCtx *cx)
{
	Arena *tmp = arena_new();
	uint32_t *users = graph_users(tmp, g);
	bool changed = false;

	graph_foreach(g, v) {
		const Node *n = graph_node(g, v);

		if (n->op != OP_conv2d || users[n->arg[0]] != 1)
			continue;

		OpKind over = graph_node(g, n->arg[0])->op;
		Val to = over == OP_mul || over == OP_div ? scale_weights(g, v) : 0;

		if (!to)
			continue;
		pass_log(cx, "%%%u takes the factor of %%%u into its weights", v, graph_node(g, v)->arg[0]);
		graph_replace(g, v, to);
		changed = true;
	}
	arena_free(tmp);
	return changed;
}
