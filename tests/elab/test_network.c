/* test_network.c -- the whole network, run by the reference evaluator, against numbers of the
 * reference implementation: every layer's sum, norm and elements at all five scales.
 *
 * Weights and pictures come from a small integer hash, so that no file is needed.  A frame of
 * 96x64 gives layer 6 24 tokens in 4 runs of 6, one and a half rows: attention by strips
 * of rows would show.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "elab_test.h"

#include <jansson.h>

static uint32_t
hash(uint64_t j, uint64_t k)
{
	uint32_t x = (uint32_t)(j * 2654435761u + k * 40503 + 12345);

	x ^= x >> 16;
	x *= 0x7feb352du;
	x ^= x >> 15;
	x *= 0x846ca68bu;
	return x ^ x >> 16;
}

static double
uniform(uint64_t j, uint64_t k)
{
	return hash(j, k) / 4294967296.0;
}

static bool
ends(const char *s, const char *with)
{
	size_t n = strlen(s), m = strlen(with);

	return n >= m && !strcmp(s + n - m, with);
}

static double
weight(const ElabParam *p, uint64_t j, uint64_t k)
{
	double u = uniform(j, k);

	if (ends(p->name, "num_batches_tracked"))
		return 0;
	if (ends(p->name, "dfl.conv.weight"))
		return (double)k;
	if (p->type.rank == 4)
		return (u - 0.5) * 2 * sqrt(3.0 / (double)(p->type.dim[1] * p->type.dim[2] * p->type.dim[3]));
	if (ends(p->name, "proj.bn.weight") || ends(p->name, "mlp.1.bn.weight"))
		return 0.3 * u;
	if (ends(p->name, "running_var"))
		return 0.3 + 0.4 * u;
	if (ends(p->name, "bn.weight"))
		return 0.5 + u;
	if (ends(p->name, "gamma"))
		return 0.5 * u;
	return (u - 0.5) * 0.2;
}

static void
bind(Spec *s, const Graph *g)
{
	Map *row = map_new(s->a);

	for (size_t i = 0; i < s->e->param.n; i++)
		map_set(row, s->e->param.p[i].name, &s->e->param.p[i]);
	for (size_t v = 1; v < g->node.n; v++) {
		Node *n = &g->node.p[v];

		if (n->op != OP_param)
			continue;

		const ElabParam *p = map_get(row, n->name);
		int64_t count = type_count(&p->type);
		uint64_t j = (uint64_t)(p - s->e->param.p);
		char *x = arena_alloc(s->a, (size_t)type_bytes(&p->type) + 8);

		for (int64_t k = 0; k < count; k++)
			dtype_set(p->type.dt, x, (size_t)k, weight(p, j, (uint64_t)k));
		n->data = x;
	}
}

/* Sum, norm and some elements of x, within a relative error of what f32 arithmetic leaves. */
static void
check_tensor(const char *what, const Tensor *x, json_t *want, double tolerance)
{
	const float *p = x->data;
	int64_t count = type_count(&x->type);
	json_t *shape = json_object_get(want, "shape"), *at, *one;
	double sum = 0, square = 0, l2 = json_number_value(json_object_get(want, "l2"));
	size_t i;

	assert_int_equal(json_array_size(shape), x->type.rank);
	json_array_foreach(shape, i, one)
		assert_int_equal(json_integer_value(one), x->type.dim[i]);
	for (int64_t k = 0; k < count; k++) {
		sum += p[k];
		square += (double)p[k] * p[k];
	}
	/* a sum of n errors of size e grows as e * sqrt(n); l2 is the size of the tensor */
	double wrong = fabs(sum - json_number_value(json_object_get(want, "sum")));

	if (!(wrong <= tolerance * l2 * sqrt((double)count)) || !(fabs(sqrt(square) - l2) <= tolerance * l2))
		fail_msg("%s: sum %.9g, l2 %.9g; wanted %.9g and %.9g", what, sum, sqrt(square),
		         json_number_value(json_object_get(want, "sum")), l2);
	json_array_foreach(json_object_get(want, "at"), i, at) {
		json_int_t k = json_integer_value(json_array_get(at, 0));
		double v = json_number_value(json_array_get(at, 1)), room = tolerance * 30 * (l2 / sqrt((double)count) + fabs(v));

		if (!(fabs(p[k] - v) <= room))
			fail_msg("%s[%lld]: %.9g; wanted %.9g", what, (long long)k, p[k], v);
	}
}

