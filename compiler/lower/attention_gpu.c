/* attention_gpu.c -- attention.c's op on GPUs: the choice of tiles, and the kernel for matrix units.
 *
 * Matrix units (half precision, or f32 by way of tf32; head size a multiple of 16): a block owns one head of one
 * window and holds all of its K and V in shared memory.  A window's queries are tiles of 16 MQ; RW * KW warps: warp
 * (r, k) of block x takes the tiles x RW + r, BLOCKS RW further, ..., and of each every KW-th run of KB keys.
 *
 *     S = Q K'               m16n8k16 (tf32: k8) products, sums in registers
 *     S = body(S, i, j)      what the user wrote, on this lane's pairs; runs of keys that its mask
 *                            leaves out altogether are not in the list (passes/attention_tiles.c)
 *     P = 2^(c S - c m)      c = scale log2 e: one fma and one ex2 a pair
 *     l += sum P, O += P V   the probabilities go from sums to operands without leaving registers
 *
 * m is a score of the row, not the greatest: it follows only when one exceeds it by a factor of 2^8 (follow_greatest),
 * which random scores do in the first run of keys and hardly ever again.  So a usual run has no exchange between lanes
 * and shrinks nothing.  The KW partial results of a row meet in shared memory.
 *
 * A depthwise convolution of the values may be in the group (passes/position.c): attention_filter.c makes it of the V that is in
 * shared memory, with the rows beside the window that the filter reaches, as more products on the matrix units.
 *
 * A lane has of S the keys 2 q and 2 q + 1 (q = lane % 4), where tf32 wants those in places q and q + 4 of the depth:
 * there the keys are counted so, and V is read with 4-byte loads.
 *
 * Where the time goes, for 16 x 80 pairs of a warp: 40 ex2 at 8 cycles of a quarter of the processor, 40 products at 6,
 * 20 ldmatrix, 264 instructions in all.  On an H100 with 16 warps a processor that takes 770 cycles, 140 us for 1536 heads
 * of 400 tokens; without ex2 129, without ldmatrix 128, without products 114, without the last two 67.
 *
 * Where there are warpgroups and no body, Q K' and P V may be their products (attention_groups.c): K and V are then read once
 * for four warps.  On an H200, 1536 heads of 400 tokens with a 5x5 filter: 182 us, 196 by warps.
 *
 * tile = { RW, 16 MQ, KB, KW, BLOCKS, 1 if by warpgroups } or, of attention_plain.c, zeros
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>

#include "lower/attention_gpu.h"

/* log2 of how far a score may exceed the row's reference */
static const double GROWS = 8;

enum { T_WARPS, T_QUERIES, T_RUN, T_KEY_WARPS, T_BLOCKS, T_GROUPS, T_COUNT };

Att
att_of(Gen *z, const Graph *g, const Group *gr)
{
	const Node *n = graph_node(g, gr->root);
	Att a = { .z = z, .windows = attr_int(n, A_windows, 1), .heads = attr_int(n, A_heads, 1) };

	a.q = graph_node(g, n->arg[0]);
	a.k = graph_node(g, n->arg[1]);
	a.v = graph_node(g, n->arg[2]);
	a.width = a.q->type.dim[2];
	a.tokens = a.q->type.dim[1] * a.width / a.windows;
	a.d = a.q->type.dim[3] / a.heads;
	a.dv = a.v->type.dim[3] / a.heads;
	a.bytes = dtype_info[a.q->type.dt].bytes;
	a.piece = 16 / a.bytes;
	a.bodied = attr_body(n) != NULL;
	a.scale = attr_real(n, A_scale, 1 / __builtin_sqrt((double)a.d));
	att_find_filter(&a, g, gr);
	return a;
}

static void
tile_of(Att *a, const int32_t *tile)
{
	a->rw = tile[T_WARPS], a->kw = tile[T_KEY_WARPS], a->kb = tile[T_RUN], a->mq = tile[T_QUERIES] / 16;
	a->blocks = tile[T_BLOCKS];
	a->groups = tile[T_GROUPS];
	a->padded = ceil_div(a->tokens, a->kb) * a->kb;
	a->rows = a->padded;
	if (a->local.v) {
		a->local.none = a->local.lead + MAX(a->padded, a->tokens + a->local.lead);
		a->rows = a->local.none + 1;
	}
	a->tiles = ceil_div(a->tokens, 16 * a->mq);
	a->turns = a->blocks * a->rw < a->tiles;
	a->whole = a->tokens % (16 * a->mq) == 0 && (a->turns || a->blocks * a->rw == a->tiles);
}

int64_t
att_shared_bytes(const Att *a)
{
	int64_t sums = a->kw > 1 ? (int64_t)a->rw * a->kw * 16 * a->mq * 4 : 0;

	return (a->padded + a->rows) * a->d * a->bytes + sums * (a->d + 2) +
		(a->local.v ? att_filter_weights(a) * 2 + sums * a->d + 256 : 0);
}

/* registers of a thread, about */
static int
registers(const Att *a)
{
	int d = (int)a->d;

	return 40 + d / 2 + a->mq * (d * a->bytes / 8 + d / 2 + 4 + a->kb / 2) + (a->groups ? a->kb / 4 : 0);
}

static bool
tile_fits(Att *a, const Target *t, const int32_t *tile)
{
	tile_of(a, tile);
	if (a->groups && !(t->has & GPU_WGMMA && a->rw % 4 == 0 && a->kw == 1 && a->mq == 1 && a->kb % 16 == 0 && att_groups_fit(a)))
		return false;
	return a->rw * a->kw <= 16 && a->kw <= ceil_div(a->tokens, a->kb) && a->blocks >= 1 &&
	       a->rw * (a->blocks - 1) < a->tiles && (a->rw == 1 || a->rw <= a->tiles) && (a->kw == 1 || !a->turns) &&
	       (a->kb <= 32 || a->kb - 16 < a->tokens) && att_shared_bytes(a) <= t->shared_block && registers(a) <= 250 &&
	       registers(a) * 32 * a->rw * a->kw <= 65536;
}

