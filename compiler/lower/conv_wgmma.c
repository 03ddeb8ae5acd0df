/* conv_wgmma.c -- convolution on GPUs with warpgroup products (sm_90a), fed by the copy engine.
 *
 *     rows     M = pictures * OH * OW     output pixels, NHWC order
 *     columns  O = output channels; a tile's are of one group
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
 * Where the epilogue reads a value like the result (a residual), its tile follows the slabs through the ring: it comes
 * while the products are made, and the epilogue finds it in shared memory.  Read by the threads, each 16 bytes of it waited
 * for those before to be stored, since result and residual may be one place: 350 us where now it takes 197
 * (four times 51200 x 384 x 384 on an H100).
 *
 * When all blocks have had as many tiles, some are left, and a round for few of them takes as long as one for all.  So they are
 * cut along the channels into as many parts as there are blocks for.
 *
 * Of a filter larger than 1x1, nine slabs bring each pixel nine times from the second-level cache, and with all
 * multiprocessors at work that gives 40 bytes a clock to each: too little for its products.  Where the step is 1 and the
 * result is made of squares of 8 x 8 pixels, a tile's rows are such squares, and a slab has one column of the filter: for
 * each square 8 x (8 + R - 1) pixels, and the weights of R taps.  A tap then begins whole rows of pixels further on, at the
 * same place of the pattern in which pieces lie.  A pixel comes 3.75 times:
 *
 *     kw = 0     ┌────────┐
 *                │ kh = 0 ┊        the products of tap kh begin at row kh of the box
 *                │   ┊ kh = 1
 *                └───┴────┘
 *
 * tile = { BM, BN, BK, stages, groups, turns, 1, or 3 for squares }; a group has BM / groups rows, 64 a product.  turns > 0: as many
 * blocks for each multiprocessor, which make tile after tile.  Weights packed with pack = 1, as
 * conv_mma.c wants them: where a place does not suit a map, that kernel takes over.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "lower/conv_mma.h"

enum { GROUP = 128, ROWS = 64, SIDE = 8 };

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

/* Taps of the filter that a slab has. */
static int
taps_of(const ConvShape *c, const int32_t *tile)
{
	return tile[CONV_TILE - 1] == CONV_SQUARES ? (int)c->r : 1;
}

static int64_t
slabs_of(const ConvShape *c, int bk, int taps)
{
	return c->r * c->s / taps * ceil_div(c->c, bk);
}

/* Rows of pixels, of BK channels, that 64 rows of the product need of a slab. */
static int
pixels_of(int taps)
{
	return ROWS + SIDE * (taps - 1);
}

/* Elements of a stage: pixels and weights. */
static int64_t
stage_size(const int32_t *tile, int taps)
{
	return (int64_t)(tile[0] / ROWS * pixels_of(taps) + taps * tile[1]) * tile[2];
}

typedef struct Wg {
	Gen *z;
	KBuild *b;
	const ConvShape *c;
	int bm, bn, bk, stages, groups, products;       /* products: of 64 rows, a group */
	int taps;                       /* of a slab; more than 1: rows are squares of pixels */
	int square;                     /* elements of 64 rows' pixels */
	int64_t m, slabs;
	int part, size;                 /* elements of a stage: pixels; pixels and weights */
	int unit;                       /* columns times 8 that make channels side by side; 0: not so */
	int64_t columns, tiles, grid;   /* of tiles along the channels, in all; blocks */
	bool again;                     /* stages are used again */
	uint32_t mx, ring, bars;        /* bars: full, then empty */
	Reg row0, col0;
	Reg stage, parity;              /* of the slab at hand, in each thread */
	Val given;                      /* value that comes through the ring for the epilogue; 0: none */
	uint32_t mg;                    /* its map */
	int given_box;                  /* channels of a box of it */
	int64_t rest, parts;            /* tiles that are left when all blocks have had as many, and in how many parts each */
} Wg;

/* A tile, or one of the `parts` of a tile of the last round. */
typedef struct Cut {
	int bn;
	uint32_t mw;
	Reg sum[4], done[4];
} Cut;

/* ---- maps ------------------------------------------------------------------------------------ */

/* Strides of a place in elements, those of sides of 1 made up. */
static void
map_strides(const Node *x, int64_t st[4])
{
	st[3] = 1;
	for (int i = 2; i >= 0; i--)
		st[i] = x->type.dim[i] > 1 ? x->place.stride[i] : st[i + 1] * (i == 2 ? (x->type.dim[3] + 7) / 8 * 8 : x->type.dim[i + 1]);
}

