/* elab.h -- from the syntax tree to graphs: a spec is a program that runs here.
 *
 *     block Conv(x, out: int, k: int = 1) { ... }
 *     model yolov12(scale: one_of(n, s) = n) {
 *       entry forward(image: f32[1, 3, 640, 640]) { layers "model" { image |> Conv(16, k: 3) } }
 *     }
 *         => graph forward(%1 image: f32[1,3,640,640]) { ... "model.0.conv.weight" = param ... }
 *
 * What a spec leaves behind is one graph for each entry, the list of parameters in
 * the order of published files, and a table of the numbered layers.
 * docs: the language is described in docs/language.md.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_ELAB_H
#define Y12_ELAB_H

#include "base/base.h"
#include "base/diag.h"
#include "dsl/ast.h"
#include "graph/graph.h"

/* A spec that runs away meets one of these; the error names it. */
enum {
	ELAB_MAX_CALLS = 150,           /* calls inside calls */
	ELAB_MAX_NEST = 2500,           /* expressions inside expressions, over all calls */
	ELAB_MAX_STEPS = 2 * 1000 * 1000, /* expressions evaluated; YOLOv12-x takes 60 thousand an entry */
	ELAB_MAX_ITEMS = 1 << 16,       /* items of one list, turns of one loop */
	ELAB_MAX_VALUES = 1 << 20,      /* values of one list, those of lists in it counted */
	ELAB_MAX_DEPTH = 64,            /* lists in lists */
	ELAB_MAX_TEXT = 1 << 16,        /* bytes of a string; a path has at most 1000 */
	ELAB_MAX_NODES = 1 << 18,       /* nodes of one graph */
	ELAB_MAX_FORMALS = 48,
};

/* key=value of the command line: a parameter of the model, as text.
 *     int 80   real 0.5   bool true   one_of n   size 640 or 384,640
 * `nc` stands for `classes` and `imgsz` for `frame` in a model that has these. */
typedef struct ElabArg { const char *key, *value; } ElabArg;

typedef struct ElabOptions {
	const char *model;              /* NULL: the only one of the file */
	const ElabArg *arg;
	size_t narg;
	const char *const *entry;       /* NULL: all of them */
	size_t nentry;
	const char *const *names;       /* of the classes; also sets `classes`, unless arg does */
	size_t nnames;
	FILE *log;                      /* where print() writes; NULL: stderr */
} ElabOptions;

typedef struct ElabParam {
	const char *name;               /* "model.0.bn.running_mean" */
	Type type;
	bool buffer;                    /* statistics and counters: not trained, not counted */
	bool frozen;                    /* a parameter that training leaves alone */
	const char *init;               /* "zeros", "ones", "fan_in", "iota", "fill" */
	double fill;                    /* for "fill" */
	int layer;                      /* -1: outside `layers` */
	Span span;
} ElabParam;

/* One call in a `layers` body, of the first entry that was elaborated. */
typedef struct ElabLayer {
	int index;
	const char *path, *block, *args;    /* "model.0", "Conv", "16, k: 3, s: 2" */
	const Graph *g;
	Val first, end;                 /* made the nodes [first, end) of g */
	VEC(Val) out;
	Span span;
} ElabLayer;

typedef struct Elab {
	GraphModule *module;            /* one graph an entry, in the order asked for */
	const char *model;              /* name of the model */
	VEC(ElabParam) param;           /* in the order of published files */
	VEC(ElabLayer) layer;
	Map *arg;                       /* parameter of the model -> its value as text */
	int64_t classes;                /* 0: the model has no such parameter */
	const char *const *names;       /* as given, or NULL */
	size_t nnames;
} Elab;

/* NULL after an error; every message is in d.  The result lives in a; the module and
 * the sources of d must outlive it. */
Elab *elaborate(Arena *a, Diag *d, const Module *m, const ElabOptions *opt);

/* Looks at everything in the file: declarations, and each model with its entries, the
 * parameters at their defaults unless given.  A file without a model is fine.  False: a
 * mistake; every message is in d. */
bool elab_check(Arena *a, Diag *d, const Module *m, const ElabOptions *opt);

/* Parameters of the model that a spec offers, for help texts: names in *names. */
size_t elab_model_params(Arena *a, const Module *m, const char *model, const char *const **names);

/* What is built in under this name: how it is called, and a line of its shapes; or NULL. */
const char *elab_builtin(Arena *a, const char *name);

#endif