static bool
units_fit(const Att *a, const Graph *g, const Target *t, const Group *gr)
{
	DType dt = a->q->type.dt;

	return t->kind == TARGET_GPU && t->mma != MMA_NONE && a->dv == a->d && (!a->local.v || a->local.fits) &&
	       (dt == DT_F16 || (dt == DT_BF16 && t->has & GPU_BF16) ||
	        (dt == DT_F32 && attr_find(graph_node(g, gr->root), A_math) && t->has & GPU_TF32)) && a->d % 16 == 0 && a->d <= 64;
}

const char *
attention_key(Arena *arena, const Graph *g, const Target *t, const Group *gr)
{
	Att a = att_of(NULL, g, gr);

	/* a body's list of tiles is made for one choice of them */
	if (!node_nhwc(graph_node(g, gr->root)) || !units_fit(&a, g, t, gr) || attr_body(graph_node(g, gr->root)))
		return NULL;
	return arena_printf(arena, "attention %s %" PRId64 " windows of %" PRId64 ", %" PRId64 " heads of %" PRId64 "%s",
	                    a.bytes == 4 ? "tf32" : dtype_info[a.q->type.dt].name, a.q->type.dim[0] * a.windows, a.tokens, a.heads, a.d,
	                    a.local.v ? arena_printf(arena, " with %" PRId64 "x%" PRId64 " of %" PRId64 "%s", a.local.r, a.local.s,
	                                             a.width, a.windows > 1 ? ", in windows" : "") : "");
}

/* No model: those near the usual choice come first. */
int
attention_candidates(const Graph *g, const Target *t, const Group *gr, LowerTile *to, int most)
{
	static const int kbs[] = { 16, 32, 48, 64, 80, 128 };
	Att a = att_of(NULL, g, gr);
	int n = 0;

	if (!attention_key(g->a, g, t, gr))
		return 0;
	for (int rw = 1; rw <= 16; rw++)
		for (int kw = 1; rw * kw <= 16; kw++)
			for (size_t i = 0; i < COUNT(kbs); i++)
				for (int mq = 0; mq <= 5; mq++)
					for (int64_t blocks = ceil_div(a.tokens, 16 * rw * MAX(mq, 1)), last = 0; blocks != last && blocks > 0;
					     last = blocks, blocks = kw > 1 ? 0 : ceil_div(blocks, 2)) {
						LowerTile x = { .tile = { rw, 16 * MAX(mq, 1), kbs[i], kw, (int32_t)blocks, mq == 0 } };

						if (n == most || !tile_fits(&a, t, x.tile))
							continue;
						for (int k = 0; k < T_COUNT; k++)
							x.cost += abs(x.tile[k] - gr->tile[k]) / (k == T_RUN || k == T_QUERIES ? 16.0 : 1);
						to[n++] = x;
					}
	return n;
}

void
choose_attention_gpu(const Graph *g, const Target *t, Group *gr, int *pack)
{
	Att a = att_of(NULL, g, gr);
	int64_t items = a.q->type.dim[0] * a.windows * a.heads, tiles = ceil_div(a.tokens, 16), blocks;
	bool groups = false;
	int kb = a.tokens % 80 == 0 ? 80 : a.tokens % 64 == 0 || a.tokens > 64 ? 64 : 32, rw, kw = 1;

	gr->ntile = a.local.v ? 0 : T_COUNT;
	memset(gr->tile, 0, sizeof gr->tile);
	if (!units_fit(&a, g, t, gr))
		return;
	/* a body's code comes once for each two keys of a run; and short runs fall out more often */
	if (attr_body(graph_node(g, gr->root)))
		kb = 16;
	/* As measured on an H100 and, by warpgroups, an H200.  Many heads and windows: a few blocks for each, whose warps work
	 * in turns.  Fewer: as many blocks as there are tiles for.  Very few: keys are split among warps. */
	if (items >= 8 * t->sms && tile_fits(&a, t, (int32_t[T_COUNT]){ 4, 16, kb, 1, 1, 1 })) {
		rw = 4;
		blocks = 1;
		groups = true;
	} else if (a.local.v && items >= 2 * t->sms && tiles % 5 == 0) {
		rw = 5;         /* the rows around a window leave room for three blocks, not four; so each has all tiles */
		blocks = 1;
	} else if (items >= 2 * t->sms) {
		rw = (int)MIN(4, tiles);
		blocks = items >= 8 * t->sms && tiles > rw ? 2 : 1;
	} else if (tiles % 5 == 0 && items * (tiles / 5) >= 2 * t->sms) {
		rw = 5;
		blocks = tiles / 5;
	} else if (tiles >= 4 && items * ceil_div(tiles, 4) >= t->sms / 2) {
		rw = 4;
		blocks = ceil_div(tiles, 4);
	} else {
		rw = 1;
		blocks = tiles;
		kw = (int)MIN(5, ceil_div(a.tokens, kb));
	}
	if (!tile_fits(&a, t, (int32_t[T_COUNT]){ rw, 16, kb, kw, (int32_t)blocks, groups }))
		return;
	gr->ntile = T_COUNT;
	gr->tile[T_WARPS] = rw;
	gr->tile[T_QUERIES] = 16;
	gr->tile[T_RUN] = kb;
	gr->tile[T_KEY_WARPS] = kw;
	gr->tile[T_BLOCKS] = (int32_t)blocks;
	gr->tile[T_GROUPS] = groups;
	if (attr_body(graph_node(g, gr->root)))
		*pack = gr->tile[T_RUN];
}

/* index of token t (of the picture), channel c */
Reg
att_token_index(Att *a, const Node *x, Reg t, Reg c)
{
	KBuild *b = a->b;
	const int64_t *st = x->place.stride;
	Reg at = k_add(b, k_muli(b, a->n, st[0]), k_muli(b, c, st[3])), y;

	if (st[1] == st[2] * x->type.dim[2])
		return k_add(b, at, k_muli(b, t, st[2]));
	y = k_op(b, K_div, t, k_ix(b, a->width), 0);
	return k_add(b, at, k_add(b, k_muli(b, y, st[1]),
	                          k_muli(b, k_sub(b, t, k_muli(b, y, a->width)), st[2])));
}

Coord
att_out_coord(Att *a, Reg t, Reg c, int lanes)
{
	KBuild *b = a->b;
	Coord o = { .vdim = 3, .lanes = lanes, .active = lanes };

	o.r[0] = a->n;
	if (a->flat) {
		o.r[2] = t;
	} else {
		o.r[1] = k_op(b, K_div, t, k_ix(b, a->width), 0);
		o.r[2] = k_sub(b, t, k_muli(b, o.r[1], a->width));
	}
	o.r[3] = c;
	return o;
}

