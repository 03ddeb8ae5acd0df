/* nvptx.c -- kernels to PTX: what GPUs do differently from hosts, and the text of a module.
 *
 *     kernels -- key --> cache -----------------------------> text of each --> one module, or many
 *                  `-> emit, passes, codegen, a name put in --^
 *
 * Global buffers are parameters in address space 1; shared ones lie in one array that the launch sizes
 * (kernel_shared_layout), local ones in allocas that SROA takes apart.  Indices are 32 bits
 * wide unless a buffer is larger or of unknown size.
 *
 * LLVM ends the process when it cannot select an instruction, so every op that some GPU lacks is asked
 * for in the target's row before it is emitted, and refused in words.  sm_75 gets its
 * own ways: mma m16n8k16 is two of m16n8k8, m16n8k32 of s8 four of m8n8k16, and a cp_async is a load and a
 * store, whose wait is nothing.
 *
 * Mathematics.  Kernels that only write 16-bit numbers take the hardware's approximations; all
 * others those that are good for f32:
 *
 *                   16-bit outs                              others
 *     exp           ex2.approx(x log2 e)                     the same: 2^-22 + |x| 2^-24, relative
 *     exp2          ex2.approx                               the same: 2^-22, relative
 *     sigmoid       0.5 tanh.approx(x / 2) + 0.5: 2^-12      1 / (1 + exp(-x)), rcp.approx: 2^-22
 *     x sigmoid(x)  h tanh.approx(h) + h, h = x / 2          x sigmoid(x)
 *     tanh          tanh.approx: 2^-11                       math.c
 *     div           div.full: 2 ulp                          div.rn
 *
 * f16 has an error of 2^-12 when it is stored, so the approximation doubles what is there.
 *
 * Programmatic launches: a kernel lets the next one start at once and waits, before it
 * touches memory, for all of the one before.  The wait gives back the parameters, so that no load can be moved
 * above it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/pool.h"

#include <stdlib.h>

enum { WARP = 32, GRID_YZ_MAX = 65535, TMAP_BYTES = 128, TMAP_ALIGN = 64 };

/* stands for the kernel's name until its text leaves: entries of the cache have no name */
#define TOKEN "y12_kernel_"

/* ---- small things ------------------------------------------------------------------- */

static LLVMTypeRef
i32_type(Emit *e)
{
	return LLVMInt32TypeInContext(e->cx);
}

static bool
has(const Emit *e, unsigned what)
{
	return (e->t->has & what) != 0;
}

static LVal axis_i32(Emit *e, KAxis a);

static LLVMTypeRef
half2_type(Emit *e)
{
	return LLVMVectorType(LLVMHalfTypeInContext(e->cx), 2);
}

static LVal
i32(Emit *e, int64_t x)
{
	return LLVMConstInt(i32_type(e), (uint64_t)x, true);
}

static void
convergent(Emit *e, LVal call)
{
	static const char *const name[] = { "convergent", "nounwind" };

	for (size_t i = 0; i < COUNT(name); i++)
		LLVMAddCallSiteAttribute(call, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
			LLVMCreateEnumAttribute(e->cx, LLVMGetEnumAttributeKindForName(name[i], strlen(name[i])), 0));
}

/* an intrinsic that all lanes come to */
static LVal
together(Emit *e, const char *name, LVal *arg, unsigned n)
{
	LVal call = emit_call(e, name, NULL, 0, arg, n);

	if (call && LLVMIsACallInst(call))
		convergent(e, call);
	return call;
}

/* Inline assembly.  pure: no effects, so that LLVM may join, move or drop it. */
static LVal
assembly(Emit *e, LLVMTypeRef result, const char *text, const char *constraints, bool pure, LVal *arg, unsigned n)
{
	LLVMTypeRef *type = NEWN(e->a, LLVMTypeRef, n + 1);
	LVal call;

	for (unsigned i = 0; i < n; i++)
		type[i] = LLVMTypeOf(arg[i]);
	LLVMTypeRef fn = LLVMFunctionType(result, type, n, false);
	call = LLVMBuildCall2(e->b, fn, LLVMGetInlineAsm(fn, text, strlen(text), constraints, strlen(constraints),
	                      !pure, false, LLVMInlineAsmDialectATT, false), arg, n, "");
	if (!pure)
		convergent(e, call);
	return call;
}

static LVal
element(Emit *e, LVal x, int i)
{
	return LLVMGetTypeKind(LLVMTypeOf(x)) != LLVMVectorTypeKind ? x
	     : LLVMBuildExtractElement(e->b, x, i32(e, i), "");
}

/* lanes first .. first + n of x */
static LVal
part(Emit *e, LVal x, int first, int n)
{
	LVal mask[K_LANES_MAX];

	for (int i = 0; i < n; i++)
		mask[i] = i32(e, first + i);
	return LLVMBuildShuffleVector(e->b, x, LLVMGetPoison(LLVMTypeOf(x)), LLVMConstVector(mask, (unsigned)n), "");
}

/* a vector of type t from its scalars */
static LVal
vector(Emit *e, KType t, LVal *x)
{
	LVal v = LLVMGetPoison(emit_type(e, t));

	if (t.lanes == 1)
		return x[0];
	for (int i = 0; i < t.lanes; i++)
		v = LLVMBuildInsertElement(e->b, v, x[i], i32(e, i), "");
	return v;
}

static KType
type_of(const Emit *e, Reg r)
{
	return e->k->reg.p[r];
}

/* ---- the function -------------------------------------------------------------------- */

static void
add_param_attr(Emit *e, unsigned param, const char *name, uint64_t value)
{
	LLVMAddAttributeAtIndex(e->fn, param + 1,
		LLVMCreateEnumAttribute(e->cx, LLVMGetEnumAttributeKindForName(name, strlen(name)), value));
}

static void
annotate(Emit *e, const char *what, int value)
{
	LLVMMetadataRef md[3] = {
		LLVMValueAsMetadata(e->fn), LLVMMDStringInContext2(e->cx, what, strlen(what)),
		LLVMValueAsMetadata(i32(e, value)),
	};

	LLVMAddNamedMetadataOperand(e->m, "nvvm.annotations", emit_metadata(e, md, 3));
}

/* A tensor map comes by value and stays where it is: without grid_constant LLVM copies it to the
 * stack, of which the copy engine knows nothing. */
static void
add_tensor_map(Emit *e, unsigned param)
{
	LLVMTypeRef bytes = LLVMArrayType2(LLVMInt8TypeInContext(e->cx), TMAP_BYTES);

	LLVMAddAttributeAtIndex(e->fn, param + 1, LLVMCreateTypeAttribute(e->cx,
		LLVMGetEnumAttributeKindForName("byval", 5), bytes));
	add_param_attr(e, param, "align", TMAP_ALIGN);
}

