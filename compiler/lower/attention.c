/* attention.c -- softmax(scale q k') v for each picture, window and head, on NHWC.
 *
 * Tokens are pixels in row-major order; window i is the i-th run of T = H*W / windows
 * tokens; head h owns channels [h*D, h*D + D).  A task owns one head of one window and
 * some of its queries.  It turns K once so that keys run along lanes, then for P queries
 * at a time:
 *
 *     s[p][j] = sum_d q[p][d] * kt[d][j]          a tile of P x 2 vectors
 *     s = exp(scale * (s - max s)),  l[p] = sum s
 *     o[p][d] = sum_j s[p][j] * v[j][d] / l[p]    the same tile, over keys
 *
 * The scores of P queries (P * T floats) and the turned K (D * T) stay in the nearest
 * caches; no T x T tensor exists anywhere.  Both products have the shape of conv.c's
 * inner loop.  Softmax subtracts the maximum, as the reference does.
 *
 * tile = { lanes, P, queries a task }
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower/attention.h"

enum { T_LANES, T_QUERIES, T_TASK, T_COUNT };

/* local memory that a task may use: threads have stacks of 16 MiB */
static const int64_t LOCAL_MAX = 6 << 20;

void
choose_attention(Arena *a, const Graph *g, const Target *t, Group *gr, int *pack)
{
	const Node *n = graph_node(g, gr->root), *q = graph_node(g, n->arg[0]);
	int64_t tokens = q->type.dim[1] * q->type.dim[2] / attr_int(n, A_windows, 1);
	int64_t heads = attr_int(n, A_heads, 1), pairs = q->type.dim[0] * heads * attr_int(n, A_windows, 1);
	int lanes = target_lanes(t), p = t->vector_regs >= 32 ? 10 : 4;
	int64_t pieces;

	(void)a;
	(void)pack;
	if (t->kind == TARGET_GPU) {
		choose_attention_gpu(g, t, gr);
		return;
	}
	gr->ntile = T_COUNT;
	gr->tile[T_LANES] = lanes;
	gr->tile[T_QUERIES] = (int32_t)MIN(p, tokens);
	/* turning K again costs 1 / (2 * queries a task) of the products */
	pieces = MAX(1, MIN(ceil_div(16, pairs), ceil_div(tokens, 8 * p)));
	gr->tile[T_TASK] = (int32_t)(ceil_div(ceil_div(tokens, pieces), p) * p);
}

typedef struct Body {
	Gen *z;
	const Node *q, *k, *v;
	uint32_t bq, bk, bv, kt, s, l;
	int64_t tokens, padded, d, width;       /* width of the picture, for epilogue coordinates */
	int lanes, p;
	bool flat;
	double scale;
	Reg n, token0, head0;   /* picture, first token of the window, first channel of the head */
} Body;

/* index of token t (counted in the whole picture), channel c */
static Reg
token_index(Body *o, const Node *x, Reg t, Reg c)
{
	KBuild *b = o->z->b;
	const int64_t *st = x->place.stride;
	Reg at = k_add(b, k_muli(b, o->n, st[0]), k_muli(b, c, st[3]));

	if (st[1] == st[2] * x->type.dim[2])
		return k_add(b, at, k_muli(b, t, st[2]));
	Reg y = k_op(b, K_div, t, k_ix(b, o->width), 0);
	Reg xx = k_sub(b, t, k_muli(b, y, o->width));

	return k_add(b, at, k_add(b, k_muli(b, y, st[1]), k_muli(b, xx, st[2])));
}

