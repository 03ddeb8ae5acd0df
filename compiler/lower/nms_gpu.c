/* nms_gpu.c -- nms.c's op on GPUs.
 *
 *     collect   single label: a few threads an anchor, which say its best score and class, or -inf;
 *               multi label: candidates go to the next free slots, one atomic a block (and clear: count[n] = 0)
 *     select    a block a picture, which takes the candidates in chunks, best first, until enough are kept:
 *
 *                   candidates, as keys ──range──▶ histogram ──▶ the best CHUNK at most ──▶ sorted ──┐
 *                       ▲                                                                             │
 *                       └────────────── fewer than `limit` kept: those behind them ◀── suppression ◀──┘
 *
 * A key is a score's bits, turned so that they fall, and behind them the candidate's number: the order is that
 * of nms.c's stable sort, no two keys are equal, and the result depends on no timing.  A chunk is as many whole bins
 * of the histogram as fit; if not even the first does (8400 equal scores), that bin becomes the range.  Bins also
 * tell the places of a chunk's keys, so that few threads add to one counter.
 *
 * Suppression takes runs of 32 of a chunk, a lane each.  Every warp holds the run against its share of
 * the boxes kept so far, and against one of the run; what covers whom becomes words of bits, from which the
 * first warp tells who stays: two barriers for 32 candidates.  Most pairs are told apart without a
 * division: inter / (a + b - inter) > iou only if inter > p (a + b), p = iou / (1 + iou).  p is taken 0.1 % lower, which
 * no rounding of f32 can make up for, and what is then not below goes through the exact test.
 *
 * Sorting and reducing are loops in the code, too: unrolled, the kernel has twice the 17 KB and is no faster.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "lower/nms.h"

enum {
	COLLECT = 256,          /* threads of a block of collect … */
	THREADS = 1024,         /* … and of select; bins and keys of a chunk, one each */
	WARP = 32, WARPS = THREADS / WARP,
	ONE_LINE = 32,          /* numbers of 4 bytes between counters, so that no two share a line */
	LOADS = 12,             /* under way at once in collect … */
	AT_ONCE = 4,            /* … and in select, where they are few in all */
	NO_KEY = 62,            /* 2^62: above all keys, below all -2^62 */
};
#define NOTHING (-INFINITY)     /* the score of an anchor without a candidate: real ones are above conf >= -inf */
#define NOTHING_BITS INT32_C(-8388608)

typedef struct NmsGpu {
	Gen *z;
	KBuild *b;
	const Node *n;
	bool multi;
	int64_t pictures, anchors, classes, most;       /* most: candidates of a picture */
	uint32_t score, index, count;
	Reg pic;
} NmsGpu;

static NmsGpu
nms_of(const Graph *g, const Group *gr)
{
	const Node *n = graph_node(g, gr->root), *s = graph_node(g, n->arg[1]);
	NmsGpu m = { .n = n, .pictures = s->type.dim[0], .anchors = s->type.dim[1], .classes = s->type.dim[2] };

	m.multi = attr_int(n, A_multi_label, 0) != 0;
	m.most = m.anchors * (m.multi ? m.classes : 1);
	return m;
}

/* where the parts of the workspace begin: scores, numbers, counts */
static int64_t
part(const NmsGpu *m, int i)
{
	return ceil_div(m->pictures * m->most * 4, 64) * 64 * i;
}

int64_t
nms_gpu_work(const Graph *g, const Group *gr)
{
	NmsGpu m = nms_of(g, gr);

	return part(&m, 2) + (m.multi ? m.pictures * ONE_LINE * 4 : 0);
}

/* Scores are written as what they are and read as their bits. */
static void
workspace(NmsGpu *m, bool out)
{
	m->score = gen_work(m->z, "score", out ? DT_F32 : DT_I32, m->pictures * m->most, part(m, 0), out);
	m->index = gen_work(m->z, "index", DT_I32, m->pictures * m->most, part(m, 1), out);
	if (m->multi)
		m->count = gen_work(m->z, "count", DT_I32, m->pictures * ONE_LINE, part(m, 2), out);
}

static Reg
element(NmsGpu *m, int arg, Reg i, Reg j, Reg k)
{
	return gen_element(m->z, m->n->arg[arg], i, j, k);
}

static Reg
not(KBuild *b, Reg x)
{
	return k_op(b, K_xor, x, k_int(b, KS_I1, 1), 0);
}

static Reg
and(KBuild *b, Reg x, Reg y)
{
	return k_op(b, K_and, x, y, 0);
}

static Reg
lt(KBuild *b, Reg x, Reg y)
{
	return k_op(b, K_lt, x, y, 0);
}

/* how many lanes before this one have their bit in the word */
static Reg
rank_in(KBuild *b, Reg word)
{
	Reg one = k_int(b, KS_I32, 1), lane = k_cast(b, KS_I32, k_axis(b, KAXIS_LANE));

	return k_op(b, K_popcount, and(b, word, k_sub(b, k_op(b, K_shl, one, lane, 0), one)), 0, 0);
}

/* ---- collect ------------------------------------------------------------------------- */

