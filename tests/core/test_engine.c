/* test_engine.c -- engines open, answer and run; broken ones say so and do not crash.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/core/image.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

/* ---- allocations are counted ------------------------------------------------------------- */

/* glibc lets a program put its own in place; a sanitizer has done that already. */
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define COUNTED 1
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
static atomic_int allocations;

void *
malloc(size_t n)
{
	atomic_fetch_add(&allocations, 1);
	return __libc_malloc(n);
}

void *
calloc(size_t n, size_t m)
{
	atomic_fetch_add(&allocations, 1);
	return __libc_calloc(n, m);
}

void *
realloc(void *p, size_t n)
{
	atomic_fetch_add(&allocations, 1);
	return __libc_realloc(p, n);
}
#endif

static const y12_options two_threads = { .threads = 2 }, one_thread = { .threads = 1 };

static y12_engine *
opened(const Image *im, const y12_options *opt)
{
	y12_engine *e;

	if (y12_engine_open_memory(im, IMAGE_BYTES, opt, &e))
		fail_msg("%s", y12_message(e));
	return e;
}

static void
run_add(y12_engine *e, const int32_t *bias)
{
	int32_t x[COUNT_X], y[COUNT_X], b = bias ? *bias : 0;
	const y12_tensor io[] = {
		{ "y", Y12_I32, 1, { COUNT_X }, y }, { "x", Y12_I32, 1, { COUNT_X }, x }, { "bias", Y12_I32, 1, { 1 }, &b },
	};

	for (int i = 0; i < COUNT_X; i++) {
		x[i] = 7 * i;
		y[i] = -1;
	}
	if (y12_run(e, "add", io, bias ? 3 : 2))
		fail_msg("%s", y12_message(e));
	for (int i = 0; i < COUNT_X; i++)
		assert_int_equal(y[i], 7 * i + (bias ? b : BIAS));
}

static void
runs(void **state)
{
	Image *im = image_new();
	y12_engine *e = opened(im, &two_threads);
	int32_t bias = -5;
	int64_t dims[3];
	uint8_t pixel[6] = { 0 };
	const y12_tensor io[] = {
		{ "image", Y12_U8, 3, { 2, 1, 3 }, pixel }, { "dims", Y12_I64, 1, { 3 }, dims },
	};

	(void)state;
	run_add(e, NULL);
	run_add(e, &bias);
	run_add(e, NULL);               /* the default is back */
	assert_int_equal(y12_run(e, "shape", io, 2), Y12_OK);
	assert_int_equal(dims[0], 2);
	assert_int_equal(dims[1], 1);
	assert_int_equal(dims[2], 3);
	assert_int_equal(y12_run(e, "shape", io, 1), Y12_OK);   /* an output may be left out */
	assert_string_equal(y12_message(e), "");
	assert_true(y12_seconds(e, "all") >= y12_seconds(e, "pre"));
	assert_true(y12_seconds(e, "net") == 0);
	y12_engine_close(e);
	y12_engine_close(NULL);
	free(im);
}

static void
tells_what_it_is(void **state)
{
	Image *im = image_new();
	y12_engine *e = opened(im, NULL);
	y12_io io;

	(void)state;
	assert_string_equal(y12_entry_name(e, 0), "add");
	assert_string_equal(y12_entry_name(e, 1), "shape");
	assert_null(y12_entry_name(e, 2));
	assert_int_equal(y12_entry_io(e, "add", 0, &io), 1);
	assert_string_equal(io.name, "x");
	assert_true(io.dtype == Y12_I32 && io.rank == 1 && io.dim[0] == COUNT_X && !io.output && !io.optional);
	assert_int_equal(y12_entry_io(e, "add", 1, &io), 1);
	assert_true(io.optional && !io.output);
	assert_int_equal(y12_entry_io(e, "shape", 0, &io), 1);
	assert_true(io.dim[0] == -1 && io.dim[2] == 3);
	assert_int_equal(y12_entry_io(e, "shape", 1, &io), 1);
	assert_true(io.output);
	assert_int_equal(y12_entry_io(e, "shape", 2, &io), 0);
	assert_int_equal(y12_entry_io(e, "nothing", 0, &io), 0);
	assert_string_equal(y12_meta(e, "names"), "[\"a\",\"b\"]");
	assert_string_equal(y12_meta_key(e, 1), "stride");
	assert_null(y12_meta_key(e, 2));
	assert_null(y12_meta(e, "nothing"));
	assert_int_equal(y12_arena_bytes(e), 128);
	assert_int_equal(y12_const_bytes(e), 64);
	y12_engine_close(e);
	free(im);
}

