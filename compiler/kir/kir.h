/* kir.h -- the kernel IR: structured loops over virtual registers.
 *
 *     kernel scale(x: global f32[4096], y: global out f32[4096]) grid(4, 1, 1) {
 *       %1:ix = axis block.x
 *       %2:ix = const 1024
 *       %3:ix = mul %1, %2
 *       %4:f32x16 = const 0.5
 *       %5:ix = const 0
 *       for %6:ix = %5 .. %2 step 16 {
 *         %7:ix = add %3, %6
 *         %8:f32x16 = load x[%7]
 *         %9:f32x16 = mul %8, %4
 *         store y[%7], %9
 *       }
 *     }
 *
 * One kernel is what one task of a launch does.  A launch runs grid[0] * grid[1]
 * * grid[2] tasks in any order and at the same time; on the host a task is one call,
 * on a GPU it is a block of block[0] * block[1] * block[2] threads, and cluster[0] * cluster[1] *
 * cluster[2] neighbouring blocks run together and reach each other's shared memory.  The same text
 * serves both: vectors (lanes) are SIMD registers there and wide accesses here.
 *
 * Registers are typed and may be written again (mov and the _to builders), which is
 * how loops carry values; back ends put them into SSA form.  A register that is
 * written once is a value.  %0 does not exist: Reg 0 means none.
 *
 * Buffers are the only memory: global ones are the kernel's parameters, shared ones
 * belong to a block, local ones to a thread.  Indices count elements.  There are no
 * pointers, so every access can be checked.  Distinct parameters never overlap, except
 * that an out may be exactly a buffer that is also read, at the same place, element by
 * element (in-place): then both have `inplace` set.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_KIR_H
#define Y12_KIR_H

#include "base/base.h"
#include "base/diag.h"

typedef uint32_t Reg;

typedef enum KScalar {
	KS_NONE,
	KS_I1, KS_U8, KS_I32, KS_I64,
	KS_IX,                  /* index: 64 bits on hosts, 32 on GPUs; signed */
	KS_F16, KS_BF16, KS_F32, KS_F64,
	KS_COUNT
} KScalar;
extern const char *const kscalar_name[KS_COUNT];       /* "i1", "u8", … "ix", … */

typedef struct KType { uint8_t s; uint8_t lanes; } KType;      /* lanes 1: a scalar; at most K_LANES_MAX */
enum { K_LANES_MAX = 128 };

typedef enum KOp {
	K_none,
#define KOP(name, args, shape, cls, world, meaning) K_##name,
#include "kir/kops.def"
#undef KOP
	K_COUNT
} KOp;

typedef enum { KSHAPE_SAME, KSHAPE_BOOL, KSHAPE_FREE, KSHAPE_NONE } KShape;
typedef enum { KCLASS_PURE, KCLASS_READ, KCLASS_WRITE, KCLASS_SYNC, KCLASS_FLOW } KClass;
typedef enum { KWORLD_ANY, KWORLD_GPU } KWorld;
typedef struct KOpInfo {
	const char *name;
	int args;
	KShape shape;
	KClass cls;
	KWorld world;
	const char *meaning;
} KOpInfo;
extern const KOpInfo kop_info[K_COUNT];

typedef enum KAxis {
	KAXIS_BLOCK_X, KAXIS_BLOCK_Y, KAXIS_BLOCK_Z,    /* task in the grid */
	KAXIS_THREAD_X, KAXIS_THREAD_Y, KAXIS_THREAD_Z, /* thread in the block */
	KAXIS_LANE, KAXIS_WARP,                         /* from thread.x + …: 32 lanes a warp */
	KAXIS_CLUSTER_X, KAXIS_CLUSTER_Y, KAXIS_CLUSTER_Z,      /* cluster in the grid of clusters */
	KAXIS_RANK,                                     /* block in its cluster, x running fastest */
	KAXIS_COUNT
} KAxis;
extern const char *const kaxis_name[KAXIS_COUNT];       /* "block.x" … "warp" */

typedef enum KSpace {
	KSPACE_GLOBAL, KSPACE_SHARED, KSPACE_LOCAL,
	KSPACE_TMAP,            /* global memory as the copy engine of a GPU sees it; a parameter, too */
} KSpace;

