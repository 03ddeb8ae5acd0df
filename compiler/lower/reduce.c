/* reduce.c -- sum, mean, amax, argmax, softmax, expect, with pointwise work before and after.
 *
 * Two shapes of the same loop.  Lanes run along the last dim that is kept, if that
 * dim is the last of all (each lane folds its own column); otherwise along the last
 * dim itself, which is folded in vectors and then across lanes:
 *
 *     x[N,A,4,16] over axis 3:  for (n, a, side):  reduce_add(x[.., 0..15])
 *     x[N,16,A]   over axis 1:  for (n, a in lanes): sum over 16 of x[n, i, a..]
 *
 * softmax makes three rounds over its row: greatest, sum of exponentials, result;
 * the argument is evaluated anew in each, for it is cheap or it is in memory.  Sums are
 * in f32 (f64 for f64), several lanes wide, so their error is that of pairwise sums.
 *
 * tile = { lanes, rows a task }
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower/gen.h"

enum { T_LANES, T_ROWS, T_COUNT };

/* bit d: dim d is folded */
static unsigned
folded_dims(const Graph *g, const Node *n)
{
	const Attr *axes = attr_find(n, A_axes);
	int rank = graph_node(g, n->arg[0])->type.rank;
	unsigned mask = 0;

	if (axes)
		for (int i = 0; i < axes->n; i++)
			mask |= 1u << axes->v[i];
	else
		mask = 1u << attr_int(n, A_axis, rank - 1);
	return mask;
}

/* Nodes of the group that stand before the root must keep a vector a vector. */
static bool
moves(const Graph *g, const Group *gr)
{
	uint32_t id = (uint32_t)(gr - g->group.p);

	for (Val v = 1; v < g->node.n; v++) {
		const Node *n = graph_node(g, v);

		if (n->op != OP_none && n->group == id && n->keep == KEEP_GROUP &&
		    op_info[n->op].fuse == FUSE_MOVE)
			return true;
	}
	return false;
}

void
choose_reduce(Arena *a, const Graph *g, const Target *t, Group *gr, int *pack)
{
	const Node *n = graph_node(g, gr->root), *x = graph_node(g, n->arg[0]);
	int64_t last = x->type.dim[x->type.rank - 1], rows, count = type_count(&n->type);
	int lanes = n->op == OP_argmax || moves(g, gr) || x->type.dt != DT_F32 ? 1 : target_lanes(t);

	(void)a;
	(void)pack;
	while (lanes > 1 && last <= lanes / 2)
		lanes /= 2;
	gr->ntile = T_COUNT;
	gr->tile[T_LANES] = lanes;
	rows = MAX(1, count / MAX(last, 1));
	gr->tile[T_ROWS] = (int32_t)MAX(1, MIN(rows, MAX(ceil_div(rows, 16), 4096 / MAX(last, 1))));
	if (t->kind == TARGET_GPU)
		gr->tile[T_ROWS] = 1;
}

typedef struct Fold {
	Gen *z;
	const Node *n, *x;
	unsigned mask;
	int lanes, rank;
	bool across;            /* lanes run along a folded dim */
	KScalar s;
} Fold;

/* combine(acc, value) for all elements of the row at c.  `round`: 0 greatest, 1 sum, 2 sum of
 * e^(x - top) and, if acc2 is given, of its products with the second argument; 3 argmax: acc2 is the index. */
