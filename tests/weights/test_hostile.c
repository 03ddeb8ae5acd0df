/* test_hostile.c -- files that are damaged, or made to do harm.
 *
 * Each must give an error or a success in good time: no crash, no read outside
 * the file (each is read from a block of exactly its size), no endless walk, no
 * memory without measure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include "tests/weights/build.h"

/* want NULL: anything but a crash; "": success; else part of the message */
static void
check(const void *p, size_t len, const char *want, const char *what)
{
	Arena *a = arena_new();
	Diag *d = diag_new(a);
	Weights *w = read_copy(a, p, len, d);
	const char *says = messages(a, d);

	if (!w && diag_errors(d) != 1)
		fail_msg("%s: failed without a message", what);
	if (want && !*want && (!w || *says))
		fail_msg("%s: %s", what, says);
	if (want && *want && (w || !strstr(says, want)))
		fail_msg("%s: wanted \"%s\", got: %s", what, want, w ? "success" : says);
	arena_free(a);
}

/* Cut at every length, and every byte changed in a few ways. */
static void
torture(const Text *t, size_t step)
{
	char *p = malloc(t->n);

	for (size_t n = 0; n < t->n; n += step)
		check(t->p, n, n ? NULL : "empty", "cut");
	memcpy(p, t->p, t->n);
	for (size_t i = 0; i < t->n; i++) {
		static const unsigned char flip[] = { 0x01, 0x80, 0xff };
		for (size_t k = 0; k < COUNT(flip); k++) {
			p[i] = (char)(t->p[i] ^ flip[k]);
			check(p, t->n, NULL, "flipped");
		}
		p[i] = t->p[i];
	}
	free(p);
}

static void
test_pt_damaged(void **state)
{
	(void)state;
	Arena *a = arena_new();
	Text t = tiny_pt(a, ZIP_PLAIN);

	torture(&t, 1);
	t = tiny_pt(a, ZIP_TORCH);
	check(t.p, t.n, "", "whole");
	check(t.p, t.n - 1, "cut short", "one byte less");
	torture(&t, 7);
	t = tiny_pt(a, ZIP_DEFLATED);
	torture(&t, 7);
	arena_free(a);
}

/* The pickle itself, without a checksum in the way: damage reaches the machine. */
static void
test_pickle_damaged(void **state)
{
	(void)state;
	Arena *a = arena_new();
	Text whole = { .a = a };

	pk_ops(&whole, "\x80\x02}(");
	pk_str(&whole, "ema"), pk_ops(&whole, "N");
	pk_str(&whole, "model"), pk_module(&whole, "M");
	pk_str(&whole, "_parameters"), pk_ops(&whole, "}q\x01(");
	pk_str(&whole, "w"), pk_tensor(&whole, true, "FloatStorage", "0", 16, 1, 2, (int[]){ 2, 3 }, (int[]){ 1, 2 });
	pk_ops(&whole, "u"), pk_str(&whole, "_buffers"), pk_ops(&whole, "h\x01");
	pk_str(&whole, "_modules"), pk_ops(&whole, "}");
	pk_module_end(&whole), pk_ops(&whole, "u.");
	Text z = pt_of(a, &whole);
	check(z.p, z.n, "two tensors w", "shared dictionary");

	for (size_t i = 0; i < whole.n; i++) {
		Arena *b = arena_new();
		Text cut = { .a = b };
		text_putn(&cut, whole.p, i);
		Text y = pt_of(b, &cut);
		check(y.p, y.n, "damaged or hostile", "cut pickle");
		for (int k = 0; k < 256; k += i % 4 ? 51 : 1) {
			Text f = { .a = b };
			text_putn(&f, whole.p, whole.n);
			f.p[i] = (char)k;
			y = pt_of(b, &f);
			check(y.p, y.n, NULL, "changed pickle");
		}
		arena_free(b);
	}
	arena_free(a);
}

