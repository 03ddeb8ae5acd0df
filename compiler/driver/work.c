/* work.c -- what there is to compute and to move, told from the graph.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "driver/work.h"

static int64_t
node_macs(const Graph *g, const Node *n)
{
	const Type *x = n->narg ? &graph_node(g, n->arg[0])->type : NULL, *w = n->narg > 1 ? &graph_node(g, n->arg[1])->type : NULL;

	switch (n->op) {
	case OP_conv2d:         /* w[O,C/g,R,S], or packed [O',R,S,C/g,pack] */
		return type_count(&n->type) * w->dim[1] * w->dim[2] * w->dim[3];
	case OP_matmul:
		return type_count(&n->type) * x->dim[x->rank - (attr_int(n, A_ta, 0) ? 2 : 1)];
	case OP_attention: {    /* q k' and p v: each token with all of its window */
		int c = node_nhwc(n) ? 3 : 1;
		int64_t tokens = type_count(x) / x->dim[0] / x->dim[c];

		return x->dim[0] * (x->dim[c] + n->type.dim[c]) * tokens * (tokens / attr_int(n, A_windows, 1));
	}
	default:
		return 0;
	}
}

int64_t
group_macs(const Graph *g, uint32_t group)
{
	int64_t sum = 0;

	graph_foreach(g, v)
		if (!group || graph_node(g, v)->group == group)
			sum += node_macs(g, graph_node(g, v));
	return sum;
}

/* Where the launches of an entry begin among all; -1: there is no program. */
static ptrdiff_t
first_launch(const Compiled *c, const char *entry, size_t *k)
{
	size_t at = 0;

	if (!c->launch_group.n)
		return -1;
	for (*k = 0; *k < c->program->entry.n; ++*k) {
		if (strcmp(c->program->entry.p[*k].name, entry) == 0)
			return (ptrdiff_t)at;
		at += c->program->entry.p[*k].launch.n;
	}
	return -1;
}

int64_t
launch_macs(const Compiled *c, const char *entry, size_t i)
{
	size_t k;
	ptrdiff_t at = first_launch(c, entry, &k);
	const uint32_t *group = c->launch_group.p + at;

	return at < 0 ? -1 : i && group[i - 1] == group[i] ? 0 : group_macs(c->module->graph.p[k], group[i]);
}

int64_t
launch_moves(const Compiled *c, const char *entry, size_t i)
{
	size_t k;
	ptrdiff_t at = first_launch(c, entry, &k);

	return at < 0 ? -1 : c->launch_bytes.p[(size_t)at + i];
}
