/* test_own.c -- the specs of models/ that no release has: run by the evaluator, by host code, and
 * against the same network with its new block written as a plain composition of primitives.
 *
 *     models/NAME.y12 ── elaborate ─┬─ evaluator ──────────────────▶ expected
 *                                   └─ passes, kernels, engine ────▶ the same
 *     … with tests/models/NAME.plain for its block ── evaluator ───▶ the same
 *
 * Weights are hash numbers of their names.  Functions of a user's own run inside the kernels that make what
 * they are applied to: counted.  And the proof that an attention with mask and score holds
 * no tensor of all pairs: the plan and the kernels of one over 1600 tokens are looked through.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <unistd.h>

#include "tests/models/host.h"

static const struct Own {
	const char *name, *block, *plain;
	double room;            /* greatest |difference| / (1 + |expected|) of box and score */
} own[] = {
	{ "strip-attention", "look: StripAttn", "look: PlainStripAttn", 1e-4 },
	{ "relative-bias", "look: RelAttn", "look: PlainRelAttn", 1e-4 },
	{ "shared-head", "SharedDetect([n3", "PlainSharedDetect([n3", 1e-4 },
};

/* ---- weights --------------------------------------------------------------------------- */

static double
noise(const char *name, size_t i)
{
	char key[256];

	return (double)(int32_t)hash64(key, (size_t)snprintf(key, sizeof key, "%s %zu", name, i)) / 2147483648.0;
}

static bool
ends(const char *s, const char *with)
{
	size_t n = strlen(s), m = strlen(with);

	return n >= m && !strcmp(s + n - m, with);
}

/* box1.2.weight is box1.weight, where a plain network has for each level what levels share */
static const char *
shared_name(Arena *a, const char *name)
{
	static const char *const shared[] = { ".box1.", ".box2.", ".cls1.", ".cls2.", ".cls3." };

	for (size_t i = 0; i < COUNT(shared); i++) {
		const char *s = strstr(name, shared[i]), *rest = s ? s + strlen(shared[i]) : NULL;

		if (rest && rest[0] >= '0' && rest[0] <= '9' && rest[1] == '.')
			return arena_printf(a, "%.*s%s", (int)(rest - name), name, rest + 2);
	}
	return name;
}

static void
bind(Arena *a, Graph *g)
{
	for (size_t v = 1; v < g->node.n; v++) {
		Node *n = &g->node.p[v];
		int64_t fan = 1, count = type_count(&n->type);

		if (n->op != OP_param)
			continue;

		const char *name = shared_name(a, n->name);
		char *x = arena_alloc(a, (size_t)type_bytes(&n->type) + 8);

		for (int k = 1; k < n->type.rank; k++)
			fan *= n->type.dim[k];
		for (int64_t k = 0; k < count; k++) {
			double w = noise(name, (size_t)k);

			if (ends(name, "dfl.conv.weight"))
				w = (double)k;
			else if (ends(name, ".bias") && n->type.rank == 3)      /* of relative positions */
				w *= 2;
			else if (ends(name, "running_var") || strstr(name, ".scale.") || (n->type.rank == 1 && ends(name, "weight")))
				w = 1 + 0.5 * w;
			else
				w *= n->type.rank == 1 ? 0.2 : sqrt(3.0 / (double)fan);
			dtype_set(n->type.dt, x, (size_t)k, w);
		}
		n->data = x;
	}
}

/* ---- networks -------------------------------------------------------------------------- */

static Graph *
network(Arena *a, const char *path, const char *frame)
{
	static const char *const entry[] = { "forward" };
	Diag *d = diag_new(a);
	ElabArg arg[] = { { "scale", "n" }, { "frame", frame } };
	const char *dirs[] = { in_srcdir(a, "stdlib") };
	Module *m = dsl_load(a, d, path, dirs, 1);
	Elab *e = m && !diag_errors(d) ? elaborate(a, d, m, &(ElabOptions){ .arg = arg, .narg = 2, .entry = entry, .nentry = 1 }) : NULL;

	if (!e) {
		diag_print(d, stderr, false);
		fail_msg("%s does not elaborate", path);
	}

	Graph *g = e->module->graph.p[0];
	const char *err;

	if (!graph_verify(g, &err))
		fail_msg("%s: %s", path, err);
	bind(a, g);
	return g;
}

