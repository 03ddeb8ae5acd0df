/* text.c -- a program as text, and back.
 *
 * The kernels come first, in kir's own form, then one block `program { … }`.  Constants
 * are only described (size, hash); their bytes travel in a file beside the text.
 * print(parse(print(p))) is print(p).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>

#include "engine/consts.h"
#include "engine/program.h"
#include "runtime/yolo12c.h"

/* ---- out ------------------------------------------------------------------------ */

static void
print_string(FILE *f, const char *s)
{
	fputc('"', f);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fputc('\\', f);
		if (*s == '\n')
			fputs("\\n", f);
		else
			fputc(*s, f);
	}
	fputc('"', f);
}

static void
print_type(FILE *f, const Type *t)
{
	fprintf(f, "%s[", dtype_info[t->dt].name);
	for (int i = 0; i < t->rank; i++) {
		if (t->dim[i] < 0)
			fprintf(f, "%s?", i ? "," : "");
		else
			fprintf(f, "%s%" PRId64, i ? "," : "", t->dim[i]);
	}
	fputc(']', f);
}

static const char *const tmap_kind[] = { "tile", "im2col" };
static const char *const place_word[] = { "arena", "const", "input", "dims", "tmap" };

/* y12_dtype and DType name the same types */
static const char *
tmap_dtype(uint32_t t)
{
	static const DType of[] = {
		[Y12_U8] = DT_U8, [Y12_BOOL] = DT_BOOL, [Y12_I32] = DT_I32, [Y12_I64] = DT_I64,
		[Y12_F16] = DT_F16, [Y12_BF16] = DT_BF16, [Y12_F32] = DT_F32, [Y12_F64] = DT_F64,
	};

	return t < COUNT(of) ? dtype_info[of[t]].name : "?";
}

static void
print_list(FILE *f, const char *name, int n, const int64_t *x)
{
	fprintf(f, " %s [", name);
	for (int i = 0; i < n; i++)
		fprintf(f, i ? ", %" PRId64 : "%" PRId64, x[i]);
	fputc(']', f);
}

/* the lists of a map, by name, as print and parse share them */
typedef struct TmapLists { int64_t dim[5], stride[5], step[5], box[5], lower[5], upper[5]; } TmapLists;

static void
print_tmap(FILE *f, const y12e_tmap *t)
{
	int r = (int)t->rank;
	TmapLists l = { 0 };

	for (int i = 0; i < r; i++) {
		l.dim[i] = (int64_t)t->dim[i];
		l.step[i] = t->step[i];
		l.box[i] = t->box[i];
	}
	for (int i = 0; i + 1 < r; i++)
		l.stride[i] = (int64_t)t->stride[i];
	for (int i = 0; i < 3; i++) {
		l.lower[i] = t->lower[i];
		l.upper[i] = t->upper[i];
	}
	fprintf(f, "  tmap %s %s", tmap_kind[t->kind], tmap_dtype(t->dtype));
	print_list(f, "dim", r, l.dim);
	print_list(f, "stride", r - 1, l.stride);
	print_list(f, "step", r, l.step);
	if (t->kind == Y12E_TILE) {
		print_list(f, "box", r, l.box);
	} else {
		print_list(f, "lower", r - 2, l.lower);
		print_list(f, "upper", r - 2, l.upper);
		fprintf(f, " columns %" PRIu32 " %" PRIu32, t->channels, t->pixels);
	}
	fprintf(f, " swizzle %" PRIu32 " %s", t->swizzle, place_word[t->place]);
	if (t->place == Y12E_INPUT)
		fprintf(f, " %" PRIu32, t->tensor);
	fprintf(f, "+%" PRIu64 "\n", t->offset);
}

static void
print_arg(FILE *f, const ProgEntry *e, const ProgArg *x)
{
	fputs(place_word[x->kind], f);
	if (x->kind == PROG_TMAP) {
		fprintf(f, " %" PRIu32, x->tensor);
		return;
	}
	if (x->kind == PROG_INPUT || x->kind == PROG_DIMS)
		fprintf(f, " %s", e->tensor.p[x->tensor].name);
	fprintf(f, "+%" PRId64, x->offset);
	if (x->bytes >= 0)
		fprintf(f, ":%" PRId64, x->bytes);
}