static bool
has_map(const Graph *g, Val v)
{
	const Node *x = graph_node(g, v);
	const Buf *b = &g->buf.p[x->place.buf];
	int64_t st[4];

	map_strides(x, st);
	for (int i = 0; i < 3; i++)
		if (st[i] % 8 || st[i] <= 0 || st[i] >= (int64_t)1 << 35)
			return false;
	return x->place.stride[3] == 1 && x->place.offset % 8 == 0 && b->offset % 16 == 0;
}

bool
conv_wgmma_place(const Graph *g, const ConvShape *c, const Group *gr)
{
	/* squares go straight from the sums to their place */
	return has_map(g, c->x) && (gr->tile[CONV_TILE - 1] != CONV_SQUARES || graph_node(g, gr->out)->place.stride[3] == 1);
}

/* What the epilogue adds to each element, as a rule: a value like the result, at the same coordinates. */
static Val
find_given(const Gen *z, const ConvShape *c)
{
	const Node *root = gen_node(z, c->root);
	Val found = 0;

	for (Val v = 1; v < z->g->node.n; v++) {
		const Node *n = gen_node(z, v);

		if (v == c->root || n->group != z->id || n->keep != KEEP_GROUP)
			continue;
		if (op_info[n->op].fuse != FUSE_POINT)
			return 0;
		for (int i = 0; i < n->narg && !found; i++) {
			const Node *x = gen_node(z, n->arg[i]);

			if (x->group != z->id && x->type.rank == 4 && dtype_info[x->type.dt].bytes == 2 &&
			    x->type.dt == gen_node(z, c->x)->type.dt && x->op != OP_const &&
			    memcmp(x->type.dim, root->type.dim, 4 * sizeof *x->type.dim) == 0 &&
			    gen_is_flat(z->g, n->arg[i], true) && has_map(z->g, n->arg[i]))
				found = n->arg[i];
		}
	}
	return found;
}

static uint32_t
weights_map(Wg *w, int bn)
{
	const ConvShape *c = w->c;
	int64_t k = c->r * c->s * c->c, u = w->unit;
	KTmap weights = { .rank = 2, .dim = { k, c->oc }, .stride = { 1, k }, .box = { w->bk, bn }, .swizzle = 2 * w->bk };

	if (u)
		weights = (KTmap){ .rank = 5, .dim = { k, 2, 4, u, c->oc / (8 * u) }, .stride = { 1, k, 2 * u * k, 2 * k, 8 * u * k },
			.box = { w->bk, 2, 4, (int)u, bn / (int)(8 * u) }, .swizzle = 2 * w->bk };
	return gen_tmap(w->z, c->w, &weights);
}

static void
make_maps(Wg *w)
{
	const ConvShape *c = w->c;
	const Node *x = gen_node(w->z, c->x);
	int64_t st[4];
	KTmap pixels = { .rank = 2, .dim = { c->c, w->m }, .box = { w->bk, w->bm }, .swizzle = 2 * w->bk };

	map_strides(x, st);
	pixels.stride[1] = st[2];
	if (!c->flat)
		pixels = (KTmap){ .im2col = true, .rank = 4, .dim = { c->c * c->groups, c->w1, c->h, c->n },
			.stride = { 1, st[2], st[1], st[0] }, .step = { 1, (int)c->sw, (int)c->sh, 1 },
			.lower = { (int)-c->pw, (int)-c->ph },
			.upper = { (int)(c->pw - c->s + 1), (int)(c->ph - c->r + 1) },
			.channels = w->bk, .pixels = w->bm, .swizzle = 2 * w->bk };
	if (w->taps > 1)
		pixels = (KTmap){ .rank = 4, .dim = { c->c * c->groups, c->w1, c->h, c->n }, .stride = { 1, st[2], st[1], st[0] },
			.box = { w->bk, SIDE, SIDE + w->taps - 1, 1 }, .swizzle = 2 * w->bk };
	w->mx = gen_tmap(w->z, c->x, &pixels);
	if (w->given) {
		KTmap given = { .rank = 2, .dim = { c->oc, w->m }, .box = { w->given_box, w->bm }, .swizzle = 2 * w->given_box };

		map_strides(gen_node(w->z, w->given), st);
		given.stride[0] = 1;
		given.stride[1] = st[2];
		if (w->taps > 1)
			given = (KTmap){ .rank = 4, .dim = { c->oc, c->ow, c->oh, c->n }, .stride = { 1, st[2], st[1], st[0] },
				.box = { w->given_box, SIDE, SIDE, 1 }, .swizzle = 2 * w->given_box };
		w->mg = gen_tmap(w->z, w->given, &given);
	}
}

