/* save.h -- a run's folder, and the files that predict writes into it.
 *
 *     runs/detect/predict/bus.jpg                 the picture with its boxes
 *     runs/detect/predict/labels/bus.txt          save_txt
 *     runs/detect/predict/crops/person/bus.jpg    save_crop; bus2.jpg, bus3.jpg …
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_SAVE_H
#define Y12_SAVE_H

#include "driver/options.h"
#include "runtime/data/data.h"

typedef struct Saver {
	const Options *o;
	Arena *a;
	const char *dir;        /* NULL: not made yet */
	size_t labels;          /* label files written */
} Saver;

/* Writes what o asks for; draws on the picture.  False: said on stderr. */
bool save_results(Saver *s, const y12_input *in, y12_picture *p,
                  const y12_detection *d, size_t n, const y12_names *names);

#endif
