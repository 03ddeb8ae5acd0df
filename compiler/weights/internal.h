/* internal.h -- what the files of this room share.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_WEIGHTS_INTERNAL_H
#define Y12_WEIGHTS_INTERNAL_H

#include "weights/weights.h"

/* ---- zip.c: an archive in memory ------------------------------------------------ */

typedef struct Zip Zip;

/* NULL: *err.  Nothing is copied and nothing outside [p, p + len) is read. */
Zip *zipview_open(Arena *a, const void *p, size_t len, const char **err);
size_t zipview_count(const Zip *z);
const char *zipview_name(const Zip *z, size_t i);
bool zipview_has(const Zip *z, const char *name);
/* A record's bytes, checked against its CRC: inside the archive if stored, in the
 * arena if compressed.  NULL: *err. */
const void *zipview_data(Zip *z, const char *name, size_t *len, const char **err);
void zipview_done(Zip *z);                          /* what was read stays; NULL is fine */

/* ---- pickle.c: a pickle as data --------------------------------------------------- */

typedef enum PyKind {
	PY_NONE, PY_BOOL, PY_INT, PY_REAL,
	PY_STR, PY_BYTES,
	PY_TUPLE, PY_LIST, PY_SET,      /* item: the members */
	PY_DICT,                        /* item: key, value, key, value … */
	PY_CLASS,                       /* s: "torch._utils._rebuild_tensor_v2", never looked up */
	PY_CALL,                        /* fn(arg) that was not made; state, item: added to its result */
	PY_OBJECT,                      /* fn.__new__(arg) that was not made; the same */
	PY_PERSID,                      /* fn: the id */
	PY_OPAQUE,                      /* something that nothing here needs */
} PyKind;

typedef struct Py Py;
struct Py {
	PyKind kind;
	union { int64_t i; double r; size_t n; };       /* n: bytes of s */
	const char *s;                                  /* NUL-terminated */
	const Py *fn, *arg, *state;
	VEC(const Py *) item;
};

/* Runs the pickle's stack machine, which only ever makes Py values.  Values may
 * form cycles: bound every walk.  NULL: *err. */
const Py *pickle_read(Arena *a, const void *p, size_t len, const char **err);
bool py_is(const Py *v, PyKind kind, const char *s);    /* kind, and this text */
/* Value under a text key: of a dict, or of an object's state.  NULL: absent. */
const Py *py_get(const Py *v, const char *key);
const Py *py_item(const Py *v, size_t i);               /* NULL past the end, or no sequence */

/* ---- the two readers: fill w->tensor and w->meta; false: *err ---------------------- */

bool safetensors_read(Weights *w, const char **err);
bool pt_read(Weights *w, const char **err);

/* ---- weights.c ----------------------------------------------------------------------- */

/* Appends a tensor with count and by_name set.  False: *err (rank, size, name twice). */
bool weights_add(Weights *w, const char *name, DType dt, int rank, const int64_t *dim,
                 const void *data, const char **err);
/* Elements of a shape, or false if a dim is negative or the product too large. */
bool shape_count(int rank, const int64_t *dim, size_t *count);
const char *shape_text(Arena *a, DType dt, int rank, const int64_t *dim);       /* "f16[64,3,3,3]" */
/* data of the tensor, or a copy if it is not aligned */
const void *aligned_data(Arena *a, DType dt, const void *data, size_t bytes);
void convert(DType to, void *out, DType from, const void *in, size_t n);
/* Text of a stranger's file, fit for a terminal. */
const char *printable(Arena *a, const char *s);
/* Family and scale as one name, "YOLOv12-m turbo". */
const char *family_says(Arena *a, const WFamily *f);

#endif
