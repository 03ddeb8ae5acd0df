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
 * A body (graph/body.h) works on the tile of scores while it is in registers.  What it makes of
 * the query alone is computed once for each of the P, what it makes of the key alone once for the
 * task, into tables over keys; what is left costs a few operations a vector.  Where the mask is
 * known at compile time, a list says for each P queries which tiles of keys they see: the scores lie in the
 * order of that list, so softmax and the second product know nothing of what was left out.  An entry is
 * the first key of a tile, plus 1 if the mask has to be looked at in it.
 *
 * tile = { lanes, P, queries a task, keys a tile }
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "lower/attention.h"
#include "lower/attention_body.h"

enum { T_LANES, T_QUERIES, T_TASK, T_KEYS, T_COUNT };

/* local memory that a task may use: threads have stacks of 16 MiB */
static const int64_t LOCAL_MAX = 6 << 20;

/* two vectors of keys if the keys, filled up to whole vectors, come in twos */
static int
vectors(int64_t tokens, int lanes)
{
	return ceil_div(tokens, lanes) % 2 == 0 ? 2 : 1;
}

void
choose_attention(Arena *a, const Graph *g, const Target *t, Group *gr, int *pack)
{
	const Node *n = graph_node(g, gr->root), *q = graph_node(g, n->arg[0]);
	int64_t tokens = q->type.dim[1] * q->type.dim[2] / attr_int(n, A_windows, 1);
	int64_t heads = attr_int(n, A_heads, 1), pairs = q->type.dim[0] * heads * attr_int(n, A_windows, 1);
	int lanes = target_lanes(t), p = t->vector_regs >= 32 ? 10 : 4;
	int64_t pieces;

	(void)a;
	if (t->kind == TARGET_GPU) {
		choose_attention_gpu(g, t, gr, pack);
		return;
	}
	gr->ntile = T_COUNT;
	gr->tile[T_LANES] = lanes;
	gr->tile[T_QUERIES] = (int32_t)MIN(p, tokens);
	/* turning K again costs 1 / (2 * queries a task) of the products */
	pieces = MAX(1, MIN(ceil_div(16, pairs), ceil_div(tokens, 8 * p)));
	gr->tile[T_TASK] = (int32_t)(ceil_div(ceil_div(tokens, pieces), p) * p);
	gr->tile[T_KEYS] = vectors(tokens, lanes) * lanes;
	if (attr_body(n) && gr->tile[T_KEYS] % 2 == 0)
		*pack = gr->tile[T_KEYS];
}

typedef struct Att {
	Gen *z;
	const Node *q, *k, *v;
	uint32_t bq, bk, bv, kt, s, l;
	uint32_t list;          /* of tiles; 0: all are looked at */
	int64_t tokens, padded, d, dv, width;   /* width of the picture, for epilogue coordinates */
	int64_t queries;        /* tiles of queries in a window */
	int lanes, p, vecs;
	bool flat, by_head;     /* by_head: the list has rows for each head */
	bool scaled;            /* scores are stored scaled, as a body needs them */
	double scale;
	Reg n, window, head, token0, head0, vhead0;     /* picture … first token of the window, first channels */
	Reg h;                  /* the head as a body sees it */
	Reg first, last;        /* of the list, for the queries at hand */
	BodyGen body;
	ValList of_query, of_key;
	uint32_t *table;        /* over keys, for each of of_key */
} Att;

/* index of token t (counted in the whole picture), channel c */
static Reg
token_index(Att *o, const Node *x, Reg t, Reg c)
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
turn_keys(Att *o)
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

/* ---- the body ------------------------------------------------------------------------ */

/* Numbers in the picture of the keys from j (counted in the window) on.  Past the last comes the last
 * again, so that what the body reads for it exists. */
static Reg
key_numbers(Att *o, Reg j)
{
	KBuild *b = o->z->b;
	Reg first = k_cast(b, KS_I32, k_add(b, o->token0, j));
	Reg keys = k_add(b, k_splat(b, o->lanes, first), k_lanes(b, kt(KS_I32, o->lanes)));

	if (o->padded != o->tokens)
		keys = k_op(b, K_min, keys, k_splat(b, o->lanes, k_cast(b, KS_I32, k_addi(b, o->token0, o->tokens - 1))), 0);
	return keys;
}

/* What the body makes of each key alone. */
static void
tables(Att *o)
{
	KBuild *b = o->z->b;
	Reg j;

	if (!o->of_key.v.n)
		return;
	j = k_for(b, k_ix(b, 0), k_ix(b, o->padded), o->lanes);
	body_pair(&o->body, 0, 0, key_numbers(o, j), o->h);
	for (size_t k = 0; k < o->of_key.v.n; k++)
		k_store(b, o->table[k], j, body_value(&o->body, o->of_key.v.p[k], o->lanes));
	k_close(b);
	gen_forget(&o->body.z);
}

