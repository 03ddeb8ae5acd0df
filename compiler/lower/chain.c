/* chain.c -- convolutions in a row on GPUs with matrix units, the values between them in shared memory.
 *
 *     ┌ x ┐   W1  ┌ a ┐   W2  ┌ b ┐   W3                 a tile of BM pixels goes through all steps;
 *  BM │   │ ────▶ │   │ ────▶ │   │ ────▶  out           x comes by cp.async, a and b never leave
 *     └───┘       └───┘       └───┘                      the multiprocessor
 *
 * All weights of all steps lie in shared memory: they are copied once for each block, before the kernel waits for
 * the launch before it, and a block works on several tiles if there are more tiles than blocks that fit.
 * The pixels of the next tile then come while this one is multiplied.
 *
 * The first step may be depthwise: each thread then makes 8 channels of a few pixels side by side from memory, where
 * neighbours' pixels are in the first-level cache, and puts them where the next step reads them.
 *
 * A step's depth is cut into pieces: the parts of a concat, some of which are in memory and some in the chain,
 * or the one input.  The first step may be of any size and stride (the tile of x is then its patches, as conv_mma.c's
 * slabs are); the others are 1x1.  Rows in shared memory are 16 bytes longer than a multiple of 32 bytes, so
 * that ldmatrix reads eight of them from eight different bank groups.
 *
 * One middle value may leave the kernel, too (Group.also): it is written from where it lies in shared memory.
 *
 * A middle value is rounded to its type, as it would be in memory; its columns past the last channel, up to a
 * multiple of 16, are zeros.  Rows past the last pixel are computed like the last one, and not stored.
 *
 * tile = { BM, warps along M, warps along N, blocks in a multiprocessor }; weights packed with pack = 1.
 * choose_chain() leaves ntile 0 if the group can't be a chain or should not: the pass chain asks.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "lower/conv_mma.h"

enum { T_ROWS, T_WM, T_WN, T_BLOCKS, T_COUNT };
enum { STEPS = 8, PIECES = 8, SWEEP = 64, NOTHING = -1 };

/* a part of a step's depth */
typedef struct Piece {
	Val v;
	bool held;              /* made by a step before; else copied from memory */
	int64_t k0, k, kp;      /* in the weights from k0 on; padded to a multiple of 16 */
	int64_t at;             /* in shared rows of weights */
	bool at_patch;          /* of the first step: what its filter covers */
	uint32_t buf;           /* in shared memory: rows of kp + 8 */
} Piece;

typedef struct Step {
	ConvShape c;
	bool depthwise;         /* the first; no product, nothing of its input in shared memory */
	Val out;                /* what it makes, behind its epilogue */
	int npiece;
	Piece piece[PIECES];
	int64_t np, kp;         /* columns and depth, padded to multiples of 16 */
	int64_t apart;          /* bytes that it reads and writes as a launch of its own */
	int sweep;              /* columns that a warp makes at a time */
	int unit;               /* of conv_put_row() */
	uint32_t sw;            /* weights: [np][kp + 8]; depthwise: f32 [R][S][np] */
} Step;

typedef struct Chain {
	int n;
	Step step[STEPS];
	int bm, wm, wn, blocks;
	int stages;             /* tiles of what comes from memory */
	int nextra;
	Piece extra[PIECES];    /* what epilogues read besides: residuals */
	int also;               /* the step whose result leaves, too; NOTHING */
	int64_t m, tiles;
	int64_t together;       /* bytes that it reads and writes */
	/* lowering */
	Gen *z;
	KBuild *b;
	int threads;
	Reg tid, lane, warp_m, warp_n;
} Chain;

static int64_t
pad16(int64_t n)
{
	return (n + 15) / 16 * 16;
}

/* ---- what a group is ------------------------------------------------------------------------------ */

static bool
is_step_out(const Chain *h, Val v)
{
	for (int i = 0; i < h->n; i++)
		if (h->step[i].out == v)
			return true;
	return false;
}

static bool
add_piece(const Graph *g, const Chain *h, Step *s, Val v, int64_t k, uint32_t id)
{
	const Node *n = graph_node(g, v);
	Piece *p = &s->piece[s->npiece];

	if (s->npiece == PIECES || k % 8 || n->type.dt != graph_node(g, s->c.x)->type.dt)
		return false;
	*p = (Piece){ .v = v, .held = is_step_out(h, v), .k0 = s->npiece ? p[-1].k0 + p[-1].k : 0, .k = k, .kp = pad16(k), .at = s->kp,
		.at_patch = s == &h->step[0] };
	/* what the group computes has to be the result of a step */
	if (!p->held && n->group == id && n->keep == KEEP_GROUP)
		return false;
	s->kp += p->kp;
	s->npiece++;
	return true;
}

/* Where a step begins: what it reads, and from where. */
static bool
find_pieces(const Graph *g, const Chain *h, Step *s, uint32_t id)
{
	const ConvShape *c = &s->c;
	const Node *x = graph_node(g, c->x);

	if (x->op != OP_concat || x->group != id)
		return add_piece(g, h, s, c->x, c->r * c->s * c->c, id);
	if (attr_int(x, A_axis, 0) != 3)
		return false;
	for (int i = 0; i < x->narg; i++)
		if (!add_piece(g, h, s, x->arg[i], graph_node(g, x->arg[i])->type.dim[3], id))
			return false;
	return true;
}

/* What a step makes for the one behind it, `next`: what that reads, or the part of its concat that is in the group and
 * that no earlier step has made. */
static Val
out_of_step(const Graph *g, const Group *gr, uint32_t id, const Chain *h, Val next)
{
	const Node *x;

	if (!next)
		return gr->out;
	x = graph_node(g, graph_node(g, next)->arg[0]);
	if (x->op != OP_concat || x->group != id)
		return graph_node(g, next)->arg[0];
	for (int i = x->narg; i--;)
		if (graph_node(g, x->arg[i])->group == id && !is_step_out(h, x->arg[i]))
			return x->arg[i];
	return 0;
}

static bool
is_dense_conv(const Graph *g, Val v)
{
	const Node *n = graph_node(g, v);

	return node_nhwc(n) && attr_int(n, A_groups, 1) == 1 && attr_ints(n, A_dilation, 0, 1) == 1 &&
		attr_ints(n, A_dilation, 1, 1) == 1;
}

