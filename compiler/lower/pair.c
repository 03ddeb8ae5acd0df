/* pair.c -- two convolutions on GPUs with matrix units, the second of several taps: what lies between them is a patch in
 * shared memory.
 *
 *     picture             patch of the first's result      tile
 *     ┌───────────────┐   ┌─────────────┐
 *     │ halo of both  │   │ halo        │   W2
 *     │   ┌───────┐   │ ▶ │  ┌───────┐  │  ────▶  TH x TW pixels
 *     │   │       │   │W1 │  │       │  │
 *
 * A block makes the pixels that its tile of the second convolution sees, rounded to the type that they would have in
 * memory, in the planes of conv_patch.c; that file's products then read them as if they had been copied.  Pixels
 * outside the first's result are zeros, the second's padding: they are not what the first would give there.
 * Halos are made again by each block that sees them.  What that costs is less than the way through memory where
 * maps are large and channels few, and less than a launch where there is little work at all.
 *
 * Rows of the first product are the patch's pixels, one after another, 16 at a time; the rows past the last pixel repeat
 * it and go to places of the planes that nobody reads.  Its input is a patch, too: the bytes of the first
 * convolution of a network, or planes that come by cp.async; the next tile's come while this one's second product is made.
 * A block that makes only some groups of the second convolution makes only their channels of the first.
 *
 * tile = { TH, TW, columns, warps along M, warps along N, blocks in a multiprocessor }; weights packed with pack = 1.
 * choose_pair() leaves ntile 0 if the group can't be a pair or should not: the pass pair asks.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "lower/conv_patch.h"

enum { T_TH, T_TW, T_COLS, T_WM, T_WN, T_BLOCKS, T_COUNT };

/* The convolutions of a group. */
typedef struct Pair {
	ConvShape first, second;
	Val mid;                /* what the second reads */
	DType dt;               /* of that, and of all products */
	bool stem;
	int64_t apart[2];       /* bytes that each reads and writes as a launch of its own */
} Pair;

/* What follows from a tile: of the first, its rows are the pixels of the second's patch. */
typedef struct PairCut {
	PatchCut a, b;
	int64_t h, w, pixels;   /* of the patch between them */
	int64_t shift;          /* stem: columns that its patch begins before that */
	int64_t fragments;      /* of 16 of those pixels */
	int blocks;
} PairCut;

/* ---- what a group is ------------------------------------------------------------------------------ */

static bool
is_undilated(const Graph *g, Val v)
{
	const Node *n = graph_node(g, v);

	return node_nhwc(n) && attr_ints(n, A_dilation, 0, 1) == 1 && attr_ints(n, A_dilation, 1, 1) == 1;
}

/* Is it the same for all pixels? */
static bool
is_per_channel(const Node *n)
{
	const int64_t *d = n->type.dim;

	return type_count(&n->type) == 1 || (n->type.rank == 4 && d[0] == 1 && d[1] == 1 && d[2] == 1);
}

/* Marks what leads from the first convolution to v.  False: it is more than pointwise work on its result. */
static bool
mark_first(const Graph *g, uint32_t id, Val v, Val conv, bool *mine)
{
	const Node *n = graph_node(g, v);

	if (mine[v] || v == conv)
		return mine[v] = true;
	if (n->group != id || n->keep != KEEP_GROUP)
		return is_per_channel(n);
	if (op_info[n->op].fuse != FUSE_POINT)
		return false;
	mine[v] = true;
	for (int i = 0; i < n->narg; i++)
		if (!mark_first(g, id, n->arg[i], conv, mine))
			return false;
	return true;
}

/* The epilogue of the second: nothing of it reads what the first has made.  Counts what it reads. */
static bool
suits_second(const Graph *g, uint32_t id, Pair *p, const bool *mine)
{
	p->second.operands = 0;
	graph_foreach(g, v) {
		const Node *n = graph_node(g, v);

		if (n->group != id || mine[v] || v == p->second.root || (p->stem && v == p->first.x))
			continue;
		if (op_info[n->op].fuse != FUSE_POINT)
			return false;
		for (int i = 0; i < n->narg; i++) {
			const Node *x = graph_node(g, n->arg[i]);

			if (mine[n->arg[i]] || (p->stem && n->arg[i] == p->first.x))
				return false;
			if (x->group == id || type_count(&x->type) == 1)
				continue;
			p->second.operands++;
			p->apart[1] += type_bytes(&x->type);
		}
	}
	return true;
}

