/* conv_patch.c -- convolution of few channels at high resolution on GPUs with matrix units: a patch of the picture in
 * shared memory.
 *
 *     picture                    shared memory                         product of one tap
 *     ┌──────────────────┐       planes of 8 channels, each            rows     TH x TW output pixels
 *     │  ┌───────────┐   │       [row][column % step][column / step]   columns  output channels
 *     │  │ halo      │   │  ──▶  of 16 bytes                      ──▶  depth    16 channels, or 8 under two taps
 *     │  │  TH x TW  │   │
 *
 * conv_mma.c brings a pixel once for each tap that sees it; with 8 to 48 channels that traffic, and the
 * arithmetic of its addresses, takes longer than the memory does.  Here each pixel comes once, by 16-byte copies that are zeros
 * outside the picture, and a tap is a constant offset in the patch: a lane has one address, and its ldmatrix
 * add constants to it.  Eight neighbouring output pixels read 128 bytes side by side whatever the step
 * is, since columns lie apart by their rest, so no two of them meet in a bank.
 *
 * Depth comes in halves of 8: half h is 8 channels under one tap, in the order of the weights, and two halves
 * are a step of the matrix unit.  With 8 channels a step spans two taps; an odd last half has zeros as weights.
 * The weights of all taps stay in shared memory, or in registers if they are few.  Blocks make tile after tile, of one
 * range of columns: some groups, or some channels of a group; the next patches come meanwhile.
 *
 * The first convolution reads bytes of 3 channels.  There a place of the patch is two pixels of 4 channels, one of
 * them nothing, so that a row of the filter is two halves (a pixel of which is nothing, too) and a step of 2
 * pixels is one place.  Threads load 24 bytes of a row as vectors of 8, keep them while the tile before is multiplied,
 * and store them as reals.
 *
 * tile = { TH, TW, columns, patches, warps along M, warps along N, 2 }; weights packed with pack = 1
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "lower/conv_patch.h"

enum { WRITTEN_OUT = 12 };

/* Weights of the first convolution carry a factor of 1/255, which half precision would round away; bytes are
 * exact in it at any scale. */
#define STEM_SCALE 256.0

void
patch_set_rows(PatchCut *u, int64_t rows)
{
	int all = u->planes * u->groups;

	u->plane = rows * u->row;
	if (all > 1)
		while (u->plane % 8 != MAX(1, 8 / all) % 8)
			u->plane++;
	u->plane *= PIECE;
	u->patch = u->plane * all;
}

PatchCut
patch_cut(const ConvShape *c, const int32_t *tile)
{
	PatchCut u = { .th = tile[0], .tw = tile[1], .cols = tile[2], .stages = tile[3], .wm = tile[4], .wn = tile[5] };
	int64_t per = c->oc / c->groups, halves;

	u.stem = c->c == 3;
	u.threads = 32 * u.wm * u.wn;
	u.groups = (int)MAX(1, u.cols / per);
	u.per = u.cols / u.groups;
	u.h = (u.th - 1) * c->sh + c->r;
	if (u.stem) {
		u.w = u.tw + ceil_div(c->s, 2) - 1;
		u.row = ceil_div(u.w, STEM_PLACES) * STEM_PLACES;
		u.planes = 1;
		halves = c->r * ceil_div(c->s, 2);
	} else {
		u.w = (u.tw - 1) * c->sw + c->s;
		u.row = c->sw * ceil_div(u.w, c->sw);
		u.planes = (int)(c->c / PIECE);
		halves = c->r * c->s * u.planes;
	}
	patch_set_rows(&u, u.h);
	u.halves = (int)(halves + halves % 2);
	u.pitch = u.halves * PIECE + PIECE;     /* an odd number of pieces: rows of 8 columns meet different banks */
	u.ty = ceil_div(c->oh, u.th);
	u.tx = ceil_div(c->ow, u.tw);
	u.tiles = u.ty * u.tx * c->n;
	u.columns = c->oc / u.cols;
	u.mt = u.th * u.tw / 16 / u.wm;
	u.warp_groups = MAX(1, u.groups / u.wn);
	u.nt = u.cols / u.wn / u.warp_groups / 8;
	u.hold = u.halves * u.nt * u.warp_groups <= 80 &&
		u.halves * u.nt * u.warp_groups + 4 * u.mt * (u.nt * u.warp_groups + 1) <= 160;
	return u;
}

int64_t
patch_half(const Patch *m, int h)
{
	const ConvShape *c = m->c;
	int64_t tap, kh, kw;

	if (m->u.stem) {
		tap = MIN(h, c->r * ceil_div(c->s, 2) - 1);
		kh = tap / ceil_div(c->s, 2);
		return (kh * m->u.row + tap % ceil_div(c->s, 2)) * PIECE;
	}
	h = (int)MIN(h, c->r * c->s * m->u.planes - 1);
	tap = h / m->u.planes;
	kh = tap / c->s, kw = tap % c->s;
	return h % m->u.planes * m->u.plane + (kh * m->u.row + kw % c->sw * (m->u.row / c->sw) + kw / c->sw) * PIECE;
}

