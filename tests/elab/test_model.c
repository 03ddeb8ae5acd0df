/* test_model.c -- the YOLOv12 spec against published facts, all five scales.
 *
 * Parameters by name, shape, kind and order; parameters and multiply-accumulates of
 * each layer; totals to the last digit.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "elab_test.h"

enum { SCALES = 5, LAYERS = 22 };
static const char *const scale_name[SCALES] = { "n", "s", "m", "l", "x" };

static Spec
model_of(const char *file, const char *scale, const char *key, const char *value, const char *entry)
{
	ElabArg arg[] = { { "scale", scale }, { key ? key : "batch", key ? value : "1" } };
	Spec s = spec_file(file, &(ElabOptions){ .arg = arg, .narg = 2, .entry = &entry, .nentry = 1 });

	assert_string_equal(s.messages, "");
	assert_non_null(s.e);
	return s;
}

static Spec
model(const char *scale, const char *key, const char *value, const char *entry)
{
	return model_of("models/yolov12.y12", scale, key, value, entry);
}

/* "f32[16,3,3,3]" -> "16x3x3x3", "i64" -> "scalar" */
static const char *
shape_text(Arena *a, const Type *t)
{
	Text x = { .a = a };

	for (int i = 0; i < t->rank; i++)
		text_printf(&x, "%s%lld", i ? "x" : "", (long long)t->dim[i]);
	return t->rank ? text_str(&x) : "scalar";
}

static void
test_parameters(void **state)
{
	(void)state;
	for (int k = 0; k < SCALES; k++) {
		Spec s = model(scale_name[k], NULL, NULL, "forward");
		size_t len, at = 0, rows = 0;
		const char *err;
		char *table = file_read(s.a, in_srcdir(s.a, "tests/elab/yolov12-params.tsv"), &len, &err), *save, *row;

		assert_non_null(table);
		for (row = strtok_r(table, "\n", &save); (row = strtok_r(NULL, "\n", &save)); rows++) {
			char *field = row, *col[2 + SCALES];

			for (int c = 0; c < 2 + SCALES; c++)
				col[c] = strsep(&field, "\t");
			if (!strcmp(col[2 + k], "-"))
				continue;
			assert_true(at < s.e->param.n);

			const ElabParam *p = &s.e->param.p[at++];

			assert_string_equal(p->name, col[0]);
			assert_string_equal(p->buffer ? "buffer" : "param", col[1]);
			assert_string_equal(shape_text(s.a, &p->type), col[2 + k]);
			assert_int_equal(p->type.dt, p->type.rank ? DT_F32 : DT_I64);
		}
		assert_int_equal(rows, 1341);
		assert_int_equal(at, s.e->param.n);
		spec_free(&s);
	}
}

static const struct {
	int64_t params, trainable, fused, conv, attn;
	int convs, norms, nparam, nbuffer;
	const char *gflops, *gflops_fused;
} total[SCALES] = {
	{ 2553904, 2553888, 2542440, 2993286400, 491520000, 128, 121, 376, 363, "6.15", "5.99" },
	{ 9127424, 9127408, 9105168, 9714662400, 983040000, 128, 121, 376, 363, "19.75", "19.43" },
	{ 19670784, 19670768, 19638208, 29899187200, 1638400000, 138, 131, 406, 393, "60.43", "59.81" },
	{ 26506496, 26506480, 26455232, 41196364800, 3276800000, 228, 221, 678, 663, "83.27", "82.40" },
	{ 59414176, 59414160, 59337280, 92294323200, 4915200000, 228, 221, 678, 663, "185.91", "184.60" },
};

static const int64_t layer_params[LAYERS][SCALES] = {
	[0] = { 464, 928, 1856, 1856, 2784 },
	[1] = { 2368, 9344, 37120, 37120, 83328 },
	[2] = { 6640, 26080, 111872, 173824, 389760 },
	[3] = { 9344, 37120, 147968, 147968, 332544 },
	[4] = { 26080, 103360, 444928, 691712, 1553664 },
	[5] = { 147712, 590336, 2360320, 2360320, 5309952 },
	[6] = { 174720, 677120, 2664960, 4540416, 10152960 },
	[7] = { 295424, 1180672, 2360320, 2360320, 5309952 },
	[8] = { 677120, 2664960, 2664960, 4540416, 10152960 },
	[11] = { 86912, 345856, 1248768, 2102784, 4727040 },
	[14] = { 24000, 95104, 378624, 592640, 1331328 },
	[15] = { 36992, 147712, 590336, 590336, 1327872 },
	[17] = { 74624, 296704, 1183232, 2037248, 4579584 },
	[18] = { 147712, 590336, 2360320, 2360320, 5309952 },
	[20] = { 378880, 1511424, 1642496, 2496512, 5612544 },
	[21] = { 464912, 850368, 1472704, 1472704, 3237952 },
};