/* Boxes of the value given that a stage has room for, and stages that it takes for a cut. */
static int
given_boxes(const Wg *w)
{
	return w->size / (w->bm * w->given_box);
}

static int
given_stages(const Wg *w, int bn)
{
	return w->given ? (int)ceil_div(bn / w->given_box, given_boxes(w)) : 0;
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

static Reg
whole_tiles(Wg *w)
{
	return k_ix(w->b, w->tiles - w->rest);
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

/* the group of the tile's columns */
static Reg
group_of(Wg *w)
{
	const ConvShape *c = w->c;

	return c->groups > 1 ? k_op(w->b, K_div, w->col0, k_ix(w->b, c->oc / c->groups), 0) : k_ix(w->b, 0);
}

/* The first pixel of square i of the tile: column, row, picture. */
static void
square_at(Wg *w, int i, Reg at[3])
{
	KBuild *b = w->b;
	const ConvShape *c = w->c;
	Reg q = k_addi(b, k_op(b, K_div, w->row0, k_ix(b, ROWS), 0), i), y = k_op(b, K_div, q, k_ix(b, c->ow / SIDE), 0);

	at[0] = k_muli(b, k_sub(b, q, k_muli(b, y, c->ow / SIDE)), SIDE);
	at[2] = c->n > 1 ? k_op(b, K_div, y, k_ix(b, c->oh / SIDE), 0) : k_ix(b, 0);
	at[1] = k_muli(b, c->n > 1 ? k_sub(b, y, k_muli(b, at[2], c->oh / SIDE)) : y, SIDE);
}

/* A slab is `part` of the channels under one tap, or one column of taps.  These run fastest: what one reads is still
 * in the second-level cache when the next one comes. */
static void
part_and_tap(Wg *w, Reg slab, Reg *part, Reg *tap)
{
	KBuild *b = w->b;
	int64_t taps = w->c->r * w->c->s / w->taps;

	*part = taps > 1 ? k_op(b, K_div, slab, k_ix(b, taps), 0) : slab;
	*tap = k_sub(b, slab, k_muli(b, *part, taps));
}

static void
load_weights(Wg *w, const Cut *t, Reg slab, Reg stage)
{
	KBuild *b = w->b;
	Reg zero = k_ix(b, 0), part, tap, first, k, where;

	part_and_tap(w, slab, &part, &tap);
	first = k_add(b, k_muli(b, tap, w->c->c), k_muli(b, part, w->bk));
	k_mbar_arrive(b, w->bars, stage, 2 * (w->part + w->taps * t->bn * w->bk));
	for (int i = 0; i < w->taps; i++) {
		k = k_addi(b, first, i * w->c->s * w->c->c);
		where = k_join(b, k, w->col0);
		if (w->unit)
			where = k_join(b, k_join(b, k_join(b, k, zero), k_join(b, zero, zero)),
			               k_op(b, K_div, w->col0, k_ix(b, 8 * w->unit), 0));
		k_tma_load(b, w->ring, k_addi(b, k_muli(b, stage, w->size), w->part + i * t->bn * w->bk), t->mw, where, w->bars, stage);
	}
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

static void
wait_empty(Wg *w)
{
	KBuild *b = w->b;

	k_mbar_wait(b, w->bars, k_addi(b, w->stage, w->stages), k_op(b, K_xor, w->parity, k_int(b, KS_I32, 1), 0));
}

/* What the epilogue wants of the tile, as more slabs: it comes while the products are made. */
static void
load_given(Wg *w, const Cut *t)
{
	KBuild *b = w->b;
	int boxes = t->bn / w->given_box, each = given_boxes(w), box = w->bm * w->given_box;

	for (int i = 0; i < boxes; i += each) {
		wait_empty(w);
		k_mbar_arrive(b, w->bars, w->stage, 2 * box * MIN(each, boxes - i));
		for (int j = i; j < MIN(i + each, boxes); j++) {
			Reg to = k_addi(b, k_muli(b, w->stage, w->size), (j - i) * box), ch = k_addi(b, w->col0, j * w->given_box), at[3];

			if (w->taps == 1)
				k_tma_load(b, w->ring, to, w->mg, k_join(b, ch, w->row0), w->bars, w->stage);
			for (int q = 0; q < w->bm / ROWS && w->taps > 1; q++) {
				square_at(w, q, at);
				k_tma_load(b, w->ring, k_addi(b, to, q * ROWS * w->given_box), w->mg,
				           k_join(b, k_join(b, ch, at[0]), k_join(b, at[1], at[2])), w->bars, w->stage);
			}
		}
		advance(w);
	}
}

/* The slabs of a tile; those before `begun` of the first have their weights, and `done` counts all. */
static void
produce_tile(Wg *w, const Cut *t, int begun, Reg done)
{
	KBuild *b = w->b;
	const ConvShape *c = w->c;
	Reg at[3] = { 0 }, square[4][3], slab, where;

	if (w->taps > 1)
		for (int q = 0; q < w->bm / ROWS; q++)
			square_at(w, q, square[q]);
	else if (!c->flat)
		first_pixel(w, at);
	slab = k_for(b, k_ix(b, 0), k_ix(b, w->slabs), 1);
	if (w->slabs > begun || w->tiles > w->grid) {
		k_if(b, k_op(b, K_le, k_ix(b, begun), done, 0));
		wait_empty(w);
		load_weights(w, t, slab, w->stage);
		k_close(b);
		k_mov_to(b, done, k_addi(b, done, 1));
	}
	for (int q = 0; q < w->bm / ROWS && w->taps > 1; q++) {
		const Reg *p = square[q];
		Reg part, kw;

		part_and_tap(w, slab, &part, &kw);
		part = k_add(b, k_muli(b, part, w->bk), k_muli(b, group_of(w), c->c));
		where = k_join(b, k_join(b, part, k_add(b, k_addi(b, p[0], -c->pw), kw)), k_join(b, k_addi(b, p[1], -c->ph), p[2]));
		k_tma_load(b, w->ring, k_addi(b, k_muli(b, w->stage, w->size), q * w->square), w->mx, where, w->bars, w->stage);
	}
	if (c->flat) {
		where = k_join(b, k_muli(b, slab, w->bk), w->row0);
	} else if (w->taps == 1) {
		Reg part, tap, kh, kw;

		part_and_tap(w, slab, &part, &tap);
		kh = k_op(b, K_div, tap, k_ix(b, c->s), 0);
		kw = k_sub(b, tap, k_muli(b, kh, c->s));

		part = k_add(b, k_muli(b, part, w->bk), k_muli(b, group_of(w), c->c));
		where = k_join(b, k_join(b, part, at[0]), k_join(b, at[1], at[2]));
		where = k_join(b, where, k_join(b, kw, kh));
	}
	if (w->taps == 1)
		k_tma_load(b, w->ring, k_muli(b, w->stage, w->size), w->mx, where, w->bars, w->stage);
	advance(w);
	k_close(b);
	if (w->given)
		load_given(w, t);
}

/* Each block's tiles, one after another; then its part of one that is left, in open_part. */
static void
open_tiles(Wg *w)
{
	KBuild *b = w->b;
	Reg block = k_axis(b, KAXIS_BLOCK_X);

	place_tile(w, w->tiles > w->grid ? k_for(b, block, whole_tiles(w), w->grid) : block);
}

static void
close_tiles(Wg *w)
{
	if (w->tiles > w->grid)
		k_close(w->b);
}

static void
open_part(Wg *w, const Cut *t)
{
	KBuild *b = w->b;
	Reg block = k_axis(b, KAXIS_BLOCK_X), tile = k_op(b, K_div, block, k_ix(b, w->parts), 0);

	k_if(b, k_op(b, K_lt, block, k_ix(b, w->rest * w->parts), 0));
	place_tile(w, k_add(b, whole_tiles(w), tile));
	w->col0 = k_add(b, w->col0, k_muli(b, k_sub(b, block, k_muli(b, tile, w->parts)), t->bn));
}

/* by one thread, when the launch in front is done; the first slabs have their weights */
static void
produce(Wg *w, const Cut cut[2], int begun)
{
	KBuild *b = w->b;
	Reg done = k_var(b, kt(KS_IX, 1));

	k_mov_to(b, done, k_ix(b, 0));
	open_tiles(w);
	produce_tile(w, &cut[0], begun, done);
	close_tiles(w);
	if (w->rest) {
		open_part(w, &cut[1]);
		produce_tile(w, &cut[1], begun, done);
		k_close(b);
	}
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
multiply(Wg *w, const Cut *t, Reg group, Reg first)
{
	KBuild *b = w->b;
	Reg before = k_var(b, kt(KS_IX, 1)), slab, at, zero = k_real(b, kt(KS_F32, t->bn / 2), 0);
	const Reg *sum = t->sum;

	for (int i = 0; i < w->products; i++)
		k_mov_to(b, sum[i], zero);
	k_mov_to(b, before, k_ix(b, 0));
	slab = k_for(b, k_ix(b, 0), k_ix(b, w->slabs), 1);
	k_mbar_wait(b, w->bars, w->stage, w->parity);
	at = k_muli(b, w->stage, w->size);
	for (int tap = 0; tap < w->taps; tap++)
		for (int i = 0; i < w->products; i++)
			k_wgmma_to(b, sum[i], w->ring, k_addi(b, k_add(b, at, k_muli(b, group, w->products * w->square)),
			           i * w->square + tap * SIDE * w->bk), w->ring, k_addi(b, at, w->part + tap * t->bn * w->bk),
			           w->bk / 16, 2 * w->bk);
	if (w->again) {
		k_sync(b, K_wgmma_wait, w->products * w->taps);   /* those of the slab before have read its stage */
		arrive_empty(w, before, k_op(b, K_and, first, k_op(b, K_lt, k_ix(b, 0), slab, 0), 0));
		k_mov_to(b, before, w->stage);
	}
	advance(w);
	k_close(b);
	for (int i = 0; i < w->products; i++)
		k_mov_to(b, t->done[i], k_wgmma_get(b, sum[i]));
	if (w->tiles > w->grid || w->given)
		arrive_empty(w, before, first);
}

/* The value given for a lane's vectors of columns [from, to) of row + more; they lie in the stage at hand from box 0 on.  more: 8
 * times something. */
static void
take_given(Wg *w, Reg row, int more, Reg lane, int from, int to, Reg *given)
{
	KBuild *b = w->b;
	int box = w->given_box, u = w->unit, shift = box == 64 ? 0 : box == 32 ? 1 : 2;
	Reg q = k_op(b, K_and, lane, k_ix(b, 3), 0), turn, at;

	/* 16-byte pieces of a row lie turned by its number */
	turn = k_op(b, K_and, k_op(b, K_shr, row, k_ix(b, shift), 0), k_ix(b, box / 8 - 1), 0);
	at = k_add(b, k_muli(b, w->stage, w->size), k_muli(b, row, box));
	if (u == 2) {
		at = k_add(b, at, k_muli(b, k_op(b, K_and, q, k_ix(b, 1), 0), 4));
		q = k_op(b, K_shr, q, k_ix(b, 1), 0);
	}
	for (int c = from; c < to; c += 8 * u) {
		Reg piece = k_op(b, K_xor, k_addi(b, q, (c - from) % box / 8), turn, 0);

		given[(c - from) / (8 * u)] = k_cast(b, KS_F32, k_load(b, w->ring, k_addi(b, k_add(b, at, k_muli(b, piece, 8)),
			((c - from) / box * w->bm + more) * box), 2 * u));
	}
}

/* The pixel of a row of the product, where rows are squares. */
static Reg
pixel_of(Wg *w, Reg row)
{
	KBuild *b = w->b;
	const ConvShape *c = w->c;
	Reg q = k_op(b, K_div, row, k_ix(b, ROWS), 0), in = k_op(b, K_and, row, k_ix(b, ROWS - 1), 0), line, x, y;

	line = k_op(b, K_div, q, k_ix(b, c->ow / SIDE), 0);
	x = k_add(b, k_muli(b, k_sub(b, q, k_muli(b, line, c->ow / SIDE)), SIDE), k_op(b, K_and, in, k_ix(b, SIDE - 1), 0));
	y = k_add(b, k_muli(b, line, SIDE), k_op(b, K_div, in, k_ix(b, SIDE), 0));
	return k_add(b, k_muli(b, y, c->ow), x);
}

/* sums of a tile through the epilogue, as many columns at a time as a stage has of the value given */
static void
put_channels(Wg *w, const Cut *t, Reg group, Reg warp, Reg lane)
{
	KBuild *b = w->b;
	Reg row = k_add(b, k_muli(b, k_op(b, K_and, warp, k_ix(b, 3), 0), 16), k_op(b, K_shr, lane, k_ix(b, 2), 0));
	Reg ch = k_add(b, w->col0, k_muli(b, k_op(b, K_and, lane, k_ix(b, 3), 0), 2 * w->unit)), pair[32], given[32], first[4];
	Reg p, end = w->c->oc % w->bn ? k_ix(b, w->c->oc) : 0, zero = k_ix(b, 0);
	int each = w->given ? given_boxes(w) * w->given_box : t->bn;

	row = k_add(b, k_muli(b, group, w->products * ROWS), row);
	p = k_add(b, w->row0, row);
	if (w->taps > 1)
		for (int i = 0; i < w->products; i++)
			first[i] = pixel_of(w, k_addi(b, p, i * ROWS));
	for (int from = 0; from < t->bn; from += each) {
		int to = MIN(from + each, t->bn);

		if (w->given)
			k_mbar_wait(b, w->bars, w->stage, w->parity);
		for (int i = 0; i < w->products; i++)
			for (int h = 0; h < 2; h++) {
				for (int j = from / 8; j < to / 8; j++)
					pair[j - from / 8] = k_part(b, t->done[i], 4 * j + 2 * h, 2);
				if (w->given) {
					w->z->given_row = given;
					take_given(w, row, i * ROWS + 8 * h, lane, from, to, given);
				}
				conv_put_row(w->z, w->c, w->taps > 1 ? k_addi(b, first[i], h * w->c->ow) : k_addi(b, p, i * ROWS + 8 * h),
				             k_addi(b, ch, from), end, w->unit, to - from, pair);
				w->z->given_row = NULL;
			}
		if (w->given) {         /* all lanes have read */
			Reg none = k_vote_any(b, k_op(b, K_lt, lane, zero, 0));

			arrive_empty(w, w->stage, k_op(b, K_lt, k_add(b, lane, k_cast(b, KS_IX, none)), k_ix(b, 1), 0));
			advance(w);
		}
	}
}

/* sums to shared memory, [BM][BN + 8] */
static void
put_sums(Wg *w, const Cut *t, uint32_t sy, Reg warp, Reg lane)
{
	KBuild *b = w->b;
	int pitch = w->bn + 8;
	Reg group = k_op(b, K_shr, warp, k_ix(b, 2), 0), in = k_op(b, K_and, warp, k_ix(b, 3), 0), row, at;

	row = k_add(b, k_muli(b, group, w->products * ROWS), k_add(b, k_muli(b, in, 16), k_op(b, K_shr, lane, k_ix(b, 2), 0)));
	at = k_add(b, k_muli(b, row, pitch), k_muli(b, k_op(b, K_and, lane, k_ix(b, 3), 0), 2));
	for (int i = 0; i < w->products; i++)
		for (int j = 0; j < w->bn / 8; j++)
			for (int h = 0; h < 2; h++)
				k_store(b, sy, k_addi(b, at, (i * ROWS + h * 8) * pitch + j * 8), k_part(b, t->done[i], 4 * j + 2 * h, 2));
}

/* ---- the kernel -------------------------------------------------------------------------------- */

/* elements of the ring, which must hold the sums, too, where they pass through it */
static int64_t
ring_count(const int32_t *tile, int taps, int64_t stages, int unit)
{
	return MAX(stages * stage_size(tile, taps), unit ? 0 : (int64_t)tile[0] * (tile[1] + 8) * 2);
}

static int
box_of_given(int bn, int bk)
{
	while (bn % bk)
		bk /= 2;
	return bk;
}

/* How many parts of at least that many columns the tiles that are left are cut into, so that each block has at most one: the
 * last round then takes as long as a part.  YOLOv12x's 51200 rows are 3 and 6 rounds of tiles and 4 or 8 more. */
static int64_t
parts_of_rest(int64_t rest, int64_t grid, int bn, int least)
{
	int64_t parts = 1;

	for (int64_t p = 2; rest && p * least <= bn && rest * p <= grid; p++)
		if (bn % (p * least) == 0)
			parts = p;
	return parts;
}

bool
lower_conv_wgmma(LowerCtx *cx, uint32_t group, const ConvShape *c, const int32_t *tile, LoweredList *out)
{
	Gen gen, *z = &gen;
	Wg wg = { .z = z, .c = c, .bm = tile[0], .bn = tile[1], .bk = tile[2], .stages = tile[3], .groups = tile[4] };
	Wg *w = &wg;
	const Node *x = graph_node(cx->g, c->x);
	Cut cut[2] = { { .bn = w->bn } };
	Reg tid, lane, warp, mine, first, leader;
	int begun, threads = GROUP * w->groups + 32;
	uint32_t sy = 0;
	KBuild *b;

	w->products = w->bm / w->groups / ROWS;
	w->m = c->n * c->oh * c->ow;
	w->taps = taps_of(c, tile);
	w->slabs = slabs_of(c, w->bk, w->taps);
	w->square = pixels_of(w->taps) * w->bk;
	w->part = w->bm / ROWS * w->square;
	w->size = (int)stage_size(tile, w->taps);
	w->columns = ceil_div(c->oc, w->bn);
	w->tiles = w->grid = w->columns * ceil_div(w->m, w->bm);
	if (c->mean || graph_node(cx->g, cx->g->group.p[group].out)->place.stride[3] == 1)
		w->unit = conv_unit(c->oc, w->bn);
	if (w->unit && tile[5])
		w->grid = MIN(w->tiles, (int64_t)tile[5] * cx->target->sms);
	gen_begin(z, cx, group, arena_printf(cx->a, "conv%" PRId64 "x%" PRId64 "s%" PRId64 "_%" PRId64
		"_%" PRId64 "_%" PRId64 "_%s%dx%dx%d_%d_%d_%d", c->r, c->s, c->sh, c->c * c->groups, c->oc, w->m, w->taps > 1 ? "q" : "w",
		w->bm, w->bn, w->bk, w->stages, w->groups, tile[5]));
	b = w->b = z->b;
	if (w->unit)
		w->given = find_given(z, c);
	w->given_box = box_of_given(w->bn, w->bk);
	if (w->given_box % (8 * MAX(w->unit, 1)))
		w->given = 0;
	z->given = w->given;
	if (w->grid == w->tiles)
		w->stages = (int)MIN(w->stages, w->slabs + given_stages(w, w->bn));
	w->again = w->slabs > w->stages || w->tiles > w->grid || w->given;
	make_maps(w);
	cut[0].mw = weights_map(w, w->bn);
	w->parts = w->tiles > w->grid ? parts_of_rest(w->tiles % w->grid, w->grid, w->bn, w->given ? MAX(8 * w->unit, w->given_box) : 8 * w->unit) : 1;
	if (w->parts > 1) {
		w->rest = w->tiles % w->grid;
		cut[1].bn = w->bn / (int)w->parts;
		cut[1].mw = weights_map(w, cut[1].bn);
	}
	if (c->bias)
		gen_buf(z, c->bias);
	w->ring = k_buffer(b, "ring", KSPACE_SHARED, x->type.dt, ring_count(tile, w->taps, w->stages, w->unit));
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
		for (int j = 0; j < (w->rest ? 2 : 1); j++) {
			cut[j].sum[i] = k_var(b, kt(KS_F32, cut[j].bn / 2));
			cut[j].done[i] = k_var(b, kt(KS_F32, cut[j].bn / 2));
		}
		if (!w->unit)
			k_mov_to(b, cut[0].done[i], k_real(b, kt(KS_F32, w->bn / 2), 0));
	}
	place_tile(w, k_axis(b, KAXIS_BLOCK_X));
	leader = k_op(b, K_eq, tid, k_ix(b, GROUP * w->groups), 0);
	/* who hands stages back: of each group; of each warp where lanes read them, too */
	first = k_op(b, K_eq, w->given ? lane : k_op(b, K_and, tid, k_ix(b, GROUP - 1), 0), k_ix(b, 0), 0);
	k_if(b, leader);
	for (int s = 0; s < w->stages; s++) {
		k_mbar_init(b, w->bars, k_ix(b, s), 1);                         /* full: who asks, and the bytes */
		k_mbar_init(b, w->bars, k_ix(b, w->stages + s), w->given ? 4 * w->groups : w->groups);     /* empty */
	}
	k_sync(b, K_async_fence, 0);
	begun = (int)MIN(w->stages, w->slabs);
	for (int s = 0; s < begun; s++)
		load_weights(w, &cut[0], k_ix(b, s), k_ix(b, s));
	k_close(b);
	k_sync(b, K_barrier, 0);
	k_sync(b, K_grid_wait, 0);

	k_if(b, k_op(b, K_eq, warp, k_ix(b, 4 * w->groups), 0));
	k_if(b, leader);
	produce(w, cut, begun);
	k_close(b);
	k_else(b);
	open_tiles(w);
	multiply(w, &cut[0], mine, first);
	if (w->unit)
		put_channels(w, &cut[0], mine, warp, lane);
	close_tiles(w);
	if (w->rest) {
		open_part(w, &cut[1]);
		multiply(w, &cut[1], mine, first);
		put_channels(w, &cut[1], mine, warp, lane);
		k_close(b);
	}
	k_close(b);

	if (!w->unit) {
		place_tile(w, k_axis(b, KAXIS_BLOCK_X));
		k_sync(b, K_barrier, 0);
		k_if(b, k_op(b, K_lt, warp, k_ix(b, 4 * w->groups), 0));
		put_sums(w, &cut[0], sy, warp, lane);
		k_close(b);
		k_sync(b, K_barrier, 0);
		conv_put_tile(z, c, &(ConvTileAt){ .sy = sy, .bm = w->bm, .bn = w->bn, .threads = threads, .tid = tid,
			.row0 = w->row0, .col0 = k_sub(b, w->col0, k_muli(b, group_of(w), c->oc / c->groups)), .group = group_of(w) });
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
	       (c->groups == 1 || (c->r * c->s > 1 && c->c % 32 == 0)) && c->c % divisor == 0 && c->r * c->s * c->c >= 64 && c->oc >= 8 && c->sh <= 8 && c->sw <= 8 && c->r <= 64 && c->s <= 64 &&
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
	int taps = taps_of(c, x->tile);
	double slabs = (double)slabs_of(c, bk, taps), copied = 2.0 * (double)stage_size(x->tile, taps);
	double read = taps * (bm + bm / ROWS * (double)bn) * bk * 2, multiply = taps * (double)bm * bn * bk / products;
	double slab = MAX(MAX(multiply, read / shared_rate), copied / MIN(near_rate, far_rate / active));
	double traffic = bm * 2.0 * (double)(c->c * c->sh * c->sw * bn / MAX(c->oc / c->groups, bn) + MIN(bn, c->oc));
	double late = MAX(issue * taps * (bm / ROWS / x->tile[4]) + multiply, latency / stages);
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

/* Can rows of the product be squares of pixels? */
static bool
has_squares(const ConvShape *c)
{
	return c->sh == 1 && c->sw == 1 && c->r > 1 && c->r <= 7 && !c->flat && !c->mean && c->oh % SIDE == 0 && c->ow % SIDE == 0;
}

/* Tiles of so many rows and columns: for each number of blocks that a multiprocessor shall hold, with as many stages as
 * there is room for: on an H100 none was slower for more of them. */
static int
tiles_of(const ConvShape *c, const Target *t, const int32_t *shape, ConvTile *to, int most)
{
	int bm = shape[0], bn = shape[1], groups = shape[4], taps = taps_of(c, shape), n = 0, before = 0;
	int unit = conv_unit(c->oc, bn), sums = bm * bn / (GROUP * groups);
	int64_t slabs = slabs_of(c, shape[2], taps), tiles = ceil_div(c->n * c->oh * c->ow, bm) * ceil_div(c->oc, bn);

	for (int held = held_by_registers(t, sums, GROUP * groups + 32); held > 0; held--) {
		int64_t room = MIN(t->shared_sm / held, t->shared_block) - 2048;
		int stages = (int)MIN(room / (2 * stage_size(shape, taps)), 8);

		if (held > 1 && tiles <= (held - 1) * (int64_t)t->sms)
			continue;
		for (int turns = 0; turns < 2; turns++) {
			ConvTile x = { { bm, bn, shape[2], (int)(turns ? stages : MIN(stages, slabs)), groups, turns ? held : 0,
			                 shape[CONV_TILE - 1] }, 0 };

			if (x.tile[3] < MIN(slabs, taps > 1 ? 2 : 3) || 2 * ring_count(shape, taps, x.tile[3], unit) > room ||
			    (turns ? !unit || tiles <= (int64_t)held * t->sms : x.tile[3] == before))
				continue;
			if (!turns)
				before = x.tile[3];
			x.cost = cost(c, t, &x, held);
			if (n < most)
				to[n++] = x;
		}
	}
	return n;
}

int
conv_wgmma_candidates(const ConvShape *c, const Target *t, ConvTile *to, int most)
{
	static const struct { int bm, groups; } rows[] = { { 64, 1 }, { 128, 2 }, { 256, 2 } };
	static const int bns[] = { 16, 32, 48, 64, 80, 96, 128, 192 };
	int64_t per = c->oc / c->groups;
	int n = 0;

	for (size_t i = 0; i < COUNT(rows) * COUNT(bns); i++) {
		int bm = rows[i / COUNT(bns)].bm, bn = bns[i % COUNT(bns)], groups = rows[i / COUNT(bns)].groups;
		int sums = bm * bn / (GROUP * groups);
		int32_t shape[CONV_TILE] = { bm, bn, slab_channels(c), 0, groups, 0, CONV_WGMMA };

		/* 288 threads have 168 registers each, too few for 128 sums and a long epilogue */
		if (sums > (groups > 1 && c->operands ? 96 : 128) || (bn >= per + 32 && bn > 16) || (c->groups > 1 && per % bn))
			continue;
		/* many rows: 64 at a time are too few */
		if (bm == 64 && ceil_div(c->n * c->oh * c->ow, 128) * ceil_div(c->oc, bn) >= 4 * (int64_t)t->sms)
			continue;
		n += tiles_of(c, t, shape, to + n, most - n);
		shape[CONV_TILE - 1] = CONV_SQUARES;
		if (has_squares(c) && conv_unit(c->oc, bn))
			n += tiles_of(c, t, shape, to + n, most - n);
	}
	return n;
}
