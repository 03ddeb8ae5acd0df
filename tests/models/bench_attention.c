/* bench_attention.c -- what masks and scores cost: the kinds of bench-attention.y12, taking turns.
 *
 *     make tests/models/bench_attention && tests/models/bench_attention [rounds [frame]]
 *
 * One thread; least and median of all rounds, since others may use the machine too, and both
 * beside those of the plain attention.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <time.h>

#include "tests/models/host.h"

static const char *const kinds[] = {
	"plain", "all", "parity", "causal", "local", "tiles", "scale", "alibi", "line", "grid", "cap",
};

typedef struct Kind {
	y12_engine *eng;
	y12_tensor io[4];
	double *seconds;
} Kind;

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int
by_size(const void *x, const void *y)
{
	double a = *(const double *)x, b = *(const double *)y;

	return (a > b) - (a < b);
}

static void
build(Arena *a, Kind *k, const char *kind, const char *frame)
{
	const Target *t = target_named("host");
	ElabArg arg[] = { { "kind", kind }, { "frame", frame } };
	Spec s = spec_file("tests/models/bench-attention.y12", &(ElabOptions){ .arg = arg, .narg = 2 });
	HostOptions ho = { .threads = 1 };
	HostCode code;
	Program *p = program_new(a);
	const char *err;
	size_t bytes;

	if (!s.e) {
		fputs(s.messages, stderr);
		exit(1);
	}

	Graph *g = s.e->module->graph.p[0];

	lower_all(a, g, t, p);
	if (p->entry.p[0].launch.n != 1)
		fprintf(stderr, "%s: %zu kernels, not one\n", kind, p->entry.p[0].launch.n);
	if (!host_compile(a, t, p->kernel.p, p->kernel.n, &ho, &code, &err)) {
		fprintf(stderr, "%s\n", err);
		exit(1);
	}
	void *image = engine_image(a, p, &(ProgCode){ .target = t->name, .blob = code.code, .bytes = code.bytes, .entry = code.entry }, 1, &bytes);

	if (y12_engine_open_memory(image, bytes, &(y12_options){ .threads = 1 }, &k->eng)) {
		fprintf(stderr, "%s\n", y12_message(k->eng));
		exit(1);
	}
	for (int i = 0; i < 4; i++) {
		bool out = i == 3;
		const Type *x = &graph_node(g, out ? g->output.p[0].v : g->input.p[i])->type;
		float *data = arena_alloc(a, (size_t)type_bytes(x) + 64);

		for (int64_t j = 0; j < type_count(x) && !out; j++)
			data[j] = (float)((double)(hash64(&j, sizeof j) % 2000) / 1000 - 1);
		k->io[i] = (y12_tensor){ .name = arena_str(a, out ? g->output.p[0].name : graph_node(g, g->input.p[i])->name),
			.dtype = Y12_F32, .rank = x->rank, .data = data };
		memcpy(k->io[i].dim, x->dim, sizeof x->dim);
	}
}

int
main(int argc, char **argv)
{
	Arena *a = arena_new();
	int rounds = argc > 1 ? atoi(argv[1]) : 200;
	Kind kind[COUNT(kinds)] = { { 0 } };
	double least = 0, median = 0;

	for (size_t i = 0; i < COUNT(kinds); i++) {
		build(a, &kind[i], kinds[i], argc > 2 ? argv[2] : "20,20");
		kind[i].seconds = NEWN(a, double, (size_t)rounds + 1);
	}
	for (int r = -3; r < rounds; r++)
		for (size_t i = 0; i < COUNT(kinds); i++) {
			double from = now();

			if (y12_run(kind[i].eng, "forward", kind[i].io, 4))
				fprintf(stderr, "%s: %s\n", kinds[i], y12_message(kind[i].eng));
			if (r >= 0)
				kind[i].seconds[r] = now() - from;
		}
	printf("kind     least ms         median ms\n");
	for (size_t i = 0; i < COUNT(kinds) && rounds > 0; i++) {
		double *s = kind[i].seconds;

		qsort(s, (size_t)rounds, sizeof *s, by_size);
		if (!i) {
			least = s[0];
			median = s[rounds / 2];
		}
		printf("%-8s %8.3f %5.2f x %8.3f %5.2f x\n", kinds[i], 1e3 * s[0], s[0] / least, 1e3 * s[rounds / 2], s[rounds / 2] / median);
		y12_engine_close(kind[i].eng);
	}
	arena_free(a);
	return 0;
}