static void
fold_row(Fold *f, const Coord *at, int round, Reg acc, Reg top, Reg acc2)
{
	Gen *z = f->z;
	KBuild *b = z->b;
	Coord c = *at;
	int dims[MAX_RANK], nd = 0, opened = 0;
	int64_t tail = 0;
	Reg number = 0;

	for (int d = 0; d < f->rank; d++)
		if (f->mask >> d & 1)
			dims[nd++] = d;
	for (int i = 0; i < nd; i++) {
		int d = dims[i];
		int64_t size = f->x->type.dim[d];
		bool vector = f->across && d == f->rank - 1;

		if (vector) {
			tail = size % f->lanes;
			size -= tail;
		}
		c.r[d] = k_for(b, k_ix(b, 0), k_ix(b, size), vector ? f->lanes : 1);
		opened++;
		number = number ? k_add(b, k_muli(b, number, f->x->type.dim[d]), c.r[d]) : c.r[d];
	}
	for (int part = 0; part < (tail ? 2 : 1); part++) {
		Reg x, live;

		if (part) {     /* what is left of the last dim: close its loop, use a partial vector */
			int d = f->rank - 1;

			k_close(b);
			opened--;
			c.r[d] = 0;
			c.k[d] = f->x->type.dim[d] - tail;
			c.active = (int)tail;
		}
		gen_forget_bases(z);
		z->root_value = 0;
		x = gen_value(z, f->n->arg[0], &c);
		if (c.lanes > 1 && k_type(b, x).lanes == 1)
			x = k_splat(b, c.lanes, x);
		switch (round) {
		case 2:
			x = k_op(b, K_exp, k_sub(b, x, top), 0, 0);
			if (acc2) {
				Reg w = gen_value(z, f->n->arg[1], &c);

				if (c.lanes > 1 && k_type(b, w).lanes == 1)
					w = k_splat(b, c.lanes, w);
				w = k_mul(b, x, w);
				if (part) {
					live = k_op(b, K_lt, k_lanes(b, kt(KS_I32, c.lanes)), k_int(b, KS_I32, tail), 0);
					w = k_select(b, live, w, k_real(b, k_type(b, w), 0));
				}
				k_op_to(b, acc2, K_add, acc2, w, 0);
			}
			/* fall through */
		case 1:
			if (part) {
				live = k_op(b, K_lt, k_lanes(b, kt(KS_I32, c.lanes)), k_int(b, KS_I32, tail), 0);
				x = k_select(b, live, x, k_real(b, k_type(b, x), 0));
			}
			k_op_to(b, acc, K_add, acc, x, 0);
			break;
		case 0:
			if (part) {
				live = k_op(b, K_lt, k_lanes(b, kt(KS_I32, c.lanes)), k_int(b, KS_I32, tail), 0);
				x = k_select(b, live, x, acc);
			}
			k_op_to(b, acc, K_max, acc, x, 0);
			break;
		default:
			k_if(b, k_op(b, K_lt, acc, x, 0));
			k_mov_to(b, acc, x);
			k_mov_to(b, acc2, number);
			k_close(b);
			break;
		}
	}
	while (opened--)
		k_close(b);
	gen_forget_bases(z);
}

static bool
scalar_is_real(KScalar s)
{
	return s == KS_F32 || s == KS_F64 || s == KS_F16 || s == KS_BF16;
}

static Reg
constant(KBuild *b, KType t, double x)
{
	if (scalar_is_real((KScalar)t.s))
		return k_real(b, t, x);
	return t.lanes > 1 ? k_splat(b, t.lanes, k_int(b, (KScalar)t.s, (int64_t)x)) : k_int(b, (KScalar)t.s, (int64_t)x);
}

/* the fold at kept coordinates c, and the epilogue */
static void
one_row(Fold *f, const Coord *c)
{
	Gen *z = f->z;
	KBuild *b = z->b;
	KType t = kt(f->s, c->lanes);
	double count = 1, least = scalar_is_real(f->s) ? (f->s == KS_F64 ? -1.7e308 : -3.4e38) : -2147483648.0;
	Reg acc = k_var(b, t), top = 0, index = 0, x;
	Coord o = *c;

	if (f->across) {        /* the result has one element where the lanes ran */
		o.lanes = o.active = 1;
	}
	for (int d = 0; d < f->rank; d++)
		if (f->mask >> d & 1)
			count *= (double)f->x->type.dim[d];
	switch (f->n->op) {
	case OP_sum:
	case OP_mean:
		k_mov_to(b, acc, constant(b, t, 0));
		fold_row(f, c, 1, acc, 0, 0);
		x = f->across ? k_reduce(b, K_reduce_add, acc) : acc;
		if (f->n->op == OP_mean)
			x = k_op(b, K_div, x, constant(b, k_type(b, x), count), 0);
		gen_finish(z, &o, x);
		return;
	case OP_amax:
		k_mov_to(b, acc, constant(b, t, least));
		fold_row(f, c, 0, acc, 0, 0);
		gen_finish(z, &o, f->across ? k_reduce(b, K_reduce_max, acc) : acc);
		return;
	case OP_argmax:
		index = k_var(b, kt(KS_IX, 1));
		k_mov_to(b, index, k_ix(b, 0));
		/* the first element always counts: start below everything, or at it */
		k_mov_to(b, acc, constant(b, t, least));
		fold_row(f, c, 3, acc, 0, index);
		gen_finish(z, &o, k_cast(b, KS_I32, index));
		return;
	default:
		break;
	}
	/* softmax: the row once more, element by element */
	k_mov_to(b, acc, constant(b, t, least));
	fold_row(f, c, 0, acc, 0, 0);
	top = f->across ? k_splat(b, c->lanes, k_reduce(b, K_reduce_max, acc)) : acc;
	Reg sum = k_var(b, t), inverse;
	int axis = (int)attr_int(f->n, A_axis, f->rank - 1);
	int64_t size = f->x->type.dim[axis], tail = f->across ? size % f->lanes : 0;

	k_mov_to(b, sum, constant(b, t, 0));
	if (f->n->op == OP_expect) {
		Reg mean = k_var(b, t);

		k_mov_to(b, mean, constant(b, t, 0));
		fold_row(f, c, 2, sum, top, mean);
		x = f->across ? k_reduce(b, K_reduce_add, mean) : mean;
		gen_finish(z, &o, k_op(b, K_div, x, f->across ? k_reduce(b, K_reduce_add, sum) : sum, 0));
		return;
	}
	fold_row(f, c, 2, sum, top, 0);
	inverse = k_op(b, K_div, constant(b, kt(f->s, 1), 1), f->across ? k_reduce(b, K_reduce_add, sum) : sum, 0);
	if (c->lanes > 1 && k_type(b, inverse).lanes == 1)
		inverse = k_splat(b, c->lanes, inverse);
	for (int part = 0; part < (tail ? 2 : 1); part++) {
		o = *c;
		if (part) {
			o.r[axis] = 0;
			o.k[axis] = size - tail;
			o.active = (int)tail;
		} else {
			o.r[axis] = k_for(b, k_ix(b, 0), k_ix(b, size - tail), f->across ? f->lanes : 1);
		}
		gen_forget_bases(z);
		z->root_value = 0;
		x = gen_value(z, f->n->arg[0], &o);
		if (c->lanes > 1 && k_type(b, x).lanes == 1)
			x = k_splat(b, c->lanes, x);
		x = k_mul(b, k_op(b, K_exp, k_sub(b, x, top), 0, 0), inverse);
		gen_finish(z, &o, x);
		if (!part)
			k_close(b);
		gen_forget_bases(z);
	}
}

