/* cuda.c -- the device "cuda": memory, graphs, runs.
 *
 *     caller ──memcpy──▶ pinned ──copy──▶ input slots ─┐
 *                                          consts ─────┤ one graph an entry
 *     caller ◀─memcpy── pinned ◀─copy── arena ◀────────┘
 *
 * Opening reserves all memory, uploads the constants and captures the launches of each
 * entry into a graph, so that a run is: copies in, one graph launch, copies out.  What
 * changes from run to run is data at fixed addresses: the sizes of pictures are a small
 * table of i64 before the input slots, so a graph is never changed.  Tensors past the
 * pinned buffer's size are copied from the caller's memory, which the driver does with a
 * buffer of its own.
 *
 * Each lane of an entry is captured in a stream of its own, which begins where its phase begins and
 * ends where that ends; an event tells one lane of a launch in another.
 *
 * The primary context is shared in the process, so it is made current for each call and
 * put back; engines do not wait for one another, since each has a stream of its own.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "runtime/core/cuda.h"

#ifdef Y12_CUDA

enum {
	SLOT_ALIGN = 256,
	PINNED_MOST = 32 << 20,
	PICTURES_DEFAULT = 64 << 20,    /* among the pictures of an entry … */
	PICTURE_LEAST = 8 << 20,        /* … but each at least: 1920 x 1080 is 6 MB */
	CHUNK = 32,                     /* runs between two waits of the benchmark */
	DIMS_BYTES = Y12_MAX_RANK * sizeof(int64_t),
};

static uint64_t
up(uint64_t x, uint64_t align)
{
	return (x + align - 1) / align * align;
}

static y12_status
enter(Cuda *c)
{
	CUDA_TRY(c, CtxPushCurrent, c->ctx);
	return Y12_OK;
}

/* keeps the first error */
static y12_status
leave(Cuda *c, y12_status s)
{
	CUcontext ctx;
	CUresult r = cu.CtxPopCurrent(&ctx);

	return s || !r ? s : cuda_fail(c, r, "cuCtxPopCurrent");
}

/* ---- opening ------------------------------------------------------------------------------ */

static y12_status
find_gpu(Cuda *c)
{
	int count = 0, major = 0, minor = 0;
	y12_status s;

	if ((s = cuda_driver(c->e, c->number)))
		return s;
	CUDA_TRY(c, DriverGetVersion, &c->driver);
	CUDA_TRY(c, DeviceGetCount, &count);
	if (c->number >= count)
		return y12_fail(c->e, Y12_NODEVICE, count == 1 ? "there is no cuda:%d: this machine has %d GPU"
		                : "there is no cuda:%d: this machine has %d GPUs", c->number, count);
	CUDA_TRY(c, DeviceGet, &c->dev, c->number);
	CUDA_TRY(c, DeviceGetName, c->name, (int)sizeof c->name, c->dev);
	CUDA_TRY(c, DeviceGetAttribute, &major, CU_MAJOR, c->dev);
	CUDA_TRY(c, DeviceGetAttribute, &minor, CU_MINOR, c->dev);
	CUDA_TRY(c, DeviceGetAttribute, &c->shared_most, CU_SHARED_OPTIN, c->dev);
	c->sm = 10 * major + minor;
	return Y12_OK;
}

/* Costs no context, whose making takes 0.2 s. */
static y12_status
cuda_find(y12_engine *e, int number, y12_gpu *out)
{
	Cuda gpu = { .e = e, .number = number }, *c = &gpu;
	y12_status s;

	if ((s = find_gpu(c)))
		return s;
	CUDA_TRY(c, DeviceTotalMem, &out->memory, c->dev);
	CUDA_TRY(c, DeviceGetAttribute, &out->processors, CU_PROCESSORS, c->dev);
	CUDA_TRY(c, DeviceGetAttribute, &out->clock_khz, CU_CLOCK, c->dev);
	CUDA_TRY(c, DeviceGetAttribute, &out->memory_khz, CU_MEMORY_CLOCK, c->dev);
	memcpy(out->name, c->name, sizeof out->name);
	out->sm = c->sm;
	out->driver = c->driver;
	return Y12_OK;
}

