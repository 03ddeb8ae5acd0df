/* run.h -- compiled kernels, mapped and callable, for the tests of this room.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TESTS_BACKEND_RUN_H
#define TESTS_BACKEND_RUN_H

#include <stdlib.h>
#include <sys/mman.h>

#include "backend/backend.h"

typedef void KernelFn(void *const *arg, const int64_t task[3]);

typedef struct Code {
	HostCode host;
	void *map;
	KernelFn **fn;
} Code;

static inline void
code_map(Arena *a, Code *c, size_t n)
{
	c->map = mmap(NULL, c->host.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy(c->map, c->host.code, c->host.bytes);
	mprotect(c->map, c->host.bytes, PROT_READ | PROT_EXEC);
	c->fn = NEWN(a, KernelFn *, n);
	for (size_t i = 0; i < n; i++)
		c->fn[i] = (KernelFn *)(uintptr_t)((uintptr_t)c->map + c->host.entry[i]);
}

/* Compiles and maps, or ends the program. */
static inline void
code_open(Arena *a, Code *c, const Target *t, Kernel *const *k, size_t n)
{
	const char *err;

	if (!host_compile(a, t, k, n, NULL, &c->host, &err)) {
		fprintf(stderr, "%s: %s\n", t->name, err);
		for (size_t i = 0; i < n; i++)
			kernel_print(stderr, k[i]);
		exit(1);
	}
	code_map(a, c, n);
}

static inline void
code_close(Code *c)
{
	munmap(c->map, c->host.bytes);
}

#endif