static void
profiled(void *user, const char *kernel, const char *layer, double seconds)
{
	int *n = user;

	assert_string_equal(kernel, "add_i32");
	assert_string_equal(layer, "model.0");
	assert_true(seconds >= 0);
	++*n;
}

static void
profiles(void **state)
{
	Image *im = image_new();
	y12_engine *e = opened(im, &one_thread);
	int32_t x[COUNT_X] = { 0 };
	int n = 0;

	(void)state;
	assert_int_equal(y12_profile(e, "add", &(y12_tensor){ "x", Y12_I32, 1, { COUNT_X }, x }, 1, profiled, &n), Y12_OK);
	assert_int_equal(n, 1);
	y12_engine_close(e);
	free(im);
}

static void
wrong_tensors(void **state)
{
	Image *im = image_new();
	y12_engine *e = opened(im, &one_thread);
	int32_t x[COUNT_X] = { 0 };
	uint8_t pixel[3] = { 0 };
	const struct { const char *entry; y12_tensor t; const char *says; } row[] = {
		{ "shape", { "image", Y12_U8, 3, { 0, 1, 3 }, pixel }, "tensor image is u8[0,1,3], but entry shape takes u8[?,?,3]" },
		{ "shape", { "image", Y12_U8, 3, { 1, 1, 4 }, pixel }, "tensor image is u8[1,1,4], but entry shape takes u8[?,?,3]" },
		{ "shape", { "image", Y12_U8, 3, { (int64_t)1 << 40, 1, 3 }, pixel }, "tensor image is u8[1099511627776,1,3], but entry shape takes u8[?,?,3]" },
		{ "shape", { "x", Y12_U8, 3, { 1, 1, 3 }, pixel }, "entry shape has no tensor 'x'" },
		{ "add", { "bias", Y12_I32, 1, { 1 }, x }, "entry add: tensor x is missing" },
		{ "add", { "x", Y12_F32, 1, { COUNT_X }, x }, "tensor x is f32[8], but entry add takes i32[8]" },
		{ "add", { "x", Y12_I32, 1, { COUNT_X + 1 }, x }, "tensor x is i32[9], but entry add takes i32[8]" },
		{ "add", { "x", Y12_I32, 2, { COUNT_X, 1 }, x }, "tensor x is i32[8,1], but entry add takes i32[8]" },
		{ "add", { "x", Y12_I32, -1, { 0 }, x }, "tensor x is i32[], but entry add takes i32[8]" },
		{ "add", { "x", Y12_I32, 1000, { 0 }, x }, "tensor x is i32[], but entry add takes i32[8]" },
		{ "add", { "x", (y12_dtype)99, 1, { COUNT_X }, x }, "tensor x is ?[8], but entry add takes i32[8]" },
		{ "add", { "x", Y12_I32, 1, { COUNT_X }, NULL }, "tensor x has no data" },
		{ "add", { NULL, Y12_I32, 1, { COUNT_X }, x }, "entry add has no tensor '(null)'" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		assert_int_equal(y12_run(e, row[i].entry, &row[i].t, 1), Y12_SHAPE);
		assert_string_equal(y12_message(e), row[i].says);
	}
	assert_int_equal(y12_run(e, "add", NULL, 0), Y12_SHAPE);
	assert_int_equal(y12_run(e, "detect", NULL, 0), Y12_NOENTRY);
	assert_string_equal(y12_message(e), "the engine has no entry 'detect'");
	run_add(e, NULL);               /* none of this did harm */
	y12_engine_close(e);
	free(im);
}

static void
allocates_nothing(void **state)
{
	(void)state;
#ifdef COUNTED
	Image *im = image_new();
	y12_engine *e = opened(im, &two_threads);
	int32_t x[COUNT_X] = { 0 }, y[COUNT_X];
	const y12_tensor io[] = {
		{ "x", Y12_I32, 1, { COUNT_X }, x }, { "y", Y12_I32, 1, { COUNT_X }, y },
	};
	int before, after, bad = 0;
	void *volatile p;

	before = atomic_load(&allocations);
	p = malloc(1);
	assert_true(atomic_load(&allocations) > before);        /* it does count */
	free(p);
	before = atomic_load(&allocations);
	for (int i = 0; i < 100; i++)
		bad |= y12_run(e, "add", io, 2) != Y12_OK;
	after = atomic_load(&allocations);
	assert_int_equal(bad, 0);
	assert_int_equal(after - before, 0);
	y12_engine_close(e);
	free(im);
#else
	skip();
#endif
}

/* ---- several at once ------------------------------------------------------------------------- */

static void *
many_runs(void *arg)
{
	const Image *im = arg;
	y12_engine *a = opened(im, &two_threads), *b = opened(im, &one_thread);

	for (int32_t i = 0; i < 200; i++) {
		run_add(a, &i);
		run_add(b, NULL);
	}
	y12_engine_close(b);
	run_add(a, NULL);
	y12_engine_close(a);
	return NULL;
}

static void
engines_side_by_side(void **state)
{
	Image *im = image_new();
	pthread_t t[2];

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&t[i], NULL, many_runs, im), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	free(im);
}

