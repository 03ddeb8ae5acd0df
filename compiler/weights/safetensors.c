/* safetensors.c -- the safetensors format, read and written.
 *
 *     [u64 length][ JSON header, padded with spaces ][ data, no holes ]
 *       {"__metadata__": {"nc": "6", …},
 *        "model.0.conv.weight": {"dtype": "F16", "shape": [16,3,3,3], "data_offsets": [0, 864]}, …}
 *
 * A reader must not trust any of it: offsets are checked against the shape and
 * the file, and, as the format says, tensors must cover the data exactly, each
 * byte once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "weights/internal.h"

#include <jansson.h>
#include <stdlib.h>

enum { MOST_HEADER = 32 << 20, DEEPEST = 8, ALIGN = 64, MOST_CLASSES = 1 << 16 };

static const struct { const char *name; DType dt; } dtypes[] = {
	{ "F16", DT_F16 }, { "F32", DT_F32 }, { "BF16", DT_BF16 }, { "F64", DT_F64 },
	{ "I64", DT_I64 }, { "I32", DT_I32 }, { "U8", DT_U8 }, { "BOOL", DT_BOOL },
};

/* ---- reading ----------------------------------------------------------------------- */

/* The header is three levels deep; the JSON parser, which recurses, need not see more. */
static bool
too_deep(const char *s, size_t n)
{
	int depth = 0;
	bool text = false;

	for (size_t i = 0; i < n; i++) {
		if (text && s[i] == '\\')
			i++;
		else if (s[i] == '"')
			text = !text;
		else if (!text && (s[i] == '{' || s[i] == '[') && ++depth > DEEPEST)
			return true;
		else if (!text && (s[i] == '}' || s[i] == ']'))
			depth--;
	}
	return false;
}

/* "names": {"0": "qr", …} or ["qr", …], as JSON in a text */
static void
read_names(Weights *w, const char *text)
{
	size_t len = strlen(text);
	json_t *v = too_deep(text, len) ? NULL : json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	size_t n = json_is_array(v) ? json_array_size(v) : json_object_size(v);
	const char **names = n > 0 && n <= MOST_CLASSES ? NEWN(w->a, const char *, n) : NULL;

	for (size_t i = 0; names && i < n; i++) {
		char key[24];
		snprintf(key, sizeof(key), "%zu", i);
		const json_t *s = json_is_array(v) ? json_array_get(v, i) : json_object_get(v, key);
		if (json_is_string(s))
			names[i] = arena_str(w->a, json_string_value(s));
		else
			names = NULL;
	}
	json_decref(v);
	if (names) {
		w->names = names;
		w->nc = (int)n;
	}
}

static bool
read_metadata(Weights *w, const json_t *meta, const char **err)
{
	const char *key;
	json_t *v;

	if (!json_is_object(meta)) {
		*err = "its __metadata__ is no object";
		return false;
	}
	json_object_foreach((json_t *)(uintptr_t)meta, key, v) {
		if (!json_is_string(v)) {
			*err = arena_printf(w->a, "its __metadata__ has a value that is no text: %s", printable(w->a, key));
			return false;
		}
		map_set(w->meta, key, arena_str(w->a, json_string_value(v)));
	}
	const char *names = map_get(w->meta, "names"), *side = map_get(w->meta, "imgsz");
	if (names)
		read_names(w, names);
	long imgsz = side ? strtol(side, NULL, 10) : 0;
	if (imgsz > 0 && imgsz <= 1 << 16)
		w->imgsz = (int)imgsz;
	return true;
}

typedef struct Range { uint64_t begin, end; } Range;

static int
by_begin(const void *x, const void *y)
{
	const Range *a = x, *b = y;

	if (a->begin != b->begin)
		return a->begin < b->begin ? -1 : 1;
	return (a->end > b->end) - (a->end < b->end);
}

