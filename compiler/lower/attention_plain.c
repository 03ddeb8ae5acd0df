/* attention_plain.c -- attention on a GPU without its matrix units: each query has a thread, which reads K and V twice.  For f32,
 * odd head sizes, and runs of tokens that do not fit shared memory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "lower/attention_gpu.h"

/* scale q . k for the key at j (counted in the window), as a scalar, and what the body makes of it */
static Reg
score_at(Att *a, const Reg *q, int lanes, Reg j)
{
	KBuild *b = a->b;
	Reg sum = 0, at = att_token_index(a, a->k, k_add(b, a->token0, j), a->head0);

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
	att = att_of(z, cx->g, gr);
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
	at = att_token_index(a, a->q, t, a->head0);
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
	at = att_token_index(a, a->v, k_add(b, a->token0, j), a->vhead0);
	for (int64_t i = 0; i < a->dv / vlanes; i++)
		k_op_to(b, acc[i], K_fma, k_splat(b, vlanes, e),
		        k_cast(b, KS_F32, k_load(b, a->bv, k_addi(b, at, i * vlanes), vlanes)), acc[i]);
	k_close(b);
	gen_forget_bases(z);
	e = k_op(b, K_div, k_real(b, f1, 1), sum, 0);
	if (a->body.g)          /* a query that sees nothing */
		e = k_select(b, k_op(b, K_lt, k_real(b, f1, 0), sum, 0), e, k_real(b, f1, 0));
	for (int64_t i = 0; i < a->dv / vlanes; i++) {
		Coord c = att_out_coord(a, t, a->vhead0, vlanes);

		c.k[3] = i * vlanes;
		gen_finish(z, &c, k_mul(b, acc[i], k_splat(b, vlanes, e)));
	}
	gen_end(z, out);
	return true;
}
