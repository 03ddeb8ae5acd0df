/* machine.h -- what a graph says, and a machine that carries out its plan.
 *
 * The machine is one arena full of rubbish.  Group by group, in the order of the schedule,
 * it reads operands through their places, has the evaluator do the work, and writes the out.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_PASS_MACHINE_H
#define Y12_PASS_MACHINE_H

#include <math.h>

#include "pass_test.h"

/* ---- meaning ------------------------------------------------------------------------------- */

static inline Tensor *
inputs_for(Arena *a, const Graph *g, uint64_t seed)
{
	Tensor *in = NEWN(a, Tensor, g->input.n);
	Random r = { seed };

	for (size_t i = 0; i < g->input.n; i++) {
		in[i].type = graph_node(g, g->input.p[i])->type;
		in[i].data = arena_alloc(a, (size_t)type_bytes(&in[i].type) + 1);
		for (int64_t k = 0; k < type_count(&in[i].type); k++)
			dtype_set(in[i].type.dt, in[i].data, (size_t)k, random_real(&r));
	}
	return in;
}

static inline Tensor *
evaluate(Arena *a, const Graph *g, const Tensor *in)
{
	Tensor *out = NEWN(a, Tensor, g->output.n);
	const char *err;

	if (!eval_graph(a, g, in, out, NULL, NULL, &err))
		fail_msg("%s", err);
	return out;
}

/* Folding and fusing round differently, a little. */
static inline void
assert_close(const Tensor *x, const Tensor *y, uint64_t seed, const char *after)
{
	double scale = 1;

	assert_true(type_eq(&x->type, &y->type));
	for (int64_t i = 0; i < type_count(&x->type); i++)
		scale = fmax(scale, fabs(dtype_get(x->type.dt, x->data, (size_t)i)));
	for (int64_t i = 0; i < type_count(&x->type); i++) {
		double p = dtype_get(x->type.dt, x->data, (size_t)i), q = dtype_get(y->type.dt, y->data, (size_t)i);

		if (fabs(p - q) > 2e-4 * scale || isnan(p) != isnan(q))
			fail_msg("graph %llu after %s: element %lld is %g, but was %g", (unsigned long long)seed, after,
			         (long long)i, q, p);
	}
}

/* ---- carrying out a plan ----------------------------------------------------------------------- */

typedef struct Machine {
	Arena *a;
	const Graph *g;
	char *arena;
	const Tensor *in;
} Machine;

static inline char *
buffer_of(const Machine *m, Val v)
{
	const Node *n = graph_node(m->g, v);
	const Buf *b = &m->g->buf.p[n->place.buf];

	assert_true(n->place.buf > 0);
	switch (b->kind) {
	case BUF_ARENA:
		return m->arena + b->offset;
	case BUF_CONST:
		return (char *)graph_node(m->g, b->owner)->data;
	default:
		for (size_t i = 0; i < m->g->input.n; i++)
			if (m->g->input.p[i] == b->owner)
				return m->in[i].data;
	}
	return NULL;
}

/* Between the dense tensor t and v's place. */
static inline void
transfer(const Machine *m, Val v, Tensor *t, bool store)
{
	const Node *n = graph_node(m->g, v);
	size_t size = (size_t)dtype_info[n->type.dt].bytes;
	char *base = buffer_of(m, v), *dense = t->data;

	for (int64_t i = 0; i < type_count(&n->type); i++) {
		int64_t at = n->place.offset, rest = i;

		for (int d = n->type.rank - 1; d >= 0; d--) {
			at += rest % n->type.dim[d] * n->place.stride[d];
			rest /= n->type.dim[d];
		}
		if (store)
			memcpy(base + (size_t)at * size, dense + (size_t)i * size, size);
		else
			memcpy(dense + (size_t)i * size, base + (size_t)at * size, size);
	}
}

static inline void
run_group(Machine *m, uint32_t id, Tensor **reg)
{
	const Graph *g = m->g;
	const Group *gr = &g->group.p[id];
	const char *err;

	if (gr->work)
		memset(m->arena + g->buf.p[gr->work_buf].offset, 0x7f, (size_t)gr->work);
	graph_foreach(g, v) {
		const Node *n = graph_node(g, v);
		const Tensor *arg[100];

		if (n->group != id)
			continue;
		for (int i = 0; i < n->narg; i++) {
			Val x = n->arg[i];

			if (graph_node(g, x)->group != id) {
				Tensor *t = NEW(m->a, Tensor);

				t->type = graph_node(g, x)->type;
				t->data = arena_alloc(m->a, (size_t)type_bytes(&t->type) + 1);
				transfer(m, x, t, false);
				arg[i] = t;
			} else {
				arg[i] = reg[x];
			}
		}
		reg[v] = NEW(m->a, Tensor);
		reg[v]->type = n->type;
		if (!eval_node(m->a, g, v, arg, reg[v], &err))
			fail_msg("%s", err);
	}
	transfer(m, gr->out, reg[gr->out], true);
	if (gr->also)
		transfer(m, gr->also, reg[gr->also], true);
}

static inline void
assert_plan_works(Arena *a, const Graph *g, const Tensor *in, const Tensor *want, uint64_t seed)
{
	Machine m = { .a = a, .g = g, .in = in };
	Tensor **reg = NEWN(a, Tensor *, g->node.n);

	m.arena = arena_alloc(a, (size_t)g->plan.peak + 1);
	memset(m.arena, 0x7f, (size_t)g->plan.peak);
	for (size_t i = 0; i < g->sched.n; i++)
		run_group(&m, g->sched.p[i], reg);
	for (size_t i = 0; i < g->output.n; i++) {
		Tensor t = { .type = want[i].type };

		t.data = arena_alloc(a, (size_t)type_bytes(&t.type) + 1);
		transfer(&m, g->output.p[i].v, &t, false);
		if (memcmp(t.data, want[i].data, (size_t)type_bytes(&t.type)))
			fail_msg("graph %llu: output %zu differs when the plan is carried out", (unsigned long long)seed, i);
	}
}

#endif
