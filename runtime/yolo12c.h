/* yolo12c.h -- run an engine that yolo12c compiled.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef YOLO12C_H
#define YOLO12C_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define Y12_API __attribute__((visibility("default")))
#else
#define Y12_API
#endif

/** What a call came to.  Only Y12_DEVICE ends the use of an engine. */
typedef enum y12_status {
	Y12_OK = 0,
	Y12_NOFILE,             /**< the file can't be read; errno is kept */
	Y12_CORRUPT,            /**< not an engine, damaged, or of another version */
	Y12_NODEVICE,           /**< no such device, or no code for it in the engine */
	Y12_NOMEMORY,           /**< the arena can't be reserved; the message gives bytes */
	Y12_NOENTRY,            /**< the engine has no entry of that name */
	Y12_SHAPE,              /**< a tensor is missing, unknown, or differs from y12_entry_io() */
	Y12_DEVICE,             /**< a driver call failed; only y12_engine_close() is left */
} y12_status;

/** Element types. */
typedef enum y12_dtype {
	Y12_U8 = 1, Y12_BOOL, Y12_I32, Y12_I64, Y12_F16, Y12_BF16, Y12_F32, Y12_F64
} y12_dtype;

enum { Y12_MAX_RANK = 6 };

/** A tensor of the caller: C order, no gaps. */
typedef struct y12_tensor {
	const char *name;
	y12_dtype dtype;
	int rank;
	int64_t dim[Y12_MAX_RANK];
	void *data;
} y12_tensor;

/** What an entry takes or gives. */
typedef struct y12_io {
	const char *name;
	y12_dtype dtype;
	int rank;
	int64_t dim[Y12_MAX_RANK];      /**< -1: any size from 1 on (the sides of a picture) */
	int output;                     /**< 1: written by y12_run() */
	int optional;                   /**< 1: may be left out; the engine holds a default */
} y12_io;

typedef struct y12_engine y12_engine;

/** How to open an engine. */
typedef struct y12_options {
	const char *device;     /**< NULL or "host"; "host:4" = with 4 threads; "cuda:1", "gpu" = "cuda:0", "1" */
	int threads;            /**< host: 0 = one a processor */
	size_t picture_bytes;   /**< cuda: room for each input of any size, reserved at open; 0 = 64 MiB among
	                             them, but at least 8 MiB each */
	const char *cache_dir;  /**< cuda: the user's own folder, where what the driver compiles is kept;
	                             NULL = compile at each open */
} y12_options;

/** What is behind a device name. */
typedef struct y12_gpu {
	char kind[8];           /**< "host" or "cuda"; the rest is of cuda alone */
	char name[100];         /**< of the card */
	int number;             /**< cuda:NUMBER */
	int sm;                 /**< 90: compute capability 9.0 */
	int driver;             /**< the CUDA version it knows: 12040 is 12.4 */
	int processors;         /**< multiprocessors; 0: not known, as for those below */
	int clock_khz, memory_khz;      /**< at most */
	size_t memory;          /**< bytes in all */
} y12_gpu;

/**
 * Look at a device without opening anything on it: what code it needs.
 *
 * @param device   as in y12_options
 * @param out      facts about it
 * @param message  gets a sentence about what is wrong; NULL is fine
 * @param size     bytes there
 * @return Y12_OK, Y12_NODEVICE (no such device, or no driver), Y12_DEVICE (a driver call failed)
 */
Y12_API y12_status y12_device_find(const char *device, y12_gpu *out, char *message, size_t size);

/**
 * Open an engine file, map it, check every offset in it, and reserve its arena.
 *
 * An engine holds machine code: open only files that you trust as you would a
 * shared library.  A damaged or hostile *layout* gives Y12_CORRUPT, never a crash.
 *
 * @param path  file
 * @param opt   NULL = host, one thread a processor
 * @param out   the engine; also set on failure (unless memory ran out), so that y12_message() can
 *              be asked; close it either way
 * @return Y12_OK, Y12_NOFILE, Y12_CORRUPT, Y12_NODEVICE, Y12_NOMEMORY, Y12_DEVICE
 */
Y12_API y12_status y12_engine_open(const char *path, const y12_options *opt, y12_engine **out);

/** The same from memory.  The bytes are not copied: they must stay until close. */
Y12_API y12_status y12_engine_open_memory(const void *data, size_t size,
                                          const y12_options *opt, y12_engine **out);

