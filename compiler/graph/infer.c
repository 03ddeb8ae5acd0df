/* infer.c -- the type of each op's result, from its arguments and attributes.
 *
 * One function an op, in the order of ops.def, whose rows make the table: a row
 * without a function does not compile.  Each checks everything that the evaluator
 * and the kernels rely on, so that what passes here can be run: attributes in range
 * before they are used in arithmetic, sizes that fit, no dim left unknown but the
 * sides of a picture.
 *
 * Messages follow "conv2d: " and use the letters of the shapes column in ops.def.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/body.h"

/* No dim, attribute or product of a few of them overflows below these. */
#define DIM_MAX   INT64_C(0x7fffffff)
#define COUNT_MAX (INT64_C(1) << 40)

typedef struct Infer {
	Arena *a;
	OpKind op;
	const Type *const *arg;
	int narg;
	Node attrs;             /* only its attributes: what attr_int() and the others read */
	Type *out;
	const char **err;
} Infer;

typedef bool InferFn(Infer *in);

#define OP(name, lo, hi, fuse, effect, grad, shapes) static InferFn infer_##name;
#include "graph/ops.def"
#undef OP

__attribute__((format(printf, 2, 3))) static bool
no(Infer *in, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	*in->err = arena_vprintf(in->a, fmt, ap);
	va_end(ap);
	return false;
}

static const char *
text(Infer *in, const Type *t)
{
	return type_text(in->a, t);
}

/* ---- what attributes may be ------------------------------------------------------ */

static bool
need(Infer *in, AttrKey key)
{
	return attr_find(&in->attrs, key) || no(in, "needs the attribute '%s'", attr_info[key].name);
}

static bool
int_attr(Infer *in, AttrKey key, int64_t otherwise, int64_t lo, int64_t hi, int64_t *x)
{
	*x = attr_int(&in->attrs, key, otherwise);
	return (*x >= lo && *x <= hi) ||
		no(in, "%s is %lld, but must be %lld .. %lld", attr_info[key].name,
		   (long long)*x, (long long)lo, (long long)hi);
}

/* two numbers, for rows and for columns */
static bool
pair_attr(Infer *in, AttrKey key, int64_t otherwise, int64_t lo, int64_t x[2])
{
	const Attr *a = attr_find(&in->attrs, key);

	x[0] = x[1] = otherwise;
	if (!a)
		return true;
	if (a->n != 2)
		return no(in, "%s takes two numbers, for rows and for columns", attr_info[key].name);
	for (int i = 0; i < 2; i++) {
		x[i] = a->v[i];
		if (x[i] < lo || x[i] > DIM_MAX)
			return no(in, "%s is %lld, but must be at least %lld", attr_info[key].name,
			          (long long)x[i], (long long)lo);
	}
	return true;
}

static bool
axis_attr(Infer *in, int rank, int64_t *axis)
{
	if (!need(in, A_axis))
		return false;
	*axis = attr_int(&in->attrs, A_axis, 0);
	return (*axis >= 0 && *axis < rank) ||
		no(in, "axis is %lld, but x has %d dims", (long long)*axis, rank);
}

static bool
shape_attr(Infer *in, int *rank, int64_t dim[MAX_RANK])
{
	if (!need(in, A_shape))
		return false;

	const Attr *a = attr_find(&in->attrs, A_shape);

	if (a->n > MAX_RANK)
		return no(in, "shape has %d dims, but at most %d are possible", a->n, MAX_RANK);
	*rank = a->n;
	for (int i = 0; i < a->n; i++) {
		dim[i] = a->v[i];
		if (dim[i] < 0 || dim[i] > DIM_MAX)
			return no(in, "shape has a dim of %lld", (long long)dim[i]);
	}
	return true;
}

/* layout: where the channels, rows and columns of a rank 4 tensor are */
typedef struct Map4 { int c, h, w; } Map4;

static bool
layout_attr(Infer *in, Map4 *m)
{
	const char *s = attr_str(&in->attrs, A_layout, "nchw");

	*m = strcmp(s, "nhwc") ? (Map4){ 1, 2, 3 } : (Map4){ 3, 1, 2 };
	return !strcmp(s, "nchw") || !strcmp(s, "nhwc") ||
		no(in, "layout is \"%s\", but must be \"nchw\" or \"nhwc\"", s);
}

/* math: what the products of f32 are made in.  A wish: the evaluator and machines without it compute in f32. */
static bool
math_attr(Infer *in)
{
	const char *s = attr_str(&in->attrs, A_math, NULL);

	if (!s)
		return true;
	if (strcmp(s, "tf32"))
		return no(in, "math is \"%s\", but must be \"tf32\" or absent", s);
	return in->arg[0]->dt == DT_F32 || no(in, "math is \"tf32\", but the numbers are %s", dtype_info[in->arg[0]->dt].name);
}

