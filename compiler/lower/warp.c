/* warp.c -- a picture of any size scaled and centred in a frame, 8 bit to 8 bit, with
 * the arithmetic of OpenCV's bilinear resize (yolov12.md 3.3): positions in double and
 * then float, weights in 11-bit fixed point, two passes with their own roundings.  Bit
 * for bit what graph/eval computes.
 *
 * A task makes some rows.  Source columns and weights depend on the column alone, so the
 * task first tabulates them; a row then costs four loads and six products a sample.
 *
 * On a GPU a thread makes four pixels side by side, three stores of 4 bytes.  Both scales are divisions in double,
 * of which a multiprocessor does few: two threads of a block make them for all.
 *
 * tile = { rows a task }
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower/gen.h"

void
choose_warp(Arena *a, const Graph *g, const Target *t, Group *gr, int *pack)
{
	(void)a, (void)t, (void)pack;
	gr->ntile = 1;
	gr->tile[0] = (int32_t)MAX(1, ceil_div(graph_node(g, gr->root)->type.dim[1], 16));
}


/* position d (an index from 0) on an axis scaled by `scale`: f32 floor and fraction */
static void
position(KBuild *b, Reg d, Reg scale, Reg *whole, Reg *fraction)
{
	KType t = kt(KS_F64, 1);
	Reg f = k_cast(b, KS_F64, d), down;

	f = k_sub(b, k_mul(b, k_add(b, f, k_real(b, t, 0.5)), scale), k_real(b, t, 0.5));
	f = k_cast(b, KS_F32, f);
	down = k_op(b, K_floor, f, 0, 0);
	*whole = k_cast(b, KS_IX, down);
	*fraction = k_sub(b, f, down);
}

static Reg
weight(KBuild *b, Reg f)
{
	return k_cast(b, KS_I32, k_op(b, K_round, k_mul(b, f, k_real(b, kt(KS_F32, 1), 2048)), 0, 0));
}

/* left (or upper) of the two source columns (rows) at d, and both weights.  Columns end at the border,
 * where the weights become 1 and 0; rows keep their weights and are cut when they are read. */
static void
neighbours(KBuild *b, Reg d, Reg scale, Reg size, bool column, Reg *whole, Reg *w0, Reg *w1)
{
	KType f32 = kt(KS_F32, 1);
	Reg f, out, last = k_addi(b, size, -1);

	position(b, d, scale, whole, &f);
	for (int side = 0; column && side < 2; side++) {
		Reg to = side ? last : k_ix(b, 0);

		out = side ? k_op(b, K_le, last, *whole, 0) : k_op(b, K_lt, *whole, to, 0);
		f = k_select(b, out, k_real(b, f32, 0), f);
		*whole = k_select(b, out, to, *whole);
	}
	*w0 = weight(b, k_sub(b, k_real(b, f32, 1), f));
	*w1 = weight(b, f);
}

/* the sample of one channel: rows at row0, row1, columns at l, r (element indices) */
static Reg
sample(KBuild *b, uint32_t pic, const Reg row[2], Reg l, Reg r, int c, Reg w0, Reg w1, Reg b0, Reg b1)
{
	Reg v[2];

	for (int d = 0; d < 2; d++) {
		Reg p0 = k_cast(b, KS_I32, k_load(b, pic, k_addi(b, k_add(b, row[d], l), c), 1));
		Reg p1 = k_cast(b, KS_I32, k_load(b, pic, k_addi(b, k_add(b, row[d], r), c), 1));
		Reg t = k_add(b, k_mul(b, p0, w0), k_mul(b, p1, w1));

		t = k_op(b, K_shr, t, k_int(b, KS_I32, 4), 0);
		v[d] = k_op(b, K_shr, k_mul(b, d ? b1 : b0, t), k_int(b, KS_I32, 16), 0);
	}
	v[0] = k_addi(b, k_add(b, v[0], v[1]), 2);
	return k_cast(b, KS_U8, k_op(b, K_shr, v[0], k_int(b, KS_I32, 2), 0));
}

/* Of a picture in a frame: 0: rows, 1: columns */
typedef struct Warp {
	uint32_t pic, fit, dims, y;
	Reg src[2], new_[2], at0[2], scale[2];
} Warp;

