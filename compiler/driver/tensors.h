/* tensors.h -- values for the entries of engines: types, noise, the runtime's form.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_DRIVER_TENSORS_H
#define Y12_DRIVER_TENSORS_H

#include "graph/graph.h"
#include "runtime/yolo12c.h"

Type io_type(const y12_io *io);
y12_tensor io_tensor(const char *name, const Tensor *t);

/* The same values for the same seed anywhere: 0 to 1, integers 0 to 255.  Sides that are known only when it
 * runs become those of a picture of `open` (height, width). */
Tensor noise_tensor(Arena *a, const Type *type, const char *seed, const int64_t open[2]);

#endif
