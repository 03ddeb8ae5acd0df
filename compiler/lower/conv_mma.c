/* conv_mma.c -- convolution on GPUs with matrix units: an implicit matrix product.
 *
 *     rows     M = pictures * OH * OW     output pixels, NHWC order
 *     columns  O = output channels of a group
 *     depth    K = R * S * C              in the order of the weights [O][R][S][C]
 *
 * A block makes BM x BN of the result.  Its slabs of BK go through a ring of `stages`
 * buffers in shared memory, filled by asynchronous 16-byte copies:
 *
 *     copy slabs 0 .. stages-2
 *     for it: wait for slab it; barrier; start copying slab it + stages - 1; multiply slab it
 *
 * A copy of 8 channels (4 of f32) either lies inside the picture or is zero-filled: for each row that a
 * thread copies it keeps the address of the pixel under tap (0,0) and a bit mask of the
 * taps that fall inside.  NHWC makes the address of a tap linear in it.  Chunks are
 * stored at chunk ^ (row mod 8), so that ldmatrix reads eight rows from eight different bank
 * groups.  Sums are f32 in registers.  Rows of weights lie in an order that gives each thread 8 (or 4) channels side
 * by side, with which bias, activation, residual and store work straight from the sums; where channels or the
 * place of the result do not suit that, sums pass through shared memory (in the ring's place).
 *
 * f32 goes the same way where its products may be made in tf32: 16 bytes are then 4 channels and a product is 8 deep
 * rather than 16, so slabs have half as many channels, and the same bytes.
 *
 * tile = { BM, BN, BK, stages, warps along M, warps along N, 0 }; weights packed with pack = 1
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "lower/conv_mma.h"

typedef struct Mma {
	Gen *z;
	KBuild *b;
	const ConvShape *c;
	int bm, bn, bk, stages, wm, wn, threads;
	int piece;                      /* elements in 16 bytes */
	int chunks;                     /* such pieces in a row of a slab */
	int unit;                       /* of conv_put_row(); 0: sums pass through shared memory */
	int64_t m, k;                   /* rows and depth of the product */
	uint32_t bx, bw, sa, sb, sy;
	Reg tid, lane, warp_m, warp_n;
	Reg row0, col0, group;          /* first row and column of the block; group */
	/* copying: this thread's chunk of rows */
	Reg chunk;                      /* its number in a row */
	int ra, rb;                     /* rows of A and B that this thread copies */
	Reg *a_at, *a_mask, *a_to, *b_at, *b_ok, *b_to;
} Mma;

/* chunk c of a row lies at c ^ swizzle(row) */
static Reg
swizzle(Mma *m, Reg row)
{
	KBuild *b = m->b;

	if (m->chunks >= 8)
		return k_op(b, K_and, row, k_ix(b, 7), 0);
	return k_op(b, K_and, k_op(b, K_shr, row, k_ix(b, m->chunks == 4 ? 1 : 2), 0), k_ix(b, m->chunks - 1), 0);
}

/* index in a slab of `row`, chunk */
static Reg
slab_index(Mma *m, Reg row, Reg chunk)
{
	KBuild *b = m->b;

	return k_add(b, k_muli(b, row, m->bk), k_muli(b, k_op(b, K_xor, chunk, swizzle(m, row), 0), m->piece));
}

Reg
conv_channel(KBuild *b, int unit, Reg row)
{
	Reg one = k_ix(b, 1), three = k_ix(b, 3), eight, pair;

	if (unit < 2)
		return row;
	eight = k_op(b, K_and, k_op(b, K_shr, row, three, 0), k_ix(b, unit - 1), 0);
	pair = k_op(b, K_and, k_op(b, K_shr, row, one, 0), three, 0);
	row = k_op(b, K_and, row, k_ix(b, ~(int64_t)(8 * unit - 1) | 1), 0);
	return k_add(b, row, k_add(b, k_muli(b, pair, 2 * unit), k_muli(b, eight, 2)));
}

