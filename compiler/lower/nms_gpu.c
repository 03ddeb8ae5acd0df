/* nms_gpu.c -- nms.c's op on GPUs, in three launches.
 *
 *     clear     count[n] = 0
 *     collect   a thread an anchor (or anchor and class): candidates go to the next free slot
 *     select    a block a picture: sort, then suppress
 *
 * Slots are taken in any order, so the sort compares (score falling, number rising), which is
 * the order that nms.c's stable sort gives: the result does not depend on timing.  It is a
 * bitonic network, in shared memory if the candidates fit, else in the workspace.
 *
 * Suppression takes the sorted candidates in runs of as many as there are threads: each thread first holds its
 * candidate against all boxes kept so far; then the run is walked in order, and each
 * candidate that is still alive is kept and held against those behind it.  One barrier
 * a kept box, at most `limit` in all.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower/nms.h"

enum { THREADS = 1024 };

/* candidates that are sorted in shared memory: 8 bytes each, beside 64 KiB at most for all else */
static int64_t
shared_sort(const Target *t, int64_t room)
{
	int64_t n = 1024;

	while (2 * n * 8 + (64 << 10) <= t->shared_block && n < room)
		n *= 2;
	return n;
}

typedef struct NmsGpu {
	Gen *z;
	KBuild *b;
	const Node *n;
	int64_t pictures, anchors, classes, most, room;        /* room: most, rounded up to a power of two */
	uint32_t score, index, count;
	Reg pic;
} NmsGpu;

static int64_t
power_of_two(int64_t n)
{
	int64_t p = 1;

	while (p < n)
		p *= 2;
	return p;
}

static NmsGpu
nms_of(const Graph *g, const Group *gr)
{
	const Node *n = graph_node(g, gr->root), *s = graph_node(g, n->arg[1]);
	NmsGpu m = { .n = n, .pictures = s->type.dim[0], .anchors = s->type.dim[1], .classes = s->type.dim[2] };

	m.most = m.anchors * (attr_int(n, A_multi_label, 0) ? m.classes : 1);
	m.room = power_of_two(m.most);
	return m;
}

/* where the parts of the workspace begin: scores, numbers, counts */
static int64_t
part(const NmsGpu *m, int i)
{
	return ceil_div(m->pictures * m->room * 4, 64) * 64 * i;
}

int64_t
nms_gpu_work(const Graph *g, const Group *gr)
{
	NmsGpu m = nms_of(g, gr);

	return part(&m, 2) + ceil_div(m.pictures * 4, 64) * 64;
}

static void
workspace(NmsGpu *m, bool out)
{
	m->score = gen_work(m->z, "score", DT_F32, m->pictures * m->room, part(m, 0), out);
	m->index = gen_work(m->z, "index", DT_I32, m->pictures * m->room, part(m, 1), out);
	m->count = gen_work(m->z, "count", DT_I32, m->pictures, part(m, 2), out);
}

static Reg
element(NmsGpu *m, int arg, Reg i, Reg j, Reg k)
{
	return gen_element(m->z, m->n->arg[arg], i, j, k);
}

static void
clear(LowerCtx *cx, uint32_t group, NmsGpu m, LoweredList *out)
{
	Gen gen;
	Reg task[3];

	gen_begin(&gen, cx, group, "nms_clear");
	m.z = &gen;
	m.b = gen.b;
	m.count = gen_work(&gen, "count", DT_I32, m.pictures, part(&m, 2), true);
	gen_tasks(&gen, m.pictures, 1, 1, task);
	k_store(m.b, m.count, task[0], k_int(m.b, KS_I32, 0));
	gen_end(&gen, out);
}

