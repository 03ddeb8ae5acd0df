/* run.h -- the interpreter at work, for its files interp.c and async.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_KIR_RUN_H
#define Y12_KIR_RUN_H

#include "kir/inner.h"

typedef enum Code {
	C_LANES,                /* d = fn(a, b, c), lane by lane */
	C_DIVIDE,               /* the same, where some b are not allowed */
	C_SELECT_ONE,           /* one condition for all lanes */
	C_ADD_IX, C_MUL_IX, C_LT_IX,
	C_AXIS, C_SPLAT, C_LANE, C_JOIN, C_BYTES, C_REDUCE,
	C_LOAD, C_LOAD_IF, C_GATHER, C_STORE, C_STORE_IF, C_ATOMIC_ADD,
	C_FOR, C_NEXT, C_JUMP, C_AGAIN, C_JUMP_IF, C_JUMP_UNLESS,
	C_CP_ASYNC, C_CP_COMMIT, C_CP_WAIT,
	C_BARRIER, C_SHUFFLE, C_SHUFFLE_IDX, C_VOTE_ANY, C_BALLOT, C_LDMATRIX, C_MMA,
	C_MBAR_INIT, C_MBAR_ARRIVE, C_MBAR_WAIT, C_TMA_LOAD, C_PEER_ARRIVE, C_ASYNC_FENCE, C_WGMMA, C_WGMMA_A, C_WGMMA_WAIT, C_WGMMA_GET,
	C_REGS, C_CLUSTER_BARRIER, C_PEER_LOAD,
	C_END
} Code;

typedef struct Op {
	uint8_t code, s, lanes, size;   /* scalar, lanes and bytes of a cell of what it moves */
	uint32_t d, a, b, c;            /* offsets of cells in a register file */
	uint32_t buf, buf2, buf3, to;   /* to: position in the code */
	int64_t imm;
	KLaneFn *fn;
	const KInst *from;
} Op;

/* who touched an element last, and in which epoch */
typedef struct Touch {
	uint32_t wrote, read;           /* epochs; 0: never */
	uint16_t writer, reader;        /* threads, run_who(); MANY: several in that epoch */
	uint8_t flying;                 /* a cp_async into it is under way */
	uint8_t atomic;                 /* the last write was an atomic_add */
	uint8_t read_before;            /* read by tasks before that of `read` */
	uint8_t tma;                    /* the last write was a tma_load's: Memory.async has more */
	uint32_t peer;                  /* cluster_barriers when another block read it last, +1 */
} Touch;

enum { MANY = UINT16_MAX };

typedef struct Memory {
	const KBuf *b;
	unsigned char *p;
	int64_t count, bytes;           /* of one thread's, if local */
	Touch *touch;                   /* shared and out; NULL: not watched */
	uint32_t *set;                  /* local: task that wrote the element last, +1 */
	bool owned, owned_touch;

	/* aliases */
	struct Memory *root;            /* NULL: shares its storage with nobody */
	struct Memory *holds;           /* of a root: who of them has values; NULL: nobody yet */
	uint32_t used, user;            /* epoch of the last access; thread, or MANY */
	uint32_t flying;                /* cp_async into it under way */
	struct Async *async;            /* shared, if the kernel has tma_load or wgmma; see async.c */
} Memory;

/* a cp_async under way */
typedef struct Copy {
	uint32_t group, buf;
	int64_t at;
	int bytes, count;
	unsigned char data[16];
} Copy;

/* BLOCKED: at an mbar_wait, to be tried again */
typedef enum { READY, AT_BARRIER, AT_CLUSTER, AT_WARP, AT_GROUP, BLOCKED, ENDED, FAILED } State;

typedef struct Thread {
	State state;
	uint32_t pc;
	uint32_t groups;                /* closed ones */
	Copy *copy;
	size_t ncopy, ccopy;
	uint32_t fenced, fenced_before; /* epochs of its last async_fence, and of that in an epoch before */
} Thread;

/* A block at work: alone, or one of the `blocks` of a cluster, which share code and time. */
typedef struct Run {
	const Kernel *k;
	struct Run *cluster;            /* all of them, by rank */
	uint32_t blocks, rank;
	uint32_t *time;                 /* the last epoch begun */
	uint32_t met, met_epoch;        /* cluster_barriers passed, in all; epoch that the last one, or the task, began */
	uint32_t lent;                  /* like Touch.peer: others used its memory */
	VEC(Op) op;
	uint32_t *cell;                 /* offset of a register's cells */
	uint32_t cells;                 /* bytes of a register file */
	uint32_t breaks;                /* chain of jumps that leave the loop being made */
	const uint32_t *writes;
	unsigned char *image;           /* register file with the constants */
	Memory *mem;
	unsigned char *file;            /* register files of all threads */
	Thread *thread;
	uint32_t threads;
	int64_t task[3];
	uint32_t serial;                /* of the task, from 1 */
	uint32_t epoch, first;          /* first: of this task */
	bool progress, stirred;         /* some thread has moved; since the cluster looked last */
	struct AsyncRun *async;         /* NULL: the kernel has none of those ops */
	uint64_t turns, limit;
	Arena *a;
	char *err;
} Run;

/* A thread can't go on. */
State run_fail(Run *r, const Op *op, uint32_t tid, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static inline int64_t
get_int(const unsigned char *cell, KScalar s)
{
	return s == KS_I32 ? *(const int32_t *)(const void *)cell : *(const int64_t *)(const void *)cell;
}

static inline unsigned char *
run_file(const Run *r, uint32_t tid)
{
	return r->file + (size_t)tid * r->cells;
}

/* a thread among those of the cluster */
static inline uint16_t
run_who(const Run *r, uint32_t tid)
{
	return (uint16_t)(r->rank * r->threads + tid);
}

/* The block of that rank, whose memory a thread is about to use; NULL: there is none, or it may not have begun. */
Run *run_peer(Run *r, const Op *op, uint32_t tid, int64_t rank);

/* elements at .. at + n of m are read or written now by a thread */
State run_read(Run *r, const Op *op, uint32_t tid, Memory *m, int64_t at, int64_t n);
State run_write(Run *r, const Op *op, uint32_t tid, Memory *m, int64_t at, int64_t n);
State run_outside(Run *r, const Op *op, uint32_t tid, const Memory *m, int64_t at, int64_t n);
/* a thread uses one of several buffers with one storage */
State run_use_storage(Run *r, const Op *op, uint32_t tid, Memory *m, bool write);

/* ---- async.c -------------------------------------------------------------------------- */

/* False: out of memory. */
bool async_open(Run *r);
void async_task(Run *r);                                /* a task begins */
void async_barrier(Run *r);                             /* all threads have met */
void async_cluster(Run *r);                             /* those of all blocks have; r: the first */
bool async_flying(const Memory *m);                     /* a tma_load into it has not been waited for */
State async_end(Run *r);                                /* a task ends */
/* An element that a tma_load wrote is read, or written by a thread. */
State async_read(Run *r, const Op *op, uint32_t tid, const Memory *m, int64_t at);
State async_write(Run *r, const Op *op, uint32_t tid, const Memory *m, int64_t at);
State async_op(Run *r, const Op *op, uint32_t tid);     /* one thread's; BLOCKED: not yet */
State async_group(Run *r, const Op *op, uint32_t first);        /* of 128 threads from first on */

#endif
