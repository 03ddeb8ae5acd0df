/* test_draw.c -- boxes and labels: where they are, what colour, and that nothing
 * hostile in a box or its text does harm.
 *
 * Letters depend on the installed font, so pixels are asked about lines, plates
 * and inks and not compared with a stored picture.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/media/common.h"

#include <math.h>

/* fontconfig keeps what it has read until the process ends */
const char *__lsan_default_suppressions(void);

const char *
__lsan_default_suppressions(void)
{
	return "leak:libfontconfig\n";
}

static uint32_t
pixel(const y12_picture *p, int x, int y)
{
	const uint8_t *q = p->rgb + 3 * ((size_t)y * p->width + x);

	return (uint32_t)q[0] << 16 | (uint32_t)q[1] << 8 | q[2];
}

static int
count(const y12_picture *p, int x0, int y0, int x1, int y1, uint32_t color)
{
	int n = 0;

	for (int y = y0; y < y1; y++)
		for (int x = x0; x < x1; x++)
			n += pixel(p, x, y) == color;
	return n;
}

static void
draw(y12_picture *p, const y12_box *b, size_t n, int line)
{
	char err[Y12_ERRLEN] = "";

	if (!y12_picture_draw(p, b, n, line, err))
		fail_msg("%s", err);
}

static void
test_palette(void **state)
{
	(void)state;
	assert_int_equal(y12_palette(0), 0x042AFF);
	assert_int_equal(y12_palette(19), 0xA2FF0B);
	assert_int_equal(y12_palette(20), 0x042AFF);
	assert_int_equal(y12_palette(-1), 0xA2FF0B);
	assert_int_equal(y12_palette(INT32_MIN), y12_palette(INT32_MIN + 20));
}

static void
test_lines(void **state)
{
	y12_picture p = blank(640, 480, 128);
	const y12_box b = {100, 200, 300, 400, 6, NULL};
	const uint32_t c = y12_palette(6);

	(void)state;
	draw(&p, &b, 1, 0);                     /* 2 pixels wide at this size */
	for (int i = 110; i < 290; i++) {
		assert_int_equal(pixel(&p, i, 199), c);
		assert_int_equal(pixel(&p, i, 200), c);
		assert_int_equal(pixel(&p, i, 399), c);
		assert_int_equal(pixel(&p, i, 400), c);
	}
	for (int i = 210; i < 390; i++) {
		assert_int_equal(pixel(&p, 99, i), c);
		assert_int_equal(pixel(&p, 100, i), c);
		assert_int_equal(pixel(&p, 299, i), c);
		assert_int_equal(pixel(&p, 300, i), c);
	}
	/* a rim on both sides, then the picture as it was */
	assert_true(pixel(&p, 200, 198) != 0x808080 && pixel(&p, 200, 201) != 0x808080);
	assert_int_equal(count(&p, 103, 203, 297, 397, 0x808080), 194 * 194);
	assert_int_equal(count(&p, 0, 0, 640, 197, 0x808080), 640 * 197);
	assert_int_equal(count(&p, 0, 0, 97, 480, 0x808080), 97 * 480);
	assert_int_not_equal(pixel(&p, 99, 199), c);    /* the corner is round */
	y12_picture_free(&p);
}

static void
test_line_width(void **state)
{
	static const struct {
		int w, h, asked, want;
	} t[] = {{37, 53, 0, 2}, {640, 480, 0, 2}, {1280, 720, 0, 3}, {5312, 2988, 0, 12}, {640, 480, 7, 7}};

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		y12_picture p = blank(t[i].w, t[i].h, 0);
		const y12_box b = {t[i].w * 0.25f, t[i].h * 0.25f, t[i].w * 0.75f, t[i].h * 0.75f, 4, NULL};

		draw(&p, &b, 1, t[i].asked);
		assert_int_equal(count(&p, 0, t[i].h / 2, t[i].w / 2, t[i].h / 2 + 1, y12_palette(4)), t[i].want);
		y12_picture_free(&p);
	}
}