/* ---- devices ------------------------------------------------------------------------------------ */

static void
devices(void **state)
{
	static const struct { const char *device; y12_status want; } row[] = {
		{ NULL, Y12_OK }, { "host", Y12_OK }, { "cpu", Y12_OK }, { "host:3", Y12_OK }, { "cpu:1", Y12_OK },
		{ "host:0", Y12_NODEVICE }, { "host:", Y12_NODEVICE }, { "host:x", Y12_NODEVICE },
		{ "host:100000", Y12_NODEVICE }, { "hostess", Y12_NODEVICE }, { "", Y12_NODEVICE },
	};
	Image *im = image_new();

	(void)state;
	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		const y12_options opt = { .device = row[i].device };
		y12_engine *e;

		assert_int_equal(y12_engine_open_memory(im, IMAGE_BYTES, &opt, &e), row[i].want);
		assert_int_equal(*y12_message(e) != 0, row[i].want != Y12_OK);
		if (!row[i].want)
			run_add(e, NULL);
		y12_engine_close(e);
	}
	free(im);
}

static void
code_for_other_machines(void **state)
{
	Image *im = image_new();
	y12_engine *e;

	(void)state;
	im->h.codes.count = 1;
	image_seal(im, IMAGE_BYTES);
	assert_int_equal(y12_engine_open_memory(im, IMAGE_BYTES, NULL, &e), Y12_NODEVICE);
	assert_non_null(strstr(y12_message(e), "elsewhere:z80"));
	y12_engine_close(e);
	free(im);
}

/* ---- files ---------------------------------------------------------------------------------------- */

static void
files(void **state)
{
	char path[] = "/tmp/y12-engine-XXXXXX";
	Image *im = image_new();
	int fd = mkstemp(path);
	y12_engine *e;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(y12_engine_open(path, NULL, &e), Y12_CORRUPT);
	assert_non_null(strstr(y12_message(e), "the file is empty"));
	y12_engine_close(e);
	assert_int_equal(write(fd, im, IMAGE_BYTES), IMAGE_BYTES);
	assert_int_equal(y12_engine_open(path, &one_thread, &e), Y12_OK);
	run_add(e, NULL);
	y12_engine_close(e);
	assert_int_equal(ftruncate(fd, IMAGE_BYTES - 1), 0);
	assert_int_equal(y12_engine_open(path, &one_thread, &e), Y12_CORRUPT);
	y12_engine_close(e);
	close(fd);
	unlink(path);
	assert_int_equal(y12_engine_open(path, NULL, &e), Y12_NOFILE);
	assert_non_null(strstr(y12_message(e), "No such file"));
	y12_engine_close(e);
	assert_int_equal(y12_engine_open("/tmp", NULL, &e), Y12_NOFILE);
	y12_engine_close(e);
	free(im);
}

