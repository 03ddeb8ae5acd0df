/* cuda_code.c -- the code of an engine that suits a GPU best, loaded.
 *
 *     cubin   machine code: runs on its own sm, and on later ones of the same major
 *             version; one for an sm with an a, such as sm_90a, on no other
 *     PTX     text that the driver compiles, for its sm and all later ones; with an a
 *             for that sm alone
 *
 * The newest that runs wins, and of two for one sm the cubin.  What the driver
 * compiles is kept in a folder of the user's: that takes it seconds, and reading it
 * back a millisecond.  Its key has the text, the GPU and the driver's version in it,
 * so that nothing there goes out of date; files appear whole or not at all.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "runtime/core/cuda.h"

#ifdef Y12_CUDA
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CACHE_MAGIC "Y12CUBI\n"
enum { LOG_BYTES = 4096 };

typedef struct CacheHead { char magic[8]; uint64_t bytes, checksum; } CacheHead;

static bool
is_cubin(const uint8_t *p, uint64_t n)
{
	return n >= 4 && memcmp(p, "\177ELF", 4) == 0;
}

/* How well code suits a GPU; 0: not at all. */
static int
suits(const char *target, bool cubin, int sm)
{
	int n, only, at = 0;

	if (sscanf(target, "sm_%d%n", &n, &at) != 1 || n < 10 || n > 999)
		return 0;
	only = strcmp(target + at, "a") == 0;
	if (target[at] && !only)
		return 0;
	if (only ? n != sm : cubin ? n > sm || n / 10 != sm / 10 : n > sm)
		return 0;
	return 4 * n + 2 * only + cubin;
}

static const y12e_code *
choose(const Cuda *c, char *list, size_t size)
{
	const y12_engine *e = c->e;
	const y12e_code *codes = (const y12e_code *)(e->image + e->h.codes.offset), *best = NULL;
	int score = 0;

	list[0] = 0;
	for (uint64_t i = 0; i < e->h.codes.count; i++) {
		const char *target = e->strings + codes[i].target;
		bool cubin = is_cubin(e->image + codes[i].blob.offset, codes[i].blob.count);
		int s = suits(target, cubin, c->sm);
		size_t n = strlen(list);

		if (s > score) {
			score = s;
			best = &codes[i];
		}
		snprintf(list + n, size - n, "%s%s%s", n ? ", " : "", target,
		         strncmp(target, "sm_", 3) ? "" : cubin ? " (cubin)" : " (PTX)");
	}
	return best;
}

/* ---- what was compiled before ------------------------------------------------------------ */

static bool
cache_path(const Cuda *c, const char *dir, const char *ptx, size_t n, char *path, size_t size)
{
	int k = snprintf(path, size, "%s/%016" PRIx64 "-%zx-sm_%d-cuda%d.cubin", dir, y12e_checksum(ptx, n), n,
	                 c->sm, c->driver);

	return k > 0 && (size_t)k < size;
}

/* The cubin, malloced; NULL: not there, or damaged. */
static void *
cache_get(const char *path, size_t *bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	CacheHead h;
	uint8_t *p = NULL;
	bool good = false;

	if (fd < 0)
		return NULL;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && read(fd, &h, sizeof h) == sizeof h &&
	    memcmp(h.magic, CACHE_MAGIC, 8) == 0 && h.bytes == (uint64_t)st.st_size - sizeof h &&
	    h.bytes < (uint64_t)1 << 32 && (p = malloc(h.bytes + 1))) {
		size_t at = 0;
		ssize_t n;

		while (at < h.bytes && (n = read(fd, p + at, h.bytes - at)) > 0)
			at += (size_t)n;
		good = at == h.bytes && y12e_checksum(p, at) == h.checksum;
	}
	close(fd);
	if (!good) {
		free(p);
		return NULL;
	}
	*bytes = h.bytes;
	return p;
}

static bool
write_all(int fd, const void *data, size_t n)
{
	const char *p = data;

	for (ssize_t k; n; p += k, n -= (size_t)k)
		if ((k = write(fd, p, n)) <= 0)
			return false;
	return true;
}

/* Whether it is kept now; compiling again is all that a failure costs. */
static bool
cache_put(const char *path, const void *cubin, size_t bytes)
{
	CacheHead h = { CACHE_MAGIC, bytes, y12e_checksum(cubin, bytes) };
	char tmp[1100];
	int fd;
	bool good;

	if (snprintf(tmp, sizeof tmp, "%s.XXXXXX", path) >= (int)sizeof tmp || (fd = mkostemp(tmp, O_CLOEXEC)) < 0)
		return false;
	good = write_all(fd, &h, sizeof h) && write_all(fd, cubin, bytes);
	good = close(fd) == 0 && good && rename(tmp, path) == 0;
	if (!good)
		unlink(tmp);
	return good;
}

