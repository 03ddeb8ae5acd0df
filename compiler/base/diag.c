/* diag.c -- diagnostics, as text with carets and as JSON.
 *
 *     4 |   out conv2d(p4, w)          one line of the source, tabs as spaces,
 *       |              ^^              control bytes as '?', and what the span
 *                                      covers of it
 *
 * A column is counted three ways, because three readers count it: in bytes for
 * path:line:col, in terminal cells for the caret, in UTF-16 units for JSON
 * (what the language server protocol asks for).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/diag.h"

enum { TAB = 4, WIDEST = 160, LIMIT = 20 };

typedef struct Lines {
	Source source;
	VEC(uint32_t) start;    /* byte where each line begins */
} Lines;

struct Diag {
	Arena *a;
	VEC(Lines *) src;       /* src.p[id - 1] */
	VEC(DiagMsg) msg;
	int errors, warnings, limit;
	bool dropped;           /* the last error or warning was over the limit */
};

Diag *
diag_new(Arena *a)
{
	Diag *d = NEW(a, Diag);

	d->a = a;
	d->limit = LIMIT;
	return d;
}

void
diag_limit(Diag *d, int limit)
{
	d->limit = limit;
}

/* ---- sources and places ------------------------------------------------------ */

const Source *
diag_source(Diag *d, const char *path, const char *text, size_t len)
{
	Lines *s = NEW(d->a, Lines);

	len = MIN(len, (size_t)UINT32_MAX - 1);
	vec_push(d->a, &d->src, s);
	s->source = (Source){ arena_str(d->a, path), text, len, (uint32_t)d->src.n };
	vec_push(d->a, &s->start, 0);
	for (size_t i = 0; i < len; i++)
		if (text[i] == '\n')
			vec_push(d->a, &s->start, (uint32_t)i + 1);
	return &s->source;
}

static const Lines *
lines_of(const Diag *d, Span s)
{
	return s.src && s.src <= d->src.n ? d->src.p[s.src - 1] : NULL;
}

const Source *
diag_source_of(const Diag *d, Span s)
{
	const Lines *l = lines_of(d, s);

	return l ? &l->source : NULL;
}

/* index of the line that byte `at` is in */
static size_t
line_at(const Lines *l, size_t at)
{
	size_t lo = 0, hi = l->start.n;

	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;
		*(l->start.p[mid] <= at ? &lo : &hi) = mid;
	}
	return lo;
}

/* one past the last byte of the line, its line end left out */
static size_t
line_end(const Lines *l, size_t line)
{
	size_t end = line + 1 < l->start.n ? l->start.p[line + 1] - 1 : l->source.len;

	if (end > l->start.p[line] && l->source.text[end - 1] == '\r')
		end--;
	return end;
}

void
diag_line_col(const Diag *d, Span s, int *line, int *col)
{
	const Lines *l = lines_of(d, s);

	*line = *col = 0;
	if (!l)
		return;
	size_t at = MIN(s.begin, l->source.len), k = line_at(l, at);
	*line = (int)k + 1;
	*col = (int)(at - l->start.p[k]) + 1;
}

Span
span_join(Span a, Span b)
{
	if (!a.src || (b.src && a.src != b.src))
		return a.src ? a : b;
	if (!b.src)
		return a;
	return (Span){ a.src, MIN(a.begin, b.begin), MAX(a.end, b.end) };
}

/* ---- collecting ---------------------------------------------------------------- */

static void
add(Diag *d, Severity sev, Span span, const char *slug, const char *fmt, va_list ap)
{
	if (sev != SEV_NOTE) {
		int n = ++*(sev == SEV_ERROR ? &d->errors : &d->warnings);
		d->dropped = d->limit > 0 && n > d->limit;
	}
	if (d->dropped)
		return;
	DiagMsg m = { sev, span, slug ? arena_str(d->a, slug) : NULL,
	              arena_vprintf(d->a, fmt, ap) };
	vec_push(d->a, &d->msg, m);
}

