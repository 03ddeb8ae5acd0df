/* check_gpu.c -- what runs everywhere else in interpreters, on a GPU.
 *
 *     check_gpu [device=cuda:0] [only=TEXT] [cases=tests/numeric] [weights=FILE] [timeout=120]
 *
 *     tests/numeric/NAME.g ──┐                     ┌─ reference evaluator
 *     the network, small ────┴─ for each target ───┴─ kernels on the device ── compared
 *
 * Each runs in f32, f16 and bf16 with the GPU's newest code, and in f16 with that of every older
 * target; where a convolution or an attention can have other tiles than the usual ones, also with some of those.  A kernel that reads outside its memory ruins the context of its process, and one that
 * does not end would be waited for for ever; so the work is done by a child, and the next
 * child goes on behind what ended it.
 *
 * It ends with a line "N passed, N failed".  77: there is no GPU.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/backend.h"
#include "driver/stage.h"
#include "graph/eval.h"
#include "lower/lower.h"
#include "runtime/yolo12c.h"

enum { SKIPPED = 77, LOST = 3, PICKS = 12 };

static const char *device = "cuda:0", *only, *cases, *weights, *timeout = "120";

static const struct { const char *name; const char **value; } options[] = {
	{ "device", &device }, { "only", &only }, { "cases", &cases }, { "weights", &weights }, { "timeout", &timeout },
};

/* ---- what there is to do --------------------------------------------------------------------- */

/* pick: 1 … PICKS, one of the tiles that can be had, evenly from all of them; 0: the usual ones */
typedef struct Variant { const Target *target; DType compute; int pick; } Variant;

typedef struct Case {
	const char *name;
	const char *path;               /* NULL: the network with … */
	int64_t frame[2];
	const char *entry;
	const char *text;               /* of a graph */
} Case;

typedef struct Task { const Case *c; const Variant *v; } Task;

/* in memory that the children share */
typedef struct Score { size_t next, passed, failed; } Score;

static Arena *all;
static VEC(Case) list;
static VEC(Variant) variants;
static VEC(Task) tasks;
static Score *score;

static int
by_name(const void *x, const void *y)
{
	return strcmp(((const Case *)x)->name, ((const Case *)y)->name);
}

static void
find_cases(void)
{
	DIR *d = opendir(cases);
	const char *err;
	size_t n;

	for (const struct dirent *e; d && (e = readdir(d));) {
		size_t len = strlen(e->d_name);
		Case c = { .name = arena_str(all, e->d_name), .path = arena_printf(all, "%s/%s", cases, e->d_name) };

		if (len > 2 && strcmp(e->d_name + len - 2, ".g") == 0 && (c.text = file_read(all, c.path, &n, &err)))
			vec_push(all, &list, c);
	}
	if (d)
		closedir(d);
	qsort(list.p, list.n, sizeof *list.p, by_name);
	if (weights) {
		static const struct { const char *name; int64_t frame[2]; const char *entry; } network[] = {
			{ "network 64x64", { 64, 64 }, "forward" }, { "network 96x160", { 96, 160 }, "forward" },
			{ "network 640x640 boxes", { 640, 640 }, "boxes" },
		};

		for (size_t i = 0; i < COUNT(network); i++)
			vec_push(all, &list, ((Case){ .name = network[i].name, .entry = network[i].entry,
			                              .frame = { network[i].frame[0], network[i].frame[1] } }));
	}
}

static void
find_variants(int sm)
{
	static const DType type[] = { DT_F32, DT_F16, DT_BF16 };
	const Target *own = NULL;
	const char *const *name;
	size_t n;

	name = target_names(&n);
	for (size_t i = 0; i < n; i++) {
		const Target *t = target_named(name[i]);
		bool arch = t && t->name[strlen(t->name) - 1] == 'a';

		if (!t || t->kind != TARGET_GPU || (arch ? t->sm != sm : t->sm > sm))
			continue;
		own = t;
		vec_push(all, &variants, ((Variant){ t, DT_F16, 0 }));
	}
	for (size_t i = 0; i < COUNT(type) && own; i++)
		if (type[i] != DT_F16 && (type[i] != DT_BF16 || own->has & GPU_BF16))
			vec_push(all, &variants, ((Variant){ own, type[i], 0 }));
	for (int i = 1; i <= PICKS && own; i++)
		vec_push(all, &variants, ((Variant){ own, DT_F16, i }));
}

/* ---- numbers ------------------------------------------------------------------------------------ */

