/* inner.h -- what the files of this room share.  Private to kir/.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_KIR_INNER_H
#define Y12_KIR_INNER_H

#include "kir/kir.h"

enum {
	KIR_MAX_DEPTH = 64,             /* nested blocks */
	KIR_MAX_LANES = K_LANES_MAX,
	KIR_MAX_REGS = 1 << 20,
	KIR_MAX_THREADS = 1024,
	KIR_MAX_CLUSTER = 8,            /* blocks, on every GPU that has clusters */
	KIR_WARP = 32,
	KIR_MAX_RESIDENT = 32,          /* blocks of a multiprocessor */
	KIR_GROUP = 128,                /* threads of a wgmma */
	KIR_MAX_BYTES = (1 << 20) - 1,  /* that a phase of an mbarrier may wait for */
	KIR_SHARED_ALIGN = 128,         /* of a shared buffer that asks for less */
	KIR_SHARED_ALIGN_MAX = 1024,
};

#define KIR_MAX_COUNT ((int64_t)1 << 40)        /* elements of a global buffer */
#define KIR_MAX_LOCAL ((int64_t)1 << 28)        /* bytes of a shared or local buffer */

static inline bool
ks_real(KScalar s)
{
	return s >= KS_F16 && s <= KS_F64;
}

static inline bool
ks_int(KScalar s)
{
	return s >= KS_U8 && s <= KS_IX;
}

static inline bool
kt_same(KType x, KType y)
{
	return x.s == y.s && x.lanes == y.lanes;
}

static inline int64_t
kernel_threads(const Kernel *k)
{
	return (int64_t)k->block[0] * k->block[1] * k->block[2];
}

/* blocks of a cluster */
static inline int64_t
kernel_cluster(const Kernel *k)
{
	return (int64_t)k->cluster[0] * k->cluster[1] * k->cluster[2];
}

static inline bool
kspace_param(KSpace s)
{
	return s == KSPACE_GLOBAL || s == KSPACE_TMAP;
}

/* how many of buf, buf2, buf3 an op names */
static inline int
kop_buffers(KOp op)
{
	switch (op) {
	case K_tma_load: return 3;
	case K_cp_async: case K_wgmma: return 2;
	case K_ldmatrix: case K_wgmma_a: case K_mbar_init: case K_mbar_arrive: case K_mbar_wait:
	case K_peer_load: case K_peer_arrive: return 1;
	default: return kop_info[op].cls == KCLASS_READ || kop_info[op].cls == KCLASS_WRITE;
	}
}

/* lanes of the coordinates of a tma_load */
static inline int
ktmap_coordinates(const KTmap *m)
{
	return m->im2col ? 2 * m->rank - 2 : m->rank;
}

/* elements that a tma_load brings */
int64_t ktmap_box(const KTmap *m);

/* What is wrong with a map, or NULL. */
const char *ktmap_wrong(const KTmap *m, DType dt);

/* all lanes of four warps come to it together, which only the run can tell */
static inline bool
kop_group(KOp op)
{
	return op == K_wgmma || op == K_wgmma_a || op == K_wgmma_wait || op == K_wgmma_get || op == K_regs_give || op == K_regs_take;
}

/* all lanes of a warp come to it together */
static inline bool
kop_warp(KOp op)
{
	return kop_group(op) || op == K_shuffle || op == K_shuffle_idx || op == K_vote_any || op == K_ballot || op == K_ldmatrix || op == K_mma;
}

/* Registers get the numbers 1, 2, 3 … in the order of the text. */
void kernel_renumber(Kernel *k);

/* the type that a lane has in memory */
DType kdtype_of(KScalar s);

/* "f32x16" */
void ktype_text(Text *t, KType type);
/* One instruction as one line, without its blocks and the newline. */
void kinst_text(Text *t, const Kernel *k, const KInst *i);

/* ---- eval.c: what a lane computes, the only place that says so ------------------- */

/* A register's lanes lie one after another in cells: i1 and u8 in a byte, i32 in 4,
 * i64 and ix in 8, f16, bf16 and f32 in a float, f64 in a double. */
extern const uint8_t kcell_bytes[KS_COUNT];

/* d[i] = op(a[i], b[i], c[i]) for n lanes; unused arguments may be any readable cells. */
typedef void KLaneFn(void *d, const void *a, const void *b, const void *c, int n);

/* s: scalar type of a (of b for select, which reads a lane of a each).  NULL: the op is
 * not defined on s, or is none of the lane by lane ones. */
KLaneFn *klane_fn(KOp op, KScalar s);
KLaneFn *klane_cast(KScalar from, KScalar to);

/* Whether integer div, rem, shl and shr are defined for every lane of b. */
bool klane_defined(KOp op, KScalar s, const void *b, int n);

/* A constant: i for integers and i1, f for reals. */
typedef struct KConst { int64_t i; double f; } KConst;

void kconst_to_cell(KScalar s, KConst c, void *cell);
KConst kconst_from_cell(KScalar s, const void *cell);
KConst kconst_wrap(KScalar s, KConst c);                /* rounded to, or wrapped into, s */

/* ---- fold.c: what an op becomes when arguments are known ------------------------- */

typedef enum KFoldKind { KFOLD_NONE, KFOLD_CONST, KFOLD_ARG, KFOLD_OP } KFoldKind;
typedef struct KFold {
	KFoldKind kind;
	KConst c;               /* CONST: in every lane */
	int arg;                /* ARG: the result is a[arg] */
	KOp op;                 /* OP: the same as op(a[x[0]], a[x[1]]) */
	int x[2];
} KFold;

/* known[j]: argument j is the constant c[j] in every lane; from: scalar type of a[0] (for
 * cast and comparisons it differs from the result's).  Looks at op, a, imm and the types. */
KFold kfold(const KInst *i, KType type, KType from, const bool known[3], const KConst c[3]);

#endif
