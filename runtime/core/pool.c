/* pool.c -- a fixed set of threads that share the tasks of one launch at a time.
 *
 * The caller works too.  A launch is published by raising `launch`; everybody takes
 * task numbers from one counter until it runs out, and the caller waits until no
 * worker is inside.  Workers spin for a moment before they sleep: a network is a
 * hundred launches, a few hundred microseconds apart, and waking costs more than that
 * gap.  Nothing here allocates after pool_new().
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "runtime/core/engine.h"

enum { SPIN = 4000, STACK = 16 << 20 };

struct Pool {
	int n;                          /* threads in all, the caller included */
	pthread_t *thread;
	int started;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	int asleep;                     /* under lock */
	_Alignas(64) atomic_uint launch;        /* number of the launch; workers wait for a change */
	atomic_bool stop;
	_Alignas(64) atomic_ullong next;        /* next task */
	_Alignas(64) atomic_int inside;         /* workers that may still touch the launch */

	HostKernel *kernel;
	void *const *arg;
	uint32_t grid[3];
	uint64_t tasks;
};

static inline void
relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static void
work(Pool *p)
{
	uint64_t x = p->grid[0], xy = x * p->grid[1], t;

	while ((t = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed)) < p->tasks) {
		const int64_t task[3] = { (int64_t)(t % x), (int64_t)(t % xy / x), (int64_t)(t / xy) };

		p->kernel(p->arg, task);
	}
}

static void *
worker(void *arg)
{
	Pool *p = arg;
	unsigned seen = 0;

	for (;;) {
		for (int i = 0; atomic_load_explicit(&p->launch, memory_order_acquire) == seen; i++) {
			if (i < SPIN) {
				relax();
				continue;
			}
			pthread_mutex_lock(&p->lock);
			p->asleep++;
			while (atomic_load(&p->launch) == seen && !atomic_load(&p->stop))
				pthread_cond_wait(&p->wake, &p->lock);
			p->asleep--;
			pthread_mutex_unlock(&p->lock);
			break;
		}
		if (atomic_load(&p->stop))
			return NULL;
		seen = atomic_load_explicit(&p->launch, memory_order_acquire);
		work(p);
		atomic_fetch_sub_explicit(&p->inside, 1, memory_order_release);
	}
}

/* A worker joins each launch exactly once: the caller does not publish the next one before
 * all have left this one. */
void
pool_run(Pool *p, HostKernel *k, void *const *arg, const uint32_t grid[3])
{
	p->kernel = k;
	p->arg = arg;
	p->tasks = 1;
	for (int i = 0; i < 3; i++) {
		p->grid[i] = grid[i];
		p->tasks *= grid[i];
	}
	atomic_store_explicit(&p->next, 0, memory_order_relaxed);
	if (p->started == 0 || p->tasks == 1) {
		work(p);
		return;
	}
	atomic_store_explicit(&p->inside, p->started, memory_order_relaxed);
	atomic_fetch_add_explicit(&p->launch, 1, memory_order_release);
	pthread_mutex_lock(&p->lock);
	if (p->asleep)
		pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->lock);
	work(p);
	for (unsigned i = 0; atomic_load_explicit(&p->inside, memory_order_acquire); i++) {
		relax();
		if (i % 4096 == 4095)   /* a worker may want this processor */
			usleep(0);
	}
}

Pool *
pool_new(int threads)
{
	Pool *p = aligned_alloc(64, sizeof *p);
	pthread_attr_t attr;

	if (!p)
		return NULL;
	memset(p, 0, sizeof *p);
	if (threads <= 0)
		threads = (int)sysconf(_SC_NPROCESSORS_ONLN);
	p->n = threads < 1 ? 1 : threads > 256 ? 256 : threads;
	p->thread = calloc((size_t)p->n, sizeof *p->thread);
	if (!p->thread) {
		free(p);
		return NULL;
	}
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	for (; p->started < p->n - 1; p->started++)
		if (pthread_create(&p->thread[p->started], &attr, worker, p))
			break;
	pthread_attr_destroy(&attr);
	if (p->started < p->n - 1) {
		pool_free(p);
		return NULL;
	}
	return p;
}

void
pool_free(Pool *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	atomic_store(&p->stop, true);
	atomic_fetch_add(&p->launch, 1);
	pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->lock);
	for (int i = 0; i < p->started; i++)
		pthread_join(p->thread[i], NULL);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->wake);
	free(p->thread);
	free(p);
}

int
pool_threads(const Pool *p)
{
	return p->n;
}
