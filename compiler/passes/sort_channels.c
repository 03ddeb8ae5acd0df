/* sort_channels.c -- channels are made in the order in which they are read.
 *
 *     %4 = conv2d %1, w             rows of w: q0 k0 v0 q1 k1 v1 …
 *     %5 = reshape %4 {[N,heads,3d,H,W]}
 *     %6 = reshape (slice %5 ..d)         all of q, gathered from each head
 *     %7 = reshape (slice %5 d..2d)       all of k
 *  =>
 *     %8 = conv2d %1, w'            rows of w': q0 q1 … k0 k1 … v0 v1 …
 *     %6 = slice %8 0..C
 *     %7 = slice %8 C..2C
 *
 * The first release of YOLOv12 keeps query, key and value of a head side by side, so that
 * each of them would have to be gathered by a kernel of its own before attention can read
 * it.  Sorting the rows of the weights, once and at compile time, makes them plain views.
 *
 * Only if everything that reads the convolution reads it so, and all channels are read.
 *
 * needs: order, channels first.   breaks: users.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "passes/storage.h"

enum { PARTS = 8 };

/* Channels as [heads][each]; parts are ranges of `each`, disjoint and in order. */
typedef struct Split {
	int64_t heads, each;
	int64_t begin[PARTS], end[PARTS];
	int parts;
	Val gathered[4 * PARTS];        /* the last reshapes … */
	int part_of[4 * PARTS];         /* … and what they gather */
	int count;
} Split;

/* [N,C,H,W] -> [N,heads,each,H,W] */
static bool
splits(const Graph *g, Val v, Split *s)
{
	const Type *t = &graph_node(g, v)->type, *x = &graph_node(g, graph_node(g, v)->arg[0])->type;

	if (graph_node(g, v)->op != OP_reshape || x->rank != 4 || t->rank != 5 || t->dim[0] != x->dim[0] ||
	    t->dim[3] != x->dim[2] || t->dim[4] != x->dim[3] || (s->count && t->dim[1] != s->heads))
		return false;
	s->heads = t->dim[1];
	s->each = t->dim[2];
	return true;
}

/* The number of the part begin .. end; -1: it overlaps another, or they are too many. */
static int
part_number(Split *s, int64_t begin, int64_t end)
{
	int at = 0;

	for (int i = 0; i < s->parts; i++) {
		if (s->begin[i] == begin && s->end[i] == end)
			return i;
		if (begin < s->end[i] && s->begin[i] < end)
			return -1;
	}
	if (s->parts == PARTS || begin >= end)
		return -1;
	while (at < s->parts && s->begin[at] < begin)
		at++;
	for (int i = s->parts; i > at; i--) {
		s->begin[i] = s->begin[i - 1];
		s->end[i] = s->end[i - 1];
	}
	for (int i = 0; i < s->count; i++)
		s->part_of[i] += s->part_of[i] >= at;
	s->begin[at] = begin;
	s->end[at] = end;
	s->parts++;
	return at;
}

/* One reshape of the convolution: each reader slices it, and gathers the slice again. */
static bool
look_at_reader(const Graph *g, const Users *u, Val v, Split *s)
{
	if (!splits(g, v, s) || u->outputs[v])
		return false;
	for (uint32_t i = u->first[v]; i < u->first[v + 1]; i++) {
		Val cut = u->node[i];
		const Node *n = graph_node(g, cut);
		int part;

		if (n->op != OP_slice || attr_int(n, A_axis, 0) != 2 || attr_int(n, A_step, 1) != 1 || u->outputs[cut] ||
		    (part = part_number(s, attr_int(n, A_begin, 0), attr_int(n, A_end, s->each))) < 0)
			return false;
		for (uint32_t k = u->first[cut]; k < u->first[cut + 1]; k++) {
			const Node *r = graph_node(g, u->node[k]);

			if (r->op != OP_reshape || r->type.rank != 4 || r->type.dim[0] != n->type.dim[0] ||
			    r->type.dim[2] != n->type.dim[3] || r->type.dim[3] != n->type.dim[4] ||
			    s->count == (int)COUNT(s->gathered))
				return false;
			s->part_of[s->count] = part;
			s->gathered[s->count++] = u->node[k];
		}
	}
	return true;
}

static bool
is_gathered(const Graph *g, const Users *u, Val conv, Split *s)
{
	const Node *n = graph_node(g, conv);
	int64_t read = 0;

	*s = (Split){ 0 };
	if (n->op != OP_conv2d || node_nhwc(n) || attr_find(n, A_pack) || attr_int(n, A_groups, 1) != 1 ||
	    u->outputs[conv])
		return false;
	for (uint32_t i = u->first[conv]; i < u->first[conv + 1]; i++)
		if (!look_at_reader(g, u, u->node[i], s))
			return false;
	for (int i = 0; i < s->parts; i++)
		read += s->end[i] - s->begin[i];
	return s->parts > 1 && s->heads > 1 && read == s->each;
}

/* x[heads * each, ..] with its rows part by part. */
static Val
sort_rows(Graph *g, Val x, const Split *s)
{
	Type t = graph_node(g, x)->type;
	int64_t split[MAX_RANK] = { s->heads, s->each }, whole[MAX_RANK];
	Val part[PARTS], heads;

	for (int d = 1; d < t.rank; d++)
		split[d + 1] = whole[d] = t.dim[d];
	heads = build_reshape(g, x, x, t.rank + 1, split);
	for (int i = 0; i < s->parts; i++) {
		whole[0] = s->heads * (s->end[i] - s->begin[i]);
		part[i] = build_reshape(g, x, build_slice(g, x, heads, 1, s->begin[i], s->end[i], 1), t.rank, whole);
	}
	return build_concat(g, x, part, s->parts, 0);
}

static bool
sort_conv(Graph *g, Val conv, const Split *s)
{
	Node n = *graph_node(g, conv);
	Val arg[3] = { n.arg[0] }, made;

	for (int i = 1; i < n.narg; i++)
		arg[i] = sort_rows(g, n.arg[i], s);
	made = build(g, conv, OP_conv2d, arg, n.narg, n.attr, n.nattr);
	if (!made)
		return false;
	graph_node(g, made)->name = n.name;
	for (int i = 0; i < s->count; i++) {
		int k = s->part_of[i];

		graph_replace(g, s->gathered[i], build_slice(g, s->gathered[i], made, 1, s->heads * s->begin[k],
		                                             s->heads * s->end[k], 1));
	}
	return true;
}

bool
pass_sort_channels(Graph *g, PassCtx *cx)
{
	Arena *tmp = arena_new();
	bool changed = false;
	Users users;
	Split s;

	users_find(tmp, g, &users);
	graph_foreach(g, v)
		if (is_gathered(g, &users, v, &s) && sort_conv(g, v, &s)) {
			pass_log(cx, "%%%u makes its channels in %d parts instead of %lld heads", v, s.parts,
			         (long long)s.heads);
			changed = true;
		}
	arena_free(tmp);
	return changed;
}
