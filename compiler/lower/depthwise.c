/* depthwise.c -- convolution with one input channel for each output channel, on NHWC.
 *
 * Lanes run along channels, and P neighbouring pixels of a row share what they load:
 *
 *     for block of channels, row oh, tile of P pixels
 *       acc[p] = 0
 *       for kh with its row inside the picture
 *         w[kw] = kernel row
 *         for column i of the P * s + S - s that the tile sees           (unrolled)
 *           acc[p] += x[row][i] * w[i - p * s]  for each p that sees it
 *       epilogue(acc + bias)
 *
 * so with stride 1 each input is loaded once for S products.  Borders as in conv.c:
 * the first and the last tiles of a row are bodies of their own, without the products
 * that fall outside.
 *
 * On GPUs in half precision, where there are blocks enough, depthwise_patch.c takes over.
 *
 * tile = { lanes, P, rows a task (0: GPU, kernel rows written out) }; packed weights: [block][R][S][1][lanes]
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower/depthwise.h"

enum { T_LANES, T_PIXELS, T_ROWS, T_COUNT };

void
choose_depthwise(Arena *a, const Graph *g, const Target *t, Group *gr, int *pack)
{
	const Node *n = graph_node(g, gr->root), *w = graph_node(g, n->arg[1]);
	int64_t oc = n->type.dim[3], ow = n->type.dim[2], s = w->type.dim[3];
	int lanes = target_lanes(t), most;

	(void)a;
	if (depthwise_patch_choose(g, t, gr, pack))
		return;
	while (lanes > 4 && oc <= lanes / 2)
		lanes /= 2;
	/* sums, a row of weights, and an input */
	most = (int)MAX(1, MIN(12, t->vector_regs - s - 2));
	gr->ntile = T_COUNT;
	gr->tile[T_LANES] = lanes;
	gr->tile[T_PIXELS] = (int32_t)MIN(ow, most);
	for (int p = most; p > most / 2; p--)
		if (ow % p == 0) {
			gr->tile[T_PIXELS] = p;
			break;
		}
	gr->tile[T_ROWS] = (int32_t)MAX(1, ceil_div(n->type.dim[1], 8));
	if (t->kind == TARGET_GPU) {
		/* a thread's tile is small enough for a few hundred threads on each multiprocessor; with
		 * fewer than that, latency is what counts, and all loads go out together (T_ROWS 0) */
		int64_t outputs = type_count(&n->type), enough = 300 * t->sms;
		int p = ow % 5 == 0 ? 5 : 4;

		lanes = MIN(lanes, 4);
		gr->tile[T_ROWS] = outputs / lanes / p < enough ? 0 : 1;
		while (p > 1 && outputs / lanes / p < enough)
			p = p > 2 ? 2 : 1;
		gr->tile[T_LANES] = lanes;
		gr->tile[T_PIXELS] = (int32_t)MIN(ow, p);
	}
	*pack = lanes;
}

typedef struct Body {
	Gen *z;
	const Node *x;
	uint32_t bx, bw;
	Val bias;
	int64_t h, w, oh, ow, oc, r, s, sh, sw, ph, pw;
	int lanes, pixels;
	Reg n, row, block;      /* picture, output row, block of channels */
	bool unroll;            /* rows of the kernel are written out */
	Reg tile;               /* number of the tile in its row if that is a task's; 0: all of them */
} Body;

/* a vector of x; zeros where `there` (0: always) does not hold */
static Reg
input(Body *o, Reg at, int active, Reg there)
{
	KBuild *b = o->z->b;
	Reg x;

	if (!there)
		return k_cast(b, KS_F32, k_load_part(b, o->bx, at, o->lanes, active));
	if (active == o->lanes)
		return k_cast(b, KS_F32, k_load_if(b, o->bx, at, o->lanes, there));
	x = k_cast(b, KS_F32, k_load_part(b, o->bx, k_select(b, there, at, k_ix(b, 0)), o->lanes, active));
	return k_select(b, there, x, k_real(b, kt(KS_F32, o->lanes), 0));
}

