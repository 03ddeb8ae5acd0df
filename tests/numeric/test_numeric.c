/* test_numeric.c -- every graph of tests/numeric/ through every way of running it.
 *
 *     NAME.g ── eval_graph ───────────────────────────────▶ expected
 *        └── passes ── lower ─┬─ kernel interpreter ──────▶ the same   (hosts; GPUs: sm_80 in f32, f16, tf32, sm_90a in f16)
 *                             └─ LLVM, engine, runtime ───▶ the same, on each host target
 *                                                            that this CPU runs
 *
 * Inputs and parameters are hash numbers, so a failure can be repeated.  A graph may say
 * in its comments:   # size image0 37 53     sides of a picture
 *                    # tol 1e-4              greatest |difference| / (1 + |expected|), default 2e-5
 *                    # range image 0 1       of an input's values, default -2 2
 *                    # half 4e-3             greatest ||difference|| / ||expected|| in f16 and tf32, whose fractions have 10 bits, default 2e-3
 *                    # slow                  too much work for the interpreter
 *                    # chain 16 1 4 1      a tile for its chains, which there must be then (in f16)
 *                    # also                and one of them writes a middle value, too
 *                    # pair 4 8 16 4 1 1     a tile for its pairs, which there must be then (in f16)
 *                    # together            the convolution of an attention's values is in its kernel (in f16)
 *                    # same                  with chains or pairs every bit is as without, on sm_80
 *                    # tile 64 32 64 3 1 0 1 of its convolutions on sm_90a (of a patch, … 2: but the 1x1), or its
 *                                          attentions on matrix units, in place of the one chosen
 * Integers and booleans must be equal.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <math.h>
#include <stdlib.h>

#include "backend/backend.h"
#include "engine/program.h"
#include "graph/graph.h"
#include "lower/lower.h"
#include "passes/passes.h"
#include "runtime/yolo12c.h"

typedef struct Case {
	Arena *a;
	Diag *d;
	const char *path;
	const Source *src;
	double tol;
	bool slow;
	bool shared;            /* outputs have a second reader */
} Case;

static double
hash01(uint64_t seed, uint64_t i)
{
	uint64_t x = seed * 0x9e3779b97f4a7c15 + i * 0xbf58476d1ce4e5b9 + 1;

	x ^= x >> 30, x *= 0xbf58476d1ce4e5b9;
	x ^= x >> 27, x *= 0x94d049bb133111eb;
	x ^= x >> 31;
	return (double)(x >> 11) / 9007199254740992.0;
}

/* the rest of the comment line `# word name`, or NULL */
static const char *
directive(const Case *c, const char *word, const char *name)
{
	char key[128];
	const char *at;

	snprintf(key, sizeof key, *name ? "# %s %s" : "# %s%s", word, name);
	at = strstr(c->src->text, key);
	return at ? at + strlen(key) : NULL;
}

static void *
hash_data(const Case *c, const char *name, const Type *t)
{
	double lo = t->dt == DT_U8 ? 0 : t->dt == DT_BOOL ? 0 : -2, hi = t->dt == DT_U8 ? 256 : 2;
	const char *range = directive(c, "range", name);
	int64_t n = type_count(t);
	void *p = arena_alloc(c->a, (size_t)type_bytes(t) + 64);

	if (range)
		assert_int_equal(sscanf(range, "%lf %lf", &lo, &hi), 2);
	for (int64_t i = 0; i < n; i++) {
		double x = lo + (hi - lo) * hash01(hash64(name, strlen(name)), (uint64_t)i);

		dtype_set(t->dt, p, (size_t)i, dtype_info[t->dt].real ? x : floor(x));
	}
	return p;
}

/* A heavy op whose result only an output reads writes it the way the output wants it.  With a second
 * reader it has to write it the way convolutions read it: graphs are tried both ways. */
static void
share_outputs(Graph *g)
{
	size_t n = g->output.n;

	for (size_t i = 0; i < n; i++) {
		Output o = g->output.p[i];
		const Node *v = graph_node(g, o.v);
		bool heavy = op_info[v->op].fuse == FUSE_HEAVY;
		const char *err;

		for (int k = 0; k < v->narg; k++)
			heavy |= op_info[graph_node(g, v->arg[k])->op].fuse == FUSE_HEAVY;
		if (heavy && v->type.rank == 4)
			vec_push(g->a, &g->output, ((Output){ arena_printf(g->a, "%s_neg", o.name),
				graph_make(g, OP_neg, &o.v, 1, NULL, 0, &err) }));
	}
}

