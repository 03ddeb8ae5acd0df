/* interp.c -- runs a kernel as its header says, and watches every access.
 *
 *     body, a tree      =>   code, a line          for %5 = %4 .. %2 step 16 {
 *                                                    …                    0 for   %5, -> 9
 *     registers, typed  =>   cells at offsets      }                      1 …
 *                                                                         8 next  %5, -> 1
 *
 * A thread is a program counter and a register file, so that it can stop in the middle:
 * at a barrier until its block is there, at a shuffle or mma until its warp is.  Threads
 * run one after another between such points.  That finds every race all the same,
 * because each element of shared memory remembers who wrote and who read it last, and
 * when; "when" is an epoch, which grows by one at each barrier and with each task:
 *
 *     written in an epoch before this task's    not a value: uninitialised
 *     written by another thread in this epoch   no barrier between: a race
 *     read by another thread in this epoch      … also, when it is written now
 *
 * Buffers that share storage (aliases) are a ring of which one has values: a write to another
 * takes them away, and is a race if threads beside the writer have used it in this epoch.
 *
 * The blocks of a cluster take turns; each has memory, threads and epochs of its own, the numbers of epochs apart.  What one
 * reads of another's memory was written before the last cluster_barrier, and is not written before the next.
 *
 * The outs of a kernel are watched the same way, against other tasks too, since tasks
 * run at the same time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdlib.h>

#include <math.h>

#include "kir/run.h"

#define MAX_REGISTER_BYTES ((uint64_t)1 << 31)
#define MAX_MEMORY_BYTES ((uint64_t)1 << 32)

static void
complain(Run *r, const Op *op, uint32_t tid, const char *fmt, va_list ap)
{
	const int32_t *n = r->k->block;
	Text t = { .a = r->a };

	if (r->err[0])
		return;
	text_printf(&t, "kernel %s", r->k->name);
	if (r->serial)
		text_printf(&t, ", task %" PRId64 ",%" PRId64 ",%" PRId64, r->task[0], r->task[1], r->task[2]);
	if (op && r->threads > 1)
		text_printf(&t, ", thread %" PRIu32 ",%" PRIu32 ",%" PRIu32, tid % (uint32_t)n[0],
		            tid / (uint32_t)n[0] % (uint32_t)n[1],
		            tid / (uint32_t)n[0] / (uint32_t)n[1]);
	text_put(&t, ": ");
	if (op) {
		text_put(&t, "`");
		kinst_text(&t, r->k, op->from);
		text_put(&t, "`: ");
	}
	text_vprintf(&t, fmt, ap);
	snprintf(r->err, 512, "%s", text_str(&t));
}

State
run_fail(Run *r, const Op *op, uint32_t tid, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(r, op, tid, fmt, ap);
	va_end(ap);
	return FAILED;
}

/* The kernel can't be started. */
static bool __attribute__((format(printf, 2, 3)))
refuse(Run *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(r, NULL, 0, fmt, ap);
	va_end(ap);
	return false;
}

/* ---- making code ---------------------------------------------------------------------- */

static uint32_t
new_cells(Run *r, KType t)
{
	uint32_t at = r->cells;

	r->cells += ((uint32_t)t.lanes * kcell_bytes[t.s] + 7) & ~7u;
	return at;
}

static Op *
put(Run *r, Op op)
{
	vec_push(r->a, &r->op, op);
	return &r->op.p[r->op.n - 1];
}

/* which of the frequent scalar ops an op is */
static Code
code_of(KOp op, KScalar s, int lanes)
{
	if (ks_int(s) && (op == K_div || op == K_rem || op == K_shl || op == K_shr))
		return C_DIVIDE;
	if (lanes > 1 || (s != KS_IX && s != KS_I64))
		return C_LANES;
	return op == K_add ? C_ADD_IX : op == K_mul ? C_MUL_IX : op == K_lt ? C_LT_IX : C_LANES;
}

static const Code plain_code[K_COUNT] = {
	[K_axis] = C_AXIS, [K_splat] = C_SPLAT, [K_lane] = C_LANE, [K_part] = C_LANE, [K_reduce_add] = C_REDUCE,
	[K_reduce_max] = C_REDUCE, [K_load] = C_LOAD, [K_load_if] = C_LOAD_IF, [K_gather] = C_GATHER,
	[K_store] = C_STORE, [K_store_if] = C_STORE_IF, [K_atomic_add] = C_ATOMIC_ADD,
	[K_cp_async] = C_CP_ASYNC, [K_cp_commit] = C_CP_COMMIT, [K_cp_wait] = C_CP_WAIT,
	[K_barrier] = C_BARRIER, [K_shuffle] = C_SHUFFLE, [K_shuffle_idx] = C_SHUFFLE_IDX, [K_vote_any] = C_VOTE_ANY,
	[K_ballot] = C_BALLOT,
	[K_ldmatrix] = C_LDMATRIX, [K_mma] = C_MMA, [K_mbar_init] = C_MBAR_INIT, [K_mbar_arrive] = C_MBAR_ARRIVE,
	[K_mbar_wait] = C_MBAR_WAIT, [K_tma_load] = C_TMA_LOAD, [K_async_fence] = C_ASYNC_FENCE, [K_wgmma] = C_WGMMA, [K_wgmma_a] = C_WGMMA_A,
	[K_wgmma_wait] = C_WGMMA_WAIT, [K_wgmma_get] = C_WGMMA_GET, [K_regs_give] = C_REGS, [K_regs_take] = C_REGS,
	[K_cluster_barrier] = C_CLUSTER_BARRIER, [K_peer_load] = C_PEER_LOAD, [K_peer_arrive] = C_PEER_ARRIVE,
};

static void make_block(Run *r, const KBlock *b);

static void
make_constant(Run *r, const KInst *i, Op op)
{
	KType t = r->k->reg.p[i->dst];
	KConst c = { i->imm, i->fimm };
	uint32_t at = op.d;

	/* A register that is written again gets its constant from cells of its own. */
	if (r->writes[i->dst] > 1)
		at = new_cells(r, t);
	unsigned char *image = r->image + at;
	if (i->op == K_lanes)
		for (int l = 0; l < t.lanes; l++)
			kconst_to_cell((KScalar)t.s, (KConst){ .i = l }, image + l * kcell_bytes[t.s]);
	else
		for (int l = 0; l < t.lanes; l++)
			kconst_to_cell((KScalar)t.s, c, image + l * kcell_bytes[t.s]);
	if (at != op.d) {
		op.code = C_LANES;
		op.fn = klane_fn(K_mov, (KScalar)t.s);
		op.a = op.b = op.c = at;
		put(r, op);
	}
}

