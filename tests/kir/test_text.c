/* test_text.c -- printing and parsing are inverse, and no text does harm.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kit.h"
#include "random.h"

static char *
slurp(Arena *a, const char *name)
{
	const char *dir = getenv("srcdir"), *err;
	size_t n;
	char *p = file_read(a, arena_printf(a, "%s/tests/kir/golden/%s", dir ? dir : ".", name), &n, &err);

	if (!p)
		fail_msg("%s", err);
	return p;
}

static void
print_of_parse(void **state)
{
	(void)state;
	Arena *a = arena_new();
	const char *text = slurp(a, "all.k"), *err = NULL;
	Kernel *k = kit_parse(a, text);

	assert_string_equal(kit_print(a, k), text);
	if (!kernel_verify(k, &err))
		fail_msg("%s", err);
	arena_free(a);
}

/* every operation occurs in the golden */
static void
golden_is_complete(void **state)
{
	(void)state;
	Arena *a = arena_new();
	const char *text = slurp(a, "all.k");

	for (int op = K_none + 1; op < K_COUNT; op++) {
		/* plain lane by lane ops all print alike */
		if (kop_info[op].cls == KCLASS_PURE && kop_info[op].shape != KSHAPE_FREE)
			continue;
		if (op == K_reduce_max || strstr(text, arena_printf(a, "%s ", kop_info[op].name)) ||
		    strstr(text, arena_printf(a, "%s\n", kop_info[op].name)))
			continue;
		fail_msg("%s is not in all.k", kop_info[op].name);
	}
	arena_free(a);
}

static void
free_form(void **state)
{
	(void)state;
	Arena *a = arena_new();
	Kernel *k = kit_parse(a, "# a kernel\nkernel k(x:global f32[8])grid(1,1,1){%7:ix=const 3 # three\n"
	                         "%9:f32x2=load x[%7]part 1 if%7{}else{}}");

	/* numbers are those of the text, and unused ones are no registers */
	assert_string_equal(kit_print(a, k), "kernel k(x: global f32[8]) grid(1, 1, 1) {\n  %7:ix = const 3\n"
	                    "  %9:f32x2 = load x[%7] part 1\n  if %7 {\n  } else {\n  }\n}\n");
	arena_free(a);
}

static void
several_and_the_rest(void **state)
{
	(void)state;
	Arena *a = arena_new();
	Diag *d = diag_new(a);
	const char *text = "kernel a() { }\nkernel b() { }\ngraph g { }\n";
	const Source *s = diag_source(d, "x", text, strlen(text));
	size_t rest = 0;
	KernelList *l = kernel_parse(a, d, s, &rest);

	assert_non_null(l);
	assert_int_equal(l->k.n, 2);
	assert_string_equal(l->k.p[1]->name, "b");
	assert_string_equal(text + rest, "graph g { }\n");
	assert_null(kernel_parse(a, d, s, NULL));
	assert_string_equal(diag_get(d, 0)->text, "'kernel' is expected here");
	arena_free(a);
}

static void
messages(void **state)
{
	(void)state;
	static const struct { const char *text, *want; int at; } c[] = {
		{ "kernel", "the name of a kernel is expected here", 6 },
		{ "kernel k(x: global f33[8]) { }", "'f33' is no element type", 19 },
		{ "kernel k(x: global f32[0]) { }", "0 is not between 1 and 1099511627776", 23 },
		{ "kernel k(x: global f32[99999999999999999999]) { }", "the number does not fit 64 bits", 23 },
		{ "kernel k() grid(0, 1, 1) { }", "0 is not between 1 and 2147483647", 16 },
		{ "kernel k() { shared s: f32[?] }", "a whole number is expected here", 27 },
		{ "kernel k() { %1:ix = frob %2 }", "there is no operation 'frob'", 21 },
		{ "kernel k() { %0:ix = const 1 }", "0 is not between 1 and 1048575", 14 },
		{ "kernel k() { %1:f33 = const 1 }", "a type of registers is expected here, such as f32x8", 16 },
		{ "kernel k() { %1:f32x129 = const 1 }", "129 is not between 1 and 128", 20 },
		{ "kernel k() { %1:ix = const 1 %1:i32 = const 1 }", "%1 has another type where it is written first", 29 },
		{ "kernel k() { store y[%1], %1 }", "there is no buffer 'y'", 19 },
		{ "kernel k() { const 1 }", "const needs a register for its result", 13 },
		{ "kernel k() { %1:ix = barrier }", "barrier has no result", 21 },
		{ "kernel k() { %1:f32 = const x }", "a number is expected here", 28 },
		{ "kernel k() { %1:ix = axis w }", "an axis is expected here, such as block.x", 26 },
		{ "kernel k() { for %1:ix = %2 .. %3 step 0 { } }", "0 is not between 1 and 2147483647", 39 },
		{ "kernel k() { loop {", "the text ends inside a kernel", 19 },
		{ "kernel k() { %1:ix = add %2 %3 }", "',' is expected here", 28 },
	};

	for (size_t i = 0; i < COUNT(c); i++) {
		Arena *a = arena_new();
		Diag *d = diag_new(a);
		const Source *s = diag_source(d, "x", c[i].text, strlen(c[i].text));

		assert_null(kernel_parse(a, d, s, NULL));
		assert_int_equal(diag_errors(d), 1);
		assert_string_equal(diag_get(d, 0)->text, c[i].want);
		assert_int_equal(diag_get(d, 0)->span.begin, c[i].at);
		arena_free(a);
	}
}