void
program_print(FILE *f, const Program *p)
{
	char hex[33];

	for (size_t i = 0; i < p->kernel.n; i++) {
		kernel_print(f, p->kernel.p[i]);
		fputc('\n', f);
	}
	hash_hex(hex, p->consts ? p->consts : (const void *)"", (size_t)p->const_bytes);
	fprintf(f, "program {\n  arena %" PRId64 "\n  const %" PRId64 " #%.16s\n", p->arena_bytes, p->const_bytes, hex);
	for (size_t i = 0; i < map_count(p->meta); i++) {
		fprintf(f, "  meta ");
		print_string(f, map_key(p->meta, i));
		fputc(' ', f);
		print_string(f, map_value(p->meta, i));
		fputc('\n', f);
	}
	for (size_t i = 0; i < p->tmap.n; i++)
		print_tmap(f, &p->tmap.p[i]);
	for (size_t i = 0; i < p->entry.n; i++) {
		const ProgEntry *e = &p->entry.p[i];

		fprintf(f, "  entry %s {\n", e->name);
		for (size_t j = 0; j < e->tensor.n; j++) {
			const ProgTensor *t = &e->tensor.p[j];

			fprintf(f, "    %s %s: ", t->output ? "output" : "input", t->name);
			print_type(f, &t->type);
			if (t->offset >= 0)
				fprintf(f, " %s+%" PRId64, t->output ? "arena" : "const", t->offset);
			fputc('\n', f);
		}
		for (size_t j = 0; j < e->launch.n; j++) {
			const ProgLaunch *l = &e->launch.p[j];

			fprintf(f, "    launch %s %s(", phase_name[l->phase], p->kernel.p[l->kernel]->name);
			for (size_t k = 0; k < l->arg.n; k++) {
				fputs(k ? ", " : "", f);
				print_arg(f, e, &l->arg.p[k]);
			}
			fputs(") ", f);
			print_string(f, l->layer);
			if (l->programmatic)
				fputs(" programmatic", f);
			if (l->lane)
				fprintf(f, " lane %u", l->lane);
			for (size_t k = 0; k < l->after.n; k++)
				fprintf(f, k ? " %u" : " after %u", l->after.p[k]);
			fputc('\n', f);
		}
		fputs("  }\n", f);
	}
	fputs("}\n", f);
}

/* ---- in ------------------------------------------------------------------------- */

typedef struct Reader {
	Arena *a;
	Diag *d;
	const Source *src;
	size_t at, start;       /* start of the last token */
	bool bad;
} Reader;

static void
skip(Reader *r)
{
	while (r->at < r->src->len) {
		char c = r->src->text[r->at];

		if (c == '#' && (r->at == 0 || isspace((unsigned char)r->src->text[r->at - 1])) &&
		    !isxdigit((unsigned char)r->src->text[r->at + 1])) {
			while (r->at < r->src->len && r->src->text[r->at] != '\n')
				r->at++;
		} else if (isspace((unsigned char)c)) {
			r->at++;
		} else {
			break;
		}
	}
	r->start = r->at;
}

static void
expected(Reader *r, const char *what)
{
	if (!r->bad)
		diag_error(r->d, (Span){ r->src->id, (uint32_t)r->start, (uint32_t)MIN(r->at + 1, r->src->len) },
		           "program-syntax", "expected %s here", what);
	r->bad = true;
}

/* the next word: letters, digits, _ and the dots inside names */
static const char *
word(Reader *r)
{
	skip(r);
	while (r->at < r->src->len && (isalnum((unsigned char)r->src->text[r->at]) || r->src->text[r->at] == '_'))
		r->at++;
	return arena_strn(r->a, r->src->text + r->start, r->at - r->start);
}

static bool
take(Reader *r, const char *s)
{
	skip(r);
	if (r->src->len - r->at < strlen(s) || strncmp(r->src->text + r->at, s, strlen(s)) != 0)
		return false;
	r->at += strlen(s);
	return true;
}

static bool
take_word(Reader *r, const char *s)
{
	size_t at = r->at;

	if (strcmp(word(r), s) == 0)
		return true;
	r->at = at;
	return false;
}

static void
need(Reader *r, const char *s)
{
	if (!r->bad && !take(r, s))
		expected(r, arena_printf(r->a, "'%s'", s));
}

static bool
at_number(Reader *r)
{
	skip(r);
	return r->at < r->src->len && isdigit((unsigned char)r->src->text[r->at]);
}

static int64_t
number(Reader *r)
{
	int64_t x = 0;

	if (!at_number(r)) {
		expected(r, "a number");
		return 0;
	}
	while (r->at < r->src->len && isdigit((unsigned char)r->src->text[r->at])) {
		if (x > INT64_MAX / 16) {
			expected(r, "a smaller number");
			return 0;
		}
		x = 10 * x + (r->src->text[r->at++] - '0');
	}
	return x;
}

static const char *
string(Reader *r)
{
	Text t = { .a = r->a };

	need(r, "\"");
	while (!r->bad) {
		char c;

		if (r->at >= r->src->len) {
			expected(r, "the end of a string");
			break;
		}
		c = r->src->text[r->at++];
		if (c == '"')
			break;
		if (c == '\\' && r->at < r->src->len) {
			c = r->src->text[r->at++];
			c = c == 'n' ? '\n' : c;
		}
		text_putn(&t, &c, 1);
	}
	return text_str(&t);
}