/* kt[d][j] = k[token j][d]; keys past the last are zero */
static void
turn_keys(Body *o)
{
	KBuild *b = o->z->b;
	Reg j = k_for(b, k_ix(b, 0), k_ix(b, o->tokens), 1);
	Reg from = token_index(o, o->k, k_add(b, o->token0, j), o->head0);

	for (int64_t d = 0; d < o->d; d++)
		k_store(b, o->kt, k_addi(b, j, d * o->padded),
		        k_load(b, o->bk, k_addi(b, from, d * o->k->place.stride[3]), 1));
	k_close(b);
	if (o->padded != o->tokens) {
		j = k_for(b, k_ix(b, 0), k_ix(b, o->d), 1);
		for (int64_t t = o->tokens; t < o->padded; t++)
			k_store(b, o->kt, k_addi(b, k_muli(b, j, o->padded), t), k_real(b, kt(KS_F32, 1), 0));
		k_close(b);
	}
}

/* s[p][j] for `count` queries from token t0 of the picture on */
static void
scores(Body *o, Reg t0, int count)
{
	KBuild *b = o->z->b;
	int vecs = o->padded % (2 * o->lanes) == 0 ? 2 : 1;
	KType vt = kt(KS_F32, o->lanes);
	Reg *acc = NEWN(o->z->a, Reg, (size_t)(count * vecs)), *qi = NEWN(o->z->a, Reg, (size_t)count);
	Reg zero = k_real(b, vt, 0), j, d;

	for (int p = 0; p < count; p++)
		qi[p] = token_index(o, o->q, k_addi(b, t0, p), o->head0);
	j = k_for(b, k_ix(b, 0), k_ix(b, o->padded), vecs * o->lanes);
	for (int i = 0; i < count * vecs; i++) {
		acc[i] = k_var(b, vt);
		k_mov_to(b, acc[i], zero);
	}
	d = k_for(b, k_ix(b, 0), k_ix(b, o->d), 1);
	Reg at = k_add(b, k_muli(b, d, o->padded), j), kv[2];

	for (int i = 0; i < vecs; i++)
		kv[i] = k_load(b, o->kt, k_addi(b, at, i * o->lanes), o->lanes);
	for (int p = 0; p < count; p++) {
		Reg qs = k_splat(b, o->lanes, k_load(b, o->bq, k_add(b, qi[p],
			k_muli(b, d, o->q->place.stride[3])), 1));

		for (int i = 0; i < vecs; i++)
			k_op_to(b, acc[p * vecs + i], K_fma, qs, kv[i], acc[p * vecs + i]);
	}
	k_close(b);
	for (int p = 0; p < count; p++)
		for (int i = 0; i < vecs; i++)
			k_store(b, o->s, k_addi(b, j, p * o->padded + i * o->lanes), acc[p * vecs + i]);
	k_close(b);
}

/* s[p][..] = exp(scale * (s - max)), l[p] = 1 / sum */
static void
softmax_rows(Body *o, int count)
{
	KBuild *b = o->z->b;
	KType vt = kt(KS_F32, o->lanes);
	int64_t full = o->tokens - o->tokens % o->lanes;
	int rest = (int)(o->tokens - full);
	Reg p = k_for(b, k_ix(b, 0), k_ix(b, count), 1), row = k_muli(b, p, o->padded);
	Reg most = k_var(b, vt), sum = k_var(b, vt), j, x, top, scale = k_real(b, vt, o->scale);
	Reg low = k_real(b, vt, -3.0e38), live = 0;

	if (rest)
		live = k_op(b, K_lt, k_lanes(b, kt(KS_I32, o->lanes)), k_int(b, KS_I32, rest), 0);
	k_mov_to(b, most, low);
	if (full) {
		j = k_for(b, k_ix(b, 0), k_ix(b, full), o->lanes);
		k_op_to(b, most, K_max, most, k_load(b, o->s, k_add(b, row, j), o->lanes), 0);
		k_close(b);
	}
	if (rest)
		k_op_to(b, most, K_max, most, k_select(b, live,
			k_load(b, o->s, k_addi(b, row, full), o->lanes), low), 0);
	top = k_splat(b, o->lanes, k_reduce(b, K_reduce_max, most));
	k_mov_to(b, sum, k_real(b, vt, 0));
	if (full) {
		j = k_for(b, k_ix(b, 0), k_ix(b, full), o->lanes);
		x = k_load(b, o->s, k_add(b, row, j), o->lanes);
		x = k_op(b, K_exp, k_mul(b, k_sub(b, x, top), scale), 0, 0);
		k_store(b, o->s, k_add(b, row, j), x);
		k_op_to(b, sum, K_add, sum, x, 0);
		k_close(b);
	}
	if (rest) {
		x = k_load(b, o->s, k_addi(b, row, full), o->lanes);
		x = k_op(b, K_exp, k_mul(b, k_sub(b, x, top), scale), 0, 0);
		x = k_select(b, live, x, k_real(b, vt, 0));
		k_store(b, o->s, k_addi(b, row, full), x);
		k_op_to(b, sum, K_add, sum, x, 0);
	}
	k_store(b, o->l, p, k_op(b, K_div, k_real(b, kt(KS_F32, 1), 1), k_reduce(b, K_reduce_add, sum), 0));
	k_close(b);
}

