/* test_async.c -- the copy engine, mbarriers and wgmma in the interpreter: a pipeline that is right, and the
 * same with one thing wrong each time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kit.h"

#include <math.h>

enum { M = 64, N = 16, K = 256, BK = 64, STAGES = 2, PRODUCER = 4 };

typedef enum Mistake {
	NONE, NO_FULL_WAIT, NO_EMPTY_WAIT, EARLY_RELEASE, NO_WGMMA_WAIT, FEW_BYTES, MANY_BYTES, MISALIGNED, NO_BARRIER, NO_INIT,
	TWO_INITS, TWO_ARRIVALS, LAST_NOT_WAITED, WRONG_PARITY, PLAIN_READ, PLAIN_WRITE, SUM_READ, HALF_A_GROUP,
} Mistake;

/* C = A B^T by one warp that copies and four that multiply */
static Kernel *
pipeline(Arena *a, Mistake wrong)
{
	KBuild *b = k_begin(a, "pipeline");
	KTmap ma = { .rank = 2, .dim = { K, M }, .stride = { 1, K }, .box = { BK, M }, .swizzle = 128 };
	KTmap mb = { .rank = 2, .dim = { K, N }, .stride = { 1, K }, .box = { BK, N }, .swizzle = 128 };
	uint32_t x = k_tmap(b, "x", DT_F16, &ma), w = k_tmap(b, "w", DT_F16, &mb);
	uint32_t out = k_param(b, "out", DT_F32, M * N, true);
	uint32_t sa = k_buffer(b, "sa", KSPACE_SHARED, DT_F16, STAGES * M * BK + 64);
	uint32_t sw = k_buffer(b, "sw", KSPACE_SHARED, DT_F16, STAGES * N * BK);
	uint32_t bars = k_buffer(b, "bars", KSPACE_SHARED, DT_I64, 2 * STAGES);
	Reg t = k_axis(b, KAXIS_THREAD_X), warp = k_axis(b, KAXIS_WARP), lane = k_axis(b, KAXIS_LANE), step;
	Reg stage = k_var(b, kt(KS_IX, 1)), parity = k_var(b, kt(KS_I32, 1)), one = k_int(b, KS_I32, 1), last;
	int64_t bytes = 2 * BK * (M + N) + (wrong == FEW_BYTES ? -16 : wrong == MANY_BYTES ? 16 : 0);

	k_align(b, sa, 1024);
	k_align(b, sw, 1024);
	k_threads(b, 32 * (PRODUCER + 1), 1, 1);
	if (wrong != NO_INIT) {
		k_if(b, k_op(b, K_eq, t, k_ix(b, 0), 0));
		for (int i = 0; i < 2 * STAGES; i++)
			k_mbar_init(b, bars, k_ix(b, wrong == TWO_INITS ? 0 : i), 1);
		k_close(b);
	}
	if (wrong != NO_BARRIER)
		k_sync(b, K_barrier, 0);
	k_mov_to(b, stage, k_ix(b, 0));
	k_mov_to(b, parity, k_int(b, KS_I32, 0));

	k_if(b, k_op(b, K_eq, warp, k_ix(b, PRODUCER), 0));
	k_if(b, k_op(b, K_eq, lane, k_ix(b, 0), 0));
	step = k_for(b, k_ix(b, 0), k_ix(b, K / BK), 1);
	if (wrong != NO_EMPTY_WAIT)
		k_mbar_wait(b, bars, k_addi(b, stage, STAGES), wrong == WRONG_PARITY ? parity : k_op(b, K_xor, parity, one, 0));
	k_mbar_arrive(b, bars, stage, bytes);
	if (wrong == TWO_ARRIVALS)
		k_mbar_arrive(b, bars, stage, bytes);
	k_tma_load(b, sa, k_addi(b, k_muli(b, stage, M * BK), wrong == MISALIGNED ? 64 : 0), x,
	           k_join(b, k_muli(b, step, BK), k_ix(b, 0)), bars, stage);
	k_tma_load(b, sw, k_muli(b, stage, N * BK), w, k_join(b, k_muli(b, step, BK), k_ix(b, 0)), bars, stage);
	if (wrong == PLAIN_WRITE)
		k_store(b, sa, k_muli(b, stage, M * BK), k_real(b, kt(KS_F16, 1), 0));
	last = k_op(b, K_eq, stage, k_ix(b, STAGES - 1), 0);
	k_op_to(b, parity, K_xor, parity, k_cast(b, KS_I32, last), 0);
	k_mov_to(b, stage, k_select(b, last, k_ix(b, 0), k_addi(b, stage, 1)));
	k_close(b);
	k_close(b);

	k_else(b);
	Reg acc = k_var(b, kt(KS_F32, N / 2)), before = k_var(b, kt(KS_IX, 1)), first = k_op(b, K_eq, t, k_ix(b, 0), 0);
	k_mov_to(b, acc, k_real(b, kt(KS_F32, N / 2), 0));
	k_mov_to(b, before, k_ix(b, 0));
	if (wrong == HALF_A_GROUP)
		k_if(b, k_op(b, K_lt, warp, k_ix(b, 2), 0));
	step = k_for(b, k_ix(b, 0), k_ix(b, wrong == LAST_NOT_WAITED ? K / BK - 1 : K / BK), 1);
	if (wrong != NO_FULL_WAIT)
		k_mbar_wait(b, bars, stage, parity);
	k_wgmma_to(b, acc, sa, k_muli(b, stage, M * BK), sw, k_muli(b, stage, N * BK), BK / 16, 128);
	if (wrong != NO_WGMMA_WAIT)
		k_sync(b, K_wgmma_wait, 1);
	k_if(b, wrong == EARLY_RELEASE ? first : k_op(b, K_and, first, k_op(b, K_lt, k_ix(b, 0), step, 0), 0));
	k_mbar_arrive(b, bars, k_addi(b, wrong == EARLY_RELEASE ? stage : before, STAGES), 0);
	k_close(b);
	k_mov_to(b, before, stage);
	last = k_op(b, K_eq, stage, k_ix(b, STAGES - 1), 0);
	k_op_to(b, parity, K_xor, parity, k_cast(b, KS_I32, last), 0);
	k_mov_to(b, stage, k_select(b, last, k_ix(b, 0), k_addi(b, stage, 1)));
	k_close(b);
	if (wrong == PLAIN_READ)
		k_store(b, out, t, k_cast(b, KS_F32, k_load(b, sa, k_ix(b, STAGES * M * BK), 1)));
	Reg sum = wrong == SUM_READ ? acc : k_wgmma_get(b, acc);
	Reg row = k_add(b, k_muli(b, warp, 16), k_op(b, K_shr, lane, k_ix(b, 2), 0));
	Reg col = k_muli(b, k_op(b, K_and, lane, k_ix(b, 3), 0), 2);
	for (int j = 0; j < N / 4; j++)
		k_store(b, out, k_add(b, k_muli(b, k_addi(b, row, j % 2 * 8), N), k_addi(b, col, j / 2 * 8)),
		        k_part(b, sum, 2 * j, 2));
	if (wrong == HALF_A_GROUP)
		k_close(b);
	k_close(b);
	return k_end(b);
}

