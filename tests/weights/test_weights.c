/* test_weights.c -- reading, recognising, binding and writing of good files.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/weights/build.h"

static void
check_tiny(Arena *a, const Weights *w)
{
	static const struct { const char *name; DType dt; int rank; int64_t dim[4]; double v[6]; } row[] = {
		{ "model.0.conv.weight", DT_F32, 4, { 2, 1, 1, 3 }, { 1, 2, 3, 4, 5, 6 } },
		{ "model.0.conv.same", DT_F32, 1, { 2 }, { 9, 8 } },
		{ "model.0.bn.weight", DT_F16, 2, { 3, 2 }, { 1, -4, 2, 0.5, 3, 0x1p-24 } },
		{ "model.0.bn.num_batches_tracked", DT_I64, 0, { 0 }, { 1234567890123 } },
		{ "model.0.bn.none", DT_F32, 1, { 0 }, { 0 } },
	};

	assert_int_equal(w->tensor.n, COUNT(row));
	for (size_t i = 0; i < COUNT(row); i++) {
		const WTensor *t = &w->tensor.p[i];
		assert_string_equal(t->name, row[i].name);
		assert_ptr_equal(t, weights_get(w, t->name));
		assert_int_equal(t->dt, row[i].dt);
		assert_int_equal(t->rank, row[i].rank);
		for (int k = 0; k < t->rank; k++)
			assert_int_equal(t->dim[k], row[i].dim[k]);
		for (size_t k = 0; k < t->count; k++)
			assert_true(dtype_get(t->dt, t->data, k) == row[i].v[k]);
	}
	assert_int_equal(w->nc, 2);
	assert_string_equal(w->names[0], "a\xc3\xa9");
	assert_string_equal(w->names[1], "b");
	assert_int_equal(w->imgsz, 320);
	assert_string_equal(map_get(w->meta, "date"), "2025-01-01");
	assert_string_equal(map_get(w->meta, "epoch"), "-1");
	assert_non_null(strstr(weights_says(a, w), "2 classes, 320 px, 14 parameters"));
}

static void
test_pt(void **state)
{
	(void)state;
	for (ZipStyle s = ZIP_TORCH; s <= ZIP_DEFLATED; s++) {
		Arena *a = arena_new();
		Diag *d = diag_new(a);
		Text t = tiny_pt(a, s);
		Weights *w = read_copy(a, t.p, t.n, d);
		assert_string_equal(messages(a, d), "");
		assert_non_null(w);
		check_tiny(a, w);
		arena_free(a);
	}
}

/* A plain dictionary of tensors, at the top or under "state_dict". */
static void
test_state_dict(void **state)
{
	(void)state;
	for (int inner = 0; inner < 2; inner++) {
		Arena *a = arena_new();
		Diag *d = diag_new(a);
		Text t = { .a = a };
		pk_ops(&t, "\x80\x02");
		if (inner)
			pk_ops(&t, "}("), pk_str(&t, "state_dict");
		pk_class(&t, "collections", "OrderedDict"), pk_ops(&t, ")R(");
		pk_str(&t, "a.b"), pk_tensor(&t, false, "BFloat16Storage", "0", 32, 1, 1, (int[]){ 3 }, (int[]){ 1 });
		pk_ops(&t, inner ? "uu." : "u.");
		Text z = pt_of(a, &t);
		Weights *w = read_copy(a, z.p, z.n, d);
		assert_string_equal(messages(a, d), "");
		assert_int_equal(w->tensor.n, 1);
		assert_string_equal(w->tensor.p[0].name, "a.b");
		assert_int_equal(w->tensor.p[0].dt, DT_BF16);
		arena_free(a);
	}
}

static const char header[] =
	"{\"__metadata__\":{\"family\":\"turbo\",\"names\":\"{\\\"0\\\": \\\"qr\\\", \\\"1\\\": \\\"aztec\\\"}\","
	"\"imgsz\":\"640\",\"steps\":\"12\"},"
	"\"model.10.b\":{\"dtype\":\"F16\",\"shape\":[2,1],\"data_offsets\":[8,12]},"
	"\"model.9.n\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},"
	"\"empty\":{\"dtype\":\"F32\",\"shape\":[3,0],\"data_offsets\":[12,12]}}";