/* ---- what arguments may be --------------------------------------------------------- */

enum { KIND_BOOL = 1, KIND_INT = 2, KIND_REAL = 4, KIND_F64 = 8,
       KIND_ANY_REAL = KIND_REAL | KIND_F64, KIND_NUMBER = KIND_INT | KIND_ANY_REAL,
       KIND_ANY = KIND_NUMBER | KIND_BOOL };

static int
kind_of(DType dt)
{
	return dt == DT_BOOL ? KIND_BOOL : dt == DT_F64 ? KIND_F64 :
		dtype_info[dt].real ? KIND_REAL : KIND_INT;
}

static bool
want(Infer *in, int i, const char *name, int kinds)
{
	DType dt = in->arg[i]->dt;

	return (kind_of(dt) & kinds) ||
		no(in, "%s is %s, but must be %s", name, dtype_info[dt].name,
		   kinds == KIND_BOOL ? "bool" : kinds == KIND_INT ? "a whole number" :
		   kinds == KIND_REAL ? "f16, bf16 or f32" :
		   kinds == KIND_ANY_REAL ? "a real number" : "a number");
}

static bool
want_rank(Infer *in, int i, const char *name, int rank)
{
	return in->arg[i]->rank == rank ||
		no(in, "%s has %d dims (%s), but needs %d", name, in->arg[i]->rank,
		   text(in, in->arg[i]), rank);
}

static bool
want_type(Infer *in, int i, const char *name, Type t)
{
	return type_eq(in->arg[i], &t) ||
		no(in, "%s is %s, but must be %s", name, text(in, in->arg[i]), text(in, &t));
}

static bool
same_dtype(Infer *in, int i, int j, const char *a, const char *b)
{
	return in->arg[i]->dt == in->arg[j]->dt ||
		no(in, "%s is %s, but %s is %s", a, dtype_info[in->arg[i]->dt].name,
		   b, dtype_info[in->arg[j]->dt].name);
}

/* ---- sources ------------------------------------------------------------------------ */

static bool
infer_input(Infer *in)
{
	int open = 0;

	for (int i = 0; i < in->out->rank; i++)
		open += in->out->dim[i] < 0;
	if (open && !(in->out->rank == 3 && in->out->dt == DT_U8 && in->out->dim[2] == 3))
		return no(in, "only a picture u8[?,?,3] may have sides that are not known");
	return true;
}

static bool infer_param(Infer *in) { (void)in; return true; }
static bool infer_const(Infer *in) { (void)in; return true; }

/* ---- pointwise ------------------------------------------------------------------------ */

static bool
unary(Infer *in, int kinds)
{
	*in->out = *in->arg[0];
	return want(in, 0, "x", kinds);
}

static bool infer_copy(Infer *in)    { return unary(in, KIND_ANY); }
static bool infer_neg(Infer *in)     { return unary(in, KIND_NUMBER); }
static bool infer_abs(Infer *in)     { return unary(in, KIND_NUMBER); }
static bool infer_exp(Infer *in)     { return unary(in, KIND_ANY_REAL); }
static bool infer_log(Infer *in)     { return unary(in, KIND_ANY_REAL); }
static bool infer_sqrt(Infer *in)    { return unary(in, KIND_ANY_REAL); }
static bool infer_sin(Infer *in)     { return unary(in, KIND_ANY_REAL); }
static bool infer_cos(Infer *in)     { return unary(in, KIND_ANY_REAL); }
static bool infer_tanh(Infer *in)    { return unary(in, KIND_ANY_REAL); }
static bool infer_sigmoid(Infer *in) { return unary(in, KIND_ANY_REAL); }
static bool infer_floor(Infer *in)   { return unary(in, KIND_ANY_REAL); }
static bool infer_ceil(Infer *in)    { return unary(in, KIND_ANY_REAL); }
static bool infer_round(Infer *in)   { return unary(in, KIND_ANY_REAL); }
static bool infer_not(Infer *in)     { return unary(in, KIND_BOOL); }

static bool
infer_cast(Infer *in)
{
	DType dt = in->out->dt;

	if (dt <= DT_NONE || dt >= DT_COUNT)
		return no(in, "needs a dtype");
	*in->out = *in->arg[0];
	in->out->dt = dt;
	return true;
}