/* `pixels` of them from (oy, ox) on; three bytes a pixel, no gap between pixels unless there is one of them */
static void
put_pixels(KBuild *b, const Warp *w, Reg oy, Reg ox, int pixels, Reg fill, const int64_t *st)
{
	Reg in_y = k_sub(b, oy, w->at0[0]), in_x = k_sub(b, ox, w->at0[1]), zero = k_ix(b, 0), row[2], whole, b0, b1, inside;
	Reg last = k_addi(b, w->src[1], -1), at = k_add(b, k_muli(b, oy, st[1]), k_muli(b, ox, st[2])), sum[12];

	inside = k_op(b, K_and, k_op(b, K_le, zero, in_y, 0), k_op(b, K_lt, in_y, w->new_[0], 0), 0);
	inside = k_op(b, K_and, inside, k_op(b, K_and, k_op(b, K_lt, zero, k_addi(b, in_x, pixels), 0),
	              k_op(b, K_lt, in_x, w->new_[1], 0), 0), 0);
	k_if(b, inside);
	neighbours(b, in_y, w->scale[0], w->src[0], false, &whole, &b0, &b1);
	for (int d = 0; d < 2; d++) {
		Reg r = k_op(b, K_max, k_addi(b, whole, d), zero, 0);

		row[d] = k_mul(b, k_op(b, K_min, r, k_addi(b, w->src[0], -1), 0), k_muli(b, w->src[1], 3));
	}
	for (int i = 0; i < pixels; i++) {
		Reg x = k_addi(b, in_x, i), w0, w1, l, r, ok;

		/* columns are held inside, so those beside the picture can be read, too */
		neighbours(b, x, w->scale[1], w->src[1], true, &whole, &w0, &w1);
		l = k_muli(b, whole, 3);
		r = k_muli(b, k_op(b, K_min, k_addi(b, whole, 1), last, 0), 3);
		ok = k_op(b, K_and, k_op(b, K_le, zero, x, 0), k_op(b, K_lt, x, w->new_[1], 0), 0);
		for (int c = 0; c < 3; c++) {
			sum[3 * i + c] = sample(b, w->pic, row, l, r, c, w0, w1, b0, b1);
			if (pixels > 1)
				sum[3 * i + c] = k_select(b, ok, sum[3 * i + c], fill);
		}
	}
	for (int part = 0; part < 2; part++) {
		for (int i = 0; i < 3 * pixels; i += 4) {
			const Reg *s = &sum[i];

			if (pixels > 1)
				k_store(b, w->y, k_addi(b, at, i), part ? k_splat(b, 4, fill) :
				        k_join(b, k_join(b, s[0], s[1]), k_join(b, s[2], s[3])));
			for (int c = 0; pixels == 1 && c < 3; c++)
				k_store(b, w->y, k_addi(b, at, c * st[3]), part ? fill : s[c]);
		}
		if (part)
			k_close(b);
		else
			k_else(b);
	}
}

static void
warp_gpu(KBuild *b, Warp *w, int64_t height, int64_t width, Reg fill, const int64_t *st)
{
	enum { THREADS = 128 };
	KType f64 = kt(KS_F64, 1);
	int pixels = width % 4 == 0 && st[2] == 3 && st[3] == 1 ? 4 : 1;
	int64_t items = height * (width / pixels);
	uint32_t scale = k_buffer(b, "scale", KSPACE_SHARED, DT_F64, 2);
	Reg tid, item, row, size, zero = k_ix(b, 0);

	k_threads(b, THREADS, 1, 1);
	k_grid(b, ceil_div(items, THREADS), 1, 1);
	tid = k_axis(b, KAXIS_THREAD_X);
	k_if(b, k_op(b, K_lt, tid, k_ix(b, 2), 0));
	size = k_load(b, w->fit, k_select(b, k_op(b, K_eq, tid, zero, 0), k_ix(b, FIT_H), k_ix(b, FIT_W)), 1);
	size = k_op(b, K_div, size, k_cast(b, KS_F64, k_load(b, w->dims, tid, 1)), 0);
	k_store(b, scale, tid, k_op(b, K_div, k_real(b, f64, 1), size, 0));
	k_close(b);
	k_sync(b, K_barrier, 0);
	for (int d = 0; d < 2; d++)
		w->scale[d] = k_load(b, scale, k_ix(b, d), 1);
	item = k_add(b, k_muli(b, k_axis(b, KAXIS_BLOCK_X), THREADS), tid);
	if (items % THREADS)
		k_if(b, k_op(b, K_lt, item, k_ix(b, items), 0));
	row = k_op(b, K_div, item, k_ix(b, width / pixels), 0);
	put_pixels(b, w, row, k_muli(b, k_sub(b, item, k_muli(b, row, width / pixels)), pixels), pixels, fill, st);
	if (items % THREADS)
		k_close(b);
}

