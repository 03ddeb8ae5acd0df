/* test_verify.c -- one kernel for each thing that the verifier refuses, and the nearest
 * one that it must let pass.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kit.h"

typedef struct Case { const char *text, *want; } Case;        /* want NULL: it is fine */

static void
run(const Case *c, size_t n, const char *before, const char *after)
{
	for (size_t i = 0; i < n; i++) {
		Arena *a = arena_new();
		const char *err, *text = arena_printf(a, "%s%s%s", before, c[i].text, after);
		bool ok = kernel_verify(kit_parse(a, text), &err);

		if (c[i].want && ok) {
			fail_msg("%s\nis not refused for: %s", text, c[i].want);
		} else if (c[i].want) {
			kit_expect_error(err, c[i].want);
		} else if (!ok) {
			fail_msg("%s\n%s", text, err);
		} else {
			assert_null(err);
		}
		arena_free(a);
	}
}

static void
types(void **state)
{
	(void)state;
	static const Case c[] = {
		{ "%5:f32 = add %3, %3", NULL },
		{ "%5:f32 = add %3, %1", "`%5:f32 = add %3, %1`: the second argument is ix, not f32" },
		{ "%5:ix = add %3, %3", "the register is ix, not f32" },
		{ "%5:f32 = add %3, %4", "the second argument is f32x4, not f32" },
		{ "%5:f32x4 = lt %4, %4", "the register is f32x4, not i1x4" },
		{ "%5:i1 = lt %2, %2", "lt is not defined on i1" },
		{ "%5:i1 = add %2, %2", "add is not defined on i1" },
		{ "%5:f32 = and %3, %3", "and is not defined on f32" },
		{ "%5:ix = sqrt %1", "sqrt is not defined on ix" },
		{ "%5:i32 = const 2147483648", "2147483648 does not fit i32" },
		{ "%5:u8 = const -1", "-1 does not fit u8" },
		{ "%5:i1 = const 2", "2 does not fit i1" },
		{ "%5:i32 = axis block.x", "the register is i32, not ix" },
		{ "%5:f32x4 = select %2, %4, %4", NULL },
		{ "%5:f32x4 = select %1, %4, %4", "the condition is ix" },
		{ "%5:i1x2 = splat %2\n %6:f32x4 = select %5, %4, %4", "the condition is i1x2, not i1 of one or 4 lanes" },
		{ "%5:f32x4 = select %2, %4, %3", "the third argument is f32, not f32x4" },
		{ "%5:i32x4 = cast %4", NULL },
		{ "%5:i32x2 = cast %4", "the argument is f32x4, not f32x2" },
		{ "%5:f32x8 = splat %4", "the argument is f32x4, not f32" },
		{ "%5:f32x8 = lanes", "lanes are integers" },
		{ "%5:f32 = lane %4, 4", "lane 4 of 4" },
		{ "%5:i1x4 = splat %2\n %6:i1 = reduce_max %5", "reduce_max is not defined on i1" },
		{ "%5:f32x4 = reduce_add %4", "the register is f32x4, not f32" },
		{ "%5:i32 = cast %1\n %6:f32 = load x[%5]", "the index is i32, not ix" },
		{ "%5:f16 = load x[%1]", "the register is f16, not f32" },
		{ "store y[%1], %1", "the value is ix, not f32" },
		{ "store x[%1], %3", "x is not an out" },
		{ "%5:f32x4 = load x[%1] part 5", "part 5 of 4 lanes" },
		{ "%5:f32x4 = gather x[%1]", "the index is ix, not ixx4" },
		{ "%5:ixx4 = lanes\n %6:f32x4 = gather x[%5] part 2", "part 2 of 4 lanes" },
		{ "%5:f32 = load_if x[%1], %1", "the condition is ix, not i1" },
		{ "if %1 { }", "the condition is ix, not i1" },
		{ "for %5:f32 = %3 .. %3 step 1 { }", "its index is f32, not one integer" },
		{ "for %5:ix = %1 .. %3 step 1 { }", "the end is f32, not ix" },
		{ "atomic_add y[%1], %4", "atomic_add takes one number" },
		{ "barrier", "barrier needs threads" },
		{ "%5:f32 = shuffle %3 xor 1", "shuffle needs threads" },
	};

	run(c, COUNT(c), "kernel t(x: global f32[8], y: global out f32[8]) {\n %1:ix = const 0\n"
	    " %2:i1 = const 1\n %3:f32 = const 1\n %4:f32x4 = const 2\n", "\n}\n");
}