/* ---- matrix units ----------------------------------------------------------------------------- */

/* Rows of K and V are d numbers in chunks of 16 bytes: chunk c of row r lies at c ^ f(r), so that 8 rows of one chunk
 * are in 8 different groups of banks.  f has a period of 8 rows. */
Reg
att_in_row(Att *a, Reg row, Reg chunk)
{
	KBuild *b = a->b;
	int chunks = (int)a->d / a->piece;
	Reg s = chunks >= 8 ? row : k_op(b, K_shr, row, k_ix(b, chunks == 4 ? 1 : chunks == 2 ? 2 : 0), 0);

	if (chunks & (chunks - 1))      /* 48: no power of two, no swizzle */
		return k_muli(b, chunk, a->piece);
	s = k_op(b, K_and, s, k_ix(b, MIN(chunks, 8) - 1), 0);
	return k_muli(b, k_op(b, K_xor, chunk, s, 0), a->piece);
}

/* begins to copy all K and V; rows that do not exist are zeros */
static void
copy_keys(Att *a)
{
	KBuild *b = a->b;
	int threads = 32 * a->rw * a->kw, chunks = (int)a->d / a->piece;
	Reg tid = k_axis(b, KAXIS_THREAD_X), i, row, chunk, ok, t, to;

	i = k_for(b, tid, k_ix(b, a->padded * chunks), threads);
	row = k_op(b, K_div, i, k_ix(b, chunks), 0);
	chunk = k_sub(b, i, k_muli(b, row, chunks));
	ok = a->padded == a->tokens ? k_int(b, KS_I1, 1) : k_op(b, K_lt, row, k_ix(b, a->tokens), 0);
	t = k_add(b, a->token0, a->padded == a->tokens ? row : k_op(b, K_min, row, k_ix(b, a->tokens - 1), 0));
	to = k_add(b, k_muli(b, row, a->d), att_in_row(a, row, chunk));
	for (int w = 0; w < (a->local.v ? 1 : 2); w++)
		k_cp_async(b, w ? a->sv : a->sk, to, w ? a->bv : a->bk,
		           att_token_index(a, w ? a->v : a->k, t, k_add(b, a->head0, k_muli(b, chunk, a->piece))), a->piece, ok);
	k_close(b);
	if (a->local.v)
		att_copy_values(a);
	k_sync(b, K_cp_commit, 0);
}

/* greatest or sum over the four lanes that share a row */
static Reg
over_row(KBuild *b, KOp op, Reg x)
{
	x = k_op(b, op, x, k_shuffle(b, x, 1), 0);
	return k_op(b, op, x, k_shuffle(b, x, 2), 0);
}

static Reg
exp2_of(KBuild *b, Reg x)
{
	return k_op(b, K_exp2, x, 0, 0);
}

/* what f makes of x and, for each of both rows, y */
static void
multiply_rows(KBuild *b, Reg x, const Reg y[2])
{
	k_mov_to(b, x, k_mul(b, x, k_join(b, k_splat(b, 2, y[0]), k_splat(b, 2, y[1]))));
}

/* this lane's numbers of the fragments: see kops.def, ldmatrix and mma */
static void
lane_numbers(Att *a)
{
	KBuild *b = a->b;
	Reg low3, mid, high, row;

	a->lane = k_axis(b, KAXIS_LANE);
	low3 = k_op(b, K_and, a->lane, k_ix(b, 7), 0);
	mid = k_op(b, K_and, k_op(b, K_shr, a->lane, k_ix(b, 3), 0), k_ix(b, 1), 0);
	high = k_op(b, K_shr, a->lane, k_ix(b, 4), 0);
	a->g = k_op(b, K_shr, a->lane, k_ix(b, 2), 0);
	a->quad = k_op(b, K_and, a->lane, k_ix(b, 3), 0);
	a->steps = (int)a->d / (2 * a->piece);
	a->wide = (int)a->d / 8;
	a->at_k = NEWN(a->z->a, Reg, (size_t)a->steps);
	a->at_v = NEWN(a->z->a, Reg, 2 * (size_t)a->wide);
	/* Where the lane's row of 16 keys of K begins, chunk by chunk, and of V, two chunks at a time: runs of keys begin at
	 * multiples of 16, so that the swizzle is the same for all of them. */
	for (int k = 0; k < a->steps; k++) {
		row = k_add(b, low3, k_muli(b, high, 8));
		a->at_k[k] = k_add(b, k_muli(b, row, a->d), att_in_row(a, low3, k_addi(b, mid, 2 * k)));
	}
	for (int d = 0; d < a->wide / 2 && a->bytes == 2; d++) {
		row = k_addi(b, k_add(b, low3, k_muli(b, mid, 8)), a->local.lead);
		a->at_v[d] = k_add(b, k_muli(b, row, a->d), att_in_row(a, low3, k_addi(b, high, 2 * d)));
	}
	/* tf32: channel 8 d + g of key 2 q + i */
	for (int d = 0; d < 2 * a->wide && a->bytes == 4; d++) {
		Reg chunk = k_op(b, K_shr, a->g, k_ix(b, 2), 0), in = k_op(b, K_and, a->g, k_ix(b, 3), 0);

		row = k_addi(b, k_muli(b, a->quad, 2), d & 1);
		a->at_v[d] = k_add(b, k_muli(b, row, a->d), k_add(b, att_in_row(a, row, k_addi(b, chunk, d & ~1)), in));
	}
}

/* The queries from t0 on, straight into operand registers: by part, then by 16 channels.  Rows past the end read
 * the last one. */
static void
load_queries(Att *a, Reg t0, Reg *to)
{
	KBuild *b = a->b;

	for (int m = 0; m < a->mq; m++)
		for (int k = 0; k < a->steps; k++) {
			Reg piece[4];

			for (int h = 0; h < 4; h++) {
				Reg row = k_add(b, t0, k_addi(b, a->g, 16 * m + (h & 1) * 8));

				if (!a->whole || a->turns)
					row = k_op(b, K_min, row, k_ix(b, a->tokens - 1), 0);
				piece[h] = k_load(b, a->bq, att_token_index(a, a->q, k_add(b, a->token0, row),
					k_add(b, a->head0, k_addi(b, k_muli(b, a->quad, a->piece / 4), (2 * k + (h >> 1)) * a->piece))), a->piece / 4);
			}
			*to++ = k_join(b, k_join(b, piece[0], piece[1]), k_join(b, piece[2], piece[3]));
		}
}

