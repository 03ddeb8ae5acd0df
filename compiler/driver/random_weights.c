/* random_weights.c -- weights=random: numbers for a network that nobody trained, to measure it with.
 *
 * How fast kernels run does not depend on the values, but on how they spread it does a
 * little (numbers that overflow, or clocks that rise when all products are zero) and
 * suppression does a lot.  So values keep their size from layer to layer: weights are uniform with
 * the variance 2 / fan-in, normalisations change nothing, and the biases that stand without one,
 * those of the last convolutions, are -4, which leaves about a thousand of a frame's scores above 0.25.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "driver/inner.h"

bool
weights_are_random(const char *weights, uint64_t *seed)
{
	if (!weights || strncmp(weights, "random", 6) != 0 || (weights[6] && weights[6] != ':'))
		return false;
	*seed = weights[6] ? hash64(weights + 7, strlen(weights + 7)) : 0;
	return true;
}

static bool
ends(const char *s, const char *tail)
{
	size_t n = strlen(s), m = strlen(tail);

	return n >= m && strcmp(s + n - m, tail) == 0;
}

static void *
values(Arena *a, const char *name, const Type *t, uint64_t seed)
{
	int64_t n = type_count(t), fan = n / MAX(t->dim[0], 1);
	uint64_t key[2] = { seed ^ hash64(name, strlen(name)), 0 };
	double at = ends(name, ".running_var") || ends(name, ".weight") ? 1 : ends(name, "bias") ? -4 : 0, spread = 0;
	void *p = arena_alloc(a, (size_t)type_bytes(t) + 1);

	if (t->rank > 1)
		at = 0, spread = sqrt(6.0 / (double)MAX(fan, 1));
	else if (strstr(name, "bn."))
		at = ends(name, "bias") ? 0 : at;
	else if (ends(name, "gamma"))
		at = 0.1;
	for (; (int64_t)key[1] < n; key[1]++) {
		double x = spread ? (double)(hash64(key, sizeof key) >> 11) * 0x1p-52 - 1 : 0;

		dtype_set(t->dt, p, (size_t)key[1], at + spread * x);
	}
	return p;
}

void
weights_random(Arena *a, GraphModule *m, uint64_t seed)
{
	Map *made = map_new(a);

	for (size_t i = 0; i < m->graph.n; i++) {
		Graph *g = m->graph.p[i];

		for (Val v = 1; v < g->node.n; v++) {
			Node *n = graph_node(g, v);

			if (n->op != OP_param || n->data)
				continue;
			/* entries share their parameters */
			if (!map_has(made, n->name))
				map_set(made, n->name, values(a, n->name, &n->type, seed));
			n->data = map_get(made, n->name);
		}
	}
}