/* The dims of arguments from .. narg-1 stretched over each other. */
static bool
stretch(Infer *in, int from)
{
	static const char *const name[2][3] = { { "a", "b", "" }, { "c", "a", "b" } };
	bool three = in->narg == 3;
	Type *t = in->out;

	*t = *in->arg[from];
	for (int i = from + 1; i < in->narg; i++) {
		const Type *b = in->arg[i];

		if (b->rank != t->rank)
			return no(in, "%s has %d dims (%s), but %s has %d (%s)", name[three][i],
			          b->rank, text(in, b), name[three][from], t->rank, text(in, t));
		for (int d = 0; d < t->rank; d++) {
			if (t->dim[d] == 1)
				t->dim[d] = b->dim[d];
			else if (b->dim[d] != 1 && b->dim[d] != t->dim[d])
				return no(in, "dim %d of %s is %lld, but of %s it is %lld (%s and %s)", d,
				          name[three][i], (long long)b->dim[d], name[three][from],
				          (long long)t->dim[d], text(in, b), text(in, in->arg[from]));
		}
	}
	return true;
}

static bool
binary(Infer *in, int kinds)
{
	return want(in, 0, "a", kinds) && same_dtype(in, 0, 1, "a", "b") && stretch(in, 0);
}

static bool
compare(Infer *in, int kinds)
{
	bool ok = binary(in, kinds);

	in->out->dt = DT_BOOL;
	return ok;
}

static bool infer_add(Infer *in) { return binary(in, KIND_NUMBER); }
static bool infer_sub(Infer *in) { return binary(in, KIND_NUMBER); }
static bool infer_mul(Infer *in) { return binary(in, KIND_NUMBER); }
static bool infer_div(Infer *in) { return binary(in, KIND_NUMBER); }
static bool infer_mod(Infer *in) { return binary(in, KIND_NUMBER); }
static bool infer_pow(Infer *in) { return binary(in, KIND_NUMBER); }
static bool infer_min(Infer *in) { return binary(in, KIND_NUMBER); }
static bool infer_max(Infer *in) { return binary(in, KIND_NUMBER); }
static bool infer_eq(Infer *in)  { return compare(in, KIND_ANY); }
static bool infer_ne(Infer *in)  { return compare(in, KIND_ANY); }
static bool infer_lt(Infer *in)  { return compare(in, KIND_NUMBER); }
static bool infer_le(Infer *in)  { return compare(in, KIND_NUMBER); }
static bool infer_and(Infer *in) { return binary(in, KIND_BOOL); }
static bool infer_or(Infer *in)  { return binary(in, KIND_BOOL); }

static bool
infer_select(Infer *in)
{
	if (!want(in, 0, "c", KIND_BOOL) || !same_dtype(in, 1, 2, "a", "b") || !stretch(in, 0))
		return false;
	in->out->dt = in->arg[1]->dt;
	return true;
}

/* ---- moves ------------------------------------------------------------------------------ */

static bool
infer_reshape(Infer *in)
{
	Type t = { .dt = in->arg[0]->dt };
	int64_t count = 1;

	if (!shape_attr(in, &t.rank, t.dim))
		return false;
	*in->out = t;
	for (int i = 0; i < t.rank; i++)
		if (__builtin_mul_overflow(count, t.dim[i], &count))
			return no(in, "shape is too large");
	if (count != type_count(in->arg[0]))
		return no(in, "shape %s has %lld elements, but x has %lld (%s)", text(in, &t),
		          (long long)count, (long long)type_count(in->arg[0]),
		          text(in, in->arg[0]));
	return true;
}

static bool
infer_permute(Infer *in)
{
	const Type *x = in->arg[0];

	if (!need(in, A_axes))
		return false;

	const Attr *axes = attr_find(&in->attrs, A_axes);
	unsigned seen = 0;

	if (axes->n != x->rank)
		return no(in, "axes names %d dims, but x has %d", axes->n, x->rank);
	*in->out = *x;
	for (int i = 0; i < x->rank; i++) {
		int64_t d = axes->v[i];

		if (d < 0 || d >= x->rank)
			return no(in, "axes has %lld, but x has %d dims", (long long)d, x->rank);
		if (seen & 1u << d)
			return no(in, "axes names dim %lld twice", (long long)d);
		seen |= 1u << d;
		in->out->dim[i] = x->dim[d];
	}
	return true;
}

static bool
infer_slice(Infer *in)
{
	const Type *x = in->arg[0];
	int64_t axis, begin, end, step;

	if (!axis_attr(in, x->rank, &axis) ||
	    !int_attr(in, A_begin, 0, 0, x->dim[axis], &begin) ||
	    !int_attr(in, A_end, x->dim[axis], begin, x->dim[axis], &end) ||
	    !int_attr(in, A_step, 1, 1, DIM_MAX, &step))
		return false;
	*in->out = *x;
	in->out->dim[axis] = (end - begin + step - 1) / step;
	return true;
}