static bool
find_pair(Arena *a, const Graph *g, const Target *t, const Group *gr, Pair *p)
{
	uint32_t id = graph_node(g, gr->root)->group;
	bool *mine = NEWN(a, bool, g->node.n);
	const Node *mid, *x;
	Group one = *gr;
	Val first = 0;

	graph_foreach(g, v) {
		if (graph_node(g, v)->group != id || graph_node(g, v)->op != OP_conv2d || v == gr->root)
			continue;
		if (first)
			return false;
		first = v;
	}
	if (!first || graph_node(g, gr->root)->op != OP_conv2d || t->kind != TARGET_GPU || t->mma == MMA_NONE)
		return false;
	*p = (Pair){ .second = conv_of(g, gr) };
	one.root = first;
	p->first = conv_of(g, &one);
	p->first.operands = 0;
	p->mid = p->second.x;
	mid = graph_node(g, p->mid);
	x = graph_node(g, p->first.x);
	p->dt = mid->type.dt;
	p->stem = conv_patch_stem(&p->first, g);
	if (mid->group != id || !mark_first(g, id, p->mid, first, mine) || !mine[first] || !suits_second(g, id, p, mine))
		return false;
	p->apart[0] = type_bytes(&mid->type) + (p->stem ? type_bytes(&graph_node(g, x->arg[0])->type) : type_bytes(&x->type));
	p->apart[1] += type_bytes(&mid->type) + type_bytes(&graph_node(g, gr->out)->type);
	if ((p->dt != DT_F16 && !(p->dt == DT_BF16 && t->has & GPU_BF16)) || p->first.mean || !is_undilated(g, first) ||
	    !is_undilated(g, gr->root) || p->first.groups != 1 || p->first.oc % PIECE || p->first.r > 7 || p->first.s > 7)
		return false;
	if (!p->stem && (p->first.c % PIECE || x->group == id || x->type.dt != p->dt))
		return false;
	return p->second.r * p->second.s > 1 && p->second.r <= 7 && p->second.s <= 7 && p->second.c % PIECE == 0 &&
		p->second.oc / p->second.groups % PIECE == 0;
}

/* ---- tiles ------------------------------------------------------------------------------------------ */

/* How warps share the first product: as few products, and reads of shared memory for them, as can be. */
static void
share_first(PairCut *u, int warps)
{
	enum { SUMS = 16, AT_ONCE = 4 };
	PatchCut *a = &u->a;
	double best = INFINITY;

	for (int wn = 1; wn <= warps; wn *= 2)
		for (int mt = 1; mt <= AT_ONCE; mt++) {
			int nt = a->cols / wn / 8;
			bool hold = a->halves * nt <= 40;
			double turns, work;

			if (warps % wn || a->cols % (8 * wn) || (mt > 1 && mt * nt > SUMS))
				continue;
			turns = (double)ceil_div(u->fragments, mt * (warps / wn));
			work = turns * (mt * (nt + 0.7) + (hold ? 0 : (nt + 1) / 2 * 0.7) + 0.3);
			if (work < best) {
				best = work;
				a->wm = warps / wn, a->wn = wn, a->mt = mt, a->nt = nt, a->hold = hold;
			}
		}
	a->warp_groups = 1;
}