/* A tile of scores, count queries x vecs vectors, and what is known of its queries and keys. */
typedef struct Tile {
	int count;
	Reg *acc, *i, *known;   /* known: by query, then of_query */
	Reg j;                  /* first key, counted in the window */
	Reg *key;               /* by vector: their numbers, then of_key */
} Tile;

static void
know_queries(Att *o, Tile *t, Reg t0)
{
	size_t n = o->of_query.v.n;

	t->i = NEWN(o->z->a, Reg, (size_t)t->count);
	t->known = NEWN(o->z->a, Reg, (size_t)t->count * n + 1);
	if (!o->body.g)
		return;
	for (int p = 0; p < t->count; p++) {
		t->i[p] = k_cast(o->z->b, KS_I32, k_addi(o->z->b, t0, p));
		body_pair(&o->body, 0, t->i[p], 0, o->h);
		for (size_t k = 0; k < n; k++)
			t->known[(size_t)p * n + k] = body_value(&o->body, o->of_query.v.p[k], 1);
	}
	gen_forget(&o->body.z);
}

static void
know_keys(Att *o, Tile *t)
{
	size_t n = o->of_key.v.n + 1;

	t->key = NEWN(o->z->a, Reg, (size_t)o->vecs * n);
	for (int i = 0; i < o->vecs && o->body.g; i++) {
		Reg j = k_addi(o->z->b, t->j, i * o->lanes);

		t->key[(size_t)i * n] = key_numbers(o, j);
		for (size_t k = 1; k < n; k++)
			t->key[(size_t)i * n + k] = k_load(o->z->b, o->table[k - 1], j, o->lanes);
	}
}

/* The body looks at vector v of query p. */
static void
look_at(Att *o, const Tile *t, int p, int v)
{
	size_t nq = o->of_query.v.n, nk = o->of_key.v.n + 1;

	body_pair(&o->body, t->acc[p * o->vecs + v], t->i[p], t->key[(size_t)v * nk], o->h);
	for (size_t k = 0; k < nq; k++)
		body_know(&o->body, o->of_query.v.p[k], t->known[(size_t)p * nq + k]);
	for (size_t k = 1; k < nk; k++)
		body_know(&o->body, o->of_key.v.p[k - 1], t->key[(size_t)v * nk + k]);
}

/* mixed: whether the mask must be looked at; 0: always */
static void
apply_body(Att *o, Tile *t, Reg mixed)
{
	KBuild *b = o->z->b;
	KType vt = kt(KS_F32, o->lanes);
	Reg never = k_real(b, vt, -INFINITY), exist = 0, scale = k_real(b, vt, o->scale);

	for (int i = 0; o->scaled && i < t->count * o->vecs; i++)
		k_op_to(b, t->acc[i], K_mul, t->acc[i], scale, 0);
	if (!o->body.g)
		return;
	know_keys(o, t);
	if (o->body.score)
		for (int v = 0; v < o->vecs; v++)
			for (int p = 0; p < t->count; p++) {
				Reg acc = t->acc[p * o->vecs + v];

				look_at(o, t, p, v);
				k_mov_to(b, acc, body_score(&o->body, acc, o->lanes));
			}
	if (o->body.mask) {
		if (mixed)
			k_if(b, mixed);
		for (int v = 0; v < o->vecs; v++) {
			if (o->padded != o->tokens)
				exist = k_op(b, K_lt, k_add(b, k_splat(b, o->lanes, k_cast(b, KS_I32, k_addi(b, t->j, v * o->lanes))),
					k_lanes(b, kt(KS_I32, o->lanes))), k_int(b, KS_I32, o->tokens), 0);
			for (int p = 0; p < t->count; p++) {
				Reg *acc = &t->acc[p * o->vecs + v], sees;

				look_at(o, t, p, v);
				sees = body_mask(&o->body, o->lanes);
				if (exist)
					sees = k_op(b, K_and, sees, exist, 0);
				k_mov_to(b, *acc, k_select(b, sees, *acc, never));
			}
		}
		if (mixed)
			k_close(b);
	}
	gen_forget(&o->body.z);
}

/* ---- the three steps -------------------------------------------------------------------- */

/* Opens a loop over the tiles of keys that count.  Returns the first key of one; *slot: where its scores
 * lie, *mixed: whether the mask must be looked at. */
