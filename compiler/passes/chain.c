/* chain.c -- convolutions in a row become one kernel, which keeps a tile of pixels between them.
 *
 *     %3 = conv2d %1, w1   @1        @1 conv                  %3   @2      @2 chain root=%7 out=%8
 *     %4 = add %3, %x      @1 out                             %4   @2
 *     %5 = conv2d %4, w2   @2        @2 conv            =>    %5   @2
 *     %6 = silu %5         @2 out                             %6   @2
 *     %7 = conv2d %6, w3   @3        @3 conv                  %7   @2
 *     %8 = add %7, %4      @3 out                             %8   @2
 *
 * A 1x1 convolution needs of a pixel's neighbours nothing, so whoever has made a tile of pixels can go
 * on with it: what lies between two steps stays in shared memory, and a launch is saved.  That is the
 * projection behind an attention with the two layers of its perceptron, the end of a block with the
 * convolution that mixes its parts, and the last two of a head.  The first step may be of any size, or depthwise.
 *
 * A chain is a group like others: of its values one leaves it (or two, see below), its root is the last of the
 * convolutions, and the convolutions in it, in the order of the graph, are its steps.  What leads from one step
 * into the next has room in shared memory, and any later step may read it (residuals do).  A
 * concat in front of a step, of which one part is made in the chain, belongs to it: the step reads its
 * parts where they are, and they need no common storage any more.
 *
 * A value that others read too may be a step's result, once in a chain: the kernel keeps it for the next step and writes it
 * besides (Group.also).  So the queries, keys and values of an attention are made where the block before it ends,
 * whose result the attention's block adds to its own.
 *
 * Whether a step may be in a chain, whether its numbers fit shared memory, and whether it pays is the
 * choice of lower/chain.c: a group for which that finds no tile is taken apart again.
 *
 * needs: groups, an order.   breaks: joins whose parts meet in a chain.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "passes/storage.h"

typedef struct Chain {
	Graph *g;
	PassCtx *cx;
	Arena *tmp;
	Users users;
} Chain;

static Node *
node(const Chain *h, Val v)
{
	return graph_node(h->g, v);
}

/* Can group id be the part of a chain before x, which is its out? */
static bool
may_lead(const Chain *h, uint32_t id, Val x)
{
	const Group *gr = &h->g->group.p[id];

	return id && gr->out == x && (gr->family == FAM_conv || gr->family == FAM_chain || gr->family == FAM_depthwise);
}

/* Do only members of group id read x, and no output? */
static bool
read_within(const Chain *h, Val x, uint32_t id, Val or_by)
{
	if (h->users.outputs[x])
		return false;
	for (uint32_t i = h->users.first[x]; i < h->users.first[x + 1]; i++)
		if (node(h, h->users.node[i])->group != id && h->users.node[i] != or_by)
			return false;
	return true;
}

/* What steps of chains are made of: convolutions, and what works on single pixels. */
static bool
is_plain(const Chain *h, uint32_t id)
{
	graph_foreach(h->g, v) {
		const Node *n = node(h, v);

		if (n->group == id && n->op != OP_conv2d && op_info[n->op].fuse != FUSE_POINT &&
		    !(n->op == OP_concat && h->g->group.p[id].family == FAM_chain))
			return false;
	}
	return true;
}

/* Moves the members of group `from` into group `to`. */
static void
move_members(Chain *h, uint32_t from, uint32_t to)
{
	graph_foreach(h->g, v)
		if (node(h, v)->group == from)
			node(h, v)->group = to;
}

/* The parts of a concat that is no join any more lie elsewhere: do they, and what they are views of, still begin at whole
 * copies of 16 bytes? */
static bool
parts_suit(const Chain *h, Val concat)
{
	enum { PIECE = 16 };
	const Node *c = node(h, concat);
	int64_t unit = PIECE / dtype_info[c->type.dt].bytes;
	Storage at;
	Val bad;

	if (!storage_find(h->tmp, h->g, &at, &bad))
		return false;
	for (int i = 0; i < c->narg; i++) {
		const Type *t = &node(h, c->arg[i])->type, *owner = &node(h, at.owner[c->arg[i]])->type;
		const Place *p = &at.place[c->arg[i]];

		if (p->offset % unit || p->stride[t->rank - 1] != 1 || owner->dim[owner->rank - 1] % unit)
			return false;
		for (int d = 0; d + 1 < t->rank; d++)
			if (t->dim[d] > 1 && p->stride[d] % unit)
				return false;
	}
	return true;
}

static bool try_step(Chain *h, Val conv, int more);