/* scores of the run of keys at kb0 */
static void
products(Att *a, Reg kb0)
{
	KBuild *b = a->b;
	Reg run = k_muli(b, kb0, a->d), zero = k_real(b, kt(KS_F32, 4), 0);

	for (int j = 0; j < a->kb / 8; j += 2) {
		Reg two[8];
		int half = a->piece / 2;

		for (int k = 0; k < a->steps; k++)
			two[k] = k_ldmatrix(b, a->sk, k_addi(b, k_add(b, run, a->at_k[k]), j * 8 * a->d), false);
		for (int m = 0; m < a->mq; m++)
			for (int i = 0; i < 2; i++) {
				Reg sum = zero;

				for (int k = 0; k < a->steps; k++)
					sum = k_mma(b, a->part[m].q[k], k_part(b, two[k], half * i, half), sum);
				k_mov_to(b, a->part[m].s[j + i], sum);
			}
	}
}

/* ---- the body: see attention.c, which does the same for a query and a vector of keys ---- */

static void
begin_body(Att *a, const Node *root)
{
	const unsigned of_query = 1 << BODY_I | 1 << BODY_H | BODY_CAPTURES;
	const Attr *tiles = attr_find(root, A_tiles);

	a->scaled = !(a->scale > 0);    /* the greatest of all is not the greatest then */
	body_begin(&a->body, a->z, root);
	if (!a->body.g)
		return;
	if (a->padded == a->tokens)
		body_keys_follow(&a->body);
	a->scaled |= a->body.score || a->body.needs[a->body.mask] >> BODY_S & 1;
	a->of_query = body_border(&a->body, of_query, of_query);
	a->of_key = body_border(&a->body, 1 << BODY_J | 1 << BODY_H | BODY_CAPTURES, 1 << BODY_J);
	/* a list for other tiles than these would be made by a pass for another machine */
	if (tiles && tiles->v[0] == 16 * a->mq && tiles->v[1] == a->kb)
		a->list = gen_buf(a->z, root->arg[root->narg - 1]);
}

/* What the body makes of the queries at hand alone; and which runs of keys they see. */
static void
know_queries(Att *a)
{
	KBuild *b = a->b;

	if (!a->body.g)
		return;
	for (int m = 0; m < a->mq; m++)
		for (int h = 0; h < 2; h++) {
			Part *p = &a->part[m];
			Reg row = k_add(b, a->t0, k_addi(b, a->g, 16 * m + 8 * h));

			if (!a->whole)
				row = k_op(b, K_min, row, k_ix(b, a->tokens - 1), 0);
			p->i[h] = k_cast(b, KS_I32, k_add(b, a->token0, row));
			p->known[h] = NEWN(a->z->a, Reg, a->of_query.v.n + 1);
			body_pair(&a->body, 0, p->i[h], 0, a->h);
			for (size_t k = 0; k < a->of_query.v.n; k++)
				p->known[h][k] = body_value(&a->body, a->of_query.v.p[k], 1);
		}
	gen_forget(&a->body.z);
	if (a->list) {
		Reg row = a->window;

		if (a->body.needs[a->body.mask] >> BODY_H & 1)
			row = k_add(b, k_muli(b, row, a->heads), a->head);
		row = k_add(b, k_muli(b, row, a->tiles), k_op(b, K_min, a->tile, k_ix(b, a->tiles - 1), 0));
		a->first = k_cast(b, KS_IX, k_load(b, a->list, row, 1));
		a->last = k_cast(b, KS_IX, k_load(b, a->list, k_addi(b, row, 1), 1));
	}
}

/* The body looks at x, scores of row h of part p and this lane's two keys of some 8. */
static void
look_at(Att *a, const Part *p, int h, const Reg *key, Reg x)
{
	size_t nq = a->of_query.v.n, nk = a->of_key.v.n + 1;

	body_pair(&a->body, x, p->i[h], key[0], a->h);
	for (size_t k = 0; k < nq; k++)
		body_know(&a->body, a->of_query.v.p[k], p->known[h][k]);
	for (size_t k = 1; k < nk; k++)
		body_know(&a->body, a->of_key.v.p[k - 1], key[k]);
}

/* This lane's keys of the run at kb0: by two, their numbers in the picture, then of_key.  Past the last comes the
 * last again, so that what the body reads for it exists. */
static Reg *
know_keys(Att *a, Reg kb0)
{
	KBuild *b = a->b;
	size_t n = a->of_key.v.n + 1;
	Reg *key = NEWN(a->z->a, Reg, (size_t)a->kb / 8 * n);

	for (int j = 0; j < a->kb / 8; j++) {
		Reg first = k_add(b, k_addi(b, kb0, 8 * j), k_muli(b, a->quad, 2)), *mine = &key[(size_t)j * n];

		mine[0] = k_add(b, k_splat(b, 2, k_cast(b, KS_I32, k_add(b, a->token0, first))), k_lanes(b, kt(KS_I32, 2)));
		if (a->padded != a->tokens)
			mine[0] = k_op(b, K_min, mine[0], k_splat(b, 2, k_cast(b, KS_I32, k_addi(b, a->token0, a->tokens - 1))), 0);
		body_pair(&a->body, 0, 0, mine[0], a->h);
		for (size_t k = 1; k < n; k++)
			mine[k] = body_value(&a->body, a->of_key.v.p[k - 1], 2);
	}
	gen_forget(&a->body.z);
	return key;
}

