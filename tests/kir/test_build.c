/* test_build.c -- the builder's folding, and what it must leave alone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kit.h"

typedef struct Kit { Arena *a; KBuild *b; uint32_t x, y; } Kit;

static Kit
begin(void)
{
	Arena *a = arena_new();
	KBuild *b = k_begin(a, "t");

	return (Kit){ a, b, k_param(b, "x", DT_F32, 64, false), k_param(b, "y", DT_F32, 64, true) };
}

/* the body that was built, without what every kernel here has around it */
static void
end(Kit *t, const char *want)
{
	Kernel *k = k_end(t->b);
	const char *err = NULL, *have = kit_print(t->a, k);
	const char *full = arena_printf(t->a, "kernel t(x: global f32[64], y: global out f32[64]) "
	                                "grid(1, 1, 1) {\n%s}\n", want);

	if (!kernel_verify(k, &err))
		fail_msg("%s\n%s", err, have);
	assert_string_equal(have, full);
	arena_free(t->a);
}

static void
index_arithmetic(void **state)
{
	(void)state;
	Kit t = begin();
	KBuild *b = t.b;
	Reg i = k_axis(b, KAXIS_BLOCK_X);
	int64_t v;

	assert_int_equal(k_addi(b, i, 0), i);
	assert_int_equal(k_muli(b, i, 1), i);
	assert_true(k_is_int(b, k_muli(b, i, 0), &v) && v == 0);
	assert_int_equal(k_ix(b, 5), k_ix(b, 5));
	assert_int_not_equal(k_ix(b, 5), k_int(b, KS_I64, 5));
	assert_true(k_is_int(b, k_op(b, K_div, k_ix(b, 17), k_ix(b, 5), 0), &v) && v == 3);
	assert_true(k_is_int(b, k_op(b, K_lt, k_ix(b, 1), k_ix(b, 5), 0), &v) && v == 1);
	/* nobody knows what a division by zero is */
	assert_false(k_is_int(b, k_op(b, K_div, k_ix(b, 17), k_ix(b, 0), 0), &v));
	arena_free(t.a);

	t = begin();
	b = t.b;
	i = k_axis(b, KAXIS_BLOCK_X);
	Reg j = k_addi(b, k_addi(b, k_addi(b, i, 1), 2), -7);
	k_store(b, t.y, j, k_load(b, t.x, k_addi(b, j, 4), 1));         /* i itself */
	end(&t, "  %1:ix = axis block.x\n  %2:ix = const 1\n  %3:ix = const 3\n  %4:ix = const -4\n"
	        "  %5:ix = add %1, %2\n  %6:ix = add %1, %3\n  %7:ix = add %1, %4\n"
	        "  %8:f32 = load x[%1]\n  store y[%7], %8\n");
}

static void
scalars_are_splat(void **state)
{
	(void)state;
	Kit t = begin();
	KBuild *b = t.b;
	Reg zero = k_ix(b, 0), v = k_load(b, t.x, zero, 4), s = k_load(b, t.x, zero, 1);

	Reg half = k_real(b, kt(KS_F32, 1), 0.5);
	v = k_fma(b, v, s, half);
	v = k_select(b, k_op(b, K_lt, s, half, 0), v, half);            /* one condition for all */
	v = k_select(b, k_op(b, K_lt, v, half, 0), v, half);
	k_store(b, t.y, zero, v);
	end(&t, "  %1:ix = const 0\n  %2:f32 = const 0.5\n  %3:f32x4 = const 0.5\n"
	        "  %4:f32x4 = load x[%1]\n  %5:f32 = load x[%1]\n  %6:f32x4 = splat %5\n"
	        "  %7:f32x4 = fma %4, %6, %3\n  %8:i1 = lt %5, %2\n  %9:f32x4 = select %8, %7, %3\n"
	        "  %10:i1x4 = lt %9, %3\n  %11:f32x4 = select %10, %9, %3\n  store y[%1], %11\n");
}

/* A variable has the value of its moment: it is no constant after k_mov_to, and what an
 * identity makes of it does not change with it. */
static void
variables(void **state)
{
	(void)state;
	Kit t = begin();
	KBuild *b = t.b;
	Reg v = k_var(b, kt(KS_IX, 1));
	int64_t c;

	k_mov_to(b, v, k_ix(b, 3));
	assert_false(k_is_int(b, v, &c));
	Reg old = k_addi(b, v, 0), cast = k_cast(b, KS_IX, v), next = k_addi(b, v, 1);
	assert_int_not_equal(old, v);
	assert_int_not_equal(cast, v);
	k_op_to(b, v, K_add, v, k_ix(b, 0), 0);                 /* nothing to do */
	k_op_to(b, v, K_add, v, k_ix(b, 2), 0);
	k_op_to(b, v, K_mul, k_ix(b, 2), k_ix(b, 4), 0);        /* a constant */
	Reg after = k_addi(b, next, 1);                         /* not v + 2 */
	Reg sum = k_add(b, old, cast);
	sum = k_add(b, sum, k_add(b, after, v));
	k_store(b, t.y, sum, k_real(b, kt(KS_F32, 1), 1));
	end(&t, "  %1:ix = const 3\n  %2:ix = const 1\n  %3:ix = const 2\n  %4:ix = const 8\n  %5:f32 = const 1\n"
	        "  %6:ix = mov %1\n  %7:ix = mov %6\n  %8:ix = mov %6\n  %9:ix = add %6, %2\n"
	        "  %6:ix = add %6, %3\n  %6:ix = mov %4\n  %10:ix = add %9, %2\n"
	        "  %11:ix = add %7, %8\n  %12:ix = add %10, %6\n  %13:ix = add %11, %12\n  store y[%13], %5\n");
}