static Graph *
parse(Case *c)
{
	GraphModule *m = module_parse(c->a, c->d, c->src, NULL);

	if (!m || diag_errors(c->d)) {
		diag_print(c->d, stderr, false);
		fail_msg("%s does not parse", c->path);
	}
	for (Val v = 1; v < m->graph.p[0]->node.n; v++) {
		Node *n = graph_node(m->graph.p[0], v);

		if (n->op == OP_param && !n->data)
			n->data = hash_data(c, n->name, &n->type);
	}
	if (c->shared)
		share_outputs(m->graph.p[0]);
	graph_order(m->graph.p[0]);
	return m->graph.p[0];
}

static void
compare(const Case *c, const char *how, const char *name, const Tensor *want, const void *have)
{
	int64_t n = type_count(&want->type);
	double worst = 0;
	int64_t at = -1;

	for (int64_t i = 0; i < n; i++) {
		double w = dtype_get(want->type.dt, want->data, (size_t)i);
		double h = dtype_get(want->type.dt, have, (size_t)i);
		double e = w == h || (isnan(w) && isnan(h)) ? 0 : fabs(w - h) / (1 + fabs(w));

		if (!(e <= worst)) {
			worst = isnan(e) ? INFINITY : e;
			at = i;
		}
	}
	if (worst > (dtype_info[want->type.dt].real ? c->tol : 0))
		fail_msg("%s: %s: %s[%lld] is %.9g instead of %.9g", c->path, how, name, (long long)at,
		         dtype_get(want->type.dt, have, (size_t)at), dtype_get(want->type.dt, want->data, (size_t)at));
}

/* half precision and tf32: ||have - want|| / ||want||; integers equal */
static void
compare_half(const Case *c, const char *how, const char *name, const Tensor *want, const void *have, double tol)
{
	int64_t n = type_count(&want->type);
	double diff = 0, all = 0;

	if (!dtype_info[want->type.dt].real) {
		compare(c, how, name, want, have);
		return;
	}
	for (int64_t i = 0; i < n; i++) {
		double w = dtype_get(want->type.dt, want->data, (size_t)i);
		double h = dtype_get(want->type.dt, have, (size_t)i);

		if (w == h || (isnan(w) && isnan(h)))
			continue;
		diff += (w - h) * (w - h);
		all += w * w;
	}
	if (!(diff <= tol * tol * all))
		fail_msg("%s: %s: %s is off by %.3g of its length, more than %.3g", c->path, how, name,
		         sqrt(diff / all), tol);
}

/* of the graph at hand, if it asks for one */
static const char *wished_tile, *wished_chain, *wished_pair;

/* The tile of so many numbers wished for chains or pairs, where one can have it; none else, or if "" is wished. */
static void
choose_joined(Arena *a, const Graph *g, const Target *t, Group *gr, const char *wish, int numbers)
{
	int32_t x[TILE_MAX] = { 0 };
	LowerTile *all;
	int n = lower_candidates(a, g, t, gr, &all);

	gr->ntile = 0;
	if (!wish || !*wish)
		return;
	assert_int_equal(sscanf(wish, "%d %d %d %d %d %d", &x[0], &x[1], &x[2], &x[3], &x[4], &x[5]), numbers);
	for (int i = 0; i < n && !gr->ntile; i++)
		if (memcmp(all[i].tile, x, sizeof x) == 0) {
			memcpy(gr->tile, x, sizeof x);
			gr->ntile = numbers;
		}
}

static void
choose(Arena *a, const Graph *g, const Target *t, Group *gr, int *pack)
{
	int32_t x[TILE_MAX] = { 0 };
	const Node *w;
	int n;

	lower_choose(a, g, t, gr, pack);
	if (gr->family == FAM_chain && (wished_chain || wished_pair || wished_tile))
		choose_joined(a, g, t, gr, wished_chain, 4);
	if (gr->family == FAM_pair && (wished_chain || wished_pair || wished_tile))
		choose_joined(a, g, t, gr, wished_pair, 6);
	if (!wished_tile)
		return;
	n = sscanf(wished_tile, "%d %d %d %d %d %d %d", &x[0], &x[1], &x[2], &x[3], &x[4], &x[5], &x[6]);
	if (gr->family == FAM_conv && t->has & GPU_WGMMA) {
		w = graph_node(g, graph_node(g, gr->root)->arg[1]);
		if (n == 7 && x[6] == 2 && w->type.dim[2] * w->type.dim[3] == 1)
			return; /* a patch is for several taps */
	} else if (gr->family == FAM_attention && t->kind == TARGET_GPU && gr->tile[0]) {
		if (n == 6 && x[5] && !(t->has & GPU_WGMMA && graph_node(g, graph_node(g, gr->root)->arg[0])->type.dt == DT_F16))
			return; /* warpgroups' */
		if (*pack)
			*pack = x[2];   /* keys of a tile of its list */
	} else {
		return;
	}
	memcpy(gr->tile, x, sizeof x);
	gr->ntile = n;
}