void
patch_place(Patch *m, Reg tile)
{
	KBuild *b = m->b;
	Reg row = k_op(b, K_div, tile, k_ix(b, m->u.tx), 0);

	m->n = m->c->n > 1 ? k_op(b, K_div, row, k_ix(b, m->u.ty), 0) : k_ix(b, 0);
	m->y0 = k_muli(b, k_sub(b, row, k_muli(b, m->n, m->u.ty)), m->u.th);
	m->x0 = k_muli(b, k_sub(b, tile, k_muli(b, row, m->u.tx)), m->u.tw);
}

/* ---- the patch ------------------------------------------------------------------------------------ */

static void
copy_piece(Patch *m, Reg item, Reg begin, Reg stage)
{
	KBuild *b = m->b;
	const ConvShape *c = m->c;
	const PatchCut *u = &m->u;
	const int64_t *st = gen_node(m->z, c->x)->place.stride;
	int64_t planes = u->planes * u->groups;
	Reg pixel = planes > 1 ? k_op(b, K_div, item, k_ix(b, planes), 0) : item;
	Reg piece = k_sub(b, item, k_muli(b, pixel, planes));
	Reg y = k_op(b, K_div, pixel, k_ix(b, u->w), 0), x = k_sub(b, pixel, k_muli(b, y, u->w)), to, from, ok;
	Reg part = c->sw > 1 ? k_op(b, K_div, x, k_ix(b, c->sw), 0) : x;

	to = k_add(b, k_muli(b, y, u->row), k_add(b, k_muli(b, k_sub(b, x, k_muli(b, part, c->sw)), u->row / c->sw), part));
	to = k_add(b, k_muli(b, to, PIECE), k_muli(b, piece, u->plane));
	from = k_add(b, k_add(b, k_muli(b, y, st[1]), k_muli(b, x, st[2])), k_muli(b, piece, PIECE));
	ok = k_op(b, K_and, gen_inside(b, k_add(b, k_addi(b, k_muli(b, m->y0, c->sh), -c->ph), y), c->h),
	          gen_inside(b, k_add(b, k_addi(b, k_muli(b, m->x0, c->sw), -c->pw), x), c->w1), 0);
	k_cp_async(b, m->sa, k_add(b, k_muli(b, stage, u->patch), to), m->bx, k_add(b, begin, from), PIECE, ok);
}

void
patch_copy(Patch *m, Reg stage)
{
	KBuild *b = m->b;
	const ConvShape *c = m->c;
	const PatchCut *u = &m->u;
	const int64_t *st = gen_node(m->z, c->x)->place.stride;
	int64_t items = u->h * u->w * u->planes * u->groups, turns = ceil_div(items, u->threads);
	int64_t out = turns > WRITTEN_OUT ? 4 : turns;
	Reg first = m->tid, begin = k_add(b, k_muli(b, m->n, st[0]), k_muli(b, m->group, c->c));

	begin = k_add(b, begin, k_muli(b, k_addi(b, k_muli(b, m->y0, c->sh), -c->ph), st[1]));
	begin = k_add(b, begin, k_muli(b, k_addi(b, k_muli(b, m->x0, c->sw), -c->pw), st[2]));
	if (turns > out)
		first = k_for(b, first, k_ix(b, items), out * u->threads);
	for (int64_t i = 0; i < out; i++) {
		Reg item = k_addi(b, first, i * u->threads);
		bool some = turns > out ? i > 0 : (i + 1) * u->threads > items;

		if (some)
			k_if(b, k_op(b, K_lt, item, k_ix(b, items), 0));
		copy_piece(m, item, begin, stage);
		if (some)
			k_close(b);
	}
	if (turns > out)
		k_close(b);
}

int
patch_stem_items(const Patch *m)
{
	return (int)ceil_div(m->u.h * (m->u.row / STEM_PLACES), m->u.threads);
}

