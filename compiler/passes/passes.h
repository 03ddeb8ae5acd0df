/* passes.h -- graph to graph, one pass a file, listed in passes.def.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_PASSES_H
#define Y12_PASSES_H

#include "graph/graph.h"
#include "target/target.h"

/* Tile numbers, workspace and packing of a group: lower_choose(), which the driver hands
 * in, because passes know nothing of kernels. */
typedef void ChooseTile(Arena *a, const Graph *g, const Target *t, Group *gr, int *pack);

typedef struct PassCtx {
	const Target *target;
	DType compute;          /* DT_F16, DT_BF16: what heavy ops work in (precision); else f32 … */
	bool tf32;              /* … of which the products may be made in tf32 */
	Arena *a;               /* lives as long as the graph */
	Diag *diag;
	FILE *log;              /* pass_log goes there; NULL: nowhere */
	bool beside;            /* launches that can may run at the same time: the plan leaves them room */
	ChooseTile *choose;     /* NULL: the tile pass leaves groups as they are */
	const char *name;       /* of the pass that runs */
	const char *failed;     /* set by pass_fail */
} PassCtx;

typedef bool Pass(Graph *g, PassCtx *cx);       /* true: it changed something */

#define PASS(name, stage, why) bool pass_##name(Graph *g, PassCtx *cx);
#include "passes/passes.def"
#undef PASS

typedef enum { STAGE_SIMPLE, STAGE_PLAN } PassStage;
typedef struct PassInfo { const char *name; Pass *run; PassStage stage; const char *why; } PassInfo;
extern const PassInfo pass_info[];
extern const size_t pass_count;
const PassInfo *pass_named(const char *name);   /* NULL: no such pass */

void pass_log(PassCtx *cx, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The graph cannot go on; the first reason is kept, and passes_run() returns it. */
void pass_fail(PassCtx *cx, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* One pass; the graph is ordered again and, if verify is set, checked.  False: *err says why, in cx->a. */
bool pass_run(Graph *g, PassCtx *cx, const PassInfo *p, bool verify, bool *changed, const char **err);

/* Runs all passes in order up to and including `last` (NULL: all); after each one the graph is
 * ordered again and, if verify is set, checked.  `after`, if not NULL, sees every result.
 * False: *err names the pass and what it broke. */
typedef void AfterPass(void *user, const Graph *g, const PassInfo *p, bool changed, double seconds);
bool passes_run(Graph *g, PassCtx *cx, const char *last, bool verify,
                AfterPass *after, void *user, const char **err);

/* The plan as a chart: steps from top to bottom, bytes from left to right. */
void plan_print(FILE *f, const Graph *g);       /* text, 100 columns */
void plan_svg(FILE *f, const Graph *g);

#endif