static void
clear(LowerCtx *cx, uint32_t group, NmsGpu m, LoweredList *out)
{
	Gen gen;
	Reg task[3];

	gen_begin(&gen, cx, group, "nms_clear");
	m.z = &gen;
	m.b = gen.b;
	m.count = gen_work(&gen, "count", DT_I32, m.pictures * ONE_LINE, part(&m, 2), true);
	gen_tasks(&gen, m.pictures, 1, 1, task);
	k_store(m.b, m.count, k_muli(m.b, task[0], ONE_LINE), k_int(m.b, KS_I32, 0));
	gen_end(&gen, out);
}

/* classes that one load brings: 16 bytes, if they lie side by side */
static int
classes_at_once(const NmsGpu *m, const Graph *g)
{
	const Node *s = graph_node(g, m->n->arg[1]);

	return s->place.stride[2] == 1 ? lanes_dividing(m->classes, 16 / dtype_info[s->type.dt].bytes) : 1;
}

static Reg
load_scores(NmsGpu *m, Reg anchor, Reg class, int lanes)
{
	const Node *s = gen_node(m->z, m->n->arg[1]);
	Reg r[3] = { m->pic, anchor, class }, at = k_ix(m->b, 0);

	for (int d = 0; d < 3; d++)
		if (s->type.dim[d] != 1)
			at = k_add(m->b, at, k_muli(m->b, r[d], s->place.stride[d]));
	return k_cast(m->b, KS_F32, k_load(m->b, gen_buf(m->z, m->n->arg[1]), at, lanes));
}

/* Best class of each anchor; the first of equals.  `beside` threads share an anchor. */
static void
collect_best(NmsGpu *m, Reg tid, int lanes, int beside, Reg conf)
{
	KBuild *b = m->b;
	KType f = kt(KS_F32, 1);
	int64_t loads = m->classes / lanes / beside;
	Reg mine = k_op(b, K_rem, tid, k_ix(b, beside), 0), best = k_var(b, f), which = k_var(b, kt(KS_IX, 1));
	Reg anchor, there, at, hit, first = k_muli(b, mine, lanes);
	uint32_t slots = COLLECT / (uint32_t)beside;

	anchor = k_add(b, k_muli(b, k_axis(b, KAXIS_BLOCK_X), slots), k_op(b, K_div, tid, k_ix(b, beside), 0));
	there = lt(b, anchor, k_ix(b, m->anchors));
	anchor = k_op(b, K_min, anchor, k_ix(b, m->anchors - 1), 0);
	k_mov_to(b, best, k_real(b, f, NOTHING));
	k_mov_to(b, which, k_ix(b, 0));
	for (int64_t l = 0; l < loads; l += LOADS) {
		Reg s[LOADS], class[LOADS];
		int n = (int)MIN(loads - l, LOADS);

		for (int i = 0; i < n; i++) {
			class[i] = k_addi(b, first, (l + i) * beside * lanes);
			s[i] = load_scores(m, anchor, class[i], lanes);
		}
		for (int i = 0; i < n * lanes; i++) {
			Reg x = lanes > 1 ? k_lane(b, s[i / lanes], i % lanes) : s[i], more = lt(b, best, x);

			k_mov_to(b, best, k_select(b, more, x, best));
			k_mov_to(b, which, k_select(b, more, k_addi(b, class[i / lanes], i % lanes), which));
		}
	}
	for (int step = 1; step < beside; step *= 2) {
		Reg x = k_shuffle(b, best, step), c = k_shuffle(b, which, step);
		Reg more = k_op(b, K_or, lt(b, best, x), and(b, k_op(b, K_eq, best, x, 0), lt(b, c, which)), 0);

		k_mov_to(b, best, k_select(b, more, x, best));
		k_mov_to(b, which, k_select(b, more, c, which));
	}
	k_if(b, and(b, there, k_op(b, K_eq, mine, k_ix(b, 0), 0)));
	at = k_add(b, k_muli(b, m->pic, m->anchors), anchor);
	hit = and(b, lt(b, conf, best), element(m, 4, which, 0, 0));
	best = k_select(b, k_op(b, K_eq, best, k_real(b, f, 0), 0), k_real(b, f, 0), best);     /* -0 is 0 */
	k_store(b, m->score, at, k_select(b, hit, best, k_real(b, f, NOTHING)));
	k_store(b, m->index, at, k_cast(b, KS_I32, k_add(b, k_muli(b, anchor, m->classes), which)));
	k_close(b);
}

