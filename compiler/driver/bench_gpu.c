/* bench_gpu.c -- `yolo12c bench device=0`: how fast a network runs on a GPU, and where the time goes.
 *
 *     ceilings ── cold compile ── from the cache to the first result ── graph replays ── kernels, one by one
 *
 * Replays follow one another without a gap, between events: what an application with enough to do
 * sees.  `run` is the whole call, with the copies in and out.  A kernel's own time is taken
 * in a graph with an event after each, which adds two to three microseconds to each; so the
 * sum of kernels is more than a replay, and the shares are what counts.
 *
 * Bytes are those of the values that a launch reads and writes, each once; FLOPs are two for each multiply-accumulate
 * of the graph.  Both against ceilings that were measured here, a moment before.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#include "backend/backend.h"
#include "driver/bench.h"
#include "driver/ceilings.h"
#include "driver/inner.h"
#include "driver/stage.h"
#include "driver/tensors.h"
#include "driver/verb.h"
#include "driver/work.h"

enum { WARM_UP = 10, CALLS = 11, PICTURE_H = 720, PICTURE_W = 1280 };

typedef struct Line {
	const char *kernel, *layer;
	int launches;
	double seconds;
	int64_t macs, bytes;            /* -1: not known */
} Line;

typedef struct Cell {
	const char *entry;
	VEC(y12_tensor) io;
	double *seconds;                /* of replays, rising */
	double median, least, high;     /* high: nine of ten are below */
	double phase[3], call;          /* seconds; call: y12_run(), median */
	VEC(Line) launch;
	int64_t macs, bytes;
} Cell;

typedef struct Bench {
	const Options *o;
	Diag *d;
	CompileOptions co;
	y12_options open;
	y12_gpu gpu;
	Stage s;
	y12_engine *eng, *small;
	Ceilings top;
	VEC(Cell) cell;
	double opening;                 /* the engine, on a GPU with a context */
	double hit, first;              /* from the cache: until there is an image, and a result; -1: not measured */
	bool cached;
	int64_t taken;                  /* of the GPU's memory, as the driver counts; -1: not known */
} Bench;

static int64_t
memory_free(const y12_engine *e)
{
	const char *s = y12_device(e, "free");

	return s ? strtoll(s, NULL, 10) : -1;
}

/* ---- preparing -------------------------------------------------------------------------------- */

static void
add_cell(Bench *b, const char *entry)
{
	Cell c = { .entry = entry, .seconds = NEWN(b->o->a, double, (size_t)b->o->rounds) };
	y12_io io;

	for (size_t i = 0; y12_entry_io(b->eng, entry, i, &io); i++) {
		Type type = io_type(&io);
		Tensor t;

		if (io.optional)
			continue;
		t = noise_tensor(b->o->a, &type, io.name, (const int64_t[]){ PICTURE_H, PICTURE_W });
		vec_push(b->o->a, &c.io, io_tensor(arena_str(b->o->a, io.name), &t));
	}
	vec_push(b->o->a, &b->cell, c);
}

/* A second engine of the same image, the way a program that starts gets it: the second of two
 * compilations comes from the cache. */
static bool
measure_start(Bench *b)
{
	CompileOptions co = b->co;
	const Cell *c = &b->cell.p[0];
	const void *image;
	y12_engine *e = NULL;
	double start = 0;
	size_t bytes;
	y12_status s;

	b->hit = b->first = -1;
	if (b->s.kind != STAGE_SPEC || !(co.cache_dir = cache_dir_default(b->o->a)))
		return true;
	for (int i = 0; i < 2; i++) {
		start = stage_clock();
		if (!compile_cached(b->o->a, b->d, &co, &image, &bytes, &b->cached))
			return false;
	}
	b->hit = stage_clock() - start;
	if (!(s = y12_engine_open_memory(image, bytes, &b->open, &e)) && !(s = y12_run(e, c->entry, c->io.p, c->io.n)))
		b->first = stage_clock() - start;
	verb_status(b->d, s, e);
	y12_engine_close(e);
	return !s;
}

