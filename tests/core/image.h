/* image.h -- an engine made by hand: two entries, machine code included.
 *
 *     add:    y[i] = x[i] + bias         x i32[8], bias i32[1] (100 unless given)
 *     shape:  dims = sides of image      image u8[?, ?, 3], dims i64[3]
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_TESTS_CORE_IMAGE_H
#define Y12_TESTS_CORE_IMAGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/core/format.h"
#include "runtime/yolo12c.h"

/* void kernel(void *const *arg, const int64_t task[3]), position independent, as bytes */
extern const uint8_t code_start[], code_shape[], code_end[];

#if defined(__x86_64__)
#define CODE_TARGET "host:x86-64-v2"
__asm__(".pushsection .rodata\n"
	"code_start:\n"
	"	mov	(%rsi), %rax\n"
	"	mov	(%rdi), %rcx\n"
	"	mov	(%rcx,%rax,4), %ecx\n"
	"	mov	8(%rdi), %rdx\n"
	"	add	(%rdx), %ecx\n"
	"	mov	16(%rdi), %rdx\n"
	"	mov	%ecx, (%rdx,%rax,4)\n"
	"	ret\n"
	"code_shape:\n"
	"	mov	(%rsi), %rax\n"
	"	mov	(%rdi), %rcx\n"
	"	mov	8(%rdi), %rdx\n"
	"	mov	(%rcx,%rax,8), %rcx\n"
	"	mov	%rcx, (%rdx,%rax,8)\n"
	"	ret\n"
	"code_end:\n"
	".popsection\n");
#elif defined(__aarch64__)
#define CODE_TARGET "host:aarch64"
__asm__(".pushsection .rodata\n"
	".balign 4\n"
	"code_start:\n"
	"	ldr	x2, [x1]\n"
	"	ldp	x3, x4, [x0]\n"
	"	ldr	x5, [x0, #16]\n"
	"	ldr	w3, [x3, x2, lsl #2]\n"
	"	ldr	w4, [x4]\n"
	"	add	w3, w3, w4\n"
	"	str	w3, [x5, x2, lsl #2]\n"
	"	ret\n"
	"code_shape:\n"
	"	ldr	x2, [x1]\n"
	"	ldp	x3, x4, [x0]\n"
	"	ldr	x3, [x3, x2, lsl #3]\n"
	"	str	x3, [x4, x2, lsl #3]\n"
	"	ret\n"
	"code_end:\n"
	".popsection\n");
#endif

enum { COUNT_X = 8, BIAS = 100, TENSORS = 5, ARGS = 5, TEXT_MOST = 256 };

/* The image as it lies in the file: one struct, so that a test can name what it breaks. */
typedef struct Image {
	y12e_header h;
	char text[TEXT_MOST];
	y12e_tensor tensor[TENSORS];
	y12e_entry entry[2];
	y12e_launch launch[2];
	y12e_arg arg[ARGS];
	uint32_t wait[2];
	y12e_kernel kernel[2];
	y12e_meta meta[2];
	y12e_code code[2];
	uint64_t at[2][2];              /* entry points, by code */
	_Alignas(Y12E_PAGE) uint8_t blob[64];
	_Alignas(Y12E_ALIGN) uint8_t consts[64];
} Image;

enum { IMAGE_BYTES = offsetof(Image, consts) + 64 };

static inline uint32_t
image_text(Image *im, const char *s)
{
	uint64_t n = im->h.strings.count;

	if (n + strlen(s) + 1 > TEXT_MOST)
		abort();
	strcpy(im->text + n, s);
	im->h.strings.count += strlen(s) + 1;
	return (uint32_t)n;
}

static inline void
image_seal(Image *im, uint64_t bytes)
{
	const uint64_t from = offsetof(y12e_header, arena_bytes);

	im->h.checksum = y12e_checksum((const uint8_t *)im + from, bytes - from);
}

