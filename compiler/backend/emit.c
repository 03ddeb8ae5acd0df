/* emit.c -- the walk from kernel IR to LLVM IR.
 *
 * A register written once, and read only where that write is on every way there,
 * becomes the value itself; any other becomes a slot in the entry block, which SROA turns into
 * phis.  Loops come out rotated, with a block of their own before and behind:
 *
 *     for %i = lo .. hi step s        guard:  br lo < hi, before, done
 *                                     before: br body
 *                                     body:   %i = phi [lo], [next]  …
 *                                             next = %i + s;  br next < hi, body, after
 *                                     after:  br done
 *
 * so that LICM has a place to hoist to and knows that the body runs, without a pass
 * that first brings loops into that form.
 *
 * Addresses: %i = add %j, 8 used as an index becomes &buf[j] + 8 elements.  The 28
 * accesses of a tile then share one pointer and differ by a displacement that the
 * machine adds for nothing.
 *
 * Repeated loads: a kernel that loads an element again, although it could have kept it, does
 * so because registers are scarce: three taps of a convolution read the same
 * pixels, and 28 sums leave no room for them.  LLVM would join the loads at three stages and then spill.
 * So the n-th load of an element in a block goes through the n-th pointer to the buffer,
 * made equal by an empty asm that LLVM cannot see through.
 *
 * Aliasing: every access says which buffer it is of (alias.scope) and of which it cannot be
 * (noalias): all others, except that buffers marked inplace may be each other.  Loads from
 * buffers that nobody writes are invariant.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/emit.h"

#include <inttypes.h>
#include <limits.h>

void
emit_error(Emit *e, const char *fmt, ...)
{
	va_list ap;

	if (e->err)
		return;
	va_start(ap, fmt);
	e->err = arena_printf(e->a, "kernel %s: %s", e->k->name, arena_vprintf(e->a, fmt, ap));
	va_end(ap);
}

/* ---- types and constants --------------------------------------------------------- */

LLVMTypeRef
emit_scalar(Emit *e, KScalar s)
{
	switch (s) {
	case KS_I1: return LLVMInt1TypeInContext(e->cx);
	case KS_U8: return LLVMInt8TypeInContext(e->cx);
	case KS_I32: return LLVMInt32TypeInContext(e->cx);
	case KS_I64: return LLVMInt64TypeInContext(e->cx);
	case KS_IX: return LLVMIntTypeInContext(e->cx, (unsigned)e->hooks->ix_bits);
	case KS_F16: return e->hooks->half ? LLVMHalfTypeInContext(e->cx) : LLVMInt16TypeInContext(e->cx);
	case KS_BF16: return e->hooks->half ? LLVMBFloatTypeInContext(e->cx) : LLVMInt16TypeInContext(e->cx);
	case KS_F32: return LLVMFloatTypeInContext(e->cx);
	case KS_F64: return LLVMDoubleTypeInContext(e->cx);
	case KS_NONE: case KS_COUNT: break;
	}
	return LLVMVoidTypeInContext(e->cx);
}

LLVMTypeRef
emit_type(Emit *e, KType t)
{
	LLVMTypeRef s = emit_scalar(e, (KScalar)t.s);

	return t.lanes == 1 ? s : LLVMVectorType(s, t.lanes);
}

LLVMTypeRef
emit_mem(Emit *e, DType dt)
{
	return dt == DT_BOOL ? LLVMInt8TypeInContext(e->cx) : emit_scalar(e, kscalar_of(dt));
}

static KType
type_of(const Emit *e, Reg r)
{
	return e->k->reg.p[r];
}

LVal
emit_splat(Emit *e, int lanes, LVal x)
{
	LLVMTypeRef i32 = LLVMInt32TypeInContext(e->cx), v;

	if (lanes == 1)
		return x;
	v = LLVMVectorType(LLVMTypeOf(x), (unsigned)lanes);
	if (LLVMIsConstant(x)) {
		LVal lane[K_LANES_MAX];

		for (int i = 0; i < lanes; i++)
			lane[i] = x;
		return LLVMConstVector(lane, (unsigned)lanes);
	}
	return LLVMBuildShuffleVector(e->b,
		LLVMBuildInsertElement(e->b, LLVMGetPoison(v), x, LLVMConstNull(i32), ""),
		LLVMGetPoison(v), LLVMConstNull(LLVMVectorType(i32, (unsigned)lanes)), "");
}

LVal
emit_int(Emit *e, KType t, int64_t x)
{
	return emit_splat(e, t.lanes, LLVMConstInt(emit_scalar(e, (KScalar)t.s), (uint64_t)x, true));
}

LVal
emit_real(Emit *e, KType t, double x)
{
	LLVMTypeRef s = emit_scalar(e, (KScalar)t.s);
	uint16_t h;

	if (scalar_half((KScalar)t.s) && !e->hooks->half) {
		dtype_set(t.s == KS_F16 ? DT_F16 : DT_BF16, &h, 0, x);
		return emit_splat(e, t.lanes, LLVMConstInt(s, h, false));
	}
	return emit_splat(e, t.lanes, LLVMConstReal(s, x));
}

/* ---- attributes, metadata, intrinsics --------------------------------------------- */

void
emit_attr(Emit *e, const char *name)
{
	unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));

	LLVMAddAttributeAtIndex(e->fn, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
	                        LLVMCreateEnumAttribute(e->cx, kind, 0));
}

void
emit_attr_str(Emit *e, const char *key, const char *value)
{
	LLVMAddAttributeAtIndex(e->fn, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
	                        LLVMCreateStringAttribute(e->cx, key, (unsigned)strlen(key), value,
	                                                  (unsigned)strlen(value)));
}

LVal
emit_metadata(Emit *e, const LLVMMetadataRef *md, size_t n)
{
	return LLVMMetadataAsValue(e->cx, LLVMMDNodeInContext2(e->cx, (LLVMMetadataRef *)(uintptr_t)md, n));
}

static void
set_metadata(Emit *e, LVal inst, const char *kind, LVal md)
{
	if (LLVMIsAInstruction(inst))
		LLVMSetMetadata(inst, LLVMGetMDKindIDInContext(e->cx, kind, (unsigned)strlen(kind)), md);
}

