/* test_models.c -- YOLOv12 itself, from its spec to a plan.
 *
 * At every scale: one kernel a convolution and nothing that moves pictures between them, and
 * an arena that is hardly larger than the bound.  At the smallest, with made-up weights: the
 * passes change nothing that can be seen, and the plan works.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dsl/ast.h"
#include "elab/elab.h"
#include "machine.h"
#include "pass_test.h"

static Graph *
elaborated(Arena *a, const char *model, const char *entry, const char *scale, const char *batch, const char *frame)
{
	const char *src = getenv("srcdir");
	const char *dirs[] = { arena_printf(a, "%s/stdlib", src ? src : "."),
	                       arena_printf(a, "%s/models", src ? src : "."), src ? src : "." };
	const ElabArg arg[] = { { "scale", scale }, { "batch", batch }, { "frame", frame } };
	ElabOptions opt = { .arg = arg, .narg = COUNT(arg), .entry = &entry, .nentry = 1 };
	Diag *d = diag_new(a);
	Module *m = dsl_load(a, d, arena_printf(a, "%s/%s.y12", dirs[1], model), dirs, COUNT(dirs));
	Elab *e = m && !diag_errors(d) ? elaborate(a, d, m, &opt) : NULL;

	if (!e || diag_errors(d)) {
		diag_print(d, stderr, false);
		fail_msg("the model cannot be elaborated");
	}
	graph_order(e->module->graph.p[0]);
	return e->module->graph.p[0];
}

static size_t
count_op(const Graph *g, OpKind op, bool own_kernel)
{
	size_t n = 0;

	graph_foreach(g, v)
		n += graph_node(g, v)->op == op && (!own_kernel || graph_node(g, v)->group);
	return n;
}

static size_t
count_family(const Graph *g, Family f)
{
	size_t n = 0;

	for (size_t i = 1; i < g->group.n; i++)
		n += g->group.p[i].family == f;
	return n;
}

/* Returns the arena's size. */
static int64_t
check_network(const char *model, const char *scale, const char *batch)
{
	Arena *a = arena_new();
	Graph *g = elaborated(a, model, "forward", scale, batch, "640,640");
	PassCtx cx = test_context(a);
	size_t convs = count_op(g, OP_conv2d, false), norms = count_op(g, OP_batch_norm, false), merged;
	const char *err;
	int64_t peak;

	if (!passes_run(g, &cx, NULL, true, NULL, NULL, &err))
		fail_msg("%s: %s", scale, err);
	print_message("%s-%s, batch %s: %zu kernels, %zu of them convolutions; peak %.2f MiB, bound %.2f MiB\n", model,
	              scale, batch, g->group.n - 1, count_op(g, OP_conv2d, false), (double)g->plan.peak / (1 << 20),
	              (double)g->plan.bound / (1 << 20));
	assert_true(norms > 100);
	assert_int_equal(count_op(g, OP_batch_norm, false), 0);
	if (!strcmp(batch, "1")) {
		/* two work before their input is enlarged, and are two then */
		convs += 2;
		/* queries and keys with values, unless the model has them so; the two ways through each C3k */
		merged = convs - count_op(g, OP_conv2d, false);
		assert_true(merged >= 4);
		if (!strcmp(model, "yolov12"))
			assert_true(merged >= 4 + count_op(g, OP_attention, false));
	}
	assert_int_equal(count_family(g, FAM_conv) + count_family(g, FAM_depthwise), count_op(g, OP_conv2d, false));
	/* the first convolution reads the picture as it is, the last ones write scores as they are wanted */
	assert_int_equal(count_op(g, OP_permute, true), 0);
	assert_int_equal(count_op(g, OP_copy, true), 0);
	assert_int_equal(count_op(g, OP_slice, true), 0);
	assert_int_equal(count_op(g, OP_reshape, true), 0);
	assert_int_equal(count_op(g, OP_resize, false), 2);
	assert_int_equal(count_family(g, FAM_point), 1);
	/* besides those, only the decoding of boxes */
	assert_true(count_family(g, FAM_point) + count_family(g, FAM_reduce) <= 6);
	assert_true((double)g->plan.peak <= 1.05 * (double)g->plan.bound);
	peak = g->plan.peak;
	arena_free(a);
	return peak;
}