void
patch_load_bytes(Patch *m, Reg there)
{
	KBuild *b = m->b;
	const ConvShape *c = m->c;
	const int64_t *st = gen_node(m->z, m->bytes)->place.stride;
	int64_t across = m->u.row / STEM_PLACES;
	uint32_t buf = gen_buf(m->z, m->bytes);
	KType worth = m->dt == DT_F16 ? kt(KS_F16, 2) : kt(KS_F32, 1);
	bool whole = st[2] == 3 && st[3] == 1 && st[1] % 8 == 0 && (c->n == 1 || st[0] % 8 == 0) && c->w1 * 3 % 8 == 0 &&
		gen_node(m->z, m->bytes)->place.offset % 8 == 0;

	for (int i = 0; i < patch_stem_items(m); i++) {
		Reg item = k_addi(b, m->tid, i * m->u.threads), y = k_op(b, K_div, item, k_ix(b, across), 0), at, byte, row;

		byte = k_muli(b, k_add(b, m->x0, k_muli(b, k_sub(b, item, k_muli(b, y, across)), STEM_PLACES)), 6);
		y = k_add(b, y, k_addi(b, k_muli(b, m->y0, c->sh), -c->ph));
		row = k_op(b, K_and, there, gen_inside(b, y, c->h), 0);
		at = k_add(b, k_muli(b, m->n, st[0]), k_muli(b, y, st[1]));
		for (int v = 0; v < 4; v++) {
			Reg x = k_addi(b, byte, 8 * v - 8), ok = row;

			if (whole) {    /* no branches: all loads are under way together */
				ok = k_op(b, K_and, row, gen_inside(b, x, c->w1 * 3), 0);
				m->loaded[4 * i + v] = k_load(b, buf, k_select(b, ok, k_add(b, at, x), k_ix(b, 0)), 8);
			} else {        /* wherever they lie */
				Reg all = 0;

				for (int e = 0; e < 8; e++) {
					Reg one = k_addi(b, x, e), pixel = k_op(b, K_div, one, k_ix(b, 3), 0);

					one = k_load_if(b, buf, k_add(b, at, k_add(b, k_muli(b, pixel, st[2]), k_muli(b, k_sub(b, one,
						k_muli(b, pixel, 3)), st[3]))), 1, k_op(b, K_and, row, gen_inside(b, one, c->w1 * 3), 0));
					all = all ? k_join(b, all, one) : one;
				}
				m->loaded[4 * i + v] = all;
			}
			m->scale[4 * i + v] = k_select(b, ok, k_real(b, worth, 1 / STEM_SCALE), k_real(b, worth, 0));
		}
	}
}

/* A pixel, and nothing as its fourth channel, from byte `at` of an item on.  A byte below 0x64 is 1024 more than the
 * byte in f16, and one instruction makes two of them and another takes 1024 away; conversions run at a
 * quarter of that rate.  All of it is exact.  What a picture has none of begins and ends between
 * pixels, so that all of a pixel is worth what its first byte is. */
static Reg
pixel_f16(Patch *m, const Reg *loaded, const Reg *scale, int at)
{
	KBuild *b = m->b;
	KType two = kt(KS_F16, 2);
	Reg above = k_int(b, KS_I32, 0x64), worth = scale[at / 8], less = k_mul(b, worth, k_real(b, two, -1024));
	Reg word = k_part(b, loaded[at / 8], at / 4 % 2 * 4, 4), low, high;
	int o = at % 4;

	if (o > 1) {
		at += 4;
		word = k_bytes(b, kt(KS_U8, 4), word, k_part(b, loaded[at / 8], at / 4 % 2 * 4, 4), 1110 * o + 210 + o);
		o = 0;
	}
	low = k_bytes(b, two, word, above, 4040 + 100 * (o + 1) + o);
	high = k_bytes(b, two, word, above, 4540 + o + 2);
	return k_join(b, k_fma(b, low, worth, less), k_fma(b, high, worth, less));
}

static Reg
pixel_f32(Patch *m, const Reg *loaded, const Reg *scale, int at)
{
	KBuild *b = m->b;
	Reg all = 0;

	for (int i = at; i < at + 3; i++) {
		Reg one = k_mul(b, k_cast(b, KS_F32, k_lane(b, loaded[i / 8], i % 8)), scale[i / 8]);

		all = all ? k_join(b, all, one) : one;
	}
	return k_join(b, all, k_real(b, kt(KS_F32, 1), 0));
}

void
patch_store_bytes(Patch *m)
{
	KBuild *b = m->b;
	int64_t across = m->u.row / STEM_PLACES;

	for (int i = 0; i < patch_stem_items(m); i++) {
		Reg item = k_addi(b, m->tid, i * m->u.threads), two[2];

		if ((i + 1) * m->u.threads > m->u.h * across)
			k_if(b, k_op(b, K_lt, item, k_ix(b, m->u.h * across), 0));
		for (int place = 0; place < STEM_PLACES; place++) {
			for (int p = 0; p < 2; p++)
				two[p] = (m->dt == DT_F16 ? pixel_f16 : pixel_f32)(m, &m->loaded[4 * i], &m->scale[4 * i],
					8 + 3 * (2 * place + p) - 3 * (int)m->c->pw);
			k_store(b, m->sa, k_addi(b, k_muli(b, item, STEM_PLACES * PIECE), place * PIECE),
			        k_cast(b, kscalar_of(m->dt), k_join(b, two[0], two[1])));
		}
		if ((i + 1) * m->u.threads > m->u.h * across)
			k_close(b);
	}
}