/* sum[p] += what row kh of the kernel gives for the tile */
static void
row_products(Body *o, Reg kh, Reg row, Reg there, Reg ow0, int64_t first, int count, int active, const Reg *sum)
{
	KBuild *b = o->z->b;
	const int64_t *st = o->x->place.stride;
	int64_t to = (count - 1) * o->sw - o->pw + o->s;
	Reg *wv = NEWN(o->z->a, Reg, (size_t)o->s), at, wat;

	at = k_add(b, k_muli(b, o->n, st[0]), k_muli(b, k_add(b, row, kh), st[1]));
	at = k_add(b, at, k_muli(b, ow0, o->sw * st[2]));
	at = k_add(b, at, k_muli(b, o->block, o->lanes * st[3]));
	wat = k_muli(b, k_add(b, k_muli(b, o->block, o->r), kh), o->s * o->lanes);
	for (int64_t kw = 0; kw < o->s; kw++)
		wv[kw] = k_cast(b, KS_F32, k_load(b, o->bw, k_addi(b, wat, kw * o->lanes), o->lanes));
	for (int64_t i = -o->pw; i < to; i++) {
		Reg xv = 0;

		if (first >= 0 && (first * o->sw + i < 0 || first * o->sw + i >= o->w))
			continue;
		for (int p = 0; p < count; p++) {
			int64_t kw = i - (p * o->sw - o->pw);

			if (kw < 0 || kw >= o->s)
				continue;
			if (!xv)
				xv = input(o, k_addi(b, at, i * st[2]), active, there);
			k_op_to(b, sum[p], K_fma, xv, wv[kw], sum[p]);
		}
	}
}

/* One tile of `count` pixels.  first: static first pixel, or -1 = away from borders, at ow0. */
static void
tile(Body *o, Reg ow0, int64_t first, int count, int active)
{
	Gen *z = o->z;
	KBuild *b = z->b;
	KType vt = kt(KS_F32, o->lanes);
	Reg *sum = NEWN(z->a, Reg, (size_t)count), zero = k_real(b, vt, 0), row, lo, hi;
	Reg c0 = k_muli(b, o->block, o->lanes);

	for (int p = 0; p < count; p++) {
		sum[p] = k_var(b, vt);
		k_mov_to(b, sum[p], zero);
	}
	row = k_addi(b, k_muli(b, o->row, o->sh), -o->ph);
	lo = k_op(b, K_max, k_ix(b, 0), k_sub(b, k_ix(b, 0), row), 0);
	hi = k_op(b, K_min, k_ix(b, o->r), k_sub(b, k_ix(b, o->h), row), 0);
	if (o->unroll) {
		/* all rows of the kernel are written out, so that all their loads are under way
		 * together; rows outside the picture are zeros without a load. */
		for (int64_t u = 0; u < o->r; u++)
			row_products(o, k_ix(b, u), row, k_op(b, K_and, k_op(b, K_le, lo, k_ix(b, u), 0),
				k_op(b, K_lt, k_ix(b, u), hi, 0), 0), ow0, first, count, active, sum);
	} else {
		row_products(o, k_for(b, lo, hi, 1), row, 0, ow0, first, count, active, sum);
		k_close(b);
	}
	gen_forget_bases(z);
	for (int p = 0; p < count; p++) {
		Coord c = { .vdim = 3, .lanes = o->lanes, .active = active };
		Reg x = sum[p];

		c.r[0] = o->n, c.r[1] = o->row, c.r[2] = ow0, c.k[2] = p, c.r[3] = c0;
		if (o->bias)
			x = k_add(b, x, k_cast(b, KS_F32, k_load_part(b, gen_buf(z, o->bias), c0, o->lanes, active)));
		gen_finish(z, &c, x);
	}
	gen_forget_bases(z);
}

static void
row_tiles(Body *o, int active)
{
	KBuild *b = o->z->b;
	int64_t tiles = ceil_div(o->ow, o->pixels), rest = o->ow - (tiles - 1) * o->pixels;
	int64_t left = 0, right = 0;
	int opened = 0;
	Reg t, ow0;

	while (left < tiles && left * o->pixels * o->sw < o->pw)
		left++;
	while (right < tiles - left &&
	       ((right == 0 && rest != o->pixels) ||
	        ((tiles - right) * o->pixels - 1) * o->sw - o->pw + o->s - 1 >= o->w))
		right++;
	t = o->tile ? o->tile : k_for(b, k_ix(b, 0), k_ix(b, tiles), 1);
	ow0 = k_muli(b, t, o->pixels);
	for (int64_t i = 0; i < tiles; i++) {
		if (i >= left && i < tiles - right)
			continue;
		k_if(b, k_op(b, K_eq, t, k_ix(b, i), 0));
		tile(o, ow0, i * o->pixels, (int)(i == tiles - 1 ? rest : o->pixels), active);
		k_else(b);
		opened++;
	}
	if (left + right < tiles)
		tile(o, ow0, -1, o->pixels, active);
	while (opened--)
		k_close(b);
	if (!o->tile)
		k_close(b);
}

