/* conv.c -- convolution on NHWC: dense, grouped, 1x1 and larger, any stride.
 *
 * A task owns some rows of the result and some blocks of `pack` output channels.  Its
 * tiles are P pixels of one row by `pack` channels, held in P * pack / lanes vector
 * registers:
 *
 *     for block of channels, row oh, tile of P pixels
 *       acc[p][j] = 0
 *       for kh with its row inside the picture
 *         for input channel c
 *           for kw                                                 (unrolled)
 *             acc[p][j] += x[oh*s-pad+kh][(ow+p)*s-pad+kw][c] * w[block][kh][kw][c][j]
 *       epilogue(acc + bias)
 *
 * x comes in as scalars that the machine broadcasts, w as vectors from the packed
 * block, so a tile makes P * pack / lanes multiply-adds from P + pack / lanes loads.
 * Borders: widths are static, so which (p, kw) fall outside is known for the first
 * and the last tile of a row, and those products are simply not there: three bodies
 * (first, middle, last) instead of padding in memory.  The sums go through a small
 * local buffer to one epilogue loop, so that its code exists once.
 *
 * A 1x1 convolution with stride 1 sees the picture as one long row when rows follow
 * each other in every operand.
 *
 * tile = { lanes, pack / lanes, P, rows a task, blocks a task }
 * packed weights: [block][R][S][C/g][pack], zero past the last channel.  With groups,
 * a block never crosses from one group of output channels into the next.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "lower/conv_mma.h"

/* T_COUNT numbers: this kernel; CONV_TILE: by the last, conv_mma.c's (0), conv_wgmma.c's (1, 3), conv_patch.c's (2) */
enum { T_LANES, T_VECS, T_PIXELS, T_ROWS, T_BLOCKS, T_COUNT };

ConvShape
conv_of(const Graph *g, const Group *gr)
{
	const Node *n = graph_node(g, gr->root);
	const Node *x = graph_node(g, n->arg[0]), *w = graph_node(g, n->arg[1]);
	ConvShape c = { .x = n->arg[0], .w = n->arg[1], .bias = n->narg > 2 ? n->arg[2] : 0, .root = gr->root };
	bool packed = attr_find(n, A_pack) != NULL;

	c.bytes = dtype_info[x->type.dt].bytes;
	c.tf32 = attr_find(n, A_math) != NULL;
	c.n = x->type.dim[0], c.h = x->type.dim[1], c.w1 = x->type.dim[2];
	c.oh = n->type.dim[1], c.ow = n->type.dim[2], c.oc = n->type.dim[3];
	c.groups = attr_int(n, A_groups, 1);
	c.c = x->type.dim[3] / c.groups;
	c.r = w->type.dim[packed ? 1 : 2], c.s = w->type.dim[packed ? 2 : 3];
	c.sh = attr_ints(n, A_stride, 0, 1), c.sw = attr_ints(n, A_stride, 1, c.sh);
	c.ph = attr_ints(n, A_pad, 0, 0), c.pw = attr_ints(n, A_pad, 1, c.ph);
	for (Val v = 1; v < g->node.n; v++) {
		const Node *y = graph_node(g, v);

		if (y->op == OP_expect && y->group == n->group && y->keep == KEEP_GROUP)
			c.mean = v;
		for (int i = 0; v != gr->root && y->group == n->group && y->keep == KEEP_GROUP && i < y->narg; i++)
			c.operands += graph_node(g, y->arg[i])->group != n->group && type_count(&graph_node(g, y->arg[i])->type) > 1;
	}
	return c;
}

bool
conv_is_pointwise(const ConvShape *c)
{
	return c->r == 1 && c->s == 1 && c->sh == 1 && c->sw == 1 && c->ph == 0 && c->pw == 0;
}

/* Does any kernel for matrix units do it? */
static bool
for_units(const ConvShape *c, const Target *t, const Graph *g)
{
	return conv_mma_fits(c, t, graph_node(g, c->x)) || conv_patch_fits(c, t, g);
}