/* The spec with its block replaced by the plain one, in a file of its own. */
static Graph *
plain_network(Arena *a, const struct Own *o, const char *frame)
{
	const char *err;
	size_t n;
	char *spec = file_read(a, in_srcdir(a, arena_printf(a, "models/%s.y12", o->name)), &n, &err);
	char *plain = file_read(a, in_srcdir(a, arena_printf(a, "tests/models/%s.plain", o->name)), &n, &err);
	char path[] = "plain-XXXXXX.y12";
	Text t = { .a = a };
	int count = 0, fd = mkstemps(path, 4);

	assert_non_null(spec);
	assert_non_null(plain);
	assert_true(fd >= 0);
	close(fd);
	for (const char *s = spec, *at; ; s = at + strlen(o->block), count++) {
		at = strstr(s, o->block);
		if (!at) {
			text_put(&t, s);
			break;
		}
		text_putn(&t, s, (size_t)(at - s));
		text_put(&t, o->plain);
	}
	assert_true(count > 0);
	text_put(&t, "\n");
	text_put(&t, plain);
	assert_null(file_write(a, path, t.p, t.n));

	Graph *g = network(a, path, frame);

	unlink(path);
	return g;
}

static Tensor
picture(Arena *a, const Graph *g)
{
	Tensor t = { .type = graph_node(g, g->input.p[0])->type };

	t.data = arena_alloc(a, (size_t)type_bytes(&t.type));
	for (int64_t i = 0; i < type_count(&t.type); i++)
		((float *)t.data)[i] = (float)(0.5 + 0.5 * noise("picture", (size_t)i));
	return t;
}

static double
difference(const Tensor *want, const float *have)
{
	double most = 0;

	for (int64_t i = 0; i < type_count(&want->type); i++) {
		double w = ((const float *)want->data)[i], e = fabs(w - (double)have[i]) / (1 + fabs(w));

		most = e > most || isnan(e) ? e : most;
	}
	return most;
}

/* ---- host code --------------------------------------------------------------------------- */

static float *
run_host(Arena *a, Graph *g, const Tensor *in, const Type *out)
{
	const Target *t = target_named("host");
	HostOptions ho = { .threads = 2 };
	HostCode code;
	Program *p = program_new(a);
	const char *err = NULL;
	size_t bytes;
	y12_engine *e;
	y12_options opt = { .threads = 2 };
	float *y = arena_alloc(a, (size_t)type_bytes(out) + 64);
	y12_tensor io[2] = {
		{ .name = "image", .dtype = Y12_F32, .rank = in->type.rank, .data = in->data },
		{ .name = "output0", .dtype = Y12_F32, .rank = out->rank, .data = y },
	};
	const char *name = g->name;

	memcpy(io[0].dim, in->type.dim, sizeof in->type.dim);
	memcpy(io[1].dim, out->dim, sizeof out->dim);
	lower_all(a, g, t, p);
	if (!host_compile(a, t, p->kernel.p, p->kernel.n, &ho, &code, &err))
		fail_msg("%s", err);

	void *image = engine_image(a, p, &(ProgCode){ .target = t->name, .blob = code.code, .bytes = code.bytes, .entry = code.entry }, 1, &bytes);

	if (y12_engine_open_memory(image, bytes, &opt, &e))
		fail_msg("%s", y12_message(e));
	for (int round = 0; round < 2; round++)
		if (y12_run(e, name, io, 2))
			fail_msg("%s", y12_message(e));
	y12_engine_close(e);
	return y;
}

