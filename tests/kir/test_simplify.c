/* test_simplify.c -- simplified kernels compute the same bits: goldens for what each rule
 * does, random kernels for what the rules do together.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kit.h"
#include "random.h"

#include <math.h>

static const char *const goldens[] = { "fold", "join", "hoist", "vars", "flow", "threads" };

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
golden(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(goldens); i++) {
		Arena *a = arena_new();
		Kernel *k = kit_parse(a, slurp(a, arena_printf(a, "%s.k", goldens[i])));
		const char *err = NULL, *want = slurp(a, arena_printf(a, "%s.want", goldens[i])), *have;

		if (!kernel_verify(k, &err))
			fail_msg("%s.k: %s", goldens[i], err);
		kernel_simplify(k);
		assert_true(kernel_verify(k, &err));
		have = kit_print(a, k);
		if (strcmp(have, want) != 0)
			fail_msg("%s.want differs; have\n%s", goldens[i], have);
		assert_false(kernel_simplify(k));               /* nothing is left to do */
		arena_free(a);
	}
}

static void
run_random(Arena *a, const Kernel *k, float y[RANDOM_ELEMENTS])
{
	float x[RANDOM_ELEMENTS];
	int64_t n[RANDOM_ELEMENTS];
	KArg arg[3] = { ARG(x), ARG(n), { y, RANDOM_ELEMENTS * sizeof(float) } };

	for (int i = 0; i < RANDOM_ELEMENTS; i++) {
		x[i] = (float)(i * 37 % 19) / 4 - 2;
		n[i] = i * 23 % 31 - 7;
		y[i] = -1;
	}
	const char *err = kit_run(a, k, arg, 3);
	if (err)
		fail_msg("%s\n%s", err, kit_print(a, k));
}

static bool
same_results(const float *x, const float *y)
{
	for (int i = 0; i < RANDOM_ELEMENTS; i++)
		if (memcmp(&x[i], &y[i], sizeof(*x)) != 0 && !(isnan(x[i]) && isnan(y[i])))
			return false;
	return true;
}

static void
random_kernels(void **state)
{
	(void)state;
	size_t before = 0, after = 0;

	for (uint64_t seed = 1; seed <= 400; seed++) {
		Arena *a = arena_new();
		Kernel *k = rnd_kernel(a, seed);
		float want[RANDOM_ELEMENTS], have[RANDOM_ELEMENTS];
		const char *err = NULL, *text;

		if (!kernel_verify(k, &err))
			fail_msg("seed %d: %s\n%s", (int)seed, err, kit_print(a, k));
		text = kit_print(a, k);
		assert_string_equal(text, kit_print(a, kit_parse(a, text)));
		run_random(a, k, want);
		before += kernel_insts(k);
		kernel_simplify(k);
		after += kernel_insts(k);
		if (!kernel_verify(k, &err))
			fail_msg("seed %d: %s\n%s\nbecame\n%s", (int)seed, err, text, kit_print(a, k));
		run_random(a, k, have);
		if (!same_results(want, have))
			fail_msg("seed %d: the results differ\n%s\nbecame\n%s", (int)seed, text, kit_print(a, k));
		arena_free(a);
	}
	assert_true(after < before * 8 / 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden),
		cmocka_unit_test(random_kernels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