static void
definitions(void **state)
{
	(void)state;
	static const Case c[] = {
		{ "%9:ix = add %1, %1\n %4:ix = add %9, %1", NULL },
		{ "%4:ix = add %9, %1", "%9 may not have a value here" },
		{ "%4:ix = add %9, %1\n %9:ix = const 0", "%9 may not have a value here" },
		{ "if %2 { %9:ix = const 1 }\n %4:ix = mov %9", "%9 may not" },
		{ "if %2 { %9:ix = const 1 } else { %9:ix = const 2 }\n %4:ix = mov %9", NULL },
		{ "if %2 { %8:ix = const 1 } else { %9:ix = const 2 }\n %4:ix = mov %9", "%9 may not" },
		{ "if %2 { } else { %4:ix = mov %9 }\n %9:ix = const 1", "%9 may not" },
		{ "if %2 { %9:ix = const 1 } else { %4:ix = mov %9\n %9:ix = const 1 }", "%9 may not" },
		{ "for %5:ix = %1 .. %3 step 1 { %9:ix = mov %5 }\n %4:ix = mov %9", "%9 may not" },
		{ "for %5:ix = %1 .. %3 step 1 { %4:ix = mov %5 }", NULL },
		{ "for %5:ix = %1 .. %3 step 1 { }\n %4:ix = mov %5", "%5 may not" },
		{ "for %5:ix = %1 .. %5 step 1 { }", "%5 may not" },
		{ "for %5:ix = %1 .. %3 step 1 { %4:ix = mov %9\n %9:ix = mov %5 }", "%9 may not" },
		{ "for %5:ix = %1 .. %3 step 1 { %5:ix = add %5, %3 }", "is written by the for alone" },
		{ "loop { %9:ix = const 1\n break_if %2 }\n %4:ix = mov %9", NULL },
		{ "loop { break_if %2\n %9:ix = const 1 }\n %4:ix = mov %9", "%9 may not" },
		{ "loop { break_if %2\n %9:ix = const 1\n break_if %2 }\n %4:ix = mov %9", "%9 may not" },
		{ "loop { %9:ix = const 1\n break_if %2\n %8:ix = const 1\n break_if %2 }\n %4:ix = mov %9", NULL },
		{ "loop { for %5:ix = %1 .. %3 step 1 { %9:ix = mov %5\n break_if %2 } }\n %4:ix = mov %9", NULL },
		{ "loop { for %5:ix = %1 .. %3 step 1 { break_if %2 } }\n %4:ix = mov %5", "%5 may not" },
		{ "loop { }", "nothing leaves this loop" },
		{ "loop { loop { break_if %2 } }", "nothing leaves this loop" },
		{ "break_if %2", "there is no loop to leave" },
		{ "for %5:ix = %1 .. %3 step 1 { break_if %2 }", "there is no loop to leave" },
	};

	run(c, COUNT(c), "kernel t(x: global f32[8]) {\n %1:ix = const 0\n %2:i1 = const 1\n %3:ix = const 4\n",
	    "\n}\n");
}

static void
indices(void **state)
{
	(void)state;
	static const Case c[] = {
		{ "%2:ix = const 7\n %3:f32 = load x[%2]", NULL },
		{ "%2:ix = const 8\n %3:f32 = load x[%2]", "elements 8 .. 9 of x, which has 8" },
		{ "%2:ix = const 5\n %3:f32x4 = load x[%2]", "elements 5 .. 9 of x, which has 8" },
		{ "%2:ix = const 5\n %3:f32x4 = load x[%2] part 3", NULL },
		{ "%2:ix = const -1\n %3:f32 = load x[%2]", "elements -1 .. 0 of x" },
		{ "%2:ix = const 5\n store t[%2], %1", "elements 5 .. 6 of t, which has 4" },
		{ "%2:i1 = const 0\n %3:ix = const 9\n %4:f32 = load_if x[%3], %2", NULL },
		{ "%2:ixx4 = const 8\n %3:f32x4 = gather x[%2]", "elements 8 .. 9 of x" },
		{ "%2:ix = const 100\n %3:f32 = load u[%2]", NULL },
	};

	run(c, COUNT(c), "kernel t(x: global f32[8], u: global f32[?]) {\n local t: f32[4]\n %1:f32 = const 0\n",
	    "\n}\n");
}