/* The maps are there by the first copy, which would wait for them else. */
static void
prefetch_maps(Emit *e)
{
	LVal arg[2];

	for (size_t i = 0; i < e->k->buf.n; i++) {
		if (e->k->buf.p[i].space != KSPACE_TMAP || !has(e, GPU_TMA))
			continue;
		arg[0] = e->buf[i];
		arg[1] = axis_i32(e, KAXIS_THREAD_X);
		assembly(e, LLVMVoidTypeInContext(e->cx), "{ .reg .pred p; setp.eq.u32 p, $1, 0; @p prefetch.tensormap [$0]; }",
		         "l,r,~{memory}", false, arg, 2);
	}
}

static void
annotate_maps(Emit *e)
{
	LLVMMetadataRef *which = NEWN(e->a, LLVMMetadataRef, e->k->buf.n + 1), md[3];
	size_t n = 0;

	for (size_t i = 0; i < e->k->buf.n; i++)
		if (e->k->buf.p[i].space == KSPACE_TMAP)
			which[n++] = LLVMValueAsMetadata(i32(e, (int64_t)i + 1));
	if (n == 0)
		return;
	md[0] = LLVMValueAsMetadata(e->fn);
	md[1] = LLVMMDStringInContext2(e->cx, "grid_constant", 13);
	md[2] = LLVMMDNodeInContext2(e->cx, which, n);
	LLVMAddNamedMetadataOperand(e->m, "nvvm.annotations", emit_metadata(e, md, 3));
}

/* the storage of all shared buffers */
static void
place_shared(Emit *e)
{
	LLVMTypeRef i8 = LLVMInt8TypeInContext(e->cx);
	int64_t *offset = NEWN(e->a, int64_t, e->k->buf.n + 1), bytes = kernel_shared_layout(e->k, offset);
	int align = EMIT_SHARED_ALIGN;
	LVal all;

	if (bytes > e->t->shared_block)
		emit_error(e, "its shared buffers take %lld bytes, and a block of %s has %lld", (long long)bytes,
		           e->t->name, (long long)e->t->shared_block);
	if (bytes == 0)
		return;
	all = LLVMAddGlobalInAddressSpace(e->m, LLVMArrayType2(i8, 0), TOKEN "shared", 3);
	LLVMSetLinkage(all, LLVMExternalLinkage);
	for (size_t i = 0; i < e->k->buf.n; i++)
		if (e->k->buf.p[i].space == KSPACE_SHARED) {
			LVal at = i32(e, offset[i]);

			align = MAX(align, e->k->buf.p[i].align);
			e->buf[i] = LLVMConstInBoundsGEP2(i8, all, &at, 1);
		}
	LLVMSetAlignment(all, (unsigned)align);
}

/* Waits for the kernel before this one.  Parameters pass through it. */
static void
wait_for_previous(Emit *e)
{
	LLVMTypeRef none = LLVMVoidTypeInContext(e->cx), i64 = LLVMInt64TypeInContext(e->cx);

	assembly(e, none, "griddepcontrol.wait;", "~{memory}", false, NULL, 0);
	for (size_t i = 0; i < e->k->buf.n; i++) {
		LLVMTypeRef ptr;
		LVal x;

		if (e->k->buf.p[i].space != KSPACE_GLOBAL)
			continue;                       /* tensor maps are the launch's own */
		ptr = LLVMTypeOf(e->buf[i]);
		x = LLVMBuildPtrToInt(e->b, e->buf[i], i64, "");
		x = assembly(e, i64, "", "=l,0,~{memory}", false, &x, 1);
		e->buf[i] = LLVMBuildIntToPtr(e->b, x, ptr, e->k->buf.p[i].name);
	}
}

static bool
waits_itself(const Kernel *k)
{
	for (size_t i = 0; i < k->body.inst.n; i++)
		if (k->body.inst.p[i].op == K_grid_wait)
			return true;
	return false;
}

static void
begin(Emit *e, const char *name)
{
	static const char *const reqntid[3] = { "reqntidx", "reqntidy", "reqntidz" };
	LLVMTypeRef *type = NEWN(e->a, LLVMTypeRef, e->k->buf.n + 1);
	unsigned n = 0;

	for (; n < kernel_params(e->k); n++)
		type[n] = LLVMPointerTypeInContext(e->cx, e->k->buf.p[n].space == KSPACE_TMAP ? 0 : 1);
	e->fn = LLVMAddFunction(e->m, name, LLVMFunctionType(LLVMVoidTypeInContext(e->cx), type, n, false));
	LLVMSetFunctionCallConv(e->fn, LLVMPTXKernelCallConv);
	emit_attr(e, "nounwind");
	emit_attr_str(e, "no-builtins", "");
	e->entry = LLVMAppendBasicBlockInContext(e->cx, e->fn, "entry");
	LLVMPositionBuilderAtEnd(e->b, e->entry);
	for (unsigned i = 0; i < n; i++) {
		const KBuf *m = &e->k->buf.p[i];

		e->buf[i] = LLVMGetParam(e->fn, i);
		if (m->space == KSPACE_TMAP) {
			add_tensor_map(e, i);
			continue;
		}
		add_param_attr(e, i, "align", (uint64_t)MAX(m->align, dtype_info[m->dt].bytes));
		if (!m->inplace)
			add_param_attr(e, i, "noalias", 0);
		if (!m->out && !m->inplace)
			add_param_attr(e, i, "readonly", 0);
	}
	for (int i = 0; i < 3; i++)
		annotate(e, reqntid[i], e->k->block[i]);
	if (e->k->resident)
		annotate(e, "minctasm", e->k->resident);
	if (e->k->grid[1] > GRID_YZ_MAX || e->k->grid[2] > GRID_YZ_MAX)
		emit_error(e, "grid(%d, %d, %d): a GPU takes at most %d along the second and third", e->k->grid[0],
		           e->k->grid[1], e->k->grid[2], GRID_YZ_MAX);
	if (e->k->cluster[0] * e->k->cluster[1] * e->k->cluster[2] > 1 && !has(e, GPU_CLUSTER))
		emit_error(e, "%s has no clusters of blocks", e->t->name);
	annotate_maps(e);
	prefetch_maps(e);
	place_shared(e);
	if (e->hooks->pdl)
		assembly(e, LLVMVoidTypeInContext(e->cx), "griddepcontrol.launch_dependents;", "~{memory}", false, NULL, 0);
	if (e->hooks->pdl && !waits_itself(e->k))
		wait_for_previous(e);
}

/* a special register, known to be below n */
static LVal
special_register(Emit *e, const char *name, int n)
{
	LVal x = emit_call(e, name, NULL, 0, NULL, 0);

	if (x && LLVMIsACallInst(x)) {
		LLVMMetadataRef range[2] = { LLVMValueAsMetadata(i32(e, 0)), LLVMValueAsMetadata(i32(e, n)) };

		LLVMSetMetadata(x, LLVMGetMDKindIDInContext(e->cx, "range", 5), emit_metadata(e, range, 2));
	}
	return x ? x : i32(e, 0);
}