static bool
is_depthwise(const Graph *g, Val v, const ConvShape *c)
{
	const Node *n = graph_node(g, v);

	return node_nhwc(n) && c->c == 1 && c->groups == c->oc && c->sh == 1 && c->sw == 1 && c->r <= 7 && c->s <= 7 &&
		attr_ints(n, A_dilation, 0, 1) == 1 && attr_ints(n, A_dilation, 1, 1) == 1;
}

/* Is it a step that tensor units do? */
static bool
is_product(const Graph *g, const Target *t, const ConvShape *c, bool first)
{
	return c->c % 8 == 0 && is_dense_conv(g, c->root) && conv_mma_fits(c, t, graph_node(g, c->x)) &&
		(first || conv_is_pointwise(c));
}

/* An epilogue reads v: it comes to shared memory with the input, if it has the form of that. */
static void
add_extra(const Graph *g, Chain *h, Val v)
{
	const Node *x = graph_node(g, v), *like = graph_node(g, h->step[0].c.root);
	int64_t c = x->type.rank == 4 ? x->type.dim[3] : 0;

	for (int i = 0; i < h->nextra; i++)
		if (h->extra[i].v == v)
			return;
	if (h->nextra < PIECES && c > 1 && c % 8 == 0 && x->type.dt == graph_node(g, h->step[0].c.x)->type.dt &&
	    memcmp(x->type.dim, like->type.dim, 3 * sizeof *x->type.dim) == 0)
		h->extra[h->nextra++] = (Piece){ .v = v, .k = c, .kp = c };
}

/* The step whose epilogue v belongs to: the last one that it is behind.  Steps are in the order of the graph. */
static Step *
step_of(const Graph *g, Chain *h, size_t at)
{
	int i = -1;

	for (size_t k = 0; k < at; k++)
		i += i + 1 < h->n && g->order.p[k] == h->step[i + 1].c.root;
	return &h->step[MAX(i, 0)];
}

/* Bytes that the steps read and write as launches of their own, and as one. */
static void
count_bytes(const Graph *g, const Group *gr, uint32_t id, Chain *h)
{
	const Node *out = graph_node(g, gr->out);

	h->nextra = 0;
	h->together = type_bytes(&out->type) + (gr->also ? type_bytes(&graph_node(g, gr->also)->type) : 0);
	for (int i = 0; i < h->n; i++) {
		Step *s = &h->step[i];
		const ConvShape *c = &s->c;

		s->apart = 2 * c->n * c->h * c->w1 * c->c * c->groups + (i < h->n - 1 ? 2 * h->m * c->oc : type_bytes(&out->type));
		for (int k = 0; k < s->npiece; k++)
			h->together += s->piece[k].held ? 0 : 2 * c->n * c->h * c->w1 * s->piece[k].k / (c->r * c->s);
		h->together += s->depthwise ? 2 * c->n * c->h * c->w1 * c->oc : 0;
	}
	for (size_t i = 0; i < g->order.n; i++) {
		const Node *n = graph_node(g, g->order.p[i]);

		for (int k = 0; n->group == id && op_info[n->op].fuse == FUSE_POINT && k < n->narg; k++) {
			const Node *x = graph_node(g, n->arg[k]);
			bool outside = x->group != id;

			if (!outside && !is_step_out(h, n->arg[k]))
				continue;
			step_of(g, h, i)->apart += type_bytes(&x->type);
			h->together += outside ? type_bytes(&x->type) : 0;
			if (outside)
				add_extra(g, h, n->arg[k]);
		}
	}
}

/* The steps of a group.  False: no kernel here for them. */
static bool
find_steps(const Graph *g, const Target *t, const Group *gr, Chain *h)
{
	uint32_t id = graph_node(g, gr->root)->group;
	Val conv[STEPS + 1] = { 0 };
	int n = 0;

	for (size_t i = 0; i < g->order.n; i++) {
		Val v = g->order.p[i];

		if (graph_node(g, v)->op != OP_conv2d || graph_node(g, v)->group != id)
			continue;
		if (n == STEPS)
			return false;
		conv[n++] = v;
	}
	if (n < 2 || conv[n - 1] != gr->root)
		return false;
	for (int i = 0; i < n; i++) {
		Step *s = &h->step[i];
		Group one = *gr;
		const Node *x, *y;

		one.root = conv[i];
		s->c = conv_of(g, &one);
		x = graph_node(g, s->c.x);
		s->depthwise = i == 0 && is_depthwise(g, conv[i], &s->c);
		if ((x->type.dt != DT_F16 && x->type.dt != DT_BF16) || !(s->depthwise || is_product(g, t, &s->c, i == 0)) ||
		    s->c.n * s->c.oh * s->c.ow != h->step[0].c.n * h->step[0].c.oh * h->step[0].c.ow)
			return false;
		h->n = i;
		s->out = out_of_step(g, gr, id, h, conv[i + 1]);
		if (!s->out || !(s->depthwise || find_pieces(g, h, s, id)))
			return false;
		y = graph_node(g, s->out);
		s->np = pad16(s->c.oc);
		if (s->c.oc % 8)
			return false;
		if (i < n - 1 && (y->group != id || y->type.dt != x->type.dt || y->type.rank != 4 ||
		    y->type.dim[3] != s->c.oc))
			return false;
		h->n = i + 1;
	}
	h->also = NOTHING;
	for (int i = 0; i < n - 1; i++)
		if (h->step[i].out == gr->also)
			h->also = i;
	if (gr->also && h->also == NOTHING)
		return false;
	h->m = h->step[0].c.n * h->step[0].c.oh * h->step[0].c.ow;
	count_bytes(g, gr, id, h);
	return t->mma == MMA_M16N8K16 && t->has & GPU_CP_ASYNC;
}

/* ---- tiles ------------------------------------------------------------------------------------------ */

