/* cuda_driver.c -- finds NVIDIA's driver when it is needed, and speaks for it.
 *
 * The library is looked for once in a process and stays loaded: unloading a driver that
 * has threads of its own is not safe.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "runtime/core/cuda.h"

#ifdef Y12_CUDA
#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>

CudaApi cu;

static const struct { const char *symbol; size_t at; int since; } symbols[] = {
#define CU(name, symbol, since, args) { #symbol, offsetof(CudaApi, name), since },
#include "runtime/core/cuda.def"
#undef CU
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char problem[600];       /* why there is no driver; "": there is one */
static bool no_gpu;

static void
init(void)
{
	void *lib = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
	const char *name = "?", *text = "", *call = "cuInit";
	int version = 0;
	CUresult r;

	if (!lib) {
		snprintf(problem, sizeof problem, "the NVIDIA driver is not installed: %s", dlerror());
		return;
	}
	for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
		void *f = dlsym(lib, symbols[i].symbol);

		memcpy((char *)&cu + symbols[i].at, &f, sizeof f);
		if (!f && symbols[i].since <= CUDA_LEAST && !problem[0])
			snprintf(problem, sizeof problem, "the NVIDIA driver has no %s, which came with CUDA %d.%d; "
			         "CUDA %d.%d is needed", symbols[i].symbol, symbols[i].since / 1000,
			         symbols[i].since % 1000 / 10, CUDA_LEAST / 1000, CUDA_LEAST % 1000 / 10);
	}
	r = cu.DriverGetVersion ? cu.DriverGetVersion(&version) : CUDA_SUCCESS;
	if (!r && cu.DriverGetVersion && version < CUDA_LEAST)
		snprintf(problem, sizeof problem, "the NVIDIA driver is for CUDA %d.%d, and CUDA %d.%d is needed",
		         version / 1000, version % 1000 / 10, CUDA_LEAST / 1000, CUDA_LEAST % 1000 / 10);
	if (problem[0])
		return;
	if (r)
		call = "cuDriverGetVersion";
	else if (!(r = cu.Init(0)))
		return;
	cu.GetErrorName(r, &name);
	cu.GetErrorString(r, &text);
	no_gpu = r == CUDA_ERROR_NO_DEVICE;
	snprintf(problem, sizeof problem, "%s%s: %s (%s)", no_gpu ? "the NVIDIA driver finds no GPU: " : "", call, name, text);
}

y12_status
cuda_driver(y12_engine *e, int number)
{
	pthread_once(&once, init);
	return problem[0] ? y12_fail(e, Y12_NODEVICE, "cuda:%d: %s", number, problem) : Y12_OK;
}

/* What the engine takes, and what there is if a context can be asked. */
static void
memory_text(const Cuda *c, char *to, size_t size)
{
	unsigned long long takes = c->e->h.arena_bytes + c->e->h.consts.count;
	size_t avail = 0, total = 0;
	int n = takes ? snprintf(to, size, "; the engine takes %llu bytes beside its pictures and code", takes) : 0;

	if (takes && (size_t)n < size && !cu.MemGetInfo(&avail, &total))
		snprintf(to + n, size - (size_t)n, ", and of %zu now %zu are free", total, avail);
}

y12_status
cuda_fail(Cuda *c, CUresult r, const char *call)
{
	const char *name = NULL, *text = NULL;
	bool memory = r == CUDA_ERROR_OUT_OF_MEMORY;
	char more[200] = "";

	cu.GetErrorName(r, &name);
	cu.GetErrorString(r, &text);
	if (memory)
		memory_text(c, more, sizeof more);
	return y12_fail(c->e, memory ? Y12_NOMEMORY : Y12_DEVICE, "cuda:%d: %s: %s (%s)%s", c->number, call,
	                name ? name : "an unknown error", text ? text : "?", more);
}
#endif