static PairCut
cut_pair(const Pair *p, const int32_t *tile)
{
	const ConvShape *c = &p->second;
	PairCut u = { .blocks = tile[T_BLOCKS] };
	int32_t of[] = { tile[T_TH], tile[T_TW], tile[T_COLS], 1, tile[T_WM], tile[T_WN] };
	int sums;

	u.b = patch_cut(c, of);
	u.h = u.b.h;
	u.w = u.b.w;
	u.pixels = u.h * u.w;
	u.fragments = ceil_div(u.pixels, 16);
	u.shift = p->stem ? ceil_div(c->pw, STEM_PLACES) * STEM_PLACES - c->pw : 0;
	of[0] = (int32_t)u.h;
	of[1] = (int32_t)(u.w + u.shift);
	of[2] = (int32_t)(u.b.groups * c->c);
	of[4] = of[5] = 1;
	u.a = patch_cut(&p->first, of);
	u.a.threads = u.b.threads;
	share_first(&u, tile[T_WM] * tile[T_WN]);
	/* rows past the last pixel have places, too */
	patch_set_rows(&u.b, (ceil_div(u.fragments, u.a.mt) * u.a.mt * 16 - 1) / u.w + 1);
	sums = 4 * MAX(u.a.mt * u.a.nt, u.b.mt * (u.b.nt + 1) * u.b.warp_groups);
	u.b.hold = u.b.halves * u.b.nt * u.b.warp_groups <= 80 &&
		u.b.halves * u.b.nt * u.b.warp_groups + (u.a.hold ? u.a.halves * u.a.nt : 0) + sums <= 144;
	return u;
}

static int64_t
shared_bytes(const Pair *p, const PairCut *u)
{
	return (u->a.patch + u->b.patch + u->a.cols * u->a.pitch + u->b.cols * u->b.pitch) * 2 +
		(p->first.bias ? 4 * p->first.oc : 0) + (p->second.bias ? 4 * p->second.oc : 0) + 6 * 128;
}

/* Registers of a thread, by what ptxas made of some twenty. */
static int
regs_of(const Pair *p, const PairCut *u)
{
	const PatchCut *a = &u->a, *b = &u->b;
	int first = 4 * a->mt * a->nt + 4 * a->mt + (a->hold ? 0 : 2 * a->nt), second = 4 * b->mt * b->nt * b->warp_groups + 4 * b->mt +
		(b->hold ? 0 : 2 * b->nt), all = (p->stem ? 40 : 56) + MAX(first, second);

	all += (a->hold ? a->halves * a->nt : 0) + (b->hold ? b->halves * b->nt * b->warp_groups : 0);
	if (p->stem)
		all += 8 * (int)ceil_div(a->h * (a->row / STEM_PLACES), a->threads);
	return MIN((all + 7) / 8 * 8, 255);
}

static bool
fits(const Pair *p, const PairCut *u, const Target *t)
{
	return shared_bytes(p, u) <= t->shared_block && u->blocks * (shared_bytes(p, u) + 1024) <= t->shared_sm &&
		u->blocks * u->b.threads <= t->threads_sm && u->blocks * u->b.threads * regs_of(p, u) <= 65536;
}

static int64_t
blocks_of(const PairCut *u, const Target *t)
{
	return MIN(u->b.tiles, MAX(1, (int64_t)u->blocks * t->sms / u->b.columns));
}

/* The longest of the parts, and a share of the others. */
static double
part_sum(const double *part, int n)
{
	const double others = 0.12;
	double most = 0, sum = 0;

	for (int i = 0; i < n; i++) {
		most = MAX(most, part[i]);
		sum += part[i];
	}
	return most + others * (sum - most);
}

/* Clocks of one multiprocessor: the two products of a tile one after another, for there is a barrier between them, beside
 * the traffic with memory; or, with few blocks, as long as what follows one from another takes.  Rates are those of
 * conv_patch.c; the rest was fitted to the first two layers of YOLOv12n and x on an H100 80GB. */
