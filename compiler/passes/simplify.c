/* simplify.c -- ops that do nothing, or do together what one can do.
 *
 *     x + 0, x - 0, x * 1, x / 1, x ^ 1                =>  x
 *     reshape (reshape x), and the like for other moves  =>  one move, or none
 *     slice (concat a, b, c)                           =>  what it takes of them
 *     concat (slice x 0..2), (slice x 2..5)            =>  slice x 0..5
 *     x + broadcast y                                  =>  x + y, which stretches y itself
 *
 * One function an op, tried wherever that op stands.  It returns the value to use instead,
 * which may be new, or 0.  Whoever adds a rule must see to it that
 *   1. the result has the type of what it replaces,
 *   2. it is equal for all inputs, NaN included; only the sign of a zero may change,
 *   3. it never makes more work, also when the old nodes stay for other readers,
 *   4. it does not undo what another rule does: rules run until none applies.
 *
 * The most useful one for YOLOv12 is concat of slices: a C3k2 block cuts a convolution in
 * two and joins the halves again, with more behind them.  Left alone, that is a copy of
 * both; as one piece the convolution writes straight into the joined storage.
 *
 * needs: order.   breaks: users.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "passes/build.h"

typedef struct Simplify {
	Graph *g;
	uint32_t *users;        /* as they were when the round began; 0 for newer nodes */
	size_t counted;         /* values that users[] knows */
} Simplify;

static const Node *
node(const Simplify *s, Val v)
{
	return graph_node(s->g, v);
}

static const Node *
arg(const Simplify *s, Val v, int i)
{
	return node(s, node(s, v)->arg[i]);
}

static bool
read_once(const Simplify *s, Val v)
{
	return v < s->counted && s->users[v] == 1;
}

/* x if it has v's type, else 0 */
static Val
if_same(const Simplify *s, Val v, Val x)
{
	return type_eq(&node(s, x)->type, &node(s, v)->type) ? x : 0;
}

/* ---- arithmetic ------------------------------------------------------------------- */

/* the argument that is left when the other one is filled with `neutral` */
static Val
drop_neutral(const Simplify *s, Val v, double neutral, bool either)
{
	for (int i = 1; i >= !either; i--)
		if (is_filled(arg(s, v, i), neutral))
			return if_same(s, v, node(s, v)->arg[!i]);
	return 0;
}

static Val simplify_add(Simplify *s, Val v) { return drop_neutral(s, v, 0, true); }
static Val simplify_sub(Simplify *s, Val v) { return drop_neutral(s, v, 0, false); }
static Val simplify_mul(Simplify *s, Val v) { return drop_neutral(s, v, 1, true); }
static Val simplify_div(Simplify *s, Val v) { return drop_neutral(s, v, 1, false); }
static Val simplify_pow(Simplify *s, Val v) { return drop_neutral(s, v, 1, false); }

/* min, max, and, or of twins */
static Val
simplify_twins(Simplify *s, Val v)
{
	return node(s, v)->arg[0] == node(s, v)->arg[1] ? node(s, v)->arg[0] : 0;
}

static Val
simplify_and(Simplify *s, Val v)
{
	Val x = drop_neutral(s, v, 1, true);

	return x ? x : simplify_twins(s, v);
}

static Val
simplify_or(Simplify *s, Val v)
{
	Val x = drop_neutral(s, v, 0, true);

	return x ? x : simplify_twins(s, v);
}

/* neg neg, not not */
static Val
simplify_twice(Simplify *s, Val v)
{
	return arg(s, v, 0)->op == node(s, v)->op ? arg(s, v, 0)->arg[0] : 0;
}

/* abs abs, floor floor …: once is enough */
static Val
simplify_again(Simplify *s, Val v)
{
	return arg(s, v, 0)->op == node(s, v)->op ? node(s, v)->arg[0] : 0;
}

static Val
simplify_select(Simplify *s, Val v)
{
	const Node *n = node(s, v);

	if (n->arg[1] == n->arg[2] || is_filled(arg(s, v, 0), 1))
		return if_same(s, v, n->arg[1]);
	if (is_filled(arg(s, v, 0), 0))
		return if_same(s, v, n->arg[2]);
	return 0;
}

static Val
simplify_copy(Simplify *s, Val v)
{
	return node(s, v)->arg[0];
}