/* A tensor in memory, and the box of it that a tma_load brings: dimensions from the innermost out.
 *
 * A tile is box[0] × box[1] … elements from the coordinates on.  An im2col box (rank 3 to 5: channels,
 * sides of the picture, batch) is `channels` of each of `pixels` places, which are taken from the coordinates on
 * through [lower, dim - 1 + upper] of each side by `step`, row after row, picture after picture; the
 * filter's offsets are added to each place.  Either lies in shared memory with its innermost dimension
 * innermost; a swizzle of 128 (64, 32) bytes moves 16-byte pieces: bits 4 … 6 (5, 4) of the address are
 * exclusive-ored with the three (two, one) bits from 7 on. */
typedef struct KTmap {
	bool im2col;
	int rank;               /* 1 to 5 */
	int64_t dim[5];
	int64_t stride[5];      /* elements; stride[0] = 1 */
	int step[5];            /* every step-th place; 1 to 8 */
	int box[5];             /* tile; 1 to 256 */
	int lower[3], upper[3]; /* im2col, of dim[1] … */
	int pixels, channels;   /* im2col */
	int swizzle;            /* bytes: 0, 32, 64, 128 */
} KTmap;

typedef struct KBuf {
	const char *name;
	KSpace space;
	DType dt;
	int64_t count;          /* elements; -1: known when it runs (pictures; global only) */
	bool out;               /* written (global); others are read-only */
	bool inplace;           /* see above */
	int align;              /* bytes that its start is aligned to, at least; 0: its element */
	const KTmap *map;       /* TMAP; count is what it reaches */
	uint32_t alias;         /* shared: uses the storage of that buffer, +1; 0: its own.  A write
	                         * to either leaves the other without values */
} KBuf;

typedef struct KInst KInst;
typedef struct KBlock { VEC(KInst) inst; } KBlock;

struct KInst {
	KOp op;
	Reg dst;
	Reg a[3];
	uint32_t buf, buf2, buf3;       /* index into Kernel.buf, +1; 0: none */
	int64_t imm;
	double fimm;
	KBlock *body, *other;   /* FLOW */
};

typedef struct Kernel {
	Arena *a;
	const char *name;       /* an identifier */
	int32_t grid[3];        /* tasks; each >= 1 */
	int32_t cluster[3];     /* blocks that run together; 1 1 1: each alone */
	int32_t block[3];       /* threads; 1 1 1 on hosts */
	int32_t resident;       /* blocks that a multiprocessor shall have registers for; 0: as it comes */
	VEC(KBuf) buf;          /* parameters first, in the order of launch arguments */
	VEC(KType) reg;         /* types; reg.p[0] unused */
	KBlock body;
} Kernel;

/* ---- building ------------------------------------------------------------------
 * The builder keeps the innermost open block.  Ops with constant arguments fold, and
 * x + 0, x * 1, x * 0 (integers) vanish, and (x + 1) + 2 is x + 3, so that index arithmetic
 * may be written freely.  A k_var is never taken for a constant or for a copy of another
 * register: what an op makes of it is a new register that keeps the value of that moment.
 * Constants and axes go to the top of the kernel, so they can be used anywhere once made.
 * The builder does not check types: kernel_verify() does. */

typedef struct KBuild KBuild;

KBuild *k_begin(Arena *a, const char *name);
Kernel *k_end(KBuild *b);
void k_grid(KBuild *b, int64_t x, int64_t y, int64_t z);
void k_cluster(KBuild *b, int x, int y, int z);
void k_resident(KBuild *b, int blocks);
void k_threads(KBuild *b, int x, int y, int z);
/* returns the buffer number used by load and store (index + 1) */
uint32_t k_param(KBuild *b, const char *name, DType dt, int64_t count, bool out);
/* a parameter that only tma_load reads; the map is copied */
uint32_t k_tmap(KBuild *b, const char *name, DType dt, const KTmap *map);
/* bytes that the buffer's start is aligned to, at least: a power of two; the larger wins */
void k_align(KBuild *b, uint32_t buf, int align);
/* buf uses the storage of `of`; both are shared */
void k_alias(KBuild *b, uint32_t buf, uint32_t of);
uint32_t k_buffer(KBuild *b, const char *name, KSpace space, DType dt, int64_t count);

KType kt(KScalar s, int lanes);
KScalar kscalar_of(DType dt);                   /* bool -> i1 in registers, 1 byte in memory */
KType k_type(const KBuild *b, Reg r);