static bool
open_engines(Bench *b)
{
	double start;
	int64_t before;

	b->open = (y12_options){ .device = b->o->device, .picture_bytes = 3 * PICTURE_H * PICTURE_W,
	                         .cache_dir = cache_dir_default(b->o->a) };
	if (!ceilings_open(b->o->a, b->d, &b->co, &b->gpu, &b->open, &b->small) ||
	    !ceilings_measure(b->d, b->small, &b->gpu, &b->top))
		return false;
	if (!stage_open(b->o->a, b->d, b->co.model, &b->co, &b->s) || !stage_engine(b->o->a, b->d, &b->s))
		return false;
	before = memory_free(b->small);
	start = stage_clock();
	if (!verb_open(b->d, b->s.c.image, b->s.c.image_bytes, &b->open, &b->eng))
		return false;
	b->opening = stage_clock() - start;
	b->taken = before < 0 ? -1 : before - memory_free(b->eng);
	for (size_t i = 0; y12_entry_name(b->eng, i); i++)
		add_cell(b, y12_entry_name(b->eng, i));
	return true;
}

/* ---- measuring ---------------------------------------------------------------------------------- */

static int
rising(const void *x, const void *y)
{
	double a = *(const double *)x, b = *(const double *)y;

	return (a > b) - (a < b);
}

typedef struct Profile { Bench *b; Cell *c; size_t at; } Profile;

static void
take_launch(void *user, const char *kernel, const char *layer, double seconds)
{
	Profile *p = user;
	Cell *c = p->c;

	if (p->at == c->launch.n)
		vec_push(p->b->o->a, &c->launch, ((Line){ kernel, layer, 1, seconds, launch_macs(&p->b->s.c, c->entry, p->at),
		                                          launch_moves(&p->b->s.c, c->entry, p->at) }));
	c->launch.p[p->at].seconds = MIN(c->launch.p[p->at].seconds, seconds);
	p->at++;
}

static bool
measure(Bench *b, Cell *c)
{
	size_t n = (size_t)b->o->rounds;
	double warm[WARM_UP], call[CALLS];
	const Graph *g = b->s.c.module ? module_entry(b->s.c.module, c->entry) : NULL;

	for (int i = 0; i < CALLS; i++) {
		double start = stage_clock();

		if (!verb_status(b->d, y12_run(b->eng, c->entry, c->io.p, c->io.n), b->eng))
			return false;
		call[i] = stage_clock() - start;
	}
	qsort(call, CALLS, sizeof *call, rising);
	c->call = call[CALLS / 2];
	if (!verb_status(b->d, y12_bench(b->eng, c->entry, c->io.p, c->io.n, WARM_UP, warm), b->eng) ||
	    !verb_status(b->d, y12_bench(b->eng, c->entry, c->io.p, c->io.n, n, c->seconds), b->eng))
		return false;
	qsort(c->seconds, n, sizeof *c->seconds, rising);
	c->least = c->seconds[0];
	c->median = (c->seconds[(n - 1) / 2] + c->seconds[n / 2]) / 2;
	c->high = c->seconds[n * 9 / 10];
	for (int p = 0; p < 3; p++)
		c->phase[p] = y12_seconds(b->eng, phase_name[p]);
	/* the least of a few: what lies between a kernel and its event varies, and never shortens */
	for (int r = 0; r < 7; r++) {
		Profile p = { b, c, 0 };

		if (!verb_status(b->d, y12_profile(b->eng, c->entry, c->io.p, c->io.n, take_launch, &p), b->eng))
			return false;
	}
	c->macs = g ? group_macs(g, 0) : -1;
	c->bytes = c->launch.n && c->launch.p[0].bytes >= 0 ? 0 : -1;
	for (size_t i = 0; i < c->launch.n && c->bytes >= 0; i++)
		c->bytes += c->launch.p[i].bytes;
	return true;
}

/* ---- showing --------------------------------------------------------------------------------------- */

static int
by_time(const void *x, const void *y)
{
	const Line *a = x, *b = y;

	return a->seconds != b->seconds ? (a->seconds < b->seconds ? 1 : -1) : strcmp(a->kernel, b->kernel);
}

