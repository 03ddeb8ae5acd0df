/* host.c -- the device "host": picks the code for this CPU, makes it executable, and
 * hands launches to the pool.
 *
 * Inputs are read where the caller keeps them; outputs are copied out of the arena at
 * the end.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "runtime/core/engine.h"

typedef struct Host {
	uint8_t *arena;
	void **ptr;                     /* one for each arg: where it points in this run */
	uint8_t *code;                  /* executable copy */
	size_t code_bytes;
	HostKernel **kernel;            /* one for each kernel */
	Pool *pool;
} Host;

/* How well code for a target suits this CPU: 0 = it does not run here. */
static int
suits(const char *target)
{
#if defined(__x86_64__)
	if (strcmp(target, "host:x86-64-v2") == 0)
		return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt") ? 2 : 0;
	if (strcmp(target, "host:x86-64-v3") == 0)
		return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
		       __builtin_cpu_supports("bmi2") ? 3 : 0;
	if (strcmp(target, "host:x86-64-v4") == 0)
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
		       __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
		       __builtin_cpu_supports("avx512cd") ? 4 : 0;
#elif defined(__aarch64__)
	if (strcmp(target, "host:aarch64") == 0)
		return 1;
#endif
	(void)target;
	return 0;
}

/* the arena, and the pointers that no run changes */
static y12_status
reserve(y12_engine *e, Host *h)
{
	size_t arena = e->h.arena_bytes ? e->h.arena_bytes : Y12E_ALIGN;

	h->arena = mmap(NULL, arena, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (h->arena == MAP_FAILED) {
		h->arena = NULL;
		return y12_fail(e, Y12_NOMEMORY, "the arena of %zu bytes can't be reserved: %s", arena, strerror(errno));
	}
	madvise(h->arena, arena, MADV_HUGEPAGE);
	e->device_bytes = arena;
	h->ptr = calloc(e->h.args.count + 1, sizeof *h->ptr);
	if (!h->ptr)
		return y12_fail(e, Y12_NOMEMORY, "out of memory");
	for (uint64_t i = 0; i < e->h.args.count; i++) {
		const y12e_arg *a = &e->args[i];

		if (a->kind == Y12E_ARENA)
			h->ptr[i] = h->arena + a->offset;
		else if (a->kind == Y12E_CONST)
			h->ptr[i] = (void *)(uintptr_t)(e->consts + a->offset);
		else if (a->kind == Y12E_TMAP)
			return y12_fail(e, Y12_NODEVICE, "the engine is for a GPU: it copies by tensor maps, "
			                "which a host has not");
	}
	return Y12_OK;
}

static y12_status
load(y12_engine *e, Host *h)
{
	const y12e_code *codes = (const y12e_code *)(e->image + e->h.codes.offset), *best = NULL;
	const uint64_t *entry;
	char list[200] = "";
	int score = 0;

	for (uint64_t i = 0; i < e->h.codes.count; i++) {
		const char *target = e->strings + codes[i].target;
		int s = suits(target);

		if (s > score) {
			score = s;
			best = &codes[i];
		}
		if (strlen(list) + strlen(target) + 3 < sizeof list) {
			strcat(list, *list ? ", " : "");
			strcat(list, target);
		}
	}
	if (!best)
		return y12_fail(e, Y12_NODEVICE, "the engine holds no code that this CPU runs (it has: %s); "
		                "compile it for this machine", *list ? list : "none");
	h->code_bytes = (best->blob.count + Y12E_PAGE - 1) / Y12E_PAGE * Y12E_PAGE;
	if (!h->code_bytes)
		h->code_bytes = Y12E_PAGE;
	h->code = mmap(NULL, h->code_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (h->code == MAP_FAILED) {
		h->code = NULL;
		return y12_fail(e, Y12_NOMEMORY, "%zu bytes for code can't be reserved: %s",
		                h->code_bytes, strerror(errno));
	}
	memcpy(h->code, e->image + best->blob.offset, best->blob.count);
	if (mprotect(h->code, h->code_bytes, PROT_READ | PROT_EXEC))
		return y12_fail(e, Y12_NODEVICE, "code can't be made executable on this system: %s",
		                strerror(errno));
	__builtin___clear_cache((char *)h->code, (char *)h->code + h->code_bytes);
	h->kernel = calloc(e->h.kernels.count + 1, sizeof *h->kernel);
	if (!h->kernel)
		return y12_fail(e, Y12_NOMEMORY, "out of memory");
	entry = (const uint64_t *)(e->image + best->entry.offset);
	for (uint64_t i = 0; i < e->h.kernels.count; i++)
		h->kernel[i] = (HostKernel *)(void *)(h->code + entry[i]);
	return Y12_OK;
}

static y12_status
host_open(y12_engine *e, const y12_options *opt, int number)
{
	int threads = number ? number : opt->threads;
	Host *h = e->state = calloc(1, sizeof *h);
	y12_status s;

	if (!h)
		return y12_fail(e, Y12_NOMEMORY, "out of memory");
	if ((s = load(e, h)) || (s = reserve(e, h)))
		return s;
	h->pool = pool_new(threads);
	if (!h->pool)
		return y12_fail(e, Y12_NOMEMORY, "%d threads can't be started", threads);
	return Y12_OK;
}

static void
host_close(y12_engine *e)
{
	Host *h = e->state;

	if (!h)
		return;
	pool_free(h->pool);
	if (h->code)
		munmap(h->code, h->code_bytes);
	if (h->arena)
		munmap(h->arena, e->device_bytes);
	free(h->kernel);
	free(h->ptr);
	free(h);
}

static y12_status
host_upload(y12_engine *e, const y12e_entry *n)
{
	Host *h = e->state;

	for (uint32_t l = n->launch; l < n->launch + n->nlaunch; l++)
		for (uint32_t k = e->launches[l].arg; k < e->launches[l].arg + e->launches[l].narg; k++) {
			const y12e_arg *a = &e->args[k];

			if (a->kind == Y12E_INPUT)
				h->ptr[k] = (uint8_t *)(uintptr_t)e->bound[n->tensor + a->tensor] + a->offset;
			else if (a->kind == Y12E_DIMS)
				h->ptr[k] = e->dims[n->tensor + a->tensor];
		}
	return Y12_OK;
}

static y12_status
host_launch(y12_engine *e, const y12e_entry *n, y12_profile_fn *fn, void *user)
{
	Host *h = e->state;

	for (uint32_t i = n->launch; i < n->launch + n->nlaunch; i++) {
		const y12e_launch *l = &e->launches[i];
		double start = y12_clock(), took;

		pool_run(h->pool, h->kernel[l->kernel], h->ptr + l->arg, e->kernels[l->kernel].grid);
		took = y12_clock() - start;
		e->seconds[l->phase] += took;
		if (fn)
			fn(user, e->strings + e->kernels[l->kernel].name, e->strings + l->layer, took);
	}
	return Y12_OK;
}

static y12_status
host_fetch(y12_engine *e, const y12e_entry *n)
{
	Host *h = e->state;

	for (uint32_t j = n->tensor; j < n->tensor + n->ntensor; j++) {
		const y12e_tensor *t = &e->tensors[j];

		if (t->flags & Y12E_OUTPUT && e->bound[j])
			memcpy((void *)(uintptr_t)e->bound[j], h->arena + t->offset, y12_tensor_bytes(t, t->dim));
	}
	return Y12_OK;
}

static y12_status
host_bench(y12_engine *e, const y12e_entry *n, size_t repeats, double *seconds)
{
	for (size_t i = 0; i < repeats; i++) {
		double start = y12_clock();

		memset(e->seconds, 0, sizeof e->seconds);
		host_launch(e, n, NULL, NULL);
		seconds[i] = y12_clock() - start;
	}
	return Y12_OK;
}

static y12_status
host_find(y12_engine *e, int number, y12_gpu *out)
{
	(void)e, (void)number, (void)out;
	return Y12_OK;
}

static const char *
host_fact(const y12_engine *e, const char *what)
{
	(void)e, (void)what;
	return NULL;
}

const Device device_host = {
	.name = "host", .open = host_open, .close = host_close, .upload = host_upload, .launch = host_launch,
	.fetch = host_fetch, .bench = host_bench, .find = host_find, .fact = host_fact,
};