bool
lower_depthwise(LowerCtx *cx, uint32_t group, LoweredList *out, const char **err)
{
	const Group *gr = &cx->g->group.p[group];
	const Node *n = graph_node(cx->g, gr->root);
	const Node *x = graph_node(cx->g, n->arg[0]), *w = graph_node(cx->g, n->arg[1]);
	Gen gen, *z = &gen;
	KBuild *b;
	Body o;
	int64_t rows = gr->tile[T_ROWS], chunks, blocks, last;
	Reg row0, task[3];

	if (!node_nhwc(n) || !attr_find(n, A_pack)) {
		*err = arena_printf(cx->a, "conv2d %%%u: the kernel needs layout=\"nhwc\" and packed weights; "
		                    "run the passes layout and tile", gr->root);
		return false;
	}
	if (attr_ints(n, A_dilation, 0, 1) != 1 || attr_ints(n, A_dilation, 1, 1) != 1) {
		*err = arena_printf(cx->a, "conv2d %%%u: no kernel for dilation", gr->root);
		return false;
	}
	if (x->place.stride[3] != 1 && x->type.dim[3] > 1) {
		*err = arena_printf(cx->a, "conv2d %%%u: depthwise needs channels side by side", gr->root);
		return false;
	}
	if (gr->ntile == DEPTHWISE_PATCH_TILE)
		return lower_depthwise_patch(cx, group, out);
	o = (Body){
		.z = z, .x = x, .bias = n->narg > 2 ? n->arg[2] : 0,
		.h = x->type.dim[1], .w = x->type.dim[2],
		.oh = n->type.dim[1], .ow = n->type.dim[2], .oc = n->type.dim[3],
		.r = w->type.dim[1], .s = w->type.dim[2],
		.sh = attr_ints(n, A_stride, 0, 1), .ph = attr_ints(n, A_pad, 0, 0),
		.lanes = gr->tile[T_LANES], .pixels = gr->tile[T_PIXELS],
	};
	o.unroll = rows == 0;
	rows = MAX(rows, 1);
	o.sw = attr_ints(n, A_stride, 1, o.sh);
	o.pw = attr_ints(n, A_pad, 1, o.ph);
	gen_begin(z, cx, group, arena_printf(cx->a, "depthwise%" PRId64 "x%" PRId64 "s%" PRId64 "_%" PRId64
		"_%" PRId64, o.r, o.s, o.sh, o.oc, o.ow));
	b = z->b;
	o.bx = gen_buf(z, n->arg[0]);
	o.bw = gen_buf(z, n->arg[1]);
	chunks = ceil_div(o.oh, rows);
	blocks = w->type.dim[0];
	last = o.oc - (blocks - 1) * o.lanes;
	if (gen_gpu(cx)) {
		/* a thread makes one tile of one row; channels run fastest */
		int64_t tiles = ceil_div(o.ow, o.pixels);

		gen_tasks(z, blocks, tiles, o.oh * n->type.dim[0], task);
		o.block = task[0];
		o.tile = task[1];
		o.n = n->type.dim[0] > 1 ? k_op(b, K_div, task[2], k_ix(b, o.oh), 0) : k_ix(b, 0);
		row0 = k_sub(b, task[2], k_muli(b, o.n, o.oh));
	} else {
		gen_tasks(z, chunks, blocks, n->type.dim[0], task);
		o.n = task[2];
		o.block = task[1];
		row0 = k_muli(b, task[0], rows);
	}
	o.row = k_for(b, row0, k_op(b, K_min, k_addi(b, row0, rows), k_ix(b, o.oh), 0), 1);
	if (last == o.lanes) {
		row_tiles(&o, o.lanes);
	} else if (blocks == 1) {
		row_tiles(&o, (int)last);
	} else {
		k_if(b, k_op(b, K_lt, o.block, k_ix(b, blocks - 1), 0));
		row_tiles(&o, o.lanes);
		k_else(b);
		row_tiles(&o, (int)last);
		k_close(b);
	}
	k_close(b);
	gen_end(z, out);
	return true;
}