static void
test_safetensors(void **state)
{
	(void)state;
	Arena *a = arena_new();
	Diag *d = diag_new(a);
	static const unsigned char data[12] = { 7, 0, 0, 0, 0, 0, 0, 0, 0x00, 0x3c, 0x00, 0xc0 };
	Text t = safetensors_of(a, header, data, sizeof(data));
	Weights *w = read_copy(a, t.p, t.n, d);

	assert_string_equal(messages(a, d), "");
	assert_int_equal(w->tensor.n, 3);
	assert_true(dtype_get(DT_I64, weights_get(w, "model.9.n")->data, 0) == 7);
	assert_true(dtype_get(DT_F16, weights_get(w, "model.10.b")->data, 1) == -2);
	assert_int_equal(w->nc, 2);
	assert_string_equal(w->names[1], "aztec");
	assert_int_equal(w->imgsz, 640);
	assert_string_equal(map_get(w->meta, "steps"), "12");
	arena_free(a);
}

/* .pt -> safetensors keeps every bit; to f32 keeps every number; again gives the same bytes. */
static void
test_convert(void **state)
{
	(void)state;
	Arena *a = arena_new();
	Diag *d = diag_new(a);
	char dir[] = "/tmp/y12-weights-XXXXXX";
	Text t = tiny_pt(a, ZIP_TORCH);
	Weights *w = read_copy(a, t.p, t.n, d);
	size_t n1, n2;
	const char *err;

	assert_non_null(mkdtemp(dir));
	const char *one = arena_printf(a, "%s/one", dir), *two = arena_printf(a, "%s/two", dir);
	assert_null(weights_save_safetensors(a, w, one, DT_NONE));
	Weights *x = weights_open(a, one, d);
	assert_non_null(x);
	assert_string_equal(x->format, "safetensors");
	assert_int_equal(x->tensor.n, w->tensor.n);
	for (size_t i = 0; i < w->tensor.n; i++) {
		const WTensor *p = &w->tensor.p[i], *q = weights_get(x, p->name);
		assert_non_null(q);
		assert_int_equal(p->dt, q->dt);
		assert_int_equal(p->rank, q->rank);
		assert_memory_equal(p->dim, q->dim, sizeof(p->dim));
		assert_memory_equal(p->data, q->data, p->count * (size_t)dtype_info[p->dt].bytes);
		if (q->count)
			assert_int_equal((uintptr_t)q->data % (uintptr_t)dtype_info[q->dt].bytes, 0);
	}
	assert_int_equal(x->imgsz, 320);
	assert_int_equal(x->nc, 2);
	assert_string_equal(x->names[0], w->names[0]);
	assert_string_equal(map_get(x->meta, "date"), "2025-01-01");

	assert_null(weights_save_safetensors(a, x, two, DT_NONE));
	char *p = file_read(a, one, &n1, &err), *q = file_read(a, two, &n2, &err);
	assert_int_equal(n1, n2);
	/* the metadata may be in another order, the data may not */
	assert_memory_equal(p + n1 - 40, q + n2 - 40, 40);

	assert_null(weights_save_safetensors(a, w, two, DT_F32));
	Weights *y = weights_open(a, two, d);
	const WTensor *bn = weights_get(y, "model.0.bn.weight");
	assert_int_equal(bn->dt, DT_F32);
	assert_true(((const float *)bn->data)[5] == 0x1p-24f);
	assert_int_equal(weights_get(y, "model.0.bn.num_batches_tracked")->dt, DT_I64);
	assert_string_equal(messages(a, d), "");
	weights_close(x);
	weights_close(y);
	unlink(one), unlink(two), rmdir(dir);
	assert_non_null(weights_save_safetensors(a, w, "/nonexistent/x", DT_NONE));
	arena_free(a);
}

/* ---- families ------------------------------------------------------------------------ */

#define W(name, ...) { name, DT_F32, sizeof((int64_t[]){ __VA_ARGS__ }) / 8, { __VA_ARGS__ }, 0, NULL }

