/* engine.h -- an open engine; private to runtime/core.
 *
 *     open.c   maps the file, checks everything in it, builds this
 *     run.c    binds the caller's tensors and walks the launches
 *     host.c   the device "host": code, threads
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
	const uint8_t *consts;

	uint8_t *arena;
	void **ptr;                     /* one for each arg: where it points in this run */
	int64_t (*dims)[Y12_MAX_RANK];  /* one for each tensor: sizes in this run */
	const void **bound;             /* one for each tensor: the caller's memory */

	uint8_t *code;                  /* executable copy */
	size_t code_bytes;
	HostKernel **kernel;            /* one for each kernel */
	Pool *pool;

	double seconds[3], all;         /* of the last run, by phase */
	char message[512];
};

y12_status y12_fail(y12_engine *e, y12_status s, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* host.c */
y12_status host_open(y12_engine *e, int threads);
void host_close(y12_engine *e);
void host_launch(y12_engine *e, const y12e_launch *l);

Pool *pool_new(int threads);            /* NULL: threads can't be made */
void pool_free(Pool *p);
void pool_run(Pool *p, HostKernel *k, void *const *arg, const uint32_t grid[3]);
int pool_threads(const Pool *p);

double y12_clock(void);                 /* seconds, monotonic */

#endif