static void
apply_body(Att *a, Reg kb0)
{
	KBuild *b = a->b;
	KType f2 = kt(KS_F32, 2);
	Reg never = k_real(b, f2, -INFINITY), *key;
	size_t n = a->of_key.v.n + 1;
	bool apart = a->mixed != 0;

	for (int m = 0; m < a->mq && a->scaled; m++)
		for (int j = 0; j < a->kb / 8; j++)
			k_op_to(b, a->part[m].s[j], K_mul, a->part[m].s[j], k_real(b, kt(KS_F32, 4), a->scale), 0);
	if (!a->body.g)
		return;
	key = know_keys(a, kb0);
	/* what a list decides is decided of masks that see no scores: they may be looked at apart */
	for (int pass = 0; pass < 1 + apart; pass++) {
		bool score = pass == 0, mask = a->body.mask && pass == apart;

		if (!mask && !a->body.score)
			continue;
		if (pass == 1)
			k_if(b, a->mixed);
		for (int j = 0; j < a->kb / 8; j++)
			for (int m = 0; m < a->mq; m++) {
				Part *p = &a->part[m];
				Reg both[2];

				for (int h = 0; h < 2; h++) {
					Reg x = att_row(b, p->s[j], h), sees = 0;

					look_at(a, p, h, &key[(size_t)j * n], x);
					if (mask)
						sees = body_mask(&a->body, 2);
					if (score)
						x = body_score(&a->body, x, 2);
					both[h] = sees ? k_select(b, sees, x, never) : x;
				}
				k_mov_to(b, p->s[j], k_join(b, both[0], both[1]));
			}
		gen_forget(&a->body.z);
		if (pass == 1)
			k_close(b);
	}
}

/* keys that do not exist are infinitely far */
void
att_mask_tail(Att *a, Reg kb0)
{
	KBuild *b = a->b;
	Reg never = k_real(b, kt(KS_F32, 1), -INFINITY);

	if (a->padded == a->tokens)
		return;
	k_if(b, k_op(b, K_lt, k_ix(b, a->tokens), k_addi(b, kb0, a->kb), 0));
	for (int j = 0; j < a->kb / 8; j++) {
		Reg key = k_add(b, k_addi(b, kb0, j * 8), k_muli(b, a->quad, 2)), is[2];

		for (int i = 0; i < 2; i++)
			is[i] = k_op(b, K_lt, k_addi(b, key, i), k_ix(b, a->tokens), 0);
		for (int m = 0; m < a->mq; m++) {
			Reg s = a->part[m].s[j], v[4];

			for (int i = 0; i < 4; i++)
				v[i] = k_select(b, is[i & 1], k_lane(b, s, i), never);
			k_mov_to(b, s, k_join(b, k_join(b, v[0], v[1]), k_join(b, v[2], v[3])));
		}
	}
	k_close(b);
}

/* the greatest of this lane's scores, by rows */
void
att_find_greatest(Att *a)
{
	KBuild *b = a->b;

	for (int m = 0; m < a->mq; m++)
		for (int h = 0; h < 2; h++) {
			Part *p = &a->part[m];
			Reg top = 0;

			for (int j = 0; j < a->kb / 8; j++)
				for (int i = 0; i < 2; i++) {
					Reg s = k_lane(b, p->s[j], 2 * h + i);

					top = top ? k_op(b, K_max_num, top, s, 0) : s;
				}
			p->top[h] = top;
		}
}

/* what is added to exponents if the greatest of a row's lanes is its reference */
Reg
att_reference(Att *a, Reg top)
{
	KBuild *b = a->b;
	KType f1 = kt(KS_F32, 1);

	return k_fma(b, over_row(b, K_max_num, top), k_real(b, f1, -a->factor), k_real(b, f1, a->groups ? -ATT_ROOM : 0));
}

/* The greatest of rows are their references from here on, if they were not greater before. */
void
att_refer_to_greatest(Att *a)
{
	KBuild *b = a->b;

	for (int m = 0; m < a->mq; m++) {
		Part *p = &a->part[m];
		Reg shrink[2];

		for (int h = 0; h < 2; h++) {
			Reg low = k_op(b, K_min, att_reference(a, p->top[h]), p->low[h], 0);

			shrink[h] = exp2_of(b, k_sub(b, low, p->low[h]));
			k_mov_to(b, p->low[h], low);
			k_mov_to(b, p->sum[h], k_mul(b, p->sum[h], shrink[h]));
		}
		for (int j = 0; j < a->wide; j++)
			multiply_rows(b, p->o[j], shrink);
	}
}

/* The reference of a row moves only when a score exceeds it by a factor of 2^GROWS: what is summed stays far below
 * the greatest f16, and nearly no run of keys but the first has to shrink anything. */
static void
follow_greatest(Att *a)
{
	KBuild *b = a->b;
	Reg any = 0, factor = k_real(b, kt(KS_F32, 1), a->factor), grows = k_real(b, kt(KS_F32, 1), GROWS);

	att_find_greatest(a);
	for (int m = 0; m < a->mq; m++)
		for (int h = 0; h < 2; h++) {
			Part *p = &a->part[m];
			Reg more = k_op(b, K_lt, grows, k_fma(b, p->top[h], factor, p->low[h]), 0);

			any = any ? k_op(b, K_or, any, more, 0) : more;
		}
	k_if(b, k_vote_any(b, any));
	att_refer_to_greatest(a);
	k_close(b);
}

/* this lane's 2^(factor s + low) of row h and 8 keys */
static Reg
weights(Att *a, const Part *p, int j, int h)
{
	KBuild *b = a->b;

	return exp2_of(b, k_fma(b, att_row(b, p->s[j], h), k_real(b, kt(KS_F32, 2), a->factor), k_splat(b, 2, p->low[h])));
}

static void
add_sum(KBuild *b, Reg sum, Reg e)
{
	k_mov_to(b, sum, k_add(b, sum, k_reduce(b, K_reduce_add, e)));
}

/* those of 16 keys from the j-th 8 on as an operand; and added to sums */
Reg
att_weights_of_16(Att *a, const Part *p, int j, const Reg *sum)
{
	KBuild *b = a->b;
	KScalar half = a->q->type.dt == DT_BF16 ? KS_BF16 : KS_F16;
	Reg e[2][2], x[2];

	for (int i = 0; i < 2; i++) {
		for (int h = 0; h < 2; h++)
			e[i][h] = weights(a, p, j + i, h);
		x[i] = k_cast(b, half, k_join(b, e[i][0], e[i][1]));
	}
	for (int h = 0; h < 2; h++)
		add_sum(b, sum[h], k_add(b, e[0][h], e[1][h]));
	return k_join(b, x[0], x[1]);
}

