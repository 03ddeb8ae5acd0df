/* bench.h -- the two halves of `yolo12c bench`.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_DRIVER_BENCH_H
#define Y12_DRIVER_BENCH_H

#include "driver/options.h"

int bench_gpu(const Options *o);

#endif
