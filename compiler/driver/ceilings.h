/* ceilings.h -- what a GPU gives at most, by kernels that do nothing else.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_DRIVER_CEILINGS_H
#define Y12_DRIVER_CEILINGS_H

#include "driver/compile.h"
#include "runtime/yolo12c.h"

typedef struct Ceilings {
	double bytes;           /* a second, read and written, by a copy far larger than the caches */
	double mma, wgmma;      /* FLOP a second, by products of halves; 0: the target has none of that kind */
	double flops;           /* the greater of both */
} Ceilings;

/* An engine of the kernels on that device; its opening makes the context.  False: errors are in d. */
bool ceilings_open(Arena *a, Diag *d, const CompileOptions *o, const y12_gpu *gpu, const y12_options *opt, y12_engine **out);
bool ceilings_measure(Diag *d, y12_engine *e, const y12_gpu *gpu, Ceilings *out);

#endif
