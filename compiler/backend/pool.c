/* pool.c -- many kernels, by many threads, past the cache.
 *
 *     kernels -- key --> seen before? -> cache --------------------------> pieces
 *                                          `-> verify, then each by any thread --^
 *
 * Each kernel is a module of its own, so that each can be compiled by any thread, kept by itself in the
 * cache, and two layers of the same shape compile once.  Threads take kernels from the largest down.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { THREADS_MAX = 64 };

typedef struct Job {
	const Kernel *k;
	char key[33];
	size_t insts;
	Piece piece;
} Job;

typedef struct Pool {
	const Target *t;
	const PoolWork *w;
	Job **todo;             /* largest first */
	size_t n;
	atomic_size_t next;
	atomic_bool stop;
} Pool;

typedef struct Worker {
	Pool *pool;
	Arena *a;               /* pieces and messages; freed by who started it */
	const char *err;
	pthread_t thread;
	bool started;
} Worker;

static void *
work(void *arg)
{
	Worker *w = arg;
	Pool *p = w->pool;
	Machine m;

	w->err = p->w->open(&m, w->a, p->t);
	while (!w->err && !p->stop) {
		size_t i = p->next++;

		if (i >= p->n)
			break;
		w->err = p->w->compile(&m, p->todo[i]->k, p->w->salt, &p->todo[i]->piece);
	}
	if (w->err)
		p->stop = true;
	machine_close(&m);
	return NULL;
}

static int
larger_first(const void *x, const void *y)
{
	const Job *a = *(Job *const *)x, *b = *(Job *const *)y;

	return a->insts != b->insts ? (a->insts < b->insts) - (a->insts > b->insts) : strcmp(a->key, b->key);
}

/* compiles todo[0 .. n), pieces into arena a */
static const char *
compile_all(Arena *a, Pool *pool, int threads)
{
	Worker w[THREADS_MAX];
	const char *err = NULL;

	if (threads <= 0)
		threads = (int)sysconf(_SC_NPROCESSORS_ONLN);
	threads = MAX(1, MIN(threads, MIN(THREADS_MAX, (int)MIN(pool->n, THREADS_MAX))));
	qsort(pool->todo, pool->n, sizeof *pool->todo, larger_first);
	for (int i = 0; i < threads; i++) {
		w[i] = (Worker){ .pool = pool, .a = arena_new() };
		/* the last is this thread; one that cannot start is done without */
		if (i < threads - 1)
			w[i].started = pthread_create(&w[i].thread, NULL, work, &w[i]) == 0;
	}
	work(&w[threads - 1]);
	for (int i = 0; i < threads; i++) {
		if (w[i].started)
			pthread_join(w[i].thread, NULL);
		if (w[i].err && !err)
			err = arena_str(a, w[i].err);
	}
	for (size_t i = 0; i < pool->n && !err; i++)
		pool->todo[i]->piece.p = arena_dup(a, pool->todo[i]->piece.p, pool->todo[i]->piece.bytes);
	for (int i = 0; i < threads; i++)
		arena_free(w[i].a);
	return err;
}

bool
pool_compile(Arena *a, const Target *t, const PoolWork *w, Kernel *const *k, size_t n, int threads,
             const char *cache_dir, PoolResult *out, const char **err)
{
	Arena *tmp = arena_new();
	Job *job = NEWN(tmp, Job, n + 1), **todo = NEWN(tmp, Job *, n + 1);
	Pool pool = { .t = t, .w = w, .todo = todo };
	Map *seen = map_new(tmp);

	*out = (PoolResult){ .piece = NEWN(a, Piece, n + 1), .same = NEWN(a, size_t, n + 1), .cached = true };
	*err = NULL;
	for (size_t i = 0; i < n && !*err; i++) {
		Job *j = &job[i], *first;

		j->k = k[i];
		cache_key(tmp, t, w->salt, k[i], j->key);
		first = map_get(seen, j->key);
		out->same[i] = first ? (size_t)(first - job) : i;
		if (first)
			continue;
		map_set(seen, j->key, j);
		if (cache_dir && cache_get(a, cache_dir, j->key, &j->piece))
			continue;
		if (!kernel_verify(k[i], err))
			*err = arena_str(a, *err);
		j->insts = kernel_insts(k[i]);
		todo[pool.n++] = j;
	}
	if (!*err && pool.n > 0) {
		*err = compile_all(a, &pool, threads);
		out->cached = false;
		for (size_t i = 0; i < pool.n && cache_dir && !out->note && !*err; i++)
			out->note = cache_put(a, cache_dir, todo[i]->key, &todo[i]->piece);
	}
	for (size_t i = 0; i < n; i++)
		out->piece[i] = job[out->same[i]].piece;
	arena_free(tmp);
	return *err == NULL;
}