static double
cost(const Pair *p, const Target *t, const PairCut *u)
{
	const double products = 1500, cache_rate = 60, memory_rate = 10, shared_rate = 94, issues = 2.74;     /* a clock */
	const double copy = p->stem ? 30 : 75, between = 40, row = 80, pair = 80, tile = 185;   /* instructions of a warp */
	const double start = 2000, arrive = 900, turn = 200, step = 20, values = 18, end = 300, beside = 0.78;
	const PatchCut *a = &u->a, *b = &u->b;
	const ConvShape *c = &p->second;
	double blocks = (double)(b->tiles * b->columns), per_sm = ceil(blocks / t->sms), resident = MIN(u->blocks, per_sm);
	double warps = b->wm * b->wn, turns = (double)ceil_div(u->fragments, a->mt * a->wm), all = turns * a->mt * a->wm;
	double steps = a->halves / 2.0, nt = b->nt * b->warp_groups;
	double pieces = p->stem ? (double)(a->h * a->row) : (double)(a->h * a->w * a->planes);
	double ins = pieces * (p->stem ? 6 : 16), outs = (double)b->th * b->tw * b->cols * 2 * (1 + c->operands);
	double first[] = {
		all * 16 * a->cols * a->halves * PIECE / products,
		((all * a->wn + (a->hold ? 0 : turns * a->wm * a->wn * ceil(a->nt / 2.0))) * steps * 512 + pieces * 16 +
		 all * 16 * a->cols * 2) / shared_rate,
		(all * a->cols / 8 * between + all * a->wn * row + pieces / 32 * copy) / issues,
	}, second[] = {
		(double)b->th * b->tw * b->cols * b->halves * PIECE / products,
		warps * b->halves / 2 * (b->mt * b->warp_groups + (b->hold ? 0 : ceil(b->nt / 2.0) * b->warp_groups)) * 512 / shared_rate,
		(warps * b->mt * nt * (pair + 8 * c->operands) + warps * tile) / issues,
	};
	double memory = MAX((ins + outs) / cache_rate, ((double)b->th * b->tw * c->sh * c->sw * p->first.sh * p->first.sw *
		(p->stem ? 3 : 2 * (double)p->first.c) / (double)b->columns + outs) / memory_rate);
	double weights = (double)(b->cols * b->halves + a->cols * a->halves) * PIECE * 2 / 20;
	double late = arrive + turns * (turn + values * a->mt * a->nt + step * steps) + end + step * b->halves / 2 * b->warp_groups +
		values * b->mt * nt;
	/* One block's products run beside another's copies: 40 to 331 us on an H200 were 0.72 to 0.85 of the sums.  A few warps
	 * can't hide what each waits for. */
	double body = MAX(beside * (part_sum(first, 3) + part_sum(second, 3)), memory) * (1 + 12 / (resident * warps * resident * warps));

	return per_sm * MAX(body, late / resident) + start + weights;
}

/* Is there a kernel with this tile, which may come from a file?  Then *u is what follows from it. */
static bool
takes(const Pair *p, const Target *t, const int32_t *tile, PairCut *u)
{
	enum { SIDE = 64, MOST = 16 };
	const ConvShape *c = &p->second;
	int64_t per = c->oc / c->groups, cols = tile[T_COLS], warps = tile[T_WM];

	if (tile[T_TH] < 1 || tile[T_TH] > SIDE || (tile[T_TW] != 8 && (tile[T_TW] < 16 || tile[T_TW] > SIDE || tile[T_TW] % 16)) ||
	    cols < 8 || warps < 1 || warps > MOST || tile[T_WN] < 1 || tile[T_WN] > MOST || tile[T_BLOCKS] < 1 || tile[T_BLOCKS] > MOST)
		return false;
	/* whole groups, or an even part of one */
	if (c->oc % cols || (cols > per ? cols % per : per % cols) || tile[T_TH] % warps ||
	    (tile[T_TW] == 8 && tile[T_TH] / warps % 2) || cols % (8 * tile[T_WN]) || tile[T_TH] >= 2 * c->oh ||
	    tile[T_TW] >= 2 * c->ow || tile[T_TH] * tile[T_TW] < 16 * warps)
		return false;
	*u = cut_pair(p, tile);
	return (u->b.groups == 1 || u->b.groups % tile[T_WN] == 0) && u->b.mt * u->b.nt * u->b.warp_groups <= 24 && fits(p, u, t) &&
		u->b.mt * u->b.nt * u->b.warp_groups * u->b.halves <= 4000 && u->a.mt * u->a.nt * u->a.halves <= 4000 &&
		u->a.mt * u->a.nt <= 24;
}

