/* test_graph.c -- building and changing graphs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph_test.h"

static const char *
order_text(Arena *a, const Graph *g)
{
	Text t = { .a = a };

	graph_foreach(g, v)
		text_printf(&t, "%%%u ", v);
	return text_str(&t);
}

static void
test_tables(void **state)
{
	(void)state;
	for (int op = OP_none + 1; op < OP_COUNT; op++) {
		assert_int_equal(op_named(op_info[op].name), op);
		assert_true(op_info[op].lo <= op_info[op].hi);
		assert_non_null(strstr(op_info[op].shapes, "->"));
	}
	assert_int_equal(op_named("silu"), OP_none);
	for (int k = A_none + 2; k < ATTR_COUNT; k++)
		assert_true(strcmp(attr_info[k - 1].name, attr_info[k].name) < 0);
}

static void
test_attrs(void **state)
{
	Arena *a = arena_new();
	Graph *g = graph_new(a, "g");
	Val v = graph_add(g, OP_pool, (Type){ .dt = DT_F32 }, NULL, 0);
	const Node *n = graph_node(g, v);
	int64_t two[] = { 2, 3 };

	(void)state;
	attr_set(g, v, attr_of_ints(a, A_stride, two, 2));
	attr_set(g, v, attr_of_str(A_kind, "max"));
	attr_set(g, v, attr_of_int(A_axis, 7));
	attr_set(g, v, attr_of_int(A_axis, 8));
	attr_set(g, v, attr_of_real(A_eps, 0.5));
	two[0] = 9;             /* they are copied */
	assert_int_equal(n->nattr, 4);
	for (int i = 1; i < n->nattr; i++)
		assert_true(n->attr[i - 1].key < n->attr[i].key);
	assert_int_equal(attr_int(n, A_axis, 0), 8);
	assert_int_equal(attr_ints(n, A_stride, 0, 1), 2);
	assert_int_equal(attr_ints(n, A_stride, 1, 1), 3);
	assert_int_equal(attr_ints(n, A_stride, 2, 1), 1);
	assert_int_equal(attr_ints(n, A_pad, 0, 5), 5);
	assert_string_equal(attr_str(n, A_kind, ""), "max");
	assert_true(attr_real(n, A_eps, 0) == 0.5);
	attr_drop(g, v, A_kind);
	attr_drop(g, v, A_kind);
	assert_null(attr_find(n, A_kind));
	assert_int_equal(n->nattr, 3);
	assert_false(node_nhwc(n));
	attr_set(g, v, attr_of_str(A_layout, "nhwc"));
	assert_true(node_nhwc(n));
	arena_free(a);
}

static void
test_types(void **state)
{
	Arena *a = arena_new();
	Type t = type_of(DT_F16, 3, (const int64_t[]){ 2, 3, 4 }), open = type_of(DT_U8, 3, (const int64_t[]){ -1, -1, 3 });
	Type scalar = { .dt = DT_BOOL };
	int64_t s[MAX_RANK];

	(void)state;
	assert_string_equal(type_text(a, &t), "f16[2,3,4]");
	assert_string_equal(type_text(a, &open), "u8[?,?,3]");
	assert_string_equal(type_text(a, &scalar), "bool");
	assert_int_equal(type_count(&t), 24);
	assert_int_equal(type_bytes(&t), 48);
	assert_int_equal(type_count(&scalar), 1);
	assert_int_equal(type_bytes(&open), -1);
	assert_true(type_eq(&t, &(Type){ DT_F16, 3, { 2, 3, 4, 99 } }));
	assert_false(type_eq(&t, &open));
	type_strides(&t, s);
	assert_int_equal(s[0], 12);
	assert_int_equal(s[1], 4);
	assert_int_equal(s[2], 1);
	arena_free(a);
}

