/* check_gpu.c -- what runs everywhere else in interpreters, on a GPU.
 *
 *     check_gpu [device=cuda:0] [only=TEXT] [cases=DIR] [kernels=DIR] [weights=FILE] [pictures=DIR] [timeout=120] [jobs=N]
 *
 *     kernels/NAME.k ────────┐                     ┌─ kernel interpreter
 *     cases/NAME.g ──────────┤                     ├─ reference evaluator
 *     the network, small ────┼─ for each target ───┤
 *     the network, 640 ──────┤    and precision    ├─ its code for the processor, f32
 *     detections in pictures ┘                     └─ the same: classes, boxes, confidences
 *     two engines at once; too little memory; a kernel that reads what there is not
 *
 * Each graph runs in all precisions with the GPU's newest code, that of sm_80 and that of sm_75, as far as the GPU and these
 * targets have them, and in f16 with that of every other target; where a convolution or an attention can have other tiles than
 * the usual ones, also with some of those.  The driver compiles what is for older GPUs, which takes it most of the time there
 * is, so that of the network not every variant runs in every size.  A kernel that reads outside its memory ruins the context of its process, and one
 * that does not end would be waited for for ever; so the work is done by children, as many as there are processors, and
 * another one goes on behind what ended one.
 *
 * Half precision and tf32: ||difference|| <= 2e-3 ||expected|| of each output (bf16: eight times that), or what the case
 * says; f32: |difference| / (1 + |expected|).  Detections, but for bf16: the same classes, corners within 1 pixel,
 * confidence within 0.01; what is within 0.01 of the threshold may be missing.
 *
 * It ends with a line "N passed, N failed", and with 0 if none failed, 1 if some did, 2 if it was called wrongly, and 77 if there
 * is no GPU.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/backend.h"
#include "driver/stage.h"
#include "graph/eval.h"
#include "lower/lower.h"
#include "runtime/media/media.h"
#include "runtime/yolo12c.h"

enum { SKIPPED = 77, LOST = 3, PICKS = 8, NETWORK_PICKS = 2, JOBS_MOST = 64, RUN_OF_TASKS = 5 };

static const char *device = "cuda:0", *only, *cases, *kernels, *weights, *pictures, *timeout = "120", *jobs_wanted;

static const struct { const char *name; const char **value; } options[] = {
	{ "device", &device }, { "only", &only }, { "cases", &cases }, { "kernels", &kernels }, { "weights", &weights },
	{ "pictures", &pictures }, { "timeout", &timeout }, { "jobs", &jobs_wanted },
};

/* ---- what there is to do --------------------------------------------------------------------- */

typedef enum Kind {
	KERNELS,                        /* a program of kernels, against the interpreter */
	GRAPH,                          /* against the evaluator */
	NETWORK,                        /* likewise */
	NETWORK_LARGE,                  /* against the processor */
	DETECT,                         /* likewise, in pictures */
	TOGETHER,                       /* two engines */
	MEMORY,                         /* an engine that finds no room */
	LOST_DEVICE,                    /* a kernel that ends the context */
} Kind;

/* pick: 1 … PICKS, one of the tiles that can be had, evenly from all of them; 0: the usual ones */
typedef struct Variant { const Target *target; DType compute; bool tf32; int pick; } Variant;

typedef struct Case {
	Kind kind;
	const char *name;
	const char *path;               /* NULL: the network with … */
	int64_t frame[2];
	const char *entry;
	const char *text;               /* of a graph or kernels */
} Case;

typedef struct Task { const Case *c; const Variant *v; } Task;

/* What children share.  A child takes the next run of tasks; which of them it is at is seen from outside. */
typedef struct Slot { atomic_size_t at, end; } Slot;
typedef struct Score { atomic_size_t next, passed, failed; Slot slot[JOBS_MOST]; } Score;

static Arena *all;
static VEC(Case) list;
static VEC(Variant) variants;
static VEC(Task) tasks;
static Score *score;
static y12_gpu gpu;
static int jobs;

static int
by_name(const void *x, const void *y)
{
	return strcmp(((const Case *)x)->name, ((const Case *)y)->name);
}

