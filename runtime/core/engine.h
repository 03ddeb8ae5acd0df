/* engine.h -- an open engine; private to runtime/core.
 *
 *     open.c   maps the file, checks everything in it, builds this
 *     run.c    binds the caller's tensors and asks the device for the rest
 *     host.c   the device "host": code, threads
 *     cuda.c   the device "cuda": one arena, one graph for each entry
 *
 * Everything is reserved when the engine is opened; running allocates nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_ENGINE_H
#define Y12_ENGINE_H

#include <stdbool.h>
#include <stdio.h>

#include "runtime/core/format.h"
#include "runtime/yolo12c.h"

typedef void HostKernel(void *const *arg, const int64_t task[3]);
typedef struct Pool Pool;

/* What a device does for an open engine.  The callers have checked the image, and for an entry
 * that every tensor it needs is in bound[] with its sizes in dims[].  After an error of open, and
 * after Y12_DEVICE, only close is called. */
typedef struct Device {
	const char *name;
	y12_status (*open)(y12_engine *e, const y12_options *opt, int number);
	void (*close)(y12_engine *e);
	/* brings the inputs to where kernels read them */
	y12_status (*upload)(y12_engine *e, const y12e_entry *n);
	/* all launches, in order; fn: called for each, with the time it took; fills e->seconds */
	y12_status (*launch)(y12_engine *e, const y12e_entry *n, y12_profile_fn *fn, void *user);
	/* waits, and brings the wanted outputs to the caller */
	y12_status (*fetch)(y12_engine *e, const y12e_entry *n);
	/* all launches, `repeats` times in a row; time of each */
	y12_status (*bench)(y12_engine *e, const y12e_entry *n, size_t repeats, double *seconds);
	/* what there is, without opening it; e: for messages alone */
	y12_status (*find)(y12_engine *e, int number, y12_gpu *out);
	/* a fact (y12_device), NULL: not known */
	const char *(*fact)(const y12_engine *e, const char *what);
} Device;
extern const Device device_host, device_cuda;

struct y12_engine {
	const uint8_t *image;           /* the file in memory */
	size_t image_bytes;
	bool mapped;                    /* ours to unmap */
	y12e_header h;
	const char *strings;
	const y12e_tensor *tensors;
	const y12e_entry *entries;
	const y12e_launch *launches;
	const y12e_arg *args;
	const y12e_kernel *kernels;
	const y12e_meta *metas;
	const y12e_tmap *tmaps;
	const uint32_t *waits;
	const uint8_t *consts;

	int64_t (*dims)[Y12_MAX_RANK];  /* one for each tensor: sizes in this run */
	const void **bound;             /* one for each tensor: the caller's memory; an input that was left
	                                 * out: its default; an output that is not wanted: NULL */
	const Device *device;           /* NULL: none was opened */
	void *state;                    /* the device's own */
	size_t device_bytes;            /* memory that it reserved */
	bool lost;                      /* a call of the driver failed: nothing works any more */

	double seconds[3], all;         /* of the last run, by phase */
	char message[1024];
};

y12_status y12_fail(y12_engine *e, y12_status s, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

bool y12_tensor_fixed(const y12e_tensor *t);    /* its sizes are known */
size_t y12_tensor_bytes(const y12e_tensor *t, const int64_t *dim);      /* at these sizes */

Pool *pool_new(int threads);            /* NULL: threads can't be made */
void pool_free(Pool *p);
void pool_run(Pool *p, HostKernel *k, void *const *arg, const uint32_t grid[3]);
int pool_threads(const Pool *p);

double y12_clock(void);                 /* seconds, monotonic */

#endif
