/* body.h -- the inside of an attention: what a user's mask and score make of a pair of tokens.
 *
 *     %7 = attention %1, %2, %3, %4 {body=graph body(%1 s: f32[24,24], %2 i: i32[24,1],
 *                                         %3 j: i32[1,24], %4 h: i32[1,1], %5 bias: f32[4,47]) {
 *         %6 = sub %3, %2                        : i32[24,24]
 *         %7 = const {23}                        : i32[1,1]
 *         %8 = add %6, %7                        : i32[24,24]
 *         %9 = pick %5, %4, %8                   : f32[24,24]     bias[h, j - i + 23]
 *         %10 = add %1, %9                       : f32[24,24]
 *         %11 = le %3, %2                        : bool[24,24]
 *         return mask=%11, score=%10
 *       }, heads=4} : f32[1,32,4,6]
 *
 * A body is a graph like any other, over all pairs of one window's tokens: its types are those of
 * the plain composition, so the evaluator runs it as it stands, and putting it between a matmul and
 * a softmax means the same.  A kernel never makes such a tensor: it evaluates the body for a query
 * and a vector of keys while their scores are in registers.
 *
 * Inputs come in this order: s, the scaled scores; i and j, the numbers of query and key in
 * the picture, in reading order; h, the head; then a capture for each argument of the attention
 * after q, k and v.  A capture is read by pick alone.  Everything else is pointwise.  Results: mask
 * (bool: does i see j?), score (in place of s), or both.  A query that sees nothing gets zeros.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_GRAPH_BODY_H
#define Y12_GRAPH_BODY_H

#include "graph/graph.h"

enum { BODY_S, BODY_I, BODY_J, BODY_H, BODY_INPUTS };   /* the inputs that every body has */
enum { BODY_MAX_NODES = 256 };

/* What a value of a body is made from, as bits 1 << BODY_S … and: */
enum { BODY_CAPTURES = 1 << BODY_INPUTS };

/* A body of nothing but its inputs. */
Graph *body_new(Arena *a, int64_t tokens);
/* Adds a capture; its value in the body. */
Val body_capture(Graph *body, const char *name, const Type *t);

/* 0: the body has no such result. */
Val body_result(const Graph *body, const char *name);

/* All that must hold of a body, given what the attention is.  False: *err says what does not. */
bool body_check(Arena *a, const Graph *body, int64_t tokens, const Type *const *capture, int ncapture,
                const char **err);

/* The same nodes, arguments, attributes, values and names of results. */
bool body_equal(const Graph *x, const Graph *y);

/* By value: what it is made from. */
unsigned *body_needs(Arena *a, const Graph *body);

/* By value: a pick whose indices lie in their dims, whatever the pair, for pictures of so many tokens. */
bool *body_inside(Arena *a, const Graph *body, int64_t tokens, int64_t heads);

/* Runs a body for queries i .. i + rows - 1 and keys j .. j + columns - 1 (numbers in the picture).
 * s: rows x columns scores, or NULL if nothing wanted is made from them; capture[]: one for each; want:
 * the values to be had, out[] as the evaluator makes them. */
typedef struct BodyRun {
	int64_t i, rows, j, columns, h;
	const float *s;
	const Tensor *capture;
	const Val *want;
	int nwant;
} BodyRun;
bool body_run(Arena *a, const Graph *body, const BodyRun *r, Tensor *out, const char **err);

#endif