/* Columns of a sweep: the most that leaves no warp without work; then the widest. */
static int
sweep_of(int64_t np, int wn)
{
	int best = 16;
	double best_use = 0;

	for (int w = 16; w <= SWEEP + 16; w += 16) {
		int64_t sweeps = np / w;
		double use = (double)sweeps / (double)(ceil_div(sweeps, wn) * wn);

		if (np % w == 0 && use >= best_use - 1e-9)
			best = w, best_use = use;
	}
	return best;
}

/* Bytes of a step's weights in shared memory. */
static int64_t
weight_bytes(const Step *s)
{
	return s->depthwise ? s->c.r * s->c.s * s->np * 4 : s->np * (s->kp + 8) * 2;
}

static int64_t
shared_of(const Chain *h)
{
	int64_t bytes = 0;

	for (int i = 0; i < h->n; i++) {
		const Step *s = &h->step[i];

		bytes += weight_bytes(s) + (s->c.bias ? 4 * s->np : 0) + 256;
		if (i < h->n - 1)
			bytes += h->bm * (s->np + 8) * 2 + 128;
		for (int k = 0; k < s->npiece; k++)
			if (!s->piece[k].held)
				bytes += h->stages * h->bm * (s->piece[k].kp + 8) * 2 + 128;
	}
	for (int i = 0; i < h->nextra; i++)
		bytes += h->stages * h->bm * (h->extra[i].kp + 8) * 2 + 128;
	return bytes;
}

/* Fills in what follows from a tile.  False: it does not fit. */
static bool
set_tile(Chain *h, const Target *t, const int32_t *tile)
{
	h->bm = tile[T_ROWS], h->wm = tile[T_WM], h->wn = tile[T_WN], h->blocks = tile[T_BLOCKS];
	h->tiles = ceil_div(h->m, h->bm);
	h->stages = h->tiles > (int64_t)h->blocks * t->sms ? 2 : 1;
	h->threads = 32 * h->wm * h->wn;
	for (int i = 0; i < h->n; i++)
		h->step[i].sweep = sweep_of(h->step[i].np, h->wn);
	return shared_of(h) <= t->shared_block && h->blocks * (shared_of(h) + 1024) <= t->shared_sm &&
		h->blocks * h->threads <= t->threads_sm;
}

/* Clocks of one multiprocessor for a launch of the chain: for each tile its products, what warps read of shared memory,
 * what comes from the second-level cache and the epilogues, one after another, for a block's barriers leave little to
 * overlap; patches are found by arithmetic, which takes as long as their copies.  The numbers were fitted to 60 chains
 * of YOLOv12n timed on an H100 80GB, batch 1 and 32: of most the model is 10 % off, of the smallest 25 %. */
static double
cost(const Chain *h, const Target *t)
{
	const double products = 1012, shared_rate = 128, cache_rate = 37, weight_rate = 60, element = 0.1, start = 1650;
	const double step = 450, patches = 1600, turn = 250, tap = 0.055;
	double tiles = ceil((double)h->tiles / t->sms);       /* of one multiprocessor */
	double weights = 0, work = 0, latency = 0;

	for (int i = 0; i < h->n; i++) {
		const Step *s = &h->step[i];
		double kp = (double)s->kp, np = (double)s->np, sweeps = np / s->sweep;
		double waste = ceil(sweeps / h->wn) * h->wn / sweeps;

		if (i == h->also)
			work += h->bm * np * 2 / cache_rate;
		if (s->depthwise) {
			weights += (double)weight_bytes(s);
			work += tap * h->bm * np * (double)(s->c.r * s->c.s);
			continue;
		}
		weights += np * kp * 2;
		work += waste * (h->bm * np * kp / products + (sweeps * h->bm + h->wm * np) * kp * 2 / shared_rate + element * h->bm * np);
		for (int k = 0; k < s->npiece; k++)
			if (!s->piece[k].held)
				work += h->bm * (double)s->piece[k].kp * (s->c.r * s->c.s > 1 ? 3 : 2) / cache_rate;
	}
	latency = h->n * step + (h->step[0].c.r * h->step[0].c.s > 1 && !h->step[0].depthwise ? patches : 0);
	work = latency + MIN(tiles, h->blocks) * weights / weight_rate + tiles * (work + h->n * turn / MIN(tiles, h->blocks));
	return start + MAX(work, conv_memory_clocks(t, (double)h->together));
}

static int
candidates(Chain *h, const Target *t, LowerTile *to, int most)
{
	int n = 0;

	for (int bm = 16; bm <= 128; bm *= 2)
		for (int wm = 1; wm <= 8; wm *= 2)
			for (int wn = 1; wn <= 8; wn++)
				for (int blocks = 1; blocks <= 4; blocks++) {
					int32_t tile[TILE_MAX] = { bm, wm, wn, blocks };

					if (bm % (16 * wm) || bm / wm > 32 || wm * wn < 4 || wm * wn > 16 || !set_tile(h, t, tile))
						continue;
					/* no more blocks than there is work for */
					if (blocks > 1 && h->tiles <= (int64_t)(blocks - 1) * t->sms)
						continue;
					if (n == most)
						return n;
					to[n] = (LowerTile){ .cost = cost(h, t) };
					memcpy(to[n++].tile, tile, sizeof tile);
				}
	return n;
}

enum { TILES = 1024 };

/* A chain has to be that much better: the two models are not that exact. */
#define SURE 0.93

/* … of a depthwise step: its bytes, or as many clocks for a tap of an element as were seen where they stay in the
 * second-level cache. */
static double
depthwise_clocks(const Target *t, const Step *s)
{
	const double tap = 0.03, start = 1500;
	const ConvShape *c = &s->c;

	return MAX(conv_memory_clocks(t, (double)s->apart), start + tap * (double)(c->n * c->oh * c->ow * c->oc * c->r * c->s) / t->sms);
}

/* What the steps cost as launches of their own. */
static double
cost_apart(const Graph *g, const Target *t, const Chain *h)
{
	double all = 0;

	for (int i = 0; i < h->n; i++)
		all += h->step[i].depthwise ? CONV_LAUNCH + depthwise_clocks(t, &h->step[i])
		                            : conv_apart_clocks(g, t, &h->step[i].c, graph_node(g, h->step[i].c.x)->type.dt, h->step[i].apart);
	return all;
}

