/* test_kernels.c -- memory, control flow and whole random kernels against the interpreter,
 * on each instruction set that this CPU runs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>

#include "tests/backend/run.h"

static const char *const host_names[] = { "host:x86-64-v2", "host:x86-64-v3", "host:x86-64-v4", "host:aarch64" };

static uint64_t seed;

static uint32_t
rnd(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % n;
}

enum { BYTES = 4096, ARGS = 8 };

/* Data that is a small number in every type that the tests read it as. */
static void
fill(void *p, DType dt)
{
	for (size_t i = 0; i < BYTES / (size_t)dtype_info[dt].bytes; i++)
		dtype_set(dt, p, i, dt == DT_BOOL ? rnd(2) : dt == DT_U8 ? rnd(256)
		                  : dtype_info[dt].real ? (rnd(2001) - 1e3) / 64 : (double)rnd(200) - 100);
}

/* Runs a kernel by the interpreter and on every target, and compares all buffers, also past their ends.  same[i]:
 * argument i is the memory of argument same[i] (in-place). */
static void
check(Kernel *k, const int *same)
{
	static _Alignas(64) char first[ARGS][BYTES], want[ARGS][BYTES], got[ARGS][BYTES];
	size_t n = 0;
	KArg arg[ARGS];
	void *ptr[ARGS];
	char err[512];
	const char *why;
	int ran = 0;

	while (n < k->buf.n && k->buf.p[n].space == KSPACE_GLOBAL)
		n++;
	assert_true(n <= ARGS);
	if (!kernel_verify(k, &why))
		fail_msg("%s", why);
	for (size_t i = 0; i < n; i++) {
		int64_t bytes = k->buf.p[i].count * dtype_info[k->buf.p[i].dt].bytes;
		size_t at = same ? (size_t)same[i] : i;

		assert_true(bytes <= BYTES - 64);
		fill(first[i], k->buf.p[i].dt);
		arg[i] = (KArg){ want[at], (size_t)bytes };
		ptr[i] = got[at];
	}
	memcpy(want, first, sizeof want);
	if (!kernel_interpret(k, arg, n, err))
		fail_msg("%s", err);
	for (size_t h = 0; h < COUNT(host_names); h++) {
		const Target *t = target_named(host_names[h]);
		Arena *a = arena_new();
		Code code;

		if (!target_runs_here(t)) {
			arena_free(a);
			continue;
		}
		memcpy(got, first, sizeof got);
		code_open(a, &code, t, &k, 1);
		for (int32_t z = 0; z < k->grid[2]; z++)
			for (int32_t y = 0; y < k->grid[1]; y++)
				for (int32_t x = 0; x < k->grid[0]; x++)
					code.fn[0](ptr, (int64_t[]){ x, y, z });
		for (size_t i = 0; i < n; i++)
			if (memcmp(got[i], want[i], BYTES) != 0) {
				size_t at = 0;

				while (got[i][at] == want[i][at])
					at++;
				kernel_print(stderr, k);
				fail_msg("%s: buffer %s differs at byte %zu", t->name, k->buf.p[i].name, at);
			}
		code_close(&code);
		arena_free(a);
		ran++;
	}
	assert_true(ran > 0);
}

/* ---- memory ------------------------------------------------------------------------ */

static void
parts(void **state)
{
	static const DType dts[] = { DT_U8, DT_BOOL, DT_I32, DT_I64, DT_F16, DT_BF16, DT_F32, DT_F64 };

	(void)state;
	for (size_t d = 0; d < COUNT(dts); d++)
		for (int lanes = 4; lanes <= 16; lanes *= 2)
			for (int active = 1; active <= lanes; active += lanes == 16 ? 5 : 1) {
				Arena *a = arena_new();
				KBuild *b = k_begin(a, "parts");
				uint32_t x = k_param(b, "x", dts[d], 3 + active, false);
				uint32_t y = k_param(b, "y", dts[d], 5 + active, true);
				uint32_t z = k_param(b, "z", dts[d], lanes, true);
				/* the loads end with their buffer: lanes past them must not be touched */
				Reg v = k_load_part(b, x, k_ix(b, 3), lanes, active);

				k_store(b, z, k_ix(b, 0), v);
				k_store_part(b, y, k_ix(b, 5), v, active);
				check(k_end(b), NULL);
				arena_free(a);
			}
}