static bool
infer_concat(Infer *in)
{
	Type *t = in->out;
	int64_t axis;

	*t = *in->arg[0];
	if (!axis_attr(in, t->rank, &axis))
		return false;
	for (int i = 1; i < in->narg; i++) {
		const Type *x = in->arg[i];

		if (x->dt != t->dt || x->rank != t->rank)
			return no(in, "argument %d is %s, but argument 1 is %s", i + 1, text(in, x),
			          text(in, in->arg[0]));
		for (int d = 0; d < t->rank; d++)
			if (d != axis && x->dim[d] != t->dim[d])
				return no(in, "dim %d of argument %d is %lld, but of argument 1 it is %lld "
				          "(%s and %s)", d, i + 1, (long long)x->dim[d],
				          (long long)t->dim[d], text(in, x), text(in, in->arg[0]));
		t->dim[axis] += x->dim[axis];
	}
	return true;
}

static bool
infer_broadcast(Infer *in)
{
	const Type *x = in->arg[0];
	Type t = { .dt = x->dt };

	if (!shape_attr(in, &t.rank, t.dim))
		return false;
	*in->out = t;
	if (t.rank != x->rank)
		return no(in, "shape has %d dims, but x has %d (%s)", t.rank, x->rank, text(in, x));
	for (int d = 0; d < t.rank; d++)
		if (x->dim[d] != 1 && x->dim[d] != t.dim[d])
			return no(in, "dim %d of x is %lld, and only a 1 can be stretched to %lld", d,
			          (long long)x->dim[d], (long long)t.dim[d]);
	return true;
}

static bool
infer_resize(Infer *in)
{
	Map4 m;
	int64_t f;

	*in->out = *in->arg[0];
	if (!want_rank(in, 0, "x", 4) || !layout_attr(in, &m) || !need(in, A_factor) ||
	    !int_attr(in, A_factor, 1, 1, 1 << 16, &f))
		return false;
	in->out->dim[m.h] *= f;
	in->out->dim[m.w] *= f;
	return true;
}

static bool
infer_iota(Infer *in)
{
	Type t = { .dt = in->out->dt == DT_NONE ? DT_I32 : in->out->dt };
	int64_t axis;

	if (!shape_attr(in, &t.rank, t.dim) || !axis_attr(in, t.rank, &axis))
		return false;
	*in->out = t;
	return t.dt != DT_BOOL || no(in, "counts, so it cannot be bool");
}

static bool
infer_gather(Infer *in)
{
	const Type *x = in->arg[0], *at = in->arg[1];
	int64_t axis;

	*in->out = *x;
	if (!axis_attr(in, x->rank, &axis))
		return false;
	if (at->dt != DT_I32)
		return no(in, "the index is %s, but must be i32", dtype_info[at->dt].name);
	if (at->rank != axis + 1)
		return no(in, "the index has %d dims (%s), but along axis %lld it needs %lld", at->rank,
		          text(in, at), (long long)axis, (long long)axis + 1);
	for (int d = 0; d < axis; d++)
		if (at->dim[d] != x->dim[d])
			return no(in, "dim %d of the index is %lld, but of x it is %lld", d,
			          (long long)at->dim[d], (long long)x->dim[d]);
	in->out->dim[axis] = at->dim[axis];
	return true;
}

static bool
infer_pick(Infer *in)
{
	const Type *x = in->arg[0];
	Type t = *in->arg[1];

	if (in->narg != x->rank + 1)
		return no(in, "x has %d dims (%s), but %d indices are given", x->rank, text(in, x), in->narg - 1);
	for (int i = 1; i < in->narg; i++) {
		const Type *at = in->arg[i];

		if (at->dt != DT_I32)
			return no(in, "index %d is %s, but must be i32", i, dtype_info[at->dt].name);
		if (at->rank != t.rank)
			return no(in, "index %d has %d dims (%s), but the first has %d (%s)", i, at->rank, text(in, at),
			          t.rank, text(in, in->arg[1]));
		if (x->dim[i - 1] == 0)
			return no(in, "dim %d of x is 0: there is nothing to take", i - 1);
		for (int d = 0; d < t.rank; d++) {
			if (t.dim[d] == 1)
				t.dim[d] = at->dim[d];
			else if (at->dim[d] != 1 && at->dim[d] != t.dim[d])
				return no(in, "dim %d of index %d is %lld, but %lld before it", d, i,
				          (long long)at->dim[d], (long long)t.dim[d]);
		}
	}
	t.dt = x->dt;
	*in->out = t;
	return true;
}

/* ---- reductions --------------------------------------------------------------------------- */

