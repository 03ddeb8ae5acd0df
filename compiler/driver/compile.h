/* compile.h -- from a spec and weights to an engine in memory: the whole compiler.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_COMPILE_H
#define Y12_COMPILE_H

#include "base/base.h"
#include "base/diag.h"
#include "elab/elab.h"
#include "engine/program.h"
#include "graph/graph.h"
#include "passes/passes.h"
#include "target/target.h"
#include "weights/weights.h"

typedef struct KeyValue { const char *key, *value; } KeyValue;

typedef enum CubinChoice { CUBIN_AUTO, CUBIN_FALSE, CUBIN_TRUE } CubinChoice;

typedef struct CompileOptions {
	const char *model;              /* .y12 file */
	const char *weights;            /* NULL: none (dump, info); kernels get no constants then; "random" */
	const char *scale;              /* NULL: from the weights, else the model's default */
	int64_t frame[2];               /* H, W of the network's picture: multiples of 32 */
	int64_t fit[2];                 /* H, W that pictures are scaled to fit; {0}: frame */
	int batch;
	int max_det;
	const char *const *entries;     /* NULL-terminated; NULL: all of the model */
	const KeyValue *params;         /* other parameters of the model */
	size_t nparams;
	const Target *target;           /* NULL: target_host() */
	DType compute;                  /* what heavy ops work in; DT_NONE: f32 on hosts, f16 on GPUs … */
	bool tf32;                      /* … and the products of f32 in tf32 */
	CubinChoice cubin;              /* GPUs: machine code made by ptxas; AUTO: if there is one */
	bool no_pdl;                    /* GPUs: no kernel begins before the one before it has ended */
	bool no_lanes;                  /* GPUs: no kernel runs beside another */
	int threads;                    /* of the back end; 0: one a processor */
	const char *tune;               /* the file that target->tuned was read from; NULL: none */
	const char *cache_dir;          /* NULL: no cache */
	bool verify;                    /* after every pass */
	FILE *log;                      /* pass_log; NULL: nowhere */
	AfterPass *after;               /* sees every graph after every pass; NULL */
	void *after_user;
	const char *last_pass;          /* stop after this pass: no kernels; NULL: all */
	bool no_code;                   /* stop after the kernels */
} CompileOptions;

/* Are launches that can be to run at the same time? */
bool runs_beside(const CompileOptions *o);

/* What compiling left behind, each stage as far as it went. */
typedef struct Compiled {
	Elab *elab;                     /* parameters and layers, for `info` */
	GraphModule *module;            /* after the passes */
	Program *program;               /* kernels and launches; NULL if it stopped before */
	VEC(uint32_t) launch_group;     /* the group that each launch works for, entry after entry … */
	VEC(int64_t) launch_bytes;      /* … and what it reads and writes */
	void *image;                    /* the engine, 64-byte aligned, in the arena; NULL likewise */
	size_t image_bytes;
	bool code_cached;
	Weights *weights;               /* NULL: none; unmap with weights_close when done with image's making */
	struct { const char *stage; double seconds; } time[16];
	int ntime;
} Compiled;

/* False: errors are in d. */
bool compile(Arena *a, Diag *d, const CompileOptions *o, Compiled *out);

/* Its steps, for those who begin or end in the middle.  Each goes on from what *c holds; `done` is the last pass
 * that the graphs have been through (NULL: none). */
bool compile_front(Arena *a, Diag *d, const CompileOptions *o, Compiled *c);
bool compile_passes(Arena *a, Diag *d, const CompileOptions *o, Compiled *c, const PassInfo *done);
bool compile_program(Arena *a, Diag *d, const CompileOptions *o, Compiled *c);
bool compile_code(Arena *a, Diag *d, const CompileOptions *o, Compiled *c);

/* The engine from the cache if this very compilation was done before (same spec files, weights, options,
 * target, compiler), else compiled and put there.  What `predict` calls.  *hit: the image is a mapping, given
 * back by file_unmap(); else it lies in the arena. */
bool compile_cached(Arena *a, Diag *d, const CompileOptions *o, const void **image, size_t *bytes, bool *hit);

/* Folders where `use std.…` is looked for: stdlib/ under those of YOLO12C_PATH, beside the executable, and
 * the installed one. */
const char *const *library_dirs(Arena *a, size_t *n);

#endif