/* Where this thread copies from and to: addresses, masks, slots. */
static void
prepare(Mma *m)
{
	Gen *z = m->z;
	KBuild *b = m->b;
	const ConvShape *c = m->c;
	const Node *x = gen_node(z, c->x);
	const int64_t *st = x->place.stride;
	Reg first = k_op(b, K_div, m->tid, k_ix(b, m->chunks), 0), zero = k_ix(b, 0);
	int step = m->threads / m->chunks;

	m->chunk = k_sub(b, m->tid, k_muli(b, first, m->chunks));
	m->ra = (int)ceil_div(m->bm, step);
	m->rb = (int)ceil_div(m->bn, step);
	m->a_at = NEWN(z->a, Reg, (size_t)m->ra);
	m->a_mask = NEWN(z->a, Reg, (size_t)m->ra);
	m->a_to = NEWN(z->a, Reg, (size_t)m->ra);
	m->b_at = NEWN(z->a, Reg, (size_t)m->rb);
	m->b_ok = NEWN(z->a, Reg, (size_t)m->rb);
	m->b_to = NEWN(z->a, Reg, (size_t)m->rb);
	for (int i = 0; i < m->ra; i++) {
		Reg row = k_addi(b, first, i * step), p = k_add(b, m->row0, row), n, oh, ow, ih, iw, inside, mask;

		m->a_to[i] = slab_index(m, row, m->chunk);
		inside = k_op(b, K_lt, p, k_ix(b, m->m), 0);
		if (m->bm % step)
			inside = k_op(b, K_and, inside, k_op(b, K_lt, row, k_ix(b, m->bm), 0), 0);
		if (c->flat) {
			m->a_at[i] = k_muli(b, p, st[2]);
			m->a_mask[i] = k_select(b, inside, k_int(b, KS_I32, 1), k_int(b, KS_I32, 0));
		} else {
			n = c->n > 1 ? k_op(b, K_div, p, k_ix(b, c->oh * c->ow), 0) : zero;
			p = k_sub(b, p, k_muli(b, n, c->oh * c->ow));
			oh = k_op(b, K_div, p, k_ix(b, c->ow), 0);
			ow = k_sub(b, p, k_muli(b, oh, c->ow));
			ih = k_addi(b, k_muli(b, oh, c->sh), -c->ph);
			iw = k_addi(b, k_muli(b, ow, c->sw), -c->pw);
			m->a_at[i] = k_add(b, k_add(b, k_muli(b, n, st[0]), k_muli(b, ih, st[1])), k_muli(b, iw, st[2]));
			mask = k_int(b, KS_I32, 0);
			for (int64_t kh = 0; kh < c->r; kh++) {
				Reg in_h = gen_inside(b, k_addi(b, ih, kh), c->h);

				for (int64_t kw = 0; kw < c->s; kw++) {
					Reg in_w = gen_inside(b, k_addi(b, iw, kw), c->w1);

					mask = k_op(b, K_or, mask, k_select(b, k_op(b, K_and, in_h, in_w, 0),
						k_int(b, KS_I32, (int64_t)1 << (kh * c->s + kw)), k_int(b, KS_I32, 0)), 0);
				}
			}
			m->a_mask[i] = k_select(b, inside, mask, k_int(b, KS_I32, 0));
		}
		m->a_at[i] = k_add(b, m->a_at[i], k_muli(b, m->group, c->c * st[3]));
	}
	for (int i = 0; i < m->rb; i++) {
		Reg row = k_addi(b, first, i * step), o = k_add(b, m->col0, conv_channel(b, m->unit, row));
		int64_t per = c->oc / c->groups;

		m->b_to[i] = slab_index(m, row, m->chunk);
		m->b_ok[i] = k_op(b, K_lt, o, k_ix(b, per), 0);
		if (m->bn % step)
			m->b_ok[i] = k_op(b, K_and, m->b_ok[i], k_op(b, K_lt, row, k_ix(b, m->bn), 0), 0);
		m->b_at[i] = k_muli(b, k_add(b, o, k_muli(b, m->group, per)), m->k);
	}
}

enum { COPY_A = 1, COPY_B = 2 };

