/* test_text.c -- print and parse: a fixed point with every annotation, errors with their
 * place, and texts that are broken on purpose.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph_test.h"

/* print(parse(text)) is a fixed point; returns it */
static const char *
fixed_point(Arena *a, const char *text, size_t len, const Map *consts)
{
	GraphModule *m, *again;
	const char *err = parse_error(a, text, len, consts, &m);

	if (err)
		fail_msg("%s", err);

	const char *one = print_text(a, m);

	err = parse_error(a, one, strlen(one), consts, &again);
	if (err)
		fail_msg("%s in\n%s", err, one);
	assert_string_equal(print_text(a, again), one);
	return one;
}

static void
test_plan(void **state)
{
	Arena *a = arena_new();
	const char *err;
	size_t len;
	char *text = file_read(a, test_path(a, "plan.g"), &len, &err);

	(void)state;
	assert_non_null(text);
	/* the file is in the printer's own words, but for its first line */
	assert_string_equal(fixed_point(a, text, len, NULL), strchr(text, '\n') + 1);
	arena_free(a);
}

static void
test_module(void **state)
{
	Arena *a = arena_new();
	const char *text =
		"graph one(%1 x: f32[2]) {\n  return y=%1\n}\n\n"
		"graph \"two 2\"() {\n"
		"  %7 = const {-9223372036854775808, 9223372036854775807} : i64[2]\n"
		"  %8 = const {} : f32[0,3]\n"
		"  %9 = const {16777217} : i32\n"
		"  %10 = const {0.1} : f64[1]\n"
		"  %11 = const {1, 0} : bool[2]\n"
		"  %12 = const {255} : u8[1]\n"
		"  %13 = const {65504, nan} : f16[2]\n"
		"  %14 = const {-inf} : bf16[1]\n"
		"  %15 = param : f32[1,2,3,4,5,6]\n"
		"  return a=%7, b=%8, c=%9, d=%10, e=%11, f=%12, g=%13, h=%14, i=%15\n}\n";

	(void)state;
	assert_string_equal(fixed_point(a, text, strlen(text), NULL), text);

	/* no line breaks are needed, types follow, and what is not reached is left out */
	const char *dense = "graph g(%1 x:f32[2,3],){}";
	GraphModule *m;

	assert_non_null(parse_error(a, dense, strlen(dense), NULL, &m));
	dense = "graph g(%1 x:f32[2,3]){%2=permute %1{axes=[1,0]}%5=exp %2%4=neg %2 return%4}# end";
	assert_string_equal(fixed_point(a, dense, strlen(dense), NULL),
		"graph g(%1 x: f32[2,3]) {\n"
		"  %2 = permute %1 {axes=[1,0]} : f32[3,2]\n"
		"  %4 = neg %2 : f32[3,2]\n"
		"  return %4\n}\n");
	arena_free(a);
}

static void
test_body(void **state)
{
	Arena *a = arena_new();
	const char *text =
		"graph g(%1 q: f32[1,8,3,4], %2 bias: f32[2,11]) {\n"
		"  %3 = attention %1, %1, %1, %2 {body=graph body(%1 s: f32[6,6], %2 i: i32[6,1], %3 j: i32[1,6], %4 h: i32[1,1], %5 bias: f32[2,11]) {\n"
		"      %6 = sub %3, %2 : i32[6,6]\n"
		"      %7 = const {5} : i32[1,1]\n"
		"      %8 = add %6, %7 : i32[6,6]\n"
		"      %9 = pick %5, %4, %8 : f32[6,6]\n"
		"      %10 = add %1, %9 : f32[6,6]\n"
		"      %11 = le %3, %2 : bool[6,6]\n"
		"      return mask=%11, score=%10\n"
		"    }, heads=2, windows=2} : f32[1,8,3,4]\n"
		"  return y=%3\n}\n";

	(void)state;
	assert_string_equal(fixed_point(a, text, strlen(text), NULL), text);
	arena_free(a);
}

