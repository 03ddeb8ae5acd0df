/* test_verify.c -- plan.g is right; each way to break it is found and named.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph_test.h"

/* text with the one place of `from` made `to` */
static char *
replaced(Arena *a, const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);

	if (!at)
		fail_msg("plan.g has no \"%s\"", from);
	assert_null(strstr(at + 1, from));
	return arena_printf(a, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

static const char *
verify_error(const Graph *g)
{
	const char *err = NULL;

	return graph_verify(g, &err) ? NULL : err;
}

static const struct { const char *from, *to, *error; } broken[] = {
	/* groups */
	{ "{axis=1, begin=0, end=2} : f32[1,2,4,4] view", "{axis=1, begin=0, end=2} : f32[1,2,4,4]", "%6 (slice): is made by no group" },
	{ "%9 = sigmoid %8 : f32[1,2,4,4] @2", "%9 = sigmoid %8 : f32[1,2,4,4] @1", "%10 (mul): reads %9 (sigmoid), which group @1 keeps in registers: its out is %5" },
	{ "%9 = sigmoid %8 : f32[1,2,4,4] @2", "%9 = sigmoid %8 : f32[1,2,4,4] @7", "is in group @7, which does not exist" },
	{ "%9 = sigmoid %8 : f32[1,2,4,4] @2", "%9 = sigmoid %8 : f32[1,2,4,4] view", "%9 (sigmoid): cannot be a view" },
	{ "%9 = sigmoid %8 : f32[1,2,4,4] @2", "%9 = sigmoid %8 : f32[1,2,4,4] join", "only a concat can be a join" },
	{ "{axis=1} : f32[1,6,4,4] join", "{axis=1} : f32[1,6,4,4] @2 join", "no kernel makes it, but it is in group @2" },
	{ "%21 = param : f32[4,3,1,1]", "%21 = param : f32[4,3,1,1] @5", "no kernel makes it" },
	{ "root=%10 out=%10", "root=%10 out=%9", "its out is %9" },
	{ "root=%10 out=%10", "root=%5 out=%10", "group @2: its root %5 is not in it" },
	{ "root=%10 out=%10", "root=%10 out=%5", "group @2: its out %5 is not in it" },
	/* schedule */
	{ "schedule @1 @2 @5 @6", "schedule @2 @1 @5 @6", "group @2 runs at step 0 and reads %8 (slice), which is made at step 1" },
	{ "schedule @1 @2 @5 @6", "schedule @1 @5 @2 @6", "group @5 runs at step 1 and reads %11 (concat), which is made at step 2" },
	{ "schedule @1 @2 @5 @6", "schedule @1 @2 @5", "group @6 never runs" },
	{ "schedule @1 @2 @5 @6", "schedule @1 @2 @5 @6 @1", "group @1 runs twice" },
	{ "schedule @1 @2 @5 @6", "schedule @1 @2 @5 @6 @3", "group @3, which does not exist" },
	{ "schedule @1 @2 @5 @6", "", "there is a plan, but no schedule" },
	/* places */
	{ "  place %10 b3 +64 [96,16,4,1]\n", "", "%10 (mul): has no place" },
	{ "  place %4 b2 +0 [4,1,1,1]\n", "", "%4 \"model.0.conv.weight\" (param): has no place" },
	{ "place %10 b3 +64", "place %9 b3 +64 [96,16,4,1]\n  place %10 b3 +64", "%9 (sigmoid): stays in registers" },
	{ "place %23 b4", "place %23 b9", "is in buffer b9, which does not exist" },
	{ "place %4 b2 +0", "place %4 b4 +0", "must not be in buffer b4, which is in the arena" },
	{ "place %23 b4 +0", "place %23 b2 +0", "must not be in buffer b2, which is constant" },
	{ "place %23 b4 +0 [64,16,4,1]", "place %23 b4 +1 [64,16,4,1]", "%23 (exp): ends at byte 65*4 of buffer b4, which has 256" },
	{ "place %23 b4 +0 [64,16,4,1]", "place %23 b4 +0 [64,-16,4,1]", "stride 1 is out of range" },
	{ "place %23 b4 +0 [64,16,4,1]", "place %23 b4 +0 [64,16,4611686018427387904,1]", "stride 2 is out of range" },
	{ "place %22 b4 +0 [64,16,4,1]", "place %22 b4 +0 [64,16,3,1]", "%22 (add): two of its elements have one place" },
	/* views and joins */
	{ "place %6 b3 +0", "place %6 b3 +16", "%6 (slice): is a view of %5 \"model.0.conv\" (conv2d), but is not where that is" },
	{ "place %8 b3 +32 [96,16,4,1]", "place %8 b3 +32 [96,16,1,4]", "is not where that is" },
	{ "place %24 b4 +0 [64,4,1,16]", "place %24 b4 +0 [64,16,4,1]", "%24 (permute): is a view of %23 (exp)" },
	{ "place %10 b3 +64 [96,16,4,1]", "place %10 b3 +64 [96,16,1,4]", "%11 (concat): joins %10 (mul), but that is not at its part" },
	{ "place %10 b3 +64 [96,16,4,1]", "place %10 b3 +0 [96,16,4,1]", "%5 \"model.0.conv\" (conv2d) is overwritten by %10 (mul) at step 1, but is read until step 4" },
	{ "{axis=1, begin=0, end=2} : f32[1,2,4,4] view", "{axis=1, begin=1, end=3} : f32[1,2,4,4] view", "%6 (slice): is a view of" },
	/* lifetimes */
	{ "place %23 b4 +0 [64,16,4,1]\n  place %24 b4 +0 [64,4,1,16]", "place %23 b4 +0 [64,1,4,16]\n  place %24 b4 +0 [64,4,16,1]",
	  "%22 (add) is overwritten by %23 (exp) at step 3, but is read until step 3" },
	{ "buffer b4 arena owner=%22 bytes=256 offset=384", "buffer b4 arena owner=%22 bytes=256 offset=320", "buffers b3 (steps 0..4) and b4 (steps 2..4) overlap in the arena" },
	{ "offset=640 live=2..2", "offset=576 live=2..2", "buffers b4 (steps 2..4) and b5 (steps 2..2) overlap" },
	{ "offset=640 live=2..2", "offset=648 live=2..2", "not on a multiple of 64" },
	{ "offset=0 live=0..3\n  buffer b4", "offset=0 live=0..2\n  buffer b4", "buffer b3: lives 0..2, but is used 0..3" },
	{ "bytes=256 offset=384 live=2..3", "bytes=256 offset=384 live=3..3", "buffer b4: lives 3..3, but is used 2..3" },
	{ "work=100 buf=b5", "work=100", "group @5: its workspace has no buffer" },
	{ "work=100 buf=b5", "work=101 buf=b5", "needs 101 bytes of workspace, but b5 has 100" },
	{ "work=100 buf=b5", "work=100 buf=b4", "its workspace b4 is used for something else too" },
	{ "peak=740 bound=740", "peak=739 bound=739", "are not in an arena of 739" },
	{ "peak=740 bound=740", "peak=740 bound=741", "its peak 740 is below the bound 741" },
	{ "bytes=384 offset=0", "bytes=9223372036854775807 offset=0", "buffer b3 has 9223372036854775807 bytes" },
	/* ends */
	{ "return boxes=%24, %24", "return boxes=%24, boxes=%24", "two outputs are called boxes" },
	{ "%2 conf: f32[1]", "%2 image: f32[1]", "two inputs are called image" },
};

static void
test_broken(void **state)
{
	Arena *a = arena_new();
	const char *err;
	size_t len;
	char *text = file_read(a, test_path(a, "plan.g"), &len, &err);

	(void)state;
	assert_non_null(text);
	err = verify_error(parse_graph(a, text));
	if (err)
		fail_msg("plan.g: %s", err);
	for (size_t i = 0; i < COUNT(broken); i++) {
		err = verify_error(parse_graph(a, replaced(a, text, broken[i].from, broken[i].to)));
		if (!err || !strstr(err, broken[i].error))
			fail_msg("\"%s\" made \"%s\": wanted \"%s\", got \"%s\"", broken[i].from, broken[i].to,
			         broken[i].error, err ? err : "no error");
	}
	arena_free(a);
}

/* What no text can say. */
static void
test_nodes(void **state)
{
	Arena *a = arena_new();
	Graph *g = parse_graph(a, "graph g(%1 x: f32[2]) { %2 = exp %1 %3 = add %2, %1 %4 = softmax %3 {axis=0} return y=%4 }");

	(void)state;
	assert_null(verify_error(g));

	graph_node(g, 2)->arg[0] = 3;
	assert_string_equal(verify_error(g), "%3 (add): depends on itself");
	graph_node(g, 2)->arg[0] = 99;
	assert_string_equal(verify_error(g), "%2 (exp): argument 1 is %99, which does not exist");
	graph_node(g, 2)->arg[0] = 0;
	assert_string_equal(verify_error(g), "%2 (exp): argument 1 is %0, which does not exist");
	graph_node(g, 2)->arg[0] = 1;

	graph_node(g, 3)->type.dim[0] = 3;
	assert_string_equal(verify_error(g), "%3 (add): its type is f32[3], but its arguments make f32[2]");
	graph_node(g, 3)->type.dim[0] = 2;
	graph_node(g, 3)->narg = 1;
	assert_string_equal(verify_error(g), "%3 (add): takes 2 arguments, but has 1");
	graph_node(g, 3)->narg = 2;
	graph_node(g, 3)->op = OP_none;
	assert_string_equal(verify_error(g), "%3 is used, but is a hole");
	graph_node(g, 3)->op = OP_add;
	graph_node(g, 3)->data = "";
	assert_string_equal(verify_error(g), "%3 (add): has values, but is computed");
	graph_node(g, 3)->data = NULL;
	attr_drop(g, 4, A_axis);
	assert_string_equal(verify_error(g), "%4 (softmax): needs the attribute 'axis'");
	attr_set(g, 4, attr_of_int(A_axis, 0));

	g->output.p[0].v = 77;
	assert_string_equal(verify_error(g), "output 0 is %77, which does not exist");
	g->output.p[0].v = 4;
	g->input.n = 0;
	assert_string_equal(verify_error(g), "%1 \"x\" (input): is not among the inputs");
	g->input.n = 1;
	g->input.p[0] = 2;
	assert_string_equal(verify_error(g), "input 0 is %2, which is no input");
	g->input.p[0] = 1;
	assert_null(verify_error(g));
	arena_free(a);
}

/* Reshapes as views: the same elements in the same order, whatever the strides. */
static void
test_reshape(void **state)
{
	static const struct { const char *shape, *from, *to; bool ok; } row[] = {
		{ "[6,4]",     "[12,4,1]", "[4,1]",      true },
		{ "[6,4]",     "[16,4,1]", "[4,1]",      false },
		{ "[2,1,12]",  "[16,4,1]", "[16,99,1]",  true },
		{ "[2,3,2,2]", "[16,4,1]", "[16,4,2,1]", true },
		{ "[2,3,2,2]", "[16,4,1]", "[16,4,1,2]", false },
		{ "[2,12]",    "[16,5,1]", "[16,1]",     false },
		{ "[1,2,3,4]", "[16,5,1]", "[0,16,5,1]", true },
		{ "[24]",      "[12,4,1]", "[1]",        true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(row); i++) {
		Arena *a = arena_new();
		const char *text = arena_printf(a,
			"graph g(%%1 x: f32[2,3,4]) { %%2 = exp %%1 : f32[2,3,4] @1 %%3 = reshape %%2 {shape=%s} view "
			"group @1 point root=%%2 out=%%2 work=0 schedule @1 "
			"buffer b1 input bytes=96 offset=0 live=0..0 buffer b2 arena bytes=400 offset=0 live=0..0 "
			"place %%1 b1 +0 [12,4,1] place %%2 b2 +3 %s place %%3 b2 +3 %s "
			"plan peak=400 bound=0 weights=0 work=0 return y=%%3 }", row[i].shape, row[i].from, row[i].to);
		const char *err = verify_error(parse_graph(a, text));

		if (row[i].ok ? err != NULL : !err || !strstr(err, "%3 (reshape)"))
			fail_msg("%s %s %s: %s", row[i].shape, row[i].from, row[i].to, err ? err : "no error");
		arena_free(a);
	}
}

/* Two values in one buffer, channels last: parts of a pixel are apart though their extents are not. */
static void
test_interleaved(void **state)
{
	static const struct { const char *places; bool ok; } row[] = {
		{ "place %2 b2 +0 [20,5,1] place %3 b2 +2 [20,5,1]", true },
		{ "place %2 b2 +0 [20,5,1] place %3 b2 +3 [20,5,1]", true },
		{ "place %2 b2 +0 [20,5,1] place %3 b2 +1 [20,5,1]", false },
		{ "place %2 b2 +0 [20,5,1] place %3 b2 +4 [20,5,1]", false },   /* into the next pixel */
		{ "place %2 b2 +0 [40,5,1] place %3 b2 +20 [40,5,1]", true },   /* every other row */
		{ "place %2 b2 +0 [40,5,1] place %3 b2 +32 [8,2,1]", false },
		{ "place %2 b2 +0 [8,2,1] place %3 b2 +32 [8,2,1]", true },
		{ "place %2 b2 +0 [8,2,1] place %3 b2 +31 [8,2,1]", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(row); i++) {
		Arena *a = arena_new();
		const char *text = arena_printf(a,
			"graph g(%%1 x: f32[4,4,2]) { %%2 = exp %%1 : f32[4,4,2] @1 %%3 = neg %%1 : f32[4,4,2] @2 "
			"group @1 point root=%%2 out=%%2 work=0 group @2 point root=%%3 out=%%3 work=0 schedule @1 @2 "
			"buffer b1 input bytes=128 offset=0 live=0..1 buffer b2 arena bytes=1000 offset=0 live=0..1 "
			"place %%1 b1 +0 [8,2,1] %s "
			"plan peak=1000 bound=0 weights=0 work=0 return y=%%2, z=%%3 }", row[i].places);
		const char *err = verify_error(parse_graph(a, text));

		if (row[i].ok ? err != NULL : !err || !strstr(err, "is overwritten by"))
			fail_msg("%s: %s", row[i].places, err ? err : "no error");
		arena_free(a);
	}
}

/* Only pointwise readers may be overwritten by what they make. */
static void
test_in_place(void **state)
{
	static const struct { const char *body; bool ok; } row[] = {
		{ "%3 = neg %2 : f32[4,4] @2", true },
		{ "%5 = exp %2 : f32[4,4] @2 %3 = add %5, %2 : f32[4,4] @2", true },
		{ "%3 = softmax %2 {axis=1} : f32[4,4] @2", false },
		{ "%3 = permute %2 {axes=[1,0]} : f32[4,4] @2", false },
		{ "%5 = permute %2 {axes=[1,0]} : f32[4,4] @2 %3 = add %5, %2 : f32[4,4] @2", false },
		{ "%5 = amax %2 {axes=[1]} : f32[4,1] @2 %3 = sub %2, %5 : f32[4,4] @2", false },
		{ "%5 = permute %2 {axes=[1,0]} : f32[4,4] view %3 = neg %5 : f32[4,4] @2 place %5 b2 +0 [1,4]", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(row); i++) {
		Arena *a = arena_new();
		const char *text = arena_printf(a,
			"graph g(%%1 x: f32[4,4]) { %%2 = exp %%1 : f32[4,4] @1 %s "
			"group @1 point root=%%2 out=%%2 work=0 group @2 point root=%%3 out=%%3 work=0 schedule @1 @2 "
			"buffer b1 input bytes=64 offset=0 live=0..1 buffer b2 arena bytes=64 offset=0 live=0..1 "
			"place %%1 b1 +0 [4,1] place %%2 b2 +0 [4,1] place %%3 b2 +0 [4,1] "
			"plan peak=64 bound=0 weights=0 work=0 return y=%%3 }", row[i].body);
		const char *err = verify_error(parse_graph(a, text));

		if (row[i].ok ? err != NULL : !err || !strstr(err, "%2 (exp) is overwritten by %3"))
			fail_msg("%s: %s", row[i].body, err ? err : "no error");
		arena_free(a);
	}
}

/* Half of a value may be written over when that half has been read, though the other half is wanted
 * until later. */
static void
test_half_overwritten(void **state)
{
	static const struct { const char *body, *sched; bool ok; } row[] = {
		{ "%6 = neg %5 : f32[4,2] @3", "@1 @2 @3 @4", true },
		{ "%6 = neg %5 : f32[4,2] @3 %9 = sin %3 : f32[4,2] @5", "@1 @2 @5 @3 @4", true },
		{ "%6 = neg %5 : f32[4,2] @3 %9 = sin %3 : f32[4,2] @5", "@1 @2 @3 @5 @4", false },
		{ "%6 = neg %5 : f32[4,2] @3 %9 = sin %2 : f32[4,4] @5", "@1 @2 @3 @5 @4", false },
		{ "%6 = neg %5 : f32[4,2] @3 %9 = sin %4 : f32[4,2] @5", "@1 @2 @3 @5 @4", true },
		{ "%10 = softmax %3 {axis=0} : f32[4,2] @3 %6 = add %10, %5 : f32[4,2] @3", "@1 @2 @3 @4", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(row); i++) {
		Arena *a = arena_new();
		bool more = strstr(row[i].body, "%9") != NULL;
		const char *text = arena_printf(a,
			"graph g(%%1 x: f32[4,4]) { %%2 = exp %%1 : f32[4,4] @1 %%3 = slice %%2 {axis=1, begin=0, end=2} view "
			"%%4 = slice %%2 {axis=1, begin=2, end=4} view %%5 = softmax %%3 {axis=1} : f32[4,2] @2 %s "
			"%%7 = concat %%6, %%4 {axis=1} join %%8 = neg %%7 : f32[4,4] @4 "
			"group @1 point root=%%2 out=%%2 work=0 group @2 reduce root=%%5 out=%%5 work=0 "
			"group @3 point root=%%6 out=%%6 work=0 group @4 point root=%%8 out=%%8 work=0 %s schedule %s "
			"buffer b1 input bytes=64 offset=0 live=0..9 buffer b2 arena bytes=64 offset=0 live=0..9 "
			"buffer b3 arena bytes=64 offset=64 live=0..9 buffer b4 arena bytes=64 offset=128 live=0..9 "
			"buffer b5 arena bytes=64 offset=192 live=0..9 "
			"place %%1 b1 +0 [4,1] place %%2 b2 +0 [4,1] place %%3 b2 +0 [4,1] place %%4 b2 +2 [4,1] "
			"place %%5 b3 +0 [2,1] place %%6 b2 +0 [4,1] place %%7 b2 +0 [4,1] place %%8 b4 +0 [4,1] %s "
			"plan peak=256 bound=0 weights=0 work=0 return y=%%8%s }", row[i].body,
			more ? "group @5 point root=%9 out=%9 work=0" : "", row[i].sched,
			more ? "place %9 b5 +0 [4,1]" : "", more ? ", z=%9" : "");
		const char *err = verify_error(parse_graph(a, text));

		if (row[i].ok ? err != NULL : !err || !strstr(err, "%2 (exp) is overwritten by %6"))
			fail_msg("%s, %s: %s", row[i].body, row[i].sched, err ? err : "no error");
		arena_free(a);
	}
}

/* A chain's second out: in memory like the first, and no way back into the chain from either. */
static void
test_also(void **state)
{
	static const struct { const char *group, *reads, *error; } row[] = {
		{ "group @1 chain root=%6 out=%6 also=%4", "%2", NULL },
		{ "group @1 chain root=%6 out=%6", "%2", "%7 (exp): reads %4 (conv2d), which group @1 keeps in registers: its out is %6" },
		{ "group @1 conv root=%6 out=%6 also=%4", "%2", "group @1: %4 can't be what it writes besides its out" },
		{ "group @1 chain root=%6 out=%6 also=%6", "%2", "group @1: %6 can't be what it writes besides its out" },
		{ "group @1 chain root=%6 out=%6 also=%7", "%2", "group @1: %7 can't be what it writes besides its out" },
		{ "group @1 chain root=%6 out=%6 also=%5", "%2", "which group @1 keeps in registers: its out is %6" },
		{ "group @1 chain root=%6 out=%6 also=%4", "%8", "group @1: needs what is made of its %6 or %4" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(row); i++) {
		Arena *a = arena_new();
		/* %8 is made of %4 and outside: with it as an operand of %6's, the group can't run */
		const char *text = arena_printf(a,
			"graph g(%%1 x: f32[1,2,4,4], %%2 r: f32[1,2,4,4]) { %%3 = param : f32[2,2,1,1] "
			"%%4 = conv2d %%1, %%3 : f32[1,2,4,4] @1 %%7 = exp %%4 : f32[1,2,4,4] @2 %%8 = neg %%7 : f32[1,2,4,4] @2 "
			"%%5 = conv2d %%4, %%3 : f32[1,2,4,4] @1 %%6 = add %%5, %s : f32[1,2,4,4] @1 "
			"%s work=0 group @2 point root=%%8 out=%%8 work=0 return y=%%6, z=%%8 }", row[i].reads, row[i].group);
		const char *err = verify_error(parse_graph(a, text));

		if (row[i].error ? !err || !strstr(err, row[i].error) : err != NULL)
			fail_msg("%s, %s: %s", row[i].group, row[i].reads, err ? err : "no error");
		arena_free(a);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_half_overwritten), cmocka_unit_test(test_broken), cmocka_unit_test(test_nodes), cmocka_unit_test(test_reshape),
		cmocka_unit_test(test_interleaved), cmocka_unit_test(test_in_place), cmocka_unit_test(test_also),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
