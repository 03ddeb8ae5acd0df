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

/* PTX for a GPU: text that the driver, or ptxas, makes machine code from.  The kernel is an entry of its own
 * name; its parameters are the addresses of its global buffers, 64 bits each, and it wants
 * kernel_shared_bytes() of dynamic shared memory. */
typedef struct NvOptions {
	int threads;            /* compile in parallel; 0: one a processor */
	const char *cache_dir;  /* NULL: no cache */
	bool pdl;               /* where the target can: each kernel may be launched while the one before
	                         * it runs (and also in the usual way) */
} NvOptions;

typedef struct NvCode {
	size_t n;
	const char **ptx;       /* a module for each kernel … */
	const char *module;     /* … and all of them in one */
	bool cached;
	const char *note;       /* why the cache could not be written, or NULL */
} NvCode;

bool nvptx_compile(Arena *a, const Target *t, Kernel *const *k, size_t n, const NvOptions *o, NvCode *out,
                   const char **err);

/* LLVM IR before and after optimisation, PTX. */
typedef enum { NV_TEXT_LL, NV_TEXT_LL_OPT, NV_TEXT_PTX } NvText;
const char *nvptx_text(Arena *a, const Target *t, const Kernel *k, NvText what, const NvOptions *o, const char **err);

/* The ptxas of this machine: $YOLO12C_PTXAS, else in PATH, else in /usr/local/cuda/bin.  NULL: there is none. */
const char *ptxas_path(Arena *a);

typedef struct Cubin { const void *p; size_t bytes; } Cubin;

/* Machine code of n PTX modules, by a ptxas for each, o->threads of them at a time.  log, if not NULL, gets for
 * each what ptxas says of registers, spills and shared memory ("" if it came from the cache). */
bool ptx_assemble(Arena *a, const Target *t, const char *const *ptx, size_t n, const NvOptions *o, Cubin *out,
                  const char **log, const char **err);

/* YOLO12C_CACHE_DIR, else $XDG_CACHE_HOME/yolo12c, else ~/.cache/yolo12c; NULL: none of them is set. */
const char *cache_dir_default(Arena *a);

const char *backend_version(void);      /* of LLVM and of this back end: part of cache keys */

#endif
