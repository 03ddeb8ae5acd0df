/* eval_point.c -- the pointwise ops.
 *
 * Reals are computed in f64 and rounded once: for + - * / and sqrt on f32 that is
 * the same as computing in f32, since 53 bits are more than twice 24 plus 2; for
 * the rest it is the correctly rounded answer in all but a few cases in a billion.
 * Integers are computed as unsigned where they may wrap, so that the low bits are right.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "graph/eval.h"

/* One run of an op in each wide format.  rs, as, bs: steps, in elements. */
typedef void unary_fn(int64_t n, void *r, const void *a, int64_t as);
typedef void binary_fn(int64_t n, void *r, const void *a, int64_t as, const void *b, int64_t bs);
typedef binary_fn compare_fn;

static bool
unary(Eval *e, unary_fn *const fn[3])
{
	const Tensor *x = e->arg[0];
	void *r = wide_out(e);

	if (!fn[wide_of(x->type.dt)])
		return eval_error(e, "does not work on %s", dtype_info[x->type.dt].name);
	fn[wide_of(x->type.dt)](type_count(&x->type), r, widen(e->a, x), 1);
	narrow(e, r);
	return true;
}

/* strides of an operand within the shape of the result: 0 where it is stretched */
static void
stretched(const Type *x, const Type *r, int64_t s[MAX_RANK])
{
	type_strides(x, s);
	for (int i = 0; i < x->rank; i++)
		if (x->dim[i] != r->dim[i])
			s[i] = 0;
}

/* `wide` bytes an operand has, `result` bytes a result has in fn's format */
static void
binary_runs(Eval *e, binary_fn *fn, size_t wide, size_t result, void *r)
{
	const Tensor *a = e->arg[0], *b = e->arg[1];
	const Type *t = &e->out->type;
	int64_t rs[MAX_RANK], as[MAX_RANK], bs[MAX_RANK];
	const char *pa = widen(e->a, a), *pb = widen(e->a, b);
	Run w;

	type_strides(t, rs);
	stretched(&a->type, t, as);
	stretched(&b->type, t, bs);
	run_begin(&w, t->rank, t->dim, 3, (const int64_t *const[]){ rs, as, bs });
	while (run_next(&w))
		fn(w.len, (char *)r + (size_t)w.off[0] * result, pa + (size_t)w.off[1] * wide, w.step[1],
		   pb + (size_t)w.off[2] * wide, w.step[2]);
}

static const size_t wide_bytes[3] = { sizeof(float), sizeof(double), sizeof(int64_t) };

static bool
binary(Eval *e, binary_fn *const fn[3])
{
	Wide w = wide_of(e->arg[0]->type.dt);
	void *r = wide_out(e);

	if (!fn[w])
		return eval_error(e, "does not work on %s", dtype_info[e->arg[0]->type.dt].name);
	binary_runs(e, fn[w], wide_bytes[w], wide_bytes[w], r);
	narrow(e, r);
	return true;
}

/* the result is bool, whatever was compared */
static bool
compare(Eval *e, compare_fn *const fn[3])
{
	Wide w = wide_of(e->arg[0]->type.dt);

	binary_runs(e, fn[w], wide_bytes[w], 1, e->out->data);
	return true;
}

#define UNARY_RUN(name, T, W, expr)                                                 \
	static void                                                                 \
	name(int64_t n, void *r, const void *a, int64_t as)                         \
	{                                                                           \
		for (int64_t i = 0; i < n; i++) {                                   \
			W x = ((const T *)a)[i * as];                               \
			((T *)r)[i] = (T)(expr);                                    \
		}                                                                   \
	}
#define BINARY_RUN(name, T, W, R, expr)                                             \
	static void                                                                 \
	name(int64_t n, void *r, const void *a, int64_t as, const void *b, int64_t bs)  \
	{                                                                           \
		for (int64_t i = 0; i < n; i++) {                                   \
			W x = ((const T *)a)[i * as], y = ((const T *)b)[i * bs];   \
			((R *)r)[i] = (R)(expr);                                    \
		}                                                                   \
	}