static Type
type(Reader *r)
{
	Type t = { .dt = dtype_named(word(r)) };

	if (!t.dt)
		expected(r, "an element type such as f32");
	need(r, "[");
	while (!r->bad && !take(r, "]")) {
		if (t.rank == MAX_RANK) {
			expected(r, "at most 6 dimensions");
			break;
		}
		if (t.rank)
			need(r, ",");
		t.dim[t.rank++] = take(r, "?") ? -1 : number(r);
	}
	return t;
}

static uint32_t
small(Reader *r, int64_t most)
{
	int64_t x = number(r);

	if (x > most)
		expected(r, "a smaller number");
	return (uint32_t)x;
}

/* name [1, -2, …] with exactly n numbers */
static void
list(Reader *r, const char *name, int n, int64_t *x)
{
	need(r, name);
	need(r, "[");
	for (int i = 0; i < n && !r->bad; i++) {
		bool minus;

		if (i)
			need(r, ",");
		minus = take(r, "-");
		x[i] = number(r);
		if (minus)
			x[i] = -x[i];
	}
	need(r, "]");
}

static y12e_tmap
tmap(Reader *r)
{
	y12e_tmap t = { 0 };
	TmapLists l = { 0 };
	const char *w = word(r);
	int n = 0;

	t.kind = strcmp(w, tmap_kind[Y12E_IM2COL]) == 0 ? Y12E_IM2COL : Y12E_TILE;
	if (strcmp(w, tmap_kind[t.kind]) != 0)
		expected(r, "tile or im2col");
	w = word(r);
	for (t.dtype = Y12_U8; t.dtype <= Y12_F64 && strcmp(w, tmap_dtype(t.dtype)) != 0;)
		t.dtype++;
	need(r, "dim");
	need(r, "[");
	while (!r->bad && !take(r, "]")) {
		if (n == 5) {
			expected(r, "at most 5 dimensions");
			break;
		}
		if (n)
			need(r, ",");
		l.dim[n++] = number(r);
	}
	t.rank = (uint32_t)n;
	list(r, "stride", MAX(n - 1, 0), l.stride);
	list(r, "step", n, l.step);
	if (t.kind == Y12E_TILE) {
		list(r, "box", n, l.box);
	} else {
		list(r, "lower", MAX(n - 2, 0), l.lower);
		list(r, "upper", MAX(n - 2, 0), l.upper);
		need(r, "columns");
		t.channels = small(r, UINT32_MAX);
		t.pixels = small(r, UINT32_MAX);
	}
	need(r, "swizzle");
	t.swizzle = small(r, 128);
	w = word(r);
	for (t.place = 0; t.place <= Y12E_INPUT && strcmp(w, place_word[t.place]) != 0;)
		t.place++;
	if (t.place > Y12E_INPUT)
		expected(r, "arena, const or input");
	if (t.place == Y12E_INPUT)
		t.tensor = small(r, UINT32_MAX);
	need(r, "+");
	t.offset = (uint64_t)number(r);
	for (int i = 0; i < n; i++) {
		t.dim[i] = (uint64_t)l.dim[i];
		t.step[i] = (uint32_t)MIN(l.step[i], 255);
		t.box[i] = (uint32_t)MIN(l.box[i], UINT32_MAX);
	}
	for (int i = 0; i + 1 < n; i++)
		t.stride[i] = (uint64_t)l.stride[i];
	for (int i = 0; i < 3; i++) {
		t.lower[i] = (int32_t)MAX(MIN(l.lower[i], INT32_MAX), INT32_MIN);
		t.upper[i] = (int32_t)MAX(MIN(l.upper[i], INT32_MAX), INT32_MIN);
	}
	return t;
}

static ProgArg
arg(Reader *r, const ProgEntry *e)
{
	ProgArg x = { .bytes = -1 };
	const char *w = word(r);
	size_t k = 0;

	while (k < COUNT(place_word) && strcmp(w, place_word[k]) != 0)
		k++;
	if (k == COUNT(place_word)) {
		expected(r, "arena, const, input, dims or tmap");
		return x;
	}
	x.kind = (ProgArgKind)k;
	if (x.kind == PROG_TMAP) {
		x.tensor = small(r, UINT32_MAX);
		return x;
	}
	if (x.kind == PROG_INPUT || x.kind == PROG_DIMS) {
		const char *name = word(r);

		while (x.tensor < e->tensor.n && strcmp(e->tensor.p[x.tensor].name, name) != 0)
			x.tensor++;
		if (x.tensor == e->tensor.n)
			expected(r, "the name of an input of this entry");
	}
	need(r, "+");
	x.offset = number(r);
	if (take(r, ":"))
		x.bytes = number(r);
	return x;
}

