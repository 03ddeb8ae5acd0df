/* scratch.h -- a folder of its own for each test: made, entered, and removed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_TESTS_DATA_SCRATCH_H
#define Y12_TESTS_DATA_SCRATCH_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE             /* nftw */
#endif

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char scratch[4096], scratch_home[4096];

static inline int
scratch_enter(void **state)
{
	char *real;

	(void)state;
	snprintf(scratch, sizeof scratch, "%s/y12-data-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	if (!getcwd(scratch_home, sizeof scratch_home) || !mkdtemp(scratch) || !(real = realpath(scratch, NULL)))
		return -1;
	snprintf(scratch, sizeof scratch, "%s", real);
	free(real);
	return chdir(scratch);
}

static inline int
scratch_remove(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	chmod(path, 0700);
	return remove(path);
}

static inline int
scratch_leave(void **state)
{
	(void)state;
	return chdir(scratch_home) || nftw(scratch, scratch_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* A file with that content; its folders are made. */
static inline void
put_file(const char *path, const void *data, size_t n)
{
	char folder[4096];
	FILE *f;

	snprintf(folder, sizeof folder, "%s", path);
	for (char *s = folder + 1; *s; s++)
		if (*s == '/') {
			*s = 0;
			mkdir(folder, 0777);
			*s = '/';
		}
	f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, n, f), n);
	fclose(f);
}

static inline void
put_text(const char *path, const char *text)
{
	put_file(path, text, strlen(text));
}

static inline const char *
get_text(const char *path)
{
	static char buf[65536];
	FILE *f = fopen(path, "rb");

	if (!f)
		fail_msg("cannot open %s", path);
	buf[fread(buf, 1, sizeof buf - 1, f)] = 0;
	fclose(f);
	return buf;
}

#define SCRATCH_TEST(t) cmocka_unit_test_setup_teardown(t, scratch_enter, scratch_leave)

#endif
