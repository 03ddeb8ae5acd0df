/* point.c -- pointwise chains, and copies of re-indexed values.
 *
 * One loop nest over the result; lanes run along its last dim.  A chain may hold
 * MOVE ops that did not become views: they change the coordinates at which their
 * argument is read (gen.c).  The last dims are joined into one where they follow each
 * other in memory in every operand and all ops are pointwise, so that a chain over
 * [1,640,640,3] is one long loop.
 *
 * tile = { lanes, elements a task }
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower/gen.h"

enum { T_LANES, T_ELEMENTS, T_COUNT };

/* Lanes that every MOVE op in the group allows: a vector must stay a vector in its
 * argument, and inside one argument of a concat. */
static int
group_lanes(const Graph *g, const Group *gr, int most)
{
	uint32_t id = (uint32_t)(gr - g->group.p);
	const Node *out = graph_node(g, gr->out);
	int lanes = most, begins = most;
	bool joins = false;

	for (Val v = 1; v < g->node.n; v++) {
		const Node *n = graph_node(g, v);
		int last = n->type.rank - 1;

		if (n->op == OP_none || n->group != id || n->keep != KEEP_GROUP || last < 0)
			continue;
		if (n->op == OP_permute && attr_ints(n, A_axes, last, last) != last)
			lanes = 1;      /* strided either way: let scalars be simple */
		if (n->op == OP_slice && attr_int(n, A_axis, 0) == last && attr_int(n, A_step, 1) != 1)
			lanes = 1;
		if (n->op == OP_resize && !node_nhwc(n))
			lanes = 1;
		for (int i = 0; n->op == OP_concat && attr_int(n, A_axis, 0) == last && i < n->narg; i++) {
			lanes = lanes_dividing(graph_node(g, n->arg[i])->type.dim[last], lanes);
			joins = true;
		}
		if (n->op == OP_slice && attr_int(n, A_axis, 0) == last)
			begins = lanes_dividing(attr_int(n, A_begin, 0), begins);
		if (n->op == OP_reshape) {
			const Node *x = graph_node(g, n->arg[0]);
			int64_t in = x->type.rank ? x->type.dim[x->type.rank - 1] : 1;

			lanes = MIN(lanes, lanes_dividing(n->type.dim[last], lanes));
			lanes = MIN(lanes, lanes_dividing(in, lanes));
		}
	}
	if (out->type.rank == 0)
		return 1;
	if (joins)
		lanes = MIN(lanes, begins);
	while (lanes > 1 && out->type.dim[out->type.rank - 1] <= lanes / 2)
		lanes /= 2;
	return lanes;
}

/* A host computes in f32 vectors; a GPU's thread does best with accesses of 16 bytes. */
static int
point_lanes(const Target *t, const Node *out)
{
	return t->kind == TARGET_GPU ? MIN(8, t->vector_bytes / dtype_info[out->type.dt].bytes) : target_lanes(t);
}

void
choose_point(Arena *a, const Graph *g, const Target *t, Group *gr, int *pack)
{
	const Node *out = graph_node(g, gr->out);
	int64_t count = type_count(&out->type);

	(void)a;
	(void)pack;
	gr->ntile = T_COUNT;
	gr->tile[T_LANES] = group_lanes(g, gr, point_lanes(t, out));
	/* about 16 k elements a task, at least 16 tasks if there is that much */
	gr->tile[T_ELEMENTS] = (int32_t)MAX(64, MIN(16384, count / 16 / 64 * 64));
	if (t->kind == TARGET_GPU)      /* a thread makes one vector */
		gr->tile[T_ELEMENTS] = gr->tile[T_LANES];
}

