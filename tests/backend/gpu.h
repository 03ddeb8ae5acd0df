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
	int (*encode_tile)(void *, int, unsigned, void *, const uint64_t *, const uint64_t *, const uint32_t *,
	                   const uint32_t *, int, int, int, int);
	int (*encode_im2col)(void *, int, unsigned, void *, const uint64_t *, const uint64_t *, const int *, const int *,
	                     unsigned, unsigned, const uint32_t *, int, int, int, int);
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
	FIND(g->encode_tile, "cuTensorMapEncodeTiled");
	FIND(g->encode_im2col, "cuTensorMapEncodeIm2col");
#undef FIND
	if (init(0) || device_get(&device, 0) || attribute(&major, 75, device) || attribute(&minor, 76, device) ||
	    retain(&g->context, device) || set(g->context))
		return false;
	g->sm = 10 * major + minor;
	return true;
}

typedef struct GpuMap { _Alignas(64) char bytes[128]; } GpuMap;

static inline int
gpu_map(Gpu *g, GpuMap *out, const KBuf *b, uint64_t at)
{
	const KTmap *m = b->map;
	int size = dtype_info[b->dt].bytes, type = b->dt == DT_F16 ? 6 : b->dt == DT_BF16 ? 9 : 7;
	int swizzle = m->swizzle == 128 ? 3 : m->swizzle == 64 ? 2 : m->swizzle == 32 ? 1 : 0;
	uint64_t dim[5], stride[5];
	uint32_t box[5], step[5];

	for (int i = 0; i < 5; i++) {
		dim[i] = (uint64_t)m->dim[i];
		box[i] = (uint32_t)m->box[i];
		step[i] = (uint32_t)m->step[i];
		if (i)
			stride[i - 1] = (uint64_t)(m->stride[i] * size);
	}
	if (!g->encode_tile || !g->encode_im2col)
		return -1;
	if (m->im2col)
		return g->encode_im2col(out, type, (unsigned)m->rank, (void *)(uintptr_t)at, dim, stride, m->lower, m->upper,
		                        (unsigned)m->channels, (unsigned)m->pixels, step, 0, swizzle, 2, 0);
	return g->encode_tile(out, type, (unsigned)m->rank, (void *)(uintptr_t)at, dim, stride, box, step, 0, swizzle, 2, 0);
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
	static GpuMap map[64];
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
		if (k->buf.p[i].map) {
			step = "tensor map";
			if ((e = gpu_map(g, &map[i], &k->buf.p[i], at[i])))
				goto failed;
			param[i] = &map[i];
		}
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