static void
test_consts(void **state)
{
	Arena *a = arena_new();
	Graph *g = graph_new(a, "g");
	float x[20];
	int64_t twenty = 20;
	GraphModule m = { .a = a }, *back;
	Map *consts = map_new(a);

	(void)state;
	for (int i = 0; i < 20; i++)
		x[i] = (float)i / 7;

	Val v = graph_const(g, type_of(DT_F32, 1, &twenty), x);

	vec_push(a, &g->output, ((Output){ "y", v }));
	graph_order(g);
	vec_push(a, &m.graph, g);

	const char *text = print_text(a, &m);

	assert_non_null(strstr(text, "%1 = const #"));
	graph_consts(g, consts);
	assert_int_equal(map_count(consts), 1);
	assert_string_equal(fixed_point(a, text, strlen(text), consts), text);
	assert_null(parse_error(a, text, strlen(text), consts, &back));
	assert_memory_equal(graph_node(back->graph.p[0], 1)->data, x, sizeof(x));

	/* left out, missing, and others */
	assert_null(parse_error(a, text, strlen(text), NULL, &back));
	assert_null(graph_node(back->graph.p[0], 1)->data);
	assert_non_null(strstr(parse_error(a, text, strlen(text), map_new(a), &back), "2:14: there are no values for #"));
	((ConstData *)map_value(consts, 0))->data = arena_alloc(a, sizeof(x));
	assert_non_null(strstr(parse_error(a, text, strlen(text), consts, &back), "are others"));
	arena_free(a);
}

#define IN "graph g(%1 x: f32[2]) {\n"

static const struct { const char *text, *error; } bad[] = {
	{ "grph", "1:1: expected 'graph'" },
	{ "graph", "1:6: expected a name" },
	{ "graph g", "1:8: expected '('" },
	{ "graph g(%0 x: f32)", "1:9: the number 0 is out of range" },
	{ "graph g(%4000000000 x: f32)", "1:9: the number 4000000000 is out of range" },
	{ "graph g(%99999999999999999999 x: f32)", "1:9: this is no part of a graph's text" },
	{ "graph g(%1 x: f33)", "1:15: expected a dtype" },
	{ "graph g(%1 x: f32[1,1,1,1,1,1,1])", "1:31: more than 6 dims" },
	{ "graph g(%1 x: f32[2147483647,2147483647]) {}", "1:41: %1: input: f32[2147483647,2147483647] is too large" },
	{ "graph g(%1 x: f32[99999999999]) {}", "1:19: 99999999999 is out of range" },
	{ "graph g(%1 x: f32[?]) {}", "1:21: %1: input: only a picture u8[?,?,3]" },
	{ "graph g(%1 x: u8[?,?,3] = {1}) {}", "a u8[?,?,3] has no values in the text" },
	{ "graph g(%1 x: f32[2] = {1}) {}", "1:26: expected ','" },
	{ "graph g(%1 x: f32[2] = {1,2,3}) {}", "1:28: expected '}'" },
	{ "graph g(%1 x: u8[1] = {256}) {}", "256 is out of range: it must be 0 .. 255" },
	{ "graph g(%1 x: f32[999999] = {}) {}", "999999 values are needed" },
	{ "graph g(%1 x: f32[2], %1 y: f32)", "1:23: %1 is made twice" },
	{ IN "", "2:1: the graph has no end" },
	{ IN "  foo", "2:3: expected a line of a graph" },
	{ IN "  %2 = silu %1", "2:8: expected the name of an op" },
	{ IN "  %2 = input : f32[2]", "2:8: expected the name of an op" },
	{ IN "  %2 = exp %3", "2:12: %3 is used before it is made" },
	{ IN "  %2 = exp %2", "2:12: %2 is used before it is made" },
	{ IN "  %2 = exp : f32[2]", "%2: exp: takes 1 arguments, but has 0" },
	{ IN "  %2 = exp %1 : f32[3]\n}", "its type is f32[3], but its arguments make f32[2]" },
	{ IN "  %2 = cast %1\n}", "3:1: expected ':' and a type" },
	{ IN "  %2 = permute %1 {axis}", "2:24: expected '='" },
	{ IN "  %2 = permute %1 {perm=[0]}", "2:20: expected the name of an attribute" },
	{ IN "  %2 = permute %1 {axes=[0], axes=[0]}", "2:30: the attribute 'axes' is here twice" },
	{ IN "  %2 = permute %1 {axes=0}", "2:25: expected '['" },
	{ IN "  %2 = permute %1 {axes=[0.5]}", "2:26: expected a whole number" },
	{ IN "  %2 = sum %1 {axes=[99999999999999999999]}", "expected a whole number" },
	{ IN "  %2 \"a\\qb\" = exp %1", "2:6: this is no part" },
	{ IN "  %2 \"a\nb\" = exp %1", "2:6: this is no part" },
	{ IN "  %2 \"a\\x00\" = exp %1", "2:6: this is no part" },
	{ IN "  group @1 cnv root=%1 out=%1 work=0", "2:12: expected the family of a group" },
	{ IN "  group @1 chain root=%1 out=%1 also=%5 work=0", "%5 is used before it is made" },
	{ IN "  group @1 conv root=%5", "%5 is used before it is made" },
	{ IN "  group @1 conv root=%1 out=%1 work=0\n  group @1 conv root=%1 out=%1 work=0", "3:12: group @1 is here twice" },
	{ IN "  group @1 conv root=%1 out=%1 tile={1,2,3,4,5,6,7,8,9}", "more than 8 numbers" },
	{ IN "  schedule", "expected a group such as @1" },
	{ IN "  buffer c1", "2:10: expected a buffer such as b1" },
	{ IN "  buffer b99999999999999999999999", "2:10: expected a buffer" },
	{ IN "  buffer b1 heap", "2:13: expected arena, const or input" },
	{ IN "  place %1 b1 +0 [1,2]", "%1 has 1 dims, but its place has 2 strides" },
	{ IN "  return y=%9", "%9 is used before it is made" },
	{ IN "}\n" IN "}", "there are two graphs called g" },
	{ IN "\xff", "2:1: this is no part of a graph's text" },
};