Reg k_int(KBuild *b, KScalar s, int64_t x);     /* constants; equal ones share a register */
Reg k_ix(KBuild *b, int64_t x);
Reg k_real(KBuild *b, KType t, double x);       /* in every lane */
bool k_is_int(const KBuild *b, Reg r, int64_t *x);      /* r is a known integer constant */
Reg k_axis(KBuild *b, KAxis axis);
Reg k_var(KBuild *b, KType t);                  /* a register to be written by k_mov_to */
void k_mov_to(KBuild *b, Reg dst, Reg src);
Reg k_op(KBuild *b, KOp op, Reg x, Reg y, Reg z);       /* SAME and BOOL ops; scalars are splatted to match */
void k_op_to(KBuild *b, Reg dst, KOp op, Reg x, Reg y, Reg z);  /* dst = op(…), dst a k_var */
Reg k_cast(KBuild *b, KScalar s, Reg x);        /* same lanes; no-op if it is that already */
Reg k_splat(KBuild *b, int lanes, Reg x);
Reg k_lanes(KBuild *b, KType t);
Reg k_lane(KBuild *b, Reg x, int lane);
Reg k_part(KBuild *b, Reg x, int first, int lanes);
Reg k_join(KBuild *b, Reg x, Reg y);                    /* lanes of x, then of y */
/* four of the bytes of x and y, by the decimal digits: see kops.def */
Reg k_bytes(KBuild *b, KType t, Reg x, Reg y, int digits);
Reg k_select(KBuild *b, Reg c, Reg x, Reg y);
Reg k_reduce(KBuild *b, KOp op, Reg x);
Reg k_load(KBuild *b, uint32_t buf, Reg index, int lanes);
Reg k_load_part(KBuild *b, uint32_t buf, Reg index, int lanes, int active);
Reg k_load_if(KBuild *b, uint32_t buf, Reg index, int lanes, Reg cond);
Reg k_gather(KBuild *b, uint32_t buf, Reg indices);
void k_store(KBuild *b, uint32_t buf, Reg index, Reg x);
void k_store_part(KBuild *b, uint32_t buf, Reg index, Reg x, int active);
void k_store_if(KBuild *b, uint32_t buf, Reg index, Reg x, Reg cond);
Reg k_for(KBuild *b, Reg lo, Reg hi, int64_t step);     /* opens; returns the index */
void k_if(KBuild *b, Reg cond);                         /* opens */
void k_else(KBuild *b);
void k_loop(KBuild *b);                                 /* opens */
void k_break_if(KBuild *b, Reg cond);
void k_close(KBuild *b);                                /* closes for, if or loop */
void k_sync(KBuild *b, KOp op, int64_t imm);            /* barrier, cp_commit, cp_wait */
Reg k_shuffle(KBuild *b, Reg x, int mask);              /* x of lane (mine xor mask) */
Reg k_shuffle_idx(KBuild *b, Reg x, Reg lane);          /* x of that lane; an ix */
Reg k_vote_any(KBuild *b, Reg x);
Reg k_ballot(KBuild *b, Reg x);                         /* i32: bit l is the i1 x of lane l */
/* shared holds f16 or bf16; index: where this lane's row of 8 elements (16 bytes, aligned) begins */
Reg k_ldmatrix(KBuild *b, uint32_t shared, Reg index, bool transposed);
Reg k_mma(KBuild *b, Reg x, Reg y, Reg z);
void k_mma_to(KBuild *b, Reg dst, Reg x, Reg y, Reg z);
void k_cp_async(KBuild *b, uint32_t shared, Reg at, uint32_t global, Reg from, int count,
                Reg cond);                              /* cond 0: always */
void k_atomic_add(KBuild *b, uint32_t buf, Reg index, Reg x);
Reg k_atomic_fetch_add(KBuild *b, uint32_t buf, Reg index, Reg x);      /* what was there */

