/* ceilings.c -- what a GPU gives at most, by kernels that do nothing else.
 *
 *     copy     y = x, 16 bytes at a time
 *     mma      eight chains of m16n8k16 a warp, their operands in registers
 *     wgmma    two chains of m64n128k16 a warpgroup, their operands in shared memory (sm_90a)
 *
 * The first tells of memory, the others of the matrix units as warps and warpgroups reach them.
 * Operands are no zeros, with which clocks stay higher than any network sees.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "driver/ceilings.h"
#include "driver/inner.h"
#include "driver/verb.h"

enum { THREADS = 256, VECS = 4, CHAINS = 8, TURNS = 4096, ROUNDS = 8, INPUT = 512 };
enum { GROUPS = 2, PRODUCTS = 2, ROWS = 64, COLUMNS = 128, DEPTH = 64 };        /* wgmma; DEPTH: halves of a swizzled row */

/* Many times the caches; a driver of tests, which interprets, gets a little. */
static int64_t
copy_count(const y12_gpu *gpu)
{
	int64_t bytes = code_is_kir() ? 1 << 16 : MIN((int64_t)1 << 29, (int64_t)(gpu->memory / 16));

	return bytes / 4 / (THREADS * VECS * 4) * (THREADS * VECS * 4);
}

static int64_t
mma_turns(void)
{
	return code_is_kir() ? 4 : TURNS;
}

static int64_t
mma_blocks(const y12_gpu *gpu)
{
	return 2 * MAX(gpu->processors, 1);
}

static Kernel *
copy_kernel(Arena *a, int64_t count)
{
	KBuild *k = k_begin(a, "copy");
	uint32_t x = k_param(k, "x", DT_F32, count, false), y = k_param(k, "y", DT_F32, count, true);
	Reg at, v[VECS];

	k_grid(k, count / (THREADS * VECS * 4), 1, 1);
	k_threads(k, THREADS, 1, 1);
	at = k_add(k, k_muli(k, k_axis(k, KAXIS_BLOCK_X), THREADS * VECS * 4), k_muli(k, k_axis(k, KAXIS_THREAD_X), 4));
	for (int i = 0; i < VECS; i++)
		v[i] = k_load(k, x, k_addi(k, at, i * THREADS * 4), 4);
	for (int i = 0; i < VECS; i++)
		k_store(k, y, k_addi(k, at, i * THREADS * 4), v[i]);
	return k_end(k);
}

static Kernel *
mma_kernel(Arena *a, int64_t blocks)
{
	KBuild *k = k_begin(a, "mma");
	int64_t count = blocks * THREADS * 4;
	uint32_t x = k_param(k, "x", DT_F16, INPUT, false), y = k_param(k, "y", DT_F32, count, true);
	Reg sum[CHAINS], left, right, all, lane, at;
	KType t = kt(KS_F32, 4);

	k_grid(k, blocks, 1, 1);
	k_threads(k, THREADS, 1, 1);
	lane = k_axis(k, KAXIS_LANE);
	left = k_load(k, x, k_muli(k, lane, 8), 8);
	right = k_load(k, x, k_addi(k, k_muli(k, lane, 4), 256), 4);
	for (int i = 0; i < CHAINS; i++)
		k_mov_to(k, sum[i] = k_var(k, t), k_real(k, t, i));
	k_for(k, k_ix(k, 0), k_ix(k, mma_turns()), 1);
	for (int i = 0; i < CHAINS; i++)
		k_mma_to(k, sum[i], left, right, sum[i]);
	k_close(k);
	all = k_add(k, sum[0], sum[1]);
	for (int i = 2; i < CHAINS; i++)
		all = k_add(k, all, sum[i]);
	at = k_add(k, k_muli(k, k_axis(k, KAXIS_BLOCK_X), THREADS), k_axis(k, KAXIS_THREAD_X));
	k_store(k, y, k_muli(k, at, 4), all);
	return k_end(k);
}

