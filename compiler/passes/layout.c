/* layout.c -- channels last for what works on pictures; permutes at the borders.
 *
 *                                    %5 = permute %1 {0,2,3,1}
 *     %2 = conv2d %1, w, b    =>     %6 = conv2d %5, w, b {layout="nhwc"}
 *                                    %7 = permute %6 {0,3,1,2}
 *
 * Kernels want all channels of a pixel side by side: a vector of them is one load, on
 * every machine, and a tensor core takes them as a row of its matrix.  Each op is
 * rewritten alone; cancel_permutes removes what its neighbours put between them.  Weights
 * keep their order: the tile pass packs them as the kernel wants.
 *
 * needs: order.   breaks: users, types of nothing (the last permute restores them).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "passes/build.h"

static const int64_t to_nhwc[] = { 0, 2, 3, 1 }, to_nchw[] = { 0, 3, 1, 2 };

/* how many of its arguments, from the first, are pictures; 0: the op has no layout */
static int
pictures(OpKind op)
{
	switch (op) {
	case OP_conv2d: case OP_pool: case OP_resize:
		return 1;
	case OP_attention:
		return 3;
	default:
		return 0;
	}
}

static Val
rewrite(Graph *g, Val v)
{
	Node n = *graph_node(g, v);
	Val *arg = NEWN(g->a, Val, (size_t)n.narg);
	Attr *attr = NEWN(g->a, Attr, (size_t)n.nattr + 1);
	int nattr = 0;

	for (int i = 0; i < n.narg; i++)
		arg[i] = i < pictures(n.op) ? build_permute(g, v, n.arg[i], to_nhwc) : n.arg[i];
	for (int i = 0; i < n.nattr; i++)
		if (n.attr[i].key != A_layout)
			attr[nattr++] = n.attr[i];
	attr[nattr++] = attr_of_str(A_layout, "nhwc");

	Val made = build(g, v, n.op, arg, n.narg, attr, nattr);

	if (!made)
		return 0;
	graph_node(g, made)->name = n.name;
	return build_permute(g, v, made, to_nchw);
}

bool
pass_layout(Graph *g, PassCtx *cx)
{
	size_t rewritten = 0;

	graph_foreach(g, v) {
		const Node *n = graph_node(g, v);

		if (!pictures(n->op) || node_nhwc(n))
			continue;

		Val to = rewrite(g, v);

		if (!to)
			continue;
		graph_replace(g, v, to);
		rewritten++;
	}
	if (rewritten)
		pass_log(cx, "%zu ops work on channels last", rewritten);
	return rewritten > 0;
}
