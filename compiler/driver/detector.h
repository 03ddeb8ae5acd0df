/* detector.h -- engines that find things, one for each number of pictures and frame.
 *
 *     detectors_open ─▶ Detectors ── get(4, 640x480) ─▶ Detector ── run(pictures) ─▶ detections
 *                          │ compiles what it has not compiled yet, keeps what it has
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_DETECTOR_H
#define Y12_DETECTOR_H

#include "driver/options.h"
#include "runtime/data/data.h"
#include "runtime/yolo12c.h"

typedef struct Detector {
	y12_engine *engine;
	int batch;                      /* pictures at a time */
	int most;                       /* detections in a picture */
	int classes;
	int64_t frame[2];               /* of the network: height, width; 0: the engine does not say */
	y12_names names;
	bool has_agnostic, has_limit;   /* inputs of the entry */

	/* inputs, to be set before detector_run */
	float conf;
	double iou;
	bool *keep;                     /* one a class */
	int32_t agnostic, limit;

	/* outputs of the last run */
	float *boxes, *score;
	int32_t *label;
	y12_detection *found;           /* room for `most`, for detector_found */

	Arena *a;
	const void *image;              /* what it was opened from; NULL: a file */
	size_t image_bytes;
	bool mapped;                    /* the image came from the cache */
	size_t room;                    /* for each picture, on a GPU; 0: any size */
	size_t bytes;                   /* of memory, about */
	uint64_t used;                  /* when; the oldest goes first */
} Detector;

typedef struct Detectors Detectors;

/* An engine file, or a model and weights to compile when asked: by what o says.
 * NULL: said on stderr, *code is what to exit with. */
Detectors *detectors_open(Arena *a, const Options *o, int *code);
void detectors_close(Detectors *s);     /* NULL is fine */

/* What pictures are scaled to fit, in multiples of 32: imgsz. */
void detectors_fit(const Detectors *s, int64_t fit[2]);

/* The batch and frame that an engine file was made for; NULL: compiled on demand. */
const Detector *detectors_fixed(const Detectors *s);

/* One for n pictures p and that frame (a fixed one: the one there is, n at most its
 * batch).  It stays good until the next call.  NULL: said, *code set. */
Detector *detectors_get(Detectors *s, const y12_picture *p, int n, const int64_t frame[2], int *code);

/* Runs on n pictures, 1 to batch. */
bool detector_run(Detector *d, const y12_picture *p, int n, int *code);

/* What was found in picture i of the last run, best first; good until the next call. */
const y12_detection *detector_found(Detector *d, int i, size_t *n);

#endif