/* Where each input goes, behind the dims of its entry; and how much of all is worth pinning. */
static y12_status
place_inputs(Cuda *c, uint64_t picture_bytes, uint64_t *bytes)
{
	const y12_engine *e = c->e;
	uint64_t pin = 0;

	*bytes = 0;
	c->slot = calloc(e->h.tensors.count + 1, sizeof *c->slot);
	c->room = calloc(e->h.tensors.count + 1, sizeof *c->room);
	if (!c->slot || !c->room)
		return y12_fail(c->e, Y12_NOMEMORY, "out of memory");
	for (uint64_t i = 0; i < e->h.entries.count; i++) {
		const y12e_entry *n = &e->entries[i];
		uint64_t at = up(n->ntensor * DIMS_BYTES, SLOT_ALIGN), out = 0, pictures = 0, each = picture_bytes;

		for (uint32_t j = n->tensor; j < n->tensor + n->ntensor; j++)
			pictures += !y12_tensor_fixed(&e->tensors[j]);
		if (!each && pictures)
			each = PICTURES_DEFAULT / pictures < PICTURE_LEAST ? PICTURE_LEAST : PICTURES_DEFAULT / pictures;
		for (uint32_t j = n->tensor; j < n->tensor + n->ntensor; j++) {
			const y12e_tensor *t = &e->tensors[j];

			c->room[j] = y12_tensor_fixed(t) ? y12_tensor_bytes(t, t->dim) : each;
			if (t->flags & Y12E_OUTPUT) {
				out = out < PINNED_MOST ? out + up(c->room[j], SLOT_ALIGN) : out;
				continue;
			}
			c->slot[j] = at;
			if (c->room[j] > (uint64_t)1 << 46 || (at = up(at + c->room[j], SLOT_ALIGN)) > (uint64_t)1 << 46)
				return y12_fail(c->e, Y12_NOMEMORY, "the inputs of entry %s take more than 2^46 bytes",
				                e->strings + n->name);
		}
		*bytes = at > *bytes ? at : *bytes;
		pin = at + out > pin ? at + out : pin;
	}
	c->pinned_bytes = pin < PINNED_MOST ? pin : PINNED_MOST;
	return Y12_OK;
}

static y12_status
reserve_one(Cuda *c, CUdeviceptr *p, uint64_t bytes, uint64_t all)
{
	size_t avail = 0, total = 0;
	CUresult r;

	if (!bytes)
		return Y12_OK;
	r = cu.MemAlloc(p, bytes);
	if (!r) {
		c->e->device_bytes += bytes;
		return Y12_OK;
	}
	if (r != CUDA_ERROR_OUT_OF_MEMORY)
		return cuda_fail(c, r, "cuMemAlloc");
	CUDA_TRY(c, MemGetInfo, &avail, &total);
	return y12_fail(c->e, Y12_NOMEMORY, "cuda:%d: the engine needs %llu bytes of %s's memory, and of its %zu only %zu "
	                "are free (cuMemAlloc)", c->number, (unsigned long long)all, c->name, total,
	                avail + c->e->device_bytes);
}

static y12_status
reserve(Cuda *c, uint64_t picture_bytes)
{
	const y12_engine *e = c->e;
	uint64_t input, all;
	y12_status s;

	if ((s = place_inputs(c, picture_bytes, &input)))
		return s;
	all = e->h.arena_bytes + e->h.consts.count + input;
	if ((s = reserve_one(c, &c->arena, e->h.arena_bytes, all)) ||
	    (s = reserve_one(c, &c->consts, e->h.consts.count, all)) ||
	    (s = reserve_one(c, &c->input, input, all)))
		return s;
	if (e->h.consts.count)
		CUDA_TRY(c, MemcpyHtoD, c->consts, e->consts, e->h.consts.count);
	if (c->pinned_bytes)
		CUDA_TRY(c, MemAllocHost, (void **)&c->pinned, c->pinned_bytes);
	CUDA_TRY(c, StreamCreate, &c->stream, CU_NON_BLOCKING);
	CUDA_TRY(c, EventCreate, &c->start, 0);
	CUDA_TRY(c, EventCreate, &c->end, 0);
	for (int p = Y12E_NET; p <= Y12E_POST; p++)
		CUDA_TRY(c, EventCreate, &c->border[p], 0);
	return Y12_OK;
}