static void
make_scopes(Emit *e)
{
	size_t n = e->k->buf.n;
	LLVMMetadataRef *scope = NEWN(e->a, LLVMMetadataRef, n + 1), *list = NEWN(e->a, LLVMMetadataRef, n + 1);
	LLVMMetadataRef name = LLVMMDStringInContext2(e->cx, e->k->name, strlen(e->k->name));
	LLVMMetadataRef domain = LLVMMDNodeInContext2(e->cx, &name, 1);

	for (size_t i = 0; i < n; i++) {
		const char *text = arena_printf(e->a, "%s.%zu", e->k->name, i);
		LLVMMetadataRef pair[2] = { LLVMMDStringInContext2(e->cx, text, strlen(text)), domain };

		scope[i] = LLVMMDNodeInContext2(e->cx, pair, 2);
		e->scope[i] = emit_metadata(e, &scope[i], 1);
	}
	for (size_t i = 0; i < n; i++) {
		size_t m = 0;

		for (size_t j = 0; j < n; j++)
			if (i != j && !(e->k->buf.p[i].inplace && e->k->buf.p[j].inplace))
				list[m++] = scope[j];
		e->others[i] = m ? emit_metadata(e, list, m) : NULL;
	}
}

static bool
read_only(const KBuf *m)
{
	return m->space == KSPACE_GLOBAL && !m->out && !m->inplace;
}

void
emit_alias(Emit *e, LVal access, uint32_t buf, bool load)
{
	const KBuf *m = &e->k->buf.p[buf - 1];

	set_metadata(e, access, "alias.scope", e->scope[buf - 1]);
	if (e->others[buf - 1])
		set_metadata(e, access, "noalias", e->others[buf - 1]);
	if (load && read_only(m))
		set_metadata(e, access, "invariant.load", emit_metadata(e, NULL, 0));
}

LVal
emit_call(Emit *e, const char *name, const LLVMTypeRef *ty, unsigned nty, LVal *arg, unsigned n)
{
	unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
	LLVMTypeRef *types = (LLVMTypeRef *)(uintptr_t)ty;

	if (id == 0) {
		emit_error(e, "this LLVM has no intrinsic %s", name);
		return n ? arg[0] : NULL;
	}
	return LLVMBuildCall2(e->b, LLVMIntrinsicGetType(e->cx, id, types, nty),
	                      LLVMGetIntrinsicDeclaration(e->m, id, types, nty), arg, n, "");
}

static LVal
call1(Emit *e, const char *name, LVal x)
{
	LLVMTypeRef ty = LLVMTypeOf(x);

	return emit_call(e, name, &ty, 1, &x, 1);
}

static LVal
call2(Emit *e, const char *name, LVal x, LVal y)
{
	LLVMTypeRef ty = LLVMTypeOf(x);
	LVal arg[2] = { x, y };

	return emit_call(e, name, &ty, 1, arg, 2);
}

/* ---- registers -------------------------------------------------------------------- */

typedef struct Opened { VEC(Reg) r; } Opened;

static void
scan_use(Emit *e, Reg r)
{
	if (r && !e->reg[r].open)
		e->reg[r].var = true;           /* its write need not be on the way here */
}

static void
scan_define(Emit *e, Opened *o, Reg r)
{
	if (!r)
		return;
	if (e->reg[r].written)
		e->reg[r].var = true;
	e->reg[r].written = e->reg[r].open = true;
	e->reg[r].writes++;
	vec_push(e->a, &o->r, r);
}

/* Which registers are variables. */
static void
scan(Emit *e, Opened *o, const KBlock *block)
{
	size_t mark = o->r.n;

	for (size_t n = 0; n < block->inst.n; n++) {
		const KInst *i = &block->inst.p[n];
		size_t inner = o->r.n;

		for (int j = 0; j < kop_info[i->op].args; j++)
			scan_use(e, i->a[j]);
		scan_define(e, o, i->dst);
		if (i->op == K_const)
			e->reg[i->dst].constant = i;
		if (i->body)
			scan(e, o, i->body);
		if (i->other)
			scan(e, o, i->other);
		if (i->op == K_for && i->dst)
			for (; o->r.n > inner; o->r.n--)
				e->reg[o->r.p[o->r.n - 1]].open = false;
	}
	for (; o->r.n > mark; o->r.n--)
		e->reg[o->r.p[o->r.n - 1]].open = false;
}

static LVal
entry_alloca(Emit *e, LLVMTypeRef ty, const char *name)
{
	LLVMBasicBlockRef at = LLVMGetInsertBlock(e->b);
	LVal first = LLVMGetFirstInstruction(e->entry), slot;

	if (first)
		LLVMPositionBuilderBefore(e->b, first);
	else
		LLVMPositionBuilderAtEnd(e->b, e->entry);
	slot = LLVMBuildAlloca(e->b, ty, name);
	LLVMPositionBuilderAtEnd(e->b, at);
	return slot;
}

LVal
emit_get(Emit *e, Reg r)
{
	EmitReg *x = &e->reg[r];

	if (x->var)
		return LLVMBuildLoad2(e->b, emit_type(e, type_of(e, r)), x->v, "");
	if (!x->v) {
		emit_error(e, "%%%u is read before it is written", r);
		return LLVMConstNull(emit_type(e, type_of(e, r)));
	}
	return x->v;
}

void
emit_define(Emit *e, Reg r, LVal v)
{
	if (e->reg[r].var)
		LLVMBuildStore(e->b, v, e->reg[r].v);
	else
		e->reg[r].v = v;
}

/* ---- arithmetic --------------------------------------------------------------------
 * No fast-math flags, not even contraction: kernels say fma where they want it, and so all
 * machines and the interpreter agree to the last bit on everything but math.c's functions (and
 * fma, where there is none). */

LVal
emit_fma(Emit *e, KType t, LVal x, LVal y, LVal z)
{
	LLVMTypeRef ty = emit_type(e, t);
	LVal arg[3] = { x, y, z };

	/* without the instruction, llvm.fma would be a call into libm */
	return emit_call(e, e->hooks->fma ? "llvm.fma" : "llvm.fmuladd", &ty, 1, arg, 3);
}

static LVal
choose(Emit *e, LLVMRealPredicate p, LVal x, LVal y)
{
	return LLVMBuildSelect(e->b, LLVMBuildFCmp(e->b, p, x, y, ""), x, y, "");
}

static LVal
choose_int(Emit *e, LLVMIntPredicate p, LVal x, LVal y)
{
	return LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, p, x, y, ""), x, y, "");
}

