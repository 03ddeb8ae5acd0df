/* lower.h -- a planned group becomes one kernel, or a few that run in a row.
 *
 * lower/<family>.c owns a family of kernels: what its tile numbers mean, how it
 * chooses them for a target, how many bytes of workspace they need, and the kernels.
 * The tile pass calls choose(); after the plan lower_group() makes the kernels.
 *
 * Strides of places are baked into a kernel, offsets are not: an argument of a
 * launch is a buffer and an offset, so equal layers share one kernel.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_LOWER_H
#define Y12_LOWER_H

#include "graph/graph.h"
#include "kir/kir.h"
#include "target/target.h"

typedef enum ArgKind {
	ARG_VALUE,              /* storage of a value, at its place's offset */
	ARG_DIMS,               /* i64[rank]: sizes of an input whose dims are known when it runs */
	ARG_WORK,               /* workspace of the group, from byte `offset` */
	ARG_TMAP,               /* storage of a value through the tensor map of the kernel's buffer */
} ArgKind;

typedef struct LaunchArg { ArgKind kind; Val v; uint32_t group; int64_t offset; } LaunchArg;

typedef struct Lowered {
	Kernel *kernel;
	VEC(LaunchArg) arg;     /* one for each parameter of the kernel */
} Lowered;

typedef struct LowerCtx {
	Arena *a;
	const Graph *g;
	const Target *target;
} LowerCtx;

typedef struct LoweredList { VEC(Lowered) l; } LoweredList;

/* Appends the kernels of a group.  False: *err says what can't be lowered. */
bool lower_group(LowerCtx *cx, uint32_t group, LoweredList *out, const char **err);

/* For the tile pass: fills tile, ntile and work of a group (types and attributes of its nodes are known,
 * places are not), and tells how a conv2d wants its weights packed (0: not packed). */
void lower_choose(Arena *a, const Graph *g, const Target *target, Group *gr, int *pack);

/* Tuning: what the choice of a group's tile depends on, as a text without newlines; NULL: there is no choice. */
const char *lower_tune_key(Arena *a, const Graph *g, const Target *target, const Group *gr);

/* The tiles that it may have, likely ones first; returns how many.  They need the same workspace and packing. */
typedef struct LowerTile { int32_t tile[TILE_MAX]; double cost; } LowerTile;
int lower_candidates(Arena *a, const Graph *g, const Target *target, const Group *gr, LowerTile **out);

/* Is the group's tile, which may come from a file, one of those?  Yes as well where a family has no list of them. */
bool lower_has_tile(Arena *a, const Graph *g, const Target *target, const Group *gr);

#endif
