/* expect.c -- the mean of a distribution in one pass over it, and where the distribution is made.
 *
 *     %2 = softmax %1 {axis=2}
 *     %4 = mul %2, %3                       %3: one weight an element of axis 2
 *     %5 = sum %4 {axes=[2]}          =>    %5 = expect %1, %3 {axis=2}
 *
 * The head says a distance as a distribution over 16 bins and means its expectation.
 * Written out, the distribution goes to memory and back; as one op it is never there.
 *
 *     %5 = concat (reshape %1), (reshape %2)    %1, %2: convolutions of several levels
 *     %7 = expect (reshape %5)              =>  %7 = concat (expect (reshape %1)), (expect (reshape %2))
 *
 * Convolutions on matrix units take the mean from their sums (fuse makes them one group), so that their
 * result is never there either: a sixteenth of it is.
 *
 * needs: order.   breaks: users.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "passes/build.h"

/* softmax whose only reader is the product, with the weights as the other operand; 0: it is not so */
static Val
softmax_of(const Graph *g, const Node *product, int64_t axis, const uint32_t *users, Val *weights)
{
	for (int i = 0; i < 2; i++) {
		const Node *s = graph_node(g, product->arg[i]), *w = graph_node(g, product->arg[!i]);

		if (s->op != OP_softmax || users[product->arg[i]] != 1 || attr_int(s, A_axis, 0) != axis ||
		    w->type.rank != s->type.rank || w->type.dim[axis] != s->type.dim[axis] ||
		    type_count(&w->type) != s->type.dim[axis])
			continue;
		*weights = product->arg[!i];
		return product->arg[i];
	}
	return 0;
}

static bool
read_once(const Graph *g, const uint32_t *users, Val v, OpKind op)
{
	return graph_node(g, v)->op == op && users[v] == 1;
}

bool
makes_mean(const Graph *g, const PassCtx *cx, Val conv, int64_t bins)
{
	const Node *n = graph_node(g, conv);
	const Type *w;

	if (!cx->target || cx->target->kind != TARGET_GPU || cx->target->mma == MMA_NONE || n->op != OP_conv2d ||
	    !node_nhwc(n) || (cx->compute != DT_F16 && (cx->compute != DT_BF16 || !(cx->target->has & GPU_BF16))))
		return false;
	/* 16 channels side by side are the least that a few lanes of a warp hold of a pixel */
	w = &graph_node(g, n->arg[1])->type;
	return (bins == 8 || bins == 16) && attr_int(n, A_groups, 1) == 1 && n->type.dim[3] % 16 == 0 &&
	       w->dim[1] % 8 == 0 && w->dim[2] * w->dim[3] <= 31;
}

/* expect v of a join of maps: each map's own, joined.  0: it is not so. */
static Val
above_join(Graph *g, const PassCtx *cx, const uint32_t *users, Val v)
{
	const Node n = *graph_node(g, v), *wide = graph_node(g, n.arg[0]);
	int64_t sides = n.type.rank == 4 ? n.type.dim[2] : 0, bins = sides ? wide->type.dim[3] : 0;
	Val join = wide->narg ? wide->arg[0] : 0, *part, w, arg[2];
	int parts;

	if (!sides || attr_int(&n, A_axis, 0) != 3 || !read_once(g, users, n.arg[0], OP_reshape) ||
	    !read_once(g, users, join, OP_concat) || graph_node(g, join)->type.rank != 3 ||
	    attr_int(graph_node(g, join), A_axis, 0) != 1 || graph_node(g, join)->type.dim[2] != sides * bins)
		return 0;
	parts = graph_node(g, join)->narg;
	part = NEWN(g->a, Val, (size_t)parts);
	for (int i = 0; i < parts; i++) {
		const Node *row = graph_node(g, graph_node(g, join)->arg[i]);
		Val x = row->narg ? row->arg[0] : 0;

		if (!read_once(g, users, graph_node(g, join)->arg[i], OP_reshape) || !read_once(g, users, x, OP_conv2d) ||
		    graph_node(g, x)->type.dim[3] != sides * bins || !makes_mean(g, cx, x, bins))
			return 0;
		part[i] = x;
	}
	w = build_reshape(g, v, n.arg[1], 5, (int64_t[]){ 1, 1, 1, 1, bins });
	for (int i = 0; i < parts; i++) {
		int64_t d[MAX_RANK];

		memcpy(d, graph_node(g, part[i])->type.dim, sizeof d);
		arg[0] = build_reshape(g, v, part[i], 5, (int64_t[]){ d[0], d[1], d[2], sides, bins });
		arg[1] = w;
		part[i] = build(g, v, OP_expect, arg, 2, &(Attr){ .key = A_axis, .i = 4 }, 1);
		part[i] = part[i] ? build_reshape(g, v, part[i], 4, (int64_t[]){ d[0], d[1] * d[2], sides, 1 }) : 0;
		if (!part[i])
			return 0;
	}
	return build_concat(g, v, part, parts, 1);
}

bool
pass_expect(Graph *g, PassCtx *cx)
{
	Arena *tmp = arena_new();
	uint32_t *users = graph_users(tmp, g);
	bool changed = false;

	graph_foreach(g, v) {
		const Node *n = graph_node(g, v), *product;
		const Attr *axes = attr_find(n, A_axes);
		Val soft, arg[2], made;

		if (n->op != OP_sum || !axes || axes->n != 1)
			continue;
		product = graph_node(g, n->arg[0]);
		if (product->op != OP_mul || users[n->arg[0]] != 1 ||
		    !(soft = softmax_of(g, product, axes->v[0], users, &arg[1])))
			continue;
		arg[0] = graph_node(g, soft)->arg[0];
		made = build(g, v, OP_expect, arg, 2, &(Attr){ .key = A_axis, .i = axes->v[0] }, 1);
		if (!made)
			continue;
		take_over(g, v, made);
		pass_log(cx, "%%%u: a softmax and its mean are one", v);
		changed = true;
	}
	if (changed)
		graph_order(g);
	users = graph_users(tmp, g);
	graph_foreach(g, v) {
		Val made = graph_node(g, v)->op == OP_expect ? above_join(g, cx, users, v) : 0;

		if (!made)
			continue;
		take_over(g, v, made);
		pass_log(cx, "%%%u: the mean is taken above the join", v);
		changed = true;
	}
	arena_free(tmp);
	return changed;
}