/* Tiles of all kernels for matrix units. */
static int
unit_tiles(const ConvShape *c, const Target *t, const Graph *g, ConvTile *to, int most)
{
	const Node *x = graph_node(g, c->x);
	int n = conv_wgmma_fits(c, t, x) ? conv_wgmma_candidates(c, t, to, most) : 0;

	if (conv_patch_fits(c, t, g))
		n += conv_patch_candidates(c, t, to + n, most - n);
	return conv_mma_fits(c, t, x) ? n + conv_mma_candidates(c, t, to + n, most - n) : n;
}

enum { TILES = 2048 };

/* Warpgroups where they can: of 148 shapes measured on an H100 mma.sync was ahead in ten, by some percent, where both
 * take 1.5 us or wait for memory; 32 channels under one tap are left to it.  Patches compete
 * with whichever it is; where warpgroups fit they have to be clearly ahead, since other launches leave less in the
 * caches than the measurement that the models were fitted to. */
static bool
best_tile(const ConvShape *c, const Target *t, const Graph *g, bool maps, int32_t *tile)
{
	const Node *x = graph_node(g, c->x);
	ConvTile all[TILES];
	int n = maps && conv_wgmma_fits(c, t, x) ? conv_wgmma_candidates(c, t, all, TILES) : 0, best = 0, others;
	const double ahead = n ? 1.3 : 1;

	if (n == 0 && conv_mma_fits(c, t, x))
		n = conv_mma_candidates(c, t, all, TILES);
	others = n;
	if (conv_patch_fits(c, t, g))
		n += conv_patch_candidates(c, t, all + n, TILES - n);
	for (int i = others; i < n; i++)
		all[i].cost *= ahead;
	for (int i = 1; i < n; i++)
		if (all[i].cost < all[best].cost)
			best = i;
	if (n)
		memcpy(tile, all[best].tile, sizeof all[best].tile);
	return n > 0;
}

double
conv_memory_clocks(const Target *t, double bytes)
{
	const double rate = 1450;      /* a clock, of all multiprocessors */

	return bytes > (double)t->l2 / 4 ? bytes / rate : 0;
}

/* The models of conv_mma.c and conv_patch.c have clocks of different length; warpgroups are a fifth faster. */
double
conv_apart_clocks(const Graph *g, const Target *t, const ConvShape *c, DType dt, int64_t bytes)
{
	const double warpgroups = 0.8, rate = 1.45;
	ConvTile tile[TILES];
	int n = conv_mma_fits(c, t, graph_node(g, c->x)) ? conv_mma_candidates(c, t, tile, TILES) : 0;
	double best = INFINITY;

	for (int i = 0; i < n; i++)
		best = MIN(best, tile[i].cost / rate);
	if (c->r * c->s > 1 && conv_wgmma_fits(c, t, graph_node(g, c->x)))
		best *= warpgroups;
	n = (conv_patch_stem(c, g) || c->c % 8 == 0) && conv_patch_takes(c, t, dt) ? conv_patch_candidates(c, t, tile, TILES) : 0;
	for (int i = 0; i < n; i++)
		best = MIN(best, tile[i].cost);
	return CONV_LAUNCH + MAX(best, conv_memory_clocks(t, (double)bytes));
}

/* Pixels of a tile: as many as registers allow, but rather a few less than a small
 * remainder.  Each tile pays about two multiply-adds' time besides its own. */
static int
choose_pixels(int64_t width, int most)
{
	double best = 1e30;
	int pick = 1;

	for (int p = MIN(most, (int)MIN(width, 1 << 20)); p >= 1; p--) {
		int64_t full = width / p, rest = width % p;
		double cost = (double)full * (p + 2.0) + (rest ? (double)rest + 2.0 : 0);

		if (cost < best - 1e-9)
			best = cost, pick = p;
		if (p <= most / 2 && pick > p)
			break;
	}
	return pick;
}