/* starts copying slab `it` of A or B or both into `stage`; past the end zeros are copied */
static void
copy_slab(Mma *m, Reg it, Reg stage, int what)
{
	KBuild *b = m->b;
	const ConvShape *c = m->c;
	const int64_t *st = gen_node(m->z, c->x)->place.stride;
	Reg k0 = k_muli(b, it, m->bk), kk = k_add(b, k0, k_muli(b, m->chunk, m->piece)), in_k, tap, ch, off, kh;
	Reg to_a = k_muli(b, stage, m->bm * m->bk), to_b = k_muli(b, stage, m->bn * m->bk);
	int step = m->threads / m->chunks;

	in_k = k_op(b, K_lt, kk, k_ix(b, m->k), 0);
	if (c->r * c->s == 1) {
		tap = k_ix(b, 0);
		off = kk;
	} else {
		if (c->c % m->bk == 0) {        /* the slab lies under one tap */
			tap = k_op(b, K_div, k0, k_ix(b, c->c), 0);
			ch = k_add(b, k_sub(b, k0, k_muli(b, tap, c->c)), k_muli(b, m->chunk, m->piece));
		} else {
			tap = k_op(b, K_div, kk, k_ix(b, c->c), 0);
			ch = k_sub(b, kk, k_muli(b, tap, c->c));
		}
		kh = k_op(b, K_div, tap, k_ix(b, c->s), 0);
		off = k_add(b, k_add(b, k_muli(b, kh, st[1]), k_muli(b, k_sub(b, tap, k_muli(b, kh, c->s)), st[2])), ch);
	}
	tap = k_cast(b, KS_I32, k_op(b, K_and, tap, k_ix(b, 31), 0));
	for (int i = 0; what & COPY_A && i < m->ra; i++) {
		Reg bit = k_op(b, K_and, k_op(b, K_shr, m->a_mask[i], tap, 0), k_int(b, KS_I32, 1), 0);
		Reg ok = k_op(b, K_and, in_k, k_op(b, K_ne, bit, k_int(b, KS_I32, 0), 0), 0);
		bool some = m->bm % step && i == m->ra - 1;     /* not every thread has a row here */

		if (some)
			k_if(b, k_op(b, K_lt, k_addi(b, k_op(b, K_div, m->tid, k_ix(b, m->chunks), 0), i * step),
			                k_ix(b, m->bm), 0));
		k_cp_async(b, m->sa, k_add(b, to_a, m->a_to[i]), m->bx, k_add(b, m->a_at[i], off), m->piece, ok);
		if (some)
			k_close(b);
	}
	for (int i = 0; what & COPY_B && i < m->rb; i++) {
		bool some = m->bn % step && i == m->rb - 1;

		if (some)
			k_if(b, k_op(b, K_lt, k_addi(b, k_op(b, K_div, m->tid, k_ix(b, m->chunks), 0), i * step),
			                k_ix(b, m->bn), 0));
		k_cp_async(b, m->sb, k_add(b, to_b, m->b_to[i]), m->bw, k_add(b, m->b_at[i], kk), m->piece,
		           k_op(b, K_and, in_k, m->b_ok[i], 0));
		if (some)
			k_close(b);
	}
	if (what & COPY_A)
		k_sync(b, K_cp_commit, 0);
}

/* sum += A(stage) * B(stage), this warp's part */
static void
multiply(Mma *m, Reg stage, Reg *sum)
{
	KBuild *b = m->b;
	int mt = m->bm / m->wm / 16, nt = m->bn / m->wn / 8;
	Reg low4 = k_op(b, K_and, m->lane, k_ix(b, 15), 0), low3 = k_op(b, K_and, m->lane, k_ix(b, 7), 0);
	Reg high = k_op(b, K_shr, m->lane, k_ix(b, 4), 0);
	Reg mid = k_op(b, K_and, k_op(b, K_shr, m->lane, k_ix(b, 3), 0), k_ix(b, 1), 0);
	/* rows start at multiples of 8, so the swizzle depends on the lane alone */
	Reg row_a = k_add(b, k_muli(b, m->warp_m, m->bm / m->wm), low4);
	Reg row_b = k_add(b, k_muli(b, m->warp_n, m->bn / m->wn), k_add(b, low3, k_muli(b, high, 8)));
	Reg ca = k_op(b, K_xor, high, swizzle(m, low4), 0);
	Reg cb = k_op(b, K_xor, mid, swizzle(m, k_add(b, low3, k_muli(b, high, 8))), 0);
	Reg at_a = k_add(b, k_muli(b, stage, m->bm * m->bk), k_muli(b, row_a, m->bk));
	Reg at_b = k_add(b, k_muli(b, stage, m->bn * m->bk), k_muli(b, row_b, m->bk));
	Reg *fa = NEWN(m->z->a, Reg, (size_t)mt), *fb = NEWN(m->z->a, Reg, (size_t)nt);

	for (int k = 0; k < m->chunks / 2; k++) {
		Reg xa = k_muli(b, k_op(b, K_xor, ca, k_ix(b, 2 * k), 0), m->piece);
		Reg xb = k_muli(b, k_op(b, K_xor, cb, k_ix(b, 2 * k), 0), m->piece);

		for (int i = 0; i < mt; i++)
			fa[i] = k_ldmatrix(b, m->sa, k_addi(b, k_add(b, at_a, xa), i * 16 * m->bk), false);
		for (int j = 0; j < nt; j += 2) {
			Reg two = k_ldmatrix(b, m->sb, k_addi(b, k_add(b, at_b, xb), j * 8 * m->bk), false);

			fb[j] = k_part(b, two, 0, m->piece / 2);
			fb[j + 1] = k_part(b, two, m->piece / 2, m->piece / 2);
		}
		for (int i = 0; i < mt; i++)
			for (int j = 0; j < nt; j++)
				k_mma_to(b, sum[i * nt + j], fa[i], fb[j], sum[i * nt + j]);
	}
}

