/* prims.c -- what is not written in .y12: operations, and numbers.
 *
 * prims.def has a row for each.  Arguments are checked against their kinds by
 * call_prim(), so a function here finds what its row promises; shapes are checked by
 * infer_type(), the same as everywhere else.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "elab/interp.h"

#include <math.h>
#include <stdlib.h>

#define PRIM(name, run, op, sig) static Value prim_##run(Interp *I, PrimCall *c);
#include "elab/prims.def"
#undef PRIM

/* ---- nodes ------------------------------------------------------------------------- */

Value
node_done(Interp *I, Val v, Span at)
{
	Node *n = graph_node(I->g, v);

	n->span = at;
	n->chain = I->frame ? I->frame->chain : NULL;
	if (I->g->node.n > ELAB_MAX_NODES) {
		fail(I, at, "limit", "a graph has more than %d nodes", ELAB_MAX_NODES);
		I->stop = true;
		return V(ERROR);
	}
	if (I->body && !body_takes(I, v, at))
		return V(ERROR);
	return V(TENSOR, .v = v, .g = I->g);
}

/* "the arguments are: f32[1,64,80,80] (model.3), f32[64,32,3,3] (model.4.conv.weight)" */
static const char *
args_note(Interp *I, const Value *arg, int narg)
{
	Text t = { .a = I->a };

	text_put(&t, narg == 1 ? "the argument is: " : "the arguments are: ");
	for (int i = 0; i < narg && i < 6; i++) {
		const Node *n = graph_node(arg[i].g, arg[i].v);

		text_printf(&t, "%s%s", i ? ", " : "", type_text(I->a, &n->type));
		if (n->name)
			text_printf(&t, " (%s)", n->name);
	}
	return narg ? text_str(&t) : NULL;
}

Value
make_node(Interp *I, Span at, OpKind op, const Value *arg, int narg, const Attr *attr, int nattr)
{
	Val *v = NEWN(I->a, Val, (size_t)narg + 1);
	const char *err = NULL;
	Val made;

	if (!I->g)
		return fail(I, at, "place", "%s makes a tensor: that is done inside an entry", op_info[op].name);
	if (I->body) {
		if (narg)
			arg = memcpy(NEWN(I->a, Value, (size_t)narg), arg, sizeof(*arg) * (size_t)narg);
		if (!body_args(I, op, (Value *)(uintptr_t)arg, narg, at))
			return V(ERROR);
	}
	for (int i = 0; i < narg; i++)
		v[i] = arg[i].v;
	if (!(made = graph_make(I->g, op, v, narg, attr, nattr, &err)))
		return fail_at(I, at, op_info[op].fuse == FUSE_POINT ? "operands" : op_info[op].name, arena_printf(I->a, "%s: %s", op_info[op].name, err),
		               args_note(I, arg, narg));

	Value done = node_done(I, made, at);

	if (done.kind == V_TENSOR)
		inherit_axes(I, done, arg, narg);
	return done;
}

/* x[0 .. c]: channels, on axis 1 (axis 0 of a vector); x[.., .., i]: every axis in turn.
 * An int takes one place and drops its axis. */
Value
tensor_index(Interp *I, Value x, const Value *sub, size_t n, const Ast *a)
{
	int rank = type_at(I, x)->rank, dropped = 0;
	int64_t shape[MAX_RANK];
	bool drop[MAX_RANK] = { 0 };

	if (I->body)
		return body_index(I, x, sub, n, a);
	if (n != 1 && n != (size_t)rank)
		return fail(I, a->at, "index", "a tensor of %d dimensions takes 1 subscript (its channels) or %d, not %zu", rank, rank, n);
	if (rank == 0)
		return fail(I, a->at, "index", "a scalar has no items");
	for (size_t i = 0; i < n; i++) {
		int axis = n > 1 || rank == 1 ? (int)i : 1;
		int64_t dim = type_at(I, x)->dim[axis], lo, hi;
		Span at = a->kid[i + 1]->span;

		if (sub[i].kind == V_INT) {
			lo = sub[i].i < 0 ? sub[i].i + dim : sub[i].i;
			hi = lo < dim ? lo + 1 : lo;
			drop[axis] = true;
			dropped++;
		} else if (sub[i].kind == V_RANGE) {
			lo = sub[i].i < 0 ? sub[i].i + dim : sub[i].i;
			hi = sub[i].hi == INT64_MAX ? dim : sub[i].hi < 0 ? sub[i].hi + dim : sub[i].hi;
		} else {
			return fail(I, at, "type", "a subscript of a tensor is an int or a range, not %s", value_kind(sub[i]));
		}
		if (lo < 0 || hi <= lo || hi > dim)
			return fail(I, at, "index", "%s does not lie in axis %d of %s", show(I, sub[i]), axis, show(I, x));
		if (lo == 0 && hi == dim)
			continue;

		Attr attr[] = { attr_of_int(A_axis, axis), attr_of_int(A_begin, lo), attr_of_int(A_end, hi) };

		x = make_node(I, a->at, OP_slice, &x, 1, attr, 3);
		if (x.kind == V_ERROR)
			return x;
	}
	if (!dropped)
		return x;

	int k = 0;

	for (int i = 0; i < rank; i++)
		if (!drop[i])
			shape[k++] = type_at(I, x)->dim[i];

	Attr attr = attr_of_ints(I->a, A_shape, shape, k);

	return make_node(I, a->at, OP_reshape, &x, 1, &attr, 1);
}