/* of the block in its cluster */
static LVal
rank_i32(Emit *e)
{
	const int32_t *n = e->k->cluster;
	LVal rank = i32(e, 0);

	for (int i = 2; i >= 0; i--)
		rank = LLVMBuildAdd(e->b, LLVMBuildMul(e->b, rank, i32(e, n[i]), ""),
		                    LLVMBuildURem(e->b, axis_i32(e, (KAxis)(KAXIS_BLOCK_X + i)), i32(e, n[i]), ""), "");
	return rank;
}

/* an i32 */
static LVal
axis_i32(Emit *e, KAxis a)
{
	static const char *const sreg[] = {
		"llvm.nvvm.read.ptx.sreg.ctaid.x", "llvm.nvvm.read.ptx.sreg.ctaid.y", "llvm.nvvm.read.ptx.sreg.ctaid.z",
		"llvm.nvvm.read.ptx.sreg.tid.x", "llvm.nvvm.read.ptx.sreg.tid.y", "llvm.nvvm.read.ptx.sreg.tid.z",
	};
	const int32_t *block = e->k->block;
	LVal x, y;

	if (a == KAXIS_RANK)
		return rank_i32(e);
	if (a >= KAXIS_CLUSTER_X) {
		int i = a - KAXIS_CLUSTER_X;

		return LLVMBuildUDiv(e->b, axis_i32(e, (KAxis)(KAXIS_BLOCK_X + i)), i32(e, e->k->cluster[i]), "");
	}
	if (a <= KAXIS_THREAD_Z) {
		int n = a <= KAXIS_BLOCK_Z ? e->k->grid[a] : block[a - KAXIS_THREAD_X];

		return n == 1 ? i32(e, 0) : special_register(e, sreg[a], n);
	}
	if (a == KAXIS_LANE && block[1] * block[2] > 1)
		return special_register(e, "llvm.nvvm.read.ptx.sreg.laneid", WARP);
	x = axis_i32(e, KAXIS_THREAD_X);
	if (block[1] * block[2] > 1) {
		y = axis_i32(e, KAXIS_THREAD_Y);
		if (block[2] > 1)
			y = LLVMBuildNSWAdd(e->b, y, LLVMBuildNSWMul(e->b, axis_i32(e, KAXIS_THREAD_Z), i32(e, block[1]), ""), "");
		x = LLVMBuildNSWAdd(e->b, x, LLVMBuildNSWMul(e->b, y, i32(e, block[0]), ""), "");
	}
	return a == KAXIS_LANE ? LLVMBuildAnd(e->b, x, i32(e, WARP - 1), "") : LLVMBuildLShr(e->b, x, i32(e, 5), "");
}

static LVal
axis(Emit *e, KAxis a)
{
	return LLVMBuildZExt(e->b, axis_i32(e, a), emit_scalar(e, KS_IX), "");
}

/* ---- warps -------------------------------------------------------------------------------- */

/* lanes of this thread's warp; the last warp of a block may lack some */
static LVal
warp_mask(Emit *e)
{
	int threads = e->k->block[0] * e->k->block[1] * e->k->block[2], rest = threads % WARP;
	LVal tail = i32(e, (int64_t)((1u << rest) - 1)), last;

	if (rest == 0)
		return i32(e, -1);
	if (threads < WARP)
		return tail;
	last = LLVMBuildICmp(e->b, LLVMIntEQ, axis_i32(e, KAXIS_WARP), i32(e, threads / WARP), "");
	return LLVMBuildSelect(e->b, last, tail, i32(e, -1), "");
}

typedef struct Shuffle { const char *name; LVal mask, by; } Shuffle;

static LVal
shuffle_word(Emit *e, const Shuffle *s, LVal x)
{
	LVal arg[4] = { s->mask, x, s->by, i32(e, WARP - 1) };

	return together(e, s->name, arg, 4);
}

/* any scalar, by words of 32 bits */
static LVal
shuffle_scalar(Emit *e, const Shuffle *s, LVal x)
{
	LLVMTypeRef ty = LLVMTypeOf(x), word = i32_type(e), bits_type;
	unsigned bits = LLVMGetTypeKind(ty) == LLVMIntegerTypeKind ? LLVMGetIntTypeWidth(ty)
	              : LLVMGetTypeKind(ty) == LLVMDoubleTypeKind ? 64 : LLVMGetTypeKind(ty) == LLVMFloatTypeKind ? 32 : 16;

	if (bits == 64) {
		LVal v = LLVMBuildBitCast(e->b, x, LLVMVectorType(word, 2), "");
		LVal half[2] = { shuffle_word(e, s, element(e, v, 0)), shuffle_word(e, s, element(e, v, 1)) };

		return LLVMBuildBitCast(e->b, vector(e, kt(KS_I32, 2), half), ty, "");
	}
	bits_type = LLVMIntTypeInContext(e->cx, bits);
	x = LLVMBuildZExt(e->b, LLVMBuildBitCast(e->b, x, bits_type, ""), word, "");
	x = LLVMBuildTrunc(e->b, shuffle_word(e, s, x), bits_type, "");
	return LLVMBuildBitCast(e->b, x, ty, "");
}

static LVal
shuffle(Emit *e, const KInst *i)
{
	bool idx = i->op == K_shuffle_idx;
	KType t = type_of(e, i->dst);
	LVal x = emit_get(e, i->a[0]), lane[K_LANES_MAX];
	Shuffle s = { idx ? "llvm.nvvm.shfl.sync.idx.i32" : "llvm.nvvm.shfl.sync.bfly.i32", warp_mask(e),
	              idx ? LLVMBuildIntCast2(e->b, emit_get(e, i->a[1]), i32_type(e), true, "") : i32(e, i->imm) };

	if (t.lanes == 2 && scalar_half((KScalar)t.s))
		return LLVMBuildBitCast(e->b, shuffle_word(e, &s, LLVMBuildBitCast(e->b, x, i32_type(e), "")),
		                        LLVMTypeOf(x), "");
	for (int l = 0; l < t.lanes; l++)
		lane[l] = shuffle_scalar(e, &s, element(e, x, l));
	return vector(e, t, lane);
}

static LVal
vote_any(Emit *e, const KInst *i)
{
	LVal arg[2] = { warp_mask(e), emit_get(e, i->a[0]) };

	return together(e, "llvm.nvvm.vote.any.sync", arg, 2);
}

static LVal
ballot(Emit *e, const KInst *i)
{
	LVal arg[2] = { warp_mask(e), emit_get(e, i->a[0]) };

	return together(e, "llvm.nvvm.vote.ballot.sync", arg, 2);
}

static void
barrier(Emit *e)
{
	LVal mask = i32(e, -1);
	int threads = e->k->block[0] * e->k->block[1] * e->k->block[2];

	if (threads == WARP)
		together(e, "llvm.nvvm.bar.warp.sync", &mask, 1);
	else
		together(e, "llvm.nvvm.barrier0", NULL, 0);
}

/* ---- copies to shared memory --------------------------------------------------------------- */

