/* conv_wgmma.c -- convolution on GPUs with warpgroup products (sm_90a), fed by the copy engine.
 *
 *     rows     M = pictures * OH * OW     output pixels, NHWC order
 *     columns  O = output channels
 *     depth    K = R * S * C              in the order of the weights [O][R][S][C]
 *
 * A block makes BM x BN of the result.  One thread of a warp of its own has the slabs of BK channels under one
 * tap brought into a ring of stages: pixels by an im2col map, which knows the borders, the steps and
 * the end of a row of pixels (of a 1x1 convolution: a plain map of rows), weights by a plain map.
 * Groups of 128 threads multiply what has come and hand each stage back:
 *
 *     producer:  wait empty[s]; expect bytes at full[s]; load pixels, load weights     for each slab
 *     consumers: wait full[s];  products of slab it begin;  wait for those of slab it - 1;  arrive empty[s - 1]
 *
 * Weights are no launch's work, so that those of the first stages are on their way before the launch in front is
 * done.  The epilogue is conv_mma.c's: sums pass through the ring's memory.
 *
 * tile = { BM, BN, BK, stages, groups, 0, 1 }; a group has BM / groups rows, 64 a product.  Weights packed
 * with pack = 1, as conv_mma.c wants them: where a place does not suit a map, that kernel takes over.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "lower/conv_mma.h"

enum { GROUP = 128, ROWS = 64 };

typedef struct Wg {
	Gen *z;
	KBuild *b;
	const ConvShape *c;
	int bm, bn, bk, stages, groups, products;       /* products: of 64 rows, a group */
	int64_t m, slabs;
	int part, size;                 /* elements of a stage: pixels; pixels and weights */
	uint32_t mx, mw, ring, bars;    /* bars: full, then empty */
	Reg row0, col0;
	Reg stage, parity;              /* of the slab at hand, in each thread */
} Wg;

/* ---- maps ------------------------------------------------------------------------------------ */

/* Strides of a place in elements, those of sides of 1 made up. */
static void
map_strides(const Node *x, int64_t st[4])
{
	st[3] = 1;
	for (int i = 2; i >= 0; i--)
		st[i] = x->type.dim[i] > 1 ? x->place.stride[i] : st[i + 1] * (i == 2 ? (x->type.dim[3] + 7) / 8 * 8 : x->type.dim[i + 1]);
}

bool
conv_wgmma_place(const Graph *g, const ConvShape *c)
{
	const Node *x = graph_node(g, c->x);
	const Buf *b = &g->buf.p[x->place.buf];
	int64_t st[4];

	map_strides(x, st);
	for (int i = 0; i < 3; i++)
		if (st[i] % 8 || st[i] <= 0 || st[i] >= (int64_t)1 << 35)
			return false;
	return x->place.stride[3] == 1 && x->place.offset % 8 == 0 && b->offset % 16 == 0;
}

static void
make_maps(Wg *w)
{
	const ConvShape *c = w->c;
	const Node *x = gen_node(w->z, c->x);
	int64_t st[4], k = c->r * c->s * c->c;
	KTmap pixels = { .swizzle = 2 * w->bk }, weights = { .rank = 2, .dim = { k, c->oc }, .stride = { 1, k },
		.box = { w->bk, w->bn }, .swizzle = 2 * w->bk };

	map_strides(x, st);
	if (c->flat) {
		pixels.rank = 2;
		pixels.dim[0] = c->c, pixels.dim[1] = w->m;
		pixels.stride[0] = 1, pixels.stride[1] = st[2];
		pixels.box[0] = w->bk, pixels.box[1] = w->bm;
	} else {
		pixels = (KTmap){ .im2col = true, .rank = 4, .dim = { c->c, c->w1, c->h, c->n },
			.stride = { 1, st[2], st[1], st[0] }, .step = { 1, (int)c->sw, (int)c->sh, 1 },
			.lower = { (int)-c->pw, (int)-c->ph },
			.upper = { (int)(c->pw - c->s + 1), (int)(c->ph - c->r + 1) },
			.channels = w->bk, .pixels = w->bm, .swizzle = 2 * w->bk };
	}
	w->mx = gen_tmap(w->z, c->x, &pixels);
	w->mw = gen_tmap(w->z, c->w, &weights);
}

/* ---- producer and consumers -------------------------------------------------------------------- */

static void
advance(Wg *w)
{
	KBuild *b = w->b;
	Reg last = k_op(b, K_eq, w->stage, k_ix(b, w->stages - 1), 0);

	k_op_to(b, w->parity, K_xor, w->parity, k_cast(b, KS_I32, last), 0);
	k_mov_to(b, w->stage, k_select(b, last, k_ix(b, 0), k_addi(b, w->stage, 1)));
}

