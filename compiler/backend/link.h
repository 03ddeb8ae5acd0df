/* link.h -- from object files to code that is used where it lies.  Private to backend/.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_BACKEND_LINK_H
#define Y12_BACKEND_LINK_H

#include "base/base.h"

/* One kernel's code and constants. */
typedef struct Piece {
	const uint8_t *p;
	size_t bytes;
	size_t entry;           /* offset of the function */
	size_t align;           /* of its start, power of two */
} Piece;

/* Lays the sections of an ELF64 object (x86-64 or AArch64, little endian) out one behind another
 * and resolves its relocations.  NULL, or what is wrong with it (in a). */
const char *link_object(Arena *a, const void *obj, size_t len, const char *entry, Piece *out);

#endif