static void
make_flow(Run *r, const KInst *i, Op op)
{
	uint32_t at = (uint32_t)r->op.n;

	switch (i->op) {
	case K_for:
		op.code = C_FOR;
		op.c = new_cells(r, kt(KS_I64, 1));     /* the end, read once */
		put(r, op);
		make_block(r, i->body);
		op.code = C_NEXT;
		op.to = at + 1;
		put(r, op);
		r->op.p[at].to = (uint32_t)r->op.n;
		break;
	case K_if:
		op.code = C_JUMP_UNLESS;
		put(r, op);
		make_block(r, i->body);
		if (i->other && i->other->inst.n) {
			uint32_t skip = (uint32_t)r->op.n;

			op.code = C_JUMP;
			put(r, op);
			r->op.p[at].to = (uint32_t)r->op.n;
			make_block(r, i->other);
			at = skip;
		}
		r->op.p[at].to = (uint32_t)r->op.n;
		break;
	case K_loop: {
		uint32_t outer = r->breaks;

		r->breaks = 0;
		make_block(r, i->body);
		op.code = C_AGAIN;
		op.to = at;
		put(r, op);
		for (uint32_t b = r->breaks, next; b; b = next) {
			next = r->op.p[b - 1].to;
			r->op.p[b - 1].to = (uint32_t)r->op.n;
		}
		r->breaks = outer;
		break;
	}
	default:
		op.code = C_JUMP_IF;
		op.to = r->breaks;
		put(r, op);
		r->breaks = at + 1;
		break;
	}
}

static void
make_inst(Run *r, const KInst *i)
{
	bool write = kop_info[i->op].cls == KCLASS_WRITE;
	KType t = r->k->reg.p[write ? i->a[1] : i->dst], a = r->k->reg.p[i->a[0]];
	uint32_t *cell = r->cell;
	Op op = {
		.s = t.s, .lanes = t.lanes, .size = kcell_bytes[t.s], .d = cell[i->dst],
		.a = cell[i->a[0]], .b = cell[i->a[1]], .c = cell[i->a[2]],
		.buf = i->buf - 1, .buf2 = i->buf2 - 1, .buf3 = i->buf3 - 1, .imm = i->imm, .from = i,
	};
	int args = kop_info[i->op].args;

	switch (i->op) {
	case K_const: case K_lanes:
		make_constant(r, i, op);
		return;
	case K_for: case K_if: case K_loop: case K_break_if:
		make_flow(r, i, op);
		return;
	case K_grid_wait:               /* launches run one after another */
		return;
	case K_select:
		op.code = a.lanes == t.lanes ? C_LANES : C_SELECT_ONE;
		op.fn = klane_fn(K_select, (KScalar)t.s);
		break;
	case K_cast:
		op.code = C_LANES;
		op.fn = klane_cast((KScalar)a.s, (KScalar)t.s);
		break;
	case K_reduce_add: case K_reduce_max:
		op.code = C_REDUCE;
		op.lanes = a.lanes;
		op.fn = klane_fn(i->op == K_reduce_add ? K_add : K_max, (KScalar)a.s);
		break;
	case K_join:
		op.code = C_JOIN;
		op.imm = a.lanes;
		break;
	case K_bytes:
		op.code = C_BYTES;
		break;
	case K_mma:
		op.code = C_MMA;
		op.s = a.s;
		break;
	case K_atomic_add: case K_atomic_fetch_add:
		op.code = C_ATOMIC_ADD;
		op.fn = klane_fn(K_add, (KScalar)t.s);
		break;
	case K_load: case K_load_if: case K_store: case K_store_if:
		op.code = plain_code[i->op];
		op.imm = i->imm ? i->imm : t.lanes;
		break;
	default:
		op.fn = klane_fn(i->op, (KScalar)a.s);
		op.code = op.fn ? code_of(i->op, (KScalar)a.s, t.lanes) : plain_code[i->op];
		if (op.fn) {
			op.s = a.s;
			op.b = args > 1 ? op.b : op.a;          /* readable, and not read */
			op.c = args > 2 ? op.c : op.a;
		}
		break;
	}
	if (i->op == K_cast)
		op.b = op.c = op.a;
	put(r, op);
}

static void
make_block(Run *r, const KBlock *b)
{
	for (size_t i = 0; i < b->inst.n; i++)
		make_inst(r, &b->inst.p[i]);
}

/* writes of each register, and cells that will be needed beside those of registers */
static void
survey(const KBlock *b, const Kernel *k, uint32_t *writes, uint64_t *extra)
{
	for (size_t i = 0; i < b->inst.n; i++) {
		const KInst *x = &b->inst.p[i];
		KType t = k->reg.p[x->dst];

		writes[x->dst]++;
		*extra += x->op == K_for ? 8 : 0;
		if (x->op == K_const || x->op == K_lanes)
			*extra += ((uint32_t)t.lanes * kcell_bytes[t.s] + 7) & ~7u;
		if (x->body)
			survey(x->body, k, writes, extra);
		if (x->other)
			survey(x->other, k, writes, extra);
	}
}

static bool
make_code(Run *r)
{
	const Kernel *k = r->k;
	uint32_t *writes = NEWN(r->a, uint32_t, k->reg.n);
	uint64_t bytes = 0;

	survey(&k->body, k, writes, &bytes);
	r->cell = NEWN(r->a, uint32_t, k->reg.n);
	for (size_t i = 1; i < k->reg.n; i++)
		if (writes[i])
			bytes += ((uint32_t)k->reg.p[i].lanes * kcell_bytes[k->reg.p[i].s] + 7) & ~7u;
	if (bytes * r->threads > MAX_REGISTER_BYTES)
		return refuse(r, "its registers take more than 2 GiB");
	for (size_t i = 1; i < k->reg.n; i++)
		if (writes[i])
			r->cell[i] = new_cells(r, k->reg.p[i]);
	r->writes = writes;
	r->image = arena_alloc(r->a, bytes + 8);
	make_block(r, &k->body);
	put(r, (Op){ .code = C_END });
	return true;
}

/* ---- memory ---------------------------------------------------------------------------- */

static bool
inside(const Memory *m, int64_t at, int64_t n)
{
	return at >= 0 && at <= m->count - n;
}

State
run_outside(Run *r, const Op *op, uint32_t tid, const Memory *m, int64_t at, int64_t n)
{
	if (n == 1)
		return run_fail(r, op, tid, "element %" PRId64 " of %s, which has %" PRId64, at, m->b->name, m->count);
	return run_fail(r, op, tid, "elements %" PRId64 " .. %" PRId64 " of %s, which has %" PRId64, at,
	            at + n, m->b->name, m->count);
}

static State
race(Run *r, const Op *op, uint32_t tid, const Memory *m, int64_t at, const char *did, uint32_t who)
{
	if (who != MANY)
		who %= r->threads;
	if (who == MANY)
		return run_fail(r, op, tid, "race: several threads have %s element %" PRId64
		            " of %s, with no barrier since", did, at, m->b->name);
	return run_fail(r, op, tid, "race: thread %" PRIu32 " (of the block, counted from 0) has %s element %" PRId64
	            " of %s, with no barrier since", who, did, at, m->b->name);
}

Run *
run_peer(Run *r, const Op *op, uint32_t tid, int64_t rank)
{
	if (rank < 0 || rank >= r->blocks) {
		run_fail(r, op, tid, "the cluster has no block of rank %" PRId64, rank);
		return NULL;
	}
	if (rank != r->rank && r->cluster[rank].met_epoch == r->cluster[rank].first) {
		run_fail(r, op, tid, "the block of rank %" PRId64 " may not have begun: there was no cluster_barrier", rank);
		return NULL;
	}
	if (rank != r->rank)
		r->cluster[rank].lent = r->met + 1;
	return &r->cluster[rank];
}

