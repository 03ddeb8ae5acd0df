/* simplify.c -- the same kernel, shorter.
 *
 *     %3:ix = mul %1, %2          for %9 … {                    %8:ix = mul %3, %4
 *     %4:ix = mul %1, %2            %8:ix = mul %3, %4    =>    for %9 … {
 *
 * One walk forwards folds constants, follows copies and joins equal values; one walk
 * over the loops moves out what does not change in them; one walk backwards drops what
 * nobody reads.  They repeat until nothing changes, because each makes work for the
 * others.
 *
 * Only registers that are written once ("values") are ever replaced, joined or moved,
 * and only by values: a register that is written again means another thing at each
 * place.  A value is defined on every path to its uses (verify sees to that), so what
 * is known where it is defined is known at all its uses.
 *
 * needs: a verified kernel.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kir/inner.h"

enum { ROUNDS = 8 };

typedef struct Value {
	uint32_t writes;
	bool constant;
	KConst c;
	bool splat;             /* a vector with equal lanes: those of from */
	Reg from;
	Reg same;               /* value to read instead; 0: itself */
	uint32_t loop;          /* serial number of the loop that wrote it last */
	bool live;
} Value;

/* an entry of the table of equal values: open from its definition to the end of its block */
typedef struct Entry { KInst inst; Reg r; uint32_t next; } Entry;

typedef struct Simplify {
	Arena *a;               /* scratch */
	Kernel *k;
	Value *v;               /* by register */
	VEC(Entry) entry;       /* a stack; the buckets chain into it */
	uint32_t *bucket;
	size_t nbucket;         /* a power of two */
	bool changed;
} Simplify;

static KType
type_of(const Simplify *s, Reg r)
{
	return s->k->reg.p[r];
}

static bool
is_value(const Simplify *s, Reg r)
{
	return r && s->v[r].writes == 1;
}

static void
count_writes(Simplify *s, const KBlock *b)
{
	for (size_t i = 0; i < b->inst.n; i++) {
		const KInst *x = &b->inst.p[i];

		s->v[x->dst].writes++;
		if (x->body)
			count_writes(s, x->body);
		if (x->other)
			count_writes(s, x->other);
	}
}

/* ---- forwards: fold, copy, join ------------------------------------------------------- */

static void
set_const(Simplify *s, KInst *i, KConst c)
{
	KType t = type_of(s, i->dst);

	c = kconst_wrap((KScalar)t.s, c);
	*i = (KInst){ .op = K_const, .dst = i->dst, .imm = c.i, .fimm = c.f };
	s->changed = true;
}

static void
set_mov(Simplify *s, KInst *i, Reg from)
{
	if (i->op == K_mov && i->a[0] == from)
		return;
	*i = (KInst){ .op = K_mov, .dst = i->dst, .a = { from } };
	s->changed = true;
}

/* axes along which there is one task or one thread */
static void
fold_axis(Simplify *s, KInst *i)
{
	const Kernel *k = s->k;
	int64_t axis = i->imm;
	bool zero = axis <= KAXIS_BLOCK_Z ? k->grid[axis - KAXIS_BLOCK_X] == 1
	          : axis <= KAXIS_THREAD_Z ? k->block[axis - KAXIS_THREAD_X] == 1
	          : axis == KAXIS_RANK ? kernel_cluster(k) == 1
	          : axis >= KAXIS_CLUSTER_X ? k->grid[axis - KAXIS_CLUSTER_X] == k->cluster[axis - KAXIS_CLUSTER_X]
	          : axis == KAXIS_WARP ? kernel_threads(k) <= KIR_WARP : kernel_threads(k) == 1;

	if (zero)
		set_const(s, i, (KConst){ 0 });
}

static void
fold(Simplify *s, KInst *i)
{
	bool known[3] = { false };
	KConst c[3] = { { 0 } };

	if (i->op == K_axis) {
		fold_axis(s, i);
		return;
	}
	if (i->op == K_const || i->op == K_mov)
		return;
	for (int j = 0; j < kop_info[i->op].args; j++) {
		known[j] = s->v[i->a[j]].constant;
		c[j] = s->v[i->a[j]].c;
	}
	KFold f = kfold(i, type_of(s, i->dst), type_of(s, i->a[0]), known, c);
	switch (f.kind) {
	case KFOLD_CONST:
		set_const(s, i, f.c);
		break;
	case KFOLD_ARG:
		set_mov(s, i, i->a[f.arg]);
		break;
	case KFOLD_OP:
		*i = (KInst){ .op = f.op, .dst = i->dst, .a = { i->a[f.x[0]], i->a[f.x[1]] } };
		s->changed = true;
		break;
	case KFOLD_NONE:
		/* a lane of a splat is what was splat */
		if (i->op == K_lane && s->v[i->a[0]].splat)
			set_mov(s, i, s->v[i->a[0]].from);
		break;
	}
}

static bool
commutes(KOp op)
{
	return op == K_add || op == K_mul || op == K_and || op == K_or || op == K_xor || op == K_eq ||
	       op == K_ne;
}

