/* attention_gpu.c -- attention.c's op on GPUs: a kernel for matrix units, and a plain one.
 *
 * Matrix units (half precision, or f32 by way of tf32; head size a multiple of 16): a block owns one head of one window
 * and 16 * RW of its queries, and holds all of that head's K and V in shared memory. RW * KW
 * warps: warp (r, k) takes the r-th 16 queries and every KW-th run of KB keys.
 *
 *     S = Q K'          m16n8k16 (tf32: k8) products, sums in registers
 *     m, l, O           running greatest, sum and result, as in flash attention: when the greatest
 *                       grows by a factor e^d, what was summed before shrinks by it
 *     O += exp(S - m) V the probabilities go from sums to operands without leaving registers
 *
 * and the KW partial results of a row meet in shared memory.  A lane has of S the keys 2 q and 2 q + 1 (q = lane % 4),
 * where tf32 wants those in places q and q + 4 of the depth: there the keys are counted so, and V is read with 4-byte loads.
 *
 * The plain kernel gives each query a thread and reads K and V twice: for f32, odd head sizes, bodies, and
 * runs of tokens that do not fit shared memory.
 *
 * tile = { RW, KW, KB } or, plain, { 0, 0, 0 }
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>

#include "lower/attention.h"
#include "lower/attention_body.h"

typedef struct Att {
	Gen *z;
	KBuild *b;
	const Node *q, *k, *v;
	uint32_t bq, bk, bv;
	int64_t tokens, padded, d, dv, width, windows, heads;
	double scale;
	bool flat;
	Reg n, token0, head0, vhead0;   /* picture, first token of the window, first channels of the head */
	/* matrix units */
	int rw, kw, kb;
	int bytes, piece;               /* of an element; elements in 16 bytes */
	uint32_t sk, sv, so, sm;
	Reg lane, row_warp, key_warp;
	BodyGen body;                   /* of the plain kernel */
	Reg i, h;                       /* query and head as it sees them */
} Att;

static Att
attention_of(Gen *z, const Graph *g, const Group *gr)
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
	a.scale = attr_real(n, A_scale, 1 / __builtin_sqrt((double)a.d));
	return a;
}

static int64_t
shared_bytes(const Att *a, int rw, int kw, int kb)
{
	int64_t padded = ceil_div(a->tokens, kb) * kb, kv = 2 * padded * a->d * a->bytes;

	return kv + (kw > 1 ? (int64_t)rw * kw * 16 * (a->d + 2) * 4 : 0);
}

static bool
units_fit(const Att *a, const Graph *g, const Target *t, const Group *gr)
{
	const Node *n = graph_node(g, gr->root);
	DType dt = a->q->type.dt;

	return t->kind == TARGET_GPU && t->mma != MMA_NONE && !attr_body(n) && a->dv == a->d && a->scale > 0 &&
	       (dt == DT_F16 || (dt == DT_BF16 && t->has & GPU_BF16) ||
	        (dt == DT_F32 && attr_find(n, A_math) && t->has & GPU_TF32)) && a->d % 16 == 0 && a->d <= 64;
}

const char *
attention_key(Arena *arena, const Graph *g, const Target *t, const Group *gr)
{
	Att a = attention_of(NULL, g, gr);

	if (!node_nhwc(graph_node(g, gr->root)) || !units_fit(&a, g, t, gr))
		return NULL;
	return arena_printf(arena, "attention %s %" PRId64 " windows of %" PRId64 ", %" PRId64 " heads of %" PRId64,
	                    a.bytes == 4 ? "tf32" : dtype_info[a.q->type.dt].name, a.q->type.dim[0] * a.windows, a.tokens, a.heads, a.d);
}

