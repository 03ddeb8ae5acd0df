/* exif.c -- how a camera was held: the orientation tag, and turning by it.
 *
 *      1        2        3        4          5          6          7          8
 *   a b c    c b a    f e d    d e f       a d        d a        f c        c f
 *   d e f    f e d    c b a    a b c       b e        e b        e b        b e
 *                                          c f        f c        d a        a d
 *
 * The stored picture looks like one of these when the scene is "abc / def" the
 * other way round: to show it, read the stored picture through the same figure.
 * Each is a transposition or none, then columns mirrored, rows mirrored or not.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/media/codec.h"

static uint32_t
number(y12_bytes b, size_t at, int bytes, bool big)
{
	uint32_t v = 0;

	for (int i = 0; i < bytes; i++)
		v |= (uint32_t)b.p[at + i] << 8 * (big ? bytes - 1 - i : i);
	return v;
}

/* b: the TIFF structure inside EXIF, from "II" or "MM" on.  Only its first
 * directory matters; the second is about the thumbnail.  The type of the entry is
 * not looked at: some cameras call it LONG, and the reference reads them. */
int
y12_exif_orientation(y12_bytes b)
{
	enum { ENTRY = 12, TAG_ORIENTATION = 0x0112 };

	if (b.len < 8 || (memcmp(b.p, "II*\0", 4) != 0 && memcmp(b.p, "MM\0*", 4) != 0))
		return 1;
	const bool big = b.p[0] == 'M';
	const size_t dir = number(b, 4, 4, big);

	if (dir > b.len - 2)
		return 1;
	size_t n = number(b, dir, 2, big);

	for (size_t at = dir + 2; n > 0 && b.len - at >= ENTRY; n--, at += ENTRY) {
		if (number(b, at, 2, big) != TAG_ORIENTATION)
			continue;
		const uint32_t v = number(b, at + 8, 2, big);

		return v >= 1 && v <= 8 ? (int)v : 1;
	}
	return 1;
}

bool
y12_exif_turn(y12_picture *p, int orient)
{
	enum { TILE = 64 };     /* a transposition by tiles stays in the cache */
	static const struct {
		bool transpose, columns, rows;
	} how[9] = {
		[2] = {false, true, false}, [3] = {false, true, true}, [4] = {false, false, true},
		[5] = {true, false, false}, [6] = {true, false, true}, [7] = {true, true, true},
		[8] = {true, true, false},
	};

	if (orient < 2 || orient > 8)
		return true;
	const ptrdiff_t w = p->width, h = p->height;
	const int W = how[orient].transpose ? p->height : p->width;
	const int H = how[orient].transpose ? p->width : p->height;
	/* pixel (x, y) of the result is pixel first + x * dx + y * dy of what is stored */
	const ptrdiff_t col = how[orient].columns ? -1 : 1, row = how[orient].rows ? -w : w;
	const ptrdiff_t first = (col < 0 ? w - 1 : 0) + (row < 0 ? w * (h - 1) : 0);
	const ptrdiff_t dx = how[orient].transpose ? row : col;
	const ptrdiff_t dy = how[orient].transpose ? col : row;
	uint8_t *rgb = malloc((size_t)w * h * 3);

	if (!rgb)
		return false;
	for (int y0 = 0; y0 < H; y0 += TILE)
		for (int x0 = 0; x0 < W; x0 += TILE)
			for (int y = y0; y < H && y < y0 + TILE; y++)
				for (int x = x0; x < W && x < x0 + TILE; x++)
					memcpy(rgb + 3 * ((size_t)y * W + x),
					       p->rgb + 3 * (first + x * dx + y * dy), 3);
	free(p->rgb);
	*p = (y12_picture){rgb, W, H};
	return true;
}