static int
candidates(const Pair *p, const Target *t, LowerTile *to, int most)
{
	static const int ths[] = { 4, 8, 16 }, tws[] = { 8, 16, 32 }, warps[][2] = { { 4, 1 }, { 2, 2 }, { 8, 1 }, { 4, 2 }, { 2, 4 } };
	const ConvShape *c = &p->second;
	int n = 0;

	for (int cols = 8; cols <= 128 && cols <= c->oc; cols += 8) {
		for (size_t i = 0; i < COUNT(ths) * COUNT(tws) * COUNT(warps); i++)
			for (int blocks = 1; blocks <= 6; blocks++) {
				const int *w = warps[i % COUNT(warps)];
				LowerTile x = { .tile = { ths[i / COUNT(warps) / COUNT(tws)], tws[i / COUNT(warps) % COUNT(tws)], cols, w[0], w[1],
					blocks } };
				PairCut u;

				if (!takes(p, t, x.tile, &u) || (blocks > 1 && u.b.tiles * u.b.columns <= (int64_t)(blocks - 1) * t->sms))
					continue;
				x.cost = cost(p, t, &u);
				if (n < most)
					to[n++] = x;
			}
	}
	return n;
}

enum { TILES = 4096 };

/* A pair has to be that much better. */
#define SURE 0.93

void
choose_pair(Arena *a, const Graph *g, const Target *t, Group *gr, int *pack)
{
	LowerTile *to = NEWN(a, LowerTile, TILES);
	Pair p;
	int n, best = 0;

	*pack = 1;
	gr->ntile = 0;
	if (!find_pair(a, g, t, gr, &p))
		return;
	n = candidates(&p, t, to, TILES);
	for (int i = 1; i < n; i++)
		if (to[i].cost < to[best].cost)
			best = i;
	if (n == 0 || to[best].cost >= SURE * (conv_apart_clocks(g, t, &p.first, p.dt, p.apart[0]) +
	    conv_apart_clocks(g, t, &p.second, p.dt, p.apart[1])))
		return;
	gr->ntile = T_COUNT;
	memcpy(gr->tile, to[best].tile, sizeof gr->tile);
}

const char *
pair_key(Arena *a, const Graph *g, const Target *t, const Group *gr)
{
	const ConvShape *c, *d;
	Pair p;

	if (!find_pair(a, g, t, gr, &p))
		return NULL;
	c = &p.first, d = &p.second;
	return arena_printf(a, "pair %s %" PRId64 "x%" PRId64 "s%" PRId64 ",%" PRId64 "p%" PRId64 ",%" PRId64 " %" PRId64 "x%" PRId64
		"x%" PRId64 "x%s%" PRId64 " -> %" PRId64 " -> %" PRId64 "x%" PRId64 "s%" PRId64 ",%" PRId64 "p%" PRId64 ",%" PRId64 " g%" PRId64
		" %" PRId64 "x%" PRId64 "x%" PRId64, dtype_info[p.dt].name, c->r, c->s, c->sh, c->sw, c->ph, c->pw, c->n, c->h, c->w1,
		p.stem ? "u8 " : "", c->c, c->oc, d->r, d->s, d->sh, d->sw, d->ph, d->pw, d->groups, d->oh, d->ow, d->oc);
}

int
pair_candidates(const Graph *g, const Target *t, const Group *gr, LowerTile *to, int most)
{
	Arena *tmp = arena_new();
	Pair p;
	int n = find_pair(tmp, g, t, gr, &p) ? candidates(&p, t, to, most) : 0;

	arena_free(tmp);
	return n;
}

/* ---- the first product ------------------------------------------------------------------------------ */

typedef struct Make {
	const Pair *p;
	const PairCut *u;
	Patch a, b;
} Make;

/* The first's patch begins where the second's does, in pixels of what lies between; the stem's at a multiple of 4. */
static void
place_first(Make *m)
{
	const ConvShape *c = &m->p->second;
	KBuild *b = m->a.b;

	m->a.n = m->b.n;
	m->a.y0 = k_addi(b, k_muli(b, m->b.y0, c->sh), -c->ph);
	m->a.x0 = k_addi(b, k_muli(b, m->b.x0, c->sw), -c->pw - m->u->shift);
}

static void
place(Make *m, Reg tile)
{
	patch_place(&m->b, tile);
	place_first(m);
}

