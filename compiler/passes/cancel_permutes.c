/* cancel_permutes.c -- permutes join and vanish; the rest sink until they meet.
 *
 *     %2 = permute %1 {0,3,1,2}            %2 = sigmoid %1
 *     %3 = sigmoid %2               =>     %3 = permute %2 {0,3,1,2}
 *     %4 = permute %3 {0,2,3,1}            uses of %4 become uses of %2
 *
 * The layout pass puts a permute on each side of an op that wants channels last.  A permute
 * before an op that does not care for the order of dims moves behind it; two permutes in a
 * row become one, and one that does nothing goes.  Permutes move only towards the outputs,
 * so this ends; what is left stands before an op that does care, or an output.
 *
 * An op with several arguments lets a permute through when the others can follow for
 * nothing: the same permute, a constant (fold permutes it), or a value with at most one dim
 * that is not 1 (its permute moves no bytes).
 *
 * needs: order.   breaks: users.   Dead permutes are left for dce.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "passes/build.h"

/* ---- through an op ------------------------------------------------------------------ */

static bool
is_permute(const Graph *g, Val v)
{
	return graph_node(g, v)->op == OP_permute;
}

static bool
moves_for_nothing(const Node *n)
{
	int wide = 0;

	for (int i = 0; i < n->type.rank; i++)
		wide += n->type.dim[i] != 1;
	return wide <= 1 || is_constant(n);
}

/* x as it was before the permute by axes: what the permute read, or x permuted back. */
static Val
before(Graph *g, Val v, Val x, const int64_t *axes)
{
	const Node *n = graph_node(g, x);
	int64_t inverse[MAX_RANK];

	if (n->op == OP_permute && !memcmp(permute_axes(n), axes, sizeof *axes * (size_t)n->type.rank))
		return n->arg[0];
	permute_inverse(axes, n->type.rank, inverse);
	return build_permute(g, v, x, inverse);
}

/* The axes by which all arguments can be permuted back for nothing; NULL: there are none. */
static const int64_t *
common_axes(const Graph *g, const Node *n)
{
	const int64_t *axes = NULL;

	for (int i = 0; i < n->narg; i++) {
		const Node *x = graph_node(g, n->arg[i]);

		if (x->op != OP_permute)
			continue;
		if (axes && memcmp(axes, permute_axes(x), sizeof *axes * (size_t)x->type.rank)) {
			if (!moves_for_nothing(x))
				return NULL;
			continue;
		}
		/* the widest argument decides, as the others may only be stretched */
		if (!axes && (!moves_for_nothing(x) || n->narg == 1))
			axes = permute_axes(x);
	}
	for (int i = 0; axes && i < n->narg; i++) {
		const Node *x = graph_node(g, n->arg[i]);

		if ((x->op != OP_permute || memcmp(axes, permute_axes(x), sizeof *axes * (size_t)x->type.rank)) &&
		    !moves_for_nothing(x))
			return NULL;
	}
	return axes;
}

/* The op itself before the permute, with attributes as given. */
static Val
sink(Graph *g, Val v, const int64_t *axes, const Attr *attr, int nattr)
{
	Node n = *graph_node(g, v);
	Val *arg = NEWN(g->a, Val, (size_t)n.narg);

	for (int i = 0; i < n.narg; i++)
		arg[i] = before(g, v, n.arg[i], axes);

	/* cast keeps its dtype in the type alone */
	Val made = n.op == OP_cast ? build_cast(g, v, arg[0], n.type.dt) :
		build(g, v, n.op, arg, n.narg, attr, nattr);

	if (!made)
		return 0;
	if (!graph_node(g, made)->name)
		graph_node(g, made)->name = n.name;
	return build_permute(g, v, made, axes);
}

static Val
sink_point(Graph *g, Val v)
{
	const Node *n = graph_node(g, v);
	const int64_t *axes = common_axes(g, n);

	return axes ? sink(g, v, axes, n->attr, n->nattr) : 0;
}

/* concat, slice, argmax, softmax: dim i is dim axes[i] before the permute */
static Val
sink_axis(Graph *g, Val v)
{
	const Node *n = graph_node(g, v);
	const int64_t *axes = common_axes(g, n);
	Attr attr[8];

	if (!axes || n->nattr > (int)COUNT(attr))
		return 0;
	for (int i = 0; i < n->nattr; i++)
		attr[i] = n->attr[i].key == A_axis ? attr_of_int(A_axis, axes[n->attr[i].i]) : n->attr[i];
	return sink(g, v, axes, attr, n->nattr);
}

/* sum, mean, amax */
static Val
sink_axes(Graph *g, Val v)
{
	const Node *n = graph_node(g, v);
	const int64_t *axes = common_axes(g, n);
	const Attr *a = attr_find(n, A_axes);
	int64_t to[MAX_RANK];
	bool in[MAX_RANK] = { false };
	int count = 0;

	if (!axes)
		return 0;
	for (int i = 0; i < a->n; i++)
		in[axes[a->v[i]]] = true;
	for (int d = 0; d < n->type.rank; d++)
		if (in[d])
			to[count++] = d;

	Attr attr = attr_of_ints(g->a, A_axes, to, count);

	return sink(g, v, axes, &attr, 1);
}