static void
test_family(void **state)
{
	(void)state;
	static const struct { WTensor t[7]; Kin kin; char scale; const char *task; int nc; bool folded; } row[] = {
		{ { W("model.0.conv.weight", 64, 3, 3, 3), W("model.0.bn.weight", 64),
		    W("model.6.m.1.0.attn.qk.conv.weight", 512, 256, 1, 1), W("model.21.cv3.0.2.weight", 2, 256, 1, 1),
		    W("model.21.cv3.0.0.0.conv.weight", 256, 1, 3, 3) },
		  KIN_TURBO, 'm', "detect", 2, false },
		{ { W("model.0.conv.weight", 64, 3, 3, 3), W("model.0.bn.weight", 64),
		    W("model.6.m.3.0.attn.qk.conv.weight", 512, 256, 1, 1), W("model.6.m.2.0.attn.qk.conv.weight", 512, 256, 1, 1),
		    W("model.21.cv3.0.2.weight", 80, 256, 1, 1) },
		  KIN_TURBO, 'l', "detect", 80, false },
		{ { W("model.0.conv.weight", 16, 3, 3, 3), W("model.0.bn.weight", 16),
		    W("model.6.m.0.0.attn.qkv.conv.weight", 192, 64, 1, 1),
		    W("model.6.m.0.0.attn.pe.conv.weight", 64, 1, 7, 7), W("model.6.m.0.0.attn.pe.conv.bias", 64) },
		  KIN_V1, 'n', NULL, 0, false },
		{ { W("model.0.conv.weight", 32, 3, 3, 3), W("model.0.bn.weight", 32),
		    W("model.6.m.0.0.attn.qkv.conv.weight", 384, 128, 1, 1), W("model.21.cv3.0.2.weight", 80, 128, 1, 1) },
		  KIN_UPSTREAM, 's', "detect", 80, false },
		{ { W("model.0.conv.weight", 16, 3, 3, 3), W("model.0.conv.bias", 16),
		    W("model.6.m.0.0.attn.qk.conv.weight", 128, 64, 1, 1), W("model.21.cv3.0.2.weight", 5, 80, 1, 1) },
		  KIN_TURBO, 'n', "detect", 5, true },
		{ { W("model.0.conv.weight", 16, 3, 3, 3), W("model.0.bn.weight", 16),
		    W("model.22.cv3.0.0.conv.weight", 80, 64, 3, 3), W("model.22.cv3.0.2.weight", 80, 80, 1, 1) },
		  KIN_LEGACY, 0, "detect", 80, false },
		{ { W("model.0.conv.weight", 96, 3, 3, 3), W("model.6.m.2.0.attn.qk.conv.weight", 768, 384, 1, 1),
		    W("model.21.proto.cv1.conv.weight", 384, 384, 3, 3), W("model.21.cv3.0.2.weight", 80, 384, 1, 1) },
		  KIN_TURBO, 'x', "segment", 80, false },
		{ { W("fc.weight", 10, 512) }, KIN_UNKNOWN, 0, NULL, 0, false },
		{ { W("model.0.conv.weight", 20, 3, 3, 3), W("model.6.m.0.0.attn.qk.conv.weight", 128, 64, 1, 1) },
		  KIN_TURBO, 0, NULL, 0, false },
	};

	for (size_t i = 0; i < COUNT(row); i++) {
		size_t n = 0;
		while (n < COUNT(row[i].t) && row[i].t[n].name)
			n++;
		WFamily f = family_of(row[i].t, n);
		assert_int_equal(f.kin, row[i].kin);
		assert_int_equal(f.scale, row[i].scale);
		assert_int_equal(f.nc, row[i].nc);
		assert_int_equal(f.folded, row[i].folded);
		assert_string_equal(f.task ? f.task : "", row[i].task ? row[i].task : "");
	}
	assert_int_equal(kin_named("v1.0"), KIN_V1);
}

/* ---- binding ---------------------------------------------------------------------------- */

