/* format.h -- the engine file, .y12e: one flat image that is mapped and used in place.
 *
 *     header | sections: strings, tensors, entries, launches, args, kernels, meta | code | consts
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

#include <stdint.h>
#include <string.h>

#define Y12E_MAGIC "Y12ENGN\n"
enum { Y12E_VERSION = 1, Y12E_PAGE = 4096, Y12E_ALIGN = 64, Y12E_RANK = 6 };

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
	uint32_t reserved;
} y12e_launch;
enum { Y12E_PRE, Y12E_NET, Y12E_POST };

typedef struct y12e_arg {
	uint32_t kind;          /* Y12E_ARENA … */
	uint32_t tensor;        /* INPUT, DIMS: index among the entry's tensors */
	uint64_t offset;        /* bytes in arena or consts */
	uint64_t bytes;         /* that the kernel may touch from there; 0: known when it runs */
} y12e_arg;
enum { Y12E_ARENA, Y12E_CONST, Y12E_INPUT, Y12E_DIMS };

typedef struct y12e_kernel {
	uint32_t name;
	uint32_t narg;
	uint32_t grid[3];
	uint32_t block[3];
} y12e_kernel;

/* Code of all kernels for one target. */
typedef struct y12e_code {
	uint32_t target;        /* string: "host:x86-64-v3" */
	uint32_t reserved;
	y12e_range blob;        /* bytes; offset a multiple of Y12E_PAGE */
	y12e_range entry;       /* uint64_t each: offset of kernel i inside the blob */
} y12e_code;

typedef struct y12e_meta { uint32_t key, value; } y12e_meta;

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
