/* gen.h -- random specs that are right.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_TESTS_GEN_H
#define Y12_TESTS_GEN_H

#include "base/base.h"

typedef struct Rnd { uint64_t s; } Rnd;

static inline uint32_t
rnd(Rnd *r)
{
	/* splitmix64: any seed will do, 0 and its neighbours too */
	uint64_t z = r->s += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)((z ^ (z >> 31)) >> 32);
}

static inline int
below(Rnd *r, int n)
{
	return (int)(rnd(r) % (uint32_t)n);
}

/* A spec with a model in it that elaborates; where it uses std.blocks the library is needed.
 * The layout is anything that the language allows. */
const char *gen_spec(Arena *a, uint64_t seed);

#endif