static uint64_t
inst_hash(const Simplify *s, const KInst *i)
{
	KType t = type_of(s, i->dst);
	uint64_t key[7] = { i->op, t.s, t.lanes, i->a[0] | (uint64_t)i->a[1] << 32, i->a[2], (uint64_t)i->imm };

	memcpy(&key[6], &i->fimm, sizeof(i->fimm));
	return hash64(key, sizeof(key));
}

static bool
inst_equal(const Simplify *s, const KInst *x, const KInst *y)
{
	return x->op == y->op && kt_same(type_of(s, x->dst), type_of(s, y->dst)) &&
	       memcmp(x->a, y->a, sizeof(x->a)) == 0 && x->imm == y->imm &&
	       memcmp(&x->fimm, &y->fimm, sizeof(x->fimm)) == 0;
}

/* An equal value that is defined wherever we are now, or 0 and i is remembered. */
static Reg
join(Simplify *s, const KInst *i)
{
	KInst key = *i;

	if (commutes(i->op) && key.a[0] > key.a[1]) {
		key.a[0] = i->a[1];
		key.a[1] = i->a[0];
	}
	uint32_t *bucket = &s->bucket[inst_hash(s, &key) & (s->nbucket - 1)];
	for (uint32_t e = *bucket; e; e = s->entry.p[e - 1].next)
		if (inst_equal(s, &s->entry.p[e - 1].inst, &key))
			return s->entry.p[e - 1].r;
	vec_push(s->a, &s->entry, ((Entry){ .inst = key, .r = i->dst, .next = *bucket }));
	*bucket = (uint32_t)s->entry.n;
	return 0;
}

/* what is remembered since the stack had n entries holds no more */
static void
forget(Simplify *s, size_t n)
{
	while (s->entry.n > n) {
		const Entry *e = &s->entry.p[s->entry.n - 1];

		s->bucket[inst_hash(s, &e->inst) & (s->nbucket - 1)] = e->next;
		s->entry.n--;
	}
}

static bool
args_are_values(const Simplify *s, const KInst *i)
{
	for (int j = 0; j < kop_info[i->op].args; j++)
		if (!is_value(s, i->a[j]))
			return false;
	return true;
}

static void
forward_inst(Simplify *s, KInst *i)
{
	for (int j = 0; j < 3; j++)
		if (s->v[i->a[j]].same) {
			i->a[j] = s->v[i->a[j]].same;
			s->changed = true;
		}
	if (kop_info[i->op].cls != KCLASS_PURE)
		return;
	fold(s, i);
	if (!is_value(s, i->dst))
		return;
	Value *v = &s->v[i->dst];
	if (i->op == K_const) {
		v->constant = true;
		v->c = (KConst){ i->imm, i->fimm };
	} else if (i->op == K_splat && is_value(s, i->a[0])) {
		v->splat = true;
		v->from = i->a[0];
	}
	if (i->op == K_mov && is_value(s, i->a[0])) {
		v->same = i->a[0];
	} else if (args_are_values(s, i)) {
		v->same = join(s, i);
	}
}

static void forward(Simplify *s, KBlock *b);

static void
forward_scope(Simplify *s, KBlock *b)
{
	size_t n = s->entry.n;

	forward(s, b);
	forget(s, n);
}

/* An if that is decided, and a for of no turn or one, become their blocks. */
static bool
open_up(Simplify *s, KInst *i, KBlock **in)
{
	const Value *a = &s->v[i->a[0]], *b = &s->v[i->a[1]];

	if (i->op == K_if && a->constant) {
		*in = a->c.i ? i->body : i->other;
		return true;
	}
	if (i->op != K_for || !is_value(s, i->dst) || !is_value(s, i->a[0]))
		return false;
	if (a->constant && b->constant && a->c.i >= b->c.i) {
		*in = NULL;
		return true;
	}
	if (a->constant && b->constant && (uint64_t)b->c.i - (uint64_t)a->c.i <= (uint64_t)i->imm) {
		s->v[i->dst].same = i->a[0];
		*in = i->body;
		return true;
	}
	return false;
}

static void
forward(Simplify *s, KBlock *b)
{
	VEC(KInst) out = { 0 };

	for (size_t n = 0; n < b->inst.n; n++) {
		KInst *i = &b->inst.p[n];
		KBlock *in = NULL;

		forward_inst(s, i);
		if (open_up(s, i, &in)) {
			s->changed = true;
			if (in)
				forward(s, in);
			for (size_t j = 0; in && j < in->inst.n; j++)
				vec_push(s->k->a, &out, in->inst.p[j]);
			continue;
		}
		if (i->body)
			forward_scope(s, i->body);
		if (i->other)
			forward_scope(s, i->other);
		vec_push(s->k->a, &out, *i);
	}
	b->inst.p = out.p;
	b->inst.n = out.n;
	b->inst.cap = out.cap;
}

/* ---- loops: out with what does not change in them --------------------------------------- */

