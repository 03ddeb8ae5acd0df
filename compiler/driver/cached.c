/* cached.c -- an engine that was compiled before is not compiled again.
 *
 *     key = hash of { this executable, back end, target, options, each spec file, the weights }
 *     $cache/engines/<key>.y12e
 *
 * Everything that can change a byte of the engine is in the key by content, so an entry is never
 * out of date and there is nothing to invalidate.  The executable stands for the version of the
 * compiler: a version number alone would serve yesterday's kernels to whoever works on it.
 * Entries are written whole or not at all; one that is damaged is compiled again.
 * Engines hold machine code, so the folder is the user's own (0700).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/backend.h"
#include "driver/compile.h"
#include "driver/inner.h"
#include "dsl/ast.h"

/* The oldest entries go when all of them pass this. */
static const int64_t CACHE_MAX = (int64_t)2 << 30;

/* ---- the key ------------------------------------------------------------------------- */

/* Each item with its length, so that no two lists of items make the same text. */
static void
item(Text *key, const char *name, const void *p, size_t n)
{
	text_printf(key, "%s %zu ", name, n);
	text_putn(key, p, n);
	text_put(key, "\n");
}

static void
item_text(Text *key, const char *name, const char *s)
{
	item(key, name, s ? s : "-", s ? strlen(s) : 1);
}

static bool
item_file(Arena *a, Text *key, const char *name, const char *path)
{
	const char *err;
	char hex[33];
	size_t n;
	const void *p = file_map(a, path, &n, &err);

	if (!p)
		return false;
	hash_hex(hex, p, n);
	file_unmap(p, n);
	item_text(key, name, hex);
	return true;
}

static void
item_modules(Text *key, const Module *m, Map *seen)
{
	if (!m || map_has(seen, m->path))
		return;
	map_set(seen, m->path, (void *)(uintptr_t)m);
	item(key, m->name, m->src->text, m->src->len);
	for (size_t i = 0; i < m->nuse; i++)
		item_modules(key, m->use[i], seen);
}

/* NULL: something can't be read, or the spec has an error; compiling will say so. */
static const char *
cache_key(Arena *a, const CompileOptions *o)
{
	Text key = { .a = a };
	size_t ndirs;
	const char *const *dirs = library_dirs(a, &ndirs);
	Diag *quiet = diag_new(a);
	uint64_t seed;
	Module *m = dsl_load(a, quiet, model_path(a, o->model), dirs, ndirs);
	char *hex = arena_alloc(a, 33);
	const char *weights = !o->weights ? "" : strrchr(o->weights, '/') ? strrchr(o->weights, '/') + 1 : o->weights;

	if (!m || diag_errors(quiet))
		return NULL;
	item_text(&key, "compiler", PACKAGE_VERSION);
	if (!item_file(a, &key, "executable", "/proc/self/exe"))
		return NULL;
	item_text(&key, "backend", backend_version());
	item_text(&key, "target", target_of(o)->name);
	item_text(&key, "code", arena_printf(a, "%s%s%s%s%s", precision_of(o), o->no_pdl ? "" : " pdl", runs_beside(o) ? " lanes" : "",
	                                     code_wants_cubin(a, o) ? " cubin" : "", code_is_kir() ? " kir" : ""));
	item_text(&key, "scale", o->scale);
	item_text(&key, "sizes", arena_printf(a, "%" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %d %d",
	                                      o->frame[0], o->frame[1], o->fit[0], o->fit[1], o->batch, o->max_det));
	for (size_t i = 0; o->entries && o->entries[i]; i++)
		item_text(&key, "entry", o->entries[i]);
	for (size_t i = 0; i < o->nparams; i++) {
		item_text(&key, "param", o->params[i].key);
		item_text(&key, "value", o->params[i].value);
	}
	if (o->tune && !item_file(a, &key, "tune", o->tune))
		return NULL;
	item_modules(&key, m, map_new(a));
	item_text(&key, "weights", weights);            /* the engine tells its name */
	if (o->weights && !weights_are_random(o->weights, &seed) && !item_file(a, &key, "content", o->weights))
		return NULL;
	hash_hex(hex, key.p, key.n);
	return hex;
}

/* ---- the folder ------------------------------------------------------------------------- */

static bool
make_folder(Arena *a, const char *path)
{
	char *p = arena_str(a, path);

	for (char *s = p + 1; *s; s++)
		if (*s == '/') {
			*s = 0;
			mkdir(p, 0700);
			*s = '/';
		}
	return mkdir(p, 0700) == 0 || errno == EEXIST;
}

typedef struct Entry { const char *path; int64_t bytes; struct timespec used; } Entry;

static int
by_age(const void *x, const void *y)
{
	const Entry *a = x, *b = y;

	if (a->used.tv_sec != b->used.tv_sec)
		return a->used.tv_sec < b->used.tv_sec ? -1 : 1;
	return (a->used.tv_nsec > b->used.tv_nsec) - (a->used.tv_nsec < b->used.tv_nsec);
}

/* Drops the entries that were not used for longest, until the rest fits. */
static void
sweep(Arena *a, const char *folder)
{
	VEC(Entry) all = { 0 };
	int64_t sum = 0;
	DIR *dir = opendir(folder);

	for (const struct dirent *e; dir && (e = readdir(dir));) {
		size_t len = strlen(e->d_name);
		const char *path = arena_printf(a, "%s/%s", folder, e->d_name);
		struct stat st;

		if (len < 5 || strcmp(e->d_name + len - 5, ".y12e") != 0 || stat(path, &st) || !S_ISREG(st.st_mode))
			continue;
		vec_push(a, &all, ((Entry){ path, st.st_size, st.st_mtim }));
		sum += st.st_size;
	}
	if (dir)
		closedir(dir);
	if (sum <= CACHE_MAX)
		return;
	qsort(all.p, all.n, sizeof *all.p, by_age);
	for (size_t i = 0; i + 1 < all.n && sum > CACHE_MAX; i++)
		if (unlink(all.p[i].path) == 0)
			sum -= all.p[i].bytes;
}

/* ---- all of it ----------------------------------------------------------------------------- */

static const void *
look_up(Arena *a, const char *path, size_t *bytes)
{
	const char *err;
	const void *p;

	if (access(path, R_OK) != 0 || !(p = file_map(a, path, bytes, &err)))
		return NULL;
	if (engine_damage(p, *bytes)) {
		file_unmap(p, *bytes);
		return NULL;
	}
	utimensat(AT_FDCWD, path, NULL, 0);     /* used now: the sweep takes others first */
	return p;
}

bool
compile_cached(Arena *a, Diag *d, const CompileOptions *o, const void **image, size_t *bytes, bool *hit)
{
	const char *key = o->cache_dir && !o->log && !o->after ? cache_key(a, o) : NULL;
	const char *folder = key ? arena_printf(a, "%s/engines", o->cache_dir) : NULL;
	const char *path = key ? arena_printf(a, "%s/%s.y12e", folder, key) : NULL;
	Compiled c;

	*hit = path && (*image = look_up(a, path, bytes)) != NULL;
	if (*hit)
		return true;
	if (!compile(a, d, o, &c))
		return false;
	if (!c.image) {
		diag_error(d, (Span){ 0 }, "weights-missing", "%s: an engine needs weights", o->model);
		return false;
	}
	weights_close(c.weights);
	*image = c.image;
	*bytes = c.image_bytes;
	/* a cache that can't be written costs time, nothing else: no reason to fail */
	if (path && make_folder(a, folder) && !file_write(a, path, c.image, c.image_bytes))
		sweep(a, folder);
	return true;
}
