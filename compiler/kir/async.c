/* async.c -- what works beside the threads, in the interpreter: the copy engine, mbarriers, wgmma.
 *
 *     producer                         memory s[stage]                    consumers
 *     mbar_wait empty[stage]  <------------------------------------------ mbar_arrive empty[stage]
 *     mbar_arrive full[stage] bytes n                                       ^
 *     tma_load s[stage] ------> tma = full[stage], its phase                wgmma_wait: done reading
 *                                      `---- may be read by those who ----> mbar_wait full[stage]
 *                                            waited for that phase          wgmma begins to read
 *
 * A copy is carried out at once, and its bytes are counted at once; that it takes time shows in what is
 * not allowed yet.  An element remembers the barrier and the phase that say when it is there, and each thread
 * which phases it has seen.  The other way round, whether everybody has finished with what a copy
 * overwrites, is asked with vector clocks of warps: clock[w][v] is how far w knows v to be.  An arrival
 * leaves the arriver's clock at the barrier, a wait picks up what is there, a bar.sync
 * brings all to the same; and each element remembers how far each warp was when it used it.
 *
 * wgmma computes at once, too.  Until a wait retires it, its operands are in use; then
 * they were used by its four warps at that moment, which all four know: one of them may say so.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>

#include "kir/run.h"

enum { GROUP_WARPS = KIR_GROUP / KIR_WARP, LANDINGS = 8 };

/* copies that count at a barrier, by the memory that they go to */
typedef struct Landing { uint32_t mem, n; } Landing;

typedef struct Bar {
	uint32_t ready;                 /* epoch of its mbar_init, +1 (epochs of a task are past 0); 0: is none (in this task) */
	uint32_t by;                    /* thread that made it */
	int64_t count, left, bytes;     /* arrivals of a phase, still to come, bytes still to come */
	uint32_t phase, waited;         /* completed ones; those that some thread has seen */
	uint32_t *here, *passed;        /* clocks, by warp: of this phase's arrivals, of all before */
	Landing landing[LANDINGS];
} Bar;

/* of a shared memory */
typedef struct Async {
	uint32_t *used;                 /* [element][warp]: the warp's own clock when it used it last */
	uint32_t *bar, *phase;          /* [element]: says when what a tma_load brought is there */
	uint32_t flying;                /* tma_loads that nobody has waited for */
	uint32_t first_bar;             /* of the barriers in it */
	int64_t offset;                 /* in the block's shared memory */
} Async;

/* operands of a wgmma under way */
typedef struct Use { uint32_t mem; int64_t at, n; } Use;

typedef struct Group {
	VEC(Use) use;                   /* two a wgmma */
} Group;

typedef struct AsyncRun {
	uint32_t warps, own;            /* of all blocks of the cluster; the first of this block */
	uint32_t bars;
	uint32_t *clock;                /* [warp][warp], one for the cluster */
	uint32_t *seen;                 /* [thread][bar]: completed phases */
	Bar *bar;
	Group *group;                   /* by 128 threads */
	float *operand[2];              /* of a wgmma */
	int64_t *places;                /* of an im2col box, 4 numbers each, before the filter's offsets */
} AsyncRun;

enum { OPERAND_MAX = 256 * 64, PLACES_MAX = 1024 };

/* ---- making ----------------------------------------------------------------------------- */

static bool
wants_async(const KBlock *b)
{
	for (size_t i = 0; i < b->inst.n; i++) {
		const KInst *x = &b->inst.p[i];

		if (x->op >= K_mbar_init || (x->body && wants_async(x->body)) || (x->other && wants_async(x->other)))
			return true;
	}
	return false;
}

static uint32_t
block_warps(const Run *r)
{
	return (r->threads + KIR_WARP - 1) / KIR_WARP;
}

/* a thread's warp among those of the cluster */
static uint32_t
warp_of(const Run *r, uint32_t tid)
{
	return r->async->own + tid / KIR_WARP;
}

