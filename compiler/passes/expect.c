/* expect.c -- the mean of a distribution in one pass over it.
 *
 *     %2 = softmax %1 {axis=2}
 *     %4 = mul %2, %3                       %3: one weight an element of axis 2
 *     %5 = sum %4 {axes=[2]}          =>    %5 = expect %1, %3 {axis=2}
 *
 * The head says a distance as a distribution over 16 bins and means its expectation.
 * Written out, the distribution goes to memory and back; as one op it is never there.
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
	arena_free(tmp);
	return changed;
}