/* A page that may not be read follows the buffer at once. */
static void
part_stays_inside(void **state)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_int_equal(mprotect(page + 4096, 4096, PROT_NONE), 0);
	for (size_t h = 0; h < COUNT(host_names); h++)
		for (int active = 1; active < 16; active++) {
			const Target *t = target_named(host_names[h]);
			Arena *a = arena_new();
			KBuild *b = k_begin(a, "edge");
			uint32_t x = k_param(b, "x", DT_F32, active, false), y = k_param(b, "y", DT_F32, active, true);
			Kernel *k;
			Code code;

			k_store_part(b, y, k_ix(b, 0), k_load_part(b, x, k_ix(b, 0), 16, active), active);
			k = k_end(b);
			if (target_runs_here(t)) {
				code_open(a, &code, t, &k, 1);
				for (int i = 0; i < active; i++)
					((float *)(page + 4096))[-1 - i] = (float)i;
				code.fn[0]((void *[]){ page + 4096 - 4 * active, page + 4096 - 4 * active },
				           (int64_t[3]){ 0 });
				code_close(&code);
			}
			arena_free(a);
		}
	munmap(page, 8192);
}

static void
conditions(void **state)
{
	(void)state;
	for (int lanes = 1; lanes <= 16; lanes *= 4)
		for (int part = 0; part < 2; part++) {
			Arena *a = arena_new();
			KBuild *b = k_begin(a, "conditions");
			uint32_t x = k_param(b, "x", DT_F32, 64, false), c = k_param(b, "c", DT_BOOL, 8, false);
			uint32_t y = k_param(b, "y", DT_F32, 8 * lanes, true), z = k_param(b, "z", DT_F32, 8 * lanes, true);
			Reg i, cond, v;

			i = k_for(b, k_ix(b, 0), k_ix(b, 8), 1);
			cond = k_load(b, c, i, 1);
			/* where it does not hold, the index lies far outside */
			v = k_load_if(b, x, k_select(b, cond, k_muli(b, i, 3), k_ix(b, -1000000000)), lanes, cond);
			k_store(b, y, k_muli(b, i, lanes), v);
			k_store_if(b, z, k_select(b, cond, k_muli(b, i, lanes), k_ix(b, INT64_C(1) << 40)), v, cond);
			if (part)
				k_store_part(b, z, k_ix(b, 0), v, lanes / 2 ? lanes / 2 : 1);
			k_close(b);
			check(k_end(b), NULL);
			arena_free(a);
		}
}

static void
gathers(void **state)
{
	static const DType dts[] = { DT_U8, DT_BOOL, DT_I32, DT_F16, DT_F32, DT_F64 };

	(void)state;
	for (size_t d = 0; d < COUNT(dts); d++)
		for (int lanes = 1; lanes <= 16; lanes *= 4) {
			Arena *a = arena_new();
			KBuild *b = k_begin(a, "gathers");
			uint32_t x = k_param(b, "x", dts[d], 100, false), at = k_param(b, "at", DT_I32, 32, false);
			uint32_t y = k_param(b, "y", dts[d], 64, true);
			Reg i = k_for(b, k_ix(b, 0), k_ix(b, 16), lanes), j;

			j = k_cast(b, KS_IX, k_op(b, K_abs, k_load(b, at, i, lanes), 0, 0));
			j = k_op(b, K_min, j, k_splat(b, lanes, k_ix(b, 99)), 0);
			k_store(b, y, i, k_gather(b, x, j));
			/* a static distance */
			j = k_add(b, k_splat(b, lanes, i), k_mul(b, k_lanes(b, kt(KS_IX, lanes)), k_ix(b, 3)));
			k_store(b, y, k_addi(b, i, 32), k_gather(b, x, j));
			k_close(b);
			check(k_end(b), NULL);
			arena_free(a);
		}
}