/* Without the instruction: through registers, at once. */
static void
copy_now(Emit *e, const KInst *i, LVal to, LVal from, int bytes)
{
	LLVMTypeRef word = i32_type(e), ty = bytes > 4 ? LLVMVectorType(word, (unsigned)bytes / 4) : word;
	LLVMBasicBlockRef yes = LLVMAppendBasicBlockInContext(e->cx, e->fn, ""), done, here;
	LVal x, zero = LLVMConstNull(ty), phi;

	here = LLVMGetInsertBlock(e->b);
	done = LLVMAppendBasicBlockInContext(e->cx, e->fn, "");
	LLVMBuildCondBr(e->b, emit_get(e, i->a[2]), yes, done);
	LLVMPositionBuilderAtEnd(e->b, yes);
	x = LLVMBuildLoad2(e->b, ty, from, "");
	LLVMSetAlignment(x, (unsigned)bytes);
	emit_alias(e, x, i->buf2, true);
	LLVMBuildBr(e->b, done);
	LLVMPositionBuilderAtEnd(e->b, done);
	phi = LLVMBuildPhi(e->b, ty, "");
	LLVMAddIncoming(phi, &x, &yes, 1);
	LLVMAddIncoming(phi, &zero, &here, 1);
	x = LLVMBuildStore(e->b, phi, to);
	LLVMSetAlignment(x, (unsigned)bytes);
	emit_alias(e, x, i->buf, false);
}

static void
cp_async(Emit *e, const KInst *i)
{
	int bytes = (int)i->imm * dtype_info[e->k->buf.p[i->buf - 1].dt].bytes;
	LVal cond = emit_get(e, i->a[2]), arg[3];
	bool always = LLVMIsAConstantInt(cond) && LLVMConstIntGetZExtValue(cond) != 0;
	const char *name = arena_printf(e->a, "llvm.nvvm.cp.async.%s.shared.global.%d%s", bytes == 16 ? "cg" : "ca",
	                                bytes, always ? "" : ".s");

	arg[0] = emit_address(e, i->buf, i->a[0], false, NULL);
	arg[1] = emit_address(e, i->buf2, i->a[1], false, NULL);
	if (!has(e, GPU_CP_ASYNC)) {
		copy_now(e, i, arg[0], arg[1], bytes);
		return;
	}
	arg[2] = LLVMBuildSelect(e->b, cond, i32(e, bytes), i32(e, 0), "");
	together(e, name, arg, always ? 2 : 3);
}

static void
cp_group(Emit *e, const KInst *i)
{
	LVal n = i32(e, i->imm);

	if (!has(e, GPU_CP_ASYNC))
		return;
	if (i->op == K_cp_commit)
		together(e, "llvm.nvvm.cp.async.commit.group", NULL, 0);
	else
		together(e, "llvm.nvvm.cp.async.wait.group", &n, 1);
}

/* ---- tensor cores ---------------------------------------------------------------------------- */

/* four words, as the numbers that lie in them */
static LVal
unpacked(Emit *e, KType t, LVal words)
{
	int per = t.lanes / 4;
	LLVMTypeRef scalar = emit_scalar(e, (KScalar)t.s), piece = per > 1 ? LLVMVectorType(scalar, (unsigned)per) : scalar;
	LVal x[K_LANES_MAX];

	if (t.s == KS_U8) {             /* whole, or the words would be made of single bytes again where they are used */
		for (int i = 0; i < 4; i++)
			x[i] = LLVMBuildExtractValue(e->b, words, (unsigned)i, "");
		return LLVMBuildBitCast(e->b, vector(e, kt(KS_I32, 4), x), emit_type(e, t), "");
	}
	for (int i = 0; i < 4; i++) {
		LVal word = LLVMBuildBitCast(e->b, LLVMBuildExtractValue(e->b, words, (unsigned)i, ""), piece, "");

		for (int j = 0; j < per; j++)
			x[i * per + j] = per > 1 ? element(e, word, j) : word;
	}
	return vector(e, t, x);
}

static LVal
ldmatrix(Emit *e, const KInst *i)
{
	LVal at = emit_address(e, i->buf, i->a[0], false, NULL);
	LLVMTypeRef ty = LLVMTypeOf(at);
	LVal r = emit_call(e, i->imm ? "llvm.nvvm.ldmatrix.sync.aligned.m8n8.x4.trans.b16"
	                             : "llvm.nvvm.ldmatrix.sync.aligned.m8n8.x4.b16", &ty, 1, &at, 1);

	if (LLVMIsACallInst(r))
		convergent(e, r);
	return unpacked(e, type_of(e, i->dst), r);
}

/* As a register of an instruction: f32 is for tf32, whose low bits the hardware would drop, not round; equal ones are
 * rounded once, since a product takes its operands from few registers. */
static LVal
operand(Emit *e, LVal x, LLVMTypeRef ty)
{
	if (LLVMGetTypeKind(LLVMTypeOf(x)) == LLVMFloatTypeKind)
		return emit_call(e, "llvm.nvvm.f2tf32.rna", NULL, 0, &x, 1);
	return LLVMTypeOf(x) == ty ? x : LLVMBuildBitCast(e->b, x, ty, "");
}

/* What one instruction takes: na registers of a from the ia-th, nb of b, each of `per` lanes and of type ty;
 * nc numbers of c from the ic-th, which it replaces. */
typedef struct Mma { const char *name; LLVMTypeRef ty; int per, ia, na, ib, nb, ic, nc; } Mma;

static LVal
mma_once(Emit *e, const Mma *m, LVal a, LVal b, LVal c)
{
	LVal arg[10], r;
	int n = 0;

	for (int i = 0; i < m->na + m->nb; i++) {
		LVal x = i < m->na ? a : b;
		int first = (i < m->na ? m->ia + i : m->ib + i - m->na) * m->per;

		if (m->per == 4)
			arg[n++] = element(e, LLVMBuildBitCast(e->b, x, LLVMVectorType(m->ty, LLVMGetVectorSize(LLVMTypeOf(x)) / 4), ""), first / 4);
		else
			arg[n++] = operand(e, m->per == 1 ? element(e, x, first) : part(e, x, first, m->per), m->ty);
	}
	for (int i = 0; i < m->nc; i++)
		arg[n++] = element(e, c, m->ic + i);
	r = together(e, m->name, arg, (unsigned)n);
	for (int i = 0; i < m->nc; i++)
		c = LLVMBuildInsertElement(e->b, c, LLVMBuildExtractValue(e->b, r, (unsigned)i, ""), i32(e, m->ic + i), "");
	return c;
}