/* ops on f32 and f64, and on halves where the machine has them */
static LVal
real_op(Emit *e, KOp op, KType t, LVal x, LVal y, LVal z)
{
	LVal own;

	switch (op) {
	case K_add: return LLVMBuildFAdd(e->b, x, y, "");
	case K_sub: return LLVMBuildFSub(e->b, x, y, "");
	case K_mul: return LLVMBuildFMul(e->b, x, y, "");
	/* the second operand if either is NaN, or both are zeros: what minps and maxps do */
	case K_min: return choose(e, LLVMRealOLT, x, y);
	case K_max: return choose(e, LLVMRealOGT, x, y);
	case K_max_num: return call2(e, "llvm.maxnum", x, y);
	case K_fma: return emit_fma(e, t, x, y, z);
	case K_neg: return LLVMBuildFNeg(e->b, x, "");
	case K_abs: return call1(e, "llvm.fabs", x);
	case K_sqrt: return call1(e, "llvm.sqrt", x);
	case K_floor: return call1(e, "llvm.floor", x);
	case K_ceil: return call1(e, "llvm.ceil", x);
	case K_round: return call1(e, "llvm.roundeven", x);
	case K_trunc: return call1(e, "llvm.trunc", x);
	case K_exp: case K_exp2: case K_log: case K_sin: case K_cos: case K_tanh: case K_sigmoid: case K_rem: case K_div:
		own = e->hooks->math && t.s == KS_F32 ? e->hooks->math(e, op, t, x, y) : NULL;
		return own ? own : op == K_div ? LLVMBuildFDiv(e->b, x, y, "") : math_expand(e, op, t, x, y);
	default:
		emit_error(e, "%s is not defined on reals", kop_info[op].name);
		return x;
	}
}

/* Divisors that would trap: 0, and -1 under the least integer.  A division by 1 is as good
 * as any other value for the first, and right for the second. */
static LVal
safe_divisor(Emit *e, KType t, LVal x, LVal y)
{
	LVal one = emit_int(e, t, 1), bad;

	if (LLVMIsConstant(y))
		return LLVMIsAConstantInt(y) && LLVMConstIntGetSExtValue(y) == 0 ? one : y;
	bad = LLVMBuildICmp(e->b, LLVMIntEQ, y, emit_int(e, t, 0), "");
	if (scalar_signed((KScalar)t.s)) {
		int bits = t.s == KS_I32 ? 32 : t.s == KS_IX ? e->hooks->ix_bits : 64;
		LVal least = emit_int(e, t, bits == 32 ? INT32_MIN : INT64_MIN);

		bad = LLVMBuildOr(e->b, bad, LLVMBuildAnd(e->b,
			LLVMBuildICmp(e->b, LLVMIntEQ, x, least, ""),
			LLVMBuildICmp(e->b, LLVMIntEQ, y, emit_int(e, t, -1), ""), ""), "");
	}
	return LLVMBuildSelect(e->b, bad, one, y, "");
}

static LVal
int_op(Emit *e, KOp op, KType t, LVal x, LVal y, LVal z)
{
	LLVMBuilderRef b = e->b;
	bool sign = scalar_signed((KScalar)t.s), ix = t.s == KS_IX;

	switch (op) {
	/* indices never overflow; other integers wrap */
	case K_add: return ix ? LLVMBuildNSWAdd(b, x, y, "") : LLVMBuildAdd(b, x, y, "");
	case K_sub: return ix ? LLVMBuildNSWSub(b, x, y, "") : LLVMBuildSub(b, x, y, "");
	case K_mul: return ix ? LLVMBuildNSWMul(b, x, y, "") : LLVMBuildMul(b, x, y, "");
	case K_div:
		y = safe_divisor(e, t, x, y);
		return sign ? LLVMBuildSDiv(b, x, y, "") : LLVMBuildUDiv(b, x, y, "");
	case K_rem:
		y = safe_divisor(e, t, x, y);
		return sign ? LLVMBuildSRem(b, x, y, "") : LLVMBuildURem(b, x, y, "");
	case K_min: return choose_int(e, sign ? LLVMIntSLT : LLVMIntULT, x, y);
	case K_max: return choose_int(e, sign ? LLVMIntSGT : LLVMIntUGT, x, y);
	case K_fma: return LLVMBuildAdd(b, LLVMBuildMul(b, x, y, ""), z, "");
	case K_neg: return LLVMBuildNeg(b, x, "");
	case K_abs: return sign ? choose_int(e, LLVMIntSGT, x, LLVMBuildNeg(b, x, "")) : x;
	case K_and: return LLVMBuildAnd(b, x, y, "");
	case K_or: return LLVMBuildOr(b, x, y, "");
	case K_xor: return LLVMBuildXor(b, x, y, "");
	case K_popcount: return call1(e, "llvm.ctpop", x);
	case K_shl: case K_shr: {
		/* only the bits of the amount that matter, as machines do */
		int bits = t.s == KS_U8 ? 8 : t.s == KS_I32 ? 32 : t.s == KS_IX ? e->hooks->ix_bits : 64;

		y = LLVMBuildAnd(b, y, emit_int(e, t, bits - 1), "");
		return op == K_shl ? LLVMBuildShl(b, x, y, "")
		     : sign ? LLVMBuildAShr(b, x, y, "") : LLVMBuildLShr(b, x, y, "");
	}
	default:
		emit_error(e, "%s is not defined on integers", kop_info[op].name);
		return x;
	}
}

static LVal
compare(Emit *e, KOp op, KScalar s, LVal x, LVal y)
{
	static const struct { KOp op; LLVMRealPredicate r; LLVMIntPredicate i, u; } row[] = {
		{ K_eq, LLVMRealOEQ, LLVMIntEQ, LLVMIntEQ },
		{ K_ne, LLVMRealUNE, LLVMIntNE, LLVMIntNE },
		{ K_lt, LLVMRealOLT, LLVMIntSLT, LLVMIntULT },
		{ K_le, LLVMRealOLE, LLVMIntSLE, LLVMIntULE },
	};
	size_t k = 0;

	while (row[k].op != op)
		k++;
	if (scalar_real(s))
		return LLVMBuildFCmp(e->b, row[k].r, x, y, "");
	return LLVMBuildICmp(e->b, scalar_signed(s) ? row[k].i : row[k].u, x, y, "");
}

/* ---- casts ---------------------------------------------------------------------------- */

static LVal
real_to_int(Emit *e, KType from, KType to, LVal x)
{
	LLVMTypeRef ty[2] = { emit_type(e, to), emit_type(e, from) };

	if (to.s == KS_I1)
		return LLVMBuildFCmp(e->b, LLVMRealUNE, x, LLVMConstNull(ty[1]), "");
	if (to.s == KS_U8) {
		/* held within bytes as reals, where two instructions do it; no number is 0 */
		KType i32 = kt_with(to, KS_I32);

		x = choose(e, LLVMRealOGT, x, LLVMConstNull(ty[1]));
		x = choose(e, LLVMRealOLT, x, emit_real(e, from, 255));
		return LLVMBuildTrunc(e->b, LLVMBuildFPToSI(e->b, x, emit_type(e, i32), ""), ty[0], "");
	}
	return emit_call(e, "llvm.fptosi.sat", ty, 2, &x, 1);
}

