/* build.h -- how passes make nodes, and questions that many passes ask.  Private to passes/.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_PASSES_BUILD_H
#define Y12_PASSES_BUILD_H

#include "passes/passes.h"

/* A node made on behalf of `like`: it comes from the same place in the spec.  0 if the
 * arguments do not fit, which a pass takes as "this rule does not apply". */
Val build(Graph *g, Val like, OpKind op, const Val *arg, int narg, const Attr *attr, int nattr);
Val build1(Graph *g, Val like, OpKind op, Val x);
Val build2(Graph *g, Val like, OpKind op, Val x, Val y);
Val build_cast(Graph *g, Val like, Val x, DType dt);
Val build_reshape(Graph *g, Val like, Val x, int rank, const int64_t *dim);
Val build_permute(Graph *g, Val like, Val x, const int64_t *axes);
Val build_slice(Graph *g, Val like, Val x, int64_t axis, int64_t begin, int64_t end, int64_t step);
Val build_concat(Graph *g, Val like, const Val *x, int n, int64_t axis);

/* Every use of old becomes a use of new_, which takes over the name if it has none. */
void take_over(Graph *g, Val old, Val new_);

/* For a batch_norm node n: scale / sqrt(var + eps) and bias - mean * that, f32[C]. */
void bn_factors(Graph *g, Val n, Val *scale, Val *shift);

bool is_source(const Node *n);
/* A constant, or a parameter: the same in every run.  (Bound or not: Node.data says.) */
bool is_constant(const Node *n);
/* All elements are known to be x. */
bool is_filled(const Node *n, double x);
bool is_output(const Graph *g, Val v);
bool is_identity(const int64_t *axes, int rank);
bool same_dims(const Type *a, const Type *b);

/* For the attention v: the list of tiles that its mask lets through, if that is known now.  In
 * attention_tiles.c. */
void list_attention_tiles(Graph *g, PassCtx *cx, Val v, int64_t queries, int64_t keys);

/* Can the kernel of a convolution take the mean of each `bins` channels in a row from its sums?  In expect.c. */
bool makes_mean(const Graph *g, const PassCtx *cx, Val conv, int64_t bins);

/* Axes of a permute, and those of the permute that undoes it. */
const int64_t *permute_axes(const Node *n);
void permute_inverse(const int64_t *axes, int rank, int64_t inverse[MAX_RANK]);

#endif