static void
shapes(void **state)
{
	(void)state;
	static const Case c[] = {
		{ "kernel t(x: global f32[8], x: global f32[8]) { }", "two buffers are called x" },
		{ "kernel t(x: global f32[8]) { local x: f32[8] }", "two buffers are called x" },
		{ "kernel t(x: global f32[8]) { shared s: f32[8] }", "buffer s: shared memory needs threads" },
		{ "kernel t(x: global f32[8]) { %1:f32x8 = const 0\n %2:f32x4 = part %1, 5 }", "lanes 5 .. 9 of 8" },
		{ "kernel t(x: global f32[8]) { %1:f32x8 = const 0\n %2:f32x4 = part %1, 4 }", NULL },
		{ "kernel t(x: global f32[8]) { %1:f32x8 = const 0\n %2:f32x4 = join %1, %1 }", "the register is f32x4, not f32x16" },
		{ "kernel t(x: global f32[8]) { %1:i32 = const 0\n %2:f16x2 = bytes %1, %1, 4140 }", NULL },
		{ "kernel t(x: global f32[8]) { %1:i32 = const 0\n %2:f16x4 = bytes %1, %1, 4140 }",
		  "the register is f16x4, which does not take 4 bytes" },
		{ "kernel t(x: global f32[8]) { %1:ix = const 0\n %2:f16x2 = bytes %1, %1, 4140 }",
		  "the first argument is ix, which does not take 4 bytes" },
		{ "kernel t(x: global f32[8]) { %1:i32 = const 0\n %2:f16x2 = bytes %1, %1, 1820 }", "there is no byte 8 of 8" },
		{ "kernel t(x: global f32[8] align 3) { }", "align 3 is not a power of two" },
		{ "kernel t(x: global f32[8]) { local s: f32[1099511627776] }", "1099511627776 elements are not possible" },
		{ "kernel t(x: global f32[8]) threads(1025, 1, 1) { }", "threads(1025, 1, 1) are not between" },
		{ "kernel t(x: global f32[8]) threads(64, 64, 1) { }", "threads(64, 64, 1) are more than 1024" },
		{ "kernel t(x: global f32[8]) grid(2147483647, 2147483647, 2147483647) { }", "is too large" },
		{ "kernel t(x: global f32[8]) grid(4, 2, 1) cluster(2, 2, 1) threads(32, 1, 1) { cluster_barrier }", NULL },
		{ "kernel t(x: global f32[8]) grid(4, 1, 1) cluster(3, 1, 1) { }", "cluster(3, 1, 1) does not divide grid(4, 1, 1)" },
		{ "kernel t(x: global f32[8]) grid(4, 4, 1) cluster(4, 4, 1) { }", "cluster(4, 4, 1) is more than 8 blocks" },
		{ "kernel t(x: global f32[8]) threads(256, 1, 1) { regs_give 44 }", "44 registers are not a multiple of 8" },
		{ "kernel t(x: global f32[8]) threads(64, 1, 1) { regs_give 40 }", "needs a group of 128 threads" },
		{ "kernel t(x: global f32[8]) threads(32, 1, 1) { shared s: f16[8]\n %1:ix = const 0\n %2:f16 = peer_load s[%1] of %1 }",
		  "s is not shared memory of i32 or f32" },
		{ "kernel t(x: global f32[8]) threads(32, 1, 1) { shared s: f32[8]\n %1:ix = const 5\n %2:f32x4 = peer_load s[%1] of %1 }",
		  "elements 5 .. 9 of s" },
		{ "kernel t(x: global f32[8]) threads(32, 1, 1) { shared s: f32[8] align 2048 }", "aligned to 1024 at most" },
		{ "kernel t(x: global f32[8]) threads(32, 1, 1) { shared s: f32[8]\n shared u: f16[8] alias s }", NULL },
		{ "kernel t(x: global f32[8]) threads(32, 1, 1) { shared s: f32[8] alias x }", "only shared buffers alias" },
		{ "kernel t(x: global f32[8]) threads(32, 1, 1) { shared s: f32[8]\n shared u: f16[8] alias s\n shared w: f16[8] alias u }",
		  "one with storage of its own" },
		{ "kernel t() { }", NULL },
	};

	run(c, COUNT(c), "", "\n");
}