/* All files of a folder with that ending. */
static void
find_files(Kind kind, const char *dir, const char *end)
{
	DIR *d = opendir(dir);
	const char *err;
	size_t n, from = list.n;

	for (const struct dirent *e; d && (e = readdir(d));) {
		size_t len = strlen(e->d_name);
		Case c = { kind, .name = arena_str(all, e->d_name), .path = arena_printf(all, "%s/%s", dir, e->d_name) };

		if (len > 2 && strcmp(e->d_name + len - 2, end) == 0 && (c.text = file_read(all, c.path, &n, &err))) {
			c.kind = strncmp(c.name, "lost", 4) == 0 ? LOST_DEVICE : kind;
			vec_push(all, &list, c);
		}
	}
	if (d)
		closedir(d);
	qsort(list.p + from, list.n - from, sizeof *list.p, by_name);
}

/* What few lines show comes first, and then what takes longest. */
static void
find_cases(void)
{
	static const Case network[] = {
		{ DETECT, "pictures 640x640", NULL, { 640, 640 }, "detect", NULL },
		{ NETWORK_LARGE, "network 640x640 boxes", NULL, { 640, 640 }, "boxes", NULL },
		{ NETWORK, "network 96x160", NULL, { 96, 160 }, "forward", NULL },
		{ NETWORK, "network 64x64", NULL, { 64, 64 }, "forward", NULL },
		{ TOGETHER, "two engines at once", NULL, { 96, 64 }, "forward", NULL },
		{ MEMORY, "too little memory", NULL, { 64, 64 }, "detect", NULL },
	};

	find_files(KERNELS, kernels, ".k");
	for (size_t i = 0; i < COUNT(network) && access(weights, R_OK) == 0; i++)
		vec_push(all, &list, network[i]);
	find_files(GRAPH, cases, ".g");
}

static void
add_variant(const Target *t, DType compute, bool tf32, int pick)
{
	if ((compute == DT_BF16 && !(t->has & GPU_BF16)) || (tf32 && !(t->has & GPU_TF32)))
		return;
	vec_push(all, &variants, ((Variant){ t, compute, tf32, pick }));
}

static void
find_variants(void)
{
	const Target *own = NULL;
	const char *const *name;
	size_t n;

	name = target_names(&n);
	for (size_t i = 0; i < n; i++) {
		const Target *t = target_named(name[i]);
		bool arch = t && t->name[strlen(t->name) - 1] == 'a';

		if (t && t->kind == TARGET_GPU && (arch ? t->sm == gpu.sm : t->sm <= gpu.sm))
			own = t;
	}
	for (size_t i = 0; i < n && own; i++) {
		const Target *t = target_named(name[i]);
		bool arch = t && t->name[strlen(t->name) - 1] == 'a';

		if (!t || t->kind != TARGET_GPU || (arch ? t->sm != gpu.sm : t->sm > gpu.sm))
			continue;
		add_variant(t, DT_F16, false, 0);
		if (t != own && t->sm != 75 && t->sm != 80)
			continue;
		add_variant(t, DT_F32, false, 0);
		add_variant(t, DT_F32, true, 0);
		add_variant(t, DT_BF16, false, 0);
	}
	for (int i = 1; i <= PICKS && own; i++) {
		add_variant(own, DT_F16, false, i);
		if (i % 4 == 0)
			add_variant(own, DT_F32, true, i);
	}
}

