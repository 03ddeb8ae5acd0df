/* stage.h -- a network at any stage: read from a file, taken further, written as text.
 *
 *     x.y12    spec      ──▶ graph ──▶ … ──▶ plan ──▶ kir ──▶ engine
 *     x.g      graphs of any stage ──┘              │          │
 *     x.k      a program ───────────────────────────┘          │
 *     x.y12e   an engine ──────────────────────────────────────┘
 *
 * Comments at the head of a text say what the text itself does not:
 *
 *     # stage fuse
 *     # target host:x86-64-v3
 *     # consts x.g.consts
 *
 * The values of larger constants are in that file beside the text: of graphs as safetensors, each
 * under its hash; of a program as the bytes that kernels index.  What a file holds is seen from its
 * content, never from its name.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_DRIVER_STAGE_H
#define Y12_DRIVER_STAGE_H

#include "driver/compile.h"

typedef enum StageKind { STAGE_SPEC, STAGE_GRAPH, STAGE_PROGRAM, STAGE_ENGINE, STAGE_WEIGHTS } StageKind;
extern const char *const stage_kind_name[5];    /* "a spec", "the text of graphs" … */

typedef struct Stage {
	StageKind kind;
	const char *path;
	Compiled c;
	const PassInfo *done;   /* graphs: the last pass that they have been through; NULL: none */
	bool hollow;            /* a program without the values of its constants: it can be shown, not run */
	CompileOptions o;       /* as given, with the target of the text */
} Stage;

/* What a file is; STAGE_SPEC if it looks like nothing else. */
StageKind stage_kind(const void *p, size_t n);

/* Reads a file of any kind but weights; a spec is elaborated.  False: errors are in d. */
bool stage_open(Arena *a, Diag *d, const char *path, const CompileOptions *o, Stage *s);

/* Takes it further, as far as these stages; a stage that lies behind is an error. */
bool stage_graphs(Arena *a, Diag *d, Stage *s, const char *last_pass);  /* NULL: as they are */
bool stage_program(Arena *a, Diag *d, Stage *s);
bool stage_engine(Arena *a, Diag *d, Stage *s);
bool stage_has_values(Diag *d, const Stage *s);         /* an error if the program is hollow */

/* Text of its graphs, or of its program, to out (NULL: to stdout, without larger constants). */
bool stage_write(Arena *a, Diag *d, const Stage *s, const char *out);

/* Gives back what was mapped. */
void stage_close(Stage *s);

#endif
