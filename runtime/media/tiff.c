/* tiff.c -- TIFF in (the first picture of the file), by libtiff from memory.
 *
 * The library's RGBA reader knows all photometrics, compressions, strips and
 * tiles.  It is asked for the rows as stored, since it only flips; turning by
 * the orientation tag is exif.c's work, as for the other formats.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tiffio.h>

#include "runtime/media/codec.h"

typedef struct {
	y12_bytes b;
	uint64_t at;
} Input;

static tmsize_t
in_read(thandle_t h, void *to, tmsize_t n)
{
	Input *in = h;

	if (n < 0 || in->at >= in->b.len)
		return 0;
	const uint64_t left = in->b.len - in->at;

	if ((uint64_t)n > left)
		n = (tmsize_t)left;
	memcpy(to, in->b.p + in->at, n);
	in->at += n;
	return n;
}

static tmsize_t
in_write(thandle_t h, void *from, tmsize_t n)
{
	(void)h;
	(void)from;
	(void)n;
	return 0;
}

static toff_t
in_seek(thandle_t h, toff_t off, int whence)
{
	Input *in = h;

	in->at = off + (whence == SEEK_CUR ? in->at : whence == SEEK_END ? in->b.len : 0);
	return in->at;
}

static int
in_close(thandle_t h)
{
	(void)h;
	return 0;
}

static toff_t
in_size(thandle_t h)
{
	return ((Input *)h)->b.len;
}

/* The first error names the cause; those after it are its consequences. */
static int
on_error(TIFF *tif, void *user, const char *module, const char *fmt, va_list ap)
{
	char text[Y12_ERRLEN / 2], *err = user;

	(void)tif;
	(void)module;
	if (!*err) {
		vsnprintf(text, sizeof text, fmt, ap);
		y12_media_fail(err, "TIFF: %s", text);
	}
	return 1;
}

static int
on_warning(TIFF *tif, void *user, const char *module, const char *fmt, va_list ap)
{
	(void)tif;
	(void)user;
	(void)module;
	(void)fmt;
	(void)ap;
	return 1;
}

static TIFF *
tiff_open(Input *in, char *err)
{
	TIFFOpenOptions *o = TIFFOpenOptionsAlloc();

	if (!o)
		return NULL;
	TIFFOpenOptionsSetErrorHandlerExtR(o, on_error, err);
	TIFFOpenOptionsSetWarningHandlerExtR(o, on_warning, NULL);
	/* one strip may be the whole picture, at 16 bits and 4 samples */
	TIFFOpenOptionsSetMaxSingleMemAlloc(o, (tmsize_t)MEDIA_MAX_PIXELS * 8);
	/* m: not by mmap, so that every access is checked by in_read */
	TIFF *tif = TIFFClientOpenExt("the file", "rm", in, in_read, in_write, in_seek, in_close,
	                              in_size, NULL, NULL, o);

	TIFFOpenOptionsFree(o);
	return tif;
}

bool
y12_tiff_read(y12_bytes bytes, y12_stored *out, char *err)
{
	Input in = {.b = bytes};
	uint32_t w = 0, h = 0, *raster = NULL;
	uint16_t orient = ORIENTATION_TOPLEFT;
	bool ok = false;

	*err = '\0';
	TIFF *tif = tiff_open(&in, err);

	if (!tif)
		goto done;
	TIFFGetField(tif, TIFFTAG_IMAGEWIDTH, &w);
	TIFFGetField(tif, TIFFTAG_IMAGELENGTH, &h);
	TIFFGetFieldDefaulted(tif, TIFFTAG_ORIENTATION, &orient);
	if (!y12_media_size(w, h, &out->p, err))
		goto done;
	if (orient >= 1 && orient <= 8)
		out->orient = orient;
	else
		orient = ORIENTATION_TOPLEFT;
	if (out->head) {
		ok = true;
		goto done;
	}

	const size_t n = (size_t)w * h;

	if (!y12_media_alloc(&out->p, err))
		goto done;
	if (!(raster = malloc(n * sizeof *raster))) {
		y12_media_fail(err, "out of memory");
		goto done;
	}
	if (!TIFFReadRGBAImageOriented(tif, w, h, raster, orient, 1))
		goto done;
	for (size_t i = 0; i < n; i++) {
		out->p.rgb[3 * i] = (uint8_t)TIFFGetR(raster[i]);
		out->p.rgb[3 * i + 1] = (uint8_t)TIFFGetG(raster[i]);
		out->p.rgb[3 * i + 2] = (uint8_t)TIFFGetB(raster[i]);
	}
	ok = true;
done:
	free(raster);
	if (tif)
		TIFFClose(tif);
	return ok || *err ? ok : y12_media_fail(err, "TIFF: damaged");
}