/* Every class above conf. */
static void
collect_all(NmsGpu *m, Reg tid, int lanes, Reg conf)
{
	KBuild *b = m->b;
	KType f = kt(KS_F32, 1);
	int64_t parts = m->classes / lanes, items = m->anchors * parts;
	uint32_t sum = k_buffer(b, "sum", KSPACE_SHARED, DT_I32, COLLECT / WARP);
	uint32_t from = k_buffer(b, "from", KSPACE_SHARED, DT_I32, COLLECT / WARP);
	Reg lane = k_axis(b, KAXIS_LANE), warp = k_axis(b, KAXIS_WARP), zero = k_ix(b, 0);
	Reg item, there, anchor, class, s, x[16], hit[16], word[16], before[16], all = k_int(b, KS_I32, 0), at;

	item = k_add(b, k_muli(b, k_axis(b, KAXIS_BLOCK_X), COLLECT), tid);
	there = lt(b, item, k_ix(b, items));
	item = k_op(b, K_min, item, k_ix(b, items - 1), 0);
	anchor = k_op(b, K_div, item, k_ix(b, parts), 0);
	class = k_muli(b, k_sub(b, item, k_muli(b, anchor, parts)), lanes);
	s = load_scores(m, anchor, class, lanes);
	for (int i = 0; i < lanes; i++) {
		x[i] = lanes > 1 ? k_lane(b, s, i) : s;
		hit[i] = and(b, and(b, there, lt(b, conf, x[i])), element(m, 4, k_addi(b, class, i), 0, 0));
		word[i] = k_ballot(b, hit[i]);
		before[i] = all;
		all = k_add(b, all, k_op(b, K_popcount, word[i], 0, 0));
	}
	k_store_if(b, sum, warp, all, k_op(b, K_eq, lane, zero, 0));
	k_sync(b, K_barrier, 0);
	k_if(b, k_op(b, K_eq, tid, zero, 0));
	Reg part[COLLECT / WARP], total = k_int(b, KS_I32, 0);
	for (int w = 0; w < COLLECT / WARP; w++) {
		part[w] = total;
		total = k_add(b, total, k_load(b, sum, k_ix(b, w), 1));
	}
	at = k_atomic_fetch_add(b, m->count, k_muli(b, m->pic, ONE_LINE), total);
	for (int w = 0; w < COLLECT / WARP; w++)
		k_store(b, from, k_ix(b, w), k_add(b, at, part[w]));
	k_close(b);
	k_sync(b, K_barrier, 0);
	for (int i = 0; i < lanes; i++) {
		k_if(b, hit[i]);
		at = k_cast(b, KS_IX, k_add(b, k_add(b, k_load(b, from, warp, 1), before[i]), rank_in(b, word[i])));
		at = k_add(b, k_muli(b, m->pic, m->most), at);
		k_store(b, m->score, at, k_select(b, k_op(b, K_eq, x[i], k_real(b, f, 0), 0), k_real(b, f, 0), x[i]));
		k_store(b, m->index, at, k_cast(b, KS_I32, k_add(b, k_muli(b, anchor, m->classes), k_addi(b, class, i))));
		k_close(b);
	}
}

static void
collect(LowerCtx *cx, uint32_t group, NmsGpu m, LoweredList *out)
{
	int lanes = classes_at_once(&m, cx->g), beside = 1;
	Gen gen;
	KBuild *b;
	Reg tid, zero, conf;

	gen_begin(&gen, cx, group, arena_printf(cx->a, "nms_collect_%" PRId64 "x%" PRId64, m.anchors, m.classes));
	m.z = &gen;
	m.b = b = gen.b;
	for (int i = 1; i < 5; i += i == 2 ? 2 : 1)     /* scores, conf, keep */
		gen_buf(&gen, m.n->arg[i]);
	workspace(&m, true);
	if (!m.multi)
		beside = lanes_dividing(m.classes / lanes, 8);
	k_threads(b, COLLECT, 1, 1);
	k_grid(b, ceil_div(m.multi ? m.anchors * (m.classes / lanes) : m.anchors * beside, COLLECT), m.pictures, 1);
	tid = k_axis(b, KAXIS_THREAD_X);
	zero = k_ix(b, 0);
	m.pic = m.pictures > 1 ? k_axis(b, KAXIS_BLOCK_Y) : zero;
	conf = k_cast(b, KS_F32, element(&m, 2, zero, zero, zero));
	if (m.multi)
		collect_all(&m, tid, lanes, conf);
	else
		collect_best(&m, tid, lanes, beside, conf);
	gen_end(&gen, out);
}

/* ---- select: chunks --------------------------------------------------------------------- */

typedef struct Select {
	NmsGpu *m;
	KBuild *b;
	int64_t bits;                           /* of a candidate's number in a key */
	Reg tid, lane, warp, zero, base, count;
	Reg last;                               /* var: greatest key of the chunks so far */
	uint32_t hist, place, key, low, high, ends, sums, cut;  /* shared; see select_boxes() */
} Select;

static Reg
i64(Select *s, int64_t x)
{
	return k_int(s->b, KS_I64, x);
}

/* What to do with a key that comes behind `last`; `is`: whether there is one. */
typedef void KeyFn(Select *s, Reg key, Reg is, const Reg *more);

/* Every thread's share of the candidates. */
static void
each_key(Select *s, KeyFn *fn, const Reg *more)
{
	KBuild *b = s->b;
	NmsGpu *m = s->m;
	int n = (int)MIN(ceil_div(m->most, THREADS), AT_ONCE);
	Reg bits[AT_ONCE], number[AT_ONCE], is[AT_ONCE], at, from, sign = k_int(b, KS_I32, 0x7fffffff);

	from = k_for(b, s->tid, s->count, THREADS * n);
	for (int i = 0; i < n; i++) {
		at = k_addi(b, from, i * THREADS);
		is[i] = lt(b, at, s->count);
		at = k_op(b, K_min, at, k_addi(b, s->count, -1), 0);
		bits[i] = k_load(b, m->score, k_add(b, s->base, at), 1);
		number[i] = m->multi ? k_load(b, m->index, k_add(b, s->base, at), 1) : k_cast(b, KS_I32, at);
	}
	for (int i = 0; i < n; i++) {
		/* the bits of reals, but for the sign, grow as they do: turned round where negative, and then all */
		Reg x = k_op(b, K_xor, bits[i], and(b, k_op(b, K_shr, bits[i], k_int(b, KS_I32, 31), 0), sign), 0), key;

		x = k_cast(b, KS_I64, k_op(b, K_xor, x, k_int(b, KS_I32, -1), 0));
		key = k_op(b, K_or, k_op(b, K_shl, x, i64(s, s->bits), 0), k_cast(b, KS_I64, number[i]), 0);
		if (!m->multi)
			is[i] = and(b, is[i], k_op(b, K_ne, bits[i], k_int(b, KS_I32, NOTHING_BITS), 0));
		fn(s, key, and(b, is[i], lt(b, s->last, key)), more);
	}
	k_close(b);
}

