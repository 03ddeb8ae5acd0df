/* hoist.c -- pointwise work moves up, to the kernel that makes the values.
 *
 *     %3 = reshape %1                     %6 = sigmoid %1
 *     %4 = reshape %2                     %7 = sigmoid %2
 *     %5 = concat %3, %4            =>    %5 = concat (reshape %6), (reshape %7)
 *     %6 = sigmoid %5
 *
 * Maps of several levels are flattened, joined, and then get their activation: a kernel of
 * its own that reads and writes everything once more.  Above the concat it is the epilogue
 * of the convolutions, for nothing.
 *
 * Only if every part is made by an op that takes pointwise work along, and for this reader
 * alone.  Other operands have to be the same for all parts: one element for a reshape, one
 * element along the axis of a concat; or constants, which are cut by fold.
 *
 * needs: order, permutes sunk (they stand in the way).   breaks: users.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "passes/build.h"

typedef struct Hoist {
	Graph *g;
	uint32_t *users;
	size_t counted;         /* values that users[] knows */
} Hoist;

static const Node *
node(const Hoist *h, Val v)
{
	return graph_node(h->g, v);
}

static bool
read_once(const Hoist *h, Val v)
{
	return v < h->counted && h->users[v] == 1;
}

/* Will work on v run where v is made? */
static bool
takes_work(const Hoist *h, Val v)
{
	while (read_once(h, v) && node(h, v)->op == OP_reshape)
		v = node(h, v)->arg[0];
	if (!read_once(h, v))
		return false;
	if (node(h, v)->op == OP_concat) {
		for (int i = 0; i < node(h, v)->narg; i++)
			if (!takes_work(h, node(h, v)->arg[i]))
				return false;
		return true;
	}
	switch (op_info[node(h, v)->op].fuse) {
	case FUSE_POINT: case FUSE_REDUCE: case FUSE_HEAVY:
		return true;
	default:
		return false;
	}
}

/* The operand that is a reshape or concat of v's own shape; -1: there is none, or it is not
 * the only one with more than one element along each axis that matters. */
static int
wide_operand(const Hoist *h, Val v)
{
	const Node *n = node(h, v);

	for (int i = 0; i < n->narg; i++) {
		const Node *x = node(h, n->arg[i]);

		if ((x->op == OP_reshape || x->op == OP_concat) && same_dims(&x->type, &n->type) &&
		    takes_work(h, n->arg[i]))
			return i;
	}
	return -1;
}

/* v on `part` instead of its operand `wide`, with other[] as the rest */
static Val
on_part(Hoist *h, Val v, int wide, Val part, const Val *other)
{
	Node n = *node(h, v);
	Val arg[3];

	for (int i = 0; i < n.narg; i++)
		arg[i] = i == wide ? part : other[i];
	return n.op == OP_cast ? build_cast(h->g, v, part, n.type.dt) :
		build(h->g, v, n.op, arg, n.narg, n.attr, n.nattr);
}

static Val
above_reshape(Hoist *h, Val v, int wide)
{
	static const int64_t ones[MAX_RANK] = { 1, 1, 1, 1, 1, 1 };
	Node n = *node(h, v);
	Val x = node(h, n.arg[wide])->arg[0], other[3] = { 0 }, made;
	int rank = node(h, x)->type.rank;

	for (int i = 0; i < n.narg; i++)
		if (i != wide && type_count(&node(h, n.arg[i])->type) != 1)
			return 0;
	for (int i = 0; i < n.narg; i++)
		if (i != wide)
			other[i] = build_reshape(h->g, v, n.arg[i], rank, ones);
	made = on_part(h, v, wide, x, other);
	return made ? build_reshape(h->g, v, made, n.type.rank, n.type.dim) : 0;
}

static Val
above_concat(Hoist *h, Val v, int wide)
{
	Node n = *node(h, v), cat = *node(h, n.arg[wide]);
	int64_t axis = attr_int(&cat, A_axis, 0), at = 0;
	Val *part = NEWN(h->g->a, Val, (size_t)cat.narg);

	for (int i = 0; i < n.narg; i++)
		if (i != wide && node(h, n.arg[i])->type.dim[axis] != 1 && !is_constant(node(h, n.arg[i])))
			return 0;
	for (int k = 0; k < cat.narg; k++) {
		int64_t size = node(h, cat.arg[k])->type.dim[axis];
		Val other[3] = { 0 };

		for (int i = 0; i < n.narg; i++)
			if (i != wide)
				other[i] = node(h, n.arg[i])->type.dim[axis] == 1 ? n.arg[i] :
					build_slice(h->g, v, n.arg[i], axis, at, at + size, 1);
		part[k] = on_part(h, v, wide, cat.arg[k], other);
		at += size;
	}
	return build_concat(h->g, v, part, cat.narg, axis);
}

static bool
one_round(Graph *g, PassCtx *cx)
{
	Arena *tmp = arena_new();
	Hoist h = { .g = g, .users = graph_users(tmp, g), .counted = g->node.n };
	bool changed = false;

	graph_foreach(g, v) {
		const Node *n = graph_node(g, v);
		int wide = op_info[n->op].fuse == FUSE_POINT ? wide_operand(&h, v) : -1;

		if (wide < 0)
			continue;

		OpKind over = graph_node(g, n->arg[wide])->op;
		Val to = over == OP_reshape ? above_reshape(&h, v, wide) : above_concat(&h, v, wide);

		if (!to)
			continue;
		pass_log(cx, "%%%u (%s) moves above the %s", v, op_info[graph_node(g, v)->op].name, op_info[over].name);
		take_over(g, v, to);
		changed = true;
	}
	arena_free(tmp);
	return changed;
}

bool
pass_hoist(Graph *g, PassCtx *cx)
{
	bool changed = false;

	/* upwards only, so this ends */
	while (one_round(g, cx)) {
		graph_order(g);
		changed = true;
	}
	return changed;
}