/* ---- compiling ---------------------------------------------------------------------------- */

/* the driver's complaint, on one line */
static y12_status
compile_failed(Cuda *c, CUresult r, const char *call, const char *ptx, char *log)
{
	const char *version = strstr(ptx, ".version ");
	int major = 0, minor = 0;
	y12_status s = cuda_fail(c, r, call);
	size_t n = strlen(c->e->message);

	if (r == CUDA_ERROR_UNSUPPORTED_PTX_VERSION && version &&
	    sscanf(version, ".version %d.%d", &major, &minor) == 2)
		return y12_fail(c->e, Y12_NODEVICE, "cuda:%d: the engine holds PTX %d.%d, for which the driver "
		                "(CUDA %d.%d) is too old; update it, or compile the engine to a cubin", c->number,
		                major, minor, c->driver / 1000, c->driver % 1000 / 10);
	for (char *p = log; *p; p++)
		if (*p == '\n')
			*p = p[1] ? ' ' : 0;
	if (*log)
		snprintf(c->e->message + n, sizeof c->e->message - n, ": %s", log);
	return s;
}

/* PTX to a cubin, malloced. */
static y12_status
compile(Cuda *c, const char *ptx, size_t n, void **cubin, size_t *bytes)
{
	char log[LOG_BYTES] = "";
	int option[] = { CU_JIT_ERROR_LOG, CU_JIT_ERROR_LOG_SIZE };
	void *value[] = { log, (void *)(uintptr_t)(LOG_BYTES - 1) };
	CUlinkState state = NULL;
	const char *call = "cuLinkAddData";
	y12_status s = Y12_OK;
	void *made = NULL;
	CUresult r;

	CUDA_TRY(c, LinkCreate, 2, option, value, &state);
	r = cu.LinkAddData(state, CU_INPUT_PTX, (void *)(uintptr_t)ptx, n + 1, "engine", 0, NULL, NULL);
	if (!r) {
		call = "cuLinkComplete";
		r = cu.LinkComplete(state, &made, bytes);
	}
	if (r) {
		s = compile_failed(c, r, call, ptx, log);
	} else {
		*cubin = malloc(*bytes + 1);    /* the driver's copy goes with the state */
		if (*cubin)
			memcpy(*cubin, made, *bytes);
		else
			s = y12_fail(c->e, Y12_NOMEMORY, "out of memory");
	}
	r = cu.LinkDestroy(state);
	if (r && !s) {
		free(*cubin);
		s = cuda_fail(c, r, "cuLinkDestroy");
	}
	return s;
}

/* One module of PTX, from the cache if it is there.  How it came is counted. */
static y12_status
load_ptx(Cuda *c, const char *ptx, const char *cache_dir, CUmodule *m, int *fresh, int *kept)
{
	size_t n = strlen(ptx), bytes;
	char path[1000];
	bool cached = cache_dir && cache_path(c, cache_dir, ptx, n, path, sizeof path);
	void *cubin = cached ? cache_get(path, &bytes) : NULL;
	y12_status s;
	CUresult r;

	if (cubin) {
		r = cu.ModuleLoadDataEx(m, cubin, 0, NULL, NULL);
		free(cubin);
		if (!r)
			return Y12_OK;
		if (r != CUDA_ERROR_NO_BINARY_FOR_GPU && r != CUDA_ERROR_INVALID_IMAGE)
			return cuda_fail(c, r, "cuModuleLoadDataEx");
	}
	if ((s = compile(c, ptx, n, &cubin, &bytes)))
		return s;
	++*fresh;
	*kept += cached && cache_put(path, cubin, bytes);
	r = cu.ModuleLoadDataEx(m, cubin, 0, NULL, NULL);
	free(cubin);
	return r ? cuda_fail(c, r, "cuModuleLoadDataEx") : Y12_OK;
}

/* ---- loading ------------------------------------------------------------------------------ */