/* Where pixel p (of all pictures) is in the result. */
static void
pixel_at(KBuild *b, const ConvShape *c, Reg p, Coord *at)
{
	if (c->flat_out) {
		at->r[2] = p;
	} else {
		at->r[0] = c->n > 1 ? k_op(b, K_div, p, k_ix(b, c->oh * c->ow), 0) : k_ix(b, 0);
		p = k_sub(b, p, k_muli(b, at->r[0], c->oh * c->ow));
		at->r[1] = k_op(b, K_div, p, k_ix(b, c->ow), 0);
		at->r[2] = k_sub(b, p, k_muli(b, at->r[1], c->ow));
	}
}

static void
put_vector(Gen *z, const ConvShape *c, const Coord *at, Reg x)
{
	KBuild *b = z->b;

	if (c->bias)
		x = k_add(b, x, k_cast(b, KS_F32, k_load_part(b, c->bias_at ? c->bias_at : gen_buf(z, c->bias),
			k_addi(b, at->r[3], at->k[3]), at->lanes, at->active)));
	gen_finish(z, at, x);
}

/* What lies in shared memory, [BM][BN + 8], through the epilogue, 8 channels at a time. */
void
conv_put_tile(Gen *z, const ConvShape *c, const ConvTileAt *t)
{
	KBuild *b = z->b;
	const Node *out = gen_node(z, z->gr->out);
	int pitch = t->bn + 8;
	int64_t m = c->n * c->oh * c->ow, per = c->oc / c->groups, vecs = t->bn / 8, items = t->bm * vecs;
	Coord at8 = { .vdim = 3, .lanes = 8, .active = 8 };
	Reg item, row, p, o, ch, x;

	gen_forget_bases(z);
	item = k_for(b, t->tid, k_ix(b, items), t->threads);
	if (out->place.stride[3] != 1 && out->place.stride[2] == 1) {
		/* pixels lie side by side: neighbouring threads take neighbouring pixels */
		o = k_op(b, K_div, item, k_ix(b, t->bm), 0);
		row = k_sub(b, item, k_muli(b, o, t->bm));
		o = k_muli(b, o, 8);
	} else {
		row = k_op(b, K_div, item, k_ix(b, vecs), 0);
		o = k_muli(b, k_sub(b, item, k_muli(b, row, vecs)), 8);
	}
	p = k_add(b, t->row0, row);
	ch = k_add(b, t->col0, o);
	k_if(b, k_op(b, K_and, k_op(b, K_lt, p, k_ix(b, m), 0), k_op(b, K_lt, ch, k_ix(b, per), 0), 0));
	x = k_load(b, t->sy, k_add(b, k_muli(b, row, pitch), o), 8);
	pixel_at(b, c, p, &at8);
	at8.r[3] = k_add(b, ch, k_muli(b, t->group, per));
	for (int part = 0; part < (per % 8 ? 2 : 1); part++) {
		if (per % 8) {
			if (part == 0)
				k_if(b, k_op(b, K_le, k_addi(b, ch, 8), k_ix(b, per), 0));
			else
				k_else(b);
		}
		at8.active = part ? (int)(per % 8) : 8;
		gen_forget_bases(z);
		put_vector(z, c, &at8, x);
	}
	if (per % 8)
		k_close(b);
	k_close(b);
	k_close(b);
	gen_forget_bases(z);
}

int
conv_unit(int64_t channels, int columns)
{
	return channels % 32 == 0 && columns % 32 == 0 ? 4 : channels % 16 == 0 && columns % 16 == 0 ? 2 : 0;
}