bool
lower_reduce(LowerCtx *cx, uint32_t group, LoweredList *out, const char **err)
{
	const Group *gr = &cx->g->group.p[group];
	Gen gen, *z = &gen;
	Fold f = { .z = z, .n = graph_node(cx->g, gr->root), .lanes = gr->tile[T_LANES] };
	Coord c = { 0 };
	int64_t rows = 1, per = gr->tile[T_ROWS], last, tail, columns;
	Reg first, row, task[3];
	KBuild *b;

	(void)err;
	f.x = graph_node(cx->g, f.n->arg[0]);
	f.rank = f.x->type.rank;
	f.mask = folded_dims(cx->g, f.n);
	f.across = f.mask >> (f.rank - 1) & 1;
	f.s = f.x->type.dt == DT_F16 || f.x->type.dt == DT_BF16 ? KS_F32 : kscalar_of(f.x->type.dt);
	last = f.x->type.dim[f.rank - 1];
	for (int d = 0; d < f.rank - 1; d++)
		if (!(f.mask >> d & 1))
			rows *= f.x->type.dim[d];
	gen_begin(z, cx, group, arena_printf(cx->a, "%s_%" PRId64 "x%" PRId64, op_info[f.n->op].name,
		rows, last));
	b = z->b;
	c.vdim = f.rank - 1;
	c.lanes = c.active = f.lanes;
	columns = f.across || !gen_gpu(cx) ? 1 : ceil_div(last, f.lanes);
	gen_tasks(z, columns, ceil_div(rows, per), 1, task);
	first = k_muli(b, task[1], per);
	row = k_for(b, first, k_op(b, K_min, k_addi(b, first, per), k_ix(b, rows), 0), 1);
	gen_unflatten(z, row, &f.x->type, f.rank - 1, f.mask, &c);
	if (f.across) {
		one_row(&f, &c);
	} else {
		tail = last % f.lanes;
		if (last - tail > 0) {
			/* a GPU thread owns one column of lanes */
			Reg lo = columns > 1 ? k_muli(b, task[0], f.lanes) : k_ix(b, 0);
			Reg hi = columns > 1 ? k_op(b, K_min, k_addi(b, lo, 1), k_ix(b, last - tail), 0)
			                     : k_ix(b, last - tail);

			c.r[f.rank - 1] = k_for(b, lo, hi, f.lanes);
			gen_forget_bases(z);
			one_row(&f, &c);
			k_close(b);
			gen_forget_bases(z);
		}
		if (tail) {
			if (columns > 1)
				k_if(b, k_op(b, K_eq, task[0], k_ix(b, columns - 1), 0));
			c.r[f.rank - 1] = 0;
			c.k[f.rank - 1] = last - tail;
			c.active = (int)tail;
			one_row(&f, &c);
			if (columns > 1)
				k_close(b);
		}
	}
	k_close(b);
	gen_end(z, out);
	return true;
}