/* 16 pixels' sums through the epilogue to their places, in halves of 8. */
static void
put_fragment(Make *m, Reg from, const Reg *sum)
{
	const ConvShape *c = &m->p->first, *d = &m->p->second;
	const PatchCut *u = &m->a.u, *v = &m->b.u;
	Gen *z = m->a.z;
	KBuild *b = m->a.b;
	int unit = patch_unit(u);
	Coord at = { .r[0] = m->a.n };
	Reg ch = k_muli(b, k_op(b, K_and, m->a.lane, k_ix(b, 3), 0), 2 * unit), *pair = NEWN(z->a, Reg, (size_t)u->nt);

	ch = k_add(b, k_add(b, ch, m->a.col0), k_muli(b, m->a.warp_n, u->nt * 8));
	for (int h = 0; h < 2; h++) {
		Reg pixel = k_addi(b, k_add(b, from, k_op(b, K_shr, m->a.lane, k_ix(b, 2), 0)), 8 * h);
		Reg y = k_op(b, K_div, pixel, k_ix(b, m->u->w), 0), x = k_sub(b, pixel, k_muli(b, y, m->u->w));
		Reg part = d->sw > 1 ? k_op(b, K_div, x, k_ix(b, d->sw), 0) : x;

		at.r[1] = k_add(b, m->a.y0, y);
		at.r[2] = k_add(b, k_addi(b, m->a.x0, m->u->shift), x);
		at.r[3] = ch;
		z->or_zero = k_op(b, K_and, gen_inside(b, at.r[1], c->oh), gen_inside(b, at.r[2], c->ow), 0);
		z->held_row = k_add(b, k_muli(b, y, v->row), part);
		if (d->sw > 1)
			z->held_row = k_add(b, z->held_row, k_muli(b, k_sub(b, x, k_muli(b, part, d->sw)), v->row / d->sw));
		for (int j = 0; j < u->nt; j++)
			pair[j] = k_part(b, sum[j], 2 * h, 2);
		conv_put_pixel(z, c, &at, 0, unit, u->nt * 8, pair);
	}
	z->or_zero = 0;
}

/* The patch between the convolutions, of the tile at hand. */
static void
make_middle(Make *m, const Reg *sum)
{
	const ConvShape *c = &m->p->first;
	const PatchCut *u = &m->a.u;
	Gen *z = m->a.z;
	KBuild *b = m->a.b;
	int steps = u->halves / 2;
	bool many = u->mt * u->wm < m->u->fragments;
	Reg *fa = NEWN(z->a, Reg, (size_t)u->mt), *fb = NEWN(z->a, Reg, (size_t)u->nt), *at = NEWN(z->a, Reg, (size_t)u->mt);
	Reg low = k_op(b, K_and, m->a.lane, k_ix(b, 15), 0), high = k_op(b, K_shr, m->a.lane, k_ix(b, 4), 0), first;

	z->root = c->root;
	z->into = m->p->mid;
	first = k_muli(b, m->a.warp_m, u->mt * 16);
	if (many || m->u->fragments % (u->mt * u->wm))
		first = k_for(b, first, k_ix(b, m->u->fragments * 16), u->mt * u->wm * 16);
	gen_forget_bases(z);
	for (int i = 0; i < u->mt; i++) {
		Reg pixel = k_op(b, K_min, k_add(b, k_addi(b, first, 16 * i), low), k_ix(b, m->u->pixels - 1), 0);
		Reg y = k_op(b, K_div, pixel, k_ix(b, m->u->w), 0), x = k_sub(b, pixel, k_muli(b, y, m->u->w));

		at[i] = k_muli(b, k_add(b, k_muli(b, y, c->sh * u->row), k_addi(b, x, m->u->shift)), PIECE);
	}
	for (int i = 0; i < u->mt * u->nt; i++)
		k_mov_to(b, sum[i], k_real(b, kt(KS_F32, 4), 0));
	for (int s = 0; s < steps; s++) {
		int64_t lo = patch_half(&m->a, 2 * s), hi = patch_half(&m->a, 2 * s + 1);
		const Reg *w = m->a.held ? &m->a.held[s * u->nt] : fb;

		for (int i = 0; i < u->mt; i++)
			fa[i] = k_ldmatrix(b, m->a.sa, k_addi(b, k_add(b, at[i], k_muli(b, high, hi - lo)), lo), false);
		for (int j = 0; !m->a.held && j < u->nt; j += 2)
			patch_get_weights(&m->a, 0, s, j, &fb[j]);
		for (int i = 0; i < u->mt; i++)
			for (int j = 0; j < u->nt; j++)
				k_mma_to(b, sum[i * u->nt + j], fa[i], w[j], sum[i * u->nt + j]);
	}
	for (int i = 0; i < u->mt; i++)
		put_fragment(m, k_addi(b, first, 16 * i), &sum[i * u->nt]);
	if (many || m->u->fragments % (u->mt * u->wm))
		k_close(b);
	gen_forget_bases(z);
	z->root = m->p->second.root;
	z->into = 0;
}

