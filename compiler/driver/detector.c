/* detector.c -- engines for detection: opened from a file, or compiled when a new frame
 * comes, and kept.
 *
 * A folder of photographs has a handful of shapes, and each shape in `rect` mode its own
 * frame; so engines are kept, and the one that was not used for the longest time goes
 * when there are too many or they hold too much memory (each has its own constants).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <time.h>

#include "backend/backend.h"
#include "driver/detector.h"
#include "driver/ui.h"
#include "driver/verb.h"
#include "engine/program.h"

enum { MOST_ENGINES = 16, DETECTIONS = 300, STEP = 32, ROOM_LEAST = 8 << 20 };
static const size_t MOST_BYTES = (size_t)1 << 30;

struct Detectors {
	const Options *o;
	Arena *a;
	int64_t fit[2];
	y12_options run;
	CompileOptions compile;         /* what they all share */
	bool gpu;
	Detector *fixed;
	Detector *kept[MOST_ENGINES];
	int n;
	uint64_t clock;
};

static int
exit_of(y12_status s)
{
	return s == Y12_NOMEMORY || s == Y12_NODEVICE ? EXIT_RESOURCES
	     : s == Y12_NOFILE || s == Y12_CORRUPT ? EXIT_INPUT : EXIT_FAILED;
}

/* ---- reading an engine ------------------------------------------------------------------ */

/* ["a", "b"], {"0": "a", "1": "b"}, or a,b: class names as engines and weights hold them */
static y12_names
read_names(Arena *a, const char *text, int classes)
{
	const char **name = NEWN(a, const char *, (size_t)classes);
	json_t *j = text ? json_loads(text, 0, NULL) : NULL;

	for (int i = 0; i < classes; i++) {
		json_t *s = json_is_array(j) ? json_array_get(j, (size_t)i)
		                             : json_object_get(j, arena_printf(a, "%d", i));

		if (json_is_string(s))
			name[i] = arena_str(a, json_string_value(s));
	}
	for (int i = 0; !j && text && *text && i < classes; i++) {
		size_t n = strcspn(text, ",");

		name[i] = arena_strn(a, text, n);
		text += n + (text[n] == ',');
	}
	json_decref(j);
	return (y12_names){ name, classes };
}

/* "640,480" with or without brackets */
static bool
read_pair(const char *s, int64_t out[2])
{
	long long h, w;

	if (!s)
		return false;
	s += strspn(s, "([ ");
	if (sscanf(s, "%lld , %lld", &h, &w) != 2 || h < 1 || w < 1)
		return false;
	out[0] = h;
	out[1] = w;
	return true;
}

static bool
is_tensor(const y12_io *t, const char *name, int output, y12_dtype dtype, int rank)
{
	return strcmp(t->name, name) == 0 && t->output == output && t->dtype == dtype && t->rank == rank;
}

/* Learns what the entry `detect` takes and gives; NULL, or what is not as it should be. */
static const char *
survey(Detector *d)
{
	y12_io t;
	int outputs = 0;
	bool conf = false, iou = false;

	for (size_t i = 0; y12_entry_io(d->engine, "detect", i, &t); i++) {
		if (is_tensor(&t, arena_printf(d->a, "image%d", d->batch), 0, Y12_U8, 3) && t.dim[2] == 3) {
			d->batch++;
		} else if (is_tensor(&t, "boxes", 1, Y12_F32, 3) && t.dim[0] == d->batch && t.dim[2] == 4) {
			d->most = (int)t.dim[1];
			outputs++;
		} else if ((is_tensor(&t, "score", 1, Y12_F32, 2) || is_tensor(&t, "label", 1, Y12_I32, 2)) &&
		           t.dim[0] == d->batch && t.dim[1] == d->most) {
			outputs++;
		} else if (is_tensor(&t, "keep", 0, Y12_BOOL, 1)) {
			d->classes = (int)t.dim[0];
		} else if (is_tensor(&t, "conf", 0, Y12_F32, 1) && t.dim[0] == 1) {
			conf = true;
		} else if (is_tensor(&t, "iou", 0, Y12_F64, 1) && t.dim[0] == 1) {
			iou = true;
		} else if (is_tensor(&t, "agnostic", 0, Y12_I32, 1) && t.dim[0] == 1) {
			d->has_agnostic = true;
		} else if (is_tensor(&t, "limit", 0, Y12_I32, 1) && t.dim[0] == 1) {
			d->has_limit = true;
		} else if (!t.optional || t.output) {
			return arena_printf(d->a, "its entry detect has a tensor %s of an unknown kind", t.name);
		}
	}
	if (!d->batch && !outputs)
		return "it has no entry detect";
	if (!d->batch || outputs != 3 || !d->classes || !conf || !iou)
		return "its entry detect is not as expected: image0 …, conf, iou, keep -> boxes, score, label";
	return NULL;
}

