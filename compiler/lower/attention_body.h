/* attention_body.h -- a user's mask and score inside an attention kernel.  Private to lower/.
 *
 * The kernel, of whatever machine, has scores of some pairs of tokens in registers: of one query
 * and one key, or of one query and a vector of keys.  It says which (body_pair), and gets mask and
 * score for them (body_value).  What it knows of a value already, because it made it once for a query
 * or read it from a table over keys, it says too (body_know).
 *
 *     body_begin(&x, z, node)
 *     loops …
 *       body_pair(&x, s, i, j, h)           s f32, scaled; i and j numbers in the picture, h: i32
 *       s = body_score(&x, s, lanes)        s again if there is none
 *       m = body_mask(&x, lanes)            i1, or 0 if there is none
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_LOWER_ATTENTION_BODY_H
#define Y12_LOWER_ATTENTION_BODY_H

#include "graph/body.h"
#include "lower/gen.h"

typedef struct BodyGen {
	Gen z;                  /* over the body's own graph, in the attention's kernel */
	const Graph *g;         /* the body, its captures placed; NULL: there is none */
	unsigned *needs;        /* by value: see body_needs */
	Val mask, score;        /* 0: none */
} BodyGen;

/* To be said if keys of a vector always follow each other: bias[h, j - i + 8] is then one load. */
static inline void
body_keys_follow(BodyGen *x)
{
	x->z.counts = x->g ? x->g->input.p[BODY_J] : 0;
}

void body_begin(BodyGen *x, Gen *outer, const Node *attention);
void body_pair(BodyGen *x, Reg s, Reg i, Reg j, Reg h);
void body_know(BodyGen *x, Val v, Reg r);
/* A scalar where the value is the same for all keys of the vector. */
Reg body_value(BodyGen *x, Val v, int lanes);
Reg body_score(BodyGen *x, Reg s, int lanes);
Reg body_mask(BodyGen *x, int lanes);

/* Values that depend on nothing but `own` (bits of body_needs) and on at least one of `some`, and are read by
 * values that need more, or are a result: what is worth making once for a query, or for a key. */
typedef struct ValList { VEC(Val) v; } ValList;
ValList body_border(const BodyGen *x, unsigned own, unsigned some);

#endif