/* ---- arguments ------------------------------------------------------------------------ */

static bool
ints(Interp *I, const PrimCall *c, const PrimFormal *f, Value v, int64_t *out, int *n, int most)
{
	if (v.kind == V_INT) {
		out[0] = v.i;
		*n = 1;
		return true;
	}
	if ((v.kind != V_LIST && v.kind != V_TUPLE) || (int64_t)v.items->n > most) {
		fail(I, c->at, "type", "%s: %s takes up to %d ints, not %s", c->prim->name, f->name, most, show(I, v));
		return false;
	}
	for (size_t i = 0; i < v.items->n; i++) {
		if (v.items->p[i].kind != V_INT) {
			fail(I, c->at, "type", "%s: %s takes ints, but %s is %s", c->prim->name, f->name,
			     show(I, v.items->p[i]), value_kind(v.items->p[i]));
			return false;
		}
		out[i] = v.items->p[i].i;
	}
	*n = (int)v.items->n;
	return true;
}

static Value
of_ints(Interp *I, const int64_t *x, int n)
{
	Value v[MAX_RANK];

	for (int i = 0; i < n; i++)
		v[i] = V(INT, .i = x[i]);
	return value_items(I->a, V_LIST, v, (size_t)n);
}

static Value
wrong(Interp *I, PrimCall *c, const PrimFormal *f, Value v, const char *want)
{
	return fail(I, c->at, "type", "%s: %s takes %s, but %s is %s", c->prim->name, f->name, want, show(I, v), value_kind(v));
}

/* The rank that axes count in: the first tensor's. */
static int
rank_of(Interp *I, const PrimCall *c)
{
	for (int i = 0; i < c->prim->n; i++) {
		Value v = c->arg[i];

		while ((v.kind == V_LIST || v.kind == V_TUPLE) && v.items->n)
			v = v.items->p[0];
		if (v.kind == V_TENSOR)
			return type_at(I, v)->rank;
	}
	return -1;
}

static bool
axis_of(Interp *I, const PrimCall *c, const PrimFormal *f, int rank, int64_t *axis)
{
	if (*axis < -rank || *axis >= rank) {
		fail(I, c->at, "axis", "%s: %s is %lld, but the tensor has %d dimensions", c->prim->name, f->name,
		     (long long)*axis, rank);
		return false;
	}
	*axis += *axis < 0 ? rank : 0;
	return true;
}

