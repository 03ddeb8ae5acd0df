/* gen.c -- buffers, coordinates, and pointwise work for the kernel families.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower/gen.h"

/* ---- kernels and their buffers ------------------------------------------------- */

void
gen_begin(Gen *z, LowerCtx *cx, uint32_t group, const char *name)
{
	*z = (Gen){ .cx = cx, .a = cx->a, .g = cx->g, .gr = &cx->g->group.p[group], .id = group };
	z->b = k_begin(z->a, name);
	z->low = NEW(z->a, Lowered);
	z->buf = NEWN(z->a, uint32_t, cx->g->node.n);
	z->memo = NEWN(z->a, Reg, cx->g->node.n);
	z->root = z->gr->root;
}

/* threads of a block of small independent tasks */
enum { TASK_THREADS = 128 };

void
gen_tasks(Gen *z, int64_t nx, int64_t ny, int64_t nz, Reg task[3])
{
	KBuild *b = z->b;
	int64_t all = nx * ny * nz, size[3] = { nx, ny, nz };

	if (!gen_gpu(z->cx)) {
		k_grid(b, nx, ny, nz);
		for (int i = 0; i < 3; i++)
			task[i] = size[i] > 1 ? k_axis(b, (KAxis)(KAXIS_BLOCK_X + i)) : k_ix(b, 0);
		return;
	}
	int threads = all < TASK_THREADS ? (int)ceil_div(all, 32) * 32 : TASK_THREADS;
	Reg at;

	k_threads(b, threads, 1, 1);
	k_grid(b, ceil_div(all, threads), 1, 1);
	at = k_add(b, k_muli(b, k_axis(b, KAXIS_BLOCK_X), threads), k_axis(b, KAXIS_THREAD_X));
	if (all % threads) {
		k_if(b, k_op(b, K_lt, at, k_ix(b, all), 0));
		z->guarded = true;
	}
	for (int i = 0; i < 3; i++) {
		Reg q = size[i] > 1 && i < 2 ? k_op(b, K_div, at, k_ix(b, size[i]), 0) : at;

		task[i] = size[i] == 1 ? k_ix(b, 0) : i == 2 ? at : k_sub(b, at, k_muli(b, q, size[i]));
		at = q;
	}
}

static bool
same_place(const Node *x, const Node *y)
{
	if (x->place.buf != y->place.buf || x->place.offset != y->place.offset ||
	    x->type.rank != y->type.rank || x->type.dt != y->type.dt)
		return false;
	for (int i = 0; i < x->type.rank; i++)
		if (x->type.dim[i] != y->type.dim[i] ||
		    (x->type.dim[i] > 1 && x->place.stride[i] != y->place.stride[i]))
			return false;
	return true;
}

void
gen_end(Gen *z, LoweredList *out)
{
	Kernel *k;

	if (z->guarded)
		k_close(z->b);
	k = k_end(z->b);
	z->low->kernel = k;
	/* an out that takes the storage of an operand over, element by element */
	for (size_t i = 0; i < z->low->arg.n; i++)
		for (size_t j = 0; j < z->low->arg.n; j++) {
			const LaunchArg *o = &z->low->arg.p[i], *x = &z->low->arg.p[j];

			if (i != j && k->buf.p[i].out && o->kind == ARG_VALUE && x->kind == ARG_VALUE &&
			    same_place(gen_node(z, o->v), gen_node(z, x->v)))
				k->buf.p[i].inplace = k->buf.p[j].inplace = true;
		}
	vec_push(z->a, &out->l, *z->low);
}

/* elements from the first to the last that the value can reach */
static int64_t
extent(const Node *n)
{
	int64_t last = 0;

	for (int i = 0; i < n->type.rank; i++) {
		if (n->type.dim[i] < 0)
			return -1;
		last += (n->type.dim[i] - 1) * n->place.stride[i];
	}
	return last + 1;
}

