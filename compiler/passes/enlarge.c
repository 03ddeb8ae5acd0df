/* enlarge.c -- a 1x1 convolution works before its input is enlarged.
 *
 *     %3 = resize %1 {factor=2}               %6 = conv2d %1, (slice w ..)
 *     %4 = concat %3, %2               =>     %7 = conv2d %2, (slice w ..), b
 *     %5 = conv2d %4, w, b                    %5 = add %7, (resize %6)
 *
 * A map that is enlarged has each pixel several times, and each of them would be multiplied by
 * the same weights.  So the part of the sum that comes from there is made of the small map, with a
 * quarter of the work, and what is enlarged are the few channels that come out, by the epilogue
 * of the other part.  The large join, which would wait for its second half through most of the
 * network, is never there.
 *
 * needs: order, nchw, known number of weights.   breaks: users.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "passes/build.h"

static bool
is_plain(const Graph *g, const Node *n)
{
	const Type *w = n->op == OP_conv2d ? &graph_node(g, n->arg[1])->type : NULL;

	return w && w->dim[2] == 1 && w->dim[3] == 1 && attr_int(n, A_groups, 1) == 1 && !attr_find(n, A_layout) &&
		attr_ints(n, A_stride, 0, 1) == 1 && attr_ints(n, A_stride, 1, 1) == 1 &&
		attr_ints(n, A_pad, 0, 0) == 0 && attr_ints(n, A_pad, 1, 0) == 0 && is_constant(graph_node(g, n->arg[1]));
}

/* The values without those in from .. to: slices of w along its input channels, or arguments. */
static Val
without(Graph *g, Val v, Val w, int64_t from, int64_t to)
{
	int64_t all = graph_node(g, w)->type.dim[1];
	Val part[2];
	int n = 0;

	if (from > 0)
		part[n++] = build_slice(g, v, w, 1, 0, from, 1);
	if (to < all)
		part[n++] = build_slice(g, v, w, 1, to, all, 1);
	return n == 1 ? part[0] : build_concat(g, v, part, n, 1);
}

static Val
named(Graph *g, Val v, const char *name)
{
	if (v)
		graph_node(g, v)->name = name;
	return v;
}

/* Argument k of the concat that v reads is a resize. */
static Val
apart(Graph *g, Val v, int k)
{
	Node n = *graph_node(g, v), cat = *graph_node(g, n.arg[0]), up = *graph_node(g, cat.arg[k]);
	Val *rest = NEWN(g->a, Val, (size_t)cat.narg), arg[3], small, large;
	int64_t from = 0, to;
	int others = 0;

	for (int i = 0; i < cat.narg; i++) {
		from += i < k ? graph_node(g, cat.arg[i])->type.dim[1] : 0;
		if (i != k)
			rest[others++] = cat.arg[i];
	}
	to = from + up.type.dim[1];
	arg[0] = up.arg[0];
	arg[1] = build_slice(g, v, n.arg[1], 1, from, to, 1);
	small = named(g, build(g, v, OP_conv2d, arg, 2, n.attr, n.nattr), n.name);
	arg[0] = others == 1 ? rest[0] : build_concat(g, n.arg[0], rest, others, 1);
	arg[1] = without(g, v, n.arg[1], from, to);
	arg[2] = n.narg > 2 ? n.arg[2] : 0;
	large = named(g, build(g, v, OP_conv2d, arg, n.narg, n.attr, n.nattr), n.name);
	return build2(g, v, OP_add, large, build(g, cat.arg[k], OP_resize, &small, 1, up.attr, up.nattr));
}

bool
pass_enlarge(Graph *g, PassCtx *cx)
{
	Arena *tmp = arena_new();
	uint32_t *users = graph_users(tmp, g);
	size_t count = g->node.n;
	bool changed = false;

	graph_foreach(g, v) {
		const Node *n = graph_node(g, v), *cat;

		if (!is_plain(g, n) || n->arg[0] >= count || users[n->arg[0]] != 1)
			continue;
		cat = graph_node(g, n->arg[0]);
		if (cat->op != OP_concat || cat->narg < 2 || attr_int(cat, A_axis, 0) != 1)
			continue;
		for (int k = 0; k < cat->narg; k++) {
			Val up = cat->arg[k], to;

			if (graph_node(g, up)->op != OP_resize || attr_find(graph_node(g, up), A_layout) || users[up] != 1 ||
			    !(to = apart(g, v, k)))
				continue;
			pass_log(cx, "%%%u is made before %%%u is enlarged", v, up);
			graph_replace(g, v, to);
			changed = true;
			break;
		}
	}
	arena_free(tmp);
	if (changed) {
		graph_order(g);
		pass_fold(g, cx);       /* slices of weights */
	}
	return changed;
}
