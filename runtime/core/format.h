/* format.h -- the engine file, .y12e: one flat image that is mapped and used in place.
 *
 *     header | sections: strings, tensors, entries, launches, args, kernels, meta, tmaps, waits | code | consts
 *
 * Little-endian; every record a multiple of 8 bytes; every reference an index or an
 * offset that the reader checks.  The header's checksum (of everything after the
 * checksum field) finds damage; the checks of open.c find malice.  Code starts on a
 * page boundary so that it can be mapped executable; consts start on a 64-byte one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_FORMAT_H
#define Y12_FORMAT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define Y12E_MAGIC "Y12ENGN\n"
enum { Y12E_VERSION = 3, Y12E_PAGE = 4096, Y12E_ALIGN = 64, Y12E_RANK = 6 };

typedef struct y12e_range { uint64_t offset, count; } y12e_range;      /* bytes from the start; records */

typedef struct y12e_header {
	char magic[8];
	uint32_t version;
	uint32_t reserved;
	uint64_t file_bytes;
	uint64_t checksum;      /* y12e_checksum() of all bytes after this field */
	uint64_t arena_bytes;
	y12e_range strings;     /* count: bytes; NUL-terminated texts, offset 0 is "" */
	y12e_range tensors;     /* y12e_tensor */
	y12e_range entries;     /* y12e_entry */
	y12e_range launches;    /* y12e_launch */
	y12e_range args;        /* y12e_arg */
	y12e_range kernels;     /* y12e_kernel */
	y12e_range metas;       /* y12e_meta */
	y12e_range codes;       /* y12e_code: one a target */
	y12e_range consts;      /* count: bytes */
	y12e_range tmaps;       /* y12e_tmap */
	y12e_range waits;       /* uint32_t */
} y12e_header;

/* An input or output of an entry. */
typedef struct y12e_tensor {
	uint32_t name;          /* string */
	uint32_t dtype;         /* y12_dtype */
	uint32_t rank;
	uint32_t flags;         /* Y12E_OUTPUT | Y12E_OPTIONAL */
	int64_t dim[Y12E_RANK]; /* -1: any, rank of the dims array is passed to kernels that ask */
	uint64_t offset;        /* output: in the arena.  optional input: its default, in consts */
} y12e_tensor;
enum { Y12E_OUTPUT = 1, Y12E_OPTIONAL = 2 };

typedef struct y12e_entry {
	uint32_t name;
	uint32_t reserved;
	uint32_t tensor, ntensor;       /* inputs, then outputs */
	uint32_t launch, nlaunch;
} y12e_entry;

typedef struct y12e_launch {
	uint32_t kernel;
	uint32_t arg, narg;
	uint32_t layer;         /* string: path of the layer it works for */
	uint32_t phase;         /* Y12E_PRE, Y12E_NET, Y12E_POST */
	uint32_t flags;         /* Y12E_PROGRAMMATIC */
	uint32_t lane;          /* it runs behind those before it in its lane … */
	uint32_t wait, nwait;   /* … and behind these, which stand before it in the entry: numbers from its first launch on */
} y12e_launch;
enum { Y12E_PRE, Y12E_NET, Y12E_POST };
/* The launch may begin while the one before it ends: its kernel waits for that one itself. */
enum { Y12E_PROGRAMMATIC = 1, Y12E_LANES = 32 };

typedef struct y12e_arg {
	uint32_t kind;          /* Y12E_ARENA … */
	uint32_t tensor;        /* INPUT, DIMS: index among the entry's tensors; TMAP: index of the map */
	uint64_t offset;        /* bytes in arena or consts */
	uint64_t bytes;         /* that the kernel may touch from there; 0: known when it runs */
} y12e_arg;
enum { Y12E_ARENA, Y12E_CONST, Y12E_INPUT, Y12E_DIMS, Y12E_TMAP };

typedef struct y12e_kernel {
	uint32_t name;
	uint32_t narg;
	uint32_t grid[3];
	uint32_t block[3];
	uint32_t cluster[3];    /* blocks that run together; 0 0 0: each alone */
	uint32_t shared;        /* bytes of dynamic shared memory for a block */
} y12e_kernel;

/* Code of all kernels for one target.
 *
 *     host:x86-64-v3   machine code; entry i: where kernel i begins in the blob
 *     sm_90a           modules back to back: PTX texts, each with its NUL, or cubins (ELF);
 *                      entry i: where the module of kernel i begins, which is found there by name
 */
typedef struct y12e_code {
	uint32_t target;        /* string */
	uint32_t reserved;
	y12e_range blob;        /* bytes; offset a multiple of Y12E_PAGE */
	y12e_range entry;       /* uint64_t each */
} y12e_code;

