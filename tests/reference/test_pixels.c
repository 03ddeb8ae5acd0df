/* test_pixels.c -- letterbox and suppression in machine code: the reference's pixels and rows, exactly.
 *
 * The cases of tests/graph, which the evaluator meets there; and two whose pictures only the
 * folder of reference data has.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "reference.h"

#include "graph/graph.h"
#include "runtime/media/media.h"

typedef struct Piece { Arena *a; Compiled c; y12_engine *eng; } Piece;

/* The text of a graph as an engine with the entry g. */
static Piece
piece_open(Arena *a, const char *text)
{
	Piece k = { .a = a };
	Diag *d = diag_new(a);
	CompileOptions o = { .verify = true };
	bool ok;

	k.c.module = module_parse(a, d, diag_source(d, "t.g", text, strlen(text)), NULL);
	ok = k.c.module && compile_passes(a, d, &o, &k.c, NULL) && compile_program(a, d, &o, &k.c) &&
	     compile_code(a, d, &o, &k.c);
	if (!ok) {
		diag_print(d, stdout, false);
		fail_msg("the graph can't be compiled");
	}
	if (y12_engine_open_memory(k.c.image, k.c.image_bytes, NULL, &k.eng))
		fail_msg("%s", y12_message(k.eng));
	return k;
}

static void
piece_run(Piece *k, const y12_tensor *io, size_t n)
{
	if (y12_run(k->eng, "g", io, n))
		fail_msg("%s", y12_message(k->eng));
	y12_engine_close(k->eng);
}

static int
integer(const json_t *o, const char *key)
{
	return (int)json_number(o, key);
}

static const char *
text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

/* ---- letterbox ---------------------------------------------------------------------------- */

static uint8_t *
letterboxed(Arena *a, const json_t *c, const uint8_t *rgb)
{
	int h = integer(c, "height"), w = integer(c, "width"), nh = integer(c, "net_h"), nw = integer(c, "net_w");
	uint8_t *out = arena_alloc(a, (size_t)nh * (size_t)nw * 3);
	Piece k = piece_open(a, arena_printf(a,
		"graph g(%%1 x: u8[?,?,3]) { %%2 = fit %%1 {frame=[%d,%d], scaleup=%d, target=[%d,%d]} "
		"%%3 = warp %%1, %%2 {frame=[%d,%d]} return y=%%3 }", nh, nw, integer(c, "scaleup"), integer(c, "target_h"),
		integer(c, "target_w"), nh, nw));
	const y12_tensor io[] = {
		{ "x", Y12_U8, 3, { h, w, 3 }, (void *)rgb },
		{ "y", Y12_U8, 4, { 1, nh, nw, 3 }, out },
	};

	piece_run(&k, io, 2);
	return out;
}

static void
test_letterbox(void **state)
{
	Arena *a = arena_new();
	json_t *cases = json_file(in_source(a, "tests/graph/letterbox/cases.json")), *c;
	size_t i, ran = 0;

	(void)state;
	json_array_foreach(cases, i, c) {
		Arena *b = arena_new();
		const char *err;
		char hex[33];
		size_t len;
		uint8_t *rgb = (uint8_t *)file_read(b, in_source(b, arena_printf(b, "tests/graph/letterbox/%s.rgb", text_of(c, "name"))), &len, &err);

		if (rgb) {
			assert_int_equal(len, integer(c, "height") * integer(c, "width") * 3);
			hash_hex(hex, letterboxed(b, c, rgb), (size_t)(integer(c, "net_h") * integer(c, "net_w") * 3));
			assert_string_equal(hex, text_of(c, "out_hash"));
			ran++;
		}
		arena_free(b);
	}
	assert_int_equal(ran, 6);
	json_decref(cases);
	arena_free(a);
}

static y12_picture
picture(const char *path)
{
	y12_picture p;
	char err[Y12_ERRLEN];

	if (!y12_picture_read(path, &p, err))
		fail_msg("%s: %s", path, err);
	return p;
}

