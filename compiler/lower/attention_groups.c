/* attention_groups.c -- attention's products by warpgroups (sm_90a).
 *
 * A warp's 16 queries and their weights are its rows of A, in registers; K and V lie as the hardware's swizzle wants B.  The
 * product with V is under way while the next run's scores are: one wait is for both.
 *
 * The first run of keys gives rows their references.  Of the others the sums of weights are looked at, not the scores,
 * which would take an instruction each: where one is great, the run's weights are made again with another reference.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "lower/attention_gpu.h"

bool
att_groups_fit(const Att *a)
{
	return a->bytes == 2 && !a->bodied && a->scale > 0 && (a->d & (a->d - 1)) == 0;
}

/* Blocks that there is shared memory for; registers of a thread are made to do for as many, but not less than 128. */
int
att_resident_groups(const Att *a, const Target *t)
{
	int by_memory = (int)(t->shared_sm / (att_shared_bytes(a) + 1024));

	return MAX(1, MIN(by_memory, 65536 / (128 * 32 * a->rw)));
}

/* the registers of x[0 ..], one after another */
static Reg
joined(KBuild *b, const Reg *x, int n)
{
	Reg all = x[0];

	for (int i = 1; i < n; i++)
		all = k_join(b, all, x[i]);
	return all;
}

/* waits, and has of O what was under way */
static void
settle_values(Att *a)
{
	KBuild *b = a->b;
	Reg o = k_wgmma_get(b, a->values);

	for (int j = 0; j < a->wide; j++)
		k_mov_to(b, a->part->o[j], k_part(b, o, 4 * j, 4));
}

/* a run's weights, and their sums apart from those before */
static void
weigh_run(Att *a, const Reg *sum)
{
	KBuild *b = a->b;
	Reg *x = NEWN(a->z->a, Reg, (size_t)a->kb / 16);

	for (int h = 0; h < 2; h++)
		k_mov_to(b, sum[h], k_real(b, kt(KS_F32, 1), 0));
	for (int j = 0; j < a->kb / 16; j++)
		x[j] = att_weights_of_16(a, a->part, 2 * j, sum);
	k_mov_to(b, a->p, joined(b, x, a->kb / 16));
}

static void
run_of_groups(Att *a, Reg kb0, bool first)
{
	KBuild *b = a->b;
	KType f1 = kt(KS_F32, 1);
	Part *p = a->part;
	Reg run = k_muli(b, kb0, a->d), s, great = k_real(b, f1, exp2(ATT_SUM_GROWS)), sum[2] = { k_var(b, f1), k_var(b, f1) };

	k_wgmma_a_to(b, a->scores, joined(b, p->q, a->steps), a->sk, run, att_row_bytes(a), false, true);
	if (!first)
		settle_values(a);
	s = k_wgmma_get(b, a->scores);
	for (int j = 0; j < a->kb / 8; j++)
		k_mov_to(b, p->s[j], k_part(b, s, 4 * j, 4));
	if (a->here)            /* without queries there is nothing to weigh by */
		k_if(b, a->here);
	att_mask_tail(a, kb0);
	if (first) {
		att_find_greatest(a);
		for (int h = 0; h < 2; h++)
			k_mov_to(b, p->low[h], att_reference(a, p->top[h]));
	}
	weigh_run(a, sum);
	if (!first) {
		Reg any = k_op(b, K_or, k_op(b, K_lt, great, sum[0], 0), k_op(b, K_lt, great, sum[1], 0), 0);

		k_if(b, k_vote_any(b, any));
		att_find_greatest(a);
		att_refer_to_greatest(a);
		weigh_run(a, sum);
		k_close(b);
	}
	for (int h = 0; h < 2; h++)
		k_mov_to(b, p->sum[h], first ? sum[h] : k_add(b, p->sum[h], sum[h]));
	if (a->here)
		k_close(b);
	if (!first)
		k_mov_to(b, a->values, joined(b, p->o, a->wide));
	k_wgmma_a_to(b, a->values, a->p, a->sv, k_addi(b, run, a->local.lead * a->d), att_row_bytes(a), true, first);
}

void
att_attend_by_groups(Att *a)
{
	KBuild *b = a->b;

	run_of_groups(a, k_ix(b, 0), true);
	if (a->padded > a->kb) {
		run_of_groups(a, k_for(b, k_ix(b, a->kb), k_ix(b, a->padded), a->kb), false);
		k_close(b);
	}
	settle_values(a);
}