/* An open engine becomes a detector; false: *code. */
static bool
prepare(Detector *d, const char *path, int *code)
{
	const char *wrong = survey(d);
	size_t rows = (size_t)d->batch * (size_t)d->most;

	if (wrong) {
		ui_error("%s can't be used for predict: %s", path, wrong);
		*code = EXIT_INPUT;
		return false;
	}
	d->names = read_names(d->a, y12_meta(d->engine, "names"), d->classes);
	d->keep = NEWN(d->a, bool, (size_t)d->classes);
	d->boxes = NEWN(d->a, float, rows * 4);
	d->score = NEWN(d->a, float, rows);
	d->label = NEWN(d->a, int32_t, rows);
	d->found = NEWN(d->a, y12_detection, (size_t)d->most);
	d->bytes = MAX(y12_arena_bytes(d->engine) + y12_const_bytes(d->engine), y12_device_bytes(d->engine));
	return true;
}

static void
detector_close(Detector *d)
{
	if (!d)
		return;
	y12_engine_close(d->engine);
	if (d->mapped)
		file_unmap(d->image, d->image_bytes);
	arena_free(d->a);
}

static Detector *
detector_new(void)
{
	Arena *a = arena_new();
	Detector *d = NEW(a, Detector);

	d->a = a;
	return d;
}

/* Opens d->engine, or opens it again with more room for pictures. */
static y12_status
open_engine(Detectors *s, Detector *d)
{
	y12_options opt = s->run;

	y12_engine_close(d->engine);
	d->engine = NULL;
	opt.picture_bytes = d->room;
	return d->image ? y12_engine_open_memory(d->image, d->image_bytes, &opt, &d->engine)
	                : y12_engine_open(s->o->model, &opt, &d->engine);
}

static Detector *
open_file(Detectors *s, const char *path, int *code)
{
	Detector *d = detector_new();
	y12_status st;

	d->room = s->gpu ? ROOM_LEAST : 0;
	if ((st = open_engine(s, d))) {
		const char *why = y12_message(d->engine);

		ui_error("%s%s%s", strstr(why, path) ? "" : path, strstr(why, path) ? "" : ": ", why);
		*code = exit_of(st);
	} else if (prepare(d, path, code)) {
		if (!read_pair(y12_meta(d->engine, "frame"), d->frame))
			read_pair(y12_meta(d->engine, "imgsz"), d->frame);
		return d;
	}
	detector_close(d);
	return NULL;
}

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The engine's image in d: from the cache as it is, or compiled.  What compiling needs besides, weights
 * and graphs, is several times as large and does not stay. */
static const void *
image_for(Detectors *s, Detector *d, int n, const int64_t frame[2], bool *hit)
{
	static const char *const entries[] = { "detect", NULL };
	const Options *o = s->o;
	Arena *work = arena_new();
	CompileOptions co = s->compile;
	Diag *diag = diag_new(work);
	const void *image = NULL;
	bool ok;

	co.frame[0] = frame[0], co.frame[1] = frame[1];
	co.fit[0] = s->fit[0], co.fit[1] = s->fit[1];
	co.batch = n;
	co.max_det = (int)MAX(o->max_det, DETECTIONS);
	co.entries = entries;
	co.params = o->param.p, co.nparams = o->param.n;
	co.cache_dir = cache_dir_default(work);
	ok = compile_cached(work, diag, &co, &image, &d->image_bytes, hit);
	if (diag_count(diag))
		diag_print(diag, stderr, ui_color(stderr));
	if (!ok) {
		image = NULL;
	} else if (*hit) {
		d->mapped = true;
	} else {
		uint8_t *room = arena_alloc(d->a, d->image_bytes + Y12E_ALIGN);

		room += (Y12E_ALIGN - (uintptr_t)room % Y12E_ALIGN) % Y12E_ALIGN;
		image = memcpy(room, image, d->image_bytes);
	}
	arena_free(work);
	return d->image = image;
}