static void
collect(LowerCtx *cx, uint32_t group, NmsGpu m, LoweredList *out)
{
	bool multi = attr_int(m.n, A_multi_label, 0) != 0;
	Gen gen;
	KBuild *b;
	KType f = kt(KS_F32, 1);
	Reg task[3], best, which, c, s, conf, zero, slot;

	gen_begin(&gen, cx, group, arena_printf(cx->a, "nms_collect_%" PRId64 "x%" PRId64, m.anchors, m.classes));
	m.z = &gen;
	m.b = b = gen.b;
	for (int i = 1; i < 5; i += i == 2 ? 2 : 1)     /* scores, conf, keep */
		gen_buf(&gen, m.n->arg[i]);
	workspace(&m, true);
	gen_tasks(&gen, multi ? m.classes : 1, m.anchors, m.pictures, task);
	zero = k_ix(b, 0);
	conf = k_cast(b, KS_F32, element(&m, 2, zero, zero, zero));
	if (multi) {
		which = task[0];
		best = k_cast(b, KS_F32, element(&m, 1, task[2], task[1], which));
	} else {
		best = k_var(b, f);
		which = k_var(b, kt(KS_IX, 1));
		k_mov_to(b, best, k_real(b, f, -3.4e38));
		k_mov_to(b, which, zero);
		c = k_for(b, zero, k_ix(b, m.classes), 1);
		s = k_cast(b, KS_F32, element(&m, 1, task[2], task[1], c));
		k_if(b, k_op(b, K_lt, best, s, 0));
		k_mov_to(b, best, s);
		k_mov_to(b, which, c);
		k_close(b);
		k_close(b);
	}
	k_if(b, k_op(b, K_lt, conf, best, 0));
	k_if(b, element(&m, 4, which, zero, zero));
	slot = k_cast(b, KS_IX, k_atomic_fetch_add(b, m.count, task[2], k_int(b, KS_I32, 1)));
	slot = k_add(b, slot, k_muli(b, task[2], m.room));
	k_store(b, m.score, slot, best);
	k_store(b, m.index, slot, k_cast(b, KS_I32, k_add(b, k_muli(b, task[1], m.classes), which)));
	k_close(b);
	k_close(b);
	gen_end(&gen, out);
}

/* Bitonic sort of `size` (a power of two, in a register) elements from `base` on: score falling, then
 * number rising. */
static void
sort(KBuild *b, uint32_t score, uint32_t index, Reg base, Reg size, Reg tid)
{
	KType ix = kt(KS_IX, 1);
	Reg k = k_var(b, ix), j = k_var(b, ix), i, other, x[2], n[2], before, up;

	k_mov_to(b, k, k_ix(b, 2));
	k_loop(b);
	k_break_if(b, k_op(b, K_lt, size, k, 0));
	k_mov_to(b, j, k_op(b, K_shr, k, k_ix(b, 1), 0));
	k_loop(b);
	k_break_if(b, k_op(b, K_le, j, k_ix(b, 0), 0));
	k_sync(b, K_barrier, 0);
	i = k_for(b, tid, size, THREADS);
	other = k_op(b, K_xor, i, j, 0);
	k_if(b, k_op(b, K_lt, i, other, 0));
	for (int h = 0; h < 2; h++) {
		Reg at = k_add(b, base, h ? other : i);

		x[h] = k_load(b, score, at, 1);
		n[h] = k_load(b, index, at, 1);
	}
	/* does the second belong before the first? */
	before = k_op(b, K_or, k_op(b, K_lt, x[0], x[1], 0),
	              k_op(b, K_and, k_op(b, K_eq, x[0], x[1], 0), k_op(b, K_lt, n[1], n[0], 0), 0), 0);
	up = k_op(b, K_eq, k_op(b, K_and, i, k, 0), k_ix(b, 0), 0);
	k_if(b, k_op(b, K_eq, before, up, 0));
	for (int h = 0; h < 2; h++) {
		Reg at = k_add(b, base, h ? other : i);

		k_store(b, score, at, x[!h]);
		k_store(b, index, at, n[!h]);
	}
	k_close(b);
	k_close(b);
	k_close(b);
	k_mov_to(b, j, k_op(b, K_shr, j, k_ix(b, 1), 0));
	k_close(b);
	k_mov_to(b, k, k_muli(b, k, 2));
	k_close(b);
	k_sync(b, K_barrier, 0);
}

/* IoU of two boxes with areas, > threshold (f64)? */
static Reg
covers(KBuild *b, const Reg x[5], const Reg y[5], Reg iou)
{
	KType f = kt(KS_F32, 1);
	Reg w = k_sub(b, k_op(b, K_min, x[2], y[2], 0), k_op(b, K_max, x[0], y[0], 0));
	Reg h = k_sub(b, k_op(b, K_min, x[3], y[3], 0), k_op(b, K_max, x[1], y[1], 0));
	Reg inter = k_mul(b, k_op(b, K_max, w, k_real(b, f, 0), 0), k_op(b, K_max, h, k_real(b, f, 0), 0));
	Reg q = k_op(b, K_div, inter, k_sub(b, k_add(b, x[4], y[4]), inter), 0);

	return k_op(b, K_lt, iou, k_cast(b, KS_F64, q), 0);
}

