/* gpu.h -- the GPU of this machine, if it has one, for tests: PTX in, results out.
 *
 * The CUDA driver is opened when it is asked for, so that the tests run anywhere.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TESTS_BACKEND_GPU_H
#define TESTS_BACKEND_GPU_H

#include <dlfcn.h>
#include <stdio.h>

#include "backend/backend.h"

typedef struct Gpu {
	void *lib, *context;
	int sm;                         /* 90 */
	char why[200];                  /* what went wrong last */
	int (*module_load)(void **, const void *, unsigned, int *, void **);
	int (*module_unload)(void *);
	int (*get_function)(void **, void *, const char *);
	int (*set_attribute)(void *, int, int);
	int (*alloc)(uint64_t *, size_t);
	int (*free_)(uint64_t);
	int (*to_device)(uint64_t, const void *, size_t);
	int (*from_device)(void *, uint64_t, size_t);
	int (*launch)(void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *, void **,
	              void **);
	int (*synchronize)(void);
	int (*event_create)(void **, unsigned);
	int (*event_record)(void *, void *);
	int (*event_synchronize)(void *);
	int (*event_time)(float *, void *, void *);
} Gpu;

/* False: there is none. */
static inline bool
gpu_open(Gpu *g)
{
	int (*init)(unsigned), (*device_get)(int *, int), (*attribute)(int *, int, int);
	int (*retain)(void **, int), (*set)(void *), device, major, minor;

	*g = (Gpu){ .lib = dlopen("libcuda.so.1", RTLD_NOW) };
	if (!g->lib)
		return false;
#define FIND(f, name) (*(void **)&(f) = dlsym(g->lib, name))
	if (!FIND(init, "cuInit") || !FIND(device_get, "cuDeviceGet") || !FIND(attribute, "cuDeviceGetAttribute") ||
	    !FIND(retain, "cuDevicePrimaryCtxRetain") || !FIND(set, "cuCtxSetCurrent") ||
	    !FIND(g->module_load, "cuModuleLoadDataEx") || !FIND(g->module_unload, "cuModuleUnload") ||
	    !FIND(g->get_function, "cuModuleGetFunction") || !FIND(g->set_attribute, "cuFuncSetAttribute") ||
	    !FIND(g->alloc, "cuMemAlloc_v2") || !FIND(g->free_, "cuMemFree_v2") ||
	    !FIND(g->to_device, "cuMemcpyHtoD_v2") || !FIND(g->from_device, "cuMemcpyDtoH_v2") ||
	    !FIND(g->launch, "cuLaunchKernel") || !FIND(g->synchronize, "cuCtxSynchronize") ||
	    !FIND(g->event_create, "cuEventCreate") || !FIND(g->event_record, "cuEventRecord") ||
	    !FIND(g->event_synchronize, "cuEventSynchronize") || !FIND(g->event_time, "cuEventElapsedTime"))
		return false;
#undef FIND
	if (init(0) || device_get(&device, 0) || attribute(&major, 75, device) || attribute(&minor, 76, device) ||
	    retain(&g->context, device) || set(g->context))
		return false;
	g->sm = 10 * major + minor;
	return true;
}

/* Runs a kernel on copies of its arguments, and brings them back.  code: PTX or a cubin.  With `us` it is
 * timed: so many launches, and *us gets the mean.  False: g->why. */
static inline bool
gpu_run(Gpu *g, const Kernel *k, const void *code, const KArg *arg, size_t n, int launches, double *us)
{
	char log[4000] = "";
	int option[2] = { 5, 6 };       /* error log: buffer, size */
	void *value[2] = { log, (void *)sizeof log }, *module, *fn, *param[64], *event[2];
	uint64_t at[64] = { 0 };
	const char *step = "load";
	const int32_t *grid = k->grid, *block = k->block;
	unsigned shared = (unsigned)kernel_shared_bytes(k);
	int e = g->module_load(&module, code, 2, option, value);

	if (e)
		goto failed;
	step = "function";
	if ((e = g->get_function(&fn, module, k->name)))
		goto failed;
	step = "shared memory";
	if (shared > 48 << 10 && (e = g->set_attribute(fn, 8, (int)shared)))
		goto failed;
	step = "memory";
	for (size_t i = 0; i < n; i++) {
		if ((e = g->alloc(&at[i], arg[i].bytes)) || (e = g->to_device(at[i], arg[i].data, arg[i].bytes)))
			goto failed;
		param[i] = &at[i];
	}
	step = "launch";
	if (us && (g->event_create(&event[0], 0) || g->event_create(&event[1], 0)))
		goto failed;
	for (int i = -2; i < (us ? launches : -1); i++) {
		if (i == 0)
			g->event_record(event[0], NULL);
		e = g->launch(fn, (unsigned)grid[0], (unsigned)grid[1], (unsigned)grid[2], (unsigned)block[0],
		              (unsigned)block[1], (unsigned)block[2], shared, NULL, param, NULL);
		if (e)
			goto failed;
	}
	step = "run";
	if (us) {
		float ms;

		g->event_record(event[1], NULL);
		if ((e = g->event_synchronize(event[1])) || (e = g->event_time(&ms, event[0], event[1])))
			goto failed;
		*us = (double)ms * 1e3 / launches;
	}
	if ((e = g->synchronize()))
		goto failed;
	for (size_t i = 0; i < n; i++)
		if ((e = g->from_device(arg[i].data, at[i], arg[i].bytes)))
			goto failed;
	for (size_t i = 0; i < n; i++)
		g->free_(at[i]);
	g->module_unload(module);
	return true;
failed:
	snprintf(g->why, sizeof g->why, "%s: %s: CUDA error %d %.100s", k->name, step, e, log);
	return false;
}

#endif