/* Reals other than f32 and f64, where the machine does not have them, go through f32. */
static LVal
cast(Emit *e, KType from, KType to, LVal x)
{
	LLVMTypeRef ty = emit_type(e, to);
	KScalar f = (KScalar)from.s, s = (KScalar)to.s;

	if (f == s)
		return x;
	if (scalar_half(f)) {
		if (e->hooks->half)
			x = LLVMBuildFPExt(e->b, x, emit_type(e, kt_with(from, KS_F32)), "");
		else
			x = math_widen(e, from, x);
		return cast(e, kt_with(from, KS_F32), to, x);
	}
	if (scalar_half(s)) {
		/* wide integers are exact in f64, or nearly */
		if (scalar_signed(f))
			x = cast(e, from, kt_with(from, KS_F64), x), f = KS_F64;
		if (f == KS_F64)
			x = math_sticky(e, kt_with(from, KS_F64), x);
		else if (f != KS_F32)
			x = cast(e, from, kt_with(from, KS_F32), x);
		if (!e->hooks->half)
			return math_narrow(e, to, x);
		LVal own = e->hooks->narrow ? e->hooks->narrow(e, to, x) : NULL;
		return own ? own : LLVMBuildFPTrunc(e->b, x, ty, "");
	}
	if (scalar_real(f) && scalar_real(s))
		return s == KS_F64 ? LLVMBuildFPExt(e->b, x, ty, "") : LLVMBuildFPTrunc(e->b, x, ty, "");
	if (scalar_real(f))
		return real_to_int(e, from, to, x);
	if (scalar_real(s))
		return scalar_signed(f) ? LLVMBuildSIToFP(e->b, x, ty, "") : LLVMBuildUIToFP(e->b, x, ty, "");
	if (s == KS_I1)
		return LLVMBuildICmp(e->b, LLVMIntNE, x, LLVMConstNull(LLVMTypeOf(x)), "");
	return LLVMBuildIntCast2(e->b, x, ty, scalar_signed(f), "");
}

/* ---- lanes ------------------------------------------------------------------------------ */

/* lanes [from, from + n) of x; lanes past its end come from y */
static LVal
slice(Emit *e, LVal x, LVal y, unsigned from, unsigned n)
{
	LLVMTypeRef i32 = LLVMInt32TypeInContext(e->cx);
	LVal mask[K_LANES_MAX];

	for (unsigned i = 0; i < n; i++)
		mask[i] = LLVMConstInt(i32, from + i, false);
	return LLVMBuildShuffleVector(e->b, x, y ? y : LLVMGetPoison(LLVMTypeOf(x)), LLVMConstVector(mask, n), "");
}

static LVal
lane(Emit *e, LVal x, int i)
{
	if (LLVMGetTypeKind(LLVMTypeOf(x)) != LLVMVectorTypeKind)
		return x;
	return LLVMBuildExtractElement(e->b, x, LLVMConstInt(LLVMInt32TypeInContext(e->cx), (uint64_t)i, false), "");
}

/* x of n lanes as a vector of `to` lanes, the last of them anything */
static LVal
widen(Emit *e, LVal x, unsigned n, unsigned to)
{
	LLVMTypeRef i32 = LLVMInt32TypeInContext(e->cx);
	LVal mask[K_LANES_MAX];

	if (n == to)
		return x;
	if (n == 1)
		return LLVMBuildInsertElement(e->b, LLVMGetPoison(LLVMVectorType(LLVMTypeOf(x), to)), x,
		                              LLVMConstNull(i32), "");
	for (unsigned i = 0; i < to; i++)
		mask[i] = i < n ? LLVMConstInt(i32, i, false) : LLVMGetPoison(i32);
	return LLVMBuildShuffleVector(e->b, x, LLVMGetPoison(LLVMTypeOf(x)), LLVMConstVector(mask, to), "");
}

/* lanes of x, then of y */
static LVal
join(Emit *e, LVal x, unsigned nx, LVal y, unsigned ny)
{
	LLVMTypeRef i32 = LLVMInt32TypeInContext(e->cx);
	unsigned w = MAX(MAX(nx, ny), 2);
	LVal mask[K_LANES_MAX];

	for (unsigned i = 0; i < nx + ny; i++)
		mask[i] = LLVMConstInt(i32, i < nx ? i : w + i - nx, false);
	return LLVMBuildShuffleVector(e->b, widen(e, x, nx, w), widen(e, y, ny, w), LLVMConstVector(mask, nx + ny), "");
}

/* four bytes of x and y, as K_bytes numbers them; a prmt on GPUs */
static LVal
bytes(Emit *e, KType t, LVal x, LVal y, int digits)
{
	LLVMTypeRef four = LLVMVectorType(LLVMInt8TypeInContext(e->cx), 4), i32 = LLVMInt32TypeInContext(e->cx);
	LVal mask[4];

	for (int i = 0; i < 4; i++, digits /= 10)
		mask[i] = LLVMConstInt(i32, (unsigned)digits % 10, false);
	x = LLVMBuildShuffleVector(e->b, LLVMBuildBitCast(e->b, x, four, ""), LLVMBuildBitCast(e->b, y, four, ""),
	                           LLVMConstVector(mask, 4), "");
	return LLVMBuildBitCast(e->b, x, emit_type(e, t), "");
}

static LVal arith(Emit *e, KOp op, KType t, LVal x, LVal y, LVal z);

/* Pairwise: the upper half of the lanes is folded onto the lower until one is left; of an odd number
 * the middle one waits. */
static LVal
reduce(Emit *e, KOp op, KType t, LVal x)
{
	while (t.lanes > 1) {
		unsigned n = t.lanes, half = (n + 1) / 2;
		LVal middle = n % 2 ? lane(e, x, (int)half - 1) : NULL, lo, hi;

		lo = half == 1 ? lane(e, x, 0) : slice(e, x, NULL, 0, half);
		hi = half == 1 ? lane(e, x, 1) : slice(e, x, x, half, half);
		t.lanes = (uint8_t)half;
		x = arith(e, op, t, lo, hi, NULL);
		if (middle)
			x = LLVMBuildInsertElement(e->b, x, middle,
				LLVMConstInt(LLVMInt32TypeInContext(e->cx), half - 1, false), "");
	}
	return x;
}

