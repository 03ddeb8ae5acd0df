/* pool.h -- many kernels, by many threads, past the cache.  Private to backend/.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_BACKEND_POOL_H
#define Y12_BACKEND_POOL_H

#include "backend/cache.h"
#include "backend/machine.h"

/* What a back end does, each of it on a thread's own machine.  NULL, or what went wrong (in m->a). */
typedef struct PoolWork {
	const char *(*open)(Machine *m, Arena *a, const Target *t);
	const char *(*compile)(Machine *m, const Kernel *k, const char *salt, Piece *out);
	const char *salt;       /* what the code depends on beside kernel and target: part of the key */
} PoolWork;

typedef struct PoolResult {
	Piece *piece;           /* one a kernel (in the arena) … */
	size_t *same;           /* … and the first kernel with that piece; itself, if it is the first */
	bool cached;            /* all came from the cache */
	const char *note;       /* why the cache could not be written, or NULL */
} PoolResult;

/* threads 0: one a processor; cache_dir NULL: no cache.  False: *err (in a). */
bool pool_compile(Arena *a, const Target *t, const PoolWork *w, Kernel *const *k, size_t n, int threads,
                  const char *cache_dir, PoolResult *out, const char **err);

#endif
