/* test_diag.c -- the look of a diagnostic, pinned byte by byte.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/diag.h"

static const char *
shown(Diag *d, Arena *a, bool json, bool color)
{
	char *buf = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&buf, &n);

	if (json)
		diag_print_json(d, f);
	else
		diag_print(d, f, color);
	fclose(f);
	char *s = arena_strn(a, buf, n);
	free(buf);
	return s;
}

/* the n-th place (from 1) of word in the source */
static Span
span_of(const Source *s, const char *word)
{
	const char *at = strstr(s->text, word);

	assert_non_null(at);
	uint32_t begin = (uint32_t)(at - s->text);
	return (Span){ s->id, begin, begin + (uint32_t)strlen(word) };
}

static void
test_style(void **state)
{
	(void)state;
	Arena *a = arena_new();
	Diag *d = diag_new(a);
	static const char text[] =
		"block Neck(c) {\n\n"
		"  w = param f16[c, c, 3, 3]\n"
		"  out conv2d(p4, w, pad: 1)\n"
		"}\n";
	const Source *s = diag_source(d, "neck.y12", text, sizeof(text) - 1);

	diag_error(d, span_of(s, "p4"), "conv-channels",
	           "conv2d: %s takes %d input channels, but %s has %d", "w", 64, "p4", 128);
	diag_note(d, span_of(s, "param f16[c, c, 3, 3]"), "w is declared here, with c = 64 in Neck(64)");
	assert_string_equal(shown(d, a, false, false),
		"neck.y12:4:14: error: conv2d: w takes 64 input channels, but p4 has 128 [conv-channels]\n"
		"    4 |   out conv2d(p4, w, pad: 1)\n"
		"      |              ^^\n"
		"neck.y12:3:7: note: w is declared here, with c = 64 in Neck(64)\n"
		"    3 |   w = param f16[c, c, 3, 3]\n"
		"      |       ^^^^^^^^^^^^^^^^^^^^^\n");
	assert_string_equal(shown(d, a, true, false),
		"[\n {\"path\": \"neck.y12\", \"range\": {\"start\": {\"line\": 3, \"character\": 13}, "
		"\"end\": {\"line\": 3, \"character\": 15}}, \"severity\": 1, \"code\": \"conv-channels\", "
		"\"message\": \"conv2d: w takes 64 input channels, but p4 has 128\", \"related\": [\n"
		"   {\"path\": \"neck.y12\", \"range\": {\"start\": {\"line\": 2, \"character\": 6}, "
		"\"end\": {\"line\": 2, \"character\": 27}}, \"severity\": 3, "
		"\"message\": \"w is declared here, with c = 64 in Neck(64)\"}]}\n]\n");
	assert_string_equal(shown(d, a, false, true),
		"\033[1mneck.y12:4:14: \033[0m\033[1;31merror:\033[0m "
		"conv2d: w takes 64 input channels, but p4 has 128 [conv-channels]\n"
		"    4 |   out conv2d(p4, w, pad: 1)\n"
		"      |              \033[1;32m^^\033[0m\n"
		"\033[1mneck.y12:3:7: \033[0m\033[1;36mnote:\033[0m w is declared here, with c = 64 in Neck(64)\n"
		"    3 |   w = param f16[c, c, 3, 3]\n"
		"      |       \033[1;32m^^^^^^^^^^^^^^^^^^^^^\033[0m\n");
	diag_clear(d);
	assert_string_equal(shown(d, a, false, false), "");
	assert_string_equal(shown(d, a, true, false), "[]\n");
	arena_free(a);
}