static Detector *
compile_one(Detectors *s, int n, const int64_t frame[2], size_t room, int *code)
{
	Detector *d = detector_new();
	double start = seconds();
	bool hit = false;
	y12_status st;

	d->room = room;
	if (!image_for(s, d, n, frame, &hit)) {
		*code = EXIT_INPUT;
	} else if ((st = open_engine(s, d))) {
		ui_error("%s", y12_message(d->engine));
		*code = exit_of(st);
	} else if (prepare(d, s->o->model, code)) {
		d->frame[0] = frame[0];
		d->frame[1] = frame[1];
		if (!hit && !s->o->quiet)
			ui_note("compiled for %d picture%s of %dx%d in %.1f s", n, n > 1 ? "s" : "", (int)frame[0],
			        (int)frame[1], seconds() - start);
		return d;
	}
	detector_close(d);
	return NULL;
}

/* ---- what o asks for ------------------------------------------------------------------------- */

static bool
is_engine(const char *path)
{
	char magic[8] = "";
	FILE *f = fopen(path, "rbe");
	bool yes = f && fread(magic, 1, sizeof magic, f) == sizeof magic && memcmp(magic, Y12E_MAGIC, 8) == 0;

	if (f)
		fclose(f);
	return yes;
}

static bool
has_extension(const char *path, const char *const *ext, size_t n)
{
	const char *dot = strrchr(path, '.');

	for (size_t i = 0; dot && i < n; i++)
		if (strcmp(dot, ext[i]) == 0)
			return true;
	return false;
}

/* The device that o names, and what to compile for it: seen before anything is compiled. */
static bool
choose_device(Detectors *s, int *code)
{
	const Options *o = s->o;
	Diag *d = diag_new(s->a);
	const char *wrong = NULL;
	y12_gpu gpu;

	s->run = (y12_options){ .device = o->device, .threads = (int)o->threads, .cache_dir = cache_dir_default(s->a) };
	s->compile = (CompileOptions){ .model = o->model, .weights = o->weights, .scale = o->scale };
	if (!verb_device(o, d, &gpu) || (strcmp(gpu.kind, "cuda") == 0 && !(s->compile.target = verb_target_for(d, &gpu)))) {
		wrong = diag_get(d, 0)->text;
		*code = verb_code(d);
	} else if ((wrong = verb_code_options(o, &s->compile))) {
		*code = EXIT_USAGE;
	}
	s->gpu = strcmp(gpu.kind, "cuda") == 0;
	if (wrong)
		ui_error("%s", wrong);
	return !wrong;
}

static void
round_imgsz(Detectors *s)
{
	const Size z = s->o->imgsz;

	s->fit[0] = (z.h + STEP - 1) / STEP * STEP;
	s->fit[1] = (z.w + STEP - 1) / STEP * STEP;
	if (s->fit[0] != z.h || s->fit[1] != z.w)
		ui_note("imgsz=%d,%d is not a multiple of %d: it becomes %d,%d", (int)z.h, (int)z.w, STEP,
		        (int)s->fit[0], (int)s->fit[1]);
}

/* Without imgsz= pictures are scaled to what the weights were trained at. */
static bool
imgsz_of_weights(Detectors *s)
{
	Arena *a = arena_new();
	Diag *d = diag_new(a);
	Weights *w = weights_open(a, s->o->weights, d);
	bool ok = w != NULL;

	if (!ok)
		diag_print(d, stderr, ui_color(stderr));
	else if (w->imgsz >= 1 && w->imgsz <= key_info[KEY_imgsz].to)
		s->fit[0] = s->fit[1] = (w->imgsz + STEP - 1) / STEP * STEP;
	if (ok && s->fit[0] != s->o->imgsz.h && !s->o->quiet)
		ui_note("imgsz=%d, which the weights were trained at", (int)s->fit[0]);
	weights_close(w);
	arena_free(a);
	return ok;
}

