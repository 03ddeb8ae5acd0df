/* weights.c -- opening a weights file of either format, and its tensors.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "weights/internal.h"

enum { MOST_TENSORS = 1 << 16 };

/* ---- tensors -------------------------------------------------------------------- */

bool
shape_count(int rank, const int64_t *dim, size_t *count)
{
	*count = 1;
	for (int i = 0; i < rank; i++)
		if (dim[i] < 0 || __builtin_mul_overflow(*count, (size_t)dim[i], count) ||
		    *count > (size_t)1 << 40)
			return false;
	return true;
}

const char *
shape_text(Arena *a, DType dt, int rank, const int64_t *dim)
{
	Text t = { .a = a };

	text_put(&t, dtype_info[dt].name);
	text_put(&t, "[");
	for (int i = 0; i < rank; i++)
		text_printf(&t, "%s%lld", i ? "," : "", (long long)dim[i]);
	text_put(&t, "]");
	return text_str(&t);
}

const void *
aligned_data(Arena *a, DType dt, const void *data, size_t bytes)
{
	return (uintptr_t)data % (uintptr_t)dtype_info[dt].bytes ? arena_dup(a, data, bytes) : data;
}

const char *
printable(Arena *a, const char *s)
{
	bool clean = true;
	int32_t c;
	const char *end = s + strlen(s);

	for (const char *q = s; q < end && clean;) {
		q += utf8_next(q, end, &c);
		clean = c >= ' ' && (c < 0x7f || c >= 0xa0);
	}
	if (clean && end - s <= 200)
		return s;
	Text t = { .a = a };
	for (const char *q = s; q < end && q - s < 200;) {
		size_t n = utf8_next(q, end, &c);
		if (c >= ' ' && (c < 0x7f || c >= 0xa0))
			text_putn(&t, q, n);
		else
			text_printf(&t, "\\x%02x", (unsigned char)*q);
		q += n;
	}
	if (end - s > 200)
		text_put(&t, "...");
	return text_str(&t);
}

bool
weights_add(Weights *w, const char *name, DType dt, int rank, const int64_t *dim,
            const void *data, const char **err)
{
	WTensor t = { arena_str(w->a, name), dt, rank, {0}, 0, data };
	const char *shown = printable(w->a, name);

	if (w->tensor.n >= MOST_TENSORS)
		*err = "it has too many tensors";
	else if (rank > WEIGHT_RANK)
		*err = arena_printf(w->a, "%s has %d dimensions", shown, rank);
	else if (!shape_count(rank, dim, &t.count))
		*err = arena_printf(w->a, "the shape of %s is impossible", shown);
	else if (map_has(w->by_name, name))
		*err = arena_printf(w->a, "it has two tensors %s", shown);
	else
		*err = NULL;
	if (*err)
		return false;
	for (int i = 0; i < rank; i++)
		t.dim[i] = dim[i];
	map_set(w->by_name, name, (void *)(uintptr_t)(w->tensor.n + 1));
	vec_push(w->a, &w->tensor, t);
	return true;
}

const WTensor *
weights_get(const Weights *w, const char *name)
{
	uintptr_t i = (uintptr_t)map_get(w->by_name, name);

	return i ? &w->tensor.p[i - 1] : NULL;
}

static bool
ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

size_t
weights_parameters(const Weights *w)
{
	size_t sum = 0;

	for (size_t i = 0; i < w->tensor.n; i++) {
		const char *s = w->tensor.p[i].name;
		if (!ends_with(s, ".running_mean") && !ends_with(s, ".running_var") &&
		    !ends_with(s, ".num_batches_tracked"))
			sum += w->tensor.p[i].count;
	}
	return sum;
}

/* The loops that matter are float to float; the rest goes the general way. */
void
convert(DType to, void *out, DType from, const void *in, size_t n)
{
	if (to == from) {
		if (n)
			memcpy(out, in, n * (size_t)dtype_info[to].bytes);
	} else if (to == DT_F32 && from == DT_F16) {
		for (size_t i = 0; i < n; i++)
			((float *)out)[i] = f16_to_f32(((const uint16_t *)in)[i]);
	} else if (to == DT_F16 && from == DT_F32) {
		for (size_t i = 0; i < n; i++)
			((uint16_t *)out)[i] = f16_from_f32(((const float *)in)[i]);
	} else {
		for (size_t i = 0; i < n; i++)
			dtype_set(to, out, i, dtype_get(from, in, i));
	}
}