static void
threads(void **state)
{
	(void)state;
	static const Case c[] = {
		{ "barrier", NULL },
		{ "if %8 { barrier }", NULL },                   /* by block: all or none */
		{ "if %9 { barrier }", "not all threads of the block come here together" },
		{ "if %9 { cluster_barrier }", "not all threads of the block come here together" },
		{ "if %7 { barrier }", "not all threads of the block" },        /* by warp */
		{ "if %7 { %10:ix = shuffle %1 xor 1 }", NULL },
		{ "if %9 { %10:ix = shuffle %1 xor 1 }", "not all threads of the warp" },
		{ "for %10:ix = %3 .. %1 step 1 { barrier }", "not all threads of the block" },
		{ "for %10:ix = %3 .. %4 step 1 { barrier }", NULL },
		{ "loop { barrier\n break_if %8 }", NULL },
		{ "loop { barrier\n break_if %9 }", "not all threads of the block" },
		{ "loop { if %9 { break_if %8 }\n barrier }", "not all threads of the block" },
		/* a register written under a condition of the thread varies */
		{ "%10:ix = mov %3\n if %9 { %10:ix = mov %4 }\n %11:i1 = eq %10, %4\n if %11 { barrier }",
		  "not all threads of the block" },
		/* … also when the loop brings it round */
		{ "%10:ix = mov %3\n for %11:ix = %3 .. %4 step 1 { %12:i1 = eq %10, %4\n if %12 { barrier }\n"
		  "%10:ix = mov %1 }", "not all threads of the block" },
		/* all read the same element: the same value */
		{ "%10:f32 = load x[%3]\n %11:i1 = eq %10, %10\n if %11 { barrier }", NULL },
		{ "%10:f32 = load x[%1]\n %11:i1 = eq %10, %10\n if %11 { barrier }", "not all threads of the block" },
		{ "%10:i1 = const 1\n cp_async s[%3], x[%3], %10 count 4\n cp_commit\n cp_wait 0", NULL },
		{ "%10:i1 = const 1\n cp_async s[%3], x[%3], %10 count 3", "it copies 4, 8 or 16 bytes, not 3 elements" },
		{ "%10:i1 = const 1\n cp_async t[%3], x[%3], %10 count 4", "it copies from global to shared" },
		{ "%10:i1 = const 1\n cp_async h[%3], x[%3], %10 count 4", "h is f16, but x is f32" },
		{ "%10:i1 = const 1\n %11:ix = const 6\n cp_async s[%11], x[%3], %10 count 4", "elements 6 .. 10 of s" },
		{ "atomic_add t[%3], %5", "atomic_add takes one number" },
		{ "%10:f16x8 = const 0\n %11:f16x4 = const 0\n %12:f32x4 = const 0\n %13:f32x4 = mma %10, %11, %12", NULL },
		{ "%10:f16x8 = const 0\n %11:f16x4 = const 0\n %12:f32x4 = const 0\n %13:f32x4 = mma %11, %11, %12",
		  "A is f16x4, not f16x8" },
		{ "%10:f32x4 = const 0\n %11:f32x2 = const 0\n %13:f32x4 = mma %10, %11, %10", NULL },
		{ "%10:u8x16 = const 0\n %11:u8x8 = const 0\n %12:i32x4 = const 0\n %13:i32x4 = mma %10, %11, %12", NULL },
		{ "%10:u8x16 = const 0\n %11:u8x8 = const 0\n %12:f32x4 = const 0\n %13:f32x4 = mma %10, %11, %12",
		  "C is f32x4, not i32x4" },
		{ "%10:u8x16 = const 0\n %12:i32x4 = const 0\n %13:i32x4 = mma %10, %10, %12", "B is u8x16, not u8x8" },
		{ "%10:f16x8 = ldmatrix h[%3]", NULL },
		{ "%10:f32x4 = ldmatrix s[%3]", NULL },
		{ "%10:u8x16 = ldmatrix u[%3]", NULL },
		{ "%10:f16x8 = ldmatrix s[%3]", "the register is f16x8, not f32x4" },
		{ "%10:f32x4 = ldmatrix s[%3] transposed", "only 16-bit reals are transposed, and s is f32" },
		{ "%10:i32x4 = ldmatrix i[%3]", "i is not shared memory of f16, bf16, f32 or u8" },
		{ "%10:f32x4 = ldmatrix t[%3]", "t is not shared memory of f16, bf16, f32 or u8" },
		{ "%10:f16x4 = ldmatrix h[%3]", "the register is f16x4, not f16x8" },
		{ "if %9 { %10:f16x8 = ldmatrix h[%3] }", "not all threads of the warp" },
		{ "%10:i1 = vote_any %9\n if %10 { %11:ix = shuffle %1 xor 1 }", NULL },         /* the warp agrees */
		{ "%10:i1 = vote_any %9\n if %10 { barrier }", "not all threads of the block" },
		{ "%10:ix = shuffle_idx %1, %3\n %11:i1 = eq %10, %3\n if %11 { %12:ix = shuffle %1 xor 1 }", NULL },
		{ "%10:ix = shuffle_idx %1, %1\n %11:i1 = eq %10, %3\n if %11 { %12:ix = shuffle %1 xor 1 }",
		  "not all threads of the warp" },
		{ "%10:f32 = shuffle_idx %5, %5", "the second argument is f32, not ix" },
		{ "%10:f32 = vote_any %5", "the first argument is f32, not i1" },
		{ "%10:i32 = ballot %9\n %11:i32 = popcount %10\n %12:i1 = eq %10, %11\n if %12 { %13:i32 = ballot %9 }", NULL },
		{ "%10:i64 = ballot %9", "the register is i64, not i32" },
		{ "%10:f32 = popcount %5", "popcount is not defined on f32" },
	};

	run(c, COUNT(c), "kernel t(x: global f32[64]) grid(4, 1, 1) threads(64, 1, 1) {\n"
	    " shared s: f32[8]\n shared h: f16[8]\n local t: f32[8]\n shared u: u8[16]\n shared i: i32[8]\n"
	    " %1:ix = axis thread.x\n %2:ix = axis block.x\n %3:ix = const 0\n %4:ix = const 4\n %5:f32 = const 1\n"
	    " %6:ix = axis warp\n %7:i1 = eq %6, %3\n %8:i1 = eq %2, %3\n %9:i1 = eq %1, %3\n", "\n}\n");
	static const Case half[] = {
		{ "%1:ix = const 0\n %2:f16x8 = ldmatrix h[%1]", "ldmatrix needs whole warps" },
		{ "%10:f16x8 = const 0\n %11:f16x4 = const 0\n %12:f32x4 = const 0\n %13:f32x4 = mma %10, %11, %12",
		  "mma needs whole warps" },
	};
	run(half, COUNT(half), "kernel t() threads(48, 1, 1) {\n shared h: f16[8]\n", "\n}\n");
}

