/* gpu_run.c -- runs engines on a device and says, as JSON, what came out and how long it took.
 *
 *     gcc -std=gnu11 -D_GNU_SOURCE -O2 -DY12_CUDA=1 -I. runtime/core/[a-z]*.c bench/gpu_run.c -ldl -lpthread -lm
 *     ./a.out --device=host --save=ref net.y12e               on one machine
 *     ./a.out --device=cuda:0 --ref=ref --profile=5 net.y12e  on another
 *
 * It needs this folder's runtime/ and a C compiler, nothing else.  Inputs are made from
 * hashes of their place and name, the same everywhere; or read, if --input=DIR has
 * ENGINE.ENTRY.TENSOR.bin.  Outputs go to and are compared with files of such names.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/yolo12c.h"

enum { MOST = 256 };

static const char *device = "cuda:0", *only_entry, *ref_dir, *save_dir, *input_dir, *cache_dir;
static long repeats = 200, profiles, height = 640, width = 640, picture_bytes;
static double tolerance = 2e-3, range = 1;
static int bad;

static const struct { const char *name; const char **s; long *n; double *x; const char *help; } options[] = {
	{ "device", &device, NULL, NULL, "cuda:0, host, host:4" },
	{ "entry", &only_entry, NULL, NULL, "run only this entry" },
	{ "ref", &ref_dir, NULL, NULL, "folder of outputs to compare with" },
	{ "save", &save_dir, NULL, NULL, "folder to write outputs to" },
	{ "input", &input_dir, NULL, NULL, "folder of inputs" },
	{ "cache", &cache_dir, NULL, NULL, "folder that keeps what the driver compiles" },
	{ "repeats", NULL, &repeats, NULL, "timed runs; 0: none" },
	{ "profile", NULL, &profiles, NULL, "runs with a time for each launch" },
	{ "height", NULL, &height, NULL, "of pictures" },
	{ "width", NULL, &width, NULL, "of pictures" },
	{ "picture-bytes", NULL, &picture_bytes, NULL, "reserved for each picture; 0: as needed" },
	{ "tol", NULL, NULL, &tolerance, "largest relative L2 error of an output" },
	{ "range", NULL, NULL, &range, "made-up reals are in [-range, range)" },
};

static double
clock_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static uint64_t
hash(uint64_t x)
{
	x ^= x >> 30, x *= 0xbf58476d1ce4e5b9;
	x ^= x >> 27, x *= 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static size_t
size_of(y12_dtype t)
{
	static const uint8_t size[] = { 0, 1, 1, 4, 8, 2, 2, 4, 8 };

	return size[t];
}

static size_t
count(const y12_tensor *t)
{
	size_t n = 1;

	for (int i = 0; i < t->rank; i++)
		n *= (size_t)t->dim[i];
	return n;
}

/* ---- numbers ------------------------------------------------------------------------------ */

static uint16_t
half_of(float x)
{
	union { float f; uint32_t u; } v = { x };
	uint32_t sign = v.u >> 16 & 0x8000, e = v.u >> 23 & 255, m = v.u & 0x7fffff;

	if (e < 103)
		return (uint16_t)sign;
	if (e < 113) {                  /* a denormal */
		uint32_t shift = 126 - e;

		m |= 0x800000;
		return (uint16_t)(sign | ((m >> shift) + ((m >> (shift - 1)) & 1)));
	}
	if (e > 142)
		return (uint16_t)(sign | 0x7c00);
	return (uint16_t)(sign | (((e - 112) << 10 | m >> 13) + (m >> 12 & 1)));
}

static double
real_at(y12_dtype t, const void *p, size_t i)
{
	uint16_t h;
	union { uint32_t u; float f; } v;

	switch (t) {
	case Y12_U8: case Y12_BOOL: return ((const uint8_t *)p)[i];
	case Y12_I32: return ((const int32_t *)p)[i];
	case Y12_I64: return (double)((const int64_t *)p)[i];
	case Y12_F32: return (double)((const float *)p)[i];
	case Y12_F64: return ((const double *)p)[i];
	case Y12_BF16:
		v.u = (uint32_t)((const uint16_t *)p)[i] << 16;
		return (double)v.f;
	case Y12_F16:
		h = ((const uint16_t *)p)[i];
		if ((h >> 10 & 31) == 31)
			return h & 1023 ? (double)NAN : h >> 15 ? -(double)INFINITY : (double)INFINITY;
		return (h >> 15 ? -1 : 1) * ((h >> 10 & 31) ? ldexp(1024 + (h & 1023), (h >> 10 & 31) - 25)
		                                            : ldexp(h & 1023, -24));
	}
	return 0;
}

