/* storage.c -- where values lie, as far as views and joins decide it.
 *
 * Joins say where their arguments are, so they are followed from the outputs up; a view
 * says where it is from its argument, down.  A reshape or permute that a join asks for is
 * both: its argument goes where the join wants it, seen through the view.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "passes/storage.h"

bool
reshape_strides(const Type *x, const int64_t *xs, const Type *t, int64_t *ts)
{
	int i = 0, j = 0;

	if (type_count(x) == 0) {
		type_strides(t, ts);
		return true;
	}
	while (i < x->rank || j < t->rank) {
		int from = i, to = j;
		int64_t a = i < x->rank ? x->dim[i++] : 1, b = j < t->rank ? t->dim[j++] : 1;

		/* the fewest dims of each that hold the same elements */
		while (a != b)
			if (a < b)
				a *= x->dim[i++];
			else
				b *= t->dim[j++];

		/* those of x have to be one run of equal steps */
		int64_t step = 1, run = 0;

		for (int k = i - 1; k >= from; k--) {
			if (x->dim[k] == 1)
				continue;
			if (run && xs[k] != run)
				return false;
			step = run ? step : xs[k];
			run = xs[k] * x->dim[k];
		}
		for (int k = j - 1; k >= to; k--) {
			ts[k] = step;
			step *= t->dim[k];
		}
	}
	return true;
}

bool
is_dense(const Type *t, const int64_t *stride)
{
	int64_t dense[MAX_RANK];

	type_strides(t, dense);
	for (int i = 0; i < t->rank; i++)
		if (t->dim[i] > 1 && stride[i] != dense[i])
			return false;
	return true;
}

/* The place of a view in the storage of its argument. */
static bool
place_view(const Node *n, const Type *x, const Place *from, Place *to)
{
	int64_t axis;

	*to = *from;
	switch (n->op) {
	case OP_slice:
		axis = attr_int(n, A_axis, 0);
		to->offset += attr_int(n, A_begin, 0) * from->stride[axis];
		to->stride[axis] *= attr_int(n, A_step, 1);
		return true;
	case OP_permute:
		for (int i = 0; i < x->rank; i++)
			to->stride[i] = from->stride[permute_axes(n)[i]];
		return true;
	case OP_broadcast:
		for (int i = 0; i < x->rank; i++)
			if (x->dim[i] != n->type.dim[i])
				to->stride[i] = 0;
		return true;
	default:
		return reshape_strides(x, from->stride, &n->type, to->stride);
	}
}

/* The place that the argument of a view must have, so that the view is at `want`. */
static bool
place_behind(const Node *n, const Type *x, const Place *want, Place *arg)
{
	*arg = *want;
	switch (n->op) {
	case OP_permute:
		for (int i = 0; i < x->rank; i++)
			arg->stride[permute_axes(n)[i]] = want->stride[i];
		return true;
	case OP_reshape:
		return reshape_strides(&n->type, want->stride, x, arg->stride);
	case OP_slice:          /* what the argument has besides lies around it, where fuse allowed that */
		arg->offset -= attr_int(n, A_begin, 0) * want->stride[attr_int(n, A_axis, 0)];
		return attr_int(n, A_step, 1) == 1;
	default:
		return false;
	}
}

/* Is v what a kernel makes, seen through a permute? */
static bool
permutes(const Graph *g, Val v)
{
	bool any = false;

	while (graph_node(g, v)->keep == KEEP_VIEW && (graph_node(g, v)->op == OP_reshape || graph_node(g, v)->op == OP_permute)) {
		any |= graph_node(g, v)->op == OP_permute;
		v = graph_node(g, v)->arg[0];
	}
	return any && graph_node(g, v)->keep != KEEP_VIEW && !is_source(graph_node(g, v));
}

bool
storage_find(Arena *a, const Graph *g, Storage *s, Val *bad)
{
	s->owner = NEWN(a, Val, g->node.n);
	s->place = NEWN(a, Place, g->node.n);
	/* an output is dense, whatever that means for what is behind it */
	for (size_t i = 0; i < g->output.n; i++) {
		Val v = g->output.p[i].v;

		if (permutes(g, v)) {
			s->owner[v] = v;
			type_strides(&graph_node(g, v)->type, s->place[v].stride);
		}
	}
	for (size_t i = g->order.n; i--;) {
		Val v = g->order.p[i];
		const Node *n = graph_node(g, v);
		Place *p = &s->place[v];

		if (n->keep == KEEP_VIEW) {
			Val x = n->arg[0];

			if (!s->owner[v])
				continue;
			if (s->owner[x] || !place_behind(n, &graph_node(g, x)->type, p, &s->place[x])) {
				*bad = v;
				return false;
			}
			s->owner[x] = s->owner[v];
			continue;
		}
		if (!s->owner[v]) {
			s->owner[v] = v;
			type_strides(&n->type, p->stride);
		}
		if (n->keep != KEEP_JOIN)
			continue;

		int64_t axis = attr_int(n, A_axis, 0);
		Place part = *p;

		for (int k = 0; k < n->narg; k++) {
			Val x = n->arg[k];

			if (s->owner[x]) {
				*bad = x;
				return false;
			}
			s->owner[x] = s->owner[v];
			s->place[x] = part;
			part.offset += graph_node(g, x)->type.dim[axis] * p->stride[axis];
		}
	}
	graph_foreach(g, v) {
		const Node *n = graph_node(g, v);

		if (n->keep != KEEP_VIEW || s->owner[v])
			continue;
		if (!place_view(n, &graph_node(g, n->arg[0])->type, &s->place[n->arg[0]], &s->place[v])) {
			*bad = v;
			return false;
		}
		s->owner[v] = s->owner[n->arg[0]];
	}
	return true;
}