/* ---- launches and graphs ------------------------------------------------------------------ */

static CUdeviceptr
place(const Cuda *c, const y12e_entry *n, uint32_t kind, uint32_t tensor, uint64_t offset)
{
	return kind == Y12E_ARENA ? c->arena + offset
	     : kind == Y12E_CONST ? c->consts + offset
	     : kind == Y12E_INPUT ? c->input + c->slot[n->tensor + tensor] + offset
	     : c->input + tensor * DIMS_BYTES;          /* DIMS */
}

static y12_status
encode(Cuda *c, const y12e_entry *n, const y12e_tmap *t, CUtensorMap *m)
{
	static const int dtype[] = {
		[Y12_U8] = 0, [Y12_BOOL] = 0, [Y12_I32] = 3, [Y12_I64] = 5,
		[Y12_F16] = 6, [Y12_F32] = 7, [Y12_F64] = 8, [Y12_BF16] = 9,
	};
	void *base = (void *)(uintptr_t)place(c, n, t->place, t->tensor, t->offset);
	int swizzle = t->swizzle ? t->swizzle == 32 ? 1 : t->swizzle == 64 ? 2 : 3 : CU_SWIZZLE_NONE;

	if (!cu.TensorMapEncodeTiled || !cu.TensorMapEncodeIm2col || c->sm < 90)
		return y12_fail(c->e, Y12_NODEVICE, "cuda:%d: the engine copies by tensor maps, which need an sm_90 and "
		                "CUDA 12.0; here are an sm_%d and CUDA %d.%d", c->number, c->sm, c->driver / 1000,
		                c->driver % 1000 / 10);
	if (t->kind == Y12E_TILE)
		CUDA_TRY(c, TensorMapEncodeTiled, m, dtype[t->dtype], t->rank, base, t->dim, t->stride, t->box, t->step,
		         0, swizzle, CU_L2_128B, 0);
	else
		CUDA_TRY(c, TensorMapEncodeIm2col, m, dtype[t->dtype], t->rank, base, t->dim, t->stride, t->lower,
		         t->upper, t->channels, t->pixels, t->step, 0, swizzle, CU_L2_128B, 0);
	return Y12_OK;
}

/* early: it may begin while the launch before it ends */
static y12_status
launch_one(Cuda *c, const y12e_entry *n, const y12e_launch *l, CUstream stream, bool early)
{
	const y12e_kernel *k = &c->e->kernels[l->kernel];
	CUlaunchAttribute attr[2] = { { .id = 0 } };
	CUlaunchConfig config = { .shared = k->shared, .stream = stream, .attrs = attr };
	y12_status s;

	memcpy(config.grid, k->grid, sizeof config.grid);
	memcpy(config.block, k->block, sizeof config.block);
	if (k->cluster[0]) {
		attr[config.nattr].id = CU_ATTR_CLUSTER;
		attr[config.nattr].value.cluster.x = k->cluster[0];
		attr[config.nattr].value.cluster.y = k->cluster[1];
		attr[config.nattr++].value.cluster.z = k->cluster[2];
	}
	if (early) {
		attr[config.nattr].id = CU_ATTR_PROGRAMMATIC;
		attr[config.nattr++].value.programmatic = 1;
	}
	for (uint32_t i = 0; i < l->narg; i++) {
		const y12e_arg *a = &c->e->args[l->arg + i];

		if (a->kind == Y12E_TMAP) {
			if ((s = encode(c, n, &c->e->tmaps[a->tensor], &c->tmap[i])))
				return s;
			c->param[i] = &c->tmap[i];
		} else {
			c->addr[i] = place(c, n, a->kind, a->tensor, a->offset);
			c->param[i] = &c->addr[i];
		}
	}
	CUDA_TRY(c, LaunchKernelEx, &config, c->function[l->kernel], c->param, NULL);
	return Y12_OK;
}

/* The lanes of an entry while it is captured. */
typedef struct Lanes {
	uint32_t phase;
	bool begun[Y12E_LANES];         /* in this phase */
	bool kernel[Y12E_LANES];        /* the last in it is a kernel, and of this phase */
} Lanes;

static CUstream
stream_of(const Cuda *c, uint32_t lane)
{
	return lane ? c->side[lane - 1] : c->stream;
}