static Val
sink_broadcast(Graph *g, Val v)
{
	const Node *n = graph_node(g, v);
	const int64_t *axes = common_axes(g, n);
	int64_t shape[MAX_RANK];

	if (!axes)
		return 0;
	for (int i = 0; i < n->type.rank; i++)
		shape[axes[i]] = n->type.dim[i];

	Attr attr = attr_of_ints(g->a, A_shape, shape, n->type.rank);

	return sink(g, v, axes, &attr, 1);
}

/* ---- through a reshape ---------------------------------------------------------------- */

/* A reshape in pieces: dims from .. from + nfrom of its argument hold the same elements as
 * dims to .. to + nto of its result, and no smaller piece does. */
typedef struct Piece { int from, nfrom, to, nto; } Piece;

static int
reshape_pieces(const Type *x, const Type *t, Piece piece[2 * MAX_RANK])
{
	int n = 0, i = 0, j = 0;

	while (i < x->rank || j < t->rank) {
		Piece p = { .from = i, .to = j };
		int64_t a = i < x->rank ? x->dim[i++] : 1, b = j < t->rank ? t->dim[j++] : 1;

		while (a != b) {
			if (a < b ? i == x->rank : j == t->rank)
				return 0;       /* an empty tensor */
			if (a < b)
				a *= x->dim[i++];
			else
				b *= t->dim[j++];
		}
		p.nfrom = i - p.from;
		p.nto = j - p.to;
		piece[n++] = p;
	}
	return n;
}

/* Each piece must come from dims that are neighbours, in order, before the permute as well;
 * then the pieces can be reshaped first and permuted whole. */
static Val
sink_reshape(Graph *g, Val v)
{
	const Node *n = graph_node(g, v), *p = graph_node(g, n->arg[0]);
	Piece piece[2 * MAX_RANK];
	int64_t shape[MAX_RANK], axes[MAX_RANK];
	int count, rank = 0, first[2 * MAX_RANK], order[2 * MAX_RANK], dim_at[2 * MAX_RANK];

	if (p->op != OP_permute || type_count(&n->type) == 0)
		return 0;

	const int64_t *old = permute_axes(p);

	count = reshape_pieces(&p->type, &n->type, piece);
	for (int k = 0; k < count; k++) {
		first[k] = piece[k].nfrom ? (int)old[piece[k].from] : -1;
		for (int i = 1; i < piece[k].nfrom; i++)
			if (old[piece[k].from + i] != old[piece[k].from] + i)
				return 0;
	}
	/* pieces sorted by where they begin before the permute; those made of nothing (a dim of
	 * 1 out of thin air) come first */
	for (int k = 0; k < count; k++) {
		int at = k;

		while (at > 0 && first[order[at - 1]] > first[k]) {
			order[at] = order[at - 1];
			at--;
		}
		order[at] = k;
	}
	for (int s = 0; s < count; s++) {
		const Piece *q = &piece[order[s]];

		dim_at[order[s]] = rank;
		for (int i = 0; i < q->nto; i++)
			shape[rank++] = n->type.dim[q->to + i];
	}
	for (int k = 0; k < count; k++)
		for (int i = 0; i < piece[k].nto; i++)
			axes[piece[k].to + i] = dim_at[k] + i;

	Val made = build_reshape(g, v, p->arg[0], rank, shape);

	return made ? build_permute(g, v, made, axes) : 0;
}

/* ---- the pass --------------------------------------------------------------------------- */

/* one permute for two in a row, the value itself for one that does nothing */
static Val
join(Graph *g, Val v)
{
	const Node *n = graph_node(g, v), *x = graph_node(g, n->arg[0]);
	int64_t joined[MAX_RANK];

	if (is_identity(permute_axes(n), n->type.rank))
		return n->arg[0];
	if (x->op != OP_permute)
		return 0;
	for (int i = 0; i < n->type.rank; i++)
		joined[i] = permute_axes(x)[permute_axes(n)[i]];
	return is_identity(joined, n->type.rank) ? x->arg[0] : build_permute(g, v, x->arg[0], joined);
}

typedef Val Rule(Graph *g, Val v);

static Rule *const rule[OP_COUNT] = {
	[OP_permute] = join, [OP_reshape] = sink_reshape, [OP_broadcast] = sink_broadcast,
	[OP_concat] = sink_axis, [OP_slice] = sink_axis, [OP_argmax] = sink_axis, [OP_softmax] = sink_axis,
	[OP_sum] = sink_axes, [OP_mean] = sink_axes, [OP_amax] = sink_axes,
};

static bool
one_round(Graph *g, PassCtx *cx)
{
	bool changed = false;

	graph_foreach(g, v) {
		const Node *n = graph_node(g, v);
		Rule *r = rule[n->op] ? rule[n->op] : op_info[n->op].fuse == FUSE_POINT ? sink_point : NULL;
		bool any = n->op == OP_permute;

		for (int i = 0; i < n->narg; i++)
			any |= is_permute(g, n->arg[i]);

		Val to = r && any ? r(g, v) : 0;

		if (!to)
			continue;
		pass_log(cx, "%%%u (%s) is %%%u", v, op_info[n->op].name, to);
		graph_replace(g, v, to);
		changed = true;
	}
	return changed;
}

bool
pass_cancel_permutes(Graph *g, PassCtx *cx)
{
	bool changed = false;

	while (one_round(g, cx)) {
		graph_order(g);
		changed = true;
	}
	return changed;
}
