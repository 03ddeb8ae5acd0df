/* bench_front.c -- how long the front end takes, and what memory: `make bench-front`.
 *
 *     models/yolov12.y12 at every scale, and specs of 100, 1000 and 10000 layers in two forms:
 *     one pipeline, `|> Conv(8) |> Conv(8) ...`, and a loop of a block in a block
 *
 * Times are processor time, the least of several runs, from text to graphs; memory is what the arena of a run handed
 * out.  The last column is bytes a layer: it stays the same if memory grows linearly.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <time.h>

#include "elab/elab.h"

enum { RUNS = 15 };

typedef struct Cost { double parse, elab; size_t bytes, nodes; } Cost;

/* of the processor: other work on the machine is not ours */
static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static const char *
root(void)
{
	const char *s = getenv("srcdir");

	return s && *s ? s : ".";
}

static Cost
once(const char *path, const ElabOptions *opt)
{
	Arena *a = arena_new();
	Diag *d = diag_new(a);
	const char *dirs[] = { arena_printf(a, "%s/stdlib", root()) };
	double t0 = now(), t1;
	Module *m = dsl_load(a, d, path, dirs, 1);
	Elab *e = NULL;
	Cost c = { 0 };

	t1 = now();
	if (m && !diag_errors(d))
		e = elaborate(a, d, m, opt);
	if (!e) {
		diag_print(d, stderr, false);
		exit(1);
	}
	c.parse = t1 - t0;
	c.elab = now() - t1;
	c.bytes = arena_bytes(a);
	for (size_t i = 0; i < e->module->graph.n; i++) {
		c.nodes += e->module->graph.p[i]->node.n;
		if (e->module->graph.p[i]->a != a)
			c.bytes += arena_bytes(e->module->graph.p[i]->a);
	}
	arena_free(a);
	return c;
}

static Cost
best(const char *path, const ElabOptions *opt)
{
	Cost b = once(path, opt);

	for (int i = 1; i < RUNS; i++) {
		Cost c = once(path, opt);

		if (c.parse + c.elab < b.parse + b.elab)
			b = c;
	}
	return b;
}

static void
row(const char *what, int layers, Cost c)
{
	printf("| %-26s | %6d | %7zu | %8.2f | %8.2f | %8.2f | %7.2f | %6.0f |\n", what, layers, c.nodes, c.parse, c.elab,
	       c.parse + c.elab, (double)c.bytes / 1e6, (double)c.bytes / layers);
}

/* n convolutions in a row */
static const char *
pipeline(Arena *a, int n)
{
	Text t = { .a = a };

	text_put(&t, "use std.blocks\n\nmodel big() {\n  entry go(image: f32[1, 8, 32, 32]) {\n    layers \"model\" {\n      image\n");
	for (int i = 0; i < n; i++)
		text_put(&t, "        |> Conv(8, k: 3)\n");
	text_put(&t, "    }\n  }\n}\n");
	return text_str(&t);
}

/* the same number, a hundred to a block */
static const char *
loops(Arena *a, int n)
{
	return arena_printf(a, "use std.blocks\n\n"
		"block Hundred(x: tensor, n: int) {\n  for i in 0 .. n { x = Conv(x, 8, k: 3) as m }\n  return x\n}\n\n"
		"model big() {\n  entry go(image: f32[1, 8, 32, 32]) {\n    let x = image\n"
		"    for i in 0 .. %d { x = Hundred(x, 100) as part }\n    return x\n  }\n}\n", n / 100);
}

int
main(void)
{
	static const char *const scale[] = { "n", "s", "m", "l", "x" };
	static const struct { const char *name, *(*make)(Arena *a, int n); } form[] = {
		{ "a pipeline", pipeline }, { "loops of blocks", loops },
	};
	Arena *a = arena_new();
	char dir[] = "/tmp/y12-bench-XXXXXX";
	const char *model = arena_printf(a, "%s/models/yolov12.y12", root());

	if (!mkdtemp(dir))
		return 1;
	puts("| spec                       | layers |   nodes | parse ms |  elab ms | total ms |      MB | B/layer |\n"
	     "| -------------------------- | -----: | ------: | -------: | -------: | -------: | ------: | ------: |");
	for (size_t i = 0; i < COUNT(scale); i++) {
		ElabArg arg = { "scale", scale[i] };

		row(arena_printf(a, "models/yolov12.y12 scale=%s", scale[i]), 22, best(model, &(ElabOptions){ .arg = &arg, .narg = 1 }));
	}
	for (size_t k = 0; k < COUNT(form); k++)
		for (int n = 100; n <= 10000; n *= 10) {
			const char *path = arena_printf(a, "%s/big.y12", dir), *text = form[k].make(a, n);

			if (file_write(a, path, text, strlen(text)))
				return 1;
			row(form[k].name, n, best(path, NULL));
			remove(path);
		}
	remove(dir);
	arena_free(a);
	return 0;
}
