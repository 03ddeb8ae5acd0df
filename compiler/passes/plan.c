/* plan.c -- every value its place; every buffer its offset in one arena.
 *
 *     step      0    1    2    3
 *     b1        ████████████                 a buffer for each storage, alive from the first
 *     b2             ███████████             step that writes it to the last that reads it
 *     b3                  ██████
 *
 * One buffer holds a join with all its parts, a value with all its views, and a chain of
 * values each of which is written over the one before (the last reader of an operand may
 * write its out there, if it uses element i for element i alone).
 *
 * Offsets: buffers are put down one after the other, each in the smallest gap that fits
 * among those alive at the same time.  What matters is the order; several are tried, and
 * the best is improved by putting what sticks out at the top down earlier.  The bound is the
 * largest sum of sizes alive at one step: no arena can be smaller.
 *
 * needs: groups, workspace, schedule.   breaks: nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "passes/live.h"

/* ---- lifetimes ------------------------------------------------------------------------ */

typedef struct Planner {
	Arena *a;
	Graph *g;
	Live live;
	int32_t end;            /* the last step */
	uint32_t *root;         /* by block: the block whose buffer it is in */
	int32_t *first, *last;  /* by block */
	uint32_t *buf;          /* by block that is a root */
} Planner;

static void
find_lifetimes(Planner *p)
{
	const Live *l = &p->live;

	p->root = NEWN(p->a, uint32_t, l->block.n);
	p->first = NEWN(p->a, int32_t, l->block.n);
	p->last = NEWN(p->a, int32_t, l->block.n);
	p->buf = NEWN(p->a, uint32_t, l->block.n);
	for (uint32_t b = 1; b < l->block.n; b++) {
		p->root[b] = b;
		p->first[b] = INT32_MAX;
		p->last[b] = l->block.p[b].kept ? p->end : 0;
	}
	for (size_t i = 0; i < p->g->sched.n; i++) {
		const Touch *t = &l->touch[p->g->sched.p[i]];

		p->first[t->out] = MIN(p->first[t->out], (int32_t)i);
		p->last[t->out] = MAX(p->last[t->out], (int32_t)i);
		for (size_t k = 0; k < t->read.n; k++)
			p->last[t->read.p[k]] = MAX(p->last[t->read.p[k]], (int32_t)i);
	}
}

/* Outs that take the place of an operand. */
static size_t
write_over(Planner *p)
{
	size_t merged = 0;

	for (size_t i = 0; i < p->g->sched.n; i++) {
		const Touch *t = &p->live.touch[p->g->sched.p[i]];

		for (size_t k = 0; k < t->over.n; k++) {
			uint32_t b = p->root[t->over.p[k]];

			if (p->last[b] != (int32_t)i)
				continue;       /* somebody reads it later, or shares its buffer */
			p->root[t->out] = b;
			p->last[b] = p->last[t->out];
			merged++;
			break;
		}
	}
	return merged;
}

/* ---- offsets ---------------------------------------------------------------------------- */

typedef struct Item {
	int64_t size, offset;
	int32_t first, last;
	uint32_t buf;
} Item;

typedef struct Pack {
	Item *item;
	size_t n;
	uint32_t *placed;       /* items put down so far, by offset */
	size_t nplaced;
} Pack;

static bool
meet(const Item *a, const Item *b)
{
	return a->first <= b->last && b->first <= a->last;
}

/* The smallest gap between those alive with it that it fits into; `lowest`: the first one. */
static void
put_down(Pack *k, uint32_t i, bool lowest)
{
	Item *it = &k->item[i];
	int64_t at = 0, best = -1, best_gap = INT64_MAX;
	size_t to = k->nplaced;

	for (size_t j = 0; j < k->nplaced; j++) {
		const Item *o = &k->item[k->placed[j]];

		if (!meet(it, o))
			continue;

		int64_t gap = o->offset - at;

		if (gap >= it->size && gap < best_gap) {
			best = at;
			best_gap = gap;
			if (lowest)
				break;
		}
		at = MAX(at, o->offset + o->size);
	}
	it->offset = best < 0 ? at : best;
	while (to > 0 && k->item[k->placed[to - 1]].offset > it->offset) {
		k->placed[to] = k->placed[to - 1];
		to--;
	}
	k->placed[to] = i;
	k->nplaced++;
}

