/* weights.h -- trained tensors: reading, recognising, binding, writing.
 *
 *     best.pt ──zip, pickle──┐
 *                            ├─▶ Weights ──bind──▶ parameters of the graph
 *     x.safetensors ──JSON───┘      │
 *                                   └──save──▶ y.safetensors
 *
 * A file is a stranger's: every offset, count and shape is checked before it is
 * used, and nothing in it is ever executed.  Which format it has is seen from its
 * first bytes, never from its name.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_WEIGHTS_H
#define Y12_WEIGHTS_H

#include "base/base.h"
#include "base/diag.h"
#include "graph/graph.h"

enum { WEIGHT_RANK = 8 };

typedef struct WTensor {
	const char *name;       /* "model.0.conv.weight" */
	DType dt;               /* as stored */
	int rank;               /* 0: a scalar */
	int64_t dim[WEIGHT_RANK];
	size_t count;           /* elements */
	const void *data;       /* C order, little endian, aligned to its element */
} WTensor;

/* Which network the tensors belong to, from their names and shapes alone. */
typedef enum Kin {
#define KIN(NAME, name, says, model) KIN_##NAME,
#include "weights/kin.def"
#undef KIN
	KIN_COUNT
} Kin;

typedef struct KinInfo { const char *name, *says, *model; } KinInfo;
extern const KinInfo kin_info[KIN_COUNT];
Kin kin_named(const char *name);        /* "turbo"; KIN_UNKNOWN if there is none */

typedef struct WFamily {
	Kin kin;
	char scale;             /* n s m l x, or 0: none of them */
	const char *task;       /* "detect", "segment", "classify", or NULL */
	int nc;                 /* classes, from the shape of the last layer; 0: not known */
	bool folded;            /* batch norms are folded into the convolutions */
} WFamily;

typedef struct Weights {
	Arena *a;
	const char *path, *format;              /* "safetensors" or "pt" */
	VEC(WTensor) tensor;                    /* in the order of the file */
	Map *by_name;                           /* name -> WTensor * */
	WFamily family;
	int nc;                                 /* classes; 0: not known */
	const char **names;                     /* nc class names, or NULL */
	int imgsz;                              /* side trained on; 0: not known */
	Map *meta;                              /* what else the file says: text -> text */
	const void *map;                        /* the file */
	size_t map_len;
} Weights;

/**
 * Read a weights file: safetensors, or a PyTorch checkpoint (.pt).
 *
 * From a checkpoint the EMA model is taken if there is one, else the model; a
 * plain state dictionary does as well.  The tensors of a file that is not
 * compressed stay in its mapping: weights_close() ends them.
 *
 * @return NULL after an error in d; else what was found, with warnings in d if
 *         the file contradicts itself (class names against shapes, for example).
 */
Weights *weights_open(Arena *a, const char *path, Diag *d);
/* The same from memory, which must outlive the Weights.  `path` is for messages. */
Weights *weights_read(Arena *a, const char *path, const void *p, size_t len, Diag *d);
void weights_close(Weights *w);                 /* NULL is fine */

const WTensor *weights_get(const Weights *w, const char *name);        /* NULL: not there */
/* Trained numbers: all but running statistics and counters. */
size_t weights_parameters(const Weights *w);
/* One line: "YOLOv12-m turbo, detect, 2 classes, 799 tensors, f16". */
const char *weights_says(Arena *a, const Weights *w);

WFamily family_of(const WTensor *t, size_t n);

/* ---- binding ------------------------------------------------------------------ */

typedef enum BindMode {
	BIND_ALL,       /* every parameter and every tensor must find its partner */
	BIND_FIT,       /* take what fits (transfer to other classes), warn about the rest */
} BindMode;

/* A place that wants values. */
typedef struct Param {
	const char *name;
	Type type;
	const void *data;       /* out: C order, of type's dtype; left alone if nothing fits */
} Param;

/**
 * Give each parameter the tensor of its name, converted to its dtype.
 *
 * Data go to the arena `a`, or stay in the file where dtypes agree: keep the
 * Weights open as long as the parameters.  Counters (num_batches_tracked) and a
 * DFL weight that is 0, 1, 2 … need no partner.  What does not fit comes as one
 * error with a note for each tensor, both sides named, 20 at most.
 *
 * @return false after an error in d.
 */
bool weights_bind_params(Arena *a, Param *p, size_t n, const Weights *w, BindMode mode, Diag *d);
/* The param nodes of all entries; nodes of one name share their data. */
bool weights_bind(Arena *a, GraphModule *m, const Weights *w, BindMode mode, Diag *d);

/* ---- showing and writing -------------------------------------------------------- */

void weights_print(FILE *f, const Weights *w);
void weights_print_json(FILE *f, const Weights *w);

/**
 * Write a safetensors file, whole or not at all.
 *
 * @param real   DT_NONE keeps each dtype; else real tensors are converted to it.
 * @return NULL, or a message (in a).
 *
 * Names and shapes stay; model, family, scale, task, nc, names, imgsz and whatever
 * meta the file had go to __metadata__.  Order: wide elements first, then by name,
 * so that every tensor is aligned.
 */
const char *weights_save_safetensors(Arena *a, const Weights *w, const char *path, DType real);

#endif