static LVal
mma(Emit *e, const KInst *i)
{
	KScalar s = (KScalar)type_of(e, i->a[0]).s;
	LVal a = emit_get(e, i->a[0]), b = emit_get(e, i->a[1]), c = emit_get(e, i->a[2]);
	LLVMTypeRef word = i32_type(e), pair = half2_type(e);
	bool wide = e->t->mma == MMA_M16N8K16;

	if (e->t->mma == MMA_NONE || (s == KS_BF16 && !has(e, GPU_BF16)) || (s == KS_F32 && !has(e, GPU_TF32))) {
		emit_error(e, "%s has no tensor cores for %s", e->t->name, s == KS_F32 ? "tf32" : kscalar_name[s]);
		return c;
	}
	if (s == KS_F32)
		return mma_once(e, &(Mma){ "llvm.nvvm.mma.m16n8k8.row.col.tf32", word, 1, 0, 4, 0, 2, 0, 4 }, a, b, c);
	if (s == KS_BF16)
		return mma_once(e, &(Mma){ "llvm.nvvm.mma.m16n8k16.row.col.bf16", word, 2, 0, 4, 0, 2, 0, 4 }, a, b, c);
	if (s == KS_U8 && wide)
		return mma_once(e, &(Mma){ "llvm.nvvm.mma.m16n8k32.row.col.s8", word, 4, 0, 4, 0, 2, 0, 4 }, a, b, c);
	if (s == KS_F16 && wide)
		return mma_once(e, &(Mma){ "llvm.nvvm.mma.m16n8k16.row.col.f32.f32", pair, 2, 0, 4, 0, 2, 0, 4 }, a, b, c);
	/* sm_75.  Registers 0 and 1 of A are rows 0 .. 7 and 8 .. 15 of the first half of the columns, register 0 of B
	 * is the first half of its rows; numbers 0 and 1 of C are in rows 0 .. 7 */
	for (int k = 0; k < 2; k++)
		if (s == KS_F16)
			c = mma_once(e, &(Mma){ "llvm.nvvm.mma.m16n8k8.row.col.f32.f32", pair, 2, 2 * k, 2, k, 1, 0, 4 }, a, b, c);
		else
			for (int h = 0; h < 2; h++)
				c = mma_once(e, &(Mma){ "llvm.nvvm.mma.m8n8k16.row.col.s8", word, 4, 2 * k + h, 1, k, 1, 2 * h, 2 },
				             a, b, c);
	return c;
}

/* ---- Hopper: the copy engine and warpgroups: inline assembly, since LLVM has no intrinsics ------------ */

/* where buf[index] lies in the shared memory of the block, in 32 bits */
static LVal
shared_address(Emit *e, uint32_t buf, Reg index)
{
	return LLVMBuildPtrToInt(e->b, emit_address(e, buf, index, false, NULL), i32_type(e), "");
}

static void
tma_load(Emit *e, const KInst *i)
{
	const KTmap *m = e->k->buf.p[i->buf2 - 1].map;
	LVal c = emit_get(e, i->a[1]), arg[13];
	LLVMTypeRef none = LLVMVoidTypeInContext(e->cx);
	Text text = { .a = e->a }, constraints = { .a = e->a };
	unsigned n = 0;

	arg[n++] = shared_address(e, i->buf, i->a[0]);
	arg[n++] = e->buf[i->buf2 - 1];
	text_printf(&text, "cp.async.bulk.tensor.%dd.shared::cluster.global.%s.mbarrier::complete_tx::bytes%s [$0], [$1, {",
	            m->rank, m->im2col ? "im2col" : "tile", i->imm ? ".multicast::cluster" : "");
	text_put(&constraints, "r,l,");
	for (int d = 0; d < m->rank; d++) {
		text_printf(&text, "%s$%u", d ? ", " : "", n);
		text_put(&constraints, "r,");
		arg[n++] = LLVMBuildIntCast2(e->b, element(e, c, d), i32_type(e), true, "");
	}
	text_printf(&text, "}], [$%u]", n);
	text_put(&constraints, "r,");
	arg[n++] = shared_address(e, i->buf3, i->a[2]);
	for (int d = m->rank; d < 2 * m->rank - 2 && m->im2col; d++) {
		text_printf(&text, "%s$%u", d > m->rank ? ", " : ", {", n);
		text_put(&constraints, "h,");
		arg[n++] = LLVMBuildIntCast2(e->b, element(e, c, d), LLVMInt16TypeInContext(e->cx), true, "");
	}
	text_put(&text, m->im2col ? "}" : "");
	if (i->imm) {
		text_printf(&text, ", $%u", n);
		text_put(&constraints, "h,");
		arg[n++] = LLVMConstInt(LLVMInt16TypeInContext(e->cx), (uint64_t)i->imm, false);
	}
	text_put(&text, ";");
	text_put(&constraints, "~{memory}");
	assembly(e, none, text_str(&text), text_str(&constraints), false, arg, n);
}

static void
copy_engine(Emit *e, const KInst *i)
{
	LLVMTypeRef none = LLVMVoidTypeInContext(e->cx);
	LVal arg[2];

	if (i->op == K_tma_load) {
		tma_load(e, i);
		return;
	}
	if (i->op == K_async_fence) {
		assembly(e, none, "fence.proxy.async.shared::cta;", "~{memory}", false, NULL, 0);
		return;
	}
	arg[0] = shared_address(e, i->buf, i->a[0]);
	arg[1] = i->op == K_mbar_wait ? emit_get(e, i->a[1]) : i32(e, i->imm);
	if (i->op == K_mbar_init) {
		assembly(e, none, "mbarrier.init.shared::cta.b64 [$0], $1;", "r,r,~{memory}", false, arg, 2);
		assembly(e, none, "fence.mbarrier_init.release.cluster;", "~{memory}", false, NULL, 0);
	} else if (i->op == K_mbar_arrive && i->imm == 0) {
		assembly(e, none, "mbarrier.arrive.shared::cta.b64 _, [$0];", "r,~{memory}", false, arg, 1);
	} else if (i->op == K_mbar_arrive) {
		assembly(e, none, "mbarrier.arrive.expect_tx.shared::cta.b64 _, [$0], $1;", "r,r,~{memory}", false, arg, 2);
	} else {
		/* labels are local to the braces, so that LLVM may copy this */
		assembly(e, none, "{ .reg .pred p; W: mbarrier.try_wait.parity.shared::cta.b64 p, [$0], $1; @p bra D; "
		         "bra W; D: }", "r,r,~{memory}", false, arg, 2);
	}
}

/* Other blocks of the cluster.  What a plain load of an address of theirs would do, LLVM doesn't know. */
static void
peers(Emit *e, const KInst *i)
{
	LLVMTypeRef none = LLVMVoidTypeInContext(e->cx), word = LLVMFloatTypeInContext(e->cx), type[4] = { word, word, word, word };
	static const char *const load[] = {
		[1] = "{ .reg .b32 p; mapa.shared::cluster.u32 p, $1, $2; ld.shared::cluster.b32 $0, [p]; }",
		[2] = "{ .reg .b32 p; mapa.shared::cluster.u32 p, $2, $3; ld.shared::cluster.v2.b32 {$0, $1}, [p]; }",
		[4] = "{ .reg .b32 p; mapa.shared::cluster.u32 p, $4, $5; ld.shared::cluster.v4.b32 {$0, $1, $2, $3}, [p]; }",
	};
	static const char *const constraints[] = { [1] = "=f,r,r,~{memory}", [2] = "=f,=f,r,r,~{memory}", [4] = "=f,=f,=f,=f,r,r,~{memory}" };
	LVal arg[2], lane[4], r;
	KType t;

	if (i->op == K_cluster_barrier) {
		assembly(e, none, "barrier.cluster.arrive.release.aligned; barrier.cluster.wait.acquire.aligned;", "~{memory}", false,
		         NULL, 0);
		return;
	}
	arg[0] = shared_address(e, i->buf, i->a[0]);
	arg[1] = LLVMBuildIntCast2(e->b, emit_get(e, i->a[1]), i32_type(e), true, "");
	if (i->op == K_peer_arrive) {
		assembly(e, none, "{ .reg .b32 p; mapa.shared::cluster.u32 p, $0, $1; "
		         "mbarrier.arrive.release.cluster.shared::cluster.b64 _, [p]; }", "r,r,~{memory}", false, arg, 2);
		return;
	}
	t = type_of(e, i->dst);
	r = assembly(e, t.lanes == 1 ? word : LLVMStructTypeInContext(e->cx, type, t.lanes, false), load[t.lanes],
	             constraints[t.lanes], false, arg, 2);
	for (unsigned l = 0; l < t.lanes; l++)
		lane[l] = LLVMBuildBitCast(e->b, t.lanes == 1 ? r : LLVMBuildExtractValue(e->b, r, l, ""), emit_scalar(e, (KScalar)t.s), "");
	emit_define(e, i->dst, vector(e, t, lane));
}

