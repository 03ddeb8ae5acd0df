/* predict.c -- yolo12c predict: pictures in, boxes out.
 *
 *     source ─▶ read ─▶ batch ─▶ detector (batch, frame) ─▶ log line, files
 *
 * Pictures of a batch that all have one shape get the smallest frame round it, others
 * the square one (yolov12.md 3.2).  A picture that can't be read is named and left out;
 * a file that can't be written ends the run, since the next would fail as well.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#include "driver/detector.h"
#include "driver/help.h"
#include "driver/save.h"
#include "driver/ui.h"

enum { PRE, NET, POST, PHASES };

typedef struct Run {
	const Options *o;
	y12_source source;
	Detectors *detectors;
	Saver save;
	bool *keep;                     /* by `classes`; NULL: all */
	int nkeep;                      /* classes that it was made for */

	y12_picture *picture;           /* of the batch */
	size_t *index;                  /* theirs in the source */

	size_t seen, failed;
	double seconds[PHASES];
	int64_t frame[2];               /* of the last batch */
	int code;
} Run;

/* ---- classes= ------------------------------------------------------------------------------- */

/* "0", "person"; -1: said */
static int
find_class(const y12_names *names, const char *word)
{
	const char *near;
	char *end;
	long k = strtol(word, &end, 10);

	if (!*end) {
		if (k >= 0 && k < names->n)
			return (int)k;
		ui_error("classes: there is no class %s; the network has 0 to %d", word, names->n - 1);
		return -1;
	}
	for (int i = 0; i < names->n; i++)
		if (names->name[i] && strcasecmp(names->name[i], word) == 0)
			return i;
	near = did_you_mean(word, names->name, (size_t)names->n);
	ui_error("classes: there is no class '%s'%s%s%s", word, near ? "; did you mean '" : "", near ? near : "",
	         near ? "'?" : "");
	return -1;
}

/* "0,2", "[0, 2]", "person,traffic light" */
static bool
choose_classes(Run *r, const y12_names *names)
{
	Arena *a = r->o->a;
	const char *s = r->o->classes;

	if (!s || (r->keep && r->nkeep == names->n))
		return true;
	r->keep = NEWN(a, bool, (size_t)names->n);
	r->nkeep = names->n;
	while (*s) {
		size_t n = strcspn(s, ",]"), skip = strspn(s, "[ ");
		char *word;
		int k;

		if (skip < n) {
			word = arena_strn(a, s + skip, n - skip);
			for (size_t len = strlen(word); len && word[len - 1] == ' '; )
				word[--len] = 0;
			if (*word) {
				if ((k = find_class(names, word)) < 0) {
					r->code = EXIT_USAGE;
					return false;
				}
				r->keep[k] = true;
			}
		}
		s += n + (s[n] != 0);
	}
	return true;
}

/* ---- one batch --------------------------------------------------------------------------------- */

/* Reads up to `most` pictures from *at on; those that can't be read are named. */
static int
read_batch(Run *r, size_t *at, int most)
{
	int n = 0;

	while (n < most && *at < r->source.n && !ui_interrupted()) {
		char err[Y12_ERRLEN];

		if (y12_source_read(&r->source, *at, &r->picture[n], err)) {
			r->index[n++] = *at;
		} else if (!ui_interrupted()) {
			ui_error("%s: %s", r->source.input[*at].path, err);
			r->failed++;
		}
		++*at;
	}
	return n;
}

static void
choose_frame(const Run *r, int n, int64_t frame[2])
{
	int64_t fit[2];
	bool same = true;

	detectors_fit(r->detectors, fit);
	for (int i = 1; i < n; i++)
		same &= r->picture[i].width == r->picture[0].width && r->picture[i].height == r->picture[0].height;
	if (r->o->rect && same) {
		y12_letterbox_frame(r->picture[0].height, r->picture[0].width, fit, frame);
	} else {
		frame[0] = fit[0];
		frame[1] = fit[1];
	}
}

static void
settings(const Run *r, Detector *d)
{
	d->conf = (float)r->o->conf;
	d->iou = r->o->iou;
	d->agnostic = r->o->agnostic_nms;
	d->limit = (int32_t)MIN(r->o->max_det, d->most);
	for (int i = 0; i < d->classes; i++)
		d->keep[i] = !r->keep || r->keep[i];
}

/* "image 1/4 /pictures/bus.jpg: 640x480 4 persons, 1 bus, 12.3ms" */
static bool
report_text(const Run *r, const Detector *d, size_t index, const y12_detection *found, size_t n, double ms)
{
	char *summary = y12_summary(found, n, &d->names);

	if (summary)
		printf("image %zu/%zu %s: %dx%d %s%.1fms\n", index + 1, r->source.n, r->source.input[index].path,
		       (int)d->frame[0], (int)d->frame[1], summary, ms);
	free(summary);
	return summary != NULL;
}

static bool
report_json(const Run *r, const Detector *d, size_t index, const y12_picture *p, const y12_detection *found, size_t n)
{
	char *path = y12_json_string(r->source.input[index].path);
	char *list = y12_json_detections(found, n, &d->names);
	bool ok = path && list;

	if (ok)
		printf("%s{\"path\": %s, \"width\": %d, \"height\": %d, \"results\": %s}", r->seen ? ",\n" : "", path,
		       p->width, p->height, list);
	free(path);
	free(list);
	return ok;
}

static bool
report(Run *r, const Detector *d, int i, const y12_detection *found, size_t n, double ms)
{
	bool ok = r->o->json ? report_json(r, d, r->index[i], &r->picture[i], found, n)
	        : r->o->quiet || report_text(r, d, r->index[i], found, n, ms);

	if (!ok)
		ui_error("out of memory");
	return ok;
}