bool
async_open(Run *r)
{
	const Kernel *k = r->k;
	AsyncRun *x;
	int64_t *offset;

	if (!wants_async(&k->body))
		return true;
	x = r->async = NEW(r->a, AsyncRun);
	offset = NEWN(r->a, int64_t, k->buf.n + 1);
	kernel_shared_layout(k, offset);
	x->warps = r->blocks * block_warps(r);
	x->own = r->rank * block_warps(r);
	x->clock = r->rank ? r->cluster->async->clock : NEWN(r->a, uint32_t, (size_t)x->warps * x->warps);
	x->group = NEWN(r->a, Group, r->threads / KIR_GROUP + 1);
	for (size_t i = 0; i < k->buf.n; i++) {
		const KBuf *b = &k->buf.p[i];
		Async *m;

		if (b->space != KSPACE_SHARED)
			continue;
		m = r->mem[i].async = NEW(r->a, Async);
		m->offset = offset[i];
		m->used = NEWN(r->a, uint32_t, (size_t)b->count * x->warps);
		m->bar = NEWN(r->a, uint32_t, (size_t)b->count);
		m->phase = NEWN(r->a, uint32_t, (size_t)b->count);
		m->first_bar = x->bars;
		if (b->dt == DT_I64)
			x->bars += (uint32_t)b->count;
	}
	if ((uint64_t)x->bars * r->threads > (uint64_t)1 << 24)
		return false;
	x->seen = NEWN(r->a, uint32_t, (size_t)x->bars * r->threads);
	x->bar = NEWN(r->a, Bar, x->bars);
	for (int i = 0; i < 2; i++)
		x->operand[i] = NEWN(r->a, float, OPERAND_MAX);
	x->places = NEWN(r->a, int64_t, 4 * PLACES_MAX);
	return true;
}

/* n warps from `first` on know of everything that one of them knew */
static void
level(AsyncRun *x, uint32_t first, uint32_t n)
{
	uint32_t w = x->warps;

	for (uint32_t v = 0; v < w; v++) {
		uint32_t most = 0;

		for (uint32_t i = first; i < first + n; i++)
			most = MAX(most, x->clock[i * w + v]);
		for (uint32_t i = first; i < first + n; i++)
			x->clock[i * w + v] = most;
	}
	for (uint32_t v = first; v < first + n; v++)
		x->clock[v * w + v]++;
}

void
async_task(Run *r)
{
	AsyncRun *x = r->async;

	if (!x)
		return;
	level(x, 0, x->warps);
	memset(x->seen, 0, (size_t)x->bars * r->threads * sizeof *x->seen);
	for (uint32_t i = 0; i < x->bars; i++)
		x->bar[i].ready = 0;
	for (uint32_t i = 0; i < r->threads / KIR_GROUP; i++)
		x->group[i].use.n = 0;
	for (size_t i = 0; i < r->k->buf.n; i++)
		if (r->mem[i].async)
			r->mem[i].async->flying = 0;
}

void
async_barrier(Run *r)
{
	AsyncRun *x = r->async;

	if (!x)
		return;
	level(x, x->own, block_warps(r));
	for (uint32_t b = 0; b < x->bars; b++) {
		uint32_t most = 0;

		for (uint32_t t = 0; t < r->threads; t++)
			most = MAX(most, x->seen[t * x->bars + b]);
		for (uint32_t t = 0; t < r->threads; t++)
			x->seen[t * x->bars + b] = most;
	}
}

void
async_cluster(Run *r)
{
	for (uint32_t b = 0; r->async && b < r->blocks; b++)
		async_barrier(&r[b]);
	if (r->async)
		level(r->async, 0, r->async->warps);
}

bool
async_flying(const Memory *m)
{
	return m->async->flying > 0;
}

/* A copy that nobody waits for would write into the next block's memory. */
State
async_end(Run *r)
{
	for (size_t i = 0; r->async && i < r->k->buf.n; i++)
		if (r->mem[i].async && r->mem[i].async->flying)
			return run_fail(r, NULL, 0, "nobody has waited for a tma_load into %s", r->k->buf.p[i].name);
	return READY;
}

/* ---- elements -------------------------------------------------------------------------------- */

static void
stamp(const AsyncRun *x, const Async *m, int64_t at, uint32_t warp)
{
	m->used[at * x->warps + warp] = x->clock[warp * x->warps + warp];
}

static bool
there(const Run *r, uint32_t tid, const Async *m, int64_t at)
{
	return r->async->seen[tid * r->async->bars + m->bar[at]] > m->phase[at];
}

static State
not_there(Run *r, const Op *op, uint32_t tid, const Memory *m, int64_t at)
{
	return run_fail(r, op, tid, "this thread has not waited for the tma_load into element %" PRId64 " of %s", at,
	                m->b->name);
}