/* what only a program can get wrong */
static void
broken_structures(void **state)
{
	(void)state;
	Arena *a = arena_new();
	const char *text = "kernel t(x: global f32[8]) {\n %1:ix = const 0\n %2:f32 = load x[%1]\n}\n", *err;
	Kernel *k;

#define BROKEN(change, want)                          \
	k = kit_parse(a, text);                       \
	change;                                       \
	assert_false(kernel_verify(k, &err));         \
	kit_expect_error(err, want)
	BROKEN(k->body.inst.p[1].op = K_COUNT, "there is no operation");
	BROKEN(k->body.inst.p[1].a[0] = 7, "load names a register that does not exist");
	BROKEN(k->body.inst.p[1].a[0] = 0, "load takes 1 registers");
	BROKEN(k->body.inst.p[1].a[1] = 1, "load takes 1 registers");
	BROKEN(k->body.inst.p[1].dst = 0, "its result goes nowhere");
	BROKEN(k->body.inst.p[1].buf = 0, "its buffers are not those of a load");
	BROKEN(k->body.inst.p[1].buf = 2, "its buffers are not those of a load");
	BROKEN(k->body.inst.p[1].body = NEW(a, KBlock), "its blocks are not those of a load");
	BROKEN(k->reg.p[2].lanes = 129, "%2 has no possible type");
	BROKEN(k->reg.p[2].s = KS_COUNT, "%2 has no possible type");
	BROKEN(k->grid[1] = 0, "is empty or too large");
	BROKEN(k->buf.p[0].name = "2x", "has no identifier for a name");
	BROKEN(k->buf.p[0].count = -2, "-2 elements are not possible");
	BROKEN(k->name = "", "its name is not an identifier");
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types),
		cmocka_unit_test(definitions),
		cmocka_unit_test(indices),
		cmocka_unit_test(shapes),
		cmocka_unit_test(threads),
		cmocka_unit_test(broken_structures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
