/* build.c -- making kernels: one function for each kind of instruction.
 *
 *     body = [ const, const, axis, … ] + what the caller built, in order
 *              the prelude
 *
 * Constants and axes are shared by the whole kernel, so they live in a prelude that runs
 * before everything; what nobody used of it is dropped at the end.
 *
 * Of a register that is written once the builder knows: its value, if it is a constant,
 * or that it is another such register plus a constant.  Of a k_var it knows nothing,
 * because its value depends on when one asks.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kir/inner.h"

typedef struct Known {
	bool var;               /* written again: nothing else is known */
	bool constant;
	KConst c;
	Reg base;               /* integer base + off; 0: itself */
	int64_t off;
} Known;

struct KBuild {
	Arena *a;
	Kernel *k;
	VEC(Known) known;       /* by register */
	KBlock prelude;
	VEC(KBlock *) open;     /* [0]: the body */
	Reg *shared;            /* hash table over the prelude: equal instructions share a register */
	size_t nshared, cshared;
};

KBuild *
k_begin(Arena *a, const char *name)
{
	KBuild *b = NEW(a, KBuild);

	b->a = a;
	b->k = NEW(a, Kernel);
	b->k->a = a;
	b->k->name = arena_str(a, name);
	for (int i = 0; i < 3; i++)
		b->k->grid[i] = b->k->cluster[i] = b->k->block[i] = 1;
	vec_push(a, &b->k->reg, ((KType){ 0 }));
	vec_push(a, &b->known, ((Known){ 0 }));
	vec_push(a, &b->open, NEW(a, KBlock));
	return b;
}

/* A size that does not fit becomes 0, which kernel_verify() reports. */
void
k_grid(KBuild *b, int64_t x, int64_t y, int64_t z)
{
	int64_t n[3] = { x, y, z };

	for (int i = 0; i < 3; i++)
		b->k->grid[i] = n[i] == (int32_t)n[i] ? (int32_t)n[i] : 0;
}

void
k_cluster(KBuild *b, int x, int y, int z)
{
	b->k->cluster[0] = x;
	b->k->cluster[1] = y;
	b->k->cluster[2] = z;
}

void
k_resident(KBuild *b, int blocks)
{
	b->k->resident = blocks;
}

void
k_threads(KBuild *b, int x, int y, int z)
{
	b->k->block[0] = x;
	b->k->block[1] = y;
	b->k->block[2] = z;
}

static uint32_t
add_buffer(KBuild *b, const char *name, KSpace space, DType dt, int64_t count, bool out)
{
	KBuf buf = { .name = arena_str(b->a, name), .space = space, .dt = dt, .count = count,
	             .out = out };

	vec_push(b->a, &b->k->buf, buf);
	return (uint32_t)b->k->buf.n;
}

uint32_t
k_param(KBuild *b, const char *name, DType dt, int64_t count, bool out)
{
	return add_buffer(b, name, KSPACE_GLOBAL, dt, count, out);
}

void
k_alias(KBuild *b, uint32_t buf, uint32_t of)
{
	uint32_t root = b->k->buf.p[of - 1].alias;

	b->k->buf.p[buf - 1].alias = root ? root : of;
}

uint32_t
k_tmap(KBuild *b, const char *name, DType dt, const KTmap *map)
{
	uint32_t r = add_buffer(b, name, KSPACE_TMAP, dt, 1, false);
	KTmap *m = arena_dup(b->a, map, sizeof(*map));
	KBuf *buf = &b->k->buf.p[r - 1];

	m->stride[0] = 1;
	for (int i = 0; i < 5; i++)
		m->step[i] = MAX(m->step[i], 1);
	for (int i = 0; i < m->rank && i < 5; i++)
		buf->count += (m->dim[i] - 1) * m->stride[i];
	buf->map = m;
	buf->align = 16;
	return r;
}

uint32_t
k_buffer(KBuild *b, const char *name, KSpace space, DType dt, int64_t count)
{
	return add_buffer(b, name, space, dt, count, false);
}