static double
hash01(uint64_t seed, uint64_t i)
{
	uint64_t x = seed * 0x9e3779b97f4a7c15 + i * 0xbf58476d1ce4e5b9 + 1;

	for (int k = 0; k < 2; k++) {
		x ^= x >> (k ? 27 : 30), x *= 0xbf58476d1ce4e5b9;
		x ^= x >> 27, x *= 0x94d049bb133111eb;
	}
	return (double)((x ^ x >> 31) >> 11) / 9007199254740992.0;
}

/* the rest of the comment line `# word name`, or NULL (see tests/numeric/test_numeric.c) */
static const char *
directive(const Case *c, const char *word, const char *name)
{
	char key[128];
	const char *at;

	snprintf(key, sizeof key, *name ? "# %s %s" : "# %s%s", word, name);
	at = c->text ? strstr(c->text, key) : NULL;
	return at ? at + strlen(key) : NULL;
}

static void *
hash_data(Arena *a, const Case *c, const char *name, const Type *t)
{
	double lo = t->dt == DT_U8 || t->dt == DT_BOOL || !c->path ? 0 : -2, hi = t->dt == DT_U8 ? 256 : c->path ? 2 : 1;
	const char *range = directive(c, "range", name);
	int64_t n = type_count(t);
	void *p = arena_alloc(a, (size_t)type_bytes(t) + 64);

	if (range && sscanf(range, "%lf %lf", &lo, &hi) != 2)
		abort();
	for (int64_t i = 0; i < n; i++) {
		double x = lo + (hi - lo) * hash01(hash64(name, strlen(name)), (uint64_t)i);

		dtype_set(t->dt, p, (size_t)i, dtype_info[t->dt].real ? x : floor(x));
	}
	return p;
}

/* NULL, or how far h is from w. */
static const char *
differs(Arena *a, const Case *c, const Variant *v, const char *name, const Tensor *w, const void *h)
{
	const char *s = directive(c, "tol", ""), *half = directive(c, "half", "");
	double tol = s ? strtod(s, NULL) : 2e-5, rel = half ? strtod(half, NULL) : c->path ? 2e-3 : 4e-3;
	double worst = 0, diff = 0, whole = 0;
	int64_t n = type_count(&w->type), at = 0;
	DType dt = w->type.dt;

	rel *= v->compute == DT_BF16 ? 8 : 1;
	tol *= dtype_info[dt].real ? c->path ? 4 : 40 : 0;
	for (int64_t i = 0; i < n; i++) {
		double x = dtype_get(dt, w->data, (size_t)i), y = dtype_get(dt, h, (size_t)i), d = fabs(x - y);

		if (x == y || (isnan(x) && isnan(y)))
			d = 0;
		if (!(d / (1 + fabs(x)) <= worst)) {
			worst = isnan(d) ? INFINITY : d / (1 + fabs(x));
			at = i;
		}
		diff += d * d;
		whole += isfinite(x) ? x * x : 0;
	}
	if (v->compute != DT_F32 && dtype_info[dt].real ? diff <= rel * rel * whole : worst <= tol)
		return NULL;
	return arena_printf(a, "%s[%lld] is %.7g instead of %.7g; off by %.3g of its length", name, (long long)at,
	                    dtype_get(dt, h, (size_t)at), dtype_get(dt, w->data, (size_t)at), sqrt(diff / whole));
}

/* ---- one task --------------------------------------------------------------------------------------- */

/* What a case should give, kept from one variant to the next. */
typedef struct Expected {
	const Case *c;
	Arena *a;
	const Graph *g;
	Tensor *in, *out;
} Expected;

static const char *
said(Arena *a, const Diag *d)
{
	return diag_errors(d) ? arena_str(a, diag_get(d, 0)->text) : "it failed without a word";
}

static const char *
open_case(Arena *a, Diag *d, const Case *c, const CompileOptions *o, Stage *s)
{
	if (!stage_open(a, d, c->path ? c->path : "yolov12", o, s))
		return said(a, d);
	for (size_t i = 0; i < s->c.module->graph.n; i++) {
		Graph *g = s->c.module->graph.p[i];

		for (Val v = 1; v < g->node.n; v++) {
			Node *n = graph_node(g, v);

			if (n->op == OP_param && !n->data)
				n->data = hash_data(a, c, n->name, &n->type);
		}
		graph_order(g);
	}
	return NULL;
}