/* A row's means: each of the channels' bins is in 2 unit lanes of a vector, or in those of a few neighbours. */
static void
put_means(Gen *z, const ConvShape *c, Reg p, Reg ch, Reg end, int unit, int columns, const Reg *pair)
{
	KBuild *b = z->b;
	const Node *mean = gen_node(z, c->mean);
	int lanes = 2 * unit;
	int64_t bins = gen_node(z, mean->arg[0])->type.dim[4];
	KType t = kt(KS_F32, lanes);
	Coord at = { .vdim = 4, .lanes = 1, .active = 1 };
	Reg first = k_op(b, K_and, ch, k_ix(b, bins - 1), 0), w, writes;

	gen_forget_bases(z);
	z->root = c->mean;
	w = k_cast(b, KS_F32, k_load(b, gen_buf(z, mean->arg[1]), first, lanes));
	writes = k_op(b, K_and, k_op(b, K_lt, p, k_ix(b, c->n * c->oh * c->ow), 0), k_op(b, K_eq, first, k_ix(b, 0), 0), 0);
	pixel_at(b, c, p, &at);
	at.r[3] = k_op(b, K_div, ch, k_ix(b, bins), 0);
	for (int j = 0; j < columns / 8; j += unit) {
		Reg x = k_join(b, pair[j], pair[j + 1]), there = end ? k_op(b, K_lt, k_addi(b, ch, 8 * j), end, 0) : k_int(b, KS_I1, 1);
		Reg top, fold[2];

		if (unit == 4)
			x = k_join(b, x, k_join(b, pair[j + 2], pair[j + 3]));
		if (c->bias)
			x = k_add(b, x, k_cast(b, KS_F32, k_load_if(b, gen_buf(z, c->bias), k_addi(b, ch, 8 * j), lanes, there)));
		top = k_reduce(b, K_reduce_max, x);
		for (int step = 1; step * lanes < bins; step *= 2)
			top = k_op(b, K_max, top, k_shuffle(b, top, step), 0);
		x = k_op(b, K_exp, k_sub(b, x, k_splat(b, t.lanes, top)), 0, 0);
		for (int i = 0; i < 2; i++) {
			fold[i] = k_reduce(b, K_reduce_add, i ? k_mul(b, x, w) : x);
			for (int step = 1; step * lanes < bins; step *= 2)
				fold[i] = k_add(b, fold[i], k_shuffle(b, fold[i], step));
		}
		at.k[3] = 8 * j / bins;
		k_if(b, k_op(b, K_and, writes, there, 0));
		gen_forget_bases(z);
		gen_finish(z, &at, k_op(b, K_div, fold[1], fold[0], 0));
		k_close(b);
		gen_forget_bases(z);
	}
}

void
conv_put_pixel(Gen *z, const ConvShape *c, const Coord *where, Reg end, int unit, int columns, const Reg *pair)
{
	KBuild *b = z->b;
	Coord at = *where;

	at.vdim = 3;
	at.lanes = at.active = 2 * unit;
	for (int j = 0; j < columns / 8; j += unit) {
		Reg x = pair[j];

		if (unit > 1)
			x = k_join(b, x, pair[j + 1]);
		if (unit == 4)
			x = k_join(b, x, k_join(b, pair[j + 2], pair[j + 3]));
		at.k[3] = where->k[3] + 8 * j;
		z->given_value = z->given_row ? z->given_row[j / unit] : 0;
		if (end) {
			k_if(b, k_op(b, K_lt, k_addi(b, at.r[3], at.k[3]), end, 0));
			gen_forget_bases(z);
		}
		put_vector(z, c, &at, x);
		if (end) {
			k_close(b);
			gen_forget_bases(z);
		}
	}
	z->given_value = 0;
}

void
conv_put_row(Gen *z, const ConvShape *c, Reg p, Reg ch, Reg end, int unit, int columns, const Reg *pair)
{
	KBuild *b = z->b;
	Coord at = { .r[3] = ch };

	if (c->mean) {
		put_means(z, c, p, ch, end, unit, columns, pair);
		return;
	}
	gen_forget_bases(z);
	if (!c->whole)
		k_if(b, k_op(b, K_lt, p, k_ix(b, c->n * c->oh * c->ow), 0));
	pixel_at(b, c, p, &at);
	conv_put_pixel(z, c, &at, end, unit, columns, pair);
	if (!c->whole)
		k_close(b);
	gen_forget_bases(z);
}