static void
load_weights(Wg *w, Reg slab, Reg stage)
{
	KBuild *b = w->b;

	k_mbar_arrive(b, w->bars, stage, 2 * w->size);
	k_tma_load(b, w->ring, k_addi(b, k_muli(b, stage, w->size), w->part), w->mw,
	           k_join(b, k_muli(b, slab, w->bk), w->col0), w->bars, stage);
}

/* where the first pixel of the block lies, before the filter's offsets: x, y, picture */
static void
first_pixel(Wg *w, Reg at[3])
{
	KBuild *b = w->b;
	const ConvShape *c = w->c;
	Reg y = k_op(b, K_div, w->row0, k_ix(b, c->ow), 0);

	at[0] = k_addi(b, k_muli(b, k_sub(b, w->row0, k_muli(b, y, c->ow)), c->sw), -c->pw);
	at[2] = c->n > 1 ? k_op(b, K_div, y, k_ix(b, c->oh), 0) : k_ix(b, 0);
	at[1] = k_addi(b, k_muli(b, k_sub(b, y, k_muli(b, at[2], c->oh)), c->sh), -c->ph);
}

/* by one thread, when the launch in front is done; the first stages have their weights */
static void
produce(Wg *w)
{
	KBuild *b = w->b;
	const ConvShape *c = w->c;
	Reg at[3] = { 0 }, slab, where;

	if (!c->flat)
		first_pixel(w, at);
	slab = k_for(b, k_ix(b, 0), k_ix(b, w->slabs), 1);
	if (w->slabs > w->stages) {
		k_if(b, k_op(b, K_le, k_ix(b, w->stages), slab, 0));
		k_mbar_wait(b, w->bars, k_addi(b, w->stage, w->stages), k_op(b, K_xor, w->parity, k_int(b, KS_I32, 1), 0));
		load_weights(w, slab, w->stage);
		k_close(b);
	}
	if (c->flat) {
		where = k_join(b, k_muli(b, slab, w->bk), w->row0);
	} else {
		int64_t parts = c->c / w->bk;
		Reg tap = k_op(b, K_div, slab, k_ix(b, parts), 0), part = k_sub(b, slab, k_muli(b, tap, parts));
		Reg kh = k_op(b, K_div, tap, k_ix(b, c->s), 0), kw = k_sub(b, tap, k_muli(b, kh, c->s));

		where = k_join(b, k_join(b, k_muli(b, part, w->bk), at[0]), k_join(b, at[1], at[2]));
		where = k_join(b, where, k_join(b, kw, kh));
	}
	k_tma_load(b, w->ring, k_muli(b, w->stage, w->size), w->mx, where, w->bars, w->stage);
	advance(w);
	k_close(b);
}

static void
consume(Wg *w, Reg group, Reg first, const Reg *sum, const Reg *done)
{
	KBuild *b = w->b;
	Reg before = k_var(b, kt(KS_IX, 1)), slab, at;

	k_mov_to(b, before, k_ix(b, 0));
	slab = k_for(b, k_ix(b, 0), k_ix(b, w->slabs), 1);
	k_mbar_wait(b, w->bars, w->stage, w->parity);
	at = k_muli(b, w->stage, w->size);
	for (int i = 0; i < w->products; i++)
		k_wgmma_to(b, sum[i], w->ring, k_addi(b, k_add(b, at, k_muli(b, group, w->products * ROWS * w->bk)),
		           i * ROWS * w->bk), w->ring, k_addi(b, at, w->part), w->bk / 16, 2 * w->bk);
	if (w->slabs > w->stages) {
		k_sync(b, K_wgmma_wait, w->products);   /* those of the slab before have read its stage */
		k_if(b, k_op(b, K_and, first, k_op(b, K_lt, k_ix(b, 0), slab, 0), 0));
		k_mbar_arrive(b, w->bars, k_addi(b, before, w->stages), 0);
		k_close(b);
		k_mov_to(b, before, w->stage);
	}
	advance(w);
	k_close(b);
	for (int i = 0; i < w->products; i++)
		k_mov_to(b, done[i], k_wgmma_get(b, sum[i]));
}

