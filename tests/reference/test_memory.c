/* test_memory.c -- one arena, as large as the plan says, and nothing is asked of the system after the start.
 *
 * Calls to the allocator, mmap and brk are counted while a network runs that was compiled for it, on
 * pictures of several sizes and with several threads.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "reference.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/* glibc lets a program put its own in place; a sanitizer has done that already. */
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define COUNTED 1
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
static atomic_int calls;

void *malloc(size_t n) { calls++; return __libc_malloc(n); }
void *calloc(size_t n, size_t m) { calls++; return __libc_calloc(n, m); }
void *realloc(void *p, size_t n) { calls++; return __libc_realloc(p, n); }
void *aligned_alloc(size_t align, size_t n) { calls++; return __libc_memalign(align, n); }

int
posix_memalign(void **p, size_t align, size_t n)
{
	calls++;
	*p = __libc_memalign(align, n);
	return *p ? 0 : 12;
}

void *
mmap(void *at, size_t n, int prot, int flags, int fd, off_t from)
{
	calls++;
	return (void *)syscall(SYS_mmap, at, n, prot, flags, fd, from);
}
#endif

enum { CLASSES = 6, MOST = 300 };

static void
test_allocates_nothing(void **state)
{
	(void)state;
#ifdef COUNTED
	static const struct { int h, w; } size[] = { { 480, 640 }, { 37, 53 }, { 1, 50 }, { 1080, 810 } };
	Arena *a = arena_new();
	Net n = net_open(&(NetSpec){ .weights = in_source(a, "models/weights/codes-n.safetensors"), .entry = "detect",
	                             .frame = { 320, 320 } });
	uint8_t *rgb = calloc(1080 * 810, 3);
	float *boxes = NEWN(a, float, MOST * 4), *score = NEWN(a, float, MOST);
	int32_t *label = NEWN(a, int32_t, MOST);
	void *volatile p;
	int before, after, wrong = 0;

	for (int i = 0; i < 1080 * 810 * 3; i++)
		rgb[i] = (uint8_t)hash_word(1, (uint64_t)i);
	before = calls;
	p = malloc(1);
	p = realloc(p, 1 << 20);        /* the allocator's own mmap is not seen, its callers are */
	munmap(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 4096);
	assert_int_equal(calls - before, 3);
	free(p);
	before = calls;
	for (size_t i = 0; i < 3 * COUNT(size); i++) {
		const y12_tensor io[] = {
			{ "image0", Y12_U8, 3, { size[i / 3].h, size[i / 3].w, 3 }, rgb },
			{ "boxes", Y12_F32, 3, { 1, MOST, 4 }, boxes }, { "score", Y12_F32, 2, { 1, MOST }, score },
			{ "label", Y12_I32, 2, { 1, MOST }, label },
		};

		wrong += y12_run(n.eng, "detect", io, COUNT(io)) != Y12_OK;
	}
	after = calls;
	assert_int_equal(wrong, 0);
	assert_int_equal(after - before, 0);
	free(rgb);
	net_close(&n);
	arena_free(a);
#else
	skip();
#endif
}

/* The plan of an entry as `compile` would make it for this machine. */
static int64_t
planned(const char *entry, const char *scale, int batch)
{
	Arena *a = arena_new();
	Diag *d = diag_new(a);
	const char *entries[] = { entry, NULL };
	CompileOptions o = { .model = in_source(a, "models/yolov12.y12"), .scale = scale, .frame = { 640, 640 }, .batch = batch,
	                     .entries = entries, .verify = true };
	Compiled c;
	int64_t peak;

	if (!compile(a, d, &o, &c)) {
		diag_print(d, stdout, false);
		fail();
	}

	const Plan *p = &c.module->graph.p[0]->plan;

	print_message("%-8s %s, batch %d: peak %8.2f MiB, bound %8.2f MiB, %.3f\n", entry, scale, batch,
	              (double)p->peak / (1 << 20), (double)p->bound / (1 << 20), (double)p->peak / (double)p->bound);
	assert_true(p->bound > 0);
	assert_true((double)p->peak <= 1.05 * (double)p->bound);
	peak = p->peak;
	arena_free(a);
	return peak;
}

static void
test_plans(void **state)
{
	static const char *const entry[] = { "forward", "detect" }, *const scale[] = { "n", "x" };
	static const int batch[] = { 1, 8 };

	(void)state;
	for (int i = 0; i < 8; i++)
		planned(entry[i / 4], scale[i / 2 % 2], batch[i % 2]);
}

/* What the runtime reserves is the plan's peak, to the page. */
static void
test_reserved(void **state)
{
	Net n = net_open(&(NetSpec){ .scale = "n", .entry = "forward", .frame = { 64, 64 } });
	int64_t peak = n.c.module->graph.p[0]->plan.peak, arena = (int64_t)y12_arena_bytes(n.eng);

	(void)state;
	assert_true(arena >= peak && arena < peak + 4096);
	net_close(&n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_allocates_nothing), cmocka_unit_test(test_plans), cmocka_unit_test(test_reserved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
