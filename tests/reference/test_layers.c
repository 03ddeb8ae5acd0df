/* test_layers.c -- networks in machine code against the reference's numbers, layer by layer.
 *
 *     clone alone     hash weights, 96x64, all scales: every layer, the raw maps, the output; n in the
 *                     interpreter of kernel IR as well
 *     with reference  hash weights at 640x640; a real checkpoint: layers, inner modules of attention, outputs
 *
 * The evaluator of graphs meets the same numbers in tests/elab.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "reference.h"

/* Proposed by the reference data: ten times what its own f32 and f64 networks are apart. */
static const double LAYER = 1e-5, PIXEL = 3e-3, SCORE = 5e-6;

static Tensor
hash_picture(Arena *a, int64_t n, int64_t h, int64_t w)
{
	Tensor t = { .type = type_of(DT_F32, 4, (const int64_t[]){ n, 3, h, w }) };
	float *x = arena_alloc(a, (size_t)type_bytes(&t.type));

	for (int64_t k = 0; k < type_count(&t.type); k++)
		x[k] = (float)hash_unit(99991, (uint64_t)k);
	t.data = x;
	return t;
}

/* u8 [H, W, 3] -> f32 [1, 3, H, W], 0..1 */
static Tensor
network_input(Arena *a, const Tensor *rgb)
{
	int64_t h = rgb->type.dim[0], w = rgb->type.dim[1];
	Tensor t = { .type = type_of(DT_F32, 4, (const int64_t[]){ 1, 3, h, w }) };
	float *x = arena_alloc(a, (size_t)type_bytes(&t.type));
	const uint8_t *p = rgb->data;

	for (int64_t c = 0; c < 3; c++)
		for (int64_t i = 0; i < h * w; i++)
			x[c * h * w + i] = (float)p[i * 3 + c] / 255;
	t.data = x;
	return t;
}

/* Outputs "model.<key>" against the table of that key; the largest distance. */
static double
check_layers(Net *n, const json_t *tables, double tol)
{
	double most = 0;
	const char *key;
	json_t *want;

	json_object_foreach((json_t *)tables, key, want) {
		const char *name = arena_printf(n->a, "model.%s", key);
		Tensor t = net_output(n, name);

		most = fmax(most, like_table(name, &t, want, tol));
	}
	return most;
}

/* {"0": [column of output0] …}, some of its rows */
static void
check_columns(const Tensor *t, const json_t *columns, const json_t *rows, double pixel, double score)
{
	int64_t anchors = t->type.dim[2];
	const char *key;
	json_t *col, *v;
	size_t i;

	json_object_foreach((json_t *)columns, key, col)
		json_array_foreach(col, i, v) {
			int64_t row = rows ? json_integer_value(json_array_get(rows, i)) : (int64_t)i;
			double got = (double)((const float *)t->data)[row * anchors + atoll(key)], want = json_number_value(v);

			if (!(fabs(got - want) <= (row < 4 ? pixel : score)))
				fail_msg("output0[%d, %s] is %.9g, not %.9g", (int)row, key, got, want);
		}
}

/* ---- a clone alone --------------------------------------------------------------------------- */

static void
test_hash(void **state)
{
	(void)state;
	assert_int_equal(hash_word(0, 0), 2435775735u);
	assert_int_equal(hash_word(1, 0), 2828093089u);
	assert_int_equal(hash_word(7, 12345), 2110759420u);
	assert_int_equal(hash_word(99991, 18431), 1568819683u);
}

typedef void Run(Net *n, const Tensor *in);

static void
check_small(const char *scale, Run *run)
{
	Net n = net_open(&(NetSpec){ .scale = scale, .entry = "forward", .frame = { 96, 64 }, .layers = true });
	json_t *all = json_file(in_source(n.a, "tests/elab/eval_96x64.json")), *want = json_object_get(all, scale);
	double times = *scale == 'x' ? 10 : 1, most;
	Tensor in = hash_picture(n.a, 1, 96, 64), out;

	run(&n, &in);
	assert_int_equal(net_outputs(&n), 22);
	most = check_layers(&n, json_object_get(want, "layers"), times * LAYER);
	out = net_output(&n, "output0");
	most = fmax(most, like_table("output0", &out, json_object_get(want, "decoded"), times * LAYER));
	check_columns(&out, json_object_get(want, "decoded_columns"), json_object_get(all, "decoded_columns rows"),
	              times * PIXEL, times * SCORE);
	print_message("%s, 96x64: 21 layers within %.2g\n", scale, most);
	json_decref(all);
	net_close(&n);
}

static void test_small_n(void **state) { (void)state; check_small("n", net_run); }
static void test_small_s(void **state) { (void)state; check_small("s", net_run); }
static void test_small_m(void **state) { (void)state; check_small("m", net_run); }
static void test_small_l(void **state) { (void)state; check_small("l", net_run); }
static void test_small_x(void **state) { (void)state; check_small("x", net_run); }