/* An engine that did not open can be asked all the same. */
static void
empty_answers(void **state)
{
	Image *im = image_new();
	y12_engine *e;
	y12_io io;

	(void)state;
	im->tensor[0].rank = 99;
	image_seal(im, IMAGE_BYTES);
	assert_int_equal(y12_engine_open_memory(im, IMAGE_BYTES, NULL, &e), Y12_CORRUPT);
	assert_null(y12_entry_name(e, 0));
	assert_null(y12_meta(e, "names"));
	assert_null(y12_meta_key(e, 0));
	assert_int_equal(y12_entry_io(e, "add", 0, &io), 0);
	assert_int_equal(y12_arena_bytes(e), 0);
	assert_int_equal(y12_run(e, "add", NULL, 0), Y12_NOENTRY);
	assert_string_equal(y12_message(e), "the engine is damaged: a tensor's shape out of range");
	y12_engine_close(e);
	free(im);
}

/* ---- damage and malice -------------------------------------------------------------------------------- */

/* Opens a copy that ends where the memory ends, so that reading past it is seen. */
static y12_status
open_copy(const void *image, size_t n)
{
	void *copy = NULL;
	y12_engine *e;
	y12_status s;
	y12_io io;

	assert_int_equal(posix_memalign(&copy, Y12E_PAGE, n ? n : 1), 0);
	memcpy(copy, image, n);
	s = y12_engine_open_memory(copy, n, &one_thread, &e);
	assert_true((s == Y12_OK) == (*y12_message(e) == 0));
	for (size_t i = 0; y12_entry_name(e, i) && i < 4; i++)
		for (size_t j = 0; y12_entry_io(e, y12_entry_name(e, i), j, &io) && j < 8; j++)
			assert_non_null(io.name);
	for (size_t i = 0; y12_meta_key(e, i) && i < 4; i++)
		assert_non_null(y12_meta(e, y12_meta_key(e, i)));
	y12_engine_close(e);
	free(copy);
	return s;
}

static void
cut_short(void **state)
{
	Image *im = image_new();

	(void)state;
	for (size_t n = 0; n < IMAGE_BYTES; n++) {
		assert_int_equal(open_copy(im, n), Y12_CORRUPT);
		if (n < sizeof im->h)
			continue;
		/* and made to look whole */
		im->h.file_bytes = n;
		image_seal(im, n);
		assert_int_equal(open_copy(im, n), Y12_CORRUPT);
		im->h.file_bytes = IMAGE_BYTES;
		image_seal(im, IMAGE_BYTES);
	}
	assert_int_equal(open_copy(im, IMAGE_BYTES), Y12_OK);
	free(im);
}

static void
a_flipped_bit(void **state)
{
	Image *im = image_new();
	uint8_t *byte = (uint8_t *)im;

	(void)state;
	for (size_t i = 0; i < IMAGE_BYTES; i++) {
		y12_status s;

		byte[i] ^= (uint8_t)(1 << i % 8);
		s = open_copy(im, IMAGE_BYTES);
		if (s != Y12_CORRUPT)
			fail_msg("byte %zu: status %d", i, s);
		byte[i] ^= (uint8_t)(1 << i % 8);
	}
	free(im);
}

/* Every word of the header and of the tables takes hostile values, under a checksum that fits: whatever
 * is made of them, it is no crash.  (Engines that still open are not run: their code is trusted.) */
static void
hostile_words(void **state)
{
	static const uint32_t value[] = { 0, 1, 2, 7, 63, 64, 255, 4096, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff };
	Image *im = image_new();
	uint32_t *word = (uint32_t *)im;
	int open = 0, shut = 0;

	(void)state;
	for (size_t i = 0; i < (offsetof(Image, at) + sizeof im->at) / 4; i++)
		for (size_t k = 0; k < sizeof value / sizeof *value + 2; k++) {
			uint32_t was = word[i];

			if (i * 4 >= offsetof(Image, text) + im->h.strings.count && i * 4 < offsetof(Image, tensor))
				continue;       /* gap */
			word[i] = k < sizeof value / sizeof *value ? value[k] : was + (k % 2 ? 1u : -1u);
			if (i * 4 < offsetof(y12e_header, checksum) || i * 4 >= offsetof(y12e_header, arena_bytes))
				image_seal(im, IMAGE_BYTES);
			switch (open_copy(im, IMAGE_BYTES)) {
			case Y12_OK: case Y12_NOMEMORY: case Y12_NODEVICE: open++; break;
			case Y12_CORRUPT: shut++; break;
			default: fail_msg("word %zu: an odd status", i);
			}
			word[i] = was;
			image_seal(im, IMAGE_BYTES);
		}
	print_message("%d still open, %d refused\n", open, shut);
	assert_true(open > 0 && shut > 1000);
	free(im);
}