/* The arena and the constants are aligned; so is what a GPU gets of a caller's memory, since it is copied; on a
 * host the caller's own is read, which is aligned to its elements only. */
static int
place_align(const Graph *g, const Node *n, bool gpu)
{
	int size = dtype_info[n->type.dt].bytes, align = 64;
	int64_t at = n->place.offset * size;

	if (g->buf.p[n->place.buf].kind == BUF_INPUT && !gpu)
		return size;

	while (at % align)
		align /= 2;
	return align;
}

uint32_t
gen_buf(Gen *z, Val v)
{
	const Node *n = gen_node(z, v);

	if (!z->buf[v]) {
		char name[24];

		snprintf(name, sizeof name, "a%zu", z->low->arg.n);
		if (group_writes(z->gr, v))
			snprintf(name, sizeof name, v == z->gr->out ? "y" : "also");
		z->buf[v] = k_param(z->b, arena_str(z->a, name), n->type.dt, extent(n), group_writes(z->gr, v));
		k_align(z->b, z->buf[v], place_align(z->g, n, gen_gpu(z->cx)));
		vec_push(z->a, &z->low->arg, ((LaunchArg){ .kind = ARG_VALUE, .v = v }));
	}
	return z->buf[v];
}

uint32_t
gen_tmap(Gen *z, Val v, const KTmap *map)
{
	char name[24];

	snprintf(name, sizeof name, "m%zu", z->low->arg.n);
	vec_push(z->a, &z->low->arg, ((LaunchArg){ .kind = ARG_TMAP, .v = v }));
	return k_tmap(z->b, arena_str(z->a, name), gen_node(z, v)->type.dt, map);
}

uint32_t
gen_work(Gen *z, const char *name, DType dt, int64_t count, int64_t offset, bool out)
{
	uint32_t buf = k_param(z->b, name, dt, count, out);

	k_align(z->b, buf, 64);
	vec_push(z->a, &z->low->arg,
	         ((LaunchArg){ .kind = ARG_WORK, .group = z->id, .offset = offset }));
	return buf;
}

uint32_t
gen_dims(Gen *z, Val v)
{
	uint32_t buf = k_param(z->b, "dims", DT_I64, gen_node(z, v)->type.rank, false);

	vec_push(z->a, &z->low->arg, ((LaunchArg){ .kind = ARG_DIMS, .v = v }));
	return buf;
}

/* ---- coordinates ----------------------------------------------------------------- */

void
gen_forget(Gen *z)
{
	for (size_t i = 0; i < z->memoed.n; i++)
		z->memo[z->memoed.p[i]] = 0;
	z->memoed.n = 0;
}

void
gen_forget_bases(Gen *z)
{
	z->nbase = 0;
	gen_forget(z);
}

/* the register part of an index: sum of r[i] * stride[i]; 0 if there is none */
static Reg
base_of(Gen *z, Val v, const Coord *c, const int64_t *stride)
{
	const Node *n = gen_node(z, v);
	Reg r[MAX_RANK] = { 0 }, base = 0;
	bool any = false;

	for (int i = 0; i < n->type.rank; i++)
		if (n->type.dim[i] != 1 && stride[i] != 0 && c->r[i])
			r[i] = c->r[i], any = true;
	if (!any)
		return 0;
	for (size_t i = 0; i < z->nbase; i++)
		if (z->base[i].v == v && memcmp(z->base[i].r, r, sizeof r) == 0)
			return z->base[i].base;
	for (int i = 0; i < n->type.rank; i++)
		if (r[i]) {
			Reg part = k_muli(z->b, r[i], stride[i]);

			base = base ? k_add(z->b, base, part) : part;
		}
	if (z->nbase == z->cbase) {
		size_t cap = z->cbase ? 2 * z->cbase : 32;
		struct GenBase *p = NEWN(z->a, struct GenBase, cap);

		if (z->nbase)
			memcpy(p, z->base, z->nbase * sizeof *p);
		z->base = p;
		z->cbase = cap;
	}
	z->base[z->nbase].v = v;
	memcpy(z->base[z->nbase].r, r, sizeof r);
	z->base[z->nbase++].base = base;
	return base;
}