/* The best tile of a chain; NULL: there is none. */
static const LowerTile *
best_tile(Arena *a, Chain *h, const Target *t)
{
	LowerTile *to = NEWN(a, LowerTile, TILES), *best = to;
	int n = candidates(h, t, to, TILES);

	for (int i = 1; i < n; i++)
		if (to[i].cost < best->cost)
			best = &to[i];
	return n ? best : NULL;
}

/* What the steps cost if those up to the result that leaves were a kernel, and the rest launches of their own. */
static double
cost_split(Arena *a, const Graph *g, const Target *t, const Chain *h)
{
	Chain *first = NEW(a, Chain), *rest = NEW(a, Chain);
	const LowerTile *tile;
	double apart;

	*first = *rest = *h;
	first->n = h->also + 1;
	first->also = NOTHING;
	rest->n = h->n - first->n;
	memmove(rest->step, rest->step + first->n, (size_t)rest->n * sizeof *rest->step);
	apart = cost_apart(g, t, first);
	tile = first->n > 1 ? best_tile(a, first, t) : NULL;
	return (tile ? MIN(tile->cost, apart) : apart) + cost_apart(g, t, rest);
}

void
choose_chain(Arena *a, const Graph *g, const Target *t, Group *gr, int *pack)
{
	Chain *h = NEW(a, Chain);
	const LowerTile *best;

	*pack = 1;
	gr->ntile = 0;
	if (!find_steps(g, t, gr, h) || !(best = best_tile(a, h, t)))
		return;
	if (best->cost >= SURE * (h->also == NOTHING ? cost_apart(g, t, h) : cost_split(a, g, t, h)))
		return;
	/* a launch less is all that there is to win: what leaves is written as before, and with more tiles
	 * than multiprocessors kernels of one convolution are the better ones */
	if (h->also != NOTHING && !(set_tile(h, t, best->tile) && h->tiles <= t->sms))
		return;
	gr->ntile = T_COUNT;
	memcpy(gr->tile, best->tile, sizeof gr->tile);
}

const char *
chain_key(Arena *a, const Graph *g, const Target *t, const Group *gr)
{
	Chain *h = NEW(a, Chain);
	Text key = { .a = a };

	if (!find_steps(g, t, gr, h))
		return NULL;
	text_printf(&key, "chain %s", dtype_info[graph_node(g, h->step[0].c.x)->type.dt].name);
	for (int i = 0; i < h->n; i++) {
		const ConvShape *c = &h->step[i].c;

		if (i == 0)
			text_printf(&key, " %" PRId64 "x%" PRId64 "s%" PRId64 ",%" PRId64 "p%" PRId64 ",%" PRId64 " %" PRId64 "x%" PRId64
			            "x%" PRId64, c->r, c->s, c->sh, c->sw, c->ph, c->pw, c->n, c->h, c->w1);
		if (h->step[i].depthwise)
			text_printf(&key, "xd%" PRId64, c->oc);
		for (int k = 0; k < h->step[i].npiece; k++)
			text_printf(&key, "%s%s%" PRId64, k ? "+" : i ? " -> " : "x", h->step[i].piece[k].held ? "" : "m",
			            h->step[i].piece[k].k);
	}
	text_printf(&key, " -> %" PRId64, h->step[h->n - 1].c.oc);
	if (h->also != NOTHING)
		text_printf(&key, " also %d", h->also);
	return text_str(&key);
}

int
chain_candidates(const Graph *g, const Target *t, const Group *gr, LowerTile *to, int most)
{
	Chain h = { 0 };

	if (!find_steps(g, t, gr, &h))
		return 0;
	return candidates(&h, t, to, most);
}

/* ---- copying ------------------------------------------------------------------------------------------ */

typedef struct Copy { const Step *s; const Piece *p; Reg tile, stage; } Copy;
typedef void CopyItem(Chain *h, const Copy *c, Reg item);

/* Items 0 .. count - 1 among the threads, several at a time: one copy's addresses take long to compute, and there are
 * few warps to hide that. */
static void
for_items(Chain *h, int64_t count, CopyItem *copy, const Copy *c)
{
	enum { AT_ONCE = 8 };
	KBuild *b = h->b;
	int64_t turns = count / h->threads, rest = count % h->threads, whole = turns / AT_ONCE * AT_ONCE, done = 0;

	if (turns > 2 * AT_ONCE) {
		Reg at = k_for(b, k_ix(b, 0), k_ix(b, whole * h->threads), AT_ONCE * h->threads);

		for (int i = 0; i < AT_ONCE; i++)
			copy(h, c, k_addi(b, k_add(b, at, h->tid), i * h->threads));
		k_close(b);
		done = whole;
	}
	for (; done < turns; done++)
		copy(h, c, k_addi(b, h->tid, done * h->threads));
	if (rest) {
		k_if(b, k_op(b, K_lt, h->tid, k_ix(b, rest), 0));
		copy(h, c, k_addi(b, h->tid, turns * h->threads));
		k_close(b);
	}
}

/* Row and element of the row where a 16-byte item is, of rows of so many chunks. */
static Reg
row_of(KBuild *b, Reg item, int64_t chunks, Reg *k)
{
	Reg row = k_op(b, K_div, item, k_ix(b, chunks), 0);

	*k = k_muli(b, k_sub(b, item, k_muli(b, row, chunks)), 8);
	return row;
}

/* Weights lie in the order that gives each lane channels side by side. */
static void
copy_weight(Chain *h, const Copy *c, Reg item)
{
	KBuild *b = h->b;
	const Step *s = c->s;
	const Piece *p = c->p;
	Reg k, row = row_of(b, item, p->kp / 8, &k), o = conv_channel(b, s->unit, row), ok = 0;

	if (s->np > s->c.oc)
		ok = k_op(b, K_lt, o, k_ix(b, s->c.oc), 0);
	if (p->kp > p->k) {
		Reg in = k_op(b, K_lt, k, k_ix(b, p->k), 0);

		ok = ok ? k_op(b, K_and, ok, in, 0) : in;
	}
	k_cp_async(b, s->sw, k_add(b, k_muli(b, row, s->kp + 8), k_addi(b, k, p->at)), gen_buf(h->z, s->c.w),
	           k_addi(b, k_add(b, k_muli(b, o, s->c.r * s->c.s * s->c.c), k), p->k0), 8, ok);
}

