/* conv_patch.h -- the parts of a kernel that keeps a patch of the picture in shared memory, for conv_patch.c
 * itself and for pair.c, which makes the patch by a convolution.  Private to lower/.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_LOWER_CONV_PATCH_H
#define Y12_LOWER_CONV_PATCH_H

#include "lower/conv_mma.h"

enum { PIECE = 8, STEM_PLACES = 4 };    /* channels of a plane; places of the stem that are stored together */

/* What follows from a shape and a tile. */
typedef struct PatchCut {
	int th, tw, cols, stages, wm, wn, threads;
	int groups, per;                /* groups of a block, columns of each */
	bool stem;
	int64_t h, w;                   /* pixels (of the stem: pairs of them) of the patch that are read */
	int64_t row, plane, patch;      /* places of a row; elements of a plane and of a patch */
	int planes, halves;             /* planes of a group; halves of its depth, an even number */
	int64_t pitch;                  /* elements of a row of weights */
	int64_t ty, tx, tiles, columns; /* tiles of a picture, of all; ranges of columns */
	int mt, nt, warp_groups;        /* of a warp: 16 rows each, 8 columns each of one group, groups */
	bool hold;                      /* weights in registers */
} PatchCut;

typedef struct Patch {
	Gen *z;
	KBuild *b;
	const ConvShape *c;
	PatchCut u;
	DType dt;                       /* of patches and weights in shared memory */
	Val bytes;                      /* the stem's */
	uint32_t bx, bw, sa, sb;
	Reg tid, lane, warp_m, warp_n;
	Reg group, col0;                /* first group of the block; first channel of its columns in the group */
	Reg n, y0, x0;                  /* of the tile at hand */
	Reg *held;                      /* weights */
	Reg *loaded, *scale;            /* bytes on their way, and what they are worth: nothing outside the picture */
} Patch;

/* tile: TH, TW, columns, patches, warps along M, warps along N */
PatchCut patch_cut(const ConvShape *c, const int32_t *tile);
/* Planes of so many rows, padded so that copies of neighbouring pixels meet different banks. */
void patch_set_rows(PatchCut *u, int64_t rows);
/* The unit of conv_put_pixel(). */
int patch_unit(const PatchCut *u);
/* Where half h of a group lies, from the place of a tile's pixel on. */
int64_t patch_half(const Patch *m, int h);
/* This warp's part of a tile. */
void patch_place_warp(Patch *m);
/* The groups and columns that the block makes; returns its number among those that make the same ones. */
Reg patch_place_block(Patch *m);
/* n, y0 and x0 from the number of a tile. */
void patch_place(Patch *m, Reg tile);

/* Starts copying the patch of the tile at hand. */
void patch_copy(Patch *m, Reg stage);
/* The stem: 24 bytes of a row are 8 pixels, or 4 places; they begin pw pixels before a multiple of 8, so x0 is a multiple
 * of 4.  Vectors that a thread loads: 4 times patch_stem_items(). */
int patch_stem_items(const Patch *m);
void patch_load_bytes(Patch *m, Reg there);
void patch_store_bytes(Patch *m);

/* Copies of the block's weights begin, the stem's are there after a barrier; then those of two halves and up to 16
 * columns from the j-th 8 of group g of this warp's on, or all that a warp needs. */
void patch_bring_weights(Patch *m);
void patch_get_weights(Patch *m, int g, int step, int j, Reg *to);
void patch_hold_weights(Patch *m);

/* The products of a tile, and their way out. */
void patch_multiply(Patch *m, Reg stage, const Reg *sum);
void patch_finish(Patch *m, const Reg *sum);

#endif
