/* conv_mma.h -- a convolution in numbers, and its kernels for matrix units.  Private to lower/.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_LOWER_CONV_MMA_H
#define Y12_LOWER_CONV_MMA_H

#include "lower/gen.h"

/* h, w1, oh, ow are those that the kernel sees: of one long row if flat */
typedef struct ConvShape {
	Val x, w, bias, root;
	Val mean;                       /* expect of the channels in the group, 0: none; then only conv_put_row() will do */
	int64_t n, h, w1, c;            /* input; c channels a group */
	int64_t oh, ow, oc;             /* output; oc in all */
	int64_t r, s, sh, sw, ph, pw;   /* kernel, strides, pads */
	int64_t groups, pack, blocks;
	bool whole;                     /* for conv_put_row(): there is no row past the last pixel */
	uint32_t bias_at;               /* the bias in shared memory, f32; 0: in memory */
	int operands;                   /* values that the epilogue reads, besides bias */
	int bytes;                      /* of an element of x and w */
	bool tf32;                      /* f32 whose products may be made in tf32 */
	bool flat;                      /* 1x1, stride 1, and pixels of the input follow each other */
	bool flat_out;                  /* pixels follow each other in out and epilogue; of all pictures, for matrix units */
	int64_t row;                    /* pixels of a row of the result, whatever ow is */
	/* how the direct kernel cuts it */
	int lanes, vecs, pixels;
	int64_t rows, blocks_a_task;
} ConvShape;

enum { CONV_TILE = 7 };

/* A tile that the kernel can be made for, and what the model says it costs. */
typedef struct ConvTile { int32_t tile[CONV_TILE]; double cost; } ConvTile;

/* The group's root in numbers. */
ConvShape conv_of(const Graph *g, const Group *gr);
bool conv_is_pointwise(const ConvShape *c);     /* 1x1, no stride, no padding */

bool conv_mma_fits(const ConvShape *c, const Target *t, const Node *x);
/* All tiles, in no order: at least one if conv_mma_fits(). */
int conv_mma_candidates(const ConvShape *c, const Target *t, ConvTile *to, int most);
bool lower_conv_mma(LowerCtx *cx, uint32_t group, const ConvShape *c, const int32_t *tile, LoweredList *out);

/* The last number of a tile: whose it is. */
enum { CONV_MMA, CONV_WGMMA, CONV_PATCH, CONV_SQUARES };

/* conv_wgmma.c: on sm_90a; its tiles end with a 1 or 3.  Only for places of x that a tensor map can describe. */
bool conv_wgmma_fits(const ConvShape *c, const Target *t, const Node *x);
int conv_wgmma_candidates(const ConvShape *c, const Target *t, ConvTile *to, int most);
bool conv_wgmma_place(const Graph *g, const ConvShape *c, const Group *gr);
bool lower_conv_wgmma(LowerCtx *cx, uint32_t group, const ConvShape *c, const int32_t *tile, LoweredList *out);

/* conv_patch.c: tiles end with a 2.  The first convolution, too, where it reads bytes. */
bool conv_patch_stem(const ConvShape *c, const Graph *g);
/* … by its shape alone, with products of dt */
bool conv_patch_takes(const ConvShape *c, const Target *t, DType dt);
bool conv_patch_fits(const ConvShape *c, const Target *t, const Graph *g);
int conv_patch_candidates(const ConvShape *c, const Target *t, ConvTile *to, int most);
bool lower_conv_patch(LowerCtx *cx, uint32_t group, const ConvShape *c, const int32_t *tile, LoweredList *out);

/* Sums of a block that lie in shared memory, f32 [bm][bn + 8], go through the epilogue, which all threads
 * begin together after a barrier. */
typedef struct ConvTileAt {
	uint32_t sy;
	int bm, bn, threads;
	Reg tid, row0, col0, group;     /* row0, col0: of the block, in the group's part of the result */
} ConvTileAt;
void conv_put_tile(Gen *z, const ConvShape *c, const ConvTileAt *t);

/* Or straight from the sums: pair[j] has what this thread's lane q = lane % 4 has of columns 8 j … 8 j + 7 of pixel p.
 * Column 8 unit i + 8 j + 2 q + e (j < unit) is channel 8 unit i + 2 unit q + 2 j + e of the block, so that
 * a lane's are 2 unit side by side.  ch: the lane's first channel; end: where channels end, 0: the tile does not pass it. */
void conv_put_row(Gen *z, const ConvShape *c, Reg p, Reg ch, Reg end, int unit, int columns, const Reg *pair);
/* … of the pixel at `at`, whose channel is the lane's first; unit may be 1. */
void conv_put_pixel(Gen *z, const ConvShape *c, const Coord *at, Reg end, int unit, int columns, const Reg *pair);
/* Which of a block's channels has its weights in `row`, so that a lane's channels are those of conv_put_row(). */
Reg conv_channel(KBuild *b, int unit, Reg row);
/* The unit for that many channels in tiles of so many columns; 0: there is none. */
int conv_unit(int64_t channels, int columns);

/* conv.c, for tuning: of convolutions that the matrix units do */
const char *conv_key(Arena *a, const Graph *g, const Target *t, const Group *gr);
int conv_candidates(const Graph *g, const Target *t, const Group *gr, LowerTile *to, int most);

/* What it costs as a launch of its own that makes products of dt and reads and writes so many bytes, in clocks of a
 * multiprocessor, whatever group it is in: with what a launch less saves in a graph of them, CONV_LAUNCH.  Clocks of
 * bytes: 0 if they stay in the second-level cache. */
#define CONV_LAUNCH 1200.0
double conv_apart_clocks(const Graph *g, const Target *t, const ConvShape *c, DType dt, int64_t bytes);
double conv_memory_clocks(const Target *t, double bytes);

/* chain.c, pair.c */
const char *chain_key(Arena *a, const Graph *g, const Target *t, const Group *gr);
int chain_candidates(const Graph *g, const Target *t, const Group *gr, LowerTile *to, int most);
const char *pair_key(Arena *a, const Graph *g, const Target *t, const Group *gr);
int pair_candidates(const Graph *g, const Target *t, const Group *gr, LowerTile *to, int most);

#endif
