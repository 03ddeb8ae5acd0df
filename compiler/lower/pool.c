/* pool.c -- greatest or mean of a window, on NHWC; lanes run along channels.
 *
 * Positions outside the picture do not take part: they are no candidates for the
 * greatest and do not count in the mean's divisor.
 * tile = { lanes, rows a task }
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower/gen.h"

void
choose_pool(Arena *a, const Graph *g, const Target *t, Group *gr, int *pack)
{
	const Node *n = graph_node(g, gr->root);
	int lanes = target_lanes(t);

	(void)a, (void)pack;
	while (lanes > 1 && n->type.dim[3] <= lanes / 2)
		lanes /= 2;
	gr->ntile = 2;
	gr->tile[0] = lanes;
	gr->tile[1] = t->kind == TARGET_GPU ? 1 : (int32_t)MAX(1, ceil_div(n->type.dim[1], 16));
}

bool
lower_pool(LowerCtx *cx, uint32_t group, LoweredList *out, const char **err)
{
	const Group *gr = &cx->g->group.p[group];
	const Node *n = graph_node(cx->g, gr->root), *x = graph_node(cx->g, n->arg[0]);
	bool greatest = strcmp(attr_str(n, A_kind, "max"), "max") == 0;
	int64_t k[2], s[2], p[2], rows = gr->tile[1], channels = n->type.dim[3];
	int lanes = gr->tile[0];
	Gen gen, *z = &gen;
	KBuild *b;
	Reg lo[2], hi[2], row0, acc, v, task[3];
	Coord c = { .vdim = 3, .lanes = lanes, .active = lanes };

	if (!node_nhwc(n)) {
		*err = arena_printf(cx->a, "pool %%%u: the kernel needs layout=\"nhwc\"; run the pass layout", gr->root);
		return false;
	}
	for (int i = 0; i < 2; i++) {
		k[i] = attr_ints(n, A_kernel, i, attr_ints(n, A_kernel, 0, 1));
		s[i] = attr_ints(n, A_stride, i, attr_ints(n, A_stride, 0, 1));
		p[i] = attr_ints(n, A_pad, i, attr_ints(n, A_pad, 0, 0));
	}
	gen_begin(z, cx, group, arena_printf(cx->a, "pool%" PRId64 "x%" PRId64 "_%" PRId64, k[0], k[1], channels));
	b = z->b;
	/* a GPU thread makes one pixel, a host task some rows */
	gen_tasks(z, gen_gpu(cx) ? n->type.dim[2] : 1, ceil_div(n->type.dim[1], rows), n->type.dim[0], task);
	c.r[0] = task[2];
	row0 = k_muli(b, task[1], rows);
	c.r[1] = k_for(b, row0, k_op(b, K_min, k_addi(b, row0, rows), k_ix(b, n->type.dim[1]), 0), 1);
	c.r[2] = gen_gpu(cx) ? k_for(b, task[0], k_addi(b, task[0], 1), 1)
	                     : k_for(b, k_ix(b, 0), k_ix(b, n->type.dim[2]), 1);
	for (int i = 0; i < 2; i++) {
		Reg at = k_addi(b, k_muli(b, c.r[1 + i], s[i]), -p[i]);

		lo[i] = k_op(b, K_max, at, k_ix(b, 0), 0);
		hi[i] = k_op(b, K_min, k_addi(b, at, k[i]), k_ix(b, x->type.dim[1 + i]), 0);
	}
	for (int part = 0; part < 2; part++) {
		int64_t tail = channels % lanes;
		bool whole = part == 0;         /* whole vectors, then what is left */
		Coord at = c, in;

		if (whole ? channels == tail : tail == 0)
			continue;
		at.active = whole ? lanes : (int)tail;
		at.k[3] = whole ? 0 : channels - tail;
		at.r[3] = whole ? k_for(b, k_ix(b, 0), k_ix(b, channels - tail), lanes) : 0;
		acc = k_var(b, kt(KS_F32, lanes));
		k_mov_to(b, acc, k_real(b, kt(KS_F32, lanes), greatest ? -3.4e38 : 0));
		in = at;
		in.r[1] = k_for(b, lo[0], hi[0], 1);
		in.r[2] = k_for(b, lo[1], hi[1], 1);
		gen_forget_bases(z);
		z->root_value = 0;
		v = gen_value(z, n->arg[0], &in);
		k_op_to(b, acc, greatest ? K_max : K_add, acc, v, 0);
		k_close(b);
		k_close(b);
		v = acc;
		if (!greatest) {
			Reg count = k_mul(b, k_sub(b, hi[0], lo[0]), k_sub(b, hi[1], lo[1]));

			v = k_op(b, K_div, acc, k_splat(b, lanes, k_cast(b, KS_F32, count)), 0);
		}
		gen_forget_bases(z);
		gen_finish(z, &at, v);
		if (whole)
			k_close(b);
		gen_forget_bases(z);
	}
	k_close(b);
	k_close(b);
	gen_end(z, out);
	return true;
}
