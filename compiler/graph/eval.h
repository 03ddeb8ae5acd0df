/* eval.h -- what the files of the reference evaluator share.  Private to graph/.
 *
 * Arithmetic happens in three wide formats: f32 (for f16, bf16, f32), f64, and i64 (for
 * bool and integers).  widen() gives the values of a tensor in its wide format,
 * narrow() rounds results back.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_GRAPH_EVAL_H
#define Y12_GRAPH_EVAL_H

#include "graph/graph.h"

typedef struct Eval {
	Arena *a;               /* for the result and whatever the op needs */
	const Node *n;
	const Tensor *const *arg;
	Tensor *out;            /* data: zeros, to be filled */
	const char **err;
} Eval;

typedef bool EvalFn(Eval *e);

#define OP(name, lo, hi, fuse, effect, grad, shapes) EvalFn eval_##name;
#include "graph/ops.def"
#undef OP

bool eval_error(Eval *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

typedef enum { WIDE_F32, WIDE_F64, WIDE_I64 } Wide;

static inline Wide
wide_of(DType dt)
{
	return !dtype_info[dt].real ? WIDE_I64 : dt == DT_F64 ? WIDE_F64 : WIDE_F32;
}

/* All elements in the wide format: the tensor's own data if it has it already. */
const void *widen(Arena *a, const Tensor *t);
/* Where results in out's wide format can be written: out->data itself, or a buffer … */
void *wide_out(Eval *e);
/* … that this writes back.  Integers keep their low bits. */
void narrow(Eval *e, const void *wide);

/* The f32 values of argument i, which infer_type has made sure of; channels first if its
 * layout attribute says that they are last. */
const float *eval_f32(Eval *e, int i);
/* dims of argument i or of the result (-1) as n, c, h, w */
void eval_nchw(const Eval *e, int i, int64_t dim[4]);
/* f32 results in nchw order go to the result in its order and dtype. */
void eval_put(Eval *e, const float *nchw);

/* Up to three tensors walked together, each by its own strides, in runs along the
 * innermost dim.  Dims that all of them cross evenly are joined first, so runs are long. */
typedef struct Run {
	int rank, n;
	int64_t dim[MAX_RANK], stride[3][MAX_RANK], at[MAX_RANK];
	int64_t off[3];         /* where the run begins, in elements */
	int64_t len, step[3];
	bool started;
} Run;

void run_begin(Run *r, int rank, const int64_t *dim, int n, const int64_t *const *stride);
bool run_next(Run *r);

/* dst and src elements of `size` bytes, walked by strides. */
void eval_move(int rank, const int64_t *dim, size_t size, void *dst, const int64_t *dst_stride,
               const void *src, const int64_t *src_stride);

#endif