/* Weights and biases of a step, which no launch makes. */
static void
copy_constants(Chain *h, Step *s)
{
	KBuild *b = h->b;
	uint32_t bias;
	Reg at;

	for (int i = 0; i < s->npiece; i++)
		for_items(h, s->np * (s->piece[i].kp / 8), copy_weight, &(Copy){ .s = s, .p = &s->piece[i] });
	if (s->depthwise) {
		int64_t taps = s->c.r * s->c.s;
		uint32_t w = gen_buf(h->z, s->c.w);
		Reg ch;

		at = k_for(b, h->tid, k_ix(b, taps * s->c.oc), h->threads);
		ch = k_op(b, K_div, at, k_ix(b, taps), 0);
		k_store(b, s->sw, k_add(b, k_muli(b, k_sub(b, at, k_muli(b, ch, taps)), s->np), ch),
		        k_cast(b, KS_F32, k_load(b, w, at, 1)));
		k_close(b);
	}
	if (!s->c.bias)
		return;
	bias = gen_buf(h->z, s->c.bias);
	at = k_for(b, h->tid, k_ix(b, s->c.oc), h->threads);
	k_store(b, s->c.bias_at, at, k_cast(b, KS_F32, k_load(b, bias, at, 1)));
	k_close(b);
}

/* 16 bytes of a piece's tile: pixels side by side, or patches of them. */
static void
copy_pixels(Chain *h, const Copy *o, Reg item)
{
	Gen *z = h->z;
	KBuild *b = h->b;
	const Piece *p = o->p;
	const ConvShape *c = &o->s->c;
	const int64_t *st = gen_node(z, p->v)->place.stride;
	bool pointwise = conv_is_pointwise(c) || !p->at_patch;
	Reg k, row = row_of(b, item, p->kp / 8, &k), at = k_add(b, k_muli(b, o->tile, h->bm), row), from, to;
	Reg ok = k_op(b, K_lt, at, k_ix(b, h->m), 0);

	if (p->kp > p->k)
		ok = k_op(b, K_and, ok, k_op(b, K_lt, k, k_ix(b, p->k), 0), 0);
	if (pointwise && gen_is_flat(z->g, p->v, true)) {
		from = k_add(b, k_muli(b, at, st[2]), k);
	} else {
		Reg n = c->n > 1 ? k_op(b, K_div, at, k_ix(b, c->oh * c->ow), 0) : k_ix(b, 0);
		Reg pix = k_sub(b, at, k_muli(b, n, c->oh * c->ow)), y = k_op(b, K_div, pix, k_ix(b, c->ow), 0);
		Reg x = k_sub(b, pix, k_muli(b, y, c->ow));

		if (!pointwise) {
			Reg tap = k_op(b, K_div, k, k_ix(b, c->c), 0), kh = k_op(b, K_div, tap, k_ix(b, c->s), 0);

			y = k_add(b, k_addi(b, k_muli(b, y, c->sh), -c->ph), kh);
			x = k_add(b, k_addi(b, k_muli(b, x, c->sw), -c->pw), k_sub(b, tap, k_muli(b, kh, c->s)));
			ok = k_op(b, K_and, ok, gen_inside(b, y, c->h), 0);
			ok = k_op(b, K_and, ok, gen_inside(b, x, c->w1), 0);
			k = k_sub(b, k, k_muli(b, tap, c->c));
		}
		from = k_add(b, k_add(b, k_muli(b, n, st[0]), k_muli(b, y, st[1])), k_add(b, k_muli(b, x, st[2]), k));
	}
	to = k_add(b, k_muli(b, row, p->kp + 8), k_muli(b, k_sub(b, item, k_muli(b, row, p->kp / 8)), 8));
	if (h->stages > 1)
		to = k_add(b, to, k_muli(b, o->stage, h->bm * (p->kp + 8)));
	k_cp_async(b, p->buf, to, gen_buf(z, p->v), from, 8, ok);
}

/* All that a tile needs of memory. */
static void
copy_tile(Chain *h, Reg tile, Reg stage)
{
	for (int i = 0; i < h->n; i++)
		for (int k = 0; k < h->step[i].npiece; k++)
			if (!h->step[i].piece[k].held)
				for_items(h, h->bm * (h->step[i].piece[k].kp / 8), copy_pixels,
				          &(Copy){ &h->step[i], &h->step[i].piece[k], tile, stage });
	for (int i = 0; i < h->nextra; i++)
		if (h->extra[i].buf)
			for_items(h, h->bm * (h->extra[i].kp / 8), copy_pixels, &(Copy){ &h->step[0], &h->extra[i], tile, stage });
	k_sync(h->b, K_cp_commit, 0);
}

/* 8 channels of a result that leaves, from shared memory to where it has its place. */
static void
write_pixels(Chain *h, const Copy *o, Reg item)
{
	Gen *z = h->z;
	KBuild *b = h->b;
	Val v = o->s->out;
	const Node *n = gen_node(z, v);
	const int64_t *st = n->place.stride;
	Reg k, row = row_of(b, item, o->s->c.oc / 8, &k), at = k_add(b, k_muli(b, o->tile, h->bm), row), x, to;
	uint32_t buf = gen_buf(z, v);
	int piece = st[3] == 1 ? 8 : 1;

	while (piece > 1 && (st[0] % piece || st[1] % piece || st[2] % piece || n->place.offset % piece))
		piece /= 2;
	x = k_load(b, z->held[v].buf, k_add(b, k_muli(b, row, z->held[v].pitch), k), 8);
	if (h->m % h->bm)
		k_if(b, k_op(b, K_lt, at, k_ix(b, h->m), 0));
	if (gen_is_flat(z->g, v, true)) {
		to = k_muli(b, at, st[2]);
	} else {
		int64_t height = n->type.dim[1], width = n->type.dim[2];
		Reg line = k_op(b, K_div, at, k_ix(b, width), 0), picture = k_op(b, K_div, line, k_ix(b, height), 0);

		to = k_muli(b, k_sub(b, at, k_muli(b, line, width)), st[2]);
		to = k_add(b, to, k_muli(b, k_sub(b, line, k_muli(b, picture, height)), st[1]));
		to = k_add(b, to, k_muli(b, picture, st[0]));
	}
	to = k_add(b, to, k_muli(b, k, st[3]));
	for (int i = 0; i < 8; i += piece)
		k_store(b, buf, k_addi(b, to, i * st[3]), k_part(b, x, i, piece));
	if (h->m % h->bm)
		k_close(b);
}

