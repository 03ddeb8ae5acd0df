/* png.c -- PNG in and out, by libpng.
 *
 * Everything becomes 8-bit RGB as stored: palette looked up, grey replicated,
 * the low byte of 16 bits dropped (not rounded), alpha and tRNS dropped without
 * blending; gAMA, iCCP and the like are left alone, because a network was
 * trained on the numbers in the files.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "runtime/media/codec.h"

static void
on_error(png_structp png, png_const_charp text)
{
	y12_media_fail(png_get_error_ptr(png), "PNG: %s", text);
	png_longjmp(png, 1);
}

static void
on_warning(png_structp png, png_const_charp text)
{
	(void)png;
	(void)text;
}

/* ---- reading ---------------------------------------------------------------- */

static void
take(png_structp png, png_bytep to, size_t n)
{
	y12_bytes *in = png_get_io_ptr(png);

	if (n > in->len)
		png_error(png, "the file ends early");
	memcpy(to, in->p, n);
	in->p += n;
	in->len -= n;
}

static uint32_t
big32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

/* eXIf may stand behind the pixels, so the chunks are walked by hand: the size
 * of a picture needs its orientation without decoding it.
 * false: the bytes end before the walk is sure. */
static bool
orientation(y12_bytes in, int *orient)
{
	enum { SIGNATURE = 8, FRAME = 12 };     /* length, name, CRC */

	*orient = 1;
	for (size_t at = SIGNATURE; in.len - at >= FRAME; ) {
		const size_t len = big32(in.p + at);
		const uint8_t *name = in.p + at + 4;

		if (memcmp(name, "IEND", 4) == 0)
			return true;
		if (len > in.len - at - FRAME)
			return false;
		if (memcmp(name, "eXIf", 4) == 0) {
			*orient = y12_exif_orientation((y12_bytes){name + 4, len});
			return true;
		}
		at += len + FRAME;
	}
	return false;
}

bool
y12_png_read(y12_bytes in, y12_stored *out, char *err)
{
	y12_bytes rest = in;
	png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, err, on_error, on_warning);
	png_infop info = png ? png_create_info_struct(png) : NULL;
	png_bytep *volatile rows = NULL;
	volatile bool ok = false;

	if (!info) {
		png_destroy_read_struct(&png, NULL, NULL);
		return y12_media_fail(err, "out of memory");
	}
	if (setjmp(png_jmpbuf(png)))
		goto done;
	png_set_read_fn(png, &rest, take);
	png_set_user_limits(png, MEDIA_MAX_SIDE, MEDIA_MAX_SIDE);
	png_read_info(png, info);
	if (!y12_media_size(png_get_image_width(png, info), png_get_image_height(png, info), &out->p, err))
		goto done;
	if (!orientation(in, &out->orient) && out->head) {
		y12_media_fail(err, "PNG: the file ends early");
		goto done;
	}
	if (out->head) {
		ok = true;
		goto done;
	}

	png_set_strip_16(png);
	png_set_palette_to_rgb(png);
	png_set_expand_gray_1_2_4_to_8(png);
	png_set_gray_to_rgb(png);
	png_set_strip_alpha(png);
	png_set_interlace_handling(png);
	png_read_update_info(png, info);

	const size_t stride = (size_t)out->p.width * 3;

	if (png_get_rowbytes(png, info) != stride)
		png_error(png, "unexpected kind of pixels");
	if (!y12_media_alloc(&out->p, err))
		goto done;
	if (!(rows = malloc(out->p.height * sizeof *rows))) {
		y12_media_fail(err, "out of memory");
		goto done;
	}
	for (int y = 0; y < out->p.height; y++)
		rows[y] = out->p.rgb + y * stride;
	png_read_image(png, rows);
	png_read_end(png, NULL);
	ok = true;
done:
	free(rows);
	png_destroy_read_struct(&png, &info, NULL);
	return ok;
}

/* ---- writing ---------------------------------------------------------------- */

typedef struct {
	uint8_t *p;
	size_t len, cap;
} Sink;

static void
put(png_structp png, png_bytep from, size_t n)
{
	Sink *s = png_get_io_ptr(png);

	if (n > s->cap - s->len) {
		const size_t cap = (s->len + n) * 2;
		uint8_t *p = realloc(s->p, cap);

		if (!p)
			png_error(png, "out of memory");
		s->p = p;
		s->cap = cap;
	}
	memcpy(s->p + s->len, from, n);
	s->len += n;
}

static void
flush(png_structp png)
{
	(void)png;
}

bool
y12_png_encode(const y12_picture *p, uint8_t **out, size_t *len, char *err)
{
	Sink sink = {0};        /* libpng has its address, so longjmp finds it as it is */
	png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, err, on_error, on_warning);
	png_infop info = png ? png_create_info_struct(png) : NULL;

	if (!info) {
		png_destroy_write_struct(&png, NULL);
		return y12_media_fail(err, "out of memory");
	}
	if (setjmp(png_jmpbuf(png))) {
		png_destroy_write_struct(&png, &info);
		free(sink.p);
		return false;
	}
	png_set_write_fn(png, &sink, put, flush);
	png_set_IHDR(png, info, p->width, p->height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
	             PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
	png_write_info(png, info);
	for (int y = 0; y < p->height; y++)
		png_write_row(png, p->rgb + (size_t)y * p->width * 3);
	png_write_end(png, NULL);
	png_destroy_write_struct(&png, &info);
	*out = sink.p;
	*len = sink.len;
	return true;
}
