/* matmul.c -- products of matrices, any batch dims, either side turned.
 *
 * A tile is P rows by one or two vectors of columns; b is read along its rows, or by
 * strided gathers where it is turned.  YOLOv12's own products are convolutions and
 * attention, which have kernels of their own; this one serves users' blocks.
 *
 * tile = { lanes, P }
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower/gen.h"

void
choose_matmul(Arena *a, const Graph *g, const Target *t, Group *gr, int *pack)
{
	const Node *n = graph_node(g, gr->root);
	int lanes = target_lanes(t), rank = n->type.rank;

	(void)a, (void)pack;
	while (lanes > 1 && n->type.dim[rank - 1] <= lanes / 2)
		lanes /= 2;
	gr->ntile = 2;
	gr->tile[0] = lanes;
	gr->tile[1] = (int32_t)MIN(n->type.dim[rank - 2], t->vector_regs >= 32 ? 12 : 6);
}

/* P rows from row r0 on, columns of c */
static void
tile(Gen *z, const Node *n, const Coord *c, int rows)
{
	KBuild *b = z->b;
	int rank = n->type.rank;
	bool ta = attr_int(n, A_ta, 0) != 0, tb = attr_int(n, A_tb, 0) != 0;
	const Node *x = gen_node(z, n->arg[0]);
	int64_t depth = x->type.dim[ta ? rank - 2 : rank - 1];
	KType t = kt(KS_F32, c->lanes);
	Reg *acc = NEWN(z->a, Reg, (size_t)rows), k, bv;
	Coord ca = *c, cb = *c;

	for (int p = 0; p < rows; p++) {
		acc[p] = k_var(b, t);
		k_mov_to(b, acc[p], k_real(b, t, 0));
	}
	k = k_for(b, k_ix(b, 0), k_ix(b, depth), 1);
	gen_forget_bases(z);
	cb.r[rank - 2] = k, cb.k[rank - 2] = 0;
	if (tb) {
		cb.r[rank - 1] = k, cb.k[rank - 1] = 0;
		cb.r[rank - 2] = c->r[rank - 1], cb.k[rank - 2] = c->k[rank - 1];
		cb.vdim = rank - 2;
	}
	z->root_value = 0;
	bv = gen_value(z, n->arg[1], &cb);
	if (k_type(b, bv).lanes != c->lanes)
		bv = k_splat(b, c->lanes, bv);
	ca.lanes = ca.active = 1;
	for (int p = 0; p < rows; p++) {
		Reg xs;

		ca.r[ta ? rank - 1 : rank - 2] = c->r[rank - 2];
		ca.k[ta ? rank - 1 : rank - 2] = c->k[rank - 2] + p;
		ca.r[ta ? rank - 2 : rank - 1] = k;
		ca.k[ta ? rank - 2 : rank - 1] = 0;
		gen_forget(z);
		xs = k_splat(b, c->lanes, gen_value(z, n->arg[0], &ca));
		k_op_to(b, acc[p], K_fma, xs, bv, acc[p]);
	}
	k_close(b);
	gen_forget_bases(z);
	for (int p = 0; p < rows; p++) {
		Coord o = *c;

		o.k[rank - 2] += p;
		gen_finish(z, &o, acc[p]);
	}
	gen_forget_bases(z);
}

bool
lower_matmul(LowerCtx *cx, uint32_t group, LoweredList *out, const char **err)
{
	const Group *gr = &cx->g->group.p[group];
	const Node *n = graph_node(cx->g, gr->root);
	int lanes = gr->tile[0], rows = gr->tile[1], rank = n->type.rank;
	int64_t m = n->type.dim[rank - 2], cols = n->type.dim[rank - 1], batch = 1;
	Gen gen, *z = &gen;
	KBuild *b;
	Reg task[3];
	Coord c = { .vdim = rank - 1, .lanes = lanes, .active = lanes };

	if (n->type.dt != DT_F32) {
		*err = arena_printf(cx->a, "matmul %%%u: the kernel works in f32, not %s", gr->root,
		                    dtype_info[n->type.dt].name);
		return false;
	}
	for (int d = 0; d < rank - 2; d++)
		batch *= n->type.dim[d];
	gen_begin(z, cx, group, arena_printf(cx->a, "matmul_%" PRId64 "x%" PRId64, m, cols));
	b = z->b;
	gen_tasks(z, ceil_div(m, rows), batch, 1, task);
	gen_unflatten(z, task[1], &n->type, rank - 2, 0, &c);
	c.r[rank - 2] = k_muli(b, task[0], rows);
	for (int part = 0; part < (m % rows ? 2 : 1); part++) {
		int p = part ? (int)(m % rows) : rows;

		if (m % rows && part == 0)
			k_if(b, k_op(b, K_lt, task[0], k_ix(b, m / rows), 0));
		if (part)
			k_else(b);
		if (cols >= lanes) {
			c.active = lanes;
			c.k[rank - 1] = 0;
			c.r[rank - 1] = k_for(b, k_ix(b, 0), k_ix(b, cols - cols % lanes), lanes);
			gen_forget_bases(z);
			tile(z, n, &c, p);
			k_close(b);
		}
		if (cols % lanes) {
			c.active = (int)(cols % lanes);
			c.r[rank - 1] = 0;
			c.k[rank - 1] = cols - cols % lanes;
			gen_forget_bases(z);
			tile(z, n, &c, p);
		}
	}
	if (m % rows)
		k_close(b);
	gen_end(z, out);
	return true;
}
