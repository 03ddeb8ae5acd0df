/* bench.c -- `yolo12c bench`: how fast a network runs here, and where the time goes.
 *
 *     cold compile, stage by stage ── from the cache ── rounds, settings taking turns ── kernels
 *
 * Settings (1 thread, all processors) take turns round by round, so that a machine that
 * slows down slows all of them; medians and minima are told, since others may use the machine too.
 * What the arithmetic could give at most is measured as well, by a kernel of our own that does
 * nothing but fused multiply-adds in registers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <jansson.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "backend/backend.h"
#include "driver/bench.h"
#include "driver/stage.h"
#include "driver/tensors.h"
#include "driver/verb.h"
#include "driver/work.h"

enum { WARM_UP = 3, PEAK_TASKS = 32, PEAK_SUMS = 12, PEAK_TURNS = 100000, PEAK_ROUNDS = 5 };

typedef struct Setting {
	int threads;
	y12_engine *eng, *peak_eng;
	double *seconds;                /* one a round */
	double median, least, peak;     /* peak: flop/s */
} Setting;

/* One launch, or all launches of one kernel. */
typedef struct Line {
	const char *kernel, *layer;
	int launches;
	double seconds;                 /* of one run, the mean over rounds */
	int64_t macs;                   /* -1: not known */
} Line;

typedef struct Bench {
	const Options *o;
	Diag *d;
	Stage s;
	const char *entry;
	VEC(y12_tensor) io;
	VEC(Setting) setting;
	VEC(Line) launch;               /* in order */
	int64_t macs;                   /* of a run; -1: not known */
	double compile_hit, first;      /* seconds; -1: not measured */
	bool hit;
} Bench;

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool
failed(Bench *b, const char *slug, const char *fmt, const char *what)
{
	diag_error(b->d, (Span){ 0 }, slug, fmt, what);
	return false;
}

/* ---- the peak -------------------------------------------------------------------------------- */

/* Twelve independent sums of fused multiply-adds: more than latency times units of any CPU of today,
 * and few enough for 16 registers. */
static Kernel *
peak_kernel(Arena *a, int lanes)
{
	KBuild *k = k_begin(a, "peak");
	uint32_t x = k_param(k, "x", DT_F32, 2 * lanes, false);
	uint32_t y = k_param(k, "y", DT_F32, (int64_t)PEAK_TASKS * lanes, true);
	KType t = kt(KS_F32, lanes);
	Reg sum[PEAK_SUMS], p, q, all;

	k_grid(k, PEAK_TASKS, 1, 1);
	p = k_load(k, x, k_ix(k, 0), lanes);
	q = k_load(k, x, k_ix(k, lanes), lanes);
	for (int i = 0; i < PEAK_SUMS; i++)
		k_mov_to(k, sum[i] = k_var(k, t), k_real(k, t, i));
	k_for(k, k_ix(k, 0), k_ix(k, PEAK_TURNS), 1);
	for (int i = 0; i < PEAK_SUMS; i++)
		k_op_to(k, sum[i], K_fma, sum[i], p, q);
	k_close(k);
	all = k_add(k, sum[0], sum[1]);
	for (int i = 2; i < PEAK_SUMS; i++)
		all = k_add(k, all, sum[i]);
	k_store(k, y, k_muli(k, k_axis(k, KAXIS_BLOCK_X), lanes), all);
	return k_end(k);
}

static bool
peak_engine(Bench *b, Compiled *c)
{
	Arena *a = b->o->a;
	const Target *t = b->s.o.target ? b->s.o.target : target_host();
	int lanes = t->vector_bytes / 4;
	Program *p = c->program = program_new(a);
	ProgEntry e = { .name = "peak" };
	int64_t out = (int64_t)PEAK_TASKS * lanes;
	ProgLaunch *l;

	vec_push(a, &e.tensor, ((ProgTensor){ "x", type_of(DT_F32, 1, (int64_t[]){ 2 * lanes }), false, -1 }));
	vec_push(a, &e.tensor, ((ProgTensor){ "y", type_of(DT_F32, 1, &out), true, 0 }));
	vec_push(a, &p->entry, e);
	p->arena_bytes = 4 * out;
	l = program_add_launch(p, 0, peak_kernel(a, lanes), PHASE_NET, "");
	vec_push(a, &l->arg, ((ProgArg){ PROG_INPUT, 0, 0, 8 * lanes }));
	vec_push(a, &l->arg, ((ProgArg){ PROG_ARENA, 0, 0, 4 * out }));
	return compile_code(a, b->d, &b->s.o, c);
}

