/* npy.h -- arrays of NumPy, in and out.
 *
 *     \x93NUMPY  1 0  header length  {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }  data
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_DRIVER_NPY_H
#define Y12_DRIVER_NPY_H

#include "graph/graph.h"

/**
 * Reads an array: format 1.0, 2.0 or 3.0, C or Fortran order, little-endian elements of a
 * type that tensors have.  bf16, which NumPy has not, is '<V2', as ml_dtypes writes it.
 *
 * @return NULL, or a message (in a).  The values are in a, in C order.
 */
const char *npy_parse(Arena *a, const void *p, size_t n, Tensor *out);
/* The same from a file; the message begins with its name. */
const char *npy_read(Arena *a, const char *path, Tensor *out);

/* Format 1.0, C order; whole or not at all. */
const char *npy_write(Arena *a, const char *path, const Tensor *t);

#endif