static uint64_t
descriptor_rest(int swizzle)
{
	uint64_t mode = swizzle == 128 ? 1 : swizzle == 64 ? 2 : 3;

	return mode << 62 | (uint64_t)(8 * swizzle / 16) << 32 | 1u << 16;
}

/* How wgmma is told of a tile of rows of `swizzle` bytes: where it begins, 8 rows further, and the swizzle. */
static LVal
descriptor(Emit *e, uint32_t buf, Reg index, int swizzle)
{
	LLVMTypeRef i64 = LLVMInt64TypeInContext(e->cx);
	LVal at = LLVMBuildAnd(e->b, shared_address(e, buf, index), i32(e, 0x3ffff), "");

	at = LLVMBuildZExt(e->b, LLVMBuildLShr(e->b, at, i32(e, 4), ""), i64, "");
	return LLVMBuildOr(e->b, at, LLVMConstInt(i64, descriptor_rest(swizzle), false), "");
}

/* An asm over n sums: from x, if there are any, to the result.  more: operands behind the sums. */
static LVal
over_sums(Emit *e, KType t, const char *text, const char *constraints, LVal x, const LVal *more, unsigned nmore)
{
	unsigned n = t.lanes, narg = 0;
	LVal *arg = NEWN(e->a, LVal, n + nmore), lane[K_LANES_MAX], r;
	LLVMTypeRef *type = NEWN(e->a, LLVMTypeRef, n);
	Text all = { .a = e->a };

	for (unsigned i = 0; i < n; i++) {
		type[i] = LLVMFloatTypeInContext(e->cx);
		text_printf(&all, "=f,");
	}
	for (unsigned i = 0; x && i < n; i++) {
		arg[narg++] = element(e, x, (int)i);
		text_printf(&all, "%u,", i);
	}
	text_put(&all, constraints);
	for (unsigned i = 0; i < nmore; i++)
		arg[narg++] = more[i];
	r = assembly(e, LLVMStructTypeInContext(e->cx, type, n, false), text, text_str(&all), false, arg, narg);
	for (unsigned i = 0; i < n; i++)
		lane[i] = LLVMBuildExtractValue(e->b, r, i, "");
	return vector(e, t, lane);
}

static LVal
wgmma(Emit *e, const KInst *i)
{
	KType t = type_of(e, i->dst);
	int steps = (int)(i->imm & 255), swizzle = (int)(i->imm >> 8), n = t.lanes;
	const char *type = e->k->buf.p[i->buf - 1].dt == DT_BF16 ? "bf16" : "f16";
	LVal d[2] = { descriptor(e, i->buf, i->a[0], swizzle), descriptor(e, i->buf2, i->a[1], swizzle) };
	Text text = { .a = e->a };

	text_printf(&text, "{ .reg .b64 a, b; mov.b64 a, $%d; mov.b64 b, $%d; wgmma.fence.sync.aligned; ", 2 * n, 2 * n + 1);
	for (int s = 0; s < steps; s++) {
		if (s)          /* the next 32 bytes of each row */
			text_put(&text, "add.s64 a, a, 2; add.s64 b, b, 2; ");
		text_printf(&text, "wgmma.mma_async.sync.aligned.m64n%dk16.f32.%s.%s {", 2 * n, type, type);
		for (int j = 0; j < n; j++)
			text_printf(&text, "%s$%d", j ? ", " : "", j);
		text_put(&text, "}, a, b, 1, 1, 1, 0, 0; ");
	}
	text_put(&text, "wgmma.commit_group.sync.aligned; }");
	return over_sums(e, t, text_str(&text), "l,l,~{memory}", emit_get(e, i->a[2]), d, 2);
}

/* A in registers; without what the sums were before, if they count as zeros.  The descriptor's upper half is a constant. */
static LVal
wgmma_a(Emit *e, const KInst *i)
{
	KType t = type_of(e, i->dst);
	bool across = i->imm >> 16 & 1, fresh = i->imm >> 17 & 1;
	int steps = (int)(i->imm & 255), swizzle = (int)(i->imm >> 8 & 255), n = t.lanes, first = fresh ? n : 2 * n;
	const char *type = e->k->buf.p[i->buf - 1].dt == DT_BF16 ? "bf16" : "f16";
	LVal *arg = NEWN(e->a, LVal, (size_t)(n + 4 * steps + 1)), a = emit_get(e, i->a[0]);
	LLVMTypeRef word = i32_type(e);
	Text text = { .a = e->a }, all = { .a = e->a };
	int narg = 0;

	for (int j = 0; j < 4 * steps; j++) {
		text_put(&all, "r,");
		arg[narg++] = LLVMBuildBitCast(e->b, part(e, a, 2 * j, 2), word, "");
	}
	text_put(&all, "r,~{memory}");
	arg[narg++] = LLVMBuildTrunc(e->b, descriptor(e, i->buf, i->a[1], swizzle), word, "");
	text_printf(&text, "{ .reg .b64 b; .reg .b32 l, h; mov.b32 h, %" PRIu32 "; mov.b64 b, {$%d, h}; wgmma.fence.sync.aligned; ",
	            (uint32_t)(descriptor_rest(swizzle) >> 32), first + 4 * steps);
	for (int s = 0; s < steps; s++) {
		if (s)          /* 32 bytes further in each row, or 16 rows further */
			text_printf(&text, "add.s32 l, $%d, %d; mov.b64 b, {l, h}; ", first + 4 * steps, s * (across ? swizzle : 2));
		text_printf(&text, "wgmma.mma_async.sync.aligned.m64n%dk16.f32.%s.%s {", 2 * n, type, type);
		for (int j = 0; j < n; j++)
			text_printf(&text, "%s$%d", j ? ", " : "", j);
		text_printf(&text, "}, {$%d, $%d, $%d, $%d}, b, %d, 1, 1, %d; ", first + 4 * s, first + 4 * s + 1, first + 4 * s + 2,
		            first + 4 * s + 3, s || !fresh, across);
	}
	text_put(&text, "wgmma.commit_group.sync.aligned; }");
	return over_sums(e, t, text_str(&text), text_str(&all), fresh ? NULL : emit_get(e, i->a[2]), arg, (unsigned)narg);
}

