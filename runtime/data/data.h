/* data.h -- where pictures come from, and where what was found in them goes.
 *
 *     source.c      "street/", "*.jpg", "list.txt", "-"  ->  a list of pictures
 *     letterbox.c   the network's frame for a picture
 *     summary.c     "4 persons, 1 bus, "
 *     labels.c      lines of a label file
 *     json.c        the same for machines
 *     rundir.c      runs/detect/predict, predict2, …
 *
 * On failure a function fills err (Y12_ERRLEN bytes) with a sentence.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_DATA_H
#define Y12_DATA_H

#include "runtime/media/media.h"

/* A thing found in a picture; corners in pixels of the picture. */
typedef struct y12_detection {
	float x0, y0, x1, y1;
	float score;
	int label;
} y12_detection;

/* Class names.  y12_class_name() of one that has no name is "class7". */
typedef struct y12_names {
	const char *const *name;
	int n;
} y12_names;

const char *y12_class_name(const y12_names *names, int label, char buf[24]);

/* ---- pictures to look at ----------------------------------------------------------- */

typedef struct y12_input {
	char *path;             /* absolute, as log lines give it; "-" for standard input */
	char *stem;             /* name of results: the file's without extension, and "-2" … where several
	                           pictures of the source share that */
} y12_input;

typedef struct y12_source {
	y12_input *input;
	size_t n;
	size_t videos;          /* files left out because they are videos */
	size_t renamed;         /* inputs whose stem is not their file's */
} y12_source;

/**
 * List the pictures that a source names:
 *
 *     bus.jpg       that file, whatever its extension
 *     street/       pictures in that folder, not below it, by name
 *     a*.jpg        pictures that match (a ** stands for any folders), by name
 *     list.txt      a path a line: from the current folder, else from the list's; a line
 *                   that begins with ./ always from the list's
 *     -             one picture from standard input
 *
 * Nothing is decoded yet.  False: nothing is there to look at, and err says what was
 * looked for.
 */
bool y12_source_open(const char *spec, y12_source *out, char *err);
void y12_source_free(y12_source *s);
bool y12_source_read(const y12_source *s, size_t i, y12_picture *out, char *err);

/* ---- the network's frame ------------------------------------------------------------ */

/* Height and width of the smallest frame, in multiples of 32, around a picture of h x w
 * pixels that is scaled to fit into fit[0] x fit[1] (multiples of 32). */
void y12_letterbox_frame(int h, int w, const int64_t fit[2], int64_t frame[2]);

/* ---- results ------------------------------------------------------------------------- */

/* "2 persons, 1 bus, " with classes in rising order; "(no detections), ".  To be freed; NULL: out
 * of memory. */
char *y12_summary(const y12_detection *d, size_t n, const y12_names *names);

/* A line a detection: class, then centre x, centre y, width, height as parts of the
 * picture's size, then with_score the score.  To be freed; NULL: out of memory. */
char *y12_label_lines(const y12_detection *d, size_t n, int w, int h, bool with_score);

/* Adds text to the end of a file, all of it or none. */
bool y12_append(const char *path, const char *text, char *err);

/* [{"name": …, "class": …, "confidence": …, "box": {"x1": …}}, …], numbers with 5 decimals at
 * most.  To be freed; NULL: out of memory. */
char *y12_json_detections(const y12_detection *d, size_t n, const y12_names *names);
/* A text as a JSON string, quotes included; bytes that are no UTF-8 become U+FFFD. */
char *y12_json_string(const char *s);

/**
 * Make the folder of a run: project/name, or project/name2, name3 … if that exists.
 *
 * @param exist_ok  take project/name even if it exists
 * @return its path, to be freed; NULL: it can't be made.  Two runs at the same time get
 *         two folders.
 */
char *y12_rundir(const char *project, const char *name, bool exist_ok, char *err);

/* mkdir -p */
bool y12_make_folders(const char *path, char *err);

#endif