/* The first convolution of a group. */
static Val
first_step(const Chain *h, uint32_t id)
{
	graph_foreach(h->g, v)
		if (node(h, v)->group == id && node(h, v)->op == OP_conv2d)
			return v;
	return 0;
}

/* Makes group `before`, whose out is x, and the group of conv one, if that suits the kernels; or with up to
 * `more` groups before it, if it does only then.  `also`: others read x, too. */
static bool
join(Chain *h, uint32_t before, Val x, Val conv, Val concat, int more, bool also)
{
	uint32_t id = node(h, conv)->group;
	Group *gr = &h->g->group.p[id], was = *gr, *first = &h->g->group.p[before], was_first = *first;
	bool *mine = NEWN(h->tmp, bool, h->g->node.n), suits;
	int pack;

	if ((gr->also != 0) + (first->also != 0) + also > 1 || !reads_may_wait(h->tmp, h->g, before, conv))
		return false;
	graph_foreach(h->g, v)
		mine[v] = node(h, v)->group == id;
	move_members(h, before, id);
	if (concat) {
		node(h, concat)->group = id;
		node(h, concat)->keep = KEEP_GROUP;
	}
	gr->family = FAM_chain;
	gr->also = also ? x : gr->also + first->also;   /* one of these is 0 */
	*first = (Group){ 0 };
	if ((!concat || parts_suit(h, concat)) && !(gr->also && group_comes_back(h->tmp, h->g, id)))
		h->cx->choose(h->g->a, h->g, h->cx->target, gr, &pack);
	else
		gr->ntile = 0;
	suits = gr->ntile > 0;
	gr->ntile = 0;
	gr->work = 0;
	memset(gr->tile, 0, sizeof gr->tile);
	if (suits || (more && try_step(h, first_step(h, id), more - 1))) {
		pass_log(h->cx, "%%%u stays in the kernel of %%%u%s", x, conv, also ? ", and leaves it" : "");
		return true;
	}
	graph_foreach(h->g, v)
		if (node(h, v)->group == id && !mine[v])
			node(h, v)->group = before;
	if (concat) {
		node(h, concat)->group = 0;
		node(h, concat)->keep = KEEP_JOIN;
	}
	*gr = was;
	*first = was_first;
	return false;
}

/* The group that makes what conv reads, or the last part of that, becomes one with conv's.  Then conv is not
 * the first step any more: what it reads is no group's out, and no join. */
static bool
try_step(Chain *h, Val conv, int more)
{
	const Node *n = node(h, conv), *c;
	uint32_t id = n->group;
	Val x = n->arg[0];

	if (!id || (h->g->group.p[id].family != FAM_conv && h->g->group.p[id].family != FAM_chain) || !is_plain(h, id))
		return false;
	if (may_lead(h, node(h, x)->group, x))
		return read_within(h, x, id, 0) && is_plain(h, node(h, x)->group) &&
			join(h, node(h, x)->group, x, conv, 0, more, false);
	c = node(h, x);
	if (c->keep != KEEP_JOIN || !read_within(h, x, id, 0))
		return false;
	for (int i = c->narg; i--;) {
		Val part = c->arg[i];

		if (may_lead(h, node(h, part)->group, part) && read_within(h, part, id, x) &&
		    is_plain(h, node(h, part)->group) && join(h, node(h, part)->group, part, conv, x, more, false))
			return true;
	}
	return false;
}

/* The same for what others read, too. */
static bool
try_also(Chain *h, Val conv)
{
	const Node *n = node(h, conv);
	uint32_t id = n->group, before = node(h, n->arg[0])->group;
	Val x = n->arg[0];

	return id && before != id && (h->g->group.p[id].family == FAM_conv || h->g->group.p[id].family == FAM_chain) &&
		is_plain(h, id) && may_lead(h, before, x) && is_plain(h, before) && !h->users.outputs[x] &&
		!read_within(h, x, id, 0) && join(h, before, x, conv, 0, 0, true);
}

bool
pass_chain(Graph *g, PassCtx *cx)
{
	enum { MORE = 2 };
	Chain h = { .g = g, .cx = cx };
	bool changed = false, again;

	if (!may_join_groups(g, cx))
		return false;
	h.tmp = arena_new();
	users_find(h.tmp, g, &h.users);
	/* a residual is read by a later step: that one has to be there before the one that makes it may join */
	do {
		again = false;
		graph_foreach(g, v)
			again |= node(&h, v)->op == OP_conv2d && try_step(&h, v, MORE);
		changed |= again;
	} while (again);
	graph_foreach(g, v)
		changed |= node(&h, v)->op == OP_conv2d && try_also(&h, v);
	arena_free(h.tmp);
	return changed;
}