/* millions, 640x640, batch 1 */
static const double layer_macs[LAYERS][SCALES] = {
	[0] = { 44.237, 88.474, 176.947, 176.947, 265.421 },
	[1] = { 58.982, 235.930, 943.718, 943.718, 2123.366 },
	[2] = { 163.840, 655.360, 2831.155, 4404.019, 9909.043 },
	[3] = { 58.982, 235.930, 943.718, 943.718, 2123.366 },
	[4] = { 163.840, 655.360, 2831.155, 4404.019, 9909.043 },
	[5] = { 235.930, 943.718, 3774.874, 3774.874, 8493.466 },
	[6] = { 272.384, 1069.056, 4235.264, 7212.237, 16166.093 },
	[7] = { 117.965, 471.859, 943.718, 943.718, 2123.366 },
	[8] = { 267.264, 1058.816, 1058.816, 1803.059, 4041.523 },
	[11] = { 137.626, 550.502, 1992.294, 3355.443, 7549.747 },
	[14] = { 150.733, 602.931, 2411.725, 3774.874, 8493.466 },
	[15] = { 58.982, 235.930, 943.718, 943.718, 2123.366 },
	[17] = { 117.965, 471.859, 1887.437, 3250.586, 7313.818 },
	[18] = { 58.982, 235.930, 943.718, 943.718, 2123.366 },
	[20] = { 150.733, 602.931, 655.360, 996.147, 2241.331 },
	[21] = { 934.842, 1600.077, 3325.568, 3325.568, 7294.541 },
};

static const double attention_macs[2][SCALES] = {
	{ 327.68, 655.36, 1310.72, 2621.44, 3932.16 },          /* layer 6 */
	{ 163.84, 327.68, 327.68, 655.36, 983.04 },             /* layer 8 */
};

static void
test_numbers(void **state)
{
	(void)state;
	for (int k = 0; k < SCALES; k++) {
		Spec s = model(scale_name[k], NULL, NULL, "forward");
		const ModelInfo *m = model_info(s.a, s.e);

		assert_int_equal(m->layer.n, LAYERS + 1);
		assert_int_equal(m->total.params, total[k].params);
		assert_int_equal(m->trainable, total[k].trainable);
		assert_int_equal(m->total.fused, total[k].fused);
		assert_int_equal(m->total.conv_macs, total[k].conv);
		assert_int_equal(m->total.attn_macs, total[k].attn);
		assert_int_equal(m->convs, total[k].convs);
		assert_int_equal(m->norms, total[k].norms);
		assert_int_equal(m->nparam, total[k].nparam);
		assert_int_equal(m->nbuffer, total[k].nbuffer);
		assert_string_equal(arena_printf(s.a, "%.2f", m->gflops), total[k].gflops);
		assert_string_equal(arena_printf(s.a, "%.2f", m->gflops_fused), total[k].gflops_fused);
		for (int i = 0; i < LAYERS; i++) {
			const LayerInfo *l = &m->layer.p[i];

			assert_int_equal(l->index, i);
			assert_int_equal(l->params, layer_params[i][k]);
			assert_true(fabs((double)l->conv_macs / 1e6 - layer_macs[i][k]) < 0.0006);
			assert_true((double)l->attn_macs / 1e6 == (i == 6 ? attention_macs[0][k] : i == 8 ? attention_macs[1][k] : 0));
		}
		spec_free(&s);
	}
}

/* The first release, and the variant of another package: totals, entries of a file, and the
 * bias that tells them apart. */
static void
test_families(void **state)
{
	static const struct { const char *file; bool bias; int64_t params[SCALES], entries[SCALES]; } family[] = {
		{ "models/yolov12-v1.y12", true, { 2603056, 9285632, 20201216, 26454880, 59216928 },
		  { 699, 699, 759, 1261, 1261 } },
		{ "models/yolo12.y12", false, { 2602288, 9284096, 20199168, 26450784, 59210784 },
		  { 691, 691, 751, 1245, 1245 } },
	};

	(void)state;
	for (size_t f = 0; f < COUNT(family); f++)
		for (int k = 0; k < SCALES; k++) {
			Spec s = model_of(family[f].file, scale_name[k], NULL, NULL, "forward");
			const ModelInfo *m = model_info(s.a, s.e);
			bool bias = false;

			assert_int_equal(m->total.params, family[f].params[k]);
			assert_int_equal(m->nparam + m->nbuffer, family[f].entries[k]);
			for (size_t i = 0; i < s.e->param.n; i++)
				bias |= !strcmp(s.e->param.p[i].name, "model.6.m.0.0.attn.pe.conv.bias");
			assert_int_equal(bias, family[f].bias);
			spec_free(&s);
		}
}

