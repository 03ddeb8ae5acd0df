/* precision.c -- half-precision tensors between the heavy kernels of a GPU, or products in tf32.
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
 * tf32 changes no type: convolutions and attentions that are matrix products get the mark {math="tf32"}.
 *
 * What stays f32 is said in the log, with the reason (`dump stage=kept`).
 *
 * needs: order; constants known, so that fold can round the weights.   breaks: users.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "passes/build.h"
#include "passes/storage.h"

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

/* "conv2d model.0.conv", or "sub in DFL(16) at model.21.dfl" of what has no name */
static const char *
called(const PassCtx *cx, const Node *n)
{
	const char *op = op_info[n->op].name;

	if (n->name)
		return arena_printf(cx->a, "%s %s", op, n->name);

	const char *end = n->chain ? strstr(n->chain, ", called") : NULL;

	return n->chain ? arena_printf(cx->a, "%s in %.*s", op, (int)(end ? (size_t)(end - n->chain) : strlen(n->chain)), n->chain) : op;
}

/* NULL, or why a convolution or an attention is no matrix product whose operands may be tf32 */
static const char *
not_tf32(const Graph *g, const Node *n)
{
	const Node *w = n->op == OP_conv2d ? graph_node(g, n->arg[1]) : NULL;

	if (w && w->type.dim[1] == 1 && attr_int(n, A_groups, 1) > 1)
		return "depthwise: each channel by itself is no matrix product";
	if (w && reads_elements(g, n))
		return "a few channels, which are read one by one";
	if (w && w->type.dim[1] % 4)
		return "channels of its input are no multiple of 4, which is what a copy of 16 bytes brings";
	if (attr_body(n))
		return "its body has a kernel without matrix units";
	return NULL;
}

static bool
mark_tf32(Graph *g, PassCtx *cx)
{
	size_t marked = 0, kept = 0;

	graph_foreach(g, v) {
		const Node *n = graph_node(g, v);
		const char *why;

		if ((n->op != OP_conv2d && n->op != OP_attention) || n->type.dt != DT_F32)
			continue;
		if ((why = not_tf32(g, n))) {
			kept++;
			pass_log(cx, "%%%u %s multiplies in f32: %s", v, called(cx, n), why);
		} else if (!attr_find(n, A_math)) {
			attr_set(g, v, attr_of_str(A_math, "tf32"));
			marked++;
		}
	}
	pass_log(cx, "%s: %zu convolutions and attentions may multiply in tf32, %zu multiply in f32; all values and sums are f32",
	         g->name, marked, kept);
	return marked > 0;
}

/* ---- half precision ------------------------------------------------------------------------ */

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

/* Why a real value is not half. */
static const char *
reason(const Node *n, bool wanted)
{
	switch (n->op) {
	case OP_conv2d:
		return "fewer than 8 channels, or no multiple of it: the weights of a stem may carry a factor that half would round away, "
		       "and no matrix unit takes it";
	case OP_softmax: case OP_expect:
		return "exponentials and their sum: a rounded exponent is a wrong factor";
	case OP_sum: case OP_mean: case OP_amax:
		return "sums of many numbers need more than 11 bits";
	case OP_matmul:
		return "matrix products of activations outside an attention are made in f32";
	case OP_fit: case OP_warp: case OP_nms: case OP_topk: case OP_iota: case OP_gather:
		return "positions and scores: pixels past 2048 are not numbers of half precision";
	case OP_exp: case OP_log: case OP_sigmoid: case OP_tanh: case OP_pow: case OP_div:
		if (!wanted)
			return "of scores, boxes or weights: nothing in half precision reads it";
		break;
	default:
		break;
	}
	return wanted ? "what it is made of is f32" : "nothing in half precision reads it";
}

/* Says which values stay f32, and why; to be asked when types are known and before casts are there. */
static void
say(const Graph *g, PassCtx *cx, const bool *wanted, const bool *is_half)
{
	size_t half = 0, kept = 0;

	if (!cx->log)
		return;
	graph_foreach(g, v) {
		const Node *n = graph_node(g, v);

		half += is_half[v];
		if (n->type.dt != DT_F32 || is_half[v] || is_source(n))
			continue;
		kept++;
		if (op_info[n->op].fuse != FUSE_MOVE)
			pass_log(cx, "%%%u %s stays f32: %s", v, called(cx, n), reason(n, wanted[v]));
	}
	graph_foreach(g, v) {
		const Node *n = graph_node(g, v);

		if (is_half[v] && n->op == OP_attention)
			pass_log(cx, "%%%u %s: scores, softmax and sums inside are f32", v, called(cx, n));
	}
	pass_log(cx, "%s: %zu values are %s; %zu stay f32, and so do biases; sums and functions inside a kernel are f32",
	         g->name, half, dtype_info[cx->compute].name, kept);
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
		return cx->tf32 && mark_tf32(g, cx);
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
	}
	say(g, cx, wanted, is_half);
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