/* No model: those near the usual choice come first. */
int
attention_candidates(const Graph *g, const Target *t, const Group *gr, LowerTile *to, int most)
{
	static const int kbs[] = { 16, 32, 48, 64, 80, 96, 112, 128 };
	Att a = attention_of(NULL, g, gr);
	int n = 0;

	if (!node_nhwc(graph_node(g, gr->root)) || !units_fit(&a, g, t, gr))
		return 0;
	for (int rw = 1; rw <= 8; rw++)
		for (int kw = 1; kw <= 5; kw++)
			for (size_t i = 0; i < COUNT(kbs); i++) {
				int kb = kbs[i];

				if (rw * kw > 16 || kw > ceil_div(a.tokens, kb) || 16 * (rw - 1) >= a.tokens ||
				    (kb > 32 && kb - 16 >= a.tokens) || shared_bytes(&a, rw, kw, kb) > t->shared_block)
					continue;
				if (n < most)
					to[n++] = (LowerTile){ .tile = { rw, kw, kb }, .cost = abs(rw - gr->tile[0]) +
						abs(kw - gr->tile[1]) + abs(kb - gr->tile[2]) / 16.0 };
			}
	return n;
}

void
choose_attention_gpu(const Graph *g, const Target *t, Group *gr)
{
	Att a = attention_of(NULL, g, gr);
	int64_t blocks = a.q->type.dim[0] * a.windows * a.heads, tiles = ceil_div(a.tokens, 16);
	int kb = a.tokens % 80 == 0 ? 80 : a.tokens % 64 == 0 || a.tokens > 64 ? 64 : 32, rw = 4, kw = 1;

	gr->ntile = 3;
	memset(gr->tile, 0, sizeof gr->tile);
	if (!units_fit(&a, g, t, gr))
		return;
	/* few blocks: one row of warps each, keys split among warps; many: rows share K and V */
	while (rw > 1 && blocks * ceil_div(tiles, rw) < 2 * t->sms)
		rw--;
	if (tiles % 5 == 0 && blocks * ceil_div(tiles, 5) >= 2 * t->sms)
		rw = 5;
	if (rw == 1)
		kw = (int)MIN(5, ceil_div(a.tokens, kb));
	if (shared_bytes(&a, rw, kw, kb) > t->shared_block)
		return;
	gr->tile[0] = rw;
	gr->tile[1] = kw;
	gr->tile[2] = kb;
}

/* index of token t (of the picture), channel c */
static Reg
token_index(Att *a, const Node *x, Reg t, Reg c)
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

static Coord
out_coord(Att *a, Reg t, Reg c, int lanes)
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

/* rows of K and V are d numbers in chunks of 16 bytes: chunk c of row r lies at c ^ f(r), so that 8 rows of one chunk are
 * in 8 different groups of banks */
static Reg
row_chunk(Att *a, Reg row, Reg chunk)
{
	KBuild *b = a->b;
	int chunks = (int)a->d / a->piece;
	Reg s = chunks >= 8 ? row : k_op(b, K_shr, row, k_ix(b, chunks == 4 ? 1 : chunks == 2 ? 2 : 0), 0);

	if (chunks & (chunks - 1))      /* 48: no power of two, no swizzle */
		return k_add(b, k_muli(b, row, a->d), k_muli(b, chunk, a->piece));
	s = k_op(b, K_and, s, k_ix(b, MIN(chunks, 8) - 1), 0);
	return k_add(b, k_muli(b, row, a->d), k_muli(b, k_op(b, K_xor, chunk, s, 0), a->piece));
}

