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
 * done.
 *
 * A thread has of each 8 columns of the sums two neighbours, which are too few to store well.  So the map of the
 * weights, in five dimensions, brings them in an order that gives each thread 8 (or 4) channels side by side, and the
 * epilogue needs no exchange: groups go through it on their own while the producer is at the next
 * tile.  Where channels or the place of the result don't suit that, sums pass through the ring's
 * memory as in conv_mma.c.
 *
 * tile = { BM, BN, BK, stages, groups, turns, 1 }; a group has BM / groups rows, 64 a product.  turns > 0: as many
 * blocks for each multiprocessor, which make tile after tile.  Weights packed with pack = 1, as
 * conv_mma.c wants them: where a place does not suit a map, that kernel takes over.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "lower/conv_mma.h"

enum { GROUP = 128, ROWS = 64 };

/* Channels of a slab: 64 or 32 if that leaves nothing over, else of 64, 32 and 16 the most of which a third of the
 * channels at most is nothing.  Past the last channel pixels are zeros, so that what weights are there does not
 * matter. */
static int
slab_channels(const ConvShape *c)
{
	int bk = 64;

	if (c->c % 32 == 0)
		return c->c % 64 ? 32 : 64;
	while (bk > 16 && 3 * (ceil_div(c->c, bk) * bk) > 4 * c->c)
		bk /= 2;
	return bk;
}

static int64_t
slabs_of(const ConvShape *c, int bk)
{
	return c->r * c->s * ceil_div(c->c, bk);
}