/* does another block of the cluster, at the same time, do what it should not with an element of a global buffer? */
static bool
elsewhere(const Run *r, uint32_t epoch, uint16_t who)
{
	return r->blocks > 1 && epoch >= r->cluster->first && who != MANY && who / r->threads != r->rank;
}

static State
peer_load(Run *r, const Op *op, uint32_t tid, unsigned char *reg)
{
	int64_t at = get_int(reg + op->a, KS_IX);
	Run *p = run_peer(r, op, tid, get_int(reg + op->b, KS_IX));
	Memory *m = p ? &p->mem[op->buf] : NULL;

	if (!p)
		return FAILED;
	if (!inside(m, at, op->lanes))
		return run_outside(r, op, tid, m, at, op->lanes);
	if (p == r && run_read(r, op, tid, m, at, op->lanes) == FAILED)
		return FAILED;
	for (int64_t e = at; e < at + op->lanes; e++) {
		Touch *t = &m->touch[e];

		if (t->wrote < p->first)
			return run_fail(r, op, tid, "element %" PRId64 " of %s has no value yet", e, m->b->name);
		if (t->tma || t->flying)
			return run_fail(r, op, tid, "element %" PRId64 " of %s is a copy's: its own block alone can wait for it", e,
			                m->b->name);
		if (p != r && t->wrote >= p->met_epoch)
			return run_fail(r, op, tid, "race: element %" PRId64 " of %s was written with no cluster_barrier since", e,
			                m->b->name);
		t->peer = p != r ? r->met + 1 : t->peer;
	}
	memcpy(reg + op->d, m->p + at * op->size, (size_t)op->lanes * op->size);
	return READY;
}

static State
read_touch(Run *r, const Op *op, uint32_t tid, const Memory *m, int64_t at)
{
	Touch *t = &m->touch[at];

	if (m->b->space == KSPACE_SHARED && t->wrote < r->first)
		return run_fail(r, op, tid, "element %" PRId64 " of %s has no value yet", at, m->b->name);
	if (t->wrote && (t->wrote < r->first || (m->b->space != KSPACE_SHARED && elsewhere(r, t->wrote, t->writer))))
		return run_fail(r, op, tid, "race: another task has written element %" PRId64 " of %s", at, m->b->name);
	if (t->flying && t->wrote >= r->first)
		return run_fail(r, op, tid, "the cp_async into element %" PRId64 " of %s has not been waited for",
		            at, m->b->name);
	if (m->async && async_read(r, op, tid, m, at) == FAILED)
		return FAILED;
	if (!t->tma && t->wrote == r->epoch && t->writer != run_who(r, tid))
		return race(r, op, tid, m, at, "written", t->writer);
	if (t->read != r->epoch) {
		t->read_before |= t->read && (t->read < r->first || elsewhere(r, t->read, t->reader));
		t->read = r->epoch;
		t->reader = run_who(r, tid);
	} else if (t->reader != run_who(r, tid)) {
		t->reader = MANY;
	}
	return READY;
}

static State
write_touch(Run *r, const Op *op, uint32_t tid, const Memory *m, int64_t at, bool atomic)
{
	Touch *t = &m->touch[at];
	bool shared = m->b->space == KSPACE_SHARED, both = atomic && t->atomic;
	uint16_t who = run_who(r, tid);

	if (!shared && t->wrote && (t->wrote < r->first || elsewhere(r, t->wrote, t->writer)) && !both)
		return run_fail(r, op, tid, "race: another task has written element %" PRId64 " of %s", at, m->b->name);
	if (shared && t->peer == r->met + 1)
		return run_fail(r, op, tid, "race: another block has read element %" PRId64 " of %s, with no cluster_barrier since", at,
		                m->b->name);
	if (!shared && (t->read_before || (t->read && (t->read < r->first || elsewhere(r, t->read, t->reader)))))
		return run_fail(r, op, tid, "race: another task has read element %" PRId64 " of %s", at, m->b->name);
	if (t->flying && t->wrote >= r->first)
		return run_fail(r, op, tid, "a cp_async into element %" PRId64 " of %s is under way", at, m->b->name);
	if (m->async && async_write(r, op, tid, m, at) == FAILED)
		return FAILED;
	if (!t->tma && t->wrote == r->epoch && t->writer != who && !both)
		return race(r, op, tid, m, at, "written", t->writer);
	if (t->read == r->epoch && t->reader != who)
		return race(r, op, tid, m, at, "read", t->reader);
	t->writer = t->wrote == r->epoch && t->writer != who ? MANY : who;
	t->wrote = r->epoch;
	t->atomic = atomic;
	t->flying = t->tma = false;
	return READY;
}

/* Notes that a thread uses one of several buffers with one storage; a write by any but the one
 * that has values takes these away. */
State
run_use_storage(Run *r, const Op *op, uint32_t tid, Memory *m, bool write)
{
	Memory *old = m->root->holds;

	if (old && old != m && old->used == r->epoch && old->user != tid)
		return run_fail(r, op, tid, "race: the storage of %s is that of %s, which another thread has used "
		            "with no barrier since", m->b->name, old->b->name);
	if (write && old != m) {
		if (old && old->used >= r->first && (old->flying || (old->async && async_flying(old))))
			return run_fail(r, op, tid, "the storage of %s is that of %s, and a copy into that is under way",
			            m->b->name, old->b->name);
		if (old)
			memset(old->touch, 0, (size_t)old->count * sizeof(*old->touch));
		m->root->holds = m;
	}
	if (m->used < r->first)
		m->flying = 0;
	m->user = m->used == r->epoch && m->user != tid ? MANY : tid;
	m->used = r->epoch;
	return READY;
}

State
run_read(Run *r, const Op *op, uint32_t tid, Memory *m, int64_t at, int64_t n)
{
	if (!inside(m, at, n))
		return run_outside(r, op, tid, m, at, n);
	if (m->set) {
		const uint32_t *set = m->set + tid * m->count;

		for (int64_t i = at; i < at + n; i++)
			if (set[i] != r->serial)
				return run_fail(r, op, tid, "element %" PRId64 " of %s has no value yet", i, m->b->name);
	}
	if (m->root && run_use_storage(r, op, tid, m, false) == FAILED)
		return FAILED;
	if (m->touch)
		for (int64_t i = at; i < at + n; i++)
			if (read_touch(r, op, tid, m, i) == FAILED)
				return FAILED;
	return READY;
}

State
run_write(Run *r, const Op *op, uint32_t tid, Memory *m, int64_t at, int64_t n)
{
	if (!inside(m, at, n))
		return run_outside(r, op, tid, m, at, n);
	if (m->set) {
		uint32_t *set = m->set + tid * m->count;

		for (int64_t i = at; i < at + n; i++)
			set[i] = r->serial;
	}
	if (m->root && run_use_storage(r, op, tid, m, true) == FAILED)
		return FAILED;
	if (m->touch)
		for (int64_t i = at; i < at + n; i++)
			if (write_touch(r, op, tid, m, i, op->code == C_ATOMIC_ADD) == FAILED)
				return FAILED;
	return READY;
}

static unsigned char *
element(const Memory *m, uint32_t tid, int64_t at)
{
	return m->p + (m->set ? tid * m->bytes : 0) + at * dtype_info[m->b->dt].bytes;
}