void
diag_error(Diag *d, Span s, const char *slug, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(d, SEV_ERROR, s, slug, fmt, ap);
	va_end(ap);
}

void
diag_warning(Diag *d, Span s, const char *slug, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(d, SEV_WARNING, s, slug, fmt, ap);
	va_end(ap);
}

void
diag_note(Diag *d, Span s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(d, SEV_NOTE, s, NULL, fmt, ap);
	va_end(ap);
}

int
diag_errors(const Diag *d)
{
	return d->errors;
}

int
diag_warnings(const Diag *d)
{
	return d->warnings;
}

void
diag_clear(Diag *d)
{
	d->msg.n = 0;
	d->errors = d->warnings = 0;
	d->dropped = false;
}

size_t
diag_count(const Diag *d)
{
	return d->msg.n;
}

const DiagMsg *
diag_get(const Diag *d, size_t i)
{
	return i < d->msg.n ? &d->msg.p[i] : NULL;
}

/* ---- characters ------------------------------------------------------------------ */

/* terminal cells of a character; the ranges are the usual East Asian wide ones */
static int
cells(int32_t c)
{
	static const struct { int32_t lo, hi; int w; } range[] = {
		{ 0x0300, 0x036f, 0 }, { 0x200b, 0x200f, 0 }, { 0xfe00, 0xfe0f, 0 },
		{ 0x1100, 0x115f, 2 }, { 0x2e80, 0x303e, 2 }, { 0x3041, 0xa4cf, 2 },
		{ 0xac00, 0xd7a3, 2 }, { 0xf900, 0xfaff, 2 }, { 0xfe30, 0xfe6f, 2 },
		{ 0xff00, 0xff60, 2 }, { 0xffe0, 0xffe6, 2 }, { 0x1f300, 0x1f64f, 2 },
		{ 0x1f900, 0x1f9ff, 2 }, { 0x20000, 0x3fffd, 2 },
	};

	for (size_t i = 0; i < COUNT(range); i++)
		if (c >= range[i].lo && c <= range[i].hi)
			return range[i].w;
	return 1;
}

/* ---- text ------------------------------------------------------------------------ */

static const struct { const char *word, *on; int lsp; } severity[] = {
	[SEV_ERROR]   = { "error",   "\033[1;31m", 1 },
	[SEV_WARNING] = { "warning", "\033[1;35m", 2 },
	[SEV_NOTE]    = { "note",    "\033[1;36m", 3 },
};

static void
print_line(const Lines *l, Span span, FILE *f, bool color)
{
	size_t begin = MIN(span.begin, l->source.len), line = line_at(l, begin);
	size_t end = line_end(l, line);
	const char *text = l->source.text, *s = text + l->start.p[line], *stop = text + end;
	int col = 0, from = 0, width = 0;

	/* a long line is shown from shortly before the span, at a character's start */
	const char *at = text + MIN(begin, end);
	bool cut = at - s > WIDEST / 2;
	if (cut)
		for (s = at - WIDEST / 4; s < at && ((unsigned char)*s & 0xc0) == 0x80; s++)
			continue;
	fprintf(f, "%5zu | %s", line + 1, cut ? "..." : "");
	col = from = cut ? 3 : 0;
	while (s < stop && col < WIDEST) {
		int32_t c;
		size_t n = utf8_next(s, stop, &c), offset = (size_t)(s - text);
		int w = c == '\t' ? TAB - col % TAB : cells(c);

		if (offset < begin)
			from += w;
		else if (offset < span.end)
			width += w;
		if (c == '\t')
			fprintf(f, "%*s", w, "");
		else if (c < 0 || c < ' ' || (c >= 0x7f && c < 0xa0))
			fputc('?', f);
		else
			fwrite(s, 1, n, f);
		col += w;
		s += n;
	}
	fprintf(f, "%s\n      | %*s%s", s < stop ? "..." : "", from, "", color ? "\033[1;32m" : "");
	for (int i = 0; i < MAX(width, 1); i++)
		fputc('^', f);
	fprintf(f, "%s\n", color ? "\033[0m" : "");
}

