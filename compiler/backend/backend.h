/* backend.h -- kernels become machine code.
 *
 * Host code leaves as one position-independent blob with an entry point a kernel:
 *
 *     void entry(void *const *arg, const int64_t task[3]);
 *
 * arg[i] is global buffer i, task the coordinates of the task.  The blob calls
 * nothing, has no writable data and needs no relocation, so that the runtime maps it
 * and runs it without a linker.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_BACKEND_H
#define Y12_BACKEND_H

#include "kir/kir.h"
#include "target/target.h"

typedef struct HostCode {
	void *code;             /* in the arena */
	size_t bytes;
	size_t *entry;          /* offset of kernel i's entry point */
	bool cached;            /* all of it came from the cache */
	const char *note;       /* why the cache could not be written (in the arena), or NULL */
} HostCode;

typedef struct HostOptions {
	int threads;            /* compile in parallel; 0: one a processor */
	const char *cache_dir;  /* NULL: no cache */
} HostOptions;

/* Compiles kernels for a host target.  False: *err says why (in a). */
bool host_compile(Arena *a, const Target *t, Kernel *const *k, size_t n,
                  const HostOptions *o, HostCode *out, const char **err);

/* Text of one kernel on its way, for `dump`: LLVM IR before and after optimisation, assembly. */
typedef enum { HOST_TEXT_LL, HOST_TEXT_LL_OPT, HOST_TEXT_ASM } HostText;
char *host_text(Arena *a, const Target *t, const Kernel *k, HostText what, const char **err);

/* YOLO12C_CACHE_DIR, else $XDG_CACHE_HOME/yolo12c, else ~/.cache/yolo12c; NULL: none of them is set. */
const char *cache_dir_default(Arena *a);

const char *backend_version(void);      /* of LLVM and of this back end: part of cache keys */

#endif
