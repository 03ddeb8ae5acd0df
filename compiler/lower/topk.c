/* topk.c -- indices of the k greatest of each row, greatest first, first on ties.
 *
 * One task a row keeps the k best so far in order and lets each element sink to its
 * place: k is small where this is used.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower/gen.h"

void
choose_topk(Arena *a, const Graph *g, const Target *t, Group *gr, int *pack)
{
	(void)a, (void)g, (void)t, (void)gr, (void)pack;
}

bool
lower_topk(LowerCtx *cx, uint32_t group, LoweredList *out, const char **err)
{
	const Group *gr = &cx->g->group.p[group];
	const Node *n = graph_node(cx->g, gr->root), *xn = graph_node(cx->g, n->arg[0]);
	int rank = n->type.rank;
	int64_t k = attr_int(n, A_k, 1), size = xn->type.dim[rank - 1], rows = 1;
	Gen gen, *z = &gen;
	KBuild *b;
	uint32_t best, where;
	Reg i, x, have, slot, task[3];
	Coord c = { .lanes = 1, .active = 1 };

	(void)err;
	for (int d = 0; d < rank - 1; d++)
		rows *= n->type.dim[d];
	gen_begin(z, cx, group, arena_printf(cx->a, "topk%" PRId64 "_%" PRId64 "x%" PRId64, k, rows, size));
	b = z->b;
	gen_buf(z, n->arg[0]);
	best = k_buffer(b, "best", KSPACE_LOCAL, xn->type.dt, k + 1);
	where = k_buffer(b, "where", KSPACE_LOCAL, DT_I32, k + 1);
	gen_tasks(z, rows, 1, 1, task);
	gen_unflatten(z, task[0], &n->type, rank - 1, 0, &c);
	have = k_var(b, kt(KS_IX, 1));
	slot = k_var(b, kt(KS_IX, 1));
	k_mov_to(b, have, k_ix(b, 0));
	c.r[rank - 1] = i = k_for(b, k_ix(b, 0), k_ix(b, size), 1);
	gen_forget_bases(z);
	x = k_load(b, gen_buf(z, n->arg[0]), gen_index(z, n->arg[0], &c), 1);
	k_mov_to(b, slot, have);
	k_loop(b);      /* down from the end, past everything smaller */
	k_break_if(b, k_op(b, K_le, slot, k_ix(b, 0), 0));
	Reg before = k_addi(b, slot, -1), v = k_load(b, best, before, 1);

	k_break_if(b, k_op(b, K_le, x, v, 0));
	k_store(b, best, slot, v);
	k_store(b, where, slot, k_load(b, where, before, 1));
	k_mov_to(b, slot, before);
	k_close(b);
	k_store(b, best, slot, x);
	k_store(b, where, slot, k_cast(b, KS_I32, i));
	k_mov_to(b, have, k_op(b, K_min, k_addi(b, have, 1), k_ix(b, k), 0));
	k_close(b);
	c.r[rank - 1] = i = k_for(b, k_ix(b, 0), k_ix(b, k), 1);
	gen_forget_bases(z);
	gen_finish(z, &c, k_load(b, where, i, 1));
	k_close(b);
	gen_end(z, out);
	return true;
}
