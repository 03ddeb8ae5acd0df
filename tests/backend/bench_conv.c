/* bench_conv.c -- how fast a convolution's inner loop runs, and how long it takes to compile.
 *
 *     bench_conv [asm]
 *
 * The kernel is a tile of P pixels by V vectors of output channels, 3x3, over C input
 * channels, as lower/conv.c makes it: all sums in registers, the taps unrolled, and a loop for the
 * activation.  The peak is
 * measured beside it by a loop of independent multiply-adds that reads no memory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/backend/run.h"

#include <stdlib.h>
#include <time.h>

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

enum { CHANNELS = 64, ROWS = 8, WIDTH = 56 };

/* One task is a row of WIDTH pixels, in tiles of P. */
static Kernel *
conv(Arena *a, int lanes, int pixels, int vecs)
{
	KBuild *b = k_begin(a, "conv3x3");
	int pack = lanes * vecs, row = (WIDTH + 2) * CHANNELS;
	uint32_t x = k_param(b, "x", DT_F32, (ROWS + 2) * row, false);
	uint32_t w = k_param(b, "w", DT_F32, 9 * CHANNELS * pack, false);
	uint32_t y = k_param(b, "y", DT_F32, ROWS * WIDTH * pack, true);
	uint32_t acc = k_buffer(b, "acc", KSPACE_LOCAL, DT_F32, pixels * pack);
	Reg sum[32], t, kh, c, at, v, zero = k_real(b, kt(KS_F32, lanes), 0);

	k_align(b, x, 64), k_align(b, w, 64), k_align(b, y, 64);
	k_grid(b, ROWS, 1, 1);
	t = k_for(b, k_ix(b, 0), k_ix(b, WIDTH / pixels * pixels), pixels);
	for (int i = 0; i < pixels * vecs; i++)
		k_mov_to(b, sum[i] = k_var(b, kt(KS_F32, lanes)), zero);
	kh = k_for(b, k_ix(b, 0), k_ix(b, 3), 1);
	c = k_for(b, k_ix(b, 0), k_ix(b, CHANNELS), 1);
	Reg xat = k_add(b, k_add(b, k_muli(b, k_add(b, k_axis(b, KAXIS_BLOCK_X), kh), row),
	                         k_muli(b, t, CHANNELS)), c);
	Reg wat = k_add(b, k_muli(b, kh, 3 * CHANNELS * pack), k_muli(b, c, pack));
	for (int kw = 0; kw < 3; kw++) {
		Reg wv[4];

		for (int j = 0; j < vecs; j++)
			wv[j] = k_load(b, w, k_addi(b, wat, kw * CHANNELS * pack + j * lanes), lanes);
		for (int p = 0; p < pixels; p++) {
			Reg xs = k_splat(b, lanes, k_load(b, x, k_addi(b, xat, (p + kw) * CHANNELS), 1));

			for (int j = 0; j < vecs; j++)
				k_op_to(b, sum[p * vecs + j], K_fma, xs, wv[j], sum[p * vecs + j]);
		}
	}
	k_close(b);
	k_close(b);
	for (int i = 0; i < pixels * vecs; i++)
		k_store(b, acc, k_ix(b, i * lanes), sum[i]);
	Reg yat = k_muli(b, k_add(b, k_muli(b, k_axis(b, KAXIS_BLOCK_X), WIDTH), t), pack);
	at = k_for(b, k_ix(b, 0), k_ix(b, pixels * pack), lanes);
	v = k_load(b, acc, at, lanes);
	k_store(b, y, k_add(b, yat, at), k_mul(b, v, k_op(b, K_sigmoid, v, 0, 0)));
	k_close(b);
	k_close(b);
	return k_end(b);
}

static Kernel *
peak(Arena *a, int lanes, int sums)
{
	KBuild *b = k_begin(a, "peak");
	uint32_t x = k_param(b, "x", DT_F32, 2 * lanes, false), y = k_param(b, "y", DT_F32, sums * lanes, true);
	Reg sum[32], u = k_load(b, x, k_ix(b, 0), lanes), v = k_load(b, x, k_ix(b, lanes), lanes);

	for (int i = 0; i < sums; i++)
		k_mov_to(b, sum[i] = k_var(b, kt(KS_F32, lanes)), k_real(b, kt(KS_F32, lanes), i));
	k_for(b, k_ix(b, 0), k_ix(b, 100000), 1);
	for (int i = 0; i < sums; i++)
		k_op_to(b, sum[i], K_fma, u, sum[i], v);
	k_close(b);
	for (int i = 0; i < sums; i++)
		k_store(b, y, k_ix(b, i * lanes), sum[i]);
	return k_end(b);
}

static double
gflops(Arena *a, const Target *t, Kernel *k, void *const *arg, double flop, double *compile_ms)
{
	Code code;
	double t0 = now(), best = 1e9;

	code_open(a, &code, t, &k, 1);
	*compile_ms = (now() - t0) * 1e3;
	for (int i = 0; i < 40; i++) {
		t0 = now();
		for (int32_t z = 0; z < k->grid[0]; z++)
			code.fn[0](arg, (int64_t[]){ z, 0, 0 });
		best = MIN(best, now() - t0);
	}
	code_close(&code);
	return flop / best * 1e-9;
}

int
main(int argc, char **argv)
{
	static const struct { const char *target; int pixels, vecs; } row[] = {
		{ "host:x86-64-v2", 3, 4 }, { "host:x86-64-v3", 6, 2 }, { "host:x86-64-v3", 12, 1 },
		{ "host:x86-64-v4", 14, 2 }, { "host:x86-64-v4", 28, 1 }, { "host:x86-64-v4", 7, 4 },
		{ "host:aarch64", 14, 2 },
	};
	size_t bytes = 1 << 22;
	void *arg[3];

	for (int i = 0; i < 3; i++) {
		arg[i] = aligned_alloc(64, bytes);
		for (size_t j = 0; j < bytes / 4; j++)
			((float *)arg[i])[j] = (float)(j % 7) * 0.01f;
	}
	printf("%-16s %-10s %10s %10s %8s %12s\n", "target", "tile", "GFLOP/s", "peak", "share", "compile, ms");
	for (size_t i = 0; i < COUNT(row); i++) {
		const Target *t = target_named(row[i].target);
		Arena *a = arena_new();
		int lanes = t->vector_bytes / 4, sums = t->vector_regs == 32 ? 24 : 12;
		Kernel *k = conv(a, lanes, row[i].pixels, row[i].vecs);
		const char *err;
		double ms, ignore, got, most;

		if (argc > 1 && strcmp(argv[1], "asm") == 0) {
			printf("%s\n", host_text(a, t, k, HOST_TEXT_ASM, &err));
			continue;
		}
		if (!target_runs_here(t))
			continue;
		got = gflops(a, t, k, arg, 2. * 9 * CHANNELS * ROWS * (WIDTH / row[i].pixels * row[i].pixels) *
		             lanes * row[i].vecs, &ms);
		void *arg2[2] = { arg[0], arg[2] };
		most = gflops(a, t, peak(a, lanes, sums), arg2, 2. * 100000 * sums * lanes, &ignore);
		printf("%-16s %2dx%-7d %10.1f %10.1f %7.0f%% %12.1f\n", t->name, row[i].pixels, row[i].vecs * lanes,
		       got, most, 100 * got / most, ms);
		arena_free(a);
	}
	return 0;
}