static void
note_range(Select *s, Reg key, Reg is, const Reg *range)
{
	KBuild *b = s->b;

	k_mov_to(b, range[0], k_op(b, K_min, range[0], k_select(b, is, key, range[0]), 0));
	k_mov_to(b, range[1], k_op(b, K_max, range[1], k_select(b, is, key, range[1]), 0));
}

/* more: first and last key, shift */
static Reg
bin_of(Select *s, Reg key, const Reg *more)
{
	return k_cast(s->b, KS_IX, k_op(s->b, K_shr, k_sub(s->b, key, more[0]), more[2], 0));
}

static void
note_bin(Select *s, Reg key, Reg is, const Reg *more)
{
	KBuild *b = s->b;

	k_if(b, and(b, is, k_op(b, K_le, key, more[1], 0)));
	k_atomic_add(b, s->hist, bin_of(s, key, more), k_int(b, KS_I32, 1));
	k_close(b);
}

static void
take_key(Select *s, Reg key, Reg is, const Reg *more)
{
	KBuild *b = s->b;
	Reg at;

	k_if(b, and(b, is, k_op(b, K_le, key, more[1], 0)));
	at = k_atomic_fetch_add(b, s->place, bin_of(s, key, more), k_int(b, KS_I32, 1));
	k_store(b, s->key, k_cast(b, KS_IX, at), key);
	k_close(b);
}

/* The least and the greatest key of all threads, into ends[0], ends[1]. */
static void
reduce_range(Select *s, Reg range[2])
{
	KBuild *b = s->b;
	uint32_t part[2] = { s->low, s->high };
	Reg step = k_var(b, kt(KS_IX, 1));

	for (int round = 0; round < 2; round++) {
		k_mov_to(b, step, k_ix(b, WARP / 2));
		k_loop(b);
		for (int h = 0; h < 2; h++)
			k_mov_to(b, range[h], k_op(b, h ? K_max : K_min, range[h],
			         k_shuffle_idx(b, range[h], k_op(b, K_xor, s->lane, step, 0)), 0));
		k_mov_to(b, step, k_op(b, K_shr, step, k_ix(b, 1), 0));
		k_break_if(b, k_op(b, K_eq, step, s->zero, 0));
		k_close(b);
		for (int h = 0; h < 2; h++)
			if (round == 0)
				k_store_if(b, part[h], s->warp, range[h], k_op(b, K_eq, s->lane, s->zero, 0));
			else
				k_store_if(b, s->ends, k_ix(b, h), range[h], k_op(b, K_eq, s->tid, s->zero, 0));
		k_sync(b, K_barrier, 0);
		for (int h = 0; h < 2 && round == 0; h++)
			k_mov_to(b, range[h], k_load(b, part[h], s->lane, 1));
	}
}

/* The shift that leaves the range THREADS bins at most. */
static Reg
shift_for(Select *s, Reg range)
{
	KBuild *b = s->b;
	Reg log = i64(s, 0);

	for (int step = 32; step; step /= 2) {
		Reg more = k_add(b, log, i64(s, step));

		log = k_select(b, k_op(b, K_eq, k_op(b, K_shr, range, more, 0), i64(s, 0), 0), log, more);
	}
	return k_op(b, K_max, k_sub(b, log, i64(s, 9)), i64(s, 0), 0);
}

/* From the histogram: where each bin's keys go, and into cut: how many bins the chunk has, how many keys. */
static void
cut_bins(Select *s)
{
	KBuild *b = s->b;
	Reg mine = k_load(b, s->hist, s->tid, 1), sum = k_var(b, kt(KS_I32, 1)), before, fits, next, all, last;

	k_mov_to(b, sum, mine);
	for (int step = 1; step < WARP; step *= 2) {
		Reg from = k_op(b, K_max, k_addi(b, s->lane, -step), s->zero, 0);
		Reg x = k_shuffle_idx(b, sum, from);

		k_mov_to(b, sum, k_add(b, sum, k_select(b, k_op(b, K_le, k_ix(b, step), s->lane, 0), x, k_int(b, KS_I32, 0))));
	}
	k_store_if(b, s->sums, s->warp, sum, k_op(b, K_eq, s->lane, k_ix(b, WARP - 1), 0));
	k_sync(b, K_barrier, 0);
	before = k_select(b, lt(b, s->lane, s->warp), k_load(b, s->sums, s->lane, 1), k_int(b, KS_I32, 0));
	for (int step = 1; step < WARP; step *= 2)
		before = k_add(b, before, k_shuffle(b, before, step));
	sum = k_add(b, sum, before);
	k_store(b, s->place, s->tid, k_sub(b, sum, mine));
	all = k_int(b, KS_I32, THREADS);
	fits = k_op(b, K_le, sum, all, 0);
	last = k_op(b, K_eq, s->tid, k_ix(b, THREADS - 1), 0);
	next = k_load(b, s->hist, k_op(b, K_min, k_addi(b, s->tid, 1), k_ix(b, THREADS - 1), 0), 1);
	next = k_op(b, K_or, last, lt(b, all, k_add(b, sum, next)), 0);
	k_if(b, and(b, fits, next));
	k_store(b, s->cut, s->zero, k_cast(b, KS_I32, k_addi(b, s->tid, 1)));
	k_store(b, s->cut, k_ix(b, 1), sum);
	k_close(b);
	k_if(b, and(b, k_op(b, K_eq, s->tid, s->zero, 0), not(b, fits)));
	k_store(b, s->cut, s->zero, k_int(b, KS_I32, 0));
	k_store(b, s->cut, k_ix(b, 1), k_int(b, KS_I32, 0));
	k_close(b);
	k_sync(b, K_barrier, 0);
}