static void
mistakes(void **state)
{
	(void)state;
	static const struct { Mistake m; const char *want; } c[] = {
		{ NONE, NULL },
		{ NO_FULL_WAIT, "this thread has not waited for the tma_load into element 0 of sa" },
		{ NO_EMPTY_WAIT, "nobody has waited for the tma_load before into element 0 of sa" },
		{ EARLY_RELEASE, "a wgmma that reads element 0 of sa is under way" },
		{ NO_WGMMA_WAIT, "a wgmma that reads element 0 of sa is under way" },
		{ FEW_BYTES, "16 more bytes than the phase waits for" },
		{ MANY_BYTES, "this waits for ever: nothing completes the phase" },
		{ MISALIGNED, "element 64 of sa is not aligned to 1024 bytes" },
		{ NO_BARRIER, "race: another thread has made this barrier" },
		{ NO_INIT, "this is no barrier yet" },
		{ TWO_INITS, "this is a barrier already" },
		{ TWO_ARRIVALS, "more arrivals than the phase takes" },
		{ LAST_NOT_WAITED, "nobody has waited for a tma_load into sa" },
		{ WRONG_PARITY, "this waits for ever" },
		{ PLAIN_READ, "has no value yet" },
		{ PLAIN_WRITE, "this thread has not waited for the tma_load into element 0 of sa" },
		{ SUM_READ, "is a sum under way: wgmma_get has its value" },
		{ HALF_A_GROUP, "not all of its 128 threads come here" },
	};
	static uint16_t x[M * K], w[N * K];
	static float out[M * N];
	KArg arg[3] = { ARG(x), ARG(w), ARG(out) };

	for (int i = 0; i < M * K; i++)
		x[i] = f16_from_f32((float)(i * 7 % 31 - 15) / 8);
	for (int i = 0; i < N * K; i++)
		w[i] = f16_from_f32((float)(i * 5 % 29 - 14) / 8);
	for (size_t i = 0; i < COUNT(c); i++) {
		Arena *a = arena_new();
		const char *err = kit_run(a, pipeline(a, c[i].m), arg, 3);

		if (c[i].want)
			kit_expect_error(err, c[i].want);
		else if (err)
			fail_msg("%s", err);
		for (int m = 0; m < M && c[i].m == NONE; m++)
			for (int n = 0; n < N; n++) {
				float sum = 0;

				for (int k = 0; k < K; k++)
					sum += f16_to_f32(x[m * K + k]) * f16_to_f32(w[n * K + k]);
				assert_true(fabsf(sum - out[m * N + n]) <= 1e-4f * (1 + fabsf(sum)));
			}
		arena_free(a);
	}
}