/* y is x's memory: each element is read before it is written, and read again after */
static void
in_place(void **state)
{
	Arena *a = arena_new();
	KBuild *b = k_begin(a, "inplace");
	uint32_t x = k_param(b, "x", DT_F32, 64, false), y = k_param(b, "y", DT_F32, 64, true);
	uint32_t z = k_param(b, "z", DT_F32, 64, true);
	Kernel *k;
	Reg i, v;

	(void)state;
	i = k_for(b, k_ix(b, 0), k_ix(b, 64), 8);
	v = k_load(b, x, i, 8);
	k_store(b, y, i, k_add(b, v, v));
	k_store(b, z, i, k_load(b, x, i, 8));
	k_close(b);
	k = k_end(b);
	k->buf.p[0].inplace = k->buf.p[1].inplace = true;
	check(k, (int[]){ 0, 0, 2 });
	arena_free(a);
}

static void
local_memory(void **state)
{
	Arena *a = arena_new();
	KBuild *b = k_begin(a, "locals");
	uint32_t x = k_param(b, "x", DT_F32, 64, false), y = k_param(b, "y", DT_F32, 64, true);
	uint32_t l = k_buffer(b, "l", KSPACE_LOCAL, DT_F32, 64), h = k_buffer(b, "h", KSPACE_LOCAL, DT_F16, 64);
	Reg i;

	(void)state;
	i = k_for(b, k_ix(b, 0), k_ix(b, 64), 16);
	k_store(b, l, i, k_load(b, x, i, 16));
	k_store(b, h, k_sub(b, k_ix(b, 48), i), k_cast(b, KS_F16, k_load(b, l, i, 16)));
	k_close(b);
	i = k_for(b, k_ix(b, 0), k_ix(b, 64), 1);
	k_store(b, y, i, k_add(b, k_load(b, l, k_sub(b, k_ix(b, 63), i), 1), k_cast(b, KS_F32, k_load(b, h, i, 1))));
	k_close(b);
	check(k_end(b), NULL);
	arena_free(a);
}

static void
large_index(void **state)
{
	size_t bytes = (size_t)5 << 31;
	float *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int64_t at = (INT64_C(1) << 31) + 12345;
	Arena *a = arena_new();
	KBuild *b = k_begin(a, "large");
	uint32_t x = k_param(b, "x", DT_F32, -1, false), y = k_param(b, "y", DT_F32, -1, true);
	Kernel *k;
	Code code;
	Reg i;

	(void)state;
	if (p == MAP_FAILED) {
		arena_free(a);
		skip();
	}
	k_grid(b, 2, 3, 4);
	i = k_add(b, k_muli(b, k_axis(b, KAXIS_BLOCK_X), at), k_muli(b, k_axis(b, KAXIS_BLOCK_Z), 2));
	k_store(b, y, k_addi(b, i, 16), k_add(b, k_load(b, x, i, 4), k_real(b, kt(KS_F32, 4), 1)));
	k = k_end(b);
	code_open(a, &code, target_host(), &k, 1);
	p[at + 2 + 4] = 41;
	code.fn[0]((void *[]){ p, p }, (int64_t[]){ 1, 0, 3 });
	assert_true(p[at + 6 + 16] == 42);
	code_close(&code);
	munmap(p, bytes);
	arena_free(a);
}

/* ---- lanes -------------------------------------------------------------------------- */

static void
reductions(void **state)
{
	static const DType dts[] = { DT_U8, DT_I32, DT_I64, DT_F16, DT_BF16, DT_F32, DT_F64 };

	(void)state;
	for (size_t d = 0; d < COUNT(dts); d++)
		for (int lanes = 1; lanes <= 16; lanes += lanes < 8 ? 1 : 8) {
			Arena *a = arena_new();
			KBuild *b = k_begin(a, "reductions");
			uint32_t x = k_param(b, "x", dts[d], 64, false), y = k_param(b, "y", dts[d], 8, true);
			Reg v = k_load(b, x, k_ix(b, 7), lanes);

			k_store(b, y, k_ix(b, 0), k_reduce(b, K_reduce_add, v));
			k_store(b, y, k_ix(b, 1), k_reduce(b, K_reduce_max, v));
			k_store(b, y, k_ix(b, 2), k_lane(b, v, lanes - 1));
			if (lanes > 1)
				k_store(b, y, k_ix(b, 3), k_reduce(b, K_reduce_add, k_splat(b, lanes, k_lane(b, v, 1))));
			check(k_end(b), NULL);
			arena_free(a);
		}
}