/* ---- the kernel ----------------------------------------------------------------------------------------- */

static void
begin_patch(Make *m, Reg tile, Reg there)
{
	KBuild *b = m->a.b;

	if (there)
		k_if(b, there);
	place(m, tile);
	patch_copy(&m->a, k_ix(b, 0));
	if (there)
		k_close(b);
}

static void
make_tiles(Make *m, Reg first, int64_t step, const Reg *sum)
{
	KBuild *b = m->a.b;
	int64_t tiles = m->b.u.tiles;
	bool many = tiles > step, stem = m->p->stem;
	Reg tile = first, next = 0;

	if (stem) {
		m->a.loaded = NEWN(m->a.z->a, Reg, (size_t)(4 * patch_stem_items(&m->a)));
		m->a.scale = NEWN(m->a.z->a, Reg, (size_t)(4 * patch_stem_items(&m->a)));
		place(m, first);
		patch_load_bytes(&m->a, k_op(b, K_le, k_ix(b, 0), first, 0));
		patch_store_bytes(&m->a);
	} else {
		begin_patch(m, first, 0);
		k_sync(b, K_cp_commit, 0);
	}
	if (m->a.u.hold || m->b.u.hold) {
		k_sync(b, K_cp_wait, 0);
		k_sync(b, K_barrier, 0);
		if (m->a.u.hold)
			patch_hold_weights(&m->a);
		if (m->b.u.hold)
			patch_hold_weights(&m->b);
	}
	if (many)
		tile = k_for(b, first, k_ix(b, tiles), step);
	/* the patch is there, and nobody reads that between the convolutions any more */
	k_sync(b, K_cp_wait, 0);
	k_sync(b, K_barrier, 0);
	next = k_addi(b, tile, step);
	if (many && stem) {
		place(m, next);
		patch_load_bytes(&m->a, k_op(b, K_lt, next, k_ix(b, tiles), 0));
	}
	place(m, tile);
	make_middle(m, sum);
	k_sync(b, K_barrier, 0);
	if (many && stem) {
		patch_store_bytes(&m->a);
	} else if (many) {
		begin_patch(m, next, k_op(b, K_lt, next, k_ix(b, tiles), 0));
		k_sync(b, K_cp_commit, 0);
	}
	patch_multiply(&m->b, k_ix(b, 0), sum);
	patch_place(&m->b, tile);
	patch_finish(&m->b, sum);
	if (many)
		k_close(b);
	k_sync(b, K_cp_wait, 0);
}

/* The bias in shared memory, which it comes to while the launch before still runs. */
static void
bring_bias(Make *m, ConvShape *c, const char *name)
{
	KBuild *b = m->a.b;
	uint32_t buf;
	Reg at;

	if (!c->bias)
		return;
	buf = gen_buf(m->a.z, c->bias);
	c->bias_at = k_buffer(b, name, KSPACE_SHARED, DT_F32, c->oc);
	k_align(b, c->bias_at, 128);
	at = k_for(b, m->a.tid, k_ix(b, c->oc), m->a.u.threads);
	k_store(b, c->bias_at, at, k_cast(b, KS_F32, k_load(b, buf, at, 1)));
	k_close(b);
}

static uint32_t
shared_buffer(Make *m, const char *name, int64_t count)
{
	uint32_t buf = k_buffer(m->a.b, name, KSPACE_SHARED, m->p->dt, count);

	k_align(m->a.b, buf, 128);
	return buf;
}