/* What comes next in one lane waits for all that is in another now. */
static y12_status
wait_lane(Cuda *c, uint32_t lane, uint32_t other)
{
	CUDA_TRY(c, EventRecord, c->fork, stream_of(c, other));
	CUDA_TRY(c, StreamWaitEvent, stream_of(c, lane), c->fork, 0);
	return Y12_OK;
}

static y12_status
end_lanes(Cuda *c, Lanes *s)
{
	y12_status r;

	for (uint32_t i = 1; i < Y12E_LANES; i++)       /* lane 0 is where they end */
		if (s->begun[i] && (r = wait_lane(c, 0, i)))
			return r;
	memset(s->begun, 0, sizeof s->begun);
	memset(s->kernel, 0, sizeof s->kernel);
	return Y12_OK;
}

static y12_status
begin_lane(Cuda *c, Lanes *s, uint32_t lane)
{
	if (lane && !s->begun[lane])
		CUDA_TRY(c, StreamWaitEvent, stream_of(c, lane), c->begin, 0);
	s->begun[lane] = true;
	return Y12_OK;
}

/* One launch in its lane, behind those of others that it waits for; done[i]: an event for launch i, if somebody does. */
static y12_status
launch_in_lane(Cuda *c, const y12e_entry *n, const y12e_launch *l, Lanes *s, bool programmatic, CUevent done)
{
	CUstream stream;
	y12_status r;

	if ((r = begin_lane(c, s, l->lane)))
		return r;
	stream = stream_of(c, l->lane);
	for (uint32_t i = 0; i < l->nwait; i++) {
		uint32_t other = c->e->waits[l->wait + i];

		/* those of the phase before have ended */
		if (c->e->launches[n->launch + other].phase == s->phase)
			CUDA_TRY(c, StreamWaitEvent, stream, c->done[other], 0);
	}
	/* such an edge goes from one kernel to the next; where others are waited for, too, all edges are whole */
	if ((r = launch_one(c, n, l, stream, programmatic && s->kernel[l->lane] && !l->nwait &&
	                    l->flags & Y12E_PROGRAMMATIC)))
		return r;
	s->kernel[l->lane] = true;
	if (done)
		CUDA_TRY(c, EventRecord, done, stream);
	return Y12_OK;
}

/* Streams for the lanes of an entry, an event for each launch that another lane waits for. */
static y12_status
make_lanes(Cuda *c, const y12e_entry *n)
{
	for (uint32_t i = n->launch; i < n->launch + n->nlaunch; i++) {
		const y12e_launch *l = &c->e->launches[i];

		if (l->lane && !c->side[l->lane - 1])
			CUDA_TRY(c, StreamCreate, &c->side[l->lane - 1], CU_NON_BLOCKING);
		if (l->lane && !c->begin)
			CUDA_TRY(c, EventCreate, &c->begin, 0);
		if (l->lane && !c->fork)
			CUDA_TRY(c, EventCreate, &c->fork, 0);
		for (uint32_t k = 0; k < l->nwait; k++) {
			CUevent *done = &c->done[c->e->waits[l->wait + k]];

			if (!*done)
				CUDA_TRY(c, EventCreate, done, 0);
		}
	}
	return Y12_OK;
}

/* All launches, their lanes beside each other.  The borders between phases are recorded. */
static y12_status
launch_lanes(Cuda *c, const y12e_entry *n, bool programmatic, bool *border)
{
	Lanes s = { .phase = Y12E_PRE };
	y12_status r;

	if (c->begin)
		CUDA_TRY(c, EventRecord, c->begin, c->stream);
	for (uint32_t i = 0; i < n->nlaunch; i++) {
		const y12e_launch *l = &c->e->launches[n->launch + i];

		while (s.phase < l->phase) {
			if ((r = end_lanes(c, &s)))
				return r;
			border[++s.phase] = true;
			CUDA_TRY(c, EventRecordWithFlags, c->border[s.phase], c->stream, CU_RECORD_EXTERNAL);
			if (c->begin)
				CUDA_TRY(c, EventRecord, c->begin, c->stream);
		}
		if ((r = launch_in_lane(c, n, l, &s, programmatic, c->done[i])))
			return r;
	}
	return end_lanes(c, &s);
}