const char *
conv_key(Arena *a, const Graph *g, const Target *t, const Group *gr)
{
	ConvShape c = conv_of(g, gr);
	const Node *x = graph_node(g, c.x);

	if (!for_units(&c, t, g))
		return NULL;
	return arena_printf(a, "conv %s %" PRId64 "x%" PRId64 "s%" PRId64 ",%" PRId64 "p%" PRId64 ",%" PRId64 " g%" PRId64
		" %" PRId64 "x%" PRId64 "x%" PRId64 "x%" PRId64 " -> %" PRId64 "x%" PRId64 "x%" PRId64, c.tf32 ? "tf32" : dtype_info[x->type.dt].name,
		c.r, c.s, c.sh, c.sw, c.ph, c.pw, c.groups, c.n, c.h, c.w1, c.c * c.groups, c.oh, c.ow, c.oc);
}

int
conv_candidates(const Graph *g, const Target *t, const Group *gr, LowerTile *to, int most)
{
	ConvShape c = conv_of(g, gr);
	ConvTile tile[TILES];
	int n = for_units(&c, t, g) ? unit_tiles(&c, t, g, tile, TILES) : 0;

	for (int i = 0; i < n && i < most; i++) {
		to[i] = (LowerTile){ .cost = tile[i].cost };
		memcpy(to[i].tile, tile[i].tile, sizeof tile[i].tile);
	}
	return MIN(n, most);
}

void
choose_conv(Arena *a, const Graph *g, const Target *t, Group *gr, int *pack)
{
	ConvShape c = conv_of(g, gr);
	int64_t oc = c.oc / c.groups, width = conv_is_pointwise(&c) ? c.oh * c.ow : c.ow;
	int lanes = target_lanes(t), vecs, most, regs = t->vector_regs;
	int64_t bytes;

	(void)a;
	if (for_units(&c, t, g) && best_tile(&c, t, g, true, gr->tile)) {
		gr->ntile = CONV_TILE;
		*pack = 1;
		return;
	}
	if (t->kind == TARGET_GPU) {    /* a thread's tile: 8 channels of a few pixels */
		gr->ntile = T_COUNT;
		gr->tile[T_LANES] = oc % 8 && c.groups > 1 ? lanes_dividing(oc, 8) : 8;
		gr->tile[T_VECS] = 1;
		gr->tile[T_PIXELS] = (int32_t)MIN(c.ow, 4);
		gr->tile[T_ROWS] = gr->tile[T_BLOCKS] = 1;
		*pack = gr->tile[T_LANES];
		return;
	}
	/* narrow layers use narrower vectors rather than empty lanes */
	while (lanes > 4 && oc <= lanes / 2)
		lanes /= 2;
	if (c.groups > 1)
		lanes = lanes_dividing(oc, lanes);
	vecs = oc % (2 * lanes) == 0 || (c.groups == 1 && oc > 3 * lanes) ? 2 : 1;
	/* sums, a vector of weights each, two more for broadcasts */
	most = (regs - vecs - 2) / vecs;
	most = MAX(1, MIN(most, 28 / vecs));

	gr->ntile = T_COUNT;
	gr->tile[T_LANES] = lanes;
	gr->tile[T_VECS] = vecs;
	gr->tile[T_PIXELS] = choose_pixels(width, most);
	*pack = lanes * vecs;
	/* A task's weights should stay in the second-level cache beside its rows, and there
	 * should be enough tasks for a few threads to share evenly. */
	bytes = c.r * c.s * c.c * *pack * 4;
	gr->tile[T_BLOCKS] = (int32_t)MAX(1, MIN(ceil_div(oc, *pack), t->l2 / 4 / MAX(bytes, 1)));
	if (c.groups > 1)
		gr->tile[T_BLOCKS] = (int32_t)ceil_div(oc, *pack);
	if (conv_is_pointwise(&c)) {
		int64_t tiles = ceil_div(width, gr->tile[T_PIXELS]);

		gr->tile[T_ROWS] = (int32_t)MAX(1, MIN(tiles, MAX(4, ceil_div(tiles, 16))));
	} else {
		gr->tile[T_ROWS] = (int32_t)MAX(1, ceil_div(c.oh, 16));
	}
}

