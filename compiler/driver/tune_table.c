/* tune_table.c -- tiles that were measured on a machine, as a text file.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "driver/inner.h"
#include "driver/tune_table.h"

const char *
tune_path(Arena *a, const Target *t)
{
	const char *env = getenv("YOLO12C_TUNE");
	const char *const *root;
	size_t n;

	if (env && *env)
		return strcmp(env, "0") == 0 || strcmp(env, "none") == 0 ? NULL : env;
	root = library_roots(a, &n);
	for (size_t i = 0; i < n; i++) {
		const char *path = arena_printf(a, "%s/compiler/target/tune/%s.tune", root[i], t->name);

		if (access(path, R_OK) == 0)
			return path;
	}
	return NULL;
}

/* " = 1 2 3  # 5.3 us; 6.1 by the model" behind the key */
static bool
read_tile(const char *s, TuneRow *row)
{
	const char *note = strchr(s, '#');
	int n = 0;

	for (char *end; n < TILE_MAX; s = end) {
		long x = strtol(s, &end, 10);

		if (end == s)
			break;
		if (x < INT32_MIN || x > INT32_MAX)
			return false;
		row->tile[n++] = (int32_t)x;
	}
	s += strspn(s, " \t\r");
	if (note && sscanf(note, "# %lf us; %lf by the model", &row->seconds, &row->model) == 2)
		row->seconds *= 1e-6, row->model *= 1e-6;
	return n && (!*s || *s == '#');
}

Map *
tune_read(Arena *a, const char *path, const char **err)
{
	Map *rows = map_new(a);
	size_t n;
	char *text = file_read(a, path, &n, err);
	int number = 0;

	for (char *line = text, *next; line && *line; line = next) {
		char *end = strchrnul(line, '\n'), *equals;
		TuneRow *row = NEW(a, TuneRow);

		next = *end ? end + 1 : end;
		*end = 0;
		number++;
		line += strspn(line, " \t\r");
		if (!*line || *line == '#')
			continue;
		equals = strstr(line, " = ");
		if (!equals || !read_tile(equals + 3, row)) {
			*err = arena_printf(a, "%s:%d: this is no row KEY = NUMBERS", path, number);
			return NULL;
		}
		*equals = 0;
		map_set(rows, line, row);
	}
	return text ? rows : NULL;
}

static int
by_text(const void *x, const void *y)
{
	return strcmp(*(const char *const *)x, *(const char *const *)y);
}

const char *
tune_write(Arena *a, const char *path, const Target *t, const char *gpu, const Map *rows)
{
	size_t n = map_count(rows);
	const char **key = NEWN(a, const char *, n + 1), *err;
	FileOut f;

	for (size_t i = 0; i < n; i++)
		key[i] = map_key(rows, i);
	qsort(key, n, sizeof *key, by_text);
	if ((err = fileout_open(a, &f, path)))
		return err;
	fprintf(f.f, "# yolo12c tune %s; %s\n", t->name, gpu);
	for (size_t i = 0; i < n; i++) {
		const TuneRow *r = map_get(rows, key[i]);

		fprintf(f.f, "%s =", key[i]);
		for (int k = 0; k < TILE_MAX; k++)
			fprintf(f.f, " %" PRId32, r->tile[k]);
		fprintf(f.f, "   # %.2f us; %.2f by the model\n", 1e6 * r->seconds, 1e6 * r->model);
	}
	return fileout_commit(&f);
}

const char *
tune_use(Arena *a, CompileOptions *o)
{
	const char *err = NULL;
	Target *t;

	if (!o->target || o->target->kind != TARGET_GPU || !(o->tune = tune_path(a, o->target)))
		return NULL;
	t = arena_dup(a, o->target, sizeof *t);
	if (!(t->tuned = tune_read(a, o->tune, &err)))
		return err;
	o->target = t;
	return NULL;
}