/* A key a thread, n of them real: bitonic; a thread's partner is a shuffle away, or a buffer. */
static Reg
sort(Select *s, Reg n)
{
	KBuild *b = s->b;
	KType ix = kt(KS_IX, 1);
	Reg v = k_var(b, kt(KS_I64, 1)), x = k_var(b, kt(KS_I64, 1)), k = k_var(b, ix), j = k_var(b, ix), turn = k_var(b, ix);
	Reg one = k_ix(b, 1), other, up, lower;

	k_mov_to(b, v, k_load(b, s->key, s->tid, 1));
	k_mov_to(b, turn, s->zero);
	k_mov_to(b, k, one);
	k_loop(b);
	/* the keys behind the n are the greatest: where half of a stage holds all others, it is sorted */
	k_break_if(b, k_op(b, K_le, k_op(b, K_min, n, k_ix(b, THREADS), 0), k, 0));
	k_mov_to(b, j, k);
	k_mov_to(b, k, k_muli(b, k, 2));
	k_loop(b);
	other = k_op(b, K_xor, s->tid, j, 0);
	k_if(b, k_op(b, K_le, k_ix(b, WARP), j, 0));
	k_mov_to(b, turn, k_op(b, K_xor, turn, k_ix(b, THREADS), 0));
	k_store(b, s->key, k_add(b, s->tid, turn), v);
	k_sync(b, K_barrier, 0);
	k_mov_to(b, x, k_load(b, s->key, k_add(b, other, turn), 1));
	k_else(b);
	k_mov_to(b, x, k_shuffle_idx(b, v, and(b, other, k_ix(b, WARP - 1))));
	k_close(b);
	up = k_op(b, K_eq, and(b, s->tid, k), s->zero, 0);
	lower = lt(b, s->tid, other);
	k_mov_to(b, v, k_select(b, k_op(b, K_eq, up, lower, 0), k_op(b, K_min, v, x, 0), k_op(b, K_max, v, x, 0)));
	k_mov_to(b, j, k_op(b, K_shr, j, one, 0));
	k_break_if(b, k_op(b, K_eq, j, s->zero, 0));
	k_close(b);
	k_close(b);
	return v;
}

/* ---- select: suppression ---------------------------------------------------------------------- */

/* how a pair of boxes is judged */
typedef struct Judge {
	Reg iou;        /* f32 nearest to iou … */
	Reg above;      /* … which is greater than iou */
	Reg part;       /* p, or 0 where the short cut does not hold */
} Judge;

static Judge
judge_for(KBuild *b, Reg iou)
{
	KType f = kt(KS_F32, 1), d = kt(KS_F64, 1);
	Reg one = k_real(b, d, 1), sane = and(b, k_op(b, K_le, k_real(b, d, 0), iou, 0), k_op(b, K_le, iou, one, 0));
	Judge j = { .iou = k_cast(b, KS_F32, iou) };

	j.above = lt(b, iou, k_cast(b, KS_F64, j.iou));
	j.part = k_mul(b, k_op(b, K_div, j.iou, k_add(b, j.iou, k_real(b, f, 1)), 0), k_real(b, f, 0.999));
	j.part = k_select(b, sane, j.part, k_real(b, f, 0));
	return j;
}

static Reg
area_of(KBuild *b, const Reg x[4])
{
	return k_mul(b, k_sub(b, x[2], x[0]), k_sub(b, x[3], x[1]));
}

/* `yes` (a var) becomes true where x covers y and `may` holds.  px, py: p times their areas, less 1e-30 so that
 * what is lost of the smallest numbers does not matter. */