static void
make_up(y12_tensor *t)
{
	uint64_t seed = 0;

	for (const char *s = t->name; *s; s++)
		seed = hash(seed ^ (uint8_t)*s);
	for (size_t i = 0, n = count(t); i < n; i++) {
		uint64_t h = hash(seed + 0x9e3779b97f4a7c15 * (i + 1));
		double x = range * ((double)(h >> 11) * 0x1p-52 - 1);
		union { float f; uint32_t u; } v = { (float)x };

		switch (t->dtype) {
		case Y12_U8: ((uint8_t *)t->data)[i] = (uint8_t)h; break;
		case Y12_BOOL: ((uint8_t *)t->data)[i] = h & 1; break;
		case Y12_I32: ((int32_t *)t->data)[i] = (int32_t)(h & 15); break;
		case Y12_I64: ((int64_t *)t->data)[i] = (int64_t)(h & 15); break;
		case Y12_F16: ((uint16_t *)t->data)[i] = half_of((float)x); break;
		case Y12_BF16: ((uint16_t *)t->data)[i] = (uint16_t)(v.u >> 16); break;
		case Y12_F32: ((float *)t->data)[i] = (float)x; break;
		case Y12_F64: ((double *)t->data)[i] = x; break;
		}
	}
}

/* ---- files -------------------------------------------------------------------------------- */

static char *
file_name(const char *dir, const char *engine, const char *entry, const char *tensor)
{
	const char *base = strrchr(engine, '/') ? strrchr(engine, '/') + 1 : engine;
	size_t n = strcspn(base, ".");
	static char path[4096];

	snprintf(path, sizeof path, "%s/%.*s.%s.%s.bin", dir, (int)n, base, entry, tensor);
	return path;
}

/* 1: read whole; 0: not there; -1: of another size */
static int
read_file(const char *path, void *to, size_t bytes)
{
	FILE *f = fopen(path, "rb");
	int good;

	if (!f)
		return 0;
	good = fread(to, 1, bytes, f) == bytes && fgetc(f) == EOF ? 1 : -1;
	fclose(f);
	return good;
}

static void
write_file(const char *path, const void *from, size_t bytes)
{
	FILE *f = fopen(path, "wb");

	if (!f || fwrite(from, 1, bytes, f) != bytes || fclose(f)) {
		perror(path);
		exit(1);
	}
}

static void
print_string(const char *s)
{
	putchar('"');
	for (; s && *s; s++) {
		if (*s == '"' || *s == '\\')
			putchar('\\');
		if ((unsigned char)*s >= ' ')
			putchar(*s);
	}
	putchar('"');
}

/* ---- one entry ---------------------------------------------------------------------------- */

typedef struct Entry {
	const char *engine, *name;
	y12_tensor io[MOST];
	size_t nio;
	uint8_t output[MOST];
} Entry;

static int
failed(y12_engine *e, const char *what, y12_status s)
{
	if (!s)
		return 0;
	printf(", \"error\": ");
	print_string(y12_message(e));
	fprintf(stderr, "%s: %s\n", what, y12_message(e));
	bad = 1;
	return 1;
}

static void
prepare(y12_engine *e, Entry *n)
{
	y12_io io;

	for (size_t i = 0; y12_entry_io(e, n->name, i, &io) && n->nio < MOST; i++) {
		y12_tensor *t = &n->io[n->nio];

		if (io.optional)
			continue;
		*t = (y12_tensor){ .name = io.name, .dtype = io.dtype, .rank = io.rank };
		for (int d = 0; d < io.rank; d++)
			t->dim[d] = io.dim[d] >= 0 ? io.dim[d] : d == 0 ? height : width;
		t->data = calloc(count(t) + 1, size_of(t->dtype));
		if (!t->data) {
			fprintf(stderr, "out of memory\n");
			exit(1);
		}
		n->output[n->nio++] = (uint8_t)io.output;
		if (io.output)
			continue;
		if (!input_dir || read_file(file_name(input_dir, n->engine, n->name, t->name), t->data,
		                            count(t) * size_of(t->dtype)) != 1)
			make_up(t);
	}
}