Y12_API void y12_engine_close(y12_engine *eng);

/** Sentence about the last call that did not return Y12_OK; "" if none. */
Y12_API const char *y12_message(const y12_engine *eng);

/** Entries, by index; NULL past the last. */
Y12_API const char *y12_entry_name(const y12_engine *eng, size_t index);

/** i-th tensor of an entry: inputs, then outputs.  Returns 0 past the last (or no such entry). */
Y12_API int y12_entry_io(const y12_engine *eng, const char *entry, size_t i, y12_io *out);

/** A fact that the compiler wrote down ("names", "stride", "model" …); NULL if it did not. */
Y12_API const char *y12_meta(const y12_engine *eng, const char *key);

/** i-th key of y12_meta(); NULL past the last. */
Y12_API const char *y12_meta_key(const y12_engine *eng, size_t i);

/** Bytes of the arena (the plan's peak) and of the constants. */
Y12_API size_t y12_arena_bytes(const y12_engine *eng);
Y12_API size_t y12_const_bytes(const y12_engine *eng);

/**
 * Run one entry of an engine and wait for its outputs.
 *
 * @param eng    From y12_engine_open().  One run at a time; another thread
 *               opens its own engine.
 * @param entry  Name of the entry, such as "detect".
 * @param io     One tensor for each input that is not optional and for each
 *               output that is wanted, in any order.  The "detect" entry of a
 *               YOLOv12 engine built for batch N takes
 *                 image0 … image<N-1>  u8  [h, w, 3]  in   RGB, top row first, any size each
 *                 conf                 f32 [1]        in   optional: least score
 *                 iou                  f64 [1]        in   optional: NMS threshold
 *                 boxes                f32 [N, K, 4]  out  x0 y0 x1 y1 in pixels of each picture
 *                 score                f32 [N, K]     out  0..1, falling, 0 past the last
 *                 label                i32 [N, K]     out  class index, -1 past the last
 * @param nio    Number of tensors in io.
 *
 * @return Y12_OK.
 *         Y12_NOENTRY: the engine has no entry of that name.
 *         Y12_SHAPE:   a tensor is missing, or differs from y12_entry_io(), or a picture is
 *                      larger than y12_options.picture_bytes.
 *         Y12_DEVICE:  a driver call failed; only y12_engine_close() is left.
 *         y12_message(eng) then names the tensor or the call.
 *
 * Allocates nothing: temporaries live in the arena that y12_engine_open()
 * reserved.  The caller owns io; it is not kept after return.
 */
Y12_API y12_status y12_run(y12_engine *eng, const char *entry, const y12_tensor *io, size_t nio);

/** Seconds that the last y12_run() spent in the launches of a phase: "pre" (until the picture is
 *  the network's input), "net", "post" (from the decoded boxes on), "all". */
Y12_API double y12_seconds(const y12_engine *eng, const char *phase);

/** Time of the launches of an entry alone: brings the inputs to the device once, then runs the
 *  launches `repeats` times in a row and writes how long each run took; no outputs are copied.
 *  y12_seconds() then tells of the last run. */
Y12_API y12_status y12_bench(y12_engine *eng, const char *entry, const y12_tensor *io, size_t nio,
                             size_t repeats, double *seconds);

/** A fact about the device, NULL if there is none such: "kind" ("host", "cuda"), and for cuda "name" (of the
 *  card), "sm" ("90"), "driver" (the CUDA version it knows, "13.0"), "code" (which code runs, and where it came
 *  from), "free" and "total" (bytes of its memory, now).  The text is good until the next call. */
Y12_API const char *y12_device(const y12_engine *eng, const char *what);

/** Bytes of device memory that the engine reserved: arena, and for cuda constants, inputs and sizes. */
Y12_API size_t y12_device_bytes(const y12_engine *eng);

/** Time of each launch of an entry, for `bench` and `explain`: runs it once with a clock around every
 *  launch.  calls back with the kernel's name, the layer's path and the seconds.  On cuda each takes about
 *  2 us longer here than in a run, so the sum is more than y12_bench() says. */
typedef void y12_profile_fn(void *user, const char *kernel, const char *layer, double seconds);
Y12_API y12_status y12_profile(y12_engine *eng, const char *entry, const y12_tensor *io, size_t nio,
                               y12_profile_fn *fn, void *user);

#ifdef __cplusplus
}
#endif
#endif