/* o[p][..] of `count` queries, and what follows */
static void
values(Body *o, Reg t0, int count)
{
	Gen *z = o->z;
	KBuild *b = z->b;
	int lanes = MIN(o->lanes, lanes_dividing(o->d, 64)), each = o->d % (2 * lanes) == 0 ? 2 : 1;
	KType vt = kt(KS_F32, lanes);
	Reg *acc = NEWN(z->a, Reg, (size_t)(count * each)), zero = k_real(b, vt, 0);

	for (int64_t d0 = 0; d0 < o->d; d0 += each * lanes) {
		Reg j, at, vv[2];

		for (int i = 0; i < count * each; i++) {
			acc[i] = k_var(b, vt);
			k_mov_to(b, acc[i], zero);
		}
		j = k_for(b, k_ix(b, 0), k_ix(b, o->tokens), 1);
		at = token_index(o, o->v, k_add(b, o->token0, j), k_addi(b, o->head0, d0));
		for (int i = 0; i < each; i++)
			vv[i] = k_load(b, o->bv, k_addi(b, at, i * lanes), lanes);
		for (int p = 0; p < count; p++) {
			Reg s = k_splat(b, lanes, k_load(b, o->s, k_addi(b, j, p * o->padded), 1));

			for (int i = 0; i < each; i++)
				k_op_to(b, acc[p * each + i], K_fma, s, vv[i], acc[p * each + i]);
		}
		k_close(b);
		gen_forget_bases(z);
		for (int p = 0; p < count; p++) {
			Coord c = { .vdim = 3, .lanes = lanes, .active = lanes };
			Reg t = k_addi(b, t0, p), l = k_splat(b, lanes, k_load(b, o->l, k_ix(b, p), 1));

			c.r[0] = o->n;
			if (o->flat) {
				c.r[2] = t0;
				c.k[2] = p;
			} else {
				c.r[1] = k_op(b, K_div, t, k_ix(b, o->width), 0);
				c.r[2] = k_sub(b, t, k_muli(b, c.r[1], o->width));
			}
			c.r[3] = o->head0;
			for (int i = 0; i < each; i++) {
				c.k[3] = d0 + i * lanes;
				gen_finish(z, &c, k_mul(b, acc[p * each + i], l));
			}
		}
		gen_forget_bases(z);
	}
}

static void
queries(Body *o, Reg t0, int count)
{
	scores(o, t0, count);
	softmax_rows(o, count);
	values(o, t0, count);
}

