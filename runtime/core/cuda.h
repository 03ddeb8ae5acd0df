/* cuda.h -- the CUDA driver as we declare it, and an engine on a GPU; private to cuda*.c.
 *
 *     cuda.def        the functions that we use
 *     cuda_driver.c   finds the driver when it runs, and puts its errors into words
 *     cuda_code.c     chooses code for the GPU, compiles PTX, loads modules
 *     cuda.c          memory, graphs, runs
 *
 * Nothing here needs NVIDIA's headers: these few types and numbers are the driver's binary
 * interface, which it has kept for as long as the functions exist.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_CUDA_H
#define Y12_CUDA_H

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "runtime/core/engine.h"

typedef int CUresult, CUdevice;
typedef unsigned long long CUdeviceptr;
typedef struct CUctx_st *CUcontext;
typedef struct CUmod_st *CUmodule;
typedef struct CUfunc_st *CUfunction;
typedef struct CUstream_st *CUstream;
typedef struct CUevent_st *CUevent;
typedef struct CUgraph_st *CUgraph;
typedef struct CUgraphExec_st *CUgraphExec;
typedef struct CUlinkState_st *CUlinkState;

/* passed to kernels by value */
typedef struct CUtensorMap { _Alignas(128) uint64_t opaque[16]; } CUtensorMap;

typedef struct CUlaunchAttribute {
	int id;
	char pad[4];
	union { char pad[64]; struct { unsigned x, y, z; } cluster; int programmatic; } value;
} CUlaunchAttribute;

typedef struct CUlaunchConfig {
	unsigned grid[3], block[3], shared;
	CUstream stream;
	CUlaunchAttribute *attrs;
	unsigned nattr;
} CUlaunchConfig;

enum {
	CUDA_SUCCESS = 0,
	CUDA_ERROR_INVALID_VALUE = 1,
	CUDA_ERROR_OUT_OF_MEMORY = 2,
	CUDA_ERROR_NO_DEVICE = 100,
	CUDA_ERROR_INVALID_DEVICE = 101,
	CUDA_ERROR_INVALID_IMAGE = 200,
	CUDA_ERROR_INVALID_CONTEXT = 201,
	CUDA_ERROR_NO_BINARY_FOR_GPU = 209,
	CUDA_ERROR_INVALID_PTX = 218,
	CUDA_ERROR_UNSUPPORTED_PTX_VERSION = 222,
	CUDA_ERROR_INVALID_HANDLE = 400,
	CUDA_ERROR_NOT_FOUND = 500,
	CUDA_ERROR_ILLEGAL_ADDRESS = 700,
	CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED = 900,
	CUDA_ERROR_STREAM_CAPTURE_UNJOINED = 904,
	CUDA_ERROR_UNKNOWN = 999,

	CU_MAJOR = 75, CU_MINOR = 76, CU_SHARED_OPTIN = 97,     /* device attributes */
	CU_CLOCK = 13, CU_PROCESSORS = 16, CU_MEMORY_CLOCK = 36,
	CU_MAX_DYNAMIC_SHARED = 8, CU_NON_PORTABLE_CLUSTER = 14,        /* function attributes */
	CU_ATTR_CLUSTER = 4, CU_ATTR_PROGRAMMATIC = 6,          /* launch attributes */
	CU_JIT_ERROR_LOG = 5, CU_JIT_ERROR_LOG_SIZE = 6,
	CU_INPUT_PTX = 1,
	CU_NON_BLOCKING = 1,
	CU_CAPTURE_THREAD_LOCAL = 1,
	CU_RECORD_EXTERNAL = 1,         /* in a captured stream: a node of the graph */
	CU_SWIZZLE_NONE = 0, CU_L2_128B = 2,
};

/* The oldest driver that has what every engine needs. */
enum { CUDA_LEAST = 11080 };

typedef struct CudaApi {
#define CU(name, symbol, since, args) CUresult (*name) args;
#include "runtime/core/cuda.def"
#undef CU
} CudaApi;
extern CudaApi cu;

/* An engine on a GPU. */
typedef struct Cuda {
	y12_engine *e;
	int number;                     /* of the GPU */
	CUdevice dev;
	CUcontext ctx;                  /* the primary one: shared in the process */
	int sm, driver, shared_most;
	char name[100];

	CUmodule *module;
	size_t nmodule;
	CUfunction *function;           /* one for each kernel */
	int code_sm;                    /* that the code was made for */
	char code[200];

	CUstream stream;
	CUstream side[Y12E_LANES - 1];  /* the other lanes of a graph are captured here; made when there are some */
	CUevent begin, fork, *done;     /* of a phase; of a lane, for another to wait; by launch of an entry, likewise */
	uint32_t ndone;
	CUdeviceptr arena, consts;
	CUdeviceptr input;              /* per entry: its dims, then its inputs; they share the memory */
	uint64_t *slot, *room;          /* one for each tensor: an input's offset there, and its bytes */
	uint8_t *pinned;                /* between the caller and the GPU */
	size_t pinned_bytes, pinned_at;

	CUdeviceptr *addr;              /* of the launch that is being captured */
	CUtensorMap *tmap;
	void **param;

	struct CudaEntry { CUgraphExec graph; bool border[3]; } *entry;
	CUevent start, end, border[3];  /* border[p]: phase p begins, in the graph */
	bool replayed;                  /* the graph, in this run: the events tell of it */
	char fact[100];
} Cuda;

/* cuda_driver.c */
y12_status cuda_driver(y12_engine *e, int number);      /* finds and initialises it */
y12_status cuda_fail(Cuda *c, CUresult r, const char *call);    /* Y12_NOMEMORY if it is that, else Y12_DEVICE */

/* Calls the driver; leaves the function if that fails. */
#define CUDA_TRY(c, name, ...)                                                  \
	do {                                                                    \
		CUresult result_ = cu.name(__VA_ARGS__);                        \
		if (result_)                                                    \
			return cuda_fail((c), result_, "cu" #name);             \
	} while (0)

/* cuda_code.c: modules and functions */
y12_status cuda_load(Cuda *c, const char *cache_dir);

#endif
