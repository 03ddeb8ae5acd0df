/* show.c -- a weights file as a table, and as JSON.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "weights/internal.h"

#include <jansson.h>
#include <stdlib.h>

/* 2,553,904 */
static const char *
grouped(Arena *a, size_t n)
{
	return n < 1000 ? arena_printf(a, "%zu", n)
	                : arena_printf(a, "%s,%03zu", grouped(a, n / 1000), n % 1000);
}

/* "f16 668, i64 131" */
static const char *
dtypes_used(Arena *a, const Weights *w)
{
	size_t count[DT_COUNT] = {0};
	Text t = { .a = a };

	for (size_t i = 0; i < w->tensor.n; i++)
		count[w->tensor.p[i].dt]++;
	for (int k = 0; k < DT_COUNT; k++)
		if (count[k])
			text_printf(&t, "%s%s %zu", t.n ? ", " : "", dtype_info[k].name, count[k]);
	return text_str(&t);
}

const char *
weights_says(Arena *a, const Weights *w)
{
	Text t = { .a = a };

	text_put(&t, family_says(a, &w->family));
	if (w->family.task)
		text_printf(&t, ", %s", w->family.task);
	if (w->nc > 0)
		text_printf(&t, ", %d class%s", w->nc, w->nc == 1 ? "" : "es");
	if (w->imgsz > 0)
		text_printf(&t, ", %d px", w->imgsz);
	text_printf(&t, ", %s parameters", grouped(a, weights_parameters(w)));
	if (w->family.folded)
		text_put(&t, ", batch norms folded");
	return text_str(&t);
}

/* Names as people count: model.2 before model.10. */
static int
natural(const void *x, const void *y)
{
	const char *a = (*(const WTensor *const *)x)->name, *b = (*(const WTensor *const *)y)->name;

	for (; *a && *b; a++, b++) {
		if (*a >= '0' && *a <= '9' && *b >= '0' && *b <= '9') {
			size_t na = strspn(a, "0123456789"), nb = strspn(b, "0123456789");
			int c = na != nb ? (na < nb ? -1 : 1) : strncmp(a, b, na);
			if (c)
				return c;
			a += na - 1, b += nb - 1;
		} else if (*a != *b) {
			break;
		}
	}
	return (unsigned char)*a - (unsigned char)*b;
}

/* A checkpoint keeps the order of the network.  safetensors sorts: undo that. */
static const WTensor **
in_order(Arena *a, const Weights *w)
{
	const WTensor **t = NEWN(a, const WTensor *, w->tensor.n);

	for (size_t i = 0; i < w->tensor.n; i++)
		t[i] = &w->tensor.p[i];
	if (strcmp(w->format, "safetensors") == 0)
		qsort(t, w->tensor.n, sizeof(*t), natural);
	return t;
}

void
weights_print(FILE *f, const Weights *w)
{
	Arena *a = arena_new();
	const WTensor **t = in_order(a, w);
	int wide = 4;

	fprintf(f, "%s: %s\n", w->path, weights_says(a, w));
	if (kin_info[w->family.kin].model)
		fprintf(f, "  %-12s %s: write model=%s\n", "family", kin_info[w->family.kin].says, kin_info[w->family.kin].model);
	fprintf(f, "  %-12s %s, %s bytes\n", "format",
	        strcmp(w->format, "pt") == 0 ? "PyTorch checkpoint" : w->format, grouped(a, w->map_len));
	fprintf(f, "  %-12s %zu (%s)\n", "tensors", w->tensor.n, dtypes_used(a, w));
	for (int i = 0; w->names && i < w->nc; i++)
		fprintf(f, "  %-12s %d %s\n", i ? "" : "classes", i, printable(a, w->names[i]));
	for (size_t i = 0; i < map_count(w->meta); i++)
		if (strcmp(map_key(w->meta, i), "names") != 0)
			fprintf(f, "  %-12s %s\n", printable(a, map_key(w->meta, i)),
			        printable(a, map_value(w->meta, i)));
	for (size_t i = 0; i < w->tensor.n; i++)
		wide = MAX(wide, MIN((int)strlen(t[i]->name), 60));
	fprintf(f, "\n%-*s  %-20s %12s\n", wide, "name", "type", "elements");
	for (size_t i = 0; i < w->tensor.n; i++)
		fprintf(f, "%-*s  %-20s %12s\n", wide, printable(a, t[i]->name),
		        shape_text(a, t[i]->dt, t[i]->rank, t[i]->dim), grouped(a, t[i]->count));
	arena_free(a);
}

static void
put(json_t *o, const char *key, const char *text)
{
	json_object_set_new(o, key, text ? json_string(text) : json_null());
}

void
weights_print_json(FILE *f, const Weights *w)
{
	Arena *a = arena_new();
	const WTensor **t = in_order(a, w);
	json_t *o = json_object(), *meta = json_object(), *names = json_array(), *list = json_array();

	put(o, "path", w->path);
	put(o, "format", w->format);
	put(o, "family", kin_info[w->family.kin].name);
	put(o, "scale", w->family.scale ? arena_printf(a, "%c", w->family.scale) : NULL);
	put(o, "task", w->family.task);
	put(o, "model", kin_info[w->family.kin].model);
	json_object_set_new(o, "folded", json_boolean(w->family.folded));
	json_object_set_new(o, "nc", json_integer(w->nc));
	json_object_set_new(o, "imgsz", w->imgsz ? json_integer(w->imgsz) : json_null());
	json_object_set_new(o, "parameters", json_integer((json_int_t)weights_parameters(w)));
	for (int i = 0; w->names && i < w->nc; i++)
		json_array_append_new(names, json_string(w->names[i]));
	json_object_set_new(o, "names", names);
	for (size_t i = 0; i < map_count(w->meta); i++)
		if (strcmp(map_key(w->meta, i), "names") != 0)
			put(meta, map_key(w->meta, i), map_value(w->meta, i));
	json_object_set_new(o, "metadata", meta);
	for (size_t i = 0; i < w->tensor.n; i++) {
		json_t *e = json_object(), *shape = json_array();
		put(e, "name", t[i]->name);
		put(e, "dtype", dtype_info[t[i]->dt].name);
		for (int k = 0; k < t[i]->rank; k++)
			json_array_append_new(shape, json_integer(t[i]->dim[k]));
		json_object_set_new(e, "shape", shape);
		json_array_append_new(list, e);
	}
	json_object_set_new(o, "tensors", list);
	json_dumpf(o, f, JSON_INDENT(1));
	fputc('\n', f);
	json_decref(o);
	arena_free(a);
}