/* where the elements of a box go, with each swizzle: what ldmatrix-like readers must undo */
static void
swizzles(void **state)
{
	(void)state;
	for (int swizzle = 0; swizzle <= 128; swizzle = swizzle ? 2 * swizzle : 32) {
		enum { ROWS = 16, W = 64 };
		Arena *a = arena_new();
		KBuild *b = k_begin(a, "t");
		int side = swizzle ? swizzle / 2 : 32;
		KTmap map = { .rank = 2, .dim = { W, ROWS }, .stride = { 1, W }, .box = { side, ROWS }, .swizzle = swizzle };
		uint32_t x = k_tmap(b, "x", DT_F16, &map), y = k_param(b, "y", DT_F16, ROWS * side, true);
		uint32_t s = k_buffer(b, "s", KSPACE_SHARED, DT_F16, ROWS * side), bar = k_buffer(b, "b", KSPACE_SHARED, DT_I64, 1);
		Reg zero = k_ix(b, 0), t = k_axis(b, KAXIS_THREAD_X), i;
		uint16_t in[W * ROWS], out[W * ROWS];
		KArg arg[2] = { ARG(in), { out, 2 * (size_t)(ROWS * side) } };

		k_align(b, s, 1024);
		k_threads(b, 32, 1, 1);
		k_if(b, k_op(b, K_eq, t, zero, 0));
		k_mbar_init(b, bar, zero, 1);
		k_mbar_arrive(b, bar, zero, 2 * ROWS * side);
		k_tma_load(b, s, zero, x, k_join(b, k_ix(b, W - side / 2), k_ix(b, -3)), bar, zero);
		k_close(b);
		k_sync(b, K_barrier, 0);
		k_mbar_wait(b, bar, zero, k_int(b, KS_I32, 0));
		i = k_for(b, t, k_ix(b, ROWS * side), 32);
		k_store(b, y, i, k_load(b, s, i, 1));
		k_close(b);
		for (int j = 0; j < W * ROWS; j++)
			in[j] = f16_from_f32((float)(j + 1));
		const char *err = kit_run(a, k_end(b), arg, 2);
		if (err)
			fail_msg("%s", err);
		for (int row = 0; row < ROWS; row++)
			for (int col = 0; col < side; col++) {
				int at = 2 * (row * side + col), from = W - side / 2 + col;
				int bits = swizzle == 128 ? 7 : swizzle == 64 ? 3 : swizzle == 32 ? 1 : 0;
				float want = row < 3 || from >= W ? 0 : (float)((row - 3) * W + from + 1);

				at ^= (at >> 7 & bits) << 4;
				assert_true(f16_to_f32(out[at / 2]) == want);
			}
		arena_free(a);
	}
}