typedef struct Tap {
	const Elab *e;
	json_t *layers;
	double tolerance;
	int seen;
} Tap;

static void
tap(void *cx, const Graph *g, Val v, const Tensor *t)
{
	Tap *x = cx;

	for (size_t i = 0; i < x->e->layer.n; i++) {
		const ElabLayer *l = &x->e->layer.p[i];
		char key[16];

		if (l->g != g || l->out.n != 1 || l->out.p[0] != v)
			continue;
		snprintf(key, sizeof(key), "%d", l->index);
		check_tensor(l->path, t, json_object_get(x->layers, key), x->tolerance);
		x->seen++;
	}
}

/* Runs an entry on the hashed picture; out[] as eval_graph makes it. */
static Spec
run(const char *scale, const char *frame, const char *batch, const char *entry, Tap *t, Tensor *out)
{
	ElabArg arg[] = { { "scale", scale }, { "frame", frame }, { "batch", batch } };
	Spec s = spec_file("models/yolov12.y12",
	                   &(ElabOptions){ .arg = arg, .narg = 3, .entry = &entry, .nentry = 1 });
	const char *err = "";

	assert_string_equal(s.messages, "");

	Graph *g = s.e->module->graph.p[0];
	Tensor in = { .type = graph_node(g, g->input.p[0])->type };
	float *x = arena_alloc(s.a, (size_t)type_bytes(&in.type));

	for (int64_t k = 0; k < type_count(&in.type); k++)
		x[k] = (float)uniform(99991, (uint64_t)k);
	in.data = x;
	bind(&s, g);
	if (t)
		t->e = s.e;
	if (!eval_graph(s.a, g, &in, out, t ? tap : NULL, t, &err))
		fail_msg("%s: %s", entry, err);
	return s;
}

static json_t *
golden(void)
{
	Arena *a = arena_new();
	json_error_t err;
	json_t *j = json_load_file(in_srcdir(a, "tests/elab/eval_96x64.json"), 0, &err);

	arena_free(a);
	assert_non_null(j);
	return j;
}

static void
check_scale(const char *scale, double tolerance)
{
	json_t *all = golden(), *want = json_object_get(all, scale), *columns = json_object_get(want, "decoded_columns"), *col;
	Tap t = { .layers = json_object_get(want, "layers"), .tolerance = tolerance };
	Tensor out[1];
	Spec s = run(scale, "96,64", "1", "forward", &t, out);
	const int64_t anchors = out[0].type.dim[2];
	const char *key;

	assert_int_equal(t.seen, 21);
	check_tensor("output0", &out[0], json_object_get(want, "decoded"), tolerance);
	json_object_foreach(columns, key, col) {
		size_t i;
		json_t *row, *v, *rows = json_object_get(all, "decoded_columns rows");

		json_array_foreach(rows, i, row) {
			double got = ((const float *)out[0].data)[json_integer_value(row) * anchors + atoi(key)];

			v = json_array_get(col, i);
			if (!(fabs(got - json_number_value(v)) <= (i < 4 ? 500 : 1) * tolerance))
				fail_msg("output0[%lld, %s]: %.9g; wanted %.9g", (long long)json_integer_value(row), key, got,
				         json_number_value(v));
		}
	}
	spec_free(&s);
	json_decref(all);
}

static void
test_hash(void **state)
{
	(void)state;
	assert_int_equal(hash(0, 0), 2435775735u);
	assert_int_equal(hash(0, 1), 3243768145u);
	assert_int_equal(hash(7, 12345), 2110759420u);
	assert_int_equal(hash(99991, 18431), 1568819683u);
}

static void test_n(void **state) { (void)state; check_scale("n", 2e-6); }
static void test_s(void **state) { (void)state; check_scale("s", 2e-6); }
static void test_m(void **state) { (void)state; check_scale("m", 2e-6); }
static void test_l(void **state) { (void)state; check_scale("l", 2e-6); }
static void test_x(void **state) { (void)state; check_scale("x", 2e-6); }

