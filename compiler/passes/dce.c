/* dce.c -- what no output reads becomes a hole.
 *
 *     %4 = silu %2          =>    (nothing)
 *     return %3                   return %3
 *
 * The order already skips dead nodes; holes keep them out of walks over all nodes, such as
 * graph_replace's, and out of every count.  Inputs stay, read or not: they are the entry's
 * face.  A value keeps its number, so that dumps before and after compare line by line.
 *
 * needs: order.   breaks: nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "passes/build.h"

bool
pass_dce(Graph *g, PassCtx *cx)
{
	Arena *tmp = arena_new();
	bool *live = NEWN(tmp, bool, g->node.n);
	size_t dead = 0;

	graph_foreach(g, v)
		live[v] = true;
	for (Val v = 1; v < g->node.n; v++)
		if (!live[v] && graph_node(g, v)->op != OP_none) {
			*graph_node(g, v) = (Node){ 0 };
			dead++;
		}
	if (dead)
		pass_log(cx, "%zu dead nodes", dead);
	arena_free(tmp);
	return dead > 0;
}