/* Every value of a is one of b, so a cast from a to b loses nothing. */
static bool
holds(DType b, DType a)
{
	static const uint16_t wider[DT_COUNT] = {       /* bits: the types that hold this one */
		[DT_BOOL] = 1 << DT_U8 | 1 << DT_I32 | 1 << DT_I64 | 1 << DT_F16 | 1 << DT_BF16 |
		            1 << DT_F32 | 1 << DT_F64,
		[DT_U8]   = 1 << DT_I32 | 1 << DT_I64 | 1 << DT_F16 | 1 << DT_BF16 | 1 << DT_F32 |
		            1 << DT_F64,
		[DT_I32]  = 1 << DT_I64 | 1 << DT_F64,
		[DT_F16]  = 1 << DT_F32 | 1 << DT_F64,
		[DT_BF16] = 1 << DT_F32 | 1 << DT_F64,
		[DT_F32]  = 1 << DT_F64,
	};

	return a == b || (wider[a] >> b & 1);
}

static Val
simplify_cast(Simplify *s, Val v)
{
	const Node *n = node(s, v), *x = arg(s, v, 0);

	if (x->type.dt == n->type.dt)
		return n->arg[0];
	if (x->op == OP_cast && holds(x->type.dt, arg(s, n->arg[0], 0)->type.dt))
		return build_cast(s->g, v, x->arg[0], n->type.dt);
	return 0;
}

/* Does n keep its shape if argument i is x instead? */
static bool
still_stretches(const Simplify *s, const Node *n, int i, Val x)
{
	for (int d = 0; d < n->type.rank; d++) {
		bool full = node(s, x)->type.dim[d] == n->type.dim[d];

		for (int k = 0; k < n->narg && !full; k++)
			full = k != i && node(s, n->arg[k])->type.dim[d] == n->type.dim[d];
		if (!full)
			return false;
	}
	return true;
}

/* A point op stretches its arguments itself, as long as another one has the full size. */
static Val
simplify_stretched(Simplify *s, Val v)
{
	Node n = *node(s, v);

	for (int i = 0; i < n.narg; i++) {
		const Node *x = node(s, n.arg[i]);
		Val to[3];

		if (x->op != OP_broadcast || !still_stretches(s, &n, i, x->arg[0]))
			continue;
		memcpy(to, n.arg, sizeof *to * (size_t)n.narg);
		to[i] = x->arg[0];
		return build(s->g, v, n.op, to, n.narg, n.attr, n.nattr);
	}
	return 0;
}

/* ---- moves ------------------------------------------------------------------------ */

static Val
simplify_reshape(Simplify *s, Val v)
{
	const Node *n = node(s, v), *x = arg(s, v, 0);

	if (type_eq(&x->type, &n->type))
		return n->arg[0];
	if (x->op == OP_reshape)
		return build_reshape(s->g, v, x->arg[0], n->type.rank, n->type.dim);
	return 0;
}

static Val
simplify_permute(Simplify *s, Val v)
{
	const Node *n = node(s, v), *x = arg(s, v, 0);
	const int64_t *axes = permute_axes(n);
	int64_t joined[MAX_RANK];

	if (is_identity(axes, n->type.rank))
		return n->arg[0];
	if (x->op != OP_permute)
		return 0;
	for (int i = 0; i < n->type.rank; i++)
		joined[i] = permute_axes(x)[axes[i]];
	return build_permute(s->g, v, x->arg[0], joined);
}

/* A slice of step 1 that takes begin .. end of a concat along the same axis. */
static Val
slice_of_concat(Simplify *s, Val v, const Node *cat, int64_t axis, int64_t begin, int64_t end)
{
	int64_t at = 0, first_at = 0;
	int first = -1, last = -1;

	if (begin == end)
		return 0;
	for (int i = 0; i < cat->narg; i++) {
		int64_t size = node(s, cat->arg[i])->type.dim[axis];

		if (at < end && begin < at + size) {
			if (first < 0)
				first = i, first_at = at;
			last = i;
		}
		at += size;
	}
	if (last - first + 1 == cat->narg)
		return 0;       /* it takes something of all of them */
	/* a concat that others read stays: a smaller one beside it would copy */
	if (first != last && !read_once(s, node(s, v)->arg[0]))
		return 0;

	Val x = first == last ? cat->arg[first] :
		build_concat(s->g, v, &cat->arg[first], last - first + 1, axis);
	return build_slice(s->g, v, x, axis, begin - first_at, end - first_at, 1);
}

