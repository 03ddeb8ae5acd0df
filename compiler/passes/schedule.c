/* schedule.c -- an order of the groups that keeps few bytes alive.
 *
 *     a ─▶ b ─▶ c ─┐          a b c d e f      holds c while d and e run
 *     d ─▶ e ──────┴▶ f   =>  d e a b c f      holds e, which is smaller
 *
 * The arena can be no smaller than the largest set of storage alive at one time, and which
 * sets there are is decided here.  The best order is expensive to find, so several are
 * made and the one with the lowest peak wins: the order of the spec; depth first from the
 * outputs, the hungrier argument first; and greedy, which runs whatever is ready and leaves
 * the fewest bytes behind.  Then single groups are moved as long as that lowers the peak.
 * Of equals the first wins, so that the same graph always gives the same order.
 *
 * A group that writes over an operand costs nothing, here as in the plan.
 *
 * needs: groups, workspace.   breaks: nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "passes/live.h"

typedef struct Sched {
	Arena *a;
	const Graph *g;
	Live live;
	size_t n;               /* groups to run */
	uint32_t *uses;         /* by block: touches still to come, in the run at hand */
	bool *there;            /* by block: allocated */
} Sched;

/* ---- how much an order needs --------------------------------------------------------- */

static void
run_begin(Sched *s)
{
	for (size_t b = 1; b < s->live.block.n; b++) {
		s->uses[b] = s->live.block.p[b].uses;
		s->there[b] = false;
	}
}

/* Bytes allocated for what the group writes; none for an out that takes the place of an operand. */
static int64_t
grows(const Sched *s, const Touch *t)
{
	int64_t also = t->also && !s->there[t->also] ? s->live.block.p[t->also].bytes : 0;

	if (s->there[t->out])
		return also;
	for (size_t i = 0; i < t->over.n; i++)
		if (s->uses[t->over.p[i]] == 1)
			return also;
	return also + s->live.block.p[t->out].bytes;
}

/* Bytes that nobody needs after the group has run. */
static int64_t
shrinks(const Sched *s, const Touch *t)
{
	int64_t freed = 0;
	bool over = false;

	for (size_t i = 0; i < t->read.n; i++) {
		const Block *b = &s->live.block.p[t->read.p[i]];

		if (s->uses[t->read.p[i]] == 1 && !b->kept)
			freed += b->bytes;
	}
	for (size_t i = 0; i < t->over.n && !over; i++)
		over = s->uses[t->over.p[i]] == 1;
	/* what the out took over is not free */
	return over && !s->there[t->out] ? freed - s->live.block.p[t->out].bytes : freed;
}

/* Runs a group: live bytes go on from *live, the highest so far to *peak. */
static void
run_step(Sched *s, uint32_t group, int64_t *live, int64_t *peak)
{
	const Touch *t = &s->live.touch[group];
	int64_t up = grows(s, t), down = shrinks(s, t);

	*live += up;
	*peak = MAX(*peak, *live + t->work);
	*live -= down;
	s->there[t->out] = true;
	s->uses[t->out]--;
	if (t->also) {
		s->there[t->also] = true;
		s->uses[t->also]--;
	}
	for (size_t i = 0; i < t->read.n; i++)
		s->uses[t->read.p[i]]--;
}

static int64_t
peak_of(Sched *s, const uint32_t *order)
{
	int64_t live = 0, peak = 0;

	run_begin(s);
	for (size_t i = 0; i < s->n; i++)
		run_step(s, order[i], &live, &peak);
	return peak;
}

/* ---- orders ---------------------------------------------------------------------------- */

static uint32_t *
new_order(Sched *s)
{
	return NEWN(s->a, uint32_t, s->n + 1);
}