/* n elements of memory into cells */
static void
to_cells(DType dt, unsigned char *cell, const unsigned char *p, int64_t n)
{
	uint16_t h;
	float f;

	switch (dt) {
	case DT_BOOL:
		for (int64_t i = 0; i < n; i++)
			cell[i] = p[i] != 0;
		break;
	case DT_F16: case DT_BF16:
		for (int64_t i = 0; i < n; i++) {
			memcpy(&h, p + 2 * i, 2);
			f = dt == DT_F16 ? f16_to_f32(h) : bf16_to_f32(h);
			memcpy(cell + 4 * i, &f, 4);
		}
		break;
	default:
		memcpy(cell, p, (size_t)n * (size_t)dtype_info[dt].bytes);
		break;
	}
}

static void
from_cells(DType dt, unsigned char *p, const unsigned char *cell, int64_t n)
{
	uint16_t h;
	float f;

	switch (dt) {
	case DT_F16: case DT_BF16:
		for (int64_t i = 0; i < n; i++) {
			memcpy(&f, cell + 4 * i, 4);
			h = dt == DT_F16 ? f16_from_f32(f) : bf16_from_f32(f);
			memcpy(p + 2 * i, &h, 2);
		}
		break;
	default:
		memcpy(p, cell, (size_t)n * (size_t)dtype_info[dt].bytes);
		break;
	}
}

/* ---- one thread -------------------------------------------------------------------------- */

static int64_t
axis_value(const Run *r, uint32_t tid, int64_t axis)
{
	const int32_t *n = r->k->block;
	uint32_t x = (uint32_t)n[0], y = (uint32_t)n[1];

	switch (axis) {
	case KAXIS_THREAD_X: return tid % x;
	case KAXIS_THREAD_Y: return tid / x % y;
	case KAXIS_THREAD_Z: return tid / x / y;
	case KAXIS_LANE: return tid % KIR_WARP;
	case KAXIS_WARP: return tid / KIR_WARP;
	case KAXIS_CLUSTER_X: case KAXIS_CLUSTER_Y: case KAXIS_CLUSTER_Z:
		return r->task[axis - KAXIS_CLUSTER_X] / r->k->cluster[axis - KAXIS_CLUSTER_X];
	case KAXIS_RANK: return r->rank;
	default: return r->task[axis - KAXIS_BLOCK_X];
	}
}

static void
set_int(unsigned char *cell, KScalar s, int64_t x)
{
	if (s == KS_I32)
		*(int32_t *)(void *)cell = (int32_t)x;
	else
		*(int64_t *)(void *)cell = x;
}

static void
splat(unsigned char *d, const unsigned char *a, int lanes, size_t size)
{
	uint32_t word;

	if (size != sizeof(word)) {
		for (int l = 0; l < lanes; l++)
			memmove(d + (size_t)l * size, a, size);
		return;
	}
	memcpy(&word, a, sizeof(word));
	for (int l = 0; l < lanes; l++)
		memcpy(d + (size_t)l * sizeof(word), &word, sizeof(word));
}

/* the upper half is added to the lower until one is left */
static void
reduce(const Op *op, unsigned char *d, const unsigned char *a)
{
	_Alignas(8) unsigned char t[KIR_MAX_LANES * 8];
	size_t size = kcell_bytes[op->s];
	int n = op->lanes;

	memcpy(t, a, (size_t)n * size);
	while (n > 1) {
		int half = (n + 1) / 2;

		op->fn(t, t, t + (size_t)half * size, t, n - half);
		n = half;
	}
	memcpy(d, t, size);
}

/* four of the bytes that two registers take in memory */
static void
bytes(const Kernel *k, const Op *op, unsigned char *reg)
{
	const KInst *i = op->from;
	_Alignas(8) unsigned char from[8], to[4];
	int64_t digits = op->imm;

	for (int j = 0; j < 2; j++)
		from_cells(kdtype_of((KScalar)k->reg.p[i->a[j]].s), from + 4 * j, reg + (j ? op->b : op->a), k->reg.p[i->a[j]].lanes);
	for (int j = 0; j < 4; j++, digits /= 10)
		to[j] = from[digits % 10];
	to_cells(kdtype_of((KScalar)op->s), reg + op->d, to, op->lanes);
}

static State
gather(Run *r, const Op *op, uint32_t tid, unsigned char *reg)
{
	Memory *m = &r->mem[op->buf];

	for (int l = 0; l < op->lanes; l++) {
		int64_t at = get_int(reg + op->a + 8 * l, KS_IX);

		if (run_read(r, op, tid, m, at, 1) == FAILED)
			return FAILED;
		to_cells(m->b->dt, reg + op->d + l * op->size, element(m, tid, at), 1);
	}
	return READY;
}

static State
atomic_add(Run *r, const Op *op, uint32_t tid, unsigned char *reg)
{
	Memory *m = &r->mem[op->buf];
	int64_t at = get_int(reg + op->a, KS_IX);
	_Alignas(8) unsigned char old[8], sum[8];

	if (m->b->space == KSPACE_SHARED && inside(m, at, 1) && m->touch[at].wrote < r->first)
		return run_fail(r, op, tid, "element %" PRId64 " of %s has no value yet", at, m->b->name);
	if (run_write(r, op, tid, m, at, 1) == FAILED)
		return FAILED;
	to_cells(m->b->dt, old, element(m, tid, at), 1);
	op->fn(sum, old, reg + op->b, old, 1);
	from_cells(m->b->dt, element(m, tid, at), sum, 1);
	if (op->from->dst)
		memcpy(reg + op->d, old, op->size);
	return READY;
}

static State
cp_async(Run *r, const Op *op, uint32_t tid, const unsigned char *reg)
{
	Memory *to = &r->mem[op->buf], *from = &r->mem[op->buf2];
	int64_t at = get_int(reg + op->a, KS_IX), src = get_int(reg + op->b, KS_IX);
	Thread *t = &r->thread[tid];
	Copy c = { .group = t->groups, .buf = op->buf, .at = at, .count = (int)op->imm };

	c.bytes = (int)op->imm * dtype_info[to->b->dt].bytes;
	if (run_write(r, op, tid, to, at, op->imm) == FAILED)
		return FAILED;
	if ((at * dtype_info[to->b->dt].bytes) % c.bytes)
		return run_fail(r, op, tid, "element %" PRId64 " of %s is not aligned to %d bytes", at,
		            to->b->name, c.bytes);
	if (reg[op->c]) {
		if (run_read(r, op, tid, from, src, op->imm) == FAILED)
			return FAILED;
		if ((src * dtype_info[to->b->dt].bytes) % c.bytes)
			return run_fail(r, op, tid, "element %" PRId64 " of %s is not aligned to %d bytes", src,
			            from->b->name, c.bytes);
		memcpy(c.data, element(from, tid, src), (size_t)c.bytes);
	}
	for (int64_t i = at; i < at + op->imm; i++)
		to->touch[i].flying = true;
	to->flying++;
	if (t->ncopy == t->ccopy) {
		size_t cap = t->ccopy ? 2 * t->ccopy : 16;
		Copy *p = realloc(t->copy, cap * sizeof(*p));

		if (!p)
			return run_fail(r, op, tid, "out of memory");
		t->copy = p;
		t->ccopy = cap;
	}
	t->copy[t->ncopy++] = c;
	return READY;
}