void
k_align(KBuild *b, uint32_t buf, int align)
{
	KBuf *x = &b->k->buf.p[buf - 1];

	x->align = MAX(x->align, align);
}

/* ---- registers -------------------------------------------------------------------- */

KType
k_type(const KBuild *b, Reg r)
{
	return r < b->k->reg.n ? b->k->reg.p[r] : (KType){ 0 };
}

static Reg
new_reg(KBuild *b, KType t)
{
	vec_push(b->a, &b->k->reg, t);
	vec_push(b->a, &b->known, ((Known){ 0 }));
	return (Reg)(b->k->reg.n - 1);
}

static KInst *
emit(KBuild *b, KInst i)
{
	KBlock *block = b->open.p[b->open.n - 1];

	vec_push(b->a, &block->inst, i);
	return &block->inst.p[block->inst.n - 1];
}

static Reg
emit_new(KBuild *b, KType t, KInst i)
{
	i.dst = new_reg(b, t);
	emit(b, i);
	return i.dst;
}

Reg
k_var(KBuild *b, KType t)
{
	Reg r = new_reg(b, t);

	b->known.p[r].var = true;
	return r;
}

/* x as a value that stays: a k_var is copied */
static Reg
keep(KBuild *b, Reg x)
{
	if (x == 0 || !b->known.p[x].var)
		return x;
	return emit_new(b, k_type(b, x), (KInst){ .op = K_mov, .a = { x } });
}

/* ---- the prelude ------------------------------------------------------------------- */

typedef struct Key { uint64_t op, type; int64_t imm; double fimm; } Key;

static uint64_t
key_hash(KOp op, KType t, int64_t imm, double fimm)
{
	Key key = { .op = op, .type = (uint64_t)t.s << 8 | t.lanes, .imm = imm, .fimm = fimm };

	return hash64(&key, sizeof(key));
}

static const KInst *
prelude_inst(const KBuild *b, Reg r)
{
	/* registers of the prelude are found by the position kept in off */
	return &b->prelude.inst.p[b->known.p[r].off];
}

static void
shared_insert(Reg *table, size_t cap, uint64_t h, Reg r)
{
	size_t at = h & (cap - 1);

	while (table[at])
		at = (at + 1) & (cap - 1);
	table[at] = r;
}

static void
shared_grow(KBuild *b)
{
	size_t cap = b->cshared ? 2 * b->cshared : 64;
	Reg *table = NEWN(b->a, Reg, cap);

	for (size_t i = 0; i < b->cshared; i++) {
		Reg r = b->shared[i];

		if (!r)
			continue;
		const KInst *x = prelude_inst(b, r);
		shared_insert(table, cap, key_hash(x->op, k_type(b, r), x->imm, x->fimm), r);
	}
	b->shared = table;
	b->cshared = cap;
}

static Reg
prelude(KBuild *b, KType t, KOp op, int64_t imm, double fimm)
{
	if (2 * b->nshared >= b->cshared)
		shared_grow(b);
	uint64_t h = key_hash(op, t, imm, fimm);
	for (size_t at = h & (b->cshared - 1); b->shared[at]; at = (at + 1) & (b->cshared - 1)) {
		const KInst *x = prelude_inst(b, b->shared[at]);

		/* bits, not values: -0 is not 0, and a NaN is itself */
		if (x->op == op && kt_same(k_type(b, x->dst), t) && x->imm == imm &&
		    memcmp(&x->fimm, &fimm, sizeof(fimm)) == 0)
			return x->dst;
	}
	Reg r = new_reg(b, t);
	b->known.p[r].off = (int64_t)b->prelude.inst.n;
	vec_push(b->a, &b->prelude.inst, ((KInst){ .op = op, .dst = r, .imm = imm, .fimm = fimm }));
	shared_insert(b->shared, b->cshared, h, r);
	b->nshared++;
	return r;
}

