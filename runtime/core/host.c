/* host.c -- the device "host": picks the code for this CPU, makes it executable, and
 * hands launches to the pool.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "runtime/core/engine.h"

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

y12_status
host_open(y12_engine *e, int threads)
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
	e->code_bytes = (best->blob.count + Y12E_PAGE - 1) / Y12E_PAGE * Y12E_PAGE;
	if (!e->code_bytes)
		e->code_bytes = Y12E_PAGE;
	e->code = mmap(NULL, e->code_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (e->code == MAP_FAILED) {
		e->code = NULL;
		return y12_fail(e, Y12_NOMEMORY, "%zu bytes for code can't be reserved: %s",
		                e->code_bytes, strerror(errno));
	}
	memcpy(e->code, e->image + best->blob.offset, best->blob.count);
	if (mprotect(e->code, e->code_bytes, PROT_READ | PROT_EXEC))
		return y12_fail(e, Y12_NODEVICE, "code can't be made executable on this system: %s",
		                strerror(errno));
	__builtin___clear_cache((char *)e->code, (char *)e->code + e->code_bytes);
	e->kernel = calloc(e->h.kernels.count ? e->h.kernels.count : 1, sizeof *e->kernel);
	if (!e->kernel)
		return y12_fail(e, Y12_NOMEMORY, "out of memory");
	entry = (const uint64_t *)(e->image + best->entry.offset);
	for (uint64_t i = 0; i < e->h.kernels.count; i++)
		e->kernel[i] = (HostKernel *)(void *)(e->code + entry[i]);
	e->pool = pool_new(threads);
	if (!e->pool)
		return y12_fail(e, Y12_NOMEMORY, "%d threads can't be started", threads);
	return Y12_OK;
}

void
host_close(y12_engine *e)
{
	pool_free(e->pool);
	free(e->kernel);
	if (e->code)
		munmap(e->code, e->code_bytes);
}

void
host_launch(y12_engine *e, const y12e_launch *l)
{
	pool_run(e->pool, e->kernel[l->kernel], e->ptr + l->arg, e->kernels[l->kernel].grid);
}