static void
test_letterbox_reference(void **state)
{
	Arena *a = arena_new();
	json_t *cases = json_file(reference(a, "letterbox/cases.json")), *c;
	size_t i;

	(void)state;
	assert_int_equal(json_array_size(cases), 8);
	json_array_foreach(cases, i, c) {
		y12_picture in = picture(reference(a, arena_printf(a, "letterbox/%s-in.png", text_of(c, "name"))));
		y12_picture out = picture(reference(a, arena_printf(a, "letterbox/%s-out.png", text_of(c, "name"))));

		assert_int_equal(out.width, integer(c, "net_w"));
		assert_int_equal(out.height, integer(c, "net_h"));
		assert_memory_equal(letterboxed(a, c, in.rgb), out.rgb, (size_t)out.width * (size_t)out.height * 3);
		y12_picture_free(&in);
		y12_picture_free(&out);
	}
	json_decref(cases);
	arena_free(a);
}

/* ---- suppression --------------------------------------------------------------------------- */

static void
check_nms(const json_t *c)
{
	Arena *a = arena_new();
	json_t *boxes = json_object_get(c, "boxes"), *scores = json_object_get(c, "scores"), *x;
	json_t *result = json_object_get(c, "result"), *classes = json_object_get(c, "classes");
	size_t n = json_array_size(boxes), nc = (size_t)integer(c, "nc"), i;
	float *box = NEWN(a, float, n * 4), *score = NEWN(a, float, n * nc), conf = (float)json_number(c, "conf");
	double iou = json_number(c, "iou");
	int32_t agnostic = integer(c, "agnostic"), limit = integer(c, "max_det"), row[300];
	bool *keep = NEWN(a, bool, nc);
	Piece k;

	json_array_foreach(boxes, i, x) {
		float v[4];

		for (size_t j = 0; j < 4; j++)
			v[j] = (float)json_number_value(json_array_get(x, j));
		for (size_t j = 0; j < 2; j++) {
			box[i * 4 + j] = v[j] - v[j + 2] / 2;
			box[i * 4 + j + 2] = v[j] + v[j + 2] / 2;
		}
	}
	json_array_foreach(scores, i, x)
		for (size_t j = 0; j < nc; j++)
			score[i * nc + j] = (float)json_number_value(json_array_get(x, j));
	for (i = 0; i < nc; i++)
		keep[i] = json_is_null(classes);
	json_array_foreach(classes, i, x)
		keep[json_integer_value(x)] = true;
	k = piece_open(a, arena_printf(a,
		"graph g(%%1 b: f32[1,%zu,4], %%2 s: f32[1,%zu,%zu], %%3 conf: f32[1], %%4 iou: f64[1], "
		"%%5 keep: bool[%zu], %%6 agnostic: i32[1], %%7 limit: i32[1]) { "
		"%%8 = nms %%1, %%2, %%3, %%4, %%5, %%6, %%7 {k=300, multi_label=%d} return rows=%%8 }",
		n, n, nc, nc, integer(c, "multi_label")));

	const y12_tensor io[] = {
		{ "b", Y12_F32, 3, { 1, (int64_t)n, 4 }, box }, { "s", Y12_F32, 3, { 1, (int64_t)n, (int64_t)nc }, score },
		{ "conf", Y12_F32, 1, { 1 }, &conf }, { "iou", Y12_F64, 1, { 1 }, &iou }, { "keep", Y12_BOOL, 1, { (int64_t)nc }, keep },
		{ "agnostic", Y12_I32, 1, { 1 }, &agnostic }, { "limit", Y12_I32, 1, { 1 }, &limit },
		{ "rows", Y12_I32, 2, { 1, 300 }, row },
	};

	piece_run(&k, io, COUNT(io));
	for (i = 0; i < 300; i++) {
		const json_t *want = json_array_get(result, i);
		int32_t index = want ? integer(want, "anchor") * (int32_t)nc + integer(want, "class") : -1;

		if (row[i] != index)
			fail_msg("%s: row %zu is %d, not %d", text_of(c, "name"), i, row[i], index);
	}
	arena_free(a);
}

static void
test_nms(void **state)
{
	Arena *a = arena_new();
	json_t *cases = json_file(in_source(a, "tests/graph/nms-cases.json")), *c;
	size_t i;

	(void)state;
	assert_int_equal(json_array_size(cases), 21);
	/* one of them has no boxes at all; a kernel's buffer is never empty, and no network has no anchors */
	json_array_foreach(cases, i, c)
		if (json_array_size(json_object_get(c, "boxes")))
			check_nms(c);
	json_decref(cases);
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_letterbox), cmocka_unit_test(test_letterbox_reference), cmocka_unit_test(test_nms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
