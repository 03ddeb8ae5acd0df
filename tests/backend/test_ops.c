/* test_ops.c -- every op on every type and on several lane counts gives what the interpreter
 * gives, on each instruction set that this CPU runs.
 *
 * One kernel for each (op, type, lanes): z[i] = op(x[i], y[i], w[i]) over the same data, which
 * begins with special values.  Equal bits are asked for; what may differ and by
 * how much is in tolerance().
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>

#include "tests/backend/run.h"

enum { N = 240, GUARD = 64 };

static const char *const host_names[] = { "host:x86-64-v2", "host:x86-64-v3", "host:x86-64-v4", "host:aarch64" };
static const int lane_counts[] = { 1, 3, 4, 8, 16 };

static DType
dtype_of(KScalar s)
{
	static const DType of[KS_COUNT] = {
		[KS_I1] = DT_BOOL, [KS_U8] = DT_U8, [KS_I32] = DT_I32, [KS_I64] = DT_I64, [KS_IX] = DT_I64,
		[KS_F16] = DT_F16, [KS_BF16] = DT_BF16, [KS_F32] = DT_F32, [KS_F64] = DT_F64,
	};

	return of[s];
}

static bool
is_real(KScalar s)
{
	return s >= KS_F16;
}

static bool
is_half(KScalar s)
{
	return s == KS_F16 || s == KS_BF16;
}

static uint64_t seed = 1;

static uint64_t
rnd(void)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return seed >> 20 ^ seed >> 43;
}

/* ---- data ------------------------------------------------------------------------- */

static const double specials[] = {
	0, -0.0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, INFINITY, -INFINITY, NAN, 255, 256, 65504, 65520, 1e10, -1e10,
	2147483647, -2147483648.0, 4294967296.0, 9.3e18, -9.3e18, 1e-40, -1e-40, 1e-310, 6e-8, 3e-8, 1e300, 88.7, -88.7,
	-103.5, 709.5, -745, 0x1p-149, FLT_MAX, DBL_MAX, FLT_MIN, 3.14159265358979, 0.625, 1e-3, 100.25, 12345.678,
};

static void
fill(void *p, DType dt, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		double x = i < COUNT(specials) ? specials[i] : i % 3 ? ((double)(int64_t)(rnd() % 2000001) - 1e6) / 5e4
		         : ldexp((double)(rnd() % 100000) - 5e4, (int)(rnd() % 60) - 40);

		if (!dtype_info[dt].real && i >= COUNT(specials)) {
			uint64_t r = rnd() << 32 ^ rnd();

			if (i % 2)
				r %= 100;
			if (dt == DT_BOOL)
				((uint8_t *)p)[i] = r & 1;
			else
				memcpy((char *)p + i * (size_t)dtype_info[dt].bytes, &r, (size_t)dtype_info[dt].bytes);
			continue;
		}
		dtype_set(dt, p, i, x);
	}
}

/* divisors that are not 0, shifts within the type */
static void
tame(void *p, DType dt, size_t n, KOp op)
{
	int bits = 8 * dtype_info[dt].bytes;

	for (size_t i = 0; i < n && !dtype_info[dt].real; i++) {
		double x = dtype_get(dt, p, i);

		if ((op == K_div || op == K_rem) && x == 0)
			dtype_set(dt, p, i, 7);
		if (op == K_shl || op == K_shr)
			dtype_set(dt, p, i, fabs(fmod(x, bits)));
	}
}

/* ---- comparison -------------------------------------------------------------------- */

/* distance in units of the last place */
static double
ulps(DType dt, const void *p, const void *q, size_t i)
{
	int64_t a = 0, b = 0, top;
	int bytes = dtype_info[dt].bytes;
	double x = dtype_get(dt, p, i), y = dtype_get(dt, q, i);

	if (isnan(x) || isnan(y))
		return isnan(x) && isnan(y) ? 0 : INFINITY;
	memcpy(&a, (const char *)p + i * (size_t)bytes, (size_t)bytes);
	memcpy(&b, (const char *)q + i * (size_t)bytes, (size_t)bytes);
	top = (int64_t)((uint64_t)1 << (8 * bytes - 1));
	if (a & top)
		a = -(int64_t)((uint64_t)a & ~(uint64_t)top);
	if (b & top)
		b = -(int64_t)((uint64_t)b & ~(uint64_t)top);
	return fabs((double)a - (double)b);
}