/* ---- multiplying ---------------------------------------------------------------------------------------- */

/* sum += A B^T over 16 of the depth: a, w are where this lane's rows begin */
static void
multiply(Chain *h, const Step *s, const Piece *p, Reg a, Reg w, const Reg *sum)
{
	KBuild *b = h->b;
	int mt = h->bm / h->wm / 16, nt = s->sweep / 8;
	Reg fa[8], fb[16];

	for (int i = 0; i < mt; i++)
		fa[i] = k_ldmatrix(b, p->buf, k_addi(b, a, i * 16 * (p->kp + 8)), false);
	for (int j = 0; j < nt; j += 2) {
		Reg two = k_ldmatrix(b, s->sw, k_addi(b, w, j * 8 * (s->kp + 8)), false);

		fb[j] = k_part(b, two, 0, 4);
		fb[j + 1] = k_part(b, two, 4, 4);
	}
	for (int i = 0; i < mt; i++)
		for (int j = 0; j < nt; j++)
			k_mma_to(b, sum[i * nt + j], fa[i], fb[j], sum[i * nt + j]);
}

/* One sweep of a warp: columns from col on. */
static void
sweep_sums(Chain *h, const Step *s, Reg col, Reg stage, const Reg *sum)
{
	enum { UNROLL = 16 };
	KBuild *b = h->b;
	int sums = h->bm / h->wm / 16 * (s->sweep / 8);
	Reg low4 = k_op(b, K_and, h->lane, k_ix(b, 15), 0), low3 = k_op(b, K_and, h->lane, k_ix(b, 7), 0);
	Reg high = k_op(b, K_shr, h->lane, k_ix(b, 4), 0);
	Reg mid = k_op(b, K_and, k_op(b, K_shr, h->lane, k_ix(b, 3), 0), k_ix(b, 1), 0);
	Reg row = k_add(b, k_muli(b, h->warp_m, h->bm / h->wm), low4);
	Reg w = k_add(b, k_muli(b, k_add(b, col, k_add(b, low3, k_muli(b, high, 8))), s->kp + 8), k_muli(b, mid, 8));
	Reg zero = k_real(b, kt(KS_F32, 4), 0);

	for (int i = 0; i < sums; i++)
		k_mov_to(b, sum[i], zero);
	for (int i = 0; i < s->npiece; i++) {
		const Piece *p = &s->piece[i];
		Reg a = k_add(b, k_muli(b, row, p->kp + 8), k_muli(b, high, 8));

		if (!p->held && h->stages > 1)
			a = k_add(b, a, k_muli(b, stage, h->bm * (p->kp + 8)));
		if (p->kp / 16 <= UNROLL) {
			for (int64_t k = 0; k < p->kp; k += 16)
				multiply(h, s, p, k_addi(b, a, k), k_addi(b, w, p->at + k), sum);
		} else {
			Reg k = k_for(b, k_ix(b, 0), k_ix(b, p->kp), 16);

			multiply(h, s, p, k_add(b, a, k), k_add(b, k_addi(b, w, p->at), k), sum);
			k_close(b);
		}
	}
}

/* A sweep's sums through the step's epilogue, to shared memory or out. */
static void
sweep_out(Chain *h, const Step *s, Reg col, Reg row0, const Reg *sum)
{
	Gen *z = h->z;
	KBuild *b = h->b;
	int mt = h->bm / h->wm / 16, nt = s->sweep / 8;
	Reg row = k_add(b, k_muli(b, h->warp_m, h->bm / h->wm), k_op(b, K_shr, h->lane, k_ix(b, 2), 0));
	Reg q = k_op(b, K_and, h->lane, k_ix(b, 3), 0), pair[16];
	bool last = s == &h->step[h->n - 1];

	for (int i = 0; i < mt; i++)
		for (int half = 0; half < 2; half++) {
			Reg r = k_addi(b, row, i * 16 + half * 8), p = k_add(b, row0, r);

			/* rows past the last pixel do what it does, so that no row is left without values */
			if (!last && h->m % h->bm)
				p = k_op(b, K_min, p, k_ix(b, h->m - 1), 0);
			for (int j = 0; j < nt; j++)
				pair[j] = k_part(b, sum[i * nt + j], 2 * half, 2);
			z->held_row = r;
			conv_put_row(z, &s->c, p, k_add(b, col, k_muli(b, q, 2 * s->unit)), s->np > s->c.oc ? k_ix(b, s->c.oc) : 0,
			             s->unit, s->sweep, pair);
		}
}

/* ---- depthwise --------------------------------------------------------------------------------------------- */

enum { RUN = 4 };

/* 8 channels of a pixel, zeros if it is not there, in as many loads as their place asks for. */
static Reg
load_channels(KBuild *b, uint32_t buf, Reg from, int piece, Reg ok)
{
	Reg all = 0;

	for (int i = 0; i < 8; i += piece) {
		Reg part = k_load_if(b, buf, k_addi(b, from, i), piece, ok);

		all = all ? k_join(b, all, part) : part;
	}
	return k_cast(b, KS_F32, all);
}