static void
warpgroup(Emit *e, const KInst *i)
{
	const char *wait = arena_printf(e->a, "wgmma.wait_group.sync.aligned %d;", (int)i->imm);

	if (i->op == K_wgmma)
		emit_define(e, i->dst, wgmma(e, i));
	else if (i->op == K_wgmma_a)
		emit_define(e, i->dst, wgmma_a(e, i));
	else if (i->op == K_wgmma_wait)
		assembly(e, LLVMVoidTypeInContext(e->cx), wait, "~{memory}", false, NULL, 0);
	else            /* through it, so that nothing reads the sums before */
		emit_define(e, i->dst, over_sums(e, type_of(e, i->dst), wait, "~{memory}", emit_get(e, i->a[0]), NULL, 0));
}

/* ---- atomics ---------------------------------------------------------------------------------- */

static LVal
atomic_add(Emit *e, const KInst *i)
{
	LVal at = emit_address(e, i->buf, i->a[0], false, NULL), r;
	bool real = scalar_real((KScalar)type_of(e, i->a[1]).s);

	r = LLVMBuildAtomicRMW(e->b, real ? LLVMAtomicRMWBinOpFAdd : LLVMAtomicRMWBinOpAdd, at,
	                       emit_get(e, i->a[1]), LLVMAtomicOrderingMonotonic, false);
	emit_alias(e, r, i->buf, false);
	return r;
}

/* … or an error that says what this GPU has none of */
static bool
able(Emit *e, const KInst *i, unsigned what, const char *name)
{
	if (!has(e, what))
		emit_error(e, "%s: %s has no %s", kop_info[i->op].name, e->t->name, name);
	return has(e, what);
}

static void
special(Emit *e, const KInst *i)
{
	switch (i->op) {
	case K_atomic_add: atomic_add(e, i); break;
	case K_atomic_fetch_add: emit_define(e, i->dst, atomic_add(e, i)); break;
	case K_barrier: barrier(e); break;
	case K_shuffle: case K_shuffle_idx: emit_define(e, i->dst, shuffle(e, i)); break;
	case K_vote_any: emit_define(e, i->dst, vote_any(e, i)); break;
	case K_ballot: emit_define(e, i->dst, ballot(e, i)); break;
	case K_cp_async: cp_async(e, i); break;
	case K_cp_commit: case K_cp_wait: cp_group(e, i); break;
	case K_ldmatrix: emit_define(e, i->dst, ldmatrix(e, i)); break;
	case K_mma: emit_define(e, i->dst, mma(e, i)); break;
	case K_grid_wait:
		if (e->hooks->pdl)
			wait_for_previous(e);
		break;
	case K_mbar_init: case K_mbar_arrive: case K_mbar_wait: case K_tma_load: case K_async_fence:
		if (able(e, i, GPU_TMA, "copy engine"))
			copy_engine(e, i);
		break;
	case K_cluster_barrier: case K_peer_load: case K_peer_arrive:
		if (able(e, i, GPU_CLUSTER, "clusters"))
			peers(e, i);
		break;
	case K_regs_give: case K_regs_take:
		if (able(e, i, GPU_WGMMA, "warpgroups"))
			assembly(e, LLVMVoidTypeInContext(e->cx), arena_printf(e->a, "setmaxnreg.%s.sync.aligned.u32 %d;",
			         i->op == K_regs_give ? "dec" : "inc", (int)i->imm), "~{memory}", false, NULL, 0);
		break;
	case K_wgmma: case K_wgmma_a: case K_wgmma_wait: case K_wgmma_get:
		if (able(e, i, GPU_WGMMA, "warpgroup products"))
			warpgroup(e, i);
		break;
	default: emit_error(e, "%s: not on %s", kop_info[i->op].name, e->t->name);
	}
}

/* ---- mathematics ------------------------------------------------------------------------------ */

/* LLVM cuts a load of 8 bytes into two of 4, whatever type it is given, but not this one. */
static LVal
bytes8(Emit *e, LVal p)
{
	LLVMTypeRef i32 = LLVMInt32TypeInContext(e->cx), ty[2] = { LLVMVectorType(i32, 2), LLVMTypeOf(p) };

	return emit_call(e, "llvm.nvvm.ldg.global.i", ty, 2, (LVal[]){ p, LLVMConstInt(i32, 8, false) }, 2);
}

/* lane by lane */
static LVal
each(Emit *e, KType t, LVal x, LVal (*fn)(Emit *e, LVal x))
{
	LVal lane[K_LANES_MAX];

	for (int i = 0; i < t.lanes; i++)
		lane[i] = fn(e, element(e, x, i));
	return vector(e, t, lane);
}

static LVal
fma_const(Emit *e, KType t, LVal x, double y, double z)
{
	return emit_fma(e, t, x, emit_real(e, t, y), emit_real(e, t, z));
}

static LVal
ex2(Emit *e, LVal x)
{
	return emit_call(e, "llvm.nvvm.ex2.approx.ftz.f", NULL, 0, &x, 1);
}

static LVal
rcp(Emit *e, LVal x)
{
	return emit_call(e, "llvm.nvvm.rcp.approx.ftz.f", NULL, 0, &x, 1);
}

static LVal
tanh_approx(Emit *e, LVal x)
{
	return assembly(e, LLVMTypeOf(x), "tanh.approx.f32 $0, $1;", "=f,f", true, &x, 1);
}

static LVal
div_full(Emit *e, KType t, LVal x, LVal y)
{
	LVal lane[K_LANES_MAX];

	for (int i = 0; i < t.lanes; i++) {
		LVal arg[2] = { element(e, x, i), element(e, y, i) };

		lane[i] = assembly(e, LLVMTypeOf(arg[0]), "div.full.f32 $0, $1, $2;", "=f,f,f", true, arg, 2);
	}
	return vector(e, t, lane);
}

static LVal
exp_of(Emit *e, KType t, LVal x)
{
	return each(e, t, LLVMBuildFMul(e->b, x, emit_real(e, t, 1.4426950408889634), ""), ex2);
}

static LVal
math(Emit *e, KOp op, KType t, LVal x, LVal y)
{
	bool rough = e->hooks->rough;
	LVal half = emit_real(e, t, 0.5);

	switch (op) {
	case K_exp:
		return exp_of(e, t, x);
	case K_exp2:
		return each(e, t, x, ex2);
	case K_sigmoid:
		if (rough)
			return fma_const(e, t, each(e, t, LLVMBuildFMul(e->b, x, half, ""), tanh_approx), 0.5, 0.5);
		x = exp_of(e, t, LLVMBuildFNeg(e->b, x, ""));
		return each(e, t, LLVMBuildFAdd(e->b, x, emit_real(e, t, 1), ""), rcp);
	case K_tanh:
		return rough ? each(e, t, x, tanh_approx) : NULL;
	case K_div:
		return rough ? div_full(e, t, x, y) : NULL;
	default:
		return NULL;
	}
}

