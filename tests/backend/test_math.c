/* test_math.c -- how far exp, log, sin, cos, tanh and sigmoid are from the true values.
 *
 * A sweep over the bit patterns of all magnitudes and signs, and around the places where a
 * function changes its way of computing, against libm in twice the precision.  The table
 * below is what is promised, in units of the last place; the program prints what it found.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <float.h>
#include <math.h>

#include "tests/backend/run.h"

enum { N = 1 << 14 };

static long double
sigmoidl(long double x)
{
	return 1 / (1 + expl(-x));
}

static const struct {
	KOp op;
	long double (*fn)(long double);
	double range;           /* |x| up to here */
	double f32, f64;        /* ulps */
} row[] = {
	{ K_exp, expl, INFINITY, 2, 2 },
	{ K_exp2, exp2l, INFINITY, 2, 2 },
	{ K_log, logl, INFINITY, 2, 2 },
	{ K_sin, sinl, 1e5, 1, 2 },
	{ K_cos, cosl, 1e5, 1, 2 },
	{ K_tanh, tanhl, INFINITY, 3, 3 },
	{ K_sigmoid, sigmoidl, INFINITY, 3, 3 },
};

static Kernel *
kernel_of(Arena *a, KOp op, DType dt, int lanes)
{
	KBuild *b = k_begin(a, kop_info[op].name);
	uint32_t x = k_param(b, "x", dt, N, false), y = k_param(b, "y", dt, N, true);
	Reg i = k_for(b, k_ix(b, 0), k_ix(b, N), lanes);

	k_store(b, y, i, k_op(b, op, k_load(b, x, i, lanes), 0, 0));
	k_close(b);
	return k_end(b);
}

/* the distance of got from want, in ulps of want */
static double
distance(DType dt, double got, long double want, KOp op)
{
	double least = dt == DT_F32 ? 0x1p-149 : 0x1p-1074, big = dt == DT_F32 ? (double)FLT_MAX : DBL_MAX, ulp;
	int mant = dt == DT_F32 ? 24 : 53, e;
	long double size = fabsl(want);

	if (isnan(got) || isnan(want))
		return isnan(got) && isnan(want) ? 0 : INFINITY;
	if (isinf(got) && size > big)
		return (got < 0) == (want < 0) ? 0 : INFINITY;
	if (isinf(got) || size > big * (1 + 1e-10L))
		return INFINITY;
	if (op == K_sigmoid && got == 0 && size < (dt == DT_F32 ? (double)FLT_MIN : DBL_MIN))
		return 0;               /* as documented in math.c */
	frexpl(size, &e);
	ulp = fmax(ldexp(1, e - mant), least);
	return (double)(fabsl((long double)got - want) / ulp);
}

typedef struct Sweep {
	const Target *t;
	size_t row;
	DType dt;
	KernelFn *fn;
	void *x, *y;
	size_t n;
	double worst, at;
} Sweep;

static void
flush_sweep(Sweep *s)
{
	for (size_t i = s->n; i < N; i++)
		dtype_set(s->dt, s->x, i, 1);
	s->fn((void *[]){ s->x, s->y }, (int64_t[3]){ 0 });
	for (size_t i = 0; i < s->n; i++) {
		double x = dtype_get(s->dt, s->x, i), y = dtype_get(s->dt, s->y, i), d;

		d = distance(s->dt, y, row[s->row].fn((long double)x), row[s->row].op);
		if (d > s->worst)
			s->worst = d, s->at = x;
	}
	s->n = 0;
}

static void
try_value(Sweep *s, double x)
{
	if (fabs(x) > row[s->row].range && isfinite(x))
		return;
	dtype_set(s->dt, s->x, s->n++, x);
	if (s->n == N)
		flush_sweep(s);
}

static void
sweep(Sweep *s)
{
	static const double near[] = {
		0, 0.625, 1, M_PI_2, M_PI, 2 * M_PI, 100 * M_PI, 31831 * M_PI_2, M_SQRT2, M_SQRT1_2, 88.72, -87.33, -103.97, 709.78,
		-708.4, -745.13, 9.01, 19.06, 44.3, -88.7, 0x1p-126, 0x1p-1022, M_LN2 / 2, 3 * M_LN2 / 2,
	};
	static const double special[] = { 0.0, -0.0, INFINITY, -INFINITY, NAN, 0x1p-149, 0x1p-1074, -0x1p-149, FLT_MAX, -FLT_MAX };

	s->worst = 0;
	if (s->dt == DT_F32) {
		for (uint64_t u = 0; u < UINT64_C(1) << 32; u += 24593) {
			uint32_t bits = (uint32_t)u;
			float f;

			memcpy(&f, &bits, sizeof f);
			try_value(s, (double)f);
		}
	} else {
		for (uint64_t u = 0, i = 0; i < 200000; i++, u += UINT64_C(92233720368547)) {
			double f;

			memcpy(&f, &u, sizeof f);
			try_value(s, f);
		}
		/* most of those are far too small or large to be interesting */
		for (int i = 0; i < 100000; i++)
			try_value(s, (i - 50000) / 61.);
	}
	for (size_t i = 0; i < COUNT(near); i++)
		for (int k = -500; k <= 500; k++)
			try_value(s, near[i] * (1 + k * (s->dt == DT_F32 ? 0x1p-23 : 0x1p-52)) + k * 0x1p-60);
	for (int i = -20000; i <= 20000; i++)
		try_value(s, i / 100.);
	for (size_t i = 0; i < COUNT(special); i++)
		try_value(s, special[i]);
	flush_sweep(s);
}

static void
accuracy(void **state)
{
	static const char *const host_names[] = { "host:x86-64-v2", "host:x86-64-v3", "host:x86-64-v4", "host:aarch64" };
	static const DType dts[] = { DT_F32, DT_F64 };

	(void)state;
	for (size_t h = 0; h < COUNT(host_names); h++) {
		const Target *t = target_named(host_names[h]);
		Arena *a = arena_new();
		Kernel *k[2 * COUNT(row)];
		Code code;

		if (!target_runs_here(t)) {
			arena_free(a);
			continue;
		}
		for (size_t i = 0; i < COUNT(row); i++)
			for (size_t d = 0; d < 2; d++)
				k[2 * i + d] = kernel_of(a, row[i].op, dts[d], t->vector_bytes / dtype_info[dts[d]].bytes);
		code_open(a, &code, t, k, 2 * COUNT(row));
		for (size_t i = 0; i < COUNT(row); i++)
			for (size_t d = 0; d < 2; d++) {
				double most = d ? row[i].f64 : row[i].f32;
				Sweep s = { .t = t, .row = i, .dt = dts[d], .fn = code.fn[2 * i + d] };

				s.x = arena_alloc(a, N * 8 + 64);
				s.y = arena_alloc(a, N * 8 + 64);
				sweep(&s);
				printf("%-15s %-8s %s  %6.3f ulp at %.9g\n", t->name, kop_info[row[i].op].name,
				       dtype_info[dts[d]].name, s.worst, s.at);
				if (!(s.worst <= most))
					fail_msg("%s.%s on %s is off by %g ulp at %.17g", kop_info[row[i].op].name,
					         dtype_info[dts[d]].name, t->name, s.worst, s.at);
			}
		code_close(&code);
		arena_free(a);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(accuracy) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