typedef struct Body {
	Gen *z;
	const ConvShape *c;
	uint32_t bx, bw, acc;
	Reg n, oh, ob;          /* picture, output row, block of output channels */
	Reg chan;               /* first input channel of the block's group, or 0 */
	Reg tile;               /* number of the tile in its row if that is a task's; 0: all of them */
	bool prologue;          /* x is computed on the way in (pixels to reals), not loaded */
	Val bytes;              /* … from these, 8 at a time; 0: one at a time */
	Reg *sum;               /* of the last tile */
} Body;

/* x at row, pixel, channel: loaded, or computed */
static Reg
input_at(Body *o, Reg at, int64_t offset, Reg row, Reg col, int64_t dcol, Reg ch, int64_t dch)
{
	Gen *z = o->z;
	KBuild *b = z->b;
	Coord c = { .lanes = 1, .active = 1, .vdim = 3 };

	if (!o->prologue)
		return k_cast(b, KS_F32, k_load(b, o->bx, k_addi(b, at, offset), 1));
	c.r[0] = o->n, c.r[1] = row, c.r[2] = col, c.k[2] = dcol, c.r[3] = ch, c.k[3] = dch;
	gen_forget(z);
	z->root_value = 0;
	return gen_value(z, o->c->x, &c);
}

/* ---- pixels as bytes, on GPUs -----------------------------------------------------------------------
 * The stem reads 3 channels of 8 bits: a tile's part of a row is a few dozen bytes side by side, which come as
 * 8-byte vectors instead of one by one.  They start at a multiple of 8 before the first tap. */

/* The bytes that are cast on the way in, if they lie so; 0: they don't. */
static Val
stem_bytes(const Gen *z, const ConvShape *c)
{
	const Node *x = gen_node(z, c->x), *src;

	if (!gen_gpu(z->cx) || x->op != OP_cast || c->c != 3 || c->groups != 1 || c->pw * 3 > 8 ||
	    c->ow % c->pixels || (c->pixels * c->sw * 3) % 8)
		return 0;
	src = gen_node(z, x->arg[0]);
	return src->type.dt == DT_U8 && src->group != z->id && src->place.stride[3] == 1 && src->place.stride[2] == 3 &&
	       src->place.stride[1] % 8 == 0 && (c->n == 1 || src->place.stride[0] % 8 == 0) &&
	       src->place.offset % 8 == 0 && c->ow * c->sw <= c->w1 ? x->arg[0] : 0;
}

static void
stem_sums(Body *o, Reg ow0, int64_t first, int count)
{
	Gen *z = o->z;
	KBuild *b = z->b;
	const ConvShape *c = o->c;
	const int64_t *st = gen_node(z, o->bytes)->place.stride;
	int64_t used = (count - 1) * c->sw * 3 + c->s * 3 - c->pw * 3, vecs = 1 + ceil_div(used, 8);
	KType vt = kt(KS_F32, c->lanes);
	Reg *sum = o->sum = NEWN(z->a, Reg, (size_t)count), *vec = NEWN(z->a, Reg, (size_t)vecs), row;

	for (int p = 0; p < count; p++) {
		sum[p] = k_var(b, vt);
		k_mov_to(b, sum[p], k_real(b, vt, 0));
	}
	row = k_addi(b, k_muli(b, o->oh, c->sh), -c->ph);
	for (int64_t kh = 0; kh < c->r; kh++) {
		Reg ih = k_addi(b, row, kh), at, there;

		there = gen_inside(b, ih, c->h);
		at = k_add(b, k_add(b, k_muli(b, o->n, st[0]), k_muli(b, ih, st[1])), k_muli(b, ow0, c->sw * 3));
		/* the vector before the first tap's tile lies before the picture in the first tile of a row */
		for (int64_t v = first == 0 ? 1 : 0; v < vecs; v++)
			vec[v] = k_cast(b, KS_F32, k_load_if(b, gen_buf(z, o->bytes), k_addi(b, at, 8 * v - 8), 8, there));
		for (int64_t kw = 0; kw < c->s; kw++)
			for (int64_t ch = 0; ch < 3; ch++) {
				Reg w = k_cast(b, KS_F32, k_load(b, o->bw, k_addi(b,
					k_muli(b, o->ob, c->r * c->s * 3 * c->pack), ((kh * c->s + kw) * 3 + ch) * c->pack), c->lanes));

				for (int p = 0; p < count; p++) {
					int64_t iw = p * c->sw - c->pw + kw, byte = 8 + 3 * iw + ch;

					if (first == 0 && iw < 0)
						continue;
					k_op_to(b, sum[p], K_fma, k_splat(b, c->lanes, k_lane(b, vec[byte / 8], (int)(byte % 8))), w, sum[p]);
				}
			}
	}
	gen_forget_bases(z);
}

