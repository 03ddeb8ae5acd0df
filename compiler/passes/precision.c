/* precision.c -- half-precision tensors between the heavy kernels of a GPU.
 *
 *     %5 = conv2d %1, %2, %3 : f32             %5 = conv2d %1, %2', %3 : f16
 *     %6 = sigmoid %5 : f32            =>      %6 = sigmoid %5 : f16
 *     %7 = conv2d %6, %4 : f32                 %7 = conv2d %6, %4' : f16
 *     %8 = softmax %7                          %8 = softmax (cast %7 : f32)
 *
 * A value becomes half if it is made by a heavy op that works in half, or if it is
 * pointwise or moved work on the way from one such op to another.  Everything else stays f32:
 * softmax and sums, scores and boxes, geometry, biases, and convolutions of fewer than 8
 * channels (the stem, whose weights may carry a factor that half precision would round away).
 * Kernels sum in f32 and round once, where a half value is stored; a cast behind the last
 * convolution joins its epilogue, so what leaves the heavy part was never rounded to half.
 *
 * needs: order; constants known, so that fold can round the weights.   breaks: users.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "passes/build.h"

static bool
works_in_half(const Graph *g, const Node *n)
{
	const Node *w;

	switch (n->op) {
	case OP_conv2d:
		w = graph_node(g, n->arg[1]);
		return w->type.dim[1] % 8 == 0 || (w->type.dim[1] == 1 && attr_int(n, A_groups, 1) > 1);
	case OP_attention:
	case OP_pool:
		return true;
	default:
		return false;
	}
}

/* What the body of an attention reads keeps the type that the body says. */
static bool
is_capture(const Node *n, int i)
{
	return n->op == OP_attention && i >= 3;
}

/* is argument i of n data that flows, rather than weights or a bias? */
static bool
flows(const Node *n, int i)
{
	return n->op == OP_conv2d ? i == 0 : !is_capture(n, i);
}

bool
pass_precision(Graph *g, PassCtx *cx)
{
	DType half = cx->compute;
	Arena *tmp = arena_new();
	size_t n0 = g->node.n;
	bool *wanted = NEWN(tmp, bool, n0), *is_half = NEWN(tmp, bool, n0), changed = false;
	Val *down = NEWN(tmp, Val, n0), *up = NEWN(tmp, Val, n0);

	if (half != DT_F16 && half != DT_BF16) {
		arena_free(tmp);
		return false;
	}
	/* backwards: does it flow into a half op? */
	for (size_t i = g->order.n; i-- > 0;) {
		const Node *n = graph_node(g, g->order.p[i]);
		bool on = works_in_half(g, n) || (wanted[g->order.p[i]] &&
			(op_info[n->op].fuse == FUSE_POINT || op_info[n->op].fuse == FUSE_MOVE));

		for (int j = 0; on && j < n->narg; j++)
			if (flows(n, j))
				wanted[n->arg[j]] = true;
	}
	graph_foreach(g, v) {
		const Node *n = graph_node(g, v);
		bool on = works_in_half(g, n);

		if (n->type.dt != DT_F32)
			continue;
		if (wanted[v] && (op_info[n->op].fuse == FUSE_POINT || op_info[n->op].fuse == FUSE_MOVE))
			for (int j = 0; j < n->narg; j++)
				on |= n->arg[j] < n0 && is_half[n->arg[j]];
		is_half[v] = on;
		if (!on && op_info[n->op].fuse == FUSE_HEAVY)
			pass_log(cx, "%%%u %s stays f32", v, n->name ? n->name : op_info[n->op].name);
	}
	for (Val v = 1; v < n0; v++)
		if (is_half[v]) {
			graph_node(g, v)->type.dt = half;
			changed = true;
		}
	graph_foreach(g, v) {
		for (int j = 0; j < graph_node(g, v)->narg; j++) {
			Node *n = graph_node(g, v);
			Val x = n->arg[j], to;
			bool bias = n->op == OP_conv2d && j == 2, want_half = is_half[v] && !is_capture(n, j);

			if ((graph_node(g, x)->type.dt != DT_F32 && !is_half[x]) || want_half == is_half[x] ||
			    (is_half[v] && bias))
				continue;
			/* one cast a value, whoever asks */
			Val *made = want_half ? down : up;

			if (!made[x])
				made[x] = build_cast(g, x, x, want_half ? half : DT_F32);
			to = made[x];
			graph_node(g, v)->arg[j] = to;
			changed = true;
		}
	}
	for (size_t i = 0; i < g->output.n; i++) {
		Val x = g->output.p[i].v;

		if (x < n0 && is_half[x]) {
			if (!up[x])
				up[x] = build_cast(g, x, x, DT_F32);
			g->output.p[i].v = up[x];
		}
	}
	arena_free(tmp);
	return changed;
}