static int64_t
const_part(const Node *n, const Coord *c, const int64_t *stride)
{
	int64_t at = 0;

	for (int i = 0; i < n->type.rank; i++)
		if (n->type.dim[i] != 1)
			at += c->k[i] * stride[i];
	return at;
}

Reg
gen_index(Gen *z, Val v, const Coord *c)
{
	const Node *n = gen_node(z, v);
	Reg base = base_of(z, v, c, n->place.stride);
	int64_t at = const_part(n, c, n->place.stride);

	return base ? k_addi(z->b, base, at) : k_ix(z->b, at);
}

/* the coordinate along one dim as a register */
static Reg
coord_reg(Gen *z, const Coord *c, int dim)
{
	return c->r[dim] ? k_addi(z->b, c->r[dim], c->k[dim]) : k_ix(z->b, c->k[dim]);
}

/* index / d for a coordinate; constants fold */
static void
coord_div(Gen *z, Coord *c, int dim, int64_t d)
{
	if (c->r[dim]) {
		c->r[dim] = k_op(z->b, K_div, coord_reg(z, c, dim), k_ix(z->b, d), 0);
		c->k[dim] = 0;
	} else {
		c->k[dim] /= d;
	}
}

Reg
gen_element(Gen *z, Val v, Reg i, Reg j, Reg k)
{
	const Node *n = gen_node(z, v);
	Reg r[3] = { i, j, k }, at = k_ix(z->b, 0);

	for (int d = 0; d < n->type.rank; d++)
		if (n->type.dim[d] != 1)
			at = k_add(z->b, at, k_muli(z->b, r[d], n->place.stride[d]));
	return k_load(z->b, gen_buf(z, v), at, 1);
}

void
gen_unflatten(Gen *z, Reg number, const Type *t, int n, unsigned skip, Coord *c)
{
	for (int d = n - 1; d >= 0; d--) {
		Reg q;

		if (t->dim[d] == 1 || skip >> d & 1)
			continue;
		q = k_op(z->b, K_div, number, k_ix(z->b, t->dim[d]), 0);
		c->r[d] = k_sub(z->b, number, k_muli(z->b, q, t->dim[d]));
		number = q;
	}
}

/* ---- values ------------------------------------------------------------------------- */

/* half precision is computed in f32 */
static KScalar
compute_scalar(DType dt)
{
	return dt == DT_F16 || dt == DT_BF16 ? KS_F32 : kscalar_of(dt);
}

static bool
is_real(KScalar s)
{
	return s == KS_F16 || s == KS_BF16 || s == KS_F32 || s == KS_F64;
}

static Reg
splat_to(Gen *z, const Coord *c, Reg x)
{
	return c->lanes > 1 && k_type(z->b, x).lanes == 1 ? k_splat(z->b, c->lanes, x) : x;
}

static Reg
load_value(Gen *z, Val v, const Coord *c)
{
	const Node *n = gen_node(z, v);
	uint32_t buf;
	int64_t step;
	Reg x;

	/* a constant of one element is part of the code, not of memory */
	if (n->op == OP_const && n->data && type_count(&n->type) == 1) {
		double one = dtype_get(n->type.dt, n->data, 0);
		KScalar s = compute_scalar(n->type.dt);

		return is_real(s) ? k_real(z->b, kt(s, 1), one) : k_int(z->b, s, (int64_t)one);
	}
	buf = gen_buf(z, v);
	step = c->lanes == 1 || n->type.rank <= c->vdim || n->type.dim[c->vdim] == 1
	     ? 0 : n->place.stride[c->vdim];
	if (step == 0) {
		x = k_load(z->b, buf, gen_index(z, v, c), 1);
	} else if (step == 1) {
		x = k_load_part(z->b, buf, gen_index(z, v, c), c->lanes, c->active);
	} else {
		/* lanes past the active ones read the last active element, which exists */
		Reg lane = k_lanes(z->b, kt(KS_IX, c->lanes));

		if (c->active < c->lanes)
			lane = k_op(z->b, K_min, lane, k_ix(z->b, c->active - 1), 0);
		x = k_gather(z->b, buf, k_add(z->b, k_splat(z->b, c->lanes, gen_index(z, v, c)),
		                              k_mul(z->b, lane, k_ix(z->b, step))));
	}
	return k_cast(z->b, compute_scalar(n->type.dt), x);
}

