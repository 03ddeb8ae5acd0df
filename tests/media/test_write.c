/* test_write.c -- pictures out: PNG comes back identical, JPEG nearly; a file
 * that cannot be written whole is not there at all; and crops.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/media/common.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

static void
test_png_comes_back(void **state)
{
	static const int size[][2] = {{1, 1}, {37, 53}, {640, 3}, {1, 300}};

	(void)state;
	for (size_t i = 0; i < sizeof size / sizeof *size; i++) {
		y12_picture p = scene(size[i][0], size[i][1]), q;
		char err[Y12_ERRLEN];

		assert_true(y12_picture_write_png(scratch_path("a.png"), &p, err));
		assert_true(y12_picture_read(scratch_path("a.png"), &q, err));
		assert_int_equal(q.width, p.width);
		assert_int_equal(q.height, p.height);
		assert_memory_equal(p.rgb, q.rgb, (size_t)p.width * p.height * 3);
		y12_picture_free(&p);
		y12_picture_free(&q);
	}
	assert_int_equal(scratch_count(true), 1);       /* written over, nothing beside */
}

/* The sampling byte of the first component, from the frame header. */
static int
sampling(const char *path)
{
	size_t n;
	uint8_t *p = slurp(path, &n);
	int got = -1;

	for (size_t at = 2; at + 12 < n && p[at] == 0xff; at += 2 + (size_t)(p[at + 2] << 8 | p[at + 3]))
		if (p[at + 1] == 0xc0) {
			got = p[at + 11];
			break;
		}
	free(p);
	return got;
}

static double
mean_error(const y12_picture *a, const y12_picture *b)
{
	const size_t n = (size_t)a->width * a->height * 3;
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += abs(a->rgb[i] - b->rgb[i]);
	return sum / n;
}

static void
test_jpeg(void **state)
{
	y12_picture p = scene(83, 61), fine, coarse;
	char err[Y12_ERRLEN];
	struct stat small, large;

	(void)state;
	assert_true(y12_picture_write_jpeg(scratch_path("a.jpg"), &p, 95, false, err));
	assert_int_equal(sampling(scratch_path("a.jpg")), 0x11);
	assert_true(y12_picture_read(scratch_path("a.jpg"), &fine, err));
	assert_int_equal(stat(scratch_path("a.jpg"), &large), 0);
	assert_true(mean_error(&p, &fine) < 2);

	assert_true(y12_picture_write_jpeg(scratch_path("b.jpg"), &p, 20, true, err));
	assert_int_equal(sampling(scratch_path("b.jpg")), 0x22);
	assert_true(y12_picture_read(scratch_path("b.jpg"), &coarse, err));
	assert_int_equal(stat(scratch_path("b.jpg"), &small), 0);
	assert_true(small.st_size < large.st_size / 2);
	assert_true(mean_error(&p, &coarse) > mean_error(&p, &fine));
	y12_picture_free(&p);
	y12_picture_free(&fine);
	y12_picture_free(&coarse);
	assert_int_equal(scratch_count(true), 2);
}

static void
test_refused(void **state)
{
	y12_picture p = scene(8, 8), none = {0}, wide = {p.rgb, 65535, 65535};
	char err[Y12_ERRLEN] = "";

	(void)state;
	assert_false(y12_picture_write_jpeg(scratch_path("a.jpg"), &p, 0, false, err));
	assert_false(y12_picture_write_jpeg(scratch_path("a.jpg"), &p, 101, false, err));
	assert_non_null(strstr(err, "101"));
	assert_false(y12_picture_write_png(scratch_path("a.png"), &none, err));
	assert_false(y12_picture_write_png(scratch_path("a.png"), &wide, err));
	assert_non_null(strstr(err, "too large"));
	assert_false(y12_picture_write_png(scratch_path("no/such/a.png"), &p, err));
	assert_non_null(strstr(err, "No such file"));
	assert_int_equal(scratch_count(false), 0);
	y12_picture_free(&p);
}

/* A limit on file size is a full disk that a test can have.  The old file stays. */
static void
test_full_disk(void **state)
{
	y12_picture p = scene(300, 300), old = scene(4, 4), q;
	char err[Y12_ERRLEN] = "";
	struct rlimit before, tight;

	(void)state;
	assert_true(y12_picture_write_png(scratch_path("a.png"), &old, err));
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	tight = before;
	tight.rlim_cur = 1000;
	setrlimit(RLIMIT_FSIZE, &tight);
	const bool png = y12_picture_write_png(scratch_path("a.png"), &p, err);
	const bool jpeg = y12_picture_write_jpeg(scratch_path("b.jpg"), &p, 95, true, err);

	setrlimit(RLIMIT_FSIZE, &before);
	assert_false(png);
	assert_false(jpeg);
	assert_non_null(strstr(err, "cannot write"));
	assert_int_equal(scratch_count(false), 1);
	assert_true(y12_picture_read(scratch_path("a.png"), &q, err));
	assert_int_equal(q.width, 4);
	y12_picture_free(&p);
	y12_picture_free(&q);
	y12_picture_free(&old);
	scratch_count(true);
}

static void
test_crop(void **state)
{
	y12_picture p = scene(40, 30), q;

	(void)state;
	assert_true(y12_picture_crop(&p, 5, 7, 25, 17, &q));
	assert_int_equal(q.width, 20);
	assert_int_equal(q.height, 10);
	for (int y = 0; y < 10; y++)
		assert_memory_equal(q.rgb + y * 60, p.rgb + 3 * ((y + 7) * 40 + 5), 60);
	y12_picture_free(&q);

	assert_true(y12_picture_crop(&p, INT32_MIN, -3, INT32_MAX, 1000, &q));
	assert_int_equal(q.width, 40);
	assert_int_equal(q.height, 30);
	assert_memory_equal(q.rgb, p.rgb, 40 * 30 * 3);
	y12_picture_free(&q);

	assert_false(y12_picture_crop(&p, 5, 7, 5, 17, &q));
	assert_false(y12_picture_crop(&p, 40, 0, 50, 30, &q));
	assert_false(y12_picture_crop(&p, 9, 9, 2, 2, &q));
	assert_null(q.rgb);
	y12_picture_free(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_png_comes_back),
		cmocka_unit_test(test_jpeg),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_crop),
	};

	return cmocka_run_group_tests_name("media/write", tests, scratch_make, scratch_remove);
}