/* what wgmma may read that threads have stored */
static void
stored_operands(void **state)
{
	(void)state;
	static const struct { const char *sync, *want; } c[] = {
		{ "async_fence\n barrier", NULL },
		{ "barrier", "was stored with no async_fence since" },
		{ "async_fence", "was written with no barrier since" },
		{ "barrier\n async_fence", "was stored with no async_fence since" },
	};

	for (size_t i = 0; i < COUNT(c); i++) {
		Arena *a = arena_new();
		const char *err = kit_run(a, kit_parse(a, arena_printf(a,
			"kernel t() threads(128, 1, 1) {\n shared s: f16[1024] align 1024\n"
			" %%1:ix = axis thread.x\n %%2:ix = const 8\n %%3:ix = mul %%1, %%2\n %%4:f16x8 = const 1\n"
			" store s[%%3], %%4\n %s\n %%5:ix = const 0\n %%6:f32x4 = const 0\n"
			" %%7:f32x4 = wgmma s[%%5], s[%%5], %%6 steps 1 swizzle 32\n %%8:f32x4 = wgmma_get %%7\n}\n", c[i].sync)), NULL, 0);

		if (c[i].want)
			kit_expect_error(err, c[i].want);
		else if (err)
			fail_msg("%s", err);
		arena_free(a);
	}
}

/* what a product with A in registers is refused for, and that it takes part in the rules of the others */
static void
registers(void **state)
{
	(void)state;
	static const struct { const char *text, *want; } c[] = {
		{ "%7:f32x8 = wgmma_a %4, s[%5], %6 steps 1 swizzle 32 across\n %8:f32x8 = wgmma_get %7", NULL },
		{ "%7:f32x8 = wgmma_a %4, s[%5], %6 steps 1 swizzle 32 fresh\n %8:f32x8 = wgmma_get %7", NULL },
		{ "%7:f32x8 = wgmma_a %4, s[%5], %6 steps 2 swizzle 64", "A is f16x8, not f16x16" },
		{ "%7:f32x8 = wgmma_a %4, s[%5], %6 steps 1 swizzle 64 across", "16 columns are not rows of 64 bytes" },
		{ "%7:f32x8 = wgmma_a %4, s[%5], %6 steps 1 swizzle 48", "1 steps of 32 bytes do not fit rows of 48 bytes" },
		{ "%7:f32x8 = wgmma_a %4, s[%5], %6 steps 33 swizzle 32 across", "33 steps are more than registers have lanes for" },
		{ "%7:f32x8 = wgmma_a %4, g[%5], %6 steps 1 swizzle 32", "f16 or bf16 in shared memory" },
		{ "%7:f32x8 = wgmma_a %4, s[%5], %6 steps 1 swizzle 32\n %8:f32x8 = add %7, %7", "%7 is a sum under way" },
		{ "%7:f32x8 = wgmma_a %4, s[%5], %6 steps 1 swizzle 32\n store s[%3], %4", "a wgmma that reads element 0 of s is under way" },
	};

	for (size_t i = 0; i < COUNT(c); i++) {
		Arena *a = arena_new();
		uint16_t g[1024] = { 0 };
		KArg arg = { g, sizeof g };
		Kernel *k = kit_parse(a, arena_printf(a,
			"kernel t(g: global f16[1024]) threads(128, 1, 1) {\n shared s: f16[1024] align 1024\n"
			" %%1:ix = axis thread.x\n %%2:ix = const 8\n %%3:ix = mul %%1, %%2\n %%4:f16x8 = const 1\n"
			" store s[%%3], %%4\n async_fence\n barrier\n %%5:ix = const 0\n %%6:f32x8 = const 0\n %s\n}\n", c[i].text));
		const char *err = kit_run(a, k, &arg, 1);

		if (c[i].want)
			kit_expect_error(err, c[i].want);
		else if (err)
			fail_msg("%s", err);
		arena_free(a);
	}
}