static double
tolerance(const Target *t, KOp op, KScalar s)
{
	double some = is_half(s) ? 1 : s == KS_F64 ? 4 : 3;

	switch (op) {
	case K_exp: case K_exp2: case K_sin: case K_cos: case K_log: return some;
	case K_tanh: case K_sigmoid: return some + 1;
	/* without a fused instruction the product is rounded first */
	case K_fma: return is_real(s) && t->arch == ARCH_X86_64 && t->level < 3 && !is_half(s) ? INFINITY : 0;
	default: return 0;
	}
}

static bool
in_domain(KOp op, double x)
{
	return (op != K_sin && op != K_cos) || isnan(x) || isinf(x) || fabs(x) < 1e5;
}

/* ---- one op -------------------------------------------------------------------------- */

typedef struct Case {
	KOp op;
	KScalar s, to;          /* to: of the result */
	int lanes;
	Kernel *k;
} Case;

static Reg
load_as(KBuild *b, uint32_t buf, Reg i, int lanes, KScalar s)
{
	Reg x = k_load(b, buf, i, lanes);

	return s == KS_IX ? k_cast(b, s, x) : x;
}

static Kernel *
op_kernel(Arena *a, const Case *c)
{
	KBuild *b = k_begin(a, kop_info[c->op].name);
	int args = kop_info[c->op].args;
	uint32_t x = k_param(b, "x", dtype_of(c->s), N, false), y = k_param(b, "y", dtype_of(c->s), N, false);
	uint32_t w = k_param(b, "w", dtype_of(c->s), N, false), z = k_param(b, "z", dtype_of(c->to), N, true);
	Reg i = k_for(b, k_ix(b, 0), k_ix(b, N), c->lanes);
	Reg p = load_as(b, x, i, c->lanes, c->s), r;
	Reg q = args > 1 ? load_as(b, y, i, c->lanes, c->s) : 0, u = args > 2 ? load_as(b, w, i, c->lanes, c->s) : 0;

	if (c->op == K_cast)
		r = k_cast(b, c->to, p);
	else if (c->op == K_select)
		r = k_select(b, k_op(b, K_lt, p, q, 0), q, u);
	else if (c->op == K_join)       /* x, y, w in a row, and of these some that begin in x or y */
		r = k_part(b, k_join(b, k_join(b, p, k_load(b, y, i, c->lanes)), k_load(b, w, i, c->lanes)),
		           c->lanes + c->lanes / 2, c->lanes);
	else if (c->op == K_bytes)
		r = k_bytes(b, kt(c->to, 4 / dtype_info[dtype_of(c->to)].bytes), p, q, 5260);
	else
		r = k_op(b, c->op, p, q, u);
	if (k_type(b, r).s == KS_IX)
		r = k_cast(b, KS_I64, r);
	if (k_type(b, r).lanes < c->lanes)      /* of bytes */
		i = k_op(b, K_div, i, k_ix(b, c->lanes / k_type(b, r).lanes), 0);
	k_store(b, z, i, r);
	k_close(b);
	return k_end(b);
}

static bool
defined(KOp op, KScalar s)
{
	switch (op) {
	case K_add: case K_sub: case K_mul: case K_div: case K_rem: case K_min: case K_max: case K_fma: case K_neg:
	case K_abs: case K_lt: case K_le: return s != KS_I1;
	case K_sqrt: case K_max_num: case K_exp: case K_exp2: case K_log: case K_sin: case K_cos: case K_tanh: case K_sigmoid: case K_floor:
	case K_ceil: case K_round: case K_trunc: return is_real(s);
	case K_and: case K_or: case K_xor: return !is_real(s);
	case K_shl: case K_shr: case K_popcount: return !is_real(s) && s != KS_I1;
	case K_eq: case K_ne: return true;
	case K_select: return s != KS_I1;
	case K_join: return s != KS_IX;
	default: return false;
	}
}

static void
run_kernel(const Kernel *k, KernelFn *fn, void *const *arg)
{
	for (int32_t z = 0; z < k->grid[2]; z++)
		for (int32_t y = 0; y < k->grid[1]; y++)
			for (int32_t x = 0; x < k->grid[0]; x++)
				fn(arg, (int64_t[]){ x, y, z });
}

