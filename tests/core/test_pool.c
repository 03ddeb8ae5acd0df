/* test_pool.c -- every task of a launch runs exactly once, and is over when the launch is.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <pthread.h>
#include <unistd.h>

#include "runtime/core/engine.h"

enum { SIDE = 8, TASKS = SIDE * SIDE * SIDE };

typedef struct Count {
	atomic_int hits[TASKS];
	uint32_t grid[3];
	atomic_int outside;
} Count;

static void
count_kernel(void *const *arg, const int64_t t[3])
{
	Count *c = arg[0];
	const uint32_t *g = c->grid;

	if (t[0] < 0 || t[0] >= g[0] || t[1] < 0 || t[1] >= g[1] || t[2] < 0 || t[2] >= g[2])
		atomic_fetch_add(&c->outside, 1);
	else
		atomic_fetch_add(&c->hits[(t[2] * g[1] + t[1]) * g[0] + t[0]], 1);
}

static void
launch_and_count(Pool *p, Count *c, uint32_t x, uint32_t y, uint32_t z)
{
	void *arg[1] = { c };

	for (int i = 0; i < TASKS; i++)
		atomic_store(&c->hits[i], 0);
	c->grid[0] = x;
	c->grid[1] = y;
	c->grid[2] = z;
	pool_run(p, count_kernel, arg, c->grid);
	/* no waiting here: pool_run has done that */
	for (uint32_t i = 0; i < TASKS; i++)
		if (atomic_load(&c->hits[i]) != (i < x * y * z))
			fail_msg("task %u of %ux%ux%u ran %d times", i, x, y, z, atomic_load(&c->hits[i]));
	assert_int_equal(atomic_load(&c->outside), 0);
}

static void
hammer(int threads)
{
	Pool *p = pool_new(threads);
	Count *c = calloc(1, sizeof *c);
	uint32_t state = 1;

	assert_non_null(p);
	assert_non_null(c);
	assert_int_equal(pool_threads(p), threads);
	for (int i = 0; i < 300; i++) {
		uint32_t g[3];

		for (int j = 0; j < 3; j++) {
			state = state * 1664525u + 1013904223u;
			g[j] = 1 + (state >> 8) % SIDE;
		}
		launch_and_count(p, c, g[0], g[1], g[2]);
		if (i % 100 == 50)
			usleep(3000);           /* the workers fall asleep, and must be woken */
	}
	launch_and_count(p, c, 1, 1, 1);
	launch_and_count(p, c, SIDE, SIDE, SIDE);
	pool_free(p);
	free(c);
}

static void
each_task_once(void **state)
{
	(void)state;
	for (int threads = 1; threads <= 8; threads++)
		hammer(threads);
}

static void *
hammer_thread(void *arg)
{
	hammer(*(int *)arg);
	return NULL;
}

static void
two_pools_at_once(void **state)
{
	int threads[2] = { 3, 2 };
	pthread_t t[2];

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&t[i], NULL, hammer_thread, &threads[i]), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
}

static void
made_and_not_used(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++)
		pool_free(pool_new(4));
	pool_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_task_once),
		cmocka_unit_test(two_pools_at_once),
		cmocka_unit_test(made_and_not_used),
	};

	return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