/* `run` pixels side by side, the first is number p of all and row r of the tile, channels from ch on. */
static void
make_run(Chain *h, const Step *s, Reg p, Reg r, Reg ch, int run)
{
	Gen *z = h->z;
	KBuild *b = h->b;
	const ConvShape *c = &s->c;
	const Node *in = gen_node(z, c->x);
	const int64_t *st = in->place.stride;
	Reg n = c->n > 1 ? k_op(b, K_div, p, k_ix(b, c->oh * c->ow), 0) : k_ix(b, 0), y, x, at, sum[RUN], pair[4];
	uint32_t bx = gen_buf(z, c->x);
	int piece = 8;

	while (piece > 1 && (st[0] % piece || st[1] % piece || st[2] % piece || in->place.offset % piece))
		piece /= 2;
	x = k_sub(b, p, k_muli(b, n, c->oh * c->ow));
	y = k_op(b, K_div, x, k_ix(b, c->ow), 0);
	x = k_addi(b, k_sub(b, x, k_muli(b, y, c->ow)), -c->pw);
	y = k_addi(b, y, -c->ph);
	at = k_add(b, k_add(b, k_muli(b, n, st[0]), k_muli(b, y, st[1])), k_add(b, k_muli(b, x, st[2]), ch));
	for (int i = 0; i < run; i++)
		sum[i] = k_real(b, kt(KS_F32, 8), 0);
	for (int64_t kh = 0; kh < c->r; kh++) {
		Reg row = gen_inside(b, k_addi(b, y, kh), c->h), v[RUN + 6];

		for (int64_t i = 0; i < run + c->s - 1; i++)
			v[i] = load_channels(b, bx, k_addi(b, at, kh * st[1] + i * st[2]), piece,
			                     k_op(b, K_and, row, gen_inside(b, k_addi(b, x, i), c->w1), 0));
		for (int64_t kw = 0; kw < c->s; kw++) {
			Reg w = k_load(b, s->sw, k_addi(b, ch, (kh * c->s + kw) * s->np), 8);

			for (int i = 0; i < run; i++)
				sum[i] = k_op(b, K_fma, v[i + kw], w, sum[i]);
		}
	}
	for (int i = 0; i < run; i++) {
		for (int j = 0; j < 4; j++)
			pair[j] = k_part(b, sum[i], 2 * j, 2);
		z->held_row = k_addi(b, r, i);
		conv_put_row(z, c, k_addi(b, p, i), ch, 0, 4, 32, pair);
	}
}

/* The rows of a tile, several at a time where a row of pixels is made of such runs. */
static void
run_depthwise(Chain *h, const Step *s, Reg row0)
{
	KBuild *b = h->b;
	int64_t chunks = s->c.oc / 8, items;
	int run = RUN;
	Reg item, r, p, ch;

	while (s->c.ow % run || h->bm % run)
		run /= 2;
	items = h->bm / run * chunks;
	h->z->root = s->c.root;
	h->z->into = s->out;
	item = k_for(b, h->tid, k_ix(b, items), h->threads);
	r = k_op(b, K_div, item, k_ix(b, chunks), 0);
	ch = k_muli(b, k_sub(b, item, k_muli(b, r, chunks)), 8);
	r = k_muli(b, r, run);
	p = k_add(b, row0, r);
	/* rows past the last pixel do what it does; m is made of runs, too */
	if (h->m % h->bm)
		p = k_op(b, K_min, p, k_ix(b, h->m - run), 0);
	make_run(h, s, p, r, ch, run);
	k_close(b);
	k_sync(b, K_barrier, 0);
	gen_forget_bases(h->z);
}

static void
run_step(Chain *h, const Step *s, Reg row0, Reg stage, const Reg *sum)
{
	Gen *z = h->z;
	KBuild *b = h->b;
	int64_t sweeps = s->np / s->sweep, turns = ceil_div(sweeps, h->wn);
	bool last = s == &h->step[h->n - 1], some = sweeps % h->wn != 0;
	Reg at = turns > 1 ? k_add(b, k_for(b, k_ix(b, 0), k_ix(b, turns * h->wn), h->wn), h->warp_n) : h->warp_n, col;

	z->root = s->c.root;
	z->into = last ? 0 : s->out;
	if (some)
		k_if(b, k_op(b, K_lt, at, k_ix(b, sweeps), 0));
	col = k_muli(b, at, s->sweep);
	sweep_sums(h, s, col, stage, sum);
	sweep_out(h, s, col, row0, sum);
	if (some)
		k_close(b);
	if (turns > 1)
		k_close(b);
	k_sync(b, K_barrier, 0);
	gen_forget_bases(z);
}

/* ---- the kernel -------------------------------------------------------------------------------------------- */

/* Do the pixels of v begin at multiples of 16 bytes, with channels side by side? */
static bool
begins_at_copies(const Node *v)
{
	for (int d = 0; d < 3; d++)
		if (v->type.dim[d] > 1 && v->place.stride[d] % 8)
			return false;
	return v->place.offset % 8 == 0 && v->place.stride[3] == 1;
}

static void
declare_buffers(Chain *h)
{
	Gen *z = h->z;
	KBuild *b = h->b;
	DType dt = gen_node(z, h->step[0].c.x)->type.dt;
	Step *last = &h->step[h->n - 1];

	z->held = NEWN(z->a, struct GenHeld, z->g->node.n);
	for (int i = 0; i < h->n; i++) {
		Step *s = &h->step[i];

		s->unit = s->sweep % 32 ? 2 : 4;
		s->sw = k_buffer(b, arena_printf(z->a, "w%d", i), KSPACE_SHARED, s->depthwise ? DT_F32 : dt,
		                 s->depthwise ? s->c.r * s->c.s * s->np : s->np * (s->kp + 8));
		k_align(b, s->sw, 128);
		if (s->c.bias) {
			s->c.bias_at = k_buffer(b, arena_printf(z->a, "b%d", i), KSPACE_SHARED, DT_F32, s->np);
			k_align(b, s->c.bias_at, 128);
		}
		for (int k = 0; k < s->npiece; k++) {
			Piece *p = &s->piece[k];

			if (p->held) {
				p->buf = z->held[p->v].buf;
				continue;
			}
			p->buf = k_buffer(b, arena_printf(z->a, "x%d_%d", i, k), KSPACE_SHARED, dt, h->stages * h->bm * (p->kp + 8));
			k_align(b, p->buf, 128);
		}
		if (s == last)
			break;
		z->held[s->out] = (struct GenHeld){ .buf = k_buffer(b, arena_printf(z->a, "m%d", i), KSPACE_SHARED, dt,
			h->bm * (s->np + 8)), .pitch = (int)s->np + 8 };
		k_align(b, z->held[s->out].buf, 128);
	}
	for (int i = 0; i < h->nextra; i++) {
		Piece *p = &h->extra[i];

		if (!begins_at_copies(gen_node(z, p->v)))
			continue;
		p->buf = k_buffer(b, arena_printf(z->a, "r%d", i), KSPACE_SHARED, dt, h->stages * h->bm * (p->kp + 8));
		k_align(b, p->buf, 128);
		z->held[p->v] = (struct GenHeld){ .buf = p->buf, .pitch = (int)p->kp + 8 };
	}
}