static LVal
silu(Emit *e, KType t, LVal x)
{
	LVal h;

	if (!e->hooks->rough)
		return NULL;
	h = LLVMBuildFMul(e->b, x, emit_real(e, t, 0.5), "");
	return emit_fma(e, t, h, each(e, t, h, tanh_approx), h);
}

/* two at a time, where there is an instruction for it */
static LVal
narrow(Emit *e, KType to, LVal x)
{
	LVal lane[K_LANES_MAX];

	if (e->t->sm < 80 || to.lanes % 2)
		return NULL;
	for (int i = 0; i < to.lanes; i += 2) {
		LVal arg[2] = { element(e, x, i + 1), element(e, x, i) };       /* the high half first */
		LVal two = emit_call(e, to.s == KS_F16 ? "llvm.nvvm.ff2f16x2.rn" : "llvm.nvvm.ff2bf16x2.rn", NULL, 0, arg, 2);

		lane[i] = element(e, two, 0);
		lane[i + 1] = element(e, two, 1);
	}
	return vector(e, to, lane);
}

/* ---- compiling --------------------------------------------------------------------------------- */

static EmitHooks
hooks_for(const Kernel *k, const Target *t, bool pdl)
{
	EmitHooks h = {
		.begin = begin, .axis = axis, .special = special, .math = math, .silu = silu, .narrow = narrow, .bytes8 = bytes8,
		.half = true, .fma = true, .ix_bits = 32, .rough = true, .pdl = pdl && (t->has & GPU_PDL),
	};

	for (size_t i = 0; i < k->buf.n; i++) {
		const KBuf *b = &k->buf.p[i];

		if (b->space == KSPACE_GLOBAL && (b->count < 0 || b->count > INT32_MAX))
			h.ix_bits = 64;
		if (b->out && b->dt != DT_F16 && b->dt != DT_BF16)
			h.rough = false;
	}
	return h;
}

static const char *
open_machine(Machine *m, Arena *a, const Target *t)
{
	static const EmitHooks none;

	return machine_open(m, a, t, &none, LLVMRelocDefault, LLVMCodeModelDefault);
}

static LLVMModuleRef
make_module(Machine *m, const Kernel *k, const char *salt, const char **err)
{
	m->hooks = hooks_for(k, m->t, strcmp(salt, "pdl") == 0);
	return machine_module(m, k, TOKEN, err);
}

static const char *
compile_one(Machine *m, const Kernel *k, const char *salt, Piece *out)
{
	const char *err;
	LLVMMemoryBufferRef text = NULL;
	LLVMModuleRef mod = make_module(m, k, salt, &err);

	if (!mod)
		return err;
	err = machine_optimize(m, mod);
	if (!err)
		err = machine_generate(m, mod, LLVMAssemblyFile, &text);
	if (!err) {
		size_t n = LLVMGetBufferSize(text);

		*out = (Piece){ arena_dup(m->a, LLVMGetBufferStart(text), n), n, 0, 1 };
	}
	if (text)
		LLVMDisposeMemoryBuffer(text);
	LLVMDisposeModule(mod);
	return err;
}

/* ---- text ---------------------------------------------------------------------------------------- */

/* one line of text, with its newline */
static size_t
line(const char *p, const char *end)
{
	const char *nl = memchr(p, '\n', (size_t)(end - p));

	return (size_t)((nl ? nl + 1 : end) - p);
}

static bool
starts(const char *p, size_t n, const char *with)
{
	return n >= strlen(with) && memcmp(p, with, strlen(with)) == 0;
}

/* A module's text with the kernel's name in it, without comments and empty lines, and without what stands
 * once in a module if `body`. */
static void
put_kernel(Text *t, const char *name, const Piece *p, bool body)
{
	const char *at = (const char *)p->p, *end = at + p->bytes;

	for (size_t n; at < end; at += n) {
		const char *from = at, *stop;

		n = line(at, end);
		stop = at + n;
		if (n == 1 || starts(at, n, "//") || (body && (starts(at, n, ".version") || starts(at, n, ".target") ||
		    starts(at, n, ".address_size"))))
			continue;
		for (const char *hit; (hit = memmem(from, (size_t)(stop - from), TOKEN, strlen(TOKEN)));) {
			text_putn(t, from, (size_t)(hit - from));
			text_put(t, name);
			from = hit + strlen(TOKEN);
		}
		text_putn(t, from, (size_t)(stop - from));
	}
}

bool
nvptx_compile(Arena *a, const Target *t, Kernel *const *k, size_t n, const NvOptions *o, NvCode *out,
              const char **err)
{
	static const NvOptions usual;
	PoolResult r;

	if (!o)
		o = &usual;
	PoolWork w = { open_machine, compile_one, o->pdl ? "pdl" : "" };
	*out = (NvCode){ .n = n, .ptx = NEWN(a, const char *, n + 1) };
	if (t->kind != TARGET_GPU) {
		*err = arena_printf(a, "%s is no GPU", t->name);
		return false;
	}
	if (!pool_compile(a, t, &w, k, n, o->threads, o->cache_dir, &r, err))
		return false;
	out->cached = r.cached;
	out->note = r.note;
	Text all = { .a = a };
	for (size_t i = 0; i < n; i++) {
		Text one = { .a = a };

		put_kernel(&one, k[i]->name, &r.piece[i], false);
		put_kernel(&all, k[i]->name, &r.piece[i], i > 0);
		out->ptx[i] = text_str(&one);
	}
	out->module = text_str(&all);
	return true;
}

const char *
nvptx_text(Arena *a, const Target *t, const Kernel *k, NvText what, const NvOptions *o, const char **err)
{
	Arena *tmp = arena_new();
	Machine m = { 0 };
	LLVMModuleRef mod = NULL;
	const char *out = NULL;
	NvCode code;

	*err = NULL;
	if (what == NV_TEXT_PTX) {
		out = nvptx_compile(a, t, (Kernel *const[]){ (Kernel *)(uintptr_t)k }, 1, o, &code, err) ? code.ptx[0] : NULL;
		arena_free(tmp);
		return out;
	}
	if (t->kind != TARGET_GPU)
		*err = arena_printf(tmp, "%s is no GPU", t->name);
	else if (kernel_verify(k, err))
		*err = open_machine(&m, tmp, t);
	if (!*err)
		mod = make_module(&m, k, o && o->pdl ? "pdl" : "", err);
	if (!*err && what == NV_TEXT_LL_OPT)
		*err = machine_optimize(&m, mod);
	if (!*err) {
		char *text = LLVMPrintModuleToString(mod);

		out = arena_str(a, text);
		LLVMDisposeMessage(text);
	} else {
		*err = arena_str(a, *err);
	}
	if (mod)
		LLVMDisposeModule(mod);
	machine_close(&m);
	arena_free(tmp);
	return out;
}