static int
ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Loads the modules that begin at at[0] …; *n becomes their number. */
static y12_status
load_modules(Cuda *c, const y12e_code *code, uint64_t *at, size_t *n, const char *cache_dir)
{
	const uint8_t *blob = c->e->image + code->blob.offset;
	const uint64_t *entry = (const uint64_t *)(c->e->image + code->entry.offset);
	const char *target = c->e->strings + code->target;
	int fresh = 0, kept = 0;
	double start = y12_clock();
	bool cubin = false;
	y12_status s;

	*n = c->e->h.kernels.count;
	if (!*n)
		return Y12_OK;
	memcpy(at, entry, *n * sizeof *at);
	qsort(at, *n, sizeof *at, ascending);
	for (size_t i = 0, to = 0; i < c->e->h.kernels.count; i++)
		if (i == 0 || at[i] != at[to - 1]) {
			at[to++] = at[i];
			*n = to;
		}
	for (size_t i = 0; i < *n; i++) {
		const uint8_t *p = blob + at[i];
		uint64_t bytes = (i + 1 < *n ? at[i + 1] : code->blob.count) - at[i];

		c->nmodule = i;
		if (is_cubin(p, bytes)) {
			cubin = true;
			CUDA_TRY(c, ModuleLoadDataEx, &c->module[i], p, 0, NULL, NULL);
		} else if (!memchr(p, 0, bytes)) {
			return y12_fail(c->e, Y12_CORRUPT, "the engine's %s code is neither a cubin nor PTX with its end",
			                target);
		} else if ((s = load_ptx(c, (const char *)p, cache_dir, &c->module[i], &fresh, &kept))) {
			return s;
		}
		c->nmodule = i + 1;
	}
	if (cubin)
		snprintf(c->code, sizeof c->code, "%s cubin", target);
	else if (!fresh)
		snprintf(c->code, sizeof c->code, "%s PTX, compiled before", target);
	else
		snprintf(c->code, sizeof c->code, "%s PTX, compiled in %.2f s, %s", target, y12_clock() - start,
		         kept == fresh ? "kept" : "not kept");
	return Y12_OK;
}

static y12_status
find_kernels(Cuda *c, const uint64_t *entry, const uint64_t *at, size_t n)
{
	const y12_engine *e = c->e;

	for (uint64_t i = 0; i < e->h.kernels.count; i++) {
		const y12e_kernel *k = &e->kernels[i];
		const uint64_t *m = bsearch(&entry[i], at, n, sizeof *at, ascending);
		uint64_t cluster = (uint64_t)k->cluster[0] * k->cluster[1] * k->cluster[2];
		CUresult r = cu.ModuleGetFunction(&c->function[i], c->module[m - at], e->strings + k->name);

		if (r == CUDA_ERROR_NOT_FOUND)
			return y12_fail(c->e, Y12_CORRUPT, "the engine's code has no kernel %s", e->strings + k->name);
		if (r)
			return cuda_fail(c, r, "cuModuleGetFunction");
		if (k->shared > (uint32_t)c->shared_most)
			return y12_fail(c->e, Y12_NODEVICE, "kernel %s needs %u bytes of shared memory, %s has %d for a block",
			                e->strings + k->name, k->shared, c->name, c->shared_most);
		if (k->shared)
			CUDA_TRY(c, FuncSetAttribute, c->function[i], CU_MAX_DYNAMIC_SHARED, (int)k->shared);
		if (cluster > 8)        /* past what every GPU with clusters can do */
			CUDA_TRY(c, FuncSetAttribute, c->function[i], CU_NON_PORTABLE_CLUSTER, 1);
	}
	return Y12_OK;
}

y12_status
cuda_load(Cuda *c, const char *cache_dir)
{
	y12_engine *e = c->e;
	char list[200];
	const y12e_code *code = choose(c, list, sizeof list);
	uint64_t *at;
	size_t n;
	y12_status s;

	if (!code)
		return y12_fail(e, Y12_NODEVICE, "the engine holds no code for %s, an sm_%d (it has: %s); compile it for "
		                "that", c->name, c->sm, *list ? list : "none");
	sscanf(e->strings + code->target, "sm_%d", &c->code_sm);
	at = calloc(e->h.kernels.count + 1, sizeof *at);
	c->module = calloc(e->h.kernels.count + 1, sizeof *c->module);
	c->function = calloc(e->h.kernels.count + 1, sizeof *c->function);
	if (!at || !c->module || !c->function)
		s = y12_fail(e, Y12_NOMEMORY, "out of memory");
	else if (!(s = load_modules(c, code, at, &n, cache_dir)))
		s = find_kernels(c, (const uint64_t *)(e->image + code->entry.offset), at, n);
	free(at);
	return s;
}
#endif
