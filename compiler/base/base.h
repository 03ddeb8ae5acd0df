/* base.h -- what every compiler room stands on: arenas, vectors, maps, texts.
 *
 * Memory: what makes something takes an Arena as its first argument, and the
 * one arena_free() at the end of that lifetime is the only free there is.
 * Running out of memory ends the process with exit code 4 and a message; the
 * compiler is a command, so that is the honest thing.  (The runtime library
 * does not use this file and never exits.)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_BASE_H
#define Y12_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* ---- arena ---------------------------------------------------------------- */

typedef struct Arena Arena;

Arena *arena_new(void);
void arena_free(Arena *a);                     /* NULL is fine */
void *arena_alloc(Arena *a, size_t size);      /* zeroed, 16-byte aligned */
void *arena_array(Arena *a, size_t n, size_t size);   /* zeroed; checks n * size */
void *arena_dup(Arena *a, const void *p, size_t size);
char *arena_str(Arena *a, const char *s);
char *arena_strn(Arena *a, const char *s, size_t n);
char *arena_printf(Arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(Arena *a, const char *fmt, va_list ap);
size_t arena_bytes(const Arena *a);            /* handed out so far */

#define NEW(a, T) ((T *)arena_alloc((a), sizeof(T)))
#define NEWN(a, T, n) ((T *)arena_array((a), (n), sizeof(T)))

/* ---- vector: VEC(int) v = {0}; vec_push(arena, &v, 3); v.p[0]; v.n ---------- */

#define VEC(T) struct { T *p; size_t n, cap; }
#define vec_push(a, v, x)                                                       \
	((v)->n < (v)->cap ? (void)0 :                                          \
	    vec_grow_((a), (void **)&(v)->p, &(v)->cap, (v)->n + 1, sizeof(*(v)->p)), \
	    (v)->p[(v)->n++] = (x))
#define vec_reserve(a, v, m)                                                    \
	vec_grow_((a), (void **)&(v)->p, &(v)->cap, (m), sizeof(*(v)->p))
void vec_grow_(Arena *a, void **p, size_t *cap, size_t need, size_t size);

/* ---- map: string -> pointer, in order of insertion -------------------------- */

typedef struct Map Map;

Map *map_new(Arena *a);
void *map_get(const Map *m, const char *key);          /* NULL: not there */
bool map_has(const Map *m, const char *key);
void map_set(Map *m, const char *key, void *value);    /* the key is copied */
size_t map_count(const Map *m);
const char *map_key(const Map *m, size_t i);           /* i-th inserted */
void *map_value(const Map *m, size_t i);

/* ---- growing text ----------------------------------------------------------- */

typedef struct Text { Arena *a; char *p; size_t n, cap; } Text;   /* {.a = arena} */

void text_put(Text *t, const char *s);
void text_putn(Text *t, const char *s, size_t n);
void text_printf(Text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void text_vprintf(Text *t, const char *fmt, va_list ap);
const char *text_str(Text *t);                          /* NUL-terminated, never NULL */

/* Reads one UTF-8 character of [s, end), which is not empty, and returns how many
 * bytes it has; *c is -1 for a byte that begins no well-formed character. */
size_t utf8_next(const char *s, const char *end, int32_t *c);
bool utf8_valid(const char *s, size_t n);

/* The shortest decimal that reads back as the same number: "0.1", "1e-05",
 * "-0", "inf", "nan".  as_f32: enough digits for float only. */
const char *fmt_real(char buf[40], double x, bool as_f32);

/* ---- names ------------------------------------------------------------------ */

/* The candidate nearest to `name` (edit distance), or NULL if none is near
 * enough to be a likely slip of the finger. */
const char *did_you_mean(const char *name, const char *const *candidates, size_t n);

/* ---- files ------------------------------------------------------------------ */

/* Whole file, NUL-terminated, length in *len.  NULL: *err says why (in a). */
char *file_read(Arena *a, const char *path, size_t *len, const char **err);

/* Read-only mapping; unmapped by file_unmap.  NULL: *err says why (in a).
 * An empty file gives a non-NULL pointer and *len == 0. */
const void *file_map(Arena *a, const char *path, size_t *len, const char **err);
void file_unmap(const void *p, size_t len);

/* Writes beside the target and renames, so that nothing half-written is ever
 * seen under `path`.  NULL on success, else a message (in a). */
const char *file_write(Arena *a, const char *path, const void *data, size_t len);

/* The same in pieces: open, fwrite to ->f, commit or abandon. */
typedef struct FileOut { FILE *f; char *tmp, *path; Arena *a; } FileOut;
const char *fileout_open(Arena *a, FileOut *o, const char *path);
const char *fileout_commit(FileOut *o);
void fileout_abandon(FileOut *o);

/* ---- hash (XXH3, 64 and 128 bits) ------------------------------------------- */

uint64_t hash64(const void *p, size_t n);
void hash_hex(char out[33], const void *p, size_t n);   /* 128 bits, hexadecimal */

/* ---- number formats ---------------------------------------------------------- */

/* Element types of tensors.  dtype.def: one row each. */
typedef enum DType {
	DT_NONE,
#define DTYPE(name, NAME, bytes, is_real) DT_##NAME,
#include "base/dtype.def"
#undef DTYPE
	DT_COUNT
} DType;

typedef struct DTypeInfo { const char *name; int bytes; bool real; } DTypeInfo;
extern const DTypeInfo dtype_info[DT_COUNT];
DType dtype_named(const char *name);                    /* DT_NONE: no such type */

float f16_to_f32(uint16_t h);
uint16_t f16_from_f32(float x);                         /* nearest, ties to even */
float bf16_to_f32(uint16_t h);
uint16_t bf16_from_f32(float x);

/* Element i of an array of type t, as double, and back (rounded, saturated for
 * integers).  i64 values past 2^53 lose their last bits. */
double dtype_get(DType t, const void *p, size_t i);
void dtype_set(DType t, void *p, size_t i, double x);

#endif