/* a GPU's target and what it computes in */
typedef struct Gpu { const char *target; DType compute; bool tf32; const char *ops[2]; } Gpu;

/* ops: NULL, or graphs with one of them alone, or with such a comment */
static const Gpu gpus[] = {
	{ "sm_80", DT_F32, false, { NULL } }, { "sm_80", DT_F16, false, { NULL } },
	{ "sm_80", DT_F32, true, { "conv2d", "attention" } }, { "sm_90a", DT_F16, false, { "conv2d", "attention" } },
	{ "sm_80", DT_BF16, false, { "# pair ", "# pair " } },
};

static void
lower_all(Case *c, Graph *g, const Target *t, DType compute, bool tf32, Program *p)
{
	PassCtx cx = { .target = t, .a = c->a, .diag = c->d, .choose = choose, .compute = compute, .tf32 = tf32 };
	LowerCtx lc = { .a = c->a, .g = g, .target = t };
	const char *err = NULL;
	uint32_t entry;

	if (!passes_run(g, &cx, NULL, true, NULL, NULL, &err))
		fail_msg("%s: %s: %s", c->path, t->name, err);
	if (!program_add_entry(p, g, &entry, &err))
		fail_msg("%s: %s", c->path, err);
	for (size_t i = 0; i < g->sched.n; i++) {
		LoweredList l = { 0 };

		if (!lower_group(&lc, g->sched.p[i], &l, &err))
			fail_msg("%s: %s", c->path, err);
		for (size_t j = 0; j < l.l.n; j++) {
			Lowered *x = &l.l.p[j];
			ProgLaunch *to;

			if (!kernel_verify(x->kernel, &err))
				fail_msg("%s: %s: kernel %s: %s", c->path, t->name, x->kernel->name, err);
			kernel_simplify(x->kernel);
			to = program_add_launch(p, entry, x->kernel, PHASE_NET, "");
			for (size_t k = 0; k < x->arg.n; k++) {
				const LaunchArg *la = &x->arg.p[k];
				const KBuf *b = &x->kernel->buf.p[k];

				vec_push(c->a, &to->arg, la->kind == ARG_VALUE ? program_value(p, entry, g, la->v)
					: la->kind == ARG_DIMS ? program_dims(p, entry, g, la->v)
					: la->kind == ARG_TMAP ? program_tmap(p, entry, g, la->v, b)
					: program_work(p, g, la->group, la->offset, b->count * dtype_info[b->dt].bytes));
			}
		}
	}
	if (!program_verify(p, &err))
		fail_msg("%s: %s: %s", c->path, t->name, err);
}

static bool
has_family(const Graph *g, Family family)
{
	for (size_t i = 1; i < g->group.n; i++)
		if (g->group.p[i].family == family)
			return true;
	return false;
}

/* Does a chain write a value besides its out? */
static bool
has_also(const Graph *g)
{
	for (size_t i = 1; i < g->group.n; i++)
		if (g->group.p[i].also)
			return true;
	return false;
}

/* Is there an attention whose group has a convolution, too? */
static bool
has_together(const Graph *g)
{
	for (Val v = 1; v < g->node.n; v++)
		if (graph_node(g, v)->op == OP_conv2d && graph_node(g, v)->group &&
		    g->group.p[graph_node(g, v)->group].family == FAM_attention)
			return true;
	return false;
}

static y12_dtype
public_dtype(DType t)
{
	return t == DT_U8 ? Y12_U8 : t == DT_BOOL ? Y12_BOOL : t == DT_I32 ? Y12_I32 : t == DT_I64 ? Y12_I64
	     : t == DT_F16 ? Y12_F16 : t == DT_BF16 ? Y12_BF16 : t == DT_F32 ? Y12_F32 : Y12_F64;
}