static void
test_errors(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		Arena *a = arena_new();
		GraphModule *m;
		const char *err = parse_error(a, bad[i].text, strlen(bad[i].text), NULL, &m);

		if (!err || !strstr(err, bad[i].error))
			fail_msg("in:\n%s\nwanted \"%s\"\ngot \"%s\"", bad[i].text, bad[i].error, err ? err : "no error");
		arena_free(a);
	}
}

/* Whatever one byte is changed to: an error, or a graph that can be checked and printed. */
static void
try_text(const char *text, size_t len)
{
	Arena *a = arena_new();
	GraphModule *m;
	const char *err;

	if (!parse_error(a, text, len, NULL, &m))
		for (size_t k = 0; k < m->graph.n; k++) {
			(void)graph_verify(m->graph.p[k], &err);
			(void)print_text(a, m);
		}
	arena_free(a);
}

static void
test_flips(void **state)
{
	static const char other[] = "\0 0919%@#\"{}[]-=b,\xff";
	Arena *a = arena_new();
	const char *err;
	size_t len;
	char *text = file_read(a, test_path(a, "plan.g"), &len, &err);

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < len; i++) {
		char was = text[i];

		for (size_t k = 0; k < sizeof(other); k++) {
			text[i] = other[k];
			try_text(text, len);
		}
		text[i] = was ^ 1;
		try_text(text, len);
		text[i] = was;
		if (i % 7 == 0)
			try_text(text, i);
	}
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plan), cmocka_unit_test(test_module), cmocka_unit_test(test_body), cmocka_unit_test(test_consts),
		cmocka_unit_test(test_errors), cmocka_unit_test(test_flips),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
