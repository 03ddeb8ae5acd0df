/* pair.c -- two convolutions of which only the second reads the first become one kernel, which keeps a patch between them.
 *
 *     %3 = conv2d %1, w1   @1        @1 conv                  %3   @2      @2 pair root=%5 out=%6
 *     %4 = silu %3         @1 out                             %4   @2
 *     %5 = conv2d %4, w2   @2        @2 conv            =>    %5   @2
 *     %6 = add %5, %1      @2 out                             %6   @2
 *
 * Where the second has several taps, whoever makes a tile of its result needs the first's pixels around that tile, too.
 * Neighbours make the pixels of their halos twice, and nothing of the first's result goes through memory: that is
 * worth it for the first layers of a network, whose maps are its largest, and for little convolutions, which
 * are launches more than work.
 *
 * A pair is a group like others: of its values one leaves it, and its root is the second convolution.  Nothing but that may
 * read the first's result: a residual around both is fine, as it is a value from outside, but one around the second
 * would have to lie in memory.
 *
 * Whether there is a kernel, and whether it pays, is the choice of lower/pair.c: a group for which that finds no tile is
 * taken apart again.
 *
 * needs: groups.   breaks: nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "passes/storage.h"

static Node *
node(const Graph *g, Val v)
{
	return graph_node(g, v);
}

/* Does nothing but conv read x? */
static bool
read_once(const Graph *g, const Users *u, Val x, Val conv)
{
	if (u->outputs[x])
		return false;
	for (uint32_t i = u->first[x]; i < u->first[x + 1]; i++)
		if (u->node[i] != conv)
			return false;
	return node(g, conv)->arg[0] == x;
}

/* Moves the members of group `before` into that of conv, if that suits the kernel. */
static bool
join(Graph *g, PassCtx *cx, uint32_t before, Val conv)
{
	uint32_t id = node(g, conv)->group;
	Group *gr = &g->group.p[id], *first = &g->group.p[before], was = *gr, was_first = *first;
	Arena *tmp = arena_new();
	bool *moved = NEWN(tmp, bool, g->node.n), suits;
	int pack;

	graph_foreach(g, v)
		if (node(g, v)->group == before) {
			moved[v] = true;
			node(g, v)->group = id;
		}
	gr->family = FAM_pair;
	*first = (Group){ 0 };
	cx->choose(g->a, g, cx->target, gr, &pack);
	suits = gr->ntile > 0;
	if (suits) {
		pass_log(cx, "%%%u stays in the kernel of %%%u", node(g, conv)->arg[0], conv);
		gr->ntile = 0;
		gr->work = 0;
		memset(gr->tile, 0, sizeof gr->tile);
	} else {
		graph_foreach(g, v)
			if (moved[v])
				node(g, v)->group = before;
		*gr = was;
		*first = was_first;
	}
	arena_free(tmp);
	return suits;
}

static bool
try_pair(Graph *g, PassCtx *cx, Arena *tmp, const Users *u, Val conv)
{
	const Node *n = node(g, conv);
	const Group *gr = &g->group.p[n->group], *before;
	uint32_t from;

	if (n->op != OP_conv2d || !n->group || gr->family != FAM_conv || gr->root != conv)
		return false;
	from = node(g, n->arg[0])->group;
	before = &g->group.p[from];
	return from && from != n->group && before->family == FAM_conv && before->out == n->arg[0] && read_once(g, u, n->arg[0], conv) &&
		reads_may_wait(tmp, g, from, conv) && join(g, cx, from, conv);
}

bool
pass_pair(Graph *g, PassCtx *cx)
{
	Arena *tmp;
	Users users;
	bool changed = false;

	if (!may_join_groups(g, cx))
		return false;
	tmp = arena_new();
	users_find(tmp, g, &users);
	graph_foreach(g, v)
		changed |= try_pair(g, cx, tmp, &users, v);
	arena_free(tmp);
	return changed;
}
