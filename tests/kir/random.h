/* random.h -- random kernels, the same ones each time: made with the builder, valid, free
 * of traps, with loops, conditions, registers written again, vectors and local memory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef KIR_RANDOM_H
#define KIR_RANDOM_H

#include "kit.h"

enum { RANDOM_ELEMENTS = 64 };

typedef struct Random {
	uint64_t seed;
	KBuild *b;
	uint32_t x, n, y, t;    /* f32 and ix inputs, the f32 out, local memory */
	Reg pool[512];          /* values that may be read here */
	int npool;
	Reg var[6];
	int loops, left;        /* open loops; statements still to make */
} Random;

static inline uint32_t
rnd(Random *r, uint32_t n)
{
	r->seed = r->seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(r->seed >> 33) % n;
}

static inline Reg
rnd_pick(Random *r, KType t)
{
	Reg found[512 + 6];
	int n = 0;

	for (int i = 0; i < r->npool; i++)
		if (k_type(r->b, r->pool[i]).s == t.s && k_type(r->b, r->pool[i]).lanes == t.lanes)
			found[n++] = r->pool[i];
	for (int i = 0; i < 6; i++)
		if (k_type(r->b, r->var[i]).s == t.s && k_type(r->b, r->var[i]).lanes == t.lanes)
			found[n++] = r->var[i];
	if (n == 0 || rnd(r, 5) == 0)
		return k_real(r->b, t, (double)rnd(r, t.s == KS_I1 ? 2 : 4));
	return found[rnd(r, (uint32_t)n)];
}

static inline void
rnd_keep(Random *r, Reg x)
{
	if (r->npool < 512)
		r->pool[r->npool++] = x;
}

/* an index of n elements that is in range whatever the values are */
static inline Reg
rnd_index(Random *r, int n)
{
	return k_op(r->b, K_and, rnd_pick(r, kt(KS_IX, 1)), k_ix(r->b, RANDOM_ELEMENTS - n), 0);
}

static inline Reg
rnd_value(Random *r)
{
	static const KOp real[] = { K_add, K_sub, K_mul, K_div, K_min, K_max, K_fma, K_neg, K_abs, K_floor };
	static const KOp whole[] = { K_add, K_add, K_sub, K_mul, K_mul, K_min, K_max, K_fma, K_and, K_or, K_xor, K_neg };
	static const KOp test[] = { K_eq, K_ne, K_lt, K_le };
	KBuild *b = r->b;
	KType f = kt(KS_F32, 1), f4 = kt(KS_F32, 4), ix = kt(KS_IX, 1), i1 = kt(KS_I1, 1);
	KType t = rnd(r, 2) ? f : f4;

	switch (rnd(r, 14)) {
	case 0: case 1:
		return k_op(b, real[rnd(r, COUNT(real))], rnd_pick(r, t), rnd_pick(r, t), rnd_pick(r, t));
	case 2: case 3: case 4:
		return k_op(b, whole[rnd(r, COUNT(whole))], rnd_pick(r, ix), rnd_pick(r, ix), rnd_pick(r, ix));
	case 5:
		return k_op(b, test[rnd(r, COUNT(test))], rnd_pick(r, f), rnd_pick(r, f), 0);
	case 6:
		return k_op(b, test[rnd(r, COUNT(test))], rnd_pick(r, ix), rnd_pick(r, ix), 0);
	case 7:
		return k_select(b, rnd_pick(r, i1), rnd_pick(r, t), rnd_pick(r, t));
	case 8:
		return k_load(b, rnd(r, 2) ? r->x : r->t, rnd_index(r, t.lanes), t.lanes);
	case 9:
		return k_load(b, r->n, rnd_index(r, 1), 1);
	case 10:
		return k_splat(b, 4, rnd_pick(r, f));
	case 11:
		return rnd(r, 2) ? k_lane(b, rnd_pick(r, f4), (int)rnd(r, 4)) : k_reduce(b, K_reduce_add, rnd_pick(r, f4));
	case 12:
		return k_cast(b, KS_F32, rnd_pick(r, ix));
	default:
		return k_op(b, rnd(r, 2) ? K_div : K_rem, rnd_pick(r, ix), k_ix(b, 1 + rnd(r, 4)), 0);
	}
}

static inline void rnd_block(Random *r, int depth);