static Reg
each_tile(Att *o, Reg *slot, Reg *mixed)
{
	KBuild *b = o->z->b;
	int64_t keys = o->vecs * o->lanes;
	Reg t, entry, flag;

	*mixed = 0;
	if (!o->list)
		return *slot = k_for(b, k_ix(b, 0), k_ix(b, o->padded), keys);
	t = k_for(b, o->first, o->last, 1);
	entry = k_cast(b, KS_IX, k_load(b, o->list, t, 1));
	flag = k_op(b, K_and, entry, k_ix(b, 1), 0);
	*mixed = k_op(b, K_ne, flag, k_ix(b, 0), 0);
	*slot = k_muli(b, k_sub(b, t, o->first), keys);
	return k_sub(b, entry, flag);
}

/* s[p][..] for `count` queries from token t0 of the picture on */
static void
scores(Att *o, Reg t0, int count)
{
	KBuild *b = o->z->b;
	int vecs = o->vecs;
	KType vt = kt(KS_F32, o->lanes);
	Tile t = { .count = count, .acc = NEWN(o->z->a, Reg, (size_t)(count * vecs)) };
	Reg *qi = NEWN(o->z->a, Reg, (size_t)count);
	Reg zero = k_real(b, vt, 0), slot, mixed, d;

	for (int p = 0; p < count; p++)
		qi[p] = token_index(o, o->q, k_addi(b, t0, p), o->head0);
	know_queries(o, &t, t0);
	t.j = each_tile(o, &slot, &mixed);
	for (int i = 0; i < count * vecs; i++) {
		t.acc[i] = k_var(b, vt);
		k_mov_to(b, t.acc[i], zero);
	}
	d = k_for(b, k_ix(b, 0), k_ix(b, o->d), 1);
	Reg at = k_add(b, k_muli(b, d, o->padded), t.j), kv[2];

	for (int i = 0; i < vecs; i++)
		kv[i] = k_load(b, o->kt, k_addi(b, at, i * o->lanes), o->lanes);
	for (int p = 0; p < count; p++) {
		Reg qs = k_splat(b, o->lanes, k_load(b, o->bq, k_add(b, qi[p],
			k_muli(b, d, o->q->place.stride[3])), 1));

		for (int i = 0; i < vecs; i++)
			k_op_to(b, t.acc[p * vecs + i], K_fma, qs, kv[i], t.acc[p * vecs + i]);
	}
	k_close(b);
	apply_body(o, &t, mixed);
	for (int p = 0; p < count; p++)
		for (int i = 0; i < vecs; i++)
			k_store(b, o->s, k_addi(b, slot, p * o->padded + i * o->lanes), t.acc[p * vecs + i]);
	k_close(b);
}

/* s[p][..] = exp(scale * (s - max)), l[p] = 1 / sum, or 0 for a query that sees nothing */
static void
softmax_rows(Att *o, int count)
{
	KBuild *b = o->z->b;
	KType vt = kt(KS_F32, o->lanes);
	/* a mask has taken care of the keys past the last */
	int64_t most_keys = o->body.mask ? o->padded : o->tokens, full = most_keys - most_keys % o->lanes;
	int rest = (int)(most_keys - full);
	Reg end = o->list ? k_muli(b, k_sub(b, o->last, o->first), o->vecs * o->lanes) : k_ix(b, full);
	Reg p = k_for(b, k_ix(b, 0), k_ix(b, count), 1), row = k_muli(b, p, o->padded);
	Reg most = k_var(b, vt), sum = k_var(b, vt), j, x, top, scale = o->scaled ? 0 : k_real(b, vt, o->scale);
	Reg low = k_real(b, vt, -3.0e38), live = 0, one = k_real(b, kt(KS_F32, 1), 1), none = k_real(b, kt(KS_F32, 1), 0);

	if (rest)
		live = k_op(b, K_lt, k_lanes(b, kt(KS_I32, o->lanes)), k_int(b, KS_I32, rest), 0);
	k_mov_to(b, most, low);
	if (full) {
		j = k_for(b, k_ix(b, 0), end, o->lanes);
		k_op_to(b, most, K_max, most, k_load(b, o->s, k_add(b, row, j), o->lanes), 0);
		k_close(b);
	}
	if (rest)
		k_op_to(b, most, K_max, most, k_select(b, live,
			k_load(b, o->s, k_addi(b, row, full), o->lanes), low), 0);
	top = k_splat(b, o->lanes, k_reduce(b, K_reduce_max, most));
	k_mov_to(b, sum, k_real(b, vt, 0));
	if (full) {
		j = k_for(b, k_ix(b, 0), end, o->lanes);
		x = k_sub(b, k_load(b, o->s, k_add(b, row, j), o->lanes), top);
		x = k_op(b, K_exp, scale ? k_mul(b, x, scale) : x, 0, 0);
		k_store(b, o->s, k_add(b, row, j), x);
		k_op_to(b, sum, K_add, sum, x, 0);
		k_close(b);
	}
	if (rest) {
		x = k_sub(b, k_load(b, o->s, k_addi(b, row, full), o->lanes), top);
		x = k_op(b, K_exp, scale ? k_mul(b, x, scale) : x, 0, 0);
		x = k_select(b, live, x, k_real(b, vt, 0));
		k_store(b, o->s, k_addi(b, row, full), x);
		k_op_to(b, sum, K_add, sum, x, 0);
	}
	x = k_reduce(b, K_reduce_add, sum);
	k_store(b, o->l, p, o->body.g ? k_select(b, k_op(b, K_lt, none, x, 0), k_op(b, K_div, one, x, 0), none) :
		k_op(b, K_div, one, x, 0));
	k_close(b);
}