/* ---- weights ---------------------------------------------------------------------------------------- */

int
patch_unit(const PatchCut *u)
{
	return MAX(1, conv_unit(u->per, u->nt * 8));
}

void
patch_bring_weights(Patch *m)
{
	KBuild *b = m->b;
	const ConvShape *c = m->c;
	const PatchCut *u = &m->u;
	int64_t k = c->r * c->s * c->c, per = c->oc / c->groups;
	Reg item = k_for(b, m->tid, k_ix(b, (int64_t)u->cols * u->halves), u->threads);
	Reg row = k_op(b, K_div, item, k_ix(b, u->halves), 0), half = k_sub(b, item, k_muli(b, row, u->halves));
	Reg group = u->groups > 1 ? k_op(b, K_div, row, k_ix(b, u->per), 0) : k_ix(b, 0), from, to;

	to = k_add(b, k_muli(b, row, u->pitch), k_muli(b, half, PIECE));
	from = conv_channel(b, patch_unit(u), k_sub(b, row, k_muli(b, group, u->per)));
	from = k_muli(b, k_add(b, k_add(b, from, m->col0), k_muli(b, k_add(b, m->group, group), per)), k);
	if (u->stem) {
		int64_t parts = ceil_div(c->s, 2);
		Reg kh = k_op(b, K_div, half, k_ix(b, parts), 0), kw = k_muli(b, k_sub(b, half, k_muli(b, kh, parts)), 2), all = 0;

		from = k_add(b, from, k_muli(b, k_add(b, k_muli(b, kh, c->s), kw), 3));
		for (int e = 0; e < 8; e++) {
			Reg there = k_op(b, K_and, k_op(b, K_lt, kh, k_ix(b, c->r), 0),
			                 k_op(b, K_lt, k_addi(b, kw, e / 4), k_ix(b, c->s), 0), 0);
			Reg one = e % 4 < 3 ? k_load_if(b, m->bw, k_addi(b, from, e / 4 * 3 + e % 4), 1, there) : k_real(b, kt(KS_F32, 1), 0);

			one = k_cast(b, KS_F32, one);
			all = all ? k_join(b, all, one) : one;
		}
		k_store(b, m->sb, to, k_cast(b, kscalar_of(m->dt), k_mul(b, all, k_real(b, kt(KS_F32, 8), STEM_SCALE))));
	} else {
		k_cp_async(b, m->sb, to, m->bw, k_add(b, from, k_muli(b, half, PIECE)), PIECE,
		           k_op(b, K_lt, half, k_ix(b, k / PIECE), 0));
	}
	k_close(b);
}

void
patch_get_weights(Patch *m, int g, int step, int j, Reg *to)
{
	KBuild *b = m->b;
	const PatchCut *u = &m->u;
	Reg low = k_op(b, K_and, m->lane, k_ix(b, 7), 0), row = low, two;
	Reg mid = k_op(b, K_and, k_op(b, K_shr, m->lane, k_ix(b, 3), 0), k_ix(b, 1), 0);

	if (j + 1 < u->nt)
		row = k_add(b, row, k_muli(b, k_op(b, K_shr, m->lane, k_ix(b, 4), 0), 8));
	row = k_add(b, row, k_muli(b, m->warp_n, u->cols / u->wn));
	row = k_add(b, k_muli(b, row, u->pitch), k_muli(b, mid, PIECE));
	two = k_ldmatrix(b, m->sb, k_addi(b, row, (g * u->per + j * 8) * u->pitch + step * 2 * PIECE), false);
	to[0] = k_part(b, two, 0, 4);
	if (j + 1 < u->nt)
		to[1] = k_part(b, two, 4, 4);
}

void
patch_hold_weights(Patch *m)
{
	const PatchCut *u = &m->u;
	int steps = u->halves / 2;

	m->held = NEWN(m->z->a, Reg, (size_t)(u->warp_groups * steps * u->nt));
	for (int g = 0; g < u->warp_groups; g++)
		for (int s = 0; s < steps; s++)
			for (int j = 0; j < u->nt; j += 2)
				patch_get_weights(m, g, s, j, &m->held[(g * steps + s) * u->nt + j]);
}

/* ---- a tile ------------------------------------------------------------------------------------------- */

