/* lanes.c -- which steps of a planned graph may run at the same time.
 *
 *     neck    ──▶ 14 ──▶ 15 ──▶ 17 ──▶ 18 ──▶ 20 ──▶ head of level 5 ─┐      lane 0
 *                  └───────────▶ head of level 3 ─────────────────────┤      lane 1
 *                                └─────▶ head of level 4 ─────────────┴▶     lane 2
 *
 * A step waits for those that make what it reads, and for those that use memory that it writes:
 * both are found here from the places that the plan gave, so that they hold whatever the planner
 * hoped for.  Of these only the ones that no other implies are kept.  The longest way to the end
 * stays in its lane, where a launch may begin while the one before it ends; what is beside it gets
 * a lane of its own, or one that is free.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "passes/lanes.h"
#include "passes/live.h"

typedef struct Find {
	Arena *a;
	const Graph *g;
	Live live;
	uint32_t n;             /* steps */
	size_t words;           /* of a set of steps */
	uint64_t **before;      /* by step: those that have ended when it begins */
	VEC(uint32_t) *need;    /* by step: those that it waits for, of which none is before another */
	int64_t *rest;          /* by step: how long it and what follows take */
	uint32_t *heir;         /* by step: the step that follows in its lane, if it can; NONE */
	LaneStep *step;
} Find;

enum { NONE = UINT32_MAX };

/* What else could have passed in the time that a launch takes by itself, bytes: 2.5 us at 2.4 TB/s. */
enum { LAUNCH_BYTES = 6000000 };

/* ---- who waits for whom ------------------------------------------------------------------------ */

/* What a step does to a block of storage. */
typedef struct Use { uint32_t step, block; bool writes; } Use;
typedef VEC(Use) Uses;

/* Where it lies in the arena; false: nowhere. */
static bool
memory_of(const Find *f, uint32_t block, int64_t *from, int64_t *to)
{
	const Buf *b = &f->g->buf.p[graph_node(f->g, f->live.block.p[block].owner)->place.buf];

	*from = b->offset;
	*to = b->offset + b->bytes;
	return b->kind == BUF_ARENA && b->bytes > 0;
}

/* Do two steps use the same bytes for different things, and one of them writes? */
static bool
collide(const Find *f, const Use *x, const Use *y)
{
	int64_t x0, x1, y0, y1;

	/* parts of one block are different bytes, or made before they are read */
	return (x->writes || y->writes) && x->block != y->block && memory_of(f, x->block, &x0, &x1) &&
	       memory_of(f, y->block, &y0, &y1) && x0 < y1 && y0 < x1;
}

/* … or has one of them its workspace there? */
static bool
workspace_meets(const Find *f, uint32_t group, const Use *y)
{
	const Buf *b = &f->g->buf.p[f->g->group.p[group].work_buf];
	int64_t y0, y1;

	return f->g->group.p[group].work_buf && memory_of(f, y->block, &y0, &y1) &&
	       b->offset < y1 && y0 < b->offset + b->bytes;
}

static bool
workspaces_meet(const Find *f, uint32_t one, uint32_t other)
{
	const Group *x = &f->g->group.p[one], *y = &f->g->group.p[other];
	const Buf *b = &f->g->buf.p[x->work_buf], *c = &f->g->buf.p[y->work_buf];

	return x->work_buf && y->work_buf && b->offset < c->offset + c->bytes && c->offset < b->offset + b->bytes;
}

static void
list_uses(const Find *f, uint32_t step, Uses *to)
{
	const Touch *t = &f->live.touch[f->g->sched.p[step]];

	to->n = 0;
	vec_push(f->a, to, ((Use){ step, t->out, true }));
	if (t->also)
		vec_push(f->a, to, ((Use){ step, t->also, true }));
	for (size_t i = 0; i < t->read.n; i++)
		vec_push(f->a, to, ((Use){ step, t->read.p[i], false }));
}

static bool
must_wait(const Find *f, uint32_t early, const Uses *x, uint32_t late, const Uses *y)
{
	uint32_t one = f->g->sched.p[early], other = f->g->sched.p[late];

	for (size_t i = 0; i < x->n; i++)
		for (size_t j = 0; j < y->n; j++)
			if (collide(f, &x->p[i], &y->p[j]))
				return true;
	for (size_t i = 0; i < x->n; i++)
		if (workspace_meets(f, other, &x->p[i]))
			return true;
	for (size_t j = 0; j < y->n; j++)
		if (workspace_meets(f, one, &y->p[j]))
			return true;
	return workspaces_meet(f, one, other);
}