static void
report_output(const Entry *n, const y12_tensor *t)
{
	size_t k = count(t), bytes = k * size_of(t->dtype), nans = 0, differ = 0;
	double worst = 0, err = 0, norm = 0, sum = 0, rel;
	uint64_t h = 0;
	void *ref;
	int got;

	for (size_t i = 0; i < bytes; i++)
		h = hash(h + ((const uint8_t *)t->data)[i]);
	for (size_t i = 0; i < k; i++) {
		double x = real_at(t->dtype, t->data, i);

		nans += isnan(x) != 0;
		sum += isnan(x) ? 0 : fabs(x);
	}
	printf("{\"name\": ");
	print_string(t->name);
	printf(", \"count\": %zu, \"hash\": \"%016" PRIx64 "\", \"mean_abs\": %.6g, \"nan\": %zu", k, h, sum / (double)k, nans);
	if (save_dir)
		write_file(file_name(save_dir, n->engine, n->name, t->name), t->data, bytes);
	if (ref_dir) {
		ref = malloc(bytes + 1);
		got = ref ? read_file(file_name(ref_dir, n->engine, n->name, t->name), ref, bytes) : -1;
		if (got != 1) {
			printf(", \"ref\": \"%s\"", got ? "of another size" : "missing");
			bad |= got < 0;
		} else {
			for (size_t i = 0; i < k; i++) {
				double x = real_at(t->dtype, t->data, i), y = real_at(t->dtype, ref, i), d = fabs(x - y);

				if (isnan(x) && isnan(y))
					continue;
				differ += !(d == 0);
				worst = !(d <= worst) ? d : worst;
				err += d * d;
				norm += y * y;
			}
			rel = err == 0 ? 0 : sqrt(err / (norm > 0 ? norm : 1));
			printf(", \"rel_l2\": %.4g, \"max_abs\": %.4g, \"differ\": %zu, \"ok\": %s", rel, worst, differ,
			       rel <= tolerance ? "true" : "false");
			bad |= !(rel <= tolerance);
		}
		free(ref);
	}
	printf("}");
}

typedef struct Launches {
	size_t n, at, cap;
	struct Launch { char *kernel, *layer; double *seconds; } *l;
	long run;
} Launches;

static void
see(void *user, const char *kernel, const char *layer, double seconds)
{
	Launches *x = user;

	if (x->run == 0) {
		if (x->n == x->cap) {
			x->cap = x->cap ? 2 * x->cap : 256;
			x->l = realloc(x->l, x->cap * sizeof *x->l);
		}
		if (!x->l)
			abort();
		x->l[x->n++] = (struct Launch){ strdup(kernel), strdup(layer), calloc((size_t)profiles, sizeof(double)) };
	}
	x->l[x->at++].seconds[x->run] = seconds;
}

static int
ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void
profile(y12_engine *e, const Entry *n)
{
	Launches x = { 0 };
	double all = 0;

	for (; x.run < profiles; x.run++) {
		x.at = 0;
		if (failed(e, n->name, y12_profile(e, n->name, n->io, n->nio, see, &x)))
			return;
	}
	printf(",\n   \"launches\": [");
	for (size_t i = 0; i < x.n; i++) {
		qsort(x.l[i].seconds, (size_t)profiles, sizeof(double), ascending);
		all += x.l[i].seconds[profiles / 2];
		printf("%s\n    {\"us\": %.3f, \"min_us\": %.3f, \"kernel\": ", i ? "," : "", 1e6 * x.l[i].seconds[profiles / 2],
		       1e6 * x.l[i].seconds[0]);
		print_string(x.l[i].kernel);
		printf(", \"layer\": ");
		print_string(x.l[i].layer);
		printf("}");
		free(x.l[i].kernel);
		free(x.l[i].layer);
		free(x.l[i].seconds);
	}
	printf("],\n   \"launches_us\": %.3f", 1e6 * all);
	free(x.l);
}

