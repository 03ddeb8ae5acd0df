/* make_weights.c -- weights for any spec, from a hash of the names: make_weights SPEC LIBRARY OUT
 *
 * A value depends on the parameter's name and the element's number alone, and has the size
 * that keeps signals about as large as they came in.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "elab/elab.h"
#include "weights/weights.h"

/* -1 .. 1 */
static double
noise(const char *name, size_t i)
{
	char key[256];

	return (double)(int32_t)hash64(key, (size_t)snprintf(key, sizeof key, "%s %zu", name, i)) / 2147483648.0;
}

static bool
ends(const char *s, const char *with)
{
	size_t n = strlen(s), m = strlen(with);

	return n >= m && strcmp(s + n - m, with) == 0;
}

static double
value(const ElabParam *p, size_t i)
{
	int64_t fan = 1;

	for (int k = 1; k < p->type.rank; k++)
		fan *= p->type.dim[k];
	if (!strcmp(p->init, "iota"))
		return (double)i;
	if (ends(p->name, "running_var") || (!p->buffer && p->type.rank == 1 && ends(p->name, "weight")))
		return 1 + 0.5 * noise(p->name, i);
	if (p->type.rank == 0)
		return 0;
	return noise(p->name, i) * (p->type.rank == 1 ? 0.2 : sqrt(3.0 / (double)fan));
}

int
main(int argc, char **argv)
{
	Arena *a = arena_new();
	Diag *d = diag_new(a);
	ElabOptions opt = { 0 };
	Weights w = { .a = a, .meta = map_new(a) };
	const char *err = "usage: make_weights SPEC LIBRARY OUT";
	Module *m;
	Elab *e;

	if (argc == 4 && (m = dsl_load(a, d, argv[1], (const char *[]){ argv[2] }, 1)) && (e = elaborate(a, d, m, &opt))) {
		for (size_t i = 0; i < e->param.n; i++) {
			const ElabParam *p = &e->param.p[i];
			WTensor t = { .name = p->name, .dt = p->type.dt, .rank = p->type.rank, .count = (size_t)type_count(&p->type) };
			void *data = arena_alloc(a, (size_t)type_bytes(&p->type) + 1);

			for (size_t k = 0; k < t.count; k++)
				dtype_set(t.dt, data, k, value(p, k));
			memcpy(t.dim, p->type.dim, sizeof p->type.dim);
			t.data = data;
			vec_push(a, &w.tensor, t);
		}
		err = weights_save_safetensors(a, &w, argv[3], DT_NONE);
	}
	diag_print(d, stderr, false);
	if (err)
		fprintf(stderr, "%s\n", err);
	arena_free(a);
	return err != NULL;
}
