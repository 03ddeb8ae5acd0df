/* gather.c -- rows of a tensor by index; an index below zero gives the fill value.
 *
 *     y[b.., k, r..] = index[b.., k] < 0 ? fill : x[b.., index[b.., k], r..]
 *
 * An index past the end also gives the fill value: nothing is read outside x.  Pointwise work on the
 * index and on the result runs here too.
 * tile = { rows a task }
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower/gen.h"

void
choose_gather(Arena *a, const Graph *g, const Target *t, Group *gr, int *pack)
{
	(void)a, (void)g, (void)pack;
	gr->ntile = 1;
	gr->tile[0] = t->kind == TARGET_GPU ? 1 : 256;
}

bool
lower_gather(LowerCtx *cx, uint32_t group, LoweredList *out, const char **err)
{
	const Group *gr = &cx->g->group.p[group];
	const Node *n = graph_node(cx->g, gr->root), *x = graph_node(cx->g, n->arg[0]);
	int axis = (int)attr_int(n, A_axis, 0), rank = n->type.rank;
	int64_t rows = 1, rest = 1;
	Gen gen, *z = &gen;
	KBuild *b;
	Reg first, row, index, ok, value, task[3];
	Coord c = { .lanes = 1, .active = 1 }, from;
	KScalar s = kscalar_of(x->type.dt);

	(void)err;
	for (int d = 0; d < rank; d++)
		*(d <= axis ? &rows : &rest) *= n->type.dim[d];
	gen_begin(z, cx, group, arena_printf(cx->a, "gather_%" PRId64 "x%" PRId64, rows, rest));
	b = z->b;
	gen_buf(z, n->arg[0]);
	gen_tasks(z, ceil_div(rows, gr->tile[0]), 1, 1, task);
	first = k_muli(b, task[0], gr->tile[0]);
	row = k_for(b, first, k_op(b, K_min, k_addi(b, first, gr->tile[0]), k_ix(b, rows), 0), 1);
	gen_unflatten(z, row, &n->type, axis + 1, 0, &c);
	index = k_cast(b, KS_IX, gen_value(z, n->arg[1], &c));
	ok = k_op(b, K_and, k_op(b, K_le, k_ix(b, 0), index, 0),
	          k_op(b, K_lt, index, k_ix(b, x->type.dim[axis]), 0), 0);
	/* the rest of a row, dim by dim */
	int opened = 0;

	for (int d = axis + 1; d < rank; d++) {
		if (n->type.dim[d] == 1)
			continue;
		c.r[d] = k_for(b, k_ix(b, 0), k_ix(b, n->type.dim[d]), 1);
		opened++;
	}
	gen_forget_bases(z);
	from = c;
	from.r[axis] = index;
	value = k_load_if(b, gen_buf(z, n->arg[0]), gen_index(z, n->arg[0], &from), 1, ok);
	value = k_select(b, ok, value, s == KS_F32 || s == KS_F64 || s == KS_F16 || s == KS_BF16
		? k_real(b, kt(s, 1), attr_real(n, A_fill, 0))
		: k_int(b, s, (int64_t)attr_real(n, A_fill, 0)));
	if (s == KS_F16 || s == KS_BF16)
		value = k_cast(b, KS_F32, value);
	gen_finish(z, &c, value);
	while (opened--)
		k_close(b);
	k_close(b);
	gen_end(z, out);
	return true;
}
