/* cache.h -- compiled kernels on disk.  Private to backend/.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_BACKEND_CACHE_H
#define Y12_BACKEND_CACHE_H

#include "backend/link.h"
#include "kir/kir.h"
#include "target/target.h"

/* What the code of a kernel depends on, as 128 bits in hexadecimal; salt: what else. */
void cache_key(Arena *a, const Target *t, const char *salt, const Kernel *k, char key[33]);

/* False: there is no entry, or none that is whole. */
bool cache_get(Arena *a, const char *dir, const char key[33], Piece *out);

/* NULL, or why it could not be kept (in a). */
const char *cache_put(Arena *a, const char *dir, const char key[33], const Piece *p);

#endif
