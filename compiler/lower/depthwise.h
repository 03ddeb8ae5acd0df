/* depthwise.h -- what the kernels for depthwise convolution share.  Private to lower/.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_LOWER_DEPTHWISE_H
#define Y12_LOWER_DEPTHWISE_H

#include "lower/gen.h"

/* numbers of a tile of depthwise_patch.c; depthwise.c's has fewer */
enum { DEPTHWISE_PATCH_TILE = 5 };

/* A tile of depthwise_patch.c if it does the convolution, and does it faster. */
bool depthwise_patch_choose(const Graph *g, const Target *t, Group *gr, int *pack);
bool lower_depthwise_patch(LowerCtx *cx, uint32_t group, LoweredList *out);

#endif