bool
lower_attention(LowerCtx *cx, uint32_t group, LoweredList *out, const char **err)
{
	const Group *gr = &cx->g->group.p[group];
	const Node *n = graph_node(cx->g, gr->root);
	Gen gen, *z = &gen;
	Body o = { .z = z, .lanes = gr->tile[T_LANES], .p = gr->tile[T_QUERIES] };
	int64_t windows = attr_int(n, A_windows, 1), heads = attr_int(n, A_heads, 1);
	int64_t task = gr->tile[T_TASK], pieces, rest;
	KBuild *b;
	Reg pair, from, to, t;

	if (gen_gpu(cx))
		return lower_attention_gpu(cx, group, out, err);
	o.q = graph_node(cx->g, n->arg[0]);
	o.k = graph_node(cx->g, n->arg[1]);
	o.v = graph_node(cx->g, n->arg[2]);
	if (!node_nhwc(n) || o.v->place.stride[3] != 1) {
		*err = arena_printf(cx->a, "attention %%%u: the kernel needs layout=\"nhwc\" and channels "
		                    "side by side; run the pass layout", gr->root);
		return false;
	}
	o.width = o.q->type.dim[2];
	o.tokens = o.q->type.dim[1] * o.width / windows;
	o.padded = ceil_div(o.tokens, o.lanes) * o.lanes;
	o.d = o.q->type.dim[3] / heads;
	o.scale = attr_real(n, A_scale, 1 / __builtin_sqrt((double)o.d));
	if ((o.padded * (o.d + o.p) + o.p) * 4 > LOCAL_MAX) {
		*err = arena_printf(cx->a, "attention over runs of %" PRId64 " tokens needs %" PRId64 " KiB for a task's "
			"scores, more than the %" PRId64 " KiB that a thread has; use a smaller picture or more windows",
			o.tokens, (o.padded * (o.d + o.p) + o.p) * 4 >> 10, LOCAL_MAX >> 10);
		return false;
	}
	o.flat = gen_flattens(cx->g, group, false);
	gen_begin(z, cx, group, arena_printf(cx->a, "attention_%" PRId64 "x%" PRId64 "_%" PRId64 "_%" PRId64,
		windows, o.tokens, heads, o.d));
	b = z->b;
	o.bq = gen_buf(z, n->arg[0]);
	o.bk = gen_buf(z, n->arg[1]);
	o.bv = gen_buf(z, n->arg[2]);
	o.kt = k_buffer(b, "kt", KSPACE_LOCAL, DT_F32, o.d * o.padded);
	o.s = k_buffer(b, "s", KSPACE_LOCAL, DT_F32, o.p * o.padded);
	o.l = k_buffer(b, "l", KSPACE_LOCAL, DT_F32, o.p);
	k_align(b, o.kt, 64);
	k_align(b, o.s, 64);
	pieces = ceil_div(o.tokens, task);
	k_grid(b, pieces, windows * heads, n->type.dim[0]);
	o.n = k_axis(b, KAXIS_BLOCK_Z);
	pair = k_axis(b, KAXIS_BLOCK_Y);
	t = k_op(b, K_div, pair, k_ix(b, heads), 0);
	o.head0 = k_muli(b, k_sub(b, pair, k_muli(b, t, heads)), o.d);
	o.token0 = k_muli(b, t, o.tokens);
	turn_keys(&o);
	/* whole tiles of the task, then what is left of the window */
	rest = o.tokens % o.p;
	from = k_muli(b, k_axis(b, KAXIS_BLOCK_X), task);
	to = k_op(b, K_min, k_addi(b, from, task), k_ix(b, o.tokens - rest), 0);
	t = k_for(b, from, to, o.p);
	queries(&o, k_add(b, o.token0, t), o.p);
	k_close(b);
	gen_forget_bases(z);
	if (rest) {
		if (pieces > 1)
			k_if(b, k_op(b, K_eq, k_axis(b, KAXIS_BLOCK_X), k_ix(b, pieces - 1), 0));
		queries(&o, k_addi(b, o.token0, o.tokens - rest), (int)rest);
		if (pieces > 1)
			k_close(b);
	}
	gen_end(z, out);
	return true;
}