/* O += weights V */
static void
weigh_values(Att *a, Reg kb0)
{
	KBuild *b = a->b;
	Reg run = k_muli(b, kb0, a->d), v[4];

	for (int j = 0; j < a->kb / 8; j += 2) {
		for (int d = 0; d < a->wide / 2; d++)
			v[d] = k_ldmatrix(b, a->sv, k_addi(b, k_add(b, run, a->at_v[d]), j * 8 * a->d), true);
		for (int m = 0; m < a->mq; m++) {
			Part *p = &a->part[m];
			Reg x = att_weights_of_16(a, p, j, p->sum);

			for (int d = 0; d < a->wide; d++)
				k_mma_to(b, p->o[d], x, k_part(b, v[d / 2], 4 * (d & 1), 4), p->o[d]);
		}
	}
}

static void
weigh_values_tf32(Att *a, Reg kb0)
{
	KBuild *b = a->b;
	Reg run = k_muli(b, kb0, a->d), e[2], v[8], x[2];

	for (int j = 0; j < a->kb / 8; j++) {
		for (int d = 0; d < a->wide; d++) {
			for (int i = 0; i < 2; i++)
				x[i] = k_load(b, a->sv, k_addi(b, k_add(b, run, a->at_v[2 * d + i]), j * 8 * a->d), 1);
			v[d] = k_join(b, x[0], x[1]);
		}
		for (int m = 0; m < a->mq; m++) {
			Part *p = &a->part[m];

			for (int h = 0; h < 2; h++) {
				e[h] = weights(a, p, j, h);
				add_sum(b, p->sum[h], e[h]);
			}
			for (int i = 0; i < 2; i++)
				x[i] = k_join(b, k_lane(b, e[0], i), k_lane(b, e[1], i));
			for (int d = 0; d < a->wide; d++)
				k_mma_to(b, p->o[d], k_join(b, x[0], x[1]), v[d], p->o[d]);
		}
	}
}

static void
run_of_keys(Att *a, Reg kb0)
{
	products(a, kb0);
	apply_body(a, kb0);
	att_mask_tail(a, kb0);
	follow_greatest(a);
	if (a->bytes == 2)
		weigh_values(a, kb0);
	else
		weigh_values_tf32(a, kb0);
}

/* an entry of the list is the first key of a run, plus 1 if the mask must be looked at */
static void
run_of_list(Att *a, Reg at)
{
	KBuild *b = a->b;
	Reg entry = k_cast(b, KS_IX, k_load(b, a->list, at, 1)), flag = k_op(b, K_and, entry, k_ix(b, 1), 0);

	a->mixed = k_op(b, K_ne, flag, k_ix(b, 0), 0);
	run_of_keys(a, k_sub(b, entry, flag));
}

static Reg
inverse_of(Att *a, Reg sum)
{
	KBuild *b = a->b;
	Reg one = k_real(b, kt(KS_F32, 1), 1), none = k_real(b, kt(KS_F32, 1), 0), x = k_op(b, K_div, one, sum, 0);

	return a->body.mask ? k_select(b, k_op(b, K_lt, none, sum, 0), x, none) : x;    /* a query that sees nothing */
}

/* a row's results are in the four lanes of a quad */
static void
finish_rows(Att *a)
{
	KBuild *b = a->b;

	for (int m = 0; m < a->mq; m++) {
		Reg *local = 0;

		if (a->local.v) {
			local = att_begin_sums(a, a->local.bias != 0);
			att_convolve(a, k_addi(b, a->t0, 16 * m), 0, 1, local);
		}
		for (int h = 0; h < 2; h++) {
			Reg row = k_add(b, a->t0, k_addi(b, a->g, 16 * m + 8 * h)), inv = inverse_of(a, a->part[m].sum[h]);

			if (!a->whole) {
				k_if(b, k_op(b, K_lt, row, k_ix(b, a->tokens), 0));
				gen_forget_bases(a->z);
			}
			for (int j = 0; j < a->wide; j++) {
				Coord c = att_out_coord(a, k_add(b, a->token0, row), k_add(b, a->head0, k_muli(b, a->quad, 2)), 2);

				c.k[3] = j * 8;
				a->z->given_value = local ? att_row(b, local[j], h) : 0;
				gen_finish(a->z, &c, k_mul(b, att_row(b, a->part[m].o[j], h), k_splat(b, 2, inv)));
			}
			if (!a->whole) {
				k_close(b);
				gen_forget_bases(a->z);
			}
		}
	}
}