static void
test_pickle_hostile(void **state)
{
	(void)state;
	/* n: with zero bytes inside */
	static const struct { const char *ops; size_t n; const char *want; } row[] = {
		{ "", 0, "ends in the middle" },
		{ ".", 0, "does not end with one value" },
		{ "\x80\x09N.", 0, "newer than 5" },
		{ "NN.", 0, "does not end with one value" },
		{ "R.", 0, "takes a value where there is none" },
		{ "(R.", 0, "takes a value where there is none" },
		{ "t.", 0, "closes what was not opened" },
		{ "(Nd.", 0, "key without a value" },
		{ "NNb.", 0, "state to something that has none" },
		{ "NNa.", 0, "adds members" },
		{ "h\x05.", 0, "was not kept" },
		{ "Nr\xff\xff\xff\x7f.", 0, "memo number is too large" },
		{ "X\xff\xff\xff\xff", 0, "middle of a value" },
		{ "X\x01\0\0\0\xff.", 7, "not UTF-8" },
		{ "\x8d\xff\xff\xff\xff\xff\xff\xff\xff.", 0, "middle of a value" },
		{ "\x8b\xff\xff\xff\x7f.", 0, "middle of a value" },
		{ "\x8a\xff.", 0, "middle of a value" },
		{ "cos\nsystem\n(X\x04\0\0\0true" "tR.", 24, "holds no model" },
		{ "cos\nsystem", 0, "middle of a name" },
		{ "Ios\n.", 0, "opcode 0x49" },
		{ "}.", 0, "holds no model" },
		{ "(((((.", 0, "does not end with one value" },
	};

	for (size_t i = 0; i < COUNT(row); i++) {
		Arena *a = arena_new();
		Text t = { .a = a };
		text_putn(&t, row[i].ops, row[i].n ? row[i].n : strlen(row[i].ops));
		Text z = pt_of(a, &t);
		check(z.p, z.n, row[i].want, row[i].ops);
		arena_free(a);
	}
}

static Text
repeat(Arena *a, const char *head, const char *s, size_t n, const char *tail)
{
	Text t = { .a = a };

	text_put(&t, head);
	for (size_t i = 0; i < n; i++)
		text_put(&t, s);
	text_put(&t, tail);
	return t;
}

/* Marks, tuples and memo references without end; modules that contain themselves. */
static void
test_bombs(void **state)
{
	(void)state;
	Arena *a = arena_new();
	clock_t begin = clock();
	Text t = repeat(a, "", "(", 100000, "."), z = pt_of(a, &t);

	check(z.p, z.n, "nested too deeply", "marks");
	t = repeat(a, ")", "\x85", 1000000, "."), z = pt_of(a, &t);
	check(z.p, z.n, "holds no model", "tuples in tuples");
	t = repeat(a, "", ")0", 5000000, "N."), z = pt_of(a, &t);
	check(z.p, z.n, "too many values", "values");
	/* each tuple holds the one before twice: 2^100000 leaves, were it walked */
	t = repeat(a, ")", "2\x86", 100000, "."), z = pt_of(a, &t);
	check(z.p, z.n, "holds no model", "doubling tuples");

	t = (Text){ .a = a };                           /* a module that is its own child, twice */
	pk_class(&t, "a", "B"), pk_ops(&t, ")\x81q\x01}(");
	pk_str(&t, "_modules"), pk_ops(&t, "}(");
	pk_str(&t, "x"), pk_ops(&t, "h\x01"), pk_str(&t, "y"), pk_ops(&t, "h\x01uub.");
	z = pt_of(a, &t);
	check(z.p, z.n, "nested without end", "a module in itself");

	t = (Text){ .a = a };                           /* a list in itself, as names and as storage id */
	pk_module(&t, "M"), pk_str(&t, "names"), pk_ops(&t, "]q\x01h\x01""a");
	pk_str(&t, "_parameters"), pk_ops(&t, "}(");
	pk_str(&t, "w"), pk_class(&t, "torch._utils", "_rebuild_tensor_v2"), pk_ops(&t, "(h\x01Qh\x01h\x01h\x01tRu");
	pk_module_end(&t), pk_ops(&t, ".");
	z = pt_of(a, &t);
	check(z.p, z.n, "not described as a tensor", "cycles");
	assert_true((double)(clock() - begin) / CLOCKS_PER_SEC < 30);
	arena_free(a);
}

