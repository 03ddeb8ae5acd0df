/* bmp.c -- BMP in, by hand: OS/2 and Windows headers, 1 to 32 bits, RLE4, RLE8.
 *
 *     "BM" size - offset | header size  width height planes bits  compression ... | palette or masks | rows
 *     0                  | 14                                                                        ^ offset
 *
 * Rows go from the bottom up (from the top down when the height is negative) and
 * are padded to 4 bytes.  An alpha byte is dropped.  16-bit pixels fill their low
 * bits with zeros and not by replication, because the reference does.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/media/codec.h"

enum { FILE_HEADER = 14, CORE_HEADER = 12, INFO_HEADER = 40 };
enum { BI_RGB, BI_RLE8, BI_RLE4, BI_BITFIELDS, BI_ALPHABITFIELDS = 6 };

typedef struct {
	int bits, compression;
	bool top_down;
	uint32_t mask[3];               /* red, green, blue of a 16- or 32-bit pixel */
	uint8_t palette[256][3];        /* r g b; black past its end */
	size_t offset;                  /* of the pixels */
} Bmp;

static uint32_t
little16(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8;
}

static uint32_t
little32(const uint8_t *p)
{
	return little16(p) | little16(p + 2) << 16;
}

/* ---- header ------------------------------------------------------------------- */

static bool
kind_is_known(const Bmp *b)
{
	switch (b->compression) {
	case BI_RGB:
		return b->bits == 1 || b->bits == 4 || b->bits == 8
		    || b->bits == 16 || b->bits == 24 || b->bits == 32;
	case BI_RLE8: return b->bits == 8 && !b->top_down;
	case BI_RLE4: return b->bits == 4 && !b->top_down;
	case BI_BITFIELDS:
	case BI_ALPHABITFIELDS: return b->bits == 16 || b->bits == 32;
	default: return false;
	}
}

static bool
read_masks(y12_bytes in, Bmp *b, char *err)
{
	static const uint32_t by_default[2][3] = {
		{0x7c00, 0x03e0, 0x001f}, {0xff0000, 0x00ff00, 0x0000ff},
	};

	memcpy(b->mask, by_default[b->bits == 32], sizeof b->mask);
	if (b->compression == BI_RGB)
		return true;
	/* behind the 40-byte header or, in a longer one, as its next fields */
	if (in.len < FILE_HEADER + INFO_HEADER + 12)
		return y12_media_fail(err, "BMP: the file ends early");
	for (int c = 0; c < 3; c++) {
		b->mask[c] = little32(in.p + FILE_HEADER + INFO_HEADER + 4 * c);
		if (b->mask[c] == 0)
			return y12_media_fail(err, "BMP: a colour has no bits in its pixels");
	}
	return true;
}

static bool
read_palette(y12_bytes in, Bmp *b, size_t header, uint32_t used, char *err)
{
	const size_t entry = header == CORE_HEADER ? 3 : 4, at = FILE_HEADER + header;
	const size_t n = used > 0 && used <= 1u << b->bits ? used : 1u << b->bits;

	if (in.len - at < n * entry)
		return y12_media_fail(err, "BMP: the file ends early");
	for (size_t i = 0; i < n; i++)
		for (int c = 0; c < 3; c++)
			b->palette[i][c] = in.p[at + i * entry + 2 - c];
	return true;
}

static bool
read_header(y12_bytes in, Bmp *b, y12_picture *p, char *err)
{
	if (in.len < FILE_HEADER + CORE_HEADER)
		return y12_media_fail(err, "BMP: the file ends early");
	const uint8_t *h = in.p + FILE_HEADER;
	const size_t header = little32(h);
	uint32_t width, height, used = 0;

	if (header != CORE_HEADER && header < INFO_HEADER)
		return y12_media_fail(err, "BMP: unknown header of %zu bytes", header);
	if (in.len - FILE_HEADER < header)
		return y12_media_fail(err, "BMP: the file ends early");
	if (header == CORE_HEADER) {
		width = little16(h + 4);
		height = little16(h + 6);
		b->bits = (int)little16(h + 10);
	} else {
		width = little32(h + 4);
		height = little32(h + 8);
		b->bits = (int)little16(h + 14);
		b->compression = (int)(little32(h + 16) & 0xffff);
		used = little32(h + 32);
		b->top_down = height >> 31;
		if (b->top_down)
			height = 0u - height;
	}
	b->offset = little32(in.p + 10);
	if (!kind_is_known(b))
		return y12_media_fail(err, "BMP: %d bits with compression %d is not read", b->bits, b->compression);
	return y12_media_size(width, height, p, err)
	    && (b->bits > 8 || read_palette(in, b, header, used, err))
	    && (b->bits < 16 || b->bits == 24 || read_masks(in, b, err));
}

