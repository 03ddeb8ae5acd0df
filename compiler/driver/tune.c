/* tune.c -- `yolo12c tune device=0 budget=60s`: the best tile of each shape, measured.
 *
 *     network ──▶ shapes ──▶ a few candidates of each ──▶ one engine ──▶ times ──▶ table
 *                   ▲                                                      │
 *                   └────────────── while there is time ──────────────────┘
 *
 * Candidates come in the order of the family's model, the model's own choice first, so a short budget is
 * not wasted.  Each is an entry of its own in an engine that holds the network too: its launches, all the same,
 * run in one graph, where they lie in the network's arena and read what a run of the network left there
 * (zeros and NaNs make a card clock higher), which also stands for pictures.  The first look is short; those far
 * behind the best are not looked at again.  Rounds take turns, so that a card that slows down slows all of a shape's candidates.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <unistd.h>

#include "backend/backend.h"
#include "driver/inner.h"
#include "driver/stage.h"
#include "driver/tensors.h"
#include "driver/tune_table.h"
#include "driver/ui.h"
#include "driver/verb.h"
#include "lower/lower.h"

enum { CHUNK = 8, REPEATS = 9, LAUNCHES_MOST = 20, LAUNCHES_LEAST = 4, LOOKS = 3 };
static const double NEAR = 1.25;        /* times the best: worth another look */
static const double WORTH = 0.99;       /* times the model's choice: worth a row of its own */

typedef struct Try { int32_t tile[TILE_MAX]; double seconds; } Try;     /* 0: not measured */

typedef struct Shape {
	const char *key;
	Graph *g;
	uint32_t group;
	int uses;                       /* launches of the network */
	LowerTile *candidate;
	int n, next;                    /* next: the first that was not tried */
	int32_t usual[TILE_MAX];        /* the model's choice */
	VEC(Try) tried;
	bool input;                     /* reads an input of the entry that is no picture: not measured */
} Shape;

typedef struct Tune {
	const Options *o;
	Diag *d;
	CompileOptions co;
	y12_gpu gpu;
	Stage s;
	VEC(Shape) shape;
	double start, budget;
	size_t tried;
} Tune;

/* An entry of the round's engine. */
typedef struct Probe { const char *name; size_t shape, at; int launches; } Probe;
typedef struct Probes { VEC(Probe) p; } Probes;

/* ---- what there is to measure ------------------------------------------------------------ */

static void
find_shapes(Tune *t)
{
	Map *seen = map_new(t->o->a);

	for (size_t i = 0; i < t->s.c.module->graph.n; i++) {
		Graph *g = t->s.c.module->graph.p[i];

		for (size_t k = 0; k < g->sched.n; k++) {
			uint32_t group = g->sched.p[k];
			const Group *gr = &g->group.p[group];
			const char *key = lower_tune_key(t->o->a, g, t->co.target, gr);
			uintptr_t at = key ? (uintptr_t)map_get(seen, key) : 0;
			Shape s = { .key = key, .g = g, .group = group, .uses = 1 };

			if (at)
				t->shape.p[at - 1].uses++;
			if (!key || at)
				continue;
			s.n = lower_candidates(t->o->a, g, t->co.target, gr, &s.candidate);
			memcpy(s.usual, gr->tile, sizeof s.usual);
			if (s.n < 2)
				continue;
			vec_push(t->o->a, &t->shape, s);
			map_set(seen, key, (void *)t->shape.n);
		}
	}
}

/* The model's choice, then the others as they come. */
static void
next_candidates(const Tune *t, Shape *s, size_t *from)
{
	*from = s->tried.n;
	if (!s->tried.n) {
		Try x = { .seconds = 0 };

		memcpy(x.tile, s->usual, sizeof x.tile);
		vec_push(t->o->a, &s->tried, x);
	}
	for (int i = 0; i < CHUNK && s->next < s->n; s->next++) {
		Try x = { .seconds = 0 };

		memcpy(x.tile, s->candidate[s->next].tile, sizeof x.tile);
		if (memcmp(x.tile, s->usual, sizeof x.tile) == 0)
			continue;
		vec_push(t->o->a, &s->tried, x);
		i++;
	}
}

