/* tune_table.h -- tiles that were measured on a machine, as a text file.
 *
 *     # yolo12c tune sm_90a; NVIDIA H100 80GB HBM3
 *     conv f16 3x3s2,2p1,1 g1 1x80x80x64 -> 40x40x128 = 128 64 64 4 2 2 0 0   # 5.32 us; 6.10 by the model
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_DRIVER_TUNE_TABLE_H
#define Y12_DRIVER_TUNE_TABLE_H

#include "driver/compile.h"

typedef struct TuneRow {
	int32_t tile[TILE_MAX];         /* first: Target.tuned points here */
	double seconds, model;          /* measured: of this tile, and of the model's */
} TuneRow;

/* The table for a target: YOLO12C_TUNE, else the one that comes with yolo12c.  NULL: there is none. */
const char *tune_path(Arena *a, const Target *t);

/* key -> TuneRow.  NULL: *err. */
Map *tune_read(Arena *a, const char *path, const char **err);
const char *tune_write(Arena *a, const char *path, const Target *t, const char *gpu, const Map *rows);  /* NULL, or why not */

/* Lets o->target, if it is a GPU, use its table; o->tune says which.  NULL, or what is wrong with it. */
const char *tune_use(Arena *a, CompileOptions *o);

#endif