static bool
reduce(Infer *in, int kinds, bool needs_one)
{
	const Type *x = in->arg[0];

	*in->out = *x;
	if (!want(in, 0, "x", kinds) || !need(in, A_axes))
		return false;

	const Attr *axes = attr_find(&in->attrs, A_axes);
	unsigned seen = 0;

	for (int i = 0; i < axes->n; i++) {
		int64_t d = axes->v[i];

		if (d < 0 || d >= x->rank)
			return no(in, "axes has %lld, but x has %d dims", (long long)d, x->rank);
		if (seen & 1u << d)
			return no(in, "axes names dim %lld twice", (long long)d);
		if (needs_one && x->dim[d] == 0)
			return no(in, "dim %lld of x is 0: there is nothing to take", (long long)d);
		seen |= 1u << d;
		in->out->dim[d] = 1;
	}
	return true;
}

static bool infer_sum(Infer *in)  { return reduce(in, KIND_NUMBER, false); }
static bool infer_mean(Infer *in) { return reduce(in, KIND_ANY_REAL, true); }
static bool infer_amax(Infer *in) { return reduce(in, KIND_NUMBER, true); }

static bool
infer_argmax(Infer *in)
{
	int64_t axis;

	*in->out = *in->arg[0];
	if (!want(in, 0, "x", KIND_NUMBER) || !axis_attr(in, in->arg[0]->rank, &axis))
		return false;
	if (in->arg[0]->dim[axis] == 0)
		return no(in, "dim %lld of x is 0: there is nothing to take", (long long)axis);
	in->out->dt = DT_I32;
	in->out->dim[axis] = 1;
	return true;
}

static bool
infer_expect(Infer *in)
{
	int64_t axis;

	*in->out = *in->arg[0];
	if (!want(in, 0, "x", KIND_ANY_REAL) || !want(in, 1, "w", KIND_ANY_REAL) ||
	    !axis_attr(in, in->arg[0]->rank, &axis))
		return false;
	if (in->arg[1]->dt != in->arg[0]->dt || in->arg[1]->rank != in->arg[0]->rank ||
	    in->arg[1]->dim[axis] != in->arg[0]->dim[axis] || type_count(in->arg[1]) != in->arg[0]->dim[axis])
		return no(in, "w must be like x along axis %lld, and 1 elsewhere", (long long)axis);
	in->out->dim[axis] = 1;
	return true;
}

static bool
infer_softmax(Infer *in)
{
	int64_t axis;

	*in->out = *in->arg[0];
	return want(in, 0, "x", KIND_ANY_REAL) && axis_attr(in, in->arg[0]->rank, &axis);
}

/* ---- heavy -------------------------------------------------------------------------------- */

/* How many places a window of k (spread by dilation) has along n with padding. */
static bool
places(Infer *in, const char *what, int64_t n, int64_t k, int64_t stride, int64_t pad,
       int64_t dilation, int64_t *out)
{
	int64_t span = (k - 1) * dilation + 1, room = n + 2 * pad - span;

	if (room < 0)
		return no(in, "a window of %lld %s does not fit into %lld with a padding of %lld",
		          (long long)span, what, (long long)n, (long long)pad);
	*out = room / stride + 1;
	return true;
}

static bool
infer_conv2d(Infer *in)
{
	const Type *x = in->arg[0], *w = in->arg[1], *b = in->narg > 2 ? in->arg[2] : NULL;
	int64_t stride[2], pad[2], dilation[2], g, pack;
	Map4 m;

	*in->out = *x;
	if (!want(in, 0, "x", KIND_REAL) || !want_rank(in, 0, "x", 4) || !same_dtype(in, 0, 1, "x", "w") ||
	    !layout_attr(in, &m) || !pair_attr(in, A_stride, 1, 1, stride) ||
	    !pair_attr(in, A_pad, 0, 0, pad) || !pair_attr(in, A_dilation, 1, 1, dilation) ||
	    !int_attr(in, A_groups, 1, 1, DIM_MAX, &g) || !int_attr(in, A_pack, 0, 0, 1 << 16, &pack) || !math_attr(in) ||
	    !want_rank(in, 1, "w", pack ? 5 : 4))
		return false;

	int64_t o = w->dim[0], cg = w->dim[pack ? 3 : 1];
	const int64_t *k = &w->dim[pack ? 1 : 2];

	if (b && b->rank != 1)
		return no(in, "b has %d dims (%s), but needs 1", b->rank, text(in, b));
	if (b && b->dt != x->dt && b->dt != DT_F32)
		return no(in, "b is %s, but must be f32 or %s like x", dtype_info[b->dt].name,
		          dtype_info[x->dt].name);
	if (pack) {
		if (w->dim[4] != pack)
			return no(in, "the last dim of w is %lld, but pack is %lld",
			          (long long)w->dim[4], (long long)pack);
		o = b ? b->dim[0] : o * pack;
		if ((o + pack - 1) / pack != w->dim[0])
			return no(in, "w has %lld packs of %lld channels, but b has %lld",
			          (long long)w->dim[0], (long long)pack, (long long)o);
	}
	if (b && b->dim[0] != o)
		return no(in, "w gives %lld channels, but b has %lld", (long long)o, (long long)b->dim[0]);
	if (k[0] < 1 || k[1] < 1)
		return no(in, "w has no taps (%s)", text(in, w));
	if (cg > DIM_MAX / g || x->dim[m.c] != cg * g)
		return no(in, g == 1 ? "w takes %lld input channels, but x has %lld" :
		          "w takes %lld input channels in each group, but x has %lld in %lld groups",
		          (long long)cg, (long long)x->dim[m.c], (long long)g);
	if (o % g)
		return no(in, "%lld output channels do not divide into %lld groups", (long long)o, (long long)g);
	in->out->dim[m.c] = o;
	return places(in, "rows", x->dim[m.h], k[0], stride[0], pad[0], dilation[0], &in->out->dim[m.h]) &&
		places(in, "columns", x->dim[m.w], k[1], stride[1], pad[1], dilation[1], &in->out->dim[m.w]);
}