static int64_t
pack_all(Pack *k, const uint32_t *order, bool lowest)
{
	int64_t peak = 0;

	k->nplaced = 0;
	for (size_t i = 0; i < k->n; i++) {
		put_down(k, order[i], lowest);
		peak = MAX(peak, k->item[order[i]].offset + k->item[order[i]].size);
	}
	return peak;
}

static int64_t
length(const Item *a)
{
	return a->last - a->first + 1;
}

#define BY(name, x, y) \
	static int name(const Item *a, const Item *b) { return ((x) > (y)) - ((x) < (y)); }
BY(by_size, b->size, a->size)
BY(by_area, (double)b->size * (double)length(b), (double)a->size * (double)length(a))
BY(by_length, length(b), length(a))
BY(by_first, a->first, b->first)
BY(by_last, b->last, a->last)

typedef int Compare(const Item *a, const Item *b);

static void
sort_items(const Pack *k, uint32_t *order, Compare *compare)
{
	for (size_t i = 0; i < k->n; i++) {
		size_t at = i;

		while (at > 0 && compare(&k->item[order[at - 1]], &k->item[i]) > 0) {
			order[at] = order[at - 1];
			at--;
		}
		order[at] = (uint32_t)i;
	}
}

static int64_t
bound_of(Arena *a, const Pack *k, int32_t end)
{
	int64_t *change = NEWN(a, int64_t, (size_t)end + 2), live = 0, most = 0;

	for (size_t i = 0; i < k->n; i++) {
		change[k->item[i].first] += k->item[i].size;
		change[k->item[i].last + 1] -= k->item[i].size;
	}
	for (int32_t t = 0; t <= end; t++) {
		live += change[t];
		most = MAX(most, live);
	}
	return most;
}

/* The item at the top moves forward in the order, by a number that looks random and is the
 * same in each run; kept if the peak is no higher. */
static int64_t
improve(Arena *a, Pack *k, uint32_t *order, bool lowest, int64_t peak, int64_t bound)
{
	enum { WORK = 20 * 1000 * 1000 };       /* comparisons: a twentieth of a second */
	size_t rounds = k->n ? MIN(5000, WORK / (k->n * k->n) + 1) : 0;
	uint32_t *trial = NEWN(a, uint32_t, k->n);
	uint64_t seed = 1;

	for (size_t r = 0; r < rounds && peak > bound; r++) {
		size_t top = 0, to;
		uint32_t moved;
		int64_t p;

		memcpy(trial, order, k->n * sizeof *order);
		pack_all(k, trial, lowest);
		while (k->item[trial[top]].offset + k->item[trial[top]].size < peak)
			top++;
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		/* now and then another item, so as not to run in circles */
		if (r % 4 == 3)
			top = (seed >> 20) % k->n;
		if (top == 0)
			top = k->n - 1;
		to = (seed >> 40) % top;
		moved = trial[top];
		memmove(&trial[to + 1], &trial[to], (top - to) * sizeof *trial);
		trial[to] = moved;
		p = pack_all(k, trial, lowest);
		if (p <= peak) {
			peak = p;
			memcpy(order, trial, k->n * sizeof *order);
		}
	}
	return peak;
}

/* An order to put items down in, and where that ends. */
typedef struct Start { uint32_t *order; bool lowest; int64_t peak; } Start;

/* Offsets for all items; returns the peak.  The best start is not always the one that can be made
 * best, so the better half of them is improved. */
static int64_t
pack(Arena *a, PassCtx *cx, Pack *k, int64_t bound)
{
	static Compare *const compare[] = { by_size, by_area, by_length, by_first, by_last };
	enum { STARTS = 2 * COUNT(compare) };
	Start start[STARTS];
	int64_t first_try;
	size_t n = 0;

	k->placed = NEWN(a, uint32_t, k->n + 1);
	while (n < STARTS && (n == 0 || start[0].peak > bound)) {
		Start s = { .order = NEWN(a, uint32_t, k->n + 1), .lowest = n % 2 };
		size_t at = n++;

		sort_items(k, s.order, compare[at / 2]);
		s.peak = pack_all(k, s.order, s.lowest);
		for (; at > 0 && start[at - 1].peak > s.peak; at--)
			start[at] = start[at - 1];
		start[at] = s;
	}
	first_try = start[0].peak;
	for (size_t i = 0; i < n / 2 && start[0].peak > bound; i++) {
		start[i].peak = improve(a, k, start[i].order, start[i].lowest, start[i].peak, bound);
		if (start[i].peak < start[0].peak)
			start[0] = start[i];
	}
	if (start[0].peak < first_try)
		pass_log(cx, "moving buffers about: %lld -> %lld bytes", (long long)first_try, (long long)start[0].peak);
	return pack_all(k, start[0].order, start[0].lowest);
}