static void
cp_wait(Run *r, const Op *op, uint32_t tid)
{
	Thread *t = &r->thread[tid];
	size_t left = 0;

	for (size_t i = 0; i < t->ncopy; i++) {
		const Copy *c = &t->copy[i];
		Memory *m = &r->mem[c->buf];

		if (c->group + (uint64_t)op->imm >= t->groups) {
			t->copy[left++] = *c;
			continue;
		}
		memcpy(element(m, tid, c->at), c->data, (size_t)c->bytes);
		m->flying--;
		for (int64_t e = c->at; e < c->at + c->count; e++) {
			m->touch[e].flying = false;
			m->touch[e].wrote = r->epoch;           /* others see it after a barrier */
			m->touch[e].writer = run_who(r, tid);
		}
	}
	t->ncopy = left;
}

#define CELL(T, at) (*(T *)(void *)(reg + (at)))
#define TURN()                                                                                  \
	if (++r->turns == r->limit)                                                             \
		return run_fail(r, i, tid, "gave up after %" PRIu64 " turns of loops", r->limit)

static State
run_thread(Run *r, uint32_t tid)
{
	unsigned char *reg = r->file + (size_t)tid * r->cells;
	const Op *code = r->op.p, *i = code + r->thread[tid].pc;
	Memory *m;
	int64_t at, end;

	for (;; i++) {
		switch ((Code)i->code) {
		case C_LANES:
			i->fn(reg + i->d, reg + i->a, reg + i->b, reg + i->c, i->lanes);
			break;
		case C_DIVIDE:
			if (!klane_defined(i->from->op, (KScalar)i->s, reg + i->b, i->lanes))
				return run_fail(r, i, tid, i->from->op == K_div || i->from->op == K_rem
				                       ? "division by zero" : "shift by more bits than there are");
			i->fn(reg + i->d, reg + i->a, reg + i->b, reg + i->c, i->lanes);
			break;
		case C_SELECT_ONE:
			memmove(reg + i->d, reg + (reg[i->a] ? i->b : i->c), (size_t)i->lanes * i->size);
			break;
		case C_ADD_IX:
			CELL(uint64_t, i->d) = CELL(uint64_t, i->a) + CELL(uint64_t, i->b);
			break;
		case C_MUL_IX:
			CELL(uint64_t, i->d) = CELL(uint64_t, i->a) * CELL(uint64_t, i->b);
			break;
		case C_LT_IX:
			reg[i->d] = CELL(int64_t, i->a) < CELL(int64_t, i->b);
			break;
		case C_AXIS:
			CELL(int64_t, i->d) = axis_value(r, tid, i->imm);
			break;
		case C_SPLAT:
			splat(reg + i->d, reg + i->a, i->lanes, i->size);
			break;
		case C_LANE:
			memmove(reg + i->d, reg + i->a + i->imm * i->size, (size_t)i->lanes * i->size);
			break;
		case C_JOIN:
			memmove(reg + i->d, reg + i->a, (size_t)i->imm * i->size);
			memmove(reg + i->d + i->imm * i->size, reg + i->b, (size_t)(i->lanes - i->imm) * i->size);
			break;
		case C_BYTES:
			bytes(r->k, i, reg);
			break;
		case C_REDUCE:
			reduce(i, reg + i->d, reg + i->a);
			break;
		case C_LOAD_IF:
			if (!reg[i->b]) {
				memset(reg + i->d, 0, (size_t)i->lanes * i->size);
				break;
			}
			/* fall through */
		case C_LOAD:
			m = &r->mem[i->buf];
			at = CELL(int64_t, i->a);
			if (run_read(r, i, tid, m, at, i->imm) == FAILED)
				return FAILED;
			to_cells(m->b->dt, reg + i->d, element(m, tid, at), i->imm);
			if (i->imm < i->lanes)
				memset(reg + i->d + i->imm * i->size, 0, (size_t)(i->lanes - i->imm) * i->size);
			break;
		case C_GATHER:
			if (gather(r, i, tid, reg) == FAILED)
				return FAILED;
			break;
		case C_STORE_IF:
			if (!reg[i->c])
				break;
			/* fall through */
		case C_STORE:
			m = &r->mem[i->buf];
			at = CELL(int64_t, i->a);
			if (run_write(r, i, tid, m, at, i->imm) == FAILED)
				return FAILED;
			from_cells(m->b->dt, element(m, tid, at), reg + i->b, i->imm);
			break;
		case C_ATOMIC_ADD:
			if (atomic_add(r, i, tid, reg) == FAILED)
				return FAILED;
			break;
		case C_FOR:
			at = get_int(reg + i->a, (KScalar)i->s);
			end = get_int(reg + i->b, (KScalar)i->s);
			CELL(int64_t, i->c) = end;
			set_int(reg + i->d, (KScalar)i->s, at);
			if (at >= end)
				i = code + i->to - 1;
			break;
		case C_NEXT:
			TURN();
			if (!__builtin_add_overflow(get_int(reg + i->d, (KScalar)i->s), i->imm, &at) &&
			    at < CELL(int64_t, i->c)) {
				set_int(reg + i->d, (KScalar)i->s, at);
				i = code + i->to - 1;
			}
			break;
		case C_AGAIN:
			TURN();
			i = code + i->to - 1;
			break;
		case C_JUMP:
			i = code + i->to - 1;
			break;
		case C_JUMP_IF:
			if (reg[i->a])
				i = code + i->to - 1;
			break;
		case C_JUMP_UNLESS:
			if (!reg[i->a])
				i = code + i->to - 1;
			break;
		case C_CP_ASYNC:
			if (cp_async(r, i, tid, reg) == FAILED)
				return FAILED;
			break;
		case C_CP_COMMIT:
			r->thread[tid].groups++;
			break;
		case C_CP_WAIT:
			cp_wait(r, i, tid);
			break;
		case C_BARRIER: case C_CLUSTER_BARRIER:
			r->thread[tid].pc = (uint32_t)(i - code);
			return i->code == C_BARRIER ? AT_BARRIER : AT_CLUSTER;
		case C_PEER_LOAD:
			if (peer_load(r, i, tid, reg) == FAILED)
				return FAILED;
			break;
		case C_SHUFFLE: case C_SHUFFLE_IDX: case C_VOTE_ANY: case C_BALLOT: case C_LDMATRIX: case C_MMA:
			r->thread[tid].pc = (uint32_t)(i - code);
			return AT_WARP;
		case C_WGMMA: case C_WGMMA_A: case C_WGMMA_WAIT: case C_WGMMA_GET: case C_REGS:
			r->thread[tid].pc = (uint32_t)(i - code);
			return AT_GROUP;
		case C_MBAR_INIT: case C_MBAR_ARRIVE: case C_MBAR_WAIT: case C_TMA_LOAD: case C_PEER_ARRIVE: case C_ASYNC_FENCE: {
			State s = async_op(r, i, tid);

			if (s == READY) {
				r->progress = true;
				break;
			}
			r->thread[tid].pc = (uint32_t)(i - code);
			return s;
		}
		case C_END:
			return ENDED;
		}
	}
}

/* ---- warps and blocks ---------------------------------------------------------------------- */