void
patch_multiply(Patch *m, Reg stage, const Reg *sum)
{
	KBuild *b = m->b;
	const ConvShape *c = m->c;
	const PatchCut *u = &m->u;
	int steps = u->halves / 2;
	int64_t down = c->sh * u->row;
	Reg low = k_op(b, K_and, m->lane, k_ix(b, 15), 0), high = k_op(b, K_shr, m->lane, k_ix(b, 4), 0), at;
	Reg *fa = NEWN(m->z->a, Reg, (size_t)u->mt), *fb = NEWN(m->z->a, Reg, (size_t)u->nt);
	Reg zero = k_real(b, kt(KS_F32, 4), 0);

	for (int i = 0; i < u->mt * u->nt * u->warp_groups; i++)
		k_mov_to(b, sum[i], zero);
	at = k_muli(b, m->warp_m, u->th / u->wm * down);
	if (u->tw == 8)
		at = k_add(b, at, k_add(b, k_muli(b, k_op(b, K_shr, low, k_ix(b, 3), 0), down),
		                        k_op(b, K_and, low, k_ix(b, 7), 0)));
	else
		at = k_add(b, at, low);
	at = k_muli(b, at, PIECE);
	if (u->groups > u->warp_groups)
		at = k_add(b, at, k_muli(b, m->warp_n, u->warp_groups * u->planes * u->plane));
	at = k_add(b, at, k_muli(b, stage, u->patch));
	for (int g = 0; g < u->warp_groups; g++)
		for (int s = 0; s < steps; s++) {
			int64_t lo = patch_half(m, 2 * s), hi = patch_half(m, 2 * s + 1);
			Reg from = k_add(b, at, k_muli(b, high, hi - lo));
			const Reg *w = m->held ? &m->held[(g * steps + s) * u->nt] : fb;

			for (int i = 0; i < u->mt; i++) {
				int64_t tile = u->tw == 8 ? 2 * i * down : i * 16 / u->tw * down + i * 16 % u->tw;

				fa[i] = k_ldmatrix(b, m->sa, k_addi(b, from, g * u->planes * u->plane + lo + tile * PIECE), false);
			}
			for (int j = 0; !m->held && j < u->nt; j += 2)
				patch_get_weights(m, g, s, j, &fb[j]);
			for (int i = 0; i < u->mt; i++)
				for (int j = 0; j < u->nt; j++) {
					Reg x = sum[(g * u->mt + i) * u->nt + j];

					k_mma_to(b, x, fa[i], w[j], x);
				}
		}
}

void
patch_finish(Patch *m, const Reg *sum)
{
	KBuild *b = m->b;
	const ConvShape *c = m->c;
	const PatchCut *u = &m->u;
	int unit = patch_unit(u);
	bool ragged_y = c->oh % u->th, ragged_x = c->ow % u->tw;
	Coord at = { .r[0] = m->n };
	Reg eighth = k_op(b, K_shr, m->lane, k_ix(b, 2), 0), ch, *pair = NEWN(m->z->a, Reg, (size_t)u->nt);

	gen_forget_bases(m->z);
	at.r[1] = k_add(b, m->y0, k_muli(b, m->warp_m, u->th / u->wm));
	at.r[2] = k_add(b, m->x0, eighth);
	ch = k_add(b, m->col0, k_muli(b, k_op(b, K_and, m->lane, k_ix(b, 3), 0), 2 * unit));
	ch = k_add(b, ch, k_muli(b, m->group, c->oc / c->groups));
	ch = k_add(b, ch, k_muli(b, m->warp_n, u->cols / u->wn));
	for (int i = 0; i < u->mt; i++)
		for (int h = 0; h < 2; h++) {
			Reg there = 0;

			at.k[1] = u->tw == 8 ? 2 * i + h : i * 16 / u->tw;
			at.k[2] = u->tw == 8 ? 0 : i * 16 % u->tw + 8 * h;
			if (ragged_y)
				there = k_op(b, K_lt, k_addi(b, at.r[1], at.k[1]), k_ix(b, c->oh), 0);
			if (ragged_x) {
				Reg x = k_op(b, K_lt, k_addi(b, at.r[2], at.k[2]), k_ix(b, c->ow), 0);

				there = there ? k_op(b, K_and, there, x, 0) : x;
			}
			if (there) {
				k_if(b, there);
				gen_forget_bases(m->z);
			}
			for (int g = 0; g < u->warp_groups; g++) {
				for (int j = 0; j < u->nt; j++)
					pair[j] = k_part(b, sum[(g * u->mt + i) * u->nt + j], 2 * h, 2);
				at.r[3] = ch;
				at.k[3] = g * u->per;
				conv_put_pixel(m->z, c, &at, 0, unit, u->nt * 8, pair);
			}
			if (there) {
				k_close(b);
				gen_forget_bases(m->z);
			}
		}
	gen_forget_bases(m->z);
}

/* ---- the kernel ----------------------------------------------------------------------------------------- */

static int64_t
shared_bytes(const PatchCut *u)
{
	return (u->stages * u->patch + u->cols * u->pitch) * 2;
}

