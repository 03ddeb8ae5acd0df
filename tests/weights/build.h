/* build.h -- checkpoints made by hand, good and bad, for the tests of this room.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_TEST_BUILD_H
#define Y12_TEST_BUILD_H

#include "weights/weights.h"

/* ---- pickles: each call appends opcodes ------------------------------------------- */

void pk_ops(Text *t, const char *ops);          /* as they are; no zero bytes */
void pk_str(Text *t, const char *s);
void pk_int(Text *t, int32_t i);
void pk_class(Text *t, const char *module, const char *name);
void pk_ints(Text *t, int n, const int *v);     /* a tuple */
/* Elements [offset …] of storage data/<key>; param: wrapped as a Parameter. */
void pk_tensor(Text *t, bool param, const char *storage, const char *key, int numel,
               int offset, int rank, const int *dim, const int *stride);
/* A module object is begun, filled (keys and values), and ended. */
void pk_module(Text *t, const char *name);
void pk_module_end(Text *t);

/* ---- zip archives -------------------------------------------------------------------- */

typedef struct Part { const char *name; const void *data; size_t len; } Part;
typedef enum ZipStyle {
	ZIP_TORCH,      /* zeros in the local headers, padding, ZIP64 end records */
	ZIP_PLAIN,      /* sizes in the local headers, nothing aligned */
	ZIP_DEFLATED,   /* repacked by a zip tool */
} ZipStyle;
Text zip_build(Arena *a, ZipStyle style, const Part *part, size_t n);

/* A small checkpoint with every peculiarity that real ones have. */
Text tiny_pt(Arena *a, ZipStyle style);
/* Only data.pkl, and data/0 with 64 bytes. */
Text pt_of(Arena *a, const Text *pickle);
/* Length, header and data. */
Text safetensors_of(Arena *a, const char *header, const void *data, size_t len);

/* Reads from a copy of exactly this length; *d gets the messages. */
Weights *read_copy(Arena *a, const void *p, size_t len, Diag *d);
/* The messages as one text. */
const char *messages(Arena *a, const Diag *d);

#endif