void
diag_print(const Diag *d, FILE *f, bool color)
{
	const char *bold = color ? "\033[1m" : "", *off = color ? "\033[0m" : "";

	for (size_t i = 0; i < d->msg.n; i++) {
		const DiagMsg *m = &d->msg.p[i];
		const Lines *l = lines_of(d, m->span);

		if (l) {
			int line, col;
			diag_line_col(d, m->span, &line, &col);
			fprintf(f, "%s%s:%d:%d: %s", bold, l->source.path, line, col, off);
		}
		fprintf(f, "%s%s:%s %s", color ? severity[m->sev].on : "",
		        severity[m->sev].word, off, m->text);
		if (m->slug)
			fprintf(f, " [%s]", m->slug);
		fputc('\n', f);
		if (l)
			print_line(l, m->span, f, color);
	}
	int more[] = { d->errors - d->limit, d->warnings - d->limit };
	for (int i = 0; i < 2; i++)
		if (d->limit > 0 && more[i] > 0)
			fprintf(f, "%d more %s%s not shown\n", more[i], severity[i].word,
			        more[i] == 1 ? "" : "s");
}

/* ---- JSON ------------------------------------------------------------------------ */

static void
json_string(FILE *f, const char *s)
{
	const char *end = s + strlen(s);

	fputc('"', f);
	while (s < end) {
		int32_t c;
		size_t n = utf8_next(s, end, &c);
		if (c < 0)
			fputs("\\ufffd", f);
		else if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else if (c < ' ' || c == 0x7f)
			fprintf(f, "\\u%04x", c);
		else
			fwrite(s, 1, n, f);
		s += n;
	}
	fputc('"', f);
}

static void
json_place(FILE *f, const Lines *l, size_t at)
{
	at = MIN(at, l->source.len);
	size_t line = line_at(l, at), unit = 0;
	const char *s = l->source.text + l->start.p[line], *end = l->source.text + at;

	while (s < end) {
		int32_t c;
		s += utf8_next(s, end, &c);
		unit += c >= 0x10000 ? 2 : 1;
	}
	fprintf(f, "{\"line\": %zu, \"character\": %zu}", line, unit);
}

static void
json_body(const Diag *d, FILE *f, const DiagMsg *m)
{
	const Lines *l = lines_of(d, m->span);

	fputs("{\"path\": ", f);
	if (l) {
		json_string(f, l->source.path);
		fputs(", \"range\": {\"start\": ", f);
		json_place(f, l, m->span.begin);
		fputs(", \"end\": ", f);
		json_place(f, l, MAX(m->span.end, m->span.begin));
		fputs("}", f);
	} else {
		fputs("null, \"range\": null", f);
	}
	fprintf(f, ", \"severity\": %d", severity[m->sev].lsp);
	if (m->slug) {
		fputs(", \"code\": ", f);
		json_string(f, m->slug);
	}
	fputs(", \"message\": ", f);
	json_string(f, m->text);
}

/* Notes go inside the message that they belong to. */
void
diag_print_json(const Diag *d, FILE *f)
{
	fputs("[", f);
	for (size_t i = 0; i < d->msg.n;) {
		fputs(i ? ",\n " : "\n ", f);
		json_body(d, f, &d->msg.p[i++]);
		bool notes = false;
		for (; i < d->msg.n && d->msg.p[i].sev == SEV_NOTE; i++, notes = true) {
			fputs(notes ? ",\n   " : ", \"related\": [\n   ", f);
			json_body(d, f, &d->msg.p[i]);
			fputs("}", f);
		}
		fputs(notes ? "]}" : "}", f);
	}
	fputs(d->msg.n ? "\n]\n" : "]\n", f);
}