static void
test_tensors_hostile(void **state)
{
	(void)state;
	static const struct { const char *storage, *key; int numel, offset, rank, dim[3], stride[3]; const char *want; } row[] = {
		{ "FloatStorage", "0", 16, 0, 2, { 4, 4 }, { 4, 1 }, "" },
		{ "FloatStorage", "0", 16, 0, 2, { 4, 4 }, { 1, 4 }, "" },
		{ "FloatStorage", "0", 16, 15, 1, { 1 }, { 1 }, "" },
		{ "FloatStorage", "0", 16, 16, 1, { 1 }, { 1 }, "past the end" },
		{ "FloatStorage", "0", 16, 0, 2, { 4, 4 }, { 5, 1 }, "past the end" },
		{ "FloatStorage", "0", 17, 0, 1, { 1 }, { 1 }, "has 64 bytes" },
		{ "FloatStorage", "0", -1, 0, 1, { 1 }, { 1 }, "not described" },
		{ "FloatStorage", "0", 16, -1, 1, { 1 }, { 1 }, "not described" },
		{ "FloatStorage", "0", 16, 0, 1, { -1 }, { 1 }, "not described" },
		{ "FloatStorage", "0", 16, 4, 1, { 2 }, { -1 }, "not described" },
		{ "FloatStorage", "0", 16, 0, 3, { 1 << 30, 1 << 30, 1 << 30 }, { 0, 0, 0 }, "impossible" },
		{ "FloatStorage", "0", 16, 0, 2, { 1 << 20, 1 << 15 }, { 0, 0 }, "without end" },
		{ "FloatStorage", "0", 16, 0, 3, { 1 << 30, 1, 2 }, { 0, 0, INT32_MAX }, "past the end" },
		{ "DoubleStorage", "0", 9, 0, 1, { 9 }, { 1 }, "has 64 bytes" },
		{ "CharStorage", "0", 16, 0, 1, { 1 }, { 1 }, "unknown type (torch.CharStorage)" },
		{ "FloatStorage", "9", 16, 0, 1, { 1 }, { 1 }, "x/data/9 is missing" },
		{ "FloatStorage", "../data.pkl", 1, 0, 1, { 1 }, { 1 }, "missing" },
	};

	for (size_t i = 0; i < COUNT(row); i++) {
		Arena *a = arena_new();
		Text t = { .a = a };
		pk_ops(&t, "}("), pk_str(&t, "w");
		pk_tensor(&t, false, row[i].storage, row[i].key, row[i].numel, row[i].offset,
		          row[i].rank, row[i].dim, row[i].stride);
		pk_ops(&t, "u.");
		Text z = pt_of(a, &t);
		check(z.p, z.n, row[i].want, arena_printf(a, "tensor %zu", i));
		arena_free(a);
	}
}

static void
test_zip_hostile(void **state)
{
	(void)state;
	Arena *a = arena_new();
	const Part twice[] = { { "x/data.pkl", "N.", 2 }, { "x/data.pkl", "N.", 2 } };
	const Part none[] = { { "x/readme", "", 0 } };
	const Part script[] = { { "x/data.pkl", "N.", 2 }, { "x/constants.pkl", "", 0 } };
	const Part big[] = { { "x/data.pkl", "N.", 2 }, { "x/byteorder", "big", 3 } };
	Text z = zip_build(a, ZIP_PLAIN, twice, 2);

	check(z.p, z.n, "two records x/data.pkl", "twice");
	z = zip_build(a, ZIP_TORCH, none, 1);
	check(z.p, z.n, "no data.pkl", "other archive");
	z = zip_build(a, ZIP_TORCH, script, 2);
	check(z.p, z.n, "TorchScript", "program");
	z = zip_build(a, ZIP_TORCH, big, 2);
	check(z.p, z.n, "big-endian", "byte order");
	z = zip_build(a, ZIP_PLAIN, none, 0);
	check(z.p, z.n, "no data.pkl", "no records");

	/* 32 MiB of zeros deflate to 32 KB: more than such a file may make of itself */
	char *zeros = calloc(1, 32 << 20);
	const Part bomb[] = { { "x/data.pkl", zeros, 32 << 20 } };
	z = zip_build(a, ZIP_DEFLATED, bomb, 1);
	free(zeros);
	check(z.p, z.n, "far more than a weights file holds", "zip bomb");
	/* a changed byte of a tensor is found out by its checksum */
	z = tiny_pt(a, ZIP_TORCH);
	size_t at = 0;
	while (at + 8 < z.n && memcmp(z.p + at, "\0\0\x80\x3f\0\0\0\x40", 8) != 0)
		at++;
	z.p[at] ^= 1;
	check(z.p, z.n, "does not match its checksum", "flipped weight");
	arena_free(a);
}