/* All launches one after the other, an event to record before the first and after each. */
static y12_status
launch_marked(Cuda *c, const y12e_entry *n, CUevent *mark)
{
	y12_status s;

	CUDA_TRY(c, EventRecordWithFlags, *mark++, c->stream, CU_RECORD_EXTERNAL);
	for (uint32_t i = n->launch; i < n->launch + n->nlaunch; i++) {
		if ((s = launch_one(c, n, &c->e->launches[i], c->stream, false)))
			return s;
		CUDA_TRY(c, EventRecordWithFlags, *mark++, c->stream, CU_RECORD_EXTERNAL);
	}
	return Y12_OK;
}

static y12_status
capture(Cuda *c, const y12e_entry *n, CUevent *mark, bool *border, CUgraphExec *exec)
{
	CUgraph graph = NULL;
	y12_status s;
	CUresult r;

	if ((s = make_lanes(c, n)))
		return s;
	CUDA_TRY(c, StreamBeginCapture, c->stream, CU_CAPTURE_THREAD_LOCAL);
	/* Code for older ones does not wait for the launch before it. */
	s = mark ? launch_marked(c, n, mark) : launch_lanes(c, n, c->code_sm >= 90 && c->sm >= 90, border);
	r = cu.StreamEndCapture(c->stream, &graph);     /* after an error too, to free the stream */
	if (r && !s)
		s = cuda_fail(c, r, "cuStreamEndCapture");
	if (!s && (r = cu.GraphInstantiate(exec, graph, 0)))
		s = cuda_fail(c, r, "cuGraphInstantiate");
	if (graph && (r = cu.GraphDestroy(graph)) && !s)
		s = cuda_fail(c, r, "cuGraphDestroy");
	return s;
}

static y12_status
capture_entries(Cuda *c)
{
	const y12_engine *e = c->e;
	uint32_t most = 1;
	y12_status s;

	for (uint64_t i = 0; i < e->h.entries.count; i++)
		c->ndone = e->entries[i].nlaunch > c->ndone ? e->entries[i].nlaunch : c->ndone;

	for (uint64_t i = 0; i < e->h.kernels.count; i++)
		most = e->kernels[i].narg > most && e->kernels[i].narg <= e->h.args.count ? e->kernels[i].narg : most;
	c->addr = calloc(most, sizeof *c->addr);
	c->param = calloc(most, sizeof *c->param);
	c->tmap = aligned_alloc(_Alignof(CUtensorMap), most * sizeof *c->tmap);
	c->entry = calloc(e->h.entries.count + 1, sizeof *c->entry);
	c->done = calloc(c->ndone + 1, sizeof *c->done);
	if (!c->addr || !c->param || !c->tmap || !c->entry || !c->done)
		return y12_fail(c->e, Y12_NOMEMORY, "out of memory");
	for (uint64_t i = 0; i < e->h.entries.count; i++)
		if ((s = capture(c, &e->entries[i], NULL, c->entry[i].border, &c->entry[i].graph)))
			return s;
	return Y12_OK;
}

static y12_status
cuda_open(y12_engine *e, const y12_options *opt, int number)
{
	Cuda *c = e->state = calloc(1, sizeof *c);
	y12_status s;

	if (!c)
		return y12_fail(e, Y12_NOMEMORY, "out of memory");
	c->e = e;
	c->number = number;
	if ((s = find_gpu(c)))
		return s;
	CUDA_TRY(c, DevicePrimaryCtxRetain, &c->ctx, c->dev);
	if ((s = enter(c)))
		return s;
	if (!(s = cuda_load(c, opt->cache_dir)) && !(s = reserve(c, opt->picture_bytes)))
		s = capture_entries(c);
	return leave(c, s);
}