static const char *
expect(Expected *x, const Case *c, const CompileOptions *o)
{
	Diag *d;
	Stage s;
	const char *err;

	if (x->c == c)
		return NULL;
	arena_free(x->a);
	*x = (Expected){ .a = arena_new() };
	d = diag_new(x->a);
	if ((err = open_case(x->a, d, c, o, &s)))
		return err;

	const Graph *g = x->g = s.c.module->graph.p[0];

	x->in = NEWN(x->a, Tensor, g->input.n + 1);
	x->out = NEWN(x->a, Tensor, g->output.n + 1);
	for (size_t i = 0; i < g->input.n; i++) {
		const Node *n = graph_node(g, g->input.p[i]);
		const char *size = directive(c, "size", n->name);
		long h = 720, w = 1280;

		x->in[i].type = n->type;
		if (n->data)
			continue;
		if (size && sscanf(size, "%ld %ld", &h, &w) != 2)
			abort();
		for (int k = 0; k < n->type.rank; k++)
			if (n->type.dim[k] < 0)
				x->in[i].type.dim[k] = k ? w : h;
		x->in[i].data = hash_data(x->a, c, n->name, &x->in[i].type);
	}
	if (!eval_graph(x->a, g, x->in, x->out, NULL, NULL, &err))
		return arena_printf(x->a, "eval: %s", err);
	x->c = c;
	return NULL;
}

static y12_tensor
tensor(const char *name, const Type *t, void *data)
{
	static const y12_dtype to[DT_COUNT] = {
		[DT_U8] = Y12_U8, [DT_BOOL] = Y12_BOOL, [DT_I32] = Y12_I32, [DT_I64] = Y12_I64,
		[DT_F16] = Y12_F16, [DT_BF16] = Y12_BF16, [DT_F32] = Y12_F32, [DT_F64] = Y12_F64,
	};
	y12_tensor x = { .name = name, .dtype = to[t->dt], .rank = t->rank, .data = data };

	memcpy(x.dim, t->dim, sizeof x.dim);
	return x;
}

/* NULL, or what is wrong; *lost: with the device as well */
static const char *
run_on_device(Arena *a, const Case *c, const Variant *v, const Expected *x, const Stage *s, bool *lost)
{
	size_t n = 0, nin = x->g->input.n, nout = x->g->output.n;
	y12_tensor *io = NEWN(a, y12_tensor, nin + nout + 1);
	void **out = NEWN(a, void *, nout + 1);
	y12_options opt = { .device = device };
	const char *wrong = NULL;
	y12_engine *e;
	y12_status st = y12_engine_open_memory(s->c.image, s->c.image_bytes, &opt, &e);

	for (size_t i = 0; i < nin; i++)
		if (x->in[i].data)
			io[n++] = tensor(graph_node(x->g, x->g->input.p[i])->name, &x->in[i].type, x->in[i].data);
	for (size_t i = 0; i < nout; i++) {
		out[i] = arena_alloc(a, (size_t)type_bytes(&x->out[i].type) + 64);
		io[n++] = tensor(x->g->output.p[i].name, &x->out[i].type, out[i]);
	}
	/* twice: what a run leaves in the arena must not matter */
	for (int round = 0; round < 2 && !st; round++)
		st = y12_run(e, x->g->name, io, n);
	if (st)
		wrong = arena_str(a, y12_message(e));
	*lost = st == Y12_DEVICE;
	for (size_t i = 0; i < nout && !wrong; i++)
		wrong = differs(a, c, v, x->g->output.p[i].name, &x->out[i], out[i]);
	y12_engine_close(e);
	return wrong;
}

/* The target with a table that wishes, for every group, its pick-th tile.  NULL: no group has a choice. */
static const Target *
with_picks(Arena *a, const Variant *v, const Case *c, const CompileOptions *o)
{
	Map *wish = map_new(a);
	Target *t = arena_dup(a, v->target, sizeof *t);
	Stage s = { 0 };
	Diag *d = diag_new(a);

	t->tuned = wish;
	if (open_case(a, d, c, o, &s) || !stage_graphs(a, d, &s, "plan"))
		return NULL;
	for (size_t i = 0; i < s.c.module->graph.n; i++) {
		const Graph *g = s.c.module->graph.p[i];

		for (size_t k = 0; k < g->sched.n; k++) {
			const Group *gr = &g->group.p[g->sched.p[k]];
			const char *key = lower_tune_key(a, g, v->target, gr);
			LowerTile *tile;
			int n = key ? lower_candidates(a, g, v->target, gr, &tile) : 0;

			if (n > 1)
				map_set(wish, key, tile[(int64_t)(v->pick - 1) * (n - 1) / (PICKS - 1)].tile);
		}
	}
	stage_close(&s);
	return map_count(wish) ? t : NULL;
}

static const char nothing[] = "nothing to pick";