/* blocks that a multiprocessor holds */
static int
resident_of(const PatchCut *u, const Target *t)
{
	int sums = 4 * u->mt * u->nt * u->warp_groups, regs = sums + (u->hold ? u->halves * u->nt * u->warp_groups : 2 * u->nt) + 4 * u->mt + 52;

	regs = MIN((regs + 7) / 8 * 8, 255);
	return (int)MAX(1, MIN(t->shared_sm / (shared_bytes(u) + 1024), MIN(65536 / (u->threads * regs), t->threads_sm / u->threads)));
}

static int64_t
blocks_of(const PatchCut *u, const Target *t)
{
	return MIN(u->tiles, MAX(1, (int64_t)resident_of(u, t) * t->sms / u->columns));
}

static void
advance(KBuild *b, Reg stage, int stages)
{
	Reg up = k_addi(b, stage, 1);

	k_mov_to(b, stage, k_select(b, k_op(b, K_eq, up, k_ix(b, stages), 0), k_ix(b, 0), up));
}

/* the patch of tile, if there is one */
static void
begin_patch(Patch *m, Reg tile, Reg stage, bool sure)
{
	KBuild *b = m->b;

	if (!sure)
		k_if(b, k_op(b, K_lt, tile, k_ix(b, m->u.tiles), 0));
	patch_place(m, tile);
	patch_copy(m, stage);
	if (!sure)
		k_close(b);
}

/* The stem: one patch; the bytes of the next tile wait in registers. */
static void
stem_tiles(Patch *m, Reg first, int64_t step, const Reg *sum)
{
	KBuild *b = m->b;
	bool many = m->u.tiles > step;
	Reg tile = first, next, yes = k_op(b, K_le, k_ix(b, 0), first, 0);

	m->loaded = NEWN(m->z->a, Reg, (size_t)(4 * patch_stem_items(m)));
	m->scale = NEWN(m->z->a, Reg, (size_t)(4 * patch_stem_items(m)));
	patch_place(m, first);
	patch_load_bytes(m, yes);
	patch_store_bytes(m);
	k_sync(b, K_barrier, 0);
	if (m->u.hold)
		patch_hold_weights(m);
	if (many) {
		tile = k_for(b, first, k_ix(b, m->u.tiles), step);
		next = k_addi(b, tile, step);
		patch_place(m, next);
		patch_load_bytes(m, k_op(b, K_lt, next, k_ix(b, m->u.tiles), 0));
	}
	patch_multiply(m, k_ix(b, 0), sum);
	if (many) {
		k_sync(b, K_barrier, 0);
		patch_store_bytes(m);
	}
	patch_place(m, tile);
	patch_finish(m, sum);
	if (many) {
		k_sync(b, K_barrier, 0);
		k_close(b);
	}
}

static void
tiles(Patch *m, Reg first, int64_t step, const Reg *sum)
{
	KBuild *b = m->b;
	const PatchCut *u = &m->u;
	bool many = u->tiles > step;
	int ahead = many ? MAX(u->stages - 1, 1) : 1;
	Reg tile = first, stage = k_ix(b, 0), next = 0;

	for (int s = 0; s < ahead; s++) {
		begin_patch(m, k_addi(b, first, s * step), k_ix(b, s), s == 0);
		k_sync(b, K_cp_commit, 0);
	}
	if (u->hold) {
		k_sync(b, K_cp_wait, ahead);
		k_sync(b, K_barrier, 0);
		patch_hold_weights(m);
	}
	if (many) {
		if (u->stages > 1) {
			stage = k_var(b, kt(KS_IX, 1));
			next = k_var(b, kt(KS_IX, 1));
			k_mov_to(b, stage, k_ix(b, 0));
			k_mov_to(b, next, k_ix(b, ahead));
		}
		tile = k_for(b, first, k_ix(b, u->tiles), step);
	}
	k_sync(b, K_cp_wait, ahead - 1);
	k_sync(b, K_barrier, 0);
	if (many && u->stages > 1) {
		begin_patch(m, k_addi(b, tile, ahead * step), next, false);
		k_sync(b, K_cp_commit, 0);
	}
	patch_multiply(m, stage, sum);
	if (many && u->stages == 1) {
		k_sync(b, K_barrier, 0);
		begin_patch(m, k_addi(b, tile, step), stage, false);
		k_sync(b, K_cp_commit, 0);
	}
	patch_place(m, tile);
	patch_finish(m, sum);
	if (many) {
		if (u->stages > 1) {
			advance(b, stage, u->stages);
			advance(b, next, u->stages);
		}
		k_close(b);
	}
	k_sync(b, K_cp_wait, 0);
}

/* Warps are numbered along N first. */
void
patch_place_warp(Patch *m)
{
	KBuild *b = m->b;
	Reg warp = k_axis(b, KAXIS_WARP);

	m->warp_m = m->u.wn > 1 ? k_op(b, K_div, warp, k_ix(b, m->u.wn), 0) : warp;
	m->warp_n = m->u.wn > 1 ? k_sub(b, warp, k_muli(b, m->warp_m, m->u.wn)) : k_ix(b, 0);
}

