/* attention_filter.c -- a depthwise convolution of the values in an attention's kernel for matrix units.
 *
 * A depthwise filter's tap is a product with a diagonal matrix: sum[16 pixels][8 channels] += V[pixels, moved][channels]
 * diag(w).  Two taps are the depth of one product, and its sums lie as those of O do.
 *
 *     A = V[p + tap 1][c .. c + 8) | V[p + tap 2][c .. c + 8)          one ldmatrix, lane by lane a row of either
 *     B = diag(w[tap 1]) over diag(w[tap 2])                           a lane in four has a weight of each
 *
 * Weights lie in shared memory as B wants them, in pairs of which one is the weight and one 0: [four taps][8 channels][channel
 * of the 8, and zeros for the other lanes][tap].  Where a tap is outside the picture the lane reads a row of zeros, too.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower/attention_gpu.h"

/* A depthwise filter's weights in shared memory: see att_convolve(). */
enum { NONE = 8, ENTRIES = 9, QUAD = 4 };

static int64_t
att_taps(const Local *l)
{
	return l->r * l->s;
}

/* The convolution beside the attention, if there is one. */
void
att_find_filter(Att *a, const Graph *g, const Group *gr)
{
	enum { SIDE = 7 };
	Local *l = &a->local;
	const Node *root = graph_node(g, gr->root), *n;
	const Type *t = &a->v->type;

	graph_foreach(g, v) {
		if (graph_node(g, v)->op != OP_conv2d || graph_node(g, v)->group != root->group || !root->group)
			continue;
		l->fits = !l->v;
		l->v = v;
	}
	if (!l->v)
		return;
	n = graph_node(g, l->v);
	l->w = graph_node(g, n->arg[1]);
	l->bias = n->narg > 2 ? n->arg[2] : 0;
	l->r = l->w->type.dim[2], l->s = l->w->type.dim[3];
	l->ph = attr_ints(n, A_pad, 0, 0), l->pw = attr_ints(n, A_pad, 1, l->ph);
	l->fits = l->fits && node_nhwc(n) && n->arg[0] == root->arg[2] && l->w->type.rank == 4 && l->w->type.dim[1] == 1 &&
		l->w->type.dim[0] == t->dim[3] && attr_int(n, A_groups, 1) == t->dim[3] && l->w->type.dt == t->dt &&
		(l->w->op == OP_const || l->w->op == OP_param) && a->bytes == 2 && l->r <= SIDE && l->s <= SIDE &&
		l->r == 2 * l->ph + 1 && l->s == 2 * l->pw + 1;
	for (int i = 0; i < 2; i++)
		l->fits = l->fits && attr_ints(n, A_stride, i, 1) == 1 && attr_ints(n, A_dilation, i, 1) == 1;
	l->quads = (int)ceil_div(att_taps(l), 4);
	/* one window is the picture, and around that there is nothing; multiples of 8 leave the swizzle of rows as it is */
	l->lead = a->windows > 1 ? ceil_div(l->ph * a->width + l->pw, 8) * 8 : 0;
}

int64_t
att_filter_weights(const Att *a)
{
	return a->local.quads * (a->d / 8) * ENTRIES * 2 * QUAD;
}

/* the values, with those beside the window that a convolution sees; outside the picture are zeros */
void
att_copy_values(Att *a)
{
	KBuild *b = a->b;
	int threads = 32 * a->rw * a->kw, chunks = (int)a->d / a->piece;
	int64_t pixels = a->q->type.dim[1] * a->width;
	Reg i = k_for(b, k_axis(b, KAXIS_THREAD_X), k_ix(b, a->rows * chunks), threads);
	Reg row = k_op(b, K_div, i, k_ix(b, chunks), 0), chunk = k_sub(b, i, k_muli(b, row, chunks));
	Reg t = k_addi(b, k_add(b, a->token0, row), -a->local.lead), ok = gen_inside(b, t, pixels);

	ok = k_op(b, K_and, ok, k_op(b, K_lt, row, k_ix(b, a->local.none), 0), 0);
	k_cp_async(b, a->sv, k_add(b, k_muli(b, row, a->d), att_in_row(a, row, chunk)), a->bv,
	           att_token_index(a, a->v, t, k_add(b, a->head0, k_muli(b, chunk, a->piece))), a->piece, ok);
	k_close(b);
}