/* Keys that an engine file has settled already. */
static bool
fits_engine(const Options *o, const Detector *d)
{
	static const struct { KeyId key; const char *says; } settled[] = {
		{ KEY_weights, "an engine holds its weights" },
		{ KEY_scale, "an engine holds its network" },
		{ KEY_imgsz, "an engine is made for one size" },
	};
	bool ok = true;

	for (size_t i = 0; i < COUNT(settled); i++)
		if (o->given[settled[i].key]) {
			ui_error("%s: leave it out: %s", key_info[settled[i].key].name, settled[i].says);
			ok = false;
		}
	if (o->param.n) {
		ui_error("model.%s: leave it out: an engine holds its network", o->param.p[0].key);
		ok = false;
	}
	if (o->given[KEY_batch] && o->batch > d->batch) {
		ui_error("batch=%d: the engine takes %d picture%s at a time", (int)o->batch, d->batch, d->batch > 1 ? "s" : "");
		ok = false;
	}
	if (o->given[KEY_max_det] && o->max_det > d->most) {
		ui_error("max_det=%d: the engine finds %d at most", (int)o->max_det, d->most);
		ok = false;
	}
	if (o->agnostic_nms && !d->has_agnostic) {
		ui_error("agnostic_nms=true: the engine can't do that; compile it again");
		ok = false;
	}
	return ok;
}

Detectors *
detectors_open(Arena *a, const Options *o, int *code)
{
	static const char *const weights_ext[] = { ".pt", ".pth", ".safetensors" };
	static const char *const others[] = { ".onnx", ".engine", ".torchscript", ".tflite", ".yaml", ".yml" };
	Detectors *s = NEW(a, Detectors);

	s->o = o;
	s->a = a;
	if (!choose_device(s, code))
		return NULL;
	*code = EXIT_USAGE;
	if (is_engine(o->model)) {
		*code = EXIT_OK;
		if (!(s->fixed = open_file(s, o->model, code)))
			return NULL;
		if (fits_engine(o, s->fixed))
			return s;
		*code = EXIT_USAGE;
		detectors_close(s);
		return NULL;
	}
	if (has_extension(o->model, weights_ext, COUNT(weights_ext))) {
		ui_error("model=%s holds weights; write: model=yolov12 weights=%s", o->model, o->model);
		return NULL;
	}
	if (has_extension(o->model, others, COUNT(others))) {
		ui_error("model=%s: the network is a .y12 file or an engine made by yolo12c (model=yolov12 is the "
		         "published one)", o->model);
		return NULL;
	}
	if (!o->given[KEY_weights]) {
		ui_error("predict needs weights=%s: %s", key_info[KEY_weights].looks, key_info[KEY_weights].help);
		return NULL;
	}
	round_imgsz(s);
	if (!o->given[KEY_imgsz] && !imgsz_of_weights(s)) {
		*code = EXIT_INPUT;
		return NULL;
	}
	return s;
}

void
detectors_close(Detectors *s)
{
	if (!s)
		return;
	detector_close(s->fixed);
	for (int i = 0; i < s->n; i++)
		detector_close(s->kept[i]);
	s->n = 0;
	s->fixed = NULL;
}

void
detectors_fit(const Detectors *s, int64_t fit[2])
{
	fit[0] = s->fit[0];
	fit[1] = s->fit[1];
}

const Detector *
detectors_fixed(const Detectors *s)
{
	return s->fixed;
}

/* room for one more */
static void
evict(Detectors *s)
{
	for (;;) {
		size_t bytes = 0;
		int oldest = 0;

		for (int i = 0; i < s->n; i++) {
			bytes += s->kept[i]->bytes;
			if (s->kept[i]->used < s->kept[oldest]->used)
				oldest = i;
		}
		if (s->n == 0 || (s->n < MOST_ENGINES && bytes < MOST_BYTES))
			return;
		detector_close(s->kept[oldest]);
		s->kept[oldest] = s->kept[--s->n];
	}
}