static void
parts_of_registers(void **state)
{
	(void)state;
	for (int n = 1; n <= 8; n++)
		for (int m = 1; m <= 8; m += 3) {
			Arena *a = arena_new();
			KBuild *b = k_begin(a, "lanes");
			uint32_t x = k_param(b, "x", DT_F32, 64, false), y = k_param(b, "y", DT_F32, 64, true);
			Reg v = k_load(b, x, k_ix(b, 1), n), w = k_load(b, x, k_ix(b, 20), m), j = k_join(b, v, w);

			k_store(b, y, k_ix(b, 0), j);
			k_store(b, y, k_ix(b, 20), k_part(b, j, n / 2, m));
			k_store(b, y, k_ix(b, 40), k_join(b, k_part(b, j, m, n), k_lane(b, j, 0)));
			check(k_end(b), NULL);
			arena_free(a);
		}
}

static void
choices(void **state)
{
	Arena *a = arena_new();
	KBuild *b = k_begin(a, "choices");
	uint32_t x = k_param(b, "x", DT_F32, 64, false), c = k_param(b, "c", DT_BOOL, 32, false);
	uint32_t y = k_param(b, "y", DT_F32, 64, true), z = k_param(b, "z", DT_I32, 64, true);
	uint32_t m = k_param(b, "m", DT_BOOL, 64, true);
	Reg v = k_load(b, x, k_ix(b, 0), 16), w = k_load(b, x, k_ix(b, 16), 16), k = k_load(b, c, k_ix(b, 3), 16);

	(void)state;
	k_store(b, y, k_ix(b, 0), k_select(b, k, v, w));
	k_store(b, y, k_ix(b, 16), k_select(b, k_load(b, c, k_ix(b, 1), 1), v, w));
	k_store(b, y, k_ix(b, 32), k_select(b, k_load(b, c, k_ix(b, 2), 1), v, w));
	k_store(b, z, k_ix(b, 0), k_lanes(b, kt(KS_I32, 16)));
	k_store(b, z, k_ix(b, 16), k_cast(b, KS_I32, k));
	k_store(b, m, k_ix(b, 0), k_op(b, K_xor, k, k_op(b, K_lt, v, w, 0), 0));
	check(k_end(b), NULL);
	arena_free(a);
}

/* ---- control flow ------------------------------------------------------------------- */

static void
loops(void **state)
{
	Arena *a = arena_new();
	KBuild *b = k_begin(a, "loops");
	uint32_t x = k_param(b, "x", DT_I32, 64, false), y = k_param(b, "y", DT_I32, 192, true);
	Reg bx = k_axis(b, KAXIS_BLOCK_X), by = k_axis(b, KAXIS_BLOCK_Y), sum, n, i, j, out, last;

	(void)state;
	k_grid(b, 4, 3, 2);
	sum = k_var(b, kt(KS_I32, 1)), n = k_var(b, kt(KS_IX, 1)), last = k_var(b, kt(KS_I32, 1));
	k_mov_to(b, sum, k_int(b, KS_I32, 1));
	k_mov_to(b, last, k_int(b, KS_I32, 0));
	/* no turn at all where x > y; swapping two variables around the loop */
	i = k_for(b, bx, by, 1);
	j = k_for(b, i, k_ix(b, 7), 3);
	k_if(b, k_op(b, K_lt, k_load(b, x, j, 1), k_int(b, KS_I32, 0), 0));
	k_op_to(b, sum, K_mul, sum, k_int(b, KS_I32, 3), 0);
	k_else(b);
	k_op_to(b, sum, K_add, sum, last, 0);
	k_mov_to(b, last, k_load(b, x, j, 1));
	k_close(b);
	k_close(b);
	k_close(b);
	/* collatz, with the break in the middle */
	k_mov_to(b, n, k_addi(b, k_add(b, bx, k_muli(b, by, 5)), 7));
	out = k_var(b, kt(KS_I32, 1));
	k_mov_to(b, out, k_int(b, KS_I32, 0));
	k_loop(b);
	k_op_to(b, out, K_add, out, k_int(b, KS_I32, 1), 0);
	k_break_if(b, k_op(b, K_eq, n, k_ix(b, 1), 0));
	k_if(b, k_op(b, K_eq, k_op(b, K_rem, n, k_ix(b, 2), 0), k_ix(b, 0), 0));
	k_op_to(b, n, K_div, n, k_ix(b, 2), 0);
	k_else(b);
	k_op_to(b, n, K_fma, n, k_ix(b, 3), k_ix(b, 1));
	k_close(b);
	k_close(b);
	i = k_muli(b, k_add(b, k_add(b, bx, k_muli(b, by, 4)), k_muli(b, k_axis(b, KAXIS_BLOCK_Z), 12)), 2);
	k_store(b, y, i, sum);
	k_store(b, y, k_addi(b, i, 1), out);
	check(k_end(b), NULL);
	arena_free(a);
}

