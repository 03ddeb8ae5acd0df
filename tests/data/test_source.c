/* test_source.c -- which pictures a source names, in which order, and what is said if
 * there are none.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/data/scratch.h"

#include <fcntl.h>

#include "runtime/data/data.h"

/* "a.jpg b.jpg" of the source, or "! message"; the scratch folder's name is cut off */
static const char *
listed(const char *spec)
{
	static char text[65536];
	char err[Y12_ERRLEN];
	size_t n = 0, cut = strlen(scratch) + 1;
	y12_source s;

	text[0] = 0;
	if (!y12_source_open(spec, &s, err)) {
		snprintf(text, sizeof text, "! %s", err);
		return text;
	}
	for (size_t i = 0; i < s.n; i++) {
		const char *p = s.input[i].path;

		if (strcmp(p, "-") != 0) {
			assert_memory_equal(p, scratch, cut - 1);
			p += cut;
		}
		n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", i ? " " : "", p);
	}
	y12_source_free(&s);
	return text;
}

static const char *
stems(const char *spec)
{
	static char text[65536];
	char err[Y12_ERRLEN];
	size_t n = 0;
	y12_source s;

	text[0] = 0;
	assert_true(y12_source_open(spec, &s, err));
	for (size_t i = 0; i < s.n; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", i ? " " : "", s.input[i].stem);
	y12_source_free(&s);
	return text;
}

static void
has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in \"%s\"", part, text);
}

static void
files(void **state)
{
	(void)state;
	put_text("bus.jpg", "x");
	put_text("photo", "x");
	put_text("odd [1].jpg", "x");
	put_text("0", "x");
	assert_string_equal(listed("bus.jpg"), "bus.jpg");
	assert_string_equal(listed("./bus.jpg"), "bus.jpg");
	assert_string_equal(listed(".//./bus.jpg"), "bus.jpg");
	assert_string_equal(listed("photo"), "photo");          /* named, so taken at its word */
	assert_string_equal(listed("odd [1].jpg"), "odd [1].jpg");
	assert_string_equal(listed("0"), "0");
	assert_string_equal(listed("-"), "-");
}

static void
folders(void **state)
{
	(void)state;
	put_text("d/b.JPG", "x");
	put_text("d/a.png", "x");
	put_text("d/c.webp", "x");
	put_text("d/Z.tif", "x");
	put_text("d/.hidden.jpg", "x");
	put_text("d/notes.md", "x");
	put_text("d/clip.mp4", "x");
	put_text("d/below/e.jpg", "x");
	mkdir("d/folder.jpg", 0777);
	assert_string_equal(listed("d"), "d/Z.tif d/a.png d/b.JPG d/c.webp");
	assert_string_equal(listed("d/"), "d/Z.tif d/a.png d/b.JPG d/c.webp");
	assert_int_equal(chdir("d"), 0);
	assert_string_equal(listed("."), "d/Z.tif d/a.png d/b.JPG d/c.webp");
}

static void
patterns(void **state)
{
	(void)state;
	put_text("d/a1.jpg", "x");
	put_text("d/a2.png", "x");
	put_text("d/b1.jpg", "x");
	put_text("d/a3.txt", "x");
	put_text("d/.a.jpg", "x");
	put_text("d/x/a4.jpg", "x");
	put_text("d/x/y/a5.jpg", "x");
	put_text("e/x/a6.jpg", "x");
	assert_int_equal(symlink("..", "d/x/up"), 0);
	assert_string_equal(listed("d/a*"), "d/a1.jpg d/a2.png");
	assert_string_equal(listed("d/?1.jpg"), "d/a1.jpg d/b1.jpg");
	assert_string_equal(listed("d/[ab]1.jpg"), "d/a1.jpg d/b1.jpg");
	assert_string_equal(listed("*/x/*.jpg"), "d/x/a4.jpg e/x/a6.jpg");
	assert_string_equal(listed("*/x/a6.jpg"), "e/x/a6.jpg");
	assert_string_equal(listed("d/**/*.jpg"), "d/a1.jpg d/b1.jpg d/x/a4.jpg d/x/y/a5.jpg");
	assert_string_equal(listed("d/**/**/a5.jpg"), "d/x/y/a5.jpg");
	assert_string_equal(listed("d/x/**"), "d/x/a4.jpg d/x/y/a5.jpg");
	assert_string_equal(listed("d/x/../a*.jpg"), "d/x/../a1.jpg");
	has(listed("d/q*.jpg"), "! no pictures match d/q*.jpg");
	has(listed("d/a3*"), "1 other file is there");
}