/* Errors are of no use here: after a lost device every call gives one. */
static void
cuda_close(y12_engine *e)
{
	Cuda *c = e->state;
	CUcontext ctx;

	if (!c)
		return;
	if (c->ctx) {
		bool pushed = !cu.CtxPushCurrent(c->ctx);

		if (c->stream)
			cu.StreamSynchronize(c->stream);
		for (uint64_t i = 0; c->entry && i < e->h.entries.count; i++)
			if (c->entry[i].graph)
				cu.GraphExecDestroy(c->entry[i].graph);
		for (size_t i = 0; i < c->nmodule; i++)
			cu.ModuleUnload(c->module[i]);
		for (int p = Y12E_NET; p <= Y12E_POST; p++)
			if (c->border[p])
				cu.EventDestroy(c->border[p]);
		for (int k = 0; k < Y12E_LANES - 1; k++)
			if (c->side[k])
				cu.StreamDestroy(c->side[k]);
		for (uint32_t i = 0; c->done && i < c->ndone; i++)
			if (c->done[i])
				cu.EventDestroy(c->done[i]);
		if (c->begin)
			cu.EventDestroy(c->begin);
		if (c->fork)
			cu.EventDestroy(c->fork);
		if (c->start)
			cu.EventDestroy(c->start);
		if (c->end)
			cu.EventDestroy(c->end);
		if (c->stream)
			cu.StreamDestroy(c->stream);
		if (c->pinned)
			cu.MemFreeHost(c->pinned);
		if (c->input)
			cu.MemFree(c->input);
		if (c->consts)
			cu.MemFree(c->consts);
		if (c->arena)
			cu.MemFree(c->arena);
		if (pushed)
			cu.CtxPopCurrent(&ctx);
		cu.DevicePrimaryCtxRelease(c->dev);
	}
	free(c->module);
	free(c->function);
	free(c->slot);
	free(c->room);
	free(c->addr);
	free(c->param);
	free(c->tmap);
	free(c->done);
	free(c->entry);
	free(c);
}

/* ---- running ------------------------------------------------------------------------------ */

/* Room in the pinned buffer until the next upload; NULL: it is full. */
static void *
pinned(Cuda *c, size_t bytes)
{
	void *p;

	if (bytes > c->pinned_bytes - c->pinned_at)
		return NULL;
	p = c->pinned + c->pinned_at;
	c->pinned_at += up(bytes, SLOT_ALIGN);
	if (c->pinned_at > c->pinned_bytes)
		c->pinned_at = c->pinned_bytes;
	return p;
}

static y12_status
send(Cuda *c, CUdeviceptr to, const void *from, size_t bytes)
{
	void *p = pinned(c, bytes);

	if (p)
		from = memcpy(p, from, bytes);
	CUDA_TRY(c, MemcpyHtoDAsync, to, from, bytes, c->stream);
	return Y12_OK;
}

static y12_status
upload(Cuda *c, const y12e_entry *n)
{
	const y12_engine *e = c->e;
	y12_status s;

	c->pinned_at = 0;
	if (n->ntensor && (s = send(c, c->input, e->dims + n->tensor, n->ntensor * DIMS_BYTES)))
		return s;
	for (uint32_t j = n->tensor; j < n->tensor + n->ntensor; j++) {
		const y12e_tensor *t = &e->tensors[j];

		if (!(t->flags & Y12E_OUTPUT) &&
		    (s = send(c, c->input + c->slot[j], e->bound[j], y12_tensor_bytes(t, e->dims[j]))))
			return s;
	}
	return Y12_OK;
}

static y12_status
cuda_upload(y12_engine *e, const y12e_entry *n)
{
	Cuda *c = e->state;
	y12_status s;

	for (uint32_t j = n->tensor; j < n->tensor + n->ntensor; j++)
		if (!(e->tensors[j].flags & Y12E_OUTPUT) && y12_tensor_bytes(&e->tensors[j], e->dims[j]) > c->room[j])
			return y12_fail(e, Y12_SHAPE, "tensor %s takes %zu bytes, and %llu are reserved for it; open the "
			                "engine with more picture_bytes, or make it smaller",
			                e->strings + e->tensors[j].name, y12_tensor_bytes(&e->tensors[j], e->dims[j]),
			                (unsigned long long)c->room[j]);
	if ((s = enter(c)))
		return s;
	return leave(c, upload(c, n));
}

static y12_status
seconds_between(Cuda *c, CUevent from, CUevent to, double *seconds)
{
	float ms = 0;

	CUDA_TRY(c, EventElapsedTime, &ms, from, to);
	*seconds = 1e-3 * (double)ms;
	return Y12_OK;
}