/* each row has kw partial results, which meet in shared memory */
static void
finish_partial(Att *a)
{
	KBuild *b = a->b;
	int rows = 16 * a->mq;
	Reg slot = k_add(b, k_muli(b, a->row_warp, a->kw), a->key_warp);

	for (int m = 0; m < a->mq; m++)
		for (int h = 0; h < 2; h++) {
			const Part *p = &a->part[m];
			Reg r = k_add(b, k_muli(b, slot, rows), k_addi(b, a->g, 16 * m + 8 * h));

			for (int j = 0; j < a->wide; j++)
				k_store(b, a->so, k_add(b, k_muli(b, r, a->d), k_addi(b, k_muli(b, a->quad, 2), j * 8)),
				        att_row(b, p->o[j], h));
			k_if(b, k_op(b, K_eq, a->quad, k_ix(b, 0), 0));
			k_store(b, a->sm, k_muli(b, r, 2), p->low[h]);
			k_store(b, a->sm, k_addi(b, k_muli(b, r, 2), 1), p->sum[h]);
			k_close(b);
		}
	if (a->local.v)
		att_convolve_partial(a, slot);
	k_sync(b, K_barrier, 0);

	int64_t pieces = (int64_t)a->rw * rows * (a->d / 8);
	Reg item = k_for(b, k_axis(b, KAXIS_THREAD_X), k_ix(b, pieces), 32 * a->rw * a->kw);
	Reg r = k_op(b, K_div, item, k_ix(b, a->d / 8), 0), c8 = k_muli(b, k_sub(b, item, k_muli(b, r, a->d / 8)), 8);
	Reg warp_row = k_op(b, K_div, r, k_ix(b, rows), 0), within = k_sub(b, r, k_muli(b, warp_row, rows));
	Reg first = k_add(b, k_muli(b, warp_row, rows * a->kw), within), low = 0, sum = 0, acc = 0;
	Reg tq = k_add(b, k_muli(b, k_axis(b, KAXIS_BLOCK_X), rows * a->rw), r);

	if (!a->whole)
		k_if(b, k_op(b, K_lt, tq, k_ix(b, a->tokens), 0));
	for (int k = 0; k < a->kw; k++) {
		Reg lk = k_load(b, a->sm, k_muli(b, k_addi(b, first, rows * k), 2), 1);

		low = k ? k_op(b, K_min, low, lk, 0) : lk;
	}
	for (int k = 0; k < a->kw; k++) {
		Reg at = k_addi(b, first, rows * k), w, lk, ok;

		w = exp2_of(b, k_sub(b, low, k_load(b, a->sm, k_muli(b, at, 2), 1)));
		lk = k_mul(b, w, k_load(b, a->sm, k_addi(b, k_muli(b, at, 2), 1), 1));
		ok = k_mul(b, k_splat(b, 8, w), k_load(b, a->so, k_add(b, k_muli(b, at, a->d), c8), 8));
		sum = k ? k_add(b, sum, lk) : lk;
		acc = k ? k_add(b, acc, ok) : ok;
	}
	acc = k_mul(b, acc, k_splat(b, 8, inverse_of(a, sum)));
	if (a->local.v) {
		Reg local = 0;

		for (int k = 0; k < a->kw; k++) {
			Reg x = k_load(b, a->local.sc, k_add(b, k_muli(b, k_addi(b, first, rows * k), a->d), c8), 8);

			local = k ? k_add(b, local, x) : x;
		}
		if (a->local.bias)
			local = k_add(b, local, k_cast(b, KS_F32, k_load(b, gen_buf(a->z, a->local.bias), k_add(b, a->head0, c8), 8)));
		a->z->given_value = local;
	}
	gen_forget_bases(a->z);
	Coord c = att_out_coord(a, k_add(b, a->token0, tq), k_add(b, a->head0, c8), 8);

	gen_finish(a->z, &c, acc);
	if (!a->whole)
		k_close(b);
	k_close(b);
}

static void
shared_buffers(Att *a, DType dt)
{
	KBuild *b = a->b;
	int64_t rows = (int64_t)a->rw * a->kw * 16 * a->mq;

	a->sk = k_buffer(b, "sk", KSPACE_SHARED, dt, a->padded * a->d);
	a->sv = k_buffer(b, "sv", KSPACE_SHARED, dt, a->rows * a->d);
	/* 8 rows of the swizzle of a product by warpgroups */
	k_align(b, a->sk, a->groups ? 8 * att_row_bytes(a) : 128);
	k_align(b, a->sv, a->groups ? 8 * att_row_bytes(a) : 128);
	if (a->kw > 1) {
		a->so = k_buffer(b, "so", KSPACE_SHARED, DT_F32, rows * a->d);
		a->sm = k_buffer(b, "sm", KSPACE_SHARED, DT_F32, rows * 2);
	}
	if (a->local.v) {
		a->local.sw = k_buffer(b, "sw", KSPACE_SHARED, dt, att_filter_weights(a));
		k_align(b, a->local.sw, 128);
		if (a->kw > 1)
			a->local.sc = k_buffer(b, "sc", KSPACE_SHARED, DT_F32, rows * a->d);
	}
}

static void
begin_parts(Att *a)
{
	KBuild *b = a->b;
	Arena *arena = a->z->a;
	KType f1 = kt(KS_F32, 1), f4 = kt(KS_F32, 4);

	a->part = NEWN(arena, Part, (size_t)a->mq);
	for (int m = 0; m < a->mq; m++) {
		Part *p = &a->part[m];

		p->q = NEWN(arena, Reg, (size_t)a->steps);
		p->s = NEWN(arena, Reg, (size_t)a->kb / 8);
		p->o = NEWN(arena, Reg, (size_t)a->wide);
		for (int j = 0; j < a->kb / 8; j++)
			p->s[j] = k_var(b, f4);
		for (int j = 0; j < a->wide; j++)
			p->o[j] = k_var(b, f4);
		for (int h = 0; h < 2; h++) {
			p->low[h] = k_var(b, f1);
			p->sum[h] = k_var(b, f1);
		}
	}
	if (a->groups) {
		KType half = kt(kscalar_of(a->q->type.dt), a->kb / 2);

		a->scores = k_var(b, kt(KS_F32, a->kb / 2));
		a->values = k_var(b, kt(KS_F32, (int)a->d / 2));
		a->p = k_var(b, half);
		k_mov_to(b, a->scores, k_real(b, kt(KS_F32, a->kb / 2), 0));
		k_mov_to(b, a->p, k_real(b, half, 0));
	}
}

/* a tile of queries before it has seen keys */
static void
reset_parts(Att *a)
{
	KBuild *b = a->b;

	for (int m = 0; m < a->mq; m++) {
		Part *p = &a->part[m];

		for (int j = 0; j < a->wide; j++)
			k_mov_to(b, p->o[j], k_real(b, kt(KS_F32, 4), 0));
		for (int h = 0; h < 2; h++) {
			k_mov_to(b, p->low[h], k_real(b, kt(KS_F32, 1), 1e30));
			k_mov_to(b, p->sum[h], k_real(b, kt(KS_F32, 1), 0));
		}
	}
	if (a->groups)
		k_mov_to(b, a->values, k_real(b, kt(KS_F32, (int)a->d / 2), 0));
}

/* All keys for the tile of queries at hand.  A warp without queries has no keys to look at. */
static void
attend(Att *a)
{
	KBuild *b = a->b;

	reset_parts(a);
	know_queries(a);
	if (a->groups) {
		att_attend_by_groups(a);
	} else if (a->list) {
		run_of_list(a, k_for(b, k_add(b, a->first, a->key_warp), a->last, a->kw));
		k_close(b);
	} else {
		Reg last = k_ix(b, a->padded);

		if (!a->turns && a->blocks * a->rw > a->tiles)
			last = k_select(b, k_op(b, K_lt, a->tile, k_ix(b, a->tiles), 0), last, k_ix(b, 0));
		run_of_keys(a, k_for(b, k_muli(b, a->key_warp, a->kb), last, (int64_t)a->kw * a->kb));
		k_close(b);
	}
	gen_forget_bases(a->z);
	if (a->groups && a->here)
		k_if(b, a->here);
	for (int m = 0; m < a->mq; m++)
		for (int h = 0; h < 2; h++)
			k_mov_to(b, a->part[m].sum[h], over_row(b, K_add, a->part[m].sum[h]));
	if (a->kw == 1)
		finish_rows(a);
	else
		finish_partial(a);
	if (a->groups && a->here) {
		k_close(b);
		gen_forget_bases(a->z);
	}
}

