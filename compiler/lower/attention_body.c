/* attention_body.c -- emission of a body's values at one query and some keys.
 *
 * gen.c's evaluation of pointwise work serves bodies too: the inputs are given as registers
 * that it finds remembered, and coordinates never matter, as pick computes its own index.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower/attention_body.h"

void
body_begin(BodyGen *x, Gen *outer, const Node *attention)
{
	const Graph *body = attr_body(attention);
	const Node *q = graph_node(outer->g, attention->arg[0]);
	bool nhwc = node_nhwc(attention);
	Graph *g;

	memset(x, 0, sizeof *x);
	if (!body)
		return;
	x->g = g = graph_clone(outer->a, body);
	graph_order(g);
	x->needs = body_needs(outer->a, g);
	x->mask = body_result(g, "mask");
	x->score = body_result(g, "score");
	x->z = (Gen){ .cx = outer->cx, .a = outer->a, .g = g, .gr = &g->group.p[0], .b = outer->b, .low = outer->low };
	x->z.buf = NEWN(outer->a, uint32_t, g->node.n);
	x->z.memo = NEWN(outer->a, Reg, g->node.n);
	x->z.inside = body_inside(outer->a, g, q->type.dim[nhwc ? 1 : 2] * q->type.dim[nhwc ? 2 : 3],
	                          attr_int(attention, A_heads, 1));
	for (size_t k = BODY_INPUTS; k < g->input.n; k++) {
		Val v = attention->arg[3 + k - BODY_INPUTS];

		graph_node(g, g->input.p[k])->place = gen_node(outer, v)->place;
		x->z.buf[g->input.p[k]] = gen_buf(outer, v);
	}
}

void
body_know(BodyGen *x, Val v, Reg r)
{
	x->z.memo[v] = r;
	vec_push(x->z.a, &x->z.memoed, v);
}

void
body_pair(BodyGen *x, Reg s, Reg i, Reg j, Reg h)
{
	Reg in[BODY_INPUTS] = { s, i, j, h };

	gen_forget(&x->z);
	for (int k = 0; k < BODY_INPUTS; k++)
		if (in[k])
			body_know(x, x->g->input.p[k], in[k]);
}

Reg
body_value(BodyGen *x, Val v, int lanes)
{
	Coord c = { .vdim = 1, .lanes = lanes, .active = lanes };

	return gen_value(&x->z, v, &c);
}

Reg
body_score(BodyGen *x, Reg s, int lanes)
{
	Reg r = x->score ? body_value(x, x->score, lanes) : s;

	return k_type(x->z.b, r).lanes == lanes ? r : k_splat(x->z.b, lanes, r);
}

Reg
body_mask(BodyGen *x, int lanes)
{
	Reg r = x->mask ? body_value(x, x->mask, lanes) : 0;

	return !r || k_type(x->z.b, r).lanes == lanes ? r : k_splat(x->z.b, lanes, r);
}

ValList
body_border(const BodyGen *x, unsigned own, unsigned some)
{
	bool *in = NEWN(x->z.a, bool, x->g->node.n), *seen = NEWN(x->z.a, bool, x->g->node.n);
	ValList list = { 0 };

	graph_foreach(x->g, v) {
		const Node *n = graph_node(x->g, v);

		in[v] = !(x->needs[v] & ~own) && x->needs[v] & some;
		for (int i = 0; i < n->narg && !in[v]; i++)
			seen[n->arg[i]] = true;
	}
	for (size_t k = 0; k < x->g->output.n; k++)
		seen[x->g->output.p[k].v] = true;
	graph_foreach(x->g, v)
		if (in[v] && seen[v] && op_info[graph_node(x->g, v)->op].effect != EFFECT_SOURCE)
			vec_push(x->z.a, &list.v, v);
	return list;
}