/* ---- random kernels ------------------------------------------------------------------ */

typedef struct Rand {
	KBuild *b;
	int lanes;
	VEC(Reg) pool;          /* what may be read here */
	Reg var[6];
	uint32_t x[2], y[2];
	Reg half;
	Arena *a;
	int budget;
} Rand;

static const KScalar rand_scalar[3] = { KS_I32, KS_F32, KS_IX };

static Reg
pick(Rand *r, KScalar s, int lanes)
{
	for (int i = 0; i < 30; i++) {
		Reg x = r->pool.p[rnd((uint32_t)r->pool.n)];
		KType t = k_type(r->b, x);

		if (t.s == s && t.lanes == lanes)
			return x;
	}
	return s == KS_F32 ? k_real(r->b, kt(s, lanes), rnd(9) - 4.) : k_splat(r->b, lanes, k_int(r->b, s, (int64_t)rnd(9) - 4));
}

/* an index from any one: inside 0 .. n - 1 */
static Reg
within(Rand *r, Reg i, int64_t n)
{
	return k_op(r->b, K_min, k_op(r->b, K_max, i, k_ix(r->b, 0), 0), k_ix(r->b, n - 1), 0);
}

static void
random_op(Rand *r)
{
	static const KOp ints[] = { K_add, K_sub, K_mul, K_min, K_max, K_and, K_or, K_xor };
	static const KOp reals[] = { K_add, K_sub, K_mul, K_min, K_max, K_div, K_sqrt, K_abs, K_neg, K_floor, K_round };
	KBuild *b = r->b;
	int kind = (int)rnd(9), lanes = rnd(2) ? r->lanes : 1;
	KScalar s = rand_scalar[rnd(2)];
	Reg x = 0;

	switch (kind) {
	case 0: x = k_load(b, r->x[s == KS_F32], within(r, pick(r, KS_IX, 1), 64), lanes); break;
	case 1:
		/* indices do not overflow: they stay small */
		x = within(r, k_op(b, rnd(2) ? K_add : K_sub, pick(r, KS_IX, 1), k_ix(b, rnd(9)), 0), 50);
		break;
	case 2: x = k_select(b, k_op(b, K_lt, pick(r, s, lanes), pick(r, s, lanes), 0), pick(r, s, lanes), pick(r, s, lanes)); break;
	case 3: x = k_cast(b, s == KS_F32 ? KS_I32 : KS_F32, pick(r, s, lanes)); break;
	case 4: x = k_reduce(b, rnd(2) ? K_reduce_add : K_reduce_max, pick(r, s, r->lanes)); break;
	case 5: x = k_splat(b, r->lanes, pick(r, s, 1)); break;
	case 6: k_store(b, r->y[s == KS_F32], k_add(b, r->half, within(r, pick(r, KS_IX, 1), 64)), pick(r, s, lanes)); return;
	default: {
		KOp op = s == KS_F32 ? reals[rnd(COUNT(reals))] : ints[rnd(COUNT(ints))];

		if (rnd(3) == 0) {
			Reg v = r->var[(s == KS_F32 ? 3 : 0) + rnd(2)];
			Reg p = pick(r, s, r->lanes), q = kop_info[op].args > 1 ? pick(r, s, r->lanes) : 0;

			k_op_to(b, v, op, p, q, 0);
			return;
		}
		x = pick(r, s, lanes);
		x = k_op(b, op, x, kop_info[op].args > 1 ? pick(r, s, lanes) : 0, 0);
	}
	}
	vec_push(r->a, &r->pool, x);
}