void
users_find(Arena *a, const Graph *g, Users *u)
{
	size_t count = g->node.n, total = 0;
	uint32_t *fill = NEWN(a, uint32_t, count + 1);

	u->first = NEWN(a, uint32_t, count + 1);
	u->outputs = NEWN(a, uint32_t, count + 1);
	graph_foreach(g, v)
		for (int i = 0; i < graph_node(g, v)->narg; i++) {
			u->first[graph_node(g, v)->arg[i] + 1]++;
			total++;
		}
	for (size_t v = 0; v < count; v++)
		u->first[v + 1] += u->first[v];
	memcpy(fill, u->first, (count + 1) * sizeof *fill);
	u->node = NEWN(a, Val, total + 1);
	graph_foreach(g, v)
		for (int i = 0; i < graph_node(g, v)->narg; i++)
			u->node[fill[graph_node(g, v)->arg[i]]++] = v;
	for (size_t i = 0; i < g->output.n; i++)
		u->outputs[g->output.p[i].v]++;
}

static bool
is_view(OpKind op)
{
	return op == OP_slice || op == OP_reshape || op == OP_permute || op == OP_broadcast;
}

/* Does each reader of v, through views too, lead to a convolution before `later`? */
static bool
all_lead(const Graph *g, const Users *u, Val v, Val except, const char *mark, bool *any)
{
	if (u->outputs[v])
		return false;
	for (uint32_t i = u->first[v]; i < u->first[v + 1]; i++) {
		Val r = u->node[i];
		OpKind op = graph_node(g, r)->op;

		if (r == except)
			continue;
		if (op == OP_concat || mark[r] < 2 || (is_view(op) && !all_lead(g, u, r, 0, mark, any)))
			return false;
		*any = true;
	}
	return true;
}

/* A reader that leads to a convolution, as what that works on, is in another kernel than the
 * convolution; and the convolution's kernel is that of `later` or runs before it. */
bool
read_before(Arena *a, const Graph *g, const Users *u, Val v, Val except, Val later)
{
	char *mark = NEWN(a, char, g->node.n);  /* 1: leads to later; 2: by a convolution */
	bool any = false;

	mark[later] = 1;
	for (size_t i = g->order.n; i--;) {
		Val x = g->order.p[i];
		const Node *n = graph_node(g, x);

		for (int k = 0; k < n->narg && mark[x]; k++)
			mark[n->arg[k]] = MAX(mark[n->arg[k]], n->op == OP_conv2d && !reads_elements(g, n) ? 2 : mark[x]);
	}
	/* without a reader nothing says which of the two is made first */
	return all_lead(g, u, v, except, mark, &any) && any;
}

/* Is w, made after r, made over it, and not by a kernel that waits for conv's? */
static bool
is_made_over(const Graph *g, const Storage *at, const uint32_t *place, const bool *behind, Val conv, Val r, Val w)
{
	Node x = *graph_node(g, r), y = *graph_node(g, w);

	if (!is_stored(g, w) || !y.group || at->owner[w] != at->owner[r] || place[w] <= place[r] ||
	    (behind[w] && y.group != graph_node(g, conv)->group))
		return false;
	x.place = at->place[r];
	y.place = at->place[w];
	return node_share_bytes(&x, &y);
}

bool
reads_may_wait(Arena *a, const Graph *g, uint32_t before, Val conv)
{
	uint32_t *place = NEWN(a, uint32_t, g->node.n);         /* in the order */
	bool *behind = NEWN(a, bool, g->node.n), *seen = NEWN(a, bool, g->node.n);
	Storage at;
	Val bad;

	if (!storage_find(a, g, &at, &bad))
		return false;
	behind[conv] = true;
	for (size_t i = 0; i < g->order.n; i++) {
		const Node *n = graph_node(g, g->order.p[i]);

		place[g->order.p[i]] = (uint32_t)i;
		for (int k = 0; k < n->narg; k++)
			behind[g->order.p[i]] |= behind[n->arg[k]];
	}
	for (size_t i = 0; i < g->order.n; i++) {
		const Node *n = graph_node(g, g->order.p[i]);

		for (int k = 0; n->group == before && k < n->narg; k++) {
			Val r = n->arg[k];

			if (seen[r] || graph_node(g, r)->group == before)
				continue;
			seen[r] = true;
			for (size_t j = 0; j < g->order.n; j++)
				if (is_made_over(g, &at, place, behind, conv, r, g->order.p[j]))
					return false;
		}
	}
	return true;
}

bool
may_lie_under(Arena *a, const Graph *g, const Users *u, Val c, int k, int64_t from, int64_t size,
              Val m, Val except)
{
	const Node *n = graph_node(g, c);
	int64_t axis = attr_int(n, A_axis, 0), at = 0;

	if (from < 0 || from + size > n->type.dim[axis])
		return false;
	for (int i = 0; i < n->narg; i++) {
		int64_t end = at + graph_node(g, n->arg[i])->type.dim[axis];

		if (i != k && at < from + size && from < end && !read_before(a, g, u, m, except, n->arg[i]))
			return false;
		at = end;
	}
	return true;
}