/* The first of the last dims that can be seen as one, or rank - 1. */
static int
first_joined(const Graph *g, uint32_t id)
{
	const Group *gr = &g->group.p[id];
	const Node *out = graph_node(g, gr->out);
	int rank = out->type.rank, d;

	for (d = rank - 1; d > 0; d--) {
		/* may dim d - 1 join those after it? */
		for (Val v = 1; v < g->node.n; v++) {
			const Node *n = graph_node(g, v);

			if (n->op == OP_none || n->group != id || n->keep != KEEP_GROUP)
				continue;
			if (op_info[n->op].fuse != FUSE_POINT)
				return rank - 1;
			for (int i = 0; i <= n->narg; i++) {
				Val u = i < n->narg ? n->arg[i] : v;
				const Node *x = graph_node(g, u);
				int64_t ones = 0, all = rank - d + 1;

				if ((x->group == id && x->keep == KEEP_GROUP && u != gr->out) ||
				    (x->op == OP_const && type_count(&x->type) == 1))
					continue;
				for (int j = d - 1; j < rank; j++)
					ones += x->type.dim[j] == 1;
				if (ones == all)
					continue;
				for (int j = d - 1; j < rank; j++)
					if (x->type.dim[j] != out->type.dim[j])
						return d;
				for (int j = d - 1; j + 1 < rank; j++)
					if (x->place.stride[j] != x->place.stride[j + 1] * x->type.dim[j + 1])
						return d;
				if (x->type.dim[rank - 1] == 1)
					return d;
			}
		}
	}
	return MAX(d, 0);
}

bool
lower_point(LowerCtx *cx, uint32_t group, LoweredList *out, const char **err)
{
	const Group *gr = &cx->g->group.p[group];
	const Node *n = graph_node(cx->g, gr->out);
	int lanes = gr->tile[T_LANES], rank = n->type.rank, active, join = first_joined(cx->g, group);
	int64_t last = 1, rows = 1, full, rows_a_task, span;
	Gen gen, *z = &gen;
	KBuild *b;
	Reg first, row, i, from, to, task[3];
	Coord c = { .vdim = MAX(rank - 1, 0), .lanes = lanes, .active = lanes };

	(void)err;
	for (int d = 0; d < rank; d++)
		*(d < join ? &rows : &last) *= n->type.dim[d];
	if (join < rank - 1)    /* joined dims allow wider vectors than the last one alone */
		for (lanes = point_lanes(cx->target, n); lanes > 1 && last <= lanes / 2;)
			lanes /= 2;
	c.lanes = c.active = lanes;
	/* a task is some rows, or a piece of one: always a multiple of the lanes */
	span = MIN(last, MAX(gr->tile[T_ELEMENTS] / lanes, 1) * lanes);
	rows_a_task = MAX(1, gr->tile[T_ELEMENTS] / MAX(last, 1));
	gen_begin(z, cx, group, arena_printf(cx->a, "%s_%" PRId64 "x%" PRId64,
		op_info[graph_node(cx->g, gr->root)->op].name, rows, last));
	z->root = 0;            /* nothing is given: all of it is evaluated */
	b = z->b;
	gen_tasks(z, ceil_div(last, span), ceil_div(rows, rows_a_task), 1, task);
	first = k_muli(b, task[1], rows_a_task);
	row = k_for(b, first, k_op(b, K_min, k_addi(b, first, rows_a_task), k_ix(b, rows), 0), 1);
	gen_unflatten(z, row, &n->type, join, 0, &c);
	full = last - last % lanes;
	if (full > 0) {
		from = last > span ? k_muli(b, task[0], span) : k_ix(b, 0);
		to = last > span ? k_op(b, K_min, k_addi(b, from, span), k_ix(b, full), 0) : k_ix(b, full);
		i = k_for(b, from, to, lanes);
		if (rank)
			c.r[rank - 1] = i;
		gen_forget_bases(z);
		gen_finish(z, &c, 0);
		k_close(b);
		gen_forget_bases(z);
	}
	active = (int)(last - full);
	if (active > 0) {
		/* the rest of the row, once: by its last piece */
		if (last > span)
			k_if(b, k_op(b, K_eq, task[0], k_ix(b, ceil_div(last, span) - 1), 0));
		c.r[rank - 1] = 0;
		c.k[rank - 1] = full;
		c.active = active;
		gen_finish(z, &c, 0);
		if (last > span)
			k_close(b);
	}
	k_close(b);
	gen_end(z, out);
	return true;
}
