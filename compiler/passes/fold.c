/* fold.c -- what depends on constants alone is computed now.
 *
 *     %2 = param {…}
 *     %3 = sqrt %2           =>    %4 = const {…}
 *     %4 = add %3, %1c
 *
 * Parameters count as constants once values are bound to them.  Before that (a plan or an
 * explanation without weights) the result is a constant whose values are not known: shapes,
 * and with them kernels and plan, come out as they will with weights.
 *
 * Only the last node of a constant expression is kept, so that the steps on the way to
 * folded weights do not stay in memory.  A result much larger than what it is made from,
 * such as a broadcast, is left to be computed where it is used.
 *
 * needs: order.   breaks: users.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "passes/build.h"

enum {
	SMALL = 1 << 20,        /* bytes that a constant may take, whatever it is made from */
	COUNTED = 1 << 26,      /* … if it is an iota: kernels make larger ones as they go */
	DEEP = 200,             /* steps of one expression; a longer one is folded in pieces */
};

typedef struct Fold {
	Graph *g;
	size_t count;           /* of nodes, at first */
	bool *constant;         /* by value: sources of constants, and what can be folded */
	bool *bound;            /* every parameter under it has values */
	int *depth;
	Tensor **known;         /* by value, while one expression is evaluated */
	Arena *tmp;             /* for it */
	const char *err;
} Fold;

/* Can v be computed now, given which of its arguments can? */
static void
look_at(Fold *f, Val v)
{
	const Node *n = graph_node(f->g, v);
	int64_t in = 0, out = type_bytes(&n->type);
	int depth = 0;

	f->constant[v] = is_constant(n);
	f->bound[v] = !is_constant(n) || n->data;
	if (op_info[n->op].effect != EFFECT_PURE || out < 0)
		return;
	for (int i = 0; i < n->narg; i++) {
		Val x = n->arg[i];

		if (!f->constant[x])
			return;
		f->bound[v] &= f->bound[x];
		depth = MAX(depth, f->depth[x] + 1);
		in += type_bytes(&graph_node(f->g, x)->type);
	}
	f->depth[v] = depth;
	f->constant[v] = depth <= DEEP && out <= (n->op == OP_iota ? COUNTED : MAX(2 * in, SMALL));
}

static Tensor *
evaluate(Fold *f, Val v)
{
	const Node *n = graph_node(f->g, v);

	if (f->known[v])
		return f->known[v];

	Tensor *t = NEW(f->tmp, Tensor);
	const Tensor **arg = NEWN(f->tmp, const Tensor *, (size_t)n->narg + 1);

	t->type = n->type;
	t->data = (void *)n->data;
	for (int i = 0; i < n->narg; i++)
		if (!(arg[i] = evaluate(f, n->arg[i])))
			return NULL;
	if (!is_constant(n) && !eval_node(f->tmp, f->g, v, arg, t, &f->err))
		return NULL;
	return f->known[v] = t;
}

static void
forget(Fold *f, Val v)
{
	const Node *n = graph_node(f->g, v);

	if (!f->known[v])
		return;
	f->known[v] = NULL;
	for (int i = 0; i < n->narg; i++)
		forget(f, n->arg[i]);
}

/* The constant that stands for v from now on.  0: the evaluator refused. */
static Val
fold_value(Fold *f, Val v)
{
	Type type = graph_node(f->g, v)->type;
	Val c = 0;

	f->tmp = arena_new();
	if (!f->bound[v]) {
		c = graph_add(f->g, OP_const, type, NULL, 0);
	} else {
		Tensor *t = evaluate(f, v);

		if (t) {
			c = graph_const(f->g, type, t->data);
			forget(f, v);
		} else {
			memset(f->known, 0, f->count * sizeof *f->known);
		}
	}
	arena_free(f->tmp);
	if (c) {
		Node *n = graph_node(f->g, c), *old = graph_node(f->g, v);

		n->name = old->name;
		n->span = old->span;
		n->chain = old->chain;
	}
	return c;
}

bool
pass_fold(Graph *g, PassCtx *cx)
{
	Arena *a = arena_new();
	size_t count = g->node.n, folded = 0;
	Fold f = {
		.g = g, .count = count, .constant = NEWN(a, bool, count), .bound = NEWN(a, bool, count),
		.depth = NEWN(a, int, count), .known = NEWN(a, Tensor *, count),
	};
	bool *wanted = NEWN(a, bool, count);    /* read by what stays: the last of its expression */

	graph_foreach(g, v)
		look_at(&f, v);
	graph_foreach(g, v)
		for (int i = 0; i < graph_node(g, v)->narg && !f.constant[v]; i++)
			wanted[graph_node(g, v)->arg[i]] = true;
	for (size_t i = 0; i < g->output.n; i++)
		wanted[g->output.p[i].v] = true;

	graph_foreach(g, v) {
		if (!f.constant[v] || !wanted[v] || is_constant(graph_node(g, v)))
			continue;

		Val c = fold_value(&f, v);

		if (!c) {
			pass_log(cx, "%%%u is left: %s", v, f.err);
			continue;
		}
		pass_log(cx, "%%%u becomes constant %%%u", v, c);
		take_over(g, v, c);
		folded++;
	}
	arena_free(a);
	return folded > 0;
}