/* of the last launch of the graph, when it has ended */
static y12_status
read_phases(Cuda *c, const y12e_entry *n)
{
	const bool *border = c->entry[n - c->e->entries].border;
	CUevent from = c->start;
	uint32_t phase = Y12E_PRE;
	y12_status s;

	for (uint32_t p = Y12E_NET; p <= Y12E_POST; p++)
		if (border[p]) {
			if ((s = seconds_between(c, from, c->border[p], &c->e->seconds[phase])))
				return s;
			from = c->border[p];
			phase = p;
		}
	return seconds_between(c, from, c->end, &c->e->seconds[phase]);
}

static y12_status
replay(Cuda *c, const y12e_entry *n)
{
	CUDA_TRY(c, EventRecord, c->start, c->stream);
	CUDA_TRY(c, GraphLaunch, c->entry[n - c->e->entries].graph, c->stream);
	CUDA_TRY(c, EventRecord, c->end, c->stream);
	c->replayed = true;
	return Y12_OK;
}

/* A graph of its own, with an event after each launch: events recorded from here, one launch at a time, would
 * measure how fast this thread is.  On an H100 an empty launch between two events takes 3.3 us, where it
 * takes 1.1 in the graph that runs, or 0.85 with programmatic edges. */
static y12_status
profile(Cuda *c, const y12e_entry *n, CUevent *mark, CUgraphExec *exec, y12_profile_fn *fn, void *user)
{
	const y12_engine *e = c->e;
	y12_status s;

	for (uint32_t i = 0; i <= n->nlaunch; i++)
		CUDA_TRY(c, EventCreate, &mark[i], 0);
	if ((s = capture(c, n, mark, NULL, exec)))
		return s;
	CUDA_TRY(c, GraphLaunch, *exec, c->stream);
	CUDA_TRY(c, StreamSynchronize, c->stream);
	for (uint32_t i = 0; i < n->nlaunch; i++) {
		const y12e_launch *l = &e->launches[n->launch + i];
		double took = 0;

		if ((s = seconds_between(c, mark[i], mark[i + 1], &took)))
			return s;
		c->e->seconds[l->phase] += took;
		fn(user, e->strings + e->kernels[l->kernel].name, e->strings + l->layer, took);
	}
	return Y12_OK;
}

static y12_status
profile_all(Cuda *c, const y12e_entry *n, y12_profile_fn *fn, void *user)
{
	CUevent *mark = calloc((size_t)n->nlaunch + 1, sizeof *mark);
	CUgraphExec exec = NULL;
	y12_status s;
	CUresult r;

	if (!mark)
		return y12_fail(c->e, Y12_NOMEMORY, "out of memory");
	s = profile(c, n, mark, &exec, fn, user);
	if (exec && (r = cu.GraphExecDestroy(exec)) && !s)
		s = cuda_fail(c, r, "cuGraphExecDestroy");
	for (uint32_t i = 0; i <= n->nlaunch && mark[i]; i++)
		if ((r = cu.EventDestroy(mark[i])) && !s)
			s = cuda_fail(c, r, "cuEventDestroy");
	free(mark);
	return s;
}

static y12_status
cuda_launch(y12_engine *e, const y12e_entry *n, y12_profile_fn *fn, void *user)
{
	Cuda *c = e->state;
	y12_status s = enter(c);

	return s ? s : leave(c, fn ? profile_all(c, n, fn, user) : replay(c, n));
}

/* Through the pinned buffer while it lasts, since only such copies run beside this thread. */
static y12_status
fetch(Cuda *c, const y12e_entry *n)
{
	const y12_engine *e = c->e;
	size_t at = c->pinned_at;

	for (int copied = 0; copied < 2; copied++) {
		c->pinned_at = at;
		for (uint32_t j = n->tensor; j < n->tensor + n->ntensor; j++) {
			const y12e_tensor *t = &e->tensors[j];
			void *to = (void *)(uintptr_t)e->bound[j], *p;
			size_t bytes = c->room[j];

			if (!(t->flags & Y12E_OUTPUT) || !to)
				continue;
			p = pinned(c, bytes);
			if (!copied)
				CUDA_TRY(c, MemcpyDtoHAsync, p ? p : to, c->arena + t->offset, bytes, c->stream);
			else if (p)
				memcpy(to, p, bytes);
		}
		if (!copied)
			CUDA_TRY(c, StreamSynchronize, c->stream);
	}
	return Y12_OK;
}