/* What the copy engine of an sm_90 must know of a tensor in memory: dimensions from the innermost
 * out.  TILE copies boxes of it; IM2COL (rank 3 to 5: channels, the picture's sides, the batch) copies
 * `pixels` places of a filter window with `channels` each, from the corner lower to dim - 1 + upper. */
typedef struct y12e_tmap {
	uint32_t kind;          /* Y12E_TILE, Y12E_IM2COL */
	uint32_t dtype;         /* y12_dtype */
	uint32_t rank;          /* 1 to 5 */
	uint32_t swizzle;       /* bytes: 0, 32, 64, 128 */
	uint32_t place;         /* Y12E_ARENA, Y12E_CONST, Y12E_INPUT */
	uint32_t tensor;        /* INPUT: index among the entry's tensors */
	uint64_t offset;        /* bytes, a multiple of 16 */
	uint64_t dim[5];
	uint64_t stride[4];     /* bytes from one to the next of dim[1] …, multiples of 16 */
	uint32_t step[5];       /* every step-th element; 1 to 8 */
	uint32_t box[5];        /* TILE: elements; 1 to 256 */
	int32_t lower[3], upper[3];     /* IM2COL: of dim[1] … */
	uint32_t channels, pixels;      /* IM2COL: at most 256 and 1024 */
} y12e_tmap;
enum { Y12E_TILE, Y12E_IM2COL };

typedef struct y12e_meta { uint32_t key, value; } y12e_meta;

static inline uint32_t
y12e_dtype_bytes(uint32_t dtype)        /* y12_dtype; 0: there is none such */
{
	static const uint8_t bytes[] = { 0, 1, 1, 4, 8, 2, 2, 4, 8 };

	return dtype < sizeof bytes ? bytes[dtype] : 0;
}

/* What is wrong with a tensor map; NULL: nothing, and *reach is how many bytes it covers.  Here, because
 * the writer and the reader must agree. */
static inline const char *
y12e_tmap_wrong(const y12e_tmap *t, uint64_t *reach)
{
	uint64_t size = y12e_dtype_bytes(t->dtype), last = 0;
	bool columns = t->kind == Y12E_IM2COL;

	if (t->kind > Y12E_IM2COL || t->rank < (columns ? 3 : 1) || t->rank > 5 || !size || t->place > Y12E_INPUT)
		return "a tensor map's kind";
	if (t->swizzle != 0 && t->swizzle != 32 && t->swizzle != 64 && t->swizzle != 128)
		return "a tensor map's swizzle";
	if (t->offset % 16 || t->offset > (uint64_t)1 << 46)
		return "a tensor map's place";
	for (uint32_t i = 0; i < t->rank; i++) {
		uint64_t stride = i ? t->stride[i - 1] : size;

		if (!t->dim[i] || t->dim[i] > (uint64_t)1 << 32 || !t->step[i] || t->step[i] > 8)
			return "a tensor map's shape";
		if (i && (stride % 16 || !stride || stride >= (uint64_t)1 << 40))
			return "a tensor map's strides";
		last += (t->dim[i] - 1) * (i ? stride : size);
		if (last > (uint64_t)1 << 46)
			return "a tensor map's shape";
		if (!columns && (!t->box[i] || t->box[i] > 256))
			return "a tensor map's box";
		if (columns && i && i + 1 < t->rank &&
		    (t->lower[i - 1] < -128 || t->lower[i - 1] > 127 || t->upper[i - 1] < -128 || t->upper[i - 1] > 127))
			return "a tensor map's corners";
	}
	if (columns && (!t->channels || t->channels > 256 || !t->pixels || t->pixels > 1024))
		return "a tensor map's columns";
	*reach = last + size;
	return NULL;
}

/* Damage detector, not a signature: four lanes of multiply and rotate over 8-byte words, so that
 * checking costs less than reading.  Defined here because writer and reader must agree. */
static inline uint64_t
y12e_checksum(const void *data, uint64_t n)
{
	const uint8_t *p = data;
	uint64_t lane[4] = { 0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9, 0x94d049bb133111eb, 0x2545f4914f6cdd1d };
	uint64_t h = n;

	for (uint64_t i = 0; i < n; i += 32) {
		uint64_t w[4] = { 0 };

		memcpy(w, p + i, n - i < 32 ? n - i : 32);
		for (int j = 0; j < 4; j++) {
			lane[j] = (lane[j] ^ w[j]) * 0xd6e8feb86659fd93;
			lane[j] = lane[j] << 29 | lane[j] >> 35;
		}
	}
	for (int j = 0; j < 4; j++) {
		h = (h ^ lane[j]) * 0x9e3779b97f4a7c15;
		h ^= h >> 32;
	}
	return h;
}

#endif