static void
test_safetensors_hostile(void **state)
{
	(void)state;
#define ONE(dtype, shape, at) "{\"w\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" at "}}"
	static const struct { const char *head; size_t len; const char *want; } row[] = {
		{ ONE("F32", "[2]", "[0,8]"), 8, "" },
		{ "{}", 0, "" },
		{ ONE("F32", "[2]", "[0,8]"), 7, "lies outside the file" },
		{ ONE("F32", "[2]", "[0,8]"), 9, "go on after the last tensor" },
		{ ONE("F32", "[2]", "[4,12]"), 12, "hole" },
		{ ONE("F32", "[2]", "[0,4]"), 4, "is f32[2], but has 4 bytes" },
		{ ONE("F32", "[2]", "[8,0]"), 8, "lies outside" },
		{ ONE("F32", "[2]", "[-8,0]"), 8, "lies outside" },
		{ ONE("F32", "[2]", "[0,9223372036854775807]"), 8, "lies outside" },
		{ ONE("F32", "[4294967296,4294967296]", "[0,0]"), 0, "impossible" },
		{ ONE("F32", "[4611686018427387904,4]", "[0,0]"), 0, "impossible" },
		{ ONE("F32", "[-1]", "[0,8]"), 8, "impossible" },
		{ ONE("F32", "[2.0]", "[0,8]"), 8, "impossible" },
		{ ONE("F32", "2", "[0,8]"), 8, "not described" },
		{ ONE("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4, "not described" },
		{ ONE("F32", "[2]", "[0,8,8]"), 8, "not described" },
		{ ONE("F8_E4M3", "[8]", "[0,8]"), 8, "type F8_E4M3" },
		{ "{\"w\":3}", 0, "not described" },
		{ "{\"w\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
		  "\"w\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}", 2, "no JSON object: duplicate" },
		{ "{\"v\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
		  "\"w\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}", 3, "overlap" },
		{ "{\"__metadata__\":{\"a\":1}}", 0, "no text: a" },
		{ "{\"__metadata__\":[]}", 0, "__metadata__ is no object" },
		{ "{\"__metadata__\":{\"names\":\"[[[[[[[[[[[[]]]]]]]]]]]]\",\"imgsz\":\"-5\"}}", 0, "" },
		{ "{\"__metadata__\":{\"names\":\"{\\\"1\\\":\\\"a\\\"}\"}}", 0, "" },
		{ "{\"w\":", 0, "no JSON object" },
		{ "{\"w\\u0000x\":1}", 0, "no JSON object" },
		{ "{\"\xff\":1}", 0, "no JSON object" },
		{ "{} []", 0, "no JSON object" },
	};

	for (size_t i = 0; i < COUNT(row); i++) {
		static const char zeros[16];
		Arena *a = arena_new();
		Text t = safetensors_of(a, row[i].head, zeros, row[i].len);
		check(t.p, t.n, row[i].want, row[i].head);
		arena_free(a);
	}
	Arena *a = arena_new();
	Text deep = repeat(a, "{\"a\":", "[", 1000000, ""), t = safetensors_of(a, text_str(&deep), "", 0);
	check(t.p, t.n, "nested too deeply", "depth");
	t = safetensors_of(a, "{\"w\":{\"dtype\":\"F16\",\"shape\":[2,1],\"data_offsets\":[0,4]},"
	                   "\"__metadata__\":{\"nc\":\"2\"}}", "abcd", 4);
	torture(&t, 1);
	t.p[0] = t.p[1] = t.p[2] = t.p[3] = (char)0xff;
	check(t.p, t.n, "cut short", "length");
	arena_free(a);
}

static void
test_other_files(void **state)
{
	(void)state;
	static const struct { const char *bytes; size_t n; const char *want; } row[] = {
		{ "", 0, "it is empty" },
		{ "<html><body>", 12, "web page" },
		{ "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15, "before 1.6" },
		{ "version https://git-lfs.github.com/spec/v1\n", 43, "LFS" },
		{ "PK\3\4", 4, "cut short" },
		{ "hello", 5, "of no format known here" },
	};

	for (size_t i = 0; i < COUNT(row); i++)
		check(row[i].bytes, row[i].n, row[i].want, row[i].want);
}

int
main(void)
{
	const struct CMUnitTest test[] = {
		cmocka_unit_test(test_pt_damaged), cmocka_unit_test(test_pickle_damaged),
		cmocka_unit_test(test_pickle_hostile), cmocka_unit_test(test_bombs),
		cmocka_unit_test(test_tensors_hostile), cmocka_unit_test(test_zip_hostile),
		cmocka_unit_test(test_safetensors_hostile), cmocka_unit_test(test_other_files),
	};

	return cmocka_run_group_tests(test, NULL, NULL);
}
