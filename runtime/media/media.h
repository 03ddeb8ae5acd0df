/* media.h -- pictures: read, draw on, write.  The one place that knows JPEG,
 * PNG, WebP, BMP, TIFF and cairo; runtime/core includes nothing of it.
 *
 * A picture in memory is 8-bit RGB, rows from the top, no padding between rows.
 * A side has 65535 pixels at most, a picture 2^28.  Nothing here keeps state:
 * threads may read, draw and write different pictures at the same time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_MEDIA_H
#define Y12_MEDIA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct y12_picture {
	uint8_t *rgb;           /* height * width * 3 bytes; free with y12_picture_free */
	int width, height;      /* after EXIF orientation */
} y12_picture;

enum { Y12_ERRLEN = 512 };

/**
 * Decode a picture held in memory, as the reference reads it (yolov12.md 3.1):
 * EXIF orientation applied (JPEG, and PNG with eXIf), grey replicated, alpha and tRNS dropped without
 * blending, high byte of 16-bit samples, gAMA/iCCP ignored, Adobe CMYK by
 * k - ((255 - c) * k >> 8); accurate integer IDCT and fancy upsampling.
 * A JPEG that ends early is an error.
 *
 * @param name  of the file, may be NULL; its extension shapes messages, no more
 * @param err   Y12_ERRLEN bytes; on failure a sentence without the name
 * @return true and *out filled, or false and *out zero.
 */
bool y12_picture_decode(const void *data, size_t len, const char *name,
                        y12_picture *out, char *err);
bool y12_picture_read(const char *path, y12_picture *out, char *err);
/* Size only, from the header, orientation applied; cheap. */
bool y12_picture_size(const char *path, int *width, int *height, char *err);
void y12_picture_free(y12_picture *p);

/* The extension (any case) is one of those we read: bmp jpeg jpg mpo png tif tiff webp. */
bool y12_picture_extension(const char *path);

/* Written beside and renamed.  quality 1..100; subsample: 4:2:0, else 4:4:4. */
bool y12_picture_write_jpeg(const char *path, const y12_picture *p, int quality,
                            bool subsample, char *err);
bool y12_picture_write_png(const char *path, const y12_picture *p, char *err);

/* A box to draw: corners in pixels of the picture; text may be NULL (no label). */
typedef struct y12_box {
	float x0, y0, x1, y1;
	int color;              /* index into the 20-colour palette, modulo 20 */
	const char *text;       /* UTF-8 */
} y12_box;

/**
 * Draw boxes and labels onto the picture, in order.
 *
 * @param line_width  pixels; 0: max(round((H + W + 3) / 2 * 0.003), 2) (yolov12.md 3.7)
 *
 * Text grows with the picture, stays inside it (a label at the top edge goes
 * inside its box; one that would cover another goes inside or under its box),
 * and is black or white, whichever reads better on the colour.  Boxes with
 * corners that are no numbers are left out; sides up to 32767 pixels.
 */
bool y12_picture_draw(y12_picture *p, const y12_box *box, size_t n, int line_width, char *err);

/* Palette of yolov12.md 3.7: 0xRRGGBB. */
uint32_t y12_palette(int index);

/* A rectangle of the picture as a new picture (corners clipped to it; false if empty). */
bool y12_picture_crop(const y12_picture *p, int x0, int y0, int x1, int y1, y12_picture *out);

#endif