static const char *
kernel_name(Arena *a, const Pair *p, const PairCut *u)
{
	const ConvShape *c = &p->first, *d = &p->second;

	return arena_printf(a, "pair%" PRId64 "x%" PRId64 "s%" PRId64 "_%" PRId64 "_%" PRId64 "_%" PRId64 "x%" PRId64 "s%" PRId64 "_%" PRId64
		"_%" PRId64 "_p%dx%dx%d_%d_%d_%d", c->r, c->s, c->sh, c->c, c->oc, d->r, d->s, d->sh, d->oc, d->oh * d->ow * d->n,
		u->b.th, u->b.tw, u->b.cols, u->b.wm, u->b.wn, u->blocks);
}

bool
lower_pair(LowerCtx *cx, uint32_t group, LoweredList *out, const char **err)
{
	const Group *gr = &cx->g->group.p[group];
	Gen gen, *z = &gen;
	Pair pair, *p = &pair;
	PairCut u;
	Make make, *m = &make;
	ConvShape *c = &p->first, *d = &p->second;
	int64_t blocks;
	int sums;
	Reg block, *sum;
	KBuild *b;

	if (gr->ntile != T_COUNT || !find_pair(cx->a, cx->g, cx->target, gr, p)) {
		*err = arena_printf(cx->a, "pair @%u: the kernel needs the passes layout and tile", group);
		return false;
	}
	if (!takes(p, cx->target, gr->tile, &u) || !attr_find(graph_node(cx->g, c->root), A_pack) ||
	    !attr_find(graph_node(cx->g, d->root), A_pack)) {
		*err = arena_printf(cx->a, "pair @%u: the kernel needs packed weights and a tile of its own; run the pass tile", group);
		return false;
	}
	c->pack = d->pack = 1;
	blocks = blocks_of(&u, cx->target);
	sums = MAX(u.a.mt * u.a.nt, u.b.mt * u.b.nt * u.b.warp_groups);
	gen_begin(z, cx, group, kernel_name(cx->a, p, &u));
	b = z->b;
	k_threads(b, u.b.threads, 1, 1);
	k_grid(b, blocks * u.b.columns, 1, 1);
	*m = (Make){ .p = p, .u = &u };
	m->b = (Patch){ .z = z, .b = b, .c = d, .u = u.b, .dt = p->dt, .tid = k_axis(b, KAXIS_THREAD_X), .lane = k_axis(b, KAXIS_LANE) };
	m->a = m->b;
	m->a.c = c;
	m->a.u = u.a;
	if (p->stem)
		m->a.bytes = graph_node(cx->g, c->x)->arg[0];
	else
		m->a.bx = gen_buf(z, c->x);
	m->a.bw = gen_buf(z, c->w);
	m->b.bw = gen_buf(z, d->w);
	m->a.sa = shared_buffer(m, "sa", u.a.patch);
	m->b.sa = shared_buffer(m, "sm", u.b.patch);
	m->a.sb = shared_buffer(m, "wa", u.a.cols * u.a.pitch);
	m->b.sb = shared_buffer(m, "wb", u.b.cols * u.b.pitch);
	patch_place_warp(&m->a);
	patch_place_warp(&m->b);
	block = patch_place_block(&m->b);
	m->a.group = k_ix(b, 0);
	m->a.col0 = k_muli(b, m->b.group, d->c);
	z->held = NEWN(z->a, struct GenHeld, z->g->node.n);
	z->held[p->mid] = (struct GenHeld){ .buf = m->b.sa, .at = m->a.col0, .plane = u.b.plane };
	sum = NEWN(z->a, Reg, (size_t)sums);
	for (int i = 0; i < sums; i++)
		sum[i] = k_var(b, kt(KS_F32, 4));
	/* weights don't depend on the kernel before this one: they come while it still runs */
	patch_bring_weights(&m->a);
	patch_bring_weights(&m->b);
	bring_bias(m, c, "ba");
	bring_bias(m, d, "bb");
	k_sync(b, K_cp_commit, 0);
	k_sync(b, K_grid_wait, 0);
	make_tiles(m, block, blocks, sum);
	gen_end(z, out);
	return true;
}
