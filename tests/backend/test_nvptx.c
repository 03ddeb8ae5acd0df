/* test_nvptx.c -- kernels for GPUs: made for every target, assembled where there is a ptxas, run by the
 * interpreter, and on a GPU where there is one, with the same results.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "tests/backend/gpu.h"

static const char *const gpu_names[] = { "sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_90a" };

static Gpu gpu;
static bool have_gpu;

/* ---- a kernel with its arguments and what they should become ------------------------- */

typedef struct Case {
	Kernel *k;
	KArg arg[8];
	size_t n;
	double error;           /* allowed, relative to 1 + |x| */
	unsigned needs;         /* GPU_… beside what all have */
	const char *expect[8];  /* instructions on sm_80 and up */
	bool no_spills;
} Case;

typedef struct Cases { Arena *a; VEC(Case) v; } Cases;

static uint64_t seed;

static double
rnd(double lo, double hi)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return lo + (hi - lo) * (double)(seed >> 40) / (double)(1 << 24);
}

/* a buffer of the kernel, filled */
static void
arg(Cases *c, Case *x, DType dt, int64_t n, double lo, double hi)
{
	KArg *p = &x->arg[x->n++];

	p->bytes = (size_t)(n * dtype_info[dt].bytes);
	p->data = arena_alloc(c->a, p->bytes);
	for (int64_t i = 0; i < n; i++)
		dtype_set(dt, p->data, (size_t)i, dtype_info[dt].real ? rnd(lo, hi) : floor(rnd(lo, hi)));
}

/* ---- every op ---------------------------------------------------------------------------- */

enum { OPS_N = 256 };

