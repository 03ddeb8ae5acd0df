/* position.c -- a depthwise convolution of an attention's values joins the attention's kernel.
 *
 *     %4 = attention %1, %2, %3   @1 out         %4   @2
 *     %5 = conv2d %3, w           @2       =>    %5   @2       @2 attention root=%4 out=%6
 *     %6 = add %5, %4             @2 out         %6   @2
 *
 * That is how YOLOv12 tells its attention where tokens are: it adds what a small filter makes of the values around
 * each.  The attention has the values of a window in shared memory anyway, so that the convolution costs a
 * few products more there, and elsewhere a launch, and reading values and results again.
 *
 * The group keeps the attention as its root; the convolution is a member beside it, at the same coordinates, whose
 * weights stay as they are.  Whether the kernel can have it is the choice of lower/attention_gpu.c: a
 * group for which that finds no tile is taken apart again.
 *
 * needs: groups.   breaks: nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "passes/storage.h"

/* Does a group consist of its root and of pointwise work? */
static bool
is_plain(const Graph *g, uint32_t id)
{
	graph_foreach(g, v)
		if (graph_node(g, v)->group == id && v != g->group.p[id].root &&
		    op_info[graph_node(g, v)->op].fuse != FUSE_POINT)
			return false;
	return true;
}

/* Do members of group id read x, and nobody else? */
static bool
read_within(const Graph *g, const Users *users, Val x, uint32_t id)
{
	if (users->outputs[x])
		return false;
	for (uint32_t i = users->first[x]; i < users->first[x + 1]; i++)
		if (graph_node(g, users->node[i])->group != id)
			return false;
	return users->first[x] < users->first[x + 1];
}

/* Moves the members of `from`, an attention, into the group of a convolution, if there is a kernel for both. */
static bool
join(Graph *g, PassCtx *cx, Arena *tmp, uint32_t from, uint32_t to)
{
	Group *gr = &g->group.p[to], apart = *gr, *attention = &g->group.p[from], alone = *attention;
	bool *moved = NEWN(tmp, bool, g->node.n), suits;
	int pack;

	graph_foreach(g, v)
		if ((moved[v] = graph_node(g, v)->group == from))
			graph_node(g, v)->group = to;
	gr->family = FAM_attention;
	gr->root = alone.root;
	*attention = (Group){ 0 };
	cx->choose(g->a, g, cx->target, gr, &pack);
	suits = gr->ntile > 0;
	gr->ntile = 0;
	gr->work = 0;
	memset(gr->tile, 0, sizeof gr->tile);
	if (suits) {
		pass_log(cx, "%%%u joins the kernel of %%%u", apart.root, alone.root);
		return true;
	}
	graph_foreach(g, v)
		if (moved[v])
			graph_node(g, v)->group = from;
	*gr = apart;
	*attention = alone;
	return false;
}

bool
pass_position(Graph *g, PassCtx *cx)
{
	Arena *tmp;
	Users users;
	bool changed = false;

	if (!may_join_groups(g, cx))
		return false;
	tmp = arena_new();
	users_find(tmp, g, &users);
	for (uint32_t to = 1; to < g->group.n; to++) {
		if (g->group.p[to].family != FAM_depthwise || !is_plain(g, to))
			continue;
		for (uint32_t from = 1; from < g->group.n; from++) {
			const Group *gr = &g->group.p[from];

			if (gr->family != FAM_attention || !is_plain(g, from) ||
			    graph_node(g, gr->root)->arg[2] != graph_node(g, g->group.p[to].root)->arg[0] ||
			    !read_within(g, &users, gr->out, to))
				continue;
			changed |= join(g, cx, tmp, from, to);
			break;
		}
	}
	arena_free(tmp);
	return changed;
}