/* ---- a round ---------------------------------------------------------------------------------- */

/* Bytes of the arena for a picture that the launch reads, away from all else that it touches; the arena grows if it must.
 * False: it reads another kind of input. */
static bool
stand_in(Program *p, const Kernel *k, ProgLaunch *l)
{
	enum { ALIGN = 256 };

	for (size_t i = 0; i < l->arg.n; i++) {
		ProgArg *x = &l->arg.p[i];
		int64_t at = 0, was = -1;

		if (x->kind == PROG_DIMS || (x->kind == PROG_INPUT && (k->buf.p[i].dt != DT_U8 || x->bytes < 0)))
			return false;
		if (x->kind != PROG_INPUT)
			continue;
		while (at != was) {
			was = at;
			for (size_t j = 0; j < l->arg.n; j++) {
				const ProgArg *y = &l->arg.p[j];

				if (y->kind == PROG_ARENA && at < y->offset + y->bytes && y->offset < at + x->bytes)
					at = (y->offset + y->bytes + ALIGN - 1) / ALIGN * ALIGN;
			}
		}
		p->arena_bytes = MAX(p->arena_bytes, at + x->bytes);
		*x = (ProgArg){ PROG_ARENA, 0, at, x->bytes };
	}
	return true;
}

/* Candidate `at` of a shape as an entry of the program.  False: *err. */
static bool
add_probe(Tune *t, Program *p, size_t shape, size_t at, Probes *out, const char **err)
{
	Shape *s = &t->shape.p[shape];
	Group *gr = &s->g->group.p[s->group];
	LowerCtx cx = { .a = p->a, .g = s->g, .target = t->co.target };
	double guess = s->tried.p[0].seconds > 0 ? s->tried.p[0].seconds : 10e-6;
	int launches = (int)MIN(LAUNCHES_MOST, MAX(LAUNCHES_LEAST, 200e-6 / guess));
	Probe probe = { arena_printf(p->a, "probe%zu", out->p.n), shape, at, launches };
	ProgEntry e = { .name = probe.name };
	LoweredList l = { 0 };
	uint32_t entry = (uint32_t)p->entry.n;
	int32_t kept[TILE_MAX];
	bool ok;

	memcpy(kept, gr->tile, sizeof kept);
	memcpy(gr->tile, s->tried.p[at].tile, sizeof kept);
	ok = lower_group(&cx, s->group, &l, err);
	memcpy(gr->tile, kept, sizeof kept);
	if (!ok)
		return false;
	vec_push(p->a, &p->entry, e);
	for (size_t j = 0; j < l.l.n; j++) {
		kernel_simplify(l.l.p[j].kernel);
		compile_launch(p, entry, s->g, s->group, &l.l.p[j]);
	}
	for (size_t j = 0; j < l.l.n; j++)
		s->input |= !stand_in(p, l.l.p[j].kernel, &p->entry.p[entry].launch.p[j]);
	/* the same again and again */
	for (int i = 1; i < launches; i++)
		for (size_t j = 0; j < l.l.n; j++) {
			ProgLaunch again = p->entry.p[entry].launch.p[j];

			vec_push(p->a, &p->entry.p[entry].launch, again);
		}
	if (s->input)
		p->entry.n--;
	else
		vec_push(t->o->a, &out->p, probe);
	return true;
}

static int
rising(const void *x, const void *y)
{
	double a = *(const double *)x, b = *(const double *)y;

	return (a > b) - (a < b);
}