static inline Image *
image_new(void)
{
	Image *im = aligned_alloc(Y12E_PAGE, sizeof *im);
	const int32_t bias = BIAS;

	assert_non_null(im);
	memset(im, 0, sizeof *im);
	assert_true(code_end - code_start <= (ptrdiff_t)sizeof im->blob);
	memcpy(im->blob, code_start, (size_t)(code_end - code_start));
	memcpy(im->consts, &bias, sizeof bias);

	memcpy(im->h.magic, Y12E_MAGIC, 8);
	im->h.version = Y12E_VERSION;
	im->h.file_bytes = IMAGE_BYTES;
	im->h.arena_bytes = 128;
	im->h.strings = (y12e_range){ offsetof(Image, text), 1 };
	im->h.tensors = (y12e_range){ offsetof(Image, tensor), TENSORS };
	im->h.entries = (y12e_range){ offsetof(Image, entry), 2 };
	im->h.launches = (y12e_range){ offsetof(Image, launch), 2 };
	im->h.args = (y12e_range){ offsetof(Image, arg), ARGS };
	im->h.kernels = (y12e_range){ offsetof(Image, kernel), 2 };
	im->h.metas = (y12e_range){ offsetof(Image, meta), 2 };
	im->h.codes = (y12e_range){ offsetof(Image, code), 2 };
	im->h.waits = (y12e_range){ offsetof(Image, wait), 1 };
	im->h.consts = (y12e_range){ offsetof(Image, consts), sizeof im->consts };

	im->tensor[0] = (y12e_tensor){ image_text(im, "x"), Y12_I32, 1, 0, { COUNT_X }, 0 };
	im->tensor[1] = (y12e_tensor){ image_text(im, "bias"), Y12_I32, 1, Y12E_OPTIONAL, { 1 }, 0 };
	im->tensor[2] = (y12e_tensor){ image_text(im, "y"), Y12_I32, 1, Y12E_OUTPUT, { COUNT_X }, 0 };
	im->tensor[3] = (y12e_tensor){ image_text(im, "image"), Y12_U8, 3, 0, { -1, -1, 3 }, 0 };
	im->tensor[4] = (y12e_tensor){ image_text(im, "dims"), Y12_I64, 1, Y12E_OUTPUT, { 3 }, 64 };
	im->entry[0] = (y12e_entry){ image_text(im, "add"), 0, 0, 3, 0, 1 };
	im->entry[1] = (y12e_entry){ image_text(im, "shape"), 0, 3, 2, 1, 1 };
	im->launch[0] = (y12e_launch){ 0, 0, 3, image_text(im, "model.0"), Y12E_NET, 0, 0, 0, 0 };
	im->launch[1] = (y12e_launch){ 1, 3, 2, 0, Y12E_PRE, 0, 0, 0, 0 };
	im->arg[0] = (y12e_arg){ Y12E_INPUT, 0, 0, 4 * COUNT_X };
	im->arg[1] = (y12e_arg){ Y12E_INPUT, 1, 0, 4 };
	im->arg[2] = (y12e_arg){ Y12E_ARENA, 0, 0, 4 * COUNT_X };
	im->arg[3] = (y12e_arg){ Y12E_DIMS, 0, 0, 0 };
	im->arg[4] = (y12e_arg){ Y12E_ARENA, 0, 64, 24 };
	im->kernel[0] = (y12e_kernel){ .name = image_text(im, "add_i32"), .narg = 3, .grid = { COUNT_X, 1, 1 }, .block = { 1, 1, 1 } };
	im->kernel[1] = (y12e_kernel){ .name = image_text(im, "shape_i64"), .narg = 2, .grid = { 3, 1, 1 }, .block = { 1, 1, 1 } };
	im->meta[0] = (y12e_meta){ image_text(im, "names"), image_text(im, "[\"a\",\"b\"]") };
	im->meta[1] = (y12e_meta){ image_text(im, "stride"), image_text(im, "32") };
	im->code[0] = (y12e_code){ image_text(im, "elsewhere:z80"), 0,
		{ offsetof(Image, blob), 1 }, { offsetof(Image, at[0]), 2 } };
	im->code[1] = (y12e_code){ image_text(im, CODE_TARGET), 0,
		{ offsetof(Image, blob), sizeof im->blob }, { offsetof(Image, at[1]), 2 } };
	im->at[1][1] = (uint64_t)(code_shape - code_start);
	image_seal(im, IMAGE_BYTES);
	return im;
}

#endif
