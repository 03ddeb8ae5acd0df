/* ceilings.c -- what a GPU gives at most, by kernels that do nothing else.
 *
 *     copy     y = x, 16 bytes at a time
 *     mma      eight chains of m16n8k16 a warp, their operands in registers
 *
 * The first tells of memory, the second of the matrix units as warps reach them; wgmma of
 * sm_90a goes above it.  Operands are no zeros, with which clocks stay higher than any network sees.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "driver/ceilings.h"
#include "driver/inner.h"
#include "driver/verb.h"

enum { THREADS = 256, VECS = 4, CHAINS = 8, TURNS = 4096, ROUNDS = 8, INPUT = 512 };

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
	return code_is_kir() ? 2 : TURNS;
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

bool
ceilings_open(Arena *a, Diag *d, const CompileOptions *o, const y12_gpu *gpu, const y12_options *opt, y12_engine **out)
{
	int64_t count = copy_count(gpu), blocks = mma_blocks(gpu), input = INPUT;
	Compiled c = { .program = program_new(a) };
	Program *p = c.program;
	ProgEntry copy = { .name = "copy" }, mma = { .name = "mma" };
	ProgLaunch *l;

	*out = NULL;
	vec_push(a, &mma.tensor, ((ProgTensor){ "x", type_of(DT_F16, 1, &input), false, -1 }));
	vec_push(a, &p->entry, copy);
	if (target_of(o)->mma == MMA_M16N8K16)
		vec_push(a, &p->entry, mma);
	p->arena_bytes = MAX(8 * count, 4 * blocks * THREADS * 4);
	l = program_add_launch(p, 0, copy_kernel(a, count), PHASE_NET, "");
	vec_push(a, &l->arg, ((ProgArg){ PROG_ARENA, 0, 0, 4 * count }));
	vec_push(a, &l->arg, ((ProgArg){ PROG_ARENA, 0, 4 * count, 4 * count }));
	if (p->entry.n > 1) {
		l = program_add_launch(p, 1, mma_kernel(a, blocks), PHASE_NET, "");
		vec_push(a, &l->arg, ((ProgArg){ PROG_INPUT, 0, 0, 2 * INPUT }));
		vec_push(a, &l->arg, ((ProgArg){ PROG_ARENA, 0, 0, 16 * blocks * THREADS }));
	}
	if (!compile_code(a, d, o, &c))
		return false;
	return verb_status(d, y12_engine_open_memory(c.image, c.image_bytes, opt, out), *out);
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
	y12_status st;

	for (int i = 0; i < INPUT; i++)         /* ±1 and a little */
		x[i] = (uint16_t)(0x3c00 | (i * 37 & 0xff) | (i * 11 & 1) << 15);
	*out = (Ceilings){ 0 };
	st = y12_bench(e, "copy", NULL, 0, ROUNDS, s);
	if (!st) {
		out->bytes = 8.0 * (double)copy_count(gpu) / least(s, ROUNDS);
		if (y12_entry_name(e, 1) && !(st = y12_bench(e, "mma", &io, 1, ROUNDS, s)))
			out->flops = 2.0 * 16 * 8 * 16 * CHAINS * (double)mma_turns() * (double)mma_blocks(gpu) * (THREADS / 32) /
			             least(s, ROUNDS);
	}
	return verb_status(d, st, e);
}