State
async_read(Run *r, const Op *op, uint32_t tid, const Memory *m, int64_t at)
{
	if (m->touch[at].tma && !there(r, tid, m->async, at))
		return not_there(r, op, tid, m, at);
	stamp(r->async, m->async, at, warp_of(r, tid));
	return READY;
}

/* a wgmma that reads the element has not been waited for */
static State
in_use(Run *r, const Op *op, uint32_t tid, const Memory *m, int64_t at)
{
	uint32_t mem = (uint32_t)(m - r->mem);

	for (uint32_t g = 0; g < r->threads / KIR_GROUP; g++)
		for (size_t i = 0; i < r->async->group[g].use.n; i++) {
			const Use *u = &r->async->group[g].use.p[i];

			if (u->mem == mem && at >= u->at && at < u->at + u->n)
				return run_fail(r, op, tid, "race: a wgmma that reads element %" PRId64 " of %s is under way", at,
				                m->b->name);
		}
	return READY;
}

State
async_write(Run *r, const Op *op, uint32_t tid, const Memory *m, int64_t at)
{
	const Touch *t = &m->touch[at];

	if (t->tma && t->wrote >= r->first && !there(r, tid, m->async, at))
		return not_there(r, op, tid, m, at);
	stamp(r->async, m->async, at, warp_of(r, tid));
	return in_use(r, op, tid, m, at);
}

/* ---- mbarriers -------------------------------------------------------------------------------- */

static Bar *
bar_at(Run *r, const Op *op, uint32_t tid, uint32_t buf, uint32_t cell)
{
	Memory *m = &r->mem[buf];
	int64_t at = get_int(run_file(r, tid) + cell, KS_IX);

	if (at < 0 || at >= m->count) {
		run_outside(r, op, tid, m, at, 1);
		return NULL;
	}
	return &r->async->bar[m->async->first_bar + at];
}

static Bar *
ready_bar(Run *r, const Op *op, uint32_t tid, uint32_t buf, uint32_t cell)
{
	Bar *b = bar_at(r, op, tid, buf, cell);

	if (b && !b->ready) {
		run_fail(r, op, tid, "this is no barrier yet");
		return NULL;
	}
	if (b && b->ready == r->epoch + 1 && b->by != tid) {
		run_fail(r, op, tid, "race: another thread has made this barrier, with no barrier of the block since");
		return NULL;
	}
	return b;
}

static void
join(uint32_t *to, const uint32_t *from, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		to[i] = MAX(to[i], from[i]);
}

static State
mbar_init(Run *r, const Op *op, uint32_t tid)
{
	Bar *b = bar_at(r, op, tid, op->buf, op->a);
	AsyncRun *x = r->async;

	if (!b)
		return FAILED;
	if (b->ready)
		return run_fail(r, op, tid, "this is a barrier already");
	if (!b->here) {
		b->here = NEWN(r->a, uint32_t, x->warps);
		b->passed = NEWN(r->a, uint32_t, x->warps);
	}
	memset(b->landing, 0, sizeof b->landing);
	b->ready = r->epoch + 1;
	b->by = tid;
	b->count = b->left = op->imm;
	b->bytes = 0;
	b->phase = b->waited = 0;
	return READY;
}

/* Ends the phase if nothing is to come. */
static State
complete(Run *r, const Op *op, uint32_t tid, Bar *b)
{
	AsyncRun *x = r->async;

	if (b->left > 0 || b->bytes > 0)
		return READY;
	if (b->bytes < 0)
		return run_fail(r, op, tid, "%" PRId64 " more bytes than the phase waits for", -b->bytes);
	join(b->passed, b->here, x->warps);
	memset(b->here, 0, x->warps * sizeof *b->here);
	b->left = b->count;
	b->phase++;
	return READY;
}

/* the bar of another block that is where b is in this one's */
static Bar *
peer_bar(Run *r, const Op *op, uint32_t tid, Run *p, const Bar *b)
{
	Bar *y = &p->async->bar[b - r->async->bar];

	if (p != r && (!y->ready || y->ready > p->met_epoch)) {
		run_fail(r, op, tid, "race: the block of rank %" PRIu32 " has made no barrier there before the last cluster_barrier",
		         p->rank);
		return NULL;
	}
	return y;
}