static void
run_host(Case *c, const Graph *g, const Program *p, const Target *t, const Tensor *in, const Tensor *want)
{
	HostOptions ho = { .threads = 1 };
	HostCode code;
	const char *err = NULL;
	size_t bytes, n = 0;
	void *image;
	y12_engine *e;
	y12_tensor *io = NEWN(c->a, y12_tensor, g->input.n + g->output.n);
	y12_options opt = { .threads = 2 };

	if (!host_compile(c->a, t, p->kernel.p, p->kernel.n, &ho, &code, &err))
		fail_msg("%s: %s: %s", c->path, t->name, err);
	image = engine_image(c->a, p, &(ProgCode){ .target = t->name, .blob = code.code, .bytes = code.bytes, .entry = code.entry }, 1, &bytes);
	if (y12_engine_open_memory(image, bytes, &opt, &e))
		fail_msg("%s: %s: %s", c->path, t->name, y12_message(e));
	for (size_t i = 0; i < g->input.n + g->output.n; i++) {
		bool out = i >= g->input.n;
		const Tensor *x = out ? &want[i - g->input.n] : &in[i];

		if (!out && !x->data)
			continue;
		io[n] = (y12_tensor){ .name = out ? g->output.p[i - g->input.n].name : graph_node(g, g->input.p[i])->name,
			.dtype = public_dtype(x->type.dt), .rank = x->type.rank,
			.data = out ? arena_alloc(c->a, (size_t)type_bytes(&x->type) + 64) : x->data };
		memcpy(io[n++].dim, x->type.dim, sizeof x->type.dim);
	}
	/* twice: what a run leaves in the arena must not matter */
	for (int round = 0; round < 2; round++)
		if (y12_run(e, g->name, io, n))
			fail_msg("%s: %s: %s", c->path, t->name, y12_message(e));
	for (size_t i = 0; i < g->output.n; i++)
		for (size_t j = 0; j < n; j++)
			if (strcmp(io[j].name, g->output.p[i].name) == 0)
				compare(c, t->name, io[j].name, &want[i], io[j].data);
	y12_engine_close(e);
}

/* What a chain or pair keeps in shared memory is rounded as it would be in memory, and summed in the same order. */
static void
compare_apart(Case *c, const Target *t, DType compute, const Tensor *in, const Tensor *have)
{
	Graph *g = parse(c);
	Program *p = program_new(c->a);
	Tensor *apart = NEWN(c->a, Tensor, g->output.n);
	const char *err;

	wished_chain = wished_pair = "";
	lower_all(c, g, t, compute, false, p);
	assert_false(has_family(g, FAM_chain) || has_family(g, FAM_pair));
	if (!program_interpret(p, g->name, in, apart, c->a, &err))
		fail_msg("%s: each for itself: interpreter: %s", c->path, err);
	for (size_t j = 0; j < g->output.n; j++)
		assert_memory_equal(apart[j].data, have[j].data, (size_t)type_bytes(&have[j].type));
}