bool
lower_warp(LowerCtx *cx, uint32_t group, LoweredList *out, const char **err)
{
	const Group *gr = &cx->g->group.p[group];
	const Node *n = graph_node(cx->g, gr->root);
	int64_t height = n->type.dim[1], width = n->type.dim[2], rows = gr->tile[0];
	Gen gen, *z = &gen;
	KBuild *b;
	uint32_t pic, fit, dims, y, left_of, right_of, w0s, w1s;
	KType f64 = kt(KS_F64, 1);
	Warp w;
	Reg src[2], new_[2], at0[2], scale[2], first, x, oy, oy_in, fill, inside, dst, task[3];
	Reg whole, w0, w1, b0, b1, row[2], i;
	const int64_t *st = n->place.stride;

	if (gr->out != gr->root) {
		*err = arena_printf(cx->a, "warp %%%u: no kernel with work after it", gr->root);
		return false;
	}
	gen_begin(z, cx, group, arena_printf(cx->a, "warp_%" PRId64 "x%" PRId64, height, width));
	b = z->b;
	pic = gen_buf(z, n->arg[0]);
	fit = gen_buf(z, n->arg[1]);
	dims = gen_dims(z, n->arg[0]);
	y = gen_buf(z, gr->out);
	if (!gen_gpu(cx))
		gen_tasks(z, ceil_div(height, rows), 1, 1, task);
	fill = k_int(b, KS_U8, (int64_t)attr_real(n, A_fill, 114));
	for (int d = 0; d < 2; d++) {           /* 0: rows, 1: columns */
		Reg size = k_load(b, fit, k_ix(b, d ? FIT_W : FIT_H), 1);

		src[d] = k_cast(b, KS_IX, k_load(b, dims, k_ix(b, d), 1));
		new_[d] = k_cast(b, KS_IX, size);
		at0[d] = k_cast(b, KS_IX, k_load(b, fit, k_ix(b, d ? FIT_LEFT : FIT_TOP), 1));
		if (gen_gpu(cx))
			continue;
		scale[d] = k_op(b, K_div, k_real(b, f64, 1),
		                k_op(b, K_div, size, k_cast(b, KS_F64, src[d]), 0), 0);
	}

	if (gen_gpu(cx)) {
		w = (Warp){ pic, fit, dims, y, { src[0], src[1] }, { new_[0], new_[1] }, { at0[0], at0[1] }, { 0 } };
		warp_gpu(b, &w, height, width, fill, st);
		gen_end(z, out);
		return true;
	}
	left_of = k_buffer(b, "left", KSPACE_LOCAL, DT_I32, width);     /* first byte of the left pixel */
	right_of = k_buffer(b, "right", KSPACE_LOCAL, DT_I32, width);
	w0s = k_buffer(b, "w0", KSPACE_LOCAL, DT_I32, width);
	w1s = k_buffer(b, "w1", KSPACE_LOCAL, DT_I32, width);
	x = k_for(b, k_ix(b, 0), k_op(b, K_min, new_[1], k_ix(b, width), 0), 1);
	neighbours(b, x, scale[1], src[1], true, &whole, &w0, &w1);
	k_store(b, left_of, x, k_cast(b, KS_I32, k_muli(b, whole, 3)));
	k_store(b, right_of, x, k_cast(b, KS_I32, k_muli(b,
		k_op(b, K_min, k_addi(b, whole, 1), k_addi(b, src[1], -1), 0), 3)));
	k_store(b, w0s, x, w0);
	k_store(b, w1s, x, w1);
	k_close(b);
	first = k_muli(b, task[0], rows);

	/* rows */
	oy = k_for(b, first, k_op(b, K_min, k_addi(b, first, rows), k_ix(b, height), 0), 1);
	oy_in = k_sub(b, oy, at0[0]);
	neighbours(b, oy_in, scale[0], src[0], false, &whole, &b0, &b1);
	for (int d = 0; d < 2; d++) {
		Reg r = k_addi(b, whole, d);

		r = k_op(b, K_min, k_op(b, K_max, r, k_ix(b, 0), 0), k_addi(b, src[0], -1), 0);
		row[d] = k_mul(b, r, k_muli(b, src[1], 3));
	}
	inside = k_op(b, K_and, k_op(b, K_le, k_ix(b, 0), oy_in, 0), k_op(b, K_lt, oy_in, new_[0], 0), 0);
	dst = k_muli(b, oy, st[1]);
	/* left border, picture, right border */
	Reg from = k_select(b, inside, k_op(b, K_max, k_ix(b, 0), k_op(b, K_min, at0[1], k_ix(b, width), 0), 0),
	                    k_ix(b, width));
	Reg to = k_select(b, inside, k_op(b, K_min, k_add(b, at0[1], new_[1]), k_ix(b, width), 0), k_ix(b, width));

	for (int side = 0; side < 2; side++) {
		x = side ? k_for(b, to, k_ix(b, width), 1) : k_for(b, k_ix(b, 0), from, 1);
		for (int c = 0; c < 3; c++)
			k_store(b, y, k_addi(b, k_add(b, dst, k_muli(b, x, st[2])), c * st[3]), fill);
		k_close(b);
	}
	i = k_for(b, from, to, 1);
	x = k_sub(b, i, at0[1]);
	Reg l = k_cast(b, KS_IX, k_load(b, left_of, x, 1)), r = k_cast(b, KS_IX, k_load(b, right_of, x, 1));

	w0 = k_load(b, w0s, x, 1);
	w1 = k_load(b, w1s, x, 1);
	for (int c = 0; c < 3; c++)
		k_store(b, y, k_addi(b, k_add(b, dst, k_muli(b, i, st[2])), c * st[3]),
		        sample(b, pic, row, l, r, c, w0, w1, b0, b1));
	k_close(b);
	k_close(b);
	gen_end(z, out);
	return true;
}