static y12_status
cuda_fetch(y12_engine *e, const y12e_entry *n)
{
	Cuda *c = e->state;
	y12_status s = enter(c);

	if (s)
		return s;
	if (!(s = fetch(c, n)) && c->replayed)
		s = read_phases(c, n);
	c->replayed = false;
	return leave(c, s);
}

/* One after another without waiting, so that the stream never runs dry; the first of a chunk is not timed,
 * since it waits for this thread. */
static y12_status
bench(Cuda *c, const y12e_entry *n, size_t repeats, double *seconds, CUevent *mark)
{
	CUgraphExec graph = c->entry[n - c->e->entries].graph;
	y12_status s;

	for (int i = 0; i <= CHUNK; i++)
		CUDA_TRY(c, EventCreate, &mark[i], 0);
	for (size_t done = 0, k; done < repeats; done += k) {
		k = repeats - done < CHUNK ? repeats - done : CHUNK;
		CUDA_TRY(c, GraphLaunch, graph, c->stream);
		CUDA_TRY(c, EventRecord, mark[0], c->stream);
		for (size_t i = 0; i < k; i++) {
			if (i + 1 == k)
				CUDA_TRY(c, EventRecord, c->start, c->stream);
			CUDA_TRY(c, GraphLaunch, graph, c->stream);
			CUDA_TRY(c, EventRecord, mark[i + 1], c->stream);
		}
		CUDA_TRY(c, EventRecord, c->end, c->stream);
		CUDA_TRY(c, StreamSynchronize, c->stream);
		for (size_t i = 0; i < k; i++)
			if ((s = seconds_between(c, mark[i], mark[i + 1], &seconds[done + i])))
				return s;
	}
	return read_phases(c, n);
}

static y12_status
cuda_bench(y12_engine *e, const y12e_entry *n, size_t repeats, double *seconds)
{
	Cuda *c = e->state;
	CUevent mark[CHUNK + 1] = { NULL };
	y12_status s = enter(c);
	CUresult r;

	if (s)
		return s;
	s = bench(c, n, repeats, seconds, mark);
	for (int i = 0; i <= CHUNK && mark[i]; i++)
		if ((r = cu.EventDestroy(mark[i])) && !s)
			s = cuda_fail(c, r, "cuEventDestroy");
	return leave(c, s);
}

static const char *
cuda_fact(const y12_engine *e, const char *what)
{
	Cuda *c = e->state;
	size_t avail = 0, total = 0;
	CUcontext ctx;

	if (strcmp(what, "name") == 0)
		return c->name;
	if (strcmp(what, "code") == 0)
		return c->code;
	if (strcmp(what, "sm") == 0) {
		snprintf(c->fact, sizeof c->fact, "%d", c->sm);
	} else if (strcmp(what, "driver") == 0) {
		snprintf(c->fact, sizeof c->fact, "%d.%d", c->driver / 1000, c->driver % 1000 / 10);
	} else if (strcmp(what, "free") == 0 || strcmp(what, "total") == 0) {
		if (cu.CtxPushCurrent(c->ctx))
			return NULL;
		cu.MemGetInfo(&avail, &total);
		cu.CtxPopCurrent(&ctx);
		snprintf(c->fact, sizeof c->fact, "%zu", *what == 'f' ? avail : total);
	} else {
		return NULL;
	}
	return c->fact;
}

const Device device_cuda = {
	.name = "cuda", .open = cuda_open, .close = cuda_close, .upload = cuda_upload, .launch = cuda_launch,
	.fetch = cuda_fetch, .bench = cuda_bench, .find = cuda_find, .fact = cuda_fact,
};

#else

static y12_status
cuda_open(y12_engine *e, const y12_options *opt, int number)
{
	(void)opt;
	return y12_fail(e, Y12_NODEVICE, "cuda:%d: this library was built without the CUDA device (--disable-cuda)",
	                number);
}

static void
cuda_close(y12_engine *e)
{
	(void)e;
}

static y12_status
cuda_find(y12_engine *e, int number, y12_gpu *out)
{
	(void)out;
	return cuda_open(e, NULL, number);
}

const Device device_cuda = { .name = "cuda", .open = cuda_open, .close = cuda_close, .find = cuda_find };

#endif