/* Argument i as its kind wants it. */
static bool
check_arg(Interp *I, PrimCall *c, int i)
{
	const PrimFormal *f = &c->prim->f[i];
	Value *v = &c->arg[i];
	int64_t x[MAX_RANK];
	int n = 0;

	switch (f->kind) {
	case 't':
		return v->kind == V_TENSOR || wrong(I, c, f, *v, "a tensor").b;
	case 'n':
		return v->kind == V_TENSOR || is_number(*v) || v->kind == V_BOOL || wrong(I, c, f, *v, "a tensor or a number").b;
	case 'T':
		if (v->kind == V_LIST || v->kind == V_TUPLE) {
			bool all = v->items->n > 0;

			for (size_t k = 0; k < v->items->n; k++)
				all &= v->items->p[k].kind == V_TENSOR;
			if (all)
				return true;
		}
		return wrong(I, c, f, *v, "a list of tensors, at least one").b;
	case 'i':
		return v->kind == V_INT || wrong(I, c, f, *v, "an int").b;
	case 'r':
		return is_number(*v) || wrong(I, c, f, *v, "a number").b;
	case 'b':
		return v->kind == V_BOOL || wrong(I, c, f, *v, "a bool").b;
	case 's':
		return v->kind == V_SYMBOL || v->kind == V_STR || wrong(I, c, f, *v, "a word").b;
	case 'f':
		return v->kind == V_FN || wrong(I, c, f, *v, "a function").b;
	case 'd':
		return v->kind == V_DTYPE || wrong(I, c, f, *v, "an element type, such as f32").b;
	case 'p':
		if (!ints(I, c, f, *v, x, &n, 2))
			return false;
		if (n == 0)
			return wrong(I, c, f, *v, "an int or (rows, columns)").b;
		if (n == 1)
			x[1] = x[0];
		*v = of_ints(I, x, 2);
		return true;
	case 'l':
		if (!ints(I, c, f, *v, x, &n, MAX_RANK))
			return false;
		*v = of_ints(I, x, n);
		return true;
	case 'a':
		return v->kind == V_INT ? axis_of(I, c, f, rank_of(I, c), &v->i) : wrong(I, c, f, *v, "an int").b;
	case 'A':
		if (!ints(I, c, f, *v, x, &n, MAX_RANK))
			return false;
		for (int k = 0; k < n; k++)
			if (!axis_of(I, c, f, rank_of(I, c), &x[k]))
				return false;
		*v = of_ints(I, x, n);
		return true;
	default:
		return true;
	}
}

static Value
default_of(const PrimFormal *f)
{
	if (f->kind == 'b')
		return V(BOOL, .b = !strcmp(f->def, "true"));
	if (f->kind == 'd')
		return V(DTYPE, .dt = dtype_named(f->def));
	if (f->kind == 'r')
		return V(REAL, .r = atof(f->def));
	return V(INT, .i = atoll(f->def));
}

Value
call_prim(Interp *I, PrimCall *c)
{
	for (int i = 0; i < c->prim->n; i++) {
		const PrimFormal *f = &c->prim->f[i];

		if (c->arg[i].kind != V_NONE) {
			if (!check_arg(I, c, i))
				return V(ERROR);
		} else if (f->mode == '=') {
			c->arg[i] = default_of(f);
			if (!check_arg(I, c, i))
				return V(ERROR);
		} else if (f->mode == '!' && f->kind != 'w') {
			return fail(I, c->at, "argument", "%s: %s is missing", c->prim->name, f->name);
		}
	}
	return c->prim->run(I, c);
}

/* ---- operations ---------------------------------------------------------------------- */

static Attr
attr_from(Interp *I, AttrKey key, Value v)
{
	switch (attr_info[key].kind) {
	case ATTR_INT:
		return attr_of_int(key, v.kind == V_BOOL ? v.b : v.i);
	case ATTR_REAL:
		return attr_of_real(key, number(v));
	case ATTR_STR:
		return attr_of_str(key, arena_str(I->g->a, v.s));
	default: {
		int64_t x[MAX_RANK];

		for (size_t i = 0; i < v.items->n; i++)
			x[i] = v.items->p[i].i;
		return attr_of_ints(I->g->a, key, x, (int)v.items->n);
	}
	}
}

static bool
is_default(Interp *I, const PrimFormal *f, Value v)
{
	Value d = default_of(f);

	if (f->kind == 'p')
		d = of_ints(I, (int64_t[]){ d.i, d.i }, 2);
	return value_eq(v, d);
}

static Value
prim_op(Interp *I, PrimCall *c)
{
	VEC(Value) arg = { 0 };
	Attr attr[PRIM_MAX];
	int nattr = 0;

	if (!I->g)
		return fail(I, c->at, "place", "%s makes a tensor: that is done inside an entry", c->prim->name);
	for (int i = 0; i < c->prim->n; i++) {
		const PrimFormal *f = &c->prim->f[i];
		Value v = c->arg[i];

		if (v.kind == V_NONE)
			continue;
		if (f->kind == 't')
			vec_push(I->a, &arg, v);
		else if (f->kind == 'T')
			for (size_t k = 0; k < v.items->n; k++)
				vec_push(I->a, &arg, v.items->p[k]);
		else if (f->mode != '~' || !is_default(I, f, v))
			attr[nattr++] = attr_from(I, f->key, v);
	}
	return make_node(I, c->at, c->prim->op, arg.p, (int)arg.n, attr, nattr);
}