static bool
infer_matmul(Infer *in)
{
	const Type *a = in->arg[0], *b = in->arg[1];
	int64_t ta, tb;
	int r = a->rank;

	*in->out = *a;
	if (!want(in, 0, "a", KIND_REAL) || !same_dtype(in, 0, 1, "a", "b") ||
	    !int_attr(in, A_ta, 0, 0, 1, &ta) || !int_attr(in, A_tb, 0, 0, 1, &tb))
		return false;
	if (r < 2 || b->rank != r)
		return no(in, "a is %s and b is %s, but both need the same number of dims, at least 2",
		          text(in, a), text(in, b));
	for (int d = 0; d < r - 2; d++)
		if (a->dim[d] != b->dim[d])
			return no(in, "dim %d of a is %lld, but of b it is %lld", d,
			          (long long)a->dim[d], (long long)b->dim[d]);

	int64_t ka = a->dim[ta ? r - 2 : r - 1], kb = b->dim[tb ? r - 1 : r - 2];

	if (ka != kb)
		return no(in, "a has %lld columns, but b has %lld rows (%s and %s%s)", (long long)ka,
		          (long long)kb, text(in, a), text(in, b), ta || tb ? ", transposed" : "");
	in->out->dim[r - 2] = a->dim[ta ? r - 1 : r - 2];
	in->out->dim[r - 1] = b->dim[tb ? r - 2 : r - 1];
	return true;
}

/* What follows q, k and v: captures of the body, and the list of tiles. */
static bool
attention_body(Infer *in, int64_t tokens)
{
	const Attr *body = attr_find(&in->attrs, A_body), *tiles = attr_find(&in->attrs, A_tiles);
	int extra = in->narg - 3;

	if (!body)
		return (!extra && !tiles) || no(in, "takes q, k and v, and more for a body only");
	if (tiles) {
		const Type *t = in->arg[in->narg - 1];

		if (tiles->n != 2 || tiles->v[0] < 1 || tiles->v[1] < 2 || tiles->v[1] % 2 ||
		    tiles->v[0] > DIM_MAX || tiles->v[1] > DIM_MAX)
			return no(in, "tiles takes two numbers, for queries and for keys, the second even");
		if (--extra < 0 || t->dt != DT_I32 || t->rank != 1)
			return no(in, "the last argument must list tiles as i32[..]");
	}
	return body_check(in->a, body->g, tokens, in->arg + 3, extra, in->err);
}

static bool
infer_attention(Infer *in)
{
	const Type *q = in->arg[0], *k = in->arg[1], *v = in->arg[2];
	int64_t heads, windows;
	Map4 m;

	*in->out = *v;
	if (!want(in, 0, "q", KIND_REAL) || !want_rank(in, 0, "q", 4) || !want_rank(in, 2, "v", 4) ||
	    !same_dtype(in, 0, 2, "q", "v") || !layout_attr(in, &m) || !math_attr(in) || !need(in, A_heads) ||
	    !int_attr(in, A_heads, 1, 1, DIM_MAX, &heads) ||
	    !int_attr(in, A_windows, 1, 1, DIM_MAX, &windows))
		return false;
	if (!type_eq(q, k))
		return no(in, "q is %s, but k is %s", text(in, q), text(in, k));
	for (int d = 0; d < 4; d++)
		if (d != m.c && q->dim[d] != v->dim[d])
			return no(in, "q is %s, but v is %s", text(in, q), text(in, v));
	if (q->dim[m.c] % heads || v->dim[m.c] % heads)
		return no(in, "%lld channels do not divide into %lld heads",
		          (long long)(q->dim[m.c] % heads ? q : v)->dim[m.c], (long long)heads);
	if (q->dim[m.h] * q->dim[m.w] % windows)
		return no(in, "%lld tokens (%lld rows of %lld) do not divide into %lld windows",
		          (long long)(q->dim[m.h] * q->dim[m.w]), (long long)q->dim[m.h],
		          (long long)q->dim[m.w], (long long)windows);
	return attention_body(in, q->dim[m.h] * q->dim[m.w] / windows);
}