static void
test_scales(void **state)
{
	static const char *const scale[] = { "n", "s", "m", "l", "x" };

	(void)state;
	for (size_t s = 0; s < COUNT(scale); s++) {
		int64_t one = check_network("yolov12", scale[s], "1"), eight = check_network("yolov12", scale[s], "8");

		/* early layers of a batch run in slices */
		assert_true(eight < 6 * one);
	}
	check_network("yolov12-v1", "l", "1");
	check_network("yolo12", "l", "1");
}

/* Values for every parameter that keep signals near 1. */
static void
bind_random(Arena *a, Graph *g)
{
	Random r = { 7 };

	graph_foreach(g, v) {
		Node *n = graph_node(g, v);
		int64_t count = type_count(&n->type), fan;

		if (n->op != OP_param || n->data)
			continue;

		char *p = arena_alloc(a, (size_t)type_bytes(&n->type) + 1);

		fan = MAX(count / MAX(n->type.rank ? n->type.dim[0] : 1, 1), 1);
		for (int64_t i = 0; i < count; i++) {
			double x = random_real(&r);

			if (n->type.rank == 1)
				x = strstr(n->name, "var") || strstr(n->name, "bn.weight") ? 1 + x / 2 : x / 4;
			else
				x *= 1.7 / sqrt((double)fan);
			dtype_set(n->type.dt, p, (size_t)i, x);
		}
		n->data = p;
	}
}

static void
test_numbers(void **state)
{
	static const char *const model[] = { "yolov12", "yolov12", "yolov12-v1" };
	static const char *const entry[] = { "forward", "maps", "forward" }, *const scale[] = { "n", "l", "n" };
	static const char *const frame[] = { "64,96", "32,64", "32,64" };

	(void)state;
	for (size_t i = 0; i < COUNT(entry); i++) {
		Arena *a = arena_new();
		Graph *g = elaborated(a, model[i], entry[i], scale[i], "1", frame[i]);
		PassCtx cx = test_context(a);
		Tensor *in, *before, *after;
		const char *err;

		bind_random(a, g);
		in = inputs_for(a, g, 3);
		before = evaluate(a, g, in);
		if (!passes_run(g, &cx, NULL, true, NULL, NULL, &err))
			fail_msg("%s", err);
		after = evaluate(a, g, in);
		for (size_t k = 0; k < g->output.n; k++)
			assert_close(&before[k], &after[k], 0, "all passes");
		assert_plan_works(a, g, in, after, 0);
		arena_free(a);
	}
}

static size_t
count_text(const char *text, const char *word)
{
	size_t n = 0;

	for (const char *p = text; (p = strstr(p, word)); p++)
		n++;
	return n;
}

/* One row a step, one rectangle a buffer. */
static void
test_charts(void **state)
{
	Arena *a = arena_new();
	Graph *g = elaborated(a, "yolov12", "forward", "n", "1", "64,64");
	PassCtx cx = test_context(a);
	size_t len, bufs = 0;
	const char *err;
	char *text;
	FILE *f;

	(void)state;
	assert_true(passes_run(g, &cx, NULL, true, NULL, NULL, &err));
	for (size_t i = 1; i < g->buf.n; i++)
		bufs += g->buf.p[i].kind == BUF_ARENA && g->buf.p[i].bytes > 0;
	f = open_memstream(&text, &len);
	plan_print(f, g);
	fclose(f);
	assert_int_equal(count_text(text, "\n"), g->sched.n + 2);
	assert_non_null(strstr(text, "model.21.cv2.0.0.conv"));
	free(text);
	f = open_memstream(&text, &len);
	plan_svg(f, g);
	fclose(f);
	assert_int_equal(count_text(text, "<svg "), 1);
	assert_int_equal(count_text(text, "</svg>"), 1);
	assert_int_equal(count_text(text, "<title>"), bufs);
	free(text);
	arena_free(a);
}

/* Stops after the pass that is named, and knows their names. */
static void
test_runner(void **state)
{
	Arena *a = arena_new();
	Graph *g = elaborated(a, "yolov12", "forward", "n", "1", "64,64");
	PassCtx cx = test_context(a);
	const char *err;

	(void)state;
	assert_false(passes_run(g, &cx, "schedul", true, NULL, NULL, &err));
	assert_string_equal(err, "there is no pass schedul; did you mean schedule?");
	assert_true(passes_run(g, &cx, "fuse", true, NULL, NULL, &err));
	assert_true(g->group.n > 100);
	assert_int_equal(g->sched.n, 0);
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scales),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_charts),
		cmocka_unit_test(test_runner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