static void
run_entry(y12_engine *e, Entry *n)
{
	double *seconds = calloc((size_t)repeats + 1, sizeof *seconds), start, first;
	int comma = 0;

	if (!seconds)
		abort();
	prepare(e, n);
	printf("  {\"entry\": ");
	print_string(n->name);
	start = clock_now();
	if (failed(e, n->name, y12_run(e, n->name, n->io, n->nio)))
		goto end;
	first = clock_now() - start;
	printf(", \"first_run_ms\": %.4f", 1e3 * first);
	start = clock_now();
	if (failed(e, n->name, y12_run(e, n->name, n->io, n->nio)))
		goto end;
	printf(", \"run_ms\": %.4f", 1e3 * (clock_now() - start));
	printf(",\n   \"outputs\": [");
	for (size_t i = 0; i < n->nio; i++)
		if (n->output[i]) {
			fputs(comma++ ? ",\n    " : "", stdout);
			report_output(n, &n->io[i]);
		}
	printf("]");
	if (repeats > 0) {
		if (failed(e, n->name, y12_bench(e, n->name, n->io, n->nio, (size_t)repeats, seconds)) ||
		    failed(e, n->name, y12_bench(e, n->name, n->io, n->nio, (size_t)repeats, seconds)))
			goto end;
		printf(",\n   \"phases_ms\": {\"pre\": %.5f, \"net\": %.5f, \"post\": %.5f}", 1e3 * y12_seconds(e, "pre"),
		       1e3 * y12_seconds(e, "net"), 1e3 * y12_seconds(e, "post"));
		qsort(seconds, (size_t)repeats, sizeof *seconds, ascending);
		printf(",\n   \"bench_ms\": {\"repeats\": %ld, \"min\": %.5f, \"median\": %.5f, \"p90\": %.5f}", repeats,
		       1e3 * seconds[0], 1e3 * seconds[repeats / 2], 1e3 * seconds[repeats * 9 / 10]);
	}
	if (profiles > 0)
		profile(e, n);
end:
	printf("}");
	for (size_t i = 0; i < n->nio; i++)
		free(n->io[i].data);
	free(seconds);
}

static void
run_engine(const char *path)
{
	static const char *const fact[] = { "kind", "name", "sm", "driver", "code", "total", "free" };
	y12_options opt = { .device = device, .cache_dir = cache_dir, .picture_bytes = (size_t)picture_bytes };
	y12_engine *e;
	double start = clock_now();
	y12_status s;
	int comma = 0;

	if (!opt.picture_bytes)
		opt.picture_bytes = (size_t)(3 * height * width);
	s = y12_engine_open(path, &opt, &e);
	printf(" {\"engine\": ");
	print_string(path);
	printf(", \"open_ms\": %.3f", 1e3 * (clock_now() - start));
	if (!failed(e, path, s)) {
		for (size_t i = 0; i < sizeof fact / sizeof *fact; i++)
			if (y12_device(e, fact[i])) {
				printf(", \"%s\": ", fact[i]);
				print_string(y12_device(e, fact[i]));
			}
		printf(",\n  \"arena_bytes\": %zu, \"const_bytes\": %zu, \"device_bytes\": %zu,\n \"entries\": [\n",
		       y12_arena_bytes(e), y12_const_bytes(e), y12_device_bytes(e));
		for (size_t i = 0; y12_entry_name(e, i); i++) {
			Entry n = { .engine = path, .name = y12_entry_name(e, i) };

			if (only_entry && strcmp(only_entry, n.name) != 0)
				continue;
			fputs(comma++ ? ",\n" : "", stdout);
			run_entry(e, &n);
		}
		printf("]");
	}
	printf("}");
	y12_engine_close(e);
}

static int
option(const char *arg)
{
	size_t n = strcspn(arg, "=");
	char *end = NULL;

	for (size_t i = 0; i < sizeof options / sizeof *options && arg[n]; i++) {
		if (strlen(options[i].name) != n || strncmp(options[i].name, arg, n) != 0)
			continue;
		if (options[i].s)
			*options[i].s = arg + n + 1;
		if (options[i].n)
			*options[i].n = strtol(arg + n + 1, &end, 0);
		if (options[i].x)
			*options[i].x = strtod(arg + n + 1, &end);
		return !end || (!*end && end != arg + n + 1);
	}
	return 0;
}

int
main(int argc, char **argv)
{
	int first = 1;

	while (first < argc && strncmp(argv[first], "--", 2) == 0 && option(argv[first] + 2))
		first++;
	if (first == argc || argv[first][0] == '-' || repeats < 0 || profiles < 0 || height < 1 || width < 1) {
		fprintf(stderr, "usage: gpu_run [--OPTION=VALUE …] ENGINE.y12e …\n");
		for (size_t i = 0; i < sizeof options / sizeof *options; i++)
			fprintf(stderr, "  --%-14s %s\n", options[i].name, options[i].help);
		return 2;
	}
	printf("[\n");
	for (int i = first; i < argc; i++) {
		run_engine(argv[i]);
		printf(i + 1 < argc ? ",\n" : "\n");
		fflush(stdout);
	}
	printf("]\n");
	return bad;
}
