/* program.h -- what the compiler has made: kernels, launches, constants, entries.
 *
 *     program {
 *       arena 7372800
 *       const #1 4608 …
 *       entry detect {
 *         input image0: u8[?,?,3]
 *         output boxes: f32[1,300,4] arena+0
 *         launch pre  fit_640x640(dims image0, arena+0) layer "letterbox"
 *         launch net  conv3x3s2_3_16(arena+64, const+0, const+1728, arena+4915264) layer "model.0"
 *         launch net  conv1x1s1_16_80(…) layer "model.21" lane 2 after 7 9
 *       }
 *     }
 *
 * The text form is the kernels (kir) followed by that block; the constants themselves
 * travel beside it.  From here an engine file, an interpreter run, or C sources are made;
 * nothing behind this point knows a graph.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_PROGRAM_H
#define Y12_PROGRAM_H

#include "base/base.h"
#include "base/diag.h"
#include "graph/graph.h"
#include "kir/kir.h"
#include "runtime/core/format.h"

typedef enum ProgArgKind { PROG_ARENA, PROG_CONST, PROG_INPUT, PROG_DIMS, PROG_TMAP } ProgArgKind;

typedef struct ProgArg {
	ProgArgKind kind;
	uint32_t tensor;        /* INPUT, DIMS: index in the entry's tensors; TMAP: in the program's maps */
	int64_t offset;         /* bytes */
	int64_t bytes;          /* that the kernel can reach from there; -1: known when it runs */
} ProgArg;

typedef enum Phase { PHASE_PRE, PHASE_NET, PHASE_POST } Phase;
extern const char *const phase_name[3];

typedef struct ProgLaunch {
	uint32_t kernel;
	Phase phase;
	bool programmatic;      /* may begin while the launch before it ends */
	uint32_t lane;          /* runs behind those before it in its lane … */
	VEC(uint32_t) after;    /* … and behind these of other lanes, which stand before it in the entry */
	const char *layer;
	VEC(ProgArg) arg;
} ProgLaunch;

typedef struct ProgTensor {
	const char *name;
	Type type;
	bool output;
	int64_t offset;         /* output: in the arena; input with a default: in the constants, else -1 */
} ProgTensor;

typedef struct ProgEntry {
	const char *name;
	VEC(ProgTensor) tensor; /* inputs, then outputs */
	VEC(ProgLaunch) launch;
} ProgEntry;

typedef struct Program {
	Arena *a;
	VEC(Kernel *) kernel;
	VEC(ProgEntry) entry;
	VEC(y12e_tmap) tmap;    /* an input's `tensor` counts in the entry that uses the map */
	uint8_t *consts;        /* 64-byte aligned pieces */
	int64_t const_bytes, const_cap;
	int64_t arena_bytes;
	Map *meta;              /* string -> string */
	Map *kernel_of;         /* text without the name -> index + 1 */
	Map *const_of;          /* hash of type and bytes -> offset + 1 */
} Program;

Program *program_new(Arena *a);

/* A planned graph becomes an entry without launches; its constants are added (equal ones once).
 * Returns its index.  False: *err (a constant without data: no weights were bound). */
bool program_add_entry(Program *p, const Graph *g, uint32_t *entry, const char **err);

/* One more launch.  The kernel is renamed if another of that name exists, or dropped for an equal one. */
ProgLaunch *program_add_launch(Program *p, uint32_t entry, Kernel *k, Phase phase, const char *layer);

/* Where a value of the graph of that entry lives, as an argument.  offset and reach in elements of the value's
 * place are added by this function; `bytes` is what can be reached. */
ProgArg program_value(const Program *p, uint32_t entry, const Graph *g, Val v);
ProgArg program_dims(const Program *p, uint32_t entry, const Graph *g, Val v);
/* … through the map of that buffer of a kernel: equal ones of one place are one. */
ProgArg program_tmap(Program *p, uint32_t entry, const Graph *g, Val v, const KBuf *b);
ProgArg program_work(const Program *p, const Graph *g, uint32_t group, int64_t offset, int64_t bytes);

bool program_verify(const Program *p, const char **err);

void program_print(FILE *f, const Program *p);
/* consts: the bytes that were printed beside it; NULL: zeros */
Program *program_parse(Arena *a, Diag *d, const Source *src, const void *consts, size_t const_bytes);

/* Runs an entry by the interpreter.  in/out as in eval_graph: one tensor for each input (NULL data: default)
 * and each output. */
bool program_interpret(const Program *p, const char *entry, const Tensor *in, Tensor *out, Arena *a, const char **err);

/* Code for one target as the back end left it: for hosts machine code and where each kernel begins; for
 * GPUs modules (PTX with its NUL, or cubins) and where that of each kernel begins. */
typedef struct ProgCode {
	const char *target;
	const void *blob;
	size_t bytes;
	const size_t *entry;            /* one a kernel; NULL: all 0 (one module) */
} ProgCode;

/* The engine (runtime/core/format.h) as one image, 64-byte aligned. */
void *engine_image(Arena *a, const Program *p, const ProgCode *code, size_t ncode, size_t *bytes);

/* What is wrong with an image that was whole once: NULL, or half a sentence.  Costs one reading of it. */
const char *engine_damage(const void *image, size_t bytes);

/* An image as a program again, its kernels without bodies.  Only for an image that y12_engine_open_memory()
 * has found in order. */
typedef struct EngineView {
	int version;
	Program *program;
	VEC(ProgCode) code;
} EngineView;
EngineView *engine_view(Arena *a, const void *image);

#endif