static void
cover(KBuild *b, const Judge *j, const Reg x[4], Reg px, const Reg y[4], Reg py, Reg may, Reg yes)
{
	KType f = kt(KS_F32, 1);
	Reg w = k_sub(b, k_op(b, K_min, x[2], y[2], 0), k_op(b, K_max, x[0], y[0], 0));
	Reg h = k_sub(b, k_op(b, K_min, x[3], y[3], 0), k_op(b, K_max, x[1], y[1], 0));
	Reg inter = k_mul(b, k_op(b, K_max, w, k_real(b, f, 0), 0), k_op(b, K_max, h, k_real(b, f, 0), 0)), q;

	k_if(b, and(b, may, not(b, lt(b, inter, k_add(b, px, py)))));
	q = k_op(b, K_div, inter, k_sub(b, k_add(b, area_of(b, x), area_of(b, y)), inter), 0);
	/* q > iou in f64: q is an f32, so it is above iou where it is above the f32 below iou */
	q = k_op(b, K_or, lt(b, j->iou, q), and(b, j->above, k_op(b, K_eq, j->iou, q, 0)), 0);
	k_mov_to(b, yes, k_op(b, K_or, yes, q, 0));
	k_close(b);
}

/* boxes in shared memory: corners, and p times the area */
typedef struct Boxes { uint32_t corner, part; } Boxes;

static void
load_box(KBuild *b, Boxes s, Reg at, Reg box[4], Reg *part)
{
	Reg x = k_load(b, s.corner, k_muli(b, at, 4), 4);

	for (int d = 0; d < 4; d++)
		box[d] = k_lane(b, x, d);
	*part = k_load(b, s.part, at, 1);
}

static void
store_box(KBuild *b, Boxes s, Reg at, const Reg box[4], Reg part)
{
	k_store(b, s.corner, k_muli(b, at, 4), k_join(b, k_join(b, box[0], box[1]), k_join(b, box[2], box[3])));
	k_store(b, s.part, at, part);
}

typedef struct Suppress {
	Select *s;
	Judge judge;
	Boxes chunk, kept;
	uint32_t number;                        /* shared: of the chunk's candidates */
	uint32_t words, dead, have;             /* shared: see below */
	uint32_t y;                             /* the result */
	Reg out, limit;
	int64_t step;                           /* of out */
} Suppress;

/* The first warp: who of a run stays.  mine: this lane's candidate in the chunk. */
static void
resolve(Suppress *p, Reg mine, const Reg box[4], Reg part, Reg have)
{
	Select *s = p->s;
	KBuild *b = s->b;
	KType i1 = kt(KS_I1, 1), i32 = kt(KS_I32, 1);
	Reg by, dead, free, stays = k_var(b, i1), alive = k_var(b, i32), next, same, at, none = k_int(b, KS_I32, 0);

	k_if(b, k_op(b, K_eq, s->warp, s->zero, 0));
	by = k_load(b, p->words, s->lane, 1);
	dead = k_load(b, p->dead, s->lane, 1);
	for (int step = 1; step < WARP; step *= 2)
		dead = k_op(b, K_or, dead, k_shuffle(b, dead, step), 0);
	dead = and(b, k_op(b, K_shr, dead, k_cast(b, KS_I32, s->lane), 0), k_int(b, KS_I32, 1));
	free = k_op(b, K_eq, dead, none, 0);
	k_mov_to(b, stays, free);
	k_mov_to(b, alive, k_ballot(b, free));
	/* Whether a lane stays depends on those before it, so each round makes one more right at least; what a round
	 * leaves as it is is right. */
	k_loop(b);
	k_mov_to(b, stays, and(b, free, k_op(b, K_eq, and(b, by, alive), none, 0)));
	next = k_ballot(b, stays);
	same = k_op(b, K_eq, next, alive, 0);
	k_mov_to(b, alive, next);
	k_break_if(b, same);
	k_close(b);
	at = k_add(b, have, k_cast(b, KS_IX, rank_in(b, alive)));
	k_if(b, and(b, stays, lt(b, at, p->limit)));
	store_box(b, p->kept, at, box, part);
	k_store(b, p->y, k_add(b, p->out, k_muli(b, at, p->step)), k_load(b, p->number, mine, 1));
	k_close(b);
	have = k_op(b, K_min, k_add(b, have, k_cast(b, KS_IX, k_op(b, K_popcount, alive, 0, 0))), p->limit, 0);
	k_store_if(b, p->have, s->zero, k_cast(b, KS_I32, have), k_op(b, K_eq, s->lane, s->zero, 0));
	k_close(b);
}

/* The first n of the chunk, in runs of a warp. */
static void
suppress(Suppress *p, Reg n)
{
	Select *s = p->s;
	KBuild *b = s->b;
	KType i1 = kt(KS_I1, 1);
	Reg at = k_var(b, kt(KS_IX, 1)), have, mine, box[4], part, other[4], other_part, dead, by, word, first, yes;

	yes = k_int(b, KS_I1, 1);
	k_mov_to(b, at, s->zero);
	k_loop(b);
	have = k_cast(b, KS_IX, k_load(b, p->have, s->zero, 1));
	k_break_if(b, k_op(b, K_or, k_op(b, K_le, n, at, 0), k_op(b, K_le, p->limit, have, 0), 0));
	mine = k_add(b, at, s->lane);
	load_box(b, p->chunk, mine, box, &part);
	dead = k_var(b, i1);
	k_mov_to(b, dead, k_op(b, K_le, n, mine, 0));
	Reg i = k_for(b, s->warp, have, WARPS);

	load_box(b, p->kept, i, other, &other_part);
	cover(b, &p->judge, other, other_part, box, part, yes, dead);
	k_close(b);
	/* does this lane's cover that of the warp's number, which comes behind it? */
	load_box(b, p->chunk, k_add(b, at, s->warp), other, &other_part);
	by = k_var(b, i1);
	k_mov_to(b, by, k_int(b, KS_I1, 0));
	cover(b, &p->judge, box, part, other, other_part, lt(b, s->lane, s->warp), by);
	word = k_ballot(b, by);
	first = k_op(b, K_eq, s->lane, s->zero, 0);
	k_store_if(b, p->words, s->warp, word, first);
	word = k_ballot(b, dead);
	k_store_if(b, p->dead, s->warp, word, first);
	k_sync(b, K_barrier, 0);
	resolve(p, mine, box, part, have);
	k_sync(b, K_barrier, 0);
	k_mov_to(b, at, k_addi(b, at, WARP));
	k_close(b);
}