/* 96 x 64: 24 tokens in layer 6, 6 in layer 8, and strips of rows that do not divide evenly. */
static void
test_own(void **state)
{
	const struct Own *o = *state;
	Arena *a = arena_new();
	const char *path = in_srcdir(a, arena_printf(a, "models/%s.y12", o->name)), *err;
	Graph *g = network(a, path, "96,64"), *plain = plain_network(a, o, "96,64");
	Tensor in = picture(a, g), want, same;

	if (!eval_graph(a, g, &in, &want, NULL, NULL, &err) || !eval_graph(a, plain, &in, &same, NULL, NULL, &err))
		fail_msg("%s: %s", o->name, err);
	assert_true(type_eq(&want.type, &same.type));

	double composed = difference(&want, same.data), kernels = difference(&want, run_host(a, g, &in, &want.type));

	fprintf(stderr, "%s: plain composition %.3g, kernels %.3g\n", o->name, composed, kernels);
	if (!(composed <= o->room) || !(kernels <= o->room))
		fail_msg("%s: %g and %g, but at most %g is wanted", o->name, composed, kernels, o->room);
	arena_free(a);
}

/* All five scales elaborate. */
static void
test_scales(void **state)
{
	static const char *const scale[] = { "n", "s", "m", "l", "x" };
	Arena *a = arena_new();

	(void)state;
	for (size_t i = 0; i < COUNT(own); i++)
		for (size_t k = 0; k < COUNT(scale); k++) {
			ElabArg arg[] = { { "scale", scale[k] } };
			Spec s = spec_file(arena_printf(a, "models/%s.y12", own[i].name), &(ElabOptions){ .arg = arg, .narg = 1 });

			if (!s.e)
				fail_msg("%s, scale %s: %s", own[i].name, scale[k], s.messages);
			spec_free(&s);
		}
	arena_free(a);
}

/* ---- no tensor of all pairs ---------------------------------------------------------------- */

static const char *const looks =
	"model t() {\n"
	"  entry go(q: f32[1, 64, 40, 40], k: f32[1, 64, 40, 40], v: f32[1, 64, 40, 40]) {\n"
	"    bias = param f32[2, 79, 79]\n"
	"    return attention(q, k, v, heads: 2, mask: |i, j, h| abs(i.x - j.x) <= 8 or h == 1,\n"
	"      score: |s, i, j, h| s + bias[h, i.y - j.y + 39, i.x - j.x + 39])\n"
	"  }\n"
	"}\n";

static void
test_no_pairs(void **state)
{
	enum { TOKENS = 1600 };
	static const char *const targets[] = { "host:x86-64-v2", "host:x86-64-v3", "host:x86-64-v4", "sm_80" };

	(void)state;
	for (size_t i = 0; i < COUNT(targets); i++) {
		Spec s = spec_text(looks, &(ElabOptions){ 0 });
		const Target *t = target_named(targets[i]);
		Program *p = program_new(s.a);
		Graph *g;
		int64_t most = 0;

		if (!s.e)
			fail_msg("%s", s.messages);
		assert_non_null(t);
		g = s.e->module->graph.p[0];
		bind(s.a, g);
		lower_all(s.a, g, t, p);
		assert_true(g->buf.n > 4);
		for (size_t b = 1; b < g->buf.n; b++)
			most = MAX(most, g->buf.p[b].bytes);
		for (size_t k = 0; k < p->kernel.n; k++)
			for (size_t b = 0; b < p->kernel.p[k]->buf.n; b++)
				most = MAX(most, p->kernel.p[k]->buf.p[b].count * dtype_info[p->kernel.p[k]->buf.p[b].dt].bytes);
		/* not even a bit for each pair of one head, let alone a float */
		if (most >= INT64_C(4) * TOKENS * TOKENS / 8)
			fail_msg("%s: a buffer of %lld bytes for %d tokens", targets[i], (long long)most, TOKENS);
		fprintf(stderr, "%s: the largest buffer has %lld bytes; all pairs would have %lld\n", targets[i],
		        (long long)most, 2LL * TOKENS * TOKENS * 4);
		spec_free(&s);
	}
}