/* As much shared memory that no more blocks fit than were counted on.  A launch begins while the one before it still
 * runs, and would crowd those multiprocessors that become free first. */
static void
spread_blocks(Chain *h, const Target *t)
{
	int64_t least = t->shared_sm / (h->blocks + 1) + 4096, have = shared_of(h);
	uint32_t pad;

	if (have >= least || h->blocks * (least + 1024) > t->shared_sm)
		return;
	pad = k_buffer(h->b, "spread", KSPACE_SHARED, DT_U8, least - have);
	k_align(h->b, pad, 128);
}

/* Columns of middle values that no step writes, but the next one reads. */
static void
clear_columns(Chain *h)
{
	KBuild *b = h->b;

	for (int i = 0; i < h->n - 1; i++) {
		const Step *s = &h->step[i];
		Reg row;

		if (s->np == s->c.oc)
			continue;
		row = k_for(b, h->tid, k_ix(b, h->bm), h->threads);
		k_store(b, h->z->held[s->out].buf, k_addi(b, k_muli(b, row, s->np + 8), s->c.oc),
		        k_real(b, kt(kscalar_of(gen_node(h->z, s->out)->type.dt), 8), 0));
		k_close(b);
	}
}

static const char *
kernel_name(Arena *a, const Chain *h)
{
	Text t = { .a = a };

	text_printf(&t, "chain%s%" PRId64 "x%" PRId64 "s%" PRId64 "_%" PRId64, h->step[0].depthwise ? "_dw" : "", h->step[0].c.r,
	            h->step[0].c.s, h->step[0].c.sh, h->step[0].c.c * h->step[0].c.groups);
	for (int i = 0; i < h->n; i++)
		text_printf(&t, "_%" PRId64, h->step[i].c.oc);
	text_printf(&t, "_%" PRId64 "_t%dx%dx%d", h->m, h->bm, h->wm, h->wn);
	return text_str(&t);
}

bool
lower_chain(LowerCtx *cx, uint32_t group, LoweredList *out, const char **err)
{
	const Group *gr = &cx->g->group.p[group];
	Chain *h = NEW(cx->a, Chain);
	Gen gen, *z = &gen;
	KBuild *b;
	Reg *sum, tile, stage, next = 0, warp;
	int64_t grid;
	int sums = 0;

	if (gr->ntile != T_COUNT || !find_steps(cx->g, cx->target, gr, h) || !set_tile(h, cx->target, gr->tile)) {
		*err = arena_printf(cx->a, "chain @%u: the kernel needs the passes layout and tile", group);
		return false;
	}
	for (int i = 0; i < h->n; i++) {
		h->step[i].c.flat_out = gen_flattens(cx->g, group, true);
		h->step[i].c.pack = 1;
		h->step[i].c.whole = i < h->n - 1 || h->m % h->bm == 0;
		if (!attr_find(graph_node(cx->g, h->step[i].c.root), A_pack)) {
			*err = arena_printf(cx->a, "conv2d %%%u: the kernel needs packed weights; run the pass tile", h->step[i].c.root);
			return false;
		}
		sums = MAX(sums, h->bm / h->wm / 16 * (h->step[i].sweep / 8));
	}
	gen_begin(z, cx, group, kernel_name(cx->a, h));
	b = h->b = z->b;
	h->z = z;
	declare_buffers(h);
	spread_blocks(h, cx->target);
	grid = MIN(h->tiles, (int64_t)h->blocks * cx->target->sms);
	k_threads(b, h->threads, 1, 1);
	k_grid(b, grid, 1, 1);
	h->tid = k_axis(b, KAXIS_THREAD_X);
	h->lane = k_axis(b, KAXIS_LANE);
	warp = k_axis(b, KAXIS_WARP);
	h->warp_n = h->wn > 1 ? k_op(b, K_rem, warp, k_ix(b, h->wn), 0) : k_ix(b, 0);
	h->warp_m = h->wn > 1 ? k_op(b, K_div, warp, k_ix(b, h->wn), 0) : warp;
	for (int i = 0; i < h->n; i++)
		copy_constants(h, &h->step[i]);
	clear_columns(h);
	sum = NEWN(z->a, Reg, (size_t)sums);
	for (int i = 0; i < sums; i++)
		sum[i] = k_var(b, kt(KS_F32, 4));
	k_sync(b, K_grid_wait, 0);
	tile = k_axis(b, KAXIS_BLOCK_X);
	copy_tile(h, tile, k_ix(b, 0));
	stage = k_ix(b, 0);
	if (h->stages > 1) {
		stage = k_var(b, kt(KS_IX, 1));
		k_mov_to(b, stage, k_ix(b, 0));
		tile = k_for(b, tile, k_ix(b, h->tiles), grid);
		next = k_sub(b, k_ix(b, 1), stage);
		copy_tile(h, k_addi(b, tile, grid), next);
	}
	k_sync(b, K_cp_wait, h->stages - 1);
	k_sync(b, K_barrier, 0);
	for (int i = 0; i < h->nextra && h->stages > 1; i++)
		z->held[h->extra[i].v].at = k_muli(b, stage, h->bm * (h->extra[i].kp + 8));
	for (int i = 0; i < h->n; i++) {
		const Step *s = &h->step[i];

		if (s->depthwise)
			run_depthwise(h, s, k_muli(b, tile, h->bm));
		else
			run_step(h, s, k_muli(b, tile, h->bm), stage, sum);
		if (i == h->also)
			for_items(h, h->bm * (s->c.oc / 8), write_pixels, &(Copy){ .s = s, .tile = tile });
	}
	if (h->stages > 1) {
		k_mov_to(b, stage, next);
		k_close(b);
	}
	gen_end(z, out);
	return true;
}
