/* libcuda_standin.c -- the driver of standin.h.
 *
 * Strict where the runtime makes a promise: a context must be current, handles must be
 * alive, copies must stay inside their memory, nothing but launches and events may
 * happen in a captured stream, a launch must have its kernel's grid, block and shared
 * memory.  A failing kernel makes every later call fail, as on a real GPU.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include "base/base.h"
#include "base/diag.h"
#include "kir/kir.h"
#include "runtime/core/cuda.h"
#include "tests/cuda/standin.h"

#define EXPORT __attribute__((visibility("default")))

#define CU(name, symbol, since, args) EXPORT CUresult symbol args;
#include "runtime/core/cuda.def"
#undef CU
EXPORT StandinFn y12_standin;
EXPORT StandinFailedFn y12_standin_failed;
EXPORT StandinComplaintFn y12_standin_complaint;

#define CUBIN "\177ELFy12-kir sm_%ld\n"
static const char KIR[] = "// y12-kir\n";
static const uint64_t DEVICE = (uint64_t)1 << 62, MAP_MAGIC = 0xf0f07a9e5e9a7b01;

/* ---- what there is ------------------------------------------------------------------------ */

typedef enum Kind { ALLOC, PINNED, MODULE, FUNCTION, STREAM, EVENT, GRAPH, EXEC, LINK } Kind;

typedef struct Object Object;

typedef VEC(uint32_t) Set;              /* of ops of a graph */

typedef enum OpKind { OP_launch, OP_to_device, OP_to_host, OP_event } OpKind;
typedef struct Op {
	OpKind kind;
	Object *object;                 /* function or event */
	uint8_t (*param)[sizeof(CUtensorMap)];
	CUdeviceptr device;
	void *host;
	size_t bytes;
	Set behind;                     /* in a graph: ops that run before it */
} Op;

