/* eval.c -- what a lane computes: one small function for each op and type.
 *
 * The builder and simplify fold constants with these functions and the interpreter
 * runs them over whole registers, so there is one meaning of an op, not three.
 *
 *     LANE(add, f32, float, float, x + y)   =>   add_f32(d, a, b, c, n)
 *
 * f16 and bf16 live in floats and every result is rounded.  Rounding an f32 result of
 * + - * / sqrt once more equals rounding once, because 24 >= 2 * 11 + 2 bits; fma needs
 * a wider sum, so it goes through f64.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kir/inner.h"

#include <math.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

const uint8_t kcell_bytes[KS_COUNT] = {
	[KS_I1] = 1, [KS_U8] = 1, [KS_I32] = 4, [KS_I64] = 8, [KS_IX] = 8,
	[KS_F16] = 4, [KS_BF16] = 4, [KS_F32] = 4, [KS_F64] = 8,
};

#define LANE(op, k, D, T, expr)                                                          \
	static void                                                                      \
	op##_##k(void *dv, const void *av, const void *bv, const void *cv, int n)        \
	{                                                                                \
		D *d = dv;                                                               \
		const T *a = av, *b = bv, *c = cv;                                       \
                                                                                         \
		for (int i = 0; i < n; i++) {                                            \
			T x = a[i], y = b[i], z = c[i];                                  \
                                                                                         \
			(void)x, (void)y, (void)z;                                       \
			d[i] = (D)(expr);                                                \
		}                                                                        \
	}

/* ---- integers: computed modulo 2^64 and cut ------------------------------------- */

#define U(x) ((uint64_t)(x))

static inline bool
is(int64_t x, int64_t y)
{
	return x == y;
}

static inline bool
below_zero(int64_t x)
{
	return x < 0;
}

#define INT_LANES(k, T)                                                                  \
	LANE(add, k, T, T, U(x) + U(y))                                                  \
	LANE(sub, k, T, T, U(x) - U(y))                                                  \
	LANE(mul, k, T, T, U(x) * U(y))                                                  \
	LANE(div, k, T, T, y == 0 ? 0 : is(y, -1) ? -U(x) : U(x / y))                     \
	LANE(rem, k, T, T, y == 0 || is(y, -1) ? 0 : x % y)                              \
	LANE(fma, k, T, T, U(x) * U(y) + U(z))                                           \
	LANE(neg, k, T, T, -U(x))                                                        \
	LANE(abs, k, T, T, below_zero(x) ? -U(x) : U(x))                                 \
	LANE(shl, k, T, T, U(x) << (U(y) & (8 * sizeof(T) - 1)))                         \
	LANE(shr, k, T, T, x >> (U(y) & (8 * sizeof(T) - 1)))                            \
	LANE(popcount, k, T, T, __builtin_popcountll((uint64_t)x & ~UINT64_C(0) >> (64 - 8 * sizeof(T)))) \
	LANE(lt, k, uint8_t, T, x < y)                                                   \
	LANE(le, k, uint8_t, T, x <= y)                                                  \
	LANE(min, k, T, T, x < y ? x : y)                                                \
	LANE(max, k, T, T, x > y ? x : y)

#define BIT_LANES(k, T)                                                                  \
	LANE(and, k, T, T, x & y)                                                        \
	LANE(or, k, T, T, x | y)                                                         \
	LANE(xor, k, T, T, x ^ y)

#define ANY_LANES(k, T)                                                                  \
	LANE(mov, k, T, T, x)                                                            \
	LANE(eq, k, uint8_t, T, x == y)                                                  \
	LANE(ne, k, uint8_t, T, x != y)                                                  \
	static void                                                                      \
	select_##k(void *dv, const void *av, const void *bv, const void *cv, int n)      \
	{                                                                                \
		T *d = dv;                                                               \
		const uint8_t *a = av;                                                   \
		const T *b = bv, *c = cv;                                                \
                                                                                         \
		for (int i = 0; i < n; i++)                                              \
			d[i] = a[i] ? b[i] : c[i];                                       \
	}