/* Runs the network once, so that its arena holds numbers like those it will hold. */
static y12_status
fill_arena(const Tune *t, y12_engine *e)
{
	y12_status s = Y12_OK;
	const char *entry;
	y12_io io;

	for (size_t i = 0; i < t->s.c.module->graph.n && !s && (entry = y12_entry_name(e, i)); i++) {
		Arena *a = arena_new();
		VEC(y12_tensor) all = { 0 };

		for (size_t k = 0; y12_entry_io(e, entry, k, &io); k++) {
			Type type = io_type(&io);
			Tensor x;

			if (io.optional)
				continue;
			x = noise_tensor(a, &type, io.name, (const int64_t[]){ 720, 1280 });
			vec_push(a, &all, io_tensor(io.name, &x));
		}
		s = y12_run(e, entry, all.p, all.n);
		arena_free(a);
	}
	return s;
}

static double
best_of(const Shape *s)
{
	double best = 1e30;

	for (size_t i = 0; i < s->tried.n; i++)
		if (s->tried.p[i].seconds > 0)
			best = MIN(best, s->tried.p[i].seconds);
	return best;
}

static bool
out_of_time(const Tune *t)
{
	return stage_clock() - t->start > t->budget;
}

static y12_status
look(Tune *t, y12_engine *e, const Probe *p, int repeats)
{
	double s[REPEATS];
	Try *x = &t->shape.p[p->shape].tried.p[p->at];
	y12_status st = y12_bench(e, p->name, NULL, 0, (size_t)repeats, s);

	if (!st) {
		qsort(s, (size_t)repeats, sizeof *s, rising);
		s[0] = s[repeats / 2] / p->launches;
		x->seconds = x->seconds > 0 ? MIN(x->seconds, s[0]) : s[0];
	}
	return st;
}

static bool
measure(Tune *t, y12_engine *e, const Probes *all)
{
	y12_status s = fill_arena(t, e);
	bool first = t->tried == all->p.n;      /* however short the time, each shape is looked at */

	for (int round = 0; round < LOOKS && !s; round++)
		for (size_t i = 0; i < all->p.n && !s && ((first && !round) || !out_of_time(t)); i++) {
			const Probe *p = &all->p.p[i];
			const Shape *sh = &t->shape.p[p->shape];

			if (round && sh->tried.p[p->at].seconds > NEAR * best_of(sh))
				continue;
			s = look(t, e, p, round ? REPEATS : 3);
		}
	return verb_status(t->d, s, e);
}

static bool
round_of(Tune *t, bool *more)
{
	Arena *a = arena_new();
	Compiled c = { .module = t->s.c.module };
	y12_options opt = { .device = t->o->device, .picture_bytes = 3 * 720 * 1280, .cache_dir = t->co.cache_dir };
	const char *err = NULL;
	y12_engine *e = NULL;
	Probes all = { 0 };
	bool ok = compile_program(a, t->d, &t->co, &c);

	for (size_t i = 0; i < t->shape.n && ok; i++) {
		Shape *s = &t->shape.p[i];
		size_t from;

		next_candidates(t, s, &from);
		for (size_t k = from; k < s->tried.n && ok && !s->input; k++)
			if (!(ok = add_probe(t, c.program, i, k, &all, &err)))
				diag_error(t->d, (Span){ 0 }, "cannot-lower", "%s", err);
	}
	*more = all.p.n > 0;
	t->tried += all.p.n;
	if (ok && all.p.n)
		ok = compile_code(a, t->d, &t->co, &c) &&
		     verb_open(t->d, c.image, c.image_bytes, &opt, &e) && measure(t, e, &all);
	y12_engine_close(e);
	arena_free(a);
	return ok;
}

/* ---- what came of it ---------------------------------------------------------------------------- */

static const Try *
best_try(const Shape *s)
{
	const Try *best = &s->tried.p[0];

	for (size_t i = 1; i < s->tried.n; i++)
		if (s->tried.p[i].seconds > 0 && s->tried.p[i].seconds < best->seconds)
			best = &s->tried.p[i];
	return best->seconds < WORTH * s->tried.p[0].seconds ? best : &s->tried.p[0];
}

