/* split.c -- the early layers run for a few pictures at a time.
 *
 *     %2 = conv2d %1 : [32,..]            %5 = conv2d (slice %1 {0..8})  : [8,..]
 *     %3 = conv2d %2 : [32,..]            %6 = conv2d %5                 : [8,..]
 *     %4 = conv2d %3 : [32,..]     =>     …
 *                                         %3 = concat %6, %9, %12, %15   : [32,..]   a join
 *                                         %4 = conv2d %3 : [32,..]
 *
 * The first maps of a network are its largest by far and are gone after a few layers, but for a
 * batch of pictures they decide how large the arena is.  In slices only their result exists for
 * all pictures, and what lies between stays in caches.
 *
 * The price is launches, a third more at most, so where to cut is worked out.  The passes behind this
 * one run on a copy; from the lifetimes of its plan follows what a cut's first part would need:
 *
 *     what is alive at the cut, for all pictures + what is alive before it, for the pictures of a slice
 *
 * The cut that needs least is tried, on another copy, which tells how large the arena gets for the
 * rest of the network.  A first part that needs hardly more than that is good enough: of those, the
 * one with the fewest launches is taken, if trying shows that it is.
 *
 * needs: order; the last pass before what looks at launches.   breaks: users.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "passes/build.h"

enum { SLICES = 64 };   /* arguments that a concat may have */

typedef struct Split {
	Graph *g;
	Arena *tmp;
	int64_t n;              /* pictures */
	int32_t *step;          /* by value: of the schedule of the copy; INT32_MAX: not there */
	int64_t *live, *across; /* by step: bytes alive; bytes alive at it and at the next */
	int64_t *launches;      /* by step: those up to it that go along with pictures */
	int32_t steps;
	bool *inside;           /* by value: made in slices */
} Split;

typedef struct Cut { int32_t step; int64_t slices, launches, peak; } Cut;

static const Node *
node(const Split *s, Val v)
{
	return graph_node(s->g, v);
}

/* ---- what goes along with pictures ------------------------------------------------------ */

static bool
has_all(const Split *s, Val v)
{
	return node(s, v)->type.rank > 0 && node(s, v)->type.dim[0] == s->n;
}

/* How many of v's arguments, from the first, go along with pictures; -1: v is not made picture by picture. */
static int
along(const Split *s, Val v)
{
	const Node *n = node(s, v);
	const Attr *axes = attr_find(n, A_axes);
	int count = n->op == OP_attention ? 3 : n->op == OP_concat ? n->narg : 1;

	if (!has_all(s, v))
		return -1;
	switch (n->op) {
	case OP_conv2d: case OP_pool: case OP_resize: case OP_attention: case OP_reshape: case OP_broadcast:
		break;
	case OP_permute:
		if (axes->v[0] != 0)
			return -1;
		break;
	case OP_slice: case OP_concat: case OP_softmax: case OP_argmax: case OP_expect:
		if (attr_int(n, A_axis, 0) == 0)
			return -1;
		break;
	default:
		if (op_info[n->op].fuse != FUSE_POINT)
			return -1;
		for (int i = 0; i < n->narg; i++)
			if (!has_all(s, n->arg[i]) && node(s, n->arg[i])->type.dim[0] != 1)
				return -1;
		return n->narg;
	}
	for (int i = 0; i < count; i++)
		if (!has_all(s, n->arg[i]))
			return -1;
	for (int i = count; i < n->narg; i++)
		if (!is_constant(node(s, n->arg[i])))
			return -1;
	return count;
}

/* ---- what the plan would be ----------------------------------------------------------- */

/* A copy to try things on, without values that passes would pack. */
static Graph *
copy_of(Arena *a, const Graph *g)
{
	enum { NUMBERS = 64 };
	Graph *h = graph_clone(a, g);

	for (Val v = 1; v < h->node.n; v++)
		if (is_source(graph_node(h, v)) && type_count(&graph_node(h, v)->type) > NUMBERS)
			graph_node(h, v)->data = NULL;
	return h;
}