/* Blocks of the same tile run side by side: its patch then comes from the second-level cache. */
Reg
patch_place_block(Patch *m)
{
	KBuild *b = m->b;
	const PatchCut *u = &m->u;
	int64_t columns = m->c->oc / m->c->groups / u->per;     /* ranges of columns of a group */
	Reg block = k_axis(b, KAXIS_BLOCK_X), column = k_ix(b, 0);

	if (u->columns > 1) {
		Reg q = k_op(b, K_div, block, k_ix(b, u->columns), 0);

		column = k_sub(b, block, k_muli(b, q, u->columns));
		block = q;
	}
	m->group = columns > 1 ? k_op(b, K_div, column, k_ix(b, columns), 0) : column;
	m->col0 = k_muli(b, k_sub(b, column, k_muli(b, m->group, columns)), u->per);
	m->group = k_muli(b, m->group, u->groups);
	return block;
}

bool
lower_conv_patch(LowerCtx *cx, uint32_t group, const ConvShape *c, const int32_t *tile, LoweredList *out)
{
	Gen gen, *z = &gen;
	Patch patch = { .z = z, .c = c, .u = patch_cut(c, tile) }, *m = &patch;
	const PatchCut *u = &m->u;
	const Node *x = graph_node(cx->g, c->x);
	int64_t blocks = blocks_of(u, cx->target);
	int sums = u->mt * u->nt * u->warp_groups;
	Reg block, *sum;
	KBuild *b;

	gen_begin(z, cx, group, arena_printf(cx->a, "conv%" PRId64 "x%" PRId64 "s%" PRId64 "_%" PRId64 "_%" PRId64
		"_%" PRId64 "_p%dx%dx%d_%d_%d_%d", c->r, c->s, c->sh, c->c * c->groups, c->oc, c->oh * c->ow * c->n,
		u->th, u->tw, u->cols, u->stages, u->wm, u->wn));
	b = m->b = z->b;
	m->dt = graph_node(cx->g, u->stem ? z->gr->out : c->x)->type.dt;
	if (u->stem)
		m->bytes = x->arg[0];
	else
		m->bx = gen_buf(z, c->x);
	m->bw = gen_buf(z, c->w);
	if (c->bias)
		gen_buf(z, c->bias);
	m->sa = k_buffer(b, "sa", KSPACE_SHARED, m->dt, (u->stem ? 1 : u->stages) * u->patch);
	m->sb = k_buffer(b, "sb", KSPACE_SHARED, m->dt, u->cols * u->pitch);
	k_align(b, m->sa, 128);
	k_align(b, m->sb, 128);
	k_threads(b, u->threads, 1, 1);
	k_grid(b, blocks * u->columns, 1, 1);
	m->tid = k_axis(b, KAXIS_THREAD_X);
	m->lane = k_axis(b, KAXIS_LANE);
	patch_place_warp(m);
	block = patch_place_block(m);
	sum = NEWN(z->a, Reg, (size_t)sums);
	for (int i = 0; i < sums; i++)
		sum[i] = k_var(b, kt(KS_F32, 4));
	/* weights don't depend on the kernel before this one: they come while it still runs */
	patch_bring_weights(m);
	k_sync(b, K_cp_commit, 0);
	k_sync(b, K_grid_wait, 0);
	if (u->stem)
		stem_tiles(m, block, blocks, sum);
	else
		tiles(m, block, blocks, sum);
	gen_end(z, out);
	return true;
}

/* ---- the choice ------------------------------------------------------------------------------------------- */

/* Bytes of pixels that the first convolution casts on the way in. */
bool
conv_patch_stem(const ConvShape *c, const Graph *g)
{
	const Node *x = graph_node(g, c->x), *n = graph_node(g, c->root);

	return c->c == 3 && c->groups == 1 && c->sw == 2 && c->pw <= 2 && x->op == OP_cast && x->group == n->group &&
	       x->keep == KEEP_GROUP && graph_node(g, x->arg[0])->type.dt == DT_U8 && graph_node(g, x->arg[0])->group != n->group &&
	       (graph_node(g, x->arg[0])->type.dim[2] == c->w1);
}

bool
conv_patch_takes(const ConvShape *c, const Target *t, DType dt)
{
	return t->kind == TARGET_GPU && t->mma != MMA_NONE && !c->mean && (dt == DT_F16 ||
	       (dt == DT_BF16 && t->has & GPU_BF16)) && c->r * c->s > 1 && c->r <= 7 && c->s <= 7 &&
	       c->oc / c->groups % 8 == 0;
}

