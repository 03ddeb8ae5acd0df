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
 * Where launches may run beside each other (lanes.c), two buffers share memory only if all that use
 * the one have ended when the other is written, whatever the order of the rest.  That takes more
 * memory; if it is much more, steps count as ended when they stand far enough before.
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
		if (t->also) {
			p->first[t->also] = MIN(p->first[t->also], (int32_t)i);
			p->last[t->also] = MAX(p->last[t->also], (int32_t)i);
		}
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
	uint64_t **apart;       /* by item: those that it may share memory with; NULL: as their steps tell */
	uint32_t *placed;       /* items put down so far, by offset */
	size_t nplaced;
} Pack;

/* May both be in use at one time? */
static bool
meet(const Pack *k, uint32_t i, uint32_t j)
{
	const Item *a = &k->item[i], *b = &k->item[j];

	return k->apart ? !bit_is(k->apart[i], j) : a->first <= b->last && b->first <= a->last;
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

		if (!meet(k, i, k->placed[j]))
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

static Compare *const compare[] = { by_size, by_area, by_length, by_first, by_last };
enum { STARTS = 2 * COUNT(compare) };

/* Starts, the best first, until one ends at `enough`; returns how many. */
static size_t
find_starts(Arena *a, Pack *k, int64_t enough, Start *start)
{
	size_t n = 0;

	while (n < STARTS && (n == 0 || start[0].peak > enough)) {
		Start s = { .order = NEWN(a, uint32_t, k->n + 1), .lowest = n % 2 };
		size_t at = n++;

		sort_items(k, s.order, compare[at / 2]);
		s.peak = pack_all(k, s.order, s.lowest);
		for (; at > 0 && start[at - 1].peak > s.peak; at--)
			start[at] = start[at - 1];
		start[at] = s;
	}
	return n;
}

/* Offsets for all items; returns the peak.  The best start is not always the one that can be made
 * best, so the better half of them is improved. */
static int64_t
pack(Arena *a, PassCtx *cx, Pack *k, int64_t bound)
{
	Start start[STARTS];
	size_t n = find_starts(a, k, bound, start);
	int64_t first_try = start[0].peak;

	for (size_t i = 0; i < n / 2 && start[0].peak > bound; i++) {
		start[i].peak = improve(a, k, start[i].order, start[i].lowest, start[i].peak, bound);
		if (start[i].peak < start[0].peak)
			start[0] = start[i];
	}
	if (start[0].peak < first_try)
		pass_log(cx, "moving buffers about: %lld -> %lld bytes", (long long)first_try, (long long)start[0].peak);
	return pack_all(k, start[0].order, start[0].lowest);
}

/* ---- room for work side by side ----------------------------------------------------------- */

/* By step: those that have ended when it begins, if it waits only for what makes its operands and for all
 * that stand more than `window` steps before it. */
static uint64_t **
find_before(Planner *p, size_t words, uint32_t window)
{
	const Graph *g = p->g;
	uint32_t *step_of = NEWN(p->a, uint32_t, g->group.n);
	uint64_t **before = NEWN(p->a, uint64_t *, g->sched.n);

	for (uint32_t i = 0; i < g->sched.n; i++) {
		const Touch *t = &p->live.touch[g->sched.p[i]];

		step_of[g->sched.p[i]] = i;
		before[i] = NEWN(p->a, uint64_t, words);
		for (uint32_t j = 0; window < i && j < i - window; j++)
			bit_set(before[i], j);
		for (size_t k = 0; k < t->needs.n; k++) {
			uint32_t j = step_of[t->needs.p[k]];

			bit_set(before[i], j);
			for (size_t w = 0; w < words; w++)
				before[i][w] |= before[j][w];
		}
	}
	return before;
}

/* By buffer: the steps that use it, and those that have ended whenever it is written.  One step more than
 * there are stands for the end, when outputs are still used. */
static void
find_users(Planner *p, size_t words, uint64_t *const *before, uint64_t **used, uint64_t **ended)
{
	const Graph *g = p->g;

	for (size_t b = 1; b < g->buf.n; b++) {
		used[b] = NEWN(p->a, uint64_t, words);
		ended[b] = NEWN(p->a, uint64_t, words);
		memset(ended[b], 0xff, words * sizeof *ended[b]);
		if (g->buf.p[b].group) {
			uint32_t i = (uint32_t)g->buf.p[b].first;

			bit_set(used[b], i);
			memcpy(ended[b], before[i], words * sizeof *ended[b]);
		}
	}
	for (uint32_t i = 0; i < g->sched.n; i++) {
		const Touch *t = &p->live.touch[g->sched.p[i]];
		uint32_t root, b;

		for (int o = 0; o < (t->also ? 2 : 1); o++) {
			uint32_t out = o ? t->also : t->out;

			for (root = out; p->root[root] != root;)
				root = p->root[root];
			b = p->buf[root];
			bit_set(used[b], i);
			if (p->live.block.p[out].kept)
				bit_set(used[b], (uint32_t)g->sched.n);
			for (size_t w = 0; w < words; w++)
				ended[b][w] &= before[i][w];
		}
		for (size_t k = 0; k < t->read.n; k++) {
			for (root = t->read.p[k]; p->root[root] != root;)
				root = p->root[root];
			bit_set(used[p->buf[root]], i);
		}
	}
}

static bool
is_subset(const uint64_t *a, const uint64_t *b, size_t words)
{
	for (size_t w = 0; w < words; w++)
		if (a[w] & ~b[w])
			return false;
	return true;
}

static void
find_apart(Planner *p, Pack *k, uint32_t window)
{
	size_t words = p->g->sched.n / 64 + 1, row = k->n / 64 + 1;
	uint64_t **used = NEWN(p->a, uint64_t *, p->g->buf.n), **ended = NEWN(p->a, uint64_t *, p->g->buf.n);

	find_users(p, words, find_before(p, words, window), used, ended);
	k->apart = NEWN(p->a, uint64_t *, k->n + 1);
	for (uint32_t i = 0; i < k->n; i++)
		k->apart[i] = NEWN(p->a, uint64_t, row);
	for (uint32_t i = 0; i < k->n; i++)
		for (uint32_t j = 0; j < k->n; j++)
			if (is_subset(used[k->item[i].buf], ended[k->item[j].buf], words)) {
				bit_set(k->apart[i], j);
				bit_set(k->apart[j], i);
			}
}

/* Offsets that let launches run side by side, if that takes little more memory than one after the other. */
static int64_t
pack_beside(Planner *p, PassCtx *cx, Pack *k, int64_t peak)
{
	enum { SMALL = 32 << 20, MORE = 10 };           /* bytes that nobody misses; percent */
	static const uint32_t windows[] = { UINT32_MAX, 64, 32, 16, 8, 4 };
	int64_t most = MAX(SMALL, peak + peak * MORE / 100);

	for (size_t i = 0; i < COUNT(windows); i++) {
		Start start[STARTS];

		find_apart(p, k, windows[i]);
		find_starts(p->a, k, most, start);
		if (start[0].peak <= most) {
			pass_log(cx, "room for launches side by side, %u steps apart: %lld -> %lld bytes", windows[i],
			         (long long)peak, (long long)start[0].peak);
			return pack_all(k, start[0].order, start[0].lowest);
		}
	}
	k->apart = NULL;
	return -1;
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
	k.placed = NEWN(p.a, uint32_t, g->buf.n);
	for (uint32_t b = 1; b < g->buf.n; b++) {
		const Buf *f = &g->buf.p[b];

		if (f->kind == BUF_ARENA && f->bytes > 0)
			k.item[k.n++] = (Item){ .size = plan_align(f->bytes), .first = f->first, .last = f->last, .buf = b };
	}
	g->plan.bound = bound_of(p.a, &k, p.end);
	g->plan.peak = k.n ? pack(p.a, cx, &k, g->plan.bound) : 0;
	for (size_t i = 0; i < k.n; i++)
		g->buf.p[k.item[i].buf].offset = k.item[i].offset;
	if (cx->beside && k.n) {
		int64_t peak = pack_beside(&p, cx, &k, g->plan.peak);

		for (size_t i = 0; i < k.n && peak >= 0; i++)
			g->buf.p[k.item[i].buf].offset = k.item[i].offset;
		g->plan.peak = peak >= 0 ? peak : g->plan.peak;
	}
	pass_log(cx, "%zu buffers, %zu outs over an operand; peak %lld, bound %lld (%+.2f %%)", k.n, merged,
	         (long long)g->plan.peak, (long long)g->plan.bound,
	         g->plan.bound ? 100.0 * (double)(g->plan.peak - g->plan.bound) / (double)g->plan.bound : 0);
	arena_free(p.a);
	return true;
}