static State
shuffle(Run *r, const Op *op, uint32_t first, uint32_t n)
{
	_Alignas(8) unsigned char t[KIR_WARP][KIR_MAX_LANES * 8];
	size_t bytes = (size_t)op->lanes * kcell_bytes[op->s];

	for (uint32_t l = 0; l < n; l++)
		memcpy(t[l], r->file + (size_t)(first + l) * r->cells + op->a, bytes);
	for (uint32_t l = 0; l < n; l++) {
		unsigned char *reg = r->file + (size_t)(first + l) * r->cells;
		int64_t other = op->code == C_SHUFFLE_IDX ? get_int(reg + op->b, KS_IX) : l ^ op->imm;

		if (other < 0 || other >= n)
			return run_fail(r, op, first + l, "the warp has no lane %" PRId64, other);
		memcpy(reg + op->d, t[other], bytes);
	}
	return READY;
}

static State
vote_any(Run *r, const Op *op, uint32_t first, uint32_t n)
{
	unsigned char any = 0;

	for (uint32_t l = 0; l < n; l++)
		any |= r->file[(size_t)(first + l) * r->cells + op->a];
	for (uint32_t l = 0; l < n; l++)
		r->file[(size_t)(first + l) * r->cells + op->d] = any;
	return READY;
}

static State
ballot(Run *r, const Op *op, uint32_t first, uint32_t n)
{
	uint32_t bits = 0;

	for (uint32_t l = 0; l < n; l++)
		bits |= (uint32_t)r->file[(size_t)(first + l) * r->cells + op->a] << l;
	for (uint32_t l = 0; l < n; l++)
		memcpy(r->file + (size_t)(first + l) * r->cells + op->d, &bits, sizeof(bits));
	return READY;
}

/* With g = lane / 4, q = lane % 4 a lane gets row g, columns 2q and 2q + 1, of each matrix. */
static State
ldmatrix(Run *r, const Op *op, uint32_t first)
{
	Memory *m = &r->mem[op->buf];
	int64_t per = 16 / dtype_info[m->b->dt].bytes;
	size_t cell = kcell_bytes[kscalar_of(m->b->dt)], piece = cell * (size_t)per / 4;
	unsigned char x[4][8][8 * sizeof(float)];

	for (uint32_t l = 0; l < KIR_WARP; l++) {
		int64_t at = get_int(r->file + (size_t)(first + l) * r->cells + op->a, KS_IX);

		if (run_read(r, op, first + l, m, at, per) == FAILED)
			return FAILED;
		if (at % per)
			return run_fail(r, op, first + l, "element %" PRId64 " of %s is not aligned to 16 bytes", at,
			            m->b->name);
		to_cells(m->b->dt, x[l / 8][l % 8], element(m, first + l, at), per);
	}
	for (uint32_t l = 0; l < KIR_WARP; l++) {
		unsigned char *d = r->file + (size_t)(first + l) * r->cells + op->d;
		uint32_t g = l / 4, q = l % 4;

		for (uint32_t i = 0; i < 4; i++, d += piece) {
			if (!op->imm) {
				memcpy(d, x[i][g] + q * piece, piece);
				continue;
			}
			memcpy(d, x[i][2 * q] + g * cell, cell);
			memcpy(d + cell, x[i][2 * q + 1] + g * cell, cell);
		}
	}
	return READY;
}

/* Where the elements of a lane lie, from the tables of PTX: with g = lane / 4, q = lane % 4,
 *
 *     A 16 x 16   a0 a1: g, 2q   a2 a3: g + 8, 2q   a4 a5: g, 2q + 8   a6 a7: g + 8, 2q + 8
 *     B 16 x 8    b0 b1: 2q, g   b2 b3: 2q + 8, g
 *     C 16 x 8    c0 c1: g, 2q   c2 c3: g + 8, 2q
 *
 * for tf32
 *
 *     A 16 x 8    a0: g, q   a1: g + 8, q   a2: g, q + 4   a3: g + 8, q + 4
 *     B 8 x 8     b0: q, g   b1: q + 4, g
 *
 * and for s8, four bytes where f16 has two
 *
 *     A 16 x 32   a0 … a3: g, 4q   a4 … a7: g + 8, 4q   a8 … a11: g, 4q + 16   a12 … a15: g + 8, 4q + 16
 *     B 32 x 8    b0 … b3: 4q, g   b4 … b7: 4q + 16, g
 */
static float
tf32(float x)
{
	uint32_t bits;

	if (!isfinite(x))
		return x;
	memcpy(&bits, &x, sizeof(bits));
	bits = (bits + 0x1000) & ~UINT32_C(0x1fff);
	memcpy(&x, &bits, sizeof(bits));
	return x;
}

static State
mma(Run *r, const Op *op, uint32_t first)
{
	int depth = op->s == KS_F32 ? 8 : 16;
	float a[16][16], b[16][8], c[16][8];

	for (int l = 0; l < KIR_WARP; l++) {
		unsigned char *reg = r->file + (first + (size_t)l) * r->cells;
		const float *x = (const void *)(reg + op->a), *y = (const void *)(reg + op->b);
		const float *z = (const void *)(reg + op->c);
		int g = l / 4, q = l % 4;

		for (int i = 0; i < 4 && depth == 8; i++)
			a[g + 8 * (i & 1)][q + 4 * (i >> 1)] = tf32(x[i]);
		for (int i = 0; i < 2 && depth == 8; i++)
			b[q + 4 * i][g] = tf32(y[i]);
		for (int i = 0; i < 8 && depth == 16; i++)
			a[g + 8 * (i >> 1 & 1)][2 * q + (i & 1) + 8 * (i >> 2)] = x[i];
		for (int i = 0; i < 4 && depth == 16; i++)
			b[2 * q + (i & 1) + 8 * (i >> 1)][g] = y[i];
		for (int i = 0; i < 4; i++)
			c[g + 8 * (i >> 1)][2 * q + (i & 1)] = z[i];
	}
	/* Machines differ in how they round inside; once, at the end, is the middle of them. */
	for (int i = 0; i < 16; i++)
		for (int j = 0; j < 8; j++) {
			double sum = (double)c[i][j];

			for (int k = 0; k < depth; k++)
				sum += (double)a[i][k] * (double)b[k][j];
			c[i][j] = (float)sum;
		}
	for (int l = 0; l < KIR_WARP; l++) {
		float *z = (void *)(r->file + (first + (size_t)l) * r->cells + op->d);

		for (int i = 0; i < 4; i++)
			z[i] = c[l / 4 + 8 * (i >> 1)][2 * (l % 4) + (i & 1)];
	}
	return READY;
}

static State
mma_s8(Run *r, const Op *op, uint32_t first)
{
	int8_t a[16][32], b[32][8];
	int32_t c[16][8];

	for (int l = 0; l < KIR_WARP; l++) {
		unsigned char *reg = r->file + (first + (size_t)l) * r->cells;
		const int8_t *x = (const void *)(reg + op->a), *y = (const void *)(reg + op->b);
		const int32_t *z = (const void *)(reg + op->c);
		int g = l / 4, q = l % 4;

		for (int i = 0; i < 16; i++)
			a[g + 8 * (i >> 2 & 1)][4 * q + (i & 3) + 16 * (i >> 3)] = x[i];
		for (int i = 0; i < 8; i++)
			b[4 * q + (i & 3) + 16 * (i >> 2)][g] = y[i];
		for (int i = 0; i < 4; i++)
			c[g + 8 * (i >> 1)][2 * q + (i & 1)] = z[i];
	}
	for (int i = 0; i < 16; i++)
		for (int j = 0; j < 8; j++) {
			uint32_t sum = (uint32_t)c[i][j];

			for (int k = 0; k < 32; k++)
				sum += (uint32_t)(a[i][k] * b[k][j]);
			c[i][j] = (int32_t)sum;
		}
	for (int l = 0; l < KIR_WARP; l++) {
		int32_t *z = (void *)(r->file + (first + (size_t)l) * r->cells + op->d);

		for (int i = 0; i < 4; i++)
			z[i] = c[l / 4 + 8 * (i >> 1)][2 * (l % 4) + (i & 1)];
	}
	return READY;
}