static State
mbar_arrive(Run *r, const Op *op, uint32_t tid)
{
	Run *p = op->code == C_PEER_ARRIVE ? run_peer(r, op, tid, get_int(run_file(r, tid) + op->b, KS_IX)) : r;
	Bar *b = !p ? NULL : p == r ? ready_bar(r, op, tid, op->buf, op->a) : bar_at(r, op, tid, op->buf, op->a);
	AsyncRun *x = r->async;
	uint32_t w = warp_of(r, tid);

	if (!b || !(b = peer_bar(r, op, tid, p, b)))
		return FAILED;
	if (b->left == 0)
		return run_fail(r, op, tid, "more arrivals than the phase takes: its bytes are still to come");
	b->left--;
	b->bytes += op->imm;
	join(b->here, &x->clock[w * x->warps], x->warps);
	x->clock[w * x->warps + w]++;
	return complete(r, op, tid, b);
}

static State
mbar_wait(Run *r, const Op *op, uint32_t tid)
{
	Bar *b = ready_bar(r, op, tid, op->buf, op->a);
	AsyncRun *x = r->async;
	int64_t parity = get_int(run_file(r, tid) + op->b, KS_I32);

	if (!b)
		return FAILED;
	if (parity != 0 && parity != 1)
		return run_fail(r, op, tid, "parity %" PRId64, parity);
	if ((b->phase & 1) == parity)
		return BLOCKED;
	x->seen[tid * x->bars + (uint32_t)(b - x->bar)] = b->waited = b->phase;
	join(&x->clock[warp_of(r, tid) * x->warps], b->passed, x->warps);
	if (b->left == b->count && b->bytes == 0)
		for (int i = 0; i < LANDINGS && b->landing[i].n; i++) {
			r->mem[b->landing[i].mem].async->flying -= b->landing[i].n;
			b->landing[i].n = 0;
		}
	return READY;
}

/* ---- copies ------------------------------------------------------------------------------------ */

/* Bits of an address that a swizzle changes. */
static int64_t
swizzled(int64_t address, int swizzle)
{
	int64_t bits = swizzle ? swizzle / 16 - 1 : 0;

	return address ^ ((address >> 7 & bits) << 4);
}

/* r: the block whose memory it is; by: that of the thread */
static State
tma_write(Run *r, Run *by, const Op *op, uint32_t tid, Memory *m, int64_t at, Bar *b)
{
	AsyncRun *x = r->async;
	Async *s = m->async;
	uint32_t w = warp_of(by, tid), bar = (uint32_t)(b - x->bar);
	Touch *t = &m->touch[at];

	if (t->wrote >= r->first && t->flying)
		return run_fail(by, op, tid, "a cp_async into element %" PRId64 " of %s is under way", at, m->b->name);
	if (t->wrote >= r->first && t->tma && x->bar[s->bar[at]].waited <= s->phase[at])
		return run_fail(by, op, tid, "nobody has waited for the tma_load before into element %" PRId64 " of %s", at,
		                m->b->name);
	for (uint32_t v = 0; v < x->warps; v++)
		if (v != w && s->used[at * x->warps + v] > x->clock[w * x->warps + v])
			return run_fail(by, op, tid, "race: for all that this thread knows, warp %" PRIu32 " still uses element %"
			                PRId64 " of %s", v, at, m->b->name);
	if (in_use(r, op, tid, m, at) == FAILED)
		return FAILED;
	t->wrote = r->epoch;
	t->writer = run_who(by, tid);
	t->tma = true;
	t->atomic = t->flying = false;
	s->bar[at] = bar;
	s->phase[at] = b->phase;
	return READY;
}

/* where an element of the box lies in the tensor; -1: outside, a zero */
static int64_t
box_element(const KTmap *t, const int64_t *c, int64_t i, const int64_t *places)
{
	int64_t at = 0;

	if (!t->im2col) {
		for (int d = 0; d < t->rank; d++) {
			int64_t x = c[d] + i % t->box[d];

			i /= t->box[d];
			if (x < 0 || x >= t->dim[d])
				return -1;
			at += x * t->stride[d];
		}
		return at;
	}
	const int64_t *place = places + i / t->channels * 4;
	int64_t channel = c[0] + i % t->channels;

	if (channel < 0 || channel >= t->dim[0])
		return -1;
	at = channel;
	for (int d = 1; d < t->rank; d++) {
		int64_t x = place[d - 1] + (d + 1 < t->rank ? c[t->rank + d - 1] : 0);

		if (x < 0 || x >= t->dim[d])
			return -1;
		at += x * t->stride[d];
	}
	return at;
}