/* softmax(q'k / sqrt(d)) v with d = channels of a head, unless the scale is given */
static Value
prim_attention(Interp *I, PrimCall *c)
{
	enum { SCALE = 5, MASK, SCORE };
	const Type *q = type_at(I, c->arg[0]);
	VEC(Value) arg = { 0 };
	Attr attr[PRIM_MAX];
	const Value *more;
	Graph *body;
	int nattr = 0, nmore;

	if (c->arg[SCALE].kind == V_NONE && q->rank == 4 && c->arg[3].i > 0)
		c->arg[SCALE] = V(REAL, .r = 1 / sqrt((double)(q->dim[1] / c->arg[3].i)));
	if (!make_body(I, c, c->arg[MASK], c->arg[SCORE], &body, &more, &nmore))
		return V(ERROR);
	for (int i = 0; i < 3; i++)
		vec_push(I->a, &arg, c->arg[i]);
	for (int i = 0; i < nmore; i++)
		vec_push(I->a, &arg, more[i]);
	for (int i = 3; i <= SCALE; i++)
		if (c->arg[i].kind != V_NONE && (c->prim->f[i].mode != '~' || !is_default(I, &c->prim->f[i], c->arg[i])))
			attr[nattr++] = attr_from(I, c->prim->f[i].key, c->arg[i]);
	if (body)
		attr[nattr++] = attr_of_body(body);
	return make_node(I, c->at, OP_attention, arg.p, (int)arg.n, attr, nattr);
}

/* One -1 in a shape stands for what is left. */
static Value
prim_reshape(Interp *I, PrimCall *c)
{
	const Items *it = c->arg[1].items;
	int64_t x[MAX_RANK], known = 1, count = type_count(type_at(I, c->arg[0]));
	int hole = -1;

	for (size_t i = 0; i < it->n; i++) {
		x[i] = it->p[i].i;
		if (x[i] == -1 && hole < 0)
			hole = (int)i;
		else if (x[i] < 1 || __builtin_mul_overflow(known, x[i], &known))
			return fail(I, c->at, "reshape", "reshape: %s is no shape for %s", show(I, c->arg[1]), show(I, c->arg[0]));
	}
	if (hole >= 0) {
		if (count < 0 || count % known)
			return fail(I, c->at, "reshape", "reshape: %s has %lld elements, which %s does not divide",
			            show(I, c->arg[0]), (long long)count, show(I, c->arg[1]));
		x[hole] = count / known;
		c->arg[1] = of_ints(I, x, (int)it->n);
	}
	return prim_op(I, c);
}

static bool
shape_of(Interp *I, PrimCall *c, Value v, Type *t)
{
	double count = 1;

	t->rank = (int)v.items->n;
	for (int i = 0; i < t->rank; i++) {
		t->dim[i] = v.items->p[i].i;
		count *= (double)t->dim[i];
		if (t->dim[i] < 1 || t->dim[i] > 1 << 30 || count > 0x1p40) {
			fail(I, c->at, "shape", "%s: %s is no shape", c->prim->name, show(I, v));
			return false;
		}
	}
	if (!I->g)
		fail(I, c->at, "place", "%s makes a tensor: that is done inside an entry", c->prim->name);
	return I->g != NULL;
}

static Value
prim_iota(Interp *I, PrimCall *c)
{
	Type t = { 0 };

	if (!shape_of(I, c, c->arg[0], &t))
		return V(ERROR);
	if (!axis_of(I, c, &c->prim->f[1], t.rank, &c->arg[1].i))
		return V(ERROR);
	if (c->arg[2].dt == DT_BOOL)
		return fail(I, c->at, "iota", "iota counts, so its element type cannot be bool");
	return node_done(I, graph_iota(I->g, c->arg[2].dt, (int)c->arg[1].i, t.rank, t.dim), c->at);
}

static Value
prim_cast(Interp *I, PrimCall *c)
{
	DType dt = c->arg[1].dt;

	if (c->arg[0].kind == V_TENSOR) {
		Val v = graph_cast(I->g, c->arg[0].v, dt);

		return v == c->arg[0].v ? c->arg[0] : node_done(I, v, c->at);
	}
	if (!I->g)
		return fail(I, c->at, "place", "cast makes a tensor: that is done inside an entry");
	return constant(I, c->at, c->arg[0], dt, I->body ? 2 : 0);
}