/* Opens loops over the keys that count, one at a time; *s: index of its score.  What each_key opened
 * is closed by end_keys. */
static Reg
each_key(Att *o, Reg *s)
{
	KBuild *b = o->z->b;
	Reg first, slot, mixed, u;

	if (!o->list)
		return *s = k_for(b, k_ix(b, 0), k_ix(b, o->tokens), 1);
	first = each_tile(o, &slot, &mixed);
	u = k_for(b, k_ix(b, 0), k_op(b, K_min, k_ix(b, o->vecs * o->lanes), k_sub(b, k_ix(b, o->tokens), first), 0), 1);
	*s = k_add(b, slot, u);
	return k_add(b, first, u);
}

static void
end_keys(Att *o)
{
	k_close(o->z->b);
	if (o->list)
		k_close(o->z->b);
}

/* o[p][..] of `count` queries, and what follows */
static void
values(Att *o, Reg t0, int count)
{
	Gen *z = o->z;
	KBuild *b = z->b;
	int lanes = MIN(o->lanes, lanes_dividing(o->dv, 64)), each = o->dv % (2 * lanes) == 0 ? 2 : 1;
	KType vt = kt(KS_F32, lanes);
	Reg *acc = NEWN(z->a, Reg, (size_t)(count * each)), zero = k_real(b, vt, 0);

	for (int64_t d0 = 0; d0 < o->dv; d0 += each * lanes) {
		Reg j, at, si, vv[2];

		for (int i = 0; i < count * each; i++) {
			acc[i] = k_var(b, vt);
			k_mov_to(b, acc[i], zero);
		}
		j = each_key(o, &si);
		at = token_index(o, o->v, k_add(b, o->token0, j), k_addi(b, o->vhead0, d0));
		for (int i = 0; i < each; i++)
			vv[i] = k_load(b, o->bv, k_addi(b, at, i * lanes), lanes);
		for (int p = 0; p < count; p++) {
			Reg s = k_splat(b, lanes, k_load(b, o->s, k_addi(b, si, p * o->padded), 1));

			for (int i = 0; i < each; i++)
				k_op_to(b, acc[p * each + i], K_fma, s, vv[i], acc[p * each + i]);
		}
		end_keys(o);
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
			c.r[3] = o->vhead0;
			for (int i = 0; i < each; i++) {
				c.k[3] = d0 + i * lanes;
				gen_finish(z, &c, k_mul(b, acc[p * each + i], l));
			}
		}
		gen_forget_bases(z);
	}
}

/* `count` queries from t of the window on, which are its tile number `tile` */
static void
queries(Att *o, Reg t, Reg tile, int count)
{
	KBuild *b = o->z->b;
	Reg t0 = k_add(b, o->token0, t);

	if (o->list) {
		Reg row = o->window;

		if (o->by_head)
			row = k_add(b, k_muli(b, row, attr_int(gen_node(o->z, o->z->gr->root), A_heads, 1)), o->head);
		row = k_add(b, k_muli(b, row, o->queries), tile);
		o->first = k_cast(b, KS_IX, k_load(b, o->list, row, 1));
		o->last = k_cast(b, KS_IX, k_load(b, o->list, k_addi(b, row, 1), 1));
	}
	scores(o, t0, count);
	softmax_rows(o, count);
	values(o, t0, count);
}

