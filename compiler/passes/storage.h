/* storage.h -- where values lie, as far as views and joins decide it.  Private to passes/.
 *
 *     %4 = conv2d …            in %6's buffer, from element 0, rows 48 apart
 *     %5 = conv2d …            in %6's buffer, from element 16
 *     %6 = concat %4, %5 join  has a buffer
 *     %7 = slice %6 … view     in %6's buffer
 *
 * fuse asks while it decides what can be a view or a join, schedule and plan ask what
 * lives with what.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_PASSES_STORAGE_H
#define Y12_PASSES_STORAGE_H

#include "passes/build.h"

typedef struct Storage {
	Val *owner;             /* by value: the value whose buffer it is in; itself, if it has one */
	Place *place;           /* by value: offset and strides there; buf is not set */
} Storage;

/* From Node.keep alone.  False: *bad is a view that its argument's place does not allow, or
 * that a join cannot place. */
bool storage_find(Arena *a, const Graph *g, Storage *s, Val *bad);

/* Strides of a reshape that moves nothing; false: it has to move elements. */
bool reshape_strides(const Type *x, const int64_t *xs, const Type *t, int64_t *ts);

/* Elements follow each other in C order, without gaps. */
bool is_dense(const Type *t, const int64_t *stride);

/* Do groups of g become one here, as far as a GPU's kernels suit? */
static inline bool
may_join_groups(const Graph *g, const PassCtx *cx)
{
	return cx->choose && cx->target && cx->target->kind == TARGET_GPU && g->group.n > 1 && g->sched.n == 0;
}

/* Is v made by a kernel or outside, rather than a view or join of something that is? */
static inline bool
is_stored(const Graph *g, Val v)
{
	return graph_node(g, v)->keep == KEEP_GROUP;
}

/* A convolution of so few channels (the first one, of pictures) reads them one by one, so it may
 * read them at any stride, or compute them on the way in. */
static inline bool
reads_elements(const Graph *g, const Node *conv)
{
	enum { FEW_CHANNELS = 4 };

	return conv->op == OP_conv2d && attr_int(conv, A_groups, 1) == 1 &&
		graph_node(g, conv->arg[0])->type.dim[3] <= FEW_CHANNELS;
}

/* Who reads what: by value, the nodes that do, one entry for each argument slot. */
typedef struct Users {
	uint32_t *first;        /* of value v: node[first[v]] .. node[first[v + 1]] */
	Val *node;
	uint32_t *outputs;      /* how often it is an output */
} Users;
void users_find(Arena *a, const Graph *g, Users *u);
static inline uint32_t
users_count(const Users *u, Val v)
{
	return u->first[v + 1] - u->first[v] + u->outputs[v];
}

/* Has everybody who reads v, but for the view `except`, done so in a kernel that runs before the one
 * that makes `later`, however they are grouped?  Then `later` may be made over v. */
bool read_before(Arena *a, const Graph *g, const Users *u, Val v, Val except, Val later);

/* What group `before` reads, if it runs with that of conv, which reads its result: will it all be there by then?  Something
 * may be made over it once `before` has run. */
bool reads_may_wait(Arena *a, const Graph *g, uint32_t before, Val conv);

/* Storage of m, laid on elements from .. from + size along the axis of join c: are the parts there, but
 * for argument k, made when all of m but `except` has been read? */
bool may_lie_under(Arena *a, const Graph *g, const Users *u, Val c, int k, int64_t from, int64_t size,
                   Val m, Val except);

#endif