/* straight from the sums through the epilogue */
static void
finish_rows(Mma *m, const Reg *sum)
{
	KBuild *b = m->b;
	int mt = m->bm / m->wm / 16, nt = m->bn / m->wn / 8;
	int64_t per = m->c->oc / m->c->groups;
	Reg p = k_add(b, m->row0, k_add(b, k_muli(b, m->warp_m, m->bm / m->wm), k_op(b, K_shr, m->lane, k_ix(b, 2), 0)));
	Reg ch = k_add(b, k_add(b, m->col0, k_muli(b, m->warp_n, m->bn / m->wn)),
	               k_muli(b, k_op(b, K_and, m->lane, k_ix(b, 3), 0), 2 * m->unit));
	Reg begin = k_muli(b, m->group, per), *pair = NEWN(m->z->a, Reg, (size_t)nt);

	ch = k_add(b, ch, begin);
	k_sync(b, K_cp_wait, 0);
	for (int i = 0; i < mt; i++)
		for (int h = 0; h < 2; h++) {
			for (int j = 0; j < nt; j++)
				pair[j] = k_part(b, sum[i * nt + j], 2 * h, 2);
			conv_put_row(m->z, m->c, k_addi(b, p, i * 16 + h * 8), ch, per % m->bn ? k_addi(b, begin, per) : 0,
			             m->unit, nt * 8, pair);
		}
}

/* sums to shared memory, and from there on */
static void
finish(Mma *m, const Reg *sum)
{
	Gen *z = m->z;
	KBuild *b = m->b;
	int mt = m->bm / m->wm / 16, nt = m->bn / m->wn / 8, pitch = m->bn + 8;
	Reg g = k_op(b, K_shr, m->lane, k_ix(b, 2), 0), q = k_op(b, K_and, m->lane, k_ix(b, 3), 0);

	k_sync(b, K_cp_wait, 0);
	k_sync(b, K_barrier, 0);
	Reg at = k_add(b, k_muli(b, k_add(b, k_muli(b, m->warp_m, m->bm / m->wm), g), pitch),
	               k_add(b, k_muli(b, m->warp_n, m->bn / m->wn), k_muli(b, q, 2)));

	for (int i = 0; i < mt; i++)
		for (int j = 0; j < nt; j++)
			for (int h = 0; h < 2; h++)
				k_store(b, m->sy, k_addi(b, at, (i * 16 + h * 8) * pitch + j * 8),
				        k_part(b, sum[i * nt + j], 2 * h, 2));
	k_sync(b, K_barrier, 0);
	conv_put_tile(z, m->c, &(ConvTileAt){ .sy = m->sy, .bm = m->bm, .bn = m->bn, .threads = m->threads, .tid = m->tid,
		.row0 = m->row0, .col0 = m->col0, .group = m->group });
}