static Val
simplify_slice(Simplify *s, Val v)
{
	const Node *n = node(s, v), *x = arg(s, v, 0);
	int64_t axis = attr_int(n, A_axis, 0), step = attr_int(n, A_step, 1);
	int64_t begin = attr_int(n, A_begin, 0), end = attr_int(n, A_end, x->type.dim[axis]);

	if (type_eq(&x->type, &n->type))
		return n->arg[0];
	if (x->op == OP_slice && attr_int(x, A_axis, 0) == axis && n->type.dim[axis] > 0) {
		int64_t s0 = attr_int(x, A_step, 1), from = attr_int(x, A_begin, 0) + begin * s0;

		return build_slice(s->g, v, x->arg[0], axis, from,
		                   from + (n->type.dim[axis] - 1) * step * s0 + 1, step * s0);
	}
	if (x->op == OP_concat && attr_int(x, A_axis, 0) == axis && step == 1)
		return slice_of_concat(s, v, x, axis, begin, end);
	return 0;
}

/* b begins in their common argument where a ends */
static bool
continues(const Simplify *s, const Node *a, const Node *b, int64_t axis)
{
	int64_t size;

	if (a->op != OP_slice || b->op != OP_slice || a->arg[0] != b->arg[0] ||
	    attr_int(a, A_axis, 0) != axis || attr_int(b, A_axis, 0) != axis ||
	    attr_int(a, A_step, 1) != 1 || attr_int(b, A_step, 1) != 1)
		return false;
	size = node(s, a->arg[0])->type.dim[axis];
	return attr_int(a, A_end, size) == attr_int(b, A_begin, 0);
}

/* Argument i of a concat, and how many after it are one piece with it. */
static int
run_of_slices(const Simplify *s, const Node *n, int i, int64_t axis)
{
	int k = 1;

	while (i + k < n->narg && continues(s, node(s, n->arg[i + k - 1]), node(s, n->arg[i + k]), axis))
		k++;
	return k;
}

static Val
simplify_concat(Simplify *s, Val v)
{
	Node n = *node(s, v);
	int64_t axis = attr_int(&n, A_axis, 0);
	VEC(Val) to = { 0 };
	bool changed = false;

	if (n.narg == 1)
		return n.arg[0];
	for (int i = 0, k; i < n.narg; i += k) {
		Node x = *node(s, n.arg[i]);

		k = run_of_slices(s, &n, i, axis);
		if (x.type.dim[axis] == 0 && (to.n || i + 1 < n.narg)) {
			changed = true;
		} else if (x.op == OP_concat && attr_int(&x, A_axis, 0) == axis && read_once(s, n.arg[i])) {
			for (int j = 0; j < x.narg; j++)
				vec_push(s->g->a, &to, x.arg[j]);
			changed = true;
		} else if (k > 1) {
			const Node *end = node(s, n.arg[i + k - 1]);
			int64_t size = node(s, x.arg[0])->type.dim[axis];

			vec_push(s->g->a, &to, build_slice(s->g, v, x.arg[0], axis, attr_int(&x, A_begin, 0),
			                                   attr_int(end, A_end, size), 1));
			changed = true;
		} else {
			vec_push(s->g->a, &to, n.arg[i]);
		}
	}
	if (!changed || to.n > (size_t)op_info[OP_concat].hi)
		return 0;
	return build_concat(s->g, v, to.p, (int)to.n, axis);
}

static Val
simplify_broadcast(Simplify *s, Val v)
{
	const Node *n = node(s, v), *x = arg(s, v, 0);

	if (type_eq(&x->type, &n->type))
		return n->arg[0];
	if (x->op == OP_broadcast)
		return build(s->g, v, OP_broadcast, &x->arg[0], 1, n->attr, n->nattr);
	return 0;
}