/* What a GPU must reserve for each of these pictures: their sizes vary, so powers of two; 0: nothing, on hosts. */
static size_t
room_for(const Detectors *s, const y12_picture *p, int n)
{
	size_t room = ROOM_LEAST;

	for (int i = 0; i < n; i++)
		while (room < (size_t)p[i].width * (size_t)p[i].height * 3)
			room *= 2;
	return s->gpu ? room : 0;
}

/* The detector, its engine opened again if these pictures are larger than all before. */
static Detector *
with_room(Detectors *s, Detector *d, size_t room, int *code)
{
	y12_status st;

	if (room <= d->room)
		return d;
	d->room = room;
	if (!(st = open_engine(s, d)))
		return d;
	ui_error("%s", y12_message(d->engine));
	*code = exit_of(st);
	return NULL;
}

Detector *
detectors_get(Detectors *s, const y12_picture *p, int n, const int64_t frame[2], int *code)
{
	size_t room = room_for(s, p, n);
	Detector *d = NULL;

	if (s->fixed)
		return with_room(s, s->fixed, room, code);
	for (int i = 0; i < s->n && !d; i++)
		if (s->kept[i]->batch == n && s->kept[i]->frame[0] == frame[0] && s->kept[i]->frame[1] == frame[1])
			d = s->kept[i];
	if (!d) {
		evict(s);
		if (!(d = compile_one(s, n, frame, room, code)))
			return NULL;
		s->kept[s->n++] = d;
	}
	d->used = ++s->clock;
	return with_room(s, d, room, code);
}

/* ---- running ------------------------------------------------------------------------------------ */

bool
detector_run(Detector *d, const y12_picture *p, int n, int *code)
{
	Arena *a = arena_new();
	y12_tensor *io = NEWN(a, y12_tensor, (size_t)d->batch + 8);
	size_t k = 0;
	y12_status s;

	for (int i = 0; i < d->batch; i++) {
		const y12_picture *q = &p[MIN(i, n - 1)];       /* the last fills up what is left */

		io[k++] = (y12_tensor){ arena_printf(a, "image%d", i), Y12_U8, 3, { q->height, q->width, 3 }, q->rgb };
	}
	io[k++] = (y12_tensor){ "conf", Y12_F32, 1, { 1 }, &d->conf };
	io[k++] = (y12_tensor){ "iou", Y12_F64, 1, { 1 }, &d->iou };
	io[k++] = (y12_tensor){ "keep", Y12_BOOL, 1, { d->classes }, d->keep };
	if (d->has_agnostic)
		io[k++] = (y12_tensor){ "agnostic", Y12_I32, 1, { 1 }, &d->agnostic };
	if (d->has_limit)
		io[k++] = (y12_tensor){ "limit", Y12_I32, 1, { 1 }, &d->limit };
	io[k++] = (y12_tensor){ "boxes", Y12_F32, 3, { d->batch, d->most, 4 }, d->boxes };
	io[k++] = (y12_tensor){ "score", Y12_F32, 2, { d->batch, d->most }, d->score };
	io[k++] = (y12_tensor){ "label", Y12_I32, 2, { d->batch, d->most }, d->label };
	s = y12_run(d->engine, "detect", io, k);
	arena_free(a);
	if (s) {
		ui_error("%s", y12_message(d->engine));
		*code = exit_of(s);
	}
	return s == Y12_OK;
}

const y12_detection *
detector_found(Detector *d, int i, size_t *n)
{
	const float *b = d->boxes + (size_t)i * (size_t)d->most * 4;
	const float *score = d->score + (size_t)i * (size_t)d->most;
	const int32_t *label = d->label + (size_t)i * (size_t)d->most;
	int most = d->has_limit ? d->most : MIN(d->most, d->limit);

	for (*n = 0; (int)*n < most && label[*n] >= 0; (*n)++, b += 4)
		d->found[*n] = (y12_detection){ b[0], b[1], b[2], b[3], score[*n], label[*n] };
	return d->found;
}