static void
measure_peak(const Bench *b, Setting *s)
{
	const Target *t = b->s.o.target ? b->s.o.target : target_host();
	int64_t lanes = t->vector_bytes / 4;
	float *x = NEWN(b->o->a, float, 2 * lanes), *y = NEWN(b->o->a, float, PEAK_TASKS * lanes);
	y12_tensor io[] = { { "x", Y12_F32, 1, { 2 * lanes }, x }, { "y", Y12_F32, 1, { PEAK_TASKS * lanes }, y } };
	double least = 1e9;

	for (int64_t i = 0; i < 2 * lanes; i++)
		x[i] = i < lanes ? 0.5f : 1.0f;
	for (int i = 0; i < PEAK_ROUNDS; i++) {
		double start = now();

		if (y12_run(s->peak_eng, "peak", io, 2))
			return;
		least = MIN(least, now() - start);
	}
	s->peak = MAX(s->peak, 2.0 * PEAK_TASKS * PEAK_SUMS * PEAK_TURNS * (double)lanes / least);
}

/* ---- preparing --------------------------------------------------------------------------------- */

/* The second of two compilations comes from the cache: what a user waits for, every time but the first. */
static void
measure_cache(Bench *b, CompileOptions co)
{
	y12_options opt = { .threads = (int)b->o->threads };
	y12_engine *eng = NULL;
	const void *image;
	double start;
	size_t bytes;

	b->compile_hit = b->first = -1;
	if (b->s.kind != STAGE_SPEC || !(co.cache_dir = cache_dir_default(b->o->a)))
		return;
	for (int i = 0; i < 2; i++) {
		start = now();
		if (!compile_cached(b->o->a, b->d, &co, &image, &bytes, &b->hit))
			return;
	}
	b->compile_hit = now() - start;
	if (!y12_engine_open_memory(image, bytes, &opt, &eng) && !y12_run(eng, b->entry, b->io.p, b->io.n))
		b->first = now() - start;
	y12_engine_close(eng);
}

static bool
add_setting(Bench *b, const Compiled *peak, int threads)
{
	y12_options opt = { .threads = threads };
	Setting s = { .threads = threads, .seconds = NEWN(b->o->a, double, (size_t)b->o->rounds) };

	if (y12_engine_open_memory(b->s.c.image, b->s.c.image_bytes, &opt, &s.eng))
		return failed(b, "engine", "%s", y12_message(s.eng));
	if (y12_engine_open_memory(peak->image, peak->image_bytes, &opt, &s.peak_eng))
		return failed(b, "engine", "%s", y12_message(s.peak_eng));
	vec_push(b->o->a, &b->setting, s);
	return true;
}

static bool
choose_entry(Bench *b)
{
	const y12_engine *eng = b->setting.p[0].eng;
	const char *name;

	b->entry = y12_entry_name(eng, 0);
	for (size_t i = 0; (name = y12_entry_name(eng, i)); i++)
		if (strcmp(name, b->o->entry ? b->o->entry : "forward") == 0)
			b->entry = name;
	if (!b->entry || (b->o->entry && strcmp(b->entry, b->o->entry) != 0))
		return failed(b, "entry-missing", "there is no entry %s", b->o->entry ? b->o->entry : "");
	return true;
}

static void
make_tensors(Bench *b)
{
	const y12_engine *eng = b->setting.p[0].eng;
	y12_io io;

	for (size_t i = 0; y12_entry_io(eng, b->entry, i, &io); i++) {
		Type type = io_type(&io);
		Tensor t;

		if (io.optional)
			continue;
		t = noise_tensor(b->o->a, &type, io.name, (const int64_t[]){ 720, 1280 });
		vec_push(b->o->a, &b->io, io_tensor(io.name, &t));
	}
}

/* ---- measuring --------------------------------------------------------------------------------- */

static int
by_number(const void *x, const void *y)
{
	double a = *(const double *)x, b = *(const double *)y;

	return (a > b) - (a < b);
}