/* The passes behind this one.  The arena's size; -1: one of them failed, and will do so again. */
static int64_t
planned(Graph *h, const PassCtx *cx)
{
	PassCtx quiet = *cx;
	const char *err;
	bool changed;

	quiet.a = h->a;
	quiet.log = NULL;
	quiet.beside = false;
	for (const PassInfo *p = pass_named("split") + 1; p < pass_info + pass_count; p++)
		if (!pass_run(h, &quiet, p, false, &changed, &err))
			return -1;
	return h->plan.peak;
}

static void
read_plan(Split *s, const Graph *h)
{
	int32_t *of_group = NEWN(s->tmp, int32_t, h->group.n);

	s->steps = (int32_t)h->sched.n;
	s->step = NEWN(s->tmp, int32_t, h->node.n);
	s->live = NEWN(s->tmp, int64_t, (size_t)s->steps + 1);
	s->across = NEWN(s->tmp, int64_t, (size_t)s->steps + 1);
	s->launches = NEWN(s->tmp, int64_t, (size_t)s->steps + 1);
	for (int32_t i = 0; i < s->steps; i++)
		of_group[h->sched.p[i]] = i;
	for (Val v = 0; v < h->node.n; v++)
		s->step[v] = INT32_MAX;
	graph_foreach(h, v) {
		const Node *n = graph_node(h, v);

		s->step[v] = n->group ? of_group[n->group] : -1;
		for (int i = 0; i < n->narg && !n->group; i++)
			s->step[v] = MAX(s->step[v], s->step[n->arg[i]]);
	}
	graph_foreach(s->g, v)
		if (graph_node(h, v)->group && along(s, v) >= 0)
			s->launches[s->step[v]] = 1;
	for (int32_t i = 1; i < s->steps; i++)
		s->launches[i] += s->launches[i - 1];
	for (size_t b = 1; b < h->buf.n; b++) {
		const Buf *f = &h->buf.p[b];

		for (int32_t i = MAX(f->first, 0); f->kind == BUF_ARENA && i <= f->last; i++) {
			s->live[i] += f->bytes;
			s->across[i] += i < f->last ? f->bytes : 0;
		}
	}
}

/* Of the cuts behind the highest step that take more than so many launches, the one with the fewest
 * whose first part needs no more than `enough`; with 0, the one that needs least.  slices = 0: there is
 * none. */
static Cut
find_cut(const Split *s, int64_t enough, int64_t launches)
{
	Cut best = { .slices = 0 };
	int64_t most = 0, before = 0;

	for (int32_t i = 0; i < s->steps; i++)
		most = MAX(most, s->live[i]);
	for (int32_t i = 0; i + 1 < s->steps; i++) {
		before = MAX(before, s->live[i]);
		if (before < most)
			continue;
		for (int64_t k = 2; k <= MIN(s->n, SLICES); k++) {
			Cut c = { .step = i, .slices = k, .launches = (k - 1) * s->launches[i],
				.peak = s->across[i] + before / k };

			if (s->n % k || c.launches <= launches || c.launches > s->steps / 3 || (enough && c.peak > enough))
				continue;
			if (!best.slices || (enough ? c.launches < best.launches : c.peak < best.peak))
				best = c;
		}
	}
	return best;
}

/* ---- slices ------------------------------------------------------------------------------ */

/* v for `size` pictures, of arguments for as many */
static Val
made_of(Split *s, Val v, const Val *arg, int64_t size)
{
	Graph *g = s->g;
	Node n = *node(s, v);
	Attr *attr = arena_dup(g->a, n.attr, sizeof *attr * (size_t)n.nattr);
	Val made;

	for (int i = 0; i < n.nattr; i++)
		if (attr[i].key == A_shape) {
			int64_t dim[MAX_RANK];

			memcpy(dim, attr[i].v, sizeof *dim * (size_t)attr[i].n);
			dim[0] = size;
			attr[i] = attr_of_ints(g->a, A_shape, dim, attr[i].n);
		}
	made = n.op == OP_cast ? build_cast(g, v, arg[0], n.type.dt) : build(g, v, n.op, arg, n.narg, attr, n.nattr);
	if (made && !graph_node(g, made)->name)
		graph_node(g, made)->name = n.name;
	return made;
}

