/* nms.c -- greedy non-maximum suppression, one task a picture (yolov12.md 3.5).
 *
 *     candidates   (score, anchor * C + class), anchor-major, score > conf, class wanted
 *     sort         merge sort, falling, stable: equal scores keep their order
 *     suppress     a candidate stays if its IoU with no box kept so far exceeds iou
 *     result       indices of the first `limit` that stay, then -1
 *
 * Boxes of different classes are moved apart by class * offset in f32, as the reference
 * does, since that rounding is part of its results.  IoU is f32, compared in f64.
 * Workspace a picture: twice the greatest number of candidates, scores and indices.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower/nms.h"

static int64_t
most_candidates(const Graph *g, const Group *gr)
{
	const Node *n = graph_node(g, gr->root), *scores = graph_node(g, n->arg[1]);

	return scores->type.dim[1] * (attr_int(n, A_multi_label, 0) ? scores->type.dim[2] : 1);
}

/* bytes of one of the two workspaces, scores and indices, for all pictures */
static int64_t
half_work(const Graph *g, const Group *gr)
{
	int64_t n = graph_node(g, gr->root)->type.dim[0];

	return ceil_div(n * 2 * most_candidates(g, gr) * 4, 64) * 64;
}

void
choose_nms(Arena *a, const Graph *g, const Target *t, Group *gr, int *pack)
{
	(void)a, (void)pack;
	gr->work = t->kind == TARGET_GPU ? nms_gpu_work(g, gr) : 2 * half_work(g, gr);
}

typedef struct Nms {
	Gen *z;
	KBuild *b;
	const Node *n;
	uint32_t score, index;          /* workspaces */
	int64_t most, classes;
	Reg base;                       /* first element of this picture's workspace */
	Reg pic;
	Reg count;                      /* var: candidates */
} Nms;

static Reg
element(Nms *m, int arg, Reg i, Reg j, Reg k)
{
	return gen_element(m->z, m->n->arg[arg], i, j, k);
}

static void
collect(Nms *m)
{
	KBuild *b = m->b;
	Reg zero = k_ix(b, 0), conf = k_cast(b, KS_F32, element(m, 2, zero, zero, zero));
	int64_t anchors = gen_node(m->z, m->n->arg[1])->type.dim[1];
	bool multi = attr_int(m->n, A_multi_label, 0) != 0;
	Reg a, c, best = 0, which = 0, s, at;

	m->count = k_var(b, kt(KS_IX, 1));
	k_mov_to(b, m->count, zero);
	a = k_for(b, zero, k_ix(b, anchors), 1);
	if (!multi) {
		best = k_var(b, kt(KS_F32, 1));
		which = k_var(b, kt(KS_IX, 1));
		k_mov_to(b, best, k_real(b, kt(KS_F32, 1), -3.4e38));
		k_mov_to(b, which, zero);
	}
	c = k_for(b, zero, k_ix(b, m->classes), 1);
	s = k_cast(b, KS_F32, element(m, 1, m->pic, a, c));
	if (multi) {
		best = s;
		which = c;
	} else {
		k_if(b, k_op(b, K_lt, best, s, 0));
		k_mov_to(b, best, s);
		k_mov_to(b, which, c);
		k_close(b);
		k_close(b);
	}
	k_if(b, k_op(b, K_lt, conf, best, 0));
	k_if(b, element(m, 4, which, zero, zero));
	at = k_add(b, m->base, m->count);
	k_store(b, m->score, at, best);
	k_store(b, m->index, at, k_cast(b, KS_I32, k_add(b, k_muli(b, a, m->classes), which)));
	k_mov_to(b, m->count, k_addi(b, m->count, 1));
	k_close(b);
	k_close(b);
	if (multi)
		k_close(b);
	k_close(b);
}

/* Merge sort, falling and stable, between the halves of the workspace.  Returns the half
 * (0 or `most`, a var) that holds the result. */
