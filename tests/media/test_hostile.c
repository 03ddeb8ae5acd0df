/* test_hostile.c -- damaged pictures: refused or read, never a crash, a stray
 * access (run under ASan) or a line on stderr.
 *
 * Every picture of the decode cases is cut at many lengths and has bytes changed;
 * every magic is followed by noise.  The bytes lie in a block of exactly their
 * length, so reading one past the end is seen.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/media/common.h"

#include <fcntl.h>

typedef struct {
	int tries, read;
} Tally;

static bool
attempt(const uint8_t *data, size_t len, Tally *t)
{
	uint8_t *exact = malloc(len ? len : 1);
	char err[Y12_ERRLEN] = "";
	y12_picture p;

	assert_non_null(exact);
	memcpy(exact, data, len);
	const bool ok = y12_picture_decode(exact, len, NULL, &p, err);

	free(exact);
	t->tries++;
	t->read += ok;
	if (ok) {
		assert_true(p.rgb && p.width > 0 && p.height > 0);
	} else {
		assert_true(*err && strlen(err) < Y12_ERRLEN);
		assert_true(!p.rgb && p.width == 0 && p.height == 0);
	}
	y12_picture_free(&p);
	return ok;
}

/* Calls f for every picture of the folder, the expected PNGs left out. */
static void
each_picture(const char *folder, void (*f)(const char *name, const uint8_t *p, size_t n, Tally *t), Tally *t)
{
	DIR *d = opendir(data_path(folder, ""));
	int seen = 0;

	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d)); ) {
		size_t n;

		if (!y12_picture_extension(e->d_name) || strstr(e->d_name, ".rgb.png"))
			continue;
		uint8_t *p = slurp(data_path(folder, e->d_name), &n);

		f(e->d_name, p, n, t);
		free(p);
		seen++;
	}
	closedir(d);
	assert_true(seen > 35);
}

static void
cut(const char *name, const uint8_t *p, size_t n, Tally *t)
{
	const bool jpeg_or_png = strstr(name, ".jpg") || strstr(name, ".png");
	const size_t step = n / 48 + 1;

	for (size_t len = 0; len < n; len += len < 64 ? 1 : step)
		if (attempt(p, len, t) && jpeg_or_png && len + 24 < n)
			fail_msg("%s: %zu of %zu bytes are taken for a whole picture", name, len, n);
}

static void
change(const char *name, const uint8_t *p, size_t n, Tally *t)
{
	uint32_t seed = 1;
	uint8_t *copy = malloc(n);

	(void)name;
	assert_non_null(copy);
	for (int round = 0; round < 40; round++) {
		memcpy(copy, p, n);
		/* half of the rounds aim at the header */
		const size_t range = round & 1 && n > 128 ? 128 : n;

		for (uint32_t k = 1 + rnd(&seed) % 4; k > 0; k--)
			copy[rnd(&seed) % range] = (uint8_t)(rnd(&seed) % 4 ? rnd(&seed) : 0xff * (rnd(&seed) & 1));
		attempt(copy, n, t);
	}
	free(copy);
}

static void
test_cut(void **state)
{
	Tally t = {0};

	(void)state;
	each_picture("decode", cut, &t);
	each_picture("more", cut, &t);
	assert_true(t.tries > 4000 && t.read < t.tries / 10);
}

static void
test_changed(void **state)
{
	Tally t = {0};

	(void)state;
	each_picture("decode", change, &t);
	each_picture("more", change, &t);
	assert_true(t.read > 0 && t.read < t.tries);
}

static void
test_noise(void **state)
{
	static const struct {
		const char *magic;
		size_t len;
	} magic[] = {
		{"\xff\xd8\xff", 3}, {"\x89PNG\r\n\x1a\n", 8}, {"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0", 19},
		{"RIFF\xff\0\0\0WEBP", 12}, {"RIFF\xff\0\0\0WEBPVP8 ", 16}, {"RIFF\xff\0\0\0WEBPVP8L", 16},
		{"RIFF\xff\0\0\0WEBPVP8X", 16}, {"BM", 2}, {"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", 18},
		{"II*\0", 4}, {"MM\0*", 4}, {"II*\0\x08\0\0\0\x04\0", 10}, {"II+\0\x08\0\0\0", 8}, {"", 0},
	};
	uint8_t buf[600];
	uint32_t seed = 3;
	Tally t = {0};

	(void)state;
	for (size_t m = 0; m < sizeof magic / sizeof *magic; m++)
		for (int round = 0; round < 200; round++) {
			for (size_t i = 0; i < sizeof buf; i++)
				buf[i] = (uint8_t)(rnd(&seed) >> (round & 1 ? 0 : rnd(&seed) % 9));
			memcpy(buf, magic[m].magic, magic[m].len);
			attempt(buf, magic[m].len + rnd(&seed) % (sizeof buf - magic[m].len), &t);
		}
}

/* EXIF by itself, inside a JPEG that is otherwise good: any bytes will do. */
static void
test_exif_noise(void **state)
{
	size_t n;
	uint8_t *p = slurp(data_path("decode", "jpeg-exif6.jpg"), &n);
	uint32_t seed = 5;
	Tally t = {0};
	size_t at = 0;

	(void)state;
	for (size_t i = 0; i + 6 < n && !at; i++)
		if (memcmp(p + i, "Exif\0\0", 6) == 0)
			at = i + 6;
	assert_true(at > 0);
	for (int round = 0; round < 2000; round++) {
		/* an entry count, a directory offset, the byte order, the entry */
		p[at + rnd(&seed) % 26] = (uint8_t)rnd(&seed);
		if (rnd(&seed) % 2)
			memcpy(p + at, rnd(&seed) % 2 ? "MM\0*\0\0\0" : "II*\0\x08\0\0", 7);
		attempt(p, n, &t);
	}
	assert_int_equal(t.read, t.tries);
	free(p);
}

/* All tests of the program, with stderr in a file that must stay empty. */
static FILE *quiet;
static int old_stderr;

static int
catch_stderr(void **state)
{
	(void)state;
	fflush(stderr);
	old_stderr = dup(2);
	quiet = tmpfile();
	return quiet && dup2(fileno(quiet), 2) == 2 ? 0 : -1;
}

static int
stderr_is_empty(void **state)
{
	(void)state;
	fflush(stderr);
	const long n = lseek(fileno(quiet), 0, SEEK_END);

	dup2(old_stderr, 2);
	if (n > 0) {
		rewind(quiet);
		for (int c; (c = getc(quiet)) != EOF; )
			putc(c, stderr);
	}
	fclose(quiet);
	return n == 0 ? 0 : -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_cut, catch_stderr, stderr_is_empty),
		cmocka_unit_test_setup_teardown(test_changed, catch_stderr, stderr_is_empty),
		cmocka_unit_test_setup_teardown(test_noise, catch_stderr, stderr_is_empty),
		cmocka_unit_test_setup_teardown(test_exif_noise, catch_stderr, stderr_is_empty),
	};

	return cmocka_run_group_tests_name("media/hostile", tests, NULL, NULL);
}