/* [0.5, 1] is a vector, [[1, 0], [0, 1]] a matrix: each level a dimension */
static bool
flatten(Interp *I, PrimCall *c, Value v, Type *t, int depth, double **next)
{
	if (v.kind == V_LIST || v.kind == V_TUPLE || v.kind == V_RANGE) {
		int64_t n = value_len(v);

		if (depth == t->rank || n != t->dim[depth]) {
			fail(I, c->at, "tensor", "tensor: the lists in it are not all of the same length");
			return false;
		}
		for (int64_t i = 0; i < n; i++)
			if (!flatten(I, c, value_at(v, (size_t)i), t, depth + 1, next))
				return false;
		return true;
	}
	if (depth != t->rank || (!is_number(v) && v.kind != V_BOOL)) {
		fail(I, c->at, "tensor", "tensor: %s is no number at the depth of the others", show(I, v));
		return false;
	}
	*(*next)++ = v.kind == V_BOOL ? v.b : number(v);
	return true;
}

static Value
prim_tensor(Interp *I, PrimCall *c)
{
	Type t = { .dt = c->arg[1].dt };
	int64_t count = 1;

	for (Value v = c->arg[0]; value_len(v) >= 0 && v.kind != V_STR; v = value_at(v, 0)) {
		if (t.rank == MAX_RANK || value_len(v) < 1 || count * value_len(v) > ELAB_MAX_ITEMS)
			return fail(I, c->at, "tensor", "tensor: at most %d dimensions and %d elements, and no empty list",
			            MAX_RANK, ELAB_MAX_ITEMS);
		t.dim[t.rank++] = value_len(v);
		count *= value_len(v);
	}
	if (!I->g)
		return fail(I, c->at, "place", "tensor makes a tensor: that is done inside an entry");

	double *x = NEWN(I->a, double, (size_t)count), *next = x;
	void *data = arena_alloc(I->a, (size_t)type_bytes(&t) + 1);

	if (!flatten(I, c, c->arg[0], &t, 0, &next))
		return V(ERROR);
	for (int64_t i = 0; i < count; i++)
		dtype_set(t.dt, data, (size_t)i, x[i]);
	return node_done(I, graph_const(I->g, t, data), c->at);
}

static Value
prim_fill(Interp *I, PrimCall *c)
{
	Type t = { 0 };

	if (!shape_of(I, c, c->arg[0], &t))
		return V(ERROR);

	Value one = constant(I, c->at, c->arg[1], c->arg[2].dt, t.rank);
	Attr shape = attr_of_ints(I->g->a, A_shape, t.dim, t.rank);

	return one.kind == V_ERROR ? one : make_node(I, c->at, OP_broadcast, &one, 1, &shape, 1);
}

/* sum([1, 2, 3]) is a number, sum(x, axes: 1) a tensor */
static Value
prim_reduce(Interp *I, PrimCall *c)
{
	Value x = c->arg[0];

	if (x.kind == V_TENSOR) {
		if (c->arg[1].kind == V_NONE)
			return fail(I, c->at, "argument", "%s: axes is missing", c->prim->name);

		Attr axes = attr_from(I, A_axes, c->arg[1]);

		return make_node(I, c->at, c->prim->op, &x, 1, &axes, 1);
	}
	if (value_len(x) < 0 || x.kind == V_STR)
		return fail(I, c->at, "type", "%s takes a tensor or a list, but %s is %s", c->prim->name, show(I, x), value_kind(x));

	int64_t n = value_len(x);
	Value s = V(INT, .i = 0);

	if (!spend(I, n, c->at))
		return V(ERROR);
	for (int64_t i = 0; i < n; i++)
		s = i ? arith(I, AOP_add, s, value_at(x, (size_t)i), c->at) : value_at(x, 0);
	return c->prim->op == OP_sum || s.kind == V_ERROR ? s : arith(I, AOP_div, s, V(INT, .i = n), c->at);
}

static double
real_unary(OpKind op, double x)
{
	switch (op) {
	case OP_exp:
		return exp(x);
	case OP_log:
		return log(x);
	case OP_sqrt:
		return sqrt(x);
	case OP_sin:
		return sin(x);
	case OP_cos:
		return cos(x);
	case OP_tanh:
		return tanh(x);
	case OP_sigmoid:
		return 1 / (1 + exp(-x));
	case OP_floor:
		return floor(x);
	case OP_ceil:
		return ceil(x);
	case OP_round:
		return rint(x);         /* half to even */
	default:
		return fabs(x);
	}
}