/* the ops that machines with halves have on them */
static bool
half_op(KOp op)
{
	switch (op) {
	case K_add: case K_sub: case K_mul: case K_fma: case K_min: case K_max: case K_neg: case K_abs: return true;
	default: return false;
	}
}

/* Any SAME op.  What a machine cannot do with halves is computed in f32 and rounded, which rounds
 * + - * / sqrt correctly (24 >= 2 * 11 + 2 bits). */
static LVal
arith(Emit *e, KOp op, KType t, LVal x, LVal y, LVal z)
{
	KScalar s = (KScalar)t.s;

	if (scalar_half(s) && !(e->hooks->half && half_op(op))) {
		/* a product of halves is exact in f64, where the sum rounds far below their last bit */
		KType w = kt_with(t, op == K_fma ? KS_F64 : KS_F32);

		x = cast(e, t, w, x);
		y = y ? cast(e, t, w, y) : NULL;
		z = z ? cast(e, t, w, z) : NULL;
		return cast(e, w, t, op == K_fma ? LLVMBuildFAdd(e->b, LLVMBuildFMul(e->b, x, y, ""), z, "")
		                                 : real_op(e, op, w, x, y, z));
	}
	return scalar_real(s) ? real_op(e, op, t, x, y, z) : int_op(e, op, t, x, y, z);
}

/* ---- memory -------------------------------------------------------------------------------- */

static EmitLoad *
find_load(EmitLoad *table, size_t size, const EmitLoad *like)
{
	uint64_t key[3] = { like->buf, like->reg, (uint64_t)like->off };

	for (size_t h = hash64(key, sizeof key);; h++) {
		EmitLoad *l = &table[h & (size - 1)];

		if (l->epoch != like->epoch || (l->buf == like->buf && l->reg == like->reg && l->off == like->off))
			return l;
	}
}

/* How often buf[reg + off] was loaded before in this block. */
static uint32_t
loads_before(Emit *e, uint32_t buf, Reg reg, int64_t off)
{
	EmitLoad like = { .buf = buf, .reg = reg, .off = off }, *l;

	if (e->loads_in != LLVMGetInsertBlock(e->b)) {
		e->loads_in = LLVMGetInsertBlock(e->b);
		e->epoch++;
		e->nloads = 0;
	}
	if (2 * e->nloads >= e->cloads) {
		size_t size = e->cloads ? 2 * e->cloads : 512;
		EmitLoad *table = NEWN(e->a, EmitLoad, size);

		for (size_t i = 0; i < e->cloads; i++)
			if (e->loads[i].epoch == e->epoch)
				*find_load(table, size, &e->loads[i]) = e->loads[i];
		e->loads = table;
		e->cloads = size;
	}
	like.epoch = e->epoch;
	l = find_load(e->loads, e->cloads, &like);
	if (l->epoch == e->epoch)
		return ++l->count;
	*l = like;
	e->nloads++;
	return 0;
}

/* The n-th pointer to a buffer: the same, but LLVM does not know. */
static LVal
twin(Emit *e, uint32_t buf, uint32_t n)
{
	LLVMTypeRef ptr = LLVMTypeOf(e->buf[buf - 1]);
	LVal *slot = &e->twins[(buf - 1) * EMIT_TWINS + n % EMIT_TWINS];
	LLVMBasicBlockRef at = LLVMGetInsertBlock(e->b);

	if (n == 0)
		return e->buf[buf - 1];
	if (*slot)
		return *slot;
	LLVMTypeRef fn = LLVMFunctionType(ptr, &ptr, 1, false);
	LVal end = LLVMGetBasicBlockTerminator(e->entry);

	if (end)
		LLVMPositionBuilderBefore(e->b, end);
	/* "with side effects", so that two of them stay two */
	*slot = LLVMBuildCall2(e->b, fn, LLVMGetInlineAsm(fn, "", 0, "=r,0", 4, true, false,
	                       LLVMInlineAsmDialectATT, false), &e->buf[buf - 1], 1, "");
	LLVMPositionBuilderAtEnd(e->b, at);
	return *slot;
}

LVal
emit_address(Emit *e, uint32_t buf, Reg index, bool is_load, unsigned *align)
{
	const KBuf *m = &e->k->buf.p[buf - 1];
	unsigned size = (unsigned)dtype_info[m->dt].bytes;
	const EmitReg *x = &e->reg[index];
	LLVMTypeRef elem = emit_mem(e, m->dt);
	LVal p = e->buf[buf - 1];

	if (align) {
		uint64_t known = x->zeros > 12 ? 1u << 12 : (uint64_t)size << x->zeros;

		*align = (unsigned)MIN(known, MAX((uint64_t)m->align, m->space == KSPACE_LOCAL ? EMIT_LOCAL_ALIGN :
		                       m->space == KSPACE_SHARED ? EMIT_SHARED_ALIGN : size));
	}
	if (!p) {
		emit_error(e, "buffer %s has no place on this machine", m->name);
		return LLVMGetPoison(LLVMPointerTypeInContext(e->cx, 0));
	}
	if (is_load && e->hooks->reload && read_only(m) && !x->var)
		p = twin(e, buf, loads_before(e, buf, x->base ? x->base : index, x->off));
	if (x->base) {
		LVal at = emit_get(e, x->base), off = LLVMConstInt(LLVMTypeOf(at), (uint64_t)x->off, true);

		/* not inbounds: the shared pointer alone may lie before the buffer */
		p = LLVMBuildGEP2(e->b, elem, p, &at, 1, "");
		return LLVMBuildGEP2(e->b, elem, p, &off, 1, "");
	}
	LVal at = emit_get(e, index);
	return LLVMBuildInBoundsGEP2(e->b, elem, p, &at, 1, "");
}

static LVal
load(Emit *e, uint32_t buf, LLVMTypeRef ty, LVal p, unsigned align)
{
	const KBuf *m = &e->k->buf.p[buf - 1];
	LVal x;

	if (e->hooks->bytes8 && m->dt == DT_U8 && read_only(m) && align >= 8 &&
	    LLVMGetTypeKind(ty) == LLVMVectorTypeKind && LLVMGetVectorSize(ty) == 8) {
		x = e->hooks->bytes8(e, p);
		emit_alias(e, x, buf, false);
		return LLVMBuildBitCast(e->b, x, ty, "");
	}
	x = LLVMBuildLoad2(e->b, ty, p, "");
	LLVMSetAlignment(x, align);
	emit_alias(e, x, buf, true);
	return x;
}