/* ---- reals: R rounds to the type, F is the f of expf ------------------------------ */

static float
to_f16(float x)
{
	return f16_to_f32(f16_from_f32(x));
}

static float
to_bf16(float x)
{
	return bf16_to_f32(bf16_from_f32(x));
}

static float
f64_to_f16(double x)
{
	uint16_t h;

	dtype_set(DT_F16, &h, 0, x);
	return f16_to_f32(h);
}

static float
f64_to_bf16(double x)
{
	uint16_t h;

	dtype_set(DT_BF16, &h, 0, x);
	return bf16_to_f32(h);
}

#define REAL_LANES(k, T, F, R, FMA)                                                      \
	LANE(add, k, T, T, R(x + y))                                                     \
	LANE(sub, k, T, T, R(x - y))                                                     \
	LANE(mul, k, T, T, R(x * y))                                                     \
	LANE(div, k, T, T, R(x / y))                                                     \
	LANE(rem, k, T, T, R(fmod##F(x, y)))                                             \
	LANE(fma, k, T, T, FMA(x, y, z))                                                 \
	LANE(neg, k, T, T, -x)                                                           \
	LANE(abs, k, T, T, fabs##F(x))                                                   \
	LANE(sqrt, k, T, T, R(sqrt##F(x)))                                               \
	LANE(exp, k, T, T, R(exp##F(x)))                                                 \
	LANE(exp2, k, T, T, R(exp2##F(x)))                                               \
	LANE(max_num, k, T, T, fmax##F(x, y))                                            \
	LANE(log, k, T, T, R(log##F(x)))                                                 \
	LANE(sin, k, T, T, R(sin##F(x)))                                                 \
	LANE(cos, k, T, T, R(cos##F(x)))                                                 \
	LANE(tanh, k, T, T, R(tanh##F(x)))                                               \
	LANE(sigmoid, k, T, T, R(1 / (1 + exp##F(-x))))                                  \
	LANE(floor, k, T, T, R(floor##F(x)))                                             \
	LANE(ceil, k, T, T, R(ceil##F(x)))                                               \
	LANE(round, k, T, T, R(rint##F(x)))                                              \
	LANE(trunc, k, T, T, R(trunc##F(x)))                                             \
	LANE(lt, k, uint8_t, T, x < y)                                                   \
	LANE(le, k, uint8_t, T, x <= y)                                                  \
	LANE(min, k, T, T, x < y ? x : y)                                                \
	LANE(max, k, T, T, x > y ? x : y)

#define SAME(x) (x)
#define FMA_F16(x, y, z) f64_to_f16((double)x * (double)y + (double)z)
#define FMA_BF16(x, y, z) f64_to_bf16((double)x * (double)y + (double)z)

ANY_LANES(b8, uint8_t)
ANY_LANES(i32, int32_t)
ANY_LANES(i64, int64_t)
ANY_LANES(f32, float)
ANY_LANES(f64, double)
BIT_LANES(b8, uint8_t)
BIT_LANES(i32, int32_t)
BIT_LANES(i64, int64_t)
INT_LANES(u8, uint8_t)
INT_LANES(i32, int32_t)
INT_LANES(i64, int64_t)
REAL_LANES(f16, float, f, to_f16, FMA_F16)
REAL_LANES(bf16, float, f, to_bf16, FMA_BF16)
REAL_LANES(f32, float, f, SAME, fmaf)
REAL_LANES(f64, double, , SAME, fma)

#define ANY_ROW(k) [K_mov] = mov_##k, [K_eq] = eq_##k, [K_ne] = ne_##k, [K_select] = select_##k
#define BIT_ROW(k) [K_and] = and_##k, [K_or] = or_##k, [K_xor] = xor_##k
#define NUM_ROW(k)                                                                       \
	[K_add] = add_##k, [K_sub] = sub_##k, [K_mul] = mul_##k, [K_div] = div_##k,      \
	[K_rem] = rem_##k, [K_fma] = fma_##k, [K_neg] = neg_##k, [K_abs] = abs_##k,      \
	[K_lt] = lt_##k, [K_le] = le_##k, [K_min] = min_##k, [K_max] = max_##k
#define INT_ROW(k) NUM_ROW(k), [K_shl] = shl_##k, [K_shr] = shr_##k, [K_popcount] = popcount_##k
#define REAL_ROW(k)                                                                      \
	NUM_ROW(k), [K_sqrt] = sqrt_##k, [K_exp] = exp_##k, [K_log] = log_##k,           \
	[K_exp2] = exp2_##k, [K_max_num] = max_num_##k,                                  \
	[K_sin] = sin_##k, [K_cos] = cos_##k, [K_tanh] = tanh_##k,                       \
	[K_sigmoid] = sigmoid_##k, [K_floor] = floor_##k, [K_ceil] = ceil_##k,           \
	[K_round] = round_##k, [K_trunc] = trunc_##k

static KLaneFn *const lane_fn[KS_COUNT][K_COUNT] = {
	[KS_I1] = { ANY_ROW(b8), BIT_ROW(b8) },
	[KS_U8] = { ANY_ROW(b8), BIT_ROW(b8), INT_ROW(u8) },
	[KS_I32] = { ANY_ROW(i32), BIT_ROW(i32), INT_ROW(i32) },
	[KS_I64] = { ANY_ROW(i64), BIT_ROW(i64), INT_ROW(i64) },
	[KS_IX] = { ANY_ROW(i64), BIT_ROW(i64), INT_ROW(i64) },
	[KS_F16] = { ANY_ROW(f32), REAL_ROW(f16) },
	[KS_BF16] = { ANY_ROW(f32), REAL_ROW(bf16) },
	[KS_F32] = { ANY_ROW(f32), REAL_ROW(f32) },
	[KS_F64] = { ANY_ROW(f64), REAL_ROW(f64) },
};

/* The same bits where the CPU has the instruction, without a call a lane: most of what
 * a convolution does in the interpreter. */
#ifdef __x86_64__
static __attribute__((target("avx2,fma"))) void
fma_f32_avx2(void *dv, const void *av, const void *bv, const void *cv, int n)
{
	float *d = dv;
	const float *a = av, *b = bv, *c = cv;
	int i = 0;

	for (; i + 8 <= n; i += 8)
		_mm256_storeu_ps(d + i, _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i),
		                                        _mm256_loadu_ps(c + i)));
	for (; i < n; i++)
		d[i] = __builtin_fmaf(a[i], b[i], c[i]);
}
#endif

KLaneFn *
klane_fn(KOp op, KScalar s)
{
#ifdef __x86_64__
	if (op == K_fma && s == KS_F32 && __builtin_cpu_supports("avx2") &&
	    __builtin_cpu_supports("fma"))
		return fma_f32_avx2;
#endif
	return lane_fn[s][op];
}

bool
klane_defined(KOp op, KScalar s, const void *b, int n)
{
	if (!ks_int(s) || (op != K_div && op != K_rem && op != K_shl && op != K_shr))
		return true;
	for (int i = 0; i < n; i++) {
		int64_t y = kconst_from_cell(s, (const char *)b + i * kcell_bytes[s]).i;

		if (op == K_div || op == K_rem ? y == 0 : y < 0 || y >= 8 * kcell_bytes[s])
			return false;
	}
	return true;
}

/* ---- casts ------------------------------------------------------------------------ */

static int64_t
saturate(double x, int64_t lo, int64_t hi)
{
	if (isnan(x))
		return 0;
	if (x <= (double)lo)
		return lo;
	return x >= (double)hi ? hi : (int64_t)x;
}

#define TO_I1(x) ((x) != 0)
#define CUT_U8(x) (uint8_t)U(x)
#define CUT_I32(x) (int32_t)U(x)
#define CUT_I64(x) (int64_t)(x)
#define SAT_U8(x) saturate((double)(x), 0, 255)
#define SAT_I32(x) saturate((double)(x), INT32_MIN, INT32_MAX)
#define SAT_I64(x) saturate((double)(x), INT64_MIN, INT64_MAX)
#define F16_OF(x) f64_to_f16((double)(x))
#define BF16_OF(x) f64_to_bf16((double)(x))

#define CASTS(k, T, INT)                                                                 \
	LANE(i1_of, k, uint8_t, T, TO_I1(x))                                             \
	LANE(u8_of, k, uint8_t, T, INT##_U8(x))                                          \
	LANE(i32_of, k, int32_t, T, INT##_I32(x))                                        \
	LANE(i64_of, k, int64_t, T, INT##_I64(x))                                        \
	LANE(f16_of, k, float, T, F16_OF(x))                                             \
	LANE(bf16_of, k, float, T, BF16_OF(x))                                           \
	LANE(f32_of, k, float, T, (float)x)                                              \
	LANE(f64_of, k, double, T, (double)x)

CASTS(b8, uint8_t, CUT)
CASTS(i32, int32_t, CUT)
CASTS(i64, int64_t, CUT)
CASTS(f32, float, SAT)
CASTS(f64, double, SAT)

#define CAST_ROW(k)                                                                      \
	{ [KS_I1] = i1_of_##k, [KS_U8] = u8_of_##k, [KS_I32] = i32_of_##k,               \
	  [KS_I64] = i64_of_##k, [KS_IX] = i64_of_##k, [KS_F16] = f16_of_##k,            \
	  [KS_BF16] = bf16_of_##k, [KS_F32] = f32_of_##k, [KS_F64] = f64_of_##k }

static KLaneFn *const cast_fn[KS_COUNT][KS_COUNT] = {
	[KS_I1] = CAST_ROW(b8), [KS_U8] = CAST_ROW(b8), [KS_I32] = CAST_ROW(i32),
	[KS_I64] = CAST_ROW(i64), [KS_IX] = CAST_ROW(i64), [KS_F16] = CAST_ROW(f32),
	[KS_BF16] = CAST_ROW(f32), [KS_F32] = CAST_ROW(f32), [KS_F64] = CAST_ROW(f64),
};

KLaneFn *
klane_cast(KScalar from, KScalar to)
{
	return cast_fn[from][to];
}

/* ---- constants -------------------------------------------------------------------- */

void
kconst_to_cell(KScalar s, KConst c, void *cell)
{
	float f = (float)c.f;
	int32_t i = (int32_t)c.i;

	switch (s) {
	case KS_I1: *(uint8_t *)cell = c.i != 0; break;
	case KS_U8: *(uint8_t *)cell = (uint8_t)c.i; break;
	case KS_I32: memcpy(cell, &i, sizeof(i)); break;
	case KS_I64: case KS_IX: memcpy(cell, &c.i, sizeof(c.i)); break;
	case KS_F16: f = f64_to_f16(c.f); memcpy(cell, &f, sizeof(f)); break;
	case KS_BF16: f = f64_to_bf16(c.f); memcpy(cell, &f, sizeof(f)); break;
	case KS_F32: memcpy(cell, &f, sizeof(f)); break;
	case KS_F64: memcpy(cell, &c.f, sizeof(c.f)); break;
	case KS_NONE: case KS_COUNT: break;
	}
}

KConst
kconst_from_cell(KScalar s, const void *cell)
{
	KConst c = { 0 };
	float f;
	int32_t i;

	switch (s) {
	case KS_I1: case KS_U8: c.i = *(const uint8_t *)cell; break;
	case KS_I32: memcpy(&i, cell, sizeof(i)); c.i = i; break;
	case KS_I64: case KS_IX: memcpy(&c.i, cell, sizeof(c.i)); break;
	case KS_F16: case KS_BF16: case KS_F32: memcpy(&f, cell, sizeof(f)); c.f = (double)f; break;
	case KS_F64: memcpy(&c.f, cell, sizeof(c.f)); break;
	case KS_NONE: case KS_COUNT: break;
	}
	return c;
}

KConst
kconst_wrap(KScalar s, KConst c)
{
	uint64_t cell = 0;

	kconst_to_cell(s, c, &cell);
	return kconst_from_cell(s, &cell);
}