/* Integers divide toward minus infinity.  By zero gives 0 and 0, as the evaluator says, and the least
 * number by -1 wraps: nothing that a machine would trap on is ever divided.  `safe`: the divisor is
 * known to be neither. */
static Reg
floor_div(Gen *z, Reg x, Reg y, bool safe, Reg *rest)
{
	KBuild *b = z->b;
	KScalar s = (KScalar)k_type(b, x).s;
	Reg q, r, zero = k_int(b, s, 0), fix, none = 0, minus = 0;

	if (is_real(s)) {
		q = k_op(b, K_floor, k_op(b, K_div, x, y, 0), 0, 0);
		*rest = k_sub(b, x, k_mul(b, q, y));
		return q;
	}
	if (!safe) {
		Reg one = k_type(b, y).lanes > 1 ? k_splat(b, k_type(b, y).lanes, k_int(b, s, 1)) : k_int(b, s, 1);

		none = k_op(b, K_eq, y, zero, 0);
		minus = k_op(b, K_eq, y, k_int(b, s, -1), 0);
		y = k_select(b, k_op(b, K_or, none, minus, 0), one, y);
	}
	q = k_op(b, K_div, x, y, 0);
	r = k_sub(b, x, k_mul(b, q, y));
	if (!safe) {
		Reg o = k_sub(b, x, x);

		q = k_select(b, none, o, k_select(b, minus, k_sub(b, o, x), q));
		*rest = k_select(b, none, o, r);
	}
	fix = k_op(b, K_and, k_op(b, K_ne, r, zero, 0),
	           k_op(b, K_xor, k_op(b, K_lt, r, zero, 0), k_op(b, K_lt, y, zero, 0), 0), 0);
	if (!safe)      /* the divisor is 1 where it was neither: nothing to mend there */
		*rest = k_select(b, fix, k_add(b, r, y), *rest);
	else
		*rest = k_select(b, fix, k_add(b, r, y), r);
	return k_select(b, fix, k_sub(b, q, k_int(b, s, 1)), q);
}

static bool
safe_divisor(Gen *z, Val v)
{
	const Node *n = gen_node(z, v);
	double x;

	if (n->op != OP_const || !n->data || type_count(&n->type) != 1)
		return false;
	x = dtype_get(n->type.dt, n->data, 0);
	return x != 0 && x != -1;
}

/* x ^ y.  Whole constant exponents multiply, so that a negative base is fine with them. */
static Reg
power(Gen *z, Val exponent, Reg x, Reg y)
{
	const Node *e = gen_node(z, exponent);
	KBuild *b = z->b;

	if (e->op == OP_const && e->data && type_count(&e->type) == 1) {
		double k = dtype_get(e->type.dt, e->data, 0);

		if (k == 0.5)
			return k_op(b, K_sqrt, x, 0, 0);
		if (k == (int)k && k >= 1 && k <= 16) {
			Reg r = x;

			for (int i = 1; i < (int)k; i++)
				r = k_mul(b, r, x);
			return r;
		}
	}
	return k_op(b, K_exp, k_mul(b, y, k_op(b, K_log, x, 0, 0)), 0, 0);
}