static Reg
constant(KBuild *b, KType t, KConst c)
{
	c = kconst_wrap((KScalar)t.s, c);
	Reg r = prelude(b, t, K_const, c.i, c.f);

	b->known.p[r].constant = true;
	b->known.p[r].c = c;
	return r;
}

Reg
k_int(KBuild *b, KScalar s, int64_t x)
{
	return constant(b, kt(s, 1), (KConst){ .i = x, .f = (double)x });
}

Reg
k_ix(KBuild *b, int64_t x)
{
	return k_int(b, KS_IX, x);
}

Reg
k_real(KBuild *b, KType t, double x)
{
	if (ks_real((KScalar)t.s))
		return constant(b, t, (KConst){ .f = x });
	return constant(b, t, (KConst){ .i = (int64_t)x });
}

bool
k_is_int(const KBuild *b, Reg r, int64_t *x)
{
	if (r == 0 || !b->known.p[r].constant || ks_real((KScalar)k_type(b, r).s))
		return false;
	*x = b->known.p[r].c.i;
	return true;
}

Reg
k_axis(KBuild *b, KAxis axis)
{
	return prelude(b, kt(KS_IX, 1), K_axis, axis, 0);
}

Reg
k_lanes(KBuild *b, KType t)
{
	return t.lanes == 1 ? constant(b, t, (KConst){ 0 }) : prelude(b, t, K_lanes, 0, 0);
}

/* ---- pure ops ------------------------------------------------------------------------ */

/* The result of a pure instruction: folded, or emitted into dst (0: a new register). */
static Reg
pure(KBuild *b, KInst i, KType t, Reg dst)
{
	bool known[3];
	KConst c[3];

	for (int j = 0; j < 3; j++) {
		const Known *k = &b->known.p[i.a[j]];

		known[j] = i.a[j] && k->constant;
		c[j] = k->c;
	}
	KFold f = kfold(&i, t, k_type(b, i.a[0]), known, c);
	Reg r = 0;
	switch (f.kind) {
	case KFOLD_CONST:
		r = constant(b, t, f.c);
		break;
	case KFOLD_ARG:
		r = i.a[f.arg];
		if (!dst)
			r = keep(b, r);
		break;
	case KFOLD_OP:
		return pure(b, (KInst){ .op = f.op, .a = { i.a[f.x[0]], i.a[f.x[1]] } }, t, dst);
	case KFOLD_NONE:
		i.dst = dst ? dst : new_reg(b, t);
		emit(b, i);
		return i.dst;
	}
	if (dst && r != dst)
		emit(b, (KInst){ .op = K_mov, .dst = dst, .a = { r } });
	return dst ? dst : r;
}

Reg
k_splat(KBuild *b, int lanes, Reg x)
{
	KType t = k_type(b, x);

	if (t.lanes == lanes)
		return keep(b, x);
	t.lanes = (uint8_t)lanes;
	return pure(b, (KInst){ .op = K_splat, .a = { x } }, t, 0);
}

/* scalars among x[lo .. 2] follow the widest of x[lo .. 2] */
static int
splat_all(KBuild *b, Reg x[3], int lo)
{
	int lanes = 1;

	for (int i = lo; i < 3; i++)
		lanes = MAX(lanes, k_type(b, x[i]).lanes);
	for (int i = lo; i < 3; i++)
		if (lanes > 1 && x[i] && k_type(b, x[i]).lanes == 1)
			x[i] = k_splat(b, lanes, x[i]);
	return lanes;
}

/* (base + 2) + 3 is base + 5 */
static Reg
add_offset(KBuild *b, Reg x, int64_t by)
{
	const Known *k = &b->known.p[x];
	KType t = k_type(b, x);
	Reg base = k->base ? k->base : x;
	int64_t off = (int64_t)((uint64_t)by + (uint64_t)(k->base ? k->off : 0));
	KInst i = { .op = K_add, .a = { base, constant(b, t, (KConst){ .i = off }) } };
	Reg r = pure(b, i, t, 0);

	if (r != base) {
		b->known.p[r].base = base;
		b->known.p[r].off = off;
	}
	return r;
}