static void
print_kernels(Bench *b, const Cell *c)
{
	VEC(Line) kernel = { 0 };
	Map *seen = map_new(b->o->a);
	double all = 0;

	for (size_t i = 0; i < c->launch.n; i++) {
		const Line *l = &c->launch.p[i];
		uintptr_t at = (uintptr_t)map_get(seen, l->kernel);

		all += l->seconds;
		if (!at) {
			vec_push(b->o->a, &kernel, *l);
			map_set(seen, l->kernel, (void *)kernel.n);
			continue;
		}
		kernel.p[at - 1].launches++;
		kernel.p[at - 1].seconds += l->seconds;
		kernel.p[at - 1].macs += l->macs > 0 ? l->macs : 0;
		kernel.p[at - 1].bytes += l->bytes > 0 ? l->bytes : 0;
	}
	qsort(kernel.p, kernel.n, sizeof *kernel.p, by_time);
	printf("\n%10s %6s %8s %9s %6s %9s %6s  %s\n", "us", "%", "launches", "GB/s", "%", "TFLOP/s", "%", "kernel, first layer");
	for (size_t i = 0; i < kernel.n; i++) {
		const Line *l = &kernel.p[i];

		printf("%10.2f %6.1f %8d ", 1e6 * l->seconds, 100 * l->seconds / all, l->launches);
		if (l->bytes >= 0)
			printf("%9.1f %6.1f", 1e-9 * (double)l->bytes / l->seconds, 100 * (double)l->bytes / l->seconds / b->top.bytes);
		else
			printf("%9s %6s", "", "");
		if (l->macs > 0 && b->top.flops > 0)
			printf(" %9.2f %6.1f", 2e-12 * (double)l->macs / l->seconds, 200 * (double)l->macs / l->seconds / b->top.flops);
		else
			printf(" %9s %6s", "", "");
		printf("  %s  %s\n", l->kernel, l->layer);
	}
	printf("%10.2f        sum; an event after each adds to it\n", 1e6 * all);
}

static void
print_text(Bench *b)
{
	const Compiled *k = &b->s.c;
	double sum = 0;

	printf("%s, %s on %s (sm_%d, driver for CUDA %d.%d)\n", b->s.path, target_of(&b->co)->name, b->gpu.name, b->gpu.sm,
	       b->gpu.driver / 1000, b->gpu.driver % 1000 / 10);
	printf("code         %s\n", y12_device(b->eng, "code"));
	printf("ceilings     copy %.2f TB/s, mma.sync %.0f, wgmma %.0f TFLOP/s\n", 1e-12 * b->top.bytes, 1e-12 * b->top.mma,
	       1e-12 * b->top.wgmma);
	for (int i = 0; i < k->ntime; i++) {
		printf("%s%s %.0f ms", i ? ", " : "compile      ", k->time[i].stage, 1e3 * k->time[i].seconds);
		sum += k->time[i].seconds;
	}
	if (k->ntime)
		printf(", all %.2f s\n", sum);
	printf("opening      %.1f ms", 1e3 * b->opening);
	if (b->first >= 0)
		printf("; from the cache to the first result %.1f ms%s", 1e3 * b->first, b->cached ? "" : " (NOT found there)");
	printf("\nmemory       arena %zu, constants %zu, with inputs %zu bytes", y12_arena_bytes(b->eng), y12_const_bytes(b->eng),
	       y12_device_bytes(b->eng));
	if (b->taken >= 0)
		printf("; the driver gave %" PRId64 " with code and graphs", b->taken);
	putchar('\n');
	for (size_t i = 0; i < b->cell.n; i++) {
		const Cell *c = &b->cell.p[i];

		printf("\n%s: %zu launches, replay median %.4f ms, least %.4f, nine of ten below %.4f; with copies %.3f ms\n", c->entry,
		       c->launch.n, 1e3 * c->median, 1e3 * c->least, 1e3 * c->high, 1e3 * c->call);
		printf("pre %.4f, net %.4f, post %.4f ms", 1e3 * c->phase[0], 1e3 * c->phase[1], 1e3 * c->phase[2]);
		if (c->macs >= 0)
			printf("; %.3f GMAC, %.1f TFLOP/s", 1e-9 * (double)c->macs, 2e-12 * (double)c->macs / c->median);
		if (c->bytes >= 0)
			printf("; %.1f MB moved, %.0f GB/s, floor %.4f ms", 1e-6 * (double)c->bytes, 1e-9 * (double)c->bytes / c->median,
			       1e3 * (double)c->bytes / b->top.bytes);
		putchar('\n');
		if (b->o->profile)
			print_kernels(b, c);
	}
}

