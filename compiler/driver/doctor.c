/* doctor.c -- yolo12c doctor: what works here, and what to do about what does not.
 *
 *     ok    cpu       host:x86-64-v3; 2 processors
 *     no    cache     /home/u/.cache/yolo12c can't be written: … -- set YOLO12C_CACHE_DIR
 *     --    cuda      no libcuda.so.1: …
 *
 * "no" is a fault and makes the exit code 1; "--" is something that is not needed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backend/backend.h"
#include "driver/help.h"
#include "driver/inner.h"
#include "driver/ui.h"
#include "runtime/data/data.h"
#include "runtime/yolo12c.h"

typedef enum { FAULT, FINE, ABSENT } Verdict;

typedef struct Report { Arena *a; int faults; } Report;

static void
tell(Report *r, Verdict v, const char *what, const char *fmt, ...)
{
	static const struct { const char *word, *color; } how[] = {
		[FAULT] = { "no", "\033[1;31m" }, [FINE] = { "ok", "\033[32m" }, [ABSENT] = { "--", "" },
	};
	bool color = ui_color(stdout) && *how[v].color;
	va_list ap;

	r->faults += v == FAULT;
	printf("%s%s%s  %-9s ", color ? how[v].color : "", how[v].word, color ? "\033[0m" : "", what);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

static void
processor(Report *r)
{
	const Target *t = target_host();
	const char *const *name;
	Text more = { .a = r->a };
	size_t n;

	if (!t) {
		tell(r, FAULT, "cpu", "there is no code for this family of processors (x86-64 and aarch64 have it)");
		return;
	}
	name = target_names(&n);
	for (size_t i = 1; i < n; i++) {
		const Target *other = target_named(name[i]);

		if (other != t && target_runs_here(other))
			text_printf(&more, ", %s", other->name);
	}
	tell(r, FINE, "cpu", "%s%s; %ld processors", t->name, text_str(&more), sysconf(_SC_NPROCESSORS_ONLN));
}

/* The runtime writes code into memory and then makes it executable, which hardened systems may forbid. */
static void
host_device(Report *r)
{
	size_t n = 4096;
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p, n, PROT_READ | PROT_EXEC))
		tell(r, FAULT, "host", "memory can't be made executable: %s -- SELinux or seccomp forbids it here", strerror(errno));
	else
		tell(r, FINE, "host", "code can be made and run");
	if (p != MAP_FAILED)
		munmap(p, n);
}

static void
cache(Report *r)
{
	const char *dir = cache_dir_default(r->a);
	char err[Y12_ERRLEN];
	char *probe;
	int fd;

	if (!dir) {
		tell(r, FAULT, "cache", "there is no place for it -- set HOME or YOLO12C_CACHE_DIR");
		return;
	}
	probe = arena_printf(r->a, "%s/probe-XXXXXX", dir);
	if (!y12_make_folders(dir, err)) {
		tell(r, FAULT, "cache", "%s -- set YOLO12C_CACHE_DIR", err);
	} else if ((fd = mkstemp(probe)) < 0) {
		tell(r, FAULT, "cache", "%s can't be written: %s -- set YOLO12C_CACHE_DIR", dir, strerror(errno));
	} else {
		close(fd);
		unlink(probe);
		tell(r, FINE, "cache", "%s", dir);
	}
}

static void
library(Report *r)
{
	size_t n;
	const char *const *dir = library_dirs(r->a, &n);
	const char *model = model_path(r->a, "yolov12"), *blocks = NULL;

	for (size_t i = 0; i < n && !blocks; i++) {
		const char *path = arena_printf(r->a, "%s/blocks.y12", dir[i]);

		if (access(path, R_OK) == 0)
			blocks = dir[i];
	}
	if (blocks)
		tell(r, FINE, "library", "%s", blocks);
	else
		tell(r, FAULT, "library", "stdlib/blocks.y12 is in none of %zu folders -- set YOLO12C_PATH to the folder "
		     "that holds stdlib and models", n);
	if (access(model, R_OK) == 0)
		tell(r, FINE, "models", "%s", model);
	else
		tell(r, FAULT, "models", "models/yolov12.y12 is not found -- set YOLO12C_PATH to the folder that holds "
		     "stdlib and models");
}

/* Letters on a box: without a font they are missing, and nobody says so. */
static void
fonts(Report *r)
{
	enum { SIDE = 120, BYTES = SIDE * SIDE * 3 };
	uint8_t *rgb[2] = { arena_alloc(r->a, BYTES), arena_alloc(r->a, BYTES) };
	char err[Y12_ERRLEN];
	bool ok = true;

	for (int i = 0; i < 2 && ok; i++) {
		y12_picture p = { rgb[i], SIDE, SIDE };
		y12_box b = { 10, 60, 110, 110, 0, i ? "M" : "l" };

		ok = y12_picture_draw(&p, &b, 1, 2, err);
	}
	if (!ok)
		tell(r, FAULT, "drawing", "%s", err);
	else if (memcmp(rgb[0], rgb[1], BYTES) == 0)
		tell(r, FAULT, "drawing", "there is no font: names of things stay blank -- install fonts-dejavu-core");
	else
		tell(r, FINE, "drawing", "boxes and letters");
}

/* Every GPU that the driver has; none is no fault. */
static void
cuda(Report *r)
{
	const char *ptxas = ptxas_path(r->a);
	char why[1024];
	y12_gpu g;

	for (int i = 0; i < 256; i++) {
		char name[16];
		y12_status s;

		snprintf(name, sizeof name, "cuda:%d", i);
		s = y12_device_find(name, &g, why, sizeof why);
		if (!s)
			tell(r, g.sm >= 75 ? FINE : ABSENT, name, "%s, sm_%d, %.1f GiB; driver for CUDA %d.%d%s", g.name, g.sm,
			     (double)g.memory / (1 << 30), g.driver / 1000, g.driver % 1000 / 10,
			     g.sm >= 75 ? "" : " -- code is made for sm_75 and later");
		else if (i == 0)
			tell(r, s == Y12_DEVICE ? FAULT : ABSENT, "cuda", "%s%s", why, s == Y12_DEVICE ? "" : " (not needed)");
		if (s)
			break;
	}
	if (ptxas)
		tell(r, FINE, "ptxas", "%s", ptxas);
	else
		tell(r, ABSENT, "ptxas", "none in PATH or /usr/local/cuda/bin (not needed: the driver compiles, more slowly)");
}

int
verb_doctor(const Options *o)
{
	Report r = { .a = o->a };

	processor(&r);
	host_device(&r);
	tell(&r, FINE, "compiler", "back end %s", backend_version());
	library(&r);
	cache(&r);
	fonts(&r);
	cuda(&r);
	if (r.faults)
		printf("\n%d thing%s to mend\n", r.faults, r.faults > 1 ? "s" : "");
	return r.faults ? EXIT_FAILED : EXIT_OK;
}
