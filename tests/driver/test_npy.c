/* test_npy.c -- arrays of NumPy: round trips, what NumPy writes, and what nobody should.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "driver/npy.h"

typedef struct File { uint8_t b[2048]; size_t n; } File;

/* a file of format version `major`; the header is padded as NumPy pads it */
static File
file(int major, const char *header, const void *data, size_t bytes)
{
	File f = { .b = "\x93NUMPY" };
	size_t start = major == 1 ? 10 : 12, len = strlen(header), padded = (start + len + 1 + 63) / 64 * 64 - start;

	f.b[6] = (uint8_t)major;
	f.b[8] = (uint8_t)padded;
	f.b[9] = (uint8_t)(padded >> 8);
	memset(f.b + start, ' ', padded);
	memcpy(f.b + start, header, len);
	f.b[start + padded - 1] = '\n';
	memcpy(f.b + start + padded, data, bytes);
	f.n = start + padded + bytes;
	return f;
}

static void
test_round_trip(void **state)
{
	static const Type types[] = {
		{ DT_F32, 0, { 0 } }, { DT_F32, 1, { 3 } }, { DT_U8, 3, { 4, 5, 3 } }, { DT_BOOL, 2, { 2, 2 } },
		{ DT_I32, 2, { 1, 7 } }, { DT_I64, 1, { 2 } }, { DT_F16, 4, { 1, 2, 3, 4 } }, { DT_BF16, 1, { 9 } },
		{ DT_F64, 6, { 1, 2, 1, 2, 1, 2 } }, { DT_F32, 2, { 0, 5 } },
	};
	char path[] = "/tmp/test_npyXXXXXX";
	Arena *a = arena_new();
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	for (size_t i = 0; i < COUNT(types); i++) {
		size_t bytes = (size_t)type_bytes(&types[i]), n = (size_t)type_count(&types[i]);
		Tensor t = { types[i], arena_alloc(a, bytes + 1) }, back = { 0 };

		for (size_t k = 0; k < n; k++)
			dtype_set(t.type.dt, t.data, k, t.type.dt == DT_BOOL ? (double)(k % 2) : 1.5 * (double)k);
		assert_null(npy_write(a, path, &t));
		assert_null(npy_read(a, path, &back));
		assert_true(type_eq(&t.type, &back.type));
		assert_memory_equal(t.data, back.data, bytes);
	}
	unlink(path);
	arena_free(a);
}

static void
test_versions(void **state)
{
	static const float x[] = { 1, 2, 3, 4, 5, 6 };
	Arena *a = arena_new();

	(void)state;
	for (int major = 1; major <= 3; major++) {
		File f = file(major, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", x, sizeof x);
		Tensor t;

		assert_null(npy_parse(a, f.b, f.n, &t));
		assert_int_equal(t.type.rank, 2);
		assert_int_equal(t.type.dim[1], 3);
		assert_memory_equal(t.data, x, sizeof x);
	}
	arena_free(a);
}

static void
test_fortran(void **state)
{
	/* element [i][j][k] is 100 i + 10 j + k; the first index runs fastest in the file */
	uint8_t in[24], *out;
	Arena *a = arena_new();
	Tensor t;
	File f;

	(void)state;
	for (int i = 0; i < 24; i++)
		in[i] = (uint8_t)(100 * (i % 2) + 10 * (i / 2 % 3) + i / 6);
	f = file(1, "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3, 4), }", in, sizeof in);
	assert_null(npy_parse(a, f.b, f.n, &t));
	out = t.data;
	for (int i = 0; i < 24; i++)
		assert_int_equal(out[i], 100 * (i / 12) + 10 * (i / 4 % 3) + i % 4);
	arena_free(a);
}

static void
test_refused(void **state)
{
	static const struct { const char *header, *says; } row[] = {
		{ "{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", "big-endian" },
		{ "{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", "'<c8'" },
		{ "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "records" },
		{ "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (1,), }", "neither" },
		{ "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1), }", "more than 6" },
		{ "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999,), }", "larger than" },
		{ "{'descr': '<f4', 'fortran_order': False, 'shape': (2000000000, 2000000000, 2000000000), }", "too large" },
		{ "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", "malformed" },
		{ "{'descr': '<f4', 'fortran_order': False, 'shape': (1", "malformed" },
		{ "{'descr': '<f4', 'fortran_order': False, 'shape': (100,), }", "cut off" },
		{ "{'descr': '<f4', 'fortran_order': False, }", "missing" },
		{ "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (), }", "twice" },
		{ "{'descr': '<f4\\'', 'fortran_order': False, 'shape': (), }", "does not end" },
		{ "{'descr", "malformed" },
		{ "", "malformed" },
	};
	Arena *a = arena_new();
	uint8_t x[8] = { 0 };
	Tensor t;

	(void)state;
	for (size_t i = 0; i < COUNT(row); i++) {
		File f = file(1, row[i].header, x, sizeof x);
		const char *err = npy_parse(a, f.b, f.n, &t);

		if (!err || !strstr(err, row[i].says))
			fail_msg("%s: %s", row[i].header, err ? err : "was read");
	}
	assert_non_null(npy_read(a, "/nonexistent.npy", &t));
	arena_free(a);
}

/* Every cut of a good file, and every byte of its head changed: a message or an array, never a crash.  The bytes
 * are in a block of their own size, so that a sanitizer sees the first one too many. */
static void
test_damage(void **state)
{
	static const double x[] = { 1, 2, 3, 4 };
	Arena *a = arena_new();
	File good = file(1, "{'descr': '<f8', 'fortran_order': True, 'shape': (2, 2), }", x, sizeof x);
	Tensor t;

	(void)state;
	for (size_t n = 0; n < good.n; n++) {
		uint8_t *p = malloc(n + !n);

		memcpy(p, good.b, n);
		assert_non_null(npy_parse(a, p, n, &t));
		free(p);
	}
	for (size_t at = 0; at < 80; at++)
		for (int c = 0; c < 256; c += 5) {
			uint8_t *p = malloc(good.n);

			memcpy(p, good.b, good.n);
			p[at] = (uint8_t)c;
			npy_parse(a, p, good.n, &t);
			free(p);
		}
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_versions), cmocka_unit_test(test_fortran),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