static void test_small_interp(void **state) { (void)state; check_small("n", net_interpret); }

static void
test_small_maps(void **state)
{
	Net n = net_open(&(NetSpec){ .scale = "n", .entry = "maps", .frame = { 96, 64 } });
	json_t *all = json_file(in_source(n.a, "tests/elab/eval_96x64.json")), *raw = json_object_get(json_object_get(all, "n"), "raw");
	Tensor in = hash_picture(n.a, 1, 96, 64);

	(void)state;
	net_run(&n, &in);
	assert_int_equal(net_outputs(&n), 3);
	for (size_t i = 0; i < 3; i++) {
		Tensor t = net_output(&n, net_output_name(&n, i));

		like_table(net_output_name(&n, i), &t, json_array_get(raw, i), LAYER);
	}
	json_decref(all);
	net_close(&n);
}

static void
test_small_batch(void **state)
{
	Net n = net_open(&(NetSpec){ .scale = "n", .entry = "forward", .frame = { 64, 64 }, .batch = 2 });
	json_t *all = json_file(in_source(n.a, "tests/elab/eval_96x64.json"));
	Tensor in = hash_picture(n.a, 2, 64, 64), out;

	(void)state;
	net_run(&n, &in);
	out = net_output(&n, "output0");
	like_table("output0", &out, json_object_get(all, "n_64x64_batch2"), LAYER);
	json_decref(all);
	net_close(&n);
}

/* ---- hash weights on a photograph, with the reference ------------------------------------------ */

static void
check_photograph(const char *scale)
{
	Arena *a = arena_new();
	const char *path = reference(a, "tensors/bus-square-input.npy");
	json_t *want = json_file(reference(a, arena_printf(a, "layers-scales/%s.json", scale))), *map;
	Net n = net_open(&(NetSpec){ .scale = scale, .entry = "forward", .frame = { 640, 640 }, .layers = true });
	double times = *scale == 'x' ? 10 : 1, most;
	Tensor rgb = npy_file(a, path), in = network_input(a, &rgb), out;
	size_t level = 0;
	const char *key;

	net_run(&n, &in);
	most = check_layers(&n, json_object_get(want, "layers"), times * LAYER);
	out = net_output(&n, "output0");
	most = fmax(most, like_table("output0", &out, json_object_get(want, "output0"), times * LAYER));
	check_columns(&out, json_object_get(want, "output0_columns"), NULL, times * PIXEL, times * SCORE);
	net_close(&n);

	n = net_open(&(NetSpec){ .scale = scale, .entry = "maps", .frame = { 640, 640 } });
	net_run(&n, &in);
	json_object_foreach(json_object_get(want, "detect_raw"), key, map) {
		Tensor t = net_output(&n, net_output_name(&n, level++));

		most = fmax(most, like_table(key, &t, map, times * LAYER));
	}
	assert_int_equal(level, 3);
	print_message("%s, 640x640: layers, maps and output within %.2g\n", scale, most);
	net_close(&n);
	json_decref(want);
	arena_free(a);
}

static void test_photograph_n(void **state) { (void)state; check_photograph("n"); }
static void test_photograph_s(void **state) { (void)state; check_photograph("s"); }
static void test_photograph_m(void **state) { (void)state; check_photograph("m"); }
static void test_photograph_l(void **state) { (void)state; check_photograph("l"); }
static void test_photograph_x(void **state) { (void)state; check_photograph("x"); }

/* ---- outputs as the network makes them when it works ------------------------------------------- */

typedef struct Output0 { const char *weights, *classes, *scale, *input, *output; int64_t h, w; double pixel, score; } Output0;

static void
check_output0(const Output0 *c)
{
	Arena *a = arena_new();
	const char *weights = c->weights ? reference(a, c->weights) : NULL;
	Tensor rgb = npy_file(a, reference(a, c->input)), want = npy_file(a, reference(a, c->output));
	Net n = net_open(&(NetSpec){ .weights = weights, .scale = c->scale, .classes = c->classes, .entry = "forward",
	                             .frame = { c->h, c->w } });
	Tensor in = network_input(a, &rgb), got;
	double box, score;

	net_run(&n, &in);
	got = net_output(&n, "output0");
	output_distance(&got, &want, &box, &score);
	print_message("%s: boxes within %.2g px, scores within %.2g\n", c->output, box, score);
	assert_true(box <= c->pixel);
	assert_true(score <= c->score);
	net_close(&n);
	arena_free(a);
}