/* With another number of classes only cv3 of the head changes. */
static void
test_classes(void **state)
{
	Spec a = model("n", NULL, NULL, "forward"), b = model("n", "nc", "100", "forward");

	(void)state;
	assert_int_equal(a.e->param.n, b.e->param.n);
	assert_int_equal(b.e->classes, 100);
	for (size_t i = 0; i < a.e->param.n; i++) {
		const ElabParam *p = &a.e->param.p[i], *q = &b.e->param.p[i];

		assert_string_equal(p->name, q->name);
		if (!type_eq(&p->type, &q->type))
			assert_true(!strncmp(p->name, "model.21.cv3.", 13));
		if (!strcmp(p->name, "model.21.cv3.1.2.weight"))
			assert_string_equal(shape_text(b.a, &q->type), "100x100x1x1");
		if (!strcmp(p->name, "model.21.dfl.conv.weight"))
			assert_true(p->frozen && !strcmp(p->init, "iota"));
	}
	spec_free(&a);
	spec_free(&b);
}

static void
check_output(const char *frame, const char *entry, const char *name, const char *type)
{
	Spec s = model("n", "frame", frame, entry);
	const Graph *g = module_entry(s.e->module, entry);
	const char *err;
	bool found = false;

	assert_non_null(g);
	assert_true(graph_verify(g, &err));
	for (size_t i = 0; i < g->output.n; i++)
		if (!strcmp(g->output.p[i].name, name)) {
			assert_string_equal(type_text(s.a, &graph_node(g, g->output.p[i].v)->type), type);
			found = true;
		}
	assert_true(found);
	spec_free(&s);
}

static void
test_outputs(void **state)
{
	(void)state;
	check_output("640", "forward", "output0", "f32[1,84,8400]");
	check_output("672", "forward", "output0", "f32[1,84,9261]");
	check_output("448,640", "forward", "output0", "f32[1,84,5880]");
	check_output("96,64", "maps", "map0", "f32[1,144,12,8]");
	check_output("96,64", "maps", "map2", "f32[1,144,3,2]");
	check_output("384,640", "detect", "boxes", "f32[1,300,4]");
	check_output("384,640", "detect", "label", "i32[1,300]");
}

static void
test_pictures(void **state)
{
	Spec s = model("n", "batch", "3", "detect");
	const Graph *g = module_entry(s.e->module, "detect");

	(void)state;
	assert_int_equal(g->input.n, 3 + 5);
	assert_string_equal(graph_node(g, g->input.p[2])->name, "image2");
	assert_string_equal(type_text(s.a, &graph_node(g, g->input.p[2])->type), "u8[?,?,3]");
	assert_true(*(const float *)graph_node(g, g->input.p[3])->data == 0.25f);
	assert_true(*(const double *)graph_node(g, g->input.p[4])->data == 0.7);
	assert_string_equal(map_get(g->meta, "task"), "detect");
	assert_string_equal(map_get(g->meta, "nc"), "80");
	assert_int_equal(model_info(s.a, s.e)->total.conv_macs, total[0].conv);        /* of one picture */
	assert_int_equal(model_info(s.a, s.e)->total.attn_macs, total[0].attn);
	spec_free(&s);
}

/* What `yolo12c info` prints; BLESS=1 writes it anew. */
static void
test_table(void **state)
{
	Spec s = model("l", NULL, NULL, "forward");
	const char *path = in_srcdir(s.a, "tests/elab/info-l.want"), *err;
	char *text;
	size_t n, len;
	FILE *f = open_memstream(&text, &n);

	(void)state;
	model_info_print(f, model_info(s.a, s.e));
	fclose(f);
	if (getenv("BLESS"))
		assert_null(file_write(s.a, path, text, n));
	assert_string_equal(text, file_read(s.a, path, &len, &err));
	free(text);
	spec_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parameters), cmocka_unit_test(test_numbers), cmocka_unit_test(test_classes),
		cmocka_unit_test(test_families),		cmocka_unit_test(test_outputs), cmocka_unit_test(test_pictures), cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
