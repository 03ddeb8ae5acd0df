/* npy.c -- arrays of NumPy, in and out.
 *
 * The header is a Python dictionary of three known keys; what is read here is that much of
 * Python and no more.  A file is a stranger's: its sizes are multiplied with care, and
 * compared with what is really there before anything is made of them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>

#include "driver/npy.h"

static const char magic[] = "\x93NUMPY";
enum { MAGIC = 6, ALIGN = 64, HEADER_MAX = 1 << 16 };

/* The kind letter and the size, behind the byte order, that stand for a type. */
static const struct { const char *descr; DType dt; } kinds[] = {
	{ "f4", DT_F32 }, { "f2", DT_F16 }, { "f8", DT_F64 }, { "i4", DT_I32 }, { "i8", DT_I64 },
	{ "u1", DT_U8 }, { "b1", DT_BOOL }, { "V2", DT_BF16 },
};

typedef struct Reader {
	Arena *a;
	const char *at, *end;
	const char *err;
} Reader;

static bool
no(Reader *r, const char *err)
{
	if (!r->err)
		r->err = err;
	return false;
}

static void
spaces(Reader *r)
{
	while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\t'))
		r->at++;
}

static bool
take(Reader *r, char c)
{
	spaces(r);
	if (r->at == r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

static bool
need(Reader *r, char c)
{
	return take(r, c) || no(r, arena_printf(r->a, "its header is malformed: '%c' is missing", c));
}

static const char *
string(Reader *r)
{
	char quote = take(r, '\'') ? '\'' : take(r, '"') ? '"' : 0;
	const char *from = r->at;

	if (!quote)
		return no(r, "its header is malformed: a text in quotes is missing"), "";
	while (r->at < r->end && *r->at != quote && *r->at != '\\')
		r->at++;
	if (r->at == r->end || *r->at != quote)
		return no(r, "its header is malformed: a text does not end"), "";
	return arena_strn(r->a, from, (size_t)(r->at++ - from));
}

static bool
word(Reader *r, const char *w)
{
	size_t n = strlen(w);

	spaces(r);
	if ((size_t)(r->end - r->at) < n || memcmp(r->at, w, n) != 0)
		return false;
	r->at += n;
	return true;
}

static void
descr(Reader *r, Type *t)
{
	const char *s;

	if (take(r, '['))
		return (void)no(r, "its elements are records: only plain numbers can be read");
	s = string(r);
	if (r->err)
		return;
	for (size_t i = 0; i < COUNT(kinds); i++)
		if ((*s == '<' || *s == '|' || *s == '=') && strcmp(s + 1, kinds[i].descr) == 0)
			t->dt = kinds[i].dt;
	if (*s == '>')
		no(r, arena_printf(r->a, "its elements are big-endian ('%s'): only little-endian ones can be read", s));
	else if (!t->dt)
		no(r, arena_printf(r->a, "its elements are '%s': a tensor has f2, f4, f8, i4, i8, u1, b1 or V2 (bf16)", s));
}

static void
shape(Reader *r, Type *t)
{
	need(r, '(');
	while (!r->err && !take(r, ')')) {
		int64_t x = 0;

		if (t->rank == MAX_RANK)
			return (void)no(r, arena_printf(r->a, "it has more than %d dimensions", MAX_RANK));
		spaces(r);
		if (r->at == r->end || *r->at < '0' || *r->at > '9')
			return (void)no(r, "its header is malformed: a side of the shape is missing");
		for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++)
			if ((x = 10 * x + (*r->at - '0')) > INT32_MAX)
				return (void)no(r, "a side of its shape is larger than 2147483647");
		t->dim[t->rank++] = x;
		if (!take(r, ',')) {
			need(r, ')');
			return;
		}
	}
}

/* Bytes of all elements; -1: more than can be. */
static int64_t
byte_count(const Type *t)
{
	int64_t n = dtype_info[t->dt].bytes;

	for (int i = 0; i < t->rank; i++)
		if (t->dim[i] == 0)
			return 0;
	for (int i = 0; i < t->rank; i++) {
		if (n > ((int64_t)1 << 48) / t->dim[i])
			return -1;
		n *= t->dim[i];
	}
	return n;
}

/* Element (i0, i1, …), first index fastest, to where the last one is. */
static void
from_fortran(const Type *t, const uint8_t *from, uint8_t *to)
{
	size_t size = (size_t)dtype_info[t->dt].bytes;
	int64_t at[MAX_RANK] = { 0 }, stride[MAX_RANK] = { 0 }, off = 0, count = type_count(t);

	type_strides(t, stride);
	for (int64_t i = 0; i < count; i++) {
		memcpy(to + (size_t)off * size, from + (size_t)i * size, size);
		for (int d = 0; d < t->rank; d++) {
			off += stride[d];
			if (++at[d] < t->dim[d])
				break;
			off -= stride[d] * t->dim[d];
			at[d] = 0;
		}
	}
}

const char *
npy_parse(Arena *a, const void *p, size_t n, Tensor *out)
{
	const uint8_t *b = p;
	size_t head = 0, start;
	bool fortran = false, seen[3] = { false };
	Type t = { 0 };
	int64_t bytes;

	if (n < MAGIC + 4 || memcmp(b, magic, MAGIC) != 0)
		return "it is no array of NumPy (.npy)";
	if (b[6] < 1 || b[6] > 3 || b[7] != 0)
		return arena_printf(a, "it has format version %d.%d: only 1.0, 2.0 and 3.0 can be read", b[6], b[7]);
	start = b[6] == 1 ? 10 : 12;
	if (n < start)
		return "it is cut off";
	for (size_t i = MAGIC + 2; i < start; i++)
		head |= (size_t)b[i] << 8 * (i - MAGIC - 2);
	if (head > HEADER_MAX || head > n - start)
		return head > HEADER_MAX ? "its header is too long" : "it is cut off in its header";

	Reader r = { a, (const char *)b + start, (const char *)b + start + head, NULL };

	need(&r, '{');
	while (!r.err && !take(&r, '}')) {
		static const char *const keys[] = { "descr", "fortran_order", "shape" };
		const char *key = string(&r);
		size_t k = 0;

		while (k < COUNT(keys) && strcmp(key, keys[k]) != 0)
			k++;
		need(&r, ':');
		if (r.err)
			break;
		if (k == COUNT(keys) || seen[k]) {
			no(&r, "its header is malformed: a key is unknown, or there twice");
			break;
		}
		seen[k] = true;
		if (k == 0)
			descr(&r, &t);
		else if (k == 2)
			shape(&r, &t);
		else if (word(&r, "True"))
			fortran = true;
		else if (!word(&r, "False"))
			no(&r, "its header is malformed: fortran_order is neither True nor False");
		if (!r.err && !take(&r, ',')) {
			need(&r, '}');
			break;
		}
	}
	if (!r.err && !(seen[0] && seen[1] && seen[2]))
		no(&r, "its header is malformed: descr, fortran_order or shape is missing");
	if (r.err)
		return r.err;
	if ((bytes = byte_count(&t)) < 0)
		return "its shape is too large";
	if ((uint64_t)bytes > n - start - head)
		return arena_printf(a, "it is cut off: %s needs %" PRId64 " bytes, but there are %zu", type_text(a, &t), bytes,
		                    n - start - head);
	out->type = t;
	out->data = arena_alloc(a, (size_t)bytes + 1);
	b += start + head;
	if (fortran && t.rank > 1)
		from_fortran(&t, b, out->data);
	else if (bytes)
		memcpy(out->data, b, (size_t)bytes);
	if (t.dt == DT_BOOL)
		for (int64_t i = 0; i < bytes; i++)
			((uint8_t *)out->data)[i] = ((uint8_t *)out->data)[i] != 0;
	return NULL;
}

const char *
npy_read(Arena *a, const char *path, Tensor *out)
{
	const char *err = NULL;
	size_t n;
	const void *p = file_map(a, path, &n, &err);

	if (!p)
		return err;
	err = npy_parse(a, p, n, out);
	file_unmap(p, n);
	return err ? arena_printf(a, "%s: %s", path, err) : NULL;
}

const char *
npy_write(Arena *a, const char *path, const Tensor *t)
{
	Text h = { .a = a };
	const char *kind = NULL, *err;
	size_t bytes = (size_t)type_bytes(&t->type);
	FileOut o;

	for (size_t i = 0; i < COUNT(kinds); i++)
		if (kinds[i].dt == t->type.dt)
			kind = kinds[i].descr;
	text_printf(&h, "{'descr': '%c%s', 'fortran_order': False, 'shape': (", dtype_info[t->type.dt].bytes == 1 ? '|' : '<',
	            kind);
	for (int i = 0; i < t->type.rank; i++)
		text_printf(&h, "%s%" PRId64 "%s", i ? ", " : "", t->type.dim[i], t->type.rank == 1 ? "," : "");
	text_put(&h, "), }");
	while ((MAGIC + 4 + h.n + 1) % ALIGN)
		text_put(&h, " ");
	text_put(&h, "\n");
	if ((err = fileout_open(a, &o, path)))
		return err;
	fwrite(magic, 1, MAGIC, o.f);
	fwrite((uint8_t[]){ 1, 0, (uint8_t)h.n, (uint8_t)(h.n >> 8) }, 1, 4, o.f);
	fwrite(h.p, 1, h.n, o.f);
	if (bytes)
		fwrite(t->data, 1, bytes, o.f);
	return fileout_commit(&o);
}