/* tab, two-byte, wide and non-BMP characters, bad bytes, CRLF, end of file */
static void
test_columns(void **state)
{
	(void)state;
	static const struct { const char *text, *word; uint32_t more; const char *want; } row[] = {
		{ "\tx = y", "y", 0, "f:1:6: error: m\n    1 |     x = y\n      |         ^\n" },
		{ "é = bad", "bad", 0, "f:1:6: error: m\n    1 | é = bad\n      |     ^^^\n" },
		{ "漢字 bad", "bad", 0, "f:1:8: error: m\n    1 | 漢字 bad\n      |      ^^^\n" },
		{ "a\x80\x1b bad\r\n", "bad", 0, "f:1:5: error: m\n    1 | a?? bad\n      |     ^^^\n" },
		{ "one {\n two\n}", "{\n two\n}", 0, "f:1:5: error: m\n    1 | one {\n      |     ^\n" },
		{ "end", "d", 9, "f:1:3: error: m\n    1 | end\n      |   ^\n" },
		{ "a\nb\n", "\n", 0, "f:1:2: error: m\n    1 | a\n      |  ^\n" },
	};
	Arena *a = arena_new();

	for (size_t i = 0; i < COUNT(row); i++) {
		Diag *d = diag_new(a);
		const Source *s = diag_source(d, "f", row[i].text, strlen(row[i].text));
		Span p = span_of(s, row[i].word);
		p.end += row[i].more;
		diag_error(d, p, NULL, "m");
		assert_string_equal(shown(d, a, false, false), row[i].want);
	}
	Diag *d = diag_new(a);
	const Source *s = diag_source(d, "f", "é😀x", 7);
	diag_error(d, (Span){ s->id, 6, 7 }, NULL, "a \"b\"\n\x01");
	diag_warning(d, (Span){ 0 }, NULL, "no place");
	assert_string_equal(shown(d, a, true, false),
		"[\n {\"path\": \"f\", \"range\": {\"start\": {\"line\": 0, \"character\": 3}, "
		"\"end\": {\"line\": 0, \"character\": 4}}, \"severity\": 1, "
		"\"message\": \"a \\\"b\\\"\\u000a\\u0001\"},\n"
		" {\"path\": null, \"range\": null, \"severity\": 2, \"message\": \"no place\"}\n]\n");
	arena_free(a);
}

static void
test_long_line(void **state)
{
	(void)state;
	Arena *a = arena_new();
	Diag *d = diag_new(a);
	char *text = arena_alloc(a, 5001);

	memset(text, 'a', 5000);
	text[3000] = 'X';
	diag_source(d, "f", text, 5000);
	diag_error(d, (Span){ 1, 3000, 3001 }, NULL, "m");
	char *at = strchr(shown(d, a, false, false), '\n') + 1, *nl = strchr(at, '\n');
	assert_true(nl - at < 200);
	assert_int_equal(strchr(at, 'X') - at, strchr(nl, '^') - nl - 1);
	arena_free(a);
}

static void
test_limit(void **state)
{
	(void)state;
	Arena *a = arena_new();
	Diag *d = diag_new(a);

	diag_limit(d, 2);
	for (int i = 0; i < 5; i++) {
		diag_error(d, (Span){ 0 }, NULL, "e%d", i);
		diag_note(d, (Span){ 0 }, "n%d", i);
	}
	diag_warning(d, (Span){ 0 }, "w", "w0");
	diag_note(d, (Span){ 0 }, "of w0");
	assert_int_equal(diag_errors(d), 5);
	assert_int_equal(diag_warnings(d), 1);
	assert_int_equal(diag_count(d), 6);
	assert_string_equal(diag_get(d, 3)->text, "n1");
	assert_string_equal(shown(d, a, false, false),
		"error: e0\nnote: n0\nerror: e1\nnote: n1\nwarning: w0 [w]\nnote: of w0\n"
		"3 more errors not shown\n");
	arena_free(a);
}

static void
test_spans(void **state)
{
	(void)state;
	Arena *a = arena_new();
	Diag *d = diag_new(a);
	int line, col;

	diag_source(d, "one", "x\n", 2);
	diag_source(d, "two", "ab\ncd\n\n", 7);
	Span j = span_join((Span){ 2, 4, 5 }, (Span){ 2, 1, 3 });
	assert_true(j.src == 2 && j.begin == 1 && j.end == 5);
	j = span_join((Span){ 0 }, (Span){ 2, 1, 3 });
	assert_true(j.src == 2 && j.begin == 1);
	diag_line_col(d, (Span){ 2, 4, 5 }, &line, &col);
	assert_true(line == 2 && col == 2);
	diag_line_col(d, (Span){ 2, 99, 99 }, &line, &col);
	assert_true(line == 4 && col == 1);
	diag_line_col(d, (Span){ 9, 0, 0 }, &line, &col);
	assert_true(line == 0 && col == 0);
	assert_null(diag_source_of(d, (Span){ 0 }));
	assert_string_equal(diag_source_of(d, (Span){ 1, 0, 0 })->path, "one");
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest test[] = {
		cmocka_unit_test(test_style), cmocka_unit_test(test_columns),
		cmocka_unit_test(test_long_line), cmocka_unit_test(test_limit),
		cmocka_unit_test(test_spans),
	};

	return cmocka_run_group_tests(test, NULL, NULL);
}