static void
test_order(void **state)
{
	Arena *a = arena_new();
	Graph *g = parse_graph(a, "graph g(%3 x: f32[2], %9 unread: f32) { %1 = param : f32[2] %4 = add %3, %1 "
	                          "%5 = exp %4 %6 = neg %3 %7 = mul %5, %4 return y=%7, z=%4 }");

	(void)state;
	assert_string_equal(order_text(a, g), "%3 %9 %1 %4 %5 %7 ");

	uint32_t *users = graph_users(a, g);

	assert_int_equal(users[4], 3);
	assert_int_equal(users[3], 1);          /* %6 is not reached */
	assert_int_equal(users[7], 1);
	assert_int_equal(users[9], 0);

	/* a new value goes before its first reader, and a value may be replaced by what reads it */
	const char *err;
	Val tanh = graph_make(g, OP_tanh, (const Val[]){ 4 }, 1, NULL, 0, &err);

	assert_int_equal(tanh, 10);
	graph_replace(g, 4, tanh);
	graph_order(g);
	assert_string_equal(order_text(a, g), "%3 %9 %1 %4 %10 %5 %7 ");
	assert_int_equal(g->output.p[1].v, tanh);
	assert_int_equal(graph_node(g, tanh)->arg[0], 4);
	assert_true(graph_verify(g, &err));

	Graph fresh = graph_ordered(a, g);

	assert_string_equal(order_text(a, &fresh), order_text(a, g));
	arena_free(a);
}

static void
test_make(void **state)
{
	Arena *a = arena_new();
	Graph *g = graph_new(a, "g");
	Val x = graph_add(g, OP_param, type_of(DT_F32, 2, (const int64_t[]){ 2, 3 }), NULL, 0);
	Val s = graph_scalar(g, DT_F16, 2, 0.5), half, i;
	const char *err = NULL;

	(void)state;
	assert_int_equal(graph_make(g, OP_add, (const Val[]){ x, s }, 2, NULL, 0, &err), 0);
	assert_string_equal(err, "a is f32, but b is f16");
	half = graph_cast(g, x, DT_F16);
	assert_int_equal(graph_cast(g, half, DT_F16), half);
	assert_int_not_equal(graph_make(g, OP_add, (const Val[]){ half, s }, 2, NULL, 0, &err), 0);
	i = graph_iota(g, DT_I64, 1, 2, (const int64_t[]){ 4, 5 });
	assert_string_equal(type_text(a, &graph_node(g, i)->type), "i64[4,5]");
	assert_int_equal(*(const uint16_t *)graph_node(g, s)->data, 0x3800);
	vec_push(a, &g->output, ((Output){ "y", half }));
	vec_push(a, &g->output, ((Output){ "i", i }));
	assert_true(graph_verify(g, &err));
	arena_free(a);
}

/* A clone shares values, and nothing that changes. */
static void
test_clone(void **state)
{
	Arena *a = arena_new(), *b = arena_new();
	size_t len;
	const char *err;
	char *text = file_read(a, test_path(a, "plan.g"), &len, &err);
	Graph *g = parse_graph(a, text), *h = graph_clone(b, g);
	GraphModule one = { .a = a }, two = { .a = a };

	(void)state;
	vec_push(a, &one.graph, g);
	vec_push(a, &two.graph, h);

	const char *was = print_text(a, &one);

	assert_string_equal(print_text(a, &two), was);
	graph_replace(h, 1, 4);
	attr_set(h, 20, attr_of_int(A_groups, 1));
	graph_node(h, 20)->name = "other";
	h->group.p[1].work = 99;
	h->sched.p[0] = 77;
	h->buf.p[1].bytes = 1;
	h->plan.peak = 0;
	map_set(h->meta, "names", "other");
	h->output.n = 1;
	assert_string_equal(print_text(a, &one), was);
	assert_string_not_equal(print_text(a, &two), was);
	arena_free(b);
	assert_true(graph_verify(g, &err));
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables), cmocka_unit_test(test_attrs), cmocka_unit_test(test_types),
		cmocka_unit_test(test_order), cmocka_unit_test(test_make), cmocka_unit_test(test_clone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