static void
memory(void **state)
{
	(void)state;
	Kit t = begin();
	KBuild *b = t.b;
	Reg zero = k_ix(b, 0), yes = k_int(b, KS_I1, 1), no = k_int(b, KS_I1, 0);

	k_store(b, t.y, zero, k_load_part(b, t.x, zero, 4, 4));
	k_store_part(b, t.y, zero, k_load_part(b, t.x, zero, 4, 3), 2);
	k_store_part(b, t.y, zero, k_load_part(b, t.x, zero, 4, 0), 0); /* nothing */
	k_store_if(b, t.y, zero, k_load_if(b, t.x, zero, 2, yes), yes);
	k_store_if(b, t.y, zero, k_load_if(b, t.x, zero, 2, no), no);   /* nothing */
	end(&t, "  %1:ix = const 0\n  %2:f32x4 = load x[%1]\n  store y[%1], %2\n"
	        "  %3:f32x4 = load x[%1] part 3\n  store y[%1], %3 part 2\n"
	        "  %4:f32x2 = load x[%1]\n  store y[%1], %4\n");
}

static void
buffers_in_any_order(void **state)
{
	(void)state;
	Arena *a = arena_new();
	KBuild *b = k_begin(a, "t");
	uint32_t l = k_buffer(b, "l", KSPACE_LOCAL, DT_F32, 4);
	uint32_t x = k_param(b, "x", DT_F32, 4, false);
	uint32_t m = k_buffer(b, "m", KSPACE_LOCAL, DT_F32, 4);
	uint32_t y = k_param(b, "y", DT_F32, 4, true);
	Reg z = k_ix(b, 0);

	k_align(b, y, 16);
	k_align(b, y, 4);
	k_store(b, l, z, k_load(b, x, z, 1));
	k_store(b, m, z, k_load(b, l, z, 1));
	k_store(b, y, z, k_load(b, m, z, 1));
	Kernel *k = k_end(b);
	assert_true(kernel_verify(k, NULL));
	assert_string_equal(kit_print(a, k),
		"kernel t(x: global f32[4], y: global out f32[4] align 16) grid(1, 1, 1) {\n"
		"  local l: f32[4]\n  local m: f32[4]\n  %1:ix = const 0\n  %2:f32 = load x[%1]\n"
		"  store l[%1], %2\n  %3:f32 = load l[%1]\n  store m[%1], %3\n  %4:f32 = load m[%1]\n"
		"  store y[%1], %4\n}\n");
	arena_free(a);
}

/* a constant made inside a block may be used outside: it lives at the top */
static void
constants_are_everywhere(void **state)
{
	(void)state;
	Kit t = begin();
	KBuild *b = t.b;
	Reg i = k_axis(b, KAXIS_BLOCK_X), two = k_ix(b, 2);

	k_if(b, k_op(b, K_lt, i, two, 0));
	Reg seven = k_ix(b, 7);
	k_store(b, t.y, seven, k_real(b, kt(KS_F32, 1), 1));
	k_close(b);
	k_store(b, t.y, k_ix(b, 7), k_real(b, kt(KS_F32, 1), 1));
	end(&t, "  %1:ix = axis block.x\n  %2:ix = const 2\n  %3:ix = const 7\n  %4:f32 = const 1\n"
	        "  %5:i1 = lt %1, %2\n  if %5 {\n    store y[%3], %4\n  }\n  store y[%3], %4\n");
}

/* a mistake of the caller is for the verifier, not a crash */
static void
mistakes_are_verified(void **state)
{
	(void)state;
	Kit t = begin();
	KBuild *b = t.b;
	const char *err;

	k_store(b, t.y, k_ix(b, 0), k_add(b, k_real(b, kt(KS_F32, 1), 1), k_axis(b, KAXIS_BLOCK_X)));
	k_close(b);
	k_close(b);
	assert_false(kernel_verify(k_end(b), &err));
	kit_expect_error(err, "the second argument is ix, not f32");
	arena_free(t.a);

	t = begin();
	k_store(t.b, t.y, k_ix(t.b, 0), k_add(t.b, 0, 0));
	assert_false(kernel_verify(k_end(t.b), &err));
	kit_expect_error(err, "add takes 2 registers");
	arena_free(t.a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(index_arithmetic),
		cmocka_unit_test(scalars_are_splat),
		cmocka_unit_test(variables),
		cmocka_unit_test(memory),
		cmocka_unit_test(buffers_in_any_order),
		cmocka_unit_test(constants_are_everywhere),
		cmocka_unit_test(mistakes_are_verified),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