static Reg
op_to(KBuild *b, Reg dst, KOp op, Reg x, Reg y, Reg z)
{
	Reg a[3] = { x, y, z };
	KType t;
	bool select = op == K_select;

	for (int i = kop_info[op].args; i < 3; i++)
		a[i] = 0;
	splat_all(b, a, select && k_type(b, x).lanes == 1 ? 1 : 0);
	t = k_type(b, a[select ? 1 : op == K_mma ? 2 : 0]);
	if (kop_info[op].shape == KSHAPE_BOOL)
		t.s = KS_I1;
	if (!dst && (op == K_add || op == K_sub) && ks_int((KScalar)t.s)) {
		for (int i = op == K_add ? 0 : 1; i < 2; i++) {
			const Known *c = &b->known.p[a[i]];

			if (!a[i] || !a[1 - i] || !c->constant || b->known.p[a[1 - i]].constant ||
			    b->known.p[a[1 - i]].var)
				continue;
			return add_offset(b, a[1 - i], op == K_add ? c->c.i : (int64_t)-(uint64_t)c->c.i);
		}
	}
	return pure(b, (KInst){ .op = op, .a = { a[0], a[1], a[2] } }, t, dst);
}

Reg
k_op(KBuild *b, KOp op, Reg x, Reg y, Reg z)
{
	if (op == K_reduce_add || op == K_reduce_max)
		return k_reduce(b, op, x);
	return op_to(b, 0, op, x, y, z);
}

void
k_op_to(KBuild *b, Reg dst, KOp op, Reg x, Reg y, Reg z)
{
	Reg a[3] = { x, y, z };
	int lanes = k_type(b, dst).lanes;

	/* also when all arguments are scalars and dst is a vector */
	for (int i = op == K_select && k_type(b, x).lanes == 1 ? 1 : 0; i < kop_info[op].args && i < 3; i++)
		if (op != K_mma && a[i] && lanes > 1 && k_type(b, a[i]).lanes == 1)
			a[i] = k_splat(b, lanes, a[i]);
	op_to(b, dst, op, a[0], a[1], a[2]);
}

void
k_mov_to(KBuild *b, Reg dst, Reg src)
{
	int lanes = k_type(b, dst).lanes;

	if (lanes > 1 && k_type(b, src).lanes == 1)
		src = k_splat(b, lanes, src);
	if (dst != src)
		emit(b, (KInst){ .op = K_mov, .dst = dst, .a = { src } });
}

Reg
k_cast(KBuild *b, KScalar s, Reg x)
{
	return pure(b, (KInst){ .op = K_cast, .a = { x } }, kt(s, k_type(b, x).lanes), 0);
}

Reg
k_lane(KBuild *b, Reg x, int lane)
{
	KType t = k_type(b, x);

	if (t.lanes == 1 && lane == 0)
		return keep(b, x);
	return pure(b, (KInst){ .op = K_lane, .a = { x }, .imm = lane }, kt((KScalar)t.s, 1), 0);
}

Reg
k_part(KBuild *b, Reg x, int first, int lanes)
{
	KType t = k_type(b, x);

	if (lanes == 1)
		return k_lane(b, x, first);
	if (first == 0 && lanes == t.lanes)
		return keep(b, x);
	return pure(b, (KInst){ .op = K_part, .a = { x }, .imm = first }, kt((KScalar)t.s, lanes), 0);
}

Reg
k_join(KBuild *b, Reg x, Reg y)
{
	KType t = k_type(b, x);

	return pure(b, (KInst){ .op = K_join, .a = { x, y } },
	            kt((KScalar)t.s, t.lanes + k_type(b, y).lanes), 0);
}

Reg
k_bytes(KBuild *b, KType t, Reg x, Reg y, int digits)
{
	return pure(b, (KInst){ .op = K_bytes, .a = { x, y }, .imm = digits }, t, 0);
}