bool
lower_conv_mma(LowerCtx *cx, uint32_t group, const ConvShape *c, const int32_t *tile, LoweredList *out)
{
	Gen gen, *z = &gen;
	Mma mma = { .z = z, .c = c }, *m = &mma;
	DType dt = graph_node(cx->g, c->x)->type.dt;
	KBuild *b;
	Reg *sum, warp, it, stage, next, zero;
	int64_t slabs, per = c->oc / c->groups, columns;
	int sums;

	m->bm = tile[0], m->bn = tile[1], m->bk = tile[2], m->stages = tile[3];
	m->wm = tile[4], m->wn = tile[5];
	m->threads = 32 * m->wm * m->wn;
	m->piece = 16 / c->bytes;
	m->chunks = m->bk / m->piece;
	m->m = c->n * c->oh * c->ow;
	m->k = c->r * c->s * c->c;
	slabs = ceil_div(m->k, m->bk);
	gen_begin(z, cx, group, arena_printf(cx->a, "conv%" PRId64 "x%" PRId64 "s%" PRId64 "_%" PRId64
		"_%" PRId64 "_%" PRId64 "_t%dx%dx%d", c->r, c->s, c->sh, c->c * c->groups, c->oc, c->oh * c->ow * c->n,
		m->bm, m->bn, m->bk));
	b = m->b = z->b;
	m->bx = gen_buf(z, c->x);
	m->bw = gen_buf(z, c->w);
	if (c->bias)
		gen_buf(z, c->bias);
	m->sa = k_buffer(b, "sa", KSPACE_SHARED, dt, (int64_t)m->stages * m->bm * m->bk);
	m->sb = k_buffer(b, "sb", KSPACE_SHARED, dt, (int64_t)m->stages * m->bn * m->bk);
	if (c->mean || gen_node(z, z->gr->out)->place.stride[3] == 1)
		m->unit = conv_unit(per, m->bn / m->wn);
	if (!m->unit) {
		m->sy = k_buffer(b, "sy", KSPACE_SHARED, DT_F32, (int64_t)m->bm * (m->bn + 8));
		k_align(b, m->sy, 128);
		/* the ring is done with when the sums need room */
		if ((int64_t)m->bm * (m->bn + 8) * 4 <= (int64_t)m->stages * m->bm * m->bk * c->bytes)
			k_alias(b, m->sy, m->sa);
	}
	k_align(b, m->sa, 128);
	k_align(b, m->sb, 128);
	k_threads(b, m->threads, 1, 1);
	/* blocks that read the same rows run side by side: the rows then come from the second-level cache */
	columns = ceil_div(per, m->bn);
	k_grid(b, columns * ceil_div(m->m, m->bm), 1, c->groups);
	m->tid = k_axis(b, KAXIS_THREAD_X);
	m->lane = k_axis(b, KAXIS_LANE);
	warp = k_axis(b, KAXIS_WARP);
	m->warp_n = m->wn > 1 ? k_op(b, K_rem, warp, k_ix(b, m->wn), 0) : k_ix(b, 0);
	m->warp_m = m->wn > 1 ? k_op(b, K_div, warp, k_ix(b, m->wn), 0) : warp;
	it = k_axis(b, KAXIS_BLOCK_X);
	next = columns > 1 ? k_op(b, K_div, it, k_ix(b, columns), 0) : it;
	m->row0 = k_muli(b, next, m->bm);
	m->col0 = k_muli(b, k_sub(b, it, k_muli(b, next, columns)), m->bn);
	m->group = c->groups > 1 ? k_axis(b, KAXIS_BLOCK_Z) : k_ix(b, 0);
	prepare(m);

	sums = m->bm / m->wm / 16 * (m->bn / m->wn / 8);
	sum = NEWN(z->a, Reg, (size_t)sums);
	zero = k_real(b, kt(KS_F32, 4), 0);
	for (int i = 0; i < sums; i++) {
		sum[i] = k_var(b, kt(KS_F32, 4));
		k_mov_to(b, sum[i], zero);
	}
	/* weights don't depend on the kernel before this one: they come while it still runs */
	for (int s = 0; s < m->stages - 1; s++)
		copy_slab(m, k_ix(b, s), k_ix(b, s), COPY_B);
	k_sync(b, K_grid_wait, 0);
	for (int s = 0; s < m->stages - 1; s++)
		copy_slab(m, k_ix(b, s), k_ix(b, s), COPY_A);
	stage = k_var(b, kt(KS_IX, 1));         /* slab it lies here, slab it + stages - 1 goes to next */
	next = k_var(b, kt(KS_IX, 1));
	k_mov_to(b, stage, k_ix(b, 0));
	k_mov_to(b, next, k_ix(b, m->stages - 1));
	it = k_for(b, k_ix(b, 0), k_ix(b, slabs), 1);
	k_sync(b, K_cp_wait, m->stages - 2);
	k_sync(b, K_barrier, 0);
	copy_slab(m, k_addi(b, it, m->stages - 1), next, COPY_A | COPY_B);
	multiply(m, stage, sum);
	for (int i = 0; i < 2; i++) {
		Reg r = i ? next : stage, up = k_addi(b, r, 1);

		k_mov_to(b, r, k_select(b, k_op(b, K_eq, up, k_ix(b, m->stages), 0), k_ix(b, 0), up));
	}
	k_close(b);
	if (m->unit)
		finish_rows(m, sum);
	else
		finish(m, sum);
	gen_end(z, out);
	return true;
}

/* Can the matrix units do it?  Their types, 16-byte pieces of channels, taps that fit a mask. */
bool
conv_mma_fits(const ConvShape *c, const Target *t, const Node *x)
{
	DType dt = x->type.dt;

	return t->kind == TARGET_GPU && t->mma != MMA_NONE && (dt == DT_F16 || (dt == DT_BF16 && t->has & GPU_BF16) ||
	       (dt == DT_F32 && c->tf32 && t->has & GPU_TF32)) && c->c * c->bytes % 16 == 0 && c->r * c->s <= 31 &&
	       c->oc / c->groups >= 8;
}