/* Sums of one tile whose first pixel is `first` (static, or -1: in register ow0, away from
 * borders), `count` pixels wide, left in the local buffer. */
static void
tile_sums(Body *o, Reg ow0, int64_t first, int count)
{
	Gen *z = o->z;
	KBuild *b = z->b;
	const ConvShape *c = o->c;
	const Node *x = gen_node(z, c->x);
	const int64_t *st = x->place.stride;
	KType vt = kt(KS_F32, c->lanes);
	Reg *sum = o->sum = NEWN(z->a, Reg, (size_t)(count * c->vecs)), zero = k_real(b, vt, 0);
	Reg row, wrow, lo, hi, kh, ch, col, px;
	int64_t step;

	if (o->bytes && (first <= 0 || first + count == c->ow)) {
		stem_sums(o, ow0, first, count);
		return;
	}
	for (int i = 0; i < count * c->vecs; i++) {
		sum[i] = k_var(b, vt);
		k_mov_to(b, sum[i], zero);
	}
	/* rows of the kernel that meet the picture */
	row = k_addi(b, k_muli(b, o->oh, c->sh), -c->ph);
	lo = k_op(b, K_max, k_ix(b, 0), k_sub(b, k_ix(b, 0), row), 0);
	hi = k_op(b, K_min, k_ix(b, c->r), k_sub(b, k_ix(b, c->h), row), 0);
	col = first < 0 ? k_muli(b, ow0, c->sw * st[2]) : k_ix(b, first * c->sw * st[2]);
	col = k_add(b, col, k_add(b, k_muli(b, o->n, st[0]), k_muli(b, o->chan, st[3])));
	if (c->ph == 0 && c->r == 1)
		lo = k_ix(b, 0), hi = k_ix(b, 1);
	px = first < 0 ? k_muli(b, ow0, c->sw) : k_ix(b, first * c->sw);
	kh = k_is_int(b, hi, &step) && step == 1 ? k_ix(b, 0) : k_for(b, lo, hi, 1);
	{
		Reg xrow = k_add(b, col, k_muli(b, k_add(b, row, kh), st[1]));

		wrow = k_muli(b, k_add(b, k_muli(b, o->ob, c->r), kh), c->s * c->c * c->pack);
		step = c->s == 1 && c->c % 4 == 0 ? 4 : c->s == 1 && c->c % 2 == 0 ? 2 : 1;
		if (c->c * c->s <= 12)
			step = c->c;
		ch = step == c->c ? k_ix(b, 0) : k_for(b, k_ix(b, 0), k_ix(b, c->c), step);
		gen_forget_bases(z);

		Reg xat = k_add(b, xrow, k_muli(b, ch, st[3]));
		Reg wat = k_add(b, wrow, k_muli(b, ch, c->pack));

		for (int64_t u = 0; u < step; u++)
			for (int64_t kw = 0; kw < c->s; kw++) {
				Reg wv[8];
				bool have = false;

				for (int p = 0; p < count; p++) {
					int64_t iw = (first < 0 ? 0 : first + p) * c->sw - c->pw + kw;
					Reg xs;

					if (first >= 0 && (iw < 0 || iw >= c->w1))
						continue;
					if (!have)
						for (int j = 0; j < c->vecs; j++)
							wv[j] = k_cast(b, KS_F32, k_load(b, o->bw, k_addi(b, wat,
								(kw * c->c + u) * c->pack + j * c->lanes), c->lanes));
					have = true;
					xs = k_splat(b, c->lanes, input_at(o, xat,
						(p * c->sw - c->pw + kw) * st[2] + u * st[3],
						k_add(b, row, kh), px, p * c->sw - c->pw + kw, k_add(b, o->chan, ch), u));
					for (int j = 0; j < c->vecs; j++)
						k_op_to(b, sum[p * c->vecs + j], K_fma, xs, wv[j], sum[p * c->vecs + j]);
				}
			}
		if (step != c->c)
			k_close(b);
	}
	if (!k_is_int(b, hi, &step) || step != 1)
		k_close(b);
	gen_forget_bases(z);
	for (int i = 0; o->acc && i < count * c->vecs; i++)
		k_store(b, o->acc, k_ix(b, i * c->lanes), sum[i]);
}