Reg
k_select(KBuild *b, Reg c, Reg x, Reg y)
{
	return op_to(b, 0, K_select, c, x, y);
}

Reg
k_reduce(KBuild *b, KOp op, Reg x)
{
	KType t = k_type(b, x);

	if (t.lanes == 1)
		return keep(b, x);
	return pure(b, (KInst){ .op = op, .a = { x } }, kt((KScalar)t.s, 1), 0);
}

/* ---- memory ------------------------------------------------------------------------- */

static KScalar
scalar_in(const KBuild *b, uint32_t buf)
{
	return kscalar_of(b->k->buf.p[buf - 1].dt);
}

Reg
k_load_part(KBuild *b, uint32_t buf, Reg index, int lanes, int active)
{
	KType t = kt(scalar_in(b, buf), lanes);

	if (active <= 0)
		return constant(b, t, (KConst){ 0 });
	return emit_new(b, t, (KInst){ .op = K_load, .a = { index }, .buf = buf,
	                               .imm = active < lanes ? active : 0 });
}

Reg
k_load(KBuild *b, uint32_t buf, Reg index, int lanes)
{
	return k_load_part(b, buf, index, lanes, lanes);
}

Reg
k_load_if(KBuild *b, uint32_t buf, Reg index, int lanes, Reg cond)
{
	KType t = kt(scalar_in(b, buf), lanes);
	int64_t c;

	if (k_is_int(b, cond, &c))
		return c ? k_load(b, buf, index, lanes) : constant(b, t, (KConst){ 0 });
	return emit_new(b, t, (KInst){ .op = K_load_if, .a = { index, cond }, .buf = buf });
}

Reg
k_gather(KBuild *b, uint32_t buf, Reg indices)
{
	int lanes = k_type(b, indices).lanes;

	if (lanes == 1)
		return k_load(b, buf, indices, 1);
	return emit_new(b, kt(scalar_in(b, buf), lanes),
	                (KInst){ .op = K_gather, .a = { indices }, .buf = buf });
}

void
k_store_part(KBuild *b, uint32_t buf, Reg index, Reg x, int active)
{
	int lanes = k_type(b, x).lanes;

	if (active > 0)
		emit(b, (KInst){ .op = K_store, .a = { index, x }, .buf = buf,
		                 .imm = active < lanes ? active : 0 });
}

void
k_store(KBuild *b, uint32_t buf, Reg index, Reg x)
{
	k_store_part(b, buf, index, x, k_type(b, x).lanes);
}

void
k_store_if(KBuild *b, uint32_t buf, Reg index, Reg x, Reg cond)
{
	int64_t c;

	if (!k_is_int(b, cond, &c))
		emit(b, (KInst){ .op = K_store_if, .a = { index, x, cond }, .buf = buf });
	else if (c)
		k_store(b, buf, index, x);
}

void
k_atomic_add(KBuild *b, uint32_t buf, Reg index, Reg x)
{
	emit(b, (KInst){ .op = K_atomic_add, .a = { index, x }, .buf = buf });
}

Reg
k_atomic_fetch_add(KBuild *b, uint32_t buf, Reg index, Reg x)
{
	return emit_new(b, k_type(b, x), (KInst){ .op = K_atomic_fetch_add, .a = { index, x }, .buf = buf });
}

/* ---- threads ------------------------------------------------------------------------ */

void
k_sync(KBuild *b, KOp op, int64_t imm)
{
	emit(b, (KInst){ .op = op, .imm = imm });
}

Reg
k_shuffle(KBuild *b, Reg x, int mask)
{
	return emit_new(b, k_type(b, x), (KInst){ .op = K_shuffle, .a = { x }, .imm = mask });
}

Reg
k_shuffle_idx(KBuild *b, Reg x, Reg lane)
{
	return emit_new(b, k_type(b, x), (KInst){ .op = K_shuffle_idx, .a = { x, lane } });
}