/* The box of this thread's candidate, and its number, where the others can see them. */
static void
show_box(Suppress *p, Reg key, Reg n, Reg agnostic)
{
	Select *s = p->s;
	KBuild *b = s->b;
	NmsGpu *m = s->m;
	KType f = kt(KS_F32, 1);
	Reg is = lt(b, s->tid, n), number, anchor, which, move, box[4];

	number = k_cast(b, KS_IX, and(b, key, i64(s, (INT64_C(1) << s->bits) - 1)));
	number = k_select(b, is, number, s->zero);
	if (!m->multi)
		number = k_cast(b, KS_IX, k_load(b, m->index, k_add(b, s->base, number), 1));
	anchor = k_op(b, K_div, number, k_ix(b, m->classes), 0);
	which = k_sub(b, number, k_muli(b, anchor, m->classes));
	move = k_mul(b, k_cast(b, KS_F32, which), k_real(b, f, attr_real(m->n, A_offset, 7680)));
	move = k_select(b, agnostic, k_real(b, f, 0), move);
	for (int d = 0; d < 4; d++)
		box[d] = k_add(b, k_cast(b, KS_F32, element(m, 0, m->pic, anchor, k_ix(b, d))), move);
	store_box(b, p->chunk, s->tid, box, k_sub(b, k_mul(b, p->judge.part, area_of(b, box)), k_real(b, f, 1e-30)));
	k_store(b, p->number, s->tid, k_cast(b, KS_I32, number));
}

/* ---- select ---------------------------------------------------------------------------------- */

/* The next chunk, in `key`: how many; s->last becomes the end of it.  Opens nothing; leaves the loop
 * around it if there are no more. */
static Reg
next_chunk(Select *s)
{
	KBuild *b = s->b;
	KType l = kt(KS_I64, 1);
	Reg range[2] = { k_var(b, l), k_var(b, l) }, lo, hi = k_var(b, l), shift = k_var(b, l), bins, end, n;

	k_mov_to(b, range[0], i64(s, INT64_C(1) << NO_KEY));
	k_mov_to(b, range[1], i64(s, -(INT64_C(1) << NO_KEY)));
	each_key(s, note_range, range);
	reduce_range(s, range);
	lo = k_load(b, s->ends, s->zero, 1);
	k_mov_to(b, hi, k_load(b, s->ends, k_ix(b, 1), 1));
	k_break_if(b, lt(b, hi, lo));
	k_loop(b);
	k_mov_to(b, shift, shift_for(s, k_sub(b, hi, lo)));
	k_store(b, s->hist, s->tid, k_int(b, KS_I32, 0));
	k_sync(b, K_barrier, 0);
	each_key(s, note_bin, (Reg[]){ lo, hi, shift });
	k_sync(b, K_barrier, 0);
	cut_bins(s);
	bins = k_cast(b, KS_I64, k_load(b, s->cut, s->zero, 1));
	/* lo is a key, so the first bin is not empty */
	end = k_sub(b, k_add(b, lo, k_op(b, K_shl, k_op(b, K_max, bins, i64(s, 1), 0), shift, 0)), i64(s, 1));
	k_mov_to(b, hi, k_op(b, K_min, hi, end, 0));
	k_break_if(b, lt(b, i64(s, 0), bins));
	k_close(b);
	n = k_cast(b, KS_IX, k_load(b, s->cut, k_ix(b, 1), 1));
	each_key(s, take_key, (Reg[]){ lo, hi, shift });
	k_if(b, k_op(b, K_le, n, s->tid, 0));
	k_store(b, s->key, s->tid, i64(s, INT64_C(1) << NO_KEY));
	k_close(b);
	k_sync(b, K_barrier, 0);
	k_mov_to(b, s->last, hi);
	return n;
}