#define TABLE(kind, name, f32, f64, i64)                                            \
	bool                                                                        \
	eval_##name(Eval *e)                                                        \
	{                                                                           \
		return kind(e, (kind##_fn *const[]){ f32, f64, i64 });              \
	}

/* what is computed for reals, in f64, and for integers, in i64 */
#define UNARY(name, real, whole)                                                    \
	UNARY_RUN(name##_f32, float, double, real)                                  \
	UNARY_RUN(name##_f64, double, double, real)                                 \
	UNARY_RUN(name##_i64, int64_t, int64_t, whole)                              \
	TABLE(unary, name, name##_f32, name##_f64, name##_i64)
#define REAL_UNARY(name, real)                                                      \
	UNARY_RUN(name##_f32, float, double, real)                                  \
	UNARY_RUN(name##_f64, double, double, real)                                 \
	TABLE(unary, name, name##_f32, name##_f64, NULL)
#define BOOL_UNARY(name, whole)                                                     \
	UNARY_RUN(name##_i64, int64_t, int64_t, whole)                              \
	TABLE(unary, name, NULL, NULL, name##_i64)
#define BINARY(name, real, whole)                                                   \
	BINARY_RUN(name##_f32, float, double, float, real)                          \
	BINARY_RUN(name##_f64, double, double, double, real)                        \
	BINARY_RUN(name##_i64, int64_t, int64_t, int64_t, whole)                    \
	TABLE(binary, name, name##_f32, name##_f64, name##_i64)
#define BOOL_BINARY(name, whole)                                                    \
	BINARY_RUN(name##_i64, int64_t, int64_t, int64_t, whole)                    \
	TABLE(binary, name, NULL, NULL, name##_i64)
#define COMPARE(name, expr)                                                         \
	BINARY_RUN(name##_f32, float, double, uint8_t, expr)                        \
	BINARY_RUN(name##_f64, double, double, uint8_t, expr)                       \
	BINARY_RUN(name##_i64, int64_t, int64_t, uint8_t, expr)                     \
	TABLE(compare, name, name##_f32, name##_f64, name##_i64)

#define U(x) ((uint64_t)(x))

static int64_t
int_div(int64_t x, int64_t y)
{
	if (y == 0)
		return 0;
	if (y == -1)
		return (int64_t)(0 - U(x));
	return x / y - (x % y != 0 && (x < 0) != (y < 0));
}

static int64_t
int_mod(int64_t x, int64_t y)
{
	return y == 0 ? 0 : (int64_t)(U(x) - U(int_div(x, y)) * U(y));
}

static int64_t
int_pow(int64_t x, int64_t y)
{
	uint64_t r = 1, b = U(x);

	if (y < 0)              /* 1 / x^-y, rounded toward 0 */
		return x == 1 ? 1 : x == -1 ? (y & 1 ? -1 : 1) : 0;
	for (; y; y >>= 1, b *= b)
		if (y & 1)
			r *= b;
	return (int64_t)r;
}

static double
real_mod(double x, double y)
{
	double m = fmod(x, y);

	return m == 0 ? copysign(0, y) : (m < 0) != (y < 0) ? m + y : m;
}

UNARY(copy,  x, x)
UNARY(neg,   -x, (int64_t)(0 - U(x)))
UNARY(abs,   fabs(x), x < 0 ? (int64_t)(0 - U(x)) : x)

REAL_UNARY(exp,     exp(x))
REAL_UNARY(log,     log(x))
REAL_UNARY(sqrt,    sqrt(x))
REAL_UNARY(sin,     sin(x))
REAL_UNARY(cos,     cos(x))
REAL_UNARY(tanh,    tanh(x))
REAL_UNARY(sigmoid, 1 / (1 + exp(-x)))
REAL_UNARY(floor,   floor(x))
REAL_UNARY(ceil,    ceil(x))
REAL_UNARY(round,   rint(x))

BINARY(add, x + y, (int64_t)(U(x) + U(y)))
BINARY(sub, x - y, (int64_t)(U(x) - U(y)))
BINARY(mul, x * y, (int64_t)(U(x) * U(y)))
BINARY(div, x / y, int_div(x, y))
BINARY(mod, real_mod(x, y), int_mod(x, y))
BINARY(pow, pow(x, y), int_pow(x, y))
BINARY(min, fmin(x, y), MIN(x, y))
BINARY(max, fmax(x, y), MAX(x, y))

BOOL_UNARY(not,  !x)
BOOL_BINARY(and, x && y)
BOOL_BINARY(or,  x || y)

COMPARE(eq, x == y)
COMPARE(ne, x != y)
COMPARE(lt, x < y)
COMPARE(le, x <= y)

bool
eval_select(Eval *e)
{
	const Type *t = &e->out->type;
	size_t size = (size_t)dtype_info[t->dt].bytes;
	int64_t s[3][MAX_RANK];
	const uint8_t *c = e->arg[0]->data;
	Run w;

	for (int k = 0; k < 3; k++)
		stretched(&e->arg[k]->type, t, s[k]);
	run_begin(&w, t->rank, t->dim, 3, (const int64_t *const[]){ s[0], s[1], s[2] });

	char *r = e->out->data;         /* runs come in the result's own order */

	while (run_next(&w))
		for (int64_t i = 0; i < w.len; i++, r += size) {
			int k = c[w.off[0] + i * w.step[0]] ? 1 : 2;

			memcpy(r, (const char *)e->arg[k]->data + (size_t)(w.off[k] + i * w.step[k]) * size, size);
		}
	return true;
}

/* ---- cast ----------------------------------------------------------------------------- */

static int64_t
to_int(double x, double lo, double hi)
{
	/* hi of i64 is 2^63 as a double, which is itself out of range */
	return x != x ? 0 : x <= lo ? (int64_t)lo : x < hi ? (int64_t)x :
		hi >= 0x1p63 ? INT64_MAX : (int64_t)hi;
}

bool
eval_cast(Eval *e)
{
	const Tensor *x = e->arg[0];
	DType dt = e->out->type.dt;
	Wide from = wide_of(x->type.dt), to = wide_of(dt);
	const void *p = widen(e->a, x);
	void *r = wide_out(e);
	double lo = dt == DT_I64 ? -0x1p63 : dt == DT_I32 ? INT32_MIN : 0;
	double hi = dt == DT_I64 ? 0x1p63 : dt == DT_I32 ? INT32_MAX : UINT8_MAX;
	int64_t n = type_count(&x->type);

	for (int64_t i = 0; i < n; i++) {
		if (from == WIDE_I64) {
			int64_t v = ((const int64_t *)p)[i];

			if (to == WIDE_I64)
				((int64_t *)r)[i] = v;
			else if (to == WIDE_F64)
				((double *)r)[i] = (double)v;
			else
				((float *)r)[i] = (float)v;
		} else {
			double v = from == WIDE_F64 ? ((const double *)p)[i] : (double)((const float *)p)[i];

			if (to == WIDE_I64)
				((int64_t *)r)[i] = dt == DT_BOOL ? v != 0 : to_int(v, lo, hi);
			else if (to == WIDE_F64)
				((double *)r)[i] = v;
			else
				((float *)r)[i] = (float)v;
		}
	}
	narrow(e, r);
	return true;
}