void
att_copy_filter(Att *a)
{
	KBuild *b = a->b;
	Local *l = &a->local;
	KType one = kt(kscalar_of(a->v->type.dt), 1);
	Reg i, entry, eight, quad, c, t, col, row, odd, x, zero = k_real(b, one, 0);

	i = k_for(b, k_axis(b, KAXIS_THREAD_X), k_ix(b, att_filter_weights(a) / 2), 32 * a->rw * a->kw);
	entry = k_op(b, K_div, i, k_ix(b, QUAD), 0);
	eight = k_op(b, K_div, entry, k_ix(b, ENTRIES), 0);
	quad = k_op(b, K_div, eight, k_ix(b, a->d / 8), 0);
	t = k_add(b, k_muli(b, quad, QUAD), k_sub(b, i, k_muli(b, entry, QUAD)));
	entry = k_sub(b, entry, k_muli(b, eight, ENTRIES));
	c = k_add(b, k_muli(b, k_sub(b, eight, k_muli(b, quad, a->d / 8)), 8), entry);
	col = k_op(b, K_div, t, k_ix(b, l->r), 0);
	row = k_sub(b, t, k_muli(b, col, l->r));
	x = k_load_if(b, l->bw, k_add(b, k_muli(b, k_add(b, a->head0, c), att_taps(l)), k_add(b, k_muli(b, row, l->s), col)), 1,
	              k_op(b, K_and, k_op(b, K_lt, t, k_ix(b, att_taps(l)), 0), k_op(b, K_lt, entry, k_ix(b, NONE), 0), 0));
	odd = k_op(b, K_ne, k_op(b, K_and, c, k_ix(b, 1), 0), k_ix(b, 0), 0);
	k_store(b, l->sw, k_muli(b, i, 2), k_join(b, k_select(b, odd, zero, x), k_select(b, odd, x, zero)));
	k_close(b);
	l->own = k_select(b, k_op(b, K_eq, k_op(b, K_shr, a->g, k_ix(b, 1), 0), a->quad, 0), a->g, k_ix(b, NONE));
}

/* Taps are counted by columns, so that most pairs of them are one above the other, and inside the picture's sides together.
 * Where this lane's row of V begins for taps k and k + 1 (lanes from 16 on) of the pixel at row t and column x. */
static Reg
place_of_tap(Att *a, int64_t k, Reg t, Reg x, Reg second)
{
	KBuild *b = a->b;
	const Local *l = &a->local;
	int64_t k1 = MIN(k + 1, att_taps(l) - 1);        /* the weight of one that is not there is 0 */
	int64_t dy = k % l->r - l->ph, dx = k / l->r - l->pw, dy1 = k1 % l->r - l->ph, dx1 = k1 / l->r - l->pw;
	int64_t move = dy * a->width + dx + l->lead, further = (dy1 - dy) * a->width + dx1 - dx;
	Reg ok = 0, at, like;

	if (dx || dx1)
		ok = gen_inside(b, k_addi(b, k_add(b, x, k_muli(b, second, dx1 - dx)), dx), a->width);
	if (a->windows == 1 && (dy || dy1)) {
		Reg in = gen_inside(b, k_addi(b, k_add(b, t, k_muli(b, second, further)), move), a->tokens);

		ok = ok ? k_op(b, K_and, ok, in, 0) : in;
	}
	/* rows 8 apart are swizzled alike: where the picture's are, taps of a column differ by a constant */
	like = k_addi(b, k_add(b, t, k_muli(b, second, further & 7)), move & 7);
	at = k_add(b, k_muli(b, t, a->d), k_add(b, k_muli(b, second, further * a->d), att_in_row(a, like, k_ix(b, 0))));
	at = k_addi(b, at, move * a->d);
	return ok ? k_select(b, ok, at, k_add(b, k_ix(b, l->none * a->d), att_in_row(a, k_ix(b, l->none), k_ix(b, 0)))) : at;
}

