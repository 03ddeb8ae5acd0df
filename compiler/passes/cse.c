/* cse.c -- equal work is done once.
 *
 *     %3 = sigmoid %1            %3 = sigmoid %1
 *     %4 = sigmoid %1      =>    uses of %4 become uses of %3
 *
 * Two nodes are equal if op, type, attributes and arguments are, the arguments of a
 * commutative op in any order.  Constants are equal if their bytes are, parameters if their
 * names are.  Inputs, and what writes a state, are themselves only.
 *
 * needs: order (arguments come first, so they have met already).   breaks: users.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/body.h"
#include "passes/build.h"

typedef struct Table { Val *slot; size_t size; } Table;         /* open addressing; a power of two */

static bool
commutes(OpKind op)
{
	switch (op) {
	case OP_add: case OP_mul: case OP_min: case OP_max:
	case OP_eq: case OP_ne: case OP_and: case OP_or:
		return true;
	default:
		return false;
	}
}

static Val
arg_key(const Node *n, int i)
{
	if (!commutes(n->op))
		return n->arg[i];
	return i ? MAX(n->arg[0], n->arg[1]) : MIN(n->arg[0], n->arg[1]);
}

static bool
same_attr(const Attr *a, const Attr *b)
{
	if (a->key != b->key)
		return false;
	switch (attr_info[a->key].kind) {
	case ATTR_INT:
		return a->i == b->i;
	case ATTR_REAL:
		return memcmp(&a->r, &b->r, sizeof a->r) == 0;
	case ATTR_STR:
		return !strcmp(a->s, b->s);
	case ATTR_INTS:
		return a->n == b->n && (a->n == 0 || memcmp(a->v, b->v, sizeof *a->v * (size_t)a->n) == 0);
	case ATTR_BODY:
		return body_equal(a->g, b->g);
	}
	return false;
}

static bool
may_meet(const Node *n)
{
	if (n->op == OP_const)
		return n->data != NULL;
	if (n->op == OP_param)
		return n->name != NULL;
	return op_info[n->op].effect == EFFECT_PURE;
}

static bool
equal(const Node *a, const Node *b)
{
	if (a->op != b->op || !type_eq(&a->type, &b->type) || a->narg != b->narg || a->nattr != b->nattr)
		return false;
	for (int i = 0; i < a->narg; i++)
		if (arg_key(a, i) != arg_key(b, i))
			return false;
	for (int i = 0; i < a->nattr; i++)
		if (!same_attr(&a->attr[i], &b->attr[i]))
			return false;
	if (a->op == OP_param)
		return !strcmp(a->name, b->name);
	return a->op != OP_const || memcmp(a->data, b->data, (size_t)type_bytes(&a->type)) == 0;
}

/* Attributes are left out: few nodes differ in nothing else. */
static uint64_t
hash_node(const Node *n)
{
	uint64_t key[8 + MAX_RANK] = { n->op, n->type.dt, (uint64_t)n->type.rank, (uint64_t)n->narg };
	size_t k = 4;

	for (int i = 0; i < n->type.rank; i++)
		key[k++] = (uint64_t)n->type.dim[i];
	for (int i = 0; i < MIN(n->narg, 3); i++)
		key[k++] = arg_key(n, i);
	if (n->op == OP_const)
		key[k++] = hash64(n->data, (size_t)type_bytes(&n->type));
	if (n->op == OP_param)
		key[k++] = hash64(n->name, strlen(n->name));
	return hash64(key, k * sizeof *key);
}

/* The first node equal to v; v itself if it is the first. */
static Val
first_like(const Graph *g, Table *t, Val v)
{
	size_t i = hash_node(graph_node(g, v)) & (t->size - 1);

	for (; t->slot[i]; i = (i + 1) & (t->size - 1))
		if (equal(graph_node(g, t->slot[i]), graph_node(g, v)))
			return t->slot[i];
	return t->slot[i] = v;
}

bool
pass_cse(Graph *g, PassCtx *cx)
{
	Arena *tmp = arena_new();
	Table t = { .size = 64 };
	size_t met = 0;

	while (t.size < 2 * g->node.n)
		t.size *= 2;
	t.slot = NEWN(tmp, Val, t.size);
	graph_foreach(g, v) {
		if (!may_meet(graph_node(g, v)))
			continue;

		Val first = first_like(g, &t, v);

		if (first != v) {
			pass_log(cx, "%%%u is %%%u", v, first);
			take_over(g, v, first);
			met++;
		}
	}
	arena_free(tmp);
	return met > 0;
}