/* ---- clusters ------------------------------------------------------------------------------------ */

typedef enum Slip {
	RIGHT, NO_BEGIN, NO_WAIT, OWN_EMPTY, NO_END, NO_SEEN, NO_SUCH_RANK, WRITTEN_AGAIN, ONE_MEETS, SAME_OUT, PEER_NO_INIT,
} Slip;

/* Two blocks: each brings half of what both want, in two rounds; then each adds what the other has summed. */
static Kernel *
pair_of_blocks(Arena *a, Slip wrong)
{
	enum { SIDE = 32, ROWS = 16, BOX = SIDE * ROWS };
	KBuild *b = k_begin(a, "pair");
	KTmap map = { .rank = 2, .dim = { SIDE, 4 * ROWS }, .stride = { 1, SIDE }, .box = { SIDE, ROWS } };
	uint32_t x = k_tmap(b, "x", DT_F16, &map), y = k_param(b, "y", DT_F32, 128, true);
	uint32_t s = k_buffer(b, "s", KSPACE_SHARED, DT_F16, 2 * BOX), part = k_buffer(b, "part", KSPACE_SHARED, DT_F32, 32);
	uint32_t bars = k_buffer(b, "bars", KSPACE_SHARED, DT_I64, 2);
	Reg t = k_axis(b, KAXIS_THREAD_X), warp = k_axis(b, KAXIS_WARP), lane = k_axis(b, KAXIS_LANE), rank = k_axis(b, KAXIS_RANK);
	Reg zero = k_ix(b, 0), one = k_ix(b, 1), round, i, sum = k_var(b, kt(KS_F32, 1)), parity, other, none, out;

	k_align(b, s, 128);
	k_grid(b, 4, 1, 1);
	k_cluster(b, 2, 1, 1);
	k_threads(b, 64, 1, 1);
	k_if(b, k_op(b, K_eq, t, zero, 0));
	if (wrong == PEER_NO_INIT)
		k_if(b, k_op(b, K_eq, rank, zero, 0));
	k_mbar_init(b, bars, zero, 1);                                  /* full */
	k_mbar_init(b, bars, one, wrong == OWN_EMPTY ? 1 : 2);          /* empty: of both blocks */
	if (wrong == PEER_NO_INIT)
		k_close(b);
	k_close(b);
	if (wrong == NO_BEGIN)
		k_sync(b, K_barrier, 0);
	else
		k_sync(b, K_cluster_barrier, 0);
	k_mov_to(b, sum, k_real(b, kt(KS_F32, 1), 0));
	other = k_op(b, K_xor, rank, one, 0);
	k_if(b, k_op(b, K_eq, warp, zero, 0));
	k_if(b, k_op(b, K_eq, lane, zero, 0));
	round = k_for(b, zero, k_ix(b, 2), 1);
	if (wrong != NO_WAIT)
		k_mbar_wait(b, bars, one, k_cast(b, KS_I32, k_op(b, K_xor, round, one, 0)));
	k_mbar_arrive(b, bars, zero, 2 * 2 * BOX);
	k_tma_load_to(b, s, k_muli(b, rank, BOX), x, k_join(b, zero, k_muli(b, k_add(b, k_muli(b, round, 2), rank), ROWS)), bars, zero, 3);
	k_close(b);
	k_close(b);
	k_else(b);
	round = k_for(b, zero, k_ix(b, 2), 1);
	parity = k_cast(b, KS_I32, round);
	k_mbar_wait(b, bars, zero, parity);
	i = k_for(b, lane, k_ix(b, 2 * BOX), 32);
	k_op_to(b, sum, K_add, sum, k_cast(b, KS_F32, k_load(b, s, i, 1)), 0);
	k_close(b);
	none = k_vote_any(b, k_op(b, K_lt, lane, zero, 0));
	k_if(b, k_op(b, K_lt, k_add(b, lane, k_cast(b, KS_IX, none)), one, 0));
	if (wrong == OWN_EMPTY) {
		k_mbar_arrive(b, bars, one, 0);
	} else {
		k_peer_arrive(b, bars, one, wrong == NO_SUCH_RANK ? k_ix(b, 2) : other);
		k_peer_arrive(b, bars, one, rank);
	}
	k_close(b);
	k_close(b);
	k_store(b, part, lane, sum);
	k_close(b);
	k_sync(b, wrong == NO_SEEN ? K_barrier : K_cluster_barrier, 0);
	k_if(b, k_op(b, K_lt, t, k_ix(b, 8), 0));
	i = k_muli(b, t, 4);
	out = k_addi(b, k_muli(b, wrong == SAME_OUT ? k_axis(b, KAXIS_CLUSTER_X) : k_axis(b, KAXIS_BLOCK_X), 32), 0);
	k_store(b, y, k_add(b, out, i), k_add(b, k_load(b, part, i, 4), k_peer_load(b, part, i, other, 4)));
	k_close(b);
	if (wrong == WRITTEN_AGAIN) {
		k_sync(b, K_barrier, 0);
		k_if(b, k_op(b, K_lt, t, k_ix(b, 32), 0));
		k_store(b, part, t, k_real(b, kt(KS_F32, 1), 0));
		k_close(b);
	}
	if (wrong == ONE_MEETS)
		k_if(b, k_op(b, K_eq, rank, zero, 0));
	if (wrong != NO_END)
		k_sync(b, K_cluster_barrier, 0);
	if (wrong == ONE_MEETS)
		k_close(b);
	return k_end(b);
}