/* sum[j] += what the filter's taps first .. first + 3, and every step further, make of 16 tokens from t0 on and channels
 * from 8 j on */
void
att_convolve(Att *a, Reg t0, int first, int step, const Reg *sum)
{
	KBuild *b = a->b;
	const Local *l = &a->local;
	int chunks = (int)a->d / a->piece;
	bool swizzled = (chunks & (chunks - 1)) == 0;
	Reg second = k_op(b, K_shr, a->lane, k_ix(b, 4), 0), t = k_add(b, t0, k_op(b, K_and, a->lane, k_ix(b, 15), 0)), x, w[8];

	if (!a->whole)
		t = k_op(b, K_min, t, k_ix(b, a->tokens - 1), 0);
	x = k_op(b, K_rem, k_add(b, a->token0, t), k_ix(b, a->width), 0);
	for (int64_t quad = QUAD * first; quad < att_taps(l); quad += QUAD * step) {
		for (int j = 0; j < a->wide; j++)
			w[j] = k_load(b, l->sw, k_addi(b, k_muli(b, l->own, 2 * QUAD), (quad / QUAD * a->wide + j) * ENTRIES * 2 * QUAD), 8);
		for (int64_t k = quad; k < MIN(quad + QUAD, att_taps(l)); k += 2) {
			Reg at = place_of_tap(a, k, t, x, second);

			for (int j = 0; j < a->wide; j++) {
				/* chunks of a row differ in bits of their own */
				Reg chunk = swizzled ? k_op(b, K_xor, at, k_ix(b, 8 * j), 0) : k_addi(b, at, 8 * j);

				k_mma_to(b, sum[j], k_ldmatrix(b, a->sv, chunk, false), k_part(b, w[j], (int)(2 * (k - quad)), 4), sum[j]);
			}
		}
	}
}

/* sums of the convolution for 16 tokens, from nothing or a bias on */
Reg *
att_begin_sums(Att *a, bool bias)
{
	KBuild *b = a->b;
	Reg *sum = NEWN(a->z->a, Reg, (size_t)a->wide);

	for (int j = 0; j < a->wide; j++) {
		Reg x = k_real(b, kt(KS_F32, 4), 0);

		if (bias) {
			x = k_cast(b, KS_F32, k_load(b, gen_buf(a->z, a->local.bias), k_addi(b, k_add(b, a->head0, k_muli(b, a->quad, 2)), 8 * j), 2));
			x = k_join(b, x, x);
		}
		sum[j] = k_var(b, kt(KS_F32, 4));
		k_mov_to(b, sum[j], x);
	}
	return sum;
}

/* Each warp of a row takes some of the filter's taps. */
void
att_convolve_partial(Att *a, Reg slot)
{
	KBuild *b = a->b;

	for (int m = 0; m < a->mq; m++) {
		Reg *sum = att_begin_sums(a, false);

		for (int k = 0; k < a->kw; k++) {
			k_if(b, k_op(b, K_eq, a->key_warp, k_ix(b, k), 0));
			att_convolve(a, k_addi(b, a->t0, 16 * m), k, a->kw, sum);
			k_close(b);
		}
		for (int h = 0; h < 2; h++) {
			Reg r = k_add(b, k_muli(b, slot, 16 * a->mq), k_addi(b, a->g, 16 * m + 8 * h));

			for (int j = 0; j < a->wide; j++)
				k_store(b, a->local.sc, k_add(b, k_muli(b, r, a->d), k_addi(b, k_muli(b, a->quad, 2), j * 8)), att_row(b, sum[j], h));
		}
	}
}