/* sums to shared memory, [BM][BN + 8] */
static void
put_sums(Wg *w, uint32_t sy, Reg warp, Reg lane, const Reg *sum)
{
	KBuild *b = w->b;
	int pitch = w->bn + 8;
	Reg group = k_op(b, K_shr, warp, k_ix(b, 2), 0), in = k_op(b, K_and, warp, k_ix(b, 3), 0), row, at;

	row = k_add(b, k_muli(b, group, w->products * ROWS), k_add(b, k_muli(b, in, 16), k_op(b, K_shr, lane, k_ix(b, 2), 0)));
	at = k_add(b, k_muli(b, row, pitch), k_muli(b, k_op(b, K_and, lane, k_ix(b, 3), 0), 2));
	for (int i = 0; i < w->products; i++)
		for (int j = 0; j < w->bn / 8; j++)
			for (int h = 0; h < 2; h++)
				k_store(b, sy, k_addi(b, at, (i * ROWS + h * 8) * pitch + j * 8), k_part(b, sum[i], 4 * j + 2 * h, 2));
}

/* ---- the kernel -------------------------------------------------------------------------------- */

/* elements of the ring, which must hold the sums, too */
static int64_t
ring_count(int64_t bm, int64_t bn, int64_t bk, int64_t stages)
{
	return MAX(stages * (bm + bn) * bk, bm * (bn + 8) * 2);
}

bool
lower_conv_wgmma(LowerCtx *cx, uint32_t group, const ConvShape *c, const int32_t *tile, LoweredList *out)
{
	Gen gen, *z = &gen;
	Wg wg = { .z = z, .c = c, .bm = tile[0], .bn = tile[1], .bk = tile[2], .stages = tile[3], .groups = tile[4] };
	Wg *w = &wg;
	DType dt = graph_node(cx->g, c->x)->type.dt;
	int64_t columns = ceil_div(c->oc, w->bn);
	Reg tid, lane, warp, sum[2][4], zero, block, at, leader;
	uint32_t sy;
	KBuild *b;

	w->products = w->bm / w->groups / ROWS;
	w->m = c->n * c->oh * c->ow;
	w->slabs = c->r * c->s * c->c / w->bk;
	w->stages = (int)MIN(w->stages, w->slabs);
	w->part = w->bm * w->bk;
	w->size = (w->bm + w->bn) * w->bk;
	gen_begin(z, cx, group, arena_printf(cx->a, "conv%" PRId64 "x%" PRId64 "s%" PRId64 "_%" PRId64
		"_%" PRId64 "_%" PRId64 "_w%dx%dx%d_%d_%d", c->r, c->s, c->sh, c->c, c->oc, c->oh * c->ow * c->n,
		w->bm, w->bn, w->bk, w->stages, w->groups));
	b = w->b = z->b;
	make_maps(w);
	if (c->bias)
		gen_buf(z, c->bias);
	w->ring = k_buffer(b, "ring", KSPACE_SHARED, dt, ring_count(w->bm, w->bn, w->bk, w->stages));
	w->bars = k_buffer(b, "bars", KSPACE_SHARED, DT_I64, 2 * w->stages);
	sy = k_buffer(b, "sy", KSPACE_SHARED, DT_F32, (int64_t)w->bm * (w->bn + 8));
	k_align(b, w->ring, 1024);
	k_alias(b, sy, w->ring);
	k_threads(b, GROUP * w->groups + 32, 1, 1);
	/* blocks that read the same rows run side by side: the rows then come from the second-level cache */
	k_grid(b, columns * ceil_div(w->m, w->bm), 1, 1);
	tid = k_axis(b, KAXIS_THREAD_X);
	lane = k_axis(b, KAXIS_LANE);
	warp = k_axis(b, KAXIS_WARP);
	block = k_axis(b, KAXIS_BLOCK_X);
	at = columns > 1 ? k_op(b, K_div, block, k_ix(b, columns), 0) : block;
	w->row0 = k_muli(b, at, w->bm);
	w->col0 = k_muli(b, k_sub(b, block, k_muli(b, at, columns)), w->bn);
	w->stage = k_var(b, kt(KS_IX, 1));
	w->parity = k_var(b, kt(KS_I32, 1));
	k_mov_to(b, w->stage, k_ix(b, 0));
	k_mov_to(b, w->parity, k_int(b, KS_I32, 0));
	zero = k_real(b, kt(KS_F32, w->bn / 2), 0);
	for (int i = 0; i < 2 * w->products; i++) {     /* under way, and done */
		Reg *s = &sum[i % 2][i / 2];

		*s = k_var(b, kt(KS_F32, w->bn / 2));
		k_mov_to(b, *s, zero);
	}
	leader = k_op(b, K_eq, tid, k_ix(b, GROUP * w->groups), 0);
	k_if(b, leader);
	for (int s = 0; s < w->stages; s++) {
		k_mbar_init(b, w->bars, k_ix(b, s), 1);                         /* full: who asks, and the bytes */
		k_mbar_init(b, w->bars, k_ix(b, w->stages + s), w->groups);     /* empty */
	}
	k_sync(b, K_async_fence, 0);
	for (int s = 0; s < w->stages; s++)
		load_weights(w, k_ix(b, s), k_ix(b, s));
	k_close(b);
	k_sync(b, K_barrier, 0);
	k_sync(b, K_grid_wait, 0);

	k_if(b, k_op(b, K_eq, warp, k_ix(b, 4 * w->groups), 0));
	k_if(b, leader);
	produce(w);
	k_close(b);
	k_else(b);
	consume(w, k_op(b, K_shr, warp, k_ix(b, 2), 0),
	        k_op(b, K_eq, k_op(b, K_and, tid, k_ix(b, GROUP - 1), 0), k_ix(b, 0), 0), sum[0], sum[1]);
	k_close(b);

	k_sync(b, K_barrier, 0);
	k_if(b, k_op(b, K_lt, warp, k_ix(b, 4 * w->groups), 0));
	put_sums(w, sy, warp, lane, sum[1]);
	k_close(b);
	k_sync(b, K_barrier, 0);
	conv_put_tile(z, c, &(ConvTileAt){ .sy = sy, .bm = w->bm, .bn = w->bn, .threads = GROUP * w->groups + 32,
		.tid = tid, .row0 = w->row0, .col0 = w->col0, .group = k_ix(b, 0) });
	gen_end(z, out);
	return true;
}