static void
report(const Tune *t, Map *rows)
{
	double before = 0, after = 0;
	size_t better = 0;

	for (size_t i = 0; i < t->shape.n; i++) {
		const Shape *s = &t->shape.p[i];
		TuneRow *r = NEW(t->o->a, TuneRow);
		const Try *best;

		if (!s->tried.n || s->tried.p[0].seconds <= 0)
			continue;
		best = best_try(s);
		memcpy(r->tile, best->tile, sizeof r->tile);
		r->seconds = best->seconds;
		r->model = s->tried.p[0].seconds;
		map_set(rows, s->key, r);
		before += s->uses * r->model;
		after += s->uses * r->seconds;
		better += best != &s->tried.p[0];
		printf("%10.2f us %10.2f by the model %4d of it  %s\n", 1e6 * r->seconds, 1e6 * r->model, s->uses, s->key);
	}
	printf("%zu shapes, %zu tiles tried, %zu better than the model's choice: %.1f us of the network become %.1f\n", t->shape.n,
	       t->tried, better, 1e6 * before, 1e6 * after);
}

/* "60", "60s", "2m" */
static bool
read_seconds(const char *s, double *out)
{
	char *end;

	*out = strtod(s, &end) * (strcmp(end, "m") == 0 ? 60 : 1);
	return end != s && (!*end || strcmp(end, "s") == 0 || strcmp(end, "m") == 0) && *out > 0 && *out <= 86400;
}

static bool
tune(Tune *t, const char *out)
{
	const char *err = NULL;
	Map *rows = map_new(t->o->a);
	bool more = true;

	if (access(out, R_OK) == 0 && !(rows = tune_read(t->o->a, out, &err)))
		return diag_error(t->d, (Span){ 0 }, "tune-table", "%s", err), false;
	if (!stage_open(t->o->a, t->d, t->co.model, &t->co, &t->s) ||
	    !stage_graphs(t->o->a, t->d, &t->s, pass_info[pass_count - 1].name))
		return false;
	find_shapes(t);
	while (more && !out_of_time(t) && !ui_interrupted()) {
		if (!round_of(t, &more))
			return false;
		if (!t->o->quiet)
			ui_note("%zu shapes, %zu tiles tried, %.0f s", t->shape.n, t->tried, stage_clock() - t->start);
	}
	report(t, rows);
	if ((err = tune_write(t->o->a, out, t->co.target, t->gpu.name, rows)))
		diag_error(t->d, (Span){ 0 }, "write", "%s", err);
	else if (!t->o->quiet)
		ui_note("%s has %zu rows", out, map_count(rows));
	return !err;
}

int
verb_tune(const Options *o)
{
	static const char *const usual[] = { "boxes", NULL };
	Tune t = { .o = o, .d = diag_new(o->a), .start = stage_clock() };
	const char *env = getenv("YOLO12C_TUNE"), *out;

	if (!verb_needs(o, KEY_model))
		return EXIT_USAGE;
	if (!verb_on_gpu(o))
		return verb_usage(o, "tune is for GPUs: write device=0");
	if (!read_seconds(o->budget, &t.budget))
		return verb_usage(o, "budget=%s: it must be a time, such as 60s or 2m", o->budget);
	if (verb_compile_options(o, t.d, &t.co) && verb_device(o, t.d, &t.gpu)) {
		if (!o->entry)
			t.co.entries = usual;
		if (!t.co.weights)
			t.co.weights = "random";
		/* the model's own choices, not those of a table */
		t.co.target = target_named(t.co.target->name);
		t.co.cache_dir = cache_dir_default(o->a);
		out = o->out ? o->out : env && *env ? env : arena_printf(o->a, "%s.tune", t.co.target->name);
		ui_catch_interrupts();
		tune(&t, out);
	}
	stage_close(&t.s);
	return verb_end(t.d);
}