/* From the nearest step back, so that most are implied when their turn comes. */
static void
find_needs(Find *f)
{
	uint32_t *step_of = NEWN(f->a, uint32_t, f->g->group.n);
	Uses *uses = NEWN(f->a, Uses, f->n);

	for (uint32_t i = 0; i < f->n; i++)
		step_of[f->g->sched.p[i]] = i;
	for (uint32_t i = 0; i < f->n; i++) {
		const Touch *t = &f->live.touch[f->g->sched.p[i]];
		uint64_t *reads = NEWN(f->a, uint64_t, f->words);

		f->before[i] = NEWN(f->a, uint64_t, f->words);
		list_uses(f, i, &uses[i]);
		for (size_t k = 0; k < t->needs.n; k++)
			bit_set(reads, step_of[t->needs.p[k]]);
		for (uint32_t j = i; j-- > 0;) {
			if (bit_is(f->before[i], j) || !(bit_is(reads, j) || must_wait(f, j, &uses[j], i, &uses[i])))
				continue;
			vec_push(f->a, &f->need[i], j);
			bit_set(f->before[i], j);
			for (size_t w = 0; w < f->words; w++)
				f->before[i][w] |= f->before[j][w];
		}
	}
}

/* ---- lanes ------------------------------------------------------------------------------------- */

static int64_t
cost(const Find *f, uint32_t step)
{
	const Touch *t = &f->live.touch[f->g->sched.p[step]];
	int64_t bytes = LAUNCH_BYTES + type_bytes(&graph_node(f->g, f->g->group.p[f->g->sched.p[step]].out)->type);

	for (size_t i = 0; i < t->read.n; i++)
		bytes += f->live.block.p[t->read.p[i]].bytes;
	return bytes;
}

static void
find_heirs(Find *f)
{
	for (uint32_t i = f->n; i-- > 0;) {
		f->rest[i] += cost(f, i);       /* the longest of those behind it is there already */
		for (size_t k = 0; k < f->need[i].n; k++) {
			uint32_t j = f->need[i].p[k];

			if (f->heir[j] == NONE || f->rest[i] >= f->rest[j]) {
				f->rest[j] = f->rest[i];
				f->heir[j] = i;
			}
		}
	}
}

/* The lane of step i: that of a step whose heir it is; or one whose last step has ended for sure and
 * has no heir to come; or a new one. */
static uint32_t
choose_lane(const Find *f, uint32_t i, const uint32_t *tail, uint32_t *nlane, uint32_t most)
{
	int64_t longest = -1;
	uint32_t lane = NONE;

	for (size_t k = 0; k < f->need[i].n; k++) {
		uint32_t j = f->need[i].p[k];

		if (f->heir[j] == i && tail[f->step[j].lane] == j && f->rest[j] > longest) {
			longest = f->rest[j];
			lane = f->step[j].lane;
		}
	}
	for (uint32_t l = 0; l < *nlane && lane == NONE; l++)
		if (bit_is(f->before[i], tail[l]) && (f->heir[tail[l]] == NONE || f->heir[tail[l]] < i))
			lane = l;
	if (lane == NONE && *nlane < most)
		lane = (*nlane)++;
	/* all are taken: behind something that it need not wait for */
	return lane == NONE ? f->need[i].n ? f->step[f->need[i].p[0]].lane : 0 : lane;
}

static void
give_lanes(Find *f, uint32_t most)
{
	uint32_t *tail = NEWN(f->a, uint32_t, most), nlane = 0;

	for (uint32_t i = 0; i < f->n; i++) {
		LaneStep *s = &f->step[i];

		s->lane = choose_lane(f, i, tail, &nlane, most);
		for (size_t k = 0; k < f->need[i].n; k++) {
			uint32_t j = f->need[i].p[k];

			if (f->step[j].lane != s->lane)
				vec_push(f->a, &s->after, j);
		}
		tail[s->lane] = i;
	}
}

LaneStep *
lanes_find(Arena *a, const Graph *g, uint32_t most)
{
	Find f = { .a = a, .g = g, .n = (uint32_t)g->sched.n, .words = g->sched.n / 64 + 1 };

	f.step = NEWN(a, LaneStep, f.n + 1);
	f.before = NEWN(a, uint64_t *, f.n + 1);
	f.need = arena_array(a, f.n + 1, sizeof *f.need);
	f.rest = NEWN(a, int64_t, f.n + 1);
	f.heir = NEWN(a, uint32_t, f.n + 1);
	for (uint32_t i = 0; i < f.n; i++)
		f.heir[i] = NONE;
	if (live_find(a, g, &f.live))
		return f.step;          /* it had a plan once, so this can't be; one lane is right in any case */
	find_needs(&f);
	find_heirs(&f);
	give_lanes(&f, most);
	return f.step;
}