/* Whether running it more often than before, or before it is needed, can do harm. */
static bool
harmless(const Simplify *s, const KInst *i)
{
	if (kop_info[i->op].cls != KCLASS_PURE)
		return false;
	if (i->op != K_div && i->op != K_rem && i->op != K_shl && i->op != K_shr)
		return true;
	KScalar t = (KScalar)type_of(s, i->a[1]).s;
	const Value *by = &s->v[i->a[1]];
	uint64_t cell = 0;
	kconst_to_cell(t, by->c, &cell);
	return ks_real(t) || (by->constant && klane_defined(i->op, t, &cell, 1));
}

/* marks what a loop writes with its number */
static void
mark_written(Simplify *s, const KBlock *b, uint32_t loop)
{
	for (size_t i = 0; i < b->inst.n; i++) {
		const KInst *x = &b->inst.p[i];

		s->v[x->dst].loop = loop;
		if (x->body)
			mark_written(s, x->body, loop);
		if (x->other)
			mark_written(s, x->other, loop);
	}
}

static uint32_t hoist(Simplify *s, KBlock *b, uint32_t serial);

/* Moves instructions of a loop's own block to `out`, which stands before the loop. */
static uint32_t
hoist_loop(Simplify *s, KInst *loop, KBlock *out, uint32_t serial)
{
	KBlock *b = loop->body;
	size_t left = 0;

	serial = hoist(s, b, serial);           /* inner loops first: theirs may go further */
	uint32_t mine = ++serial;
	mark_written(s, b, mine);
	s->v[loop->dst].loop = mine;
	for (size_t i = 0; i < b->inst.n; i++) {
		KInst *x = &b->inst.p[i];
		bool moves = harmless(s, x) && is_value(s, x->dst);

		for (int j = 0; moves && j < kop_info[x->op].args; j++)
			moves = s->v[x->a[j]].loop != mine;
		if (!moves) {
			b->inst.p[left++] = *x;
			continue;
		}
		s->v[x->dst].loop = 0;
		vec_push(s->k->a, &out->inst, *x);
		s->changed = true;
	}
	b->inst.n = left;
	return serial;
}

static uint32_t
hoist(Simplify *s, KBlock *b, uint32_t serial)
{
	KBlock out = { 0 };

	for (size_t i = 0; i < b->inst.n; i++) {
		KInst *x = &b->inst.p[i];

		if (x->op == K_for || x->op == K_loop) {
			serial = hoist_loop(s, x, &out, serial);
		} else {
			if (x->body)
				serial = hoist(s, x->body, serial);
			if (x->other)
				serial = hoist(s, x->other, serial);
		}
		vec_push(s->k->a, &out.inst, *x);
	}
	*b = out;
	return serial;
}

/* ---- backwards: out with what nobody reads ------------------------------------------------ */

static bool
removable(const KInst *i)
{
	KClass c = kop_info[i->op].cls;

	return c == KCLASS_PURE || c == KCLASS_READ;
}

/* Marks registers that matter, until no more are found: a register may matter because of
 * a read that comes earlier, in the next turn of a loop. */
static bool
mark_live(Simplify *s, const KBlock *b)
{
	bool more = false;

	for (size_t n = b->inst.n; n-- > 0;) {
		const KInst *i = &b->inst.p[n];

		if (i->other)
			more |= mark_live(s, i->other);
		if (i->body)
			more |= mark_live(s, i->body);
		if (removable(i) && !s->v[i->dst].live)
			continue;
		for (int j = 0; j < kop_info[i->op].args; j++)
			if (!s->v[i->a[j]].live)
				more = s->v[i->a[j]].live = true;
	}
	return more;
}

static void
sweep(Simplify *s, KBlock *b)
{
	size_t left = 0;

	for (size_t n = 0; n < b->inst.n; n++) {
		KInst *i = &b->inst.p[n];
		bool drop = (removable(i) && !s->v[i->dst].live) || (i->op == K_mov && i->a[0] == i->dst);

		if (i->body)
			sweep(s, i->body);
		if (i->other) {
			sweep(s, i->other);
			if (i->other->inst.n == 0) {
				i->other = NULL;
				s->changed = true;
			}
		}
		drop |= (i->op == K_for || i->op == K_if) && i->body->inst.n == 0 && !i->other;
		if (drop)
			s->changed = true;
		else
			b->inst.p[left++] = *i;
	}
	b->inst.n = left;
}

bool
kernel_simplify(Kernel *k)
{
	bool changed = false;
	size_t insts = kernel_insts(k);

	for (int round = 0; round < ROUNDS; round++) {
		Simplify s = { .a = arena_new(), .k = k, .nbucket = 64 };

		while (s.nbucket < insts)
			s.nbucket *= 2;
		s.bucket = NEWN(s.a, uint32_t, s.nbucket);
		s.v = NEWN(s.a, Value, k->reg.n);
		count_writes(&s, &k->body);
		s.v[0].writes = 0;
		forward(&s, &k->body);
		hoist(&s, &k->body, 0);
		while (mark_live(&s, &k->body))
			;
		sweep(&s, &k->body);
		arena_free(s.a);
		if (!s.changed)
			break;
		changed = true;
	}
	if (changed)
		kernel_renumber(k);
	return changed;
}
