/* test_base.c -- arenas, maps, texts, names, files, hashes and number formats.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/base.h"

static void
test_arena(void **state)
{
	(void)state;
	Arena *a = arena_new();
	unsigned char *p[200];

	for (size_t i = 0; i < COUNT(p); i++) {         /* small and large mixed */
		size_t n = i % 10 == 9 ? 100000 * i : i;
		p[i] = arena_alloc(a, n);
		assert_int_equal((uintptr_t)p[i] % 16, 0);
		for (size_t k = 0; k < n; k += 97)
			assert_int_equal(p[i][k], 0);
		memset(p[i], (int)i, n);
	}
	for (size_t i = 1; i < COUNT(p); i++)           /* nobody overlaps anybody */
		assert_int_equal(p[i][0], i);
	assert_string_equal(arena_printf(a, "%d-%s", 7, "x"), "7-x");
	assert_true(arena_bytes(a) > 1000000);

	VEC(int) u = {0}, v = {0};
	for (int i = 0; i < 1000; i++) {
		vec_push(a, &u, i);
		if (i % 3 == 0)
			vec_push(a, &v, -i);
	}
	for (int i = 0; i < 1000; i++)
		assert_int_equal(u.p[i], i);
	assert_int_equal(v.p[v.n - 1], -999);
	arena_free(a);
	arena_free(NULL);
}

static void
test_map(void **state)
{
	(void)state;
	Arena *a = arena_new();
	Map *m = map_new(a);
	int value[500];

	assert_null(map_get(m, "k"));
	for (int i = 0; i < 500; i++)
		map_set(m, arena_printf(a, "key%d", i), &value[i]);
	map_set(m, "key7", NULL);
	assert_int_equal(map_count(m), 500);
	assert_string_equal(map_key(m, 31), "key31");
	assert_ptr_equal(map_get(m, "key499"), &value[499]);
	assert_true(map_has(m, "key7"));
	assert_null(map_get(m, "key7"));
	assert_false(map_has(m, "key500"));
	arena_free(a);
}

static void
test_real(void **state)
{
	(void)state;
	static const struct { double x; bool f32; const char *want; } row[] = {
		{ 0, 0, "0" }, { -0.0, 0, "-0" }, { 1, 0, "1" }, { 640, 0, "640" }, { 0.1, 0, "0.1" },
		{ 0.1f, 1, "0.1" }, { 0.1f, 0, "0.10000000149011612" }, { 1e-5, 0, "1e-05" },
		{ 1e-4, 0, "0.0001" }, { 1.5e300, 0, "1.5e+300" }, { 1e15, 0, "1000000000000000" },
		{ 1e16, 0, "1e+16" }, { 16777216, 1, "16777216" }, { -2.5, 0, "-2.5" },
		{ 0.937, 0, "0.937" }, { INFINITY, 0, "inf" }, { -INFINITY, 0, "-inf" }, { NAN, 0, "nan" },
		{ 5e-324, 0, "5e-324" }, { 1.0 / 3, 0, "0.3333333333333333" }, { 123.456, 0, "123.456" },
	};
	char buf[40];

	for (size_t i = 0; i < COUNT(row); i++)
		assert_string_equal(fmt_real(buf, row[i].x, row[i].f32), row[i].want);
	uint64_t r = 1;
	for (int i = 0; i < 20000; i++) {               /* any bits at all read back */
		r = r * 6364136223846793005u + 1442695040888963407u;
		double x;
		float f;
		memcpy(&x, &r, sizeof(x));
		memcpy(&f, (char *)&r + 4, sizeof(f));
		if (!isnan(x))
			assert_true(strtod(fmt_real(buf, x, false), NULL) == x);
		if (!isnan(f))
			assert_true(strtof(fmt_real(buf, (double)f, true), NULL) == f);
	}
}

static void
test_name(void **state)
{
	(void)state;
	static const char *const key[] = { "imgsz", "conf", "iou", "weights", "device", "n" };
	const struct { const char *slip, *want; } row[] = {
		{ "imgz", "imgsz" }, { "confg", "conf" }, { "wieghts", "weights" },
		{ "Device", "device" }, { "ui", NULL }, { "banana", NULL }, { "", NULL },
		{ "q", NULL }, { "cnof", "conf" },
	};

	for (size_t i = 0; i < COUNT(row); i++) {
		const char *got = did_you_mean(row[i].slip, key, COUNT(key));
		if (row[i].want)
			assert_string_equal(got ? got : "(none)", row[i].want);
		else
			assert_null(got);
	}
}

