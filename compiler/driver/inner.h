/* inner.h -- what the files of the compiler share: names, paths, choices, and who a launch works for.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_DRIVER_INNER_H
#define Y12_DRIVER_INNER_H

#include "driver/compile.h"
#include "lower/lower.h"

/* "models/yolov12.y12" as it is; "yolov12" from the library folders if there is no such file. */
const char *model_path(Arena *a, const char *model);

/* Folders where stdlib/ and models/ may lie, in the order of asking. */
const char *const *library_roots(Arena *a, size_t *n);

/* Parameters for the model: scale, batch, frame … from the options, and what the weights know. */
const ElabArg *model_args(Arena *a, const CompileOptions *o, const Weights *w, size_t *n);

/* Facts for the engine: names (JSON), model, scale, imgsz, batch, stride … */
void describe(Arena *a, const Elab *e, const CompileOptions *o, Graph *g);

/* pre: nothing heavy before it; post: suppression and what follows; else net. */
Phase phase_of(const Graph *g, uint32_t group);

/* Path of the layer that a group computes, or of the nearest one before it. */
const char *layer_of(const Graph *g, uint32_t group);

/* "random", "random:SEED": numbers for a network that nobody trained. */
bool weights_are_random(const char *weights, uint64_t *seed);
void weights_random(Arena *a, GraphModule *m, uint64_t seed);

/* What the options come to. */
const Target *target_of(const CompileOptions *o);
DType compute_of(const CompileOptions *o);
const char *precision_of(const CompileOptions *o);       /* as precision= names it */
bool code_wants_cubin(Arena *a, const CompileOptions *o);
bool code_is_kir(void);         /* kernels stay text, for the driver of the tests */

/* One more launch of an entry: of a kernel that was lowered from a group. */
ProgLaunch *compile_launch(Program *p, uint32_t entry, const Graph *g, uint32_t group, const Lowered *x);

double stage_clock(void);
void stage_done(Compiled *c, const char *stage, double since);

#endif