/* ---- writing it down ---------------------------------------------------------------------- */

static uint32_t
add_buf(Graph *g, Buf b)
{
	vec_push(g->a, &g->buf, b);
	return (uint32_t)g->buf.n - 1;
}

static void
make_bufs(Planner *p)
{
	Graph *g = p->g;
	const Live *l = &p->live;

	graph_foreach(g, v) {
		Node *n = graph_node(g, v);
		uint32_t b = l->block_of[v];

		n->place = (Place){ 0 };
		if (is_source(n)) {
			int64_t bytes = type_bytes(&n->type);

			n->place = l->at.place[v];
			n->place.buf = add_buf(g, (Buf){ .kind = n->op == OP_input ? BUF_INPUT : BUF_CONST,
				.owner = v, .bytes = bytes, .first = 0, .last = MAX(p->end, 0) });
			g->plan.weights += n->op == OP_input ? 0 : bytes;
		} else if (b && l->block.p[b].owner == v && p->root[b] == b) {
			p->buf[b] = add_buf(g, (Buf){ .kind = BUF_ARENA, .owner = v, .bytes = type_bytes(&n->type),
				.first = p->first[b], .last = p->last[b] });
		}
	}
	/* a join's owner comes after its parts, a buffer's after what is written over it */
	graph_foreach(g, v) {
		Node *n = graph_node(g, v);
		uint32_t b = l->block_of[v];
		Val owner = l->at.owner[v];

		if (is_source(n))
			continue;
		if (b) {
			while (p->root[b] != b)
				b = p->root[b];
			n->place = l->at.place[v];
			n->place.buf = p->buf[b];
		} else if (owner && is_source(graph_node(g, owner))) {
			n->place = l->at.place[v];
			n->place.buf = graph_node(g, owner)->place.buf;
		}
	}
	for (size_t i = 0; i < g->sched.n; i++) {
		Group *gr = &g->group.p[g->sched.p[i]];

		gr->work_buf = 0;
		if (!gr->work)
			continue;
		gr->work_buf = add_buf(g, (Buf){ .kind = BUF_ARENA, .group = g->sched.p[i], .bytes = gr->work,
			.first = (int32_t)i, .last = (int32_t)i });
		g->plan.work = MAX(g->plan.work, gr->work);
	}
}

bool
pass_plan(Graph *g, PassCtx *cx)
{
	Planner p = { .a = arena_new(), .g = g, .end = (int32_t)g->sched.n - 1 };
	Pack k = { 0 };
	size_t merged, groups = 0;
	const char *why;

	if ((why = live_find(p.a, g, &p.live)) != NULL) {
		pass_fail(cx, "%s", why);
		arena_free(p.a);
		return false;
	}
	for (size_t i = 1; i < g->group.n; i++)
		groups += g->group.p[i].family != FAM_none;
	if (groups != g->sched.n) {
		pass_fail(cx, "%zu groups, but %zu steps; the pass schedule comes first", groups, g->sched.n);
		arena_free(p.a);
		return false;
	}
	g->buf.n = 1;
	g->plan = (Plan){ 0 };
	find_lifetimes(&p);
	merged = write_over(&p);
	make_bufs(&p);

	k.item = NEWN(p.a, Item, g->buf.n);
	for (uint32_t b = 1; b < g->buf.n; b++) {
		const Buf *f = &g->buf.p[b];

		if (f->kind == BUF_ARENA && f->bytes > 0)
			k.item[k.n++] = (Item){ .size = plan_align(f->bytes), .first = f->first, .last = f->last, .buf = b };
	}
	g->plan.bound = bound_of(p.a, &k, p.end);
	g->plan.peak = k.n ? pack(p.a, cx, &k, g->plan.bound) : 0;
	for (size_t i = 0; i < k.n; i++)
		g->buf.p[k.item[i].buf].offset = k.item[i].offset;
	pass_log(cx, "%zu buffers, %zu outs over an operand; peak %lld, bound %lld (%+.2f %%)", k.n, merged,
	         (long long)g->plan.peak, (long long)g->plan.bound,
	         g->plan.bound ? 100.0 * (double)(g->plan.peak - g->plan.bound) / (double)g->plan.bound : 0);
	arena_free(p.a);
	return true;
}