/* ---- pixels ------------------------------------------------------------------- */

static uint8_t *
row_at(const Bmp *b, const y12_picture *p, int y)
{
	return p->rgb + (size_t)(b->top_down ? y : p->height - 1 - y) * p->width * 3;
}

static uint8_t
masked(uint32_t pixel, uint32_t mask, int bits)
{
	const int shift = __builtin_ctz(mask);
	const uint64_t v = (pixel & mask) >> shift, max = mask >> shift;

	if (bits == 16 && max < 256)
		return (uint8_t)(v << __builtin_clz((uint32_t)max) >> 24);
	return (uint8_t)((v * 255 + max / 2) / max);
}

static void
unpack_row(const Bmp *b, const uint8_t *in, uint8_t *out, int width)
{
	for (int x = 0; x < width; x++, out += 3) {
		if (b->bits <= 8) {
			const int bit = x * b->bits;
			const int i = in[bit >> 3] >> (8 - b->bits - (bit & 7)) & ((1 << b->bits) - 1);

			memcpy(out, b->palette[i], 3);
		} else if (b->bits == 24) {
			for (int c = 0; c < 3; c++)
				out[c] = in[3 * x + 2 - c];
		} else {
			const uint32_t v = b->bits == 16 ? little16(in + 2 * x) : little32(in + 4 * (size_t)x);

			for (int c = 0; c < 3; c++)
				out[c] = masked(v, b->mask[c], b->bits);
		}
	}
}

/* A stream of pairs: n i = n pixels of index i (RLE4: of two, in turn);
 * 0 0 = end of line, 0 1 = end, 0 2 dx dy = skip, 0 n = n literal indices, padded
 * to 2 bytes.  What is skipped shows colour 0. */
static bool
unpack_rle(const Bmp *b, y12_bytes in, y12_picture *p)
{
	const int per_byte = 8 / b->bits;
	size_t at = b->offset;
	int x = 0, y = 0;

	for (size_t i = 0; i < (size_t)p->width * p->height; i++)
		memcpy(p->rgb + 3 * i, b->palette[0], 3);
	while (y < p->height && at + 2 <= in.len) {
		const int n = in.p[at], v = in.p[at + 1];

		at += 2;
		if (n == 0 && v == 1)
			return true;
		if (n == 0 && v == 0) {
			x = 0;
			y++;
			continue;
		}
		if (n == 0 && v == 2) {
			if (at + 2 > in.len)
				return false;
			x += in.p[at];
			y += in.p[at + 1];
			at += 2;
			if (x > p->width)
				return false;
			continue;
		}
		const int count = n ? n : v;
		const size_t bytes = n ? 0 : ((size_t)(v + per_byte - 1) / per_byte + 1) & ~(size_t)1;

		if (bytes > in.len - at || count > p->width - x)
			return false;
		uint8_t *out = row_at(b, p, y) + 3 * x;

		for (int i = 0; i < count; i++) {
			const int byte = n ? v : in.p[at + i / per_byte];
			const int index = b->bits == 8 ? byte : byte >> (i & 1 ? 0 : 4) & 15;

			memcpy(out + 3 * i, b->palette[index], 3);
		}
		x += count;
		at += bytes;
	}
	return y >= p->height;
}

bool
y12_bmp_read(y12_bytes in, y12_stored *out, char *err)
{
	Bmp b = {0};
	y12_picture *p = &out->p;

	if (!read_header(in, &b, p, err))
		return false;
	if (out->head)
		return true;
	if (b.compression == BI_RLE8 || b.compression == BI_RLE4) {
		if (!y12_media_alloc(p, err))
			return false;
		return unpack_rle(&b, in, p) || y12_media_fail(err, "BMP: its run lengths do not fit the picture");
	}
	const size_t stride = ((size_t)p->width * b.bits + 31) / 32 * 4;
	const size_t used = ((size_t)p->width * b.bits + 7) / 8;   /* the last row may lack its padding */

	if (b.offset > in.len || (p->height - 1) * stride + used > in.len - b.offset)
		return y12_media_fail(err, "BMP: the file ends early");
	if (!y12_media_alloc(p, err))
		return false;
	for (int y = 0; y < p->height; y++)
		unpack_row(&b, in.p + b.offset + y * stride, row_at(&b, p, y), p->width);
	return true;
}