/* Epilogue of `count` pixels from ow0 on: a loop over the local buffer, or (count_known > 0: on GPUs, where
 * registers are many and local memory is slow) straight from the sums. */
static void
tile_finish(Body *o, Reg ow0, Reg count, int count_known)
{
	Gen *z = o->z;
	KBuild *b = z->b;
	const ConvShape *c = o->c;
	int64_t per_group = c->oc / c->groups, last = per_group - (ceil_div(per_group, c->pack) - 1) * c->pack;
	bool ragged = last != c->pack;          /* the last block has fewer channels (groups == 1 then) */
	Reg p = count_known ? k_ix(b, 0) : k_for(b, k_ix(b, 0), count, 1), oc0 = k_muli(b, o->ob, c->pack);

	for (int part = ragged && c->blocks == 1 ? 1 : 0; part < (ragged ? 2 : 1); part++) {
		if (ragged && c->blocks > 1) {
			if (part == 0)
				k_if(b, k_op(b, K_lt, o->ob, k_ix(b, c->blocks - 1), 0));
			else
				k_else(b);
		}
		gen_forget_bases(z);
		for (int i = 0; i < MAX(count_known, 1) * c->vecs; i++) {
			int j = i % c->vecs;
			int active = part == 0 ? c->lanes : (int)MIN(c->lanes, last - j * c->lanes);
			Coord at = { .vdim = 3, .lanes = c->lanes, .active = active };
			Reg sum;

			if (active <= 0)
				continue;
			at.r[0] = o->n;
			at.k[2] = i / c->vecs;
			at.r[1] = c->flat ? 0 : o->oh;
			at.r[2] = k_add(b, ow0, p);
			if (c->flat && !c->flat_out) {
				at.r[2] = k_addi(b, at.r[2], at.k[2]);
				at.k[2] = 0;
				at.r[1] = k_op(b, K_div, at.r[2], k_ix(b, c->row), 0);
				at.r[2] = k_sub(b, at.r[2], k_muli(b, at.r[1], c->row));
			}
			at.r[3] = oc0;
			at.k[3] = j * c->lanes;
			sum = count_known ? o->sum[i]
			    : k_load(b, o->acc, k_addi(b, k_muli(b, p, c->pack), j * c->lanes), c->lanes);
			if (c->bias)
				sum = k_add(b, sum, k_cast(b, KS_F32, k_load_part(b, gen_buf(z, c->bias),
					k_addi(b, oc0, j * c->lanes), c->lanes, active)));
			gen_finish(z, &at, sum);
		}
	}
	if (ragged && c->blocks > 1)
		k_close(b);
	if (!count_known)
		k_close(b);
	gen_forget_bases(z);
}