/* <1, 1, … 0, 0> */
static LVal
first_lanes(Emit *e, int lanes, int active)
{
	LLVMTypeRef i1 = LLVMInt1TypeInContext(e->cx);
	LVal lane_on[K_LANES_MAX];

	for (int i = 0; i < lanes; i++)
		lane_on[i] = LLVMConstInt(i1, i < active, false);
	return LLVMConstVector(lane_on, (unsigned)lanes);
}

static LVal
masked_load(Emit *e, uint32_t buf, LLVMTypeRef ty, LVal p, unsigned align, LVal mask)
{
	LLVMTypeRef over[2] = { ty, LLVMTypeOf(p) };
	LVal arg[4] = { p, LLVMConstInt(LLVMInt32TypeInContext(e->cx), align, false), mask, LLVMConstNull(ty) };
	LVal x = emit_call(e, "llvm.masked.load", over, 2, arg, 4);

	emit_alias(e, x, buf, true);
	return x;
}

static void
masked_store(Emit *e, uint32_t buf, LVal x, LVal p, unsigned align, LVal mask)
{
	LLVMTypeRef over[2] = { LLVMTypeOf(x), LLVMTypeOf(p) };
	LVal arg[4] = { x, p, LLVMConstInt(LLVMInt32TypeInContext(e->cx), align, false), mask };

	emit_alias(e, emit_call(e, "llvm.masked.store", over, 2, arg, 4), buf, false);
}

/* bool is a byte in memory and i1 in registers */
static LVal
from_memory(Emit *e, DType dt, LVal x)
{
	return dt == DT_BOOL ? LLVMBuildICmp(e->b, LLVMIntNE, x, LLVMConstNull(LLVMTypeOf(x)), "") : x;
}

static LVal
to_memory(Emit *e, DType dt, int lanes, LVal x)
{
	LLVMTypeRef i8 = LLVMInt8TypeInContext(e->cx);

	return dt == DT_BOOL ? LLVMBuildZExt(e->b, x, lanes > 1 ? LLVMVectorType(i8, (unsigned)lanes) : i8, "") : x;
}

static LLVMTypeRef
vector_of(LLVMTypeRef elem, int lanes)
{
	return lanes == 1 ? elem : LLVMVectorType(elem, (unsigned)lanes);
}

static LVal
do_load(Emit *e, const KInst *i)
{
	DType dt = e->k->buf.p[i->buf - 1].dt;
	int lanes = type_of(e, i->dst).lanes, active = i->imm ? (int)i->imm : lanes;
	LLVMTypeRef elem = emit_mem(e, dt), ty = vector_of(elem, lanes);
	unsigned align;
	LVal p = emit_address(e, i->buf, i->a[0], true, &align), x;

	if (active >= lanes) {
		x = load(e, i->buf, ty, p, align);
	} else if (e->hooks->masked && dtype_info[dt].bytes >= 4) {
		x = masked_load(e, i->buf, ty, p, align, first_lanes(e, lanes, active));
	} else {
		x = load(e, i->buf, vector_of(elem, active), p, align);
		if (active == 1)
			x = LLVMBuildInsertElement(e->b, LLVMConstNull(ty), x,
			                           LLVMConstInt(LLVMInt32TypeInContext(e->cx), 0, false), "");
		else {
			LLVMTypeRef i32 = LLVMInt32TypeInContext(e->cx);
			LVal mask[K_LANES_MAX];

			for (int j = 0; j < lanes; j++)
				mask[j] = LLVMConstInt(i32, (uint64_t)MIN(j, active), false);
			x = LLVMBuildShuffleVector(e->b, x, LLVMConstNull(LLVMTypeOf(x)),
			                           LLVMConstVector(mask, (unsigned)lanes), "");
		}
	}
	return from_memory(e, dt, x);
}

static void
do_store(Emit *e, const KInst *i)
{
	DType dt = e->k->buf.p[i->buf - 1].dt;
	int lanes = type_of(e, i->a[1]).lanes, active = i->imm ? (int)i->imm : lanes;
	unsigned align;
	LVal p = emit_address(e, i->buf, i->a[0], false, &align), x = to_memory(e, dt, lanes, emit_get(e, i->a[1]));

	if (active < lanes && e->hooks->masked && dtype_info[dt].bytes >= 4) {
		masked_store(e, i->buf, x, p, align, first_lanes(e, lanes, active));
		return;
	}
	if (active < lanes)
		x = active == 1 ? lane(e, x, 0) : slice(e, x, NULL, 0, (unsigned)active);
	x = LLVMBuildStore(e->b, x, p);
	LLVMSetAlignment(x, align);
	emit_alias(e, x, i->buf, false);
}

static LLVMBasicBlockRef
block(Emit *e, const char *name)
{
	return LLVMAppendBasicBlockInContext(e->cx, e->fn, name);
}

/* load_if and store_if */
static void
do_access_if(Emit *e, const KInst *i)
{
	bool is_load = i->op == K_load_if;
	KInst plain = *i;
	LVal c = emit_get(e, i->a[is_load ? 1 : 2]), x = NULL, phi;
	LLVMBasicBlockRef from = LLVMGetInsertBlock(e->b), yes, done;

	plain.op = is_load ? K_load : K_store;
	yes = block(e, "");
	done = block(e, "");
	LLVMBuildCondBr(e->b, c, yes, done);
	LLVMPositionBuilderAtEnd(e->b, yes);
	if (is_load)
		x = do_load(e, &plain);
	else
		do_store(e, &plain);
	LLVMBuildBr(e->b, done);
	LLVMPositionBuilderAtEnd(e->b, done);
	if (is_load) {
		LVal zero = LLVMConstNull(LLVMTypeOf(x));

		phi = LLVMBuildPhi(e->b, LLVMTypeOf(x), "");
		LLVMAddIncoming(phi, &x, &yes, 1);
		LLVMAddIncoming(phi, &zero, &from, 1);
		emit_define(e, i->dst, phi);
	}
}

/* A load a lane: the machine's own gathers are no faster, and where the lanes' distance is
 * static these have one pointer and constant displacements. */