static void
test_maps(void **state)
{
	json_t *all = golden(), *raw = json_object_get(json_object_get(all, "n"), "raw");
	Tensor out[3];
	Spec s = run("n", "96,64", "1", "maps", NULL, out);

	(void)state;
	for (size_t i = 0; i < 3; i++)
		check_tensor("map", &out[i], json_array_get(raw, i), 2e-6);
	spec_free(&s);
	json_decref(all);
}

static void
test_batch(void **state)
{
	json_t *all = golden();
	Tensor out[1];
	Spec s = run("n", "64,64", "2", "forward", NULL, out);

	(void)state;
	check_tensor("output0", &out[0], json_object_get(all, "n_64x64_batch2"), 2e-6);
	spec_free(&s);
	json_decref(all);
}

/* The attention of the first release against today's, with the same weights: q, k and v of a
 * head lie side by side in its one convolution, and a 5x5 kernel lies in the middle of a 7x7. */
enum { C = 64, HEADS = 2, D = C / HEADS };

static int
row_of(const char *name, int i)
{
	bool v = strstr(name, ".v.") != NULL;
	int part = v ? 2 : i / C, c = i % C;

	return c / D * 3 * D + part * D + c % D;
}

static double
v1_weight(const char *name, const Type *t, uint64_t k)
{
	uint64_t inner = t->rank == 4 ? (uint64_t)(t->dim[1] * t->dim[2] * t->dim[3]) : 1, i = k / inner;
	bool split = strstr(name, ".qk.") || strstr(name, ".v."), fused = strstr(name, ".qkv.");
	const char *leaf = strrchr(name, '.');
	uint64_t j = hash(0, (uint64_t)leaf[1] * 256 + (uint64_t)leaf[strlen(leaf) - 1]);
	double u;

	if (ends(name, "num_batches_tracked"))
		return 0;
	if (ends(name, "pe.conv.weight")) {
		int side = (int)t->dim[3], y = (int)(k % inner) / side - side / 2, x = (int)(k % inner) % side - side / 2;

		return abs(x) > 2 || abs(y) > 2 ? 0 : uniform(5, i * 25 + (uint64_t)((y + 2) * 5 + x + 2)) - 0.5;
	}
	if (split)
		k = (uint64_t)row_of(name, (int)i) * inner + k % inner;
	u = uniform(j + (split || fused ? 1 : strstr(name, ".pe.") ? 2 : 3), k);
	return ends(name, "running_var") ? 0.5 + u : t->rank == 4 ? (u - 0.5) / 4 : u - 0.5;
}

static void
test_first_release(void **state)
{
	static const char *const entry[] = { "now", "first" };
	Tensor out[2][1];
	Spec s = spec_file("tests/elab/first-release.y12", NULL);

	(void)state;
	assert_string_equal(s.messages, "");
	for (int i = 0; i < 2; i++) {
		Graph *g = module_entry(s.e->module, entry[i]);
		Tensor in = { .type = graph_node(g, g->input.p[0])->type };
		float *x = arena_alloc(s.a, (size_t)type_bytes(&in.type));
		const char *err = "";

		for (int64_t k = 0; k < type_count(&in.type); k++)
			x[k] = (float)uniform(99991, (uint64_t)k);
		in.data = x;
		for (size_t v = 1; v < g->node.n; v++) {
			Node *n = &g->node.p[v];
			char *w;

			if (n->op != OP_param)
				continue;
			w = arena_alloc(s.a, (size_t)type_bytes(&n->type) + 8);
			for (int64_t k = 0; k < type_count(&n->type); k++)
				dtype_set(n->type.dt, w, (size_t)k, v1_weight(n->name, &n->type, (uint64_t)k));
			n->data = w;
		}
		if (!eval_graph(s.a, g, &in, out[i], NULL, NULL, &err))
			fail_msg("%s: %s", entry[i], err);
	}

	const float *a = out[0][0].data, *b = out[1][0].data;
	double far = 0, size = 0;

	for (int64_t k = 0; k < type_count(&out[0][0].type); k++) {
		far = fmax(far, fabs((double)a[k] - b[k]));
		size = fmax(size, fabs((double)a[k]));
	}
	assert_true(size > 0.1);
	assert_true(far < 1e-5 * size);
	spec_free(&s);
}