static Value
to_int(Interp *I, PrimCall *c, double x)
{
	if (!(fabs(x) < 0x1p63))
		return fail(I, c->at, "arithmetic", "%s: %s is too large for an int", c->prim->name, show(I, V(REAL, .r = x)));
	return V(INT, .i = (int64_t)x);
}

static Value
prim_unary(Interp *I, PrimCall *c)
{
	Value x = c->arg[0];
	OpKind op = c->prim->op;

	if (x.kind == V_TENSOR) {
		if (op == OP_floor || op == OP_ceil || op == OP_round ? body_is_int(I, x) : false)
			return x;
		x = op == OP_abs ? x : body_real(I, x, c->at);
		return make_node(I, c->at, op, &x, 1, NULL, 0);
	}
	if (x.kind == V_BOOL)
		return wrong(I, c, &c->prim->f[0], x, "a number");
	if (op == OP_abs && x.kind == V_INT)
		return x.i == INT64_MIN ? to_int(I, c, 0x1p63) : V(INT, .i = x.i < 0 ? -x.i : x.i);
	if (op == OP_floor || op == OP_ceil || op == OP_round)
		return x.kind == V_INT ? x : to_int(I, c, real_unary(op, x.r));
	return V(REAL, .r = real_unary(op, number(x)));
}

static Value
prim_power(Interp *I, PrimCall *c)
{
	return arith(I, AOP_pow, c->arg[0], c->arg[1], c->at);
}

/* max(a, b): of numbers, or element by element; max(list); max(x, axes: 1): along axes */
static Value
prim_min_max(Interp *I, PrimCall *c)
{
	const Items *it = c->arg[1].items;
	bool max = c->prim->op == OP_max;

	if (c->arg[0].kind != V_NONE) {
		if (!max)
			return fail(I, c->at, "argument", "min along axes is -max(-x, axes: ...)");
		if (it->n != 1 || it->p[0].kind != V_TENSOR)
			return fail(I, c->at, "argument", "max along axes takes one tensor");

		Attr axes = attr_from(I, A_axes, c->arg[0]);

		return make_node(I, c->at, OP_amax, it->p, 1, &axes, 1);
	}
	if (it->n == 1 && (it->p[0].kind == V_LIST || it->p[0].kind == V_TUPLE))
		it = it->p[0].items;
	if (it->n == 0)
		return fail(I, c->at, "argument", "%s of nothing", c->prim->name);
	if (!spend(I, (int64_t)it->n, c->at))
		return V(ERROR);

	Value m = it->p[0];

	if (it->n == 1 && m.kind == V_TENSOR)
		return fail(I, c->at, "argument", "%s of one tensor needs axes", c->prim->name);
	for (size_t i = 1; i < it->n; i++) {
		Value x = it->p[i];

		if (m.kind == V_TENSOR || x.kind == V_TENSOR) {
			if (!body_meet(I, &m, &x, c->at))
				return V(ERROR);

			const Type *t = type_at(I, m.kind == V_TENSOR ? m : x);
			DType dt = t->dt;
			int rank = t->rank;
			Value two[2] = { m, x };

			for (int k = 0; k < 2; k++)
				if (two[k].kind != V_TENSOR && (two[k] = constant(I, c->at, two[k], dt, rank)).kind == V_ERROR)
					return V(ERROR);
			m = make_node(I, c->at, c->prim->op, two, 2, NULL, 0);
			if (m.kind == V_ERROR)
				return m;
			continue;
		}
		Value less = arith(I, AOP_lt, m, x, c->at);

		if (less.kind == V_ERROR)
			return less;
		if (less.b == max)
			m = x;
	}
	if (m.kind != V_TENSOR && !is_number(m))
		return wrong(I, c, &c->prim->f[1], m, "numbers or tensors");
	return m;
}

static Value
prim_select(Interp *I, PrimCall *c)
{
	Value *a = &c->arg[1], *b = &c->arg[2];

	if (!body_meet(I, a, b, c->at))
		return V(ERROR);

	const Type *t = a->kind == V_TENSOR ? type_at(I, *a) : b->kind == V_TENSOR ? type_at(I, *b) : NULL;
	DType dt = t ? t->dt : I->body && a->kind == V_INT && b->kind == V_INT ? DT_I32 :
		a->kind == V_BOOL ? DT_BOOL : DT_F32;
	int rank = type_at(I, c->arg[0])->rank;

	for (Value *v = a; v <= b; v++)
		if (v->kind != V_TENSOR && (*v = constant(I, c->at, *v, dt, rank)).kind == V_ERROR)
			return V(ERROR);
	return make_node(I, c->at, OP_select, c->arg, 3, NULL, 0);
}