/* Captures, tables and the list of tiles.  Returns the bytes of tables. */
static int64_t
begin_body(Att *o, const Node *n)
{
	const Attr *tiles = attr_find(n, A_tiles);
	const unsigned of_query = 1 << BODY_I | 1 << BODY_H | BODY_CAPTURES;
	int64_t bytes = 0;

	o->scaled = !(o->scale > 0);    /* the greatest of all is not the greatest then */
	body_begin(&o->body, o->z, n);
	if (!o->body.g)
		return 0;
	if (o->padded == o->tokens)
		body_keys_follow(&o->body);
	o->scaled |= o->body.score || o->body.needs[o->body.mask] >> BODY_S & 1;
	o->of_query = body_border(&o->body, of_query, of_query);
	o->of_key = body_border(&o->body, 1 << BODY_J | 1 << BODY_H | BODY_CAPTURES, 1 << BODY_J);
	o->table = NEWN(o->z->a, uint32_t, o->of_key.v.n + 1);
	for (size_t k = 0; k < o->of_key.v.n; k++) {
		DType dt = graph_node(o->body.g, o->of_key.v.p[k])->type.dt;

		dt = dt == DT_F16 || dt == DT_BF16 ? DT_F32 : dt;       /* as gen.c computes them */
		o->table[k] = k_buffer(o->z->b, arena_printf(o->z->a, "key%zu", k), KSPACE_LOCAL, dt, o->padded);
		k_align(o->z->b, o->table[k], 64);
		bytes += o->padded * dtype_info[dt].bytes;
	}
	/* a list for other tiles than these would be made by a pass for another machine */
	if (tiles && tiles->v[0] == o->p && tiles->v[1] == o->vecs * o->lanes) {
		o->list = gen_buf(o->z, n->arg[n->narg - 1]);
		o->by_head = o->body.needs[o->body.mask] >> BODY_H & 1;
	}
	return bytes;
}

bool
lower_attention(LowerCtx *cx, uint32_t group, LoweredList *out, const char **err)
{
	const Group *gr = &cx->g->group.p[group];
	const Node *n = graph_node(cx->g, gr->root);
	Gen gen, *z = &gen;
	Att o = { .z = z, .lanes = gr->tile[T_LANES], .p = gr->tile[T_QUERIES] };
	int64_t windows = attr_int(n, A_windows, 1), heads = attr_int(n, A_heads, 1);
	int64_t task = gr->tile[T_TASK], pieces, rest, bytes;
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
	o.vecs = vectors(o.tokens, o.lanes);
	o.queries = ceil_div(o.tokens, o.p);
	o.d = o.q->type.dim[3] / heads;
	o.dv = o.v->type.dim[3] / heads;
	o.scale = attr_real(n, A_scale, 1 / __builtin_sqrt((double)o.d));
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
	bytes = (o.padded * (o.d + o.p) + o.p) * 4 + begin_body(&o, n);
	if (bytes > LOCAL_MAX) {
		*err = arena_printf(cx->a, "attention over runs of %" PRId64 " tokens needs %" PRId64 " KiB for a task's "
			"scores, more than the %" PRId64 " KiB that a thread has; use a smaller picture or more windows",
			o.tokens, bytes >> 10, LOCAL_MAX >> 10);
		return false;
	}
	pieces = ceil_div(o.tokens, task);
	k_grid(b, pieces, windows * heads, n->type.dim[0]);
	o.n = k_axis(b, KAXIS_BLOCK_Z);
	pair = k_axis(b, KAXIS_BLOCK_Y);
	o.window = k_op(b, K_div, pair, k_ix(b, heads), 0);
	o.head = k_sub(b, pair, k_muli(b, o.window, heads));
	o.h = k_cast(b, KS_I32, o.head);
	o.head0 = k_muli(b, o.head, o.d);
	o.vhead0 = k_muli(b, o.head, o.dv);
	o.token0 = k_muli(b, o.window, o.tokens);
	turn_keys(&o);
	tables(&o);
	/* whole tiles of the task, then what is left of the window */
	rest = o.tokens % o.p;
	from = k_muli(b, k_axis(b, KAXIS_BLOCK_X), task);
	to = k_op(b, K_min, k_addi(b, from, task), k_ix(b, o.tokens - rest), 0);
	t = k_for(b, from, to, o.p);
	queries(&o, t, o.list ? k_op(b, K_div, t, k_ix(b, o.p), 0) : 0, o.p);
	k_close(b);
	gen_forget_bases(z);
	if (rest) {
		if (pieces > 1)
			k_if(b, k_op(b, K_eq, k_axis(b, KAXIS_BLOCK_X), k_ix(b, pieces - 1), 0));
		queries(&o, k_ix(b, o.tokens - rest), k_ix(b, o.queries - 1), (int)rest);
		if (pieces > 1)
			k_close(b);
	}
	gen_end(z, out);
	return true;
}
