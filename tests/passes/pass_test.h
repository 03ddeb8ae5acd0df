/* pass_test.h -- what the tests of passes share.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_PASS_TEST_H
#define Y12_PASS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "passes/passes.h"

/* Stands in for lower: convolutions packed by 8, a little workspace for attention, which is
 * enough to see that both are placed. */
static inline void
choose_simply(Arena *a, const Graph *g, const Target *t, Group *gr, int *pack)
{
	(void)a;
	(void)t;
	gr->ntile = 1;
	gr->tile[0] = 4;
	if (gr->family == FAM_conv || gr->family == FAM_depthwise)
		*pack = 8;
	if (gr->family == FAM_attention)
		gr->work = 100 + type_bytes(&graph_node(g, gr->root)->type);
}

static inline PassCtx
test_context(Arena *a)
{
	return (PassCtx){ .target = target_named("host:x86-64-v3"), .a = a, .diag = diag_new(a),
	                  .choose = choose_simply };
}

/* A machine without a cache: for it the pass split cuts graphs however small. */
static inline const Target *
without_cache(const Target *t)
{
	static Target bare;

	bare = *t;
	bare.l2 = 0;
	return &bare;
}

/* Numbers that are the same in each run. */
typedef struct Random { uint64_t state; } Random;

static inline uint32_t
random_bits(Random *r)
{
	r->state = r->state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(r->state >> 33);
}

static inline int
random_below(Random *r, int n)
{
	return (int)(random_bits(r) % (uint32_t)n);
}

static inline double
random_real(Random *r)          /* -1 .. 1 */
{
	return random_bits(r) / 1073741824.0 - 1;
}

#endif