/* ---- tiles that fall out ------------------------------------------------------------------------ */

static bool sees_before(int64_t i, int64_t j, int64_t h) { (void)h; return j <= i; }
static bool sees_near(int64_t i, int64_t j, int64_t h) { (void)h; return llabs(i - j) <= 8; }
static bool sees_square(int64_t i, int64_t j, int64_t h) { (void)h; return i / 100 == j / 100 && i % 20 / 5 == j % 20 / 5; }
static bool sees_by_head(int64_t i, int64_t j, int64_t h) { return h == 1 || i / 20 == j / 20; }
static bool sees_nothing(int64_t i, int64_t j, int64_t h) { (void)i; (void)j; (void)h; return false; }

static const struct { const char *mask; bool (*sees)(int64_t i, int64_t j, int64_t h); double most; } masks[] = {
	{ "|i, j| j <= i", sees_before, 0.56 },
	{ "|i, j| abs(i - j) <= 8", sees_near, 0.13 },
	{ "|i, j| i.y // 5 == j.y // 5 and i.x // 5 == j.x // 5", sees_square, 0.30 },
	{ "|i, j, h| h == 1 or i.y == j.y", sees_by_head, 0.60 },
	{ "|i, j| i < 0", sees_nothing, 0 },
};

/* The list of an attention says of each tile what the mask says of its pairs; returns the part that is looked at. */
static double
check_list(const Graph *g, const Node *n, bool (*sees)(int64_t i, int64_t j, int64_t h), bool by_head)
{
	enum { TOKENS = 400 };
	const int64_t *tile = attr_find(n, A_tiles)->v;
	const Node *c = graph_node(g, n->arg[n->narg - 1]);
	const int32_t *list = c->data;
	int64_t queries = (TOKENS + tile[0] - 1) / tile[0], row = 0, seen = 0, all = 0, heads = by_head ? 2 : 1;

	for (int64_t h = 0; h < heads; h++)
		for (int64_t q = 0; q < queries; q++, row++) {
			int32_t at = list[row];

			for (int64_t k = 0; k < TOKENS; k += tile[1], all++) {
				int64_t rows = MIN(tile[0], TOKENS - q * tile[0]), pairs = 0;

				for (int64_t i = q * tile[0]; i < q * tile[0] + rows; i++)
					for (int64_t j = k; j < MIN(k + tile[1], TOKENS); j++)
						pairs += sees(i, j, h);
				if (pairs) {
					assert_true(at < list[row + 1]);
					assert_int_equal(list[at++], k + (pairs < rows * tile[1]));
					seen++;
				}
			}
			assert_int_equal(at, list[row + 1]);
		}
	assert_int_equal(list[heads * queries], type_count(&c->type));
	return (double)seen / (double)all;
}

static void
test_tiles(void **state)
{
	static const char *const targets[] = { "host:x86-64-v2", "host:x86-64-v4" };

	(void)state;
	for (size_t i = 0; i < COUNT(masks); i++)
		for (size_t k = 0; k < COUNT(targets); k++) {
			Arena *a = arena_new();
			Spec s = spec_text(arena_printf(a, "model t() {\n  entry go(x: f32[1, 64, 20, 20]) {\n"
				"    return attention(x, x, x, heads: 2, mask: %s)\n  }\n}\n", masks[i].mask), &(ElabOptions){ 0 });
			Graph *g;
			double part = -1;

			if (!s.e)
				fail_msg("%s: %s", masks[i].mask, s.messages);
			g = s.e->module->graph.p[0];
			lower_all(a, g, target_named(targets[k]), program_new(a));
			graph_foreach(g, v)
				if (graph_node(g, v)->op == OP_attention)
					part = check_list(g, graph_node(g, v), masks[i].sees, masks[i].sees == sees_by_head);
			if (!(part >= 0 && part <= masks[i].most))
				fail_msg("%s: %g of the tiles are looked at, at most %g are wanted", masks[i].mask, part, masks[i].most);
			spec_free(&s);
			arena_free(a);
		}
}