/* one tensor; its range goes to *r */
static const char *
read_tensor(Weights *w, const char *name, const json_t *v, const uint8_t *data, size_t len, Range *r)
{
	Arena *a = w->a;
	const char *shown = printable(a, name), *type = json_string_value(json_object_get(v, "dtype")), *err;
	const json_t *shape = json_object_get(v, "shape"), *at = json_object_get(v, "data_offsets");
	DType dt = DT_NONE;
	int64_t dim[WEIGHT_RANK], range[2];
	size_t count, bytes, rank = json_array_size(shape);

	if (!type || !json_is_array(shape) || rank > WEIGHT_RANK || !json_is_array(at) || json_array_size(at) != 2)
		return arena_printf(a, "%s is not described as a tensor should be", shown);
	for (size_t i = 0; i < COUNT(dtypes); i++)
		if (strcmp(type, dtypes[i].name) == 0)
			dt = dtypes[i].dt;
	if (dt == DT_NONE)
		return arena_printf(a, "%s has elements of type %s, which no model here uses", shown, printable(a, type));
	for (size_t i = 0; i < rank; i++) {
		const json_t *x = json_array_get(shape, i);
		dim[i] = json_is_integer(x) ? json_integer_value(x) : -1;
	}
	for (size_t i = 0; i < 2; i++) {
		const json_t *x = json_array_get(at, i);
		range[i] = json_is_integer(x) ? json_integer_value(x) : -1;
	}
	if (!shape_count((int)rank, dim, &count))
		return arena_printf(a, "the shape of %s is impossible", shown);
	if (range[0] < 0 || range[1] < range[0] || (uint64_t)range[1] > len)
		return arena_printf(a, "%s lies outside the file (bytes %lld to %lld of %zu)", shown,
		                    (long long)range[0], (long long)range[1], len);
	if (__builtin_mul_overflow(count, (size_t)dtype_info[dt].bytes, &bytes) ||
	    bytes != (size_t)(range[1] - range[0]))
		return arena_printf(a, "%s is %s, but has %lld bytes", shown, shape_text(a, dt, (int)rank, dim),
		                    (long long)(range[1] - range[0]));
	*r = (Range){ (uint64_t)range[0], (uint64_t)range[1] };
	weights_add(w, name, dt, (int)rank, dim, aligned_data(a, dt, data + range[0], bytes), &err);
	return err;
}

static const char *
check_ranges(Range *r, size_t n, size_t len)
{
	uint64_t at = 0;

	qsort(r, n, sizeof(*r), by_begin);
	for (size_t i = 0; i < n; i++) {
		if (r[i].begin < at)
			return "two of its tensors overlap";
		if (r[i].begin > at)
			return "its data have a hole that no tensor covers";
		at = r[i].end;
	}
	return at < len ? "its data go on after the last tensor" : NULL;
}

bool
safetensors_read(Weights *w, const char **err)
{
	const uint8_t *p = w->map;
	uint64_t n = 0;

	for (int i = 8; i-- > 0;)
		n = n << 8 | p[i];
	if (n > w->map_len - 8) {
		*err = arena_printf(w->a, "it is cut short: its header alone has %llu bytes, the file %zu",
		                    (unsigned long long)n, w->map_len);
		return false;
	}
	if (n > MOST_HEADER) {
		*err = arena_printf(w->a, "its header is too large (%llu bytes)", (unsigned long long)n);
		return false;
	}
	const char *text = (const char *)p + 8;
	if (too_deep(text, n)) {
		*err = "its header is nested too deeply";
		return false;
	}
	json_error_t e;
	json_t *head = json_loadb(text, n, JSON_REJECT_DUPLICATES, &e), *v;
	if (!json_is_object(head)) {
		*err = arena_printf(w->a, "its header is no JSON object: %s", head ? "it is another value" : printable(w->a, e.text));
		json_decref(head);
		return false;
	}
	size_t len = w->map_len - 8 - n, k = 0;
	Range *range = NEWN(w->a, Range, json_object_size(head));
	const char *key;
	*err = NULL;
	json_object_foreach(head, key, v) {
		if (strcmp(key, "__metadata__") == 0)
			read_metadata(w, v, err);
		else
			*err = read_tensor(w, key, v, p + 8 + n, len, &range[k++]);
		if (*err)
			break;
	}
	json_decref(head);
	if (!*err)
		*err = check_ranges(range, k, len);
	return !*err;
}

/* ---- writing ------------------------------------------------------------------------- */

typedef struct Out { const WTensor *t; DType dt; size_t bytes; } Out;

static int
by_width(const void *x, const void *y)
{
	const Out *a = x, *b = y;
	int wa = dtype_info[a->dt].bytes, wb = dtype_info[b->dt].bytes;

	return wa != wb ? wb - wa : strcmp(a->t->name, b->t->name);
}