/* ---- the choice -------------------------------------------------------------------------------- */

bool
conv_wgmma_fits(const ConvShape *c, const Target *t, const Node *x)
{
	return t->kind == TARGET_GPU && t->has & GPU_WGMMA && (x->type.dt == DT_F16 || x->type.dt == DT_BF16) &&
	       c->groups == 1 && c->c % 32 == 0 && c->oc >= 8 && c->sh <= 8 && c->sw <= 8 && c->r <= 64 && c->s <= 64 &&
	       c->ph < 64 && c->pw < 64;
}

/* As conv_mma.c's: clocks of one multiprocessor. */
static double
cost(const ConvShape *c, const Target *t, int bm, int bn, int bk, int stages, int groups)
{
	const double products = 1900, shared_rate = 128, cache_rate = 45, latency = 900, out = 0.04, start = 1200, issue = 40;
	double m = (double)(c->n * c->oh * c->ow), slabs = (double)(c->r * c->s * c->c / bk), threads = GROUP * groups + 32;
	double blocks = ceil(m / bm) * ceil((double)c->oc / bn) / t->sms;
	double regs = MIN(8 * ceil(((double)bm * bn / (GROUP * groups) + 60) / 8), 255);
	double bytes = 2.0 * (double)ring_count(bm, bn, bk, stages) + 1024 + 1024;
	double resident = MIN(floor((double)t->shared_sm / bytes), floor(65536 / (threads * regs)));
	double copied = (bm + bn) * bk * 2.0, read = (bm + bm / 64 * (double)bn) * bk * 2;
	double slab = MAX(MAX((double)bm * bn * bk / products, read / shared_rate), copied / cache_rate), ahead;

	resident = MIN(MAX(MIN(resident, floor(t->threads_sm / threads)), 1), MAX(blocks, 1));
	ahead = MIN(stages, slabs);
	return ceil(blocks / resident) * resident * (slabs * MAX(slab, MAX(issue, latency / ahead) / resident) +
	       out * bm * bn / sqrt(resident) + latency / resident) + start;
}

int
conv_wgmma_candidates(const ConvShape *c, const Target *t, ConvTile *to, int most)
{
	static const struct { int bm, groups; } rows[] = { { 64, 1 }, { 128, 1 }, { 128, 2 }, { 256, 2 } };
	static const int bns[] = { 16, 32, 48, 64, 80, 96, 128, 160, 192, 256 };
	int n = 0;

	for (size_t i = 0; i < COUNT(rows); i++)
		for (size_t j = 0; j < COUNT(bns); j++)
			for (int bk = 32; bk <= 64; bk += 32)
				for (int stages = 1; stages <= 8; stages++) {
					int bm = rows[i].bm, bn = bns[j], groups = rows[i].groups;
					int64_t slabs = c->r * c->s * c->c / bk;

					if (c->c % bk || (bk == 32 && c->c % 64 == 0) || stages > slabs || bm / groups / ROWS * bn > 256 ||
					    (bn >= c->oc + 32 && bn > 16) || (stages < 3 && stages < slabs) ||
					    2 * ring_count(bm, bn, bk, stages) + 1024 > t->shared_block)
						continue;
					if (n < most)
						to[n++] = (ConvTile){ { bm, bn, bk, stages, groups, 0, 1 }, cost(c, t, bm, bn, bk, stages, groups) };
				}
	return n;
}
