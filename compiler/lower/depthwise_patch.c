/* depthwise_patch.c -- depthwise convolution on GPUs in half precision: a patch in shared memory, weights in registers.
 *
 *     patch   [TH + R - 1][TW + S - 1][channels]   by asynchronous copies, zeros outside the picture
 *     thread  2 channels of ROWS x COLUMNS output pixels: all weights of its channels and its sums in registers
 *
 *     for each row of the patch that the thread sees                     (unrolled)
 *       x[i] = its COLUMNS + S - 1 pixels
 *       sum[row][p] += x[p + kw] * w[kh][kw]   for each of its rows that the patch's row meets
 *
 * so an input is read once for R * S * ROWS * COLUMNS / ((ROWS + R - 1) (COLUMNS + S - 1)) products: 6 of a 5x5
 * filter's, where depthwise.c has 2.8 and waits for each row of the filter anew.  A warp's lanes are neighbouring
 * channels, which neither meet in a bank nor waste a part of a sector.
 *
 * tile = { channels, TH, TW, 0, 1 }; packed weights: [block][R][S][1][channels]
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower/depthwise.h"

enum { ROWS = 4, COLUMNS = 4, LANES = 2, THREADS_MOST = 192, BLOCK_MOST = 64 };

typedef struct Depth {
	Gen *z;
	KBuild *b;
	const Node *x;
	Val bias;
	int64_t n, h, w, oh, ow, r, s, ph, pw, c;
	int channels, th, tw;
	int64_t patch_h, patch_w;
	uint32_t bx, bw, sx;
} Depth;

/* of 16 bits, stride 1; channels in pieces of 16 bytes */
static bool
fits(const Node *n, const Node *x, const Node *w, const Target *t)
{
	return t->kind == TARGET_GPU && t->has & GPU_CP_ASYNC && (x->type.dt == DT_F16 || x->type.dt == DT_BF16) &&
	       attr_ints(n, A_stride, 0, 1) == 1 && attr_ints(n, A_stride, 1, 1) == 1 && x->type.dim[3] % 8 == 0 &&
	       w->type.dim[2] <= 7 && w->type.dim[3] <= 7;
}

bool
depthwise_patch_choose(const Graph *g, const Target *t, Group *gr, int *pack)
{
	const Node *n = graph_node(g, gr->root), *x = graph_node(g, n->arg[0]), *w = graph_node(g, n->arg[1]);
	int64_t oh = n->type.dim[1], ow = n->type.dim[2], c = n->type.dim[3], r, s, blocks;
	double best = 1e30;
	int channels = 8, few;

	if (!fits(n, x, w, t))
		return false;
	r = w->type.dim[2], s = w->type.dim[3];
	for (int k = 8; k <= BLOCK_MOST; k += 8)
		if (c % k == 0)
			channels = k;
	for (int th = ROWS; th <= 16; th += ROWS)
		for (int tw = COLUMNS; tw <= 32; tw += COLUMNS) {
			int threads = channels / LANES * (th / ROWS) * (tw / COLUMNS);
			double area = (double)(ceil_div(oh, th) * th * ceil_div(ow, tw) * tw), cost;

			/* work past the border, and what is copied twice */
			cost = area * (3 + (double)((th + r - 1) * (tw + s - 1)) / (th * tw));
			if (threads > THREADS_MOST || (th > ROWS && threads < 64))
				continue;
			if (threads < 96)
				cost *= 1.2;
			if (cost < best) {
				best = cost;
				gr->tile[1] = th, gr->tile[2] = tw;
			}
		}
	/* Larger filters take longer to multiply than to read, and depthwise.c is as fast where it has threads enough and no
	 * faster with too few tiles.  H100, 5x5, us a launch, there and here: 32x40x40x64 20 and 14, 32x20x20x128 10.0
	 * and 10.7, 32x40x40x384 64 and 77. */
	few = r * s > 9 ? 4 : 2;
	if (r * s > 9 && type_count(&n->type) > 4000000)
		return false;
	blocks = n->type.dim[0] * ceil_div(oh, gr->tile[1]) * ceil_div(ow, gr->tile[2]) * (c / channels);
	if (best == 1e30 || blocks < few * t->sms)        /* so few that latency counts: depthwise.c cuts finer */
		return false;
	gr->tile[0] = channels;
	gr->tile[3] = 0;
	gr->tile[4] = 1;
	gr->ntile = DEPTHWISE_PATCH_TILE;
	*pack = channels;
	return true;
}