/* Whatever parses and verifies prints to a fixed point, simplifies, and can be run. */
static void
try_text(const char *text, size_t n)
{
	Arena *a = arena_new();
	Diag *d = diag_new(a);
	const Source *s = diag_source(d, "x", arena_strn(a, text, n), n);
	KernelList *l = kernel_parse(a, d, s, NULL);

	assert_int_equal(l == NULL, diag_errors(d) > 0);
	for (size_t i = 0; l && i < l->k.n; i++) {
		Kernel *k = l->k.p[i];
		char *once = kit_print(a, k), err[512];
		Diag *d2 = diag_new(a);
		KernelList *again = kernel_parse(a, d2, diag_source(d2, "y", once, strlen(once)), NULL);
		const char *why;

		if (!again)
			fail_msg("does not parse again:\n%s", once);
		assert_string_equal(once, kit_print(a, again->k.p[0]));
		if (!kernel_verify(k, &why))
			continue;
		KArg arg[8];
		size_t narg = 0;
		for (size_t b = 0; b < k->buf.n && narg < 8; b++)
			if (k->buf.p[b].space == KSPACE_GLOBAL) {
				size_t bytes = (size_t)(MIN(MAX(k->buf.p[b].count, 1), 4096) * 8);
				arg[narg++] = (KArg){ arena_alloc(a, bytes), bytes };
			}
		kernel_interpret_limit(k, arg, narg, 2000, err);
		kernel_simplify(k);
		if (!kernel_verify(k, &why))
			fail_msg("no longer verifies: %s\n%s", why, kit_print(a, k));
	}
	arena_free(a);
}

static void
hostile_texts(void **state)
{
	(void)state;
	Arena *a = arena_new();
	uint64_t seed = 1;
	static const char *const bits[] = { "%", "1048575", "-", "{", "}", "x", "64", "99999999999", "..", "kernel ",
	                                    "\n", "#", "nan", "inf", "[?]", "loop {", "const", "add", "ix", "f16" };
	char *base[3] = { slurp(a, "all.k"), kit_print(a, rnd_kernel(a, 7)), slurp(a, "threads.k") };

	for (int round = 0; round < 3000; round++) {
		const char *from = base[round % 3];
		size_t n = strlen(from);
		char *t = arena_alloc(a, n + 64);
		memcpy(t, from, n);
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		size_t at = (size_t)(seed >> 33) % n;
		unsigned how = seed >> 29 & 3;
		if (how == 0) {
			t[at] ^= (char)(1 << (seed >> 20 & 7));
		} else if (how == 1) {
			memmove(t + at, t + at + 1, n - at - 1);
			n--;
		} else if (how == 2) {
			const char *bit = bits[(seed >> 16) % COUNT(bits)];
			size_t m = strlen(bit);
			memmove(t + at + m, t + at, n - at);
			memcpy(t + at, bit, m);
			n += m;
		} else {
			n = at;
		}
		try_text(t, n);
	}
	/* deep nesting, and many registers named by few bytes */
	Text deep = { .a = a };
	text_put(&deep, "kernel k() { ");
	for (int i = 0; i < 100000; i++)
		text_put(&deep, "loop { ");
	try_text(text_str(&deep), deep.n);
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(print_of_parse),
		cmocka_unit_test(golden_is_complete),
		cmocka_unit_test(free_form),
		cmocka_unit_test(several_and_the_rest),
		cmocka_unit_test(messages),
		cmocka_unit_test(hostile_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