static void
walk_places(const KTmap *t, const int64_t *c, int64_t *places)
{
	int64_t x[4] = { 0 };
	int last = t->rank - 2;         /* the batch */

	for (int d = 0; d <= last; d++)
		x[d] = c[d + 1];
	for (int p = 0; p < t->pixels; p++) {
		memcpy(places + 4 * p, x, sizeof x);
		for (int d = 0; d <= last; d++) {
			x[d] += t->step[d + 1];
			if (d == last || x[d] <= t->dim[d + 1] - 1 + t->upper[d])
				break;
			x[d] = t->lower[d];
		}
	}
}

/* the box into the memory of block p, and its bytes at p's barrier b */
static State
bring(Run *r, Run *p, const Op *op, uint32_t tid, int64_t at, const int64_t *c, Bar *b)
{
	Memory *to = &p->mem[op->buf], *from = &r->mem[op->buf2];
	const KTmap *t = from->b->map;
	int64_t n = ktmap_box(t), size = dtype_info[to->b->dt].bytes, base = to->async->offset + at * size;

	if (to->root && run_use_storage(p, op, tid, to, true) == FAILED)
		return FAILED;
	for (int64_t i = 0; i < n; i++) {
		int64_t e = (swizzled(base + i * size, t->swizzle) - to->async->offset) / size;
		int64_t src = box_element(t, c, i, r->async->places);

		if (tma_write(p, r, op, tid, to, e, b) == FAILED)
			return FAILED;
		if (src < 0)
			memset(to->p + e * size, 0, (size_t)size);
		else
			memcpy(to->p + e * size, from->p + src * size, (size_t)size);
	}
	for (int i = 0; i < LANDINGS; i++)
		if (b->landing[i].n == 0 || b->landing[i].mem == op->buf || i == LANDINGS - 1) {
			if (b->landing[i].n == 0)
				b->landing[i].mem = op->buf;
			if (b->landing[i].mem == op->buf) {
				b->landing[i].n++;
				to->async->flying++;
			}
			break;
		}
	b->bytes -= n * size;
	return complete(p, op, tid, b);
}

static State
tma_load(Run *r, const Op *op, uint32_t tid)
{
	Memory *to = &r->mem[op->buf];
	const KTmap *t = r->mem[op->buf2].b->map;
	unsigned char *reg = run_file(r, tid);
	int64_t at = get_int(reg + op->a, KS_IX), c[8], n = ktmap_box(t), ranks = op->imm ? op->imm : 1 << r->rank;
	int64_t base = to->async->offset + at * dtype_info[to->b->dt].bytes;
	int64_t align = t->swizzle == 128 ? 1024 : t->swizzle == 64 ? 512 : t->swizzle == 32 ? 256 : 128;
	Bar *b = ready_bar(r, op, tid, op->buf3, op->c);

	if (!b)
		return FAILED;
	if (at < 0 || at > to->count - n)
		return run_outside(r, op, tid, to, at, n);
	if (base % align)
		return run_fail(r, op, tid, "element %" PRId64 " of %s is not aligned to %" PRId64 " bytes", at, to->b->name,
		                align);
	for (int i = 0; i < ktmap_coordinates(t); i++)
		c[i] = get_int(reg + op->b + 8 * i, KS_IX);
	if (t->im2col)
		walk_places(t, c, r->async->places);
	for (uint32_t rank = 0; rank < r->blocks; rank++) {
		Run *p = &r->cluster[rank];
		Bar *y;

		if (!(ranks >> rank & 1))
			continue;
		/* p waits for what comes, so that it is there: no run_peer() */
		if (p != r && p->met_epoch == p->first)
			return run_fail(r, op, tid, "the block of rank %" PRIu32 " may not have begun: there was no cluster_barrier", rank);
		if (!(y = peer_bar(r, op, tid, p, b)) || bring(r, p, op, tid, at, c, y) == FAILED)
			return FAILED;
	}
	return READY;
}

State
async_op(Run *r, const Op *op, uint32_t tid)
{
	switch ((Code)op->code) {
	case C_MBAR_INIT: return mbar_init(r, op, tid);
	case C_MBAR_ARRIVE: case C_PEER_ARRIVE: return mbar_arrive(r, op, tid);
	case C_MBAR_WAIT: return mbar_wait(r, op, tid);
	case C_TMA_LOAD: return tma_load(r, op, tid);
	default: {
		Thread *t = &r->thread[tid];

		if (t->fenced != r->epoch)
			t->fenced_before = t->fenced;
		t->fenced = r->epoch;
		return READY;
	}
	}
}