/* graph ops that are one kernel op */
static const KOp direct[OP_COUNT] = {
	[OP_neg] = K_neg, [OP_abs] = K_abs, [OP_exp] = K_exp, [OP_log] = K_log,
	[OP_sqrt] = K_sqrt, [OP_sin] = K_sin, [OP_cos] = K_cos, [OP_tanh] = K_tanh,
	[OP_sigmoid] = K_sigmoid, [OP_floor] = K_floor, [OP_ceil] = K_ceil, [OP_round] = K_round,
	[OP_add] = K_add, [OP_sub] = K_sub, [OP_mul] = K_mul, [OP_min] = K_min, [OP_max] = K_max,
	[OP_eq] = K_eq, [OP_ne] = K_ne, [OP_lt] = K_lt, [OP_le] = K_le,
	[OP_and] = K_and, [OP_or] = K_or,
};

static Reg
point_value(Gen *z, Val v, const Coord *c)
{
	const Node *n = gen_node(z, v);
	KBuild *b = z->b;
	Reg x[3] = { 0 };
	bool real;

	for (int i = 0; i < n->narg; i++)
		x[i] = gen_value(z, n->arg[i], c);
	for (int i = 1; i < n->narg; i++)       /* scalars follow the widest */
		if (k_type(b, x[i]).lanes != k_type(b, x[0]).lanes)
			for (int j = 0; j < n->narg; j++)
				x[j] = splat_to(z, c, x[j]);
	real = is_real((KScalar)k_type(b, x[0]).s);
	switch (n->op) {
	case OP_copy:
		return x[0];
	case OP_cast:
		if (n->type.dt == DT_BOOL)
			return k_op(b, K_ne, x[0], k_cast(b, (KScalar)k_type(b, x[0]).s, k_int(b, KS_I32, 0)), 0);
		return k_cast(b, compute_scalar(n->type.dt), x[0]);
	case OP_not:
		return k_op(b, K_xor, x[0], k_int(b, KS_I1, 1), 0);
	case OP_div: {
		Reg rest;

		return real ? k_op(b, K_div, x[0], x[1], 0) : floor_div(z, x[0], x[1], safe_divisor(z, n->arg[1]), &rest);
	}
	case OP_mod: {
		Reg rest;

		floor_div(z, x[0], x[1], safe_divisor(z, n->arg[1]), &rest);
		return rest;
	}
	case OP_pow:
		return power(z, n->arg[1], x[0], x[1]);
	case OP_select:
		return k_select(b, x[0], x[1], x[2]);
	default:
		return k_op(b, direct[n->op], x[0], x[1], 0);
	}
}

/* the coordinates in the argument of a MOVE op */
static Coord
moved(Gen *z, const Node *n, const Coord *c)
{
	const Node *x = gen_node(z, n->arg[0]);
	Coord to = *c;

	switch (n->op) {
	case OP_permute:
		for (int i = 0; i < n->type.rank; i++) {
			int d = (int)attr_ints(n, A_axes, i, i);

			to.r[d] = c->r[i];
			to.k[d] = c->k[i];
			if (i == c->vdim)
				to.vdim = d;
		}
		break;
	case OP_slice: {
		int d = (int)attr_int(n, A_axis, 0);
		int64_t step = attr_int(n, A_step, 1);

		if (to.r[d])
			to.r[d] = k_muli(z->b, to.r[d], step);
		to.k[d] = attr_int(n, A_begin, 0) + to.k[d] * step;
		break;
	}
	case OP_broadcast:
		break;          /* dims of size 1 count as coordinate 0 anyway */
	case OP_resize: {
		int h = node_nhwc(n) ? 1 : 2;
		int64_t f = attr_int(n, A_factor, 1);

		coord_div(z, &to, h, f);
		coord_div(z, &to, h + 1, f);
		break;
	}
	case OP_reshape: {
		int64_t stride[MAX_RANK], from[MAX_RANK];
		Reg at;

		type_strides(&n->type, stride);
		type_strides(&x->type, from);
		at = k_ix(z->b, 0);
		for (int i = 0; i < n->type.rank; i++)
			if (n->type.dim[i] != 1)
				at = k_add(z->b, at, k_muli(z->b, coord_reg(z, c, i), stride[i]));
		memset(&to, 0, sizeof to);
		to.lanes = c->lanes;
		to.active = c->active;
		to.vdim = x->type.rank - 1;
		for (int i = 0; i < x->type.rank; i++) {
			Reg q = k_op(z->b, K_div, at, k_ix(z->b, from[i]), 0);

			if (x->type.dim[i] != 1)
				to.r[i] = q;
			at = k_sub(z->b, at, k_mul(z->b, q, k_ix(z->b, from[i])));
		}
		break;
	}
	default:
		break;
	}
	return to;
}