static LVal
do_gather(Emit *e, const KInst *i)
{
	const KBuf *m = &e->k->buf.p[i->buf - 1];
	int lanes = type_of(e, i->dst).lanes;
	LLVMTypeRef elem = emit_mem(e, m->dt), i32 = LLVMInt32TypeInContext(e->cx);
	LVal index = emit_get(e, i->a[0]), x = LLVMGetPoison(vector_of(elem, lanes));

	if (!e->buf[i->buf - 1]) {
		emit_error(e, "buffer %s has no place on this machine", m->name);
		return LLVMConstNull(emit_type(e, type_of(e, i->dst)));
	}
	for (int l = 0; l < lanes; l++) {
		LVal at = lane(e, index, l), y;

		at = LLVMBuildIntCast2(e->b, at, emit_scalar(e, KS_I64),
		                       scalar_signed((KScalar)type_of(e, i->a[0]).s), "");
		y = load(e, i->buf, elem, LLVMBuildInBoundsGEP2(e->b, elem, e->buf[i->buf - 1], &at, 1, ""),
		         (unsigned)dtype_info[m->dt].bytes);
		x = lanes == 1 ? y : LLVMBuildInsertElement(e->b, x, y, LLVMConstInt(i32, (uint64_t)l, false), "");
	}
	return from_memory(e, m->dt, x);
}

/* ---- the walk ---------------------------------------------------------------------------------- */

static void walk(Emit *e, const KBlock *body);

/* ---- multiples: what alignment is proved with ------------------------------------- */

enum { ZEROS_ALL = 63, ZEROS_ROUNDS = 64 };

/* Low bits of the result that are 0 if those of the arguments are. */
static int
zeros_of(const Emit *e, const KInst *i)
{
	const EmitReg *x = &e->reg[i->a[0]], *y = &e->reg[i->a[1]], *z = &e->reg[i->a[2]];
	uint64_t imm = (uint64_t)i->imm, by = y->constant ? (uint64_t)y->constant->imm : 0;

	switch (i->op) {
	case K_const: return imm ? __builtin_ctzll(imm) : ZEROS_ALL;
	case K_for: return MIN(x->zeros, __builtin_ctzll(imm));
	case K_add: case K_sub: case K_or: case K_xor: case K_min: case K_max: case K_rem: case K_join:
		return MIN(x->zeros, y->zeros);
	case K_and: return MAX(x->zeros, y->zeros);
	case K_select: return MIN(y->zeros, z->zeros);
	/* low zero bits of a product are those of both factors together */
	case K_mul: return MIN(x->zeros + y->zeros, ZEROS_ALL);
	case K_fma: return MIN(x->zeros + y->zeros, z->zeros);
	case K_shl: return MIN(x->zeros + (int)MIN(by, ZEROS_ALL), ZEROS_ALL);
	case K_shr: return y->constant ? MAX(x->zeros - (int)MIN(by, ZEROS_ALL), 0) : 0;
	case K_div: return by && !(by & (by - 1)) ? MAX(x->zeros - __builtin_ctzll(by), 0) : 0;
	case K_mov: case K_neg: case K_abs: case K_splat: case K_lane: case K_part: case K_shuffle:
	case K_shuffle_idx: return x->zeros;
	case K_cast: return scalar_real((KScalar)type_of(e, i->a[0]).s) ? 0 : x->zeros;
	default: return 0;
	}
}

static bool
lower_zeros(Emit *e, const KBlock *b)
{
	bool changed = false;

	for (size_t n = 0; n < b->inst.n; n++) {
		const KInst *i = &b->inst.p[n];
		int zeros = i->dst ? zeros_of(e, i) : ZEROS_ALL;

		if (zeros < e->reg[i->dst].zeros) {
			e->reg[i->dst].zeros = (uint8_t)zeros;
			changed = true;
		}
		if (i->body)
			changed |= lower_zeros(e, i->body);
		if (i->other)
			changed |= lower_zeros(e, i->other);
	}
	return changed;
}

/* Everything is taken for a multiple of everything until a write says otherwise. */
static void
find_zeros(Emit *e)
{
	int round = 0;

	for (Reg r = 0; r < e->k->reg.n; r++) {
		e->reg[r].zeros = ZEROS_ALL;
		if (e->reg[r].writes != 1)
			e->reg[r].constant = NULL;
	}
	while (round < ZEROS_ROUNDS && lower_zeros(e, &e->k->body))
		round++;
	for (Reg r = 0; round == ZEROS_ROUNDS && r < e->k->reg.n; r++)
		e->reg[r].zeros = 0;
}

/* x + constant remembers x, and x + c + d the sum of both */
static void
note_offset(Emit *e, const KInst *i)
{
	EmitReg *d = &e->reg[i->dst];

	for (int j = 0; j < 2; j++) {
		const EmitReg *x = &e->reg[i->a[j]], *c = &e->reg[i->a[1 - j]];

		if (x->var || c->var || !x->v || !c->v || !LLVMIsAConstantInt(c->v) || LLVMIsConstant(x->v))
			continue;
		d->base = x->base ? x->base : i->a[j];
		d->off = x->off + LLVMConstIntGetSExtValue(c->v);
		return;
	}
}

static void
do_for(Emit *e, const KInst *i)
{
	LVal lo = emit_get(e, i->a[0]), hi = emit_get(e, i->a[1]), phi, next;
	LLVMBasicBlockRef before = block(e, "before"), body = block(e, "body"), after = block(e, "after");
	LLVMBasicBlockRef done = block(e, "done"), latch, leave = e->leave;
	KType t = type_of(e, i->dst);

	LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, lo, hi, ""), before, done);
	LLVMPositionBuilderAtEnd(e->b, before);
	LLVMBuildBr(e->b, body);
	LLVMPositionBuilderAtEnd(e->b, body);
	phi = LLVMBuildPhi(e->b, emit_type(e, t), "");
	LLVMAddIncoming(phi, &lo, &before, 1);
	emit_define(e, i->dst, phi);
	walk(e, i->body);
	latch = LLVMGetInsertBlock(e->b);
	next = LLVMBuildNSWAdd(e->b, phi, emit_int(e, t, i->imm), "");
	LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, next, hi, ""), body, after);
	LLVMAddIncoming(phi, &next, &latch, 1);
	LLVMPositionBuilderAtEnd(e->b, after);
	LLVMBuildBr(e->b, done);
	LLVMPositionBuilderAtEnd(e->b, done);
	e->leave = leave;
}

static void
do_if(Emit *e, const KInst *i)
{
	LLVMBasicBlockRef yes = block(e, "yes"), no = i->other ? block(e, "no") : NULL, done = block(e, "done");

	LLVMBuildCondBr(e->b, emit_get(e, i->a[0]), yes, no ? no : done);
	LLVMPositionBuilderAtEnd(e->b, yes);
	if (i->body)
		walk(e, i->body);
	LLVMBuildBr(e->b, done);
	if (no) {
		LLVMPositionBuilderAtEnd(e->b, no);
		walk(e, i->other);
		LLVMBuildBr(e->b, done);
	}
	LLVMPositionBuilderAtEnd(e->b, done);
}