/* the ring, and room for the sums where it is not enough */
static int64_t
shared_bytes(int64_t bm, int64_t bn, int64_t bk, int64_t stages, int bytes)
{
	int64_t ring = stages * (bm + bn) * bk * bytes, sums = bm * (bn + 8) * 4;

	return sums <= stages * bm * bk * bytes ? ring : ring + sums;
}

/* What a tile costs, in clocks of one multiprocessor.  A slab takes as long as its products, its traffic through
 * shared memory or its traffic from the second-level cache takes, unless so few blocks are resident that its
 * latency shows; blocks come in rounds; each pays for its sums' way out.
 *
 * The constants were fitted to 2108 timed variants of YOLOv12's convolutions (n, s, x at batch 32 and n at
 * batch 1) on one H100 80GB: the tile that the model picks is 4.9 % slower than the best one measured, on
 * average over 181 shapes, 42 % at worst.  docs/benchmarks.md says how to measure again.  For tf32 products take twice
 * as long, as machines' papers say, and all else what its bytes say: nothing was fitted. */
static double
cost(const ConvShape *c, const Target *t, int bm, int bn, int bk, int stages, int warps, int wn)
{
	const double products = 1012, shared_rate = 100.6, cache_rate = 37.3;   /* a clock: products; bytes */
	const double wait = 345, wait_stage = 557, overlap = 0.461, out = 0.049, start = 953, other_regs = 87;
	/* its clocks in those of the models that it competes with, 1700 a microsecond; groups of few channels take a
	 * part of what memory brings, and blocks of other groups come too late for the rest */
	const double rate = c->groups > 1 && c->c < 32 ? 2.9 : 1.45;
	double m = (double)(c->n * c->oh * c->ow), per = (double)(c->oc / c->groups), k = (double)(c->r * c->s * c->c);
	double threads = 32 * warps, slabs = ceil(k / bk);
	double blocks = ceil(m / bm) * ceil(per / bn) * (double)c->groups / t->sms;     /* a multiprocessor */
	double regs = 8 * ceil((bm * bn / threads + other_regs) / 8);
	double resident = floor((double)t->shared_sm / ((double)shared_bytes(bm, bn, bk, stages, c->bytes) + 1024));
	double mul = (double)bm * bn * bk * (c->bytes / 2.0) / products;
	double copied = (bm + bn) * bk * (double)c->bytes;
	double read = warps * ((double)bm / (warps / wn) + (double)bn / wn) * bk * c->bytes;
	double slab = MAX(MAX(mul, (read + copied) / shared_rate), copied / cache_rate);
	double latency = wait + wait_stage / (stages - 1) + overlap * (mul + (read + copied) / shared_rate);

	resident = MIN(resident, MIN(floor(65536 / (threads * regs)), floor(t->threads_sm / threads)));
	resident = MIN(MAX(resident, 1), MAX(blocks, 1));
	return rate * (ceil(blocks / resident) * resident *
	       (slabs * MAX(slab, latency / resident) + out * bm * bn / sqrt(resident)) + start);
}

int
conv_mma_candidates(const ConvShape *c, const Target *t, ConvTile *to, int most)
{
	static const int bms[] = { 32, 64, 128, 256 }, bns[] = { 16, 32, 48, 64, 80, 96, 128 };
	int64_t per = c->oc / c->groups, slabs;
	int n = 0, step = 64 / c->bytes;        /* rows of slabs are 64 or 128 bytes */

	for (size_t i = 0; i < COUNT(bms); i++)
		for (size_t j = 0; j < COUNT(bns); j++)
			for (int bk = step; bk <= 2 * step; bk += step)
				for (int stages = 2; stages <= 6; stages++)
					for (int warps = 4; warps <= 8; warps += 4)
						for (int wn = 1; wn <= 2; wn++) {
							int bm = bms[i], bn = bns[j];

							slabs = ceil_div(c->r * c->s * c->c, bk);
							/* whole tiles of the unit for each warp; sums that fit its registers */
							if (bn / wn % 16 || bn % wn || bm % (warps / wn * 16) || bm * bn / (32 * warps) > 128)
								continue;
							if ((bn >= per + 32 && bn > 16) || (stages > 2 && stages > slabs + 1) ||
							    shared_bytes(bm, bn, bk, stages, c->bytes) > t->shared_block)
								continue;
							if (n < most)
								to[n++] = (ConvTile){ { bm, bn, bk, stages, warps / wn, wn, 0 },
									cost(c, t, bm, bn, bk, stages, warps, wn) };
						}
	return n;
}