static void
absolute_patterns(void **state)
{
	char spec[8192];

	(void)state;
	put_text("d/a.jpg", "x");
	snprintf(spec, sizeof spec, "%s/d/*.jpg", scratch);
	assert_string_equal(listed(spec), "d/a.jpg");
	snprintf(spec, sizeof spec, "%s/**/a.jpg", scratch);
	assert_string_equal(listed(spec), "d/a.jpg");
}

static void
lists(void **state)
{
	(void)state;
	put_text("a.jpg", "x");
	put_text("l/a.jpg", "x");
	put_text("l/b.jpg", "x");
	put_text("l/two/c.jpg", "x");
	put_text("l/two/d.jpg", "x");
	put_text("l/list.txt", "\xef\xbb\xbf" "b.jpg\r\n\n./a.jpg\na.jpg  \nl/two\ntwo/*.jpg\n./two/d.jpg");
	/* the list's b.jpg; ./ is beside the list; a.jpg is here as well, and here comes first */
	assert_string_equal(listed("l/list.txt"),
	                    "l/b.jpg l/a.jpg a.jpg l/two/c.jpg l/two/d.jpg l/two/c.jpg l/two/d.jpg l/two/d.jpg");
	put_text("gone.txt", "a.jpg\n\nnowhere.jpg\n");
	has(listed("gone.txt"), "! gone.txt, line 3: nowhere.jpg can't be read: No such file");
	put_text("empty.txt", "\n\n");
	assert_string_equal(listed("empty.txt"), "! the list empty.txt is empty");
	put_file("binary.txt", "a\0b", 3);
	has(listed("binary.txt"), "! binary.txt is not a text");
}

static void
nothing_there(void **state)
{
	(void)state;
	mkdir("d", 0777);
	has(listed(""), "! the source is empty");
	has(listed("gone.jpg"), "! gone.jpg can't be read: No such file or directory");
	has(listed("d"), "! no pictures in the folder d (bmp jpeg");
	put_text("d/a.mp4", "x");
	put_text("d/b.mov", "x");
	put_text("d/notes.md", "x");
	has(listed("d"), "2 videos are there, which can't be read yet; 1 other file is there");
	has(listed("d/a.mp4"), "! d/a.mp4 is a video");
	has(listed("https://example.org/bus.jpg"), "never uses the network");
	has(listed("0"), "is the number of a camera");
	has(listed("screen"), "is the screen");
}

static void
stems_are_apart(void **state)
{
	(void)state;
	put_text("a/x.jpg", "x");
	put_text("a/x.png", "x");
	put_text("a/x-2.jpg", "x");
	put_text("a/x.y.jpg", "x");
	put_text("a/.z", "x");
	assert_string_equal(stems("a"), "x-2 x x-3 x.y");
	assert_string_equal(stems("a/.z"), ".z");
	assert_string_equal(stems("-"), "stdin");
	put_text("l.txt", "a/x.jpg\na/x.jpg\na/x-2.jpg\na/x-2.jpg\na/x.png\n");
	assert_string_equal(stems("l.txt"), "x x-3 x-2 x-2-2 x-4");
}

static void
from_standard_input(void **state)
{
	static const uint8_t rgb[12] = { 255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9 };
	y12_picture p = { (uint8_t *)(uintptr_t)rgb, 2, 2 }, q;
	char err[Y12_ERRLEN];
	y12_source s;

	(void)state;
	assert_true(y12_picture_write_png("p.png", &p, err));
	assert_non_null(freopen("p.png", "rb", stdin));
	assert_true(y12_source_open("-", &s, err));
	assert_true(y12_source_read(&s, 0, &q, err));
	assert_int_equal(q.width, 2);
	assert_memory_equal(q.rgb, rgb, 12);
	y12_picture_free(&q);
	assert_false(y12_source_read(&s, 0, &q, err));          /* it is used up */
	has(err, "standard input is empty");
	put_text("no.png", "no picture at all");
	assert_non_null(freopen("no.png", "rb", stdin));
	assert_false(y12_source_read(&s, 0, &q, err));
	assert_null(q.rgb);
	y12_source_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SCRATCH_TEST(files),
		SCRATCH_TEST(folders),
		SCRATCH_TEST(patterns),
		SCRATCH_TEST(absolute_patterns),
		SCRATCH_TEST(lists),
		SCRATCH_TEST(nothing_there),
		SCRATCH_TEST(stems_are_apart),
		SCRATCH_TEST(from_standard_input),
	};

	return cmocka_run_group_tests_name("source", tests, NULL, NULL);
}