static void
do_loop(Emit *e, const KInst *i)
{
	LLVMBasicBlockRef again = block(e, "again"), done = block(e, "done"), leave = e->leave;

	LLVMBuildBr(e->b, again);
	LLVMPositionBuilderAtEnd(e->b, again);
	e->leave = done;
	walk(e, i->body);
	e->leave = leave;
	LLVMBuildBr(e->b, again);
	LLVMPositionBuilderAtEnd(e->b, done);
}

static void
do_break(Emit *e, const KInst *i)
{
	LLVMBasicBlockRef on = block(e, "on");

	if (!e->leave) {
		emit_error(e, "break_if outside a loop");
		return;
	}
	LLVMBuildCondBr(e->b, emit_get(e, i->a[0]), e->leave, on);
	LLVMPositionBuilderAtEnd(e->b, on);
}

static LVal
value_of(Emit *e, const KInst *i)
{
	KType t = type_of(e, i->dst), from = type_of(e, i->a[0]);
	LVal x = NULL, y = NULL, z = NULL, all[K_LANES_MAX];

	switch (i->op) {
	case K_const: return scalar_real((KScalar)t.s) ? emit_real(e, t, i->fimm) : emit_int(e, t, i->imm);
	case K_axis: return e->hooks->axis(e, (KAxis)i->imm);
	case K_load: return do_load(e, i);
	case K_gather: return do_gather(e, i);
	case K_lanes:
		for (int l = 0; l < t.lanes; l++)
			all[l] = LLVMConstInt(emit_scalar(e, (KScalar)t.s), (uint64_t)l, false);
		return t.lanes == 1 ? all[0] : LLVMConstVector(all, t.lanes);
	default: break;
	}
	switch (kop_info[i->op].args) {
	case 3: z = emit_get(e, i->a[2]); /* fall through */
	case 2: y = emit_get(e, i->a[1]); /* fall through */
	case 1: x = emit_get(e, i->a[0]);
	}
	if (i->op == K_mul && t.s == KS_F32 && e->hooks->silu && (e->reg[i->a[0]].sigmoid == i->a[1] ||
	    e->reg[i->a[1]].sigmoid == i->a[0])) {
		LVal own = e->hooks->silu(e, t, e->reg[i->a[0]].sigmoid == i->a[1] ? y : x);

		if (own)
			return own;
	}
	switch (i->op) {
	case K_mov: return x;
	case K_eq: case K_ne: case K_lt: case K_le:
		if (scalar_half((KScalar)from.s) && !e->hooks->half) {
			x = cast(e, from, kt_with(from, KS_F32), x);
			y = cast(e, from, kt_with(from, KS_F32), y);
		}
		return compare(e, i->op, (KScalar)from.s, x, y);
	case K_select: return LLVMBuildSelect(e->b, x, y, z, "");
	case K_cast: return cast(e, from, t, x);
	case K_splat: return emit_splat(e, t.lanes, x);
	case K_lane: return lane(e, x, (int)i->imm);
	case K_part: return t.lanes == 1 ? lane(e, x, (int)i->imm) : slice(e, x, NULL, (unsigned)i->imm, t.lanes);
	case K_join: return join(e, x, from.lanes, y, type_of(e, i->a[1]).lanes);
	case K_bytes: return bytes(e, t, x, y, (int)i->imm);
	case K_reduce_add: return reduce(e, K_add, from, x);
	case K_reduce_max: return reduce(e, K_max, from, x);
	default: return arith(e, i->op, t, x, y, z);
	}
}

static void
walk(Emit *e, const KBlock *body)
{
	for (size_t n = 0; n < body->inst.n && !e->err; n++) {
		const KInst *i = &body->inst.p[n];

		if (kop_info[i->op].world == KWORLD_GPU && !e->hooks->special) {
			emit_error(e, "%s needs the threads of a GPU", kop_info[i->op].name);
			return;
		}
		switch (i->op) {
		case K_for: do_for(e, i); break;
		case K_if: do_if(e, i); break;
		case K_loop: do_loop(e, i); break;
		case K_break_if: do_break(e, i); break;
		case K_store: do_store(e, i); break;
		case K_load_if: case K_store_if: do_access_if(e, i); break;
		default:
			if (kop_info[i->op].world == KWORLD_GPU) {
				e->hooks->special(e, i);
				break;
			}
			emit_define(e, i->dst, value_of(e, i));
			if (i->op == K_sigmoid && !e->reg[i->dst].var && !e->reg[i->a[0]].var)
				e->reg[i->dst].sigmoid = i->a[0];
			if (i->op == K_add && type_of(e, i->dst).s == KS_IX && type_of(e, i->dst).lanes == 1 &&
			    !e->reg[i->dst].var)
				note_offset(e, i);
		}
	}
}

const char *
emit_kernel(Arena *a, const Target *t, const EmitHooks *h, LLVMContextRef cx, LLVMModuleRef m,
            const Kernel *k, const char *name, LVal *fn)
{
	Emit e = { .a = a, .t = t, .k = k, .hooks = h, .cx = cx, .m = m };
	Opened opened = { 0 };

	e.reg = NEWN(a, EmitReg, k->reg.n + 1);
	e.buf = NEWN(a, LVal, k->buf.n + 1);
	e.scope = NEWN(a, LVal, k->buf.n + 1);
	e.others = NEWN(a, LVal, k->buf.n + 1);
	e.twins = NEWN(a, LVal, (k->buf.n + 1) * EMIT_TWINS);
	e.b = LLVMCreateBuilderInContext(cx);
	h->begin(&e, name);
	make_scopes(&e);
	for (size_t i = 0; i < k->buf.n; i++) {
		const KBuf *buf = &k->buf.p[i];

		if (buf->space != KSPACE_LOCAL)
			continue;
		e.buf[i] = entry_alloca(&e, LLVMArrayType2(emit_mem(&e, buf->dt), (uint64_t)buf->count), buf->name);
		LLVMSetAlignment(e.buf[i], (unsigned)MAX(EMIT_LOCAL_ALIGN, buf->align));
	}
	scan(&e, &opened, &k->body);
	find_zeros(&e);
	for (Reg r = 1; r < k->reg.n; r++)
		if (e.reg[r].var) {
			LLVMTypeRef ty = emit_type(&e, type_of(&e, r));

			e.reg[r].v = entry_alloca(&e, ty, "");
			LLVMBuildStore(e.b, LLVMConstNull(ty), e.reg[r].v);
		}
	if (!e.err)
		walk(&e, &k->body);
	LLVMBuildRetVoid(e.b);
	LLVMDisposeBuilder(e.b);
	*fn = e.fn;
	return e.err;
}