#define HELMET "weights/helmet-m.pt", NULL, NULL
#define OUTPUT0(name, ...) static void name(void **state) { (void)state; check_output0(&(Output0){ __VA_ARGS__ }); }
OUTPUT0(test_helmet_bus, HELMET, "tensors/bus-square-input.npy", "tensors/bus-square-output0.npy", 640, 640, PIXEL, SCORE)
OUTPUT0(test_helmet_hopper, HELMET, "tensors/hopper-square-input.npy", "tensors/hopper-square-output0.npy", 640, 640, PIXEL, SCORE)
OUTPUT0(test_helmet_street, HELMET, "tensors/street-rect-input.npy", "tensors/street-rect-output0.npy", 480, 640, PIXEL, SCORE)
OUTPUT0(test_hash_pt, "weights/hash-n-nc2.pt", NULL, NULL, "tensors/bus-square-input.npy",
        "tensors/hash-n-nc2-bus-square-output0.npy", 640, 640, PIXEL, SCORE)
OUTPUT0(test_hash_onnx, NULL, "2", "n", "tensors/bus-square-input.npy", "onnx/hash-n-nc2-640-bus-output0.npy", 640, 640, PIXEL, SCORE)

/* ---- the real checkpoint, layer by layer --------------------------------------------------------- */

/* Tensors of f16 beside f32: a rounding of 2^-11 at most each, about a quarter of it in the mean. */
static void
check_half(Net *n, const char *name, const char *file)
{
	Arena *a = arena_new();
	Tensor want = npy_file(a, reference(a, file)), got = net_output(n, name);
	double off;

	if (got.type.dim[1] > want.type.dim[want.type.rank - 3])       /* the first channels only */
		got.type.dim[1] = want.type.dim[want.type.rank - 3];
	off = relative_l2(&got, &want);
	print_message("%s against f16: %.2g\n", name, off);
	assert_true(off < 3e-4);
	arena_free(a);
}

static void
test_helmet_layers(void **state)
{
	Arena *a = arena_new();
	json_t *layers = json_file(reference(a, "tensors/bus-square-layers.json"));
	json_t *inner = json_file(reference(a, "tensors/bus-square-attention.json")), *want;
	Tensor rgb = npy_file(a, reference(a, "tensors/bus-square-input.npy")), in = network_input(a, &rgb), t;
	const char *name[64] = { 0 }, *key;
	static const char *const level[] = { "P3", "P4", "P5" }, *const before[] = { "model.14", "model.17", "model.20" };
	double most, deep = 0;
	size_t k = 0;
	Net n;

	(void)state;
	json_object_foreach(inner, key, want)
		name[k++] = arena_printf(a, "model.%s", key);
	assert_int_equal(k, 22);
	n = net_open(&(NetSpec){ .weights = reference(a, "weights/helmet-m.pt"), .entry = "forward", .frame = { 640, 640 },
	                         .layers = true, .inner = name });
	net_run(&n, &in);
	most = check_layers(&n, json_object_get(layers, "layers"), LAYER);
	json_object_foreach(inner, key, want) {
		t = net_output(&n, arena_printf(a, "model.%s", key));
		deep = fmax(deep, like_table(key, &t, want, LAYER));
	}
	for (size_t i = 0; i < 3; i++) {
		t = net_output(&n, before[i]);
		most = fmax(most, like_table(level[i], &t, json_object_get(json_object_get(layers, "detect_inputs"), level[i]), LAYER));
	}
	t = net_output(&n, "output0");
	most = fmax(most, like_table("output0", &t, json_object_get(layers, "output0"), LAYER));
	check_half(&n, "model.0", "tensors/bus-square-layer00-channels0-15-f16.npy");
	check_half(&n, "model.6", "tensors/bus-square-layer06-f16.npy");
	check_half(&n, "model.8", "tensors/bus-square-layer08-f16.npy");
	net_close(&n);

	n = net_open(&(NetSpec){ .weights = reference(a, "weights/helmet-m.pt"), .entry = "maps", .frame = { 640, 640 } });
	net_run(&n, &in);
	for (size_t i = 0; i < 3; i++) {
		t = net_output(&n, net_output_name(&n, i));
		most = fmax(most, like_table(level[i], &t, json_object_get(json_object_get(layers, "detect_raw"), level[i]), LAYER));
	}
	print_message("m, real checkpoint: layers and maps within %.2g, inside of attention within %.2g\n", most, deep);
	net_close(&n);
	json_decref(layers);
	json_decref(inner);
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_small_n), cmocka_unit_test(test_small_s), cmocka_unit_test(test_small_m),
		cmocka_unit_test(test_small_l), cmocka_unit_test(test_small_x),
		cmocka_unit_test(test_small_interp), cmocka_unit_test(test_small_maps), cmocka_unit_test(test_small_batch),
		cmocka_unit_test(test_photograph_n), cmocka_unit_test(test_photograph_s), cmocka_unit_test(test_photograph_m),
		cmocka_unit_test(test_photograph_l), cmocka_unit_test(test_photograph_x),
		cmocka_unit_test(test_helmet_bus), cmocka_unit_test(test_helmet_hopper), cmocka_unit_test(test_helmet_street),
		cmocka_unit_test(test_hash_pt), cmocka_unit_test(test_hash_onnx),
		cmocka_unit_test(test_helmet_layers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