static Reg
sort(Nms *m)
{
	KBuild *b = m->b;
	KType ix = kt(KS_IX, 1);
	Reg width = k_var(b, ix), from = k_var(b, ix), lo = k_var(b, ix), i = k_var(b, ix), j = k_var(b, ix);
	Reg mid, hi, to, k, src, dst, most = k_ix(b, m->most), zero = k_ix(b, 0), take, at, x, y;

	k_mov_to(b, width, k_ix(b, 1));
	k_mov_to(b, from, zero);
	k_loop(b);
	k_break_if(b, k_op(b, K_le, m->count, width, 0));
	to = k_sub(b, most, from);
	src = k_add(b, m->base, from);
	dst = k_add(b, m->base, to);
	k_mov_to(b, lo, zero);
	k_loop(b);
	k_break_if(b, k_op(b, K_le, m->count, lo, 0));
	mid = k_op(b, K_min, k_add(b, lo, width), m->count, 0);
	hi = k_op(b, K_min, k_add(b, mid, width), m->count, 0);
	k_mov_to(b, i, lo);
	k_mov_to(b, j, mid);
	k = k_for(b, lo, hi, 1);
	/* take from the left run while it is not smaller: ties keep their order */
	x = k_load_if(b, m->score, k_add(b, src, i), 1, k_op(b, K_lt, i, mid, 0));
	y = k_load_if(b, m->score, k_add(b, src, j), 1, k_op(b, K_lt, j, hi, 0));
	take = k_op(b, K_and, k_op(b, K_lt, i, mid, 0),
	            k_op(b, K_or, k_op(b, K_le, hi, j, 0), k_op(b, K_le, y, x, 0), 0), 0);
	at = k_add(b, src, k_select(b, take, i, j));
	k_store(b, m->score, k_add(b, dst, k), k_select(b, take, x, y));
	k_store(b, m->index, k_add(b, dst, k), k_load(b, m->index, at, 1));
	k_mov_to(b, i, k_add(b, i, k_select(b, take, k_ix(b, 1), zero)));
	k_mov_to(b, j, k_add(b, j, k_select(b, take, zero, k_ix(b, 1))));
	k_close(b);
	k_mov_to(b, lo, hi);
	k_close(b);
	k_mov_to(b, from, to);
	k_mov_to(b, width, k_muli(b, width, 2));
	k_close(b);
	return from;
}

