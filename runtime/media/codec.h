/* codec.h -- what picture.c and the picture formats of this room share.
 *
 *     bytes --magic--> one reader --> stored picture + orientation --turn--> y12_picture
 *
 * A reader checks the size with y12_media_size() before it allocates anything
 * for it, and leaves p->rgb to picture.c to free, on failure too.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_MEDIA_CODEC_H
#define Y12_MEDIA_CODEC_H

#include "runtime/media/media.h"

enum {
	MEDIA_MAX_SIDE = 65535,         /* what a JPEG header can say */
	MEDIA_MAX_PIXELS = 1 << 28,     /* 768 MiB of RGB */
};

typedef struct y12_bytes {
	const uint8_t *p;
	size_t len;
} y12_bytes;

/* A picture as stored.  With head set a reader stops after the header: width,
 * height and orient are filled, rgb stays NULL. */
typedef struct y12_stored {
	y12_picture p;
	int orient;             /* EXIF 1..8 */
	bool head;
} y12_stored;

typedef bool y12_reader(y12_bytes in, y12_stored *out, char *err);

y12_reader y12_jpeg_read, y12_png_read, y12_webp_read, y12_bmp_read, y12_tiff_read;

/* An encoded picture: malloc'ed bytes.  false with a message in err, and nothing to free. */
bool y12_jpeg_encode(const y12_picture *p, int quality, bool subsample,
                     uint8_t **out, size_t *len, char *err);
bool y12_png_encode(const y12_picture *p, uint8_t **out, size_t *len, char *err);

/* exif.c */
int y12_exif_orientation(y12_bytes tiff);              /* 1 when there is none, or nonsense */
bool y12_exif_turn(y12_picture *p, int orient);        /* false: no memory, p unchanged */

/* picture.c: always false, so that a reader can return it */
bool y12_media_fail(char *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool y12_media_size(uint32_t width, uint32_t height, y12_picture *p, char *err);
bool y12_media_alloc(y12_picture *p, char *err);       /* zeroed rgb for its size */

#endif