static json_t *
cell_json(const Cell *c, int64_t rounds)
{
	json_t *launches = json_array(), *o;

	for (size_t i = 0; i < c->launch.n; i++) {
		const Line *l = &c->launch.p[i];
		json_t *x = json_pack("{s:s, s:s, s:f}", "kernel", l->kernel, "layer", l->layer, "seconds", l->seconds);

		if (l->macs >= 0)
			json_object_set_new(x, "macs", json_integer(l->macs));
		if (l->bytes >= 0)
			json_object_set_new(x, "bytes", json_integer(l->bytes));
		json_array_append_new(launches, x);
	}
	o = json_pack("{s:s, s:I, s:f, s:f, s:f, s:f, s:{s:f, s:f, s:f}, s:o}", "entry", c->entry, "rounds", (json_int_t)rounds,
	              "median", c->median, "least", c->least, "p90", c->high, "call", c->call, "phases",
	              "pre", c->phase[0], "net", c->phase[1], "post", c->phase[2], "launches", launches);
	if (c->macs >= 0)
		json_object_set_new(o, "macs", json_integer(c->macs));
	if (c->bytes >= 0)
		json_object_set_new(o, "bytes", json_integer(c->bytes));
	return o;
}

static void
print_json(Bench *b)
{
	const Compiled *k = &b->s.c;
	json_t *stages = json_object(), *entries = json_array(), *o;
	const char *batch = y12_meta(b->eng, "batch"), *frame = y12_meta(b->eng, "frame"), *scale = y12_meta(b->eng, "scale");

	for (int i = 0; i < k->ntime; i++)
		json_object_set_new(stages, k->time[i].stage, json_real(k->time[i].seconds));
	for (size_t i = 0; i < b->cell.n; i++)
		json_array_append_new(entries, cell_json(&b->cell.p[i], b->o->rounds));
	o = json_pack("{s:{s:s, s:i, s:i, s:i, s:i, s:i, s:I}}", "gpu", "name", b->gpu.name, "sm", b->gpu.sm, "driver", b->gpu.driver,
	              "processors", b->gpu.processors, "clock_khz", b->gpu.clock_khz, "memory_khz", b->gpu.memory_khz,
	              "memory", (json_int_t)b->gpu.memory);
	json_object_set_new(o, "ceilings", json_pack("{s:f, s:f, s:f}", "copy_bytes", b->top.bytes, "mma_flops", b->top.mma,
	                    "wgmma_flops", b->top.wgmma));
	json_object_set_new(o, "network", json_pack("{s:s, s:s*, s:s*, s:s*, s:s, s:s, s:b, s:b, s:s}", "model", b->s.path, "scale", scale,
	                    "batch", batch, "frame", frame, "target", target_of(&b->co)->name, "precision",
	                    precision_of(&b->co), "pdl", !b->co.no_pdl, "lanes", !b->co.no_lanes, "code", y12_device(b->eng, "code")));
	json_object_set_new(o, "compile", stages);
	json_object_set_new(o, "open", json_real(b->opening));
	if (b->first >= 0) {
		json_object_set_new(o, "from_cache", json_real(b->hit));
		json_object_set_new(o, "first_result_from_cache", json_real(b->first));
	}
	json_object_set_new(o, "memory", json_pack("{s:I, s:I, s:I, s:I}", "arena", (json_int_t)y12_arena_bytes(b->eng), "constants",
	                    (json_int_t)y12_const_bytes(b->eng), "reserved", (json_int_t)y12_device_bytes(b->eng), "driver",
	                    (json_int_t)b->taken));
	json_object_set_new(o, "entries", entries);
	json_dumpf(o, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(o);
}

/* ---- all of it --------------------------------------------------------------------------------------- */

int
bench_gpu(const Options *o)
{
	static const char *const usual[] = { "boxes", NULL };
	Bench b = { .o = o, .d = diag_new(o->a) };
	bool ok = verb_compile_options(o, b.d, &b.co) && verb_device(o, b.d, &b.gpu);

	if (!o->entry)
		b.co.entries = usual;
	ok = ok && open_engines(&b);
	for (size_t i = 0; i < b.cell.n && ok; i++)
		ok = measure(&b, &b.cell.p[i]);
	if (ok && measure_start(&b)) {
		if (o->json)
			print_json(&b);
		else
			print_text(&b);
	}
	y12_engine_close(b.eng);
	y12_engine_close(b.small);
	stage_close(&b.s);
	return verb_end(b.d);
}