Reg
k_vote_any(KBuild *b, Reg x)
{
	return emit_new(b, k_type(b, x), (KInst){ .op = K_vote_any, .a = { x } });
}

Reg
k_ballot(KBuild *b, Reg x)
{
	return emit_new(b, kt(KS_I32, 1), (KInst){ .op = K_ballot, .a = { x } });
}

Reg
k_ldmatrix(KBuild *b, uint32_t shared, Reg index, bool transposed)
{
	return emit_new(b, kt(scalar_in(b, shared), 16 / dtype_info[b->k->buf.p[shared - 1].dt].bytes),
	                (KInst){ .op = K_ldmatrix, .a = { index }, .buf = shared, .imm = transposed });
}

Reg
k_mma(KBuild *b, Reg x, Reg y, Reg z)
{
	return emit_new(b, k_type(b, z), (KInst){ .op = K_mma, .a = { x, y, z } });
}

void
k_mma_to(KBuild *b, Reg dst, Reg x, Reg y, Reg z)
{
	emit(b, (KInst){ .op = K_mma, .dst = dst, .a = { x, y, z } });
}

void
k_cp_async(KBuild *b, uint32_t shared, Reg at, uint32_t global, Reg from, int count, Reg cond)
{
	if (!cond)
		cond = k_int(b, KS_I1, 1);
	emit(b, (KInst){ .op = K_cp_async, .a = { at, from, cond }, .buf = shared, .buf2 = global,
	                 .imm = count });
}

void
k_mbar_init(KBuild *b, uint32_t bars, Reg at, int arrivals)
{
	emit(b, (KInst){ .op = K_mbar_init, .a = { at }, .buf = bars, .imm = arrivals });
}

void
k_mbar_arrive(KBuild *b, uint32_t bars, Reg at, int64_t bytes)
{
	emit(b, (KInst){ .op = K_mbar_arrive, .a = { at }, .buf = bars, .imm = bytes });
}

void
k_mbar_wait(KBuild *b, uint32_t bars, Reg at, Reg parity)
{
	emit(b, (KInst){ .op = K_mbar_wait, .a = { at, parity }, .buf = bars });
}

void
k_tma_load_to(KBuild *b, uint32_t shared, Reg at, uint32_t map, Reg coordinates, uint32_t bars, Reg bar, unsigned ranks)
{
	emit(b, (KInst){ .op = K_tma_load, .a = { at, coordinates, bar }, .buf = shared, .buf2 = map, .buf3 = bars,
	                 .imm = ranks });
}

void
k_tma_load(KBuild *b, uint32_t shared, Reg at, uint32_t map, Reg coordinates, uint32_t bars, Reg bar)
{
	k_tma_load_to(b, shared, at, map, coordinates, bars, bar, 0);
}

Reg
k_peer_load(KBuild *b, uint32_t shared, Reg at, Reg rank, int lanes)
{
	KInst i = { .op = K_peer_load, .a = { at, rank }, .buf = shared };

	i.dst = new_reg(b, kt(kscalar_of(b->k->buf.p[shared - 1].dt), lanes));
	emit(b, i);
	return i.dst;
}

void
k_peer_arrive(KBuild *b, uint32_t bars, Reg at, Reg rank)
{
	emit(b, (KInst){ .op = K_peer_arrive, .a = { at, rank }, .buf = bars });
}

void
k_wgmma_to(KBuild *b, Reg z, uint32_t x, Reg at_x, uint32_t y, Reg at_y, int steps, int swizzle)
{
	emit(b, (KInst){ .op = K_wgmma, .dst = z, .a = { at_x, at_y, z }, .buf = x, .buf2 = y,
	                 .imm = steps | (int64_t)swizzle << 8 });
}

void
k_wgmma_a_to(KBuild *b, Reg z, Reg x, uint32_t y, Reg at_y, int swizzle, bool across, bool fresh)
{
	emit(b, (KInst){ .op = K_wgmma_a, .dst = z, .a = { x, at_y, z }, .buf = y,
	                 .imm = k_type(b, x).lanes / 8 | swizzle << 8 | across << 16 | fresh << 17 });
}