/* One slice: made[v] for all v inside. */
static void
make_slice(Split *s, int64_t from, int64_t size, Val *made)
{
	for (size_t i = 0; i < s->g->order.n; i++) {
		Val v = s->g->order.p[i];
		int narg = node(s, v)->narg, sliced = s->inside[v] ? along(s, v) : 0;
		Val *arg;

		if (!s->inside[v])
			continue;
		arg = NEWN(s->tmp, Val, (size_t)narg);
		for (int k = 0; k < narg; k++) {
			Val x = node(s, v)->arg[k];

			if (k < sliced && has_all(s, x) && !made[x])
				made[x] = build_slice(s->g, x, x, 0, from, from + size, 1);
			arg[k] = k < sliced && has_all(s, x) ? made[x] : x;
		}
		made[v] = made_of(s, v, arg, size);
	}
}

static bool
is_wanted(const Split *s, Val v)
{
	graph_foreach(s->g, r)
		for (int i = 0; !s->inside[r] && i < node(s, r)->narg; i++)
			if (node(s, r)->arg[i] == v)
				return true;
	return is_output(s->g, v);
}

static void
cut(Split *s, const Cut *c)
{
	Graph *g = s->g;
	size_t count = g->node.n;
	Val **made = NEWN(s->tmp, Val *, (size_t)c->slices), *part = NEWN(s->tmp, Val, (size_t)c->slices);

	s->inside = NEWN(s->tmp, bool, count);
	graph_foreach(g, v)
		s->inside[v] = !is_source(node(s, v)) && s->step[v] <= c->step && along(s, v) >= 0;
	for (int64_t i = 0; i < c->slices; i++) {
		made[i] = NEWN(s->tmp, Val, count);
		make_slice(s, i * (s->n / c->slices), s->n / c->slices, made[i]);
	}
	/* the order is that of before, so it has no nodes without a step */
	graph_foreach(g, v) {
		if (!s->inside[v] || !is_wanted(s, v))
			continue;
		for (int64_t i = 0; i < c->slices; i++)
			part[i] = made[i][v];
		graph_replace(g, v, build_concat(g, v, part, (int)c->slices, 0));
	}
}

/* Pictures of a run: what the first convolution makes. */
static int64_t
batch_of(const Graph *g)
{
	graph_foreach(g, v)
		if (graph_node(g, v)->op == OP_conv2d)
			return graph_node(g, v)->type.dim[0];
	return 1;
}

/* The arena's size after a cut; -1: a pass fails. */
static int64_t
tried(Split *s, const Cut *c, const PassCtx *cx)
{
	Graph *g = s->g;
	int64_t peak;

	s->g = copy_of(s->tmp, g);
	cut(s, c);
	graph_order(s->g);
	peak = planned(s->g, cx);
	s->g = g;
	return peak;
}

static Cut
choose_cut(Split *s, int64_t peak, const PassCtx *cx)
{
	enum { TRIALS = 3 };
	Cut best = find_cut(s, 0, 0), c = { .launches = 0 };
	int64_t enough;

	best.peak = best.slices ? tried(s, &best, cx) : -1;
	enough = best.peak + best.peak / 32;
	if (best.peak < 0 || best.peak > peak - peak / 8)
		return (Cut){ .slices = 0 };
	for (int i = 0; i < TRIALS; i++) {
		c = find_cut(s, enough, c.launches);
		if (!c.slices || c.launches >= best.launches)
			break;
		c.peak = tried(s, &c, cx);
		if (c.peak >= 0 && c.peak <= enough)
			return c;
	}
	return best;
}

bool
pass_split(Graph *g, PassCtx *cx)
{
	Split s = { .g = g, .n = batch_of(g) };
	Cut c = { .slices = 0 };
	int64_t peak;
	Graph *h;

	if (s.n < 2 || g->group.n > 1)
		return false;
	s.tmp = arena_new();
	peak = planned(h = copy_of(s.tmp, g), cx);
	if (peak > cx->target->l2) {            /* what fits the cache is as good as it gets */
		read_plan(&s, h);
		c = choose_cut(&s, peak, cx);
	}
	if (c.slices) {
		cut(&s, &c);
		pass_log(cx, "%lld slices of the first %d steps, %lld launches more: %lld -> %lld bytes", (long long)c.slices,
		         c.step + 1, (long long)c.launches, (long long)peak, (long long)c.peak);
	}
	arena_free(s.tmp);
	return c.slices > 0;
}
