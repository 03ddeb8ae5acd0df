/* test_target.c -- rows are found by name, and the host row is one that runs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "target/target.h"

static void
every_name_is_found(void **state)
{
	(void)state;
	size_t n;
	const char *const *names = target_names(&n);

	assert_true(n > 10);
	assert_string_equal(names[0], "host");
	for (size_t i = 1; i < n; i++) {
		const Target *t = target_named(names[i]);
		assert_non_null(t);
		assert_string_equal(t->name, names[i]);
		assert_true(t->vector_bytes >= 16 && (t->vector_bytes & (t->vector_bytes - 1)) == 0);
		assert_true(t->l2 > t->l1 || t->kind == TARGET_GPU);
		assert_int_equal(t->kind == TARGET_GPU, t->sm != 0);
	}
}

static void
an_unknown_name_is_not(void **state)
{
	(void)state;
	size_t n;
	const char *const *names = target_names(&n);

	assert_null(target_named("sm_81"));
	assert_null(target_named(""));
	assert_null(target_named("host:x86-64-v9"));
	assert_string_equal(did_you_mean("host:x86-64v3", names, n), "host:x86-64-v3");
}

static void
rows_say_what_the_machine_has(void **state)
{
	(void)state;
	const Target *t75 = target_named("sm_75"), *t80 = target_named("cuda:sm_80");
	const Target *t90 = target_named("sm_90"), *t90a = target_named("sm_90a");
	const Target *v4 = target_named("host:x86-64-v4"), *arm = target_named("host:aarch64");

	assert_int_equal(t75->mma, MMA_M16N8K8);
	assert_false(t75->has & GPU_CP_ASYNC);
	assert_int_equal(t80->mma, MMA_M16N8K16);
	assert_true(t80->has & GPU_CP_ASYNC);
	assert_false(t80->has & GPU_TMA);
	assert_true(t90->has & GPU_TMA);
	assert_false(t90->has & GPU_WGMMA);
	assert_true(t90a->has & GPU_WGMMA);
	assert_int_equal(t90a->sm, 90);
	assert_int_equal(v4->vector_bytes, 64);
	assert_int_equal(v4->vector_regs, 32);
	assert_string_equal(v4->cpu, "x86-64-v4");
	assert_string_equal(arm->triple, "aarch64-unknown-linux-gnu");
}

static void
the_host_row_runs_here(void **state)
{
	(void)state;
	const Target *h = target_host();

	if (h == NULL)
		skip();
	assert_true(target_runs_here(h));
	assert_ptr_equal(h, target_named("host"));
	assert_false(target_runs_here(target_named("sm_90")));
	assert_false(target_runs_here(target_named(h->arch == ARCH_X86_64 ? "host:aarch64" : "host:x86-64-v2")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_name_is_found),
		cmocka_unit_test(an_unknown_name_is_not),
		cmocka_unit_test(rows_say_what_the_machine_has),
		cmocka_unit_test(the_host_row_runs_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