/* ---- files ------------------------------------------------------------------------ */

/* what a file that is neither format seems to be */
static const char *
guess(const uint8_t *p, size_t len)
{
	static const struct { const char *magic; size_t n; const char *says; } row[] = {
		{ "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 14,
		  "a checkpoint of PyTorch before 1.6; load it there and save it again" },
		{ "\x80", 1, "a bare pickle, not what torch.save writes" },
		{ "\x1f\x8b", 2, "compressed by gzip; unpack it first" },
		{ "\x08", 1, "an ONNX model, perhaps" },
		{ "\x89HDF", 4, "an HDF5 file" },
		{ "GGUF", 4, "a GGUF file" },
		{ "version https://git-lfs", 23, "a Git LFS pointer; fetch the file itself" },
		{ "<", 1, "a web page, perhaps a failed download" },
	};

	if (len == 0)
		return "empty";
	for (size_t i = 0; i < COUNT(row); i++)
		if (len >= row[i].n && memcmp(p, row[i].magic, row[i].n) == 0)
			return row[i].says;
	return "of no format known here";
}

static bool
is_zip(const uint8_t *p, size_t len)
{
	return len >= 4 && (memcmp(p, "PK\3\4", 4) == 0 || memcmp(p, "PK\5\6", 4) == 0);
}

/* eight bytes of length, then JSON */
static bool
is_safetensors(const uint8_t *p, size_t len)
{
	return len >= 9 && p[8] == '{' && p[7] == 0 && p[6] == 0 && p[5] == 0;
}

/* Where the file contradicts itself the shapes win: they are what will run. */
static void
settle(Weights *w, Diag *d)
{
	const WFamily *f = &w->family;
	const char *said = map_get(w->meta, "family");

	if (f->nc > 0 && w->names && w->nc != f->nc) {
		diag_warning(d, (Span){0}, "weights-names",
		             "%s: it names %d classes, but its last layer has %d; the names are not used",
		             w->path, w->nc, f->nc);
		w->names = NULL;
	}
	if (f->nc > 0)
		w->nc = f->nc;
	if (said && f->kin != KIN_UNKNOWN && kin_named(said) != KIN_UNKNOWN && kin_named(said) != f->kin)
		diag_warning(d, (Span){0}, "weights-family", "%s: it calls itself %s, but its tensors are those of a %s",
		             w->path, printable(w->a, said), kin_info[f->kin].says);
}

Weights *
weights_read(Arena *a, const char *path, const void *p, size_t len, Diag *d)
{
	Weights *w = NEW(a, Weights);
	const char *err = NULL;
	bool ok = false;

	w->a = a;
	w->path = arena_str(a, path);
	w->by_name = map_new(a);
	w->meta = map_new(a);
	w->map = p;
	w->map_len = len;
	if (is_zip(p, len)) {
		w->format = "pt";
		ok = pt_read(w, &err);
	} else if (is_safetensors(p, len)) {
		w->format = "safetensors";
		ok = safetensors_read(w, &err);
	} else {
		err = arena_printf(a, "neither safetensors nor a PyTorch checkpoint; it is %s", guess(p, len));
	}
	if (!ok) {
		diag_error(d, (Span){0}, "weights-file", "%s: %s", path, err);
		return NULL;
	}
	w->family = family_of(w->tensor.p, w->tensor.n);
	settle(w, d);
	return w;
}

Weights *
weights_open(Arena *a, const char *path, Diag *d)
{
	size_t len;
	const char *err;
	const void *p = file_map(a, path, &len, &err);

	if (!p) {
		diag_error(d, (Span){0}, "weights-file", "%s", err);
		return NULL;
	}
	Weights *w = weights_read(a, path, p, len, d);
	if (!w)
		file_unmap(p, len);
	return w;
}

void
weights_close(Weights *w)
{
	if (!w)
		return;
	file_unmap(w->map, w->map_len);
	w->map = NULL;
	w->map_len = 0;
	w->tensor.n = 0;
}
