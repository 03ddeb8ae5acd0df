/* test_reference.c -- real checkpoints, where the reference data are at hand.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "weights/weights.h"

static const char *root;

/* Rows of one scale of the table of parameters, as tensors. */
static size_t
table(Arena *a, const char *scale, WTensor **out)
{
	size_t len;
	const char *err;
	char *s = file_read(a, arena_printf(a, "%s/../yolov12-params.tsv", root), &len, &err), *save;
	VEC(WTensor) v = {0};

	if (!s)
		return 0;
	for (char *line = strtok_r(s, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *cell[6] = {0}, *at;
		for (int i = 0; i < 6; i++)
			cell[i] = strsep(&line, "\t");
		if (!cell[5] || strcmp(cell[0], scale) != 0)
			continue;
		WTensor t = { .name = cell[1] };
		if (strcmp(cell[2], "scalar") != 0)
			for (char *x = strtok_r(cell[2], "x", &at); x; x = strtok_r(NULL, "x", &at))
				t.dim[t.rank++] = atoll(x);
		vec_push(a, &v, t);
	}
	*out = v.p;
	return v.n;
}

/* u(j,k) of the synthetic weights */
static double
hash(uint64_t j, uint64_t k)
{
	uint32_t x = (uint32_t)(j * 2654435761u + k * 40503u + 12345u);

	x ^= x >> 16, x *= 0x7feb352d;
	x ^= x >> 15, x *= 0x846ca68b;
	x ^= x >> 16;
	return x / 4294967296.0;
}

static bool
ends(const char *s, const char *end)
{
	return strlen(s) >= strlen(end) && strcmp(s + strlen(s) - strlen(end), end) == 0;
}

static double
synthetic(const WTensor *t, size_t j, size_t k)
{
	double u = hash(j, k);

	if (ends(t->name, "num_batches_tracked"))
		return 0;
	if (ends(t->name, "dfl.conv.weight"))
		return (double)k;
	if (t->rank == 4)
		return (u - 0.5) * 2 * sqrt(3.0 / (double)(t->dim[1] * t->dim[2] * t->dim[3]));
	if (ends(t->name, "proj.bn.weight") || ends(t->name, "mlp.1.bn.weight"))
		return 0.3 * u;
	if (ends(t->name, "running_var"))
		return 0.3 + 0.4 * u;
	if (ends(t->name, "bn.weight"))
		return 0.5 + u;
	if (ends(t->name, "gamma"))
		return 0.5 * u;
	return (u - 0.5) * 0.2;
}

static Weights *
open_file(Arena *a, const char *name)
{
	Diag *d = diag_new(a);
	Weights *w = weights_open(a, arena_printf(a, "%s/%s", root, name), d);

	if (!w || diag_count(d))
		fail_msg("%s: %s", name, diag_count(d) ? diag_get(d, 0)->text : "?");
	return w;
}

/* names, order and shapes of the table, all but what the number of classes decides */
static void
check_table(Arena *a, const Weights *w, const char *scale)
{
	WTensor *want;
	size_t n = table(a, scale, &want);

	if (n == 0)
		return;
	assert_int_equal(w->tensor.n, n);
	for (size_t i = 0; i < n; i++) {
		const WTensor *t = &w->tensor.p[i];
		assert_string_equal(t->name, want[i].name);
		assert_int_equal(t->rank, want[i].rank);
		if (strncmp(t->name, "model.21.cv3.", 13) != 0)
			assert_memory_equal(t->dim, want[i].dim, sizeof(t->dim));
		assert_int_equal(t->dt, ends(t->name, "num_batches_tracked") ? DT_I64 : DT_F16);
	}
}

static void
test_hash(void **state)
{
	(void)state;
	Arena *a = arena_new();
	Weights *w = open_file(a, "weights/hash-n-nc2.pt");

	check_table(a, w, "n");
	assert_int_equal(w->tensor.n, 739);
	assert_int_equal(w->nc, 2);
	assert_string_equal(w->names[0], "alpha");
	assert_string_equal(w->names[1], "beta");
	assert_int_equal(w->family.scale, 'n');
	for (size_t j = 0; j < w->tensor.n; j++) {
		const WTensor *t = &w->tensor.p[j];
		for (size_t k = 0; k < t->count; k++) {
			double got = dtype_get(t->dt, t->data, k), want = synthetic(t, j, k);
			if (t->dt == DT_F16)            /* it went through f32 on its way */
				want = (double)f16_to_f32(f16_from_f32((float)want));
			if (got != want)
				fail_msg("%s[%zu] is %g, not %g", t->name, k, got, want);
		}
	}
	weights_close(w);
	arena_free(a);
}

static void
test_helmet(void **state)
{
	(void)state;
	Arena *a = arena_new();
	Weights *w = open_file(a, "weights/helmet-m.pt");
	static const int rows[] = { 2, 2, 2 };

	check_table(a, w, "m");
	assert_int_equal(w->tensor.n, 799);
	assert_int_equal(w->nc, 2);
	assert_string_equal(w->names[0], "With Helmet");
	assert_string_equal(w->names[1], "Without Helmet");
	assert_int_equal(w->family.kin, KIN_TURBO);
	assert_int_equal(w->family.scale, 'm');
	assert_string_equal(w->family.task, "detect");
	assert_false(w->family.folded);
	for (int l = 0; l < 3; l++)
		assert_int_equal(weights_get(w, arena_printf(a, "model.21.cv3.%d.2.weight", l))->dim[0], rows[l]);
	/* it binds to the parameters of the table */
	Param *p = NEWN(a, Param, w->tensor.n);
	size_t n = 0;
	for (size_t i = 0; i < w->tensor.n; i++) {
		const WTensor *t = &w->tensor.p[i];
		if (t->dt != DT_F16 || ends(t->name, "dfl.conv.weight"))
			continue;
		p[n] = (Param){ t->name, { DT_F32, t->rank, {0} }, NULL };
		memcpy(p[n++].type.dim, t->dim, (size_t)t->rank * sizeof(*t->dim));
	}
	Diag *d = diag_new(a);
	assert_true(weights_bind_params(a, p, n, w, BIND_ALL, d));
	assert_int_equal(diag_count(d), 0);
	for (size_t i = 0; i < n; i++)
		assert_non_null(p[i].data);
	weights_close(w);
	arena_free(a);
}

static void
test_demo(void **state)
{
	(void)state;
	Arena *a = arena_new();
	char tmp[] = "/tmp/y12-reference-XXXXXX";
	if (access(arena_printf(a, "%s/demo/codes-n.safetensors", root), R_OK) != 0)
		skip();
	Weights *w = open_file(a, "demo/codes-n.safetensors"), *x;

	assert_int_equal(w->nc, 6);
	assert_string_equal(w->names[0], "qr");
	assert_string_equal(w->names[5], "marker");
	assert_int_equal(w->imgsz, 640);
	assert_int_equal(w->family.scale, 'n');
	int fd = mkstemp(tmp);
	assert_true(fd >= 0);
	close(fd);
	assert_null(weights_save_safetensors(a, w, tmp, DT_NONE));
	Diag *d = diag_new(a);
	x = weights_open(a, tmp, d);
	assert_non_null(x);
	assert_int_equal(map_count(x->meta), map_count(w->meta));
	for (size_t i = 0; i < map_count(w->meta); i++)
		assert_string_equal(map_get(x->meta, map_key(w->meta, i)), map_value(w->meta, i));
	for (size_t i = 0; i < w->tensor.n; i++) {
		const WTensor *p = &w->tensor.p[i], *q = weights_get(x, p->name);
		assert_memory_equal(p->data, q->data, p->count * (size_t)dtype_info[p->dt].bytes);
	}
	weights_close(w);
	weights_close(x);
	unlink(tmp);
	arena_free(a);
}

/* The signs tell every scale from its names and shapes. */
static void
test_scales(void **state)
{
	(void)state;
	Arena *a = arena_new();
	static const char *const scale[] = { "n", "s", "m", "l", "x" };
	WTensor *t;

	for (int i = 0; i < 5; i++) {
		size_t n = table(a, scale[i], &t);
		if (n == 0)
			skip();
		WFamily f = family_of(t, n);
		assert_int_equal(f.kin, KIN_TURBO);
		assert_int_equal(f.scale, *scale[i]);
		assert_int_equal(f.nc, 80);
	}
	arena_free(a);
}

int
main(void)
{
	const char *srcdir = getenv("srcdir");
	char buf[4096];
	const struct CMUnitTest test[] = {
		cmocka_unit_test(test_hash), cmocka_unit_test(test_helmet),
		cmocka_unit_test(test_demo), cmocka_unit_test(test_scales),
	};

	root = getenv("Y12_REFERENCE");
	if (!root) {
		snprintf(buf, sizeof(buf), "%s/../shared/reference", srcdir ? srcdir : ".");
		root = buf;
	}
	char probe[5000];
	snprintf(probe, sizeof(probe), "%s/weights/helmet-m.pt", root);
	if (access(probe, R_OK) != 0) {
		printf("skipped: no reference data in %s (set Y12_REFERENCE)\n", root);
		return 77;
	}
	return cmocka_run_group_tests(test, NULL, NULL);
}