static bool
same_coord(const Coord *x, const Coord *y)
{
	return memcmp(x->r, y->r, sizeof x->r) == 0 && memcmp(x->k, y->k, sizeof x->k) == 0 &&
	       x->vdim == y->vdim;
}

/* Does v grow by one from lane to lane? */
static bool
counts(const Gen *z, Val v)
{
	const Node *n = gen_node(z, v);
	bool one[2];

	if (v == z->counts)
		return true;
	if (n->op != OP_add && n->op != OP_sub)
		return false;
	for (int i = 0; i < 2; i++)
		one[i] = gen_node(z, n->arg[i])->type.dim[1] == 1;      /* the same in all lanes */
	return (one[1] && counts(z, n->arg[0])) || (n->op == OP_add && one[0] && counts(z, n->arg[1]));
}

/* x[i, j, ..]: each index moved into its dim, unless it is known to lie there.  Where the last grows with the
 * lanes, as in bias[h, j - i + 8], they are one load; else they are gathered. */
static Reg
pick_value(Gen *z, Val v, const Coord *c)
{
	const Node *n = gen_node(z, v), *x = gen_node(z, n->arg[0]);
	KBuild *b = z->b;
	int last = x->type.rank - 1;
	bool row = c->lanes > 1 && z->counts && z->inside && z->inside[v] && x->place.stride[last] == 1 &&
		x->type.dim[last] > 1 && counts(z, n->arg[last + 1]);
	Reg at = 0;

	for (int k = 0; k < last && row; k++)
		row = gen_node(z, n->arg[k + 1])->type.dim[1] == 1;
	for (int k = 0; k < x->type.rank; k++) {
		Reg i = gen_value(z, n->arg[k + 1], c);

		if (row && k == last)
			i = k_lane(b, i, 0);

		if (x->type.dim[k] == 1)
			continue;
		if (!z->inside || !z->inside[v])
			i = k_op(b, K_min, k_op(b, K_max, i, k_int(b, KS_I32, 0), 0), k_int(b, KS_I32, x->type.dim[k] - 1), 0);
		i = k_muli(b, i, x->place.stride[k]);
		at = at ? k_add(b, at, i) : i;
	}
	at = at ? k_cast(b, KS_IX, at) : k_ix(b, 0);
	at = row ? k_load(b, z->buf[n->arg[0]], at, c->lanes) : k_type(b, at).lanes > 1 ? k_gather(b, z->buf[n->arg[0]], at) : k_load(b, z->buf[n->arg[0]], at, 1);
	return k_cast(b, compute_scalar(x->type.dt), at);
}

/* The value at other coordinates than those at hand: what is remembered does not hold there. */
static Reg
value_elsewhere(Gen *z, Val v, const Coord *c)
{
	VEC(Val) keep = { z->memoed.p, z->memoed.n, z->memoed.cap };
	Reg *memo = z->memo, x;

	z->memo = NEWN(z->a, Reg, z->g->node.n);
	memset(&z->memoed, 0, sizeof z->memoed);
	x = gen_value(z, v, c);
	z->memo = memo;
	z->memoed.p = keep.p, z->memoed.n = keep.n, z->memoed.cap = keep.cap;
	return x;
}