static const char *
dtype_text(DType dt)
{
	for (size_t i = 0; i < COUNT(dtypes); i++)
		if (dtypes[i].dt == dt)
			return dtypes[i].name;
	return NULL;
}

static void
put(json_t *o, const char *key, const char *text)
{
	if (text)
		json_object_set_new(o, key, json_string(text));
}

/* What the tensors show comes before what the file said. */
static json_t *
metadata(Arena *a, const Weights *w)
{
	const WFamily *f = &w->family;
	json_t *o = json_object();

	for (size_t i = 0; i < map_count(w->meta); i++)
		put(o, map_key(w->meta, i), map_value(w->meta, i));
	if (f->kin != KIN_UNKNOWN)
		put(o, "family", kin_info[f->kin].name);
	if (f->scale) {
		put(o, "scale", arena_printf(a, "%c", f->scale));
		put(o, "model", arena_printf(a, f->kin == KIN_UPSTREAM ? "yolo12%c" : "yolov12%c", f->scale));
		put(o, "stride", "32");
	}
	put(o, "task", f->task);
	if (w->nc > 0)
		put(o, "nc", arena_printf(a, "%d", w->nc));
	if (w->imgsz > 0)
		put(o, "imgsz", arena_printf(a, "%d", w->imgsz));
	if (w->names) {
		json_t *names = json_object();
		for (int i = 0; i < w->nc; i++)
			put(names, arena_printf(a, "%d", i), w->names[i]);
		char *text = json_dumps(names, 0);
		put(o, "names", text);
		free(text);
		json_decref(names);
	}
	return o;
}

static const char *
write_all(Arena *a, FILE *f, const Out *out, size_t n, const char *head, size_t headlen)
{
	size_t padded = (8 + headlen + ALIGN - 1) / ALIGN * ALIGN - 8;
	uint8_t length[8];
	void *buf = NULL;
	size_t cap = 0;

	for (int i = 0; i < 8; i++)
		length[i] = (uint8_t)((uint64_t)padded >> 8 * i);
	fwrite(length, 1, 8, f);
	fwrite(head, 1, headlen, f);
	for (size_t i = headlen; i < padded; i++)
		fputc(' ', f);
	for (size_t i = 0; i < n; i++) {
		const void *data = out[i].t->data;
		if (out[i].dt != out[i].t->dt) {
			if (out[i].bytes > cap)
				buf = arena_alloc(a, cap = out[i].bytes);
			convert(out[i].dt, buf, out[i].t->dt, data, out[i].t->count);
			data = buf;
		}
		fwrite(data, 1, out[i].bytes, f);
	}
	return ferror(f) ? "write error" : NULL;
}

const char *
weights_save_safetensors(Arena *a, const Weights *w, const char *path, DType real)
{
	size_t n = w->tensor.n, at = 0;
	Out *out = NEWN(a, Out, n);
	FileOut o;

	for (size_t i = 0; i < n; i++) {
		const WTensor *t = &w->tensor.p[i];
		DType dt = real != DT_NONE && dtype_info[t->dt].real ? real : t->dt;
		out[i] = (Out){ t, dt, t->count * (size_t)dtype_info[dt].bytes };
	}
	qsort(out, n, sizeof(*out), by_width);

	json_t *head = json_object();
	json_object_set_new(head, "__metadata__", metadata(a, w));
	for (size_t i = 0; i < n; i++) {
		json_t *shape = json_array();
		for (int k = 0; k < out[i].t->rank; k++)
			json_array_append_new(shape, json_integer(out[i].t->dim[k]));
		json_object_set_new(head, out[i].t->name,
			json_pack("{s:s, s:o, s:[I,I]}", "dtype", dtype_text(out[i].dt), "shape", shape,
			          "data_offsets", (json_int_t)at, (json_int_t)(at + out[i].bytes)));
		at += out[i].bytes;
	}
	char *text = json_dumps(head, JSON_COMPACT);
	json_decref(head);
	const char *err = text ? fileout_open(a, &o, path) : "out of memory";
	if (!err) {
		err = write_all(a, o.f, out, n, text, strlen(text));
		/* commit tells a full disk from other failures, so it runs in any case */
		const char *late = fileout_commit(&o);
		err = late ? late : err;
	}
	free(text);
	return err;
}
