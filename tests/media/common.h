/* common.h -- what the tests of this room share: folders, files, random numbers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_TESTS_MEDIA_COMMON_H
#define Y12_TESTS_MEDIA_COMMON_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/media/media.h"

static inline const char *
data_path(const char *folder, const char *file)
{
	static char path[4][4096];
	static int turn;
	const char *srcdir = getenv("srcdir");

	turn = (turn + 1) % 4;
	snprintf(path[turn], sizeof path[turn], "%s/tests/media/%s/%s", srcdir ? srcdir : ".", folder, file);
	return path[turn];
}

static inline uint8_t *
slurp(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");

	if (!f)
		fail_msg("cannot open %s", path);
	fseek(f, 0, SEEK_END);
	*len = (size_t)ftell(f);
	rewind(f);
	uint8_t *p = malloc(*len + 1);

	assert_non_null(p);
	assert_int_equal(fread(p, 1, *len, f), *len);
	fclose(f);
	return p;
}

static inline uint32_t
rnd(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static inline y12_picture
blank(int w, int h, uint8_t grey)
{
	y12_picture p = {malloc((size_t)w * h * 3), w, h};

	assert_non_null(p.rgb);
	memset(p.rgb, grey, (size_t)w * h * 3);
	return p;
}

/* Smooth, with some noise: a picture that no mirroring or turning leaves alike. */
static inline y12_picture
scene(int w, int h)
{
	y12_picture p = blank(w, h, 0);
	uint32_t seed = 7;

	for (int y = 0; y < h; y++)
		for (int x = 0; x < w; x++) {
			uint8_t *q = p.rgb + 3 * ((size_t)y * w + x);

			q[0] = (uint8_t)(x * 200 / w + rnd(&seed) % 8);
			q[1] = (uint8_t)(y * 200 / h + rnd(&seed) % 8);
			q[2] = (uint8_t)((x + y) % 256);
		}
	return p;
}

/* ---- a scratch folder ---------------------------------------------------------- */

static char scratch[4096];

static inline int
scratch_make(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(scratch, sizeof scratch, "%s/y12-media-XXXXXX", tmp ? tmp : "/tmp");
	return mkdtemp(scratch) ? 0 : -1;
}

static inline const char *
scratch_path(const char *file)
{
	static char path[4096 + 256];

	snprintf(path, sizeof path, "%s/%s", scratch, file);
	return path;
}

/* Names in the folder; each is removed when clear is set. */
static inline int
scratch_count(bool clear)
{
	DIR *d = opendir(scratch);
	int n = 0;

	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d)); ) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		n++;
		if (clear)
			unlink(scratch_path(e->d_name));
	}
	closedir(d);
	return n;
}

static inline int
scratch_remove(void **state)
{
	(void)state;
	scratch_count(true);
	return rmdir(scratch);
}

#endif
