/* live.h -- which storage each group reads and writes, and how many bytes that keeps alive.
 * Private to passes/.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_PASSES_LIVE_H
#define Y12_PASSES_LIVE_H

#include "passes/storage.h"

enum { PLAN_ALIGN = 64 };       /* of buffers in the arena, bytes */

/* Storage of one owner with all its views and parts. */
typedef struct Block {
	Val owner;
	int64_t bytes;          /* a multiple of PLAN_ALIGN */
	bool kept;              /* holds an output: alive to the end */
	uint32_t uses;          /* groups that read or write it */
} Block;

/* What one group does to storage. */
typedef struct Touch {
	uint32_t out;           /* block that it writes */
	uint32_t also;          /* … and another one; 0: none */
	VEC(uint32_t) read;     /* other blocks that it reads, each once */
	VEC(uint32_t) over;     /* those of them that its out may take the place of, if this is their last use */
	VEC(uint32_t) needs;    /* groups that run before it, each once */
	VEC(uint32_t) feeds;    /* the other way round */
	int64_t work;           /* bytes of workspace, a multiple of PLAN_ALIGN */
} Touch;

typedef struct Live {
	Storage at;
	VEC(Block) block;       /* block.p[0] is unused */
	uint32_t *block_of;     /* by value: block that it is in; 0: not in the arena */
	Touch *touch;           /* by group */
	size_t ngroup;          /* as Graph.group.n: with group 0 and holes */
} Live;

/* NULL, or what is wrong with the groups of g. */
const char *live_find(Arena *a, const Graph *g, Live *l);

/* Sets of steps. */
static inline void
bit_set(uint64_t *set, uint32_t i)
{
	set[i / 64] |= (uint64_t)1 << i % 64;
}

static inline bool
bit_is(const uint64_t *set, uint32_t i)
{
	return set[i / 64] >> i % 64 & 1;
}

static inline int64_t
plan_align(int64_t bytes)
{
	return (bytes + PLAN_ALIGN - 1) / PLAN_ALIGN * PLAN_ALIGN;
}

#endif