static void
test_file(void **state)
{
	(void)state;
	Arena *a = arena_new();
	char dir[] = "/tmp/y12-base-XXXXXX";
	const char *err = NULL;
	size_t n;

	assert_non_null(mkdtemp(dir));
	const char *path = arena_printf(a, "%s/a.txt", dir);
	assert_null(file_write(a, path, "hello", 5));
	assert_string_equal(file_read(a, path, &n, &err), "hello");
	assert_int_equal(n, 5);
	const void *m = file_map(a, path, &n, &err);
	assert_memory_equal(m, "hello", 5);
	file_unmap(m, n);

	/* the mode stays; a link keeps being a link; an abandoned write leaves the old file */
	const char *link = arena_printf(a, "%s/link", dir);
	struct stat st;
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(symlink("a.txt", link), 0);
	assert_null(file_write(a, link, "bye", 3));
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	FileOut o;
	assert_null(fileout_open(a, &o, path));
	fputs("half", o.f);
	fileout_abandon(&o);
	assert_string_equal(file_read(a, path, &n, &err), "bye");

	const char *none = arena_printf(a, "%s/empty", dir);
	assert_null(file_write(a, none, "", 0));
	m = file_map(a, none, &n, &err);
	assert_non_null(m);
	assert_int_equal(n, 0);
	file_unmap(m, n);

	assert_null(file_read(a, arena_printf(a, "%s/nope", dir), &n, &err));
	assert_non_null(strstr(err, "No such file"));
	assert_null(file_read(a, dir, &n, &err));
	assert_null(file_map(a, dir, &n, &err));
	assert_non_null(strstr(err, "folder"));
	assert_non_null(file_write(a, arena_printf(a, "%s/no/such", dir), "x", 1));
	if (access("/dev/full", W_OK) == 0) {
		err = file_write(a, "/dev/full", "x", 1);
		assert_non_null(err);
		assert_non_null(strstr(err, "No space left"));
	}
	unlink(link), unlink(path), unlink(none);
	assert_int_equal(rmdir(dir), 0);                /* no temporary stayed behind */
	arena_free(a);
}

static void
test_hash(void **state)
{
	(void)state;
	char hex[33];

	assert_int_equal(hash64("", 0), 0x2d06800538d394c2);
	hash_hex(hex, "", 0);
	assert_string_equal(hex, "99aa06d3014798d86001c324468d497f");
}

/* the definition: the neighbour nearest to x, the even one of two */
static void
check_narrow(double x, uint16_t got, float (*widen)(uint16_t))
{
	double at = (double)widen(got), off = fabs(at - x);

	for (int step = -1; step <= 1; step += 2) {
		uint16_t other = (uint16_t)(got + step);
		if (((other ^ got) & 0x8000) || isnan(widen(other)) || isinf(widen(other)))
			continue;
		double d = fabs((double)widen(other) - x);
		assert_true(off < d || (off == d && (got & 1) == 0));
	}
}

static void
test_halves(void **state)
{
	(void)state;
	uint16_t h;

	for (unsigned i = 0; i < 0x10000; i++) {        /* every value survives */
		float f = f16_to_f32((uint16_t)i), b = bf16_to_f32((uint16_t)i);
		if (isnan(f))
			assert_true(isnan(f16_to_f32(f16_from_f32(f))));
		else
			assert_int_equal(f16_from_f32(f), i);
		if (isnan(b))
			assert_true(isnan(bf16_to_f32(bf16_from_f32(b))));
		else
			assert_int_equal(bf16_from_f32(b), i);
	}
	assert_int_equal(f16_from_f32(65519.996f), 0x7bff);
	assert_int_equal(f16_from_f32(65520.0f), 0x7c00);
	assert_int_equal(f16_from_f32(0x1p-25f), 0);
	assert_int_equal(f16_from_f32(0x1.000002p-25f), 1);
	assert_int_equal(f16_from_f32(-0.0f), 0x8000);
	assert_int_equal(bf16_from_f32(3.4e38f), 0x7f80);
	/* rounding through f32 first would call this a tie and go to even, 1.0 */
	dtype_set(DT_F16, &h, 0, 1 + 0x1p-11 + 0x1p-40);
	assert_int_equal(h, 0x3c01);
	dtype_set(DT_BF16, &h, 0, -(1 + 0x1p-8 + 0x1p-40));
	assert_int_equal(h, 0xbf81);
	uint32_t r = 1;
	for (int i = 0; i < 200000; i++) {
		r = r * 1664525 + 1013904223;
		double x = ldexp((double)(int32_t)r, (int)(r >> 8 & 31) - 46);
		if (fabs(x) < 65000) {
			dtype_set(DT_F16, &h, 0, x);
			check_narrow(x, h, f16_to_f32);
		}
		dtype_set(DT_BF16, &h, 0, x);
		check_narrow(x, h, bf16_to_f32);
	}
}

static void
test_integers(void **state)
{
	(void)state;
	static const struct { DType t; double x, want; } row[] = {
		{ DT_U8, -3, 0 }, { DT_U8, 2.5, 2 }, { DT_U8, 3.5, 4 }, { DT_U8, 1e9, 255 },
		{ DT_U8, NAN, 0 }, { DT_BOOL, 0.25, 1 }, { DT_BOOL, 0, 0 },
		{ DT_I32, 3e9, INT32_MAX }, { DT_I32, -INFINITY, INT32_MIN },
		{ DT_I64, 1e19, 0x1p63 }, { DT_I64, -1e19, -0x1p63 }, { DT_I64, 7, 7 },
		{ DT_F32, 0.5, 0.5 }, { DT_F64, 0.1, 0.1 },
	};
	double box;

	for (size_t i = 0; i < COUNT(row); i++) {
		dtype_set(row[i].t, &box, 0, row[i].x);
		assert_true(dtype_get(row[i].t, &box, 0) == row[i].want);
	}
	assert_int_equal(dtype_named("bf16"), DT_BF16);
	assert_int_equal(dtype_named("f8"), DT_NONE);
	assert_int_equal(dtype_info[DT_I64].bytes, 8);
}

int
main(void)
{
	const struct CMUnitTest test[] = {
		cmocka_unit_test(test_arena), cmocka_unit_test(test_map), cmocka_unit_test(test_real),
		cmocka_unit_test(test_name), cmocka_unit_test(test_file), cmocka_unit_test(test_hash),
		cmocka_unit_test(test_halves), cmocka_unit_test(test_integers),
	};

	return cmocka_run_group_tests(test, NULL, NULL);
}