static bool
infer_pool(Infer *in)
{
	const Type *x = in->arg[0];
	const char *kind = attr_str(&in->attrs, A_kind, "");
	int64_t k[2], stride[2], pad[2];
	Map4 m;

	*in->out = *x;
	if (!want(in, 0, "x", KIND_REAL) || !want_rank(in, 0, "x", 4) || !layout_attr(in, &m) ||
	    !need(in, A_kind) || !need(in, A_kernel) || !pair_attr(in, A_kernel, 1, 1, k) ||
	    !pair_attr(in, A_stride, 0, 1, stride) || !pair_attr(in, A_pad, 0, 0, pad))
		return false;
	if (strcmp(kind, "max") && strcmp(kind, "mean"))
		return no(in, "kind is \"%s\", but must be \"max\" or \"mean\"", kind);
	for (int i = 0; i < 2; i++) {
		int64_t *d = &in->out->dim[i ? m.w : m.h];

		/* then every window has something of the picture in it */
		if (pad[i] > k[i] / 2)
			return no(in, "pad is %lld, but at most half of the kernel's %lld is possible",
			          (long long)pad[i], (long long)k[i]);
		if (*d == 0)
			return no(in, "x has no %s", i ? "columns" : "rows");
		if (!places(in, i ? "columns" : "rows", *d, k[i], stride[i] ? stride[i] : k[i], pad[i], 1, d))
			return false;
	}
	return true;
}

static bool
infer_batch_norm(Infer *in)
{
	static const char *const name[] = { "x", "scale", "bias", "mean", "var" };
	const Type *x = in->arg[0];

	*in->out = *x;
	if (!want(in, 0, "x", KIND_REAL) || !need(in, A_eps))
		return false;
	if (x->rank < 2)
		return no(in, "x has %d dims (%s), but needs at least 2", x->rank, text(in, x));
	for (int i = 1; i < 5; i++)
		if (!want_type(in, i, name[i], type_of(in->arg[i]->dt == x->dt ? x->dt : DT_F32, 1, &x->dim[1])))
			return false;
	return true;
}

/* ---- the rest ------------------------------------------------------------------------------- */

static bool
infer_topk(Infer *in)
{
	const Type *x = in->arg[0];
	int64_t k;

	*in->out = *x;
	if (!want(in, 0, "x", KIND_NUMBER))
		return false;
	if (x->rank < 1)
		return no(in, "x is a scalar");
	if (!need(in, A_k) || !int_attr(in, A_k, 0, 0, x->dim[x->rank - 1], &k))
		return false;
	in->out->dt = DT_I32;
	in->out->dim[x->rank - 1] = k;
	return true;
}

static bool
picture(Infer *in)
{
	const Type *x = in->arg[0];

	return (x->dt == DT_U8 && x->rank == 3 && x->dim[2] == 3) ||
		no(in, "the picture is %s, but must be u8[H,W,3]", text(in, x));
}

static bool
infer_fit(Infer *in)
{
	static const int64_t ten[] = { FIT_COUNT };
	int64_t t[2], f[2], up;

	*in->out = type_of(DT_F64, 1, ten);
	return picture(in) && need(in, A_target) && need(in, A_frame) &&
		pair_attr(in, A_target, 1, 1, t) && pair_attr(in, A_frame, 1, 1, f) &&
		int_attr(in, A_scaleup, 1, 0, 1, &up);
}

static bool
infer_warp(Infer *in)
{
	static const int64_t ten[] = { FIT_COUNT };
	int64_t f[2];

	if (!picture(in) || !want_type(in, 1, "fit", type_of(DT_F64, 1, ten)) || !need(in, A_frame) ||
	    !pair_attr(in, A_frame, 1, 1, f))
		return false;
	*in->out = type_of(DT_U8, 4, (const int64_t[]){ 1, f[0], f[1], 3 });
	return true;
}