/* the tiles of one row, or of the part [lo, hi) of a flat one (tile numbers) */
static void
row_tiles(Body *o, Reg lo, Reg hi)
{
	Gen *z = o->z;
	KBuild *b = z->b;
	const ConvShape *c = o->c;
	int64_t tiles = ceil_div(c->ow, c->pixels), rest = c->ow - (tiles - 1) * c->pixels;
	/* a tile is in the middle if none of its pixels reaches past a border */
	int64_t left = 0, right = 0;
	Reg t, ow0, count;

	while (left < tiles && left * c->pixels * c->sw < c->pw)
		left++;
	while (right < tiles - left &&
	       (rest != c->pixels && right == 0 ? true :
	        ((tiles - right) * c->pixels - 1) * c->sw - c->pw + c->s - 1 >= c->w1))
		right++;
	bool gpu = o->tile != 0;
	int opened = 0;

	t = gpu ? o->tile : k_for(b, lo, hi, 1);
	ow0 = k_muli(b, t, c->pixels);
	count = k_var(b, kt(KS_IX, 1));
	k_mov_to(b, count, k_ix(b, c->pixels));

	for (int64_t i = 0; i < tiles; i++) {
		bool edge = i < left || i >= tiles - right;
		int width = (int)(i == tiles - 1 ? rest : c->pixels);

		if (!edge)
			continue;
		k_if(b, k_op(b, K_eq, t, k_ix(b, i), 0));
		tile_sums(o, ow0, i * c->pixels, width);
		if (gpu)
			tile_finish(o, ow0, 0, width);
		else if (width != c->pixels)
			k_mov_to(b, count, k_ix(b, width));
		k_else(b);
		opened++;
	}
	if (left + right < tiles) {
		tile_sums(o, ow0, -1, c->pixels);
		if (gpu)
			tile_finish(o, ow0, 0, c->pixels);
	}
	while (opened--)
		k_close(b);
	if (!gpu) {
		tile_finish(o, ow0, count, 0);
		k_close(b);
	}
}

/* The product sees all pictures as one list of pixels where their places allow it. */
static void
mma_shape(const Graph *g, uint32_t group, ConvShape *c)
{
	c->flat_out = gen_flattens(g, group, true);
	c->flat = conv_is_pointwise(c) && gen_is_flat(g, c->x, true);
	c->pack = 1;
}