static void
launch(Reader *r, Program *p, ProgEntry *e)
{
	ProgLaunch l = { 0 };
	const char *w = word(r);
	int ph = 0;

	while (ph < 3 && strcmp(w, phase_name[ph]) != 0)
		ph++;
	if (ph == 3)
		expected(r, "pre, net or post");
	l.phase = (Phase)(ph % 3);
	w = word(r);
	while (l.kernel < p->kernel.n && strcmp(p->kernel.p[l.kernel]->name, w) != 0)
		l.kernel++;
	if (l.kernel == p->kernel.n)
		expected(r, "the name of a kernel above");
	need(r, "(");
	while (!r->bad && !take(r, ")")) {
		if (l.arg.n)
			need(r, ",");
		vec_push(r->a, &l.arg, arg(r, e));
	}
	l.layer = string(r);
	l.programmatic = take_word(r, "programmatic");
	if (take_word(r, "lane"))
		l.lane = small(r, Y12E_LANES - 1);
	if (take_word(r, "after")) {
		do {
			uint32_t before = small(r, UINT32_MAX);

			if (before >= e->launch.n)
				expected(r, "the number of a launch above in this entry");
			vec_push(r->a, &l.after, before);
		} while (!r->bad && at_number(r));
	}
	if (!r->bad)
		vec_push(r->a, &e->launch, l);
}

static void
entry(Reader *r, Program *p)
{
	ProgEntry e = { .name = word(r) };

	need(r, "{");
	while (!r->bad && !take(r, "}")) {
		bool out = take_word(r, "output");

		if (out || take_word(r, "input")) {
			ProgTensor t = { .name = word(r), .output = out, .offset = -1 };

			need(r, ":");
			t.type = type(r);
			if (take_word(r, out ? "arena" : "const")) {
				need(r, "+");
				t.offset = number(r);
			}
			vec_push(r->a, &e.tensor, t);
		} else if (take_word(r, "launch")) {
			launch(r, p, &e);
		} else {
			expected(r, "input, output, launch or '}'");
		}
	}
	if (!r->bad)
		vec_push(r->a, &p->entry, e);
}

Program *
program_parse(Arena *a, Diag *d, const Source *src, const void *consts, size_t const_bytes)
{
	size_t rest = 0;
	KernelList *ks = kernel_parse(a, d, src, &rest);
	Reader r = { .a = a, .d = d, .src = src, .at = rest, .start = rest };
	Program *p = program_new(a);
	const char *err;

	if (!ks)
		return NULL;
	for (size_t i = 0; i < ks->k.n; i++)
		vec_push(a, &p->kernel, ks->k.p[i]);
	if (!take_word(&r, "program"))
		expected(&r, "a kernel or 'program {'");
	need(&r, "{");
	while (!r.bad && !take(&r, "}")) {
		if (take_word(&r, "arena")) {
			p->arena_bytes = number(&r);
		} else if (take_word(&r, "const")) {
			int64_t n = number(&r);

			const char *hash = take(&r, "#") ? word(&r) : NULL;
			char hex[33];

			if (consts && (uint64_t)n != const_bytes) {
				diag_error(d, (Span){ src->id, (uint32_t)r.start, (uint32_t)r.at }, "program-consts",
				           "the program wants %" PRId64 " bytes of constants, but there are %zu beside it",
				           n, const_bytes);
				return NULL;
			}
			hash_hex(hex, consts ? consts : "", const_bytes);
			if (consts && hash && strncmp(hash, hex, strlen(hash)) != 0) {
				diag_error(d, (Span){ src->id, (uint32_t)r.start, (uint32_t)r.at }, "program-consts",
				           "the constants beside the program are others");
				return NULL;
			}
			if (n > (int64_t)1 << 40) {
				expected(&r, "at most 2^40 bytes of constants");
				break;
			}
			if (!consts && n > (int64_t)1 << 30) {
				expected(&r, "constants beside the text");
				break;
			}
			consts_reserve(p, n);
			if (consts && const_bytes)
				memcpy(p->consts, consts, const_bytes);
			p->const_bytes = n;
		} else if (take_word(&r, "meta")) {
			const char *key = string(&r);
			const char *value = string(&r);

			map_set(p->meta, key, (void *)(uintptr_t)value);
		} else if (take_word(&r, "tmap")) {
			vec_push(a, &p->tmap, tmap(&r));
		} else if (take_word(&r, "entry")) {
			entry(&r, p);
		} else {
			expected(&r, "arena, const, meta, tmap, entry or '}'");
		}
	}
	if (r.bad)
		return NULL;
	if (!program_verify(p, &err)) {
		diag_error(d, (Span){ 0 }, "program-invalid", "%s: %s", src->path, err);
		return NULL;
	}
	return p;
}