/* Hopper: see kops.def */
void k_mbar_init(KBuild *b, uint32_t bars, Reg at, int arrivals);
void k_mbar_arrive(KBuild *b, uint32_t bars, Reg at, int64_t bytes);
void k_mbar_wait(KBuild *b, uint32_t bars, Reg at, Reg parity);
void k_tma_load(KBuild *b, uint32_t shared, Reg at, uint32_t map, Reg coordinates, uint32_t bars, Reg bar);
/* … in the blocks of the cluster whose ranks are the bits of `ranks` */
void k_tma_load_to(KBuild *b, uint32_t shared, Reg at, uint32_t map, Reg coordinates, uint32_t bars, Reg bar, unsigned ranks);
Reg k_peer_load(KBuild *b, uint32_t shared, Reg at, Reg rank, int lanes);
void k_peer_arrive(KBuild *b, uint32_t bars, Reg at, Reg rank);
/* z: a k_var of f32 with N / 2 lanes, which is the result, too */
void k_wgmma_to(KBuild *b, Reg z, uint32_t x, Reg at_x, uint32_t y, Reg at_y, int steps, int swizzle);
/* A of 16 numbers a step in registers; `across`: rows of y are the depth; fresh: z is written, not added to. */
void k_wgmma_a_to(KBuild *b, Reg z, Reg x, uint32_t y, Reg at_y, int swizzle, bool across, bool fresh);
Reg k_wgmma_get(KBuild *b, Reg z);

/* shorthands */
static inline Reg k_add(KBuild *b, Reg x, Reg y) { return k_op(b, K_add, x, y, 0); }
static inline Reg k_sub(KBuild *b, Reg x, Reg y) { return k_op(b, K_sub, x, y, 0); }
static inline Reg k_mul(KBuild *b, Reg x, Reg y) { return k_op(b, K_mul, x, y, 0); }
static inline Reg k_fma(KBuild *b, Reg x, Reg y, Reg z) { return k_op(b, K_fma, x, y, z); }
static inline Reg k_addi(KBuild *b, Reg x, int64_t i) { return k_add(b, x, k_int(b, (KScalar)k_type(b, x).s, i)); }
static inline Reg k_muli(KBuild *b, Reg x, int64_t i) { return k_mul(b, x, k_int(b, (KScalar)k_type(b, x).s, i)); }

/* ---- text, checking, cleaning ----------------------------------------------------- */

void kernel_print(FILE *f, const Kernel *k);
/* Kernels until the end of the text or until a word that does not begin one; *rest is
 * where that is.  NULL: errors are in d. */
typedef struct KernelList { VEC(Kernel *) k; } KernelList;
KernelList *kernel_parse(Arena *a, Diag *d, const Source *src, size_t *rest);

/* Types, definitions before uses, spaces, constant indices in range, barriers outside divergent
 * control flow, GPU ops only where there are threads.  False: *err (in k->a). */
bool kernel_verify(const Kernel *k, const char **err);

/* Folds constants, joins equal pure values inside a block, hoists what does not change out of
 * loops, drops what nobody reads.  Returns whether it changed anything. */
bool kernel_simplify(Kernel *k);

size_t kernel_insts(const Kernel *k);                   /* static count */

/* Shared memory of a block, in bytes: the buffers one after another, each at a multiple of its alignment
 * (128 unless it asks for more), aliases where what they alias is.  offset[i], if not NULL, is where buffer i
 * begins. */
int64_t kernel_shared_bytes(const Kernel *k);
size_t kernel_params(const Kernel *k);                  /* launch arguments: global buffers and tensor maps */
int64_t kernel_shared_layout(const Kernel *k, int64_t *offset);

/* ---- interpreter -------------------------------------------------------------------- */

typedef struct KArg { void *data; size_t bytes; } KArg; /* one for each parameter; of a tensor map: its memory */

/* Runs all tasks, one after another; the threads of a block in phases between barriers, each
 * warp's lanes together at shuffle, ldmatrix and mma.  Checks every access (bounds, uninitialised shared and
 * local memory, two threads of a block touching one shared element with a write between
 * barriers; two tasks, or two threads between barriers, touching one element of an out, one of
 * them writing it, unless all are atomic_add; what tma_load brings read before it was waited for, or
 * overwritten before its readers have said so at an mbarrier or their wgmma is done).  False: err says kernel, task, thread and instruction. */
bool kernel_interpret(const Kernel *k, const KArg *arg, size_t narg, char err[512]);

/* The same, giving up with an error after so many turns of loops (0: never). */
bool kernel_interpret_limit(const Kernel *k, const KArg *arg, size_t narg, uint64_t turns,
                            char err[512]);

#endif