static bool
infer_nms(Infer *in)
{
	const Type *boxes = in->arg[0], *scores = in->arg[1];
	static const int64_t one[] = { 1 };
	int64_t k, x;

	if (!want(in, 0, "boxes", KIND_REAL) || !want_rank(in, 0, "boxes", 3) ||
	    !want(in, 1, "scores", KIND_REAL) || !want_rank(in, 1, "scores", 3))
		return false;
	if (boxes->dim[2] != 4)
		return no(in, "boxes is %s, but a box has 4 numbers", text(in, boxes));
	if (scores->dim[0] != boxes->dim[0] || scores->dim[1] != boxes->dim[1])
		return no(in, "boxes is %s, but scores is %s", text(in, boxes), text(in, scores));
	if (scores->dim[2] < 1)
		return no(in, "scores has no classes");
	if (scores->dim[1] > DIM_MAX / scores->dim[2])
		return no(in, "%lld anchors of %lld classes are too many for an i32",
		          (long long)scores->dim[1], (long long)scores->dim[2]);
	if (!want(in, 2, "conf", KIND_REAL) || !want_type(in, 2, "conf", type_of(in->arg[2]->dt, 1, one)) ||
	    !want_type(in, 3, "iou", type_of(DT_F64, 1, one)) ||
	    !want_type(in, 4, "keep", type_of(DT_BOOL, 1, &scores->dim[2])) ||
	    !want_type(in, 5, "agnostic", type_of(DT_I32, 1, one)) ||
	    !want_type(in, 6, "limit", type_of(DT_I32, 1, one)) || !need(in, A_k) ||
	    !int_attr(in, A_k, 0, 0, 1 << 24, &k) || !int_attr(in, A_multi_label, 0, 0, 1, &x) ||
	    !int_attr(in, A_max_nms, 30000, 0, DIM_MAX, &x))
		return false;
	*in->out = type_of(DT_I32, 2, (const int64_t[]){ boxes->dim[0], k });
	return true;
}

static bool
infer_store(Infer *in)
{
	*in->out = *in->arg[0];
	return type_eq(in->arg[0], in->arg[1]) ||
		no(in, "the state is %s, but what is written to it is %s", text(in, in->arg[0]),
		   text(in, in->arg[1]));
}

/* ---- the table ---------------------------------------------------------------------------------- */

static InferFn *const infer_fn[OP_COUNT] = {
#define OP(name, lo, hi, fuse, effect, grad, shapes) [OP_##name] = infer_##name,
#include "graph/ops.def"
#undef OP
};

/* Is the word in the braces that end the shapes column? */
static bool
takes(OpKind op, AttrKey key)
{
	const char *s = strchr(op_info[op].shapes, '{'), *word = attr_info[key].name;
	size_t n = strlen(word);

	while (s && (s = strstr(s + 1, word)))
		if (strchr("{ ", s[-1]) && strchr(" =(}", s[n]))
			return true;
	return false;
}

static bool
check_attrs(Infer *in)
{
	for (int i = 0; i < in->attrs.nattr; i++) {
		AttrKey key = in->attrs.attr[i].key;

		if (key <= A_none || key >= ATTR_COUNT)
			return no(in, "has an attribute that does not exist (%d)", (int)key);
		if (!takes(in->op, key))
			return no(in, "takes no attribute '%s'", attr_info[key].name);
		for (int j = 0; j < i; j++)
			if (in->attrs.attr[j].key == key)
				return no(in, "has the attribute '%s' twice", attr_info[key].name);
	}
	return true;
}

/* A type that tensors can have: open dims only in pictures that come from outside. */
static bool
check_type(Infer *in, const Type *t, bool open)
{
	int64_t count = 1;

	if (t->dt <= DT_NONE || t->dt >= DT_COUNT || t->rank < 0 || t->rank > MAX_RANK)
		return no(in, "has no valid type");
	for (int i = 0; i < t->rank; i++) {
		if (t->dim[i] < (open ? -1 : 0) || t->dim[i] > DIM_MAX)
			return no(in, t->dim[i] == -1 ? "%s has a side that is not known before it runs" :
			          "%s has a dim out of range", text(in, t));
		/* zeros aside, so that no order of multiplying overflows */
		if (t->dim[i] > 0 &&
		    (__builtin_mul_overflow(count, t->dim[i], &count) || count > COUNT_MAX))
			return no(in, "%s is too large", text(in, t));
	}
	return true;
}

bool
infer_type(Arena *a, OpKind op, const Type *const *arg, int narg,
           const Attr *attr, int nattr, Type *out, const char **err)
{
	Infer in = {
		.a = a, .op = op, .arg = arg, .narg = narg, .out = out, .err = err,
		.attrs = { .attr = (Attr *)attr, .nattr = nattr },
	};

	if (op <= OP_none || op >= OP_COUNT)
		return no(&in, "is no op");
	if (narg < op_info[op].lo || narg > op_info[op].hi)
		return no(&in, op_info[op].lo == op_info[op].hi ? "takes %d arguments, but has %d" :
		          "takes at least %d arguments, but has %d", op_info[op].lo, narg);
	if (!check_attrs(&in))
		return false;
	for (int i = 0; i < narg; i++)
		if (!check_type(&in, arg[i], op == OP_fit || op == OP_warp))
			return false;
	return infer_fn[op](&in) && check_type(&in, out, op == OP_input);
}