static Weights *
weights_of(Arena *a, const char *head, size_t bytes, Diag *d)
{
	void *data = arena_alloc(a, bytes);

	memset(data, 0x3c, bytes);
	Text t = safetensors_of(a, head, data, bytes);
	return read_copy(a, t.p, t.n, d);
}

#define P(name, ...) { name, { DT_F32, sizeof((int64_t[]){ __VA_ARGS__ }) / 8, { __VA_ARGS__ } }, NULL }
#define T(name, shape, from, to) "\"" name "\":{\"dtype\":\"F16\",\"shape\":" shape ",\"data_offsets\":[" #from "," #to "]}"

static void
test_bind(void **state)
{
	(void)state;
	Arena *a = arena_new();
	Diag *d = diag_new(a);
	Weights *w = weights_of(a, "{" T("a", "[2]", 0, 4) "," T("b.num_batches_tracked", "[]", 4, 6) ","
	                        T("c", "[1,1,3]", 6, 12) "}", 12, d);
	Param ok[] = { P("a", 2), P("c", 1, 1, 3) };

	assert_true(weights_bind_params(a, ok, 2, w, BIND_ALL, d));
	assert_true(((const float *)ok[0].data)[1] == f16_to_f32(0x3c3c));
	assert_string_equal(messages(a, d), "");

	Param bad[] = { P("a", 3), P("gamma", 512) };
	assert_false(weights_bind_params(a, bad, 2, w, BIND_ALL, d));
	assert_string_equal(messages(a, d),
		"test does not fit the model: of 2 parameters 0 are in the file, 1 have another shape there, "
		"1 are missing; 1 of its tensors have no place in the model\n"
		"  a: the model has f32[3], the file f16[2]\n"
		"  missing: gamma f32[512]\n"
		"  not in the model: c f16[1,1,3]\n");
	assert_null(bad[0].data);
	assert_int_equal(diag_errors(d), 1);

	diag_clear(d);                                  /* a transfer takes what fits, and says so */
	Param some[] = { P("a", 2), P("c", 4) };
	assert_true(weights_bind_params(a, some, 2, w, BIND_FIT, d));
	assert_non_null(some[0].data);
	assert_null(some[1].data);
	assert_int_equal(diag_warnings(d), 1);
	diag_clear(d);                                  /* but not nothing at all */
	assert_false(weights_bind_params(a, bad, 2, w, BIND_FIT, d));

	diag_clear(d);
	Param *many = NEWN(a, Param, 50);
	for (int i = 0; i < 50; i++)
		many[i] = (Param){ arena_printf(a, "p%d", i), { DT_F32, 1, { 1 } }, NULL };
	assert_false(weights_bind_params(a, many, 50, w, BIND_ALL, d));
	assert_int_equal(diag_count(d), 22);
	assert_string_equal(diag_get(d, 21)->text, "and 32 more");
	arena_free(a);
}

static void
test_bind_says_why(void **state)
{
	(void)state;
	static const struct { const char *head; size_t bytes; const char *want; } row[] = {
		{ "{" T("model.0.conv.weight", "[16,3,1,1]", 0, 96) "," T("model.0.conv.bias", "[16]", 96, 128) "}", 128,
		  "holds folded weights (conv.bias, no bn)" },
		{ "{" T("model.0.conv.weight", "[16,3,1,1]", 0, 96) "," T("model.0.bn.weight", "[16]", 96, 128) ","
		  T("model.6.m.0.0.attn.qkv.conv.weight", "[6,2,1,1]", 128, 152) ","
		  T("model.6.m.0.0.attn.pe.conv.bias", "[2]", 152, 156) "}", 156,
		  "this is a v1.0 checkpoint (attn.qkv, 7x7 pe with bias): write model=yolov12-v1 scale=n" },
		{ "{" T("model.0.conv.weight", "[32,3,1,1]", 0, 192) "," T("model.0.bn.weight", "[32]", 192, 256) ","
		  T("model.6.m.0.0.attn.qk.conv.weight", "[4,2,1,1]", 256, 272) "}", 272,
		  "the file is of scale s, the model of scale n: use scale=s" },
		{ "{" T("model.0.conv.weight", "[16,3,1,1]", 0, 96) "," T("model.0.bn.weight", "[16]", 96, 128) ","
		  T("model.6.m.0.0.attn.qk.conv.weight", "[4,2,1,1]", 128, 144) ","
		  T("model.21.cv3.0.2.weight", "[3,1,1,1]", 144, 150) "}", 150,
		  "the file has 3 classes, the model 80: use classes=3, or train from the file" },
	};

	for (size_t i = 0; i < COUNT(row); i++) {
		Arena *a = arena_new();
		Diag *d = diag_new(a);
		Param p[] = { P("model.0.conv.weight", 16, 3, 1, 1), P("model.0.bn.weight", 16),
		              P("model.6.m.0.0.attn.qk.conv.weight", 4, 2, 1, 1),
		              P("model.21.cv3.0.2.weight", 80, 1, 1, 1) };
		Weights *w = weights_of(a, row[i].head, row[i].bytes, d);
		assert_non_null(w);
		assert_false(weights_bind_params(a, p, COUNT(p), w, BIND_ALL, d));
		if (!strstr(messages(a, d), row[i].want))
			fail_msg("%s\ndoes not say: %s", messages(a, d), row[i].want);
		arena_free(a);
	}
}