static Val
simplify_resize(Simplify *s, Val v)
{
	const Node *n = node(s, v), *x = arg(s, v, 0);

	if (attr_int(n, A_factor, 1) == 1)
		return n->arg[0];
	if (x->op == OP_resize && node_nhwc(x) == node_nhwc(n) && read_once(s, n->arg[0])) {
		Attr a[2] = { attr_of_int(A_factor, attr_int(n, A_factor, 1) * attr_int(x, A_factor, 1)) };

		a[1] = attr_of_str(A_layout, "nhwc");
		return build(s->g, v, OP_resize, &x->arg[0], 1, a, 1 + node_nhwc(n));
	}
	return 0;
}

/* ---- the rest ----------------------------------------------------------------------- */

/* sum, mean or greatest of one element each */
static Val
simplify_reduce(Simplify *s, Val v)
{
	return if_same(s, v, node(s, v)->arg[0]);
}

static Val
simplify_pool(Simplify *s, Val v)
{
	const Node *n = node(s, v);

	for (int i = 0; i < 2; i++)
		if (attr_ints(n, A_kernel, i, 1) != 1 || attr_ints(n, A_stride, i, 1) != 1)
			return 0;
	return if_same(s, v, n->arg[0]);
}

/* a matmul reads either operand transposed */
static Val
simplify_matmul(Simplify *s, Val v)
{
	static const AttrKey key[] = { A_ta, A_tb };
	Node n = *node(s, v);

	for (int i = 0; i < 2; i++) {
		const Node *x = node(s, n.arg[i]);
		int r = x->type.rank;
		int64_t axes[MAX_RANK];
		Val to[2] = { n.arg[0], n.arg[1] };
		Attr a[2];

		if (x->op != OP_permute)
			continue;
		memcpy(axes, permute_axes(x), sizeof *axes * (size_t)r);
		if (axes[r - 1] != r - 2 || axes[r - 2] != r - 1 || !is_identity(axes, r - 2))
			continue;
		to[i] = x->arg[0];
		for (int k = 0; k < 2; k++)
			a[k] = attr_of_int(key[k], attr_int(&n, key[k], 0) ^ (k == i));
		return build(s->g, v, OP_matmul, to, 2, a, 2);
	}
	return 0;
}

typedef Val Rule(Simplify *s, Val v);

static Rule *const rule[OP_COUNT] = {
	[OP_add] = simplify_add, [OP_sub] = simplify_sub, [OP_mul] = simplify_mul,
	[OP_div] = simplify_div, [OP_pow] = simplify_pow,
	[OP_min] = simplify_twins, [OP_max] = simplify_twins,
	[OP_and] = simplify_and, [OP_or] = simplify_or,
	[OP_neg] = simplify_twice, [OP_not] = simplify_twice,
	[OP_abs] = simplify_again, [OP_floor] = simplify_again, [OP_ceil] = simplify_again,
	[OP_round] = simplify_again,
	[OP_select] = simplify_select, [OP_copy] = simplify_copy, [OP_cast] = simplify_cast,
	[OP_reshape] = simplify_reshape, [OP_permute] = simplify_permute, [OP_slice] = simplify_slice,
	[OP_concat] = simplify_concat, [OP_broadcast] = simplify_broadcast, [OP_resize] = simplify_resize,
	[OP_sum] = simplify_reduce, [OP_mean] = simplify_reduce, [OP_amax] = simplify_reduce,
	[OP_pool] = simplify_pool, [OP_matmul] = simplify_matmul,
};

static bool
one_round(Graph *g, PassCtx *cx)
{
	Arena *tmp = arena_new();
	Simplify s = { .g = g, .users = graph_users(tmp, g), .counted = g->node.n };
	bool changed = false;

	graph_foreach(g, v) {
		OpKind op = graph_node(g, v)->op;
		Val to = rule[op] ? rule[op](&s, v) : 0;

		if (!to && op_info[op].fuse == FUSE_POINT && op_info[op].hi > 1)
			to = simplify_stretched(&s, v);
		if (!to)
			continue;
		pass_log(cx, "%%%u (%s) is %%%u", v, op_info[op].name, to);
		take_over(g, v, to);
		changed = true;
	}
	arena_free(tmp);
	return changed;
}

bool
pass_simplify(Graph *g, PassCtx *cx)
{
	bool changed = false;

	/* each round shortens the graph, or makes a move of it smaller */
	while (one_round(g, cx)) {
		graph_order(g);
		changed = true;
	}
	return changed;
}