static bool
measure(Bench *b)
{
	for (int64_t r = -WARM_UP; r < b->o->rounds; r++)
		for (size_t i = 0; i < b->setting.n; i++) {
			Setting *s = &b->setting.p[i];
			double start = now();

			if (y12_run(s->eng, b->entry, b->io.p, b->io.n))
				return failed(b, "run-failed", "%s", y12_message(s->eng));
			if (r >= 0)
				s->seconds[r] = now() - start;
			if (r == b->o->rounds / 2)
				measure_peak(b, s);
		}
	for (size_t i = 0; i < b->setting.n; i++) {
		Setting *s = &b->setting.p[i];
		size_t n = (size_t)b->o->rounds;

		qsort(s->seconds, n, sizeof *s->seconds, by_number);
		s->least = s->seconds[0];
		s->median = (s->seconds[(n - 1) / 2] + s->seconds[n / 2]) / 2;
	}
	return true;
}

typedef struct Profile { Bench *b; size_t at; } Profile;

static void
take_launch(void *user, const char *kernel, const char *layer, double seconds)
{
	Profile *p = user;
	Bench *b = p->b;

	if (p->at == b->launch.n)
		vec_push(b->o->a, &b->launch, ((Line){ kernel, layer, 1, 0, launch_macs(&b->s.c, b->entry, p->at) }));
	b->launch.p[p->at++].seconds += seconds / (double)b->o->rounds;
}

static bool
profile(Bench *b)
{
	for (int64_t r = 0; r < b->o->rounds; r++) {
		Profile p = { b, 0 };

		if (y12_profile(b->setting.p[0].eng, b->entry, b->io.p, b->io.n, take_launch, &p))
			return failed(b, "run-failed", "%s", y12_message(b->setting.p[0].eng));
	}
	return true;
}

/* ---- showing -------------------------------------------------------------------------------------- */

static int
by_time(const void *x, const void *y)
{
	const Line *a = x, *b = y;

	return a->seconds != b->seconds ? (a->seconds < b->seconds ? 1 : -1) : strcmp(a->kernel, b->kernel);
}

static void
print_profile(Bench *b)
{
	VEC(Line) kernel = { 0 };
	Map *seen = map_new(b->o->a);
	double all = 0;

	for (size_t i = 0; i < b->launch.n; i++) {
		const Line *l = &b->launch.p[i];
		uintptr_t at = (uintptr_t)map_get(seen, l->kernel);

		all += l->seconds;
		if (!at) {
			vec_push(b->o->a, &kernel, *l);
			map_set(seen, l->kernel, (void *)(at = kernel.n));
			continue;
		}
		kernel.p[at - 1].launches++;
		kernel.p[at - 1].seconds += l->seconds;
		kernel.p[at - 1].macs += l->macs > 0 ? l->macs : 0;
	}
	qsort(kernel.p, kernel.n, sizeof *kernel.p, by_time);
	printf("\nkernels, %d thread%s\n%10s %6s %8s %10s %8s  %s\n", b->setting.p[0].threads, b->setting.p[0].threads > 1 ? "s" : "",
	       "ms", "%", "launches", "MMAC", "GFLOP/s", "kernel, first layer");
	for (size_t i = 0; i < kernel.n; i++) {
		const Line *l = &kernel.p[i];

		printf("%10.3f %6.1f %8d ", 1e3 * l->seconds, 100 * l->seconds / all, l->launches);
		if (l->macs > 0)
			printf("%10.2f %8.1f", 1e-6 * (double)l->macs, 2e-9 * (double)l->macs / l->seconds);
		else
			printf("%10s %8s", "", "");
		printf("  %s  %s\n", l->kernel, l->layer);
	}
}

static void
print_text(Bench *b)
{
	const Compiled *c = &b->s.c;
	double sum = 0;

	printf("%s %s, %s\n", b->s.path, b->entry, (b->s.o.target ? b->s.o.target : target_host())->name);
	if (c->ntime) {
		printf("compile      ");
		for (int i = 0; i < c->ntime; i++) {
			printf("%s %.0f ms, ", c->time[i].stage, 1e3 * c->time[i].seconds);
			sum += c->time[i].seconds;
		}
		printf("all %.2f s\n", sum);
	}
	if (b->compile_hit >= 0)
		printf("from cache   %.1f ms%s, first result after %.1f ms\n", 1e3 * b->compile_hit, b->hit ? "" : " (NOT found there)",
		       1e3 * b->first);
	printf("memory       %.2f MB arena, %.2f MB constants\n", 1e-6 * (double)y12_arena_bytes(b->setting.p[0].eng),
	       1e-6 * (double)y12_const_bytes(b->setting.p[0].eng));
	if (b->macs >= 0)
		printf("work         %.3f GMAC\n", 1e-9 * (double)b->macs);
	printf("\n%8s %10s %10s %10s %10s %8s\n", "threads", "median ms", "least ms", "GFLOP/s", "peak", "of peak");
	for (size_t i = 0; i < b->setting.n; i++) {
		const Setting *s = &b->setting.p[i];

		printf("%8d %10.2f %10.2f ", s->threads, 1e3 * s->median, 1e3 * s->least);
		if (b->macs >= 0)
			printf("%10.1f %10.1f %7.1f%%\n", 2e-9 * (double)b->macs / s->median, 1e-9 * s->peak,
			       200 * (double)b->macs / s->median / s->peak);
		else
			printf("%10s %10.1f\n", "", 1e-9 * s->peak);
	}
	if (b->o->profile)
		print_profile(b);
}