/* Two entries with a parameter in common get the same values; other nodes get none. */
static void
test_bind_graph(void **state)
{
	(void)state;
	Arena *a = arena_new();
	Diag *d = diag_new(a);
	GraphModule m = { .a = a };
	Weights *w = weights_of(a, "{" T("a", "[2]", 0, 4) "}", 4, d);

	for (int k = 0; k < 2; k++) {
		Graph *g = NEW(a, Graph);
		Node node = { .op = OP_none };
		g->a = a;
		vec_push(a, &g->node, node);
		node.type = (Type){ DT_F32, 1, { 2 } };
		node.name = "a";
		node.op = OP_input;
		vec_push(a, &g->node, node);
		node.op = OP_param;
		vec_push(a, &g->node, node);
		vec_push(a, &m.graph, g);
	}
	assert_true(weights_bind(a, &m, w, BIND_ALL, d));
	assert_null(m.graph.p[0]->node.p[1].data);
	assert_non_null(m.graph.p[0]->node.p[2].data);
	assert_ptr_equal(m.graph.p[0]->node.p[2].data, m.graph.p[1]->node.p[2].data);
	arena_free(a);
}

static void
test_print(void **state)
{
	(void)state;
	Arena *a = arena_new();
	Diag *d = diag_new(a);
	static const unsigned char data[12];
	Text t = safetensors_of(a, header, data, sizeof(data));
	Weights *w = read_copy(a, t.p, t.n, d);
	char *buf = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&buf, &n);

	weights_print(f, w);
	fclose(f);
	assert_string_equal(buf,
		"test: no YOLO that yolo12c knows, 2 classes, 640 px, 3 parameters\n"
		"  format       safetensors, 312 bytes\n"
		"  tensors      3 (i64 1, f16 1, f32 1)\n"
		"  classes      0 qr\n"
		"               1 aztec\n"
		"  family       turbo\n"
		"  imgsz        640\n"
		"  steps        12\n"
		"\n"
		"name        type                     elements\n"
		"empty       f32[3,0]                        0\n"
		"model.9.n   i64[]                           1\n"
		"model.10.b  f16[2,1]                        2\n");
	free(buf);
	f = open_memstream(&buf, &n);
	weights_print_json(f, w);
	fclose(f);
	assert_non_null(strstr(buf, "\"name\": \"model.9.n\""));
	free(buf);
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest test[] = {
		cmocka_unit_test(test_pt), cmocka_unit_test(test_state_dict), cmocka_unit_test(test_safetensors),
		cmocka_unit_test(test_convert), cmocka_unit_test(test_family), cmocka_unit_test(test_bind),
		cmocka_unit_test(test_bind_says_why), cmocka_unit_test(test_bind_graph), cmocka_unit_test(test_print),
	};

	return cmocka_run_group_tests(test, NULL, NULL);
}
