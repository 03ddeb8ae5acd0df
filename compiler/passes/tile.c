/* tile.c -- tile numbers and workspace of every group; weights as kernels want them.
 *
 *     %5 = conv2d %1, %w            %w : f32[20,16,3,3]
 *  =>
 *     %5 = conv2d %1, %p {pack=8}   %p : f32[3,3,3,16,8]    [block][row][column][in][out in block]
 *
 * The choice is lower's, which hands it in as PassCtx.choose; here it is written down.
 * A kernel keeps `pack` output channels in vector registers, so their weights for one
 * (row, column, input channel) must lie side by side.  The last block is filled with
 * zeros, which costs nothing: those lanes are computed and not stored.
 *
 * Weights whose values are not known stay so: the packed constant has a type only.
 *
 * needs: groups, layout nhwc, constants folded.   breaks: nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "passes/build.h"

static Type
packed_type(const Type *w, int64_t pack)
{
	int64_t dim[] = { (w->dim[0] + pack - 1) / pack, w->dim[2], w->dim[3], w->dim[1], pack };

	return type_of(w->dt, 5, dim);
}

/* [O,C,R,S] -> [O/pack,R,S,C,pack], written in order: a block reads its few channels again
 * and again, which fit the cache.  Networks have tens of millions of these. */
#define PACK(T)                                                                         \
	static void                                                                     \
	pack_##T(const Type *w, int64_t pack, T *out, const T *in)                      \
	{                                                                               \
		int64_t c = w->dim[1], rs = w->dim[2] * w->dim[3];                      \
                                                                                        \
		for (int64_t o = 0; o < w->dim[0]; o += pack)                           \
			for (int64_t k = 0; k < rs; k++)                                \
				for (int64_t i = 0; i < c; i++)                         \
					for (int64_t l = 0; l < pack; l++)              \
						*out++ = o + l < w->dim[0] ?            \
							in[((o + l) * c + i) * rs + k] : 0; \
	}
PACK(uint16_t)
PACK(uint32_t)

/* NULL: no kernel has weights of that type */
static void *
packed_data(Arena *a, const Type *w, const Type *to, const void *data)
{
	void *out = arena_alloc(a, (size_t)type_bytes(to) + 1);

	switch (dtype_info[w->dt].bytes) {
	case 2:
		pack_uint16_t(w, to->dim[4], out, data);
		return out;
	case 4:
		pack_uint32_t(w, to->dim[4], out, data);
		return out;
	default:
		return NULL;
	}
}

/* A weight's packed form; made once for convolutions that share it. */
static Val
pack_weights(Graph *g, Val w, int64_t pack, Map *made)
{
	Type t = graph_node(g, w)->type, to = packed_type(&t, pack);
	char key[48];

	snprintf(key, sizeof key, "%u/%lld", w, (long long)pack);
	if (map_has(made, key))
		return (Val)(uintptr_t)map_get(made, key);

	const void *data = graph_node(g, w)->data;
	Val p = graph_add(g, OP_const, to, NULL, 0);
	Node *n = graph_node(g, p);

	n->name = graph_node(g, w)->name;
	n->span = graph_node(g, w)->span;
	n->chain = graph_node(g, w)->chain;
	n->data = data ? packed_data(g->a, &t, &to, data) : NULL;
	map_set(made, key, (void *)(uintptr_t)p);
	return p;
}

static bool
pack_conv(Graph *g, PassCtx *cx, Val conv, int pack, Map *made)
{
	Val w = graph_node(g, conv)->arg[1];

	if (!is_constant(graph_node(g, w))) {
		pass_fail(cx, "%%%u: weights that are computed in each run cannot be packed", conv);
		return false;
	}
	/* without a bias the number of channels would be lost in the padding */
	if (graph_node(g, conv)->narg == 2 && graph_node(g, w)->type.dim[0] % pack) {
		Type t = type_of(DT_F32, 1, graph_node(g, w)->type.dim);
		Val arg[3] = { graph_node(g, conv)->arg[0], w };

		arg[2] = graph_const(g, t, arena_alloc(g->a, (size_t)type_bytes(&t)));
		graph_node(g, conv)->arg = arena_dup(g->a, arg, sizeof arg);
		graph_node(g, conv)->narg = 3;
	}
	w = pack_weights(g, w, pack, made);
	graph_node(g, conv)->arg[1] = w;
	attr_set(g, conv, attr_of_int(A_pack, pack));
	return true;
}

/* … of the root, and of the other convolutions of a chain or pair. */
static bool
pack_group(Graph *g, PassCtx *cx, uint32_t id, int pack, Map *made)
{
	const Group *gr = &g->group.p[id];

	for (size_t i = 0; i < g->order.n; i++) {
		Val v = g->order.p[i];
		const Node *n = graph_node(g, v);

		if (n->op == OP_conv2d && n->group == id && (v == gr->root || gr->family == FAM_chain || gr->family == FAM_pair) &&
		    !attr_find(n, A_pack) && !pack_conv(g, cx, v, pack, made))
			return false;
	}
	return true;
}

bool
pass_tile(Graph *g, PassCtx *cx)
{
	Arena *tmp = arena_new();
	Map *made = map_new(tmp);

	if (!cx->choose) {
		arena_free(tmp);
		return false;
	}
	for (size_t i = 1; i < g->group.n; i++) {
		Group *gr = &g->group.p[i];
		int pack = 0;

		if (gr->family == FAM_none)
			continue;
		cx->choose(g->a, g, cx->target, gr, &pack);
		if (pack > 0 && graph_node(g, gr->root)->op == OP_attention)
			list_attention_tiles(g, cx, gr->root, gr->tile[1], pack);
		if (pack > 0 && !pack_group(g, cx, (uint32_t)i, pack, made))
			break;
	}
	arena_free(tmp);
	return g->group.n > 1;
}