/* ---- numbers, lists ------------------------------------------------------------------- */

static Value
prim_int(Interp *I, PrimCall *c)
{
	Value x = c->arg[0];

	if (x.kind == V_BOOL)
		return V(INT, .i = x.b);
	if (!is_number(x))
		return wrong(I, c, &c->prim->f[0], x, "a number");
	return x.kind == V_INT ? x : to_int(I, c, trunc(x.r));
}

static Value
prim_real(Interp *I, PrimCall *c)
{
	return is_number(c->arg[0]) ? V(REAL, .r = number(c->arg[0])) : wrong(I, c, &c->prim->f[0], c->arg[0], "a number");
}

static Value
prim_str(Interp *I, PrimCall *c)
{
	return c->arg[0].kind == V_STR ? c->arg[0] : V(STR, .s = show(I, c->arg[0]));
}

static Value
prim_gcd(Interp *I, PrimCall *c)
{
	int64_t a = c->arg[0].i, b = c->arg[1].i;

	if (a < 1 || b < 1)
		return fail(I, c->at, "arithmetic", "gcd takes ints from 1 on, not %s and %s", show(I, c->arg[0]), show(I, c->arg[1]));
	while (b) {
		int64_t r = a % b;

		a = b;
		b = r;
	}
	return V(INT, .i = a);
}

/* the multiple of step at or above x */
static Value
prim_round_up(Interp *I, PrimCall *c)
{
	int64_t step = c->arg[1].i;

	if (step < 1)
		return fail(I, c->at, "arithmetic", "round_up: step is %s", show(I, c->arg[1]));
	return to_int(I, c, ceil(number(c->arg[0]) / (double)step) * (double)step);
}

static Value
prim_len(Interp *I, PrimCall *c)
{
	int64_t n = value_len(c->arg[0]);

	return n < 0 ? wrong(I, c, &c->prim->f[0], c->arg[0], "a list") : V(INT, .i = n);
}

static Value
prim_last(Interp *I, PrimCall *c)
{
	int64_t n = value_len(c->arg[0]);

	if (n < 0 || c->arg[0].kind == V_STR)
		return wrong(I, c, &c->prim->f[0], c->arg[0], "a list");
	return n ? value_at(c->arg[0], (size_t)n - 1) : fail(I, c->at, "index", "the list is empty");
}

static bool
all_lists(Interp *I, PrimCall *c, const Value *v, size_t n, int64_t *shortest)
{
	*shortest = ELAB_MAX_ITEMS;
	for (size_t i = 0; i < n; i++) {
		int64_t k = v[i].kind == V_STR ? -1 : value_len(v[i]);

		if (k < 0) {
			wrong(I, c, &c->prim->f[0], v[i], "lists");
			return false;
		}
		*shortest = MIN(*shortest, k);
	}
	return spend(I, *shortest * (int64_t)n, c->at);
}

static Value
zip(Interp *I, PrimCall *c, const Value *list, size_t n)
{
	VEC(Value) out = { 0 };
	int64_t len;

	if (!all_lists(I, c, list, n, &len))
		return V(ERROR);
	for (int64_t i = 0; i < len; i++) {
		Value *t = NEWN(I->a, Value, n);

		for (size_t k = 0; k < n; k++)
			t[k] = value_at(list[k], (size_t)i);
		vec_push(I->a, &out, value_items(I->a, V_TUPLE, t, n));
	}
	return value_items(I->a, V_LIST, out.p, out.n);
}

static Value
prim_zip(Interp *I, PrimCall *c)
{
	return zip(I, c, c->arg[0].items->p, c->arg[0].items->n);
}

static Value
prim_enumerate(Interp *I, PrimCall *c)
{
	Value two[2] = { { .kind = V_RANGE, .i = 0, .hi = ELAB_MAX_ITEMS }, c->arg[0] };

	return zip(I, c, two, 2);
}

