/* letterbox.c -- the smallest frame that a scaled picture fits (yolov12.md 3.2).
 *
 *     427 x 640, to fit 640 x 640:  scaled by 1 to 427 x 640; 213 rows are left, of
 *     which whole multiples of 32 are dropped: 21 stay, the frame is 448 x 640.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "runtime/data/data.h"

void
y12_letterbox_frame(int h, int w, const int64_t fit[2], int64_t frame[2])
{
	const int side[2] = { h, w };
	double r = fmin((double)fit[0] / h, (double)fit[1] / w);

	for (int i = 0; i < 2; i++) {
		int64_t scaled = (int64_t)nearbyint(side[i] * r);

		scaled = scaled < 1 ? 1 : scaled > fit[i] ? fit[i] : scaled;
		frame[i] = scaled + (fit[i] - scaled) % 32;
	}
}