static void
clusters(void **state)
{
	(void)state;
	static const struct { Slip slip; const char *want; } c[] = {
		{ RIGHT, NULL },
		{ NO_BEGIN, "may not have begun: there was no cluster_barrier" },
		{ PEER_NO_INIT, "has made no barrier there before the last cluster_barrier" },
		{ NO_WAIT, "more arrivals than the phase takes: its bytes are still to come" },
		{ OWN_EMPTY, "nobody has waited for the tma_load before into element 512 of s" },
		{ NO_SUCH_RANK, "the cluster has no block of rank 2" },
		{ NO_SEEN, "of part was written with no cluster_barrier since" },
		{ WRITTEN_AGAIN, "race: another block has read element 0 of part, with no cluster_barrier since" },
		{ NO_END, "another block of the cluster has used its shared memory with no cluster_barrier since" },
		{ ONE_MEETS, "another block of the cluster has ended before" },
		{ SAME_OUT, "race: another task has written element 0 of y" },
	};
	static uint16_t x[32 * 64];
	float y[128];
	KArg arg[2] = { ARG(x), ARG(y) };

	for (int i = 0; i < 32 * 64; i++)
		x[i] = f16_from_f32((float)(i * 7 % 31 - 15) / 8);
	for (size_t i = 0; i < COUNT(c); i++) {
		Arena *a = arena_new();
		const char *err = kit_run(a, pair_of_blocks(a, c[i].slip), arg, 2);

		if (c[i].want)
			kit_expect_error(err, c[i].want);
		else if (err)
			fail_msg("%s", err);
		for (int j = 0; j < 128 && !c[i].want; j++) {
			float sum = 0;

			for (int row = 0; row < 64; row++)
				sum += f16_to_f32(x[row * 32 + j % 32]);
			assert_true(fabsf(2 * sum - y[j]) <= 1e-4f);
		}
		arena_free(a);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mistakes),
		cmocka_unit_test(clusters),
		cmocka_unit_test(swizzles),
		cmocka_unit_test(stored_operands),
		cmocka_unit_test(registers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