static void
select_boxes(LowerCtx *cx, uint32_t group, NmsGpu m, LoweredList *out)
{
	Gen gen, *z = &gen;
	KBuild *b;
	KType ix = kt(KS_IX, 1);
	int64_t slots = attr_int(m.n, A_k, 300), most = attr_int(m.n, A_max_nms, 30000);
	Reg i, limit, n, agnostic, taken, key, none;
	Select s = { .m = &m };
	Suppress p = { .s = &s };
	const int64_t *st = graph_node(cx->g, cx->g->group.p[group].out)->place.stride;

	gen_begin(z, cx, group, arena_printf(cx->a, "nms_select_%" PRId64, m.most));
	m.z = z;
	m.b = s.b = b = z->b;
	gen_buf(z, m.n->arg[0]);
	gen_buf(z, m.n->arg[3]);
	gen_buf(z, m.n->arg[5]);
	gen_buf(z, m.n->arg[6]);
	p.y = gen_buf(z, z->gr->out);
	workspace(&m, false);
	/* a chunk's boxes lie where its keys were sorted, their parts and numbers where the histogram was */
	s.key = k_buffer(b, "key", KSPACE_SHARED, DT_I64, 2 * THREADS);
	s.hist = k_buffer(b, "hist", KSPACE_SHARED, DT_I32, THREADS);
	s.place = k_buffer(b, "place", KSPACE_SHARED, DT_I32, THREADS);
	p.chunk.corner = k_buffer(b, "box", KSPACE_SHARED, DT_F32, 4 * THREADS);
	p.chunk.part = k_buffer(b, "part", KSPACE_SHARED, DT_F32, THREADS);
	p.number = k_buffer(b, "number", KSPACE_SHARED, DT_I32, THREADS);
	k_alias(b, p.chunk.corner, s.key);
	k_alias(b, p.chunk.part, s.hist);
	k_alias(b, p.number, s.place);
	p.kept.corner = k_buffer(b, "kept", KSPACE_SHARED, DT_F32, 4 * slots);
	p.kept.part = k_buffer(b, "kept_part", KSPACE_SHARED, DT_F32, slots);
	s.low = k_buffer(b, "low", KSPACE_SHARED, DT_I64, WARPS);
	s.high = k_buffer(b, "high", KSPACE_SHARED, DT_I64, WARPS);
	s.ends = k_buffer(b, "ends", KSPACE_SHARED, DT_I64, 2);
	s.sums = k_buffer(b, "sums", KSPACE_SHARED, DT_I32, WARPS);
	s.cut = k_buffer(b, "cut", KSPACE_SHARED, DT_I32, 2);
	p.words = k_buffer(b, "words", KSPACE_SHARED, DT_I32, WARPS);
	p.dead = k_buffer(b, "dead", KSPACE_SHARED, DT_I32, WARPS);
	p.have = k_buffer(b, "have", KSPACE_SHARED, DT_I32, 1);
	k_threads(b, THREADS, 1, 1);
	k_grid(b, m.pictures, 1, 1);
	s.tid = k_axis(b, KAXIS_THREAD_X);
	s.lane = k_axis(b, KAXIS_LANE);
	s.warp = k_axis(b, KAXIS_WARP);
	s.zero = k_ix(b, 0);
	for (s.bits = 1; INT64_C(1) << s.bits < m.most; s.bits++)
		;
	m.pic = m.pictures > 1 ? k_axis(b, KAXIS_BLOCK_X) : s.zero;
	s.base = k_muli(b, m.pic, m.most);
	s.count = m.multi ? k_cast(b, KS_IX, k_load(b, m.count, k_muli(b, m.pic, ONE_LINE), 1)) : k_ix(b, m.most);
	p.judge = judge_for(b, element(&m, 3, s.zero, s.zero, s.zero));
	agnostic = k_op(b, K_ne, element(&m, 5, s.zero, s.zero, s.zero), k_int(b, KS_I32, 0), 0);
	limit = k_cast(b, KS_IX, element(&m, 6, s.zero, s.zero, s.zero));
	p.limit = limit = k_op(b, K_max, s.zero, k_op(b, K_min, limit, k_ix(b, slots), 0), 0);
	p.out = k_muli(b, m.pic, st[0]);
	p.step = st[1];

	none = k_int(b, KS_I32, 0);
	k_store_if(b, p.have, s.zero, none, k_op(b, K_eq, s.tid, s.zero, 0));
	k_sync(b, K_barrier, 0);
	taken = k_var(b, ix);
	k_mov_to(b, taken, s.zero);
	s.last = k_var(b, kt(KS_I64, 1));
	k_mov_to(b, s.last, i64(&s, -(INT64_C(1) << NO_KEY)));
	k_loop(b);
	i = k_cast(b, KS_IX, k_load(b, p.have, s.zero, 1));
	k_break_if(b, k_op(b, K_or, k_op(b, K_le, k_ix(b, most), taken, 0), k_op(b, K_le, limit, i, 0), 0));
	n = next_chunk(&s);
	key = sort(&s, n);
	n = k_op(b, K_min, n, k_sub(b, k_ix(b, most), taken), 0);
	k_sync(b, K_barrier, 0);
	show_box(&p, key, n, agnostic);
	k_sync(b, K_barrier, 0);
	suppress(&p, n);
	k_mov_to(b, taken, k_add(b, taken, n));
	k_close(b);
	i = k_cast(b, KS_IX, k_load(b, p.have, s.zero, 1));
	i = k_for(b, k_add(b, i, s.tid), k_ix(b, slots), THREADS);
	k_store(b, p.y, k_add(b, p.out, k_muli(b, i, st[1])), k_int(b, KS_I32, -1));
	k_close(b);
	gen_end(z, out);
}

bool
lower_nms_gpu(LowerCtx *cx, uint32_t group, LoweredList *out)
{
	NmsGpu m = nms_of(cx->g, &cx->g->group.p[group]);

	if (m.multi)
		clear(cx, group, m, out);
	collect(cx, group, m, out);
	select_boxes(cx, group, m, out);
	return true;
}
