/* conv_mma.h -- a convolution in numbers, and its kernel for matrix units.  Private to lower/.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_LOWER_CONV_MMA_H
#define Y12_LOWER_CONV_MMA_H

#include "lower/gen.h"

/* h, w1, oh, ow are those that the kernel sees: of one long row if flat */
typedef struct ConvShape {
	Val x, w, bias, root;
	int64_t n, h, w1, c;            /* input; c channels a group */
	int64_t oh, ow, oc;             /* output; oc in all */
	int64_t r, s, sh, sw, ph, pw;   /* kernel, strides, pads */
	int64_t groups, pack, blocks;
	bool flat;                      /* 1x1, stride 1, and pixels follow each other everywhere */
	bool flat_out;                  /* (GPU) pixels of all pictures follow each other in out and epilogue */
	/* how the direct kernel cuts it */
	int lanes, vecs, pixels;
	int64_t rows, blocks_a_task;
} ConvShape;

enum { CONV_TILE = 7 };

/* A tile that the kernel can be made for, and what the model says it costs. */
typedef struct ConvTile { int32_t tile[CONV_TILE]; double cost; } ConvTile;

bool conv_mma_fits(const ConvShape *c, const Target *t, const Node *x);
/* All tiles, in no order: at least one if conv_mma_fits(). */
int conv_mma_candidates(const ConvShape *c, const Target *t, ConvTile *to, int most);
void choose_conv_mma(const ConvShape *c, const Target *t, Group *gr);
bool lower_conv_mma(LowerCtx *cx, uint32_t group, const ConvShape *c, LoweredList *out, const char **err);

#endif
