/* attention_tiles.c -- which keys the queries of an attention see, tile by tile, as a constant.
 *
 *     %9 = attention %1, %2, %3 {body=…}
 *  =>
 *     %10 = const {4, 6, 9, 12, | 0, 17, | 0, 16, 33, | …} : i32[..]
 *     %9 = attention %1, %2, %3, %10 {body=…, tiles=[10,16]}
 *
 * The mask of a body that depends on i, j, h and constants alone is enumerated by the evaluator, for as
 * many queries at a time as the kernel takes.  A tile of keys that none of them sees is left out; one that all of
 * them see needs no mask.  For a row, which is a window, a head if the mask asks for it, and a tile of
 * queries: list[row] .. list[row + 1] are the places of its entries in the same list, and an entry
 * is the first key of a tile, counted in the window, plus 1 if the mask must be looked at.
 *
 * Part of the pass tile: how many queries and keys make a tile is lower's choice.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/body.h"
#include "passes/build.h"

/* Pairs times values of the body: about a second of enumeration.  Past it every tile has its mask looked at. */
#define MOST_WORK (INT64_C(1) << 29)

typedef struct Tiles {
	Arena *tmp;
	const Graph *g;
	const Node *n;
	const Graph *body;
	Val mask;
	int64_t tokens, queries, keys;
	Tensor *capture;
	VEC(int32_t) entry;
} Tiles;

/* Marks what v is made from; false: of a capture whose values are not known. */
static bool
known(Tiles *t, Val v, bool *seen)
{
	const Node *n = graph_node(t->body, v);

	if (seen[v])
		return true;
	seen[v] = true;
	for (size_t k = BODY_INPUTS; k < t->body->input.n; k++)
		if (t->body->input.p[k] == v) {
			const Node *c = graph_node(t->g, t->n->arg[3 + k - BODY_INPUTS]);

			t->capture[k - BODY_INPUTS] = (Tensor){ c->type, (void *)(uintptr_t)c->data };
			return c->op == OP_const && c->data;
		}
	for (int i = 0; i < n->narg; i++)
		if (!known(t, n->arg[i], seen))
			return false;
	return true;
}

/* Entries for the queries from `first` (of window and head) on. */
static bool
add_row(Tiles *t, int64_t window, int64_t head, int64_t first)
{
	int64_t rows = MIN(t->queries, t->tokens - first), at = window * t->tokens;
	BodyRun r = { .i = at + first, .rows = rows, .j = at, .columns = t->tokens, .h = head,
		.capture = t->capture, .want = &t->mask, .nwant = 1 };
	Arena *a = arena_new();
	const char *err;
	Tensor m;
	bool ok = body_run(a, t->body, &r, &m, &err);

	for (int64_t j = 0; j < t->tokens && ok; j += t->keys) {
		int64_t end = MIN(j + t->keys, t->tokens), sees = 0;
		const uint8_t *p = m.data;

		for (int64_t i = 0; i < rows; i++)
			for (int64_t k = j; k < end; k++)
				sees += p[(m.type.dim[0] > 1 ? i : 0) * m.type.dim[1] + (m.type.dim[1] > 1 ? k : 0)];
		if (sees)
			vec_push(t->tmp, &t->entry, (int32_t)(j + (sees < rows * t->keys)));
	}
	arena_free(a);
	return ok;
}

void
list_attention_tiles(Graph *g, PassCtx *cx, Val v, int64_t queries, int64_t keys)
{
	Node *n = graph_node(g, v);
	const Node *q = graph_node(g, n->arg[0]);
	bool nhwc = node_nhwc(n);
	Arena *tmp = arena_new();
	Tiles t = { .tmp = tmp, .g = g, .n = n, .body = attr_body(n), .queries = queries, .keys = keys };
	int64_t windows = attr_int(n, A_windows, 1), heads = attr_int(n, A_heads, 1), pairs, rows;
	unsigned needs;

	t.tokens = q->type.dim[nhwc ? 1 : 2] * q->type.dim[nhwc ? 2 : 3] / windows;
	t.mask = t.body ? body_result(t.body, "mask") : 0;
	if (!t.mask || attr_find(n, A_tiles)) {
		arena_free(tmp);
		return;
	}
	needs = body_needs(tmp, t.body)[t.mask];
	if (!(needs >> BODY_H & 1))
		heads = 1;
	pairs = windows * heads * t.tokens * t.tokens;
	t.capture = NEWN(tmp, Tensor, (size_t)n->narg);
	for (int i = 3; i < n->narg; i++)
		t.capture[i - 3] = (Tensor){ graph_node(g, n->arg[i])->type, NULL };
	if (needs >> BODY_S & 1 || pairs > MOST_WORK / (int64_t)t.body->node.n ||
	    !known(&t, t.mask, NEWN(tmp, bool, t.body->node.n))) {
		pass_log(cx, "%%%u: its mask is looked at everywhere", v);
		arena_free(tmp);
		return;
	}
	rows = windows * heads * ((t.tokens + queries - 1) / queries);

	int32_t *first = NEWN(tmp, int32_t, (size_t)rows + 1);
	int64_t row = 0;
	bool ok = true;

	for (int64_t w = 0; w < windows; w++)
		for (int64_t h = 0; h < heads; h++)
			for (int64_t i = 0; i < t.tokens && ok; i += queries) {
				first[row++] = (int32_t)(rows + 1 + (int64_t)t.entry.n);
				ok = add_row(&t, w, h, i);
			}
	first[rows] = (int32_t)(rows + 1 + (int64_t)t.entry.n);
	if (ok) {
		int64_t count = rows + 1 + (int64_t)t.entry.n;
		int32_t *list = NEWN(tmp, int32_t, (size_t)count);
		Val *arg = NEWN(g->a, Val, (size_t)n->narg + 1), c;
		int narg = n->narg;

		memcpy(list, first, sizeof *first * (size_t)(rows + 1));
		if (t.entry.n)
			memcpy(list + rows + 1, t.entry.p, sizeof *list * t.entry.n);
		memcpy(arg, n->arg, sizeof *arg * (size_t)narg);
		c = arg[narg] = graph_const(g, type_of(DT_I32, 1, &count), list);
		n = graph_node(g, v);
		graph_node(g, c)->span = n->span;
		graph_node(g, c)->chain = n->chain;
		n->arg = arg;
		n->narg = narg + 1;
		attr_set(g, v, attr_of_ints(g->a, A_tiles, (int64_t[]){ queries, keys }, 2));
		pass_log(cx, "%%%u: %zu of %lld tiles of %lld x %lld are looked at", v, t.entry.n,
		         (long long)(rows * ((t.tokens + keys - 1) / keys)), (long long)queries, (long long)keys);
	}
	arena_free(tmp);
}
