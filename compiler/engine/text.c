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

static void
print_arg(FILE *f, const ProgEntry *e, const ProgArg *x)
{
	static const char *const word[] = { "arena", "const", "input", "dims" };

	fputs(word[x->kind], f);
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

static int64_t
number(Reader *r)
{
	int64_t x = 0;

	skip(r);
	if (r->at >= r->src->len || !isdigit((unsigned char)r->src->text[r->at])) {
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

static ProgArg
arg(Reader *r, const ProgEntry *e)
{
	static const char *const kind[] = { "arena", "const", "input", "dims" };
	ProgArg x = { .bytes = -1 };
	const char *w = word(r);
	size_t k = 0;

	while (k < COUNT(kind) && strcmp(w, kind[k]) != 0)
		k++;
	if (k == COUNT(kind)) {
		expected(r, "arena, const, input or dims");
		return x;
	}
	x.kind = (ProgArgKind)k;
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
			if (consts)
				memcpy(p->consts, consts, const_bytes);
			p->const_bytes = n;
		} else if (take_word(&r, "meta")) {
			const char *key = string(&r);
			const char *value = string(&r);

			map_set(p->meta, key, (void *)(uintptr_t)value);
		} else if (take_word(&r, "entry")) {
			entry(&r, p);
		} else {
			expected(&r, "arena, const, meta, entry or '}'");
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