/* Groups are numbered as the spec has them, so by number is an order. */
static uint32_t *
as_written(Sched *s)
{
	uint32_t *order = new_order(s), *left = NEWN(s->a, uint32_t, s->live.ngroup);
	bool *done = NEWN(s->a, bool, s->live.ngroup);
	size_t n = 0;

	for (uint32_t id = 1; id < s->live.ngroup; id++)
		left[id] = (uint32_t)s->live.touch[id].needs.n;
	while (n < s->n) {
		size_t before = n;

		for (uint32_t id = 1; id < s->live.ngroup; id++) {
			const Touch *t = &s->live.touch[id];

			if (s->g->group.p[id].family == FAM_none || done[id] || left[id])
				continue;
			done[id] = true;
			order[n++] = id;
			for (size_t i = 0; i < t->feeds.n; i++)
				left[t->feeds.p[i]]--;
		}
		if (n == before)
			return NULL;    /* a cycle */
	}
	return order;
}

/* Depth first from the ends, without recursion; of a group's needs the one with the larger
 * subtree (in bytes it holds at its worst) first.  `given` is any order. */
static uint32_t *
depth_first(Sched *s, const uint32_t *given)
{
	uint32_t *order = new_order(s), *stack = NEWN(s->a, uint32_t, s->live.ngroup);
	size_t *next = NEWN(s->a, size_t, s->live.ngroup), n = 0;
	bool *seen = NEWN(s->a, bool, s->live.ngroup);
	int64_t *hunger = NEWN(s->a, int64_t, s->live.ngroup);

	for (size_t i = 0; i < s->n; i++) {
		Touch *t = &s->live.touch[given[i]];

		hunger[given[i]] = s->live.block.p[t->out].bytes + t->work;
		for (size_t k = 0; k < t->needs.n; k++)
			hunger[given[i]] = MAX(hunger[given[i]], hunger[t->needs.p[k]]);
		/* insertion sort: hungriest first */
		for (size_t k = 1; k < t->needs.n; k++)
			for (size_t j = k; j > 0 && hunger[t->needs.p[j - 1]] < hunger[t->needs.p[j]]; j--) {
				uint32_t x = t->needs.p[j];

				t->needs.p[j] = t->needs.p[j - 1];
				t->needs.p[j - 1] = x;
			}
	}
	for (size_t i = 0; i < s->n; i++) {
		size_t depth = 0;

		if (s->live.touch[given[i]].feeds.n)
			continue;
		seen[given[i]] = true;
		stack[depth++] = given[i];
		while (depth) {
			uint32_t id = stack[depth - 1];
			const Touch *t = &s->live.touch[id];

			if (next[id] == t->needs.n) {
				order[n++] = id;
				depth--;
				continue;
			}

			uint32_t x = t->needs.p[next[id]++];

			if (!seen[x]) {
				seen[x] = true;
				stack[depth++] = x;
			}
		}
	}
	return n == s->n ? order : NULL;
}

/* Always the ready group that leaves the fewest bytes behind; of equals the one whose step
 * needs the fewest, then the one that `given` has first.  With `patient`, a group that only
 * adds bytes runs as late as possible: among those, the one that `given` has first. */
static uint32_t *
greedy(Sched *s, const uint32_t *given, bool patient)
{
	uint32_t *order = new_order(s), *left = NEWN(s->a, uint32_t, s->live.ngroup);
	uint32_t *pos = NEWN(s->a, uint32_t, s->live.ngroup);
	VEC(uint32_t) ready = { 0 };
	int64_t live = 0, peak = 0;

	for (size_t i = 0; i < s->n; i++) {
		pos[given[i]] = (uint32_t)i;
		left[given[i]] = (uint32_t)s->live.touch[given[i]].needs.n;
		if (!left[given[i]])
			vec_push(s->a, &ready, given[i]);
	}
	run_begin(s);
	for (size_t n = 0; n < s->n; n++) {
		size_t best = 0;
		int64_t best_net = 0, best_up = 0;

		for (size_t i = 0; i < ready.n; i++) {
			const Touch *t = &s->live.touch[ready.p[i]];
			int64_t up = grows(s, t) + t->work, net = up - t->work - shrinks(s, t);

			if (patient && net > 0)
				net = 1, up = 0;
			if (i == 0 || net < best_net || (net == best_net && (up < best_up ||
			    (up == best_up && pos[ready.p[i]] < pos[ready.p[best]]))))
				best = i, best_net = net, best_up = up;
		}

		uint32_t id = ready.p[best];
		const Touch *t = &s->live.touch[id];

		ready.p[best] = ready.p[--ready.n];
		order[n] = id;
		run_step(s, id, &live, &peak);
		for (size_t i = 0; i < t->feeds.n; i++)
			if (!--left[t->feeds.p[i]])
				vec_push(s->a, &ready, t->feeds.p[i]);
	}
	return order;
}