/* One graph through every way of running it. */
static void
run_graph(Case *c, Graph *g)
{
	Arena *a = c->a;
	const char *err = NULL, *s;
	size_t nt;
	const char *const *names = target_names(&nt);
	Tensor *in, *want, *have;

	in = NEWN(a, Tensor, g->input.n);
	want = NEWN(a, Tensor, g->output.n);
	have = NEWN(a, Tensor, g->output.n);
	for (size_t i = 0; i < g->input.n; i++) {
		const Node *n = graph_node(g, g->input.p[i]);

		in[i].type = n->type;
		if (n->data)
			continue;
		if ((s = directive(c, "size", n->name))) {
			long h, w;

			assert_int_equal(sscanf(s, "%ld %ld", &h, &w), 2);
			in[i].type.dim[0] = h;
			in[i].type.dim[1] = w;
		}
		in[i].data = hash_data(c, n->name, &in[i].type);
	}
	if (!eval_graph(a, g, in, want, NULL, NULL, &err))
		fail_msg("%s: eval: %s", c->path, err);
	for (size_t i = 0; i < nt; i++) {
		const Target *t = target_named(names[i]);
		Program *p;

		if (!t || t->kind != TARGET_HOST || !target_runs_here(t) || strcmp(names[i], "host") == 0)
			continue;
		g = parse(c);
		p = program_new(a);
		lower_all(c, g, t, DT_F32, false, p);
		if (!c->slow) {
			if (!program_interpret(p, g->name, in, have, a, &err))
				fail_msg("%s: %s: interpreter: %s", c->path, t->name, err);
			for (size_t j = 0; j < g->output.n; j++)
				compare(c, arena_printf(a, "%s, interpreter", t->name), g->output.p[j].name, &want[j], have[j].data);
		}
		run_host(c, g, p, t, in, want);
	}
	/* GPU kernels run in the interpreter: plain f32, and matrix units of three kinds */
	for (size_t i = 0; i < COUNT(gpus) && !c->slow; i++) {
		const Gpu *gpu = &gpus[i];
		const Target *t = target_named(gpu->target);
		bool half = gpu->compute != DT_F32;
		const char *how = arena_printf(a, "%s in %s", gpu->target, gpu->tf32 ? "tf32" : dtype_info[gpu->compute].name);
		Program *p = program_new(a);
		double tol = (s = directive(c, "half", "")) ? strtod(s, NULL) : 2e-3;

		if (gpu->ops[0] && !strstr(c->src->text, gpu->ops[0]) && !strstr(c->src->text, gpu->ops[1]))
			continue;
		wished_tile = directive(c, "tile", "");
		wished_chain = directive(c, "chain", "");
		wished_pair = directive(c, "pair", "");
		g = parse(c);
		lower_all(c, g, t, gpu->compute, gpu->tf32, p);
		if (wished_chain && has_family(g, FAM_chain) != half)
			fail_msg("%s: %s: %s", c->path, how, half ? "nothing became a chain" : "there is no kernel for such chains");
		if (directive(c, "also", "") && has_also(g) != half)
			fail_msg("%s: %s: %s", c->path, how, half ? "nothing leaves a chain besides its out" : "a chain?");
		if (wished_pair && has_family(g, FAM_pair) != half)
			fail_msg("%s: %s: %s", c->path, how, half ? "nothing became a pair" : "there is no kernel for such pairs");
		if (directive(c, "together", "") && !c->shared && has_together(g) != half)
			fail_msg("%s: %s: the convolution of the values %s", c->path, how, half ? "is apart" : "is not");
		if (!program_interpret(p, g->name, in, have, a, &err))
			fail_msg("%s: %s: interpreter: %s", c->path, how, err);
		for (size_t j = 0; j < g->output.n; j++) {
			if (half || gpu->tf32)  /* three bits less in bf16 */
				compare_half(c, how, g->output.p[j].name, &want[j], have[j].data, gpu->compute == DT_BF16 ? 8 * tol : tol);
			else
				compare(c, how, g->output.p[j].name, &want[j], have[j].data);
		}
		if (half && !(t->has & GPU_WGMMA) && directive(c, "same", ""))
			compare_apart(c, t, gpu->compute, in, have);
	}
}

static void
run_case(void **state)
{
	Arena *a = arena_new();
	Case c = { .a = a, .d = diag_new(a), .path = *state, .tol = 2e-5 };
	const char *err = NULL, *text, *s;
	size_t len, outputs;
	Graph *g;

	text = file_read(a, c.path, &len, &err);
	assert_non_null(text);
	c.src = diag_source(c.d, c.path, text, len);
	if ((s = directive(&c, "tol", "")))
		c.tol = strtod(s, NULL);
	c.slow = directive(&c, "slow", "") != NULL;
	run_graph(&c, g = parse(&c));
	outputs = g->output.n;
	c.shared = true;
	if ((g = parse(&c))->output.n > outputs)
		run_graph(&c, g);
	arena_free(a);
}

static int
by_name(const void *x, const void *y)
{
	return strcmp(((const struct CMUnitTest *)x)->name, ((const struct CMUnitTest *)y)->name);
}

int
main(int argc, char **argv)
{
	Arena *a = arena_new();
	const char *src = getenv("srcdir"), *dir = arena_printf(a, "%s/tests/numeric", src ? src : ".");
	VEC(struct CMUnitTest) tests = { 0 };
	struct dirent *e;
	DIR *d = opendir(dir);
	int failed;

	while (d && (e = readdir(d))) {
		size_t n = strlen(e->d_name);
		char *path = arena_printf(a, "%s/%s", dir, e->d_name);

		if (n < 3 || strcmp(e->d_name + n - 2, ".g") != 0 || (argc > 1 && !strstr(path, argv[1])))
			continue;
		vec_push(a, &tests, ((struct CMUnitTest){ arena_str(a, e->d_name), run_case, NULL, NULL, path }));
	}
	if (d)
		closedir(d);
	if (!tests.n) {
		fprintf(stderr, "no graphs in %s\n", dir);
		return 1;
	}
	qsort(tests.p, tests.n, sizeof *tests.p, by_name);
	failed = _cmocka_run_group_tests("numeric", tests.p, tests.n, NULL, NULL);
	arena_free(a);
	return failed;
}