static Value
prim_reverse(Interp *I, PrimCall *c)
{
	int64_t n;

	if (!all_lists(I, c, c->arg, 1, &n))
		return V(ERROR);

	Value *p = NEWN(I->a, Value, (size_t)n + 1);

	for (int64_t i = 0; i < n; i++)
		p[i] = value_at(c->arg[0], (size_t)(n - 1 - i));
	return value_items(I->a, V_LIST, p, (size_t)n);
}

/* ---- effects ---------------------------------------------------------------------------- */

static Value
prim_print(Interp *I, PrimCall *c)
{
	FILE *f = I->opt->log ? I->opt->log : stderr;

	for (size_t i = 0; i < c->arg[0].items->n; i++) {
		Value v = c->arg[0].items->p[i];

		fprintf(f, "%s%s", i ? " " : "", v.kind == V_STR ? v.s : show(I, v));
	}
	fputc('\n', f);
	return V(NONE);
}

/* order(cv1, cv2, m): the parameters of this block are listed so in published files */
static Value
prim_order(Interp *I, PrimCall *c)
{
	Ast *names = ast_new(I->a, AST_list, c->call ? c->call->span : c->at);

	for (int i = 1; c->call && i < c->call->n; i++) {
		if (c->call->kid[i]->kind != AST_name)
			return fail(I, c->call->kid[i]->span, "order", "order takes names of blocks and parameters");
		ast_add(I->a, names, c->call->kid[i]);
	}
	I->scope->order = names;
	return V(NONE);
}

/* meta(task, "detect"): kept with the graphs, for the engine and for exports */
static Value
prim_meta(Interp *I, PrimCall *c)
{
	Value v = c->arg[1];

	map_set(I->meta, c->arg[0].s, arena_str(I->a, v.kind == V_STR ? v.s : show(I, v)));
	return V(NONE);
}

/* ---- the table --------------------------------------------------------------------------- */

static const Prim rows[] = {
#define PRIM(name, run, op, sig) { #name, prim_##run, OP_##op, sig, 0, { { 0 } } },
#include "elab/prims.def"
#undef PRIM
};

static void
read_signature(Arena *a, Prim *p)
{
	for (const char *s = p->sig; *s; ) {
		PrimFormal *f = &p->f[p->n++];
		size_t n = strcspn(s, ":"), m;

		f->name = arena_strn(a, s, n);
		f->kind = s[n + 1];
		f->mode = s[n + 2];
		s += n + 3;
		m = strcspn(s, " ");
		f->rest = m > 0 && s[m - 1] == '*';
		f->def = arena_strn(a, s, m - f->rest);
		s += m + (s[m] == ' ');
		for (int k = 1; k < ATTR_COUNT; k++)
			if (!strcmp(attr_info[k].name, f->name))
				f->key = (AttrKey)k;
	}
}

/* "conv2d(x, weight, bias?, stride: 1, ...)", and for an operation its shapes */
const char *
elab_builtin(Arena *a, const char *name)
{
	for (size_t i = 0; i < COUNT(rows); i++) {
		Prim p = rows[i];
		Text t = { .a = a };

		if (strcmp(p.name, name))
			continue;
		read_signature(a, &p);
		text_printf(&t, "%s(", name);
		for (int k = 0; k < p.n; k++) {
			const PrimFormal *f = &p.f[k];

			text_printf(&t, "%s%s%s", k ? ", " : "", f->name, f->rest ? " ..." : f->mode == '?' ? "?" : "");
			if (f->mode == '=' || f->mode == '~')
				text_printf(&t, ": %s", f->def);
		}
		text_put(&t, ")");
		if (p.op != OP_none)
			text_printf(&t, "\n%s", op_info[p.op].shapes);
		return text_str(&t);
	}
	return NULL;
}

Env *
prims_env(Arena *a)
{
	Env *e = env_index(a, NULL);
	Prim *p = arena_dup(a, rows, sizeof(rows));

	for (size_t i = 0; i < COUNT(rows); i++) {
		read_signature(a, &p[i]);
		env_def(a, e, p[i].name, V(PRIM, .prim = &p[i]), (Span){ 0 });
	}
	for (int i = DT_NONE + 1; i < DT_COUNT; i++)
		env_def(a, e, dtype_info[i].name, V(DTYPE, .dt = (DType)i), (Span){ 0 });
	env_def(a, e, "none", V(NONE), (Span){ 0 });
	env_def(a, e, "pi", V(REAL, .r = 3.14159265358979323846), (Span){ 0 });
	env_def(a, e, "inf", V(REAL, .r = (double)INFINITY), (Span){ 0 });
	return e;
}