bool
conv_patch_fits(const ConvShape *c, const Target *t, const Graph *g)
{
	const Node *x = graph_node(g, c->x);
	uint32_t id = graph_node(g, c->root)->group;

	if (conv_patch_stem(c, g))
		return conv_patch_takes(c, t, graph_node(g, g->group.p[id].out)->type.dt);
	return c->c % 8 == 0 && x->group != id && conv_patch_takes(c, t, x->type.dt);
}

/* What a tile costs, in clocks of one multiprocessor.  A patch takes as long as its products' reads of shared memory, its
 * instructions or its traffic with memory take, and a part of the others; unless so few blocks are resident
 * that its latency shows.  A block that has no patch ahead waits more.
 *
 * The constants were fitted to 690 timed variants of YOLOv12's convolutions (n and x at batch 32) on one H100
 * 80GB: the tile that the model picks is 8 % slower than the best one measured, on average over 20 shapes. */
static double
cost(const ConvShape *c, const Target *t, const PatchCut *u)
{
	const double products = 1500, cache_rate = 60, memory_rate = 10, shared_rate = 94, issues = 2.74;     /* a clock */
	const double copy = 75, pair = 118, tile = 185, others = 0.12;       /* instructions of a warp */
	const double late = 1170, serial = 0.36, waits = u->stages > 1 ? 0.25 : 0.38, start = 2000;
	double resident = MIN(resident_of(u, t), MAX(1, ceil((double)(u->tiles * u->columns) / t->sms)));
	double warps = u->wm * u->wn, nt = u->nt * u->warp_groups, steps = u->halves / 2;
	double pieces = u->stem ? (double)(u->h * u->row) : (double)(u->h * u->w * u->planes * u->groups);
	double outs = (double)u->th * u->tw * u->cols * 2 * (1 + c->operands), ins = pieces * (u->stem ? 6 : 16);
	double read = warps * steps * (u->mt * u->warp_groups + (u->hold ? 0 : ceil(u->nt / 2.0) * u->warp_groups));
	double part[5] = {
		(double)u->th * u->tw * u->cols * u->halves * PIECE / products,
		(read * 512 + pieces * 16) / shared_rate,
		(warps * u->mt * nt * (pair + 8 * c->operands) + pieces / 32 * copy * (u->stem ? 4 : 1) + warps * tile) / issues,
		(ins + outs) / cache_rate,
		((double)u->th * u->tw * c->sh * c->sw * (u->stem ? 3 : c->c * 2 * u->groups) + outs) / memory_rate,
	};
	double most = 0, sum = 0, body, tiles = (double)(u->tiles * u->columns) / t->sms;

	for (size_t i = 0; i < COUNT(part); i++) {
		most = MAX(most, part[i]);
		sum += part[i];
	}
	body = (most + others * (sum - most) / 4) * (1 + waits / resident);
	body = MAX(body, (late / MIN(u->stages, 2) + body * serial) / resident);
	return (tiles > resident ? tiles : resident) * body + start + (double)(u->cols * u->halves * PIECE * 2) / 20;
}

int
conv_patch_candidates(const ConvShape *c, const Target *t, ConvTile *to, int most)
{
	static const int ths[] = { 4, 8, 16 }, tws[] = { 8, 16, 32 }, warps[][2] = { { 4, 1 }, { 2, 2 }, { 8, 1 }, { 4, 2 }, { 2, 4 } };
	int64_t per = c->oc / c->groups;
	int n = 0;

	for (int cols = 8; cols <= 128 && cols <= c->oc; cols += 8) {
		/* whole groups, or an even part of one */
		if (c->oc % cols || (cols > per ? cols % per : per % cols))
			continue;
		for (size_t i = 0; i < COUNT(ths) * COUNT(tws) * COUNT(warps); i++)
			for (int stages = 1; stages <= (c->c == 3 ? 1 : 3); stages++) {
				const int *w = warps[i % COUNT(warps)];
				ConvTile x = { { ths[i / COUNT(warps) / COUNT(tws)], tws[i / COUNT(warps) % COUNT(tws)], cols, stages, w[0], w[1], 2 }, 0 };
				PatchCut u;

				if (x.tile[0] % w[0] || (x.tile[1] == 8 && x.tile[0] / w[0] % 2) || cols % (8 * w[1]) ||
				    x.tile[0] >= 2 * c->oh || x.tile[1] >= 2 * c->ow || x.tile[0] * x.tile[1] < 16 * w[0])
					continue;
				u = patch_cut(c, x.tile);
				/* a warp has whole groups, or a part of one */
				if ((u.groups > 1 && u.groups % w[1]) || u.mt * u.nt * u.warp_groups > 24 || shared_bytes(&u) > t->shared_block ||
				    u.mt * u.nt * u.warp_groups * u.halves > 4000 || (stages > 1 && u.tiles <= blocks_of(&u, t)))
					continue;
				x.cost = cost(c, t, &u);
				if (n < most)
					to[n++] = x;
			}
	}
	return n;
}