static DType
dtype_of(KScalar s)
{
	static const DType of[KS_COUNT] = {
		[KS_I1] = DT_BOOL, [KS_U8] = DT_U8, [KS_I32] = DT_I32, [KS_I64] = DT_I64, [KS_IX] = DT_I32,
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
defined(KOp op, KScalar s)
{
	switch (op) {
	case K_add: case K_sub: case K_mul: case K_min: case K_max: case K_fma: case K_neg: case K_abs: case K_lt:
	case K_le: case K_div: case K_rem: return s != KS_I1;
	case K_sqrt: case K_max_num: case K_exp: case K_exp2: case K_log: case K_sin: case K_cos: case K_tanh: case K_sigmoid: case K_floor:
	case K_ceil: case K_round: case K_trunc: return is_real(s);
	case K_and: case K_or: case K_xor: return !is_real(s);
	case K_shl: case K_shr: case K_popcount: return !is_real(s) && s != KS_I1;
	case K_eq: case K_ne: return true;
	default: return false;
	}
}

/* z[slot][8 tid ..] */
static void
put_result(KBuild *b, uint32_t z, int *slot, Reg i, Reg r, KScalar to)
{
	k_store(b, z, k_addi(b, i, (int64_t)(*slot)++ * OPS_N), k_cast(b, to, r));
}

/* all ops on one type, by vectors of so many lanes; results of type s, comparisons as 0 and 1 */
static void
ops_case(Cases *c, KScalar s, int lanes)
{
	Case x = { .error = s == KS_BF16 ? 1e-2 : s == KS_F16 ? 2e-3 : s == KS_F64 ? 1e-13 : 2e-6 };
	DType dt = dtype_of(s);
	int slots = 60;
	KBuild *b = k_begin(c->a, arena_printf(c->a, "ops_%s_%d", kscalar_name[s], lanes));
	uint32_t bx = k_param(b, "x", dt, OPS_N, false), by = k_param(b, "y", dt, OPS_N, false);
	uint32_t bw = k_param(b, "w", dt, OPS_N, false), bz = k_param(b, "z", dt, slots * OPS_N, true);
	Reg p, q, r, i, any;

	k_align(b, bx, 16);
	k_threads(b, 32, 1, 1);
	i = k_muli(b, k_axis(b, KAXIS_THREAD_X), 8);
	p = k_cast(b, s, k_load(b, bx, i, lanes));
	q = k_cast(b, s, k_load(b, by, i, lanes));
	r = k_cast(b, s, k_load(b, bw, i, lanes));
	int slot = 0;
	for (KOp op = K_none; op < K_COUNT; op++) {
		Reg second = q;

		if (!defined(op, s))
			continue;
		if (op == K_shl || op == K_shr)
			second = k_op(b, K_and, q, k_cast(b, s, k_int(b, KS_I32, 7)), 0);
		if ((op == K_div || op == K_rem) && !is_real(s))
			second = k_op(b, K_or, q, k_int(b, s, 1), 0);
		if (op == K_rem && is_real(s) && s != KS_F32)
			continue;
		put_result(b, bz, &slot, i, k_op(b, op, op == K_sqrt || op == K_log ? k_op(b, K_mul, p, p, 0) : p, second, r),
		           kscalar_of(dt));
	}
	put_result(b, bz, &slot, i, k_select(b, k_op(b, K_eq, p, q, 0), q, r), kscalar_of(dt));
	put_result(b, bz, &slot, i, k_splat(b, lanes, k_lane(b, p, lanes - 1)), kscalar_of(dt));
	if (s != KS_I1) {
		put_result(b, bz, &slot, i, k_splat(b, lanes, k_reduce(b, K_reduce_add, p)), kscalar_of(dt));
		put_result(b, bz, &slot, i, k_splat(b, lanes, k_reduce(b, K_reduce_max, p)), kscalar_of(dt));
	}
	put_result(b, bz, &slot, i, k_part(b, k_join(b, p, q), lanes / 2, lanes), kscalar_of(dt));
	put_result(b, bz, &slot, i, k_shuffle(b, p, 5), kscalar_of(dt));
	put_result(b, bz, &slot, i, k_shuffle_idx(b, p, k_op(b, K_xor, k_axis(b, KAXIS_LANE), k_ix(b, 31), 0)),
	           kscalar_of(dt));
	any = k_vote_any(b, k_op(b, K_eq, k_lane(b, p, 0), k_lane(b, q, 0), 0));
	put_result(b, bz, &slot, i, k_select(b, any, p, q), kscalar_of(dt));
	Reg word = k_ballot(b, k_op(b, K_ne, k_lane(b, p, 0), k_lane(b, q, 0), 0));
	word = k_op(b, K_and, word, k_op(b, K_popcount, k_op(b, K_shr, word, k_int(b, KS_I32, 3), 0), 0, 0), 0);
	put_result(b, bz, &slot, i, k_select(b, k_op(b, K_eq, word, k_int(b, KS_I32, 0), 0), p, q), kscalar_of(dt));
	if (s != KS_I1 && lanes > 1) {
		k_store_part(b, bz, k_addi(b, i, (int64_t)slot++ * OPS_N), k_cast(b, kscalar_of(dt), p), lanes - 1);
		Reg part = k_load_part(b, bx, i, lanes, lanes - 1);
		put_result(b, bz, &slot, i, part, kscalar_of(dt));
	}
	Reg odd = k_op(b, K_eq, k_op(b, K_and, k_axis(b, KAXIS_LANE), k_ix(b, 1), 0), k_ix(b, 1), 0);
	put_result(b, bz, &slot, i, k_load_if(b, bx, i, lanes, odd), kscalar_of(dt));
	k_store_if(b, bz, k_addi(b, i, (int64_t)slot++ * OPS_N), k_cast(b, kscalar_of(dt), q), odd);
	if (s != KS_I1 && s != KS_IX && dtype_info[dt].bytes * lanes == 4)
		put_result(b, bz, &slot, i, k_bytes(b, kt(s, lanes), p, q, 5260), kscalar_of(dt));
	assert_true(slot <= slots);
	x.k = k_end(b);
	double lo = s == KS_U8 ? 0 : s == KS_I1 ? 0 : is_real(s) ? -8 : -100, hi = s == KS_I1 ? 2 : is_real(s) ? 8 : 100;
	for (int j = 0; j < 3; j++)
		arg(c, &x, dt, OPS_N, lo, hi);
	arg(c, &x, dt, slots * OPS_N, 0, 1);
	vec_push(c->a, &c->v, x);
}

/* one type to all others */
static void
cast_case(Cases *c, KScalar s, int lanes)
{
	Case x = { .error = 1e-15 };
	DType dt = dtype_of(s);
	KBuild *b = k_begin(c->a, arena_printf(c->a, "cast_%s_%d", kscalar_name[s], lanes));
	uint32_t bx = k_param(b, "x", dt, OPS_N, false), bz[KS_COUNT];
	Reg i = k_muli(b, k_axis(b, KAXIS_THREAD_X), 8);

	k_threads(b, 32, 1, 1);
	for (KScalar to = KS_I1; to < KS_COUNT; to++)
		if (to != KS_IX)
			bz[to] = k_param(b, kscalar_name[to], dtype_of(to), OPS_N, true);
	for (KScalar to = KS_I1; to < KS_COUNT; to++)
		if (to != KS_IX && to != KS_F64)        /* eight arguments */
			k_store(b, bz[to], i, k_cast(b, to, k_load(b, bx, i, lanes)));
	x.k = k_end(b);
	/* unused parameters are no arguments here: f64 is left out */
	for (size_t j = 0; j < x.k->buf.n; j++)
		if (strcmp(x.k->buf.p[j].name, "f64") == 0) {
			memmove(&x.k->buf.p[j], &x.k->buf.p[j + 1], (x.k->buf.n - j - 1) * sizeof(KBuf));
			x.k->buf.n--;
		}
	arg(c, &x, dt, OPS_N, s == KS_U8 || s == KS_I1 ? 0 : -300, s == KS_I1 ? 2 : s == KS_U8 ? 256 : 300);
	for (KScalar to = KS_I1; to < KS_F64; to++)
		if (to != KS_IX)
			arg(c, &x, dtype_of(to), OPS_N, 0, 1);
	vec_push(c->a, &c->v, x);
}

/* ---- memory --------------------------------------------------------------------------------- */

/* 16-byte accesses are proved from sums of multiples, also through a variable that a loop carries */
static void
wide_case(Cases *c)
{
	Case x = { .error = 2e-3, .expect = { "ld.global.nc.v4", "st.global.v4", "tanh.approx.f32", "cvt.rn.f16x2.f32" } };
	KBuild *b = k_begin(c->a, "wide");
	enum { ROWS = 8, C = 64 };
	uint32_t bx = k_param(b, "x", DT_F16, ROWS * C, false), bf = k_param(b, "f", DT_F32, C, false);
	uint32_t by = k_param(b, "y", DT_F16, ROWS * C, true);
	Reg t, row, at, v;

	k_align(b, bx, 64);
	k_align(b, bf, 64);
	k_align(b, by, 64);
	k_threads(b, 32, 1, 1);
	t = k_axis(b, KAXIS_THREAD_X);
	row = k_op(b, K_shr, t, k_ix(b, 2), 0);
	at = k_var(b, kt(KS_IX, 1));
	k_mov_to(b, at, k_add(b, k_muli(b, row, C), k_muli(b, k_op(b, K_and, t, k_ix(b, 3), 0), 8)));
	Reg i = k_for(b, k_ix(b, 0), k_ix(b, C), 32);
	v = k_cast(b, KS_F32, k_load(b, bx, at, 8));
	v = k_add(b, v, k_load(b, bf, k_add(b, i, k_muli(b, k_op(b, K_and, t, k_ix(b, 3), 0), 8)), 8));
	v = k_op(b, K_mul, v, k_op(b, K_sigmoid, v, 0, 0), 0);
	k_store(b, by, at, k_cast(b, KS_F16, v));
	k_op_to(b, at, K_add, at, k_ix(b, 32), 0);
	k_close(b);
	x.k = k_end(b);
	arg(c, &x, DT_F16, ROWS * C, -4, 4);
	arg(c, &x, DT_F32, C, -1, 1);
	arg(c, &x, DT_F16, ROWS * C, 0, 1);
	vec_push(c->a, &c->v, x);
}

/* bytes to halves as the first convolution makes them: 8 in one load, and two at a time */
static void
pixels_case(Cases *c)
{
	Case x = { .error = 0, .expect = { "ld.global.nc.v2.u32", "prmt.b32", "fma.rn.f16x2" } };
	KBuild *b = k_begin(c->a, "pixels");
	enum { T = 32 };
	uint32_t bx = k_param(b, "x", DT_U8, T * 8, false), by = k_param(b, "y", DT_F16, T * 4, true);
	KType two = kt(KS_F16, 2);
	Reg t, all, mid, above = k_int(b, KS_I32, 0x64), less = k_real(b, two, -4), scale = k_real(b, two, 1.0 / 256);

	k_align(b, bx, 8);
	k_threads(b, T, 1, 1);
	t = k_axis(b, KAXIS_THREAD_X);
	all = k_load(b, bx, k_muli(b, t, 8), 8);
	mid = k_bytes(b, kt(KS_U8, 4), k_part(b, all, 0, 4), k_part(b, all, 4, 4), 5432);
	k_store(b, by, k_muli(b, t, 4), k_join(b, k_fma(b, k_bytes(b, two, mid, above, 4140), scale, less),
	                                       k_fma(b, k_bytes(b, two, mid, above, 4543), scale, less)));
	x.k = k_end(b);
	arg(c, &x, DT_U8, T * 8, 0, 256);
	arg(c, &x, DT_F16, T * 4, 0, 1);
	vec_push(c->a, &c->v, x);
}

/* copies of 4, 8 and 16 bytes, some not done; a local array; a picture of unknown size */
static void
copies_case(Cases *c)
{
	Case x = { .error = 0, .expect = { "cp.async.cg.shared.global", "cp.async.ca.shared.global", "cp.async.commit_group",
	           "cp.async.wait_group 1", "ld.shared.v4" } };
	KBuild *b = k_begin(c->a, "copies");
	enum { T = 64 };
	uint32_t bx = k_param(b, "x", DT_F32, -1, false), by = k_param(b, "y", DT_F32, T * 7, true);
	uint32_t s4 = k_buffer(b, "s4", KSPACE_SHARED, DT_F32, T * 4), s2 = k_buffer(b, "s2", KSPACE_SHARED, DT_F32, T * 2);
	uint32_t s1 = k_buffer(b, "s1", KSPACE_SHARED, DT_F32, T), l = k_buffer(b, "l", KSPACE_LOCAL, DT_F32, 8);
	Reg t, other, some;

	k_align(b, bx, 16);
	k_threads(b, T, 1, 1);
	t = k_axis(b, KAXIS_THREAD_X);
	other = k_op(b, K_sub, k_ix(b, T - 1), t, 0);
	some = k_op(b, K_ne, k_op(b, K_rem, t, k_ix(b, 3), 0), k_ix(b, 0), 0);
	k_cp_async(b, s4, k_muli(b, t, 4), bx, k_muli(b, t, 4), 4, some);
	k_cp_async(b, s1, t, bx, k_addi(b, t, 6 * T), 1, some);
	k_sync(b, K_cp_commit, 0);
	k_cp_async(b, s2, k_muli(b, t, 2), bx, k_addi(b, k_muli(b, t, 2), 4 * T), 2, 0);
	k_sync(b, K_cp_commit, 0);
	k_sync(b, K_cp_wait, 1);
	k_sync(b, K_barrier, 0);
	k_store(b, by, k_muli(b, t, 4), k_load(b, s4, k_muli(b, other, 4), 4));
	k_sync(b, K_cp_wait, 0);
	k_sync(b, K_barrier, 0);
	/* through a local array, by an index that is not known */
	k_store(b, l, k_ix(b, 0), k_load(b, s2, k_muli(b, other, 2), 2));
	k_store(b, l, k_ix(b, 2), k_load(b, s1, other, 1));
	Reg i = k_for(b, k_ix(b, 0), k_ix(b, 3), 1);
	k_store(b, by, k_add(b, k_addi(b, k_muli(b, t, 3), 4 * T), i),
	        k_load(b, l, k_op(b, K_rem, k_add(b, i, t), k_ix(b, 3), 0), 1));
	k_close(b);
	x.k = k_end(b);
	arg(c, &x, DT_F32, T * 7, -4, 4);
	arg(c, &x, DT_F32, T * 7, 0, 1);
	vec_push(c->a, &c->v, x);
}

static void
atomics_case(Cases *c)
{
	Case x = { .error = 0 };
	KBuild *b = k_begin(c->a, "atomics");
	static const DType dt[5] = { DT_I32, DT_I64, DT_F16, DT_F32, DT_F64 };
	uint32_t g[5], s[5], by;
	Reg t, first;

	for (int i = 0; i < 5; i++)
		g[i] = k_param(b, dtype_info[dt[i]].name, dt[i], 4, true);
	by = k_param(b, "y", DT_F64, 5, true);
	for (int i = 0; i < 5; i++)
		s[i] = k_buffer(b, arena_printf(c->a, "s%d", i), KSPACE_SHARED, dt[i], 1);
	k_threads(b, 48, 2, 1);
	t = k_add(b, k_muli(b, k_axis(b, KAXIS_THREAD_Y), 48), k_axis(b, KAXIS_THREAD_X));
	first = k_op(b, K_eq, t, k_ix(b, 0), 0);
	for (int i = 0; i < 5; i++)
		k_store_if(b, s[i], k_ix(b, 0), k_real(b, kt(kscalar_of(dt[i]), 1), 1), first);
	k_sync(b, K_barrier, 0);
	for (int i = 0; i < 5; i++) {
		k_atomic_add(b, s[i], k_ix(b, 0), k_real(b, kt(kscalar_of(dt[i]), 1), 2));
		k_atomic_add(b, g[i], k_op(b, K_and, t, k_ix(b, 1), 0), k_real(b, kt(kscalar_of(dt[i]), 1), 3));
		/* what was there: one of the 96 was 0, and the others were more */
		Reg old = k_atomic_fetch_add(b, g[i], k_ix(b, 2), k_real(b, kt(kscalar_of(dt[i]), 1), 1));
		k_atomic_add(b, g[i], k_ix(b, 3), k_op(b, K_min, old, k_real(b, kt(kscalar_of(dt[i]), 1), 1), 0));
	}
	k_sync(b, K_barrier, 0);
	k_if(b, first);
	for (int i = 0; i < 5; i++)
		k_store(b, by, k_ix(b, i), k_cast(b, KS_F64, k_load(b, s[i], k_ix(b, 0), 1)));
	k_close(b);
	x.k = k_end(b);
	for (int i = 0; i < 5; i++)
		arg(c, &x, dt[i], 4, 0, 0);
	arg(c, &x, DT_F64, 5, 0, 1);
	x.arg[2].bytes = 8;
	vec_push(c->a, &c->v, x);
}

/* ---- a matrix product ----------------------------------------------------------------------------
 * C[M][N] = silu(A[M][K] B[N][K]^T + bias), 64 x 64 tiles of four warps, copies three stages ahead, the result
 * through shared memory that the stages no longer need. */

enum { BM = 64, BN = 64, BK = 32, STAGES = 3, PITCH = BN + 8 };

/* chunks of 8 elements; those of rows that meet in a bank are kept apart */
static Reg
swizzle(KBuild *b, Reg row, Reg chunk)
{
	Reg x = k_op(b, K_and, k_op(b, K_shr, row, k_ix(b, 1), 0), k_ix(b, 3), 0);

	return k_add(b, k_muli(b, row, BK), k_muli(b, k_op(b, K_xor, chunk, x, 0), 8));
}

typedef struct Gemm {
	KBuild *b;
	uint32_t a, w, sa, sw;
	Reg t, m0, n0;
	int64_t M, N, K;
} Gemm;

static void
gemm_copy(Gemm *g, Reg stage, Reg k, Reg inside)
{
	KBuild *b = g->b;
	Reg chunk = k_op(b, K_and, g->t, k_ix(b, 3), 0), row = k_op(b, K_shr, g->t, k_ix(b, 2), 0);

	for (int i = 0; i < BM / 32; i++) {
		Reg r = k_addi(b, row, 32 * i), at = swizzle(b, r, chunk), from = k_add(b, k, k_muli(b, chunk, 8));
		Reg m = k_add(b, g->m0, r), n = k_add(b, g->n0, r);

		k_cp_async(b, g->sa, k_add(b, stage, at), g->a, k_add(b, k_muli(b, m, g->K), from), 8,
		           k_op(b, K_and, inside, k_op(b, K_lt, m, k_ix(b, g->M), 0), 0));
		k_cp_async(b, g->sw, k_add(b, stage, at), g->w, k_add(b, k_muli(b, n, g->K), from), 8,
		           k_op(b, K_and, inside, k_op(b, K_lt, n, k_ix(b, g->N), 0), 0));
	}
	k_sync(b, K_cp_commit, 0);
}

static void
gemm_case(Cases *c, DType dt, int64_t M, int64_t N, int64_t K)
{
	Case x = { .error = dt == DT_BF16 ? 2e-2 : 4e-3, .needs = dt == DT_BF16 ? GPU_BF16 : 0, .no_spills = true,
	           .expect = { "cp.async.cg.shared.global", "ldmatrix.sync.aligned.m8n8.x4.shared.b16",
	                       "mma.sync.aligned.m16n8k16.row.col.f32", "st.global.v4", "tanh.approx.f32",
	                       "cp.async.wait_group 1", "bar.sync" } };
	KBuild *b = k_begin(c->a, arena_printf(c->a, "gemm_%s_%d", dtype_info[dt].name, (int)K));
	KScalar s = kscalar_of(dt);
	Gemm g = { .b = b, .M = M, .N = N, .K = K };
	uint32_t bias, out, sc;
	Reg acc[2][4], lane, wm, wn, stage = k_var(b, kt(KS_IX, 1)), next = k_var(b, kt(KS_IX, 1));

	g.a = k_param(b, "a", dt, M * K, false);
	g.w = k_param(b, "w", dt, N * K, false);
	bias = k_param(b, "bias", DT_F32, N, false);
	out = k_param(b, "out", dt, M * N, true);
	for (uint32_t i = 1; i <= out; i++)
		k_align(b, i, 64);
	g.sa = k_buffer(b, "sa", KSPACE_SHARED, dt, STAGES * BM * BK);
	g.sw = k_buffer(b, "sw", KSPACE_SHARED, dt, STAGES * BN * BK);
	sc = k_buffer(b, "sc", KSPACE_SHARED, dt, BM * PITCH);
	k_alias(b, sc, g.sa);
	k_threads(b, 128, 1, 1);
	k_grid(b, (M + BM - 1) / BM, (N + BN - 1) / BN, 1);
	g.t = k_axis(b, KAXIS_THREAD_X);
	lane = k_axis(b, KAXIS_LANE);
	wm = k_muli(b, k_op(b, K_and, k_axis(b, KAXIS_WARP), k_ix(b, 1), 0), 32);
	wn = k_muli(b, k_op(b, K_shr, k_axis(b, KAXIS_WARP), k_ix(b, 1), 0), 32);
	g.m0 = k_muli(b, k_axis(b, KAXIS_BLOCK_X), BM);
	g.n0 = k_muli(b, k_axis(b, KAXIS_BLOCK_Y), BN);

	for (int i = 0; i < 2; i++)
		for (int j = 0; j < 4; j++) {
			acc[i][j] = k_var(b, kt(KS_F32, 4));
			k_mov_to(b, acc[i][j], k_real(b, kt(KS_F32, 4), 0));
		}
	for (int i = 0; i < STAGES - 1; i++)
		gemm_copy(&g, k_ix(b, i * BM * BK), k_ix(b, i * BK), k_int(b, KS_I1, i * BK < K));
	k_mov_to(b, stage, k_ix(b, 0));
	k_mov_to(b, next, k_ix(b, (STAGES - 1) * BM * BK));
	Reg k = k_for(b, k_ix(b, 0), k_ix(b, K), BK), ahead = k_addi(b, k, (STAGES - 1) * BK);
	k_sync(b, K_cp_wait, STAGES - 2);
	k_sync(b, K_barrier, 0);
	gemm_copy(&g, next, ahead, k_op(b, K_lt, ahead, k_ix(b, K), 0));
	for (int ks = 0; ks < BK / 16; ks++) {
		Reg fa[2], fb[2];

		for (int i = 0; i < 2; i++) {
			Reg row = k_add(b, wm, k_addi(b, k_op(b, K_and, lane, k_ix(b, 15), 0), 16 * i));
			Reg chunk = k_addi(b, k_op(b, K_shr, lane, k_ix(b, 4), 0), 2 * ks);

			fa[i] = k_ldmatrix(b, g.sa, k_add(b, stage, swizzle(b, row, chunk)), false);
			row = k_add(b, k_op(b, K_and, lane, k_ix(b, 7), 0),
			            k_muli(b, k_op(b, K_shr, lane, k_ix(b, 4), 0), 8));
			row = k_add(b, wn, k_addi(b, row, 16 * i));
			chunk = k_op(b, K_and, k_op(b, K_shr, lane, k_ix(b, 3), 0), k_ix(b, 1), 0);
			fb[i] = k_ldmatrix(b, g.sw, k_add(b, stage, swizzle(b, row, k_addi(b, chunk, 2 * ks))), false);
		}
		for (int i = 0; i < 2; i++)
			for (int j = 0; j < 4; j++)
				k_mma_to(b, acc[i][j], fa[i], k_part(b, fb[j / 2], 4 * (j % 2), 4), acc[i][j]);
	}
	Reg last = k_ix(b, (STAGES - 1) * BM * BK);
	for (int i = 0; i < 2; i++) {
		Reg v = i ? next : stage, wrap = k_op(b, K_eq, v, last, 0);

		k_mov_to(b, v, k_select(b, wrap, k_ix(b, 0), k_addi(b, v, BM * BK)));
	}
	k_close(b);
	k_sync(b, K_cp_wait, 0);
	k_sync(b, K_barrier, 0);
	Reg group = k_op(b, K_shr, lane, k_ix(b, 2), 0), quad = k_muli(b, k_op(b, K_and, lane, k_ix(b, 3), 0), 2);
	for (int i = 0; i < 2; i++)
		for (int j = 0; j < 4; j++) {
			Reg col = k_add(b, wn, k_addi(b, quad, 8 * j));
			Reg pair = k_load(b, bias, k_add(b, g.n0, col), 2), v = k_add(b, acc[i][j], k_join(b, pair, pair));

			v = k_cast(b, s, k_mul(b, v, k_op(b, K_sigmoid, v, 0, 0)));
			for (int h = 0; h < 2; h++) {
				Reg row = k_add(b, wm, k_addi(b, group, 16 * i + 8 * h));

				k_store(b, sc, k_add(b, k_muli(b, row, PITCH), col), k_part(b, v, 2 * h, 2));
			}
		}
	k_sync(b, K_barrier, 0);
	for (int i = 0; i < BM * BN / 8 / 128; i++) {
		Reg at = k_addi(b, g.t, 128 * i), row = k_op(b, K_shr, at, k_ix(b, 3), 0);
		Reg col = k_muli(b, k_op(b, K_and, at, k_ix(b, 7), 0), 8), m = k_add(b, g.m0, row);

		k_store_if(b, out, k_add(b, k_muli(b, m, N), k_add(b, g.n0, col)),
		           k_load(b, sc, k_add(b, k_muli(b, row, PITCH), col), 8), k_op(b, K_lt, m, k_ix(b, M), 0));
	}
	x.k = k_end(b);
	arg(c, &x, dt, M * K, -1, 1);
	arg(c, &x, dt, N * K, -1, 1);
	arg(c, &x, DT_F32, N, -1, 1);
	arg(c, &x, dt, M * N, 0, 1);
	vec_push(c->a, &c->v, x);
}

/* the product written out; after the interpreter has run */
static void
check_gemm(const Case *x, DType dt, int64_t M, int64_t N, int64_t K)
{
	for (int64_t m = 0; m < M; m++)
		for (int64_t n = 0; n < N; n++) {
			double sum = dtype_get(DT_F32, x->arg[2].data, (size_t)n), have;

			for (int64_t k = 0; k < K; k++)
				sum += dtype_get(dt, x->arg[0].data, (size_t)(m * K + k)) *
				       dtype_get(dt, x->arg[1].data, (size_t)(n * K + k));
			sum /= 1 + exp(-sum);
			have = dtype_get(dt, x->arg[3].data, (size_t)(m * N + n));
			if (fabs(have - sum) > x->error * (1 + fabs(sum)))
				fail_msg("%s[%d][%d] is %g, not %g", x->k->name, (int)m, (int)n, have, sum);
		}
}

/* one fragment product a warp, with operands that come from memory as they lie: tf32 and transposed f16 */
static void
fragments_case(Cases *c)
{
	Case x = { .error = 1e-5, .needs = GPU_TF32,
	           .expect = { "mma.sync.aligned.m16n8k8.row.col.f32.tf32", "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16",
	                       "cvt.rna.tf32.f32" } };
	KBuild *b = k_begin(c->a, "fragments");
	uint32_t ba = k_param(b, "a", DT_F32, 128, false), bb = k_param(b, "b", DT_F32, 64, false);
	uint32_t bh = k_param(b, "h", DT_F16, 256, false), bd = k_param(b, "d", DT_F32, 128, true);
	uint32_t by = k_param(b, "y", DT_F16, 256, true), s = k_buffer(b, "s", KSPACE_SHARED, DT_F16, 256);
	Reg lane = k_axis(b, KAXIS_LANE), fa[4], fb[2];
	Reg g = k_op(b, K_shr, lane, k_ix(b, 2), 0), q = k_op(b, K_and, lane, k_ix(b, 3), 0);

	k_threads(b, 32, 1, 1);
	for (int i = 0; i < 4; i++)
		fa[i] = k_load(b, ba, k_add(b, k_muli(b, k_addi(b, g, i % 2 * 8), 8), k_addi(b, q, i / 2 * 4)), 1);
	for (int i = 0; i < 2; i++)
		fb[i] = k_load(b, bb, k_add(b, k_muli(b, k_addi(b, q, i * 4), 8), g), 1);
	Reg r = k_mma(b, k_join(b, k_join(b, fa[0], fa[1]), k_join(b, fa[2], fa[3])), k_join(b, fb[0], fb[1]),
	              k_real(b, kt(KS_F32, 4), 0.5));
	for (int i = 0; i < 4; i++)
		k_store(b, bd, k_add(b, k_muli(b, k_addi(b, g, i / 2 * 8), 8), k_addi(b, k_muli(b, q, 2), i % 2)),
		        k_lane(b, r, i));
	k_store(b, s, k_muli(b, lane, 8), k_load(b, bh, k_muli(b, lane, 8), 8));
	k_sync(b, K_barrier, 0);
	k_store(b, by, k_muli(b, lane, 8), k_ldmatrix(b, s, k_muli(b, lane, 8), true));
	x.k = k_end(b);
	arg(c, &x, DT_F32, 128, -2, 2);
	arg(c, &x, DT_F32, 64, -2, 2);
	arg(c, &x, DT_F16, 256, -2, 2);
	arg(c, &x, DT_F32, 128, 0, 1);
	arg(c, &x, DT_F16, 256, 0, 1);
	vec_push(c->a, &c->v, x);
}

/* d[16][8] = c[16][8] + a[16][64] b[8][64]^T, of bytes that are signed, by one warp: two steps of 32 */
static void
bytes_case(Cases *c)
{
	Case x = { .error = 0, .expect = { "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32",
	                                   "ldmatrix.sync.aligned.m8n8.x4.shared.b16" } };
	KBuild *b = k_begin(c->a, "bytes");
	uint32_t ba = k_param(b, "a", DT_U8, 1024, false), bb = k_param(b, "b", DT_U8, 512, false);
	uint32_t bc = k_param(b, "c", DT_I32, 128, false), bd = k_param(b, "d", DT_I32, 128, true);
	uint32_t sa = k_buffer(b, "sa", KSPACE_SHARED, DT_U8, 1024), sb = k_buffer(b, "sb", KSPACE_SHARED, DT_U8, 512);
	Reg lane = k_axis(b, KAXIS_LANE), sum = k_var(b, kt(KS_I32, 4)), at[4], one = k_int(b, KS_I1, 1);
	Reg g = k_op(b, K_shr, lane, k_ix(b, 2), 0), q = k_op(b, K_and, lane, k_ix(b, 3), 0);
	Reg low3 = k_op(b, K_and, lane, k_ix(b, 7), 0), low4 = k_op(b, K_and, lane, k_ix(b, 15), 0);
	Reg mid = k_op(b, K_and, k_op(b, K_shr, lane, k_ix(b, 3), 0), k_ix(b, 1), 0), high = k_op(b, K_shr, lane, k_ix(b, 4), 0);

	k_align(b, ba, 16);
	k_align(b, bb, 16);
	k_threads(b, 32, 1, 1);
	for (int i = 0; i < 2; i++)
		k_cp_async(b, sa, k_addi(b, k_muli(b, lane, 16), 512 * i), ba, k_addi(b, k_muli(b, lane, 16), 512 * i), 16, one);
	k_cp_async(b, sb, k_muli(b, lane, 16), bb, k_muli(b, lane, 16), 16, one);
	k_sync(b, K_cp_commit, 0);
	k_sync(b, K_cp_wait, 0);
	k_sync(b, K_barrier, 0);
	for (int i = 0; i < 4; i++)
		at[i] = k_add(b, k_muli(b, k_addi(b, g, i / 2 * 8), 8), k_addi(b, k_muli(b, q, 2), i % 2));
	k_mov_to(b, sum, k_join(b, k_load(b, bc, at[0], 2), k_load(b, bc, at[2], 2)));
	/* of B, both steps at once: four pieces of 16 bytes of 8 rows */
	Reg fb = k_ldmatrix(b, sb, k_add(b, k_muli(b, low3, 64), k_add(b, k_muli(b, mid, 16), k_muli(b, high, 32))), false);
	for (int k = 0; k < 2; k++)
		k_mma_to(b, sum, k_ldmatrix(b, sa, k_add(b, k_muli(b, low4, 64), k_addi(b, k_muli(b, high, 16), 32 * k)), false),
		         k_part(b, fb, 8 * k, 8), sum);
	k_store(b, bd, at[0], k_part(b, sum, 0, 2));
	k_store(b, bd, at[2], k_part(b, sum, 2, 2));
	x.k = k_end(b);
	arg(c, &x, DT_U8, 1024, 0, 256);
	arg(c, &x, DT_U8, 512, 0, 256);
	arg(c, &x, DT_I32, 128, -100000, 100000);
	arg(c, &x, DT_I32, 128, 0, 1);
	vec_push(c->a, &c->v, x);
}

static void
check_bytes(const Case *x)
{
	const int8_t *a = x->arg[0].data, *b = x->arg[1].data;
	const int32_t *c = x->arg[2].data, *d = x->arg[3].data;

	for (int i = 0; i < 16; i++)
		for (int j = 0; j < 8; j++) {
			int32_t sum = c[8 * i + j];

			for (int k = 0; k < 64; k++)
				sum += a[64 * i + k] * b[64 * j + k];
			assert_int_equal(d[8 * i + j], sum);
		}
}

/* ---- Hopper ----------------------------------------------------------------------------------------
 * A warp that asks the copy engine for 128 rows of A and 64 of B at a time, and two groups of four that
 * multiply them: a matrix product, or a 3 x 3 convolution whose rows of A are pixels. */

typedef struct Conv { int n, h, w, c, o, stride; } Conv;

enum { HM = 128, HN = 64, HK = 64, HS = 3, PRODUCER = 8 };

/* the next stage, and the other parity after the last */
static void
advance(KBuild *b, Reg stage, Reg parity)
{
	Reg last = k_op(b, K_eq, stage, k_ix(b, HS - 1), 0);

	k_op_to(b, parity, K_xor, parity, k_cast(b, KS_I32, last), 0);
	k_mov_to(b, stage, k_select(b, last, k_ix(b, 0), k_addi(b, stage, 1)));
}

static void
hopper_case(Cases *c, const char *name, const Conv *v, int64_t M, int64_t N, int64_t K)
{
	Case x = { .error = 4e-3, .needs = GPU_WGMMA, .no_spills = true,
	           .expect = { "wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16", "mbarrier.try_wait.parity",
	                       v ? "cp.async.bulk.tensor.4d.shared::cluster.global.im2col" : "cp.async.bulk.tensor.2d",
	                       "cp.async.bulk.tensor.2d.shared::cluster.global.tile", "griddepcontrol.wait", "prefetch.tensormap" } };
	KBuild *b = k_begin(c->a, name);
	KTmap ma = { .rank = 2, .dim = { K, M }, .stride = { 1, K }, .box = { HK, HM }, .swizzle = 128 };
	KTmap mb = { .rank = 2, .dim = { K, N }, .stride = { 1, K }, .box = { HK, HN }, .swizzle = 128 };
	int oh = 0, ow = 0;

	if (v) {
		oh = (v->h - 1) / v->stride + 1;
		ow = (v->w - 1) / v->stride + 1;
		M = v->n * oh * ow;
		N = v->o;
		K = 9 * v->c;
		ma = (KTmap){ .im2col = true, .rank = 4, .dim = { v->c, v->w, v->h, v->n },
		              .stride = { 1, v->c, v->c * v->w, (int64_t)v->c * v->w * v->h },
		              .step = { 1, v->stride, v->stride, 1 }, .lower = { -1, -1 }, .upper = { -1, -1 },
		              .channels = HK, .pixels = HM, .swizzle = 128 };
		mb = (KTmap){ .rank = 2, .dim = { K, N }, .stride = { 1, K }, .box = { HK, HN }, .swizzle = 128 };
	}
	uint32_t a = k_tmap(b, "a", DT_F16, &ma), w = k_tmap(b, "w", DT_F16, &mb);
	uint32_t bias = k_param(b, "bias", DT_F32, N, false), out = k_param(b, "out", DT_F16, M * N, true);
	uint32_t sa = k_buffer(b, "sa", KSPACE_SHARED, DT_F16, HS * HM * HK);
	uint32_t sw = k_buffer(b, "sw", KSPACE_SHARED, DT_F16, HS * HN * HK);
	uint32_t bars = k_buffer(b, "bars", KSPACE_SHARED, DT_I64, 2 * HS);
	Reg t, warp, m0, n0, step, stage = k_var(b, kt(KS_IX, 1)), parity = k_var(b, kt(KS_I32, 1));

	k_align(b, sa, 1024);
	k_align(b, sw, 1024);
	k_align(b, bias, 16);
	k_align(b, out, 16);
	k_threads(b, 32 * (PRODUCER + 1), 1, 1);
	k_grid(b, (M + HM - 1) / HM, (N + HN - 1) / HN, 1);
	t = k_axis(b, KAXIS_THREAD_X);
	warp = k_axis(b, KAXIS_WARP);
	m0 = k_muli(b, k_axis(b, KAXIS_BLOCK_X), HM);
	n0 = k_muli(b, k_axis(b, KAXIS_BLOCK_Y), HN);
	k_if(b, k_op(b, K_eq, t, k_ix(b, 0), 0));
	for (int i = 0; i < HS; i++) {
		k_mbar_init(b, bars, k_ix(b, i), 1);            /* full: the one that asked, and the bytes */
		k_mbar_init(b, bars, k_ix(b, HS + i), 2);       /* empty: both groups */
	}
	k_close(b);
	k_sync(b, K_barrier, 0);
	k_sync(b, K_grid_wait, 0);
	k_mov_to(b, stage, k_ix(b, 0));
	k_mov_to(b, parity, k_int(b, KS_I32, 0));

	k_if(b, k_op(b, K_eq, warp, k_ix(b, PRODUCER), 0));
	k_if(b, k_op(b, K_eq, k_axis(b, KAXIS_LANE), k_ix(b, 0), 0));
	Reg pixel[3];
	if (v) {
		Reg y = k_op(b, K_div, m0, k_ix(b, ow), 0);

		pixel[0] = k_addi(b, k_muli(b, k_op(b, K_rem, m0, k_ix(b, ow), 0), v->stride), -1);
		pixel[1] = k_addi(b, k_muli(b, k_op(b, K_rem, y, k_ix(b, oh), 0), v->stride), -1);
		pixel[2] = k_op(b, K_div, y, k_ix(b, oh), 0);
	}
	step = k_for(b, k_ix(b, 0), k_ix(b, K / HK), 1);
	k_mbar_wait(b, bars, k_addi(b, stage, HS), k_op(b, K_xor, parity, k_int(b, KS_I32, 1), 0));
	k_mbar_arrive(b, bars, stage, 2 * HK * (HM + HN));
	Reg where = k_join(b, k_muli(b, step, HK), m0);
	if (v) {
		Reg tap = k_op(b, K_div, step, k_ix(b, v->c / HK), 0), part = k_op(b, K_rem, step, k_ix(b, v->c / HK), 0);

		where = k_join(b, k_join(b, k_muli(b, part, HK), pixel[0]), k_join(b, pixel[1], pixel[2]));
		where = k_join(b, where, k_join(b, k_op(b, K_rem, tap, k_ix(b, 3), 0), k_op(b, K_div, tap, k_ix(b, 3), 0)));
	}
	k_tma_load(b, sa, k_muli(b, stage, HM * HK), a, where, bars, stage);
	k_tma_load(b, sw, k_muli(b, stage, HN * HK), w, k_join(b, k_muli(b, step, HK), n0), bars, stage);
	advance(b, stage, parity);
	k_close(b);
	k_close(b);

	k_else(b);
	Reg group = k_op(b, K_shr, warp, k_ix(b, 2), 0), first = k_op(b, K_eq, k_op(b, K_and, t, k_ix(b, 127), 0), k_ix(b, 0), 0);
	Reg acc = k_var(b, kt(KS_F32, HN / 2)), before = k_var(b, kt(KS_IX, 1));
	k_mov_to(b, acc, k_real(b, kt(KS_F32, HN / 2), 0));
	k_mov_to(b, before, k_ix(b, 0));
	step = k_for(b, k_ix(b, 0), k_ix(b, K / HK), 1);
	k_mbar_wait(b, bars, stage, parity);
	k_wgmma_to(b, acc, sa, k_add(b, k_muli(b, stage, HM * HK), k_muli(b, group, 64 * HK)), sw,
	           k_muli(b, stage, HN * HK), HK / 16, 128);
	k_sync(b, K_wgmma_wait, 1);             /* the product before this one has read its stage */
	k_if(b, k_op(b, K_and, first, k_op(b, K_lt, k_ix(b, 0), step, 0), 0));
	k_mbar_arrive(b, bars, k_addi(b, before, HS), 0);
	k_close(b);
	k_mov_to(b, before, stage);
	advance(b, stage, parity);
	k_close(b);
	Reg sum = k_wgmma_get(b, acc), lane = k_axis(b, KAXIS_LANE);
	Reg row = k_add(b, k_add(b, m0, k_muli(b, warp, 16)), k_op(b, K_shr, lane, k_ix(b, 2), 0));
	Reg col = k_add(b, n0, k_muli(b, k_op(b, K_and, lane, k_ix(b, 3), 0), 2));
	for (int j = 0; j < HN / 8; j++) {
		Reg pair = k_load(b, bias, k_addi(b, col, 8 * j), 2);

		for (int h = 0; h < 2; h++) {
			Reg y = k_add(b, k_part(b, sum, 4 * j + 2 * h, 2), pair), r = k_addi(b, row, 8 * h);

			y = k_mul(b, y, k_op(b, K_sigmoid, y, 0, 0));
			k_store_if(b, out, k_add(b, k_muli(b, r, N), k_addi(b, col, 8 * j)), k_cast(b, KS_F16, y),
			           k_op(b, K_lt, r, k_ix(b, M), 0));
		}
	}
	k_close(b);
	x.k = k_end(b);
	arg(c, &x, DT_F16, x.k->buf.p[0].count, -1, 1);
	arg(c, &x, DT_F16, x.k->buf.p[1].count, -1, 1);
	arg(c, &x, DT_F32, N, -1, 1);
	arg(c, &x, DT_F16, M * N, 0, 1);
	vec_push(c->a, &c->v, x);
}

/* [m][k] as the im2col box has it */
static double
im2col_element(const Case *x, const Conv *v, int64_t m, int64_t k)
{
	int ow = (v->w - 1) / v->stride + 1, oh = (v->h - 1) / v->stride + 1;
	int64_t tap = k / v->c, w = m % ow * v->stride - 1 + tap % 3, h = m / ow % oh * v->stride - 1 + tap / 3, n = m / ow / oh;

	if (w < 0 || w >= v->w || h < 0 || h >= v->h)
		return 0;
	return dtype_get(DT_F16, x->arg[0].data, (size_t)(((n * v->h + h) * v->w + w) * v->c + k % v->c));
}

static void
check_conv(const Case *x, const Conv *v)
{
	int64_t N = v->o, K = 9 * v->c, M = (int64_t)x->arg[3].bytes / 2 / N;

	for (int64_t m = 0; m < M; m += 3)
		for (int64_t n = 0; n < N; n += 5) {
			double sum = dtype_get(DT_F32, x->arg[2].data, (size_t)n), have;

			for (int64_t k = 0; k < K; k++)
				sum += im2col_element(x, v, m, k) * dtype_get(DT_F16, x->arg[1].data, (size_t)(n * K + k));
			sum /= 1 + exp(-sum);
			have = dtype_get(DT_F16, x->arg[3].data, (size_t)(m * N + n));
			if (fabs(have - sum) > x->error * (1 + fabs(sum)))
				fail_msg("%s[%d][%d] is %g, not %g", x->k->name, (int)m, (int)n, have, sum);
		}
}

static const Conv convs[2] = { { 2, 7, 11, 128, 64, 1 }, { 3, 9, 12, 64, 64, 2 } };

/* As an attention has it: products of warpgroups whose A is in registers, the second one's made of the first one's sums. */
enum { RN = 32, RK = 32 };

static void
registers_case(Cases *c)
{
	Case x = { .error = 4e-3, .needs = GPU_WGMMA, .no_spills = true,
	           .expect = { "wgmma.mma_async.sync.aligned.m64n32k16.f32.f16.f16", "b, 0, 1, 1, 0;", "b, 1, 1, 1, 1;", ".minnctapersm 2" } };
	KBuild *b = k_begin(c->a, "hopper_registers");
	uint32_t buf[3], out = 0, shared[2];
	Reg t = k_axis(b, KAXIS_THREAD_X), lane = k_axis(b, KAXIS_LANE), row, col, a = 0, s, o, piece, chunk;

	for (int i = 0; i < 3; i++)
		buf[i] = k_param(b, (const char *[]){ "a", "k", "v" }[i], DT_F16, i ? RN * RK : 64 * RK, false);
	out = k_param(b, "o", DT_F32, 64 * RN, true);
	for (int i = 0; i < 2; i++) {
		shared[i] = k_buffer(b, i ? "sv" : "sk", KSPACE_SHARED, DT_F16, RN * RK);
		k_align(b, shared[i], 512);
	}
	k_threads(b, 128, 1, 1);
	k_resident(b, 2);
	/* 32 rows of four pieces of 8, swizzled as the hardware reads rows of 64 bytes */
	row = k_op(b, K_shr, t, k_ix(b, 2), 0);
	piece = k_op(b, K_and, t, k_ix(b, 3), 0);
	chunk = k_op(b, K_xor, piece, k_op(b, K_and, k_op(b, K_shr, row, k_ix(b, 1), 0), k_ix(b, 3), 0), 0);
	for (int i = 0; i < 2; i++)
		k_cp_async(b, shared[i], k_add(b, k_muli(b, row, RK), k_muli(b, chunk, 8)), buf[1 + i], k_muli(b, t, 8), 8, k_int(b, KS_I1, 1));
	k_sync(b, K_cp_commit, 0);
	k_sync(b, K_cp_wait, 0);
	k_sync(b, K_async_fence, 0);
	k_sync(b, K_barrier, 0);
	row = k_add(b, k_muli(b, k_op(b, K_shr, t, k_ix(b, 5), 0), 16), k_op(b, K_shr, lane, k_ix(b, 2), 0));
	col = k_muli(b, k_op(b, K_and, lane, k_ix(b, 3), 0), 2);
	for (int i = 0; i < RK / 4; i++) {      /* of 16 columns: both rows of a pair, then those 8 columns further */
		Reg two = k_load(b, buf[0], k_add(b, k_muli(b, k_addi(b, row, 8 * (i & 1)), RK), k_addi(b, col, 8 * (i >> 1))), 2);

		a = a ? k_join(b, a, two) : two;
	}
	s = k_var(b, kt(KS_F32, RN / 2));
	o = k_var(b, kt(KS_F32, RN / 2));
	k_mov_to(b, s, k_real(b, kt(KS_F32, RN / 2), 7));       /* which does not count */
	k_mov_to(b, o, k_real(b, kt(KS_F32, RN / 2), 1));
	k_wgmma_a_to(b, s, a, shared[0], k_ix(b, 0), 64, false, true);
	k_wgmma_a_to(b, o, k_cast(b, KS_F16, k_wgmma_get(b, s)), shared[1], k_ix(b, 0), 64, true, false);
	s = k_wgmma_get(b, o);
	for (int j = 0; j < RN / 4; j++)
		k_store(b, out, k_add(b, k_muli(b, k_addi(b, row, 8 * (j & 1)), RN), k_addi(b, col, 8 * (j >> 1))), k_part(b, s, 2 * j, 2));
	x.k = k_end(b);
	for (int i = 0; i < 3; i++)
		arg(c, &x, DT_F16, x.k->buf.p[i].count, -1, 1);
	arg(c, &x, DT_F32, 64 * RN, 0, 1);
	vec_push(c->a, &c->v, x);
}

static void
check_registers(const Case *x)
{
	const void *a = x->arg[0].data, *k = x->arg[1].data, *v = x->arg[2].data;

	for (size_t m = 0; m < 64; m++)
		for (size_t n = 0; n < RN; n++) {
			double sum = 1, have = dtype_get(DT_F32, x->arg[3].data, m * RN + n);

			for (size_t j = 0; j < RN; j++) {
				double s = 0;

				for (size_t i = 0; i < RK; i++)
					s += dtype_get(DT_F16, a, m * RK + i) * dtype_get(DT_F16, k, j * RK + i);
				sum += (double)f16_to_f32(f16_from_f32((float)s)) * dtype_get(DT_F16, v, j * RN + n);
			}
			if (fabs(have - sum) > x->error * (1 + fabs(sum)))
				fail_msg("%s[%zu][%zu] is %g, not %g", x->k->name, m, n, have, sum);
		}
}

/* ---- all of them --------------------------------------------------------------------------------- */

static const DType gemm_type[2] = { DT_F16, DT_BF16 };

static void
make_cases(Cases *c)
{
	*c = (Cases){ .a = arena_new() };
	seed = 1;
	for (KScalar s = KS_I1; s < KS_COUNT; s++) {
		static const int lanes[] = { 1, 3, 8 };

		for (size_t l = 0; l < COUNT(lanes); l++)
			if (lanes[l] != 3 || s == KS_F16 || s == KS_F32 || s == KS_U8)
				ops_case(c, s, lanes[l]);
		cast_case(c, s, s == KS_IX ? 1 : 4);
	}
	wide_case(c);
	pixels_case(c);
	copies_case(c);
	atomics_case(c);
	fragments_case(c);
	bytes_case(c);
	for (int i = 0; i < 2; i++) {
		gemm_case(c, gemm_type[i], 100, 64, 96);
		gemm_case(c, gemm_type[i], 64, 64, 32);
	}
	hopper_case(c, "hopper_gemm", NULL, 200, 128, 320);
	hopper_case(c, "hopper_conv", &convs[0], 0, 0, 0);
	hopper_case(c, "hopper_conv_s2", &convs[1], 0, 0, 0);
	registers_case(c);
}

static bool
allowed(const Case *x, const Target *t)
{
	return (t->has & x->needs) == x->needs;
}

static Case *
find(Cases *c, const char *name)
{
	for (size_t i = 0; i < c->v.n; i++)
		if (strcmp(c->v.p[i].k->name, name) == 0)
			return &c->v.p[i];
	fail_msg("there is no %s", name);
	return NULL;
}

static void
interpret(const Case *x)
{
	char err[512];

	if (!kernel_interpret(x->k, x->arg, x->n, err))
		fail_msg("%s", err);
}

static void
interpreted(void **state)
{
	Cases c;

	(void)state;
	make_cases(&c);
	for (size_t i = 0; i < c.v.n; i++)
		interpret(&c.v.p[i]);
	for (int i = 0; i < 2; i++) {
		const char *type = dtype_info[gemm_type[i]].name;

		check_gemm(find(&c, arena_printf(c.a, "gemm_%s_96", type)), gemm_type[i], 100, 64, 96);
		check_gemm(find(&c, arena_printf(c.a, "gemm_%s_32", type)), gemm_type[i], 64, 64, 32);
	}
	check_bytes(find(&c, "bytes"));
	check_gemm(find(&c, "hopper_gemm"), DT_F16, 200, 128, 320);
	check_conv(find(&c, "hopper_conv"), &convs[0]);
	check_conv(find(&c, "hopper_conv_s2"), &convs[1]);
	check_registers(find(&c, "hopper_registers"));
	arena_free(c.a);
}

/* every case for one target; those that are not for it are refused in words */
static NvCode
compile(Cases *c, const Target *t, bool pdl, size_t **which)
{
	Kernel **k = NEWN(c->a, Kernel *, c->v.n);
	NvOptions o = { .pdl = pdl };
	const char *err;
	NvCode code;
	size_t n = 0;

	*which = NEWN(c->a, size_t, c->v.n);
	for (size_t i = 0; i < c->v.n; i++) {
		if (allowed(&c->v.p[i], t)) {
			(*which)[n] = i;
			k[n++] = c->v.p[i].k;
			continue;
		}
		assert_false(nvptx_compile(c->a, t, &c->v.p[i].k, 1, &o, &code, &err));
		if (!strstr(err, "sm_75 has no tensor cores for") && !strstr(err, "has no copy engine") &&
		    !strstr(err, "its shared buffers take") && !strstr(err, "has no warpgroup products"))
			fail_msg("%s", err);
	}
	if (!nvptx_compile(c->a, t, k, n, &o, &code, &err))
		fail_msg("%s: %s", t->name, err);
	return code;
}

static void
check_text(const Case *x, const Target *t, const char *ptx)
{
	for (int i = 0; i < 8 && x->expect[i] && t->sm >= 80; i++)
		if (!strstr(ptx, x->expect[i])) {
			fputs(ptx, stderr);
			fail_msg("%s for %s has no %s", x->k->name, t->name, x->expect[i]);
		}
}

static void
texts(void **state)
{
	Cases c;

	(void)state;
	make_cases(&c);
	for (size_t i = 0; i < COUNT(gpu_names); i++) {
		const Target *t = target_named(gpu_names[i]);
		size_t *which;
		NvCode code = compile(&c, t, true, &which);

		for (size_t j = 0; j < code.n; j++) {
			const Case *x = &c.v.p[which[j]];

			check_text(x, t, code.ptx[j]);
			assert_non_null(strstr(code.ptx[j], arena_printf(c.a, ".target %s", t->name)));
			assert_non_null(strstr(code.ptx[j], arena_printf(c.a, ".entry %s(", x->k->name)));
			assert_non_null(strstr(code.module, arena_printf(c.a, ".entry %s(", x->k->name)));
			assert_int_equal(strstr(code.ptx[j], "griddepcontrol.wait") != NULL, t->sm >= 90);
		}
		assert_null(strstr(strstr(code.module, ".target") + 1, ".target"));     /* one header */
	}
	arena_free(c.a);
}

static void
assembled(void **state)
{
	Cases c;

	(void)state;
	make_cases(&c);
	if (!ptxas_path(c.a)) {
		arena_free(c.a);
		print_message("there is no ptxas: nothing assembled\n");
		skip();
	}
	for (size_t i = 0; i < COUNT(gpu_names); i++) {
		const Target *t = target_named(gpu_names[i]);
		size_t *which;
		NvCode code = compile(&c, t, true, &which);
		Cubin *cubin = NEWN(c.a, Cubin, code.n);
		const char **log = NEWN(c.a, const char *, code.n), *err, *at;

		/* a ptxas each; and all of them as one module, once */
		if (!ptx_assemble(c.a, t, code.ptx, code.n, NULL, cubin, log, &err) ||
		    (i == 0 && !ptx_assemble(c.a, t, (const char *const[]){ code.module }, 1, NULL, &cubin[0], NULL, &err)))
			fail_msg("%s: %s", t->name, err);
		for (size_t j = 0; j < code.n; j++) {
			const Case *x = &c.v.p[which[j]];

			assert_memory_equal(cubin[j].p, "\177ELF", 4);
			at = strstr(log[j], arena_printf(c.a, "Function properties for %s\n", x->k->name));
			if (!at)
				fail_msg("%s: ptxas says nothing of %s", t->name, x->k->name);
			if (strstr(log[j], "serializ"))         /* warpgroup products one after another */
				fail_msg("%s: %s", t->name, log[j]);
			if (x->no_spills && !strstr(at, "\n    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads"))
				fail_msg("%s for %s spills: %.200s", x->k->name, t->name, at);
		}
	}
	arena_free(c.a);
}

/* ---- on a GPU ------------------------------------------------------------------------------------ */

static void
compare(const Case *x, const Case *want, const char *who)
{
	for (size_t j = 0; j < x->n; j++) {
		const KBuf *b = &x->k->buf.p[j];
		size_t n = x->arg[j].bytes / (size_t)dtype_info[b->dt].bytes;

		for (size_t i = 0; i < n; i++) {
			double have = dtype_get(b->dt, x->arg[j].data, i), should = dtype_get(b->dt, want->arg[j].data, i);

			if (isnan(should) ? isnan(have) : isinf(should) ? have == should
			    : fabs(have - should) <= x->error * (1 + fabs(should)))
				continue;
			fail_msg("%s on %s: %s[%zu] is %.9g, not %.9g", x->k->name, who, b->name, i, have, should);
		}
	}
}

static void
on_a_gpu(void **state)
{
	Cases want;

	(void)state;
	if (!have_gpu) {
		print_message("there is no GPU: nothing run on one\n");
		skip();
	}
	make_cases(&want);
	for (size_t i = 0; i < want.v.n; i++)
		interpret(&want.v.p[i]);
	for (size_t i = 0; i < COUNT(gpu_names); i++) {
		const Target *t = target_named(gpu_names[i]);
		const Target *here = target_named(arena_printf(want.a, "sm_%d", gpu.sm));
		size_t *which;
		const void **binary;
		const char *err;
		NvCode code;
		Cubin *cubin;
		Cases c;

		if (t->sm > gpu.sm || (strchr(t->name, 'a') && t->sm != gpu.sm))
			continue;
		make_cases(&c);
		code = compile(&c, t, true, &which);
		/* ptxas, where there is one, works on several at a time, and the driver does not */
		binary = NEWN(c.a, const void *, code.n);
		cubin = NEWN(c.a, Cubin, code.n);
		for (size_t j = 0; j < code.n; j++)
			binary[j] = code.ptx[j];
		if (ptxas_path(c.a) && here) {
			if (!ptx_assemble(c.a, strchr(t->name, 'a') ? t : here, code.ptx, code.n, NULL, cubin, NULL, &err))
				fail_msg("%s: %s", t->name, err);
			for (size_t j = 0; j < code.n; j++)
				binary[j] = cubin[j].p;
		}
		for (size_t j = 0; j < code.n; j++) {
			Case *x = &c.v.p[which[j]];

			if (!gpu_run(&gpu, x->k, binary[j], x->arg, x->n, 1, NULL))
				fail_msg("%s: %s", t->name, gpu.why);
			compare(x, &want.v.p[which[j]], t->name);
		}
		print_message("%zu kernels for %s\n", code.n, t->name);
		arena_free(c.a);
	}
	arena_free(want.a);
}

/* ---- the cache, and ptxas that fails --------------------------------------------------------------- */

static void
cached(void **state)
{
	(void)state;
	char dir[] = "/tmp/yolo12c-test-XXXXXX";
	const Target *t = target_named("sm_80");
	NvCode one, two, other;
	const char *err;
	Cubin cubin, again;
	Cases c;

	assert_non_null(mkdtemp(dir));
	make_cases(&c);
	Case *x = find(&c, "wide");
	NvOptions o = { .cache_dir = dir };
	assert_true(nvptx_compile(c.a, t, &x->k, 1, &o, &one, &err));
	assert_false(one.cached);
	x->k->name = "renamed";
	assert_true(nvptx_compile(c.a, t, &x->k, 1, &o, &two, &err));
	assert_true(two.cached);
	assert_non_null(strstr(two.module, ".entry renamed("));
	assert_null(strstr(two.module, "wide_param"));
	assert_string_equal(two.module, two.ptx[0]);
	o.pdl = true;                   /* other code, where the target can */
	assert_true(nvptx_compile(c.a, target_named("sm_90"), &x->k, 1, &o, &other, &err));
	assert_non_null(strstr(other.module, "griddepcontrol.wait"));
	if (ptxas_path(c.a)) {
		const char *bad = "this is no PTX";

		assert_true(ptx_assemble(c.a, t, two.ptx, 1, &o, &cubin, NULL, &err));
		assert_true(ptx_assemble(c.a, t, two.ptx, 1, &o, &again, NULL, &err));
		assert_int_equal(cubin.bytes, again.bytes);
		assert_memory_equal(cubin.p, again.p, cubin.bytes);
		assert_false(ptx_assemble(c.a, t, &bad, 1, NULL, &cubin, NULL, &err));
		assert_memory_equal(err, "ptxas: ", 7);
	}
	assert_int_equal(system(arena_printf(c.a, "rm -r %s", dir)), 0);
	arena_free(c.a);
}

/* ---- refusals --------------------------------------------------------------------------------------- */

static void
refusals(void **state)
{
	(void)state;
	static const struct { const char *text, *want; } c[] = {
		{ "kernel t() threads(32, 1, 1) {\n shared s: f32[70000]\n}\n",
		  "kernel t: its shared buffers take 280000 bytes, and a block of sm_80 has 166912" },
		{ "kernel t() grid(1, 70000, 1) threads(32, 1, 1) { }\n", "at most 65535 along the second and third" },
		{ "kernel t(x: global f32[8]) threads(32, 1, 1) { %1:ix = const 9\n %2:f32 = load x[%1] }\n", "elements 9 .. 10" },
	};

	for (size_t i = 0; i < COUNT(c); i++) {
		Arena *a = arena_new();
		Diag *d = diag_new(a);
		KernelList *l = kernel_parse(a, d, diag_source(d, "t.k", c[i].text, strlen(c[i].text)), NULL);
		const char *err = NULL;
		NvCode code;

		assert_non_null(l);
		assert_false(nvptx_compile(a, target_named("sm_80"), l->k.p, 1, NULL, &code, &err));
		if (!strstr(err, c[i].want))
			fail_msg("%s", err);
		assert_false(nvptx_compile(a, target_named("host:x86-64-v2"), l->k.p, 1, NULL, &code, &err));
		assert_non_null(strstr(err, "is no GPU"));
		arena_free(a);
	}
}

/* blocks of a cluster, and registers that pass from one warpgroup to another */
static void
clusters(void **state)
{
	static const char text[] =
		"kernel pair(y: global out f32[512]) grid(4, 1, 1) cluster(2, 1, 1) threads(256, 1, 1) {\n"
		"  shared s: f32[256]\n  shared n: i32[1]\n  shared b: i64[1]\n"
		"  %1:ix = axis thread.x\n  %2:ix = axis rank\n  %3:ix = axis cluster.x\n  %4:ix = const 0\n  %5:ix = const 1\n"
		"  %6:ix = axis warp\n  %7:ix = const 4\n  %8:f32 = const 1\n  %9:ix = xor %2, %5\n  %10:i1 = eq %1, %4\n"
		"  %11:i1 = lt %6, %7\n  %12:ix = const 2\n  %13:i32 = const 0\n"
		"  if %11 {\n    regs_give 40\n  } else {\n    regs_take 240\n  }\n"
		"  store s[%1], %8\n"
		"  if %10 {\n    mbar_init b[%4] count 1\n    store n[%4], %13\n  }\n"
		"  cluster_barrier\n"
		"  if %10 {\n    peer_arrive b[%4] of %9\n  }\n"
		"  mbar_wait b[%4] parity %13\n"
		"  %14:f32x4 = peer_load s[%4] of %9\n  %15:f32x2 = peer_load s[%4] of %9\n  %16:i32 = peer_load n[%4] of %9\n"
		"  %17:f32 = reduce_add %14\n  %18:f32 = reduce_add %15\n  %19:f32 = cast %16\n  %20:f32 = add %17, %18\n"
		"  %21:f32 = add %20, %19\n"
		"  if %10 {\n    %22:ix = mul %3, %12\n    %23:ix = add %22, %2\n    store y[%23], %21\n  }\n"
		"  cluster_barrier\n}\n";
	static const char *const want[] = {
		"barrier.cluster.arrive.release.aligned", "barrier.cluster.wait.acquire.aligned", "ld.shared::cluster.b32",
		"ld.shared::cluster.v2.b32", "ld.shared::cluster.v4.b32", "mapa.shared::cluster.u32",
		"mbarrier.arrive.release.cluster.shared::cluster.b64", "setmaxnreg.dec.sync.aligned.u32 40",
		"setmaxnreg.inc.sync.aligned.u32 240",
	};
	Arena *a = arena_new();
	Diag *d = diag_new(a);
	KernelList *l = kernel_parse(a, d, diag_source(d, "pair.k", text, sizeof text - 1), NULL);
	KernelList *more;
	float y[512] = { 0 };
	char why[512], *file, *begin;
	const char *err, *path;
	NvCode code;
	Cubin cubin;
	size_t n;

	(void)state;
	assert_non_null(l);
	if (!kernel_interpret(l->k.p[0], &(KArg){ y, sizeof y }, 1, why))
		fail_msg("%s", why);
	for (int i = 0; i < 4; i++)
		assert_true(y[i] == 6);
	assert_true(nvptx_compile(a, target_named("sm_90a"), l->k.p, 1, NULL, &code, &err));
	for (size_t i = 0; i < COUNT(want); i++)
		if (!strstr(code.module, want[i]))
			fail_msg("no %s in\n%s", want[i], code.module);
	assert_false(nvptx_compile(a, target_named("sm_80"), l->k.p, 1, NULL, &code, &err));
	assert_non_null(strstr(err, "sm_80 has no"));

	/* tiles for several blocks at once come by tensor map, which an early PTX does not know */
	path = arena_printf(a, "%s/tests/gpu/cluster.k", getenv("srcdir") ? getenv("srcdir") : ".");
	file = file_read(a, path, &n, &err);
	if (!file)
		fail_msg("%s", err);
	begin = strstr(file, "\nkernel ");      /* behind the comments, which are for check_gpu */
	assert_non_null(begin);
	more = kernel_parse(a, d, diag_source(d, path, begin, n - (size_t)(begin - file)), &n);
	assert_non_null(more);
	for (size_t i = 0; i < 3; i++) {
		const Target *t = target_named(i < 2 ? "sm_90a" : "sm_90");

		if (!nvptx_compile(a, t, (i < 1 ? l : more)->k.p, 1, NULL, &code, &err))
			fail_msg("%s", err);
		if (ptxas_path(a) && !ptx_assemble(a, t, code.ptx, 1, NULL, &cubin, NULL, &err))
			fail_msg("%s: %s", t->name, err);
	}
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(interpreted),
		cmocka_unit_test(texts),
		cmocka_unit_test(assembled),
		cmocka_unit_test(on_a_gpu),
		cmocka_unit_test(clusters),
		cmocka_unit_test(cached),
		cmocka_unit_test(refusals),
	};

	have_gpu = gpu_open(&gpu);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
