/* emit.h -- kernel IR -> LLVM IR, for every machine.  Private to backend/.
 *
 * One walk over the structured body (emit.c) and one set of polynomials (math.c) serve
 * hosts and GPUs.  What machines do differently is a table of functions, EmitHooks: where
 * buffers come from, what an axis is, and the ops that only GPUs have.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_BACKEND_EMIT_H
#define Y12_BACKEND_EMIT_H

#include "backend/backend.h"

#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>

typedef LLVMValueRef LVal;
typedef struct Emit Emit;

typedef struct EmitHooks {
	/* Makes e->fn and e->entry, leaves the builder at its end, and sets e->buf[i] of the global and
	 * shared buffers. */
	void (*begin)(Emit *e, const char *name);
	LVal (*axis)(Emit *e, KAxis axis);      /* as an e->ix */
	/* An op of KWORLD_GPU.  Its result is stored with emit_define(). */
	void (*special)(Emit *e, const KInst *i);
	/* Its own code for a pure real op on f32 (div, exp, tanh, …), or NULL: the usual one.  May be NULL. */
	LVal (*math)(Emit *e, KOp op, KType t, LVal x, LVal y);
	LVal (*silu)(Emit *e, KType t, LVal x);         /* x * sigmoid(x) on f32, likewise */
	LVal (*narrow)(Emit *e, KType to, LVal x);      /* f32 to f16 or bf16, likewise */
	LVal (*bytes8)(Emit *e, LVal p);        /* 8 bytes from an address that is a multiple of 8, which nobody writes, likewise */
	bool half;              /* f16 and bf16 are LLVM's half and bfloat, and computed with; else they are
	                         * i16, computed in f32 and converted */
	bool fma;               /* has a fused multiply-add; else a multiplication and an addition */
	bool masked;            /* masked loads and stores are instructions */
	bool f16c;              /* half <-> float are instructions, for vectors too */
	bool reload;            /* keeps repeated loads apart; see emit.c */
	bool scalef;            /* x * 2^n is one (AVX-512) */
	int ix_bits;
	bool rough;             /* GPUs: this kernel takes the hardware's approximations */
	bool pdl;               /* GPUs: it may be launched while the one before runs */
} EmitHooks;

/* what is known of a register */
typedef struct EmitReg {
	LVal v;                 /* its value; of a variable: the alloca */
	bool var, written, open;
	uint8_t zeros;          /* its low bits known to be 0 wherever it is read: what it is a multiple of */
	uint32_t writes;
	const KInst *constant;  /* its write, if that is a const */
	Reg sigmoid;            /* it is sigmoid of that value */
	Reg base;               /* it is base + off; 0: it is itself */
	int64_t off;
} EmitReg;

/* an element that was loaded in the block at hand */
typedef struct EmitLoad { uint32_t buf, reg; int64_t off; uint32_t epoch, count; } EmitLoad;

enum {
	EMIT_TWINS = 4,
	EMIT_LOCAL_ALIGN = 64,          /* of local buffers, at least */
	EMIT_SHARED_ALIGN = 128,        /* of shared ones: kernel_shared_layout() */
};

struct Emit {
	Arena *a;
	const Target *t;
	const Kernel *k;
	const EmitHooks *hooks;
	LLVMContextRef cx;
	LLVMModuleRef m;
	LLVMBuilderRef b;
	LVal fn;
	LLVMBasicBlockRef entry;
	EmitReg *reg;
	LVal *buf;              /* pointers, by buffer */
	LVal *scope, *others;   /* alias.scope and noalias of each buffer's accesses */
	LVal *twins;            /* EMIT_TWINS more pointers to each buffer */
	EmitLoad *loads;        /* hash table; entries of another epoch are free */
	size_t nloads, cloads;
	uint32_t epoch;
	LLVMBasicBlockRef loads_in;
	LVal task[3];           /* coordinates in the grid, of hosts */
	LLVMBasicBlockRef leave;        /* where break_if goes */
	const char *err;        /* the first */
};

/* Adds kernel k to module m as a function of that name.  NULL, or what is wrong (in a). */
const char *emit_kernel(Arena *a, const Target *t, const EmitHooks *h, LLVMContextRef cx, LLVMModuleRef m,
                        const Kernel *k, const char *name, LVal *fn);

/* ---- for hooks and math.c ------------------------------------------------------ */

void emit_error(Emit *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

LLVMTypeRef emit_scalar(Emit *e, KScalar s);    /* in registers */
LLVMTypeRef emit_type(Emit *e, KType t);
LLVMTypeRef emit_mem(Emit *e, DType dt);        /* in memory */
LVal emit_get(Emit *e, Reg r);
void emit_define(Emit *e, Reg r, LVal v);
LVal emit_int(Emit *e, KType t, int64_t x);     /* in every lane */
LVal emit_real(Emit *e, KType t, double x);
LVal emit_splat(Emit *e, int lanes, LVal x);
/* Calls an intrinsic overloaded on the types ty[0 .. nty). */
LVal emit_call(Emit *e, const char *name, const LLVMTypeRef *ty, unsigned nty, LVal *arg, unsigned n);
/* Pointer to buf[index], and the alignment that it is known to have. */
LVal emit_address(Emit *e, uint32_t buf, Reg index, bool is_load, unsigned *align);
/* Says that a load or store touches only buffer buf. */
void emit_alias(Emit *e, LVal access, uint32_t buf, bool load);
LVal emit_metadata(Emit *e, const LLVMMetadataRef *md, size_t n);
void emit_attr(Emit *e, const char *name);
void emit_attr_str(Emit *e, const char *key, const char *value);

static inline KType
kt_with(KType t, KScalar s)
{
	return kt(s, t.lanes);
}

static inline bool
scalar_real(KScalar s)
{
	return s >= KS_F16;
}

static inline bool
scalar_half(KScalar s)
{
	return s == KS_F16 || s == KS_BF16;
}

static inline bool
scalar_signed(KScalar s)
{
	return s >= KS_I32 && s <= KS_IX;
}

/* x * y + z */
LVal emit_fma(Emit *e, KType t, LVal x, LVal y, LVal z);

/* exp, log, sin, cos, tanh, sigmoid and rem on f32 or f64. */
LVal math_expand(Emit *e, KOp op, KType t, LVal x, LVal y);
/* f16 and bf16 held as i16 <-> f32, by instructions or by integer arithmetic. */
LVal math_widen(Emit *e, KType from, LVal x);
LVal math_narrow(Emit *e, KType to, LVal x);
/* f64 -> f32 toward zero, last bit set if anything was lost: narrowing that is rounding once. */
LVal math_sticky(Emit *e, KType t, LVal x);

#endif