/* Does that case want that variant? */
static bool
suits(const Case *c, const Variant *v)
{
	bool newest = v->target == variants.p[variants.n - 1].target, half = v->compute == DT_F16, usual = !v->pick;
	bool ways = newest || v->target->sm == 75 || v->target->sm == 80;       /* code of different kinds */

	switch (c->kind) {
	case GRAPH:                     /* without matrix products a type is as good as another */
		return strstr(c->text, "conv2d") || strstr(c->text, "attention") || (usual && (half || (newest && !v->tf32)));
	case KERNELS:                   /* of types that are theirs */
		return half && usual && (!strstr(c->text, "# needs tf32") || v->target->has & GPU_TF32) &&
		       (!strstr(c->text, "# needs clusters") || v->target->has & GPU_CLUSTER);
	case NETWORK:
		return usual ? ways || c->frame[0] == c->frame[1] : half && v->pick <= NETWORK_PICKS;
	case NETWORK_LARGE:
		return usual && ways && (half || newest);
	case DETECT:
		return usual && ways && (half || (newest && v->compute != DT_BF16));
	default:
		return usual && newest && half;
	}
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

/* NULL, or how far h is from w.  *off: ||difference|| / ||expected||, the largest of all outputs. */
static const char *
differs(Arena *a, const Case *c, const Variant *v, const char *name, const Tensor *w, const void *h, double *off)
{
	const char *s = directive(c, "tol", ""), *half = directive(c, "half", "");
	double tol = s ? strtod(s, NULL) : 2e-5, rel = half ? strtod(half, NULL) : 2e-3;
	bool exact = c->kind == KERNELS || (v->compute == DT_F32 && !v->tf32), real = dtype_info[w->type.dt].real;
	double worst = 0, diff = 0, whole = 0;
	int64_t n = type_count(&w->type), at = 0;
	DType dt = w->type.dt;

	rel *= v->compute == DT_BF16 ? 8 : 1;
	tol *= !real ? 0 : c->path ? 4 : 40;
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
	if (diff > 0)
		*off = fmax(*off, sqrt(diff / whole));
	if (!exact && real ? diff <= rel * rel * whole : worst <= tol)
		return NULL;
	return arena_printf(a, "%s[%lld] is %.7g instead of %.7g; off by %.3g of its length", name, (long long)at,
	                    dtype_get(dt, h, (size_t)at), dtype_get(dt, w->data, (size_t)at), sqrt(diff / whole));
}

/* ---- detections ------------------------------------------------------------------------------------ */

enum { BOXES, SCORE, LABEL };

static const double EDGE = 0.25, CONFIDENCE = 0.01, PIXEL = 1;

/* The detection of y that is i of x; -1: there is none. */
static int64_t
find_same(const Tensor *x, void *const *y, int64_t i, const bool *taken, double *pixels, double *confidence)
{
	const float *xb = (const float *)x[BOXES].data + 4 * i, *xs = x[SCORE].data, *yb = y[BOXES], *ys = y[SCORE];
	const int32_t *xl = x[LABEL].data, *yl = y[LABEL];

	for (int64_t j = 0; j < x[SCORE].type.dim[1] && yl[j] >= 0; j++) {
		double far = 0, less = fabs((double)xs[i] - (double)ys[j]);

		for (int k = 0; k < 4; k++)
			far = fmax(far, fabs((double)xb[k] - (double)yb[4 * j + k]));
		if (taken[j] || xl[i] != yl[j] || far > PIXEL || less > CONFIDENCE)
			continue;
		*pixels = fmax(*pixels, far);
		*confidence = fmax(*confidence, less);
		return j;
	}
	return -1;
}

/* NULL, or which detection the other side lacks; want and have: boxes, score, label. */
static const char *
detections_differ(Arena *a, const Tensor *want, void *const *have, size_t *found, double *pixels, double *confidence)
{
	int64_t most = want[SCORE].type.dim[1];
	bool *taken = NEWN(a, bool, (size_t)most);
	const float *ws = want[SCORE].data, *hs = have[SCORE], *wb = want[BOXES].data, *hb = have[BOXES];
	const int32_t *wl = want[LABEL].data, *hl = have[LABEL];

	for (int64_t i = 0; i < most && wl[i] >= 0; i++) {
		int64_t j = find_same(want, have, i, taken, pixels, confidence);

		if (j >= 0) {
			taken[j] = true;
			++*found;
		} else if ((double)ws[i] > EDGE + CONFIDENCE) {
			return arena_printf(a, "class %d at %.1f %.1f, confidence %.4f, is missing or differs", wl[i], (double)wb[4 * i],
			                    (double)wb[4 * i + 1], (double)ws[i]);
		}
	}
	for (int64_t j = 0; j < most && hl[j] >= 0; j++)
		if (!taken[j] && (double)hs[j] > EDGE + CONFIDENCE)
			return arena_printf(a, "class %d at %.1f %.1f, confidence %.4f, should not be there", hl[j], (double)hb[4 * j],
			                    (double)hb[4 * j + 1], (double)hs[j]);
	return NULL;
}

/* ---- what should come out ------------------------------------------------------------------------------ */

/* One run of an entry, in and out. */
typedef struct Once { Tensor *in, *out; const char *name; } Once;

/* What a case should give, kept from one variant to the next. */
typedef struct Expected {
	const Case *c;
	Arena *a;
	const char *entry;
	size_t nin, nout;
	const char **in_name, **out_name;
	VEC(Once) run;
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
	for (size_t i = 0; s->c.module && i < s->c.module->graph.n; i++) {
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

static void
name_tensors(Expected *x, const char *entry, size_t nin, size_t nout)
{
	x->entry = entry;
	x->nin = nin;
	x->nout = nout;
	x->in_name = NEWN(x->a, const char *, nin + 1);
	x->out_name = NEWN(x->a, const char *, nout + 1);
}

static Once *
new_run(Expected *x, const char *name)
{
	vec_push(x->a, &x->run, ((Once){ NEWN(x->a, Tensor, x->nin + 1), NEWN(x->a, Tensor, x->nout + 1), name }));
	return &x->run.p[x->run.n - 1];
}

/* inputs and outputs of a graph; numbers for the inputs that have none */
static Once *
graph_run(Expected *x, const Case *c, const Graph *g, const char *name)
{
	Once *r;

	if (!x->entry) {
		name_tensors(x, g->name, g->input.n, g->output.n);
		for (size_t i = 0; i < x->nin; i++)
			x->in_name[i] = graph_node(g, g->input.p[i])->name;
		for (size_t i = 0; i < x->nout; i++)
			x->out_name[i] = g->output.p[i].name;
	}
	r = new_run(x, name);
	for (size_t i = 0; i < g->output.n; i++)
		r->out[i].type = graph_node(g, g->output.p[i].v)->type;
	for (size_t i = 0; i < g->input.n; i++) {
		const Node *n = graph_node(g, g->input.p[i]);
		const char *size = directive(c, "size", n->name);
		long h = 720, w = 1280;

		r->in[i].type = n->type;
		if (n->data || c->kind == DETECT)
			continue;
		if (size && sscanf(size, "%ld %ld", &h, &w) != 2)
			abort();
		for (int k = 0; k < n->type.rank; k++)
			if (n->type.dim[k] < 0)
				r->in[i].type.dim[k] = k ? w : h;
		r->in[i].data = hash_data(x->a, c, n->name, &r->in[i].type);
	}
	return r;
}

static const char *
interpreted(Expected *x, const Case *c, const Program *p)
{
	const ProgEntry *e = &p->entry.p[0];
	const char *err = NULL;
	size_t nin = 0;
	Once *r;

	while (nin < e->tensor.n && !e->tensor.p[nin].output)
		nin++;
	name_tensors(x, e->name, nin, e->tensor.n - nin);
	r = new_run(x, NULL);
	for (size_t i = 0; i < e->tensor.n; i++) {
		const ProgTensor *t = &e->tensor.p[i];
		Tensor *to = i < nin ? &r->in[i] : &r->out[i - nin];

		*(i < nin ? &x->in_name[i] : &x->out_name[i - nin]) = t->name;
		to->type = t->type;
		if (i < nin)
			to->data = hash_data(x->a, c, t->name, &t->type);
	}
	if (c->kind == LOST_DEVICE)             /* which the interpreter would refuse */
		return NULL;
	return program_interpret(p, e->name, r->in, r->out, x->a, &err) ? NULL : arena_printf(x->a, "the interpreter: %s", err);
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

/* Runs an open engine.  out: one for each output. */
static y12_status
run_engine(Arena *a, y12_engine *e, const Expected *x, const Once *r, void **out)
{
	y12_tensor *io = NEWN(a, y12_tensor, x->nin + x->nout + 1);
	size_t n = 0;

	for (size_t i = 0; i < x->nin; i++)
		if (r->in[i].data)
			io[n++] = tensor(x->in_name[i], &r->in[i].type, r->in[i].data);
	for (size_t i = 0; i < x->nout; i++) {
		if (!out[i])
			out[i] = arena_alloc(a, (size_t)type_bytes(&r->out[i].type) + 64);
		io[n++] = tensor(x->out_name[i], &r->out[i].type, out[i]);
	}
	return y12_run(e, x->entry, io, n);
}

/* Every picture of the folder as the first input. */
static const char *
read_pictures(Expected *x, const Case *c, const Graph *g)
{
	DIR *d = opendir(pictures);
	char err[Y12_ERRLEN];

	for (const struct dirent *f; d && (f = readdir(d));) {
		y12_picture p;
		Once *r;

		if (!y12_picture_extension(f->d_name))
			continue;
		if (!y12_picture_read(arena_printf(x->a, "%s/%s", pictures, f->d_name), &p, err)) {
			closedir(d);
			return arena_printf(x->a, "%s: %s", f->d_name, err);
		}
		r = graph_run(x, c, g, arena_str(x->a, f->d_name));
		r->in[0].type.dim[0] = p.height;
		r->in[0].type.dim[1] = p.width;
		r->in[0].data = arena_dup(x->a, p.rgb, (size_t)p.height * (size_t)p.width * 3);
		y12_picture_free(&p);
	}
	if (d)
		closedir(d);
	return x->run.n ? NULL : arena_printf(x->a, "there are no pictures in %s", pictures);
}

/* What the processor's own code makes of it, in f32. */
static const char *
by_processor(Expected *x, const Case *c, const CompileOptions *given)
{
	CompileOptions o = *given;
	Diag *d = diag_new(x->a);
	Stage s = { 0 };
	y12_engine *e = NULL;
	const char *wrong;

	o.target = NULL;
	o.compute = DT_F32;
	o.tf32 = false;
	if ((wrong = open_case(x->a, d, c, &o, &s)))
		return wrong;
	if (c->kind == DETECT)
		wrong = read_pictures(x, c, s.c.module->graph.p[0]);
	else
		graph_run(x, c, s.c.module->graph.p[0], NULL);
	if (!wrong && !stage_engine(x->a, d, &s))
		wrong = said(x->a, d);
	if (!wrong && y12_engine_open_memory(s.c.image, s.c.image_bytes, &(y12_options){ .device = "host", .threads = 2 }, &e))
		wrong = arena_str(x->a, y12_message(e));
	for (size_t i = 0; !wrong && i < x->run.n; i++) {
		Once *r = &x->run.p[i];
		void **out = NEWN(x->a, void *, x->nout + 1);

		if (run_engine(x->a, e, x, r, out))
			wrong = arena_str(x->a, y12_message(e));
		for (size_t k = 0; k < x->nout; k++)
			r->out[k].data = out[k];
	}
	y12_engine_close(e);
	stage_close(&s);
	return wrong;
}

static const char *
expect(Expected *x, const Case *c, const CompileOptions *o)
{
	const char *err = NULL, *wrong;
	Diag *d;
	Stage s = { 0 };

	if (x->c == c)
		return NULL;
	arena_free(x->a);
	*x = (Expected){ .a = arena_new() };
	d = diag_new(x->a);
	if (c->kind == NETWORK_LARGE || c->kind == DETECT) {
		wrong = by_processor(x, c, o);
	} else if (!(wrong = open_case(x->a, d, c, o, &s))) {
		if (s.c.program) {
			wrong = interpreted(x, c, s.c.program);
		} else {
			const Graph *g = s.c.module->graph.p[0];
			Once *r = graph_run(x, c, g, NULL);

			if (c->kind != MEMORY && !eval_graph(x->a, g, r->in, r->out, NULL, NULL, &err))
				wrong = arena_printf(x->a, "eval: %s", err);
		}
	}
	if (!wrong)
		x->c = c;
	return wrong;
}

/* ---- one task --------------------------------------------------------------------------------------- */

/* What a task came to, for its line. */
typedef struct Result { double off, pixels, confidence; size_t found; bool lost; } Result;

/* NULL, or what is wrong with the outputs of a run */
static const char *
judge(Arena *a, const Case *c, const Variant *v, const Expected *x, const Once *r, void **out, Result *to)
{
	const char *wrong = NULL;

	if (c->kind == DETECT) {
		wrong = detections_differ(a, r->out, out, &to->found, &to->pixels, &to->confidence);
		return wrong ? arena_printf(a, "%s: %s", r->name, wrong) : NULL;
	}
	for (size_t i = 0; i < x->nout && !wrong; i++)
		wrong = differs(a, c, v, x->out_name[i], &r->out[i], out[i], &to->off);
	return wrong;
}

/* The context goes with its last engine, and making one takes a second where many do: an engine of each child stays. */
static void
keep_context(const Stage *s)
{
	static y12_engine *kept;
	static void *image;

	if (kept || posix_memalign(&image, 64, s->c.image_bytes))
		return;
	memcpy(image, s->c.image, s->c.image_bytes);
	y12_engine_open_memory(image, s->c.image_bytes, &(y12_options){ .device = device }, &kept);
}

static y12_engine *
open_engine(Arena *a, const Stage *s, size_t picture_bytes, const char **wrong, Result *to)
{
	y12_options opt = { .device = device, .picture_bytes = picture_bytes };
	y12_engine *e;
	y12_status st = y12_engine_open_memory(s->c.image, s->c.image_bytes, &opt, &e);

	if (st)
		*wrong = arena_str(a, y12_message(e));
	to->lost |= st == Y12_DEVICE;
	return e;
}

/* twice: what a run leaves in the arena must not matter */
static const char *
run_and_judge(Arena *a, y12_engine *e, const Case *c, const Variant *v, const Expected *x, Result *to)
{
	const char *wrong = NULL;

	for (size_t i = 0; i < x->run.n && !wrong; i++) {
		void **out = NEWN(a, void *, x->nout + 1);

		for (int round = 0; round < 2 && !wrong; round++) {
			y12_status st = run_engine(a, e, x, &x->run.p[i], out);

			to->lost |= st == Y12_DEVICE;
			wrong = st ? arena_str(a, y12_message(e)) : NULL;
		}
		if (!wrong)
			wrong = judge(a, c, v, x, &x->run.p[i], out, to);
	}
	if (!wrong && c->kind == DETECT && !to->found)
		wrong = "nothing was found in any picture";
	return wrong;
}

/* one of two engines, which a thread of its own runs */
typedef struct Runner {
	Arena *a;
	y12_engine *e;
	const Case *c;
	const Variant *v;
	const Expected *x;
	Result to;
	const char *wrong;
} Runner;

static void *
runner(void *arg)
{
	Runner *r = arg;

	for (int i = 0; i < 10 && !r->wrong; i++)
		r->wrong = run_and_judge(r->a, r->e, r->c, r->v, r->x, &r->to);
	return NULL;
}

/* both at the same time, then one alone after the other was closed */
static const char *
two_engines(Arena *a, const Case *c, const Variant *v, const Expected *x, const Stage *s, Result *to)
{
	Runner r[2] = { { .a = arena_new() }, { .a = arena_new() } };
	const char *wrong = NULL;
	pthread_t thread[2];
	int n = 0;

	for (int i = 0; i < 2; i++) {
		r[i].c = c, r[i].v = v, r[i].x = x;
		r[i].e = open_engine(a, s, 0, &wrong, to);
	}
	for (; n < 2 && !wrong; n++)
		if (pthread_create(&thread[n], NULL, runner, &r[n]))
			wrong = "no thread";
	while (n > 0)
		pthread_join(thread[--n], NULL);
	for (int i = 0; i < 2; i++) {
		if (!wrong && r[i].wrong)
			wrong = arena_str(a, r[i].wrong);
		to->off = fmax(to->off, r[i].to.off);
		to->lost |= r[i].to.lost;
	}
	y12_engine_close(r[0].e);
	if (!wrong && (wrong = run_and_judge(r[1].a, r[1].e, c, v, x, &r[1].to)))
		wrong = arena_printf(a, "alone: %s", wrong);
	y12_engine_close(r[1].e);
	arena_free(r[0].a);
	arena_free(r[1].a);
	return wrong;
}

/* It needs more than the card has: the message says how much, and how much is free; with less it opens. */
static const char *
no_room(Arena *a, const Stage *s, Result *to)
{
	const char *message = NULL, *wrong = NULL, *needs;
	unsigned long long need = 0;
	size_t total = 0, avail = 0;
	y12_engine *e = open_engine(a, s, 2 * gpu.memory, &message, to);

	needs = message ? strstr(message, "the engine needs ") : NULL;
	if (!message)
		wrong = "an engine with more memory than the card has was opened";
	else if (!needs || sscanf(needs, "the engine needs %llu bytes", &need) != 1 || need < gpu.memory ||
	         !(needs = strstr(needs, "and of its ")) || sscanf(needs, "and of its %zu only %zu are free", &total, &avail) != 2 ||
	         !total || avail > total)
		wrong = message;
	y12_engine_close(e);
	if (wrong)
		return wrong;
	y12_engine_close(open_engine(a, s, 0, &wrong, to));
	return wrong;
}

/* The kernel reads what there is not: the run says so, and so does every call from then on. */
static const char *
lose(Arena *a, const Expected *x, const Stage *s, Result *to)
{
	const char *wrong = NULL, *message = NULL;
	y12_engine *e = open_engine(a, s, 0, &wrong, to);
	void **out = NEWN(a, void *, x->nout + 1);

	for (int i = 0; i < 2 && !wrong; i++) {
		y12_status st = run_engine(a, e, x, &x->run.p[0], out);

		if (st != Y12_DEVICE || !strstr(y12_message(e), "CUDA_ERROR_"))
			wrong = arena_printf(a, "run %d gave %d: %s", i + 1, (int)st, y12_message(e));
	}
	y12_engine_close(e);
	to->lost = true;
	if (!wrong) {
		y12_engine_close(open_engine(a, s, 0, &message, to));
		wrong = message ? NULL : "another engine was opened on what is left of the context";
	}
	return wrong;
}

/* The pick-th of n tiles; the first pick of a case that names a tile (see test_numeric.c) is one of its shape, whatever the stages. */
static const LowerTile *
picked(const Case *c, int pick, const LowerTile *tile, int n)
{
	const char *line = c->text ? strstr(c->text, "# tile ") : NULL;
	int x[7];

	if (pick == 1 && line && sscanf(line, "# tile %d %d %d %d %d %d %d", &x[0], &x[1], &x[2], &x[3], &x[4], &x[5], &x[6]) == 7)
		for (int i = 0; i < n; i++) {
			const int32_t *y = tile[i].tile;

			if (y[0] == x[0] && y[1] == x[1] && y[2] == x[2] && y[4] == x[4] && y[5] == x[5] && y[6] == x[6])
				return &tile[i];
		}
	return &tile[(int64_t)(pick - 1) * (n - 1) / (PICKS - 1)];
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
				map_set(wish, key, (void *)(uintptr_t)picked(c, v->pick, tile, n)->tile);
		}
	}
	stage_close(&s);
	return map_count(wish) ? t : NULL;
}

static const char nothing[] = "nothing to pick";

static const char *
run_task(Arena *a, const Task *t, Expected *x, Result *to)
{
	const Case *c = t->c;
	const char *entry[] = { c->entry, NULL }, *wrong;
	CompileOptions o = {
		.weights = c->path ? NULL : weights, .target = t->v->target, .compute = t->v->compute, .tf32 = t->v->tf32,
		.frame = { c->frame[0], c->frame[1] }, .entries = c->entry ? entry : NULL, .threads = 4,
		.cache_dir = cache_dir_default(a),
	};
	Diag *d = diag_new(a);
	Stage s = { 0 };
	y12_engine *e;

	if (t->v->pick && !(o.target = with_picks(a, t->v, c, &o)))
		return nothing;
	if ((wrong = expect(x, c, &o)) || (wrong = open_case(a, d, c, &o, &s)))
		return wrong;
	if (!stage_engine(a, d, &s)) {
		stage_close(&s);
		return said(a, d);
	}
	if (c->kind != LOST_DEVICE)
		keep_context(&s);
	if (c->kind == TOGETHER) {
		wrong = two_engines(a, c, t->v, x, &s, to);
	} else if (c->kind == MEMORY) {
		wrong = no_room(a, &s, to);
	} else if (c->kind == LOST_DEVICE) {
		wrong = lose(a, x, &s, to);
	} else {
		e = open_engine(a, &s, 0, &wrong, to);
		if (!wrong)
			wrong = run_and_judge(a, e, c, t->v, x, to);
		y12_engine_close(e);
	}
	stage_close(&s);
	return wrong;
}

/* ---- children ------------------------------------------------------------------------------------------ */

static const char *
title(Arena *a, const Task *t)
{
	return arena_printf(a, "%s, %s %s%s", t->c->name, t->v->target->name, t->v->tf32 ? "tf32" : dtype_info[t->v->compute].name,
	                    t->v->pick ? arena_printf(a, ", tiles %d", t->v->pick) : "");
}

static void
report(Arena *a, const Task *t, const char *wrong, const Result *r)
{
	if (wrong) {
		atomic_fetch_add(&score->failed, 1);
		printf("FAILED  %s: %s\n", title(a, t), wrong);
	} else {
		atomic_fetch_add(&score->passed, 1);
		if (t->c->kind == DETECT)
			printf("ok      %s: %zu found, corners off by %.3f pixels, confidence by %.5f\n", title(a, t), r->found, r->pixels,
			       r->confidence);
		else if (t->c->kind == NETWORK || t->c->kind == NETWORK_LARGE)
			printf("ok      %s: off by %.2e\n", title(a, t), r->off);
		else
			printf("ok      %s\n", title(a, t));
	}
	fflush(stdout);
}

/* The next tasks: some of one graph, whose evaluation they share, or one of anything else.  False: there are no more. */
static bool
take(Slot *s)
{
	size_t from = atomic_load(&score->next), to;

	do {
		if (from >= tasks.n)
			return false;
		to = from + 1;
		while (tasks.p[from].c->kind == GRAPH && to < tasks.n && to < from + RUN_OF_TASKS && tasks.p[to].c == tasks.p[from].c)
			to++;
	} while (!atomic_compare_exchange_weak(&score->next, &from, to));
	atomic_store(&s->at, from);
	atomic_store(&s->end, to);
	return true;
}

static int
work(Slot *s)
{
	Expected x = { 0 };

	do {
		while (atomic_load(&s->at) < atomic_load(&s->end)) {
			const Task *t = &tasks.p[atomic_load(&s->at)];
			Arena *a = arena_new();
			Result r = { 0 };
			const char *wrong;

			alarm((unsigned)strtoul(timeout, NULL, 10));
			wrong = run_task(a, t, &x, &r);
			alarm(0);
			atomic_fetch_add(&s->at, 1);
			if (wrong != nothing)
				report(a, t, wrong, &r);
			arena_free(a);
			if (r.lost)
				return LOST;
		}
	} while (take(s));
	return 0;
}

static pid_t
start(Slot *s)
{
	pid_t child;

	fflush(stdout);
	if ((child = fork()) == 0)
		_exit(work(s));
	if (child < 0) {
		perror("fork");
		exit(1);
	}
	return child;
}

static void
all_tasks(void)
{
	pid_t child[JOBS_MOST];
	int alive = 0, status;

	for (; alive < jobs; alive++)
		child[alive] = start(&score->slot[alive]);
	while (alive) {
		pid_t gone = wait(&status);
		int j = 0;
		Slot *s;

		while (j < jobs && child[j] != gone)
			j++;
		if (gone < 0 || j == jobs)
			continue;
		s = &score->slot[j];
		if (!WIFEXITED(status) || (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != LOST)) {
			printf("FAILED  %s: the process ended by %s %d\n", title(all, &tasks.p[atomic_load(&s->at)]),
			       WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "exit code",
			       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
			atomic_fetch_add(&s->at, 1);
			atomic_fetch_add(&score->failed, 1);
		} else if (WEXITSTATUS(status) == 0) {
			child[j] = -1;
			alive--;
			continue;
		}
		child[j] = start(s);
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

static void
usage(FILE *f)
{
	fprintf(f, "usage: check_gpu [device=cuda:0] [only=TEXT] [cases=DIR] [kernels=DIR] [weights=FILE] [pictures=DIR]\n"
	        "                 [timeout=SECONDS] [jobs=N]\n"
	        "Runs kernels, graphs, the network and its detections on a GPU, and compares them with what interpreters and the\n"
	        "processor make of them.  only: what the lines of the cases contain, such as \"conv3x3.g\" or \"sm_80 tf32\".\n"
	        "Exit code 0: all passed, 1: some failed, 2: wrong arguments, 77: there is no GPU.\n");
}

/* Asked by a child: a driver does not survive a fork. */
static bool
find_gpu(void)
{
	char why[1024];
	int fd[2];

	if (pipe(fd)) {
		perror("pipe");
		exit(1);
	}
	if (fork() == 0) {
		if (y12_device_find(device, &gpu, why, sizeof why)) {
			fprintf(stderr, "%s\n", why);
			gpu.sm = 0;
		}
		_exit(write(fd[1], &gpu, sizeof gpu) != sizeof gpu);
	}
	close(fd[1]);
	return wait(NULL) > 0 && read(fd[0], &gpu, sizeof gpu) == sizeof gpu && gpu.sm;
}

int
main(int argc, char **argv)
{
	const char *src = getenv("srcdir");

	all = arena_new();
	src = src ? src : ".";
	cases = arena_printf(all, "%s/tests/numeric", src);
	kernels = arena_printf(all, "%s/tests/gpu", src);
	weights = arena_printf(all, "%s/models/weights/codes-n.safetensors", src);
	pictures = arena_printf(all, "%s/examples/pictures", src);
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "help") == 0 || strcmp(argv[i], "--help") == 0)
			return usage(stdout), 0;
		if (!option(argv[i]))
			return usage(stderr), 2;
	}
	jobs = jobs_wanted ? atoi(jobs_wanted) : (int)MIN(sysconf(_SC_NPROCESSORS_ONLN), 16);
	if (jobs < 1 || jobs > JOBS_MOST)
		return usage(stderr), 2;
	if (!find_gpu()) {
		fprintf(stderr, "skipped: there is no GPU to check\n");
		return SKIPPED;
	}
	printf("%s, sm_%d, driver for CUDA %d.%d\n", gpu.name, gpu.sm, gpu.driver / 1000, gpu.driver % 1000 / 10);
	find_variants();
	find_cases();
	for (size_t i = 0; i < list.n; i++)
		for (size_t j = 0; j < variants.n; j++) {
			Task t = { &list.p[i], &variants.p[j] };

			if (suits(t.c, t.v) && (!only || strstr(title(all, &t), only)))
				vec_push(all, &tasks, t);
		}
	score = mmap(NULL, sizeof *score, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (score == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	all_tasks();
	printf("%zu passed, %zu failed\n", atomic_load(&score->passed), atomic_load(&score->failed));
	return atomic_load(&score->failed) != 0 || !atomic_load(&score->passed);
}
