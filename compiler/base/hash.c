/* hash.c -- XXH3, for tables and for cache keys.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/base.h"

#include <inttypes.h>
#include <xxhash.h>

uint64_t
hash64(const void *p, size_t n)
{
	return XXH3_64bits(p, n);
}

void
hash_hex(char out[33], const void *p, size_t n)
{
	XXH128_hash_t h = XXH3_128bits(p, n);

	snprintf(out, 33, "%016" PRIx64 "%016" PRIx64, (uint64_t)h.high64, (uint64_t)h.low64);
}