static bool
run_batch(Run *r, int n)
{
	Detector *d;
	double *s = r->seconds, net;

	choose_frame(r, n, r->frame);
	if (!(d = detectors_get(r->detectors, r->picture, n, r->frame, &r->code)) || !choose_classes(r, &d->names))
		return false;
	memcpy(r->frame, d->frame, sizeof r->frame);
	settings(r, d);
	if (!detector_run(d, r->picture, n, &r->code))
		return false;
	s[PRE] += y12_seconds(d->engine, "pre");
	s[NET] += net = y12_seconds(d->engine, "net");
	s[POST] += y12_seconds(d->engine, "post");
	for (int i = 0; i < n; i++) {
		size_t count;
		const y12_detection *found = detector_found(d, i, &count);

		if (!report(r, d, i, found, count, 1e3 * net / n) ||
		    !save_results(&r->save, &r->source.input[r->index[i]], &r->picture[i], found, count, &d->names)) {
			r->code = EXIT_RESOURCES;
			return false;
		}
		r->seen++;
	}
	errno = 0;
	if (fflush(stdout) || ferror(stdout)) {
		ui_error("standard output can't be written: %s", errno ? strerror(errno) : "no room");
		r->code = EXIT_RESOURCES;
		return false;
	}
	return true;
}

/* ---- the whole ------------------------------------------------------------------------------------- */

static void
closing_lines(const Run *r, int batch)
{
	const char *bold = ui_color(stdout) ? "\033[1m" : "", *plain = *bold ? "\033[0m" : "";
	double per = r->seen ? 1e3 / (double)r->seen : 0;

	if (r->o->quiet || r->o->json)
		return;
	if (r->seen)
		printf("Speed: %.1fms preprocess, %.1fms inference, %.1fms postprocess per image at shape (%zu, 3, %d, %d)\n",
		       r->seconds[PRE] * per, r->seconds[NET] * per, r->seconds[POST] * per,
		       MIN((size_t)batch, r->source.n), (int)r->frame[0], (int)r->frame[1]);
	if (r->save.dir)
		printf("Results saved to %s%s%s\n", bold, r->save.dir, plain);
	if (r->save.dir && r->o->save_txt)
		printf("%zu label%s saved to %s/labels\n", r->save.labels, r->save.labels == 1 ? "" : "s", r->save.dir);
}

static void
all_batches(Run *r, int batch)
{
	/* where log lines go to the terminal themselves, a bar would only get between them */
	bool bar = r->source.n > 4 && !r->o->json && (r->o->quiet || !ui_color(stdout));

	for (size_t at = 0; at < r->source.n && !r->code && !ui_interrupted(); ) {
		int n = read_batch(r, &at, batch);

		if (n && !run_batch(r, n) && !r->code)
			r->code = EXIT_FAILED;
		for (int i = 0; i < n; i++)
			y12_picture_free(&r->picture[i]);
		if (bar)
			ui_progress(at, r->source.n);
	}
	if (bar)
		ui_progress(1, 1);
}

static void
notices(const Options *o, const y12_source *s)
{
	const char *attention = getenv("YOLO12C_ATTN");

	if (s->videos)
		ui_warning("%zu video%s left out: only pictures can be read yet", s->videos, s->videos > 1 ? "s are" : " is");
	if (s->renamed && (o->save || o->save_txt || o->save_crop))
		ui_note("%zu picture%s the name of another: %s results get a number", s->renamed,
		        s->renamed > 1 ? "s have" : " has", s->renamed > 1 ? "their" : "its");
	if (o->save_conf && !o->save_txt)
		ui_warning("save_conf=true does nothing without save_txt=true");
	if (attention && strcmp(attention, "reference") == 0)
		ui_note("YOLO12C_ATTN=reference: there is one kernel for attention, and it is used");
}

int
verb_predict(const Options *o)
{
	static const KeyId needed[] = { KEY_model, KEY_source };
	Run r = { .o = o, .save = { .o = o, .a = o->a } };
	Text msg = { .a = o->a };
	char err[Y12_ERRLEN];
	int batch;

	if (!options_need(o, needed, COUNT(needed), &msg)) {
		ui_lines(text_str(&msg));
		return EXIT_USAGE;
	}
	if (!y12_source_open(o->source, &r.source, err)) {
		ui_error("%s", err);
		return EXIT_INPUT;
	}
	if (!(r.detectors = detectors_open(o->a, o, &r.code))) {
		y12_source_free(&r.source);
		return r.code;
	}
	r.code = EXIT_OK;
	notices(o, &r.source);
	batch = detectors_fixed(r.detectors) ? detectors_fixed(r.detectors)->batch : (int)o->batch;
	if (o->given[KEY_batch])
		batch = MIN(batch, (int)o->batch);
	r.picture = NEWN(o->a, y12_picture, (size_t)batch);
	r.index = NEWN(o->a, size_t, (size_t)batch);
	ui_catch_interrupts();

	if (o->json)
		fputs("[", stdout);
	all_batches(&r, batch);
	if (o->json)
		fputs("]\n", stdout);
	closing_lines(&r, batch);
	if (fflush(stdout) && !r.code) {
		ui_error("standard output can't be written: %s", strerror(errno));
		r.code = EXIT_RESOURCES;
	}
	if (!r.code && ui_interrupted()) {
		ui_note("interrupted: %zu of %zu pictures are done", r.seen, r.source.n);
		r.code = EXIT_INTERRUPTED;
	}
	if (!r.code && r.failed) {
		ui_error("%zu of %zu pictures can't be read", r.failed, r.source.n);
		r.code = EXIT_INPUT;
	}
	detectors_close(r.detectors);
	y12_source_free(&r.source);
	return r.code;
}
