/* test_decode.c -- every picture reads as the reference reads it, bit for bit.
 *
 * The cases are tests/media/decode and tests/media/more: a file, and a PNG of the
 * pixels wanted (or null: it must be refused).  That PNG is read by libpng's own
 * simplified interface here, so our PNG reader does not judge itself.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/media/common.h"

#include <jansson.h>
#include <png.h>

static y12_picture
wanted(const char *path)
{
	png_image png = {.version = PNG_IMAGE_VERSION};

	if (!png_image_begin_read_from_file(&png, path))
		fail_msg("%s: %s", path, png.message);
	png.format = PNG_FORMAT_RGB;
	y12_picture p = {malloc(PNG_IMAGE_SIZE(png)), (int)png.width, (int)png.height};

	assert_non_null(p.rgb);
	if (!png_image_finish_read(&png, NULL, p.rgb, 0, NULL))
		fail_msg("%s: %s", path, png.message);
	return p;
}

/* Number of differing bytes; -1: of another size. */
static long
differing(const y12_picture *a, const y12_picture *b)
{
	const size_t n = (size_t)a->width * a->height * 3;
	long bad = 0;

	if (a->width != b->width || a->height != b->height)
		return -1;
	for (size_t i = 0; i < n; i++)
		bad += a->rgb[i] != b->rgb[i];
	return bad;
}

static bool
check(const char *folder, const char *file, const char *expected)
{
	const char *path = data_path(folder, file);
	char err[Y12_ERRLEN] = "", size_err[Y12_ERRLEN] = "";
	y12_picture got;
	int w, h;
	const bool ok = y12_picture_read(path, &got, err);

	if (!expected) {
		if (ok || !*err || got.rgb)
			print_error("%s/%s: is read, should be refused\n", folder, file);
		y12_picture_free(&got);
		return !ok && *err;
	}
	if (!ok) {
		print_error("%s/%s: %s\n", folder, file, err);
		return false;
	}
	y12_picture want = wanted(data_path(folder, expected));
	const long bad = differing(&got, &want);
	const bool size = y12_picture_size(path, &w, &h, size_err) && w == want.width && h == want.height;

	if (bad)
		print_error("%s/%s: %ld values differ (%dx%d, wanted %dx%d)\n", folder, file, bad,
		            got.width, got.height, want.width, want.height);
	if (!size)
		print_error("%s/%s: y12_picture_size says %dx%d, wanted %dx%d %s\n", folder, file,
		            w, h, want.width, want.height, size_err);
	y12_picture_free(&got);
	y12_picture_free(&want);
	return bad == 0 && size;
}

static void
check_folder(const char *folder, size_t least)
{
	json_error_t je;
	json_t *cases = json_load_file(data_path(folder, "cases.json"), 0, &je), *c;
	size_t i, bad = 0;

	if (!cases)
		fail_msg("%s: %s", folder, je.text);
	assert_true(json_array_size(cases) >= least);
	json_array_foreach(cases, i, c)
		bad += !check(folder, json_string_value(json_object_get(c, "file")),
		              json_string_value(json_object_get(c, "expected")));
	json_decref(cases);
	assert_int_equal(bad, 0);
}

static void
test_reference(void **state)
{
	(void)state;
	check_folder("decode", 43);
}

static void
test_more(void **state)
{
	(void)state;
	check_folder("more", 41);
}

static void
test_truncated_says_so(void **state)
{
	char err[Y12_ERRLEN];
	y12_picture p;

	(void)state;
	assert_false(y12_picture_read(data_path("decode", "jpeg-truncated.jpg"), &p, err));
	assert_string_equal(err, "JPEG: the file ends early");
	assert_null(p.rgb);
	assert_int_equal(p.width, 0);
}

static void
test_extensions(void **state)
{
	static const char *const yes[] = {"a.jpg", "A.JPEG", "x/y.z/b.Png", "c.webp", "d.bmp", "e.TIF", "f.tiff", "g.mpo"};
	static const char *const no[] = {"jpg", "a.txt", "a.jpg/b", "a.", "", "a.jpgx", "a.heic", "x.png/y"};

	(void)state;
	for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
		assert_true(y12_picture_extension(yes[i]));
	for (size_t i = 0; i < sizeof no / sizeof *no; i++)
		assert_false(y12_picture_extension(no[i]));
}

static void
refused(const void *data, size_t len, const char *message)
{
	char err[Y12_ERRLEN] = "";
	y12_picture p;

	assert_false(y12_picture_decode(data, len, "a.jpg", &p, err));
	if (!strstr(err, message))
		fail_msg("message \"%s\" lacks \"%s\"", err, message);
	assert_null(p.rgb);
}

static void
test_messages(void **state)
{
	/* headers that promise more than we hold */
	static const uint8_t wide_bmp[] = {
		'B', 'M', 0, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0,
		1, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	};
	static const uint8_t huge_png[] = {
		0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0, 13, 'I', 'H', 'D', 'R',
		0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff, 8, 2, 0, 0, 0, 0x39, 0x67, 0x4e, 0x07,
		0, 0, 0, 0, 'I', 'D', 'A', 'T', 0x35, 0xaf, 0x06, 0x1e,
	};
	static const uint8_t empty_bmp[54] = {
		'B', 'M', [10] = 54, [14] = 40, [18] = 5, [22] = 0, [26] = 1, [28] = 24,
	};
	char err[Y12_ERRLEN];
	y12_picture p;
	int w, h;

	(void)state;
	refused("", 0, "empty");
	refused("hello world, hello world", 24, "not a picture");
	refused(wide_bmp, sizeof wide_bmp, "65536x1");
	refused(empty_bmp, sizeof empty_bmp, "empty (5x0");
	refused(huge_png, sizeof huge_png, "too large: 65535x65535");
	assert_false(y12_picture_read("/nonexistent/a.jpg", &p, err));
	assert_non_null(strstr(err, "No such file"));
	assert_false(y12_picture_size("/nonexistent/a.jpg", &w, &h, err));
	assert_false(y12_picture_read("/", &p, err));
	assert_non_null(strstr(err, "folder"));
	assert_false(y12_picture_read("/dev/zero", &p, err));
	assert_non_null(strstr(err, "regular"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reference),
		cmocka_unit_test(test_more),
		cmocka_unit_test(test_truncated_says_so),
		cmocka_unit_test(test_extensions),
		cmocka_unit_test(test_messages),
	};

	return cmocka_run_group_tests_name("media/decode", tests, NULL, NULL);
}