static void
run_post(Spec *s, const char *entry, Tensor *in, Tensor *out)
{
	const char *err = "";
	Graph *g = module_entry(s->e->module, entry);

	for (size_t i = 0; i < g->input.n; i++)
		if (!in[i].type.rank)
			in[i].type = graph_node(g, g->input.p[i])->type;
	if (!eval_graph(s->a, g, in, out, NULL, NULL, &err))
		fail_msg("%s: %s", entry, err);
}

static void
near(const Tensor *t, size_t i, double want)
{
	if (!(fabs((double)((const float *)t->data)[i] - want) < 1e-5))
		fail_msg("[%zu]: %g, wanted %g", i, (double)((const float *)t->data)[i], want);
}

/* A picture 40 wide and 20 high in a frame of 64: scaled by 1.6, with 16 grey rows above. */
static void
test_letterbox(void **state)
{
	Spec s = spec_file("tests/elab/post.y12", NULL);
	static unsigned char pixels[20 * 40 * 3];
	float boxes[8] = { 16, 24, 32, 40, -10, 0, 100, 100 };
	static const double want[8] = { 10, 5, 20, 15, 0, 0, 40, 20 };
	Tensor in[2] = { { type_of(DT_U8, 3, (int64_t[]){ 20, 40, 3 }), pixels }, { .data = boxes } }, out[2];

	(void)state;
	assert_string_equal(s.messages, "");
	for (size_t i = 0; i < sizeof(pixels); i++)
		pixels[i] = (unsigned char)(i % 3 == 0 ? 200 : i % 3 == 1 ? 100 : 0);
	run_post(&s, "back", in, out);
	for (size_t i = 0; i < 8; i++)
		near(&out[1], i, want[i]);
	near(&out[0], 15 * 64 + 5, 114.0 / 255);
	near(&out[0], 16 * 64 + 5, 200.0 / 255);
	near(&out[0], 64 * 64 + 47 * 64 + 63, 100.0 / 255);
	near(&out[0], 64 * 64 + 48 * 64 + 63, 114.0 / 255);
	near(&out[0], 2 * 64 * 64 + 20 * 64, 0);
	spec_free(&s);
}

/* Two boxes of one class that share 0.9, and a third of the other class in the same place. */
static void
test_suppress(void **state)
{
	Spec s = spec_file("tests/elab/post.y12", NULL);
	float box[12] = { 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 9, 10 };
	float score[6] = { 0.9f, 0.8f, 0.1f, 0.1f, 0.2f, 0.7f };
	int32_t agnostic = 1;
	Tensor in[7] = { { .data = box }, { .data = score } }, out[3];
	const int32_t *label;

	(void)state;
	run_post(&s, "best", in, out);
	label = out[2].data;
	assert_int_equal(label[0], 0);
	assert_int_equal(label[1], 1);
	assert_int_equal(label[2], -1);
	assert_int_equal(label[3], -1);
	near(&out[1], 0, 0.9);
	near(&out[1], 1, 0.7);
	near(&out[1], 2, 0);
	for (size_t i = 0; i < 8; i++)
		near(&out[0], i, i % 4 < 2 ? 5 : 15);

	in[3].data = &agnostic;
	run_post(&s, "best", in, out);
	label = out[2].data;
	assert_int_equal(label[0], 0);
	assert_int_equal(label[1], -1);
	spec_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hash), cmocka_unit_test(test_n), cmocka_unit_test(test_s), cmocka_unit_test(test_m),
		cmocka_unit_test(test_l), cmocka_unit_test(test_x), cmocka_unit_test(test_maps), cmocka_unit_test(test_batch),
		cmocka_unit_test(test_first_release), cmocka_unit_test(test_letterbox), cmocka_unit_test(test_suppress),
	};

	return cmocka_run_group_tests_name("network", tests, NULL, NULL);
}
