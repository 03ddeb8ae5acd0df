/* golden.h -- folders of inputs with their wanted text beside them.
 *
 *     tests/golden/fmt/comments.y12     the input; its first line says what it is for
 *     tests/golden/fmt/comments.want    the text wanted of it
 *
 * BLESS=1 in the environment writes the .want files anew; `git diff` is the review.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_TESTS_GOLDEN_H
#define Y12_TESTS_GOLDEN_H

#include "base/base.h"

#include <dirent.h>
#include <stdlib.h>

/* What an input gives: text in the arena.  name: the file's own name, without folders. */
typedef const char *GoldenRun(Arena *a, const char *name, const char *text, size_t len);

static inline const char *
golden_root(void)
{
	const char *s = getenv("srcdir");

	return s && *s ? s : ".";
}

static inline int
golden_by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* the names in a folder of the source tree that begin with `prefix` and end in .y12, sorted */
static inline size_t
golden_list(Arena *a, const char *folder, const char *prefix, const char ***out)
{
	VEC(const char *) names = { 0 };
	DIR *d = opendir(arena_printf(a, "%s/%s", golden_root(), folder));

	for (struct dirent *e; d && (e = readdir(d)); ) {
		size_t n = strlen(e->d_name);
		if (n > 4 && strcmp(e->d_name + n - 4, ".y12") == 0 && strncmp(e->d_name, prefix, strlen(prefix)) == 0)
			vec_push(a, &names, arena_str(a, e->d_name));
	}
	if (d)
		closedir(d);
	if (names.n)
		qsort(names.p, names.n, sizeof *names.p, golden_by_name);
	*out = names.p;
	return names.n;
}

/* Runs every input of a folder; the number of those that differ, each of them shown.
 * An empty folder counts as a difference: a test that tests nothing is none. */
static inline int
golden_folder(const char *folder, const char *prefix, GoldenRun *run)
{
	Arena *a = arena_new();
	const char **name, *err;
	size_t n = golden_list(a, folder, prefix, &name);
	bool bless = getenv("BLESS") != NULL;
	int bad = n == 0;

	for (size_t i = 0; i < n; i++) {
		char *path = arena_printf(a, "%s/%s/%s", golden_root(), folder, name[i]);
		size_t len, wlen;
		char *text = file_read(a, path, &len, &err);
		const char *got = text ? run(a, name[i], text, len) : err;

		path = arena_printf(a, "%.*s.want", (int)strlen(path) - 4, path);
		if (bless) {
			err = file_write(a, path, got, strlen(got));
			if (err)
				fprintf(stderr, "%s\n", err);
			bad += err != NULL;
			continue;
		}
		char *want = file_read(a, path, &wlen, &err);
		if (want && strcmp(want, got) == 0)
			continue;
		bad++;
		fprintf(stderr, "%s: %s\n---- wanted\n%s---- got\n%s----\n", path,
		        want ? "differs" : err, want ? want : "", got);
	}
	arena_free(a);
	return bad;
}

#endif