static void
check_case(const Target *t, const Case *c, KernelFn *fn)
{
	_Alignas(64) char x[N * 8], y[N * 8], w[N * 8], got[N * 8 + GUARD], want[N * 8 + GUARD];
	DType in = dtype_of(c->s), out = dtype_of(c->to);
	size_t ib = (size_t)dtype_info[in].bytes, ob = (size_t)dtype_info[out].bytes;
	double most = tolerance(t, c->op, c->to);
	char err[512];

	seed = 99;
	fill(x, in, N);
	fill(y, in, N);
	memmove(y, y + 5 * ib, (N - 5) * ib);   /* meet other special values */
	fill(w, in, N);
	memmove(w, w + 11 * ib, (N - 11) * ib);
	tame(y, in, N, c->op);
	memset(got, 0xa5, sizeof got);
	memset(want, 0xa5, sizeof want);
	KArg arg[4] = { { x, N * ib }, { y, N * ib }, { w, N * ib }, { want, N * ob } };
	if (!kernel_interpret(c->k, arg, 4, err))
		fail_msg("%s", err);
	run_kernel(c->k, fn, (void *[]){ x, y, w, got });
	assert_memory_equal(got + N * ob, want + N * ob, GUARD);
	for (size_t i = 0; i < N; i++) {
		double have = dtype_get(out, got, i), should = dtype_get(out, want, i);

		if (!in_domain(c->op, dtype_get(in, x, i)))
			continue;
		bool same = dtype_info[out].real ? ulps(out, got, want, i) <= most
		                                 : memcmp(got + i * ob, want + i * ob, ob) == 0;
		/* the quotient of sigmoid overflows to 0 where the result would be subnormal */
		if (!same && c->op == K_sigmoid && have == 0 && fabs(should) < (c->s == KS_F64 ? DBL_MIN : (double)FLT_MIN))
			same = true;
		if (!same)
			fail_msg("%s: %s.%sx%d -> %s: element %zu: %.17g %.17g %.17g gives %.17g, not %.17g",
			         t->name, kop_info[c->op].name, kscalar_name[c->s], c->lanes, kscalar_name[c->to], i,
			         dtype_get(in, x, i), dtype_get(in, y, i), dtype_get(in, w, i), have, should);
	}
}

/* all cases that gather() makes, on every target that runs here */
static void
check_all(Case *c, size_t n)
{
	int ran = 0;

	for (size_t h = 0; h < COUNT(host_names); h++) {
		const Target *t = target_named(host_names[h]);
		Arena *a = arena_new();
		Kernel **k = NEWN(a, Kernel *, n);
		Code code;

		if (!target_runs_here(t)) {
			arena_free(a);
			continue;
		}
		for (size_t i = 0; i < n; i++)
			k[i] = c[i].k = op_kernel(a, &c[i]);
		code_open(a, &code, t, k, n);
		for (size_t i = 0; i < n; i++)
			check_case(t, &c[i], code.fn[i]);
		code_close(&code);
		arena_free(a);
		ran++;
	}
	assert_true(ran > 0);
}

static void
arithmetic(void **state)
{
	Arena *a = arena_new();
	VEC(Case) c = { 0 };

	(void)state;
	for (KOp op = K_none; op < K_COUNT; op++)
		for (KScalar s = KS_I1; s < KS_COUNT; s++)
			for (size_t l = 0; l < COUNT(lane_counts); l++)
				if (defined(op, s) && (lane_counts[l] != 3 || op <= K_fma))
					vec_push(a, &c, ((Case){ op, s, kop_info[op].shape == KSHAPE_BOOL ? KS_I1 : s,
					                         lane_counts[l], NULL }));
	check_all(c.p, c.n);
	arena_free(a);
}

static void
casts(void **state)
{
	Arena *a = arena_new();
	VEC(Case) c = { 0 };

	(void)state;
	for (KScalar s = KS_I1; s < KS_COUNT; s++)
		for (KScalar to = KS_I1; to < KS_COUNT; to++)
			for (size_t l = 0; l < COUNT(lane_counts); l++)
				if (s != to && lane_counts[l] != 3)
					vec_push(a, &c, ((Case){ K_cast, s, to, lane_counts[l], NULL }));
	check_all(c.p, c.n);
	arena_free(a);
}

/* 4 bytes of any type from 4 of another that is no larger */
static void
bytes(void **state)
{
	static const KScalar four[] = { KS_U8, KS_F16, KS_BF16, KS_I32, KS_F32 };
	Arena *a = arena_new();
	VEC(Case) c = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(four); i++)
		for (size_t j = 0; j < COUNT(four); j++) {
			int from = dtype_info[dtype_of(four[i])].bytes, to = dtype_info[dtype_of(four[j])].bytes;

			if (from <= to)
				vec_push(a, &c, ((Case){ K_bytes, four[i], four[j], 4 / from, NULL }));
		}
	check_all(c.p, c.n);
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arithmetic),
		cmocka_unit_test(casts),
		cmocka_unit_test(bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