/* ---- wgmma ------------------------------------------------------------------------------------- */

/* An operand of `rows` rows: its element (row, k) is at base + swizzled(row * swizzle + 2 k). */
typedef struct Operand {
	Memory *m;
	int64_t base;           /* bytes, in the block's shared memory */
	int swizzle, rows;
} Operand;

static State
open_operand(Run *r, const Op *op, uint32_t first, uint32_t buf, uint32_t cell, int rows, Operand *o)
{
	int64_t at = get_int(run_file(r, first) + cell, KS_IX), n;

	*o = (Operand){ .m = &r->mem[buf], .swizzle = (int)(op->imm >> 8 & 255), .rows = rows };
	n = (int64_t)rows * o->swizzle / 2;
	for (uint32_t l = 1; l < KIR_GROUP; l++)
		if (get_int(run_file(r, first + l) + cell, KS_IX) != at)
			return run_fail(r, op, first + l, "the threads of a wgmma disagree about where its operand is");
	if (at < 0 || at > o->m->count - n)
		return run_outside(r, op, first, o->m, at, n);
	o->base = o->m->async->offset + 2 * at;
	if (o->base % (8 * o->swizzle))
		return run_fail(r, op, first, "element %" PRId64 " of %s is not aligned to %d bytes", at, o->m->b->name,
		                8 * o->swizzle);
	vec_push(r->a, &r->async->group[first / KIR_GROUP].use, ((Use){ buf, at, n }));
	return READY;
}

/* That element e may be read by wgmma; the last barrier and phase that all 128 threads have seen, in *bar, *phase. */
static State
operand_read(Run *r, const Op *op, uint32_t first, const Memory *m, int64_t e, int64_t *bar, int64_t *phase)
{
	const Touch *t = &m->touch[e];
	const Async *s = m->async;

	if (t->wrote < r->first)
		return run_fail(r, op, first, "element %" PRId64 " of %s has no value yet", e, m->b->name);
	if (!t->tma) {
		if (t->wrote == r->epoch)
			return run_fail(r, op, first, "race: element %" PRId64 " of %s was written with no barrier since", e,
			                m->b->name);
		const Thread *w = t->writer != MANY ? &r->thread[t->writer % r->threads] : NULL;
		if (w && (w->fenced < r->epoch ? w->fenced : w->fenced_before) < t->wrote)
			return run_fail(r, op, first, "element %" PRId64 " of %s was stored with no async_fence since", e, m->b->name);
		return READY;
	}
	if (*bar == s->bar[e] && *phase == s->phase[e])
		return READY;
	for (uint32_t l = 0; l < KIR_GROUP; l++)
		if (!there(r, first + l, s, e))
			return not_there(r, op, first + l, m, e);
	*bar = s->bar[e];
	*phase = s->phase[e];
	return READY;
}

/* [rows][depth] as floats */
static State
fetch(Run *r, const Op *op, uint32_t first, const Operand *o, int depth, float *x)
{
	int64_t bar = -1, phase = -1;

	if (o->m->root && run_use_storage(r, op, first, o->m, false) == FAILED)
		return FAILED;
	for (int row = 0; row < o->rows; row++)
		for (int k = 0; k < depth; k++) {
			int64_t e = (swizzled(o->base + row * o->swizzle + 2 * k, o->swizzle) - o->m->async->offset) / 2;
			uint16_t h;

			if (operand_read(r, op, first, o->m, e, &bar, &phase) == FAILED)
				return FAILED;
			memcpy(&h, o->m->p + 2 * e, 2);
			x[row * depth + k] = o->m->b->dt == DT_F16 ? f16_to_f32(h) : bf16_to_f32(h);
		}
	return READY;
}

/* d = c + x y'.  Thread t has rows 16 (t / 32) + t % 32 / 4 and that + 8; of each 8 columns 2 (t % 4) and the next. */
static void
multiply(Run *r, const Op *op, uint32_t first, int n, int depth, const float *x, const float *y, int row_step, int k_step)
{
	bool fresh = op->code == C_WGMMA_A && op->imm >> 17 & 1;

	for (int t = 0; t < KIR_GROUP; t++) {
		unsigned char *reg = run_file(r, first + (uint32_t)t);
		const float *c = (const void *)(reg + op->c);
		float *d = (void *)(reg + op->d);

		for (int i = 0; i < n / 2; i++) {
			int row = 16 * (t / 32) + t % 32 / 4 + 8 * (i >> 1 & 1), column = 8 * (i >> 2) + 2 * (t % 4) + (i & 1);
			double sum = fresh ? 0 : (double)c[i];

			for (int k = 0; k < depth; k++)
				sum += (double)x[row * depth + k] * (double)y[column * row_step + k * k_step];
			d[i] = (float)sum;
		}
	}
}

