/* repeat.c -- cheap work is done again where its result is needed.
 *
 *     %3 = sub %1, %2              %3 = sub %1, %2         one kernel
 *     %4 = exp %3           =>     %4 = exp %3
 *     %5 = sin %3                  %6 = sub %1, %2         another
 *                                  %5 = sin %6
 *
 * A value with two readers that end up in two kernels needs a third one to make it, a
 * write, and a read in each.  If it is one step from what is in memory anyway, each reader
 * takes that step itself: with r readers and a operands r * a reads, instead of a + 1 + r.
 * Decoding boxes is made of such steps on small tensors, where each kernel saved counts.
 *
 * Not where the step is costly, where it would be the epilogue of a convolution, or where
 * the readers meet again and so share a kernel: x * sigmoid(x).
 *
 * A few values of which each reader takes a slice are computed slice by slice for the same reason,
 * though nothing is done twice then.
 *
 * needs: order; must come after the last cse, which would undo it.   breaks: users.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "passes/storage.h"

enum { READERS = 3 };

typedef struct Repeat {
	Graph *g;
	Users users;
} Repeat;

static const Node *
node(const Repeat *r, Val v)
{
	return graph_node(r->g, v);
}

static bool
is_point(const Node *n)
{
	return op_info[n->op].fuse == FUSE_POINT;
}

/* Would v run in the kernel that makes x, or x in v's? */
static bool
shares_kernel(const Repeat *r, Val x)
{
	return users_count(&r->users, x) == 1 && !is_source(node(r, x)) && op_info[node(r, x)->op].fuse != FUSE_MOVE;
}

/* Does v read x, in a few pointwise steps? */
static bool
leads_to(const Repeat *r, Val x, Val v, int steps)
{
	if (v == x)
		return true;
	if (!steps || !is_point(node(r, v)))
		return false;
	for (int i = 0; i < node(r, v)->narg; i++)
		if (leads_to(r, x, node(r, v)->arg[i], steps - 1))
			return true;
	return false;
}

/* Do two of v's readers meet again further on? */
static bool
readers_meet(const Repeat *r, const Val *reader, int n)
{
	enum { STEPS = 4 };

	for (int i = 0; i < n; i++)
		for (int k = 0; k < n; k++) {
			if (i != k && reader[i] == reader[k])
				return true;    /* v + v */
			for (uint32_t u = r->users.first[reader[k]]; u < r->users.first[reader[k] + 1]; u++)
				if (i != k && leads_to(r, reader[i], r->users.node[u], STEPS))
					return true;
		}
	return false;
}

static bool
is_cheap(OpKind op)
{
	switch (op) {
	case OP_copy: case OP_cast: case OP_neg: case OP_abs: case OP_not: case OP_add: case OP_sub: case OP_mul:
	case OP_min: case OP_max: case OP_eq: case OP_ne: case OP_lt: case OP_le: case OP_and: case OP_or:
	case OP_select:
		return true;
	default:
		return false;
	}
}

/* Readers of v if each should do v's work itself, else 0. */
static int
repeaters(const Repeat *r, Val v, Val reader[READERS])
{
	const Node *n = node(r, v);
	int count = (int)(r->users.first[v + 1] - r->users.first[v]), operands = 0;

	if (!is_point(n) || !is_cheap(n->op) || r->users.outputs[v] || count < 2 || count > READERS)
		return 0;
	for (int i = 0; i < n->narg; i++) {
		const Node *x = node(r, n->arg[i]);

		if (shares_kernel(r, n->arg[i]))
			return 0;
		operands += type_count(&x->type) > 1;
	}
	for (int i = 0; i < count; i++) {
		reader[i] = r->users.node[r->users.first[v] + (uint32_t)i];
		if (!is_point(node(r, reader[i])) || !same_dims(&node(r, reader[i])->type, &n->type))
			return 0;
		/* as part of an epilogue it would be work on registers that are short already */
		for (int k = 0; k < node(r, reader[i])->narg; k++)
			if (op_info[node(r, node(r, reader[i])->arg[k])->op].fuse == FUSE_HEAVY)
				return 0;
	}
	if ((count - 1) * (operands - 1) > 2 || readers_meet(r, reader, count))
		return 0;
	return count;
}

static Val
again(Graph *g, Val v)
{
	Node n = *graph_node(g, v);

	return n.op == OP_cast ? build_cast(g, v, n.arg[0], n.type.dt) :
		build(g, v, n.op, n.arg, n.narg, n.attr, n.nattr);
}

/* Is v small and cheap, and does each of its readers take a slice of it? */
static bool
is_sliced(const Repeat *r, Val v)
{
	enum { FEW = 1 << 12 };
	const Node *n = node(r, v);
	bool any = false;

	if (!is_point(n) || !is_cheap(n->op) || r->users.outputs[v] || type_count(&n->type) > FEW)
		return false;
	for (int i = 0; i < n->narg; i++) {
		const Node *x = node(r, n->arg[i]);

		if (shares_kernel(r, n->arg[i]) || (!same_dims(&x->type, &n->type) && type_count(&x->type) != 1))
			return false;
	}
	for (uint32_t u = r->users.first[v]; u < r->users.first[v + 1]; u++, any = true)
		if (node(r, r->users.node[u])->op != OP_slice)
			return false;
	return any;
}

/* v of slices instead of slices of v */
static void
slice_first(Repeat *r, Val v)
{
	Graph *g = r->g;
	Node n = *node(r, v);

	for (uint32_t u = r->users.first[v]; u < r->users.first[v + 1]; u++) {
		Val s = r->users.node[u], arg[3];
		const Attr *attr = node(r, s)->attr;
		int nattr = node(r, s)->nattr;

		for (int i = 0; i < n.narg; i++)
			arg[i] = same_dims(&node(r, n.arg[i])->type, &n.type) ?
				build(g, s, OP_slice, &n.arg[i], 1, attr, nattr) : n.arg[i];
		take_over(g, s, n.op == OP_cast ? build_cast(g, v, arg[0], n.type.dt) :
			build(g, v, n.op, arg, n.narg, n.attr, n.nattr));
	}
}

static bool
slice_all_first(Graph *g, PassCtx *cx)
{
	Arena *tmp = arena_new();
	Repeat r = { .g = g };
	bool changed = false;

	users_find(tmp, g, &r.users);
	graph_foreach(g, v) {
		if (!is_sliced(&r, v))
			continue;
		slice_first(&r, v);
		pass_log(cx, "%%%u is made of slices, as its readers want it", v);
		changed = true;
	}
	arena_free(tmp);
	graph_order(g);
	return changed;
}

bool
pass_repeat(Graph *g, PassCtx *cx)
{
	bool more = g->group.n == 1, changed = more && slice_all_first(g, cx);

	while (more) {
		Arena *tmp = arena_new();
		Repeat r = { .g = g };
		Val reader[READERS];

		more = false;
		users_find(tmp, g, &r.users);
		/* one at a time, from the outputs up, as each changes who reads what */
		for (size_t i = g->order.n; i-- && !more;) {
			Val v = g->order.p[i];
			int n = repeaters(&r, v, reader);

			for (int k = 1; k < n; k++) {
				Val w = again(g, v);

				for (int a = 0; a < graph_node(g, reader[k])->narg; a++)
					if (graph_node(g, reader[k])->arg[a] == v)
						graph_node(g, reader[k])->arg[a] = w;
				pass_log(cx, "%%%u is made again, as %%%u, for %%%u", v, w, reader[k]);
				more = true;
			}
		}
		changed |= more;
		graph_order(g);
		arena_free(tmp);
	}
	return changed;
}