bool
lower_conv(LowerCtx *cx, uint32_t group, LoweredList *out, const char **err)
{
	const Group *gr = &cx->g->group.p[group];
	const Node *n = graph_node(cx->g, gr->root);
	ConvShape c = conv_of(cx->g, gr);
	Gen gen, *z = &gen;
	Body o;
	KBuild *b;
	int64_t chunks, per_group, tasks_b;
	Reg task, lo, hi, row, tasks[3];

	if (!node_nhwc(n) || !attr_find(n, A_pack)) {
		*err = arena_printf(cx->a, "conv2d %%%u: the kernel needs layout=\"nhwc\" and packed weights; "
		                    "run the passes layout and tile", gr->root);
		return false;
	}
	if (attr_ints(n, A_dilation, 0, 1) != 1 || attr_ints(n, A_dilation, 1, 1) != 1) {
		*err = arena_printf(cx->a, "conv2d %%%u: no kernel for dilation", gr->root);
		return false;
	}
	if (gr->ntile != T_COUNT) {
		int32_t tile[TILE_MAX];

		mma_shape(cx->g, group, &c);
		memcpy(tile, gr->tile, sizeof tile);
		bool warpgroups = tile[CONV_TILE - 1] == CONV_WGMMA || tile[CONV_TILE - 1] == CONV_SQUARES;

		if (warpgroups && conv_wgmma_place(cx->g, &c, gr))
			return lower_conv_wgmma(cx, group, &c, tile, out);
		if (warpgroups)
			best_tile(&c, cx->target, cx->g, false, tile);
		if (tile[CONV_TILE - 1] == CONV_PATCH)
			return lower_conv_patch(cx, group, &c, tile, out);
		return lower_conv_mma(cx, group, &c, tile, out);
	}
	if (c.mean) {
		*err = arena_printf(cx->a, "conv2d %%%u: only kernels for matrix units take a mean", gr->root);
		return false;
	}
	c.lanes = gr->tile[T_LANES];
	c.vecs = gr->tile[T_VECS];
	c.pixels = gr->tile[T_PIXELS];
	c.rows = gr->tile[T_ROWS];
	c.blocks_a_task = gr->tile[T_BLOCKS];
	c.pack = attr_int(n, A_pack, 0);
	c.blocks = graph_node(cx->g, c.w)->type.dim[0];
	c.flat_out = gen_flattens(cx->g, group, false);
	c.flat = conv_is_pointwise(&c) && (c.flat_out || graph_node(cx->g, c.x)->group != group) &&
		gen_is_flat(cx->g, c.x, false);
	c.row = c.ow;
	if (c.flat) {
		c.ow *= c.oh, c.w1 = c.ow;
		c.oh = c.h = 1;
	} else if (c.pixels > c.ow) {
		c.pixels = (int)c.ow;
	}
	gen_begin(z, cx, group, arena_printf(cx->a, "conv%" PRId64 "x%" PRId64 "s%" PRId64 "_%" PRId64
		"_%" PRId64 "_%" PRId64, c.r, c.s, c.sh, c.c * c.groups, c.oc, c.flat ? 0 : c.ow));
	b = z->b;
	o = (Body){ .z = z, .c = &c, .bw = gen_buf(z, c.w) };
	o.prologue = gen_node(z, c.x)->group == group && gen_node(z, c.x)->keep == KEEP_GROUP;
	if (!o.prologue)
		o.bx = gen_buf(z, c.x);
	else
		o.bytes = stem_bytes(z, &c);
	if (c.bias)
		gen_buf(z, c.bias);
	per_group = c.blocks / c.groups;
	if (gen_gpu(cx)) {
		/* a thread makes one tile of one block of channels; blocks run fastest */
		int64_t tiles = ceil_div(c.ow, c.pixels);

		gen_tasks(z, c.blocks, tiles, c.oh * c.n, tasks);
		o.ob = tasks[0];
		o.tile = tasks[1];
		o.n = c.n > 1 ? k_op(b, K_div, tasks[2], k_ix(b, c.oh), 0) : k_ix(b, 0);
		o.oh = k_sub(b, tasks[2], k_muli(b, o.n, c.oh));
		o.chan = c.groups > 1 ? k_muli(b, k_op(b, K_div, o.ob, k_ix(b, per_group), 0), c.c) : k_ix(b, 0);
		row_tiles(&o, 0, 0);
		gen_end(z, out);
		return true;
	}
	o.acc = k_buffer(b, "sum", KSPACE_LOCAL, DT_F32, c.pixels * c.pack);
	k_align(b, o.acc, 64);

	chunks = c.flat ? ceil_div(ceil_div(c.ow, c.pixels), c.rows) : ceil_div(c.oh, c.rows);
	tasks_b = c.groups > 1 ? c.groups : ceil_div(c.blocks, c.blocks_a_task);
	gen_tasks(z, chunks, tasks_b, c.n, tasks);
	o.n = tasks[2];
	row = k_muli(b, tasks[0], c.rows);
	task = tasks[1];
	if (c.groups > 1) {
		o.chan = k_muli(b, task, c.c);
		lo = k_muli(b, task, per_group);
		hi = k_addi(b, lo, per_group);
	} else {
		o.chan = k_ix(b, 0);
		lo = k_muli(b, task, c.blocks_a_task);
		hi = k_op(b, K_min, k_ix(b, c.blocks), k_addi(b, lo, c.blocks_a_task), 0);
	}
	o.ob = k_for(b, lo, hi, 1);
	if (c.flat) {
		o.oh = k_ix(b, 0);
		row_tiles(&o, row, k_op(b, K_min, k_addi(b, row, c.rows),
			k_ix(b, ceil_div(c.ow, c.pixels)), 0));
	} else {
		o.oh = k_for(b, row, k_op(b, K_min, k_addi(b, row, c.rows), k_ix(b, c.oh), 0), 1);
		row_tiles(&o, k_ix(b, 0), k_ix(b, ceil_div(c.ow, c.pixels)));
		k_close(b);
	}
	k_close(b);
	gen_end(z, out);
	return true;
}