static State
meet(Run *r, const Op *op, uint32_t first, uint32_t n)
{
	switch ((Code)op->code) {
	case C_MMA: return op->s == KS_U8 ? mma_s8(r, op, first) : mma(r, op, first);
	case C_LDMATRIX: return ldmatrix(r, op, first);
	case C_VOTE_ANY: return vote_any(r, op, first, n);
	case C_BALLOT: return ballot(r, op, first, n);
	default: return shuffle(r, op, first, n);
	}
}

/* Runs a warp until every lane waits for others or is at the end. */
static State
run_warp(Run *r, uint32_t first, uint32_t n)
{
	for (;;) {
		Thread *t = r->thread + first;
		bool meets = false, blocked = false;
		uint32_t pc = 0;

		for (uint32_t l = 0; l < n; l++) {
			r->progress |= t[l].state == READY;
			if ((t[l].state == READY || t[l].state == BLOCKED) &&
			    (t[l].state = run_thread(r, first + l)) == FAILED)
				return FAILED;
			blocked |= t[l].state == BLOCKED;
			if (t[l].state == AT_WARP && !meets) {
				meets = true;
				pc = t[l].pc;
			}
		}
		if (!meets || blocked)
			return READY;
		const Op *op = &r->op.p[pc];
		for (uint32_t l = 0; l < n; l++)
			if (t[l].state != AT_WARP || t[l].pc != pc)
				return run_fail(r, op, first + l, "this lane of the warp is elsewhere");
		if (meet(r, op, first, n) == FAILED)
			return FAILED;
		for (uint32_t l = 0; l < n; l++) {
			t[l].state = READY;
			t[l].pc = pc + 1;
		}
	}
}

/* Four warps that have all come to the same wgmma. */
static State
run_group(Run *r, uint32_t first)
{
	Thread *t = r->thread + first;

	for (uint32_t l = 0; l < KIR_GROUP; l++)
		if (t[l].state != AT_GROUP || t[l].pc != t[0].pc)
			return READY;
	if (async_group(r, &r->op.p[t[0].pc], first) == FAILED)
		return FAILED;
	for (uint32_t l = 0; l < KIR_GROUP; l++) {
		t[l].state = READY;
		t[l].pc++;
	}
	r->progress = true;
	return READY;
}

/* Nothing goes on: all are at one barrier, or at the end. */
static State
meet_all(Run *r)
{
	const Thread *t = r->thread;

	for (uint32_t i = 0; i < r->threads; i++)
		if (t[i].state == AT_GROUP)
			return run_fail(r, &r->op.p[t[i].pc], i, "not all of its %d threads come here", KIR_GROUP);
	for (uint32_t i = 0; i < r->threads; i++)
		if (t[i].state == BLOCKED)
			return run_fail(r, &r->op.p[t[i].pc], i, "this waits for ever: nothing completes the phase");
	for (uint32_t i = 0; i < r->threads; i++) {
		if (t[0].state == ENDED && t[i].state != ENDED)
			return run_fail(r, &r->op.p[t[i].pc], i, "another thread has ended before");
		if (t[0].state != ENDED && (t[i].state != t[0].state || t[i].pc != t[0].pc ||
		    (t[i].state != AT_BARRIER && t[i].state != AT_CLUSTER)))
			return run_fail(r, &r->op.p[t[0].pc], i, "this thread is elsewhere");
	}
	return t[0].state;
}

/* All threads of a block go on. */
static void
release(Run *r)
{
	for (uint32_t i = 0; i < r->threads; i++) {
		r->thread[i].state = READY;
		r->thread[i].pc++;
	}
	r->epoch = ++*r->time;
}

/* All threads of a block are at one barrier, or at the end. */
static bool
has_met(const Run *r)
{
	const Thread *t = r->thread;

	for (uint32_t i = 1; i < r->threads; i++)
		if (t[i].state != t[0].state || (t[i].state != ENDED && t[i].pc != t[0].pc))
			return false;
	return t[0].state == AT_BARRIER || t[0].state == AT_CLUSTER || t[0].state == ENDED;
}

static void
begin_block(Run *r)
{
	r->first = r->epoch = r->met_epoch = ++*r->time;
	r->lent = 0;
	for (uint32_t i = 0; i < r->threads; i++) {
		Thread *t = &r->thread[i];

		t->state = READY;
		t->pc = t->groups = t->fenced = t->fenced_before = 0;
		t->ncopy = 0;
	}
	async_task(r);
}

/* until every thread waits for something */
static State
run_block(Run *r)
{
	r->progress = false;
	do {
		r->stirred |= r->progress;
		r->progress = false;
		for (uint32_t w = 0; w < r->threads; w += KIR_WARP)
			if (run_warp(r, w, MIN(r->threads - w, KIR_WARP)) == FAILED)
				return FAILED;
		for (uint32_t w = 0; r->async && w + KIR_GROUP <= r->threads; w += KIR_GROUP)
			if (run_group(r, w) == FAILED)
				return FAILED;
	} while (r->async && r->progress);
	r->stirred |= r->progress;
	return READY;
}

/* Nothing goes on in any block: those go on that have met.  READY: some do; ENDED: all are at the end. */
static State
meet_blocks(Run *all)
{
	uint32_t n = all->blocks, ended = 0, waiting = 0;
	bool moved = false;

	for (uint32_t b = 0; b < n; b++) {
		Run *r = &all[b];

		if (!has_met(r))
			continue;
		ended += r->thread[0].state == ENDED;
		waiting += r->thread[0].state == AT_CLUSTER;
		if (r->thread[0].state == AT_BARRIER) {
			release(r);
			async_barrier(r);
			moved = true;
		}
	}
	if (waiting == n) {
		for (uint32_t b = 1; b < n; b++)
			if (all[b].thread[0].pc != all->thread[0].pc)
				return run_fail(&all[b], &all->op.p[all[b].thread[0].pc], 0, "another block of the cluster is elsewhere");
		for (uint32_t b = 0; b < n; b++) {
			release(&all[b]);
			all[b].met_epoch = all[b].epoch;
			all[b].met++;
		}
		async_cluster(all);
		return READY;
	}
	if (moved || ended == n)
		return moved ? READY : ENDED;
	for (uint32_t b = 0; b < n; b++)
		if (!has_met(&all[b]))
			return meet_all(&all[b]);
	for (uint32_t b = 0; b < n; b++)
		if (all[b].thread[0].state == AT_CLUSTER)
			return run_fail(&all[b], &all->op.p[all[b].thread[0].pc], 0, "another block of the cluster has ended before");
	return FAILED;
}