static void
random_block(Rand *r, int depth)
{
	KBuild *b = r->b;
	size_t mark = r->pool.n;

	for (int n = 3 + (int)rnd(8); n > 0 && r->budget > 0; n--, r->budget--) {
		int kind = depth < 4 ? (int)rnd(12) : 11;

		if (kind == 0) {
			Reg i = k_for(b, k_ix(b, rnd(3)), rnd(2) ? k_ix(b, rnd(6)) : within(r, pick(r, KS_IX, 1), 5), 1 + rnd(3));

			vec_push(r->a, &r->pool, i);
			random_block(r, depth + 1);
			r->pool.n--;
			k_close(b);
		} else if (kind == 1) {
			k_if(b, k_op(b, K_le, pick(r, KS_I32, 1), pick(r, KS_I32, 1), 0));
			random_block(r, depth + 1);
			if (rnd(2)) {
				k_else(b);
				random_block(r, depth + 1);
			}
			k_close(b);
		} else if (kind == 2) {
			Reg n2 = k_var(b, kt(KS_IX, 1));

			k_mov_to(b, n2, k_ix(b, 0));
			k_loop(b);
			random_block(r, depth + 1);
			k_op_to(b, n2, K_add, n2, k_ix(b, 1), 0);
			k_break_if(b, k_op(b, K_lt, k_ix(b, rnd(4)), n2, 0));
			random_block(r, depth + 1);
			k_close(b);
		} else {
			random_op(r);
		}
	}
	r->pool.n = mark;
}

static void
random_kernels(void **state)
{
	(void)state;
	for (uint64_t round = 1; round <= 150; round++) {
		Arena *a = arena_new();
		Rand r = { .a = a, .b = k_begin(a, "random"), .budget = 60 };

		seed = round;
		r.lanes = 1 << rnd(5);
		if (r.lanes == 1)
			r.lanes = 2;
		for (int i = 0; i < 2; i++) {
			DType dt = i ? DT_F32 : DT_I32;

			r.x[i] = k_param(r.b, i ? "xf" : "xi", dt, 96, false);
			r.y[i] = k_param(r.b, i ? "yf" : "yi", dt, 480, true);
		}
		/* each task has half of the outs, so that they do not race */
		k_grid(r.b, 1, 1, 2);
		r.half = k_muli(r.b, k_axis(r.b, KAXIS_BLOCK_Z), 240);
		vec_push(a, &r.pool, k_axis(r.b, KAXIS_BLOCK_Z));
		for (int i = 0; i < 6; i++) {
			r.var[i] = k_var(r.b, kt(i < 3 ? KS_I32 : KS_F32, r.lanes));
			k_mov_to(r.b, r.var[i], k_load(r.b, r.x[i / 3], k_ix(r.b, i), r.lanes));
			vec_push(a, &r.pool, r.var[i]);
		}
		random_block(&r, 0);
		for (int i = 0; i < 6; i++)
			k_store(r.b, r.y[i / 3], k_addi(r.b, r.half, 120 + 16 * i), r.var[i]);
		check(k_end(r.b), NULL);
		arena_free(a);
	}
}

/* ---- what is refused -------------------------------------------------------------------- */

static void
refused(void **state)
{
	Arena *a = arena_new();
	HostCode out;
	const char *err;
	KBuild *b = k_begin(a, "stacks");
	uint32_t l = k_buffer(b, "l", KSPACE_LOCAL, DT_F32, 1 << 22);
	Kernel *k;

	(void)state;
	k_store(b, l, k_ix(b, 0), k_real(b, kt(KS_F32, 1), 0));
	k = k_end(b);
	assert_false(host_compile(a, target_host(), &k, 1, NULL, &out, &err));
	assert_non_null(strstr(err, "kernel stacks: local buffers take more than"));
	assert_false(host_compile(a, target_named("sm_80"), &k, 1, NULL, &out, &err));
	assert_non_null(strstr(err, "no host target"));

	b = k_begin(a, "threads");
	k_threads(b, 32, 1, 1);
	k_sync(b, K_barrier, 0);
	k = k_end(b);
	assert_false(host_compile(a, target_host(), &k, 1, NULL, &out, &err));
	assert_non_null(strstr(err, "barrier needs the threads of a GPU"));
	arena_free(a);
}