/* the patch whose first pixel is (y, x) of picture n, channels from ch on */
static void
copy_patch(Depth *d, Reg tid, int threads, Reg n, Reg y, Reg x, Reg ch)
{
	KBuild *b = d->b;
	const int64_t *st = d->x->place.stride;
	int64_t piece = 8, pieces, items, turns;
	Reg first = tid, at;

	/* as much at a time as its place allows */
	while (piece > 1 && (st[0] % piece || st[1] % piece || st[2] % piece || d->x->place.offset % piece))
		piece /= 2;
	pieces = d->channels / piece;
	items = d->patch_h * d->patch_w * pieces;
	turns = ceil_div(items, threads);
	at = k_add(b, k_muli(b, n, st[0]), k_add(b, k_muli(b, y, st[1]), k_add(b, k_muli(b, x, st[2]), ch)));
	if (turns > 24) {
		first = k_for(b, tid, k_ix(b, items), threads);
		turns = 1;
	}
	for (int64_t i = 0; i < turns; i++) {
		Reg item = k_addi(b, first, i * threads), pixel = k_op(b, K_div, item, k_ix(b, pieces), 0), row, col, part, ok, from;
		bool some = turns > 1 && (i + 1) * threads > items;

		if (some)
			k_if(b, k_op(b, K_lt, item, k_ix(b, items), 0));
		part = k_muli(b, k_sub(b, item, k_muli(b, pixel, pieces)), piece);
		row = k_op(b, K_div, pixel, k_ix(b, d->patch_w), 0);
		col = k_sub(b, pixel, k_muli(b, row, d->patch_w));
		from = k_add(b, at, k_add(b, k_muli(b, row, st[1]), k_add(b, k_muli(b, col, st[2]), part)));
		row = k_add(b, row, y);
		col = k_add(b, col, x);
		ok = k_op(b, K_and, gen_inside(b, row, d->h), gen_inside(b, col, d->w), 0);
		if (piece > 1)
			k_cp_async(b, d->sx, k_muli(b, item, piece), d->bx, from, (int)piece, ok);
		else
			k_store(b, d->sx, item, k_load_if(b, d->bx, from, 1, ok));
		if (some)
			k_close(b);
	}
	if (first != tid)
		k_close(b);
	k_sync(b, K_cp_commit, 0);
}