typedef struct Wg {
	Gen *z;
	KBuild *b;
	const ConvShape *c;
	int bm, bn, bk, stages, groups, products;       /* products: of 64 rows, a group */
	int64_t m, slabs;
	int part, size;                 /* elements of a stage: pixels; pixels and weights */
	int unit;                       /* columns times 8 that make channels side by side; 0: not so */
	int64_t columns, tiles, grid;   /* of tiles along the channels, in all; blocks */
	bool again;                     /* stages are used again */
	uint32_t mx, mw, ring, bars;    /* bars: full, then empty */
	Reg row0, col0;
	Reg stage, parity;              /* of the slab at hand, in each thread */
	Reg done[4];                    /* sums of the tile at hand */
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
	int64_t st[4], k = c->r * c->s * c->c, u = w->unit;
	KTmap pixels = { .rank = 2, .dim = { c->c, w->m }, .box = { w->bk, w->bm }, .swizzle = 2 * w->bk };
	KTmap weights = { .rank = 2, .dim = { k, c->oc }, .stride = { 1, k }, .box = { w->bk, w->bn }, .swizzle = 2 * w->bk };

	map_strides(x, st);
	pixels.stride[1] = st[2];
	if (!c->flat)
		pixels = (KTmap){ .im2col = true, .rank = 4, .dim = { c->c, c->w1, c->h, c->n },
			.stride = { 1, st[2], st[1], st[0] }, .step = { 1, (int)c->sw, (int)c->sh, 1 },
			.lower = { (int)-c->pw, (int)-c->ph },
			.upper = { (int)(c->pw - c->s + 1), (int)(c->ph - c->r + 1) },
			.channels = w->bk, .pixels = w->bm, .swizzle = 2 * w->bk };
	if (u)
		weights = (KTmap){ .rank = 5, .dim = { k, 2, 4, u, c->oc / (8 * u) }, .stride = { 1, k, 2 * u * k, 2 * k, 8 * u * k },
			.box = { w->bk, 2, 4, (int)u, w->bn / (int)(8 * u) }, .swizzle = 2 * w->bk };
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
place_tile(Wg *w, Reg tile)
{
	KBuild *b = w->b;
	Reg at = w->columns > 1 ? k_op(b, K_div, tile, k_ix(b, w->columns), 0) : tile;

	/* tiles of the same rows run side by side: the rows then come from the second-level cache */
	w->row0 = k_muli(b, at, w->bm);
	w->col0 = k_muli(b, k_sub(b, tile, k_muli(b, at, w->columns)), w->bn);
}

/* A slab is `part` of the channels under one tap.  Taps run fastest: what one tap reads is still in the second-level
 * cache when the next one comes. */
static void
part_and_tap(Wg *w, Reg slab, Reg *part, Reg *tap)
{
	KBuild *b = w->b;
	int64_t taps = w->c->r * w->c->s;

	*part = taps > 1 ? k_op(b, K_div, slab, k_ix(b, taps), 0) : slab;
	*tap = k_sub(b, slab, k_muli(b, *part, taps));
}

static void
load_weights(Wg *w, Reg slab, Reg stage)
{
	KBuild *b = w->b;
	Reg zero = k_ix(b, 0), part, tap, k, where;

	part_and_tap(w, slab, &part, &tap);
	k = k_add(b, k_muli(b, tap, w->c->c), k_muli(b, part, w->bk));
	where = k_join(b, k, w->col0);
	if (w->unit)
		where = k_join(b, k_join(b, k_join(b, k, zero), k_join(b, zero, zero)),
		               k_op(b, K_div, w->col0, k_ix(b, 8 * w->unit), 0));
	k_mbar_arrive(b, w->bars, stage, 2 * w->size);
	k_tma_load(b, w->ring, k_addi(b, k_muli(b, stage, w->size), w->part), w->mw, where, w->bars, stage);
}

/* where the first pixel of the tile lies, before the filter's offsets: x, y, picture */
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

static Reg
open_tiles(Wg *w)
{
	return w->tiles > w->grid ? k_for(w->b, k_axis(w->b, KAXIS_BLOCK_X), k_ix(w->b, w->tiles), w->grid)
	                          : k_axis(w->b, KAXIS_BLOCK_X);
}

static void
close_tiles(Wg *w)
{
	if (w->tiles > w->grid)
		k_close(w->b);
}

/* by one thread, when the launch in front is done; the first slabs have their weights */
static void
produce(Wg *w, int begun)
{
	KBuild *b = w->b;
	const ConvShape *c = w->c;
	Reg at[3] = { 0 }, slab, where, done = k_var(b, kt(KS_IX, 1));

	k_mov_to(b, done, k_ix(b, 0));
	place_tile(w, open_tiles(w));
	if (!c->flat)
		first_pixel(w, at);
	slab = k_for(b, k_ix(b, 0), k_ix(b, w->slabs), 1);
	if (w->slabs > begun || w->tiles > w->grid) {
		k_if(b, k_op(b, K_le, k_ix(b, begun), done, 0));
		k_mbar_wait(b, w->bars, k_addi(b, w->stage, w->stages), k_op(b, K_xor, w->parity, k_int(b, KS_I32, 1), 0));
		load_weights(w, slab, w->stage);
		k_close(b);
		k_mov_to(b, done, k_addi(b, done, 1));
	}
	if (c->flat) {
		where = k_join(b, k_muli(b, slab, w->bk), w->row0);
	} else {
		Reg part, tap, kh, kw;

		part_and_tap(w, slab, &part, &tap);
		kh = k_op(b, K_div, tap, k_ix(b, c->s), 0);
		kw = k_sub(b, tap, k_muli(b, kh, c->s));

		where = k_join(b, k_join(b, k_muli(b, part, w->bk), at[0]), k_join(b, at[1], at[2]));
		where = k_join(b, where, k_join(b, kw, kh));
	}
	k_tma_load(b, w->ring, k_muli(b, w->stage, w->size), w->mx, where, w->bars, w->stage);
	advance(w);
	k_close(b);
	close_tiles(w);
}

static void
arrive_empty(Wg *w, Reg stage, Reg when)
{
	k_if(w->b, when);
	k_mbar_arrive(w->b, w->bars, k_addi(w->b, stage, w->stages), 0);
	k_close(w->b);
}

/* the products of a tile */
static void
multiply(Wg *w, Reg group, Reg first, const Reg *sum)
{
	KBuild *b = w->b;
	Reg before = k_var(b, kt(KS_IX, 1)), slab, at, zero = k_real(b, kt(KS_F32, w->bn / 2), 0);

	for (int i = 0; i < w->products; i++)
		k_mov_to(b, sum[i], zero);
	k_mov_to(b, before, k_ix(b, 0));
	slab = k_for(b, k_ix(b, 0), k_ix(b, w->slabs), 1);
	k_mbar_wait(b, w->bars, w->stage, w->parity);
	at = k_muli(b, w->stage, w->size);
	for (int i = 0; i < w->products; i++)
		k_wgmma_to(b, sum[i], w->ring, k_addi(b, k_add(b, at, k_muli(b, group, w->products * ROWS * w->bk)),
		           i * ROWS * w->bk), w->ring, k_addi(b, at, w->part), w->bk / 16, 2 * w->bk);
	if (w->again) {
		k_sync(b, K_wgmma_wait, w->products);   /* those of the slab before have read its stage */
		arrive_empty(w, before, k_op(b, K_and, first, k_op(b, K_lt, k_ix(b, 0), slab, 0), 0));
		k_mov_to(b, before, w->stage);
	}
	advance(w);
	k_close(b);
	for (int i = 0; i < w->products; i++)
		k_mov_to(b, w->done[i], k_wgmma_get(b, sum[i]));
	if (w->tiles > w->grid)
		arrive_empty(w, before, first);
}

/* sums of a tile through the epilogue */
static void
put_channels(Wg *w, Reg group, Reg warp, Reg lane)
{
	KBuild *b = w->b;
	Reg row = k_add(b, k_muli(b, k_op(b, K_and, warp, k_ix(b, 3), 0), 16), k_op(b, K_shr, lane, k_ix(b, 2), 0));
	Reg p = k_add(b, w->row0, k_add(b, k_muli(b, group, w->products * ROWS), row)), pair[32];
	Reg ch = k_add(b, w->col0, k_muli(b, k_op(b, K_and, lane, k_ix(b, 3), 0), 2 * w->unit));

	for (int i = 0; i < w->products; i++)
		for (int h = 0; h < 2; h++) {
			for (int j = 0; j < w->bn / 8; j++)
				pair[j] = k_part(b, w->done[i], 4 * j + 2 * h, 2);
			conv_put_row(w->z, w->c, k_addi(b, p, i * ROWS + 8 * h), ch, w->c->oc % w->bn ? k_ix(b, w->c->oc) : 0, w->unit, w->bn, pair);
		}
}

/* sums to shared memory, [BM][BN + 8] */
static void
put_sums(Wg *w, uint32_t sy, Reg warp, Reg lane)
{
	KBuild *b = w->b;
	int pitch = w->bn + 8;
	Reg group = k_op(b, K_shr, warp, k_ix(b, 2), 0), in = k_op(b, K_and, warp, k_ix(b, 3), 0), row, at;

	row = k_add(b, k_muli(b, group, w->products * ROWS), k_add(b, k_muli(b, in, 16), k_op(b, K_shr, lane, k_ix(b, 2), 0)));
	at = k_add(b, k_muli(b, row, pitch), k_muli(b, k_op(b, K_and, lane, k_ix(b, 3), 0), 2));
	for (int i = 0; i < w->products; i++)
		for (int j = 0; j < w->bn / 8; j++)
			for (int h = 0; h < 2; h++)
				k_store(b, sy, k_addi(b, at, (i * ROWS + h * 8) * pitch + j * 8), k_part(b, w->done[i], 4 * j + 2 * h, 2));
}

/* ---- the kernel -------------------------------------------------------------------------------- */

/* elements of the ring, which must hold the sums, too, where they pass through it */
static int64_t
ring_count(int64_t bm, int64_t bn, int64_t bk, int64_t stages, int unit)
{
	return MAX(stages * (bm + bn) * bk, unit ? 0 : bm * (bn + 8) * 2);
}

bool
lower_conv_wgmma(LowerCtx *cx, uint32_t group, const ConvShape *c, const int32_t *tile, LoweredList *out)
{
	Gen gen, *z = &gen;
	Wg wg = { .z = z, .c = c, .bm = tile[0], .bn = tile[1], .bk = tile[2], .stages = tile[3], .groups = tile[4] };
	Wg *w = &wg;
	const Node *x = graph_node(cx->g, c->x);
	Reg tid, lane, warp, mine, first, sum[4], leader;
	int begun, threads = GROUP * w->groups + 32;
	uint32_t sy = 0;
	KBuild *b;

	w->products = w->bm / w->groups / ROWS;
	w->m = c->n * c->oh * c->ow;
	w->slabs = slabs_of(c, w->bk);
	w->part = w->bm * w->bk;
	w->size = (w->bm + w->bn) * w->bk;
	w->columns = ceil_div(c->oc, w->bn);
	w->tiles = w->grid = w->columns * ceil_div(w->m, w->bm);
	if (graph_node(cx->g, cx->g->group.p[group].out)->place.stride[3] == 1)
		w->unit = conv_unit(c->oc, w->bn);
	if (w->unit && tile[5])
		w->grid = MIN(w->tiles, (int64_t)tile[5] * cx->target->sms);
	if (w->grid == w->tiles)
		w->stages = (int)MIN(w->stages, w->slabs);
	w->again = w->slabs > w->stages || w->tiles > w->grid;
	gen_begin(z, cx, group, arena_printf(cx->a, "conv%" PRId64 "x%" PRId64 "s%" PRId64 "_%" PRId64
		"_%" PRId64 "_%" PRId64 "_w%dx%dx%d_%d_%d_%d", c->r, c->s, c->sh, c->c, c->oc, w->m,
		w->bm, w->bn, w->bk, w->stages, w->groups, tile[5]));
	b = w->b = z->b;
	make_maps(w);
	if (c->bias)
		gen_buf(z, c->bias);
	w->ring = k_buffer(b, "ring", KSPACE_SHARED, x->type.dt, ring_count(w->bm, w->bn, w->bk, w->stages, w->unit));
	w->bars = k_buffer(b, "bars", KSPACE_SHARED, DT_I64, 2 * w->stages);
	k_align(b, w->ring, 1024);
	if (!w->unit) {
		sy = k_buffer(b, "sy", KSPACE_SHARED, DT_F32, (int64_t)w->bm * (w->bn + 8));
		k_alias(b, sy, w->ring);
	}
	k_threads(b, threads, 1, 1);
	k_grid(b, w->grid, 1, 1);
	tid = k_axis(b, KAXIS_THREAD_X);
	lane = k_axis(b, KAXIS_LANE);
	warp = k_axis(b, KAXIS_WARP);
	mine = k_op(b, K_shr, warp, k_ix(b, 2), 0);
	w->stage = k_var(b, kt(KS_IX, 1));
	w->parity = k_var(b, kt(KS_I32, 1));
	k_mov_to(b, w->stage, k_ix(b, 0));
	k_mov_to(b, w->parity, k_int(b, KS_I32, 0));
	for (int i = 0; i < w->products; i++) {
		sum[i] = k_var(b, kt(KS_F32, w->bn / 2));
		w->done[i] = k_var(b, kt(KS_F32, w->bn / 2));
		if (!w->unit)
			k_mov_to(b, w->done[i], k_real(b, kt(KS_F32, w->bn / 2), 0));
	}
	place_tile(w, k_axis(b, KAXIS_BLOCK_X));
	leader = k_op(b, K_eq, tid, k_ix(b, GROUP * w->groups), 0);
	first = k_op(b, K_eq, k_op(b, K_and, tid, k_ix(b, GROUP - 1), 0), k_ix(b, 0), 0);
	k_if(b, leader);
	for (int s = 0; s < w->stages; s++) {
		k_mbar_init(b, w->bars, k_ix(b, s), 1);                         /* full: who asks, and the bytes */
		k_mbar_init(b, w->bars, k_ix(b, w->stages + s), w->groups);     /* empty */
	}
	k_sync(b, K_async_fence, 0);
	begun = (int)MIN(w->stages, w->slabs);
	for (int s = 0; s < begun; s++)
		load_weights(w, k_ix(b, s), k_ix(b, s));
	k_close(b);
	k_sync(b, K_barrier, 0);
	k_sync(b, K_grid_wait, 0);

	k_if(b, k_op(b, K_eq, warp, k_ix(b, 4 * w->groups), 0));
	k_if(b, leader);
	produce(w, begun);
	k_close(b);
	k_else(b);
	place_tile(w, open_tiles(w));
	multiply(w, mine, first, sum);
	if (w->unit)
		put_channels(w, mine, warp, lane);
	close_tiles(w);
	k_close(b);

	if (!w->unit) {
		place_tile(w, k_axis(b, KAXIS_BLOCK_X));
		k_sync(b, K_barrier, 0);
		k_if(b, k_op(b, K_lt, warp, k_ix(b, 4 * w->groups), 0));
		put_sums(w, sy, warp, lane);
		k_close(b);
		k_sync(b, K_barrier, 0);
		conv_put_tile(z, c, &(ConvTileAt){ .sy = sy, .bm = w->bm, .bn = w->bn, .threads = threads, .tid = tid,
			.row0 = w->row0, .col0 = w->col0, .group = k_ix(b, 0) });
	}
	gen_end(z, out);
	return true;
}

/* ---- the choice -------------------------------------------------------------------------------- */

/* Other channels than multiples of 32 pay where there are few rows: with many, mma.sync is as fast or faster. */
bool
conv_wgmma_fits(const ConvShape *c, const Target *t, const Node *x)
{
	int64_t divisor = c->n * c->oh * c->ow <= 256 * (int64_t)t->sms ? 16 : 32;

	return t->kind == TARGET_GPU && t->has & GPU_WGMMA && (x->type.dt == DT_F16 || x->type.dt == DT_BF16) &&
	       c->groups == 1 && c->c % divisor == 0 && c->r * c->s * c->c >= 64 && c->oc >= 8 && c->sh <= 8 && c->sw <= 8 && c->r <= 64 && c->s <= 64 &&
	       c->ph < 64 && c->pw < 64;
}

/* How many blocks of that many sums a thread a multiprocessor has registers for. */
static int
held_by_registers(const Target *t, int sums, int threads)
{
	int regs = MIN((sums + 48 + 7) / 8 * 8, 255);

	return MAX(1, MIN(65536 / (threads * regs), t->threads_sm / threads));
}

/* Clocks of a tile with `resident` blocks on each multiprocessor and `active` of all multiprocessors at work.  A
 * slab takes as long as its products, its way through shared memory or its way from the second-level cache, and a
 * little longer with few slabs ahead, unless its latency shows.
 *
 * The constants were fitted to 1550 timed variants of YOLOv12's convolutions (n and x, batch 1 and 32) on one
 * H100 80GB: what the model picks is 4.4 % slower than the best one measured, on average over 148 shapes, 37 %
 * at worst. */
static double
tile_clocks(const ConvShape *c, const ConvTile *x, double resident, double active)
{
	const double products = 1643, shared_rate = 203, near_rate = 88, far_rate = 40, memory_rate = 14.8;
	const double latency = 889, issue = 17, ahead = 0.87, out = 0.0224, begin = 1078, turn = 738;
	int bm = x->tile[0], bn = x->tile[1], bk = x->tile[2], stages = x->tile[3];
	double slabs = (double)slabs_of(c, bk), copied = (bm + bn) * bk * 2.0;
	double read = (bm + bm / ROWS * (double)bn) * bk * 2, multiply = (double)bm * bn * bk / products;
	double slab = MAX(MAX(multiply, read / shared_rate), copied / MIN(near_rate, far_rate / active));
	double traffic = bm * 2.0 * (double)(c->c * c->sh * c->sw * bn / MAX(c->oc, bn) + MIN(bn, c->oc));
	double late = MAX(issue * (bm / ROWS / x->tile[4]) + multiply, latency / stages);
	double body = slabs * MAX(slab * (1 + ahead / (stages * resident)), late / resident);

	if (c->n > 1)
		body = MAX(body, traffic / memory_rate);
	return body + out * bm * bn / sqrt(resident) + (x->tile[5] ? turn : begin) / resident;
}

/* As conv_mma.c's: clocks of one multiprocessor. */
static double
cost(const ConvShape *c, const Target *t, const ConvTile *x, int held)
{
	double tiles = (double)(ceil_div(c->n * c->oh * c->ow, x->tile[0]) * ceil_div(c->oc, x->tile[1])) / t->sms;
	double resident = MIN(held, MAX(ceil(tiles), 1)), rounds = floor(tiles / resident), rest = tiles - rounds * resident;
	double sum = rounds * resident * tile_clocks(c, x, resident, 1);

	if (rest > 0)
		sum += ceil(rest) * tile_clocks(c, x, ceil(rest), rounds > 0 ? 1 : MIN(rest, 1));
	return sum;
}

/* For each shape of a tile and each number of blocks that a multiprocessor shall hold, as many stages as there is
 * room for: on an H100 none was slower for more of them. */
int
conv_wgmma_candidates(const ConvShape *c, const Target *t, ConvTile *to, int most)
{
	static const struct { int bm, groups; } rows[] = { { 64, 1 }, { 128, 2 }, { 256, 2 } };
	static const int bns[] = { 16, 32, 48, 64, 80, 96, 128, 192 };
	int bk = slab_channels(c), n = 0;
	int64_t slabs = slabs_of(c, bk);

	for (size_t i = 0; i < COUNT(rows) * COUNT(bns); i++) {
		int bm = rows[i / COUNT(bns)].bm, bn = bns[i % COUNT(bns)], groups = rows[i / COUNT(bns)].groups;
		int unit = conv_unit(c->oc, bn), sums = bm * bn / (GROUP * groups), before = 0;
		int64_t tiles = ceil_div(c->n * c->oh * c->ow, bm) * ceil_div(c->oc, bn);

		/* 288 threads have 168 registers each, too few for 128 sums and a long epilogue */
		if (sums > (groups > 1 && c->operands ? 96 : 128) || (bn >= c->oc + 32 && bn > 16))
			continue;
		/* many rows: 64 at a time are too few */
		if (bm == 64 && ceil_div(c->n * c->oh * c->ow, 128) * ceil_div(c->oc, bn) >= 4 * (int64_t)t->sms)
			continue;
		for (int held = held_by_registers(t, sums, GROUP * groups + 32); held > 0; held--) {
			int64_t room = MIN(t->shared_sm / held, t->shared_block) - 2048, stages = room / ((bm + bn) * bk * 2);

			if (held > 1 && tiles <= (held - 1) * (int64_t)t->sms)
				continue;
			stages = MIN(stages, 8);
			for (int turns = 0; turns < 2; turns++) {
				ConvTile x = { { bm, bn, bk, (int)(turns ? stages : MIN(stages, slabs)), groups, turns ? held : 0, 1 }, 0 };

				if (x.tile[3] < MIN(slabs, 3) || 2 * ring_count(bm, bn, bk, x.tile[3], unit) > room ||
				    (turns ? !unit || tiles <= (int64_t)held * t->sms : x.tile[3] == before))
					continue;
				if (!turns)
					before = x.tile[3];
				x.cost = cost(c, t, &x, held);
				if (n < most)
					to[n++] = x;
			}
		}
	}
	return n;
}
