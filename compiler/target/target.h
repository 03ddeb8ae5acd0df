/* target.h -- what each machine can do, as data.
 *
 * A target is a row of targets.def.  Passes and lowerings read its numbers; only the
 * back ends read triple, cpu and features.  "host" means the best row that the CPU
 * at hand runs, and is resolved here, once, so that everything behind sees a
 * named row and the same engine is made wherever that row is named.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_TARGET_H
#define Y12_TARGET_H

#include "base/base.h"

typedef enum TargetKind { TARGET_HOST, TARGET_GPU } TargetKind;
typedef enum TargetArch { ARCH_X86_64, ARCH_AARCH64, ARCH_NVPTX } TargetArch;

/* mma.sync shapes: M16N8K8 (sm_75) goes with m8n8k16 for s8, M16N8K16 with m16n8k32 */
typedef enum TargetMma { MMA_NONE, MMA_M16N8K8, MMA_M16N8K16 } TargetMma;

/* what a GPU has, bits of Target.has */
enum {
	GPU_CP_ASYNC = 1 << 0,          /* asynchronous copies to shared memory */
	GPU_BF16 = 1 << 1,              /* bf16 in mma and arithmetic */
	GPU_TF32 = 1 << 6,              /* tf32 in mma */
	GPU_TMA = 1 << 2,               /* bulk tensor copies, mbarrier transactions */
	GPU_CLUSTER = 1 << 3,           /* clusters and distributed shared memory */
	GPU_PDL = 1 << 4,               /* programmatic dependent launch */
	GPU_WGMMA = 1 << 5,             /* warpgroup mma, setmaxnreg */
};

typedef struct Target {
	const char *name;
	TargetKind kind;
	TargetArch arch;
	const char *triple, *cpu, *features;    /* as LLVM spells them */
	int level;              /* host: instruction-set level inside its arch */
	int vector_bytes;       /* widest register, or widest access of a GPU thread */
	int vector_regs;        /* of that size; a GPU: 32-bit registers of a thread */
	int64_t l1, l2;         /* bytes; a GPU's l1: the same as shared_sm */

	/* GPUs; 0 on hosts */
	int sm;                 /* 75 … 90 */
	int ptx;                /* 10 * major + minor */
	int64_t shared_block;   /* bytes that one block may use */
	int64_t shared_sm;      /* bytes in a multiprocessor */
	int threads_sm;         /* threads resident in a multiprocessor */
	int sms;                /* multiprocessors of the usual card; a run may find another number */
	TargetMma mma;
	unsigned has;           /* GPU_… */
	const Map *tuned;       /* tiles that were measured: key -> int32_t[]; see lower/tune.c.  NULL in the rows */
} Target;

/* The row of that name, "host" for target_host(), "cuda:sm_80" for "sm_80".
 * NULL: there is none; did_you_mean() over target_names() helps. */
const Target *target_named(const char *name);

/* All names that target_named() knows, "host" first. */
const char *const *target_names(size_t *n);

/* The best host row that runs here.  NULL only on a CPU of neither family. */
const Target *target_host(void);

/* Whether this CPU executes the row's code.  False for GPUs: the runtime asks the
 * driver. */
bool target_runs_here(const Target *t);

#endif