static void
copy_keys(Att *a)
{
	KBuild *b = a->b;
	int threads = 32 * a->rw * a->kw, chunks = (int)a->d / a->piece;
	Reg tid = k_axis(b, KAXIS_THREAD_X), i, row, chunk, ok, t;

	i = k_for(b, tid, k_ix(b, a->padded * chunks), threads);
	row = k_op(b, K_div, i, k_ix(b, chunks), 0);
	chunk = k_sub(b, i, k_muli(b, row, chunks));
	ok = k_op(b, K_lt, row, k_ix(b, a->tokens), 0);
	t = k_add(b, a->token0, k_op(b, K_min, row, k_ix(b, a->tokens - 1), 0));
	for (int w = 0; w < 2; w++)
		k_cp_async(b, w ? a->sv : a->sk, row_chunk(a, row, chunk), w ? a->bv : a->bk,
		           token_index(a, w ? a->v : a->k, t, k_add(b, a->head0, k_muli(b, chunk, a->piece))), a->piece, ok);
	k_close(b);
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
exp_of(KBuild *b, Reg x)
{
	return k_op(b, K_exp, x, 0, 0);
}

/* sums of a product tile as operands of the next: f32x4 twice -> f16x8 */
static Reg
as_operand(Att *a, Reg x, Reg y)
{
	KScalar h = a->q->type.dt == DT_BF16 ? KS_BF16 : KS_F16;

	return k_join(a->b, k_cast(a->b, h, x), k_cast(a->b, h, y));
}

/* o += p V for 8 keys from key on, whose probabilities are p; for tf32 */
static void
add_values(Att *a, Reg key, Reg p, Reg *o)
{
	KBuild *b = a->b;
	Reg g = k_op(b, K_shr, a->lane, k_ix(b, 2), 0), q = k_op(b, K_and, a->lane, k_ix(b, 3), 0);
	Reg row = k_add(b, key, k_muli(b, q, 2)), chunk = k_op(b, K_shr, g, k_ix(b, 2), 0), in = k_op(b, K_and, g, k_ix(b, 3), 0);

	p = k_join(b, k_join(b, k_lane(b, p, 0), k_lane(b, p, 2)), k_join(b, k_lane(b, p, 1), k_lane(b, p, 3)));
	for (int d = 0; d < a->d / 8; d++) {
		Reg v[2];

		for (int i = 0; i < 2; i++)
			v[i] = k_load(b, a->sv, k_add(b, row_chunk(a, k_addi(b, row, i), k_addi(b, chunk, 2 * d)), in), 1);
		k_mma_to(b, o[d], p, k_join(b, v[0], v[1]), o[d]);
	}
}

bool
lower_attention_gpu(LowerCtx *cx, uint32_t group, LoweredList *out, const char **err)
{
	const Group *gr = &cx->g->group.p[group];
	Gen gen, *z = &gen;
	Att att, *a = &att;
	KBuild *b;
	KType f4 = kt(KS_F32, 4), f1 = kt(KS_F32, 1);
	Reg low3, mid, high, g, q, t0, block, t;
	DType dt;

	(void)err;
	if (!gr->tile[0])
		return lower_attention_plain(cx, group, out, err);
	att = attention_of(z, cx->g, gr);
	a->rw = gr->tile[0], a->kw = gr->tile[1], a->kb = gr->tile[2];
	gen_begin(z, cx, group, arena_printf(cx->a, "attention_%" PRId64 "x%" PRId64 "_%" PRId64 "_%" PRId64 "_w%dx%d",
		a->windows, a->tokens, a->heads, a->d, a->rw, a->kw));
	a->b = b = z->b;
	a->padded = ceil_div(a->tokens, a->kb) * a->kb;
	a->flat = gen_flattens(cx->g, group, false);
	dt = a->q->type.dt;
	a->bq = gen_buf(z, graph_node(cx->g, gr->root)->arg[0]);
	a->bk = gen_buf(z, graph_node(cx->g, gr->root)->arg[1]);
	a->bv = gen_buf(z, graph_node(cx->g, gr->root)->arg[2]);
	a->sk = k_buffer(b, "sk", KSPACE_SHARED, dt, a->padded * a->d);
	a->sv = k_buffer(b, "sv", KSPACE_SHARED, dt, a->padded * a->d);
	k_align(b, a->sk, 128);
	k_align(b, a->sv, 128);
	if (a->kw > 1) {
		a->so = k_buffer(b, "so", KSPACE_SHARED, DT_F32, (int64_t)a->rw * a->kw * 16 * a->d);
		a->sm = k_buffer(b, "sm", KSPACE_SHARED, DT_F32, (int64_t)a->rw * a->kw * 16 * 2);
	}
	k_threads(b, 32 * a->rw * a->kw, 1, 1);
	k_grid(b, ceil_div(a->tokens, 16 * a->rw), a->windows * a->heads, a->q->type.dim[0]);
	a->n = k_axis(b, KAXIS_BLOCK_Z);
	block = k_axis(b, KAXIS_BLOCK_Y);
	t = k_op(b, K_div, block, k_ix(b, a->heads), 0);
	a->head0 = k_muli(b, k_sub(b, block, k_muli(b, t, a->heads)), a->d);
	a->token0 = k_muli(b, t, a->tokens);
	a->lane = k_axis(b, KAXIS_LANE);
	t = k_axis(b, KAXIS_WARP);
	a->key_warp = a->kw > 1 ? k_op(b, K_rem, t, k_ix(b, a->kw), 0) : k_ix(b, 0);
	a->row_warp = a->kw > 1 ? k_op(b, K_div, t, k_ix(b, a->kw), 0) : t;
	copy_keys(a);

	low3 = k_op(b, K_and, a->lane, k_ix(b, 7), 0);
	mid = k_op(b, K_and, k_op(b, K_shr, a->lane, k_ix(b, 3), 0), k_ix(b, 1), 0);
	high = k_op(b, K_shr, a->lane, k_ix(b, 4), 0);
	g = k_op(b, K_shr, a->lane, k_ix(b, 2), 0);
	q = k_op(b, K_and, a->lane, k_ix(b, 3), 0);
	/* first query of this warp, counted in the window */
	t0 = k_add(b, k_muli(b, k_axis(b, KAXIS_BLOCK_X), 16 * a->rw), k_muli(b, a->row_warp, 16));

	/* queries, straight into operand registers; rows past the end read the last one */
	int steps = (int)a->d / (2 * a->piece), nt = a->kb / 8, dt8 = (int)a->d / 8, half = a->piece / 2;
	Reg *fq = NEWN(cx->a, Reg, (size_t)steps), *s = NEWN(cx->a, Reg, (size_t)nt), *o = NEWN(cx->a, Reg, (size_t)dt8);

	for (int k = 0; k < steps; k++) {
		Reg piece[4];

		for (int h = 0; h < 4; h++) {
			Reg row = k_op(b, K_min, k_add(b, t0, k_addi(b, g, (h & 1) * 8)), k_ix(b, a->tokens - 1), 0);

			piece[h] = k_load(b, a->bq, token_index(a, a->q, k_add(b, a->token0, row),
				k_add(b, a->head0, k_addi(b, k_muli(b, q, half / 2), (2 * k + (h >> 1)) * a->piece))), half / 2);
		}
		fq[k] = k_join(b, k_join(b, piece[0], piece[1]), k_join(b, piece[2], piece[3]));
	}
	Reg m[2], l[2];

	for (int h = 0; h < 2; h++) {
		m[h] = k_var(b, f1);
		l[h] = k_var(b, f1);
		k_mov_to(b, m[h], k_real(b, f1, -1e30));
		k_mov_to(b, l[h], k_real(b, f1, 0));
	}
	for (int j = 0; j < dt8; j++) {
		o[j] = k_var(b, f4);
		k_mov_to(b, o[j], k_real(b, f4, 0));
	}
	for (int j = 0; j < nt; j++)
		s[j] = k_var(b, f4);
	k_sync(b, K_cp_wait, 0);
	k_sync(b, K_barrier, 0);

	/* runs of keys */
	Reg kb0 = k_for(b, k_muli(b, a->key_warp, a->kb), k_ix(b, a->padded), (int64_t)a->kw * a->kb);

	for (int j = 0; j < nt; j++)
		k_mov_to(b, s[j], k_real(b, f4, 0));
	for (int k = 0; k < steps; k++)
		for (int j = 0; j < nt; j += 2) {
			Reg row = k_add(b, kb0, k_addi(b, k_add(b, low3, k_muli(b, high, 8)), j * 8));
			Reg two = k_ldmatrix(b, a->sk, row_chunk(a, row, k_addi(b, mid, 2 * k)), false);

			k_mma_to(b, s[j], fq[k], k_part(b, two, 0, half), s[j]);
			k_mma_to(b, s[j + 1], fq[k], k_part(b, two, half, half), s[j + 1]);
		}
	if (a->padded != a->tokens)     /* keys that do not exist */
		for (int j = 0; j < nt; j++) {
			Reg key = k_add(b, k_addi(b, kb0, j * 8), k_muli(b, q, 2)), low = k_real(b, kt(KS_F32, 1), -1e30), v[4];

			for (int i = 0; i < 4; i++)
				v[i] = k_select(b, k_op(b, K_lt, k_addi(b, key, i & 1), k_ix(b, a->tokens), 0),
				                k_lane(b, s[j], i), low);
			k_mov_to(b, s[j], k_join(b, k_join(b, v[0], v[1]), k_join(b, v[2], v[3])));
		}
	for (int h = 0; h < 2; h++) {
		Reg top = m[h], shrink, sum = k_real(b, f1, 0), factor = k_real(b, f1, a->scale), low;

		for (int j = 0; j < nt; j++)
			for (int i = 0; i < 2; i++)
				top = k_op(b, K_max, top, k_lane(b, s[j], 2 * h + i), 0);
		top = over_row(b, K_max, top);
		shrink = exp_of(b, k_mul(b, k_sub(b, m[h], top), factor));
		low = k_op(b, K_neg, k_mul(b, top, factor), 0, 0);
		for (int j = 0; j < nt; j++) {
			Reg e[2];

			for (int i = 0; i < 2; i++) {
				e[i] = exp_of(b, k_fma(b, k_lane(b, s[j], 2 * h + i), factor, low));
				sum = k_add(b, sum, e[i]);
			}
			Reg mine = k_join(b, e[0], e[1]);

			k_mov_to(b, s[j], h ? k_join(b, k_part(b, s[j], 0, 2), mine) : k_join(b, mine, k_part(b, s[j], 2, 2)));
		}
		k_mov_to(b, l[h], k_fma(b, l[h], shrink, sum));
		k_mov_to(b, m[h], top);
		for (int j = 0; j < dt8; j++) {
			Reg mine = k_mul(b, k_part(b, o[j], 2 * h, 2), k_splat(b, 2, shrink));

			k_mov_to(b, o[j], h ? k_join(b, k_part(b, o[j], 0, 2), mine) : k_join(b, mine, k_part(b, o[j], 2, 2)));
		}
	}
	for (int j = 0; j < nt && a->bytes == 4; j++)
		add_values(a, k_addi(b, kb0, 8 * j), s[j], o);
	for (int j = 0; j < nt && a->bytes == 2; j += 2) {
		Reg p = as_operand(a, s[j], s[j + 1]);
		Reg row = k_add(b, kb0, k_addi(b, k_add(b, low3, k_muli(b, mid, 8)), j * 8));

		for (int d = 0; d < dt8; d += 2) {
			Reg two = k_ldmatrix(b, a->sv, row_chunk(a, row, k_addi(b, high, d)), true);

			k_mma_to(b, o[d], p, k_part(b, two, 0, 4), o[d]);
			k_mma_to(b, o[d + 1], p, k_part(b, two, 4, 4), o[d + 1]);
		}
	}
	k_close(b);
	for (int h = 0; h < 2; h++)
		k_mov_to(b, l[h], over_row(b, K_add, l[h]));
	gen_forget_bases(z);

	if (a->kw == 1) {
		for (int h = 0; h < 2; h++) {
			Reg row = k_add(b, t0, k_addi(b, g, 8 * h)), inv = k_op(b, K_div, k_real(b, f1, 1), l[h], 0);

			k_if(b, k_op(b, K_lt, row, k_ix(b, a->tokens), 0));
			gen_forget_bases(z);
			for (int j = 0; j < dt8; j++) {
				Coord c = out_coord(a, k_add(b, a->token0, row), k_add(b, a->head0, k_muli(b, q, 2)), 2);

				c.k[3] = j * 8;
				gen_finish(z, &c, k_mul(b, k_part(b, o[j], 2 * h, 2), k_splat(b, 2, inv)));
			}
			k_close(b);
			gen_forget_bases(z);
		}
		gen_end(z, out);
		return true;
	}
	/* partial results meet: each row of 16 has kw of them */
	Reg slot = k_add(b, k_muli(b, a->row_warp, a->kw), a->key_warp);
	Reg row = k_add(b, k_muli(b, slot, 16), g);

	for (int h = 0; h < 2; h++) {
		Reg r = k_addi(b, row, 8 * h);

		for (int j = 0; j < dt8; j++)
			k_store(b, a->so, k_add(b, k_muli(b, r, a->d), k_addi(b, k_muli(b, q, 2), j * 8)),
			        k_part(b, o[j], 2 * h, 2));
		k_if(b, k_op(b, K_eq, q, k_ix(b, 0), 0));
		k_store(b, a->sm, k_muli(b, r, 2), m[h]);
		k_store(b, a->sm, k_addi(b, k_muli(b, r, 2), 1), l[h]);
		k_close(b);
	}
	k_sync(b, K_barrier, 0);
	int64_t pieces = (int64_t)a->rw * 16 * (a->d / 8);
	Reg item = k_for(b, k_axis(b, KAXIS_THREAD_X), k_ix(b, pieces), 32 * a->rw * a->kw);
	Reg r = k_op(b, K_div, item, k_ix(b, a->d / 8), 0), c8 = k_muli(b, k_sub(b, item, k_muli(b, r, a->d / 8)), 8);
	Reg warp_row = k_op(b, K_shr, r, k_ix(b, 4), 0), in16 = k_op(b, K_and, r, k_ix(b, 15), 0);
	Reg first = k_add(b, k_muli(b, warp_row, 16 * a->kw), in16), top = 0, sum = 0, acc = 0;
	Reg tq = k_add(b, k_muli(b, k_axis(b, KAXIS_BLOCK_X), 16 * a->rw), r);

	k_if(b, k_op(b, K_lt, tq, k_ix(b, a->tokens), 0));
	for (int k = 0; k < a->kw; k++) {
		Reg mk = k_load(b, a->sm, k_muli(b, k_addi(b, first, 16 * k), 2), 1);

		top = k ? k_op(b, K_max, top, mk, 0) : mk;
	}
	for (int k = 0; k < a->kw; k++) {
		Reg at = k_addi(b, first, 16 * k), w, lk, ok;

		w = exp_of(b, k_mul(b, k_sub(b, k_load(b, a->sm, k_muli(b, at, 2), 1), top), k_real(b, f1, a->scale)));
		lk = k_mul(b, w, k_load(b, a->sm, k_addi(b, k_muli(b, at, 2), 1), 1));
		ok = k_mul(b, k_splat(b, 8, w), k_load(b, a->so, k_add(b, k_muli(b, at, a->d), c8), 8));
		sum = k ? k_add(b, sum, lk) : lk;
		acc = k ? k_add(b, acc, ok) : ok;
	}
	acc = k_mul(b, acc, k_splat(b, 8, k_op(b, K_div, k_real(b, f1, 1), sum, 0)));
	gen_forget_bases(z);
	Coord c = out_coord(a, k_add(b, a->token0, tq), k_add(b, a->head0, c8), 8);

	gen_finish(z, &c, acc);
	k_close(b);
	k_close(b);
	gen_end(z, out);
	return true;
}

/* ---- plain ------------------------------------------------------------------------------------- */

/* scale q . k for the key at j (counted in the window), as a scalar, and what the body makes of it */
static Reg
score_at(Att *a, const Reg *q, int lanes, Reg j)
{
	KBuild *b = a->b;
	Reg sum = 0, at = token_index(a, a->k, k_add(b, a->token0, j), a->head0);

	for (int64_t d = 0; d < a->d; d += lanes) {
		Reg x = k_mul(b, q[d / lanes], k_cast(b, KS_F32, k_load(b, a->bk, k_addi(b, at, d), lanes)));

		sum = sum ? k_add(b, sum, x) : x;
	}
	sum = k_mul(b, lanes > 1 ? k_reduce(b, K_reduce_add, sum) : sum, k_real(b, kt(KS_F32, 1), a->scale));
	if (a->body.g) {
		Reg mask;

		body_pair(&a->body, sum, a->i, k_cast(b, KS_I32, k_add(b, a->token0, j)), a->h);
		sum = body_score(&a->body, sum, 1);
		mask = body_mask(&a->body, 1);
		sum = mask ? k_select(b, mask, sum, k_real(b, kt(KS_F32, 1), -INFINITY)) : sum;
		gen_forget(&a->body.z);
	}
	return sum;
}

bool
lower_attention_plain(LowerCtx *cx, uint32_t group, LoweredList *out, const char **err)
{
	const Group *gr = &cx->g->group.p[group];
	const Node *root = graph_node(cx->g, gr->root);
	Gen gen, *z = &gen;
	Att att, *a = &att;
	KBuild *b;
	KType f1 = kt(KS_F32, 1);
	int lanes, vlanes;
	Reg task[3], t, top, sum, j, at, *q, *acc;

	gen_begin(z, cx, group, "attention_plain");
	att = attention_of(z, cx->g, gr);
	a->b = b = z->b;
	a->flat = gen_flattens(cx->g, group, false);
	lanes = lanes_dividing(a->d, 8);
	vlanes = lanes_dividing(a->dv, 8);
	if (!node_nhwc(root) || a->q->place.stride[3] != 1 || a->k->place.stride[3] != 1 || a->v->place.stride[3] != 1) {
		*err = arena_printf(cx->a, "attention %%%u: the kernel needs layout=\"nhwc\" and channels "
		                    "side by side; run the pass layout", gr->root);
		return false;
	}
	a->bq = gen_buf(z, root->arg[0]);
	a->bk = gen_buf(z, root->arg[1]);
	a->bv = gen_buf(z, root->arg[2]);
	gen_tasks(z, a->tokens, a->windows * a->heads, a->q->type.dim[0], task);
	a->n = task[2];
	t = k_op(b, K_div, task[1], k_ix(b, a->heads), 0);
	a->head0 = k_muli(b, k_sub(b, task[1], k_muli(b, t, a->heads)), a->d);
	a->vhead0 = k_muli(b, k_sub(b, task[1], k_muli(b, t, a->heads)), a->dv);
	a->token0 = k_muli(b, t, a->tokens);
	a->h = k_cast(b, KS_I32, k_sub(b, task[1], k_muli(b, t, a->heads)));
	t = k_add(b, a->token0, task[0]);
	a->i = k_cast(b, KS_I32, t);
	body_begin(&a->body, z, root);
	q = NEWN(cx->a, Reg, (size_t)(a->d / lanes));
	acc = NEWN(cx->a, Reg, (size_t)(a->dv / vlanes));
	at = token_index(a, a->q, t, a->head0);
	for (int64_t i = 0; i < a->d / lanes; i++)
		q[i] = k_cast(b, KS_F32, k_load(b, a->bq, k_addi(b, at, i * lanes), lanes));
	for (int64_t i = 0; i < a->dv / vlanes; i++) {
		acc[i] = k_var(b, kt(KS_F32, vlanes));
		k_mov_to(b, acc[i], k_real(b, kt(KS_F32, vlanes), 0));
	}
	top = k_var(b, f1);
	sum = k_var(b, f1);
	k_mov_to(b, top, k_real(b, f1, -3e38));
	k_mov_to(b, sum, k_real(b, f1, 0));
	j = k_for(b, k_ix(b, 0), k_ix(b, a->tokens), 1);
	k_op_to(b, top, K_max, top, score_at(a, q, lanes, j), 0);
	k_close(b);
	j = k_for(b, k_ix(b, 0), k_ix(b, a->tokens), 1);
	Reg e = k_op(b, K_exp, k_sub(b, score_at(a, q, lanes, j), top), 0, 0);

	k_op_to(b, sum, K_add, sum, e, 0);
	at = token_index(a, a->v, k_add(b, a->token0, j), a->vhead0);
	for (int64_t i = 0; i < a->dv / vlanes; i++)
		k_op_to(b, acc[i], K_fma, k_splat(b, vlanes, e),
		        k_cast(b, KS_F32, k_load(b, a->bv, k_addi(b, at, i * vlanes), vlanes)), acc[i]);
	k_close(b);
	gen_forget_bases(z);
	e = k_op(b, K_div, k_real(b, f1, 1), sum, 0);
	if (a->body.g)          /* a query that sees nothing */
		e = k_select(b, k_op(b, K_lt, k_real(b, f1, 0), sum, 0), e, k_real(b, f1, 0));
	for (int64_t i = 0; i < a->dv / vlanes; i++) {
		Coord c = out_coord(a, t, a->vhead0, vlanes);

		c.k[3] = i * vlanes;
		gen_finish(z, &c, k_mul(b, acc[i], k_splat(b, vlanes, e)));
	}
	gen_end(z, out);
	return true;
}