/* A line at the border lies wholly in the picture. */
static void
test_border(void **state)
{
	y12_picture p = blank(200, 100, 0);
	const y12_box b = {-50, 0, 200, 1e9f, 7, NULL};

	(void)state;
	draw(&p, &b, 1, 4);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(pixel(&p, 100, i), y12_palette(7));
		assert_int_equal(pixel(&p, 100, 99 - i), y12_palette(7));
		assert_int_equal(pixel(&p, i, 50), y12_palette(7));
		assert_int_equal(pixel(&p, 199 - i, 50), y12_palette(7));
	}
	assert_int_equal(count(&p, 10, 10, 190, 90, 0), 180 * 80);
	y12_picture_free(&p);
}

static void
test_label_place(void **state)
{
	const uint32_t c = y12_palette(0);
	const y12_box middle = {200, 200, 500, 400, 0, "person 0.90"};
	const y12_box top = {200, 1, 500, 400, 0, "person 0.90"};
	const y12_box right = {600, 200, 639, 400, 0, "person 0.90"};
	y12_picture p = blank(640, 480, 128);

	(void)state;
	draw(&p, &middle, 1, 0);
	assert_true(count(&p, 200, 184, 300, 198, c) > 300);
	assert_true(count(&p, 200, 184, 300, 198, 0xffffff) > 5);
	assert_int_equal(count(&p, 0, 0, 640, 180, 0x808080), 640 * 180);
	assert_int_equal(count(&p, 210, 210, 490, 390, 0x808080), 280 * 180);
	y12_picture_free(&p);

	p = blank(640, 480, 128);
	draw(&p, &top, 1, 0);
	assert_true(count(&p, 200, 2, 300, 18, c) > 300);
	y12_picture_free(&p);

	p = blank(640, 480, 128);
	draw(&p, &right, 1, 0);                 /* moved left until it fits */
	assert_true(count(&p, 540, 184, 598, 198, c) > 200);
	assert_true(count(&p, 560, 184, 640, 198, 0xffffff) > 5);
	y12_picture_free(&p);
}

/* Two boxes of one place: both labels can be read. */
static void
test_labels_apart(void **state)
{
	const y12_box b[] = {{200, 200, 500, 400, 0, "person 0.90"}, {202, 202, 500, 400, 11, "rider 0.40"}};
	y12_picture p = blank(640, 480, 128);

	(void)state;
	draw(&p, b, 2, 0);
	assert_true(count(&p, 200, 184, 300, 198, y12_palette(0)) > 300);
	assert_true(count(&p, 202, 203, 280, 215, y12_palette(11)) > 300);
	y12_picture_free(&p);
}

static void
test_ink(void **state)
{
	static const struct {
		int color;
		uint32_t ink;
	} t[] = {{0, 0xffffff}, {2, 0x000000}, {4, 0xffffff}, {7, 0x000000}, {8, 0x000000}, {12, 0x000000}, {16, 0xffffff}};

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		const y12_box b = {40, 400, 2000, 1500, t[i].color, "HHHHH"};
		y12_picture p = blank(2560, 1920, 128);

		draw(&p, &b, 1, 0);
		assert_true(count(&p, 40, 350, 240, 396, t[i].ink) > 100);
		assert_int_equal(count(&p, 40, 350, 240, 396, t[i].ink ^ 0xffffff), 0);
		y12_picture_free(&p);
	}
}

/* Letters grow with the picture: rows of the plate, at three sizes. */
static void
test_text_grows(void **state)
{
	static const int size[][2] = {{37, 53}, {640, 480}, {5312, 2988}};
	int before = 5;

	(void)state;
	for (int i = 0; i < 3; i++) {
		const int w = size[i][0], h = size[i][1];
		const y12_box b = {w * 0.1f, h * 0.6f, w * 0.9f, h * 0.9f, 0, "qr 0.91"};
		y12_picture p = blank(w, h, 128);
		int rows = 0;

		draw(&p, &b, 1, 0);
		for (int y = 0; y < h * 59 / 100; y++)
			rows += count(&p, 0, y, w, y + 1, y12_palette(0)) > w / 50;
		if (rows <= before || rows > h / 4)
			fail_msg("%dx%d: a plate of %d rows", w, h, rows);
		before = rows;
		y12_picture_free(&p);
	}
}