/* ---- moving single groups ---------------------------------------------------------------- */

/* Where order[i] may go without running before what it needs, or after what needs it. */
static void
legal_range(const Sched *s, const uint32_t *pos, uint32_t id, size_t *lo, size_t *hi)
{
	const Touch *t = &s->live.touch[id];

	*lo = 0;
	*hi = s->n - 1;
	for (size_t i = 0; i < t->needs.n; i++)
		*lo = MAX(*lo, (size_t)pos[t->needs.p[i]] + 1);
	for (size_t i = 0; i < t->feeds.n; i++)
		*hi = MIN(*hi, (size_t)pos[t->feeds.p[i]] - 1);
}

static void
move_to(uint32_t *order, size_t from, size_t to)
{
	uint32_t id = order[from];

	if (from < to)
		memmove(&order[from], &order[from + 1], (to - from) * sizeof *order);
	else
		memmove(&order[to + 1], &order[to], (from - to) * sizeof *order);
	order[to] = id;
}

/* Moves groups one at a time while that lowers the peak. */
static int64_t
polish(Sched *s, uint32_t *order, int64_t peak)
{
	enum { TRIALS = 20000 };
	uint32_t *pos = NEWN(s->a, uint32_t, s->live.ngroup);
	bool better = true;
	int trials = 0;

	while (better) {
		better = false;
		for (size_t i = 0; i < s->n; i++) {
			size_t lo, hi, best = i;

			for (size_t k = 0; k < s->n; k++)
				pos[order[k]] = (uint32_t)k;
			legal_range(s, pos, order[i], &lo, &hi);
			for (size_t to = lo; to <= hi; to++) {
				int64_t p;

				if (to == i)
					continue;
				if (++trials > TRIALS)
					return peak;
				move_to(order, i, to);
				p = peak_of(s, order);
				move_to(order, to, i);
				if (p < peak) {
					peak = p;
					best = to;
				}
			}
			if (best != i) {
				move_to(order, i, best);
				better = true;
			}
		}
	}
	return peak;
}

bool
pass_schedule(Graph *g, PassCtx *cx)
{
	static const char *const name[] = { "as written", "depth first", "greedy", "patient" };
	Sched s = { .a = arena_new(), .g = g };
	uint32_t *order[COUNT(name)], *best = NULL;
	int64_t peak = INT64_MAX;
	const char *why;

	if ((why = live_find(s.a, g, &s.live)) != NULL) {
		pass_fail(cx, "%s", why);
		arena_free(s.a);
		return false;
	}
	for (size_t i = 1; i < g->group.n; i++)
		s.n += g->group.p[i].family != FAM_none;
	s.uses = NEWN(s.a, uint32_t, s.live.block.n);
	s.there = NEWN(s.a, bool, s.live.block.n);
	order[0] = as_written(&s);
	if (!order[0]) {
		pass_fail(cx, "the groups depend on each other in a circle");
		arena_free(s.a);
		return false;
	}
	order[1] = depth_first(&s, order[0]);
	order[2] = greedy(&s, order[0], false);
	order[3] = greedy(&s, order[0], true);
	for (size_t i = 0; i < COUNT(name); i++) {
		int64_t p;

		if (!order[i])
			continue;
		p = peak_of(&s, order[i]);
		pass_log(cx, "%s: %lld bytes alive at most", name[i], (long long)p);
		if (p < peak) {
			peak = p;
			best = order[i];
		}
	}
	peak = polish(&s, best, peak);
	pass_log(cx, "chosen: %lld bytes", (long long)peak);
	g->sched.n = 0;
	for (size_t i = 0; i < s.n; i++)
		vec_push(g->a, &g->sched, best[i]);
	arena_free(s.a);
	return true;
}