static inline void
rnd_statement(Random *r, int depth)
{
	KBuild *b = r->b;
	uint32_t what = rnd(r, depth < 4 ? 16 : 12);
	Reg v;

	if (what < 7) {
		rnd_keep(r, rnd_value(r));
	} else if (what < 9) {
		v = r->var[rnd(r, 6)];
		KType t = k_type(b, v);
		if (t.s == KS_F32 && rnd(r, 2))
			k_op_to(b, v, K_fma, rnd_pick(r, t), rnd_pick(r, t), v);
		else if (t.s == KS_IX && rnd(r, 2))
			k_op_to(b, v, K_add, v, rnd_pick(r, t), 0);
		else
			k_mov_to(b, v, rnd_pick(r, t));
	} else if (what < 11) {
		KType t = kt(KS_F32, rnd(r, 2) ? 1 : 4);
		k_store(b, rnd(r, 3) ? r->y : r->t, rnd_index(r, t.lanes), rnd_pick(r, t));
	} else if (what < 12) {
		if (r->loops)
			k_break_if(b, rnd_pick(r, kt(KS_I1, 1)));
	} else if (what < 14) {
		int n = r->npool;       /* the index is in the pool only inside */
		rnd_keep(r, k_for(b, k_ix(b, rnd(r, 3)), k_ix(b, rnd(r, 8)), 1 + rnd(r, 3)));
		rnd_block(r, depth + 1);
		k_close(b);
		r->npool = n;
	} else if (what < 15) {
		int n = r->npool;
		k_if(b, rnd_pick(r, kt(KS_I1, 1)));
		rnd_block(r, depth + 1);
		r->npool = n;
		if (rnd(r, 2)) {
			k_else(b);
			rnd_block(r, depth + 1);
			r->npool = n;
		}
		k_close(b);
	} else {
		int n = r->npool;
		Reg count = k_var(b, kt(KS_IX, 1));
		k_mov_to(b, count, k_ix(b, 0));
		k_loop(b);
		r->loops++;
		k_break_if(b, k_op(b, K_lt, k_ix(b, rnd(r, 5)), count, 0));
		k_op_to(b, count, K_add, count, k_ix(b, 1), 0);
		rnd_block(r, depth + 1);
		k_close(b);
		r->loops--;
		r->npool = n;
	}
}

static inline void
rnd_block(Random *r, int depth)
{
	for (uint32_t n = 1 + rnd(r, 6); n > 0 && r->left > 0; n--, r->left--)
		rnd_statement(r, depth);
}

static inline Kernel *
rnd_kernel(Arena *a, uint64_t seed)
{
	Random r = { .seed = seed * 0x9e3779b97f4a7c15u + 1, .b = k_begin(a, "random"), .left = 60 };
	KBuild *b = r.b;
	static const KType types[6] = { { KS_F32, 1 }, { KS_F32, 4 }, { KS_IX, 1 }, { KS_IX, 1 }, { KS_I1, 1 }, { KS_F32, 4 } };

	r.x = k_param(b, "x", DT_F32, RANDOM_ELEMENTS, false);
	r.n = k_param(b, "n", DT_I64, RANDOM_ELEMENTS, false);
	r.t = k_buffer(b, "t", KSPACE_LOCAL, DT_F32, RANDOM_ELEMENTS);
	r.y = k_param(b, "y", DT_F32, RANDOM_ELEMENTS, true);
	for (int i = 0; i < 6; i++) {
		r.var[i] = k_var(b, types[i]);
		k_mov_to(b, r.var[i], k_real(b, types[i], 1));
	}
	Reg i = k_for(b, k_ix(b, 0), k_ix(b, RANDOM_ELEMENTS), 1);
	k_store(b, r.t, i, k_real(b, kt(KS_F32, 1), 0.25));
	k_close(b);
	/* i64 in memory, ix in registers */
	for (int j = 0; j < 3; j++)
		rnd_keep(&r, k_cast(b, KS_IX, k_load(b, r.n, k_ix(b, j), 1)));
	while (r.left > 0)
		rnd_block(&r, 0);
	for (int v = 0; v < 6; v++) {
		Reg x = k_type(b, r.var[v]).lanes == 4 ? k_reduce(b, K_reduce_add, r.var[v]) : r.var[v];
		k_store(b, r.y, k_ix(b, v), k_cast(b, KS_F32, x));
	}
	return k_end(b);
}

#endif