static void
test_same_again(void **state)
{
	const y12_box b[] = {{10, 10, 80, 60, 3, "Grüße 0.5"}, {30.5f, 20.25f, 200, 90, 17, "x"}};
	y12_picture p = scene(211, 97), q = scene(211, 97);

	(void)state;
	draw(&p, b, 2, 0);
	draw(&q, b, 2, 0);
	assert_memory_equal(p.rgb, q.rgb, 211 * 97 * 3);
	y12_picture_free(&q);
	q = scene(211, 97);
	draw(&q, b, 0, 0);
	assert_memory_not_equal(p.rgb, q.rgb, 211 * 97 * 3);
	y12_picture_free(&p);
	p = scene(211, 97);
	assert_memory_equal(p.rgb, q.rgb, 211 * 97 * 3);        /* no boxes, no change */
	y12_picture_free(&p);
	y12_picture_free(&q);
}

static void
test_hostile_boxes(void **state)
{
	static const int size[][2] = {{1, 1}, {2, 300}, {300, 2}, {37, 53}, {640, 480}};
	static char endless[5000];
	const y12_box b[] = {
		{NAN, 0, 1, 1, 0, "nan"}, {0, 0, INFINITY, 1, 0, "inf"}, {-1e30f, -1e30f, 1e30f, 1e30f, 1, "huge"},
		{50, 50, 10, 10, 2, "inverted"}, {5, 5, 5, 5, 3, "a point"}, {-90, -90, -80, -80, 4, "outside"},
		{1e6f, 1e6f, 2e6f, 2e6f, 5, "outside"}, {1, 1, 9, 9, -7, ""}, {1, 1, 9, 9, 6, endless},
		{1, 1, 9, 9, 6, "\xff\xfe \xc3"}, {1, 1, 9, 9, 6, "\xed\xa0\x80 \xf4\x90\x80\x80 \xc0\xaf \x01\n\t\x7f"},
		{1, 1, 9, 9, 6, "\xe6\x9d\xa1\xe7\xa0\x81 \xf0\x9f\x9a\x80"},
	};
	static const int line[] = {-5, 0, 1, 3, 1000000};

	(void)state;
	memset(endless, 0xe6, sizeof endless - 1);
	for (size_t i = 0; i + 3 < sizeof endless; i += 3)
		memcpy(endless + i, "\xe6\x9d\xa1", 3);
	for (size_t s = 0; s < sizeof size / sizeof *size; s++)
		for (size_t l = 0; l < sizeof line / sizeof *line; l++) {
			y12_picture p = scene(size[s][0], size[s][1]);

			draw(&p, b, sizeof b / sizeof *b, line[l]);
			y12_picture_free(&p);
		}
}

static void
test_too_wide_to_draw(void **state)
{
	y12_picture p = blank(40000, 1, 0);
	const y12_box b = {0, 0, 9, 9, 0, "x"};
	char err[Y12_ERRLEN] = "";

	(void)state;
	assert_false(y12_picture_draw(&p, &b, 1, 0, err));
	assert_non_null(strstr(err, "40000x1"));
	y12_picture_free(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_palette),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_line_width),
		cmocka_unit_test(test_border),
		cmocka_unit_test(test_label_place),
		cmocka_unit_test(test_labels_apart),
		cmocka_unit_test(test_ink),
		cmocka_unit_test(test_text_grows),
		cmocka_unit_test(test_same_again),
		cmocka_unit_test(test_hostile_boxes),
		cmocka_unit_test(test_too_wide_to_draw),
	};

	return cmocka_run_group_tests_name("media/draw", tests, NULL, NULL);
}