/* ---- user functions in kernels --------------------------------------------------------------- */

/* fn, what the entry takes, and what it returns: all of it is one kernel. */
static const struct { const char *what, *takes, *gives; } fused[] = {
	{ "activation behind a convolution", "x: f32[1, 8, 8, 16]", "last(gelu(conv2d(first(x), wide, pad: 1)))" },
	{ "activation, residual, gate", "x: f32[1, 8, 8, 16], r: f32[1, 8, 8, 16]",
	  "last(mish(conv2d(first(x), weight)) * gate + first(r))" },
	{ "attention with mask and score, residual, activation",
	  "q: f32[1, 4, 6, 64], k: f32[1, 4, 6, 64], v: f32[1, 4, 6, 64], r: f32[1, 4, 6, 64]",
	  "last(gelu(attention(first(q), first(k), first(v), heads: 2, mask: |i, j| i.y == j.y, score: |s, i, j| s - abs(i - j)) + first(r)))" },
	{ "matrix product and activation", "a: f32[4, 6, 8], b: f32[4, 8, 10]", "mish(matmul(a, b))" },
	{ "softmax with work before and after", "x: f32[4, 6, 8], y: f32[4, 6, 8]", "softmax(2 * gelu(x), axis: 2) * y" },
	{ "mean of a function, and one of it", "x: f32[4, 6, 8]", "sqrt(mean(gelu(x) ** 2, axes: [1, 2]) + 0.001)" },
	{ "pointwise chain", "x: f32[4, 6, 8], y: f32[4, 6, 8]", "gelu(x) * mish(y) + select(x < y, x, 0.5)" },
	{ "pool and activation", "x: f32[1, 8, 8, 16]", "last(gelu(pool(first(x), max, kernel: 2)))" },
};

static void
test_fused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(fused); i++) {
		Arena *a = arena_new();
		Spec s = spec_text(arena_printf(a,
			"fn gelu(x) = 0.5 * x * (1 + tanh(0.7978845608 * (x + 0.044715 * x ** 3)))\n"
			"fn mish(x) = x * tanh(log(1 + exp(x)))\n"
			"fn first(x) = permute(x, [0, 3, 1, 2])\n"
			"fn last(x) = permute(x, [0, 2, 3, 1])\n"
			"model t() {\n"
			"  entry go(%s) {\n"
			"    weight = param f32[16, 16, 1, 1]\n"
			"    wide = param f32[24, 16, 3, 3]\n"
			"    scale = param f32[16]\n"
			"    let gate = reshape(scale, [1, 16, 1, 1])\n"
			"    return %s\n"
			"  }\n"
			"}\n", fused[i].takes, fused[i].gives), &(ElabOptions){ 0 });
		Program *p = program_new(a);

		if (!s.e)
			fail_msg("%s: %s", fused[i].what, s.messages);
		bind(a, s.e->module->graph.p[0]);
		lower_all(a, s.e->module->graph.p[0], target_named("host"), p);
		if (p->entry.p[0].launch.n != 1)
			fail_msg("%s: %zu kernels, not one", fused[i].what, p->entry.p[0].launch.n);
		spec_free(&s);
		arena_free(a);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(test_own, (void *)(uintptr_t)&own[0]),
		cmocka_unit_test_prestate(test_own, (void *)(uintptr_t)&own[1]),
		cmocka_unit_test_prestate(test_own, (void *)(uintptr_t)&own[2]),
		cmocka_unit_test(test_scales), cmocka_unit_test(test_no_pairs), cmocka_unit_test(test_tiles), cmocka_unit_test(test_fused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