static const char *
run_task(Arena *a, const Task *t, Expected *x, bool *lost)
{
	const char *entry[] = { t->c->entry, NULL }, *wrong;
	CompileOptions o = {
		.weights = t->c->path ? NULL : weights, .target = t->v->target, .compute = t->v->compute,
		.frame = { t->c->frame[0], t->c->frame[1] }, .entries = t->c->entry ? entry : NULL,
		.cache_dir = cache_dir_default(a),
	};
	Diag *d = diag_new(a);
	Stage s = { 0 };

	if (t->v->pick && !(o.target = with_picks(a, t->v, t->c, &o)))
		return nothing;
	if ((wrong = expect(x, t->c, &o)) || (wrong = open_case(a, d, t->c, &o, &s)))
		return wrong;
	wrong = !stage_engine(a, d, &s) ? said(a, d) : run_on_device(a, t->c, t->v, x, &s, lost);
	stage_close(&s);
	return wrong;
}

/* ---- children ------------------------------------------------------------------------------------------ */

static const char *
title(Arena *a, const Task *t)
{
	return arena_printf(a, "%s, %s %s%s", t->c->name, t->v->target->name, dtype_info[t->v->compute].name,
	                    t->v->pick ? arena_printf(a, ", tiles %d", t->v->pick) : "");
}

static int
work(void)
{
	Expected x = { 0 };
	bool lost = false;

	while (score->next < tasks.n && !lost) {
		const Task *t = &tasks.p[score->next];
		Arena *a = arena_new();
		const char *wrong;

		alarm((unsigned)strtoul(timeout, NULL, 10));
		wrong = run_task(a, t, &x, &lost);
		alarm(0);
		score->next++;
		if (wrong == nothing) {
			arena_free(a);
			continue;
		}
		if (wrong) {
			score->failed++;
			printf("FAILED  %s: %s\n", title(a, t), wrong);
		} else {
			score->passed++;
			printf("ok      %s\n", title(a, t));
		}
		fflush(stdout);
		arena_free(a);
	}
	return lost ? LOST : 0;
}

static void
all_tasks(void)
{
	while (score->next < tasks.n) {
		size_t before = score->next;
		int status = 0;
		pid_t child;

		fflush(stdout);
		if ((child = fork()) == 0)
			_exit(work());
		if (child < 0 || waitpid(child, &status, 0) < 0) {
			perror("fork");
			exit(1);
		}
		if (WIFEXITED(status) && (WEXITSTATUS(status) == 0 || score->next > before))
			continue;
		printf("FAILED  %s: the process ended by %s %d\n", title(all, &tasks.p[score->next]),
		       WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "exit code",
		       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
		score->next++;
		score->failed++;
	}
}

static bool
option(const char *arg)
{
	size_t n = strcspn(arg, "=");

	for (size_t i = 0; i < COUNT(options) && arg[n]; i++)
		if (strlen(options[i].name) == n && strncmp(options[i].name, arg, n) == 0)
			return *options[i].value = arg + n + 1, true;
	return false;
}

int
main(int argc, char **argv)
{
	const char *src = getenv("srcdir");
	char why[1024];
	y12_gpu gpu;

	all = arena_new();
	src = src ? src : ".";
	cases = arena_printf(all, "%s/tests/numeric", src);
	weights = arena_printf(all, "%s/models/weights/codes-n.safetensors", src);
	for (int i = 1; i < argc; i++)
		if (!option(argv[i])) {
			fprintf(stderr, "usage: check_gpu [device=cuda:0] [only=TEXT] [cases=DIR] [weights=FILE] [timeout=SECONDS]\n");
			return 2;
		}
	/* asked by a child: a driver does not survive a fork */
	int fd[2];

	if (pipe(fd)) {
		perror("pipe");
		return 1;
	}
	if (fork() == 0) {
		gpu.sm = y12_device_find(device, &gpu, why, sizeof why) ? 0 : gpu.sm;
		if (!gpu.sm)
			fprintf(stderr, "%s\n", why);
		_exit(write(fd[1], &gpu, sizeof gpu) != sizeof gpu);
	}
	close(fd[1]);
	if (wait(NULL) < 0 || read(fd[0], &gpu, sizeof gpu) != sizeof gpu || !gpu.sm) {
		fprintf(stderr, "skipped: there is no GPU to check\n");
		return SKIPPED;
	}
	printf("%s, sm_%d, driver for CUDA %d.%d\n", gpu.name, gpu.sm, gpu.driver / 1000, gpu.driver % 1000 / 10);
	find_variants(gpu.sm);
	find_cases();
	for (size_t i = 0; i < list.n; i++)
		for (size_t j = 0; j < variants.n; j++) {
			Task t = { &list.p[i], &variants.p[j] };

			if (!only || strstr(title(all, &t), only))
				vec_push(all, &tasks, t);
		}
	score = mmap(NULL, sizeof *score, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (score == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	all_tasks();
	printf("%zu passed, %zu failed\n", score->passed, score->failed);
	return score->failed != 0 || !score->passed;
}