static void
print_json(Bench *b)
{
	const Compiled *c = &b->s.c;
	json_t *o, *stages = json_object(), *settings = json_array(), *launches = json_array();

	for (int i = 0; i < c->ntime; i++)
		json_object_set_new(stages, c->time[i].stage, json_real(c->time[i].seconds));
	for (size_t i = 0; i < b->setting.n; i++) {
		const Setting *s = &b->setting.p[i];

		json_array_append_new(settings, json_pack("{s:i, s:f, s:f, s:f}", "threads", s->threads, "median", s->median,
		                                          "least", s->least, "peak_flops", s->peak));
	}
	for (size_t i = 0; i < b->launch.n; i++) {
		const Line *l = &b->launch.p[i];
		json_t *x = json_pack("{s:s, s:s, s:f}", "kernel", l->kernel, "layer", l->layer, "seconds", l->seconds);

		if (l->macs >= 0)
			json_object_set_new(x, "macs", json_integer(l->macs));
		json_array_append_new(launches, x);
	}
	o = json_pack("{s:s, s:s, s:s, s:o, s:I, s:I, s:i, s:o}", "model", b->s.path, "entry", b->entry, "target",
	              (b->s.o.target ? b->s.o.target : target_host())->name, "compile", stages,
	              "arena_bytes", (json_int_t)y12_arena_bytes(b->setting.p[0].eng),
	              "const_bytes", (json_int_t)y12_const_bytes(b->setting.p[0].eng), "rounds", (int)b->o->rounds, "settings", settings);
	if (b->macs >= 0)
		json_object_set_new(o, "macs", json_integer(b->macs));
	if (b->compile_hit >= 0) {
		json_object_set_new(o, "from_cache", json_real(b->compile_hit));
		json_object_set_new(o, "first_result_from_cache", json_real(b->first));
	}
	if (b->o->profile)
		json_object_set(o, "launches", launches);
	json_decref(launches);
	json_dumpf(o, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(o);
}

/* ---- all of it ------------------------------------------------------------------------------------- */

static int
processors(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
}

static bool
bench(Bench *b, const CompileOptions *co)
{
	Compiled peak = { 0 };
	int all = processors();
	Graph *g;

	if (!stage_open(b->o->a, b->d, co->model, co, &b->s) || !stage_engine(b->o->a, b->d, &b->s) || !peak_engine(b, &peak))
		return false;
	if (b->o->threads) {
		if (!add_setting(b, &peak, (int)b->o->threads))
			return false;
	} else if (!add_setting(b, &peak, 1) || (all > 1 && !add_setting(b, &peak, all))) {
		return false;
	}
	if (!choose_entry(b))
		return false;
	make_tensors(b);
	g = b->s.c.module ? module_entry(b->s.c.module, b->entry) : NULL;
	b->macs = g ? group_macs(g, 0) : -1;
	measure_cache(b, *co);
	return measure(b) && (!b->o->profile || profile(b));
}

int
verb_bench(const Options *o)
{
	Bench b = { .o = o, .d = diag_new(o->a) };
	const char *entry[] = { o->entry ? o->entry : "forward", NULL };
	CompileOptions co;

	if (!verb_needs(o, KEY_model))
		return EXIT_USAGE;
	if (verb_on_gpu(o))
		return bench_gpu(o);
	if (verb_compile_options(o, b.d, &co)) {
		co.entries = entry;
		if (bench(&b, &co)) {
			if (o->json)
				print_json(&b);
			else
				print_text(&b);
		}
	}
	for (size_t i = 0; i < b.setting.n; i++) {
		y12_engine_close(b.setting.p[i].eng);
		y12_engine_close(b.setting.p[i].peak_eng);
	}
	stage_close(&b.s);
	return verb_end(b.d);
}