struct Object {
	Kind kind;
	Object *next;
	uint8_t *p;                     /* ALLOC, PINNED; LINK: what it made */
	size_t bytes;
	Arena *a;                       /* MODULE */
	KernelList *kernels;
	Object *module;                 /* FUNCTION */
	const Kernel *kernel;
	int dynamic;                    /* FUNCTION: shared memory it may ask for */
	double time;                    /* EVENT: -1: never */
	VEC(Op) op;                     /* STREAM, GRAPH, EXEC */
	Object *capture;                /* STREAM: a GRAPH; EVENT: that it was recorded in */
	Set tail;                       /* STREAM, EVENT: ops of it that whatever comes next runs behind */
	bool branch;                    /* STREAM: captured since it waited for an event */
	const void *data;               /* LINK */
	char *log;
	size_t log_bytes;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Arena *arena;                    /* ops and their parameters */
static Object *objects;
static long set_sm = 90, set_gpus = 2, set_memory = 1 << 28, set_driver = 12040, set_fail, set_error = CUDA_ERROR_UNKNOWN;
static long calls, launches, early, maps, links, memory_used, retained;
static CUresult sticky;
static const char *failed;
static char complaint[600];
static FILE *log_file;
static _Thread_local CUcontext stack[16];
static _Thread_local int depth;

static __attribute__((constructor)) void
start(void)
{
	static const struct { const char *name; long *to; } row[] = {
		{ "Y12_STANDIN_SM", &set_sm }, { "Y12_STANDIN_GPUS", &set_gpus }, { "Y12_STANDIN_MEMORY", &set_memory },
		{ "Y12_STANDIN_DRIVER", &set_driver }, { "Y12_STANDIN_FAIL", &set_fail }, { "Y12_STANDIN_ERROR", &set_error },
	};
	const char *s;

	arena = arena_new();
	for (size_t i = 0; i < COUNT(row); i++)
		if ((s = getenv(row[i].name)))
			*row[i].to = strtol(s, NULL, 0);
	if ((s = getenv("Y12_STANDIN_LOG")) && (log_file = fopen(s, "a")))
		setvbuf(log_file, NULL, _IOLBF, 0);     /* a process may end anyhow */
}

static long
live(void)
{
	long n = retained;

	for (const Object *o = objects; o; o = o->next)
		n += o->kind != FUNCTION;
	return n;
}

static __attribute__((destructor)) void
stop(void)
{
	if (log_file) {
		fprintf(log_file, "end: %ld calls, %ld launches, %ld left\n", calls, launches, live());
		fclose(log_file);
	}
	arena_free(arena);
}

static Object *
new_object(Kind kind)
{
	Object *o = calloc(1, sizeof *o);

	if (!o)
		abort();
	o->kind = kind;
	o->time = -1;
	o->next = objects;
	return objects = o;
}

/* NULL: there is no such object */
static Object *
object(Kind kind, const void *handle)
{
	for (Object *o = objects; o; o = o->next)
		if (o == handle && o->kind == kind)
			return o;
	return NULL;
}

static void
free_object(Object *x)
{
	Object **at = &objects;

	while (*at != x)
		at = &(*at)->next;
	*at = x->next;
	if (x->kind == ALLOC)
		memory_used -= (long)x->bytes;
	if (x->a)
		arena_free(x->a);
	free(x->p);
	free(x);
}

/* host memory behind device addresses; NULL: not all of it is one allocation */
static uint8_t *
behind(CUdeviceptr d, size_t bytes, size_t *rest)
{
	for (Object *o = objects; o; o = o->next) {
		uint64_t base = DEVICE | (uintptr_t)o->p;

		if (o->kind == ALLOC && d >= base && d - base <= o->bytes && bytes <= o->bytes - (d - base)) {
			if (rest)
				*rest = o->bytes - (d - base);
			return o->p + (d - base);
		}
	}
	return NULL;
}

static bool
is_pinned(const void *p, size_t bytes)
{
	for (Object *o = objects; o; o = o->next)
		if (o->kind == PINNED && (const uint8_t *)p >= o->p && (const uint8_t *)p + bytes <= o->p + o->bytes)
			return true;
	return false;
}

static CUresult __attribute__((format(printf, 2, 3)))
complain(CUresult r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(complaint, sizeof complaint, fmt, ap);
	va_end(ap);
	if (log_file)
		fprintf(log_file, "  %s\n", complaint);
	return r;
}

/* ---- every call --------------------------------------------------------------------------- */

typedef struct Call { const char *name; CUresult fault; } Call;

static void
end_call(Call *c)
{
	if (log_file)
		fprintf(log_file, "%s%s\n", c->name, c->fault ? " fails" : "");
	pthread_mutex_unlock(&lock);
}

static Call
begin_call(const char *name)
{
	Call c = { name, CUDA_SUCCESS };

	pthread_mutex_lock(&lock);
	if (++calls == set_fail) {
		c.fault = (CUresult)set_error;
		failed = name;
	} else {
		c.fault = sticky;
	}
	return c;
}

/* A call that takes something fails before it does; one that gives something back, after. */
#define CALL(name)                                                                              \
	__attribute__((cleanup(end_call))) Call call_ = begin_call(name);                       \
	if (call_.fault)                                                                        \
		return call_.fault
#define CALL_BACK(name) __attribute__((cleanup(end_call))) Call call_ = begin_call(name)
#define NEED(cond, error)                                                                       \
	do {                                                                                    \
		if (!(cond))                                                                    \
			return complain(error, "%s: %s does not hold", call_.name, #cond);      \
	} while (0)
#define NEED_CONTEXT() NEED(depth > 0, CUDA_ERROR_INVALID_CONTEXT)

long
y12_standin(const char *what, long value)
{
	static const struct { const char *name; long *at; bool set; } row[] = {
		{ "sm", &set_sm, true }, { "gpus", &set_gpus, true }, { "memory", &set_memory, true },
		{ "driver", &set_driver, true }, { "fail", &set_fail, true }, { "error", &set_error, true },
		{ "calls", &calls, false }, { "launches", &launches, false }, { "early", &early, false },
		{ "maps", &maps, false }, { "links", &links, false }, { "memory_used", &memory_used, false },
	};

	if (strcmp(what, "live") == 0)
		return live();
	if (strcmp(what, "stack") == 0)
		return depth;
	if (strcmp(what, "fail") == 0) {
		calls = launches = early = maps = links = 0;
		failed = NULL;
		sticky = CUDA_SUCCESS;
	}
	for (size_t i = 0; i < COUNT(row); i++)
		if (strcmp(row[i].name, what) == 0) {
			long old = *row[i].at;

			if (row[i].set)
				*row[i].at = value;
			return old;
		}
	return -1;
}

const char *
y12_standin_failed(void)
{
	return failed;
}

const char *
y12_standin_complaint(void)
{
	static char text[sizeof complaint];

	memcpy(text, complaint, sizeof text);
	complaint[0] = 0;
	return text;
}

/* ---- devices and contexts ----------------------------------------------------------------- */

static const struct { CUresult r; const char *name, *text; } errors[] = {
	{ CUDA_ERROR_INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument" },
	{ CUDA_ERROR_OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory" },
	{ CUDA_ERROR_NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected" },
	{ CUDA_ERROR_INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal" },
	{ CUDA_ERROR_INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid" },
	{ CUDA_ERROR_INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context" },
	{ CUDA_ERROR_NO_BINARY_FOR_GPU, "CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available" },
	{ CUDA_ERROR_INVALID_PTX, "CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed" },
	{ CUDA_ERROR_UNSUPPORTED_PTX_VERSION, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION", "unsupported toolchain" },
	{ CUDA_ERROR_INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle" },
	{ CUDA_ERROR_NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found" },
	{ CUDA_ERROR_ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered" },
	{ CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "not permitted when capturing" },
	{ CUDA_ERROR_STREAM_CAPTURE_UNJOINED, "CUDA_ERROR_STREAM_CAPTURE_UNJOINED", "work of a branch is not waited for" },
	{ CUDA_ERROR_UNKNOWN, "CUDA_ERROR_UNKNOWN", "unknown error" },
};

CUresult
cuGetErrorName(CUresult r, const char **name)
{
	for (size_t i = 0; i < COUNT(errors); i++)
		if (errors[i].r == r)
			return *name = errors[i].name, CUDA_SUCCESS;
	return CUDA_ERROR_INVALID_VALUE;
}

CUresult
cuGetErrorString(CUresult r, const char **text)
{
	for (size_t i = 0; i < COUNT(errors); i++)
		if (errors[i].r == r)
			return *text = errors[i].text, CUDA_SUCCESS;
	return CUDA_ERROR_INVALID_VALUE;
}

CUresult
cuInit(unsigned flags)
{
	CALL("cuInit");
	NEED(flags == 0, CUDA_ERROR_INVALID_VALUE);
	return set_gpus ? CUDA_SUCCESS : CUDA_ERROR_NO_DEVICE;
}

CUresult
cuDriverGetVersion(int *version)
{
	CALL("cuDriverGetVersion");
	*version = (int)set_driver;
	return CUDA_SUCCESS;
}

CUresult
cuDeviceGetCount(int *count)
{
	CALL("cuDeviceGetCount");
	*count = (int)set_gpus;
	return CUDA_SUCCESS;
}

CUresult
cuDeviceGet(CUdevice *dev, int ordinal)
{
	CALL("cuDeviceGet");
	NEED(ordinal >= 0 && ordinal < set_gpus, CUDA_ERROR_INVALID_DEVICE);
	*dev = ordinal;
	return CUDA_SUCCESS;
}

CUresult
cuDeviceGetName(char *name, int size, CUdevice dev)
{
	CALL("cuDeviceGetName");
	snprintf(name, (size_t)size, "Stand-in %d", dev);
	return CUDA_SUCCESS;
}

CUresult
cuDeviceGetAttribute(int *value, int attribute, CUdevice dev)
{
	CALL("cuDeviceGetAttribute");
	NEED(dev >= 0 && dev < set_gpus, CUDA_ERROR_INVALID_DEVICE);
	switch (attribute) {
	case CU_MAJOR:        *value = (int)(set_sm / 10); break;
	case CU_MINOR:        *value = (int)(set_sm % 10); break;
	case CU_SHARED_OPTIN: *value = 227 << 10; break;
	case CU_PROCESSORS:   *value = 4; break;
	case CU_CLOCK:
	case CU_MEMORY_CLOCK: *value = 1000000; break;
	default:              return CUDA_ERROR_INVALID_VALUE;
	}
	return CUDA_SUCCESS;
}

CUresult
cuDeviceTotalMem_v2(size_t *bytes, CUdevice dev)
{
	CALL("cuDeviceTotalMem");
	NEED(dev >= 0 && dev < set_gpus, CUDA_ERROR_INVALID_DEVICE);
	*bytes = (size_t)set_memory;
	return CUDA_SUCCESS;
}

CUresult
cuDevicePrimaryCtxRetain(CUcontext *ctx, CUdevice dev)
{
	CALL("cuDevicePrimaryCtxRetain");
	NEED(dev >= 0 && dev < set_gpus, CUDA_ERROR_INVALID_DEVICE);
	retained++;
	*ctx = (CUcontext)(uintptr_t)(DEVICE + 64 * (uint64_t)(dev + 1));
	return CUDA_SUCCESS;
}

CUresult
cuDevicePrimaryCtxRelease_v2(CUdevice dev)
{
	CALL_BACK("cuDevicePrimaryCtxRelease");
	NEED(dev >= 0 && dev < set_gpus && retained > 0, CUDA_ERROR_INVALID_DEVICE);
	retained--;
	return call_.fault;
}

CUresult
cuCtxPushCurrent_v2(CUcontext ctx)
{
	CALL_BACK("cuCtxPushCurrent");
	if (call_.fault && call_.fault != sticky)
		return call_.fault;
	NEED(ctx && depth < (int)COUNT(stack), CUDA_ERROR_INVALID_CONTEXT);
	stack[depth++] = ctx;
	return CUDA_SUCCESS;
}

CUresult
cuCtxPopCurrent_v2(CUcontext *ctx)
{
	CALL_BACK("cuCtxPopCurrent");
	NEED(depth > 0, CUDA_ERROR_INVALID_CONTEXT);
	*ctx = stack[--depth];
	return call_.fault;
}

/* ---- memory ------------------------------------------------------------------------------- */

CUresult
cuMemGetInfo_v2(size_t *avail, size_t *total)
{
	CALL("cuMemGetInfo");
	NEED_CONTEXT();
	*total = (size_t)set_memory;
	*avail = (size_t)MAX(set_memory - memory_used, 0);
	return CUDA_SUCCESS;
}

CUresult
cuMemAlloc_v2(CUdeviceptr *p, size_t bytes)
{
	Object *o;

	CALL("cuMemAlloc");
	NEED_CONTEXT();
	NEED(bytes, CUDA_ERROR_INVALID_VALUE);
	if (bytes > (size_t)MAX(set_memory - memory_used, 0))
		return CUDA_ERROR_OUT_OF_MEMORY;
	o = new_object(ALLOC);
	o->bytes = bytes;
	o->p = aligned_alloc(256, (bytes + 255) / 256 * 256);
	if (!o->p)
		abort();
	memset(o->p, 0xff, bytes);
	memory_used += (long)bytes;
	*p = DEVICE | (uintptr_t)o->p;
	return CUDA_SUCCESS;
}

CUresult
cuMemFree_v2(CUdeviceptr p)
{
	CALL_BACK("cuMemFree");
	NEED_CONTEXT();
	for (Object *o = objects; o; o = o->next)
		if (o->kind == ALLOC && p == (DEVICE | (uintptr_t)o->p)) {
			free_object(o);
			return call_.fault;
		}
	return complain(CUDA_ERROR_INVALID_VALUE, "cuMemFree of what is no allocation");
}

CUresult
cuMemAllocHost_v2(void **p, size_t bytes)
{
	Object *o;

	CALL("cuMemAllocHost");
	NEED_CONTEXT();
	NEED(bytes, CUDA_ERROR_INVALID_VALUE);
	o = new_object(PINNED);
	o->bytes = bytes;
	*p = o->p = malloc(bytes);
	return CUDA_SUCCESS;
}

CUresult
cuMemFreeHost(void *p)
{
	CALL_BACK("cuMemFreeHost");
	NEED_CONTEXT();
	for (Object *o = objects; o; o = o->next)
		if (o->kind == PINNED && p == o->p) {
			free_object(o);
			return call_.fault;
		}
	return complain(CUDA_ERROR_INVALID_VALUE, "cuMemFreeHost of what is no allocation");
}

CUresult
cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t bytes)
{
	uint8_t *p;

	CALL("cuMemcpyHtoD");
	NEED_CONTEXT();
	NEED((p = behind(to, bytes, NULL)), CUDA_ERROR_INVALID_VALUE);
	memcpy(p, from, bytes);
	return CUDA_SUCCESS;
}

/* ---- streams ------------------------------------------------------------------------------ */

static CUresult
run_launch(const Op *op)
{
	const Kernel *k = op->object->kernel;
	KArg arg[64];
	char err[512];
	size_t n = 0;

	for (; n < kernel_params(k); n++) {
		uint64_t word[3];
		size_t rest;

		memcpy(word, op->param[n], sizeof word);
		if (word[0] == MAP_MAGIC)
			arg[n] = (KArg){ behind(word[1], word[2], NULL), word[2] };
		else
			arg[n] = (KArg){ behind(word[0], 0, &rest), rest };
		if (!arg[n].data)
			return sticky = complain(CUDA_ERROR_ILLEGAL_ADDRESS, "kernel %s: argument %zu is nowhere", k->name, n);
	}
	launches++;
	if (!kernel_interpret(k, arg, n, err))
		return sticky = complain(CUDA_ERROR_ILLEGAL_ADDRESS, "%s", err);
	return CUDA_SUCCESS;
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static CUresult
drain(Object *stream)
{
	CUresult r = sticky;

	for (size_t i = 0; i < stream->op.n && !r; i++) {
		const Op *op = &stream->op.p[i];
		uint8_t *p = op->kind == OP_to_device || op->kind == OP_to_host ? behind(op->device, op->bytes, NULL) : NULL;

		switch (op->kind) {
		case OP_launch:
			r = run_launch(op);
			break;
		case OP_event:
			op->object->time = now();
			break;
		case OP_to_device:
			if (p)
				memcpy(p, op->host, op->bytes);
			break;
		case OP_to_host:
			if (p)
				memcpy(op->host, p, op->bytes);
			break;
		}
	}
	stream->op.n = 0;
	return r;
}

static void
drain_all(void)
{
	for (Object *o = objects; o; o = o->next)
		if (o->kind == STREAM)
			drain(o);
}

static void
add_tail(Set *to, const Set *from)
{
	for (size_t i = 0; i < from->n; i++) {
		size_t k = 0;

		while (k < to->n && to->p[k] != from->p[i])
			k++;
		if (k == to->n)
			vec_push(arena, to, from->p[i]);
	}
}

static void
queue(Object *stream, Op op)
{
	Object *to = stream->capture ? stream->capture : stream;

	op.behind = (Set){ 0 };
	if (stream->capture) {
		add_tail(&op.behind, &stream->tail);
		stream->tail.n = 0;
		vec_push(arena, &stream->tail, (uint32_t)to->op.n);
	}
	vec_push(arena, &to->op, op);
}

CUresult
cuStreamCreate(CUstream *s, unsigned flags)
{
	CALL("cuStreamCreate");
	NEED_CONTEXT();
	NEED(flags <= CU_NON_BLOCKING, CUDA_ERROR_INVALID_VALUE);
	*s = (CUstream)new_object(STREAM);
	return CUDA_SUCCESS;
}

CUresult
cuStreamDestroy_v2(CUstream s)
{
	Object *o;

	CALL_BACK("cuStreamDestroy");
	NEED_CONTEXT();
	NEED((o = object(STREAM, s)), CUDA_ERROR_INVALID_HANDLE);
	free_object(o);
	return call_.fault;
}

CUresult
cuStreamSynchronize(CUstream s)
{
	Object *o;

	CALL("cuStreamSynchronize");
	NEED_CONTEXT();
	NEED((o = object(STREAM, s)), CUDA_ERROR_INVALID_HANDLE);
	NEED(!o->capture, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
	return drain(o);
}

CUresult
cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, CUstream s)
{
	Op op = { .kind = OP_to_device, .device = to, .bytes = bytes, .host = (void *)(uintptr_t)from };
	Object *o;

	CALL("cuMemcpyHtoDAsync");
	NEED_CONTEXT();
	NEED((o = object(STREAM, s)), CUDA_ERROR_INVALID_HANDLE);
	NEED(!o->capture, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
	NEED(behind(to, bytes, NULL), CUDA_ERROR_INVALID_VALUE);
	if (!is_pinned(from, bytes))    /* through a buffer of the driver's, now */
		op.host = arena_dup(arena, from, bytes);
	queue(o, op);
	return CUDA_SUCCESS;
}

CUresult
cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream s)
{
	Object *o;

	CALL("cuMemcpyDtoHAsync");
	NEED_CONTEXT();
	NEED((o = object(STREAM, s)), CUDA_ERROR_INVALID_HANDLE);
	NEED(!o->capture, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
	NEED(behind(from, bytes, NULL), CUDA_ERROR_INVALID_VALUE);
	queue(o, (Op){ .kind = OP_to_host, .device = from, .bytes = bytes, .host = to });
	return is_pinned(to, bytes) ? CUDA_SUCCESS : drain(o);  /* to other memory it waits */
}

/* ---- code --------------------------------------------------------------------------------- */

CUresult
cuLinkCreate_v2(unsigned n, int *option, void **value, CUlinkState *state)
{
	Object *o;

	CALL("cuLinkCreate");
	NEED_CONTEXT();
	o = new_object(LINK);
	for (unsigned i = 0; i < n; i++) {
		if (option[i] == CU_JIT_ERROR_LOG)
			o->log = value[i];
		if (option[i] == CU_JIT_ERROR_LOG_SIZE)
			o->log_bytes = (size_t)value[i];
	}
	*state = (CUlinkState)o;
	return CUDA_SUCCESS;
}

CUresult
cuLinkAddData_v2(CUlinkState state, int kind, void *data, size_t bytes, const char *name, unsigned n, int *option,
                 void **value)
{
	Object *o;

	CALL("cuLinkAddData");
	(void)name, (void)n, (void)option, (void)value;
	NEED_CONTEXT();
	NEED((o = object(LINK, state)), CUDA_ERROR_INVALID_HANDLE);
	NEED(kind == CU_INPUT_PTX && bytes && !((const char *)data)[bytes - 1], CUDA_ERROR_INVALID_VALUE);
	o->data = data;
	if (strncmp(data, KIR, strlen(KIR)) == 0)
		return CUDA_SUCCESS;
	if (strstr(data, ".version 99"))
		return CUDA_ERROR_UNSUPPORTED_PTX_VERSION;
	if (o->log)
		snprintf(o->log, o->log_bytes, "line 1: this stand-in\nruns kernel IR only\n");
	return CUDA_ERROR_INVALID_PTX;
}

CUresult
cuLinkComplete(CUlinkState state, void **cubin, size_t *bytes)
{
	Object *o;
	int n;

	CALL("cuLinkComplete");
	NEED_CONTEXT();
	NEED((o = object(LINK, state)) && o->data && !o->p, CUDA_ERROR_INVALID_HANDLE);
	o->p = malloc(strlen(o->data) + 64);
	n = sprintf((char *)o->p, CUBIN, set_sm);
	strcpy((char *)o->p + n, (const char *)o->data + strlen(KIR));
	*cubin = o->p;
	*bytes = strlen((char *)o->p) + 1;
	links++;
	return CUDA_SUCCESS;
}

CUresult
cuLinkDestroy(CUlinkState state)
{
	Object *o;

	CALL_BACK("cuLinkDestroy");
	NEED((o = object(LINK, state)), CUDA_ERROR_INVALID_HANDLE);
	free_object(o);
	return call_.fault;
}

CUresult
cuModuleLoadDataEx(CUmodule *m, const void *image, unsigned n, int *option, void **value)
{
	const char *text = image;
	Arena *a;
	Diag *d;
	KernelList *ks;
	Object *o;
	size_t rest;
	long sm;

	CALL("cuModuleLoadDataEx");
	(void)n, (void)option, (void)value;
	NEED_CONTEXT();
	if (sscanf(text, CUBIN, &sm) != 1)
		return CUDA_ERROR_INVALID_IMAGE;
	if (sm / 10 != set_sm / 10 || sm > set_sm)
		return CUDA_ERROR_NO_BINARY_FOR_GPU;
	text = strchr(text, '\n') + 1;
	a = arena_new();
	d = diag_new(a);
	text = arena_str(a, text);
	ks = kernel_parse(a, d, diag_source(d, "module", text, strlen(text)), &rest);
	if (!ks || text[rest]) {
		complain(0, "a module: %s", diag_count(d) ? diag_get(d, 0)->text : "something follows the kernels");
		arena_free(a);
		return CUDA_ERROR_INVALID_IMAGE;
	}
	o = new_object(MODULE);
	o->a = a;
	o->kernels = ks;
	*m = (CUmodule)o;
	return CUDA_SUCCESS;
}

CUresult
cuModuleUnload(CUmodule m)
{
	Object *o;

	CALL_BACK("cuModuleUnload");
	NEED_CONTEXT();
	NEED((o = object(MODULE, m)), CUDA_ERROR_INVALID_HANDLE);
	for (Object *f = objects, *next; f; f = next) {
		next = f->next;
		if (f->kind == FUNCTION && f->module == o)
			free_object(f);
	}
	free_object(o);
	return call_.fault;
}

CUresult
cuModuleGetFunction(CUfunction *f, CUmodule m, const char *name)
{
	Object *o;

	CALL("cuModuleGetFunction");
	NEED_CONTEXT();
	NEED((o = object(MODULE, m)), CUDA_ERROR_INVALID_HANDLE);
	for (size_t i = 0; i < o->kernels->k.n; i++)
		if (strcmp(o->kernels->k.p[i]->name, name) == 0) {
			Object *x = new_object(FUNCTION);

			x->module = o;
			x->kernel = o->kernels->k.p[i];
			x->dynamic = 48 << 10;
			*f = (CUfunction)x;
			return CUDA_SUCCESS;
		}
	return CUDA_ERROR_NOT_FOUND;
}

CUresult
cuFuncSetAttribute(CUfunction f, int attribute, int value)
{
	Object *o;

	CALL("cuFuncSetAttribute");
	NEED_CONTEXT();
	NEED((o = object(FUNCTION, f)), CUDA_ERROR_INVALID_HANDLE);
	NEED(attribute == CU_MAX_DYNAMIC_SHARED || attribute == CU_NON_PORTABLE_CLUSTER, CUDA_ERROR_INVALID_VALUE);
	NEED(value >= 0 && value <= 227 << 10, CUDA_ERROR_INVALID_VALUE);
	if (attribute == CU_MAX_DYNAMIC_SHARED)
		o->dynamic = MAX(value, 48 << 10);
	return CUDA_SUCCESS;
}

CUresult
cuLaunchKernelEx(const CUlaunchConfig *c, CUfunction f, void **param, void **extra)
{
	Op op = { .kind = OP_launch };
	const Kernel *k;
	Object *o, *s;
	size_t n = 0;

	CALL("cuLaunchKernelEx");
	NEED_CONTEXT();
	NEED((o = object(FUNCTION, f)), CUDA_ERROR_INVALID_HANDLE);
	NEED((s = object(STREAM, c->stream)), CUDA_ERROR_INVALID_HANDLE);
	NEED(!extra, CUDA_ERROR_INVALID_VALUE);
	k = o->kernel;
	for (int i = 0; i < 3; i++) {
		NEED(c->grid[i] == (unsigned)k->grid[i], CUDA_ERROR_INVALID_VALUE);
		NEED(c->block[i] == (unsigned)k->block[i], CUDA_ERROR_INVALID_VALUE);
	}
	NEED(c->grid[1] <= 65535 && c->grid[2] <= 65535, CUDA_ERROR_INVALID_VALUE);
	NEED(c->shared <= (unsigned)o->dynamic, CUDA_ERROR_INVALID_VALUE);
	NEED(c->shared >= kernel_shared_bytes(k), CUDA_ERROR_INVALID_VALUE);
	for (unsigned i = 0; i < c->nattr; i++) {
		const CUlaunchAttribute *a = &c->attrs[i];

		if (a->id == CU_ATTR_PROGRAMMATIC) {
			NEED(s->capture && s->tail.n == 1 && s->capture->op.p[s->tail.p[0]].kind == OP_launch,
			     CUDA_ERROR_INVALID_VALUE);
			early++;
			continue;
		}
		NEED(a->id == CU_ATTR_CLUSTER && set_sm >= 90, CUDA_ERROR_INVALID_VALUE);
		NEED(a->value.cluster.x && c->grid[0] % a->value.cluster.x == 0, CUDA_ERROR_INVALID_VALUE);
	}
	n = kernel_params(k);
	NEED(n <= 64, CUDA_ERROR_INVALID_VALUE);
	op.object = o;
	op.param = arena_alloc(arena, MAX(n, 1u) * sizeof *op.param);
	for (size_t i = 0; i < n; i++) {
		uint64_t word;

		memcpy(&word, param[i], 8);
		memcpy(op.param[i], param[i], word == MAP_MAGIC ? sizeof(CUtensorMap) : 8);
	}
	queue(s, op);
	return CUDA_SUCCESS;
}

/* ---- graphs and events -------------------------------------------------------------------- */

CUresult
cuStreamBeginCapture_v2(CUstream s, int mode)
{
	Object *o;

	CALL("cuStreamBeginCapture");
	NEED_CONTEXT();
	NEED((o = object(STREAM, s)), CUDA_ERROR_INVALID_HANDLE);
	NEED(!o->capture && mode >= 0 && mode <= 2, CUDA_ERROR_INVALID_VALUE);
	o->capture = new_object(GRAPH);
	o->tail.n = 0;
	return CUDA_SUCCESS;
}

/* Does op `late` run behind op `first`, or is it that one? */
static bool
runs_behind(const Object *graph, uint32_t late, uint32_t first)
{
	if (late == first)
		return true;
	for (size_t i = 0; i < graph->op.p[late].behind.n; i++)
		if (graph->op.p[late].behind.p[i] >= first && runs_behind(graph, graph->op.p[late].behind.p[i], first))
			return true;
	return false;
}

/* Streams that joined the capture leave it; false: one has work that the first does not wait for. */
static bool
end_branches(const Object *first)
{
	bool joined = true;

	for (Object *b = objects; b; b = b->next) {
		if (b == first || b->kind != STREAM || b->capture != first->capture)
			continue;
		for (size_t i = 0; i < b->tail.n; i++) {
			bool found = false;

			for (size_t k = 0; k < first->tail.n && !found; k++)
				found = runs_behind(first->capture, first->tail.p[k], b->tail.p[i]);
			joined &= found;
		}
		b->capture = NULL;
		b->branch = false;
	}
	return joined;
}

CUresult
cuStreamEndCapture(CUstream s, CUgraph *g)
{
	Object *o;

	CALL_BACK("cuStreamEndCapture");
	NEED_CONTEXT();
	NEED((o = object(STREAM, s)), CUDA_ERROR_INVALID_HANDLE);
	NEED(o->capture && !o->branch, CUDA_ERROR_INVALID_VALUE);
	bool joined = end_branches(o);

	if (call_.fault || !joined)
		free_object(o->capture);
	else
		*g = (CUgraph)o->capture;
	o->capture = NULL;
	return call_.fault ? call_.fault : joined ? CUDA_SUCCESS : CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
}

/* Of the orders that a graph allows, one that is far from that of its making: of the ops that may run, the last. */
static void
put_in_order(const Object *graph, Object *to)
{
	bool *done = arena_alloc(arena, graph->op.n + 1);

	memset(done, 0, graph->op.n);
	while (to->op.n < graph->op.n) {
		size_t i = graph->op.n;
		bool ready = false;

		while (!ready) {
			i--;
			ready = !done[i];
			for (size_t k = 0; k < graph->op.p[i].behind.n; k++)
				ready &= done[graph->op.p[i].behind.p[k]];
		}
		done[i] = true;
		vec_push(arena, &to->op, graph->op.p[i]);
	}
}

CUresult
cuGraphInstantiateWithFlags(CUgraphExec *x, CUgraph g, unsigned long long flags)
{
	Object *from, *to;

	CALL("cuGraphInstantiate");
	NEED_CONTEXT();
	NEED((from = object(GRAPH, g)), CUDA_ERROR_INVALID_HANDLE);
	NEED(flags == 0, CUDA_ERROR_INVALID_VALUE);
	to = new_object(EXEC);
	put_in_order(from, to);
	*x = (CUgraphExec)to;
	return CUDA_SUCCESS;
}

CUresult
cuGraphDestroy(CUgraph g)
{
	Object *o;

	CALL_BACK("cuGraphDestroy");
	NEED((o = object(GRAPH, g)), CUDA_ERROR_INVALID_HANDLE);
	free_object(o);
	return call_.fault;
}

CUresult
cuGraphLaunch(CUgraphExec x, CUstream s)
{
	Object *o, *to;

	CALL("cuGraphLaunch");
	NEED_CONTEXT();
	NEED((o = object(EXEC, x)), CUDA_ERROR_INVALID_HANDLE);
	NEED((to = object(STREAM, s)) && !to->capture, CUDA_ERROR_INVALID_HANDLE);
	for (size_t i = 0; i < o->op.n; i++)
		queue(to, o->op.p[i]);
	return CUDA_SUCCESS;
}

CUresult
cuGraphExecDestroy(CUgraphExec x)
{
	Object *o;

	CALL_BACK("cuGraphExecDestroy");
	NEED((o = object(EXEC, x)), CUDA_ERROR_INVALID_HANDLE);
	drain_all();            /* it may be on its way */
	free_object(o);
	return call_.fault;
}

CUresult
cuEventCreate(CUevent *v, unsigned flags)
{
	CALL("cuEventCreate");
	NEED_CONTEXT();
	NEED(flags == 0, CUDA_ERROR_INVALID_VALUE);
	*v = (CUevent)new_object(EVENT);
	return CUDA_SUCCESS;
}

CUresult
cuEventDestroy_v2(CUevent v)
{
	Object *o;

	CALL_BACK("cuEventDestroy");
	NEED((o = object(EVENT, v)), CUDA_ERROR_INVALID_HANDLE);
	drain_all();
	free_object(o);
	return call_.fault;
}

CUresult
cuEventRecord(CUevent v, CUstream s)
{
	Object *o, *to;

	CALL("cuEventRecord");
	NEED_CONTEXT();
	NEED((o = object(EVENT, v)), CUDA_ERROR_INVALID_HANDLE);
	NEED((to = object(STREAM, s)), CUDA_ERROR_INVALID_HANDLE);
	o->capture = to->capture;
	o->tail.n = 0;
	if (to->capture)                /* edges, not a node */
		add_tail(&o->tail, &to->tail);
	else
		queue(to, (Op){ .kind = OP_event, .object = o });
	return CUDA_SUCCESS;
}

/* Only as lanes are captured. */
CUresult
cuStreamWaitEvent(CUstream s, CUevent v, unsigned flags)
{
	Object *o, *to;

	CALL("cuStreamWaitEvent");
	NEED_CONTEXT();
	NEED((o = object(EVENT, v)), CUDA_ERROR_INVALID_HANDLE);
	NEED((to = object(STREAM, s)) && o->capture && flags == 0, CUDA_ERROR_INVALID_VALUE);
	NEED(!to->capture || to->capture == o->capture, CUDA_ERROR_INVALID_VALUE);
	if (!to->capture) {
		to->capture = o->capture;
		to->branch = true;
		to->tail.n = 0;
	}
	add_tail(&to->tail, &o->tail);
	return CUDA_SUCCESS;
}

CUresult
cuEventRecordWithFlags(CUevent v, CUstream s, unsigned flags)
{
	Object *o, *to;

	CALL("cuEventRecordWithFlags");
	NEED_CONTEXT();
	NEED((o = object(EVENT, v)), CUDA_ERROR_INVALID_HANDLE);
	NEED((to = object(STREAM, s)) && (flags == CU_RECORD_EXTERNAL) == (to->capture != NULL), CUDA_ERROR_INVALID_VALUE);
	queue(to, (Op){ .kind = OP_event, .object = o });
	return CUDA_SUCCESS;
}

CUresult
cuEventElapsedTime(float *ms, CUevent from, CUevent to)
{
	const Object *x, *y;

	CALL("cuEventElapsedTime");
	NEED((x = object(EVENT, from)) && (y = object(EVENT, to)), CUDA_ERROR_INVALID_HANDLE);
	NEED(x->time >= 0 && y->time >= 0, CUDA_ERROR_INVALID_HANDLE);
	*ms = (float)(1e3 * (y->time - x->time));
	return CUDA_SUCCESS;
}

/* ---- tensor maps -------------------------------------------------------------------------- */

static CUresult
encode(const Call *call, CUtensorMap *m, int dtype, uint32_t rank, void *base, const uint64_t *dim, const uint64_t *stride,
       const uint32_t *step, uint64_t inner, int interleave, int swizzle)
{
	static const int size[] = { 1, 2, 4, 4, 8, 8, 2, 4, 8, 2 };
	const Call call_ = *call;
	uint64_t reach, at = (uintptr_t)base;

	NEED((uintptr_t)m % 64 == 0 && at % 16 == 0, CUDA_ERROR_INVALID_VALUE);
	NEED(dtype >= 0 && dtype < (int)COUNT(size) && rank >= 1 && rank <= 5, CUDA_ERROR_INVALID_VALUE);
	NEED(interleave == 0 && swizzle >= 0 && swizzle <= 3, CUDA_ERROR_INVALID_VALUE);
	NEED(!swizzle || inner * (uint64_t)size[dtype] <= 16u << swizzle, CUDA_ERROR_INVALID_VALUE);
	NEED(inner * (uint64_t)size[dtype] % 16 == 0, CUDA_ERROR_INVALID_VALUE);
	reach = (dim[0] - 1) * (uint64_t)size[dtype];
	for (uint32_t i = 0; i < rank; i++) {
		NEED(dim[i] && dim[i] <= (uint64_t)1 << 32 && step[i] >= 1 && step[i] <= 8, CUDA_ERROR_INVALID_VALUE);
		if (i) {
			NEED(stride[i - 1] % 16 == 0 && stride[i - 1] < (uint64_t)1 << 40, CUDA_ERROR_INVALID_VALUE);
			reach += (dim[i] - 1) * stride[i - 1];
		}
	}
	reach += (uint64_t)size[dtype];
	NEED(behind(at, reach, NULL), CUDA_ERROR_INVALID_VALUE);
	memset(m, 0, sizeof *m);
	m->opaque[0] = MAP_MAGIC;
	m->opaque[1] = at;
	m->opaque[2] = reach;
	maps++;
	return CUDA_SUCCESS;
}

CUresult
cuTensorMapEncodeTiled(CUtensorMap *m, int dtype, uint32_t rank, void *base, const uint64_t *dim, const uint64_t *stride,
                       const uint32_t *box, const uint32_t *step, int interleave, int swizzle, int l2, int fill)
{
	CALL("cuTensorMapEncodeTiled");
	NEED(set_sm >= 90 && l2 >= 0 && l2 <= 3 && fill == 0, CUDA_ERROR_INVALID_VALUE);
	for (uint32_t i = 0; i < rank; i++)
		NEED(box[i] >= 1 && box[i] <= 256, CUDA_ERROR_INVALID_VALUE);
	return encode(&call_, m, dtype, rank, base, dim, stride, step, box[0], interleave, swizzle);
}

CUresult
cuTensorMapEncodeIm2col(CUtensorMap *m, int dtype, uint32_t rank, void *base, const uint64_t *dim, const uint64_t *stride,
                        const int *lower, const int *upper, uint32_t channels, uint32_t pixels, const uint32_t *step,
                        int interleave, int swizzle, int l2, int fill)
{
	CALL("cuTensorMapEncodeIm2col");
	NEED(set_sm >= 90 && rank >= 3 && l2 >= 0 && l2 <= 3 && fill == 0, CUDA_ERROR_INVALID_VALUE);
	NEED(channels && channels <= 256 && pixels && pixels <= 1024, CUDA_ERROR_INVALID_VALUE);
	for (uint32_t i = 0; i + 2 < rank; i++)
		NEED(lower[i] >= -128 && lower[i] <= 127 && upper[i] >= -128 && upper[i] <= 127, CUDA_ERROR_INVALID_VALUE);
	return encode(&call_, m, dtype, rank, base, dim, stride, step, channels, interleave, swizzle);
}