/* A concat that is computed: the coordinate along its axis says which argument it is, and only that one
 * is evaluated.  A vector lies inside one argument (group_lanes of point.c sees to that). */
static Reg
joined_value(Gen *z, Val v, const Coord *c)
{
	const Node *n = gen_node(z, v);
	int axis = (int)attr_int(n, A_axis, 0), last = n->narg - 1;
	int64_t begin = 0;
	Coord to = *c;
	Reg at, y;

	if (!c->r[axis]) {
		for (int i = 0; ; i++) {
			int64_t size = gen_node(z, n->arg[i])->type.dim[axis];

			if (to.k[axis] < size || i == last)
				return value_elsewhere(z, n->arg[i], &to);
			to.k[axis] -= size;
		}
	}
	at = coord_reg(z, c, axis);
	y = k_var(z->b, kt(compute_scalar(n->type.dt), c->lanes));
	to.k[axis] = 0;
	for (int i = 0; i <= last; i++) {
		size_t bases = z->nbase;
		int64_t end = begin + gen_node(z, n->arg[i])->type.dim[axis];

		if (i < last)
			k_if(z->b, k_op(z->b, K_lt, at, k_ix(z->b, end), 0));
		to.r[axis] = k_addi(z->b, at, -begin);
		k_mov_to(z->b, y, splat_to(z, c, value_elsewhere(z, n->arg[i], &to)));
		z->nbase = bases;       /* those made inside are not there outside */
		if (i < last)
			k_else(z->b);
		begin = end;
	}
	while (last--)
		k_close(z->b);
	return y;
}

/* … in planes of 8 channels: the constant part of c's channel is a multiple of 8 */
static Reg
plane_index(Gen *z, const struct GenHeld *h, const Coord *c)
{
	KBuild *b = z->b;
	Reg ch = h->at ? k_sub(b, c->r[3], h->at) : c->r[3], plane = k_op(b, K_shr, ch, k_ix(b, 3), 0);
	Reg at = k_add(b, k_muli(b, plane, h->plane), k_op(b, K_and, ch, k_ix(b, 7), 0));

	return k_addi(b, k_add(b, k_muli(b, z->held_row, 8), at), c->k[3] / 8 * h->plane);
}

/* index of the element at c of what lies in shared memory */
static Reg
held_index(Gen *z, Val v, const Coord *c)
{
	if (z->held[v].plane)
		return plane_index(z, &z->held[v], c);

	Reg row = k_muli(z->b, z->held_row, z->held[v].pitch);

	if (z->held[v].at)
		row = k_add(z->b, row, z->held[v].at);
	return k_addi(z->b, c->r[3] ? k_add(z->b, row, c->r[3]) : row, c->k[3]);
}

static Reg
compute(Gen *z, Val v, const Coord *c)
{
	const Node *n = gen_node(z, v);

	if (v == z->root && z->root_value)
		return z->root_value;
	if (z->held && z->held[v].buf && v != z->into)
		return k_cast(z->b, compute_scalar(n->type.dt), k_load(z->b, z->held[v].buf, held_index(z, v, c), c->lanes));
	if (v == z->given && z->given_value)
		return z->given_value;
	if (n->op == OP_iota) {
		int d = (int)attr_int(n, A_axis, 0);
		Reg x = coord_reg(z, c, d);

		if (c->lanes > 1 && d == c->vdim)
			x = k_add(z->b, k_splat(z->b, c->lanes, x), k_lanes(z->b, kt(KS_IX, c->lanes)));
		return k_cast(z->b, compute_scalar(n->type.dt), x);
	}
	if (n->group != z->id || n->keep != KEEP_GROUP || op_info[n->op].effect == EFFECT_SOURCE)
		return load_value(z, v, c);
	if (op_info[n->op].fuse == FUSE_POINT)
		return point_value(z, v, c);
	if (n->op == OP_pick)
		return pick_value(z, v, c);

	if (n->op == OP_concat)
		return joined_value(z, v, c);

	Coord to = moved(z, n, c);

	return same_coord(&to, c) ? gen_value(z, n->arg[0], &to) : value_elsewhere(z, n->arg[0], &to);
}