static State
wgmma(Run *r, const Op *op, uint32_t first)
{
	int n = 2 * op->lanes, depth = 16 * (int)(op->imm & 255);
	float *x = r->async->operand[0], *y = r->async->operand[1];
	Operand a, b;

	if (open_operand(r, op, first, op->buf, op->a, 64, &a) == FAILED ||
	    open_operand(r, op, first, op->buf2, op->b, n, &b) == FAILED ||
	    fetch(r, op, first, &a, depth, x) == FAILED || fetch(r, op, first, &b, depth, y) == FAILED)
		return FAILED;
	multiply(r, op, first, n, depth, x, y, depth, 1);
	return READY;
}

/* A of registers, step by step as mma's: rows g and g + 8 of two columns, then both of the columns 8 further. */
static State
wgmma_a(Run *r, const Op *op, uint32_t first)
{
	bool across = op->imm >> 16 & 1;
	int n = 2 * op->lanes, depth = 16 * (int)(op->imm & 255), wide = (int)(op->imm >> 8 & 255) / 2;
	float *x = r->async->operand[0], *y = r->async->operand[1];
	Operand b;

	vec_push(r->a, &r->async->group[first / KIR_GROUP].use, ((Use){ op->buf, 0, 0 }));      /* there are two a wgmma */
	if (open_operand(r, op, first, op->buf, op->b, across ? depth : n, &b) == FAILED ||
	    fetch(r, op, first, &b, across ? wide : depth, y) == FAILED)
		return FAILED;
	for (int t = 0; t < KIR_GROUP; t++) {
		const float *a = (const void *)(run_file(r, first + (uint32_t)t) + op->a);

		for (int i = 0; i < depth / 2; i++) {
			int row = 16 * (t / 32) + t % 32 / 4 + 8 * (i >> 1 & 1), k = 16 * (i >> 3) + 8 * (i >> 2 & 1) + 2 * (t % 4) + (i & 1);

			x[row * depth + k] = a[i];
		}
	}
	multiply(r, op, first, n, depth, x, y, across ? 1 : depth, across ? wide : 1);
	return READY;
}

/* all but the last n are done */
static void
retire(Run *r, uint32_t first, int64_t n)
{
	AsyncRun *x = r->async;
	Group *g = &x->group[first / KIR_GROUP];
	uint32_t warp = warp_of(r, first), *mine = &x->clock[warp * x->warps];  /* rows of the four warps */
	size_t left = MIN(g->use.n, 2 * (size_t)n), done = g->use.n - left;

	for (size_t i = 0; i < done; i++) {
		const Use *u = &g->use.p[i];

		for (int64_t e = u->at; e < u->at + u->n; e++)
			for (uint32_t w = 0; w < GROUP_WARPS; w++)
				stamp(x, r->mem[u->mem].async, e, warp + w);
	}
	memmove(g->use.p, g->use.p + done, left * sizeof *g->use.p);
	g->use.n = left;
	for (uint32_t w = 0; w < GROUP_WARPS; w++)
		for (uint32_t v = 0; v < GROUP_WARPS; v++)
			mine[w * x->warps + warp + v] = mine[v * x->warps + warp + v];
	for (uint32_t w = 0; w < GROUP_WARPS; w++)
		mine[w * x->warps + warp + w]++;
}

State
async_group(Run *r, const Op *op, uint32_t first)
{
	if (op->code == C_REGS)
		return READY;
	if (op->code == C_WGMMA)
		return wgmma(r, op, first);
	if (op->code == C_WGMMA_A)
		return wgmma_a(r, op, first);
	retire(r, first, op->code == C_WGMMA_WAIT ? op->imm : 0);
	for (uint32_t l = 0; op->code == C_WGMMA_GET && l < KIR_GROUP; l++) {
		unsigned char *reg = run_file(r, first + l);

		memmove(reg + op->d, reg + op->a, (size_t)op->lanes * op->size);
	}
	return READY;
}