static Kernel *
wgmma_kernel(Arena *a, int64_t blocks)
{
	enum { LEFT = GROUPS * PRODUCTS * ROWS * DEPTH, RIGHT = COLUMNS * DEPTH };
	KBuild *k = k_begin(a, "wgmma");
	uint32_t x = k_param(k, "x", DT_F16, INPUT, false), y = k_param(k, "y", DT_F32, blocks * THREADS * 4, true);
	uint32_t left = k_buffer(k, "left", KSPACE_SHARED, DT_F16, LEFT), right = k_buffer(k, "right", KSPACE_SHARED, DT_F16, RIGHT);
	Reg thread = k_axis(k, KAXIS_THREAD_X), group = k_op(k, K_shr, thread, k_ix(k, 7), 0), some, at, sum[PRODUCTS], all;
	KType t = kt(KS_F32, COLUMNS / 2);

	k_align(k, left, 1024);
	k_align(k, right, 1024);
	k_grid(k, blocks, 1, 1);
	k_threads(k, THREADS, 1, 1);
	some = k_load(k, x, k_muli(k, k_op(k, K_and, thread, k_ix(k, INPUT / 8 - 1), 0), 8), 8);
	at = k_for(k, k_muli(k, thread, 8), k_ix(k, LEFT), THREADS * 8);
	k_store(k, left, at, some);
	k_close(k);
	at = k_for(k, k_muli(k, thread, 8), k_ix(k, RIGHT), THREADS * 8);
	k_store(k, right, at, some);
	k_close(k);
	k_sync(k, K_async_fence, 0);
	k_sync(k, K_barrier, 0);
	for (int i = 0; i < PRODUCTS; i++)
		k_mov_to(k, sum[i] = k_var(k, t), k_real(k, t, 0));
	k_for(k, k_ix(k, 0), k_ix(k, mma_turns() / 4), 1);
	for (int i = 0; i < PRODUCTS; i++)
		k_wgmma_to(k, sum[i], left, k_addi(k, k_muli(k, group, PRODUCTS * ROWS * DEPTH), i * ROWS * DEPTH), right, k_ix(k, 0),
		           DEPTH / 16, 2 * DEPTH);
	k_sync(k, K_wgmma_wait, PRODUCTS);
	k_close(k);
	all = k_part(k, k_wgmma_get(k, sum[0]), 0, 4);
	for (int i = 1; i < PRODUCTS; i++)
		all = k_add(k, all, k_part(k, k_wgmma_get(k, sum[i]), 0, 4));
	at = k_add(k, k_muli(k, k_axis(k, KAXIS_BLOCK_X), THREADS), thread);
	k_store(k, y, k_muli(k, at, 4), all);
	return k_end(k);
}

static void
add_products(Arena *a, Program *p, const char *name, Kernel *k, int64_t blocks)
{
	int64_t input = INPUT;
	ProgEntry e = { .name = name };
	ProgLaunch *l;

	vec_push(a, &e.tensor, ((ProgTensor){ "x", type_of(DT_F16, 1, &input), false, -1 }));
	vec_push(a, &p->entry, e);
	l = program_add_launch(p, (uint32_t)p->entry.n - 1, k, PHASE_NET, "");
	vec_push(a, &l->arg, ((ProgArg){ PROG_INPUT, 0, 0, 2 * INPUT }));
	vec_push(a, &l->arg, ((ProgArg){ PROG_ARENA, 0, 0, 16 * blocks * THREADS }));
}

bool
ceilings_open(Arena *a, Diag *d, const CompileOptions *o, const y12_gpu *gpu, const y12_options *opt, y12_engine **out)
{
	int64_t count = copy_count(gpu), blocks = mma_blocks(gpu);
	Compiled c = { .program = program_new(a) };
	Program *p = c.program;
	ProgEntry copy = { .name = "copy" };
	ProgLaunch *l;

	*out = NULL;
	p->arena_bytes = MAX(8 * count, 16 * blocks * THREADS);
	vec_push(a, &p->entry, copy);
	l = program_add_launch(p, 0, copy_kernel(a, count), PHASE_NET, "");
	vec_push(a, &l->arg, ((ProgArg){ PROG_ARENA, 0, 0, 4 * count }));
	vec_push(a, &l->arg, ((ProgArg){ PROG_ARENA, 0, 4 * count, 4 * count }));
	if (target_of(o)->mma == MMA_M16N8K16)
		add_products(a, p, "mma", mma_kernel(a, blocks), blocks);
	if (target_of(o)->has & GPU_WGMMA)
		add_products(a, p, "wgmma", wgmma_kernel(a, blocks), blocks);
	if (!compile_code(a, d, o, &c))
		return false;
	return verb_open(d, c.image, c.image_bytes, opt, out);
}

static double
least(const double *x, int n)
{
	double m = x[0];

	for (int i = 1; i < n; i++)
		m = MIN(m, x[i]);
	return m;
}

bool
ceilings_measure(Diag *d, y12_engine *e, const y12_gpu *gpu, Ceilings *out)
{
	double s[ROUNDS];
	uint16_t x[INPUT];
	y12_tensor io = { "x", Y12_F16, 1, { INPUT }, x };
	const char *name;
	y12_status st;

	for (int i = 0; i < INPUT; i++)         /* ±1 and a little */
		x[i] = (uint16_t)(0x3c00 | (i * 37 & 0xff) | (i * 11 & 1) << 15);
	*out = (Ceilings){ 0 };
	st = y12_bench(e, "copy", NULL, 0, ROUNDS, s);
	if (!st)
		out->bytes = 8.0 * (double)copy_count(gpu) / least(s, ROUNDS);
	for (size_t i = 1; !st && (name = y12_entry_name(e, i)); i++) {
		bool groups = strcmp(name, "wgmma") == 0;
		double flops = groups ? 2.0 * ROWS * COLUMNS * DEPTH * PRODUCTS * GROUPS * (double)(mma_turns() / 4)
		                      : 2.0 * 16 * 8 * 16 * CHAINS * (THREADS / 32) * (double)mma_turns();

		if (!(st = y12_bench(e, name, &io, 1, ROUNDS, s)))
			*(groups ? &out->wgmma : &out->mma) = flops * (double)mma_blocks(gpu) / least(s, ROUNDS);
	}
	out->flops = MAX(out->mma, out->wgmma);
	return verb_status(d, st, e);
}