/* what was copied is there for all */
static void
meet_copies(Att *a)
{
	k_sync(a->b, K_cp_wait, 0);
	if (a->groups)
		k_sync(a->b, K_async_fence, 0);
	k_sync(a->b, K_barrier, 0);
}

/* The warp's tiles of queries, one after another; the next one's are loaded before one is worked on. */
static void
attend_in_turns(Att *a)
{
	KBuild *b = a->b;
	int count = a->mq * a->steps, step = a->blocks * a->rw;
	Reg *q = NEWN(a->z->a, Reg, (size_t)count), *next = NEWN(a->z->a, Reg, (size_t)count), first = a->tile;

	load_queries(a, a->t0, next);
	for (int i = 0; i < count; i++) {
		q[i] = k_var(b, k_type(b, next[i]));
		k_mov_to(b, q[i], next[i]);
	}
	meet_copies(a);
	if (a->groups) {        /* all warps of a group take as many turns */
		a->tile = k_add(b, first, k_for(b, k_ix(b, 0), k_ix(b, ceil_div(a->tiles, step) * step), step));
		a->here = a->tiles % step ? k_op(b, K_lt, a->tile, k_ix(b, a->tiles), 0) : 0;
	} else {
		a->tile = k_for(b, first, k_ix(b, a->tiles), step);
	}
	gen_forget_bases(a->z);
	a->t0 = k_muli(b, a->tile, 16 * a->mq);
	load_queries(a, k_addi(b, a->t0, 16 * a->mq * step), next);
	for (int i = 0; i < count; i++)
		a->part[i / a->steps].q[i % a->steps] = q[i];
	attend(a);
	for (int i = 0; i < count; i++)
		k_mov_to(b, q[i], next[i]);
	k_close(b);
	gen_forget_bases(a->z);
}

bool
lower_attention_gpu(LowerCtx *cx, uint32_t group, LoweredList *out, const char **err)
{
	const Group *gr = &cx->g->group.p[group];
	const Node *root = graph_node(cx->g, gr->root);
	Gen gen, *z = &gen;
	Att att, *a = &att;
	KBuild *b;
	Reg block, t;

	(void)err;
	if (!gr->tile[0])
		return lower_attention_plain(cx, group, out, err);
	att = att_of(z, cx->g, gr);
	tile_of(a, gr->tile);
	gen_begin(z, cx, group, arena_printf(cx->a, "attention_%" PRId64 "x%" PRId64 "_%" PRId64 "_%" PRId64 "_%c%dx%d_%dx%d_%d%s",
		a->windows, a->tokens, a->heads, a->d, a->groups ? 'g' : 'w', a->rw, a->kw, 16 * a->mq, a->kb, a->blocks,
		a->local.v ? arena_printf(cx->a, "_and%" PRId64 "x%" PRId64, a->local.r, a->local.s) : ""));
	a->b = b = z->b;
	a->flat = gen_flattens(cx->g, group, false);
	a->bq = gen_buf(z, root->arg[0]);
	a->bk = gen_buf(z, root->arg[1]);
	a->bv = gen_buf(z, root->arg[2]);
	if (a->local.v) {
		a->local.bw = gen_buf(z, graph_node(cx->g, a->local.v)->arg[1]);
		z->given = a->local.v;
	}
	shared_buffers(a, a->q->type.dt);
	k_threads(b, 32 * a->rw * a->kw, 1, 1);
	if (a->groups)
		k_resident(b, att_resident_groups(a, cx->target));
	k_grid(b, a->blocks, a->windows * a->heads, a->q->type.dim[0]);
	a->n = k_axis(b, KAXIS_BLOCK_Z);
	block = k_axis(b, KAXIS_BLOCK_Y);
	a->window = k_op(b, K_div, block, k_ix(b, a->heads), 0);
	a->head = k_sub(b, block, k_muli(b, a->window, a->heads));
	a->h = k_cast(b, KS_I32, a->head);
	a->head0 = k_muli(b, a->head, a->d);
	a->token0 = k_muli(b, a->window, a->tokens);
	t = k_axis(b, KAXIS_WARP);
	a->key_warp = a->kw > 1 ? k_op(b, K_rem, t, k_ix(b, a->kw), 0) : k_ix(b, 0);
	a->row_warp = a->kw > 1 ? k_op(b, K_div, t, k_ix(b, a->kw), 0) : t;
	/* what is left over in the last turn goes to another warp, which is a quarter of the processor, in each block */
	if (a->turns && a->rw == 4)
		a->row_warp = k_op(b, K_and, k_add(b, t, k_add(b, k_add(b, block, a->n), k_op(b, K_shr, block, k_ix(b, 2), 0))),
			k_ix(b, 3), 0);
	a->tile = k_add(b, k_muli(b, k_axis(b, KAXIS_BLOCK_X), a->rw), a->row_warp);
	a->t0 = k_muli(b, a->tile, 16 * a->mq);
	lane_numbers(a);
	if (a->local.v) {       /* which no launch makes */
		att_copy_filter(a);
		k_sync(b, K_grid_wait, 0);
	}
	copy_keys(a);
	begin_parts(a);
	begin_body(a, root);
	a->factor = (a->scaled ? 1 : a->scale) * M_LOG2E;
	if (a->turns) {
		attend_in_turns(a);
	} else {
		Reg *q = NEWN(cx->a, Reg, (size_t)(a->mq * a->steps));

		load_queries(a, a->t0, q);
		for (int m = 0; m < a->mq; m++)
			a->part[m].q = q + m * a->steps;
		if (a->groups && a->blocks * a->rw > a->tiles)
			a->here = k_op(b, K_lt, a->tile, k_ix(b, a->tiles), 0);
		meet_copies(a);
		attend(a);
	}
	gen_end(z, out);
	return true;
}