static void
suppress(Nms *m, Reg half)
{
	Gen *z = m->z;
	KBuild *b = m->b;
	KType f = kt(KS_F32, 1);
	int64_t slots = attr_int(m->n, A_k, 300);
	uint32_t kept = k_buffer(b, "kept", KSPACE_LOCAL, DT_F32, slots * 5), y = gen_buf(z, z->gr->out);
	const int64_t *st = gen_node(z, z->gr->out)->place.stride;
	Reg zero = k_ix(b, 0), out = k_muli(b, m->pic, st[0]), i, n, limit, number, which, anchor, move, area;
	Reg box[4], have = k_var(b, kt(KS_IX, 1)), stays = k_var(b, kt(KS_I1, 1)), at = k_var(b, kt(KS_IX, 1));
	Reg iou = element(m, 3, zero, zero, zero);
	Reg agnostic = k_op(b, K_ne, element(m, 5, zero, zero, zero), k_int(b, KS_I32, 0), 0);

	limit = k_cast(b, KS_IX, element(m, 6, zero, zero, zero));
	limit = k_op(b, K_max, zero, k_op(b, K_min, limit, k_ix(b, slots), 0), 0);
	n = k_op(b, K_min, m->count, k_ix(b, attr_int(m->n, A_max_nms, 30000)), 0);
	k_mov_to(b, have, zero);
	k_mov_to(b, at, zero);
	k_loop(b);
	k_break_if(b, k_op(b, K_or, k_op(b, K_le, n, at, 0), k_op(b, K_le, limit, have, 0), 0));
	number = k_load(b, m->index, k_add(b, k_add(b, m->base, half), at), 1);
	anchor = k_op(b, K_div, k_cast(b, KS_IX, number), k_ix(b, m->classes), 0);
	which = k_sub(b, k_cast(b, KS_IX, number), k_muli(b, anchor, m->classes));
	move = k_mul(b, k_cast(b, KS_F32, which), k_real(b, f, attr_real(m->n, A_offset, 7680)));
	move = k_select(b, agnostic, k_real(b, f, 0), move);
	for (int d = 0; d < 4; d++)
		box[d] = k_add(b, k_cast(b, KS_F32, element(m, 0, m->pic, anchor, k_ix(b, d))), move);
	area = k_mul(b, k_sub(b, box[2], box[0]), k_sub(b, box[3], box[1]));
	k_mov_to(b, stays, k_int(b, KS_I1, 1));
	i = k_var(b, kt(KS_IX, 1));
	k_mov_to(b, i, zero);
	k_loop(b);
	k_break_if(b, k_op(b, K_le, have, i, 0));
	{
		Reg other[5], w, h, inter, quotient;

		for (int d = 0; d < 5; d++)
			other[d] = k_load(b, kept, k_addi(b, k_muli(b, i, 5), d), 1);
		w = k_sub(b, k_op(b, K_min, box[2], other[2], 0), k_op(b, K_max, box[0], other[0], 0));
		h = k_sub(b, k_op(b, K_min, box[3], other[3], 0), k_op(b, K_max, box[1], other[1], 0));
		inter = k_mul(b, k_op(b, K_max, w, k_real(b, f, 0), 0), k_op(b, K_max, h, k_real(b, f, 0), 0));
		quotient = k_op(b, K_div, inter, k_sub(b, k_add(b, other[4], area), inter), 0);
		k_mov_to(b, stays, k_op(b, K_xor, k_int(b, KS_I1, 1),
			k_op(b, K_lt, iou, k_cast(b, KS_F64, quotient), 0), 0));
		k_break_if(b, k_op(b, K_xor, stays, k_int(b, KS_I1, 1), 0));
	}
	k_mov_to(b, i, k_addi(b, i, 1));
	k_close(b);
	k_if(b, stays);
	for (int d = 0; d < 5; d++)
		k_store(b, kept, k_addi(b, k_muli(b, have, 5), d), d < 4 ? box[d] : area);
	k_store(b, y, k_add(b, out, k_muli(b, have, st[1])), number);
	k_mov_to(b, have, k_addi(b, have, 1));
	k_close(b);
	k_mov_to(b, at, k_addi(b, at, 1));
	k_close(b);
	i = k_for(b, have, k_ix(b, slots), 1);
	k_store(b, y, k_add(b, out, k_muli(b, i, st[1])), k_int(b, KS_I32, -1));
	k_close(b);
}

bool
lower_nms(LowerCtx *cx, uint32_t group, LoweredList *out, const char **err)
{
	const Group *gr = &cx->g->group.p[group];
	const Node *n = graph_node(cx->g, gr->root);
	Gen gen, *z = &gen;
	Nms m = { .z = z, .n = n, .most = most_candidates(cx->g, gr) };
	int64_t pictures = n->type.dim[0], half = half_work(cx->g, gr);

	if (gr->out != gr->root) {
		*err = arena_printf(cx->a, "nms %%%u: no kernel with work after it", gr->root);
		return false;
	}
	if (gen_gpu(cx))
		return lower_nms_gpu(cx, group, out);
	m.classes = graph_node(cx->g, n->arg[1])->type.dim[2];
	gen_begin(z, cx, group, arena_printf(cx->a, "nms_%" PRId64 "x%" PRId64,
		graph_node(cx->g, n->arg[1])->type.dim[1], m.classes));
	m.b = z->b;
	for (int i = 0; i < n->narg; i++)
		gen_buf(z, n->arg[i]);
	gen_buf(z, gr->out);
	m.score = gen_work(z, "score", DT_F32, pictures * 2 * m.most, 0, true);
	m.index = gen_work(z, "index", DT_I32, pictures * 2 * m.most, half, true);
	k_grid(m.b, 1, 1, pictures);
	m.pic = k_axis(m.b, KAXIS_BLOCK_Z);
	m.base = k_muli(m.b, m.pic, 2 * m.most);
	collect(&m);
	suppress(&m, sort(&m));
	gen_end(z, out);
	return true;
}