static void
texts(void **state)
{
	Arena *a = arena_new();
	KBuild *b = k_begin(a, "named");
	uint32_t x = k_param(b, "x", DT_F32, 16, false), y = k_param(b, "y", DT_F32, 16, true);
	const char *err;
	Kernel *k;

	(void)state;
	k_store(b, y, k_ix(b, 0), k_op(b, K_sqrt, k_load(b, x, k_ix(b, 0), 16), 0, 0));
	k = k_end(b);
	for (size_t h = 0; h < COUNT(host_names); h++) {
		const Target *t = target_named(host_names[h]);

		assert_non_null(strstr(host_text(a, t, k, HOST_TEXT_LL, &err), "define void @named("));
		assert_non_null(strstr(host_text(a, t, k, HOST_TEXT_LL_OPT, &err), "llvm.sqrt.v16f32"));
		assert_non_null(strstr(host_text(a, t, k, HOST_TEXT_ASM, &err), "named:"));
	}
	assert_non_null(strstr(host_text(a, target_named("host:x86-64-v4"), k, HOST_TEXT_ASM, &err), "zmm"));
	arena_free(a);
}

/* Three taps over 14 pixels and 32 channels: the taps load the same pixels again, and must do so in the code as well, because
 * 28 sums leave no registers to keep them in.  A register that went to the stack shows. */
static void
nothing_spills(void **state)
{
	Arena *a = arena_new();
	KBuild *b = k_begin(a, "tile");
	uint32_t x = k_param(b, "x", DT_F32, 4096, false), w = k_param(b, "w", DT_F32, 1 << 16, false);
	uint32_t y = k_param(b, "y", DT_F32, 1024, true);
	Reg sum[28], c;
	const char *err, *text;

	(void)state;
	for (int i = 0; i < 28; i++)
		k_mov_to(b, sum[i] = k_var(b, kt(KS_F32, 16)), k_real(b, kt(KS_F32, 16), 0));
	c = k_for(b, k_ix(b, 0), k_ix(b, 64), 1);
	for (int tap = 0; tap < 3; tap++) {
		Reg wat = k_muli(b, c, 96), wv[2];

		for (int j = 0; j < 2; j++)
			wv[j] = k_load(b, w, k_addi(b, wat, 32 * tap + 16 * j), 16);
		for (int p = 0; p < 14; p++) {
			Reg xs = k_splat(b, 16, k_load(b, x, k_addi(b, c, 64 * (p + tap)), 1));

			for (int j = 0; j < 2; j++)
				k_op_to(b, sum[2 * p + j], K_fma, xs, wv[j], sum[2 * p + j]);
		}
	}
	k_close(b);
	for (int i = 0; i < 28; i++)
		k_store(b, y, k_ix(b, 16 * i), sum[i]);
	text = host_text(a, target_named("host:x86-64-v4"), k_end(b), HOST_TEXT_ASM, &err);
	assert_non_null(text);
	for (const char *line = strstr(text, "(%rsp)"); line; line = strstr(line + 1, "(%rsp)")) {
		const char *end = strchr(line, '\n');
		const char *begin = line;

		while (begin > text && begin[-1] != '\n')
			begin--;
		if (memmem(begin, (size_t)(end - begin), "zmm", 3))
			fail_msg("a sum is on the stack: %.*s", (int)(end - begin), begin);
	}
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts), cmocka_unit_test(part_stays_inside), cmocka_unit_test(conditions),
		cmocka_unit_test(gathers), cmocka_unit_test(in_place), cmocka_unit_test(local_memory),
		cmocka_unit_test(large_index), cmocka_unit_test(reductions), cmocka_unit_test(choices),
		cmocka_unit_test(parts_of_registers),
		cmocka_unit_test(loops), cmocka_unit_test(random_kernels), cmocka_unit_test(refused),
		cmocka_unit_test(texts), cmocka_unit_test(nothing_spills),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