bool
lower_depthwise_patch(LowerCtx *cx, uint32_t group, LoweredList *out)
{
	const Group *gr = &cx->g->group.p[group];
	const Node *n = graph_node(cx->g, gr->root), *w = graph_node(cx->g, n->arg[1]);
	Gen gen, *z = &gen;
	Depth depth = {
		.z = z, .x = graph_node(cx->g, n->arg[0]), .bias = n->narg > 2 ? n->arg[2] : 0, .n = n->type.dim[0],
		.oh = n->type.dim[1], .ow = n->type.dim[2], .c = n->type.dim[3], .r = w->type.dim[1], .s = w->type.dim[2],
		.ph = attr_ints(n, A_pad, 0, 0), .channels = gr->tile[0], .th = gr->tile[1], .tw = gr->tile[2],
	}, *d = &depth;
	int pairs = d->channels / LANES, across = d->tw / COLUMNS, threads = pairs * across * (d->th / ROWS);
	int64_t ty = ceil_div(d->oh, d->th), tx = ceil_div(d->ow, d->tw), blocks = d->c / d->channels;
	Reg tid, at, pair, strip, pic, y0, x0, ch, from, sum[ROWS][COLUMNS], wv[7][7], zero;
	KBuild *b;

	d->pw = attr_ints(n, A_pad, 1, d->ph);
	d->h = d->x->type.dim[1], d->w = d->x->type.dim[2];
	d->patch_h = d->th + d->r - 1, d->patch_w = d->tw + d->s - 1;
	gen_begin(z, cx, group, arena_printf(cx->a, "depthwise%" PRId64 "x%" PRId64 "s1_%" PRId64 "_%" PRId64 "_p%dx%dx%d",
		d->r, d->s, d->c, d->ow, d->th, d->tw, d->channels));
	b = d->b = z->b;
	d->bx = gen_buf(z, n->arg[0]);
	d->bw = gen_buf(z, n->arg[1]);
	d->sx = k_buffer(b, "sx", KSPACE_SHARED, d->x->type.dt, d->patch_h * d->patch_w * d->channels);
	k_align(b, d->sx, 128);
	k_threads(b, threads, 1, 1);
	k_grid(b, blocks * ty * tx * d->n, 1, 1);
	tid = k_axis(b, KAXIS_THREAD_X);
	strip = k_op(b, K_div, tid, k_ix(b, pairs), 0);
	pair = k_muli(b, k_sub(b, tid, k_muli(b, strip, pairs)), LANES);
	at = k_axis(b, KAXIS_BLOCK_X);
	y0 = k_op(b, K_div, at, k_ix(b, blocks), 0);
	ch = k_sub(b, at, k_muli(b, y0, blocks));
	/* weights don't depend on the kernel before this one: they come while it still runs */
	from = k_add(b, k_muli(b, ch, d->r * d->s * d->channels), pair);
	for (int64_t kh = 0; kh < d->r; kh++)
		for (int64_t kw = 0; kw < d->s; kw++)
			wv[kh][kw] = k_cast(b, KS_F32, k_load(b, d->bw, k_addi(b, from, (kh * d->s + kw) * d->channels), LANES));
	ch = k_muli(b, ch, d->channels);
	pic = k_op(b, K_div, y0, k_ix(b, tx), 0);
	x0 = k_muli(b, k_sub(b, y0, k_muli(b, pic, tx)), d->tw);
	y0 = pic;
	pic = d->n > 1 ? k_op(b, K_div, y0, k_ix(b, ty), 0) : k_ix(b, 0);
	y0 = k_muli(b, k_sub(b, y0, k_muli(b, pic, ty)), d->th);
	k_sync(b, K_grid_wait, 0);
	copy_patch(d, tid, threads, pic, k_addi(b, y0, -d->ph), k_addi(b, x0, -d->pw), ch);
	k_sync(b, K_cp_wait, 0);
	k_sync(b, K_barrier, 0);

	zero = k_real(b, kt(KS_F32, LANES), 0);
	for (int i = 0; i < ROWS * COLUMNS; i++)
		k_mov_to(b, sum[i / COLUMNS][i % COLUMNS] = k_var(b, kt(KS_F32, LANES)), zero);
	at = k_op(b, K_div, strip, k_ix(b, across), 0);         /* of the rows */
	strip = k_sub(b, strip, k_muli(b, at, across));
	from = k_add(b, k_muli(b, at, ROWS * d->patch_w), k_muli(b, strip, COLUMNS));
	from = k_add(b, k_muli(b, from, d->channels), pair);
	for (int64_t row = 0; row < ROWS + d->r - 1; row++) {
		Reg x[COLUMNS + 6];

		for (int64_t i = 0; i < COLUMNS + d->s - 1; i++)
			x[i] = k_cast(b, KS_F32, k_load(b, d->sx, k_addi(b, from, (row * d->patch_w + i) * d->channels), LANES));
		for (int64_t o = MAX(0, row - d->r + 1); o <= MIN(row, ROWS - 1); o++)
			for (int64_t kw = 0; kw < d->s; kw++)
				for (int p = 0; p < COLUMNS; p++)
					k_op_to(b, sum[o][p], K_fma, x[p + kw], wv[row - o][kw], sum[o][p]);
	}

	Coord c = { .r = { pic, k_add(b, y0, k_muli(b, at, ROWS)), k_add(b, x0, k_muli(b, strip, COLUMNS)), k_add(b, ch, pair) },
		.vdim = 3, .lanes = LANES, .active = LANES };

	gen_forget_bases(z);
	for (int i = 0; i < ROWS * COLUMNS; i++) {
		Reg there = 0, x = sum[i / COLUMNS][i % COLUMNS];

		c.k[1] = i / COLUMNS;
		c.k[2] = i % COLUMNS;
		if (d->oh % d->th)
			there = k_op(b, K_lt, k_addi(b, c.r[1], c.k[1]), k_ix(b, d->oh), 0);
		if (d->ow % d->tw) {
			Reg in = k_op(b, K_lt, k_addi(b, c.r[2], c.k[2]), k_ix(b, d->ow), 0);

			there = there ? k_op(b, K_and, there, in, 0) : in;
		}
		if (there) {
			k_if(b, there);
			gen_forget_bases(z);
		}
		if (d->bias)
			x = k_add(b, x, k_cast(b, KS_F32, k_load(b, gen_buf(z, d->bias), c.r[3], LANES)));
		gen_finish(z, &c, x);
		if (there) {
			k_close(b);
			gen_forget_bases(z);
		}
	}
	gen_end(z, out);
	return true;
}