Reg
k_wgmma_get(KBuild *b, Reg z)
{
	return emit_new(b, k_type(b, z), (KInst){ .op = K_wgmma_get, .a = { z } });
}

/* ---- blocks ------------------------------------------------------------------------- */

static KBlock *
open_block(KBuild *b)
{
	KBlock *block = NEW(b->a, KBlock);

	vec_push(b->a, &b->open, block);
	return block;
}

Reg
k_for(KBuild *b, Reg lo, Reg hi, int64_t step)
{
	Reg dst = new_reg(b, k_type(b, lo));
	KInst *i = emit(b, (KInst){ .op = K_for, .dst = dst, .a = { lo, hi }, .imm = step });

	i->body = open_block(b);
	return dst;
}

void
k_if(KBuild *b, Reg cond)
{
	KInst *i = emit(b, (KInst){ .op = K_if, .a = { cond } });

	i->body = open_block(b);
}

void
k_else(KBuild *b)
{
	k_close(b);
	KBlock *outer = b->open.p[b->open.n - 1];
	KInst *i = &outer->inst.p[outer->inst.n - 1];

	i->other = open_block(b);
}

void
k_loop(KBuild *b)
{
	KInst *i = emit(b, (KInst){ .op = K_loop });

	i->body = open_block(b);
}

void
k_break_if(KBuild *b, Reg cond)
{
	emit(b, (KInst){ .op = K_break_if, .a = { cond } });
}

void
k_close(KBuild *b)
{
	if (b->open.n > 1)
		b->open.n--;
}

/* ---- the end ------------------------------------------------------------------------ */

static void
mark_used(const KBlock *block, bool *used)
{
	for (size_t i = 0; i < block->inst.n; i++) {
		const KInst *x = &block->inst.p[i];

		for (int j = 0; j < 3; j++)
			used[x->a[j]] = true;
		if (x->body)
			mark_used(x->body, used);
		if (x->other)
			mark_used(x->other, used);
	}
}

static void
remap_buffers(KBlock *block, const uint32_t *to)
{
	for (size_t i = 0; i < block->inst.n; i++) {
		KInst *x = &block->inst.p[i];

		x->buf = to[x->buf];
		x->buf2 = to[x->buf2];
		x->buf3 = to[x->buf3];
		if (x->body)
			remap_buffers(x->body, to);
		if (x->other)
			remap_buffers(x->other, to);
	}
}

/* parameters first, else in the order they were made */
static void
sort_buffers(KBuild *b)
{
	Kernel *k = b->k;
	uint32_t *to = NEWN(b->a, uint32_t, k->buf.n + 1);
	KBuf *sorted = NEWN(b->a, KBuf, k->buf.n);
	uint32_t n = 0;

	for (int global = 1; global >= 0; global--)
		for (size_t i = 0; i < k->buf.n; i++)
			if (kspace_param(k->buf.p[i].space) == global) {
				sorted[n++] = k->buf.p[i];
				to[i + 1] = n;
			}
	for (uint32_t i = 0; i < n; i++)
		sorted[i].alias = to[sorted[i].alias];
	if (n)
		memcpy(k->buf.p, sorted, n * sizeof(*sorted));
	remap_buffers(&k->body, to);
}

Kernel *
k_end(KBuild *b)
{
	Kernel *k = b->k;
	KBlock *body = b->open.p[0];
	bool *used = NEWN(b->a, bool, k->reg.n);

	mark_used(body, used);
	for (size_t i = 0; i < b->prelude.inst.n; i++)
		if (used[b->prelude.inst.p[i].dst])
			vec_push(b->a, &k->body.inst, b->prelude.inst.p[i]);
	for (size_t i = 0; i < body->inst.n; i++)
		vec_push(b->a, &k->body.inst, body->inst.p[i]);
	sort_buffers(b);
	kernel_renumber(k);
	return k;
}