static void
load_box(KBuild *b, uint32_t buf, Reg at, Reg box[5])
{
	for (int d = 0; d < 5; d++)
		box[d] = k_load(b, buf, k_addi(b, k_muli(b, at, 5), d), 1);
}

static void
select_boxes(LowerCtx *cx, uint32_t group, NmsGpu m, LoweredList *out)
{
	Gen gen, *z = &gen;
	KBuild *b;
	KType ix = kt(KS_IX, 1), f = kt(KS_F32, 1), i1 = kt(KS_I1, 1);
	int64_t slots = attr_int(m.n, A_k, 300), most = shared_sort(cx->target, m.room);
	uint32_t ss, si, kept, run, alive, y;
	Reg tid, zero, count, base, size, i, limit, n, iou, agnostic, have, at, number, anchor, which, move;
	Reg box[5], other[5], lives, mine, alive_i;
	const int64_t *st = graph_node(cx->g, cx->g->group.p[group].out)->place.stride;

	gen_begin(z, cx, group, arena_printf(cx->a, "nms_select_%" PRId64, m.most));
	m.z = z;
	m.b = b = z->b;
	gen_buf(z, m.n->arg[0]);
	gen_buf(z, m.n->arg[3]);
	gen_buf(z, m.n->arg[5]);
	gen_buf(z, m.n->arg[6]);
	y = gen_buf(z, z->gr->out);
	workspace(&m, true);
	ss = k_buffer(b, "ss", KSPACE_SHARED, DT_F32, most);
	si = k_buffer(b, "si", KSPACE_SHARED, DT_I32, most);
	kept = k_buffer(b, "kept", KSPACE_SHARED, DT_F32, slots * 5);
	run = k_buffer(b, "run", KSPACE_SHARED, DT_F32, THREADS * 5);
	alive = k_buffer(b, "alive", KSPACE_SHARED, DT_I32, THREADS);
	k_threads(b, THREADS, 1, 1);
	k_grid(b, m.pictures, 1, 1);
	tid = k_axis(b, KAXIS_THREAD_X);
	m.pic = k_axis(b, KAXIS_BLOCK_X);
	zero = k_ix(b, 0);
	base = k_muli(b, m.pic, m.room);
	count = k_cast(b, KS_IX, k_load(b, m.count, m.pic, 1));
	size = k_var(b, ix);
	k_mov_to(b, size, k_ix(b, 1));
	k_loop(b);
	k_break_if(b, k_op(b, K_le, count, size, 0));
	k_mov_to(b, size, k_muli(b, size, 2));
	k_close(b);

	/* sorted candidates end up in the workspace either way */
	k_if(b, k_op(b, K_le, size, k_ix(b, most), 0));
	i = k_for(b, tid, size, THREADS);
	Reg there = k_op(b, K_lt, i, count, 0);

	k_store(b, ss, i, k_select(b, there, k_load_if(b, m.score, k_add(b, base, i), 1, there), k_real(b, f, -3.4e38)));
	k_store(b, si, i, k_select(b, there, k_load_if(b, m.index, k_add(b, base, i), 1, there), k_int(b, KS_I32, 0x7fffffff)));
	k_close(b);
	sort(b, ss, si, zero, size, tid);
	i = k_for(b, tid, count, THREADS);
	k_store(b, m.index, k_add(b, base, i), k_load(b, si, i, 1));
	k_close(b);
	k_else(b);
	i = k_for(b, k_add(b, count, tid), size, THREADS);
	k_store(b, m.score, k_add(b, base, i), k_real(b, f, -3.4e38));
	k_store(b, m.index, k_add(b, base, i), k_int(b, KS_I32, 0x7fffffff));
	k_close(b);
	sort(b, m.score, m.index, base, size, tid);
	k_close(b);
	k_sync(b, K_barrier, 0);

	iou = element(&m, 3, zero, zero, zero);
	agnostic = k_op(b, K_ne, element(&m, 5, zero, zero, zero), k_int(b, KS_I32, 0), 0);
	limit = k_cast(b, KS_IX, element(&m, 6, zero, zero, zero));
	limit = k_op(b, K_max, zero, k_op(b, K_min, limit, k_ix(b, slots), 0), 0);
	n = k_op(b, K_min, count, k_ix(b, attr_int(m.n, A_max_nms, 30000)), 0);
	have = k_var(b, ix);
	at = k_var(b, ix);
	k_mov_to(b, have, zero);
	k_mov_to(b, at, zero);
	k_loop(b);      /* runs of candidates */
	k_break_if(b, k_op(b, K_or, k_op(b, K_le, n, at, 0), k_op(b, K_le, limit, have, 0), 0));
	mine = k_add(b, at, tid);
	lives = k_var(b, i1);
	k_mov_to(b, lives, k_op(b, K_lt, mine, n, 0));
	number = k_load_if(b, m.index, k_add(b, base, mine), 1, lives);
	anchor = k_op(b, K_div, k_cast(b, KS_IX, number), k_ix(b, m.classes), 0);
	which = k_sub(b, k_cast(b, KS_IX, number), k_muli(b, anchor, m.classes));
	move = k_mul(b, k_cast(b, KS_F32, which), k_real(b, f, attr_real(m.n, A_offset, 7680)));
	move = k_select(b, agnostic, k_real(b, f, 0), move);
	for (int d = 0; d < 4; d++)
		box[d] = k_add(b, k_cast(b, KS_F32, element(&m, 0, m.pic, anchor, k_ix(b, d))), move);
	box[4] = k_mul(b, k_sub(b, box[2], box[0]), k_sub(b, box[3], box[1]));
	for (int d = 0; d < 5; d++)
		k_store(b, run, k_addi(b, k_muli(b, tid, 5), d), box[d]);
	i = k_for(b, zero, have, 1);
	load_box(b, kept, i, other);
	k_mov_to(b, lives, k_op(b, K_and, lives, k_op(b, K_xor, covers(b, box, other, iou), k_int(b, KS_I1, 1), 0), 0));
	k_close(b);
	k_store(b, alive, tid, k_cast(b, KS_I32, lives));
	k_sync(b, K_barrier, 0);
	i = k_var(b, ix);
	k_mov_to(b, i, zero);
	k_loop(b);      /* the run, in order */
	k_break_if(b, k_op(b, K_or, k_op(b, K_le, k_ix(b, THREADS), i, 0), k_op(b, K_le, limit, have, 0), 0));
	alive_i = k_op(b, K_ne, k_load(b, alive, i, 1), k_int(b, KS_I32, 0), 0);
	k_if(b, alive_i);
	load_box(b, run, i, other);
	/* the thread whose candidate it is writes it down; those behind it hold theirs against it */
	k_if(b, k_op(b, K_eq, tid, i, 0));
	for (int d = 0; d < 5; d++)
		k_store(b, kept, k_addi(b, k_muli(b, have, 5), d), box[d]);
	k_store(b, y, k_add(b, k_muli(b, m.pic, st[0]), k_muli(b, have, st[1])), number);
	k_close(b);
	k_if(b, k_op(b, K_and, k_op(b, K_lt, i, tid, 0), k_op(b, K_and, lives, covers(b, other, box, iou), 0), 0));
	k_mov_to(b, lives, k_int(b, KS_I1, 0));
	k_store(b, alive, tid, k_int(b, KS_I32, 0));
	k_close(b);
	k_mov_to(b, have, k_addi(b, have, 1));
	k_sync(b, K_barrier, 0);
	k_close(b);
	k_mov_to(b, i, k_addi(b, i, 1));
	k_close(b);
	k_sync(b, K_barrier, 0);
	k_mov_to(b, at, k_addi(b, at, THREADS));
	k_close(b);
	i = k_for(b, k_add(b, have, tid), k_ix(b, slots), THREADS);
	k_store(b, y, k_add(b, k_muli(b, m.pic, st[0]), k_muli(b, i, st[1])), k_int(b, KS_I32, -1));
	k_close(b);
	gen_end(z, out);
}

bool
lower_nms_gpu(LowerCtx *cx, uint32_t group, LoweredList *out)
{
	NmsGpu m = nms_of(cx->g, &cx->g->group.p[group]);

	clear(cx, group, m, out);
	collect(cx, group, m, out);
	select_boxes(cx, group, m, out);
	return true;
}