#define FIELD(member, bits, value) \
	{ #member " = " #value, offsetof(Image, member), bits, (uint64_t)(value) }

/* Values that the reader must see through. */
static void
must_be_refused(void **state)
{
	static const struct { const char *what; size_t at; int bits; uint64_t value; } row[] = {
		FIELD(h.magic, 32, 0), FIELD(h.version, 32, 0), FIELD(h.version, 32, Y12E_VERSION + 1),
		FIELD(h.reserved, 32, 1),
		FIELD(h.file_bytes, 64, IMAGE_BYTES + 1), FIELD(h.checksum, 64, 0),
		FIELD(h.arena_bytes, 64, 0), FIELD(h.arena_bytes, 64, 87), FIELD(h.arena_bytes, 64, UINT64_MAX),
		FIELD(h.strings.count, 64, 0), FIELD(h.strings.count, 64, 2), FIELD(h.strings.count, 64, UINT64_MAX),
		FIELD(h.strings.offset, 64, IMAGE_BYTES), FIELD(h.strings.offset, 64, offsetof(Image, text) + 1),
		FIELD(h.tensors.offset, 64, offsetof(Image, tensor) + 4), FIELD(h.tensors.count, 64, UINT64_MAX / 64),
		FIELD(h.tensors.count, 64, 3), FIELD(h.tensors.offset, 64, UINT64_MAX - 7),
		FIELD(h.entries.count, 64, (uint64_t)1 << 60), FIELD(h.entries.offset, 64, 1),
		FIELD(h.launches.count, 64, 1), FIELD(h.launches.count, 64, (uint64_t)1 << 59),
		FIELD(h.args.count, 64, 4), FIELD(h.args.count, 64, UINT64_MAX),
		FIELD(h.kernels.count, 64, 1), FIELD(h.kernels.count, 64, 3), FIELD(h.kernels.offset, 64, IMAGE_BYTES),
		FIELD(h.metas.count, 64, 1000), FIELD(h.metas.offset, 64, (uint64_t)1 << 63),
		FIELD(h.codes.count, 64, 1000), FIELD(h.codes.offset, 64, 4),
		FIELD(h.consts.count, 64, 65), FIELD(h.consts.count, 64, 3), FIELD(h.consts.offset, 64, 8),
		FIELD(text, 8, 'x'),
		FIELD(tensor[0].name, 32, TEXT_MOST), FIELD(tensor[0].dtype, 32, 0), FIELD(tensor[0].dtype, 32, 9),
		FIELD(tensor[0].rank, 32, 7), FIELD(tensor[0].rank, 32, UINT32_MAX), FIELD(tensor[0].flags, 32, 4),
		FIELD(tensor[0].flags, 32, Y12E_OUTPUT), FIELD(tensor[0].dim[0], 64, 0), FIELD(tensor[0].dim[0], 64, -2),
		FIELD(tensor[0].dim[0], 64, INT64_MAX), FIELD(tensor[0].dim[0], 64, 7),
		FIELD(tensor[1].offset, 64, 64), FIELD(tensor[1].offset, 64, 4), FIELD(tensor[1].offset, 64, UINT64_MAX - 7),
		FIELD(tensor[1].dim[0], 64, -1), FIELD(tensor[1].dim[0], 64, 17),
		FIELD(tensor[2].offset, 64, 8), FIELD(tensor[2].offset, 64, 128), FIELD(tensor[2].offset, 64, UINT64_MAX - 63),
		FIELD(tensor[2].dim[0], 64, 33), FIELD(tensor[2].dim[0], 64, -1),
		FIELD(tensor[2].flags, 32, Y12E_OUTPUT | Y12E_OPTIONAL),
		FIELD(entry[0].name, 32, TEXT_MOST), FIELD(entry[0].tensor, 32, 6), FIELD(entry[0].ntensor, 32, 6),
		FIELD(entry[0].ntensor, 32, 1), FIELD(entry[1].tensor, 32, 4), FIELD(entry[0].launch, 32, 3),
		FIELD(entry[0].nlaunch, 32, 2), FIELD(entry[0].nlaunch, 32, UINT32_MAX),
		FIELD(launch[0].kernel, 32, 2), FIELD(launch[0].kernel, 32, 1), FIELD(launch[0].arg, 32, 5),
		FIELD(launch[0].arg, 32, UINT32_MAX), FIELD(launch[0].narg, 32, 2), FIELD(launch[0].narg, 32, UINT32_MAX),
		FIELD(launch[0].layer, 32, TEXT_MOST), FIELD(launch[0].phase, 32, 3),
		FIELD(launch[0].lane, 32, Y12E_LANES), FIELD(launch[0].lane, 32, UINT32_MAX), FIELD(launch[1].wait, 32, 2),
		FIELD(launch[1].nwait, 32, 2), FIELD(launch[1].nwait, 32, UINT32_MAX), FIELD(launch[0].nwait, 32, 1),
		FIELD(h.waits.count, 64, UINT64_MAX), FIELD(h.waits.offset, 64, 4),
		FIELD(arg[0].kind, 32, 99), FIELD(arg[0].tensor, 32, 2), FIELD(arg[0].tensor, 32, 3),
		FIELD(arg[0].tensor, 32, UINT32_MAX), FIELD(arg[0].offset, 64, 1), FIELD(arg[0].bytes, 64, 33),
		FIELD(arg[1].offset, 64, UINT64_MAX), FIELD(arg[2].offset, 64, 97), FIELD(arg[2].bytes, 64, 129),
		FIELD(arg[2].offset, 64, UINT64_MAX), FIELD(arg[3].tensor, 32, 1), FIELD(arg[3].tensor, 32, 2),
		FIELD(arg[4].offset, 64, 128), FIELD(arg[4].bytes, 64, UINT64_MAX),
		FIELD(kernel[0].name, 32, TEXT_MOST), FIELD(kernel[0].narg, 32, 2), FIELD(kernel[0].narg, 32, 4),
		FIELD(kernel[0].grid[0], 32, 0), FIELD(kernel[0].block[1], 32, 0),
		FIELD(meta[0].key, 32, TEXT_MOST), FIELD(meta[1].value, 32, UINT32_MAX),
		FIELD(code[1].target, 32, TEXT_MOST), FIELD(code[1].blob.offset, 64, 64),
		FIELD(code[1].blob.offset, 64, (uint64_t)1 << 40), FIELD(code[1].blob.count, 64, 0),
		FIELD(code[1].blob.count, 64, IMAGE_BYTES), FIELD(code[1].entry.count, 64, 1),
		FIELD(code[1].entry.offset, 64, 4), FIELD(code[1].entry.offset, 64, IMAGE_BYTES),
		FIELD(at[1][0], 64, 64), FIELD(at[1][1], 64, UINT64_MAX), FIELD(at[0][0], 64, 1),
	};

	(void)state;
	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		Image *im = image_new();

		memcpy((uint8_t *)im + row[i].at, &row[i].value, (size_t)row[i].bits / 8);
		if (row[i].at != offsetof(Image, h.checksum))
			image_seal(im, IMAGE_BYTES);
		if (open_copy(im, IMAGE_BYTES) != Y12_CORRUPT)
			fail_msg("%s is not refused", row[i].what);
		free(im);
	}
}

static void
not_aligned(void **state)
{
	static _Alignas(64) uint8_t bytes[IMAGE_BYTES + 64];
	Image *im = image_new();
	y12_engine *e;

	(void)state;
	memcpy(bytes + 8, im, IMAGE_BYTES);
	assert_int_equal(y12_engine_open_memory(bytes + 8, IMAGE_BYTES, NULL, &e), Y12_CORRUPT);
	assert_string_equal(y12_message(e), "the engine must start at a multiple of 64 bytes");
	y12_engine_close(e);
	free(im);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs),
		cmocka_unit_test(tells_what_it_is),
		cmocka_unit_test(profiles),
		cmocka_unit_test(wrong_tensors),
		cmocka_unit_test(allocates_nothing),
		cmocka_unit_test(engines_side_by_side),
		cmocka_unit_test(devices),
		cmocka_unit_test(code_for_other_machines),
		cmocka_unit_test(files),
		cmocka_unit_test(empty_answers),
		cmocka_unit_test(cut_short),
		cmocka_unit_test(a_flipped_bit),
		cmocka_unit_test(hostile_words),
		cmocka_unit_test(must_be_refused),
		cmocka_unit_test(not_aligned),
	};

	return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