/* a block, or those of a cluster */
static State
run_task(Run *all)
{
	uint32_t n = all->blocks;
	State s = READY;
	bool more;

	for (uint32_t b = 0; b < n; b++)
		begin_block(&all[b]);
	while (s == READY) {
		do {            /* what one does may be what another waits for */
			more = false;
			for (uint32_t b = 0; b < n; b++) {
				if (run_block(&all[b]) == FAILED)
					return FAILED;
				more |= all[b].stirred;
				all[b].stirred = false;
			}
		} while (n > 1 && more);
		s = meet_blocks(all);
	}
	for (uint32_t b = 0; b < n && s == ENDED; b++) {
		if (all[b].lent == all[b].met + 1 && n > 1)
			return run_fail(&all[b], NULL, 0, "it ends, and another block of the cluster has used its shared memory with no "
			                "cluster_barrier since");
		s = async_end(&all[b]) == FAILED ? FAILED : ENDED;
	}
	return s;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static bool
bind_global(Run *r, size_t i, const KArg *arg, bool watch)
{
	Memory *m = &r->mem[i];
	int64_t size = dtype_info[m->b->dt].bytes;

	m->p = arg[i].data;
	m->count = m->b->count < 0 ? (int64_t)(arg[i].bytes / (size_t)size) : m->b->count;
	if ((uint64_t)m->count > arg[i].bytes / (size_t)size || (!m->p && m->count))
		return refuse(r, "argument %s has %zu bytes, %" PRId64 " are needed", m->b->name,
		              arg[i].data ? arg[i].bytes : 0, m->count * size);
	if (!watch)
		return true;
	/* An in-place pair is one memory. */
	for (size_t j = 0; m->b->inplace && j < i; j++)
		if (r->mem[j].b->inplace && r->mem[j].p == m->p && r->mem[j].count == m->count) {
			m->touch = r->mem[j].touch;
			return true;
		}
	if (m->b->out || m->b->inplace) {
		m->owned_touch = true;
		m->touch = calloc((size_t)m->count + 1, sizeof(Touch));
		return m->touch || refuse(r, "out of memory");
	}
	return true;
}

static bool
bind(Run *r, const KArg *arg, size_t narg, bool watch)
{
	const Kernel *k = r->k;
	size_t globals = 0;
	uint64_t total = 0;

	r->mem = NEWN(r->a, Memory, k->buf.n);
	for (size_t i = 0; i < k->buf.n; i++) {
		const KBuf *b = &k->buf.p[i];
		uint64_t copies = r->blocks * (uint64_t)(b->space == KSPACE_LOCAL ? r->threads : 1);

		r->mem[i].b = b;
		if (kspace_param(b->space))
			globals++;
		else
			total += copies * (uint64_t)b->count * (sizeof(Touch) + 8);
	}
	if (globals != narg)
		return refuse(r, "%zu arguments, %zu are needed", narg, globals);
	if (total > MAX_MEMORY_BYTES)
		return refuse(r, "its shared and local buffers take more than 4 GiB");
	for (size_t i = 0; i < k->buf.n; i++) {
		Memory *m = &r->mem[i];
		size_t copies = m->b->space == KSPACE_LOCAL ? r->threads : 1;

		if (kspace_param(m->b->space) && r->rank) {
			*m = r->cluster->mem[i];
			m->owned_touch = false;
			continue;
		}
		if (kspace_param(m->b->space)) {
			if (!bind_global(r, i, arg, watch))
				return false;
			continue;
		}
		m->count = m->b->count;
		m->bytes = m->count * dtype_info[m->b->dt].bytes;
		m->owned = m->owned_touch = true;
		m->p = calloc(copies, (size_t)m->bytes);
		if (m->b->space == KSPACE_LOCAL)
			m->set = calloc(copies * (size_t)m->count, sizeof(uint32_t));
		else
			m->touch = calloc((size_t)m->count, sizeof(Touch));
		if (!m->p || (!m->set && !m->touch))
			return refuse(r, "out of memory");
		if (m->b->alias) {
			m->root = &r->mem[m->b->alias - 1];
			m->root->root = m->root;
		}
	}
	return true;
}

static void
unbind(Run *r)
{
	for (size_t i = 0; r->mem && i < r->k->buf.n; i++) {
		Memory *m = &r->mem[i];

		if (m->owned)
			free(m->p);
		if (m->owned_touch)
			free(m->touch);
		free(m->set);
	}
	for (uint32_t i = 0; r->thread && i < r->threads; i++)
		free(r->thread[i].copy);
	free(r->file);
}

static bool
run_tasks(Run *r)
{
	const int32_t *n = r->k->grid, *c = r->k->cluster;
	int64_t at[3];

	for (at[2] = 0; at[2] < n[2]; at[2] += c[2])
		for (at[1] = 0; at[1] < n[1]; at[1] += c[1])
			for (at[0] = 0; at[0] < n[0]; at[0] += c[0]) {
				for (int32_t b = 0; b < (int32_t)r->blocks; b++) {
					r[b].task[0] = at[0] + b % c[0];
					r[b].task[1] = at[1] + b / c[0] % c[1];
					r[b].task[2] = at[2] + b / c[0] / c[1];
					r[b].serial++;
				}
				if (run_task(r) == FAILED)
					return false;
			}
	return true;
}

/* memory, threads and registers of a block */
static bool
open_block(Run *r, const KArg *arg, size_t narg)
{
	const Kernel *k = r->k;
	/* One thread of one task races with nobody. */
	bool watch = r->threads > 1 || k->grid[0] > 1 || k->grid[1] > 1 || k->grid[2] > 1;

	if (!bind(r, arg, narg, watch) || !(async_open(r) || refuse(r, "too many barriers")))
		return false;
	r->thread = NEWN(r->a, Thread, r->threads);
	r->file = calloc(r->threads, MAX(r->cells, 8u));
	if (!r->file)
		return refuse(r, "out of memory");
	for (uint32_t i = 0; i < r->threads; i++)
		memcpy(r->file + (size_t)i * r->cells, r->image, r->cells);
	return true;
}

bool
kernel_interpret_limit(const Kernel *k, const KArg *arg, size_t narg, uint64_t turns, char err[512])
{
	const char *why;
	uint32_t time = 0;
	Run all[KIR_MAX_CLUSTER] = { { .k = k, .limit = turns, .err = err, .cluster = all, .time = &time } }, *r = all;
	bool ok;

	err[0] = 0;
	if (!kernel_verify(k, &why)) {
		snprintf(err, 512, "%s", why);
		return false;
	}
	r->a = arena_new();
	r->threads = (uint32_t)kernel_threads(k);
	r->blocks = (uint32_t)kernel_cluster(k);
	ok = make_code(r);
	for (uint32_t b = 1; b < r->blocks; b++) {
		all[b] = *r;
		all[b].rank = b;
	}
	for (uint32_t b = 0; b < r->blocks && ok; b++)
		ok = open_block(&all[b], arg, narg);
	ok = ok && run_tasks(r);
	for (uint32_t b = 0; b < r->blocks; b++)
		unbind(&all[b]);
	arena_free(r->a);
	return ok;
}

bool
kernel_interpret(const Kernel *k, const KArg *arg, size_t narg, char err[512])
{
	return kernel_interpret_limit(k, arg, narg, 0, err);
}