Reg
gen_value(Gen *z, Val v, const Coord *c)
{
	if (!z->memo[v]) {
		Reg x = compute(z, v, c);

		z->memo[v] = x;
		vec_push(z->a, &z->memoed, v);
	}
	return z->memo[v];
}

void
gen_finish(Gen *z, const Coord *c, Reg root_value)
{
	Val out = z->into ? z->into : z->gr->out;
	const Node *n = gen_node(z, out);
	bool held = z->held && z->held[out].buf;
	uint32_t buf = held ? z->held[out].buf : gen_buf(z, out);
	KBuild *b = z->b;
	Reg x;

	gen_forget(z);
	z->root_value = root_value;
	x = splat_to(z, c, gen_value(z, out, c));
	x = k_cast(b, kscalar_of(n->type.dt), x);
	if (z->or_zero)
		x = k_select(b, z->or_zero, x, k_real(b, k_type(b, x), 0));
	if (held) {
		k_store_part(b, buf, held_index(z, out, c), x, c->active);
	} else if (c->lanes == 1 || n->place.stride[c->vdim] == 1) {
		k_store_part(b, buf, gen_index(z, out, c), x, c->active);
	} else {
		Coord one = *c;

		one.lanes = one.active = 1;
		for (int i = 0; i < c->active; i++) {
			one.k[c->vdim] = c->k[c->vdim] + i;
			k_store(b, buf, gen_index(z, out, &one), k_lane(b, x, i));
		}
	}
	gen_forget(z);
}

int
lanes_dividing(int64_t n, int max)
{
	int l = max;

	while (l > 1 && n % l)
		l /= 2;
	return l;
}

Reg
gen_inside(KBuild *b, Reg x, int64_t end)
{
	return k_op(b, K_and, k_op(b, K_le, k_ix(b, 0), x, 0), k_op(b, K_lt, x, k_ix(b, end), 0), 0);
}

bool
gen_is_flat(const Graph *g, Val v, bool pictures)
{
	const Node *n = graph_node(g, v);
	const int64_t *d = n->type.dim, *st = n->place.stride;

	if (n->op == OP_const && type_count(&n->type) == 1)
		return true;
	if (n->type.rank != 4)
		return false;
	if (d[1] == 1 && d[2] == 1)
		return !pictures || d[0] == 1;
	return d[1] != 1 && d[2] != 1 && st[1] == d[2] * st[2] && (!pictures || d[0] == 1 || st[0] == d[1] * st[1]);
}

bool
gen_flattens(const Graph *g, uint32_t id, bool pictures)
{
	const Group *gr = &g->group.p[id];
	int64_t batch = graph_node(g, gr->out)->type.dim[0];

	if (!gen_is_flat(g, gr->out, pictures))
		return false;
	for (Val v = 1; v < g->node.n; v++) {
		const Node *n = graph_node(g, v);
		bool step = (gr->family == FAM_chain && (n->op == OP_conv2d || n->op == OP_concat)) ||
			(gr->family == FAM_attention && n->op == OP_conv2d);

		if (n->op == OP_none || n->group != id || n->keep != KEEP_GROUP)
			continue;
		if (v != gr->root && op_info[n->op].fuse != FUSE_POINT && !step)
			return false;
		for (int i = 0; i < n->narg; i++) {
			const Node *x = graph_node(g, n->arg[i]);

			if (step || (v == gr->root && i > 0))
				continue;       /* weights and bias; of a chain, what chain.c copies itself; values of an attention */
			if (x->group != id && (!gen_is_flat(g, n->arg[i], pictures) ||
			    (pictures && batch > 1 && type_count(&x->type) > 1 && x->type.dim[1] * x->type.dim[2] > 1 &&
			     x->type.dim[0] != batch)))
				return false;
		}
	}
	return true;
}
